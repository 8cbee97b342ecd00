import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError, type CloudErrorKind } from '#cloud/errors.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { ForwardRequest } from '#cloud/generated/tke/forward-request.ts'
import type { Decision } from '#shared/pure/step.ts'
import { type Config, ConfigError } from '#shared/runtime/config.ts'
import type { Mode, ScheduleDefinition } from '#shared/runtime/definition.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { planDigest } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { memoryKernel } from './memory-kernel.ts'
import { type TinySettings, tiny } from './tiny-definition.ts'

const now = Date.UTC(2026, 0, 31, 8, 0, 3)

function configOf(mode: Mode, rules: TinySettings['rules'] | readonly object[] = []): Config {
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

interface Call {
  readonly action: string
  readonly effect: string
  readonly target: string
  readonly options: SendOptions | undefined
}

/** A cloud in memory that keeps what it was asked; `onWrite` may delay, throw or count. */
function cloudOf(onWrite: (target: string) => Promise<void> | void = () => undefined): CloudWriter & { readonly calls: Call[] } {
  const calls: Call[] = []
  return {
    calls,
    send: (async (action: { name: string; effect: string }, request: { Path?: string }, options?: SendOptions) => {
      const target = decodeURIComponent(request.Path?.split('/').at(-1) ?? '')
      calls.push({ action: action.name, effect: action.effect, target, options })
      if (action.name === 'DescribeClusters') return { Clusters: [{ ClusterId: 'cls-1' }], TotalCount: 1, RequestId: 'r-0' }
      await onWrite(target)
      return { ResponseBody: '{}', RequestId: `r-${calls.length}` }
    }) as unknown as CloudWriter['send'],
  }
}

/** A run with a kernel of its own, as a process that starts anew has. */
async function runWithKernel<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  options: Omit<RunOptions, 'kernel' | 'owner'> & Pick<Partial<RunOptions>, 'kernel'>,
) {
  const { config, cloud } = options
  const kernel = options.kernel ?? (await memoryKernel({ config, cloud, now: () => options.now }))
  return await runSchedule(definition, { ...options, kernel, owner: 'this-run' })
}

function run(config: Config, options: Partial<RunOptions> = {}) {
  return runWithKernel(tiny, {
    config,
    cloud: cloudOf(),
    now,
    scheduledAt: now - 3000,
    trigger: { kind: 'local' },
    log: silentLog,
    ...options,
  })
}

function cloudError(kind: CloudErrorKind, code: string): CloudError {
  return new CloudError('tke.ForwardRequest: it did not work.', {
    kind,
    code,
    action: 'tke.ForwardRequest',
    requestId: 'r-failed',
    retryable: false,
  })
}

const outcomesOf = (decisions: readonly Decision[]): string[] =>
  decisions.map(({ target, outcome, reason }) => `${target} ${outcome} ${reason.code}`)

describe('a run', () => {
  it('reports one decision for every step, whatever its verdict, in the order of the plan', async () => {
    const rules = ['change', 'no-change', 'skipped', 'missed', 'held', 'invalid'].map((verdict, index) => ({
      target: `t${index}`,
      verdict,
    }))
    const report = await run(configOf('enforce', rules))
    expect(outcomesOf(report.decisions)).toEqual([
      't0 Applied rule',
      't1 NoChange rule',
      't2 Skipped rule',
      't3 Missed rule',
      't4 Held rule',
      't5 Invalid rule',
    ])
    expect(report.decisions[0]).toEqual({
      function: 'cron-scaler',
      key: 'rule-0',
      target: 't0',
      before: 'of 1 clusters',
      after: 'size 1',
      outcome: 'Applied',
      reason: { code: 'rule', text: 'rule 0' },
      requestId: 'r-2',
    })
    expect(report.counts).toEqual({ Applied: 1, Planned: 0, NoChange: 1, Skipped: 1, Missed: 1, Held: 1, Invalid: 1, Failed: 0 })
    expect(report).toMatchObject({
      function: 'cron-scaler',
      runId: 'cron-scaler@2026-01-31T08:00:00.000Z',
      mode: 'enforce',
      scheduledAt: now - 3000,
      now,
    })
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  })

  it.each<Mode>(['observe', 'plan'])('in mode %s only reads, and says what it would do', async (mode) => {
    const cloud = cloudOf()
    const report = await run(configOf(mode, [{ target: 'a' }, { target: 'b', verdict: 'held' }]), { cloud })
    expect(outcomesOf(report.decisions)).toEqual(['a Planned rule', 'b Held rule'])
    expect(cloud.calls.map(({ effect }) => effect)).toEqual(['read'])
  })

  it('with an empty plan is a report without decisions', async () => {
    const report = await run(configOf('enforce'))
    expect(report.decisions).toEqual([])
    expect(report.failure).toBeUndefined()
  })

  it('refuses a write while observing, even past the compiler', async () => {
    const cloud = cloudOf()
    const sneaky = {
      ...tiny,
      observe: async (reader: { send: (...words: never[]) => Promise<unknown> }) => {
        await reader.send(...([ForwardRequest, { Method: 'DELETE', Path: '/x' }] as never[]))
        return []
      },
    }
    const report = await runWithKernel(sneaky, {
      config: configOf('enforce'),
      cloud,
      now,
      scheduledAt: now,
      trigger: { kind: 'local' },
      log: silentLog,
    })
    expect(report.failure?.code).toBe('cloud.not-allowed')
    expect(cloud.calls).toEqual([])
  })

  it('hands a failing observation or plan on as the report’s failure, without decisions', async () => {
    const report = await run(configOf('enforce', [{ target: 'a' }]), {
      cloud: { send: () => Promise.reject(cloudError('cloud.forbidden', 'UnauthorizedOperation')) },
    })
    expect(report.decisions).toEqual([])
    expect(report.failure).toEqual({ code: 'cloud.forbidden', text: 'tke.ForwardRequest: it did not work. (UnauthorizedOperation)' })
    const broken = {
      ...tiny,
      plan: () => {
        throw new RangeError('no such day')
      },
    }
    const second = await runWithKernel(broken, {
      config: configOf('plan'),
      cloud: cloudOf(),
      now,
      scheduledAt: now,
      trigger: { kind: 'local' },
      log: silentLog,
    })
    expect(second.failure).toEqual({ code: 'run.no-plan', text: 'no such day' })
  })

  it('refuses settings that do not fit', async () => {
    await expect(run(configOf('plan', [{ traget: 'a' }]))).rejects.toThrow(ConfigError)
    await expect(run(configOf('plan', [{ traget: 'a' }]))).rejects.toThrow(
      'functions.cron-scaler.rules[0].traget: unknown key; did you mean "target"?',
    )
  })
})

describe('steps', () => {
  it('of one target go in order, one at a time; of several targets side by side, within the bound', async () => {
    const rules = Array.from({ length: 24 }, (_, index) => ({ target: `t${index % 8}`, size: index }))
    let underWay = 0
    let most = 0
    const perTarget = new Map<string, number>()
    const cloud = cloudOf(async (target) => {
      underWay++
      most = Math.max(most, underWay)
      expect(perTarget.get(target) ?? 0).toBe(0)
      perTarget.set(target, 1)
      await sleep(2)
      perTarget.set(target, 0)
      underWay--
    })
    const report = await run(configOf('enforce', rules), { cloud, concurrency: 5 })
    expect(most).toBe(5)
    expect(report.decisions.map(({ key }) => key)).toEqual(rules.map((_, index) => `rule-${index}`))
    for (let target = 0; target < 8; target++) {
      expect(report.decisions.filter((decision) => decision.target === `t${target}`).map(({ after }) => after)).toEqual(
        [target, target + 8, target + 16].map((size) => `size ${size}`),
      )
    }
  })

  it('that fail stop no others: kind and code are the reason, and the request id is kept', async () => {
    const failures: Record<string, unknown> = {
      b: cloudError('cloud.unknown-outcome', 'ECONNRESET'),
      c: new TypeError('a bug'),
      d: 'a text',
      e: cloudError('cloud.forbidden', 'AuthFailure.UnauthorizedOperation'),
    }
    const cloud = cloudOf((target) => {
      if (target in failures) throw failures[target]
    })
    const report = await run(
      configOf(
        'enforce',
        ['a', 'b', 'c', 'd', 'e', 'f'].map((target) => ({ target })),
      ),
      { cloud },
    )
    expect(outcomesOf(report.decisions)).toEqual([
      'a Applied rule',
      // Whether these writes arrived nobody knows, and this function cannot find it out by reading.
      'b Held unknown-outcome',
      'c Held unknown-outcome',
      'd Held unknown-outcome',
      'e Failed cloud.forbidden',
      'f Applied rule',
    ])
    expect(report.decisions[1]).toMatchObject({
      requestId: 'r-failed',
      reason: { text: expect.stringContaining('tke.ForwardRequest: it did not work.') },
    })
    expect(report.counts).toMatchObject({ Applied: 2, Held: 3, Failed: 1 })
  })

  it('that an earlier step of the plan decides already are not done twice', async () => {
    const cloud = cloudOf()
    const report = await run(
      configOf('enforce', [
        { target: 'a', key: 'k' },
        { target: 'b', key: 'k' },
      ]),
      { cloud },
    )
    expect(outcomesOf(report.decisions)).toEqual(['a Applied rule', 'b Skipped duplicate-step'])
    expect(cloud.calls.filter(({ effect }) => effect === 'write')).toHaveLength(1)
  })

  it('take what apply found instead of what was planned', async () => {
    const report = await runWithKernel(
      {
        ...tiny,
        apply: async () => ({ outcome: 'NoChange' as const, before: 'size 1', reason: { code: 'already', text: 'it is so already' } }),
      },
      {
        config: configOf('enforce', [{ target: 'a' }]),
        cloud: cloudOf(),
        now,
        scheduledAt: now,
        trigger: { kind: 'local' },
        log: silentLog,
      },
    )
    expect(report.decisions).toEqual([
      {
        function: 'cron-scaler',
        key: 'rule-0',
        target: 'a',
        before: 'size 1',
        after: 'size 1',
        outcome: 'NoChange',
        reason: { code: 'already', text: 'it is so already' },
      },
    ])
  })

  it('are carried out only as far as somebody has reviewed them', async () => {
    const cloud = cloudOf()
    const review: RunOptions['review'] = (steps) => new Set(steps.filter(({ target }) => target === 'a'))
    const report = await run(configOf('enforce', [{ target: 'a' }, { target: 'b' }, { target: 'c', verdict: 'held' }]), { cloud, review })
    expect(outcomesOf(report.decisions)).toEqual(['a Applied rule', 'b Held not-reviewed', 'c Held rule'])
    expect(cloud.calls.filter(({ effect }) => effect === 'write').map(({ target }) => target)).toEqual(['a'])
  })

  it('have one digest in any order, and another when an end state differs', () => {
    const step = (target: string, after: string, before = '') =>
      ({ key: target, target, before, after, reason: { code: 'x', text: 'x' }, verdict: 'change', change: {} }) as const
    expect(planDigest([step('a', '1'), step('b', '2', 'old')])).toBe(planDigest([step('b', '2'), step('a', '1')]))
    expect(planDigest([step('a', '1')])).not.toBe(planDigest([step('a', '2')]))
    expect(planDigest([])).toBe(planDigest([{ ...step('a', '1'), verdict: 'held' }]))
  })
})

describe('12: no write starts with less time left than a call may take, and a margin', () => {
  it('holds what is left, and says how much time there was', async () => {
    let leftMs = 30_000
    const cloud = cloudOf(() => {
      leftMs -= 10_000
    })
    const rules = ['a', 'b', 'c', 'd'].map((target) => ({ target }))
    const report = await run(configOf('enforce', rules), { cloud, concurrency: 1, remainingMs: () => leftMs, callTimeoutMs: 10_000 })
    expect(outcomesOf(report.decisions)).toEqual([
      'a Applied rule',
      'b Applied rule',
      'c Held guard.no-time-left',
      'd Held guard.no-time-left',
    ])
    expect(report.decisions[2]?.reason.text).toMatch(/^10000 ms are left and a call with its margin may need 12000 ms/)
  })

  it('holds between the calls of one step as well, but a step that wrote already is in doubt', async () => {
    let leftMs = 30_000
    const twice = {
      ...tiny,
      apply: async (step: Parameters<typeof tiny.apply>[0], cloud: CloudWriter, config: Parameters<typeof tiny.apply>[2]) => {
        if (step.target === 'reads-first') {
          await cloud.send(DescribeClusters, {})
          leftMs = 1_000
        }
        const first = await tiny.apply(step, cloud, config, now)
        leftMs = 1_000
        return step.target === 'writes-twice' ? await tiny.apply(step, cloud, config, now) : first
      },
    }
    for (const [target, outcome, writes] of [
      ['reads-first', 'Held guard.no-time-left', 0],
      ['writes-twice', 'Held unknown-outcome', 1],
    ] as const) {
      leftMs = 30_000
      const cloud = cloudOf()
      const report = await runWithKernel(twice, {
        config: configOf('enforce', [{ target }]),
        cloud,
        now,
        scheduledAt: now,
        trigger: { kind: 'local' },
        log: silentLog,
        remainingMs: () => leftMs,
      })
      expect(outcomesOf(report.decisions)).toEqual([`${target} ${outcome}`])
      expect(cloud.calls.filter(({ effect }) => effect === 'write')).toHaveLength(writes)
    }
  })

  it('gives every call a deadline before the platform’s', async () => {
    const cloud = cloudOf()
    await run(configOf('enforce', [{ target: 'a' }]), { cloud, remainingMs: () => 30_000 })
    expect(cloud.calls.map(({ options }) => options?.deadline)).toEqual([now + 28_000, now + 28_000])
    const endless = cloudOf()
    await run(configOf('enforce', [{ target: 'a' }]), { cloud: endless })
    // What writes has its claim's end for a deadline, here two minutes.
    expect(endless.calls.map(({ options }) => options?.deadline)).toEqual([undefined, now + 120_000])
  })

  it('whatever the time that is left and however fast it goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60_000 }),
        fc.array(fc.integer({ min: 0, max: 9_000 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (startMs, costs, concurrency) => {
          let leftMs = startMs
          const starts: number[] = []
          const cloud = cloudOf(async () => {
            starts.push(leftMs)
            await Promise.resolve()
            leftMs -= costs[starts.length % costs.length] ?? 0
          })
          const rules = costs.map((_, index) => ({ target: `t${index}` }))
          const report = await run(configOf('enforce', rules), { cloud, concurrency, remainingMs: () => leftMs, callTimeoutMs: 8_000 })
          expect(starts.every((left) => left >= 10_000)).toBe(true)
          expect(report.decisions).toHaveLength(costs.length)
          expect(report.counts.Applied).toBe(starts.length)
          expect(report.counts.Applied + report.counts.Held).toBe(costs.length)
        },
      ),
      { seed: 12, numRuns: 200 },
    )
  })
})

describe('a signal', () => {
  it('stops before the next step', async () => {
    const controller = new AbortController()
    const cloud = cloudOf(() => controller.abort())
    const report = await run(configOf('enforce', [{ target: 'a' }, { target: 'b' }]), { cloud, concurrency: 1, signal: controller.signal })
    expect(outcomesOf(report.decisions)).toEqual(['a Applied rule', 'b Held aborted'])
    expect(cloud.calls.at(-1)?.options?.signal).toBe(controller.signal)
  })
})

describe('the log of a run', () => {
  async function linesOf(level: 'debug' | 'info'): Promise<Record<string, unknown>[]> {
    const lines: string[] = []
    const log = createLog({ write: (line) => lines.push(line), redactor: createRedactor(), level })
    const cloud = cloudOf((target) => {
      if (target === 'b') throw cloudError('cloud.rejected', 'InvalidParameter')
    })
    await run(
      configOf('enforce', [{ target: 'a' }, { target: 'b' }, { target: 'c', verdict: 'no-change' }, { target: 'd', verdict: 'missed' }]),
      { cloud, log, concurrency: 1 },
    )
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  it('has a line for the start, each decision that says something, and the end', async () => {
    const lines = await linesOf('info')
    expect(
      lines.map(({ level, event, target, outcome }) => [level, event, target, outcome].filter((part) => part !== undefined).join(' ')),
    ).toEqual(['info run-started', 'warn decision d Missed', 'info decision a Applied', 'error decision b Failed', 'info run-finished'])
    expect(lines[0]).toEqual({
      level: 'info',
      event: 'run-started',
      function: 'cron-scaler',
      runId: 'cron-scaler@2026-01-31T08:00:00.000Z',
      mode: 'enforce',
      now: '2026-01-31T08:00:03.000Z',
      trigger: 'local',
      scheduledAt: '2026-01-31T08:00:00.000Z',
      lateMs: 3000,
    })
    expect(lines[3]).toMatchObject({ code: 'cloud.rejected', before: 'of 1 clusters', after: 'size 1', requestId: 'r-failed' })
    expect(lines[4]).toMatchObject({ counts: 'Applied 1, NoChange 1, Missed 1, Failed 1' })
  })

  it('says where a bug is, and only for a bug', async () => {
    const lines: string[] = []
    const log = createLog({ write: (line) => lines.push(line), redactor: createRedactor() })
    const cloud = cloudOf((target) => {
      throw target === 'bug' ? new TypeError('undefined is not a function') : cloudError('cloud.rejected', 'InvalidParameter')
    })
    await run(configOf('enforce', [{ target: 'bug' }, { target: 'fault' }]), { cloud, log })
    const crashes = lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === 'step-crashed')
    expect(crashes).toMatchObject([
      { level: 'error', target: 'bug', function: 'cron-scaler', error: expect.stringMatching(/^TypeError: .*\n {4}at /) },
    ])
  })

  it('has every decision at level debug', async () => {
    expect((await linesOf('debug')).filter(({ event }) => event === 'decision')).toHaveLength(4)
  })
})

it('settings of a function are read once more by its own schema, with defaults', async () => {
  let seen: unknown
  const Zoned = z.strictObject({ zone: z._default(z.string(), 'UTC') })
  const spy: ScheduleDefinition<z.infer<typeof Zoned>, undefined, never> = {
    name: 'cron-scaler',
    settings: Zoned,
    observe: () => Promise.resolve(undefined),
    change: z.never(),
    plan: (_, config) => {
      seen = config.settings
      return []
    },
    apply: () => Promise.resolve({ outcome: 'NoChange' }),
  }
  const config = { ...configOf('plan'), functions: {} }
  await runWithKernel(spy, { config, cloud: cloudOf(), now, scheduledAt: now, trigger: { kind: 'local' }, log: silentLog })
  expect(seen).toEqual({ zone: 'UTC' })
})
