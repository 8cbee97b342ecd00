import { parseCivilDate, startOfDate } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { type CronSchedule, cronWarnings } from '#shared/pure/cron.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { longestPeriodMs, type Settings } from './event.ts'
import { type Calendar, type Excludes, sharedExcludes, type UnreadCalendar } from './excludes.ts'
import { sharedCron, sharedNextFiring, sharedPreviousFiring, sharedZone } from './schedule-cache.ts'
import type { Size, Target, TargetDraft } from './target.ts'
import { readRuleTarget, readSize } from './wanted-size.ts'

export { readRuleTarget, readSize } from './wanted-size.ts'

/** A rule as it stands in an HPC object or in the configuration, before anything about it is believed. */
export interface RuleDraft {
  readonly source: 'hpc' | 'config'
  /** `hpc/<namespace>/<object>/<cron>` or `config/<name>`. */
  readonly id: string
  /** What stays the same while a rule is edited, and differs when it is made anew: the object's uid and the cron's name. */
  readonly identity: string
  /** Id of the cluster. */
  readonly cluster: string
  readonly target: TargetDraft
  /** Namespace of a target that names none. */
  readonly namespace: string
  readonly schedule: string
  readonly timeZone: string
  readonly targetSize?: number | undefined
  readonly minSize?: number | undefined
  readonly maxSize?: number | undefined
  readonly excludeDates: readonly string[]
  readonly runOnce: boolean
  readonly startingDeadlineMs: number
  /** Targets that are due at one instant take turns within this time after it; nobody waits when absent. */
  readonly spreadMs?: number | undefined
  readonly enforce: boolean
  readonly allowHpaConflict: boolean
  readonly paused: boolean
  /** Firings before this instant are not the rule's: it did not exist. */
  readonly existsSinceMs?: number | undefined
  /** First and last day, in the rule's zone, on which it fires: `2026-10-01`. */
  readonly validFrom?: string | undefined
  readonly validUntil?: string | undefined
  /** Why the entry could not even be read, or is for no cluster. */
  readonly problem?: InvalidRule | undefined
  readonly warnings: readonly string[]
}

/** A rule that can run. */
export interface Rule {
  readonly source: 'hpc' | 'config'
  readonly id: string
  readonly target: Target
  readonly schedule: CronSchedule
  readonly zone: string
  readonly size: Size
  readonly excludes: Excludes
  /** Present on run-once rules: what a mark on the target says has run. */
  readonly onceKey?: string
  readonly startingDeadlineMs: number
  readonly spreadMs: number
  readonly enforce: boolean
  readonly allowHpaConflict: boolean
  /** It has no firing before this instant: it did not exist, or was not valid yet. */
  readonly existsSinceMs: number
  /** Nor at or after this one; infinite for most. */
  readonly validUntilMs: number
  readonly warnings: readonly string[]
}

export type InvalidCode =
  | 'rule-unreadable'
  | 'run-once-unnamed'
  | 'cluster-unknown'
  | 'cluster-ambiguous'
  | 'target-invalid'
  | 'schedule-invalid'
  | 'schedule-never-fires'
  | 'time-zone-unknown'
  | 'exclude-invalid'
  | 'validity-invalid'
  | 'spread-too-long'
  | 'size-missing'
  | 'size-invalid'
  | 'size-on-hpa'
  | 'bounds-on-workload'
  | 'min-above-max'
  | 'min-zero'

export interface InvalidRule {
  readonly code: InvalidCode
  readonly text: string
  /** The field at fault, as the configuration spells it: `target.kind`, `excludeDates[1]`. Absent when it is none in particular. */
  readonly field?: string
}

export interface RuleContext {
  readonly calendars: ReadonlyMap<string, Calendar | UnreadCalendar>
  readonly allowZeroMin: boolean
  /** Where to start looking whether the schedule ever fires. */
  readonly now: number
}

/**
 * Checks everything about a rule that can be checked without its target. The first thing that is wrong makes the rule
 * invalid, with a sentence that says what to write; an invalid rule is held and never runs in some other reading. `named` is
 * its target, where that has been read already.
 */
export function compileRule(draft: RuleDraft, context: RuleContext, named?: Target): Result<Rule, InvalidRule> {
  if (draft.problem !== undefined) return failure(draft.problem)
  const target = named === undefined ? readRuleTarget(draft) : success(named)
  if (!target.ok) return target
  const zone = zoneOf(draft)
  const schedule = scheduleOf(draft, zone, context.now)
  if (!schedule.ok) return schedule
  if (!zone.ok) return zone
  const excludes = excludesOf(draft, context.calendars)
  if (!excludes.ok) return excludes
  const size = readSize(draft, target.value, context.allowZeroMin)
  if (!size.ok) return size
  const validity = validityOf(draft, zone)
  if (!validity.ok) return validity
  const spread = spreadOf(draft)
  if (!spread.ok) return spread
  const { kind, namespace, name } = target.value
  const rule: Rule = {
    source: draft.source,
    id: draft.id,
    target: target.value,
    schedule: schedule.value,
    zone: zone.value,
    size: size.value,
    excludes: excludes.value,
    startingDeadlineMs: draft.startingDeadlineMs,
    spreadMs: spread.value,
    enforce: draft.enforce,
    allowHpaConflict: draft.allowHpaConflict,
    existsSinceMs: Math.max(draft.existsSinceMs ?? Number.NEGATIVE_INFINITY, validity.value.fromMs),
    validUntilMs: validity.value.untilMs,
    warnings: warningsOf(draft.warnings, schedule.value, excludes.value),
  }
  if (!draft.runOnce) return success(rule)
  // The schedule and what it acts on, and nothing else: editing a size, a zone or an exclude does not arm the rule again.
  return success({ ...rule, onceKey: digestOf([draft.identity, schedule.value.spec, kind, namespace, name]) })
}

/** Everything that is wrong with a rule, where `compileRule` stops at the first. */
export function ruleProblems(draft: RuleDraft, context: RuleContext): readonly InvalidRule[] {
  if (draft.problem !== undefined) return [draft.problem]
  const target = readRuleTarget(draft)
  const zone = zoneOf(draft)
  const parts = [
    target,
    scheduleOf(draft, zone, context.now),
    zone,
    excludesOf(draft, context.calendars),
    target.ok ? readSize(draft, target.value, context.allowZeroMin) : target,
    validityOf(draft, zone),
    spreadOf(draft),
  ]
  return [...new Set(parts.flatMap((part) => (part.ok ? [] : [part.error])))]
}

function zoneOf({ timeZone }: RuleDraft): Result<string, InvalidRule> {
  const zone = sharedZone(timeZone)
  if (zone !== undefined) return success(zone)
  const text = `${quote(timeZone)} is no time zone: write an IANA name such as Asia/Shanghai`
  return failure({ code: 'time-zone-unknown', text, field: 'timeZone' })
}

/** In which zone it is looked at where the one that is written is none. */
const anyZone = 'UTC'

function scheduleOf(draft: RuleDraft, written: Result<string, InvalidRule>, now: number): Result<CronSchedule, InvalidRule> {
  const zone = written.ok ? written.value : anyZone
  const schedule = sharedCron(draft.schedule)
  if (!schedule.ok) return failure({ code: 'schedule-invalid', text: schedule.error.message, field: 'schedule' })
  if (sharedNextFiring(schedule.value, zone, now) !== undefined) return schedule
  // The leap day of 2096 is not followed by another one for eight years, and is one all the same.
  if (sharedPreviousFiring(schedule.value, zone, now, now - longestPeriodMs) !== undefined) return schedule
  const text = `${quote(schedule.value.spec)} does not fire within the next five years: look at its day of month and month`
  return failure({ code: 'schedule-never-fires', text, field: 'schedule' })
}

interface Validity {
  readonly fromMs: number
  readonly untilMs: number
}

const always: Validity = { fromMs: Number.NEGATIVE_INFINITY, untilMs: Number.POSITIVE_INFINITY }

const validAlways = success(always)

/** From the beginning of its first day to the end of its last one. */
function validityOf({ validFrom, validUntil }: RuleDraft, written: Result<string, InvalidRule>): Result<Validity, InvalidRule> {
  if (validFrom === undefined && validUntil === undefined) return validAlways
  const zone = written.ok ? written.value : anyZone
  const invalid = (text: string, field: string) => failure({ code: 'validity-invalid', text, field } as const)
  const first = validFrom === undefined ? undefined : parseCivilDate(validFrom)
  if (first?.ok === false) return invalid(`the first day on which it is valid: ${first.error}`, 'validFrom')
  const last = validUntil === undefined ? undefined : parseCivilDate(validUntil)
  if (last?.ok === false) return invalid(`the last day on which it is valid: ${last.error}`, 'validUntil')
  const fromMs = first === undefined ? always.fromMs : startOfDate(first.value, zone)
  const untilMs = last === undefined ? always.untilMs : startOfDate({ ...last.value, day: last.value.day + 1 }, zone)
  if (fromMs >= untilMs) return invalid(`it is valid from ${validFrom} until ${validUntil}, which ends before it begins`, 'validUntil')
  return success({ fromMs, untilMs })
}

function spreadOf({ spreadMs = 0, startingDeadlineMs }: RuleDraft): Result<number, InvalidRule> {
  if (spreadMs === 0) return noSpread
  const text = spreadProblem(spreadMs, startingDeadlineMs)
  return text === undefined ? success(spreadMs) : failure({ code: 'spread-too-long', text, field: 'spread' })
}

const noSpread = success(0)

/**
 * Why firings would be lost between settings that do not go together: what is looked back has to reach over the starting deadline
 * and beyond the last turn of a wave. Undefined when it does.
 */
export function lookBackProblem({
  lookBack,
  startingDeadline,
  spread,
}: Pick<Settings, 'lookBack' | 'startingDeadline' | 'spread'>): string | undefined {
  const lost = (what: string, ms: number): string =>
    `a look back of ${formatDuration(lookBack)} does not reach over the ${what} of ${formatDuration(ms)}, so firings would be lost: lengthen lookBack`
  if (lookBack < startingDeadline) return lost('starting deadline', startingDeadline)
  return lookBack <= spread ? lost('spread', spread) : undefined
}

/** Why some targets' turn would come too late; undefined when every turn comes within the deadline. */
export function spreadProblem(spreadMs: number, startingDeadlineMs: number): string | undefined {
  if (spreadMs === 0 || spreadMs < startingDeadlineMs) return undefined
  return `a spread of ${formatDuration(spreadMs)} is not shorter than the starting deadline of ${formatDuration(startingDeadlineMs)}, so some targets' turn would come too late: shorten the spread, or lengthen startingDeadline`
}

function warningsOf(own: readonly string[], schedule: CronSchedule, excludes: Excludes): readonly string[] {
  const more = cronWarnings(schedule)
  if (more.length === 0 && excludes.warnings.length === 0) return own
  return [...own, ...more, ...excludes.warnings]
}

function excludesOf(draft: RuleDraft, calendars: RuleContext['calendars']): Result<Excludes, InvalidRule> {
  const excludes = sharedExcludes(draft.excludeDates, calendars)
  if (excludes.ok) return excludes
  const { index, text } = excludes.error
  return failure({ code: 'exclude-invalid', text, field: `excludeDates[${index}]` })
}
