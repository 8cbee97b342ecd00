import { randomUUID } from 'node:crypto'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { Log } from '#shared/runtime/log.ts'
import { countsText, hasFailed, type RunReport } from '#shared/runtime/report.ts'
import { seenRun } from './cut-short.ts'
import { decisionList, hiddenText, type ListOptions } from './decision-list.ts'
import type { LocalFunction } from './local-function.ts'
import { localTime, machineZone } from './local-time.ts'
import { lastTrigger, nextTrigger, type ScheduleExpression } from './schedule-expression.ts'

export interface RunnerOptions {
  readonly functions: readonly { readonly function: LocalFunction; readonly schedules: readonly ScheduleExpression[] }[]
  readonly config: Config
  readonly cloud: CloudWriter
  /** What writes go through; nothing is written without. */
  readonly kernel: Kernel | undefined
  /** Epoch milliseconds: the sandbox's time, or the machine's. */
  readonly now: () => number
  /** Waits; ends early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: Log
  readonly print: (line: string) => void
  readonly signal: AbortSignal
  /** How decisions are shown; asked for each run, because a terminal may change its size. */
  readonly list?: () => ListOptions
  /** Zone of the times that are printed; this machine's when absent. */
  readonly zone?: string
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

/** What came of running every schedule once. */
export interface Round {
  readonly reports: readonly RunReport[]
  /** False when it was stopped before it was done. */
  readonly isDone: boolean
}

export interface Runner {
  /** Runs every schedule once, for its last trigger at or before now. */
  runOnce(): Promise<Round>
  /** Runs each function whenever its schedule fires, until the signal is aborted. Of several triggers that were missed only the last one runs: a run looks at what should be true now. */
  keepTicking(): Promise<void>
  status(): readonly RunnerStatus[]
}

/** How often the time is looked at while waiting: a sandbox's clock may be moved meanwhile. */
const lookMs = 500

/** A function of which so many triggers in a row were not run is not well. */
const missedTriggers = 3

/**
 * Makes a runner. Each decision is printed once, and again when it comes out differently; what repeats is counted. Whether it
 * is the same says what is done to what and the reason's code: a sentence with times in it is another one at every run. A
 * change that was made is printed each time it was made.
 */
export function createRunner(options: RunnerOptions): Runner {
  const { functions, config, cloud, kernel, now, log, print, signal } = options
  const zone = options.zone ?? machineZone()
  const printed = new Map<string, ReadonlySet<string>>()
  const last = new Map<string, RunReport>()
  const next = new Map<string, number>()
  let isGapDue = false
  // The latest time that was looked at; an earlier one means that the clock was set back.
  let latest = now()

  const plan = (name: string, schedules: readonly ScheduleExpression[], afterMs: number): void => {
    const times = schedules.map((schedule) => nextTrigger(schedule, afterMs)).filter((time) => time !== undefined)
    if (times.length > 0) next.set(name, Math.min(...times))
    else next.delete(name)
  }

  const run = async (
    entry: RunnerOptions['functions'][number],
    nowMs: number,
  ): Promise<{ readonly report: RunReport; readonly isDone: boolean } | undefined> => {
    const { name } = entry.function
    if (entry.schedules.length === 0) return undefined
    const scheduledAt = Math.max(...entry.schedules.map((schedule) => lastTrigger(schedule, nowMs)))
    const report = await entry.function.run({
      config,
      cloud,
      kernel,
      owner: randomUUID(),
      now: nowMs,
      scheduledAt,
      trigger: { kind: 'local', name: 'npm start' },
      log,
      signal,
    })
    const seen = seenRun(report, signal)
    printReport(seen.report, seen.isCutShort)
    last.set(name, seen.report)
    return { report: seen.report, isDone: !seen.isCutShort }
  }

  const printReport = (report: RunReport, isCutShort: boolean): void => {
    const before = printed.get(report.function)
    const fresh = report.decisions.filter((decision) => decision.outcome === 'Applied' || before?.has(likenessOf(decision)) !== true)
    printed.set(report.function, new Set(report.decisions.map(likenessOf)))
    if (isGapDue) print('')
    isGapDue = false
    const shown = decisionList(fresh, options.list?.())
    const repeated = report.decisions.length - fresh.length
    const notes = [...(repeated > 0 ? [`${repeated} as before`] : []), hiddenText(shown)].filter((note) => note !== '').join('; ')
    const what = report.failure === undefined ? countsText(report.counts) : `nothing was decided: ${report.failure.text}`
    if (!isCutShort || report.decisions.length > 0) {
      print(`${localTime(report.now, zone)}  ${report.function}  ${what}${notes === '' ? '' : ` (${notes})`}`)
    }
    for (const line of shown.lines) print(line)
  }

  /** Why a function is not well, if so. */
  const problemOf = ({ function: { name }, schedules }: RunnerOptions['functions'][number]): string | undefined => {
    const report = last.get(name)
    if (report?.failure !== undefined) return `nothing was decided: ${report.failure.text}`
    if (report !== undefined && hasFailed(report)) return 'the last run had failures, or could not read a cluster'
    const due = next.get(name)
    const after = (time: number | undefined): number | undefined =>
      time === undefined ? undefined : Math.min(...schedules.flatMap((schedule) => nextTrigger(schedule, time) ?? []))
    let missed = due
    for (let count = 1; count < missedTriggers; count += 1) missed = after(missed)
    if (due === undefined || missed === undefined || now() < missed) return undefined
    return `no run has come since it was due at ${isoOf(due)}`
  }

  for (const { function: fn, schedules } of functions) plan(fn.name, schedules, now())
  return {
    runOnce: async () => {
      const reports: RunReport[] = []
      let isDone = true
      for (const entry of functions) {
        if (signal.aborted) {
          isDone = false
          break
        }
        const nowMs = now()
        latest = nowMs
        const ran = await run(entry, nowMs)
        if (ran !== undefined) reports.push(ran.report)
        isDone &&= ran?.isDone !== false
        plan(entry.function.name, entry.schedules, nowMs)
      }
      isGapDue = reports.length > 0
      return { reports, isDone }
    },
    keepTicking: async () => {
      while (!signal.aborted) {
        // A clock that was set back: what was to come by the old one would keep everything waiting.
        if (now() < latest) for (const { function: fn, schedules } of functions) plan(fn.name, schedules, now())
        latest = now()
        let ranOne = false
        for (const entry of functions) {
          const nowMs = now()
          const dueAt = next.get(entry.function.name)
          if (dueAt === undefined || dueAt > nowMs || signal.aborted) continue
          ranOne = (await run(entry, nowMs)) !== undefined || ranOne
          plan(entry.function.name, entry.schedules, nowMs)
        }
        isGapDue ||= ranOne
        const soonest = Math.min(...next.values())
        await options.sleep(Math.max(1, Math.min(lookMs, soonest - now())), signal)
      }
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

/** The same for two decisions between which nobody would see a difference. */
function likenessOf({ target, outcome, before, after, reason }: Decision): string {
  return JSON.stringify([target, outcome, before, after, reason.code])
}
