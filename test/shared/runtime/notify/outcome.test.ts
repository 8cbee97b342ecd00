import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { type BotFault, type SandboxBot, type SandboxBots, sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import type { Config } from '#shared/runtime/config.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { Notice } from '#shared/runtime/notify/notice.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { noticesOfReport } from '#shared/runtime/notify/report-notices.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type CountingCloud, startCountingCloud } from '../counting-cloud.ts'
import { tiny } from '../tiny-definition.ts'
import { kinds, settingOf } from './notify-stage.ts'

const at = Date.UTC(2026, 0, 31, 8, 0, 2)
const tick = { trigger: 'eventbridge-scheduler', scheduledAt: '2026-01-31T08:00:00Z' }
const secretId = 'AKIDplantedplantedplanted000000000000'
const secretKey = 'planted/secret+key=with&signs_"and"_blanks'

let cloud: CountingCloud
let folder: string
let bots: SandboxBots
let all: SandboxBot[]
beforeAll(async () => {
  cloud = await startCountingCloud()
})
afterAll(async () => {
  await cloud.close()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-notify-'))
  cloud.calls.length = 0
  cloud.failures.clear()
  bots = await startBots({ now: () => at })
  all = []
})
afterEach(async () => {
  await bots.close()
  await rm(folder, { recursive: true })
})

/** What a function decides here: something of every outcome. */
const rules = [
  { target: 'web', size: 5 },
  { target: 'held', verdict: 'held' },
  { target: 'missed', verdict: 'missed' },
  { target: 'invalid', verdict: 'invalid' },
  { target: 'skipped', verdict: 'skipped' },
]

async function run(options: {
  readonly fault?: BotFault | ((bot: SandboxBot) => BotFault) | undefined
  readonly withNotifiers?: boolean
  readonly rules?: readonly object[]
  readonly openStore?: () => Promise<ReturnType<typeof openMemoryStore>>
  readonly definition?: typeof tiny
  readonly mode?: Config['mode']
}): Promise<{
  readonly report: RunReport | undefined
  readonly error: unknown
  readonly lines: readonly string[]
  readonly disk: MemoryDisk
}> {
  const counted: SandboxBots = {
    ...bots,
    add: (kind, name) => {
      const bot = bots.add(kind, name)
      bot.fail(typeof options.fault === 'function' ? options.fault(bot) : options.fault)
      all.push(bot)
      return bot
    },
  }
  const { notifiers, env } = sandboxNotifiers(
    kinds.map((kind) => settingOf(kind)),
    counted,
  )
  const compiledConfig = join(folder, 'longshore.json')
  const config = {
    mode: options.mode ?? 'enforce',
    clusters: [{ id: 'cls-1' }],
    platform: { endpoint: cloud.url, region: 'ap-guangzhou' },
    functions: { 'cron-scaler': { rules: options.rules ?? rules } },
    ...(options.withNotifiers === false ? {} : { notifiers }),
  }
  await writeFile(compiledConfig, JSON.stringify(config))
  const lines: string[] = []
  const disk = new MemoryDisk()
  const handler = defineSchedule(options.definition ?? tiny, {
    compiledConfig,
    environment: () => ({ ...env, TENCENTCLOUD_SECRET_ID: secretId, TENCENTCLOUD_SECRET_KEY: secretKey }),
    random: () => 0,
    clock: { ...systemClock, now: () => at },
    writeLine: (line) => lines.push(line),
    openStore: options.openStore ?? (() => Promise.resolve(openMemoryStore(disk))),
  })
  const outcome = await handler(tick, { getRemainingTimeInMillis: () => 60_000 }).then(
    (report) => ({ report, error: undefined }),
    (error: unknown) => ({ report: undefined, error }),
  )
  return { ...outcome, lines, disk }
}

/** What a run came to, without what was told about it, and what it called. */
const essence = ({ report, error }: Awaited<ReturnType<typeof run>>): unknown => {
  const { notified: _, ...rest } = report ?? {}
  const calls = cloud.calls.splice(0).map(({ action }) => action)
  const decisions = JSON.stringify(rest).replaceAll(/request-\d+/g, 'request')
  return { decisions, error: error instanceof Error ? `${error.name}: ${error.message}` : undefined, calls }
}

const faults: readonly BotFault[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 429, retryAfterSeconds: 30 },
  { kind: 'silence' },
  { kind: 'lost-answer' },
  { kind: 'redirect', location: 'http://127.0.0.1:1/' },
  { kind: 'body', body: '{"errcode":40001,"code":9499,"errmsg":"no","msg":"no"}' },
  { kind: 'body', body: 'x'.repeat(300_000) },
]

describe('promise 24: a failing notifier never changes an outcome', () => {
  it.each(faults)('$kind $status', async (fault) => {
    const quiet = essence(await run({ withNotifiers: false }))
    const told = await run({ fault })
    expect(told.report?.notified?.failed).toBeGreaterThanOrEqual(5)
    expect(essence(told)).toEqual(quiet)
    expect(all.slice(-6).every(({ requestCount }) => requestCount > 0)).toBe(true)
  })

  it('when all goes well either, and then everybody has heard of what needs somebody', async () => {
    const quiet = essence(await run({ withNotifiers: false }))
    const told = await run({})
    expect(told.report?.notified).toEqual({ sent: 18, digested: 0, failed: 0, waiting: 0 })
    expect(essence(told)).toEqual(quiet)
    const titles = all.slice(-6).map(({ messages }) => messages.map(({ title }) => title))
    for (const heard of titles)
      expect(heard.map((title) => /(held|missed|invalid) (?:is|was)/.exec(title)?.[1]).toSorted()).toEqual(['held', 'invalid', 'missed'])
  })

  it('when the run comes to nothing it is an error as before, and told as critical', async () => {
    cloud.failures.set('DescribeClusters', [{ Code: 'AuthFailure.UnauthorizedOperation', Message: 'no' }])
    const quiet = essence(await run({ withNotifiers: false }))
    cloud.failures.set('DescribeClusters', [{ Code: 'AuthFailure.UnauthorizedOperation', Message: 'no' }])
    const told = await run({})
    expect(told.error).toMatchObject({ name: 'RunFailedError' })
    expect(essence(told)).toEqual(quiet)
    expect(all.at(-1)?.messages.map(({ title }) => title)).toEqual(['Longshore critical - cron-scaler: the run came to nothing'])
  })

  it('when there is no store for what is to be told, where the function needs none itself; that is in the log', async () => {
    const openStore = (): Promise<never> => Promise.reject(new StoreError('store.misconfigured', 'Store: there is no such table.'))
    const quiet = essence(await run({ withNotifiers: false, mode: 'plan' }))
    const told = await run({ openStore, mode: 'plan' })
    expect(essence(told)).toEqual(quiet)
    expect(told.report?.notified).toBeUndefined()
    expect(told.lines.find((line) => line.includes('"notices-not-kept"'))).toContain('nobody is told: there is no store')
    expect(all.slice(-6).every(({ requestCount }) => requestCount === 0)).toBe(true)
  })

  it('when a function’s own notices throw, that is in the log', async () => {
    const notices = (): readonly Notice[] => {
      throw new TypeError('a bug in what is told')
    }
    const told = await run({ definition: { ...tiny, notices } })
    expect(told.report?.decisions).toHaveLength(5)
    expect(told.lines.join('\n')).toContain('a bug in what is told')
    expect(told.report?.notified).toBeUndefined()
  })

  it('with notices of its own a function says what is told', async () => {
    const told = await run({
      definition: {
        ...tiny,
        notices: ({ report, observed, config, now }) => [
          {
            key: 'own',
            severity: 'info',
            function: report.function,
            title: `saw ${observed?.join()} in mode ${config.mode}`,
            lines: [],
            at: now,
          },
        ],
      },
    })
    expect(told.report?.notified).toMatchObject({ sent: 6 })
    expect(all.at(-1)?.messages.map(({ title }) => title)).toEqual(['Longshore info - cron-scaler: saw cls-1 in mode enforce'])
  })

  it('a port that breaks its word and throws, or never answers the same twice, is nothing to the run', async () => {
    const config: Config = {
      mode: 'plan',
      platform: {
        endpoint: { kind: 'url', url: cloud.url },
        region: 'ap-guangzhou',
        allowInsecureHttp: false,
        allowedHosts: [],
        credentials: { kind: 'none' },
      },
      clusters: [{ id: 'cls-1' }],
      store: { kind: 'memory' },
      functions: { 'cron-scaler': { rules } },
    }
    const reader = { send: () => Promise.resolve({ Clusters: [{ ClusterId: 'cls-1' }], TotalCount: 1, RequestId: 'r' }) }
    const base = { config, cloud: reader as never, now: at, scheduledAt: at, trigger: { kind: 'local' }, log: silentLog } as const
    const broken = () => Promise.reject(new TypeError('broken'))
    const notify: NotifyPort = { notify: broken, secret: broken, close: () => Promise.resolve() }
    expect(await runSchedule(tiny, { ...base, notify })).toEqual(await runSchedule(tiny, base))
  })
})

describe('promise 19: no secret reaches a log, a report, the store or a message', () => {
  const forms = (secret: string): readonly string[] => [
    secret,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('base64url'),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ]

  it('whatever a target, a reason or a server’s answer holds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 4 }), fc.constantFrom('echo', 'sound', 'status'), async (form, how) => {
        const planted = forms(secretKey)[form] ?? secretKey
        const echo = ({ url, secret }: SandboxBot): BotFault => ({
          kind: 'body',
          body: JSON.stringify({ errcode: 1, code: 1, errmsg: `you sent ${planted}`, msg: `${url.split(/[/=]/).at(-1)} and ${secret}` }),
        })
        const status: BotFault = { kind: 'status', status: 403 }
        const fault = how === 'sound' ? undefined : how === 'echo' ? echo : status
        const told = await run({
          ...(fault === undefined ? {} : { fault }),
          rules: [
            { target: `web-${planted}`, verdict: 'held' },
            { target: secretId, verdict: 'invalid' },
          ],
        })
        const own = all.slice(-6)
        const keys = own.flatMap(({ url, secret, kind }) => [
          secret,
          ...(kind === 'sns' ? [] : [url, new URL(url).pathname + new URL(url).search, url.split(/[/=]/).at(-1) ?? '']),
        ])
        const sinks = [
          told.lines.join('\n'),
          JSON.stringify(told.report),
          told.error instanceof Error ? `${told.error.message}${told.error.stack}` : '',
          told.disk.contents(),
          ...own.flatMap(({ messages }) => messages.map(({ title, text, body }) => `${title}\n${text}\n${body}`)),
        ]
        const found: string[] = []
        for (const secret of [secretKey, secretId, ...keys].filter((one) => one !== '')) {
          for (const written of forms(secret))
            for (const [name, sink] of Object.entries(sinks)) if (sink.includes(written)) found.push(`${name}: ${written}`)
        }
        expect(found).toEqual([])
        expect(told.report?.notified === undefined).toBe(false)
      }),
      { seed: 19, numRuns: 8 },
    )
  })
})

describe('what is told of a run', () => {
  const decision = (outcome: RunReport['decisions'][number]['outcome'], target: string, code: string, key = 'k') => ({
    function: 'cron-scaler',
    key,
    target,
    before: 'replicas 2',
    after: 'replicas 5',
    outcome,
    reason: { code, text: `because of ${code}` },
  })
  const report = (decisions: RunReport['decisions'], more: Partial<RunReport> = {}): RunReport => ({
    function: 'cron-scaler',
    runId: 'run',
    mode: 'enforce',
    trigger: { kind: 'local' },
    scheduledAt: at,
    now: at,
    decisions,
    counts: { Applied: 1, Planned: 0, NoChange: 0, Skipped: 0, Missed: 0, Held: 0, Invalid: 0, Failed: 0 },
    ...more,
  })

  it('is each target that needs somebody, once, and nothing of what went as it should', () => {
    const told = noticesOfReport(
      report([
        decision('Failed', 'a', 'cloud.server'),
        decision('Failed', 'a', 'cloud.server', 'another step of it'),
        decision('Held', 'b', 'hpa-conflict'),
        decision('Held', 'c', 'guard.freeze-window'),
        decision('Held', 'd', 'busy'),
        decision('Missed', 'e', 'deadline-passed', 'firing 1'),
        decision('Missed', 'e', 'deadline-passed', 'firing 2'),
        decision('Invalid', 'f', 'schedule-invalid'),
        decision('Skipped', 'cls-1', 'cluster-unreadable'),
        decision('Applied', 'g', 'due'),
        decision('NoChange', 'h', 'in-place'),
        decision('Planned', 'i', 'due'),
        decision('Skipped', 'j', 'wave'),
      ]),
    )
    expect(told.map(({ severity, title }) => `${severity} ${title}`)).toEqual([
      'warning a failed',
      'warning b is held',
      'info c is held',
      'warning e was missed',
      'warning e was missed',
      'warning f is invalid',
      'warning cls-1 could not be read',
    ])
    expect(new Set(told.map(({ key }) => key)).size).toBe(told.length)
    expect(told[0]).toMatchObject({
      lines: ['because of cloud.server', 'replicas 2 -> replicas 5'],
      facts: { mode: 'enforce', code: 'cloud.server' },
    })
  })

  it('is critical when nothing came of it, with the reason', () => {
    expect(noticesOfReport(report([], { failure: { code: 'run.no-plan', text: 'the API is down' } }))).toMatchObject([
      { severity: 'critical', key: 'cron-scaler/run/run.no-plan', lines: ['the API is down'] },
    ])
  })
})
