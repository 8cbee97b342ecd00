import { expect, test } from 'vitest'
import { digestOf } from '#shared/pure/digest.ts'

test('the same values give the same digest, on every machine', () => {
  expect(digestOf(['cls-1', 5, true, null])).toBe('960d2585af8c8e4794309192f7e9751840b5bd60')
})

test('values are kept apart', () => {
  const digests = [['ab', 'c'], ['a', 'bc'], ['abc'], [1], ['1'], [null], ['null'], [true], []].map(digestOf)
  expect(new Set(digests).size).toBe(digests.length)
  expect(digests[0]).toMatch(/^[0-9a-f]{40}$/)
})
