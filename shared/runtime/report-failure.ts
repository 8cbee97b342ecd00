import type { Log } from './log.ts'
import type { Redactor } from './redact.ts'

/** Logs what an event failed with, and answers a copy without secrets to throw in its place: the platform logs that one by itself. */
export function reportedFailure(
  thrown: unknown,
  options: { readonly log: Log; readonly redactor: Redactor; readonly code: string },
): Error {
  const { log, redactor, code } = options
  const error = thrown instanceof Error ? thrown : new Error(`Something that is no error was thrown: ${String(thrown)}`)
  const kind = 'kind' in error && typeof error.kind === 'string' ? error.kind : code
  log.write('error', 'event-failed', { code: kind, error: error.message })
  const safe = new Error(redactor.text(error.message))
  safe.name = error.name
  safe.stack = redactor.text(error.stack ?? '')
  return safe
}
