import { describe, expect, it } from 'vitest'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import { recordAfter, recordAnswered } from '#functions/alarm-scaler/record-after.ts'
import { change, codes, config, episode, minute, node, noon, observed, policyDoc, SmallPool, view } from './small-pool.ts'

/** Two leases of one group, of which the first was about to go and was kept by the second alarm. */
function keptAndGrown(): SmallPool {
  const pool = new SmallPool(config(), { loadMilli: 40_000 })
  pool.hear('firing', { value: 91 })
  pool.look()
  pool.run(8 * minute)
  pool.habits = { ...pool.habits, loadMilli: 1000 }
  pool.hear('resolved')
  for (let minutes = 0; minutes < 40 && pool.leases[0]?.floor !== 0; minutes += 1) pool.run(minute)
  expect(pool.leases[0]).toMatchObject({ state: 'recovering', floor: 0 })
  pool.habits = { ...pool.habits, loadMilli: 40_000 }
  pool.hear('firing', { key: 'series-2', startedAtMs: pool.now, value: 91 })
  pool.look()
  pool.run(8 * minute)
  expect(pool.leases.map(({ state, wanted }) => ({ state, wanted }))).toEqual([
    { state: 'held', wanted: 2 },
    { state: 'held', wanted: 2 },
  ])
  expect(pool.size).toBe(6)
  return pool
}

describe('a lease whose floor was lowered before another alarm kept its nodes', () => {
  it('is given back all the same, and the bounds are what they were', () => {
    const pool = keptAndGrown()
    pool.habits = { ...pool.habits, loadMilli: 1000 }
    pool.hear('resolved', { key: 'series-2', startedAtMs: pool.now })
    pool.run(90 * minute)
    expect(pool.leases.map(({ outcome }) => outcome?.kind)).toEqual(['removed', 'removed'])
    expect(pool.removed.toSorted()).toEqual(['ins-1', 'ins-2', 'ins-3', 'ins-4'])
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
    expect(pool.bought).toBe(4)
  })

  it('holds up no more than before when the mechanism refuses the second one', () => {
    const pool = new SmallPool(config(), { loadMilli: 40_000 })
    pool.hear('firing', { value: 91 })
    pool.look()
    pool.run(8 * minute)
    if (pool.record === undefined) throw new Error('there is no record')
    const [first] = pool.leases
    const before = { ...pool.record, leases: pool.leases.map((lease): Lease => ({ ...lease, floor: 0 })) }
    const record = { value: before, resourceVersion: '1' }
    const fires = pool.episodes.map((episode) => ({ ...episode, value: 110, lastHeardMs: pool.now }))
    const steps = plan({ ...pool.observed(), episodes: fires, pools: [{ ...pool.view(), record }] }, config(), pool.now)
    const [grow] = change(steps, 'grow')
    if (grow === undefined) throw new Error('it does not grow')
    const asked = recordAfter(grow, before, 'alarm-scaler:second', pool.now)
    if ('misfit' in asked) throw new Error(asked.misfit.text)
    expect(asked.record.leases.map(({ floor }) => floor)).toEqual([first?.wanted, 4])
    const refused = recordAnswered(asked.record, grow.lease.id, { kind: 'refused', code: 'sold-out', text: 'sold out' }, pool.now)
    if ('misfit' in refused) throw new Error(refused.misfit.text)
    expect(refused.record.leases.map(({ floor }) => floor)).toEqual([0, 4])
    expect(refused.record.bases[0]?.set).toMatchObject({ min: 4, max: 10 })
  })
})

describe('a group of which a lease may be asked for again', () => {
  const group = { name: 'scaling-group asg-1', kind: 'scaling-group' as const, group: 'asg-1' }
  const lease = (more: Partial<Lease>): Lease => ({
    id: 'ls-0000000000000001',
    ordinal: 1,
    key: 'alarm-scaler:1',
    policy: 'busy',
    episode: { id: 'ep-0', source: 'am', key: 'series-0', name: 'HighCpu', startedAtMs: noon - 300 * minute },
    step: 0,
    level: 1,
    wanted: 1,
    mechanism: group,
    before: { instanceIds: ['ins-a', 'ins-b'], bounds: { min: 1, max: 10 } },
    bounds: { min: 3, max: 10 },
    floor: 1,
    state: 'recovering',
    recovery: { sinceMs: noon - minute, why: 'released' },
    nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon - 200 * minute }],
    askedAtMs: noon - 240 * minute,
    provisionUntilMs: noon - 225 * minute,
    heldSinceMs: noon - 200 * minute,
    expiresAtMs: noon + 60 * minute,
    ...more,
  })
  const asking = lease({
    id: 'ls-0000000000000002',
    ordinal: 2,
    before: { instanceIds: ['ins-a', 'ins-b', 'ins-1'], bounds: { min: 3, max: 10 } },
    bounds: { min: 4, max: 10 },
    state: 'asking',
    recovery: undefined,
    nodes: [],
    askedAtMs: noon - minute,
    provisionUntilMs: noon + 14 * minute,
    heldSinceMs: undefined,
  })
  const at = (leases: readonly Lease[]) => {
    const bases = [{ group: 'asg-1', before: { min: 1, max: 10 }, set: { min: 4, max: 10, atMs: noon - minute } }]
    const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 2, bases, leases: [...leases] }
    const nodes = [node('ins-a'), node('ins-b'), node('ins-1', { leaseId: 'ls-0000000000000001', isKept: true })]
    const pools = [view({ nodes, record: { value, resourceVersion: '7' } })]
    return plan(observed({ episodes: [], pools }), config({ policies: [policyDoc()] }), noon)
  }

  it('keeps its bounds until then: asked for again, they would be raised above what anybody wants', () => {
    expect(change(at([lease({}), asking]), 'restore-bounds')).toEqual([])
    expect(codes(at([lease({}), asking]))).toContain('no-change group-settles')
    expect(change(at([lease({}), { ...asking, state: 'provisioning' }]), 'restore-bounds')).toMatchObject([{ phase: 'floor' }])
  })

  it('does not keep the nodes of a lease for good because those of another one have not come yet', () => {
    const coming = { ...asking, state: 'provisioning' as const, wanted: 2, floor: 2, bounds: { min: 5, max: 10 } }
    const held = lease({ state: 'held', recovery: undefined })
    const calm = { requested: { cpuMilli: 100, memoryBytes: 1e9 } }
    const bases = [{ group: 'asg-1', before: { min: 1, max: 10 }, set: { min: 5, max: 10, atMs: noon - minute } }]
    const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 2, bases, leases: [held, coming] }
    const nodes = [node('ins-a', calm), node('ins-b', calm), node('ins-1', { ...calm, leaseId: held.id, isKept: true })]
    const over = episode({ id: 'ep-0', key: 'series-0', state: 'resolved', resolvedAtMs: noon - 60 * minute })
    const pools = [view({ nodes, record: { value, resourceVersion: '7' } })]
    const steps = plan(observed({ episodes: [over], pools }), config(), noon)
    expect(change(steps, 'release')).toEqual([])
    expect(codes(steps)).toEqual(['no-change lease-comes', 'no-change cooldown-in'])
  })

  it('is lowered for the last lease also when nothing is left of its own floor', () => {
    expect(change(at([lease({ floor: 0 })]), 'restore-bounds')).toMatchObject([{ phase: 'floor', to: { min: 1, max: 10 } }])
  })
})
