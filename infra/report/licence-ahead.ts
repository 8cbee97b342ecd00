import { expectedOn, fitModel, intervalOn } from '#shared/licence/forecast.ts'
import { forecastDays, type LicenceRules, type MetricOutlook } from '#shared/licence/outlook.ts'
import type { DayRow } from '#shared/licence/rollup.ts'
import { dayNumber, parseCivilDate } from '#shared/pure/civil.ts'

/** What is expected of a day. */
export interface AheadDay {
  readonly day: number
  readonly low: number
  readonly likely: number
  readonly high: number
}

/** Beyond so many days the week's own ups and downs are a blur: what matters is the highest of each week. */
const mostByDay = 100

/** A chart shows so many days of what is expected at least, and so many after the day on which it reaches the limit. */
const [leastDays, daysAfter] = [45, 30]

/** What is expected from today on, as far as a chart shows it. */
export interface Ahead {
  /** Whether each is of a day, or the highest of a week, on the day that has it. */
  readonly step: 'day' | 'week'
  readonly days: readonly AheadDay[]
}

export const noAhead: Ahead = { step: 'day', days: [] }

/** The expected high-water marks; empty where no forecast was made. */
export function aheadOf(
  { metric, forecast }: MetricOutlook,
  lately: readonly DayRow[],
  { rules, today, leastUntil }: { readonly rules: LicenceRules; readonly today: number; readonly leastUntil: number },
): Ahead {
  if (forecast.kind !== 'blocked-on' && forecast.kind !== 'not-in-sight') return noAhead
  const known = forecastDays(metric.id, lately, today - rules.forecast.weeks * 7).filter(({ day }) => day < today)
  const model = fitModel(known)
  if (model === undefined) return noAhead
  const reached = forecast.kind === 'blocked-on' ? dayOf(forecast.likely) : today
  const until = Math.min(today + rules.forecast.horizonDays, Math.max(leastUntil, today + leastDays, reached + daysAfter))
  const days = Array.from({ length: until - today + 1 }, (_, index): AheadDay => {
    const day = today + index
    const { low, high } = intervalOn(model, day)
    // Nobody uses less than nothing.
    return { day, low: Math.max(0, low), likely: Math.max(0, expectedOn(model, day)), high: Math.max(0, high) }
  })
  return days.length <= mostByDay ? { step: 'day', days } : { step: 'week', days: weeksOf(days) }
}

function weeksOf(days: readonly AheadDay[]): readonly AheadDay[] {
  const weeks: AheadDay[] = []
  for (let start = 0; start < days.length; start += 7) {
    const [first, ...rest] = days.slice(start, start + 7)
    if (first !== undefined) weeks.push(rest.reduce((best, day) => (day.likely > best.likely ? day : best), first))
  }
  // The first week is the running one, and begins where the curve ends.
  const [first] = weeks
  const today = days[0]?.day ?? 0
  return first === undefined || first.day === today ? weeks : [{ ...first, day: today }, ...weeks]
}

function dayOf(date: string): number {
  const parsed = parseCivilDate(date)
  if (!parsed.ok) throw new RangeError(`a forecast names ${date}, which is no date: ${parsed.error}`)
  const { year, month, day } = parsed.value
  return dayNumber(year, month, day)
}
