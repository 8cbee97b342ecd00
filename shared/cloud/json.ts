/** A text that is no JSON, or a value that JSON cannot carry. `path` is where in the value: `Filters[0].Name`; empty for the whole. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly path: string

  constructor(message: string, path: string) {
    super(message)
    this.path = path
  }
}

/** Sixteen digits in a row: only then can a text hold an integer beyond 2^53 (9007199254740992). */
const longDigits = /[0-9]{16}/
const integerSource = /^-?[0-9]+$/

/**
 * Parses JSON so that no integer is rounded: one outside ±(2^53 - 1) becomes a bigint, every other number stays a number.
 * Fractions and exponents stay numbers whatever their size. Texts without sixteen digits in a row take the engine's fast
 * path. Throws JsonError; its message never quotes the text, which may hold a secret.
 *
 * @example parseJson('{"Id":9007199254740993}') // { Id: 9007199254740993n }
 * @example parseJson('{"Id":9007199254740991}') // { Id: 9007199254740991 }
 */
export function parseJson(text: string): unknown {
  try {
    return longDigits.test(text) ? JSON.parse(text, reviveInteger) : JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new JsonError(`the text of ${text.length} characters is not JSON${positionIn(error.message)}`, '')
  }
}

/** The engine passes the source text of primitives as a third argument (TC39 "JSON.parse source text access", Node 22 and later). */
function reviveInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  if (source === undefined)
    throw new JsonError('this version of Node rounds 64-bit integers while it parses JSON; use Node 22 or later', '')
  return integerSource.test(source) ? BigInt(source) : value
}

function positionIn(message: string): string {
  const position = /position ([0-9]+)/.exec(message)?.[1]
  return position === undefined ? '' : `; it breaks at character ${position}`
}

/** What becomes of `null` members of objects: `keep` them (a merge patch needs them), or `drop` them as the platform's own SDK does. */
export type NullMembers = 'keep' | 'drop'

const deepestLevel = 100
/** Finds a character that a JSON string must escape: a control, a quote, a backslash, a lone surrogate (and pairs, which do no harm). */
const mustEscape = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/**
 * Writes a value as exact JSON: bigints as integers, members that are `undefined` left out, everything in insertion order.
 *
 * Refuses with JsonError, instead of guessing, what `JSON.stringify` would change silently: NaN and infinities, Dates and
 * other class instances, functions, symbols, `undefined` inside a list or as the whole, and more than 100 levels (a circle).
 *
 * @example stringifyJson({ Offset: 9007199254740993n, Limit: undefined }) // '{"Offset":9007199254740993}'
 */
export function stringifyJson(value: unknown, nullMembers: NullMembers = 'keep'): string {
  return write(value, nullMembers, undefined)
}

/** The way to the value being written, innermost first; only turned into text when something is refused. */
interface Trail {
  readonly key: string | number
  readonly outer: Trail | undefined
  readonly level: number
}

function write(value: unknown, nullMembers: NullMembers, trail: Trail | undefined): string {
  switch (typeof value) {
    case 'string':
      return writeString(value)
    case 'number':
      if (!Number.isFinite(value)) throw refused(`is ${value}, which JSON cannot carry`, trail)
      return Object.is(value, -0) ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'bigint':
      return value.toString()
    case 'object':
      if (value === null) return 'null'
      if ((trail?.level ?? 0) >= deepestLevel) throw refused(`is nested deeper than ${deepestLevel} levels, or contains itself`, trail)
      if (Array.isArray(value)) return writeList(value, nullMembers, trail)
      if (!isPlain(value)) throw refused(`is ${describe(value)}, which JSON cannot carry; turn it into text or a number first`, trail)
      return writeObject(value, nullMembers, trail)
    case 'undefined':
      throw refused('is undefined', trail)
    case 'function':
    case 'symbol':
      throw refused(`is a ${typeof value}, which JSON cannot carry`, trail)
  }
}

function writeString(value: string): string {
  return mustEscape.test(value) ? JSON.stringify(value) : `"${value}"`
}

function writeList(list: readonly unknown[], nullMembers: NullMembers, trail: Trail | undefined): string {
  const level = (trail?.level ?? 0) + 1
  let text = '['
  for (let index = 0; index < list.length; index += 1) {
    if (index > 0) text += ','
    const element: unknown = list[index]
    text += typeof element === 'string' ? writeString(element) : write(element, nullMembers, { key: index, outer: trail, level })
  }
  return `${text}]`
}

function writeObject(object: object, nullMembers: NullMembers, trail: Trail | undefined): string {
  const level = (trail?.level ?? 0) + 1
  let text = ''
  for (const [name, member] of membersOf(object)) {
    if (member === undefined || (member === null && nullMembers === 'drop')) continue
    if (text !== '') text += ','
    text += `${writeString(name)}:${typeof member === 'string' ? writeString(member) : write(member, nullMembers, { key: name, outer: trail, level })}`
  }
  return `{${text}}`
}

/** The members of a plain object, typed as what they are: unknown. */
export function membersOf(object: object): readonly (readonly [string, unknown])[] {
  return Object.entries(object)
}

/** Whether this is an object literal (of any realm): no list, no null, no instance of a class. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null)
}

/** What a non-plain object is, for a message: `a Date`, `a Map`. */
export function describe(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'no plain object'
}

function refused(what: string, trail: Trail | undefined): JsonError {
  const path = pathOf(trail)
  return new JsonError(`${path === '' ? 'the value' : path} ${what}`, path)
}

function pathOf(trail: Trail | undefined): string {
  const keys: (string | number)[] = []
  for (let at = trail; at !== undefined && keys.length < 10; at = at.outer) keys.unshift(at.key)
  let path = ''
  for (const key of keys) path += typeof key === 'number' ? `[${key}]` : `${path === '' ? '' : '.'}${key}`
  return path
}
