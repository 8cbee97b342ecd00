import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCheckpoint } from '#shared/safety/checkpoint.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { dynaliteCredentials } from '../../contract/dynalite-credentials.ts'
import { startDynalite } from '../../contract/dynalite-server.ts'

const start = 1_790_000_000_000
const name = 'redeploy-hook'
const groups = 4
const count = 40

/** A store as several processes would open it, and its end. */
interface Place {
  open(): Promise<Store>
  close(): Promise<void>
}

const places: readonly { readonly kind: string; readonly make: () => Promise<Place> }[] = [
  {
    kind: 'a file',
    make: async () => {
      const folder = await mkdtemp(join(tmpdir(), 'longshore-inbox-'))
      return { open: () => openSqliteStore({ path: join(folder, 'store.db') }), close: () => rm(folder, { recursive: true }) }
    },
  },
  {
    kind: 'DynamoDB over the wire',
    make: async () => {
      const server = await startDynalite()
      await server.createStoreTable('longshore')
      return {
        open: () =>
          openDynamoStore({
            table: 'longshore',
            endpoint: server.url,
            region: 'local',
            credentials: dynaliteCredentials,
            timeoutMs: 20_000,
            random: () => 0.5,
            sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
          }),
        close: () => server.close(),
      }
    },
  },
]

describe.each(places)('the inbox in $kind', ({ make }) => {
  it('works on each of many events once and in the order of its group, with two workers and doubled deliveries', async () => {
    const place = await make()
    const stores = await Promise.all([place.open(), place.open(), place.open()])
    const [front, left, right] = stores
    if (front === undefined || left === undefined || right === undefined) throw new Error('no stores')
    try {
      const accepted = createInbox(front, { function: name })
      const answers = []
      for (let i = 0; i < count; i += 1) {
        const event = { source: 'harbor', id: `e${i}`, group: `g${i % groups}`, payload: { i }, receivedAt: start + i, now: start + i }
        answers.push(...(await Promise.all([accepted.accept(event), accepted.accept(event)])))
      }
      expect(answers.filter(({ kind }) => kind === 'accepted')).toHaveLength(count)

      const finished = new Map<string, number[]>()
      const work = async (inbox: Inbox, owner: string): Promise<void> => {
        for (let idle = 0; idle < 3; ) {
          const { claims } = await inbox.take({ owner, now: start + 1000, deadline: start + 60_000, limit: 3 })
          idle = claims.length === 0 ? idle + 1 : 0
          for (const claim of claims) {
            const result = await inbox.finish(claim, { now: start + 1000, outcome: { kind: 'done' } })
            if (!result.ok) throw new Error('it was lost, though nobody could have taken it')
            const { group, payload } = claim.entry
            finished.set(group, [...(finished.get(group) ?? []), (payload as { i: number }).i])
          }
        }
      }
      await Promise.all([work(createInbox(left, { function: name }), 'left'), work(createInbox(right, { function: name }), 'right')])
      for (let group = 0; group < groups; group += 1) {
        expect(finished.get(`g${group}`)).toEqual(Array.from({ length: count / groups }, (_, index) => index * groups + group))
      }
    } finally {
      for (const store of stores) await store.close()
      await place.close()
    }
  })

  it('keeps the largest payload, the dead and a checkpoint', async () => {
    const place = await make()
    const store = await place.open()
    try {
      const inbox = createInbox(store, { function: name })
      const payload = 'x'.repeat(256 * 1024 - 2)
      const { entry } = await inbox.accept({
        source: 'harbor',
        id: '\u0000é'.repeat(300),
        group: '"'.repeat(512),
        payload,
        receivedAt: start,
        now: start,
      })
      const taken = await inbox.takeFor(entry.id, { owner: 'test', now: start, deadline: start + 1000 })
      if (taken.kind !== 'taken') throw new Error(taken.kind)
      await inbox.finish(taken.claim, { now: start, outcome: { kind: 'dead', code: 'x', text: 'é'.repeat(5000) } })
      const letters = createDeadLetters(store, { function: name })
      expect((await letters.list({ now: start })).letters[0]?.entry?.payload).toBe(payload)
      await letters.retry(entry.id, { now: start + 1 })
      expect((await inbox.take({ owner: 'test', now: start + 2, deadline: start + 1000 })).claims[0]?.entry.payload).toBe(payload)

      const options = { function: name, run: 'nightly é', owner: 'one' }
      const checkpoint = createCheckpoint(store, options)
      expect(await checkpoint.save({ at: 1 }, { now: start })).toEqual({ ok: true })
      const next = createCheckpoint(store, { ...options, owner: 'two' })
      expect(await next.load({ now: start })).toMatchObject({ cursor: { at: 1 } })
      expect(await next.save({ at: 2 }, { now: start })).toEqual({ ok: true })
      expect(await checkpoint.save({ at: 3 }, { now: start })).toMatchObject({ ok: false, current: { cursor: { at: 2 } } })
      expect(await next.clear({ now: start })).toEqual({ ok: true })
    } finally {
      await store.close()
      await place.close()
    }
  })
})
