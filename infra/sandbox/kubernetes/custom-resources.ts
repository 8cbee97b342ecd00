import type { CustomKind } from './custom-kinds.ts'
import { decodeStructure } from './decode.ts'
import { FieldErrors } from './field-errors.ts'
import type { Json, JsonObject } from './json.ts'
import { at, isJsonObject, listAt, numberAt, objectAt, sameJson, stringAt } from './json.ts'
import { groupOf } from './kinds.ts'
import type { FieldError } from './kube-fault.ts'

/**
 * A custom object as the API server takes it in: metadata typed, what the schema of its version does not know dropped,
 * its defaults filled in. The result shares nothing with what was given. Throws ShapeFault on metadata of a wrong type.
 */
export function shapeCustomObject(facts: CustomKind, version: string, object: JsonObject): JsonObject {
  const schema = schemaOf(facts, version)
  const preserve = facts.definition.spec.preserveUnknownFields === true
  const { metadata, apiVersion, kind, ...rest } = object
  const content: JsonObject = schema === undefined || preserve ? structuredClone(rest) : pruneObject(schema, rest)
  if (schema !== undefined) fillSchemaDefaults(schema, content)
  const typed = decodeStructure('meta/v1.ObjectMeta', isJsonObject(metadata) ? metadata : {})
  delete typed.managedFields
  delete typed.selfLink
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: typed,
    ...content,
  }
}

/** What the schema of a custom object's version finds wrong with it. */
export function problemsOfCustom(facts: CustomKind, object: JsonObject): readonly FieldError[] {
  const { version } = groupOf(facts.storedAs)
  const schema = schemaOf(facts, version)
  const errors = new FieldErrors()
  if (schema !== undefined) checkValue(errors, '', schema, object, true)
  const scale = facts.definition.spec.versions.find((each) => each.name === version)?.subresources?.scale
  if (scale !== undefined) checkScalePath(errors, object, scale.specReplicasPath)
  return errors.found
}

function checkScalePath(errors: FieldErrors, object: JsonObject, path: string): void {
  const keys = path.split('.').filter((key) => key !== '')
  let holder: Json | undefined = object
  for (const key of keys) {
    if (holder === undefined) return
    if (!isJsonObject(holder)) {
      const type =
        typeof holder === 'string' ? 'string' : Array.isArray(holder) ? '[]interface {}' : typeof holder === 'number' ? 'int64' : 'bool'
      const shown = typeof holder === 'string' ? holder : JSON.stringify(holder)
      errors.invalid(path, 0, `${path} accessor error: ${shown} is of the type ${type}, expected map[string]interface{}`)
      return
    }
    holder = holder[key]
  }
  if (typeof holder === 'number' && holder < 0) errors.invalid(path, holder, 'should be a non-negative integer')
}

function schemaOf(facts: CustomKind, version: string): JsonObject | undefined {
  const schema = facts.definition.spec.versions.find((each) => each.name === version)?.schema?.openAPIV3Schema
  return isJsonObject(schema) ? schema : undefined
}

function pruneObject(schema: JsonObject, value: JsonObject): JsonObject {
  const properties = objectAt(schema, 'properties') ?? {}
  const additional = schema.additionalProperties
  const keep = schema['x-kubernetes-preserve-unknown-fields'] === true
  const result: JsonObject = {}
  for (const [key, entry] of Object.entries(value)) {
    if (key === '__proto__') continue
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (property !== undefined) result[key] = pruneValue(property, entry)
    else if (isJsonObject(additional)) result[key] = pruneValue(additional, entry)
    else if (keep || additional === true) result[key] = structuredClone(entry)
  }
  return result
}

function pruneValue(schema: Json, value: Json): Json {
  if (!isJsonObject(schema)) return structuredClone(value)
  if (isJsonObject(value)) return pruneObject(schema, value)
  if (Array.isArray(value)) {
    const items = schema.items
    return items === undefined ? structuredClone(value) : value.map((item) => pruneValue(items, item))
  }
  return value
}

function fillSchemaDefaults(schema: JsonObject, value: Json): void {
  if (Array.isArray(value)) {
    const items = objectAt(schema, 'items')
    if (items !== undefined) for (const item of value) fillSchemaDefaults(items, item)
    return
  }
  if (!isJsonObject(value)) return
  const additional = objectAt(schema, 'additionalProperties')
  const properties = objectAt(schema, 'properties') ?? {}
  for (const [key, property] of Object.entries(properties)) {
    if (!isJsonObject(property)) continue
    const fallback = property.default
    if (fallback !== undefined && (value[key] === undefined || (value[key] === null && property.nullable !== true))) {
      value[key] = structuredClone(fallback)
    }
    const entry = value[key]
    if (entry !== undefined) fillSchemaDefaults(property, entry)
  }
  if (additional === undefined) return
  for (const [key, entry] of Object.entries(value)) if (!Object.hasOwn(properties, key)) fillSchemaDefaults(additional, entry)
}

function typeOf(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function checkValue(errors: FieldErrors, path: string, schema: JsonObject, value: Json, isRoot = false): void {
  const type = stringAt(schema, 'type')
  const given = typeOf(value)
  if (value === null && schema.nullable === true) return
  if (schema['x-kubernetes-int-or-string'] === true) {
    if (given !== 'integer' && given !== 'string')
      errors.invalid(path, given, `${path} in body must be of type integer,string: ${JSON.stringify(given)}`)
  } else if (type !== undefined && type !== given && !(type === 'number' && given === 'integer')) {
    errors.invalid(path, given, `${path} in body must be of type ${type}: ${JSON.stringify(given)}`)
    return
  }
  const allowed = listAt(schema, 'enum')
  if (allowed.length > 0 && !allowed.some((each) => sameJson(each, value))) {
    errors.notSupported(
      path,
      value,
      allowed.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))),
    )
  }
  if (typeof value === 'number') checkNumber(errors, path, schema, value)
  if (typeof value === 'string') checkText(errors, path, schema, value)
  if (Array.isArray(value)) checkList(errors, path, schema, value)
  if (isJsonObject(value)) checkFields(errors, path, schema, value, isRoot)
}

function checkNumber(errors: FieldErrors, path: string, schema: JsonObject, value: number): void {
  const minimum = numberAt(schema, 'minimum')
  const maximum = numberAt(schema, 'maximum')
  const above = schema.exclusiveMinimum === true
  const below = schema.exclusiveMaximum === true
  if (minimum !== undefined && (above ? value <= minimum : value < minimum)) {
    errors.invalid(path, value, `${path} in body should be greater than ${above ? '' : 'or equal to '}${minimum}`)
  }
  if (maximum !== undefined && (below ? value >= maximum : value > maximum)) {
    errors.invalid(path, value, `${path} in body should be less than ${below ? '' : 'or equal to '}${maximum}`)
  }
}

function checkText(errors: FieldErrors, path: string, schema: JsonObject, value: string): void {
  const longest = numberAt(schema, 'maxLength')
  const shortest = numberAt(schema, 'minLength')
  const length = [...value].length
  const pattern = stringAt(schema, 'pattern')
  if (longest !== undefined && length > longest) errors.invalid(path, value, `${path} in body should be at most ${longest} chars long`)
  else if (shortest !== undefined && length < shortest)
    errors.invalid(path, value, `${path} in body should be at least ${shortest} chars long`)
  else if (pattern !== undefined && !new RegExp(pattern).test(value))
    errors.invalid(path, value, `${path} in body should match '${pattern}'`)
}

function checkList(errors: FieldErrors, path: string, schema: JsonObject, value: readonly Json[]): void {
  const most = numberAt(schema, 'maxItems')
  const least = numberAt(schema, 'minItems')
  if (most !== undefined && value.length > most) errors.invalid(path, value.length, `${path} in body should have at most ${most} items`)
  if (least !== undefined && value.length < least) errors.invalid(path, value.length, `${path} in body should have at least ${least} items`)
  const items = objectAt(schema, 'items')
  if (items !== undefined) for (const item of value) checkValue(errors, path, items, item)
}

function checkFields(errors: FieldErrors, path: string, schema: JsonObject, value: JsonObject, isRoot: boolean): void {
  const properties = objectAt(schema, 'properties') ?? {}
  const additional = objectAt(schema, 'additionalProperties')
  for (const key of listAt(schema, 'required')) {
    if (typeof key === 'string' && at(value, key) === undefined) errors.required(path === '' ? key : `${path}.${key}`)
  }
  for (const [key, entry] of Object.entries(value)) {
    if (isRoot && (key === 'metadata' || key === 'apiVersion' || key === 'kind')) continue
    const property = objectAt(properties, key) ?? additional
    if (property !== undefined) checkValue(errors, path === '' ? key : `${path}.${key}`, property, entry)
  }
}
