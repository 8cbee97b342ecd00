import type { Inbox, InboxClaim, InboxOutcome } from '#shared/safety/inbox.ts'
import { InboxError } from '#shared/safety/inbox-entry.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { Log } from './log.ts'
import type { Process } from './queue-definition.ts'

export interface ProcessPorts {
  /** The time at this moment, epoch milliseconds. */
  readonly now: () => number
  readonly signal: AbortSignal
  readonly log: Log
  /** Takes secrets out of what is kept about a failure. */
  readonly redact: (text: string) => string
}

/**
 * How a try ended.
 *
 * - `done`, `failed`, `later`, `dead` as it was written down
 * - `lost` somebody else had taken the event over; what counts is what they write down
 * - `open` it could not be written down: the event comes back after its deadline and is worked on again
 */
export type Ending = 'done' | 'failed' | 'later' | 'dead' | 'lost' | 'open'

/**
 * Works on one event that was taken, and writes down what became of it under the claim. Whatever the work throws is a try that
 * failed, unless it was told to stop: then it goes on at once, and no try is counted. Throws nothing but bugs of the inbox.
 */
export async function processEntry(
  inbox: Pick<Inbox, 'finish'>,
  claim: InboxClaim,
  process: Process,
  ports: ProcessPorts,
): Promise<Ending> {
  const { now, signal, redact } = ports
  const { entry } = claim
  const log = ports.log.with({ target: entry.id, trigger: entry.source, attempt: entry.attempt })
  const begunAt = now()
  let outcome: InboxOutcome
  try {
    const { id, source, group, payload, receivedAt, attempt } = entry
    const remainingMs = (): number => claim.deadline - now()
    outcome = await process({ id, source, group, payload, receivedAt, attempt }, { now: begunAt, remainingMs, signal, log })
  } catch (error) {
    outcome = signal.aborted
      ? { kind: 'later', at: now(), code: 'queue.stopped', text: 'it was stopped midway' }
      : { kind: 'failed', ...problemOf(error) }
    if (outcome.kind === 'failed' && isBug(error)) log.write('error', 'process-crashed', { error: stackOf(error) })
  }
  if (outcome.kind !== 'done') outcome = { ...outcome, text: redact(outcome.text) }
  let ending: Ending
  try {
    const finished = await inbox.finish(claim, { now: now(), outcome })
    ending = finished.ok ? endingOf(outcome, finished.entry.state) : 'lost'
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof InboxError)) throw error
    log.write('error', 'event-not-saved', { code: error.kind, reason: error.message })
    return 'open'
  }
  const why = outcome.kind === 'done' ? {} : { code: outcome.code, reason: outcome.text }
  log.write(levels[ending], 'event-processed', { outcome: ending, durationMs: now() - begunAt, ...why })
  return ending
}

const levels = { done: 'info', later: 'info', failed: 'warn', lost: 'warn', dead: 'error', open: 'error' } as const

/** A try that failed may have been the last. */
function endingOf(outcome: InboxOutcome, state: string): Ending {
  return state === 'DEAD' ? 'dead' : outcome.kind
}

/** Code and sentence of what was thrown. */
export function problemOf(error: unknown): { readonly code: string; readonly text: string } {
  if (!(error instanceof Error)) return { code: 'queue.failed', text: `something that is no error was thrown: ${String(error)}` }
  return { code: 'kind' in error && typeof error.kind === 'string' ? error.kind : 'queue.failed', text: error.message }
}

/** One with a kind says all there is to say. */
function isBug(error: unknown): boolean {
  return !(error instanceof Error && 'kind' in error)
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined
}
