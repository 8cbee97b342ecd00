import { isCustomKind, servedCustomVersion } from './custom-kinds.ts'
import { decodeStructure, ShapeFault } from './decode.ts'
import type { JsonObject } from './json.ts'
import { numberAt, objectAt, stringAt, withAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { badRequest, internalError, invalid, staleWrite } from './kube-fault.ts'
import type { WriteContext } from './registry.ts'
import { anotherUid, unreadablePatch, updateObject } from './registry.ts'
import type { KubeObject, LabelSelector } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { selectorOf } from './validate-pods.ts'

/** Where a kind keeps its size. */
interface ScalePaths {
  readonly spec: readonly string[]
  readonly status: readonly string[]
  readonly selector: readonly string[] | undefined
}

const builtInPaths: ScalePaths = { spec: ['spec', 'replicas'], status: ['status', 'replicas'], selector: undefined }

/** The paths of a kind's scale subresource; undefined when the version has none. */
function pathsOf(facts: KindFacts, version: string): ScalePaths | undefined {
  if (!isCustomKind(facts)) return facts.scale ? builtInPaths : undefined
  const scale = servedCustomVersion(facts, version)?.subresources?.scale
  if (scale === undefined) return undefined
  const keys = (path: string): string[] => path.split('.').filter((key) => key !== '')
  return {
    spec: keys(scale.specReplicasPath),
    status: keys(scale.statusReplicasPath),
    selector: scale.labelSelectorPath === undefined ? undefined : keys(scale.labelSelectorPath),
  }
}

/** Whether a kind has a scale subresource in this version. */
export function hasScale(facts: KindFacts, version: string): boolean {
  return pathsOf(facts, version) !== undefined
}

/**
 * The Scale object of something that can be scaled. Throws KubeFault when a custom object has no size at all, unless it is
 * the base of a patch, which may give it one.
 */
export function scaleOf(facts: KindFacts, version: string, object: KubeObject, isBase = false): JsonObject {
  const paths = pathsOf(facts, version) ?? builtInPaths
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const replicas = numberAt(object, ...paths.spec)
  if (replicas === undefined && isCustomKind(facts) && !isBase) {
    throw internalError(`the spec replicas field ${JSON.stringify(`.${paths.spec.join('.')}`)} does not exist`)
  }
  const selector =
    paths.selector === undefined
      ? selectorText(selectorOf(objectAt(object, 'spec', 'selector')))
      : (stringAt(object, ...paths.selector) ?? '')
  const shown = isCustomKind(facts) && paths.selector === undefined ? '' : selector
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), uid, resourceVersion, creationTimestamp },
    spec: replicas === undefined || replicas === 0 ? {} : { replicas },
    status: { replicas: numberAt(object, ...paths.status) ?? 0, ...(shown === '' ? {} : { selector: shown }) },
  }
}

/** Sets the size through a Scale object, and answers the new Scale. Throws KubeFault: stale, below zero, the wrong object. */
export function writeScale(
  state: KubernetesState,
  facts: KindFacts,
  version: string,
  object: KubeObject,
  body: JsonObject,
  context: WriteContext,
  isPatch = false,
): JsonObject {
  const paths = pathsOf(facts, version) ?? builtInPaths
  const scale = decodeScale(facts, body, isPatch)
  const name = stringAt(scale, 'metadata', 'name') ?? ''
  if (name !== '' && name !== object.metadata.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${object.metadata.name})`)
  }
  const uid = stringAt(scale, 'metadata', 'uid') ?? ''
  if (uid !== '' && uid !== object.metadata.uid) throw anotherUid(facts, object, uid)
  const replicas = numberAt(scale, 'spec', 'replicas') ?? 0
  if (replicas < 0 && !isCustomKind(facts)) {
    throw invalid({ group: 'autoscaling', kind: 'Scale' }, object.metadata.name, [
      { kind: 'Invalid', field: 'spec.replicas', value: replicas, detail: 'must be greater than or equal to 0' },
    ])
  }
  const wanted = stringAt(scale, 'metadata', 'resourceVersion') ?? ''
  if (wanted !== '' && wanted !== object.metadata.resourceVersion) throw staleWrite(facts, object.metadata.name)
  const changed = withAt(structuredClone(object), paths.spec, replicas)
  return scaleOf(facts, version, updateObject(state, facts, changed, object, 'object', context))
}

/** Reads a Scale object. Throws KubeFault when a value has the wrong type. */
function decodeScale(facts: KindFacts, body: JsonObject, isPatch: boolean): JsonObject {
  try {
    return decodeStructure('autoscaling/v1.Scale', body)
  } catch (error) {
    if (!(error instanceof ShapeFault)) throw error
    if (isPatch) throw unreadablePatch(facts, body, error.message)
    throw badRequest(`Scale in version "v1" cannot be handled as a Scale: ${error.message}`)
  }
}

/** The text form of a selector, as a Scale carries it. */
function selectorText(selector: LabelSelector | undefined): string {
  if (selector === undefined) return ''
  const terms = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({ key, text: `${key}=${value}` })),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => ({ key, text: expressionText(key, operator, values) })),
  ]
  return terms
    .sort((left, right) => (left.key < right.key ? -1 : left.key > right.key ? 1 : 0))
    .map(({ text }) => text)
    .join(',')
}

function expressionText(key: string, operator: string, values: readonly string[]): string {
  const list = [...values].sort().join(',')
  switch (operator) {
    case 'In':
      return `${key} in (${list})`
    case 'NotIn':
      return `${key} notin (${list})`
    case 'DoesNotExist':
      return `!${key}`
    default:
      return key
  }
}
