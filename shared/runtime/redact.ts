/** Takes known secrets out of texts, in every form in which they get into one. */
export interface Redactor {
  /** Learns a secret. Empty texts are ignored; the same secret twice is one. */
  add(secret: string): void
  /** The text with `[redacted]` in place of each known secret. */
  text(text: string): string
}

const replacement = '[redacted]'

/** Pieces of base64 shorter than this would match by accident all over. */
const shortestBase64 = 6

/**
 * Makes a redactor that knows nothing yet. It recognises a secret plain, and with any of its characters escaped as in JSON or
 * encoded as in a URL, once or several times over; and in base64 and base64url, themselves perhaps encoded so, also where
 * other bytes stand before and after it in the same base64, as in an Authorization header.
 */
export function createRedactor(): Redactor {
  const known = new Map<string, string>()
  let pattern: RegExp | undefined
  return {
    add: (secret) => {
      if (secret === '' || known.has(secret)) return
      known.set(secret, [secret, ...base64Cores(secret)].map(anyEncoding).join('|'))
      // Longest first, so that a secret that begins like another is taken out whole.
      const longestFirst = [...known].sort(([left], [right]) => right.length - left.length)
      pattern = new RegExp(longestFirst.map(([, form]) => form).join('|'), 'g')
    },
    text: (text) => (pattern === undefined ? text : text.replace(pattern, replacement)),
  }
}

/** The backslash of an escape, as it is or in a URL. */
const backslash = '(?:\\\\|%(?:25)*5[cC])'

/** A pattern for a text in which every character may be as it is or encoded. */
function anyEncoding(text: string): string {
  return [...text].map((character) => `(?:${[...new Set(encodingsOf(character))].join('|')})`).join('')
}

/** Patterns for one character: itself, JSON's escapes, a URL's; `%` and the backslash of an escape may be encoded again. */
function encodingsOf(character: string): string[] {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index).toString(16).padStart(4, '0'))
  const patterns = [
    ...(character === '\\' ? [`${backslash}+`] : []),
    `${backslash}*${escapeForRegExp(character)}`,
    units.map((unit) => `${backslash}+u${anyCase(unit)}`).join(''),
    `${backslash}*${[...Buffer.from(character, 'utf8')].map((byte) => `%(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`).join('')}`,
  ]
  const short = JSON.stringify(character).slice(1, -1)
  if (/^\\[bfnrt]$/.test(short)) patterns.push(`${backslash}+${short.slice(1)}`)
  if (character === ' ') patterns.push('\\+')
  return patterns
}

/** Hex digits in either case. */
function anyCase(digits: string): string {
  return digits.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}

/**
 * The base64 and base64url characters that depend on the secret alone, for each of the three ways in which its bytes can fall into
 * groups of three. The characters at the ends that neighbouring bytes have a part in are left off.
 */
function base64Cores(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const cores = new Set<string>()
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '')
    const start = before === 0 ? 0 : before + 1
    const end = (before + bytes.length) % 3 === 0 ? text.length : text.length - 1
    const core = text.slice(start, end)
    if (core.length < shortestBase64) continue
    cores.add(core)
    cores.add(core.replaceAll('+', '-').replaceAll('/', '_'))
  }
  return [...cores]
}

function escapeForRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
