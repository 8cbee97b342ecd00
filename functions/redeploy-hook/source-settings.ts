import * as z from 'zod/mini'
import { SecretReference } from '#shared/runtime/config-schema.ts'

const secrets = z._default(
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

const header = z._default(
  z
    .string()
    .check(
      z.regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, { error: 'must be the name of a header, such as "Authorization"' }),
      z.describe('Header that carries the secret, alone or after "Bearer ".'),
    ),
  'authorization',
)

/** A sender of webhooks, by what it speaks. */
export const SourceSettings = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('distribution'), secrets, header }),
  z.strictObject({ kind: z.literal('harbor'), secrets, header }),
  z.strictObject({ kind: z.literal('tcr-enterprise'), secrets, header }),
  // It signs nothing and sends no header of ours, so the secret stands in its address.
  z.strictObject({ kind: z.literal('docker-hub'), secrets }),
  z.strictObject({ kind: z.literal('signed'), secrets }),
])

export type SourceSettings = z.infer<typeof SourceSettings>
export type SourceKind = SourceSettings['kind']

/** The name that the page for approvals has among the sources. */
export const approvalSource = 'approve'

/** `functions.redeploy-hook.sources`: who may say that something was pushed, by a name of your own, which is the end of its address. */
export const Sources = z._default(
  z
    .record(
      z.string().check(
        z.regex(/^[a-z][a-z0-9-]{0,31}$/, { error: 'must be a name in lower-case letters, digits and dashes, at most 32' }),
        z.refine((name) => name !== approvalSource, {
          error: `"${approvalSource}" is the address of the page for approvals; choose another name`,
        }),
      ),
      SourceSettings,
    )
    .check(z.describe('Who may say that something was pushed. The name is the end of the address: /hooks/redeploy-hook/<name>.')),
  {},
)

export type Sources = z.infer<typeof Sources>
