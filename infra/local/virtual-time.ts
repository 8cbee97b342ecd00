import { AsyncLocalStorage } from 'node:async_hooks'
import { createSandboxClock, type SandboxClock } from '#infra/sandbox/clock.ts'

/** Time that passes faster than the clock on the wall while nobody has anything to do. */
export interface VirtualTime {
  /** The sandbox's. Whoever sets, moves or freezes it by hand is noticed by everybody who sleeps. */
  readonly clock: SandboxClock
  /** How many times faster it passes on the whole; Infinity: as fast as the machine can. */
  readonly speed: number
  /** Epoch milliseconds. */
  now(): number
  /** Milliseconds of this time since some instant; never goes back, whatever is done to the clock. For limits of so many in a second. */
  monotonic(): number
  /**
   * Waits for so much of this time, and is no work meanwhile. Ends early, and is no failure, when the signal is aborted or the clock
   * is changed by hand: who waits for an instant looks again.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** While this is under way and does not sleep, time passes as on the wall: what a call takes is not multiplied. */
  work<T>(run: () => Promise<T>): Promise<T>
  /** What has passed since somebody slept for the first time. */
  pace(): { readonly virtualMs: number; readonly wallMs: number }
  /** Wakes nobody any more: who still sleeps does so until its signal is aborted. */
  close(): void
}

/** The time that really passes. */
export interface Wall {
  /** Epoch milliseconds. */
  now(): number
  /** Milliseconds since some instant; never goes back. */
  monotonic(): number
  /** Calls back once so many milliseconds are over; what it answers calls that off. */
  after(ms: number, run: () => void): () => void
}

export const machineWall: Wall = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(ms, longestTimerMs))
    return () => clearTimeout(timer)
  },
}

/** 2^31 - 1 ms: a longer one would be over at once. */
const longestTimerMs = 2_147_483_647
/** It is behind, and says so, when it would need so much of the wall's time to catch up. */
const behindMs = 5_000
/** What is behind by more than this, because the machine slept for example, is given up. */
const givenUpMs = 60_000

interface Sleeper {
  readonly dueMs: number
  wake(): void
}

/** Somebody at work; rests while it sleeps. */
interface Actor {
  sleeps: number
}

/**
 * Makes the time. While all who work sleep, it goes straight to the next instant that one of them sleeps for; not before it is there by the
 * speed, so that on the whole so much passes. While anybody works it passes as on the wall, so that deadlines, claims and signatures mean
 * what they mean there. Where work takes so long that the speed cannot be kept, time is slower and nothing is left out.
 *
 * A clock that is frozen by hand stays where it is, and who sleeps with it.
 *
 * @param options.startMs the wall's time when absent
 * @param options.onBehind told once how many times faster it is, when the speed cannot be kept
 */
export function createVirtualTime(options: {
  readonly startMs?: number | undefined
  readonly speed: number
  readonly onBehind?: ((reached: number) => void) | undefined
  readonly wall?: Wall
}): VirtualTime {
  const { speed, onBehind, wall = machineWall } = options
  if (!(speed >= 1)) throw new RangeError(`time passes at least as fast as on the wall; a speed of ${speed} is slower`)
  const inner = createSandboxClock({ source: wall.now, ...(options.startMs === undefined ? {} : { startMs: options.startMs }) })
  const actors = new AsyncLocalStorage<Actor>()
  const sleepers = new Set<Sleeper>()
  let atWork = 0
  let isFrozen = false
  let isClosed = false
  let isLooking = false
  let cancelTimer: (() => void) | undefined
  /** Since when the speed is kept. */
  let anchor: { readonly virtualMs: number; readonly wallMs: number } | undefined
  let first: { readonly virtualMs: number; readonly wallMs: number } | undefined
  let isBehindTold = false
  /** What was gone over while nobody worked. */
  let jumpedMs = 0

  /** Looks once everything that promises have set off has come to rest. */
  const lookSoon = (): void => {
    if (isLooking || isClosed) return
    isLooking = true
    setImmediate(() => {
      isLooking = false
      if (!isClosed) look()
    })
  }

  const look = (): void => {
    cancelTimer?.()
    cancelTimer = undefined
    const nowMs = inner.now()
    for (const sleeper of [...sleepers]) if (sleeper.dueMs <= nowMs) sleeper.wake()
    const nextMs = Math.min(...[...sleepers].map(({ dueMs }) => dueMs))
    if (isFrozen || !Number.isFinite(nextMs)) return
    if (atWork > 0) {
      cancelTimer = wall.after(nextMs - nowMs, lookSoon)
      return
    }
    const waitMs = paced(nextMs, nowMs)
    if (waitMs > 0) {
      cancelTimer = wall.after(waitMs, lookSoon)
      return
    }
    inner.set(nextMs)
    jumpedMs += nextMs - nowMs
    lookSoon()
  }

  /** How long it has to wait on the wall until an instant is there by the speed. */
  const paced = (instantMs: number, nowMs: number): number => {
    if (speed === Number.POSITIVE_INFINITY) return 0
    const wallMs = wall.now()
    anchor ??= { virtualMs: nowMs, wallMs }
    const wantedMs = anchor.virtualMs + speed * (wallMs - anchor.wallMs)
    const lateMs = (wantedMs - nowMs) / speed
    if (lateMs > behindMs && !isBehindTold) {
      isBehindTold = true
      onBehind?.((nowMs - anchor.virtualMs) / (wallMs - anchor.wallMs))
    }
    if (lateMs > givenUpMs) anchor = { virtualMs: nowMs, wallMs }
    return Math.ceil((instantMs - wantedMs) / speed)
  }

  const byHand =
    <Args extends readonly unknown[]>(change: (...args: Args) => void) =>
    (...args: Args): void => {
      change(...args)
      anchor = undefined
      for (const sleeper of [...sleepers]) sleeper.wake()
      lookSoon()
    }

  return {
    speed,
    now: inner.now,
    monotonic: () => wall.monotonic() + jumpedMs,
    clock: {
      now: inner.now,
      set: byHand(inner.set),
      move: byHand(inner.move),
      freeze: byHand(() => {
        inner.freeze()
        isFrozen = true
      }),
      run: byHand(() => {
        inner.run()
        isFrozen = false
      }),
    },
    sleep: (ms, signal) => {
      if (signal?.aborted === true || !(ms > 0)) return Promise.resolve()
      first ??= { virtualMs: inner.now(), wallMs: wall.now() }
      const actor = actors.getStore()
      return new Promise((resolve) => {
        const sleeper: Sleeper = {
          dueMs: inner.now() + ms,
          wake: () => {
            if (!sleepers.delete(sleeper)) return
            signal?.removeEventListener('abort', sleeper.wake)
            // At once, so that nobody takes it for idle before it goes on.
            if (actor !== undefined) {
              actor.sleeps -= 1
              if (actor.sleeps === 0) atWork += 1
            }
            resolve()
          },
        }
        sleepers.add(sleeper)
        signal?.addEventListener('abort', sleeper.wake)
        if (actor !== undefined) {
          if (actor.sleeps === 0) atWork -= 1
          actor.sleeps += 1
        }
        lookSoon()
      })
    },
    work: async (run) => {
      atWork += 1
      try {
        return await actors.run({ sleeps: 0 }, run)
      } finally {
        atWork -= 1
        lookSoon()
      }
    },
    pace: () =>
      first === undefined ? { virtualMs: 0, wallMs: 0 } : { virtualMs: inner.now() - first.virtualMs, wallMs: wall.now() - first.wallMs },
    close: () => {
      isClosed = true
      cancelTimer?.()
    },
  }
}
