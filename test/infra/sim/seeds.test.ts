import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as z from 'zod/mini'
import { type Coverage, noCoverage, sumOf } from '#infra/sim/coverage.ts'
import { simFunctions } from '#infra/sim/scenario.ts'
import { runSeed, violationText } from '#infra/sim/seed-run.ts'

const Corpus = z.array(z.strictObject({ function: z.enum(simFunctions), seed: z.int(), why: z.string() }))

test('every promise holds in the worlds that were worth keeping, and enough goes wrong in them', { timeout: 120_000 }, async () => {
  const corpus = z.parse(Corpus, JSON.parse(readFileSync(new URL('./seeds.json', import.meta.url), 'utf8')))
  let coverage: Coverage = noCoverage
  const violations: string[] = []
  for (const { function: of, seed } of corpus) {
    const run = await runSeed(seed, of)
    coverage = sumOf(coverage, run.coverage)
    violations.push(...run.violations.map((violation) => `${of} ${violationText(run, violation)}`))
  }
  expect(violations).toEqual([])
  // A change of what is drawn may move all of this; then other seeds are worth keeping.
  expect(coverage.runs).toBeGreaterThan(800)
  expect(coverage.effects).toBeGreaterThan(300)
  expect(coverage.cuts).toBeGreaterThan(100)
  expect(coverage.freezes).toBeGreaterThan(20)
  expect(coverage.doubts).toBeGreaterThan(30)
  expect(coverage.lateEffects).toBeGreaterThan(5)
  expect(coverage.contended).toBeGreaterThan(50)
  expect(coverage.settled).toBeGreaterThan(30)
  expect(coverage.storeFaults).toBeGreaterThan(200)
  expect(coverage.cloudFaults).toBeGreaterThan(200)
  expect(coverage.heldByCap).toBeGreaterThan(200)
  expect(coverage.heldBySwitch).toBeGreaterThan(50)
  expect(coverage.heldByWindow).toBeGreaterThan(50)
})
