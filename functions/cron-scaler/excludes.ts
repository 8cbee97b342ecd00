import type { CivilDate } from '#shared/pure/civil.ts'
import { dayNumber, parseCivilDate } from '#shared/pure/civil.ts'
import { type CronSchedule, matchesDate, parseCron } from '#shared/pure/cron.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** Days as numbers since 1970-01-01, both ends included. */
export interface DateRange {
  readonly first: number
  readonly last: number
}

/** A shared list of days off, and of weekend days that are worked to make up for them. */
export interface Calendar {
  readonly holidays: readonly DateRange[]
  readonly workdays: readonly DateRange[]
}

/** One entry of `excludeDates` after reading; `text` is what somebody wrote. */
type Exclude =
  | { readonly kind: 'cron'; readonly text: string; readonly schedule: CronSchedule; readonly byWeekdayOnly: boolean }
  | { readonly kind: 'dates'; readonly text: string; readonly range: DateRange }
  | { readonly kind: 'calendar'; readonly text: string; readonly calendar: Calendar }

export interface Excludes {
  readonly entries: readonly Exclude[]
  /** What is legal but probably not meant. */
  readonly warnings: readonly string[]
}

/** Reads `2026-10-01` or `2026-10-01..2026-10-07`, both ends included. */
export function parseDateRange(text: string): Result<DateRange, string> {
  const [firstText = '', lastText = firstText, ...more] = text.split('..')
  if (more.length > 0) return failure(`${JSON.stringify(text)} has more than two dates: write 2026-10-01..2026-10-07`)
  const first = parseCivilDate(firstText)
  if (!first.ok) return first
  const last = parseCivilDate(lastText)
  if (!last.ok) return last
  const range = { first: numberOf(first.value), last: numberOf(last.value) }
  if (range.first > range.last) return failure(`${text} ends before it begins`)
  return success(range)
}

/**
 * Reads the entries of `excludeDates`: six-field cron expressions of which only the day of month, month and day of week
 * count (a date is the finest grain), dates and ranges of dates, and `@calendar/<name>`. One entry that cannot be read fails
 * them all, so that a rule never runs on a day that somebody meant to exclude.
 */
export function parseExcludes(texts: readonly string[], calendars: ReadonlyMap<string, Calendar>): Result<Excludes, string> {
  const entries: Exclude[] = []
  const warnings: string[] = []
  for (const text of texts) {
    const trimmed = text.trim()
    if (trimmed.startsWith('@')) {
      const name = /^@calendar\/(.+)$/.exec(trimmed)?.[1]
      const calendar = name === undefined ? undefined : calendars.get(name)
      if (calendar === undefined) return failure(unknownCalendar(trimmed, name, calendars))
      entries.push({ kind: 'calendar', text: trimmed, calendar })
    } else if (/^\d{4}-/.test(trimmed)) {
      const range = parseDateRange(trimmed)
      if (!range.ok) return failure(`the excluded date cannot be read: ${range.error}`)
      entries.push({ kind: 'dates', text: trimmed, range: range.value })
    } else {
      const parsed = parseCron(trimmed)
      if (!parsed.ok) return failure(`the excluded date cannot be read: ${parsed.error.message}`)
      const schedule = parsed.value
      const fields = schedule.spec.split(' ')
      if (fields.slice(0, 3).some((field) => field !== '*' && field !== '?')) {
        warnings.push(`"${schedule.spec}" excludes whole days: its time fields are ignored`)
      }
      const everyMonth = fields[4] === '*' || fields[4] === '?'
      entries.push({ kind: 'cron', text: schedule.spec, schedule, byWeekdayOnly: schedule.anyDayOfMonth && everyMonth })
    }
  }
  return success({ entries, warnings })
}

/**
 * The entry that excludes a civil date, undefined when the date is not excluded. A day that one of the rule's calendars
 * calls a workday is open again to what closes weekends (an expression over weekdays only) and to that calendar's own
 * holidays; a date, a range of dates or a day of month keeps it closed.
 */
export function excludedBy(excludes: Excludes, date: CivilDate): string | undefined {
  if (excludes.entries.length === 0) return undefined
  const day = numberOf(date)
  const isWorkday = excludes.entries.some((entry) => entry.kind === 'calendar' && holds(entry.calendar.workdays, day))
  for (const entry of excludes.entries) {
    switch (entry.kind) {
      case 'cron':
        if (!(isWorkday && entry.byWeekdayOnly) && matchesDate(entry.schedule, date)) return entry.text
        break
      case 'dates':
        if (day >= entry.range.first && day <= entry.range.last) return entry.text
        break
      case 'calendar':
        if (holds(entry.calendar.holidays, day) && !holds(entry.calendar.workdays, day)) return entry.text
        break
    }
  }
  return undefined
}

function holds(ranges: readonly DateRange[], day: number): boolean {
  return ranges.some((range) => day >= range.first && day <= range.last)
}

function numberOf(date: CivilDate): number {
  return dayNumber(date.year, date.month, date.day)
}

function unknownCalendar(text: string, name: string | undefined, calendars: ReadonlyMap<string, Calendar>): string {
  if (name === undefined) return `the excluded date ${JSON.stringify(text)} cannot be read: a shared calendar is written @calendar/<name>`
  const near = nearest(name, calendars.keys())
  const hint = near === undefined ? 'add it under `calendars` in the settings' : `did you mean "@calendar/${near}"?`
  return `the calendar ${JSON.stringify(name)} is not configured: ${hint}`
}
