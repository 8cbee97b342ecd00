import { Client, type Dispatcher } from 'undici'
import { type Connector, createConnector } from './connect.ts'
import { Exchange, isProven } from './exchange.ts'
import { createRoutes, type Route } from './route.ts'
import { closedError } from './transport-error.ts'
import type { Transport, TransportOptions, WireAnswer, WireRequest } from './wire.ts'

export type { Transport, TransportFactory, TransportOptions, WireAnswer, WireHeaders, WireRequest } from './wire.ts'

/**
 * Sends requests over undici: for processes that live long (local runner, bench), where throughput counts. Functions take
 * transport-https.ts, which starts faster. Measured with infra/bench (Node 24.21, undici 8.12, esbuild 0.28, two cores):
 *
 * | client over        | bundle  | ready, added | first answer, added | 20 calls at once | processor time of a call |
 * | ------------------ | ------- | ------------ | ------------------- | ---------------- | ------------------------ |
 * | node:http          |  51 KiB |       +11 ms |              +21 ms |  2.1 × the SDK's |                   138 µs |
 * | undici             | 766 KiB |       +56 ms |              +68 ms |  7.5 × the SDK's |                    40 µs |
 * | undici, pared down | 205 KiB |       +22 ms |              +33 ms |                  |                          |
 * | the official SDK   | 536 KiB |       +48 ms |              +59 ms |                1 |                   314 µs |
 *
 * "Added" is above an empty handler's 22 and 25 ms. Pared down means that the build leaves out what a single connection never
 * calls (fetch, HTTP/2, mocks, caches); it depends on undici's inner files and compiles a WebAssembly parser at the first
 * connection, so it is measured but not used. A plain `import` of `node:http` would add about 30 ms more: see transport-https.ts.
 *
 * Per origin it keeps its own undici clients, each one connection with one request at a time, the last used first. Undici's
 * Pool would not say whether a connection had been used before, nor let a dead one be passed by. No pipelining, no HTTP/2,
 * no redirects. Throws an Error when the list of allowed hosts or a proxy variable cannot be understood.
 */
export function createTransport(options: TransportOptions): Transport {
  const { clock } = options
  const maxAnswerBytes = options.maxAnswerBytes ?? 32 * 1024 * 1024
  const settings: LaneSettings = {
    connector: createConnector({ ca: options.ca, connectTimeoutMs: options.connectTimeoutMs ?? 5000 }),
    keepAliveMs: options.keepAliveMs ?? 4000,
    maxConnections: options.maxConnections ?? 100,
    clock,
  }
  const routeOf = createRoutes(options)
  const lanesOf = new Map<Route, Lanes>()
  let closing: Promise<void> | undefined

  return {
    send(request) {
      return new Promise((resolve, reject) => {
        const route = routeOf(request.origin)
        if (closing !== undefined) throw closedError(route.host)
        let lanes = lanesOf.get(route)
        if (lanes === undefined) {
          lanes = new Lanes(route, settings)
          lanesOf.set(route, lanes)
        }
        const now = clock.now()
        lanes.touch(now)
        new UndiciExchange(request, route, maxAnswerBytes, resolve, reject, lanes).begin(now)
      })
    },
    close() {
      closing ??= Promise.all([...lanesOf.values()].map((lanes) => lanes.close())).then(() => settings.connector.close())
      return closing
    },
  }
}

class UndiciExchange extends Exchange implements Dispatcher.DispatchHandler {
  readonly #lanes: Lanes
  #lane: Lane | undefined
  #controller: Dispatcher.DispatchController | undefined

  constructor(
    request: WireRequest,
    route: Route,
    maxAnswerBytes: number,
    resolve: (answer: WireAnswer) => void,
    reject: (error: unknown) => void,
    lanes: Lanes,
  ) {
    super(request, route, maxAnswerBytes, resolve, reject)
    this.#lanes = lanes
  }

  protected put(fresh: boolean): void {
    this.#lane = undefined
    this.#controller = undefined
    this.#lanes.take(this, fresh)
  }

  protected cut(reason: Error): void {
    if (this.#controller !== undefined) this.#controller.abort(reason)
    else if (this.#lane !== undefined) this.#lanes.drop(this.#lane)
    else this.#lanes.forget()
  }

  ride(lane: Lane): void {
    const { request, route } = this
    this.#lane = lane
    lane.client.dispatch(
      {
        path: route.pathPrefix === '' ? request.path : route.pathPrefix + request.path,
        method: request.method,
        headers: route.pathPrefix === '' ? request.headers : { ...request.headers, ...route.extraHeaders },
        body: request.body ?? null,
        blocking: false,
      },
      this,
    )
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.onStarted()
  }

  onResponseStarted(): void {
    this.onAnswerStarted()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.onHead(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.onBody(chunk)
  }

  onResponseEnd(): void {
    if (this.#lane !== undefined) this.#lanes.release(this.#lane)
    this.onEnd()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const reused = (this.#lane?.served ?? 0) > 0
    if (this.#lane !== undefined) this.#lanes.drop(this.#lane)
    this.onFailure(error, reused)
  }
}

interface Lane {
  readonly client: Client
  /** Exchanges that the current connection has carried; 0 while there is none. */
  served: number
  /** On the monotonic clock. */
  idleSince: number
}

interface LaneSettings {
  readonly connector: Connector
  readonly keepAliveMs: number
  readonly maxConnections: number
  readonly clock: TransportOptions['clock']
}

/** The connections to one origin, and the queue of those that wait for one. */
class Lanes {
  readonly #route: Route
  readonly #settings: LaneSettings
  readonly #idle: Lane[] = []
  readonly #busy = new Set<Lane>()
  readonly #queue: UndiciExchange[] = []
  #usedAt = 0
  #usedMonotonic = 0
  #closed: (() => void) | undefined

  constructor(route: Route, settings: LaneSettings) {
    this.#route = route
    this.#settings = settings
  }

  /**
   * Notes that the origin is in use. After a pause longer than the keep-alive time, which an awake process never sees with
   * open connections, the process was frozen: its connections are dead on the other side, so they are given up.
   */
  touch(now: number): void {
    const { clock, keepAliveMs } = this.#settings
    const monotonic = clock.monotonic()
    if (Math.max(now - this.#usedAt, monotonic - this.#usedMonotonic) > keepAliveMs) {
      this.#retire()
    }
    this.#noteUse(now, monotonic)
  }

  #noteUse(now: number, monotonic: number): void {
    this.#usedAt = now
    this.#usedMonotonic = monotonic
  }

  take(exchange: UndiciExchange, fresh: boolean): void {
    if (this.#closed !== undefined) {
      exchange.onFailure(closedError(this.#route.host), false)
      return
    }
    if (fresh) this.#retire()
    else if (exchange.request.repeatable !== true && this.#idle.length > 0) this.#retireUnproven()
    const lane = this.#idle.pop() ?? (this.#busy.size < this.#settings.maxConnections ? this.#open() : undefined)
    if (lane === undefined) {
      this.#queue.push(exchange)
      return
    }
    this.#busy.add(lane)
    exchange.ride(lane)
  }

  /** The lane's exchange is complete. */
  release(lane: Lane): void {
    lane.served += 1
    const { clock } = this.#settings
    lane.idleSince = clock.monotonic()
    this.#noteUse(clock.now(), lane.idleSince)
    const next = this.#next()
    if (next !== undefined) {
      next.ride(lane)
      return
    }
    this.#busy.delete(lane)
    this.#idle.push(lane)
    this.#settleClose()
  }

  /** The lane's exchange failed, or was given up: its connection is not used again. */
  drop(lane: Lane): void {
    if (!this.#busy.delete(lane)) return
    void lane.client.destroy()
    const next = this.#next()
    if (next !== undefined) {
      const opened = this.#open()
      this.#busy.add(opened)
      next.ride(opened)
    }
    this.#settleClose()
  }

  /** An exchange that waited in the queue is over. */
  forget(): void {
    this.#settleClose()
  }

  /** Gives up the unused connections. */
  #retire(): void {
    for (const lane of this.#idle.splice(0)) void lane.client.destroy()
  }

  #retireUnproven(): void {
    const monotonic = this.#settings.clock.monotonic()
    for (let index = this.#idle.length - 1; index >= 0; index -= 1) {
      const lane = this.#idle[index]
      // A client without connection is as good as new.
      if (lane === undefined || lane.served === 0 || isProven(lane.served, monotonic - lane.idleSince)) continue
      this.#idle.splice(index, 1)
      void lane.client.destroy()
    }
  }

  /** Waits for the exchanges under way, then ends the connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#settleClose()
    })
  }

  #next(): UndiciExchange | undefined {
    while (this.#queue.length > 0) {
      const next = this.#queue.shift()
      if (next?.over === false) return next
    }
    return undefined
  }

  #open(): Lane {
    const { connector, keepAliveMs } = this.#settings
    const route = this.#route
    const client = new Client(route.origin, {
      pipelining: 1,
      allowH2: false,
      // One deadline covers everything; undici's own would each start anew.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMs,
      connect: (_settings, connected) => {
        connector.connect(route, (error, socket) => {
          if (error !== null) connected(error, null)
          else if (socket !== null) connected(null, socket)
        })
      },
    })
    const lane: Lane = { client, served: 0, idleSince: 0 }
    client.on('disconnect', () => {
      lane.served = 0
    })
    return lane
  }

  #settleClose(): void {
    if (this.#closed === undefined || this.#busy.size > 0 || this.#queue.some((exchange) => !exchange.over)) return
    const lanes = this.#idle.splice(0)
    void Promise.all(lanes.map((lane) => lane.client.destroy())).then(() => this.#closed?.())
  }
}
