/** What a registry asks for before it answers. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | {
      readonly scheme: 'bearer'
      /** Where tokens come from. */
      readonly realm: string
      readonly service?: string | undefined
      readonly scopes: readonly string[]
    }

/** Reads `WWW-Authenticate`. Undefined when it names no way that is known here. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const match = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(header ?? '')
  const scheme = match?.[1]?.toLowerCase()
  if (scheme === 'basic') return { scheme }
  if (scheme !== 'bearer') return undefined
  const values = new Map<string, string>()
  for (const [, name = '', quoted, plain] of (match?.[2] ?? '').matchAll(/([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
    values.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1'))
  }
  const realm = values.get('realm')
  if (realm === undefined || realm === '') return undefined
  const scopes = (values.get('scope') ?? '').split(' ').filter((scope) => scope !== '')
  return { scheme, realm, service: values.get('service'), scopes }
}

/** Origin and path of the call that brings a token. Undefined when the realm is no address to call. */
export function tokenCallOf({
  realm,
  service,
  scopes,
}: Challenge & { readonly scheme: 'bearer' }): { readonly origin: string; readonly host: string; readonly path: string } | undefined {
  const url = URL.parse(realm)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '')
    return undefined
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return { origin: url.origin, host: url.host, path: `${url.pathname}${url.search}` }
}

export interface Token {
  readonly token: string
  readonly expiresInMs: number
}

/** What the token specification says where the server does not. */
const defaultLifeMs = 60_000

/** Reads the answer of a token server. Undefined when it is none. */
export function parseToken(text: string): Token | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const given = 'token' in value && value.token !== '' ? value.token : 'access_token' in value ? value.access_token : undefined
  // What goes into a header must not end it.
  if (typeof given !== 'string' || !/^[\x21-\x7e]+$/.test(given)) return undefined
  const seconds = 'expires_in' in value ? value.expires_in : undefined
  return { token: given, expiresInMs: typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : defaultLifeMs }
}
