import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { lookAgainMs } from '#functions/cron-scaler/cursor.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { ruleOf } from './fixtures.ts'
import { clusterA, clusterB, openStage, type Stage, shownSize, web, webPath, webSchedules } from './stage.ts'

let stage: Stage
let disk: MemoryDisk
let kernel: Kernel
beforeEach(async () => {
  stage = await openStage('2026-11-24T00:00:05Z')
  stage.put(web(2))
  disk = new MemoryDisk()
  kernel = await memoryKernel({ config: configOf({}), cloud: stage.cloud, now: () => stage.sandbox.clock.now(), disk })
})
afterEach(async () => {
  await stage.close()
})

function configOf(settings: z.input<typeof Settings>, mode: Config['mode'] = 'enforce'): Config {
  return {
    mode,
    platform: {
      endpoint: { kind: 'url', url: stage.sandbox.url },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: clusterA }, { id: clusterB, region: 'ap-chengdu' }],
    store: { kind: 'memory' },
    functions: { 'cron-scaler': settings },
  }
}

let runs = 0

/** A run at the present time, as a new process would do it; with what it asked the clusters for. */
async function tick(settings: z.input<typeof Settings>, options: Partial<RunOptions> = {}) {
  const from = stage.sandbox.journal.length
  const now = stage.sandbox.clock.now()
  runs += 1
  const report = await runSchedule(definition, {
    config: configOf(settings),
    cloud: stage.cloud,
    kernel,
    owner: `run-${runs}`,
    now,
    scheduledAt: now,
    trigger: { kind: 'local' },
    log: silentLog,
    ...options,
  })
  const calls = stage.sandbox.journal
    .slice(from)
    .map(
      ({ request }) =>
        `${String(request?.Method)} ${String(request?.ClusterName ?? request?.ClusterId)} ${String(request?.Path).replace(/\?.*/, '')}`,
    )
  return { report, calls: calls.toSorted(), codes: codesOf(report) }
}

const codesOf = ({ decisions }: RunReport): string[] => decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`)

/** Runs every minute from one instant to another, and answers how many calls each made. */
async function minutes(settings: z.input<typeof Settings>, from: string, count: number, options: Partial<RunOptions> = {}) {
  const counts: number[] = []
  for (let minute = 0; minute < count; minute += 1) {
    stage.at(new Date(Date.parse(from) + minute * 60_000).toISOString())
    counts.push((await tick(settings, options)).calls.length)
  }
  return counts
}

const config = { timeZone: 'UTC', hpc: { enabled: false }, rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA })] }
const hpc = { timeZone: 'UTC' }
const scalers = `GET ${clusterA} /apis/autoscaling.cloud.tencent.com/v1/horizontalpodcronscalers`
const crons = [
  { name: 'up', schedule: '0 0 0 * * *', targetSize: 5 },
  { name: 'down', schedule: '0 30 12 * * *', targetSize: 2 },
]

describe('a tick with nothing due', () => {
  test('makes no call at all when rules come from the config only', async () => {
    expect((await tick(config)).codes).toEqual(['Applied due'])
    stage.at('2026-11-24T00:01:05Z')
    const looked = await tick(config)
    expect(looked.codes).toEqual(['NoChange already-applied'])
    expect(looked.calls).toHaveLength(2)
    stage.at('2026-11-24T00:02:05Z')
    const { report, calls } = await tick(config)
    expect(calls).toEqual([])
    expect(report.decisions).toMatchObject([
      {
        target: clusterA,
        outcome: 'Skipped',
        reason: {
          code: 'nothing-due',
          text: 'nothing is due by its one rule, so nobody looked: next is config/up at Wed 2026-11-25 00:00:00 UTC; last looked at 1m before, Tue 2026-11-24 00:01:05 UTC',
        },
      },
    ])
    expect(report.failure).toBeUndefined()
  })

  test('nor when HPC is looked for and no cluster has it', async () => {
    const settings = { ...config, hpc: {} }
    await tick(settings)
    stage.at('2026-11-24T00:01:05Z')
    await tick(settings)
    stage.at('2026-11-24T00:02:05Z')
    expect((await tick(settings)).calls).toEqual([])
  })

  test('makes one list for each cluster and kind of HPC objects', async () => {
    for (const object of webSchedules(crons)) stage.put(object)
    expect((await tick(hpc)).codes).toEqual(['Applied due'])
    stage.at('2026-11-24T00:01:05Z')
    await tick(hpc)
    stage.at('2026-11-24T00:02:05Z')
    const { calls, codes } = await tick(hpc)
    expect(calls).toEqual([scalers])
    expect(codes).toEqual(['Skipped nothing-due'])
    for (const object of webSchedules(crons)) stage.put(object, clusterB)
    for (const object of webSchedules(crons, 'autoscaling.finance.cloud.tencent.com')) stage.put(object)
    stage.at('2026-11-24T01:00:05Z')
    await tick(hpc)
    stage.at('2026-11-24T01:01:05Z')
    await tick(hpc)
    stage.at('2026-11-24T01:02:05Z')
    const twoGroups = `GET ${clusterA} /apis/autoscaling.finance.cloud.tencent.com/v1/horizontalpodcronscalers`
    const other = `GET ${clusterB} /apis/autoscaling.cloud.tencent.com/v1/horizontalpodcronscalers`
    expect((await tick(hpc)).calls.filter((call) => !call.includes(clusterB))).toEqual([scalers, twoGroups])
    expect((await tick(hpc)).calls).toContain(other)
  })

  test('looks at everything again after five minutes, and when the rule comes up', async () => {
    await tick(config)
    expect(lookAgainMs).toBe(300_000)
    expect(await minutes(config, '2026-11-24T00:01:05Z', 12)).toEqual([2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0])
    stage.at('2026-11-24T23:59:05Z')
    await tick(config)
    stage.at('2026-11-25T00:00:00Z')
    expect((await tick(config)).codes).toEqual(['NoChange recorded'])
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    expect(await minutes(config, '2026-11-25T00:01:00Z', 3)).toEqual([2, 0, 0])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(9)
  })

  test('in mode plan as well, where the memory is all that is written', async () => {
    const store = openMemoryStore(disk)
    const planning = { config: configOf(config, 'plan'), kernel: undefined, store }
    expect((await tick(config, planning)).codes).toEqual(['Planned due'])
    expect(await minutes(config, '2026-11-24T00:01:05Z', 3, planning)).toEqual([2, 2, 2])
    await stage.person('PATCH', webPath, { spec: { replicas: 5 } })
    // Past its starting deadline the firing asks for nothing any more.
    expect(await minutes(config, '2026-11-24T00:31:05Z', 3, planning)).toEqual([2, 0, 0])
    expect(stage.writes()).toEqual([])
  })
})

describe('everything is looked at', () => {
  /** A cursor that stands, for the rules of `settings`. */
  async function quiet(settings: z.input<typeof Settings> = config): Promise<void> {
    stage.at('2026-11-24T00:00:05Z')
    await tick(settings)
    stage.at('2026-11-24T00:01:05Z')
    await tick(settings)
    stage.at('2026-11-24T00:02:05Z')
    expect((await tick(settings)).codes).toEqual(['Skipped nothing-due'])
    stage.at('2026-11-24T00:03:05Z')
  }

  test('when a rule of the configuration was changed, and the change is done', async () => {
    await quiet()
    const edited = { ...config, rules: [...config.rules, ruleOf('more', '0 3 0 * * *', 7, { cluster: clusterA })] }
    expect((await tick(edited)).codes).toContain('Applied due')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(7)
  })

  test('when an HPC object was changed, and the change is done', async () => {
    for (const object of webSchedules(crons)) stage.put(object)
    await quiet(hpc)
    const path = '/apis/autoscaling.cloud.tencent.com/v1/namespaces/default/horizontalpodcronscalers/web'
    await stage.person('PATCH', path, { spec: { crons: [...crons, { name: 'now', schedule: '0 3 0 * * *', targetSize: 8 }] } })
    expect((await tick(hpc)).codes).toContain('Applied due')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(8)
  })

  test('when an override was added, which is applied', async () => {
    await quiet()
    const overrides = [
      {
        name: 'incident',
        cluster: clusterA,
        target: { kind: 'Deployment', name: 'web' },
        targetSize: 11,
        until: '2026-11-24T02:00:00Z',
        reason: 'incident',
      },
    ]
    expect((await tick({ ...config, overrides })).codes).toContain('Applied override-begins')
  })

  test('when any other setting is not the same', async () => {
    await quiet()
    expect((await tick({ ...config, lookBack: '7d' })).calls).toHaveLength(2)
  })

  test('when somebody asks', async () => {
    await quiet()
    const { calls, codes } = await tick(config, { fresh: true })
    expect(codes).toEqual(['NoChange already-applied'])
    expect(calls).toHaveLength(2)
  })

  test('when the clock was set back', async () => {
    await quiet()
    stage.at('2026-11-24T00:00:30Z')
    expect((await tick(config)).calls).toHaveLength(2)
  })

  test('by another process that does not know, or does not understand, what this one left', async () => {
    await quiet()
    const other = await memoryKernel({ config: configOf({}), cloud: stage.cloud, now: () => stage.sandbox.clock.now() })
    expect((await tick(config, { kernel: other })).calls).toHaveLength(2)
    const memory = createMemory(kernel.store, { function: 'cron-scaler', now: () => stage.sandbox.clock.now() })
    for (const value of [
      null,
      'x',
      {},
      { format: 2, cursor: {} },
      { format: 1, cursor: { lookedAt: 'yesterday' } },
      { format: 1, more: 1 },
    ]) {
      await memory.put(`cluster/${clusterA}`, value)
      expect((await tick(config)).calls).toHaveLength(2)
    }
    // And what it leaves itself takes the place of that.
    stage.at('2026-11-24T00:04:05Z')
    expect((await tick(config)).calls).toEqual([])
  })

  test('as long as something is held, fails, or is enforced', async () => {
    await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': 'true' } } })
    await tick(config)
    expect(await minutes(config, '2026-11-24T00:01:05Z', 4)).toEqual([2, 2, 2, 2])
    await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': null } } })
    stage.at('2026-11-24T00:05:05Z')
    expect((await tick(config)).codes).toEqual(['Applied late'])
    const enforcing = { ...config, rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA, enforce: true })] }
    expect(await minutes(enforcing, '2026-11-24T00:06:05Z', 4)).toEqual([2, 2, 2, 2])
    await stage.person('PATCH', webPath, { spec: { replicas: 1 } })
    stage.at('2026-11-24T00:10:05Z')
    expect((await tick(enforcing)).codes).toEqual(['Applied drift'])
  })

  test('as long as a cluster does not answer all of it', async () => {
    const broken: Partial<RunOptions> = {
      cloud: {
        send: async (action, request, options) => {
          if (String(Reflect.get(request, 'Path')).includes('horizontalpodautoscalers')) {
            return await stage.cloud.send(action, { ...request, Path: '/apis/no.such.group/v1/things' }, options)
          }
          return await stage.cloud.send(action, request, options)
        },
      },
    }
    await tick(config, broken)
    expect(await minutes(config, '2026-11-24T00:01:05Z', 3, broken)).toEqual([2, 2, 2])
  })

  test('of a rule with a short starting deadline, at every tick while it counts', async () => {
    const hasty = { ...config, rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA, startingDeadline: '90s' })] }
    await tick(hasty)
    expect(await minutes(hasty, '2026-11-24T00:01:05Z', 4)).toEqual([2, 2, 2, 2])
  })

  test('of a person’s hold within five minutes, after which the firing counts again', async () => {
    await quiet()
    await stage.person('PATCH', webPath, {
      spec: { replicas: 9 },
      metadata: { annotations: { 'longshore.dev/hold-until': '2026-11-24T00:20:00Z' } },
    })
    for (let minute = 4; minute < 20; minute += 1) {
      stage.at(new Date(Date.parse('2026-11-24T00:00:05Z') + minute * 60_000).toISOString())
      expect((await tick(config)).report.counts.Applied).toBe(0)
    }
    stage.at('2026-11-24T00:20:05Z')
    expect((await tick(config)).codes).toEqual(['Applied late'])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
  })

  test('where HPC objects were served and are not any more', async () => {
    for (const object of webSchedules(crons)) stage.put(object)
    await quiet(hpc)
    await stage.person(
      'DELETE',
      '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/horizontalpodcronscalers.autoscaling.cloud.tencent.com',
    )
    const gone = await tick(hpc)
    expect(gone.report.failure).toBeUndefined()
    expect(gone.codes).toEqual([])
    stage.at('2026-11-24T00:04:05Z')
    expect((await tick(hpc)).calls).toEqual([])
  })
})

describe('what is remembered', () => {
  test('is written only when it is not there already', async () => {
    const writes: string[] = []
    const store = openMemoryStore(disk, {
      after: ({ operation, partition, sort }) => {
        if (operation === 'put' && partition === 'memory/cron-scaler') writes.push(`${stage.sandbox.clock.now()} ${sort}`)
      },
    })
    for (const object of webSchedules(crons)) stage.put(object)
    await tick(hpc, { store })
    await minutes(hpc, '2026-11-24T00:01:05Z', 5, { store })
    const seconds = writes.map((line) => [(Number(line.split(' ')[0]) - Date.parse('2026-11-24T00:00:05Z')) / 1000, line.split(' ')[1]])
    expect(seconds).toEqual([
      [0, `cluster%2F${clusterA}`],
      [0, `cluster%2F${clusterB}`],
      [60, `cluster%2F${clusterA}`],
      // Where HPC objects are served is looked for again.
      [300, `cluster%2F${clusterA}`],
      [300, `cluster%2F${clusterB}`],
    ])
  })

  test('is lost with the store, and costs nothing but reads', async () => {
    const lines: string[] = []
    const log = createLog({ write: (line) => lines.push(line), redactor: createRedactor() })
    const store = openMemoryStore(disk, {
      before: () => {
        throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    expect((await tick(config, { store, log })).codes).toEqual(['Applied due'])
    expect(await minutes(config, '2026-11-24T00:01:05Z', 3, { store, log })).toEqual([2, 2, 2])
    expect(lines.filter((line) => line.includes('memory-not-kept'))).toHaveLength(4)
  })

  test('is not overwritten by a run that is slower than another', async () => {
    await tick(config)
    stage.at('2026-11-24T00:01:05Z')
    const slowAt = stage.sandbox.clock.now()
    const settings = z.parse(Settings, config)
    const own = { mode: 'enforce', region: 'ap-guangzhou', clusters: [{ id: clusterA }], settings } as const
    const memory = createMemory(kernel.store, { function: 'cron-scaler', now: () => slowAt })
    const observed = await definition.observe(stage.cloud, own, slowAt, { memory, fetchText: () => Promise.reject(new Error('no')) })
    const steps = definition.plan(observed, own, slowAt)
    // Meanwhile somebody holds the target, and another run sees that.
    await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': 'true' } } })
    await memory.put(`cluster/${clusterA}`, { format: 1 })
    const decisions = steps.map(({ key, target, before, after, reason }) => ({
      function: 'cron-scaler',
      key,
      target,
      before,
      after,
      reason,
      outcome: 'NoChange' as const,
    }))
    await definition.remember?.({ observed, steps, decisions, config: own, now: slowAt }, memory)
    expect((await memory.get(`cluster/${clusterA}`))?.value).toEqual({ format: 1 })
  })
})

describe('the look ahead', () => {
  test('waits for firings within the minute, also of a cluster that nobody looked at', async () => {
    const settings = { ...config, rules: [ruleOf('up', '40 3 0 * * *', 5, { cluster: clusterA })] }
    await tick(settings)
    stage.at('2026-11-24T00:01:05Z')
    await tick(settings)
    stage.at('2026-11-24T00:03:05Z')
    const clock = {
      now: () => stage.sandbox.clock.now(),
      sleep: (ms: number) => {
        stage.at(new Date(stage.sandbox.clock.now() + ms).toISOString())
        return Promise.resolve()
      },
    }
    const { report } = await tick(settings, { waitClock: clock, scheduledAt: Date.parse('2026-11-24T00:03:00Z') })
    expect(codesOf(report)).toEqual(['Skipped nothing-due'])
    expect(report.followUps?.map((followUp) => [followUp.runId, followUp.skewMs, ...codesOf(followUp)])).toEqual([
      ['cron-scaler@2026-11-24T00:03:40.000Z', 0, 'Applied due'],
    ])
    expect((await shownSize(stage, webPath)).record?.nominalMs).toBe(Date.parse('2026-11-24T00:03:40Z'))
  })
})
