import type { Forecast } from './headroom.ts'
import { periodName } from './rollup.ts'

/** The high-water mark of one day, as a number: nothing exact is decided on a forecast. */
export interface DayValue {
  /** Number of the civil day since 1970. */
  readonly day: number
  readonly value: number
}

export interface ForecastRules {
  /** Days before this one are what is known; from it on is the future. */
  readonly today: number
  readonly horizonDays: number
  /** What may be used on a day: cores, or undefined when it is unlimited then. */
  readonly limitOn: (day: number) => number | undefined
}

/** A model of daily high-water marks: a level, a slope per day, what each weekday adds, and how far off it has been. */
export interface Model {
  /** Day at which the level is. */
  readonly origin: number
  readonly level: number
  readonly slope: number
  /** Bounds of the slope with 80 % confidence. */
  readonly slopeLow: number
  readonly slopeHigh: number
  /** By weekday, 0 is the weekday of day 0 (a Thursday). */
  readonly weekdays: readonly number[]
  /** Tenth and ninetieth percentile of what was left unexplained. */
  readonly low: number
  readonly high: number
}

/** Fewer days say nothing about a trend: two of each weekday. */
export const leastDays = 14

const week = 7
/** 80 % of a normal distribution lie within so many standard deviations. */
const z80 = 1.2816

/**
 * Fits the model. The method, in four steps, each of which one wild day in five cannot bend:
 *
 * 1. Steps: where the days before and after one day, each around a median of their own, are explained at least twice as well as by one
 *    straight line, there was a step (a cluster was added); only what came after it says where the level is now. Twice at most.
 * 2. Trend: the median of the slopes between all pairs of days of the same weekday that no step lies between (Theil–Sen by season, as
 *    hydrologists do). Its interval is Kendall's. Days of different weekdays are never compared, so no week can pass for a trend.
 * 3. Week: the median of what a weekday is above or below the trend.
 * 4. Level: the median of the rest after the last step; its tenth and ninetieth percentiles are the noise.
 *
 * Undefined when there are too few days.
 */
export function fitModel(days: readonly DayValue[]): Model | undefined {
  const last = days.at(-1)
  if (last === undefined || days.length < leastDays) return undefined
  const starts = stepsIn(days)
  const segments = starts.map((start, index) => days.slice(start, starts[index + 1]))
  const { slope, low: slopeLow, high: slopeHigh } = slopeOf(segments)
  const origin = last.day
  const rest = segments.map((segment) => {
    const values = segment.map(({ day, value }) => ({ weekday: weekdayOf(day), rest: value - slope * (day - origin) }))
    return { values, middle: median(values.map(({ rest }) => rest)) }
  })
  const weekdays = Array.from({ length: week }, (_, weekday) => {
    const own = rest.flatMap(({ values, middle }) => values.filter((one) => one.weekday === weekday).map(({ rest }) => rest - middle))
    return own.length === 0 ? 0 : median(own)
  })
  const now = rest.at(-1)?.values ?? []
  const level = median(now.map(({ weekday, rest }) => rest - (weekdays[weekday] ?? 0)))
  const errors = rest.flatMap(({ values, middle }, index) => {
    const own = index === rest.length - 1 ? level : middle
    return values.map(({ weekday, rest }) => rest - own - (weekdays[weekday] ?? 0))
  })
  return { origin, level, slope, slopeLow, slopeHigh, weekdays, low: quantile(errors, 0.1), high: quantile(errors, 0.9) }
}

/** What a model expects of a day. */
export function expectedOn({ origin, level, slope, weekdays }: Model, day: number): number {
  return level + slope * (day - origin) + (weekdays[weekdayOf(day)] ?? 0)
}

/** The interval around it, which holds four days in five. */
export function intervalOn(model: Model, day: number): { readonly low: number; readonly high: number } {
  const distance = day - model.origin
  const week = model.weekdays[weekdayOf(day)] ?? 0
  return {
    low: model.level + model.slopeLow * distance + week + model.low,
    high: model.level + model.slopeHigh * distance + week + model.high,
  }
}

/**
 * When more will be used than is allowed: the first day on which the model expects that, with the first day on which its upper, and its
 * lower, bound does. Days without a value are left out of `days`; they are no zeros. An entitlement that ends is a limit that falls.
 */
export function forecastOf(days: readonly DayValue[], { today, horizonDays, limitOn }: ForecastRules): Forecast {
  const known = days.filter(({ day }) => day < today)
  const model = fitModel(known)
  if (model === undefined) return { kind: 'too-little-data', have: known.length, need: leastDays }
  const first = (value: (day: number) => number): number | undefined => {
    for (let day = today; day <= today + horizonDays; day += 1) {
      const limit = limitOn(day)
      if (limit !== undefined && value(day) > limit) return day
    }
    return undefined
  }
  const name = (day: number): string => periodName(day, 'day')
  const likely = first((day) => expectedOn(model, day))
  const earliest = first((day) => intervalOn(model, day).high)
  if (likely === undefined) {
    return { kind: 'not-in-sight', withinDays: horizonDays, ...(earliest === undefined ? {} : { earliest: name(earliest) }) }
  }
  const latest = first((day) => intervalOn(model, day).low)
  return {
    kind: 'blocked-on',
    likely: name(likely),
    earliest: name(Math.min(earliest ?? likely, likely)),
    ...(latest === undefined ? {} : { latest: name(Math.max(latest, likely)) }),
  }
}

function weekdayOf(day: number): number {
  return ((day % week) + week) % week
}

/** Where segments begin: at the first day, and after each step. */
function stepsIn(days: readonly DayValue[]): readonly number[] {
  const starts = [0]
  for (let round = 0; round < 2; round += 1) {
    const from = starts.at(-1) ?? 0
    const step = stepIn(days.slice(from))
    if (step === undefined) break
    starts.push(from + step)
  }
  return starts
}

/** Days on each side of a step, so that a single wild week is none. */
const leastSide = 7

function stepIn(days: readonly DayValue[]): number | undefined {
  if (days.length < leastDays) return undefined
  const { slope } = slopeOf([days])
  // Without its week, so that quiet Sundays do not hide a step.
  const usual = weekdayEffects(days)
  const values = days.map(({ day, value }) => value - (usual[weekdayOf(day)] ?? 0))
  const straight = spread(values.map((value, index) => value - slope * ((days[index]?.day ?? 0) - (days[0]?.day ?? 0))))
  let best: number | undefined
  let bestSpread = straight / 2
  const before = spreadsUpTo(values)
  const after = spreadsUpTo(values.toReversed())
  for (let at = leastSide; at <= days.length - leastSide; at += 1) {
    const both = (before[at] ?? 0) + (after[days.length - at] ?? 0)
    if (both < bestSpread) {
      best = at
      bestSpread = both
    }
  }
  return best
}

/**
 * What each weekday is above or below the mean of the seven days around it, as a rule: seven days in a row have one of each weekday,
 * whatever the level is. 0 where no such days are known.
 */
function weekdayEffects(days: readonly DayValue[]): readonly number[] {
  const effects: number[][] = Array.from({ length: week }, () => [])
  const half = Math.floor(week / 2)
  for (let index = half; index < days.length - half; index += 1) {
    const around = days.slice(index - half, index + half + 1)
    const here = days[index]
    if (here === undefined || (around.at(-1)?.day ?? 0) - (around[0]?.day ?? 0) !== week - 1) continue
    effects[weekdayOf(here.day)]?.push(here.value - around.reduce((sum, { value }) => sum + value, 0) / week)
  }
  return effects.map((own) => median(own))
}

/** How far values are from their median, all together. */
function spread(values: readonly number[]): number {
  return spreadsUpTo(values)[values.length] ?? 0
}

/** The same of the first none, one, two … values. */
function spreadsUpTo(values: readonly number[]): readonly number[] {
  const sorted: number[] = []
  return [
    0,
    ...values.map((value) => {
      let place = sorted.length
      while (place > 0 && (sorted[place - 1] ?? 0) > value) place -= 1
      sorted.splice(place, 0, value)
      // What is above the median less what is below it; the median itself, where there is one, is no distance.
      const half = Math.floor(sorted.length / 2)
      let sum = 0
      for (let index = 0; index < half; index += 1) sum += (sorted[sorted.length - 1 - index] ?? 0) - (sorted[index] ?? 0)
      return sum
    }),
  ]
}

/** The seasonal Theil–Sen slope within segments, with Kendall's interval. 0 where no two days are of one weekday. */
function slopeOf(segments: readonly (readonly DayValue[])[]): { readonly slope: number; readonly low: number; readonly high: number } {
  const slopes: number[] = []
  let variance = 0
  for (const segment of segments) {
    for (let weekday = 0; weekday < week; weekday += 1) {
      const own = segment.filter(({ day }) => weekdayOf(day) === weekday)
      for (const [index, early] of own.entries()) {
        for (const late of own.slice(index + 1)) slopes.push((late.value - early.value) / (late.day - early.day))
      }
      const count = own.length
      variance += (count * (count - 1) * (2 * count + 5)) / 18
    }
  }
  if (slopes.length === 0) return { slope: 0, low: 0, high: 0 }
  slopes.sort((one, other) => one - other)
  const half = (z80 * Math.sqrt(variance)) / 2
  const at = (place: number): number => slopes[Math.max(0, Math.min(slopes.length - 1, Math.round(place)))] ?? 0
  const middle = (slopes.length - 1) / 2
  return { slope: median(slopes), low: at(middle - half), high: at(middle + half) }
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** Between two values in proportion; 0 of none. */
function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? 0
  const above = sorted[Math.ceil(place)] ?? below
  return below + (above - below) * (place - Math.floor(place))
}
