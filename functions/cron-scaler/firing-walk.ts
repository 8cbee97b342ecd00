import { civilOf, dateOfDay, dayNumber } from '#shared/pure/civil.ts'
import { matchesDate } from '#shared/pure/cron.ts'
import { excludedBy } from './excludes.ts'
import { byPrecedence, type Firing, isTie, upcomingFiring } from './firings.ts'
import type { ScaleRecord } from './record.ts'
import type { Rule } from './rules.ts'
import { sizesEqual } from './target.ts'

/** Two rules that fire at one instant and ask for different sizes, and the first such instant. */
export interface Contradiction {
  readonly winner: Rule
  readonly loser: Rule
  readonly firstMs: number
}

/** What came of going through the firings of a target's rules. */
export interface Walk {
  readonly contradictions: readonly Contradiction[]
  /** Rules that fire and never decide, each with the rule that gets its way at the first of its firings. */
  readonly overtaken: readonly { readonly rule: Rule; readonly by: Rule; readonly firstMs: number }[]
  /** Up to here the firings were gone through: the end, or where the patience did. */
  readonly untilMs: number
}

/** So many days are looked through for a firing that is not excluded: `upcomingFiring` looks at one more. */
const excludedRunMs = 365 * 86_400_000

/** The first firing of a rule after an instant that is not excluded and comes before another; undefined when there is none. */
export function firingAfter(rule: Rule, record: ScaleRecord | undefined, afterMs: number, untilMs: number): number | undefined {
  for (let lookMs = Math.max(afterMs, rule.existsSinceMs - 1); lookMs < untilMs; lookMs += excludedRunMs) {
    const atMs = upcomingFiring(rule, record, lookMs)
    if (atMs !== undefined) return atMs < untilMs ? atMs : undefined
  }
  return undefined
}

/**
 * About how often a rule fires in a period, counted by whole days of its zone, so that it takes no longer for a rule that fires
 * every second. A rule that runs once counts as one.
 */
export function countFirings(rule: Rule, fromMs: number, untilMs: number): number {
  const { schedule, zone, excludes } = rule
  const firstMs = Math.max(fromMs, rule.existsSinceMs)
  const lastMs = Math.min(untilMs, rule.validUntilMs)
  if (rule.onceKey !== undefined || firstMs >= lastMs) return firstMs < lastMs ? 1 : 0
  const { seconds, minutes, hours } = schedule
  const perDay = countBits(seconds.low, seconds.high) * countBits(minutes.low, minutes.high) * countBits(hours)
  const first = civilOf(firstMs, zone)
  const last = civilOf(lastMs - 1, zone)
  let days = 0
  for (let day = dayNumber(first.year, first.month, first.day); day <= dayNumber(last.year, last.month, last.day); day += 1) {
    const date = dateOfDay(day)
    if (matchesDate(schedule, date) && excludedBy(excludes, date) === undefined) days += 1
  }
  return days * perDay
}

function countBits(...sets: readonly number[]): number {
  let count = 0
  for (const set of sets) for (let left = set; left !== 0; left &= left - 1) count += 1
  return count
}

interface Walker {
  readonly rule: Rule
  /** Infinity when it fires no more. */
  nextMs: number
  decides: boolean
  overtaken: { readonly by: Rule; readonly firstMs: number } | undefined
}

/**
 * Goes through the firings of one target's rules after `now` and finds where several fall on one instant. What fires alone is
 * leapt over: a rule goes on at the next firing of any other, so a rule of every second costs no more than the rules beside it.
 * A rule that runs once fires once. After `mostSteps` leaps it stops, and says how far it came.
 */
export function walkFirings(
  rules: readonly Rule[],
  {
    record,
    now,
    untilMs,
    mostSteps,
  }: { readonly record: ScaleRecord | undefined; readonly now: number; readonly untilMs: number; readonly mostSteps: number },
): Walk {
  const nextOf = (rule: Rule, afterMs: number): number => firingAfter(rule, record, afterMs, untilMs) ?? Number.POSITIVE_INFINITY
  const walkers = rules.map((rule): Walker => ({ rule, nextMs: nextOf(rule, now), decides: false, overtaken: undefined }))
  const contradictions = new Map<string, Contradiction>()
  for (let steps = 0; ; steps += 1) {
    const [firstMs, secondMs] = lowestTwo(walkers)
    if (firstMs === Number.POSITIVE_INFINITY || steps === mostSteps) {
      const isDone = firstMs === Number.POSITIVE_INFINITY
      return {
        contradictions: [...contradictions.values()],
        overtaken: isDone ? overtakenOf(walkers) : [],
        untilMs: Math.min(firstMs, untilMs),
      }
    }
    const firing = walkers.filter(({ nextMs }) => nextMs === firstMs)
    noteInstant(firing, firstMs, contradictions)
    for (const walker of firing) {
      const isOver = walker.rule.onceKey !== undefined
      walker.nextMs = isOver ? Number.POSITIVE_INFINITY : nextOf(walker.rule, firing.length > 1 ? firstMs : Math.max(firstMs, secondMs - 1))
    }
  }
}

/** The two lowest of the next firings, which may be equal. */
function lowestTwo(walkers: readonly Walker[]): readonly [number, number] {
  let first = Number.POSITIVE_INFINITY
  let second = Number.POSITIVE_INFINITY
  for (const { nextMs } of walkers) {
    if (nextMs < first) {
      second = first
      first = nextMs
    } else if (nextMs < second) second = nextMs
  }
  return [first, second]
}

function noteInstant(firing: readonly Walker[], atMs: number, contradictions: Map<string, Contradiction>): void {
  const [winner, ...losers] = firing.length > 1 ? firing.toSorted((left, right) => byPrecedence(at(left, atMs), at(right, atMs))) : firing
  if (winner === undefined) return
  winner.decides = true
  for (const loser of losers) {
    loser.overtaken ??= { by: winner.rule, firstMs: atMs }
    if (sizesEqual(winner.rule.size, loser.rule.size) || !isTie(at(winner, atMs), at(loser, atMs))) continue
    const key = JSON.stringify([winner.rule.id, loser.rule.id])
    if (!contradictions.has(key)) contradictions.set(key, { winner: winner.rule, loser: loser.rule, firstMs: atMs })
  }
}

function overtakenOf(walkers: readonly Walker[]): Walk['overtaken'] {
  return walkers.flatMap(({ rule, decides, overtaken }) => (decides || overtaken === undefined ? [] : [{ rule, ...overtaken }]))
}

function at({ rule }: Walker, atMs: number): Firing {
  return { rule, atMs }
}
