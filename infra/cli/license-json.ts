import type { LicenceReport, MetricHigh, MetricReport, RegionReport } from '#infra/report/licence-report.ts'
import { dayText } from '#infra/report/licence-text.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import type { Entitled } from '#shared/licence/entitlement.ts'

/** A report for machines. Amounts are decimals as texts, hours are UTC, days are those of the zone. */
export function reportJson({ period, nowMs, settings, regions, clusters }: LicenceReport): object {
  return {
    period: { name: period.name, from: dayText(period.fromDay), until: dayText(period.untilDay), zone: settings.timeZone },
    madeAt: new Date(nowMs).toISOString(),
    regions: regions.map(regionJson),
    clusters,
  }
}

function regionJson({ region, span, outlook, total, gaps, metrics }: RegionReport): object {
  return {
    region,
    hours: total?.hours ?? 0,
    measured: total?.measured ?? 0,
    gaps: gaps.map(({ from, until, hours, why }) => ({ from, until, hours, ...(why === undefined ? {} : { why }) })),
    record:
      span === undefined
        ? null
        : {
            firstHour: span.firstHour,
            lastHour: span.last.sample.hour,
            entries: span.last.seq,
            digest: span.last.digest,
            keptAfterEntry: span.anchor.seq,
          },
    pass: { raw: outlook.pass.raw ?? null, state: outlook.pass.state, overage: outlook.overage, agreement: outlook.agreement },
    metrics: metrics.map(metricJson),
  }
}

function metricJson({ metric, description, unit, partOf, outlook, high, months, curve }: MetricReport): object {
  return {
    metric: metric.id,
    description,
    unit,
    ...(partOf === undefined ? {} : { partOf }),
    ...(outlook === undefined
      ? {}
      : {
          now: {
            used: outlook.usage.usage === undefined ? null : formatDecimal(outlook.usage.usage),
            ...(outlook.usage.why === undefined ? {} : { why: outlook.usage.why }),
            entitled: entitledJson(outlook.entitled),
            free: outlook.free === undefined ? null : formatDecimal(outlook.free),
            standing: outlook.standing,
          },
          forecast: outlook.forecast,
        }),
    highest: highJson(high),
    months: months.map(({ name, hours, measured, high: own, daysAbove }) => ({
      month: name,
      hours,
      measured,
      highest: highJson(own),
      daysAbove,
    })),
    curve: {
      step: curve.step,
      points: curve.points.map(({ atMs, low }) => ({ from: new Date(atMs).toISOString(), used: low })),
      expected: curve.ahead.map(({ atMs, low, likely, high: top }) => ({ from: new Date(atMs).toISOString(), low, likely, high: top })),
    },
  }
}

function highJson(high: MetricHigh | undefined): object | null {
  if (high === undefined) return null
  return { used: formatDecimal(high.mark.max), hour: high.mark.at, day: dayText(high.mark.day), entitled: entitledJson(high.entitled) }
}

function entitledJson(entitled: Entitled): string | null {
  if (entitled.kind === 'unknown') return null
  return entitled.kind === 'unlimited' ? entitled.kind : formatDecimal(entitled.cores)
}
