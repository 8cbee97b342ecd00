import type { CivilDate } from '#shared/pure/civil.ts'
import { dayNumber, parseCivilDate } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** Days as numbers since 1970-01-01, both ends included. */
export interface DateRange {
  readonly first: number
  readonly last: number
}

/** Reads `2026-10-01` or `2026-10-01..2026-10-07`, both ends included. */
export function parseDateRange(text: string): Result<DateRange, string> {
  const [firstText = '', lastText = firstText, ...more] = text.split('..')
  if (more.length > 0) return failure(`${quote(text)} has more than two dates: write 2026-10-01..2026-10-07`)
  const first = parseCivilDate(firstText)
  if (!first.ok) return first
  const last = parseCivilDate(lastText)
  if (!last.ok) return last
  const range = { first: numberOf(first.value), last: numberOf(last.value) }
  if (range.first > range.last) return failure(`${text} ends before it begins`)
  return success(range)
}

export function numberOf(date: CivilDate): number {
  return dayNumber(date.year, date.month, date.day)
}
