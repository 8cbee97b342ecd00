import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LookAheadOptions, lookAhead, type WaitClock } from '#shared/runtime/look-ahead.ts'

const start = Date.UTC(2026, 10, 24, 8)
const second = (count: number): number => start + count * 1000
const untilMs = second(60) - 1

interface Ran {
  /** Seconds after the beginning of the minute. */
  readonly instant: number
  readonly now: number
}

/** Waits through one minute. Sleeping moves the clock at once; `moves` change it besides, when it is first looked at from an instant on. */
async function minute(
  instants: readonly number[] | ((run: Ran | undefined) => readonly number[] | undefined),
  options: Partial<LookAheadOptions<Ran | undefined>> & {
    readonly startsAt?: number
    readonly runTakesMs?: number
    readonly moves?: readonly { readonly from: number; readonly byMs: number }[]
  } = {},
) {
  const { startsAt = 0.5, runTakesMs = 0, moves = [], ...more } = options
  const time = { now: second(startsAt) }
  const pending = [...moves]
  const slept: number[] = []
  const clock: WaitClock = {
    now: () => time.now,
    sleep: async (ms) => {
      slept.push(ms)
      time.now += ms
      const [move] = pending
      if (move !== undefined && time.now >= second(move.from)) {
        pending.shift()
        time.now += move.byMs
      }
    },
  }
  const instantsOf = typeof instants === 'function' ? instants : () => instants
  const looked = await lookAhead<Ran | undefined>(undefined, time.now, {
    clock,
    untilMs,
    mayBeginAt: () => true,
    runAt: async (instantMs, nowMs) => {
      time.now += runTakesMs
      return { instant: (instantMs - start) / 1000, now: (nowMs - start) / 1000 }
    },
    ...more,
    instantsOf: (run) => instantsOf(run)?.map(second),
  })
  const end =
    looked.end === undefined ? undefined : { why: looked.end.why, left: looked.end.left.map((instant) => (instant - start) / 1000) }
  return { runs: looked.runs, end, slept, endedAt: (time.now - start) / 1000 }
}

const ran = (...pairs: readonly (readonly [instant: number, now: number])[]): Ran[] => pairs.map(([instant, now]) => ({ instant, now }))

describe('what becomes due before the next trigger', () => {
  it('is run at its instant, in order, whatever order it is named in, each once', async () => {
    const { runs, end } = await minute([30, 15, 45, 15])
    expect(runs).toEqual(ran([15, 15], [30, 30], [45, 45]))
    expect(end).toBeUndefined()
  })

  it('is only what lies between now and the next trigger', async () => {
    const { runs, slept } = await minute([-5, 0, 0.5, 60, 61, Number.NaN, Number.POSITIVE_INFINITY])
    expect(runs).toEqual([])
    expect(slept).toEqual([])
    expect((await minute([0.501, 59.999])).runs).toEqual(ran([0.501, 0.501], [59.999, 59.999]))
  })

  it('is waited for in short looks, as the clock may be moved', async () => {
    const { slept } = await minute([3])
    expect(Math.max(...slept)).toBeLessThanOrEqual(500)
    expect(slept.reduce((sum, ms) => sum + ms, 0)).toBe(2500)
  })

  it('is one run for several whose time has come, for the last of them', async () => {
    const { runs } = await minute([10, 11, 12, 13, 30], { runTakesMs: 2500 })
    expect(runs).toEqual(ran([10, 10], [12, 12.5], [13, 15], [30, 30]))
  })

  it('is asked for again after each run, and kept when a run cannot say', async () => {
    const { runs } = await minute((run) => (run === undefined ? [10, 20] : run.instant === 10 ? [12] : []))
    expect(runs).toEqual(ran([10, 10], [12, 12]))
    const blind = await minute((run) => (run === undefined ? [10, 20] : undefined))
    expect(blind.runs).toEqual(ran([10, 10], [20, 20]))
  })

  it('is left to the next trigger when there is no time for a run at it', async () => {
    const { runs, end, endedAt } = await minute([10, 40, 50], { mayBeginAt: (instant) => instant <= second(30) })
    expect(runs).toEqual(ran([10, 10]))
    expect(end).toEqual({ why: 'no-time', left: [40, 50] })
    expect(endedAt).toBe(10)
  })

  it('is left when it is stopped, right away', async () => {
    const stop = new AbortController()
    const whileRunning = await minute([10, 20], {
      signal: stop.signal,
      runAt: async (instantMs, nowMs) => {
        stop.abort()
        return { instant: (instantMs - start) / 1000, now: (nowMs - start) / 1000 }
      },
    })
    expect(whileRunning.runs).toEqual(ran([10, 10]))
    expect(whileRunning.end).toEqual({ why: 'stopped', left: [20] })
    const cause = new Error('Ctrl-C')
    const asleep = new AbortController()
    const whileSleeping = await minute([10], {
      signal: asleep.signal,
      clock: {
        now: () => second(1),
        sleep: () => {
          asleep.abort(cause)
          return Promise.reject(cause)
        },
      },
    })
    expect(whileSleeping).toMatchObject({ runs: [], end: { why: 'stopped', left: [10] } })
  })

  it('fails with a wait that fails without having been stopped', async () => {
    const broken = { now: () => second(1), sleep: () => Promise.reject(new Error('no timer')) }
    await expect(minute([10], { clock: broken })).rejects.toThrow('no timer')
  })

  it('is late, not lost, when the clock jumps past it, and left when it jumps past the next trigger', async () => {
    expect((await minute([10, 20, 50], { moves: [{ from: 5, byMs: 17_000 }] })).runs).toEqual(ran([20, 22], [50, 50]))
    const past = await minute([10, 20], { moves: [{ from: 5, byMs: 3_600_000 }] })
    expect(past).toMatchObject({ runs: [], end: { why: 'next-trigger', left: [10, 20] } })
  })

  it('is left when the clock is set back, since other triggers come by it now', async () => {
    for (const byMs of [-1000, -86_400_000]) {
      const { runs, end } = await minute([10, 20, 30], { moves: [{ from: 15, byMs }] })
      expect(runs).toEqual(ran([10, 10]))
      expect(end).toEqual({ why: 'clock-set-back', left: [20, 30] })
    }
  })

  it('is done or left, nothing else, and never before its instant', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 59 }), { maxLength: 12 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 9000 }),
        fc.integer({ min: 0, max: 70 }),
        async (instants, startsAt, runTakesMs, enoughUntil) => {
          const { runs, end } = await minute(instants, { startsAt, runTakesMs, mayBeginAt: (instant) => instant <= second(enoughUntil) })
          const wanted = [...new Set(instants)].filter((instant) => instant > startsAt).toSorted((left, right) => left - right)
          let done = startsAt
          for (const { instant, now } of runs.filter((run) => run !== undefined)) {
            expect(wanted).toContain(instant)
            expect(instant).toBeGreaterThan(done)
            expect(now).toBeGreaterThanOrEqual(instant)
            // No later one had come by then.
            expect(wanted.filter((other) => other > instant && other <= now)).toEqual([])
            done = now
          }
          expect(end?.left ?? []).toEqual(wanted.filter((instant) => instant > done))
        },
      ),
      { seed: 4, numRuns: 300 },
    )
  })
})
