import { dateOfDay, dayNumber, daysInMonth, weekdayOfDay } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/** How an event repeats, by whole days (RFC 5545, 3.3.10). Lists are empty where the rule does not restrict. */
export interface RepeatRule {
  readonly frequency: 'DAILY' | 'WEEKLY' | 'MONTHLY' | 'YEARLY'
  readonly interval: number
  /** Occurrences in all, the first one included. */
  readonly count: number | undefined
  readonly months: readonly number[]
  /** Negative ones count from the end, here and below. */
  readonly monthDays: readonly number[]
  readonly yearDays: readonly number[]
  /** `nth` 0 is every one. */
  readonly weekdays: readonly { readonly weekday: number; readonly nth: number }[]
  readonly positions: readonly number[]
  /** 0 is Sunday. */
  readonly weekStart: number
}

/** How many days may still be looked at; shared by all rules of a calendar. */
export interface DayBudget {
  daysLeft: number
}

/** Rules that would take too long to go through. */
export class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent'
}

const weekdayNames = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA']

const parts = new Set(['freq', 'interval', 'count', 'until', 'wkst', 'byday', 'bymonth', 'bymonthday', 'byyearday', 'bysetpos'])

/**
 * Reads a rule as jCal has it (RFC 7265, 3.6.10). The end (`until`) is left to the caller, who knows the event's zone. What a
 * calendar of days cannot mean is refused and not passed over: repeating by hours, week numbers.
 */
export function parseRepeatRule(recur: unknown): Result<RepeatRule, string> {
  if (typeof recur !== 'object' || recur === null) return failure('it repeats by a rule that cannot be read')
  const fields = new Map<string, unknown>(Object.entries(recur))
  for (const name of fields.keys()) {
    if (!parts.has(name))
      return failure(`it repeats by ${quote(name.toUpperCase())}, which is not supported: a calendar here is made of whole days`)
  }
  const frequency = fields.get('freq')
  if (frequency !== 'DAILY' && frequency !== 'WEEKLY' && frequency !== 'MONTHLY' && frequency !== 'YEARLY') {
    const what = typeof frequency === 'string' ? `FREQ=${frequency}` : 'no FREQ'
    return failure(`it repeats with ${what}: write DAILY, WEEKLY, MONTHLY or YEARLY`)
  }
  const interval = wholeOf(fields.get('interval') ?? 1, 1, 10_000)
  if (interval === undefined) return failure('its INTERVAL is no whole number from 1 to 10,000')
  const count = fields.get('count') === undefined ? undefined : wholeOf(fields.get('count'), 1, 1_000_000)
  if (count === undefined && fields.get('count') !== undefined) return failure('its COUNT is no whole number from 1 to 1,000,000')
  const months = numbersOf(fields.get('bymonth'), 1, 12, false)
  const monthDays = numbersOf(fields.get('bymonthday'), 1, 31, true)
  const yearDays = numbersOf(fields.get('byyearday'), 1, 366, true)
  const positions = numbersOf(fields.get('bysetpos'), 1, 366, true)
  const weekdays = weekdaysOf(fields.get('byday'))
  if (months === undefined) return failure('its BYMONTH holds something that is no month from 1 to 12')
  if (monthDays === undefined) return failure('its BYMONTHDAY holds something that is no day of a month')
  if (yearDays === undefined) return failure('its BYYEARDAY holds something that is no day of a year')
  if (positions === undefined) return failure('its BYSETPOS holds something that is no position from 1 to 366')
  if (weekdays === undefined) return failure('its BYDAY holds something that is no weekday such as MO or -1FR')
  const isLong = frequency === 'MONTHLY' || frequency === 'YEARLY'
  if (!isLong && weekdays.some(({ nth }) => nth !== 0))
    return failure(`its BYDAY counts weekdays, which does not go with FREQ=${frequency}`)
  if (frequency === 'WEEKLY' && monthDays.length > 0) return failure('its BYMONTHDAY does not go with FREQ=WEEKLY')
  if (frequency !== 'YEARLY' && yearDays.length > 0) return failure(`its BYYEARDAY does not go with FREQ=${frequency}`)
  const first = fields.get('wkst')
  // Sunday is 1 there.
  const weekStart = first === undefined ? 1 : (wholeOf(first, 1, 7) ?? 0) - 1
  if (weekStart < 0) return failure('its WKST is no weekday')
  return success({ frequency, interval, count, months, monthDays, yearDays, weekdays, positions, weekStart })
}

/** More parts than this say nothing that fewer could not. */
const mostParts = 1000

function wholeOf(value: unknown, least: number, most: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined
}

function numbersOf(value: unknown, least: number, most: number, mayCountBack: boolean): readonly number[] | undefined {
  const values: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (values.length > mostParts) return undefined
  const numbers = values.filter(
    (one) =>
      typeof one === 'number' && Number.isInteger(one) && Math.abs(one) >= least && Math.abs(one) <= most && (mayCountBack || one > 0),
  )
  return numbers.length === values.length ? numbers.map(Number) : undefined
}

function weekdaysOf(value: unknown): RepeatRule['weekdays'] | undefined {
  const values: readonly unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value]
  if (values.length > mostParts) return undefined
  const weekdays = values.flatMap((one) => {
    const match = /^([+-]?[0-9]{1,2})?(SU|MO|TU|WE|TH|FR|SA)$/.exec(String(one))
    const nth = Number(match?.[1] ?? 0)
    // A zero would mean nothing, and no year has more than 53 of a weekday.
    if (match === null || Math.abs(nth) > 53 || (match[1] !== undefined && nth === 0)) return []
    return [{ weekday: weekdayNames.indexOf(match[2] ?? ''), nth }]
  })
  return weekdays.length === values.length ? weekdays : undefined
}

/** Which days of a rule are asked for. All are days since 1970-01-01, both ends included. */
export interface RepeatWindow {
  /** The event's own first day. It is an occurrence whether or not the rule fits it, as every calendar shows it. */
  readonly startDay: number
  readonly fromDay: number
  readonly untilDay: number
}

/**
 * The days on which a rule has an occurrence within the window, ascending. It looks at every day of every period it cannot
 * skip, so it ends whatever the rule says: a rule that never fits gives the first day only. Throws BudgetSpent.
 */
export function* repeatDays(rule: RepeatRule, window: RepeatWindow, budget: DayBudget): Generator<number> {
  const { startDay, fromDay, untilDay } = window
  const whole = withDefaults(rule, startDay)
  // Counting has to begin at the beginning.
  let step = rule.count === undefined ? firstStep(rule, startDay, fromDay) : 0
  let left = rule.count ?? Number.POSITIVE_INFINITY
  if (startDay <= untilDay && left > 0) {
    left -= 1
    if (startDay >= fromDay) yield startDay
  }
  for (; left > 0; step += 1) {
    const period = periodAt(rule, startDay, step)
    if (period.first > untilDay) return
    budget.daysLeft -= period.last - period.first + 1
    if (budget.daysLeft < 0) throw new BudgetSpent('the calendar repeats too often to be gone through')
    for (const day of daysOf(whole, period)) {
      if (day <= startDay) continue
      if (day > untilDay || left === 0) return
      left -= 1
      if (day >= fromDay) yield day
    }
  }
}

interface Period {
  readonly first: number
  readonly last: number
}

/** What a rule leaves open is as on the event's first day. */
function withDefaults(rule: RepeatRule, startDay: number): RepeatRule {
  const { month, day } = dateOfDay(startDay)
  const saysNoDay = rule.monthDays.length === 0 && rule.yearDays.length === 0 && rule.weekdays.length === 0
  if (!saysNoDay || rule.frequency === 'DAILY') return rule
  if (rule.frequency === 'WEEKLY') return { ...rule, weekdays: [{ weekday: weekdayOfDay(startDay), nth: 0 }] }
  const months = rule.frequency === 'YEARLY' && rule.months.length === 0 ? [month] : rule.months
  return { ...rule, months, monthDays: [day] }
}

/** A step whose period and all before it end before `fromDay`, or the first one. */
function firstStep(rule: RepeatRule, startDay: number, fromDay: number): number {
  const from = Math.max(fromDay, startDay)
  const [start, wanted] = [dateOfDay(startDay), dateOfDay(from)]
  const elapsed = {
    DAILY: from - startDay,
    // The first week may begin before the first day.
    WEEKLY: Math.floor((from - startDay) / 7),
    MONTHLY: (wanted.year - start.year) * 12 + wanted.month - start.month,
    YEARLY: wanted.year - start.year,
  }[rule.frequency]
  return Math.max(0, Math.floor(elapsed / rule.interval) - 1)
}

function periodAt({ frequency, interval, weekStart }: RepeatRule, startDay: number, step: number): Period {
  const start = dateOfDay(startDay)
  switch (frequency) {
    case 'DAILY': {
      const day = startDay + step * interval
      return { first: day, last: day }
    }
    case 'WEEKLY': {
      const first = startDay - ((weekdayOfDay(startDay) - weekStart + 7) % 7) + step * interval * 7
      return { first, last: first + 6 }
    }
    case 'MONTHLY': {
      const months = start.year * 12 + start.month - 1 + step * interval
      const [year, month] = [Math.floor(months / 12), (months % 12) + 1]
      const first = dayNumber(year, month, 1)
      return { first, last: first + daysInMonth(year, month) - 1 }
    }
    case 'YEARLY': {
      const year = start.year + step * interval
      return { first: dayNumber(year, 1, 1), last: dayNumber(year, 12, 31) }
    }
  }
}

function daysOf(rule: RepeatRule, { first, last }: Period): readonly number[] {
  const days: number[] = []
  for (let day = first; day <= last; day += 1) if (fits(rule, day)) days.push(day)
  const { positions } = rule
  if (positions.length === 0) return days
  const chosen = new Set(positions.map((position) => days[position > 0 ? position - 1 : days.length + position]))
  return days.filter((day) => chosen.has(day))
}

function fits(rule: RepeatRule, dayOfAll: number): boolean {
  const { months, monthDays, yearDays, weekdays } = rule
  const { year, month, day } = dateOfDay(dayOfAll)
  if (months.length > 0 && !months.includes(month)) return false
  const monthLength = daysInMonth(year, month)
  if (monthDays.length > 0 && !monthDays.includes(day) && !monthDays.includes(day - monthLength - 1)) return false
  const yearStart = dayNumber(year, 1, 1)
  const yearLength = daysInMonth(year, 2) + 337
  const yearDay = dayOfAll - yearStart + 1
  if (yearDays.length > 0 && !yearDays.includes(yearDay) && !yearDays.includes(yearDay - yearLength - 1)) return false
  if (weekdays.length === 0) return true
  // Weekdays are counted within the month, unless a yearly rule names no months.
  const isInMonth = rule.frequency === 'MONTHLY' || months.length > 0
  const [place, length] = isInMonth ? [day, monthLength] : [yearDay, yearLength]
  const nth = Math.ceil(place / 7)
  const nthFromEnd = -Math.ceil((length - place + 1) / 7)
  const weekday = weekdayOfDay(dayOfAll)
  return weekdays.some((one) => one.weekday === weekday && (one.nth === 0 || one.nth === nth || one.nth === nthFromEnd))
}
