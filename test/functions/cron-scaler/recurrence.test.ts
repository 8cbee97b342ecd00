import fc from 'fast-check'
import ICAL from 'ical.js'
import { describe, expect, test } from 'vitest'
import { BudgetSpent, parseRepeatRule, type RepeatRule, repeatDays } from '#functions/cron-scaler/recurrence.ts'
import { dateOfDay, dayNumber } from '#shared/pure/civil.ts'

function ruleOf(text: string): RepeatRule {
  const rule = parseRepeatRule(ICAL.parse.property(`RRULE:${text}`)[3])
  if (!rule.ok) throw new Error(rule.error)
  return rule.value
}

function dayOf(text: string): number {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number)
  return dayNumber(year, month, day)
}

function textOf(dayOfAll: number): string {
  const { year, month, day } = dateOfDay(dayOfAll)
  return `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
}

function days(text: string, start: string, from = start, until = '2040-12-31'): string[] {
  const window = { startDay: dayOf(start), fromDay: dayOf(from), untilDay: dayOf(until) }
  return [...repeatDays(ruleOf(text), window, { daysLeft: 1_000_000 })].map(textOf)
}

describe('a rule that repeats', () => {
  // The dates are those of RFC 5545, 3.8.5.3.
  test.each([
    [
      'FREQ=MONTHLY;COUNT=10;BYDAY=1FR',
      '1997-09-05',
      [
        '1997-09-05',
        '1997-10-03',
        '1997-11-07',
        '1997-12-05',
        '1998-01-02',
        '1998-02-06',
        '1998-03-06',
        '1998-04-03',
        '1998-05-01',
        '1998-06-05',
      ],
    ],
    [
      'FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU',
      '1997-09-07',
      [
        '1997-09-07',
        '1997-09-28',
        '1997-11-02',
        '1997-11-30',
        '1998-01-04',
        '1998-01-25',
        '1998-03-01',
        '1998-03-29',
        '1998-05-03',
        '1998-05-31',
      ],
    ],
    ['FREQ=MONTHLY;COUNT=6;BYDAY=-2MO', '1997-09-22', ['1997-09-22', '1997-10-20', '1997-11-17', '1997-12-22', '1998-01-19', '1998-02-16']],
    [
      'FREQ=MONTHLY;COUNT=6;BYMONTHDAY=-3',
      '1997-09-28',
      ['1997-09-28', '1997-10-29', '1997-11-28', '1997-12-29', '1998-01-29', '1998-02-26'],
    ],
    [
      'FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200',
      '1997-01-01',
      [
        '1997-01-01',
        '1997-04-10',
        '1997-07-19',
        '2000-01-01',
        '2000-04-09',
        '2000-07-18',
        '2003-01-01',
        '2003-04-10',
        '2003-07-19',
        '2006-01-01',
      ],
    ],
    ['FREQ=YEARLY;COUNT=3;BYDAY=20MO', '1997-05-19', ['1997-05-19', '1998-05-18', '1999-05-17']],
    [
      'FREQ=YEARLY;COUNT=11;BYMONTH=3;BYDAY=TH',
      '1997-03-13',
      [
        '1997-03-13',
        '1997-03-20',
        '1997-03-27',
        '1998-03-05',
        '1998-03-12',
        '1998-03-19',
        '1998-03-26',
        '1999-03-04',
        '1999-03-11',
        '1999-03-18',
        '1999-03-25',
      ],
    ],
    ['FREQ=MONTHLY;COUNT=5;BYDAY=FR;BYMONTHDAY=13', '1998-02-13', ['1998-02-13', '1998-03-13', '1998-11-13', '1999-08-13', '2000-10-13']],
    [
      'FREQ=YEARLY;INTERVAL=4;COUNT=3;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8',
      '1996-11-05',
      ['1996-11-05', '2000-11-07', '2004-11-02'],
    ],
    ['FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3', '1997-09-04', ['1997-09-04', '1997-10-07', '1997-11-06']],
    [
      'FREQ=MONTHLY;COUNT=7;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2',
      '1997-09-29',
      ['1997-09-29', '1997-10-30', '1997-11-27', '1997-12-30', '1998-01-29', '1998-02-26', '1998-03-30'],
    ],
    ['FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO', '1997-08-05', ['1997-08-05', '1997-08-10', '1997-08-19', '1997-08-24']],
    ['FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU', '1997-08-05', ['1997-08-05', '1997-08-17', '1997-08-19', '1997-08-31']],
    ['FREQ=MONTHLY;COUNT=5;BYMONTHDAY=15,30', '2007-01-15', ['2007-01-15', '2007-01-30', '2007-02-15', '2007-03-15', '2007-03-30']],
    ['FREQ=DAILY;INTERVAL=10;COUNT=5', '1997-09-02', ['1997-09-02', '1997-09-12', '1997-09-22', '1997-10-02', '1997-10-12']],
  ])('%s', (rule, start, expected) => {
    expect(days(rule, start)).toEqual(expected)
  })

  test('leaves out what the calendar does not have: 29 February, the 31st', () => {
    expect(days('FREQ=YEARLY', '2024-02-29', '2024-01-01', '2033-01-01')).toEqual(['2024-02-29', '2028-02-29', '2032-02-29'])
    expect(days('FREQ=MONTHLY;COUNT=3', '2026-01-31')).toEqual(['2026-01-31', '2026-03-31', '2026-05-31'])
  })

  test('counts from its beginning, though only a later window is asked for', () => {
    expect(days('FREQ=YEARLY;COUNT=3', '2020-05-01', '2022-01-01')).toEqual(['2022-05-01'])
    expect(days('FREQ=YEARLY;COUNT=2', '2020-05-01', '2022-01-01')).toEqual([])
  })

  test('has its first day whether or not the rule fits it', () => {
    expect(days('FREQ=WEEKLY;BYDAY=MO;COUNT=3', '2026-10-01')).toEqual(['2026-10-01', '2026-10-05', '2026-10-12'])
  })

  test('that never fits comes to an end, at the cost of the days in the window', () => {
    const budget = { daysLeft: 4000 }
    const window = { startDay: dayOf('2026-01-01'), fromDay: dayOf('2026-01-01'), untilDay: dayOf('2029-12-31') }
    for (const text of ['FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30', 'FREQ=DAILY;INTERVAL=7;BYDAY=MO', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30'])
      expect([...repeatDays(ruleOf(text), window, { ...budget })]).toEqual([window.startDay])
    expect(() => [...repeatDays(ruleOf('FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30'), window, { daysLeft: 1000 })]).toThrow(BudgetSpent)
  })

  test('skips to its window without counting the years before it', () => {
    const window = { startDay: dayOf('0001-01-01'), fromDay: dayOf('2026-01-01'), untilDay: dayOf('2026-12-31') }
    for (const text of ['FREQ=DAILY', 'FREQ=WEEKLY', 'FREQ=MONTHLY', 'FREQ=YEARLY']) {
      const found = [...repeatDays(ruleOf(text), window, { daysLeft: 1200 })]
      expect(found.length).toBeGreaterThan(0)
      expect(found.every((day) => day >= window.fromDay && day <= window.untilDay)).toBe(true)
    }
  })

  test.each([
    [{ freq: 'HOURLY' }, /FREQ=HOURLY/],
    [{}, /no FREQ/],
    [{ freq: 'DAILY', byhour: 3 }, /"BYHOUR", which is not supported/],
    [{ freq: 'YEARLY', byweekno: 20 }, /"BYWEEKNO"/],
    [{ freq: 'YEARLY', interval: 0 }, /INTERVAL/],
    [{ freq: 'YEARLY', count: 0 }, /COUNT/],
    [{ freq: 'YEARLY', bymonth: [1, 13] }, /BYMONTH/],
    [{ freq: 'YEARLY', bymonth: -1 }, /BYMONTH/],
    [{ freq: 'MONTHLY', bymonthday: [0] }, /BYMONTHDAY/],
    [{ freq: 'WEEKLY', bymonthday: [1] }, /BYMONTHDAY does not go with FREQ=WEEKLY/],
    [{ freq: 'MONTHLY', byyearday: [1] }, /BYYEARDAY does not go with FREQ=MONTHLY/],
    [{ freq: 'WEEKLY', byday: ['1MO'] }, /BYDAY counts weekdays/],
    [{ freq: 'MONTHLY', byday: ['0MO'] }, /BYDAY/],
    [{ freq: 'MONTHLY', byday: ['MON'] }, /BYDAY/],
    [{ freq: 'MONTHLY', byday: Array.from({ length: 1001 }, () => 'MO') }, /BYDAY/],
    [{ freq: 'YEARLY', bysetpos: 'x' }, /BYSETPOS/],
    [{ freq: 'YEARLY', wkst: 'MO' }, /WKST/],
    [null, /cannot be read/],
  ])('%j is refused', (recur, why) => {
    const rule = parseRepeatRule(recur)
    expect(rule.ok ? '' : rule.error).toMatch(why)
  })

  test('has the same days as the iterator of ical.js, for rules from which that one comes back', () => {
    const weekday = fc.constantFrom('SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA')
    const interval = fc.integer({ min: 1, max: 5 })
    const some = <T>(one: fc.Arbitrary<T>) => fc.uniqueArray(one, { minLength: 1, maxLength: 4 })
    const rule = fc.oneof(
      fc.record({ FREQ: fc.constant('DAILY'), INTERVAL: interval }),
      fc.record({ FREQ: fc.constant('WEEKLY'), INTERVAL: interval, BYDAY: some(weekday), WKST: fc.constantFrom('SU', 'MO') }),
      fc.record({ FREQ: fc.constant('MONTHLY'), INTERVAL: interval, BYMONTHDAY: some(fc.integer({ min: 1, max: 28 })) }),
      fc.record({
        FREQ: fc.constant('MONTHLY'),
        INTERVAL: interval,
        BYDAY: some(fc.tuple(fc.constantFrom('1', '2', '-1'), weekday).map((word) => word.join(''))),
      }),
      fc.record({
        FREQ: fc.constant('YEARLY'),
        INTERVAL: interval,
        BYMONTH: some(fc.integer({ min: 1, max: 12 })),
        BYMONTHDAY: fc.tuple(fc.integer({ min: 1, max: 28 })),
      }),
      fc.record({
        FREQ: fc.constant('YEARLY'),
        INTERVAL: interval,
        BYMONTH: fc.tuple(fc.integer({ min: 1, max: 12 })),
        BYDAY: fc.tuple(fc.tuple(fc.constantFrom('1', '3', '-1'), weekday).map((word) => word.join(''))),
      }),
    )
    const start = fc.integer({ min: dayOf('2019-01-01'), max: dayOf('2027-12-31') })
    const untilDay = dayOf('2029-12-31')
    fc.assert(
      fc.property(rule, start, (parts, startDay) => {
        const text = Object.entries(parts)
          .map(([name, value]) => `${name}=${String(value)}`)
          .join(';')
        const { year, month, day } = dateOfDay(startDay)
        const iterator = ICAL.Recur.fromString(text).iterator(ICAL.Time.fromData({ year, month, day, isDate: true }))
        const theirs: number[] = []
        for (let next = iterator.next(); next !== null && next !== undefined; next = iterator.next()) {
          const found = dayNumber(next.year, next.month, next.day)
          if (found > untilDay) break
          if (found !== startDay) theirs.push(found)
        }
        const fromDay = dayOf('2025-01-01')
        const ours = [...repeatDays(ruleOf(text), { startDay, fromDay, untilDay }, { daysLeft: 100_000 })].filter((one) => one !== startDay)
        expect(ours).toEqual(theirs.filter((one) => one >= fromDay))
      }),
      { seed: 20261124, numRuns: 400 },
    )
  })
})
