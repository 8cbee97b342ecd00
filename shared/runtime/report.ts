import { createHash } from 'node:crypto'
import type { Decision, Outcome, Step } from '#shared/pure/step.ts'
import type { FunctionName, Mode } from './definition.ts'
import type { Notified } from './notify/notify-port.ts'
import type { Redactor } from './redact.ts'

/** What started a run. */
export interface Trigger {
  readonly kind: 'eventbridge-scheduler' | 'eventbridge-rule' | 'scf-timer' | 'local' | 'webhook'
  /** The own name of the schedule, rule, timer or sender, where the event says it. */
  readonly name?: string | undefined
}

/** Everything a run decided and did. Plain JSON: what Lambda answers, what the local runner prints. Times are epoch milliseconds. */
export interface RunReport {
  readonly function: FunctionName
  /** Function and nominal instant: the same for every delivery of one tick. */
  readonly runId: string
  readonly mode: Mode
  readonly trigger: Trigger
  readonly scheduledAt: number
  readonly now: number
  /** One for every step of the plan, in its order. */
  readonly decisions: readonly Decision[]
  /** How many decisions came out how; every outcome is there. */
  readonly counts: Readonly<Record<Outcome, number>>
  /** What a plan is approved by: a digest over the changes it would make. Absent when there is no plan. */
  readonly planDigest?: string | undefined
  /** How much later than its instant a run began that was waited for. Absent on others. */
  readonly skewMs?: number | undefined
  /**
   * The runs that followed within the same invocation, in their order: each for an instant before the next trigger at which
   * something became due. Whole reports, without followers of their own; what is counted here is not counted above.
   */
  readonly followUps?: readonly RunReport[] | undefined
  /** What became of the notices about it and about those that followed, and of what waited; absent where nobody is notified. */
  readonly notified?: Notified | undefined
  /** Why nothing came of it: there is no plan, nothing of what it is for could be read, or not all of what was seen could be put on record. */
  readonly failure?: { readonly code: string; readonly text: string } | undefined
}

const outcomes: readonly Outcome[] = ['Applied', 'Planned', 'NoChange', 'Skipped', 'Missed', 'Held', 'Invalid', 'Failed']

export function countOutcomes(decisions: readonly Decision[]): Record<Outcome, number> {
  const counts: Record<Outcome, number> = { Applied: 0, Planned: 0, NoChange: 0, Skipped: 0, Missed: 0, Held: 0, Invalid: 0, Failed: 0 }
  for (const { outcome } of decisions) counts[outcome]++
  return counts
}

/** `Applied 2, Failed 1`; outcomes that did not happen are left out. `nothing to decide` when none did. */
export function countsText(counts: Readonly<Record<Outcome, number>>): string {
  const parts = outcomes.filter((outcome) => counts[outcome] > 0).map((outcome) => `${outcome} ${counts[outcome]}`)
  return parts.length === 0 ? 'nothing to decide' : parts.join(', ')
}

/** The id of all deliveries of one tick. */
export function runIdOf(name: FunctionName, scheduledAt: number): string {
  return `${name}@${new Date(scheduledAt).toISOString()}`
}

/**
 * Digest of what a plan would change: key, target and end state of each change, in no particular order. What is there before is
 * left out, as an end state does not depend on it.
 */
export function planDigest(steps: readonly Step<unknown>[]): string {
  const changes = steps.filter((step) => step.verdict === 'change').map(({ key, target, after }) => JSON.stringify([key, target, after]))
  return createHash('sha256').update(changes.sort().join('\n')).digest('hex')
}

/** The same report with every known secret taken out of its texts. */
export function redactReport(report: RunReport, redactor: Redactor): RunReport {
  const clean = (text: string): string => redactor.text(text)
  return {
    ...report,
    decisions: report.decisions.map((decision) => ({
      ...decision,
      key: clean(decision.key),
      target: clean(decision.target),
      before: clean(decision.before),
      after: clean(decision.after),
      reason: { code: decision.reason.code, text: clean(decision.reason.text) },
    })),
    ...(report.failure === undefined ? {} : { failure: { code: report.failure.code, text: clean(report.failure.text) } }),
    ...(report.followUps === undefined ? {} : { followUps: report.followUps.map((followUp) => redactReport(followUp, redactor)) }),
  }
}

/** A report and those of the runs that followed it, in their order. */
export function reportsOf(report: RunReport): readonly RunReport[] {
  return [report, ...(report.followUps ?? [])]
}

/**
 * Whether nothing came of a run, or of one that followed it: there was no plan, or every change that was tried failed. Such a
 * run is an error to the platform; one with some failures is a report with failures in it.
 */
export function whollyFailed(report: RunReport): boolean {
  return reportsOf(report).some(cameToNothing)
}

/** The same of one report, whatever followed. */
export function cameToNothing({ failure, counts }: RunReport): boolean {
  const { Applied, NoChange, Planned, Failed } = counts
  return failure !== undefined || (Failed > 0 && Applied + NoChange + Planned === 0)
}

/** Code of the failure of a run that could not write the record that it is for. What it decided stands. */
export const unwrittenCode = 'memory-unwritten'

/** What a failure means, as a sentence. */
export function failureSentence({ code, text }: NonNullable<RunReport['failure']>): string {
  return code === unwrittenCode ? text : `nothing was decided: ${text}`
}

/** Code of the steps that say that a cluster could not be read. */
export const unreadableCode = 'cluster-unreadable'

/** Codes of the steps that say that something could not be looked at, of whatever function. */
const unreadCodes: ReadonlySet<string> = new Set([unreadableCode, 'region-unreadable'])

/** Whether a person who started the run should be told that something went wrong: what failed, and what could not be looked at. */
export function hasFailed(report: RunReport): boolean {
  return reportsOf(report).some(
    (one) => cameToNothing(one) || one.counts.Failed > 0 || one.decisions.some(({ reason }) => unreadCodes.has(reason.code)),
  )
}
