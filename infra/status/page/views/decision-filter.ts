import { type OutcomeId, outcomeIds } from '../view-shapes.ts'

/** The outcomes that an address names, in the order they are shown in; what is none is left out. */
export function chosenOutcomes(text: string | undefined): readonly OutcomeId[] {
  const names = new Set((text ?? '').split(','))
  return outcomeIds.filter((outcome) => names.has(outcome))
}

/** The list with one of them put in or taken out, as an address names it; of all of them it is as empty as of none. */
export function withOutcome(chosen: readonly OutcomeId[], outcome: OutcomeId, isIn: boolean): string {
  const left = outcomeIds.filter((one) => (one === outcome ? isIn : chosen.includes(one)))
  return left.length === outcomeIds.length ? '' : left.join(',')
}

/** What was seen last of a list, and when something was said about it. */
export interface Seen {
  readonly filter: string
  readonly id: number
  readonly toldMs: number
}

/** Between two announcements of the same list. */
const quietMs = 15_000

/**
 * How many came since the last time somebody was told. Of a list that was just opened or filtered otherwise none; while it is too
 * early to speak again none either, and they are counted the next time. Ids grow by one with each decision.
 */
export function newerThan(
  seen: Seen | undefined,
  now: { readonly filter: string; readonly newest: number; readonly nowMs: number },
): { readonly seen: Seen; readonly count: number } {
  if (seen?.filter !== now.filter) return { seen: { filter: now.filter, id: now.newest, toldMs: now.nowMs }, count: 0 }
  if (now.newest <= seen.id || now.nowMs - seen.toldMs < quietMs) return { seen, count: 0 }
  return { seen: { filter: now.filter, id: now.newest, toldMs: now.nowMs }, count: now.newest - seen.id }
}
