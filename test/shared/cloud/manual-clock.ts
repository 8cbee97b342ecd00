import type { Clock } from '#cloud/clock.ts'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/** Time that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /** Moves time on, waking sleepers in order, each at its own instant, and letting what they do come to rest. */
  advance(ms: number): Promise<void>
  /** Moves to the next sleeper's instant; false when nobody sleeps. */
  advanceToNext(): Promise<boolean>
  /** The wall clock jumps; sleepers do not notice. */
  jump(ms: number): void
  readonly sleeperCount: number
}

/** Lets promises that follow from one another settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}

export function manualClock(startAt = 1_700_000_000_000): ManualClock {
  const sleepers: Sleeper[] = []
  let elapsed = 0
  let jumped = 0
  const wakeUntil = async (until: number): Promise<void> => {
    await settle()
    for (;;) {
      sleepers.sort((a, b) => a.at - b.at)
      const [next] = sleepers
      if (next === undefined || next.at > until) break
      sleepers.shift()
      elapsed = Math.max(elapsed, next.at)
      next.wake()
      await settle()
    }
    elapsed = Math.max(elapsed, until)
  }
  return {
    now: () => startAt + elapsed + jumped,
    monotonic: () => elapsed,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) {
          reject(signal.reason)
          return
        }
        if (ms <= 0) {
          resolve()
          return
        }
        const onAbort = (): void => {
          const index = sleepers.indexOf(sleeper)
          if (index !== -1) sleepers.splice(index, 1)
          reject(signal?.reason)
        }
        const sleeper: Sleeper = {
          at: elapsed + ms,
          wake: () => {
            signal?.removeEventListener('abort', onAbort)
            resolve()
          },
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        sleepers.push(sleeper)
      }),
    advance: (ms) => wakeUntil(elapsed + ms),
    async advanceToNext() {
      sleepers.sort((a, b) => a.at - b.at)
      const [next] = sleepers
      if (next === undefined) return false
      await wakeUntil(next.at)
      return true
    },
    jump(ms) {
      jumped += ms
    },
    get sleeperCount() {
      return sleepers.length
    },
  }
}

export interface HurriedClock extends Clock {
  readonly slept: readonly number[]
  jump(ms: number): void
}

/** Time in which every sleep is over at once and moves the clock by its length; between sleeps it stands still. */
export function hurriedClock(startAt = 1_700_000_000_000): HurriedClock {
  const slept: number[] = []
  let elapsed = 0
  let jumped = 0
  return {
    now: () => startAt + elapsed + jumped,
    monotonic: () => elapsed,
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      if (ms <= 0) return
      slept.push(ms)
      elapsed += ms
    },
    slept,
    jump(ms) {
      jumped += ms
    },
  }
}
