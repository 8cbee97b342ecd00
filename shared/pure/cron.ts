import { dateOfDay, dayNumber, daysInMonth, firstInstantAt, firstWallSecondAfter, weekdayOfDay } from './civil.ts'
import { clip, quote } from './clip.ts'
import { failure, type Result, success } from './result.ts'

/** A parsed six-field cron expression: plain data, one bit per allowed value. */
export interface CronSchedule {
  /** The expression with single blanks between its fields. */
  readonly spec: string
  readonly seconds: SixtyBits
  readonly minutes: SixtyBits
  /** Bit 0 is hour 0. */
  readonly hours: number
  /** Bit 0 is the first. */
  readonly daysOfMonth: number
  /** Bit 0 is January. */
  readonly months: number
  /** Bit 0 is Sunday. */
  readonly daysOfWeek: number
  /** Whether the field counts as unrestricted: only then do the two day fields mean AND. */
  readonly anyDayOfMonth: boolean
  readonly anyDayOfWeek: boolean
}

/** Sixty bits in two halves of thirty, so that each is a small integer. */
export interface SixtyBits {
  readonly low: number
  readonly high: number
}

export type CronFieldName = 'second' | 'minute' | 'hour' | 'day of month' | 'month' | 'day of week'

export type CronProblemCode =
  | 'cron.empty'
  | 'cron.field-count'
  | 'cron.descriptor'
  | 'cron.zone-prefix'
  | 'cron.not-a-number'
  | 'cron.out-of-range'
  | 'cron.reversed-range'
  | 'cron.zero-step'
  | 'cron.too-many-hyphens'
  | 'cron.too-many-slashes'

/** What is wrong with an expression, where, and what to write instead. */
export interface CronProblem {
  readonly code: CronProblemCode
  /** A sentence for people; it quotes the expression and shows the six-field form. */
  readonly message: string
  /** The field at fault, and its place counted from 1; absent when the number of fields is wrong. */
  readonly field?: CronFieldName
  readonly position?: number
  /** A six-field expression that probably says what was meant. */
  readonly corrected?: string
}

interface Field {
  readonly name: CronFieldName
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
  /** What a star alone stands for. */
  readonly all: FieldSet
}

interface FieldSet {
  readonly low: number
  readonly high: number
  /** Whether `*` or `?` without a step above 1 occurs in it. */
  readonly star: boolean
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

const fieldsInOrder: readonly Field[] = [
  fieldOf('second', 0, 59),
  fieldOf('minute', 0, 59),
  fieldOf('hour', 0, 23),
  fieldOf('day of month', 1, 31),
  fieldOf('month', 1, 12, monthNames),
  fieldOf('day of week', 0, 6, weekdayNames),
]

function fieldOf(name: CronFieldName, min: number, max: number, names: readonly string[] = []): Field {
  const count = max - min + 1
  const all = { low: count >= 30 ? 0x3fff_ffff : (1 << count) - 1, high: count > 30 ? (1 << (count - 30)) - 1 : 0, star: true }
  return { name, min, max, names, all }
}

const sixFields = 'second minute hour day-of-month month day-of-week'

const descriptors: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 0 1 1 *'],
  ['@annually', '0 0 0 1 1 *'],
  ['@monthly', '0 0 0 1 * *'],
  ['@weekly', '0 0 0 * * 0'],
  ['@daily', '0 0 0 * * *'],
  ['@midnight', '0 0 0 * * *'],
  ['@hourly', '0 0 * * * *'],
])

/** Like robfig/cron v3: nothing within this many calendar years counts as never. */
const yearsAhead = 5

// What Go's strings.Fields splits on, which is not what JavaScript calls white space.
const blanks = /[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u

/**
 * Reads a cron expression of exactly six fields: second, minute, hour, day of month, month, day of week. Values, lists,
 * ranges, steps, `*`, `?` (the same as `*`), names of months and weekdays in any case. What is accepted is what
 * robfig/cron v3 accepts with its seconds field on (test/vectors/cron.json), with its edges: `5/10` runs from 5 to the end
 * in tens, `*` and `?` inside a list open the whole field, empty list entries are passed over, Sunday is 0 and not 7, and
 * ranges do not wrap. Five fields are an error that shows the six-field form and what a reader that takes five for six
 * would have made of them; descriptors (`@daily`) and a zone in front are errors as well.
 */
export function parseCron(spec: string): Result<CronSchedule, CronProblem> {
  const texts = splitFields(spec)
  const fault = texts.length === 6 && !/^(@|(CRON_)?TZ=)/.test(texts[0] ?? '') ? undefined : problemOfCount(spec, texts)
  if (fault !== undefined) return failure(fault)

  const sets: FieldSet[] = []
  for (const [index, field] of fieldsInOrder.entries()) {
    const parsed = parseField(texts[index] ?? '', field)
    if (!parsed.ok) return failure(problemOfField(texts, index, field, parsed.error))
    sets.push(parsed.value)
  }
  const [seconds = emptySet, minutes = emptySet, hours = emptySet, daysOfMonth = emptySet, months = emptySet, daysOfWeek = emptySet] = sets
  return success({
    spec: texts.join(' '),
    seconds: { low: seconds.low, high: seconds.high },
    minutes: { low: minutes.low, high: minutes.high },
    hours: hours.low,
    daysOfMonth: daysOfMonth.low | (daysOfMonth.high << 30),
    months: months.low,
    daysOfWeek: daysOfWeek.low,
    anyDayOfMonth: daysOfMonth.star,
    anyDayOfWeek: daysOfWeek.star,
  })
}

/**
 * The first firing strictly after an instant, both epoch milliseconds; undefined when there is none up to the end of the
 * fifth calendar year ahead. Where clocks change: a wall time that is skipped fires at the first valid instant after the
 * gap, one that is repeated fires the first time only. Throws RangeError for an unknown zone.
 */
export function nextFiring(schedule: CronSchedule, zone: string, afterMs: number): number | undefined {
  const from = firstWallSecondAfter(afterMs, zone)
  const lastYear = dateOfDay(Math.floor(from / 86_400)).year + yearsAhead
  const seconds = nextWallSecond(schedule, from, lastYear)
  return seconds === undefined ? undefined : firstInstantAt(seconds, zone)
}

/**
 * The last firing at or before an instant and not before another, all epoch milliseconds; undefined when there is none.
 * The same firings that `nextFiring` gives. Throws RangeError for an unknown zone.
 */
export function previousFiring(schedule: CronSchedule, zone: string, atOrBeforeMs: number, notBeforeMs: number): number | undefined {
  if (notBeforeMs > atOrBeforeMs) return undefined
  const until = firstWallSecondAfter(atOrBeforeMs, zone) - 1
  const from = firstWallSecondAfter(notBeforeMs - 1, zone)
  const seconds = previousWallSecond(schedule, until, from)
  return seconds === undefined ? undefined : firstInstantAt(seconds, zone)
}

/** Whether a date fits the day of month, month and day of week fields; the time fields are not looked at. */
export function matchesDate(
  schedule: CronSchedule,
  date: { readonly year: number; readonly month: number; readonly day: number },
): boolean {
  return (schedule.months & (1 << (date.month - 1))) !== 0 && (dayBits(schedule, date.year, date.month) & (1 << (date.day - 1))) !== 0
}

/** What is legal but probably not meant, as sentences; empty when there is nothing to say. */
export function cronWarnings(schedule: CronSchedule): string[] {
  const warnings: string[] = []
  if (!schedule.anyDayOfMonth && !schedule.anyDayOfWeek) {
    warnings.push(`"${clip(schedule.spec)}" restricts day of month and day of week, so it runs on days that fit either one, not only both`)
  }
  return warnings
}

/** The parts between blanks; the ordinary case without a regular expression, which is half of what parsing costs. */
function splitFields(spec: string): string[] {
  const texts = spec.split(' ')
  return texts.length === 6 && texts.every((text) => /^[!-~]+$/.test(text)) ? texts : spec.split(blanks).filter((text) => text !== '')
}

const emptySet: FieldSet = { low: 0, high: 0, star: false }

interface FieldFault {
  readonly code: CronProblemCode
  readonly text: string
}

/** Bits of a field relative to its smallest value: day 1 and January are bit 0. */
function parseField(text: string, field: Field): Result<FieldSet, FieldFault> {
  if (text === '*') return success(field.all)
  let low = 0
  let high = 0
  let star = false
  for (const entry of text.split(',')) {
    if (entry === '') continue
    const parsed = parseEntry(entry, field)
    if (!parsed.ok) return parsed
    const { start, end, step } = parsed.value
    for (let value = start - field.min; value <= end - field.min; value += step) {
      if (value < 30) low |= 1 << value
      else high |= 1 << (value - 30)
    }
    star ||= parsed.value.star
  }
  return success({ low, high, star })
}

interface Entry {
  readonly start: number
  readonly end: number
  readonly step: number
  readonly star: boolean
}

/** One entry of a list: a value, a range or a star, with or without a step. Checks in the order in which robfig/cron does. */
function parseEntry(entry: string, field: Field): Result<Entry, FieldFault> {
  const [range = '', stepText, ...moreSteps] = entry.split('/')
  const [lowText = '', highText, ...moreHyphens] = range.split('-')
  // After a star the rest of a range is not looked at; robfig/cron takes `*-5` for `*`.
  const isStar = lowText === '*' || lowText === '?'
  let start = field.min
  let end = field.max
  if (!isStar) {
    const low = parseValue(lowText, field)
    if (!low.ok) return low
    start = low.value
    end = start
    if (moreHyphens.length > 0) return failure({ code: 'cron.too-many-hyphens', text: `${clip(entry)} has more than one hyphen` })
    if (highText !== undefined) {
      const high = parseValue(highText, field)
      if (!high.ok) return high
      end = high.value
    }
  }
  let step = 1
  if (moreSteps.length > 0) return failure({ code: 'cron.too-many-slashes', text: `${clip(entry)} has more than one slash` })
  if (stepText !== undefined) {
    const parsed = parseNumber(stepText)
    if (!parsed.ok) return parsed
    step = parsed.value
    if (highText === undefined) end = field.max
  }
  if (start < field.min) {
    return failure({ code: 'cron.out-of-range', text: `${start} is below ${field.min}, the smallest ${field.name}` })
  }
  if (Math.max(start, end) > field.max) {
    const largest = Math.max(start, end)
    const hint = field.name === 'day of week' && largest === 7 ? '; Sunday is 0 or SUN' : ''
    return failure({ code: 'cron.out-of-range', text: `${largest} is above ${field.max}, the largest ${field.name}${hint}` })
  }
  if (start > end) {
    const twoRanges = `${lowText}-${field.max},${field.min}-${highText}`
    return failure({
      code: 'cron.reversed-range',
      text: `${clip(entry)} begins after it ends${stepText === undefined ? `; write "${clip(twoRanges)}" for a range past the end` : ''}`,
    })
  }
  if (step === 0) return failure({ code: 'cron.zero-step', text: `${clip(entry)} has a step of 0` })
  return success({ start, end, step, star: isStar && step === 1 })
}

function parseValue(text: string, field: Field): Result<number, FieldFault> {
  const named = field.names.indexOf(text.toLowerCase())
  return named >= 0 ? success(named + field.min) : parseNumber(text)
}

function parseNumber(text: string): Result<number, FieldFault> {
  // A plus sign and leading zeros are what Go's Atoi takes; a minus sign never gets here, it is a hyphen.
  const value = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return success(value)
  return failure({ code: 'cron.not-a-number', text: text === '' ? 'a number is missing' : `${quote(text)} is no number or name` })
}

function problemOfField(texts: readonly string[], index: number, field: Field, fault: FieldFault): CronProblem {
  const text = texts[index] ?? ''
  return {
    code: fault.code,
    field: field.name,
    position: index + 1,
    message: `cron expression "${clip(texts.join(' '))}", field ${index + 1} (${field.name}) "${clip(text)}": ${fault.text}`,
  }
}

function problemOfCount(spec: string, texts: readonly string[]): CronProblem {
  const [first = ''] = texts
  const written = `cron expression ${quote(spec.trim())}`
  const template = `a cron expression has exactly six fields, ${sixFields}`
  if (texts.length === 0) return { code: 'cron.empty', message: `the cron expression is empty; ${template}, such as "0 0 8 * * 1-5"` }
  if (/^(CRON_)?TZ=/.test(first)) {
    const corrected = texts.slice(1).join(' ')
    return {
      code: 'cron.zone-prefix',
      message: `${written} carries a time zone; set the rule's timeZone instead and write "${clip(corrected)}"`,
      ...(texts.length === 7 ? { corrected } : {}),
    }
  }
  if (first.startsWith('@')) {
    const corrected = descriptors.get(first.toLowerCase())
    return {
      code: 'cron.descriptor',
      message: `${written} is a descriptor; ${template}${corrected === undefined ? '' : `: write "${clip(corrected)}"`}`,
      ...(corrected === undefined ? {} : { corrected }),
    }
  }
  const corrected = correctedForm(texts)
  let message = `${written} has ${texts.length} ${texts.length === 1 ? 'field' : 'fields'}; ${template}`
  if (corrected !== undefined) message += `: write "${clip(corrected)}"`
  if (texts.length === 5) message += `. ${misreading(texts)}`
  return { code: 'cron.field-count', message, ...(corrected === undefined ? {} : { corrected }) }
}

/** The six-field expression that was probably meant: seconds put in front of five fields, a year taken off seven. */
function correctedForm(texts: readonly string[]): string | undefined {
  let candidate: readonly string[] | undefined
  if (texts.length === 5) candidate = ['0', ...texts]
  else if (texts.length === 7 && /^([*?]|\d{4}([-/,]\d+)*)$/.test(texts[6] ?? '')) candidate = texts.slice(0, 6)
  if (candidate === undefined) return undefined
  const text = candidate.join(' ')
  return parseCron(text).ok ? text : undefined
}

/** What a reader that lets the day of week be absent makes of five fields. */
function misreading(texts: readonly string[]): string {
  const shifted = [...texts, '*']
  if (!parseCron(shifted.join(' ')).ok) return 'Read as six fields with the last one left out, it is not valid either'
  const words = fieldsInOrder.slice(0, 5).map((field, index) => describeField(shifted[index] ?? '', field))
  return `Read as six fields with the last one left out, it would mean: ${words.join(', ')}`
}

/** Five fields are shown one after the other. */
const longestFieldText = 40

function describeField(text: string, field: Field): string {
  if (text === '*' || text === '?') return `every ${field.name}`
  const named =
    field.name === 'month'
      ? text.replace(/\d+/g, (value, at: number) => (text[at - 1] === '/' ? value : (monthNames[Number(value) - 1] ?? value)))
      : text
  return `${field.name} ${clip(named.toUpperCase(), longestFieldText)}`
}

// Searching: in wall seconds first, without any zone; only what was found is turned into an instant.

function nextWallSecond(schedule: CronSchedule, from: number, lastYear: number): number | undefined {
  if (isEmpty(schedule)) return undefined
  const fromDays = Math.floor(from / 86_400)
  let { year, month, day } = dateOfDay(fromDays)
  let secondOfDay = from - fromDays * 86_400
  while (year <= lastYear) {
    if ((schedule.months & (1 << (month - 1))) !== 0) {
      const days = dayBits(schedule, year, month)
      for (;;) {
        const left = days & (-1 << (day - 1))
        if (left === 0) break
        const next = lowestBit(left) + 1
        if (next > day) secondOfDay = 0
        const found = nextTimeOfDay(schedule, secondOfDay)
        if (found >= 0) return dayNumber(year, month, next) * 86_400 + found
        day = next + 1
        secondOfDay = 0
      }
    }
    month += 1
    if (month > 12) {
      month = 1
      year += 1
    }
    day = 1
    secondOfDay = 0
  }
  return undefined
}

function previousWallSecond(schedule: CronSchedule, until: number, from: number): number | undefined {
  if (isEmpty(schedule)) return undefined
  const untilDays = Math.floor(until / 86_400)
  let { year, month, day } = dateOfDay(untilDays)
  let secondOfDay = until - untilDays * 86_400
  while (dayNumber(year, month, day) * 86_400 + secondOfDay >= from) {
    if ((schedule.months & (1 << (month - 1))) !== 0) {
      const days = dayBits(schedule, year, month)
      while (day > 0) {
        const left = days & (0x7fff_ffff >>> (31 - day))
        if (left === 0) break
        const next = highestBit(left) + 1
        if (next < day) secondOfDay = 86_399
        const found = previousTimeOfDay(schedule, secondOfDay)
        if (found >= 0) {
          const seconds = dayNumber(year, month, next) * 86_400 + found
          return seconds >= from ? seconds : undefined
        }
        day = next - 1
        secondOfDay = 86_399
      }
    }
    month -= 1
    if (month < 1) {
      month = 12
      year -= 1
    }
    day = daysInMonth(year, month)
    secondOfDay = 86_399
  }
  return undefined
}

/** A time field without any value (`,`) is legal in robfig/cron and never fires. */
function isEmpty({ seconds, minutes, hours }: CronSchedule): boolean {
  return (seconds.low | seconds.high) === 0 || (minutes.low | minutes.high) === 0 || hours === 0
}

/** The days of a month of 31, beginning on a weekday, that fall on one of a set of weekdays: the set, turned and laid end to end. */
function daysOnWeekdays(weekdays: number, firstWeekday: number): number {
  const week = ((weekdays >> firstWeekday) | (weekdays << (7 - firstWeekday))) & 0x7f
  return (week | (week << 7) | (week << 14) | (week << 21) | (week << 28)) & 0x7fff_ffff
}

/** The days of one month that the two day fields allow; bit 0 is the first. */
function dayBits(schedule: CronSchedule, year: number, month: number): number {
  const byWeekday = daysOnWeekdays(schedule.daysOfWeek, weekdayOfDay(dayNumber(year, month, 1)))
  const days = schedule.anyDayOfMonth || schedule.anyDayOfWeek ? schedule.daysOfMonth & byWeekday : schedule.daysOfMonth | byWeekday
  return days & (0x7fff_ffff >>> (31 - daysInMonth(year, month)))
}

/** The first matching second of a day at or after one, -1 when the day has none left. */
function nextTimeOfDay(schedule: CronSchedule, from: number): number {
  const hour = Math.floor(from / 3600)
  const minute = Math.floor((from % 3600) / 60)
  if ((schedule.hours & (1 << hour)) !== 0) {
    if (hasBit(schedule.minutes, minute)) {
      const second = nextBit(schedule.seconds, from % 60)
      if (second >= 0) return hour * 3600 + minute * 60 + second
    }
    const nextMinute = nextBit(schedule.minutes, minute + 1)
    if (nextMinute >= 0) return hour * 3600 + nextMinute * 60 + nextBit(schedule.seconds, 0)
  }
  const hours = schedule.hours & (-1 << (hour + 1))
  if (hours === 0) return -1
  return lowestBit(hours) * 3600 + nextBit(schedule.minutes, 0) * 60 + nextBit(schedule.seconds, 0)
}

/** The last matching second of a day at or before one, -1 when the day has none. */
function previousTimeOfDay(schedule: CronSchedule, until: number): number {
  const hour = Math.floor(until / 3600)
  const minute = Math.floor((until % 3600) / 60)
  if ((schedule.hours & (1 << hour)) !== 0) {
    if (hasBit(schedule.minutes, minute)) {
      const second = previousBit(schedule.seconds, until % 60)
      if (second >= 0) return hour * 3600 + minute * 60 + second
    }
    const previousMinute = previousBit(schedule.minutes, minute - 1)
    if (previousMinute >= 0) return hour * 3600 + previousMinute * 60 + previousBit(schedule.seconds, 59)
  }
  const hours = schedule.hours & ((1 << hour) - 1)
  if (hours === 0) return -1
  return highestBit(hours) * 3600 + previousBit(schedule.minutes, 59) * 60 + previousBit(schedule.seconds, 59)
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits)
}

function highestBit(bits: number): number {
  return 31 - Math.clz32(bits)
}

function hasBit(bits: SixtyBits, index: number): boolean {
  return ((index < 30 ? bits.low >> index : bits.high >> (index - 30)) & 1) === 1
}

/** The lowest set bit at or above an index up to 60, -1 when there is none. */
function nextBit(bits: SixtyBits, index: number): number {
  if (index < 30) {
    const low = bits.low & (-1 << index)
    if (low !== 0) return lowestBit(low)
  }
  const high = bits.high & (-1 << Math.max(0, index - 30))
  return high === 0 ? -1 : lowestBit(high) + 30
}

/** The highest set bit at or below an index from -1, -1 when there is none. */
function previousBit(bits: SixtyBits, index: number): number {
  if (index < 0) return -1
  if (index >= 30) {
    const high = bits.high & (0x3fff_ffff >>> (59 - index))
    if (high !== 0) return highestBit(high) + 30
  }
  const low = bits.low & (0x3fff_ffff >>> Math.max(0, 29 - index))
  return low === 0 ? -1 : highestBit(low)
}
