import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs, longestBackoffMs } from '#cloud/retry.ts'
import { createRetryQuota, retryCosts } from '#cloud/retry-quota.ts'

describe('delays before a retry', () => {
  it('10: are full-jitter within min(20 s, base·2^i), base 50 ms for transient and 1 s for throttling', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('transient' as const, 'throttling' as const),
        fc.integer({ min: 0, max: 40 }),
        fc.nat(999_999),
        (retryClass, index, millionths) => {
          const chance = millionths / 1_000_000
          const delayMs = backoffMs(retryClass, index, () => chance)
          const base = retryClass === 'transient' ? 50 : 1000
          const most = Math.min(20_000, base * 2 ** index)
          expect(longestBackoffMs(retryClass, index)).toBe(most)
          expect(Number.isInteger(delayMs)).toBe(true)
          expect(delayMs).toBeGreaterThanOrEqual(0)
          expect(delayMs).toBeLessThanOrEqual(most)
          expect(Math.abs(delayMs - chance * most)).toBeLessThanOrEqual(1)
        },
      ),
      { seed: 10 },
    )
  })

  it('double with every retry, up to 20 s', () => {
    const nearlyOne = () => 0.999_999_999
    expect([0, 1, 2, 8, 9, 30].map((index) => backoffMs('transient', index, nearlyOne))).toEqual([49, 99, 199, 12_799, 19_999, 19_999])
    expect([0, 1, 4, 5].map((index) => backoffMs('throttling', index, nearlyOne))).toEqual([999, 1999, 15_999, 19_999])
    expect(backoffMs('throttling', 3, () => 0)).toBe(0)
  })
})

describe('the retry quota', () => {
  it('10: a retry quota (500 tokens; 14 per transient, 5 per throttle) is respected', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom('transient' as const, 'throttling' as const), fc.constantFrom(0, 5, 14)), { maxLength: 300 }),
        (events) => {
          const quota = createRetryQuota()
          let expected = 500
          for (const event of events) {
            if (typeof event === 'number') {
              quota.refill(event)
              expected = Math.min(500, expected + Math.max(1, event))
            } else {
              const cost = event === 'transient' ? 14 : 5
              expect(retryCosts[event]).toBe(cost)
              expect(quota.pay(cost)).toBe(expected >= cost)
              if (expected >= cost) expected -= cost
            }
            expect(quota.tokens).toBe(expected)
          }
        },
      ),
      { seed: 10 },
    )
  })

  it('is used up by 35 transient retries or 100 throttled ones, and one success allows none again', () => {
    for (const [kind, most] of [
      ['transient', 35],
      ['throttling', 100],
    ] as const) {
      const quota = createRetryQuota()
      let paid = 0
      while (quota.pay(retryCosts[kind])) paid += 1
      expect(paid).toBe(most)
    }
    const quota = createRetryQuota()
    while (quota.pay(14));
    quota.refill(0)
    expect(quota.pay(14)).toBe(false)
    quota.refill(14)
    expect(quota.pay(14)).toBe(true)
  })
})
