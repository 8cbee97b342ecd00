import { Facts, type Violation } from '../check/facts.ts'
import { coverageOf } from '../coverage.ts'
import { drawScenario } from '../scenario.ts'
import type { SeedRun } from '../seed-run.ts'
import type { SimulateOptions } from '../simulation.ts'
import { checkHook } from './check-hook.ts'
import { problem } from './hook-facts.ts'
import { type SimulatedHook, simulateHook } from './hook-simulation.ts'
import { nameOfWorkload } from './stage-hook.ts'

/**
 * Lives through the world of a seed of the redeploy-hook and checks what happened. Where nothing but pushes decides, it lives through it
 * once more with the events in another order, others of them twice and others never, and compares the images.
 */
export async function runHookSeed(seed: number, options: SimulateOptions): Promise<SeedRun> {
  const simulated = await simulateHook(drawScenario(seed, 'redeploy-hook'), options)
  const { scenario, scene, history } = simulated
  const own = await checkHook(simulated)
  const coverage = coverageOf(new Facts(simulated))
  if (!scene.isPlain || scenario.mode !== 'enforce') return { seed, violations: own, coverage, history }
  const other = await simulateHook(drawScenario(seed, 'redeploy-hook', 'another order'), options)
  return { seed, violations: [...own, ...differing(simulated, other)], coverage, history }
}

function differing(one: SimulatedHook, other: SimulatedHook): Violation[] {
  return one.scene.workloads.flatMap((workload) => {
    const [left, right] = [one, other].map(({ world }) => world.running(workload).toSorted().join(', '))
    if (left === right) return []
    const target = nameOfWorkload(workload)
    return [problem('hook-order', `${target} runs ${left} in the end, and in another order of the same events ${right}`, [target, 'PUSH '])]
  })
}
