import * as z from 'zod/mini'
import type { HeardAlarm } from '#functions/alarm-scaler/alarm-history.ts'
import { Alert } from '#functions/alarm-scaler/alert.ts'
import { HookEvent } from '#functions/alarm-scaler/hook-event.ts'
import { contentOfRequest, type SenderSettings } from '#functions/alarm-scaler/webhook-sources.ts'
import { parseInstant } from '#shared/pure/civil.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'

/** An alarm that somebody wrote down: when it was heard, and what it said. */
const Written = z.object({ at: z.string(), alert: Alert })

/** A request to a webhook as API Gateway hands it over, with the time at which it came. */
const Received = z.looseObject({ requestContext: z.looseObject({ timeEpoch: z.number() }), rawPath: z.string() })

/**
 * The alarms of a file, oldest first: of a list (or one) of requests as API Gateway hands them over, which the sources of the settings
 * read, and of alarms that are written down as `{"at": "2026-11-24T08:00:00Z", "alert": {…}}`. Throws an Error that says which item of
 * the list cannot be read, and why.
 */
export function alarmsOf(content: unknown, settings: SenderSettings): readonly HeardAlarm[] {
  const items: readonly unknown[] = Array.isArray(content) ? content : [content]
  const heard = items.flatMap((item, index) => {
    try {
      return alarmsIn(item, settings)
    } catch (error) {
      throw new Error(`item ${index + 1} of the file: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  })
  return heard.toSorted((one, other) => one.atMs - other.atMs)
}

function alarmsIn(item: unknown, settings: SenderSettings): readonly HeardAlarm[] {
  const received = z.safeParse(Received, item)
  if (received.success) return ofRequest(item, received.data.requestContext.timeEpoch, settings)
  const written = z.safeParse(Written, item)
  if (!written.success) {
    const [issue] = written.error.issues
    const where = issue === undefined || issue.path.length === 0 ? '' : ` (${issue.path.join('.')}: ${issue.message})`
    throw new Error(`it is neither a request of API Gateway nor {"at": …, "alert": {…}}${where}`)
  }
  const { at, alert } = written.data
  const instant = parseInstant(at)
  if (!instant.ok) throw new Error(`"at" is no time with a zone, such as 2026-11-24T08:00:00Z`)
  return [{ atMs: instant.value, alert }]
}

function ofRequest(item: unknown, atMs: number, settings: SenderSettings): readonly HeardAlarm[] {
  const event = parseHttpEvent(item)
  const found = contentOfRequest(settings, { path: event.path, body: event.body(), headers: event.headers }, atMs)
  if (found === undefined) throw new Error(`${event.path} is the address of no configured source`)
  const { source, content } = found
  if (!content.ok) throw new Error(`${source} would be answered 400: ${content.why}`)
  return content.events.flatMap(({ payload }) => {
    const parsed = HookEvent.parse(payload)
    return parsed.kind === 'alerts' ? parsed.alerts.map((alert) => ({ atMs, alert })) : []
  })
}
