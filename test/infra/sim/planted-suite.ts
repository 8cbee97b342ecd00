import { describe, expect, it } from 'vitest'
import { isNoticed, mostSeeds, runPlanted } from '#infra/sim/planted/find-planted.ts'
import type { PlantedBug } from '#infra/sim/planted/planted-bug.ts'
import { readPlantedSeeds } from '#infra/sim/planted/planted-seeds.ts'

/** Where `npm run sim -- --planted --write` found each one, beginning with seed 1. */
const seeds = readPlantedSeeds()

/** Every one of these bugs is planted in the world of its seed, and has to be noticed there by each check that is for it. */
export function noticePlanted(bugs: readonly PlantedBug[]): void {
  describe('a planted bug is noticed within 500 seeds', () => {
    it('has some to look for', () => expect(bugs.length).toBeGreaterThan(0))

    it.for(bugs)('$name', async (bug) => {
      const seed = seeds.get(bug.name) ?? Number.POSITIVE_INFINITY
      expect(seed, 'npm run sim -- --planted --write looks for it').toBeLessThanOrEqual(mostSeeds)
      const run = await runPlanted(bug, seed)
      expect(
        run.violations.map(({ check }) => check),
        `seed ${seed} shows it no more; npm run sim -- --planted --write looks for another one`,
      ).toEqual(expect.arrayContaining([...bug.noticedBy]))
      expect(isNoticed(bug, run)).toBe(true)
    })
  })
}
