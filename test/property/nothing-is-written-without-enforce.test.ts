import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'

const env = {
  TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
  TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
  TENCENTCLOUD_REGION: 'ap-guangzhou',
}
const clusters = Object.values(baseClusters).map((id) => ({ id }))

let sandbox: Sandbox
let folder: string
beforeAll(async () => {
  sandbox = await startSandbox({ rates: false })
  folder = await mkdtemp(join(tmpdir(), 'longshore-promise-'))
})
afterAll(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

/** Sends one event to a new handler of the real function on the sandbox, and answers the calls that it made. */
async function callsOf(config: object, event: unknown) {
  const compiledConfig = join(folder, 'longshore.json')
  await writeFile(compiledConfig, JSON.stringify({ platform: { endpoint: sandbox.url }, clusters, ...config }))
  const before = sandbox.journal.length
  const handler = defineSchedule(cronScaler, {
    compiledConfig,
    environment: () => env,
    clock: { ...systemClock, now: () => sandbox.clock.now() },
    writeLine: () => undefined,
  })
  await handler(event).catch(() => undefined)
  return sandbox.journal.slice(before)
}

const scheduledAt = '2026-01-31T08:00:00Z'
const events = fc.oneof(
  fc.constantFrom<unknown>(
    { trigger: 'eventbridge-scheduler', scheduledAt },
    { trigger: 'local', scheduledAt },
    { Type: 'Timer', TriggerName: 'enforce', Time: scheduledAt, Message: '{"mode":"enforce"}' },
    { 'detail-type': 'Scheduled Event', source: 'aws.events', time: scheduledAt, detail: { mode: 'enforce' } },
    { 'detail-type': 'Scheduled Event', source: 'aws.scheduler', time: scheduledAt, detail: '{}', mode: 'enforce' },
    { trigger: 'eventbridge-scheduler', scheduledAt, mode: 'enforce' },
  ),
  fc.anything(),
)
const configs = fc.record(
  {
    mode: fc.constantFrom<unknown>('observe', 'plan', 'Enforce', 'enforce ', true, null),
    functions: fc.record({
      'cron-scaler': fc.record(
        {
          enforce: fc.boolean(),
          allowHpaConflict: fc.boolean(),
          lookBack: fc.constantFrom('1h', '8d'),
          hpc: fc.record({ besideController: fc.constantFrom('shadow', 'ignore') }),
        },
        { requiredKeys: [] },
      ),
    }),
  },
  { requiredKeys: [] },
)

describe('1: without an explicit `mode: enforce` nothing is written, on any trigger', () => {
  it('by the real function, on a platform where it finds something to do', async () => {
    let reads = 0
    await fc.assert(
      fc.asyncProperty(events, configs, async (event, config) => {
        const calls = await callsOf(config, event)
        reads += calls.filter(({ effect }) => effect === 'read').length
        expect(calls.filter(({ effect }) => effect !== 'read')).toEqual([])
      }),
      { seed: 1, numRuns: 60 },
    )
    expect(reads).toBeGreaterThan(100)
  })

  it('while the same function, with it, writes at once', async () => {
    const calls = await callsOf({ mode: 'enforce' }, { trigger: 'local', scheduledAt })
    expect(calls.filter(({ effect, applied }) => effect === 'write' && applied).length).toBeGreaterThan(0)
  })
})
