import { describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Mode, ObserveAround, RunFacts, ScheduleDefinition } from '#shared/runtime/definition.ts'
import { FetchError, type FetchTextOptions } from '#shared/runtime/fetch-text.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { hasFailed, type RunReport, redactReport, whollyFailed } from '#shared/runtime/report.ts'
import { makePlan, type RunOptions, runSchedule, runSteps } from '#shared/runtime/run.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from './memory-kernel.ts'
import { type TinyChange, type TinySettings, tiny } from './tiny-definition.ts'

const start = Date.UTC(2026, 0, 31, 8)
const now = start + 3000

type Tiny = ScheduleDefinition<TinySettings, readonly string[], TinyChange>

function configOf(mode: Mode, rules: readonly object[] = [{ target: 'web' }]): Config {
  return {
    mode,
    platform: {
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: 'cls-1' }],
    store: { kind: 'memory' },
    functions: { 'cron-scaler': { rules } },
  }
}

/** A platform that answers everything, or fails as it is told for an action. */
function cloudOf(failing: { name?: string } = {}): CloudWriter & { readonly calls: string[] } {
  const calls: string[] = []
  return {
    calls,
    send: (async (action: { name: string }) => {
      calls.push(action.name)
      if (action.name === failing.name) throw new Error(`${action.name} does not work`)
      return { Clusters: [{ ClusterId: 'cls-1' }], TotalCount: 1, ResponseBody: '{}', RequestId: 'r' }
    }) as unknown as CloudWriter['send'],
  }
}

function logOf() {
  const lines: Record<string, unknown>[] = []
  const log = createLog({ write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>), redactor: createRedactor() })
  return { log, lines, of: (event: string) => lines.filter((line) => line.event === event) }
}

async function runWith(definition: Tiny, mode: Mode, options: Partial<RunOptions> = {}) {
  const config = options.config ?? configOf(mode)
  const cloud = options.cloud ?? cloudOf()
  const base = { config, cloud, now, scheduledAt: start, trigger: { kind: 'local' }, log: silentLog, owner: 'this-run' } as const
  const kernel = mode === 'enforce' ? await memoryKernel({ config, cloud, now: () => now }) : undefined
  return await runSchedule(definition, { ...base, kernel, ...options })
}

describe('what a function remembers', () => {
  /** Counts its runs, and tells with each plan how many there were. */
  const counting = (seen: unknown[] = []): Tiny => ({
    ...tiny,
    observe: async (cloud, config, at, around) => {
      const { value } = (await around.memory.get('runs')) ?? { value: 0 }
      const clusters = await tiny.observe(cloud, config, at, around)
      return [...clusters, ...Array.from({ length: Number(value) }, () => 'run')]
    },
    remember: async (facts, memory) => {
      seen.push(facts)
      await memory.put('runs', Number((await memory.get('runs'))?.value ?? 0) + 1)
    },
  })

  it.each<Mode>(['observe', 'plan', 'enforce'])('is there for its next run in mode %s', async (mode) => {
    const disk = new MemoryDisk()
    const config = configOf(mode)
    const cloud = cloudOf()
    const kernel = mode === 'enforce' ? await memoryKernel({ config, cloud, now: () => now, disk }) : undefined
    const options = { config, cloud, kernel, store: kernel === undefined ? openMemoryStore(disk) : undefined }
    const befores: unknown[] = []
    for (let run = 0; run < 3; run += 1) befores.push((await runWith(counting(), mode, options)).decisions[0]?.before)
    expect(befores).toEqual(['of 1 clusters', 'of 2 clusters', 'of 3 clusters'])
    if (mode !== 'enforce') expect(new Set(cloud.calls)).toEqual(new Set(['DescribeClusters']))
  })

  it('is told what was seen, planned and became of it, step by step', async () => {
    const seen: RunFacts<TinySettings, readonly string[], TinyChange>[] = []
    const config = configOf('enforce', [{ target: 'a' }, { target: 'b', verdict: 'held' }])
    await runWith(counting(seen), 'enforce', { config })
    expect(seen).toMatchObject([{ observed: ['cls-1'], now, config: { mode: 'enforce' } }])
    const [facts] = seen
    expect(facts?.steps.map(({ target, verdict }) => [target, verdict])).toEqual([
      ['a', 'change'],
      ['b', 'held'],
    ])
    expect(facts?.decisions.map(({ target, outcome }) => [target, outcome])).toEqual([
      ['a', 'Applied'],
      ['b', 'Held'],
    ])
  })

  it('is kept by no plan that is only made, by no undoing, and by no run without a place for it', async () => {
    const seen: unknown[] = []
    const store = openMemoryStore(new MemoryDisk())
    const config = configOf('enforce')
    const cloud = cloudOf()
    const { steps } = await makePlan(counting(seen), { config, cloud, now, store })
    const kernel = await memoryKernel({ config, cloud, now: () => now })
    const base = { config, cloud, now, scheduledAt: start, trigger: { kind: 'local' }, log: silentLog } as const
    await runSteps(counting(seen), steps, { ...base, kernel, owner: 'undo', store })
    await runWith(counting(seen), 'plan')
    expect(seen).toEqual([])
    expect(await createMemory(store, { function: 'cron-scaler', now: () => now }).list('')).toEqual([])
  })

  it('is not told of a run that came to no plan, nor of one that was stopped', async () => {
    const seen: unknown[] = []
    const store = openMemoryStore(new MemoryDisk())
    await runWith(counting(seen), 'plan', { store, cloud: cloudOf({ name: 'DescribeClusters' }) })
    const stop = new AbortController()
    const stopping: Tiny = {
      ...counting(seen),
      plan: (...words) => {
        stop.abort()
        return tiny.plan(...words)
      },
    }
    const { log, of } = logOf()
    await runWith(stopping, 'plan', { store, signal: stop.signal, log })
    expect(seen).toEqual([])
    expect(of('memory-not-kept')).toMatchObject([{ level: 'warn', code: 'aborted' }])
  })

  it.each<[string, Tiny['remember'], string]>([
    ['a store that is full', undefined, 'store.full'],
    ['a value that is none', async (_, memory) => await memory.put('x', new Date(0)), 'memory.invalid'],
    ['a bug', () => Promise.reject(new TypeError('no such thing')), 'memory-failed'],
    ['a bug before it is even asynchronous', () => JSON.parse('{') as never, 'memory-failed'],
  ])('is lost by %s, and nothing that was decided with it', async (_, remember, code) => {
    const { log, of } = logOf()
    const store = openMemoryStore(new MemoryDisk({ capacityBytes: 10 }))
    const definition = remember === undefined ? counting() : { ...counting(), remember }
    const report = await runWith(definition, 'enforce', { store, log })
    expect(report.decisions).toMatchObject([{ target: 'web', outcome: 'Applied' }])
    expect(report.failure).toBeUndefined()
    expect(of('memory-not-kept')).toMatchObject([{ level: 'warn', code, function: 'cron-scaler' }])
    expect(of('run-finished')).toHaveLength(1)
  })

  it.each<[string, Tiny['remember'], string]>([
    ['a store that is full', undefined, 'store.full'],
    ['a bug', () => Promise.reject(new TypeError('no such thing')), 'memory-failed'],
  ])('is a failed run by %s, where what it remembers is its record', async (_, remember, code) => {
    const { log, of } = logOf()
    const store = openMemoryStore(new MemoryDisk({ capacityBytes: 10 }))
    const definition = { ...counting(), ...(remember === undefined ? {} : { remember }), memoryIsRecord: true }
    const report = await runWith(definition, 'plan', { store, log })
    expect(report.decisions).toMatchObject([{ target: 'web', outcome: 'Planned' }])
    expect(report.failure).toMatchObject({ code: 'memory-unwritten', text: expect.stringContaining(`(${code})`) })
    expect([whollyFailed(report), hasFailed(report)]).toEqual([true, true])
    expect(of('run-failed')).toMatchObject([{ level: 'error', code: 'memory-unwritten' }])
  })

  it('is a failed run where there is no store at all, or where the run was stopped before it, and none where it is kept', async () => {
    const definition = { ...counting(), memoryIsRecord: true }
    expect((await runWith(definition, 'plan')).failure).toMatchObject({
      code: 'memory-unwritten',
      text: expect.stringContaining('there is no store'),
    })
    const store = openMemoryStore(new MemoryDisk())
    expect((await runWith(definition, 'plan', { store })).failure).toBeUndefined()
    const stop = new AbortController()
    const stopping: Tiny = {
      ...definition,
      plan: (...words) => {
        stop.abort()
        return tiny.plan(...words)
      },
    }
    expect((await runWith(stopping, 'plan', { store, signal: stop.signal })).failure?.code).toBe('memory-unwritten')
    // A plan that is only printed keeps nothing, and fails at nothing.
    const { steps } = await makePlan(definition, { config: configOf('plan'), cloud: cloudOf(), now })
    expect(steps).toHaveLength(1)
  })

  it('is kept of a run that could look at nothing, which has failed all the same', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const blind: Tiny = {
      ...counting(),
      failureOf: (steps) =>
        steps.some(({ verdict }) => verdict === 'held') ? { code: 'run.blind', text: 'nothing was there to see' } : undefined,
    }
    const held = configOf('plan', [{ target: 'a', verdict: 'held' }])
    const report = await runWith(blind, 'plan', { store, config: held })
    expect(report).toMatchObject({ failure: { code: 'run.blind', text: 'nothing was there to see' }, counts: { Held: 1 } })
    expect((await runWith(blind, 'plan', { store })).failure).toBeUndefined()
    expect((await createMemory(store, { function: 'cron-scaler', now: () => now }).get('runs'))?.value).toBe(2)
  })

  it('can be read by another function, and not be changed by it', async () => {
    const store = openMemoryStore(new MemoryDisk())
    await createMemory(store, { function: 'license-meter', now: () => now }).put('headroom', { cores: 24 })
    const read: unknown[] = []
    const looking: Tiny = {
      ...tiny,
      observe: async (...words) => {
        const memory = words[3].memoryOf?.('license-meter')
        read.push(Object.keys(memory ?? {}).toSorted(), (await memory?.get('headroom'))?.value)
        return await tiny.observe(...words)
      },
    }
    await runWith(looking, 'plan', { store })
    await runWith(looking, 'plan')
    expect(read).toEqual([['get', 'list'], { cores: 24 }, ['get', 'list'], undefined])
  })

  it('cannot be changed while observing', async () => {
    let around: ObserveAround | undefined
    const looking: Tiny = {
      ...tiny,
      observe: async (...words) => {
        around = words[3]
        return await tiny.observe(...words)
      },
    }
    await runWith(looking, 'plan', { store: openMemoryStore(new MemoryDisk()) })
    expect(Object.keys(around?.memory ?? {}).toSorted()).toEqual(['get', 'list'])
  })
})

describe('what observing gets beside the cloud', () => {
  async function aroundOf(options: Partial<RunOptions>): Promise<ObserveAround> {
    let around: ObserveAround | undefined
    const looking: Tiny = {
      ...tiny,
      observe: async (...words) => {
        around = words[3]
        return await tiny.observe(...words)
      },
    }
    await runWith(looking, 'plan', options)
    if (around === undefined) throw new Error('nothing was observed')
    return around
  }

  it('is nothing to fetch from, where nobody gave anything', async () => {
    const around = await aroundOf({})
    await expect(around.fetchText('https://calendars.example.com/x')).rejects.toBeInstanceOf(FetchError)
    expect(await around.memory.list('')).toEqual([])
    expect(around.fresh).toBe(false)
  })

  it('is what fetches, within the run’s own limits', async () => {
    const asked: (FetchTextOptions | undefined)[] = []
    const stop = new AbortController()
    const { fetchText } = await aroundOf({
      fetchText: async (url, options) => {
        asked.push(options)
        return `text of ${url}`
      },
      signal: stop.signal,
      remainingMs: () => 6_000,
    })
    expect(await fetchText('https://a.example/x')).toBe('text of https://a.example/x')
    await fetchText('https://a.example/x', { timeoutMs: 1_000, maxBytes: 5 })
    const own = new AbortController()
    await fetchText('https://a.example/x', { timeoutMs: 9_000, signal: own.signal })
    expect(asked.map((options) => [options?.timeoutMs, options?.maxBytes])).toEqual([
      [4_000, undefined],
      [1_000, 5],
      [4_000, undefined],
    ])
    own.abort()
    expect(asked.map((options) => options?.signal?.aborted)).toEqual([false, false, true])
    stop.abort()
    expect(asked.map((options) => options?.signal?.aborted)).toEqual([true, true, true])
  })

  it('says when somebody wants to see everything', async () => {
    expect((await aroundOf({ fresh: true })).fresh).toBe(true)
    const seen: (boolean | undefined)[] = []
    const looking: Tiny = {
      ...tiny,
      observe: async (...words) => {
        seen.push(words[3].fresh)
        return await tiny.observe(...words)
      },
    }
    await makePlan(looking, { config: configOf('plan'), cloud: cloudOf(), now })
    expect(seen).toEqual([true])
  })
})

describe('a run that looks ahead', () => {
  /** Something becomes due at each of these seconds of the minute. */
  const ahead = (...seconds: number[]): Tiny => ({
    ...tiny,
    ahead: (_observed, _config, from, until) => seconds.map((second) => start + second * 1000).filter((at) => at > from && at <= until),
  })

  function hurried(from: number = now) {
    const time = { now: from }
    return {
      time,
      now: () => time.now,
      sleep: (ms: number) => {
        time.now += ms
        return Promise.resolve()
      },
    }
  }

  it('runs again for each instant, under its own id, and says how late it was', async () => {
    const told: RunReport[] = []
    const { log, of } = logOf()
    const report = await runWith(ahead(15, 40), 'plan', { waitClock: hurried(), onReport: (one) => told.push(one), log })
    expect(report).toMatchObject({ runId: 'cron-scaler@2026-01-31T08:00:00.000Z', scheduledAt: start, now, counts: { Planned: 1 } })
    expect(report.skewMs).toBeUndefined()
    expect(report.followUps).toMatchObject([
      {
        runId: 'cron-scaler@2026-01-31T08:00:15.000Z',
        scheduledAt: start + 15_000,
        now: start + 15_000,
        skewMs: 0,
        trigger: { kind: 'local' },
      },
      { runId: 'cron-scaler@2026-01-31T08:00:40.000Z', scheduledAt: start + 40_000, now: start + 40_000, skewMs: 0 },
    ])
    expect(told).toEqual([expect.objectContaining({ scheduledAt: start }), ...(report.followUps ?? [])])
    expect(of('run-started').map(({ runId, lateMs }) => [runId, lateMs])).toEqual([
      ['cron-scaler@2026-01-31T08:00:00.000Z', 3000],
      ['cron-scaler@2026-01-31T08:00:15.000Z', 0],
      ['cron-scaler@2026-01-31T08:00:40.000Z', 0],
    ])
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  it('says the skew of a run that began late', async () => {
    const clock = hurried()
    const slow: Tiny = {
      ...ahead(15, 20),
      plan: (...words) => {
        clock.time.now += 7_000
        return tiny.plan(...words)
      },
    }
    const { followUps } = await runWith(slow, 'plan', { waitClock: clock })
    expect(followUps?.map(({ scheduledAt, skewMs }) => [scheduledAt - start, skewMs])).toEqual([
      [15_000, 0],
      [20_000, 2_000],
    ])
  })

  it('writes each change once, as an owner of its own', async () => {
    const owners: string[] = []
    const config = configOf('enforce')
    const cloud = cloudOf()
    const kernel = await memoryKernel({ config, cloud, now: () => now })
    const watched = {
      ...kernel,
      of: (...words: Parameters<typeof kernel.of>) => {
        owners.push(words[1])
        return kernel.of(...words)
      },
    }
    const again: Tiny = {
      ...ahead(15),
      plan: (observed, own, at) => tiny.plan(observed, own, at).map((step) => ({ ...step, key: `at ${at}` })),
    }
    const report = await runWith(again, 'enforce', { config, cloud, kernel: watched, waitClock: hurried() })
    expect([report, ...(report.followUps ?? [])].map(({ counts }) => counts.Applied)).toEqual([1, 1])
    expect(owners).toEqual(['this-run', 'this-run/1'])
    expect(cloud.calls.filter((name) => name === 'ForwardRequest')).toHaveLength(2)
    const twice = await runWith(ahead(15), 'enforce', { waitClock: hurried() })
    expect(twice.counts.Applied).toBe(1)
    expect(twice.followUps).toMatchObject([{ counts: { Applied: 0 } }])
  })

  it('does not wait without a clock, and answers as before', async () => {
    const report = await runWith(ahead(15), 'plan')
    expect(report).not.toHaveProperty('followUps')
    expect(await runWith(ahead(), 'plan', { waitClock: hurried() })).not.toHaveProperty('followUps')
  })

  it('waits no longer than leaves time to read, for a call and its margin, and says what it leaves to the next trigger', async () => {
    const clock = hurried()
    const { log, of } = logOf()
    const remainingMs = (): number => start + 55_000 - clock.now()
    const report = await runWith(ahead(15, 41, 42, 50), 'plan', { waitClock: clock, remainingMs, callTimeoutMs: 10_000, log })
    expect(report.followUps?.map(({ scheduledAt }) => scheduledAt - start)).toEqual([15_000, 41_000])
    expect(clock.now()).toBe(start + 41_000)
    expect(of('left-to-next-trigger')).toMatchObject([
      {
        level: 'info',
        code: 'no-time',
        reason: expect.stringMatching(/the next trigger does it late: 2026-01-31T08:00:42\.000Z, 2026-01-31T08:00:50\.000Z$/),
      },
    ])
  })

  it('looks as far as its next trigger, without the instant of that', async () => {
    const seconds = [59, 60, 119, 120, 299]
    const minutely = await runWith(ahead(...seconds), 'plan', { waitClock: hurried() })
    expect(minutely.followUps?.map(({ scheduledAt }) => scheduledAt - start)).toEqual([59_000])
    const slower = await runWith({ ...ahead(...seconds), everyMs: 120_000 }, 'plan', { waitClock: hurried() })
    expect(slower.followUps?.map(({ scheduledAt }) => scheduledAt - start)).toEqual([59_000, 60_000, 119_000])
    const late = await runWith(ahead(...seconds), 'plan', { waitClock: hurried(start + 70_000), now: start + 70_000 })
    expect(late.followUps).toBeUndefined()
  })

  it('goes on with what it knew when one of its runs comes to nothing, and is a failure then', async () => {
    let observed = 0
    const failing: Tiny = {
      ...ahead(15, 30),
      observe: async (...words) => {
        observed += 1
        if (observed === 2) throw new Error('the platform is away')
        return await tiny.observe(...words)
      },
    }
    const report = await runWith(failing, 'plan', { waitClock: hurried() })
    expect(report.followUps?.map(({ failure, counts }) => [failure?.code, counts.Planned])).toEqual([
      ['run.no-plan', 0],
      [undefined, 1],
    ])
    expect([whollyFailed(report), hasFailed(report)]).toEqual([true, true])
    const { followUps: _, ...alone } = report
    expect([whollyFailed(alone), hasFailed(alone)]).toEqual([false, false])
  })

  it('looks no further than a run that came to nothing itself', async () => {
    const report = await runWith(ahead(15), 'plan', { waitClock: hurried(), cloud: cloudOf({ name: 'DescribeClusters' }) })
    expect(report.failure).toBeDefined()
    expect(report.followUps).toBeUndefined()
  })

  it('remembers after each of its runs', async () => {
    const remembered: number[] = []
    const definition: Tiny = {
      ...ahead(15, 30),
      remember: (facts) => {
        remembered.push(facts.now - start)
        return Promise.resolve()
      },
    }
    await runWith(definition, 'plan', { waitClock: hurried(), store: openMemoryStore(new MemoryDisk()) })
    expect(remembered).toEqual([3_000, 15_000, 30_000])
  })

  it('19: shows no secret in what followed', async () => {
    const redactor = createRedactor()
    redactor.add('hunter2-hunter2')
    const config = configOf('plan', [{ target: 'hunter2-hunter2' }])
    const report = redactReport(await runWith(ahead(15), 'plan', { config, waitClock: hurried() }), redactor)
    expect(report.followUps).toHaveLength(1)
    expect(JSON.stringify(report)).not.toContain('hunter2')
  })
})
