import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

/**
 * An exact decimal number that is not negative: `units / 10^scale`, in its shortest form, so that equal numbers are equal values.
 * Thresholds are decided on these; a float would call 105 of 100 cores at 5 % tolerance one side or the other by its rounding.
 */
export interface Decimal {
  readonly units: bigint
  readonly scale: number
}

/** Longer than any amount of cores; what is longer is a mistake or an attack. */
const longestText = 40

const plain = /^([0-9]+)(?:\.([0-9]+))?$/
/** Groups of three, all of them; a first group of zero would be a decimal comma. */
const grouped = /^([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.([0-9]+))?$/

export const zero: Decimal = { units: 0n, scale: 0 }

/** A decimal from its parts; zeros at the end of the fraction are dropped. */
function decimal(units: bigint, scale: number): Decimal {
  while (scale > 0 && units % 10n === 0n) {
    units /= 10n
    scale -= 1
  }
  return { units, scale }
}

/** Reads a number as a person or a program writes it: `128`, `12.5`. No sign, no exponent, no grouping. */
export function parseDecimal(text: string): Result<Decimal, string> {
  const match = text.length <= longestText ? plain.exec(text) : null
  if (match === null) return failure(`${quote(text)} is no amount: write digits, perhaps with a fraction, as in 128 or 12.5`)
  return success(ofDigits(match[1] ?? '', match[2] ?? ''))
}

function ofDigits(whole: string, fraction: string): Decimal {
  return decimal(BigInt(whole + fraction), fraction.length)
}

/**
 * Reads an amount as the platform gives it: a text with digits (`"12.5"`), in complete groups of three perhaps (`"1,024"`), or a number.
 * Everything else (`"N/A"`, `""`, null, negative, `"1e3"`, `"12,5"`) is no amount, never zero; the error says why.
 */
export function parseUsage(raw: unknown): Result<Decimal, string> {
  if (raw === undefined) return failure('there is no value')
  if (raw === null) return failure('the value is null')
  if (typeof raw === 'bigint') return raw < 0n ? failure('the value is negative') : success(decimal(raw, 0))
  if (typeof raw === 'number') {
    if (!Number.isFinite(raw)) return failure('the value is no number')
    if (raw < 0) return failure('the value is negative')
    return plain.test(String(raw))
      ? parseDecimal(String(raw))
      : failure(`the number ${raw} is written with an exponent: its digits are lost`)
  }
  if (typeof raw !== 'string') return failure(`the value is ${Array.isArray(raw) ? 'a list' : `of type ${typeof raw}`}, not a text`)
  const text = raw.trim()
  if (text === '') return failure('the value is empty')
  if (text.length > longestText) return failure(`the value is a text of ${text.length} characters`)
  const match = plain.exec(text) ?? grouped.exec(text)
  if (match !== null) return success(ofDigits((match[1] ?? '').replaceAll(',', ''), match[2] ?? ''))
  if (/^-[0-9]/.test(text)) return failure(`the value ${quote(text)} is negative`)
  return failure(`the value ${quote(text)} is no number`)
}

/** The decimal of a number of a configuration, by the digits it is written with (0.1 is a tenth). Throws RangeError for what `parseDecimal` refuses. */
export function decimalOf(value: number): Decimal {
  const parsed = parseDecimal(String(value))
  if (!parsed.ok) throw new RangeError(parsed.error)
  return parsed.value
}

/** Negative when `one` is smaller, 0 when they are equal, positive when it is larger. */
export function compareDecimals(one: Decimal, other: Decimal): number {
  const [left, right] = aligned(one, other)
  return left < right ? -1 : left > right ? 1 : 0
}

function aligned(one: Decimal, other: Decimal): readonly [bigint, bigint, number] {
  if (one.scale === other.scale) return [one.units, other.units, one.scale]
  const scale = Math.max(one.scale, other.scale)
  return [one.units * 10n ** BigInt(scale - one.scale), other.units * 10n ** BigInt(scale - other.scale), scale]
}

export function addDecimals(one: Decimal, other: Decimal): Decimal {
  const [left, right, scale] = aligned(one, other)
  return decimal(left + right, scale)
}

/** How far `one` is above `other`; zero when it is not. */
export function excessOf(one: Decimal, other: Decimal): Decimal {
  const [left, right, scale] = aligned(one, other)
  return left > right ? decimal(left - right, scale) : zero
}

/** So many percent of a value, exactly: 105 percent of 128 is 134.4. */
export function percentOf(percent: Decimal, value: Decimal): Decimal {
  return decimal(percent.units * value.units, percent.scale + value.scale + 2)
}

/** The nearest number, for charts, tables and forecasts; nothing is decided on it. */
export function numberOf({ units, scale }: Decimal): number {
  return scale === 0 ? Number(units) : Number(formatDecimal({ units, scale }))
}

/** As `parseDecimal` reads it. */
export function formatDecimal({ units, scale }: Decimal): string {
  if (scale === 0) return units.toString()
  const digits = units.toString().padStart(scale + 1, '0')
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/**
 * What part of a whole this is, for people: `81.3 %`. What is not exactly all of it is never shown as `100.0 %`: digits are added until
 * one can see on which side it is. `–` of nothing.
 */
export function shareText(part: Decimal, whole: Decimal): string {
  if (whole.units === 0n) return '–'
  const isAll = compareDecimals(part, whole) === 0
  for (let digits = 1; ; digits += 1) {
    const [left, right] = aligned(part, whole)
    const scaled = (left * 100n * 10n ** BigInt(digits) * 2n + right) / (right * 2n)
    if (isAll || digits >= 9 || scaled !== 100n * 10n ** BigInt(digits)) {
      const text = scaled.toString().padStart(digits + 1, '0')
      return `${text.slice(0, -digits)}.${text.slice(-digits)} %`
    }
  }
}
