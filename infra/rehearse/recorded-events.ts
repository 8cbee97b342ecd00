import * as z from 'zod/mini'
import { Alert } from '#functions/alarm-scaler/alert.ts'
import { definition as alarmScaler } from '#functions/alarm-scaler/definition.ts'
import { HookEvent as AlarmEvent } from '#functions/alarm-scaler/hook-event.ts'
import { contentOfRequest as alarmsOfRequest } from '#functions/alarm-scaler/webhook-sources.ts'
import { definition as redeployHook } from '#functions/redeploy-hook/definition.ts'
import { HookEvent as PushEvent } from '#functions/redeploy-hook/hook-event.ts'
import { RepositoryName, TagName } from '#functions/redeploy-hook/push-hint.ts'
import { contentOfRequest as pushesOfRequest } from '#functions/redeploy-hook/webhook-sources.ts'
import { parseInstant } from '#shared/pure/civil.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { WebhookContent } from '#shared/runtime/webhook-definition.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'

/** What a function is told of, as its webhook would have made it durable. */
export interface ToldEvent {
  readonly function: 'alarm-scaler' | 'redeploy-hook'
  readonly source: string
  readonly id: string
  readonly group: string
  readonly payload: unknown
}

/** An image that somebody pushes. */
export interface Push {
  readonly repository: string
  readonly tag: string
  readonly digest?: string | undefined
  readonly bytes?: number | undefined
}

/** A workload that somebody sets to another size. */
export interface Scaling {
  readonly cluster: string
  readonly namespace: string
  readonly kind: 'Deployment' | 'StatefulSet'
  readonly name: string
  readonly replicas: number
}

/** Something that happens from outside, at an instant. Whatever is in it happens in this order. */
export interface RecordedEvent {
  readonly atMs: number
  /** For people: `alarm HighCpu of alerts is firing`. */
  readonly text: string
  readonly push?: Push | undefined
  readonly scaling?: Scaling | undefined
  readonly told?: ToldEvent | undefined
}

const Times = { at: z.string() }
const WrittenAlarm = z.strictObject({ ...Times, alert: Alert })
const WrittenPush = z.strictObject({
  ...Times,
  push: z.strictObject({
    repository: RepositoryName,
    tag: TagName,
    digest: z.optional(z.string().check(z.regex(/^sha256:[0-9a-f]{64}$/))),
    bytes: z.optional(z.int().check(z.minimum(1))),
  }),
})
const WrittenScaling = z.strictObject({
  ...Times,
  scale: z.strictObject({
    cluster: z.string(),
    namespace: z.string(),
    kind: z.enum(['Deployment', 'StatefulSet']),
    name: z.string(),
    replicas: z.int().check(z.minimum(0), z.maximum(10_000)),
  }),
})
/** The end of the year 9999: later instants have no date that could be written. */
const latestMs = 253_402_300_799_999

/** A request to a webhook as API Gateway hands it over, with the time at which it came. */
const Received = z.looseObject({
  requestContext: z.looseObject({ timeEpoch: z.int().check(z.minimum(0), z.maximum(latestMs)) }),
  rawPath: z.string(),
})

const forms = 'a request of API Gateway, {"at": …, "alert": {…}}, {"at": …, "push": {…}} or {"at": …, "scale": {…}}'

/**
 * The events of a file, oldest first: one of them or a list. Requests are read as the sources of the settings read them; their secrets
 * are not asked for, because whoever has the file vouches for it. Throws an Error that says which item cannot be read, and why.
 */
export async function recordedEvents(content: unknown, config: Config): Promise<readonly RecordedEvent[]> {
  const [alarms, pushes] = await Promise.all([functionConfig(config, alarmScaler), functionConfig(config, redeployHook)])
  const items: readonly unknown[] = Array.isArray(content) ? content : [content]
  const events = items.flatMap((item, index) => {
    try {
      return eventsIn(item, index, { alarms: alarms.settings, pushes: pushes.settings, config })
    } catch (error) {
      throw new Error(`item ${index + 1} of the events: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  })
  return events.toSorted((one, other) => one.atMs - other.atMs)
}

interface Settings {
  readonly alarms: Parameters<typeof alarmsOfRequest>[0]
  readonly pushes: Parameters<typeof pushesOfRequest>[0]
  readonly config: Config
}

function eventsIn(item: unknown, index: number, settings: Settings): readonly RecordedEvent[] {
  const received = z.safeParse(Received, item)
  if (received.success) return ofRequest(item, received.data.requestContext.timeEpoch, settings)
  const has = (name: string): boolean => typeof item === 'object' && item !== null && Object.hasOwn(item, name)
  if (has('alert')) {
    const { at, alert } = read(WrittenAlarm, item)
    return [alarmOf(instantIn(at), alert.source, `written ${index + 1}`, `written ${alert.key}`, { kind: 'alerts', alerts: [alert] })]
  }
  if (has('push')) {
    const { at, push } = read(WrittenPush, item)
    return [{ atMs: instantIn(at), text: `${push.repository}:${push.tag} is pushed`, push }]
  }
  if (has('scale')) {
    const { at, scale } = read(WrittenScaling, item)
    const cluster = settings.config.clusters.find(({ id, name }) => id === scale.cluster || name === scale.cluster)
    if (cluster === undefined) throw new Error(`there is no configured cluster "${scale.cluster}"`)
    const text = `somebody sets ${scale.kind} ${scale.namespace}/${scale.name} of ${scale.cluster} to ${scale.replicas} replicas`
    return [{ atMs: instantIn(at), text, scaling: { ...scale, cluster: cluster.id } }]
  }
  throw new Error(`it is none of ${forms}`)
}

function read<T>(schema: z.ZodMiniType<T>, item: unknown): T {
  const parsed = z.safeParse(schema, item)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Error(`${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'it is not as it should be'}`)
}

function instantIn(text: string): number {
  const instant = parseInstant(text)
  if (!instant.ok) throw new Error('"at" is no time with a zone, such as 2026-11-24T08:00:00Z')
  return instant.value
}

function ofRequest(item: unknown, atMs: number, { alarms, pushes }: Settings): readonly RecordedEvent[] {
  const http = parseHttpEvent(item)
  const request = { path: http.path, body: http.body(), headers: http.headers }
  const alarm = alarmsOfRequest(alarms, request, atMs)
  if (alarm !== undefined) {
    return eventsOf(alarm.source, alarm.content).map(({ id, group, payload }) =>
      alarmOf(atMs, alarm.source, id, group, AlarmEvent.parse(payload)),
    )
  }
  const push = pushesOfRequest(pushes, request)
  if (push !== undefined) {
    return eventsOf(push.source, push.content).flatMap(({ id, group, payload }) => pushOf(atMs, push.source, id, group, payload))
  }
  throw new Error(`${http.path} is the address of no configured source`)
}

function eventsOf(
  source: string,
  content: WebhookContent,
): readonly { readonly id: string; readonly group: string; readonly payload: unknown }[] {
  if (!content.ok) throw new Error(`${source} would be answered 400: ${content.why}`)
  return content.events
}

function alarmOf(atMs: number, source: string, id: string, group: string, payload: AlarmEvent): RecordedEvent {
  const names =
    payload.kind === 'alerts' ? payload.alerts.map(({ name, state }) => `${name} is ${state}`) : ['somebody agrees to a suggestion']
  return {
    atMs,
    text: `alarm of ${source}: ${[...new Set(names)].join(', ')}`,
    told: { function: 'alarm-scaler', source, id, group, payload },
  }
}

/** The webhook is a hint: what it tells of must be in the registry as well, or nothing comes of it. */
function pushOf(atMs: number, source: string, id: string, group: string, payload: unknown): readonly RecordedEvent[] {
  const event = PushEvent.parse(payload)
  const told: ToldEvent = { function: 'redeploy-hook', source, id, group, payload }
  if (event.kind !== 'push') return [{ atMs, text: `somebody agrees to an image, by ${source}`, told }]
  const pushes = event.hints.flatMap(({ tag, digest }): RecordedEvent[] =>
    tag === undefined
      ? []
      : [{ atMs, text: `${event.repository}:${tag} is pushed, as ${source} tells`, push: { repository: event.repository, tag, digest } }],
  )
  return [...pushes, { atMs, text: `webhook of ${source} about ${event.repository}`, told }]
}

const weekMs = 7 * 86_400_000

/** Events of another time, moved by whole weeks into a period: each on its own day of the week, at its own time of day. */
export function movedInto(
  events: readonly RecordedEvent[],
  fromMs: number,
): { readonly events: readonly RecordedEvent[]; readonly weeks: number } {
  const [first] = events
  if (first === undefined || first.atMs >= fromMs) return { events, weeks: 0 }
  const weeks = Math.ceil((fromMs - first.atMs) / weekMs)
  return { events: events.map((event) => moved(event, weeks * weekMs)), weeks }
}

/** Alarms carry instants of their own: those move along, else they would be of weeks ago. */
function moved(event: RecordedEvent, byMs: number): RecordedEvent {
  const { told } = event
  const alarms = told?.function === 'alarm-scaler' ? AlarmEvent.parse(told.payload) : undefined
  const later = (ms: number | undefined): number | undefined => (ms === undefined || ms === 0 ? ms : ms + byMs)
  if (told === undefined || alarms?.kind !== 'alerts') return { ...event, atMs: event.atMs + byMs }
  const alerts = alarms.alerts.map((alert) => {
    const said = alert.saidAtMs === undefined ? {} : { saidAtMs: later(alert.saidAtMs) }
    if (alert.state === 'firing') return { ...alert, ...said, startedAtMs: alert.startedAtMs + byMs }
    const started = alert.startedAtMs === undefined ? {} : { startedAtMs: later(alert.startedAtMs) }
    return alert.state === 'resolved' && alert.endedAtMs !== undefined
      ? { ...alert, ...said, ...started, endedAtMs: later(alert.endedAtMs) }
      : { ...alert, ...said, ...started }
  })
  return { ...event, atMs: event.atMs + byMs, told: { ...told, payload: { kind: 'alerts', alerts } } }
}
