import { describe, expect, it } from 'vitest'
import { runSeed, violationText } from '#infra/sim/seed-run.ts'
import { plantedBugs } from './planted-bugs.ts'

const mostSeeds = 500

describe('a planted bug is found within 500 seeds', () => {
  it.for(plantedBugs)('$name', { timeout: 120_000 }, async ({ function: of, breaks, sabotage }) => {
    let found: string | undefined
    for (let seed = 1; seed <= mostSeeds && found === undefined; seed += 1) {
      const run = await runSeed(seed, of, { sabotage })
      const violation = run.violations.find(({ promise }) => breaks.includes(promise))
      if (violation !== undefined) found = violationText(run, violation)
    }
    expect(found).toMatch(new RegExp(`^seed \\d+ promise (?:${breaks.join('|')}): `))
  })
})
