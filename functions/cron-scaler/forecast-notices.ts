import type { NoticeFacts } from '#shared/runtime/definition.ts'
import type { Notice } from '#shared/runtime/notify/notice.ts'
import { noticesOfReport } from '#shared/runtime/notify/report-notices.ts'
import { countOutcomes } from '#shared/runtime/report.ts'
import { forecastTarget } from './forecast-steps.ts'

/** Made once a day: the same shortage is news again with the next one. */
const dedupeMs = 20 * 3_600_000

/** What people should hear of a run: as of any function, and what a forecast says will be short, in words of its own. */
export function noticesOf({ report }: Pick<NoticeFacts<unknown, unknown>, 'report'>): readonly Notice[] {
  const isOfForecast = ({ target }: { readonly target: string }): boolean => target.startsWith(`${forecastTarget}/`)
  const told = report.decisions.filter((decision) => isOfForecast(decision) && decision.outcome === 'Held')
  if (told.length === 0) return noticesOfReport(report)
  const decisions = report.decisions.filter((decision) => !isOfForecast(decision))
  const { function: name, now, mode, runId } = report
  const forecasts = [...Map.groupBy(told, ({ target }) => target.split('/')[1] ?? '')].map(([of, own]): Notice => {
    const short = own.filter(({ reason }) => reason.code === 'forecast-short')
    const what = short.map(({ target, before, after }) => `${target.split('/')[2] ?? ''} (${after} needed, ${before} to be had)`)
    return {
      key: `${name}/forecast/${own.map(({ key }) => key).join('/')}`,
      severity: 'warning',
      function: name,
      title: short.length === 0 ? `${of} cannot be forecast` : `${of} will be short of ${what.join(', ')}`,
      lines: [...own.map(({ reason }) => reason.text), 'See `longshore forecast`.'],
      at: now,
      facts: { mode, run: runId, code: own[0]?.reason.code ?? '' },
      dedupeMs,
    }
  })
  return [...noticesOfReport({ ...report, decisions, counts: countOutcomes(decisions) }), ...forecasts]
}
