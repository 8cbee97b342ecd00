import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { TrackChange } from '#functions/alarm-scaler/change.ts'
import { Settings } from '#functions/alarm-scaler/event.ts'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { settle } from '#functions/alarm-scaler/settle.ts'
import { saying } from '../image-cleaner/stage.ts'
import { type ClusterStage, clusterId, groupId, minuteMs, onePool, openLocalClusterStage, pool, virtualPoolId } from './cluster-stage.ts'
import { boughtLease, groupLease, grow, leaseId, leaseOf, place, step, virtualLease } from './lease-steps.ts'

let stage: ClusterStage

beforeEach(() => {
  stage = openLocalClusterStage()
})

afterEach(async () => {
  await stage.close()
})

function putLease(lease: Lease): void {
  stage.putRecord({ version: 1, cluster: clusterId, pool, ordinal: 1, bases: [], leases: [lease] })
}

const coming: TrackChange = {
  kind: 'track',
  ...place,
  leaseId,
  from: 'asking',
  to: 'provisioning',
  nodes: [{ instanceId: 'ins-1', isGone: false }],
  mark: [],
}

async function settled(change: TrackChange) {
  const config = { settings: z.parse(Settings, onePool), mode: 'enforce', region: place.region, clusters: [] } as const
  return await settle(step(change), stage.cloud, config, { attempt: 1, startedAt: stage.now() })
}

describe('what was written down of the nodes of a lease', () => {
  const node = { instanceId: 'ins-1' }

  it.for(['provisioning', 'held', 'recovering', 'closed'] as const)(
    'is found to be written when the lease is %s by then',
    async (state) => {
      putLease(leaseOf(boughtLease(), { state, nodes: [node] }))
      expect(await settled(coming)).toBe('applied')
    },
  )

  it.for(['held', 'closed'] as const)('while they are given back is found to be written when the lease is %s by then', async (state) => {
    putLease(leaseOf(boughtLease(), { state, nodes: [{ ...node, removedAtMs: 5 }] }))
    expect(await settled({ ...coming, from: 'recovering', to: 'recovering', nodes: [{ ...node, isGone: true }] })).toBe('applied')
  })

  it('is found to be missing when the lease has gone on without the node', async () => {
    putLease(leaseOf(boughtLease(), { state: 'closed', nodes: [] }))
    expect(await settled(coming)).toBe('not-applied')
  })

  it('is found to be missing when the lease has gone on, and there was no node to know it by', async () => {
    putLease(leaseOf(boughtLease(), { state: 'recovering', nodes: [] }))
    expect(await settled({ ...coming, nodes: [] })).toBe('not-applied')
  })

  it('is found to be written by the mark that it has left, wherever the lease has gone since', async () => {
    putLease(leaseOf(boughtLease(), { state: 'closed', nodes: [], written: ['track-ls-0123456'] }))
    expect(await settled(coming)).toBe('applied')
    putLease(leaseOf(boughtLease(), { state: 'closed', nodes: [], written: ['another'] }))
    expect(await settled(coming)).toBe('not-applied')
  })

  it('is found to be missing when the lease is where it was', async () => {
    putLease(leaseOf(boughtLease(), { state: 'provisioning', nodes: [node] }))
    expect(await settled({ ...coming, from: 'provisioning', to: 'held' })).toBe('not-applied')
  })
})

describe('a group that was asked, and whose answer could not be written down', () => {
  const modify = 'ModifyClusterAsGroupAttribute'
  const isMember = ({ node }: { readonly node: { readonly asGroupId: string | null } | null }) => node?.asGroupId === groupId
  const lease = () =>
    groupLease(
      stage
        .machines()
        .filter(isMember)
        .map(({ instanceId }) => instanceId),
    )

  it('is not called undone while it is busy with it, and found to be done when its machines come', async () => {
    const rule = stage.faults.add({ fault: { kind: 'drop-before' }, match: { effect: 'write', pathIncludes: 'configmaps' }, after: 1 })
    expect(saying(await stage.carry([grow(lease())]), 'Held', 'Failed')).toEqual(['Held unknown-outcome'])
    stage.faults.remove(rule)
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([grow(lease())]), 'NoChange')).toEqual(['NoChange already-done'])
    expect(stage.writes().filter((call) => call === modify)).toHaveLength(1)
  })

  it('is called done where the platform has answered, whatever becomes of its record', async () => {
    stage.faults.add({ fault: { kind: 'throttle' }, match: { effect: 'write', pathIncludes: 'configmaps' }, after: 1 })
    expect(saying(await stage.carry([grow(lease())]), 'Applied')).toEqual(['Applied nodes-coming'])
    expect(stage.writes().filter((call) => call === modify)).toHaveLength(1)
  })

  it('is asked again when it was busy with something else', async () => {
    stage.faults.add({ fault: { kind: 'drop-before' }, match: { action: modify }, count: 1 })
    const { group } = stage
    group.status = 'updating'
    group.settles = { atMs: stage.now() + 3 * minuteMs, status: 'enabled' }
    expect(saying(await stage.carry([grow(lease())]), 'Held')).toEqual(['Held unknown-outcome'])
    stage.wait(6 * minuteMs)
    expect(saying(await stage.carry([grow(lease())]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.record().leases.map(({ id, state }) => [id, state])).toEqual([[leaseId, 'provisioning']])
  })
})

describe('a lease that is asking already, of which nobody remembers that it was asked for', () => {
  it('does not get its virtual nodes twice', async () => {
    await stage.carry([grow(virtualLease())])
    stage.wait(minuteMs)
    const virtual = () => Object.keys(stage.cluster.virtualNodePools[virtualPoolId]?.nodes ?? {})
    expect(virtual()).toHaveLength(1)
    const key = 'alarm-scaler:another-ledger'
    putLease(leaseOf(virtualLease(), { state: 'asking', key }))
    expect(saying(await stage.carry([{ ...grow(virtualLease()), key }]), 'NoChange')).toEqual(['NoChange already-applied'])
    expect(virtual()).toHaveLength(1)
  })

  it('does not get its machines twice where the platform knows no tokens', async () => {
    stage.world.tke.behaviour.clientTokens = false
    await stage.carry([grow(boughtLease())])
    expect(stage.machines()).toHaveLength(6)
    const key = 'alarm-scaler:another-ledger'
    putLease(leaseOf(boughtLease(), { state: 'asking', key }))
    expect(saying(await stage.carry([{ ...grow(boughtLease()), key }]), 'NoChange')).toEqual(['NoChange already-applied'])
    expect(stage.machines()).toHaveLength(6)
  })
})
