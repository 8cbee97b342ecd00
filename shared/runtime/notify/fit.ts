import type { Message, Paragraph } from './message.ts'

/**
 * The paragraphs of a message, cut so that `fits` holds: whole paragraphs first, then as many characters of the next one as there
 * is room for, then a line that says how much is left out; the tail stays. What is cut is the text before it is given a form, so
 * that neither a character nor a piece of markup is cut in half. `fits` is asked about the whole, and must hold for less when it
 * holds for more.
 *
 * When not even the tail fits, only the last line of it that fits is left, or nothing.
 */
export function fitMessage(
  message: Pick<Message, 'body' | 'tail'>,
  fits: (paragraphs: readonly Paragraph[]) => boolean,
): readonly Paragraph[] {
  const { body, tail } = message
  const whole = [...body, ...tail]
  if (fits(whole)) return whole
  const cutTo = (kept: readonly Paragraph[], left: number): readonly Paragraph[] => [...kept, leftOut(left), ...tail]
  const count = mostThat(body.length - 1, (kept) => fits(cutTo(body.slice(0, kept), body.length - kept)))
  if (count === undefined) {
    const some = tail.findLastIndex((paragraph) => fits([paragraph]))
    return tail.slice(some, some + 1)
  }
  const kept = body.slice(0, count)
  const next = body[count]
  if (next?.kind === 'text') {
    const characters = [...next.text]
    const partOf = (length: number): readonly Paragraph[] => {
      const part: Paragraph = { kind: 'text', text: `${characters.slice(0, length).join('').trimEnd()}…` }
      const left = body.length - count - 1
      return left === 0 ? [...kept, part, ...tail] : cutTo([...kept, part], left)
    }
    const length = mostThat(characters.length - 1, (some) => some > 0 && fits(partOf(some)), 1)
    if (length !== undefined && length >= leastPart) return partOf(length)
  }
  return cutTo(kept, body.length - count)
}

/** Fewer characters of a line say nothing. */
const leastPart = 20

function leftOut(count: number): Paragraph {
  return { kind: 'text', text: `… and ${count} more ${count === 1 ? 'line' : 'lines'}; the log has them all` }
}

/** The largest number from `least` to `most` for which it holds; undefined when it holds for none. */
function mostThat(most: number, holds: (count: number) => boolean, least = 0): number | undefined {
  let found: number | undefined
  let low = least
  let high = most
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) {
      found = middle
      low = middle + 1
    } else high = middle - 1
  }
  return found
}

/** How many bytes a text takes in UTF-8. */
export function bytesOf(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
