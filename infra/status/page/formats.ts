import type { Language } from './words.ts'

/** Writes figures and instants as a reader of the language does, in one time zone. */
export interface Formats {
  /** `12,345.6`: with one digit after the point at most. */
  number(value: number): string
  /** `65.6 %`; of nothing it is undefined. */
  percent(part: number, whole: number): string | undefined
  /** `3.4 GiB` */
  bytes(value: number): string
  /** Hour, minute and second; the day as well when it is another than that of `now`, and the year when that is. */
  instant(at: string, now: number): string
  /** Day and time in full, with the zone. */
  whole(at: string): string
  /** A civil date, `2026-11-24`, which is in no zone. */
  day(date: string): string
  /** `3 min ago`, `in 2 hr`: in the largest unit that it has one of. */
  relative(at: string, now: number): string
  /** `3 min`, `2 hr` */
  duration(ms: number): string
  /** An instant on an axis whose marks are so far apart: the day where one begins, else hour and minute. */
  tick(atMs: number, stepMs: number): string
  /** The zone as people name it: `GMT+8`. */
  readonly zone: string
}

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

const spans = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
] as const

/** Which English and which Chinese: with 24 hours, as the rest of Longshore writes. */
const locales: Readonly<Record<Language, string>> = { en: 'en-GB', zh: 'zh-CN' }

export function createFormats(language: Language, timeZone: string): Formats {
  const locale = locales[language]
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 })
  const dates = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat(locale, { timeZone, hourCycle: 'h23', ...options })
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit' } as const
  const clock = dates(time)
  const withDay = dates({ ...time, month: 'short', day: 'numeric' })
  const withYear = dates({ ...time, year: 'numeric', month: 'short', day: 'numeric' })
  const hourMinute = dates({ hour: '2-digit', minute: '2-digit' })
  const dayMonth = dates({ month: 'short', day: 'numeric' })
  const whole = dates({ ...time, year: 'numeric', month: 'long', day: 'numeric', weekday: 'short', timeZoneName: 'short' })
  const civil = new Intl.DateTimeFormat(locale, { timeZone: 'UTC', year: 'numeric', month: 'short', day: 'numeric' })
  const dayKey = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' })
  /** Says `now` of nothing. */
  const present = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(0, 'second')
  const units = new Map(
    spans.map(([unit]) => [unit, new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 })]),
  )
  const spanOf = (ms: number): (typeof spans)[number] => spans.find(([, length]) => ms >= length) ?? ['second', 1000]
  return {
    number: (value) => number.format(value),
    percent: (part, all) => (all > 0 ? `${number.format((part / all) * 100)} %` : undefined),
    bytes: (value) => {
      let unit = 0
      let left = value
      while (left >= 1024 && unit < byteUnits.length - 1) {
        left /= 1024
        unit += 1
      }
      return `${number.format(left)} ${byteUnits[unit] ?? ''}`
    },
    instant: (at, now) => {
      const date = new Date(at)
      const [day, today] = [dayKey.format(date), dayKey.format(now)]
      if (day === today) return clock.format(date)
      return (day.slice(0, 4) === today.slice(0, 4) ? withDay : withYear).format(date)
    },
    whole: (at) => whole.format(new Date(at)),
    day: (date) => civil.format(new Date(`${date}T00:00:00Z`)),
    relative: (at, now) => {
      const distance = Date.parse(at) - now
      if (Math.abs(distance) < 1000) return present
      const [unit, length] = spanOf(Math.abs(distance))
      return relative.format(Math.trunc(distance / length), unit)
    },
    duration: (ms) => {
      const [unit, length] = spanOf(Math.abs(ms))
      return units.get(unit)?.format(Math.round(ms / length)) ?? ''
    },
    tick: (atMs, stepMs) => {
      const minute = hourMinute.format(atMs)
      return stepMs >= 86_400_000 || minute === '00:00' ? dayMonth.format(atMs) : minute
    },
    zone: new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'short' })
      .formatToParts(0)
      .filter(({ type }) => type === 'timeZoneName')
      .map(({ value }) => value)
      .join(''),
  }
}
