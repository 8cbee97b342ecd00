import type { Json, JsonObject } from './json.ts'
import { isJsonObject, sameJson } from './json.ts'
import { PatchFault, PatchSyntaxFault } from './json-patch.ts'
import type { FieldFacts, Shape } from './schema.ts'
import { fieldsOf } from './schema.ts'

const deleteFromPrefix = '$deleteFromPrimitiveList/'
const orderPrefix = '$setElementOrder/'
const retainKeys = '$retainKeys'
const directive = '$patch'

/** The patch itself is wrong in a way the server answers with its own failure: no merge key, an unknown directive. */
export class DirectiveFault extends Error {
  override readonly name = 'DirectiveFault'
}

/**
 * Applies a strategic merge patch to an object of a structure: objects merge, null takes a field away, lists merge where
 * the structure says by which key, and are replaced elsewhere. Understands `$patch: delete | replace`, `$retainKeys`,
 * `$setElementOrder/…` and `$deleteFromPrimitiveList/…`. The object is not changed. Throws PatchFault, PatchSyntaxFault,
 * DirectiveFault.
 */
export function strategicPatch(structure: string, object: JsonObject, patch: JsonObject): JsonObject {
  return mergeStructure({ form: 'struct', name: structure }, structuredClone(object), structuredClone(patch))
}

function fieldOf(shape: Shape, key: string): FieldFacts | undefined {
  if (shape.form === 'pointer') return fieldOf(shape.to, key)
  return shape.form === 'struct' ? fieldsOf(shape.name).get(key) : undefined
}

function itemShape(shape: Shape | undefined): Shape {
  if (shape === undefined) return { form: 'scalar', type: 'raw' }
  if (shape.form === 'pointer') return itemShape(shape.to)
  return shape.form === 'list' || shape.form === 'map' ? shape.item : shape
}

function mergeStructure(shape: Shape, original: JsonObject, patch: JsonObject): JsonObject {
  const kind = patch[directive]
  if (kind === 'replace') {
    const { [directive]: _, ...rest } = patch
    return rest
  }
  if (kind === 'delete') return {}
  if (kind !== undefined) throw new DirectiveFault(`unknown patch type: ${String(kind)} in map: ${goMap(patch)}`)
  keepListed(original, patch)
  orderLists(shape, original, patch)
  for (const [rawKey, value] of Object.entries(patch)) {
    if (rawKey === '__proto__') continue
    const isDeletion = rawKey.startsWith(deleteFromPrefix)
    const key = isDeletion ? rawKey.slice(deleteFromPrefix.length) : rawKey
    if (value === null) {
      delete original[key]
      continue
    }
    const present = Object.hasOwn(original, key) ? original[key] : undefined
    if (present === undefined) {
      if (!isDeletion) original[key] = value
      continue
    }
    original[key] = mergeField(fieldOf(shape, key), shape, present, value, isDeletion)
  }
  return original
}

function mergeField(field: FieldFacts | undefined, holder: Shape, present: Json, value: Json, isDeletion: boolean): Json {
  if (Array.isArray(present) && Array.isArray(value)) {
    if (isDeletion) return present.filter((item) => !value.some((gone) => sameJson(gone, item)))
    return field?.merge.lists === true ? mergeList(itemShape(field.shape), present, value, field.merge.key) : value
  }
  if (isJsonObject(present) && isJsonObject(value)) {
    const shape = field?.shape ?? itemShape(holder)
    return mergeStructure(shape.form === 'pointer' ? shape.to : shape, present, value)
  }
  return value
}

/** `$retainKeys`: everything that is not listed goes. */
function keepListed(original: JsonObject, patch: JsonObject): void {
  const listed = patch[retainKeys]
  if (listed === undefined) return
  delete patch[retainKeys]
  if (!Array.isArray(listed)) throw new PatchSyntaxFault('invalid patch format of retainKeys')
  for (const [key, value] of Object.entries(patch)) {
    const isDirective = key.startsWith(deleteFromPrefix) || key.startsWith(orderPrefix)
    if (value !== null && !isDirective && !listed.includes(key)) throw new PatchSyntaxFault('invalid patch format of retainKeys')
  }
  for (const key of Object.keys(original)) if (!listed.includes(key)) delete original[key]
}

/** `$setElementOrder/…`: the list is merged as usual, then brought into the order given. */
function orderLists(shape: Shape, original: JsonObject, patch: JsonObject): void {
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(orderPrefix)) continue
    delete patch[key]
    const name = key.slice(orderPrefix.length)
    const field = fieldOf(shape, name)
    if (!Array.isArray(order) || field === undefined) throw new PatchSyntaxFault(`invalid patch format of setElementOrder list`)
    const before = original[name]
    const given = patch[name]
    const originalList = Array.isArray(before) ? before : undefined
    const patchList = Array.isArray(given) ? given : undefined
    if (originalList === undefined && patchList === undefined) continue
    const merged =
      originalList === undefined
        ? (patchList ?? [])
        : patchList === undefined
          ? originalList
          : mergeList(itemShape(field.shape), originalList, patchList, field.merge.key)
    original[name] = inOrder(merged, order, originalList ?? [], field.merge.key)
    delete patch[name]
  }
}

function keyOf(item: Json, mergeKey: string | undefined): Json | undefined {
  return mergeKey === undefined ? item : isJsonObject(item) ? item[mergeKey] : undefined
}

function mergeList(shape: Shape, original: readonly Json[], patch: readonly Json[], mergeKey: string | undefined): Json[] {
  if (original.length === 0 && patch.length === 0) return []
  if (mergeKey === undefined) {
    const merged = [...original]
    for (const item of patch) if (!merged.some((present) => sameJson(present, item))) merged.push(item)
    return inOrder(merged, patch, original, undefined)
  }
  let kept = [...original]
  const plain: JsonObject[] = []
  let isReplaced = false
  for (const item of patch) {
    if (!isJsonObject(item)) throw new PatchFault('a list of objects is patched with something else')
    const kind = item[directive]
    if (kind === undefined) {
      plain.push(item)
    } else if (kind === 'delete') {
      if (item[mergeKey] === undefined) throw new DirectiveFault(missingKey(item, mergeKey))
      kept = kept.filter((present) => !sameJson(keyOf(present, mergeKey), item[mergeKey]))
    } else if (kind === 'replace') {
      isReplaced = true
    } else {
      throw new DirectiveFault(`unknown patch type: ${String(kind)} in map: ${goMap(item)}`)
    }
  }
  if (isReplaced) return inOrder([...plain], [], plain, mergeKey)
  const merged: Json[] = kept
  for (const item of plain) {
    const key = item[mergeKey]
    if (key === undefined) throw new DirectiveFault(missingKey(item, mergeKey))
    const index = merged.findIndex((present) => sameJson(keyOf(present, mergeKey), key))
    const present = merged[index]
    if (isJsonObject(present)) merged[index] = mergeStructure(shape, present, item)
    else merged.push(item)
  }
  return inOrder(merged, plain, original, mergeKey)
}

function missingKey(item: JsonObject, mergeKey: string): string {
  return `map: ${goMap(item)} does not contain declared merge key: ${mergeKey}`
}

function goMap(item: JsonObject): string {
  const entries = Object.entries(item)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, value]) => `${key}:${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return `map[${entries.join(' ')}]`
}

/**
 * Brings a merged list into order: what the patch names in the patch's order, the rest in the server's, and the two woven
 * together by the server's order as far as it knows both; what it does not know comes first.
 */
function inOrder(merged: readonly Json[], wanted: readonly Json[], server: readonly Json[], mergeKey: string | undefined): Json[] {
  const position = (list: readonly Json[], item: Json): number =>
    list.findIndex((each) => sameJson(keyOf(each, mergeKey), keyOf(item, mergeKey)))
  const named = merged.filter((item) => position(wanted, item) >= 0).sort((left, right) => position(wanted, left) - position(wanted, right))
  const others = merged.filter((item) => position(wanted, item) < 0)
  const result: Json[] = []
  let left = 0
  let right = 0
  while (left < others.length || right < named.length) {
    const other = others[left]
    const name = named[right]
    if (other === undefined) {
      if (name !== undefined) result.push(name)
      right += 1
    } else if (name === undefined) {
      result.push(other)
      left += 1
    } else {
      const [a, b] = [position(server, other), position(server, name)]
      if (a >= 0 && b >= 0 && a < b) {
        result.push(other)
        left += 1
      } else {
        result.push(name)
        right += 1
      }
    }
  }
  return result
}
