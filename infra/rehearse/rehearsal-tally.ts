import { civilOf, dateOfDay, dayNumber, startOfDate } from '#shared/pure/civil.ts'
import type { Decision, Outcome } from '#shared/pure/step.ts'
import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'
import type { RecordedEvent } from './recorded-events.ts'
import type { FoldedDecision, FunctionDay, HappenedEvent, Rehearsal, RehearsalDay } from './rehearsal.ts'
import type { WorldWatch } from './world-watch.ts'

/** More lines of folded decisions are not kept: what comes after is counted by day all the same. */
const mostFolded = 20_000

type Counts = Record<Outcome, number>

interface Count {
  runs: number
  leftOut: number
  failures: number
  readonly counts: Counts
}

/** Counts what functions decide, by day, and folds what repeats. */
export class Tally {
  readonly #edges: readonly number[]
  readonly #days: Map<FunctionName, Count>[]
  readonly #folded = new Map<string, FoldedDecision>()
  readonly #failures = new Map<string, Rehearsal['failures'][number]>()
  readonly #events: HappenedEvent[] = []

  /** Takes the instants at which days begin, and after them the end of the last one. */
  constructor(edges: readonly number[]) {
    this.#edges = edges
    this.#days = edges.slice(1).map(() => new Map())
  }

  add(report: RunReport): void {
    const { function: name, now, decisions, failure } = report
    const day = this.#dayOf(name, now)
    day.runs += 1
    if (failure !== undefined) {
      day.failures += 1
      const key = JSON.stringify([name, failure.code])
      const times = (this.#failures.get(key)?.times ?? 0) + 1
      this.#failures.set(key, { function: name, text: failure.text, times, lastMs: now })
    }
    for (const decision of decisions) {
      day.counts[decision.outcome] += 1
      if (decision.outcome !== 'NoChange') this.#fold(name, decision, now)
    }
  }

  leaveOut(name: FunctionName, now: number): void {
    this.#dayOf(name, now).leftOut += 1
  }

  happened({ atMs, text }: RecordedEvent, trouble: string | undefined): void {
    this.#events.push({ atMs, text, ...(trouble === undefined ? {} : { trouble }) })
  }

  /** How many events have happened. */
  get happenings(): number {
    return this.#events.length
  }

  /** What was counted. Texts go through `redact`: until then they are as the functions wrote them. */
  result(watch: WorldWatch, redact: (text: string) => string): Pick<Rehearsal, 'days' | 'decisions' | 'failures' | 'events'> {
    return {
      days: this.#days.map((functions, index) => this.#dayResult(functions, index, watch)),
      decisions: [...this.#folded.values()].map((one) => ({
        ...one,
        target: redact(one.target),
        before: redact(one.before),
        after: redact(one.after),
        text: redact(one.text),
      })),
      failures: [...this.#failures.values()].map((one) => ({ ...one, text: redact(one.text) })),
      events: this.#events,
    }
  }

  #dayResult(functions: ReadonlyMap<FunctionName, Count>, index: number, { nodes, removed, images }: WorldWatch): RehearsalDay {
    const [fromMs = 0, untilMs = 0] = [this.#edges[index], this.#edges[index + 1]]
    // The end itself belongs to the last day: what is seen there is in the sums, too.
    const isLast = index === this.#days.length - 1
    const isHere = ({ atMs }: { readonly atMs: number }): boolean => atMs >= fromMs && (isLast || atMs < untilMs)
    const counts: FunctionDay[] = functionNames.flatMap((name) => {
      const count = functions.get(name)
      return count === undefined ? [] : [{ function: name, ...count }]
    })
    const sum = (of: (day: FunctionDay) => number): number => counts.reduce((total, day) => total + of(day), 0)
    const gone = removed.filter(isHere)
    return {
      fromMs,
      untilMs,
      functions: counts,
      scaled: counts.find((day) => day.function === 'cron-scaler')?.counts.Applied ?? 0,
      nodesAdded: nodes.filter((move) => isHere(move) && move.kind === 'added').length,
      nodesRemoved: nodes.filter((move) => isHere(move) && move.kind === 'removed').length,
      tagsRemoved: gone.length,
      freedBytes: gone.reduce((total, { freedBytes }) => total + freedBytes, 0),
      imagesSet: images.filter(isHere).length,
      held: sum(({ counts: { Held } }) => Held),
      failed: sum(({ counts: { Failed }, failures }) => Failed + failures),
    }
  }

  #dayOf(name: FunctionName, now: number): Count {
    const found = this.#edges.findLastIndex((edge) => edge <= now)
    const day = this.#days[Math.min(Math.max(0, found), this.#days.length - 1)] ?? new Map<FunctionName, Count>()
    const count = day.get(name) ?? { runs: 0, leftOut: 0, failures: 0, counts: countOutcomes([]) }
    day.set(name, count)
    return count
  }

  #fold(name: FunctionName, { target, outcome, before, after, reason }: Decision, now: number): void {
    const key = JSON.stringify([name, target, outcome, outcome === 'Applied' ? before : '', after, reason.code])
    const known = this.#folded.get(key)
    if (known === undefined && this.#folded.size >= mostFolded) return
    this.#folded.set(key, {
      function: name,
      target,
      outcome,
      before,
      after,
      code: reason.code,
      text: reason.text,
      times: (known?.times ?? 0) + 1,
      firstMs: known?.firstMs ?? now,
      lastMs: now,
    })
  }
}

/** The instants at which the civil days of a period begin, with its own beginning and its end. */
export function dayStartsOf(fromMs: number, untilMs: number, zone: string): readonly number[] {
  const starts = [fromMs]
  const { year, month, day: first } = civilOf(fromMs, zone)
  // By dates, not by so many hours: a day of 23 would be passed over.
  for (let day = dayNumber(year, month, first) + 1; ; day += 1) {
    const startMs = startOfDate(dateOfDay(day), zone)
    if (startMs >= untilMs) return [...starts, untilMs]
    if (startMs > (starts.at(-1) ?? 0)) starts.push(startMs)
  }
}
