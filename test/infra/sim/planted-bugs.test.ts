import { describe, expect, it } from 'vitest'
import { checks } from '#infra/sim/check/checks.ts'
import { isNoticed, mostSeeds, runPlanted } from '#infra/sim/planted/find-planted.ts'
import { plantedBugs } from '#infra/sim/planted/planted-bugs.ts'
import { readPlantedSeeds } from '#infra/sim/planted/planted-seeds.ts'
import { plantedTable, writtenTable } from '#infra/sim/planted/planted-table.ts'

/** Where `npm run sim -- --planted --write` found each one, beginning with seed 1. */
const seeds = readPlantedSeeds()

describe('a planted bug is noticed within 500 seeds', () => {
  it.for(plantedBugs)('$name', async (bug) => {
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

describe('what is looked for', () => {
  it('is missed by some planted bug each: no check is there for show', () => {
    const noticed = new Set(plantedBugs.flatMap(({ noticedBy }) => noticedBy))
    expect([...noticed].toSorted()).toEqual(Object.keys(checks).toSorted())
  })

  it('covers the promises 1 to 5, 7, 8, 12 to 14, 16, 17 and 18', () => {
    const promises = new Set(Object.values(checks).map(({ promise }) => promise))
    expect(promises).toEqual(new Set(['1', '2', '3', '4', '5', '7', '8', '12', '13', '14', '16', '17', '18', 'kernel', 'push']))
  })

  it('stands in the README, with the bugs and the seeds', () => {
    expect(writtenTable()).toBe(plantedTable(seeds))
  })

  it('has no seed on record for a bug that is not planted any more', () => {
    expect([...seeds.keys()]).toEqual(plantedBugs.map(({ name }) => name))
  })
})
