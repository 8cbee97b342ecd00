import { describe, expect, it } from 'vitest'
import { type DayValue, expectedOn, fitModel, forecastOf, intervalOn, leastDays } from '#shared/licence/forecast.ts'
import type { Forecast } from '#shared/licence/headroom.ts'
import { periodName } from '#shared/licence/rollup.ts'
import { dateOfDay, dayNumber, weekdayOfDay } from '#shared/pure/civil.ts'

const today = dayNumber(2026, 11, 24)

/** The same numbers for the same seed, between -1 and 1. */
function noise(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0
    const mixed = Math.imul(state ^ (state >>> 13), 0x297a2d39)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 31 - 1
  }
}

function series(days: number, value: (index: number, day: number) => number): DayValue[] {
  return Array.from({ length: days }, (_, index) => ({ day: today - days + index, value: value(index, today - days + index) }))
}

function forecast(days: readonly DayValue[], limit: number, horizonDays = 365): Forecast {
  return forecastOf(days, { today, horizonDays, limitOn: () => limit })
}

/** Days from today to a date; undefined where there is none. */
function away(date: string | undefined): number | undefined {
  if (date === undefined) return undefined
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number)
  return dayNumber(year, month, day) - today
}

const isWeekend = (day: number): boolean => [0, 6].includes(weekdayOfDay(day))

describe('a trend with a week and noise', () => {
  it('is found, and the day on which it crosses the line', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const draw = noise(seed)
      // 100 cores today, one more a day; 20 less at weekends; ±4 of noise. It crosses 160 in about 60 days.
      const days = series(56, (index, day) => 44 + index - (isWeekend(day) ? 20 : 0) + 4 * draw())
      const found = forecast(days, 160)
      expect(found.kind).toBe('blocked-on')
      if (found.kind !== 'blocked-on') continue
      const [earliest = 0, likely = 0, latest = 999] = [away(found.earliest), away(found.likely), away(found.latest)]
      expect(likely, `seed ${seed}`).toBeGreaterThan(50)
      expect(likely, `seed ${seed}`).toBeLessThan(75)
      expect(earliest).toBeLessThanOrEqual(likely)
      expect(latest).toBeGreaterThanOrEqual(likely)
      expect(latest - earliest).toBeLessThan(45)
    }
  })

  it('has an interval that holds the day in about four cases of five', () => {
    let held = 0
    const runs = 200
    for (let seed = 1; seed <= runs; seed += 1) {
      const draw = noise(seed * 7919)
      const value = (index: number, day: number) => 50 + 0.8 * index - (isWeekend(day) ? 15 : 0) + 6 * draw()
      const found = forecast(series(56, value), 140)
      // What really comes: the first day above the line.
      let real: number | undefined
      for (let ahead = 0; ahead < 365 && real === undefined; ahead += 1) if (value(56 + ahead, today + ahead) > 140) real = ahead
      if (found.kind !== 'blocked-on') continue
      if ((away(found.earliest) ?? 0) <= (real ?? 999) && (real ?? 999) <= (away(found.latest) ?? 999)) held += 1
    }
    expect(held / runs).toBeGreaterThan(0.7)
  })

  it('is what the model expects of days that it has not seen', () => {
    const days = series(56, (index, day) => 100 + 2 * index + (isWeekend(day) ? -30 : 0))
    const model = fitModel(days)
    for (let ahead = 0; ahead < 30; ahead += 1) {
      const day = today + ahead
      expect(model && expectedOn(model, day)).toBeCloseTo(100 + 2 * (56 + ahead) + (isWeekend(day) ? -30 : 0), 6)
      const { low, high } = model === undefined ? { low: 0, high: 0 } : intervalOn(model, day)
      expect(high).toBeGreaterThanOrEqual(low)
    }
  })
})

describe('what stays', () => {
  it('flat is not in sight', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const draw = noise(seed)
      const found = forecast(
        series(56, (_, day) => 100 - (isWeekend(day) ? 20 : 0) + 2 * draw()),
        128,
      )
      expect(found, `seed ${seed}`).toMatchObject({ kind: 'not-in-sight', withinDays: 365 })
      expect(away(found.kind === 'not-in-sight' ? found.earliest : undefined) ?? 999, `seed ${seed}`).toBeGreaterThan(60)
    }
  })

  it('exactly constant is not in sight, whatever the horizon', () => {
    expect(
      forecast(
        series(56, () => 100),
        100,
      ),
    ).toEqual({ kind: 'not-in-sight', withinDays: 365 })
    expect(
      forecast(
        series(56, () => 100),
        99.9,
      ),
    ).toMatchObject({ kind: 'blocked-on', likely: '2026-11-24' })
  })

  it('falling is not in sight', () => {
    expect(
      forecast(
        series(56, (index) => 200 - index),
        160,
      ).kind,
    ).toBe('not-in-sight')
  })

  it('a slow week is no falling trend, and a busy one no growth', () => {
    const days = series(56, (index, day) => (index > 45 && index < 53 ? 60 : 100) - (isWeekend(day) ? 10 : 0))
    const model = fitModel(days)
    expect(Math.abs(model?.slope ?? 9)).toBeLessThan(0.2)
  })

  it('one wild day in ten changes little', () => {
    const draw = noise(5)
    const days = series(56, (index, day) => (index % 10 === 4 ? 900 : 100 + index - (isWeekend(day) ? 20 : 0) + draw()))
    expect(fitModel(days)?.slope).toBeCloseTo(1, 1)
  })
})

describe('a step', () => {
  it('up is where it is now, not a trend', () => {
    for (const at of [14, 28, 42]) {
      const draw = noise(at)
      const days = series(56, (index, day) => (index < at ? 64 : 100) - (isWeekend(day) ? 10 : 0) + 2 * draw())
      const found = forecast(days, 128)
      expect(found.kind, `at ${at}`).toBe('not-in-sight')
      const model = fitModel(days)
      expect(model && expectedOn(model, today), `at ${at}`).toBeGreaterThan(84)
      expect(model && expectedOn(model, today), `at ${at}`).toBeLessThan(105)
    }
  })

  it('down does not hide that it grows again', () => {
    const days = series(56, (index) => (index < 28 ? 150 + index : 60 + 2 * (index - 28)))
    const found = forecast(days, 200)
    expect(found.kind).toBe('blocked-on')
    expect(away(found.kind === 'blocked-on' ? found.likely : undefined)).toBeGreaterThan(30)
  })

  it('each week is a trend: nodes come in steps', () => {
    const days = series(56, (index) => 64 + 16 * Math.floor(index / 7))
    const found = forecast(days, 256)
    expect(found.kind).toBe('blocked-on')
    // 192 now and 16 a week: four weeks.
    expect(away(found.kind === 'blocked-on' ? found.likely : undefined)).toBeGreaterThan(20)
    expect(away(found.kind === 'blocked-on' ? found.likely : undefined)).toBeLessThan(40)
  })
})

describe('gaps', () => {
  it('are no zeros: with every third day missing it is the same trend', () => {
    const draw = noise(3)
    const days = series(56, (index, day) => 44 + index - (isWeekend(day) ? 20 : 0) + 2 * draw()).filter((_, index) => index % 3 !== 1)
    const found = forecast(days, 160)
    expect(away(found.kind === 'blocked-on' ? found.likely : undefined)).toBeGreaterThan(50)
    expect(away(found.kind === 'blocked-on' ? found.likely : undefined)).toBeLessThan(75)
  })

  it('of weeks leave a trend, too', () => {
    const days = series(56, (index) => 44 + index).filter((_, index) => index < 14 || index > 35)
    expect(fitModel(days)?.slope).toBeCloseTo(1, 6)
  })

  it('that leave too little say how much is needed', () => {
    expect(
      forecast(
        series(13, (index) => 100 + index),
        128,
      ),
    ).toEqual({ kind: 'too-little-data', have: 13, need: leastDays })
    expect(forecast([], 128)).toEqual({ kind: 'too-little-data', have: 0, need: leastDays })
    // Today is not over: it is not counted.
    expect(forecast([...series(13, () => 100), { day: today, value: 100 }], 128)).toMatchObject({ have: 13 })
    expect(
      forecast(
        series(14, () => 100),
        128,
      ).kind,
    ).toBe('not-in-sight')
  })
})

describe('limits', () => {
  it('that end are crossed on the day after', () => {
    const end = dayNumber(2026, 12, 31)
    const found = forecastOf(
      series(56, () => 100),
      { today, horizonDays: 365, limitOn: (day) => (day <= end ? 128 : 0) },
    )
    expect(found).toEqual({ kind: 'blocked-on', likely: '2027-01-01', earliest: '2027-01-01', latest: '2027-01-01' })
  })

  it('that are raised in time are not crossed', () => {
    const from = today + 20
    const days = series(56, (index) => 44 + index)
    expect(forecast(days, 130, 60).kind).toBe('blocked-on')
    expect(forecastOf(days, { today, horizonDays: 60, limitOn: (day) => (day < from ? 130 : 400) }).kind).toBe('not-in-sight')
  })

  it('that there are none of are never crossed', () => {
    expect(
      forecastOf(
        series(56, (index) => index),
        { today, horizonDays: 365, limitOn: () => undefined },
      ).kind,
    ).toBe('not-in-sight')
  })

  it('look no further than the horizon, and say what could be at worst', () => {
    const draw = noise(11)
    const days = series(56, (index) => 100 + 0.1 * index + 3 * draw())
    const found = forecast(days, 125, 60)
    expect(found).toMatchObject({ kind: 'not-in-sight', withinDays: 60 })
    expect(dateOfDay(today + 60)).toEqual({ year: 2027, month: 1, day: 23 })
  })
})

describe('the method', () => {
  it('never compares days of different weekdays: a window that begins with a quiet weekend is no growth', () => {
    // 3 weeks and a weekend, from a Saturday on.
    const saturday = today - 24
    const days = Array.from({ length: 16 }, (_, index) => saturday + index).map((day) => ({ day, value: isWeekend(day) ? 10 : 100 }))
    expect(weekdayOfDay(saturday)).toBe(6)
    expect(fitModel(days)).toMatchObject({ slope: 0, slopeLow: 0, slopeHigh: 0, low: 0, high: 0 })
  })

  it('sees a step through a strong week', () => {
    const days = series(56, (index, day) => (index < 30 ? 200 : 300) - (isWeekend(day) ? 120 : 0) + (index % 3))
    const model = fitModel(days)
    expect(Math.abs(model?.slope ?? 9)).toBeLessThan(0.1)
    expect(model && expectedOn(model, today + 1)).toBeGreaterThan(295)
    expect(forecast(days, 310).kind).toBe('not-in-sight')
  })

  it('takes slope and interval from the pairs of one weekday, as Kendall has them', () => {
    const draw = noise(77)
    const days = series(21, (index) => 100 + index + 5 * draw())
    const slopes: number[] = []
    for (const early of days) {
      for (const late of days) {
        if (late.day > early.day && (late.day - early.day) % 7 === 0) slopes.push((late.value - early.value) / (late.day - early.day))
      }
    }
    slopes.sort((one, other) => one - other)
    expect(slopes.length).toBe(21)
    // Seven weekdays with three days each: the variance of S is 7 · 3·2·11/18, and 1.2816 of its roots, halved, are 3.25 places.
    expect(fitModel(days)).toMatchObject({ slope: slopes[10], slopeLow: slopes[7], slopeHigh: slopes[13] })
  })

  it('adds what each weekday has, and has the noise that is left', () => {
    // The second of three weeks has 10 more: the median is what is usual.
    const days = series(21, (index, day) => 50 + weekdayOfDay(day) + (index >= 7 && index < 14 ? 10 : 0))
    const model = fitModel(days)
    expect(model?.slope).toBe(0)
    expect(model?.weekdays.map((more) => more - (model.weekdays[0] ?? 0))).toEqual(
      Array.from({ length: 7 }, (_, index) => weekdayOfDay(index) - weekdayOfDay(0)),
    )
    expect((model?.high ?? 0) - (model?.low ?? 0)).toBe(10)
  })

  it('looks at the last day of the horizon, too, and not at the one after it', () => {
    const days = series(56, () => 100)
    const limit = (from: number) => forecastOf(days, { today, horizonDays: 30, limitOn: (day) => (day < today + from ? 128 : 90) })
    expect(limit(30)).toMatchObject({ kind: 'blocked-on', likely: '2026-12-24' })
    expect(limit(31)).toEqual({ kind: 'not-in-sight', withinDays: 30 })
  })

  it('says what could be at worst where the likely day is out of sight', () => {
    const draw = noise(21)
    const days = series(56, () => 100 + 8 * draw())
    const model = fitModel(days)
    if (model === undefined) throw new Error('no model')
    const ahead = Array.from({ length: 61 }, (_, index) => today + index)
    const most = Math.max(...ahead.map((day) => expectedOn(model, day)))
    const limit = (most + Math.max(...ahead.map((day) => intervalOn(model, day).high))) / 2
    const earliest = ahead.find((day) => intervalOn(model, day).high > limit) ?? 0
    expect(forecast(days, limit, 60)).toEqual({ kind: 'not-in-sight', withinDays: 60, earliest: periodName(earliest, 'day') })
  })
})
