import type { Reason, StepResult } from '#shared/pure/step.ts'
import type { GrowChange } from './change.ts'
import type { Settings } from './event.ts'
import type { Lease } from './lease.ts'
import { mechanisms } from './mechanisms/all-mechanisms.ts'
import type { RefusalCode } from './mechanisms/mechanism.ts'
import { failed, held, isResult, type PoolDesk, skipped, unreadable } from './pool-desk.ts'
import type { StoredPool } from './pool-store.ts'
import { recordAfter, recordAnswered } from './record-after.ts'

/**
 * Adds nodes: reads the pool's record, writes the lease as asking, asks the mechanism, writes what it answered. So the lease is there before
 * anything is bought, and whatever is cut off in between is found: a lease that is asking is asked for again, by the same request.
 *
 * A record that has had another lease since the plan stops it before anything is written. What the mechanism refuses closes the lease, so
 * that the next look can go on with the next mechanism; one that is only busy is asked again. Throws KubeError and CloudError.
 */
export async function applyGrow(change: GrowChange, key: string, desk: PoolDesk, settings: Settings, now: number): Promise<StepResult> {
  const seen = await desk.read()
  if (seen?.problem !== undefined) return unreadable(seen.problem)
  const there = leaseIn(seen, change)
  if (there !== undefined && there.key === key && there.state !== 'asking') {
    return { outcome: 'NoChange', reason: { code: 'already-applied', text: `the lease ${there.id} is ${there.state} already` } }
  }
  const asking = await reserve(change, key, desk, seen, now)
  if (isResult(asking)) return asking
  const lease = leaseIn(asking, change)
  if (lease === undefined) return skipped('world-changed', `the record has no lease ${change.lease.id}`)
  const isFirst = there === undefined
  if (!isFirst && (await wasAsked(lease, asking, desk))) {
    return { outcome: 'NoChange', reason: { code: 'already-applied', text: `the nodes of the lease ${lease.id} were asked for already` } }
  }
  const labels = settings.pools.find(({ name }) => name === change.pool)?.labels ?? {}
  const { cloud, cluster, options } = desk
  const answer = await mechanisms[lease.mechanism.kind].ask({ cloud, cluster, options, lease, labels, record: asking.record, isFirst })
  if (answer.kind === 'refused' && answer.code === ('busy' satisfies RefusalCode)) {
    // It passes in a moment: the lease goes on asking, and the next look asks again.
    return held('group-busy', `${lease.mechanism.name} is busy, and is asked again: ${answer.text}`)
  }
  if (answer.kind === 'refused' && answer.code === ('moved' satisfies RefusalCode)) desk.forget()
  const lost = await desk.keep((record) => answeredIn(record, lease.id, answer, now), { stored: asking })
  if (answer.kind === 'refused') return failed('mechanism-refused', refusalText(lease, answer, lost))
  // What could not be written down is not lost: the nodes are found by the next look, whoever they are for is in the record already.
  return { outcome: 'Applied', ...(lost === undefined ? {} : { reason: unkept(lost) }) }
}

function leaseIn(stored: StoredPool | undefined, change: GrowChange): Lease | undefined {
  return stored?.record?.leases.find(({ id }) => id === change.lease.id)
}

/** Whether a lease that was asking before this try shows nodes already, where asking again might bring them twice. */
async function wasAsked(lease: Lease, { record }: StoredPool, { cloud, cluster, options }: PoolDesk): Promise<boolean> {
  const mechanism = mechanisms[lease.mechanism.kind]
  if (mechanism.isAbsolute || record === undefined) return false
  return (await mechanism.look({ cloud, cluster, options, lease, record, sinceMs: lease.askedAtMs })) === 'asked'
}

/** Writes the lease before anything is asked for. Who was faster has the turn: then nothing is tried again. */
async function reserve(
  change: GrowChange,
  key: string,
  desk: PoolDesk,
  seen: StoredPool | undefined,
  now: number,
): Promise<StepResult | StoredPool> {
  return await desk.change((record) => recordAfter(change, record, key, now), { stored: seen })
}

function answeredIn(record: Parameters<typeof recordAfter>[1], ...rest: [string, Parameters<typeof recordAnswered>[2], number]) {
  return record === undefined ? { misfit: { text: 'the pool has no record any more' } } : recordAnswered(record, ...rest)
}

function refusalText(lease: Lease, { code, text }: Reason, lost: Reason | undefined): string {
  const more = lost === undefined ? '' : ` (that could not be written down: ${lost.text})`
  return `${lease.mechanism.name} gives none (${code}): ${text}${more}`
}

function unkept({ text }: Reason): Reason {
  return { code: 'nodes-coming', text: `its nodes were asked for; what was answered could not be written down (${text})` }
}
