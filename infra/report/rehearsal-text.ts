import { sizeText } from '#functions/image-cleaner/size-text.ts'
import { localTime } from '#infra/local/local-time.ts'
import type { FoldedDecision, Rehearsal, RehearsalDay } from '#infra/rehearse/rehearsal.ts'
import type { Outcome } from '#shared/pure/step.ts'

/** A table as rows of words, the heading first. */
export interface TextTable {
  readonly heading: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** Outcomes of which something was done, and of which nothing was although it was wanted. */
export const refusals: readonly Outcome[] = ['Held', 'Missed', 'Invalid', 'Failed']

/** `2026-11-24`, the civil day on which a part of the rehearsal lies. */
export function dayOf({ fromMs }: Pick<RehearsalDay, 'fromMs'>, zone: string): string {
  return localTime(fromMs, zone).slice(0, 10)
}

/** `2026-11-24 08:00`. */
export function minuteOf(ms: number, zone: string): string {
  return localTime(ms, zone).slice(0, 16)
}

/** What became of the world, day by day, and in all. */
export function dayTable({ days, zone }: Rehearsal): TextTable {
  const rows = days.map((day) => [dayOf(day, zone), ...dayCells(day)])
  const sum = (of: (day: RehearsalDay) => number): number => days.reduce((total, day) => total + of(day), 0)
  const total: RehearsalDay = {
    fromMs: 0,
    untilMs: 0,
    functions: [],
    scaled: sum(({ scaled }) => scaled),
    nodesAdded: sum(({ nodesAdded }) => nodesAdded),
    nodesRemoved: sum(({ nodesRemoved }) => nodesRemoved),
    tagsRemoved: sum(({ tagsRemoved }) => tagsRemoved),
    freedBytes: sum(({ freedBytes }) => freedBytes),
    imagesSet: sum(({ imagesSet }) => imagesSet),
    held: sum(({ held }) => held),
    failed: sum(({ failed }) => failed),
  }
  return {
    heading: ['day', 'sizes set', 'nodes added', 'nodes removed', 'tags removed', 'freed', 'images set', 'held', 'failed'],
    rows: [...rows, ['in all', ...dayCells(total)]],
  }
}

function dayCells(day: RehearsalDay): string[] {
  const { scaled, nodesAdded, nodesRemoved, tagsRemoved, freedBytes, imagesSet, held, failed } = day
  return [
    String(scaled),
    String(nodesAdded),
    String(nodesRemoved),
    String(tagsRemoved),
    freedBytes === 0 ? '0' : sizeText(freedBytes),
    String(imagesSet),
    String(held),
    String(failed),
  ]
}

/** What each function did on each day. */
export function functionTable({ days, zone }: Rehearsal): TextTable {
  const names = [...new Set(days.flatMap(({ functions }) => functions.map((one) => one.function)))]
  const rows = names.flatMap((name) =>
    days.flatMap((day) => {
      const found = day.functions.find((one) => one.function === name)
      if (found === undefined) return []
      const { runs, leftOut, failures, counts } = found
      const cells = [counts.Applied, counts.NoChange, counts.Skipped, counts.Held, counts.Missed, counts.Invalid, counts.Failed]
      return [[name, dayOf(day, zone), String(runs), String(leftOut), ...cells.map(String), String(failures)]]
    }),
  )
  return {
    heading: [
      'function',
      'day',
      'runs',
      'left out',
      'Applied',
      'NoChange',
      'Skipped',
      'Held',
      'Missed',
      'Invalid',
      'Failed',
      'runs failed',
    ],
    rows,
  }
}

/** Decisions that were carried out, in the order in which each was first. */
export function doneDecisions({ decisions }: Rehearsal): readonly FoldedDecision[] {
  return decisions.filter(({ outcome }) => outcome === 'Applied').toSorted((one, other) => one.firstMs - other.firstMs)
}

/** Decisions of which nothing came, those that were refused most often first. */
export function refusedDecisions({ decisions }: Rehearsal): readonly FoldedDecision[] {
  return decisions.filter(({ outcome }) => refusals.includes(outcome)).toSorted((one, other) => other.times - one.times)
}

export function decisionRow(decision: FoldedDecision, zone: string): readonly string[] {
  const { firstMs, lastMs, times, target, before, after, text, outcome } = decision
  const change = before === '' && after === '' ? '' : `${before === '' ? '(nothing)' : before} -> ${after === '' ? '(nothing)' : after}`
  return [
    minuteOf(firstMs, zone),
    times === 1 ? '' : minuteOf(lastMs, zone),
    String(times),
    decision.function,
    outcome,
    target,
    change,
    text,
  ]
}

export const decisionHeading: readonly string[] = [
  'first',
  'last',
  'times',
  'function',
  'outcome',
  'target',
  'change',
  'reason of the last',
]

/** One sentence over what happened, for the head of a page and the first line on a terminal. */
export function summaryOf(rehearsal: Rehearsal): string {
  const { nodes, removed, images, days } = rehearsal
  const scaled = days.reduce((sum, day) => sum + day.scaled, 0)
  const freed = removed.reduce((sum, { freedBytes }) => sum + freedBytes, 0)
  const added = nodes.filter(({ kind }) => kind === 'added').length
  const parts = [
    `Sizes set ${scaled} ${scaled === 1 ? 'time' : 'times'}`,
    `${added} ${added === 1 ? 'node' : 'nodes'} added and ${nodes.length - added} removed`,
    `${removed.length} ${removed.length === 1 ? 'tag' : 'tags'} removed${freed === 0 ? '' : `, which frees ${sizeText(freed)}`}`,
    `${images.length} ${images.length === 1 ? 'image' : 'images'} set`,
  ]
  return `${parts.join('; ')}.`
}

/** What kind of ticks were not run, in a sentence; empty when all were. */
export function leftOutText({ days }: Rehearsal): string {
  const functions = days.flatMap((day) => day.functions)
  const leftOut = functions.reduce((sum, one) => sum + one.leftOut, 0)
  const runs = functions.reduce((sum, one) => sum + one.runs, 0)
  if (leftOut === 0) return ''
  return `${runs} runs; ${leftOut} triggers were left out, because nothing had changed since the last run of which anything could have come and nothing was due (--every-tick runs them all).`
}
