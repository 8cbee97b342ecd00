import { describe, expect, it } from 'vitest'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const now = Date.parse('2026-11-24T12:00:00.000Z')
const order = { owner: 'worker', now: now + 10, deadline: now + 60_000 }

/** A store that takes nothing out of the line while `isStuck` says so. */
function openStuckStore(isStuck: () => boolean): Store {
  const store = openMemoryStore(new MemoryDisk())
  return {
    name: store.name,
    get: (key, read) => store.get(key, read),
    query: (query) => store.query(query),
    close: () => store.close(),
    delete: async (key, given) => {
      if (isStuck() && key.partition.endsWith('/open')) throw new StoreError('store.unavailable', 'The store is away.')
      return await store.delete(key, given)
    },
    put: async (key, data, options) => {
      if (isStuck() && key.partition.endsWith('/dead')) throw new StoreError('store.unavailable', 'The store is away.')
      return await store.put(key, data, options)
    },
  }
}

async function accept(inbox: Inbox, id: string, at: number): Promise<string> {
  const { entry } = await inbox.accept({ source: 'test', id, group: 'team/web', payload: { id }, receivedAt: at, now: at })
  return entry.id
}

describe('an event that was finished when the store could not take it out of its line', () => {
  for (const kind of ['done', 'dead'] as const) {
    it(`does not hold up its group for ever (${kind}): who is nudged for it clears it away`, async () => {
      let isStuck = true
      const inbox = createInbox(
        openStuckStore(() => isStuck),
        { function: 'redeploy-hook' },
      )
      const first = await accept(inbox, 'first', now)
      const second = await accept(inbox, 'second', now + 1)
      const taken = await inbox.takeFor(first, order)
      if (taken.kind !== 'taken') throw new Error(`it is ${taken.kind}`)
      await inbox.finish(taken.claim, { now: now + 20, outcome: kind === 'done' ? { kind } : { kind, code: 'c', text: 't' } })
      isStuck = false
      // The queue is woken for whatever comes first, as a sweep does.
      const [due] = await inbox.due({ now: now + 30 })
      expect(due?.nudge.id).toBe(first)
      const over = await inbox.takeFor(first, { ...order, now: now + 40 })
      expect(over.kind).toBe(kind === 'done' ? 'finished' : 'dead')
      const [next] = await inbox.due({ now: now + 50 })
      expect(next?.nudge.id).toBe(second)
    })
  }
})
