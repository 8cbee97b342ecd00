import { describe, expect, it } from 'vitest'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import { planRelease } from '#functions/alarm-scaler/release.ts'
import type { PoolView } from '#functions/alarm-scaler/view.ts'
import { change, codes, config, type Doc, episode, hour, minute, noon, observed, policyDoc, SmallPool, view } from './small-pool.ts'

/** What was carried out, by kind, oldest first. */
function kinds(pool: SmallPool): readonly string[] {
  return pool.done.map(({ step }) => step.change.kind)
}

/** Nodes that were asked for in all. */
function askedFor(pool: SmallPool): number {
  return pool.leases.reduce((sum, { wanted }) => sum + wanted, 0)
}

function hasCode(steps: readonly AlarmStep[], code: string): boolean {
  return steps.some(({ reason }) => reason.code === code)
}

/** A pool whose alarm at noon has brought it so many nodes, and is over by then. */
function grown(value: number, more: { readonly doc?: Doc; readonly habits?: ConstructorParameters<typeof SmallPool>[1] } = {}): SmallPool {
  const pool = new SmallPool(config({ policies: [policyDoc(more.doc)] }), more.habits)
  pool.hear('firing', { value })
  pool.look()
  pool.run(8 * minute)
  pool.habits = { ...pool.habits, loadMilli: 2000 }
  return pool
}

describe('what bit others', () => {
  it('five deliveries of one alarm add nodes once', () => {
    const pool = new SmallPool()
    for (let delivery = 0; delivery < 5; delivery += 1) {
      pool.hear('firing', { value: 95 })
      pool.look()
    }
    expect(askedFor(pool)).toBe(2)
    pool.run(10 * minute)
    expect(kinds(pool).filter((kind) => kind === 'grow')).toEqual(['grow'])
    expect(pool.size).toBe(4)
    // The same delivery five times at the same moment is the same decision, too, before anything is written.
    const keys = new Set(Array.from({ length: 5 }, () => plan(observed(), config(), noon)[0]?.key))
    expect(keys.size).toBe(1)
  })

  it('firing re-sent after resolved adds none', () => {
    const pool = new SmallPool()
    pool.hear('resolved')
    expect(pool.hear('firing')).toBe('stale')
    const steps = [...pool.look(), ...pool.run(20 * minute)]
    expect(steps).toEqual([])
    expect(pool.size).toBe(2)
  })

  it('firing re-sent after resolved does not keep nodes that go', () => {
    const pool = grown(85)
    pool.hear('resolved')
    pool.run(11 * minute)
    pool.hear('firing')
    pool.run(10 * minute)
    expect(pool.removed).toEqual(['ins-1'])
    expect(kinds(pool)).not.toContain('stop-recovery')
  })

  it('resolved lost: the lease expires after the metric is read', () => {
    const pool = grown(85)
    // Nobody says that it is over, and it still counts as firing two hours later.
    pool.habits = { ...pool.habits, loadMilli: 6000 }
    pool.run(2 * hour)
    expect(pool.episodes[0]?.state).toBe('firing')
    expect(pool.removed).toEqual([])
    // The metric was read at the end of the lease and was bad: 6 of 12 cores would be 6 of 8.
    expect(pool.leases[0]).toMatchObject({ state: 'held', expiresAtMs: noon + 2 * hour })
    expect(codes(pool.plan())).toContain('held would-retrigger')
    pool.habits = { ...pool.habits, loadMilli: 2000 }
    const steps = pool.run(10 * minute)
    expect(hasCode(steps, 'lease-expired')).toBe(true)
    expect(pool.removed).toEqual(['ins-1'])
    expect(pool.leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'removed' } })
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
  })

  it('a lease whose metric is still bad at its end goes on', () => {
    const pool = grown(85, { habits: { loadMilli: 9000 } })
    pool.habits = { ...pool.habits, loadMilli: 9000 }
    const steps = pool.run(2 * hour)
    expect(steps.filter(({ reason }) => reason.code === 'lease-extended')).toHaveLength(1)
    expect(pool.leases[0]?.expiresAtMs).toBe(noon + 4 * hour)
    expect(pool.removed).toEqual([])
  })

  it('a lease of which nothing can be read at its end keeps its nodes', () => {
    const confirm = [{ prometheus: { url: 'https://prometheus.example.com', query: 'load', above: 60 } }]
    const settings = config({ policies: [policyDoc({ confirm })] })
    const pool = grown(85)
    const steps = plan(pool.observed(), settings, noon + 2 * hour)
    expect(codes(steps)).toContain('held confirm-unreadable')
    expect(change(steps, 'recover')).toEqual([])
  })

  it('repeat notifications during warm-up add none, a higher step adds only the difference', () => {
    const pool = new SmallPool(config(), { loadMilli: 20_000 })
    pool.hear('firing', { value: 85 })
    pool.look()
    expect(askedFor(pool)).toBe(1)
    for (let minutes = 0; minutes < 4; minutes += 1) {
      pool.run(minute)
      pool.hear('firing', { value: 85 })
      pool.look()
    }
    expect(askedFor(pool)).toBe(1)
    pool.hear('firing', { value: 101 })
    const [grow] = change(pool.look(), 'grow')
    expect(grow?.lease).toMatchObject({ level: 4, wanted: 3, step: 2, bounds: { min: 6, max: 10 } })
    expect(askedFor(pool)).toBe(4)
    pool.hear('firing', { value: 101 })
    pool.look()
    expect(askedFor(pool)).toBe(4)
  })

  it('an alarm that goes on after the warm-up adds again, once it is heard again', () => {
    const pool = new SmallPool(config(), { loadMilli: 20_000 })
    pool.hear('firing', { value: 85 })
    pool.look()
    // In service from 12:07 on. What was heard before that says nothing about the pool with the new node.
    pool.run(6 * minute)
    pool.hear('firing', { value: 85 })
    pool.run(4 * minute)
    expect(codes(pool.plan())).toContain('no-change answered')
    expect(askedFor(pool)).toBe(1)
    pool.hear('firing', { value: 85 })
    pool.look()
    expect(askedFor(pool)).toBe(2)
  })

  it.each(['no-data'] as const)('INSUFFICIENT_DATA and "no data" are not recovery', (state) => {
    const pool = grown(85)
    pool.advance(minute)
    expect(pool.hear(state)).toBe('no-data')
    const steps = pool.run(hour)
    expect(kinds(pool)).not.toContain('recover')
    expect(hasCode(steps, 'no-data')).toBe(true)
    expect(pool.size).toBe(3)
  })

  it('no data of another alarm keeps the nodes, too', () => {
    const pool = grown(85)
    pool.hear('firing', { key: 'series-2' })
    pool.hear('no-data', { key: 'series-2' })
    pool.hear('resolved')
    const steps = pool.run(30 * minute)
    expect(hasCode(steps, 'another-alarm-fires')).toBe(true)
    expect(pool.removed).toEqual([])
  })

  it('scale-in that would re-trigger is not done', () => {
    const pool = grown(85)
    // 5.2 of 12 cores are 43 %; of 8 they would be 65 %, and 54 is the limit with its margin.
    pool.habits = { ...pool.habits, loadMilli: 5200 }
    pool.hear('resolved')
    const steps = pool.run(30 * minute)
    expect(kinds(pool)).not.toContain('recover')
    const held = steps.find(({ reason }) => reason.code === 'would-retrigger')
    expect(held?.reason.text).toContain('without 1 of 3 nodes, requested cores would go from 43.3 % to 65 %, and have to stay below 54 %')
    pool.habits = { ...pool.habits, loadMilli: 4300 }
    pool.run(10 * minute)
    expect(pool.removed).toEqual(['ins-1'])
  })

  it('scale-in goes only as far as it does not re-trigger', () => {
    const pool = grown(101)
    expect(pool.size).toBe(6)
    // 6.2 cores: of 3 nodes 52 %, of 2 nodes 78 %.
    pool.habits = { ...pool.habits, loadMilli: 6200 }
    pool.hear('resolved')
    const steps = pool.run(hour)
    expect(pool.removed).toHaveLength(3)
    expect(pool.size).toBe(3)
    expect(hasCode(steps, 'would-retrigger')).toBe(true)
  })

  it('a drain blocked by a PDB ends uncordoned at its deadline', () => {
    const pool = grown(85, { habits: { blocked: new Set(['ins-1']) } })
    pool.hear('resolved')
    const steps = pool.run(30 * minute)
    const [stop] = change(steps, 'stop-recovery')
    expect(stop).toMatchObject({
      code: 'drain-deadline',
      nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1' }],
      count: 1,
      retryMs: 10 * minute,
    })
    expect(stop?.text).toContain('the budget default/db lets no pod go')
    expect(stop?.text).toContain('3 pods left after 10m')
    const began = pool.done.find(({ step }) => step.change.kind === 'drain')?.atMs ?? 0
    expect(pool.done.find(({ step }) => step.change.kind === 'stop-recovery')?.atMs).toBe(began + 10 * minute)
    expect(pool.view().nodes.find(({ instanceId }) => instanceId === 'ins-1')?.unschedulable).toBe(false)
    expect(pool.leases[0]).toMatchObject({ state: 'held', setback: { code: 'drain-deadline' } })
    expect(pool.removed).toEqual([])
    // It is tried again, later each time.
    pool.run(10 * minute)
    expect(pool.leases[0]?.state).toBe('recovering')
    pool.run(15 * minute)
    expect(pool.leases[0]?.setback).toMatchObject({ count: 2 })
    pool.habits = { ...pool.habits, blocked: new Set() }
    pool.run(30 * minute)
    expect(pool.removed).toEqual(['ins-1'])
  })

  it('a node that somebody opens while it is emptied is not closed again', () => {
    const pool = grown(85, { habits: { blocked: new Set(['ins-1']) } })
    pool.hear('resolved')
    for (let minutes = 0; minutes < 30 && !kinds(pool).includes('drain'); minutes += 1) pool.run(minute)
    pool.open('ins-1')
    pool.habits = { ...pool.habits, blocked: new Set() }
    const steps = pool.run(9 * minute)
    const [stop] = change(steps, 'stop-recovery')
    expect(stop).toMatchObject({ code: 'node-opened', nodes: [{ instanceId: 'ins-1' }], count: 1, retryMs: 10 * minute })
    expect(stop?.text).toContain('somebody has opened node-ins-1')
    expect(change(steps, 'drain')).toEqual([])
    expect(pool.view().nodes.every(({ unschedulable }) => !unschedulable)).toBe(true)
    expect(pool.leases[0]).toMatchObject({ state: 'held', setback: { code: 'node-opened' } })
    pool.run(30 * minute)
    expect(pool.removed).toEqual(['ins-1'])
  })

  it('a node that somebody opens goes all the same when somebody has released its lease', () => {
    const pool = grown(85, { habits: { blocked: new Set(['ins-1']) } })
    const [lease] = pool.leases
    if (lease === undefined) throw new Error('there is no lease')
    for (const step of planRelease(pool.observed(), pool.config, { leaseId: lease.id, keep: false, by: 'on call' }, pool.now))
      pool.carry(step)
    for (let minutes = 0; minutes < 30 && !kinds(pool).includes('drain'); minutes += 1) pool.run(minute)
    pool.open('ins-1')
    pool.habits = { ...pool.habits, blocked: new Set() }
    pool.run(15 * minute)
    expect(pool.removed).toEqual(['ins-1'])
  })

  it('an alarm that is over before anybody knows whether its nodes were asked for holds up no other one', () => {
    const pool = new SmallPool()
    pool.fault = 'lost-before'
    pool.hear('firing', { value: 85 })
    pool.look()
    expect(pool.leases.map(({ state }) => state)).toEqual(['asking'])
    pool.hear('resolved')
    pool.fault = 'none'
    pool.hear('firing', { key: 'series-2', startedAtMs: pool.now, value: 95 })
    const steps = pool.run(3 * minute)
    expect(hasCode(steps, 'being-asked')).toBe(true)
    expect(kinds(pool).filter((kind) => kind === 'grow')).toHaveLength(1)
    pool.hear('firing', { key: 'series-2', startedAtMs: pool.now, value: 95 })
    pool.run(10 * minute)
    expect(pool.leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'failed' } })
    expect(pool.leases[1]?.episode.key).toBe('series-2')
    expect(pool.now - noon).toBeLessThan(15 * minute)
  })

  it('a lease that is asked for again and again is given up in the end, so that a worse alarm has its turn', () => {
    const pool = new SmallPool()
    pool.fault = 'lost-before'
    pool.hear('firing', { value: 85 })
    pool.look()
    const tries = () => pool.done.filter(({ step }) => step.change.kind === 'grow').length
    pool.run(5 * minute)
    expect(tries()).toBeGreaterThan(2)
    expect(pool.leases).toHaveLength(1)
    const before = tries()
    pool.run(3 * minute)
    expect(tries()).toBe(before)
    pool.run(5 * minute)
    expect(pool.leases[0]?.state).toBe('closed')
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
  })

  it('pending pods cancel scale-in midway', () => {
    const pool = grown(101)
    pool.hear('resolved')
    pool.run(14 * minute)
    expect(kinds(pool)).toContain('drain')
    const removed = pool.removed.length
    expect(removed).toBeLessThan(4)
    pool.pendingPods = 2
    const steps = pool.run(20 * minute)
    const [stop] = change(steps, 'stop-recovery')
    expect(stop).toMatchObject({ code: 'pods-pending' })
    expect(stop?.text).toContain('2 pods without a place')
    expect(pool.removed).toHaveLength(removed)
    expect(pool.view().nodes.every(({ unschedulable }) => !unschedulable)).toBe(true)
    pool.pendingPods = 0
    pool.run(2 * hour)
    expect(pool.removed).toHaveLength(4)
  })

  it('a new firing cancels scale-in midway', () => {
    const pool = grown(101)
    pool.hear('resolved')
    pool.run(14 * minute)
    const removed = pool.removed.length
    pool.hear('firing', { startedAtMs: pool.now, value: 85 })
    const [stop] = change(pool.look(), 'stop-recovery')
    expect(stop).toMatchObject({ code: 'fired-again', count: 0, retryMs: 0 })
    pool.run(20 * minute)
    expect(pool.removed).toHaveLength(removed)
    expect(pool.view().nodes.every(({ unschedulable }) => !unschedulable)).toBe(true)
  })

  it('a node that never becomes Ready is compensated', () => {
    const pool = new SmallPool(config(), { broken: new Set([1]), loadMilli: 6000 })
    pool.hear('firing', { value: 85 })
    pool.look()
    pool.run(15 * minute)
    expect(pool.size).toBe(3)
    pool.run(5 * minute)
    const removal = pool.done.find(({ step }) => step.change.kind === 'remove')
    expect(removal?.step.change).toMatchObject({ instanceId: 'ins-1', force: true, mode: 'terminate', group: 'asg-1' })
    expect(pool.leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'compensated', code: 'never-ready' } })
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
    expect(pool.size).toBe(2)
  })

  it('what does become ready stays when the rest never does', () => {
    const pool = new SmallPool(config(), { broken: new Set([2]), loadMilli: 6000 })
    pool.hear('firing', { value: 95 })
    pool.look()
    pool.run(20 * minute)
    expect(pool.removed).toEqual(['ins-2'])
    expect(pool.leases[0]).toMatchObject({ state: 'held', wanted: 2, floor: 1 })
    expect(pool.bounds).toEqual({ min: 3, max: 10 })
    expect(pool.size).toBe(3)
  })

  it('machines that a group cannot buy are not waited for, and its bounds go back', () => {
    const pool = new SmallPool(config(), { stock: 0 })
    pool.hear('firing', { value: 95 })
    pool.look()
    pool.run(20 * minute)
    expect(pool.leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'failed', code: 'never-arrived' } })
    expect(
      change(
        pool.done.map(({ step }) => step),
        'restore-bounds',
      ).map(({ phase, to }) => [phase, to]),
    ).toEqual([
      ['floor', { min: 1, max: 10 }],
      ['trim', { min: 1, max: 2 }],
      ['ceiling', { min: 1, max: 10 }],
    ])
    pool.habits = { ...pool.habits, stock: 1000 }
    pool.advance(5 * minute)
    expect(pool.size).toBe(2)
  })

  it.each(['lost-before', 'lost-after'] as const)('a lost answer does not buy twice (%s)', (fault) => {
    const pool = new SmallPool(config(), { loadMilli: 20_000 })
    pool.hear('firing', { value: 95 })
    pool.fault = fault
    pool.look()
    expect(pool.leases).toMatchObject([{ state: 'asking', wanted: 2 }])
    const [first] = pool.done
    pool.advance(minute)
    pool.hear('firing', { value: 101 })
    const again = pool.plan()
    const [step] = again.filter(({ verdict }) => verdict === 'change')
    if (fault === 'lost-before') {
      // Nothing is to be seen of it: the very same step goes on, and nothing else is asked for meanwhile.
      expect(step).toMatchObject({ key: first?.step.key, after: first?.step.after, target: first?.step.target, change: first?.step.change })
      expect(codes(again)).toContain('no-change being-asked')
    } else {
      expect(step?.reason.code).toBe('nodes-coming')
    }
    pool.fault = 'none'
    pool.run(3 * minute)
    expect(pool.bought).toBeLessThanOrEqual(4)
    pool.run(12 * minute)
    expect(pool.bought).toBe(4)
    expect(pool.leases.map(({ wanted, level }) => [wanted, level])).toEqual([
      [2, 2],
      [2, 4],
    ])
  })

  it('only leased nodes are removed', () => {
    const pool = grown(101)
    const before = new Set(['ins-a', 'ins-b'])
    pool.hear('resolved')
    pool.habits = { ...pool.habits, loadMilli: 0 }
    pool.run(6 * hour)
    expect(pool.removed).toHaveLength(4)
    expect(pool.removed.some((id) => before.has(id))).toBe(false)
    expect(pool.size).toBe(2)
    expect(pool.leases.every(({ state }) => state === 'closed')).toBe(true)
  })
})

describe('quota, subnet, licence and absolute maximum each refuse alone', () => {
  const order = {
    Placement: { Zone: 'ap-guangzhou-3' },
    VirtualPrivateCloud: { VpcId: 'vpc-1', SubnetId: 'subnet-1' },
    InstanceType: 'S5.LARGE8',
  }
  const buying = policyDoc({ mechanisms: [{ kind: 'new-instances', order, cores: 4 }], caps: { event: 1000, hour: 1000, day: 1000 } })
  const settings = config({ policies: [buying] })

  function refusal(more: Partial<PoolView>, by = settings): AlarmStep | undefined {
    const steps = plan(observed({ pools: [view(more)] }), by, noon)
    expect(change(steps, 'grow')).toEqual([])
    return steps.find(({ verdict }) => verdict === 'held')
  }

  it('lets it through when nothing refuses', () => {
    expect(change(plan(observed({ pools: [view()] }), settings, noon), 'grow')).toHaveLength(1)
  })

  it('quota', () => {
    const held = refusal({ quota: { maxNodes: 12 }, clusterNodes: 10, comingElsewhere: 2 })
    expect(held?.reason).toMatchObject({ code: 'quota' })
    expect(held?.reason.text).toContain('cluster cls-1 has 10 nodes and 2 on their way, and may have 12')
  })

  it('quota that nobody can read', () => {
    expect(refusal({ quota: undefined })?.reason.code).toBe('quota-unknown')
  })

  it('subnet', () => {
    const held = refusal({ subnets: [{ id: 'subnet-1', free: 0 }] })
    expect(held?.reason).toMatchObject({ code: 'subnet-full' })
    expect(held?.reason.text).toContain('subnet subnet-1 has no address left')
  })

  it('licence that is used up', () => {
    const held = refusal({ licence: { overage: 'ok', freeCores: 3, atMs: noon - minute, takenElsewhere: 0 } })
    expect(held?.reason).toMatchObject({ code: 'licence-headroom' })
    expect(held?.reason.text).toContain('3 licensed cores were free in ap-guangzhou, 0 are asked for since, and a node has 4')
  })

  it('licence that is exceeded', () => {
    expect(refusal({ licence: { overage: 'over', freeCores: 'unknown', takenElsewhere: 0 } })?.reason.code).toBe('licence-over')
  })

  it('licence of which nobody knows', () => {
    expect(refusal({ licence: undefined })?.reason.code).toBe('licence-unreadable')
    expect(refusal({ licence: { overage: 'unknown', freeCores: 'unknown', takenElsewhere: 0 } })?.reason.code).toBe('licence-unreadable')
  })

  it('absolute maximum', () => {
    const held = refusal({}, config({ policies: [buying], pool: { max: 2 } }))
    expect(held?.reason).toMatchObject({ code: 'absolute-max' })
    expect(held?.reason.text).toContain('the pool has 2 nodes and 0 on their way, and never more than 2')
  })

  it('absolute maximum of 0 means none', () => {
    const held = refusal(
      { nodes: [], clusterNodes: 0, pendingPods: 1 },
      config({ policies: [policyDoc({ ...buying, confirm: [{ pendingPods: { atLeast: 1 } }] })], pool: { max: 0 } }),
    )
    expect(held?.reason.code).toBe('absolute-max')
  })
})

describe('Cluster Autoscaler enabled on the group', () => {
  const autoscaler = { groups: ['asg-1'], lastSeenMs: noon - minute, isScaleDownEnabled: true }

  it('is refused with its name', () => {
    const steps = plan(observed({ pools: [view({ autoscaler })] }), config(), noon)
    expect(codes(steps)).toEqual(['held cluster-autoscaler-active'])
    expect(steps[0]?.reason.text).toContain(
      'the cluster autoscaler of cls-1 looks after scaling group asg-1, seen last at 2026-11-24T11:59:00Z',
    )
  })

  it('is no obstacle where it looks after another group, has long been silent, or shares', () => {
    const grows = (more: Partial<typeof autoscaler>, doc: Doc = {}): boolean =>
      change(
        plan(observed({ pools: [view({ autoscaler: { ...autoscaler, ...more } })] }), config({ policies: [policyDoc(doc)] }), noon),
        'grow',
      ).length === 1
    expect(grows({ groups: ['asg-2'] })).toBe(true)
    expect(grows({ lastSeenMs: noon - hour })).toBe(true)
    expect(grows({}, { clusterAutoscaler: 'share' })).toBe(true)
    expect(grows({ lastSeenMs: undefined as never })).toBe(false)
  })
})

describe('alarms that say less than they should', () => {
  it('are at the first step without a value or a threshold', () => {
    for (const more of [{ value: undefined }, { threshold: undefined }]) {
      const [grow] = change(plan(observed({ episodes: [episode(more)] }), config(), noon), 'grow')
      expect(grow?.lease).toMatchObject({ step: 0, wanted: 1 })
    }
  })
})
