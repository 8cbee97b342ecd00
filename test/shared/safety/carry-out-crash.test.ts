import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { GuardSettings } from '#shared/safety/guard-settings.ts'
import type { Store } from '#shared/safety/store.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { graceMs, historyProblems, type ProcessOptions, runIn, World, type WriteFate } from './carry-out-stage.ts'
import { unsteadyStore } from './unsteady-store.ts'

const lifeMs = 90_000
/** After this nobody believes any more that a process begun now is at it. */
const givenUpMs = lifeMs + graceMs + 1
/** Caps make the guard use the store as well. */
const settings: Partial<GuardSettings> = { caps: [{ amount: 50, window: { kind: 'rolling', durationMs: 3_600_000 } }] }

/** Ways to the store and to the platform that lead nowhere from one place on, as those of a process that was killed, or frozen. */
class Cut {
  readonly store: Store
  readonly cloud: CloudWriter
  /** Resolves when the process stands still. */
  readonly reached: Promise<void>
  /** Places passed so far: before each call, and after each call before its answer. */
  places = 0
  readonly #at: number
  readonly #standing = Promise.withResolvers<void>()
  readonly #thawed = Promise.withResolvers<void>()

  constructor(world: World, at: number) {
    this.#at = at
    this.reached = this.#standing.promise
    const plain = openMemoryStore(world.disk)
    this.store = {
      name: plain.name,
      get: (...given) => this.#pass(() => plain.get(...given)),
      put: (...given) => this.#pass(() => plain.put(...given)),
      delete: (...given) => this.#pass(() => plain.delete(...given)),
      query: (...given) => this.#pass(() => plain.query(...given)),
      close: () => plain.close(),
    }
    this.cloud = { send: (...given) => this.#pass(() => world.cloud.send(...given)) }
  }

  async #pass<T>(call: () => Promise<T>): Promise<T> {
    await this.#place()
    try {
      return await call()
    } finally {
      await this.#place()
    }
  }

  async #place(): Promise<void> {
    this.places += 1
    if (this.places < this.#at) return
    this.#standing.resolve()
    await this.#thawed.promise
  }

  /** Lets a process that was only frozen go on. */
  thaw(): void {
    this.#thawed.resolve()
  }
}

/** Runs a process until it ends or is cut; says whether it was cut. */
async function runCut(world: World, at: number, more: Pick<ProcessOptions, 'owner' | 'settings'>): Promise<boolean> {
  const cut = new Cut(world, at)
  const ended = runIn(world, { ...more, store: cut.store, cloud: cut.cloud, lifeMs }).then(() => false)
  return await Promise.race([ended, cut.reached.then(() => true)])
}

const fates: readonly (readonly WriteFate[])[] = [[], ['reject'], ['lose-before'], ['lose-after'], ['late']]

describe('3, 4, 18: a process that is killed', () => {
  it('at any await: the step is done once all the same, and the history says how', async () => {
    let cuts = 0
    for (const fate of fates) {
      for (let at = 1; ; at += 1) {
        const world = new World()
        world.fates = [...fate]
        const wasCut = await runCut(world, at, { owner: 'a', settings })
        if (!wasCut) break
        cuts += 1
        // At once, while it may still be at it; after it was given up; and once more.
        for (const [owner, afterMs] of [
          ['b', 0],
          ['c', givenUpMs],
          ['d', graceMs],
          ['e', 1],
        ] as const) {
          world.elapse(afterMs)
          await runIn(world, { owner, settings, lifeMs })
          expect(await historyProblems(world), `${fate} cut at ${at}, ${owner}`).toEqual([])
        }
        expect(world.effects, `${fate} cut at ${at}`).toHaveLength(1)
        expect((await world.ledger().get('web-1', { now: world.now }))?.state).toBe('SUCCEEDED')
      }
    }
    expect(cuts).toBeGreaterThan(80)
  })

  it('and another one that is killed while it settles or repeats it, at any two awaits', async () => {
    let cuts = 0
    for (const fate of fates) {
      for (let first = 1; ; first += 1) {
        let second = 1
        for (; ; second += 1) {
          const world = new World()
          world.fates = [...fate]
          if (!(await runCut(world, first, { owner: 'a' }))) break
          world.elapse(givenUpMs)
          const wasCut = await runCut(world, second, { owner: 'b' })
          cuts += 1
          for (const [owner, afterMs] of [
            ['c', givenUpMs],
            ['d', givenUpMs],
          ] as const) {
            world.elapse(afterMs)
            await runIn(world, { owner, lifeMs })
          }
          expect(await historyProblems(world), `${fate} cut at ${first} and ${second}`).toEqual([])
          expect(world.effects, `${fate} cut at ${first} and ${second}`).toHaveLength(1)
          if (!wasCut) break
        }
        if (second === 1) break
      }
    }
    expect(cuts).toBeGreaterThan(1000)
  })
})

describe('3, 5: a process that is frozen', () => {
  it('at any await, while others go on, and thaws much later: it neither repeats nor disturbs anything', async () => {
    let freezes = 0
    for (const more of [{}, { claimMs: 20_000 }]) {
      const longLifeMs = 'claimMs' in more ? 10_000_000 : lifeMs
      for (const fate of [...fates, ['pass', 'reject'], ['pass', 'lose-after'], ['lose-before', 'lose-after']] as const) {
        for (const frozenMs of [15_000, givenUpMs]) {
          for (let at = 1; ; at += 1) {
            const world = new World()
            world.fates = [...fate]
            const cut = new Cut(world, at)
            const frozen = runIn(world, { owner: 'a', store: cut.store, cloud: cut.cloud, settings, lifeMs: longLifeMs, more })
            const isFrozen = await Promise.race([frozen.then(() => false), cut.reached.then(() => true)])
            if (!isFrozen) break
            freezes += 1
            const name = `${fate} frozen at ${at} for ${frozenMs} ${JSON.stringify(more)}`
            world.elapse(frozenMs)
            await runIn(world, { owner: 'b', settings, lifeMs, more })
            cut.thaw()
            await frozen
            expect(await historyProblems(world), name).toEqual([])
            for (const owner of ['c', 'd', 'e']) {
              world.elapse(givenUpMs)
              await runIn(world, { owner, settings, lifeMs })
            }
            expect(await historyProblems(world), name).toEqual([])
            expect(world.effects, name).toHaveLength(1)
          }
        }
      }
    }
    expect(freezes).toBeGreaterThan(300)
  })
})

describe('3, 5: several processes at once', () => {
  it('in any order of their calls, with time running, answers lost, and clocks that agree within the grace', async () => {
    const seen = new Map<string, number>()
    const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1)
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.constantFrom<WriteFate>('pass', 'pass', 'reject', 'lose-before', 'lose-after', 'late'), { maxLength: 4 }),
        fc.array(
          fc.record({
            /** Wrong by so much. */
            clockMs: fc.constantFrom(0, 0, -20_000, 20_000),
            /** Of its store calls the one with this number. */
            badCall: fc.nat({ max: 9 }),
            fate: fc.constantFrom('pass' as const, 'pass' as const, 'refuse' as const, 'lose-before' as const, 'lose-after' as const),
            claimMs: fc.constantFrom(15_000, 120_000),
            /** Turns before it begins. */
            idles: fc.constantFrom(0, 0, 8, 30),
            /** And the time that is over by then. */
            laterMs: fc.constantFrom(0, 0, 0, 61_000, 200_000),
            diesAt: fc.option(fc.nat({ max: 14 }), { freq: 3 }),
          }),
          { minLength: 2, maxLength: 4 },
        ),
        fc.array(fc.constantFrom(1, 500, 5_000, 12_000, 30_000, 61_000, 90_000, 155_000), { maxLength: 6 }),
        async (scheduler, fates, processes, waits) => {
          const world = new World()
          world.fates = [...fates]
          const wait = scheduler.scheduleFunction(async () => undefined)
          const process = async (
            { clockMs, badCall, fate, claimMs, idles, laterMs, diesAt }: (typeof processes)[number],
            index: number,
          ): Promise<void> => {
            let calls = 0
            const turn = async (): Promise<void> => {
              calls += 1
              if (calls === diesAt) await new Promise(() => undefined)
              await wait()
            }
            const flaky = unsteadyStore(openMemoryStore(world.disk), (call, operation) =>
              call === badCall ? (operation === 'put' ? fate : fate === 'pass' ? 'pass' : 'refuse') : 'pass',
            )
            const store: Store = {
              ...flaky,
              get: async (...given) => {
                await turn()
                return await flaky.get(...given)
              },
              put: async (...given) => {
                await turn()
                const result = await flaky.put(...given)
                await turn()
                return result
              },
              query: async (...given) => {
                await turn()
                return await flaky.query(...given)
              },
            }
            const cloud: CloudWriter = {
              send: async (action, request, options) => {
                const sentAt = world.now
                await turn()
                // What is under way for longer than the grace allows for does not arrive any more.
                if (action.effect === 'write' && world.now > sentAt + 10_000) world.fates.unshift('lose-before')
                const answer = await world.cloud.send(action, request, { ...options, deadline: Number.POSITIVE_INFINITY })
                await turn()
                return answer
              },
            }
            for (let turns = 0; turns < idles; turns += 1) await wait()
            world.elapse(laterMs)
            const bornAt = world.now
            const more = { now: () => world.now + clockMs, remainingMs: () => bornAt + lifeMs - world.now, claimMs }
            const result = await runIn(world, { owner: `run-${index}`, store, cloud, settings, more })
            count(`${result.outcome} ${result.reason?.code ?? 'applied'}`)
          }
          const done = Promise.all([
            ...processes.map((one, index) =>
              one.diesAt === null ? process(one, index) : Promise.race([process(one, index), Promise.resolve()]),
            ),
            ...waits.map(async (ms) => {
              await wait()
              world.elapse(ms)
            }),
          ])
          await scheduler.waitFor(done)
          expect(await historyProblems(world)).toEqual([])
          // Whatever they left behind, the next runs bring it to its end.
          world.fates = []
          for (const owner of ['x', 'y', 'z']) {
            world.elapse(givenUpMs + 40_000)
            const result = await runIn(world, { owner, settings, lifeMs })
            count(`${result.outcome} ${result.reason?.code ?? 'applied'}`)
          }
          expect(await historyProblems(world)).toEqual([])
          expect(world.effects).toHaveLength(1)
        },
      ),
      { seed: 350, numRuns: 400 },
    )
    // It was no walk in the park.
    for (const what of [
      'Applied applied',
      'Held busy',
      'NoChange already-done',
      'Held unknown-outcome',
      'NoChange settled-applied',
      'Applied settled-applied',
      'Applied outcome-not-saved',
      'Held store.unavailable',
      'Failed cloud.rejected',
    ]) {
      expect(seen.get(what) ?? 0, `${what} of ${JSON.stringify([...seen])}`).toBeGreaterThan(2)
    }
  })
})

describe('what stays an error', () => {
  it('is a bug of a port: it is thrown, and the key is settled later', async () => {
    const world = new World()
    const plain = openMemoryStore(world.disk)
    let puts = 0
    const store: Store = {
      ...unsteadyStore(plain, () => 'pass'),
      put: (...given) => {
        puts += 1
        if (puts === 3) throw new TypeError('a bug in an adapter')
        return plain.put(...given)
      },
    }
    await expect(runIn(world, { owner: 'a', store })).rejects.toThrow('a bug in an adapter')
    expect(world.effects).toHaveLength(1)
    world.elapse(givenUpMs)
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'NoChange', reason: { code: 'settled-applied' } })
    expect(await historyProblems(world)).toEqual([])
  })
})
