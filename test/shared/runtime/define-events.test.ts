import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { defineEvents } from '#shared/runtime/define-events.ts'

const http = { version: '2.0', rawPath: '/', requestContext: { http: { method: 'POST' } } }
const batch = { Records: [{ messageId: 'm', body: '{}', eventSource: 'aws:sqs' }] }
const sweep = { trigger: 'eventbridge-scheduler', task: 'sweep', scheduledAt: '2026-11-24T08:00:00Z' }
const tick = { trigger: 'eventbridge-scheduler', scheduledAt: '2026-11-24T08:00:00Z' }

function recorder() {
  const seen: unknown[] = []
  const handlerOf = (kind: string) => async (event: unknown, context?: object) => {
    seen.push([kind, event, context])
    return kind
  }
  return { seen, handlerOf }
}

describe('one handler for all events of a function', () => {
  it('hands each to the one for its kind, with the context', async () => {
    const { seen, handlerOf } = recorder()
    const handlers = {
      webhook: handlerOf('webhook'),
      queue: handlerOf('queue'),
      sweep: handlerOf('sweep'),
      schedule: handlerOf('schedule'),
    }
    const handler = defineEvents(handlers)
    const context = { getRemainingTimeInMillis: () => 1 }
    const kinds: unknown[] = []
    for (const event of [http, batch, sweep, tick]) kinds.push(await handler(event, context))
    expect(kinds).toEqual(['webhook', 'queue', 'sweep', 'schedule'])
    expect(seen).toEqual([
      ['webhook', http, context],
      ['queue', batch, context],
      ['sweep', sweep, context],
      ['schedule', tick, context],
    ])
    expect(handler.handlers).toBe(handlers)
  })

  it('leaves to the schedule what is nothing that is known, for it says what is wrong', async () => {
    const { handlerOf } = recorder()
    const handler = defineEvents({ schedule: handlerOf('schedule'), webhook: handlerOf('webhook') })
    for (const event of [undefined, null, 'text', [], {}, { Records: 'none' }, { requestContext: {} }]) {
      expect(await handler(event)).toBe('schedule')
    }
  })

  it('takes nothing of a kind that it has no handler for', async () => {
    const { seen, handlerOf } = recorder()
    const handler = defineEvents({ webhook: handlerOf('webhook'), queue: handlerOf('queue') })
    await expect(handler(tick)).rejects.toThrow('This function takes no ticks of a schedule, only HTTP requests, batches of a queue.')
    await expect(handler(sweep)).rejects.toMatchObject({ name: 'EventError', message: expect.stringContaining('no ticks that sweep') })
    await expect(defineEvents({})(http)).rejects.toThrow('takes no HTTP requests, only nothing')
    expect(seen).toEqual([])
  })

  it('is told apart by what the sample events of a function are', async () => {
    const { handlerOf } = recorder()
    const handler = defineEvents({ schedule: handlerOf('schedule') })
    for (const name of ['base', 'default-input', 'local']) {
      const path = join(import.meta.dirname, `../../../events/cron-scaler/${name}.json`)
      expect(await handler(JSON.parse(await readFile(path, 'utf8')))).toBe('schedule')
    }
  })
})
