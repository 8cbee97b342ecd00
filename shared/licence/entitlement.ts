import * as z from 'zod/mini'
import { type CivilDate, dayNumber, parseCivilDate } from '#shared/pure/civil.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { failure, type Result } from '#shared/pure/result.ts'
import { GlobText, parsedText } from '#shared/runtime/settings-text.ts'
import { addDecimals, type Decimal, parseDecimal, zero } from './decimal.ts'

/** A civil date; comes out as the number of its day since 1970. */
const Day = parsedText((text): Result<number, string> => {
  const date = parseCivilDate(text)
  return date.ok ? { ok: true, value: dayOf(date.value) } : failure(`${date.error}: a date, such as "2026-10-01"`)
})

function dayOf({ year, month, day }: CivilDate): number {
  return dayNumber(year, month, day)
}

const Cores = z.pipe(
  z.union([z.number(), z.string()]),
  z.transform((given, context): Decimal | 'unlimited' => {
    if (given === 'unlimited') return given
    const parsed = parseDecimal(String(given))
    if (parsed.ok) return parsed.value
    context.issues.push({ code: 'custom', message: `${parsed.error}, or "unlimited"`, input: given })
    return z.NEVER
  }),
)

/** What a licence entitles to. */
export const Entitlement = z
  .strictObject({
    product: GlobText.check(
      z.describe(
        'A product by its id, or a glob over ids. With a glob (`*`) the cores are for the sum of all products that it matches. Entries with the same text add up; different texts are limits of their own.',
      ),
    ),
    region: z.optional(GlobText.check(z.describe('Glob over regions, each of which has all of it; every region when absent.'))),
    cores: Cores.check(z.describe('How many, such as 128 or "12.5", in the unit of the product; or "unlimited".')),
    from: z.optional(Day.check(z.describe('First day, in `timeZone`, on which it holds.'))),
    until: z.optional(Day.check(z.describe('Last day on which it holds.'))),
    note: z.optional(
      z.string().check(z.maxLength(200), z.describe('Whatever people want to know of it, such as the number of the contract.')),
    ),
  })
  .check(
    z.refine(({ from, until }) => from === undefined || until === undefined || from <= until, {
      error: 'ends before it begins',
      path: ['until'],
    }),
  )

export type Entitlement = z.infer<typeof Entitlement>

/**
 * How much something is entitled to on a day. `unknown`: no entry says, or none did yet. After an entry has ended, and while none holds,
 * that is no cores at all.
 */
export type Entitled =
  | { readonly kind: 'cores'; readonly cores: Decimal; readonly ended?: boolean }
  | { readonly kind: 'unlimited' }
  | { readonly kind: 'unknown' }

/** What a metric may use in a region on a civil day (number since 1970). */
export function entitledOn(entitlements: readonly Entitlement[], region: string, metric: string, day: number): Entitled {
  const own = entitlements.filter((one) => one.product.pattern === metric && isFor(one, region))
  const valid = own.filter(({ from, until }) => (from ?? -Infinity) <= day && day <= (until ?? Infinity))
  if (valid.length === 0) {
    return own.some(({ until }) => until !== undefined && until < day) ? { kind: 'cores', cores: zero, ended: true } : { kind: 'unknown' }
  }
  let cores = zero
  for (const one of valid) {
    if (one.cores === 'unlimited') return { kind: 'unlimited' }
    cores = addDecimals(cores, one.cores)
  }
  return { kind: 'cores', cores }
}

export function isFor({ region: glob }: Entitlement, region: string): boolean {
  return glob === undefined || matchesGlob(glob, region)
}
