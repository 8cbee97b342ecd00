/** Takes known secrets out of texts, in every form in which they get into one. */
export interface Redactor {
  /** Learns a secret. Empty texts are ignored; the same secret twice is one. */
  add(secret: string): void
  /** The text with `[redacted]` in place of each known secret. */
  text(text: string): string
  /**
   * The first `length` characters of that, with `…` where something was left off. However long the text is, hardly more than
   * that is looked at; a secret that lies across the end leaves nothing of itself behind.
   */
  head(text: string, length: number): string
}

const replacement = '[redacted]'

/** Pieces of base64 shorter than this would match by accident all over. */
const shortestBase64 = 6

const percent = 0x25
const backslash = 0x5c

/**
 * Makes a redactor that knows nothing yet. It recognises a secret plain, and with any of its characters escaped as in JSON or
 * encoded as in a URL, once or several times over; and in base64 and base64url, themselves perhaps encoded so, also where
 * other bytes stand before and after it in the same base64, as in an Authorization header.
 *
 * The time it takes is proportional to the length of the text, whatever the text is made of: it may come from an attacker.
 */
export function createRedactor(): Redactor {
  const known = new Set<string>()
  const forms: Form[] = []
  const formsByStart = new Map<number, Form[]>()

  const learn = (text: string): void => {
    const form = { text, parts: partsOf(text) }
    forms.push(form)
    for (const start of startsOf(form)) {
      const others = formsByStart.get(start)
      if (others === undefined) formsByStart.set(start, [form])
      else others.push(form)
    }
  }

  /** Redacts until more than `enough` characters are there. */
  const redact = (text: string, enough: number): string => {
    if (forms.length === 0) return text.slice(0, enough + 1)
    const encoded = new EncodedText(text)
    let clean = ''
    /** Where the secrets that were found so far end. */
    let hiddenTo = 0
    for (let at = 0; at < text.length && clean.length + Math.max(0, at - hiddenTo) <= enough; at += 1) {
      const start = text.charCodeAt(at)
      // What is encoded may be anything.
      const candidates = start === percent || start === backslash ? forms : formsByStart.get(start)
      if (candidates === undefined) continue
      let end = -1
      for (const form of candidates) end = Math.max(end, encoded.endOf(form, at))
      if (end <= hiddenTo) continue
      if (at >= hiddenTo) clean += text.slice(hiddenTo, at) + replacement
      hiddenTo = end
    }
    return clean + text.slice(hiddenTo, hiddenTo + enough + 1)
  }

  return {
    add: (secret) => {
      if (secret === '' || known.has(secret)) return
      known.add(secret)
      for (const form of [secret, ...base64Cores(secret)]) learn(form)
    },
    text: (text) => redact(text, Number.POSITIVE_INFINITY),
    head: (text, length) => {
      const clean = redact(text, length)
      return clean.length <= length ? clean : `${clean.slice(0, length).toWellFormed()}…`
    },
  }
}

/** A text to look for. */
interface Form {
  readonly text: string
  readonly parts: readonly Part[]
}

/**
 * A character, and how many backslashes are before it. Escaping puts backslashes before characters and doubles those that are
 * there, so a run of them says little, and is matched by any run that is not shorter.
 */
interface Part {
  readonly backslashes: number
  /** Empty where the form ends in backslashes. */
  readonly character: string
  /** In UTF-8, as a URL encodes it. */
  readonly bytes: readonly number[]
  /** What follows the backslash in JSON's short form; empty where there is none. */
  readonly short: string
}

/** A backslash, plain, as in a URL, or by its number. */
const backslashPattern = /(?:\\|%(?:25)*5c)(?:u005c)?/gi
const partPattern = new RegExp(`((?:${backslashPattern.source})*)(.?)`, 'gisu')

function partsOf(form: string): Part[] {
  const parts: Part[] = []
  for (const [whole, run = '', character = ''] of form.matchAll(partPattern)) {
    if (whole === '') continue
    parts.push({
      backslashes: run.match(backslashPattern)?.length ?? 0,
      character,
      bytes: [...Buffer.from(character, 'utf8')],
      short: /^\\([bfnrt])$/.exec(JSON.stringify(character).slice(1, -1))?.[1] ?? '',
    })
  }
  return parts
}

/** The units that a form can begin with where it does not begin encoded. */
function startsOf(form: Form): number[] {
  const start = form.text.charCodeAt(0)
  return form.text.startsWith(' ') ? [start, '+'.charCodeAt(0)] : [start]
}

/** A text whose characters may be as they are, escaped as in JSON or encoded as in a URL, once or several times over. */
class EncodedText {
  readonly #text: string
  /** The run of backslashes that was looked at last; several forms look at the same. */
  #runStart = -1
  #runEnd = -1

  constructor(text: string) {
    this.#text = text
  }

  /** Where a form that begins at `at` ends; -1 when it does not begin there. */
  endOf(form: Form, at: number): number {
    return this.#text.startsWith(form.text, at) ? at + form.text.length : this.#endOfParts(form.parts, 0, at)
  }

  #endOfParts(parts: readonly Part[], from: number, start: number): number {
    let at = start
    for (let index = from; index < parts.length; index += 1) {
      const part = parts[index]
      if (part === undefined) break
      const behind = this.#behindRun(at)
      if (part.backslashes > 0 && !this.#isRunOf(part.backslashes, at, behind)) return -1
      if (part.character === '') {
        at = behind
        continue
      }
      let end = behind > at ? this.#endOfEscape(part, behind) : -1
      if (part.character === '%' && end === -1) {
        const last = this.#endFromPercent(parts, index, behind)
        // What looked like a backslash may begin with the very sign.
        return last !== -1 || behind === at ? last : this.#endFromPercent(parts, index, at)
      }
      // Backslashes before the first character are not the secret's.
      if (end === -1 && (index > 0 || part.backslashes > 0 || behind === at)) end = this.#endOfCharacter(part, behind)
      if (end === -1) return -1
      at = end
    }
    return at
  }

  /** The rest of a form from its `%` on. It may be encoded (`%25`) any number of times: how often shows only in what follows. */
  #endFromPercent(parts: readonly Part[], index: number, at: number): number {
    if (this.#text.charCodeAt(at) !== percent) return -1
    for (let end = this.#behindLevels(at); end > at; end -= 2) {
      const last = this.#endOfParts(parts, index + 1, end)
      if (last !== -1) return last
    }
    return -1
  }

  #endOfCharacter(part: Part, at: number): number {
    if (this.#text.startsWith(part.character, at)) return at + part.character.length
    if (part.character === ' ') {
      // A form writes it as a plus.
      const end = this.#text.startsWith('+', at) ? at + 1 : this.#endOfByte('+'.charCodeAt(0), at)
      if (end !== -1) return end
    }
    let end = at
    for (const byte of part.bytes) {
      end = this.#endOfByte(byte, end)
      if (end === -1) return -1
    }
    return end
  }

  /** At `u0041` or `n`, a backslash being before it. */
  #endOfEscape(part: Part, start: number): number {
    const { character, short } = part
    if (short !== '' && this.#text.startsWith(short, start)) return start + 1
    let at = start
    for (let index = 0; index < character.length; index += 1) {
      const behind = index === 0 ? at : this.#behindRun(at)
      if (index > 0 && behind === at) return -1
      if (!this.#isNumber(character.charCodeAt(index), behind)) return -1
      at = behind + 5
    }
    return at
  }

  #behindRun(at: number): number {
    if (at === this.#runStart) return this.#runEnd
    let end = at
    for (let length = 0; length < longestRun; length += 1) {
      const next = this.#behindBackslash(end)
      if (next === -1) break
      end = next
    }
    this.#runStart = at
    this.#runEnd = end
    return end
  }

  #isRunOf(count: number, start: number, end: number): boolean {
    let at = start
    for (let found = 0; found < count; found += 1) {
      if (at >= end) return false
      at = this.#behindBackslash(at)
    }
    return true
  }

  #behindBackslash(at: number): number {
    const unit = this.#text.charCodeAt(at)
    const end = unit === backslash ? at + 1 : unit === percent ? this.#endOfByte(backslash, at) : -1
    return end !== -1 && this.#isNumber(backslash, end) ? end + 5 : end
  }

  /** At `u005c`. */
  #isNumber(unit: number, at: number): boolean {
    return this.#text.startsWith('u', at) && this.#hex(at + 1, 4) === unit
  }

  /** At `%5c`, `%255c`, `%25255c`. */
  #endOfByte(byte: number, at: number): number {
    if (this.#text.charCodeAt(at) !== percent) return -1
    const digits = this.#behindLevels(at)
    return this.#hex(digits, 2) === byte ? digits + 2 : -1
  }

  /** Behind a `%` and the `25` for each time that it is encoded again. */
  #behindLevels(at: number): number {
    let end = at + 1
    for (let level = 0; level < mostLevels && this.#text.startsWith('25', end); level += 1) end += 2
    return end
  }

  #hex(at: number, length: number): number {
    let value = 0
    for (let index = at; index < at + length; index += 1) {
      const digit = hexDigitOf(this.#text.charCodeAt(index))
      if (digit === -1) return -1
      value = value * 16 + digit
    }
    return value
  }
}

function hexDigitOf(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30
  const small = unit | 0x20
  return small >= 0x61 && small <= 0x66 ? small - 0x57 : -1
}

/** A URL in a URL, as often as anybody would. */
const mostLevels = 8

/** JSON in JSON doubles backslashes each time: one becomes 63 in six of them. */
const longestRun = 64

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
