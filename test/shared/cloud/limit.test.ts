import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from '#cloud/clock.ts'
import { LimitError, Limiter } from '#cloud/limit.ts'
import { type ManualClock, manualClock, settle } from './manual-clock.ts'

const noDeadline = Number.POSITIVE_INFINITY

/** In which no more leave than are published: a second, and 40 ms for ways that differ. */
const publishedMs = 1040

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

/** Lets everybody who sleeps wake up, until nobody sleeps any more. */
async function runOut(clock: ManualClock): Promise<void> {
  await settle()
  for (let wakes = 0; await clock.advanceToNext(); wakes += 1) {
    if (wakes > 10_000) throw new Error('somebody wakes up again and again')
    await settle()
  }
}

/** What a promise comes to; fails, instead of hanging, when it comes to nothing as long as the clock stands still. */
async function settled<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
  let isOver = false
  const over = (): void => {
    isOver = true
  }
  promise?.then(over, over)
  await settle()
  if (promise !== undefined && !isOver) throw new Error('a call is left waiting for its permit')
  return await promise
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
          await settled(Promise.all(all))
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
    // Not 16 again at once: with 32 in 1,001 ms a way that is 2 ms shorter makes too many in a second at the platform.
    await clock.advance(1)
    expect(times).toHaveLength(20)
    await clock.advance(39)
    expect(times).toHaveLength(20)
    await clock.advance(1)
    expect(times).toHaveLength(32)
    await runOut(clock)
    await settled(Promise.all(all))
    expect(times).toHaveLength(40)
  })

  it('lets at least one through, in windows long enough for the share', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 0.8 })
    const times: number[] = []
    const all = Array.from({ length: 4 }, () => depart(limiter, clock, times))
    await runOut(clock)
    await settled(Promise.all(all))
    expect(times).toEqual([0, 1251, 2502, 3753])
  })

  it('9: in any second at the platform at most the published limit arrives, though the ways there differ by 40 ms, at every share', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.constantFrom(0.5, 0.8, 0.95, 1),
        fc.array(fc.record({ pauseMs: fc.constantFrom(0, 0, 0, 0, 3, 400, 1001), wayMs: fc.integer({ min: 10, max: 50 }) }), {
          minLength: 1,
          maxLength: 120,
        }),
        async (ratePerSecond, share, calls) => {
          const clock = manualClock()
          const limiter = new Limiter({ clock, ratePerSecond, share })
          const arrivals: number[] = []
          const all: Promise<void>[] = []
          for (const { pauseMs, wayMs } of calls) {
            if (pauseMs > 0) await clock.advance(pauseMs)
            all.push(depart(limiter, clock, []).then(() => void arrivals.push(clock.monotonic() + wayMs)))
          }
          await runOut(clock)
          await settled(Promise.all(all))
          // Counted as the platform may: a second without its end.
          for (const from of arrivals)
            expect(arrivals.filter((time) => time >= from && time < from + 1000).length).toBeLessThanOrEqual(ratePerSecond)
        },
      ),
      { seed: 92, numRuns: 150 },
    )
  })

  it('lets 20 of 20 through in 1,041 ms at a share of 1: within 5 % of what is published', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 20, share: 1 })
    const times: number[] = []
    const all = Array.from({ length: 1000 }, () => depart(limiter, clock, times))
    await runOut(clock)
    await settled(Promise.all(all))
    expect(times.at(-1)).toBe(49 * 1041)
    expect(49 * 1041).toBeLessThanOrEqual(1.05 * 49 * 1000)
  })

  describe('after a refusal for the rate', () => {
    /** Takes all the room there is. */
    const fill = (limiter: Limiter, clock: ManualClock): number => {
      let count = 0
      for (; ; count += 1) {
        const abort = new AbortController()
        const permit = limiter.take(noDeadline, abort.signal)
        if (permit !== undefined) {
          permit.catch(() => undefined)
          abort.abort()
          return count
        }
        limiter.left(clock.monotonic())
      }
    }

    it('the windows become longer by 5 %, once for all that is refused within one', async () => {
      const clock = manualClock()
      const limiter = new Limiter({ clock, ratePerSecond: 20, share: 1 })
      expect(fill(limiter, clock)).toBe(20)
      await clock.advance(50)
      for (let refusal = 0; refusal < 20; refusal += 1) limiter.refused(0)
      await clock.advance(1092 - 50)
      expect(fill(limiter, clock)).toBe(0)
      await clock.advance(1)
      expect(fill(limiter, clock)).toBe(20)
      // These left 1,043 ms after the windows were made longer: they met what had left before that.
      limiter.refused(clock.monotonic())
      await clock.advance(1093)
      expect(fill(limiter, clock)).toBe(20)
      limiter.refused(clock.monotonic())
      await clock.advance(1093)
      expect(fill(limiter, clock)).toBe(0)
      await clock.advance(54)
      expect(fill(limiter, clock)).toBe(20)
    })

    it('the window of a share becomes longer as well, and with as many refusals as there may be four times as long', async () => {
      const clock = manualClock()
      const limiter = new Limiter({ clock, ratePerSecond: 20, share: 0.5 })
      for (let refusal = 0; refusal < 40; refusal += 1) {
        fill(limiter, clock)
        limiter.refused(clock.monotonic())
        await clock.advance(5000)
      }
      expect(fill(limiter, clock)).toBe(10)
      await clock.advance(4000)
      expect(fill(limiter, clock)).toBe(0)
      await clock.advance(1)
      expect(fill(limiter, clock)).toBe(10)
    })

    it('they are again as they were when nothing was refused for ten minutes', async () => {
      const clock = manualClock()
      const limiter = new Limiter({ clock, ratePerSecond: 20, share: 1 })
      limiter.refused(clock.monotonic())
      await clock.advance(10 * 60_000 - 1092)
      expect(fill(limiter, clock)).toBe(20)
      await clock.advance(1041)
      expect(fill(limiter, clock)).toBe(0)
      await clock.advance(52)
      expect(fill(limiter, clock)).toBe(20)
      await clock.advance(1041)
      expect(fill(limiter, clock)).toBe(20)
    })
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
    await settled(Promise.all(all))
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
    await settled(Promise.all([...frozen, ...later]))
    expect(times).toEqual([5000, 5000, 5000, 5000, 6041, 6041, 6041, 6041])
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
      await settled(limiter.take(noDeadline, undefined))
      limiter.left(clock.monotonic())
    }
    await clock.advance(300)
    expect(() => limiter.take(clock.now() + 739, undefined)).toThrow(LimitError)
    const fits = limiter.take(clock.now() + 741, undefined)
    const alsoFits = limiter.take(clock.now() + 741, undefined)
    // Both places of the next window are taken: the third would wait for the one after.
    expect(() => limiter.take(clock.now() + 1600, undefined)).toThrow(expect.objectContaining({ reason: 'deadline' }))
    await clock.advance(741)
    await settled(Promise.all([fits, alsoFits]))
  })

  it('refuses at the deadline when permits that were held back the place', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    await settled(limiter.take(noDeadline, undefined))
    const failed = limiter.take(clock.now() + 2000, undefined)?.then(
      () => 'granted',
      (error: unknown) => (error instanceof LimitError ? `${error.reason} at ${clock.monotonic()}` : 'other'),
    )
    await clock.advance(10_000)
    expect(await settled(failed)).toBe('deadline at 2001')
    expect(clock.sleeperCount).toBe(0)
  })

  it('leaves the queue at once when the caller ends the call, and keeps nobody else waiting', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    await settled(limiter.take(noDeadline, undefined))
    limiter.left(clock.monotonic())
    const end = new AbortController()
    const aborted = limiter.take(noDeadline, end.signal)
    const second = limiter.take(noDeadline, undefined)
    end.abort()
    await expect(settled(aborted)).rejects.toMatchObject({ reason: 'aborted' })
    await clock.advance(publishedMs + 1)
    await settled(second)
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
    await settled(Promise.all(all))
    expect(times).toEqual([0, 0, 0, 1041, 1041, 1041, 2082, 2082, 2082])
  })

  it('lets everybody through at the very millisecond at which the window before lets go, and never later', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.constantFrom(0.1, 0.3, 0.5, 0.8, 1),
        fc.array(fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.constantFrom(0, 1000, 1001, 1041, 2002)), { minLength: 1, maxLength: 150 }),
        async (ratePerSecond, share, arrivals) => {
          const clock = manualClock()
          const limiter = new Limiter({ clock, ratePerSecond, share })
          const inOrder = [...arrivals].sort((one, other) => one - other)
          const times: number[] = []
          const all = inOrder.map(async (arriveMs) => {
            if (arriveMs > 0) await clock.sleep(arriveMs)
            await depart(limiter, clock, times)
          })
          await runOut(clock)
          await settled(Promise.all(all))
          // In hundredths all numbers are whole.
          const hundredths = Math.round(ratePerSecond * share * 100)
          const most = Math.max(1, Math.floor(hundredths / 100))
          const windowMs = Math.max(1000, 100_000 / hundredths)
          const expected: number[] = []
          for (const [index, arriveMs] of inOrder.entries()) {
            const own = Math.floor((expected[index - most] ?? Number.NEGATIVE_INFINITY) + windowMs) + 1
            const published = Math.floor((expected[index - ratePerSecond] ?? Number.NEGATIVE_INFINITY) + publishedMs) + 1
            expected.push(Math.max(arriveMs, own, published))
          }
          expect(times).toEqual(expected)
          expect(clock.sleeperCount).toBe(0)
        },
      ),
      { seed: 90, numRuns: 200 },
    )
  })

  it('refuses at once exactly those whose turn is after their deadline, whatever has left, is held and waits', async () => {
    let refused = 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(1, 0.8, 0.5),
        fc.array(fc.record({ pauseMs: fc.constantFrom(0, 0, 1, 90, 400, 620), leaves: fc.boolean() }), { minLength: 1, maxLength: 14 }),
        fc.nat(9),
        async (ratePerSecond, share, permits, waiters) => {
          const clock = manualClock()
          const limiter = new Limiter({ clock, ratePerSecond, share })
          const tenths = Math.round(ratePerSecond * share * 10)
          const rules = [
            { most: Math.max(1, Math.floor(tenths / 10)), windowMs: Math.max(1000, 10_000 / tenths) },
            { most: ratePerSecond, windowMs: publishedMs },
          ]
          const departures: number[] = []
          let held = 0
          const inWindow = (windowMs: number) => departures.filter((time) => time >= clock.monotonic() - windowMs).length
          const isFull = () => rules.some(({ most, windowMs }) => inWindow(windowMs) + held >= most)
          for (const { pauseMs, leaves } of permits) {
            await clock.advance(pauseMs)
            if (isFull()) break
            expect(limiter.take(noDeadline, undefined)).toBeUndefined()
            if (leaves) departures.push(clock.monotonic())
            if (leaves) limiter.left(clock.monotonic())
            else held += 1
          }
          while (!isFull()) {
            expect(limiter.take(noDeadline, undefined)).toBeUndefined()
            held += 1
          }
          for (let index = 0; index < waiters; index += 1) void limiter.take(noDeadline, undefined)
          // The earliest time of whoever is at a place of the line: those that left, those that hold a permit, those that wait.
          const now = clock.monotonic()
          const line = [...departures]
          for (let index = 0; index < held; index += 1) line.push(now)
          for (let index = 0; index <= waiters; index += 1) {
            const own = rules.map(({ most, windowMs }) => (line[line.length - most] ?? Number.NEGATIVE_INFINITY) + windowMs)
            line.push(Math.max(now, ...own))
          }
          const turn = clock.now() + (line.at(-1) ?? Number.NaN) - now
          expect(() => limiter.take(turn - 1, undefined)).toThrow(expect.objectContaining({ reason: 'deadline' }))
          const waits = limiter.take(turn, undefined)
          expect(waits).toBeInstanceOf(Promise)
          waits?.catch(() => undefined)
          refused += 1
        },
      ),
      { seed: 91, numRuns: 400 },
    )
    expect(refused).toBe(400)
  })

  it('counts a departure up to the very end of the window, and no longer', async () => {
    for (const [share, windowMs] of [
      [1, publishedMs],
      [0.8, 1250],
    ] as const) {
      const clock = manualClock()
      const limiter = new Limiter({ clock, ratePerSecond: 1, share })
      await settled(limiter.take(noDeadline, undefined))
      limiter.left(0)
      await clock.advance(windowMs)
      const end = new AbortController()
      const waits = limiter.take(noDeadline, end.signal)
      expect(waits).toBeInstanceOf(Promise)
      end.abort()
      await expect(settled(waits)).rejects.toThrow(LimitError)
      await clock.advance(1)
      expect(limiter.take(noDeadline, undefined)).toBeUndefined()
    }
  })

  it('lets nobody overtake those who wait, also when the timer is late', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 2, share: 1 })
    const order: string[] = []
    const call = async (name: string): Promise<void> => {
      await limiter.take(noDeadline, undefined)
      order.push(name)
      limiter.left(clock.monotonic())
    }
    // Its timer was set before the limiter's, so it comes first when both are due.
    const late = clock.sleep(publishedMs + 1).then(() => call('who comes then'))
    const all = [call('one'), call('two'), call('three'), late]
    await runOut(clock)
    await settled(Promise.all(all))
    expect(order).toEqual(['one', 'two', 'three', 'who comes then'])
  })

  it('is at most one timer, and none when nobody waits', async () => {
    const clock = manualClock()
    let timers = 0
    const sleep: Clock['sleep'] = (...given) => {
      timers += 1
      return clock.sleep(...given)
    }
    const limiter = new Limiter({ clock: { ...clock, sleep }, ratePerSecond: 2, share: 1 })
    const take = (deadlineInMs: number, signal?: AbortSignal) => {
      const taken = limiter.take(clock.now() + deadlineInMs, signal)
      taken?.catch(() => undefined)
      return taken
    }
    take(noDeadline)
    take(noDeadline)
    expect(clock.sleeperCount).toBe(0)
    // Both permits are held: only deadlines wake it.
    take(9000)
    expect([timers, clock.sleeperCount]).toEqual([1, 1])
    take(9000)
    take(9500)
    expect([timers, clock.sleeperCount]).toEqual([1, 1])
    take(5000)
    expect([timers, clock.sleeperCount]).toEqual([2, 1])
    // And now the end of a window.
    await clock.advance(10)
    limiter.left(clock.monotonic())
    await settle()
    expect([timers, clock.sleeperCount]).toEqual([3, 1])
    limiter.left(clock.monotonic())
    await settle()
    expect([timers, clock.sleeperCount]).toEqual([3, 1])
    await clock.advance(publishedMs + 1)
    for (let left = 0; left < 2; left += 1) limiter.left(clock.monotonic())
    await clock.advance(publishedMs + 1)
    expect(clock.sleeperCount).toBe(0)
    for (let left = 0; left < 2; left += 1) limiter.left(clock.monotonic())
    const end = new AbortController()
    take(noDeadline, end.signal)
    expect(clock.sleeperCount).toBe(1)
    end.abort()
    await settle()
    expect(clock.sleeperCount).toBe(0)
  })

  it('keeps nothing at a signal once the wait is over, however it ended', async () => {
    const clock = manualClock()
    const limiter = new Limiter({ clock, ratePerSecond: 1, share: 1 })
    const [granted, refused, aborted] = [new AbortController(), new AbortController(), new AbortController()]
    expect(limiter.take(noDeadline, granted.signal)).toBeUndefined()
    const waits = limiter.take(noDeadline, granted.signal)
    const refusal = limiter.take(clock.now() + 2500, refused.signal)
    refusal?.catch(() => undefined)
    const abort = limiter.take(noDeadline, aborted.signal)
    abort?.catch(() => undefined)
    for (const { signal } of [granted, refused, aborted]) expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    limiter.left(clock.monotonic())
    aborted.abort()
    await clock.advance(2501)
    await settled(waits)
    await expect(settled(refusal)).rejects.toMatchObject({
      name: 'LimitError',
      reason: 'deadline',
      message: 'the wait for the rate limit would pass the deadline',
    })
    await expect(settled(abort)).rejects.toMatchObject({ name: 'LimitError', reason: 'aborted', message: 'the caller ended the call' })
    for (const { signal } of [granted, refused]) expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    // Whoever comes later is not put out by the end of a call that is over.
    const later = limiter.take(noDeadline, undefined)
    refused.abort()
    granted.abort()
    limiter.left(clock.monotonic())
    await clock.advance(publishedMs + 1)
    await settled(later)
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
