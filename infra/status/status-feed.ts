import type { Decision, Outcome } from '#shared/pure/step.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import { cameToNothing, countOutcomes, type RunReport } from '#shared/runtime/report.ts'

/** One line of a run; what was decided again and again in the same words is one line that counts. */
export interface FeedLine {
  /** Larger the later it was decided for the first time. */
  readonly id: number
  /** The last run that decided it, epoch milliseconds. */
  readonly atMs: number
  /** The first run in a row that did. */
  readonly sinceMs: number
  /** How many runs in a row have decided it. */
  readonly times: number
  readonly function: FunctionName
  readonly runId: string
  /** As the last run has it: a sentence with times in it is another one each time. */
  readonly decision: Decision
}

/** What all runs of one function have come to since this process has started. */
export interface FunctionTally {
  readonly runs: number
  /** Runs of which nothing came. */
  readonly failedRuns: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  /** Time of the last run, epoch milliseconds; absent before the first one. */
  readonly lastRunMs?: number
  /** How much later than its nominal instant that run began; absent where it was an event and not a tick. */
  readonly lateMs?: number
}

export interface FeedQuery {
  readonly function?: FunctionName | undefined
  /** Any part of it, in small or capital letters. */
  readonly target?: string | undefined
  readonly outcomes?: ReadonlySet<Outcome> | undefined
  readonly limit: number
  /** Only lines with a smaller id. */
  readonly before?: number | undefined
}

export interface FeedPage {
  /** Newest first. */
  readonly lines: readonly FeedLine[]
  /** The `before` of the next page; absent on the last one. */
  readonly next?: number
  /** How many there are of that kind, on all pages. */
  readonly total: number
}

/** Remembers what runs have decided, as long as the process lives and within bounds. */
export interface StatusFeed {
  /** Takes one report; what followed it within the same invocation is a report of its own. */
  take(report: RunReport): void
  page(query: FeedQuery): FeedPage
  /** What the last run that looked at it said of each target of a function. */
  latest(name: FunctionName): readonly FeedLine[]
  /** Changes that were made, oldest first, from an instant on. */
  changes(sinceMs: number): readonly FeedLine[]
  tally(name: FunctionName): FunctionTally
}

/** What says that nothing is to be done is the most, and never drives out what was done or needs somebody. */
const quiet: ReadonlySet<Outcome> = new Set(['NoChange', 'Skipped'])

/** So many lines of either kind are kept, the newest. */
const defaultMost = { news: 3000, quiet: 2000 }

/**
 * Makes a feed that is empty. A change is a line of its own each time it is made; everything else that is decided of a target in the run
 * after the one before, with the same outcome, reason code and end state, is counted on the line that it has.
 */
export function createStatusFeed(most: { readonly news: number; readonly quiet: number } = defaultMost): StatusFeed {
  return new Feed(most)
}

type Line = { -readonly [Key in keyof FeedLine]: FeedLine[Key] }

class Feed implements StatusFeed {
  readonly #most: { readonly news: number; readonly quiet: number }
  /** In the order of their ids. */
  readonly #news = new Map<number, Line>()
  readonly #quiet = new Map<number, Line>()
  /** By function and target: the lines of the last run that looked at it. */
  readonly #latest = new Map<FunctionName, Map<string, Map<string, Line>>>()
  readonly #tallies = new Map<FunctionName, FunctionTally>()
  #lastId = 0

  constructor(most: { readonly news: number; readonly quiet: number }) {
    this.#most = most
  }

  take(report: RunReport): void {
    const { function: name, now, decisions } = report
    const before = this.tally(name)
    const counts = countOutcomes(decisions)
    this.#tallies.set(name, {
      runs: before.runs + 1,
      failedRuns: before.failedRuns + (cameToNothing(report) ? 1 : 0),
      outcomes: summed(before.outcomes, counts),
      lastRunMs: Math.max(now, before.lastRunMs ?? now),
      ...lateness(report, before),
    })
    const targets = this.#latest.get(name) ?? new Map<string, Map<string, Line>>()
    this.#latest.set(name, targets)
    for (const [target, own] of Map.groupBy(decisions, (decision) => decision.target)) {
      const last = targets.get(target)
      const lines = new Map<string, Line>()
      for (const decision of own) this.#line(decision, report, last, lines)
      // What was looked at last is last, so that the first is what goes when there are too many.
      targets.delete(target)
      targets.set(target, lines)
    }
    for (const target of targets.keys()) {
      if (targets.size <= this.#most.news + this.#most.quiet) break
      targets.delete(target)
    }
  }

  #line(
    decision: Decision,
    { function: name, now, runId }: RunReport,
    last: Map<string, Line> | undefined,
    lines: Map<string, Line>,
  ): void {
    const likeness = JSON.stringify([decision.outcome, decision.reason.code, decision.after])
    // The same may be said twice of one target in one run, of two rules for example.
    let key = likeness
    for (let place = 1; lines.has(key); place += 1) key = `${likeness}#${place}`
    const ring = quiet.has(decision.outcome) ? this.#quiet : this.#news
    const known = decision.outcome === 'Applied' ? undefined : last?.get(key)
    if (known !== undefined && ring.has(known.id)) {
      Object.assign(known, { atMs: now, times: known.times + 1, runId, decision })
      lines.set(key, known)
      return
    }
    this.#lastId += 1
    const line: Line = { id: this.#lastId, atMs: now, sinceMs: now, times: 1, function: name, runId, decision }
    lines.set(key, line)
    ring.set(line.id, line)
    const most = ring === this.#quiet ? this.#most.quiet : this.#most.news
    for (const id of ring.keys()) {
      if (ring.size <= most) break
      ring.delete(id)
    }
  }

  page({ function: name, target, outcomes, limit, before }: FeedQuery): FeedPage {
    const part = target?.toLowerCase()
    const found = this.#newestFirst().filter(
      (line) =>
        (name === undefined || line.function === name) &&
        (outcomes === undefined || outcomes.has(line.decision.outcome)) &&
        (part === undefined || line.decision.target.toLowerCase().includes(part)),
    )
    const rest = before === undefined ? found : found.filter(({ id }) => id < before)
    const lines = rest.slice(0, limit).map((line) => ({ ...line }))
    const end = lines.at(-1)
    return { lines, ...(end !== undefined && rest.length > lines.length ? { next: end.id } : {}), total: found.length }
  }

  latest(name: FunctionName): readonly FeedLine[] {
    return [...(this.#latest.get(name)?.values() ?? [])].flatMap((lines) => [...lines.values()].map((line) => ({ ...line })))
  }

  changes(sinceMs: number): readonly FeedLine[] {
    return [...this.#news.values()].filter(({ decision, atMs }) => decision.outcome === 'Applied' && atMs >= sinceMs)
  }

  tally(name: FunctionName): FunctionTally {
    return this.#tallies.get(name) ?? { runs: 0, failedRuns: 0, outcomes: countOutcomes([]) }
  }

  #newestFirst(): readonly Line[] {
    return [...this.#news.values(), ...this.#quiet.values()].sort((one, other) => other.id - one.id)
  }
}

/** An event has no instant at which it was due. */
function lateness({ trigger, scheduledAt, now }: RunReport, { lateMs }: FunctionTally): Pick<FunctionTally, 'lateMs'> {
  if (trigger.kind !== 'webhook') return { lateMs: Math.max(0, now - scheduledAt) }
  return lateMs === undefined ? {} : { lateMs }
}

function summed(one: Readonly<Record<Outcome, number>>, other: Readonly<Record<Outcome, number>>): Record<Outcome, number> {
  return {
    Applied: one.Applied + other.Applied,
    Planned: one.Planned + other.Planned,
    NoChange: one.NoChange + other.NoChange,
    Skipped: one.Skipped + other.Skipped,
    Missed: one.Missed + other.Missed,
    Held: one.Held + other.Held,
    Invalid: one.Invalid + other.Invalid,
    Failed: one.Failed + other.Failed,
  }
}
