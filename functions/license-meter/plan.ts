import type { ClusterCores } from '#shared/licence/cross-check.ts'
import type { MetricOutlook, RegionOutlook } from '#shared/licence/outlook.ts'
import type { DayRow } from '#shared/licence/rollup.ts'
import { hourOf, type Sample } from '#shared/licence/sample.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Reason, Step } from '#shared/pure/step.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import type { Settings } from './event.ts'
import { figuresText, type Judgement, judgeMetric, judgePass, outlooksOf } from './judge.ts'
import { compareRegion, type RegionCheck } from './plan-cross-check.ts'

/** What is known of one region at this trigger. */
export interface RegionSeen {
  readonly region: string
  /** The last sample there is: the one that was just read, or the last of the record. */
  readonly latest?: Sample | undefined
  /** Whether `latest` was read at this trigger and is not in the record yet. */
  readonly isNew: boolean
  /** Why the region could not be read at this trigger. */
  readonly problem?: Reason | undefined
  /** The platform's hour of UTC, where this machine's clock is so wrong that the region was not measured. */
  readonly platformHour?: string | undefined
  /** Days that the forecast and the month's coverage are made from, oldest first; without `latest` where that is new. */
  readonly days: readonly DayRow[]
}

/** What is known of the nodes of one cluster. */
export type ClusterSeen =
  | { readonly cluster: string; readonly region: string; readonly cores: ClusterCores; readonly problem?: undefined }
  | { readonly cluster: string; readonly region: string; readonly cores?: undefined; readonly problem: Reason }

export interface Observed {
  readonly regions: readonly RegionSeen[]
  /** Of the last cross-check of each cluster: read now, or remembered. Empty when there is none, or it is not wanted. */
  readonly clusters: readonly ClusterSeen[]
  /** Whether the nodes were read at this trigger. */
  readonly isCrossChecked: boolean
  /** What else was read of each region then; `compareRegion` (plan-cross-check.ts) compares it, region by region. Empty when nothing was. */
  readonly checks: readonly RegionCheck[]
}

/**
 * Says of every region whether it was measured, of every metric how it stands to its entitlement and when it will be blocked, what the
 * platform says itself, and how all that compares with the nodes. There is never anything to change. A region without figures of this
 * hour says why, and hides no other.
 */
export function plan(observed: Observed, { settings }: Pick<FunctionConfig<Settings>, 'settings'>, now: number): readonly Step<never>[] {
  const outlooks = outlooksOf(observed.regions, settings, now)
  const steps = outlooks.flatMap((outlook, index) => {
    const seen = observed.regions[index]
    return seen === undefined ? [] : stepsOfRegion(outlook, seen, settings, now)
  })
  return [...steps, ...observed.checks.flatMap((check) => compareRegion(check, observed, settings, now).steps)]
}

function stepsOfRegion(outlook: RegionOutlook, seen: RegionSeen, settings: Settings, now: number): readonly Step<never>[] {
  const { region, metrics } = outlook
  const hour = hourOf(now)
  const line = (target: string, { verdict, code, text }: Judgement, before = ''): Step<never> => ({
    key: `license-meter:${digestOf([target, code, hour])}`,
    target,
    before,
    after: '',
    reason: { code, text },
    verdict,
  })
  const own = line(region, judgeRegion(outlook, seen, hour))
  const of = (metric: MetricOutlook) => `${region}/${metric.metric.id}`
  if (!outlook.isCurrent) {
    return [
      own,
      ...metrics.map((metric) => line(of(metric), { verdict: 'skipped', code: 'no-figures-now', text: staleText(metric, outlook) })),
    ]
  }
  return [
    own,
    ...metrics.map((metric) => line(of(metric), judgeMetric(metric, outlook, settings, now), figuresText(metric))),
    line(`${region}/Pass`, judgePass(outlook, settings)),
  ]
}

function judgeRegion({ isCurrent, hour: measured, coverage }: RegionOutlook, { isNew, problem }: RegionSeen, hour: string): Judgement {
  const month = `${coverage.measured} of ${coverage.hours} hours of this month are measured`
  if (problem !== undefined && !isCurrent) {
    const last = measured === undefined ? 'it was never measured' : `the last sample is of ${measured}`
    return {
      verdict: 'held',
      code: 'region-unreadable',
      text: `${hour} has no sample: ${problem.text} (${problem.code}); ${last}, and ${month}`,
    }
  }
  if (isNew) return { verdict: 'no-change', code: 'measured-now', text: `${hour} is measured; ${month}` }
  const again = problem === undefined ? '' : `; it could not be read again: ${problem.text} (${problem.code})`
  return { verdict: 'no-change', code: 'already-measured', text: `${hour} is measured already; ${month}${again}` }
}

function staleText(metric: MetricOutlook, { hour }: RegionOutlook): string {
  return hour === undefined ? 'there are no figures yet' : `there are no figures of this hour; at ${hour} it was ${figuresText(metric)}`
}
