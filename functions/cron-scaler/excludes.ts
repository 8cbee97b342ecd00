import type { CivilDate } from '#shared/pure/civil.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import { type CronSchedule, matchesDate } from '#shared/pure/cron.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { type DateRange, numberOf, parseDateRange } from './date-range.ts'
import { sharedCron } from './schedule-cache.ts'

export { type DateRange, parseDateRange } from './date-range.ts'

/** A shared list of days off, and of weekend days that are worked to make up for them. */
export interface Calendar {
  readonly holidays: readonly DateRange[]
  readonly workdays: readonly DateRange[]
}

/** A calendar that could not be read, and why. Which days it closes nobody knows. */
export interface UnreadCalendar {
  readonly problem: string
}

/** One entry of `excludeDates` after reading; `text` is what somebody wrote, as far as messages show it. */
export type Exclude =
  | { readonly kind: 'cron'; readonly text: string; readonly schedule: CronSchedule; readonly byWeekdayOnly: boolean }
  | { readonly kind: 'dates'; readonly text: string; readonly range: DateRange }
  | { readonly kind: 'calendar'; readonly text: string; readonly calendar: Calendar }
  | { readonly kind: 'unread'; readonly text: string; readonly problem: string }

export interface Excludes {
  readonly entries: readonly Exclude[]
  /** What is legal but probably not meant. */
  readonly warnings: readonly string[]
  /** Which of its calendars could not be read, and why: whether a day is excluded is not always known then. */
  readonly unread?: string
}

/** For the many rules without any. */
const noneExcluded: Result<Excludes, ExcludeProblem> = success({ entries: [], warnings: [] })

/** What is wrong with which entry. */
export interface ExcludeProblem {
  readonly index: number
  readonly text: string
}

/** More different lists than this in one run, and all are forgotten. */
const mostLists = 10_000

const readLists = new WeakMap<ReadonlyMap<string, Calendar | UnreadCalendar>, Map<string, Result<Excludes, ExcludeProblem>>>()

/** The same as `parseExcludes`, for the many rules that exclude the same days: the same texts with the same calendars are read once. */
export function sharedExcludes(
  texts: readonly string[],
  calendars: ReadonlyMap<string, Calendar | UnreadCalendar>,
): Result<Excludes, ExcludeProblem> {
  if (texts.length === 0) return noneExcluded
  let lists = readLists.get(calendars)
  if (lists === undefined || lists.size >= mostLists) {
    lists = new Map()
    readLists.set(calendars, lists)
  }
  const key = JSON.stringify(texts)
  let read = lists.get(key)
  if (read === undefined) {
    read = parseExcludes(texts, calendars)
    lists.set(key, read)
  }
  return read
}

/**
 * Reads the entries of `excludeDates`: six-field cron expressions of which only the day of month, month and day of week
 * count (a date is the finest grain), dates and ranges of dates, and `@calendar/<name>`. One entry that cannot be read fails
 * them all, so that a rule never runs on a day that somebody meant to exclude.
 */
export function parseExcludes(
  texts: readonly string[],
  calendars: ReadonlyMap<string, Calendar | UnreadCalendar>,
): Result<Excludes, ExcludeProblem> {
  if (texts.length === 0) return noneExcluded
  const entries: Exclude[] = []
  const warnings: string[] = []
  for (const [index, text] of texts.entries()) {
    const parsed = parseExclude(text.trim(), calendars)
    if (!parsed.ok) return failure({ index, text: parsed.error })
    entries.push(parsed.value)
    if (parsed.value.kind === 'cron' && hasTimeOfDay(parsed.value.schedule)) {
      warnings.push(`"${parsed.value.text}" excludes whole days: its time fields are ignored`)
    }
  }
  const unread = entries.find((entry) => entry.kind === 'unread')
  return success(unread === undefined ? { entries, warnings } : { entries, warnings, unread: `${unread.text} (${unread.problem})` })
}

function parseExclude(text: string, calendars: ReadonlyMap<string, Calendar | UnreadCalendar>): Result<Exclude, string> {
  if (text.startsWith('@')) {
    const name = /^@calendar\/(.+)$/s.exec(text)?.[1]
    const calendar = name === undefined ? undefined : calendars.get(name)
    if (calendar === undefined) return failure(unknownCalendar(text, name, calendars))
    if ('problem' in calendar) return success({ kind: 'unread', text: clip(text), problem: calendar.problem })
    return success({ kind: 'calendar', text: clip(text), calendar })
  }
  if (/^\d{4}-/.test(text)) {
    const range = parseDateRange(text)
    if (!range.ok) return failure(`the excluded date cannot be read: ${range.error}`)
    return success({ kind: 'dates', text: clip(text), range: range.value })
  }
  const parsed = sharedCron(text)
  if (!parsed.ok) return failure(`the excluded date cannot be read: ${parsed.error.message}`)
  return success({ kind: 'cron', text: clip(parsed.value.spec), schedule: parsed.value, byWeekdayOnly: isByWeekdayOnly(parsed.value) })
}

function hasTimeOfDay({ spec }: CronSchedule): boolean {
  return spec
    .split(' ')
    .slice(0, 3)
    .some((field) => field !== '*' && field !== '?')
}

const allMonths = 0xfff
const allWeekdays = 0x7f

/** Whether an expression closes some weekdays of all weeks. One that closes every day does not mean weekends. */
function isByWeekdayOnly({ anyDayOfMonth, months, daysOfWeek }: CronSchedule): boolean {
  return anyDayOfMonth && months === allMonths && daysOfWeek !== allWeekdays
}

/**
 * The entry that excludes a civil date, undefined when the date is not excluded. A day that one of the rule's calendars
 * calls a workday is open again to what closes weekends (an expression over weekdays only) and to that calendar's own
 * holidays; a date, a range of dates or a day of month keeps it closed. With a calendar that could not be read it names only
 * what excludes the date whatever that calendar says: any weekend may be worked by it.
 */
export function excludedBy(excludes: Excludes, date: CivilDate): string | undefined {
  if (excludes.entries.length === 0) return undefined
  const day = numberOf(date)
  const isWorkday = excludes.entries.some(
    (entry) => entry.kind === 'unread' || (entry.kind === 'calendar' && holds(entry.calendar.workdays, day)),
  )
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
      case 'unread':
        break
    }
  }
  return undefined
}

function holds(ranges: readonly DateRange[], day: number): boolean {
  return ranges.some((range) => day >= range.first && day <= range.last)
}

function unknownCalendar(text: string, name: string | undefined, calendars: ReadonlyMap<string, Calendar | UnreadCalendar>): string {
  if (name === undefined) return `the excluded date ${quote(text)} cannot be read: a shared calendar is written @calendar/<name>`
  const near = nearest(name, calendars.keys())
  const hint = near === undefined ? 'add it under `calendars` in the settings' : `did you mean "@calendar/${near}"?`
  return `the calendar ${quote(name)} is not configured: ${hint}`
}
