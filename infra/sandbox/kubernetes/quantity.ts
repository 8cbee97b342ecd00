const binary: readonly string[] = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
const decimal: Readonly<Record<string, number>> = { n: -3, u: -2, m: -1, '': 0, k: 1, M: 2, G: 3, T: 4, P: 5, E: 6 }
const decimalSuffix = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const

/** A resource quantity as a whole number of billionths, with the family of suffixes it was written in. */
export interface Quantity {
  readonly nanos: bigint
  readonly format: 'binary' | 'decimal' | 'exponent'
}

const giga = 1_000_000_000n

/** Parses `500m`, `0.5`, `1Gi`, `1e3`; undefined when it is none. Finer than a billionth is rounded up, as the API does. */
export function parseQuantity(text: string): Quantity | undefined {
  const parts = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?$/.exec(text)
  if (parts === null) return undefined
  const [, sign = '', number = '', suffix = ''] = parts
  const [whole = '', fraction = ''] = number.split('.')
  const exponent = /^[eE]([+-]?\d+)$/.exec(suffix)?.[1]
  let numerator = BigInt(`${whole}${fraction}`) * giga
  let denominator = 10n ** BigInt(fraction.length)
  let format: Quantity['format'] = 'decimal'
  if (exponent !== undefined) {
    format = 'exponent'
    const power = Number.parseInt(exponent, 10)
    if (Math.abs(power) > 30) return undefined
    if (power >= 0) numerator *= 10n ** BigInt(power)
    else denominator *= 10n ** BigInt(-power)
  } else if (suffix.endsWith('i')) {
    format = 'binary'
    numerator *= 1024n ** BigInt(binary.indexOf(suffix))
  } else {
    const power = decimal[suffix] ?? 0
    if (power >= 0) numerator *= 1000n ** BigInt(power)
    else denominator *= 1000n ** BigInt(-power)
  }
  const magnitude = (numerator + denominator - 1n) / denominator
  return { nanos: sign === '-' ? -magnitude : magnitude, format }
}

/** Prints a quantity in its canonical form: no fraction, the largest suffix that keeps it whole. */
export function formatQuantity(quantity: Quantity): string {
  const negative = quantity.nanos < 0n
  const nanos = negative ? -quantity.nanos : quantity.nanos
  const sign = negative ? '-' : ''
  if (nanos === 0n) return '0'
  if (quantity.format === 'binary' && nanos % giga === 0n && nanos / giga >= 1024n) {
    let value = nanos / giga
    let unit = 0
    while (value % 1024n === 0n && unit < binary.length - 1) {
      value /= 1024n
      unit += 1
    }
    return `${sign}${value}${binary[unit] ?? ''}`
  }
  let value = nanos
  let unit = 0
  while (value % 1000n === 0n && unit < decimalSuffix.length - 1) {
    value /= 1000n
    unit += 1
  }
  if (quantity.format === 'exponent') {
    const power = (unit - 3) * 3
    return power === 0 ? `${sign}${value}` : `${sign}${value}e${power}`
  }
  return `${sign}${value}${decimalSuffix[unit] ?? ''}`
}

/** The quantity in thousandths, rounded up; 0 for text that is none. Cheap enough for every pod of a pass. */
export function milliOf(text: string | undefined): number {
  if (text === undefined) return 0
  const known = milliCache.get(text)
  if (known !== undefined) return known
  const quantity = parseQuantity(text)
  const milli = quantity === undefined ? 0 : Number((quantity.nanos + 999_999n) / 1_000_000n)
  if (milliCache.size < 10_000) milliCache.set(text, milli)
  return milli
}

const milliCache = new Map<string, number>()
