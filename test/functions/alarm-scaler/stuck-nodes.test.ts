import { describe, expect, it } from 'vitest'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { PoolNode } from '#functions/alarm-scaler/view.ts'
import { change, codes, config, episode, hour, minute, node, noon, observed, view } from './small-pool.ts'

const id = 'ls-0000000000000001'
const over = episode({ id: 'ep-0', key: 'series-0', state: 'resolved', resolvedAtMs: noon - hour, lastHeardMs: noon - hour })
const calm = { requested: { cpuMilli: 100, memoryBytes: 1e9 } }
const bare = { pod: 'prod/bare', why: 'nobody makes it again elsewhere', isStuck: true }

function lease(more: Partial<Lease> = {}): Lease {
  return {
    id,
    ordinal: 1,
    key: 'alarm-scaler:1',
    policy: 'busy',
    episode: { id: 'ep-0', source: 'am', key: 'series-0', name: 'HighCpu', startedAtMs: noon - 5 * hour },
    step: 0,
    level: 2,
    wanted: 2,
    mechanism: { name: 'buy', kind: 'new-instances' },
    before: { instanceIds: [] },
    state: 'held',
    nodes: ['ins-1', 'ins-2'].map((instanceId) => ({ instanceId, nodeName: `node-${instanceId}`, readyAtMs: noon - 4 * hour })),
    askedAtMs: noon - 4 * hour,
    provisionUntilMs: noon - 4 * hour + 15 * minute,
    heldSinceMs: noon - 4 * hour,
    expiresAtMs: noon + hour,
    ...more,
  }
}

function stepsOf(own: Lease, first: Partial<PoolNode>, second: Partial<PoolNode>) {
  const common = { ...calm, groupId: undefined, leaseId: id, isKept: true, addedAtMs: noon - 4 * hour }
  const nodes = [node('ins-a', calm), node('ins-b', calm), node('ins-1', { ...common, ...first }), node('ins-2', { ...common, ...second })]
  const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 1, bases: [], leases: [own] }
  return plan(observed({ episodes: [over], pools: [view({ nodes, record: { value, resourceVersion: '7' } })] }), config(), noon)
}

const recovering = (why: 'resolved' | 'released', more: Partial<Lease> = {}) =>
  lease({ state: 'recovering', recovery: { sinceMs: noon - minute, why }, ...more })

describe('a node with a pod that nobody would make again', () => {
  it('does not begin to go, and it is said which pod keeps it', () => {
    const steps = stepsOf(lease(), { blockers: [bare] }, { blockers: [bare] })
    expect(codes(steps)).toEqual(['held pods-stuck'])
    expect(steps[0]?.reason.text).toContain(
      '2 nodes cannot be emptied: prod/bare on node-ins-1, prod/bare on node-ins-2 (nobody makes it again elsewhere); move or delete the pods yourself',
    )
  })

  it('lets the others go, and is not closed itself', () => {
    expect(codes(stepsOf(lease(), { blockers: [bare] }, {}))).toEqual(['change alarm-over'])
    const drains = change(stepsOf(recovering('resolved'), { blockers: [bare], podCount: 1 }, { podCount: 5 }), 'drain')
    expect(drains.map(({ instanceId }) => instanceId)).toEqual(['ins-2'])
  })

  it('ends giving back when it is all that is left, and that is tried again later and later', () => {
    const nodes = [
      { instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: 1 },
      { instanceId: 'ins-2', nodeName: 'node-ins-2', readyAtMs: 1, removedAtMs: noon - minute },
    ]
    const setback = { atMs: noon - hour, code: 'pods-stuck', text: 'stuck', count: 1, notBeforeMs: noon - 50 * minute }
    const [first] = change(stepsOf(recovering('resolved', { nodes }), { blockers: [bare] }, {}), 'stop-recovery')
    expect(first).toMatchObject({ code: 'pods-stuck', nodes: [], count: 1, retryMs: 10 * minute })
    const [second] = change(stepsOf(recovering('resolved', { nodes, setback }), { blockers: [bare] }, {}), 'stop-recovery')
    expect(second).toMatchObject({ code: 'pods-stuck', count: 2, retryMs: 20 * minute })
  })

  it('waits for somebody where somebody has asked for it to go', () => {
    const steps = stepsOf(recovering('released'), { blockers: [bare] }, { blockers: [bare] })
    expect(codes(steps)).toEqual(['held pods-stuck'])
  })

  it('waits until those that are being emptied are gone', () => {
    const nodes = [
      { instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: 1 },
      {
        instanceId: 'ins-2',
        nodeName: 'node-ins-2',
        readyAtMs: 1,
        drain: { sinceMs: noon - minute, cordonedByUs: true, attempts: 1 },
      },
    ]
    const steps = stepsOf(recovering('resolved', { nodes }), { blockers: [bare] }, { unschedulable: true, podCount: 1 })
    expect(codes(steps)).toEqual(['change draining'])
    expect(change(steps, 'drain')[0]).toMatchObject({ instanceId: 'ins-2', attempt: 2 })
  })
})

describe('a node that was given back because it never was ready, and that the platform still names', () => {
  it('does not hold up the lease of those that are', () => {
    const own = lease({
      state: 'provisioning',
      heldSinceMs: undefined,
      provisionUntilMs: noon - minute,
      nodes: [
        { instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon - 10 * minute },
        { instanceId: 'ins-2', removedAtMs: noon - 30_000 },
      ],
    })
    const steps = stepsOf(own, {}, { isReady: false, state: 'initializing', nodeName: undefined })
    expect(codes(steps)).toEqual(['change settled-for-less'])
  })
})
