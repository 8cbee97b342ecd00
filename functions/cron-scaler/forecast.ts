import { civilOf, dateOfDay, dayNumber, formatInstant, startOfDate } from '#shared/pure/civil.ts'
import type { CronScalerConfig } from './event.ts'
import { createDemand, type Demand, type SizedWorkload, type WorkloadSize } from './forecast-demand.ts'
import { licenceNeed } from './forecast-licence.ts'
import { type Figures, figuresOf, machinesOf, type Need, needsOf, type What } from './forecast-needs.ts'
import { sumOf } from './forecast-packing.ts'
import { nodeShapes } from './forecast-shapes.ts'
import { type ForecastCluster, type ForecastView, type SeenWorkload, workloadName } from './forecast-view.ts'
import type { Observed, ObservedCluster } from './plan.ts'
import { sizeText, targetName } from './target.ts'
import { type TargetTimeline, timelines } from './timeline.ts'

/** What the schedules of a stretch of time will need. */
export interface Forecast {
  readonly fromMs: number
  /** Exclusive. */
  readonly untilMs: number
  /** In which days are counted and times are written. */
  readonly zone: string
  readonly clusters: readonly ClusterForecast[]
  readonly regions: readonly RegionForecast[]
}

export interface ClusterForecast {
  readonly id: string
  readonly region: string
  /** Why nothing is forecast. */
  readonly problem?: string | undefined
  readonly days: readonly DayForecast[]
  /** From each instant to the next: pods of all kinds and nodes that are needed, when autoscalers stay where they are and at their most. */
  readonly curve: readonly CurvePoint[]
  /** Nodes that are there, and those that come by themselves when they are needed. */
  readonly nodesToBeHad: number
  /** What was left out of it, a sentence each. */
  readonly notes: readonly string[]
}

export interface CurvePoint {
  readonly atMs: number
  readonly pods: Range
  /** Absent where nobody looked. */
  readonly nodes?: Range | undefined
}

export interface Range {
  readonly low: number
  readonly high: number
}

export interface DayForecast {
  /** `2026-11-25`. */
  readonly day: string
  readonly rows: readonly ForecastRow[]
}

export interface RegionForecast {
  readonly region: string
  readonly days: readonly { readonly day: string; readonly row: ForecastRow }[]
}

/** At its worst instant of the day. */
export interface ForecastRow extends Need {
  readonly what: What | 'licence'
  readonly atMs: number
  /**
   * `short`: it will not be enough. `tight`: it would not be, if autoscalers went up to their maximum. `unknown`: nobody knows how much
   * there is.
   */
  readonly level: 'enough' | 'tight' | 'short' | 'unknown'
  /** What is needed for what. */
  readonly text: string
  /** Which workloads ask for more than now then, and why; empty where there is enough. */
  readonly causes: string
  /** The same with autoscalers at their maximum; absent where that is the same. */
  readonly most?: Need | undefined
}

export interface ForecastPeriod {
  readonly nowMs: number
  /** Exclusive. */
  readonly untilMs: number
  readonly zone: string
}

/**
 * So many different sizes of all workloads together are looked at in a cluster, and fewer of a large one: looking at one takes time by
 * kinds of pods and nodes.
 */
const mostStates = 400
const leastStates = 10
const mostPairs = 6_000_000

/** So many causes are named. */
const mostCauses = 3

/**
 * Translates the schedules of a period into what they will need: pods that find a place, cores, memory, nodes, addresses of pods, the
 * quota of nodes and the licence, for each civil day at its worst instant, with what there is. Pure.
 *
 * Sizes come from going through the period with the code that decides, as if everything due was carried out, also where another
 * controller carries it out. Pods that run stay where they are, those of a workload that shrinks make room, those that come look for a
 * place (see `packPods`). What does not fit needs nodes: as many as scaling groups add by themselves, and beyond that missing ones. A
 * workload that an autoscaler sizes counts with as many pods as it has, within its bounds; with as many as it may have it is looked at
 * as well, and what is short only then is `tight`.
 *
 * A cluster without rules has no days. One that could not be read has its problem.
 */
export function forecastOf(observed: Observed, view: ForecastView, config: CronScalerConfig, period: ForecastPeriod): Forecast {
  const { nowMs, untilMs, zone } = period
  // Whoever carries the rules out: the pods come all the same.
  const clusters = observed.clusters.map((cluster): ObservedCluster => ({ ...cluster, controller: 'absent' }))
  const byCluster = Map.groupBy(
    timelines({ ...observed, clusters }, config, { observedMs: nowMs, fromMs: nowMs, untilMs }),
    ({ cluster }) => cluster,
  )
  const seen = new Map(view.clusters.map((one) => [one.id, one]))
  const passed = clusters.map((cluster): Passed => {
    const own = seen.get(cluster.id)
    const problem = problemOf(cluster, own)
    if (own === undefined || problem !== undefined) {
      const nothing = { id: cluster.id, region: own?.region ?? '', days: [], curve: [], nodesToBeHad: 0, notes: [] }
      return { forecast: { ...nothing, ...(problem === undefined ? {} : { problem }) }, stretches: [] }
    }
    return passThrough(cluster, own, byCluster.get(cluster.id) ?? [], period)
  })
  return { fromMs: nowMs, untilMs, zone, clusters: passed.map(({ forecast }) => forecast), regions: regionsOf(passed, view, period) }
}

/** All that will be short. */
export function shortRows({
  clusters,
  regions,
}: Forecast): readonly { readonly of: string; readonly day: string; readonly row: ForecastRow }[] {
  return [
    ...clusters.flatMap(({ id, days }) => days.flatMap(({ day, rows }) => rows.map((row) => ({ of: id, day, row })))),
    ...regions.flatMap(({ region, days }) => days.map(({ day, row }) => ({ of: region, day, row }))),
  ].filter(({ row }) => row.level === 'short')
}

/** Nobody looks at a cluster in which no rule is about anything, and nothing is amiss there. */
function problemOf({ problems, targets }: ObservedCluster, view: ForecastCluster | undefined): string | undefined {
  const text = (problems.find(({ part }) => part === 'cluster') ?? problems.find(({ part }) => part === 'rules'))?.text ?? view?.problem
  return text ?? (view === undefined && targets.length > 0 ? 'nobody has looked at it' : undefined)
}

/** One cluster on its way through the period. */
interface Passed {
  readonly forecast: ClusterForecast
  /** What is needed from each instant to the next. */
  readonly stretches: readonly Stretch[]
}

interface Stretch {
  readonly atMs: number
  readonly untilMs: number
  readonly figures: StateFigures
  readonly causes: string
}

/** What one set of sizes comes to. */
interface StateFigures {
  readonly least: Figures
  /** With autoscalers at their maximum. */
  readonly most: Figures
}

/** A workload on its way: what its own schedule says, and what its autoscaler's does. */
interface Track {
  readonly workload: SeenWorkload
  replicas: number
  bounds: { readonly min: number; readonly max: number } | undefined
  /** Why it is as large as it is. */
  cause: string
}

interface Change {
  readonly atMs: number
  readonly track: Track
  readonly apply: () => void
}

function passThrough(cluster: ObservedCluster, view: ForecastCluster, own: readonly TargetTimeline[], period: ForecastPeriod): Passed {
  const { nowMs, untilMs } = period
  const notes: string[] = []
  const { tracks, changes } = tracksOf(cluster, view, own, notes)
  const facts = { id: cluster.id, region: view.region, notes }
  if (own.length === 0) return { forecast: { ...facts, days: [], curve: [], nodesToBeHad: 0 }, stretches: [] }
  const demand = createDemand(
    view,
    tracks.map(({ workload }) => workload),
  )
  const shapes = nodeShapes(view)
  notes.push(...shapes.notes)
  const states = new Map<string, State>()
  const found: { atMs: number; state: State; causes: string }[] = []
  let next = 0
  for (let atMs = nowMs; ; ) {
    for (let change = changes[next]; change !== undefined && change.atMs <= atMs; change = changes[next]) {
      change.apply()
      next += 1
    }
    const sized = tracks.map(sizeOf)
    const name = JSON.stringify(sized.map(({ least, most }) => [least, most]))
    const state = states.get(name) ?? { sized, asked: demand.asked(sized) }
    states.set(name, state)
    if (found.at(-1)?.state !== state) found.push({ atMs, state, causes: causesOf(tracks, demand) })
    const following = changes[next]
    if (following === undefined) break
    atMs = following.atMs
  }
  const room = Math.min(mostStates, Math.max(leastStates, Math.floor(mostPairs / Math.max(1, tracks.length * view.nodes.length))))
  const days = daysIn(nowMs, untilMs, period.zone)
  const ofDays = days.map(({ fromMs, untilMs: endMs }) =>
    found.flatMap(({ atMs, state }, index) => (atMs < endMs && (found[index + 1]?.atMs ?? untilMs) > fromMs ? [state] : [])),
  )
  const figures = new Map(
    chosen(ofDays, room).map((state) => [state, evaluate(state.sized, (sized) => figuresOf(demand.at(sized), shapes.shapes, view))]),
  )
  if (states.size > figures.size) {
    notes.push(`Of ${states.size} different sizes of all its workloads together ${figures.size} were looked at, those that ask for most.`)
  }
  const stretches = found.flatMap(({ atMs, state, causes }, index): Stretch[] => {
    const of = figures.get(state)
    return of === undefined ? [] : [{ atMs, untilMs: found[index + 1]?.atMs ?? untilMs, figures: of, causes }]
  })
  const curve = found.map(({ atMs, state }): CurvePoint => {
    const { least, most } = figures.get(state) ?? {}
    return {
      atMs,
      pods: { low: demand.podsOf(state.sized, 'least'), high: demand.podsOf(state.sized, 'most') },
      ...(least === undefined || most === undefined ? {} : { nodes: { low: least.nodes, high: most.nodes } }),
    }
  })
  const nodesToBeHad = machinesOf(view) + shapes.shapes.reduce((sum, { most }) => sum + most, 0)
  return { forecast: { ...facts, days: daysOf(stretches, view, period), curve, nodesToBeHad }, stretches }
}

interface State {
  readonly sized: readonly WorkloadSize[]
  /** How much it asks for, for putting states in order. */
  readonly asked: number
}

/**
 * Which sizes are looked at: of each day first those that are not exceeded in every workload by others of the same day, those that ask
 * for most before others; then all the rest, as long as there is room.
 */
function chosen(days: readonly (readonly State[])[], room: number): readonly State[] {
  const byAsked = (states: Iterable<State>): readonly State[] => [...new Set(states)].toSorted((one, other) => other.asked - one.asked)
  const found = new Set<State>()
  for (const states of days) {
    const own: State[] = []
    for (const state of byAsked(states)) {
      if (own.length >= Math.ceil(room / days.length)) break
      if (!own.some((other) => exceeds(other, state))) own.push(state)
    }
    for (const state of own) found.add(state)
  }
  for (const state of byAsked(days.flat())) if (found.size < room) found.add(state)
  return [...found]
}

function exceeds({ sized: larger }: State, { sized }: State): boolean {
  return sized.every(({ least, most }, index) => least <= (larger[index]?.least ?? 0) && most <= (larger[index]?.most ?? 0))
}

function evaluate(sized: readonly WorkloadSize[], figures: (sized: readonly SizedWorkload[]) => Figures): StateFigures {
  const at = (size: (one: WorkloadSize) => number): Figures => figures(sized.map((one) => ({ name: one.name, pods: size(one) })))
  const least = at(({ least: pods }) => pods)
  return { least, most: sized.every((one) => one.least === one.most) ? least : at(({ most: pods }) => pods) }
}

function sizeOf({ workload, replicas, bounds }: Track): WorkloadSize {
  const name = workloadName(workload)
  // An autoscaler leaves alone what somebody has scaled to nothing.
  if (bounds === undefined || replicas === 0) return { name, least: replicas, most: replicas }
  return { name, least: Math.min(Math.max(replicas, bounds.min), bounds.max), most: Math.max(bounds.min, bounds.max) }
}

/** The workloads that rules are about, as they are now, and what becomes of them when. */
function tracksOf(
  cluster: ObservedCluster,
  view: ForecastCluster,
  own: readonly TargetTimeline[],
  notes: string[],
): { readonly tracks: readonly Track[]; readonly changes: readonly Change[] } {
  const workloads = new Map(view.workloads.map((one) => [workloadName(one), one]))
  const tracks = new Map<string, Track>()
  const changes: Change[] = []
  for (const { target, start, entries } of own) {
    const sized = target.kind === 'HorizontalPodAutoscaler' ? sizedBy(cluster, target) : { kind: target.kind, name: target.name }
    const name = sized === undefined ? undefined : [target.namespace, sized.kind, sized.name].join('/')
    const workload = name === undefined ? undefined : workloads.get(name)
    if (workload === undefined || name === undefined) {
      const isThere = start !== undefined
      if (isThere)
        notes.push(
          `${targetName(target)} is left out: ${name === undefined ? 'nobody knows what it sizes' : `there is no ${name} whose pods could be reckoned`}.`,
        )
      continue
    }
    const track = tracks.get(name) ?? { workload, replicas: workload.replicas, bounds: undefined, cause: '' }
    tracks.set(name, track)
    const set = (size: TargetTimeline['start'], cause: string): void => {
      if (size?.kind === 'replicas') track.replicas = size.replicas
      if (size?.kind === 'bounds') track.bounds = size
      if (cause !== '') track.cause = cause
    }
    set(start, '')
    for (const { atMs, verdict, after, rule } of entries) {
      if (verdict !== 'change' || after === undefined) continue
      changes.push({ atMs, track, apply: () => set(after, `${sizeText(after)} by ${rule}`) })
    }
  }
  return { tracks: [...tracks.values()], changes: changes.toSorted((one, other) => one.atMs - other.atMs) }
}

/** What an autoscaler sizes, where that is a kind whose pods can be reckoned. */
function sizedBy({ autoscalers }: ObservedCluster, { namespace, name }: { readonly namespace: string; readonly name: string }) {
  const found = autoscalers.find((one) => one.namespace === namespace && one.name === name)?.workload
  return found !== undefined && (found.kind === 'Deployment' || found.kind === 'StatefulSet') ? found : undefined
}

/** Which workloads ask for most more than now, and why. */
function causesOf(tracks: readonly Track[], demand: Demand): string {
  const grown = tracks
    .map((track) => ({
      track,
      more: (sizeOf(track).least - demand.present(workloadName(track.workload))) * (track.workload.shape.requests.cpuMilli + 1),
    }))
    .filter(({ more, track }) => more > 0 && track.cause !== '')
    .toSorted((one, other) => other.more - one.more)
  if (grown.length === 0) return ''
  const named = grown.slice(0, mostCauses).map(({ track: { workload, cause } }) => {
    const present = demand.present(workloadName(workload))
    return `${workloadName(workload)} (${present} ${present === 1 ? 'pod' : 'pods'} now) gets ${cause}`
  })
  const left = grown.length - named.length
  return `${named.join('; ')}${left === 0 ? '' : `; and ${left} more`}`
}

function daysOf(stretches: readonly Stretch[], view: ForecastCluster, { zone, nowMs, untilMs }: ForecastPeriod): readonly DayForecast[] {
  return daysIn(nowMs, untilMs, zone).map(({ day, fromMs, untilMs: endMs }) => {
    const within = stretches.filter((one) => one.atMs < endMs && one.untilMs > fromMs)
    const worst = new Map<
      What,
      { readonly atMs: number; readonly stretch: Stretch; readonly need: Need; readonly most: Need | undefined }
    >()
    for (const stretch of within) {
      const needs = needsOf(stretch.figures.least, view)
      const most =
        stretch.figures.most === stretch.figures.least
          ? undefined
          : new Map(needsOf(stretch.figures.most, view).map((one) => [one.what, one]))
      for (const need of needs) {
        const before = worst.get(need.what)
        const at = { atMs: Math.max(stretch.atMs, fromMs), stretch, need, most: most?.get(need.what) }
        if (before === undefined || isWorse(at, before)) worst.set(need.what, at)
      }
    }
    const rows = [...worst].map(([what, { atMs, stretch, need, most }]): ForecastRow => rowOf(what, atMs, need, most, stretch.causes))
    return { day, rows }
  })
}

interface Bad {
  readonly need: Need
  readonly most: Need | undefined
}

function isWorse(one: Bad, other: Bad): boolean {
  const by = ({ need, most }: Bad): readonly number[] => [need.short, most?.short ?? 0, need.need, most?.need ?? 0]
  const [left, right] = [by(one), by(other)]
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return false
}

function rowOf(what: ForecastRow['what'], atMs: number, need: Need, most: Need | undefined, causes: string): ForecastRow {
  const isTight = need.short === 0 && (most?.short ?? 0) > 0
  const level = need.short > 0 ? 'short' : isTight ? 'tight' : need.have === undefined && need.need > 0 ? 'unknown' : 'enough'
  const ifMost = most !== undefined && isTight ? `if autoscalers go up to their maximum: ${most.text}` : ''
  const { need: amount, have, short, unit } = need
  return {
    what,
    atMs,
    level,
    need: amount,
    have,
    short,
    unit,
    text: [need.text, ifMost].filter((text) => text !== '').join('; '),
    causes: level === 'short' || isTight ? causes : '',
    ...(most === undefined || (most.need === need.need && most.short === need.short) ? {} : { most }),
  }
}

/** The licence counts for all clusters of a region together. */
function regionsOf(passed: readonly Passed[], { headroom }: ForecastView, period: ForecastPeriod): readonly RegionForecast[] {
  const byRegion = Map.groupBy(
    passed.filter(({ stretches }) => stretches.length > 0),
    ({ forecast }) => forecast.region,
  )
  return [...byRegion].map(([region, own]) => {
    const need = licenceNeed(headroom, region, period.nowMs)
    const instants = [...new Set(own.flatMap(({ stretches }) => stretches.map(({ atMs }) => atMs)))].toSorted((one, other) => one - other)
    const at = own.map(() => 0)
    const sums = instants.map((atMs, index) => {
      const now = own.flatMap(({ stretches, forecast }, cluster) => {
        while ((stretches[(at[cluster] ?? 0) + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs) at[cluster] = (at[cluster] ?? 0) + 1
        const stretch = stretches[at[cluster] ?? 0]
        return stretch === undefined || stretch.atMs > atMs || stretch.untilMs <= atMs ? [] : [{ id: forecast.id, stretch }]
      })
      return { atMs, untilMs: instants[index + 1] ?? period.untilMs, now }
    })
    const days = daysIn(period.nowMs, period.untilMs, period.zone).map(({ day, fromMs, untilMs }) => {
      let worst: { readonly atMs: number; readonly need: Need; readonly most: Need | undefined; readonly causes: string } | undefined
      for (const sum of sums) {
        if (sum.atMs >= untilMs || sum.untilMs <= fromMs) continue
        const least = need(
          sum.now.map(({ id, stretch }) => ({ id, cores: stretch.figures.least.newCores, nodes: newNodes(stretch.figures.least) })),
        )
        const most = sum.now.every(({ stretch }) => stretch.figures.most === stretch.figures.least)
          ? undefined
          : need(sum.now.map(({ id, stretch }) => ({ id, cores: stretch.figures.most.newCores, nodes: newNodes(stretch.figures.most) })))
        const causes = sum.now.flatMap(({ id, stretch }) => (stretch.causes === '' ? [] : [`${id}: ${stretch.causes}`])).join('; ')
        const one = { atMs: Math.max(sum.atMs, fromMs), need: least, most, causes }
        if (worst === undefined || isWorse(one, worst)) worst = one
      }
      return worst === undefined ? [] : [{ day, row: rowOf('licence', worst.atMs, worst.need, worst.most, worst.causes) }]
    })
    return { region, days: days.flat() }
  })
}

function newNodes({ packing }: Figures): number {
  return sumOf(packing.added) + sumOf(packing.missing)
}

/** The civil days that a stretch of time touches, each as far as it is in it. */
function daysIn(
  fromMs: number,
  untilMs: number,
  zone: string,
): readonly { readonly day: string; readonly fromMs: number; readonly untilMs: number }[] {
  const { year, month, day } = civilOf(fromMs, zone)
  const days: { day: string; fromMs: number; untilMs: number }[] = []
  let beginMs = fromMs
  for (let number = dayNumber(year, month, day); beginMs < untilMs; number += 1) {
    const date = dateOfDay(number)
    const endMs = Math.min(untilMs, startOfDate(dateOfDay(number + 1), zone))
    if (endMs > beginMs) days.push({ day: dateText(date), fromMs: beginMs, untilMs: endMs })
    beginMs = Math.max(beginMs, endMs)
  }
  return days
}

function dateText({ year, month, day }: { readonly year: number; readonly month: number; readonly day: number }): string {
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}

/** When a row is at its worst, for people. */
export function rowMoment({ fromMs, zone }: Forecast, { atMs }: ForecastRow): string {
  return atMs === fromMs ? 'now' : formatInstant(atMs, zone)
}
