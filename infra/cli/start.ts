import { parseArgs } from 'node:util'
import { systemClock } from '#cloud/clock.ts'
import { dayOfLife } from '#infra/local/day-of-life.ts'
import type { HookRunner } from '#infra/local/hook-runner.ts'
import { createHourLines } from '#infra/local/hour-lines.ts'
import { keepLiving } from '#infra/local/keep-living.ts'
import { type LocalFunction, schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { machineZone } from '#infra/local/local-time.ts'
import { openHooks } from '#infra/local/open-hooks.ts'
import { openNotices } from '#infra/local/open-notices.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { createRunner, type Runner, type RunnerOptions } from '#infra/local/runner.ts'
import { createSandboxPeople, type SandboxPeople } from '#infra/local/sandbox-people.ts'
import { createVirtualTime } from '#infra/local/virtual-time.ts'
import { startWebhookServer, type WebhookServer } from '#infra/local/webhook-server.ts'
import { createCallTally } from '#infra/status/call-tally.ts'
import { openStatus, type Status } from '#infra/status/open-status.ts'
import { orderTokenOf } from '#infra/status/order-token.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { hasFailed, type RunReport } from '#shared/runtime/report.ts'
import type { Command } from './command.ts'
import { stoppedCode, UsageError } from './command.ts'
import { introduce } from './introduce.ts'
import { behindText, guideLines } from './start-guide.ts'
import { parseWhole } from './words.ts'

const defaultPort = 8780
const defaultSandboxPort = 8781

const mostSpeed = 3600
/** From this speed on, where an hour takes a minute, runs are shown by the hour. */
const fastSpeed = 60

/** How often it is looked for events that nobody has nudged for: as often on the wall, but by the sandbox's time not too late. */
const leastQueueLookMs = 500
const mostQueueLookMs = 5000

/** A release that is newer than all that people push. */
const freeTag = 'v2.90.0'

/** Runs every function that exists. */
export const start: Command = createStart(async () => {
  const functions: { function: LocalFunction; schedules: Awaited<ReturnType<typeof schedulesOf>> }[] = []
  for (const fn of localFunctions) functions.push({ function: fn, schedules: await schedulesOf(fn.name) })
  return functions
})

/** Makes the command for the functions that it is to run. */
export function createStart(functionsToRun: () => Promise<RunnerOptions['functions']>): Command {
  return {
    summary: 'run the functions here: on the sandbox, or on a real platform with --config',
    help: `Usage: npm start [-- options]   (or: longshore start [options])

Without options: starts the sandbox (a stand-in for the platform on this machine) and every function, runs each schedule
once, prints one line per decision (what was done first), then goes on ticking and serving webhooks on loopback until Ctrl-C.

  --once               run every schedule once, work on the events that wait, and end; exit code 1 when something failed, 130
                       when Ctrl-C came first
  --config FILE        run against the platform of this configuration; credentials from TENCENTCLOUD_SECRET_ID and _SECRET_KEY.
                       Nothing is written there unless the file says \`mode: enforce\`.
                       mode observe: reports what it sees and would decide. mode plan: the same, and such a plan can be kept
                       for review (\`longshore plan\`) and carried out (\`longshore apply\`, with mode enforce).
  --sandbox            with --config: try that configuration on the sandbox instead
  --port N             port of the webhooks and of /healthz, which answers 503 when the last run failed, a cluster could not be
                       read, or no run has come for three periods (${defaultPort}; any free one when that is taken)
  --token REF          lets whoever has this token give orders on the status page and through /api: the kill switch, dead events,
                       leases. REF says where it lies: env:NAME or file:/path. Without it everything there is read only
  --host-name NAME     a name under which a proxy of yours serves this; other than as localhost it answers by no other name
  --speed N            on the sandbox: time passes N times faster (1 to ${mostSpeed}), a day in under three minutes at 600. While a function is at
                       work it passes as on the wall; where this machine cannot keep up it is slower, and nothing is left out
  --quiet-world        nothing happens on the sandbox by itself: no pushes, alarms and people. So it is with --config
  --sandbox-port N     port of the sandbox (${defaultSandboxPort}; any free one when that is taken)
  --seed N             seed of the sandbox's world (1)
  --all                also print rules that fired and were superseded by a later one
  --wide               print reasons whole, also where the terminal is narrower; piped output is never cut
  --verbose            also write the structured log, as JSON lines on stderr

Example: longshore start --once`,
    run: async (words, io) => {
      const { values } = parseArgs({
        args: [...words],
        options: {
          once: { type: 'boolean' },
          config: { type: 'string' },
          sandbox: { type: 'boolean' },
          port: { type: 'string' },
          token: { type: 'string' },
          'host-name': { type: 'string', multiple: true },
          speed: { type: 'string' },
          'quiet-world': { type: 'boolean' },
          'sandbox-port': { type: 'string' },
          seed: { type: 'string' },
          verbose: { type: 'boolean' },
          all: { type: 'boolean' },
          wide: { type: 'boolean' },
        },
      })
      const once = values.once === true
      const redactor = createRedactor()
      const log = values.verbose === true ? createLog({ write: io.err, redactor, level: 'debug' }) : silentLog
      const real = values.config !== undefined && values.sandbox !== true
      if (real && (values.seed !== undefined || values['sandbox-port'] !== undefined)) {
        throw new UsageError('--seed and --sandbox-port are about the sandbox; add --sandbox to try the configuration there')
      }
      if (real && (values.speed !== undefined || values['quiet-world'] === true)) {
        throw new UsageError('--speed and --quiet-world are about the sandbox: the time of a real platform passes as it does')
      }
      if (once && values.speed !== undefined) throw new UsageError('--speed is for what goes on; --once ends before any time has passed')
      const speed = values.speed === undefined ? 1 : parseWhole(values.speed, '--speed', 1, mostSpeed)
      const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
      const port = values.port === undefined ? undefined : parseWhole(values.port, '--port', 0, 65_535)
      const sandboxPort = values['sandbox-port'] === undefined ? undefined : parseWhole(values['sandbox-port'], '--sandbox-port', 0, 65_535)

      const wantedSandboxPort = sandboxPort ?? (once ? 0 : defaultSandboxPort)
      if (once && (values.token !== undefined || values['host-name'] !== undefined))
        throw new UsageError('--token and --host-name are for the status, which --once does not serve')
      const strange = values['host-name']?.find((name) => !/^([a-z0-9_.-]+|\[[0-9a-f:.]+\])$/i.test(name))
      if (strange !== undefined)
        throw new UsageError(
          `--host-name takes a name alone, such as status.example.com, without protocol, port or path; "${strange}" is none`,
        )
      const token = await orderTokenOf(values.token, io.env, redactor)
      const functions = await functionsToRun()
      const calls = createCallTally()
      const print = (line: string): void => io.out(redactor.text(line))
      const warn = (line: string): void => io.err(redactor.text(line))
      const time = real || once ? undefined : createVirtualTime({ speed, onBehind: (reached) => warn(behindText(speed, reached)) })
      const list = () => ({ all: values.all === true, columns: values.wide === true ? undefined : io.terminalColumns?.() })
      const hours =
        time === undefined || speed < fastSpeed ? undefined : createHourLines({ print, zone: machineZone(), list, now: time.now })
      /** Says what happened that no run did. */
      const note = hours?.note ?? print
      let people: SandboxPeople | undefined
      const common = { cwd: io.cwd, env: io.env, redactor, functions: functions.map((entry) => entry.function), onAttempt: calls.add }
      const platform =
        values.config !== undefined && real
          ? await realPlatform({ ...common, configPath: values.config })
          : await onFreePort(wantedSandboxPort, sandboxPort !== undefined, (chosen) =>
              sandboxPlatform({
                ...common,
                configPath: values.config,
                monotonic: time?.monotonic,
                sandbox: { port: chosen, seed, ...(time === undefined ? {} : { clock: time.clock }) },
                onMessage: (message) => {
                  people?.read(message)
                  note(`(to the sandbox's ${message.kind} bot ${message.bot}) ${message.title}`)
                },
              }),
            )
      const takenPorts: string[] = []
      if (platform.sandbox !== undefined && wantedSandboxPort !== 0 && platform.sandbox.port !== wantedSandboxPort) {
        takenPorts.push(`Port ${wantedSandboxPort} was taken; the sandbox uses ${platform.sandbox.port} instead.`)
      }
      let webhooks: WebhookServer | undefined
      let runner: Runner | undefined
      let status: Status | undefined
      const onReport = (report: RunReport): void => {
        status?.onReport(report)
        runner?.show(report)
      }
      const notify = openNotices(platform, { redactor, log, warn })
      // When one part of it fails, the others end as well.
      const ending = new AbortController()
      const signal = AbortSignal.any([io.signal, ending.signal])
      const pace = time === undefined ? { sleep: sleepOrStop } : { sleep: time.sleep, work: time.work }
      try {
        if (!once) {
          const names = functions.map((entry) => entry.function.name)
          const { 'host-name': hostNames } = values
          const onError = (what: string, error: unknown): void =>
            warn(`${what} failed: ${error instanceof Error ? error.message : String(error)}`)
          status = await openStatus({
            platform,
            functions: names,
            redactor,
            speed,
            work: time?.work,
            calls,
            token,
            hostNames,
            onError,
            sleep: sleepOrStop,
            signal,
          })
        }
        const hooks = await openHooks(common.functions, platform, {
          ...pace,
          lookMs: time === undefined ? undefined : Math.min(mostQueueLookMs, leastQueueLookMs * speed),
          redactor,
          log,
          notify,
          signal,
          onReport,
          // By the hour events are counted, and only what nobody tries any more is worth a line.
          print: (line, ending) => {
            if (hours === undefined) print(line)
            else if (ending === 'dead' || ending === undefined) note(line)
            else hours.event()
          },
        })
        runner = createRunner({
          functions,
          hooks,
          config: platform.config,
          cloud: platform.cloud,
          kernel: platform.kernel,
          store: platform.store,
          fetchText: platform.cloud.fetchText,
          notify,
          now: platform.now,
          ...pace,
          // Whoever sleeps is woken when the clock is moved.
          lookMs: time === undefined ? undefined : Number.POSITIVE_INFINITY,
          log,
          print,
          signal,
          onReport: (report) => status?.onReport(report),
          list,
          lines: hours,
        })
        if (!once) {
          webhooks = await serveWebhooks(port, { runner, hooks, platform, status, tell: warn })
          const wanted = port ?? defaultPort
          const used = new URL(webhooks.url).port
          if (wanted !== 0 && used !== String(wanted)) takenPorts.push(`Port ${wanted} was taken; status and webhooks use ${used} instead.`)
        }
        const { sandbox } = platform
        const url = webhooks?.url ?? ''
        const isAlive = time !== undefined && values.config === undefined && values['quiet-world'] !== true
        if (sandbox !== undefined && isAlive) {
          const clusterName = (id: string): string => platform.config.clusters.find((cluster) => cluster.id === id)?.name ?? id
          people = createSandboxPeople({ sandbox, hooksUrl: url, clusterName })
        }
        for (const line of takenPorts) io.out(line)
        if (platform.storeProblem !== undefined) warn(`Nothing is remembered between runs: ${platform.storeProblem}`)
        for (const warning of (await hooks?.warnings()) ?? []) warn(warning)
        await introduce(platform, { configPath: values.config, functionCount: functions.length }, io)
        const { reports, isDone, events } = await runner.runOnce()
        if (once && !isDone) {
          io.err('Stopped before it was done.')
          return stoppedCode(io.signal)
        }
        if (once) return reports.some(hasFailed) || events.failed > 0 ? 1 : 0
        if (!io.signal.aborted) {
          hours?.end()
          const webhookCount = hooks?.routes.filter(({ method }) => method === 'POST').length ?? 0
          const around = sandbox === undefined ? undefined : { url: sandbox.url, speed, isAlive, nextTag: freeTag }
          for (const line of guideLines({ url, webhookCount, sandbox: around })) io.out(line)
        }
        let living: Promise<void> | undefined
        if (people !== undefined && time !== undefined) {
          const scenes = dayOfLife(time.now(), { seed, isFast: speed >= fastSpeed })
          living = keepLiving(scenes, { people, time, signal, tell: (line) => note(`(in the sandbox) ${line}`) })
        }
        await Promise.all([runner.keepTicking(), status?.keepSampling(signal), living])
        hours?.end()
        io.out('Stopped.')
        return 0
      } finally {
        ending.abort()
        time?.close()
        await webhooks?.close()
        await notify?.close()
        await platform.close()
      }
    },
  }
}

async function serveWebhooks(
  port: number | undefined,
  parts: {
    readonly runner: Runner
    readonly hooks: HookRunner | undefined
    readonly platform: Platform
    readonly status: Status | undefined
    readonly tell: (line: string) => void
  },
): Promise<WebhookServer> {
  const { runner, hooks, platform, status, tell } = parts
  const statusApi = status?.serve({ runner, hooks })
  const server = await onFreePort(port ?? defaultPort, port !== undefined, (chosen) =>
    startWebhookServer({
      routes: hooks?.routes ?? [],
      port: chosen,
      now: platform.now,
      ...(statusApi === undefined ? {} : { status: statusApi }),
      health: async () => {
        const functions = runner.status()
        const events = (await hooks?.status()) ?? []
        const ok = [...functions, ...events].every((one) => one.ok)
        return { ok, mode: platform.config.mode, functions, ...(hooks === undefined ? {} : { events }) }
      },
      onError: (route, error) => tell(`webhook ${route} failed: ${error instanceof Error ? error.message : String(error)}`),
    }),
  )
  return server
}

/** Starts a server on a port; when that is taken and was not asked for by name, on any free one. */
async function onFreePort<T>(port: number, insist: boolean, open: (port: number) => Promise<T>): Promise<T> {
  try {
    return await open(port)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    if (insist) throw new Error(`port ${port} of 127.0.0.1 is in use; stop what uses it, or name another port`, { cause: error })
    return await open(0)
  }
}

/** Waits; resolves early when the signal is aborted, because stopping is no failure. */
async function sleepOrStop(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await systemClock.sleep(ms, signal)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
