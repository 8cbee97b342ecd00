import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { ListOptions } from '#infra/local/decision-list.ts'
import { localFunction, projectRoot, schedulesIn, schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { createRunner } from '#infra/local/runner.ts'
import { lastTrigger, nextTrigger, parseScheduleExpression } from '#infra/local/schedule-expression.ts'
import { createVirtualTime } from '#infra/local/virtual-time.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { FunctionName, ObserveAround } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'
import type { RunOptions } from '#shared/runtime/run.ts'
import { manualClock } from '../../shared/cloud/manual-clock.ts'
import { tiny } from '../../shared/runtime/tiny-definition.ts'

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

const at = (iso: string): number => Date.parse(iso)

describe('the functions that run here', () => {
  it('are those that exist', async () => {
    expect(localFunctions.map(({ name }) => name).toSorted()).toEqual(await readdir(join(projectRoot, 'functions')))
  })

  it('each have the trigger that is deployed', async () => {
    for (const { name } of localFunctions) expect((await schedulesOf(name)).length, name).toBeGreaterThan(0)
  })
})

describe('the schedules of a function.yml', () => {
  const scheduled = (schedule: unknown) => ({ function: { events: [{ httpApi: { method: 'POST', path: '/x' } }, { schedule }] } })

  it('are all but the sweeps of the inbox', () => {
    const tick = { method: 'scheduler', rate: ['rate(1 minute)', 'rate(1 hour)'] }
    expect(schedulesIn(scheduled(tick), 'f.yml')).toHaveLength(2)
    expect(schedulesIn(scheduled({ ...tick, input: { trigger: 'eventbridge-scheduler', task: 'sweep' } }), 'f.yml')).toEqual([])
    expect(schedulesIn({ function: {} }, 'f.yml')).toEqual([])
  })

  it('name the file when they cannot be understood', () => {
    expect(() => schedulesIn(scheduled('every day'), 'f.yml')).toThrow('f.yml: the schedule "every day"')
    expect(() => schedulesIn(scheduled({}), 'f.yml')).toThrow('f.yml: a schedule has no rate')
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
  const cloud: CloudWriter = { send: () => Promise.reject(new Error('nothing is called here')) }

  function rig(decide: (options: RunOptions) => readonly Decision[], list: ListOptions = {}) {
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
      zone: 'Asia/Shanghai',
      list: () => list,
    })
    return { runner, runs, lines, time, stop }
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
      ok: true,
      lastRun: '2026-11-24T08:03:00.000Z',
      nextRun: '2026-11-24T08:04:00.000Z',
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
      '2026-11-24 16:00:30 +08:00  cron-scaler  Planned 1, Held 1',
      'cron-scaler  Planned  two  a -> b  because',
      'cron-scaler  Held     one  a -> b  because',
    ])
    lines.length = 0
    await runner.runOnce()
    expect(lines).toEqual(['', '2026-11-24 16:00:30 +08:00  cron-scaler  Planned 1, Held 1 (2 as before)'])
    lines.length = 0
    await runner.runOnce()
    expect(lines).toEqual([
      '',
      '2026-11-24 16:00:30 +08:00  cron-scaler  NoChange 1, Held 1 (1 as before)',
      'cron-scaler  NoChange  two  a -> b  because',
    ])
  })

  it('prints a decision no second time because nobody looked at its target in between', async () => {
    let run = 0
    const { runner, lines } = rig(() => {
      run += 1
      return run % 2 === 1 ? [decision('cls/one', 'NoChange'), decision('cls/two', 'NoChange')] : [decision('cls', 'Skipped')]
    })
    for (let round = 0; round < 2; round += 1) await runner.runOnce()
    lines.length = 0
    for (let round = 0; round < 2; round += 1) await runner.runOnce()
    expect(lines).toEqual([
      '',
      '2026-11-24 16:00:30 +08:00  cron-scaler  NoChange 2 (2 as before)',
      '',
      '2026-11-24 16:00:30 +08:00  cron-scaler  Skipped 1 (1 as before)',
    ])
  })

  it('takes no notice of the firing and the times in a sentence, but prints each change that was made', async () => {
    let run = 0
    const { runner, lines } = rig(() => {
      run += 1
      const varied = (target: string, outcome: Decision['outcome']): Decision => ({
        ...decision(target, outcome),
        key: `${target}/${run}`,
        reason: { code: 'due', text: `fired ${run} minutes ago` },
      })
      return [varied('kept', 'Held'), varied('made', 'Applied'), { ...varied('other', 'Held'), reason: { code: `code-${run}`, text: 'x' } }]
    })
    await runner.runOnce()
    lines.length = 0
    await runner.runOnce()
    expect(lines).toEqual([
      '',
      '2026-11-24 16:00:30 +08:00  cron-scaler  Applied 1, Held 2 (1 as before)',
      'cron-scaler  Applied  made   a -> b  fired 2 minutes ago',
      'cron-scaler  Held     other  a -> b  x',
    ])
  })

  it('counts rules that were superseded, unless all are asked for', async () => {
    const superseded = { ...decision('one', 'Skipped'), reason: { code: 'superseded', text: 'up fired before down, which decides' } }
    const hiding = rig(() => [superseded, decision('one', 'Applied')])
    await hiding.runner.runOnce()
    expect(hiding.lines).toEqual([
      '2026-11-24 16:00:30 +08:00  cron-scaler  Applied 1, Skipped 1 (+1 superseded, --all shows them)',
      'cron-scaler  Applied  one  a -> b  because',
    ])
    const showing = rig(() => [superseded, decision('one', 'Applied')], { all: true })
    await showing.runner.runOnce()
    expect(showing.lines.at(-1)).toBe('cron-scaler  Skipped  one  a -> b  up fired before down, which decides')
  })

  it('is not well after a failure or an unreadable cluster, and well again after a run that was neither', async () => {
    let outcome: Decision = decision('one', 'Failed')
    const { runner } = rig(() => [outcome, decision('two', 'NoChange')])
    expect(runner.status()).toEqual([{ function: 'cron-scaler', ok: true, nextRun: '2026-11-24T08:01:00.000Z' }])
    await runner.runOnce()
    expect(runner.status()[0]).toMatchObject({ ok: false, problem: expect.stringContaining('failures') })
    outcome = { ...decision('one', 'Held'), reason: { code: 'cluster-unreadable', text: 'cannot be read' } }
    await runner.runOnce()
    expect(runner.status()[0]).toMatchObject({ ok: false })
    outcome = decision('one', 'Held')
    await runner.runOnce()
    expect(runner.status()[0]).toMatchObject({ ok: true })
  })

  it('is not well when no run has come for three periods', async () => {
    const { runner, time } = rig(() => [])
    await runner.runOnce()
    time.now = at('2026-11-24T08:02:59Z')
    expect(runner.status()[0]?.ok).toBe(true)
    time.now = at('2026-11-24T08:03:00Z')
    expect(runner.status()[0]).toMatchObject({ ok: false, problem: 'no run has come since it was due at 2026-11-24T08:01:00.000Z' })
  })

  it('does not blame a cluster for a run that was stopped', async () => {
    const { runner, lines, stop } = rig(() => {
      stop.abort()
      const unreadable = { code: 'cluster-unreadable', text: 'cluster cannot be read: the caller ended the call' }
      return [{ ...decision('one', 'Held'), reason: unreadable }, decision('two', 'Applied')]
    })
    expect(await runner.runOnce()).toMatchObject({ isDone: false, reports: [{ counts: { Applied: 1, Held: 0 } }] })
    expect(lines.join('\n')).not.toMatch(/cannot be read/)
    expect(lines.join('\n')).toMatch(/Applied +two/)
    expect(runner.status()[0]?.ok).toBe(true)
    expect(await runner.runOnce()).toEqual({ reports: [], isDone: false, events: { tries: 0, failed: 0 } })
  })
})

describe('what becomes due before the next trigger', () => {
  const minute = at('2026-11-24T08:00:00Z')

  /** Functions that look ahead to these seconds of every minute, on a clock that the test moves. */
  function rig(seconds: Partial<Record<FunctionName, readonly number[]>>) {
    const clock = manualClock(minute + 500)
    const stop = new AbortController()
    const lines: string[] = []
    const runs: string[] = []
    const definitionOf = (name: FunctionName, ahead: readonly number[]) => ({
      ...tiny,
      name,
      observe: (_cloud: unknown, _config: unknown, now: number, { fresh }: ObserveAround) => {
        runs.push(`${name} ${(now - minute) / 1000}${fresh === true ? ' fresh' : ''}`)
        return Promise.resolve([])
      },
      ahead: (_observed: unknown, _config: unknown, from: number, until: number) => {
        const began = Math.floor(from / 60_000) * 60_000
        return ahead.map((second) => began + second * 1000).filter((instant) => instant > from && instant <= until)
      },
    })
    const entries = Object.entries(seconds) as [FunctionName, readonly number[]][]
    const runner = createRunner({
      functions: entries.map(([name, ahead]) => ({
        function: localFunction(definitionOf(name, ahead)),
        schedules: [parseScheduleExpression('rate(1 minute)')],
      })),
      config: { ...config, functions: Object.fromEntries(entries.map(([name]) => [name, { rules: [{ target: name }] }])) },
      cloud: { send: () => Promise.reject(new Error('nothing is called here')) },
      kernel: undefined,
      now: clock.now,
      sleep: (ms, signal) => clock.sleep(ms, signal).catch(() => undefined),
      log: silentLog,
      print: (line) => lines.push(line),
      signal: stop.signal,
      zone: 'UTC',
    })
    const advanceTo = async (second: number): Promise<void> => {
      while (clock.now() < minute + second * 1000) await clock.advance(Math.min(500, minute + second * 1000 - clock.now()))
    }
    return { runner, runs, lines, clock, stop, advanceTo }
  }

  it('runs at its instant, is printed then, and the next trigger comes after it', async () => {
    const { runner, runs, lines, stop, advanceTo } = rig({ 'cron-scaler': [20, 40] })
    const ticking = runner.keepTicking()
    await advanceTo(80.5)
    expect(runs).toEqual(['cron-scaler 60', 'cron-scaler 80'])
    expect(lines).toEqual([
      '2026-11-24 08:01:00 UTC  cron-scaler  Planned 1',
      'cron-scaler  Planned  cron-scaler  of 0 clusters -> size 1  rule 0',
      '',
      '2026-11-24 08:01:20 UTC  cron-scaler  Planned 1 (1 as before)',
    ])
    expect(runner.status()).toMatchObject([{ ok: true, lastRun: '2026-11-24T08:01:20.000Z', nextRun: '2026-11-24T08:02:00.000Z' }])
    await advanceTo(161)
    expect(runs).toEqual(['cron-scaler 60', 'cron-scaler 80', 'cron-scaler 100', 'cron-scaler 120', 'cron-scaler 140', 'cron-scaler 160'])
    stop.abort()
    await ticking
  })

  it('is not waited for by a run that is to run once, which looks at everything', async () => {
    const { runner, runs, clock } = rig({ 'cron-scaler': [20], 'image-cleaner': [30] })
    const round = await runner.runOnce()
    expect(round).toMatchObject({ isDone: true, reports: [{ function: 'cron-scaler' }, { function: 'image-cleaner' }] })
    expect(runs).toEqual(['cron-scaler 0.5 fresh', 'image-cleaner 0.5 fresh'])
    expect(clock.sleeperCount).toBe(0)
  })

  it('holds up no other function', async () => {
    const { runner, runs, stop, advanceTo } = rig({ 'cron-scaler': [20, 59], 'image-cleaner': [], 'license-meter': [30] })
    const ticking = runner.keepTicking()
    await advanceTo(120.5)
    // Which of those of one instant begins first says nothing.
    const [until119, at120] = [runs.slice(0, 6), runs.slice(6)]
    expect([until119, at120.toSorted()]).toEqual([
      ['cron-scaler 60', 'image-cleaner 60', 'license-meter 60', 'cron-scaler 80', 'license-meter 90', 'cron-scaler 119'],
      ['cron-scaler 120', 'image-cleaner 120', 'license-meter 120'],
    ])
    stop.abort()
    await ticking
  })

  it('is given up at once on Ctrl-C', async () => {
    const { runner, runs, clock, stop, advanceTo } = rig({ 'cron-scaler': [20] })
    const ticking = runner.keepTicking()
    await advanceTo(70)
    stop.abort()
    await ticking
    expect(clock.sleeperCount).toBe(0)
    expect(runs).toEqual(['cron-scaler 60'])
  })

  it('is given up when the clock is set back, and triggers come by the new time', async () => {
    const { runner, runs, clock, stop, advanceTo } = rig({ 'cron-scaler': [20] })
    const ticking = runner.keepTicking()
    await advanceTo(70)
    clock.jump(-3_600_000)
    await advanceTo(85 - 3600)
    expect(runs).toEqual(['cron-scaler 60'])
    await advanceTo(145 - 3600)
    expect(runs).toEqual(['cron-scaler 60', 'cron-scaler -3480', 'cron-scaler -3460'])
    stop.abort()
    await ticking
  })

  it('shows a run that was made for an event like its own, and none that decided nothing', () => {
    const { runner, lines } = rig({ 'cron-scaler': [20] })
    const facts = {
      function: 'cron-scaler',
      runId: 'r',
      mode: 'enforce',
      trigger: { kind: 'webhook' },
      scheduledAt: minute,
      now: minute,
    } as const
    const reason = { code: 'alarm-confirmed', text: 'it is needed' }
    const decision = {
      function: 'cron-scaler',
      key: 'k',
      target: 'cls-1/pool',
      before: '2',
      after: '4',
      outcome: 'Applied',
      reason,
    } as const
    runner.show({ ...facts, decisions: [], counts: countOutcomes([]) })
    expect(lines).toEqual([])
    runner.show({ ...facts, decisions: [decision], counts: countOutcomes([decision]) })
    expect(lines.join('\n')).toMatch(/cron-scaler {2}Applied 1\ncron-scaler {2}Applied {2}cls-1\/pool {2}2 -> 4 {2}it is needed$/)
  })

  it('is left to the trigger that is there when the clock was moved on', async () => {
    const { runner, runs, clock, stop, advanceTo } = rig({ 'cron-scaler': [20] })
    const ticking = runner.keepTicking()
    await advanceTo(70)
    clock.jump(86_400_000)
    await advanceTo(86_400 + 71)
    expect(runs).toEqual(['cron-scaler 60', 'cron-scaler 86470.5'])
    stop.abort()
    await ticking
  })
})

describe('in virtual time, until an instant', () => {
  it('runs every trigger before it and what becomes due in between, each at its instant, and ends there', async () => {
    const begin = at('2026-11-24T08:00:00Z')
    const time = createVirtualTime({ startMs: begin, speed: Number.POSITIVE_INFINITY })
    const seen: number[] = []
    const definition = {
      ...tiny,
      observe: (_cloud: unknown, _config: unknown, now: number) => {
        seen.push(Math.floor((now - begin) / 1000))
        return Promise.resolve([])
      },
      ahead: (_observed: unknown, _config: unknown, from: number, until: number) =>
        [Math.floor(from / 60_000) * 60_000 + 20_000].filter((instant) => instant > from && instant <= until),
    }
    const runner = createRunner({
      functions: [{ function: localFunction(definition), schedules: [parseScheduleExpression('rate(1 minute)')] }],
      config: { ...config, functions: { [definition.name]: { rules: [{ target: 'x' }] } } },
      cloud: { send: () => Promise.reject(new Error('nothing is called here')) },
      kernel: undefined,
      now: time.now,
      sleep: time.sleep,
      work: time.work,
      lookMs: Number.POSITIVE_INFINITY,
      log: silentLog,
      print: () => undefined,
      signal: new AbortController().signal,
    })
    const untilMs = begin + 3 * 3_600_000
    await runner.keepTicking(untilMs)
    expect(time.now()).toBeGreaterThanOrEqual(untilMs)
    expect(time.now()).toBeLessThan(untilMs + 60_000)
    const wanted = Array.from({ length: 3 * 60 - 1 }, (_, minute) => [(minute + 1) * 60, (minute + 1) * 60 + 20]).flat()
    expect(seen).toEqual(wanted)
  })
})
