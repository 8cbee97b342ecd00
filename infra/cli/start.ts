import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { systemClock } from '#cloud/clock.ts'
import { createHookRunner, type HookRunner, type HookRunnerOptions } from '#infra/local/hook-runner.ts'
import { type LocalFunction, schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import type { HookPorts } from '#infra/local/local-hooks.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { createRunner, type Runner, type RunnerOptions } from '#infra/local/runner.ts'
import { startWebhookServer, type WebhookServer } from '#infra/local/webhook-server.ts'
import { loadTransport } from '#shared/runtime/event-surroundings.ts'
import { createLog, type Log, silentLog } from '#shared/runtime/log.ts'
import { type NotifyPort, openNotify } from '#shared/runtime/notify/notify-port.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { hasFailed, type RunReport } from '#shared/runtime/report.ts'
import type { Command } from './command.ts'
import { stoppedCode, UsageError } from './command.ts'
import { introduce } from './introduce.ts'
import { counted, parseWhole } from './words.ts'

const defaultPort = 8780
const defaultSandboxPort = 8781

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
  --sandbox-port N     port of the sandbox (${defaultSandboxPort}; any free one when that is taken)
  --seed N             seed of the sandbox's world (1)
  --all                also print rules that fired and were superseded by a later one
  --wide               print reasons whole, also where the terminal is narrower; piped output is never cut
  --verbose            also write the structured log, as JSON lines on stderr`,
    run: async (words, io) => {
      const { values } = parseArgs({
        args: [...words],
        options: {
          once: { type: 'boolean' },
          config: { type: 'string' },
          sandbox: { type: 'boolean' },
          port: { type: 'string' },
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
      const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
      const port = values.port === undefined ? undefined : parseWhole(values.port, '--port', 0, 65_535)
      const sandboxPort = values['sandbox-port'] === undefined ? undefined : parseWhole(values['sandbox-port'], '--sandbox-port', 0, 65_535)

      const wantedSandboxPort = sandboxPort ?? (once ? 0 : defaultSandboxPort)
      const functions = await functionsToRun()
      const common = { cwd: io.cwd, env: io.env, redactor, functions: functions.map((entry) => entry.function) }
      const platform =
        values.config !== undefined && real
          ? await realPlatform({ ...common, configPath: values.config })
          : await onFreePort(wantedSandboxPort, sandboxPort !== undefined, (chosen) =>
              sandboxPlatform({
                ...common,
                configPath: values.config,
                sandbox: { port: chosen, seed },
                onMessage: ({ kind, bot, title }) => io.out(redactor.text(`(to the sandbox's ${kind} bot ${bot}) ${title}`)),
              }),
            )
      const takenPorts: string[] = []
      if (platform.sandbox !== undefined && wantedSandboxPort !== 0 && platform.sandbox.port !== wantedSandboxPort) {
        takenPorts.push(`Port ${wantedSandboxPort} was taken; the sandbox uses ${platform.sandbox.port} instead.`)
      }
      let webhooks: WebhookServer | undefined
      let runner: Runner | undefined
      const onReport = (report: RunReport): void => runner?.show(report)
      const notify = notifyOf(platform, { redactor, log, warn: (line) => io.err(redactor.text(line)) })
      // When one part of it fails, the others end as well.
      const ending = new AbortController()
      const signal = AbortSignal.any([io.signal, ending.signal])
      const print = (line: string): void => io.out(redactor.text(line))
      const warn = (line: string): void => io.err(redactor.text(line))
      try {
        const hooks = await openHooks(common.functions, platform, { redactor, log, notify, print, signal, sleep: sleepOrStop, onReport })
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
          sleep: sleepOrStop,
          log,
          print,
          signal,
          list: () => ({ all: values.all === true, columns: values.wide === true ? undefined : io.terminalColumns?.() }),
        })
        if (!once) {
          webhooks = await serveWebhooks(port, { runner, hooks, platform, tell: warn })
          const wanted = port ?? defaultPort
          const used = new URL(webhooks.url).port
          if (wanted !== 0 && used !== String(wanted)) takenPorts.push(`Port ${wanted} was taken; status and webhooks use ${used} instead.`)
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
          io.out('')
          if (platform.sandbox !== undefined)
            io.out(`The sandbox's clock, faults and calls are steered at ${platform.sandbox.url}/_sandbox.`)
          const count = hooks?.routes.filter(({ method }) => method === 'POST').length ?? 0
          if (count > 0) io.out(`${counted(count, 'webhook')} at ${webhooks?.url ?? ''}.`)
          io.out(`Ticking on; status at ${webhooks?.url ?? ''}/healthz. Ctrl-C ends it.`)
        }
        await runner.keepTicking()
        io.out('Stopped.')
        return 0
      } finally {
        ending.abort()
        await webhooks?.close()
        await notify?.close()
        await platform.close()
      }
    },
  }
}

/** Makes what tells people, where notifiers are configured and there is a store for what they are to hear. */
function notifyOf(
  { config, store, env, now }: Platform,
  ports: { readonly redactor: Redactor; readonly log: Log; readonly warn: (line: string) => void },
): NotifyPort | undefined {
  if (store === undefined) return undefined
  const clock = { ...systemClock, now }
  const port = openNotify({ ...ports, config, store, env, resolve: createResolver({ env }), clock, random: Math.random, loadTransport })
  if (port === undefined) return undefined
  return {
    ...port,
    notify: async (notices, options) => {
      const notified = await port.notify(notices, options)
      // Whoever stopped it knows why; what was under way is written down and sent the next time.
      if (notified.failed > 0 && options?.signal?.aborted !== true)
        ports.warn(
          `${counted(notified.failed, 'notice')} could not be sent; \`longshore notify status\` says why, and they are tried again.`,
        )
      return notified
    },
  }
}

/** Makes what takes in the webhooks of functions and works on their events; undefined when none has any. */
async function openHooks(
  functions: readonly LocalFunction[],
  { config, cloud, kernel, env, now }: Platform,
  ports: { readonly redactor: Redactor; readonly log: Log; readonly notify: NotifyPort | undefined } & Pick<HookPorts, 'onReport'> &
    Pick<HookRunnerOptions, 'print' | 'signal' | 'sleep'>,
): Promise<HookRunner | undefined> {
  const { redactor, log, notify, onReport } = ports
  const opened: { name: LocalFunction['name']; hooks: HookRunnerOptions['functions'][number]['hooks'] }[] = []
  for (const { name, hooks } of functions) {
    if (hooks === undefined || kernel === undefined) continue
    const clock = { ...systemClock, now }
    opened.push({
      name,
      hooks: await hooks.open({ config, cloud, kernel, env, redactor, resolve: createResolver({ env }), clock, log, notify, onReport }),
    })
  }
  if (opened.length === 0) return undefined
  const redact = (text: string): string => redactor.text(text)
  const owner = `npm start ${randomUUID()}`
  return createHookRunner({ ...ports, functions: opened, owner, now, redact, storeStays: config.store.kind !== 'memory' })
}

async function serveWebhooks(
  port: number | undefined,
  parts: {
    readonly runner: Runner
    readonly hooks: HookRunner | undefined
    readonly platform: Platform
    readonly tell: (line: string) => void
  },
): Promise<WebhookServer> {
  const { runner, hooks, platform, tell } = parts
  const server = await onFreePort(port ?? defaultPort, port !== undefined, (chosen) =>
    startWebhookServer({
      routes: hooks?.routes ?? [],
      port: chosen,
      now: platform.now,
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
