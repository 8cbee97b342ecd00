import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from '#shared/pure/duration.ts'

test.each([
  ['30m', 1_800_000],
  ['1h30m', 5_400_000],
  ['8d', 691_200_000],
  ['90s', 90_000],
  ['250ms', 250],
  ['1d2h3m4s5ms', 93_784_005],
  ['0s', 0],
])('%s is %i ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, value: ms })
})

test.each(['', '30', 'm', '30 m', '1.5h', '-1m', '+1m', '30m1h', '1m1m', '30min', '30M', '1h 30m', '99999999999999999d', '1h30'])(
  '%j is refused',
  (text) => {
    const parsed = parseDuration(text)
    expect(parsed.ok).toBe(false)
  },
)

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000_000 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms })
    }),
    { seed: 1, numRuns: 1000 },
  )
})

test.each([['1'.repeat(41)], ['1'.repeat(300_000)], [`${'1'.repeat(300_000)}d`], ['1d'.repeat(100_000)], [`${'0'.repeat(39)}5s`]])(
  'a text of more than 40 characters is refused at once, and not repeated (%#)',
  (text) => {
    const parsed = parseDuration(text)
    expect(parsed).toMatchObject({ ok: false, error: expect.stringContaining(`${text.length} characters`) })
    if (!parsed.ok) expect(parsed.error.length).toBeLessThan(200)
  },
)

test('what is wrong is said: no duration, not in order, too long a time', () => {
  const errorOf = (text: string) => {
    const parsed = parseDuration(text)
    return parsed.ok ? '' : parsed.error
  }
  expect(errorOf('30min')).toContain('"30min" is no duration: write')
  expect(errorOf('1m1m')).toContain('the units are not in order')
  expect(errorOf('5ms1s')).toContain('the units are not in order')
  expect(errorOf(`${'9'.repeat(39)}d`)).toContain('is too long a duration')
  expect(parseDuration(`${'0'.repeat(38)}5s`)).toEqual({ ok: true, value: 5000 })
})
