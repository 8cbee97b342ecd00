import { nearest } from '#shared/pure/nearest.ts'
import type { InputField, InputShape } from './action.ts'
import { CloudError } from './errors.ts'

/**
 * Checks a request against the action's shape before anything is signed, and gives it back as an object. `null` and
 * `undefined` count as not given, as they are not sent. An empty request is fine where nothing is required.
 *
 * Throws CloudError `cloud.invalid-request` that lists every fault with its path (`Filters[0].Name`): a field that does not
 * exist, with the nearest that does; a required one that is missing; a value of another type. Values are never quoted.
 */
export function validateRequest(action: string, shape: InputShape, request: unknown): object {
  if (typeof request !== 'object' || request === null || Array.isArray(request)) {
    throw invalid(action, [`the request is ${describe(request)}, not an object`])
  }
  const faults: string[] = []
  checkObject(compiled(shape), request, '', faults)
  if (faults.length > 0) throw invalid(action, faults)
  return request
}

interface CompiledShape {
  readonly fields: ReadonlyMap<string, InputField>
  readonly required: readonly string[]
}

const compiledShapes = new WeakMap<InputShape, CompiledShape>()

function compiled(shape: InputShape): CompiledShape {
  let known = compiledShapes.get(shape)
  if (known === undefined) {
    const entries = Object.entries(shape)
    known = { fields: new Map(entries), required: entries.filter(([, field]) => field.required === true).map(([name]) => name) }
    compiledShapes.set(shape, known)
  }
  return known
}

function checkObject(shape: CompiledShape, value: object, path: string, faults: string[]): void {
  let seenRequired = 0
  for (const [name, member] of Object.entries(value)) {
    const given: unknown = member
    if (given === undefined || given === null) continue
    const field = shape.fields.get(name)
    if (field === undefined) {
      faults.push(unknownField(shape, path, name))
      continue
    }
    if (field.required === true) seenRequired += 1
    if (field.list === true) checkList(field, given, path, name, faults)
    else checkValue(field, given, path, name, undefined, faults)
  }
  if (seenRequired === shape.required.length) return
  const given = new Map<string, unknown>(Object.entries(value))
  for (const name of shape.required) {
    if (given.get(name) === undefined || given.get(name) === null) faults.push(`${join(path, name)} is required and missing`)
  }
}

function checkList(field: InputField, value: unknown, path: string, name: string, faults: string[]): void {
  if (!Array.isArray(value)) {
    faults.push(`${join(path, name)} must be a list of ${typeNames[field.type]}, not ${describe(value)}`)
    return
  }
  for (let index = 0; index < value.length; index += 1) checkValue(field, value[index], path, name, index, faults)
}

function checkValue(field: InputField, value: unknown, path: string, name: string, index: number | undefined, faults: string[]): void {
  if (field.type === 'object') {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      // The path is only put together where something is nested.
      checkObject(compiled(field.fields ?? {}), value, at(path, name, index), faults)
      return
    }
  } else if (fits(field.type, value)) return
  faults.push(`${at(path, name, index)} must be ${article(field.type)}, not ${describe(value)}`)
}

function fits(type: Exclude<InputField['type'], 'object'>, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'bool':
      return typeof value === 'boolean'
    case 'float':
      return typeof value === 'number' && Number.isFinite(value)
    case 'int':
      return Number.isSafeInteger(value) || (typeof value === 'bigint' && BigInt.asIntN(64, value) === value)
    case 'uint':
      return (
        (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) ||
        (typeof value === 'bigint' && BigInt.asUintN(64, value) === value)
      )
  }
}

const typeNames: Readonly<Record<InputField['type'], string>> = {
  string: 'text',
  bool: 'true or false',
  float: 'numbers',
  int: 'whole numbers',
  uint: 'whole numbers from 0',
  object: 'objects',
}

function article(type: InputField['type']): string {
  switch (type) {
    case 'string':
    case 'bool':
      return typeNames[type]
    case 'float':
      return 'a number'
    case 'int':
      return 'a whole number'
    case 'uint':
      return 'a whole number from 0'
    case 'object':
      return 'an object'
  }
}

function unknownField(shape: CompiledShape, path: string, name: string): string {
  const guess = nearest(name, shape.fields.keys())
  const known = shape.fields.size === 0 ? 'there are none' : `there are ${[...shape.fields.keys()].join(', ')}`
  return `${join(path, name)} does not exist${guess === undefined ? `; ${known}` : ` (did you mean ${guess}?)`}`
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function at(path: string, name: string, index: number | undefined): string {
  return index === undefined ? join(path, name) : `${join(path, name)}[${index}]`
}

/** What a value is, without showing it: it may be a secret. */
function describe(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'boolean':
      return 'true or false'
    case 'number':
      return Number.isInteger(value)
        ? Number.isSafeInteger(value)
          ? 'a whole number'
          : 'a number too large to be exact; use a bigint'
        : Number.isFinite(value)
          ? 'a fraction'
          : String(value)
    case 'object':
      return value instanceof Date ? 'a Date; write it as text' : 'an object'
    case 'bigint':
      return 'a bigint'
    default:
      return typeof value
  }
}

const mostFaults = 10

function invalid(action: string, faults: readonly string[]): CloudError {
  const shown = faults.slice(0, mostFaults).join('; ')
  const more = faults.length > mostFaults ? `; and ${faults.length - mostFaults} more` : ''
  return new CloudError(`${action}: ${shown}${more}. Nothing was sent.`, {
    kind: 'cloud.invalid-request',
    code: 'cloud.invalid-request',
    action,
    retryable: false,
  })
}
