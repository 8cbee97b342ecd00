import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { parseMilli, parseQuantity } from '#shared/pure/quantity.ts'
import { hasLabels, LabelRequirement, meets } from './label-match.ts'
import { extrasOf, type NodeTaint } from './node-reading.ts'
import type { Resources } from './view.ts'

/** A pod that has not ended, as far as somebody decides by it. */
export interface ReadPod {
  readonly namespace: string
  readonly name: string
  readonly uid?: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly nodeName?: string | undefined
  /** It stays with its node: of a DaemonSet, or of the kubelet itself. */
  readonly isOfNode: boolean
  /** Nobody makes it again elsewhere, or its owner says that it must not be moved: it is never asked to go. */
  readonly isStuck: boolean
  /** Who makes it again; empty when nobody does. */
  readonly owner: string
  readonly isLeaving: boolean
  readonly isReady: boolean
  /** The scheduler has looked for a place and found none. */
  readonly hasNoPlace: boolean
  /** When the scheduler first found none, or else when it was made. */
  readonly waitsSinceMs?: number | undefined
  readonly requests: Resources
  /** What else it asks for, by its name. */
  readonly extras: Readonly<Record<string, number>>
  readonly wants: Wants
  /** It also minds which pods are on a node: two nodes that are alike may not be the same to it. */
  readonly isPicky: boolean
}

/** For people. */
export const whyStuck = 'nobody makes it again elsewhere, or it says that it must not be moved'

/** By which an owner says so, to one of the autoscalers. */
const keepAnnotations = { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false', 'karpenter.sh/do-not-disrupt': 'true' }

/** Where a pod may go. */
interface Wants {
  readonly nodeSelector: Readonly<Record<string, string>>
  /** Any of the terms has to fit; absent when there are none. */
  readonly terms?: readonly (readonly LabelRequirement[])[] | undefined
  readonly tolerations: readonly Toleration[]
}

const Toleration = z.object({
  key: z.optional(z.nullable(z.string())),
  operator: z.optional(z.nullable(z.string())),
  value: z.optional(z.nullable(z.string())),
  effect: z.optional(z.nullable(z.string())),
})
type Toleration = z.infer<typeof Toleration>

const Container = z.object({
  resources: z.optional(z.nullable(z.object({ requests: z.optional(z.nullable(z.record(z.string(), z.string()))) }))),
  ports: z.optional(z.nullable(z.array(z.object({ hostPort: z.optional(z.nullable(z.number())) })))),
})
type Container = z.infer<typeof Container>

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.optional(z.nullable(z.string())),
  lastTransitionTime: z.optional(z.nullable(z.string())),
})
type Condition = z.infer<typeof Condition>

const Pod = z.object({
  metadata: z.object({
    ownerReferences: z.optional(
      z.nullable(z.array(z.object({ kind: z.string(), name: z.optional(z.string()), controller: z.optional(z.nullable(z.boolean())) }))),
    ),
  }),
  spec: z.object({
    nodeName: z.optional(z.nullable(z.string())),
    nodeSelector: z.optional(z.nullable(z.record(z.string(), z.string()))),
    containers: z.array(Container),
    initContainers: z.optional(z.nullable(z.array(Container))),
    overhead: z.optional(z.nullable(z.record(z.string(), z.string()))),
    tolerations: z.optional(z.nullable(z.array(Toleration))),
    topologySpreadConstraints: z.optional(z.nullable(z.array(z.unknown()))),
    affinity: z.optional(
      z.nullable(
        z.object({
          podAffinity: z.optional(z.unknown()),
          podAntiAffinity: z.optional(z.unknown()),
          nodeAffinity: z.optional(
            z.nullable(
              z.object({
                requiredDuringSchedulingIgnoredDuringExecution: z.optional(
                  z.nullable(
                    z.object({
                      nodeSelectorTerms: z.array(z.object({ matchExpressions: z.optional(z.nullable(z.array(LabelRequirement))) })),
                    }),
                  ),
                ),
              }),
            ),
          ),
        }),
      ),
    ),
  }),
  status: z.optional(
    z.nullable(
      z.object({
        phase: z.optional(z.nullable(z.string())),
        conditions: z.optional(z.nullable(z.array(Condition))),
      }),
    ),
  ),
})

/** Reads a pod; undefined when it has ended, or does not look like one. */
export function readPod(object: KubeObject): ReadPod | undefined {
  const pod = z.safeParse(Pod, object).data
  if (pod === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined
  const { name, namespace = '', uid, labels = {}, annotations = {}, deletionTimestamp, creationTimestamp } = object.metadata
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)
  const isOfNode = owner?.kind === 'DaemonSet' || annotations['kubernetes.io/config.mirror'] !== undefined
  const conditions = pod.status?.conditions ?? []
  const nodeName = pod.spec.nodeName ?? ''
  const isLeaving = deletionTimestamp !== undefined
  const refusal = conditions.find(isRefusal)
  const waitsSinceMs = Date.parse(refusal?.lastTransitionTime ?? creationTimestamp ?? '')
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return {
    namespace,
    name,
    uid,
    labels,
    nodeName: nodeName === '' ? undefined : nodeName,
    isOfNode,
    isStuck: !isOfNode && (owner === undefined || Object.entries(keepAnnotations).some(([key, value]) => annotations[key] === value)),
    owner: owner === undefined ? '' : `${owner.kind}/${owner.name ?? ''}`,
    isLeaving,
    isReady: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
    hasNoPlace: nodeName === '' && !isLeaving && !isOfNode && refusal !== undefined,
    ...(Number.isNaN(waitsSinceMs) ? {} : { waitsSinceMs }),
    requests: requestsOf(pod.spec),
    extras: extrasIn(pod.spec),
    wants: {
      nodeSelector: pod.spec.nodeSelector ?? {},
      terms: terms?.map(({ matchExpressions }) => matchExpressions ?? []),
      tolerations: pod.spec.tolerations ?? [],
    },
    isPicky: isPicky(pod.spec),
  }
}

function isRefusal({ type, status, reason }: Condition): boolean {
  return type === 'PodScheduled' && status === 'False' && (reason ?? '') === 'Unschedulable'
}

function isPicky({ affinity, topologySpreadConstraints, containers }: z.infer<typeof Pod>['spec']): boolean {
  return (
    isGiven(affinity?.podAffinity) ||
    isGiven(affinity?.podAntiAffinity) ||
    (topologySpreadConstraints ?? []).length > 0 ||
    containers.some(({ ports }) => (ports ?? []).some(({ hostPort }) => isGiven(hostPort)))
  )
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** Of each resource other than cores and memory what all containers ask for, or the largest that runs before them; and a place on a node. */
function extrasIn({ containers, initContainers }: z.infer<typeof Pod>['spec']): Readonly<Record<string, number>> {
  const of = ({ resources }: Container): Readonly<Record<string, number>> => extrasOf(resources?.requests ?? {})
  const own = containers.map(of)
  const before = (initContainers ?? []).map(of)
  const names = new Set([...own, ...before].flatMap((one) => Object.keys(one)))
  const most = (name: string): number =>
    Math.max(
      own.reduce((sum, one) => sum + (one[name] ?? 0), 0),
      ...before.map((one) => one[name] ?? 0),
    )
  return { ...Object.fromEntries([...names].map((name) => [name, most(name)])), pods: 1 }
}

/** What the scheduler counts: all containers, or the largest that runs before them, and what the runtime takes. */
function requestsOf(spec: {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[] | null | undefined
  readonly overhead?: Readonly<Record<string, string>> | null | undefined
}): Resources {
  const own = spec.containers.map(requestOf)
  const before = (spec.initContainers ?? []).map(requestOf)
  const overhead = amountsOf(spec.overhead ?? {})
  const most = (name: keyof Resources): number =>
    Math.max(
      own.reduce((sum, one) => sum + one[name], 0),
      ...before.map((one) => one[name]),
    ) + overhead[name]
  return { cpuMilli: most('cpuMilli'), memoryBytes: most('memoryBytes') }
}

function requestOf({ resources }: Container): Resources {
  return amountsOf(resources?.requests ?? {})
}

function amountsOf({ cpu = '0', memory = '0' }: Readonly<Record<string, string>>): Resources {
  return { cpuMilli: parseMilli(cpu) ?? 0, memoryBytes: parseQuantity(memory) ?? 0 }
}

/** A node that is there, or one to come, as a scheduler looks at it. */
export interface Place {
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly NodeTaint[]
  /** All that it has, or all that is free there; absent where nobody knows yet. */
  readonly allocatable?: Resources | undefined
  readonly extras?: Readonly<Record<string, number>> | undefined
}

/** Whether an empty node like this would take the pod: by labels, affinity, taints and size. */
export function couldTake({ labels, taints, allocatable, extras }: Place, { wants, requests, extras: asked }: ReadPod): boolean {
  return (
    hasLabels(labels, wants.nodeSelector) &&
    (wants.terms === undefined || wants.terms.some((term) => term.length > 0 && term.every((one) => meets(one, labels)))) &&
    taints.every((taint) => taint.effect === 'PreferNoSchedule' || wants.tolerations.some((one) => tolerates(one, taint))) &&
    (allocatable === undefined || (requests.cpuMilli <= allocatable.cpuMilli && requests.memoryBytes <= allocatable.memoryBytes)) &&
    (extras === undefined || Object.entries(asked).every(([name, amount]) => amount <= (extras[name] ?? (hasAny(name) ? amount : 0))))
  )
}

/** What every node has, also one that does not say how much of it. */
function hasAny(resource: string): boolean {
  return resource === 'pods' || resource === 'ephemeral-storage'
}

function tolerates({ key, operator, value, effect }: Toleration, taint: NodeTaint): boolean {
  if ((effect ?? '') !== '' && effect !== taint.effect) return false
  if ((key ?? '') === '') return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || (value ?? '') === taint.value)
}
