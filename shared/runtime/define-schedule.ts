import { randomUUID } from 'node:crypto'
import middy from '@middy/core'
import type { AttemptEvent } from '#cloud/client.ts'
import { createTransport as createHttpsTransport } from '#cloud/transport-https.ts'
import type { TransportFactory } from '#cloud/wire.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import type { Config, Environment } from './config.ts'
import { type Connection, connect } from './connect.ts'
import type { AnyScheduled } from './definition.ts'
import type { RunMetrics } from './emf.ts'
import type { Kernel } from './kernel.ts'
import { createLog, type Log } from './log.ts'
import { logAttempt } from './log-attempt.ts'
import { type NotifyPort, openNotify } from './notify/notify-port.ts'
import { loadOwnConfig } from './own-config.ts'
import { lambdaContext, type PlatformContext } from './platform-context.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { cameToNothing, countsText, type RunReport, redactReport, reportsOf, whollyFailed } from './report.ts'
import { reportedFailure } from './report-failure.ts'
import { runSchedule } from './run.ts'
import { parseScheduleEvent } from './schedule-event.ts'
import { once, type ProcessSurroundings, processSurroundings } from './surroundings.ts'

/** A handler for Lambda and SCF, with the definition it was made from, for whoever runs it another way. */
export interface ScheduleHandler<Settings, Observed, Change> {
  (event: unknown, context?: PlatformContext): Promise<RunReport>
  readonly definition: AnyScheduled<Settings, Observed, Change>
}

/** What a handler takes from its surroundings; tests put their own in place. */
export interface Surroundings extends ProcessSurroundings {
  readonly createTransport: TransportFactory
}

/** A run of which nothing came. The platform counts it as an error; the report is in the log, line by line. */
export class RunFailedError extends Error {
  override readonly name = 'RunFailedError'
  readonly kind = 'run.failed'
}

const real: Surroundings = { ...processSurroundings, createTransport: createHttpsTransport }

/** Time before the platform's own limit at which the run is given up, so that the log says so. */
const timeoutEarlyMs = 500

/**
 * Makes a handler of a scheduled function. Nothing happens until the first event.
 *
 * Each event: the clock is read once, the event parsed strictly, the function run, every decision logged, the report answered.
 * Configuration and client are made at the first event and kept; when that fails, the next event tries again. Rejects when
 * nothing came of the run, so that the platform counts an error; single failures are in the report and the log. What it
 * rejects with, and what it logs, holds no secret.
 *
 * A function that looks ahead is waited for as long as the platform's limit allows: it runs again, within the same event, for
 * what becomes due before the next trigger.
 */
export function defineSchedule<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  surroundings: Partial<Surroundings> = {},
): ScheduleHandler<Settings, Observed, Change> {
  const around: Surroundings = { ...real, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async () => {
    const env = around.environment()
    const { whole: config } = await loadOwnConfig(definition, { env, beside: around.compiledConfig })
    const { clock, random, createTransport } = around
    // Loaded with the first event: what starts has to be small.
    const { createRunMetrics } = await import('./emf.ts')
    const metrics = createRunMetrics({ env, writeLine: around.writeLine })
    const onAttempt = (attempt: AttemptEvent): void => {
      metrics.onAttempt(attempt)
      logAttempt(log, attempt)
    }
    const cloud = await connect(config, { env, redactor, clock, random, createTransport, onAttempt })
    const kernel = await kernelFor(config, cloud, env)
    const store = kernel?.store ?? (await memoryStore(config))
    const ports = {
      config,
      env,
      resolve: around.resolver(env),
      redactor,
      clock,
      random,
      loadTransport: () => Promise.resolve(createTransport),
      log,
    }
    const notify = store === undefined ? undefined : openNotify({ ...ports, store })
    return { config, cloud, kernel, store, notify, metrics } satisfies Started
  })
  const kernelFor = async (config: Config, cloud: Connection, env: Environment): Promise<Kernel | undefined> => {
    // What writes nothing needs no kernel.
    if (config.mode !== 'enforce') return undefined
    const { createKernel } = await import('./kernel.ts')
    return await createKernel({
      config,
      store: await around.openStore(config),
      cloud,
      now: () => around.clock.now(),
      redact: (text) => redactor.text(text),
      resolveReference: around.resolver(env),
    })
  }
  /** Where a function remembers things that writes nothing else, and what people are to hear. It goes without when there is no such place. */
  const memoryStore = async (config: Config): Promise<Store | undefined> => {
    if (definition.remember === undefined && config.notifiers === undefined) return undefined
    try {
      return await around.openStore(config)
    } catch (error) {
      // The next event tries again.
      if (!(error instanceof StoreError) || definition.memoryIsRecord === true) throw error
      log.write('warn', 'memory-not-kept', { code: error.kind, reason: error.message })
      if (config.notifiers !== undefined)
        log.write('warn', 'notices-not-kept', { code: error.kind, reason: 'nobody is told: there is no store' })
      return undefined
    }
  }

  const chain = middy<unknown, RunReport>({ timeoutEarlyInMillis: timeoutEarlyMs, timeoutEarlyResponse: outOfTime })
    .use(reportFailure(log, redactor))
    .handler(async (event, context, { signal }) => {
      const now = around.clock.now()
      const tick = parseScheduleEvent(event)
      const { config, cloud, kernel, store, notify, metrics } = await start()
      const report = await runSchedule(definition, {
        ...tick,
        now,
        config,
        cloud,
        kernel,
        store,
        fetchText: cloud.fetchText,
        notify,
        waitClock: around.clock,
        onReport: metrics.onReport,
        owner: randomUUID(),
        log,
        signal,
        remainingMs: () => context.getRemainingTimeInMillis(),
      })
      if (whollyFailed(report)) throw new RunFailedError(failureText(report))
      return redactReport(report, redactor)
    })
  return Object.assign(
    async (event: unknown, context: PlatformContext = {}) => await chain(event, lambdaContext(definition.name, context)),
    {
      definition,
    },
  )
}

interface Started {
  readonly config: Config
  readonly cloud: Connection
  readonly kernel: Kernel | undefined
  readonly store: Store | undefined
  readonly notify: NotifyPort | undefined
  readonly metrics: RunMetrics
}

/** Puts a copy without secrets in the place of what an event failed with. */
function reportFailure(log: Log, redactor: Redactor): middy.MiddlewareObj<unknown, RunReport> {
  return {
    onError: (request) => {
      request.error = reportedFailure(request.error, { log, redactor, code: 'run.error' })
    },
  }
}

function outOfTime(): never {
  throw new RunFailedError(
    'The run was given up right before the time limit. What was decided is in the log; the next run takes up the rest.',
  )
}

function failureText(report: RunReport): string {
  const { runId, failure, decisions, counts, planDigest } = reportsOf(report).find(cameToNothing) ?? report
  if (failure !== undefined) return `${runId}: ${planDigest === undefined ? 'there is no plan. ' : ''}${failure.text}`
  const first = decisions.find(({ outcome }) => outcome === 'Failed')
  return `${runId}: nothing was achieved (${countsText(counts)}). First: ${first?.target ?? ''}: ${first?.reason.text ?? ''}`
}
