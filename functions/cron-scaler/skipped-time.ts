import { civilOf, wallSeconds } from '#shared/pure/civil.ts'
import { previousFiring } from '#shared/pure/cron.ts'
import type { Rule } from './rules.ts'

/**
 * How much later than its civil time a rule fires at an instant: not at all, except right after a gap in its zone's clocks, where
 * everything fires that the clocks have passed over. Of several such times of one rule it is the latest that counts.
 */
export function putOffMs({ schedule, zone }: Rule, atMs: number): number {
  const gapMs = Number.isFinite(atMs) ? gapBefore(atMs, zone) : 0
  if (gapMs === 0) return 0
  const endMs = wallMs(atMs, zone)
  // Where there are no zones a gap is a time like any other.
  const civilMs = previousFiring(schedule, 'UTC', endMs, endMs - gapMs)
  return civilMs === undefined ? 0 : endMs - civilMs
}

/** What was asked last of each zone: rules of one instant are compared with each other. */
const asked = new Map<string, { readonly atMs: number; readonly gapMs: number }>()

/** The time that a zone's clocks pass over right before an instant; 0 for nearly every one. */
function gapBefore(atMs: number, zone: string): number {
  const known = asked.get(zone)
  if (known?.atMs === atMs) return known.gapMs
  const gapMs = Math.max(0, wallMs(atMs, zone) - wallMs(atMs - 1000, zone) - 1000)
  asked.set(zone, { atMs, gapMs })
  return gapMs
}

/** What the clocks of a zone show, as if it were UTC. */
function wallMs(atMs: number, zone: string): number {
  return wallSeconds(civilOf(atMs, zone)) * 1000
}
