import { describe, expect, it } from 'vitest'
import { checks } from '#infra/sim/check/checks.ts'
import { alarmBugs } from '#infra/sim/planted/alarm-bugs.ts'
import { plantedBugs } from '#infra/sim/planted/planted-bugs.ts'
import { readPlantedSeeds } from '#infra/sim/planted/planted-seeds.ts'
import { plantedTable, writtenTable } from '#infra/sim/planted/planted-table.ts'
import { weekBugs } from '#infra/sim/planted/week-bugs.ts'
import { noticePlanted } from './planted-suite.ts'

/** Where `npm run sim -- --planted --write` found each one, beginning with seed 1. */
const seeds = readPlantedSeeds()

const elsewhere = new Set([...alarmBugs, ...weekBugs])

noticePlanted(plantedBugs.filter((bug) => !elsewhere.has(bug)))

describe('what is looked for', () => {
  it('is missed by some planted bug each: no check is there for show', () => {
    const noticed = new Set(plantedBugs.flatMap(({ noticedBy }) => noticedBy))
    expect([...noticed].toSorted()).toEqual(Object.keys(checks).toSorted())
  })

  it('covers the promises 1 to 8, 12 to 18', () => {
    const promises = new Set(Object.values(checks).map(({ promise }) => promise))
    expect(promises).toEqual(
      new Set([
        '1',
        '2',
        '3',
        '4',
        '5',
        '6',
        '7',
        '8',
        '12',
        '13',
        '14',
        '15',
        '16',
        '17',
        '18',
        'alarm',
        'kernel',
        'licence',
        'push',
        'together',
      ]),
    )
  })

  it('stands in the README, with the bugs and the seeds', () => {
    expect(writtenTable()).toBe(plantedTable(seeds))
  })

  it('has no seed on record for a bug that is not planted any more', () => {
    expect([...seeds.keys()]).toEqual(plantedBugs.map(({ name }) => name))
  })
})
