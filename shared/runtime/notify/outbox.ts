import * as z from 'zod/mini'
import { digestOf as shortName } from '#shared/pure/digest.ts'
import { putForCertain } from '#shared/safety/certain-put.ts'
import { allItems, type Store, type StoreItem } from '#shared/safety/store.ts'
import { freshLane, LaneData } from './lane.ts'
import { type Notice, severities } from './notice.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
const defaultDedupeMs = dayMs
const longestDedupeMs = 400 * dayMs
/** What nobody has looked at for so long is gone. */
const keepWaitingMs = 3 * dayMs
const keepDeadMs = 30 * dayMs
const keepLaneMs = 30 * dayMs
/** Notices that are looked at in one go. */
export const mostAtOnce = 500

const StoredNotice = z.object({
  key: z.string(),
  severity: z.enum(severities),
  function: z.string(),
  title: z.string(),
  lines: z.array(z.string()),
  at: z.number(),
  links: z.optional(z.array(z.object({ text: z.string(), url: z.string() }))),
  facts: z.optional(z.record(z.string(), z.string())),
  dedupeMs: z.optional(z.number()),
})

const WaitingData = z.object({ notice: StoredNotice, recordedAt: z.number(), refusals: z.number() })

const DeadData = z.object({ notice: StoredNotice, recordedAt: z.number(), diedAt: z.number(), code: z.string(), text: z.string() })

/** A notice that is still to be sent by one notifier. */
export interface WaitingNotice {
  /** Names it within its notifier. */
  readonly id: string
  readonly notice: Notice
  /** Epoch milliseconds. */
  readonly recordedAt: number
  /** How often the receiver did not want the message that it was in. */
  readonly refusals: number
  readonly version: number
}

/** A notice that nobody tries to send any more. */
export interface DeadNotice {
  readonly notice: Notice
  readonly recordedAt: number
  readonly diedAt: number
  readonly code: string
  readonly text: string
}

/** A lane as it was read. */
export interface HeldLane {
  readonly data: LaneData
  /** Undefined when there was none. */
  readonly version: number | undefined
}

/**
 * What one notifier has still to send, in the store. A notice waits under a name made of its key, and leaves a mark under the same
 * name when it was sent, so that it is recognised when it comes again. All methods throw StoreError.
 */
export interface Outbox {
  /** Writes a notice down. `known` when it waits already, or was sent not long ago. */
  record(notice: Notice, now: number): Promise<'recorded' | 'known'>
  /** How many wait; when they are many, so many at least. One read. */
  count(now: number): Promise<number>
  /** Those that wait, at most 500, in no particular order. What cannot be read is removed. */
  waiting(now: number): Promise<readonly WaitingNotice[]>
  /** Whether it was sent since it was written down: by a process that died before it could say so here. */
  wasSent(item: WaitingNotice, now: number): Promise<boolean>
  /** It was sent: it waits no more, and is recognised for as long as it says. */
  markSent(item: WaitingNotice, now: number): Promise<void>
  /** The message that it was in was refused. */
  markRefused(item: WaitingNotice, now: number): Promise<void>
  /** Nobody tries it any more; it is kept for a month to be looked at. */
  bury(item: WaitingNotice, why: { readonly code: string; readonly text: string }, now: number): Promise<void>
  /** Those that nobody tries any more. */
  dead(now: number): Promise<readonly DeadNotice[]>
  lane(now: number): Promise<HeldLane>
  /** Writes the lane if it is still as it was read; undefined when somebody else has written it. */
  putLane(held: HeldLane, data: LaneData, now: number): Promise<HeldLane | undefined>
}

/** The outbox of the notifier with this name. */
export function createOutbox(store: Store, name: string): Outbox {
  const partition = `notify/${name}`
  const key = (kind: 'wait' | 'sent' | 'dead', id: string) => ({ partition, sort: `${kind}/${id}` })
  const laneKey = { partition, sort: 'lane' }
  const remove = async (kind: 'wait' | 'dead', id: string, version: number, now: number): Promise<void> => {
    await store.delete(key(kind, id), { now, when: { version } })
  }
  return {
    record: async (notice, now) => {
      const id = shortName([notice.key])
      if ((await store.get(key('sent', id), { now })) !== undefined) return 'known'
      const data = { notice, recordedAt: now, refusals: 0 }
      const put = await putForCertain(store, key('wait', id), data, { now, when: 'absent', expiresAt: now + keepWaitingMs })
      return put.ok ? 'recorded' : 'known'
    },
    count: async (now) => (await store.query({ partition, prefix: 'wait/', limit: mostAtOnce, now })).items.length,
    waiting: async (now) => {
      const found: WaitingNotice[] = []
      for await (const item of allItems(store, { partition, prefix: 'wait/', limit: mostAtOnce, now })) {
        const read = waitingOf(item)
        if (read === undefined) await store.delete(item, { now, when: { version: item.version } })
        else found.push(read)
        if (found.length >= mostAtOnce) break
      }
      return found
    },
    wasSent: async ({ id }, now) => (await store.get(key('sent', id), { now })) !== undefined,
    markSent: async ({ id, notice, version }, now) => {
      const forMs = Math.min(longestDedupeMs, Math.max(0, notice.dedupeMs ?? defaultDedupeMs))
      // The mark first: a process that dies in between has sent it, and the mark says so.
      await store.put(key('sent', id), { at: now }, { now, when: 'any', expiresAt: now + forMs })
      await remove('wait', id, version, now)
    },
    markRefused: async ({ id, notice, recordedAt, refusals, version }, now) => {
      const data = { notice, recordedAt, refusals: refusals + 1 }
      await store.put(key('wait', id), data, { now, when: { version }, expiresAt: recordedAt + keepWaitingMs })
    },
    bury: async ({ id, notice, recordedAt, version }, { code, text }, now) => {
      const data = { notice, recordedAt, diedAt: now, code, text }
      await store.put(key('dead', id), data, { now, when: 'any', expiresAt: now + keepDeadMs })
      await remove('wait', id, version, now)
    },
    dead: async (now) => {
      const found: DeadNotice[] = []
      for await (const { data } of allItems(store, { partition, prefix: 'dead/', now })) {
        const read = z.safeParse(DeadData, data)
        if (read.success) found.push(read.data)
      }
      return found.toSorted((left, right) => left.diedAt - right.diedAt)
    },
    lane: async (now) => {
      const item = await store.get(laneKey, { now })
      if (item === undefined) return { data: freshLane, version: undefined }
      const read = z.safeParse(LaneData, item.data)
      return { data: read.success ? read.data : freshLane, version: item.version }
    },
    putLane: async ({ version }, data, now) => {
      const when = version === undefined ? 'absent' : { version }
      const put = await putForCertain(store, laneKey, data, { now, when, expiresAt: now + keepLaneMs })
      return put.ok ? { data, version: put.version } : undefined
    },
  }
}

function waitingOf({ sort, data, version }: StoreItem): WaitingNotice | undefined {
  const read = z.safeParse(WaitingData, data)
  return read.success ? { ...read.data, id: sort.slice('wait/'.length), version } : undefined
}
