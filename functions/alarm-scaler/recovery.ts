import { formatDuration } from '#shared/pure/duration.ts'
import { ceilingMove, floorMove, roomToShrink } from './bounds.ts'
import type { ExtendChange, ReleaseChange } from './change.ts'
import { confirmed, mayLose } from './confirm.ts'
import type { Policy, RecoverySettings } from './event.ts'
import { type Lease, nodesLeft } from './lease.ts'
import { leaseStay, leaseStep, place } from './lease-step.ts'
import type { AlarmStep } from './plan-step.ts'
import { type Claim, isFresh, type PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { isAnswer, isReturning } from './sizing.ts'
import { recoverStep } from './tracking.ts'
import type { Blocker, PoolNode } from './view.ts'
import { count, instant } from './words.ts'

/** Of leases whose policy the settings know nothing of any more. */
const defaultRecovery: RecoverySettings = {
  enabled: true,
  after: 10 * 60_000,
  drainDeadline: 10 * 60_000,
  atATime: 1,
  margin: 10,
  drain: 'evict',
}

export function policyOf(lease: Lease, { policies }: PoolContext): Policy | undefined {
  return policies.find(({ name }) => name === lease.policy)
}

export function recoveryOf(lease: Lease, context: PoolContext): RecoverySettings {
  return policyOf(lease, context)?.recovery ?? defaultRecovery
}

/** An alarm for the pool that somebody acts on, and that was heard lately to fire. */
export function freshAlarm({ claims, now }: PoolContext): Claim | undefined {
  return claims.find((claim) => claim.policy.mode !== 'observe' && isFresh(claim, now))
}

/**
 * Whether the nodes of a lease can go: when its alarm has been over for long enough and no other one fires, or when the lease has
 * expired and the metric, read again, is good; and in either case only when no pods wait for a place, the pool has not grown lately, and
 * it would stay on the good side of every threshold without the node that would go first. An expired lease of which that is not so goes
 * on. One lease of a pool after the other; the newest first.
 */
export function decideRecovery(lease: Lease, context: PoolContext): AlarmStep {
  const { view, now, leases } = context
  const stay = (code: ReasonCode, text: string): AlarmStep => leaseStay(context, lease, 'no-change', { code, text })
  const hold = (code: ReasonCode, text: string): AlarmStep => leaseStay(context, lease, 'held', { code, text })
  const left = nodesLeft(lease)
  if (left.length === 0) {
    const text = 'none of its nodes is there any more, so it ends'
    return recoverStep(lease, context, 'expired', { code: 'nodes-gone', text })
  }
  const { after, enabled } = recoveryOf(lease, context)
  const isExpired = now >= lease.expiresAtMs
  const overMs = overSince(lease, context)
  const holds = `holds ${count(left.length, 'node')} since ${instant(lease.heldSinceMs ?? lease.askedAtMs)}`
  if (overMs === undefined && !isExpired) return stay('lease-holds', `${holds}; the metric is read again at ${instant(lease.expiresAtMs)}`)
  if (isExpired) {
    const wish = whyExtend(lease, context)
    if (wish !== undefined && 'extend' in wish) return extendStep(lease, context, wish.extend)
    if (wish !== undefined)
      return hold('confirm-unreadable', `it expired at ${instant(lease.expiresAtMs)} and nothing is given back: ${wish.unreadable}`)
  } else if (overMs !== undefined) {
    const until = overMs + after
    if (now < until) {
      return stay(
        'alarm-over-lately',
        `its alarm is over since ${instant(overMs)}; its nodes go from ${instant(until)} on, when it stays so`,
      )
    }
    const other = context.claims.find(({ episode, policy }) => policy.mode !== 'observe' && episode.state !== 'resolved')
    if (other !== undefined) {
      const state = other.episode.state === 'firing' ? 'fires' : 'has no data'
      return stay(
        'another-alarm-fires',
        `its alarm is over, but ${other.episode.name} (${other.policy.name}) ${state}: a pool shrinks when all are over`,
      )
    }
  }
  const taken = standIn(lease, context)
  if (taken !== undefined) return taken
  if (!enabled) return hold('recovery-disabled', 'its nodes could go, but the policy gives nothing back (recovery.enabled)')
  if (view.pendingPods > 0) return stay('pods-pending', `its nodes stay: ${count(view.pendingPods, 'pod')} without a place`)
  if (lease.setback !== undefined && now < lease.setback.notBeforeMs) {
    const { code, text, notBeforeMs } = lease.setback
    return stay('recovery-waits', `it is tried again at ${instant(notBeforeMs)} (${code}: ${text})`)
  }
  const quiet = cooldownIn(lease, context)
  if (quiet !== undefined) return stay('cooldown-in', quiet)
  const other = leases.find((one) => one.state === 'recovering' && one.recovery?.why !== 'compensate')
  if (other !== undefined) return stay('recovery-waits', `the nodes of ${other.id} are given back first`)
  const inOrder = inOrderOfGoing(lease, context)
  const [first] = inOrder.filter((node) => stuckOn(node) === undefined)
  const [bound] = inOrder
  if (bound !== undefined && first === undefined) return hold('pods-stuck', stuckText(inOrder))
  const verdict = first === undefined ? undefined : whyStays(lease, context, [first])
  if (verdict !== undefined) return verdict
  const why = isExpired && overMs === undefined ? 'expired' : 'resolved'
  const because =
    why === 'expired'
      ? `it expired at ${instant(lease.expiresAtMs)}, and nobody said that its alarm is over`
      : `its alarm is over since ${instant(overMs ?? lease.expiresAtMs)}`
  const figures = first === undefined ? '' : `; ${mayGo(lease, context, [first])}`
  const text = `${because}: ${count(left.length, 'node')} can go${figures}`
  return recoverStep(lease, context, why, { code: why === 'expired' ? 'lease-expired' : 'alarm-over', text })
}

/**
 * Since when the alarm of a lease is over: the one that asked, or because the same series has had another one since. Undefined as long as
 * it fires, has no data, or nobody knows of it any more: none of these is the end of it.
 */
function overSince({ episode: asked }: Lease, { episodes }: PoolContext): number | undefined {
  const own = episodes.find(({ source, key }) => source === asked.source && key === asked.key)
  if (own === undefined || own.state !== 'resolved') return undefined
  return own.resolvedAtMs ?? own.lastHeardMs
}

/**
 * Ends a lease whose nodes the group cannot do without any more, because others of it are gone: they belong to the group from then on, and
 * lose our marks. The bounds go back before that.
 */
function standIn(lease: Lease, context: PoolContext): AlarmStep | undefined {
  const shrink = roomToShrink(lease, context)
  if (shrink === undefined || shrink.room > 0) return undefined
  for (const move of [floorMove(lease, context, 0, 0), ceilingMove(lease, context, 0)]) {
    if (move !== 'done') return 'step' in move ? move.step : move.wait
  }
  const text = `${shrink.text}: its ${count(nodesLeft(lease).length, 'node')} take the place of others that are gone, and are leased no more`
  const change: ReleaseChange = { kind: 'release', ...place(context, lease), keep: true, by: 'the scaling group' }
  const facts = ['group-at-floor', lease.setback?.atMs ?? 0]
  return leaseStep(context, lease, change, facts, { code: 'group-at-floor', text }, { after: `lease ${lease.id} closed (kept)` })
}

type Wish = { readonly extend: string } | { readonly unreadable: string }

/** Why an expired lease goes on: an alarm fires, or what was read says that it would have to. */
function whyExtend(lease: Lease, context: PoolContext): Wish | undefined {
  const fresh = freshAlarm(context)
  if (fresh !== undefined)
    return { extend: `${fresh.episode.name} (${fresh.policy.name}) was heard to fire at ${instant(fresh.episode.lastHeardMs)}` }
  const policy = policyOf(lease, context)
  if (policy === undefined) return undefined
  const finding = confirmed(policy, context.view, context.capacity(policy).inService)
  if (finding.is === 'true') return { extend: `the metric was read again: ${finding.text}` }
  return finding.is === 'unreadable' ? { unreadable: finding.text } : undefined
}

function extendStep(lease: Lease, context: PoolContext, text: string): AlarmStep {
  const { expiresAtMs } = lease
  const leaseMs = policyOf(lease, context)?.lease ?? 2 * 3_600_000
  const change: ExtendChange = { kind: 'extend', ...place(context, lease), expiresAtMs, leaseMs }
  const why = { code: 'lease-extended', text: `it goes on for ${formatDuration(leaseMs)}: ${text}` } as const
  return leaseStep(context, lease, change, [expiresAtMs], why, { after: `lease ${lease.id} ${formatDuration(leaseMs)} longer` })
}

function cooldownIn(lease: Lease, context: PoolContext): string | undefined {
  const { leases, now } = context
  const coolMs = policyOf(lease, context)?.cooldown.in ?? 0
  const lastMs = Math.max(...leases.filter(isAnswer).map(({ askedAtMs }) => askedAtMs))
  if (!(now - lastMs < coolMs)) return undefined
  return `the pool has grown at ${instant(lastMs)} and gives nothing back before ${instant(lastMs + coolMs)}`
}

/** The nodes of a lease that are there, in the order in which they go: empty ones first, and the newest first. */
export function inOrderOfGoing(lease: Lease, { arrivals }: PoolContext): readonly PoolNode[] {
  const left = new Set(nodesLeft(lease).map(({ instanceId }) => instanceId))
  return arrivals
    .of(lease)
    .filter(({ instanceId }) => left.has(instanceId))
    .toSorted((one, other) => Number(one.podCount > 0) - Number(other.podCount > 0) || other.addedAtMs - one.addedAtMs)
}

/** A pod on a node that is never asked to go; such a node stays until somebody has seen to it. */
export function stuckOn({ blockers }: PoolNode): Blocker | undefined {
  return blockers.find(({ isStuck }) => isStuck === true)
}

/** For nodes that all have such a pod. */
export function stuckText(nodes: readonly PoolNode[]): string {
  const pods = nodes.map((node) => `${stuckOn(node)?.pod ?? ''} on ${node.nodeName ?? node.instanceId}`)
  const [first] = nodes
  const why = first === undefined ? '' : (stuckOn(first)?.why ?? '')
  return `${count(nodes.length, 'node')} cannot be emptied: ${pods.join(', ')} (${why}); move or delete the pods yourself`
}

/** Why nodes of a lease do not go now, beside those that go already; undefined when they may. */
export function whyStays(lease: Lease, context: PoolContext, leaving: readonly PoolNode[]): AlarmStep | undefined {
  const { view, settings } = context
  const min = settings?.min ?? 0
  const rest = view.nodes.length - leaving.length
  if (rest < min) {
    const text = `without ${count(leaving.length, 'node')} the pool would have ${rest}, and keeps ${min} at least`
    return leaseStay(context, lease, 'held', { code: 'pool-min', text })
  }
  const projection = mayLose(acting(context), view, serving(lease, context), leaving)
  if (projection.may) return undefined
  return leaseStay(context, lease, 'held', { code: projection.code, text: `nothing is given back: ${projection.text}` })
}

/** The figures by which nodes may go. */
export function mayGo(lease: Lease, context: PoolContext, leaving: readonly PoolNode[]): string {
  return mayLose(acting(context), context.view, serving(lease, context), leaving).text
}

/** A pool grows when any policy says so, and shrinks when all of them do. */
function acting({ policies }: PoolContext): readonly Policy[] {
  return policies.filter(({ mode }) => mode !== 'observe')
}

/** The nodes that pods can be on. */
function serving(lease: Lease, context: PoolContext): readonly PoolNode[] {
  const policy = policyOf(lease, context) ?? context.policies[0]
  return policy === undefined ? context.view.nodes.filter((node) => node.isReady) : context.capacity(policy).inService
}

/** Leases whose nodes a new alarm keeps. */
export function canBeStopped(lease: Lease): boolean {
  return isReturning(lease) && nodesLeft(lease).length > 0
}
