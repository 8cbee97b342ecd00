import { dateOfDay, dayNumber } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** A retention in complete units of the calendar: what is thrown away is always a whole month or year. */
export interface CompleteUnits {
  readonly count: number
  readonly unit: 'month' | 'year'
}

/** Reads `13 months`, `1 month`, `10 years`. At least one month is kept, at most a hundred years. */
export function parseUnits(text: string): Result<CompleteUnits, string> {
  const match = /^([0-9]{1,4}) (month|year)s?$/.exec(text)
  const count = Number(match?.[1])
  const unit = match?.[2] === 'year' ? 'year' : 'month'
  if (match === null || count < 1 || count > (unit === 'year' ? 100 : 1200)) {
    return failure(`${quote(text)} is no number of complete months or years, such as "13 months" or "10 years"`)
  }
  return success({ count, unit })
}

export function formatUnits({ count, unit }: CompleteUnits): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

/**
 * The first civil day (number since 1970) that is kept: the beginning of the unit that lies so many complete units before the one that
 * `today` is in. The running unit is kept beside them.
 */
export function firstDayKept({ count, unit }: CompleteUnits, today: number): number {
  const { year, month } = dateOfDay(today)
  if (unit === 'year') return dayNumber(year - count, 1, 1)
  const months = year * 12 + (month - 1) - count
  return dayNumber(Math.floor(months / 12), (months % 12) + 1, 1)
}
