import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { defineSchedule, type Surroundings } from '#shared/runtime/define-schedule.ts'
import { openStore as openStoreOf } from '#shared/runtime/kernel.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { type CountingCloud, startCountingCloud } from './counting-cloud.ts'
import { tiny } from './tiny-definition.ts'

const at = Date.UTC(2026, 0, 31, 8, 0, 2)
const tick = { trigger: 'eventbridge-scheduler', scheduledAt: '2026-01-31T08:00:00Z' }
const secretId = 'AKIDplantedplantedplanted000000000000'
const secretKey = 'planted/secret+key=with&signs "and blanks"'.replaceAll(/[ "]/g, '_')

let cloud: CountingCloud
let folder: string
beforeAll(async () => {
  cloud = await startCountingCloud()
})
afterAll(async () => {
  await cloud.close()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-handler-'))
  cloud.calls.length = 0
  cloud.failures.clear()
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const credentials = { TENCENTCLOUD_SECRET_ID: secretId, TENCENTCLOUD_SECRET_KEY: secretKey }

/** A handler on the counting cloud, with the configuration beside it as in a bundle. */
async function handlerWith(config: object, surroundings: Partial<Surroundings> = {}) {
  const compiledConfig = join(folder, 'longshore.json')
  await writeFile(compiledConfig, JSON.stringify({ platform: { endpoint: cloud.url, region: 'ap-guangzhou' }, ...config }))
  const lines: string[] = []
  let clockReads = 0
  const handler = defineSchedule(tiny, {
    compiledConfig,
    environment: () => credentials,
    random: () => 0,
    clock: {
      ...systemClock,
      now: () => {
        clockReads++
        return at
      },
    },
    writeLine: (line) => lines.push(line),
    ...surroundings,
  })
  return { handler, lines, logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>), clockReads: () => clockReads }
}

const oneRule = (mode: string) => ({
  mode,
  clusters: [{ id: 'cls-1' }],
  functions: { 'cron-scaler': { rules: [{ target: 'web', size: 5 }] } },
})

describe('a handler', () => {
  it('runs the function on a tick and answers the report', async () => {
    const { handler, logged } = await handlerWith(oneRule('enforce'))
    const report = await handler(tick, { getRemainingTimeInMillis: () => 50_000 })
    expect(report).toMatchObject({
      function: 'cron-scaler',
      runId: 'cron-scaler@2026-01-31T08:00:00.000Z',
      mode: 'enforce',
      trigger: { kind: 'eventbridge-scheduler' },
      scheduledAt: Date.UTC(2026, 0, 31, 8),
      now: at,
      decisions: [{ target: 'web', outcome: 'Applied', after: 'size 5', requestId: 'request-2' }],
    })
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
    expect(cloud.calls.map(({ action, effect }) => `${action} ${effect}`)).toEqual(['DescribeClusters read', 'ForwardRequest write'])
    expect(logged().map(({ event, lateMs }) => [event, lateMs])).toEqual([
      ['run-started', 2000],
      ['decision', undefined],
      ['run-finished', undefined],
    ])
  })

  it('writes the figures of its run for CloudWatch, on Lambda only', async () => {
    const environment = () => ({ ...credentials, AWS_LAMBDA_FUNCTION_NAME: 'longshore-cron-scaler' })
    const { handler, logged } = await handlerWith(oneRule('enforce'), { environment })
    await handler(tick, { getRemainingTimeInMillis: () => 50_000 })
    const figures = logged().filter((line) => '_aws' in line)
    expect(figures).toMatchObject([
      {
        Function: 'cron-scaler',
        longshore_runs_total: 1,
        longshore_applied_total: 1,
        longshore_api_calls_total: 2,
        longshore_run_late_seconds: 2,
      },
      { Function: 'cron-scaler', Outcome: 'Applied', longshore_decisions_total: 1 },
    ])
    expect(logged().findLastIndex(({ event }) => event === 'run-finished')).toBe(logged().length - 3)
  })

  it('carries its definition, and does nothing before the first event', async () => {
    let asked = 0
    const handler = defineSchedule(tiny, {
      environment: () => {
        asked++
        return {}
      },
    })
    expect(handler.definition).toBe(tiny)
    expect(asked).toBe(0)
  })

  it('reads configuration and secrets once, and again only after a failed start', async () => {
    let asked = 0
    let env: Record<string, string> = {}
    const { handler, lines } = await handlerWith(oneRule('plan'), {
      environment: () => {
        asked++
        return env
      },
    })
    await expect(handler(tick)).rejects.toThrow(/there are no credentials in the environment/)
    env = credentials
    await handler(tick)
    await Promise.all([handler(tick), handler(tick)])
    expect(asked).toBe(2)
    expect(lines[0]).toContain('"event":"event-failed"')
    expect(cloud.calls.map(({ action }) => action)).toEqual(['DescribeClusters', 'DescribeClusters', 'DescribeClusters'])
  })

  it('starts once for events that come together', async () => {
    let asked = 0
    const { handler } = await handlerWith(oneRule('plan'), {
      environment: () => {
        asked++
        return credentials
      },
    })
    await Promise.all([handler(tick), handler(tick), handler(tick)])
    expect(asked).toBe(1)
  })

  it('takes `now` from one reading of the clock per event', async () => {
    let seen: unknown[] = []
    const spy = {
      ...tiny,
      observe: (...words: Parameters<typeof tiny.observe>) => {
        seen.push(words[2])
        return tiny.observe(...words)
      },
      plan: (...words: Parameters<typeof tiny.plan>) => {
        seen.push(words[2])
        return tiny.plan(...words)
      },
    }
    const { handler: _ } = await handlerWith(oneRule('plan'))
    let time = at
    const handler = defineSchedule(spy, {
      compiledConfig: join(folder, 'longshore.json'),
      environment: () => credentials,
      writeLine: () => undefined,
      clock: { ...systemClock, now: () => time++ },
    })
    const first = await handler(tick)
    expect(seen).toEqual([first.now, first.now])
    seen = []
    const second = await handler(tick)
    expect(seen).toEqual([second.now, second.now])
    expect(second.now).toBeGreaterThan(first.now)
  })

  it('refuses what is no tick, before anything is loaded or called', async () => {
    let asked = 0
    const { handler, logged } = await handlerWith(oneRule('enforce'), {
      environment: () => {
        asked++
        return credentials
      },
    })
    await expect(handler({ hello: 'world' })).rejects.toThrow(/The event is no tick of a schedule/)
    expect(asked).toBe(0)
    expect(cloud.calls).toEqual([])
    expect(logged()).toMatchObject([{ level: 'error', event: 'event-failed', code: 'event.invalid' }])
  })

  it('rejects when nothing came of the run, and only reports when something did', async () => {
    const rejected = { Code: 'InvalidParameter', Message: 'no such workload' }
    const rules = [{ target: 'a' }, { target: 'b' }]
    const config = { ...oneRule('enforce'), functions: { 'cron-scaler': { rules } } }
    const { handler, logged } = await handlerWith(config)
    cloud.failures.set('ForwardRequest', [rejected])
    const report = await handler(tick)
    expect(report.counts).toMatchObject({ Applied: 1, Failed: 1 })
    expect(logged().filter(({ level, event }) => level === 'error' && event === 'decision')).toHaveLength(1)

    const others = [
      { target: 'a', key: 'other-0' },
      { target: 'b', key: 'other-1' },
    ]
    const { handler: next } = await handlerWith({ ...config, functions: { 'cron-scaler': { rules: others } } })
    cloud.failures.set('ForwardRequest', [rejected, rejected])
    await expect(next(tick)).rejects.toThrow(
      /^cron-scaler@2026-01-31T08:00:00\.000Z: nothing was achieved \(Failed 2\)\. First: a: .*InvalidParameter/,
    )
    cloud.failures.set('DescribeClusters', [{ Code: 'UnauthorizedOperation', Message: 'not yours' }])
    await expect(handler(tick)).rejects.toThrow(/there is no plan\. .*UnauthorizedOperation/)
  })

  it('gives up right before the platform’s limit and says so', async () => {
    const { handler: _ } = await handlerWith(oneRule('plan'))
    const slow = { ...tiny, observe: () => new Promise<never>(() => undefined) }
    const lines: string[] = []
    const handler = defineSchedule(slow, {
      compiledConfig: join(folder, 'longshore.json'),
      environment: () => credentials,
      writeLine: (line) => lines.push(line),
    })
    await expect(handler(tick, { getRemainingTimeInMillis: () => 600 })).rejects.toThrow(/given up right before the time limit/)
    expect(lines.at(-1)).toContain('"code":"run.failed"')
  })

  it('12: writes nothing with too little time left', async () => {
    const { handler } = await handlerWith(oneRule('enforce'))
    const report = await handler(tick, { getRemainingTimeInMillis: () => 11_000 })
    expect(report.decisions).toMatchObject([{ outcome: 'Held', reason: { code: 'guard.no-time-left' } }])
    expect(cloud.calls.map(({ effect }) => effect)).toEqual(['read'])
  })

  it('refuses a configuration with a fault, naming it', async () => {
    const { handler } = await handlerWith({ mode: 'enforce', clusters: [{ id: 'cls-1' }], functions: { 'cron-scaler': { ruels: [] } } })
    await expect(handler(tick)).rejects.toThrow('functions.cron-scaler.ruels: unknown key; did you mean "rules"?')
  })

  it('logs a try that failed also when the next one succeeds', async () => {
    const { handler, logged } = await handlerWith(oneRule('plan'))
    cloud.failures.set('DescribeClusters', [{ Code: 'InternalError', Message: 'oops' }])
    await handler(tick)
    expect(logged().filter(({ event }) => event === 'call-failed')).toMatchObject([
      {
        level: 'warn',
        action: 'tke.DescribeClusters',
        attempt: 1,
        code: 'InternalError',
        outcome: 'cloud.unavailable',
        requestId: 'request-1',
      },
    ])
  })
})

describe('a function that remembers', () => {
  const remembering = {
    ...tiny,
    observe: async (...words: Parameters<typeof tiny.observe>) => {
      const { value = 0 } = (await words[3].memory.get('runs')) ?? {}
      return [...(await tiny.observe(...words)), ...Array.from({ length: Number(value) }, () => 'run')]
    },
    remember: async ({ observed }: { observed: readonly string[] }, memory: MemoryWriter) => await memory.put('runs', observed.length),
  }
  const handlerOf = async (definition: typeof tiny, mode: string, surroundings: Partial<Surroundings> = {}) => {
    const { handler: _ } = await handlerWith({ ...oneRule(mode), store: { kind: 'sqlite', path: join(folder, 'store.db') } })
    const lines: string[] = []
    const handler = defineSchedule(definition, {
      compiledConfig: join(folder, 'longshore.json'),
      environment: () => credentials,
      writeLine: (line) => lines.push(line),
      clock: { ...systemClock, now: () => at },
      ...surroundings,
    })
    return { handler, logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
  }

  it.each(['observe', 'plan', 'enforce'])('has its store in mode %s, also in the next process', async (mode) => {
    for (const before of ['of 1 clusters', 'of 2 clusters', 'of 3 clusters']) {
      const { handler } = await handlerOf(remembering, mode)
      expect((await handler(tick)).decisions).toMatchObject([{ before }])
    }
    expect(await readdir(folder)).toContain('store.db')
  })

  it('opens none for one that remembers nothing and writes nothing', async () => {
    const { handler } = await handlerOf(tiny, 'plan')
    await handler(tick)
    expect(await readdir(folder)).not.toContain('store.db')
  })

  it('does without one that cannot be opened, says so once, and fails where it writes', async () => {
    let opened = 0
    const openStore: Surroundings['openStore'] = () => {
      opened += 1
      return Promise.reject(new StoreError('store.misconfigured', 'there is no such table'))
    }
    const { handler, logged } = await handlerOf(remembering, 'plan', { openStore })
    for (let event = 0; event < 2; event += 1) expect((await handler(tick)).decisions).toMatchObject([{ outcome: 'Planned' }])
    expect(logged().filter(({ event }) => event === 'memory-not-kept')).toMatchObject([
      { level: 'warn', code: 'store.misconfigured', reason: 'there is no such table' },
    ])
    expect(opened).toBe(1)
    const writing = await handlerOf(remembering, 'enforce', { openStore })
    await expect(writing.handler(tick)).rejects.toThrow('there is no such table')
  })

  it('does not do without one where what it remembers is its record: its runs fail until it can be opened', async () => {
    let opened = 0
    const openStore: Surroundings['openStore'] = (config) => {
      opened += 1
      return opened <= 2
        ? Promise.reject(new StoreError('store.unavailable', 'the store is away'))
        : openStoreOf(config.store, { clock: systemClock, random: Math.random })
    }
    const { handler } = await handlerOf({ ...remembering, memoryIsRecord: true }, 'plan', { openStore })
    for (let event = 0; event < 2; event += 1) await expect(handler(tick)).rejects.toThrow('the store is away')
    expect((await handler(tick)).decisions).toMatchObject([{ before: 'of 1 clusters' }])
  })
})

describe('a function that looks ahead', () => {
  const minute = Date.UTC(2026, 0, 31, 8)
  const handlerOf = async (observe: typeof tiny.observe = tiny.observe) => {
    const { handler: _ } = await handlerWith(oneRule('plan'))
    const time = { now: minute + 1000 }
    const lines: string[] = []
    const ahead = (_observed: unknown, _config: unknown, from: number, until: number) =>
      [10, 30, 50].map((second) => minute + second * 1000).filter((instant) => instant > from && instant <= until)
    const handler = defineSchedule(
      { ...tiny, observe, ahead },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => credentials,
        writeLine: (line) => lines.push(line),
        clock: {
          ...systemClock,
          now: () => time.now,
          // Longer ones are time limits of the client's.
          sleep: (ms, signal) => {
            if (ms > 500) return systemClock.sleep(ms, signal)
            time.now += ms
            return Promise.resolve()
          },
        },
      },
    )
    const context = { getRemainingTimeInMillis: () => minute + 46_000 - time.now }
    return { handler, context, logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) }
  }

  it('is waited for within the same event, as far as the platform’s limit reaches', async () => {
    const { handler, context, logged } = await handlerOf()
    const report = await handler(tick, context)
    expect(report.scheduledAt).toBe(minute)
    expect(report.followUps?.map(({ scheduledAt, skewMs }) => [scheduledAt - minute, skewMs])).toEqual([
      [10_000, 0],
      [30_000, 0],
    ])
    expect(logged().filter(({ event }) => event === 'left-to-next-trigger')).toMatchObject([{ code: 'no-time' }])
  })

  it('rejects when one that followed came to nothing, naming that one', async () => {
    let observed = 0
    const { handler, context } = await handlerOf(async (...words) => {
      observed += 1
      if (observed === 3) throw new Error('the platform is away')
      return await tiny.observe(...words)
    })
    await expect(handler(tick, context)).rejects.toThrow('cron-scaler@2026-01-31T08:00:30.000Z: there is no plan. the platform is away')
  })
})

describe('1: without an explicit `mode: enforce` nothing is written, on any trigger', () => {
  const modes = fc.constantFrom<unknown>('observe', 'plan', undefined, 'Enforce', 'ENFORCE', 'enforce ', 'apply', true, null, ['enforce'])
  const ticks = fc.oneof(
    fc.constant(tick),
    fc.record({
      Type: fc.constant('Timer'),
      TriggerName: fc.string(),
      Time: fc.constant('2026-01-31T08:00:00Z'),
      Message: fc.constantFrom('enforce', '{"mode":"enforce"}'),
    }),
    fc.record({
      'detail-type': fc.constant('Scheduled Event'),
      source: fc.constantFrom('aws.events', 'aws.scheduler'),
      time: fc.constant('2026-01-31T08:00:00Z'),
      mode: fc.constant('enforce'),
      detail: fc.constant({ mode: 'enforce' }),
    }),
    fc.record({ trigger: fc.constant('local'), scheduledAt: fc.integer({ min: 0, max: at }) }),
    fc.record({
      ...Object.fromEntries(Object.keys(tick).map((key) => [key, fc.constant(tick[key as keyof typeof tick])])),
      mode: fc.constant('enforce'),
    }),
    fc.anything(),
  )
  const rules = fc.array(
    fc.record({ target: fc.constantFrom('a', 'b', 'c'), verdict: fc.constantFrom('change', 'held', 'no-change'), size: fc.nat(9) }),
    { maxLength: 4 },
  )
  const stray = fc.constantFrom({}, { LONGSHORE_MODE: 'enforce', MODE: 'enforce' })

  it('whatever event, configuration and environment', async () => {
    let reads = 0
    await fc.assert(
      fc.asyncProperty(modes, ticks, rules, stray, async (mode, event, theRules, env) => {
        const { handler } = await handlerWith(
          { mode, clusters: [{ id: 'cls-1' }], functions: { 'cron-scaler': { rules: theRules } } },
          { environment: () => ({ ...credentials, ...env }) },
        )
        await handler(event).catch(() => undefined)
        reads += cloud.calls.filter(({ effect }) => effect === 'read').length
        expect(cloud.calls.filter(({ effect }) => effect === 'write')).toEqual([])
        cloud.calls.length = 0
      }),
      { seed: 1, numRuns: 200 },
    )
    // Runs did take place: the property is not true for want of any.
    expect(reads).toBeGreaterThan(20)
  })

  it('and with it the same configuration writes', async () => {
    const { handler } = await handlerWith(oneRule('enforce'))
    await handler({ trigger: 'local', scheduledAt: at })
    expect(cloud.calls.filter(({ effect }) => effect === 'write')).toHaveLength(1)
  })
})

describe('19: no secret reaches a log line, a report or a rejection', () => {
  const forms = [
    secretKey,
    encodeURIComponent(secretKey),
    Buffer.from(secretKey).toString('base64').slice(0, 20),
    JSON.stringify(secretKey).slice(1, -1),
    secretId,
  ]

  it('not even when the platform, a target or an error repeats it', async () => {
    const echo = `you sent ${secretKey} and ${Buffer.from(`x${secretKey}`).toString('base64')} and ${encodeURIComponent(secretKey)} as ${secretId}`
    const { handler, lines } = await handlerWith({
      ...oneRule('enforce'),
      functions: { 'cron-scaler': { rules: [{ target: `t-${secretKey}` }] } },
    })
    const outputs: string[] = []
    for (const [action, count] of [
      ['ForwardRequest', 3],
      ['DescribeClusters', 3],
    ] as const) {
      cloud.failures.set(
        action,
        Array.from({ length: count }, () => ({ Code: 'InvalidParameter', Message: echo })),
      )
      const error = await handler(tick).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(Error)
      const { message, stack, ...rest } = error as Error
      outputs.push(message, stack ?? '', JSON.stringify(rest), JSON.stringify((error as Error).cause ?? null))
    }
    cloud.failures.clear()
    cloud.failures.set('ForwardRequest', [{ Code: 'InvalidParameter', Message: echo }])
    const two = { ...oneRule('enforce'), functions: { 'cron-scaler': { rules: [{ target: `t-${secretKey}` }, { target: 'fine' }] } } }
    const partly = await (await handlerWith(two)).handler(tick)
    expect(partly.decisions.map(({ outcome }) => outcome)).toEqual(expect.arrayContaining(['Failed', 'Applied']))
    outputs.push(...partly.decisions.flatMap(({ target, reason }) => [target, reason.text]))
    expect(outputs.join()).toContain('[redacted]')
    expect(lines.join()).toContain('[redacted]')
    for (const form of forms) {
      expect(outputs.join('\n')).not.toContain(form)
      expect(lines.join('\n')).not.toContain(form)
    }
  })
})
