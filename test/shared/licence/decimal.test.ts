import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  decimalOf,
  excessOf,
  formatDecimal,
  numberOf,
  parseDecimal,
  parseUsage,
  percentOf,
  shareText,
} from '#shared/licence/decimal.ts'

const options = { seed: 8, numRuns: 400 }

const amount = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.integer({ min: 0, max: 9 })).map(([units, scale]) => {
  const digits = units.toString().padStart(scale + 1, '0')
  return scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`
})

function read(text: string): Decimal {
  const parsed = parseDecimal(text)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

function usage(raw: unknown): string {
  const parsed = parseUsage(raw)
  return parsed.ok ? formatDecimal(parsed.value) : `unreadable: ${parsed.error}`
}

describe('a value "12.5", "1,024", "N/A"', () => {
  it.each([
    ['12.5', '12.5'],
    ['1,024', '1024'],
    ['1,234,567.50', '1234567.5'],
    ['12,345', '12345'],
    ['123,456', '123456'],
    ['1'.repeat(40), '1'.repeat(40)],
    [0, '0'],
    [0n, '0'],
    ['0', '0'],
    ['007', '7'],
    [' 12 ', '12'],
    ['0.1', '0.1'],
    [128, '128'],
    [12.5, '12.5'],
    [9007199254740993n, '9007199254740993'],
    ['9007199254740993', '9007199254740993'],
  ])('%s is %s', (raw, expected) => {
    expect(usage(raw)).toBe(expected)
  })

  it.each([
    ['N/A', 'the value "N/A" is no number'],
    ['', 'the value is empty'],
    ['  ', 'the value is empty'],
    [null, 'the value is null'],
    [undefined, 'there is no value'],
    ['-5', 'the value "-5" is negative'],
    [-5, 'the value is negative'],
    [-5n, 'the value is negative'],
    [Number.NaN, 'the value is no number'],
    [Number.POSITIVE_INFINITY, 'the value is no number'],
    ['NaN', 'the value "NaN" is no number'],
    [1e21, 'the number 1e+21 is written with an exponent: its digits are lost'],
    ['1e3', 'the value "1e3" is no number'],
    ['1-3', 'the value "1-3" is no number'],
    ['1x,024', 'the value "1x,024" is no number'],
    ['12,5', 'the value "12,5" is no number'],
    ['0,512', 'the value "0,512" is no number'],
    ['1,02', 'the value "1,02" is no number'],
    ['1,024,5', 'the value "1,024,5" is no number'],
    ['1024,000', 'the value "1024,000" is no number'],
    ['12.', 'the value "12." is no number'],
    ['.5', 'the value ".5" is no number'],
    ['12 core', 'the value "12 core" is no number'],
    ['１２', 'the value "１２" is no number'],
    ['1'.repeat(41), 'the value is a text of 41 characters'],
    [true, 'the value is of type boolean, not a text'],
    [['12'], 'the value is a list, not a text'],
    [{ value: '12' }, 'the value is of type object, not a text'],
  ])('%s is unreadable, and says why', (raw, why) => {
    expect(usage(raw)).toBe(`unreadable: ${why}`)
  })
})

describe('decimals', () => {
  it('are exact where floats are not', () => {
    expect(formatDecimal(addDecimals(read('0.1'), read('0.2')))).toBe('0.3')
    // As numbers 1.1 * 1.1 and 0.07 * 100 are a little more than they should be.
    expect(formatDecimal(percentOf(decimalOf(107), read('100')))).toBe('107')
    expect(formatDecimal(percentOf(decimalOf(0.1), read('128')))).toBe('0.128')
  })

  it('come back as they were written, and equal ones are equal values', () => {
    fc.assert(
      fc.property(amount, (text) => {
        const value = read(text)
        expect(read(formatDecimal(value))).toEqual(value)
        expect(read(text.includes('.') ? `${text}0` : `${text}.0`)).toEqual(value)
      }),
      options,
    )
  })

  it('compare, add and take percentages as integers of one scale do', () => {
    const scaled = (value: Decimal): bigint => value.units * 10n ** BigInt(20 - value.scale)
    fc.assert(
      fc.property(amount, amount, (one, other) => {
        const [left, right] = [read(one), read(other)]
        expect(Math.sign(compareDecimals(left, right))).toBe(scaled(left) < scaled(right) ? -1 : scaled(left) > scaled(right) ? 1 : 0)
        expect(scaled(addDecimals(left, right))).toBe(scaled(left) + scaled(right))
        expect(scaled(excessOf(left, right))).toBe(scaled(left) > scaled(right) ? scaled(left) - scaled(right) : 0n)
        const percent = percentOf(left, right)
        expect(percent.units * 10n ** BigInt(40 - percent.scale)).toBe((scaled(left) * scaled(right)) / 100n)
      }),
      options,
    )
  })

  it('show what part of a whole they are, never all of it when they are not', () => {
    expect(shareText(read('104'), read('128'))).toBe('81.3 %')
    expect(shareText(read('128'), read('128'))).toBe('100.0 %')
    expect(shareText(read('0'), read('128'))).toBe('0.0 %')
    expect(shareText(read('100001'), read('100000'))).toBe('100.001 %')
    expect(shareText(read('99999'), read('100000'))).toBe('99.999 %')
    expect(shareText(read('5'), read('0'))).toBe('–')
    expect(shareText(read('256'), read('128'))).toBe('200.0 %')
    // Digits enough are digits enough.
    expect(shareText(read('1000000000000001'), read('1000000000000000'))).toBe('100.000000000 %')
  })

  it('are numbers for charts', () => {
    expect(numberOf(read('12.5'))).toBe(12.5)
    expect(numberOf(read('1024'))).toBe(1024)
    expect(numberOf(read('0.05'))).toBe(0.05)
  })

  it('of a setting are its digits, and a setting with an exponent is refused', () => {
    expect(formatDecimal(decimalOf(0.1))).toBe('0.1')
    expect(() => decimalOf(1e-9)).toThrow('is no amount')
    expect(() => decimalOf(-1)).toThrow('is no amount')
  })

  it('refuse what nobody would write', () => {
    expect(parseDecimal('1,024').ok).toBe(false)
    expect(parseDecimal('').ok).toBe(false)
    expect(parseDecimal('9'.repeat(41)).ok).toBe(false)
    expect(parseDecimal('9'.repeat(40)).ok).toBe(true)
    expect(parseDecimal(' 1').ok).toBe(false)
  })
})
