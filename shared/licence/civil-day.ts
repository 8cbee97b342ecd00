import { civilOf, dayNumber } from '#shared/pure/civil.ts'

export interface CivilDay {
  /** Number of the day since 1970. */
  readonly day: number
  /** The first day of its month. */
  readonly monthStart: number
}

/** The civil day of an instant in a zone. */
export function civilDay(ms: number, zone: string): CivilDay {
  const { year, month, day } = civilOf(ms, zone)
  const number = dayNumber(year, month, day)
  return { day: number, monthStart: dayNumber(year, month, 1) }
}
