import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { definition as alarmScaler } from '#functions/alarm-scaler/definition.ts'
import { foldAlerts } from '#functions/alarm-scaler/episode-memory.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { definition as imageCleaner } from '#functions/image-cleaner/definition.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import { definition as redeployHook } from '#functions/redeploy-hook/definition.ts'
import { baseAsGroups, baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

const env = {
  TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
  TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
  TENCENTCLOUD_REGION: 'ap-guangzhou',
}
const clusters = Object.values(baseClusters).map((id) => ({ id }))

let sandbox: Sandbox
let folder: string
let stores = 0
beforeAll(async () => {
  sandbox = await startSandbox({ rates: false })
  folder = await mkdtemp(join(tmpdir(), 'longshore-promise-'))
})
afterAll(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

type Handle = (event: unknown) => Promise<unknown>

/** Sends one event to a new handler of a real function on the sandbox, and answers the calls that it made. */
async function callsOf(makeHandler: (around: Parameters<typeof defineSchedule>[1]) => Handle, config: object, event: unknown) {
  const compiledConfig = join(folder, 'longshore.json')
  // Nothing is remembered from one event to the next, so that each one looks.
  stores += 1
  const store = { kind: 'sqlite', path: join(folder, `${stores}.sqlite`) }
  await writeFile(compiledConfig, JSON.stringify({ platform: { endpoint: sandbox.url }, clusters, store, ...config }))
  const before = sandbox.journal.length
  const handle = makeHandler({
    compiledConfig,
    environment: () => env,
    clock: { ...systemClock, now: () => sandbox.clock.now() },
    writeLine: () => undefined,
  })
  await handle(event).catch(() => undefined)
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
const cronSettings = fc.record(
  {
    enforce: fc.boolean(),
    allowHpaConflict: fc.boolean(),
    lookBack: fc.constantFrom('1h', '8d'),
    hpc: fc.record({ besideController: fc.constantFrom('shadow', 'ignore') }),
  },
  { requiredKeys: [] },
)

const cleanerSettings = fc.record({
  policies: fc.constantFrom(...[1, 3].map((last) => [{ name: 'all', repositories: ['**'], keep: { last } }])),
  canary: fc.record({ enabled: fc.boolean() }),
  lifecycle: fc.constant({ global: 'none' }),
})

const storefront = {
  name: 'storefront',
  repository: 'shop/storefront',
  tags: { semver: '>=2' },
  targets: [{ cluster: baseClusters.production, namespace: 'shop', kind: 'Deployment', name: 'storefront' }],
}

const hookSettings = fc.record({
  rules: fc.constantFrom<object[][]>([storefront], [{ ...storefront, approval: true }], [{ ...storefront, pin: 'digest' }]),
  triggers: fc.record({ manage: fc.boolean() }),
})

const alarmPolicy = {
  name: 'cpu',
  match: {},
  pool: 'general',
  mode: 'enforce',
  confirm: [{ requests: { cpuPercentAbove: 0.1 } }],
  steps: [{ from: 0, add: 1 }],
  mechanisms: [{ kind: 'scaling-group', group: baseAsGroups.general }],
  clusterAutoscaler: 'share',
  licence: { guard: false },
}
const alarmPools = [{ name: 'general', cluster: baseClusters.production, group: baseAsGroups.general, max: 20 }]

const alarmSettings = fc.record({
  pools: fc.constant(alarmPools),
  policies: fc.constantFrom('observe', 'suggest', 'enforce').map((mode) => [{ ...alarmPolicy, mode }]),
})

/** Lets the function's memory know of an alarm that fires, as its webhooks would. */
async function hearAlarm(compiledConfig: string): Promise<void> {
  const { store: at } = JSON.parse(await readFile(compiledConfig, 'utf8')) as { store: { path: string } }
  const now = sandbox.clock.now()
  const store = await openSqliteStore({ path: at.path })
  try {
    const memory = createMemory(store, { function: 'alarm-scaler', now: () => now })
    const alert = { source: 'alerts', kind: 'alertmanager', key: 'f1', name: 'Busy', labels: {}, value: 91, threshold: 80 } as const
    await foldAlerts(memory, [{ ...alert, state: 'firing', startedAtMs: now - 60_000 }], now)
  } finally {
    await store.close()
  }
}

const meterSettings = fc.record(
  {
    passMeans: fc.constantFrom('ok', 'over'),
    entitlements: fc.constantFrom<object[][]>([], [{ product: 'tke-*', cores: 1 }]),
    crossCheck: fc.record({ every: fc.constantFrom('never', '1h') }),
  },
  { requiredKeys: [] },
)

/**
 * Each function with settings by which it finds something to do on the sandbox, and the smallest that make it write; absent of one that
 * writes nothing in any mode.
 */
const functions = [
  {
    name: 'alarm-scaler',
    makeHandler: (around: Parameters<typeof defineSchedule>[1]): Handle => {
      const handle = defineSchedule(alarmScaler, around)
      return async (event) => {
        await hearAlarm(around?.compiledConfig ?? '')
        return await handle(event)
      }
    },
    settings: alarmSettings,
    // It looks at one pool of one cluster.
    leastReads: 30,
    writes: { pools: alarmPools, policies: [alarmPolicy] },
  },
  {
    name: 'cron-scaler',
    makeHandler: (around: Parameters<typeof defineSchedule>[1]): Handle => defineSchedule(cronScaler, around),
    settings: cronSettings,
    leastReads: 100,
    writes: {},
  },
  {
    name: 'image-cleaner',
    makeHandler: (around: Parameters<typeof defineSchedule>[1]): Handle => defineSchedule(imageCleaner, around),
    settings: cleanerSettings,
    leastReads: 100,
    writes: { policies: [{ name: 'all', repositories: ['**'], keep: { last: 3 } }] },
  },
  {
    name: 'license-meter',
    makeHandler: (around: Parameters<typeof defineSchedule>[1]): Handle => defineSchedule(licenseMeter, around),
    settings: meterSettings,
    // Two for a region, and the nodes of three clusters.
    leastReads: 40,
    writes: undefined,
  },
  {
    name: 'redeploy-hook',
    makeHandler: (around: Parameters<typeof defineSchedule>[1]): Handle => defineSchedule(redeployHook, around),
    settings: hookSettings,
    // It asks one repository and one workload.
    leastReads: 30,
    writes: { rules: [storefront] },
  },
] as const

describe.each(functions)('1: without an explicit `mode: enforce` nothing is written, on any trigger, by $name', (one) => {
  it('on a platform where it finds something to do', async () => {
    const configs = fc.record(
      {
        mode: fc.constantFrom<unknown>('observe', 'plan', 'Enforce', 'enforce ', true, null),
        functions: one.settings.map((settings: object) => ({ [one.name]: settings })),
      },
      { requiredKeys: [] },
    )
    let reads = 0
    await fc.assert(
      fc.asyncProperty(events, configs, async (event, config) => {
        const calls = await callsOf(one.makeHandler, config, event)
        reads += calls.filter(({ effect }) => effect === 'read').length
        expect(calls.filter(({ effect }) => effect !== 'read')).toEqual([])
      }),
      { seed: 1, numRuns: 60 },
    )
    expect(reads).toBeGreaterThan(one.leastReads)
  })

  it(`while the same function, with it, writes ${one.writes === undefined ? 'nothing either, as it measures in every mode' : 'at once'}`, async () => {
    const config = { mode: 'enforce', functions: { [one.name]: one.writes ?? {} } }
    const calls = await callsOf(one.makeHandler, config, { trigger: 'local', scheduledAt })
    const written = calls.filter(({ effect, applied }) => effect === 'write' && applied).length
    expect(calls.length).toBeGreaterThan(0)
    expect(written > 0).toBe(one.writes !== undefined)
  })
})
