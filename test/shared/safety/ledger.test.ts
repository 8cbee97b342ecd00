import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Acquired, type AcquireOrder, type Claim, createLedger, type Ledger } from '#shared/safety/ledger.ts'
import { LedgerError, sortOf } from '#shared/safety/ledger-entry.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

const start = 1_790_000_000_000
const graceMs = 60_000
const order = { key: 'web@10:00', owner: 'run-1', now: start, deadline: start + 30_000 } as const

function memoryLedger(options: { keepMs?: number; disk?: MemoryDisk } = {}): Ledger {
  return createLedger(openMemoryStore(options.disk ?? new MemoryDisk()), {
    function: 'cron-scaler',
    ...(options.keepMs === undefined ? {} : { keepMs: options.keepMs }),
  })
}

async function claimOf(acquired: Promise<Acquired>, kind: 'acquired' | 'settle' = 'acquired'): Promise<Claim> {
  const answer = await acquired
  if (answer.kind !== kind) throw new Error(`it was ${answer.kind}, not ${kind}`)
  return answer.claim
}

async function errorKind(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof LedgerError || error instanceof StoreError) return error.kind
    throw error
  }
  return 'none'
}

describe('a key of the ledger', () => {
  it('is acquired and finished in two calls of the store', async () => {
    const store = unsteadyStore(openMemoryStore(new MemoryDisk()), () => 'pass')
    const ledger = createLedger(store, { function: 'cron-scaler' })
    const claim = await claimOf(ledger.acquire(order))
    expect(await ledger.finish(claim, { now: start + 5, state: 'SUCCEEDED', result: { requestId: 'r-1' } })).toMatchObject({ ok: true })
    expect(store.calls).toEqual(['put', 'put'])
    expect(await ledger.get(order.key, { now: start + 6 })).toMatchObject({
      function: 'cron-scaler',
      key: order.key,
      state: 'SUCCEEDED',
      attempt: 1,
      startedAt: start,
      changedAt: start + 5,
      result: { requestId: 'r-1' },
    })
    expect(Object.keys((await ledger.get(order.key, { now: start })) ?? {})).not.toContain('holder')
  })

  it('says what it was acquired with', async () => {
    const ledger = memoryLedger()
    const claim = await claimOf(ledger.acquire({ ...order, digest: 'd', journalBefore: 7 }))
    expect(claim).toMatchObject({ deadline: order.deadline, entry: { state: 'STARTED', digest: 'd', journalBefore: 7, owner: claim.id } })
    expect(claim.entry.holder).toEqual({ id: claim.id, deadline: order.deadline })
    expect(claim.id).toBe('run-1#1')
    expect((await claimOf(ledger.acquire({ ...order, key: 'other' }))).id).toBe('run-1#2')
  })

  it('is busy for everybody else, the same run included, until its deadline and the grace are over', async () => {
    const ledger = memoryLedger()
    await ledger.acquire(order)
    for (const owner of ['run-1', 'run-2']) {
      for (const now of [start, order.deadline, order.deadline + graceMs]) {
        expect(await ledger.acquire({ ...order, owner, now, deadline: now + 1 })).toMatchObject({
          kind: 'busy',
          entry: { state: 'STARTED' },
        })
      }
    }
    const now = order.deadline + graceMs + 1
    expect(await ledger.acquire({ ...order, owner: 'run-2', now, deadline: now + 10 })).toMatchObject({ kind: 'settle' })
  })

  it('is done for ever once it succeeded, and says how', async () => {
    const ledger = memoryLedger()
    await ledger.finish(await claimOf(ledger.acquire(order)), { now: start, state: 'SUCCEEDED', result: { a: 1 } })
    const now = start + 80 * 86_400_000
    expect(await ledger.acquire({ ...order, now, deadline: now })).toMatchObject({
      kind: 'done',
      entry: { state: 'SUCCEEDED', result: { a: 1 } },
    })
  })

  it('can be acquired again after it failed safely, as the next attempt', async () => {
    const ledger = memoryLedger()
    await ledger.finish(await claimOf(ledger.acquire({ ...order, digest: 'one' })), {
      now: start,
      state: 'FAILED_SAFE',
      result: { why: 'busy' },
      journal: { seq: 4, hash: 'h' },
    })
    const claim = await claimOf(ledger.acquire({ ...order, now: start + 9, owner: 'run-2', digest: 'another' }))
    expect(claim.entry).toMatchObject({
      state: 'STARTED',
      attempt: 2,
      startedAt: start + 9,
      digest: 'another',
      journal: { seq: 4, hash: 'h' },
    })
    expect(claim.entry.result).toBeUndefined()
  })

  it('that is given up is taken over to be settled, never to be done again', async () => {
    const ledger = memoryLedger()
    const first = await claimOf(ledger.acquire({ ...order, digest: 'd', journalBefore: 3 }))
    const now = order.deadline + graceMs + 1
    const taken = await ledger.acquire({ ...order, owner: 'run-2', now, deadline: now + 1000, digest: 'd', journalBefore: 99 })
    expect(taken).toMatchObject({
      kind: 'settle',
      entry: {
        state: 'UNKNOWN',
        attempt: 1,
        owner: first.id,
        startedAt: start,
        changedAt: now,
        inFlightUntil: order.deadline + graceMs,
        digest: 'd',
        journalBefore: 3,
      },
    })
    const settler = await claimOf(Promise.resolve(taken), 'settle')
    expect(settler.entry.holder).toEqual({ id: settler.id, deadline: now + 1000 })
    // While it is being settled nobody else is at it.
    expect(await ledger.acquire({ ...order, now: now + 1000 + graceMs, deadline: now + 5000 })).toMatchObject({ kind: 'busy' })
    // And when the settler is gone the next one settles, with the same doubt about the same attempt.
    const later = now + 1000 + graceMs + 1
    expect(await ledger.acquire({ ...order, owner: 'run-3', now: later, deadline: later + 1 })).toMatchObject({
      kind: 'settle',
      entry: { state: 'UNKNOWN', attempt: 1, owner: first.id, startedAt: start, inFlightUntil: order.deadline + graceMs },
    })
  })

  it('that is unknown is settled by whoever comes next, to either end', async () => {
    for (const [state, kind] of [
      ['SUCCEEDED', 'done'],
      ['FAILED_SAFE', 'acquired'],
      ['UNKNOWN', 'settle'],
    ] as const) {
      const ledger = memoryLedger()
      await ledger.finish(await claimOf(ledger.acquire(order)), { now: start, state: 'UNKNOWN', inFlightUntil: start + 77 })
      const settler = await claimOf(ledger.acquire({ ...order, owner: 'run-2', now: start + 1 }), 'settle')
      expect(settler.entry).toMatchObject({ state: 'UNKNOWN', inFlightUntil: start + 77 })
      await ledger.finish(settler, { now: start + 2, state })
      const next = await ledger.acquire({ ...order, owner: 'run-3', now: start + 3 })
      expect(next.kind).toBe(kind)
      const { attempt, inFlightUntil } = next.kind === 'acquired' || next.kind === 'settle' ? next.claim.entry : next.entry
      expect({ attempt, inFlightUntil }).toEqual({
        attempt: kind === 'acquired' ? 2 : 1,
        inFlightUntil: kind === 'settle' ? start + 77 : undefined,
      })
    }
  })

  it('counts an unknown write as under way for the grace when nobody says for how long', async () => {
    const disk = new MemoryDisk()
    const ledger = memoryLedger({ disk })
    await ledger.finish(await claimOf(ledger.acquire(order)), { now: start + 8, state: 'UNKNOWN' })
    expect(await ledger.get(order.key, { now: start + 8 })).toMatchObject({ inFlightUntil: start + 8 + graceMs })
    // Also where the entry itself does not say it.
    const store = openMemoryStore(disk)
    const key = { partition: 'ledger/cron-scaler', sort: order.key }
    const item = await store.get(key, { now: start })
    await store.put(key, { ...(item?.data as object), inFlightUntil: undefined }, { when: 'any', now: start })
    expect(await ledger.acquire({ ...order, now: start + 10_000, owner: 'run-2' })).toMatchObject({
      kind: 'settle',
      entry: { inFlightUntil: start + 8 + graceMs },
    })
  })

  it('5: a stale owner can neither finish nor renew, whatever has become of the key, and changes nothing by trying', async () => {
    const now = order.deadline + graceMs + 1
    const successors: ((ledger: Ledger, claim: Claim) => Promise<unknown>)[] = [
      async () => undefined,
      (ledger, claim) => ledger.renew(claim, { now, deadline: now + 9 }),
      (ledger, claim) => ledger.finish(claim, { now, state: 'SUCCEEDED' }),
      (ledger, claim) => ledger.finish(claim, { now, state: 'UNKNOWN' }),
      async (ledger, claim) => {
        await ledger.finish(claim, { now, state: 'FAILED_SAFE' })
        await ledger.acquire({ ...order, owner: 'run-3', now, deadline: now + 9 })
      },
    ]
    for (const successor of successors) {
      const ledger = memoryLedger()
      const stale = await claimOf(ledger.acquire(order))
      await successor(ledger, await claimOf(ledger.acquire({ ...order, owner: 'run-2', now, deadline: now + 9 }), 'settle'))
      const before = await ledger.get(order.key, { now })
      for (const state of ['SUCCEEDED', 'FAILED_SAFE', 'UNKNOWN'] as const) {
        expect(await ledger.finish(stale, { now: now + 1, state })).toEqual({ ok: false, current: before })
      }
      expect(await ledger.renew(stale, { now: now + 1, deadline: now + 99_000 })).toEqual({ ok: false, current: before })
      expect(await ledger.get(order.key, { now })).toEqual(before)
    }
  })

  it('is renewed by its owner; the old claim is worth nothing afterwards', async () => {
    const ledger = memoryLedger()
    const old = await claimOf(ledger.acquire({ ...order, digest: 'd' }))
    const renewed = await ledger.renew(old, { now: start + 10_000, deadline: start + 90_000 })
    if (!renewed.ok) throw new Error('it was not renewed')
    expect(renewed.claim).toMatchObject({
      id: old.id,
      deadline: start + 90_000,
      entry: { state: 'STARTED', attempt: 1, startedAt: start, changedAt: start + 10_000, digest: 'd' },
    })
    expect(await ledger.acquire({ ...order, owner: 'run-2', now: start + 90_000 + graceMs, deadline: start + 999_000 })).toMatchObject({
      kind: 'busy',
    })
    expect(await ledger.finish(old, { now: start + 11_000, state: 'FAILED_SAFE' })).toMatchObject({ ok: false })
    expect(await ledger.finish(renewed.claim, { now: start + 11_000, state: 'SUCCEEDED' })).toMatchObject({
      ok: true,
      entry: { state: 'SUCCEEDED' },
    })
    expect(await ledger.renew(renewed.claim, { now: start + 12_000, deadline: start + 99_000 })).toMatchObject({
      ok: false,
      current: { state: 'SUCCEEDED' },
    })
  })

  it('can be renewed after its deadline as long as nobody has taken it over', async () => {
    const ledger = memoryLedger()
    const claim = await claimOf(ledger.acquire(order))
    const now = order.deadline + 10 * graceMs
    expect(await ledger.renew(claim, { now, deadline: now + 1 })).toMatchObject({ ok: true })
  })

  it('expires only when it is finished, and then after the time it is kept', async () => {
    for (const [state, kind] of [
      ['SUCCEEDED', 'acquired'],
      ['FAILED_SAFE', 'acquired'],
      ['UNKNOWN', 'settle'],
    ] as const) {
      const ledger = memoryLedger({ keepMs: 1000 })
      await ledger.finish(await claimOf(ledger.acquire(order)), { now: start, state })
      expect((await ledger.get(order.key, { now: start + 999 }))?.state).toBe(state)
      const now = start + 1000
      expect((await ledger.get(order.key, { now }))?.state).toBe(state === 'UNKNOWN' ? state : undefined)
      expect((await ledger.acquire({ ...order, now, deadline: now })).kind).toBe(kind)
    }
    const ledger = memoryLedger({ keepMs: 1000 })
    await ledger.acquire(order)
    const now = start + 10 * 365 * 86_400_000
    expect((await ledger.acquire({ ...order, now, deadline: now })).kind).toBe('settle')
  })

  it('that was used for another content is an error, unless nothing had happened under it', async () => {
    for (const [state, kind] of [
      ['SUCCEEDED', 'ledger.other-content'],
      ['UNKNOWN', 'ledger.other-content'],
      ['STARTED', 'ledger.other-content'],
      ['FAILED_SAFE', 'none'],
    ] as const) {
      const ledger = memoryLedger()
      const claim = await claimOf(ledger.acquire({ ...order, digest: 'scale to 5' }))
      if (state !== 'STARTED') await ledger.finish(claim, { now: start, state })
      const before = await ledger.get(order.key, { now: start })
      expect(await errorKind(ledger.acquire({ ...order, owner: 'run-2', digest: 'scale to 6' }))).toBe(kind)
      if (kind !== 'none') expect(await ledger.get(order.key, { now: start })).toEqual(before)
      // Whoever does not compare, and whoever has the same content, gets its answer.
      expect(await errorKind(ledger.acquire({ ...order, owner: 'run-3' }))).toBe('none')
      if (kind !== 'none') expect(await errorKind(ledger.acquire({ ...order, owner: 'run-3', digest: 'scale to 5' }))).toBe('none')
    }
  })

  it('is compared with a content only where one was said before', async () => {
    const ledger = memoryLedger()
    await ledger.finish(await claimOf(ledger.acquire(order)), { now: start, state: 'SUCCEEDED' })
    expect((await ledger.acquire({ ...order, digest: 'any' })).kind).toBe('done')
  })

  it('that somebody removed altogether is lost to its owner, and new to the next one', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const ledger = createLedger(store, { function: 'cron-scaler' })
    const claim = await claimOf(ledger.acquire(order))
    await store.delete({ partition: 'ledger/cron-scaler', sort: order.key }, { when: 'any', now: start })
    expect(await ledger.finish(claim, { now: start, state: 'SUCCEEDED' })).toEqual({ ok: false, current: undefined })
    expect(await ledger.renew(claim, { now: start, deadline: start })).toEqual({ ok: false, current: undefined })
    expect(await ledger.acquire({ ...order, owner: 'run-2' })).toMatchObject({ kind: 'acquired', claim: { entry: { attempt: 1 } } })
  })

  it('that is removed while it is being acquired is acquired as new', async () => {
    const disk = new MemoryDisk()
    const plain = openMemoryStore(disk)
    const other = memoryLedger({ disk })
    await other.finish(await claimOf(other.acquire(order)), { now: start, state: 'FAILED_SAFE' })
    let puts = 0
    const ledger = createLedger(
      openMemoryStore(disk, {
        before: async ({ operation }) => {
          if (operation === 'put') puts += 1
          if (puts === 2) await plain.delete({ partition: 'ledger/cron-scaler', sort: order.key }, { when: 'any', now: start })
        },
      }),
      { function: 'cron-scaler' },
    )
    expect(await ledger.acquire({ ...order, owner: 'run-2' })).toMatchObject({ kind: 'acquired', claim: { entry: { attempt: 1 } } })
    expect(puts).toBe(3)
  })

  it('has another entry in the ledger of another function', async () => {
    const disk = new MemoryDisk()
    const one = createLedger(openMemoryStore(disk), { function: 'cron-scaler' })
    const other = createLedger(openMemoryStore(disk), { function: 'image-cleaner' })
    expect((await one.acquire(order)).kind).toBe('acquired')
    expect((await other.acquire(order)).kind).toBe('acquired')
    expect(await one.list({ now: start })).toHaveLength(1)
  })
})

describe('what the ledger refuses', () => {
  it('a key that is missing, empty, too long or no text, before it calls the store', async () => {
    const store = unsteadyStore(openMemoryStore(new MemoryDisk()), () => 'pass')
    const ledger = createLedger(store, { function: 'cron-scaler' })
    const missing = undefined as unknown as string
    for (const key of [missing, null as unknown as string, 7 as unknown as string, '', 'x'.repeat(257), 'half \ud800 pair']) {
      expect(await errorKind(ledger.acquire({ ...order, key }))).toBe('ledger.no-key')
      expect(await errorKind(ledger.get(key, { now: start }))).toBe('ledger.no-key')
    }
    expect(store.calls).toEqual([])
    expect(await errorKind(ledger.acquire({ ...order, key: 'x'.repeat(256) }))).toBe('none')
    expect(await errorKind(ledger.acquire({ ...order, key: '字'.repeat(256) }))).toBe('none')
  })

  it('an owner that is nobody', async () => {
    for (const owner of ['', undefined as unknown as string]) {
      expect(await errorKind(memoryLedger().acquire({ ...order, owner }))).toBe('ledger.no-owner')
    }
  })

  it('a deadline that never comes or is no time: it would block the key for ever, or not at all', async () => {
    for (const deadline of [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -1,
      undefined as unknown as number,
      null as unknown as number,
      8_640_000_000_000_001,
    ]) {
      const ledger = memoryLedger()
      expect(await errorKind(ledger.acquire({ ...order, deadline }))).toBe('ledger.no-deadline')
      const claim = await claimOf(ledger.acquire(order))
      expect(await errorKind(ledger.renew(claim, { now: start, deadline }))).toBe('ledger.no-deadline')
      if (Number.isFinite(deadline) || Number.isNaN(deadline)) {
        expect(await errorKind(ledger.finish(claim, { now: start, state: 'UNKNOWN', inFlightUntil: deadline }))).toBe('ledger.no-deadline')
      }
      expect(await errorKind(ledger.acquire({ ...order, now: deadline }))).toBe('ledger.no-deadline')
    }
    expect(() => createLedger(openMemoryStore(new MemoryDisk()), { function: 'f', graceMs: Number.NaN })).toThrow(LedgerError)
    expect(() => createLedger(openMemoryStore(new MemoryDisk()), { function: 'f', keepMs: -1 })).toThrow(LedgerError)
  })

  it('no deadline that some clock can show', async () => {
    for (const deadline of [0, 8_640_000_000_000_000])
      expect(await claimOf(memoryLedger().acquire({ ...order, deadline }))).toMatchObject({ deadline })
    const strict = createLedger(openMemoryStore(new MemoryDisk()), { function: 'f', graceMs: 0 })
    await strict.acquire(order)
    expect((await strict.acquire({ ...order, now: order.deadline, deadline: order.deadline })).kind).toBe('busy')
    expect((await strict.acquire({ ...order, now: order.deadline + 1, deadline: order.deadline + 1 })).kind).toBe('settle')
  })

  it('a time that is none, by its name', async () => {
    const ledger = memoryLedger()
    const claim = await claimOf(ledger.acquire(order))
    const store = openMemoryStore(new MemoryDisk())
    for (const [name, attempt] of [
      ['graceMs', () => createLedger(store, { function: 'f', graceMs: -5 })],
      ['keepMs', () => createLedger(store, { function: 'f', keepMs: -5 })],
      ['now', () => ledger.acquire({ ...order, now: -5 })],
      ['deadline', () => ledger.acquire({ ...order, deadline: -5 })],
      ['now', () => ledger.renew(claim, { now: -5, deadline: start })],
      ['deadline', () => ledger.renew(claim, { now: start, deadline: -5 })],
      ['now', () => ledger.finish(claim, { now: -5, state: 'SUCCEEDED' })],
      ['inFlightUntil', () => ledger.finish(claim, { now: start, state: 'UNKNOWN', inFlightUntil: -5 })],
    ] as const) {
      await expect((async () => await attempt())()).rejects.toThrow(
        `Ledger: ${name} is -5, which is no time. Give whole milliseconds; a deadline must end some day.`,
      )
    }
  })

  it('in words that say what it was about', async () => {
    const ledger = memoryLedger()
    await expect(ledger.acquire({ ...order, key: 'x'.repeat(257) })).rejects.toThrow(
      `Ledger: the action key "${'x'.repeat(60)}…" is 257 characters long; 256 are allowed.`,
    )
    await expect(ledger.acquire({ ...order, key: 'half \ud800' })).rejects.toThrow('is no well-formed text')
    await expect(ledger.acquire({ ...order, key: `${'x'.repeat(255)}\ud800` })).rejects.toThrow('is no well-formed text')
    await expect(ledger.acquire({ ...order, key: '' })).rejects.toThrow(
      'Ledger: the action key is missing or empty. Without one nothing protects the action: give each its own.',
    )
    await expect(ledger.acquire({ ...order, owner: '' })).rejects.toThrow(
      'Ledger: the action key "web@10:00" was to be acquired by nobody. Give an owner that no other run has.',
    )
    for (const [length, shown] of [
      [80, 'k'.repeat(80)],
      [81, `${'k'.repeat(77)}...`],
    ] as const) {
      await ledger.acquire({ ...order, key: 'k'.repeat(length), digest: 'a' })
      await expect(ledger.acquire({ ...order, key: 'k'.repeat(length), digest: 'b' })).rejects.toThrow(
        `Ledger: the action key "${shown}" of cron-scaler was used for something else before (it is STARTED).`,
      )
    }
  })

  it('rounds times up to whole milliseconds', async () => {
    const claim = await claimOf(memoryLedger().acquire({ ...order, now: start + 0.25, deadline: start + 10.5 }))
    expect(claim).toMatchObject({ deadline: start + 11, entry: { startedAt: start + 1 } })
  })

  it('S5: with no time left the key is not locked for long: the next one settles it after the grace', async () => {
    const ledger = memoryLedger()
    await ledger.acquire({ ...order, deadline: start })
    const now = start + graceMs + 1
    expect((await ledger.acquire({ ...order, owner: 'run-2', now, deadline: now })).kind).toBe('settle')
  })

  it('an entry that is damaged or lies under another key', async () => {
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    const ledger = createLedger(store, { function: 'cron-scaler' })
    await ledger.acquire(order)
    const item = await store.get({ partition: 'ledger/cron-scaler', sort: sortOf(order.key) }, { now: start })
    const data = item?.data as Record<string, unknown>
    const damages: Record<string, unknown>[] = [
      { ...data, state: 'DONE' },
      { ...data, format: 2 },
      { ...data, key: 'another' },
      { ...data, key: '' },
      { ...data, key: 'x'.repeat(257) },
      { ...data, holder: undefined },
      { ...data, attempt: 0 },
      { ...data, surprise: true },
      { key: order.key },
    ]
    for (const damaged of damages) {
      await store.put({ partition: 'ledger/cron-scaler', sort: sortOf(order.key) }, damaged, { when: 'any', now: start })
      const contents = disk.contents()
      const now = start + 10 ** 9
      await expect(ledger.acquire({ ...order, now, deadline: now })).rejects.toMatchObject({ name: 'LedgerError', kind: 'ledger.corrupt' })
      await expect(ledger.get(order.key, { now })).rejects.toThrow(/a person has looked/)
      await expect(ledger.unsettled(now)).rejects.toMatchObject({ kind: 'ledger.corrupt' })
      expect(disk.contents()).toBe(contents)
    }
    const long = 'y'.repeat(256)
    await store.put({ partition: 'ledger/cron-scaler', sort: long }, { ...data, key: long, state: 'DONE' }, { when: 'any', now: start })
    await expect(ledger.get(long, { now: start })).rejects.toThrow(
      `Ledger: the entry "${'y'.repeat(100)}" of cron-scaler is damaged (state).`,
    )
    await store.put({ partition: 'ledger/cron-scaler', sort: long }, { ...data, key: long }, { when: 'any', now: start })
    expect((await ledger.get(long, { now: start }))?.key).toBe(long)
    await store.put({ partition: 'ledger/cron-scaler', sort: 'z' }, { ...data, key: 'z', holder: undefined }, { when: 'any', now: start })
    await expect(ledger.get('z', { now: start })).rejects.toThrow('damaged (it is started by nobody)')
    for (const [damaged, what] of [
      [{ ...data, extra: 1, key: 'z' }, 'as a whole'],
      [{ ...data, key: 'z', holder: { id: 'run-1', deadline: 'soon' }, attempt: 0 }, 'attempt, holder.deadline'],
      [data, 'it is about another key'],
      [{ ...data, key: '' }, 'it is about another key'],
      [{ ...data, key: 'x'.repeat(257) }, 'it is about another key'],
    ] as const) {
      await store.put({ partition: 'ledger/cron-scaler', sort: 'z' }, damaged, { when: 'any', now: start })
      await expect(ledger.get('z', { now: start })).rejects.toThrow(`Ledger: the entry "z" of cron-scaler is damaged (${what}).`)
    }
  })
})

describe('keys as sort keys', () => {
  it('are what a store takes, and different for different keys', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 256, unit: 'binary' }), { minLength: 2, maxLength: 4 }), (keys) => {
        const good = keys.filter((key) => key.length <= 256)
        const sorts = good.map(sortOf)
        expect(new Set(sorts).size).toBe(good.length)
        for (const sort of sorts) expect(sort).toMatch(/^[!-~]{1,1024}$/)
      }),
      { seed: 3, numRuns: 150 },
    )
  })

  it('stay readable', () => {
    expect(sortOf('cls-1/default/Deployment/web@2026-10-01T09:00:00Z')).toBe('cls-1/default/Deployment/web@2026-10-01T09:00:00Z')
    expect(sortOf('100% ~ ok\n')).toBe('100%25%20%7E%20ok%0A')
    expect(sortOf('字'.repeat(100))).toBe('%E5%AD%97'.repeat(100))
    expect(sortOf(`${'字'.repeat(100)}x`)).toMatch(/~[0-9a-f]{64}$/)
    const long = '字'.repeat(200)
    expect(sortOf(long)).toMatch(/^(%E5%AD%97){100}~[0-9a-f]{64}$/)
    expect(sortOf(`${long.slice(0, 199)}寺`)).not.toBe(sortOf(long))
  })
})

describe('a store whose answers get lost', () => {
  /** A ledger on a store whose calls fare as listed, and a steady one on the same disk. */
  function unsteady(...fates: Fate[]): { ledger: Ledger; steady: Ledger; calls: () => readonly string[] } {
    const disk = new MemoryDisk()
    const store = unsteadyStore(openMemoryStore(disk), (index) => fates[index - 1] ?? 'pass')
    return { ledger: createLedger(store, { function: 'cron-scaler' }), steady: memoryLedger({ disk }), calls: () => store.calls }
  }

  it('acquires once all the same, whether the lost write had arrived, had not, or arrives late', async () => {
    for (const [fates, calls] of [
      [['lose-after'], ['put', 'get']],
      [['lose-before'], ['put', 'get', 'put']],
      [['late'], ['put', 'get', 'put']],
      [
        ['late', 'pass', 'lose-before'],
        ['put', 'get', 'put', 'get'],
      ],
      [
        ['lose-before', 'pass', 'lose-after'],
        ['put', 'get', 'put', 'get'],
      ],
      [
        ['lose-before', 'pass', 'refuse'],
        ['put', 'get', 'put', 'get', 'put'],
      ],
    ] as const) {
      const { ledger, steady, calls: made } = unsteady(...fates)
      const claim = await claimOf(ledger.acquire(order))
      expect(made()).toEqual(calls)
      expect(await steady.get(order.key, { now: start })).toEqual(claim.entry)
      expect(await ledger.finish(claim, { now: start, state: 'SUCCEEDED' })).toMatchObject({ ok: true })
    }
  })

  it('renews and finishes once all the same', async () => {
    for (const fate of ['lose-after', 'lose-before', 'late'] as const) {
      const fates: Fate[] = fate === 'lose-after' ? [fate, 'pass', fate] : [fate, 'pass', 'pass', fate]
      const { ledger, steady } = unsteady('pass', ...fates)
      const renewed = await ledger.renew(await claimOf(ledger.acquire(order)), { now: start + 1, deadline: start + 2 })
      if (!renewed.ok) throw new Error('it was not renewed')
      expect(renewed.claim.entry).toEqual(await steady.get(order.key, { now: start }))
      const finished = await ledger.finish(renewed.claim, { now: start + 3, state: 'FAILED_SAFE' })
      expect(finished).toEqual({ ok: true, entry: await steady.get(order.key, { now: start + 3 }) })
    }
  })

  it('says that it does not know when it cannot find out, and leaves the key to be settled', async () => {
    for (const fates of [
      ['lose-after', 'refuse'],
      ['lose-before', 'refuse'],
      ['lose-before', 'pass', 'lose-before', 'pass', 'lose-before'],
      ['lose-before', 'pass', 'refuse', 'refuse'],
    ] as const) {
      const { ledger, steady } = unsteady(...fates)
      expect(await errorKind(ledger.acquire(order))).toBe('store.unknown-outcome')
      const now = order.deadline + graceMs + 1
      const next = await steady.acquire({ ...order, owner: 'run-2', now, deadline: now })
      expect(next.kind).toBe(fates[0] === 'lose-after' ? 'settle' : 'acquired')
    }
  })

  it('passes on what certainly did not happen', async () => {
    const { ledger, steady, calls } = unsteady('refuse')
    expect(await errorKind(ledger.acquire(order))).toBe('store.unavailable')
    expect(calls()).toEqual(['put'])
    expect(await steady.get(order.key, { now: start })).toBeUndefined()
  })

  it('does not take for its own what another run of the same owner wrote', async () => {
    // A platform gives a retry the request id of the first try; both call themselves the same.
    const disk = new MemoryDisk()
    const first = memoryLedger({ disk })
    const retry = createLedger(
      unsteadyStore(openMemoryStore(disk), (index) => (index === 1 ? 'lose-before' : 'pass')),
      { function: 'cron-scaler' },
    )
    await first.acquire(order)
    expect((await retry.acquire({ ...order, now: start + 1 })).kind).toBe('busy')
  })

  it('after a lost answer notices that another one was faster', async () => {
    const { ledger, steady } = unsteady('pass', 'lose-before')
    const claim = await claimOf(ledger.acquire(order))
    const now = order.deadline + graceMs + 1
    await steady.acquire({ ...order, owner: 'run-2', now, deadline: now })
    expect(await ledger.finish(claim, { now, state: 'SUCCEEDED' })).toMatchObject({ ok: false, current: { state: 'UNKNOWN' } })
  })

  it('gives up with an error when others change the entry every time', async () => {
    const disk = new MemoryDisk()
    const other = memoryLedger({ disk })
    const fail = async (): Promise<void> => {
      const acquired = await other.acquire({ ...order, owner: 'run-2' })
      if (acquired.kind === 'acquired') await other.finish(acquired.claim, { now: start, state: 'FAILED_SAFE' })
    }
    let puts = 0
    const before = async ({ operation }: StoreCall): Promise<void> => {
      if (operation !== 'put') return
      puts += 1
      await fail()
    }
    const ledger = createLedger(openMemoryStore(disk, { before }), { function: 'cron-scaler' })
    await expect(ledger.acquire(order)).rejects.toMatchObject({
      kind: 'ledger.contended',
      message: expect.stringContaining('Ledger: others changed the action key "web@10:00" of cron-scaler 6 times while'),
    })
    expect(puts).toBe(6)
    // What it leaves behind is free.
    expect((await other.acquire({ ...order, owner: 'run-3' })).kind).toBe('acquired')
  })
})

describe('what tools read', () => {
  it('lists, filters, and says what is to be settled and where the journal is', async () => {
    const ledger = memoryLedger()
    const mark = { seq: 9, hash: 'h' }
    const acquire = (key: string, deadline = order.deadline): Promise<Claim> => claimOf(ledger.acquire({ ...order, key, deadline }))
    await ledger.finish(await acquire('b/done'), { now: start, state: 'SUCCEEDED', journal: mark })
    await ledger.finish(await acquire('a/failed'), { now: start, state: 'FAILED_SAFE' })
    await ledger.finish(await acquire('a/unknown'), { now: start, state: 'UNKNOWN' })
    await acquire('a/long', start + 10_000_000)
    await acquire('a/started')
    await ledger.finish(await acquire('b/being settled'), { now: start, state: 'UNKNOWN' })
    await claimOf(ledger.acquire({ ...order, key: 'b/being settled' }), 'settle')

    const keys = async (query: object): Promise<string[]> => (await ledger.list({ now: start, ...query })).map(({ key }) => key)
    expect(await keys({})).toEqual(['a/failed', 'a/long', 'a/started', 'a/unknown', 'b/being settled', 'b/done'])
    expect(await keys({ prefix: 'a/', limit: 2 })).toEqual(['a/failed', 'a/long'])
    expect(await keys({ state: 'STARTED' })).toEqual(['a/long', 'a/started'])
    expect(await keys({ limit: 0 })).toEqual([])
    const unsettled = async (now: number): Promise<string[]> => (await ledger.unsettled(now)).map(({ key }) => key)
    expect(await unsettled(order.deadline + graceMs)).toEqual(['a/unknown'])
    expect(await unsettled(order.deadline + graceMs + 1)).toEqual(['a/started', 'a/unknown', 'b/being settled'])
    const marks = []
    for await (const one of ledger.journalMarks(start)) marks.push(one)
    expect(marks).toEqual([{ key: 'b/done', ...mark }])
  })
})

describe('runs at the same time', () => {
  const stores: Record<string, () => Promise<{ store: Store; close: () => Promise<void> }>> = {
    memory: async () => ({ store: openMemoryStore(new MemoryDisk()), close: async () => undefined }),
    file: async () => {
      const path = join(tmpdir(), `ledger-${process.pid}-${start}.db`)
      const store = await openSqliteStore({ path })
      return {
        store,
        close: async () => {
          await store.close()
          for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`, { force: true })
        },
      }
    },
  }
  for (const [name, open] of Object.entries(stores)) {
    it(`acquire a key once, in a store in ${name === 'file' ? 'a file' : name}`, async () => {
      const { store, close } = await open()
      try {
        const ledgers = Array.from({ length: 5 }, () => createLedger(store, { function: 'cron-scaler' }))
        for (let round = 0; round < 10; round += 1) {
          const answers = await Promise.all(
            ledgers.flatMap((ledger, index) =>
              [0, 1].map(() => ledger.acquire({ ...order, key: `round ${round}`, owner: `run-${index}` })),
            ),
          )
          expect(answers.map(({ kind }) => kind).sort()).toEqual(['acquired', ...Array.from({ length: 9 }, () => 'busy')])
        }
      } finally {
        await close()
      }
    })
  }

  it('3, 5: whatever the order of their calls, one key has one effect, and the last word is the right one', async () => {
    let settledByReading = 0
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(
          fc.record({
            startsAfterMs: fc.constantFrom(0, 0, 1, 95_000, 200_000),
            crashes: fc.constantFrom('no', 'no', 'before the effect', 'after the effect'),
            fails: fc.boolean(),
            lose: fc.constantFrom<Fate>('pass', 'pass', 'lose-before', 'lose-after'),
          }),
          { minLength: 2, maxLength: 4 },
        ),
        async (scheduler, runs) => {
          const disk = new MemoryDisk()
          const plain = openMemoryStore(disk)
          let effects = 0
          const wait = scheduler.scheduleFunction(async () => undefined)
          const run = async ({ startsAfterMs, crashes, fails, lose }: (typeof runs)[number], index: number): Promise<void> => {
            const flaky = unsteadyStore(plain, (call) => (call === 1 + (index % 3) ? lose : 'pass'))
            const store: Store = {
              ...flaky,
              put: async (...given) => {
                await wait()
                return await flaky.put(...given)
              },
              get: async (...given) => {
                await wait()
                return await flaky.get(...given)
              },
            }
            const ledger = createLedger(store, { function: 'f' })
            const now = start + startsAfterMs
            let answer: Acquired
            try {
              answer = await ledger.acquire({ key: 'k', owner: `run-${index}`, now, deadline: now + 30_000 } satisfies AcquireOrder)
            } catch (error) {
              if (error instanceof StoreError) return
              throw error
            }
            if (answer.kind === 'settle') {
              settledByReading += 1
              await ledger.finish(answer.claim, { now, state: effects > 0 ? 'SUCCEEDED' : 'FAILED_SAFE' }).catch(() => undefined)
              return
            }
            if (answer.kind !== 'acquired' || crashes === 'before the effect') return
            await wait()
            // As the gate does: nothing is written when somebody may have taken over. Time stands still while a run is on here,
            // so another run's later clock is what makes a claim stale; the write must be seen before that run reads.
            const current = await createLedger(plain, { function: 'f' }).get('k', { now })
            if (current?.fence !== answer.claim.entry.fence) return
            if (!fails) effects += 1
            if (crashes === 'after the effect') return
            await wait()
            await ledger.finish(answer.claim, { now, state: fails ? 'FAILED_SAFE' : 'SUCCEEDED' }).catch(() => undefined)
          }
          await scheduler.waitFor(Promise.all(runs.map(run)))
          expect(effects).toBeLessThanOrEqual(1)
          const last = await createLedger(plain, { function: 'f' }).get('k', { now: start })
          if (last?.state === 'SUCCEEDED') expect(effects).toBe(1)
          if (last?.state === 'FAILED_SAFE') expect(effects).toBe(0)
        },
      ),
      { seed: 35, numRuns: 300 },
    )
    expect(settledByReading).toBeGreaterThan(20)
  })
})
