import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventLoop } from '#infra/sim/event-loop.ts'

test('runs events by their instants, and those of one instant in the order in which they were asked for', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 60 }), async (delays) => {
      const loop = new EventLoop(1_000)
      const ran: (readonly [number, number])[] = []
      for (const [index, delay] of delays.entries()) loop.after(delay, () => ran.push([loop.now, index]))
      await loop.runUntil(2_000)
      const expected = delays.map((delay, index) => [1_000 + delay, index] as const)
      expect(ran).toEqual(expected.toSorted(([one, first], [other, second]) => one - other || first - second))
      expect(loop.now).toBe(2_000)
    }),
    { seed: 27, numRuns: 100 },
  )
})

test('lets promises come to rest between two events, however long their chains are', async () => {
  const loop = new EventLoop(0)
  const heard: string[] = []
  const chain = async (name: string): Promise<void> => {
    for (let turn = 0; turn < 500; turn += 1) await undefined
    heard.push(`${name} at ${loop.now}`)
  }
  loop.at(1, () => void chain('first'))
  loop.at(2, () => void chain('second'))
  await loop.runUntil(10)
  expect(heard).toEqual(['first at 1', 'second at 2'])
})

test('forgets what was called off, stops at the given instant, and takes what is over for now', async () => {
  const loop = new EventLoop(100)
  const ran: number[] = []
  loop.at(50, () => ran.push(loop.now))
  loop.at(110, () => ran.push(loop.now)).isCancelled = true
  loop.at(120, () => ran.push(loop.now))
  loop.at(121, () => ran.push(loop.now))
  await loop.runUntil(120)
  expect(ran).toEqual([100, 120])
  await loop.runUntil(130)
  expect(ran).toEqual([100, 120, 121])
})
