import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  civilOf,
  dateOfDay,
  dayNumber,
  daysInMonth,
  firstInstantAt,
  firstWallSecondAfter,
  formatInstant,
  instantsOf,
  parseCivilDate,
  parseInstant,
  startOfDate,
  wallSeconds,
  weekdayOfDay,
} from '#shared/pure/civil.ts'
import { isTimeZone, stretchAt } from '#shared/pure/zone.ts'
import { wallOf } from './cron-oracle.ts'

const zones = [
  'UTC',
  'Asia/Shanghai',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Sao_Paulo',
  '+08:00',
]

describe('the calendar', () => {
  test('day numbers agree with Date over eight hundred years, and back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -150_000, max: 150_000 }), (days) => {
        const date = new Date(days * 86_400_000)
        const civil = { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() }
        expect(dateOfDay(days)).toEqual(civil)
        expect(dayNumber(civil.year, civil.month, civil.day)).toBe(days)
        expect(weekdayOfDay(days)).toBe(date.getUTCDay())
      }),
      { seed: 1, numRuns: 3000 },
    )
  })

  test.each([
    [2026, 2, 28],
    [2028, 2, 29],
    [2000, 2, 29],
    [2100, 2, 28],
    [2026, 4, 30],
    [2026, 12, 31],
  ])('%i-%i has %i days', (year, month, days) => {
    expect(daysInMonth(year, month)).toBe(days)
  })

  test.each(['2026-02-29', '2026-13-01', '2026-00-10', '2026-10-00', '26-10-01', '2026-10-1', ' 2026-10-01', '2026-10-01T00:00:00'])(
    'refuses the date %j',
    (text) => {
      expect(parseCivilDate(text).ok).toBe(false)
    },
  )

  test('reads a date', () => {
    expect(parseCivilDate('2028-02-29')).toEqual({ ok: true, value: { year: 2028, month: 2, day: 29 } })
  })
})

describe('zones', () => {
  test('civilOf shows what Intl shows, around every kind of change', () => {
    const around = ['2026-03-29T01:00:00Z', '2026-10-25T01:00:00Z', '2026-04-04T15:00:00Z', '2011-12-30T10:00:00Z', '2018-11-04T03:00:00Z']
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.constantFrom(...around), fc.integer({ min: -9000, max: 9000 }), (zone, middle, shift) => {
        const at = Date.parse(middle) + shift * 1000
        const civil = civilOf(at, zone)
        expect(wallSeconds(civil) * 1000).toBe(wallOf(at, zone))
        expect(civil.weekday).toBe(new Date(wallOf(at, zone)).getUTCDay())
        expect(instantsOf(civil, zone)).toContain(at)
      }),
      { seed: 2, numRuns: 1500 },
    )
  })

  test('a wall time exists once, not at all, or twice', () => {
    const at = (month: number, day: number) => ({ year: 2026, month, day, hour: 2, minute: 30, second: 0 })
    expect(instantsOf(at(6, 1), 'Europe/Berlin')).toEqual([Date.parse('2026-06-01T00:30:00Z')])
    expect(instantsOf(at(3, 29), 'Europe/Berlin')).toEqual([])
    expect(instantsOf(at(10, 25), 'Europe/Berlin')).toEqual([Date.parse('2026-10-25T00:30:00Z'), Date.parse('2026-10-25T01:30:00Z')])
  })

  test('a date that a zone skipped begins when the next one does', () => {
    expect(startOfDate({ year: 2011, month: 12, day: 30 }, 'Pacific/Apia')).toBe(Date.parse('2011-12-30T10:00:00Z'))
    expect(startOfDate({ year: 2011, month: 12, day: 31 }, 'Pacific/Apia')).toBe(Date.parse('2011-12-30T10:00:00Z'))
  })

  test('the first second not reached yet is the boundary of what has fired', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: Date.UTC(2010, 0, 1) / 1000, max: Date.UTC(2030, 0, 1) / 1000 }),
        (zone, second) => {
          const at = second * 1000 + 250
          const next = firstWallSecondAfter(at, zone)
          expect(firstInstantAt(next, zone)).toBeGreaterThan(at)
          expect(firstInstantAt(next - 1, zone)).toBeLessThanOrEqual(at)
        },
      ),
      { seed: 3, numRuns: 2000 },
    )
  })

  test('a change that falls where the offset table is cut is seen on both sides', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), (index) => {
        const cut = index * 400 * 86_400_000
        for (const zone of zones) expect(stretchAt(cut, zone).startMs).toBe(cut)
        for (const zone of zones) expect(stretchAt(cut - 1, zone).endMs).toBe(cut)
      }),
      { seed: 4, numRuns: 20 },
    )
  })

  test('names are checked', () => {
    expect(isTimeZone('Asia/Shanghai')).toBe(true)
    expect(isTimeZone('Asia/Atlantis')).toBe(false)
    expect(isTimeZone('')).toBe(false)
  })

  test('more names than are kept are all known, and what was forgotten is known again', () => {
    expect(stretchAt(0, 'Asia/Kathmandu').offsetMs).toBe(5.5 * 3_600_000)
    for (let minute = 0; minute < 14 * 60; minute += 1) {
      const text = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
      for (const sign of [1, -1]) {
        const name = `${sign === 1 ? '+' : '-'}${text}`
        expect(isTimeZone(name)).toBe(true)
        expect(stretchAt(1_800_000_000_000, name).offsetMs).toBe(minute === 0 ? 0 : sign * minute * 60_000)
      }
    }
    for (const name of ['asia/kathmandu', 'ASIA/Kathmandu', 'Asia/KATHMANDU']) {
      for (let flips = 0; flips < 200; flips += 1) {
        const spelt = [...name].map((letter, index) => ((flips >> (index % 8)) & 1 ? letter.toUpperCase() : letter.toLowerCase())).join('')
        expect(isTimeZone(spelt)).toBe(true)
      }
    }
    expect(stretchAt(1_800_000_000_000, 'Asia/Kathmandu').offsetMs).toBe(5.75 * 3_600_000)
    expect(isTimeZone('Asia/Atlantis')).toBe(false)
  })

  test('an instant is written as people of the zone write it', () => {
    expect(formatInstant(Date.parse('2026-10-01T23:00:00Z'), 'Asia/Shanghai')).toBe('Fri 2026-10-02 07:00:00 Asia/Shanghai')
  })
})

describe('instants that people write', () => {
  test.each([
    ['2026-10-01T08:00:00+08:00', '2026-10-01T00:00:00.000Z'],
    ['2026-10-01T08:00+08:00', '2026-10-01T00:00:00.000Z'],
    ['2026-10-01T00:00:00Z', '2026-10-01T00:00:00.000Z'],
    ['2026-10-01T00:00:00.5Z', '2026-10-01T00:00:00.500Z'],
    ['2026-10-01T00:00:00.579999Z', '2026-10-01T00:00:00.579Z'],
    ['2024-02-29T23:59:59-03:30', '2024-03-01T03:29:59.000Z'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31T23:59:59.999Z'],
  ])('%s', (text, expected) => {
    const instant = parseInstant(text)
    expect(instant.ok && new Date(instant.value).toISOString()).toBe(expected)
  })

  test.each([
    '2026-02-30T00:00:00Z',
    '2026-04-31T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:60:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+08:60',
    '2026-01-01T00:00:00',
    '2026-01-01',
    '2026-01-01 00:00:00Z',
    '2026-1-1T00:00:00Z',
    '5',
    'tomorrow',
    '',
    ' 2026-01-01T00:00:00Z',
  ])('%j is refused', (text) => {
    expect(parseInstant(text).ok).toBe(false)
  })

  test('agree with Date wherever that does not guess', () => {
    const instants = fc.integer({ min: Date.UTC(0, 0, 1), max: Date.UTC(9999, 0, 1) })
    fc.assert(
      fc.property(instants, fc.integer({ min: -23 * 60, max: 23 * 60 }), (ms, offset) => {
        const local = new Date(ms + offset * 60_000).toISOString()
        const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, '0')
        const text = `${local.slice(0, -1)}${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`
        fc.pre(/^\d{4}-/.test(text))
        expect(parseInstant(text)).toEqual({ ok: true, value: ms })
        expect(Date.parse(text)).toBe(ms)
      }),
      { seed: 9, numRuns: 300 },
    )
  })
})
