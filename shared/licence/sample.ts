import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { type Decimal, parseUsage } from './decimal.ts'

export const hourMs = 3_600_000

const HourText = z.string().check(
  z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:00:00Z$/, { error: 'must be a full hour of UTC' }),
  z.refine((text) => !Number.isNaN(Date.parse(text)), { error: 'is no hour of the calendar' }),
)

/**
 * What one region said in one hour, exactly as it said it: the two answers are kept whole. What they mean is read from them each time
 * (`readSample`), so that the record holds one truth, and a better reading changes nothing that was recorded.
 */
export const Sample = z.strictObject({
  region: z.string(),
  /** The hour of UTC in which it was read: `2026-11-24T15:00:00Z`. */
  hour: HourText,
  /** When it was read, ISO 8601. */
  at: z.string(),
  raw: z.strictObject({
    /** The whole answer of CollectAllCore, with its RequestId. */
    collectAllCore: z.unknown(),
    /** The whole answer of QueryOverage. */
    queryOverage: z.unknown(),
  }),
})

export type Sample = z.infer<typeof Sample>

/** Three-valued: what is neither is unreadable. What `true` means is a setting, because the manual contradicts itself. */
export type PassState = 'true' | 'false' | 'unreadable'

export interface ProductReading {
  readonly productId: string
  readonly description: string
  /** As the platform writes it, `core` perhaps; empty when it gives none. */
  readonly unit: string
  /** Undefined when nobody can read it: a gap, never zero. */
  readonly usage: Decimal | undefined
  /** Why it cannot be read. */
  readonly why?: string
  /** As it came. */
  readonly raw: unknown
}

/** What a sample means. */
export interface SampleReading {
  /** In the platform's order, each product once. */
  readonly products: readonly ProductReading[]
  readonly pass: { readonly raw: unknown; readonly state: PassState }
  /** `Version` of the platform's report; empty when it gives none. */
  readonly reportVersion: string
  readonly requestIds: readonly string[]
}

/** The hour of UTC that an instant is in, as samples write it. */
export function hourOf(ms: number): string {
  return hourText(Math.floor(ms / hourMs))
}

/** The same of the number of the hour since 1970. */
export function hourText(number: number): string {
  return `${new Date(number * hourMs).toISOString().slice(0, 13)}:00:00Z`
}

/** Number of an hour since 1970, of its text. */
export function hourNumber(hour: string): number {
  return Date.parse(hour) / hourMs
}

/** Both answers of a region, as they came. The second is to be read right after the first. */
export interface Answers {
  readonly region: string
  /** When they were read, epoch milliseconds. */
  readonly atMs: number
  readonly collectAllCore: unknown
  readonly queryOverage: unknown
}

/**
 * The sample that two answers are. An answer that is no report at all (no list of products) makes none: the region is a gap for now, and
 * the next trigger reads it again.
 */
export function sampleOf({ region, atMs, collectAllCore, queryOverage }: Answers): Result<Sample, string> {
  if (memberOf(collectAllCore, 'Data') === undefined) return failure('CollectAllCore answered without `Data`: that is no report')
  if (!Array.isArray(memberOf(collectAllCore, 'Data')))
    return failure('CollectAllCore answered with a `Data` that is no list: that is no report')
  if (typeof queryOverage !== 'object' || queryOverage === null) return failure('QueryOverage answered with no object')
  return success({ region, hour: hourOf(atMs), at: new Date(atMs).toISOString(), raw: { collectAllCore, queryOverage } })
}

/** Reads what a sample means. It never fails: what cannot be read says so. */
export function readSample({ raw: { collectAllCore, queryOverage } }: Pick<Sample, 'raw'>): SampleReading {
  const rows = memberOf(collectAllCore, 'Data')
  const products = new Map<string, ProductReading>()
  for (const row of Array.isArray(rows) ? rows : []) {
    const product = productOf(row)
    const twice = products.get(product.productId)
    products.set(product.productId, twice === undefined ? product : inDoubt(twice, product))
  }
  const pass = memberOf(queryOverage, 'Pass')
  return {
    products: [...products.values()],
    pass: { raw: pass, state: passState(pass) },
    reportVersion: textOf(memberOf(collectAllCore, 'Version')),
    requestIds: [collectAllCore, queryOverage].map((answer) => textOf(memberOf(answer, 'RequestId'))).filter((id) => id !== ''),
  }
}

function productOf(row: unknown): ProductReading {
  const raw = memberOf(row, 'UsageValue')
  const usage = parseUsage(raw)
  const facts = {
    productId: textOf(memberOf(row, 'ProductId')),
    description: textOf(memberOf(row, 'ProductIdDescribe')),
    unit: textOf(memberOf(row, 'UsageUnit')),
    raw: raw ?? null,
  }
  if (facts.productId === '') return { ...facts, usage: undefined, why: 'the row names no product' }
  return usage.ok ? { ...facts, usage: usage.value } : { ...facts, usage: undefined, why: usage.error }
}

/** A product that stands there twice: nobody knows whether the rows add up or repeat each other. */
function inDoubt(first: ProductReading, second: ProductReading): ProductReading {
  const raws = Array.isArray(first.raw) ? [...first.raw, second.raw] : [first.raw, second.raw]
  return { ...first, usage: undefined, why: `the answer has ${raws.length} rows of it`, raw: raws }
}

/** Reads `Pass`, case and blanks around it ignored: `"TRUE"` is true; `""`, null and anything else is unreadable. */
export function passState(raw: unknown): PassState {
  const text = typeof raw === 'boolean' ? String(raw) : typeof raw === 'string' ? raw.trim().toLowerCase() : ''
  return text === 'true' || text === 'false' ? text : 'unreadable'
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'bigint' ? String(value) : ''
}
