import type { Outcome } from '#shared/pure/step.ts'
import { failureSentence, type RunReport } from '#shared/runtime/report.ts'
import { decisionList } from './decision-list.ts'
import { localTime } from './local-time.ts'
import { createNews, likenessOf, type RunLines, type RunLinesOptions } from './run-lines.ts'

/** Runs of a time that passes fast, for a person: by the hour. */
export interface HourLines extends RunLines {
  /** Shows something else that happened now. */
  note(text: string): void
  /** Counts an event that was worked on. */
  event(): void
  /** Ends the hour that is shown. */
  end(): void
}

const hourMs = 3_600_000

/** A change that was shown is only counted when it is made again within so long. */
const sameChangeMs = 24 * hourMs

/** What needs somebody is worth a line the first time. */
const worthALine: ReadonlySet<Outcome> = new Set(['Applied', 'Planned', 'Failed', 'Missed'])

/**
 * Prints an hour of this time under one heading: changes that were made and what failed in full, with the minute; and at its end a count of
 * all that came besides: the same changes again, what was held, and how many runs and events there were. An hour in which nothing is to be
 * shown has one line.
 */
export function createHourLines({ print, zone, list, now }: RunLinesOptions & { readonly now: () => number }): HourLines {
  const news = createNews()
  /** When a change was shown last. */
  const shownAt = new Map<string, number>()
  let hour: Hour | undefined

  const end = (): void => {
    if (hour === undefined) return
    print(`${hour.isOpen ? '       ' : `${hour.heading}  `}${hour.text()}`)
    hour = undefined
  }
  /** The hour of an instant, whose heading is printed when something is to stand under it. */
  const hourOf = (ms: number): Hour => {
    const heading = localTime(ms, zone).replace(/:\d\d:\d\d /, ':00 ')
    if (hour !== undefined && hour.heading !== heading) end()
    hour ??= new Hour(heading)
    return hour
  }
  const put = (ms: number, lines: readonly string[]): void => {
    const own = hourOf(ms)
    if (!own.isOpen) print(own.heading)
    own.isOpen = true
    for (const line of lines) print(`  ${localTime(ms, zone).slice(11, 16)}  ${line}`)
  }

  return {
    show: (report, isCutShort) => {
      if (isCutShort && report.decisions.length === 0) return
      const own = hourOf(report.now)
      own.run(report)
      const shown = news.of(report).filter((decision) => {
        if (!worthALine.has(decision.outcome)) return false
        const likeness = `${report.function} ${likenessOf(decision)}`
        const at = shownAt.get(likeness)
        if (at !== undefined && report.now - at < sameChangeMs) return false
        shownAt.set(likeness, report.now)
        own.isShown(decision.outcome)
        return true
      })
      if (report.failure !== undefined) put(report.now, [`${report.function}  ${failureSentence(report.failure)}`])
      if (shown.length > 0) put(report.now, decisionList(shown, narrowed(list?.())).lines)
    },
    note: (text) => put(now(), [cut(text, narrowed(list?.()).columns)]),
    event: () => hourOf(now()).event(),
    // An hour is one block.
    gap: () => undefined,
    end,
  }
}

/** What does not fit into a line is told whole on the status page. */
function cut(text: string, columns: number | undefined): string {
  return columns === undefined || text.length <= columns
    ? text
    : `${text
        .slice(0, Math.max(1, columns - 1))
        .trimEnd()
        .toWellFormed()}…`
}

/** What stands before each line takes room. */
function narrowed(options: ReturnType<NonNullable<RunLinesOptions['list']>> | undefined) {
  return { ...options, columns: options?.columns === undefined ? undefined : options.columns - 9 }
}

/** What is counted of an hour. */
class Hour {
  readonly heading: string
  isOpen = false
  #runs = 0
  #events = 0
  readonly #counts = new Map<Outcome, number>()

  constructor(heading: string) {
    this.heading = heading
  }

  run(report: RunReport): void {
    this.#runs += 1
    for (const { outcome } of report.decisions) this.#count(outcome, 1)
  }

  /** Has a line of its own. */
  isShown(outcome: Outcome): void {
    this.#count(outcome, -1)
  }

  event(): void {
    this.#events += 1
  }

  #count(outcome: Outcome, by: number): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + by)
  }

  text(): string {
    const parts = counted.flatMap(([outcome, words]) => {
      const count = this.#counts.get(outcome) ?? 0
      return count === 0 ? [] : [`${count} ${words}`]
    })
    const work = [numbered(this.#runs, 'run'), ...(this.#events === 0 ? [] : [numbered(this.#events, 'event')])].join(' and ')
    return parts.length === 0 ? work : `${work}; besides: ${parts.join(', ')}`
  }
}

function numbered(count: number, what: string): string {
  return `${count} ${count === 1 ? what : `${what}s`}`
}

const counted: readonly (readonly [Outcome, string])[] = [
  ['Applied', 'changed as before'],
  ['Planned', 'planned as before'],
  ['Failed', 'failed as before'],
  ['Held', 'held'],
  ['Missed', 'missed as before'],
  ['Invalid', 'invalid'],
  ['NoChange', 'right as they are'],
  ['Skipped', 'not due'],
]
