import { hash } from 'node:crypto'
import { parseInstant } from '#shared/pure/civil.ts'
import { clip } from '#shared/pure/clip.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Result } from '#shared/pure/result.ts'
import type { PassedOver, WebhookContent, WebhookEvent, WebhookRequest } from '#shared/runtime/webhook-definition.ts'
import type { Alert } from './alert.ts'
import type { HookEvent } from './hook-event.ts'
import type { SourceKind, SourceSettings } from './source-settings.ts'

/** What a body says. */
export interface AlarmReading {
  readonly alerts: readonly Alert[]
  readonly passedOver: readonly PassedOver[]
  /** What it is about, as far as the order of messages goes: those about the same are worked on in the order in which they came. */
  readonly about: string
  /** The sender's own name of the message, where it has one: the same in every delivery of it. */
  readonly identity?: string | undefined
}

export interface ReadContext<Kind extends SourceKind = SourceKind> {
  /** Name of the source in the settings. */
  readonly name: string
  readonly settings: Extract<SourceSettings, { kind: Kind }>
  /** Of times without one. */
  readonly timeZone: string
}

/** Reads a body whose sender is known to be genuine. The text of a failure goes back to the sender. */
export type ReadAlarms<Kind extends SourceKind> = (
  request: Pick<WebhookRequest, 'body' | 'headers'>,
  context: ReadContext<Kind>,
) => Result<AlarmReading, string>

const mostLabels = 100
const longestLabelName = 200
const longestText = 500
const longestKey = 300
const minuteMs = 60_000
/** Well below what the inbox takes in one event. */
const mostPartBytes = 128 * 1024

/**
 * What is to be made durable of a reading: all its alerts as one event, or as few as they fit into. Who names its messages is known by
 * that; otherwise the same body within one minute is one message that was sent again, and later it is a new one that says the same.
 */
export function contentOf(
  source: string,
  { alerts, passedOver, about, identity }: AlarmReading,
  body: Uint8Array,
  now: number,
): WebhookContent {
  const message = identity ?? Math.floor(now / minuteMs)
  const digest = hash('sha256', body, 'hex')
  const group = clip(`${source} ${about}`.toWellFormed(), longestKey)
  const events = parted(alerts).map((part, index): WebhookEvent => {
    const payload: HookEvent = { kind: 'alerts', alerts: part }
    return { id: digestOf(['alerts', source, digest, message, index]), group, payload }
  })
  return { ok: true, events, passedOver }
}

/** Alerts in parts that an inbox takes: in our terms they may be longer than in the sender's. */
function parted(alerts: readonly Alert[]): readonly Alert[][] {
  const parts: Alert[][] = []
  let sizeBytes = mostPartBytes
  for (const alert of alerts) {
    const own = Buffer.byteLength(JSON.stringify(alert)) + 1
    if (sizeBytes + own > mostPartBytes) {
      parts.push([])
      sizeBytes = 0
    }
    parts.at(-1)?.push(alert)
    sizeBytes += own
  }
  return parts
}

/** The name of a series, made of what tells it from the others; readable as long as it is short. It is never empty. */
export function seriesKey(parts: readonly string[]): string {
  const key = parts.map((part) => encodeURIComponent(part.toWellFormed())).join('/')
  return key === '' || key.length > longestKey ? digestOf(parts.map((part) => part.toWellFormed())) : key
}

/** Labels without what is empty, is no plain value, or is beyond what anybody matches by. Later ones take the place of earlier ones. */
export function labelsOf(...given: readonly Readonly<Record<string, unknown>>[]): Record<string, string> {
  const labels = new Map<string, string>()
  for (const [name, value] of given.flatMap((one) => Object.entries(one))) {
    if (name.length > longestLabelName) continue
    const text = plainText(value)
    if (text !== undefined && text !== '' && (labels.has(name) || labels.size < mostLabels)) labels.set(name.toWellFormed(), text)
  }
  return Object.fromEntries(labels)
}

/** A text, number or truth value as text that can be kept; undefined for anything else. */
export function plainText(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
  return clip(String(value).toWellFormed(), longestText)
}

/** A number as senders write it: alone, or before a percent sign. Anything else is none. */
export function figureOf(given: unknown): { readonly value: number; readonly unit?: string } | undefined {
  if (typeof given === 'number') return Number.isFinite(given) ? { value: given } : undefined
  const match = typeof given === 'string' ? /^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(%?)\s*$/.exec(given) : null
  const value = Number(match?.[1])
  if (match === null || !Number.isFinite(value)) return undefined
  return match[2] === '%' ? { value, unit: '%' } : { value }
}

/** A time with its zone, also as AWS writes it (`+0000`); undefined when it is none, or is before 1970, which stands for "not yet". */
export function instantOf(text: string | undefined): number | undefined {
  const parsed = parseInstant((text ?? '').replace(/([+-]\d{2})(\d{2})$/, '$1:$2'))
  return parsed.ok && parsed.value > 0 ? parsed.value : undefined
}

/** What should have been an alert and cannot be read as one. */
export function unreadable(text: string): PassedOver {
  return { code: 'unreadable-alert', text, isFault: true }
}
