import { beforeEach, describe, expect, it } from 'vitest'
import { createDeadLetters, type DeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import type { InboxError } from '#shared/safety/inbox-entry.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const start = 1_790_000_000_000
const minute = 60_000
const name = 'redeploy-hook'

let disk: MemoryDisk
let inbox: Inbox
let letters: DeadLetters
beforeEach(() => {
  disk = new MemoryDisk()
  inbox = createInbox(openMemoryStore(disk), { function: name, graceMs: 0 })
  letters = createDeadLetters(openMemoryStore(disk), { function: name })
})

/** Accepts an event and lets it die; answers its id. */
async function die(key: string, now = start, group = key): Promise<string> {
  const { entry } = await inbox.accept({ source: 'harbor', id: key, group, payload: { key }, receivedAt: now, now })
  await dieAgain(entry.id, now)
  return entry.id
}

async function dieAgain(id: string, now: number): Promise<void> {
  const taken = await inbox.takeFor(id, { owner: 'run', now, deadline: now + minute })
  if (taken.kind !== 'taken') throw new Error(`it is ${taken.kind}`)
  await inbox.finish(taken.claim, { now, outcome: { kind: 'dead', code: 'poison', text: 'cannot be read' } })
}

async function listed(now: number): Promise<readonly (string | undefined)[]> {
  return (await letters.list({ now })).letters.map(({ entry }) => entry?.key)
}

async function kindOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Error)
  return (error as InboxError).kind
}

/** Dead letters whose process dies at the call that this picks. */
function cutAt(isCut: (partition: string, operation: string) => boolean): DeadLetters {
  let isGone = false
  const store = openMemoryStore(disk, {
    before: ({ partition, operation }) => {
      isGone ||= isCut(partition, operation)
      if (isGone) throw new StoreError('store.unavailable', 'gone')
    },
  })
  return createDeadLetters(store, { function: name })
}

describe('list', () => {
  it('shows what is dead in the order in which it died, a page at a time', async () => {
    for (const [index, key] of ['c', 'a', 'b'].entries()) await die(key, start + index)
    expect(await listed(start + 10)).toEqual(['c', 'a', 'b'])
    const page = await letters.list({ now: start + 10, limit: 2 })
    expect(page.letters).toHaveLength(2)
    expect(page.letters[0]).toMatchObject({
      diedAt: start,
      entry: { payload: { key: 'c' }, error: { code: 'poison', text: 'cannot be read' } },
    })
    expect((await letters.list({ now: start + 10, after: page.next })).letters.map(({ entry }) => entry?.key)).toEqual(['b'])
  })

  it('shows nothing of other functions, and nothing that lives', async () => {
    await die('a')
    await inbox.accept({ source: 'harbor', id: 'alive', group: 'x', payload: {}, receivedAt: start, now: start })
    expect(await listed(start)).toEqual(['a'])
    expect((await createDeadLetters(openMemoryStore(disk), { function: 'alarm-scaler' }).list({ now: start })).letters).toEqual([])
  })

  it('keeps them as long as nobody decides', async () => {
    await die('a')
    expect(await listed(start + 1000 * 24 * 60 * minute)).toEqual(['a'])
  })

  it('shows each once, and clears away the markers of former lives', async () => {
    const id = await die('a')
    // Revived, and cut off before the marker of its first death was gone.
    const cut = cutAt((partition, operation) => partition.endsWith('/dead') && operation === 'delete')
    await cut.retry(id, { now: start + 1 }).catch(() => undefined)
    await dieAgain(id, start + 2)
    const store = openMemoryStore(disk)
    const markers = async (): Promise<number> => (await store.query({ partition: `inbox/${name}/dead`, now: start })).items.length
    expect(await markers()).toBe(2)
    expect((await letters.list({ now: start + 3 })).letters.map(({ diedAt }) => diedAt)).toEqual([start + 2])
    expect(await markers()).toBe(1)
    // What is forgotten, and what is no marker at all.
    await letters.discard(id, { now: start + 4 })
    await store.put(
      { partition: `inbox/${name}/dead`, sort: `${String(start).padStart(16, '0')}.0000.${id}` },
      {},
      { when: 'any', now: start },
    )
    await store.put({ partition: `inbox/${name}/dead`, sort: 'strange' }, {}, { when: 'any', now: start })
    expect((await letters.list({ now: start + 8 * 24 * 60 * minute })).letters).toEqual([])
    expect(await markers()).toBe(1)
  })

  it('leaves alone what somebody works on again', async () => {
    const id = await die('a')
    const cut = cutAt((partition, operation) => partition.endsWith('/dead') && operation === 'delete')
    await cut.retry(id, { now: start + 1 }).catch(() => undefined)
    await inbox.takeFor(id, { owner: 'run', now: start + 2, deadline: start + minute })
    expect((await letters.list({ now: start + 2 })).letters).toEqual([])
    expect((await inbox.get(id, { now: start + 2 }))?.state).toBe('TAKEN')
    const store = openMemoryStore(disk)
    expect((await store.query({ partition: `inbox/${name}/open`, now: start + 2 })).items).toHaveLength(1)
  })

  it('passes on what the store says', async () => {
    await die('a')
    let reads = 0
    const down = createDeadLetters(
      openMemoryStore(disk, {
        before: ({ operation }) => {
          reads += 1
          if (operation === 'get') throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    expect(await kindOf(down.list({ now: start }))).toBe('store.unavailable')
    expect(await kindOf(down.discard('0'.repeat(40), { now: start }))).toBe('store.unavailable')
    expect(reads).toBe(3)
  })

  it('finds them by how their ids begin', async () => {
    const id = await die('a')
    await die('b')
    expect((await letters.find(id.slice(0, 8), { now: start })).map((letter) => letter.id)).toEqual([id])
    expect(await letters.find('', { now: start })).toHaveLength(2)
    expect(await letters.find('zzzz', { now: start })).toEqual([])
  })
})

describe('retry', () => {
  it('puts it back in line with all its tries ahead, behind what waits', async () => {
    const id = await die('a', start, 'web')
    await inbox.accept({ source: 'harbor', id: 'b', group: 'web', payload: {}, receivedAt: start + 1, now: start + 1 })
    expect(await letters.retry(id, { now: start + minute })).toMatchObject({ state: 'RECEIVED', attempt: 0, receivedAt: start })
    expect(await listed(start + minute)).toEqual([])
    const keys: string[] = []
    for (let i = 0; i < 2; i += 1) {
      const { claims } = await inbox.take({ owner: 'run', now: start + minute + i, deadline: start + 10 * minute })
      for (const claim of claims) {
        keys.push(`${claim.entry.key} ${claim.entry.attempt}`)
        await inbox.finish(claim, { now: start + minute + i, outcome: { kind: 'done' } })
      }
    }
    expect(keys).toEqual(['b 1', 'a 1'])
  })

  it('may be repeated', async () => {
    const id = await die('a')
    await letters.retry(id, { now: start + 1 })
    await letters.retry(id, { now: start + 2 })
    const { claims } = await inbox.take({ owner: 'run', now: start + 3, deadline: start + minute })
    expect(claims).toHaveLength(1)
  })

  it('is seen again when it dies again', async () => {
    const id = await die('a')
    await letters.retry(id, { now: start + minute })
    await dieAgain(id, start + minute)
    expect(await listed(start + minute)).toEqual(['a'])
    expect(await letters.find(id, { now: start + minute })).toHaveLength(1)
  })

  it.each([
    ['before its place in line', 'a repeated retry', '/open', 'put'],
    ['before its place in line', 'a look at the list', '/open', 'put'],
    ['before it is taken from the dead', 'a repeated retry', '/dead', 'delete'],
    ['before it is taken from the dead', 'a look at the list', '/dead', 'delete'],
  ])('cut off %s, is made whole by %s', async (_, how, where, what) => {
    const id = await die('a')
    const cut = cutAt((partition, operation) => partition.endsWith(where) && operation === what)
    expect(await kindOf(cut.retry(id, { now: start + 1 }))).toBe('store.unavailable')
    if (how === 'a repeated retry') await letters.retry(id, { now: start + 2 })
    else await letters.list({ now: start + 2 })
    const { claims } = await inbox.take({ owner: 'run', now: start + 3, deadline: start + minute })
    expect(claims.map(({ entry }) => entry.key)).toEqual(['a'])
    expect(await listed(start + 3)).toEqual([])
  })

  it('is not undone by a worker that clears up what it saw before', async () => {
    // The marker of its first life is left over; a worker has seen it and the dead entry, and is slow.
    const cut = createInbox(
      openMemoryStore(disk, {
        before: ({ partition, operation }) => {
          if (partition.endsWith('/open') && operation === 'delete') throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    const { entry } = await inbox.accept({ source: 'harbor', id: 'a', group: 'a', payload: {}, receivedAt: start, now: start })
    const { claims } = await cut.take({ owner: 'run', now: start, deadline: start + minute })
    await cut.finish(claims[0]!, { now: start, outcome: { kind: 'dead', code: 'x', text: 'y' } })
    let isRetried = false
    const slow = createInbox(
      openMemoryStore(disk, {
        before: async ({ partition, operation }) => {
          if (isRetried || !partition.endsWith('/open') || operation !== 'delete') return
          isRetried = true
          await letters.retry(entry.id, { now: start + 1 })
        },
      }),
      { function: name },
    )
    await slow.take({ owner: 'slow', now: start + 1, deadline: start + minute })
    expect(isRetried).toBe(true)
    const again = await inbox.take({ owner: 'run', now: start + 2, deadline: start + minute })
    expect(again.claims.map((claim) => claim.entry.key)).toEqual(['a'])
  })

  it('decides on what is there, also when it changes meanwhile', async () => {
    for (const verb of ['retry', 'discard'] as const) {
      disk = new MemoryDisk()
      inbox = createInbox(openMemoryStore(disk), { function: name, graceMs: 0 })
      const id = await die('a')
      let isDone = false
      const slow = createDeadLetters(
        openMemoryStore(disk, {
          before: async ({ operation, partition }) => {
            if (isDone || operation !== 'put' || !partition.endsWith('/entries')) return
            isDone = true
            await createDeadLetters(openMemoryStore(disk), { function: name }).retry(id, { now: start + 1 })
            await dieAgain(id, start + 2)
          },
        }),
        { function: name },
      )
      await slow[verb](id, { now: start + 3 })
      expect((await inbox.get(id, { now: start + 3 }))?.state).toBe(verb === 'retry' ? 'RECEIVED' : 'DONE')
    }
  })

  it('refuses what is not dead, and what is not there', async () => {
    const { entry } = await inbox.accept({ source: 'harbor', id: 'b', group: 'b', payload: {}, receivedAt: start, now: start })
    await inbox.takeFor(entry.id, { owner: 'run', now: start, deadline: start + minute })
    expect(await kindOf(letters.retry(entry.id, { now: start }))).toBe('inbox.not-dead')
    expect(await kindOf(letters.discard(entry.id, { now: start }))).toBe('inbox.not-dead')
    expect(await kindOf(letters.retry('0'.repeat(40), { now: start }))).toBe('inbox.unknown')
    expect(await kindOf(letters.discard('0'.repeat(40), { now: start }))).toBe('inbox.unknown')
  })
})

describe('discard', () => {
  it('counts as done: a replay is known, and nobody works on it', async () => {
    const id = await die('a')
    await letters.discard(id, { now: start + 1 })
    expect(await listed(start + 1)).toEqual([])
    expect(
      await inbox.accept({ source: 'harbor', id: 'a', group: 'a', payload: { key: 'a' }, receivedAt: start + 2, now: start + 2 }),
    ).toMatchObject({
      kind: 'duplicate',
      entry: { state: 'DONE', error: { code: 'poison' } },
      nudge: undefined,
    })
    expect((await inbox.get(id, { now: start + 2 }))?.payload).toBeUndefined()
    expect((await inbox.take({ owner: 'run', now: start + 3, deadline: start + minute })).claims).toEqual([])
    expect(await inbox.get(id, { now: start + 8 * 24 * 60 * minute })).toBeUndefined()
  })

  it('is seen to be over although its marker is left', async () => {
    const id = await die('a')
    await cutAt((partition) => partition.endsWith('/dead'))
      .discard(id, { now: start + 1 })
      .catch(() => undefined)
    expect((await inbox.get(id, { now: start + 1 }))?.state).toBe('DONE')
    expect(await listed(start + 2)).toEqual([])
    const store = openMemoryStore(disk)
    expect((await store.query({ partition: `inbox/${name}/dead`, now: start + 2 })).items).toEqual([])
  })
})

describe('what is damaged', () => {
  it('is shown, cannot be tried again, and can be removed', async () => {
    const { entry } = await inbox.accept({ source: 'harbor', id: 'a', group: 'a', payload: {}, receivedAt: start, now: start })
    const store = openMemoryStore(disk)
    await store.put({ partition: `inbox/${name}/entries`, sort: entry.id }, { nonsense: 1 }, { when: 'any', now: start })
    await inbox.take({ owner: 'run', now: start + 1, deadline: start + minute })
    const page = await letters.list({ now: start + 2 })
    expect(page.letters).toEqual([{ id: entry.id, diedAt: undefined, entry: undefined, damage: expect.stringContaining('is damaged') }])
    expect(await kindOf(letters.retry(entry.id, { now: start + 2 }))).toBe('inbox.corrupt')
    await letters.discard(entry.id, { now: start + 2 })
    expect(await listed(start + 3)).toEqual([])
    expect((await inbox.accept({ source: 'harbor', id: 'a', group: 'a', payload: {}, receivedAt: start + 3, now: start + 3 })).kind).toBe(
      'accepted',
    )
  })
})
