import type { Action, Effect, ReadAction, RequestOf, ResponseOf } from './action.ts'
import type { Clock } from './clock.ts'
import type { CloudReader, CloudWriter, SendOptions } from './cloud.ts'
import type { CredentialSource, Credentials } from './credentials.ts'
import { type Endpoint, hostOf, originOf } from './endpoint.ts'
import { Failure, nameOf, readAnswer, transportFailure } from './envelope.ts'
import { CloudError, type CloudErrorKind } from './errors.ts'
import { LimitError, Limiter } from './limit.ts'
import type { HttpMethod, SignMethod } from './request-size.ts'
import { backoffMs } from './retry.ts'
import { createRetryQuota, retryCosts } from './retry-quota.ts'
import { type SignedRequest, signTc3, signV1 } from './sign.ts'
import { createSkew, isSuspicious, type Skew } from './skew.ts'
import { TransportError } from './transport-error.ts'
import { validateRequest } from './validate-request.ts'
import type { Transport } from './wire.ts'

export interface ClientOptions {
  readonly credentials: CredentialSource
  /** For actions that take a region; a call can name another. */
  readonly region?: string | undefined
  readonly endpoint: Endpoint
  readonly clock: Clock
  readonly transport: Transport
  /** Uniform in [0, 1): for delays and nonces. */
  readonly random: () => number
  /** Default `TC3-HMAC-SHA256`. */
  readonly signMethod?: SignMethod | undefined
  /** Default `POST`. */
  readonly httpMethod?: HttpMethod | undefined
  /** Language of the platform's messages, `zh-CN` or `en-US`. */
  readonly language?: string | undefined
  /** For one try, from connecting to the last byte. Default 10 s. */
  readonly timeoutMs?: number | undefined
  /** Tries of one call. Corrections of the clock and of the token come on top, once each. Default 3. */
  readonly maxAttempts?: number | undefined
  /** Part of each action's published rate that this client uses, above 0 and at most 1. Default 0.8. */
  readonly rateShare?: number | undefined
  /** The same by service, where it is another one: `{ tcr: 1 }`. */
  readonly rateShares?: Readonly<Partial<Record<string, number>>> | undefined
  /** Told after every try. Must not throw; what it throws becomes a warning of the process. */
  readonly onAttempt?: ((event: AttemptEvent) => void) | undefined
}

/** One try of one call, for logs and metrics. Holds no secret and nothing of request or response. */
export interface AttemptEvent {
  /** `service.Action`. */
  readonly action: string
  readonly effect: Effect
  /** Which try of the call, from 1. */
  readonly attempt: number
  readonly region: string | undefined
  readonly host: string
  /** Epoch milliseconds at which the request left, or the try was given up. */
  readonly at: number
  /** How long it waited for the rate limit. */
  readonly waitedMs: number
  readonly durationMs: number
  /** `ok`, or what went wrong with this try. */
  readonly outcome: 'ok' | CloudErrorKind
  readonly code: string | undefined
  readonly httpStatus: number | undefined
  readonly requestId: string | undefined
  /** Delay before the next try; undefined when there is none. */
  readonly retryInMs: number | undefined
}

export interface CallOptions extends SendOptions {
  /** Sends the request as it is, without checking it against the action's shape: for fields that the manual does not list. */
  readonly raw?: boolean
}

export interface CloudClient extends CloudWriter {
  send<A extends Action>(action: A, request: RequestOf<A>, options?: CallOptions): Promise<ResponseOf<A>>
  /** Lets calls under way end, then ends all connections. */
  close(): Promise<void>
}

/**
 * Makes the client of the platform's API: checks each request, keeps to the action's rate, signs at the moment of sending with
 * the corrected clock, and retries what is safe to retry.
 *
 * A read is retried after network errors, timeouts, HTTP 5xx, `InternalError` and throttling. A write only after throttling
 * and when it provably never left; whatever leaves it open whether it happened is `cloud.unknown-outcome`. A refused time is
 * corrected from the platform's `Date` and a refused token asked for anew, once each per call. With a deadline, a read is tried
 * while any time is left, a write only while a whole try fits in: `cloud.deadline` then says that nothing was sent. Throws
 * CloudError only.
 *
 * Safe for concurrent use; limits, retry quota and clock correction are the client's, so a process needs one client.
 */
export function createClient(options: ClientOptions): CloudClient {
  return new Client(options)
}

/** The same client for those who only read: refuses writes also where the compiler did not see them. */
export function asReader(client: CloudReader): CloudReader {
  return {
    async send<A extends ReadAction>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> {
      const effect: Effect = action.effect
      if (effect !== 'read') {
        const name = nameOf(action)
        const text = `${name} can change something, and this client only reads; nothing was sent. Writes belong into apply, in mode enforce.`
        throw new CloudError(text, { kind: 'cloud.not-allowed', code: 'cloud.not-allowed', action: name, retryable: false })
      }
      return client.send(action, request, options)
    },
  }
}

/** What is the same for all calls of an action. */
interface Target {
  readonly name: string
  readonly origin: string
  readonly host: string
  readonly limiter: Limiter
}

/** What a call carries from try to try. */
interface Call<A extends Action> {
  readonly action: A
  readonly target: Target
  readonly params: object
  readonly region: string | undefined
  /** Epoch milliseconds; infinity when there is none. */
  readonly deadline: number
  /** The last instant at which a try may start: for a write so long before the deadline that it can take all of its time. */
  readonly latestStart: number
  readonly signal: AbortSignal | undefined
  attempt: number
  /** Retries after a delay so far. */
  backoffs: number
  /** What the last of them cost. */
  lastCost: number
  clockCorrected: boolean
  /** Credentials whose token was refused, and the error that said so. */
  refused: { readonly credentials: Credentials; readonly error: CloudError } | undefined
}

/** One try, as far as it came. */
interface Try {
  at: number
  waitedMs: number
  durationMs: number
  /** The time in the signature, epoch milliseconds. */
  signedAt: number
  /** The platform's time, when its answer told. */
  platformNow: number | undefined
  credentials: Credentials | undefined
  httpStatus: number | undefined
}

const noOptions: CallOptions = {}

class Client implements CloudClient {
  readonly #options: ClientOptions
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #maxAttempts: number
  readonly #share: number
  readonly #skew: Skew
  readonly #quota = createRetryQuota()
  readonly #targetByName = new Map<string, Target>()
  /** Saves putting the name together for every call. */
  readonly #targetByAction = new WeakMap<Action, Target>()

  constructor(options: ClientOptions) {
    this.#options = options
    this.#clock = options.clock
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#maxAttempts = options.maxAttempts ?? 3
    this.#share = options.rateShare ?? 0.8
    this.#skew = createSkew(options.clock)
    checkShare('rateShare', this.#share)
    for (const [service, share] of Object.entries(options.rateShares ?? {}))
      if (share !== undefined) checkShare(`rateShares.${service}`, share)
    if (!(this.#timeoutMs > 0)) throw new RangeError(`timeoutMs is ${this.#timeoutMs}; give a number above 0.`)
    if (!(Number.isInteger(this.#maxAttempts) && this.#maxAttempts >= 1))
      throw new RangeError(`maxAttempts is ${this.#maxAttempts}; give a whole number from 1.`)
  }

  async send<A extends Action>(action: A, request: RequestOf<A>, options: CallOptions = noOptions): Promise<ResponseOf<A>> {
    const target = this.#targetOf(action)
    const { deadline = Number.POSITIVE_INFINITY } = options
    const call: Call<A> = {
      action,
      target,
      params: options.raw === true ? objectOf(target.name, request) : validateRequest(target.name, action.input, request),
      region: regionFor(action, target.name, options.region ?? this.#options.region),
      deadline,
      latestStart: action.effect === 'read' ? deadline - 1 : deadline - this.#timeoutMs,
      signal: options.signal,
      attempt: 0,
      backoffs: 0,
      lastCost: 0,
      clockCorrected: false,
      refused: undefined,
    }
    const { onAttempt } = this.#options
    for (;;) {
      call.attempt += 1
      const tried: Try = {
        at: 0,
        waitedMs: 0,
        durationMs: 0,
        signedAt: 0,
        platformNow: undefined,
        credentials: undefined,
        httpStatus: undefined,
      }
      const result = await this.#try(call, tried)
      if (!(result instanceof Failure)) {
        this.#quota.refill(call.lastCost)
        if (tried.platformNow !== undefined) options.onClockOffset?.(this.#skew.offsetMs)
        if (onAttempt !== undefined) report(onAttempt, call, tried, result, undefined)
        return result
      }
      const decision = this.#decide(call, tried, result)
      if (onAttempt !== undefined) report(onAttempt, call, tried, result, typeof decision === 'number' ? decision : undefined)
      if (typeof decision !== 'number') throw decision
      if (decision > 0) await this.#pause(decision, call)
    }
  }

  close(): Promise<void> {
    return this.#options.transport.close()
  }

  /** Waits for the rate limit, then signs and sends. Fails with a Failure only; what it throws is a bug. */
  async #try<A extends Action>(call: Call<A>, tried: Try): Promise<ResponseOf<A> | Failure> {
    const { target, signal } = call
    const clock = this.#clock
    tried.at = clock.now()
    if (signal?.aborted === true) return new Failure(abortedError(target.name, 'before it was sent'), 'never')
    if (tried.at > call.latestStart) return new Failure(this.#tooLate(call, 'when it was to be sent'), 'never')
    let held = false
    try {
      const since = clock.monotonic()
      const permit = target.limiter.take(call.latestStart, signal)
      if (permit !== undefined) {
        await permit
        tried.waitedMs = clock.monotonic() - since
      }
      held = true
      const credentials = await this.#credentials(call)
      tried.credentials = credentials
      if (call.refused !== undefined && isSame(credentials, call.refused.credentials)) return new Failure(call.refused.error, 'never')
      tried.at = clock.now()
      if (tried.at > call.latestStart)
        return new Failure(this.#tooLate(call, 'after it had waited for the rate limit or for credentials'), 'never')
      // Signed only now: the wait may have been long, and the process frozen.
      const signed = this.#sign(call, tried, credentials)
      held = false
      return await this.#exchange(call, tried, signed)
    } catch (error) {
      if (error instanceof LimitError) {
        return new Failure(
          error.reason === 'aborted'
            ? abortedError(target.name, 'while it waited for the rate limit')
            : this.#tooLate(call, 'after waiting for the rate limit'),
          'never',
        )
      }
      if (error instanceof CloudError) return new Failure(error, 'never')
      throw error
    } finally {
      if (held) target.limiter.giveBack()
    }
  }

  /** Sends, and ends the permit of the limiter when the request really leaves: it may wait for a connection before. */
  async #exchange<A extends Action>(call: Call<A>, tried: Try, signed: SignedRequest): Promise<ResponseOf<A> | Failure> {
    const { action, target } = call
    const clock = this.#clock
    const since = clock.monotonic()
    const deadline = Math.min(tried.at + this.#timeoutMs, call.deadline)
    const repeatable = action.effect === 'read'
    const { limiter } = target
    let departedAt = since
    let held = true
    let over = false
    const onDeparture = (): void => {
      departedAt = clock.monotonic()
      held = false
      limiter.left(departedAt)
    }
    const beforeResend = async (): Promise<void> => {
      await limiter.take(deadline, call.signal)
      // The exchange may have ended while this waited: then nobody else gives the permit back.
      if (over) limiter.giveBack()
      else held = true
    }
    try {
      const answer = await this.#options.transport.send({
        origin: target.origin,
        method: signed.method,
        path: signed.path,
        headers: signed.headers,
        body: signed.body,
        deadline,
        signal: call.signal,
        repeatable,
        onDeparture,
        beforeResend,
      })
      tried.durationMs = clock.monotonic() - since
      tried.httpStatus = answer.status
      tried.platformNow = this.#skew.learn(answer.headers, departedAt)
      const { secretKey, token } = tried.credentials ?? noCredentials
      const read = readAnswer(action, answer, token === undefined ? [secretKey] : [secretKey, token])
      if (read instanceof Failure && read.retry === 'throttling') limiter.refused(departedAt)
      return read
    } catch (error) {
      if (!(error instanceof TransportError)) throw error
      tried.durationMs = clock.monotonic() - since
      tried.httpStatus = error.status
      return transportFailure(action, error)
    } finally {
      over = true
      if (held) limiter.giveBack()
    }
  }

  #sign(call: Call<Action>, tried: Try, credentials: Credentials): SignedRequest {
    const { action, target } = call
    const { signMethod = 'TC3-HMAC-SHA256', httpMethod = 'POST', language, random } = this.#options
    const timestamp = Math.floor(this.#skew.now() / 1000)
    tried.signedAt = timestamp * 1000
    const input = {
      credentials,
      method: httpMethod,
      host: target.host,
      service: action.service,
      action: action.name,
      version: action.version,
      region: call.region,
      language,
      params: call.params,
      timestamp,
    }
    if (signMethod === 'TC3-HMAC-SHA256') return signTc3(input)
    return signV1({ ...input, signatureMethod: signMethod, nonce: 1 + Math.floor(random() * 2_147_483_646) })
  }

  /** Asks for credentials, no longer than one try may take and the call's deadline allows. */
  async #credentials(call: Call<Action>): Promise<Credentials> {
    const asked = this.#options.credentials(call.refused?.credentials)
    let known: Credentials | undefined
    let failed = false
    asked.then(
      (credentials) => {
        known = credentials
      },
      () => {
        failed = true
      },
    )
    // They are nearly always in memory, a few turns of the microtask queue away: then no timer is needed.
    for (let turn = 0; turn < 6 && known === undefined && !failed; turn += 1) await undefined
    return known ?? (failed ? asked : this.#credentialsInTime(asked, call))
  }

  async #credentialsInTime(asked: Promise<Credentials>, call: Call<Action>): Promise<Credentials> {
    const { name } = call.target
    const leftMs = Math.min(this.#timeoutMs, call.latestStart - this.#clock.now())
    const done = new AbortController()
    const late = async (): Promise<never> => {
      const end = call.signal === undefined ? done.signal : AbortSignal.any([done.signal, call.signal])
      try {
        await this.#clock.sleep(leftMs, end)
      } catch {
        throw abortedError(name, 'while it waited for credentials')
      }
      if (leftMs < this.#timeoutMs) throw this.#tooLate(call, 'after it had waited for credentials')
      const text = `${name}: no credentials within ${leftMs} ms; nothing was sent. Check where they come from (platform.credentials).`
      throw new CloudError(text, { kind: 'cloud.credentials', code: 'credentials.refresh-failed', action: name, retryable: true })
    }
    try {
      return await Promise.race([asked, late()])
    } finally {
      done.abort()
    }
  }

  /** After a failure: the delay before the next try, or the error that ends the call. */
  #decide(call: Call<Action>, tried: Try, failure: Failure): number | CloudError {
    switch (failure.retry) {
      case 'never':
        return failure.error
      case 'clock':
        if (call.clockCorrected) return this.#clockError(failure.error)
        call.clockCorrected = true
        return 0
      case 'clock-maybe':
        if (call.clockCorrected || !isSuspicious(tried.signedAt, tried.platformNow)) return failure.error
        call.clockCorrected = true
        return 0
      case 'token':
        if (call.refused !== undefined || tried.credentials === undefined) return failure.error
        call.refused = { credentials: tried.credentials, error: failure.error }
        return 0
      case 'transient':
      case 'throttling':
        return this.#backOff(call, failure.retry, failure.error)
    }
  }

  #backOff(call: Call<Action>, retryClass: 'transient' | 'throttling', error: CloudError): number | CloudError {
    if (call.backoffs + 1 >= this.#maxAttempts)
      return call.backoffs === 0 ? error : derived(error, error.kind, `${error.message} Tried ${call.attempt} times.`)
    const delayMs = backoffMs(retryClass, call.backoffs, this.#options.random)
    if (this.#clock.now() + delayMs > call.latestStart) {
      return derived(error, 'cloud.deadline', `${error.message} No time was left for another try.`)
    }
    const cost = retryCosts[retryClass]
    if (!this.#quota.pay(cost)) {
      return derived(error, 'cloud.retry-quota', `${error.message} It was not tried again: too many calls of this client failed lately.`)
    }
    call.backoffs += 1
    call.lastCost = cost
    return delayMs
  }

  #tooLate(call: Call<Action>, when: string): CloudError {
    const { name } = call.target
    const what =
      call.action.effect === 'read'
        ? 'no time would be left'
        : `less time would be left than the ${this.#timeoutMs} ms that a write may take`
    const text = `${name}: ${what} ${when}; it was not sent. Give the call more time, or make fewer at once.`
    return new CloudError(text, { kind: 'cloud.deadline', code: 'cloud.deadline', action: name, retryable: true })
  }

  #clockError(error: CloudError): CloudError {
    const seconds = Math.round(this.#skew.offsetMs / 1000)
    const known =
      seconds === 0
        ? "The platform's answers do not say how far."
        : `The platform's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this machine's, and correcting for that did not help.`
    return derived(error, error.kind, `${error.message} ${known}`)
  }

  async #pause(delayMs: number, call: Call<Action>): Promise<void> {
    try {
      await this.#clock.sleep(delayMs, call.signal)
    } catch (error) {
      if (call.signal?.aborted !== true) throw error
      throw abortedError(call.target.name, 'while it waited to be tried again')
    }
  }

  #targetOf(action: Action): Target {
    const known = this.#targetByAction.get(action)
    if (known !== undefined) return known
    const name = nameOf(action)
    let target = this.#targetByName.get(name)
    if (target === undefined) {
      const origin = originOf(this.#options.endpoint, action.service)
      target = {
        name,
        origin,
        host: hostOf(origin),
        limiter: new Limiter({
          clock: this.#clock,
          ratePerSecond: action.ratePerSecond,
          share: this.#options.rateShares?.[action.service] ?? this.#share,
        }),
      }
      this.#targetByName.set(name, target)
    }
    this.#targetByAction.set(action, target)
    return target
  }
}

const noCredentials: Credentials = { secretId: '', secretKey: '' }

function checkShare(name: string, share: number): void {
  if (!(share > 0 && share <= 1)) throw new RangeError(`${name} is ${share}; give a number above 0 and at most 1.`)
}

/** Whether a source gave the same credentials again. */
function isSame(one: Credentials, other: Credentials): boolean {
  return one === other || (one.secretId === other.secretId && one.secretKey === other.secretKey && one.token === other.token)
}

function regionFor(action: Action, name: string, region: string | undefined): string | undefined {
  if (!action.regional) return undefined
  if (region === undefined || region === '') throw invalid(name, 'it needs a region', 'Set platform.region, or the region of the cluster.')
  return region
}

function objectOf(name: string, request: unknown): object {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    throw invalid(name, 'the request is no object', 'Give an object with its fields.')
  return request
}

function invalid(name: string, what: string, advice: string): CloudError {
  return new CloudError(`${name}: ${what}; nothing was sent. ${advice}`, {
    kind: 'cloud.invalid-request',
    code: 'cloud.invalid-request',
    action: name,
    retryable: false,
  })
}

function abortedError(name: string, when: string): CloudError {
  const text = `${name}: its caller ended it ${when}.`
  return new CloudError(text, { kind: 'cloud.aborted', code: 'cloud.aborted', action: name, retryable: false })
}

/** The same failure told differently; the first telling is its cause. */
function derived(error: CloudError, kind: CloudErrorKind, message: string): CloudError {
  const facts = {
    kind,
    code: error.code,
    action: error.action,
    retryable: error.retryable,
    ...(error.requestId === undefined ? {} : { requestId: error.requestId }),
    ...(error.httpStatus === undefined ? {} : { httpStatus: error.httpStatus }),
  }
  return new CloudError(message, facts, { cause: error })
}

function report(
  onAttempt: (event: AttemptEvent) => void,
  call: Call<Action>,
  tried: Try,
  result: object,
  retryInMs: number | undefined,
): void {
  const error = result instanceof Failure ? result.error : undefined
  const requestId: unknown = error === undefined ? Reflect.get(result, 'RequestId') : error.requestId
  try {
    onAttempt({
      action: call.target.name,
      effect: call.action.effect,
      attempt: call.attempt,
      region: call.region,
      host: call.target.host,
      at: tried.at,
      waitedMs: tried.waitedMs,
      durationMs: tried.durationMs,
      outcome: error === undefined ? 'ok' : error.kind,
      code: error?.code,
      httpStatus: tried.httpStatus,
      requestId: typeof requestId === 'string' ? requestId : undefined,
      retryInMs,
    })
  } catch (fault) {
    // An observer must not change the outcome of a call; the fault is shown, not hidden.
    process.emitWarning(fault instanceof Error ? fault : String(fault))
  }
}
