import { AlarmFacts } from './alarm/alarm-facts.ts'
import { simulateAlarm } from './alarm/alarm-simulation.ts'
import { checkAlarm } from './alarm/check-alarm.ts'
import { check as checkAll } from './check/check.ts'
import { checks } from './check/checks.ts'
import { Facts, type Violation } from './check/facts.ts'
import { type Coverage, coverageOf } from './coverage.ts'
import type { History } from './history.ts'
import { runLicenseSeed } from './license/run-license-seed.ts'
import { runHookSeed } from './redeploy/run-hook-seed.ts'
import { drawScenario } from './scenario.ts'
import type { SimWorld } from './sim-world.ts'
import { type SimulateOptions, simulate } from './simulation.ts'
import { runWeekSeed } from './week/run-week-seed.ts'
import type { WeekDay } from './week/week-days.ts'

export interface SeedRun {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly coverage: Coverage
  readonly history: History
  /** Of a week: what happened on each day. */
  readonly days?: readonly WeekDay[] | undefined
}

/** Lives through the scenario of a seed and checks what happened. */
export async function runSeed(seed: number, of: SimWorld, options: SimulateOptions = {}): Promise<SeedRun> {
  if (of === 'week') return await runWeekSeed(seed, options)
  if (of === 'redeploy-hook') return await runHookSeed(seed, options)
  if (of === 'license-meter') return await runLicenseSeed(seed, options)
  if (of === 'alarm-scaler') {
    const facts = new AlarmFacts(await simulateAlarm(drawScenario(seed, of), options))
    return { seed, violations: await checkAlarm(facts), coverage: coverageOf(facts), history: facts.simulated.history }
  }
  const simulated = await simulate(drawScenario(seed, of), options)
  const facts = new Facts(simulated)
  return { seed, violations: await checkAll(facts), coverage: coverageOf(facts), history: simulated.history }
}

const traceLines = 12
const lineLength = 240

/** A violation for people: one line, and the last lines of the history that belong to it. */
export function violationText({ seed, history }: SeedRun, { check, text, about }: Violation): string {
  const lines = history.about(about, traceLines).map((line) => `    ${cut(line)}\n`)
  return `seed ${seed} promise ${checks[check].promise} (${check}): ${text}\n${lines.join('')}`
}

function cut(line: string): string {
  return line.length <= lineLength ? line : `${line.slice(0, lineLength - 1)}…`
}
