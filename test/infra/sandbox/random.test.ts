import { expect, test } from 'vitest'
import { createRandom, nextId, randomUuid } from '#infra/sandbox/random.ts'

test('numbers repeat with the seed, lie in [0, 1) and are spread evenly', () => {
  const draw = (seed: number) => {
    const random = createRandom(seed)
    return Array.from({ length: 20_000 }, random)
  }
  expect(draw(5)).toEqual(draw(5))
  expect(draw(5)).not.toEqual(draw(6))
  const numbers = draw(1)
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
  const buckets = Array.from({ length: 10 }, (_, bucket) => numbers.filter((number) => Math.floor(number * 10) === bucket).length)
  expect(Math.min(...buckets)).toBeGreaterThan(1850)
  expect(Math.max(...buckets)).toBeLessThan(2150)
})

test('ids follow from seed and counter alone, so a saved world goes on where it stopped, and none comes twice', () => {
  const world = { counter: 0 }
  const ids = Array.from({ length: 50_000 }, () => nextId(world, 1, 'cls'))
  expect(ids.every((id) => /^cls-[a-z0-9]{8}$/.test(id))).toBe(true)
  expect(new Set(ids).size).toBe(50_000)
  expect(nextId({ counter: 41_999 }, 1, 'cls')).toBe(ids[41_999])
  expect(nextId({ counter: 0 }, 2, 'cls')).not.toBe(ids[0])
})

test('request ids have the shape of a version 4 UUID', () => {
  const random = createRandom(9)
  const uuids = Array.from({ length: 1000 }, () => randomUuid(random))
  expect(uuids.every((uuid) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid))).toBe(true)
  expect(new Set(uuids).size).toBe(1000)
})
