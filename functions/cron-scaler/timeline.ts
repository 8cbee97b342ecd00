import { nextFiring } from '#shared/pure/cron.ts'
import { ruleContext } from './configured-rules.ts'
import { planTarget } from './decide-target.ts'
import { configuredByCluster } from './due.ts'
import type { CronScalerConfig } from './event.ts'
import { countFirings, firingAfter } from './firing-walk.ts'
import { byPrecedence, type Firing, isTie, latestFiring } from './firings.ts'
import { isOverride, type Override, overrideInForce } from './override.ts'
import type { Observed, ObservedCluster, ObservedTarget } from './plan.ts'
import { fullNameOf, type ScaleStep } from './plan-step.ts'
import { correctionWindowMs, nextRecord, transitionOf } from './record.ts'
import { checkGroup, layOut } from './rule-book.ts'
import type { Rule } from './rules.ts'
import { type Size, sizesEqual, type Target, targetName } from './target.ts'
import { turnOf } from './waves.ts'

/** Which time is gone through, in epoch milliseconds. */
export interface Period {
  /** When the world was as it was observed. From then to `fromMs` it is gone through as well, without a word. */
  readonly observedMs: number
  readonly fromMs: number
  /** Exclusive. */
  readonly untilMs: number
}

/** Something that would become of a target. */
export interface TimelineEntry {
  readonly atMs: number
  /** `held` and `missed` change nothing; each is told once for a rule, until the size changes. */
  readonly verdict: 'change' | 'held' | 'missed'
  /** Of the plan, as is the text. */
  readonly code: string
  readonly text: string
  /** The rule or the override for whose sake. */
  readonly rule: string
  /** Undefined while nobody knows. */
  readonly before: Size | undefined
  /** What it is set to, or would be. */
  readonly after: Size | undefined
}

/** What became of one rule over the period. */
export interface RuleUse {
  readonly id: string
  readonly size: Size
  /** Firings in the period that are not excluded. */
  readonly firings: number
  /** How many of them decided what becomes of the target, be it that it is held. */
  readonly decided: number
  /** Whether it fires in the period at all, were it not for its excluded dates. */
  readonly firesWithoutExcludes: boolean
}

/** Two rules that fire at the same instants and ask for different sizes. */
export interface Tie {
  readonly winner: string
  readonly loser: string
  readonly firstMs: number
  readonly count: number
}

/** Replicas times hours. Of an autoscaler the least and the most that its bounds allow. */
export interface ReplicaHours {
  readonly min: number
  readonly max: number
  /** Hours for which nobody knows the size; they count as nothing above. */
  readonly unknown: number
}

export interface TargetTimeline {
  readonly cluster: string
  readonly target: Target
  /** `cls-1/default/Deployment/web`. */
  readonly name: string
  /** When the period begins; undefined when nobody knows. */
  readonly start: Size | undefined
  readonly end: Size | undefined
  readonly entries: readonly TimelineEntry[]
  readonly rules: readonly RuleUse[]
  readonly ties: readonly Tie[]
  readonly hours: ReplicaHours
}

/** So many firings one preview goes through: half a minute of work. */
const mostFirings = 20_000_000

/** More firings than anybody waits for. */
export class TooManyFirings extends Error {
  override readonly name = 'TooManyFirings'
}

/**
 * Goes through a period with the plan's own code, target by target: from each instant at which something can change (a firing,
 * a target's turn, the beginning and end of an override, the end of a hold) to the next, applying in memory what the plan says.
 * It ends in the same sizes as running the plan on time every minute, and at what becomes due in between, and applying it in
 * mode `enforce`, with nobody else changing anything. Rules that are invalid or paused, and clusters that cannot be read, have
 * no part in it. What a target has on record from after `observedMs` is put aside.
 *
 * One target at a time is in memory. Targets come in the order of clusters and names. Throws TooManyFirings before it begins when
 * the rules fire more than twenty million times.
 */
export function timelines(observed: Observed, config: CronScalerConfig, period: Period): Generator<TargetTimeline> {
  const context = ruleContext(config.settings, period.observedMs, observed.calendars)
  const configured = configuredByCluster(config)
  const readable = observed.clusters.filter(({ problems }) => !problems.some(({ part }) => part === 'cluster' || part === 'rules'))
  const books = readable.map((cluster) => {
    const { drafts, overrides } = configured(cluster.id)
    return { cluster, overrides, groups: layOut([...cluster.rules, ...drafts]).byTarget }
  })
  refuseTooMany(
    books.flatMap(({ groups }) => [...groups.values()].flatMap((group) => checkGroup(group, context).rules)),
    period,
  )
  return goThrough()

  function* goThrough(): Generator<TargetTimeline> {
    for (const { cluster, overrides, groups } of books) {
      const named = new Map(overrides.map(({ target }) => [targetName(target), target]))
      for (const [name, group] of groups) named.set(name, group.named)
      const targets = new Map(cluster.targets.map((target) => [targetName(target), target]))
      for (const [name, target] of [...named].toSorted(([left], [right]) => (left < right ? -1 : 1))) {
        const group = groups.get(name)
        const rules = group === undefined ? [] : checkGroup(group, context).rules
        const own = overrides.filter((one) => targetName(one.target) === name).map(({ override }) => override)
        yield new Simulation({ cluster, named: target, rules, overrides: own, target: targets.get(name), config, period }).run()
      }
    }
  }
}

function refuseTooMany(rules: readonly Rule[], { observedMs, untilMs }: Period): void {
  let sum = 0
  let most = { id: '', count: 0 }
  for (const rule of rules) {
    const count = countFirings(rule, observedMs, untilMs)
    sum += count
    if (count > most.count) most = { id: rule.id, count }
  }
  if (sum <= mostFirings) return
  const text = (count: number): string => count.toLocaleString('en-US')
  throw new TooManyFirings(
    `the rules fire about ${text(sum)} times until then, ${most.id} alone ${text(most.count)} times; at most ${text(mostFirings)} are gone through: choose fewer days, or let it fire less often`,
  )
}

/** A world in which every target of the configuration exists, and nobody knows its size. */
export function unseenWorld(config: CronScalerConfig, calendars: Observed['calendars'] = {}): Observed {
  const configured = configuredByCluster(config)
  const clusters = config.clusters.map(({ id }): ObservedCluster => {
    const { drafts, overrides } = configured(id)
    const named = [...[...layOut(drafts).byTarget.values()].map((group) => group.named), ...overrides.map(({ target }) => target)]
    const targets = new Map(
      named.map((target) => [
        targetName(target),
        { ...target, uid: '', size: unknownSize(target), deleting: false, optOut: false } satisfies ObservedTarget,
      ]),
    )
    return { id, rules: [], targets: [...targets.values()], autoscalers: [], controller: 'absent', problems: [] }
  })
  return { clusters, calendars }
}

/** The least and the most replicas of a size. */
export function extentOf(size: Size): { readonly low: number; readonly high: number } {
  return size.kind === 'replicas' ? { low: size.replicas, high: size.replicas } : { low: size.min, high: size.max }
}

/** A rule on its way through the period. */
interface Track {
  readonly rule: Rule
  /** From its firings to its target's turn. */
  readonly delayMs: number
  /** The latest firing so far that counts; -Infinity before the first. */
  latestMs: number
  /** The next one; Infinity when there is none before the end. */
  nextMs: number
  firings: number
  decided: number
  decidedMs: number
}

/** What is said of a target beside what becomes of it. */
const asideCodes: ReadonlySet<string> = new Set([
  'excluded-date',
  'superseded',
  'tie-lost',
  'validity-over',
  'override-expired',
  'override-pending',
  'override-lost',
])

const hourMs = 3_600_000

/** No size: equal to nothing, not even to itself. */
function unknownSize({ kind }: Target): Size {
  if (kind === 'HorizontalPodAutoscaler') return { kind: 'bounds', min: Number.NaN, max: Number.NaN }
  return { kind: 'replicas', replicas: Number.NaN }
}

function knownSize(size: Size | undefined): Size | undefined {
  return size === undefined || Number.isNaN(extentOf(size).low) ? undefined : size
}

interface World {
  readonly cluster: ObservedCluster
  readonly named: Target
  readonly rules: readonly Rule[]
  readonly overrides: readonly Override[]
  readonly target: ObservedTarget | undefined
  readonly config: CronScalerConfig
  readonly period: Period
}

/** One target going through the period. */
class Simulation {
  readonly #world: World
  readonly #cluster: ObservedCluster
  readonly #config: CronScalerConfig
  readonly #tracks: readonly Track[]
  /** Instants other than firings at which something changes, in their order. */
  readonly #edges: number[] = []
  readonly #entries: TimelineEntry[] = []
  readonly #ties = new Map<string, { winner: string; loser: string; firstMs: number; count: number }>()
  readonly #hours = { min: 0, max: 0, unknown: 0 }
  readonly #asksAll: boolean
  #target: ObservedTarget | undefined
  #start: Size | undefined
  #hasBegun = false
  /** Up to where `#hours` counts. */
  #countedMs: number
  /** The rule whose next firing changes nothing, if nothing comes in between: its size is there, or the target is held. */
  #settled: Track | undefined
  /** What was said since the last change; the same is not said again. */
  readonly #said = new Set<string>()

  constructor(world: World) {
    const { cluster, named, rules, overrides, period, config } = world
    this.#world = world
    this.#cluster = {
      ...cluster,
      autoscalers: cluster.autoscalers.filter(({ namespace }) => namespace === named.namespace),
      problems: cluster.problems.filter(({ object }) => object === undefined || object.namespace === named.namespace),
    }
    // That one of its rules allows it goes for the target, also when only the others are asked about.
    const allowHpaConflict = config.settings.allowHpaConflict || rules.some((rule) => rule.allowHpaConflict)
    this.#config = { ...config, settings: { ...config.settings, allowHpaConflict } }
    const fullName = fullNameOf({ cluster, named })
    this.#tracks = rules.map((rule) => ({
      rule,
      delayMs: turnOf(fullName, 0, rule.spreadMs),
      latestMs: Number.NEGATIVE_INFINITY,
      nextMs: Number.POSITIVE_INFINITY,
      firings: 0,
      decided: 0,
      decidedMs: Number.NaN,
    }))
    this.#target = recordUntil(world.target, period.observedMs)
    this.#countedMs = period.fromMs
    const isOverridden = overrides.length > 0 || this.#target?.override !== undefined || isOverride(this.#target?.record?.owner ?? '')
    const takesTurns = this.#tracks.some(({ delayMs }) => delayMs > 0)
    this.#asksAll = isOverridden || takesTurns || (cluster.controller !== 'absent' && rules.some(({ source }) => source === 'hpc'))
  }

  run(): TargetTimeline {
    const { cluster, named, period } = this.#world
    const { observedMs, fromMs, untilMs } = period
    const earliestMs = observedMs - this.#config.settings.lookBack
    for (const track of this.#tracks) {
      track.latestMs = latestFiring(track.rule, this.#target?.record, observedMs, earliestMs).atMs ?? Number.NEGATIVE_INFINITY
      track.nextMs = this.#firingAfter(track, observedMs)
    }
    this.#addFirstEdges()
    if (observedMs >= fromMs) {
      this.#begin()
      const fired = this.#tracks.filter(({ latestMs }) => latestMs === observedMs)
      for (const track of fired) track.firings += 1
      this.#noteTies(fired)
    }
    this.#evaluate(observedMs)
    /** A firing that repeats what is there already, of which the plan has not been asked yet. */
    let waitingMs: number | undefined
    for (let atMs = this.#nextEvent(); atMs < untilMs; atMs = this.#nextEvent()) {
      const fired = this.#tracks.filter(({ nextMs }) => nextMs === atMs)
      const isEdge = this.#edges[0] === atMs
      const isRepeat = !isEdge && fired.length === 1 && fired[0] === this.#settled
      // Before something else comes, what is on record has to be up to date.
      if (!isRepeat && waitingMs !== undefined) this.#evaluate(waitingMs)
      if (atMs >= fromMs) this.#begin()
      if (isEdge) this.#edges.shift()
      for (const track of fired) this.#fire(track)
      if (atMs >= fromMs) this.#noteTies(fired)
      if (isRepeat) {
        waitingMs = atMs
        for (const track of fired) this.#noteDecided(track)
      } else {
        waitingMs = undefined
        this.#evaluate(atMs)
      }
    }
    this.#begin()
    this.#count(untilMs)
    return {
      cluster: cluster.id,
      target: named,
      name: fullNameOf({ cluster, named }),
      start: this.#start,
      end: knownSize(this.#target?.size),
      entries: this.#entries,
      rules: this.#tracks.map((track) => this.#useOf(track)).toSorted((left, right) => (left.id < right.id ? -1 : 1)),
      ties: [...this.#ties.values()],
      hours: { min: this.#hours.min / hourMs, max: this.#hours.max / hourMs, unknown: this.#hours.unknown / hourMs },
    }
  }

  #useOf({ rule, firings, decided }: Track): RuleUse {
    const { fromMs, untilMs } = this.#world.period
    const lastMs = Math.min(untilMs, rule.validUntilMs)
    const comesUpMs = nextFiring(rule.schedule, rule.zone, Math.max(fromMs, rule.existsSinceMs) - 1)
    return { id: rule.id, size: rule.size, firings, decided, firesWithoutExcludes: comesUpMs !== undefined && comesUpMs < lastMs }
  }

  #addFirstEdges(): void {
    const { observedMs } = this.#world.period
    const { hold, override, record } = this.#target ?? {}
    const onTarget = override === undefined || 'problem' in override ? [] : [override]
    const instants = [
      typeof hold === 'number' ? hold : undefined,
      ...[...onTarget, ...this.#world.overrides].flatMap(({ fromMs, untilMs }) => [fromMs, untilMs]),
      record?.untilMs,
      ...(record?.corrections ?? []).map((correctedMs) => correctedMs + correctionWindowMs),
      ...this.#tracks.map(({ latestMs, delayMs }) => latestMs + delayMs),
    ]
    for (const atMs of instants) if (atMs !== undefined && atMs > observedMs) this.#addEdge(atMs)
  }

  #addEdge(atMs: number): void {
    if (this.#edges.includes(atMs)) return
    this.#edges.push(atMs)
    this.#edges.sort((left, right) => left - right)
  }

  #nextEvent(): number {
    return Math.min(this.#edges[0] ?? Number.POSITIVE_INFINITY, this.#nextFiring())
  }

  #nextFiring(): number {
    let nextMs = Number.POSITIVE_INFINITY
    for (const track of this.#tracks) if (track.nextMs < nextMs) nextMs = track.nextMs
    return nextMs
  }

  /** The next firing after an instant that counts; Infinity when there is none before the end. */
  #firingAfter({ rule }: Track, afterMs: number): number {
    return firingAfter(rule, this.#target?.record, afterMs, this.#world.period.untilMs) ?? Number.POSITIVE_INFINITY
  }

  #fire(track: Track): void {
    track.latestMs = track.nextMs
    if (track.latestMs >= this.#world.period.fromMs) track.firings += 1
    if (track.delayMs > 0) this.#addEdge(track.latestMs + track.delayMs)
    track.nextMs = this.#firingAfter(track, track.latestMs)
  }

  /** Asks the plan about this target and does what it says. */
  #evaluate(atMs: number): void {
    this.#settled = undefined
    const { named, overrides } = this.#world
    const effective = this.#effectiveAt(atMs)
    const rules = this.#rulesToAskAbout(effective)
    const steps = planTarget({ cluster: this.#cluster, named, rules, overrides, target: this.#target, config: this.#config, now: atMs })
    const step = steps.at(-1)
    // What becomes of the target comes last, if anything does.
    if (step === undefined || asideCodes.has(step.reason.code)) return
    if (step.reason.code === 'calendar-unreadable' && effective?.rule.excludes.unread === undefined) return
    const override = this.#overrideAt(atMs)
    if (effective !== undefined && override === undefined && step.verdict !== 'skipped') this.#noteDecided(effective)
    if (step.verdict === 'change' && this.#target !== undefined) {
      const { from, to, rule } = step.change
      this.#count(atMs)
      this.#target = { ...this.#target, size: to, record: nextRecord(this.#target.record, from, transitionOf(step.key, step.change, atMs)) }
      if (!sizesEqual(from, to)) this.#say(atMs, step, { verdict: 'change', rule, before: from, after: to })
      for (const track of this.#tracks) if (track.rule.onceKey !== undefined) track.nextMs = this.#firingAfter(track, atMs)
    } else if (step.verdict === 'held' || step.verdict === 'missed') {
      const wanted = override ?? effective?.rule
      const rule = wanted?.id ?? this.#target?.record?.owner ?? 'override/annotation'
      this.#say(atMs, step, { verdict: step.verdict, rule, before: this.#target?.size, after: wanted?.size })
    }
    if (effective === undefined || override !== undefined || effective.rule.onceKey !== undefined || effective.delayMs > 0) return
    const isThere = this.#target === undefined || sizesEqual(this.#target.size, effective.rule.size)
    if (step.verdict === 'held' || isThere) this.#settled = effective
  }

  #overrideAt(atMs: number): Override | undefined {
    const { override } = this.#target ?? {}
    return overrideInForce(override === undefined || 'problem' in override ? undefined : override, this.#world.overrides, atMs)
  }

  /** The rule that decides, as far as rules do. */
  #effectiveAt(atMs: number): Track | undefined {
    let effective: Track | undefined
    for (const track of this.#tracks) {
      if (track.latestMs < atMs - this.#config.settings.lookBack) continue
      if (effective === undefined || byPrecedence(firingOf(track), firingOf(effective)) < 0) effective = track
    }
    return effective
  }

  /**
   * The rules of which one decides now, and those that fire next, which the reason tells of. All others have fired earlier, and of
   * two the later decides, so asking about these is asking about all.
   */
  #rulesToAskAbout(effective: Track | undefined): readonly Rule[] {
    const nextMs = this.#nextFiring()
    // What fires after the end of the period is not looked up, and may be any.
    if (this.#asksAll || effective === undefined || nextMs === Number.POSITIVE_INFINITY) return this.#world.rules
    return this.#tracks.filter((track) => track.latestMs === effective.latestMs || track.nextMs === nextMs).map(({ rule }) => rule)
  }

  #noteDecided(track: Track): void {
    if (track.decidedMs === track.latestMs || track.latestMs < this.#world.period.fromMs) return
    track.decidedMs = track.latestMs
    track.decided += 1
  }

  #noteTies(fired: readonly Track[]): void {
    if (fired.length < 2) return
    const [winner, ...losers] = fired.toSorted((left, right) => byPrecedence(firingOf(left), firingOf(right)))
    if (winner === undefined) return
    for (const loser of losers) {
      if (sizesEqual(winner.rule.size, loser.rule.size) || !isTie(firingOf(winner), firingOf(loser))) continue
      const key = JSON.stringify([winner.rule.id, loser.rule.id])
      const tie = this.#ties.get(key)
      if (tie === undefined) {
        this.#ties.set(key, { winner: winner.rule.id, loser: loser.rule.id, firstMs: winner.latestMs, count: 1 })
      } else tie.count += 1
    }
  }

  #say(
    atMs: number,
    { reason }: ScaleStep,
    {
      before,
      after,
      ...what
    }: Pick<TimelineEntry, 'verdict' | 'rule'> & { readonly before: Size | undefined; readonly after: Size | undefined },
  ): void {
    if (atMs < this.#world.period.fromMs) return
    // Whether it was missed nobody knows either.
    if (what.verdict === 'missed' && knownSize(before) === undefined) return
    const { code } = reason
    if (what.verdict === 'change') this.#said.clear()
    else {
      const key = JSON.stringify([code, what.rule])
      if (this.#said.has(key)) return
      this.#said.add(key)
    }
    const text = reason.text.includes('NaN')
      ? reason.text.replaceAll(/replicas NaN|min NaN, max NaN/g, 'a size that nobody knows')
      : reason.text
    this.#entries.push({ atMs, code, text, ...what, before: knownSize(before), after: knownSize(after) })
  }

  /** Remembers what is there when the period begins; again is nothing. */
  #begin(): void {
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#start = knownSize(this.#target?.size)
  }

  /** Counts the hours up to an instant. */
  #count(untilMs: number): void {
    const spentMs = untilMs - this.#countedMs
    if (spentMs <= 0) return
    this.#countedMs = untilMs
    const size = knownSize(this.#target?.size)
    if (size === undefined) {
      this.#hours.unknown += spentMs
      return
    }
    const { low, high } = extentOf(size)
    this.#hours.min += low * spentMs
    this.#hours.max += high * spentMs
  }
}

function firingOf({ rule, latestMs }: Track): Firing {
  return { rule, atMs: latestMs }
}

/** What was on record at an instant: what was decided later was not. */
function recordUntil(target: ObservedTarget | undefined, atMs: number): ObservedTarget | undefined {
  if (target?.record === undefined || target.record.decidedMs <= atMs) return target
  const { record: _, ...rest } = target
  return rest
}
