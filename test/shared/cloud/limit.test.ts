import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LimitError, Limiter } from '#cloud/limit.ts'
import { type ManualClock, manualClock, settle } from './manual-clock.ts'

const noDeadline = Number.POSITIVE_INFINITY

/** The most departures in any window of one second, both ends included. */
function busiestSecond(times: readonly number[]): number {
  let most = 0
  for (const start of times) most = Math.max(most, times.filter((time) => time >= start && time <= start + 1000).length)
  return most
}

async function depart(
  limiter: Limiter,
  clock: ManualClock,
  times: number[],
  holdMs = 0,
  deadline = noDeadline,
  signal?: AbortSignal,
): Promise<void> {
  await limiter.take(deadline, signal)
  if (holdMs > 0) await clock.sleep(holdMs)
  limiter.left(clock.monotonic())
  times.push(clock.monotonic())
}

async function runOut(clock: ManualClock): Promise<void> {
  await settle()
  while (await clock.advanceToNext()) await settle()
}

describe('the rate limit of one action', () => {
  it('9: in any one-second window calls stay within the share of the published limit, whatever the arrivals, holds and aborts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(0.1, 0.5, 0.8, 1),
        fc.array(
          fc.record({
            arriveMs: fc.integer({ min: 0, max: 4000 }),
            holdMs: fc.constantFrom(0, 0, 0, 1, 30, 1500),
            abortAfterMs: fc.option(fc.integer({ min: 1, max: 800 }), { freq: 4 }),
            giveBack: fc.boolean(),
          }),
          { minLength: 1, maxLength: 80 },
        ),
        async (ratePerSecond, share, calls) => {
          const clock = manualClock()
          const limiter = new Limiter({ clock, ratePerSecond, share })
          const times: number[] = []
          let ended = 0
          const all = calls.map(async ({ arriveMs, holdMs, abortAfterMs, giveBack }, index) => {
            await clock.sleep(arriveMs)
            const abort = new AbortController()
            if (abortAfterMs !== null) void clock.sleep(abortAfterMs).then(() => abort.abort())
            try {
              await limiter.take(noDeadline, abort.signal)
            } catch (error) {
              expect(error).toBeInstanceOf(LimitError)
              ended += 1
              return
            }
            if (holdMs > 0) await clock.sleep(holdMs)
            ended += 1
            if (giveBack && index % 3 === 0) limiter.giveBack()
            else {
              limiter.left(clock.monotonic())
              times.push(clock.monotonic())
            }
          })
          await runOut(clock)
          await Promise.all(all)
          expect(ended).toBe(calls.length)
          expect(busiestSecond(times)).toBeLessThanOrEqual(Math.max(1, Math.floor(ratePerSecond * share)))
        },
      ),
      { seed: 9, numRuns: 150 },
    )
  })

  it('lets 16 of 20 a second through at the default share, the next a window later', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 20, share: 0.8 })
    const times: number[] = []
    const all = Array.from({ length: 40 }, () => depart(limiter, clock, times))
    await settle()
    expect(times).toHaveLength(16)
    await clock.advance(1000)
    expect(times).toHaveLength(16)
    await clock.advance(1)
    expect(times).toHaveLength(32)
    await runOut(clock)
    await Promise.all(all)
    expect(times).toHaveLength(40)
  })

  it('lets at least one through, in windows long enough for the share', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 0.8 })
    const times: number[] = []
    const all = Array.from({ length: 4 }, () => depart(limiter, clock, times))
    await runOut(clock)
    await Promise.all(all)
    expect(times).toEqual([0, 1251, 2502, 3753])
  })

  it('serves in the order of asking', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 5, share: 1 })
    const order: number[] = []
    const all = Array.from({ length: 23 }, async (_, index) => {
      await limiter.take(noDeadline, undefined)
      order.push(index)
      limiter.left(clock.monotonic())
    })
    await runOut(clock)
    await Promise.all(all)
    expect(order).toEqual(Array.from({ length: 23 }, (_, index) => index))
  })

  it('counts a permit until its request has left: a freeze in between makes no burst', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 4, share: 1 })
    const times: number[] = []
    const frozen = Array.from({ length: 4 }, () => depart(limiter, clock, times, 5000))
    const later = Array.from({ length: 4 }, () => depart(limiter, clock, times))
    await clock.advance(4999)
    expect(times).toEqual([])
    await runOut(clock)
    await Promise.all([...frozen, ...later])
    expect(times).toEqual([5000, 5000, 5000, 5000, 6001, 6001, 6001, 6001])
  })

  it('gives a permit that was given back to the next at once', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    expect(limiter.take(noDeadline, undefined)).toBeUndefined()
    let granted = false
    void limiter.take(noDeadline, undefined)?.then(() => {
      granted = true
    })
    await settle()
    expect(granted).toBe(false)
    limiter.giveBack()
    await settle()
    expect(granted).toBe(true)
  })

  it('fails at once when the wait would pass the deadline, and not when it just fits', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 2, share: 1 })
    for (let index = 0; index < 2; index += 1) {
      await limiter.take(noDeadline, undefined)
      limiter.left(clock.monotonic())
    }
    await clock.advance(300)
    expect(() => limiter.take(clock.now() + 699, undefined)).toThrow(LimitError)
    const fits = limiter.take(clock.now() + 701, undefined)
    const alsoFits = limiter.take(clock.now() + 701, undefined)
    // Both places of the next window are taken: the third would wait for the one after.
    expect(() => limiter.take(clock.now() + 1600, undefined)).toThrow(expect.objectContaining({ reason: 'deadline' }))
    await clock.advance(701)
    await Promise.all([fits, alsoFits])
  })

  it('refuses at the deadline when permits that were held back the place', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    await limiter.take(noDeadline, undefined)
    const failed = limiter.take(clock.now() + 2000, undefined)?.then(
      () => 'granted',
      (error: unknown) => (error instanceof LimitError ? `${error.reason} at ${clock.monotonic()}` : 'other'),
    )
    await clock.advance(10_000)
    expect(await failed).toBe('deadline at 2001')
    expect(clock.sleeperCount).toBe(0)
  })

  it('leaves the queue at once when the caller ends the call, and keeps nobody else waiting', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    await limiter.take(noDeadline, undefined)
    limiter.left(clock.monotonic())
    const end = new AbortController()
    const aborted = limiter.take(noDeadline, end.signal)
    const second = limiter.take(noDeadline, undefined)
    end.abort()
    await expect(aborted).rejects.toMatchObject({ reason: 'aborted' })
    await clock.advance(1001)
    await second
    expect(() => limiter.take(noDeadline, AbortSignal.abort())).toThrow(expect.objectContaining({ reason: 'aborted' }))
    limiter.left(clock.monotonic())
    await runOut(clock)
    expect(clock.sleeperCount).toBe(0)
  })

  it('does not mind a wall clock that jumps', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 3, share: 1 })
    const times: number[] = []
    const all = Array.from({ length: 9 }, () => depart(limiter, clock, times))
    clock.jump(-600_000)
    await clock.advance(500)
    clock.jump(1_200_000)
    await runOut(clock)
    await Promise.all(all)
    expect(times).toEqual([0, 0, 0, 1001, 1001, 1001, 2002, 2002, 2002])
  })

  it('keeps up with thousands a second', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 100_000, share: 1 })
    for (let index = 0; index < 50_000; index += 1) {
      expect(limiter.take(noDeadline, undefined)).toBeUndefined()
      limiter.left(clock.monotonic())
      if (index % 1000 === 0) await clock.advance(40)
    }
  })
})
