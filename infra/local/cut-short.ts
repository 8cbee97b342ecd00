import { countOutcomes, type RunReport, unreadableCode } from '#shared/runtime/report.ts'

/** A run as a person should see it who stopped it. */
export interface SeenRun {
  readonly report: RunReport
  /** Whether the run was stopped before it was done. */
  readonly isCutShort: boolean
}

/**
 * Takes out of a stopped run what only says that it was stopped: nothing is the matter with a cluster whose reading somebody
 * ended. What was done, and what was being written, stays.
 */
export function seenRun(report: RunReport, signal: AbortSignal): SeenRun {
  if (!signal.aborted) return { report, isCutShort: false }
  const decisions = report.decisions.filter(
    ({ outcome, reason }) => !(outcome === 'Held' && (reason.code === unreadableCode || /\bcaller ended\b/.test(reason.text))),
  )
  const { failure, ...rest } = report
  const isCutShort =
    failure !== undefined || decisions.length < report.decisions.length || decisions.some(({ reason }) => reason.code === 'aborted')
  return { report: { ...rest, decisions, counts: countOutcomes(decisions) }, isCutShort }
}
