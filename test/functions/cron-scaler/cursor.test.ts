import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'

import { definition } from '#functions/cron-scaler/definition.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import { scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { makePlan, type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { ruleOf } from './fixtures.ts'
import { clusterA, clusterB, hpcGroup, openStage, type Stage, shownSize, web, webPath, webSchedules } from './stage.ts'

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

  test('makes no call on any minute until the next firing, and one look at that and after it', async () => {
    await tick(config)
    expect(await minutes(config, '2026-11-24T00:01:05Z', 1)).toEqual([2])
    expect(Math.max(...(await minutes(config, '2026-11-24T00:02:05Z', 200)))).toBe(0)
    expect(Math.max(...(await minutes(config, '2026-11-24T23:00:05Z', 59)))).toBe(0)
    stage.at('2026-11-25T00:00:00Z')
    expect((await tick(config)).codes).toEqual(['NoChange recorded'])
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    expect(await minutes(config, '2026-11-25T00:01:00Z', 40)).toEqual([2, ...Array.from({ length: 39 }, () => 0)])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(9)
  })

  test('makes one list for each cluster and kind on any minute, also when it sees which kinds there are', async () => {
    for (const object of webSchedules(crons)) stage.put(object)
    for (const object of webSchedules(crons)) stage.put(object, clusterB)
    stage.put(web(1), clusterB)
    await tick(hpc)
    await minutes(hpc, '2026-11-24T00:01:05Z', 1)
    const counts = await minutes(hpc, '2026-11-24T00:02:05Z', 150)
    expect(Math.max(...counts)).toBe(2)
    expect(Math.min(...counts)).toBe(2)
  })

  test('makes no more than one list for a cluster that serves HPC objects and has none', async () => {
    for (const cluster of [clusterA, clusterB]) stage.put(scalerDefinition(hpcGroup), cluster)
    await tick(hpc)
    await minutes(hpc, '2026-11-24T00:01:05Z', 1)
    const counts = await minutes(hpc, '2026-11-24T00:02:05Z', 130)
    expect([Math.min(...counts), Math.max(...counts)]).toEqual([2, 2])
    expect((await tick(hpc)).codes).toEqual([])
  })

  test('makes one call in five minutes where HPC is looked for, and none where it is not', async () => {
    const counts = async (settings: z.input<typeof Settings>) => {
      await minutes(settings, '2026-11-24T00:00:05Z', 2)
      return (await minutes(settings, '2026-11-24T00:02:05Z', 60)).reduce((sum, count) => sum + count, 0)
    }
    expect(await counts(config)).toBe(0)
    // Twelve for each of two clusters.
    expect(await counts({ ...config, hpc: {} })).toBe(24)
  })

  test('makes no call when a rule comes up on a day that is excluded, and says so', async () => {
    const rules = [...config.rules, ruleOf('work', '0 30 0 * * *', 7, { cluster: clusterA, excludeDates: ['2026-11-24'] })]
    const settings = { ...config, rules }
    await tick(settings)
    await minutes(settings, '2026-11-24T00:01:05Z', 1)
    expect(Math.max(...(await minutes(settings, '2026-11-24T00:02:05Z', 28)))).toBe(0)
    stage.at('2026-11-24T00:30:05Z')
    const said = await tick(settings)
    expect(said.calls).toEqual([])
    expect(said.codes).toEqual(['Skipped nothing-due', 'Skipped excluded-date'])
    expect(said.report.decisions[1]).toMatchObject({
      target: `${clusterA}/default/Deployment/web`,
      reason: { text: 'config/work does not run: Tue 2026-11-24 00:30:00 UTC is excluded by "2026-11-24"' },
    })
    expect(Math.max(...(await minutes(settings, '2026-11-24T00:31:05Z', 60)))).toBe(0)
    expect((await tick(settings)).codes).toEqual(['Skipped nothing-due'])
    stage.at('2026-11-25T00:30:05Z')
    expect((await tick(settings)).codes).toContain('Applied due')
  })

  test('says that a validity is over without a call', async () => {
    const old = ruleOf('old', '0 0 1 * * *', 3, { cluster: clusterA, validUntil: '2026-11-24', timeZone: 'Asia/Tokyo' })
    const settings = { ...config, rules: [...config.rules, old] }
    await tick(settings)
    await minutes(settings, '2026-11-24T00:01:05Z', 1)
    stage.at('2026-11-24T15:00:05Z')
    const { calls, codes } = await tick(settings)
    expect(calls).toEqual([])
    expect(codes).toEqual(['Skipped nothing-due', 'Skipped validity-over'])
    stage.at('2026-11-24T15:01:05Z')
    expect((await tick(settings)).codes).toEqual(['Skipped nothing-due'])
  })

  test('makes no call while something is held that would not be carried out any more', async () => {
    await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': 'true' } } })
    const gone = ruleOf('gone', '0 0 0 * * *', 5, { cluster: clusterA, target: { kind: 'Deployment', name: 'gone' } })
    const settings = { ...config, rules: [...config.rules, gone] }
    expect((await tick(settings)).codes).toEqual(['Held target-missing', 'Held opt-out'])
    expect(await minutes(settings, '2026-11-24T00:01:05Z', 29)).toEqual(Array.from({ length: 29 }, () => 2))
    expect(await minutes(settings, '2026-11-24T00:30:05Z', 30)).toEqual([2, ...Array.from({ length: 29 }, () => 0)])
  })

  test('reads targets every lookEvery where that is set', async () => {
    const looking = { ...config, lookEvery: '5m' }
    await tick(looking)
    expect(await minutes(looking, '2026-11-24T00:01:05Z', 12)).toEqual([2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0])
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

  test('with lookEvery, of a rule with a short starting deadline at every tick while it counts', async () => {
    const hasty = { ...config, lookEvery: '5m', rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA, startingDeadline: '90s' })] }
    await tick(hasty)
    expect(await minutes(hasty, '2026-11-24T00:01:05Z', 4)).toEqual([2, 2, 2, 2])
  })

  test('with lookEvery, of a person’s hold within that time, after which the firing counts again', async () => {
    const looking = { ...config, lookEvery: '5m' }
    await quiet(looking)
    await annotate('hold-until', '2026-11-24T00:20:00Z', 9)
    for (let minute = 4; minute < 20; minute += 1) {
      stage.at(new Date(Date.parse('2026-11-24T00:00:05Z') + minute * 60_000).toISOString())
      expect((await tick(looking)).report.counts.Applied).toBe(0)
    }
    stage.at('2026-11-24T00:20:05Z')
    expect((await tick(looking)).codes).toEqual(['Applied late'])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
  })

  /** Runs every minute, and answers `minute: size` whenever the size is another one. */
  async function sizes(settings: z.input<typeof Settings>, from: string, count: number): Promise<string[]> {
    const seen: string[] = []
    for (let minute = 0; minute < count; minute += 1) {
      stage.at(new Date(Date.parse(from) + minute * 60_000).toISOString())
      await tick(settings)
      const size = String((await shownSize(stage, webPath)).spec.replicas)
      if (seen.at(-1)?.endsWith(` ${size}`) !== true) seen.push(`${minute}: ${size}`)
    }
    return seen
  }

  async function annotate(name: string, value: string | null, size?: number): Promise<void> {
    const spec = size === undefined ? {} : { spec: { replicas: size } }
    await stage.person('PATCH', webPath, { ...spec, metadata: { annotations: { [`longshore.dev/${name}`]: value } } })
  }

  const daily = { ...config, rules: [...config.rules, ruleOf('one', '0 0 1 * * *', 3, { cluster: clusterA })] }

  test('while a hold lasts that the last firing has found, and when it ends or is lifted', async () => {
    await quiet(daily)
    await annotate('hold-until', '2026-11-24T01:20:00Z', 9)
    expect(await sizes(daily, '2026-11-24T00:59:00Z', 30)).toEqual(['0: 9', '21: 3'])
    await annotate('hold-until', '2026-11-25T00:40:00Z', 9)
    expect(await sizes(daily, '2026-11-25T00:00:05Z', 2)).toEqual(['0: 9'])
    await annotate('hold-until', null)
    expect(await sizes(daily, '2026-11-25T00:02:05Z', 3)).toEqual(['0: 5'])
  })

  test('while an override on the target lasts that the last firing has found, and when it ends or is taken away', async () => {
    await quiet(daily)
    await annotate('override', 'replicas=9 until=2026-11-24T01:20:00Z')
    expect(await sizes(daily, '2026-11-24T00:59:00Z', 30)).toEqual(['0: 5', '1: 9', '21: 3'])
    await annotate('override', 'replicas=8 until=2026-11-25T00:40:00Z')
    expect(await sizes(daily, '2026-11-25T00:00:00Z', 2)).toEqual(['0: 8'])
    await annotate('override', null)
    expect(await sizes(daily, '2026-11-25T00:02:00Z', 3)).toEqual(['0: 5'])
  })

  test('for somebody who has written an override and runs it by hand, and at its end', async () => {
    await quiet()
    await annotate('override', 'replicas=9 until=2026-11-24T00:20:00Z')
    expect(await sizes(config, '2026-11-24T00:04:05Z', 2)).toEqual(['0: 5'])
    stage.at('2026-11-24T00:06:05Z')
    expect((await tick(config, { fresh: true })).codes).toEqual(['Applied override-begins'])
    expect(await sizes(config, '2026-11-24T00:07:05Z', 20)).toEqual(['0: 9', '13: 5'])
  })

  test('when a target appears while its firing still counts', async () => {
    await stage.person('DELETE', webPath)
    await tick(config)
    await minutes(config, '2026-11-24T00:01:05Z', 8)
    stage.put(web(1))
    stage.at('2026-11-24T00:09:05Z')
    expect((await tick(config)).codes).toEqual(['Applied late'])
  })

  test('at the next firing when a target was made anew with another size', async () => {
    await quiet(daily)
    await stage.person('DELETE', webPath)
    stage.put(web(1))
    expect(await sizes(daily, '2026-11-24T00:03:05Z', 60)).toEqual(['0: 1', '57: 3'])
  })

  test('when a rule that runs once would come up again, since only its target knows that it has run', async () => {
    const once = { ...config, rules: [ruleOf('once', '0 0 * * * *', 5, { cluster: clusterA, runOnce: true })] }
    await quiet(once)
    await annotate('cron-scaler', null, 2)
    expect(await sizes(once, '2026-11-24T00:03:05Z', 59)).toEqual(['0: 2', '57: 5'])
  })

  test('after somebody took a change back, whatever the ticks knew', async () => {
    await quiet()
    const memory = createMemory(kernel.store, { function: 'cron-scaler', now: () => stage.sandbox.clock.now() })
    const facts = { steps: [{ target: `${clusterA}/default/Deployment/web` }], decisions: [], config: {}, now: stage.sandbox.clock.now() }
    await definition.rememberSteps?.(facts as unknown as Parameters<NonNullable<typeof definition.rememberSteps>>[0], memory)
    expect((await tick(config)).codes).toEqual(['NoChange already-applied'])
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

describe('a target whose override is not in the configuration any more', () => {
  const bare = { timeZone: 'UTC', hpc: { enabled: false } }
  const sale = {
    name: 'sale',
    cluster: clusterA,
    target: { kind: 'Deployment', name: 'web' },
    targetSize: 11,
    until: '2026-11-24T02:00:00Z',
    reason: 'sale',
  }
  const size = async (): Promise<unknown> => (await shownSize(stage, webPath)).spec.replicas

  test('gets the size back that was there, though no rule names it', async () => {
    expect((await tick({ ...bare, overrides: [sale] })).codes).toEqual(['Applied override-begins'])
    await minutes({ ...bare, overrides: [sale] }, '2026-11-24T00:01:05Z', 5)
    expect(await size()).toBe(11)
    stage.at('2026-11-24T00:06:05Z')
    const over = await tick(bare)
    expect(over.codes).toEqual(['Applied override-over'])
    expect(over.report.decisions[0]?.reason.text).toBe(
      'override/config/sale was taken away, and no rule has fired for the target; replicas 2 was there before it',
    )
    expect(await size()).toBe(2)
    // One look more, and it is forgotten.
    expect(await minutes(bare, '2026-11-24T00:07:05Z', 4)).toEqual([2, 0, 0, 0])
  })

  test('gets it back when the entry goes after the end, before any tick has seen that', async () => {
    await tick({ ...bare, overrides: [sale] })
    await minutes({ ...bare, overrides: [sale] }, '2026-11-24T00:01:05Z', 2)
    stage.at('2026-11-24T02:00:05Z')
    expect((await tick(bare)).codes).toEqual(['Applied override-over'])
    expect(await size()).toBe(2)
  })

  test('gets it back when its rule goes together with the entry', async () => {
    await tick(config)
    stage.at('2026-11-24T00:05:05Z')
    await tick({ ...config, overrides: [sale] })
    expect(await size()).toBe(11)
    stage.at('2026-11-24T00:06:05Z')
    expect((await tick(bare)).codes).toEqual(['Applied override-over'])
    expect(await size()).toBe(5)
  })

  test('stays as a person has set it since, and is forgotten', async () => {
    await tick({ ...bare, overrides: [sale] })
    await stage.person('PATCH', webPath, { spec: { replicas: 7 } })
    stage.at('2026-11-24T00:01:05Z')
    expect((await tick(bare)).codes).toEqual(['NoChange override-over'])
    expect(await size()).toBe(7)
    expect(await minutes(bare, '2026-11-24T00:02:05Z', 2)).toEqual([0, 0])
  })

  test('is waited for as long as its cluster cannot be read', async () => {
    await tick({ ...bare, overrides: [sale] })
    const away: Partial<RunOptions> = {
      cloud: {
        send: async (action, request, options) =>
          await stage.cloud.send(action, { ...request, Path: '/apis/no.such.group/v1/things' }, options),
      },
    }
    await minutes(bare, '2026-11-24T00:01:05Z', 3, away)
    expect(await size()).toBe(11)
    stage.at('2026-11-24T00:04:05Z')
    expect((await tick(bare)).codes).toEqual(['Applied override-over'])
  })

  test('is not forgotten by a run that could not read what was remembered', async () => {
    await tick({ ...bare, overrides: [sale] })
    stage.at('2026-11-24T00:01:05Z')
    let reads = 0
    const store = openMemoryStore(disk, {
      before: ({ operation }) => {
        // The first of each run is what the clusters are recalled with.
        if (operation !== 'query') return
        reads += 1
        if (reads === 1) throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    expect((await tick(bare, { store })).codes).toEqual([])
    expect(reads).toBeGreaterThan(1)
    stage.at('2026-11-24T00:02:05Z')
    expect((await tick(bare)).codes).toEqual(['Applied override-over'])
  })

  test('is waited for as long as somebody has opted it out, with the entry and without', async () => {
    const optOut = async (value: string | null): Promise<unknown> =>
      await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': value } } })
    await tick({ ...bare, overrides: [sale] })
    await optOut('true')
    expect(await minutes({ ...bare, overrides: [sale] }, '2026-11-24T02:00:05Z', 3)).toEqual([2, 2, 2])
    expect(await minutes(bare, '2026-11-24T02:03:05Z', 3)).toEqual([2, 2, 2])
    expect(await size()).toBe(11)
    await optOut(null)
    stage.at('2026-11-24T02:06:05Z')
    expect((await tick(bare)).codes).toEqual(['Applied override-over'])
    expect(await size()).toBe(2)
  })

  test('is in the plan that somebody asks for', async () => {
    await tick({ ...bare, overrides: [sale] })
    stage.at('2026-11-24T00:01:05Z')
    const { steps } = await makePlan(definition, { config: configOf(bare), cloud: stage.cloud, kernel, now: stage.sandbox.clock.now() })
    expect(steps.map(({ verdict, reason }) => `${verdict} ${reason.code}`)).toEqual(['change override-over'])
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
      // That nothing is due in a cluster without rules is known as well.
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
