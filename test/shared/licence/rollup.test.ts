import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { civilDay } from '#shared/licence/civil-day.ts'
import { compareDecimals, formatDecimal } from '#shared/licence/decimal.ts'
import { type Metric, usageOf } from '#shared/licence/metric.ts'
import { type DayRow, daysOfPeriod, hoursOfDay, periodName, rollDay, rollUp } from '#shared/licence/rollup.ts'
import { hourNumber, hourText, readSample, type Sample } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import { parseGlob } from '#shared/pure/glob.ts'
import { sampleAt } from './licence-samples.ts'

const zone = 'Asia/Shanghai'
const november24 = dayNumber(2026, 11, 24)
const forever = Number.POSITIVE_INFINITY

function sum(pattern: string): Metric {
  const glob = parseGlob(pattern)
  if (!glob.ok) throw new Error(glob.error)
  return { id: pattern, glob: glob.value }
}

/** Rows of all the days that samples are on. */
function rowsOf(samples: readonly Sample[], own = zone, sums: readonly Metric[] = []): DayRow[] {
  const days = samples.map(({ hour }) => civilDay(Date.parse(hour), own).day)
  if (days.length === 0) return []
  const [from, until] = [Math.min(...days), Math.max(...days)]
  return Array.from({ length: until - from + 1 }, (_, index) => rollDay(from + index, own, samples, sums))
}

function highs(marks: readonly { metric: string; max: { units: bigint; scale: number } }[]): Record<string, string> {
  return Object.fromEntries(marks.map(({ metric, max }) => [metric, formatDecimal(max)]))
}

describe('a month boundary in the configured zone', () => {
  // Midnight of 1 December in Shanghai is 16:00 on 30 November in UTC.
  const samples = [sampleAt('2026-11-30T15:00:00Z', { x86: '10' }), sampleAt('2026-11-30T16:00:00Z', { x86: '99' })]

  it('divides the hours where its people turn the page', () => {
    const months = rollUp(rowsOf(samples), 'month', forever)
    expect(months.map(({ name, marks }) => [name, highs(marks)])).toEqual([
      ['2026-11', { x86: '10' }],
      ['2026-12', { x86: '99' }],
    ])
  })

  it('is elsewhere in UTC', () => {
    const months = rollUp(rowsOf(samples, 'UTC'), 'month', forever)
    expect(months.map(({ name, marks }) => [name, highs(marks)])).toEqual([['2026-11', { x86: '99' }]])
  })

  it('of a year, too', () => {
    const turn = [sampleAt('2026-12-31T15:00:00Z', { x86: '1' }), sampleAt('2026-12-31T16:00:00Z', { x86: '2' })]
    expect(rollUp(rowsOf(turn), 'year', forever).map(({ name }) => name)).toEqual(['2026', '2027'])
    expect(rollUp(rowsOf(turn, 'America/New_York'), 'year', forever).map(({ name }) => name)).toEqual(['2026'])
  })
})

describe('the hours of a civil day', () => {
  it.each([
    ['Asia/Shanghai', dayNumber(2026, 11, 24), '2026-11-23T16:00:00Z', 24],
    ['UTC', dayNumber(2026, 11, 24), '2026-11-24T00:00:00Z', 24],
    ['America/New_York', dayNumber(2026, 3, 8), '2026-03-08T05:00:00Z', 23],
    ['America/New_York', dayNumber(2026, 11, 1), '2026-11-01T04:00:00Z', 25],
    // 23:30 of the day before begins it: an hour belongs to the day on which it begins.
    ['Asia/Kolkata', dayNumber(2026, 11, 24), '2026-11-23T19:00:00Z', 24],
    ['Australia/Lord_Howe', dayNumber(2026, 4, 5), '2026-04-04T13:00:00Z', 25],
  ])('in %s on day %i begin at %s and are %i', (own, day, first, hours) => {
    expect(hoursOfDay(day, own)).toEqual({ firstHour: hourNumber(first), hours })
  })

  it('follow each other without a hole in every zone', () => {
    for (const own of ['Asia/Shanghai', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC']) {
      let next = hoursOfDay(dayNumber(2011, 1, 1), own).firstHour
      for (let day = dayNumber(2011, 1, 1); day < dayNumber(2012, 2, 1); day += 1) {
        const { firstHour, hours } = hoursOfDay(day, own)
        expect(firstHour, `${own} ${periodName(day, 'day')}`).toBe(next)
        next = firstHour + hours
      }
    }
  })
})

describe('high-water marks', () => {
  it('keep the maximum, the first hour that had it, and in how many hours it could be read', () => {
    const day = rollDay(
      november24,
      zone,
      [
        sampleAt('2026-11-24T01:00:00Z', { x86: '9', arm: '4' }),
        sampleAt('2026-11-24T02:00:00Z', { x86: '12.5', arm: 'N/A' }),
        sampleAt('2026-11-24T03:00:00Z', { x86: '12.50' }),
        sampleAt('2026-11-24T16:00:00Z', { x86: '1,024' }),
      ],
      [],
    )
    const { firstHour } = day
    expect(hourText(firstHour)).toBe('2026-11-23T16:00:00Z')
    expect(day.measured).toBe((1 << 9) | (1 << 10) | (1 << 11))
    expect(day.marks).toEqual([
      { metric: 'x86', unit: 'core', max: { units: 125n, scale: 1 }, at: firstHour + 10, measured: day.measured },
      { metric: 'arm', unit: 'core', max: { units: 4n, scale: 0 }, at: firstHour + 9, measured: 1 << 9 },
    ])
  })

  it('have no row for what has no name', () => {
    expect(
      rollDay(november24, zone, [sampleAt('2026-11-24T01:00:00Z', { '': '5', x86: '1' })], []).marks.map(({ metric }) => metric),
    ).toEqual(['x86'])
  })

  it('of a sum are those of one and the same hour, not the sum of the highest', () => {
    const samples = [
      sampleAt('2026-11-24T01:00:00Z', { 'tke-x86': '100', 'tke-arm': '10', other: '7' }),
      sampleAt('2026-11-24T02:00:00Z', { 'tke-x86': '10', 'tke-arm': '90', other: '7' }),
    ]
    const day = rollDay(november24, zone, samples, [sum('tke-*'), sum('*')])
    expect(highs(day.marks)).toEqual({ 'tke-x86': '100', 'tke-arm': '90', other: '7', 'tke-*': '110', '*': '117' })
  })

  it('of a sum have a gap in the hour in which one part cannot be read', () => {
    const samples = [
      sampleAt('2026-11-24T01:00:00Z', { x86: '100', arm: 'N/A' }),
      sampleAt('2026-11-24T02:00:00Z', { x86: '10', arm: '1' }),
    ]
    const [mark] = rollDay(november24, zone, samples, [sum('*')]).marks.filter(({ metric }) => metric === '*')
    expect(mark).toMatchObject({ max: { units: 11n }, at: hourNumber('2026-11-24T02:00:00Z') })
    expect(mark?.measured).toBe(1 << 10)
  })

  it('are those of every hour, day, month and year, as one finds by looking at every sample', () => {
    const start = hourNumber('2026-02-26T00:00:00Z')
    const samplesOf = fc.array(
      fc.record({
        after: fc.integer({ min: 1, max: 30 }),
        x86: fc.constantFrom('0', '5', '12.5', '1,024', 'N/A', '', null, '99.999'),
        arm: fc.option(fc.constantFrom('1', '2.25', '-3', '700'), { nil: undefined }),
      }),
      { maxLength: 80 },
    )
    fc.assert(
      fc.property(samplesOf, fc.constantFrom('Asia/Shanghai', 'America/New_York', 'Asia/Kolkata', 'UTC'), (drawn, own) => {
        let hour = start
        const samples = drawn.map(({ after, x86, arm }) => {
          hour += after
          return sampleAt(hour, arm === undefined ? { x86 } : { x86, arm })
        })
        const sums = [sum('*')]
        const rows = rowsOf(samples, own, sums)
        for (const unit of ['day', 'month', 'year'] as const) {
          for (const period of rollUp(rows, unit, forever)) {
            const own1 = samples.filter(({ hour }) => periodName(civilDay(Date.parse(hour), own).day, unit) === period.name)
            expect(period.measured).toBe(own1.length)
            const metrics: Metric[] = [{ id: 'x86' }, { id: 'arm' }, ...sums]
            for (const metric of metrics) {
              const read = own1.flatMap((sample) => {
                const { usage } = usageOf(metric, readSample(sample))
                return usage === undefined ? [] : [{ usage, hour: sample.hour }]
              })
              const mark = period.marks.find((one) => one.metric === metric.id)
              if (read.length === 0) {
                expect(mark).toBeUndefined()
                continue
              }
              const best = read.reduce((high, one) => (compareDecimals(one.usage, high.usage) > 0 ? one : high))
              expect([mark?.max, mark?.at, mark?.measured]).toEqual([best.usage, best.hour, read.length])
              expect(mark?.day).toBe(civilDay(Date.parse(best.hour), own).day)
            }
          }
        }
      }),
      { seed: 8, numRuns: 150 },
    )
  })
})

describe('no data is a gap', () => {
  it('and never zero: a day without samples has no mark', () => {
    const row = rollDay(november24, zone, [], [])
    expect(row).toMatchObject({ measured: 0, marks: [], hours: 24 })
    expect(rollUp([row], 'day', forever)[0]).toMatchObject({ hours: 24, measured: 0, marks: [] })
  })

  it('named hour by hour, across days, and counted against all hours that have begun', () => {
    const samples = ['2026-11-23T20:00:00Z', '2026-11-24T01:00:00Z', '2026-11-25T02:00:00Z'].map((hour) => sampleAt(hour, { x86: '1' }))
    const [month] = rollUp(rowsOf(samples), 'month', hourNumber('2026-11-25T05:00:00Z'))
    expect(month?.gaps).toEqual([
      { from: '2026-11-23T16:00:00Z', until: '2026-11-23T20:00:00Z', hours: 4 },
      { from: '2026-11-23T21:00:00Z', until: '2026-11-24T01:00:00Z', hours: 4 },
      { from: '2026-11-24T02:00:00Z', until: '2026-11-25T02:00:00Z', hours: 24 },
      { from: '2026-11-25T03:00:00Z', until: '2026-11-25T05:00:00Z', hours: 2 },
    ])
    expect(month).toMatchObject({ hours: 37, measured: 3, fromDay: november24, untilDay: november24 + 1 })
    expect((month?.measured ?? 0) + (month?.gaps ?? []).reduce((all, { hours }) => all + hours, 0)).toBe(month?.hours)
  })

  it('of hours that two days of different zones share are counted once', () => {
    const sample = sampleAt('2026-11-24T17:00:00Z', { x86: '1' })
    const rows = [rollDay(november24, 'UTC', [sample], []), rollDay(november24 + 1, zone, [sample], [])]
    const [month] = rollUp(rows, 'month', forever)
    expect(month).toMatchObject({ hours: 24 + 16, measured: 1 })
  })
})

describe('names of periods', () => {
  it('are those of the calendar', () => {
    expect(['day', 'month', 'year'].map((unit) => periodName(november24, unit as 'day'))).toEqual(['2026-11-24', '2026-11', '2026'])
    expect(daysOfPeriod('2026-02')).toEqual({ fromDay: dayNumber(2026, 2, 1), untilDay: dayNumber(2026, 2, 28) })
    expect(daysOfPeriod('2028')).toEqual({ fromDay: dayNumber(2028, 1, 1), untilDay: dayNumber(2028, 12, 31) })
    expect(daysOfPeriod('2026-01')).toEqual({ fromDay: dayNumber(2026, 1, 1), untilDay: dayNumber(2026, 1, 31) })
    expect(daysOfPeriod('2026-12')).toEqual({ fromDay: dayNumber(2026, 12, 1), untilDay: dayNumber(2026, 12, 31) })
    for (const none of ['2026-13', '2026-00', '26', '2026-1', 'now', '', 'x2026', '2026x', '2026-11x'])
      expect(daysOfPeriod(none)).toBeUndefined()
  })

  it('and the day of an instant is that of its zone', () => {
    expect(civilDay(Date.parse('2026-11-24T15:59:59.999Z'), zone)).toEqual({
      day: november24,
      monthStart: dayNumber(2026, 11, 1),
    })
    expect(civilDay(Date.parse('2026-11-24T16:00:00Z'), zone).day).toBe(november24 + 1)
  })
})
