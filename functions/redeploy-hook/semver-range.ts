import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { compareVersions, type Version } from '#shared/pure/version.ts'

interface Comparator {
  readonly sign: '<' | '<=' | '>' | '>='
  readonly version: Version
}

/** A parsed range: any of the sets, all comparators of it. A set without comparators takes every release. */
export interface VersionRange {
  readonly text: string
  readonly sets: readonly (readonly Comparator[])[]
}

const longestRange = 200

const shape = 'write comparators such as ">=1.2 <2", "^1.4", "~1.4.2", "1.x" or "1.2 - 1.4", and || between alternatives'

/**
 * Reads a range of versions as npm does: comparators with a blank or a comma between them have to hold all, alternatives stand
 * between `||`; `^` keeps the leftmost number that is not 0, `~` the minor one; numbers that are left out or `x` may be any. An
 * empty text is refused: everything is written `*`.
 */
export function parseRange(text: string): Result<VersionRange, string> {
  if (text.length > longestRange) return failure(`${quote(text)} is too long for a range of versions: ${shape}`)
  if (text.trim() === '') return failure(`a range of versions is empty: ${shape}; every version is "*"`)
  const sets: Comparator[][] = []
  for (const alternative of text.split('||')) {
    const set = parseSet(alternative.trim())
    if (set === undefined) return failure(`${quote(alternative.trim())} is no range of versions: ${shape}`)
    sets.push(set)
  }
  return success({ text, sets })
}

/**
 * Whether a version lies in a range. A prerelease does only where a comparator of the same numbers names a prerelease, too: who
 * asks for `>=1.2` does not ask for 2.0.0-rc.1.
 */
export function satisfies(version: Version, range: VersionRange): boolean {
  return range.sets.some((set) => {
    if (!set.every((comparator) => holds(version, comparator))) return false
    if (version.prerelease.length === 0) return true
    return set.some(({ version: one }) => one.prerelease.length > 0 && isSameNumbers(one, version))
  })
}

function holds(version: Version, { sign, version: bound }: Comparator): boolean {
  const order = compareVersions(version, bound)
  switch (sign) {
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

function isSameNumbers(left: Version, right: Version): boolean {
  return left.major === right.major && left.minor === right.minor && left.patch === right.patch
}

const number = '(?:0|[1-9]\\d{0,14}|[xX*])'
const partial = `v?(${number})(?:\\.(${number})(?:\\.(${number})(?:-([0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*))?(?:\\+[0-9A-Za-z.-]+)?)?)?`
const comparatorPattern = new RegExp(`^(\\^|~|<=|>=|<|>|=)?\\s*${partial}$`)
const hyphenPattern = new RegExp(`^(${partial})\\s+-\\s+(${partial})$`)

/** A version of which the last numbers may be missing. */
interface Partial {
  readonly major?: number | undefined
  readonly minor?: number | undefined
  readonly patch?: number | undefined
  readonly prerelease: readonly string[]
}

function parseSet(text: string): Comparator[] | undefined {
  const hyphen = hyphenPattern.exec(text)
  if (hyphen !== null) {
    const [low, high] = [partialOf(hyphen.slice(2, 6)), partialOf(hyphen.slice(7, 11))]
    return low === undefined || high === undefined ? undefined : [...atLeast(low), ...atMost(high)]
  }
  const comparators: Comparator[] = []
  // A sign may stand apart from its version.
  for (const word of text.replace(/(\^|~|<=|>=|<|>|=)\s+/g, '$1').split(/[\s,]+/)) {
    const found = comparatorPattern.exec(word)
    const version = found === null ? undefined : partialOf(found.slice(2, 6))
    if (version === undefined) return undefined
    comparators.push(...comparatorsOf(found?.[1] ?? '', version))
  }
  return comparators
}

function partialOf([major, minor, patch, prerelease]: readonly (string | undefined)[]): Partial | undefined {
  const numbers = [major, minor, patch].map((text) => (text === undefined || /^[xX*]$/.test(text) ? undefined : Number(text)))
  const words = prerelease === undefined ? [] : prerelease.split('.')
  // Numbers have no leading zeros (semver.org 2.0.0, 9), and only a whole version has a prerelease.
  if (words.some((word) => /^0\d+$/.test(word)) || (words.length > 0 && numbers.includes(undefined))) return undefined
  const [first, second, third] = numbers
  if (first === undefined) return { prerelease: [] }
  if (second === undefined) return { major: first, prerelease: [] }
  return { major: first, minor: second, patch: third, prerelease: words }
}

function comparatorsOf(sign: string, version: Partial): Comparator[] {
  const { major, minor, patch, prerelease } = version
  switch (sign) {
    case '>=':
      return atLeast(version)
    case '<=':
      return atMost(version)
    case '>':
      if (major === undefined) return [nothing]
      return patch === undefined ? [{ sign: '>=', version: afterPartial(version) }] : [{ sign: '>', version: whole(version) }]
    case '<':
      if (major === undefined) return [nothing]
      return [{ sign: '<', version: patch === undefined ? lowest(version) : whole(version) }]
    case '~':
      if (major === undefined) return []
      return [
        ...atLeast(version),
        { sign: '<', version: minor === undefined ? lowest({ major: major + 1 }) : lowest({ major, minor: minor + 1 }) },
      ]
    case '^':
      return major === undefined ? [] : [...atLeast(version), { sign: '<', version: caretEnd(version) }]
    default:
      if (major === undefined) return []
      if (patch === undefined) return [...atLeast(version), { sign: '<', version: lowest(nextOf(version)) }]
      return [
        { sign: '>=', version: { major, minor: minor ?? 0, patch, prerelease } },
        { sign: '<=', version: { major, minor: minor ?? 0, patch, prerelease } },
      ]
  }
}

function atLeast(version: Partial): Comparator[] {
  return version.major === undefined ? [] : [{ sign: '>=', version: whole(version) }]
}

/** Whole versions themselves are in; of partial ones everything that begins with them. */
function atMost(version: Partial): Comparator[] {
  if (version.major === undefined) return []
  return version.patch === undefined ? [{ sign: '<', version: lowest(nextOf(version)) }] : [{ sign: '<=', version: whole(version) }]
}

/** Up to, and without, the next version that may break: the leftmost number that is not 0 counts. */
function caretEnd({ major = 0, minor, patch }: Partial): Version {
  if (major > 0 || minor === undefined) return lowest({ major: major + 1 })
  if (minor > 0 || patch === undefined) return lowest({ major, minor: minor + 1 })
  return lowest({ major, minor, patch: patch + 1 })
}

function afterPartial(version: Partial): Version {
  return whole({ ...nextOf(version), prerelease: [] })
}

/** The one after everything that begins with these numbers. */
function nextOf({ major = 0, minor }: Partial): { readonly major: number; readonly minor?: number } {
  return minor === undefined ? { major: major + 1 } : { major, minor: minor + 1 }
}

function whole({ major = 0, minor = 0, patch = 0, prerelease }: Partial): Version {
  return { major, minor, patch, prerelease }
}

/** Before every prerelease of these numbers. */
function lowest({
  major = 0,
  minor = 0,
  patch = 0,
}: {
  readonly major?: number | undefined
  readonly minor?: number | undefined
  readonly patch?: number | undefined
}): Version {
  return { major, minor, patch, prerelease: ['0'] }
}

const nothing: Comparator = { sign: '<', version: lowest({}) }

/** Whether no version at all lies in a range, as in ">2 <1". */
export function isEmptyRange({ sets }: VersionRange): boolean {
  return sets.every((set) => {
    const lows = set.filter(({ sign }) => sign.startsWith('>'))
    const highs = set.filter(({ sign }) => sign.startsWith('<'))
    return highs.some((high) => {
      if (compareVersions(high.version, nothing.version) === 0 && high.sign === '<') return true
      return lows.some((low) => {
        const order = compareVersions(low.version, high.version)
        return order > 0 || (order === 0 && (low.sign === '>' || high.sign === '<'))
      })
    })
  })
}
