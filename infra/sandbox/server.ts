import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { advanceWorld } from './advance.ts'
import { answerCall, formLimitBytes, getLimitBytes, jsonLimitBytes, readCall, skewOf, tooLarge } from './answer-call.ts'
import type { AttachTable } from './attach.ts'
import { type CallRecord, createCallJournal, kubernetesEffect } from './call-journal.ts'
import { createSandboxClock, type SandboxClock } from './clock.ts'
import { answerControl } from './control.ts'
import type { Reply, SandboxCore } from './core.ts'
import { createFaultSwitches, type Fault, type FaultSubject, type FaultSwitches } from './faults.ts'
import { answerDirect, parseDirectPath } from './kubernetes-direct.ts'
import { createRandom, randomUuid } from './random.ts'
import { createRateLimits, type RateLimits } from './rates.ts'
import { receiveBody } from './received-body.ts'
import { createBaseWorld } from './seeds/base.ts'
import { gatewayPage, sendReply } from './send-reply.ts'
import { type PushedImage, pushImage } from './tcr/images.ts'
import type { TcrTag } from './tcr/state.ts'
import { type SandboxCredential, sandboxCredential } from './test-credentials.ts'
import { headerOf, type ReceivedCall } from './verify-signature.ts'
import type { World } from './world.ts'

export interface SandboxOptions {
  /** A free one when 0 or absent. */
  readonly port?: number
  /** `127.0.0.1` when absent: the sandbox takes a known key and is for this machine only. */
  readonly host?: string
  /** Taken as it is, and changed by what happens; the base world when absent. */
  readonly world?: World
  /** Of everything that varies: ids, chance, faults. 1 when absent. */
  readonly seed?: number
  /** Runs with the machine's when absent. */
  readonly clock?: SandboxClock
  /** Clusters that are real. */
  readonly attach?: AttachTable
  /** Whether the published rates are kept; yes when absent. */
  readonly rates?: boolean
  /** Keys besides the one every sandbox knows. */
  readonly credentials?: readonly SandboxCredential[]
}

/** A running sandbox. */
export interface Sandbox {
  /** `http://127.0.0.1:<port>`, for both services. */
  readonly url: string
  readonly port: number
  readonly world: World
  readonly clock: SandboxClock
  readonly faults: FaultSwitches
  readonly rates: RateLimits
  /** Every call, oldest first. The list grows while calls come in. */
  readonly journal: readonly CallRecord[]
  addCredential(credential: SandboxCredential): void
  /** Pushes an image at the sandbox's time, as `docker push` does. */
  push(image: PushedImage): TcrTag
  /** Lets everything happen that is due at the sandbox's time; each call does so by itself. */
  advance(): void
  /** Ends at once: open connections are destroyed, waits inside faults are ended. Closing twice is no mistake. */
  close(): Promise<void>
}

const controlLimitBytes = 1024 * 1024

/** Everything of a sandbox but its socket. The credentials can be added to. */
export function createSandboxCore(
  options: Omit<SandboxOptions, 'port' | 'host'> = {},
): SandboxCore & { readonly credentials: Map<string, SandboxCredential> } {
  const seed = options.seed ?? 1
  const clock = options.clock ?? createSandboxClock()
  const world = options.world ?? createBaseWorld(clock.now(), seed)
  const requestRandom = createRandom(Math.imul(seed, 7) + 3)
  const random = createRandom(seed)
  return {
    world,
    clock,
    faults: createFaultSwitches(seed),
    rates: createRateLimits(options.rates ?? true),
    journal: createCallJournal(),
    credentials: new Map([sandboxCredential, ...(options.credentials ?? [])].map((credential) => [credential.secretId, credential])),
    attach: options.attach ?? new Map(),
    seed,
    random,
    requestId: () => randomUuid(requestRandom),
    advance: () => advanceWorld(world, clock.now(), random),
  }
}

/**
 * Starts a stateful stand-in for the platform: TKE and TCR on one port, told apart by the called action, with the
 * platform's own signature check, envelopes, error codes, rates and limits, and with faults on demand. The same seed,
 * clock and calls give the same answers.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const core = createSandboxCore(options)
  const { world, clock, credentials } = core
  const closing = new AbortController()
  const server = createServer({ maxHeaderSize: 2 * getLimitBytes, keepAliveTimeout: 60_000 }, (request, response) => {
    answer(core, request, response, closing.signal).catch((error: unknown) => {
      if (!request.destroyed && !closing.signal.aborted) {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
        process.stderr.write(`The sandbox failed on ${request.method} ${request.url}: ${text}\n`)
      }
      response.socket?.destroy()
    })
  })
  const { port } = await listen(server, options.port ?? 0, options.host ?? '127.0.0.1')
  return {
    url: `http://${options.host?.includes(':') === true ? `[${options.host}]` : (options.host ?? '127.0.0.1')}:${port}`,
    port,
    world,
    clock,
    faults: core.faults,
    rates: core.rates,
    journal: core.journal.records,
    addCredential: (credential) => {
      credentials.set(credential.secretId, credential)
    },
    push: (image) => {
      core.advance()
      return pushImage(world, image, clock.now())
    },
    advance: core.advance,
    close: () => {
      closing.abort()
      return new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

function listen(server: ReturnType<typeof createServer>, port: number, host: string): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      if (address === null || typeof address === 'string') {
        reject(new Error(`The sandbox cannot tell the port it listens on; it has the address ${address}.`))
      } else {
        resolve(address)
      }
    })
  })
}

async function answer(core: SandboxCore, request: IncomingMessage, response: ServerResponse, closing: AbortSignal): Promise<void> {
  const target = request.url ?? '/'
  const sleep = (ms: number) => delay(ms, undefined, { signal: closing })
  if (target.startsWith('/_')) {
    const refused = refuseStranger(request)
    if (refused !== undefined) {
      return sendReply(response, refused, { dateMs: core.clock.now(), sleep })
    }
  }
  if (/^\/_sandbox(?:[/?]|$)/.test(target)) {
    return answerSteering(core, request, response, sleep)
  }
  if (target.startsWith('/_kubernetes/')) {
    return answerCluster(core, request, response, sleep)
  }
  return answerApi(core, request, response, sleep)
}

/**
 * Keeps everything but this machine away from what takes no signature, web pages in a browser on this machine too: those
 * are known by an Origin of their own, or by a Host name that was made to point here.
 */
function refuseStranger(request: IncomingMessage): Reply | undefined {
  const remote = request.socket.remoteAddress ?? ''
  const host = request.headers.host ?? ''
  const { origin } = request.headers
  const isLocal = remote === '::1' || /^(?:::ffff:)?127\./.test(remote)
  const isLocalHost = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i.test(host)
  if (isLocal && isLocalHost && (origin === undefined || origin === `http://${host}`)) {
    return undefined
  }
  return {
    status: 403,
    contentType: 'text/plain',
    body: 'Only processes on this machine may steer the sandbox or enter its clusters directly.\n',
  }
}

async function answerSteering(
  core: SandboxCore,
  request: IncomingMessage,
  response: ServerResponse,
  sleep: (ms: number) => Promise<void>,
): Promise<void> {
  const body = await receiveBody(request, controlLimitBytes)
  const reply: Reply =
    body === 'too-large'
      ? { status: 413, contentType: 'text/plain', body: `A command may have ${controlLimitBytes} bytes.\n` }
      : answerControl(core, request.method ?? '', request.url ?? '', body.toString('utf8'))
  return sendReply(response, reply, { dateMs: core.clock.now(), headers: bodyLeft(body), sleep })
}

/** A body that was not read to its end leaves a connection nobody can use again. */
function bodyLeft(body: Buffer | 'too-large'): Record<string, string> {
  return body === 'too-large' ? { connection: 'close' } : {}
}

async function answerCluster(
  core: SandboxCore,
  request: IncomingMessage,
  response: ServerResponse,
  sleep: (ms: number) => Promise<void>,
): Promise<void> {
  const parsed = parseDirectPath(request.url ?? '')
  const body = await receiveBody(request, jsonLimitBytes)
  if (parsed === undefined || body === 'too-large') {
    const [status, text] =
      parsed === undefined
        ? [404, 'The path has to be /_kubernetes/<clusterId>/…\n']
        : [413, `A request may have ${jsonLimitBytes} bytes.\n`]
    return sendReply(
      response,
      { status, contentType: 'text/plain', body: text },
      { dateMs: core.clock.now(), headers: bodyLeft(body), sleep },
    )
  }
  const method = request.method ?? ''
  const { clusterId, path } = parsed
  const subject = {
    service: 'kubernetes',
    action: method,
    effect: kubernetesEffect(method),
    clusterId,
    path,
    paged: false,
    kubernetes: true,
  }
  const call = { service: 'kubernetes', action: `${method} ${path}`, effect: subject.effect, requestId: core.requestId(), secretId: '' }
  const exchange = await underFaults(core, call, subject, sleep, async (faults) => {
    const reply = await answerDirect(
      core,
      {
        clusterId,
        method,
        path,
        accept: request.headers.accept,
        contentType: request.headers['content-type'],
        token: parsed.token ?? /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1],
        body: body.toString('utf8'),
      },
      endingOf(faults),
    )
    const succeeded = reply.status < 400
    return { reply, applied: succeeded && subject.effect === 'write', ...(succeeded ? {} : { code: String(reply.status) }) }
  })
  return sendReply(response, exchange.reply, { ...exchange, sleep })
}

async function answerApi(
  core: SandboxCore,
  request: IncomingMessage,
  response: ServerResponse,
  sleep: (ms: number) => Promise<void>,
): Promise<void> {
  const method = request.method ?? ''
  if (!/^\/(?:\?|$)/.test(request.url ?? '/')) {
    const text = 'The path of every call is "/". What steers the sandbox is under /_sandbox, clusters are under /_kubernetes/<clusterId>.\n'
    return sendReply(response, { status: 404, contentType: 'text/plain', body: text }, { dateMs: core.clock.now(), sleep })
  }
  const limitBytes = request.headers.authorization === undefined ? formLimitBytes : jsonLimitBytes
  const body = await receiveBody(request, limitBytes)
  const received: ReceivedCall = {
    method,
    target: request.url ?? '/',
    headers: pairsOf(request.rawHeaders),
    body: body === 'too-large' ? Buffer.alloc(0) : body,
  }
  if (body === 'too-large') {
    const { code, message } = tooLarge(method, limitBytes)
    const requestId = core.requestId()
    const action = headerOf(received, 'x-tc-action') ?? ''
    const at = core.clock.now()
    core.journal.record({ service: '', action, effect: 'write', requestId, secretId: '', code, at, applied: false, faults: [] })
    const envelope = { Response: { Error: { Code: code, Message: message }, RequestId: requestId } }
    const reply = { status: 200, contentType: 'application/json', body: JSON.stringify(envelope) }
    return sendReply(response, reply, { dateMs: at, headers: bodyLeft(body), sleep })
  }
  const exchange = await exchangeApi(core, received, sleep)
  return sendReply(response, exchange.reply, { ...exchange, sleep })
}

/** What a call comes to: the answer, and what a fault of the wire makes of it. */
export interface Exchange {
  readonly reply: Reply
  /** The fault that ends the call, if one does. */
  readonly ending?: Fault
  /** Epoch milliseconds that the Date header shows. */
  readonly dateMs: number
}

/**
 * Receives one call to the API, under the faults that are switched on, and records it: everything the sandbox does but reading
 * it from a socket and writing the answer to one. `sleep` waits out a fault of latency.
 */
export async function exchangeApi(core: SandboxCore, received: ReceivedCall, sleep: (ms: number) => Promise<void>): Promise<Exchange> {
  const call = readCall(received, core.requestId())
  const subject: FaultSubject = {
    service: call.service,
    action: call.name,
    effect: call.effect,
    ...(call.clusterId === undefined ? {} : { clusterId: call.clusterId }),
    ...(call.path === undefined ? {} : { path: call.path }),
    paged: call.action?.paging !== undefined,
    kubernetes: call.name === 'ForwardRequest',
  }
  const record = { service: call.service, action: call.name, effect: call.effect, requestId: call.requestId, secretId: call.secretId }
  return await underFaults(core, record, subject, sleep, (faults) => answerCall(core, call, faults))
}

/** Draws the faults for a call, lets it happen or not, and records it. */
async function underFaults(
  core: SandboxCore,
  call: Pick<CallRecord, 'service' | 'action' | 'effect' | 'requestId' | 'secretId'>,
  subject: FaultSubject,
  sleep: (ms: number) => Promise<void>,
  carryOut: (
    faults: readonly Fault[],
  ) => Promise<{ readonly reply: Reply } & Partial<Pick<CallRecord, 'code' | 'request'>> & Pick<CallRecord, 'applied'>>,
): Promise<Exchange> {
  const at = core.clock.now()
  const faults = core.faults.draw(subject, at)
  const kinds = faults.map(({ kind }) => kind)
  for (const fault of faults) {
    if (fault.kind === 'latency') {
      await sleep(fault.latencyMs)
    }
  }
  const ending = endingOf(faults)
  const isLost = ending?.kind === 'drop-before' || (ending?.kind === '5xx' && ending.when === 'before')
  const outcome = isLost
    ? { reply: gatewayPage(ending.kind === '5xx' ? ending.status : 502), code: `fault.${ending.kind}`, applied: false }
    : await carryOut(faults)
  const { reply, ...result } = outcome
  core.journal.record({ ...call, at, ...result, faults: kinds })
  return {
    reply: ending?.kind === '5xx' ? gatewayPage(ending.status) : reply,
    dateMs: core.clock.now() + skewOf(faults),
    ...(ending === undefined ? {} : { ending }),
  }
}

function endingOf(faults: readonly Fault[]): Fault | undefined {
  return faults.find(({ kind }) => kind !== 'latency' && kind !== 'clock-skew')
}

function pairsOf(rawHeaders: readonly string[]): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? ''])
  }
  return pairs
}
