/** What became of a group's mutants. */
export interface GroupScore {
  readonly group: string
  readonly mutants: number
  /** A test failed. */
  readonly killed: number
  /** The tests did not come to an end: counts as noticed. */
  readonly timeout: number
  /** All tests passed all the same. */
  readonly survived: number
  /** No test comes by at all. */
  readonly uncovered: number
  /** Switched off in the source, with a reason. */
  readonly ignored: number
  /** Could not be tried: left out of the score. */
  readonly broken: number
  /** Percentage of those that count (all but ignored and broken) that were noticed; NaN when there are none. */
  readonly score: number
  readonly tookMs: number
}

/** Status of a mutant, as Stryker says it. */
export type MutantStatus = 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'Ignored' | 'RuntimeError' | 'CompileError' | 'Pending'

/** Counts a group's mutants. One that is pending was never tried, so it counts as broken. */
export function scoreOf(group: string, statuses: readonly MutantStatus[], tookMs: number): GroupScore {
  const count = (...wanted: readonly MutantStatus[]): number => statuses.filter((status) => wanted.includes(status)).length
  const noticed = count('Killed', 'Timeout')
  return {
    group,
    mutants: statuses.length,
    killed: count('Killed'),
    timeout: count('Timeout'),
    survived: count('Survived'),
    uncovered: count('NoCoverage'),
    ignored: count('Ignored'),
    broken: count('RuntimeError', 'CompileError', 'Pending'),
    score: (100 * noticed) / (noticed + count('Survived', 'NoCoverage')),
    tookMs,
  }
}

/** The scores as a table in Markdown, as the README of shared/safety holds it. */
export function scoreTable(scores: readonly GroupScore[]): string {
  const rows = scores.map((score) => [
    score.group,
    score.mutants,
    score.killed,
    score.timeout,
    score.survived,
    score.uncovered,
    score.ignored,
    score.broken,
    // Cut, so that 89.99 does not look like enough.
    (Math.floor(score.score * 10) / 10).toFixed(1),
    `${(score.tookMs / 60_000).toFixed(1)} min`,
  ])
  const heads = ['group', 'mutants', 'killed', 'timeout', 'survived', 'not covered', 'ignored', 'broken', 'score', 'time']
  return [heads, heads.map((_, index) => (index === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
