import type { Decision, Outcome } from '#shared/pure/step.ts'
import { cameToNothing, countsText, type RunReport, unreadableCode } from '../report.ts'
import type { Notice, Severity } from './notice.ts'

const hourMs = 3_600_000

/** What a decision is called that people should hear of, and how long it is the same news. */
const news: Readonly<Partial<Record<Outcome, { readonly what: string; readonly forMs: number }>>> = {
  Failed: { what: 'failed', forMs: 4 * hourMs },
  Held: { what: 'is held', forMs: 24 * hourMs },
  Missed: { what: 'was missed', forMs: 24 * hourMs },
  Invalid: { what: 'is invalid', forMs: 24 * hourMs },
}

/** Reasons that somebody has set up: that something is held for one of them is as it should be. */
const intended = new Set([
  'canary',
  'over-cap',
  'paused',
  'opt-out',
  'override',
  'not-reviewed',
  'guard.mode',
  'guard.kill-switch',
  'guard.freeze-window',
  'guard.outside-windows',
  'guard.protected',
])

/** Reasons that the next run has done away with: no news at all. */
const passing = new Set(['aborted', 'busy', 'guard.no-time-left'])

/**
 * What people should hear of a run, whatever its function: that nothing came of it (critical), a cluster that could not be read, and
 * each target that failed, is held, missed or invalid (warnings; for
 * one that is held by what somebody has set up: info). The same target with the same reason is news again after four
 * hours when it fails, else after a day; a missed firing each time.
 */
export function noticesOfReport(report: RunReport): readonly Notice[] {
  const { function: name, failure, now, counts, mode, runId } = report
  const facts = { mode, run: runId }
  const notices: Notice[] = []
  if (cameToNothing(report)) {
    notices.push({
      key: `${name}/run/${failure?.code ?? 'failed'}`,
      severity: 'critical',
      function: name,
      title: failure === undefined ? `nothing was achieved (${countsText(counts)})` : 'the run came to nothing',
      lines: failure === undefined ? [] : [failure.text],
      at: now,
      facts,
      dedupeMs: 4 * hourMs,
    })
  }
  const seen = new Set<string>()
  for (const decision of report.decisions) {
    const notice = noticeOf(decision, { name, now, facts })
    if (notice === undefined || seen.has(notice.key)) continue
    seen.add(notice.key)
    notices.push(notice)
  }
  return notices
}

function noticeOf(
  { key, target, before, after, outcome, reason }: Decision,
  { name, now, facts }: { readonly name: string; readonly now: number; readonly facts: Readonly<Record<string, string>> },
): Notice | undefined {
  const isUnread = reason.code === unreadableCode
  const found = isUnread ? { what: 'could not be read', forMs: 4 * hourMs } : news[outcome]
  if (found === undefined || passing.has(reason.code)) return undefined
  const severity: Severity = outcome === 'Held' && intended.has(reason.code) ? 'info' : 'warning'
  const change = before === after || after === '' ? before : `${before === '' ? '(nothing)' : before} -> ${after}`
  return {
    key: `${name}/${outcome}/${target}/${reason.code}${outcome === 'Missed' ? `/${key}` : ''}`,
    severity,
    function: name,
    title: `${target} ${found.what}`,
    lines: [reason.text, ...(change === '' ? [] : [change])],
    at: now,
    facts: { ...facts, code: reason.code },
    dedupeMs: found.forMs,
  }
}
