import type { Size } from '#functions/cron-scaler/target.ts'
import { extentOf, type TargetTimeline } from '#functions/cron-scaler/timeline.ts'
import { civilOf, startOfDate } from '#shared/pure/civil.ts'
import type { StepPoint } from './chart.ts'

/** The most replicas at once, and since when first. */
export interface Peak {
  readonly count: number
  readonly atMs: number
}

/** One month of civil time, or the part of it that the period covers. */
export interface CurveMonth {
  /** `2026-11`. */
  readonly month: string
  readonly fromMs: number
  readonly peak: { readonly low: number; readonly high: number }
  /** Replicas times hours. */
  readonly hours: { readonly low: number; readonly high: number }
}

const hourMs = 3_600_000

/** The size of one target over time; unknown is null. */
export function curveOf({ start, entries }: TargetTimeline, fromMs: number): StepPoint[] {
  const changes = entries.flatMap(({ verdict, atMs, after }) => (verdict === 'change' ? [{ atMs, ...extentOrNull(after) }] : []))
  return changes[0]?.atMs === fromMs ? changes : [{ atMs: fromMs, ...extentOrNull(start) }, ...changes]
}

function extentOrNull(size: Size | undefined): { readonly low: number | null; readonly high: number | null } {
  return size === undefined ? { low: null, high: null } : extentOf(size)
}

/** Adds up the sizes of targets over time. What nobody knows counts as nothing. Holds one entry per instant of change. */
export class ReplicaCurve {
  readonly #fromMs: number
  readonly #untilMs: number
  readonly #changes = new Map<number, { low: number; high: number }>()

  constructor(period: { readonly fromMs: number; readonly untilMs: number }) {
    this.#fromMs = period.fromMs
    this.#untilMs = period.untilMs
  }

  add(points: readonly StepPoint[]): void {
    let before = { low: 0, high: 0 }
    for (const { atMs, low, high } of points) {
      const after = { low: low ?? 0, high: high ?? 0 }
      const change = this.#changes.get(atMs) ?? { low: 0, high: 0 }
      change.low += after.low - before.low
      change.high += after.high - before.high
      this.#changes.set(atMs, change)
      before = after
    }
  }

  /** The sum over time, with one point for each instant at which it changes. */
  points(): StepPoint[] {
    let low = 0
    let high = 0
    const points: StepPoint[] = []
    for (const [atMs, change] of [...this.#changes].toSorted(([left], [right]) => left - right)) {
      low += change.low
      high += change.high
      const last = points.at(-1)
      if (last === undefined || last.low !== low || last.high !== high) points.push({ atMs, low, high })
    }
    return points.length === 0 ? [{ atMs: this.#fromMs, low: 0, high: 0 }] : points
  }

  /** When the least and the most that bounds allow are highest. */
  peaks(points: readonly StepPoint[] = this.points()): { readonly low: Peak; readonly high: Peak } {
    let low: Peak = { count: 0, atMs: this.#fromMs }
    let high = low
    for (const point of points) {
      if ((point.low ?? 0) > low.count) low = { count: point.low ?? 0, atMs: point.atMs }
      if ((point.high ?? 0) > high.count) high = { count: point.high ?? 0, atMs: point.atMs }
    }
    return { low, high }
  }

  /** The same by months of a zone's civil time, in their order. */
  months(zone: string, points: readonly StepPoint[] = this.points()): CurveMonth[] {
    const months: CurveMonth[] = []
    let index = 0
    for (let fromMs = this.#fromMs; fromMs < this.#untilMs; ) {
      const { year, month } = civilOf(fromMs, zone)
      const next = month === 12 ? { year: year + 1, month: 1, day: 1 } : { year, month: month + 1, day: 1 }
      const untilMs = Math.min(this.#untilMs, startOfDate(next, zone))
      const peak = { low: 0, high: 0 }
      const hours = { low: 0, high: 0 }
      for (; index < points.length; index += 1) {
        const point = points[index]
        if (point === undefined || point.atMs >= untilMs) break
        const spentMs = Math.min(untilMs, points[index + 1]?.atMs ?? untilMs) - Math.max(fromMs, point.atMs)
        peak.low = Math.max(peak.low, point.low ?? 0)
        peak.high = Math.max(peak.high, point.high ?? 0)
        hours.low += ((point.low ?? 0) * spentMs) / hourMs
        hours.high += ((point.high ?? 0) * spentMs) / hourMs
        // It goes on into the next month.
        if ((points[index + 1]?.atMs ?? Number.POSITIVE_INFINITY) > untilMs) break
      }
      months.push({ month: `${year}-${String(month).padStart(2, '0')}`, fromMs, peak, hours })
      fromMs = untilMs
    }
    return months
  }
}
