import { civilOf, startOfDate } from '#shared/pure/civil.ts'
import { nextFiring, previousFiring } from '#shared/pure/cron.ts'
import { excludedBy } from './excludes.ts'
import type { ScaleRecord } from './record.ts'
import type { Rule } from './rules.ts'
import { sharedNextFiring, sharedPreviousFiring } from './schedule-cache.ts'
import { putOffMs } from './skipped-time.ts'
import { compareSizes } from './target.ts'

/** A rule's latest firing that counts. */
export interface Firing {
  readonly rule: Rule
  readonly atMs: number
}

/**
 * Later first. Of what the clocks have passed over, and what fires right after that, the later civil time: so a window that lies in
 * a gap is closed after it. At the same instant and civil time the higher size first. Of rules that ask for the same the one that does more about it: one
 * that enforces, one that may still run later. Then by id, so that the order of rules never matters.
 */
export function byPrecedence(left: Firing, right: Firing): number {
  return (
    right.atMs - left.atMs ||
    putOffMs(left.rule, left.atMs) - putOffMs(right.rule, right.atMs) ||
    compareSizes(right.rule.size, left.rule.size) ||
    Number(right.rule.enforce) - Number(left.rule.enforce) ||
    right.rule.startingDeadlineMs - left.rule.startingDeadlineMs ||
    (left.rule.id < right.rule.id ? -1 : left.rule.id > right.rule.id ? 1 : 0)
  )
}

/** Whether neither of two firings came later than the other, so that their sizes decide. */
export function isTie(left: Firing, right: Firing): boolean {
  return left.atMs === right.atMs && putOffMs(left.rule, left.atMs) === putOffMs(right.rule, right.atMs)
}

export interface LatestFiring {
  readonly atMs?: number
  /** The latest firing that an exclude took away, when it is later than `atMs`. */
  readonly excluded?: { readonly atMs: number; readonly by: string }
}

/**
 * The latest firing of a rule at or before `now` that is not excluded. A run-once rule that has run stays at the firing it
 * ran for. Of a rule with a calendar that could not be read it is the latest that may count: nobody knows whether it does.
 */
export function latestFiring(rule: Rule, record: ScaleRecord | undefined, now: number, earliestMs: number): LatestFiring {
  const ranFor = rule.onceKey === undefined ? undefined : record?.once[rule.onceKey]
  if (ranFor !== undefined) return ranFor >= earliestMs && ranFor <= now ? { atMs: ranFor } : {}
  const notBeforeMs = Math.max(earliestMs, rule.existsSinceMs)
  let excluded: { readonly atMs: number; readonly by: string } | undefined
  const until = Math.min(now, rule.validUntilMs - 1)
  let atMs = sharedPreviousFiring(rule.schedule, rule.zone, until, notBeforeMs)
  for (;;) {
    if (atMs === undefined) return excluded === undefined ? {} : { excluded }
    if (rule.excludes.entries.length === 0) return { atMs }
    const date = civilOf(atMs, rule.zone)
    const by = excludedBy(rule.excludes, date)
    if (by === undefined) return excluded === undefined ? { atMs } : { atMs, excluded }
    excluded ??= { atMs, by }
    atMs = previousFiring(rule.schedule, rule.zone, startOfDate(date, rule.zone) - 1, notBeforeMs)
  }
}

/** The next firing of a rule after `now` that is not excluded, looking a year of excluded days ahead. */
export function upcomingFiring(rule: Rule, record: ScaleRecord | undefined, now: number): number | undefined {
  if (rule.onceKey !== undefined && record?.once[rule.onceKey] !== undefined) return undefined
  let atMs = sharedNextFiring(rule.schedule, rule.zone, Math.max(now, rule.existsSinceMs - 1))
  for (let days = 0; days < 366; days += 1) {
    if (atMs === undefined || atMs >= rule.validUntilMs) return undefined
    if (rule.excludes.entries.length === 0) return atMs
    const date = civilOf(atMs, rule.zone)
    if (excludedBy(rule.excludes, date) === undefined) return atMs
    const tomorrow = startOfDate({ ...date, day: date.day + 1 }, rule.zone)
    atMs = nextFiring(rule.schedule, rule.zone, Math.max(atMs, tomorrow - 1))
  }
  return undefined
}
