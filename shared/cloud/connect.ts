import { isIP, connect as netConnect, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import type { HttpProxy } from './proxy.ts'
import type { Route } from './route.ts'
import { codeOf, TransportError } from './transport-error.ts'

/** Told once: an error, or a socket over which the request may be written (TCP, proxy and TLS done, certificate checked). */
export type Connected = (error: TransportError | null, socket: Socket | null) => void

export interface Connector {
  connect(route: Route, connected: Connected): void
  /** Ends attempts that are still under way; they are told an error. */
  close(): void
}

export interface ConnectorOptions {
  readonly ca: string | readonly string[] | undefined
  readonly connectTimeoutMs: number
}

/**
 * Not `import`: as an ES module `node:tls` evaluates all its exports, among them the texts of the 150 certificates that Node
 * brings along (2 to 5 ms).
 */
const loadTls = () => process.getBuiltinModule('node:tls')

/** A proxy's answer to CONNECT is a status line and a few headers. */
const longestProxyHeadBytes = 16_384

/**
 * Opens connections for both transports: directly, through a proxy's tunnel (TLS), or to a proxy (plain HTTP). TLS sessions
 * are resumed per host. With `ca`, only those certificates are trusted; without, what Node trusts, `NODE_EXTRA_CA_CERTS` included.
 *
 * Errors are `not-sent` or `untrusted`, always with `sent: false`: the request is written only to a finished connection.
 */
export function createConnector(options: ConnectorOptions): Connector {
  const attempts = new Set<Attempt>()
  const sessions = new Map<string, Buffer>()
  let secureContext: SecureContext | undefined
  const tlsSettings = (): { readonly secureContext?: SecureContext } => {
    if (options.ca === undefined) return {}
    secureContext ??= loadTls().createSecureContext({ ca: typeof options.ca === 'string' ? options.ca : [...options.ca] })
    return { secureContext }
  }

  const secure = (route: Route, raw: Socket | undefined): Socket => {
    const session = sessions.get(route.host)
    const socket = loadTls().connect({
      ...tlsSettings(),
      ...(raw === undefined ? { port: route.port } : { socket: raw }),
      ...(isIP(route.hostname) === 0 ? { servername: route.hostname } : {}),
      ...(session === undefined ? {} : { session }),
      host: route.hostname,
      ALPNProtocols: ['http/1.1'],
    })
    socket.on('session', (renewed: Buffer) => sessions.set(route.host, renewed))
    return socket
  }

  return {
    connect(route, connected) {
      const attempt = new Attempt(route, options.connectTimeoutMs, (error, socket) => {
        attempts.delete(attempt)
        connected(error, socket)
      })
      attempts.add(attempt)
      const { proxy } = route
      if (proxy === undefined) {
        if (route.tls) attempt.follow(secure(route, undefined), 'secureConnect', (socket) => attempt.succeed(socket))
        else attempt.follow(netConnect({ host: route.hostname, port: route.port }), 'connect', (socket) => attempt.succeed(socket))
        return
      }
      const toProxy = proxy.tls
        ? loadTls().connect({
            ...tlsSettings(),
            ...(isIP(proxy.hostname) === 0 ? { servername: proxy.hostname } : {}),
            host: proxy.hostname,
            port: proxy.port,
          })
        : netConnect({ host: proxy.hostname, port: proxy.port })
      attempt.follow(toProxy, proxy.tls ? 'secureConnect' : 'connect', (raw) => {
        if (!route.tls) attempt.succeed(raw)
        else
          openTunnel(raw, route, proxy, attempt, () =>
            attempt.follow(secure(route, raw), 'secureConnect', (socket) => attempt.succeed(socket)),
          )
      })
    },
    close() {
      for (const attempt of attempts) attempt.fail(new Error('the client was closed'))
    },
  }
}

/** One connection being made: its sockets, its time limit, and the promise to tell about it once. */
class Attempt {
  readonly #route: Route
  readonly #connected: Connected
  readonly #timer: NodeJS.Timeout
  readonly #sockets: Socket[] = []
  #over = false

  constructor(route: Route, timeoutMs: number, connected: Connected) {
    this.#route = route
    this.#connected = connected
    this.#timer = setTimeout(() => {
      this.fail(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }))
    }, timeoutMs)
  }

  /** Goes on with `next` once the socket emits `ready`. The socket keeps a listener for errors, so that none is ever unhandled. */
  follow(socket: Socket, ready: 'connect' | 'secureConnect', next: (socket: Socket) => void): void {
    this.#sockets.push(socket)
    socket.on('error', (error) => this.fail(error))
    socket.once('close', () =>
      this.fail(Object.assign(new Error('the connection was closed while it was being made'), { code: 'ECONNRESET' })),
    )
    socket.once(ready, () => {
      if (!this.#over) next(socket)
    })
  }

  succeed(socket: Socket): void {
    if (!this.#end()) return
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    this.#connected(null, socket)
  }

  fail(cause: Error): void {
    if (!this.#end()) return
    for (const socket of this.#sockets) socket.destroy()
    this.#connected(cause instanceof TransportError ? cause : connectError(this.#route, cause), null)
  }

  #end(): boolean {
    if (this.#over) return false
    this.#over = true
    clearTimeout(this.#timer)
    return true
  }
}

function openTunnel(raw: Socket, route: Route, proxy: HttpProxy, attempt: Attempt, done: () => void): void {
  let head = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1 && head.length <= longestProxyHeadBytes) return
    raw.off('data', onData)
    raw.pause()
    const status = /^HTTP\/1\.[01] ([0-9]{3})/.exec(head.toString('latin1', 0, 20))?.[1]
    if (end === -1 || status === undefined) attempt.fail(proxyError(route, proxy, 'proxy-answer', 'answered no HTTP'))
    else if (!status.startsWith('2'))
      attempt.fail(proxyError(route, proxy, `proxy-${status}`, `refused the tunnel with HTTP status ${status}`))
    else done()
  }
  raw.on('data', onData)
  const authorization = proxy.authorization === undefined ? '' : `proxy-authorization: ${proxy.authorization}\r\n`
  const target = `${isIP(route.hostname) === 6 ? `[${route.hostname}]` : route.hostname}:${route.port}`
  raw.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\n${authorization}\r\n`)
}

function proxyError(route: Route, proxy: HttpProxy, code: string, what: string): TransportError {
  const advice =
    code === 'proxy-407'
      ? 'Put user and password into https_proxy.'
      : `If ${route.hostname} is reached without a proxy, add it to no_proxy; else allow it at the proxy.`
  return new TransportError(`the proxy ${proxy.name} ${what} for ${route.host}; nothing was sent. ${advice}`, {
    kind: 'not-sent',
    sent: false,
    code,
    host: route.host,
  })
}

/** Certificate verdicts of OpenSSL and of Node's own check of the name. */
const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

function connectError(route: Route, cause: Error): TransportError {
  const code = codeOf(cause) ?? 'not-sent'
  const way = route.proxy === undefined ? route.host : `${route.host} through the proxy ${route.proxy.name}`
  if (certificateCodes.has(code)) {
    const text = `the certificate of ${way} is not trusted (${code}); nothing was sent. ${certificateAdvice(code, route)}`
    return new TransportError(text, { kind: 'untrusted', sent: false, code, host: route.host }, { cause })
  }
  const text = `no connection to ${way} (${code}); nothing was sent. ${connectAdvice(code, route)}`
  return new TransportError(text, { kind: 'not-sent', sent: false, code, host: route.host }, { cause })
}

function certificateAdvice(code: string, route: Route): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return "Check this machine's clock first, then have the certificate renewed."
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
    case 'HOSTNAME_MISMATCH':
      return `It is for another name than ${route.hostname}: check platform.domain or platform.endpoint.`
    default:
      return "Set platform.caFile (or NODE_EXTRA_CA_CERTS) to a PEM file with the installation's certificate authority."
  }
}

function connectAdvice(code: string, route: Route): string {
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name ${route.hostname} is unknown here: check platform.domain or platform.endpoint, and the resolver of this network.`
    case 'ECONNREFUSED':
      return `Nothing listens there: check the port in platform.endpoint and whether the platform is up.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'Check the route, the security group and the firewall between this network and the platform, or set https_proxy.'
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return 'It does not speak TLS on that port: check platform.protocol and the port.'
    default:
      return 'Check platform.domain or platform.endpoint and the network in between.'
  }
}
