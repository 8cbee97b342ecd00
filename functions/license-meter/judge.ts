import { civilDay } from '#shared/licence/civil-day.ts'
import { compareDecimals, formatDecimal, percentOf, shareText } from '#shared/licence/decimal.ts'
import type { Forecast } from '#shared/licence/headroom.ts'
import { limitOf, type MetricOutlook, outlookOf, type RegionOutlook } from '#shared/licence/outlook.ts'
import { dayNumber, parseCivilDate } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import type { Settings } from './event.ts'
import type { RegionSeen } from './plan.ts'
import type { ReasonCode } from './reason.ts'
import { rulesOf } from './rules.ts'

/** What is said of one metric, or of a region's Pass. */
export interface Judgement {
  readonly verdict: 'no-change' | 'skipped' | 'held'
  readonly code: ReasonCode
  readonly text: string
}

/** What is worth telling people, before it is known whether they were told already. */
export type AlertKind = 'over-use' | 'platform-over' | 'near-entitlement' | 'block-in-sight' | 'pass-contradicts'

/** How each region stands. */
export function outlooksOf(regions: readonly RegionSeen[], settings: Settings, now: number): readonly RegionOutlook[] {
  return regions.map((seen) => outlookOf(seen, rulesOf(settings), now))
}

/**
 * Judges one metric of a region whose figures are of this hour. Over-use is strictly above entitlement and tolerance, the early warning
 * strictly above its percentage. What cannot be read is a gap and no alarm; what is unlimited, or entitled to by nobody, is passed over.
 */
export function judgeMetric(outlook: MetricOutlook, region: RegionOutlook, { alerts, timeZone }: Settings, now: number): Judgement {
  const { entitled, standing, usage, forecast } = outlook
  const figures = figuresText(outlook)
  if (standing === 'unlimited') return { verdict: 'skipped', code: 'unlimited', text: `${figures}: unlimited` }
  if (usage.usage === undefined)
    return { verdict: 'held', code: 'usage-unreadable', text: `nobody knows what is used: ${usage.why}. It is a gap, not zero` }
  if (entitled.kind !== 'cores') {
    return { verdict: 'skipped', code: 'no-entitlement', text: `${figures}; nobody has said how much it may be: add it under entitlements` }
  }
  const isStopped = region.agreement === 'contradict'
  const alarm = (code: ReasonCode, text: string): Judgement =>
    isStopped
      ? { verdict: 'held', code: 'alerts-stopped', text: `${text}. No alert is raised while Pass contradicts the figures of the region` }
      : { verdict: 'held', code, text }
  const tolerance = `${formatDecimal(alerts.tolerancePercent)} %`
  if (standing === 'over-use') {
    const ended = entitled.ended === true ? '; the last entitlement has ended' : ''
    const most = formatDecimal(limitOf(entitled.cores, alerts.tolerancePercent))
    return alarm('over-use', `${figures}: more than ${most}, the entitlement and ${tolerance} tolerance${ended}`)
  }
  const outcome = `${figures}; ${forecastText(forecast)}`
  if (alerts.warnAtPercent !== 'never' && compareDecimals(usage.usage, percentOf(alerts.warnAtPercent, entitled.cores)) > 0) {
    return alarm('near-entitlement', `${outcome}; more than ${formatDecimal(alerts.warnAtPercent)} % of the entitlement`)
  }
  if (standing === 'above')
    return { verdict: 'no-change', code: 'above-within-tolerance', text: `${outcome}; within the tolerance of ${tolerance}` }
  if (isInSight(forecast, civilDay(now, timeZone).day + alerts.warnDays, alerts.warnDays)) {
    return alarm('block-in-sight', `${outcome}; that is within ${alerts.warnDays} days`)
  }
  return { verdict: 'no-change', code: 'within-entitlement', text: outcome }
}

function isInSight(forecast: Forecast, lastDay: number, warnDays: number): boolean {
  if (forecast.kind !== 'blocked-on' || warnDays === 0) return false
  const likely = parseCivilDate(forecast.likely)
  return likely.ok && dayNumber(likely.value.year, likely.value.month, likely.value.day) <= lastDay
}

/** Judges what the platform itself says of a region. What `Pass` means has to be known for that, and it must fit the figures. */
export function judgePass({ pass, overage, agreement, verdict, fitting }: RegionOutlook, { passMeans }: Settings): Judgement {
  const said = `Pass is ${pass.raw === undefined ? 'missing' : quote(String(pass.raw), 60)}`
  if (pass.state === 'unreadable') {
    return {
      verdict: 'held',
      code: 'pass-unreadable',
      text: `${said}: neither true nor false, so nobody knows whether the platform sees over-use`,
    }
  }
  if (passMeans === undefined) {
    const figures = verdict === 'over' ? 'the figures are over' : 'the figures are within the entitlements'
    const advice =
      fitting === undefined
        ? 'compare it at a time when the figures are clearly over, or clearly within, what is entitled'
        : `${figures}, so it fits “passMeans: ${fitting}”: ask whoever runs the platform, and set that`
    return { verdict: 'no-change', code: 'pass-recorded', text: `${said}; what that means is not set, so it decides nothing: ${advice}` }
  }
  const meaning = `${said}, which is set to mean ${overage === 'over' ? 'over-use' : 'no over-use'}`
  if (agreement === 'contradict') {
    const figures = overage === 'over' ? 'every figure is within its entitlement' : 'a figure is above its entitlement and tolerance'
    return {
      verdict: 'held',
      code: 'pass-contradicts',
      text: `${meaning}, but ${figures}. Either passMeans or an entitlement is wrong; no alert is raised for the region until somebody puts it right`,
    }
  }
  const why = agreement === 'agree' ? 'the figures agree' : 'the figures cannot tell'
  if (overage === 'over') return { verdict: 'held', code: 'platform-over', text: `${meaning}; ${why}. The platform may refuse new nodes` }
  return { verdict: 'no-change', code: 'pass-ok', text: `${meaning}; ${why}` }
}

/** `104 of 128 core (81.3 %)` */
export function figuresText({ usage, entitled }: Pick<MetricOutlook, 'usage' | 'entitled'>): string {
  const unit = usage.unit === '' ? '' : ` ${usage.unit}`
  if (usage.usage === undefined) return entitled.kind === 'cores' ? `? of ${formatDecimal(entitled.cores)}${unit}` : `?${unit}`
  const used = formatDecimal(usage.usage)
  return entitled.kind === 'cores'
    ? `${used} of ${formatDecimal(entitled.cores)}${unit} (${shareText(usage.usage, entitled.cores)})`
    : `${used}${unit}`
}

/** A forecast as a clause. */
export function forecastText(forecast: Forecast): string {
  switch (forecast.kind) {
    case 'blocked-on': {
      const until = forecast.latest === undefined ? 'and later' : `and ${forecast.latest}`
      return `blocked about ${forecast.likely} (between ${forecast.earliest} ${until})`
    }
    case 'not-in-sight': {
      const worst = forecast.earliest === undefined ? '' : `, at worst on ${forecast.earliest}`
      return `no block in sight within ${forecast.withinDays} days${worst}`
    }
    case 'over-now':
      return `above the entitlement since ${forecast.since}`
    case 'too-little-data':
      return `no forecast yet: ${forecast.have} of ${forecast.need} days are measured`
    case 'unlimited':
      return 'unlimited'
    case 'no-entitlement':
      return 'no entitlement'
  }
}
