import { civilDay } from './civil-day.ts'
import { addDecimals, compareDecimals, type Decimal, excessOf, formatDecimal, numberOf, percentOf } from './decimal.ts'
import { type Entitled, type Entitlement, entitledOn } from './entitlement.ts'
import { type DayValue, forecastOf } from './forecast.ts'
import type { Forecast, Headroom, HeadroomLine, RegionHeadroom } from './headroom.ts'
import { type Metric, type MetricUsage, metricsOf, sumsOf, usageOf } from './metric.ts'
import { type Agreement, agreementOf, fittingMeaning, type Overage, overageOf, type PassMeans, type UsageVerdict } from './polarity.ts'
import { countHours, type DayRow, periodName, rollDay, rollUp } from './rollup.ts'
import { hourMs, hourNumber, hourOf, type PassState, readSample, type Sample, type SampleReading } from './sample.ts'

/** What the figures of a region are judged by. */
export interface LicenceRules {
  readonly timeZone: string
  readonly entitlements: readonly Entitlement[]
  readonly passMeans?: PassMeans | undefined
  readonly tolerancePercent: Decimal
  readonly forecast: { readonly weeks: number; readonly horizonDays: number }
}

/** What is known of a region: its last sample, and rows of its days, oldest first. */
export interface RegionFigures {
  readonly region: string
  readonly latest?: Sample | undefined
  readonly days: readonly DayRow[]
}

/**
 * How a metric stands: `over-use` above the entitlement and its tolerance, `above` the entitlement within it (both strictly), `within`
 * up to exactly the entitlement, `no-data` where it is not known, which is neither zero nor within.
 */
export type Standing = 'over-use' | 'above' | 'within' | 'unlimited' | 'no-entitlement' | 'no-data'

export interface MetricOutlook {
  readonly metric: Metric
  readonly usage: MetricUsage
  readonly entitled: Entitled
  readonly standing: Standing
  /** Entitlement and tolerance together; what is above is over-use. */
  readonly limit?: Decimal
  /** What is left of the entitlement. */
  readonly free?: Decimal
  readonly forecast: Forecast
}

export interface RegionOutlook {
  readonly region: string
  /** Hour of the last sample; absent when there is none. */
  readonly hour?: string
  readonly at?: string
  /** Whether that is the hour of now: older figures raise no alarm. */
  readonly isCurrent: boolean
  readonly pass: { readonly raw: unknown; readonly state: PassState }
  readonly overage: Overage
  readonly verdict: UsageVerdict
  readonly agreement: Agreement
  /** What `passMeans` would have to be for Pass and the figures to fit together. */
  readonly fitting?: PassMeans
  readonly metrics: readonly MetricOutlook[]
  /** Of the civil month so far, in hours. */
  readonly coverage: { readonly measured: number; readonly hours: number }
}

/** The first civil day whose row an outlook wants; it also wants all after it, up to today's. */
export function firstDayWanted({ timeZone, forecast }: Pick<LicenceRules, 'timeZone' | 'forecast'>, now: number): number {
  const { day, monthStart } = civilDay(now, timeZone)
  return Math.min(day - forecast.weeks * 7, monthStart)
}

/** Says how a region stands at `now` (epoch milliseconds), and when it will be blocked. Pure. */
export function outlookOf({ region, latest, days: known }: RegionFigures, rules: LicenceRules, now: number): RegionOutlook {
  const { timeZone, entitlements } = rules
  const today = civilDay(now, timeZone)
  const days = latest === undefined ? known : withSample(known, latest, timeZone, sumsOf(entitlements, region))
  const reading: SampleReading | undefined = latest === undefined ? undefined : readSample(latest)
  // A clock that was ahead may have measured an hour that is still to come here.
  const isCurrent = latest !== undefined && hourNumber(latest.hour) >= hourNumber(hourOf(now))
  const seenOn = latest === undefined ? today.day : civilDay(hourNumber(latest.hour) * hourMs, timeZone).day
  const seen = reading?.products.map(({ productId }) => productId).filter((id) => id !== '') ?? []
  const products = seen.length > 0 ? seen : productsOf(days)
  const metrics = metricsOf(entitlements, region, products).map((metric): MetricOutlook => {
    const usage: MetricUsage = reading === undefined ? { unit: '', why: 'there is no sample yet' } : usageOf(metric, reading)
    const entitled = entitledOn(entitlements, region, metric.id, today.day)
    const standing = standingOf(usage, entitled, rules.tolerancePercent)
    const forecast = forecastFor(metric, region, days, rules, { today: today.day, seenOn }, standing)
    const facts = { metric, usage, entitled, standing, forecast }
    if (entitled.kind !== 'cores') return facts
    const limit = limitOf(entitled.cores, rules.tolerancePercent)
    return { ...facts, limit, ...(usage.usage === undefined ? {} : { free: excessOf(entitled.cores, usage.usage) }) }
  })
  const pass = reading?.pass ?? { raw: undefined, state: 'unreadable' as const }
  const verdict = verdictOf(metrics)
  const overage = overageOf(pass.state, rules.passMeans)
  const fitting = fittingMeaning(pass.state, verdict)
  const thisMonth = rollUp(
    days.filter(({ day }) => day >= today.monthStart && day <= today.day),
    'month',
    hourNumber(hourOf(now)) + 1,
  ).at(-1)
  return {
    region,
    ...(latest === undefined ? {} : { hour: latest.hour, at: latest.at }),
    isCurrent,
    pass,
    overage,
    verdict,
    agreement: agreementOf(overage, verdict),
    ...(fitting === undefined ? {} : { fitting }),
    metrics,
    coverage: { measured: thisMonth?.measured ?? 0, hours: thisMonth?.hours ?? 0 },
  }
}

/**
 * The rows with a sample that is not in the record yet; one that is in them already changes nothing, nor does one that is older than all
 * of them.
 */
function withSample(rows: readonly DayRow[], sample: Sample, zone: string, sums: readonly Metric[]): readonly DayRow[] {
  const { day } = civilDay(hourNumber(sample.hour) * hourMs, zone)
  const own = rollDay(day, zone, [sample], sums)
  if (day > (rows.at(-1)?.day ?? Number.NEGATIVE_INFINITY)) return [...rows, own]
  return rows.map((row) => (row.day === day ? merged(row, own) : row))
}

/** Two rows of one day in one. */
function merged(row: DayRow, other: DayRow): DayRow {
  const marks = new Map(row.marks.map((mark) => [mark.metric, mark]))
  for (const mark of other.marks) {
    const before = marks.get(mark.metric)
    const higher = before === undefined || compareDecimals(mark.max, before.max) > 0 ? mark : before
    marks.set(mark.metric, { ...higher, measured: mark.measured | (before?.measured ?? 0) })
  }
  return { ...row, measured: row.measured | other.measured, marks: [...marks.values()] }
}

/** Metrics of the last day that has any; sums among them match no product. */
function productsOf(days: readonly DayRow[]): readonly string[] {
  return days.findLast(({ marks }) => marks.length > 0)?.marks.map(({ metric }) => metric) ?? []
}

/** Entitlement and tolerance together, exactly. */
export function limitOf(cores: Decimal, tolerancePercent: Decimal): Decimal {
  return addDecimals(cores, percentOf(tolerancePercent, cores))
}

/** How a usage stands to an entitlement. Exactly at a limit is within it. */
export function standingOf({ usage }: Pick<MetricUsage, 'usage'>, entitled: Entitled, tolerancePercent: Decimal): Standing {
  if (entitled.kind === 'unlimited') return 'unlimited'
  if (entitled.kind === 'unknown') return 'no-entitlement'
  if (usage === undefined) return 'no-data'
  if (compareDecimals(usage, limitOf(entitled.cores, tolerancePercent)) > 0) return 'over-use'
  return compareDecimals(usage, entitled.cores) > 0 ? 'above' : 'within'
}

function verdictOf(metrics: readonly MetricOutlook[]): UsageVerdict {
  if (metrics.some(({ standing }) => standing === 'over-use')) return 'over'
  const isKnown = metrics.length > 0 && metrics.every(({ standing }) => standing === 'within' || standing === 'unlimited')
  return isKnown ? 'within' : 'cannot-tell'
}

function forecastFor(
  { id }: Metric,
  region: string,
  days: readonly DayRow[],
  { entitlements, forecast: { weeks, horizonDays } }: LicenceRules,
  { today, seenOn }: { readonly today: number; readonly seenOn: number },
  standing: Standing,
): Forecast {
  const entitled = (day: number): Entitled => entitledOn(entitlements, region, id, day)
  const limitOn = (day: number): number | undefined => {
    const limit = entitled(day)
    return limit.kind === 'cores' ? numberOf(limit.cores) : undefined
  }
  if (standing === 'no-entitlement') return { kind: 'no-entitlement' }
  // What is unlimited today may end.
  const isForever = !entitlements.some(({ until, product }) => product.pattern === id && until !== undefined)
  if (standing === 'unlimited' && isForever) return { kind: 'unlimited' }
  if (standing === 'above' || standing === 'over-use')
    return { kind: 'over-now', since: periodName(aboveSince(id, days, entitled, Math.min(seenOn, today)), 'day') }
  return forecastOf(forecastDays(id, days, today - weeks * 7), { today, horizonDays, limitOn })
}

/** The high-water marks that a forecast of a metric is made from, from a day on. */
export function forecastDays(id: string, days: readonly DayRow[], fromDay: number): readonly DayValue[] {
  return days.flatMap((row): DayValue[] => {
    if (row.day < fromDay) return []
    const mark = row.marks.find(({ metric }) => metric === id)
    // A day that was hardly measured has a low mark for no other reason.
    if (mark === undefined || countHours(mark.measured) * 2 < row.hours) return []
    return [{ day: row.day, value: numberOf(mark.max) }]
  })
}

/** The first of the days in a row, up to one, on which a metric was above its entitlement; days without a mark are passed over. */
function aboveSince(id: string, days: readonly DayRow[], entitled: (day: number) => Entitled, until: number): number {
  let since = until
  for (const row of days.toReversed()) {
    const mark = row.day > until ? undefined : row.marks.find(({ metric }) => metric === id)
    if (mark === undefined) continue
    const limit = entitled(row.day)
    if (limit.kind !== 'cores' || compareDecimals(mark.max, limit.cores) <= 0) break
    since = row.day
  }
  return since
}

/**
 * What is remembered for whoever is about to use more. A region whose Pass contradicts its figures says `unknown`: nobody should grow on
 * the strength of one of the two.
 */
export function headroomOf(outlooks: readonly RegionOutlook[], now: number): Headroom {
  return {
    format: 1,
    at: new Date(now).toISOString(),
    regions: Object.fromEntries(outlooks.map((outlook) => [outlook.region, regionHeadroom(outlook)])),
  }
}

function regionHeadroom({ hour, at, overage, agreement, metrics, coverage }: RegionOutlook): RegionHeadroom {
  return {
    ...(hour === undefined ? {} : { hour }),
    ...(at === undefined ? {} : { at }),
    overage: agreement === 'contradict' ? 'unknown' : overage,
    products: Object.fromEntries(metrics.map((metric) => [metric.metric.id, headroomLine(metric)])),
    coverage,
  }
}

function headroomLine({ usage, entitled, free, forecast }: MetricOutlook): HeadroomLine {
  return {
    ...(usage.usage === undefined ? {} : { used: formatDecimal(usage.usage) }),
    entitled: entitled.kind === 'cores' ? formatDecimal(entitled.cores) : entitled.kind,
    ...(free === undefined ? {} : { free: formatDecimal(free) }),
    unit: usage.unit,
    forecast,
  }
}
