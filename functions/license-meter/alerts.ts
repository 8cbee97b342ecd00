import { civilDay } from '#shared/licence/civil-day.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import type { Entitled } from '#shared/licence/entitlement.ts'
import type { RegionOutlook } from '#shared/licence/outlook.ts'
import { periodName } from '#shared/licence/rollup.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Settings } from './event.ts'
import { type AlertKind, type Judgement, judgeMetric, judgePass, outlooksOf } from './judge.ts'
import type { Observed } from './plan.ts'

/** Something that people should be told, once. */
export interface Alert {
  readonly kind: AlertKind
  readonly region: string
  /** Empty when it is about the region's Pass. */
  readonly metric: string
  /** Civil month, `2026-11`. */
  readonly month: string
  /** The sentence of the decision. */
  readonly text: string
  /**
   * The same for the same alert: one metric has one of a kind in a civil month, and another one as soon as what it is judged by changes.
   * Whoever tells people uses it to tell them once.
   */
  readonly key: string
}

const kinds: ReadonlySet<string> = new Set<AlertKind>([
  'over-use',
  'platform-over',
  'near-entitlement',
  'block-in-sight',
  'pass-contradicts',
])

/**
 * What people should be told of what was seen. Regions without figures of this hour raise nothing: no data is no over-use. While a
 * region's Pass contradicts its figures, that is all that is told of it.
 */
export function alertsOf({ regions }: Pick<Observed, 'regions'>, settings: Settings, now: number): readonly Alert[] {
  return outlooksOf(regions, settings, now).flatMap((outlook) => alertsOfRegion(outlook, settings, now))
}

function alertsOfRegion(outlook: RegionOutlook, settings: Settings, now: number): readonly Alert[] {
  if (!outlook.isCurrent) return []
  const { region } = outlook
  const { day } = civilDay(now, settings.timeZone)
  const month = periodName(day, 'month')
  const { tolerancePercent, warnAtPercent, warnDays } = settings.alerts
  const alert = (metric: string, { code, text }: Judgement, judgedBy: readonly string[]): Alert[] =>
    isAlert(code) ? [{ kind: code, region, metric, month, text, key: `${code}/${digestOf([region, metric, month, ...judgedBy])}` }] : []
  const ofMetrics = outlook.metrics.flatMap((one) => {
    const { entitled, metric } = one
    const judgement = judgeMetric(one, outlook, settings, now)
    const threshold =
      judgement.code === 'over-use'
        ? formatDecimal(tolerancePercent)
        : judgement.code === 'block-in-sight'
          ? String(warnDays)
          : shown(warnAtPercent)
    return alert(metric.id, judgement, [coresText(entitled), threshold])
  })
  const pass = judgePass(outlook, settings)
  // That the platform sees it, too, is part of the same news.
  if (ofMetrics.some(({ kind }) => kind === 'over-use')) return ofMetrics
  const entitlements = outlook.metrics.map(({ metric, entitled }) => `${metric.id}=${coresText(entitled)}`)
  return [...ofMetrics, ...alert('', pass, [settings.passMeans ?? '', formatDecimal(tolerancePercent), ...entitlements])]
}

function isAlert(code: string): code is AlertKind {
  return kinds.has(code)
}

function coresText(entitled: Entitled): string {
  return entitled.kind === 'cores' ? formatDecimal(entitled.cores) : entitled.kind
}

function shown(percent: Settings['alerts']['warnAtPercent']): string {
  return percent === 'never' ? percent : formatDecimal(percent)
}
