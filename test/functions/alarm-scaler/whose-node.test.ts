import { describe, expect, it } from 'vitest'
import { arrivalsOf } from '#functions/alarm-scaler/arrivals.ts'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { PoolNode } from '#functions/alarm-scaler/view.ts'
import { codes, config, hour, minute, node, noon, observed, view } from './small-pool.ts'

const id = 'ls-0000000000000001'

function lease(mechanism: Lease['mechanism'], more: Partial<Lease> = {}): Lease {
  return {
    id,
    ordinal: 1,
    key: 'alarm-scaler:1',
    policy: 'busy',
    episode: { id: 'ep-0', source: 'am', key: 'series-0', name: 'HighCpu', startedAtMs: noon - 5 * hour },
    step: 0,
    level: 1,
    wanted: 1,
    mechanism,
    before: { instanceIds: ['ins-a'] },
    state: 'held',
    nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon - 4 * hour }],
    askedAtMs: noon - 4 * hour,
    provisionUntilMs: noon - 4 * hour + 15 * minute,
    heldSinceMs: noon - 4 * hour,
    expiresAtMs: noon + hour,
    ...more,
  }
}

const ours = node('ins-1', { leaseId: id, isKept: true, addedAtMs: noon - 4 * hour })

function arrivals(leases: readonly Lease[], more: readonly PoolNode[]) {
  const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 1, bases: [], leases: [...leases] }
  const seen = view({ nodes: [node('ins-a'), node('ins-b'), ours, ...more], record: { value, resourceVersion: '7' } })
  const { of, orphans } = arrivalsOf(seen)
  return { seen, of: of(leases[0] ?? lease({ name: 'none', kind: 'new-instances' })).map(({ instanceId }) => instanceId), orphans }
}

const idsOf = (nodes: readonly PoolNode[]) => nodes.map(({ instanceId }) => instanceId)

describe('a node that somebody labels with a lease', () => {
  const group: Lease['mechanism'] = { name: 'group', kind: 'scaling-group', group: 'asg-1' }
  const buy: Lease['mechanism'] = { name: 'buy', kind: 'new-instances' }

  it('is not its node when it was there before, and is told of', () => {
    const { of, orphans, seen } = arrivals(
      [lease(group, { before: { instanceIds: ['ins-a', 'ins-x'] } })],
      [node('ins-x', { leaseId: id })],
    )
    expect(of).toEqual(['ins-1'])
    expect(idsOf(orphans)).toEqual(['ins-x'])
    expect(codes(plan(observed({ episodes: [], pools: [seen] }), config(), noon))).toContain('held lease-unknown')
  })

  it.each([
    ['of another scaling group', group, { groupId: 'asg-2' }],
    ['of no scaling group', group, { groupId: undefined }],
    ['of a scaling group, by a lease that bought', buy, { groupId: 'asg-1' }],
    ['older than the lease', buy, { groupId: undefined, addedAtMs: noon - 4 * hour - 10 * minute - 1 }],
    ['virtual, by a lease that bought', buy, { groupId: undefined, virtualPoolId: 'np-1' }],
    ['of another virtual pool', { name: 'v', kind: 'virtual-nodes', nodePool: 'np-1' }, { groupId: undefined, virtualPoolId: 'np-2' }],
    ['that was not chosen', { name: 's', kind: 'existing-instances', instanceIds: ['ins-1'] }, { groupId: undefined }],
  ] as const)('is not its node: %s', (_, mechanism, more) => {
    const { of, orphans } = arrivals([lease(mechanism as Lease['mechanism'])], [node('ins-x', { leaseId: id, addedAtMs: noon, ...more })])
    expect(of).toEqual(['ins-1'])
    expect(idsOf(orphans)).toEqual(['ins-x'])
  })

  it.each([
    ['of its group', group, {}],
    ['bought at the time, by a clock ten minutes behind', buy, { groupId: undefined, addedAtMs: noon - 4 * hour - 10 * minute }],
    ['bought, nobody knows when', buy, { groupId: undefined, addedAtMs: 0 }],
    ['of its virtual pool', { name: 'v', kind: 'virtual-nodes', nodePool: 'np-1' }, { groupId: undefined, virtualPoolId: 'np-1' }],
    ['that was chosen', { name: 's', kind: 'existing-instances', instanceIds: ['ins-x'] }, { groupId: undefined }],
  ] as const)('is its node: %s', (_, mechanism, more) => {
    const { of, orphans } = arrivals([lease(mechanism as Lease['mechanism'])], [node('ins-x', { leaseId: id, addedAtMs: noon, ...more })])
    expect(of.toSorted()).toEqual(['ins-1', 'ins-x'])
    expect(orphans).toEqual([])
  })

  it('stays the node of the lease whose record names it', () => {
    const other = lease(group, { id: 'ls-0000000000000002', ordinal: 2, nodes: [] })
    const relabelled = { ...ours, leaseId: other.id }
    const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 2, bases: [], leases: [lease(group), other] }
    const { of } = arrivalsOf(view({ nodes: [node('ins-a'), relabelled], record: { value, resourceVersion: '7' } }))
    expect(idsOf(of(lease(group)))).toEqual(['ins-1'])
    expect(of(other)).toEqual([])
  })
})
