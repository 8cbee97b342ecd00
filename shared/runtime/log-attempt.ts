import type { AttemptEvent } from '#cloud/client.ts'
import type { Log } from './log.ts'

/** A try that failed is worth a line, also when the next one succeeds. */
export function logAttempt(log: Log, { action, attempt, durationMs, requestId, code, outcome }: AttemptEvent): void {
  const fields = { action, attempt, durationMs: Math.round(durationMs), requestId, code }
  if (outcome === 'ok') log.write('debug', 'call', fields)
  else log.write('warn', 'call-failed', { ...fields, outcome })
}
