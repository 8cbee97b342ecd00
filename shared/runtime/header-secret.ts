import { isOneOf } from './constant-time.ts'
import type { WebhookRequest } from './webhook-definition.ts'

/**
 * Whether a header carries one of the secrets. A sender that is given a token puts "Bearer " before it, one that is given a whole value
 * sends that.
 */
export function carriesSecret({ headers }: Pick<WebhookRequest, 'headers'>, header: string, secrets: readonly string[]): boolean {
  return isOneOf(
    headers[header.toLowerCase()] ?? '',
    secrets.flatMap((secret) => [secret, `Bearer ${secret}`]),
  )
}

/** Whether a request carries one of the secrets, each of them `user:password`, as HTTP Basic (RFC 7617) says. */
export function carriesBasic({ headers }: Pick<WebhookRequest, 'headers'>, secrets: readonly string[]): boolean {
  const [scheme = '', credentials = ''] = (headers.authorization ?? '').split(' ')
  return isOneOf(
    scheme.toLowerCase() === 'basic' ? credentials : '',
    secrets.map((secret) => Buffer.from(secret).toString('base64')),
  )
}
