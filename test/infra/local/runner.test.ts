import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import { projectRoot, schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { createRunner } from '#infra/local/runner.ts'
import { lastTrigger, nextTrigger, parseScheduleExpression } from '#infra/local/schedule-expression.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { Config } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'
import type { RunOptions } from '#shared/runtime/run.ts'

const at = (iso: string): number => Date.parse(iso)

describe('the functions that run here', () => {
  it('are those that exist', async () => {
    expect(localFunctions.map(({ name }) => name)).toEqual(await readdir(join(projectRoot, 'functions')))
  })

  it('each have the trigger that is deployed', async () => {
    for (const { name } of localFunctions) expect((await schedulesOf(name)).length, name).toBeGreaterThan(0)
  })
})

describe('schedule expressions', () => {
  it.each([
    ['rate(1 minute)', '2026-11-24T08:00:30Z', '2026-11-24T08:01:00Z', '2026-11-24T08:00:00Z'],
    ['rate(2 hours)', '2026-11-24T09:00:00Z', '2026-11-24T10:00:00Z', '2026-11-24T08:00:00Z'],
    ['cron(15 3 * * ? *)', '2026-11-24T08:00:00Z', '2026-11-25T03:15:00Z', '2026-11-24T03:15:00Z'],
    ['cron(0 8 ? * 2-6 *)', '2026-11-27T12:00:00Z', '2026-11-30T08:00:00Z', '2026-11-27T08:00:00Z'],
    ['cron(0 8 ? * MON-FRI *)', '2026-11-27T12:00:00Z', '2026-11-30T08:00:00Z', '2026-11-27T08:00:00Z'],
  ])('%s after %s', (text, now, next, last) => {
    const expression = parseScheduleExpression(text)
    expect(nextTrigger(expression, at(now))).toBe(at(next))
    expect(lastTrigger(expression, at(now))).toBe(at(last))
  })

  it('fire in their zone', () => {
    const expression = parseScheduleExpression('cron(0 2 * * ? *)', 'Asia/Shanghai')
    expect(nextTrigger(expression, at('2026-11-24T00:00:00Z'))).toBe(at('2026-11-24T18:00:00Z'))
  })

  it.each(['every minute', 'rate(0 minutes)', 'rate(5 seconds)', 'cron(0 8 * * ?)', 'cron(0 8 * * ? 2026)', 'cron(0 25 * * ? *)'])(
    'refuse %s',
    (text) => {
      expect(() => parseScheduleExpression(text)).toThrow(text)
    },
  )
})

describe('the runner', () => {
  const config: Config = {
    mode: 'plan',
    platform: {
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [],
    store: { kind: 'memory' },
    functions: {},
  }
  const cloud: CloudWriter = { send: () => Promise.reject(new Error('nothing is called here')) }

  function rig(decide: (options: RunOptions) => readonly Decision[]) {
    const runs: { now: number; scheduledAt: number }[] = []
    const lines: string[] = []
    const stop = new AbortController()
    const time = { now: at('2026-11-24T08:00:30Z') }
    const runner = createRunner({
      functions: [
        {
          function: {
            name: 'cron-scaler',
            settings: localFunctions[0]!.settings,
            problems: async () => [],
            plan: () => Promise.reject(new Error('not planned here')),
            undo: () => Promise.reject(new Error('not undone here')),
            run: async (options): Promise<RunReport> => {
              runs.push({ now: options.now, scheduledAt: options.scheduledAt })
              const decisions = decide(options)
              return {
                function: 'cron-scaler',
                runId: 'r',
                mode: 'plan',
                trigger: { kind: 'local' },
                scheduledAt: options.scheduledAt,
                now: options.now,
                decisions,
                counts: countOutcomes(decisions),
              }
            },
          },
          schedules: [parseScheduleExpression('rate(1 minute)')],
        },
      ],
      config,
      cloud,
      kernel: undefined,
      now: () => time.now,
      sleep: async (ms) => {
        time.now += ms
        if (time.now >= at('2026-11-24T08:03:10Z')) stop.abort()
      },
      log: silentLog,
      print: (line) => lines.push(line),
      signal: stop.signal,
    })
    return { runner, runs, lines, time }
  }

  const decision = (key: string, outcome: Decision['outcome']): Decision => ({
    function: 'cron-scaler',
    key,
    target: key,
    before: 'a',
    after: 'b',
    outcome,
    reason: { code: 'why', text: 'because' },
  })

  it('runs once for the last trigger, then at each minute until it is stopped', async () => {
    const { runner, runs } = rig(() => [])
    await runner.runOnce()
    await runner.keepTicking()
    expect(runs.map(({ scheduledAt }) => new Date(scheduledAt).toISOString())).toEqual([
      '2026-11-24T08:00:00.000Z',
      '2026-11-24T08:01:00.000Z',
      '2026-11-24T08:02:00.000Z',
      '2026-11-24T08:03:00.000Z',
    ])
    expect(runner.status()[0]).toMatchObject({
      function: 'cron-scaler',
      lastRun: at('2026-11-24T08:03:00Z'),
      nextRun: at('2026-11-24T08:04:00Z'),
    })
  })

  it('runs one trigger, not thousands, when the clock was moved by a week', async () => {
    const { runner, runs, time } = rig(() => [])
    await runner.runOnce()
    time.now = at('2026-12-01T08:00:30Z')
    await runner.keepTicking()
    expect(runs.map(({ scheduledAt }) => scheduledAt)).toEqual([at('2026-11-24T08:00:00Z'), at('2026-12-01T08:00:00Z')])
  })

  it('goes on when the clock was set back by a day', async () => {
    const { runner, runs, time } = rig(() => [])
    time.now = at('2026-11-25T08:00:30Z')
    await runner.runOnce()
    time.now = at('2026-11-24T08:01:30Z')
    await runner.keepTicking()
    expect(runs.map(({ scheduledAt }) => new Date(scheduledAt).toISOString())).toEqual([
      '2026-11-25T08:00:00.000Z',
      '2026-11-24T08:02:00.000Z',
      '2026-11-24T08:03:00.000Z',
    ])
  })

  it('prints a decision once, again when it comes out differently, and counts what repeats', async () => {
    let run = 0
    const { runner, lines } = rig(() => {
      run += 1
      return [decision('one', 'Held'), decision('two', run < 3 ? 'Planned' : 'NoChange')]
    })
    await runner.runOnce()
    expect(lines).toEqual([
      'cron-scaler  one  a -> b  Held  because',
      'cron-scaler  two  a -> b  Planned  because',
      'cron-scaler  2026-11-24T08:00:30Z  Planned 1, Held 1',
    ])
    lines.length = 0
    await runner.runOnce()
    expect(lines).toEqual(['cron-scaler  2026-11-24T08:00:30Z  Planned 1, Held 1 (2 as before)'])
    lines.length = 0
    await runner.runOnce()
    expect(lines).toEqual([
      'cron-scaler  two  a -> b  NoChange  because',
      'cron-scaler  2026-11-24T08:00:30Z  NoChange 1, Held 1 (1 as before)',
    ])
  })
})
