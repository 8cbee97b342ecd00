/** Anything JSON can hold. The state is made of nothing else, so saving and loading it changes nothing. */
export type Json = null | boolean | number | string | Json[] | JsonObject

export interface JsonObject {
  [key: string]: Json
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses text into JSON, or answers undefined when it is none. Keys that would reach a prototype are left out. */
export function parseJson(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text, (key, entry) => (key === '__proto__' ? undefined : entry))
    return value
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The value under a path of keys; undefined as soon as one is missing or its holder is no object. */
export function at(value: Json | undefined, ...keys: string[]): Json | undefined {
  let current = value
  for (const key of keys) {
    if (!isJsonObject(current) || !Object.hasOwn(current, key)) return undefined
    current = current[key]
  }
  return current
}

/** As `at`, for a string; anything else is undefined. */
export function stringAt(value: Json | undefined, ...keys: string[]): string | undefined {
  const found = at(value, ...keys)
  return typeof found === 'string' ? found : undefined
}

/** As `at`, for a number; anything else is undefined. */
export function numberAt(value: Json | undefined, ...keys: string[]): number | undefined {
  const found = at(value, ...keys)
  return typeof found === 'number' ? found : undefined
}

/** As `at`, for an object; anything else is undefined. */
export function objectAt(value: Json | undefined, ...keys: string[]): JsonObject | undefined {
  const found = at(value, ...keys)
  return isJsonObject(found) ? found : undefined
}

/** As `at`, for a list; anything else is an empty one. */
export function listAt(value: Json | undefined, ...keys: string[]): readonly Json[] {
  const found = at(value, ...keys)
  return Array.isArray(found) ? found : []
}

/** A copy with the value under a path of keys replaced; holders that are missing are made. Nothing else is copied. */
export function withAt(value: JsonObject, keys: readonly string[], next: Json | undefined): JsonObject {
  const [key, ...rest] = keys
  if (key === undefined) return isJsonObject(next) ? next : {}
  const copy = { ...value }
  if (rest.length === 0) {
    if (next === undefined) delete copy[key]
    else copy[key] = next
    return copy
  }
  copy[key] = withAt(objectAt(value, key) ?? {}, rest, next)
  return copy
}

/** Whether two values are the same JSON; the order of keys does not matter. */
export function sameJson(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true
  if (Array.isArray(left)) {
    return Array.isArray(right) && left.length === right.length && left.every((value, index) => sameJson(value, right[index]))
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every((key) => Object.hasOwn(right, key) && sameJson(left[key], right[key]))
}

/** Compares strings by code unit, as the API server's store orders its keys. */
export function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
