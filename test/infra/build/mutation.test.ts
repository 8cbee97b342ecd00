import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { mutationGroups } from '#infra/build/mutation-groups.ts'
import { type MutantStatus, scoreOf, scoreTable } from '#infra/build/mutation-score.ts'

describe('the groups of the mutation run', () => {
  it('are those that must not be wrong unnoticed', () => {
    const names = ['ledger', 'guard', 'signer', 'retry', 'limiter', 'licence', 'alarm-plan', 'alarm-episode']
    expect(mutationGroups.map(({ name }) => name)).toEqual(names)
  })

  it('name files that are there, each once', () => {
    const files = mutationGroups.flatMap(({ mutate, tests }) => [...mutate, ...tests])
    expect(files.filter((file) => !existsSync(file))).toEqual([])
    expect(new Set(files).size).toBe(files.length)
  })
})

describe('the score of a group', () => {
  const statuses = (...counts: readonly [MutantStatus, number][]): MutantStatus[] =>
    counts.flatMap(([status, count]) => Array.from({ length: count }, () => status))

  it('is the share of the mutants that were noticed, without those that were never tried', () => {
    const score = scoreOf(
      'guard',
      statuses(
        ['Killed', 170],
        ['Timeout', 10],
        ['Survived', 15],
        ['NoCoverage', 5],
        ['Ignored', 3],
        ['RuntimeError', 2],
        ['CompileError', 1],
        ['Pending', 1],
      ),
      90_000,
    )
    expect(score).toEqual({
      group: 'guard',
      mutants: 207,
      killed: 170,
      timeout: 10,
      survived: 15,
      uncovered: 5,
      ignored: 3,
      broken: 4,
      score: 90,
      tookMs: 90_000,
    })
  })

  it('is no number where nothing was tried, which is not enough', () => {
    expect(scoreOf('guard', [], 0).score).toBeNaN()
    expect(scoreOf('guard', ['Ignored'], 0).score).toBeNaN()
  })

  it('is printed as a table in Markdown, cut and not rounded up', () => {
    const score = scoreOf('guard', statuses(['Killed', 8_999], ['Survived', 1_001]), 92_000)
    expect(scoreTable([score])).toBe(
      [
        '| group | mutants | killed | timeout | survived | not covered | ignored | broken | score | time |',
        '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
        '| guard | 10000 | 8999 | 0 | 1001 | 0 | 0 | 0 | 89.9 | 1.5 min |',
      ].join('\n'),
    )
  })
})
