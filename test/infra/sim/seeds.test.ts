import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { type CoverageName, coverageNames } from '#infra/sim/coverage.ts'
import { simFunctions } from '#infra/sim/scenario.ts'
import { runSeed, violationText } from '#infra/sim/seed-run.ts'

const Name = z.custom<CoverageName>((name) => coverageNames.some((known) => known === name))
const Corpus = z.array(z.strictObject({ function: z.enum(simFunctions), seed: z.int(), shows: z.partialRecord(Name, z.int()) }))
const corpus = z.parse(Corpus, JSON.parse(readFileSync(new URL('./seeds.json', import.meta.url), 'utf8')))

describe('in a world that was worth keeping', () => {
  it.for(corpus)('every promise holds, and enough goes wrong: $function $seed', async ({ function: of, seed, shows }) => {
    const run = await runSeed(seed, of)
    expect(run.violations.map((violation) => violationText(run, violation))).toEqual([])
    // A change of what is drawn moves this; then another seed is worth keeping.
    for (const [name, least] of Object.entries(shows)) {
      expect(run.coverage[name as CoverageName], `${name} of ${of} ${seed}`).toBeGreaterThanOrEqual(least)
    }
  })

  it('everything happens that is counted', () => {
    const shown = new Set(corpus.flatMap(({ shows }) => Object.keys(shows)))
    expect([...shown, 'runs', 'effects'].toSorted()).toEqual([...coverageNames].toSorted())
  })
})
