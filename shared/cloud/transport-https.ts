import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { type Connector, createConnector } from './connect.ts'
import { Exchange, isProven } from './exchange.ts'
import { createRoutes, type Route } from './route.ts'
import { closedError } from './transport-error.ts'
import type { Transport, TransportOptions, WireAnswer, WireRequest } from './wire.ts'

/**
 * Sends requests over Node's own HTTP client: for functions, where starting fast counts (see transport.ts for the figures).
 * Same rules as transport.ts, and the same contract tests. Throws an Error when the list of allowed hosts or a proxy variable
 * cannot be understood.
 */
export function createTransport(options: TransportOptions): Transport {
  const { clock } = options
  const maxAnswerBytes = options.maxAnswerBytes ?? 32 * 1024 * 1024
  const settings: LineSettings = {
    connector: createConnector({ ca: options.ca, connectTimeoutMs: options.connectTimeoutMs ?? 5000 }),
    keepAliveMs: options.keepAliveMs ?? 4000,
    maxConnections: options.maxConnections ?? 100,
    clock,
  }
  const routeOf = createRoutes(options)
  const linesOf = new Map<Route, Lines>()
  let closing: Promise<void> | undefined

  return {
    send(request) {
      return new Promise((resolve, reject) => {
        const route = routeOf(request.origin)
        if (closing !== undefined) throw closedError(route.host)
        let lines = linesOf.get(route)
        if (lines === undefined) {
          lines = new Lines(route, settings)
          linesOf.set(route, lines)
        }
        const now = clock.now()
        lines.touch(now)
        new NodeExchange(request, route, maxAnswerBytes, resolve, reject, lines).begin(now)
      })
    },
    close() {
      closing ??= Promise.all([...linesOf.values()].map((lines) => lines.close())).then(() => settings.connector.close())
      return closing
    },
  }
}

/**
 * Not `import`: as an ES module `node:http` evaluates all its exports, among them WebSocket, which loads the whole of the
 * built-in fetch (about 30 ms). And not before the first request.
 */
const loadHttp = () => process.getBuiltinModule('node:http')

class NodeExchange extends Exchange {
  readonly #lines: Lines
  #outgoing: ClientRequest | undefined
  #holdsLine = false

  constructor(
    request: WireRequest,
    route: Route,
    maxAnswerBytes: number,
    resolve: (answer: WireAnswer) => void,
    reject: (error: unknown) => void,
    lines: Lines,
  ) {
    super(request, route, maxAnswerBytes, resolve, reject)
    this.#lines = lines
  }

  protected put(fresh: boolean): void {
    this.#outgoing = undefined
    this.#lines.take(this, fresh)
  }

  protected cut(): void {
    const outgoing = this.#outgoing
    this.#outgoing = undefined
    outgoing?.destroy()
    this.#leave()
  }

  ride(agent: Agent): void {
    this.#holdsLine = true
    // Lets the event loop look at the sockets once, so that a connection closed meanwhile is seen as closed: a write that
    // dies on it could not be sent again.
    if (this.request.repeatable === true) this.#write(agent)
    else setImmediate(() => this.#write(agent))
  }

  #write(agent: Agent): void {
    if (this.over) return
    const { request, route } = this
    this.#lines.retireUnfit(request.repeatable === true)
    const outgoing = loadHttp().request({
      agent,
      host: route.hostname,
      port: route.port,
      method: request.method,
      path: route.pathPrefix + request.path,
      headers: { ...request.headers, ...route.extraHeaders },
      setHost: false,
    })
    this.#outgoing = outgoing
    let bytesBefore = 0
    outgoing.on('socket', (socket) => {
      bytesBefore = socket.bytesRead
      this.onStarted()
    })
    const fail = (error: Error): void => {
      if (outgoing !== this.#outgoing) return
      if ((outgoing.socket?.bytesRead ?? 0) > bytesBefore) this.onAnswerStarted()
      this.#leave()
      this.onFailure(error, outgoing.reusedSocket)
    }
    const failClosed = (): void => fail(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
    outgoing.on('error', fail)
    outgoing.on('close', failClosed)
    outgoing.on('response', (incoming) => this.#read(incoming, outgoing, failClosed))
    outgoing.end(request.body === '' ? undefined : request.body)
  }

  #read(incoming: IncomingMessage, outgoing: ClientRequest, failClosed: () => void): void {
    incoming.on('error', failClosed)
    incoming.on('data', (chunk: Buffer) => this.onBody(chunk))
    incoming.on('end', () => {
      if (!incoming.complete) {
        failClosed()
        return
      }
      // What still happens to the connection is not this exchange's matter any more.
      if (this.#outgoing === outgoing) this.#outgoing = undefined
      const { socket } = outgoing
      // Node hands the socket back in the tick after this event; only then can the next exchange have it.
      process.nextTick(() => {
        if (socket !== null) this.#lines.noteServed(socket)
        this.#leave()
        this.onEnd()
      })
    })
    this.onHead(incoming.statusCode ?? 0, incoming.headers)
  }

  #leave(): void {
    const held = this.#holdsLine
    this.#holdsLine = false
    this.#lines.leave(held)
  }
}

interface LineSettings {
  readonly connector: Connector
  readonly keepAliveMs: number
  readonly maxConnections: number
  readonly clock: TransportOptions['clock']
}

/** The connections to one origin (kept by Node's agent), and the queue of exchanges beyond their number. */
class Lines {
  readonly #route: Route
  readonly #settings: LineSettings
  readonly #agent: Agent
  readonly #queue: NodeExchange[] = []
  readonly #pasts = new WeakMap<Socket, { readonly served: number; readonly freeSince: number }>()
  #busyCount = 0
  #usedAt = 0
  #usedMonotonic = 0
  #closed: (() => void) | undefined

  constructor(route: Route, settings: LineSettings) {
    this.#route = route
    this.#settings = settings
    this.#agent = new (loadHttp().Agent)({
      keepAlive: true,
      scheduling: 'lifo',
      timeout: settings.keepAliveMs,
      maxFreeSockets: settings.maxConnections,
    })
    this.#agent.createConnection = (_options, connected) => {
      settings.connector.connect(route, (error, socket) => {
        // The agent ignores the second argument of an error, its type does not.
        connected?.(error, socket ?? new Socket())
      })
      return undefined
    }
  }

  /** See Lanes.touch in transport.ts: after a freeze of the process the unused connections are given up. */
  touch(now: number): void {
    const { clock, keepAliveMs } = this.#settings
    const monotonic = clock.monotonic()
    if (Math.max(now - this.#usedAt, monotonic - this.#usedMonotonic) > keepAliveMs) this.#retire(() => true)
    this.#noteUse(now, monotonic)
  }

  #noteUse(now: number, monotonic: number): void {
    this.#usedAt = now
    this.#usedMonotonic = monotonic
  }

  take(exchange: NodeExchange, fresh: boolean): void {
    if (this.#closed !== undefined) {
      exchange.onFailure(closedError(this.#route.host), false)
      return
    }
    if (fresh) this.#retire(() => true)
    if (this.#busyCount >= this.#settings.maxConnections) {
      this.#queue.push(exchange)
      return
    }
    this.#busyCount += 1
    exchange.ride(this.#agent)
  }

  /** An exchange is done with its line, or with waiting for one. */
  leave(held: boolean): void {
    if (held) {
      const { clock } = this.#settings
      this.#noteUse(clock.now(), clock.monotonic())
      this.#busyCount -= 1
      const next = this.#next()
      if (next !== undefined) {
        this.#busyCount += 1
        next.ride(this.#agent)
      }
    }
    this.#settleClose()
  }

  /** Waits for the exchanges under way, then ends the connections. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#closed = resolve
      this.#settleClose()
    })
  }

  /** An exchange on this socket is complete. */
  noteServed(socket: Socket): void {
    this.#pasts.set(socket, { served: (this.#pasts.get(socket)?.served ?? 0) + 1, freeSince: this.#settings.clock.monotonic() })
  }

  /** Leaves the next request only those unused connections that it may ride on: living ones, and for a write proven ones. */
  retireUnfit(repeatable: boolean): void {
    const monotonic = this.#settings.clock.monotonic()
    this.#retire((socket) => {
      if (socket.destroyed || !socket.writable) return true
      if (repeatable) return false
      const past = this.#pasts.get(socket)
      return past === undefined || !isProven(past.served, monotonic - past.freeSince)
    })
  }

  /**
   * Gives up unused connections. The agent is told at once: by itself it learns of a destroyed socket only when that has
   * closed, and until then hands it to the next request, which dies on it.
   */
  #retire(which: (socket: Socket) => boolean): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of [...(sockets ?? [])]) {
        if (!which(socket)) continue
        socket.destroy()
        socket.emit('agentRemove')
      }
    }
  }

  #next(): NodeExchange | undefined {
    while (this.#queue.length > 0) {
      const next = this.#queue.shift()
      if (next?.over === false) return next
    }
    return undefined
  }

  #settleClose(): void {
    if (this.#closed === undefined || this.#busyCount > 0 || this.#queue.some((exchange) => !exchange.over)) return
    this.#agent.destroy()
    this.#closed()
  }
}
