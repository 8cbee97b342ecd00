import type { MechanismSettings } from './event.ts'
import { leaseLabel } from './node-marks.ts'
import type { ReadNode } from './node-reading.ts'
import { couldTake, type Place, type ReadPod } from './pod-reading.ts'
import type { Members } from './policy.ts'

/** A pool, as far as it matters to pods that wait for a place. */
export interface WaitingFor {
  readonly of: Members | undefined
  /** By which the pool gets nodes; none where nobody grows it any more. */
  readonly mechanisms: readonly MechanismSettings[]
  readonly nodes: readonly ReadNode[]
  /** The scaling groups that it knows. */
  readonly groups: readonly { readonly id: string; readonly labels: Readonly<Record<string, string>> }[]
}

/** A scheduler that has found a place says so long before that. */
const patienceMs = 10 * 60_000

/**
 * How many pods wait for a node such as the pool can get: without those that no empty one of its nodes would take, whatever else is on it,
 * and without those that a node which is there has had room for: what they wait for is no node, but a volume, say.
 */
export function waitingPods(pods: readonly ReadPod[], pool: WaitingFor, now: number): number {
  const waiting = pods.filter(({ hasNoPlace }) => hasNoPlace)
  if (waiting.length === 0) return 0
  const on = Map.groupBy(pods, ({ nodeName = '' }) => nodeName)
  const places = placesOf(pool, on)
  const rooms = roomsOf(pool, on)
  const isNoMatterOfNodes = (pod: ReadPod): boolean =>
    !pod.isPicky && now - (pod.waitsSinceMs ?? now) >= patienceMs && rooms.some((room) => couldTake(room, pod))
  return waiting.filter((pod) => places.some((place) => couldTake(place, pod)) && !isNoMatterOfNodes(pod)).length
}

type OnNodes = ReadonlyMap<string, readonly ReadPod[]>

/** What empty nodes of the pool are like: as those that it has got, or could get, or where it has none as those that would come. */
function placesOf({ of, mechanisms, nodes, groups }: WaitingFor, on: OnNodes): readonly Place[] {
  if (nodes.length > 0)
    return likeThoseToCome(nodes, mechanisms).map((node) =>
      without(
        node,
        (on.get(node.name) ?? []).filter(({ isOfNode }) => isOfNode),
      ),
    )
  const labels = of?.labels ?? {}
  const ofGroups = groups.filter(({ id }) => of?.groups.includes(id) === true)
  if (ofGroups.length === 0) return [{ labels, taints: [] }]
  return ofGroups.map((group) => ({ labels: { ...group.labels, ...labels }, taints: [] }))
}

const typeLabels = ['node.kubernetes.io/instance-type', 'beta.kubernetes.io/instance-type']

/**
 * Of the nodes those that show what the pool can get: the leased ones, and for each mechanism such as it has brought or would bring. All of
 * them where nobody knows what a mechanism would bring.
 */
function likeThoseToCome(nodes: readonly ReadNode[], mechanisms: readonly MechanismSettings[]): readonly ReadNode[] {
  const examples = mechanisms.map((mechanism) => nodes.filter((node) => isLike(node, mechanism)))
  if (examples.length === 0 || examples.some((own) => own.length === 0)) return nodes
  const leased = nodes.filter(({ labels }) => labels[leaseLabel] !== undefined)
  return [...new Set([...leased, ...examples.flat()])]
}

function isLike({ groupId, virtualPoolId, labels }: ReadNode, mechanism: MechanismSettings): boolean {
  switch (mechanism.kind) {
    case 'scaling-group':
      return groupId === mechanism.group
    case 'virtual-nodes':
      return virtualPoolId === mechanism.nodePool
    case 'new-instances':
      return typeLabels.some((name) => labels[name] === mechanism.order.InstanceType)
    case 'existing-instances':
      // They may be of any type.
      return false
  }
}

/** Nodes that take pods now, with what is free there. */
function roomsOf({ nodes }: WaitingFor, on: OnNodes): readonly Place[] {
  const open = nodes.filter(({ isReady, unschedulable, taints }) => isReady && !unschedulable && !taints.some(isOwn))
  return open.map((node) => without(node, on.get(node.name) ?? []))
}

/** A node with what is left of it beside some pods. */
function without(
  { labels: { 'kubernetes.io/hostname': _own, ...labels }, taints, allocatable, extras, virtualPoolId }: ReadNode,
  pods: readonly ReadPod[],
): Place {
  const sum = (of: (pod: ReadPod) => number): number => pods.reduce((total, pod) => total + of(pod), 0)
  return {
    labels,
    // What a node says of itself now, an empty new one would not.
    taints: taints.filter((taint) => !isOwn(taint)),
    allocatable: {
      cpuMilli: allocatable.cpuMilli - sum(({ requests }) => requests.cpuMilli),
      memoryBytes: allocatable.memoryBytes - sum(({ requests }) => requests.memoryBytes),
    },
    // A virtual node takes what the platform can make for the pod, and names none of it.
    ...(virtualPoolId === undefined
      ? { extras: Object.fromEntries(Object.entries(extras).map(([name, amount]) => [name, amount - sum((pod) => pod.extras[name] ?? 0)])) }
      : {}),
  }
}

function isOwn({ key }: ReadNode['taints'][number]): boolean {
  return key.startsWith('node.kubernetes.io/')
}
