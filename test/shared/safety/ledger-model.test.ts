import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Claim, createLedger, type Ledger } from '#shared/safety/ledger.ts'
import type { FinalState, LedgerState } from '#shared/safety/ledger-entry.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

const start = 1_790_000_000_000
const graceMs = 5_000
const key = 'k'

/** What the specification says about one key: not a word about versions, owners' names or stores. */
interface Model {
  now: number
  state: LedgerState | 'PENDING'
  attempt: number
  effects: number
  /** Which of the claims handed out so far is still good. */
  good: number | undefined
  /** Until when the good claim, or the one that was lost with its answer, keeps others away. */
  heldUntil: number | undefined
}

interface Handed {
  readonly claim: Claim
  readonly settles: boolean
}

interface Real {
  ledgers: readonly Ledger[]
  readonly plain: Ledger
  fates: Fate[]
  readonly claims: Handed[]
  /** Makes every write differ from every other: the same write twice, by the same claim, is one. */
  uses: number
  /** Claims that have had their effect, or have finished. */
  readonly acted: Set<string>
}

type Command = fc.AsyncCommand<Model, Real>

const isHeld = (model: Model): boolean => model.heldUntil !== undefined && model.now <= model.heldUntil + graceMs

async function agree(model: Model, real: Real): Promise<void> {
  const entry = await real.plain.get(key, { now: model.now })
  expect(entry?.state ?? 'PENDING').toBe(model.state)
  expect(entry?.attempt ?? 0).toBe(model.attempt)
  expect(model.effects).toBeLessThanOrEqual(1)
  if (model.state === 'SUCCEEDED') expect(model.effects).toBe(1)
  if (model.state === 'FAILED_SAFE' || model.state === 'PENDING') expect(model.effects).toBe(0)
}

/** Takes the key with some run; answers may get lost on the way. */
class Acquire implements Command {
  readonly run: (model: Model, real: Real) => Promise<void>
  readonly #text: string

  constructor(ledger: number, lastsMs: number, fates: readonly Fate[]) {
    this.#text = `acquire(${ledger}, ${lastsMs}, ${fates.join(' ')})`
    this.run = async (model, real) => {
      const expected =
        model.state === 'SUCCEEDED'
          ? 'done'
          : model.state === 'PENDING' || model.state === 'FAILED_SAFE'
            ? 'acquired'
            : isHeld(model)
              ? 'busy'
              : 'settle'
      real.fates = [...fates]
      const deadline = model.now + lastsMs
      const takes = (): void => {
        model.attempt += expected === 'acquired' ? 1 : 0
        model.state = expected === 'acquired' ? 'STARTED' : 'UNKNOWN'
        model.heldUntil = deadline
        model.good = undefined
      }
      try {
        const answer = await real.ledgers[ledger]!.acquire({ key, owner: `run-${ledger}`, now: model.now, deadline })
        expect(answer.kind).toBe(expected)
        if (answer.kind === 'acquired' || answer.kind === 'settle') {
          takes()
          model.good = real.claims.push({ claim: answer.claim, settles: answer.kind === 'settle' }) - 1
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        // Certainly not, or nobody knows: then the store tells the model which.
        const entry = await real.plain.get(key, { now: model.now })
        const took =
          entry?.changedAt === model.now &&
          entry.holder?.deadline === deadline &&
          (entry.attempt > model.attempt || entry.state !== model.state || model.heldUntil !== deadline)
        if (took) expect(error.kind).toBe('store.unknown-outcome')
        if (took) takes()
      }
      real.fates = []
      await agree(model, real)
    }
  }

  check(): boolean {
    return true
  }

  toString(): string {
    return this.#text
  }
}

/** Uses any claim ever handed out: does the effect, and finishes; or finishes only, or renews. */
class Use implements Command {
  readonly #pick: number
  readonly #how: 'effect' | 'renew' | FinalState
  readonly #lost: boolean

  constructor(pick: number, how: 'effect' | 'renew' | FinalState, lost: boolean) {
    this.#pick = pick
    this.#how = how
    this.#lost = lost
  }

  check(): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    if (real.claims.length === 0) return
    const index = this.#pick % real.claims.length
    const { claim, settles } = real.claims[index]!
    const isGood = model.good === index
    const ledger = real.ledgers[0]!
    real.fates = [this.#lost ? 'lose-after' : 'pass']
    real.uses += 1
    const deadline = model.now + 1000 + real.uses
    if (this.#how === 'effect') {
      // The rules of whoever acts: never under a claim to settle, never after its deadline, once per claim, not after finishing.
      const isFree = !settles && model.now <= claim.deadline && !real.acted.has(claim.id)
      if (isFree) model.effects += 1
      if (isFree) real.acted.add(claim.id)
    } else if (this.#how === 'renew') {
      const renewed = await ledger.renew(claim, { now: model.now, deadline })
      expect(renewed.ok).toBe(isGood)
      if (renewed.ok) {
        model.heldUntil = deadline
        model.good = real.claims.push({ claim: renewed.claim, settles }) - 1
      }
    } else {
      // Whoever finishes tells the truth, or that it does not know it.
      const state = this.#how === 'UNKNOWN' ? 'UNKNOWN' : model.effects > 0 ? 'SUCCEEDED' : 'FAILED_SAFE'
      const finished = await ledger.finish(claim, { now: model.now, state, result: { use: real.uses } })
      expect(finished.ok).toBe(isGood)
      real.acted.add(claim.id)
      if (finished.ok) {
        model.state = state
        model.good = undefined
        model.heldUntil = undefined
      }
    }
    real.fates = []
    await agree(model, real)
  }

  toString(): string {
    return `use(${this.#pick}, ${this.#how}${this.#lost ? ', answer lost' : ''})`
  }
}

class Wait implements Command {
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  check(): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    model.now += this.#ms
    await agree(model, real)
  }

  toString(): string {
    return `wait(${this.#ms})`
  }
}

const fate = fc.constantFrom<Fate>('pass', 'pass', 'pass', 'lose-after', 'lose-before', 'refuse')
const commands = [
  fc
    .tuple(fc.nat({ max: 2 }), fc.constantFrom(0, 1000, 4000), fc.array(fate, { maxLength: 6 }))
    .map(([ledger, lastsMs, fates]) => new Acquire(ledger, lastsMs, fates)),
  fc
    .tuple(
      fc.nat({ max: 30 }),
      fc.constantFrom('effect' as const, 'effect' as const, 'renew' as const, 'SUCCEEDED' as const, 'UNKNOWN' as const),
      fc.boolean(),
    )
    .map(([pick, how, lost]) => new Use(pick, how, lost)),
  fc.constantFrom(1, 999, 1000, 1001, 5000, 5001, 6001, 20_000).map((ms) => new Wait(ms)),
]

describe('the ledger beside its specification', () => {
  it('3, 5: any history of acquires, effects, renewals, ends, waits and lost answers', async () => {
    const reached = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), async (history) => {
        await fc.asyncModelRun(() => {
          const disk = new MemoryDisk()
          const options = { function: 'f', graceMs }
          const real: Real = {
            ledgers: [],
            plain: createLedger(openMemoryStore(disk), options),
            fates: [],
            claims: [],
            uses: 0,
            acted: new Set(),
          }
          const store = unsteadyStore(openMemoryStore(disk), () => real.fates.shift() ?? 'pass')
          real.ledgers = [0, 1, 2].map(() => createLedger(store, options))
          const model: Model = { now: start, state: 'PENDING', attempt: 0, effects: 0, good: undefined, heldUntil: undefined }
          const watched = new Proxy(model, {
            set(target, property, value) {
              const edge = `${target.state} -> ${String(value)}`
              if (property === 'state') reached.set(edge, (reached.get(edge) ?? 0) + 1)
              return Reflect.set(target, property, value)
            },
          })
          return { model: watched, real }
        }, history)
      }),
      { seed: 2026, numRuns: 600 },
    )
    // Every edge of the state machine was walked.
    for (const edge of [
      'PENDING -> STARTED',
      'STARTED -> SUCCEEDED',
      'STARTED -> FAILED_SAFE',
      'STARTED -> UNKNOWN',
      'UNKNOWN -> UNKNOWN',
      'UNKNOWN -> SUCCEEDED',
      'UNKNOWN -> FAILED_SAFE',
      'FAILED_SAFE -> STARTED',
    ]) {
      expect(reached.get(edge) ?? 0, edge).toBeGreaterThan(5)
    }
    expect([...reached.keys()].filter((edge) => edge.startsWith('SUCCEEDED'))).toEqual([])
  })
})
