import { compareTexts } from '#shared/pure/compare-texts.ts'
import { isComing, isOpen, type Lease, nodesLeft } from './lease.ts'
import type { PoolNode, PoolView } from './view.ts'

/** Which nodes that are there belong to which lease. */
export interface Arrivals {
  /** The nodes of a lease that are there, oldest first. */
  readonly of: (lease: Lease) => readonly PoolNode[]
  /** Nodes that carry the label of a lease that no record knows, or that cannot have asked for them. */
  readonly orphans: readonly PoolNode[]
}

/**
 * Says of every node whose it is: by the record, by its label, and of machines that a scaling group or a pool of virtual nodes has bought
 * by being none of those that were there before; the oldest of them belong to the lease that asked first, and never more than it asked for.
 * A node belongs to one lease at most. What was there before a lease is never its node, whatever anybody labels it with.
 */
export function arrivalsOf({ nodes, record }: PoolView): Arrivals {
  const leases = record?.value.leases ?? []
  const owner = new Map<string, string>()
  const orphans: PoolNode[] = []
  const known = new Map(leases.map((lease) => [lease.id, lease]))
  const inOrder = nodes.toSorted((one, other) => one.addedAtMs - other.addedAtMs || compareTexts(one.instanceId, other.instanceId))
  for (const lease of leases) {
    const named = [...nodesLeft(lease).map(({ instanceId }) => instanceId), ...(isOpen(lease) ? (lease.mechanism.instanceIds ?? []) : [])]
    for (const instanceId of named) owner.set(instanceId, lease.id)
  }
  for (const node of inOrder) {
    const { instanceId, leaseId } = node
    if (leaseId === undefined || owner.has(instanceId)) continue
    const lease = known.get(leaseId)
    if (lease !== undefined && couldBeOf(lease, node)) owner.set(instanceId, leaseId)
    else orphans.push(node)
  }
  const countOf = (id: string): number => inOrder.filter(({ instanceId }) => owner.get(instanceId) === id).length
  for (const lease of leases.toSorted((one, other) => one.ordinal - other.ordinal)) {
    if (!mayStillGet(lease)) continue
    let missing = lease.wanted - Math.max(countOf(lease.id), lease.nodes.length)
    for (const node of inOrder) {
      if (missing <= 0) break
      if (owner.has(node.instanceId) || node.leaseId !== undefined || !isFrom(lease, node)) continue
      owner.set(node.instanceId, lease.id)
      missing -= 1
    }
  }
  return { of: (lease) => inOrder.filter(({ instanceId }) => owner.get(instanceId) === lease.id), orphans }
}

/** Also one that is given back before all of it had come: what it asked for may come late. */
function mayStillGet(lease: Lease): boolean {
  return isComing(lease) || (lease.state === 'recovering' && lease.heldSinceMs === undefined && lease.isTrimmed !== true)
}

/** Whether a node can be one that the lease's mechanism has made. */
function isFrom({ mechanism, before }: Lease, { instanceId, groupId, virtualPoolId }: PoolNode): boolean {
  if (before.instanceIds.includes(instanceId)) return false
  if (mechanism.kind === 'scaling-group') return groupId !== undefined && groupId === mechanism.group
  return mechanism.kind === 'virtual-nodes' && virtualPoolId !== undefined && virtualPoolId === mechanism.nodePool
}

/** The platform's clock and ours may be so far apart. */
const clockSlackMs = 10 * 60_000

/** Whether a label can be true: anybody may put it on a node, and the node would be given back. */
function couldBeOf(lease: Lease, node: PoolNode): boolean {
  const { mechanism, before, askedAtMs } = lease
  const { instanceId, groupId, virtualPoolId, addedAtMs } = node
  if (before.instanceIds.includes(instanceId)) return false
  switch (mechanism.kind) {
    case 'scaling-group':
    case 'virtual-nodes':
      return isFrom(lease, node)
    case 'existing-instances':
      return mechanism.instanceIds?.includes(instanceId) === true
    case 'new-instances':
      // Nobody knows when it came where the platform does not say.
      return groupId === undefined && virtualPoolId === undefined && (addedAtMs === 0 || addedAtMs >= askedAtMs - clockSlackMs)
  }
}

/**
 * Nodes that a lease has asked for and that are not to be seen yet, also those whose names its record knows already: what was read of the
 * machines may be some seconds older than the record.
 */
export function owedBy(lease: Lease, arrived: readonly PoolNode[]): number {
  if (!mayStillGet(lease)) return 0
  const gone = lease.nodes.filter(
    ({ instanceId, removedAtMs }) => removedAtMs !== undefined && !arrived.some((one) => one.instanceId === instanceId),
  )
  return Math.max(0, lease.wanted - arrived.length - gone.length)
}
