import { type CronProblem, type CronSchedule, nextFiring, parseCron, previousFiring } from '#shared/pure/cron.ts'
import type { Result } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'

/** More different expressions than this at once, and all are forgotten: they are a convenience, not a store. */
const mostExpressions = 10_000

/** Longer ones are not worth a place, and hardly meant. */
const longestExpression = 200

interface Parsed {
  readonly spec: string
  readonly result: Result<CronSchedule, CronProblem>
}

const parsed = new Map<string, Parsed>()

/** The very last one: rules that are due together share an expression, and to compare is faster than to look up. */
let lastParsed: Parsed | undefined

/**
 * The same as `parseCron`, for the many rules that share an expression: the same text gives the same object, so that what is
 * worked out about it is shared as well.
 */
export function sharedCron(spec: string): Result<CronSchedule, CronProblem> {
  if (spec === lastParsed?.spec) return lastParsed.result
  let known = parsed.get(spec)
  if (known === undefined) {
    known = { spec, result: parseCron(spec) }
    if (spec.length > longestExpression) return known.result
    if (parsed.size >= mostExpressions) parsed.clear()
    parsed.set(spec, known)
  }
  lastParsed = known
  return known.result
}

/** There are some 600 names; more can only be spellings of strangers. */
const mostZones = 2000

const zones = new Map<string, string>()
let lastZone: string | undefined

/** The same name of a time zone, as the same object each time: what is looked up by it is found at once. Undefined when it is none. */
export function sharedZone(name: string): string | undefined {
  if (name === lastZone) return lastZone
  let zone = zones.get(name)
  if (zone === undefined) {
    if (!isTimeZone(name)) return undefined
    if (zones.size >= mostZones) zones.clear()
    zones.set(name, name)
    zone = name
  }
  lastZone = zone
  return zone
}

/** What was asked last of one expression in one zone, and the answer. */
interface Asked {
  readonly schedule: CronSchedule
  readonly zone: string
  readonly ms: number
  readonly at: number | undefined
  /** So far back, or ahead, nothing was found; only where `at` is undefined does it matter. */
  readonly lookedTo: number
}

/** All that was asked, and the very last of it: rules that are due together ask for the same one after the other. */
class Questions {
  readonly #asked = new WeakMap<CronSchedule, Map<string, Asked>>()
  #last: Asked | undefined

  find(schedule: CronSchedule, zone: string): Asked | undefined {
    const last = this.#last
    if (last !== undefined && last.schedule === schedule && last.zone === zone) return last
    const found = this.#asked.get(schedule)?.get(zone)
    if (found !== undefined) this.#last = found
    return found
  }

  keep(asked: Asked): void {
    const { schedule, zone } = asked
    let inZones = this.#asked.get(schedule)
    if (inZones === undefined) {
      inZones = new Map()
      this.#asked.set(schedule, inZones)
    }
    inZones.set(zone, asked)
    this.#last = asked
  }
}

const nextAsked = new Questions()
const previousAsked = new Questions()

/** The same as `nextFiring`; asked for the same instant again, it knows. */
export function sharedNextFiring(schedule: CronSchedule, zone: string, afterMs: number): number | undefined {
  const last = nextAsked.find(schedule, zone)
  if (last?.ms === afterMs) return last.at
  const at = nextFiring(schedule, zone, afterMs)
  nextAsked.keep({ schedule, zone, ms: afterMs, at, lookedTo: Number.POSITIVE_INFINITY })
  return at
}

/** The same as `previousFiring`; asked from the same instant again, it knows, however far back it is to look. */
export function sharedPreviousFiring(schedule: CronSchedule, zone: string, atOrBeforeMs: number, notBeforeMs: number): number | undefined {
  const last = previousAsked.find(schedule, zone)
  if (last?.ms === atOrBeforeMs && (last.at !== undefined || last.lookedTo <= notBeforeMs)) {
    return last.at === undefined || last.at < notBeforeMs ? undefined : last.at
  }
  const at = previousFiring(schedule, zone, atOrBeforeMs, notBeforeMs)
  previousAsked.keep({ schedule, zone, ms: atOrBeforeMs, at, lookedTo: notBeforeMs })
  return at
}
