import { beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { createHookRunner, type HookRunner } from '#infra/local/hook-runner.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { Processed } from '#shared/runtime/queue-definition.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createWebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const start = Date.UTC(2026, 10, 24, 8, 0, 0)
const minute = 60_000
const name = 'redeploy-hook'

let now: number
let printed: string[]
let isDown: boolean
beforeEach(() => {
  now = start
  printed = []
  isDown = false
})

function runnerOn(disk: MemoryDisk, work: () => Processed, more: { readonly storeStays?: boolean } = {}): HookRunner {
  const store = openMemoryStore(disk, {
    before: () => {
      if (isDown) throw new StoreError('store.unavailable', 'no s3cret')
    },
  })
  const inbox = createInbox(store, { function: name })
  return createHookRunner({
    functions: [
      {
        name,
        hooks: {
          inbox,
          deadLetters: createDeadLetters(store, { function: name }),
          process: async () => work(),
          desk: (nudge) =>
            createWebhookDesk({
              function: name,
              sources: [],
              inbox,
              nudge,
              resolve: () => Promise.resolve(''),
              redactor: createRedactor(),
              clock: systemClock,
              log: silentLog,
            }),
        },
      },
    ],
    owner: 'test',
    now: () => now,
    sleep: async () => undefined,
    signal: new AbortController().signal,
    log: silentLog,
    redact: (text) => text.replaceAll('s3cret', '[redacted]'),
    print: (line) => printed.push(line),
    ...more,
  })
}

const accept = async (disk: MemoryDisk, id: string): Promise<void> => {
  await createInbox(openMemoryStore(disk), { function: name }).accept({ source: 'x', id, group: id, payload: id, receivedAt: now, now })
}

describe('the status of events', () => {
  it('is well while somebody may still be at them, and not when one waits for too long', async () => {
    const disk = new MemoryDisk()
    const runner = runnerOn(disk, () => ({ kind: 'done' }))
    expect(await runner.status()).toEqual([{ function: name, ok: true, groupsDue: 0, dead: 0 }])
    await accept(disk, 'a')
    now = start + 20 * minute
    expect(await runner.status()).toEqual([{ function: name, ok: true, groupsDue: 1, dueSince: '2026-11-24T08:00:00.000Z', dead: 0 }])
    now += 1
    expect((await runner.status())[0]).toMatchObject({
      ok: false,
      problem: 'an event waits since 2026-11-24T08:00:00.000Z, and nobody works on it',
    })
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 0 })
    expect((await runner.status())[0]).toMatchObject({ ok: true, groupsDue: 0 })
  })

  it('is not well while the store does not tell, and shows no secret', async () => {
    const runner = runnerOn(new MemoryDisk(), () => ({ kind: 'done' }))
    isDown = true
    expect((await runner.status())[0]).toMatchObject({ ok: false, problem: 'its events cannot be looked at: no [redacted]' })
    isDown = false
    expect((await runner.status())[0]).toMatchObject({ ok: true })
  })
})

describe('working off', () => {
  it('counts each time anew what was tried and what is not done', async () => {
    const disk = new MemoryDisk()
    const endings: Processed[] = [
      { kind: 'done' },
      { kind: 'dead', code: 'x', text: 'y' },
      { kind: 'failed', code: 'x', text: 'y' },
      { kind: 'later', at: start + 2 * minute, code: 'x', text: 'y' },
    ]
    for (const id of ['a', 'b', 'c', 'd']) await accept(disk, id)
    const runner = runnerOn(disk, () => endings.shift() ?? { kind: 'done' })
    expect(await runner.workOff()).toEqual({ tries: 4, failed: 2 })
    now = start + minute
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 0 })
    expect(await runner.warnings()).toEqual([`${name}: 1 event is dead; \`longshore dead-letters list\` shows it.`])
  })

  it('names no command for dead letters that are gone with this process', async () => {
    const disk = new MemoryDisk()
    await accept(disk, 'a')
    await runnerOn(disk, () => ({ kind: 'dead', code: 'x', text: 'y' }), { storeStays: false }).workOff()
    expect(printed[0]).toMatch(/dead: nobody tries it any more$/)
  })
})
