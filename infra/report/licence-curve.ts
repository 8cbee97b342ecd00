import { compareDecimals, type Decimal, numberOf } from '#shared/licence/decimal.ts'
import type { Entitled } from '#shared/licence/entitlement.ts'
import { type Metric, usageOf } from '#shared/licence/metric.ts'
import type { LicenceRules, MetricOutlook } from '#shared/licence/outlook.ts'
import { readEntries } from '#shared/licence/record-store.ts'
import { type DayRow, type PeriodMark, periodName } from '#shared/licence/rollup.ts'
import { hourMs, hourNumber, readSample } from '#shared/licence/sample.ts'
import { dateOfDay, startOfDate } from '#shared/pure/civil.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import type { StepPoint } from './chart.ts'
import type { AheadPoint, LimitPoint, MarkPoint } from './chart-overlays.ts'
import { aheadOf, noAhead } from './licence-ahead.ts'
import type { ReportPeriod } from './report-period.ts'

/** What a chart draws. */
export interface MetricCurve {
  readonly fromMs: number
  readonly untilMs: number
  /** `hour`, or `day` for high-water marks of days. */
  readonly step: 'hour' | 'day'
  readonly points: readonly StepPoint[]
  readonly limit: readonly LimitPoint[]
  readonly marks: readonly MarkPoint[]
  /** What each point of `ahead` is the highest of. */
  readonly aheadStep: 'day' | 'week'
  readonly ahead: readonly AheadPoint[]
}

/** Gathers the days of one metric. */
export class MetricBuilder {
  readonly metric: Metric
  readonly entitledOn: (day: number) => Entitled
  readonly days: { day: number; value: number | null }[] = []
  /** By month. */
  readonly daysAbove = new Map<string, number>()
  #day: number | undefined

  constructor(metric: Metric, entitledOn: (day: number) => Entitled) {
    this.metric = metric
    this.entitledOn = entitledOn
  }

  addDay({ day }: DayRow, value: number, max: Decimal): void {
    this.#day = day
    this.days.push({ day, value })
    const entitled = this.entitledOn(day)
    if (entitled.kind !== 'cores' || compareDecimals(max, entitled.cores) <= 0) return
    const month = periodName(day, 'month')
    this.daysAbove.set(month, (this.daysAbove.get(month) ?? 0) + 1)
  }

  /** A day on which it could not be read. */
  endDay({ day }: DayRow): void {
    if (this.#day !== day) this.days.push({ day, value: null })
  }
}

/** Null where it could not be read. */
export type HourPoint = readonly [hour: number, value: number | null]

/** What each metric was in each hour that was measured. */
export async function readHours(
  memory: MemoryReader,
  region: string,
  { from, until }: { readonly from: number; readonly until: number },
  builders: readonly MetricBuilder[],
): Promise<ReadonlyMap<string, readonly HourPoint[]>> {
  const points = new Map(builders.map(({ metric }) => [metric.id, [] as HourPoint[]]))
  for await (const { sample } of readEntries(memory, region, from, until)) {
    const reading = readSample(sample)
    const hour = hourNumber(sample.hour)
    for (const { metric } of builders) {
      const { usage } = usageOf(metric, reading)
      points.get(metric.id)?.push([hour, usage === undefined ? null : numberOf(usage)])
    }
  }
  return points
}

export interface CurveOptions {
  readonly period: ReportPeriod
  readonly rules: LicenceRules
  readonly nowMs: number
  readonly untilHour: number
  readonly today: number
  readonly marks: readonly PeriodMark[]
  readonly outlook: MetricOutlook | undefined
  readonly lately: readonly DayRow[]
}

/** What a chart draws of a metric: its hours where they are given, else its days; and what is expected where the period is not over. */
export function curveOf(builder: MetricBuilder, hours: readonly HourPoint[] | undefined, options: CurveOptions): MetricCurve {
  const { period, rules, untilHour, today, marks, outlook, lately } = options
  const startMs = (day: number): number => startOfDate(dateOfDay(day), rules.timeZone)
  const isOpen = period.untilDay >= today && period.fromDay <= today
  const ahead = isOpen && outlook !== undefined ? aheadOf(outlook, lately, { rules, today, leastUntil: period.untilDay }) : noAhead
  const untilDay = Math.max(period.untilDay, ahead.days.at(-1)?.day ?? 0)
  const [fromMs, untilMs] = [startMs(period.fromDay), startMs(untilDay + 1)]
  const endMs = Math.min(untilHour * hourMs, startMs(period.untilDay + 1))
  const known = hours === undefined ? builder.days.map(({ day, value }) => ({ atMs: startMs(day), value })) : hourPoints(hours)
  const curve = known.filter(({ atMs }) => atMs >= fromMs && atMs < endMs)
  return {
    fromMs,
    untilMs,
    step: hours === undefined ? 'day' : 'hour',
    points: stepPoints(curve, endMs, untilMs),
    limit: limitPoints(builder.entitledOn, period.fromDay, untilDay, startMs),
    // A day's mark stands over its day, as the curve does.
    marks: marks.map(({ day, at, max }) => ({ atMs: hours === undefined ? startMs(day) : hourNumber(at) * hourMs, value: numberOf(max) })),
    aheadStep: ahead.step,
    ahead: ahead.days.map(({ day, ...point }) => ({ atMs: startMs(day), ...point })),
  }
}

interface Known {
  readonly atMs: number
  readonly value: number | null
}

/** Where an hour follows that has no sample, nothing is known from there on. */
function hourPoints(hours: readonly HourPoint[]): Known[] {
  return hours.flatMap(([hour, value], index): Known[] => {
    const next = hours[index + 1]?.[0]
    const own = { atMs: hour * hourMs, value }
    return next === undefined || next === hour + 1 ? [own] : [own, { atMs: (hour + 1) * hourMs, value: null }]
  })
}

/** Points where the value changes; nothing is known before the first and after the end. */
function stepPoints(known: readonly Known[], endMs: number, untilMs: number): StepPoint[] {
  const points: StepPoint[] = []
  let last: number | null | undefined
  for (const { atMs, value } of known) {
    if (value === last) continue
    points.push({ atMs, low: value, high: value })
    last = value
  }
  if (last !== null && last !== undefined && endMs < untilMs) points.push({ atMs: endMs, low: null, high: null })
  return points
}

function limitPoints(
  entitled: (day: number) => Entitled,
  fromDay: number,
  untilDay: number,
  startMs: (day: number) => number,
): LimitPoint[] {
  const points: LimitPoint[] = []
  for (let day = fromDay; day <= untilDay; day += 1) {
    const own = entitled(day)
    const value = own.kind === 'cores' ? numberOf(own.cores) : null
    if (points.length === 0 || points.at(-1)?.value !== value) points.push({ atMs: startMs(day), value })
  }
  return points
}
