import type { Clock } from '#cloud/clock.ts'

/** Time to wait on. It may be a sandbox's, which can be moved while somebody waits. */
export type WaitClock = Pick<Clock, 'now' | 'sleep'>

export interface LookAheadOptions<Run> {
  readonly clock: WaitClock
  /** The last instant that is waited for: what comes after it is the next trigger's. */
  readonly untilMs: number
  /** What becomes due after a run, in any order; undefined when the run could not say. */
  readonly instantsOf: (run: Run) => readonly number[] | undefined
  /** Runs again for an instant. `nowMs` is when that begins. */
  readonly runAt: (instantMs: number, nowMs: number) => Promise<Run>
  /** Whether there would be time enough for a run that begins at this instant. */
  readonly mayBeginAt: (instantMs: number) => boolean
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined
}

/** Why it was not waited any longer, where something was left to the next trigger. */
export type LookAheadEnd = 'no-time' | 'stopped' | 'clock-set-back' | 'next-trigger'

export interface LookedAhead<Run> {
  readonly runs: readonly Run[]
  /** Absent when nothing was left over. */
  readonly end?: { readonly why: LookAheadEnd; readonly left: readonly number[] }
}

/** How often the time is looked at while waiting: a clock may be moved meanwhile. */
const lookMs = 500

/**
 * Waits for what becomes due before the next trigger, and runs again at each such instant. Of several that have come by the
 * time it looks, one run stands for the last of them: a run decides what should be true now. After each run it asks again
 * what is ahead.
 *
 * It ends early, and leaves the rest to the next trigger, when there would not be time enough for the run, when it is stopped, when
 * the clock is set back, and when the clock has passed the last instant that is waited for.
 */
export async function lookAhead<Run>(first: Run, firstNowMs: number, options: LookAheadOptions<Run>): Promise<LookedAhead<Run>> {
  const { clock, untilMs, instantsOf, runAt, mayBeginAt, signal } = options
  const runs: Run[] = []
  let waiting = upcoming(instantsOf(first) ?? [], firstNowMs, untilMs)
  let latestMs = firstNowMs
  const end = (why: LookAheadEnd): LookedAhead<Run> => ({ runs, end: { why, left: waiting } })
  for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
    const nowMs = clock.now()
    if (signal?.aborted === true) return end('stopped')
    if (nowMs < latestMs) return end('clock-set-back')
    if (nowMs > untilMs) return end('next-trigger')
    latestMs = nowMs
    if (!mayBeginAt(Math.max(next, nowMs))) return end('no-time')
    if (nowMs < next) {
      await sleepOrStop(clock, Math.min(lookMs, next - nowMs), signal)
      continue
    }
    const instantMs = waiting.findLast((instant) => instant <= nowMs) ?? next
    const run = await runAt(instantMs, nowMs)
    runs.push(run)
    waiting = upcoming(instantsOf(run) ?? waiting, nowMs, untilMs)
  }
  return { runs }
}

function upcoming(instants: readonly number[], afterMs: number, untilMs: number): readonly number[] {
  const ahead = instants.filter((instant) => instant > afterMs && instant <= untilMs)
  return [...new Set(ahead)].toSorted((left, right) => left - right)
}

/** Being stopped is no failure of a wait: whoever waits sees the signal. */
async function sleepOrStop(clock: WaitClock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await clock.sleep(ms, signal)
  } catch (error) {
    if (signal?.aborted !== true) throw error
  }
}
