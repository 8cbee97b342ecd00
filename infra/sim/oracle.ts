import type { Scenario, SimRule, SimSize } from './scenario.ts'
import { sizeTextOfSize } from './stage-world.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** How far back a firing can decide. */
const lookBackMs = 8 * 24 * hourMs
/** Objects in a cluster are this old when everything begins, and do not fire for what was before. */
const objectAgeMs = hourMs

/** What a target should be, going by its rules alone. */
export interface Wanted {
  readonly size: string
  /** The firing that decides. */
  readonly nominalMs: number
  readonly rule: SimRule
}

/**
 * What a target should be at an instant, had every tick come on time and nobody done anything: worked out by trying every minute,
 * without the product's schedules, plans or calendars. Undefined when no rule has fired yet.
 */
export function wantedAt(scenario: Scenario, target: number, now: number): Wanted | undefined {
  let best: Wanted | undefined
  for (const rule of scenario.rules) {
    if (rule.target !== target) continue
    const earliestMs = Math.max(now - lookBackMs, rule.source === 'hpc' ? scenario.startMs - objectAgeMs : Number.NEGATIVE_INFINITY)
    const nominalMs = lastFiring(rule, now, earliestMs)
    if (nominalMs === undefined) continue
    const isBetter =
      best === undefined || nominalMs > best.nominalMs || (nominalMs === best.nominalMs && isLarger(rule.size, best.rule.size))
    if (isBetter) best = { size: sizeTextOfSize(rule.size), nominalMs, rule }
  }
  return best
}

function lastFiring(rule: SimRule, now: number, earliestMs: number): number | undefined {
  for (let minute = Math.floor(now / minuteMs); ; minute -= 1) {
    const at = minute * minuteMs + rule.second * 1000
    if (at < earliestMs) return undefined
    if (at <= now && fires(rule, at)) return at
  }
}

function fires({ zoneHours, minutes, hours, excludedDate }: SimRule, at: number): boolean {
  const civil = new Date(at + zoneHours * hourMs)
  if (!minutes.includes(civil.getUTCMinutes())) return false
  if (hours !== undefined && !hours.includes(civil.getUTCHours())) return false
  return civil.toISOString().slice(0, 10) !== excludedDate
}

function isLarger(one: SimSize, other: SimSize): boolean {
  const bounds = (size: SimSize): readonly [number, number] => ('replicas' in size ? [size.replicas, size.replicas] : [size.min, size.max])
  const [low, high] = bounds(one)
  const [otherLow, otherHigh] = bounds(other)
  return low > otherLow || (low === otherLow && high > otherHigh)
}
