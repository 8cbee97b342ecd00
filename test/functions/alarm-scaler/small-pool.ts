import * as z from 'zod/mini'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { type Episode, fold } from '#functions/alarm-scaler/episode.ts'
import { type AlarmConfig, Settings } from '#functions/alarm-scaler/event.ts'
import type { Lease, PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import { recordAfter, recordAnswered } from '#functions/alarm-scaler/record-after.ts'
import type { Approval, Observed, PoolNode, PoolView } from '#functions/alarm-scaler/view.ts'

export const noon = Date.parse('2026-11-24T12:00:00.000Z')
export const minute = 60_000
export const hour = 60 * minute

export type Doc = Readonly<Record<string, unknown>>

const group = { kind: 'scaling-group', group: 'asg-1', bounds: { min: 1, max: 10 }, cores: 4 }

/** One policy that grows a scaling group by 1, 2 or 4, and may do so again after five minutes. */
export function policyDoc(more: Doc = {}): Doc {
  return {
    name: 'busy',
    match: { alert: 'HighCpu' },
    pool: 'workers',
    mode: 'enforce',
    confirm: [{ requests: { cpuPercentAbove: 60 } }],
    steps: [
      { from: 0, add: 1 },
      { from: 10, add: 2 },
      { from: 20, add: 4 },
    ],
    mechanisms: [group],
    ...more,
  }
}

export interface ConfigDocs {
  readonly policies?: readonly Doc[]
  readonly pool?: Doc
  readonly more?: Doc
}

export function config({ policies = [policyDoc()], pool = {}, more = {} }: ConfigDocs = {}): AlarmConfig {
  const settings = z.parse(Settings, {
    sources: { am: { kind: 'alertmanager' } },
    pools: [{ name: 'workers', cluster: 'cls-1', group: 'asg-1', max: 20, ...pool }],
    policies,
    ...more,
  })
  return { clusters: [{ id: 'cls-1', name: 'shop' }, { id: 'cls-2' }], region: 'ap-guangzhou', settings }
}

export const resources = { cpuMilli: 4000, memoryBytes: 8e9 }

export function node(id: string, more: Partial<PoolNode> = {}): PoolNode {
  return {
    instanceId: id,
    nodeName: `node-${id}`,
    state: 'running',
    addedAtMs: noon - 24 * hour,
    isReady: true,
    readySinceMs: noon - 24 * hour,
    unschedulable: false,
    isKept: false,
    groupId: 'asg-1',
    cores: 4,
    allocatable: resources,
    requested: { cpuMilli: 3000, memoryBytes: 1e9 },
    podCount: 3,
    blockers: [],
    ...more,
  }
}

export function view(more: Partial<PoolView> = {}): PoolView {
  const nodes = more.nodes ?? [node('ins-a'), node('ins-b')]
  return {
    cluster: 'cls-1',
    region: 'ap-guangzhou',
    pool: 'workers',
    nodes,
    pendingPods: 0,
    groups: [
      {
        id: 'asg-1',
        status: 'enabled',
        size: nodes.filter(({ groupId }) => groupId === 'asg-1').length,
        bounds: { min: 1, max: 10, source: 'settings' },
      },
    ],
    virtualPools: [],
    spares: [],
    clusterNodes: nodes.length,
    comingElsewhere: 0,
    quota: { maxNodes: 100 },
    subnets: [],
    licence: { overage: 'ok', freeCores: 'unlimited', takenElsewhere: 0 },
    readings: [],
    ...more,
  }
}

/** An alarm that fires since noon with 85 % over 80 %. */
export function episode(more: Partial<Episode> = {}): Episode {
  return {
    format: 1,
    id: 'ep-1',
    source: 'am',
    kind: 'alertmanager',
    key: 'series-1',
    name: 'HighCpu',
    labels: {},
    state: 'firing',
    startedAtMs: noon,
    firstHeardMs: noon,
    lastHeardMs: noon,
    value: 85,
    threshold: 80,
    deliveries: 1,
    ...more,
  }
}

export function observed(more: Partial<Observed> = {}): Observed {
  return { episodes: [episode()], pools: [view()], approvals: [], ...more }
}

/** The step about the growth of the pool, or of what stands in its way. */
export function codes(steps: readonly AlarmStep[]): readonly string[] {
  return steps.map(({ verdict, reason }) => `${verdict} ${reason.code}`)
}

export function change<K extends AlarmChange['kind']>(steps: readonly AlarmStep[], kind: K): Extract<AlarmChange, { readonly kind: K }>[] {
  return steps.flatMap((step) =>
    step.verdict === 'change' && step.change.kind === kind ? [step.change as Extract<AlarmChange, { readonly kind: K }>] : [],
  )
}

/** How a small pool behaves. */
export interface PoolHabits {
  /** Time until a machine that the group buys is there, and until it is ready. */
  readonly buyMs: number
  readonly bootMs: number
  /** Machines that never become ready, by their number. */
  readonly broken: ReadonlySet<number>
  /** The group can buy no more than so many machines in all. */
  readonly stock: number
  /** Nodes whose pods a budget keeps. */
  readonly blocked: ReadonlySet<string>
  /** Requested cores of the whole pool, thousandths. */
  readonly loadMilli: number
}

const habits: PoolHabits = { buyMs: minute, bootMs: minute, broken: new Set(), stock: 1000, blocked: new Set(), loadMilli: 6000 }

interface Machine {
  readonly instanceId: string
  readonly addedAtMs: number
  readyAtMs: number | undefined
  unschedulable: boolean
  isEmpty: boolean
  isKept: boolean
  leaseId?: string
  drainedFor?: string
}

/**
 * A pool with one scaling group that does what steps say, with a ledger that does nothing twice: enough of the platform to follow plans
 * over hours without any I/O.
 */
export class SmallPool {
  now = noon
  record: PoolRecord | undefined
  episodes: Episode[] = []
  approvals: Approval[] = []
  pendingPods = 0
  bounds = { min: 1, max: 10 }
  wanted = 2
  habits: PoolHabits
  /** Every change that was carried out, oldest first. */
  readonly done: { readonly atMs: number; readonly step: AlarmStep & { readonly verdict: 'change' } }[] = []
  /** Machines that were given back. */
  readonly removed: string[] = []
  bought = 0
  readonly config: AlarmConfig
  /** Calls by which nodes are asked for: lost before they arrive, or their answer lost. */
  fault: 'none' | 'lost-before' | 'lost-after' = 'none'
  #machines: Machine[]
  readonly #keys = new Set<string>()
  #nextBuyMs: number | undefined
  #serial = 0

  constructor(settings: AlarmConfig = config(), more: Partial<PoolHabits> = {}) {
    this.config = settings
    this.habits = { ...habits, ...more }
    this.#machines = ['ins-a', 'ins-b'].map((instanceId) => ({
      instanceId,
      addedAtMs: noon - 24 * hour,
      readyAtMs: noon - 24 * hour,
      unschedulable: false,
      isEmpty: false,
      isKept: false,
    }))
  }

  /** Hears that an alarm fires or is over, as the webhook and its queue would. */
  hear(
    state: 'firing' | 'resolved' | 'no-data',
    more: { readonly startedAtMs?: number; readonly value?: number; readonly key?: string } = {},
  ): string {
    const { startedAtMs = noon, value = 85, key = 'series-1' } = more
    const facts = { source: 'am', kind: 'alertmanager', key, name: 'HighCpu', labels: {}, value, threshold: 80 } as const
    const alert =
      state === 'firing'
        ? { ...facts, state, startedAtMs }
        : state === 'resolved'
          ? { ...facts, state, startedAtMs, endedAtMs: this.now }
          : { ...facts, state, startedAtMs: this.now }
    const known = this.episodes.find((one) => one.key === key)
    const folded = fold(known, alert, this.now)
    if (folded.episode !== undefined) this.episodes = [...this.episodes.filter((one) => one.key !== key), folded.episode]
    return folded.came
  }

  get leases(): readonly Lease[] {
    return this.record?.leases ?? []
  }

  get size(): number {
    return this.#machines.length
  }

  view(): PoolView {
    const ready = this.#machines.filter(
      ({ readyAtMs, unschedulable }) => readyAtMs !== undefined && readyAtMs <= this.now && !unschedulable,
    ).length
    const nodes = this.#machines.map((machine): PoolNode => {
      const isReady = machine.readyAtMs !== undefined && machine.readyAtMs <= this.now
      return node(machine.instanceId, {
        ...(isReady ? {} : { nodeName: undefined }),
        state: isReady ? 'running' : 'initializing',
        addedAtMs: machine.addedAtMs,
        isReady,
        readySinceMs: isReady ? machine.readyAtMs : undefined,
        unschedulable: machine.unschedulable,
        isKept: machine.isKept,
        leaseId: machine.leaseId,
        drainedFor: machine.drainedFor,
        requested: { cpuMilli: isReady && !machine.unschedulable ? this.habits.loadMilli / Math.max(1, ready) : 0, memoryBytes: 1e9 },
        podCount: machine.isEmpty || !isReady ? 0 : 3,
        blockers: this.habits.blocked.has(machine.instanceId) ? [{ pod: 'default/db-0', why: 'the budget default/db lets no pod go' }] : [],
      })
    })
    return view({
      nodes,
      pendingPods: this.pendingPods,
      ...(this.record === undefined ? {} : { record: { value: this.record, resourceVersion: '1' } }),
    })
  }

  observed(): Observed {
    return { episodes: this.episodes, pools: [this.view()], approvals: this.approvals }
  }

  plan(): AlarmStep[] {
    return plan(this.observed(), this.config, this.now)
  }

  /** One look: what the plan says is done. */
  look(): AlarmStep[] {
    const steps = this.plan()
    for (const step of steps) this.carry(step)
    return steps
  }

  /** Looks every minute for so long. */
  run(forMs: number, everyMs = minute): AlarmStep[] {
    const steps: AlarmStep[] = []
    for (let passed = 0; passed < forMs; passed += everyMs) {
      this.advance(everyMs)
      steps.push(...this.look())
    }
    return steps
  }

  /** What changes by itself. */
  advance(byMs: number): void {
    this.now += byMs
    this.wanted = Math.min(this.bounds.max, Math.max(this.bounds.min, this.wanted))
    if (this.#machines.length < this.wanted) {
      this.#nextBuyMs ??= this.now - byMs + this.habits.buyMs
      if (this.now >= this.#nextBuyMs) {
        while (this.#machines.length < this.wanted && this.bought < this.habits.stock) this.#buy(this.#nextBuyMs)
        this.#nextBuyMs = undefined
      }
    } else this.#nextBuyMs = undefined
    // A group whose ceiling is below its size chooses by itself what goes: nobody wants that.
    if (this.#machines.length > this.bounds.max) this.#machines = this.#machines.slice(this.#machines.length - this.bounds.max)
  }

  #buy(atMs: number): void {
    this.#serial += 1
    this.bought += 1
    const readyAtMs = this.habits.broken.has(this.#serial) ? undefined : atMs + this.habits.bootMs
    this.#machines.push({
      instanceId: `ins-${this.#serial}`,
      addedAtMs: atMs,
      readyAtMs,
      unschedulable: false,
      isEmpty: false,
      isKept: false,
    })
  }

  /** Somebody else takes a machine away, such as the cluster autoscaler. */
  take(instanceId: string): void {
    this.#machines = this.#machines.filter((machine) => machine.instanceId !== instanceId)
    this.wanted = Math.max(this.bounds.min, this.wanted - 1)
  }

  /** Somebody opens a node, and pods come to it. */
  open(instanceId: string): void {
    for (const machine of this.#machines)
      if (machine.instanceId === instanceId) Object.assign(machine, { unschedulable: false, isEmpty: false })
  }

  /** Carries a step out, unless it was before or does not fit any more. */
  carry(step: AlarmStep): void {
    if (step.verdict !== 'change' || this.#keys.has(step.key)) return
    const { change: what, key } = step
    const after = recordAfter(what, this.record, key, this.now)
    if ('misfit' in after) return
    // As `applyRemove` has it: the group would buy another one.
    if (what.kind === 'remove' && !what.force && what.group !== undefined && this.size <= this.bounds.min) return
    this.record = after.record
    this.done.push({ atMs: this.now, step })
    if (what.kind === 'grow' && this.fault === 'lost-before') return
    this.#effect(what)
    if (what.kind === 'grow' && this.fault === 'lost-after') return
    if (what.kind === 'grow') {
      const answered = recordAnswered(this.record, what.lease.id, { kind: 'accepted', instanceIds: [] }, this.now)
      if (!('misfit' in answered)) this.record = answered.record
    }
    this.#keys.add(key)
  }

  #effect(what: AlarmChange): void {
    const machine = 'instanceId' in what ? this.#machines.find(({ instanceId }) => instanceId === what.instanceId) : undefined
    switch (what.kind) {
      case 'grow':
        if (what.lease.bounds !== undefined) this.bounds = { ...what.lease.bounds }
        this.wanted = Math.min(this.bounds.max, Math.max(this.bounds.min, this.wanted))
        break
      case 'restore-bounds':
        this.bounds = { ...what.to }
        this.wanted = Math.min(this.bounds.max, Math.max(this.bounds.min, this.wanted))
        break
      case 'track':
        for (const one of this.#machines) {
          if (!what.mark.includes(`node-${one.instanceId}`)) continue
          one.isKept = true
          one.leaseId = what.leaseId
        }
        break
      case 'drain':
        if (machine === undefined) break
        machine.unschedulable = true
        machine.drainedFor = what.leaseId
        machine.isEmpty = !this.habits.blocked.has(what.instanceId)
        break
      case 'stop-recovery':
        for (const one of this.#machines) {
          if (!what.nodes.some(({ instanceId }) => instanceId === one.instanceId)) continue
          one.unschedulable = false
          one.isEmpty = false
          delete one.drainedFor
        }
        break
      case 'remove':
        this.#machines = this.#machines.filter(({ instanceId }) => instanceId !== what.instanceId)
        this.removed.push(what.instanceId)
        this.wanted = Math.max(this.bounds.min, this.wanted - 1)
        break
      default:
        break
    }
  }
}
