import { describe, expect, test } from 'vitest'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { fails, storeContract } from '../../contract/store-suite.ts'

storeContract(
  'in memory',
  async () => {
    const disk = new MemoryDisk()
    return {
      open: async () => openMemoryStore(disk),
      openSmall: async () => openMemoryStore(new MemoryDisk({ capacityBytes: 100_000 })),
      runs: 200,
      dispose: async () => disk.contents(),
    }
  },
  { processes: false, fill: true },
)

const now = 1_790_000_000_000
const key = { partition: 'p', sort: 's' }

describe('the store in memory, as simulations use it', () => {
  test('a hook that throws before a call prevents it; one that throws after it only takes the answer', async () => {
    const disk = new MemoryDisk()
    const lost = new StoreError('store.unknown-outcome', 'Store: the answer is lost.')
    const gone = new StoreError('store.unavailable', 'Store: it is not there.')
    const seen: StoreCall[] = []
    const store = openMemoryStore(disk, {
      before: (call) => {
        seen.push(call)
        if (call.index === 1) throw gone
      },
      after: (call) => {
        if (call.index === 2) throw lost
      },
    })
    await fails('store.unavailable', store.put(key, { n: 1 }, { when: 'absent', now }))
    expect(disk.contents()).toBe('')
    await fails('store.unknown-outcome', store.put(key, { n: 2 }, { when: 'absent', now }))
    expect((await store.get(key, { now }))?.data).toEqual({ n: 2 })
    await store.delete(key, { when: 'any', now })
    await store.query({ partition: 'p', now })
    expect(seen).toEqual([
      { operation: 'put', partition: 'p', sort: 's', index: 1 },
      { operation: 'put', partition: 'p', sort: 's', index: 2 },
      { operation: 'get', partition: 'p', sort: 's', index: 3 },
      { operation: 'delete', partition: 'p', sort: 's', index: 4 },
      { operation: 'query', partition: 'p', sort: undefined, index: 5 },
    ])
  })

  test('a hook that never ends is a process that was cut: what came after it never happens, what came before stays', async () => {
    const disk = new MemoryDisk()
    const cut = openMemoryStore(disk, { before: (call) => (call.index === 2 ? new Promise<never>(() => undefined) : undefined) })
    await cut.put(key, { n: 1 }, { when: 'absent', now })
    const late = cut.put(key, { n: 2 }, { when: 'any', now })
    const next = openMemoryStore(disk)
    expect((await next.get(key, { now }))?.data).toEqual({ n: 1 })
    expect(await Promise.race([late, Promise.resolve('still waiting')])).toBe('still waiting')
  })

  test('a write decides on what is there when it runs, not when it was asked for', async () => {
    const disk = new MemoryDisk()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = openMemoryStore(disk, { before: () => held })
    const fast = openMemoryStore(disk)
    const late = slow.put(key, { who: 'slow' }, { when: 'absent', now })
    await fast.put(key, { who: 'fast' }, { when: 'absent', now })
    release()
    expect(await late).toMatchObject({ ok: false, current: { data: { who: 'fast' } } })
  })

  test('27 the same history leaves the same contents, byte for byte, in whatever order partitions came', async () => {
    const contents = async (order: readonly string[]): Promise<string> => {
      const disk = new MemoryDisk()
      const store = openMemoryStore(disk)
      for (const partition of order) {
        await store.put({ partition, sort: 'b' }, { partition }, { when: 'absent', now, expiresAt: now + 5 })
        await store.put({ partition, sort: 'a' }, { partition }, { when: 'absent', now })
      }
      await store.delete({ partition: 'x', sort: 'a' }, { when: 'any', now })
      return disk.contents()
    }
    const text = await contents(['x', 'y'])
    expect(text).toBe(
      `x\ta\t${now + 2}\t0\t\nx\tb\t${now + 1}\t${now + 5}\t{"partition":"x"}\ny\ta\t${now + 1}\t-\t{"partition":"y"}\ny\tb\t${now + 1}\t${now + 5}\t{"partition":"y"}\n`,
    )
    expect(await contents(['y', 'x'])).toBe(text)
  })
})
