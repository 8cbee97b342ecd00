/** How much is measured. */
export interface SectionOptions {
  /** Root of the project. */
  readonly root: string
  /** A tenth of the work, for a first look. */
  readonly quick: boolean
}

/** What was promised, what was measured, and whether it holds. */
export interface Goal {
  readonly goal: string
  /** As it was promised: `below 1,000 ms`. */
  readonly promised: string
  readonly measured: number
  readonly met: 'yes' | 'no'
}

/** One part of the bench, which can be run alone. */
export interface Section {
  /** What `--only` calls it, and the key of its rows in the JSON report. */
  readonly name: string
  /** What stands above its table. */
  readonly title: string
  readonly measure: (options: SectionOptions) => Promise<Measured>
}

/** Rows of one shape, and what was promised about them. */
export interface Measured<Row extends object = object> {
  readonly rows: readonly Row[]
  readonly goals?: readonly Goal[]
}

/** A goal that what is measured stays below a limit, or reaches one. */
export function goal(text: string, measured: number, limit: { readonly most: number } | { readonly least: number }, unit = ''): Goal {
  const isMet = 'most' in limit ? measured <= limit.most : measured >= limit.least
  const bound = 'most' in limit ? `at most ${limit.most.toLocaleString('en-US')}` : `at least ${limit.least.toLocaleString('en-US')}`
  return { goal: text, promised: unit === '' ? bound : `${bound} ${unit}`, measured, met: isMet ? 'yes' : 'no' }
}
