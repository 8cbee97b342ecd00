import type { ReportPeriod } from '#infra/report/report-period.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { daysOfPeriod } from '#shared/licence/rollup.ts'
import { dateOfDay, dayNumber } from '#shared/pure/civil.ts'
import { UsageError } from './command.ts'

/** Words that say of which time something is. */
export interface PeriodWords {
  readonly year?: string | undefined
  readonly month?: string | undefined
}

/** The civil days that `--year` or `--month` mean; undefined without either. Throws UsageError for what has not begun yet. */
export function periodOf({ year, month }: PeriodWords, zone: string, nowMs: number): ReportPeriod | undefined {
  if (year !== undefined && month !== undefined) throw new UsageError('--year and --month are two periods; choose one')
  const [name, option, example] = year === undefined ? [month, '--month', '2026-11'] : [year, '--year', '2026']
  if (name === undefined) return undefined
  const days = (year === undefined) === name.includes('-') ? daysOfPeriod(name) : undefined
  if (days === undefined) throw new UsageError(`${option} takes one such as ${example}, not "${name}"`)
  if (days.fromDay > civilDay(nowMs, zone).day) throw new UsageError(`${option}: ${name} has not begun yet`)
  return { name, ...days }
}

/** The twelve civil months up to the running one. */
export function lastTwelveMonths(zone: string, nowMs: number): ReportPeriod {
  const { day, monthStart } = civilDay(nowMs, zone)
  const { year, month } = dateOfDay(monthStart)
  return { name: 'the last twelve months', fromDay: dayNumber(month === 12 ? year : year - 1, (month % 12) + 1, 1), untilDay: day }
}
