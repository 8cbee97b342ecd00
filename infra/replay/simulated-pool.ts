import type { AlarmChange, GrowChange } from '#functions/alarm-scaler/change.ts'
import { largestGroup, type Policy, type PoolSettings } from '#functions/alarm-scaler/event.ts'
import type { PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { queryOf } from '#functions/alarm-scaler/policy.ts'
import { recordAfter, recordAnswered } from '#functions/alarm-scaler/record-after.ts'
import type { PoolNode, PoolView, Reading, Resources } from '#functions/alarm-scaler/view.ts'

/** What is taken for granted of a pool that nobody looks at. */
export interface PoolAssumptions {
  /** Nodes in service at the beginning. */
  readonly nodes: number
  /** From the purchase of a node until it is ready. */
  readonly readyMs: number
  /** Cores of every node. */
  readonly cores: number
}

interface SimulatedNode {
  readonly instanceId: string
  readonly addedAtMs: number
  readonly readyAtMs: number
  readonly groupId?: string | undefined
  readonly virtualPoolId?: string | undefined
  leaseId?: string | undefined
  isKept: boolean
  unschedulable: boolean
}

const gibBytes = 1024 ** 3
/** Since when the first nodes are there: in service by any warm-up. */
const longAgoMs = 400 * 86_400_000

/**
 * A pool as the plan sees it and as its changes leave it: mechanisms always give what they are asked for, nodes become ready after a
 * while, and a node that is drained is empty at once. What the alarms say is true for as long as they fire: as long as a policy's alarm
 * does, all that could confirm it does, and afterwards nothing does.
 */
export class SimulatedPool {
  readonly #settings: PoolSettings
  readonly #policies: readonly Policy[]
  readonly #assumptions: PoolAssumptions
  readonly #place: { readonly cluster: string; readonly region: string }
  readonly #nodes = new Map<string, SimulatedNode>()
  readonly #groups = new Map<string, { min: number; max: number }>()
  #record: PoolRecord | undefined
  #version = 0
  #bought = 0

  constructor(
    settings: PoolSettings,
    policies: readonly Policy[],
    around: PoolAssumptions & { readonly cluster: string; readonly region: string; readonly sinceMs: number },
  ) {
    this.#settings = settings
    this.#policies = policies
    this.#assumptions = around
    this.#place = { cluster: around.cluster, region: around.region }
    const home = settings.group ?? this.#groupsNamed()[0]
    const virtualPoolId = settings.virtual
    for (let count = 0; count < around.nodes; count += 1) {
      this.#add(around.sinceMs - longAgoMs, around.readyMs, virtualPoolId === undefined ? { groupId: home } : { virtualPoolId })
    }
    for (const group of this.#groupsNamed()) {
      const size = this.#membersOf(group).length
      this.#groups.set(group, this.#boundsGiven(group) ?? { min: size, max: largestGroup })
    }
  }

  get name(): string {
    return this.#settings.name
  }

  get record(): PoolRecord | undefined {
    return this.#record
  }

  /** Nodes that are there, ready or not. */
  get size(): number {
    return this.#nodes.size
  }

  /** When the next of its nodes becomes ready. */
  nextReadyMs(now: number): number | undefined {
    const times = [...this.#nodes.values()].map(({ readyAtMs }) => readyAtMs).filter((readyAtMs) => readyAtMs > now)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** What a look at it would see. `isUnderAlarm` says whether an alarm of a policy fires now. */
  view(now: number, isUnderAlarm: (policy: Policy) => boolean): PoolView {
    const isUnderAny = this.#policies.some(isUnderAlarm)
    const nodes = [...this.#nodes.values()]
    return {
      ...this.#place,
      pool: this.name,
      ...(this.#record === undefined ? {} : { record: { value: this.#record, resourceVersion: String(this.#version) } }),
      nodes: nodes.map((node) => this.#nodeView(node, now, isUnderAny)),
      pendingPods: isUnderAny
        ? Math.max(1, ...this.#policies.flatMap(({ confirm }) => confirm.map((one) => one.pendingPods?.atLeast ?? 0)))
        : 0,
      groups: [...this.#groups].map(([id, { min, max }]) => {
        const size = this.#membersOf(id).length
        return { id, status: 'enabled', size, wanted: size, bounds: { min, max, source: 'settings' }, cores: this.#assumptions.cores }
      }),
      virtualPools: this.#policies.flatMap(({ mechanisms }) =>
        mechanisms.flatMap((one) => (one.kind === 'virtual-nodes' ? [{ id: one.nodePool, state: 'normal', subnets: one.subnets }] : [])),
      ),
      spares: this.#spares(),
      clusterNodes: nodes.length,
      comingElsewhere: 0,
      quota: { maxNodes: 10_000 },
      subnets: [],
      licence: { overage: 'ok', freeCores: 'unlimited', takenElsewhere: 0 },
      readings: this.#policies.flatMap((policy) => readingsOf(policy, isUnderAlarm(policy))),
    }
  }

  /** Lets a change happen. Answers why it does not fit the pool any more, where it does not. */
  carryOut(change: AlarmChange, key: string, now: number): string | undefined {
    const after = recordAfter(change, this.#record, key, now)
    if ('misfit' in after) return after.misfit.text
    this.#keep(after.record)
    switch (change.kind) {
      case 'grow':
        return this.#grow(change, now)
      case 'track':
        for (const id of change.mark) this.#mark(id, change.leaseId)
        return undefined
      case 'drain':
        this.#cordon(change.instanceId, true)
        return undefined
      case 'stop-recovery':
        for (const { instanceId } of change.nodes) this.#cordon(instanceId, false)
        return undefined
      case 'remove':
        this.#nodes.delete(change.instanceId)
        return undefined
      case 'restore-bounds':
        this.#groups.set(change.group, { ...change.to })
        return undefined
      case 'recover':
      case 'reclaim':
      case 'extend':
      case 'release':
      case 'close':
        return undefined
    }
  }

  #grow({ lease }: GrowChange, now: number): string | undefined {
    const { group, nodePool, subnets = [], instanceIds: chosen = [] } = lease.mechanism
    const buy = (count: number, where: { readonly groupId?: string; readonly virtualPoolId?: string }): string[] =>
      Array.from({ length: count }, () => this.#add(now, this.#assumptions.readyMs, where))
    let named: readonly string[] = []
    switch (lease.mechanism.kind) {
      case 'scaling-group': {
        if (group === undefined || lease.bounds === undefined) return `the lease ${lease.id} names no group and bounds`
        this.#groups.set(group, { ...lease.bounds })
        buy(Math.max(0, lease.bounds.min - this.#membersOf(group).length), { groupId: group })
        break
      }
      case 'new-instances':
        named = buy(lease.wanted, {})
        break
      case 'virtual-nodes':
        named = buy(subnets.length, nodePool === undefined ? {} : { virtualPoolId: nodePool })
        break
      case 'existing-instances':
        for (const id of chosen) this.#nodes.set(id, this.#node(id, now, this.#assumptions.readyMs, {}))
        named = chosen
        break
    }
    if (this.#record === undefined) return undefined
    const answered = recordAnswered(this.#record, lease.id, { kind: 'accepted', instanceIds: named }, now)
    if ('misfit' in answered) return answered.misfit.text
    this.#keep(answered.record)
    return undefined
  }

  #keep(record: PoolRecord): void {
    this.#record = record
    this.#version += 1
  }

  #add(addedAtMs: number, readyMs: number, where: { readonly groupId?: string | undefined; readonly virtualPoolId?: string }): string {
    this.#bought += 1
    const id = `ins-${String(this.#bought).padStart(4, '0')}`
    this.#nodes.set(id, this.#node(id, addedAtMs, readyMs, where))
    return id
  }

  #node(
    instanceId: string,
    addedAtMs: number,
    readyMs: number,
    { groupId, virtualPoolId }: { readonly groupId?: string | undefined; readonly virtualPoolId?: string },
  ): SimulatedNode {
    return { instanceId, addedAtMs, readyAtMs: addedAtMs + readyMs, groupId, virtualPoolId, isKept: false, unschedulable: false }
  }

  #mark(instanceId: string, leaseId: string): void {
    const node = this.#nodes.get(instanceId)
    if (node === undefined) return
    node.leaseId = leaseId
    node.isKept = true
  }

  #cordon(instanceId: string, isCordoned: boolean): void {
    const node = this.#nodes.get(instanceId)
    if (node !== undefined) node.unschedulable = isCordoned
  }

  #membersOf(group: string): readonly SimulatedNode[] {
    return [...this.#nodes.values()].filter(({ groupId }) => groupId === group)
  }

  #boundsGiven(group: string): { min: number; max: number } | undefined {
    const given = this.#policies.flatMap(({ mechanisms }) =>
      mechanisms.flatMap((one) => (one.kind === 'scaling-group' && one.group === group && one.bounds !== undefined ? [one.bounds] : [])),
    )
    return given.map(({ min, max }) => ({ min, max }))[0]
  }

  #groupsNamed(): readonly string[] {
    const grown = this.#policies.flatMap(({ mechanisms }) => mechanisms.flatMap((one) => (one.kind === 'scaling-group' ? [one.group] : [])))
    return [...new Set([...(this.#settings.group === undefined ? [] : [this.#settings.group]), ...grown])]
  }

  /** As many machines that may join as a policy can ask for, under names that its globs fit. */
  #spares(): PoolView['spares'] {
    const chains = this.#policies.flatMap(({ mechanisms }) =>
      mechanisms.flatMap((one) => (one.kind === 'existing-instances' ? one.names : [])),
    )
    return chains.flatMap(({ pattern }, chain) => {
      const name = pattern.replaceAll(/[*?]/g, 'x')
      return Array.from({ length: this.#settings.max }, (_, index) => `ins-spare-${chain + 1}-${index + 1}`)
        .filter((instanceId) => !this.#nodes.has(instanceId))
        .map((instanceId) => ({ instanceId, name, cores: this.#assumptions.cores, obstacle: '' }))
    })
  }

  #nodeView(node: SimulatedNode, now: number, isUnderAlarm: boolean): PoolNode {
    const { instanceId, addedAtMs, readyAtMs, groupId, virtualPoolId, leaseId, isKept, unschedulable } = node
    const isReady = readyAtMs <= now
    const allocatable: Resources = { cpuMilli: this.#assumptions.cores * 1000, memoryBytes: this.#assumptions.cores * 4 * gibBytes }
    const isLoaded = isReady && isUnderAlarm && !unschedulable
    return {
      instanceId,
      ...(isReady ? { nodeName: instanceId, readySinceMs: readyAtMs } : {}),
      state: isReady ? 'running' : 'initializing',
      addedAtMs,
      isReady,
      unschedulable,
      isKept,
      ...(groupId === undefined ? {} : { groupId }),
      ...(virtualPoolId === undefined ? {} : { virtualPoolId }),
      ...(leaseId === undefined ? {} : { leaseId }),
      cores: this.#assumptions.cores,
      allocatable,
      requested: isLoaded ? allocatable : { cpuMilli: 0, memoryBytes: 0 },
      podCount: isLoaded ? 1 : 0,
      blockers: [],
    }
  }
}

/** Answers to a policy's queries: on the bad side of their limits while its alarm fires, on the good side otherwise. */
function readingsOf({ confirm }: Policy, isUnderAlarm: boolean): readonly Reading[] {
  return confirm.flatMap(({ prometheus }) => {
    if (prometheus === undefined) return []
    const { name } = queryOf(prometheus)
    const { above, below } = prometheus
    const far = 1 + Math.abs(above ?? below ?? 0)
    if (above !== undefined) return [{ name, value: isUnderAlarm ? above + far : above - far }]
    return below === undefined ? [] : [{ name, value: isUnderAlarm ? below - far : below + far }]
  })
}
