import type { LicenceLine } from '../view-shapes.ts'
import type { ChartColumns } from './timeline-series.ts'

export type UsagePoint = LicenceLine['points'][number]

export const hourMs = 3_600_000

/**
 * Hourly marks as a chart takes them, with the entitlement beside each. An hour that is not there becomes unknown, from where the
 * hour before it ends; the last mark holds until its hour is over.
 */
export function usageColumns(points: readonly UsagePoint[], entitled: number | undefined): ChartColumns {
  const times: number[] = []
  const values: (number | null)[] = []
  const add = (atMs: number, value: number | null): void => {
    times.push(atMs / 1000)
    values.push(value)
  }
  let untilMs: number | undefined
  for (const { at, value } of points) {
    const atMs = Date.parse(at)
    if (untilMs !== undefined && atMs > untilMs) {
      // The line is drawn to the last known value: it holds until its hour is over.
      add(untilMs - 1, values.at(-1) ?? null)
      add(untilMs, null)
    }
    add(atMs, value)
    untilMs = atMs + hourMs
  }
  // What was used in the last hour was used until its end.
  if (untilMs !== undefined) add(untilMs, values.at(-1) ?? null)
  return entitled === undefined ? [times, values] : [times, values, times.map(() => entitled)]
}
