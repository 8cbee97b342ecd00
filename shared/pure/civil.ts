import { quote } from './clip.ts'
import { failure, type Result, success } from './result.ts'
import { farthestOffsetMs, longestSetBackMs, stretchAt } from './zone.ts'

export interface CivilDate {
  readonly year: number
  /** 1-12. */
  readonly month: number
  /** 1-31. */
  readonly day: number
}

export interface CivilTime extends CivilDate {
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/** What calendar and clock on a wall show. */
export interface Civil extends CivilTime {
  /** 0 is Sunday. */
  readonly weekday: number
}

const weekdayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const daySeconds = 86_400

/** Days since 1970-01-01 of a date of the Gregorian calendar, without any zone. Dates past a month's end roll over. */
export function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

/** The date of a day number: the inverse of `dayNumber`. */
export function dateOfDay(days: number): CivilDate {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day }
}

/** Day of the week of a day number; 0 is Sunday. */
export function weekdayOfDay(days: number): number {
  return (((days + 4) % 7) + 7) % 7
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** What calendar and clock show in a zone at an instant (epoch milliseconds); fractions of a second are dropped. */
export function civilOf(ms: number, zone: string): Civil {
  const seconds = Math.floor((ms + stretchAt(ms, zone).offsetMs) / 1000)
  const days = Math.floor(seconds / daySeconds)
  const rest = seconds - days * daySeconds
  return {
    ...dateOfDay(days),
    hour: Math.floor(rest / 3600),
    minute: Math.floor((rest % 3600) / 60),
    second: rest % 60,
    weekday: weekdayOfDay(days),
  }
}

/**
 * Every instant at which a zone's clocks show this: one as a rule, none where clocks are set forward over it, two where they
 * are set back. Ascending epoch milliseconds.
 */
export function instantsOf(civil: CivilTime, zone: string): number[] {
  const localMs = wallSeconds(civil) * 1000
  const instants: number[] = []
  for (let at = localMs - farthestOffsetMs; at <= localMs + farthestOffsetMs; ) {
    const stretch = stretchAt(at, zone)
    const instant = localMs - stretch.offsetMs
    if (instant >= stretch.startMs && instant < stretch.endMs && !instants.includes(instant)) instants.push(instant)
    at = stretch.endMs
  }
  return instants
}

/** Seconds from 1970-01-01 00:00:00 on the wall's own clock to a civil time, as if there were no zones. */
export function wallSeconds(civil: CivilTime): number {
  return dayNumber(civil.year, civil.month, civil.day) * daySeconds + civil.hour * 3600 + civil.minute * 60 + civil.second
}

/**
 * The first instant at which a zone's clocks have reached a wall time: that very time where it exists, its first occurrence
 * where it is repeated, the first valid instant after the gap where it is skipped. This one sentence is the whole rule for
 * changing clocks, and it never turns the order of two wall times round.
 */
export function firstInstantAt(seconds: number, zone: string): number {
  const localMs = seconds * 1000
  let stretch = stretchAt(localMs - farthestOffsetMs, zone)
  for (;;) {
    if (stretch.startMs + stretch.offsetMs >= localMs) return stretch.startMs
    const instant = localMs - stretch.offsetMs
    if (instant < stretch.endMs) return instant
    stretch = stretchAt(stretch.endMs, zone)
  }
}

/**
 * The first wall second that a zone's clocks have not reached yet at an instant: the smallest `s` with
 * `firstInstantAt(s) > ms`. In an hour that is repeated it waits at the hour's end.
 */
export function firstWallSecondAfter(ms: number, zone: string): number {
  let stretch = stretchAt(ms, zone)
  let seconds = Math.floor((ms + stretch.offsetMs) / 1000) + 1
  while (stretch.startMs > ms - longestSetBackMs) {
    const earlier = stretchAt(stretch.startMs - 1, zone)
    seconds = Math.max(seconds, Math.ceil((stretch.startMs + earlier.offsetMs) / 1000))
    stretch = earlier
  }
  return seconds
}

/** The instant at which a date begins in a zone. */
export function startOfDate(date: CivilDate, zone: string): number {
  return firstInstantAt(dayNumber(date.year, date.month, date.day) * daySeconds, zone)
}

/** Reads `2026-10-01`; a date that the calendar does not have is refused. */
export function parseCivilDate(text: string): Result<CivilDate, string> {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text)
  if (match === null) return failure(`${quote(text)} is no date: write it as 2026-10-01`)
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) {
    return failure(`${text} is not in the calendar`)
  }
  return success({ year, month, day })
}

/**
 * Reads an instant with its zone written out (`2026-10-01T08:00:00+08:00`, `2026-10-01T00:00Z`) as epoch milliseconds; seconds and
 * their fraction may be left out. What `Date.parse` would guess at is refused: no zone, 31 February, 24:00, other forms.
 */
export function parseInstant(text: string): Result<number, string> {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d{2}):(\d{2}))$/.exec(text)
  if (match === null) return failure(`${quote(text)} is no instant: write it as 2026-10-01T08:00:00+08:00`)
  const [, dateText = '', hour, minute, second = 0, fraction = '', sign, offsetHour = 0, offsetMinute = 0] = match
  const date = parseCivilDate(dateText)
  if (!date.ok) return date
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return failure(`${text} is at no time of day that a clock shows`)
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) return failure(`${text} is in no zone: an offset is at most 23:59`)
  const seconds = wallSeconds({ ...date.value, hour: Number(hour), minute: Number(minute), second: Number(second) })
  const offsetSeconds = (sign === '-' ? -1 : 1) * (Number(offsetHour) * 3600 + Number(offsetMinute) * 60)
  return success((seconds - offsetSeconds) * 1000 + Number(fraction.padEnd(3, '0').slice(0, 3)))
}

/** An instant as people of a zone write it: `Fri 2026-10-02 08:00:00 Asia/Shanghai`. */
export function formatInstant(ms: number, zone: string): string {
  const { year, month, day, hour, minute, second, weekday } = civilOf(ms, zone)
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`
  return `${weekdayNames[weekday] ?? ''} ${date} ${two(hour)}:${two(minute)}:${two(second)} ${zone}`
}
