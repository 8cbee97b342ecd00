import * as z from 'zod/mini'
import { guardSchema } from '#shared/safety/guard-settings.ts'
import { type FunctionName, functionNames } from './definition.ts'
import type { NotifierSetting } from './notify/notifier-settings.ts'
import { SecretReference } from './secret-reference.ts'

export { SecretReference } from './secret-reference.ts'

/** The settings schema of each function, by its name: `functions.<name>` of the configuration is read with it. */
export type SettingsSchemas = Readonly<Partial<Record<FunctionName, z.ZodMiniType>>>

const hostLabel = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
const host = `${hostLabel}(?:\\.${hostLabel})*(?::[0-9]{1,5})?`

const Domain = z
  .string()
  .check(
    z.regex(new RegExp(`^${host}$`), { error: 'must be a root domain without protocol and path, such as "cloud.example.com"' }),
    z.describe("Root domain of a private installation; each service's host follows from it. The public cloud's when absent."),
  )

const EndpointUrl = z.string().check(
  z.regex(new RegExp(`^https?://${host}/?$`), {
    error: 'must be http:// or https:// with a host and perhaps a port, nothing more, such as "https://api.example.com"',
  }),
  z.describe('One address for all services, such as a gateway or the sandbox. Instead of `domain`.'),
)

const Host = z.string().check(
  z.regex(new RegExp(`^${host}$`), { error: 'must be a host name, perhaps with a port, such as "hooks.example.com"' }),
  z.refine((text) => Number(/:([0-9]+)$/.exec(text)?.[1] ?? 0) <= 65_535, { error: 'has a port above 65535', abort: true }),
)

export const Region = z
  .string()
  .check(
    z.regex(/^[a-z0-9]+(?:-[a-z0-9]+)*$/, { error: 'must be a region as the platform writes it, such as "ap-guangzhou"' }),
    z.maxLength(64),
  )

const CredentialReferences = z.strictObject({
  secretId: SecretReference,
  secretKey: SecretReference,
  token: z.optional(SecretReference),
})

const CredentialFile = z.strictObject({
  file: z.string().check(z.minLength(1), z.describe("A credentials file of the platform's command line, with one section per profile.")),
  profile: z.optional(z.string().check(z.minLength(1), z.describe('Section of the file; `default` when absent.'))),
})

const RateShare = z.number().check(z.positive(), z.maximum(1))

const Platform = z.strictObject({
  domain: z.optional(Domain),
  endpoint: z.optional(EndpointUrl),
  region: z.optional(Region.check(z.describe('Default region. TENCENTCLOUD_REGION when absent.'))),
  protocol: z.optional(
    z.enum(['https', 'http']).check(z.describe('With `domain`; https when absent. TENCENTCLOUD_PROTOCOL stands in for it.')),
  ),
  allowInsecureHttp: z.optional(
    z.boolean().check(z.describe('Plain HTTP is refused without this: the secret key stays safe on it, the answers do not.')),
  ),
  caFile: z.optional(
    z
      .string()
      .check(
        z.minLength(1),
        z.describe("PEM file with the certificate authorities of a private installation; they take the place of the system's."),
      ),
  ),
  allowedHosts: z.optional(
    z.array(Host).check(z.describe("Hosts that may be called beside the platform's own, such as one that calendars are fetched from.")),
  ),
  rateShares: z.optional(
    z
      .strictObject({ tke: z.optional(RateShare), tcr: z.optional(RateShare) })
      .check(
        z.describe(
          'Part of the published rate of each action that is used, by service; 0.8 when absent. 1 where nobody else calls the same actions, such as `tcr: 1` for the nightly image cleaner.',
        ),
      ),
  ),
  credentials: z.optional(
    z
      .union([CredentialReferences, CredentialFile])
      .check(z.describe('Where the credentials are. TENCENTCLOUD_SECRET_ID, _SECRET_KEY and _TOKEN when absent.')),
  ),
})

const Cluster = z.strictObject({
  id: z
    .string()
    .check(
      z.regex(/^cls-[a-z0-9]{1,32}$/, { error: 'must be a cluster id as the platform writes it, such as "cls-1a2b3c4d"' }),
      z.describe("The platform's id."),
    ),
  name: z.optional(z.string().check(z.minLength(1), z.maxLength(64), z.describe('What people call it; the id when absent.'))),
  region: z.optional(Region.check(z.describe("Its region; the platform's default when absent."))),
})

const SqliteStore = z.strictObject({
  kind: z.literal('sqlite'),
  path: z.string().check(z.minLength(1), z.describe('The file; relative to the configuration. On a local disk.')),
})

const DynamoStore = z.strictObject({
  kind: z.literal('dynamodb'),
  table: z.string().check(z.regex(/^[A-Za-z0-9_.-]{3,255}$/, { error: 'must be the name of a DynamoDB table' })),
  region: z.optional(Region.check(z.describe("AWS region; the function's own when absent."))),
})

/** The common part of the file, without the functions' own settings. */
const common = {
  mode: z.optional(
    z
      .enum(['observe', 'plan', 'enforce'])
      .check(z.describe('`observe` reports, `plan` (default) prints what would be done, `enforce` does it.')),
  ),
  platform: z.optional(Platform),
  clusters: z.optional(z.array(Cluster).check(z.describe('The clusters that the functions may touch.'))),
  store: z.optional(
    z
      .union([SqliteStore, DynamoStore])
      .check(
        z.describe('What was done and what is under way. A file beside the configuration when absent, on Lambda the table of the stack.'),
      ),
  ),
  journal: z.optional(
    z.strictObject({
      key: SecretReference.check(z.describe('Secret of the seals: with it, nobody who may write to the store can rewrite the journal.')),
    }),
  ),
  guard: z.optional(
    guardSchema(functionNames).check(z.describe('What holds changes back: caps, freeze windows, protected targets, the kill switch.')),
  ),
}

/** For a configuration without notifiers: what checks them is loaded where there are some. */
const noNotifiers: z.ZodMiniType<readonly NotifierSetting[]> = z.array(z.never())

export type ConfigFile = z.infer<ReturnType<typeof configSchema>>

/**
 * The schema of the whole configuration. A function that `schemas` does not hold is an unknown key, unless `others` is
 * `ignore`: one function's bundle knows its own settings only, and the others' were checked when it was packaged. `notifiers` is
 * the schema of that section, `Notifiers`; without it there may be none.
 */
export function configSchema(schemas: SettingsSchemas, others: 'refuse' | 'ignore', notifiers = noNotifiers) {
  const shape: Record<string, z.ZodMiniType> = {}
  for (const name of functionNames) {
    const schema = schemas[name] ?? (others === 'ignore' ? z.unknown() : undefined)
    if (schema !== undefined) shape[name] = z.optional(schema)
  }
  return z.strictObject({
    ...common,
    notifiers: z.optional(notifiers.check(z.describe('Bots, webhooks and topics that hear of what needs somebody, by name.'))),
    functions: z.optional(z.strictObject(shape).check(z.describe('Settings of each function, by its name.'))),
  })
}
