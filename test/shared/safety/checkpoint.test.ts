import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Checkpoint, createCheckpoint } from '#shared/safety/checkpoint.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

const start = 1_790_000_000_000
const week = 7 * 86_400_000

let disk: MemoryDisk
beforeEach(() => {
  disk = new MemoryDisk()
})

let owners = 0
function open(options: { run?: string; function?: string; keepMs?: number } = {}): Checkpoint {
  owners += 1
  return createCheckpoint(openMemoryStore(disk), { function: 'image-cleaner', run: 'nightly', owner: `process-${owners}`, ...options })
}

describe('a checkpoint', () => {
  it('lets the next trigger go on where a run stopped', async () => {
    const first = open()
    expect(await first.load({ now: start })).toBeUndefined()
    expect(await first.save({ repository: 'web', offset: 200n }, { now: start + 1 })).toEqual({ ok: true })
    expect(await first.save({ repository: 'web', offset: 9007199254740993n }, { now: start + 2 })).toEqual({ ok: true })
    const next = open()
    expect(await next.load({ now: start + 60_000 })).toEqual({
      cursor: { repository: 'web', offset: 9007199254740993n },
      savedAt: start + 2,
      saves: 2,
    })
    expect(await next.save({ repository: 'x' }, { now: start + 60_001 })).toEqual({ ok: true })
    expect(await next.clear({ now: start + 60_002 })).toEqual({ ok: true })
    expect(await open().load({ now: start + 60_003 })).toBeUndefined()
  })

  it('costs one round trip each', async () => {
    const calls: string[] = []
    const checkpoint = createCheckpoint(openMemoryStore(disk, { before: ({ operation }) => void calls.push(operation) }), {
      function: 'f',
      run: 'r',
      owner: 'o',
    })
    await checkpoint.load({ now: start })
    await checkpoint.save({ at: 1 }, { now: start })
    await checkpoint.save({ at: 2 }, { now: start })
    await checkpoint.clear({ now: start })
    expect(calls).toEqual(['get', 'put', 'put', 'delete'])
  })

  it('lets only one of two processes go on', async () => {
    const [one, other] = [open(), open()]
    await one.load({ now: start })
    await other.load({ now: start })
    expect(await one.save({ by: 'one' }, { now: start })).toEqual({ ok: true })
    expect(await other.save({ by: 'other' }, { now: start })).toMatchObject({ ok: false, current: { cursor: { by: 'one' } } })
    // Being told what is there does not make it one's own.
    expect(await other.save({ by: 'other' }, { now: start })).toMatchObject({ ok: false })
    const third = open()
    await third.load({ now: start })
    expect(await third.save({ by: 'third' }, { now: start })).toEqual({ ok: true })
    expect(await one.save({ by: 'one' }, { now: start })).toMatchObject({ ok: false, current: { cursor: { by: 'third' } } })
    expect(await one.clear({ now: start })).toMatchObject({ ok: false, current: { cursor: { by: 'third' } } })
    expect(await third.clear({ now: start })).toEqual({ ok: true })
    expect(await third.save({ by: 'third, again' }, { now: start })).toEqual({ ok: true })
  })

  it('tells two that save the same from each other', async () => {
    const store = unsteadyStore(openMemoryStore(disk), () => 'pass')
    const make = (owner: string, fates: Fate[]): Checkpoint =>
      createCheckpoint(
        unsteadyStore(store, () => fates.shift() ?? 'pass'),
        { function: 'f', run: 'r', owner },
      )
    const one = make('one', ['pass', 'pass'])
    const other = make('other', ['pass', 'lose-before'])
    await one.load({ now: start })
    await other.load({ now: start })
    expect(await one.save({ same: true }, { now: start })).toEqual({ ok: true })
    expect(await other.save({ same: true }, { now: start })).toMatchObject({ ok: false })
  })

  it('is refused after somebody else has ended the run', async () => {
    const [one, other] = [open(), open()]
    await one.save({ at: 1 }, { now: start })
    await other.load({ now: start })
    await other.clear({ now: start })
    expect(await one.save({ at: 2 }, { now: start })).toEqual({ ok: false, current: undefined })
  })

  it('expires, and then begins anew', async () => {
    const checkpoint = open()
    await checkpoint.save({ at: 1 }, { now: start })
    expect(await open().load({ now: start + week - 1 })).toMatchObject({ cursor: { at: 1 } })
    expect(await open().load({ now: start + week })).toBeUndefined()
    expect(await checkpoint.clear({ now: start + week })).toEqual({ ok: true })
    const short = open({ keepMs: 1000, run: 'short' })
    await short.save(1, { now: start })
    expect(await open({ run: 'short' }).load({ now: start + 1000 })).toBeUndefined()
  })

  it('finds out by reading what became of a write whose answer was lost', async () => {
    for (const fate of ['lose-after', 'lose-before'] as const) {
      const fates: Fate[] = ['pass', fate]
      const checkpoint = createCheckpoint(
        unsteadyStore(openMemoryStore(disk), () => fates.shift() ?? 'pass'),
        { function: 'f', run: fate, owner: 'o' },
      )
      await checkpoint.load({ now: start })
      expect(await checkpoint.save({ at: 1 }, { now: start })).toEqual({ ok: true })
      expect(await checkpoint.save({ at: 2 }, { now: start })).toEqual({ ok: true })
    }
  })

  it('clears although the answer was lost', async () => {
    let isLost = false
    const store = openMemoryStore(disk, {
      after: ({ operation }) => {
        if (operation !== 'delete' || isLost) return
        isLost = true
        throw new StoreError('store.unknown-outcome', 'lost')
      },
    })
    const checkpoint = createCheckpoint(store, { function: 'f', run: 'r', owner: 'o' })
    await checkpoint.save({ at: 1 }, { now: start })
    expect(await checkpoint.clear({ now: start })).toEqual({ ok: true })
    expect(isLost).toBe(true)
  })

  it('tries three times to clear, and at once gives up on a store that refuses', async () => {
    for (const [kind, calls] of [
      ['store.unknown-outcome', 3],
      ['store.unavailable', 1],
    ] as const) {
      let deletes = 0
      const store = openMemoryStore(new MemoryDisk(), {
        before: ({ operation }) => {
          if (operation !== 'delete') return
          deletes += 1
          throw new StoreError(kind, 'lost')
        },
      })
      const checkpoint = createCheckpoint(store, { function: 'f', run: 'r', owner: 'o' })
      await checkpoint.save({ at: 1 }, { now: start })
      await expect(checkpoint.clear({ now: start })).rejects.toMatchObject({ kind })
      expect(deletes).toBe(calls)
    }
  })

  it('clears nothing that it has not seen', async () => {
    await open().save({ at: 1 }, { now: start })
    expect(await open().clear({ now: start })).toEqual({ ok: true })
    expect(await open().load({ now: start })).toMatchObject({ cursor: { at: 1 } })
  })

  it('keeps functions and runs apart, whatever a run is called', async () => {
    const names = ['nightly', 'Nightly', 'a b', '', '~x', '../x', 'é', 'x'.repeat(5000), '\ud800'].filter((run) => run !== '')
    for (const [index, run] of names.entries()) await open({ run }).save(index, { now: start })
    for (const [index, run] of names.entries()) expect((await open({ run }).load({ now: start }))?.cursor).toBe(index)
    expect(await open({ function: 'license-meter' }).load({ now: start })).toBeUndefined()
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8, unit: 'binary' }), { minLength: 2, maxLength: 5 }),
        async (runs) => {
          disk = new MemoryDisk()
          for (const [index, run] of runs.entries()) expect(await open({ run }).save(index, { now: start })).toEqual({ ok: true })
          for (const [index, run] of runs.entries()) expect((await open({ run }).load({ now: start }))?.cursor).toBe(index)
        },
      ),
      { seed: 5, numRuns: 40 },
    )
  })

  it('says so when it is damaged', async () => {
    const store = openMemoryStore(disk)
    await store.put({ partition: 'checkpoint/image-cleaner', sort: 'nightly' }, { cursor: 1 }, { when: 'any', now: start })
    await expect(open().load({ now: start })).rejects.toMatchObject({
      kind: 'store.corrupt',
      message: expect.stringContaining('Delete the item'),
    })
  })

  it('refuses what a store does not take', async () => {
    expect(() => open({ run: '' })).toThrow(StoreError)
    await expect(open().save({ when: new Date(0) }, { now: start })).rejects.toMatchObject({ kind: 'store.invalid' })
    await expect(open().save('x'.repeat(500_000), { now: start })).rejects.toMatchObject({ kind: 'store.too-large' })
    expect(await open().load({ now: start })).toBeUndefined()
  })
})
