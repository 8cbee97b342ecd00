import type { Json, JsonObject } from './json.ts'
import { isJsonObject } from './json.ts'
import { formatQuantity, parseQuantity } from './quantity.ts'
import type { FieldFacts, ScalarType, Shape } from './schema.ts'
import { fieldsOf } from './schema.ts'
import { epochMsOf, microTimeText, timeText } from './time.ts'

/** The value does not have the type of its field. The message is the trail to it, as the API prints it. */
export class ShapeFault extends Error {
  override readonly name = 'ShapeFault'
}

/**
 * Gives an object the shape of its structure, as a typed server does when it reads and writes it: unknown fields are
 * dropped, empty ones left out unless the structure always writes them, quantities and times brought to their canonical
 * form. The result is a deep copy. Throws ShapeFault on a value of the wrong type.
 */
export function decodeStructure(structure: string, value: JsonObject): JsonObject {
  return structOf(structure, value, '')
}

function structOf(structure: string, value: JsonObject, trail: string): JsonObject {
  const result: JsonObject = {}
  for (const [name, field] of fieldsOf(structure)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined
    const kept = fieldValue(field, given, () => `${trail}${goPath(structure)}.${name.charAt(0).toUpperCase()}${name.slice(1)}`)
    if (kept !== undefined) result[name] = kept
  }
  return result
}

function goPath(structure: string): string {
  return structure.slice(structure.lastIndexOf('/') + 1)
}

function fieldValue(field: FieldFacts, given: Json | undefined, trail: () => string): Json | undefined {
  const absent = given === undefined || given === null
  switch (field.shape.form) {
    case 'pointer':
      return absent ? (field.keepEmpty ? null : undefined) : shaped(field.shape.to, given, trail)
    case 'struct':
      return shaped(field.shape, absent ? {} : given, trail)
    case 'list': {
      if (absent) return field.keepEmpty ? null : undefined
      const list = shaped(field.shape, given, trail)
      return Array.isArray(list) && list.length === 0 ? (field.keepEmpty ? null : undefined) : list
    }
    case 'map': {
      if (absent) return field.keepEmpty ? null : undefined
      const map = shaped(field.shape, given, trail)
      return isJsonObject(map) && Object.keys(map).length === 0 ? (field.keepEmpty ? null : undefined) : map
    }
    case 'scalar': {
      const zero = zeroOf[field.shape.type]
      if (absent) return field.keepEmpty || alwaysWritten.has(field.shape.type) ? zero : undefined
      const scalar = scalarOf(field.shape.type, given, trail)
      return scalar === zero && !field.keepEmpty && !alwaysWritten.has(field.shape.type) ? undefined : scalar
    }
  }
}

/** Scalars that are structures to the server, and so never left out. */
const alwaysWritten: ReadonlySet<ScalarType> = new Set<ScalarType>(['time', 'microtime', 'quantity', 'intstr'])

const zeroOf: Readonly<Record<ScalarType, Json | undefined>> = {
  string: '',
  bool: false,
  int32: 0,
  int64: 0,
  float: 0,
  bytes: '',
  time: null,
  microtime: null,
  quantity: '0',
  intstr: 0,
  raw: undefined,
}

function shaped(shape: Shape, given: Json, trail: () => string): Json {
  switch (shape.form) {
    case 'pointer':
      return given === null ? null : shaped(shape.to, given, trail)
    case 'struct':
      if (given === null) return structOf(shape.name, {}, `${trail()}: `)
      if (!isJsonObject(given)) throw new ShapeFault(`${trail()}: readObjectStart: expect { or n, but found ${firstByte(given)}`)
      return structOf(shape.name, given, `${trail()}: `)
    case 'list':
      if (!Array.isArray(given)) throw new ShapeFault(`${trail()}: decode slice: expect [ or n, but found ${firstByte(given)}`)
      return given.map((item) =>
        shaped(shape.item, item, () => `${trail()}: []${shape.item.form === 'struct' ? goPath(shape.item.name) : 'string'}`),
      )
    case 'map': {
      if (!isJsonObject(given)) throw new ShapeFault(`${trail()}: ReadMapCB: expect { or n, but found ${firstByte(given)}`)
      const result: JsonObject = {}
      for (const key of Object.keys(given)) {
        const item = given[key]
        if (key !== '__proto__') result[key] = shaped(shape.item, item ?? null, trail)
      }
      return result
    }
    case 'scalar':
      return scalarOf(shape.type, given, trail) ?? null
  }
}

const limits = { int32: 2 ** 31, int64: 2 ** 63 } as const

function scalarOf(type: ScalarType, given: Json, trail: () => string): Json | undefined {
  if (given === null) return zeroOf[type]
  switch (type) {
    case 'string':
      if (typeof given !== 'string') throw new ShapeFault(`${trail()}: ReadString: expects " or n, but found ${firstByte(given)}`)
      return given
    case 'bytes':
      if (typeof given !== 'string') throw new ShapeFault(`${trail()}: base64Codec: invalid input`)
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(given.replaceAll(/[\r\n]/g, ''))) {
        throw new ShapeFault(`${trail()}: illegal base64 data`)
      }
      return given.replaceAll(/[\r\n]/g, '')
    case 'bool':
      if (typeof given !== 'boolean') throw new ShapeFault(`${trail()}: ReadBool: expect t or f, but found ${firstByte(given)}`)
      return given
    case 'int32':
    case 'int64': {
      if (typeof given !== 'number') throw new ShapeFault(`${trail()}: readUint${type.slice(3)}: unexpected character: ${firstByte(given)}`)
      if (!Number.isInteger(given)) throw new ShapeFault(`${trail()}: readUint${type.slice(3)}: can not decode float as int`)
      if (given >= limits[type] || given < -limits[type]) throw new ShapeFault(`${trail()}: readUint${type.slice(3)}: overflow`)
      return given
    }
    case 'float':
      if (typeof given !== 'number') throw new ShapeFault(`${trail()}: readFloat64: unexpected character: ${firstByte(given)}`)
      return given
    case 'time':
    case 'microtime': {
      const instant = typeof given === 'string' ? epochMsOf(given) : undefined
      if (instant === undefined) throw new ShapeFault(`${trail()}: parsing time ${JSON.stringify(given)}: cannot parse it as RFC 3339`)
      return type === 'time' ? timeText(instant) : microTimeText(instant)
    }
    case 'quantity': {
      const quantity = typeof given === 'string' || typeof given === 'number' ? parseQuantity(String(given)) : undefined
      if (quantity === undefined) {
        throw new ShapeFault(
          `${trail()}: unmarshalerDecoder: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
        )
      }
      return formatQuantity(quantity)
    }
    case 'intstr':
      if (typeof given !== 'string' && !(typeof given === 'number' && Number.isInteger(given))) {
        throw new ShapeFault(`${trail()}: unmarshalerDecoder: cannot read ${firstByte(given)} as a number or a string`)
      }
      return given
    case 'raw':
      return given
  }
}

function firstByte(value: Json): string {
  return JSON.stringify(value).charAt(0)
}
