import * as z from 'zod/mini'
import type { Action, RequestOf } from '#cloud/action.ts'
import { asReader } from '#cloud/client.ts'
import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { Decision, Outcome, Reason, Step, StepResult, Verdict } from '#shared/pure/step.ts'
import { contentDigest, plainCopy } from '#shared/safety/canonical-json.ts'
import type { StepLike } from '#shared/safety/plan-document.ts'
import type { SettledStep } from '#shared/safety/settle-open.ts'
import type { Store } from '#shared/safety/store.ts'
import { type Config, functionConfig } from './config.ts'
import type {
  AnyScheduled,
  DefinitionFacts,
  FunctionConfig,
  FunctionName,
  ObserveAround,
  PartOutcome,
  RunFacts,
  ScheduleDefinition,
} from './definition.ts'
import { type FetchText, noFetch } from './fetch-text.ts'
import type { FunctionKernel, Kernel } from './kernel.ts'
import { type Log, levelOf } from './log.ts'
import { type LookAheadEnd, lookAhead, type WaitClock } from './look-ahead.ts'
import { createMemory, type MemoryReader, type MemoryWriter, noMemory } from './memory.ts'
import type { NotifyPort } from './notify/notify-port.ts'
import type { Teller } from './notify/teller.ts'
import { countOutcomes, countsText, planDigest, type RunReport, runIdOf, type Trigger, unreadableCode, unwrittenCode } from './report.ts'

export interface RunOptions {
  readonly config: Config
  readonly cloud: CloudWriter
  /** What writes go through. Without it nothing is written, whatever the mode. */
  readonly kernel?: Kernel | undefined
  /** Unique to this run of this process; needed with a kernel. */
  readonly owner?: string | undefined
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
  /** Keeps what the function remembers; the kernel's store when absent. Without either it remembers nothing. */
  readonly store?: Store | undefined
  /** Reads texts from the hosts of the configuration; none when absent. */
  readonly fetchText?: FetchText | undefined
  /** Everything is to be looked at as it is now, whatever an earlier run has seen; for somebody who asks. */
  readonly fresh?: boolean | undefined
  /** To wait on for what becomes due before the next trigger. Without it nothing is waited for: the next trigger does it, late. */
  readonly waitClock?: WaitClock | undefined
  /** Told of each report as soon as it is there, of the run's own and of those that follow within the same invocation. */
  readonly onReport?: ((report: RunReport) => void) | undefined
  /** Tells people what came of it; nobody is told when absent. */
  readonly notify?: NotifyPort | undefined
  /** Says which of the plan's steps somebody has reviewed and approved; the others are held. All of them when absent. */
  readonly review?: ((steps: readonly StepLike[]) => ReadonlySet<StepLike>) | undefined
}

type ChangeStep<Change> = Step<Change> & { readonly verdict: 'change' }

/**
 * Runs a scheduled function once: observe, plan and, in mode `enforce` only, apply.
 *
 * Every step of the plan comes out as one decision, in the plan's order. Steps of one target are carried out in their order,
 * different targets side by side. A step that throws is `Failed` and stops nothing else. A second change with the key of an
 * earlier one is skipped. `observe` gets a reader and no writer, so that what does not enforce provably only reads.
 *
 * Every change goes through the kernel (`carryOut`): at most once, within the guard, journaled. Before that, what earlier runs
 * left open is settled by reading, and comes out as further decisions.
 *
 * When observing or planning fails there are no decisions, and the report says why; when every cluster was unreadable it says so
 * too. Throws ConfigError when the function's settings do not fit.
 *
 * With a clock to wait on it then looks ahead: it waits for what becomes due before the next trigger and runs again for each such
 * instant. The reports of these runs are `followUps` of the one that is answered.
 *
 * Meanwhile people are told what came of each run, which changes nothing about it, whatever becomes of that.
 */
export async function runSchedule<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: RunOptions,
): Promise<RunReport> {
  const first = await observeAndRun(definition, options)
  options.onReport?.(first.report)
  const { notify } = options
  // Loaded where somebody is to be told.
  const teller = notify === undefined ? undefined : (await import('./notify/teller.ts')).createTeller(definition, { ...options, notify })
  teller?.tell(first)
  const followUps =
    options.waitClock === undefined || !('observe' in definition) || definition.ahead === undefined
      ? []
      : await followUp(definition, options, options.waitClock, first, teller)
  const notified = await teller?.end()
  return {
    ...first.report,
    ...(followUps.length === 0 ? {} : { followUps }),
    ...(notified === undefined ? {} : { notified }),
  }
}

/** A run, and what the look ahead needs of it. */
interface Run<Settings, Observed> {
  readonly report: RunReport
  readonly config: FunctionConfig<Settings>
  /** Absent when observing or planning failed. */
  readonly seen?: { readonly observed: Observed }
}

async function observeAndRun<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: RunOptions,
): Promise<Run<Settings, Observed>> {
  return await run(definition, options, (cloud, config, memory) => plannedParts(definition, { ...options, cloud, config, memory }))
}

/** What a plan is made from, part by part. */
async function* plannedParts<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: Parameters<typeof aroundOf>[0] & {
    readonly cloud: CloudReader
    readonly config: FunctionConfig<Settings>
    readonly memory: MemoryWriter | undefined
  },
): AsyncGenerator<Planned<Observed, Change>, void, PartOutcome<Change>> {
  const { cloud, config, memory, now } = options
  const around = aroundOf(options, memory)
  if ('observe' in definition) {
    const observed = await definition.observe(cloud, config, now, around)
    yield { seen: { observed }, steps: definition.plan(observed, config, now) }
    return
  }
  const parts = definition.observeParts(cloud, config, now, around)
  try {
    for (let part = await parts.next(); part.done !== true; ) {
      const observed = part.value
      const outcome: PartOutcome<Change> = yield { seen: { observed }, steps: definition.plan(observed, config, now) }
      part = await parts.next(outcome)
    }
  } finally {
    await parts.return()
  }
}

const defaultEveryMs = 60_000
const defaultCallTimeoutMs = 10_000

/** What a run is given to read and to plan before its first write, for which the time of a call has to be left. */
const readMs = 2_000

/** Runs again for what becomes due before the next trigger. */
async function followUp<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  options: RunOptions,
  clock: WaitClock,
  first: Run<Settings, Observed>,
  teller: Teller<Settings, Observed> | undefined,
): Promise<readonly RunReport[]> {
  const { remainingMs, callTimeoutMs = defaultCallTimeoutMs, owner, signal } = options
  // The instant of the next trigger is the next trigger's.
  const untilMs = options.scheduledAt + (definition.everyMs ?? defaultEveryMs) - 1
  let count = 0
  const { runs, end } = await lookAhead(first, options.now, {
    clock,
    untilMs,
    signal,
    instantsOf: ({ seen, config, report }) =>
      seen === undefined ? undefined : definition.ahead?.(seen.observed, config, report.now, untilMs),
    mayBeginAt: (instantMs) => remainingMs === undefined || remainingMs() - (instantMs - clock.now()) >= readMs + callTimeoutMs + marginMs,
    runAt: async (instantMs, nowMs) => {
      count += 1
      const again = { ...options, now: nowMs, scheduledAt: instantMs, owner: owner === undefined ? undefined : `${owner}/${count}` }
      const { report, ...rest } = await observeAndRun(definition, again)
      const followed = { report: { ...report, skewMs: nowMs - instantMs }, ...rest }
      options.onReport?.(followed.report)
      teller?.tell(followed)
      return followed
    },
  })
  if (end !== undefined) {
    const { report } = first
    const instants = end.left.map((instantMs) => new Date(instantMs).toISOString()).join(', ')
    options.log
      .with({ function: definition.name, runId: report.runId, mode: report.mode })
      .write('info', 'left-to-next-trigger', { code: end.why, reason: `${leftTexts[end.why]}; the next trigger does it late: ${instants}` })
  }
  return runs.map(({ report }) => report)
}

const leftTexts: Readonly<Record<LookAheadEnd, string>> = {
  'no-time': 'the time that is left does not reach for a run at what is due next',
  stopped: 'the run was stopped while it waited for what is due next',
  'clock-set-back': 'the clock was set back while it waited for what is due next',
  'next-trigger': 'the next trigger was there before what was due next could be done',
}

/**
 * Carries out steps that come from somewhere else than a plan of now, such as the undoing of an earlier one, under the same
 * rules as `runSchedule`.
 */
export async function runSteps<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  steps: readonly Step<Change>[],
  options: RunOptions,
): Promise<RunReport> {
  const { report } = await run(definition, options, () => givenSteps<Observed, Change>(steps))
  return report
}

async function* givenSteps<Observed, Change>(
  steps: readonly Step<Change>[],
): AsyncGenerator<Planned<Observed, Change>, void, PartOutcome<Change>> {
  yield await Promise.resolve({ steps })
}

/** A plan of now and what it was made from. */
export interface MadePlan<Observed, Change> {
  readonly config: FunctionConfig<unknown>
  /** What was seen; of a function that looks at its world part by part the digests of its parts, as all of them may not fit into memory. */
  readonly observed: Observed | readonly string[]
  readonly steps: readonly Step<Change>[]
}

type PlanOptions = Pick<RunOptions, 'config' | 'cloud' | 'kernel' | 'store' | 'fetchText' | 'now' | 'signal' | 'remainingMs'>

/**
 * Observes and plans, and does nothing more: it remembers nothing either. Everything is looked at as it is now. Throws what
 * observing throws.
 */
export async function makePlan<Settings, Observed, Change>(
  definition: ScheduleDefinition<Settings, Observed, Change>,
  options: PlanOptions,
): Promise<MadePlan<Observed, Change> & { readonly observed: Observed }>
export async function makePlan<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: PlanOptions,
): Promise<MadePlan<Observed, Change>>
export async function makePlan<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: PlanOptions,
): Promise<MadePlan<Observed, Change>> {
  const config = await functionConfig(options.config, definition)
  const cloud = readerOf(options.cloud, limitsOf(options))
  const memory = memoryOf(options, definition.name)
  if ('observe' in definition) {
    const observed = await definition.observe(cloud, config, options.now, aroundOf({ ...options, fresh: true }, memory))
    return { config, observed, steps: definition.plan(observed, config, options.now) }
  }
  const observed: string[] = []
  const steps: Step<Change>[] = []
  const parts = plannedParts(definition, { ...options, fresh: true, cloud, config, memory })
  for (let part = await parts.next(); part.done !== true; ) {
    const { seen, steps: own } = part.value
    if (seen !== undefined) observed.push(contentDigest(plainCopy(seen.observed)))
    steps.push(...own)
    part = await parts.next({
      steps: own,
      decisions: own.map((step) => decisionOf(definition.name, step, plannedResult(step))),
      now: options.now,
    })
  }
  return { config, observed, steps }
}

/** What becomes of a step where nothing is carried out. */
function plannedResult(step: Step<unknown>): Result {
  return { outcome: step.verdict === 'change' ? 'Planned' : outcomeOf[step.verdict] }
}

function aroundOf(
  options: Pick<RunOptions, 'fetchText' | 'fresh' | 'signal' | 'now' | 'remainingMs' | 'store' | 'kernel'>,
  memory: MemoryWriter | undefined,
): ObserveAround {
  const { fetchText = noFetch, fresh = false, signal, remainingMs } = options
  return {
    memory: readerOfMemory(memory),
    memoryOf: (name) => readerOfMemory(memoryOf(options, name)),
    fetchText: async (url, own = {}) => {
      const signals = [signal, own.signal].filter((one) => one !== undefined)
      const times = [own.timeoutMs, remainingMs === undefined ? undefined : Math.max(1, remainingMs() - marginMs)]
      const known = times.filter((time) => time !== undefined)
      return await fetchText(url, {
        ...own,
        ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
        ...(known.length === 0 ? {} : { timeoutMs: Math.min(...known) }),
      })
    },
    fresh,
    signal,
  }
}

/** What a function remembers; undefined where there is no place for it. */
function memoryOf({ store, kernel, now }: Pick<RunOptions, 'store' | 'kernel' | 'now'>, name: FunctionName): MemoryWriter | undefined {
  const found = store ?? kernel?.store
  return found === undefined ? undefined : createMemory(found, { function: name, now: () => now })
}

/** Reads only, also for somebody who does not mind the types. */
function readerOfMemory(memory: MemoryWriter | undefined): MemoryReader {
  return memory === undefined ? noMemory : { get: memory.get, list: memory.list }
}

/** The steps of a run, and what they were made from where they were made now. */
interface Planned<Observed, Change> {
  readonly steps: readonly Step<Change>[]
  readonly seen?: { readonly observed: Observed }
}

async function run<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  options: RunOptions,
  planOf: (
    cloud: CloudReader,
    config: FunctionConfig<Settings>,
    memory: MemoryWriter | undefined,
  ) => AsyncGenerator<Planned<Observed, Change>, void, PartOutcome<Change>>,
): Promise<Run<Settings, Observed>> {
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
  const memory = memoryOf(options, definition.name)
  const kernel = kernelOf(options, definition.name)
  const work: RunWork<Settings, Observed, Change> = {
    definition,
    config,
    options,
    limits,
    runId,
    kernel,
    log,
    keys: new Set(),
    settled: undefined,
  }

  const made: Decision[] = []
  const changes: Step<Change>[] = []
  let seen: Run<Settings, Observed>['seen']
  let failure: Reason | undefined
  let unwritten: Reason | undefined
  let blind: Reason | undefined
  let hasPlan = false
  const parts = planOf(readerOf(options.cloud, limits), config, memory)
  try {
    for (let part = await parts.next(); part.done !== true; ) {
      hasPlan = true
      const { steps } = part.value
      seen = part.value.seen
      const decisions = await carryOutPart(steps, work)
      made.push(...decisions)
      changes.push(...steps.filter(({ verdict }) => verdict === 'change'))
      const came = { steps, decisions, config, now }
      const unkept = await keepMemory(seen === undefined ? came : { ...came, ...seen }, definition, { memory, limits, log })
      blind ??= definition.failureOf?.(steps)
      unwritten ??= definition.memoryIsRecord === true ? unkept : undefined
      const stop = 'observe' in definition ? undefined : whyNoNextPart(options, limits)
      if (stop !== undefined) {
        log.write('info', 'left-to-next-trigger', { code: stop.code, reason: stop.text })
        break
      }
      part = await parts.next({ steps, decisions, now: options.kernel?.now() ?? now, isForgotten: unkept !== undefined })
    }
  } catch (error) {
    failure = reasonOf(error, 'run.no-plan')
    log.write('error', 'run-failed', { code: failure.code, reason: failure.text, error: stackOfBug(error) })
  } finally {
    await parts.return()
  }
  if (!hasPlan && failure !== undefined) return { report: { ...facts, decisions: [], counts: countOutcomes([]), failure }, config }

  const digest = planDigest(changes)
  const unread = failure === undefined ? unreadable(made, config.clusters) : undefined
  const lost =
    unwritten === undefined
      ? undefined
      : { code: unwrittenCode, text: `not all of what was seen could be put on record: ${unwritten.text} (${unwritten.code})` }
  for (const one of [unread, lost, blind]) if (one !== undefined) log.write('error', 'run-failed', { code: one.code, reason: one.text })
  const why = failure ?? unread ?? lost ?? blind
  const report = {
    ...facts,
    decisions: made,
    counts: countOutcomes(made),
    planDigest: digest,
    ...(why === undefined ? {} : { failure: why }),
  }
  log.write('info', 'run-finished', { counts: countsText(report.counts), planDigest: digest })
  return { report, config, ...(seen === undefined || failure !== undefined ? {} : { seen }) }
}

/** Why a run ends between two parts, if so. */
function whyNoNextPart({ remainingMs, callTimeoutMs = defaultCallTimeoutMs }: RunOptions, limits: Limits): Reason | undefined {
  const stop = limits.whyStop()
  if (stop !== undefined) return stop
  if (remainingMs === undefined || remainingMs() >= callTimeoutMs + marginMs) return undefined
  return { code: 'no-time', text: 'the time that is left does not reach for another part; the next trigger goes on there' }
}

/** What the parts of one run have in common. */
interface RunWork<Settings, Observed, Change> extends Omit<StepWork<Settings, Observed, Change>, 'targetsInPlan'> {
  readonly log: Log
  /** Of changes that this run has decided about. */
  readonly keys: Set<string>
  /** What earlier runs had left open; settled before the first change of this one, and reported once. */
  settled: readonly SettledStep[] | undefined
}

/** Carries out the steps of one part, and answers a decision for each, in their order. */
async function carryOutPart<Settings, Observed, Change>(
  steps: readonly Step<Change>[],
  work: RunWork<Settings, Observed, Change>,
): Promise<readonly Decision[]> {
  const { definition, config, options, limits, log, keys } = work
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
  const approved = options.review?.(steps)
  const decisions: (Decision | undefined)[] = steps.map(() => undefined)
  const queues = new Map<string, { readonly index: number; readonly step: ChangeStep<Change> }[]>()
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
    } else if (approved?.has(step) === false) {
      decisions[index] = decide(step, {
        outcome: 'Held',
        reason: { code: 'not-reviewed', text: 'the plan that was reviewed does not have this change as it is now; review it again' },
      })
    } else {
      const queue = queues.get(step.target)
      if (queue === undefined) queues.set(step.target, [{ index, step }])
      else queue.push({ index, step })
    }
  }

  const own: StepWork<Settings, Observed, Change> = { ...work, targetsInPlan: steps.map(({ target }) => target) }
  const waiting = [...queues.values()]
  const held = await announce(
    waiting.flat().map(({ step }) => step),
    work,
  )
  const workOff = async (): Promise<void> => {
    for (let queue = waiting.shift(); queue !== undefined; queue = waiting.shift()) {
      for (const { index, step } of queue) {
        const reason = held(step)
        decisions[index] = decide(step, reason === undefined ? await carryOutStep(step, own) : { outcome: 'Held', reason })
      }
    }
  }
  const isFirst = work.settled === undefined
  work.settled ??= config.mode === 'enforce' && limits.whyStop() === undefined ? await settleEarlier(own, log) : []
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency ?? 6) }, workOff))

  const made = decisions.filter((decision) => decision !== undefined)
  for (const { key, target, result } of isFirst ? work.settled : []) {
    const reason = result.reason ?? { code: 'settled', text: 'an earlier run had left it open' }
    made.push(decide({ key, target, before: '', after: '', reason, verdict: 'skipped' }, result))
  }
  return made
}

/** Lets the function say to others what is about to be carried out. Answers of each step why it has to wait, if it has to. */
async function announce<Settings, Observed, Change>(
  steps: readonly ChangeStep<Change>[],
  { definition, config, options, limits, log }: RunWork<Settings, Observed, Change>,
): Promise<(step: ChangeStep<Change>) => Reason | undefined> {
  const memory = memoryOf(options, definition.name)
  if (definition.announce === undefined || memory === undefined || steps.length === 0 || limits.whyStop() !== undefined) {
    return () => undefined
  }
  try {
    const others = (name: FunctionName): MemoryReader => readerOfMemory(memoryOf(options, name))
    const facts = { steps, config, memoryOf: others, now: options.kernel?.now() ?? options.now }
    const held = await definition.announce(facts, memory)
    return ({ key }) => held.get(key)
  } catch (error) {
    const { code, text } = reasonOf(error, 'announce-failed')
    log.write('error', 'announce-failed', { code, reason: text, error: stackOfBug(error) })
    const why = `others could not be told before it is done, so it is not done: ${text} (${code})`
    return () => ({ code: 'announce-failed', text: why })
  }
}

/**
 * Lets the function keep what later runs should know. Nothing that goes wrong with it changes what was decided. Answers why it is not
 * kept, as far as anybody knows; undefined when it is, or when there is nothing to keep.
 */
async function keepMemory<Settings, Observed, Change>(
  facts: RunFacts<Settings, Observed, Change> | Omit<RunFacts<Settings, Observed, Change>, 'observed'>,
  { remember, rememberSteps }: DefinitionFacts<Settings, Observed, Change>,
  { memory, limits, log }: { readonly memory: MemoryWriter | undefined; readonly limits: Limits; readonly log: Log },
): Promise<Reason | undefined> {
  const isSeen = 'observed' in facts
  if ((isSeen ? remember : rememberSteps) === undefined) return undefined
  if (memory === undefined) return { code: 'no-store', text: 'there is no store to keep it in' }
  const stop = limits.whyStop()
  if (stop !== undefined) {
    const reason = { code: stop.code, text: 'the run was stopped; later runs look at everything again' }
    log.write('warn', 'memory-not-kept', { code: reason.code, reason: reason.text })
    return reason
  }
  try {
    await (isSeen ? remember?.(facts, memory) : rememberSteps?.(facts, memory))
    return undefined
  } catch (error) {
    const reason = reasonOf(error, 'memory-failed')
    log.write('warn', 'memory-not-kept', { code: reason.code, reason: reason.text, error: stackOfBug(error) })
    return reason
  }
}

/** What the steps of one run have in common. */
interface StepWork<Settings, Observed, Change> {
  readonly definition: AnyScheduled<Settings, Observed, Change>
  readonly config: FunctionConfig<Settings>
  readonly options: RunOptions
  readonly limits: Limits
  readonly runId: string
  readonly kernel: FunctionKernel | undefined
  readonly targetsInPlan: readonly string[]
}

function kernelOf({ kernel, owner }: RunOptions, name: FunctionName): FunctionKernel | undefined {
  if (kernel === undefined) return undefined
  if (owner === undefined || owner === '') throw new TypeError('a run with a kernel needs an owner of its own')
  return kernel.of(name, owner)
}

async function carryOutStep<Settings, Observed, Change>(
  step: ChangeStep<Change>,
  { definition, config, options, limits, runId, kernel, targetsInPlan }: StepWork<Settings, Observed, Change>,
): Promise<StepResult> {
  const stop = limits.whyStop()
  if (stop !== undefined) return { outcome: 'Held', reason: stop }
  if (kernel === undefined) {
    return { outcome: 'Held', reason: { code: 'no-store', text: 'there is no store to remember what was done, so nothing is done' } }
  }
  const { units, settle } = definition
  try {
    return await kernel.carryOut(step, {
      runId,
      mode: config.mode,
      targetsInPlan,
      ...(units === undefined ? {} : { units: ({ change }: ChangeStep<Change>) => units(change) }),
      cloud: writerOf(options.cloud, limits),
      apply: async (one, cloud) => {
        try {
          return await definition.apply(one, cloud, config, options.now)
        } catch (error) {
          const bug = stackOfBug(error)
          if (bug !== undefined)
            options.log.with({ function: definition.name, runId }).write('error', 'step-crashed', { target: one.target, error: bug })
          throw error
        }
      },
      ...(settle === undefined ? {} : { settle: (one, cloud, doubt) => settle(one, cloud, config, doubt) }),
      remainingMs: options.remainingMs ?? (() => Number.POSITIVE_INFINITY),
      callTimeoutMs: options.callTimeoutMs,
    })
  } catch (error) {
    return { outcome: 'Failed', reason: reasonOf(error, 'apply-failed') }
  }
}

/** Settles what earlier runs left open. What goes wrong with it is logged: the plan's own steps are done already. */
async function settleEarlier<Settings, Observed, Change>(
  { definition, config, options, limits, runId, kernel }: StepWork<Settings, Observed, Change>,
  log: Log,
): Promise<readonly SettledStep[]> {
  if (kernel === undefined) return []
  const { settle, openForMs } = definition
  try {
    return await kernel.settleOpen<Change>({
      runId,
      ...(openForMs === undefined ? {} : { lookBackMs: openForMs }),
      cloud: readerOf(options.cloud, limits),
      ...(settle === undefined ? {} : { settle: (step, cloud, doubt) => settle(step, cloud, config, doubt) }),
      readStep: (step) => readStep(definition, step),
      remainingMs: options.remainingMs ?? (() => Number.POSITIVE_INFINITY),
    })
  } catch (error) {
    const reason = reasonOf(error, 'settling-failed')
    log.write('error', 'settling-failed', { code: reason.code, reason: reason.text, error: stackOfBug(error) })
    return []
  }
}

const StoredStep = z.looseObject({
  key: z.string(),
  target: z.string(),
  before: z.string(),
  after: z.string(),
  reason: z.looseObject({ code: z.string(), text: z.string() }),
  verdict: z.literal('change'),
  change: z.unknown(),
  undo: z.optional(z.unknown()),
})

/** A change step as a journal or a plan kept it; undefined when it is none of this function's. */
export function readStep<Settings, Observed, Change>(
  definition: Pick<DefinitionFacts<Settings, Observed, Change>, 'change'>,
  stored: unknown,
): ChangeStep<Change> | undefined {
  const step = z.safeParse(StoredStep, stored)
  if (!step.success) return undefined
  const { key, target, before, after, reason, verdict } = step.data
  const change = z.safeParse(definition.change, step.data.change)
  const undo = step.data.undo === undefined ? undefined : z.safeParse(definition.change, step.data.undo)
  if (!change.success || undo?.success === false) return undefined
  const facts = { key, target, before, after, reason: { code: reason.code, text: reason.text }, verdict, change: change.data }
  return undo === undefined ? facts : { ...facts, undo: undo.data }
}

/** A run that could read no cluster at all has decided nothing, whatever else its steps say. */
function unreadable(decisions: readonly Decision[], clusters: Config['clusters']): Reason | undefined {
  const blind = new Map(decisions.filter(({ reason }) => reason.code === unreadableCode).map(({ target, reason }) => [target, reason]))
  const [first] = clusters
  if (first === undefined || !clusters.every(({ id }) => blind.has(id))) return undefined
  return { code: 'run.no-cluster', text: `no cluster could be read. ${first.id}: ${blind.get(first.id)?.text ?? ''}` }
}

/** What a run may still do. */
interface Limits {
  /** Why nothing new may start, if so. Time is the kernel's matter. */
  readonly whyStop: () => Reason | undefined
  /** A call's own options, cut to the run's. */
  readonly within: (options: SendOptions | undefined) => SendOptions
}

/** Time that is kept for answering and logging after the last call. */
const marginMs = 2_000

function limitsOf(options: Pick<RunOptions, 'now' | 'signal' | 'remainingMs'>): Limits {
  const { remainingMs, signal } = options
  const deadline = remainingMs === undefined ? undefined : options.now + remainingMs() - marginMs
  return {
    whyStop: () =>
      signal?.aborted === true ? { code: 'aborted', text: 'the run was stopped before this step; the next run takes it up' } : undefined,
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

/** Reads only, whatever it is handed: a writing action is refused, not sent. */
function readerOf(cloud: CloudReader, limits: Limits): CloudReader {
  const reader = asReader(cloud)
  return { send: async (action, request, options) => await reader.send(action, request, limits.within(options)) }
}

/** Writes until the run is stopped. */
function writerOf(cloud: CloudWriter, limits: Limits): CloudWriter {
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions) => {
      const stop = action.effect === 'read' ? undefined : limits.whyStop()
      if (stop !== undefined) throw refused(action, 'cloud.aborted', stop.text)
      return await cloud.send(action, request, limits.within(options))
    },
  }
}

function refused(action: Action, kind: 'cloud.aborted', why: string): CloudError {
  const name = `${action.service}.${action.name}`
  return new CloudError(`${name} was not sent: ${why}.`, { kind, code: kind, action: name, retryable: false })
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
