import { compareTexts } from '#shared/pure/compare-texts.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { confirmed } from './confirm.ts'
import { isOpen, type Lease } from './lease.ts'
import { type AlarmStep, stayStep } from './plan-step.ts'
import { type Claim, isFresh, type PoolContext } from './pool-context.ts'
import { isAnswer, levelGiven } from './sizing.ts'
import { breachOf, type ReachedStep, reachedStep } from './steps.ts'
import { count, figure, instant } from './words.ts'

/** What an alarm wants of its pool now. */
export interface Want extends Claim {
  readonly reached: ReachedStep
  /** Nodes beyond all that is on its way. */
  readonly need: number
  /** Why, with the figures. */
  readonly text: string
}

export type Demand = { readonly want: Want } | { readonly stay: AlarmStep }

/**
 * What one alarm wants by one policy: nothing when it is not firing, was not heard lately, is not confirmed by what is read now, or when
 * as many as its step wants are in service, warming up or asked for already. Undefined for an alarm that is over.
 */
export function demandOf(claim: Claim, context: PoolContext): Demand | undefined {
  const { episode, policy } = claim
  const { view, now } = context
  if (episode.state === 'resolved') return undefined
  const target = `${context.target}/${policy.name}`
  const who = alarmText(claim)
  const stay = (...[verdict, code, text]: DropFirst<Parameters<typeof stayStep>>): Demand => ({
    stay: stayStep(target, verdict, code, `${who}: ${text}`, { before: episode.name, about: episode.id }),
  })
  if (episode.state === 'no-data') return stay('no-change', 'no-data', 'it has no data, which is neither a reason to grow nor to shrink')
  if (!isFresh(claim, now)) {
    const ageMs = now - episode.lastHeardMs
    return stay(
      'skipped',
      'stale-episode',
      `it was heard last ${formatDuration(ageMs)} ago, and counts for ${formatDuration(policy.freshFor)}`,
    )
  }
  const { inService, warming, inFlight } = context.capacity(policy)
  const finding = confirmed(policy, view, inService)
  if (finding.is === 'unreadable') return stay('held', 'confirm-unreadable', `nothing is bought unconfirmed: ${finding.text}`)
  if (finding.is === 'false') return stay('skipped', 'not-confirmed', finding.text)
  const breach = breachOf(policy, episode, view)
  if (breach === undefined) return stay('held', 'confirm-unreadable', `how bad it is cannot be read: ${policy.breach.of ?? ''}`)
  const reached = reachedStep(policy.steps, breach, inService.length)
  if (reached === undefined) {
    const first = policy.steps[0]?.from ?? 0
    return stay(
      'skipped',
      'no-step',
      `${breach.text}, a ${policy.breach.as} of ${figure(breach.size ?? 0)}; the first step begins at ${figure(first)}`,
    )
  }
  const { level } = reached
  const onItsWay = `${inService.length} in service, ${warming} warming up, ${inFlight} in flight`
  const wants = `${breach.text}, step ${reached.index + 1} of ${policy.steps.length} wants ${level} more`
  const rest = level - warming - inFlight
  if (rest <= 0) return stay('no-change', 'already-on-its-way', `${wants}: ${onItsWay}`)
  const difference = sinceAnswered(claim, context)
  const need = Math.min(rest, level - difference.level)
  if (need <= 0) return stay('no-change', 'answered', `${wants}: ${onItsWay}; ${difference.text}`)
  return { want: { ...claim, reached, need, text: `${who}: ${wants}: ${onItsWay}, so ${count(need, 'node')}; ${finding.text}` } }
}

type DropFirst<T extends readonly unknown[]> = T extends readonly [unknown, ...infer Rest] ? Rest : never

/** For people: which alarm. */
export function alarmText({ episode, policy }: Claim): string {
  return `${policy.name}, alarm ${episode.name}`
}

/**
 * What the pool has grown by that the alarm has not spoken since, whoever asked for it: its word from before those nodes were in service
 * says nothing about the pool with them. Until it is heard again only the difference to a higher step counts.
 */
function sinceAnswered({ episode, policy }: Claim, { leases }: PoolContext): { readonly level: number; readonly text: string } {
  const served = (lease: Lease): number => servedSinceMs(lease, policy.warmUp) ?? Number.POSITIVE_INFINITY
  const unheard = leases.filter((lease) => isAnswer(lease) && served(lease) > episode.lastHeardMs)
  const level = unheard.reduce((most, lease) => Math.max(most, levelGiven(lease)), 0)
  const latestMs = Math.max(...unheard.map(served))
  const since = Number.isFinite(latestMs) ? `will be in service from ${instant(latestMs)} on` : 'are not all there yet'
  const text = `the pool has grown by ${level} for what was heard, those nodes ${since}, and it was heard last at ${instant(episode.lastHeardMs)}`
  return { level, text }
}

/** Since when a lease's nodes are in service; undefined when they are not all there, or not known to be. */
function servedSinceMs(lease: Lease, warmUpMs: number): number | undefined {
  if (!isOpen(lease)) return lease.outcome?.atMs
  if (lease.heldSinceMs === undefined) return undefined
  const readyMs = lease.nodes.map(({ readyAtMs }) => readyAtMs ?? lease.heldSinceMs ?? 0)
  return Math.max(lease.askedAtMs, ...readyMs) + warmUpMs
}

/** The largest first; of equals, the same one every time. */
export function byNeed(one: Want, other: Want): number {
  return (
    other.need - one.need ||
    other.reached.level - one.reached.level ||
    compareTexts(one.policy.name, other.policy.name) ||
    compareTexts(one.episode.id, other.episode.id)
  )
}
