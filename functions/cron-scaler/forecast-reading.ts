import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { parseMilli, parseQuantity } from '#shared/pure/quantity.ts'
import { type Amounts, type LabelRequirement, meets, type PodShape } from './forecast-places.ts'
import type { SeenNode, SeenPod, SeenWorkload } from './forecast-view.ts'

/** What the platform puts on a node to say where it comes from. */
const groupLabel = 'cloud.tencent.com/auto-scaling-group-id'
const virtualPoolLabel = 'cloud.tencent.com/virtual-node-pool-id'

const text = z.nullish(z.string())
const amounts = z.nullish(z.record(z.string(), z.union([z.string(), z.number()])))
const Requirement = z.object({ key: z.string(), operator: z.string(), values: z.nullish(z.array(z.string())) })
const Selector = z.nullish(
  z.object({ matchLabels: z.nullish(z.record(z.string(), z.string())), matchExpressions: z.nullish(z.array(Requirement)) }),
)
const Container = z.object({ restartPolicy: text, resources: z.nullish(z.object({ requests: amounts })) })
type Container = z.infer<typeof Container>

const PodSpec = z.object({
  nodeName: text,
  nodeSelector: z.nullish(z.record(z.string(), z.string())),
  containers: z.array(Container),
  initContainers: z.nullish(z.array(Container)),
  overhead: amounts,
  tolerations: z.nullish(z.array(z.object({ key: text, operator: text, value: text, effect: text }))),
  affinity: z.nullish(
    z.object({
      nodeAffinity: z.nullish(
        z.object({
          requiredDuringSchedulingIgnoredDuringExecution: z.nullish(
            z.object({ nodeSelectorTerms: z.array(z.object({ matchExpressions: z.nullish(z.array(Requirement)) })) }),
          ),
        }),
      ),
      podAntiAffinity: z.nullish(
        z.object({
          requiredDuringSchedulingIgnoredDuringExecution: z.nullish(z.array(z.object({ topologyKey: text, labelSelector: Selector }))),
        }),
      ),
    }),
  ),
})
type PodSpec = z.infer<typeof PodSpec>

const Pod = z.object({
  metadata: z.object({
    ownerReferences: z.nullish(z.array(z.object({ kind: z.string(), controller: z.nullish(z.boolean()) }))),
  }),
  spec: PodSpec,
  status: z.nullish(z.object({ phase: text })),
})

const Workload = z.object({
  spec: z.object({
    replicas: z.nullish(z.int()),
    selector: Selector,
    template: z.object({
      metadata: z.nullish(z.object({ labels: z.nullish(z.record(z.string(), z.string())) })),
      spec: PodSpec,
    }),
  }),
})

const Node = z.object({
  spec: z.nullish(
    z.object({
      unschedulable: z.nullish(z.boolean()),
      taints: z.nullish(z.array(z.object({ key: z.string(), value: text, effect: z.string() }))),
    }),
  ),
  status: z.nullish(
    z.object({
      capacity: amounts,
      allocatable: amounts,
      conditions: z.nullish(z.array(z.object({ type: z.string(), status: z.string() }))),
    }),
  ),
})

/** A pod as a scheduler counts it; undefined when it has ended, goes, or does not look like one. */
export function readPod(object: KubeObject): SeenPod | undefined {
  const pod = z.safeParse(Pod, object).data
  const { name, namespace = '', labels = {}, annotations = {}, deletionTimestamp, creationTimestamp = '' } = object.metadata
  if (pod === undefined || deletionTimestamp !== undefined) return undefined
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)
  const node = pod.spec.nodeName ?? ''
  const createdMs = Date.parse(creationTimestamp)
  return {
    namespace,
    name,
    labels,
    ...(node === '' ? {} : { node }),
    isOfNode: owner?.kind === 'DaemonSet' || annotations['kubernetes.io/config.mirror'] !== undefined,
    createdMs: Number.isNaN(createdMs) ? 0 : createdMs,
    shape: shapeOf(pod.spec, labels),
  }
}

/** A Deployment or StatefulSet with what its pods ask for; undefined when it does not look like one. */
export function readWorkload(object: KubeObject, kind: SeenWorkload['kind']): SeenWorkload | undefined {
  const workload = z.safeParse(Workload, object).data
  if (workload === undefined) return undefined
  const { replicas, selector, template } = workload.spec
  return {
    kind,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
    replicas: replicas ?? 1,
    selector: requirementsOf(selector),
    shape: shapeOf(template.spec, template.metadata?.labels ?? {}),
  }
}

/** A Node; undefined when it does not look like one. */
export function readNode(object: KubeObject): SeenNode | undefined {
  const node = z.safeParse(Node, object).data
  if (node === undefined) return undefined
  const { name, labels = {} } = object.metadata
  const { allocatable, capacity, conditions } = node.status ?? {}
  const groupId = labels[groupLabel]
  const isReady = conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  return {
    name,
    labels,
    taints: (node.spec?.taints ?? []).map(({ key, value, effect }) => ({ key, value: value ?? '', effect })),
    isUsable: isReady && node.spec?.unschedulable !== true,
    isVirtual: labels[virtualPoolLabel] !== undefined,
    ...(groupId === undefined ? {} : { groupId }),
    cores: parseQuantity(String(capacity?.cpu ?? '0')) ?? 0,
    allocatable: { ...amountsOf(allocatable), pods: parseQuantity(String(allocatable?.pods ?? '0')) ?? 0 },
  }
}

/** What all pods of one specification have in common. `labels` are theirs. */
function shapeOf(spec: PodSpec, labels: Readonly<Record<string, string>>): PodShape {
  const { nodeSelector, tolerations, affinity } = spec
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  const apart = affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
  return {
    requests: requestsOf(spec),
    nodeSelector: nodeSelector ?? {},
    ...(terms === undefined ? {} : { terms: terms.map(({ matchExpressions }) => (matchExpressions ?? []).map(requirementOf)) }),
    tolerations: (tolerations ?? []).map(({ key, operator, value, effect }) => ({
      key: key ?? '',
      operator: operator ?? 'Equal',
      value: value ?? '',
      effect: effect ?? '',
    })),
    isApart: apart.some(({ topologyKey, labelSelector }) => {
      const requirements = requirementsOf(labelSelector)
      return topologyKey === 'kubernetes.io/hostname' && requirements.length > 0 && requirements.every((one) => meets(one, labels))
    }),
  }
}

/**
 * What the scheduler counts: all containers with those that run beside them from the start, or the largest that runs before them with
 * the ones beside it; and what the runtime takes.
 */
function requestsOf({ containers, initContainers, overhead }: PodSpec): Amounts {
  const own = containers.map(requestOf).reduce(sumOf, nothing)
  let beside = nothing
  let before = nothing
  for (const container of initContainers ?? []) {
    const one = requestOf(container)
    if (container.restartPolicy === 'Always') beside = sumOf(beside, one)
    else before = mostOf(before, sumOf(beside, one))
  }
  return sumOf(mostOf(sumOf(own, beside), before), amountsOf(overhead))
}

const nothing: Amounts = { cpuMilli: 0, memoryBytes: 0 }

function sumOf(one: Amounts, other: Amounts): Amounts {
  return { cpuMilli: one.cpuMilli + other.cpuMilli, memoryBytes: one.memoryBytes + other.memoryBytes }
}

function mostOf(one: Amounts, other: Amounts): Amounts {
  return { cpuMilli: Math.max(one.cpuMilli, other.cpuMilli), memoryBytes: Math.max(one.memoryBytes, other.memoryBytes) }
}

function requestOf({ resources }: Container): Amounts {
  return amountsOf(resources?.requests)
}

function amountsOf(written: z.infer<typeof amounts>): Amounts {
  const { cpu = '0', memory = '0' } = written ?? {}
  return { cpuMilli: parseMilli(String(cpu)) ?? 0, memoryBytes: parseQuantity(String(memory)) ?? 0 }
}

function requirementsOf(selector: z.infer<typeof Selector>): readonly LabelRequirement[] {
  return [
    ...Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({ key, operator: 'In', values: [value] })),
    ...(selector?.matchExpressions ?? []).map(requirementOf),
  ]
}

function requirementOf({ key, operator, values }: z.infer<typeof Requirement>): LabelRequirement {
  return { key, operator, values: values ?? [] }
}

/** It looks every few seconds: one that has said nothing for so long does not run. */
const silentMs = 15 * 60_000

const updatedAnnotation = 'cluster-autoscaler.kubernetes.io/last-updated'

/**
 * How far the cluster autoscaler enlarges each scaling group, as it last said in its ConfigMap, in its old form for people and in the
 * newer one in YAML. A group without bounds is left out; all of them are when it has said nothing for a quarter of an hour.
 */
export function readGroupMaxima(status: string, annotations: Readonly<Record<string, string>>, now: number): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  const saidMs = timeOf(annotations[updatedAnnotation] ?? '')
  if (saidMs !== undefined && now - saidMs > silentMs) return found
  // A group begins with its name; the cluster as a whole, which comes first, has none.
  for (const part of status.split(/^\s*(?:-\s*)?name:\s*/im).slice(1)) {
    const name = /^"?([^\s"]+)/.exec(part)?.[1]
    const most = /\bmaxSize\s*[=:]\s*(\d{1,9})\b/.exec(part)?.[1]
    if (name !== undefined && most !== undefined) found.set(name, Number(most))
  }
  return found
}

/** `2026-11-24T10:00:00Z`, or as Go prints it: `2026-11-24 10:00:00.123456789 +0000 UTC`. */
function timeOf(written: string): number | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(?:Z|([+-]\d\d):?(\d\d))/.exec(written.trim())
  if (parts === null) return undefined
  const [, date, time, hours = '+00', minutes = '00'] = parts
  const ms = Date.parse(`${date}T${time}${hours}:${minutes}`)
  return Number.isNaN(ms) ? undefined : ms
}
