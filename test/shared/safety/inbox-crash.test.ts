import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createInbox, type Inbox, type InboxClaim, type InboxOutcome } from '#shared/safety/inbox.ts'
import { InboxError } from '#shared/safety/inbox-entry.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const name = 'redeploy-hook'
const start = 1_790_000_000_000
/** Senders give up on an answer after this, and send again. */
const senderTimeoutMs = 30_000
const holdMs = 60_000
const graceMs = 1000

/** What an awaited call of a simulated process comes to. */
type Fate = 'pass' | 'cut-before' | 'cut-after' | 'lost-before' | 'lost-after' | 'refused'

interface Plan {
  readonly seed: number
  readonly groups: readonly number[]
  readonly deliveries: number
  readonly faults: number
  readonly lostNudges: number
  readonly failures: number
  readonly pageSize: number
  readonly skewed: number
  /** A mutation of the inbox, to prove that the checks find it. */
  readonly bug?: 'finish-without-fence' | 'no-order' | 'marker-gone-early'
}

/** The end of a simulated process, at one of its awaits. Nothing of it runs on. */
class Cut extends Error {}

function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Watched {
  readonly id: string
  state: string
  done: number
  worked: number
  /** Step at which the first delivery began, and at which a sender was first answered. */
  sentAt: number
  promisedAt: number | undefined
  finishedAt: number | undefined
  /** The times that its deliveries came with: the latest before a sender was answered, and the earliest of all. */
  latestTime: number
  earliestTime: number
  /** Until when it is somebody's, and whose. */
  holder: { readonly id: string; readonly deadline: number } | undefined
  readonly group: number
}

/** Senders, two workers and a queue of nudges over one disk; one thing happens at a time, and which one is drawn from the seed. */
class Simulation {
  readonly #plan: Plan
  readonly #random: () => number
  readonly #disk = new MemoryDisk()
  readonly #ready: (() => void)[] = []
  readonly #nudges: string[] = []
  readonly events = new Map<string, Watched>()
  readonly violations: string[] = []
  readonly trace: string[] = []
  /** Cuts, lost answers and the like that did happen. */
  faults = 0
  duplicates = 0
  #now = start
  #step = 0
  #processes = 0
  #isCalm = false
  #isOver = false

  constructor(plan: Plan) {
    this.#plan = plan
    this.#random = randomOf(plan.seed)
  }

  async run(): Promise<void> {
    const actors = this.#plan.groups.flatMap((group, index) => {
      const key = `event-${index}`
      return Array.from({ length: 1 + Math.floor(this.#random() * this.#plan.deliveries) }, () => this.#send(key, group))
    })
    actors.push(this.#work('take'), this.#work('nudges'), this.#work('take'))
    const all = Promise.all(actors)
    const calmAfter = 400 + this.#plan.groups.length * 60
    for (this.#step = 1; !this.#isOver; this.#step += 1) {
      // Everything that can run runs until it waits again.
      await new Promise<void>((resolve) => setImmediate(resolve))
      this.#isCalm = this.#step > calmAfter
      const isFinished =
        this.events.size === new Set(this.#plan.groups.keys()).size &&
        [...this.events.values()].every(({ state, promisedAt }) => promisedAt !== undefined && (state === 'DONE' || state === 'DEAD'))
      if (isFinished || this.#step > calmAfter + 4000) this.#isOver = true
      if (this.#random() < 0.05) this.#now += Math.floor(this.#random() * 90_000)
      if (this.#isCalm && this.#step % 50 === 0) this.#now += 20 * 60_000
      const index = Math.floor(this.#random() * this.#ready.length)
      this.#ready.splice(index, 1)[0]?.()
      if (this.#ready.length === 0) this.#now += 1000
    }
    for (let open = this.#ready.shift(); open !== undefined; open = this.#ready.shift()) {
      open()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    await all
    for (const { id, state, done, worked, promisedAt } of this.events.values()) {
      if (promisedAt === undefined) this.violations.push(`${id} was never answered`)
      else if (state !== 'DONE' && state !== 'DEAD') this.violations.push(`${id} was accepted and is ${state}`)
      else if (state === 'DONE' && worked === 0) this.violations.push(`${id} is done and was never worked on`)
      if (done > 1) this.violations.push(`${id} was finished ${done} times`)
    }
  }

  get contents(): string {
    return this.#disk.contents()
  }

  /** Waits for its turn. */
  #turn(): Promise<void> {
    return new Promise((resolve) => this.#ready.push(resolve))
  }

  #fate(): Fate {
    if (this.#isCalm || this.#random() >= this.#plan.faults) return 'pass'
    this.faults += 1
    return (['cut-before', 'cut-after', 'lost-before', 'lost-after', 'refused'] as const)[Math.floor(this.#random() * 5)] ?? 'pass'
  }

  /** A store as one process sees it: every call waits for its turn, and may be the last thing the process does. */
  #store(): Store {
    const inner = openMemoryStore(this.#disk)
    let isCut = false
    const call = async <T>(label: string, run: () => Promise<T>): Promise<T> => {
      await this.#turn()
      if (isCut) throw new Cut()
      const fate = this.#isOver ? 'pass' : this.#fate()
      this.trace.push(`${this.#step} ${this.#now - start} ${label} ${fate}`)
      if (fate === 'cut-before') {
        isCut = true
        throw new Cut()
      }
      if (fate === 'lost-before')
        throw new StoreError(label.startsWith('put') || label.startsWith('delete') ? 'store.unknown-outcome' : 'store.unavailable', 'lost')
      if (fate === 'refused') throw new StoreError('store.unavailable', 'refused')
      const answer = await run()
      this.#watch()
      if (fate === 'cut-after') {
        isCut = true
        throw new Cut()
      }
      if (fate === 'lost-after')
        throw new StoreError(label.startsWith('put') || label.startsWith('delete') ? 'store.unknown-outcome' : 'store.unavailable', 'lost')
      return answer
    }
    const { bug } = this.#plan
    return {
      name: 'the store of this simulation',
      get: (key, options) => call(`get ${key.sort}`, () => inner.get(key, options)),
      put: (key, data, options) => {
        const isFinish = 'state' in data && data.state === 'DONE'
        const given = bug === 'finish-without-fence' && isFinish ? { ...options, when: 'any' as const } : options
        return call(`put ${key.partition} ${key.sort}`, async () => {
          if (bug === 'marker-gone-early' && 'state' in data && data.state === 'TAKEN' && 'place' in data) {
            await inner.delete({ partition: `inbox/${name}/open`, sort: String(data.place) }, { when: 'any', now: options.now })
          }
          return await inner.put(key, data, given)
        })
      },
      delete: (key, options) => call(`delete ${key.sort}`, () => inner.delete(key, options)),
      query: (query) =>
        call(`query ${query.partition}`, async () => {
          const page = await inner.query(query)
          return bug === 'no-order' ? { ...page, items: page.items.toReversed() } : page
        }),
      close: () => inner.close(),
    }
  }

  /** Looks at every entry as it lies on the disk, after each call. */
  #watch(): void {
    for (const line of this.#disk.contents().split('\n')) {
      const [partition, , , , text] = line.split('\t')
      if (partition !== `inbox/${name}/entries` || text === undefined || text === '') continue
      const data = JSON.parse(text) as {
        key: string
        state: string
        writer?: string
        changedAt: number
        holder?: { id: string; deadline: number }
      }
      const event = this.events.get(data.key)
      if (event === undefined) continue
      if (event.state === 'TAKEN' && data.holder !== undefined && event.holder !== undefined && data.holder.id !== event.holder.id) {
        if (data.changedAt <= event.holder.deadline + graceMs) this.violations.push(`${event.id} was taken away from ${event.holder.id}`)
      }
      event.holder = data.holder
      const seen = `${data.state} ${data.writer ?? ''}`
      const before = event.state
      if (data.state === before && data.state !== 'DONE') continue
      if (data.state === 'DONE' && this.#doneBy.get(data.key) !== seen) {
        this.#doneBy.set(data.key, seen)
        event.done += 1
      }
      if (before === 'DONE' && data.state !== 'DONE') this.violations.push(`${data.key} came back from the done`)
      event.state = data.state
      if (data.state === 'DONE' || data.state === 'DEAD') event.finishedAt ??= this.#step
      if (data.state === 'TAKEN') this.#checkOrder(event)
    }
  }
  readonly #doneBy = new Map<string, string>()

  /** Nothing is taken before what its sender knew to be accepted when it was sent. */
  #checkOrder(taken: Watched): void {
    for (const other of this.events.values()) {
      if (other.group !== taken.group || other === taken || other.promisedAt === undefined) continue
      const isBefore = other.promisedAt < taken.sentAt && other.latestTime < taken.earliestTime
      if (isBefore && other.finishedAt === undefined) {
        this.violations.push(`${taken.id} was taken at ${this.#step} before ${other.id}, promised at ${other.promisedAt}`)
      }
    }
  }

  #inbox(): Inbox {
    return createInbox(this.#store(), { function: name, graceMs, pageSize: this.#plan.pageSize, maxAttempts: 60 })
  }

  /** Sends one event until it is answered in time. Each try reaches a process of its own. */
  async #send(key: string, group: number): Promise<void> {
    await this.#turn()
    const event = this.events.get(key) ?? {
      id: key,
      state: '-',
      done: 0,
      worked: 0,
      sentAt: this.#step,
      promisedAt: undefined,
      finishedAt: undefined,
      latestTime: 0,
      earliestTime: Number.POSITIVE_INFINITY,
      holder: undefined,
      group,
    }
    this.events.set(key, event)
    while (!this.#isOver) {
      this.#now += 1
      const sentAt = this.#now
      // Clocks of different machines disagree a little.
      const receivedAt = sentAt - (this.#random() < this.#plan.skewed ? Math.floor(this.#random() * 3000) : 0)
      if (event.promisedAt === undefined) event.latestTime = Math.max(event.latestTime, receivedAt)
      event.earliestTime = Math.min(event.earliestTime, receivedAt)
      try {
        const { kind, nudge } = await this.#inbox().accept({
          source: 'harbor',
          id: key,
          group: `g${group}`,
          payload: { key },
          receivedAt,
          now: sentAt,
        })
        if (kind === 'duplicate') this.duplicates += 1
        if (this.#now - sentAt > senderTimeoutMs) continue
        event.promisedAt ??= this.#step
        if (nudge !== undefined && this.#random() >= this.#plan.lostNudges) this.#nudges.push(nudge.id)
        return
      } catch (error) {
        this.#expected(error)
      }
    }
  }

  /** A worker, begun anew whenever it is cut. */
  async #work(how: 'take' | 'nudges'): Promise<void> {
    while (!this.#isOver) {
      this.#processes += 1
      const owner = `process-${this.#processes}`
      const inbox = this.#inbox()
      try {
        for (;;) {
          await this.#turn()
          if (this.#isOver) return
          const now = this.#now
          const order = { owner, now, deadline: now + holdMs }
          const id = how === 'nudges' ? this.#nudges.shift() : undefined
          if (id !== undefined) {
            const taken = await inbox.takeFor(id, order)
            if (taken.kind === 'taken') await this.#process(inbox, taken.claim)
            if (taken.kind !== 'finished' && taken.kind !== 'dead') this.#nudges.push(id)
          } else {
            const { claims } = await inbox.take({ ...order, limit: 1 + Math.floor(this.#random() * 3) })
            await Promise.all(claims.map((claim) => this.#process(inbox, claim)))
          }
        }
      } catch (error) {
        this.#expected(error)
      }
    }
  }

  async #process(inbox: Inbox, claim: InboxClaim): Promise<void> {
    const event = this.events.get(claim.entry.key)
    if (event === undefined) throw new Error(`nobody sent ${claim.entry.key}`)
    if ((claim.entry.payload as { key: string }).key !== claim.entry.key) this.violations.push(`${claim.entry.key} has another payload`)
    await this.#turn()
    event.worked += 1
    const isFailing = !this.#isCalm && this.#random() < this.#plan.failures
    const outcome: InboxOutcome = isFailing ? { kind: 'failed', code: 'x', text: 'failed' } : { kind: 'done' }
    await inbox.finish(claim, { now: this.#now, outcome })
  }

  #expected(error: unknown): void {
    if (error instanceof Cut || error instanceof StoreError) return
    if (error instanceof InboxError && error.kind === 'inbox.contended') return
    throw error
  }
}

async function simulate(plan: Plan): Promise<Simulation> {
  const simulation = new Simulation(plan)
  await simulation.run()
  return simulation
}

const plans = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  groups: fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 8 }),
  deliveries: fc.integer({ min: 1, max: 3 }),
  faults: fc.constantFrom(0, 0.05, 0.15, 0.3),
  lostNudges: fc.constantFrom(0, 0.5, 1),
  failures: fc.constantFrom(0, 0.3),
  pageSize: fc.constantFrom(1, 3, 1000),
  skewed: fc.constantFrom(0, 0.4),
})

describe('the inbox under crashes at every await, lost answers, duplicates, lost nudges and three workers', () => {
  it('works on every accepted event at least once, finishes it once, and keeps the order of each group', async () => {
    let faults = 0
    let duplicates = 0
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const simulation = await simulate(plan)
        faults += simulation.faults
        duplicates += simulation.duplicates
        expect(simulation.violations, simulation.trace.slice(-40).join('\n')).toEqual([])
      }),
      { seed: 20_261_124, numRuns: 200, endOnFailure: true },
    )
    // It did meet what it is about.
    expect(faults).toBeGreaterThan(1000)
    expect(duplicates).toBeGreaterThan(100)
  })

  it('27: the same seed gives the same trace and the same store, byte for byte', async () => {
    const plan: Plan = {
      seed: 7,
      groups: [0, 0, 1, 1, 0],
      deliveries: 2,
      faults: 0.2,
      lostNudges: 0.5,
      failures: 0.3,
      pageSize: 3,
      skewed: 0.4,
    }
    const [one, other] = [await simulate(plan), await simulate(plan)]
    expect(one.trace.length).toBeGreaterThan(100)
    expect(other.trace).toEqual(one.trace)
    expect(other.contents).toBe(one.contents)
  })

  it.each(['finish-without-fence', 'no-order', 'marker-gone-early'] as const)('finds a planted bug: %s', async (bug) => {
    let found = 0
    for (let seed = 1; seed <= 60 && found === 0; seed += 1) {
      const { violations } = await simulate({
        seed,
        groups: [0, 0, 0, 0],
        deliveries: 2,
        faults: 0.15,
        lostNudges: 0.5,
        failures: 0.2,
        pageSize: 1000,
        skewed: 0,
        bug,
      })
      found = violations.length
    }
    expect(found).toBeGreaterThan(0)
  })
})
