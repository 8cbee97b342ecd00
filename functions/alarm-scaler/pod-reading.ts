import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { parseMilli, parseQuantity } from '#shared/pure/quantity.ts'
import { hasLabels, LabelRequirement, meets } from './label-match.ts'
import type { NodeTaint } from './node-reading.ts'
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
  readonly requests: Resources
  readonly wants: Wants
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
})
type Container = z.infer<typeof Container>

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
    affinity: z.optional(
      z.nullable(
        z.object({
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
        conditions: z.optional(
          z.nullable(z.array(z.object({ type: z.string(), status: z.string(), reason: z.optional(z.nullable(z.string())) }))),
        ),
      }),
    ),
  ),
})

/** Reads a pod; undefined when it has ended, or does not look like one. */
export function readPod(object: KubeObject): ReadPod | undefined {
  const pod = z.safeParse(Pod, object).data
  if (pod === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return undefined
  const { name, namespace = '', uid, labels = {}, annotations = {}, deletionTimestamp } = object.metadata
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller === true)
  const isOfNode = owner?.kind === 'DaemonSet' || annotations['kubernetes.io/config.mirror'] !== undefined
  const conditions = pod.status?.conditions ?? []
  const nodeName = pod.spec.nodeName ?? ''
  const isLeaving = deletionTimestamp !== undefined
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
    hasNoPlace:
      nodeName === '' &&
      !isLeaving &&
      !isOfNode &&
      conditions.some(({ type, status, reason }) => type === 'PodScheduled' && status === 'False' && (reason ?? '') === 'Unschedulable'),
    requests: requestsOf(pod.spec),
    wants: {
      nodeSelector: pod.spec.nodeSelector ?? {},
      terms: terms?.map(({ matchExpressions }) => matchExpressions ?? []),
      tolerations: pod.spec.tolerations ?? [],
    },
  }
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
  /** All that it has; absent where nobody knows yet. */
  readonly allocatable?: Resources | undefined
}

/** Whether an empty node like this would take the pod: by labels, affinity, taints and size. */
export function couldTake({ labels, taints, allocatable }: Place, { wants, requests }: ReadPod): boolean {
  return (
    hasLabels(labels, wants.nodeSelector) &&
    (wants.terms === undefined || wants.terms.some((term) => term.length > 0 && term.every((one) => meets(one, labels)))) &&
    taints.every((taint) => taint.effect === 'PreferNoSchedule' || wants.tolerations.some((one) => tolerates(one, taint))) &&
    (allocatable === undefined || (requests.cpuMilli <= allocatable.cpuMilli && requests.memoryBytes <= allocatable.memoryBytes))
  )
}

function tolerates({ key, operator, value, effect }: Toleration, taint: NodeTaint): boolean {
  if ((effect ?? '') !== '' && effect !== taint.effect) return false
  if ((key ?? '') === '') return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || (value ?? '') === taint.value)
}
