import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Calendar, parseExcludes, sharedExcludes, type UnreadCalendar } from '#functions/cron-scaler/excludes.ts'

const days = (first: number, last = first) => ({ first, last })
const calendarsOf = (holiday: number): ReadonlyMap<string, Calendar | UnreadCalendar> =>
  new Map<string, Calendar | UnreadCalendar>([
    ['cn', { holidays: [days(holiday)], workdays: [] }],
    ['gone', { problem: 'nobody has read it yet' }],
  ])

const texts = fc.array(
  fc.constantFrom(
    '* * * * * 5',
    '* * * 15 11 *',
    '0 0 8 * * 1',
    '2026-10-01',
    '2026-10-01..2026-10-07',
    '@calendar/cn',
    '@calendar/gone',
    'soon',
    'a\nb',
    '',
  ),
  { maxLength: 4 },
)

test('gives what parsing gives, whatever was asked before', () => {
  const calendars = calendarsOf(20_000)
  fc.assert(
    fc.property(texts, (list) => {
      expect(sharedExcludes(list, calendars)).toEqual(parseExcludes(list, calendars))
      expect(sharedExcludes([...list], calendars)).toEqual(parseExcludes(list, calendars))
    }),
    { seed: 49, numRuns: 300 },
  )
})

test('the same texts are read once, and others that look alike for themselves', () => {
  const calendars = calendarsOf(20_000)
  expect(sharedExcludes(['* * * * * 5'], calendars)).toBe(sharedExcludes(['* * * * * 5'], calendars))
  expect(sharedExcludes(['2026-10-01', '2026-10-02'], calendars)).not.toEqual(sharedExcludes(['2026-10-01,2026-10-02'], calendars))
  expect(sharedExcludes(['2026-10-02', '2026-10-01'], calendars)).not.toEqual(sharedExcludes(['2026-10-01', '2026-10-02'], calendars))
})

test('calendars that say something else are not mixed up', () => {
  const one = sharedExcludes(['@calendar/cn'], calendarsOf(1))
  const other = sharedExcludes(['@calendar/cn'], calendarsOf(2))
  expect([one, other].map((read) => (read.ok ? read.value.entries : read.error))).toMatchObject([
    [{ calendar: { holidays: [days(1)] } }],
    [{ calendar: { holidays: [days(2)] } }],
  ])
})

test('more lists than are kept are all read', () => {
  const calendars = calendarsOf(20_000)
  for (let day = 0; day < 10_050; day += 1) {
    const text = new Date(Date.UTC(2026, 0, 1) + day * 86_400_000).toISOString().slice(0, 10)
    expect(sharedExcludes([text], calendars).ok).toBe(true)
  }
  expect(sharedExcludes(['2026-01-01'], calendars)).toEqual(parseExcludes(['2026-01-01'], calendars))
})
