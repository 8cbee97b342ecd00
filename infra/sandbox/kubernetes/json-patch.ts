import type { Json, JsonObject } from './json.ts'
import { isJsonObject, sameJson } from './json.ts'

/** The patch cannot be carried out on this document: a `test` failed, or a path leads nowhere. */
export class PatchFault extends Error {
  override readonly name = 'PatchFault'
}

/** The patch is none: not a list of operations, an unknown operation, a missing member. */
export class PatchSyntaxFault extends Error {
  override readonly name = 'PatchSyntaxFault'
}

/**
 * Applies a JSON Patch (RFC 6902) and answers the new document; the old one is not changed. Like the server and unlike the
 * RFC, it takes `replace` of a missing key as `add`, and `test` holds a missing value and null for equal. Throws PatchFault,
 * PatchSyntaxFault.
 */
export function jsonPatch(document: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch))
    throw new PatchSyntaxFault(
      `json: cannot unmarshal ${isJsonObject(patch) ? 'object' : typeof patch} into Go value of type jsonpatch.Patch`,
    )
  let result: Json = structuredClone(document)
  for (const operation of patch) {
    if (!isJsonObject(operation)) throw new PatchSyntaxFault('an operation of a JSON patch is an object')
    result = applyOperation(result, operation)
  }
  if (!isJsonObject(result)) throw new PatchFault('the result is no object')
  return result
}

function applyOperation(document: Json, operation: JsonObject): Json {
  const path = pointerOf(operation, 'path')
  const value = (): Json => {
    const given = operation.value
    return structuredClone(given === undefined ? null : given)
  }
  switch (operation.op) {
    case 'add':
      return put(document, path, value(), 'insert')
    case 'replace':
      return put(document, path, value(), 'replace')
    case 'remove':
      return take(document, path)
    case 'test': {
      const present = find(document, path) ?? null
      if (!sameJson(present, value())) throw new PatchFault(`testing value ${shown(path)} failed`)
      return document
    }
    case 'move': {
      const from = pointerOf(operation, 'from')
      const moved = find(document, from)
      if (moved === undefined) throw new PatchFault(`move operation does not apply: doc is missing key: ${shown(from)}`)
      return put(take(document, from), path, moved, 'insert')
    }
    case 'copy': {
      const from = pointerOf(operation, 'from')
      const copied = find(document, from)
      if (copied === undefined) throw new PatchFault(`copy operation does not apply: doc is missing key: ${shown(from)}`)
      return put(document, path, structuredClone(copied), 'insert')
    }
    default:
      throw new PatchFault(`Unexpected kind: ${String(operation.op)}`)
  }
}

function shown(path: readonly string[]): string {
  return `/${path.join('/')}`
}

function pointerOf(operation: JsonObject, member: string): string[] {
  const pointer = operation[member]
  if (typeof pointer !== 'string') throw new PatchFault(`${member} is missing in an operation of the patch`)
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw new PatchFault(`${pointer} is no JSON pointer`)
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function find(document: Json, path: readonly string[]): Json | undefined {
  let current: Json | undefined = document
  for (const key of path) {
    if (Array.isArray(current)) current = current[indexOf(key, current.length)]
    else if (isJsonObject(current) && Object.hasOwn(current, key)) current = current[key]
    else return undefined
  }
  return current
}

function indexOf(key: string, length: number): number {
  if (!/^-?(?:0|[1-9]\d*)$/.test(key)) throw new PatchFault(`${key} is no index`)
  const index = Number.parseInt(key, 10)
  return index < 0 ? length + index : index
}

function holderOf(document: Json, path: readonly string[]): JsonObject | Json[] {
  const holder = find(document, path.slice(0, -1))
  if (isJsonObject(holder) || Array.isArray(holder)) return holder
  throw new PatchFault(`doc is missing path: ${shown(path)}`)
}

function put(document: Json, path: readonly string[], value: Json, how: 'insert' | 'replace'): Json {
  const key = path.at(-1)
  if (key === undefined) return value
  if (key === '__proto__') throw new PatchFault('the key __proto__ is not allowed')
  const holder = holderOf(document, path)
  if (!Array.isArray(holder)) {
    holder[key] = value
    return document
  }
  if (how === 'replace') {
    const index = indexOf(key, holder.length)
    if (index < 0 || index >= holder.length) throw new PatchFault(`Unable to access invalid index: ${key}`)
    holder[index] = value
    return document
  }
  const index = key === '-' ? holder.length : indexOf(key, holder.length + 1)
  if (index < 0 || index > holder.length) throw new PatchFault(`Unable to access invalid index: ${key}`)
  holder.splice(index, 0, value)
  return document
}

function take(document: Json, path: readonly string[]): Json {
  const key = path.at(-1)
  if (key === undefined) throw new PatchFault('the whole document cannot be removed')
  const holder = holderOf(document, path)
  if (!Array.isArray(holder)) {
    if (!Object.hasOwn(holder, key)) throw new PatchFault(`Unable to remove nonexistent key: ${key}`)
    delete holder[key]
    return document
  }
  const index = indexOf(key, holder.length)
  if (index < 0 || index >= holder.length) throw new PatchFault(`Unable to access invalid index: ${key}`)
  holder.splice(index, 1)
  return document
}
