import type { SimZone } from './scenario.ts'

/** Civil time as clocks on a wall show it. */
export interface WallTime {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** When the clocks of Berlin change in 2026, both at 01:00 UTC: written here so that nobody else's calendar is believed. */
const summerFromMs = Date.UTC(2026, 2, 29, 1)
const summerUntilMs = Date.UTC(2026, 9, 25, 1)

/** How far ahead of UTC a zone is at an instant of the year 2026 or near it. */
export function offsetAt(ms: number, zone: SimZone): number {
  switch (zone) {
    case 'UTC':
      return 0
    case 'Asia/Shanghai':
      return 8 * hourMs
    case 'Europe/Berlin':
      return ms >= summerFromMs && ms < summerUntilMs ? 2 * hourMs : hourMs
  }
}

/** Instants at which the clocks of a zone are put forward or back, each with by how much. */
export function clockChanges(zone: SimZone): readonly { readonly atMs: number; readonly byMs: number }[] {
  if (zone !== 'Europe/Berlin') return []
  return [
    { atMs: summerFromMs, byMs: hourMs },
    { atMs: summerUntilMs, byMs: -hourMs },
  ]
}

/** What clocks show when they are so far ahead of UTC. */
export function wallOf(ms: number, offsetMs: number): WallTime {
  const date = new Date(ms + offsetMs)
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
  }
}

export function civilAt(ms: number, zone: SimZone): WallTime {
  return wallOf(ms, offsetAt(ms, zone))
}

/** `2026-03-02` */
export function dateText({ year, month, day }: Pick<WallTime, 'year' | 'month' | 'day'>): string {
  return `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}
