import { type EffectFacts, Facts, type RunFacts } from '../check/facts.ts'
import type { HappeningOf } from '../history.ts'
import type { AlarmEffect } from './alarm-effect.ts'
import { type AlarmContent, markOfContent } from './alarm-messages.ts'
import type { SimPolicy } from './alarm-policies.ts'
import type { AlarmScene, SimEpisode, SimSeries } from './alarm-scene.ts'
import type { SimulatedAlarm } from './alarm-simulation.ts'
import type { AlarmWorld } from './alarm-world.ts'
import { leasesOf, type SimLease } from './pool-records.ts'

/** An effect of the alarm-scaler with what belongs to it. */
export interface AlarmStep extends EffectFacts {
  readonly alarm: AlarmEffect
  readonly run: RunFacts | undefined
  /** When its run began and when it had planned; when it was written, where that is not known. */
  readonly beganMs: number
  readonly plannedMs: number
}

/** What was said of a series, and what became of that. */
export interface Heard {
  readonly content: AlarmContent
  /** Place and time at which a message that says so was first, and last, made durable. */
  readonly takenPlace: number
  readonly lastTakenMs: number
  /** From there on somebody has worked it off. */
  readonly donePlace: number
}

/** A history of the alarm-scaler, put in order. */
export class AlarmFacts extends Facts {
  declare readonly simulated: SimulatedAlarm
  readonly world: AlarmWorld
  readonly scene: AlarmScene
  readonly steps: readonly AlarmStep[]
  readonly grown: readonly AlarmStep[]
  readonly heard: readonly Heard[]
  readonly alarmDeeds: readonly (readonly [place: number, HappeningOf<'alarm-deed'>])[]

  constructor(simulated: SimulatedAlarm) {
    super(simulated)
    this.world = simulated.world
    this.scene = simulated.scene
    this.alarmDeeds = this.of('alarm-deed')
    this.steps = this.effects.flatMap((effect) => this.#stepOf(effect))
    this.grown = this.steps.filter(({ alarm }) => alarm.kind === 'grow')
    this.heard = this.#heard()
  }

  #stepOf(effect: EffectFacts): readonly AlarmStep[] {
    const { alarm } = effect.effect
    if (alarm === undefined) return []
    const run = this.runs.get(effect.effect.owner)
    const atOf = (place: number | undefined): number => this.all[place ?? effect.place]?.at ?? effect.at
    const plannedMs = run !== undefined && Number.isFinite(run.planPlace) ? atOf(run.planPlace) : effect.at
    return [{ ...effect, alarm, run, beganMs: atOf(run?.place), plannedMs }]
  }

  /** What the inbox has kept, by what was said in it. */
  #heard(): readonly Heard[] {
    const contents = new Map(this.scene.messages.flatMap((one) => one.contents).map((content) => [markOfContent(content), content]))
    const found = new Map<string, Heard>()
    const marksOf = new Map<string, readonly string[]>()
    for (const [place, { at, partition, sort, data }] of this.of('stored')) {
      if (partition !== 'inbox/alarm-scaler/entries' || data === '') continue
      const known = marksOf.get(sort)
      const marks = known ?? data.match(/content \d+\/\d+\/[a-z-]+\/\d+;/g) ?? []
      marksOf.set(sort, marks)
      const isDone = /"state":"DONE"/.test(data)
      for (const mark of marks) {
        const content = contents.get(mark)
        if (content === undefined) continue
        const before = found.get(mark)
        found.set(mark, {
          content,
          takenPlace: before?.takenPlace ?? place,
          lastTakenMs: known === undefined ? at : (before?.lastTakenMs ?? at),
          donePlace: Math.min(before?.donePlace ?? Number.POSITIVE_INFINITY, isDone ? place : Number.POSITIVE_INFINITY),
        })
      }
    }
    return [...found.values()]
  }

  policyOf(step: AlarmStep): SimPolicy | undefined {
    return this.scene.policies.find(({ name }) => name === step.alarm.policy)
  }

  /** The episode that nodes were asked for; undefined when there never was such a one. */
  episodeOf({ alarm }: AlarmStep): { readonly series: SimSeries; readonly index: number; readonly episode: SimEpisode } | undefined {
    const said = alarm.episode
    if (said === undefined) return undefined
    for (const series of this.scene.series) {
      if (series.name !== said.name) continue
      const index = series.episodes.findIndex(({ fromMs }) => Math.floor(fromMs / 1000) === Math.floor(said.startedAtMs / 1000))
      const episode = series.episodes[index]
      if (episode !== undefined) return { series, index, episode }
    }
    return undefined
  }

  /** When a lease ended, and when its nodes began to go, as far as its record was written. */
  leaseAt(lease: string): { readonly endedMs: number; readonly goingMs: number } {
    const own = this.steps.filter(({ alarm }) => alarm.lease === lease && alarm.kind === 'record')
    const atOf = (change: string): number => own.find(({ alarm }) => alarm.change === change)?.at ?? Number.POSITIVE_INFINITY
    return { endedMs: atOf('close'), goingMs: Math.min(atOf('recover'), atOf('release')) }
  }

  /** The leases of a pool as they are at the end. */
  leasesOf(pool: number): readonly SimLease[] {
    const found = this.scene.pools[pool]
    return found === undefined ? [] : leasesOf(this.world.core.world, found)
  }

  initialWorkers(cluster: string): number {
    return this.scene.pools.reduce((sum, pool) => sum + (pool.cluster === cluster ? pool.inGroup + pool.others : 0), 0)
  }

  /** Whether the cluster autoscaler had said by then that it is there. */
  autoscalerWasSeen({ beganMs }: AlarmStep): boolean {
    return beganMs > this.simulated.scenario.startMs + 60_000
  }

  /** Growths of a pool that are still on record at a place: who takes the record away takes away what is known of them. */
  grownBefore(pool: number, place: number): readonly AlarmStep[] {
    const name = this.scene.pools[pool]?.name
    const since = this.alarmDeeds.findLast(([at, deed]) => deed.pool === name && deed.deed === 'forget-record' && at < place)?.[0] ?? -1
    return this.grown.filter((one) => one.alarm.pool === pool && one.place > since && one.place <= place)
  }

  /** Whether nodes go because they never became ready, or came too late: whatever alarms say. */
  isCompensation({ alarm, place }: AlarmStep): boolean {
    return this.goesAnyway(alarm.lease, place)
  }

  goesAnyway(lease: string, place: number): boolean {
    const begun = this.steps.findLast(
      (one) => one.alarm.lease === lease && one.place <= place && (one.alarm.change === 'recover' || one.alarm.change === 'reclaim'),
    )
    return begun === undefined || begun.alarm.why === 'compensate' || begun.alarm.why === 'released'
  }

  /** An alarm of a pool of which was known at a place that it fires, and of which nobody had said anything else. */
  firingAt(pool: number, place: number, atMs: number): Heard | undefined {
    return this.heard.find(({ content, donePlace }) => {
      const series = this.scene.series[content.series]
      const policy = this.scene.policies[series?.policy ?? -1]
      if (policy === undefined || policy.pool !== pool || policy.mode === 'observe' || content.state !== 'firing' || donePlace >= place)
        return false
      const own = this.heard.filter((one) => one.content.series === content.series)
      const isElse = own.some(
        (one) => one.content.episode > content.episode || (one.content.episode === content.episode && one.content.state !== 'firing'),
      )
      const lastMs = Math.max(
        ...own.flatMap((one) => (one.content.episode === content.episode && one.donePlace < place ? [one.lastTakenMs] : [])),
      )
      return !isElse && atMs - lastMs < policy.freshForMs - this.simulated.scenario.clocksApartMs - 30_000
    })
  }

  /** Whether somebody did one of these to a pool between two places. */
  hasAlarmDeed(pool: number, fromPlace: number, untilPlace: number, ...deeds: readonly string[]): boolean {
    const name = this.scene.pools[pool]?.name
    return this.alarmDeeds.some(
      ([place, deed]) => deed.pool === name && place > fromPlace && place < untilPlace && (deeds.length === 0 || deeds.includes(deed.deed)),
    )
  }
}
