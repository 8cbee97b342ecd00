import { dateOfDay } from '#shared/pure/civil.ts'

/** A day since 1970 as a date. */
export function dateText(days: number): string {
  const { year, month, day } = dateOfDay(days)
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}
