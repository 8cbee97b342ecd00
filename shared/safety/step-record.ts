import type { Reason, StepFacts, StepResult } from '#shared/pure/step.ts'
import type { FreezeOverride } from './freeze-window.ts'
import type { Journal } from './journal.ts'
import { type JournalEntry, JournalError, type JournalKind, type NewJournalEntry } from './journal-entry.ts'
import type { Claim, Ledger } from './ledger.ts'
import { type FinalState, type JournalMark, LedgerError } from './ledger-entry.ts'
import { StoreError } from './store.ts'

/** What writing down needs to know about a run. */
export interface RecordPorts {
  readonly function: string
  readonly runId: string
  readonly ledger: Ledger
  readonly journal: Journal
  /** The time at this moment, not the event's: epoch milliseconds. */
  readonly now: () => number
}

/** A call of the store, the ledger or the journal that failed. */
export class Stopped {
  readonly reason: Reason
  /** Whether it may have been carried out all the same. */
  readonly isOpen: boolean

  constructor(error: StoreError | LedgerError | JournalError) {
    this.reason = { code: error.kind, text: error.message }
    this.isOpen = error instanceof StoreError && error.kind === 'store.unknown-outcome'
  }

  /** What to report when it failed before anything was written. */
  get held(): StepResult {
    return { outcome: 'Held', reason: this.reason }
  }
}

/** The answer of a call, or that it was stopped. A bug is thrown. */
export async function orStopped<T>(call: () => Promise<T>): Promise<T | Stopped> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof StoreError || error instanceof LedgerError || error instanceof JournalError) return new Stopped(error)
    throw error
  }
}

/** How a try ended, as ledger and journal keep it. */
export interface Ending {
  readonly state: FinalState
  readonly result: StepResult
  readonly action?: string | undefined
  /** With `UNKNOWN`: until then a write may still be under way. */
  readonly inFlightUntil?: number | undefined
}

/** Writes down what becomes of one step. */
export class StepRecord {
  readonly #facts: StepFacts
  readonly #ports: RecordPorts

  constructor(facts: StepFacts, ports: RecordPorts) {
    this.#facts = facts
    this.#ports = ports
  }

  now(): number {
    return Math.floor(this.#ports.now())
  }

  /** Says in the journal that a window would have held the step, and who has set it aside. */
  async noteOverride(claim: Claim, { window, by, until, reason }: FreezeOverride): Promise<JournalEntry | Stopped> {
    const text = `the window ${window} is set aside by ${by} until ${new Date(until).toISOString()}: ${reason}`
    const entry = this.#entry('note', claim, this.#facts.before, { code: 'override', text })
    return await orStopped(() => this.#ports.journal.append(entry))
  }

  /** Says in the journal what is about to be done. */
  async intend(claim: Claim, step: unknown): Promise<JournalEntry | Stopped> {
    const entry = { ...this.#entry('intent', claim, this.#facts.before, this.#facts.reason), step }
    return await orStopped(() => this.#ports.journal.append(entry))
  }

  /** Says in the journal how it ended. */
  async conclude(claim: Pick<Claim, 'id' | 'entry'>, { state, result, action }: Ending): Promise<JournalEntry | Stopped> {
    const { outcome, requestId, before = this.#facts.before, reason = this.#facts.reason } = result
    const entry = { ...this.#entry('outcome', claim, before, reason), state, outcome, requestId, action }
    return await orStopped(() => this.#ports.journal.append(entry))
  }

  /** Says in the ledger how it ended, and gives the claim back. Answers why it was not saved, if so. */
  async finish(claim: Claim, { state, result, inFlightUntil }: Ending, journal: JournalMark | undefined): Promise<Reason | undefined> {
    const { ledger, runId } = this.#ports
    const note = { outcome: result.outcome, code: result.reason?.code, requestId: result.requestId, runId }
    const finished = await orStopped(() => ledger.finish(claim, { now: this.now(), state, result: note, journal, inFlightUntil }))
    if (finished instanceof Stopped) return finished.reason
    if (finished.ok) return undefined
    return { code: 'claim-lost', text: 'this run took so long that another one has taken the step over' }
  }

  #entry(kind: JournalKind, claim: Pick<Claim, 'id' | 'entry'>, before: string, reason: Reason): NewJournalEntry {
    const { key, target, after } = this.#facts
    const { function: name, runId } = this.#ports
    const { attempt } = claim.entry
    return { kind, at: this.now(), runId, function: name, stepKey: key, target, before, after, reason, attempt, owner: claim.id }
  }
}

/** The place of a journal entry, as the ledger remembers it. */
export function markOf({ seq, hash }: JournalEntry): JournalMark {
  return { seq, hash }
}
