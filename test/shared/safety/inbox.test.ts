import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { stringifyJson } from '#cloud/json.ts'
import { createInbox, type Inbox, type InboxClaim, type InboxOptions, type InboxOutcome } from '#shared/safety/inbox.ts'
import { entryIdOf, type InboxError, maxPayloadBytes, problemOf } from '#shared/safety/inbox-entry.ts'
import type { InboxNudge } from '#shared/safety/nudge.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import { sweepInbox } from '#shared/safety/sweep-inbox.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

const start = 1_790_000_000_000
const minute = 60_000
const name = 'redeploy-hook'

let disk: MemoryDisk
let calls: StoreCall[]
beforeEach(() => {
  disk = new MemoryDisk()
  calls = []
})

function open(options: Partial<InboxOptions> = {}): Inbox {
  return createInbox(openMemoryStore(disk, { before: (call) => void calls.push(call) }), { function: name, ...options })
}

const event = (id: string, more: { group?: string; payload?: unknown; at?: number } = {}) => ({
  source: 'harbor',
  id,
  group: more.group ?? id,
  payload: 'payload' in more ? more.payload : { tag: id },
  receivedAt: more.at ?? start,
  now: more.at ?? start,
})

const order = (now: number, owner = 'run-1') => ({ owner, now, deadline: now + minute })
const done: InboxOutcome = { kind: 'done' }
const failed: InboxOutcome = { kind: 'failed', code: 'cloud.network', text: 'no connection' }

const idsOf = (claims: readonly InboxClaim[]): string[] => claims.map(({ entry }) => entry.key)

async function takeOne(inbox: Inbox, now: number, owner?: string): Promise<InboxClaim> {
  const { claims } = await inbox.take({ ...order(now, owner), limit: 1 })
  expect(claims).toHaveLength(1)
  return claims[0]!
}

async function kindOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Error)
  return (error as InboxError).kind
}

describe('accept', () => {
  it('makes an event durable in two round trips', async () => {
    const accepted = await open().accept(event('a', { payload: { tag: 'v1', size: 9007199254740993n } }))
    expect(accepted).toMatchObject({
      kind: 'accepted',
      sameContent: true,
      entry: { state: 'RECEIVED', source: 'harbor', key: 'a', attempt: 0 },
    })
    expect(calls.map(({ operation }) => operation)).toEqual(['put', 'put'])
    const entry = await open().get(accepted.entry.id, { now: start })
    expect(entry).toEqual(accepted.entry)
    expect(entry?.payload).toEqual({ tag: 'v1', size: 9007199254740993n })
  })

  it('knows a delivery that is repeated, and says what came first', async () => {
    const inbox = open()
    const first = await inbox.accept(event('a'))
    const again = await inbox.accept(event('a', { at: start + 5000, payload: { other: true } }))
    expect(again).toMatchObject({ kind: 'duplicate', sameContent: false, entry: { receivedAt: start, payload: { tag: 'a' } } })
    expect((await inbox.accept(event('a', { at: start + 6000 }))).sameContent).toBe(true)
    expect(again.entry.id).toBe(first.entry.id)
    expect((await inbox.take(order(start + 7000))).claims).toHaveLength(1)
    expect((await inbox.take(order(start + 7000))).claims).toHaveLength(0)
  })

  it('keeps events of different sources, functions and ids apart', async () => {
    const ids = new Set([
      (await open().accept(event('a'))).entry.id,
      (await open().accept({ ...event('a'), group: 'other', source: 'docker' })).entry.id,
      (await open().accept(event('b'))).entry.id,
      (await open({ function: 'alarm-scaler' }).accept(event('a'))).entry.id,
    ])
    expect(ids.size).toBe(4)
    expect((await open().take(order(start))).claims).toHaveLength(3)
  })

  it('asks for a nudge until somebody has begun with it', async () => {
    const inbox = open()
    const { nudge } = await inbox.accept(event('a', { group: 'web' }))
    expect(nudge).toMatchObject({ function: name, group: 'web' })
    expect((await inbox.accept(event('a'))).nudge).toEqual(nudge)
    const claim = await takeOne(inbox, start)
    expect((await inbox.accept(event('a'))).nudge).toBeUndefined()
    await inbox.finish(claim, { now: start, outcome: done })
    expect(await inbox.accept(event('a'))).toMatchObject({ kind: 'duplicate', nudge: undefined, entry: { state: 'DONE' } })
  })

  it('takes whatever ids strangers choose', async () => {
    const inbox = open()
    const seen = new Set<string>()
    for (const id of ['../../x', 'a b\n', '\u0000', 'é', '\ud800', '__proto__', 'x'.repeat(1024), '"', '/', '%2F']) {
      const { kind, entry } = await inbox.accept(event(id, { group: 'g' }))
      expect(kind).toBe('accepted')
      expect(entry.id).toMatch(/^[0-9a-f]{40}$/)
      seen.add(entry.id)
      expect((await inbox.accept(event(id, { group: 'g' }))).kind).toBe('duplicate')
    }
    expect(seen.size).toBe(10)
  })

  it.each([
    ['an empty id', { id: '' }, 'inbox.invalid'],
    ['an id that is too long', { id: 'x'.repeat(1025) }, 'inbox.invalid'],
    ['an empty group', { group: '' }, 'inbox.invalid'],
    ['a group that is too long', { group: 'x'.repeat(513) }, 'inbox.invalid'],
    ['a source that is no name', { source: 'Harbor!' }, 'inbox.invalid'],
    ['no payload', { payload: undefined }, 'inbox.invalid'],
    ['a payload that is no JSON', { payload: { at: new Date(0) } }, 'inbox.invalid'],
    ['a number that JSON cannot carry', { payload: [Number.NaN] }, 'inbox.invalid'],
    ['no time', { receivedAt: Number.NaN }, 'inbox.invalid'],
    ['a time before all times', { now: -1 }, 'inbox.invalid'],
    ['a time after all times', { receivedAt: 8_640_000_000_000_001 }, 'inbox.invalid'],
    ['a time that is a text', { now: '5' as unknown as number }, 'inbox.invalid'],
    ['an id that is no text', { id: 5 as unknown as string }, 'inbox.invalid'],
    ['a source that begins with a dash', { source: '-a' }, 'inbox.invalid'],
    ['a source that ends with a dash', { source: 'a-' }, 'inbox.invalid'],
    ['a source that is too long', { source: 'a'.repeat(65) }, 'inbox.invalid'],
    ['a payload over 256 KiB', { payload: 'é'.repeat(maxPayloadBytes / 2) }, 'inbox.too-large'],
  ])('refuses %s and writes nothing', async (_, part, kind) => {
    expect(await kindOf(open().accept({ ...event('a'), ...part }))).toBe(kind)
    expect(calls).toEqual([])
  })

  it('takes a payload of exactly 256 KiB', async () => {
    const payload = 'x'.repeat(maxPayloadBytes - 2)
    const { entry } = await open().accept(event('a', { payload }))
    expect((await takeOne(open(), start)).entry.payload).toBe(payload)
    expect((await open().get(entry.id, { now: start }))?.state).toBe('TAKEN')
  })

  it('takes sources of one and of 64 characters', async () => {
    for (const source of ['a', '0', 'a'.repeat(64), 'a-b']) expect((await open().accept({ ...event('a'), source })).kind).toBe('accepted')
  })

  it('puts an event in line whose first delivery got no further than the entry', async () => {
    const cut = createInbox(
      openMemoryStore(disk, {
        before: ({ partition }) => {
          if (partition.endsWith('/open')) throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    expect(await kindOf(cut.accept(event('a')))).toBe('store.unavailable')
    expect(await kindOf(cut.accept(event('soon')))).toBe('store.unavailable')
    const inbox = open()
    expect((await inbox.take(order(start))).claims).toHaveLength(0)
    // Right away.
    await inbox.accept(event('soon', { at: start + 1 }))
    await inbox.finish(await takeOne(inbox, start + 2), { now: start + 2, outcome: done })
    expect((await inbox.get(entryIdOf(name, 'harbor', 'soon'), { now: start + 2 }))?.state).toBe('DONE')
    // Hours later, when earlier looks have moved on.
    const later = start + 300 * minute
    await inbox.take(order(later))
    await inbox.take(order(later + 1))
    const again = await inbox.accept(event('a', { at: later }))
    expect(again).toMatchObject({ kind: 'duplicate', entry: { receivedAt: start } })
    expect(again.nudge).toBeDefined()
    expect(idsOf((await inbox.take(order(later + 2))).claims)).toEqual(['a'])
  })

  it('puts an event in line again whose first delivery hung until looks had moved on', async () => {
    let release = (): void => undefined
    const hung = new Promise<void>((resolve) => {
      release = resolve
    })
    const slow = createInbox(
      openMemoryStore(disk, {
        before: async ({ partition }) => {
          if (partition.endsWith('/open')) await hung
        },
      }),
      { function: name },
    )
    const first = slow.accept(event('a'))
    const inbox = open()
    const later = start + 30 * minute
    await inbox.take(order(later))
    release()
    expect((await first).kind).toBe('accepted')
    expect((await inbox.take(order(later + 1))).claims).toHaveLength(0)
    expect((await inbox.accept(event('a', { at: later + 2 }))).kind).toBe('duplicate')
    expect(idsOf((await inbox.take(order(later + 3))).claims)).toEqual(['a'])
  })

  it('settles lost answers by reading', async () => {
    for (const fates of [['lose-after'], ['lose-before'], ['pass', 'lose-after'], ['pass', 'lose-before']] satisfies Fate[][]) {
      disk = new MemoryDisk()
      const left = [...fates] as Fate[]
      const inbox = createInbox(
        unsteadyStore(openMemoryStore(disk), () => left.shift() ?? 'pass'),
        { function: name },
      )
      expect((await inbox.accept(event('a'))).kind).toBe('accepted')
      expect(idsOf((await open().take(order(start))).claims)).toEqual(['a'])
    }
  })

  it('tries a few times to be heard by the store, and then says so', async () => {
    for (const [losses, kind] of [
      [2, undefined],
      [3, 'store.unknown-outcome'],
    ] as const) {
      disk = new MemoryDisk()
      let left: number = losses
      const inbox = createInbox(
        openMemoryStore(disk, {
          before: ({ partition }) => {
            if (!partition.endsWith('/open') || left === 0) return
            left -= 1
            throw new StoreError('store.unknown-outcome', 'lost')
          },
        }),
        { function: name },
      )
      if (kind === undefined) expect((await inbox.accept(event('a'))).kind).toBe('accepted')
      else expect(await kindOf(inbox.accept(event('a')))).toBe(kind)
    }
    let calls_ = 0
    const down = createInbox(
      openMemoryStore(disk, {
        before: () => {
          calls_ += 1
          throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    expect(await kindOf(down.accept(event('b')))).toBe('store.unavailable')
    expect(calls_).toBe(1)
  })

  it('accepts what was there a moment ago and is not any more, but not for ever', async () => {
    const store = openMemoryStore(disk)
    const put = store.put.bind(store)
    let refusals = 3
    store.put = async (key, data, options) => {
      if (!key.partition.endsWith('/entries') || refusals === 0) return await put(key, data, options)
      refusals -= 1
      return { ok: false, current: undefined }
    }
    const inbox = createInbox(store, { function: name })
    expect((await inbox.accept(event('a'))).kind).toBe('accepted')
    refusals = 1000
    expect(await kindOf(inbox.accept(event('b')))).toBe('inbox.contended')
  })

  it('accepts an id again once it is forgotten', async () => {
    const inbox = open({ keepMs: 10 * minute })
    await inbox.accept(event('a'))
    await inbox.finish(await takeOne(inbox, start), { now: start + minute, outcome: done })
    expect((await inbox.accept(event('a', { at: start + 11 * minute - 1 }))).kind).toBe('duplicate')
    expect((await inbox.accept(event('a', { at: start + 11 * minute }))).kind).toBe('accepted')
    expect(idsOf((await inbox.take(order(start + 11 * minute))).claims)).toEqual(['a'])
  })

  it('accepts one event once, however many deliveries come at the same time', async () => {
    const inboxes = [open(), open(), open()]
    const answers = await Promise.all(
      Array.from({ length: 9 }, (_, index) => inboxes[index % 3]!.accept(event('a', { at: start + index }))),
    )
    expect(answers.filter(({ kind }) => kind === 'accepted')).toHaveLength(1)
    expect(new Set(answers.map(({ entry }) => entry.receivedAt)).size).toBe(1)
    const taken = await Promise.all(inboxes.map((inbox, index) => inbox.take(order(start + 100, `run-${index}`))))
    expect(taken.flatMap(({ claims }) => claims)).toHaveLength(1)
  })
})

describe('take', () => {
  it('gives the oldest first, at most one of each group', async () => {
    const inbox = open()
    await inbox.accept(event('c', { group: 'api', at: start + 3 }))
    await inbox.accept(event('a', { group: 'web', at: start + 1 }))
    await inbox.accept(event('b', { group: 'web', at: start + 2 }))
    expect(idsOf((await inbox.take(order(start + 10))).claims)).toEqual(['a', 'c'])
    expect(idsOf((await inbox.take(order(start + 10))).claims)).toEqual([])
  })

  it('keeps the order of what comes in the same millisecond to one process', async () => {
    const inbox = open()
    const names = Array.from({ length: 30 }, (_, index) => `event-${index}`)
    for (const id of names) await inbox.accept(event(id, { group: 'web' }))
    const worked: string[] = []
    for (let i = 0; i < names.length; i += 1) {
      const claim = await takeOne(inbox, start)
      worked.push(claim.entry.key)
      await inbox.finish(claim, { now: start, outcome: done })
    }
    expect(worked).toEqual(names)
  })

  it('takes no more than asked for', async () => {
    const inbox = open()
    for (let i = 0; i < 5; i += 1) await inbox.accept(event(`e${i}`, { at: start + i }))
    expect(idsOf((await inbox.take({ ...order(start + 10), limit: 2 })).claims)).toEqual(['e0', 'e1'])
    expect(idsOf((await inbox.take({ ...order(start + 10), limit: 2 })).claims)).toEqual(['e2', 'e3'])
  })

  it('costs three round trips, and finishing two', async () => {
    const inbox = open()
    await inbox.accept(event('a'))
    calls = []
    const claim = await takeOne(inbox, start)
    expect(calls.map(({ operation }) => operation)).toEqual(['query', 'get', 'put'])
    calls = []
    await inbox.finish(claim, { now: start, outcome: done })
    expect(calls.map(({ operation }) => operation)).toEqual(['put', 'delete'])
  })

  it('brings back what was taken and never given back, after its deadline and the grace', async () => {
    const inbox = open({ graceMs: 1000 })
    await inbox.accept(event('a'))
    await takeOne(inbox, start)
    expect((await inbox.take(order(start + minute + 1000, 'run-2'))).claims).toHaveLength(0)
    const second = await takeOne(inbox, start + minute + 1001, 'run-2')
    expect(second.entry).toMatchObject({ attempt: 2, payload: { tag: 'a' } })
  })

  it('goes to the dead when every try ended without an answer', async () => {
    const inbox = open({ graceMs: 0, maxAttempts: 3 })
    const { entry } = await inbox.accept(event('a', { group: 'web' }))
    await inbox.accept(event('b', { group: 'web', at: start + 1 }))
    let now = start
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      expect((await takeOne(inbox, now)).entry).toMatchObject({ key: 'a', attempt })
      now += minute + 1
    }
    const next = await inbox.take(order(now))
    expect(next.died).toEqual([entry.id])
    expect(idsOf(next.claims)).toEqual(['b'])
    expect(await inbox.get(entry.id, { now })).toMatchObject({ state: 'DEAD', error: { code: 'inbox.no-answer' }, payload: { tag: 'a' } })
  })

  it('keeps in mind what went wrong before that', async () => {
    const inbox = open({ graceMs: 0, maxAttempts: 2 })
    const { entry } = await inbox.accept(event('a'))
    await inbox.finish(await takeOne(inbox, start), { now: start, outcome: failed })
    await takeOne(inbox, start + minute)
    await inbox.take(order(start + 3 * minute))
    expect((await inbox.get(entry.id, { now: start }))?.error?.text).toMatch(/^2 tries ended without an answer.*; before: no connection$/)
  })

  it('refuses an owner without a name and a deadline that is over', async () => {
    expect(await kindOf(open().take({ owner: '', now: start, deadline: start + 1 }))).toBe('inbox.invalid')
    expect(await kindOf(open().take({ owner: 'x', now: start, deadline: start }))).toBe('inbox.invalid')
    expect(await kindOf(open().take({ owner: 'x', now: start, deadline: Number.NaN }))).toBe('inbox.invalid')
  })

  it('lets one of two have an event', async () => {
    await open().accept(event('a'))
    const both = await Promise.all([open().take(order(start, 'run-1')), open().take(order(start, 'run-2'))])
    expect(both.flatMap(({ claims }) => claims)).toHaveLength(1)
  })

  it('reads a long line in pages and finds the few that may be taken', async () => {
    const inbox = open({ pageSize: 50 })
    for (let i = 0; i < 130; i += 1) await inbox.accept(event(`w${i}`, { group: 'web', at: start + i }))
    await inbox.accept(event('other', { group: 'api', at: start + 500 }))
    // Only as far as it must.
    expect(idsOf((await inbox.take(order(start + 1000))).claims)).toEqual(['w0'])
    expect(idsOf((await inbox.take(order(start + 1000))).claims)).toEqual(['other'])
  })

  it('gives what it has taken when the store goes away meanwhile', async () => {
    for (let i = 0; i < 3; i += 1) await open().accept(event(`e${i}`, { at: start + i }))
    let puts = 0
    const inbox = createInbox(
      openMemoryStore(disk, {
        before: ({ operation }) => {
          if (operation === 'put') puts += 1
          if (puts > 1) throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    expect(idsOf((await inbox.take(order(start + 10))).claims)).toEqual(['e0'])
    expect(await kindOf(inbox.take(order(start + 10)))).toBe('store.unavailable')
  })

  it('clears away every marker of what is dead or done, also one that a repeated delivery made', async () => {
    for (const outcome of [done, { kind: 'dead', code: 'x', text: 'y' } as const]) {
      disk = new MemoryDisk()
      const inbox = open()
      await inbox.accept(event('a', { group: 'web' }))
      // So late that it is put in line a second time.
      await inbox.accept(event('a', { group: 'web', at: start + 6 * minute }))
      await inbox.accept(event('b', { group: 'web', at: start + 7 * minute }))
      const store = openMemoryStore(disk)
      const markers = async (): Promise<number> => (await store.query({ partition: `inbox/${name}/open`, now: start })).items.length
      expect(await markers()).toBe(3)
      const now = start + 8 * minute
      await inbox.finish(await takeOne(inbox, now), { now, outcome })
      const next = await takeOne(inbox, now)
      expect(next.entry.key).toBe('b')
      expect(await markers()).toBe(1)
    }
  })

  it('takes nothing before what was accepted earlier, although a page was read before that', async () => {
    const inbox = open({ pageSize: 50 })
    for (let i = 0; i < 60; i += 1) await inbox.accept(event(`x${i}`, { group: 'x', at: start + i * 10 }))
    await takeOne(inbox, start + 1000)
    // While the first page is read already, two events of one group come in: the first at its place on that page.
    let isDone = false
    const late = createInbox(
      openMemoryStore(disk, {
        before: async ({ operation, index }) => {
          if (operation !== 'query' || index === 1 || isDone) return
          isDone = true
          await open().accept(event('y1', { group: 'y', at: start + 5 }))
          await open().accept(event('y2', { group: 'y', at: start + 900 }))
        },
      }),
      { function: name, pageSize: 50 },
    )
    const { claims } = await late.take(order(start + 1000))
    expect(isDone).toBe(true)
    expect(idsOf(claims)).toEqual([])
    expect(idsOf((await late.take(order(start + 1001))).claims)).toEqual(['y1'])
  })
})

describe('the line', () => {
  it('is not read through what is finished', async () => {
    const inbox = open()
    let now = start
    for (let i = 0; i < 50; i += 1) {
      now += minute
      await inbox.accept(event(`e${i}`, { at: now }))
      await inbox.finish(await takeOne(inbox, now), { now, outcome: done })
    }
    const froms: (string | undefined)[] = []
    const store = openMemoryStore(disk)
    const query = store.query.bind(store)
    store.query = async (wanted) => {
      froms.push(wanted.from)
      return await query(wanted)
    }
    const spied = createInbox(store, { function: name })
    await spied.take(order(now))
    await spied.take(order(now + 1))
    await spied.take(order(now + 61 * minute))
    expect(froms[0]).toBeUndefined()
    expect(Number(froms[1])).toBeGreaterThan(now - 11 * minute)
    expect(froms[2]).toBeUndefined()
    // Whoever only ever follows nudges learns it as well.
    const { entry } = await inbox.accept(event('last', { at: now + 62 * minute }))
    froms.length = 0
    await spied.takeFor(entry.id, order(now + 62 * minute))
    expect(Number(froms[0])).toBeGreaterThan(now)
  })

  it('finds what stands before its start when it is looked through as a whole, and when time goes back', async () => {
    const inbox = open()
    await inbox.take(order(start))
    // From a process that hung: written now, accepted half an hour ago.
    await open().accept(event('late', { at: start - 30 * minute }))
    expect((await inbox.take(order(start + 1))).claims).toHaveLength(0)
    expect(idsOf((await inbox.take(order(start + 61 * minute))).claims)).toEqual(['late'])
    await open().accept(event('back', { at: start - 90 * minute }))
    expect(idsOf((await inbox.take(order(start - 80 * minute))).claims)).toEqual(['back'])
  })

  it('holds a place in the past only so far as an open look still sees it, whatever a clock says', async () => {
    const inbox = open()
    await inbox.take(order(start))
    await inbox.accept({ ...event('old'), receivedAt: start - 600 * minute })
    await inbox.accept({ ...event('new'), receivedAt: start + 600 * minute })
    await inbox.accept({ ...event('newer', { group: 'new', at: start + 1 }) })
    expect(idsOf((await inbox.take(order(start + 2))).claims)).toEqual(['old', 'new'])
  })

  it('is in the order in which events were received, not written down', async () => {
    await open().accept({ ...event('second', { group: 'web' }), receivedAt: start - 1000 })
    await open().accept({ ...event('first', { group: 'web' }), receivedAt: start - 2000 })
    expect((await takeOne(open(), start)).entry.key).toBe('first')
  })

  it('reads nothing but markers while all that is in it waits', async () => {
    const inbox = open()
    for (let i = 0; i < 5; i += 1) await inbox.accept(event(`e${i}`))
    for (const claim of (await inbox.take(order(start))).claims) await inbox.finish(claim, { now: start, outcome: failed })
    calls = []
    expect((await inbox.take(order(start + 9999))).claims).toHaveLength(0)
    expect(calls.map(({ operation }) => operation)).toEqual(['query'])
  })

  it('begins where its oldest event stands', async () => {
    const inbox = open()
    await inbox.accept(event('old'))
    await takeOne(inbox, start)
    const store = openMemoryStore(disk)
    const query = store.query.bind(store)
    const froms: (string | undefined)[] = []
    store.query = async (wanted) => {
      froms.push(wanted.from)
      return await query(wanted)
    }
    const other = createInbox(store, { function: name })
    await other.take(order(start + 30 * minute))
    await other.due({ now: start + 30 * minute })
    expect(froms).toEqual([undefined, String(start - 10 * minute).padStart(16, '0')])
  })

  it('loses what is left over of something that is forgotten', async () => {
    const inbox = open({ keepMs: minute })
    const { entry } = await inbox.accept(event('a', { group: 'web' }))
    await inbox.accept(event('b', { group: 'web', at: start + 1 }))
    await inbox.finish(await takeOne(inbox, start), { now: start, outcome: done })
    const store = openMemoryStore(disk)
    const key = { partition: `inbox/${name}/open`, sort: entry.place }
    await store.put(key, { format: 1, group: 'web', notBefore: 0 }, { when: 'any', now: start })
    expect(idsOf((await inbox.take(order(start + 2 * minute))).claims)).toEqual(['b'])
    expect(await store.get(key, { now: start })).toBeUndefined()
  })
})

describe('takeFor', () => {
  it('takes the event that is asked for, with three round trips', async () => {
    const inbox = open()
    const { entry } = await inbox.accept(event('a'))
    calls = []
    expect(await inbox.takeFor(entry.id, order(start))).toMatchObject({ kind: 'taken', claim: { entry: { key: 'a', attempt: 1 } } })
    expect(calls.map(({ operation }) => operation)).toEqual(['get', 'query', 'put'])
  })

  it('takes what was accepted before it in its group, and tells how things stand otherwise', async () => {
    const inbox = open({ graceMs: 0 })
    await inbox.accept(event('a', { group: 'web', at: start }))
    await inbox.accept(event('x', { group: 'api', at: start + 1 }))
    const { entry } = await inbox.accept(event('b', { group: 'web', at: start + 2 }))
    const now = start + 10
    const first = await inbox.takeFor(entry.id, order(now))
    expect(first).toMatchObject({ kind: 'taken', claim: { entry: { key: 'a' } } })
    expect(await inbox.takeFor(entry.id, order(now))).toEqual({ kind: 'busy', until: now + minute })
    if (first.kind !== 'taken') throw new Error('not taken')
    await inbox.finish(first.claim, { now, outcome: failed })
    expect(await inbox.takeFor(entry.id, order(now))).toEqual({ kind: 'waiting', until: now + 10_000 })
    const again = await inbox.takeFor(entry.id, order(now + 10_000))
    if (again.kind !== 'taken') throw new Error('not taken')
    await inbox.finish(again.claim, { now: now + 10_000, outcome: { kind: 'dead', code: 'x', text: 'y' } })
    const own = await inbox.takeFor(entry.id, order(now + 10_000))
    if (own.kind !== 'taken') throw new Error('not taken')
    expect(own.claim.entry.key).toBe('b')
    await inbox.finish(own.claim, { now: now + 10_000, outcome: done })
    expect(await inbox.takeFor(entry.id, order(now + 10_000))).toEqual({ kind: 'finished' })
    expect(await inbox.takeFor(again.claim.entry.id, order(now + 10_000))).toEqual({ kind: 'dead' })
    expect(await inbox.takeFor('0'.repeat(40), order(now))).toEqual({ kind: 'finished' })
  })

  it('finds an event that stands before the start of the line', async () => {
    const inbox = open()
    await inbox.take(order(start))
    const { entry } = await open().accept(event('late', { at: start - 30 * minute }))
    expect(await inbox.takeFor(entry.id, order(start + 1))).toMatchObject({ kind: 'taken', claim: { entry: { key: 'late' } } })
    expect((await openMemoryStore(disk).query({ partition: `inbox/${name}/open`, now: start })).items).toHaveLength(1)
  })

  it('says until when it is held up', async () => {
    const inbox = open({ graceMs: 5000 })
    const { entry } = await inbox.accept(event('a'))
    await takeOne(inbox, start)
    expect(await inbox.takeFor(entry.id, order(start))).toEqual({ kind: 'busy', until: start + minute + 5000 })
  })

  it('puts an event in line that never was', async () => {
    const cut = createInbox(
      openMemoryStore(disk, {
        before: ({ partition }) => {
          if (partition.endsWith('/open')) throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    await cut.accept(event('a')).catch(() => undefined)
    const id = entryIdOf(name, 'harbor', 'a')
    const inbox = open({ graceMs: 0 })
    expect((await inbox.takeFor(id, order(start))).kind).toBe('taken')
    expect(idsOf((await inbox.take(order(start + minute + 1))).claims)).toEqual(['a'])
  })
})

describe('finish', () => {
  it('keeps what is done so that a replay is recognised, without its payload', async () => {
    const inbox = open()
    const { entry } = await inbox.accept(event('a'))
    const finished = await inbox.finish(await takeOne(inbox, start), { now: start, outcome: done })
    expect(finished.ok).toBe(true)
    const kept = await inbox.get(entry.id, { now: start + 6 * 24 * 60 * minute })
    expect(kept).toMatchObject({ state: 'DONE', receivedAt: start })
    expect(kept?.payload).toBeUndefined()
    expect(await inbox.get(entry.id, { now: start + 7 * 24 * 60 * minute })).toBeUndefined()
  })

  it('waits longer after each try that failed, and gives up after the last', async () => {
    const inbox = open({ maxAttempts: 4 })
    const { entry } = await inbox.accept(event('a'))
    let now = start
    const waits: number[] = []
    for (let attempt = 1; attempt < 4; attempt += 1) {
      const finished = await inbox.finish(await takeOne(inbox, now), { now, outcome: failed })
      if (!finished.ok) throw new Error('lost')
      expect(finished.entry).toMatchObject({ state: 'RETRY', error: { code: 'cloud.network', text: 'no connection', at: now } })
      const dueAt = finished.entry.dueAt!
      expect((await inbox.take(order(dueAt - 1))).claims).toHaveLength(0)
      waits.push(dueAt - now)
      now = dueAt
    }
    expect(waits).toEqual([10_000, 20_000, 40_000])
    const last = await inbox.finish(await takeOne(inbox, now), { now, outcome: failed })
    expect(last).toMatchObject({ ok: true, entry: { state: 'DEAD', attempt: 4 } })
    expect((await inbox.take(order(now + 24 * 60 * minute))).claims).toHaveLength(0)
    expect((await inbox.get(entry.id, { now }))?.payload).toEqual({ tag: 'a' })
  })

  it('waits a quarter of an hour at most', async () => {
    const inbox = open({ maxAttempts: 20 })
    await inbox.accept(event('a'))
    let now = start
    for (let attempt = 1; attempt <= 12; attempt += 1) {
      const finished = await inbox.finish(await takeOne(inbox, now), { now, outcome: failed })
      if (finished.ok) {
        expect(finished.entry.dueAt! - now).toBe(Math.min(15 * minute, 10_000 * 2 ** (attempt - 1)))
        now = finished.entry.dueAt!
      }
    }
  })

  it('goes on later without counting a try', async () => {
    const inbox = open({ maxAttempts: 2 })
    await inbox.accept(event('a'))
    let now = start
    for (let i = 0; i < 5; i += 1) {
      const claim = await takeOne(inbox, now)
      expect(claim.entry.attempt).toBe(1)
      await inbox.finish(claim, { now, outcome: { kind: 'later', at: now + minute, code: 'soak', text: 'soaking' } })
      expect((await inbox.take(order(now + minute - 1))).claims).toHaveLength(0)
      now += minute
    }
    // One that wants to go on at once goes on a second later: it keeps nobody busy.
    const finished = await inbox.finish(await takeOne(inbox, now), { now, outcome: { kind: 'later', at: 0, code: 'x', text: 'y' } })
    expect(finished).toMatchObject({ ok: true, entry: { dueAt: now + 1000 } })
  })

  it('5: is refused to whoever was overtaken', async () => {
    const inbox = open({ graceMs: 0 })
    await inbox.accept(event('a'))
    const stale = await takeOne(inbox, start)
    const fresh = await takeOne(inbox, start + minute + 1, 'run-2')
    for (const outcome of [done, failed, { kind: 'dead', code: 'x', text: 'y' } as const]) {
      expect(await inbox.finish(stale, { now: start + minute + 2, outcome })).toMatchObject({
        ok: false,
        current: { state: 'TAKEN', attempt: 2 },
      })
    }
    expect(await inbox.renew(stale, { now: start + minute + 2, deadline: start + 10 * minute })).toMatchObject({ ok: false })
    expect(await inbox.finish(fresh, { now: start + minute + 3, outcome: done })).toMatchObject({ ok: true, entry: { state: 'DONE' } })
    expect(await inbox.finish(fresh, { now: start + minute + 3, outcome: failed })).toMatchObject({ ok: false, current: { state: 'DONE' } })
    expect(await inbox.finish(stale, { now: start + 8 * 24 * 60 * minute, outcome: done })).toEqual({ ok: false, current: undefined })
  })

  it('renews a claim, and the old one is worth nothing', async () => {
    const inbox = open({ graceMs: 0 })
    await inbox.accept(event('a'))
    const claim = await takeOne(inbox, start)
    const renewed = await inbox.renew(claim, { now: start + 1, deadline: start + 10 * minute })
    if (!renewed.ok) throw new Error('lost')
    expect((await inbox.take(order(start + 10 * minute, 'run-2'))).claims).toHaveLength(0)
    expect((await inbox.finish(claim, { now: start + 2, outcome: done })).ok).toBe(false)
    expect((await inbox.finish(renewed.claim, { now: start + 2, outcome: done })).ok).toBe(true)
  })

  it('is finished although what follows fails, and the next look clears up', async () => {
    for (const [outcome, state] of [
      [done, 'DONE'],
      [{ kind: 'dead', code: 'x', text: 'y' }, 'DEAD'],
      [failed, 'RETRY'],
    ] as const) {
      disk = new MemoryDisk()
      const { entry } = await open().accept(event('a', { group: 'web' }))
      await open().accept(event('b', { group: 'web', at: start + 1 }))
      let isCut = false
      const cut = createInbox(
        openMemoryStore(disk, {
          before: ({ partition }) => {
            if (isCut && !partition.endsWith('/entries')) throw new StoreError('store.unavailable', 'gone')
          },
        }),
        { function: name },
      )
      const claim = await takeOne(cut, start)
      isCut = true
      expect((await cut.finish(claim, { now: start, outcome })).ok).toBe(true)
      const next = await open().take(order(start + 5000))
      expect(idsOf(next.claims)).toEqual(state === 'RETRY' ? [] : ['b'])
      expect((await open().get(entry.id, { now: start }))?.state).toBe(state)
      if (state === 'DEAD') expect(disk.contents()).toMatch(new RegExp(`inbox/${name}/dead\t[0-9.]+${entry.id}`))
    }
  })

  it('cuts what it keeps about a failure', async () => {
    const inbox = open()
    await inbox.accept(event('a'))
    const finished = await inbox.finish(await takeOne(inbox, start), {
      now: start,
      outcome: { kind: 'failed', code: 'c'.repeat(500), text: 'é'.repeat(5000) },
    })
    if (!finished.ok) throw new Error('lost')
    expect(problemOf({ at: 1, code: 'c', text: 'x'.repeat(1000) }).text).toBe('x'.repeat(1000))
    expect(finished.entry.error?.code).toHaveLength(100)
    expect(finished.entry.error?.text).toHaveLength(1001)
  })
})

describe('what is damaged', () => {
  const damage = async (change: (data: Record<string, unknown>) => object): Promise<string> => {
    const { entry } = await open().accept(event('a', { group: 'web' }))
    await open().accept(event('b', { group: 'web', at: start + 1 }))
    const store = openMemoryStore(disk)
    const key = { partition: `inbox/${name}/entries`, sort: entry.id }
    const item = await store.get(key, { now: start })
    await store.put(key, change(item?.data as Record<string, unknown>), { when: 'any', now: start })
    return entry.id
  }

  it.each([
    ['no entry at all', () => ({ nonsense: true })],
    ['an entry of another event', (data: object) => ({ ...data, key: 'b' })],
    ['an entry without a place', (data: object) => ({ ...data, place: 'nowhere' })],
    ['an entry taken by nobody', (data: object) => ({ ...data, state: 'TAKEN' })],
    ['an entry due at no time', (data: object) => ({ ...data, state: 'RETRY' })],
    ['an entry whose payload is gone', ({ payload: _, ...data }: Record<string, unknown>) => data],
  ])('%s goes to the dead and holds up nobody', async (_, change) => {
    const id = await damage(change)
    const taken = await open().take(order(start + 10))
    expect(taken.died).toEqual([id])
    expect(idsOf(taken.claims)).toEqual(['b'])
    expect(await kindOf(open().get(id, { now: start }))).toBe('inbox.corrupt')
    expect(await kindOf(open().accept(event('a')))).toBe('inbox.corrupt')
  })

  it('is not what cannot be read just now', async () => {
    await open().accept(event('a'))
    let isDown = true
    const inbox = createInbox(
      openMemoryStore(disk, {
        before: ({ operation }) => {
          if (operation !== 'get' || !isDown) return
          isDown = false
          throw new StoreError('store.unavailable', 'gone')
        },
      }),
      { function: name },
    )
    expect(await kindOf(inbox.take(order(start)))).toBe('store.unavailable')
    expect(disk.contents()).not.toContain(`inbox/${name}/dead`)
    expect(idsOf((await inbox.take(order(start))).claims)).toEqual(['a'])
  })

  it('is found by a nudge as well, and is with the dead once', async () => {
    const id = await damage(() => ({ nonsense: true }))
    expect(await open().takeFor(id, order(start + 10))).toEqual({ kind: 'dead' })
    expect(await open().takeFor(id, order(start + 20))).toEqual({ kind: 'dead' })
    expect((await openMemoryStore(disk).query({ partition: `inbox/${name}/dead`, now: start })).items).toHaveLength(1)
    expect((await open().due({ now: start + 10 })).map(({ nudge }) => nudge.id)).toEqual([entryIdOf(name, 'harbor', 'b')])
    expect(idsOf((await open().take(order(start + 10))).claims)).toEqual(['b'])
  })

  it('makes a marker anew from its entry', async () => {
    const { entry } = await open().accept(event('a', { group: 'web' }))
    await open().accept(event('b', { group: 'web', at: start + 1 }))
    const store = openMemoryStore(disk)
    await store.put({ partition: `inbox/${name}/open`, sort: entry.place }, { broken: true }, { when: 'any', now: start })
    await store.put({ partition: `inbox/${name}/open`, sort: 'something-else' }, { broken: true }, { when: 'any', now: start })
    expect(idsOf((await open().take(order(start + 10))).claims)).toEqual(['a'])
    expect((await store.get({ partition: `inbox/${name}/open`, sort: entry.place }, { now: start }))?.data).toEqual({
      format: 1,
      group: 'web',
      notBefore: 0,
    })
  })

  it('may be both: the marker and its entry, or there is no entry', async () => {
    const store = openMemoryStore(disk)
    for (const [index, data] of [{ broken: true }, undefined].entries()) {
      const { entry } = await open().accept(event(`a${index}`, { group: 'web', at: start + index }))
      const key = { partition: `inbox/${name}/entries`, sort: entry.id }
      if (data === undefined) await store.delete(key, { when: 'any', now: start })
      else await store.put(key, data, { when: 'any', now: start })
      await store.put({ partition: `inbox/${name}/open`, sort: entry.place }, { broken: true }, { when: 'any', now: start })
    }
    await open().accept(event('b', { group: 'web', at: start + 10 }))
    const taken = await open().take(order(start + 20))
    expect(taken.died).toHaveLength(1)
    expect(idsOf(taken.claims)).toEqual(['b'])
    expect((await store.query({ partition: `inbox/${name}/open`, now: start })).items).toHaveLength(1)
  })
})

describe('sweepInbox', () => {
  const collect = (): { sent: InboxNudge[]; send: (nudge: InboxNudge) => Promise<void> } => {
    const sent: InboxNudge[] = []
    return { sent, send: async (nudge) => void sent.push(nudge) }
  }

  it('nudges for what nobody came for, once it waits too long, and once for each group: for the last that is due', async () => {
    const inbox = open()
    await inbox.accept(event('a', { group: 'web' }))
    const second = await inbox.accept(event('b', { group: 'web', at: start + 1 }))
    await inbox.accept(event('c', { group: 'api', at: start + 30_000 }))
    const nudge = collect()
    expect(await sweepInbox(inbox, nudge, { now: start + minute - 1 })).toEqual({ nudged: 0, failed: [] })
    expect(await sweepInbox(inbox, nudge, { now: start + minute })).toEqual({ nudged: 1, failed: [] })
    expect(nudge.sent).toEqual([second.nudge])
    await sweepInbox(inbox, nudge, { now: start + 2 * minute })
    expect(nudge.sent).toHaveLength(3)
  })

  it('wakes somebody for all that has piled up in a group while no nudge arrived, with one nudge', async () => {
    const inbox = open()
    for (let count = 0; count < 30; count += 1) await inbox.accept(event(`e${count}`, { group: 'web', at: start + count }))
    const nudge = collect()
    await sweepInbox(inbox, nudge, { now: start + 2 * minute })
    expect(nudge.sent).toHaveLength(1)
    const order = { owner: 'w', now: start + 2 * minute, deadline: start + 3 * minute }
    const worked: unknown[] = []
    for (let taken = await inbox.takeFor(nudge.sent[0]?.id ?? '', order); taken.kind === 'taken'; ) {
      worked.push(taken.claim.entry.payload)
      await inbox.finish(taken.claim, { now: order.now, outcome: { kind: 'done' } })
      taken = await inbox.takeFor(nudge.sent[0]?.id ?? '', order)
    }
    expect(worked).toEqual(Array.from({ length: 30 }, (_, count) => ({ tag: `e${count}` })))
  })

  it('does not wake for what waits behind an event that is put off', async () => {
    const inbox = open()
    const first = await inbox.accept(event('a', { group: 'web' }))
    const second = await inbox.accept(event('b', { group: 'web', at: start + 1 }))
    await inbox.finish(await takeOne(inbox, start), { now: start, outcome: failed })
    const nudge = collect()
    await sweepInbox(inbox, nudge, { now: start + 9999 })
    expect(nudge.sent).toEqual([])
    await sweepInbox(inbox, nudge, { now: start + 10_000 })
    expect(nudge.sent).toEqual([second.nudge])
    expect(first.nudge).not.toEqual(second.nudge)
  })

  it('nudges at once for what was put off until now, with another nudge than before', async () => {
    const inbox = open()
    const { nudge: before } = await inbox.accept(event('a'))
    await inbox.finish(await takeOne(inbox, start), { now: start, outcome: failed })
    const nudge = collect()
    await sweepInbox(inbox, nudge, { now: start + 9999 })
    expect(nudge.sent).toEqual([])
    await sweepInbox(inbox, nudge, { now: start + 10_000 })
    expect(nudge.sent).toHaveLength(1)
    expect(nudge.sent[0]?.once).not.toBe(before?.once)
  })

  it('goes on when a nudge fails', async () => {
    const inbox = open()
    for (const id of ['a', 'b', 'c']) await inbox.accept(event(id))
    let sent = 0
    const swept = await sweepInbox(
      inbox,
      {
        send: async () => {
          sent += 1
          if (sent === 2) throw new Error('throttled')
        },
      },
      { now: start + minute },
    )
    expect(swept.nudged).toBe(2)
    expect(swept.failed).toEqual([{ id: expect.stringMatching(/^[0-9a-f]{40}$/), error: new Error('throttled') }])
  })

  it('finds the first of each group in a long line, each once', async () => {
    const inbox = open({ pageSize: 50 })
    for (let i = 0; i < 130; i += 1) await inbox.accept(event(`w${i}`, { group: `g${i % 2}`, at: start + i }))
    await inbox.accept(event('last', { at: start + 500 }))
    const due = await inbox.due({ now: start + 1000, limit: 10 })
    expect(due.map(({ nudge }) => nudge.group)).toEqual(['g0', 'g1', 'last'])
    expect(await inbox.due({ now: start + 1000, limit: 2 })).toHaveLength(2)
  })

  it('sends no more than it is allowed to', async () => {
    const inbox = open()
    for (let i = 0; i < 5; i += 1) await inbox.accept(event(`e${i}`))
    expect((await sweepInbox(inbox, collect(), { now: start + minute, limit: 3 })).nudged).toBe(3)
  })
})

describe('a sweep that runs out of time', () => {
  it('leaves the rest to the next one', async () => {
    const inbox = open()
    for (const id of ['a', 'b', 'c']) await inbox.accept(event(id))
    const sent: InboxNudge[] = []
    const mayGoOn = (): boolean => sent.length < 2
    const swept = await sweepInbox(inbox, { send: async (nudge) => void sent.push(nudge) }, { now: start + minute, mayGoOn })
    expect([swept, sent.length]).toEqual([{ nudged: 2, failed: [] }, 2])
  })
})

describe('any payload', () => {
  it('comes back as it was accepted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.string({ minLength: 1, maxLength: 20 }), async (payload, id) => {
        disk = new MemoryDisk()
        const inbox = open()
        await inbox.accept(event(id, { payload }))
        expect(stringifyJson((await takeOne(inbox, start)).entry.payload)).toBe(stringifyJson(payload))
      }),
      { seed: 11, numRuns: 200 },
    )
  })
})
