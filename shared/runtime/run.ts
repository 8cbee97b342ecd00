import type { Action, RequestOf } from '#cloud/action.ts'
import { asReader } from '#cloud/client.ts'
import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { Decision, Outcome, Reason, Step, StepResult, Verdict } from '#shared/pure/step.ts'
import { type Config, functionConfig } from './config.ts'
import type { FunctionConfig, ScheduleDefinition } from './definition.ts'
import { type Log, levelOf } from './log.ts'
import { countOutcomes, countsText, planDigest, type RunReport, runIdOf, type Trigger } from './report.ts'

export interface RunOptions {
  readonly config: Config
  readonly cloud: CloudWriter
  /** Epoch milliseconds, read once for the event. */
  readonly now: number
  /** The nominal instant of the tick. */
  readonly scheduledAt: number
  readonly trigger: Trigger
  readonly log: Log
  /** Nothing new starts once it is aborted. */
  readonly signal?: AbortSignal | undefined
  /** Time until the platform kills the process; unlimited when absent. */
  readonly remainingMs?: (() => number) | undefined
  /** The longest one call may take; what must be left before a write starts. 10 s when absent. */
  readonly callTimeoutMs?: number | undefined
  /** Targets that are worked on at the same time; 6 when absent. */
  readonly concurrency?: number | undefined
  /** Only the plan with this digest is carried out; any other is reported as held. */
  readonly approvedDigest?: string | undefined
}

/** Time that is kept for answering and logging after the last call. */
const marginMs = 2_000

type ChangeStep<Change> = Step<Change> & { readonly verdict: 'change' }

/**
 * Runs a scheduled function once: observe, plan and, in mode `enforce` only, apply.
 *
 * Every step of the plan comes out as one decision, in the plan's order. Steps of one target are applied in their order, different
 * targets side by side. A step that throws is `Failed` and stops nothing else. A second change with the key of an
 * earlier one is skipped. `observe` gets a reader and no writer, so that what does not enforce provably only reads.
 *
 * With too little time left for a call plus a margin no write starts: the step is `Held` (`no-time-left`), and the next run takes
 * it up again. When observing or planning fails there are no decisions, and the report says why. Throws ConfigError when the
 * function's settings do not fit.
 */
export async function runSchedule<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  options: RunOptions,
): Promise<RunReport> {
  const { now, scheduledAt, trigger } = options
  const config = await functionConfig(options.config, definition)
  const runId = runIdOf(definition.name, scheduledAt)
  const log = options.log.with({ function: definition.name, runId, mode: config.mode, now: new Date(now).toISOString() })
  const limits = limitsOf(options)
  log.write('info', 'run-started', {
    trigger: trigger.kind,
    scheduledAt: new Date(scheduledAt).toISOString(),
    lateMs: now - scheduledAt,
  })
  const facts = { function: definition.name, runId, mode: config.mode, trigger, scheduledAt, now } as const

  let steps: readonly Step<Change>[]
  try {
    const observed = await definition.observe(readerOf(options.cloud, limits), config, now)
    steps = definition.plan(observed, config, now)
  } catch (error) {
    const failure = reasonOf(error, 'run.no-plan')
    log.write('error', 'run-failed', { code: failure.code, reason: failure.text, error: stackOfBug(error) })
    return { ...facts, decisions: [], counts: countOutcomes([]), failure }
  }

  const digest = planDigest(steps)
  const decide = (step: Step<Change>, result: Result): Decision => {
    const decision = decisionOf(definition.name, step, result)
    log.write(levelOf(decision), 'decision', {
      target: decision.target,
      before: decision.before,
      after: decision.after,
      outcome: decision.outcome,
      code: decision.reason.code,
      reason: decision.reason.text,
      requestId: decision.requestId,
    })
    return decision
  }
  const hold =
    config.mode === 'enforce' && options.approvedDigest !== undefined && options.approvedDigest !== digest
      ? { code: 'plan-changed', text: `the plan is not the approved one any more: its digest is ${digest}; review it again` }
      : undefined

  const decisions: (Decision | undefined)[] = steps.map(() => undefined)
  const queues = new Map<string, { readonly index: number; readonly step: ChangeStep<Change> }[]>()
  const keys = new Set<string>()
  for (const [index, step] of steps.entries()) {
    if (step.verdict !== 'change') {
      decisions[index] = decide(step, { outcome: outcomeOf[step.verdict] })
      continue
    }
    if (keys.has(step.key)) {
      decisions[index] = decide(step, {
        outcome: 'Skipped',
        reason: { code: 'duplicate-step', text: 'an earlier step of this plan decides the same; it is not done twice' },
      })
      continue
    }
    keys.add(step.key)
    if (config.mode !== 'enforce') {
      decisions[index] = decide(step, { outcome: 'Planned' })
    } else if (hold !== undefined) {
      decisions[index] = decide(step, { outcome: 'Held', reason: hold })
    } else {
      const queue = queues.get(step.target)
      if (queue === undefined) queues.set(step.target, [{ index, step }])
      else queue.push({ index, step })
    }
  }

  const waiting = [...queues.values()]
  const work = async (): Promise<void> => {
    for (let queue = waiting.shift(); queue !== undefined; queue = waiting.shift()) {
      for (const { index, step } of queue)
        decisions[index] = decide(step, await applyStep(definition, step, config, { ...options, log }, limits))
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency ?? 6) }, work))

  const made = decisions.filter((decision) => decision !== undefined)
  const report = { ...facts, decisions: made, counts: countOutcomes(made), planDigest: digest }
  log.write('info', 'run-finished', { counts: countsText(report.counts), planDigest: digest })
  return report
}

async function applyStep<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  step: ChangeStep<Change>,
  config: FunctionConfig<Settings>,
  options: RunOptions,
  limits: Limits,
): Promise<StepResult> {
  const stop = limits.whyStop()
  if (stop !== undefined) return { outcome: 'Held', reason: stop }
  const writer = writerOf(options.cloud, limits)
  try {
    return await definition.apply(step, writer, config, options.now)
  } catch (error) {
    const reason = reasonOf(error, 'apply-failed')
    const stopped = error instanceof CloudError && (error.kind === 'cloud.deadline' || error.kind === 'cloud.aborted')
    if (stopped && writer.writes() === 0) return { outcome: 'Held', reason: limits.whyStop() ?? noTimeLeft(reason.text) }
    const bug = stackOfBug(error)
    if (bug !== undefined) options.log.write('error', 'step-crashed', { target: step.target, error: bug })
    const requestId = error instanceof Error && 'requestId' in error && typeof error.requestId === 'string' ? error.requestId : undefined
    return { outcome: 'Failed', reason, ...(requestId === undefined ? {} : { requestId }) }
  }
}

/** What a run may still do. */
interface Limits {
  /** Why no write may start now, if so. */
  readonly whyStop: () => Reason | undefined
  /** A call's own options, cut to the run's. */
  readonly within: (options: SendOptions | undefined) => SendOptions
}

function limitsOf(options: RunOptions): Limits {
  const { remainingMs, signal } = options
  const neededMs = (options.callTimeoutMs ?? 10_000) + marginMs
  const deadline = remainingMs === undefined ? undefined : options.now + remainingMs() - marginMs
  return {
    whyStop: () => {
      if (signal?.aborted === true) return { code: 'aborted', text: 'the run was stopped before this step; the next run takes it up' }
      if (remainingMs === undefined) return undefined
      const leftMs = remainingMs()
      return leftMs < neededMs ? noTimeLeft(`${Math.max(0, Math.floor(leftMs))} ms are left and a call may need ${neededMs}`) : undefined
    },
    within: (own) => {
      const signals = [signal, own?.signal].filter((one) => one !== undefined)
      const [first] = signals
      const deadlines = [deadline, own?.deadline].filter((one) => one !== undefined)
      return {
        ...own,
        ...(first === undefined ? {} : { signal: signals.length === 1 ? first : AbortSignal.any(signals) }),
        ...(deadlines.length === 0 ? {} : { deadline: Math.min(...deadlines) }),
      }
    },
  }
}

/** Reads only, whatever it is handed, and within the run's time. */
function readerOf(cloud: CloudReader, limits: Limits): CloudReader {
  const reader = asReader(cloud)
  return { send: async (action, request, options) => await reader.send(action, request, limits.within(options)) }
}

/** Writes as long as there is time for it, and counts the writes that were started. */
function writerOf(cloud: CloudWriter, limits: Limits): CloudWriter & { readonly writes: () => number } {
  let writes = 0
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions) => {
      if (action.effect !== 'read') {
        const stop = limits.whyStop()
        if (stop !== undefined) throw refused(action, stop.code === 'aborted' ? 'cloud.aborted' : 'cloud.deadline', stop.text)
        writes++
      }
      return await cloud.send(action, request, limits.within(options))
    },
    writes: () => writes,
  }
}

function refused(action: Action, kind: 'cloud.deadline' | 'cloud.aborted', why: string): CloudError {
  const name = `${action.service}.${action.name}`
  return new CloudError(`${name} was not sent: ${why}.`, { kind, code: kind, action: name, retryable: false })
}

function noTimeLeft(why: string): Reason {
  return { code: 'no-time-left', text: `${why}; the next run takes it up` }
}

const outcomeOf = {
  'no-change': 'NoChange',
  skipped: 'Skipped',
  missed: 'Missed',
  held: 'Held',
  invalid: 'Invalid',
} as const satisfies Record<Exclude<Verdict, 'change'>, Outcome>

/** What became of a step, before it is put together with the step's facts. */
interface Result {
  readonly outcome: Outcome
  readonly reason?: Reason | undefined
  readonly requestId?: string | undefined
  readonly before?: string | undefined
}

function decisionOf(name: string, step: Step<unknown>, result: Result): Decision {
  return {
    function: name,
    key: step.key,
    target: step.target,
    before: result.before ?? step.before,
    after: step.after,
    outcome: result.outcome,
    reason: result.reason ?? step.reason,
    ...(result.requestId === undefined ? {} : { requestId: result.requestId }),
  }
}

/** Where an error that nobody foresaw comes from; one with a kind says all there is to say. */
function stackOfBug(error: unknown): string | undefined {
  return error instanceof Error && !('kind' in error) ? error.stack : undefined
}

/** Code and sentence for what was thrown: the error's own kind where it has one, and the platform's code with it. */
function reasonOf(error: unknown, fallback: string): Reason {
  if (!(error instanceof Error)) return { code: fallback, text: `something that is no error was thrown: ${String(error)}` }
  const code = 'kind' in error && typeof error.kind === 'string' ? error.kind : fallback
  const detail = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return { code, text: detail === '' || detail === code || error.message.includes(detail) ? error.message : `${error.message} (${detail})` }
}
