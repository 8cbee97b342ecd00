import type { Decision } from '#shared/pure/step.ts'
import { countsText, failureSentence, type RunReport } from '#shared/runtime/report.ts'
import { decisionList, hiddenText, type ListOptions } from './decision-list.ts'
import { localTime } from './local-time.ts'

export interface RunLinesOptions {
  readonly print: (line: string) => void
  /** Zone of the times that are printed. */
  readonly zone: string
  /** How decisions are shown; asked for each run, because a terminal may change its size. */
  readonly list?: (() => ListOptions) | undefined
}

/** What a person sees of runs. */
export interface RunLines {
  /** @param isCutShort whether somebody stopped the run before it was done */
  show(report: RunReport, isCutShort: boolean): void
  /** What is shown next is about something else. */
  gap(): void
}

/**
 * Prints runs as they end. Each decision is printed once, and again when it comes out differently; what repeats is counted, also when
 * nobody looked at its target in between. Whether it is the same says what is done to what and the reason's code: a sentence
 * with times in it is another one at every run. A change that was made is printed each time it was made.
 */
export function createRunLines({ print, zone, list }: RunLinesOptions): RunLines {
  const news = createNews()
  let isGapDue = false
  return {
    show: (report, isCutShort) => {
      const fresh = news.of(report)
      if (isGapDue) print('')
      isGapDue = false
      const shown = decisionList(fresh, list?.())
      const repeated = report.decisions.length - fresh.length
      const notes = [...(repeated > 0 ? [`${repeated} as before`] : []), hiddenText(shown)].filter((note) => note !== '').join('; ')
      const what = report.failure === undefined ? countsText(report.counts) : failureSentence(report.failure)
      if (!isCutShort || report.decisions.length > 0) {
        print(`${localTime(report.now, zone)}  ${report.function}  ${what}${notes === '' ? '' : ` (${notes})`}`)
      }
      for (const line of shown.lines) print(line)
    },
    gap: () => {
      isGapDue = true
    },
  }
}

/** Tells what is new in a run from what was there before. */
export interface News {
  /** The decisions that were not the same when their target was looked at last; changes that were made are always new. */
  of(report: RunReport): readonly Decision[]
}

/** Knows nothing yet: all of the first run is new. */
export function createNews(): News {
  /** What was seen last of each target of a function. A run that did not look at a target changes nothing about it. */
  const seen = new Map<string, Map<string, ReadonlySet<string>>>()
  return {
    of: (report) => {
      const before = seen.get(report.function) ?? new Map<string, ReadonlySet<string>>()
      const fresh = report.decisions.filter(
        (decision) => decision.outcome === 'Applied' || before.get(decision.target)?.has(likenessOf(decision)) !== true,
      )
      for (const [target, decisions] of Map.groupBy(report.decisions, ({ target: name }) => name)) {
        before.set(target, new Set(decisions.map(likenessOf)))
      }
      seen.set(report.function, before)
      return fresh
    },
  }
}

/** The same for two decisions between which nobody would see a difference. */
export function likenessOf({ target, outcome, before, after, reason }: Decision): string {
  return JSON.stringify([target, outcome, before, after, reason.code])
}
