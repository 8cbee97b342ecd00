import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSkew, isSuspicious, parseHttpDate } from '#cloud/skew.ts'
import { manualClock } from './manual-clock.ts'

const minute = 60_000

describe('the correction of the clock', () => {
  it('11: any wrong clock is off by less than 1.5 s after one answer, whatever the way there and back took', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -10 * minute, max: 10 * minute }),
        fc.integer({ min: 0, max: 900 }),
        fc.integer({ min: 0, max: 900 }),
        fc.integer({ min: 0, max: 999 }),
        async (wrongByMs, thereMs, backMs, fraction) => {
          const clock = manualClock(1_700_000_000_000 + fraction)
          clock.jump(wrongByMs)
          const platform = () => 1_700_000_000_000 + fraction + clock.monotonic()
          const skew = createSkew(clock)
          const sent = clock.monotonic()
          await clock.advance(thereMs)
          const date = new Date(platform()).toUTCString()
          await clock.advance(backMs)
          expect(skew.learn({ date }, sent)).toBeDefined()
          expect(Math.abs(skew.now() - platform())).toBeLessThan(1500)
        },
      ),
      { seed: 11 },
    )
  })

  it('starts with no correction and learns from every answer', async () => {
    const clock = manualClock(Date.UTC(2025, 0, 1, 12))
    const skew = createSkew(clock)
    expect([skew.offsetMs, skew.now()]).toEqual([0, clock.now()])
    skew.learn({ date: 'Wed, 01 Jan 2025 12:08:00 GMT' }, 0)
    expect(skew.offsetMs).toBe(8 * minute)
    skew.learn({ date: 'Wed, 01 Jan 2025 11:59:00 GMT' }, 0)
    expect(skew.offsetMs).toBe(-minute)
  })

  it('takes the middle between sending and receiving', async () => {
    const clock = manualClock(Date.UTC(2025, 0, 1, 12))
    const skew = createSkew(clock)
    await clock.advance(4000)
    expect(skew.learn({ date: 'Wed, 01 Jan 2025 12:00:02 GMT' }, 0)).toBe(Date.UTC(2025, 0, 1, 12, 0, 4))
    expect(skew.offsetMs).toBe(0)
  })

  it('takes the middle from the time that passed, also when the wall clock is set in between', async () => {
    const clock = manualClock(Date.UTC(2025, 0, 1, 12))
    const skew = createSkew(clock)
    await clock.advance(1000)
    clock.jump(10 * minute)
    await clock.advance(1000)
    skew.learn({ date: 'Wed, 01 Jan 2025 12:00:01 GMT' }, 0)
    expect(skew.offsetMs).toBe(-10 * minute)
  })

  it.each([
    ['no date', {}],
    ['an answer from a cache', { date: 'Wed, 01 Jan 2025 12:08:00 GMT', age: '3' }],
    ['a date nobody can read', { date: 'yesterday' }],
    ['a number', { date: '1735733280' }],
    ['an ISO date', { date: '2025-01-01T12:08:00Z' }],
    ['a day that does not exist', { date: 'Wed, 77 Jan 2025 12:08:00 GMT' }],
    ['an empty date', { date: '' }],
  ])('learns nothing from %s', (_what, headers) => {
    const skew = createSkew(manualClock(Date.UTC(2025, 0, 1, 12)))
    expect(skew.learn(headers, 0)).toBeUndefined()
    expect(skew.offsetMs).toBe(0)
  })

  it('learns nothing from a round trip of more than 15 minutes', async () => {
    const clock = manualClock(Date.UTC(2025, 0, 1, 12))
    const skew = createSkew(clock)
    await clock.advance(15 * minute + 1)
    expect(skew.learn({ date: 'Wed, 01 Jan 2025 13:00:00 GMT' }, 0)).toBeUndefined()
    expect(skew.learn({ date: 'Wed, 01 Jan 2025 13:00:00 GMT' }, 1)).toBeDefined()
  })

  it('suspects the clock of a refused signature from 4 minutes on, and never without a date', () => {
    expect(isSuspicious(0, 4 * minute)).toBe(false)
    expect(isSuspicious(0, 4 * minute + 1)).toBe(true)
    expect(isSuspicious(4 * minute + 1, 0)).toBe(true)
    expect(isSuspicious(0, undefined)).toBe(false)
  })

  it('reads the one form of dates that is sent', () => {
    expect(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT')).toBe(Date.UTC(1994, 10, 6, 8, 49, 37))
    expect(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT')).toBeUndefined()
    expect(parseHttpDate('Sun, 06 Nov 1994 08:49:37 +0800')).toBeUndefined()
    expect(parseHttpDate('Sun, 06 Nov 1994 25:49:37 GMT')).toBeUndefined()
  })
})
