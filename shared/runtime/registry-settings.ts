import * as z from 'zod/mini'
import { isTimeZone } from '#shared/pure/zone.ts'
import { SecretReference } from './config-schema.ts'

const originPattern = /^https?:\/\/(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/

/** A registry of the Docker Registry HTTP API V2. */
export const DockerRegistry = z.strictObject({
  kind: z.literal('docker'),
  url: z
    .string()
    .check(
      z.regex(originPattern, { error: 'must be the address alone, such as "https://registry.example.com:5000": no path, no user name' }),
      z.describe(
        'A registry of the Docker Registry HTTP API V2. Its host must be listed in platform.allowedHosts, and that of its token server.',
      ),
    ),
  credentials: z.optional(
    z.strictObject({ username: SecretReference, password: SecretReference }).check(z.describe('Without them it is asked as anybody.')),
  ),
  allowInsecureHttp: z._default(
    z.boolean().check(z.describe('Plain HTTP to this registry; passwords and images are open to anybody on the way.')),
    false,
  ),
})

/** The registries that functions can read. */
export const RegistrySetting = z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('tcr-personal') }), DockerRegistry])

export type RegistrySetting = z.infer<typeof RegistrySetting>

/** Zone of the times that a registry gives without one. */
export const RegistryTimeZone = z
  .string()
  .check(z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }))

/** The name that TCR Personal has for those who pull. */
export const personalHost = 'ccr.ccs.tencentyun.com'

export const RegistryHosts = z
  .array(
    z.string().check(z.regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$/i, { error: 'must be a host, with its port where it has one' })),
  )
  .check(z.minLength(1), z.describe('Names under which clusters pull from this registry.'))

export const ContentIds = z.enum(['digest', 'opaque'])
