import type { Effect } from './action.ts'
import type { AttemptEvent } from './client.ts'
import type { Clock } from './clock.ts'
import type { SendOptions } from './cloud.ts'
import { CloudError, type CloudErrorKind } from './errors.ts'
import { type Challenge, parseChallenge, parseToken, tokenCallOf } from './registry-auth.ts'
import type { RegistryAddress, RegistryAnswer, RegistryReadRequest, RegistryWriteRequest } from './registry-call.ts'
import { backoffMs } from './retry.ts'
import { createRetryQuota, retryCosts } from './retry-quota.ts'
import { TransportError } from './transport-error.ts'
import { headerOf, type Transport, type WireAnswer } from './wire.ts'

export interface RegistryClientOptions {
  readonly clock: Clock
  /** Uniform in [0, 1): for delays. */
  readonly random: () => number
  /** Makes what calls go over; asked once for each of the two, when the first call needs it. It decides which hosts may be called. */
  readonly createTransport: (allowInsecureHttp: boolean) => Transport
  /** Answers the secret that a reference points to. What it throws ends the call. */
  readonly resolve: (reference: string) => Promise<string>
  /** Told every secret before it is used. */
  readonly onSecret?: ((secret: string) => void) | undefined
  /** For one try, from connecting to the last byte. Default 10 s. */
  readonly timeoutMs?: number | undefined
  /** Tries of one call. Default 3. */
  readonly maxAttempts?: number | undefined
  /** Told after every try, of which getting a token is a part. Must not throw; what it throws becomes a warning of the process. */
  readonly onAttempt?: ((event: AttemptEvent) => void) | undefined
}

/** Calls registries of the Docker Registry HTTP API V2. Throws CloudError only. Safe for concurrent use. */
export interface RegistryClient {
  send(effect: Effect, request: RegistryReadRequest | RegistryWriteRequest, options?: SendOptions): Promise<RegistryAnswer>
  /** Lets calls under way end, then ends all connections. */
  close(): Promise<void>
}

interface Call {
  readonly name: string
  readonly effect: Effect
  readonly request: RegistryReadRequest | RegistryWriteRequest
  readonly deadline: number
  readonly latestStart: number
  readonly signal: AbortSignal | undefined
}

/** What goes into `Authorization`, and until when. */
interface Pass {
  readonly header: string
  readonly untilMs: number
}

/** One failed try: the error, and whether another try may follow. */
interface Failed {
  readonly error: CloudError
  readonly retry: 'transient' | 'throttling' | 'never'
}

/** So long before its end a token is not used any more. */
const tokenMarginMs = 10_000

/** Credentials that lie somewhere else are read again after this time. */
const rereadMs = 10 * 60_000

/**
 * Makes the client. A read is tried again after network errors, timeouts, 5xx and 429; a write after 429, and where it provably
 * never left; whatever else leaves it open whether a write happened is `cloud.unknown-outcome`. A registry that asks for a token
 * gets one from the realm that it names, if that host may be called; a refused token is asked for anew once. Redirects are not
 * followed.
 */
export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  const { clock, random, timeoutMs = 10_000, maxAttempts = 3 } = options
  const transports = new Map<boolean, Transport>()
  const quota = createRetryQuota()
  const passes = new Map<string, Pass>()
  const secrets = new Map<string, { readonly value: Promise<string>; readonly untilMs: number }>()

  const transportOf = ({ allowInsecureHttp = false }: RegistryAddress): Transport => {
    const known = transports.get(allowInsecureHttp)
    if (known !== undefined) return known
    const made = options.createTransport(allowInsecureHttp)
    transports.set(allowInsecureHttp, made)
    return made
  }

  const secretOf = async (reference: string, call: Call): Promise<string> => {
    let known = secrets.get(reference)
    if (known === undefined || known.untilMs <= clock.now()) {
      known = { value: options.resolve(reference), untilMs: clock.now() + rereadMs }
      secrets.set(reference, known)
    }
    try {
      const secret = await known.value
      options.onSecret?.(secret)
      return secret
    } catch (error) {
      secrets.delete(reference)
      const why = error instanceof Error ? error.message : String(error)
      throw errorOf(call, 'cloud.credentials', 'registry.credentials', `its credentials cannot be read: ${why}`, { cause: error })
    }
  }

  const basicOf = async (call: Call): Promise<string | undefined> => {
    const { credentials } = call.request.registry
    if (credentials === undefined) return undefined
    const pair = `${await secretOf(credentials.username, call)}:${await secretOf(credentials.password, call)}`
    const encoded = Buffer.from(pair, 'utf8').toString('base64')
    options.onSecret?.(encoded)
    return `Basic ${encoded}`
  }

  /** A password opens everything, a token what it was given for. */
  const passKeys = ({ effect, request: { registry, scope } }: Call) => {
    const own = [registry.url, registry.credentials?.username, registry.credentials?.password]
    return { basic: JSON.stringify(own), bearer: JSON.stringify([...own, effect, scope]) }
  }

  /** What the registry asks for, got; kept for calls like this one. */
  const passFor = async (call: Call, challenge: Challenge): Promise<Pass> => {
    const basic = await basicOf(call)
    let pass: Pass
    if (challenge.scheme === 'basic') {
      if (basic === undefined) {
        const text = 'it asks for a user name and a password, and none are configured. Set `credentials` of the registry'
        throw errorOf(call, 'cloud.credentials', 'registry.no-credentials', text)
      }
      pass = { header: basic, untilMs: clock.now() + rereadMs }
    } else {
      pass = await tokenFor(call, challenge, basic)
    }
    passes.set(passKeys(call)[challenge.scheme], pass)
    return pass
  }

  const tokenFor = async (call: Call, challenge: Challenge & { scheme: 'bearer' }, basic: string | undefined): Promise<Pass> => {
    const token = tokenCallOf(challenge)
    const fail = (kind: CloudErrorKind, code: string, what: string, cause?: unknown): CloudError =>
      errorOf(call, kind, code, what, { cause })
    if (token === undefined) throw fail('cloud.credentials', 'registry.bad-realm', 'it names a place for tokens that is no address')
    let answer: WireAnswer
    try {
      answer = await transportOf(call.request.registry).send({
        origin: token.origin,
        method: 'GET',
        path: token.path,
        headers: {
          host: token.host,
          accept: 'application/json',
          'user-agent': userAgent,
          ...(basic === undefined ? {} : { authorization: basic }),
        },
        deadline: Math.min(clock.now() + timeoutMs, call.deadline),
        signal: call.signal,
        repeatable: true,
      })
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      const kind = error.kind === 'not-allowed' ? 'cloud.not-allowed' : error.kind === 'aborted' ? 'cloud.aborted' : 'cloud.credentials'
      throw fail(kind, error.code, `no token could be got from ${token.host}: ${error.message}`, error)
    }
    if (answer.status !== 200) {
      const text = `${token.host} refuses a token (HTTP ${answer.status}). Check \`credentials\` of the registry and what they may do`
      throw fail('cloud.credentials', `http-${answer.status}`, text)
    }
    const parsed = parseToken(answer.body.toString('utf8'))
    if (parsed === undefined) throw fail('cloud.credentials', 'registry.bad-token', `the answer of ${token.host} holds no token`)
    options.onSecret?.(parsed.token)
    return { header: `Bearer ${parsed.token}`, untilMs: clock.now() + Math.max(0, parsed.expiresInMs - tokenMarginMs) }
  }

  /** Sends once with a pass, and once more with a new one where it is refused: nothing has happened then. */
  const tryOnce = async (call: Call): Promise<RegistryAnswer | Failed> => {
    const { basic, bearer } = passKeys(call)
    const known = [passes.get(bearer), passes.get(basic)].find((pass) => pass !== undefined && pass.untilMs > clock.now())
    const first = await exchange(call, known?.header)
    if ('error' in first || first.status !== 401) return 'error' in first ? first : read(call, first)
    passes.delete(basic)
    passes.delete(bearer)
    const challenge = parseChallenge(headerOf(first.headers, 'www-authenticate'))
    if (challenge === undefined) return read(call, first)
    const pass = await passFor(call, challenge)
    const second = await exchange(call, pass.header)
    if ('error' in second) return second
    if (second.status === 401) passes.delete(challenge.scheme === 'basic' ? basic : bearer)
    return read(call, second)
  }

  const exchange = async (call: Call, authorization: string | undefined): Promise<WireAnswer | Failed> => {
    const { request, effect } = call
    const url = URL.parse(request.registry.url)
    const now = clock.now()
    if (url === null) throw errorOf(call, 'cloud.invalid-request', 'registry.bad-url', 'its address is no URL')
    if (call.signal?.aborted === true) throw errorOf(call, 'cloud.aborted', 'cloud.aborted', 'the run was stopped; it was not sent')
    if (now > call.latestStart) {
      const text = effect === 'read' ? 'no time is left' : `less time is left than the ${timeoutMs} ms that a write may take`
      throw errorOf(call, 'cloud.deadline', 'cloud.deadline', `${text}; it was not sent`, { retryable: true })
    }
    const body = 'body' in request ? request.body : undefined
    const contentType = 'contentType' in request ? request.contentType : undefined
    try {
      return await transportOf(request.registry).send({
        origin: url.origin,
        method: request.method,
        path: request.path,
        headers: {
          host: url.host,
          'user-agent': userAgent,
          ...(request.accept === undefined ? {} : { accept: request.accept }),
          ...(contentType === undefined ? {} : { 'content-type': contentType }),
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(body === undefined ? {} : { body }),
        deadline: Math.min(now + timeoutMs, call.deadline),
        signal: call.signal,
        repeatable: effect === 'read',
      })
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      return transportFailure(call, error)
    }
  }

  return {
    send: async (effect, request, { deadline = Number.POSITIVE_INFINITY, signal } = {}) => {
      const call: Call = {
        name: `registry ${URL.parse(request.registry.url)?.host ?? ''}, ${request.method} ${request.path}`,
        effect,
        request,
        deadline,
        latestStart: effect === 'read' ? deadline - 1 : deadline - timeoutMs,
        signal,
      }
      let lastCost = 0
      for (let backoffs = 0; ; backoffs += 1) {
        const at = clock.now()
        const from = clock.monotonic()
        const tell = (result: RegistryAnswer | CloudError, retryInMs?: number): void => {
          const tried = { attempt: backoffs + 1, at, durationMs: clock.monotonic() - from, retryInMs }
          if (options.onAttempt !== undefined) report(options.onAttempt, call, tried, result)
        }
        let result: RegistryAnswer | Failed
        try {
          result = await tryOnce(call)
        } catch (error) {
          if (error instanceof CloudError) tell(error)
          throw error
        }
        if (!('error' in result)) {
          tell(result)
          quota.refill(lastCost)
          return result
        }
        const { error, retry } = result
        const delayMs = retry === 'never' || backoffs + 1 >= maxAttempts ? undefined : backoffMs(retry, backoffs, random)
        const cost = retry === 'never' ? 0 : retryCosts[retry]
        if (delayMs === undefined || clock.now() + delayMs > call.latestStart || !quota.pay(cost)) {
          tell(error)
          throw error
        }
        tell(error, delayMs)
        lastCost = cost
        try {
          await clock.sleep(delayMs, signal)
        } catch (cause) {
          if (signal?.aborted !== true) throw cause
          throw errorOf(call, 'cloud.aborted', 'cloud.aborted', 'the run was stopped while it waited to be tried again')
        }
      }
    },
    close: async () => {
      await Promise.all([...transports.values()].map((transport) => transport.close()))
    },
  }
}

function report(
  onAttempt: (event: AttemptEvent) => void,
  { effect, request }: Call,
  tried: Pick<AttemptEvent, 'attempt' | 'at' | 'durationMs' | 'retryInMs'>,
  result: RegistryAnswer | CloudError,
): void {
  const error = result instanceof CloudError ? result : undefined
  try {
    onAttempt({
      ...tried,
      action: actionOf(effect),
      effect,
      region: undefined,
      host: URL.parse(request.registry.url)?.host ?? '',
      waitedMs: 0,
      outcome: error?.kind ?? 'ok',
      code: error?.code,
      httpStatus: result instanceof CloudError ? result.httpStatus : result.status,
      requestId: undefined,
    })
  } catch (fault) {
    // An observer must not change the outcome of a call; the fault is shown, not hidden.
    process.emitWarning(fault instanceof Error ? fault : String(fault))
  }
}

function actionOf(effect: Effect): string {
  return effect === 'read' ? 'registry.Read' : 'registry.Write'
}

const userAgent = 'longshore'

/** An answer with a status that the caller knows what to do with, or what is wrong. */
function read(call: Call, { status, headers, body }: WireAnswer): RegistryAnswer | Failed {
  const { statuses = [200] } = call.request
  if (statuses.includes(status)) {
    const single = Object.keys(headers).flatMap((name) => {
      const value = headerOf(headers, name)
      return value === undefined ? [] : [[name.toLowerCase(), value] as const]
    })
    return { status, headers: Object.fromEntries(single), body }
  }
  const code = codeIn(body) ?? `http-${status}`
  const said = `it answered ${code === `http-${status}` ? `HTTP ${status}` : `${code} (HTTP ${status})`}`
  const fail = (kind: CloudErrorKind, text: string, retry: Failed['retry'] = 'never'): Failed => ({
    error: errorOf(call, kind, code, text, { httpStatus: status, retryable: retry !== 'never' }),
    retry,
  })
  if (status === 401) return fail('cloud.credentials', `${said}. Check \`credentials\` of the registry`)
  if (status === 403) return fail('cloud.forbidden', `${said}. Its credentials may not do this`)
  if (status === 404) return fail('cloud.not-found', `${said}. Check the address of the registry`)
  if (status === 429) return fail('cloud.rate-limited', `${said}. Make fewer calls at once`, 'throttling')
  if (status >= 500) {
    if (call.effect === 'read')
      return fail('cloud.unavailable', `${said}. The registry, or a gateway in front of it, is failing`, 'transient')
    return fail('cloud.unknown-outcome', `${said}. ${mayHaveHappened}`)
  }
  if (status >= 400) return fail('cloud.rejected', said)
  return fail(call.effect === 'read' ? 'cloud.bad-answer' : 'cloud.unknown-outcome', `${said}, which nobody knows the meaning of`)
}

const mayHaveHappened = 'The request was sent and may have been carried out; it is not repeated. Read the registry to see what happened'

function transportFailure(call: Call, error: TransportError): Failed {
  const fail = (kind: CloudErrorKind, text: string, retry: Failed['retry'] = 'never'): Failed => ({
    error: errorOf(call, kind, error.code, text, { cause: error, httpStatus: error.status, retryable: retry !== 'never' }),
    retry,
  })
  const what = error.message.replace(/\.$/, '')
  if (!error.sent) {
    switch (error.kind) {
      case 'not-allowed':
        return fail('cloud.not-allowed', what)
      case 'untrusted':
        return fail('cloud.untrusted', `${what}. Name its authority in platform.caFile`)
      case 'aborted':
        return fail('cloud.aborted', what)
      case 'not-sent':
      case 'network':
      case 'timeout':
      case 'too-large':
      case 'redirect':
        return fail('cloud.not-sent', what, 'transient')
    }
  }
  if (call.effect === 'write') return fail('cloud.unknown-outcome', `${what}. ${mayHaveHappened}`)
  switch (error.kind) {
    case 'aborted':
      return fail('cloud.aborted', what)
    case 'timeout':
      return fail('cloud.timeout', what, 'transient')
    case 'too-large':
    case 'redirect':
      return fail('cloud.bad-answer', what)
    case 'not-allowed':
    case 'untrusted':
    case 'not-sent':
    case 'network':
      return fail('cloud.network', what, 'transient')
  }
}

/** The first error code of a registry's answer. Its message is not shown: it may hold anything. */
function codeIn(body: Buffer): string | undefined {
  const match = /"code"\s*:\s*"([A-Z_]{1,40})"/.exec(body.subarray(0, 4096).toString('utf8'))
  return match?.[1]
}

function errorOf(
  call: Pick<Call, 'name' | 'effect'>,
  kind: CloudErrorKind,
  code: string,
  what: string,
  more: { readonly cause?: unknown; readonly httpStatus?: number | undefined; readonly retryable?: boolean } = {},
): CloudError {
  const { cause, httpStatus, retryable = false } = more
  const facts = {
    kind,
    code,
    action: actionOf(call.effect),
    retryable,
    ...(httpStatus === undefined ? {} : { httpStatus }),
  }
  return new CloudError(`${call.name}: ${what}.`, facts, cause === undefined ? undefined : { cause })
}
