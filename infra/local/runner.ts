import { randomUUID } from 'node:crypto'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import { decisionLine, type Log } from '#shared/runtime/log.ts'
import { countsText, type RunReport } from '#shared/runtime/report.ts'
import type { LocalFunction } from './local-function.ts'
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
}

/** How a function stands in this process. */
export interface RunnerStatus {
  readonly function: string
  /** Epoch milliseconds; absent before the first run and for a function without a schedule. */
  readonly lastRun?: number
  readonly nextRun?: number
  readonly counts?: RunReport['counts']
  readonly failure?: string
}

export interface Runner {
  /** Runs every schedule once, for its last trigger at or before now, and answers the reports. */
  runOnce(): Promise<readonly RunReport[]>
  /** Runs each function whenever its schedule fires, until the signal is aborted. Of several triggers that were missed only the last one runs: a run looks at what should be true now. */
  keepTicking(): Promise<void>
  status(): readonly RunnerStatus[]
}

/** How often the time is looked at while waiting: a sandbox's clock may be moved meanwhile. */
const lookMs = 500

/** Makes a runner. Each decision is printed once, and again when it comes out differently; what repeats is counted. */
export function createRunner(options: RunnerOptions): Runner {
  const { functions, config, cloud, kernel, now, log, print, signal } = options
  const printed = new Map<string, Map<string, string>>()
  const status = new Map<string, RunnerStatus>()
  const next = new Map<string, number>()

  const plan = (name: string, schedules: readonly ScheduleExpression[], afterMs: number): void => {
    const times = schedules.map((schedule) => nextTrigger(schedule, afterMs)).filter((time) => time !== undefined)
    if (times.length > 0) next.set(name, Math.min(...times))
    else next.delete(name)
  }

  const run = async (entry: RunnerOptions['functions'][number], nowMs: number): Promise<RunReport | undefined> => {
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
    printReport(report)
    status.set(name, {
      function: name,
      lastRun: nowMs,
      counts: report.counts,
      ...(report.failure === undefined ? {} : { failure: report.failure.text }),
    })
    return report
  }

  const printReport = (report: RunReport): void => {
    const before = printed.get(report.function) ?? new Map<string, string>()
    const after = new Map<string, string>()
    let fresh = 0
    for (const decision of report.decisions) {
      const line = decisionLine(decision)
      after.set(decision.key, line)
      if (before.get(decision.key) === line) continue
      fresh += 1
      print(line)
    }
    printed.set(report.function, after)
    const at = new Date(report.now).toISOString().slice(0, 19)
    if (report.failure !== undefined) print(`${report.function}  ${at}Z  nothing was decided: ${report.failure.text}`)
    else {
      const repeated = report.decisions.length - fresh
      print(`${report.function}  ${at}Z  ${countsText(report.counts)}${repeated > 0 ? ` (${repeated} as before)` : ''}`)
    }
  }

  return {
    runOnce: async () => {
      const reports: RunReport[] = []
      for (const entry of functions) {
        if (signal.aborted) break
        const nowMs = now()
        const report = await run(entry, nowMs)
        if (report !== undefined) reports.push(report)
        plan(entry.function.name, entry.schedules, nowMs)
      }
      return reports
    },
    keepTicking: async () => {
      for (const { function: fn, schedules } of functions) if (!next.has(fn.name)) plan(fn.name, schedules, now())
      let latest = now()
      while (!signal.aborted) {
        // A clock that was set back: what was to come by the old one would keep everything waiting.
        if (now() < latest) for (const { function: fn, schedules } of functions) plan(fn.name, schedules, now())
        latest = now()
        for (const entry of functions) {
          const nowMs = now()
          const dueAt = next.get(entry.function.name)
          if (dueAt === undefined || dueAt > nowMs || signal.aborted) continue
          await run(entry, nowMs)
          plan(entry.function.name, entry.schedules, nowMs)
        }
        const soonest = Math.min(...next.values())
        await options.sleep(Math.max(1, Math.min(lookMs, soonest - now())), signal)
      }
    },
    status: () =>
      functions.map(({ function: { name } }) => {
        const nextRun = next.get(name)
        return { ...(status.get(name) ?? { function: name }), ...(nextRun === undefined ? {} : { nextRun }) }
      }),
  }
}
