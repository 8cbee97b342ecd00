import { createHash } from 'node:crypto'
import { byText } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { resourceKey } from './kinds.ts'
import type { KubeObject } from './shapes.ts'
import type { KubernetesState } from './state.ts'

/** How the state names an object inside its kind: `default/web`, or the bare name outside namespaces. */
function objectKey(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

/** The object as it is; undefined when there is none. */
export function readObject(state: KubernetesState, facts: KindFacts, namespace: string | undefined, name: string): KubeObject | undefined {
  const objects = state.objects[resourceKey(facts.group, facts.plural)]
  const key = objectKey(facts.namespaced ? namespace : undefined, name)
  return objects !== undefined && Object.hasOwn(objects, key) ? objects[key] : undefined
}

const nothing: readonly KubeObject[] = []
const lists = new WeakMap<object, { readonly revision: number; readonly objects: readonly KubeObject[] }>()

/** All objects of a kind in no particular order: the cheap way, for controllers. The list stays as it is when the state changes. */
export function allObjects(state: KubernetesState, group: string, plural: string): readonly KubeObject[] {
  const resource = resourceKey(group, plural)
  const objects = state.objects[resource]
  if (objects === undefined) return nothing
  const revision = state.changed[resource] ?? 0
  const known = lists.get(objects)
  if (known !== undefined && known.revision === revision) return known.objects
  const list = Object.values(objects)
  lists.set(objects, { revision, objects: list })
  return list
}

/** All objects of a kind, or those of one namespace, with their keys and in the order of keys, as the server lists them. */
export function sortedEntries(state: KubernetesState, facts: KindFacts, namespace: string | undefined): (readonly [string, KubeObject])[] {
  const prefix = namespace === undefined || !facts.namespaced ? '' : `${namespace}/`
  return Object.entries(state.objects[resourceKey(facts.group, facts.plural)] ?? {})
    .filter(([key]) => key.startsWith(prefix))
    .sort(([left], [right]) => byText(left, right))
}

/** Puts an object in the place of its key under a new revision, and answers it as stored. */
export function storeObject(state: KubernetesState, facts: KindFacts, object: KubeObject): KubeObject {
  state.revision += 1
  const resource = resourceKey(facts.group, facts.plural)
  const stored: KubeObject = { ...object, metadata: { ...object.metadata, resourceVersion: String(state.revision) } }
  const objects = state.objects[resource] ?? {}
  state.objects[resource] = objects
  objects[objectKey(facts.namespaced ? object.metadata.namespace : undefined, object.metadata.name)] = stored
  state.changed[resource] = state.revision
  return stored
}

/** Takes an object away under a new revision. Nothing happens when there is none. */
export function dropObject(state: KubernetesState, facts: KindFacts, namespace: string | undefined, name: string): void {
  const resource = resourceKey(facts.group, facts.plural)
  const objects = state.objects[resource]
  const key = objectKey(facts.namespaced ? namespace : undefined, name)
  if (objects === undefined || !Object.hasOwn(objects, key)) return
  delete objects[key]
  state.revision += 1
  state.changed[resource] = state.revision
}

/**
 * A uid of the usual look, unique in the cluster and the same whenever the same things happen in the same order. One for a
 * dry run is given to nothing else.
 */
export function nextUid(state: KubernetesState, isDryRun = false): string {
  const hex = createHash('sha256')
    .update(`${state.clusterId}/${state.revision + 1}${isDryRun ? '/dry' : ''}`)
    .digest('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789'

/** The five letters that end a generated name. */
export function nameSuffix(random: () => number): string {
  return Array.from({ length: 5 }, () => suffixLetters.charAt(Math.floor(random() * suffixLetters.length))).join('')
}
