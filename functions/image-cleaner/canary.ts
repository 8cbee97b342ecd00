import { civilOf, dayNumber } from '#shared/pure/civil.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Policy, Settings } from './event.ts'

/** What is remembered of a policy, so that a new or edited one starts small. */
export interface CanaryState {
  /** Of what the policy says: an edited policy is a new one. */
  readonly digest: string
  /** Day (days since 1970 in the configured zone) on which it first removed something since it was new, edited, or had to be undone. */
  readonly firstDay?: number | undefined
  /** Tags it removed on `day`. */
  readonly day: number
  readonly removed: number
  /** Tags of the repositories that it was for, in the last whole run. */
  readonly tags: number
}

/** Doublings after which a policy is no longer new, whatever its percentage: 2^40 tags are in no registry. */
const mostDoublings = 40

/** The day of an instant in the zone that caps count by. */
export function dayOf(ms: number, zone: string): number {
  const { year, month, day } = civilOf(ms, zone)
  return dayNumber(year, month, day)
}

/** Names what a policy says, and nothing else: whether it is paused does not make it a new one. */
export function policyDigest({ repositories, except, keep }: Policy): string {
  return digestOf([JSON.stringify([repositories.map(({ pattern }) => pattern), except.map(({ pattern }) => pattern), keep])])
}

/** What a policy may remove on one day, and what it has removed on it. */
export interface CanaryDay {
  readonly most: number
  readonly spent: number
}

/** How many tags a policy may still remove today. */
export function canaryAllowance(policy: Policy, state: CanaryState | undefined, settings: Settings, now: number): number {
  const { most, spent } = canaryDay(policy, state, settings, now)
  return Math.max(0, most - spent)
}

/**
 * How many tags a policy may remove today. On its first day the larger of an amount and a share of the tags that it is for, the
 * double on each day after it, until the share is all. Nothing remembered is a new policy: that costs days, not tags.
 */
export function canaryDay(policy: Policy, state: CanaryState | undefined, settings: Settings, now: number): CanaryDay {
  const { enabled, amount, percent } = settings.canary
  const unlimited = { most: Number.POSITIVE_INFINITY, spent: 0 }
  if (!enabled) return unlimited
  const today = dayOf(now, settings.timeZone)
  const known = state !== undefined && state.digest === policyDigest(policy) ? state : undefined
  const days = known?.firstDay === undefined ? 0 : Math.min(mostDoublings, Math.max(0, today - known.firstDay))
  const factor = 2 ** days
  if (percent > 0 && percent * factor >= 100) return unlimited
  const share = Math.ceil((percent / 100) * (known?.tags ?? 0))
  const spent = known !== undefined && known.day === today ? known.removed : 0
  return { most: Math.max(amount, share) * factor, spent }
}

/** The state after one repository that a policy is for has had its turn. */
export function canaryAfter(
  policy: Policy,
  state: CanaryState | undefined,
  settings: Settings,
  facts: { readonly now: number; readonly removed: number; readonly isCertain: boolean },
): CanaryState {
  const digest = policyDigest(policy)
  const day = dayOf(facts.now, settings.timeZone)
  const known = state !== undefined && state.digest === digest ? state : undefined
  const isToday = known !== undefined && known.day === day
  // What may not have happened uses up room, and does not let the days begin after which there is more.
  const firstDay = known?.firstDay ?? (facts.removed > 0 && facts.isCertain ? day : undefined)
  return {
    digest,
    ...(firstDay === undefined ? {} : { firstDay }),
    day,
    removed: (isToday ? known.removed : 0) + facts.removed,
    tags: known?.tags ?? 0,
  }
}

/** The state after a whole run, which counted so many tags that the policy is for. */
export function canaryCounted(state: CanaryState, tags: number): CanaryState {
  return { ...state, tags }
}

/** The state after something that a policy removed had to be brought back: it starts small again. */
export function canaryUndone(policy: Policy, state: CanaryState | undefined, settings: Settings, now: number): CanaryState {
  const day = dayOf(now, settings.timeZone)
  const isToday = state !== undefined && state.day === day
  return {
    digest: policyDigest(policy),
    firstDay: day,
    day,
    removed: isToday ? state.removed : 0,
    tags: state?.tags ?? 0,
  }
}
