import type { IncomingHttpHeaders } from 'node:http'
import type { Reason } from '#shared/pure/step.ts'
import { isOneOf } from '#shared/runtime/constant-time.ts'

/** Why a request is not answered, with its status. */
export interface Refusal {
  readonly status: 401 | 403
  readonly error: Reason
}

const loopbackNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Whether a request was sent to this server by a name that it has: else some page on the internet has had its name lead here (DNS
 * rebinding), and would read what only somebody on this machine may. `names` are further ones, of a proxy that is in front of it.
 */
export function checkHost({ host }: IncomingHttpHeaders, names: readonly string[]): Refusal | undefined {
  const name = host?.replace(/:[0-9]{1,5}$/, '').toLowerCase() ?? ''
  if (loopbackNames.has(name) || names.some((own) => own.toLowerCase() === name)) return undefined
  const text = 'This server is asked by a name that it does not have. Open it as http://127.0.0.1, or name its host with --host-name.'
  return { status: 403, error: { code: 'host-unknown', text } }
}

/** Whether an order comes from nobody else’s page and from somebody who has the token. Without a token nobody may give any. */
export function checkOrder(headers: IncomingHttpHeaders, token: string | undefined): Refusal | undefined {
  const site = headers['sec-fetch-site']
  const isForeign = (site !== undefined && site !== 'same-origin' && site !== 'none') || isOtherOrigin(headers)
  if (isForeign) return { status: 403, error: { code: 'cross-site', text: 'Orders of other sites are not taken.' } }
  if (token === undefined) {
    const text = 'Nothing can be changed here: no token is configured. Start with --token env:NAME or --token file:/path to allow it.'
    return { status: 403, error: { code: 'read-only', text } }
  }
  const given = /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? '')?.[1]
  if (given === undefined) {
    return { status: 401, error: { code: 'token-missing', text: 'Send the token with the order: Authorization: Bearer TOKEN.' } }
  }
  return isOneOf(given, [token]) ? undefined : { status: 401, error: { code: 'token-wrong', text: 'That is not the token.' } }
}

/** Browsers that do not say which site sends still say from which origin. A proxy in front may speak another protocol, never for another host. */
function isOtherOrigin({ origin, host }: IncomingHttpHeaders): boolean {
  if (origin === undefined) return false
  const url = URL.parse(origin)
  return url === null || url.host !== host?.toLowerCase()
}
