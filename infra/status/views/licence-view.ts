import { forecastText } from '#functions/license-meter/judge.ts'
import type { StepPoint } from '#infra/report/chart.ts'
import type { MetricReport, RegionReport } from '#infra/report/licence-report.ts'
import { numberOf } from '#shared/licence/decimal.ts'
import type { Forecast } from '#shared/licence/headroom.ts'
import type { HourRange } from '#shared/licence/rollup.ts'
import { hourMs, hourNumber } from '#shared/licence/sample.ts'
import type { LicenceView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

type Product = LicenceView['products'][number]

/** What of the licence is in use, hour by hour, and when it will be used up. What counts under a sum is in that sum. */
export async function licenceView({ licence }: Pick<StatusSources, 'licence'>): Promise<LicenceView> {
  const { report, problem } = await licence.look()
  if (report === undefined) return { products: [], ...(problem === undefined ? {} : { problem }) }
  return {
    products: report.regions.flatMap((region) =>
      region.metrics.filter(({ partOf }) => partOf === undefined).map((metric) => productOf(metric, region)),
    ),
  }
}

function productOf({ metric, description, unit, usage, outlook, curve }: MetricReport, { region, gaps, span }: RegionReport): Product {
  const entitled = outlook?.entitled
  return {
    product: description === '' ? metric.id : description,
    region,
    metric: metric.id,
    unit,
    points: span === undefined ? [] : hourlyPoints(curve.points, span.last.sample.hour),
    ...(usage?.usage === undefined ? {} : { used: numberOf(usage.usage) }),
    ...(entitled?.kind === 'cores' ? { entitled: numberOf(entitled.cores) } : {}),
    ...(outlook === undefined ? {} : { forecast: forecastOf(outlook.forecast) }),
    gaps: span === undefined ? 0 : hoursSince(gaps, span.firstHour),
  }
}

/** A point for each hour that is known, of points of which each holds until the next one; none after the last hour that was measured. */
function hourlyPoints(steps: readonly StepPoint[], lastHour: string): Product['points'] {
  const points: Product['points'] = []
  for (const [index, { atMs, high }] of steps.entries()) {
    if (high === null) continue
    const untilMs = Math.min(steps[index + 1]?.atMs ?? Number.POSITIVE_INFINITY, (hourNumber(lastHour) + 1) * hourMs)
    for (let ms = atMs; ms < untilMs; ms += hourMs) points.push({ at: new Date(ms).toISOString(), value: high })
  }
  return points
}

/** Hours of gaps from an hour on: what was before the record began is none. */
function hoursSince(gaps: readonly HourRange[], firstHour: string): number {
  const first = hourNumber(firstHour)
  return gaps.reduce((sum, { from, until }) => sum + Math.max(0, hourNumber(until) - Math.max(first, hourNumber(from))), 0)
}

function forecastOf(forecast: Forecast): NonNullable<Product['forecast']> {
  const text = forecastText(forecast)
  switch (forecast.kind) {
    case 'blocked-on': {
      const { likely: day, earliest, latest } = forecast
      return { day, earliest, ...(latest === undefined ? {} : { latest }), text }
    }
    case 'over-now':
      return { day: forecast.since, text }
    case 'not-in-sight':
      return { ...(forecast.earliest === undefined ? {} : { earliest: forecast.earliest }), text }
    case 'too-little-data':
    case 'unlimited':
    case 'no-entitlement':
      return { text }
  }
}
