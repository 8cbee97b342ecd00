import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatQuantity, parseQuantity as parseExactly } from '#infra/sandbox/kubernetes/quantity.ts'
import { parseMilli, parseQuantity } from '#shared/pure/quantity.ts'

describe('a resource quantity', () => {
  it.for([
    ['4', 4],
    ['3920m', 3.92],
    ['3m', 0.003],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['100u', 0.0001],
    ['1k', 1000],
    ['16265544Ki', 16265544 * 1024],
    ['1.5Gi', 1.5 * 1024 ** 3],
    ['12e6', 12_000_000],
    ['1E3', 1000],
    ['2E', 2e18],
    ['-1', -1],
  ] as const)('%s is %d', ([text, value]) => {
    expect(parseQuantity(text)).toBe(value)
  })

  it.for(['', '4 cores', '1gi', 'Gi', '1,5', '0x10', 'NaN', '1e', '--1'])('%j is none', (text) => {
    expect(parseQuantity(text)).toBeUndefined()
    expect(parseMilli(text)).toBeUndefined()
  })

  it('in thousandths is rounded up, and only what is really more than a whole one', () => {
    expect(parseMilli('100u')).toBe(1)
    expect(parseMilli('0.1')).toBe(100)
    expect(parseMilli('1.1')).toBe(1100)
    expect(parseMilli('2.3')).toBe(2300)
    expect(parseMilli('250m')).toBe(250)
    expect(parseMilli('0')).toBe(0)
  })

  it('comes to the same as in the exact arithmetic of the sandbox', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000 }), fc.constantFrom('binary', 'decimal'), (milli, format) => {
        const text = formatQuantity({ nanos: BigInt(milli) * 1_000_000n, format })
        expect(parseExactly(text)?.nanos).toBe(BigInt(milli) * 1_000_000n)
        expect(parseMilli(text)).toBe(milli)
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})
