import type { Inbox } from './inbox.ts'
import type { Nudge } from './nudge.ts'

export interface SweepOptions {
  readonly now: number
  /** New events that wait for longer than this are taken for forgotten; 60 s when absent. */
  readonly overdueMs?: number | undefined
  /** Nudges of one sweep, at most; 100 when absent. */
  readonly limit?: number | undefined
  /** Asked before each nudge; the rest is left to the next sweep as soon as it says no. */
  readonly mayGoOn?: (() => boolean) | undefined
}

export interface Sweep {
  readonly nudged: number
  /** Nudges that failed; the next sweep sends them again. */
  readonly failed: readonly { readonly id: string; readonly error: unknown }[]
}

/**
 * Finds events that nobody was woken for, whose nudge was lost, or that were put off until now, and nudges once for each group: for the
 * last of its events that are due, before which the others are worked on. So what has piled up while no nudge arrived is worked off
 * in one go, and not one event a sweep. Nudging for what is worked on already does no harm. Throws StoreError and InboxError; never for a nudge.
 */
export async function sweepInbox(inbox: Pick<Inbox, 'due'>, nudge: Nudge, options: SweepOptions): Promise<Sweep> {
  const { now, overdueMs = 60_000, limit = 100, mayGoOn = () => true } = options
  const overdue = (await inbox.due({ now, limit })).filter(({ since, isFresh }) => !isFresh || now - since >= overdueMs)
  const failed: { id: string; error: unknown }[] = []
  let nudged = 0
  for (const { last: order } of overdue) {
    if (!mayGoOn()) break
    try {
      await nudge.send(order)
      nudged += 1
    } catch (error) {
      failed.push({ id: order.id, error })
    }
  }
  return { nudged, failed }
}
