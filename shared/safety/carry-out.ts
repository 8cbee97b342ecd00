import { asReader } from '#cloud/client.ts'
import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError } from '#cloud/kube-error.ts'
import type { Reason, Step, StepFacts, StepResult } from '#shared/pure/step.ts'
import { contentDigest } from './canonical-json.ts'
import type { FreezeOverride } from './freeze-window.ts'
import type { Guard, GuardRun } from './guard.ts'
import type { JournalEntry } from './journal-entry.ts'
import type { Acquired, Claim } from './ledger.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { type Doubt, type Finding, type Settlement, settleClaim } from './settle-claim.ts'
import { type Ending, markOf, orStopped, type RecordPorts, StepRecord, Stopped } from './step-record.ts'
import { WriteGate } from './write-gate.ts'

export type ChangeStep<Change> = Step<Change> & { readonly verdict: 'change' }

/** How a function asks its target whether a write of a step has arrived. */
export type Settle<Change> = (step: ChangeStep<Change>, cloud: CloudReader, doubt: Doubt) => Promise<Settlement>

export interface CarryOutPorts<Change> extends RecordPorts {
  /** Unique to this run of this process: see `AcquireOrder.owner`. */
  readonly owner: string
  readonly guard: Guard
  /** As the guard sees the run: nothing is carried out but in `enforce`. */
  readonly mode: GuardRun['mode']
  /** The targets of all steps of the plan; pass the same array for the whole run. */
  readonly targetsInPlan: readonly string[]
  /** How much a step counts against caps; 1 when absent. */
  readonly units?: ((step: ChangeStep<Change>) => number) | undefined
  readonly cloud: CloudWriter
  /** Carries the step out; every call goes through the writer it is given. Reads its target again first. */
  readonly apply: (step: ChangeStep<Change>, cloud: CloudWriter) => Promise<StepResult>
  /** Without it nothing in doubt can be settled but by a person. */
  readonly settle?: Settle<Change> | undefined
  /** Until the platform ends the process; infinite where it does not. */
  readonly remainingMs: () => number
  /** The longest that one call may take; 10 s when absent. */
  readonly callTimeoutMs?: number | undefined
  /** What must be left beyond that, to write down the outcome; 2 s when absent. */
  readonly marginMs?: number | undefined
  /**
   * How long a claim on a step lasts; 120 s when absent. A crashed run blocks its step for so long. A write renews it, so only a
   * step that reads or waits for longer than this between two writes needs more.
   */
  readonly claimMs?: number | undefined
}

/** Codes of the reasons that `carryOut` gives itself, beside those of gate, guard and settling, and the kinds of errors. */
export type CarryOutCode =
  | 'already-done'
  | 'busy'
  | 'settled-applied'
  | 'unknown-outcome'
  | 'outcome-not-saved'
  | 'guard.no-time-left'
  | 'apply-failed'

const defaultCallTimeoutMs = 10_000
const defaultMarginMs = 2_000
export const defaultClaimMs = 120_000

/** One step on its way. */
interface Work<Change> {
  readonly step: ChangeStep<Change>
  readonly ports: CarryOutPorts<Change>
  readonly record: StepRecord
  /** What would have held the step. */
  readonly overrides: readonly FreezeOverride[]
  /** The first write must start by then. */
  readonly beginsBy: number | undefined
}

/** What is reported, and whether anything was written or may have been. */
interface Carried {
  readonly result: StepResult
  readonly wrote: boolean
}

/**
 * Carries out one step so that it happens at most once, whatever is repeated, crashes or answers too late, and so that it is
 * never lost sight of: guard, ledger, intent in the journal, guard again, the write, outcome in the journal, ledger.
 *
 * - Whatever fails before the first write stops the step: `Held`, nothing was written, the next run takes it up.
 * - A write whose answer was lost is settled by reading. Seen to be there: `Applied`. Not seen: `Held` (`unknown-outcome`) until it
 *   cannot be under way any more, and the next run that still does not see it does it again. Cannot be told: `Held` until
 *   somebody settles it. It is never just repeated.
 * - When the outcome cannot be saved the step is `Applied` with a warning (`outcome-not-saved`). Its key stays started, and a
 *   later run settles it.
 * - A step that an earlier run left open is settled first (see `settleClaim`). Found to be done, it is `NoChange`, for this
 *   run wrote nothing; found not to be done, it is done.
 * - A key that is done is `NoChange`; one that somebody is at is `Held` (`busy`).
 *
 * Throws only what is a bug of a port; the key is then settled by a later run.
 */
export async function carryOut<Change>(step: ChangeStep<Change>, ports: CarryOutPorts<Change>): Promise<StepResult> {
  const { guard, mode, runId, targetsInPlan, remainingMs, units } = ports
  const record = new StepRecord(step, ports)
  const change = { target: step.target, units: units?.(step) }
  const moment = { now: record.now(), remainingMs: remainingMs() }
  const verdict = await guard.check(change, { mode, runId, targetsInPlan, ...moment })
  if (!verdict.allow) return { outcome: verdict.outcome, reason: verdict.reason }
  const { reservation, overrides } = verdict
  const { wrote, result } = await underClaim({ step, ports, record, overrides, beginsBy: reservation?.beginsBy })
  if (reservation !== undefined) {
    // When this fails the room stays taken, which errs on the safe side.
    await orStopped(() => (wrote ? guard.confirm(reservation, { now: record.now() }) : guard.release(reservation, { now: record.now() })))
  }
  return result
}

async function underClaim<Change>(work: Work<Change>): Promise<Carried> {
  let acquired = await orStopped(() => acquire(work))
  if (!(acquired instanceof Stopped) && acquired.kind === 'settle') {
    const settled = await settleClaim(acquired.claim, work.record, (doubt) => askTarget(work, doubt), work.ports)
    if (settled !== 'again') return { result: settled, wrote: false }
    acquired = await orStopped(() => acquire(work))
  }
  if (acquired instanceof Stopped) return { result: acquired.held, wrote: false }
  switch (acquired.kind) {
    case 'acquired':
      return await tryOnce(work, acquired.claim)
    case 'done':
      return { result: doneBefore(acquired.entry), wrote: false }
    // A second one to settle within one pass: somebody else was faster, and is gone already. The next run looks into it.
    case 'settle':
    case 'busy':
      return { result: busy(acquired.entry), wrote: false }
  }
}

async function acquire<Change>({ step, ports, record }: Work<Change>): Promise<Acquired> {
  const { ledger, journal, owner, remainingMs, claimMs = defaultClaimMs } = ports
  const { seq: journalBefore } = await journal.end({ now: record.now() })
  const now = record.now()
  const deadline = now + Math.max(0, Math.min(remainingMs(), claimMs))
  return await ledger.acquire({ key: step.key, owner, now, deadline, digest: endStateDigest(step), journalBefore })
}

/** What a key stands for: the same key with another end state is a mistake. What is there before does not matter. */
function endStateDigest({ key, target, after }: StepFacts): string {
  return contentDigest([key, target, after])
}

/** A fresh claim: intent, apply, outcome. */
async function tryOnce<Change>(work: Work<Change>, claim: Claim): Promise<Carried> {
  const { step, ports, record } = work
  const { callTimeoutMs = defaultCallTimeoutMs, marginMs = defaultMarginMs, claimMs = defaultClaimMs } = ports
  const intent = await intend(work, claim)
  if (intent instanceof Stopped) {
    // An intent that may be there after all is closed by whoever settles the key.
    if (!intent.isOpen) await record.finish(claim, { state: 'FAILED_SAFE', result: intent.held }, claim.entry.journal)
    return { result: intent.held, wrote: false }
  }
  const { beginsBy, overrides } = work
  const gate = new WriteGate({ ...ports, claim, claimMs, beginsBy, overrides, neededMs: callTimeoutMs + marginMs, now: () => record.now() })
  let ended: Ended
  try {
    ended = { result: await ports.apply(step, gate) }
  } catch (error) {
    ended = { error }
  }
  gate.close()
  const ending = await endingOf(work, ended, gate)
  const wrote = wroteThrough(gate)
  const warning = await save(record, gate.claim, ending)
  const { result } = ending
  if (warning === undefined || result.outcome !== 'Applied') return { result, wrote }
  const text = `it was done, but that could not be saved (${warning.text}); a later run settles it and does not do it again`
  return { result: { ...result, reason: { code: 'outcome-not-saved' satisfies CarryOutCode, text } }, wrote }
}

/** What is about to be done, in the journal, and with whose leave where it would have been held. */
async function intend<Change>({ step, record, overrides }: Work<Change>, claim: Claim): Promise<JournalEntry | Stopped> {
  for (const override of overrides) {
    const noted = await record.noteOverride(claim, override)
    if (noted instanceof Stopped) return noted
  }
  return await record.intend(claim, step)
}

/** Outcome into the journal, then the state into the ledger. Answers why not, if so. */
async function save(record: StepRecord, claim: Claim, ending: Ending): Promise<Reason | undefined> {
  const outcome = await record.conclude(claim, ending)
  // As long as it is not in the journal the ledger must not say that all is well, or nobody would ever write it.
  return outcome instanceof Stopped ? outcome.reason : await record.finish(claim, ending, markOf(outcome))
}

/** How `apply` came back. */
type Ended = { readonly result: StepResult } | { readonly error: unknown }

function wroteThrough(gate: WriteGate): boolean {
  return gate.writes.some(({ state }) => state !== 'refused')
}

/** What a try came to; the target is asked where that is not certain. */
async function endingOf<Change>(work: Work<Change>, ended: Ended, gate: WriteGate): Promise<Ending> {
  const { writes, refusal } = gate
  const requestId = writes.findLast((write) => write.requestId !== undefined)?.requestId
  const action = writes.at(-1)?.action
  const reported = 'result' in ended ? ended.result : failedWith(ended.error)
  // Of an error that came after a write, the write's own counts: the error may be that of a reading.
  const isOwnId = 'result' in ended && reported.requestId !== undefined
  const own: StepResult = requestId === undefined || isOwnId ? reported : { ...reported, requestId }
  const stopped: StepResult = refusal === undefined ? own : { ...own, outcome: 'Held', reason: refusal }
  const isThere = own.outcome === 'Applied' || own.outcome === 'NoChange'
  if (!wroteThrough(gate)) {
    const isDone = isThere && refusal === undefined
    return { state: isDone ? 'SUCCEEDED' : 'FAILED_SAFE', result: stopped, action }
  }
  // What the function says is there, is there; unless it had more to do and did not notice that it may not.
  if (isThere && refusal === undefined) return { state: 'SUCCEEDED', result: own, action }
  const mayBeUnderWay = writes.some(({ state }) => state === 'doubtful' || state === 'under-way') || isDoubtful(ended)
  // What it says about writes that were answered, it knows; unless it was stopped or thrown out in the middle of several.
  const isWhole = 'result' in ended ? refusal === undefined : ended.error instanceof KubeError && gate.isErrorOfOnlyWrite
  if (!mayBeUnderWay && isWhole) return { state: 'FAILED_SAFE', result: own, action }

  const { attempt, startedAt } = gate.claim.entry
  const { verdict, text } = await askTarget(work, { attempt, startedAt })
  const lost = own.reason === undefined ? '' : ` (${own.reason.text})`
  const because = (outcome: 'Applied' | 'Held', code: CarryOutCode, what: string): StepResult => ({
    ...own,
    outcome,
    reason: { code, text: `whether the write arrived was not known${lost}; ${what}` },
  })
  if (verdict === 'applied') return { state: 'SUCCEEDED', result: because('Applied', 'settled-applied', text), action }
  if (verdict === 'not-applied' && !mayBeUnderWay) return { state: 'FAILED_SAFE', result: stopped, action }
  const what =
    verdict === 'not-applied'
      ? 'it is not to be seen, but may still be under way; the next run looks again before it does anything'
      : `that cannot be told: ${text}; it is not repeated before it is settled`
  const inFlightUntil = work.record.now() + work.ports.ledger.graceMs
  return { state: 'UNKNOWN', result: because('Held', 'unknown-outcome', what), action, inFlightUntil }
}

/** Whether the function itself says that it does not know whether its write arrived. */
function isDoubtful(ended: Ended): boolean {
  if ('result' in ended) return ended.result.reason?.code === ('unknown-outcome' satisfies CarryOutCode)
  const { error } = ended
  if (error instanceof CloudError) return error.kind === 'cloud.unknown-outcome'
  return error instanceof KubeError && (error.kind === 'kube.unavailable' || error.kind === 'kube.bad-answer')
}

async function askTarget<Change>({ step, ports }: Work<Change>, doubt: Doubt): Promise<Finding> {
  return await findOut(() => ports.settle?.(step, asReader(ports.cloud), doubt))
}

/** What reading says; whatever goes wrong with it says nothing. */
export async function findOut(settle: () => Promise<Settlement> | undefined): Promise<Finding> {
  try {
    const verdict = await settle()
    if (verdict === undefined) return { verdict: 'unknown', text: 'this function cannot find it out by reading' }
    const text = { applied: 'the target shows it', 'not-applied': 'the target does not show it', unknown: 'the target does not tell' }[
      verdict
    ]
    return { verdict, text }
  } catch (error) {
    return { verdict: 'unknown', text: `its target cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

function failedWith(error: unknown): StepResult {
  if (!(error instanceof Error)) {
    return {
      outcome: 'Failed',
      reason: { code: 'apply-failed' satisfies CarryOutCode, text: `something that is no error was thrown: ${String(error)}` },
    }
  }
  const isStopped = error instanceof CloudError && (error.kind === 'cloud.deadline' || error.kind === 'cloud.aborted')
  if (isStopped)
    return {
      outcome: 'Held',
      reason: { code: 'guard.no-time-left' satisfies CarryOutCode, text: `${error.message} The next run takes it up.` },
    }
  const code = 'kind' in error && typeof error.kind === 'string' ? error.kind : ('apply-failed' satisfies CarryOutCode)
  const requestId = 'requestId' in error && typeof error.requestId === 'string' ? { requestId: error.requestId } : {}
  return { outcome: 'Failed', reason: { code, text: error.message }, ...requestId }
}

function doneBefore(entry: LedgerEntry): StepResult {
  const text = `it was done at ${new Date(entry.changedAt).toISOString()} already; nothing is done twice`
  return { outcome: 'NoChange', reason: { code: 'already-done' satisfies CarryOutCode, text } }
}

function busy(entry: LedgerEntry): StepResult {
  const until = entry.holder === undefined ? '' : ` until ${new Date(entry.holder.deadline).toISOString()} at the latest`
  return {
    outcome: 'Held',
    reason: { code: 'busy' satisfies CarryOutCode, text: `another run is at it${until}; the next run looks again` },
  }
}
