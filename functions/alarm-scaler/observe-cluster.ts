import { CloudError } from '#cloud/errors.ts'
import { KubeError } from '#cloud/kube.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import type { AutoscalerStatus } from './autoscaler-status.ts'
import type { ClusterReading, Look, ReadGroup, ReadMachine } from './cluster-reading.ts'
import type { MechanismSettings } from './event.ts'
import { isComing, isOpen, type Lease } from './lease.ts'
import type { ReadNode } from './node-reading.ts'
import { type ReadPod, whyStuck } from './pod-reading.ts'
import type { Members } from './policy.ts'
import { type NodeLoad, nodesOf } from './pool-nodes.ts'
import type { StoredPool } from './pool-store.ts'
import type { AutoscalerView, GroupView, PoolView, VirtualPoolView } from './view.ts'
import { waitingPods } from './waiting-pods.ts'

/** What somebody wants to know of one pool. */
export interface PoolInterest {
  readonly cluster: string
  readonly region: string
  readonly name: string
  /** What belongs to it; absent for one that the settings know nothing of any more, and of which there is only a record. */
  readonly of: Members | undefined
  /** By which its policies get nodes. */
  readonly mechanisms: readonly MechanismSettings[]
  /** Where records are kept. */
  readonly namespace: string
}

/** What else the view holds, which is not of the cluster. */
export type OfCluster = Omit<PoolView, 'quota' | 'licence' | 'readings'>

/**
 * Sees one pool of a cluster. Everything that its settings, its policies or its open leases name is read, and nothing else: so a pool that
 * only has machines bought costs no look at scaling groups. What cannot be read makes the whole pool one that nothing is decided about.
 * Only a store that fails throws.
 */
export async function observePool(reading: ClusterReading, interest: PoolInterest, look: Look): Promise<OfCluster> {
  const { cluster, region, name: pool } = interest
  try {
    const pools = await reading.pools(interest.namespace, look)
    const stored = pools.find((one) => one.pool === pool)
    if (stored?.problem !== undefined) return { ...blank(interest), problem: { code: 'record-unreadable', text: stored.problem } }
    const leases = stored?.record?.leases ?? []
    return {
      cluster,
      region,
      pool,
      ...(await seen(reading, interest, look, leases)),
      ...recordIn(stored),
      comingElsewhere: comingIn(pools, pool, await reading.machines(look)),
    }
  } catch (error) {
    if (!(error instanceof KubeError || error instanceof CloudError)) throw error
    return { ...blank(interest), problem: { code: 'cluster-unreadable', text: error.message } }
  }
}

function blank({ cluster, region, name: pool }: PoolInterest): OfCluster {
  const nothing = { nodes: [], groups: [], virtualPools: [], spares: [], subnets: [] }
  return { cluster, region, pool, ...nothing, pendingPods: 0, clusterNodes: 0, comingElsewhere: 0 }
}

function recordIn(stored: StoredPool | undefined): Pick<PoolView, 'record'> {
  return stored?.record === undefined ? {} : { record: { value: stored.record, resourceVersion: stored.resourceVersion } }
}

/**
 * Machines that open leases of other pools still wait for, also those whose names their record knows and that were not among the machines
 * when these were read: they will take room that the platform counts by cluster. Virtual nodes take none.
 */
function comingIn(pools: readonly StoredPool[], pool: string, machines: readonly ReadMachine[]): number {
  const there = new Set(machines.map(({ instanceId }) => instanceId))
  return pools
    .filter((one) => one.pool !== pool)
    .flatMap(({ record }) => record?.leases.filter((lease) => isComing(lease) && lease.mechanism.kind !== 'virtual-nodes') ?? [])
    .reduce((sum, { wanted, nodes }) => {
      const settled = nodes.filter(({ instanceId, removedAtMs }) => removedAtMs !== undefined || there.has(instanceId))
      return sum + Math.max(0, wanted - settled.length)
    }, 0)
}

async function seen(
  reading: ClusterReading,
  interest: PoolInterest,
  look: Look,
  leases: readonly Lease[],
): Promise<Omit<OfCluster, 'cluster' | 'region' | 'pool' | 'comingElsewhere'>> {
  const { of, mechanisms } = interest
  const open = leases.filter(isOpen)
  const groupIds = different([...(of?.groups ?? []), ...open.map(({ mechanism }) => mechanism.group)])
  const virtualIds = different([...(of?.virtualPools ?? []), ...open.map(({ mechanism }) => mechanism.nodePool)])
  const names = of?.spares ?? []
  const [nodes, pods, machines, budgets, groups, virtualPools, spares] = await Promise.all([
    reading.nodes(look),
    reading.pods(look),
    reading.machines(look),
    // What a drain may move matters only where there is something to be drained.
    leases.some(({ state }) => state === 'held' || state === 'recovering') ? reading.budgets(look) : [],
    groupIds.length === 0 ? undefined : readGroups(reading, groupIds, look),
    virtualIds.length === 0 ? [] : reading.virtualPools(look),
    names.length === 0 ? [] : reading.spares(look),
  ])
  const members = groups?.members ?? new Map<string, readonly ReadMachine[]>()
  const namedPools = virtualPools.filter(({ id }) => virtualIds.includes(id))
  const virtualNodes = new Map(await Promise.all(namedPools.map(async ({ id }) => [id, await reading.virtualNodes(id, look)] as const)))
  const loads = loadsOf(pods, budgets)
  const own = nodesOf({ of, leases, nodes, machines, members, virtualNodes, loads })
  return {
    nodes: own.members,
    pendingPods: waitingPods(pods, { of, mechanisms, nodes: own.nodes, groups: groups?.rows ?? [] }, look.now),
    groups: (groups?.rows ?? []).map((group) => groupView(group, members.get(group.id) ?? [], groups?.status, mechanisms, nodes)),
    virtualPools: namedPools.map(({ id, state, subnets }): VirtualPoolView => ({ id, state, subnets })),
    spares: spares.filter(({ name }) => names.some((glob) => matchesGlob(glob, name))),
    ...(groups?.status === undefined ? {} : { autoscaler: autoscalerView(groups.status, groups.isScaleDownEnabled) }),
    clusterNodes: machines.length,
    // No call of the platform tells how many addresses a subnet has left.
    subnets: different(namedPools.flatMap(({ subnets }) => subnets)).map((id) => ({ id })),
  }
}

interface GroupsReading {
  readonly rows: readonly ReadGroup[]
  readonly members: ReadonlyMap<string, readonly ReadMachine[]>
  readonly status: AutoscalerStatus | undefined
  readonly isScaleDownEnabled: boolean
}

async function readGroups(reading: ClusterReading, ids: readonly string[], look: Look): Promise<GroupsReading> {
  const [all, status] = await Promise.all([reading.groups(look), reading.autoscalerStatus(look)])
  const rows = all.filter(({ id }) => ids.includes(id))
  const [isScaleDownEnabled, ...members] = await Promise.all([
    status === undefined ? false : reading.isScaleDownEnabled(look),
    ...rows.map(async ({ id }) => [id, await reading.members(id, look)] as const),
  ])
  return { rows, members: new Map(members), status, isScaleDownEnabled }
}

function groupView(
  { id, status }: ReadGroup,
  members: readonly ReadMachine[],
  said: AutoscalerStatus | undefined,
  mechanisms: readonly MechanismSettings[],
  nodes: readonly ReadNode[],
): GroupView {
  const settings = mechanisms.filter((one) => one.kind === 'scaling-group').find(({ group }) => group === id)
  const autoscaled = said?.groups.find(({ name }) => name === id)
  const bounds =
    autoscaled === undefined
      ? settings?.bounds === undefined
        ? undefined
        : { ...settings.bounds, source: 'settings' as const }
      : {
          min: autoscaled.min,
          max: autoscaled.max,
          source: 'autoscaler' as const,
          ...(said?.lastSeenMs === undefined ? {} : { atMs: said.lastSeenMs }),
        }
  const cores = settings?.cores ?? nodes.find(({ groupId }) => groupId === id)?.cores
  return {
    id,
    status,
    size: members.length,
    ...(autoscaled?.wanted === undefined ? {} : { wanted: autoscaled.wanted }),
    ...(bounds === undefined ? {} : { bounds }),
    ...(cores === undefined ? {} : { cores }),
  }
}

function autoscalerView({ groups, lastSeenMs }: AutoscalerStatus, isScaleDownEnabled: boolean): AutoscalerView {
  return { groups: groups.map(({ name }) => name), ...(lastSeenMs === undefined ? {} : { lastSeenMs }), isScaleDownEnabled }
}

/** What the pods on each node come to. */
function loadsOf(pods: readonly ReadPod[], budgets: Parameters<typeof blockersOf>[1]): ReadonlyMap<string, NodeLoad> {
  const byNode = Map.groupBy(
    pods.filter(({ nodeName }) => nodeName !== undefined),
    ({ nodeName }) => nodeName ?? '',
  )
  return new Map(
    [...byNode].map(([name, own]) => [
      name,
      {
        requested: {
          cpuMilli: own.reduce((sum, { requests }) => sum + requests.cpuMilli, 0),
          memoryBytes: own.reduce((sum, { requests }) => sum + requests.memoryBytes, 0),
        },
        podCount: own.filter(({ isOfNode }) => !isOfNode).length,
        blockers: blockersOf(own, budgets),
      },
    ]),
  )
}

/** Pods that a drain would not move at this moment, and why. */
function blockersOf(
  pods: readonly ReadPod[],
  budgets: readonly { readonly name: string; readonly allowed: number; readonly covers: (pod: ReadPod) => boolean }[],
): NodeLoad['blockers'] {
  return pods
    .filter(({ isOfNode, isLeaving }) => !isOfNode && !isLeaving)
    .flatMap((pod) => {
      const name = `${pod.namespace}/${pod.name}`
      if (pod.isStuck) return [{ pod: name, why: whyStuck, isStuck: true }]
      const budget = budgets.find(({ covers, allowed }) => allowed < 1 && covers(pod))
      return budget === undefined ? [] : [{ pod: name, why: `PodDisruptionBudget ${budget.name} allows none of its pods to go` }]
    })
}

function different(values: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== undefined))]
}
