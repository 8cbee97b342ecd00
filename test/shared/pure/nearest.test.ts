import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, nearest } from '#shared/pure/nearest.ts'

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['mode', 'mode', 0],
    ['mode', 'mdoe', 1],
    ['mode', 'modes', 1],
    ['mode', 'mod', 1],
    ['mode', 'made', 1],
    ['ca', 'abc', 3],
    ['kitten', 'sitting', 3],
  ])('%s and %s differ by %i', (left, right, distance) => {
    expect(editDistance(left, right)).toBe(distance)
  })

  it('is symmetric, zero only for equal words, and at most the longer length', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(
      fc.property(word, word, (left, right) => {
        const distance = editDistance(left, right)
        expect(editDistance(right, left)).toBe(distance)
        expect(distance === 0).toBe(left === right)
        expect(distance).toBeLessThanOrEqual(Math.max(left.length, right.length))
      }),
      { seed: 22, numRuns: 300 },
    )
  })
})

describe('nearest', () => {
  it('finds the key behind a slip', () => {
    expect(nearest('clutsers', ['mode', 'clusters', 'platform'])).toBe('clusters')
    expect(nearest('secret_id', ['secretKey', 'secretId'])).toBe('secretId')
    expect(nearest('MODE', ['code', 'mode'])).toBe('mode')
  })

  it('says nothing when nothing is near, or there is nothing', () => {
    expect(nearest('quarantine', ['mode', 'id'])).toBeUndefined()
    expect(nearest('mode', [])).toBeUndefined()
  })

  it('does not compare a very long word letter by letter', () => {
    const started = performance.now()
    expect(nearest('x'.repeat(2_000_000), ['name', 'schedule', 'targetSize'])).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(500)
  })

  it('prefers the exact spelling among equally near ones, then the first', () => {
    expect(nearest('fooBar', ['foobar', 'fooBar'])).toBe('fooBar')
    expect(nearest('ab', ['ac', 'ad'])).toBe('ac')
  })
})
