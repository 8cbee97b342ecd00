/** How a text is fetched. */
export interface FetchTextOptions {
  /** A text of more bytes is refused; 1 MiB when absent, and at most. */
  readonly maxBytes?: number | undefined
  /** For everything together, from connecting to the last byte; 5 s when absent. */
  readonly timeoutMs?: number | undefined
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads a text from a URL by one GET: over HTTPS (plain HTTP only to this machine, or where the configuration allows it), from a
 * host that the configuration lists, without following redirects. Only an answer with status 200 is one. Throws FetchError.
 */
export type FetchText = (url: string, options?: FetchTextOptions) => Promise<string>

/**
 * - `fetch.not-allowed` the URL cannot be used, its host is not listed, or the server points elsewhere
 * - `fetch.failed` nobody answered, or not in time, or what came is no text in UTF-8
 * - `fetch.too-large` the text is larger than what is allowed
 * - `fetch.bad-status` the server answered with another status than 200
 */
export type FetchErrorKind = 'fetch.not-allowed' | 'fetch.failed' | 'fetch.too-large' | 'fetch.bad-status'

/** A text that was not read. The message names the host, what happened and what to do; it shows nothing of the rest of the URL. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
  readonly kind: FetchErrorKind
  /** HTTP status, where there is one. */
  readonly status: number | undefined

  constructor(kind: FetchErrorKind, message: string, options: { readonly status?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.status = options.status
  }
}

/** Fetches nothing: for runs that nobody gave hosts to. */
export const noFetch: FetchText = (url) =>
  Promise.reject(
    new FetchError(
      'fetch.not-allowed',
      `${URL.parse(url)?.host ?? 'A URL'} cannot be fetched here: this run may call nothing but the platform.`,
    ),
  )
