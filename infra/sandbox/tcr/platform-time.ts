/** The platform's own zone, Asia/Shanghai, has had no clock changes since 1991. */
const zoneOffsetMs = 8 * 3600 * 1000

const dayMs = 24 * 3600 * 1000

/**
 * An instant as TCR Personal spells times: local to the platform, with no zone in the text.
 *
 * @example
 * platformTime(0) // => '1970-01-01 08:00:00'
 */
export function platformTime(ms: number): string {
  return new Date(ms + zoneOffsetMs).toISOString().slice(0, 19).replace('T', ' ')
}

/** The number of the platform's civil day that an instant falls on. */
export function platformDay(ms: number): number {
  return Math.floor((ms + zoneOffsetMs) / dayMs)
}

/** Whole days from one instant to another; negative ones count as 0. */
export function wholeDays(fromMs: number, toMs: number): number {
  return Math.max(0, Math.floor((toMs - fromMs) / dayMs))
}
