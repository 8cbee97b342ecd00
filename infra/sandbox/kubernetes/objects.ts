import { customKinds } from './custom-kinds.ts'
import { establishDefinitions } from './definitions.ts'
import type { JsonObject } from './json.ts'
import { listAt, objectAt, sameJson, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { builtInKind, builtInResource, groupOf, knownKind } from './kinds.ts'
import { decodeObject } from './registry.ts'
import type { KubeObject } from './shapes.ts'
import { isKubeObject } from './shapes.ts'
import type { KubernetesState, NewKubernetes } from './state.ts'
import { dropObject, nextUid, readObject, sortedEntries, storeObject } from './store.ts'
import { prepareNew } from './strategy.ts'
import { timeText } from './time.ts'
import { problemsOfNew } from './validate.ts'
import { minorOf } from './version.ts'

/** A cluster's API as it is right after the cluster was made: four namespaces, nothing else. Throws on a version that is none. */
export function createKubernetesState({ version, clusterId, now }: NewKubernetes): KubernetesState {
  minorOf(version)
  const state: KubernetesState = {
    clusterId,
    version,
    createdAt: now,
    revision: 0,
    objects: {},
    changed: {},
    snapshots: [],
    rbac: { deny: [] },
    features: { hpaScaleToZero: false },
    controllers: {},
    advancedTo: now,
  }
  for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
    putObject(state, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, now)
  }
  return state
}

/** What the state knows about a kind, built-in or custom; by group and plural. Undefined when there is none. */
export function resourceOf(state: KubernetesState, group: string, plural: string): KindFacts | undefined {
  return builtInResource(group, plural) ?? customKinds(state).find((facts) => facts.group === group && facts.plural === plural)
}

function kindOf(state: KubernetesState, group: string, kind: string): KindFacts | undefined {
  return builtInKind(group, kind) ?? customKinds(state).find((facts) => facts.group === group && facts.kind === kind)
}

/**
 * Creates an object or replaces it, status and all, as seeds and the platform's own machinery do: defaults are filled in,
 * uid, creationTimestamp, resourceVersion and generation are kept or given. The namespace is made when it is missing. Any
 * version of the API is taken. Throws an Error that names the object when its kind is unknown or it is invalid.
 */
export function putObject(state: KubernetesState, object: JsonObject, now: number): KubeObject {
  const apiVersion = stringAt(object, 'apiVersion') ?? ''
  const kind = stringAt(object, 'kind') ?? ''
  const { group, version } = groupOf(apiVersion)
  const facts = kindOf(state, group, kind)
  const name = stringAt(object, 'metadata', 'name') ?? ''
  if (facts === undefined)
    throw new Error(`${apiVersion} ${kind} "${name}": no such kind in cluster ${state.clusterId}; put its definition first`)
  const draft = decodeObject(facts, version, object)
  const metadata = objectAt(draft, 'metadata') ?? {}
  const namespace = facts.namespaced ? (stringAt(metadata, 'namespace') ?? 'default') : undefined
  if (namespace !== undefined) {
    metadata.namespace = namespace
    if (readObject(state, knownKind('', 'Namespace'), undefined, namespace) === undefined) {
      putObject(state, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, now)
    }
  }
  const before = readObject(state, facts, namespace, name)
  if (before !== undefined) {
    metadata.uid = before.metadata.uid
    metadata.creationTimestamp = before.metadata.creationTimestamp
  } else {
    metadata.uid ??= nextUid(state)
    metadata.creationTimestamp ??= timeText(now)
  }
  const status = draft.status
  const given = objectAt(object, 'status')
  prepareNew(state, facts, draft)
  if (given !== undefined && status !== undefined) draft.status = status
  else if (before?.status !== undefined) draft.status = before.status
  if (facts.kind === 'Node' && given !== undefined) keepGivenTaints(draft, object)
  if (before !== undefined && facts.generation) {
    const grown = sameJson(draft.spec, before.spec) ? 0 : 1
    metadata.generation = (before.metadata.generation ?? 0) + grown
  }
  const problems = problemsOfNew(state, facts, draft)
  if (problems.length > 0) {
    const list = problems.map((problem) => `${problem.field}: ${problem.kind} ${problem.detail}`).join('; ')
    throw new Error(`${apiVersion} ${kind} "${name}" is invalid: ${list}`)
  }
  const stored = storeObject(state, facts, identified({ ...draft, metadata: { ...metadata, resourceVersion: '' } }))
  if (facts.kind === 'CustomResourceDefinition') establishDefinitions(state, now)
  return readObject(state, facts, namespace, name) ?? stored
}

function identified(json: JsonObject): KubeObject {
  if (!isKubeObject(json)) throw new Error(`an object without identity was about to be stored: ${JSON.stringify(json.metadata)}`)
  return json
}

function keepGivenTaints(draft: JsonObject, object: JsonObject): void {
  const spec = objectAt(draft, 'spec')
  const taints = listAt(object, 'spec', 'taints')
  if (spec === undefined) return
  if (taints.length === 0) delete spec.taints
  else spec.taints = structuredClone([...taints])
}

/** All objects of a kind, of one namespace or of all, ordered by namespace and name. Autoscalers are in the newer shape. */
export function listObjects(state: KubernetesState, group: string, resource: string, namespace?: string): KubeObject[] {
  const facts = resourceOf(state, group, resource)
  return facts === undefined ? [] : sortedEntries(state, facts, namespace).map(([, object]) => object)
}

/** One object by its name, undefined when there is none; without a namespace for kinds outside of them. */
export function getObject(
  state: KubernetesState,
  group: string,
  resource: string,
  name: string,
  namespace?: string,
): KubeObject | undefined {
  const facts = resourceOf(state, group, resource)
  return facts && readObject(state, facts, namespace, name)
}

/** One object by its kind rather than its plural, with what is known about the kind. */
export function objectOfKind(
  state: KubernetesState,
  group: string,
  kind: string,
  name: string,
  namespace: string | undefined,
): { readonly facts: KindFacts; readonly object: KubeObject } | undefined {
  const facts = kindOf(state, group, kind)
  const object = facts && readObject(state, facts, namespace, name)
  return facts === undefined || object === undefined ? undefined : { facts, object }
}

/** Takes an object away at once, whatever finalizers it has. Nothing happens when there is none. */
export function removeObject(state: KubernetesState, group: string, resource: string, name: string, namespace?: string): void {
  const facts = resourceOf(state, group, resource)
  if (facts !== undefined) dropObject(state, facts, namespace, name)
}
