import { type Glob, matchesGlob } from '#shared/pure/glob.ts'
import { addDecimals, type Decimal, zero } from './decimal.ts'
import { type Entitlement, isFor } from './entitlement.ts'
import type { ProductReading, SampleReading } from './sample.ts'

/** What is counted and compared in a region: a product, or the sum of the products that a glob of the entitlements matches. */
export interface Metric {
  /** Id of the product, or the text of the glob. Reports, alerts, rollups and the headroom call it by this. */
  readonly id: string
  /** Set of a sum. */
  readonly glob?: Glob | undefined
}

/** What a metric is in one hour; `why` it is not known. */
export type MetricUsage =
  | { readonly usage: Decimal; readonly unit: string; readonly why?: undefined }
  | { readonly usage?: undefined; readonly unit: string; readonly why: string }

/** The sums that the entitlements ask for in a region, each once. */
export function sumsOf(entitlements: readonly Entitlement[], region: string): readonly Metric[] {
  const globs = entitlements.filter((one) => isSum(one.product) && isFor(one, region)).map(({ product }) => product)
  return [...new Map(globs.map((glob) => [glob.pattern, { id: glob.pattern, glob }])).values()]
}

function isSum(glob: Glob): boolean {
  return glob.parts.some(({ kind }) => kind !== 'literal')
}

/**
 * What is compared in a region: the products and sums that have an entitlement there, and after them each product that no entitlement is
 * about (it may use as much as it likes as far as anybody knows).
 */
export function metricsOf(entitlements: readonly Entitlement[], region: string, products: readonly string[]): readonly Metric[] {
  const own = entitlements.filter((one) => isFor(one, region))
  const entitled = new Map<string, Metric>()
  for (const { product } of own)
    entitled.set(product.pattern, isSum(product) ? { id: product.pattern, glob: product } : { id: product.pattern })
  const others = products.filter((id) => !own.some(({ product }) => matchesGlob(product, id)))
  return [...entitled.values(), ...[...new Set(others)].map((id): Metric => ({ id }))]
}

/** Whether a product counts under a metric. */
export function countsUnder(metric: Metric, productId: string): boolean {
  return metric.glob === undefined ? metric.id === productId : matchesGlob(metric.glob, productId)
}

/**
 * What a metric comes to in one hour. A sum of which one part cannot be read is not known, and a product that is not listed is not known
 * either: neither is zero.
 */
export function usageOf(metric: Metric, { products }: Pick<SampleReading, 'products'>): MetricUsage {
  const own = products.filter(({ productId }) => countsUnder(metric, productId))
  const [first] = own
  if (first === undefined) return { unit: '', why: 'the platform lists no such product' }
  const unit = first.unit
  const other = own.find((product) => product.unit !== unit)
  if (other !== undefined)
    return { unit, why: `${first.productId} is in ${shown(unit)} and ${other.productId} in ${shown(other.unit)}: they have no sum` }
  let usage = zero
  for (const product of own) {
    if (product.usage === undefined) return { unit, why: whyOf(product, metric) }
    usage = addDecimals(usage, product.usage)
  }
  return { usage, unit }
}

function whyOf({ productId, why = 'it cannot be read' }: ProductReading, metric: Metric): string {
  return metric.glob === undefined ? why : `${productId}: ${why}`
}

function shown(unit: string): string {
  return unit === '' ? 'no unit' : `“${unit}”`
}
