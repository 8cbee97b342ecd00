import { listAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import type { MachineState, VirtualNodeState } from '#infra/sandbox/tke/state.ts'
import type { World } from '#infra/sandbox/world.ts'
import { clusterOf } from '../stage-world.ts'
import type { SimNode } from './alarm-effect.ts'
import type { AlarmScene, SimPool } from './alarm-scene.ts'

export interface GroupSight {
  readonly id: string
  readonly min: number
  readonly max: number
  readonly desired: number
  readonly size: number
  /** Machines that people, or the autoscaler, have taken from it so far. */
  readonly takenByOthers: number
}

/** A pool as it really is at an instant. */
export interface PoolSight {
  readonly members: readonly SimNode[]
  /** Nodes that growths have asked its group for and that have not come yet. */
  readonly owed: number
  readonly group: GroupSight
  /** Pods that would have to go elsewhere, by the name of their node. */
  readonly pods: ReadonlyMap<string, number>
  /** Names of nodes that take no pods. */
  readonly closed: readonly string[]
  /** Since when pods wait for a place without a break. */
  readonly pendingSinceMs: number | undefined
}

/** Bounds of a group, and how many machines it had when they were set. */
interface SetBounds {
  readonly min: number
  readonly max: number
  readonly atMs: number
  readonly isOurs: boolean
  readonly size: number
}

interface Growth {
  readonly group: string
  readonly lease: string
  readonly atMs: number
  left: number
}

/** For so long what was read of a cluster stands for reading it again. */
const keptForMs = 6_000

/** Keeps who has added which node: that is found out when it comes. */
export class NodeWatch {
  readonly #world: World
  readonly #scene: AlarmScene
  readonly #leaseOf = new Map<string, string>()
  readonly #arrived = new Map<string, { readonly id: string; readonly atMs: number }[]>()
  readonly #seen = new Set<string>()
  readonly #growths: Growth[] = []
  readonly #pending: (number | undefined)[]
  /** When pods waited for a place, by pool. */
  readonly #waits: { readonly fromMs: number; untilMs: number }[][]
  /** How many pods the fullest node had, by pool, from one instant on. */
  readonly #fullest: { readonly atMs: number; readonly pods: number }[][]
  readonly #taken = new Map<string, number>()
  readonly #bounds = new Map<string, SetBounds[]>()
  /** When leases of a group were on record and open. */
  readonly #leased = new Map<string, { readonly lease: string; readonly fromMs: number; untilMs: number }[]>()

  constructor(world: World, scene: AlarmScene) {
    this.#world = world
    this.#scene = scene
    this.#pending = scene.pools.map(() => undefined)
    this.#waits = scene.pools.map(() => [])
    this.#fullest = scene.pools.map(() => [])
    for (const sight of this.sightsNow(0)) for (const { id } of sight.members) this.#seen.add(id)
    for (const { group, bounds, inGroup } of scene.pools) this.#bounds.set(group, [{ ...bounds, atMs: 0, isOurs: false, size: inGroup }])
  }

  /** Looks at everything; what has come to groups meanwhile is put down to those who asked for it first. */
  look(now: number): readonly PoolSight[] {
    for (const sight of this.sightsNow(now)) {
      for (const { id, group } of sight.members) {
        if (this.#seen.has(id)) continue
        this.#seen.add(id)
        const growth = group === undefined ? undefined : this.#growths.find((one) => one.group === group && one.left > 0)
        if (growth === undefined) continue
        growth.left -= 1
        this.#arrive(id, growth.lease, now)
      }
    }
    for (const [index, pool] of this.#scene.pools.entries()) {
      const isPending = pendingPods(this.#world, pool) > 0
      this.#pending[index] = isPending ? (this.#pending[index] ?? now) : undefined
      const last = this.#waits[index]?.at(-1)
      if (last?.untilMs === Number.POSITIVE_INFINITY && !isPending) last.untilMs = now
      else if (last?.untilMs !== Number.POSITIVE_INFINITY && isPending)
        this.#waits[index]?.push({ fromMs: now, untilMs: Number.POSITIVE_INFINITY })
    }
    const sights = this.sightsNow(now)
    for (const [index, { members, pods }] of sights.entries()) {
      const most = Math.max(0, ...members.map(({ nodeName = '' }) => pods.get(nodeName) ?? 0))
      if (this.#fullest[index]?.at(-1)?.pods !== most) this.#fullest[index]?.push({ atMs: now, pods: most })
    }
    return sights
  }

  #arrive(id: string, lease: string, atMs: number): void {
    this.#leaseOf.set(id, lease)
    this.#arrived.set(lease, [...(this.#arrived.get(lease) ?? []), { id, atMs }])
  }

  /** Nodes that have come under a lease by an instant. */
  arrivedOf(lease: string, atMs: number): readonly string[] {
    return (this.#arrived.get(lease) ?? []).filter((one) => one.atMs <= atMs).map(({ id }) => id)
  }

  /** Whether pods of a pool waited for a place at any time that somebody could have read it who looked between two instants. */
  wasPending(pool: number, fromMs: number, untilMs: number): boolean {
    return (this.#waits[pool] ?? []).some((wait) => wait.fromMs <= untilMs && wait.untilMs >= fromMs - keptForMs)
  }

  /** What pods ask for of the fullest node of a pool, in percent, at most, likewise. */
  mostRequested(pool: number, fromMs: number, untilMs: number): number {
    const all = this.#fullest[pool] ?? []
    const seen = all.filter(
      ({ atMs }, index) => atMs <= untilMs && (all[index + 1]?.atMs ?? Number.POSITIVE_INFINITY) >= fromMs - keptForMs,
    )
    return Math.max(0, ...seen.map(({ pods }) => pods)) * 30
  }

  /** How everything is, without putting anything down to anybody. */
  sightsNow(_now: number): readonly PoolSight[] {
    return this.#scene.pools.map((pool, index) => this.#sight(pool, index))
  }

  #sight(pool: SimPool, index: number): PoolSight {
    const cluster = this.#world.tke.clusters[pool.cluster]
    const group = cluster?.asGroups[pool.group]
    const machines = Object.values(this.#world.tke.machines).filter((machine) => isMember(machine, pool))
    const virtual = Object.values(cluster?.virtualNodePools[pool.nodePool]?.nodes ?? {})
    const members = [...machines.map((machine) => this.#ofMachine(machine)), ...virtual.map((node) => this.#ofVirtual(node))]
    const state = clusterOf(this.#world, pool.cluster)
    const pods = new Map<string, number>()
    for (const pod of listObjects(state, '', 'pods', 'default')) {
      const node = stringAt(pod, 'spec', 'nodeName')
      if (node !== undefined && isThere(pod)) pods.set(node, (pods.get(node) ?? 0) + 1)
    }
    const closed = listObjects(state, '', 'nodes').flatMap((node) =>
      node.spec !== undefined && isClosed(node) ? [node.metadata.name] : [],
    )
    const names = new Set(members.map(({ nodeName }) => nodeName))
    return {
      members,
      owed: this.#growths.filter((one) => one.group === pool.group).reduce((sum, { left }) => sum + left, 0),
      group: {
        id: pool.group,
        min: group?.minSize ?? 0,
        max: group?.maxSize ?? 0,
        desired: group?.desiredSize ?? 0,
        size: machines.filter(({ node }) => node?.asGroupId === pool.group).length,
        takenByOthers: this.#taken.get(pool.group) ?? 0,
      },
      pods,
      closed: closed.filter((name) => names.has(name)),
      pendingSinceMs: this.#pending[index],
    }
  }

  #ofMachine({ instanceId, node }: MachineState): SimNode {
    const isRunning = node?.state === 'running'
    return {
      id: instanceId,
      nodeName: isRunning ? node.nodeName : undefined,
      addedMs: node?.addedMs ?? 0,
      readyMs: isRunning ? node.readyAtMs : undefined,
      isFailed: node?.state === 'failed',
      isVirtual: false,
      group: node?.asGroupId ?? undefined,
      lease: this.#leaseOf.get(instanceId),
    }
  }

  #ofVirtual({ name, phase, createdMs, readyAtMs }: VirtualNodeState): SimNode {
    const isRunning = phase === 'Running' || phase === 'Drained'
    return {
      id: name,
      nodeName: isRunning ? name : undefined,
      addedMs: createdMs,
      readyMs: isRunning ? readyAtMs : undefined,
      isFailed: phase === 'Failed',
      isVirtual: true,
      group: undefined,
      lease: this.#leaseOf.get(name),
    }
  }

  /** Nodes that a call has added at once. */
  bought(ids: readonly string[], lease: string, atMs: number): void {
    for (const id of ids) {
      this.#seen.add(id)
      this.#arrive(id, lease, atMs)
    }
  }

  /** A group was asked for so many, which it buys in its own time. */
  askedGroup(group: string, nodes: number, lease: string, atMs: number): void {
    this.#growths.push({ group, lease, atMs, left: nodes })
  }

  /** A group was told to want fewer: what has not come of the newest growths will not. */
  calledOff(group: string, nodes: number): void {
    let left = nodes
    for (const growth of this.#growths.toReversed()) {
      if (growth.group !== group) continue
      const off = Math.min(left, growth.left)
      growth.left -= off
      left -= off
    }
  }

  taken(group: string): void {
    this.#taken.set(group, (this.#taken.get(group) ?? 0) + 1)
  }

  boundsSet(group: string, bounds: Omit<SetBounds, 'atMs' | 'isOurs'>, atMs: number, isOurs: boolean): void {
    this.#bounds.get(group)?.push({ ...bounds, atMs, isOurs })
  }

  /** The bounds of a group, one after the other. */
  boundsOf(group: string): readonly SetBounds[] {
    return this.#bounds.get(group) ?? []
  }

  /** Which leases of a group are on record and open now. */
  leased(group: string, open: readonly string[], atMs: number): void {
    const all = this.#leased.get(group) ?? []
    for (const one of all) if (one.untilMs === Number.POSITIVE_INFINITY && !open.includes(one.lease)) one.untilMs = atMs
    const known = new Set(all.filter(({ untilMs }) => untilMs === Number.POSITIVE_INFINITY).map(({ lease }) => lease))
    const begun = open.filter((lease) => !known.has(lease)).map((lease) => ({ lease, fromMs: atMs, untilMs: Number.POSITIVE_INFINITY }))
    this.#leased.set(group, [...all, ...begun])
  }

  /**
   * Whether a node was added under a lease. Of machines of a group nobody knows which one was bought for whom: those are ours that came
   * after we had first asked for some, or while a lease was on record, of which nobody can tell whether it was asked for.
   */
  isOurs({ lease, group, addedMs }: SimNode): boolean {
    if (lease !== undefined) return true
    if (group === undefined) return false
    if (this.#growths.some((one) => one.group === group && one.atMs <= addedMs)) return true
    return (this.#leased.get(group) ?? []).some(({ fromMs, untilMs }) => fromMs <= addedMs && addedMs <= untilMs)
  }

  /** Nodes that growths have asked a group for so far. */
  askedOf(group: string): number {
    return this.#growths.filter((one) => one.group === group).length
  }

  nodeOfPod(cluster: string, pod: string): string {
    const state = clusterOf(this.#world, cluster)
    return (
      stringAt(
        listObjects(state, '', 'pods', 'default').find(({ metadata }) => metadata.name === pod),
        'spec',
        'nodeName',
      ) ?? ''
    )
  }
}

function isMember({ node }: MachineState, pool: SimPool): boolean {
  if (node === null || node.clusterId !== pool.cluster) return false
  return node.asGroupId === pool.group || node.settings.labels.some(({ name, value }) => name === 'pool' && value === pool.name)
}

function isThere(pod: KubeObject): boolean {
  const phase = stringAt(pod, 'status', 'phase')
  return phase !== 'Succeeded' && phase !== 'Failed'
}

function isClosed(node: KubeObject): boolean {
  return JSON.stringify(node.spec).includes('"unschedulable":true')
}

/** Pods of a pool for which the scheduler found no place. */
function pendingPods(world: World, pool: SimPool): number {
  return listObjects(clusterOf(world, pool.cluster), '', 'pods', 'default').filter(
    (pod) =>
      pod.metadata.labels?.app === `load-${pool.name}` &&
      pod.metadata.deletionTimestamp === undefined &&
      stringAt(pod, 'status', 'phase') === 'Pending' &&
      stringAt(pod, 'spec', 'nodeName') === undefined &&
      listAt(pod, 'status', 'conditions').some((one) => stringAt(one, 'type') === 'PodScheduled' && stringAt(one, 'status') === 'False'),
  ).length
}
