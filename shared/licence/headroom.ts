import * as z from 'zod/mini'
import { matchesGlob, parseGlob } from '#shared/pure/glob.ts'

/** Under which license-meter remembers how much is free, for whoever is about to use more. */
export const headroomKey = 'headroom'

/** A forecast as it is kept: dates are civil days of the meter's zone. */
export const Forecast = z.discriminatedUnion('kind', [
  /** More than the entitlement is expected to be used from `likely` on; with 80 % between `earliest` and `latest` (absent: perhaps never). */
  z.object({ kind: z.literal('blocked-on'), likely: z.string(), earliest: z.string(), latest: z.optional(z.string()) }),
  /** Not within so many days; `earliest` when it could be after all, at worst. */
  z.object({ kind: z.literal('not-in-sight'), withinDays: z.int(), earliest: z.optional(z.string()) }),
  /** It is above now. */
  z.object({ kind: z.literal('over-now'), since: z.string() }),
  z.object({ kind: z.literal('too-little-data'), have: z.int(), need: z.int() }),
  z.object({ kind: z.literal('unlimited') }),
  /** Nobody has said how much it may use. */
  z.object({ kind: z.literal('no-entitlement') }),
])

export type Forecast = z.infer<typeof Forecast>

/** What is no amount would come out as NaN, which is neither less nor more than anything. */
const Amount = z.string().check(z.regex(/^[0-9]+(?:\.[0-9]+)?$/))

export const HeadroomLine = z.object({
  /** In use at the region's `hour`, decimal; absent when that is not known. */
  used: z.optional(Amount),
  /** Decimal, or one of the words. */
  entitled: z.string(),
  /** What is left of the entitlement, decimal; "0" when it is used up. Absent where it is unlimited or not known. */
  free: z.optional(Amount),
  unit: z.string(),
  forecast: Forecast,
})

export type HeadroomLine = z.infer<typeof HeadroomLine>

export const RegionHeadroom = z.object({
  /** Hour of the last sample; absent when there is none. */
  hour: z.optional(z.string()),
  /** When that was read, ISO 8601. */
  at: z.optional(z.string()),
  /** What the platform says, as far as its polarity is known and does not contradict the figures. */
  overage: z.enum(['ok', 'over', 'unknown']),
  /** By metric: a product's id, or the glob of a sum. */
  products: z.record(z.string(), HeadroomLine),
  /** Of the civil month so far: hours with a sample, and hours. */
  coverage: z.object({ measured: z.int(), hours: z.int() }),
})

export type RegionHeadroom = z.infer<typeof RegionHeadroom>

/** Small and stable: other functions and other versions read it. Members may be added. */
export const Headroom = z.object({
  format: z.literal(1),
  /** When it was made, ISO 8601. */
  at: z.string(),
  regions: z.record(z.string(), RegionHeadroom),
})

export type Headroom = z.infer<typeof Headroom>

/** What was remembered as headroom; undefined when there is none that this version understands. */
export function readHeadroom(value: unknown): Headroom | undefined {
  const parsed = z.safeParse(Headroom, value)
  return parsed.success ? parsed.data : undefined
}

/**
 * How many cores may still be used in a region: the least that any limit leaves which a product counts under, or any limit at all when no
 * product is named. `unknown` as soon as one of those limits is not known. Where no product is named, one that nobody uses and nobody has an
 * entitlement for says nothing: it would hide how much is left of those that are used.
 */
export function freeCores(headroom: Headroom | undefined, region: string, product?: string): number | 'unlimited' | 'unknown' {
  const own = headroom?.regions[region]
  if (own === undefined) return 'unknown'
  const lines = Object.entries(own.products).filter(([metric]) => product === undefined || isAbout(metric, product))
  if (lines.length === 0) return 'unknown'
  const telling = product === undefined ? lines.filter(([, line]) => !isIdle(line)) : lines
  if (telling.length === 0) return 'unknown'
  let least: number | 'unlimited' = 'unlimited'
  for (const [, { entitled, free }] of telling) {
    if (entitled === 'unlimited') continue
    if (free === undefined) return 'unknown'
    least = least === 'unlimited' ? Number(free) : Math.min(least, Number(free))
  }
  return least
}

/** Of a product that nobody uses, and of which nobody has said how much may be used. */
function isIdle({ entitled, free, used }: HeadroomLine): boolean {
  return entitled !== 'unlimited' && free === undefined && used !== undefined && Number(used) === 0
}

function isAbout(metric: string, product: string): boolean {
  if (metric === product) return true
  const glob = parseGlob(metric)
  return glob.ok && matchesGlob(glob.value, product)
}
