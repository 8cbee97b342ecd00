import { civilOf, formatInstant } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { nextFiring, previousFiring } from '#shared/pure/cron.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { ruleContext } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import { byPrecedence, type Firing, latestFiring, upcomingFiring } from './firings.ts'
import type { Observed, ObservedTarget } from './plan.ts'
import { compareTexts, fullNameOf, type TargetCase } from './plan-step.ts'
import { openRuleBook } from './rule-book.ts'
import type { Rule } from './rules.ts'
import { type Size, sizesEqual, sizeText, targetName } from './target.ts'

/** Why the platform's controller may have come to another size. `unexplained`: none of the readings below leads to it. */
export type DivergenceCode =
  | 'changed-later'
  | 'run-once-again'
  | 'list-order'
  | 'ancestor-excludes'
  | 'excludes-ignored'
  | 'other-zone'
  | 'max-never-lowered'
  | 'earlier-of-missed'
  | 'firing-lost'
  | 'unexplained'

export interface Explanation {
  readonly code: DivergenceCode
  readonly text: string
}

/** What our decision and the controller's have come to for one target. */
export interface ShadowComparison {
  readonly code: 'shadow-agrees' | 'shadow-differs' | 'shadow-waiting'
  readonly text: string
  /** The firing that decides here; absent when no rule has fired yet. */
  readonly firing?: { readonly rule: string; readonly atMs: number; readonly zone: string }
  readonly ours?: Size
  readonly theirs: Size
  /** What fits, the likeliest first; empty unless they differ. */
  readonly why: readonly Explanation[]
}

export interface NamedComparison extends ShadowComparison {
  /** `cls-1/default/Deployment/web`. */
  readonly target: string
}

/** The controller gets so long to do what a firing asks for. */
const patienceMs = 90_000

/** It acts, and the cluster notes it, within this time of the instant that it acts for. */
const actsWithinMs = 120_000

/** A rule that fires every second and is excluded all day is not followed back any further. */
const mostSteps = 10_000

/** Nobody reads more reasons for one divergence. */
const mostReasons = 3

/**
 * Compares all targets that rules of HPC objects name, in all clusters where the controller runs and that can be read, whatever
 * the settings say of it. Sorted by target.
 */
export function shadowComparisons(observed: Observed, config: CronScalerConfig, now: number): NamedComparison[] {
  const context = ruleContext(config.settings, now, observed.calendars)
  return observed.clusters
    .filter(({ controller, problems }) => controller === 'running' && !problems.some(({ part }) => part === 'cluster' || part === 'rules'))
    .flatMap((cluster) => {
      const targets = new Map(cluster.targets.map((target) => [targetName(target), target]))
      return [...openRuleBook(cluster.rules, context).byTarget].flatMap(([name, { named, rules }]) => {
        const target = targets.get(name)
        if (target === undefined || rules.length === 0) return []
        const facts: TargetCase = { cluster, named, rules, isOfHpc: true, overrides: [], target, config, now }
        return [{ target: fullNameOf(facts), ...compareWithController(facts, target) }]
      })
    })
    .toSorted((left, right) => compareTexts(left.target, right.target))
}

/**
 * Compares the size that a target has beside a running controller with the one that its HPC rules ask for by our reading. Right
 * after a firing, excluded or not, it waits. When they differ, every way is tried in which such a controller is known to read
 * the same rules otherwise; those that lead to the size that is there are the reasons given. Where the cluster notes when the
 * controller set the size, a reading must also explain that instant.
 */
export function compareWithController(facts: TargetCase, target: ObservedTarget): ShadowComparison {
  const { now } = facts
  const rules = facts.rules.filter(({ source }) => source === 'hpc').map(ranOnce)
  const theirs = target.size
  const look: Look = { rules, now, earliestMs: now - facts.config.settings.lookBack, target, zones: zonesOf(facts, rules) }
  const firings = firingsUnder(look, asOurs)
  const [effective] = firings
  if (effective === undefined) {
    return { code: 'shadow-waiting', text: 'none of its rules has fired yet, so there is nothing to compare', theirs, why: [] }
  }
  const { rule, atMs } = effective
  const firing = { rule: rule.id, atMs, zone: rule.zone }
  const ours = rule.size
  const fired = `${rule.id} fired at ${formatInstant(atMs, rule.zone)}`
  const fresh = freshFiring(look)
  if (fresh !== undefined) {
    const age = formatDuration(Math.floor((now - fresh.atMs) / 1000) * 1000)
    const text = `${fresh.rule.id} came up ${age} ago, and what the controller makes of it is compared once that is ${formatDuration(patienceMs)} old`
    return { code: 'shadow-waiting', text, firing, ours, theirs, why: [] }
  }
  if (sizesEqual(ours, theirs))
    return { code: 'shadow-agrees', text: `both say ${sizeText(ours)}; ${fired}`, firing, ours, theirs, why: [] }
  const why = explain(look, firings, effective)
  const text = `here it would be ${sizeText(ours)} (${fired}), there is ${sizeText(theirs)}: ${why.map((one) => one.text).join('; or ')}`
  return { code: 'shadow-differs', text, firing, ours, theirs, why }
}

/**
 * A firing, excluded or not, that the controller may still be about to carry out. Of rules that fire all the time, and ask for
 * the same each time, there is none: waiting would never end.
 */
function freshFiring(look: Look): Firing | undefined {
  for (const reading of [asOurs, { ...asOurs, excludes: 'ignored' } as const]) {
    const [latest] = firingsUnder(look, reading)
    if (latest === undefined || look.now - latest.atMs >= patienceMs) continue
    const [before] = firingsUnder({ ...look, now: latest.atMs - 1 }, reading)
    const neverEnds = before !== undefined && latest.atMs - before.atMs <= patienceMs && sizesEqual(before.rule.size, latest.rule.size)
    if (!neverEnds) return latest
  }
  return undefined
}

/** What a comparison goes by. */
interface Look {
  readonly rules: readonly Rule[]
  readonly now: number
  readonly earliestMs: number
  readonly target: ObservedTarget
  /** Those in which a controller may read schedules. */
  readonly zones: readonly string[]
}

/** A way to read rules. */
interface Reading {
  /** The rule's own when absent. */
  readonly zone?: string
  readonly excludes: 'ours' | 'ignored' | 'ancestor'
  readonly runsOnceAgain: boolean
}

const asOurs: Reading = { excludes: 'ours', runsOnceAgain: false }

/**
 * A rule that runs once has run at its first firing since it was made: beside a controller there are no marks of ours that
 * could tell. One of which nobody knows when it was made is taken as it stands.
 */
function ranOnce(rule: Rule): Rule {
  if (rule.onceKey === undefined || !Number.isFinite(rule.existsSinceMs)) return rule
  const first = upcomingFiring(rule, undefined, rule.existsSinceMs - 1)
  return first === undefined ? rule : { ...rule, validUntilMs: Math.min(rule.validUntilMs, first + 1) }
}

/** Where its node's clock may stand: UTC, where most of these platforms are, and the zones that are named here. */
function zonesOf({ config }: TargetCase, rules: readonly Rule[]): string[] {
  return [...new Set(['UTC', 'Asia/Shanghai', config.settings.timeZone, ...rules.map(({ zone }) => zone)])]
}

/** The latest firings by a reading, the one that decides first. */
function firingsUnder({ rules, now, earliestMs }: Look, reading: Reading): Firing[] {
  const firings = rules.flatMap((rule): Firing[] => {
    const read = { ...rule, zone: reading.zone ?? rule.zone, ...(reading.runsOnceAgain ? { validUntilMs: Number.POSITIVE_INFINITY } : {}) }
    const atMs =
      reading.excludes === 'ours' ? latestFiring(read, undefined, now, earliestMs).atMs : latestOtherwise(read, reading, now, earliestMs)
    return atMs === undefined ? [] : [{ rule, atMs }]
  })
  return firings.sort(byPrecedence)
}

function latestOtherwise(rule: Rule, { excludes }: Reading, now: number, earliestMs: number): number | undefined {
  const notBeforeMs = Math.max(earliestMs, rule.existsSinceMs)
  let until = Math.min(now, rule.validUntilMs - 1)
  for (let steps = 0; steps < mostSteps; steps += 1) {
    const atMs = previousFiring(rule.schedule, rule.zone, until, notBeforeMs)
    if (atMs === undefined || excludes === 'ignored' || !isExcludedByAncestor(rule, atMs)) return atMs
    until = atMs - 1
  }
  return undefined
}

/**
 * HPC's ancestor (kubernetes-cronhpa-controller, `IsTodayOff`) takes a firing for excluded when the next firing of an excluded
 * expression is in the same month and at the same hour: the layout it compares by has no day in it. Entries that are no
 * expression it passes over.
 */
function isExcludedByAncestor({ excludes, zone }: Rule, atMs: number): boolean {
  const { month, hour } = civilOf(atMs, zone)
  return excludes.entries.some((entry) => {
    const next = entry.kind === 'cron' ? nextFiring(entry.schedule, zone, atMs) : undefined
    if (next === undefined) return false
    const civil = civilOf(next, zone)
    return civil.month === month && civil.hour === hour
  })
}

function explain(look: Look, firings: readonly Firing[], effective: Firing): Explanation[] {
  const found = [
    ...changedLater(look, effective),
    ...runsOnceAgain(look),
    ...otherOrder(look, firings, effective),
    ...otherReadings(look),
    ...highMaximum(look, firings, effective),
    ...missed(look, effective),
  ]
  if (found.length > 0) return found.slice(0, mostReasons)
  return [{ code: 'unexplained', text: 'unexplained: no known way to read these rules leads there' }]
}

/** Whether the controller itself set the size last, as far as the cluster says. */
function controllerSetMs({ target }: Look): number | undefined {
  const { manager } = target
  return manager !== undefined && /hpc|cronhpa/i.test(manager.name) ? manager.changedMs : undefined
}

/** Whether a reading by which the controller acts at an instant fits what the cluster notes. */
function actedAt(look: Look, atMs: number): boolean {
  const setMs = controllerSetMs(look)
  return setMs === undefined || Math.abs(setMs - atMs) <= actsWithinMs
}

function changedLater({ target }: Look, { rule, atMs }: Firing): Explanation[] {
  const { manager } = target
  if (manager?.changedMs === undefined || /hpc|cronhpa/i.test(manager.name) || manager.changedMs < atMs) return []
  return [{ code: 'changed-later', text: `${quote(manager.name)} changed it later, at ${formatInstant(manager.changedMs, rule.zone)}` }]
}

/** The firing that decides by a reading, if it leads to the size that is there. */
function leadsThere(look: Look, reading: Reading): Firing | undefined {
  const [first] = firingsUnder(look, reading)
  return first !== undefined && sizesEqual(first.rule.size, look.target.size) && actedAt(look, first.atMs) ? first : undefined
}

function runsOnceAgain(look: Look): Explanation[] {
  const once = look.rules.filter(({ onceKey }) => onceKey !== undefined)
  const firing = once.length === 0 ? undefined : leadsThere(look, { ...asOurs, runsOnceAgain: true })
  if (firing === undefined || firing.rule.onceKey === undefined) return []
  const { rule, atMs } = firing
  return [{ code: 'run-once-again', text: `it ran ${rule.id} again at ${formatInstant(atMs, rule.zone)}, which is to run once` }]
}

function otherOrder(look: Look, firings: readonly Firing[], effective: Firing): Explanation[] {
  const other = firings.find((firing) => firing.atMs === effective.atMs && sizesEqual(firing.rule.size, look.target.size))
  if (other === undefined || !actedAt(look, effective.atMs)) return []
  const text = `${other.rule.id} fires at the same instant, and it takes them in another order, where here the higher size wins`
  return [{ code: 'list-order', text }]
}

/** Another reading of excluded dates, of zones, or of both; those that differ in one thing come first. */
function otherReadings(look: Look): Explanation[] {
  const hasExcludes = look.rules.some(({ excludes }) => excludes.entries.length > 0)
  const excludes: readonly Reading['excludes'][] = hasExcludes ? ['ancestor', 'ignored'] : []
  const zones = look.zones.filter((zone) => look.rules.some((rule) => rule.zone !== zone))
  const simple = [...excludes.map((way): Reading => ({ ...asOurs, excludes: way })), ...zones.map((zone): Reading => ({ ...asOurs, zone }))]
  const found = simple.flatMap((reading) => readingText(look, reading))
  if (found.length > 0) return found
  return zones.flatMap((zone) => excludes.flatMap((way) => readingText(look, { ...asOurs, zone, excludes: way })))
}

function readingText(look: Look, reading: Reading): Explanation[] {
  const firing = leadsThere(look, reading)
  if (firing === undefined) return []
  const { rule, atMs } = firing
  const { zone, excludes } = reading
  const at = `by that reading ${rule.id} fired at ${formatInstant(atMs, zone ?? rule.zone)}`
  const inZone = zone === undefined ? '' : `it reads the schedule in ${zone}`
  const asAncestor = 'compares month and hour of an excluded date instead of the day, as its ancestor does'
  const ways: Record<Reading['excludes'], string> = { ours: '', ignored: 'ignores excluded dates', ancestor: asAncestor }
  const code: DivergenceCode = zone !== undefined ? 'other-zone' : excludes === 'ignored' ? 'excludes-ignored' : 'ancestor-excludes'
  const text = inZone === '' ? `it ${ways[excludes]}` : ways[excludes] === '' ? inZone : `${inZone} and ${ways[excludes]}`
  return [{ code, text: `${text}; ${at}` }]
}

/** Its ancestor raises an autoscaler's maximum and never takes it down again. */
function highMaximum(look: Look, firings: readonly Firing[], effective: Firing): Explanation[] {
  const { size } = look.target
  const ours = effective.rule.size
  if (size.kind !== 'bounds' || ours.kind !== 'bounds' || size.min !== ours.min || size.max <= ours.max) return []
  const raised = firings.find(({ rule }) => rule.size.kind === 'bounds' && rule.size.max === size.max)
  if (raised === undefined || !actedAt(look, effective.atMs)) return []
  return [{ code: 'max-never-lowered', text: `it never lowers a maximum again: ${raised.rule.id} had raised it to ${size.max}` }]
}

/** The size that an earlier firing asks for: the later one was missed, or the two were carried out the wrong way round. */
function missed(look: Look, effective: Firing): Explanation[] {
  const before = firingBefore(look, effective)
  if (before === undefined || !sizesEqual(before.rule.size, look.target.size)) return []
  const { rule, atMs } = before
  const setMs = controllerSetMs(look)
  const earlier = `${rule.id} of ${formatInstant(atMs, rule.zone)}`
  if (setMs !== undefined && setMs >= effective.atMs) {
    return [{ code: 'earlier-of-missed', text: `of two firings that it had missed it carried out the earlier one, ${earlier}` }]
  }
  if (setMs !== undefined && Math.abs(setMs - atMs) > actsWithinMs) return []
  return [{ code: 'firing-lost', text: `it was not there at that instant, so the size is still that of ${earlier}` }]
}

/** The firing that decided right before the one that decides now. */
function firingBefore(look: Look, effective: Firing): Firing | undefined {
  const [before] = firingsUnder({ ...look, now: effective.atMs - 1 }, asOurs)
  return before
}
