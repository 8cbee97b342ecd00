import { type HttpProxy, isLoopback, proxyRule } from './proxy.ts'
import { TransportError } from './transport-error.ts'
import type { TransportOptions } from './wire.ts'

/** How an origin is reached. One per origin, kept. */
export interface Route {
  readonly origin: string
  /** `host:port`, for messages. */
  readonly host: string
  readonly hostname: string
  readonly port: number
  readonly tls: boolean
  readonly proxy: HttpProxy | undefined
  /** In front of every path: the origin when a proxy is asked for a plain HTTP page, else empty. */
  readonly pathPrefix: string
  /** `proxy-authorization` when a proxy is asked for a plain HTTP page, else none. */
  readonly extraHeaders: Readonly<Record<string, string>>
}

/**
 * Decides for an origin whether it may be called and through which proxy. Answers are kept, so asking again is one look-up.
 *
 * The returned function throws TransportError `not-allowed` for a host that is not listed, for plain HTTP to another machine
 * when that is not allowed, and for an origin that holds more than protocol, host and port.
 * `createRoutes` itself throws an Error when an entry of `allowedHosts` or a proxy variable cannot be understood.
 */
export function createRoutes(
  options: Pick<TransportOptions, 'allowedHosts' | 'allowInsecureHttp' | 'environment'>,
): (origin: string) => Route {
  const allowed = new Set(options.allowedHosts.map(parseAllowed))
  const proxyFor = proxyRule(options.environment ?? {})
  const known = new Map<string, Route>()

  const decide = (origin: string): Route => {
    const url = URL.parse(origin)
    if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.origin !== origin.toLowerCase()) {
      throw refused(
        url?.host ?? 'no host',
        `${JSON.stringify(url?.origin ?? 'the address')} is no origin such as https://host:port`,
        'Give protocol, host and port only.',
      )
    }
    const tls = url.protocol === 'https:'
    const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
    const host = `${url.hostname}:${port}`
    if (!allowed.has(url.hostname) && !allowed.has(host)) {
      throw refused(
        host,
        `the host ${host} is not in the list of hosts that may be called`,
        'If it is right, add it to platform.allowedHosts.',
      )
    }
    const hostname = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
    if (!tls && !isLoopback(hostname) && options.allowInsecureHttp !== true) {
      throw refused(
        host,
        `plain HTTP to ${host} is not allowed`,
        'Use https, or set platform.allowInsecureHttp if this installation offers nothing else.',
      )
    }
    const proxy = proxyFor({ hostname, port, tls })
    const viaProxy = proxy !== undefined && !tls
    return {
      origin: url.origin,
      host,
      hostname,
      port,
      tls,
      proxy,
      pathPrefix: viaProxy ? url.origin : '',
      extraHeaders: viaProxy && proxy.authorization !== undefined ? { 'proxy-authorization': proxy.authorization } : {},
    }
  }

  return (origin) => {
    let route = known.get(origin)
    if (route === undefined) {
      route = decide(origin)
      known.set(origin, route)
    }
    return route
  }
}

/** As a URL would spell it: lower case, brackets around IPv6, no default port left out. */
function parseAllowed(entry: string): string {
  const url = URL.parse(`http://${entry}`)
  if (
    url === null ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== '' ||
    entry.includes('/') ||
    entry.includes('*')
  ) {
    throw new Error(
      `${JSON.stringify(entry)} in the list of allowed hosts is no host name. Write host or host:port, without protocol, path and wildcard.`,
    )
  }
  const port = /:([0-9]+)$/.exec(entry)?.[1]
  return port === undefined || entry.endsWith(']') ? url.hostname : `${url.hostname}:${Number(port)}`
}

function refused(host: string, what: string, advice: string): TransportError {
  return new TransportError(`${what}; nothing was sent. ${advice}`, { kind: 'not-allowed', sent: false, code: 'not-allowed', host })
}
