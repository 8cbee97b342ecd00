import type { ClusterForecast, Forecast, ForecastRow } from '#functions/cron-scaler/forecast.ts'
import { amountText } from '#functions/cron-scaler/forecast-words.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { momentText } from './preview-page.ts'

/** What a forecast does not reckon with, a sentence each; said wherever one is shown. */
export const notModelled = [
  'Taken for granted: everything due is carried out on time, and nobody else changes a size, a node or a pod.',
  'Not reckoned with: preemption and priorities, spreading over zones, volumes that are tied to a zone, affinity between pods (but that no two of a kind share a node), resources other than CPU and memory, Jobs and roll-outs that run at the time, and how long a node takes to come.',
]

/** The name that people call a cluster by, with its id. */
export function clusterTitle({ id, region }: Pick<ClusterForecast, 'id' | 'region'>, nameOf: (id: string) => string): string {
  const name = nameOf(id)
  return [name === id ? id : `${name} (${id})`, ...(region === '' ? [] : [region])].join(', ')
}

/** `now`, or `Wed 2026-11-25 08:00:00`. */
export function worstMoment({ fromMs, zone }: Forecast, { atMs }: ForecastRow): string {
  return atMs === fromMs ? 'now' : momentText(atMs, zone)
}

/** The cells of one row as text: what, need, have, short, when, why. */
export function rowCells(forecast: Forecast, row: ForecastRow): readonly string[] {
  const { what, need, have, short, unit, level, text, most } = row
  const needed =
    most === undefined || most.need === need ? amountText(need, unit) : `${need.toLocaleString('en-US')} to ${amountText(most.need, unit)}`
  const missing = level === 'unknown' ? 'unknown' : level === 'tight' ? 'tight' : short === 0 ? '' : amountText(short, unit)
  return [what, needed, amountText(have, unit), missing, worstMoment(forecast, row), text]
}

/** Who asks for more when something is short or tight, a sentence for each instant. */
export function causeTexts(forecast: Forecast, rows: readonly ForecastRow[]): readonly string[] {
  const found = rows.filter(({ causes }) => causes !== '').map((row) => `${worstMoment(forecast, row)}: ${row.causes}.`)
  return [...new Set(found)]
}

export const rowHeadings = ['what', 'need', 'have', 'short', 'worst at', 'why'] as const

/** What it all comes to, in one sentence. */
export function verdictText(forecast: Forecast, nameOf: (id: string) => string): string {
  const all = [
    ...forecast.clusters.flatMap(({ id, days }) => days.flatMap(({ rows }) => rows.map((row) => ({ of: nameOf(id), row })))),
    ...forecast.regions.flatMap(({ region, days }) => days.map(({ row }) => ({ of: region, row }))),
  ]
  const named = (level: ForecastRow['level']): string =>
    [...new Set(all.filter(({ row }) => row.level === level).map(({ of, row }) => `${row.what} of ${of}`))].join(', ')
  const [short, tight, unknown] = [named('short'), named('tight'), named('unknown')]
  const unread = forecast.clusters.filter(({ problem }) => problem !== undefined).map(({ id }) => nameOf(id))
  if (all.length === 0 && unread.length === 0) return 'No rule is about anything that could be reckoned, so nothing will be needed.'
  return [
    short === ''
      ? `Nothing is short until ${formatInstant(forecast.untilMs, forecast.zone)}, as far as anybody can tell.`
      : `Short: ${short}.`,
    ...(tight === '' ? [] : [`Tight, if autoscalers go up to their maximum: ${tight}.`]),
    ...(unknown === '' ? [] : [`Nobody knows: ${unknown}.`]),
    ...(unread.length === 0 ? [] : [`Could not be forecast: ${unread.join(', ')}.`]),
  ].join(' ')
}
