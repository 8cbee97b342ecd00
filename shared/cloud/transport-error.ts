/**
 * What became of a request on the wire when there is no answer to read.
 *
 * - `not-sent` no connection could be made; the request never left
 * - `untrusted` the server's certificate is not trusted; the request never left
 * - `network` the connection died, or what came back is no HTTP
 * - `timeout` the deadline passed
 * - `aborted` the caller's signal ended it
 * - `too-large` the answer is larger than the configured maximum
 * - `redirect` the server points elsewhere; never followed
 * - `not-allowed` the host is not listed, plain HTTP is not allowed, or the transport is closed
 */
export type TransportErrorKind = 'not-sent' | 'untrusted' | 'network' | 'timeout' | 'aborted' | 'too-large' | 'redirect' | 'not-allowed'

export interface TransportErrorFacts {
  readonly kind: TransportErrorKind
  /** Whether any byte of the request may have reached the server. Where it did, the server may have acted on it. */
  readonly sent: boolean
  /** The system's code (`ECONNREFUSED`, `CERT_HAS_EXPIRED`), or the kind again where there is none. */
  readonly code: string
  /** Where it was going, `host:port`. */
  readonly host: string
  /** HTTP status, when the head of an answer arrived. */
  readonly status?: number
}

/** The one error a transport rejects with. The message names the host, what happened and what to do; it holds no header and no body. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
  readonly kind: TransportErrorKind
  readonly sent: boolean
  readonly code: string
  readonly host: string
  readonly status: number | undefined

  constructor(message: string, facts: TransportErrorFacts, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = facts.kind
    this.sent = facts.sent
    this.code = facts.code
    this.host = facts.host
    this.status = facts.status
  }
}

/** The code of a system error; undefined when it carries none. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** For a request after `close()`. */
export function closedError(host: string): TransportError {
  return new TransportError(`${host}: this client is closed; nothing was sent. Make a new one.`, {
    kind: 'not-allowed',
    sent: false,
    code: 'closed',
    host,
  })
}
