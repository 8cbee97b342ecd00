import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { Clock } from '#cloud/clock.ts'
import type { Inbox } from '#shared/safety/inbox.ts'
import { type InboxEntry, maxPayloadBytes } from '#shared/safety/inbox-entry.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import type { FunctionName } from './definition.ts'
import type { Log } from './log.ts'
import { pageAnswer } from './page-answer.ts'
import type { Redactor } from './redact.ts'
import type { ResolveReference } from './reference.ts'
import type { PassedOver, SenderAnswer, WebhookEvent, WebhookRequest, WebhookSource } from './webhook-definition.ts'
import type { HttpRequest } from './webhook-event.ts'

/** The largest body a webhook may have. */
export const maxBodyBytes = 256 * 1024

/** A request is answered within this time, whatever the store does. */
export const answerWithinMs = 1000
/** Secrets are read again after this time, so that a new one is seen. */
const rereadMs = 5 * 60_000
/** An answer does not wait longer than this for the nudge. */
const nudgeTimeoutMs = 500
/** What an answer that has everything needs to be written down. */
const answerMarginMs = 50
/** Events of different groups that are written at the same time. */
const concurrency = 8

export type Answer = APIGatewayProxyStructuredResultV2

export interface WebhookDeskOptions {
  readonly function: FunctionName
  readonly sources: readonly WebhookSource[]
  readonly inbox: Inbox
  readonly resolve: ResolveReference
  /** Learns every secret before it is used. */
  readonly redactor: Redactor
  /** What wakes the worker; without it the worker and the sweeps find what waits. */
  readonly nudge: Nudge | undefined
  readonly clock: Clock
  readonly log: Log
}

/** A source that is open to its sender. */
export interface OpenSource {
  readonly source: string
  /** As the source gives it: its last part may be `{name}`. */
  readonly path: string
  readonly methods: readonly HookMethod[]
}

/** POST brings events; GET is for the pages of a source that has some, and for senders that check an address. */
export type HookMethod = 'POST' | 'GET'

/** Takes in the webhooks of one function, on Lambda and everywhere else. */
export interface WebhookDesk {
  /** The routes that there are. A source without a secret has none. */
  readonly routes: readonly OpenSource[]
  /** Names of the sources without a secret. */
  readonly closed: readonly string[]
  /** Answers a request; see `defineWebhook` for how. Never throws. */
  answer(request: HttpRequest): Promise<Answer>
  /** Sources of which a secret cannot be read now, and why: their senders are answered 503. Reads all secrets. */
  unreadable(now: number): Promise<readonly { readonly source: string; readonly why: string }[]>
}

/** Makes a desk. Reads nothing yet. Throws TypeError when the sources' paths cannot be told apart, or are none: a bug of the definition. */
export function createWebhookDesk(options: WebhookDeskOptions): WebhookDesk {
  const { sources, clock, log } = options
  const routes = routesOf(options.function, sources)
  const secretsOf = secretReader(options.resolve, options.redactor)

  const respond = async (request: HttpRequest, until: number): Promise<Answer> => {
    const now = clock.now()
    const route = findRoute(routes, request.method, request.path)
    if (route === undefined) return notFound
    const { source, params } = route
    const ownLog = log.with({ trigger: source.name })
    if (request.sizeBytes > maxBodyBytes) return tooLarge(ownLog, request.sizeBytes)
    const body = request.body()
    if (body.length > maxBodyBytes) return tooLarge(ownLog, body.length)
    const seen: WebhookRequest = { body, headers: request.headers, params, query: request.query }
    const secrets = await secretsOf(source, now)
    if (source.authenticate(seen, { secrets, now }) !== 'ok') {
      ownLog.write('warn', 'webhook-denied', { code: 'webhook.denied' })
      return denied
    }
    const { pages, answers } = source
    if (request.method === 'GET' && pages !== undefined) {
      const { page, isGone = false } = pages.show(seen, { now })
      return pageAnswer(isGone ? 410 : 200, page)
    }
    if (request.method === 'GET') {
      const checked = answers?.check(seen, { secrets, now })
      return checked === undefined ? notFound : senderAnswer(checked)
    }
    const content = source.parse(seen, { now })
    if (!content.ok) {
      const { why, isGone = false } = content
      ownLog.write('warn', 'webhook-refused', { code: isGone ? 'webhook.gone' : 'webhook.unreadable', reason: why })
      const statusCode = isGone ? 410 : 400
      return pages === undefined
        ? answer(statusCode, { error: isGone ? 'gone' : 'unreadable', why })
        : pageAnswer(statusCode, pages.refused(why))
    }
    logPassedOver(content.passedOver ?? [], ownLog)
    const written = await takeIn(content.events, { ...options, source, now, until, log: ownLog })
    if (answers !== undefined) return senderAnswer(answers.taken(seen, { secrets, now }))
    const entries = written.map(({ id, receivedAt }) => ({ id, receivedAt: new Date(receivedAt).toISOString() }))
    return pages === undefined ? answer(202, { entries }) : pageAnswer(202, pages.taken(seen, entries))
  }

  return {
    routes: routes.map(({ source }) => ({ source: source.name, path: source.path, methods: methodsOf(source) })),
    closed: sources.filter(({ secrets }) => secrets.length === 0).map(({ name }) => name),
    answer: async (request) => {
      const responded = respond(request, clock.monotonic() + answerWithinMs - answerMarginMs).catch((error: unknown) =>
        answerFailure(error, log),
      )
      const patience = new AbortController()
      const late = clock.sleep(answerWithinMs, patience.signal).then(
        () => undefined,
        // Nobody waits for it any more.
        () => undefined,
      )
      const answered = await Promise.race([responded, late])
      patience.abort()
      if (answered !== undefined) return answered
      // What is still being written may become durable and is worked on then; when it is sent again it is known.
      log.write('error', 'webhook-failed', {
        code: 'webhook.too-slow',
        reason: `it was not durable within ${answerWithinMs} ms; the sender is asked to send it again`,
      })
      return unavailable
    },
    unreadable: async (now) => {
      const problems: { source: string; why: string }[] = []
      for (const { source } of routes) {
        try {
          await secretsOf(source, now)
        } catch (error) {
          problems.push({ source: source.name, why: messageOf(error) })
        }
      }
      return problems
    },
  }
}

interface Route {
  readonly source: WebhookSource
  /** The path's parts, without a parameter at its end. */
  readonly parts: readonly string[]
  readonly parameter: string | undefined
}

/** Paths are below the function's own, where its trigger on AWS lets everything through. */
function routesOf(name: FunctionName, sources: readonly WebhookSource[]): readonly Route[] {
  const routes: Route[] = []
  const shapes = new Set<string>()
  for (const source of sources) {
    const [, fixed, parameter] = /^((?:\/[A-Za-z0-9._~-]+)+)(?:\/\{([a-z]+)\})?$/.exec(source.path) ?? []
    if (fixed === undefined) throw new TypeError(`the path of the webhook source ${source.name} is none: "${source.path}"`)
    if (!source.path.startsWith(`/hooks/${name}/`))
      throw new TypeError(`the path of the webhook source ${source.name} is "${source.path}", which is not below /hooks/${name}/`)
    const shape = parameter === undefined ? fixed : `${fixed}/{}`
    if (shapes.has(shape)) throw new TypeError(`two webhook sources share the path ${source.path}`)
    shapes.add(shape)
    if (source.secrets.length > 0) routes.push({ source, parts: fixed.split('/'), parameter })
  }
  // A fixed path goes before one with a parameter that it would fit too, whatever order they were given in.
  return routes.toSorted((one, other) => Number(one.parameter !== undefined) - Number(other.parameter !== undefined))
}

function findRoute(
  routes: readonly Route[],
  method: string,
  path: string,
): { readonly source: WebhookSource; readonly params: Readonly<Record<string, string>> } | undefined {
  const parts = path.split('/')
  for (const { source, parts: fixed, parameter } of routes) {
    if (!methodsOf(source).some((known) => known === method)) continue
    if (parts.length !== fixed.length + (parameter === undefined ? 0 : 1)) continue
    if (!fixed.every((part, index) => parts[index] === part)) continue
    if (parameter === undefined) return { source, params: {} }
    const value = decoded(parts.at(-1) ?? '')
    if (value !== '') return { source, params: { [parameter]: value } }
  }
  return undefined
}

function methodsOf(source: WebhookSource): readonly HookMethod[] {
  return source.pages === undefined && source.answers === undefined ? ['POST'] : ['POST', 'GET']
}

/** API Gateway hands a path over decoded, others as it was sent: what is no encoding stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (error) {
    if (error instanceof URIError) return part
    throw error
  }
}

/** Resolves secrets and keeps them for a while. One that cannot be read is no reason to let anybody in, so it throws. */
function secretReader(resolve: ResolveReference, redactor: Redactor): (source: WebhookSource, now: number) => Promise<readonly string[]> {
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

/** One line for each kind of what came to nothing: a registry tells of every pull, and that is none of our business. */
function logPassedOver(passedOver: readonly PassedOver[], log: Log): void {
  const kinds = new Map<string, PassedOver[]>()
  for (const one of passedOver) kinds.set(one.code, [...(kinds.get(one.code) ?? []), one])
  for (const [code, all] of kinds) {
    const [first] = all
    log.write(first?.isFault === true ? 'warn' : 'debug', 'webhook-passed-over', { code, reason: first?.text, counts: `${all.length}` })
  }
}

interface TakingIn extends Pick<WebhookDeskOptions, 'inbox' | 'nudge' | 'clock' | 'log'> {
  readonly source: WebhookSource
  readonly now: number
  /** Until then, by the clock that only goes on, there is time for nudges. */
  readonly until: number
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
  await Promise.all(nudges.map((nudge) => sendNudge(nudge, taking)))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return entries
}

async function takeInOne(
  { id, group, payload }: WebhookEvent,
  { source, now, inbox, log }: TakingIn,
): Promise<{ readonly entry: InboxEntry; readonly nudge: InboxNudge | undefined }> {
  const { kind, entry, sameContent, nudge } = await inbox.accept({ source: source.name, id, group, payload, receivedAt: now, now })
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
async function sendNudge(order: InboxNudge, { nudge, clock, until, log }: TakingIn): Promise<void> {
  if (nudge === undefined) return
  const patience = new AbortController()
  try {
    const waitMs = Math.max(0, Math.min(nudgeTimeoutMs, until - clock.monotonic()))
    const late = clock.sleep(waitMs, patience.signal).then(
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

function answer(statusCode: number, content: object, headers: Readonly<Record<string, string>> = {}): Answer {
  return { statusCode, headers: { 'content-type': 'application/json', ...headers }, body: `${JSON.stringify(content)}\n` }
}

/** An address may hold a secret, so that what stands there is kept in no cache. */
function senderAnswer({ statusCode, contentType, body }: SenderAnswer): Answer {
  return { statusCode, headers: { 'content-type': contentType, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }, body }
}

const notFound = answer(404, { error: 'there is no such webhook' })
const denied = answer(401, { error: 'denied' })
/** What tells a sender to try again. */
export const unavailable = answer(503, { error: 'not taken in; send it again' }, { 'retry-after': '10' })
const broken = answer(500, { error: 'internal error' })

function tooLarge(log: Log, sizeBytes: number): Answer {
  log.write('warn', 'webhook-refused', { code: 'webhook.too-large', reason: `${sizeBytes} bytes; ${maxBodyBytes} are allowed` })
  return answer(413, { error: `the body is larger than ${maxBodyBytes} bytes` })
}

/** Turns what was thrown into an answer: what the sender cannot help makes it try again, and never is it told why. */
export function answerFailure(error: unknown, log: Log): Answer {
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
