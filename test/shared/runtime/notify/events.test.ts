import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { type SandboxBot, sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import { defineQueue } from '#shared/runtime/define-queue.ts'
import { defineSweep } from '#shared/runtime/define-sweep.ts'
import type { EventSurroundings } from '#shared/runtime/event-surroundings.ts'
import { createOutbox } from '#shared/runtime/notify/outbox.ts'
import { createInbox, nudgeOf } from '#shared/safety/inbox.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { hookDefinition } from '../hook-definition.ts'
import { noticeOf, settingOf } from './notify-stage.ts'

const at = Date.UTC(2026, 10, 24, 8)
const name = 'redeploy-hook'

let folder: string
let bot: SandboxBot
let lines: string[]
let disk: MemoryDisk
let now: number
let closing: (() => Promise<void>)[]
let surroundings: Partial<EventSurroundings>
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-notify-events-'))
  now = at
  lines = []
  disk = new MemoryDisk()
  const bots = await startBots({ now: () => now })
  const added: SandboxBot[] = []
  const { notifiers, env } = sandboxNotifiers([settingOf('feishu')], {
    ...bots,
    add: (kind, called) => {
      const one = bots.add(kind, called)
      added.push(one)
      return one
    },
  })
  closing = [bots.close]
  bot = added[0] as SandboxBot
  const compiledConfig = join(folder, 'longshore.json')
  await writeFile(compiledConfig, JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { [name]: {} }, notifiers }))
  surroundings = {
    compiledConfig,
    environment: () => env,
    clock: { ...systemClock, now: () => now },
    writeLine: (line) => lines.push(line),
    openStore: () => Promise.resolve(openMemoryStore(disk)),
    createNudge: () => ({ send: () => Promise.resolve() }),
  }
})
afterEach(async () => {
  for (const close of closing) await close()
  await rm(folder, { recursive: true })
})

function queue(work: () => void = () => undefined) {
  return defineQueue(
    {
      name,
      settings: z.looseObject({}),
      process: async ({ payload }, _tools, attempt, { notify }) => {
        const notified = await notify?.notify([noticeOf(String(payload), { function: name })], { remainingMs: attempt.remainingMs })
        lines.push(JSON.stringify({ notified }))
        work()
        return { kind: 'done' }
      },
    },
    () => Promise.resolve({}),
    surroundings,
  )
}

async function batchOf(id: string): Promise<object> {
  const inbox = createInbox(openMemoryStore(disk), { function: name })
  const { entry } = await inbox.accept({ source: 'header', id, group: id, payload: id, receivedAt: now, now })
  const { group } = nudgeOf(entry)
  return {
    Records: [
      {
        messageId: 'm',
        receiptHandle: 'r',
        body: JSON.stringify({ entry: entry.id }),
        attributes: {
          MessageGroupId: group,
          ApproximateReceiveCount: '1',
          SentTimestamp: '0',
          SenderId: 's',
          ApproximateFirstReceiveTimestamp: '0',
        },
        messageAttributes: {},
        md5OfBody: '',
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:ap-southeast-1:1:q.fifo',
        awsRegion: 'ap-southeast-1',
      },
    ],
  }
}

describe('a function that works on events', () => {
  it('tells people while it works on one, and a bot that fails does not bring the event back', async () => {
    const handler = queue()
    expect(await handler(await batchOf('a'))).toEqual({ batchItemFailures: [] })
    expect(bot.messages.map(({ title }) => title)).toEqual(['Longshore warning · redeploy-hook: title of a'])
    bot.fail({ kind: 'status', status: 503 })
    expect(await handler(await batchOf('b'))).toEqual({ batchItemFailures: [] })
    expect(lines.join('\n')).toContain('{"notified":{"sent":0,"digested":0,"failed":1,"waiting":1}}')
  })

  it('tries what could not be sent again with its next batch, and a sweep does as well', async () => {
    const handler = queue()
    bot.fail({ kind: 'status', status: 503 })
    await handler(await batchOf('a'))
    bot.fail(undefined)
    const sweep = defineSweep(hookDefinition(), surroundings)
    const tick = { trigger: 'eventbridge-scheduler', task: 'sweep', scheduledAt: '2026-11-24T08:00:00Z' }
    expect(await sweep(tick)).toMatchObject({ notified: { sent: 0, waiting: 1 } })
    now += 60_000
    expect(await sweep(tick)).toMatchObject({ failed: 0, notified: { sent: 1, digested: 0, failed: 0, waiting: 0 } })
    expect(bot.messages).toHaveLength(1)
    bot.fail({ kind: 'silence' }, 0)
    now += 60_000
    await handler(await batchOf('b'))
    expect(bot.messages).toHaveLength(2)
  })
})

describe('what is to be sent, in a store on disk', () => {
  it('outlives the process: what waits, what was sent, the lane, and what was given up', async () => {
    const path = join(folder, 'store.db')
    const first = await openSqliteStore({ path })
    const outbox = createOutbox(first, 'ops')
    expect(await outbox.record(noticeOf('a', { links: [{ text: 'x', url: 'https://example.com/' }] }), now)).toBe('recorded')
    expect(await outbox.record(noticeOf('a', { title: 'told again' }), now + 1)).toBe('known')
    expect(await outbox.record(noticeOf('b'), now)).toBe('recorded')
    expect(await outbox.record(noticeOf('c'), now)).toBe('recorded')
    const held = await outbox.putLane(
      await outbox.lane(now),
      { owner: 'one', until: now + 9, sentAt: [now], notBefore: 0, failures: 0 },
      now,
    )
    expect(held?.version).toBeDefined()
    await first.close()

    const second = await openSqliteStore({ path })
    closing.unshift(() => second.close())
    const again = createOutbox(second, 'ops')
    const waiting = await again.waiting(now)
    expect(waiting.map(({ notice }) => notice.key).toSorted()).toEqual(['a', 'b', 'c'])
    const [a, b] = ['a', 'b'].map((key) => waiting.find(({ notice }) => notice.key === key))
    if (a === undefined || b === undefined) throw new Error('both wait')
    expect(a.notice.links).toEqual([{ text: 'x', url: 'https://example.com/' }])
    await again.markSent(a, now)
    await again.bury(b, { code: 'notify.http-400', text: 'not wanted' }, now)
    expect(await again.wasSent(a, now)).toBe(true)
    expect(await again.record(noticeOf('a'), now + 1)).toBe('known')
    expect(await again.count(now)).toBe(1)
    expect(await again.dead(now)).toMatchObject([{ notice: { key: 'b' }, diedAt: now, code: 'notify.http-400' }])
    // Somebody who read the lane before is too late.
    const stale = { data: held?.data ?? (await again.lane(now)).data, version: (held?.version ?? 0) - 1 }
    expect(await again.putLane(stale, { ...stale.data, owner: 'two' }, now)).toBeUndefined()
    expect((await again.lane(now)).data.owner).toBe('one')
    expect(await createOutbox(second, 'other').count(now)).toBe(0)
  })
})
