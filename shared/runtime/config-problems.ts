import * as z from 'zod/mini'
import { nearest } from '#shared/pure/nearest.ts'
import { pathText } from './config-path.ts'

/** One thing that is wrong with a configuration: where, and a sentence about it that never shows a secret. */
export interface ConfigProblem {
  /** Keys and indexes from the top; empty for the file as a whole. For an unknown key the path ends with it. */
  readonly path: readonly PropertyKey[]
  readonly text: string
}

/**
 * Everything that is wrong with a value, in words of our own: what was expected and what is there, for an unknown key the
 * nearest valid one, for a value that is none of several shapes the shape it comes nearest to. Empty for a valid value.
 *
 * A key that is missing because it is misspelt is reported once, as the misspelt one. Strings are shown only when they are
 * short and their path does not speak of secrets.
 */
export function problemsOf(schema: z.core.$ZodType, value: unknown): ConfigProblem[] {
  // The empty message marks an issue whose schema has no sentence of its own.
  const parsed = z.safeParse(schema, value, { error: () => '', reportInput: true })
  return parsed.success ? [] : explainAll(parsed.error.issues, { schema, value, path: [] })
}

/** What issues are about: a schema, the value it was given, and where that value sits in the whole. */
interface Place {
  readonly schema: unknown
  readonly value: unknown
  readonly path: readonly PropertyKey[]
}

function explainAll(issues: readonly z.core.$ZodIssue[], place: Place): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const missing: { readonly text: string; readonly path: readonly PropertyKey[] }[] = []
  const meant = new Set<string>()
  for (const issue of issues) {
    const path = [...place.path, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      const valid = keysAt(place.schema, issue.path)
      const present = valueAt(place.value, issue.path)
      const free = valid.filter((key) => !isRecord(present) || !Object.hasOwn(present, key))
      for (const key of issue.keys) {
        const near = nearest(key, free) ?? nearest(key, valid)
        if (near !== undefined) meant.add(pathText([...path, near]))
        problems.push({ path: [...path, key], text: `unknown key; ${near === undefined ? keysText(valid) : `did you mean "${near}"?`}` })
      }
    } else if (issue.code === 'invalid_union' && issue.message === '' && issue.errors.length > 0) {
      problems.push(...explainUnion(issue, place))
    } else if (issue.code === 'invalid_type' && valueAt(place.value, issue.path) === undefined && issue.message === '') {
      missing.push({ path, text: `missing; expected ${typeText(issue.expected)}` })
    } else {
      problems.push({ path, text: issue.message === '' ? issueText(issue, path, valueAt(place.value, issue.path)) : issue.message })
    }
  }
  return [...problems, ...missing.filter(({ path }) => !meant.has(pathText(path)))]
}

/** Speaks of the alternative with which the value shares most keys; of several such, the one it breaks least. */
function explainUnion(issue: z.core.$ZodIssue & { readonly code: 'invalid_union' }, place: Place): ConfigProblem[] {
  const path = [...place.path, ...issue.path]
  const value = valueAt(place.value, issue.path)
  const options = schemasAt(place.schema, issue.path).flatMap(unwrap).flatMap(optionsOf)
  const alternatives = issue.errors.map((errors, index) => {
    const schema = options[index] ?? place.schema
    const keys = keysAt(schema, [])
    const shared = isRecord(value) ? Object.keys(value).filter((key) => keys.includes(key)).length : 0
    const close = isRecord(value) ? Object.keys(value).filter((key) => nearest(key, keys) !== undefined).length : 0
    const fits = errors.some((error) => error.code === 'invalid_type' && error.path.length === 0) ? 0 : 1
    return { problems: explainAll(errors, { schema, value, path }), keys, shared, close, fits }
  })
  alternatives.sort(
    (left, right) =>
      right.fits - left.fits || right.shared - left.shared || right.close - left.close || left.problems.length - right.problems.length,
  )
  const [best] = alternatives
  if (best === undefined) return [{ path, text: 'is not valid here' }]
  if (best.shared > 0 || best.close > 0 || best.fits === 0 || !isRecord(value)) return best.problems
  const shapes = alternatives.map(({ keys }) => `{ ${keys.join(', ')} }`)
  return [{ path, text: `expected one of ${shapes.join(' or ')}, found ${shown(value, path)}` }]
}

function issueText(issue: z.core.$ZodIssue, path: readonly PropertyKey[], value: unknown): string {
  const found = `found ${shown(value, path)}`
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${typeText(issue.expected)}, ${found}`
    case 'invalid_value': {
      const valid = issue.values.map(String)
      const near = typeof value === 'string' ? nearest(value, valid) : undefined
      return `expected ${list(valid)}, ${found}${near === undefined ? '' : `; did you mean "${near}"?`}`
    }
    case 'too_small':
      return `expected ${limitText('at least', issue.exact === true, issue.minimum, issue.inclusive === false ? 'more than' : undefined, issue.origin)}, ${found}`
    case 'too_big':
      return `expected ${limitText('at most', issue.exact === true, issue.maximum, issue.inclusive === false ? 'less than' : undefined, issue.origin)}, ${found}`
    case 'not_multiple_of':
      return `expected a multiple of ${issue.divisor}, ${found}`
    case 'invalid_format':
      return `expected ${issue.format === 'regex' ? `a text of the form ${issue.pattern ?? 'asked for'}` : `a valid ${issue.format}`}, ${found}`
    case 'invalid_union':
      return `${issue.discriminator === undefined ? 'fits none of the forms that are valid here' : `expected ${list((issue.errors.length === 0 && 'options' in issue ? (issue.options ?? []) : []).map(String))}`}, ${found}`
    case 'invalid_key':
      return `its key is not valid here: ${issue.issues.map((inner) => inner.message || issueText(inner, path, path.at(-1))).join('; ')}`
    case 'invalid_element':
      return `an element is not valid: ${issue.issues.map((inner) => inner.message || issueText(inner, path, undefined)).join('; ')}`
    default:
      return `is not valid here, ${found}`
  }
}

function limitText(word: string, exact: boolean, limit: number | bigint, strict: string | undefined, origin: string): string {
  const amount = `${exact ? 'exactly' : (strict ?? word)} ${limit}`
  if (origin === 'string') return `${amount} ${limit === 1 ? 'character' : 'characters'}`
  if (origin === 'array' || origin === 'set' || origin === 'map') return `${amount} ${limit === 1 ? 'entry' : 'entries'}`
  return amount
}

function typeText(expected: string): string {
  switch (expected) {
    case 'object':
    case 'record':
    case 'map':
      return 'a mapping'
    case 'array':
    case 'tuple':
    case 'set':
      return 'a list'
    case 'string':
      return 'a text'
    case 'int':
      return 'a whole number'
    case 'boolean':
      return 'true or false'
    case 'never':
      return 'nothing'
    case 'nonoptional':
      return 'a value'
    default:
      return `a ${expected}`
  }
}

/** The longest text that is shown; credentials are longer. */
const longestShown = 24
const secretPath = /secret|token|passw|credential|auth|key/i

function shown(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'object') return 'a mapping'
  if (typeof value !== 'string') return String(value)
  if (value.length > longestShown || path.some((key) => secretPath.test(String(key)))) return `a text of ${value.length} characters`
  return JSON.stringify(value)
}

function keysText(valid: readonly string[]): string {
  return valid.length === 0 ? 'no key is valid here' : `valid here: ${valid.join(', ')}`
}

function list(words: readonly string[]): string {
  const quoted = words.map((word) => `"${word}"`)
  return quoted.length < 2 ? (quoted[0] ?? 'nothing') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

/** The keys that a mapping at this path may have, of all alternatives. */
function keysAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  const keys = schemasAt(schema, path)
    .flatMap(unwrapAll)
    .flatMap((found) => Object.keys(shapeOf(found) ?? {}))
  return [...new Set(keys)]
}

/** The schemas that a value at this path is read with; several where alternatives lie on the way. */
function schemasAt(schema: unknown, path: readonly PropertyKey[]): unknown[] {
  const [key, ...rest] = path
  if (key === undefined) return [schema]
  return unwrapAll(schema)
    .flatMap((found) => innerSchemas(found, key))
    .flatMap((inner) => schemasAt(inner, rest))
}

// A schema's own description, read as plain data. Testing for zod's classes instead would bring all of zod into a bundle.
function definitionOf(schema: unknown): Readonly<Record<string, unknown>> {
  const internals = isRecord(schema) ? schema._zod : undefined
  const definition = isRecord(internals) ? internals.def : undefined
  return isRecord(definition) ? definition : {}
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | undefined {
  const { type, shape } = definitionOf(schema)
  return type === 'object' && isRecord(shape) ? shape : undefined
}

/** The alternatives of a union, in the order in which its issues are. */
function optionsOf(schema: unknown): unknown[] {
  const { type, options } = definitionOf(schema)
  return type === 'union' && Array.isArray(options) ? options : []
}

function innerSchemas(schema: unknown, key: PropertyKey): unknown[] {
  const definition = definitionOf(schema)
  const shape = shapeOf(schema)
  const found = {
    object: shape !== undefined && Object.hasOwn(shape, key) ? shape[String(key)] : definition.catchall,
    array: definition.element,
    record: definition.valueType,
    tuple: (Array.isArray(definition.items) ? definition.items[Number(key)] : undefined) ?? definition.rest,
  }
  const inner = Object.hasOwn(found, String(definition.type)) ? Reflect.get(found, String(definition.type)) : undefined
  return inner === undefined || inner === null ? [] : [inner]
}

/** A schema without what only wraps it: optional, default, transform, lazy. */
function unwrap(schema: unknown): unknown[] {
  const definition = definitionOf(schema)
  if (definition.innerType !== undefined) return unwrap(definition.innerType)
  if (definition.type === 'pipe') return unwrap(definitionOf(definition.in).type === 'transform' ? definition.out : definition.in)
  if (definition.type === 'lazy' && typeof definition.getter === 'function') return unwrap(definition.getter())
  return [schema]
}

/** As `unwrap`, and with alternatives taken apart. */
function unwrapAll(schema: unknown): unknown[] {
  return unwrap(schema).flatMap((inner) => {
    const { type, left, right } = definitionOf(inner)
    if (type === 'intersection') return [left, right].flatMap(unwrapAll)
    const options = optionsOf(inner)
    return options.length > 0 ? options.flatMap(unwrapAll) : [inner]
  })
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value
  for (const key of path) {
    if (Array.isArray(current) && typeof key === 'number') current = current[key]
    else if (isRecord(current) && Object.hasOwn(current, key)) current = current[String(key)]
    else return undefined
  }
  return current
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
