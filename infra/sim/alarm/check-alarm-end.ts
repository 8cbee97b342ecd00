import type { Violation } from '../check/facts.ts'
import { problem } from '../redeploy/hook-facts.ts'
import type { AlarmFacts } from './alarm-facts.ts'
import { nodeCores } from './alarm-scene.ts'
import { leasesOf } from './pool-records.ts'

/** When all is over every lease has ended, its nodes are gone, groups are as before, and nothing is closed that was open. */
export function checkAlarmEnd(facts: AlarmFacts): Violation[] {
  const { scenario, lastTickMs } = facts.simulated
  const last = facts.of('run-ended').findLast(([, { at }]) => at >= lastTickMs)?.[1]
  if (last === undefined) return [problem('run-stuck', 'no run has ended after the last tick', [' begins '])]
  if (last.failure !== undefined) return [problem('run-failed', `the last run failed: ${last.failure}`, [last.doer.owner])]
  if (scenario.mode !== 'enforce') return unchanged(facts)
  return facts.scene.pools.flatMap((_, pool) => [
    ...left(facts, pool),
    ...closed(facts, pool),
    ...bounds(facts, pool),
    ...unheard(facts, pool),
  ])
}

/** Where nothing is to be done nothing is. */
function unchanged(facts: AlarmFacts): Violation[] {
  return facts.steps.length === 0
    ? []
    : [problem('changed-without-enforce', `${facts.steps.length} effects in mode ${facts.simulated.scenario.mode}`, ['EFFECT '])]
}

/** Whether nobody can know any more what was leased there. */
function isForgotten(facts: AlarmFacts, pool: number): boolean {
  return facts.hasAlarmDeed(pool, -1, facts.all.length, 'forget-record')
}

/** A pool of which some policy gives nothing back, and its leases may stay. */
function keepsNodes(facts: AlarmFacts, pool: number): boolean {
  return facts.scene.policies.some((policy) => policy.pool === pool && !policy.recovers)
}

function left(facts: AlarmFacts, index: number): Violation[] {
  const pool = facts.scene.pools[index]
  const sight = facts.world.sights[index]
  if (pool === undefined || sight === undefined || isForgotten(facts, index) || keepsNodes(facts, index)) return []
  // The last node of a pool stays as long as pods are on it.
  if (sight.members.length === 1) return []
  // Where somebody else has set a floor since, somebody has to decide.
  const bounds = facts.world.watch.boundsOf(pool.group)
  const first = bounds.findIndex(({ isOurs }) => isOurs)
  if (first >= 0 && bounds.slice(first).some(({ isOurs }) => !isOurs)) return []
  const open = leasesOf(facts.world.core.world, pool).filter(({ state }) => state !== 'closed')
  const found = open.map(({ id, state, setback }) =>
    problem('alarm-left', `the lease ${id} of ${pool.name} is ${state} at the end${setback === '' ? '' : ` (${setback})`}`, [id]),
  )
  // Which machines of a group are whose nobody knows where others have added some.
  const own = sight.members.filter(({ lease, group }) => lease !== undefined && group === undefined)
  return [
    ...found,
    ...own.map(({ id, lease }) =>
      problem('alarm-left', `${id}, added to ${pool.name} under ${lease}, is still there at the end`, [id, lease ?? id]),
    ),
  ]
}

const closing: ReadonlySet<string> = new Set(['cordon', 'platform-drain'])

function closed(facts: AlarmFacts, index: number): Violation[] {
  const sight = facts.world.sights[index]
  if (isForgotten(facts, index)) return []
  // The cluster autoscaler closes nodes of its own.
  const last = new Map(
    facts
      .of('alarm-write')
      .flatMap(([, { write }]) => (closing.has(write.what) || write.what === 'uncordon' ? [[write.node, write.what] as const] : [])),
  )
  return (sight?.closed ?? []).flatMap((name) =>
    facts.simulated.cordoned.has(name) || !closing.has(last.get(name) ?? '')
      ? []
      : [problem('alarm-closed', `${name} takes no pods at the end, and nobody wants that`, [name])],
  )
}

/** The bounds of a group are those that people have set last, unless it is shared and nobody can tell. */
function bounds(facts: AlarmFacts, index: number): Violation[] {
  const pool = facts.scene.pools[index]
  const sight = facts.world.sights[index]
  if (pool === undefined || sight === undefined || isForgotten(facts, index) || keepsNodes(facts, index)) return []
  const all = facts.world.watch.boundsOf(pool.group)
  const first = all.findIndex(({ isOurs }) => isOurs)
  if (first < 0) return []
  // What people set while we hold the group up is theirs from then on; nothing of it is put back.
  if (all.slice(first).some(({ isOurs }) => !isOurs)) return []
  const wanted = facts.scene.platform.hasAutoscaler ? all[first - 1] : pool.bounds
  // What somebody set right before, the autoscaler had not said yet when its run looked.
  const since = (all[first]?.atMs ?? 0) - 60_000
  const known = [wanted, ...all.slice(0, first).filter(({ atMs }, place) => (all[place + 1]?.atMs ?? 0) >= since || atMs >= since)]
  // A ceiling is not set below what is there: what was bought in place of a machine that somebody took is nobody's lease.
  const isHeldUp = facts.scene.platform.hasAutoscaler || facts.hasAlarmDeed(index, -1, facts.all.length, 'delete-node', 'group-size')
  if (isHeldUp && sight.group.min === wanted?.min && sight.group.max === all.at(-1)?.size) return []
  // A lease that stays with the last node (see `left`) has its bounds put back with its end. Until then the ceiling is up, to what was asked
  // for, and the floor at most to what is there: it keeps the machine of the lease, and buys none.
  const isOpen = leasesOf(facts.world.core.world, pool).some(({ state }) => state !== 'closed')
  const isAsked = all.slice(first).some(({ max }) => max === sight.group.max)
  const isFloorLow = sight.group.min <= Math.max(wanted?.min ?? 0, sight.group.size)
  if (sight.members.length === 1 && isOpen && isAsked && isFloorLow) return []
  if (wanted === undefined || known.some((one) => one !== undefined && sight.group.min === one.min && sight.group.max === one.max))
    return []
  const text = `${pool.group} is at ${sight.group.min} to ${sight.group.max} at the end, and was at ${wanted.min} to ${wanted.max} before anything was asked of it`
  return [problem('alarm-bounds', text, [pool.group])]
}

/** The last alarm, with nothing in its way, is answered. */
function unheard(facts: AlarmFacts, index: number): Violation[] {
  const pool = facts.scene.pools[index]
  const series = facts.scene.series.find(
    ({ policy, episodes }) => facts.scene.policies[policy]?.pool === index && episodes.some(({ isLast }) => isLast),
  )
  const policy = facts.scene.policies[series?.policy ?? -1]
  const episode = series?.episodes.find(({ isLast }) => isLast)
  if (pool === undefined || policy === undefined || episode === undefined || policy.mode !== 'enforce') return []
  if (facts.grown.some(({ alarm, at }) => alarm.pool === index && at >= episode.fromMs)) return []
  if (whyUnanswered(facts, index, episode.fromMs) !== undefined || wasCapped(facts, `${pool.cluster}/${pool.name}`, episode.fromMs))
    return []
  return [
    problem('alarm-unanswered', `nothing was added for the last alarm of ${pool.name} (${policy.name})`, [
      `${pool.cluster}/${pool.name}`,
      series?.name ?? '',
    ]),
  ]
}

/**
 * Whether what was last held back of a pool since then was held by a cap of the kernel, which is shared by all pools: the alarm may be over
 * before it is free again. Whether it was full then is for the checks of the guard.
 */
function wasCapped(facts: AlarmFacts, target: string, sinceMs: number): boolean {
  const held = facts
    .of('run-ended')
    .flatMap(([, { at, decisions }]) => (at < sinceMs ? [] : decisions))
    .filter((decision) => decision.target === target && decision.outcome === 'Held')
  return held.at(-1)?.reason.code === 'guard.cap'
}

/** What rightly keeps a pool from growing for the last alarm. */
function whyUnanswered(facts: AlarmFacts, index: number, sinceMs: number): string | undefined {
  const pool = facts.scene.pools[index]
  const sight = facts.world.sights[index]
  const policy = facts.scene.policies.find((one) => one.pool === index)
  const { maxNodes, entitledCores, isMetered, hasAutoscaler } = facts.scene.platform
  if (pool === undefined || sight === undefined || policy === undefined) return 'there is no such pool'
  if (isForgotten(facts, index)) return 'leases were forgotten'
  const own = facts.grown.filter(({ alarm }) => alarm.pool === index)
  const sum = (steps: readonly { readonly alarm: { readonly wanted: number } }[]): number =>
    steps.reduce((total, { alarm }) => total + alarm.wanted, 0)
  if (sum(own) >= Math.min(policy.caps.day, policy.caps.hour) || policy.caps.event === 0) return 'a cap is full'
  if (facts.leasesOf(index).reduce((total, { wanted }) => total + wanted, 0) >= Math.min(policy.caps.day, policy.caps.hour))
    return 'a cap is full'
  if (sight.members.length === 0 && policy.confirm === 'requests') return 'nothing is left that pods could ask for'
  if (sight.members.length >= pool.max || own.some(({ alarm }) => alarm.members.length + alarm.nodes >= pool.max)) return 'the pool is full'
  const isHere = (other: number): boolean => facts.scene.pools[other]?.cluster === pool.cluster
  const left = facts.world.sights.reduce((total, one, other) => total + (isHere(other) ? one.members.length : 0), 0)
  // What another pool of the cluster has got for its last alarm may be gone again by the end.
  const then = facts.grown.flatMap(({ alarm, at }) => (isHere(alarm.pool) && at >= sinceMs ? [alarm.workers.length + alarm.nodes] : []))
  if (Math.max(left, ...then) >= maxNodes - policy.quotaReserve - 2) return 'the quota is used up'
  if (policy.guardsLicence && !isMetered) return 'nobody knows how much is licensed'
  if (policy.guardsLicence && entitledCores !== undefined) {
    const asked = facts.scene.pools.flatMap((_, other) => facts.leasesOf(other)).reduce((total, { wanted }) => total + wanted, 0)
    if ((facts.initialWorkers(pool.cluster) + asked + 1) * nodeCores > entitledCores) return 'the licence is used up'
  }
  // A group that is the autoscaler's is waited for: whoever wants the next mechanism has to take it out of the chain.
  const stop = hasAutoscaler && !policy.sharesGroup ? policy.mechanisms.indexOf('scaling-group') : -1
  const isOpen = policy.mechanisms.slice(0, stop < 0 ? undefined : stop).some((mechanism) => {
    if (mechanism === 'existing-instances') return pool.spares > 0
    return mechanism !== 'scaling-group' || !facts.hasAlarmDeed(index, -1, facts.all.length, 'bounds', 'group-size', 'delete-node')
  })
  if (!isOpen) return 'no mechanism has any'
  // One that gave nothing lately waits for up to half an hour.
  if (
    facts
      .leasesOf(index)
      .some(
        ({ outcome, closedMs }) =>
          (outcome === 'failed' || outcome === 'compensated') && closedMs > facts.simulated.scenario.quietMs - 15 * 60_000,
      )
  )
    return 'a mechanism waits'
  if (facts.leasesOf(index).some(({ state }) => state !== 'closed')) return 'a lease is open'
  if (policy.confirm !== 'prometheus' && sight.members.length > pool.inGroup + pool.others) return 'the pool has grown by itself'
  return undefined
}
