import * as z from 'zod/mini'
import { SecretReference } from './secret-reference.ts'

/** `secrets` of a source of webhooks. */
export const SourceSecrets = z._default(
  z
    .array(SecretReference)
    .check(
      z.maxLength(10),
      z.describe(
        'Where its secrets are; any of them fits, so that a new one can take the place of an old one. Without any the source has no route.',
      ),
    ),
  [],
)

/** The name of a header. */
export const HeaderName = z
  .string()
  .check(z.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, { error: 'must be the name of a header, such as "Authorization"' }))

/** `header` of a source whose sender sends its secret in one. */
export const SourceHeader = z._default(
  HeaderName.check(z.describe('Header that carries the secret, alone or after "Bearer ".')),
  'authorization',
)

/** Names of sources, which are the ends of their addresses; `reserved` is the address of the page for approvals. */
export function sourceNames(reserved: string) {
  return z.string().check(
    z.regex(/^[a-z][a-z0-9-]{0,31}$/, { error: 'must be a name in lower-case letters, digits and dashes, at most 32' }),
    z.refine((name) => name !== reserved, {
      error: `"${reserved}" is the address of the page for approvals; choose another name`,
    }),
  )
}
