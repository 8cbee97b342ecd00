import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Turns } from '#cloud/turns.ts'

/** Calls that end when they are told to. */
function desk(turns: Turns) {
  const begun: { readonly name: string; readonly end: () => void }[] = []
  const ask = (line: string, name: string): Promise<string> =>
    turns.run(line, () => new Promise((resolve) => begun.push({ name, end: () => resolve(name) })))
  const endNext = async (): Promise<string | undefined> => {
    const next = begun.shift()
    next?.end()
    for (let turn = 0; turn < 8; turn += 1) await undefined
    return next?.name
  }
  return { begun, ask, endNext }
}

describe('turns', () => {
  it('lets a few go at a time and gives each line one turn after the other, whoever has how many waiting', async () => {
    const { begun, ask, endNext } = desk(new Turns(2))
    const answers = [
      ...['a1', 'a2', 'a3', 'a4', 'a5', 'a6'].map((name) => ask('a', name)),
      ...['b1', 'b2'].map((name) => ask('b', name)),
      ask('c', 'c1'),
    ]
    expect(begun.map(({ name }) => name)).toEqual(['a1', 'a2'])
    const order: (string | undefined)[] = []
    for (let count = 0; count < 9; count += 1) {
      order.push(await endNext())
      expect(begun.length).toBeLessThanOrEqual(2)
    }
    expect(order).toEqual(['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2', 'a5', 'a6'])
    expect(await Promise.all(answers)).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2', 'c1'])
  })

  it('goes on after a call that throws, at once or later', async () => {
    const turns = new Turns(1)
    const fails = turns.run('a', () => Promise.reject(new RangeError('later')))
    const crashes = turns.run('a', () => {
      throw new RangeError('at once')
    })
    const works = turns.run('b', () => Promise.resolve(3))
    await expect(fails).rejects.toThrow('later')
    await expect(crashes).rejects.toThrow('at once')
    expect(await works).toBe(3)
  })

  it('keeps no place and forgets no call, whatever comes and ends when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.constant('end')), { maxLength: 40 }),
        async (atOnce, events) => {
          const { begun, ask, endNext } = desk(new Turns(atOnce))
          const all: Promise<string>[] = []
          let open = 0
          for (const [index, event] of events.entries()) {
            if (event === 'end') open -= (await endNext()) === undefined ? 0 : 1
            else {
              all.push(ask(event, `${index}`))
              open += 1
            }
            expect(begun.length).toBe(Math.min(open, atOnce))
          }
          while ((await endNext()) !== undefined) open -= 1
          expect(open).toBe(0)
          expect(await Promise.all(all)).toHaveLength(all.length)
        },
      ),
      { seed: 35, numRuns: 200 },
    )
  })

  it.each([0, -1, 1.5, Number.NaN])('cannot let %d go at a time', (atOnce) => {
    expect(() => new Turns(atOnce)).toThrow(RangeError)
  })
})
