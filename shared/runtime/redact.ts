/** Takes known secrets out of texts, in every form in which they get into one. */
export interface Redactor {
  /** Learns a secret. Empty texts are ignored; the same secret twice is one. */
  add(secret: string): void
  /** The text with `[redacted]` in place of each known secret. */
  text(text: string): string
  /**
   * The first `length` characters of that, with `…` where something was left off. However long the text is, little more than
   * that is looked at; a secret that lies across the end leaves nothing of itself behind.
   */
  head(text: string, length: number): string
}

const replacement = '[redacted]'

/** Pieces of base64 shorter than this would match by accident all over. */
const shortestBase64 = 6

/** Texts are searched in pieces of this length, so that neither time nor memory of one search depends on who wrote the text. */
const pieceLength = 65_536

/** What one character of a secret becomes at the most: a Chinese one in a URL in a URL in a URL takes 21. */
const longestEncoding = 24

/**
 * Makes a redactor that knows nothing yet. It recognises a secret plain, and with any of its characters escaped as in JSON or
 * encoded as in a URL, once or several times over; and in base64 and base64url, themselves perhaps encoded so, also where
 * other bytes stand before and after it in the same base64, as in an Authorization header.
 *
 * The time it takes grows with the length of the text, whatever the text is made of: it may come from an attacker.
 */
export function createRedactor(): Redactor {
  const known = new Map<string, string>()
  let pattern: RegExp | undefined
  /** The longest that a secret can be in a text. */
  let reach = 0

  /** Redacts from the beginning until `enough` characters are there. */
  const redact = (text: string, enough: number): string => {
    if (pattern === undefined) return text.length <= enough ? text : text.slice(0, enough + 1)
    let clean = ''
    for (let at = 0; at < text.length && clean.length <= enough; ) {
      // What begins in this piece may end behind it.
      const piece = text.slice(at, at + pieceLength + reach)
      let done = 0
      pattern.lastIndex = 0
      for (let match = pattern.exec(piece); match !== null && match.index < pieceLength; match = pattern.exec(piece)) {
        clean += piece.slice(done, match.index) + replacement
        done = match.index + match[0].length
      }
      const next = Math.max(done, Math.min(pieceLength, piece.length))
      clean += piece.slice(done, next)
      at += next
    }
    return clean
  }

  return {
    add: (secret) => {
      if (secret === '' || known.has(secret)) return
      const forms = [secret, ...base64Cores(secret)]
      reach = Math.max(reach, ...forms.map((form) => form.length * longestEncoding))
      known.set(secret, forms.map(anyEncoding).join('|'))
      // Longest first, so that a secret that begins like another is taken out whole.
      const longestFirst = [...known].sort(([left], [right]) => right.length - left.length)
      pattern = new RegExp(longestFirst.map(([, form]) => form).join('|'), 'g')
    },
    text: (text) => redact(text, Number.POSITIVE_INFINITY),
    head: (text, length) => {
      const clean = redact(text, length)
      return clean.length <= length ? clean : `${clean.slice(0, length).toWellFormed()}…`
    },
  }
}

/** The backslash of an escape, as it is or in a URL. */
const backslash = '(?:\\\\|%(?:25)*5[cC])'

/** Backslashes in any form, and the character behind them. */
const secretPart = new RegExp(`(${backslash}*)(.?)`, 'gsu')
const eachBackslash = new RegExp(backslash, 'g')

/**
 * A pattern for a text in which every character may be as it is or encoded.
 *
 * Escaping puts backslashes before characters and doubles those that are there, so a run of them is one part with the
 * character behind it, at least as long as in the secret. A part can match a place in just one way, and the first takes no more
 * of a run than it must: else a text of nothing but backslashes would be tried in every division, from every place.
 */
function anyEncoding(secret: string): string {
  let pattern = ''
  for (const [whole, run = '', character = ''] of secret.matchAll(secretPart)) {
    if (whole === '') continue
    const least = run.match(eachBackslash)?.length ?? 0
    const more = pattern === '' && character !== '' ? '' : ','
    pattern += character === '' ? `${backslash}{${least}${more}}` : encodings(character, least, more)
  }
  return pattern
}

/** One character behind at least so many backslashes: itself, JSON's escapes, a URL's; `%` and backslash may be encoded again. */
function encodings(character: string, least: number, more: ',' | ''): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index).toString(16).padStart(4, '0'))
  const direct =
    character === '%'
      ? ['%(?:25)*']
      : [
          escapeForRegExp(character),
          [...Buffer.from(character, 'utf8')].map((byte) => `%(?:25)*${anyCase(byte.toString(16).padStart(2, '0'))}`).join(''),
        ]
  if (character === ' ') direct.push('\\+')
  const escaped = [units.map((unit) => `u${anyCase(unit)}`).join(`${backslash}+`)]
  const short = JSON.stringify(character).slice(1, -1)
  if (/^\\[bfnrt]$/.test(short)) escaped.push(short.slice(1))
  const anyRun = least === 0 && more === '' ? '' : `${backslash}{${least}${more}}`
  const oneOrMore = `${backslash}{${Math.max(1, least)}${more}}`
  return `(?:${anyRun}(?:${direct.join('|')})|${oneOrMore}(?:${escaped.join('|')}))`
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
