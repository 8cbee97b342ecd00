import * as z from 'zod/mini'
import { parseUnits } from '#shared/licence/complete-units.ts'
import { decimalOf } from '#shared/licence/decimal.ts'
import { Entitlement } from '#shared/licence/entitlement.ts'
import { passMeanings } from '#shared/licence/polarity.ts'
import { parseDuration } from '#shared/pure/duration.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { Region } from '#shared/runtime/config-schema.ts'
import { parsedText } from '#shared/runtime/settings-text.ts'

const hourMs = 3_600_000

/** So many percent; comes out as an exact decimal. */
function percent(most: number, about: string) {
  return z.pipe(
    z.number().check(z.minimum(0), z.maximum(most), z.refine(isPlain, { error: 'must be written without an exponent' }), z.describe(about)),
    z.transform(decimalOf),
  )
}

function isPlain(value: number): boolean {
  return /^[0-9]+(?:\.[0-9]+)?$/.test(String(value))
}

/** How often something is done; comes out as milliseconds, or `never`. */
function parseEvery(text: string): Result<number | 'never', string> {
  if (text === 'never') return success('never')
  const period = parseDuration(text)
  if (!period.ok) return failure(`${period.error}; or never`)
  return period.value >= hourMs ? period : failure(`${text} is less than an hour, the least that makes sense`)
}

const Units = parsedText(parseUnits)

/** `functions.license-meter` of the configuration. */
export const Settings = z.strictObject({
  timeZone: z._default(
    z
      .string()
      .check(
        z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }),
        z.describe('Whose civil days, months and years count; dates of entitlements are in it.'),
      ),
    'Asia/Shanghai',
  ),
  regions: z.optional(
    z
      .array(Region)
      .check(z.minLength(1), z.describe('Regions to be measured; those of the configured clusters when absent, or else the platform’s.')),
  ),
  passMeans: z.optional(
    z
      .enum(passMeanings)
      .check(
        z.describe(
          'What "true" of QueryOverage means on this platform: its name says ok, its description over. While absent, Pass is recorded and decides nothing.',
        ),
      ),
  ),
  entitlements: z._default(z.array(Entitlement), []),
  alerts: z.prefault(
    z.strictObject({
      tolerancePercent: z._default(
        percent(1000, 'Use of so much more than the entitlement is no over-use yet; more than that is.'),
        decimalOf(5),
      ),
      warnAtPercent: z._default(
        z.union([percent(100, 'Use of more than this part of an entitlement is worth a warning.'), z.literal('never')]),
        decimalOf(90),
      ),
      warnDays: z._default(
        z
          .int()
          .check(z.minimum(0), z.maximum(3650), z.describe('A block that is expected within so many days is worth a warning; 0 for none.')),
        30,
      ),
    }),
    {},
  ),
  forecast: z.prefault(
    z.strictObject({
      weeks: z._default(z.int().check(z.minimum(3), z.maximum(52), z.describe('It is made from the days of so many weeks.')), 8),
      horizonDays: z._default(z.int().check(z.minimum(7), z.maximum(3650), z.describe('It looks no further than this.')), 365),
    }),
    {},
  ),
  keep: z.prefault(
    z.strictObject({
      hours: z.prefault(Units.check(z.describe('How long the samples are kept, in complete units: 13 months, 2 years.')), '13 months'),
      days: z.prefault(Units.check(z.describe('How long the high-water marks of days are kept.')), '10 years'),
    }),
    {},
  ),
  crossCheck: z.prefault(
    z.strictObject({
      every: z.prefault(
        parsedText(parseEvery).check(
          z.describe('How often the cores of the clusters’ nodes are compared with what is reported; or never.'),
        ),
        '24h',
      ),
      tolerancePercent: z._default(percent(100, 'A difference of so much of what the nodes have is none.'), decimalOf(2)),
    }),
    {},
  ),
})

export type Settings = z.infer<typeof Settings>
