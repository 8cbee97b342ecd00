import { TransportError, type TransportErrorKind } from '#cloud/transport-error.ts'
import type { Transport, WireAnswer, WireRequest } from '#cloud/wire.ts'
import type { Exchange } from '#infra/sandbox/server.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { EventLoop } from './event-loop.ts'
import type { WireOutcome } from './history.ts'
import type { PlaceKind, SimProcess } from './sim-process.ts'

/** What the network does to one request. */
export interface WireFate {
  readonly thereMs: number
  readonly backMs: number
  /** No connection can be made: nothing is sent. */
  readonly isRefused: boolean
}

/** One request on the wire, for whoever keeps the history. */
export interface Wire {
  /** The platform has it: carries it out or not, under its faults. Called also when nobody waits for the answer any more. */
  receive(call: ReceivedCall): Promise<Exchange>
  /** The process knows how it went. `text` is for people. */
  end(outcome: WireOutcome, text: string): void
}

export interface DirectTransportOptions {
  readonly process: SimProcess
  readonly loop: EventLoop
  /** A request is about to leave. */
  readonly open: (request: WireRequest) => Wire
  readonly drawFate: () => WireFate
  /** Told what is thrown that should not be. */
  readonly onBug: (error: unknown) => void
}

/**
 * A transport without sockets: it hands the signed request to the sandbox's own handling of requests, in virtual time, and ends
 * as the real ones do: with an answer, or with a TransportError that says whether anything was sent. It sets no timer; the
 * loop keeps the deadline. What has left arrives, whatever becomes of the process.
 */
export function createDirectTransport(options: DirectTransportOptions): Transport {
  return {
    send: (request) => new Promise((resolve, reject) => new DirectExchange(request, options, resolve, reject).begin()),
    close: () => Promise.resolve(),
  }
}

class DirectExchange {
  readonly #request: WireRequest
  readonly #options: DirectTransportOptions
  readonly #resolve: (answer: WireAnswer) => void
  readonly #reject: (error: TransportError) => void
  #wire: Wire | undefined
  #isSent = false
  #isOver = false
  /** Of an answer whose head is there while its body is still on the way. */
  #status: number | undefined
  #cancelDeadline: () => void = () => undefined

  constructor(
    request: WireRequest,
    options: DirectTransportOptions,
    resolve: (answer: WireAnswer) => void,
    reject: (error: TransportError) => void,
  ) {
    this.#request = request
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(): void {
    const { process, loop, drawFate } = this.#options
    const { deadline, signal } = this.#request
    const leftMs = deadline - process.clock.now()
    if (signal?.aborted === true) {
      this.#fail('aborted', 'the caller ended the call')
      return
    }
    if (!(leftMs > 0)) {
      this.#fail('timeout', 'the deadline has passed already')
      return
    }
    const kind = this.#request.repeatable === true ? 'other' : 'change'
    if (!process.pass(kind)) return
    const fate = drawFate()
    const wire = this.#options.open(this.#request)
    this.#wire = wire
    if (fate.isRefused) {
      process.comeBack(loop.now + fate.thereMs, kind, () => this.#fail('not-sent', 'no connection could be made'))
      return
    }
    this.#isSent = true
    this.#request.onDeparture?.()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#cancelDeadline = process.comeBack(loop.now + leftMs, kind, () => this.#fail('timeout', 'no answer came before the deadline'))
    loop.after(fate.thereMs, () => {
      wire.receive(receivedCall(this.#request)).then((exchange) => this.#comeBack(exchange, fate.backMs, kind), this.#options.onBug)
    })
  }

  #comeBack(exchange: Exchange, backMs: number, kind: PlaceKind): void {
    const { process, loop } = this.#options
    const { ending } = exchange
    const pauseMs = ending?.kind === 'slow-body' ? ending.pauseMs : 0
    loop.after(backMs, () => {
      if (pauseMs > 0) this.#status = exchange.reply.status
    })
    process.comeBack(loop.now + backMs + pauseMs, kind, () => {
      switch (ending?.kind) {
        case 'drop-before':
        case 'drop-after':
          return this.#fail('network', 'the connection died before the answer')
        case 'truncated-body':
          return this.#fail('network', 'the connection died inside the answer', exchange.reply.status)
        default:
          return this.#answer(exchange)
      }
    })
  }

  #answer({ reply, dateMs, ending }: Exchange): void {
    if (!this.#finish()) return
    const body = Buffer.from(reply.body, 'utf8')
    const outcome = ending?.kind === 'forward-body' ? 'ambiguous' : outcomeOf(reply.status, reply.body)
    this.#wire?.end(outcome, `HTTP ${reply.status}, ${body.length} bytes${ending === undefined ? '' : ` (${ending.kind})`}`)
    this.#resolve({
      status: reply.status,
      headers: { date: new Date(dateMs).toUTCString(), 'content-type': reply.contentType, 'content-length': String(body.length) },
      body,
    })
  }

  readonly #onAbort = (): void => this.#fail('aborted', 'the caller ended the call')

  #fail(kind: TransportErrorKind, what: string, status = this.#status): void {
    if (!this.#finish()) return
    this.#wire?.end(this.#isSent ? 'ambiguous' : 'not-sent', what)
    const host = new URL(this.#request.origin).host
    const code = kind === 'network' ? 'ECONNRESET' : kind === 'not-sent' ? 'ECONNREFUSED' : kind
    const facts = { kind, sent: this.#isSent, code, host, ...(status === undefined ? {} : { status }) }
    this.#reject(new TransportError(`${host}: ${what}${this.#isSent ? '' : '; nothing was sent'}.`, facts))
  }

  #finish(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#cancelDeadline()
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

function receivedCall(request: WireRequest): ReceivedCall {
  const { method, path, headers, body } = request
  return {
    method,
    target: path,
    headers: Object.entries(headers),
    body: typeof body === 'string' ? Buffer.from(body, 'utf8') : (body ?? Buffer.alloc(0)),
  }
}

/** What an answer says about whether the call was carried out, read without the client's own code. */
function outcomeOf(status: number, body: string): WireOutcome {
  if (status !== 200) return 'ambiguous'
  const code = /^\{"Response":\{"Error":\{"Code":"([A-Za-z.]+)"/.exec(body)?.[1]
  if (code === undefined) return 'answered'
  return code.startsWith('InternalError') ? 'ambiguous' : 'refused'
}
