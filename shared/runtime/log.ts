import type { Decision } from '#shared/pure/step.ts'
import type { Redactor } from './redact.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** What a log line may say. A closed list: anything else that is handed in is dropped, so that no payload gets into a log. */
export interface LogFields {
  readonly function?: string | undefined
  readonly runId?: string | undefined
  readonly mode?: string | undefined
  readonly trigger?: string | undefined
  readonly scheduledAt?: string | undefined
  readonly now?: string | undefined
  readonly lateMs?: number | undefined
  readonly target?: string | undefined
  readonly before?: string | undefined
  readonly after?: string | undefined
  readonly outcome?: string | undefined
  readonly code?: string | undefined
  readonly reason?: string | undefined
  readonly action?: string | undefined
  readonly attempt?: number | undefined
  readonly requestId?: string | undefined
  readonly durationMs?: number | undefined
  readonly counts?: string | undefined
  readonly planDigest?: string | undefined
  readonly error?: string | undefined
}

const allowed: Readonly<Record<keyof LogFields, true>> = {
  function: true,
  runId: true,
  mode: true,
  trigger: true,
  scheduledAt: true,
  now: true,
  lateMs: true,
  target: true,
  before: true,
  after: true,
  outcome: true,
  code: true,
  reason: true,
  action: true,
  attempt: true,
  requestId: true,
  durationMs: true,
  counts: true,
  planDigest: true,
  error: true,
}

/** Writes structured lines. `event` is a fixed kebab-case word, never made of data. */
export interface Log {
  write(level: LogLevel, event: string, fields?: LogFields): void
  /** The same log with fields that every line carries. */
  with(fields: LogFields): Log
}

export interface LogOptions {
  /** Takes one line without its line break. */
  readonly write: (line: string) => void
  readonly redactor: Redactor
  /** Lines below it are not written; `info` when absent. */
  readonly level?: LogLevel
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Longest text of one field; longer ones are cut and end in "…". */
const longestText = 4000

/**
 * Makes a log of JSON lines: level, event, then the fields that have a value. Every text goes through the redactor before it is
 * cut, and of one that has no end only the beginning does.
 */
export function createLog(options: LogOptions): Log {
  const least = levels.indexOf(options.level ?? 'info')
  const withFields = (bound: LogFields): Log => ({
    write: (level, event, fields) => {
      if (levels.indexOf(level) < least) return
      const line: Record<string, string | number> = { level, event }
      for (const [name, value] of Object.entries({ ...bound, ...fields })) {
        if (!Object.hasOwn(allowed, name)) continue
        if (typeof value === 'string') line[name] = options.redactor.head(value, longestText)
        else if (typeof value === 'number') line[name] = value
      }
      options.write(JSON.stringify(line))
    },
    with: (fields) => withFields({ ...bound, ...fields }),
  })
  return withFields({})
}

/** A log that says nothing. */
export const silentLog: Log = { write: () => undefined, with: () => silentLog }

/** The level at which a decision is worth a line. */
export function levelOf(decision: Decision): LogLevel {
  switch (decision.outcome) {
    case 'Failed':
      return 'error'
    case 'Held':
    case 'Missed':
    case 'Invalid':
      return 'warn'
    case 'Applied':
    case 'Planned':
      return 'info'
    case 'Skipped':
    case 'NoChange':
      return 'debug'
  }
}

/**
 * A decision for a person, on one line: function, outcome, target, before -> after, reason, two blanks between. With the widths
 * of columns (of all but the reason, in that order) each part begins in its column; one that is wider moves the rest of its
 * line. Control characters and text-direction marks, which could forge a line or turn one around, become blanks.
 *
 * @example decisionLine({ function: 'cron-scaler', key: 'k', target: 'cls-1/default/Deployment/web', before: 'replicas 2', after: 'replicas 5', outcome: 'Planned', reason: { code: 'due', text: 'morning at 08:00' } }) // 'cron-scaler  Planned  cls-1/default/Deployment/web  replicas 2 -> replicas 5  morning at 08:00'
 */
export function decisionLine(decision: Decision, widths: readonly number[] = []): string {
  const cells = [...decisionCells(decision), plain(decision.reason.text)]
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .filter((cell) => cell !== '')
    .join('  ')
    .trimEnd()
}

/** What `decisionLine` shows before the reason: function, outcome, target, change; the last is empty where there is nothing to show. */
export function decisionCells(decision: Decision): readonly string[] {
  const { before, after } = decision
  const change = after === '' || after === before ? before : `${before === '' ? '(nothing)' : before} -> ${after}`
  return [decision.function, decision.outcome, decision.target, change].map(plain)
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ')
}
