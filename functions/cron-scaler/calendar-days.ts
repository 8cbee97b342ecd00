import { dateOfDay, dayNumber } from '#shared/pure/civil.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import type { Calendar, DateRange } from './excludes.ts'

export interface CalendarReadOptions {
  /** What repeats is followed through these years, both included. What does not repeat is read whatever its year. */
  readonly fromYear: number
  readonly toYear: number
  /** Where days are counted for times in UTC, unless the calendar says a zone of its own. */
  readonly timeZone: string
  /** RE2 pattern, case ignored, of the summaries of days that are worked; what is usual in China and in English when absent. */
  readonly workdayPattern?: string | undefined
}

/** A calendar's text is at most this long. */
export const mostCalendarBytes = 1024 * 1024

/** And has at most so many days or stretches of days. */
export const mostOccurrences = 20_000

/** Sorted stretches of days that neither touch nor overlap. */
export function mergeRanges(ranges: readonly DateRange[]): readonly DateRange[] {
  const merged: DateRange[] = []
  for (const range of ranges.toSorted((left, right) => left.first - right.first || left.last - right.last)) {
    const last = merged.at(-1)
    if (last === undefined || range.first > last.last + 1) merged.push(range)
    else if (range.last > last.last) merged[merged.length - 1] = { first: last.first, last: range.last }
  }
  return merged
}

/** `2026-10-01` or `2026-10-01..2026-10-07`, as `parseDateRange` reads it. */
export function rangeText({ first, last }: DateRange): string {
  return first === last ? dateText(first) : `${dateText(first)}..${dateText(last)}`
}

function dateText(dayOfAll: number): string {
  const { year, month, day } = dateOfDay(dayOfAll)
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}

/** The last day that a calendar says anything about; undefined when it says nothing. */
export function lastDayOf({ holidays, workdays }: Calendar): number | undefined {
  const days = [...holidays, ...workdays].map(({ last }) => last)
  return days.length === 0 ? undefined : days.reduce((latest, day) => Math.max(latest, day))
}

/** The last day that dates of four digits can tell. */
export const lastDay = dayNumber(9999, 12, 31)

/** The year of an instant, in UTC: calendars are read with years to spare. */
export function yearOf(ms: number): number {
  return dateOfDay(Math.floor(ms / 86_400_000)).year
}

export function firstDayOfYear(year: number): number {
  return dayNumber(year, 1, 1)
}

/** A stranger's text as messages show it. */
export function shown(text: string): string {
  return quote(clip(text.trim(), 80))
}
