import type { PassState } from './sample.ts'

/** What `Pass: "true"` of QueryOverage means on this platform: its name says `ok`, its description `over`. */
export const passMeanings = ['ok', 'over'] as const

export type PassMeans = (typeof passMeanings)[number]

/** What the platform says about a region's licence. */
export type Overage = 'ok' | 'over' | 'unknown'

/** What `Pass` says, given what it means; unknown as long as nobody has said that. */
export function overageOf(state: PassState, passMeans: PassMeans | undefined): Overage {
  if (passMeans === undefined || state === 'unreadable') return 'unknown'
  return (state === 'true') === (passMeans === 'over') ? 'over' : 'ok'
}

/**
 * What usage and entitlements say about a region: `over` when one limit is exceeded by more than the tolerance; `within` when every limit
 * is known and none is exceeded at all; `cannot-tell` in between, and where something is not known.
 */
export type UsageVerdict = 'over' | 'within' | 'cannot-tell'

export type Agreement = 'agree' | 'contradict' | 'cannot-tell'

/** Whether the platform's word and the figures fit together. */
export function agreementOf(overage: Overage, usage: UsageVerdict): Agreement {
  if (overage === 'unknown' || usage === 'cannot-tell') return 'cannot-tell'
  return (overage === 'over') === (usage === 'over') ? 'agree' : 'contradict'
}

/** Which meaning would fit what is seen now: how to find out what to write into `passMeans`. Undefined when nothing can be said. */
export function fittingMeaning(state: PassState, usage: UsageVerdict): PassMeans | undefined {
  if (state === 'unreadable' || usage === 'cannot-tell') return undefined
  return (state === 'true') === (usage === 'over') ? 'over' : 'ok'
}
