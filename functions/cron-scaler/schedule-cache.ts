import { type CronProblem, type CronSchedule, nextFiring, parseCron, previousFiring } from '#shared/pure/cron.ts'
import type { Result } from '#shared/pure/result.ts'

/** More different expressions than this at once, and all are forgotten: they are a convenience, not a store. */
const mostExpressions = 10_000

/** Longer ones are not worth a place, and hardly meant. */
const longestExpression = 200

const parsed = new Map<string, Result<CronSchedule, CronProblem>>()

/**
 * The same as `parseCron`, for the many rules that share an expression: the same text gives the same object, so that what is
 * worked out about it is shared as well.
 */
export function sharedCron(spec: string): Result<CronSchedule, CronProblem> {
  const known = parsed.get(spec)
  if (known !== undefined) return known
  const result = parseCron(spec)
  if (spec.length > longestExpression) return result
  if (parsed.size >= mostExpressions) parsed.clear()
  parsed.set(spec, result)
  return result
}

/** What was asked last of one expression in one zone, and the answer. */
interface Asked {
  readonly ms: number
  readonly at: number | undefined
  /** So far back, or ahead, nothing was found; only where `at` is undefined does it matter. */
  readonly lookedTo: number
}

const nextAsked = new WeakMap<CronSchedule, Map<string, Asked>>()
const previousAsked = new WeakMap<CronSchedule, Map<string, Asked>>()

/** The same as `nextFiring`; asked for the same instant again, it knows. */
export function sharedNextFiring(schedule: CronSchedule, zone: string, afterMs: number): number | undefined {
  const asked = askedOf(nextAsked, schedule)
  const last = asked.get(zone)
  if (last?.ms === afterMs) return last.at
  const at = nextFiring(schedule, zone, afterMs)
  asked.set(zone, { ms: afterMs, at, lookedTo: Number.POSITIVE_INFINITY })
  return at
}

/** The same as `previousFiring`; asked from the same instant again, it knows, however far back it is to look. */
export function sharedPreviousFiring(schedule: CronSchedule, zone: string, atOrBeforeMs: number, notBeforeMs: number): number | undefined {
  const asked = askedOf(previousAsked, schedule)
  const last = asked.get(zone)
  if (last?.ms === atOrBeforeMs && (last.at !== undefined || last.lookedTo <= notBeforeMs)) {
    return last.at === undefined || last.at < notBeforeMs ? undefined : last.at
  }
  const at = previousFiring(schedule, zone, atOrBeforeMs, notBeforeMs)
  asked.set(zone, { ms: atOrBeforeMs, at, lookedTo: notBeforeMs })
  return at
}

function askedOf(all: WeakMap<CronSchedule, Map<string, Asked>>, schedule: CronSchedule): Map<string, Asked> {
  let asked = all.get(schedule)
  if (asked === undefined) {
    asked = new Map()
    all.set(schedule, asked)
  }
  return asked
}
