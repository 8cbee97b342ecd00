import { dateOfDay, dayNumber, startOfDate } from '#shared/pure/civil.ts'
import { compareDecimals, type Decimal } from './decimal.ts'
import { type Metric, usageOf } from './metric.ts'
import { hourMs, hourNumber, hourText, type ProductReading, readSample, type Sample } from './sample.ts'

/** The high-water mark of one metric on one civil day. */
export interface DayMark {
  readonly metric: string
  readonly unit: string
  readonly max: Decimal
  /** Number since 1970 of the first hour that had it. */
  readonly at: number
  /** Bit i is set when the metric could be read in the i-th hour of the day. */
  readonly measured: number
}

/** What is kept of a civil day for years: its high-water marks, and which of its hours were measured. */
export interface DayRow {
  /** Number of the civil day since 1970. */
  readonly day: number
  /** Whose civil day it is. */
  readonly zone: string
  /** Number since 1970 of the first hour of UTC that begins on it: an hour belongs to the day on which it begins. */
  readonly firstHour: number
  /** How many hours begin on it: 24, or 23 or 25 where clocks change. */
  readonly hours: number
  /** Bit i is set when there is a sample of its i-th hour. */
  readonly measured: number
  readonly marks: readonly DayMark[]
}

/** Hours in a row without a sample; `until` is the first hour after them. */
export interface HourRange {
  readonly from: string
  readonly until: string
  readonly hours: number
}

/** The high-water mark of one metric in a period. */
export interface PeriodMark {
  readonly metric: string
  readonly unit: string
  readonly max: Decimal
  /** Hour of UTC that had it first. */
  readonly at: string
  /** Civil day that had it first. */
  readonly day: number
  /** Hours in which the metric could be read. */
  readonly measured: number
}

/** A civil month or year (or any row of days): its high-water marks and how much of it was measured. */
export interface PeriodMarks {
  /** `2026-11`, `2026`. */
  readonly name: string
  /** First and last civil day that is counted. */
  readonly fromDay: number
  readonly untilDay: number
  /** Hours of it that have begun. */
  readonly hours: number
  /** Hours with a sample. */
  readonly measured: number
  readonly gaps: readonly HourRange[]
  readonly marks: readonly PeriodMark[]
}

/** The hours of UTC that begin on a civil day: the first one's number, and how many. */
export function hoursOfDay(day: number, zone: string): { readonly firstHour: number; readonly hours: number } {
  const firstHour = Math.ceil(startOfDate(dateOfDay(day), zone) / hourMs)
  return { firstHour, hours: Math.ceil(startOfDate(dateOfDay(day + 1), zone) / hourMs) - firstHour }
}

/**
 * Rolls up one civil day: the maximum of every product and every sum, with the first hour that had it. Samples of other days are passed
 * over. A day without samples is a row without marks.
 */
export function rollDay(day: number, zone: string, samples: Iterable<Sample>, sums: readonly Metric[]): DayRow {
  const { firstHour, hours } = hoursOfDay(day, zone)
  const marks = new Map<string, DayMark>()
  let measured = 0
  const note = (metric: string, unit: string, usage: Decimal, at: number): void => {
    const bit = 1 << (at - firstHour)
    const mark = marks.get(metric)
    if (mark === undefined) marks.set(metric, { metric, unit, max: usage, at, measured: bit })
    else if (compareDecimals(usage, mark.max) > 0) marks.set(metric, { metric, unit, max: usage, at, measured: mark.measured | bit })
    else marks.set(metric, { ...mark, measured: mark.measured | bit })
  }
  for (const sample of samples) {
    const at = hourNumber(sample.hour)
    if (at < firstHour || at >= firstHour + hours) continue
    measured |= 1 << (at - firstHour)
    const reading = readSample(sample)
    for (const product of reading.products) if (isRead(product)) note(product.productId, product.unit, product.usage, at)
    for (const sum of sums) {
      const { usage, unit } = usageOf(sum, reading)
      if (usage !== undefined) note(sum.id, unit, usage, at)
    }
  }
  return { day, zone, firstHour, hours, measured, marks: [...marks.values()] }
}

function isRead(product: ProductReading): product is ProductReading & { readonly usage: Decimal } {
  return product.usage !== undefined && product.productId !== ''
}

/** How many bits of a day are set. */
export function countHours(measured: number): number {
  let count = 0
  for (let rest = measured; rest !== 0; rest &= rest - 1) count += 1
  return count
}

/** Gathers rows of days, oldest first, to the high-water marks of one period. Hours from `untilHour` on have not begun, and do not count. */
export class PeriodBuilder {
  readonly #name: string
  readonly #untilHour: number
  readonly #marks = new Map<string, { unit: string; max: Decimal; at: number; day: number; measured: number }>()
  readonly #gaps: { from: number; until: number }[] = []
  #fromDay: number | undefined
  #untilDay = 0
  #hours = 0
  #measured = 0
  /** Hours up to this one are counted: two rows of days of different zones may share some. */
  #countedTo = Number.NEGATIVE_INFINITY

  constructor(name: string, untilHour: number) {
    this.#name = name
    this.#untilHour = untilHour
  }

  add({ day, firstHour, hours, measured, marks }: DayRow): void {
    this.#fromDay ??= day
    this.#untilDay = day
    const end = Math.min(firstHour + hours, this.#untilHour)
    for (let hour = Math.max(firstHour, this.#countedTo); hour < end; hour += 1) {
      this.#hours += 1
      if ((measured & (1 << (hour - firstHour))) !== 0) this.#measured += 1
      else this.#noteGap(hour)
    }
    this.#countedTo = Math.max(this.#countedTo, end)
    for (const mark of marks) {
      const known = this.#marks.get(mark.metric)
      const count = countHours(mark.measured)
      if (known === undefined) this.#marks.set(mark.metric, { unit: mark.unit, max: mark.max, at: mark.at, day, measured: count })
      else {
        known.measured += count
        if (compareDecimals(mark.max, known.max) > 0) Object.assign(known, { unit: mark.unit, max: mark.max, at: mark.at, day })
      }
    }
  }

  #noteGap(hour: number): void {
    const last = this.#gaps.at(-1)
    if (last?.until === hour) last.until = hour + 1
    else this.#gaps.push({ from: hour, until: hour + 1 })
  }

  /** What all rows so far come to; undefined when there were none. */
  marks(): PeriodMarks | undefined {
    if (this.#fromDay === undefined) return undefined
    return {
      name: this.#name,
      fromDay: this.#fromDay,
      untilDay: this.#untilDay,
      hours: this.#hours,
      measured: this.#measured,
      gaps: this.#gaps.map(({ from, until }) => ({ from: hourText(from), until: hourText(until), hours: until - from })),
      marks: [...this.#marks].map(([metric, { unit, max, at, day, measured }]) => ({ metric, unit, max, at: hourText(at), day, measured })),
    }
  }
}

/** Names of the civil periods that a day belongs to: `2026-11-24`, `2026-11`, `2026`. */
export function periodName(day: number, unit: 'day' | 'month' | 'year'): string {
  const { year, month, day: date } = dateOfDay(day)
  const two = (value: number) => String(value).padStart(2, '0')
  const name = String(year).padStart(4, '0')
  return unit === 'year' ? name : unit === 'month' ? `${name}-${two(month)}` : `${name}-${two(month)}-${two(date)}`
}

/** Rolls rows of days, oldest first, up to civil months or years. Hours from `untilHour` on have not begun. */
export function rollUp(rows: Iterable<DayRow>, unit: 'day' | 'month' | 'year', untilHour: number): readonly PeriodMarks[] {
  const builders = new Map<string, PeriodBuilder>()
  for (const row of rows) {
    const name = periodName(row.day, unit)
    let builder = builders.get(name)
    if (builder === undefined) {
      builder = new PeriodBuilder(name, untilHour)
      builders.set(name, builder)
    }
    builder.add(row)
  }
  return [...builders.values()].map((builder) => builder.marks()).filter((marks) => marks !== undefined)
}

/** First and last civil day (numbers since 1970) of a month (`2026-11`) or a year (`2026`); undefined for another text. */
export function daysOfPeriod(name: string): { readonly fromDay: number; readonly untilDay: number } | undefined {
  const match = /^([0-9]{4})(?:-([0-9]{2}))?$/.exec(name)
  if (match === null) return undefined
  const year = Number(match[1])
  if (match[2] === undefined) return { fromDay: dayNumber(year, 1, 1), untilDay: dayNumber(year + 1, 1, 1) - 1 }
  const month = Number(match[2])
  if (month < 1 || month > 12) return undefined
  const next = month === 12 ? dayNumber(year + 1, 1, 1) : dayNumber(year, month + 1, 1)
  return { fromDay: dayNumber(year, month, 1), untilDay: next - 1 }
}
