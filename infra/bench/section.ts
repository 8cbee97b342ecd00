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
  /** What was measured over what was promised; absent where nothing was promised to be there at all. */
  readonly ofPromised?: number
}

/** Ours against a peer that had the same to do, in turn with it: how many times better ours is, and both figures. */
export interface Comparison {
  readonly what: string
  readonly times: number
  readonly ours: string
  readonly peer: string
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
  /** Against whom, where there is somebody. */
  readonly compared?: readonly Comparison[]
}

/** A goal that what is measured stays below a limit, or reaches one. */
export function goal(text: string, measured: number, limit: { readonly most: number } | { readonly least: number }, unit = ''): Goal {
  const [bound, isMet] = 'most' in limit ? [limit.most, measured <= limit.most] : [limit.least, measured >= limit.least]
  const promised = `${'most' in limit ? 'at most' : 'at least'} ${bound.toLocaleString('en-US')}${unit === '' ? '' : ` ${unit}`}`
  const share = Math.round((measured / bound) * 100) / 100
  return { goal: text, promised, measured, met: isMet ? 'yes' : 'no', ...(Number.isFinite(share) ? { ofPromised: share } : {}) }
}
