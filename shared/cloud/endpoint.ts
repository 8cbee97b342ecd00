import { CloudError } from './errors.ts'
import { quote } from './quote.ts'

/**
 * Where the platform is reached. `domain` is a root domain from which each service's host follows; `url` is one address
 * for all services, such as a sandbox or a gateway: the service is then known from the signature's scope only.
 */
export type Endpoint =
  | { readonly kind: 'domain'; readonly domain: string; readonly protocol: 'https' | 'http' }
  | { readonly kind: 'url'; readonly url: string }

/** The public cloud. */
export const publicEndpoint: Endpoint = { kind: 'domain', domain: 'tencentcloudapi.com', protocol: 'https' }

const hostLabel = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const domainPattern = new RegExp(`^${hostLabel}(?:\\.${hostLabel})*(?::[0-9]{1,5})?$`)
const servicePattern = new RegExp(`^${hostLabel}$`)

/**
 * The origin (`https://host[:port]`, no slash at the end) that serves a service.
 *
 * A root domain of a private installation gets `<service>.api3.` in front; one that starts with `api3.` already, and the
 * public cloud's (`tencentcloudapi.com` and its regional names), get `<service>.` only. A default port is left out and the
 * host is in lower case, so that what is signed is what is sent.
 *
 * Throws `cloud.not-allowed` when the setting is no domain or holds more than an origin (path, query, user).
 *
 * @example originOf({ kind: 'domain', domain: 'finance.cloud.tencent.com', protocol: 'https' }, 'tke') // 'https://tke.api3.finance.cloud.tencent.com'
 * @example originOf({ kind: 'domain', domain: 'tencentcloudapi.com', protocol: 'https' }, 'tcr') // 'https://tcr.tencentcloudapi.com'
 * @example originOf({ kind: 'url', url: 'http://127.0.0.1:8787/' }, 'tke') // 'http://127.0.0.1:8787'
 */
export function originOf(endpoint: Endpoint, service: string): string {
  if (endpoint.kind === 'url') return originOfUrl(endpoint.url, service)
  const domain = endpoint.domain.toLowerCase()
  if (domain.length > 200 || !domainPattern.test(domain)) {
    throw refused(
      service,
      `the platform's domain ${quote(JSON.stringify(endpoint.domain))} is no host name`,
      'Give the root domain only, such as cloud.example.com, without protocol and path.',
    )
  }
  if (!servicePattern.test(service))
    throw refused(
      service,
      `the service ${quote(JSON.stringify(service))} is no host label`,
      'Use a service of the API manual, such as tke.',
    )
  return originOfUrl(`${endpoint.protocol}://${service}.${isApiDomain(domain) ? '' : 'api3.'}${domain}`, service)
}

/** The host with its port, as the Host header and the signature need it, of an origin that `originOf` made. */
export function hostOf(origin: string): string {
  return origin.slice(origin.indexOf('://') + 3)
}

/** Whether services sit directly under this domain. */
function isApiDomain(domain: string): boolean {
  const host = domain.replace(/:[0-9]+$/, '')
  return host.startsWith('api3.') || host === 'tencentcloudapi.com' || host.endsWith('.tencentcloudapi.com')
}

function originOfUrl(text: string, service: string): string {
  const url = URL.parse(text)
  // A text with a user in it is never shown: it may hold a password.
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refused(
      service,
      `the platform's address${text.includes('@') ? '' : ` ${quote(JSON.stringify(text))}`} is no http or https URL`,
      'Write it as https://host or https://host:port.',
    )
  }
  if (url.username !== '' || url.password !== '') {
    throw refused(
      service,
      `the platform's address for host ${url.host} holds a user name`,
      'Credentials are configured apart; write https://host or https://host:port.',
    )
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw refused(
      service,
      `the platform's address ${quote(JSON.stringify(text))} holds more than protocol, host and port`,
      'Requests always go to the path "/"; write https://host or https://host:port.',
    )
  }
  return url.origin
}

function refused(service: string, what: string, advice: string): CloudError {
  return new CloudError(`${service}: ${what}; nothing was sent. ${advice}`, {
    kind: 'cloud.not-allowed',
    code: 'cloud.not-allowed',
    action: service,
    retryable: false,
  })
}
