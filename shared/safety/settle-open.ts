import { asReader } from '#cloud/client.ts'
import type { CloudReader } from '#cloud/cloud.ts'
import type { StepResult } from '#shared/pure/step.ts'
import { type ChangeStep, defaultClaimMs, findOut, type Settle } from './carry-out.ts'
import type { JournalEntry } from './journal-entry.ts'
import { type Doubt, type Finding, type SettleCode, settleClaim } from './settle-claim.ts'
import { orStopped, type RecordPorts, StepRecord, Stopped } from './step-record.ts'

export interface SettleOpenPorts<Change> extends RecordPorts {
  /** Unique to this run of this process: see `AcquireOrder.owner`. */
  readonly owner: string
  readonly cloud: CloudReader
  readonly settle?: Settle<Change> | undefined
  /** The step that the journal kept as JSON; undefined when it is none of this function's. */
  readonly readStep: (step: unknown) => ChangeStep<Change> | undefined
  readonly remainingMs: () => number
  /** How far back intents are looked at; 24 hours when absent. */
  readonly lookBackMs?: number | undefined
  /** The most that are settled at once; 20 when absent. */
  readonly limit?: number | undefined
}

export interface SettledStep {
  readonly key: string
  readonly target: string
  readonly result: StepResult
}

const defaultLookBackMs = 86_400_000
const defaultLimit = 20
const mostEntries = 5_000

/**
 * Settles the steps that earlier runs left open and that no plan may ever name again: intents in the journal without an
 * outcome, and outcomes that are not known. Reads only, as far as the targets go; what is found not to be done is left to a
 * plan. A step that somebody is at is left alone. With nothing open it costs one read of the journal.
 *
 * Answers what became of each one, in the order of their intents. Throws StoreError and JournalError of the journal's reading.
 */
export async function settleOpen<Change>(ports: SettleOpenPorts<Change>): Promise<readonly SettledStep[]> {
  const { journal, now, lookBackMs = defaultLookBackMs, limit = defaultLimit } = ports
  const at = Math.floor(now())
  const entries = await journal.list({ now: at, from: at - lookBackMs, limit: mostEntries })
  const settled: SettledStep[] = []
  for (const intent of openIntents(entries)) {
    if (settled.length >= limit) break
    const result = await settleOne(intent, ports)
    if (result !== undefined) settled.push({ key: intent.stepKey, target: intent.target, result })
  }
  return settled
}

/** The intents whose last outcome is missing or unknown. */
export function openIntents(entries: readonly JournalEntry[]): readonly JournalEntry[] {
  const open = new Map<string, JournalEntry>()
  for (const entry of entries) {
    const id = JSON.stringify([entry.stepKey, entry.attempt])
    if (entry.kind === 'intent') open.set(id, entry)
    else if (entry.kind === 'outcome' && entry.state !== 'UNKNOWN') open.delete(id)
  }
  return [...open.values()]
}

async function settleOne<Change>(intent: JournalEntry, ports: SettleOpenPorts<Change>): Promise<StepResult | undefined> {
  const { ledger, owner, remainingMs, settle, cloud, readStep } = ports
  const { stepKey: key, target, before, after, reason } = intent
  const record = new StepRecord({ key, target, before, after, reason }, ports)
  const now = record.now()
  const deadline = now + Math.max(0, Math.min(remainingMs(), defaultClaimMs))
  const acquired = await orStopped(() => ledger.acquire({ key, owner, now, deadline }))
  if (acquired instanceof Stopped) return acquired.held
  const entry = acquired.kind === 'acquired' ? acquired.claim.entry : acquired.entry
  if (acquired.kind === 'acquired') {
    // Settled by somebody else since the journal was read.
    await record.finish(acquired.claim, { state: 'FAILED_SAFE', result: leftToPlan }, entry.journal)
  }
  if (entry.attempt > (intent.attempt ?? entry.attempt)) {
    // A later try begins only when this one has certainly not happened: its intent arrived after everybody had given it up.
    await record.conclude({ id: owner, entry: { ...entry, attempt: intent.attempt ?? 0 } }, { state: 'FAILED_SAFE', result: leftToPlan })
    return leftToPlan
  }
  if (acquired.kind !== 'settle') return undefined
  const step = intent.step === undefined ? undefined : readStep(intent.step)
  const ask = (doubt: Doubt): Promise<Finding> => findOut(() => (step === undefined ? undefined : settle?.(step, asReader(cloud), doubt)))
  const settled = await settleClaim(acquired.claim, record, ask, ports)
  return settled === 'again' ? leftToPlan : settled
}

const leftToPlan: StepResult = {
  outcome: 'Skipped',
  reason: { code: 'settled-not-applied' satisfies SettleCode, text: 'an earlier run began it and has not done it; it is left to a plan' },
}
