import type { Clock } from './clock.ts'

/** Header names in lower case. */
export type WireHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** One HTTP request, as it is sent. */
export interface WireRequest {
  /** `https://host` or `https://host:port`; its host must be listed. */
  readonly origin: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With the query, starting with `/`. */
  readonly path: string
  /** Must include `host`; `content-length` and `connection` are the transport's. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Buffer | undefined
  /** Instant (epoch milliseconds on the transport's clock) by which the whole answer must be there: connect, head and body together. */
  readonly deadline: number
  readonly signal?: AbortSignal | undefined
  /**
   * Whether a second copy does no harm. When true, a kept-alive connection that turns out dead before a byte of the answer
   * is replaced and the request is sent once more. When false that is an error with `sent: true`.
   */
  readonly repeatable?: boolean | undefined
  /** Called right before the bytes of each copy leave, after any wait for a connection: rate limits count from here. Must not throw. */
  readonly onDeparture?: (() => void) | undefined
  /** Awaited before such a second copy, so that it is counted against a rate limit. When it rejects, the copy is not sent. */
  readonly beforeResend?: (() => Promise<void>) | undefined
}

export interface WireAnswer {
  readonly status: number
  readonly headers: WireHeaders
  readonly body: Buffer
}

/** Sends requests and reads whole answers. Rejects with TransportError only. Safe for concurrent use. */
export interface Transport {
  send(request: WireRequest): Promise<WireAnswer>
  /** Lets requests under way end (each has its deadline), then ends all sockets. Later requests are refused. */
  close(): Promise<void>
}

export interface TransportOptions {
  readonly clock: Clock
  /** `host` (any port) or `host:port`, exact. A request to any other host is refused before a connection is made. */
  readonly allowedHosts: readonly string[]
  /** Plain HTTP to hosts other than this machine. Signatures keep the secret key safe, answers stay forgeable. Default false. */
  readonly allowInsecureHttp?: boolean
  /** PEM certificates to trust instead of the system's. One text may hold several. */
  readonly ca?: string | readonly string[]
  /** Values of `https_proxy`, `http_proxy`, `no_proxy` in either case; other names are ignored. Without it no proxy is used. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Connections per origin; requests beyond wait in order. Default 100. */
  readonly maxConnections?: number
  /** How long an unused connection is kept. A platform that says less in `Keep-Alive` is obeyed. Default 4 s. */
  readonly keepAliveMs?: number
  /** For TCP, proxy and TLS together, within the request's deadline. Default 5 s. */
  readonly connectTimeoutMs?: number
  /** Largest answer body. Default 32 MiB. */
  readonly maxAnswerBytes?: number
}

/** Makes a transport. Chosen by whoever wires a process: see transport.ts for the measurements. */
export type TransportFactory = (options: TransportOptions) => Transport

/** A header's value; the first where it came more than once. */
export function headerOf(headers: WireHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' || value === undefined ? value : value[0]
}
