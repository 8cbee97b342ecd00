import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { defineSweep } from '#shared/runtime/define-sweep.ts'
import type { EventSurroundings } from '#shared/runtime/event-surroundings.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import type { InboxNudge } from '#shared/safety/nudge.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { hookDefinition } from './hook-definition.ts'

const start = Date.UTC(2026, 10, 24, 8, 0, 0)
const minute = 60_000
const name = 'redeploy-hook'
const tick = {
  trigger: 'eventbridge-scheduler',
  task: 'sweep',
  scheduledAt: '2026-11-24T08:00:00Z',
  schedule: 'arn:aws:scheduler:ap-southeast-1:1:schedule/default/sweep',
  executionId: 'x',
  attempt: '1',
}

let folder: string
let disk: MemoryDisk
let lines: string[]
let nudges: InboxNudge[]
let now: number
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-sweep-'))
  await writeFile(join(folder, 'longshore.json'), JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { [name]: {} } }))
  disk = new MemoryDisk()
  lines = []
  nudges = []
  now = start
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

function sweeper(more: Partial<EventSurroundings> = {}) {
  return defineSweep(hookDefinition(), {
    compiledConfig: join(folder, 'longshore.json'),
    environment: () => ({}),
    clock: { ...systemClock, now: () => now },
    writeLine: (line) => lines.push(line),
    openStore: async () => openMemoryStore(disk),
    createNudge: () => ({ send: async (nudge) => void nudges.push(nudge) }),
    ...more,
  })
}

const inbox = (): Inbox => createInbox(openMemoryStore(disk), { function: name })

async function accept(id: string): Promise<void> {
  await inbox().accept({ source: 'header', id, group: id, payload: id, receivedAt: start, now: start })
}

describe('a sweep', () => {
  it('wakes the queue for what nobody was woken for, after a minute', async () => {
    await accept('a')
    const sweep = sweeper()
    now = start + minute - 1
    expect(await sweep(tick)).toEqual({ function: name, nudged: 0, failed: 0 })
    expect(lines).toEqual([])
    now = start + minute
    expect(await sweep(tick)).toEqual({ function: name, nudged: 1, failed: 0 })
    expect(nudges).toEqual([expect.objectContaining({ function: name, group: 'a' })])
    expect(JSON.parse(lines[0] ?? '')).toEqual({ level: 'info', event: 'swept', function: name, counts: 'nudged 1, failed 0' })
    expect(sweep.definition.name).toBe(name)
  })

  it('wakes it for what was put off until now, and for nothing that is done', async () => {
    await accept('a')
    await accept('b')
    const { claims } = await inbox().take({ owner: 'worker', now, deadline: now + minute })
    const [first, second] = claims
    if (first === undefined || second === undefined) throw new Error('both are due')
    await inbox().finish(first, { now, outcome: { kind: 'later', at: start + 10 * minute, code: 'soak', text: 'waits' } })
    await inbox().finish(second, { now, outcome: { kind: 'done' } })
    const sweep = sweeper()
    now = start + 10 * minute - 1
    expect((await sweep(tick)).nudged).toBe(0)
    now = start + 10 * minute
    expect((await sweep(tick)).nudged).toBe(1)
  })

  it('says which could not be woken, and fails only when it was none at all', async () => {
    for (const id of ['a', 'b', 'c']) await accept(id)
    now = start + minute
    let sent = 0
    const partly = sweeper({
      createNudge: () => ({
        send: async () => {
          sent += 1
          if (sent > 1) throw new Error('throttled')
        },
      }),
    })
    expect(await partly(tick)).toEqual({ function: name, nudged: 1, failed: 2 })
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', code: 'sweep.nudge-failed', error: 'throttled' })
    const wholly = sweeper({ createNudge: () => ({ send: () => Promise.reject(new Error('no such queue')) }) })
    await expect(wholly(tick)).rejects.toThrow(/could not be woken for any of 3 events.*no such queue/)
    expect(lines.at(-1)).toContain('"code":"sweep.failed"')
  })

  it('begins no nudge that could not be ended, and leaves the rest to the next one', async () => {
    for (const id of ['a', 'b', 'c']) await accept(id)
    now = start + minute
    let leftMs = 5001
    const sweep = sweeper({
      createNudge: () => ({
        send: async (nudge) => {
          leftMs -= 1
          nudges.push(nudge)
        },
      }),
    })
    expect(await sweep(tick, { getRemainingTimeInMillis: () => leftMs })).toEqual({ function: name, nudged: 2, failed: 0 })
  })

  it('does nothing without a queue, and says what to set', async () => {
    await expect(sweeper({ createNudge: () => undefined })(tick)).rejects.toThrow(/LONGSHORE_QUEUE_URL is not set/)
    expect(lines.join()).toContain('"code":"sweep.no-queue"')
  })

  it.each([
    ['a tick of a schedule', { ...tick, task: undefined }],
    ['another task', { ...tick, task: 'sleep' }],
    ['no instant', { ...tick, scheduledAt: 'now' }],
    ['what nobody asked for', { ...tick, more: 1 }],
    ['nothing', undefined],
  ])('refuses %s', async (_, event) => {
    await accept('a')
    now = start + minute
    await expect(sweeper()(event)).rejects.toMatchObject({ name: 'EventError' })
    expect(nudges).toEqual([])
  })

  it('19: fails without secrets, and tries to start again at the next one', async () => {
    let isDown = true
    await accept('a')
    now = start + minute
    const sweep = sweeper({
      openStore: async () => {
        if (isDown) throw new StoreError('store.unavailable', 'the table cannot be reached')
        return openMemoryStore(disk)
      },
    })
    await expect(sweep(tick)).rejects.toThrow('the table cannot be reached')
    expect(lines.join()).toContain('"code":"store.unavailable"')
    isDown = false
    expect((await sweep(tick)).nudged).toBe(1)
  })
})
