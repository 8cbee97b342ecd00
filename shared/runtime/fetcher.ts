import type { Clock } from '#cloud/clock.ts'
import { TransportError } from '#cloud/transport-error.ts'
import { headerOf, type Transport, type TransportFactory, type WireAnswer } from '#cloud/wire.ts'
import { FetchError, type FetchErrorKind, type FetchText } from './fetch-text.ts'

/** What may be fetched, as the section `platform` of the configuration says it. */
export interface FetchSettings {
  /** `host` (any port) or `host:port`, exact. */
  readonly allowedHosts: readonly string[]
  /** Plain HTTP to other machines than this one. */
  readonly allowInsecureHttp: boolean
}

export interface FetcherOptions {
  readonly settings: FetchSettings
  readonly clock: Clock
  readonly createTransport: TransportFactory
  /** Values that proxy settings are read from. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Certificate authorities to trust beside the well-known ones. */
  readonly ca?: string | undefined
}

/** Fetches, and lets go of its connections. */
export interface Fetcher {
  readonly fetchText: FetchText
  close(): Promise<void>
}

const largestBytes = 1024 * 1024
const defaultTimeoutMs = 5_000
const endingText = 'this process is ending, so nothing is fetched any more.'

/** Makes what fetches texts. Nothing is opened before the first one. */
export function createFetcher(options: FetcherOptions): Fetcher {
  let transport: Transport | undefined
  let isClosed = false
  const opened = (): Transport => {
    transport ??= options.createTransport({
      clock: options.clock,
      allowedHosts: options.settings.allowedHosts,
      allowInsecureHttp: options.settings.allowInsecureHttp,
      environment: options.environment,
      maxAnswerBytes: largestBytes,
      ...(options.ca === undefined ? {} : { ca: [options.ca, ...process.getBuiltinModule('node:tls').rootCertificates] }),
    })
    return transport
  }
  return {
    fetchText: async (text, { maxBytes = largestBytes, timeoutMs = defaultTimeoutMs, signal } = {}) => {
      const url = readUrl(text)
      if (isClosed) throw new FetchError('fetch.failed', `${url.host}: ${endingText}`)
      let answer: WireAnswer
      try {
        answer = await opened().send({
          origin: url.origin,
          method: 'GET',
          path: `${url.pathname}${url.search}`,
          headers: { host: url.host, accept: '*/*', 'user-agent': 'longshore' },
          deadline: options.clock.now() + timeoutMs,
          signal,
          repeatable: true,
        })
      } catch (error) {
        throw error instanceof TransportError ? fetchErrorOf(error, url, options.settings) : error
      }
      return textOf(answer, url, Math.min(maxBytes, largestBytes))
    },
    close: async () => {
      isClosed = true
      await transport?.close()
    },
  }
}

function readUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    const what = url === null ? 'What is to be fetched is no URL' : `A URL that begins with ${url.protocol} cannot be fetched`
    throw new FetchError('fetch.not-allowed', `${what}. Write one such as https://calendars.example.com/holidays.ics.`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new FetchError(
      'fetch.not-allowed',
      `${url.host}: the URL holds a user name or a password, which nobody but the server should read. Leave it out.`,
    )
  }
  return url
}

function fetchErrorOf(error: TransportError, url: URL, settings: FetchSettings): FetchError {
  const { host } = url
  const fail = (kind: FetchErrorKind, what: string): FetchError =>
    new FetchError(kind, `${host}: ${what}`, { status: error.status, cause: error })
  switch (error.kind) {
    case 'not-allowed': {
      if (error.code === 'closed') return fail('fetch.failed', endingText)
      const isListed = settings.allowedHosts.some((entry) =>
        [url.hostname, host, `${url.hostname}:${portOf(url)}`].includes(entry.toLowerCase()),
      )
      return isListed
        ? fail('fetch.not-allowed', 'plain HTTP to another machine is not allowed. Use https, or set platform.allowInsecureHttp.')
        : fail('fetch.not-allowed', 'the host is not listed in platform.allowedHosts; nothing was sent. If it is right, add it there.')
    }
    case 'redirect':
      return fail('fetch.not-allowed', 'the server redirects, and redirects are not followed. Give the address that it leads to.')
    case 'too-large':
      return fail('fetch.too-large', tooLargeText(largestBytes))
    case 'timeout':
      return fail('fetch.failed', 'no whole answer came in time. Look whether the host is reachable from here.')
    case 'aborted':
      return fail('fetch.failed', 'the run was stopped before the answer came.')
    case 'untrusted':
      return fail(
        'fetch.failed',
        `its certificate is not trusted (${error.code}). Correct it there, or name its authority in platform.caFile.`,
      )
    case 'not-sent':
    case 'network':
      return fail('fetch.failed', `the connection failed (${error.code}). Look whether the host is reachable from here.`)
  }
}

function textOf({ status, headers, body }: WireAnswer, { host }: URL, maxBytes: number): string {
  if (status !== 200)
    throw new FetchError('fetch.bad-status', `${host}: the server answered with status ${status}, not 200. Look at the URL.`, { status })
  if (body.length > maxBytes) throw new FetchError('fetch.too-large', `${host}: ${tooLargeText(maxBytes)}`, { status })
  const encoding = headerOf(headers, 'content-encoding') ?? 'identity'
  if (encoding !== 'identity') {
    throw new FetchError(
      'fetch.failed',
      `${host}: the answer is compressed (${JSON.stringify(encoding.slice(0, 20))}), which nobody asked for.`,
      { status },
    )
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new FetchError('fetch.failed', `${host}: the answer is no text in UTF-8. Store the file there in UTF-8.`, {
      status,
      cause: error,
    })
  }
}

function tooLargeText(maxBytes: number): string {
  return `the answer is larger than the ${maxBytes} bytes that are allowed.`
}

function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
}
