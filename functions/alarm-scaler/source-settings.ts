import * as z from 'zod/mini'
import { isTimeZone } from '#shared/pure/zone.ts'
import { SecretReference } from '#shared/runtime/secret-reference.ts'
import { DurationText } from '#shared/runtime/settings-text.ts'
import { HeaderName, SourceHeader, SourceSecrets, sourceNames } from '#shared/runtime/webhook-source-settings.ts'

/** Zone of the times that a sender writes without one. */
export const AlarmTimeZone = z
  .string()
  .check(z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }))

const Reading = z.string().check(z.minLength(1), z.maxLength(100))

/** Where alerts of Prometheus carry figures: they have none of their own. */
const figures = {
  value: z._default(
    Reading.check(z.describe('Annotation (or label) that holds the value, such as `value: "{{ $value }}"` in a rule.')),
    'value',
  ),
  threshold: z._default(Reading.check(z.describe('Annotation (or label) that holds the threshold.')), 'threshold'),
}

const TencentMonitor = z.strictObject({
  kind: z.literal('tencent-monitor'),
  // It signs nothing and sends no header of ours, so the secret stands in its address.
  secrets: SourceSecrets,
  basic: z._default(
    z
      .array(SecretReference)
      .check(
        z.maxLength(10),
        z.describe(
          'Where "user:password" is, of callback addresses that are written https://user:password@…; asked for as well as the secret in the address.',
        ),
      ),
    [],
  ),
  timeZone: z.optional(AlarmTimeZone.check(z.describe("Zone of its times, which say none; the function's `timeZone` when absent."))),
  verification: z.optional(
    SecretReference.check(
      z.describe(
        'Where the code is that the platform wants to see when it checks the address; a GET with the right secret is answered with it.',
      ),
    ),
  ),
})

const Alertmanager = z.strictObject({ kind: z.literal('alertmanager'), secrets: SourceSecrets, header: SourceHeader, ...figures })

const Grafana = z.strictObject({
  kind: z.literal('grafana'),
  secrets: SourceSecrets,
  header: SourceHeader,
  hmac: z.optional(
    z
      .strictObject({
        secrets: z
          .array(SecretReference)
          .check(z.minLength(1), z.maxLength(10), z.describe('Where the secrets are that messages are signed with; any of them fits.')),
        header: z._default(HeaderName.check(z.describe('Header that carries the signature.')), 'x-grafana-alerting-signature'),
        timestampHeader: z.optional(
          HeaderName.check(
            z.describe('Header that carries the time, as the contact point names it. Without it an old message can be sent again.'),
          ),
        ),
        tolerance: z.prefault(DurationText.check(z.describe('How far that time may be off.')), '5m'),
      })
      .check(z.describe('Signature of the contact point; asked for as well as the secret in the header, where there is one.')),
  ),
  refId: z.optional(Reading.check(z.describe('Which of the values of a rule counts, such as "B"; the only one when absent.'))),
  ...figures,
})

const CloudWatch = z.strictObject({ kind: z.literal('cloudwatch'), secrets: SourceSecrets, header: SourceHeader })

const Signed = z.strictObject({ kind: z.literal('signed'), secrets: SourceSecrets })

/** A sender of alarms, by what it speaks. */
export const SourceSettings = z.discriminatedUnion('kind', [TencentMonitor, Alertmanager, Grafana, CloudWatch, Signed])

export type SourceSettings = z.infer<typeof SourceSettings>
export type SourceKind = SourceSettings['kind']
export const sourceKinds = ['tencent-monitor', 'alertmanager', 'grafana', 'cloudwatch', 'signed'] as const satisfies readonly SourceKind[]

/** The name that the page for approvals has among the sources. */
export const approvalSource = 'approve'

/** `functions.alarm-scaler.sources`: who may say that something is wrong, by a name of your own, which is the end of its address. */
export const Sources = z._default(
  z
    .record(sourceNames(approvalSource), SourceSettings)
    .check(z.describe('Who may raise alarms. The name is the end of the address: /hooks/alarm-scaler/<name>.')),
  {},
)

export type Sources = z.infer<typeof Sources>
