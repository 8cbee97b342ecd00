import { type Arrivals, owedBy } from './arrivals.ts'
import type { Policy } from './event.ts'
import { isComing, isOpen, type Lease } from './lease.ts'
import type { GroupView, PoolNode, PoolView } from './view.ts'

/** What a pool has and gets, as one policy counts it. */
export interface Capacity {
  /** Ready for longer than the warm-up, and open for pods. */
  readonly inService: readonly PoolNode[]
  /** There, and not in service yet: becoming a node, becoming ready, or warming up. */
  readonly warming: number
  /** Asked for, and not there yet. */
  readonly inFlight: number
}

/** What a pool has and gets, whoever counts. */
export interface Stock {
  /** All nodes, whatever their state. */
  readonly present: number
  /** Nodes that open leases have asked for and that are not there; also those that should have come by now. */
  readonly owed: number
  /** Nodes that the cluster autoscaler has asked its groups for, beyond ours. */
  readonly surplus: number
}

/** The autoscaler may not have seen yet what was done this long before it spoke. */
export const statusLagMs = 60_000

/** How long the autoscaler's word counts. */
const statusGoodForMs = 10 * 60_000

/**
 * Counts a pool by what is there, not by what was said: so that what is repeated finds what it has asked for already. Nodes of leases that
 * are given back at somebody's wish, or because they never became ready, do not count; those of leases that are given back because an
 * alarm was over do, for a new alarm keeps them.
 */
export function capacityOf(view: PoolView, arrivals: Arrivals, { warmUp, provision }: Policy, now: number): Capacity {
  const leases = view.record?.value.leases ?? []
  const going = new Set(leases.filter(isGoing).flatMap((lease) => arrivals.of(lease).map(({ instanceId }) => instanceId)))
  const returning = new Set(leases.flatMap((lease) => (isReturning(lease) ? arrivals.of(lease).map(({ instanceId }) => instanceId) : [])))
  const counted = view.nodes.filter(
    ({ instanceId, unschedulable }) => !going.has(instanceId) && (!unschedulable || returning.has(instanceId)),
  )
  const inService = counted.filter((node) => isReady(node) && (node.readySinceMs ?? node.addedAtMs) <= now - warmUp)
  const warming = counted.filter(
    (node) => !inService.includes(node) && (isReady(node) || (node.state !== 'failed' && now - node.addedAtMs < provision)),
  )
  const late = leases.filter((lease) => isComing(lease) && now < lease.provisionUntilMs)
  const asked = late.reduce((sum, lease) => sum + owedBy(lease, arrivals.of(lease)), 0)
  return { inService, warming: warming.length, inFlight: asked + surplusOf(view, arrivals, now) }
}

export function stockOf(view: PoolView, arrivals: Arrivals, now: number): Stock {
  const leases = view.record?.value.leases ?? []
  const owed = leases.reduce((sum, lease) => sum + owedBy(lease, arrivals.of(lease)), 0)
  return { present: view.nodes.length, owed, surplus: surplusOf(view, arrivals, now) }
}

export function isReady({ state, isReady: ready }: PoolNode): boolean {
  return ready && state === 'running'
}

/** Whether a lease's nodes go, whatever happens. */
function isGoing({ state, recovery }: Lease): boolean {
  return state === 'recovering' && (recovery?.why === 'released' || recovery?.why === 'compensate')
}

/** Whether a lease's nodes go only as long as nobody needs them. */
export function isReturning(lease: Lease): boolean {
  return lease.state === 'recovering' && !isGoing(lease)
}

function surplusOf(view: PoolView, arrivals: Arrivals, now: number): number {
  return view.groups.reduce((sum, group) => sum + groupSurplus(group, view, arrivals, now), 0)
}

/** Machines that a group wants beyond those that it has and those that leases have asked it for. */
function groupSurplus(group: GroupView, view: PoolView, arrivals: Arrivals, now: number): number {
  return Math.max(0, (freshWanted(group, view, now) ?? 0) - group.size - owedIn(group.id, view, arrivals))
}

/** Machines that leases have asked a group for and that are not there; without those of one lease, where it is named. */
export function owedIn(group: string, view: PoolView, arrivals: Arrivals, except?: string): number {
  const leases = (view.record?.value.leases ?? []).filter(({ id, mechanism }) => mechanism.group === group && id !== except)
  return leases.reduce((sum, lease) => sum + owedBy(lease, arrivals.of(lease)), 0)
}

/**
 * What a group wants, as far as that was said lately and after what we have asked it for; without machines of its leases that have gone
 * since, or so shortly before that the autoscaler may have spoken of them.
 */
export function freshWanted({ id, wanted, bounds }: GroupView, { record }: PoolView, now: number): number | undefined {
  const setAtMs = record?.value.bases.find(({ group }) => group === id)?.set.atMs ?? Number.NEGATIVE_INFINITY
  const saidAtMs = bounds?.source === 'autoscaler' ? bounds.atMs : undefined
  if (wanted === undefined || saidAtMs === undefined || saidAtMs <= setAtMs || now - saidAtMs > statusGoodForMs) return undefined
  const gone = (record?.value.leases ?? []).flatMap(({ mechanism, nodes }) =>
    mechanism.group === id ? nodes.filter(({ removedAtMs }) => removedAtMs !== undefined && removedAtMs > saidAtMs - statusLagMs) : [],
  )
  return Math.max(0, wanted - gone.length)
}

/** The autoscaler, where it looks after a group and has shown itself lately. */
export function isAutoscaled(group: string, { autoscaler }: PoolView, now: number): boolean {
  if (autoscaler === undefined || !autoscaler.groups.includes(group)) return false
  return autoscaler.lastSeenMs === undefined || now - autoscaler.lastSeenMs <= statusGoodForMs
}

/** Whether what a lease asked for counts against caps: everything but what the mechanism gave nothing of. */
export function countsForCaps(lease: Lease): boolean {
  return isOpen(lease) || lease.outcome?.kind !== 'failed' || lease.nodes.length > 0
}

/** Whether a lease has given its alarm nodes, or is about to: not one whose mechanism gave none, or none that became ready. */
export function isAnswer(lease: Lease): boolean {
  if (isOpen(lease)) return lease.recovery?.why !== 'compensate'
  return lease.outcome?.kind === 'removed' || lease.outcome?.kind === 'kept'
}

/** Up to how many nodes beyond those in service a lease has brought its alarm: less than its step wanted where fewer have come. */
export function levelGiven({ level, wanted, nodes, heldSinceMs }: Lease): number {
  return heldSinceMs === undefined ? level : level - Math.max(0, wanted - nodes.length)
}
