import { randomUUID } from 'node:crypto'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { FetchText } from '#shared/runtime/fetch-text.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { Log } from '#shared/runtime/log.ts'
import type { WaitClock } from '#shared/runtime/look-ahead.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { failureSentence, hasFailed, type RunReport, reportsOf } from '#shared/runtime/report.ts'
import type { RunOptions } from '#shared/runtime/run.ts'
import type { Store } from '#shared/safety/store.ts'
import { seenRun } from './cut-short.ts'
import type { ListOptions } from './decision-list.ts'
import type { HookRunner, WorkedOff } from './hook-runner.ts'
import type { LocalFunction } from './local-function.ts'
import { machineZone } from './local-time.ts'
import { createRunLines, type RunLines } from './run-lines.ts'
import { lastTrigger, nextTrigger, type ScheduleExpression } from './schedule-expression.ts'

export interface RunnerOptions {
  readonly functions: readonly { readonly function: LocalFunction; readonly schedules: readonly ScheduleExpression[] }[]
  readonly config: Config
  readonly cloud: CloudWriter
  /** What writes go through; nothing is written without. */
  readonly kernel: Kernel | undefined
  /** Where functions remember things; the kernel's when absent. */
  readonly store?: Store | undefined
  /** Reads texts from the hosts of the configuration; none when absent. */
  readonly fetchText?: FetchText | undefined
  /** Tells people what came of runs; nobody is told when absent. */
  readonly notify?: NotifyPort | undefined
  /** Epoch milliseconds: the sandbox's time, or the machine's. */
  readonly now: () => number
  /** Waits; ends early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Does what is work until it sleeps, for a time that passes faster meanwhile; just does it when absent. */
  readonly work?: (<T>(run: () => Promise<T>) => Promise<T>) | undefined
  /** How often the time is looked at while waiting: a sandbox's clock may be moved meanwhile; 500 ms when absent. */
  readonly lookMs?: number | undefined
  readonly log: Log
  readonly print: (line: string) => void
  readonly signal: AbortSignal
  /** Takes in webhooks and works on their events; absent where no function has any. */
  readonly hooks?: HookRunner | undefined
  /** How decisions are shown; asked for each run, because a terminal may change its size. */
  readonly list?: () => ListOptions
  /** Zone of the times that are printed; this machine's when absent. */
  readonly zone?: string
  /** What prints runs; as they end, each with its decisions, when absent. */
  readonly lines?: RunLines | undefined
  /** Told of every run of a schedule as soon as it is over. */
  readonly onReport?: ((report: RunReport) => void) | undefined
}

/** How a function stands in this process. */
export interface RunnerStatus {
  readonly function: string
  /** False when `problem` says why: the last run failed or could not read a cluster, or runs have stopped coming. */
  readonly ok: boolean
  readonly problem?: string
  /** ISO 8601 in UTC; absent before the first run and for a function without a schedule. */
  readonly lastRun?: string
  readonly nextRun?: string
  readonly counts?: RunReport['counts']
}

/** What came of running one schedule or all of them once. */
export interface Round {
  readonly reports: readonly RunReport[]
  /** False when it was stopped before it was done. */
  readonly isDone: boolean
}

/** A round over everything, with the events that waited. */
export interface WholeRound extends Round {
  readonly events: WorkedOff
}

export interface Runner {
  /**
   * Runs every schedule once, for its last trigger at or before now, and looks at everything; then works on the events that wait.
   * Waits for nothing that is still to come.
   */
  runOnce(): Promise<WholeRound>
  /**
   * Runs each function whenever its schedule fires, and again for what becomes due before it fires next, until the signal is aborted.
   * No function waits for another. Of several triggers that were missed only the last one runs: a run looks at what should be
   * true now. Meanwhile it works on events as they come.
   *
   * @param untilMs ends at this instant with everything done that was due before it; goes on for ever when absent
   */
  keepTicking(untilMs?: number): Promise<void>
  status(): readonly RunnerStatus[]
  /** Prints a run that was made for an event, like those of the schedules. */
  show(report: RunReport): void
}

const defaultLookMs = 500

/** A function of which so many triggers in a row were not run is not well. */
const missedTriggers = 3

/** Makes a runner. Nothing runs until it is told to. */
export function createRunner(options: RunnerOptions): Runner {
  const { functions, config, cloud, kernel, store, fetchText, notify, hooks, now, log, print, signal } = options
  const { work = (run) => run(), lookMs = defaultLookMs } = options
  const lines = options.lines ?? createRunLines({ print, zone: options.zone ?? machineZone(), list: options.list })
  const last = new Map<string, RunReport>()
  const next = new Map<string, number>()
  /** The latest time that was looked at for a function; an earlier one means that the clock was set back. */
  const looked = new Map<string, number>()
  const waitClock: WaitClock = { now, sleep: async (ms) => await options.sleep(ms, signal) }

  const plan = (name: string, schedules: readonly ScheduleExpression[], afterMs: number): void => {
    const times = schedules.map((schedule) => nextTrigger(schedule, afterMs)).filter((time) => time !== undefined)
    if (times.length > 0) next.set(name, Math.min(...times))
    else next.delete(name)
  }

  const run = async (
    entry: RunnerOptions['functions'][number],
    nowMs: number,
    how: Pick<RunOptions, 'fresh' | 'waitClock'>,
  ): Promise<Round | undefined> => {
    const { name } = entry.function
    if (entry.schedules.length === 0) return undefined
    const scheduledAt = Math.max(...entry.schedules.map((schedule) => lastTrigger(schedule, nowMs)))
    const reports: RunReport[] = []
    let isDone = true
    const show = (report: RunReport): void => {
      const seen = seenRun(report, signal)
      if (reports.length > 0) lines.gap()
      lines.show(seen.report, seen.isCutShort)
      last.set(name, seen.report)
      options.onReport?.(seen.report)
      reports.push(seen.report)
      isDone &&= !seen.isCutShort
    }
    // What follows may come most of a minute later: each is shown, and counts for the status, when it is there.
    const report = await entry.function.run({
      ...how,
      config,
      cloud,
      kernel,
      store,
      fetchText,
      notify,
      owner: randomUUID(),
      now: nowMs,
      scheduledAt,
      trigger: { kind: 'local', name: 'npm start' },
      log,
      signal,
      onReport: show,
    })
    for (const untold of reportsOf(report).slice(reports.length)) show(untold)
    return { reports, isDone }
  }

  /** Why a function is not well, if so. */
  const problemOf = ({ function: { name }, schedules }: RunnerOptions['functions'][number]): string | undefined => {
    const report = last.get(name)
    if (report?.failure !== undefined) return failureSentence(report.failure)
    if (report !== undefined && hasFailed(report)) return 'the last run had failures, or could not read a cluster'
    const due = next.get(name)
    const after = (time: number | undefined): number | undefined =>
      time === undefined ? undefined : Math.min(...schedules.flatMap((schedule) => nextTrigger(schedule, time) ?? []))
    let missed = due
    for (let count = 1; count < missedTriggers; count += 1) missed = after(missed)
    if (due === undefined || missed === undefined || now() < missed) return undefined
    return `no run has come since it was due at ${isoOf(due)}`
  }

  /** Runs one function whenever it is due, until the signal is aborted. */
  const keepRunning = async (entry: RunnerOptions['functions'][number], untilMs: number): Promise<void> => {
    const { name } = entry.function
    while (!signal.aborted) {
      const nowMs = now()
      // What was to come by the old time would keep everything waiting.
      if (nowMs < (looked.get(name) ?? nowMs)) plan(name, entry.schedules, nowMs)
      looked.set(name, nowMs)
      const dueAt = next.get(name)
      if (dueAt !== undefined && dueAt <= nowMs && dueAt < untilMs) {
        plan(name, entry.schedules, nowMs)
        if ((await run(entry, nowMs, { waitClock })) !== undefined) lines.gap()
      } else if (nowMs >= untilMs) {
        return
      } else {
        await options.sleep(Math.max(1, Math.min(lookMs, (dueAt ?? Number.POSITIVE_INFINITY) - nowMs, untilMs - nowMs)), signal)
      }
    }
  }

  for (const { function: fn, schedules } of functions) plan(fn.name, schedules, now())
  return {
    runOnce: async () =>
      await work(async () => {
        const reports: RunReport[] = []
        let isDone = true
        for (const entry of functions) {
          if (signal.aborted) {
            isDone = false
            break
          }
          const nowMs = now()
          looked.set(entry.function.name, nowMs)
          plan(entry.function.name, entry.schedules, nowMs)
          const ran = await run(entry, nowMs, { fresh: true })
          reports.push(...(ran?.reports ?? []))
          isDone &&= ran?.isDone !== false
        }
        const events = signal.aborted ? undefined : await hooks?.workOff()
        isDone &&= !signal.aborted || hooks === undefined
        if (reports.length > 0) lines.gap()
        return { reports, isDone, events: events ?? { tries: 0, failed: 0 } }
      }),
    keepTicking: async (untilMs = Number.POSITIVE_INFINITY) => {
      const loops = functions.map((entry) => work(() => keepRunning(entry, untilMs)))
      await Promise.all([...loops, hooks?.keepWorking(untilMs)])
    },
    show: (report) => {
      if (report.decisions.length > 0 || report.failure !== undefined) lines.show(report, false)
    },
    status: () =>
      functions.map((entry) => {
        const { name } = entry.function
        const report = last.get(name)
        const nextRun = next.get(name)
        const problem = problemOf(entry)
        return {
          function: name,
          ok: problem === undefined,
          ...(problem === undefined ? {} : { problem }),
          ...(report === undefined ? {} : { lastRun: isoOf(report.now), counts: report.counts }),
          ...(nextRun === undefined ? {} : { nextRun: isoOf(nextRun) }),
        }
      }),
  }
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
