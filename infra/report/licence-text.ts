import type { Settings } from '#functions/license-meter/event.ts'
import { figuresText, judgePass } from '#functions/license-meter/judge.ts'
import { formatDecimal, shareText } from '#shared/licence/decimal.ts'
import type { Entitled } from '#shared/licence/entitlement.ts'
import type { RegionOutlook } from '#shared/licence/outlook.ts'
import { hourMs, hourNumber } from '#shared/licence/sample.ts'
import { dateOfDay, formatInstant } from '#shared/pure/civil.ts'
import type { MetricHigh, MetricReport, RegionReport } from './licence-report.ts'
import type { ReportPeriod } from './report-period.ts'

/** `2026-11-24 14:00`, where the zone is said elsewhere. */
export function hourInZone(hour: string, zone: string): string {
  return formatInstant(hourNumber(hour) * hourMs, zone).slice(4, 20)
}

/** `2026-11-24` of the number of a day. */
export function dayText(day: number): string {
  const { year, month, day: date } = dateOfDay(day)
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`
}

/** `12 months up to now, from 2025-12-01 to 2026-11-24`. */
export function periodText({ name, fromDay, untilDay }: ReportPeriod): string {
  return `${name}, from ${dayText(fromDay)} to ${dayText(untilDay)}`
}

/** `8,650 of 8,664 hours measured (99.8 %)`: what is not all of it is never shown as all. */
export function coverageText({ measured, hours }: { readonly measured: number; readonly hours: number }): string {
  if (hours === 0) return 'no hour of it has begun'
  return `${measured.toLocaleString('en-US')} of ${hours.toLocaleString('en-US')} hours measured (${coverageShare({ measured, hours })})`
}

/** `99.8 %`, `100.0 %` only when it is. */
export function coverageShare({ measured, hours }: { readonly measured: number; readonly hours: number }): string {
  return shareText({ units: BigInt(measured), scale: 0 }, { units: BigInt(hours), scale: 0 })
}

export function entitledText(entitled: Entitled | undefined): string {
  if (entitled === undefined || entitled.kind === 'unknown') return 'not configured'
  if (entitled.kind === 'unlimited') return 'unlimited'
  return entitled.ended === true ? 'ended' : formatDecimal(entitled.cores)
}

/** `81.3 %` of what it may use; empty where that is no amount. */
export function usedShare(high: MetricHigh | undefined): string {
  return high?.entitled.kind === 'cores' ? shareText(high.mark.max, high.entitled.cores) : ''
}

/** `104 of 128 core (81.3 %)`, or why that is not known. */
export function nowText({ usage, outlook, partOf }: Pick<MetricReport, 'usage' | 'outlook' | 'partOf'>): string {
  if (usage === undefined) return 'never measured'
  if (usage.usage === undefined) return `not known: ${usage.why}`
  const figures = figuresText({ usage, entitled: outlook?.entitled ?? { kind: 'unknown' } })
  return partOf !== undefined || outlook?.entitled.kind === 'cores' ? figures : `${figures}, ${entitledText(outlook?.entitled)}`
}

/** What the platform itself says about a region, and whether the figures agree. */
export function passText(outlook: RegionOutlook, settings: Settings): string {
  return outlook.hour === undefined ? 'The platform was never asked.' : `${judgePass(outlook, settings).text}.`
}

/** Where the record of a region begins and ends: a sentence. */
export function recordText({ span }: Pick<RegionReport, 'span'>, zone: string): string {
  if (span === undefined) return 'Nothing was ever measured here.'
  const { last, firstHour, anchor } = span
  const kept =
    anchor.seq === 0
      ? ''
      : ` Samples are kept from entry ${(anchor.seq + 1).toLocaleString('en-US')} on; before that, the highest of each day.`
  return `The record begins on ${hourInZone(firstHour, zone)}; its last entry is ${last.seq.toLocaleString('en-US')} (${hourInZone(last.sample.hour, zone)}), digest ${last.digest}.${kept}`
}
