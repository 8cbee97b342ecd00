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
