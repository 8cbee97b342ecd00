import type { StepResult } from '#shared/pure/step.ts'
import type { Claim } from './ledger.ts'
import type { JournalMark, LedgerEntry } from './ledger-entry.ts'
import { type Ending, markOf, orStopped, type RecordPorts, type StepRecord, Stopped } from './step-record.ts'

/**
 * What reading says about a write whose answer is not known.
 *
 * - `applied` it arrived: the end state is there, or was
 * - `not-applied` none of the step's writes arrived
 * - `unknown` reading does not tell, or only some of them arrived
 */
export type Settlement = 'applied' | 'not-applied' | 'unknown'

/** What is known about the try that is in doubt. */
export interface Doubt {
  readonly attempt: number
  /** When that try began, epoch milliseconds: it may be long ago. */
  readonly startedAt: number
}

export interface Finding {
  readonly verdict: Settlement
  /** How that is known, for people. */
  readonly text: string
}

/** Codes of the reasons that settling gives. */
export type SettleCode = 'settled-applied' | 'settled-not-applied' | 'unknown-outcome'

/**
 * Settles a key that an earlier run left open, under a claim of kind `settle`. It never does anything about the target.
 *
 * Where the journal says how the try ended, that counts, whatever the target shows by now. Where it says that the try never
 * began, it certainly has not happened: no write goes out before its intent is written. Else the target is asked;
 * not seeing the write counts only when it cannot be under way any more. A try whose owner is gone gets its outcome here.
 *
 * Answers `again` when it has certainly not happened and the key is free, else what to report. Throws only what `ask` throws.
 */
export async function settleClaim(
  claim: Claim,
  record: StepRecord,
  ask: (doubt: Doubt) => Promise<Finding>,
  { journal }: Pick<RecordPorts, 'journal'>,
): Promise<StepResult | 'again'> {
  const { entry } = claim
  const { attempt, startedAt, key, journalBefore: after = 0 } = entry
  const trace = await orStopped(() => journal.trace({ stepKey: key, attempt, after, now: record.now() }))
  if (trace instanceof Stopped) return await leaveOpen(claim, record, trace.held)
  const outcome = trace.findLast(({ kind }) => kind === 'outcome')
  if (outcome?.state === 'SUCCEEDED' || outcome?.state === 'FAILED_SAFE') {
    return await close(claim, record, { state: outcome.state, text: `its journal says: ${outcome.reason.text}` }, markOf(outcome))
  }
  if (!trace.some(({ kind }) => kind === 'intent')) {
    return await close(claim, record, { state: 'FAILED_SAFE', text: 'it stopped before it began' }, entry.journal)
  }

  const { verdict, text } = await ask({ attempt, startedAt })
  const mayBeUnderWay = record.now() < (entry.inFlightUntil ?? 0)
  if (verdict === 'applied' || (verdict === 'not-applied' && !mayBeUnderWay)) {
    const settled = { state: verdict === 'applied' ? 'SUCCEEDED' : 'FAILED_SAFE', text } as const
    const noted = await record.conclude(claim, endingOf(settled))
    return noted instanceof Stopped ? noted.held : await close(claim, record, settled, markOf(noted))
  }
  const held = openResult(entry, verdict, text)
  // To say once that it is not known is enough.
  if (outcome !== undefined) return await leaveOpen(claim, record, held)
  const noted = await record.conclude(claim, { state: 'UNKNOWN', result: held })
  return noted instanceof Stopped ? noted.held : await leaveOpen(claim, record, held, markOf(noted))
}

interface Settled {
  readonly state: 'SUCCEEDED' | 'FAILED_SAFE'
  readonly text: string
}

/** Writes into the ledger what is certain now. */
async function close(claim: Claim, record: StepRecord, settled: Settled, mark: JournalMark | undefined): Promise<StepResult | 'again'> {
  const ending = endingOf(settled)
  const problem = await record.finish(claim, ending, mark)
  if (settled.state === 'SUCCEEDED') return ending.result
  return problem === undefined ? 'again' : { outcome: 'Held', reason: problem }
}

async function leaveOpen(claim: Claim, record: StepRecord, result: StepResult, mark = claim.entry.journal): Promise<StepResult> {
  // When this is not saved the claim runs out by itself.
  await record.finish(claim, { state: 'UNKNOWN', result, inFlightUntil: claim.entry.inFlightUntil }, mark)
  return result
}

function endingOf({ state, text }: Settled): Ending {
  const isDone = state === 'SUCCEEDED'
  const code: SettleCode = isDone ? 'settled-applied' : 'settled-not-applied'
  const what = isDone ? 'an earlier run has done it and could not say so' : 'an earlier run began it and has not done it'
  return { state, result: { outcome: isDone ? 'NoChange' : 'Held', reason: { code, text: `${what}: ${text}` } } }
}

function openResult(entry: LedgerEntry, verdict: Settlement, text: string): StepResult {
  const since = new Date(entry.startedAt).toISOString()
  const what =
    verdict === 'not-applied'
      ? 'it is not to be seen, but may still be under way; the next run looks again'
      : `whether it has happened cannot be told: ${text}; it is not done before somebody settles that`
  return {
    outcome: 'Held',
    reason: { code: 'unknown-outcome' satisfies SettleCode, text: `an earlier run began it at ${since}, and ${what}` },
  }
}
