import { formatDuration } from '#shared/pure/duration.ts'
import { ceilingMove, floorMove, leftBounds, roomToShrink } from './bounds.ts'
import type { CloseChange, DrainChange, ReclaimChange, StopRecoveryChange } from './change.ts'
import { type Lease, type LeaseNode, nodesLeft } from './lease.ts'
import { leaseStay, leaseStep, place } from './lease-step.ts'
import type { AlarmStep } from './plan-step.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { canBeStopped, freshAlarm, inOrderOfGoing, mayGo, recoveryOf, stuckOn, stuckText, whyStays } from './recovery.ts'
import { isReady } from './sizing.ts'
import { removeStep } from './tracking.ts'
import type { PoolNode } from './view.ts'
import { count, instant } from './words.ts'

/**
 * Goes on giving the nodes of a lease back: the group's floor first, so that it replaces none; then node after node is cordoned, emptied
 * and given back; last the group's ceiling, and the lease ends. A new alarm or pods without a place stop it midway, and the nodes are
 * opened again, unless somebody has asked for it or the nodes never were ready. So does a person who opens one of them, and a node that is
 * not empty by the deadline.
 */
export function giveBack(lease: Lease, context: PoolContext): readonly AlarmStep[] {
  const stopped = canBeStopped(lease) ? whyStop(lease, context) : undefined
  if (stopped !== undefined) return [stopped]
  const nodes = inOrderOfGoing(lease, context)
  if (nodes.length === 0) return [end(lease, context)]
  const shrink = roomToShrink(lease, context)
  if (shrink !== undefined && shrink.room < 1 && lease.recovery?.why !== 'compensate') {
    const text = `${shrink.text}: ${count(nodes.length, 'node')} take the place of others that are gone`
    return [stopStep(lease, context, { code: 'group-at-floor', text }, 0, 0)]
  }
  const floor = floorMove(lease, context, 0, Math.min(nodes.length, shrink?.room ?? nodes.length))
  if (floor !== 'done') return ['step' in floor ? floor.step : floor.wait]
  const going = nodes.map((node) => ({ node, drain: lease.nodes.find(({ instanceId }) => instanceId === node.instanceId)?.drain }))
  const opened = canBeStopped(lease) ? going.find((one) => wasOpened(lease, one)) : undefined
  if (opened !== undefined) return [leftOpen(lease, context, opened)]
  const gone = going.filter((one) => isDrained(one) || wasNever(lease, one)).map(({ node }) => node)
  const late = going.find((one) => !gone.includes(one.node) && isLate(lease, context, one))
  const removals = gone.map((node) => {
    const never = wasNever(lease, { node })
    const text = never
      ? `${node.instanceId} never became ready (${node.state}) and is given back`
      : `${nameOf(node)} is empty and is given back`
    return removeStep(lease, context, node, never, { code: never ? 'node-never-ready' : 'node-empty', text })
  })
  // Those that are empty go first, unless they keep the others from being opened again.
  if (late !== undefined && (removals.length === 0 || isLate(lease, context, late, patienceMs))) return [blocked(lease, context, late)]
  const drains = going.filter(({ node, drain }) => drain !== undefined && !gone.includes(node)).map((one) => drainStep(lease, context, one))
  return [...removals, ...drains, ...startDrains(lease, context, going)]
}

/** How long nodes that are empty may keep one that is not waiting. */
const patienceMs = 5 * 60_000

interface Going {
  readonly node: PoolNode
  readonly drain?: LeaseNode['drain'] | undefined
}

function isDrained({ node, drain }: Going): boolean {
  return drain !== undefined && node.unschedulable && node.podCount === 0
}

/** Somebody has opened it since it was closed for the lease, or since it was found to be closed. */
function wasOpened({ id }: Lease, { node, drain }: Going): boolean {
  return drain !== undefined && !node.unschedulable && (node.drainedFor === id || !drain.cordonedByUs)
}

/** It never was ready, is not now, and nothing of anybody's runs there. */
function wasNever(lease: Lease, { node }: Going): boolean {
  const known = lease.nodes.find(({ instanceId }) => instanceId === node.instanceId)
  return known?.readyAtMs === undefined && !node.isReady && node.podCount === 0
}

function isLate(lease: Lease, context: PoolContext, { drain }: Going, patience = 0): boolean {
  return drain !== undefined && context.now >= drain.sinceMs + recoveryOf(lease, context).drainDeadline + patience
}

function nameOf({ instanceId, nodeName }: PoolNode): string {
  return nodeName === undefined ? instanceId : `${nodeName} (${instanceId})`
}

/** Why nodes are needed again. */
function whyStop(lease: Lease, context: PoolContext): AlarmStep | undefined {
  const fresh = freshAlarm(context)
  if (fresh !== undefined) {
    const text = `${fresh.episode.name} (${fresh.policy.name}) was heard to fire at ${instant(fresh.episode.lastHeardMs)}: its nodes stay`
    return stopStep(lease, context, { code: 'fired-again', text }, 0, 0)
  }
  const { pendingPods } = context.view
  if (pendingPods === 0) return undefined
  const times = timesBefore(lease, 'pods-pending') + 1
  const text = `${count(pendingPods, 'pod')} without a place: its nodes stay`
  return stopStep(lease, context, { code: 'pods-pending', text }, times, retryAfter(times))
}

/** Somebody wants a node to take pods, and knows why. */
function leftOpen(lease: Lease, context: PoolContext, { node }: Going): AlarmStep {
  const times = timesBefore(lease, 'node-opened') + 1
  const retryMs = retryAfter(times)
  const text = `somebody has opened ${nameOf(node)} while it was being emptied; it stays, and is tried again after ${formatDuration(retryMs)}: \`longshore leases release\` gives it back now, and with --keep never`
  return stopStep(lease, context, { code: 'node-opened', text }, times, retryMs)
}

/** A node could not be emptied in time. */
function blocked(lease: Lease, context: PoolContext, { node, drain }: Going): AlarmStep {
  const [first] = node.blockers
  const by = drain?.blockedBy ?? (first === undefined ? undefined : `${first.pod}: ${first.why}`)
  const times = timesBefore(lease, 'drain-deadline') + 1
  const retryMs = retryAfter(times)
  const deadline = formatDuration(recoveryOf(lease, context).drainDeadline)
  const what = `${nameOf(node)} has ${count(node.podCount, 'pod')} left after ${deadline}${by === undefined ? '' : ` (${by})`}`
  const text = `${what}; it is opened again and stays, and is tried again after ${formatDuration(retryMs)}`
  return stopStep(lease, context, { code: 'drain-deadline', text }, times, retryMs)
}

function timesBefore({ setback }: Lease, code: ReasonCode): number {
  return setback?.code === code ? setback.count : 0
}

const firstRetryMs = 10 * 60_000
const longestRetryMs = 2 * 3_600_000

function retryAfter(times: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** (times - 1))
}

function stopStep(
  lease: Lease,
  context: PoolContext,
  { code, text }: { readonly code: ReasonCode; readonly text: string },
  times: number,
  retryMs: number,
): AlarmStep {
  const there = new Set(context.arrivals.of(lease).map(({ instanceId }) => instanceId))
  const nodes = nodesLeft(lease).flatMap(({ instanceId, nodeName, drain }) =>
    nodeName !== undefined && drain?.cordonedByUs === true && there.has(instanceId) ? [{ instanceId, nodeName }] : [],
  )
  const change: StopRecoveryChange = { kind: 'stop-recovery', ...place(context, lease), nodes, code, text, count: times, retryMs }
  const facts = [code, lease.recovery?.sinceMs ?? 0, ...nodes.map(({ nodeName }) => nodeName)]
  const opened = nodes.length === 0 ? '' : `; opens ${nodes.map(({ nodeName }) => nodeName).join(', ')}`
  return leaseStep(context, lease, change, facts, { code, text }, { after: `lease ${lease.id} held${opened}` })
}

/** Asks the pods of a node to go, once more. */
function drainStep(lease: Lease, context: PoolContext, { node, drain }: Going): AlarmStep {
  const { instanceId, nodeName = instanceId } = node
  const { nodePool } = lease.mechanism
  const attempt = (drain?.attempts ?? 0) + 1
  const { drain: by, drainDeadline } = recoveryOf(lease, context)
  const change: DrainChange = {
    kind: 'drain',
    ...place(context, lease),
    instanceId,
    nodeName,
    attempt,
    wasOpen: drain?.cordonedByUs ?? !node.unschedulable,
    by,
    ...(nodePool === undefined ? {} : { nodePool }),
    ...(canBeStopped(lease) ? {} : { isOrdered: true }),
  }
  const since = drain === undefined ? '' : ` since ${instant(drain.sinceMs)}`
  const [first] = node.blockers
  const blocker = first === undefined ? '' : `; ${first.pod} cannot go now: ${first.why}`
  const figures = drain === undefined ? `, ${mayGo(lease, context, [node])}` : ''
  const text = `${nameOf(node)} is being emptied${since}, ${count(node.podCount, 'pod')} left, within ${formatDuration(drainDeadline)}${blocker}${figures}`
  const facts = [instanceId, attempt, lease.recovery?.sinceMs ?? 0]
  return leaseStep(context, lease, change, facts, { code: 'draining', text }, { after: `${nodeName} cordoned and empty`, node: instanceId })
}

/** Begins with as many nodes as may be emptied at the same time, as far as the pool can do without them. */
function startDrains(lease: Lease, context: PoolContext, going: readonly Going[]): readonly AlarmStep[] {
  const { leases, arrivals } = context
  const draining = leases
    .filter(({ state }) => state === 'recovering')
    .flatMap((one) => {
      const begun = new Set(nodesLeft(one).flatMap(({ instanceId, drain }) => (drain === undefined ? [] : [instanceId])))
      return arrivals.of(one).filter(({ instanceId }) => begun.has(instanceId))
    })
  const most = Math.min(recoveryOf(lease, context).atATime, roomToShrink(lease, context)?.room ?? Number.POSITIVE_INFINITY)
  const closed = going.filter((one) => one.drain === undefined && !wasNever(lease, one)).map(({ node }) => node)
  const waiting = closed.filter((node) => stuckOn(node) === undefined)
  if (waiting.length === 0 && closed.length > 0 && going.every(({ drain }) => drain === undefined)) return [stuck(lease, context, closed)]
  const isAsked = lease.recovery?.why === 'released' || lease.recovery?.why === 'compensate'
  const steps: AlarmStep[] = []
  const leaving = [...draining]
  for (const node of waiting) {
    if (leaving.length >= most || leavesNone(context, [...leaving, node])) break
    const verdict = isAsked ? undefined : whyStays(lease, context, [...leaving, node])
    if (verdict !== undefined) return [...steps, verdict]
    leaving.push(node)
    steps.push(drainStep(lease, context, { node }))
  }
  const rest = waiting.length - steps.length
  if (rest === 0 || steps.length > 0) return steps
  const text = `${count(rest, 'node')} wait for ${count(leaving.length, 'node')} that are being emptied`
  return [leaseStay(context, lease, 'no-change', { code: 'drain-waits', text })]
}

/** Whether pods on several nodes that go would find no node of the pool that takes them: then one goes after the other. */
function leavesNone({ view }: PoolContext, leaving: readonly PoolNode[]): boolean {
  if (leaving.length < 2 || leaving.every(({ podCount }) => podCount === 0)) return false
  const going = new Set(leaving.map(({ instanceId }) => instanceId))
  return !view.nodes.some((node) => isReady(node) && !node.unschedulable && !going.has(node.instanceId))
}

/** Nodes that nobody can empty are all that is left: they stay for now, or wait for somebody where somebody has asked for it. */
function stuck(lease: Lease, context: PoolContext, nodes: readonly PoolNode[]): AlarmStep {
  const text = stuckText(nodes)
  if (!canBeStopped(lease)) return leaseStay(context, lease, 'held', { code: 'pods-stuck', text })
  const times = timesBefore(lease, 'pods-stuck') + 1
  return stopStep(lease, context, { code: 'pods-stuck', text }, times, retryAfter(times))
}

/** All nodes are gone: the bounds go back, and the lease ends. */
function end(lease: Lease, context: PoolContext): AlarmStep {
  // None of its nodes is left, but the floor may still be up when somebody else has taken them away.
  const floor = floorMove(lease, context, 0, 0)
  if (floor !== 'done') return 'step' in floor ? floor.step : floor.wait
  const ceiling = ceilingMove(lease, context, 0)
  if (ceiling !== 'done') return 'step' in ceiling ? ceiling.step : ceiling.wait
  const { recovery, nodes, wanted, mechanism } = lease
  const left = leftBounds(lease, context)
  if (recovery?.why === 'compensate') {
    const outcome = nodes.length === 0 ? 'failed' : 'compensated'
    const code = outcome === 'failed' ? 'never-arrived' : 'never-ready'
    const text = `none of ${count(wanted, 'node')} of ${mechanism.name} was ready in time, ${nodes.length} were given back${left}`
    return closeStep(lease, context, outcome, code, text)
  }
  return closeStep(lease, context, 'removed', 'given-back', `all of its nodes are gone, ${nodes.length} in all${left}`)
}

function closeStep(lease: Lease, context: PoolContext, outcome: CloseChange['outcome'], code: ReasonCode, text: string): AlarmStep {
  const change: CloseChange = { kind: 'close', ...place(context, lease), from: 'recovering', outcome, code, text }
  return leaseStep(
    context,
    lease,
    change,
    [lease.recovery?.sinceMs ?? 0, outcome],
    { code, text },
    { after: `lease ${lease.id} closed (${outcome})` },
  )
}

/** How long a node that was given back may still be seen. */
const goingMs = 10 * 60_000

/** Nodes of a lease that has ended are there all the same: they came late, or giving them back did not last. Undefined when none is. */
export function reclaim(lease: Lease, context: PoolContext): AlarmStep | undefined {
  if (lease.state !== 'closed' || lease.outcome?.kind === 'kept') return undefined
  const strays = context.arrivals.of(lease).filter(({ instanceId }) => {
    const removedAtMs = lease.nodes.find((node) => node.instanceId === instanceId)?.removedAtMs
    return removedAtMs === undefined || context.now - removedAtMs > goingMs
  })
  if (strays.length === 0) return undefined
  const nodes = strays.map(({ instanceId, nodeName }) => ({ instanceId, ...(nodeName === undefined ? {} : { nodeName }) }))
  const change: ReclaimChange = { kind: 'reclaim', ...place(context, lease), nodes }
  const text = `it ended at ${instant(lease.outcome?.atMs ?? 0)}, and ${strays.map(nameOf).join(', ')} carry its label: they go again`
  const facts = [lease.outcome?.atMs ?? 0, ...strays.map(({ instanceId }) => instanceId)]
  return leaseStep(context, lease, change, facts, { code: 'arrived-late', text }, { after: `lease ${lease.id} recovering (compensate)` })
}
