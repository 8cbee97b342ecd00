import type { InputField, InputShape } from '#cloud/action.ts'
import { wireInteger } from './form-params.ts'
import { PlatformFault } from './reducer.ts'

/**
 * The request, checked against the action's shape as strictly as the platform can be: every required field there, no
 * field that the action does not have, every value of its type. `null` stands for "not sent", as the official SDKs send
 * it. Answers a copy without the nulls. Throws PlatformFault with MissingParameter, UnknownParameter or
 * InvalidParameterValue and the path of the field.
 */
export function checkRequest(request: unknown, shape: InputShape): Record<string, unknown> {
  return checkObject(request, shape, '')
}

function checkObject(value: unknown, shape: InputShape, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw path === ''
      ? new PlatformFault('InvalidParameter', `The request has to be a JSON object; it is ${describe(value)}.`)
      : wrongType(path, 'an object', value)
  }
  const checked: [string, unknown][] = []
  for (const [name, given] of Object.entries(value)) {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined
    const at = path === '' ? name : `${path}.${name}`
    if (field === undefined) {
      throw new PlatformFault(
        'UnknownParameter',
        `The parameter \`${at}\` is not recognised. Known here: ${Object.keys(shape).join(', ') || 'none'}.`,
      )
    }
    if (given !== null) {
      checked.push([name, checkField(given, field, at)])
    }
  }
  const copy: Record<string, unknown> = Object.fromEntries(checked)
  for (const [name, field] of Object.entries(shape)) {
    if (field.required === true && !Object.hasOwn(copy, name)) {
      throw new PlatformFault(
        'MissingParameter',
        `The request is missing a required parameter \`${path === '' ? name : `${path}.${name}`}\`.`,
      )
    }
  }
  return copy
}

function checkField(value: unknown, field: InputField, path: string): unknown {
  if (field.list === true) {
    if (!Array.isArray(value)) {
      throw wrongType(path, 'a list', value)
    }
    const { list: _, ...element } = field
    return value.map((row, index) => checkField(row, element, `${path}.${index}`))
  }
  switch (field.type) {
    case 'object':
      return checkObject(value, field.fields ?? {}, path)
    case 'string':
      if (typeof value !== 'string') {
        throw wrongType(path, 'a string', value)
      }
      return value
    case 'bool':
      if (typeof value !== 'boolean') {
        throw wrongType(path, 'a boolean', value)
      }
      return value
    case 'float':
      if (typeof value !== 'number') {
        throw wrongType(path, 'a number', value)
      }
      return value
    case 'int':
      return checkInteger(value, -(2n ** 63n), 2n ** 63n - 1n, path, 'a 64-bit integer')
    case 'uint':
      return checkInteger(value, 0n, 2n ** 64n - 1n, path, 'an unsigned 64-bit integer')
  }
}

function checkInteger(value: unknown, least: bigint, most: bigint, path: string, wanted: string): number | bigint {
  const isInteger = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))
  if (!isInteger || value < least || value > most) {
    throw wrongType(path, wanted, value)
  }
  return value
}

function wrongType(path: string, wanted: string, value: unknown): PlatformFault {
  return new PlatformFault('InvalidParameterValue', `The parameter \`${path}\` has to be ${wanted}; it is ${describe(value)}.`)
}

function describe(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value)
  }
  if (Array.isArray(value)) {
    return 'a list'
  }
  if (typeof value === 'object') {
    return 'an object'
  }
  const text = String(value)
  return `the ${typeof value} ${JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)}`
}

/**
 * Parses a JSON body without rounding: an integer that a number cannot hold becomes a bigint. An empty body is an empty
 * request. Throws PlatformFault InvalidParameter for anything that is not JSON.
 */
export function parseBody(body: Buffer): unknown {
  const text = body.toString('utf8')
  if (text.trim() === '') {
    return {}
  }
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new PlatformFault('InvalidParameter', `The body is not JSON: ${error.message}.`)
    }
    throw error
  }
}

function exactIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined && /^-?\d+$/.test(context.source) ? wireInteger(context.source) : value
}
