import { formatDuration } from '#shared/pure/duration.ts'
import { ceilingMove, floorMove, foreignFloor } from './bounds.ts'
import type { CloseChange, RecoverChange, RemoveChange, TrackChange } from './change.ts'
import { isComing, type Lease, nodesLeft } from './lease.ts'
import { leaseStay, leaseStep, place } from './lease-step.ts'
import type { AlarmStep } from './plan-step.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { isReady } from './sizing.ts'
import type { PoolNode } from './view.ts'
import { count, instant } from './words.ts'

type TrackedNode = TrackChange['nodes'][number]

/** A lease's nodes by what is seen now. */
interface Sight {
  readonly nodes: readonly TrackedNode[]
  readonly there: readonly PoolNode[]
  readonly ready: readonly TrackedNode[]
  readonly mark: readonly string[]
  readonly isNews: boolean
}

function sightOf(lease: Lease, { arrivals, now }: PoolContext): Sight {
  const there = arrivals.of(lease)
  const isLate = !isComing(lease) || now >= lease.provisionUntilMs
  const left = nodesLeft(lease)
  const known = left.map(({ instanceId, nodeName, readyAtMs }): TrackedNode => {
    const node = there.find((one) => one.instanceId === instanceId)
    if (node !== undefined) return seen(node, readyAtMs)
    // One that has not been seen yet may only just have been bought.
    const wasSeen = nodeName !== undefined || readyAtMs !== undefined
    return {
      instanceId,
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(readyAtMs === undefined ? {} : { readyAtMs }),
      isGone: wasSeen || isLate,
    }
  })
  const fresh = there.filter(({ instanceId }) => !lease.nodes.some((node) => node.instanceId === instanceId)).map((node) => seen(node))
  const nodes = [...known, ...fresh]
  const mark =
    lease.state === 'recovering'
      ? []
      : there.flatMap(({ nodeName, isKept, leaseId }) => (nodeName !== undefined && (!isKept || leaseId !== lease.id) ? [nodeName] : []))
  const isNews = nodes.some((node) => {
    const before = left.find(({ instanceId }) => instanceId === node.instanceId)
    return before === undefined || node.isGone || before.nodeName !== node.nodeName || before.readyAtMs !== node.readyAtMs
  })
  const ready = nodes.filter(({ isGone, readyAtMs }) => !isGone && readyAtMs !== undefined)
  return { nodes, there, ready, mark, isNews }
}

function seen(node: PoolNode, readyAtMs?: number): TrackedNode {
  const { instanceId, nodeName, readySinceMs, addedAtMs } = node
  const firstReadyMs = readyAtMs ?? (isReady(node) ? (readySinceMs ?? addedAtMs) : undefined)
  return {
    instanceId,
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(firstReadyMs === undefined ? {} : { readyAtMs: firstReadyMs }),
    isGone: false,
  }
}

/**
 * Follows the nodes of an open lease: those that have come, are ready, or are gone. What did not become ready by the deadline is given
 * back, and where that is all of it the lease with it. Undefined when there is nothing new.
 */
export function follow(lease: Lease, context: PoolContext): readonly AlarmStep[] | undefined {
  const sight = sightOf(lease, context)
  const { nodes, there, ready, mark, isNews } = sight
  if (isComing(lease) && ready.length >= lease.wanted) {
    const text = `${ready.length} of ${lease.wanted} are ready: ${names(ready)}`
    return [trackStep(lease, context, 'held', sight, { code: 'nodes-ready', text })]
  }
  if (isNews) {
    const gone = nodes.filter(({ isGone }) => isGone)
    const text =
      gone.length > 0
        ? `${names(gone)} not there any more, taken away by somebody else`
        : `${nodes.length} of ${lease.wanted} have come, ${ready.length} are ready: ${names(nodes)}`
    const to = lease.state === 'asking' ? 'provisioning' : lease.state === 'closed' ? undefined : lease.state
    if (to === undefined) return undefined
    return [trackStep(lease, context, to, sight, { code: gone.length > 0 ? 'nodes-gone' : 'nodes-coming', text })]
  }
  if (isComing(lease) && context.now >= lease.provisionUntilMs) return overdue(lease, context, sight)
  if (mark.length > 0 && lease.state === 'held') {
    const text = `${mark.join(', ')} do not carry its label or the mark that keeps the cluster autoscaler off them`
    return [trackStep(lease, context, 'held', sight, { code: 'nodes-unmarked', text })]
  }
  if (!isComing(lease)) return undefined
  const untilText = `until ${instant(lease.provisionUntilMs)} at the latest`
  const text = `${there.length} of ${count(lease.wanted, 'node')} have come, ${ready.length} are ready; ${untilText}`
  return [leaseStay(context, lease, 'no-change', { code: 'lease-comes', text })]
}

function names(nodes: readonly TrackedNode[]): string {
  return nodes.map(({ instanceId, nodeName }) => (nodeName === undefined ? instanceId : `${instanceId} (${nodeName})`)).join(', ')
}

function trackStep(
  lease: Lease,
  context: PoolContext,
  to: TrackChange['to'],
  { nodes, mark }: Sight,
  why: { readonly code: ReasonCode; readonly text: string },
): AlarmStep {
  const from = lease.state === 'closed' ? 'recovering' : lease.state
  const change: TrackChange = { kind: 'track', ...place(context, lease), from, to, nodes: [...nodes], mark: [...mark] }
  const facts = nodes.flatMap(({ instanceId, nodeName = '', readyAtMs = -1, isGone }) => [instanceId, nodeName, readyAtMs, isGone])
  const states = nodes.map(
    ({ instanceId, readyAtMs, isGone }) => `${instanceId} ${isGone ? 'gone' : readyAtMs === undefined ? 'coming' : 'ready'}`,
  )
  return leaseStep(context, lease, change, [from, to, ...facts, ...mark], why, {
    after: `lease ${lease.id} ${to}: ${states.join(', ')}${mark.length === 0 ? '' : `; marks ${mark.join(', ')}`}`,
  })
}

/** A lease of which nobody knows whether it was asked for, and that nobody waits for any more: as if its deadline had passed. */
export function giveUp(lease: Lease, context: PoolContext): readonly AlarmStep[] {
  return overdue(lease, context, sightOf(lease, context), context.now - lease.askedAtMs)
}

/** The deadline has passed, and not all that was asked for is ready. */
function overdue(
  lease: Lease,
  context: PoolContext,
  sight: Sight,
  waitedMs = lease.provisionUntilMs - lease.askedAtMs,
): readonly AlarmStep[] {
  const { there, ready } = sight
  const waited = formatDuration(waitedMs)
  const isGroup = lease.mechanism.group !== undefined
  if (ready.length === 0) {
    const { state } = lease
    if (there.length === 0 && !isGroup && state !== 'closed') {
      const text = `none of ${count(lease.wanted, 'node')} of ${lease.mechanism.name} has come within ${waited}`
      const change: CloseChange = { kind: 'close', ...place(context, lease), from: state, outcome: 'failed', code: 'never-arrived', text }
      return [
        leaseStep(context, lease, change, [lease.provisionUntilMs], { code: 'never-arrived', text }, { after: `lease ${lease.id} closed` }),
      ]
    }
    const text = `none of ${count(lease.wanted, 'node')} was ready within ${waited}, ${there.length} have come: they are given back`
    return [recoverStep(lease, context, 'compensate', { code: 'never-ready', text })]
  }
  const unready = there.filter(({ instanceId }) => {
    // One that was given back may be named for a while, or for good: that must not hold up the others.
    const isGivenBack = lease.nodes.some((node) => node.instanceId === instanceId && node.removedAtMs !== undefined)
    return !isGivenBack && !ready.some((node) => node.instanceId === instanceId)
  })
  const floor = floorMove(lease, context, ready.length, unready.length)
  if (floor !== 'done') return ['step' in floor ? floor.step : floor.wait]
  if (unready.length > 0) {
    return unready.map((node) => {
      const text = `${node.instanceId} is not ready after ${waited} (${node.state}): it is given back, and ${count(ready.length, 'node')} stay`
      return removeStep(lease, context, node, true, { code: 'node-never-ready', text })
    })
  }
  const ceiling = ceilingMove(lease, context, ready.length)
  if (ceiling !== 'done') return ['step' in ceiling ? ceiling.step : ceiling.wait]
  const text = `${ready.length} of ${lease.wanted} were ready within ${waited}, and no more will come: ${names(ready)}`
  return [trackStep(lease, context, 'held', sight, { code: 'settled-for-less', text })]
}

/** Begins to give a lease's nodes back. */
export function recoverStep(
  lease: Lease,
  context: PoolContext,
  why: RecoverChange['why'],
  reason: { readonly code: ReasonCode; readonly text: string },
): AlarmStep {
  const from = lease.state === 'asking' || lease.state === 'provisioning' ? lease.state : 'held'
  const change: RecoverChange = { kind: 'recover', ...place(context, lease), from, why }
  // What was broken off and begins anew is another one.
  const facts = [from, why, lease.setback?.atMs ?? 0, lease.expiresAtMs]
  return leaseStep(context, lease, change, facts, reason, { after: `lease ${lease.id} recovering (${why})` })
}

/** Gives one node back. */
export function removeStep(
  lease: Lease,
  context: PoolContext,
  { instanceId, nodeName }: PoolNode,
  force: boolean,
  reason: { readonly code: ReasonCode; readonly text: string },
): AlarmStep {
  const { kind, group, nodePool } = lease.mechanism
  const mode = kind === 'existing-instances' ? 'retain' : 'terminate'
  const floor = foreignFloor(lease, context)
  const change: RemoveChange = {
    kind: 'remove',
    ...place(context, lease),
    instanceId,
    ...(nodeName === undefined ? {} : { nodeName }),
    mode,
    force,
    ...(nodePool === undefined ? {} : { nodePool }),
    ...(group === undefined ? {} : { group }),
    ...(floor === undefined ? {} : { floor }),
  }
  const after = mode === 'terminate' ? `${instanceId} given back` : `${instanceId} out of the cluster`
  return leaseStep(context, lease, change, [instanceId, force, lease.recovery?.sinceMs ?? 0], reason, { after, node: instanceId })
}
