import { failure, type Result, success } from './result.ts'

const unitMs: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
])

const shape = 'write whole numbers with units, largest first, as in 30m, 1h30m, 8d, 90s or 250ms'

/** Longer than all that anybody writes, so that a text from outside is never searched at length. */
const longestText = 40

const inOrder = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/
const inAnyOrder = /^(?:\d+(?:ms|[dhms]))+$/

/**
 * Reads a length of time (`30m`, `1h30m`, `8d`, `90s`, `250ms`) as milliseconds. Units are d, h, m, s and ms, each at most
 * once and largest first; a bare number, a fraction, a sign or a blank is refused, because nobody can tell what was meant.
 * `0s` is a length of time. More than 40 characters are refused without being looked at.
 */
export function parseDuration(text: string): Result<number, string> {
  if (text === '') return failure(`a duration is empty: ${shape}`)
  if (text.length > longestText) return failure(`a text of ${text.length} characters is no duration: ${shape}`)
  const amounts = inOrder.exec(text)
  if (amounts === null) {
    return failure(`${JSON.stringify(text)} is no duration: ${inAnyOrder.test(text) ? 'the units are not in order: ' : ''}${shape}`)
  }
  let total = 0
  for (const [index, size] of [...unitMs.values()].entries()) total += Number(amounts[index + 1] ?? 0) * size
  if (!Number.isSafeInteger(total)) return failure(`${JSON.stringify(text)} is too long a duration`)
  return success(total)
}

/** Writes milliseconds the way `parseDuration` reads them (`1h30m`). Negative lengths are written by their size; 0 is `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.abs(Math.round(ms))
  let text = ''
  for (const [unit, size] of unitMs) {
    const amount = Math.floor(rest / size)
    if (amount > 0) text += `${amount}${unit}`
    rest -= amount * size
  }
  return text === '' ? '0s' : text
}
