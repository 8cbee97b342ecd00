import * as z from 'zod/mini'
import { functionNames } from '../definition.ts'
import { SecretReference } from '../secret-reference.ts'
import { severities } from './notice.ts'

const Host = z.string().check(
  z.regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?$/, {
    error: 'must be a host name, perhaps with a port, such as "hooks.example.com"',
  }),
)

/** What every notifier has, whatever its kind. */
const common = {
  name: z
    .string()
    .check(
      z.regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, { error: 'must be 1 to 32 lower-case letters, digits and dashes' }),
      z.describe('What people call it; what still waits is kept under it.'),
    ),
  functions: z.optional(
    z.array(z.enum(functionNames)).check(z.minLength(1), z.describe('Whose notices it sends; every function’s when absent.')),
  ),
  atLeast: z.optional(z.enum(severities).check(z.describe('The least severity that it sends; `info`, which is everything, when absent.'))),
  perMinute: z.optional(
    z.int().check(z.minimum(1), z.maximum(20), z.describe('Messages within any minute, 20 at most and when absent; more become digests.')),
  ),
  digestAfter: z.optional(
    z
      .int()
      .check(
        z.minimum(1),
        z.maximum(10),
        z.describe('When more notices than these wait at once they go out as one message; 5 when absent.'),
      ),
  ),
}

const url = SecretReference.check(z.describe('Where its URL lies: it holds the key of the bot, so it is a secret.'))
const secret = SecretReference.check(z.describe('Where the secret lies that its messages are signed with.'))
const otherHost = z.optional(Host.check(z.describe('The host of its URL, where that is not the public one.')))

/** A bot, a webhook or a topic that notices are sent to. Holds references, never a URL or a secret. */
export const NotifierSetting = z.discriminatedUnion('kind', [
  z.strictObject({ ...common, kind: z.literal('wecom'), url, host: otherHost }),
  z.strictObject({ ...common, kind: z.literal('dingtalk'), url, secret, host: otherHost }),
  z.strictObject({ ...common, kind: z.literal('feishu'), url, secret, host: otherHost }),
  z.strictObject({ ...common, kind: z.literal('slack'), url, host: otherHost }),
  z.strictObject({
    ...common,
    kind: z.literal('webhook'),
    url,
    host: Host.check(z.describe('The host of its URL: nothing else is called, whatever the URL says.')),
    secret: z.optional(secret.check(z.describe('Where its secret lies (`whsec_…`): with it messages are signed as Standard Webhooks.'))),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('sns'),
    topic: z.string().check(
      z.regex(/^arn:aws(?:-[a-z]+)*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,251}(?:\.fifo)?$/, {
        error: 'must be the ARN of a topic, such as "arn:aws:sns:eu-central-1:123456789012:ops"',
      }),
    ),
    endpoint: z.optional(
      z
        .string()
        .check(
          z.regex(/^https?:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?$/, { error: 'must be http:// or https:// with a host and perhaps a port' }),
          z.describe('Another address than the public one of its region, such as that of a VPC endpoint.'),
        ),
    ),
    credentials: z.optional(
      z
        .strictObject({ accessKeyId: SecretReference, secretAccessKey: SecretReference, sessionToken: z.optional(SecretReference) })
        .check(z.describe('Where the keys lie; AWS_ACCESS_KEY_ID and its like when absent, which Lambda sets for its role.')),
    ),
  }),
])

export type NotifierSetting = z.infer<typeof NotifierSetting>

export type NotifierKind = NotifierSetting['kind']

/** The section `notifiers` of the configuration. */
export const Notifiers: z.ZodMiniType<readonly NotifierSetting[]> = z.array(NotifierSetting).check(z.maxLength(20))

/** What several notifiers together cannot be, each with its path below `notifiers`. */
export function notifierFaults(
  notifiers: readonly NotifierSetting[],
): readonly { readonly path: readonly PropertyKey[]; readonly text: string }[] {
  const faults: { path: readonly PropertyKey[]; text: string }[] = []
  const seen = new Map<string, number>()
  const compare = (value: string, index: number, field: string, what: string): void => {
    const earlier = seen.get(`${field} ${value}`)
    if (earlier === undefined) seen.set(`${field} ${value}`, index)
    else faults.push({ path: [index, field], text: `the same as notifiers[${earlier}].${field}; ${what}` })
  }
  for (const [index, notifier] of notifiers.entries()) {
    compare(notifier.name, index, 'name', 'give each notifier a name of its own')
    if (notifier.kind === 'sns') compare(notifier.topic, index, 'topic', 'one topic is one notifier')
    else compare(notifier.url, index, 'url', 'one bot is one notifier, because its limit of messages counts them all')
  }
  return faults
}
