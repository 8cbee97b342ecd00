import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { type BatchAnswer, defineQueue, type OpenTools, type QueueHandler } from '#shared/runtime/define-queue.ts'
import type { EventSurroundings } from '#shared/runtime/event-surroundings.ts'
import type { PlatformTools } from '#shared/runtime/open-platform.ts'
import type { Processed, QueuedEvent, Try } from '#shared/runtime/queue-definition.ts'
import { createSqsNudge, type QueueMessage } from '#shared/runtime/sqs-nudge.ts'
import { createSqsPostpone } from '#shared/runtime/sqs-postpone.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox, type Inbox, nudgeOf } from '#shared/safety/inbox.ts'
import { entryIdOf } from '#shared/safety/inbox-entry.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreHooks } from '#shared/safety/store-memory.ts'

const start = Date.UTC(2026, 10, 24, 8, 0, 0)
const minute = 60_000
const name = 'redeploy-hook'
const secret = 'planted/secret+key'
const root = join(import.meta.dirname, '../../..')

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-queue-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

type Work = (event: QueuedEvent, attempt: Try) => Promise<Processed> | Processed

interface Stage {
  readonly handler: QueueHandler<{ greeting?: string | undefined }, { readonly tool: string }>
  readonly inbox: Inbox
  readonly disk: MemoryDisk
  readonly lines: string[]
  /** Payloads in the order in which they were worked on. */
  readonly worked: unknown[]
  work: Work
  now: number
}

async function stageWith(hooks: StoreHooks = {}, surroundings: Partial<EventSurroundings> = {}): Promise<Stage> {
  const compiledConfig = join(folder, 'longshore.json')
  await writeFile(compiledConfig, JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { [name]: { greeting: 'hello' } } }))
  const disk = new MemoryDisk()
  const lines: string[] = []
  const worked: unknown[] = []
  const stage: Stage = {
    handler: defineQueue(
      {
        name,
        settings: z.strictObject({ greeting: z.optional(z.string()) }),
        process: async (event, tools, attempt, { config }) => {
          expect([tools.tool, config.settings.greeting, config.mode]).toEqual(['hammer', 'hello', 'plan'])
          worked.push(event.payload)
          return await stage.work(event, attempt)
        },
      },
      async ({ redactor }) => {
        redactor.add(secret)
        return { tool: 'hammer' }
      },
      {
        compiledConfig,
        environment: () => ({}),
        clock: { ...systemClock, now: () => stage.now },
        random: () => 0.5,
        writeLine: (line) => lines.push(line),
        openStore: async () => openMemoryStore(disk, hooks),
        ...surroundings,
      },
    ),
    inbox: createInbox(openMemoryStore(disk), { function: name }),
    disk,
    lines,
    worked,
    work: () => ({ kind: 'done' }),
    now: start,
  }
  return stage
}

/** Accepts an event and answers the message that its nudge is. */
async function message(inbox: Inbox, id: string, group = id, at = start): Promise<object> {
  const { entry } = await inbox.accept({ source: 'harbor', id, group, payload: id, receivedAt: at, now: at })
  const sent: QueueMessage[] = []
  await createSqsNudge({ queueUrl: 'https://sqs.example/queue.fifo', sendMessage: async (one) => void sent.push(one) }).send(nudgeOf(entry))
  return record(`m-${id}`, sent[0]?.MessageBody ?? '', sent[0]?.MessageGroupId)
}

const record = (messageId: string, body: string, group: string | undefined): object => ({
  messageId,
  body,
  receiptHandle: `receipt of ${messageId}`,
  eventSource: 'aws:sqs',
  attributes: { ApproximateReceiveCount: '1', ...(group === undefined ? {} : { MessageGroupId: group }) },
})

const failures = ({ batchItemFailures }: BatchAnswer): string[] => batchItemFailures.map(({ itemIdentifier }) => itemIdentifier)
const plenty = { getRemainingTimeInMillis: () => 5 * minute }

const failed: Processed = { kind: 'failed', code: 'cloud.network', text: 'no connection' }

describe('23: a batch', () => {
  it('sends only what failed back to the queue', async () => {
    const stage = await stageWith()
    const Records = await Promise.all(['a', 'b', 'c', 'd'].map((id) => message(stage.inbox, id)))
    stage.work = ({ payload }) => {
      if (payload === 'b') return failed
      if (payload === 'd') throw new Error('a bug')
      return { kind: 'done' }
    }
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-b', 'm-d'])
    expect([...stage.worked].sort()).toEqual(['a', 'b', 'c', 'd'])
    expect(stage.lines.join()).toContain('process-crashed')
  })

  it('works on the events of a group in their order, and stops at the first that fails', async () => {
    const stage = await stageWith()
    const Records = []
    for (const [index, id] of ['w1', 'x1', 'w2', 'w3', 'x2'].entries()) Records.push(await message(stage.inbox, id, id[0], start + index))
    stage.work = ({ payload }) => (payload === 'w2' ? failed : { kind: 'done' })
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-w2', 'm-w3'])
    expect(stage.worked.filter((payload) => String(payload).startsWith('w'))).toEqual(['w1', 'w2'])
    expect(stage.worked.filter((payload) => String(payload).startsWith('x'))).toEqual(['x1', 'x2'])
    // Delivered again too early, and again in time.
    expect(failures(await stage.handler({ Records: Records.slice(2, 4) }, plenty))).toEqual(['m-w2', 'm-w3'])
    stage.now += 10_000
    stage.work = () => ({ kind: 'done' })
    expect(failures(await stage.handler({ Records: Records.slice(2, 4) }, plenty))).toEqual([])
    expect(stage.worked.filter((payload) => String(payload).startsWith('w'))).toEqual(['w1', 'w2', 'w2', 'w3'])
  })

  it('keeps poison where it is seen, and lets the group go on', async () => {
    const stage = await stageWith()
    const Records = [await message(stage.inbox, 'poison', 'web'), await message(stage.inbox, 'good', 'web', start + 1)]
    stage.work = ({ payload }) => (payload === 'poison' ? failed : { kind: 'done' })
    let rounds = 0
    for (let back = ['m-poison', 'm-good']; back.length > 0 && rounds < 50; rounds += 1) {
      back = failures(
        await stage.handler({ Records: Records.filter((one) => back.includes((one as { messageId: string }).messageId)) }, plenty),
      )
      stage.now += 15 * minute
    }
    expect(rounds).toBe(10)
    expect(stage.worked.filter((payload) => payload === 'good')).toHaveLength(1)
    const { letters } = await createDeadLetters(openMemoryStore(stage.disk), { function: name }).list({ now: stage.now })
    expect(letters.map(({ entry }) => [entry?.key, entry?.attempt, entry?.error?.text])).toEqual([['poison', 10, 'no connection']])
    expect(stage.lines.join()).toContain('"outcome":"dead"')
    // A message about it that comes later is finished with.
    expect(failures(await stage.handler({ Records: [Records[0]] }, plenty))).toEqual([])
  })

  it('gives up at once what no further try would help', async () => {
    const stage = await stageWith()
    stage.work = () => ({ kind: 'dead', code: 'hook.unknown', text: `no rule, and ${secret}` })
    expect(failures(await stage.handler({ Records: [await message(stage.inbox, 'a')] }, plenty))).toEqual([])
    const { letters } = await createDeadLetters(openMemoryStore(stage.disk), { function: name }).list({ now: stage.now })
    expect(letters[0]?.entry?.error).toEqual({ at: start, code: 'hook.unknown', text: 'no rule, and [redacted]' })
  })

  it('works on an event once, however often its message comes', async () => {
    const stage = await stageWith()
    const one = await message(stage.inbox, 'a')
    const Records = [one, { ...one, messageId: 'm-again' }]
    expect(failures(await stage.handler({ Records }, plenty))).toEqual([])
    expect(failures(await stage.handler({ Records }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['a'])
  })

  it('works first on what nobody was nudged for', async () => {
    const stage = await stageWith()
    await message(stage.inbox, 'lost', 'web')
    const nudged = await message(stage.inbox, 'nudged', 'web', start + 1)
    expect(failures(await stage.handler({ Records: [nudged] }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['lost', 'nudged'])
  })

  it('leaves alone what somebody else works on', async () => {
    const stage = await stageWith()
    const one = await message(stage.inbox, 'a')
    const { claims } = await stage.inbox.take({ owner: 'other', now: start, deadline: start + minute })
    expect(failures(await stage.handler({ Records: [one] }, plenty))).toEqual(['m-a'])
    expect(stage.worked).toEqual([])
    await stage.inbox.finish(claims[0]!, { now: start, outcome: { kind: 'done' } })
    expect(failures(await stage.handler({ Records: [one] }, plenty))).toEqual([])
  })

  it('is finished with an event that goes on later, but not with what follows it', async () => {
    const stage = await stageWith()
    const Records = [await message(stage.inbox, 'a', 'web'), await message(stage.inbox, 'b', 'web', start + 1)]
    stage.work = () => ({ kind: 'later', at: start + 5 * minute, code: 'soak', text: 'waits for the rollout' })
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-b'])
    stage.now += 5 * minute
    stage.work = () => ({ kind: 'done' })
    expect(failures(await stage.handler({ Records: Records.slice(1) }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['a', 'a', 'b'])
  })

  it('sends back what it cannot read until the queue gives it up', async () => {
    const stage = await stageWith()
    const good = await message(stage.inbox, 'a')
    const Records = ['', 'no json', '{}', '{"entry":"x"}', `{"entry":"${'0'.repeat(40)}","more":1}`].map((body, index) =>
      record(`bad-${index}`, body, `g${index}`),
    )
    expect(failures(await stage.handler({ Records: [...Records, good] }, plenty))).toEqual(Records.map((_, index) => `bad-${index}`))
    expect(stage.lines.join()).toContain('queue.unreadable-message')
  })

  it('is finished with an event that is not there any more', async () => {
    const stage = await stageWith()
    expect(failures(await stage.handler({ Records: [record('m', JSON.stringify({ entry: '0'.repeat(40) }), 'g')] }, plenty))).toEqual([])
  })

  it('takes messages without groups each on its own', async () => {
    const stage = await stageWith()
    await message(stage.inbox, 'a')
    await message(stage.inbox, 'b')
    const entries = await stage.inbox.due({ now: start })
    const Records = entries.map(({ nudge }, index) => record(`m${index}`, JSON.stringify({ entry: nudge.id }), undefined))
    let first = true
    stage.work = () => {
      const outcome: Processed = first ? failed : { kind: 'done' }
      first = false
      return outcome
    }
    expect(failures(await stage.handler({ Records }, plenty))).toHaveLength(1)
    expect(stage.worked).toHaveLength(2)
  })

  it('goes back as a whole when it is none, or nothing can be started', async () => {
    const stage = await stageWith()
    for (const event of [undefined, {}, { Records: [{ messageId: 'x', body: '', eventSource: 'aws:sns' }] }]) {
      await expect(stage.handler(event, plenty)).rejects.toMatchObject({ name: 'EventError' })
    }
    const broken = await stageWith({}, { openStore: async () => Promise.reject(new StoreError('store.misconfigured', 'no such table')) })
    await expect(broken.handler({ Records: [await message(broken.inbox, 'a')] }, plenty)).rejects.toThrow('no such table')
  })

  it('sends back exactly what is not finished, whatever a batch is mixed of', async () => {
    const outcomes = fc.constantFrom('done', 'failed', 'throw', 'dead', 'later')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(outcomes, fc.nat({ max: 3 })), { minLength: 1, maxLength: 10 }), async (items) => {
        const stage = await stageWith()
        const Records: object[] = []
        for (const [index, [, group]] of items.entries()) Records.push(await message(stage.inbox, `e${index}`, `g${group}`, start + index))
        stage.work = ({ payload }) => {
          const [outcome] = items[Number(String(payload).slice(1))]!
          if (outcome === 'throw') throw new Error('thrown')
          if (outcome === 'later') return { kind: 'later', at: start + minute, code: 'x', text: 'y' }
          return outcome === 'done' ? { kind: 'done' } : { kind: outcome, code: 'x', text: 'y' }
        }
        const answer = failures(await stage.handler({ Records }, plenty))
        // The oracle: in each group all up to the first that is not over; that one too unless it is merely put off.
        const stopped = new Set<number>()
        const expected: string[] = []
        const begun: string[] = []
        for (const [index, [outcome, group]] of items.entries()) {
          if (stopped.has(group)) {
            expected.push(`m-e${index}`)
            continue
          }
          begun.push(`e${index}`)
          if (outcome === 'failed' || outcome === 'throw') expected.push(`m-e${index}`)
          if (outcome !== 'done' && outcome !== 'dead') stopped.add(group)
        }
        expect(answer).toEqual(expected)
        expect([...stage.worked].sort()).toEqual(begun.sort())
      }),
      { seed: 23, numRuns: 150 },
    )
  })
})

describe('a message that goes back', () => {
  async function postponing(): Promise<{ readonly stage: Stage; readonly postponed: Record<string, number>[] }> {
    const postponed: Record<string, number>[] = []
    const stage = await stageWith(
      {},
      {
        createPostpone: () => async (messages) => {
          postponed.push(Object.fromEntries(messages.map(({ receipt, seconds }) => [receipt, seconds])))
        },
      },
    )
    return { stage, postponed }
  }

  it('is shown again when its event is due, instead of holding up its group until the queue lets go of it', async () => {
    const { stage, postponed } = await postponing()
    const Records = [
      await message(stage.inbox, 'a', 'web'),
      await message(stage.inbox, 'b', 'web', start + 1),
      await message(stage.inbox, 'c'),
    ]
    stage.work = ({ payload }) => (payload === 'a' ? failed : { kind: 'done' })
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-a', 'm-b'])
    expect(postponed).toEqual([{ 'receipt of m-a': 10, 'receipt of m-b': 10 }])
    // Too early: it waits for the rest of the time.
    stage.now += 4_500
    expect(failures(await stage.handler({ Records: Records.slice(0, 2) }, plenty))).toEqual(['m-a', 'm-b'])
    expect(postponed[1]).toEqual({ 'receipt of m-a': 6, 'receipt of m-b': 6 })
    stage.now += 5_500
    expect(failures(await stage.handler({ Records: Records.slice(0, 2) }, plenty))).toEqual(['m-a', 'm-b'])
    expect(postponed[2]).toEqual({ 'receipt of m-a': 20, 'receipt of m-b': 20 })
  })

  it('is shown again when somebody else must be done, and at once when there was merely no time', async () => {
    const { stage, postponed } = await postponing()
    const one = await message(stage.inbox, 'a')
    await stage.inbox.take({ owner: 'other', now: start, deadline: start + minute })
    expect(failures(await stage.handler({ Records: [one] }, plenty))).toEqual(['m-a'])
    expect(postponed).toEqual([{ 'receipt of m-a': 70 }])
    const other = await message(stage.inbox, 'b')
    expect(failures(await stage.handler({ Records: [other] }, { getRemainingTimeInMillis: () => 10_000 }))).toEqual(['m-b'])
    expect(postponed[1]).toEqual({ 'receipt of m-b': 1 })
  })

  it('is left to the queue when it is due nobody knows when, and when the queue cannot be told', async () => {
    const { stage, postponed } = await postponing()
    expect(failures(await stage.handler({ Records: [record('bad', 'no json', 'g')] }, plenty))).toEqual(['bad'])
    expect(postponed).toEqual([])
    const deaf = await stageWith({}, { createPostpone: () => () => Promise.reject(new Error(`not allowed, ${secret}`)) })
    deaf.work = () => failed
    expect(failures(await deaf.handler({ Records: [await message(deaf.inbox, 'a')] }, plenty))).toEqual(['m-a'])
    expect(deaf.lines.join()).toContain('queue.not-postponed')
    expect(deaf.lines.join()).not.toContain(secret)
  })

  it('is postponed through SQS ten at a time, at most as long as SQS can', async () => {
    const sent: unknown[] = []
    const postpone = createSqsPostpone({
      queueUrl: 'https://sqs.example/queue.fifo',
      call: async (name, input) => {
        sent.push([name, input])
      },
    })
    await postpone(Array.from({ length: 11 }, (_, index) => ({ receipt: `r${index}`, seconds: index === 10 ? 1e9 : index + 0.2 })))
    expect(sent).toHaveLength(2)
    expect(sent[1]).toEqual([
      'ChangeMessageVisibilityBatchCommand',
      { QueueUrl: 'https://sqs.example/queue.fifo', Entries: [{ Id: '0', ReceiptHandle: 'r10', VisibilityTimeout: 43_200 }] },
    ])
    expect(sent[0]).toMatchObject([
      'ChangeMessageVisibilityBatchCommand',
      { Entries: expect.arrayContaining([{ Id: '3', ReceiptHandle: 'r3', VisibilityTimeout: 4 }]) },
    ])
  })
})

describe('12: time', () => {
  it('begins with nothing that could not be ended', async () => {
    const stage = await stageWith()
    let leftMs = 17_500
    stage.work = () => {
      leftMs -= 1000
      return { kind: 'done' }
    }
    const Records = []
    for (const [index, id] of ['a', 'b', 'c'].entries()) Records.push(await message(stage.inbox, id, 'web', start + index))
    expect(failures(await stage.handler({ Records }, { getRemainingTimeInMillis: () => leftMs }))).toEqual(['m-b', 'm-c'])
    expect(stage.worked).toEqual(['a'])
    expect(stage.lines.join()).toContain('queue.no-time-left')
  })

  it('tells a try how much of it there is', async () => {
    const stage = await stageWith()
    const told: number[] = []
    stage.work = (_, attempt) => {
      told.push(attempt.remainingMs())
      stage.now += 1000
      told.push(attempt.remainingMs())
      return { kind: 'done' }
    }
    await stage.handler({ Records: [await message(stage.inbox, 'a')] }, { getRemainingTimeInMillis: () => 60_000 })
    expect(told).toEqual([58_000, 57_000])
    // Where the platform sets no limit, an event is nobody's for longer than a quarter of an hour.
    await stage.handler({ Records: [await message(stage.inbox, 'b')] })
    expect(told[2]).toBe(15 * minute)
  })

  it('brings back what was cut off, under the next invocation', async () => {
    const stage = await stageWith()
    const one = await message(stage.inbox, 'a')
    stage.work = () => new Promise(() => undefined)
    const cut = stage.handler({ Records: [one] }, { getRemainingTimeInMillis: () => 30_000 })
    await new Promise((resolve) => setTimeout(resolve, 20))
    stage.now += 30_000
    stage.work = () => ({ kind: 'done' })
    expect(failures(await stage.handler({ Records: [one] }, plenty))).toEqual(['m-a'])
    stage.now += 8_001
    expect(failures(await stage.handler({ Records: [one] }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['a', 'a'])
    void cut
  })
})

describe('the store', () => {
  it('being gone sends everything back, and nothing is lost', async () => {
    let isDown = false
    const stage = await stageWith({
      before: () => {
        if (isDown) throw new StoreError('store.unavailable', `no ${secret}`)
      },
    })
    const Records = [await message(stage.inbox, 'a'), await message(stage.inbox, 'b')]
    isDown = true
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-a', 'm-b'])
    expect(stage.lines.join()).toContain('[redacted]')
    isDown = false
    expect(failures(await stage.handler({ Records }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['a', 'b'])
  })

  it('being gone when a try ends sends it back, to be worked on again', async () => {
    let isDown = false
    const stage = await stageWith({
      before: () => {
        if (isDown) throw new StoreError('store.unavailable', 'gone')
      },
    })
    const Records = [await message(stage.inbox, 'a')]
    stage.work = () => {
      isDown = true
      return { kind: 'done' }
    }
    expect(failures(await stage.handler({ Records }, plenty))).toEqual(['m-a'])
    expect(stage.lines.join()).toContain('event-not-saved')
    isDown = false
    stage.work = () => ({ kind: 'done' })
    stage.now += 6 * minute
    expect(failures(await stage.handler({ Records }, plenty))).toEqual([])
    expect(stage.worked).toEqual(['a', 'a'])
  })
})

describe('what is thrown', () => {
  it('19: is kept and logged without secrets', async () => {
    const stage = await stageWith()
    stage.work = () => {
      throw new Error(`cannot use ${secret} or ${Buffer.from(secret).toString('base64')}`)
    }
    const one = await message(stage.inbox, 'a')
    await stage.handler({ Records: [one] }, plenty)
    const output = [...stage.lines, stage.disk.contents()].join('\n')
    expect(output).toContain('[redacted]')
    expect(output).not.toContain(secret)
    expect(output).not.toContain(Buffer.from(secret).toString('base64').slice(0, 18))
  })

  it('says by its kind what it is, and is a bug without one', async () => {
    const stage = await stageWith()
    stage.work = ({ payload }) => {
      const error = new Error('no connection')
      throw payload === 'kind' ? Object.assign(error, { kind: 'cloud.network' }) : error
    }
    for (const id of ['kind', 'bug']) await stage.handler({ Records: [await message(stage.inbox, id)] }, plenty)
    const lines = stage.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines.map(({ event, code }) => [event, code])).toEqual([
      ['event-processed', 'cloud.network'],
      ['process-crashed', undefined],
      ['event-processed', 'queue.failed'],
    ])
    expect(lines[0]).toEqual({
      level: 'warn',
      event: 'event-processed',
      function: name,
      target: entryIdOf(name, 'harbor', 'kind'),
      trigger: 'harbor',
      attempt: 1,
      outcome: 'failed',
      durationMs: 0,
      code: 'cloud.network',
      reason: 'no connection',
    })
    expect(lines[1]?.error).toContain('define-queue.test.ts')
  })

  it('19: rejects a batch without secrets', async () => {
    const stage = await stageWith(
      {},
      {
        openStore: async () => {
          throw new StoreError('store.misconfigured', 'no such table')
        },
      },
    )
    await expect(stage.handler({ Records: [] }, plenty)).rejects.toThrow('no such table')
    expect(JSON.parse(stage.lines[0] ?? '')).toMatchObject({ event: 'event-failed', code: 'store.misconfigured', function: name })
    const leaky = defineQueue(
      { name, settings: z.strictObject({ greeting: z.optional(z.string()) }), process: async () => ({ kind: 'done' }) },
      async ({ redactor }) => {
        redactor.add(secret)
        throw new Error(`cannot connect with ${secret}`)
      },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => ({}),
        writeLine: (line) => stage.lines.push(line),
        openStore: async () => openMemoryStore(new MemoryDisk()),
      },
    )
    const error = await leaky({ Records: [] }, plenty).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect((error as Error).message).toBe('cannot connect with [redacted]')
    expect(`${(error as Error).stack} ${stage.lines.join()}`).not.toContain(secret)
    expect(leaky.definition.name).toBe(name)
  })

  it('may be no error', async () => {
    const stage = await stageWith()
    stage.work = () => {
      throw 'just a text'
    }
    expect(failures(await stage.handler({ Records: [await message(stage.inbox, 'a')] }, plenty))).toEqual(['m-a'])
    expect(stage.disk.contents()).toContain('just a text')
  })
})

describe('the platform', () => {
  it('is connected to when the tools ask for it, once, with the store of the events; and the tools are there for whoever else works', async () => {
    const opened: string[] = []
    const stage = await stageWith()
    const kernel = { marked: 'kernel' } as unknown as PlatformTools['kernel']
    const cloud: PlatformTools['cloud'] = { send: () => Promise.reject(new Error('nothing is called here')) }
    const openTools: OpenTools<object, PlatformTools> = async ({ platform, wholeConfig, store }) => {
      expect(wholeConfig.platform.region).toBe('ap-guangzhou')
      expect(store.name).toBe('the store of the events')
      const [first, second] = await Promise.all([platform(), platform()])
      expect(second).toBe(first)
      return first
    }
    const handler = defineQueue(
      {
        name,
        settings: z.looseObject({}),
        process: async (_, tools) => {
          expect([tools.kernel, tools.cloud]).toEqual([kernel, cloud])
          return { kind: 'done' }
        },
      },
      openTools,
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => ({}),
        clock: { ...systemClock, now: () => stage.now },
        writeLine: (line) => stage.lines.push(line),
        openStore: async () => Object.assign(openMemoryStore(stage.disk), { name: 'the store of the events' }),
        openPlatform: async (config, { store }) => {
          opened.push(`${config.mode} ${store.name}`)
          return { cloud, kernel }
        },
      },
    )
    expect(handler.openTools).toBe(openTools)
    for (const id of ['a', 'b']) {
      expect(failures(await handler({ Records: [await message(stage.inbox, id)] }, plenty))).toEqual([])
    }
    expect(opened).toEqual(['plan the store of the events'])
  })
})

describe('createSqsNudge', () => {
  it('names the event and keeps the order of its group, in what a FIFO queue takes', async () => {
    const sent: QueueMessage[] = []
    const nudge = createSqsNudge({ queueUrl: 'https://sqs.example/queue.fifo', sendMessage: async (one) => void sent.push(one) })
    const base = { function: name, id: 'a'.repeat(40), group: 'team/web é\n', once: 'x' }
    await nudge.send(base)
    await nudge.send(base)
    await nudge.send({ ...base, once: 'y' })
    await nudge.send({ ...base, id: 'b'.repeat(40), group: 'other' })
    expect(sent[0]).toEqual({
      QueueUrl: 'https://sqs.example/queue.fifo',
      MessageBody: JSON.stringify({ entry: 'a'.repeat(40) }),
      MessageGroupId: expect.stringMatching(/^[0-9a-f]{40}$/),
      MessageDeduplicationId: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
    expect(sent[1]).toEqual(sent[0])
    expect(sent[2]?.MessageGroupId).toBe(sent[0]?.MessageGroupId)
    expect(sent[2]?.MessageDeduplicationId).not.toBe(sent[0]?.MessageDeduplicationId)
    expect(sent[3]?.MessageGroupId).not.toBe(sent[0]?.MessageGroupId)
  })

  it('says so where the SDK of the Lambda runtime is not', async () => {
    const nudge = createSqsNudge({ queueUrl: 'https://sqs.example/queue.fifo' })
    await expect(nudge.send({ function: name, id: 'a', group: 'g', once: 'x' })).rejects.toThrow('client-sqs is not here')
  })

  it('finds that SDK where the Lambda runtime keeps it', async () => {
    const sdk = join(folder, '@aws-sdk/client-sqs')
    await mkdir(sdk, { recursive: true })
    await writeFile(
      join(sdk, 'index.js'),
      `exports.SendMessageCommand = class SendMessageCommand { constructor(input) { this.input = input } }
       exports.SQSClient = class { async send(command) { console.log(command.constructor.name, command.input.QueueUrl, command.input.MessageBody) } }`,
    )
    const script = `const { createSqsNudge } = await import(${JSON.stringify(pathToFileURL(join(root, 'shared/runtime/sqs-nudge.ts')).href)})
      await createSqsNudge({ queueUrl: 'https://sqs.example/queue.fifo' }).send({ function: 'f', id: 'e1', group: 'g', once: 'o' })`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: root,
      env: { NODE_PATH: folder },
    })
    expect(stdout).toBe('SendMessageCommand https://sqs.example/queue.fifo {"entry":"e1"}\n')
  })
})
