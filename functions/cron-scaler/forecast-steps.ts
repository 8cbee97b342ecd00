import { formatInstant } from '#shared/pure/civil.ts'
import type { Reason } from '#shared/pure/step.ts'
import { type Forecast, type ForecastRow, rowMoment } from './forecast.ts'
import { amountText } from './forecast-words.ts'
import { keyOf, type ScaleStep } from './plan-step.ts'

export type ForecastCode = 'forecast-short' | 'forecast-enough' | 'forecast-unknown'

/** What decisions about a forecast are about begins so: no cluster has that name. */
export const forecastTarget = 'forecast'

/**
 * What a forecast has to say, as steps: for each thing that will be short one that is held, with the first day on which it is; for each
 * cluster in which nothing is, one that says so with its figures; and one for each of which nothing could be forecast.
 */
export function forecastSteps(forecast: Forecast): ScaleStep[] {
  const { clusters, regions, untilMs, zone } = forecast
  const until = formatInstant(untilMs, zone)
  const steps: ScaleStep[] = []
  for (const { id, problem, days } of clusters) {
    if (problem !== undefined) {
      const text = `what its schedules will need until ${until} cannot be told: ${problem}`
      steps.push(unknownStep(id, text))
      continue
    }
    const rows = days.flatMap(({ day, rows: own }) => own.map((row) => ({ day, row })))
    if (rows.length === 0) continue
    const short = firstShort(rows)
    for (const { row, day } of short.values()) steps.push(shortStep(id, day, row, forecast))
    if (short.size === 0) steps.push(stepOf(id, 'no-change', 'forecast-enough', `${enoughText(rows.map(({ row }) => row))} until ${until}`))
  }
  for (const { region, days } of regions) {
    for (const { row, day } of firstShort(days).values()) steps.push(shortStep(region, day, row, forecast))
  }
  return steps
}

function firstShort(rows: readonly { readonly day: string; readonly row: ForecastRow }[]) {
  const first = new Map<string, { readonly day: string; readonly row: ForecastRow }>()
  for (const one of rows) if (one.row.level === 'short' && !first.has(one.row.what)) first.set(one.row.what, one)
  return first
}

function shortStep(of: string, day: string, row: ForecastRow, forecast: Forecast): ScaleStep {
  const { what, need, have, short, unit } = row
  const target = [forecastTarget, of, what].join('/')
  const moment = rowMoment(forecast, row)
  const text = `${amountText(short, unit)} short ${moment === 'now' ? 'already now' : `at ${moment}`}: ${amountText(need, unit)} needed, ${amountText(have, unit)} to be had. ${row.text}${row.causes === '' ? '' : `. ${row.causes}`}`
  return {
    key: keyOf([target, day, need, typeof have === 'number' ? have : null, row.atMs]),
    target,
    before: amountText(have, unit),
    after: amountText(need, unit),
    verdict: 'held',
    reason: reasonOf('forecast-short', text),
  }
}

/** Of something nothing can be forecast. */
export function unknownStep(of: string, text: string): ScaleStep {
  return stepOf(of, 'held', 'forecast-unknown', text)
}

function stepOf(of: string, verdict: 'held' | 'no-change', code: ForecastCode, text: string): ScaleStep {
  const target = [forecastTarget, of].join('/')
  return { key: keyOf([target, code, text]), target, before: '', after: '', verdict, reason: reasonOf(code, text) }
}

function reasonOf(code: ForecastCode, text: string): Reason {
  return { code, text }
}

/** `enough for what the schedules do: at most 40 of 40 pods find a place, 8 of 12 nodes, …; tight: nodes, if autoscalers …`. */
function enoughText(rows: readonly ForecastRow[]): string {
  const most = new Map<string, ForecastRow>()
  for (const row of rows) if ((most.get(row.what)?.need ?? -1) < row.need) most.set(row.what, row)
  const figures = [...most.values()]
    .filter(({ what }) => what === 'pods' || what === 'nodes' || what === 'cores')
    .map(({ need, have, unit }) =>
      have === undefined || unit === 'pods' ? amountText(need, unit) : `${need} of ${amountText(have, unit)}`,
    )
  const tight = [...new Set(rows.filter(({ level }) => level === 'tight').map(({ what }) => what))]
  const unknown = [...new Set(rows.filter(({ level }) => level === 'unknown').map(({ what }) => what))]
  return [
    `enough for what the schedules will ask for, at most ${figures.join(', ')}`,
    ...(tight.length === 0 ? [] : [`not enough (${tight.join(', ')}) if autoscalers go up to their maximum`]),
    ...(unknown.length === 0 ? [] : [`nobody knows about ${unknown.join(', ')}`]),
  ].join('; ')
}
