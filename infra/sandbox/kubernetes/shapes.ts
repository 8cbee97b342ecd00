import type { JsonObject } from './json.ts'

/**
 * The objects as the state holds them. Every object enters through `decode.ts`, which gives it the shape of its kind and
 * drops everything else, so asking for the kind (`isPod`) is enough to know the shape. This file is the one place that
 * says so; only fields that the sandbox itself reads are named, the others are ordinary JSON.
 */
export interface KubeObject extends JsonObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

export type StringMap = { [key: string]: string }

export type OwnerReference = {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** Times are RFC 3339 text with whole seconds, as on the wire. */
export type ObjectMeta = {
  name: string
  generateName?: string
  namespace?: string
  uid: string
  resourceVersion: string
  generation?: number
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: StringMap
  annotations?: StringMap
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
}

/** The metadata of a template: names nothing that exists. */
export type TemplateMeta = {
  name?: string
  labels?: StringMap
  annotations?: StringMap
  creationTimestamp: string | null
}

export type SelectorRequirement = { key: string; operator: string; values?: string[] }

export type LabelSelector = { matchLabels?: StringMap; matchExpressions?: SelectorRequirement[] }

export type IntOrString = number | string

export type Condition = {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string | null
  lastUpdateTime?: string | null
  lastProbeTime?: string | null
  lastHeartbeatTime?: string | null
}

export type ResourceList = { [resource: string]: string }

export type Probe = JsonObject & { initialDelaySeconds?: number }

export type Container = JsonObject & {
  name: string
  image?: string
  resources: { requests?: ResourceList; limits?: ResourceList }
  readinessProbe?: Probe
}

export type Toleration = { key?: string; operator?: string; value?: string; effect?: string; tolerationSeconds?: number }

export type Taint = { key: string; value?: string; effect: string; timeAdded?: string }

export type PodSpec = JsonObject & {
  containers: Container[]
  initContainers?: Container[]
  nodeName?: string
  nodeSelector?: StringMap
  tolerations?: Toleration[]
  restartPolicy?: string
  terminationGracePeriodSeconds?: number
}

export type PodTemplate = { metadata: TemplateMeta; spec: PodSpec }

export type ContainerState = {
  waiting?: { reason?: string; message?: string }
  running?: { startedAt: string | null }
  terminated?: { exitCode: number; reason?: string; startedAt: string | null; finishedAt: string | null }
}

export type ContainerStatus = {
  name: string
  state: ContainerState
  lastState: ContainerState
  ready: boolean
  restartCount: number
  image: string
  imageID: string
  containerID?: string
  started?: boolean
}

export type PodStatus = {
  phase?: string
  conditions?: Condition[]
  message?: string
  reason?: string
  hostIP?: string
  podIP?: string
  podIPs?: { ip?: string }[]
  startTime?: string
  /** Only while one of them has not run yet. */
  initContainerStatuses?: ContainerStatus[]
  containerStatuses?: ContainerStatus[]
  qosClass?: string
}

export interface Pod extends KubeObject {
  spec: PodSpec
  status: PodStatus
}

export interface Node extends KubeObject {
  spec: { podCIDR?: string; providerID?: string; unschedulable?: boolean; taints?: Taint[] }
  status: JsonObject & {
    capacity?: ResourceList
    allocatable?: ResourceList
    conditions?: Condition[]
    addresses?: { type: string; address: string }[]
  }
}

export type DeploymentSpec = {
  replicas: number
  selector: LabelSelector
  template: PodTemplate
  strategy: { type: string; rollingUpdate?: { maxUnavailable?: IntOrString; maxSurge?: IntOrString } }
  minReadySeconds?: number
  revisionHistoryLimit: number
  paused?: boolean
  progressDeadlineSeconds: number
}

export type DeploymentStatus = {
  observedGeneration?: number
  replicas?: number
  updatedReplicas?: number
  readyReplicas?: number
  availableReplicas?: number
  unavailableReplicas?: number
  conditions?: Condition[]
  collisionCount?: number
}

export interface Deployment extends KubeObject {
  spec: DeploymentSpec
  status: DeploymentStatus
}

export interface ReplicaSet extends KubeObject {
  spec: { replicas: number; minReadySeconds?: number; selector: LabelSelector; template: PodTemplate }
  status: {
    replicas: number
    fullyLabeledReplicas?: number
    readyReplicas?: number
    availableReplicas?: number
    observedGeneration?: number
    conditions?: Condition[]
  }
}

export interface StatefulSet extends KubeObject {
  spec: {
    replicas: number
    selector: LabelSelector
    template: PodTemplate
    serviceName: string
    podManagementPolicy: string
    updateStrategy: { type: string; rollingUpdate?: { partition?: number } }
    revisionHistoryLimit: number
    volumeClaimTemplates?: JsonObject[]
  }
  status: {
    observedGeneration?: number
    replicas: number
    readyReplicas?: number
    currentReplicas?: number
    updatedReplicas?: number
    currentRevision?: string
    updateRevision?: string
    collisionCount?: number
    conditions?: Condition[]
  }
}

export interface DaemonSet extends KubeObject {
  spec: {
    selector: LabelSelector
    template: PodTemplate
    updateStrategy: { type: string; rollingUpdate?: { maxUnavailable?: IntOrString } }
    minReadySeconds?: number
    revisionHistoryLimit: number
  }
  status: {
    currentNumberScheduled: number
    numberMisscheduled: number
    desiredNumberScheduled: number
    numberReady: number
    observedGeneration?: number
    updatedNumberScheduled?: number
    numberAvailable?: number
    numberUnavailable?: number
    collisionCount?: number
  }
}

export interface ControllerRevision extends KubeObject {
  data: JsonObject
  revision: number
}

export interface Job extends KubeObject {
  spec: {
    parallelism: number
    completions?: number
    activeDeadlineSeconds?: number
    backoffLimit: number
    selector: LabelSelector
    template: PodTemplate
    ttlSecondsAfterFinished?: number
    suspend?: boolean
  }
  status: {
    conditions?: Condition[]
    startTime?: string
    completionTime?: string
    active?: number
    succeeded?: number
    failed?: number
  }
}

export interface CronJob extends KubeObject {
  spec: {
    schedule: string
    startingDeadlineSeconds?: number
    concurrencyPolicy: string
    suspend: boolean
    jobTemplate: { metadata: TemplateMeta; spec: JsonObject }
    successfulJobsHistoryLimit?: number
    failedJobsHistoryLimit?: number
  }
  status: {
    active?: { apiVersion?: string; kind?: string; namespace?: string; name?: string; uid?: string; resourceVersion?: string }[]
    lastScheduleTime?: string
  }
}

/** Kept in the shape of autoscaling/v2beta2 (which v2 shares), whatever version it was written in. */
export interface Autoscaler extends KubeObject {
  spec: {
    scaleTargetRef: { kind: string; name: string; apiVersion?: string }
    minReplicas: number
    maxReplicas: number
    metrics?: JsonObject[]
    behavior?: JsonObject
  }
  status: {
    observedGeneration?: number
    lastScaleTime?: string
    currentReplicas: number
    desiredReplicas: number
    currentMetrics: JsonObject[] | null
    conditions: Condition[] | null
  }
}

export interface DisruptionBudget extends KubeObject {
  spec: { minAvailable?: IntOrString; selector?: LabelSelector; maxUnavailable?: IntOrString }
  status: {
    observedGeneration?: number
    disruptedPods?: StringMap
    disruptionsAllowed: number
    currentHealthy: number
    desiredHealthy: number
    expectedPods: number
    conditions?: Condition[]
  }
}

export interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string
    names: { plural: string; singular?: string; shortNames?: string[]; kind: string; listKind?: string; categories?: string[] }
    scope: string
    versions: CustomResourceVersion[]
    conversion?: { strategy: string }
    preserveUnknownFields?: boolean
  }
  status: { conditions: Condition[] | null; acceptedNames: JsonObject; storedVersions: string[] | null }
}

export type CustomResourceVersion = {
  name: string
  served: boolean
  storage: boolean
  schema?: { openAPIV3Schema?: JsonObject }
  subresources?: {
    status?: JsonObject
    scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath?: string }
  }
}

export function isPod(object: KubeObject | undefined): object is Pod {
  return object?.kind === 'Pod' && object.apiVersion === 'v1'
}

export function isNode(object: KubeObject | undefined): object is Node {
  return object?.kind === 'Node' && object.apiVersion === 'v1'
}

export function isDeployment(object: KubeObject | undefined): object is Deployment {
  return object?.kind === 'Deployment' && object.apiVersion.startsWith('apps/')
}

export function isReplicaSet(object: KubeObject | undefined): object is ReplicaSet {
  return object?.kind === 'ReplicaSet' && object.apiVersion.startsWith('apps/')
}

export function isStatefulSet(object: KubeObject | undefined): object is StatefulSet {
  return object?.kind === 'StatefulSet' && object.apiVersion.startsWith('apps/')
}

export function isDaemonSet(object: KubeObject | undefined): object is DaemonSet {
  return object?.kind === 'DaemonSet' && object.apiVersion.startsWith('apps/')
}

export function isControllerRevision(object: KubeObject | undefined): object is ControllerRevision {
  return object?.kind === 'ControllerRevision' && object.apiVersion.startsWith('apps/')
}

export function isJob(object: KubeObject | undefined): object is Job {
  return object?.kind === 'Job' && object.apiVersion.startsWith('batch/')
}

export function isCronJob(object: KubeObject | undefined): object is CronJob {
  return object?.kind === 'CronJob' && object.apiVersion.startsWith('batch/')
}

export function isAutoscaler(object: KubeObject | undefined): object is Autoscaler {
  return object?.kind === 'HorizontalPodAutoscaler' && object.apiVersion === 'autoscaling/v2beta2'
}

export function isDisruptionBudget(object: KubeObject | undefined): object is DisruptionBudget {
  return object?.kind === 'PodDisruptionBudget' && object.apiVersion.startsWith('policy/')
}

export function isCustomResourceDefinition(object: KubeObject | undefined): object is CustomResourceDefinition {
  return object?.kind === 'CustomResourceDefinition' && object.apiVersion.startsWith('apiextensions.k8s.io/')
}

/** Whether JSON has what every stored object has. The rest of its shape is the business of `decode.ts`. */
export function isKubeObject(value: JsonObject): value is KubeObject {
  const metadata = value.metadata
  return (
    typeof value.apiVersion === 'string' &&
    typeof value.kind === 'string' &&
    typeof metadata === 'object' &&
    metadata !== null &&
    !Array.isArray(metadata) &&
    ['name', 'uid', 'resourceVersion', 'creationTimestamp'].every((key) => typeof metadata[key] === 'string')
  )
}
