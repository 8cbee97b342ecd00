import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { createLocalQueue, type LocalQueue, type LocalQueueOptions } from '#infra/local/local-queue.ts'
import { createVirtualTime } from '#infra/local/virtual-time.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { Process, Processed, QueuedEvent } from '#shared/runtime/queue-definition.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

const start = 1_790_000_000_000
const minute = 60_000
const name = 'redeploy-hook'

let stopping: AbortController
let now: number
let printed: string[]
let worked: unknown[]
beforeEach(() => {
  stopping = new AbortController()
  now = start
  printed = []
  worked = []
})
afterEach(() => stopping.abort())

const inboxOn = (store: Store): Inbox => createInbox(store, { function: name, graceMs: 0 })

function queueOn(
  inbox: Inbox,
  work: (event: QueuedEvent) => Processed | Promise<Processed>,
  more: Partial<LocalQueueOptions> = {},
): LocalQueue {
  const process: Process = async (event) => {
    worked.push(event.payload)
    return await work(event)
  }
  return createLocalQueue({
    queues: [{ inbox, process }],
    owner: 'this process',
    now: () => now,
    sleep: async (ms, signal) => {
      try {
        await systemClock.sleep(ms, signal)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
    signal: stopping.signal,
    log: silentLog,
    redact: (text) => text,
    print: (line) => printed.push(line),
    ...more,
  })
}

const accept = async (inbox: Inbox, id: string, group = id): Promise<void> => {
  now += 1
  await inbox.accept({ source: 'harbor', id, group, payload: id, receivedAt: now, now })
}

const done = (): Processed => ({ kind: 'done' })

async function until(what: () => boolean): Promise<void> {
  const before = performance.now()
  while (!what()) {
    if (performance.now() - before > 5000) throw new Error('it did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('workOff', () => {
  it('works on all that is due, each group in its order', async () => {
    const inbox = inboxOn(openMemoryStore(new MemoryDisk()))
    for (const id of ['w1', 'x1', 'w2', 'w3', 'x2']) await accept(inbox, id, id[0])
    expect(await queueOn(inbox, done).workOff()).toBe(5)
    expect(worked.filter((payload) => String(payload).startsWith('w'))).toEqual(['w1', 'w2', 'w3'])
    expect(worked.filter((payload) => String(payload).startsWith('x'))).toEqual(['x1', 'x2'])
    expect(printed).toHaveLength(5)
    expect(printed[0]).toMatch(/^redeploy-hook {2}event [0-9a-f]{12} of harbor, try 1 {2}done$/)
    expect(await queueOn(inbox, done).workOff()).toBe(0)
  })

  it('tries again later, and in the end leaves it to the dead', async () => {
    const inbox = createInbox(openMemoryStore(new MemoryDisk()), { function: name, maxAttempts: 2 })
    await accept(inbox, 'a')
    const queue = queueOn(inbox, () => ({ kind: 'failed', code: 'x', text: 'y' }))
    expect(await queue.workOff()).toBe(1)
    expect(await queue.workOff()).toBe(0)
    now += 10_000
    expect(await queue.workOff()).toBe(1)
    expect(printed.map((line) => line.split('  ').at(-1))).toEqual([
      'failed; it is tried again later',
      'dead: see `longshore dead-letters list`',
    ])
  })

  it('says what turned out to be dead on the way', async () => {
    const inbox = createInbox(openMemoryStore(new MemoryDisk()), { function: name, maxAttempts: 1, graceMs: 0 })
    await accept(inbox, 'a')
    await inbox.take({ owner: 'crashed', now, deadline: now + 1 })
    now += minute
    expect(await queueOn(inbox, done).workOff()).toBe(0)
    expect(printed).toEqual([expect.stringMatching(/^redeploy-hook {2}event [0-9a-f]{12} {2}dead/)])
  })

  it('takes over what a process that is gone had begun, from the same file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'longshore-local-queue-'))
    const path = join(folder, 'store.db')
    const before = await openSqliteStore({ path })
    await accept(inboxOn(before), 'a')
    await inboxOn(before).take({ owner: 'crashed', now, deadline: now + minute })
    await before.close()
    const after = await openSqliteStore({ path })
    expect(await queueOn(inboxOn(after), done).workOff()).toBe(0)
    now += minute + 1
    expect(await queueOn(inboxOn(after), done).workOff()).toBe(1)
    expect(printed[0]).toContain('try 2')
    await after.close()
    await rm(folder, { recursive: true })
  })

  it('works on no more at the same time than it may', async () => {
    const inbox = inboxOn(openMemoryStore(new MemoryDisk()))
    for (let i = 0; i < 9; i += 1) await accept(inbox, `e${i}`)
    let atWork = 0
    let most = 0
    const work = async (): Promise<Processed> => {
      atWork += 1
      most = Math.max(most, atWork)
      await new Promise((resolve) => setTimeout(resolve, 2))
      atWork -= 1
      return { kind: 'done' }
    }
    await queueOn(inbox, work, { concurrency: 3 }).workOff()
    expect([most, worked.length]).toEqual([3, 9])
  })

  it('stops between events, and what was stopped midway goes on without a try being counted', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const inbox = inboxOn(store)
    await accept(inbox, 'a')
    await accept(inbox, 'b')
    const work = async (): Promise<Processed> => {
      stopping.abort()
      throw new Error('aborted')
    }
    expect(await queueOn(inbox, work, { concurrency: 1 }).workOff()).toBe(1)
    expect(worked).toEqual(['a'])
    stopping = new AbortController()
    now += 1000
    expect(await queueOn(inbox, done).workOff()).toBe(2)
    expect(printed.map((line) => line.replace(/event \w+/, 'event'))).toEqual([
      'redeploy-hook  event of harbor, try 1  goes on later',
      'redeploy-hook  event of harbor, try 1  done',
      'redeploy-hook  event of harbor, try 1  done',
    ])
  })
})

describe('keepWorking', () => {
  it('wakes at a nudge, and finds what nobody nudges for', async () => {
    const inbox = inboxOn(openMemoryStore(new MemoryDisk()))
    const sleeps: number[] = []
    let wake = (): void => undefined
    const queue = queueOn(inbox, done, {
      // Sleeps until it is woken.
      sleep: (ms, signal) => {
        sleeps.push(ms)
        return new Promise((resolve) => {
          wake = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
          if (signal.aborted) resolve()
        })
      },
    })
    const working = queue.keepWorking()
    await until(() => sleeps.length === 1)
    await accept(inbox, 'a')
    await queue.nudge.send({ function: name, id: 'a', group: 'a', once: 'x' })
    await until(() => worked.length === 1 && sleeps.length === 2)
    await accept(inbox, 'b')
    wake()
    await until(() => worked.length === 2)
    expect(Math.max(...sleeps)).toBeLessThanOrEqual(500)
    stopping.abort()
    await working
  })

  it('misses no nudge that comes while it looks', async () => {
    const disk = new MemoryDisk()
    const plain = inboxOn(openMemoryStore(disk))
    let queue: LocalQueue | undefined
    let isDone = false
    const store = openMemoryStore(disk, {
      after: async ({ operation }) => {
        if (isDone || operation !== 'query') return
        isDone = true
        await accept(plain, 'meanwhile')
        await queue?.nudge.send({ function: name, id: 'x', group: 'x', once: 'x' })
      },
    })
    queue = queueOn(inboxOn(store), done, {
      sleep: (_, signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true })
          if (signal.aborted) resolve()
        }),
    })
    const working = queue.keepWorking()
    await until(() => worked.length === 1)
    stopping.abort()
    await working
  })

  it('goes on when the store is there again', async () => {
    let isDown = true
    const inbox = inboxOn(
      openMemoryStore(new MemoryDisk(), {
        before: () => {
          if (isDown) throw new StoreError('store.unavailable', 'locked')
        },
      }),
    )
    const queue = queueOn(inbox, done, { sleep: async () => void (await new Promise((resolve) => setTimeout(resolve, 1))) })
    const working = queue.keepWorking()
    await until(() => printed.length >= 2)
    expect(printed[0]).toBe('The events that wait cannot be looked at: locked')
    isDown = false
    await accept(inbox, 'a')
    await until(() => worked.length === 1)
    stopping.abort()
    await working
  })

  it('ends with a bug, instead of going on as if nothing had happened', async () => {
    const inbox = { ...inboxOn(openMemoryStore(new MemoryDisk())), function: name, take: () => Promise.reject(new TypeError('a bug')) }
    await expect(queueOn(inbox as unknown as Inbox, done).keepWorking()).rejects.toThrow('a bug')
  })
})

describe('in virtual time', () => {
  it('tries again when it is due, looks as often as it is told, and ends at an instant', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY })
    const inbox = inboxOn(openMemoryStore(new MemoryDisk()))
    await accept(inbox, 'a')
    const tries: number[] = []
    const queue = queueOn(
      inbox,
      () => {
        tries.push((time.now() - start) / 1000)
        return tries.length < 4 ? { kind: 'failed', code: 'no', text: 'not yet' } : done()
      },
      { now: time.now, sleep: time.sleep, work: time.work, lookMs: 5000 },
    )
    await queue.keepWorking(start + 10 * minute)
    expect(tries).toHaveLength(4)
    for (const [place, waitSeconds] of [10, 20, 40].entries()) {
      const gap = (tries[place + 1] ?? 0) - (tries[place] ?? 0)
      // It is looked for every five seconds.
      expect(gap).toBeGreaterThanOrEqual(waitSeconds)
      expect(gap).toBeLessThan(waitSeconds + 10)
    }
    expect(time.now()).toBeGreaterThanOrEqual(start + 10 * minute)
    expect(printed.filter((line) => line.endsWith('done'))).toHaveLength(1)
  })
})
