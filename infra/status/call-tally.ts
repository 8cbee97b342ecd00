import type { AttemptEvent } from '#cloud/client.ts'

/** How often one action was tried with one outcome. */
export interface TalliedCalls {
  /** `tke.DescribeClusters` */
  readonly action: string
  /** `ok`, or the kind of error. */
  readonly outcome: string
  readonly count: number
}

/** Counts tries of calls to the platform. There are as many rows as actions times kinds of outcomes: few. */
export interface CallTally {
  add(attempt: Pick<AttemptEvent, 'action' | 'outcome'>): void
  rows(): readonly TalliedCalls[]
}

export function createCallTally(): CallTally {
  const counts = new Map<string, Map<string, number>>()
  return {
    add: ({ action, outcome }) => {
      const own = counts.get(action) ?? new Map<string, number>()
      counts.set(action, own)
      own.set(outcome, (own.get(outcome) ?? 0) + 1)
    },
    rows: () => [...counts].flatMap(([action, own]) => [...own].map(([outcome, count]) => ({ action, outcome, count }))),
  }
}
