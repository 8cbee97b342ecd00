import { civilOf } from '#shared/pure/civil.ts'
import { nextFiring } from '#shared/pure/cron.ts'
import { type ConfiguredFor, configuredByCluster } from './configured-for.ts'
import { ruleContext } from './configured-rules.ts'
import { everyMs } from './cursor.ts'
import type { CronScalerConfig } from './event.ts'
import { excludedBy } from './excludes.ts'
import { latestFiring, upcomingFiring } from './firings.ts'
import { isOverride, type Override, overrideInForce } from './override.ts'
import type { Observed, ObservedCluster, ObservedTarget } from './plan.ts'
import { fullNameOf } from './plan-step.ts'
import { checkGroup, layOut } from './rule-book.ts'
import type { Rule, RuleContext } from './rules.ts'
import { type Target, targetName } from './target.ts'
import { turnOf } from './waves.ts'

export { configuredByCluster } from './configured-for.ts'

/** What comes next in a cluster that was read. Instants are epoch milliseconds after the `now` of the glance. */
export interface Glance {
  readonly cluster: ObservedCluster
  /**
   * The instants up to the glance's horizon at which something becomes due: a firing that is not excluded, or a target's turn after
   * it where turns are taken; the beginning and the end of an override; the end of a hold. In no order.
   */
  readonly due: readonly number[]
  /** The first such instant, however far away; absent when nothing becomes due any more. */
  readonly dueMs?: number
  /**
   * Before this instant no decision about a cluster in which all is done changes by itself; absent when none ever does. That is when
   * something becomes due; when a rule comes up that is excluded, which is reported; when a rule's validity is over; and twice
   * before the starting deadline of the latest firing is over, because what a person does until then may make it count again.
   */
  readonly lookMs?: number
  /** When there is next something to be said that nobody needs to look for: a rule comes up that is excluded, or its validity is over. */
  readonly newsMs?: number
  /** The next firing that is not excluded, for people. */
  readonly firing?: { readonly rule: string; readonly atMs: number; readonly zone: string }
  /** Whether something is put back whenever somebody changes it, so that it has to be looked at every time. */
  readonly isWatched: boolean
  /** Whether a person keeps one of its targets for himself, or gives it another size, for a while: what he does next counts at once. */
  readonly isMarked: boolean
  /** Until when the latest firing of a target, or an override, would be carried out if something kept it from that; by full name. */
  readonly countsUntil: ReadonlyMap<string, number>
  /** Targets that rules or overrides name, and of which the size on record is an override's. */
  readonly overridden: readonly Target[]
  /** The shortest starting deadline of its rules; infinite without any. */
  readonly shortestDeadlineMs: number
  /** How many rules are about it, sound or not. */
  readonly ruleCount: number
}

/** Looks ahead in every cluster that was read, target by target. A second time for the same ones it only remembers. */
export function glanceAt(observed: Observed, config: CronScalerConfig, now: number, untilMs: number): readonly Glance[] {
  const known = glances.get(observed)
  if (known !== undefined && known.now === now && known.untilMs >= untilMs) return known.made
  const context = ruleContext(config.settings, now, observed.calendars)
  const configured = configuredByCluster(config)
  const made = observed.clusters.map((cluster) => {
    const glance = new GlanceAtCluster(cluster, configured(cluster.id), config, { now, untilMs })
    glance.look(context)
    return glance.result()
  })
  glances.set(observed, { now, untilMs, made })
  return made
}

const glances = new WeakMap<Observed, { readonly now: number; readonly untilMs: number; readonly made: readonly Glance[] }>()

class GlanceAtCluster {
  readonly #cluster: ObservedCluster
  readonly #configured: ConfiguredFor
  readonly #config: CronScalerConfig
  readonly #now: number
  readonly #untilMs: number
  readonly #due = new Set<number>()
  #dueMs = Number.POSITIVE_INFINITY
  #lookMs = Number.POSITIVE_INFINITY
  #firing: Glance['firing']
  #isWatched: boolean
  #shortestDeadlineMs = Number.POSITIVE_INFINITY
  #newsMs = Number.POSITIVE_INFINITY
  #isMarked = false
  readonly #countsUntil = new Map<string, number>()
  readonly #overridden = new Map<string, Target>()

  constructor(
    cluster: ObservedCluster,
    configured: ConfiguredFor,
    config: CronScalerConfig,
    { now, untilMs }: { readonly now: number; readonly untilMs: number },
  ) {
    this.#cluster = cluster
    this.#configured = configured
    this.#config = config
    this.#now = now
    this.#untilMs = untilMs
    const hasOverrides = configured.overrides.length > 0 || cluster.targets.some(({ override }) => override !== undefined)
    this.#isWatched = config.settings.enforce && hasOverrides
  }

  look(context: RuleContext): void {
    const targets = new Map(this.#cluster.targets.map((target) => [targetName(target), target]))
    // One target after the other: the checked rules of all of them at once would take a lot of room.
    const book = layOut([...this.#cluster.rules, ...this.#configured.drafts]).byTarget
    for (const [name, group] of book) {
      const fullName = fullNameOf({ cluster: this.#cluster, named: group.named })
      for (const rule of checkGroup(group, context).rules) this.#lookAtRule(rule, fullName, targets.get(name))
      this.#lookAtTarget(name, group.named, targets.get(name), true)
    }
    for (const { target: named, override } of this.#configured.overrides) {
      const name = targetName(named)
      this.#lookAtOverride(override)
      if (overrideInForce(undefined, [override], this.#now) !== undefined)
        this.#addCounting(fullNameOf({ cluster: this.#cluster, named }), override.untilMs)
      this.#lookAtTarget(name, named, targets.get(name), book.has(name))
    }
  }

  result(): Glance {
    return {
      cluster: this.#cluster,
      due: [...this.#due],
      ...(this.#dueMs === Number.POSITIVE_INFINITY ? {} : { dueMs: this.#dueMs }),
      ...(this.#lookMs === Number.POSITIVE_INFINITY ? {} : { lookMs: this.#lookMs }),
      ...(this.#newsMs === Number.POSITIVE_INFINITY ? {} : { newsMs: this.#newsMs }),
      ...(this.#firing === undefined ? {} : { firing: this.#firing }),
      isWatched: this.#isWatched,
      isMarked: this.#isMarked,
      countsUntil: this.#countsUntil,
      overridden: [...this.#overridden.values()],
      shortestDeadlineMs: this.#shortestDeadlineMs,
      ruleCount: this.#cluster.rules.length + this.#configured.drafts.length,
    }
  }

  #lookAtRule(rule: Rule, fullName: string, target: ObservedTarget | undefined): void {
    const now = this.#now
    if (rule.enforce && now < rule.validUntilMs) this.#isWatched = true
    this.#shortestDeadlineMs = Math.min(this.#shortestDeadlineMs, rule.startingDeadlineMs)
    this.#addLook(rule.validUntilMs)
    const comesUpMs = nextFiring(rule.schedule, rule.zone, Math.max(now, rule.existsSinceMs - 1))
    if (comesUpMs !== undefined && comesUpMs < rule.validUntilMs) this.#addLook(comesUpMs)
    this.#newsMs = Math.min(this.#newsMs, newsAfter(rule, now, comesUpMs))
    // A target has the same place in every spread: what comes from now on are the turns of what fires from so long before.
    const waitMs = turnOf(fullName, now, rule.spreadMs) - now
    const nextMs = upcomingFiring(rule, target?.record, now - waitMs)
    if (nextMs !== undefined) {
      this.#addDue(nextMs + waitMs)
      if (this.#firing === undefined || nextMs < this.#firing.atMs) this.#firing = { rule: rule.id, atMs: nextMs, zone: rule.zone }
      if (nextMs + waitMs < this.#untilMs) {
        for (const atMs of firingsWithin(rule, nextMs, this.#untilMs - waitMs)) this.#addDue(atMs + waitMs)
      }
    }
    // That it has run stands on the target: whoever takes that away, or the target, makes it run again.
    if (rule.onceKey !== undefined && nextMs === undefined && comesUpMs !== undefined && comesUpMs < rule.validUntilMs)
      this.#dueMs = Math.min(this.#dueMs, comesUpMs)
    for (const fromMs of countingFrom(rule, target, now, this.#config.settings.lookBack)) {
      for (const before of [2, 1]) this.#addLook(fromMs + rule.startingDeadlineMs - before * everyMs)
      this.#addCounting(fullName, fromMs + rule.startingDeadlineMs)
    }
  }

  /** What is on a target that a rule or an override names. */
  #lookAtTarget(name: string, named: Target, target: ObservedTarget | undefined, hasRules: boolean): void {
    if (target === undefined) return
    const { hold, override, record } = target
    if (typeof hold === 'number') this.#addDue(hold)
    if (override !== undefined && !('problem' in override)) this.#lookAtOverride(override)
    if (record?.untilMs !== undefined) this.#addDue(record.untilMs)
    if (record !== undefined && isOverride(record.owner)) {
      this.#overridden.set(name, named)
      // Where a rule takes over, it is late some time after the end; what was there before is never late to come back.
      this.#addCounting(`${this.#cluster.id}/${name}`, hasRules ? (record.untilMs ?? this.#now) : Number.POSITIVE_INFINITY)
    }
    const isKept = typeof hold === 'string' || (hold !== undefined && this.#now < hold)
    this.#isMarked ||= isKept || (override !== undefined && ('problem' in override || this.#now < override.untilMs))
  }

  /** An end that is on it counts as well: the deadline itself is the last instant that is in time. */
  #addCounting(fullName: string, untilMs: number): void {
    if (untilMs >= this.#now) this.#countsUntil.set(fullName, Math.max(untilMs, this.#countsUntil.get(fullName) ?? untilMs))
  }

  #lookAtOverride({ fromMs, untilMs }: Override): void {
    this.#addDue(fromMs)
    this.#addDue(untilMs)
  }

  #addDue(atMs: number | undefined): void {
    if (atMs === undefined || atMs <= this.#now) return
    this.#addLook(atMs)
    if (atMs < this.#dueMs) this.#dueMs = atMs
    if (atMs <= this.#untilMs) this.#due.add(atMs)
  }

  #addLook(atMs: number | undefined): void {
    if (atMs !== undefined && atMs > this.#now && atMs < this.#lookMs) this.#lookMs = atMs
  }
}

/**
 * When there is next something to be said of a rule for which its target is not needed: when it comes up and is excluded, or its
 * validity is over. Infinite when there never is. Of a rule that runs once only its target knows what is left to be said.
 */
export function newsAfter(rule: Rule, now: number, comesUpMs: number | undefined): number {
  const overMs = rule.validUntilMs
  if (overMs <= now) return Number.POSITIVE_INFINITY
  if (comesUpMs === undefined || comesUpMs >= overMs || rule.onceKey !== undefined || rule.excludes.entries.length === 0) return overMs
  return excludedBy(rule.excludes, civilOf(comesUpMs, rule.zone)) === undefined ? overMs : comesUpMs
}

/** The firings of a rule after `now` and up to `untilMs` that are not excluded. */
function firingsWithin(rule: Rule, now: number, untilMs: number): readonly number[] {
  const firings: number[] = []
  const lastMs = Math.min(untilMs, rule.validUntilMs - 1)
  for (let afterMs = Math.max(now, rule.existsSinceMs - 1); ; ) {
    const atMs = nextFiring(rule.schedule, rule.zone, afterMs)
    if (atMs === undefined || atMs > lastMs) return firings
    if (rule.excludes.entries.length === 0 || excludedBy(rule.excludes, civilOf(atMs, rule.zone)) === undefined) firings.push(atMs)
    afterMs = atMs
  }
}

/** From when on the starting deadline of a rule counts: its latest firing, and the end of what kept its target from it. */
function countingFrom(rule: Rule, target: ObservedTarget | undefined, now: number, lookBackMs: number): readonly number[] {
  const { atMs } = latestFiring(rule, target?.record, now, now - lookBackMs)
  const instants = [atMs, target?.hold, target?.record?.untilMs]
  return instants.filter((instant): instant is number => typeof instant === 'number' && instant <= now)
}
