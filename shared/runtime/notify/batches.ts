import { worstFirst } from './message.ts'
import type { WaitingNotice } from './outbox.ts'

export interface BatchRules {
  /** Messages that may be sent now. */
  readonly messages: number
  /** More notices than these at once become one message. */
  readonly digestAfter: number
}

/** So many at once: each of them is written down as sent. */
const mostInDigest = 200

/**
 * What goes into which message: each notice into its own, or all of them into one when there are many or little may be sent. A
 * notice that was refused before goes alone, so that it does not take others with it. The worst first. Without messages there is
 * nothing; what is in none of them waits.
 */
export function batchesOf(waiting: readonly WaitingNotice[], { messages, digestAfter }: BatchRules): readonly (readonly WaitingNotice[])[] {
  if (messages <= 0 || waiting.length === 0) return []
  const sorted = worstFirst(waiting.map((item) => ({ ...item.notice, item }))).map(({ item }) => item)
  const fresh = sorted.filter(({ refusals }) => refusals === 0)
  const doubtful = sorted.filter(({ refusals }) => refusals > 0)
  if (fresh.length === 0) return doubtful.slice(0, messages).map((item) => [item])
  if (fresh.length <= digestAfter && fresh.length <= messages) return [...fresh, ...doubtful].slice(0, messages).map((item) => [item])
  return [fresh.slice(0, mostInDigest), ...doubtful.slice(0, messages - 1).map((item) => [item])]
}
