import { Facts } from '../check/facts.ts'
import { coverageOf } from '../coverage.ts'
import type { SeedRun } from '../seed-run.ts'
import type { SimulateOptions } from '../simulation.ts'
import { checkWeek } from './check-week.ts'
import { drawWeek } from './draw-week.ts'
import { daysOfWeek } from './week-days.ts'
import { simulateWeek } from './week-simulation.ts'

/** Lives through the week of a seed and checks what all functions did. A shorter one has fewer days in which things go wrong. */
export async function runWeekSeed(seed: number, options: SimulateOptions = {}): Promise<SeedRun> {
  const lived = await simulateWeek(drawWeek(seed, options.days), options)
  const violations = await checkWeek(lived)
  const { history, week, scaler } = lived
  const days = daysOfWeek(history, week, violations)
  return { seed, violations, coverage: coverageOf(new Facts({ ...scaler, history })), history, days }
}
