import middy from '@middy/core'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import { type InboxEntry, maxPayloadBytes } from '#shared/safety/inbox-entry.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import { functionConfig, loadConfig } from './config.ts'
import { type EventSurroundings, once, realSurroundings } from './event-surroundings.ts'
import { createLog, type Log } from './log.ts'
import { lambdaContext, type PlatformContext } from './platform-context.ts'
import { createRedactor, type Redactor } from './redact.ts'
import type { ResolveReference } from './reference.ts'
import type { WebhookDefinition, WebhookEvent, WebhookRequest, WebhookSource } from './webhook-definition.ts'
import { type HttpRequest, parseHttpEvent } from './webhook-event.ts'

/** A handler for HTTP triggers, with the definition it was made from. */
export interface WebhookHandler<Settings> {
  (event: unknown, context?: PlatformContext): Promise<APIGatewayProxyStructuredResultV2>
  readonly definition: WebhookDefinition<Settings>
}

/** The largest body a webhook may have. */
export const maxBodyBytes = 256 * 1024

/** Secrets are read again after this time, so that a new one is seen. */
const rereadMs = 5 * 60_000
/** An answer does not wait longer than this for the nudge. */
const nudgeTimeoutMs = 1000
/** Events of different groups that are written at the same time. */
const concurrency = 8
/** Time before the platform's own limit at which the request is turned away, so that the sender tries again. */
const timeoutEarlyMs = 500

/**
 * Makes a handler that takes in webhooks. In this order:
 *
 * - no such route, or a source without a secret: 404. Routes take POST only.
 * - a body of more than 256 KiB, or an event of more than that: 413
 * - the source denies that it is the sender's: 401, always the same one. Nothing has been parsed.
 * - the source cannot read it: 400
 * - the events are written to the inbox: 202 with their ids, once all of them are durable. A repeated delivery gets the answer of the
 *   first, byte for byte, as long as the inbox remembers it.
 * - the store, the configuration or a secret cannot be reached: 503, so that the sender sends it again
 *
 * Whoever works on the events is nudged before the answer; that may fail without harm. Nothing is done about them here.
 */
export function defineWebhook<Settings>(
  definition: WebhookDefinition<Settings>,
  surroundings: Partial<EventSurroundings> = {},
): WebhookHandler<Settings> {
  const around: EventSurroundings = { ...realSurroundings, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async () => await open(definition, around, redactor))
  const respond = async (request: HttpRequest): Promise<Answer> => {
    const now = around.clock.now()
    const desk = await start()
    const route = findRoute(desk.routes, request.method, request.path)
    if (route === undefined) return notFound
    const { source, params } = route
    const ownLog = log.with({ trigger: source.name })
    if (request.sizeBytes > maxBodyBytes) return tooLarge(ownLog, request.sizeBytes)
    const body = request.body()
    if (body.length > maxBodyBytes) return tooLarge(ownLog, body.length)
    const seen: WebhookRequest = { body, headers: request.headers, params, query: request.query }
    const secrets = await desk.secretsOf(source, now)
    if (source.authenticate(seen, { secrets, now }) !== 'ok') {
      ownLog.write('warn', 'webhook-denied', { code: 'webhook.denied' })
      return denied
    }
    const content = source.parse(seen, { now })
    if (!content.ok) {
      ownLog.write('warn', 'webhook-refused', { code: 'webhook.unreadable', reason: content.why })
      return answer(400, { error: 'unreadable', why: content.why })
    }
    const entries = await takeIn(content.events, { source, now, desk, log: ownLog })
    return answer(202, { entries: entries.map(({ id, receivedAt }) => ({ id, receivedAt: new Date(receivedAt).toISOString() })) })
  }
  const chain = middy<unknown, Answer>({
    timeoutEarlyInMillis: timeoutEarlyMs,
    timeoutEarlyResponse: () => {
      log.write('error', 'webhook-failed', { code: 'webhook.out-of-time' })
      return unavailable
    },
  }).handler(async (event) => {
    // What is not even a request is rejected: there is nobody to answer.
    const request = parseHttpEvent(event)
    try {
      return await respond(request)
    } catch (error) {
      return answerFailure(error, log)
    }
  })
  return Object.assign(
    async (event: unknown, context: PlatformContext = {}) => await chain(event, lambdaContext(definition.name, context)),
    { definition },
  )
}

/** Everything that is made once per process. */
interface Desk {
  readonly routes: readonly Route[]
  readonly inbox: Inbox
  readonly secretsOf: (source: WebhookSource, now: number) => Promise<readonly string[]>
  readonly nudge: (order: InboxNudge, log: Log) => Promise<void>
}

async function open<Settings>(definition: WebhookDefinition<Settings>, around: EventSurroundings, redactor: Redactor): Promise<Desk> {
  const env = around.environment()
  const config = await loadConfig({
    env,
    beside: around.compiledConfig,
    schemas: { [definition.name]: definition.settings },
    others: 'ignore',
  })
  const routes = routesOf(definition.sources(await functionConfig(config, definition)))
  const store = await around.openStore(config)
  const nudge = around.createNudge(env)
  return {
    routes,
    inbox: createInbox(store, { function: definition.name }),
    secretsOf: secretReader(around.resolver(env), redactor),
    nudge: async (order, log) => await sendNudge(nudge, order, around, log),
  }
}

interface Route {
  readonly source: WebhookSource
  /** The path's parts; the last one may be a parameter. */
  readonly parts: readonly string[]
  readonly parameter: string | undefined
}

/** Throws TypeError when two sources have one path, or a path is none: a bug of the definition. */
function routesOf(sources: readonly WebhookSource[]): readonly Route[] {
  const routes: Route[] = []
  const paths = new Set<string>()
  for (const source of sources) {
    const [, fixed, parameter] = /^((?:\/[A-Za-z0-9._~-]+)+)(?:\/\{([a-z]+)\})?$/.exec(source.path) ?? []
    if (fixed === undefined) throw new TypeError(`the path of the webhook source ${source.name} is none: "${source.path}"`)
    const shape = parameter === undefined ? fixed : `${fixed}/{}`
    if (paths.has(shape)) throw new TypeError(`two webhook sources share the path ${source.path}`)
    paths.add(shape)
    if (source.secrets.length > 0) routes.push({ source, parts: fixed.split('/'), parameter })
  }
  return routes
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly source: WebhookSource; readonly params: Readonly<Record<string, string>> } | undefined {
  if (method !== 'POST') return undefined
  const parts = path.split('/')
  for (const { source, parts: fixed, parameter } of routes) {
    if (parts.length !== fixed.length + (parameter === undefined ? 0 : 1)) continue
    if (!fixed.every((part, index) => parts[index] === part)) continue
    if (parameter === undefined) return { source, params: {} }
    const value = decoded(parts.at(-1) ?? '')
    if (value !== undefined && value !== '') return { source, params: { [parameter]: value } }
  }
  return undefined
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    // No valid encoding: no value.
    return undefined
  }
}

/** Resolves secrets and keeps them for a while. One that cannot be read is no reason to let anybody in, so it throws. */
function secretReader(resolve: ResolveReference, redactor: Redactor): Desk['secretsOf'] {
  const known = new Map<string, { readonly secret: string; readonly readAt: number }>()
  const read = async (reference: string, now: number): Promise<string> => {
    const before = known.get(reference)
    if (before !== undefined && now - before.readAt < rereadMs && now >= before.readAt) return before.secret
    const secret = await resolve(reference)
    redactor.add(secret)
    known.set(reference, { secret, readAt: now })
    return secret
  }
  return async (source, now) => await Promise.all(source.secrets.map(async (reference) => await read(reference, now)))
}

interface TakingIn {
  readonly source: WebhookSource
  readonly now: number
  readonly desk: Desk
  readonly log: Log
}

/** Writes events to the inbox, those of one group one after the other. Answers once all are durable; throws when one is not. */
async function takeIn(events: readonly WebhookEvent[], taking: TakingIn): Promise<readonly InboxEntry[]> {
  const groups = new Map<string, { readonly index: number; readonly event: WebhookEvent }[]>()
  for (const [index, event] of events.entries()) {
    const group = groups.get(event.group)
    if (group === undefined) groups.set(event.group, [{ index, event }])
    else group.push({ index, event })
  }
  const entries: InboxEntry[] = []
  const nudges: InboxNudge[] = []
  const waiting = [...groups.values()]
  const work = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      for (const { index, event } of group) {
        const { entry, nudge } = await takeInOne(event, taking)
        entries[index] = entry
        if (nudge !== undefined) nudges.push(nudge)
      }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, work))
  // Also when the sender will have to send again: what is durable is worked on.
  await Promise.all(nudges.map((nudge) => taking.desk.nudge(nudge, taking.log)))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return entries
}

async function takeInOne(
  { id, group, payload }: WebhookEvent,
  { source, now, desk, log }: TakingIn,
): Promise<{ readonly entry: InboxEntry; readonly nudge: InboxNudge | undefined }> {
  const { kind, entry, sameContent, nudge } = await desk.inbox.accept({ source: source.name, id, group, payload, receivedAt: now, now })
  log.write('info', 'webhook-accepted', { target: entry.id, outcome: kind })
  if (!sameContent) {
    log.write('warn', 'webhook-differs', {
      target: entry.id,
      code: 'webhook.same-id-other-content',
      reason: 'an event with the id of an earlier one says something else; the earlier one counts',
    })
  }
  return { entry, nudge }
}

/** Nudges, but never for long, and never with an effect on the answer. */
async function sendNudge(nudge: Nudge | undefined, order: InboxNudge, { clock }: EventSurroundings, log: Log): Promise<void> {
  if (nudge === undefined) return
  const patience = new AbortController()
  try {
    const late = clock.sleep(nudgeTimeoutMs, patience.signal).then(
      () => 'late' as const,
      () => 'sent' as const,
    )
    const sent = await Promise.race([nudge.send(order).then(() => 'sent' as const), late])
    if (sent === 'late') log.write('warn', 'nudge-late', { target: order.id, code: 'webhook.nudge-late' })
  } catch (error) {
    // Whatever it is: the event is durable, and a sweep finds it.
    log.write('warn', 'nudge-failed', { target: order.id, code: 'webhook.nudge-failed', error: messageOf(error) })
  } finally {
    patience.abort()
  }
}

type Answer = APIGatewayProxyStructuredResultV2

function answer(statusCode: number, content: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { statusCode, headers: { 'content-type': 'application/json', ...headers }, body: `${JSON.stringify(content)}\n` }
}

const notFound = answer(404, { error: 'there is no such webhook' })
const denied = answer(401, { error: 'denied' })
const unavailable = answer(503, { error: 'not taken in; send it again' }, { 'retry-after': '10' })
const broken = answer(500, { error: 'internal error' })

function tooLarge(log: Log, sizeBytes: number): Answer {
  log.write('warn', 'webhook-refused', { code: 'webhook.too-large', reason: `${sizeBytes} bytes; ${maxBodyBytes} are allowed` })
  return answer(413, { error: `the body is larger than ${maxBodyBytes} bytes` })
}

/** Turns what was thrown into an answer: what the sender cannot help makes it try again, and never is it told why. */
function answerFailure(error: unknown, log: Log): Answer {
  const kind = error instanceof Error && 'kind' in error && typeof error.kind === 'string' ? error.kind : undefined
  const isBug = kind === undefined
  log.write('error', 'webhook-failed', {
    code: kind ?? 'webhook.error',
    error: isBug && error instanceof Error ? error.stack : messageOf(error),
  })
  switch (kind) {
    case 'inbox.too-large':
      return answer(413, { error: `an event is larger than ${maxPayloadBytes} bytes` })
    case 'inbox.invalid':
      return answer(400, { error: 'unreadable' })
    case undefined:
      return broken
    default:
      return unavailable
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
