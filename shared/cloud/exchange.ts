import type { Route } from './route.ts'
import { codeOf, TransportError, type TransportErrorKind } from './transport-error.ts'
import { headerOf, type WireAnswer, type WireHeaders, type WireRequest } from './wire.ts'

/** Connection ends that a kept-alive connection shows when the other side has given it up meanwhile. */
const closedCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET'])

/**
 * One request on its way, the part that both transports share: the single deadline, the caller's signal, the size limit,
 * redirects, what to make of a dead connection, and that exactly one outcome is told. A transport drives it through the
 * `on…` methods and implements how a copy is put on a connection and how a connection is cut.
 */
export abstract class Exchange {
  readonly request: WireRequest
  readonly route: Route
  readonly #maxAnswerBytes: number
  readonly #resolve: (answer: WireAnswer) => void
  readonly #reject: (error: unknown) => void
  #timer: NodeJS.Timeout | undefined
  #over = false
  #sent = false
  /** Whether a byte of the answer to the current copy arrived. */
  #answered = false
  #resent = false
  #status = 0
  #headers: WireHeaders = {}
  #first: Buffer | undefined
  #more: Buffer[] | undefined
  #sizeBytes = 0

  constructor(
    request: WireRequest,
    route: Route,
    maxAnswerBytes: number,
    resolve: (answer: WireAnswer) => void,
    reject: (error: unknown) => void,
  ) {
    this.request = request
    this.route = route
    this.#maxAnswerBytes = maxAnswerBytes
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Puts the request on a connection, or in the queue for one. `fresh`: unused connections are given up first, they are likely dead as well. */
  protected abstract put(fresh: boolean): void

  /** The exchange is over before its answer was complete: give up the place in the queue, or the connection. */
  protected abstract cut(reason: Error): void

  get over(): boolean {
    return this.#over
  }

  /** Starts the deadline and puts the request on its way. */
  begin(now: number): void {
    const leftMs = this.request.deadline - now
    if (this.request.signal?.aborted === true) {
      this.#fail('aborted', 'aborted', 'the caller ended the call')
      return
    }
    if (!(leftMs > 0)) {
      this.#fail('timeout', 'timeout', 'the deadline has passed already')
      return
    }
    // A timer takes at most 2^31 - 1 ms; a longer deadline is as good as that.
    this.#timer = setTimeout(onDeadline, Math.min(Math.ceil(leftMs), 2_147_483_647), this)
    this.request.signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.put(false)
  }

  /** Bytes of the request are about to leave: from here on the server may act on it. */
  onStarted(): void {
    this.#sent = true
    this.#answered = false
    this.request.onDeparture?.()
  }

  /** The first bytes of an answer are there. */
  onAnswerStarted(): void {
    this.#answered = true
  }

  onHead(status: number, headers: WireHeaders): void {
    if (this.#over || status < 200) return
    this.#answered = true
    this.#status = status
    this.#headers = headers
    if (status >= 300 && status < 400) {
      this.#failAndCut('redirect', 'redirect', redirectText(headers, this.route))
      return
    }
    const announced = headers['content-length']
    if (typeof announced === 'string' && Number(announced) > this.#maxAnswerBytes) this.#failTooLarge()
  }

  onBody(chunk: Buffer): void {
    if (this.#over) return
    this.#sizeBytes += chunk.length
    if (this.#sizeBytes > this.#maxAnswerBytes) {
      this.#failTooLarge()
      return
    }
    if (this.#first === undefined) {
      this.#first = chunk
      return
    }
    this.#more ??= [this.#first]
    this.#more.push(chunk)
  }

  onEnd(): void {
    if (!this.#finish()) return
    const body = this.#more === undefined ? (this.#first ?? Buffer.alloc(0)) : Buffer.concat(this.#more)
    this.#resolve({ status: this.#status, headers: this.#headers, body })
  }

  /** The connection or the attempt to make one failed. `reused`: the connection had carried an exchange before. */
  onFailure(error: unknown, reused: boolean): void {
    if (this.#over) return
    if (error instanceof TransportError && !this.#sent) {
      this.#failWith(error)
      return
    }
    const code = codeOf(error) ?? 'network'
    const resendable = !this.#sent || this.request.repeatable === true
    if (reused && resendable && !this.#answered && !this.#resent && closedCodes.has(code)) {
      this.#resent = true
      void this.#putAgain(error, code)
      return
    }
    this.#failNetwork(error, code)
  }

  async #putAgain(error: unknown, code: string): Promise<void> {
    try {
      await this.request.beforeResend?.()
    } catch {
      // The copy may not be sent any more (no time, no room under the rate limit): then the first failure is the outcome.
      this.#failNetwork(error, code)
      return
    }
    if (!this.#over) this.put(true)
  }

  #failNetwork(cause: unknown, code: string): void {
    const known = code === 'UND_ERR_SOCKET' ? 'ECONNRESET' : code
    const what = this.#status === 0 ? 'the connection died before the answer' : 'the connection died inside the answer'
    this.#fail(this.#sent ? 'network' : 'not-sent', known, `${what} (${known})`, cause)
  }

  #failTooLarge(): void {
    this.#failAndCut(
      'too-large',
      'too-large',
      `the answer is larger than ${this.#maxAnswerBytes} bytes; ask for less, by a filter or a smaller page`,
    )
  }

  /** For the timer. */
  passDeadline(): void {
    const where = !this.#sent ? 'no connection was free or made' : this.#status === 0 ? 'no answer came' : 'the answer was not complete'
    this.#failAndCut('timeout', 'timeout', `${where} before the deadline`)
  }

  readonly #onAbort = (): void => {
    this.#failAndCut('aborted', 'aborted', 'the caller ended the call')
  }

  #failAndCut(kind: TransportErrorKind, code: string, what: string): void {
    const error = this.#error(kind, code, what, undefined)
    if (!this.#finish()) return
    this.cut(error)
    this.#reject(error)
  }

  #fail(kind: TransportErrorKind, code: string, what: string, cause?: unknown): void {
    this.#failWith(this.#error(kind, code, what, cause))
  }

  #failWith(error: TransportError): void {
    if (this.#finish()) this.#reject(error)
  }

  #error(kind: TransportErrorKind, code: string, what: string, cause: unknown): TransportError {
    const { host } = this.route
    const suffix = this.#sent ? '' : '; nothing was sent'
    const facts = { kind, sent: this.#sent, code, host, ...(this.#status === 0 ? {} : { status: this.#status }) }
    return new TransportError(`${host}: ${what}${suffix}.`, facts, cause === undefined ? undefined : { cause })
  }

  #finish(): boolean {
    if (this.#over) return false
    this.#over = true
    clearTimeout(this.#timer)
    this.request.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

/**
 * Whether an unused connection has shown that the server keeps it: it outlived an answer before, or has been unused for a
 * while and is still there. Some servers promise to keep it and close it behind every answer; a write must not run into that,
 * since it could not be sent again.
 */
export function isProven(served: number, unusedMs: number): boolean {
  return served >= 2 || unusedMs >= provenAfterMs
}

const provenAfterMs = 50

function onDeadline(exchange: Exchange): void {
  exchange.passDeadline()
}

/** Names the host a redirect points to, without path and query: they may carry what was sent. */
function redirectText(headers: WireHeaders, route: Route): string {
  const location = headerOf(headers, 'location')
  const target = location === undefined ? null : URL.parse(location, route.origin)
  if (target === null) return 'the server redirects without saying where; redirects are not followed'
  return `the server redirects to ${target.protocol}//${target.host}; redirects are not followed. If that is the platform's right address, set platform.endpoint or platform.protocol to it`
}
