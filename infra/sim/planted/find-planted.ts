import { runSeed, type SeedRun } from '../seed-run.ts'
import type { PlantedBug } from './planted-bug.ts'

/** A planted bug has to show within so many seeds. */
export const mostSeeds = 500

/** Lives through the world of a seed with the bug in the product. */
export async function runPlanted({ function: of, sabotage, days }: PlantedBug, seed: number): Promise<SeedRun> {
  return await runSeed(seed, of, { sabotage: sabotage(), days })
}

/** Whether every check that has to notice the bug has noticed it. */
export function isNoticed({ noticedBy }: PlantedBug, { violations }: SeedRun): boolean {
  return noticedBy.every((check) => violations.some((violation) => violation.check === check))
}

/** The first seed in whose world the bug is noticed; undefined when there is none up to the last one. */
export async function findPlanted(bug: PlantedBug, most = mostSeeds): Promise<number | undefined> {
  for (let seed = 1; seed <= most; seed += 1) if (isNoticed(bug, await runPlanted(bug, seed))) return seed
  return undefined
}
