import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Budgets, createBudgets, type Demand, type Reservation, readUsage } from '#shared/safety/budget.ts'
import { type Cap, type CapWindow, stampOf } from '#shared/safety/cap.ts'
import { allItems, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall, type StoreHooks } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000
const now = Date.UTC(2026, 2, 1, 8)
const allowanceMs = 12_000
const hour: CapWindow = { kind: 'rolling', durationMs: hourMs }
const context = { now, runId: 'run-1' }

const demand = (limit: number, window: CapWindow = hour, units = 1, more: Partial<Cap> = {}): Demand => ({
  cap: { amount: limit, window, ...more },
  limit,
  units,
})

let owners = 0
function budgetsOn(disk: MemoryDisk, hooks: StoreHooks = {}): Budgets {
  return createBudgets(openMemoryStore(disk, hooks), { owner: `owner-${++owners}`, allowanceMs })
}

async function taken(budgets: Budgets, demands: readonly Demand[], at = now, runId = 'run-1'): Promise<Reservation> {
  const answer = await budgets.take(demands, { now: at, runId })
  if (!answer.ok) throw new Error(`there is no room: ${JSON.stringify(answer.full)}`)
  return answer.reservation
}

const isRefused = async (budgets: Budgets, demands: readonly Demand[], at = now): Promise<boolean> =>
  !(await budgets.take(demands, { now: at, runId: 'run-1' })).ok

/** Counts what is asked of the store. */
function counter(): StoreHooks & { readonly calls: StoreCall[] } {
  const calls: StoreCall[] = []
  return {
    calls,
    before: (call) => {
      calls.push(call)
    },
  }
}

describe('7: room under a cap', () => {
  it('is there up to exactly the cap, and again when the oldest has left', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    for (let index = 0; index < 3; index += 1) {
      const reservation = await taken(budgets, [demand(3)], now + index * minuteMs)
      await budgets.confirm(reservation, { now: now + index * minuteMs })
    }
    const last = now + 2 * minuteMs
    expect(await budgets.take([demand(3)], { ...context, now: last })).toEqual({
      ok: false,
      full: { ...demand(3), units: undefined, used: 3, oldestLeavesAt: now + hourMs, roomAt: now + hourMs },
    })
    expect(await isRefused(budgets, [demand(3)], now + hourMs - 1)).toBe(true)
    await taken(budgets, [demand(3)], now + hourMs)
    expect(await isRefused(budgets, [demand(3)], now + hourMs)).toBe(true)
  })

  it('is never there under a cap of 0, nor for more than the whole cap, and the store is not even asked', async () => {
    const hooks = counter()
    const budgets = budgetsOn(new MemoryDisk(), hooks)
    expect(await isRefused(budgets, [demand(0)])).toBe(true)
    expect(await isRefused(budgets, [demand(4, hour, 5)])).toBe(true)
    expect(hooks.calls).toEqual([])
  })

  it('is taken by units, all or none', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    await taken(budgets, [demand(5, hour, 3)])
    expect(await budgets.take([demand(5, hour, 3)], context)).toMatchObject({ ok: false, full: { used: 3 } })
    await taken(budgets, [demand(5, hour, 2)])
    expect(await isRefused(budgets, [demand(5)])).toBe(true)
  })

  it('counts from its reservation on, as if at the latest instant it may begin, until it is confirmed', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    const reservation = await taken(budgets, [demand(1)])
    expect(await isRefused(budgets, [demand(1)], now + hourMs + allowanceMs - 1)).toBe(true)
    await budgets.confirm(reservation, { now: now + 1_000 })
    expect(await isRefused(budgets, [demand(1)], now + hourMs + 999)).toBe(true)
    await taken(budgets, [demand(1)], now + hourMs + 1_000)
  })

  it('counts later when it is confirmed later than expected, and no earlier than it was taken', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    await budgets.confirm(await taken(budgets, [demand(1)]), { now: now + 5 * minuteMs })
    expect(await isRefused(budgets, [demand(1)], now + hourMs + 5 * minuteMs - 1)).toBe(true)
    const second = await taken(budgets, [demand(1)], now + hourMs + 5 * minuteMs)
    await budgets.confirm(second, { now })
    expect(await isRefused(budgets, [demand(1)], now + 2 * hourMs + 5 * minuteMs - 1)).toBe(true)
    await taken(budgets, [demand(1)], now + 2 * hourMs + 5 * minuteMs)
  })

  it('is free again when it is released, once only', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    const first = await taken(budgets, [demand(2)])
    await taken(budgets, [demand(2)])
    expect(await isRefused(budgets, [demand(2)])).toBe(true)
    await budgets.release(first, { now })
    await budgets.release(first, { now })
    await taken(budgets, [demand(2)])
    expect(await isRefused(budgets, [demand(2)])).toBe(true)
  })

  it('is not taken again when what was released is confirmed', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    const reservation = await taken(budgets, [demand(1)])
    await budgets.release(reservation, { now })
    await budgets.confirm(reservation, { now })
    await taken(budgets, [demand(1)])
  })

  it('stays taken when it was confirmed, also when somebody releases it then', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    const reservation = await taken(budgets, [demand(1)])
    await budgets.confirm(reservation, { now })
    await budgets.release(reservation, { now })
    expect(await isRefused(budgets, [demand(1)])).toBe(true)
  })

  it('is given back by another process from plain data', async () => {
    const disk = new MemoryDisk()
    const reservation = JSON.parse(JSON.stringify(await taken(budgetsOn(disk), [demand(1), demand(1, { kind: 'run' })]))) as Reservation
    const other = budgetsOn(disk)
    await other.release(reservation, { now: now + 5 })
    await taken(budgetsOn(disk), [demand(1), demand(1, { kind: 'run' })], now + 5)
  })

  it('is given back by a process that remembers how it was before', async () => {
    const disk = new MemoryDisk()
    const [one, two] = [budgetsOn(disk), budgetsOn(disk)]
    expect(await two.findFull([demand(1)], context)).toBeUndefined()
    await two.release(await taken(one, [demand(1)]), { now })
    await taken(one, [demand(1)])
  })

  it('of others is not touched by giving back, or confirming, what has left the window long ago', async () => {
    const budgets = budgetsOn(new MemoryDisk())
    const old = await Promise.all([taken(budgets, [demand(2)]), taken(budgets, [demand(2)])])
    const later = now + 3 * dayMs
    await taken(budgets, [demand(1)], later)
    await budgets.release(old[0], { now: later })
    expect(await isRefused(budgets, [demand(1)], later)).toBe(true)
    await budgets.confirm(old[1], { now: later })
    expect(await budgets.take([demand(1)], { ...context, now: later })).toMatchObject({ ok: false, full: { used: 2 } })
  })

  it('per run belongs to the run, whichever process works on it', async () => {
    const disk = new MemoryDisk()
    const perRun = demand(1, { kind: 'run' })
    await taken(budgetsOn(disk), [perRun])
    expect(await isRefused(budgetsOn(disk), [perRun], now + 5 * dayMs)).toBe(true)
    await taken(budgetsOn(disk), [perRun], now, 'run-2')
  })

  it('per day belongs to the civil day, and around midnight to both', async () => {
    const perDay = demand(1, { kind: 'day', timeZone: 'Asia/Shanghai' })
    const midnight = Date.parse('2026-03-02T00:00:00+08:00')
    const budgets = budgetsOn(new MemoryDisk())
    const reservation = await taken(budgets, [perDay], midnight - 5_000)
    // It may begin before midnight or after.
    expect(await isRefused(budgets, [perDay], midnight - 1)).toBe(true)
    expect(await isRefused(budgets, [perDay], midnight)).toBe(true)
    await budgets.confirm(reservation, { now: midnight - 1_000 })
    await taken(budgets, [perDay], midnight)
    expect(await isRefused(budgets, [perDay], midnight + dayMs - 1)).toBe(true)
    await taken(budgets, [perDay], midnight + dayMs)
  })
})

describe('7: several caps', () => {
  const wide = demand(10, hour, 1, { function: 'wide' })
  const narrow = demand(1, hour, 1, { function: 'narrow' })

  it('give room under all or take none', async () => {
    const disk = new MemoryDisk()
    const budgets = budgetsOn(disk)
    await taken(budgets, [narrow])
    for (let index = 0; index < 20; index += 1) expect(await isRefused(budgets, [wide, narrow])).toBe(true)
    for (let index = 0; index < 10; index += 1) await taken(budgets, [wide])
    expect(await isRefused(budgets, [wide])).toBe(true)
  })

  it('take none when the last of them fills up meanwhile', async () => {
    const disk = new MemoryDisk()
    const other = budgetsOn(disk)
    let writes = 0
    const budgets = budgetsOn(disk, {
      before: async ({ operation }) => {
        if (operation === 'put' && ++writes === 2) await taken(other, [narrow])
      },
    })
    expect(await budgets.take([wide, narrow], context)).toMatchObject({ ok: false, full: { cap: narrow.cap, used: 1 } })
    for (let index = 0; index < 10; index += 1) await taken(other, [wide])
  })

  it('take none when the store fails in between', async () => {
    const disk = new MemoryDisk()
    let writes = 0
    const budgets = budgetsOn(disk, {
      before: ({ operation }) => {
        if (operation === 'put' && ++writes === 2) throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    await expect(budgets.take([wide, narrow], context)).rejects.toThrow('the store is away')
    const after = budgetsOn(disk)
    for (let index = 0; index < 10; index += 1) await taken(after, [wide])
    await taken(after, [narrow])
  })

  it('stay taken when they cannot be given back, and no bug passes for that', async () => {
    for (const [failure, held] of [
      [new StoreError('store.unavailable', 'the store is away'), 1],
      [new TypeError('a bug'), undefined],
    ] as const) {
      const disk = new MemoryDisk()
      const other = budgetsOn(disk)
      let writes = 0
      const budgets = budgetsOn(disk, {
        before: async ({ operation }) => {
          if (operation !== 'put') return
          writes += 1
          if (writes === 2) await taken(other, [narrow])
          if (writes === 3) throw failure
        },
      })
      const answer = budgets.take([wide, narrow], context)
      if (held === undefined) await expect(answer).rejects.toThrow('a bug')
      else expect(await answer).toMatchObject({ ok: false, full: { cap: narrow.cap, used: 1 } })
      expect(writes).toBe(3)
      expect(await other.take([demand(1, hour, 1, { function: 'wide' })], context)).toMatchObject({ ok: false, full: { used: 1 } })
    }
  })

  it('find the full one without taking anything', async () => {
    const hooks = counter()
    const disk = new MemoryDisk()
    const budgets = budgetsOn(disk, hooks)
    expect(await budgets.findFull([wide, narrow], context)).toBeUndefined()
    await taken(budgets, [narrow])
    const writes = hooks.calls.filter(({ operation }) => operation === 'put').length
    expect(await budgets.findFull([wide, narrow], context)).toMatchObject({ cap: narrow.cap, used: 1 })
    expect(hooks.calls.filter(({ operation }) => operation === 'put')).toHaveLength(writes)
  })
})

describe('7: the store', () => {
  it('is asked once per cap for taking, and once for confirming, once an item is known', async () => {
    const hooks = counter()
    const budgets = budgetsOn(new MemoryDisk(), hooks)
    const both = [demand(100), demand(100, { kind: 'run' })]
    await taken(budgets, both)
    hooks.calls.length = 0
    const reservation = await taken(budgets, both, now + 1)
    expect(hooks.calls.map(({ operation }) => operation)).toEqual(['put', 'put'])
    hooks.calls.length = 0
    await budgets.confirm(reservation, { now: now + 2 })
    // What counts per run counts for the run, whenever it happens.
    expect(hooks.calls.map(({ operation }) => operation)).toEqual(['put'])
  })

  it('is asked once per change by one process, however many it makes at once', async () => {
    const hooks = counter()
    const slow: StoreHooks = {
      before: async (call) => {
        hooks.before?.(call)
        for (let turn = 0; turn < 3; turn += 1) await Promise.resolve()
      },
    }
    const budgets = budgetsOn(new MemoryDisk(), slow)
    await taken(budgets, [demand(100)])
    hooks.calls.length = 0
    await Promise.all(Array.from({ length: 60 }, () => taken(budgets, [demand(100)])))
    expect(hooks.calls.filter(({ operation }) => operation === 'put')).toHaveLength(60)
    // Also one that comes when the first is over and the second is still at it.
    hooks.calls.length = 0
    const [first, second] = [taken(budgets, [demand(100)]), taken(budgets, [demand(100)])]
    await first
    await Promise.all([second, taken(budgets, [demand(100)])])
    expect(hooks.calls.map(({ operation }) => operation)).toEqual(['put', 'put', 'put'])
  })

  it('is not asked again when its own refusal says that there is no room', async () => {
    const hooks = counter()
    const disk = new MemoryDisk()
    const other = budgetsOn(disk)
    const budgets = budgetsOn(disk, {
      before: async (call) => {
        hooks.calls.push(call)
        if (call.operation === 'put') await taken(other, [demand(1)])
      },
    })
    expect(await budgets.take([demand(1)], context)).toMatchObject({ ok: false, full: { used: 1 } })
    expect(hooks.calls.map(({ operation }) => operation)).toEqual(['get', 'put'])
  })

  it('is asked for an item again once 200 others are remembered, and not before', async () => {
    const hooks = counter()
    const budgets = budgetsOn(new MemoryDisk(), hooks)
    const perRun = demand(5, { kind: 'run' })
    for (let run = 0; run < 200; run += 1) await taken(budgets, [perRun], now, `run-${run}`)
    hooks.calls.length = 0
    for (let run = 0; run < 200; run += 1) await taken(budgets, [perRun], now, `run-${run}`)
    expect(hooks.calls.filter(({ operation }) => operation === 'get')).toEqual([])
    await taken(budgets, [perRun], now, 'run-200')
    for (let run = 1; run <= 200; run += 1) await taken(budgets, [perRun], now, `run-${run}`)
    expect(hooks.calls.filter(({ operation }) => operation === 'get')).toHaveLength(1)
    await taken(budgets, [perRun], now, 'run-0')
    expect(hooks.calls.filter(({ operation }) => operation === 'get')).toHaveLength(2)
  })

  it('says in words which cap an item is of, as long as the item is there', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const budgets = createBudgets(store, { owner: 'owner', allowanceMs })
    const aboutIn = async (): Promise<unknown[]> => {
      const found: unknown[] = []
      for await (const item of allItems(store, { partition: 'guard/budgets', now })) found.push((item.data as { about: unknown }).about)
      return found
    }
    const reservation = await taken(budgets, [demand(5)])
    expect(await aboutIn()).toEqual(['cap 5 per 1h'])
    for await (const { sort } of allItems(store, { partition: 'guard/budgets', now }))
      await store.delete({ partition: 'guard/budgets', sort }, { when: 'any', now })
    await budgets.confirm(reservation, { now })
    expect(await aboutIn()).toEqual([''])
  })

  it('is asked again before a change is refused for what this process remembers', async () => {
    const disk = new MemoryDisk()
    const [one, two] = [budgetsOn(disk), budgetsOn(disk)]
    const reservation = await taken(one, [demand(1)])
    expect(await isRefused(two, [demand(1)])).toBe(true)
    await one.release(reservation, { now })
    await taken(two, [demand(1)])
  })

  it('whose item is damaged refuses, and is left as it is', async () => {
    for (const data of [
      {},
      { format: 2, about: '', writer: '', takings: [] },
      { format: 1, about: '', writer: '', takings: [[now, 0]] },
      {
        format: 1,
        about: '',
        writer: '',
        takings: [
          [now, 1],
          [now, 1],
        ],
      },
      {
        format: 1,
        about: '',
        writer: '',
        takings: [
          [now, 1],
          [now - 1, 1],
        ],
      },
      { format: 1, about: '', writer: '', takings: [[-1, 1]] },
      { format: 1, about: '', writer: '', takings: [], more: 1 },
    ]) {
      const disk = new MemoryDisk()
      const store = openMemoryStore(disk)
      await taken(budgetsOn(disk), [demand(5)])
      for await (const item of allItems(store, { partition: 'guard/budgets', now })) await store.put(item, data, { when: 'any', now })
      const before = disk.contents()
      const failure = await budgetsOn(disk)
        .take([demand(5)], context)
        .catch((error: unknown) => error)
      expect(failure).toBeInstanceOf(StoreError)
      expect((failure as StoreError).kind).toBe('store.corrupt')
      expect((failure as StoreError).message).toMatch(
        /^The budget cap\/[0-9a-f]{40} in the store in memory is damaged, so nobody knows what is used\./,
      )
      expect(disk.contents()).toBe(before)
    }
  })

  it('with others at it every time is given up, with nothing taken', async () => {
    const disk = new MemoryDisk()
    const other = budgetsOn(disk)
    let crossings = 0
    const budgets = budgetsOn(disk, {
      before: async ({ operation }) => {
        if (operation !== 'put') return
        crossings += 1
        await taken(other, [demand(1_000)])
      },
    })
    await expect(budgets.take([demand(1_000)], context)).rejects.toMatchObject({
      kind: 'store.unavailable',
      message: expect.stringMatching(/^Others took room under the same cap .* 20 times meanwhile\. Nothing was taken/),
    })
    expect(crossings).toBe(20)
    expect(await other.take([demand(1_000, hour, 980)], context)).toMatchObject({ ok: true })
  })

  it('that loses answers never gives more than the cap, nor takes a place twice', async () => {
    const disk = new MemoryDisk()
    let puts = 0
    const budgets = budgetsOn(disk, {
      after: ({ operation }) => {
        if (operation === 'put' && ++puts % 2 === 1) throw new StoreError('store.unknown-outcome', 'the answer was lost')
      },
    })
    for (let index = 0; index < 5; index += 1) await taken(budgets, [demand(5)])
    expect(await isRefused(budgets, [demand(5)])).toBe(true)
  })

  it('keeps an item small although much is used', async () => {
    const disk = new MemoryDisk()
    const budgets = budgetsOn(disk)
    for (let index = 0; index < 2_000; index += 1) {
      const at = now + index * 1_711
      await budgets.confirm(await taken(budgets, [demand(100_000)], at), { now: at + 300 })
    }
    expect(disk.contents().length).toBeLessThan(8_000)
    const answer = await budgets.take([demand(2_000, hour)], { ...context, now: now + 2_000 * 1_711 })
    expect(answer).toMatchObject({ ok: false, full: { used: 2_000 } })
  }, 30_000)

  it('may be a file that two processes’ worth of writers share', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-budget-'))
    const path = join(folder, 'store.db')
    const stores = await Promise.all([openSqliteStore({ path }), openSqliteStore({ path })])
    const both = stores.map((store, index) => createBudgets(store, { owner: `writer-${index}`, allowanceMs }))
    const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => both[index % 2]?.take([demand(7)], context)))
    expect(answers.filter((answer) => answer?.ok)).toHaveLength(7)
    for (const store of stores) await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
})

// The model: any sequence of changes by two processes on one store, their calls interleaved in any order, with answers lost and
// clocks that move. Whatever is let through must fit under the cap, in every window there is.

interface Effect {
  readonly at: number
  readonly units: number
  readonly runId: string
}

function mostInOneWindow(effects: readonly Effect[], window: CapWindow): number {
  const groups = effects.map((last) =>
    effects.filter((effect) => {
      if (window.kind === 'run') return effect.runId === last.runId
      if (window.kind === 'day') return stampOf(window, effect.at) === stampOf(window, last.at)
      return effect.at <= last.at && effect.at > last.at - window.durationMs
    }),
  )
  return Math.max(0, ...groups.map((group) => group.reduce((sum, { units }) => sum + units, 0)))
}

const windows = fc.constantFrom<CapWindow>(
  { kind: 'rolling', durationMs: minuteMs },
  { kind: 'rolling', durationMs: hourMs },
  { kind: 'rolling', durationMs: 7 * dayMs },
  { kind: 'day', timeZone: 'Asia/Shanghai' },
  { kind: 'day', timeZone: 'America/New_York' },
  { kind: 'run' },
)

const actions = fc.array(
  fc.record({
    process: fc.nat(1),
    units: fc.integer({ min: 1, max: 3 }),
    run: fc.nat(2),
    /** Moves the clock before the change; back by no more than a day in all. */
    moveMs: fc.oneof(fc.constant(0), fc.nat(2 * minuteMs), fc.nat(2 * hourMs), fc.nat(10 * dayMs), fc.integer({ min: -dayMs, max: 0 })),
    /** How long the change takes to begin. */
    takesMs: fc.oneof(fc.constant(0), fc.nat(allowanceMs), fc.nat(2 * minuteMs)),
    becomes: fc.constantFrom<'confirmed' | 'confirmed' | 'released' | 'crashed'>('confirmed', 'confirmed', 'released', 'crashed'),
  }),
  { minLength: 1, maxLength: 40 },
)

describe('7: caps hold', () => {
  it('for any sequence of changes, clock moves and two processes on one store', async () => {
    await fc.assert(
      fc.asyncProperty(
        windows,
        windows,
        fc.nat(6),
        fc.nat(6),
        actions,
        async (firstWindow, secondWindow, firstLimit, secondLimit, steps) => {
          const disk = new MemoryDisk()
          const processes = [budgetsOn(disk), budgetsOn(disk)]
          const caps = [
            { cap: { amount: firstLimit, window: firstWindow, function: 'one' }, limit: firstLimit },
            { cap: { amount: secondLimit, window: secondWindow }, limit: secondLimit },
          ]
          const effects: Effect[] = []
          let clock = now
          let highest = now
          for (const { process, units, run, moveMs, takesMs, becomes } of steps) {
            clock = Math.max(clock + moveMs, highest - dayMs)
            const runId = `run-${run}`
            const budgets = processes[process] as Budgets
            const answer = await budgets.take(
              caps.map((one) => ({ ...one, units })),
              { now: clock, runId },
            )
            // A process that dies leaves its reservation behind; it may have written just before.
            const beginsAt = clock + (becomes === 'crashed' ? Math.min(takesMs, allowanceMs) : takesMs)
            clock = beginsAt
            highest = Math.max(highest, clock)
            if (!answer.ok) continue
            if (becomes === 'released') await budgets.release(answer.reservation, { now: clock })
            else effects.push({ at: beginsAt, units, runId })
            if (becomes === 'confirmed') await budgets.confirm(answer.reservation, { now: clock })
          }
          for (const { cap, limit } of caps) expect(mostInOneWindow(effects, cap.window)).toBeLessThanOrEqual(limit)
        },
      ),
      { seed: 7, numRuns: 400 },
    )
  })

  it('in whatever order the calls of two processes reach the store, and whichever answers are lost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        windows,
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.record({ process: fc.nat(1), release: fc.boolean() }), { minLength: 2, maxLength: 8 }),
        fc.infiniteStream(fc.nat(9)),
        async (scheduler, window, limit, changes, luck) => {
          const disk = new MemoryDisk()
          const hooks: StoreHooks = {
            before: async () => {
              await scheduler.schedule(Promise.resolve())
            },
            after: () => {
              if (luck.next().value === 0) throw new StoreError('store.unknown-outcome', 'the answer was lost')
            },
          }
          const processes = [budgetsOn(disk, hooks), budgetsOn(disk, hooks)]
          const effects: Effect[] = []
          const work = changes.map(async ({ process, release }, index) => {
            const budgets = processes[process] as Budgets
            try {
              const at = now + index
              const answer = await budgets.take([demand(limit, window)], { now: at, runId: 'run-1' })
              if (!answer.ok) return
              if (release) await budgets.release(answer.reservation, { now: at })
              else {
                effects.push({ at, units: 1, runId: 'run-1' })
                await budgets.confirm(answer.reservation, { now: at })
              }
            } catch (error) {
              if (!(error instanceof StoreError)) throw error
            }
          })
          await scheduler.waitFor(Promise.all(work))
          expect(mostInOneWindow(effects, window)).toBeLessThanOrEqual(limit)
        },
      ),
      { seed: 8, numRuns: 500 },
    )
  })

  it('and are used up fully when nothing goes wrong, in whatever order the calls reach the store', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), windows, fc.integer({ min: 0, max: 8 }), async (scheduler, window, limit) => {
        const disk = new MemoryDisk()
        const hooks: StoreHooks = {
          before: async () => {
            await scheduler.schedule(Promise.resolve())
          },
        }
        const processes = [budgetsOn(disk, hooks), budgetsOn(disk, hooks)]
        const work = Array.from({ length: 8 }, (_, index) => processes[index % 2]?.take([demand(limit, window)], context))
        const answers = await scheduler.waitFor(Promise.all(work))
        expect(answers.filter((answer) => answer?.ok)).toHaveLength(limit)
      }),
      { seed: 9, numRuns: 200 },
    )
  })
})

describe('readUsage', () => {
  const store = (disk: MemoryDisk) => openMemoryStore(disk)
  const cap = { amount: 3, window: hour, function: 'image-cleaner' }

  it('shows what is used of a cap, and of no other, and takes nothing', async () => {
    const disk = new MemoryDisk()
    const budgets = budgetsOn(disk)
    expect(await readUsage(store(disk), cap, { now })).toEqual([])
    const reservation = await taken(budgets, [demand(3, hour, 2, { function: 'image-cleaner' })])
    await budgets.confirm(reservation, { now: now + 5 })
    await taken(budgets, [demand(3, hour, 1)])
    const before = disk.contents()
    expect(await readUsage(store(disk), cap, { now })).toEqual([{ at: now + 5, units: 2 }])
    expect(await readUsage(store(disk), { ...cap, amount: 99 }, { now })).toEqual([{ at: now + 5, units: 2 }])
    expect(await readUsage(store(disk), { ...cap, window: { kind: 'rolling', durationMs: 2 * hourMs } }, { now })).toEqual([])
    expect(disk.contents()).toBe(before)
  })

  it('does not take what is damaged for nothing', async () => {
    const disk = new MemoryDisk()
    await taken(budgetsOn(disk), [demand(3, hour, 1, { function: 'image-cleaner' })])
    for await (const { partition, sort } of allItems(store(disk), { partition: 'guard/budgets', now })) {
      await store(disk).put({ partition, sort }, { format: 2 }, { when: 'any', now })
    }
    await expect(readUsage(store(disk), cap, { now })).rejects.toMatchObject({ name: 'StoreError', kind: 'store.corrupt' })
  })
})
