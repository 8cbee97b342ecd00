import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import middy from '@middy/core'
import type { AttemptEvent } from '#cloud/client.ts'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { createTransport as createHttpsTransport } from '#cloud/transport-https.ts'
import type { TransportFactory } from '#cloud/wire.ts'
import { type Config, type Environment, environment, functionConfig, loadConfig } from './config.ts'
import { type Connection, connect } from './connect.ts'
import type { ScheduleDefinition } from './definition.ts'
import type { Kernel } from './kernel.ts'
import { createLog, type Log } from './log.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { createResolver } from './reference.ts'
import { countsText, type RunReport, redactReport, whollyFailed } from './report.ts'
import { runSchedule } from './run.ts'
import { parseScheduleEvent } from './schedule-event.ts'

/** What a platform hands a handler beside the event; Lambda's, SCF's, or nothing. */
export interface PlatformContext {
  readonly getRemainingTimeInMillis?: () => number
}

/** A handler for Lambda and SCF, with the definition it was made from, for whoever runs it another way. */
export interface ScheduleHandler<Settings, Observed, Change> {
  (event: unknown, context?: PlatformContext): Promise<RunReport>
  readonly definition: ScheduleDefinition<Settings, Observed, Change>
}

/** What a handler takes from its surroundings; tests put their own in place. */
export interface Surroundings {
  readonly environment: () => Environment
  readonly clock: Clock
  readonly random: () => number
  readonly createTransport: TransportFactory
  readonly writeLine: (line: string) => void
  /** The compiled configuration of a bundle. */
  readonly compiledConfig: string
}

/** A run of which nothing came. The platform counts it as an error; the report is in the log, line by line. */
export class RunFailedError extends Error {
  override readonly name = 'RunFailedError'
  readonly kind = 'run.failed'
}

const real: Surroundings = {
  environment,
  clock: systemClock,
  random: Math.random,
  createTransport: createHttpsTransport,
  writeLine: (line) => {
    process.stdout.write(`${line}\n`)
  },
  // Beside the bundle; beside this source file there is none.
  compiledConfig: fileURLToPath(new URL('longshore.json', import.meta.url)),
}

/** Time before the platform's own limit at which the run is given up, so that the log says so. */
const timeoutEarlyMs = 500

/**
 * Makes a handler of a scheduled function. Nothing happens until the first event.
 *
 * Each event: the clock is read once, the event parsed strictly, the function run, every decision logged, the report answered.
 * Configuration and client are made at the first event and kept; when that fails, the next event tries again. Rejects when
 * nothing came of the run, so that the platform counts an error; single failures are in the report and the log. What it
 * rejects with, and what it logs, holds no secret.
 */
export function defineSchedule<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  surroundings: Partial<Surroundings> = {},
): ScheduleHandler<Settings, Observed, Change> {
  const around: Surroundings = { ...real, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async () => {
    const env = around.environment()
    const config = await loadConfig({
      env,
      beside: around.compiledConfig,
      schemas: { [definition.name]: definition.settings },
      others: 'ignore',
    })
    await functionConfig(config, definition)
    const { clock, random, createTransport } = around
    const cloud = await connect(config, { env, redactor, clock, random, createTransport, onAttempt: (attempt) => logAttempt(log, attempt) })
    return { config, cloud, kernel: await kernelFor(config, cloud, env) } satisfies Started
  })
  const kernelFor = async (config: Config, cloud: Connection, env: Environment): Promise<Kernel | undefined> => {
    // What writes nothing needs no store, and none has to be there for it.
    if (config.mode !== 'enforce') return undefined
    const { createKernel, openStore } = await import('./kernel.ts')
    return await createKernel({
      config,
      store: await openStore(config.store, { clock: around.clock, random: around.random }),
      cloud,
      now: () => around.clock.now(),
      redact: (text) => redactor.text(text),
      resolveReference: createResolver({ env }),
    })
  }

  const chain = middy<unknown, RunReport>({ timeoutEarlyInMillis: timeoutEarlyMs, timeoutEarlyResponse: outOfTime })
    .use(reportFailure(log, redactor))
    .handler(async (event, context, { signal }) => {
      const now = around.clock.now()
      const tick = parseScheduleEvent(event)
      const { config, cloud, kernel } = await start()
      const remainingMs = (): number => context.getRemainingTimeInMillis()
      const report = await runSchedule(definition, { ...tick, now, config, cloud, kernel, owner: randomUUID(), log, signal, remainingMs })
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
}

/** Does the work at the first call and keeps what came of it; a failure is told and forgotten. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}

/** A try that failed is worth a line, also when the next one succeeds. */
function logAttempt(log: Log, attempt: AttemptEvent): void {
  const { action, durationMs, requestId, code } = attempt
  const fields = { action, attempt: attempt.attempt, durationMs: Math.round(durationMs), requestId, code }
  if (attempt.outcome === 'ok') log.write('debug', 'call', fields)
  else log.write('warn', 'call-failed', { ...fields, outcome: attempt.outcome })
}

/** Logs what an event failed with, and puts a copy without secrets in its place: the platform logs that one by itself. */
function reportFailure(log: Log, redactor: Redactor): middy.MiddlewareObj<unknown, RunReport> {
  return {
    onError: (request) => {
      const error = request.error ?? new Error('The run failed without an error.')
      const kind = 'kind' in error && typeof error.kind === 'string' ? error.kind : 'run.error'
      log.write('error', 'event-failed', { code: kind, error: error.message })
      const safe = new Error(redactor.text(error.message))
      safe.name = error.name
      safe.stack = redactor.text(error.stack ?? '')
      request.error = safe
    },
  }
}

function outOfTime(): never {
  throw new RunFailedError(
    'The run was given up right before the time limit. What was decided is in the log; the next run takes up the rest.',
  )
}

function failureText(report: RunReport): string {
  if (report.failure !== undefined) return `${report.runId}: there is no plan. ${report.failure.text}`
  const first = report.decisions.find(({ outcome }) => outcome === 'Failed')
  return `${report.runId}: nothing was achieved (${countsText(report.counts)}). First: ${first?.target ?? ''}: ${first?.reason.text ?? ''}`
}

/** Longest delay of a timer: what stands for "no limit". */
const noLimitMs = 2 ** 31 - 1

/** Lambda's context as middy wants it, whole; a platform that says less has no time limit that is known. */
function lambdaContext(name: string, platform: PlatformContext): middy.Request['context'] {
  return {
    callbackWaitsForEmptyEventLoop: false,
    functionName: name,
    functionVersion: '',
    invokedFunctionArn: '',
    memoryLimitInMB: '',
    awsRequestId: '',
    logGroupName: '',
    logStreamName: '',
    done: () => undefined,
    fail: () => undefined,
    succeed: () => undefined,
    getRemainingTimeInMillis: () => platform.getRemainingTimeInMillis?.() ?? noLimitMs,
  }
}
