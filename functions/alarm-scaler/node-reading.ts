import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { parseMilli, parseQuantity } from '#shared/pure/quantity.ts'
import { drainAnnotation, instanceLabel, leaseLabel, scaleDownDisabledAnnotation } from './node-marks.ts'
import type { Resources } from './view.ts'

/** What the platform puts on a node to say where it comes from. */
const groupLabel = 'cloud.tencent.com/auto-scaling-group-id'
const virtualPoolLabel = 'cloud.tencent.com/virtual-node-pool-id'

export interface NodeTaint {
  readonly key: string
  readonly value: string
  readonly effect: string
}

/** A Node of a cluster, as far as somebody decides by it. Times are epoch milliseconds. */
export interface ReadNode {
  readonly name: string
  /** Of the machine; of a virtual node its own name. Absent where neither labels nor provider id tell. */
  readonly instanceId?: string | undefined
  readonly groupId?: string | undefined
  readonly virtualPoolId?: string | undefined
  readonly leaseId?: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly NodeTaint[]
  readonly createdMs: number
  readonly isReady: boolean
  /** Since when it says what it says of being ready. */
  readonly saidSinceMs?: number | undefined
  readonly unschedulable: boolean
  /** Whether the cluster autoscaler is kept off it. */
  readonly isKept: boolean
  /** All that the machine has. */
  readonly cores: number
  readonly allocatable: Resources
  /** What else pods can ask for there, such as GPUs and places for pods, by its name. */
  readonly extras: Readonly<Record<string, number>>
  /** The lease that it was closed for; whoever opens it again leaves that there. */
  readonly drainedFor?: string | undefined
}

const Node = z.object({
  spec: z.optional(
    z.nullable(
      z.object({
        unschedulable: z.optional(z.nullable(z.boolean())),
        providerID: z.optional(z.nullable(z.string())),
        taints: z.optional(
          z.nullable(z.array(z.object({ key: z.string(), value: z.optional(z.nullable(z.string())), effect: z.string() }))),
        ),
      }),
    ),
  ),
  status: z.optional(
    z.nullable(
      z.object({
        capacity: z.optional(z.nullable(z.record(z.string(), z.string()))),
        allocatable: z.optional(z.nullable(z.record(z.string(), z.string()))),
        conditions: z.optional(
          z.nullable(z.array(z.object({ type: z.string(), status: z.string(), lastTransitionTime: z.optional(z.nullable(z.string())) }))),
        ),
      }),
    ),
  ),
})

/** Reads a Node; undefined when it does not look like one. */
export function readNode(object: KubeObject): ReadNode | undefined {
  const node = z.safeParse(Node, object).data
  if (node === undefined) return undefined
  const { name, labels = {}, annotations = {}, creationTimestamp } = object.metadata
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  const saidSinceMs = timeOf(ready?.lastTransitionTime)
  const virtualPoolId = labels[virtualPoolLabel]
  return {
    name,
    instanceId: labels[instanceLabel] ?? instanceOf(node.spec?.providerID) ?? (virtualPoolId === undefined ? undefined : name),
    groupId: labels[groupLabel],
    virtualPoolId,
    leaseId: labels[leaseLabel],
    labels,
    taints: (node.spec?.taints ?? []).map(({ key, value, effect }) => ({ key, value: value ?? '', effect })),
    createdMs: timeOf(creationTimestamp) ?? 0,
    isReady: ready?.status === 'True',
    ...(saidSinceMs === undefined ? {} : { saidSinceMs }),
    unschedulable: node.spec?.unschedulable === true,
    isKept: annotations[scaleDownDisabledAnnotation] === 'true',
    cores: parseQuantity(node.status?.capacity?.cpu ?? '0') ?? 0,
    allocatable: {
      cpuMilli: parseMilli(node.status?.allocatable?.cpu ?? '0') ?? 0,
      memoryBytes: parseQuantity(node.status?.allocatable?.memory ?? '0') ?? 0,
    },
    extras: extrasOf(node.status?.allocatable ?? {}),
    ...(annotations[drainAnnotation] === undefined ? {} : { drainedFor: annotations[drainAnnotation] }),
  }
}

/** Resources other than cores and memory. */
export function extrasOf({ cpu: _cpu, memory: _memory, ...rest }: Readonly<Record<string, string>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(rest).map(([name, amount]) => [name, parseQuantity(amount) ?? 0]))
}

/** `qcloud:///<zone>/ins-…`. */
function instanceOf(providerId: string | null | undefined): string | undefined {
  return /^qcloud:\/\/\/.*\/(ins-[a-z0-9]+)$/.exec(providerId ?? '')?.[1]
}

function timeOf(text: string | null | undefined): number | undefined {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? undefined : ms
}
