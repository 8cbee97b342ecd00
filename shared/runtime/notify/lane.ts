import * as z from 'zod/mini'
import type { Verdict } from './channel.ts'

/**
 * The state of one notifier, shared by every process: who is sending now, what was sent within the last minute, and until when to
 * keep still. Times are epoch milliseconds.
 */
export const LaneData = z.object({
  /** Who has it, until when. Empty when nobody has. */
  owner: z.string(),
  until: z.number(),
  /** When messages were sent, those of the last minute. */
  sentAt: z.array(z.number()),
  /** Nothing is sent before. */
  notBefore: z.number(),
  /** Tries in a row that did not deliver. */
  failures: z.number(),
  /** What became of the last try; for people. */
  last: z.optional(z.object({ at: z.number(), code: z.string(), text: z.string() })),
})

export type LaneData = z.infer<typeof LaneData>

export const freshLane: LaneData = { owner: '', until: 0, sentAt: [], notBefore: 0, failures: 0 }

/** A little more than the minute that limits are counted in: clocks differ, and messages take time to arrive. */
const windowMs = 61_000

/** How many messages may be sent at `now`, and why none may. */
export function budgetAt(
  lane: LaneData,
  owner: string,
  now: number,
  perMinute: number,
): { readonly messages: number; readonly why?: 'busy' | 'keeping-still' | 'no-budget' } {
  if (lane.owner !== '' && lane.owner !== owner && lane.until > now) return { messages: 0, why: 'busy' }
  // A clock that was set back must not keep it still for long.
  if (lane.notBefore > now && lane.notBefore - now <= longestStillMs) return { messages: 0, why: 'keeping-still' }
  const messages = Math.max(0, perMinute - recent(lane, now).length)
  return messages === 0 ? { messages, why: 'no-budget' } : { messages }
}

/** The lane when its owner begins to send a message: it counts from now on, whether it arrives or not. */
export function laneSending(lane: LaneData, owner: string, now: number, holdMs: number): LaneData {
  return { ...lane, owner, until: now + holdMs, sentAt: [...recent(lane, now), now] }
}

/** The lane after a try. */
export function laneAfter(lane: LaneData, verdict: Verdict, now: number): LaneData {
  if (verdict.kind === 'delivered') return { ...lane, failures: 0, notBefore: 0, last: { at: now, code: 'delivered', text: '' } }
  const failures = lane.failures + 1
  const waitMs = verdict.kind === 'throttled' ? Math.max(verdict.waitMs, backoffMs(1)) : backoffMs(failures)
  return { ...lane, failures, notBefore: now + waitMs, last: { at: now, code: verdict.code, text: verdict.text } }
}

/** The lane when its owner has nothing more to send. */
export function laneReleased(lane: LaneData): LaneData {
  return { ...lane, owner: '', until: 0 }
}

const firstWaitMs = 30_000
const longestWaitMs = 30 * 60_000
const longestStillMs = 2 * 60 * 60_000

/** Doubles from half a minute to half an hour: the next trigger after it tries again. */
export function backoffMs(failures: number): number {
  return Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(20, Math.max(0, failures - 1)))
}

function recent({ sentAt }: LaneData, now: number): readonly number[] {
  return sentAt.filter((at) => at > now - windowMs && at <= now + windowMs)
}
