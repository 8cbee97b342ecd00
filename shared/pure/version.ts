import { compareTexts } from './compare-texts.ts'

/** A version by semver.org 2.0.0, as tags carry it: with or without a `v` in front. */
export interface Version {
  readonly major: number
  readonly minor: number
  readonly patch: number
  /** Empty for a release. */
  readonly prerelease: readonly string[]
}

const pattern =
  /^v?(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:[+_][0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/

const [zero, nine, dot] = ['0'.charCodeAt(0), '9'.charCodeAt(0), '.'.charCodeAt(0)]
const none: readonly string[] = []

/**
 * Reads a tag as a version; undefined when it is none. Build data follow a `_`, because tags cannot hold a `+`, and do not
 * count (semver.org 2.0.0, 10).
 */
export function parseVersion(tag: string): Version | undefined {
  // Most tags are none, and show it at their beginning.
  const first = tag.charCodeAt(tag.startsWith('v') ? 1 : 0)
  if (!(first >= zero && first <= nine)) return undefined
  const release = parseRelease(tag, tag.startsWith('v') ? 1 : 0)
  if (release !== undefined) return release
  const found = pattern.exec(tag)
  if (found === null) return undefined
  const [, major = '', minor = '', patch = '', prerelease] = found
  const words = prerelease === undefined ? [] : prerelease.split('.')
  // Numbers have no leading zeros (semver.org 2.0.0, 9).
  if (words.some((word) => /^0\d+$/.test(word))) return undefined
  return { major: Number(major), minor: Number(minor), patch: Number(patch), prerelease: words }
}

/** The longest number that a version has. */
const mostDigits = 15

/** Reads three numbers and nothing else, as nearly all versions are; undefined when it is more, or none. */
function parseRelease(tag: string, from: number): Version | undefined {
  let [major, minor] = [0, 0]
  let [number, digits, dots] = [0, 0, 0]
  for (let at = from; at < tag.length; at += 1) {
    const code = tag.charCodeAt(at)
    if (code >= zero && code <= nine) {
      // No leading zeros.
      if (digits > 0 && (number === 0 || digits === mostDigits)) return undefined
      number = number * 10 + code - zero
      digits += 1
    } else if (code === dot && digits > 0 && dots < 2) {
      if (dots === 0) major = number
      else minor = number
      dots += 1
      number = 0
      digits = 0
    } else return undefined
  }
  return dots === 2 && digits > 0 ? { major, minor, patch: number, prerelease: none } : undefined
}

/** By precedence (semver.org 2.0.0, 11): a release comes after its prereleases. */
export function compareVersions(left: Version, right: Version): number {
  const byNumbers = left.major - right.major || left.minor - right.minor || left.patch - right.patch
  if (byNumbers !== 0) return byNumbers
  if (left.prerelease.length === 0 || right.prerelease.length === 0) return right.prerelease.length - left.prerelease.length
  for (const [index, word] of left.prerelease.entries()) {
    const other = right.prerelease[index]
    if (other === undefined) return 1
    const order = compareWords(word, other)
    if (order !== 0) return order
  }
  return left.prerelease.length - right.prerelease.length
}

/** Two tags by version; a tag that is no version comes before every one that is. */
export function compareVersionNames(left: string, right: string): number {
  const [one, other] = [parseVersion(left), parseVersion(right)]
  if (one === undefined || other === undefined) return Number(one !== undefined) - Number(other !== undefined)
  return compareVersions(one, other)
}

function compareWords(left: string, right: string): number {
  const [isNumber, isOtherNumber] = [/^\d+$/.test(left), /^\d+$/.test(right)]
  if (isNumber && isOtherNumber) return left.length - right.length || compareTexts(left, right)
  if (isNumber !== isOtherNumber) return isNumber ? -1 : 1
  return compareTexts(left, right)
}
