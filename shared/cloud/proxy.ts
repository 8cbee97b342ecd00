import { BlockList, isIP } from 'node:net'

export interface HttpProxy {
  /** `host:port`, for messages. */
  readonly name: string
  readonly hostname: string
  readonly port: number
  /** Whether the proxy itself is reached over TLS. */
  readonly tls: boolean
  /** Value of `HttpProxy-Authorization`, when the proxy's URL holds a user. */
  readonly authorization: string | undefined
}

export interface ProxyTarget {
  readonly hostname: string
  readonly port: number
  readonly tls: boolean
}

/** The proxy for a target; undefined when it is reached directly. */
export type ProxyRule = (target: ProxyTarget) => HttpProxy | undefined

/**
 * Reads the usual proxy variables from the values passed in. The lower-case name wins, an empty value means none.
 *
 * `no_proxy` is a list separated by commas or blanks: `*` for everything; a host, which stands for its sub-domains too and
 * may begin with `.` or `*.`; an IP address; a network such as `10.0.0.0/8`, compared with targets given as an address
 * (names are not looked up); each but the network optionally with a port. This machine itself is never proxied.
 *
 * Throws ProxyError when a value is no http or https URL.
 *
 * @example proxyRule({ https_proxy: 'http://proxy.example.com:3128' })({ hostname: 'tke.example.com', port: 443, tls: true })?.name // 'proxy.example.com:3128'
 */
export function proxyRule(environment: Readonly<Record<string, string | undefined>>): ProxyRule {
  const forTls = parseProxy(environment, 'https_proxy')
  const forPlain = parseProxy(environment, 'http_proxy')
  const bypass = bypassRule(environment.no_proxy ?? environment.NO_PROXY ?? '')
  return (target) => {
    const proxy = target.tls ? forTls : forPlain
    return proxy === undefined || isLoopback(target.hostname) || bypass(target) ? undefined : proxy
  }
}

/** Whether a host name or address is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '::1' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  )
}

/**
 * The passwords in the proxy variables, as they are written and as they are meant, for whoever keeps them out of logs. Also
 * those of variables that are not used, or cannot be.
 */
export function proxyPasswords(environment: Readonly<Record<string, string | undefined>>): string[] {
  return ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'].flatMap((variable) => {
    const { password } = urlOf(environment[variable]) ?? { password: '' }
    return password === '' ? [] : [password, decoded(password) ?? password]
  })
}

/** A proxy variable that cannot be used. The message names it and leaves its value out, which may hold a password. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
  readonly kind = 'proxy.invalid'
  readonly variable: string

  constructor(variable: string, what: string) {
    super(`The environment variable ${variable} ${what}, or unset it.`)
    this.variable = variable
  }
}

function parseProxy(environment: Readonly<Record<string, string | undefined>>, lowerCase: string): HttpProxy | undefined {
  const variable = environment[lowerCase] === undefined ? lowerCase.toUpperCase() : lowerCase
  const url = urlOf(environment[variable])
  if (url === undefined) return undefined
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw new ProxyError(variable, 'is no http or https URL. Write it as http://host:port')
  const tls = url.protocol === 'https:'
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port)
  const hostname = bare(url.hostname)
  const user = decoded(`${url.username}:${url.password}`)
  if (user === undefined) throw new ProxyError(variable, 'holds a % in its user or password that encodes nothing. Write that sign as %25')
  return {
    name: `${url.hostname}:${port}`,
    hostname,
    port,
    tls,
    authorization: user === ':' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  }
}

/** The URL in a variable, in which the protocol may be missing: undefined when there is nothing, null when it is none. */
function urlOf(value: string | undefined): URL | null | undefined {
  const text = value?.trim() ?? ''
  if (text === '') return undefined
  return URL.parse(text.includes('://') ? text : `http://${text}`)
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

interface BypassName {
  readonly host: string
  readonly port: number | undefined
}

function bypassRule(list: string): (target: ProxyTarget) => boolean {
  const names: BypassName[] = []
  const networks = new BlockList()
  for (const entry of list.toLowerCase().split(/[\s,]+/)) {
    if (entry === '') continue
    if (entry === '*') return () => true
    const network = /^([0-9a-f.:]+)\/([0-9]{1,3})$/.exec(entry)
    if (network === null) names.push(parseBypassName(entry))
    else addNetwork(networks, network[1] ?? '', Number(network[2]))
  }
  return ({ hostname, port }) => {
    const family = isIP(hostname)
    if (family !== 0 && networks.check(hostname, family === 4 ? 'ipv4' : 'ipv6')) return true
    return names.some((name) => (name.port === undefined || name.port === port) && matches(hostname, family, name.host))
  }
}

function matches(hostname: string, family: number, host: string): boolean {
  return hostname === host || (family === 0 && hostname.endsWith(`.${host}`))
}

/** What is no network is skipped, as everywhere else: the list is shared with other programs. */
function addNetwork(networks: BlockList, address: string, prefix: number): void {
  const family = isIP(address)
  if (family === 4 && prefix <= 32) networks.addSubnet(address, prefix, 'ipv4')
  if (family === 6 && prefix <= 128) networks.addSubnet(address, prefix, 'ipv6')
}

function parseBypassName(entry: string): BypassName {
  const name = entry.replace(/^\*?\./, '')
  if (isIP(name) !== 0) return { host: name, port: undefined }
  const withPort = /^(.*):([0-9]{1,5})$/.exec(name)
  return withPort === null ? { host: bare(name), port: undefined } : { host: bare(withPort[1] ?? ''), port: Number(withPort[2]) }
}

/** An IPv6 address without the brackets of a URL. */
function bare(hostname: string): string {
  return hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname
}
