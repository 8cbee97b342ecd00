import { describe, isPlain, JsonError, membersOf } from './json.ts'

/** One parameter of a query string or a form: its flat name and its raw value, not encoded yet. */
export type Parameter = readonly [name: string, value: string]

const namePart = /^[A-Za-z0-9_-]+$/
const deepestLevel = 100

/**
 * Lays a request out as flat parameters, the way signature v1 and GET requests need it: `Filters.0.Name`, lists counted
 * from 0, in the order of the request.
 *
 * `null` and `undefined` leave their parameter out, so a list that holds one has a gap in its numbers; empty lists and
 * objects vanish, since the form has no way to say them. Booleans become `true` and `false`, bigints keep every digit.
 * Throws JsonError for NaN, infinities, Dates and other class instances, and for names with a character that would read
 * as another parameter (`.`, `=`, `&`).
 *
 * @example flattenParams({ Filters: [{ Name: 'vpc-id' }], Limit: 20 }) // [['Filters.0.Name', 'vpc-id'], ['Limit', '20']]
 */
export function flattenParams(params: object): readonly Parameter[] {
  const flat: Parameter[] = []
  if (!isPlain(params)) throw new JsonError('the request is no plain object', '')
  for (const [name, value] of membersOf(params)) flatten(name, name, value, flat, 1)
  return flat
}

function flatten(part: string, path: string, value: unknown, flat: Parameter[], level: number): void {
  if (value === undefined || value === null) return
  if (!namePart.test(part))
    throw new JsonError(`the name ${JSON.stringify(path)} cannot be a parameter: letters, digits, "_" and "-" only`, path)
  switch (typeof value) {
    case 'string':
      flat.push([path, value])
      return
    case 'number':
      if (!Number.isFinite(value)) throw new JsonError(`${path} is ${value}, which a parameter cannot carry`, path)
      flat.push([path, String(value)])
      return
    case 'boolean':
    case 'bigint':
      flat.push([path, value.toString()])
      return
    case 'object':
      if (level >= deepestLevel)
        throw new JsonError(`${path.slice(0, 100)} is nested deeper than ${deepestLevel} levels, or contains itself`, path)
      if (!Array.isArray(value) && !isPlain(value)) {
        throw new JsonError(`${path} is ${describe(value)}, which a parameter cannot carry; turn it into text or a number first`, path)
      }
      for (const [name, member] of membersOf(value)) flatten(name, `${path}.${name}`, member, flat, level + 1)
      return
    default:
      throw new JsonError(`${path} is a ${typeof value}, which a parameter cannot carry`, path)
  }
}
