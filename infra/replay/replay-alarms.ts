import type { HeardAlarm } from '#functions/alarm-scaler/alarm-history.ts'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { type Episode, fold } from '#functions/alarm-scaler/episode.ts'
import type { Policy, Settings } from '#functions/alarm-scaler/event.ts'
import { isOpen } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import { clusterOf, isFor, policiesOf, poolsFor, regionOf } from '#functions/alarm-scaler/policy.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { type PoolAssumptions, SimulatedPool } from './simulated-pool.ts'

export interface ReplayOrder {
  readonly config: FunctionConfig<Settings>
  /** Oldest first. */
  readonly alarms: readonly HeardAlarm[]
  readonly fromMs: number
  readonly untilMs: number
  readonly assumptions: PoolAssumptions
  /** How often an alarm that fires is taken to be heard again. */
  readonly repeatMs: number
}

/** What was done, or why nothing was; what repeats is there once. */
export interface ReplayEntry {
  readonly atMs: number
  readonly verdict: AlarmStep['verdict']
  /** Of a change. */
  readonly kind?: AlarmChange['kind'] | undefined
  /** Nodes that come (positive) or go. */
  readonly nodes: number
  readonly code: string
  readonly text: string
}

export interface ReplayedPool {
  readonly pool: string
  readonly cluster: string
  /** Nodes over time: one point for the beginning and one for each change. */
  readonly points: readonly { readonly atMs: number; readonly nodes: number }[]
  readonly peak: number
  readonly added: number
  readonly removed: number
  /** Hours of the nodes that were added, until the end of the period. */
  readonly addedHours: number
  readonly entries: readonly ReplayEntry[]
}

export interface Replay {
  readonly pools: readonly ReplayedPool[]
  /** Alarms that began in the period, and how many of them a policy is for. */
  readonly episodes: { readonly heard: number; readonly matched: number }
  /** Why nodes were not added, by reason, and in how many cases. */
  readonly refusals: readonly { readonly code: string; readonly count: number; readonly text: string }[]
}

const minuteMs = 60_000
const hourMs = 3_600_000

/** What keeps nothing from being added that anybody wanted. */
const quiet: ReadonlySet<string> = new Set(['no-policy', 'stale-episode'])

/**
 * Runs alarms through policies with the plan that decides in earnest: a look at every message, and one a minute as long as an alarm fires
 * or a lease is open. Policies decide as in mode `enforce`, whatever mode they are in. An alarm is heard again and again until it is said to
 * be over. Pure, apart from the pools that it makes; the same order comes to the same.
 */
export function replayAlarms(order: ReplayOrder): Replay {
  const { alarms, fromMs, untilMs, assumptions, repeatMs } = order
  const config = enforcing(order.config)
  const pools = config.settings.pools.flatMap((settings) => {
    const cluster = clusterOf(settings, config)
    if (cluster === undefined) return []
    const around = { ...assumptions, cluster, region: regionOf(cluster, config), sinceMs: fromMs }
    return [new RecordedPool(new SimulatedPool(settings, policiesOf(settings.name, config.settings), around), cluster, fromMs)]
  })
  const episodes = new Map<string, Episode>()
  const seen = { heard: new Set<string>(), matched: new Set<string>() }
  const waiting = alarms.filter(({ atMs }) => atMs < untilMs)
  let next = 0
  for (let now = Math.min(fromMs, waiting[0]?.atMs ?? fromMs); now < untilMs; ) {
    for (let one = waiting[next]; one !== undefined && one.atMs <= now; one = waiting[next]) {
      next += 1
      const key = JSON.stringify([one.alert.source, one.alert.key])
      const { episode, came } = fold(episodes.get(key), one.alert, one.atMs)
      if (episode === undefined) continue
      episodes.set(key, episode)
      if (came !== 'opened' && came !== 'reopened') continue
      seen.heard.add(episode.id)
      if (poolsFor([episode], config).length > 0) seen.matched.add(episode.id)
    }
    for (const [key, episode] of episodes) episodes.set(key, heardAgain(episode, now, repeatMs))
    if (now >= fromMs) for (const pool of pools) pool.look(now, [...episodes.values()], config)
    const isGoingOn = pools.some((pool) => pool.isBusy) || [...episodes.values()].some(({ state }) => state === 'firing')
    const nextAlarmMs = waiting[next]?.atMs ?? untilMs
    // Ticks come at whole minutes.
    const nextTickMs = isGoingOn ? (Math.floor(now / minuteMs) + 1) * minuteMs : untilMs
    now = Math.max(now + 1, Math.min(nextAlarmMs, nextTickMs, untilMs))
  }
  const refusals = Map.groupBy(
    pools.flatMap((pool) => pool.refusals),
    ({ code }) => code,
  )
  return {
    pools: pools.map((pool) => pool.result(untilMs)),
    episodes: { heard: seen.heard.size, matched: seen.matched.size },
    refusals: [...refusals]
      .map(([code, all]) => ({ code, count: all.length, text: all.at(-1)?.text ?? '' }))
      .toSorted((one, other) => other.count - one.count || (one.code < other.code ? -1 : 1)),
  }
}

function heardAgain(episode: Episode, now: number, repeatMs: number): Episode {
  const { state, lastHeardMs } = episode
  if (state !== 'firing' || now - lastHeardMs < repeatMs) return episode
  return { ...episode, lastHeardMs: now - ((now - lastHeardMs) % repeatMs) }
}

/** A policy that only observes or suggests is tried as if somebody had always agreed at once. */
function enforcing(config: FunctionConfig<Settings>): FunctionConfig<Settings> {
  const { settings } = config
  return {
    ...config,
    mode: 'enforce',
    settings: { ...settings, policies: settings.policies.map((policy): Policy => ({ ...policy, mode: 'enforce' })) },
  }
}

/** A simulated pool, and what has become of it. */
class RecordedPool {
  readonly #pool: SimulatedPool
  readonly #cluster: string
  readonly #points: { atMs: number; nodes: number }[]
  readonly #entries: ReplayEntry[] = []
  /** What is said again and again is one case: by target, code and what there is. */
  readonly #told = new Map<string, ReplayEntry>()
  readonly #added: { readonly atMs: number; readonly nodes: number }[] = []
  #removed = 0
  #removedHoursMs = 0

  constructor(pool: SimulatedPool, cluster: string, fromMs: number) {
    this.#pool = pool
    this.#cluster = cluster
    this.#points = [{ atMs: fromMs, nodes: pool.size }]
  }

  get isBusy(): boolean {
    return this.#pool.record?.leases.some(isOpen) === true
  }

  get refusals(): readonly ReplayEntry[] {
    return [...this.#told.values()].filter(({ verdict, code }) => (verdict === 'held' || verdict === 'skipped') && !quiet.has(code))
  }

  look(now: number, episodes: readonly Episode[], config: FunctionConfig<Settings>): void {
    const firing = episodes.filter(({ state }) => state === 'firing')
    const view = this.#pool.view(now, (policy) => firing.some((episode) => isFor(policy, episode, this.#cluster, config)))
    const policies = policiesOf(this.#pool.name, config.settings)
    const own = episodes.filter((episode) => policies.some((policy) => isFor(policy, episode, this.#cluster, config)))
    if (own.length === 0 && !this.isBusy) return
    for (const step of plan({ episodes: own, pools: [view], approvals: [] }, config, now)) this.#take(step, now)
  }

  #take(step: AlarmStep, now: number): void {
    const { verdict, reason, target } = step
    if (verdict !== 'change') {
      const entry = { atMs: now, verdict, nodes: 0, ...reason }
      const told = JSON.stringify([target, reason.code, step.key])
      if (!this.#told.has(told)) {
        this.#told.set(told, entry)
        if (verdict !== 'no-change' && !quiet.has(reason.code)) this.#entries.push(entry)
      }
      return
    }
    const before = this.#pool.size
    const misfit = this.#pool.carryOut(step.change, step.key, now)
    if (misfit !== undefined) {
      this.#entries.push({ atMs: now, verdict: 'held', nodes: 0, code: 'world-changed', text: misfit })
      return
    }
    const nodes = this.#pool.size - before
    if (nodes !== 0) this.#points.push({ atMs: now, nodes: this.#pool.size })
    if (nodes > 0) this.#added.push({ atMs: now, nodes })
    if (nodes < 0) {
      this.#removed -= nodes
      this.#removedHoursMs += -nodes * now
    }
    this.#entries.push({ atMs: now, verdict, kind: step.change.kind, nodes, ...reason })
  }

  result(untilMs: number): ReplayedPool {
    const added = this.#added.reduce((sum, { nodes }) => sum + nodes, 0)
    const boughtMs = this.#added.reduce((sum, { atMs, nodes }) => sum + nodes * atMs, 0)
    // Each node that was added and is not gone lasts until the end.
    const endMs = this.#removedHoursMs + (added - this.#removed) * untilMs
    return {
      pool: this.#pool.name,
      cluster: this.#cluster,
      points: this.#points,
      peak: Math.max(...this.#points.map(({ nodes }) => nodes)),
      added,
      removed: this.#removed,
      addedHours: (endMs - boughtMs) / hourMs,
      entries: this.#entries,
    }
  }
}
