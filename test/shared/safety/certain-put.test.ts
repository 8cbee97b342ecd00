import { describe, expect, it } from 'vitest'
import { putForCertain } from '#shared/safety/certain-put.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type Fate, type UnsteadyStore, unsteadyStore } from './unsteady-store.ts'

const now = 1_790_000_000_000
const key = { partition: 'p', sort: 's' }
const ours = { who: 'us' }
const theirs = { who: 'them' }

/** A store whose calls fare as listed, and a steady one on the same disk. */
function stores(...fates: Fate[]): { store: UnsteadyStore; steady: Store } {
  const disk = new MemoryDisk()
  return { store: unsteadyStore(openMemoryStore(disk), (index) => fates[index - 1] ?? 'pass'), steady: openMemoryStore(disk) }
}

async function kindOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof StoreError) return error.kind
    throw error
  }
  return 'none'
}

describe('a put that knows whether it happened', () => {
  it('is one call when all is well, also when it is refused', async () => {
    const { store, steady } = stores()
    expect(await putForCertain(store, key, ours, { when: 'absent', now })).toEqual({ ok: true, version: now + 1 })
    expect(await putForCertain(store, key, theirs, { when: 'absent', now })).toEqual({ ok: false, current: await steady.get(key, { now }) })
    expect(await putForCertain(store, key, theirs, { when: { version: now + 7 }, now })).toMatchObject({ ok: false })
    expect(store.calls).toEqual(['put', 'put', 'put'])
  })

  it('is refused when the very same is there and no answer was lost: somebody else wrote it', async () => {
    const { store } = stores()
    await putForCertain(store, key, ours, { when: 'absent', now })
    expect(await putForCertain(store, key, { ...ours }, { when: 'absent', now })).toMatchObject({ ok: false, current: { data: ours } })
  })

  it('passes the expiry on', async () => {
    const { store, steady } = stores('lose-before')
    await putForCertain(store, key, ours, { when: 'absent', now, expiresAt: now + 5 })
    expect(await steady.get(key, { now: now + 4 })).toMatchObject({ expiresAt: now + 5 })
  })

  it('finds out after a lost answer, when nothing was there', async () => {
    for (const [fates, calls] of [
      [['lose-after'], ['put', 'get']],
      [['lose-before'], ['put', 'get', 'put']],
      [['late'], ['put', 'get', 'put']],
      [
        ['lose-before', 'pass', 'lose-before'],
        ['put', 'get', 'put', 'get', 'put'],
      ],
    ] as const) {
      const { store, steady } = stores(...fates)
      expect(await putForCertain(store, key, ours, { when: 'absent', now })).toEqual({ ok: true, version: now + 1 })
      expect(store.calls).toEqual(calls)
      expect(await steady.get(key, { now })).toMatchObject({ version: now + 1, data: ours })
    }
  })

  it('finds out after a lost answer, when it was to replace a version, even by the same content', async () => {
    for (const data of [ours, theirs]) {
      for (const fate of ['lose-after', 'lose-before', 'late'] as const) {
        const { store, steady } = stores(fate)
        await steady.put(key, theirs, { when: 'absent', now })
        expect(await putForCertain(store, key, data, { when: { version: now + 1 }, now })).toEqual({ ok: true, version: now + 2 })
        expect(await steady.get(key, { now })).toMatchObject({ version: now + 2, data })
      }
    }
  })

  it('is refused after a lost answer when somebody else was faster', async () => {
    const { store: first, steady } = stores('lose-before')
    const racing: Store = {
      ...first,
      put: async (...given) => {
        await steady.put(key, theirs, { when: 'absent', now })
        return await first.put(...given)
      },
    }
    expect(await putForCertain(racing, key, ours, { when: 'absent', now })).toMatchObject({ ok: false, current: { data: theirs } })
    // It knows from reading; it does not put again.
    expect(first.calls).toEqual(['put', 'get'])
  })

  it('is refused after a lost answer when the version has gone on, or the item is gone', async () => {
    for (const [change, current] of [
      [(store: Store) => store.put(key, theirs, { when: 'any', now }), { version: now + 2, data: theirs }],
      [(store: Store) => store.delete(key, { when: 'any', now }), undefined],
    ] as const) {
      const { store: first, steady } = stores('lose-before')
      await steady.put(key, theirs, { when: 'absent', now })
      const racing: Store = {
        ...first,
        put: async (...given) => {
          await change(steady)
          return await first.put(...given)
        },
      }
      const result = await putForCertain(racing, key, ours, { when: { version: now + 1 }, now })
      expect(result.ok).toBe(false)
      expect(result).toMatchObject(current === undefined ? { current } : { current: { ...current } })
      expect(first.calls).toEqual(['put', 'get'])
    }
  })

  it('is refused when the second put is, with what is there then', async () => {
    for (const current of ['theirs', 'nothing'] as const) {
      let puts = 0
      const { store: first, steady } = stores('lose-before')
      if (current === 'nothing') await steady.put(key, theirs, { when: 'absent', now })
      const when = current === 'nothing' ? { version: now + 1 } : ('absent' as const)
      const racing: Store = {
        ...first,
        put: async (...given) => {
          puts += 1
          if (puts === 2)
            await (current === 'theirs' ? steady.put(key, theirs, { when: 'any', now }) : steady.delete(key, { when: 'any', now }))
          return await first.put(...given)
        },
      }
      const result = await putForCertain(racing, key, ours, { when, now })
      expect(result.ok).toBe(false)
      expect('current' in result ? result.current?.data : 'none').toEqual(current === 'theirs' ? theirs : undefined)
      expect(first.calls).toEqual(['put', 'get', 'put'])
    }
  })

  it('does not know when the store stays away, whatever else goes wrong later', async () => {
    for (const [fates, calls] of [
      [
        ['lose-before', 'refuse'],
        ['put', 'get'],
      ],
      [
        ['lose-after', 'refuse'],
        ['put', 'get'],
      ],
      [
        ['lose-before', 'pass', 'refuse', 'refuse'],
        ['put', 'get', 'put', 'get'],
      ],
      [
        ['lose-before', 'pass', 'lose-before', 'pass', 'lose-before'],
        ['put', 'get', 'put', 'get', 'put', 'get'],
      ],
      [
        ['lose-before', 'pass', 'refuse', 'pass', 'refuse'],
        ['put', 'get', 'put', 'get', 'put', 'get'],
      ],
    ] as const) {
      const { store } = stores(...fates)
      expect(await kindOf(putForCertain(store, key, ours, { when: 'absent', now }))).toBe('store.unknown-outcome')
      expect(store.calls).toEqual(calls)
    }
  })

  it('passes on what certainly did not happen, and bugs', async () => {
    const { store } = stores('refuse')
    expect(await kindOf(putForCertain(store, key, ours, { when: 'absent', now }))).toBe('store.unavailable')
    expect(store.calls).toEqual(['put'])
    for (const operation of ['put', 'get'] as const) {
      const { store: flaky } = stores('lose-before')
      const broken: Store = {
        ...flaky,
        [operation]: () => {
          throw new TypeError(`a bug in ${operation}`)
        },
      }
      await expect(putForCertain(broken, key, ours, { when: 'absent', now })).rejects.toThrow(`a bug in ${operation}`)
    }
    const { store: second } = stores('lose-before')
    let puts = 0
    const later: Store = {
      ...second,
      put: (...given) => {
        puts += 1
        if (puts === 2) throw new TypeError('a bug in the second put')
        return second.put(...given)
      },
    }
    await expect(putForCertain(later, key, ours, { when: 'absent', now })).rejects.toThrow('a bug in the second put')
  })
})
