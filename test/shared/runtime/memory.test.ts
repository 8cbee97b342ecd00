import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMemory, MemoryError, type MemoryErrorKind, noMemory } from '#shared/runtime/memory.ts'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { dynaliteCredentials } from '../../contract/dynalite-credentials.ts'
import { startDynalite } from '../../contract/dynalite-server.ts'

const start = 1_790_000_000_000

interface Place {
  readonly store: Store
  /** The same items, as another process would open them. */
  reopen(): Promise<Store>
  dispose(): Promise<void>
}

const places: readonly { readonly kind: string; readonly make: () => Promise<Place> }[] = [
  {
    kind: 'a store in memory',
    make: () => {
      const disk = new MemoryDisk()
      return Promise.resolve({
        store: openMemoryStore(disk),
        reopen: () => Promise.resolve(openMemoryStore(disk)),
        dispose: () => Promise.resolve(),
      })
    },
  },
  {
    kind: 'a file',
    make: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'longshore-memory-'))
      const open = (): Promise<Store> => openSqliteStore({ path: join(folder, 'store.db') })
      return { store: await open(), reopen: open, dispose: () => rm(folder, { recursive: true }) }
    },
  },
  {
    kind: 'DynamoDB over the wire',
    make: async () => {
      const server = await startDynalite()
      await server.createStoreTable('longshore')
      const open = (): Promise<Store> =>
        openDynamoStore({
          table: 'longshore',
          region: 'local',
          endpoint: server.url,
          credentials: dynaliteCredentials,
          random: () => 0.5,
          timeoutMs: 20_000,
          sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
        })
      return { store: await open(), reopen: open, dispose: () => server.close() }
    },
  },
]

async function kindOf(work: Promise<unknown>): Promise<MemoryErrorKind | 'done'> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof MemoryError) return error.kind
    throw error
  }
}

describe.each(places)('what a function remembers in $kind', ({ make }) => {
  let place: Place
  beforeAll(async () => {
    place = await make()
  })
  afterAll(async () => {
    await place.store.close()
    await place.dispose()
  })
  const time = { now: start }
  const of = (name: 'cron-scaler' | 'image-cleaner', store: Store = place.store) =>
    createMemory(store, { function: name, now: () => time.now })

  it('is there for the next process, and not for another function', async () => {
    const value = { at: start, list: [1, 'two', null, { deep: true }], big: 9_007_199_254_740_993n, ünï: '日本' }
    await of('cron-scaler').put('kept', value)
    const other = await place.reopen()
    const entry = await of('cron-scaler', other).get('kept')
    expect(entry).toEqual({ key: 'kept', value, version: entry?.version })
    expect(await of('image-cleaner', other).get('kept')).toBeUndefined()
    await other.close()
    await of('cron-scaler').delete('kept')
    expect(await of('cron-scaler').get('kept')).toBeUndefined()
    expect(await kindOf(of('cron-scaler').delete('kept'))).toBe('done')
  })

  it('may be any JSON value by itself', async () => {
    const memory = of('cron-scaler')
    for (const value of ['text', '', 0, -1.5, true, null, [], {}, [[]]]) {
      await memory.put('single', value)
      expect((await memory.get('single'))?.value).toEqual(value)
    }
    await memory.delete('single')
  })

  it('is listed by the beginning of its key, all of it and nothing else', async () => {
    const memory = of('image-cleaner')
    const keys = ['seen/a', 'seen/b c', 'seen/日本/x', 'seen', 'see', 'seenx', 'Seen/a', 'seen/%2F', 'other']
    for (const key of keys) await memory.put(key, { key })
    const under = async (prefix: string): Promise<string[]> => (await memory.list(prefix)).map(({ key }) => key).toSorted()
    expect(await under('seen/')).toEqual(['seen/%2F', 'seen/a', 'seen/b c', 'seen/日本/x'].toSorted())
    expect(await under('seen/日')).toEqual(['seen/日本/x'])
    expect(await under('')).toEqual(keys.toSorted())
    expect(await under('nothing')).toEqual([])
    for (const key of keys) await memory.delete(key)
  })

  it('goes with its expiry, to the millisecond', async () => {
    const memory = of('cron-scaler')
    await memory.put('short', 1, { expiresAt: start + 1000 })
    time.now = start + 999
    expect((await memory.get('short'))?.value).toBe(1)
    time.now = start + 1000
    expect(await memory.get('short')).toBeUndefined()
    expect(await memory.list('short')).toEqual([])
    await memory.put('short', 2, { ifVersion: 'absent' })
    expect((await memory.get('short'))?.value).toBe(2)
    await memory.delete('short')
    time.now = start
  })

  it('is written over a version only while it is that one', async () => {
    const memory = of('cron-scaler')
    expect(await kindOf(memory.put('shared', 'mine', { ifVersion: 'absent' }))).toBe('done')
    expect(await kindOf(memory.put('shared', 'theirs', { ifVersion: 'absent' }))).toBe('memory.conflict')
    const version = (await memory.get('shared'))?.version ?? -1
    expect(await kindOf(memory.put('shared', 'mine again', { ifVersion: version }))).toBe('done')
    expect(await kindOf(memory.put('shared', 'late', { ifVersion: version }))).toBe('memory.conflict')
    expect((await memory.get('shared'))?.value).toBe('mine again')
    await memory.delete('shared')
    const conflict = memory.put('shared', 'late', { ifVersion: version })
    await expect(conflict).rejects.toThrow(
      /"shared" was to be written only over version [0-9]+, but nothing is there\. Nothing was written/,
    )
  })

  it('is at most 256 KiB', async () => {
    const memory = of('cron-scaler')
    const most = 256 * 1024
    expect(await kindOf(memory.put('large', 'x'.repeat(most - 2)))).toBe('done')
    expect(await kindOf(memory.put('large', 'x'.repeat(most - 1)))).toBe('memory.too-large')
    expect(await kindOf(memory.put('large', 'ü'.repeat(most / 2)))).toBe('memory.too-large')
    expect(JSON.stringify((await memory.get('large'))?.value)).toHaveLength(most)
    await memory.delete('large')
  })
})

describe('what cannot be remembered', () => {
  const memory = createMemory(openMemoryStore(new MemoryDisk()), { function: 'cron-scaler', now: () => start })

  it.each([
    ['undefined', undefined],
    ['a date', { at: new Date(0) }],
    ['no number', { size: Number.NaN }],
    ['a map', new Map()],
    ['a function', () => 1],
  ])('is %s, and the message shows no value', async (_, value) => {
    expect(await kindOf(memory.put('odd', value))).toBe('memory.invalid')
    await expect(memory.put('odd', ['hunter2', value])).rejects.not.toThrow(/hunter2/)
  })

  it.each([
    ['', /is empty/],
    ['\ud83d', /half a character/],
    ['x'.repeat(1025), /1024 are allowed/],
    ['日'.repeat(114), /1024 are allowed/],
  ])('under the key %j', async (key, why) => {
    await expect(memory.put(key, 1)).rejects.toThrow(why)
    await expect(memory.get(key)).rejects.toThrow(why)
    expect(await kindOf(memory.delete(key))).toBe('memory.invalid')
  })

  it('any key that is allowed comes back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }), async (key) => {
        await memory.put(key, key)
        expect((await memory.get(key))?.key).toBe(key)
        const [first] = [...key]
        expect((await memory.list(first ?? '')).map((entry) => entry.key)).toContain(key)
        await memory.delete(key)
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  it('nobody remembers anything without a store', async () => {
    expect(await noMemory.get('x')).toBeUndefined()
    expect(await noMemory.list('')).toEqual([])
  })
})
