import type { Settings } from '#functions/license-meter/event.ts'
import { rulesOf } from '#functions/license-meter/rules.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import type { ClusterCores } from '#shared/licence/cross-check.ts'
import { numberOf } from '#shared/licence/decimal.ts'
import { type Entitled, entitledOn } from '#shared/licence/entitlement.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { countsUnder, type Metric, type MetricUsage, sumsOf, usageOf } from '#shared/licence/metric.ts'
import { firstDayWanted, type LicenceRules, type MetricOutlook, outlookOf, type RegionOutlook } from '#shared/licence/outlook.ts'
import { type RecordSpan, readSpan } from '#shared/licence/record-store.ts'
import {
  type DayRow,
  type HourRange,
  hoursOfDay,
  PeriodBuilder,
  type PeriodMark,
  type PeriodMarks,
  periodName,
} from '#shared/licence/rollup.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber, hourOf, readSample } from '#shared/licence/sample.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import { curveOf, MetricBuilder, type MetricCurve, readHours } from './licence-curve.ts'
import type { ReportPeriod } from './report-period.ts'

/** What a licence report is of, and all it says; how that is shown is for others. */
export interface LicenceReport {
  readonly period: ReportPeriod
  readonly nowMs: number
  readonly settings: Settings
  readonly regions: readonly RegionReport[]
  readonly clusters: readonly ClusterCores[]
}

export interface RegionReport {
  readonly region: string
  /** How far its record reaches; undefined when nothing was ever measured. */
  readonly span: RecordSpan | undefined
  /** How it stands now. */
  readonly outlook: RegionOutlook
  /** The whole period, as far as it has begun; undefined when none of it has. */
  readonly total: PeriodMarks | undefined
  readonly gaps: readonly ReportGap[]
  readonly metrics: readonly MetricReport[]
}

/** Hours in a row without a sample, and why, where that was noted. */
export interface ReportGap extends HourRange {
  readonly why: string | undefined
}

export interface MetricReport {
  readonly metric: Metric
  /** As the platform describes the product; empty for a sum, and where it says nothing. */
  readonly description: string
  readonly unit: string
  /** The sum that it counts under, which has the entitlement. */
  readonly partOf: string | undefined
  /** What the last sample says of it; absent when there is none. */
  readonly usage: MetricUsage | undefined
  /** How it stands now; absent for a part of a sum. */
  readonly outlook: MetricOutlook | undefined
  /** The highest of the whole period. */
  readonly high: MetricHigh | undefined
  readonly months: readonly MetricMonth[]
  readonly curve: MetricCurve
}

/** A high-water mark with what was allowed on its day. */
export interface MetricHigh {
  readonly mark: PeriodMark
  readonly entitled: Entitled
}

export interface MetricMonth {
  readonly name: string
  readonly hours: number
  /** Hours in which this metric could be read. */
  readonly measured: number
  readonly high: MetricHigh | undefined
  /** Days whose high-water mark is above what was allowed on that day. */
  readonly daysAbove: number
}

/** Up to so many days hours are drawn, beyond that days. */
const mostDaysByHour = 31

/**
 * Reads what there is to say about a period: from high-water marks of days, and for a month from its samples. Holds days, or the hours of
 * one month, however long the record is. Throws StoreError and RecordError.
 */
export async function readLicenceReport(
  memory: MemoryReader,
  options: {
    readonly regions: readonly string[]
    readonly period: ReportPeriod
    readonly settings: Settings
    readonly nowMs: number
    readonly clusters?: readonly ClusterCores[]
  },
): Promise<LicenceReport> {
  const { regions, period, settings, nowMs, clusters = [] } = options
  const rules = rulesOf(settings)
  const reports: RegionReport[] = []
  for (const region of regions) reports.push(await readRegion(memory, region, { period, rules, nowMs }))
  return { period, nowMs, settings, regions: reports, clusters: clusters.filter(({ region }) => regions.includes(region)) }
}

interface RegionOptions {
  readonly period: ReportPeriod
  readonly rules: LicenceRules
  readonly nowMs: number
}

async function readRegion(memory: MemoryReader, region: string, { period, rules, nowMs }: RegionOptions): Promise<RegionReport> {
  const zone = rules.timeZone
  const roll = { zone, sums: sumsOf(rules.entitlements, region) }
  const today = civilDay(nowMs, zone).day
  const span = await readSpan(memory, region)
  const lately: DayRow[] = []
  for await (const row of readDayRows(memory, region, firstDayWanted(rules, nowMs), today, roll)) lately.push(row)
  const outlook = outlookOf({ region, latest: span?.last.sample, days: lately }, rules, nowMs)
  const reading = span === undefined ? undefined : readSample(span.last.sample)

  const lastDay = Math.min(period.untilDay, today)
  const untilHour = hoursBegun(span, nowMs)
  const total = new PeriodBuilder(period.name, untilHour)
  const months = new Map<string, PeriodBuilder>()
  const metrics = new Map<string, MetricBuilder>()
  const builderOf = (metric: Metric): MetricBuilder => {
    let builder = metrics.get(metric.id)
    if (builder === undefined) {
      builder = new MetricBuilder(metric, (day) => entitledOn(rules.entitlements, region, metric.id, day))
      metrics.set(metric.id, builder)
    }
    return builder
  }
  const sums = new Map(roll.sums.map((sum) => [sum.id, sum]))
  for (const { metric } of outlook.metrics) builderOf(metric)
  for await (const row of readDayRows(memory, region, period.fromDay, lastDay, roll)) {
    total.add(row)
    const name = periodName(row.day, 'month')
    let month = months.get(name)
    if (month === undefined) {
      month = new PeriodBuilder(name, untilHour)
      months.set(name, month)
    }
    month.add(row)
    for (const mark of row.marks) builderOf(sums.get(mark.metric) ?? { id: mark.metric }).addDay(row, numberOf(mark.max), mark.max)
    for (const builder of metrics.values()) builder.endDay(row)
  }
  const totals = total.marks()
  const monthMarks = [...months.values()].flatMap((builder) => builder.marks() ?? [])
  const isByHour = period.untilDay - period.fromDay < mostDaysByHour
  const hours = isByHour ? await readHours(memory, region, hoursOfDays(period.fromDay, lastDay, zone), [...metrics.values()]) : undefined
  const drawn = { period, rules, nowMs, untilHour, today }
  return {
    region,
    span,
    outlook,
    total: totals,
    gaps: totals === undefined ? [] : await gapsOf(memory, region, totals.gaps),
    metrics: inOrder([...metrics.values()], outlook).map((builder): MetricReport => {
      const { metric } = builder
      const entitled = builder.entitledOn
      const own = outlook.metrics.find((one) => one.metric.id === metric.id)
      const product = reading?.products.find(({ productId }) => productId === metric.id)
      const high = highOf(totals, metric.id, entitled)
      return {
        metric,
        description: product?.description ?? '',
        unit: high?.mark.unit ?? own?.usage.unit ?? product?.unit ?? '',
        partOf: own === undefined ? roll.sums.find((sum) => countsUnder(sum, metric.id))?.id : undefined,
        usage: reading === undefined ? undefined : usageOf(metric, reading),
        outlook: own,
        high,
        months: monthMarks.map((month) => ({
          name: month.name,
          hours: month.hours,
          measured: month.marks.find((mark) => mark.metric === metric.id)?.measured ?? 0,
          high: highOf(month, metric.id, entitled),
          daysAbove: builder.daysAbove.get(month.name) ?? 0,
        })),
        curve: curveOf(builder, hours?.get(metric.id), {
          ...drawn,
          marks: monthMarks.flatMap(({ marks }) => marks.filter((mark) => mark.metric === metric.id)),
          outlook: own,
          lately,
        }),
      }
    }),
  }
}

/** Hours before this one have begun and could have been measured: the running hour counts when it was. */
export function hoursBegun(span: RecordSpan | undefined, nowMs: number): number {
  const current = hourNumber(hourOf(nowMs))
  return span !== undefined && hourNumber(span.last.sample.hour) >= current ? current + 1 : current
}

function hoursOfDays(fromDay: number, untilDay: number, zone: string): { readonly from: number; readonly until: number } {
  return { from: hoursOfDay(fromDay, zone).firstHour, until: hoursOfDay(untilDay + 1, zone).firstHour }
}

/** What is compared first, then the parts of sums, as they were found. */
function inOrder(builders: readonly MetricBuilder[], outlook: RegionOutlook): readonly MetricBuilder[] {
  const place = new Map(outlook.metrics.map(({ metric }, index) => [metric.id, index]))
  const last = outlook.metrics.length
  return builders.toSorted((one, other) => (place.get(one.metric.id) ?? last) - (place.get(other.metric.id) ?? last))
}

function highOf(marks: PeriodMarks | undefined, metric: string, entitled: (day: number) => Entitled): MetricHigh | undefined {
  const mark = marks?.marks.find((one) => one.metric === metric)
  return mark === undefined ? undefined : { mark, entitled: entitled(mark.day) }
}

async function gapsOf(memory: MemoryReader, region: string, gaps: readonly HourRange[]): Promise<readonly ReportGap[]> {
  const [first, last] = [gaps[0], gaps.at(-1)]
  if (first === undefined || last === undefined) return []
  const notes = await readGapNotes(memory, region, hourNumber(first.from), hourNumber(last.until))
  return gaps.map((gap) => {
    const reasons = new Map<string, string>()
    for (let hour = hourNumber(gap.from); hour < hourNumber(gap.until); hour += 1) {
      const reason = notes.get(hourOf(hour * hourMs))
      if (reason !== undefined && !reasons.has(reason.code)) reasons.set(reason.code, reason.text)
    }
    return { ...gap, why: reasons.size === 0 ? undefined : [...reasons.values()].join('; ') }
  })
}
