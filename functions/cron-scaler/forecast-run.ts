import type { CloudReader } from '#cloud/cloud.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import type { Seen } from './cursor.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { type ForecastPeriod, forecastOf } from './forecast.ts'
import { forecastDue } from './forecast-due.ts'
import { observeForecast } from './forecast-observe.ts'
import { forecastSteps, unknownStep } from './forecast-steps.ts'
import type { ForecastView } from './forecast-view.ts'
import { observe } from './observe.ts'
import { planSeen } from './plan-seen.ts'
import { compareTexts, type ScaleStep } from './plan-step.ts'
import { TooManyFirings } from './timeline.ts'

export { rememberForecast } from './forecast-due.ts'

/**
 * Observes as always and, in the first run after the time of day of the settings, also what the forecast is made from: then every
 * cluster is looked at. Where something has to be done now, that comes first, and the forecast with one of the next runs.
 */
export async function observeWithForecast(
  cloud: CloudReader,
  config: Pick<FunctionConfig<Settings>, 'mode' | 'region' | 'clusters' | 'settings'>,
  now: number,
  around: ObserveAround,
): Promise<Seen> {
  const due = await forecastDue(config.settings, now, around)
  if (due === undefined) return await observe(cloud, config, now, around)
  const seen = await observe(cloud, config, now, { ...around, fresh: true })
  if (due.mayWait && planSeen(seen, config, now).some(({ verdict }) => verdict === 'change')) return seen
  return { ...seen, forecast: { dueMs: due.dueMs, view: await observeForecast(cloud, config, seen, now, around) } }
}

/** The plan with what the forecast has to say. It is never kept from running for the forecast's sake. */
export function withForecast(steps: readonly ScaleStep[], observed: Seen, config: CronScalerConfig, now: number): ScaleStep[] {
  const { forecast } = observed
  const { settings } = config
  if (forecast === undefined || settings.forecast === undefined) return [...steps]
  const period = { nowMs: now, untilMs: now + settings.forecast.horizon, zone: settings.timeZone }
  return [...steps, ...stepsOf(observed, forecast.view, config, period)].sort(
    (left, right) => compareTexts(left.target, right.target) || compareTexts(left.reason.text, right.reason.text),
  )
}

function stepsOf(observed: Seen, view: ForecastView, config: CronScalerConfig, period: ForecastPeriod): readonly ScaleStep[] {
  try {
    return forecastSteps(forecastOf(observed, view, config, period))
  } catch (error) {
    // The rules run all the same; only to go through all that they do ahead is too much.
    if (error instanceof TooManyFirings) return [unknownStep('schedules', error.message)]
    throw error
  }
}
