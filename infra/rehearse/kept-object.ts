import { byText, isJsonObject, type Json, type JsonObject, listAt, objectAt, sameJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { isSwitchMap, type SwitchPlace } from './switch-place.ts'

/** On a pod template that differs from others of its workload only in what is left out: which of them it is. */
export const variantAnnotation = 'longshore.dev/snapshot-variant'

const ownPrefix = 'longshore.dev/'

/** What people and machines say with an annotation that the functions or Kubernetes itself go by. All others are left out. */
const keptAnnotations: ReadonlySet<string> = new Set([
  'deployment.kubernetes.io/revision',
  'deprecated.daemonset.template.generation',
  'kubernetes.io/config.mirror',
  'cluster-autoscaler.kubernetes.io/safe-to-evict',
  'cluster-autoscaler.kubernetes.io/scale-down-disabled',
  'cluster-autoscaler.kubernetes.io/last-updated',
  'karpenter.sh/do-not-disrupt',
  'kubectl.kubernetes.io/restartedAt',
])

const keptMetadata = ['name', 'generateName', 'namespace', 'uid', 'creationTimestamp', 'generation', 'labels', 'ownerReferences'] as const
const keptOfSpec = [
  'affinity',
  'hostNetwork',
  'nodeName',
  'nodeSelector',
  'overhead',
  'priority',
  'priorityClassName',
  'restartPolicy',
  'schedulerName',
  'serviceAccountName',
  'terminationGracePeriodSeconds',
  'tolerations',
  'topologySpreadConstraints',
] as const
const keptOfContainer = ['name', 'image', 'imagePullPolicy', 'resources'] as const
const containerLists = ['containers', 'initContainers'] as const
const keptOfStatus = ['phase', 'startTime', 'qosClass'] as const
const statusLists = ['containerStatuses', 'initContainerStatuses'] as const
const keptOfContainerStatus = ['name', 'image', 'imageID', 'ready', 'restartCount', 'started'] as const

/** Stands for the name of a secret: that there is one decides something, which one does not. */
const unnamed = 'left-out'

/** JSON of whatever came, with its keys in order and nothing that is null; numbers beyond 2^53 as near as JSON has them. */
export function plainJson(value: unknown): Json {
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.map(plainJson)
  if (typeof value !== 'object' || value === null) return null
  const plain: JsonObject = {}
  for (const [key, item] of Object.entries(value).toSorted(([one], [other]) => byText(one, other))) {
    if (item !== null && item !== undefined && key !== '__proto__') plain[key] = plainJson(item)
  }
  return plain
}

function picked(value: JsonObject | undefined, names: readonly string[]): JsonObject {
  const kept: JsonObject = {}
  for (const name of names) {
    const item = value !== undefined && Object.hasOwn(value, name) ? value[name] : undefined
    if (item !== undefined) kept[name] = item
  }
  return kept
}

function metadataOf(object: JsonObject): JsonObject {
  const metadata = objectAt(object, 'metadata')
  const annotations = annotationsOf(metadata)
  return { ...picked(metadata, keptMetadata), ...(Object.keys(annotations).length === 0 ? {} : { annotations }) }
}

function annotationsOf(metadata: JsonObject | undefined): JsonObject {
  const all = objectAt(metadata, 'annotations') ?? {}
  return picked(
    all,
    Object.keys(all).filter((name) => name.startsWith(ownPrefix) || keptAnnotations.has(name)),
  )
}

/** Of a pod's spec where it may run, what it asks for and which images it takes: no command, no environment, no volume. */
function podSpecOf(spec: JsonObject | undefined): JsonObject {
  const kept = picked(spec, keptOfSpec)
  for (const name of containerLists) {
    const containers = listAt(spec, name).filter(isJsonObject)
    if (containers.length > 0) kept[name] = containers.map((one) => picked(one, keptOfContainer))
  }
  if (listAt(spec, 'imagePullSecrets').length > 0) kept.imagePullSecrets = [{ name: unnamed }]
  return kept
}

function podStatusOf(status: JsonObject | undefined): JsonObject {
  const kept = picked(status, keptOfStatus)
  const conditions = listAt(status, 'conditions').filter(isJsonObject)
  if (conditions.length > 0) kept.conditions = conditions.map((one) => picked(one, ['type', 'status', 'reason', 'lastTransitionTime']))
  for (const name of statusLists) {
    const statuses = listAt(status, name).filter(isJsonObject)
    if (statuses.length === 0) continue
    kept[name] = statuses.map((one) => {
      const state: JsonObject = {}
      for (const how of ['waiting', 'running', 'terminated'] as const) {
        const found = objectAt(one, 'state', how)
        if (found !== undefined) state[how] = picked(found, ['reason', 'exitCode', 'startedAt', 'finishedAt'])
      }
      return { ...picked(one, keptOfContainerStatus), ...(Object.keys(state).length === 0 ? {} : { state }) }
    })
  }
  return kept
}

function nodeOf(object: JsonObject): JsonObject {
  const [spec, status] = [objectAt(object, 'spec'), objectAt(object, 'status')]
  const conditions = listAt(status, 'conditions').filter(isJsonObject)
  const info = objectAt(status, 'nodeInfo') ?? {}
  return {
    spec: picked(spec, ['providerID', 'taints', 'unschedulable']),
    status: {
      ...picked(status, ['capacity', 'allocatable', 'addresses']),
      conditions: conditions.map((one) => picked(one, ['type', 'status', 'reason', 'lastTransitionTime', 'lastHeartbeatTime'])),
      nodeInfo: { ...info, machineID: '', systemUUID: '', bootID: '' },
    },
  }
}

/** A pod template without what is left out. */
export type TemplateOf = (template: JsonObject | undefined) => JsonObject

/**
 * Tells templates apart that are the same but for what is left out. Two ReplicaSets of one Deployment that differ in an environment
 * variable must stay two: the first such template of a workload stays as it is, the others are numbered.
 */
export class Variants {
  readonly #seen = new Map<string, { readonly kept: JsonObject; readonly raw: JsonObject[] }[]>()

  of(owner: string): TemplateOf {
    const families = this.#seen.get(owner) ?? []
    this.#seen.set(owner, families)
    return (template) => {
      const raw = withoutHash(template ?? {})
      const kept = templateOf(template)
      const comparable = withoutHash(kept)
      const family = families.find((one) => sameJson(one.kept, comparable)) ?? { kept: comparable, raw: [] }
      if (family.raw.length === 0) families.push(family)
      const known = family.raw.findIndex((one) => sameJson(one, raw))
      const index = known === -1 ? family.raw.push(raw) - 1 : known
      return index === 0 ? kept : marked(kept, index + 1)
    }
  }
}

function templateOf(template: JsonObject | undefined): JsonObject {
  const metadata = objectAt(template, 'metadata')
  const annotations = annotationsOf(metadata)
  return {
    metadata: { ...picked(metadata, ['labels']), ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: podSpecOf(objectAt(template, 'spec')),
  }
}

function marked(template: JsonObject, number: number): JsonObject {
  const metadata = objectAt(template, 'metadata') ?? {}
  return {
    ...template,
    metadata: { ...metadata, annotations: { ...objectAt(metadata, 'annotations'), [variantAnnotation]: String(number) } },
  }
}

/** Without the label by which ReplicaSets are told apart, and without the word that makes a template a patch. */
function withoutHash(template: JsonObject): JsonObject {
  const { $patch: _patch, ...rest } = template
  const metadata = objectAt(rest, 'metadata')
  const labels = objectAt(metadata, 'labels')
  if (metadata === undefined || labels === undefined) return rest
  const { 'pod-template-hash': _hash, ...others } = labels
  return { ...rest, metadata: { ...metadata, labels: others } }
}

const keptOfSpecs: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['replicas', 'selector', 'strategy', 'minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds', 'paused'],
  ReplicaSet: ['replicas', 'selector', 'minReadySeconds'],
  StatefulSet: ['replicas', 'selector', 'updateStrategy', 'podManagementPolicy', 'revisionHistoryLimit', 'serviceName'],
  DaemonSet: ['selector', 'updateStrategy', 'minReadySeconds', 'revisionHistoryLimit'],
  Job: [
    'parallelism',
    'completions',
    'backoffLimit',
    'activeDeadlineSeconds',
    'ttlSecondsAfterFinished',
    'suspend',
    'selector',
    'manualSelector',
  ],
  CronJob: ['schedule', 'suspend', 'concurrencyPolicy', 'startingDeadlineSeconds', 'successfulJobsHistoryLimit', 'failedJobsHistoryLimit'],
}

/** Of the status of workloads, autoscalers and budgets the figures; of a condition its messages are left out, for they quote whatever went wrong. */
const keptOfStatuses = [
  'observedGeneration',
  'replicas',
  'readyReplicas',
  'availableReplicas',
  'unavailableReplicas',
  'updatedReplicas',
  'fullyLabeledReplicas',
  'terminatingReplicas',
  'currentReplicas',
  'desiredReplicas',
  'currentRevision',
  'updateRevision',
  'collisionCount',
  'currentNumberScheduled',
  'desiredNumberScheduled',
  'numberAvailable',
  'numberMisscheduled',
  'numberReady',
  'numberUnavailable',
  'updatedNumberScheduled',
  'active',
  'succeeded',
  'failed',
  'ready',
  'startTime',
  'completionTime',
  'lastScaleTime',
  'lastScheduleTime',
  'lastSuccessfulTime',
  'currentHealthy',
  'desiredHealthy',
  'disruptionsAllowed',
  'expectedPods',
] as const
const keptOfCondition = ['type', 'status', 'reason', 'lastTransitionTime', 'lastUpdateTime', 'lastProbeTime', 'observedGeneration'] as const

function statusOf(status: JsonObject): JsonObject {
  const conditions = listAt(status, 'conditions').filter(isJsonObject)
  const kept = picked(status, keptOfStatuses)
  return conditions.length === 0 ? kept : { ...kept, conditions: conditions.map((one) => picked(one, keptOfCondition)) }
}

/** What is asked for besides the object itself. */
export interface KeepOptions {
  readonly variants: Variants
  /** The ConfigMap that is the kill switch, where it is one of this cluster. */
  readonly killSwitch?: SwitchPlace | undefined
}

/**
 * What of an object is kept: what the functions decide by. Undefined for one of which nothing is: a Secret, a ConfigMap that is none
 * of ours, an object that is being deleted. What is not listed in this file is left out.
 */
export function keptObject(object: JsonObject, options: KeepOptions): JsonObject | undefined {
  if (objectAt(object, 'metadata')?.deletionTimestamp !== undefined) return undefined
  const kind = stringAt(object, 'kind') ?? ''
  const rest = partsOf(object, kind, options)
  return rest === undefined ? undefined : { apiVersion: stringAt(object, 'apiVersion') ?? '', kind, metadata: metadataOf(object), ...rest }
}

function partsOf(object: JsonObject, kind: string, options: KeepOptions): JsonObject | undefined {
  const [spec, status] = [objectAt(object, 'spec'), objectAt(object, 'status')]
  const withStatus = (parts: JsonObject): JsonObject => (status === undefined ? parts : { ...parts, status: statusOf(status) })
  switch (kind) {
    case 'Namespace':
      return {}
    case 'Node':
      return nodeOf(object)
    case 'Pod':
      return { spec: podSpecOf(spec), status: podStatusOf(status) }
    case 'Deployment':
    case 'ReplicaSet':
    case 'StatefulSet':
    case 'DaemonSet':
    case 'Job': {
      const template = options.variants.of(familyOf(object))
      return withStatus({ spec: { ...picked(spec, keptOfSpecs[kind] ?? []), template: template(objectAt(spec, 'template')) } })
    }
    case 'CronJob': {
      const job = objectAt(spec, 'jobTemplate', 'spec')
      const template = options.variants.of(familyOf(object))(objectAt(job, 'template'))
      return withStatus({
        spec: { ...picked(spec, keptOfSpecs.CronJob ?? []), jobTemplate: { spec: { ...picked(job, keptOfSpecs.Job ?? []), template } } },
      })
    }
    case 'ControllerRevision': {
      const template = objectAt(object, 'data', 'spec', 'template')
      if (template === undefined) return undefined
      const kept = { ...options.variants.of(familyOf(object))(template), $patch: 'replace' }
      return { ...picked(object, ['revision']), data: { spec: { template: kept } } }
    }
    case 'HorizontalPodAutoscaler':
    case 'PodDisruptionBudget':
      return withStatus(spec === undefined ? {} : { spec })
    case 'ServiceAccount': {
      const count = listAt(object, 'imagePullSecrets').length
      return count === 0 ? {} : { imagePullSecrets: [{ name: unnamed }] }
    }
    case 'ConfigMap':
      return configMapOf(object, options.killSwitch)
    default:
      return undefined
  }
}

/** A workload and what it was before are one family: its own uid, or that of whoever controls it. */
function familyOf(object: JsonObject): string {
  const owners = listAt(object, 'metadata', 'ownerReferences').filter(isJsonObject)
  const controller = owners.find((owner) => owner.controller === true)
  return stringAt(controller, 'uid') ?? stringAt(object, 'metadata', 'uid') ?? ''
}

/** Leases of our own, the sign of life of the cluster autoscaler, and the key of the kill switch. */
function configMapOf(object: JsonObject, killSwitch: SwitchPlace | undefined): JsonObject | undefined {
  const [namespace, name] = [stringAt(object, 'metadata', 'namespace') ?? '', stringAt(object, 'metadata', 'name') ?? '']
  const data = objectAt(object, 'data')
  if (objectAt(object, 'metadata', 'labels')?.['longshore.dev/leases'] === 'true') return { data: picked(data, ['pool.json']) }
  if (namespace === 'kube-system' && name === 'cluster-autoscaler-status') return { data: picked(data, ['status']) }
  return killSwitch !== undefined && isSwitchMap(killSwitch, namespace, name) ? { data: picked(data, [killSwitch.key]) } : undefined
}
