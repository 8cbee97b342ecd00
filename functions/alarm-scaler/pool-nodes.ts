import type { ReadMachine, ReadVirtualNode } from './cluster-reading.ts'
import { hasLabels } from './label-match.ts'
import { type Lease, nodesLeft } from './lease.ts'
import { leaseLabel } from './node-marks.ts'
import type { ReadNode } from './node-reading.ts'
import type { Members } from './policy.ts'
import type { Blocker, PoolNode, Resources } from './view.ts'

/** What the pods on a node come to. */
export interface NodeLoad {
  readonly requested: Resources
  readonly podCount: number
  readonly blockers: readonly Blocker[]
}

/** A cluster as it was read, and whose pool is looked for in it. */
export interface PoolSearch {
  /** What belongs to it; absent for one that the settings know nothing of any more. */
  readonly of: Members | undefined
  /** Those on the pool's record: their nodes are members wherever they are, also of those that have ended and left any behind. */
  readonly leases: readonly Lease[]
  readonly nodes: readonly ReadNode[]
  readonly machines: readonly ReadMachine[]
  /** By scaling group. */
  readonly members: ReadonlyMap<string, readonly ReadMachine[]>
  /** By pool of virtual nodes. */
  readonly virtualNodes: ReadonlyMap<string, readonly ReadVirtualNode[]>
  /** By the cluster's name of a node. */
  readonly loads: ReadonlyMap<string, NodeLoad>
}

/** One node, from wherever it is known: as a machine that has not joined, as a Node, or as both. */
interface Known {
  readonly instanceId: string
  readonly machine?: Pick<ReadMachine, 'state' | 'addedMs' | 'labels'> | undefined
  readonly node?: ReadNode | undefined
  readonly groupId?: string | undefined
  readonly virtualPoolId?: string | undefined
}

const nothing: NodeLoad = { requested: { cpuMilli: 0, memoryBytes: 0 }, podCount: 0, blockers: [] }

/**
 * The members of a pool: the nodes that its settings describe (see `membersOf`), and in any case those of its leases. Machines that are still to become
 * nodes count as soon as the platform names them; a node that has left is none any more, even while its object is still there.
 */
export function nodesOf(search: PoolSearch): { readonly members: readonly PoolNode[]; readonly nodes: readonly ReadNode[] } {
  const leased = new Set(search.leases.flatMap((lease) => nodesLeft(lease).map(({ instanceId }) => instanceId)))
  const leaseIds = new Set(search.leases.map(({ id }) => id))
  const members = knownIn(search).filter((known) => {
    const leaseId = leaseIdOf(known)
    return leased.has(known.instanceId) || (leaseId !== undefined && leaseIds.has(leaseId)) || isDescribed(known, search.of)
  })
  return {
    members: members.map((known) => poolNode(known, search.loads)),
    nodes: members.flatMap(({ node }) => node ?? []),
  }
}

function knownIn({ nodes, machines, members, virtualNodes }: PoolSearch): readonly Known[] {
  const byInstance = new Map(nodes.map((node) => [node.instanceId, node]))
  const groupOf = new Map([...members].flatMap(([groupId, own]) => own.map(({ instanceId }) => [instanceId, groupId] as const)))
  const rows = new Map([...machines, ...[...members.values()].flat()].map((machine) => [machine.instanceId, machine]))
  const real = [...rows.values()].map((machine): Known => {
    const node = byInstance.get(machine.instanceId)
    return { instanceId: machine.instanceId, machine, node, groupId: groupOf.get(machine.instanceId) ?? node?.groupId }
  })
  const virtual = [...virtualNodes].flatMap(([virtualPoolId, own]) =>
    own.map(({ name, phase, createdMs }): Known => {
      const machine = { state: stateOfPhase(phase), addedMs: createdMs, labels: {} }
      return { instanceId: name, machine, node: byInstance.get(name), virtualPoolId }
    }),
  )
  // Of other pools of virtual nodes, or of a cluster whose machines the platform does not name.
  const known = new Set([...real, ...virtual].map(({ instanceId }) => instanceId))
  const rest = nodes.flatMap((node): readonly Known[] =>
    node.instanceId === undefined || known.has(node.instanceId) || node.virtualPoolId === undefined || virtualNodes.has(node.virtualPoolId)
      ? []
      : [{ instanceId: node.instanceId, node, virtualPoolId: node.virtualPoolId }],
  )
  return [...real, ...virtual, ...rest]
}

function stateOfPhase(phase: string): string {
  if (phase === 'Pending') return 'initializing'
  return phase === 'Failed' ? 'failed' : 'running'
}

function isDescribed({ node, machine, groupId, virtualPoolId }: Known, of: Members | undefined): boolean {
  if (of === undefined) return false
  // All workers: a virtual node is none, and belongs to a pool that names its own.
  if (of.isWholeCluster && virtualPoolId === undefined) return true
  if (groupId !== undefined && of.groups.includes(groupId)) return true
  if (virtualPoolId !== undefined && of.virtualPools.includes(virtualPoolId)) return true
  return of.labels !== undefined && hasLabels({ ...machine?.labels, ...node?.labels }, of.labels)
}

function leaseIdOf({ node, machine }: Known): string | undefined {
  // The platform goes on telling what a machine was ordered with; the node tells what holds now.
  return node === undefined ? machine?.labels[leaseLabel] : node.leaseId
}

function poolNode(known: Known, loads: ReadonlyMap<string, NodeLoad>): PoolNode {
  const { instanceId, machine, node, groupId, virtualPoolId } = known
  const leaseId = leaseIdOf(known)
  const said = machine?.state
  return {
    instanceId,
    ...(node === undefined ? {} : { nodeName: node.name }),
    state: said === 'initializing' || said === 'failed' ? said : 'running',
    addedAtMs: machine?.addedMs ?? node?.createdMs ?? 0,
    isReady: node?.isReady ?? false,
    ...(node?.saidSinceMs === undefined ? {} : { readySinceMs: node.saidSinceMs }),
    unschedulable: node?.unschedulable ?? false,
    isKept: node?.isKept ?? false,
    ...(groupId === undefined ? {} : { groupId }),
    ...(virtualPoolId === undefined ? {} : { virtualPoolId }),
    ...(leaseId === undefined ? {} : { leaseId }),
    ...(node?.drainedFor === undefined ? {} : { drainedFor: node.drainedFor }),
    cores: node?.cores ?? 0,
    allocatable: node?.allocatable ?? { cpuMilli: 0, memoryBytes: 0 },
    ...(loads.get(node?.name ?? '') ?? nothing),
  }
}
