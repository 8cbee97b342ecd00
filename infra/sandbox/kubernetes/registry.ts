import { toStored } from './convert.ts'
import { isCustomKind } from './custom-kinds.ts'
import { problemsOfCustom, shapeCustomObject } from './custom-resources.ts'
import { ShapeFault } from './decode.ts'
import { fillDefaults } from './defaults.ts'
import type { Json, JsonObject } from './json.ts'
import { numberAt, objectAt, sameJson, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { apiVersionOf, knownKind } from './kinds.ts'
import { alreadyExists, badRequest, conflict, forbidden, invalid, KubeFault, notFound, staleWrite } from './kube-fault.ts'
import type { KubeObject } from './shapes.ts'
import { isCustomResourceDefinition, isKubeObject } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { dropObject, nameSuffix, nextUid, readObject, storeObject } from './store.ts'
import { prepareChange, prepareNew, prepareStatus } from './strategy.ts'
import { timeText } from './time.ts'
import { problemsOfChange, problemsOfNew, problemsOfStatus } from './validate.ts'

/** What a write needs besides the object. */
export interface WriteContext {
  readonly now: number
  /** Uniform in [0, 1). Seeded. */
  readonly random: () => number
  /** Everything is checked and answered, nothing is kept. */
  readonly dryRun?: boolean
}

/** How an object is to be deleted. */
export interface DeleteOptions {
  readonly propagation?: string
  readonly orphanDependents?: boolean
  readonly gracePeriodSeconds?: number
  readonly uid?: string
  readonly resourceVersion?: string
}

/** Reads an object of a version into the shape of the state; a value of a wrong type is the client's fault. */
export function decodeObject(facts: KindFacts, version: string, body: JsonObject): JsonObject {
  try {
    return isCustomKind(facts) ? shapeCustomObject(facts, version, toStored(facts, version, body)) : toStored(facts, version, body)
  } catch (error) {
    if (!(error instanceof ShapeFault)) throw error
    throw badRequest(`${facts.kind} in version "${version}" cannot be handled as a ${facts.kind}: ${error.message}`)
  }
}

/** As `decodeObject`, for the result of a patch: what a patch made unreadable is the patch's fault. */
export function decodePatched(facts: KindFacts, version: string, patched: JsonObject): JsonObject {
  const apiVersion = apiVersionOf(facts.group, version)
  if (patched.kind !== facts.kind || patched.apiVersion !== apiVersion) {
    throw unreadablePatch(facts, patched, `${String(patched.apiVersion)} ${String(patched.kind)} is not ${apiVersion} ${facts.kind}`)
  }
  try {
    return decodeObject(facts, version, patched)
  } catch (error) {
    if (error instanceof KubeFault && error.reason === 'BadRequest') throw unreadablePatch(facts, patched, error.message)
    throw error
  }
}

/** The refusal of a patch whose result cannot be read. It shows the result, as the server's does, but not that of a secret. */
export function unreadablePatch(facts: KindFacts, patched: Json, why: string): KubeFault {
  return invalid({ group: '', kind: '' }, '', [
    { kind: 'Invalid', field: 'patch', value: facts.kind === 'Secret' ? '<secret>' : JSON.stringify(patched), detail: why },
  ])
}

/** The refusal of a PUT for an object of the same name that is another one. */
export function anotherUid(facts: KindFacts, before: KubeObject, uid: string): KubeFault {
  const { name, namespace } = before.metadata
  const place = isCustomKind(facts)
    ? `${facts.group}/${facts.plural}`
    : facts.kind === 'CustomResourceDefinition'
      ? `apiextensions.k8s.io/${facts.plural}`
      : (storePlaces[facts.kind] ?? facts.plural)
  const key = ['/registry', place, ...(namespace === undefined ? [] : [namespace]), name].join('/')
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`
  return conflict(facts, name, `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`)
}

/** Where the server's store keeps a kind, when that is not its plural; some refusals print it. */
const storePlaces: Readonly<Record<string, string>> = { Node: 'minions', Service: 'services/specs' }

function kubeObjectOf(json: JsonObject): KubeObject {
  if (!isKubeObject(json)) throw new Error(`an object without identity was about to be stored: ${JSON.stringify(json.metadata)}`)
  return json
}

/** Puts a decoded object in place as new. Throws KubeFault: the name is taken, the namespace is missing, it is invalid. */
export function createObject(
  state: KubernetesState,
  facts: KindFacts,
  draft: JsonObject,
  namespace: string | undefined,
  context: WriteContext,
): KubeObject {
  const metadata = objectAt(draft, 'metadata') ?? {}
  draft.metadata = metadata
  const given = stringAt(metadata, 'namespace') ?? ''
  if (facts.namespaced) {
    if (given !== '' && given !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    }
    metadata.namespace = namespace ?? ''
  } else {
    delete metadata.namespace
  }
  if (stringAt(metadata, 'resourceVersion') !== undefined) {
    throw new KubeFault(500, '', 'resourceVersion should not be set on objects to be created')
  }
  const base = stringAt(metadata, 'generateName') ?? ''
  if ((stringAt(metadata, 'name') ?? '') === '' && base !== '') metadata.name = `${base.slice(0, 58)}${nameSuffix(context.random)}`
  const name = stringAt(metadata, 'name') ?? ''
  if (facts.namespaced) checkNamespace(state, facts, namespace ?? '', name)
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  metadata.uid = nextUid(state, context.dryRun === true)
  metadata.creationTimestamp = timeText(context.now)
  prepareNew(state, facts, draft)
  refuse(facts, name, problemsOfNew(state, facts, draft))
  if (isCustomKind(facts)) refuse(facts, name, problemsOfCustom(facts, draft))
  if (readObject(state, facts, namespace, name) !== undefined) throw alreadyExists(facts, name)
  fillDefaults(facts.kind, draft)
  const created = kubeObjectOf({ ...draft, metadata: { ...metadata, resourceVersion: '' } })
  return context.dryRun === true ? withoutVersion(created) : storeObject(state, facts, created)
}

function withoutVersion(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: '' } }
}

function refuse(facts: KindFacts, name: string, problems: Parameters<typeof invalid>[2]): void {
  if (problems.length > 0) throw invalid(facts, name, problems)
}

function checkNamespace(state: KubernetesState, facts: KindFacts, namespace: string, name: string): void {
  const namespaces = knownKind('', 'Namespace')
  const home = readObject(state, namespaces, undefined, namespace)
  if (home === undefined) throw notFound(namespaces, namespace)
  if (home.metadata.deletionTimestamp === undefined) return
  const refusal = forbidden(facts, name, `unable to create new content in namespace ${namespace} because it is being terminated`)
  throw new KubeFault(refusal.code, refusal.reason, refusal.message, {
    ...refusal.details,
    causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
  })
}

/** What an update replaces: the whole object, or its status only. */
export type UpdatePart = 'object' | 'status'

/**
 * Puts a decoded object in the place of what is there. Nothing is written when nothing differs. Throws KubeFault: another
 * write came first, it is invalid. The last finalizer of a deleted object takes the object with it.
 */
export function updateObject(
  state: KubernetesState,
  facts: KindFacts,
  draft: JsonObject,
  before: KubeObject,
  part: UpdatePart,
  context: WriteContext,
): KubeObject {
  const { name } = before.metadata
  const metadata = objectAt(draft, 'metadata') ?? {}
  draft.metadata = metadata
  const version = stringAt(metadata, 'resourceVersion') ?? ''
  if (version === '' || version === '0') {
    if (!facts.unconditionalUpdate) throw mustSayVersion(facts, name)
    metadata.resourceVersion = before.metadata.resourceVersion
  } else if (!/^\d+$/.test(version)) {
    throw new KubeFault(500, '', `strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`)
  } else if (version !== before.metadata.resourceVersion) {
    throw staleWrite(facts, name)
  }
  if ((stringAt(metadata, 'uid') ?? '') === '') metadata.uid = before.metadata.uid
  metadata.creationTimestamp = before.metadata.creationTimestamp
  if (facts.namespaced && (stringAt(metadata, 'namespace') ?? '') === '') metadata.namespace = before.metadata.namespace ?? ''
  if (before.metadata.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.metadata.deletionTimestamp
  if (before.metadata.deletionGracePeriodSeconds !== undefined && metadata.deletionGracePeriodSeconds === undefined) {
    metadata.deletionGracePeriodSeconds = before.metadata.deletionGracePeriodSeconds
  }
  if (part === 'status') {
    prepareStatus(facts, draft, before)
    refuse(facts, name, problemsOfStatus(facts, draft, before))
  } else {
    prepareChange(facts, draft, before)
    refuse(facts, name, problemsOfChange(state, facts, draft, before))
  }
  if (isCustomKind(facts)) refuse(facts, name, problemsOfCustom(facts, draft))
  fillDefaults(facts.kind, draft)
  const changed = kubeObjectOf(draft)
  if (sameJson(changed, before)) return before
  if (context.dryRun === true) return changed
  if (before.metadata.deletionTimestamp !== undefined && isFinished(facts, changed)) {
    dropObject(state, facts, before.metadata.namespace, name)
    return changed
  }
  return storeObject(state, facts, changed)
}

/** Whether nothing keeps a deleted object any more. */
function isFinished(facts: KindFacts, object: KubeObject): boolean {
  return (
    (object.metadata.finalizers ?? []).length === 0 && (object.metadata.deletionGracePeriodSeconds ?? 0) === 0 && facts.kind !== 'Namespace'
  )
}

function mustSayVersion(facts: KindFacts, name: string): KubeFault {
  const message = 'Invalid value: 0x0: must be specified for an update'
  return new KubeFault(
    422,
    'Invalid',
    `${facts.group === '' ? facts.plural : `${facts.plural}.${facts.group}`} ${JSON.stringify(name)} is invalid: metadata.resourceVersion: ${message}`,
    {
      name,
      ...(facts.group === '' ? {} : { group: facts.group }),
      kind: facts.plural,
      causes: [{ reason: 'FieldValueInvalid', message, field: 'metadata.resourceVersion' }],
    },
  )
}

/** Keeps a definition until its objects are gone. */
export const definitionFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

const keptNamespaces = ['default', 'kube-system', 'kube-public']

/** What became of a deletion: whether the object is gone, and how it looked last. */
export interface Deletion {
  readonly gone: boolean
  readonly object: KubeObject
}

/**
 * Deletes an object as its kind wants it: pods get their grace, finalizers and dependents keep it until they are dealt
 * with. Deleting twice is answered the same. Throws KubeFault when a precondition does not hold or the namespace is kept.
 */
export function deleteObject(
  state: KubernetesState,
  facts: KindFacts,
  object: KubeObject,
  version: string,
  options: DeleteOptions,
  context: WriteContext,
): Deletion {
  const { name, namespace } = object.metadata
  checkPreconditions(facts, object, options)
  if (facts.kind === 'Namespace') {
    if (keptNamespaces.includes(name)) throw forbidden(facts, name, 'this namespace may not be deleted')
    return terminateNamespace(state, facts, object, context)
  }
  if (facts.kind === 'CustomResourceDefinition') return terminateDefinition(state, facts, object, context)
  const finalizers = finalizersFor(facts, version, object, options)
  const graceSeconds = facts.kind === 'Pod' ? podGraceSeconds(object, options.gracePeriodSeconds) : 0
  const running = object.metadata.deletionTimestamp !== undefined
  const isGone = finalizers.length === 0 && graceSeconds === 0
  if (isGone && facts.kind !== 'Pod') {
    if (context.dryRun !== true) dropObject(state, facts, namespace, name)
    return { gone: true, object }
  }
  const shorter = !running || graceSeconds < (object.metadata.deletionGracePeriodSeconds ?? 0)
  const metadata = {
    ...object.metadata,
    ...(shorter ? { deletionTimestamp: timeText(context.now + graceSeconds * 1000), deletionGracePeriodSeconds: graceSeconds } : {}),
  }
  if (finalizers.length > 0) metadata.finalizers = finalizers
  else delete metadata.finalizers
  if (!running && metadata.generation !== undefined && metadata.generation > 0) metadata.generation += 1
  const marked: KubeObject = { ...object, metadata }
  if (context.dryRun === true || sameJson(marked, object)) return { gone: isGone, object: marked }
  const stored = storeObject(state, facts, marked)
  if (isGone) dropObject(state, facts, namespace, name)
  return { gone: isGone, object: stored }
}

/** A definition goes after its objects: `cleanUpDefinitions` deletes both. */
function terminateDefinition(state: KubernetesState, facts: KindFacts, definition: KubeObject, context: WriteContext): Deletion {
  if (!isCustomResourceDefinition(definition)) throw new Error(`${definition.metadata.name} was stored as a definition and is none`)
  if (definition.metadata.deletionTimestamp !== undefined) return { gone: false, object: definition }
  const deletionTimestamp = timeText(context.now)
  const terminating = {
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: deletionTimestamp,
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  }
  const marked: KubeObject = {
    ...definition,
    metadata: { ...definition.metadata, deletionTimestamp, finalizers: [...(definition.metadata.finalizers ?? []), definitionFinalizer] },
    status: { ...definition.status, conditions: [...(definition.status.conditions ?? []), terminating] },
  }
  return { gone: false, object: context.dryRun === true ? marked : storeObject(state, facts, marked) }
}

function checkPreconditions(facts: KindFacts, object: KubeObject, options: DeleteOptions): void {
  const { name, uid, resourceVersion } = object.metadata
  const ofKind = { group: facts.group, plural: facts.kind }
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`
    throw conflict(ofKind, name, why)
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`
    throw conflict(ofKind, name, why)
  }
}

function terminateNamespace(state: KubernetesState, facts: KindFacts, namespace: KubeObject, context: WriteContext): Deletion {
  if (namespace.metadata.deletionTimestamp !== undefined) return { gone: false, object: namespace }
  const marked: KubeObject = {
    ...namespace,
    metadata: { ...namespace.metadata, deletionTimestamp: timeText(context.now) },
    status: { phase: 'Terminating' },
  }
  return { gone: false, object: context.dryRun === true ? marked : storeObject(state, facts, marked) }
}

function podGraceSeconds(pod: KubeObject, wanted: number | undefined): number {
  const phase = stringAt(pod, 'status', 'phase')
  if ((stringAt(pod, 'spec', 'nodeName') ?? '') === '' || phase === 'Failed' || phase === 'Succeeded') return 0
  return wanted ?? numberAt(pod, 'spec', 'terminationGracePeriodSeconds') ?? 30
}

/** Which finalizers a deletion leaves on an object: its own, and the one that says what becomes of its dependents. */
function finalizersFor(facts: KindFacts, version: string, object: KubeObject, options: DeleteOptions): string[] {
  const present = object.metadata.finalizers ?? []
  const others = present.filter((finalizer) => finalizer !== 'orphan' && finalizer !== 'foregroundDeletion')
  const wanted = dependentsFinalizer(facts, version, present, options)
  if (wanted === undefined) return others
  return present.includes(wanted) && others.length === present.length - 1 ? [...present] : [...others, wanted]
}

function dependentsFinalizer(facts: KindFacts, version: string, present: readonly string[], options: DeleteOptions): string | undefined {
  if (options.orphanDependents !== undefined) return options.orphanDependents ? 'orphan' : undefined
  switch (options.propagation) {
    case 'Orphan':
      return 'orphan'
    case 'Foreground':
      return 'foregroundDeletion'
    case 'Background':
      return undefined
    default:
      break
  }
  if (present.includes('orphan')) return 'orphan'
  if (present.includes('foregroundDeletion')) return 'foregroundDeletion'
  const orphansByDefault = (facts.kind === 'Job' && version === 'v1') || (facts.kind === 'CronJob' && version === 'v1beta1')
  return orphansByDefault ? 'orphan' : undefined
}

/** The options of a deletion out of its body. Throws KubeFault on values that are none. */
export function deleteOptionsOf(body: JsonObject): DeleteOptions {
  const propagation = stringAt(body, 'propagationPolicy')
  const orphan = body.orphanDependents
  const grace = numberAt(body, 'gracePeriodSeconds')
  const uid = stringAt(body, 'preconditions', 'uid')
  const resourceVersion = stringAt(body, 'preconditions', 'resourceVersion')
  if (propagation !== undefined && typeof orphan === 'boolean') {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        kind: 'Invalid',
        field: 'propagationPolicy',
        value: propagation,
        detail: 'orphanDependents and deletionPropagation cannot be both set',
      },
    ])
  }
  const known = ['Foreground', 'Background', 'Orphan']
  if (propagation !== undefined && !known.includes(propagation)) {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', [
      {
        kind: 'NotSupported',
        field: 'propagationPolicy',
        value: propagation,
        detail: `supported values: ${[...known, 'nil'].map((each) => JSON.stringify(each)).join(', ')}`,
      },
    ])
  }
  return {
    ...(propagation === undefined ? {} : { propagation }),
    ...(typeof orphan === 'boolean' ? { orphanDependents: orphan } : {}),
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  }
}
