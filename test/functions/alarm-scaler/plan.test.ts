import { describe, expect, it } from 'vitest'
import type { Episode } from '#functions/alarm-scaler/episode.ts'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { plan, suggestions } from '#functions/alarm-scaler/plan.ts'
import { recordAfter } from '#functions/alarm-scaler/record-after.ts'
import { planRelease } from '#functions/alarm-scaler/release.ts'
import type { PoolNode, PoolView } from '#functions/alarm-scaler/view.ts'
import { change, codes, config, type Doc, episode, hour, minute, node, noon, observed, policyDoc, SmallPool, view } from './small-pool.ts'

const order = {
  Placement: { Zone: 'ap-guangzhou-3' },
  VirtualPrivateCloud: { VpcId: 'vpc-1', SubnetId: 'subnet-1' },
  InstanceType: 'S5.LARGE8',
}
const buy = { kind: 'new-instances', order, cores: 4 }
const virtual = { kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1', 'subnet-2', 'subnet-3'] }
const spare = { kind: 'existing-instances', names: ['spare-*'] }
const groupOne = { kind: 'scaling-group', group: 'asg-1', bounds: { min: 1, max: 10 }, cores: 4 }

function growth(doc: Doc, more: Partial<PoolView> = {}, episodes = [episode()]) {
  const steps = plan(observed({ episodes, pools: [view(more)] }), config({ policies: [policyDoc(doc)] }), noon)
  return { steps, grow: change(steps, 'grow')[0], held: steps.find(({ verdict }) => verdict === 'held') }
}

/** A lease as it is on record, of a policy and a group that the small pool has. */
function lease(more: Partial<Lease> = {}): Lease {
  return {
    id: 'ls-0000000000000001',
    ordinal: 1,
    key: 'alarm-scaler:1',
    policy: 'busy',
    episode: { id: 'ep-0', source: 'am', key: 'series-0', name: 'HighCpu', startedAtMs: noon - 5 * hour },
    step: 0,
    level: 1,
    wanted: 1,
    mechanism: { name: 'scaling-group asg-1', kind: 'scaling-group', group: 'asg-1' },
    before: { instanceIds: ['ins-a', 'ins-b'], bounds: { min: 1, max: 10 } },
    bounds: { min: 3, max: 10 },
    floor: 1,
    state: 'held',
    nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon - 4 * hour }],
    askedAtMs: noon - 4 * hour,
    provisionUntilMs: noon - 4 * hour + 15 * minute,
    heldSinceMs: noon - 4 * hour,
    expiresAtMs: noon + hour,
    ...more,
  }
}

const leased = node('ins-1', { leaseId: 'ls-0000000000000001', isKept: true, addedAtMs: noon - 4 * hour })

/** The small pool with a lease on record, and its node. */
function withLeases(
  leases: readonly Lease[],
  more: Partial<PoolView> = {},
  nodes: readonly PoolNode[] = [node('ins-a'), node('ins-b'), leased],
): PoolView {
  return view({
    nodes,
    record: {
      resourceVersion: '7',
      value: {
        version: 1,
        cluster: 'cls-1',
        pool: 'workers',
        ordinal: Math.max(0, ...leases.map(({ ordinal }) => ordinal)),
        bases: [{ group: 'asg-1', before: { min: 1, max: 10 }, set: { min: 3, max: 10, atMs: noon - 4 * hour } }],
        leases: [...leases],
      },
    },
    ...more,
  })
}

/** The same, when the group's floor is where it was before the lease. */
function lowered(pool: PoolView): PoolView {
  const { record } = pool
  if (record === undefined) return pool
  const bases = record.value.bases.map((base) => ({ ...base, set: { ...base.set, min: base.before.min } }))
  return { ...pool, record: { ...record, value: { ...record.value, bases } } }
}

const over = episode({ id: 'ep-0', key: 'series-0', state: 'resolved', resolvedAtMs: noon - hour, lastHeardMs: noon - hour })
const calm = { requested: { cpuMilli: 500, memoryBytes: 1e9 } }
const calmNodes = [node('ins-a', calm), node('ins-b', calm), { ...leased, ...calm }]

describe('growing', () => {
  it('asks the group for an absolute size, with all that was decided by in the sentence', () => {
    const { steps, grow } = growth({}, {}, [episode({ value: 91 })])
    expect(grow).toMatchObject({
      cluster: 'cls-1',
      region: 'ap-guangzhou',
      pool: 'workers',
      ordinal: 0,
      provisionMs: 15 * minute,
      leaseMs: 2 * hour,
      lease: {
        policy: 'busy',
        step: 1,
        level: 2,
        wanted: 2,
        cores: 4,
        mechanism: { name: 'scaling-group asg-1', kind: 'scaling-group', group: 'asg-1' },
        before: { instanceIds: ['ins-a', 'ins-b'], bounds: { min: 1, max: 10 } },
        bounds: { min: 4, max: 10 },
      },
    })
    expect(grow?.lease.token).toBeUndefined()
    expect(steps[0]).toMatchObject({
      target: 'cls-1/workers',
      before: '2 nodes, 0 on their way',
      after: '2 nodes more by scaling-group asg-1, at least 4 and at most 10 machines',
      reason: {
        code: 'alarm-confirmed',
        text: 'busy, alarm HighCpu: 91 over 80, step 2 of 3 wants 2 more: 2 in service, 0 warming up, 0 in flight, so 2 nodes; 75 % of the cores requested, more than 60 % confirm it',
      },
      undo: { kind: 'release', keep: false },
    })
  })

  it('raises the ceiling of a group only as far as it has to', () => {
    const tight = { ...groupOne, bounds: { min: 1, max: 3 } }
    const groups = [{ id: 'asg-1', status: 'enabled', size: 2, bounds: { min: 1, max: 3, source: 'settings' as const } }]
    const { grow } = growth({ mechanisms: [tight] }, { groups }, [episode({ value: 91 })])
    expect(grow?.lease.bounds).toEqual({ min: 4, max: 4 })
  })

  it('counts machines that the autoscaler has asked the group for as on their way', () => {
    const groups = [
      {
        id: 'asg-1',
        status: 'enabled',
        size: 2,
        wanted: 3,
        bounds: { min: 1, max: 10, source: 'autoscaler' as const, atMs: noon - minute },
      },
    ]
    const { grow } = growth({ clusterAutoscaler: 'share' }, { groups }, [episode({ value: 91 })])
    expect(grow?.lease).toMatchObject({ wanted: 1, bounds: { min: 4, max: 10 } })
    const none = growth({ clusterAutoscaler: 'share' }, { groups })
    expect(codes(none.steps)).toEqual(['no-change already-on-its-way'])
  })

  it('takes the largest of several alarms and policies, and says so of the others', () => {
    const episodes = [
      episode({ id: 'ep-1', value: 81 }),
      episode({ id: 'ep-2', key: 'b', value: 101 }),
      episode({ id: 'ep-3', key: 'c', value: 91 }),
    ]
    const { steps, grow } = growth({}, {}, episodes)
    expect(grow?.lease).toMatchObject({ wanted: 4, episode: { id: 'ep-2' } })
    expect(codes(steps).toSorted()).toEqual(['change alarm-confirmed', 'no-change smaller-than-another', 'no-change smaller-than-another'])
  })

  it('lets a smaller alarm grow the pool when the policy of a larger one has no room', () => {
    const settings = config({ policies: [policyDoc({ caps: { event: 0 } }), policyDoc({ name: 'calm', steps: [{ from: 0, add: 1 }] })] })
    const steps = plan(observed({ episodes: [episode({ value: 101 })] }), settings, noon)
    expect(codes(steps).toSorted()).toEqual(['change alarm-confirmed', 'held cap-event'])
    expect(change(steps, 'grow')[0]?.lease).toMatchObject({ policy: 'calm', wanted: 1 })
  })

  it('grows by a share of what is in service, rounded up', () => {
    const steps = [
      { from: 0, addPercent: 10, atLeast: 1 },
      { from: 10, addPercent: 75 },
    ]
    expect(growth({ steps }).grow?.lease.wanted).toBe(1)
    expect(growth({ steps }, {}, [episode({ value: 95 })]).grow?.lease.wanted).toBe(2)
  })

  it('takes what a limit leaves, says which, and asks for the rest when there is room', () => {
    const { steps, grow } = growth({ caps: { event: 10, hour: 3, day: 30 } }, {}, [episode({ value: 101 })])
    expect(grow?.lease).toMatchObject({ wanted: 3, level: 3 })
    expect(steps[0]?.reason.text).toContain('only 3 of 4: 0 of 3 nodes within an hour are used (cap-hour)')
    const pool = new SmallPool(config({ policies: [policyDoc({ caps: { event: 10, hour: 3, day: 30 } })] }), { loadMilli: 40_000 })
    for (let minutes = 0; minutes < 70; minutes += 1) {
      pool.hear('firing', { value: 101 })
      pool.look()
      pool.advance(minute)
    }
    expect(pool.leases.map(({ wanted }) => wanted)).toEqual([3, 3])
    expect((pool.leases[1]?.askedAtMs ?? 0) - (pool.leases[0]?.askedAtMs ?? 0)).toBe(hour)
  })

  it.each([
    [{ caps: { event: 0 } }, 'cap-event', '0 of 0 nodes for one alarm are used'],
    [{ caps: { hour: 0 } }, 'cap-hour', '0 of 0 nodes within an hour are used'],
    [{ caps: { day: 0 } }, 'cap-day', '0 of 0 nodes within 24 hours are used'],
  ] as const)('a cap of 0 means none: %j', (doc, code, text) => {
    const { held, grow } = growth(doc)
    expect(grow).toBeUndefined()
    expect(held?.reason).toMatchObject({ code })
    expect(held?.reason.text).toContain(text)
  })

  it('counts what one alarm was given from its beginning to its end, and not what others were', () => {
    const given = (id: string) =>
      lease({
        level: 3,
        wanted: 3,
        state: 'closed',
        nodes: [],
        episode: { id, source: 'am', key: 'k', name: 'HighCpu', startedAtMs: noon },
        outcome: { kind: 'removed', code: '', text: '', atMs: noon - 2 * hour },
      })
    const at = (id: string, event: number) => {
      const pools = [withLeases([given(id)], {}, [node('ins-a'), node('ins-b')])]
      const settings = config({ policies: [policyDoc({ mechanisms: [buy], caps: { event } })] })
      const steps = plan(observed({ episodes: [episode({ value: 101 })], pools }), settings, noon)
      return change(steps, 'grow')[0]?.lease.wanted ?? steps.find(({ verdict }) => verdict === 'held')?.reason.text
    }
    expect(at('ep-0', 4)).toBe(4)
    expect(at('ep-1', 4)).toBe(1)
    expect(at('ep-1', 3)).toContain('3 of 3 nodes for one alarm are used')
  })

  it('does not grow again within the cooldown, whichever alarm asks', () => {
    const pool = new SmallPool(config({ policies: [policyDoc({ cooldown: { out: '20m' } })] }), { loadMilli: 40_000 })
    pool.hear('firing')
    pool.look()
    pool.run(9 * minute)
    pool.hear('firing', { key: 'other' })
    const held = pool.look().find(({ reason }) => reason.code === 'cooldown')
    expect(held?.reason.text).toContain('the pool has grown at 2026-11-24T12:00:00Z to 1 more and grows again from 2026-11-24T12:20:00Z on')
    pool.advance(11 * minute)
    pool.hear('firing', { key: 'other' })
    expect(codes(pool.look())).toContain('change alarm-confirmed')
  })

  it('says what is wrong with the moment, the reading and the alarm', () => {
    expect(codes(growth({}, {}, [episode({ lastHeardMs: noon - 16 * minute })]).steps)).toEqual(['skipped stale-episode'])
    expect(codes(growth({}, {}, [episode({ lastHeardMs: noon - 15 * minute })]).steps)).toEqual(['change alarm-confirmed'])
    expect(codes(growth({}, {}, [episode({ value: 79.9 })]).steps)).toEqual(['skipped no-step'])
    expect(codes(growth({}, {}, [episode({ value: 80 })]).steps)).toEqual(['change alarm-confirmed'])
    expect(codes(growth({}, {}, [episode({ state: 'no-data' })]).steps)).toEqual(['no-change no-data'])
    expect(codes(growth({}, {}, [episode({ state: 'resolved' })]).steps)).toEqual([])
    expect(codes(growth({ confirm: [{ pendingPods: { atLeast: 1 } }] }).steps)).toEqual(['skipped not-confirmed'])
    const prometheus = { url: 'https://prometheus.example.com', query: 'load', above: 5 }
    const unread = growth(
      { confirm: [{ prometheus }] },
      { readings: [{ name: 'https://prometheus.example.com load', problem: 'HTTP 503' }] },
    )
    expect(codes(unread.steps)).toEqual(['held confirm-unreadable'])
    expect(unread.held?.reason.text).toContain('nothing is bought unconfirmed: load cannot be read: HTTP 503')
  })

  it('leaves a pool alone of which something could not be read', () => {
    const problem = { code: 'cluster-unreadable', text: 'cls-1 does not answer' } as const
    const steps = plan(observed({ pools: [withLeases([lease({ expiresAtMs: noon - 1 })], { problem })] }), config(), noon)
    expect(codes(steps)).toEqual(['held pool-unreadable'])
    expect(steps[0]?.reason.text).toBe('cls-1 does not answer; nothing is bought and nothing is given back')
  })

  it('only says what it would do where the policy observes', () => {
    const { steps } = growth({ mode: 'observe' })
    expect(codes(steps)).toEqual(['skipped policy-observes'])
    expect(steps[0]?.reason.text).toContain('would be added: 1 node more by scaling-group asg-1')
  })

  it('grows no further when the record is full, because caps could not be counted any more', () => {
    const closed = Array.from({ length: 200 }, (_, index) =>
      lease({
        id: `ls-${String(index).padStart(16, '0')}`,
        ordinal: index + 1,
        state: 'closed',
        nodes: [],
        askedAtMs: noon - 40 * hour,
        outcome: { kind: 'removed', code: 'given-back', text: '', atMs: noon - 47 * hour },
      }),
    )
    const value = { version: 1, cluster: 'cls-1', pool: 'workers', ordinal: 200, bases: [], leases: closed } as const
    const pools = [view({ record: { value: { ...value, bases: [] }, resourceVersion: '7' } })]
    const at = (now: number) => codes(plan(observed({ episodes: [episode({ lastHeardMs: now })], pools }), config(), now))
    expect(at(noon)).toEqual(['held record-full'])
    // They are forgotten by then, with the next write.
    expect(at(noon + hour)).toEqual(['change alarm-confirmed'])
  })

  it('does not let two pools of one plan have the same room twice', () => {
    const settings = config({
      policies: [policyDoc({ mechanisms: [buy] }), policyDoc({ name: 'more', pool: 'other', mechanisms: [buy] })],
      more: {
        pools: [
          { name: 'workers', cluster: 'cls-1', max: 9 },
          { name: 'other', cluster: 'cls-1', labels: { pool: 'other' }, max: 9 },
        ],
      },
    })
    const pools = ['workers', 'other'].map((pool) => view({ pool, clusterNodes: 9, quota: { maxNodes: 10 } }))
    const steps = plan(observed({ pools }), settings, noon)
    expect(change(steps, 'grow')).toHaveLength(1)
    expect(steps.find(({ verdict }) => verdict === 'held')?.reason).toMatchObject({ code: 'quota' })
    const licensed = pools.map((one) => ({
      ...one,
      quota: { maxNodes: 100 },
      licence: { overage: 'ok' as const, freeCores: 7, atMs: noon, takenElsewhere: 0 },
    }))
    const second = plan(observed({ pools: licensed }), settings, noon)
    expect(change(second, 'grow')).toHaveLength(1)
    expect(second.find(({ verdict }) => verdict === 'held')?.reason).toMatchObject({ code: 'licence-headroom' })
  })

  it('keeps licensed cores in reserve, and heeds the forecast', () => {
    const licence = { overage: 'ok', freeCores: 20, atMs: noon - hour, takenElsewhere: 4, blockedAtMs: noon + 24 * hour } as const
    const { grow, steps } = growth({ licence: { reserveCores: 8 } }, { licence }, [episode({ value: 101 })])
    expect(grow?.lease.wanted).toBe(2)
    expect(steps[0]?.reason.text).toContain(
      '20 licensed cores were free in ap-guangzhou, 8 of them left for others, 4 are asked for since, and a node has 4',
    )
    expect(growth({ licence: { horizon: '1d' } }, { licence }).held?.reason.code).toBe('licence-forecast')
    expect(growth({ licence: { horizon: '23h' } }, { licence }).grow).toBeDefined()
    expect(growth({ licence: { guard: false, horizon: '1d' } }, { licence: { ...licence, overage: 'over' } }).grow).toBeDefined()
    const unknown = { ...groupOne, cores: undefined }
    expect(growth({ mechanisms: [unknown] }, { licence }).held?.reason.code).toBe('licence-cores-unknown')
  })

  it('counts what was asked for and has not come in every limit', () => {
    const coming = lease({
      policy: 'other',
      level: 3,
      wanted: 3,
      cores: 4,
      state: 'provisioning',
      nodes: [],
      heldSinceMs: undefined,
      askedAtMs: noon - 10 * minute,
      provisionUntilMs: noon + 5 * minute,
      mechanism: { name: 'buy', kind: 'new-instances' },
    })
    const two = [node('ins-a'), node('ins-b')]
    // Four more than those in service, of which three are on their way.
    const worst = [episode({ value: 101 })]
    const at = (docs: Parameters<typeof config>[0], more: Partial<PoolView> = {}, leases: readonly Lease[] = [coming]) => {
      const steps = plan(
        observed({ episodes: worst, pools: [withLeases(leases, more, two)] }),
        config({ policies: [policyDoc({ mechanisms: [buy] })], ...docs }),
        noon,
      )
      return { wanted: change(steps, 'grow')[0]?.lease.wanted, held: steps.find(({ verdict }) => verdict === 'held')?.reason }
    }
    expect(at({}).wanted).toBe(1)
    expect(at({ pool: { max: 6 } }).wanted).toBe(1)
    expect(at({ pool: { max: 5 } }).held?.text).toContain('the pool has 2 nodes and 3 on their way, and never more than 5')
    expect(at({}, { quota: { maxNodes: 6 } }).wanted).toBe(1)
    expect(at({}, { quota: { maxNodes: 5 } }).held?.text).toContain('cluster cls-1 has 2 nodes and 3 on their way, and may have 5')
    // Measured after they were asked for, and before: either way they are to come.
    const licence = (freeCores: number, atMs: number) => ({ licence: { overage: 'ok' as const, freeCores, atMs, takenElsewhere: 0 } })
    for (const atMs of [noon - minute, noon - hour]) {
      expect(at({}, licence(16, atMs)).wanted).toBe(1)
      expect(at({}, licence(15, atMs)).held?.text).toContain('15 licensed cores were free in ap-guangzhou, 12 are asked for since')
    }
    // What has come is in what was measured since, and what has come to nothing was never there.
    const come = { ...coming, nodes: two.map(({ instanceId }) => ({ instanceId })), before: { instanceIds: [] } }
    expect(at({}, licence(8, noon - minute), [{ ...come, wanted: 2 }]).held).toBeUndefined()
    const failed: Lease = { ...coming, state: 'closed', outcome: { kind: 'failed', code: 'sold-out', text: '', atMs: noon - 4 * hour } }
    expect(at({ pool: { max: 6 } }, {}, [failed]).wanted).toBe(4)
    expect(at({ policies: [policyDoc({ mechanisms: [buy], caps: { hour: 4 } })] }, {}, [failed]).wanted).toBe(4)
    expect(at({ policies: [policyDoc({ mechanisms: [buy], caps: { hour: 4 } })] }, {}, [coming]).wanted).toBe(1)
  })

  it('does not take for an answer what came to nothing, and of what came to less only that', () => {
    const own = (more: Partial<Lease>) =>
      lease({ episode: { id: 'ep-1', source: 'am', key: 'series-1', name: 'HighCpu', startedAtMs: noon }, ...more })
    const at = (one: Lease) => {
      const steps = plan(
        observed({
          episodes: [episode({ value: 101, lastHeardMs: noon })],
          pools: [withLeases([one], {}, [node('ins-a'), node('ins-b')])],
        }),
        config({ policies: [policyDoc({ mechanisms: [buy] })] }),
        noon + 5 * minute,
      )
      return change(steps, 'grow')[0]?.lease.wanted
    }
    const gone = [1, 2, 3, 4].map((number) => ({ instanceId: `ins-${number}`, removedAtMs: noon }))
    const closed = { state: 'closed', nodes: gone, level: 4, wanted: 4, askedAtMs: noon - minute } as const
    const ended = (kind: 'removed' | 'kept' | 'failed' | 'compensated') =>
      at(own({ ...closed, outcome: { kind, code: '', text: '', atMs: noon + minute } }))
    expect([ended('removed'), ended('kept'), ended('failed'), ended('compensated')]).toEqual([undefined, undefined, 4, 4])
    // Wanted four, and two have come: two were given.
    const nodes = ['ins-1', 'ins-2'].map((instanceId) => ({ instanceId, nodeName: `node-${instanceId}`, readyAtMs: noon }))
    const less = own({ level: 4, wanted: 4, nodes, askedAtMs: noon - minute, heldSinceMs: noon })
    const there = nodes.map(({ instanceId }) => node(instanceId, { leaseId: less.id, isKept: true, readySinceMs: noon }))
    const steps = plan(
      observed({ episodes: [episode({ value: 101 })], pools: [withLeases([less], {}, [node('ins-a'), node('ins-b'), ...there])] }),
      config({ policies: [policyDoc({ mechanisms: [buy] })] }),
      noon + 4 * minute,
    )
    expect(change(steps, 'grow')[0]?.lease).toMatchObject({ level: 4, wanted: 2 })
  })

  it('has a line for alarms that no policy is for, and for settings that cannot work', () => {
    const steps = plan(
      observed({ episodes: [episode({ name: 'DiskFull' })], pools: [] }),
      config({ policies: [policyDoc({ pool: 'wrokers' })], more: { pools: [{ name: 'workers', cluster: 'cls-9', max: 1 }] } }),
      noon,
    )
    expect(codes(steps)).toEqual(['skipped no-policy', 'invalid cluster-unknown', 'invalid pool-unknown'])
  })

  it('does not grow one cluster for an alarm that names another, unless the policy says so', () => {
    const about = (cluster: string) => [episode({ labels: { cluster } })]
    expect(growth({}, {}, about('cls-2')).grow).toBeUndefined()
    expect(growth({}, {}, about('shop')).grow).toBeDefined()
    expect(growth({}, {}, about('somewhere-else')).grow).toBeDefined()
    expect(growth({ match: { cluster: 'cls-*' } }, {}, about('cls-2')).grow).toBeDefined()
    expect(growth({ match: { cluster: 'cls-*' } }).grow).toBeUndefined()
    expect(
      growth({ match: { source: 'am', labels: { severity: 'crit*' } } }, {}, [episode({ labels: { severity: 'critical' } })]).grow,
    ).toBeDefined()
    expect(growth({ match: { labels: { severity: 'crit*' } } }).grow).toBeUndefined()
    expect(growth({ match: { source: 'grafana' } }).grow).toBeUndefined()
  })
})

describe('suggesting', () => {
  const settings = config({ policies: [policyDoc({ mode: 'suggest' })] })

  it('waits for somebody to agree to exactly this', () => {
    const seen = observed()
    const steps = plan(seen, settings, noon)
    expect(codes(steps)).toEqual(['held suggested'])
    expect(steps[0]?.reason.text).toContain(
      'would be added when somebody agrees: 1 node more by scaling-group asg-1, at least 3 and at most 10 machines',
    )
    const [suggestion] = suggestions(seen, settings, noon)
    expect(suggestion).toMatchObject({
      cluster: 'cls-1',
      pool: 'workers',
      policy: 'busy',
      nodes: 1,
      mechanism: 'scaling-group asg-1',
      episode: { id: 'ep-1', name: 'HighCpu' },
    })
    // It stays the same while the same would be done.
    expect(suggestions(seen, settings, noon + minute)).toEqual([suggestion])
    const agreed = { key: suggestion?.key ?? '', untilMs: noon + minute, by: 'on call' }
    const done = plan({ ...seen, approvals: [agreed] }, settings, noon)
    expect(codes(done)).toEqual(['change suggestion-agreed'])
    expect(done[0]?.reason.text).toContain('on call has agreed')
    expect(suggestions({ ...seen, approvals: [agreed] }, settings, noon)).toEqual([])
    expect(codes(plan({ ...seen, approvals: [agreed] }, settings, noon + minute))).toEqual(['held suggested'])
  })

  it('is not agreed to by what was agreed to before it got worse', () => {
    const [small] = suggestions(observed(), settings, noon)
    const worse = observed({ episodes: [episode({ value: 101 })], approvals: [{ key: small?.key ?? '', untilMs: noon + hour }] })
    expect(codes(plan(worse, settings, noon))).toEqual(['held suggested'])
    expect(suggestions(worse, settings, noon)[0]?.key).not.toBe(small?.key)
  })

  it('does not hold up a policy that acts', () => {
    const both = config({ policies: [policyDoc({ mode: 'suggest' }), policyDoc({ name: 'acts', steps: [{ from: 0, add: 1 }] })] })
    const steps = plan(observed({ episodes: [episode({ value: 101 })] }), both, noon)
    expect(codes(steps).toSorted()).toEqual(['change alarm-confirmed', 'held suggested'])
  })
})

describe('mechanisms', () => {
  it('buys machines by an order whose token follows from the decision alone', () => {
    const first = growth({ mechanisms: [buy] }).grow
    const second = growth({ mechanisms: [{ ...buy, order: Object.fromEntries(Object.entries(order).toReversed()) }] }).grow
    expect(second).toEqual(first)
    expect(first?.lease.token).toBe(`longshore-${first?.lease.id}`)
    expect(first?.lease.token).toMatch(/^[\x21-\x7e]{1,64}$/)
    expect(JSON.parse(first?.lease.mechanism.order ?? '')).toEqual({
      ...order,
      InstanceChargeType: 'POSTPAID_BY_HOUR',
      InstanceCount: 1,
      ClientToken: first?.lease.token,
    })
    expect(first?.lease.bounds).toBeUndefined()
  })

  it('adds one virtual node for each subnet, as far as there are any', () => {
    const virtualPools = [{ id: 'np-1', state: 'normal', subnets: ['subnet-1'] }]
    const subnets = [{ id: 'subnet-2', free: 0 }]
    const { grow, steps } = growth({ mechanisms: [virtual] }, { virtualPools, subnets }, [episode({ value: 101 })])
    expect(grow?.lease).toMatchObject({
      wanted: 2,
      level: 2,
      mechanism: { kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1', 'subnet-3'] },
    })
    expect(steps[0]?.reason.text).toContain('only 2 of 4: one call adds one node for each of 2 subnets')
  })

  it('takes machines that are there, by name, and none twice', () => {
    const spares = [
      { instanceId: 'ins-9', name: 'spare-2', cores: 8, obstacle: '' },
      { instanceId: 'ins-8', name: 'spare-1', cores: 4, obstacle: '' },
      { instanceId: 'ins-7', name: 'spare-0', cores: 4, obstacle: 'The instance is not running.' },
      { instanceId: 'ins-6', name: 'other', cores: 4, obstacle: '' },
    ]
    const { grow } = growth({ mechanisms: [spare] }, { spares })
    expect(grow?.lease).toMatchObject({ wanted: 1, cores: 8, mechanism: { kind: 'existing-instances', instanceIds: ['ins-8'] } })
    const none = growth({ mechanisms: [spare] }, { spares: spares.slice(2) })
    expect(none.held?.reason).toMatchObject({ code: 'no-spare' })
    expect(none.held?.reason.text).toContain('such as spare-0: The instance is not running.')
  })

  it('fills subnets evenly, and goes on where all are full', () => {
    const virtualPools = [{ id: 'np-1', state: 'normal', subnets: [] }]
    const used = lease({
      mechanism: { name: 'virtual-nodes np-1', kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1'] },
      nodes: [],
      heldSinceMs: noon - 3 * hour,
    })
    const closed = lease({ ...used, id: 'ls-0000000000000002', state: 'closed', mechanism: { ...used.mechanism, subnets: ['subnet-2'] } })
    const pools = [withLeases([used, closed], { virtualPools }, [node('ins-a'), node('ins-b')])]
    const steps = plan(observed({ pools }), config({ policies: [policyDoc({ mechanisms: [virtual] })] }), noon)
    expect(change(steps, 'grow')[0]?.lease.mechanism.subnets).toEqual(['subnet-2'])
    const full = { virtualPools, subnets: ['subnet-1', 'subnet-2', 'subnet-3'].map((id) => ({ id, free: 0 })) }
    expect(
      growth({ mechanisms: [virtual, buy] }, { ...full, subnets: [...full.subnets.slice(1), { id: 'subnet-1', free: -1 }] }).grow,
    ).toBeUndefined()
    expect(growth({ mechanisms: [virtual, groupOne] }, full).grow?.lease.mechanism.kind).toBe('scaling-group')
    expect(growth({ mechanisms: [virtual] }, { virtualPools, subnets: [{ id: 'subnet-1' }] }).grow?.lease.mechanism.subnets).toEqual([
      'subnet-1',
    ])
  })

  it('takes machines by any of several names, in the order of their names', () => {
    const spares = ['b-1', 'a-1', 'c-1'].map((name) => ({ instanceId: `ins-${name}`, name, cores: 4, obstacle: '' }))
    const { grow } = growth({ mechanisms: [{ kind: 'existing-instances', names: ['a-*', 'b-*'] }] }, { spares }, [episode({ value: 101 })])
    expect(grow?.lease).toMatchObject({ wanted: 2, mechanism: { instanceIds: ['ins-a-1', 'ins-b-1'] } })
  })

  it('asks for the very same again by every mechanism', () => {
    const world = {
      virtualPools: [{ id: 'np-1', state: 'normal', subnets: [] }],
      spares: [{ instanceId: 'ins-8', name: 'spare-1', cores: 4, obstacle: '' }],
    }
    for (const mechanism of [groupOne, buy, virtual, spare]) {
      const settings = config({ policies: [policyDoc({ mechanisms: [mechanism], provision: '20m', lease: '3h' })] })
      const [first] = plan(observed({ pools: [view(world)] }), settings, noon)
      if (first?.verdict !== 'change') throw new Error(`${mechanism.kind} grows`)
      const asked = recordAfter(first.change, undefined, first.key, noon)
      if ('misfit' in asked) throw new Error(asked.misfit.text)
      const pools = [view({ ...world, record: { value: asked.record, resourceVersion: '1' } })]
      const [again] = plan(observed({ pools }), settings, noon + minute)
      expect(again).toMatchObject({ key: first.key, target: first.target, after: first.after, reason: { code: 'asked-again' } })
      expect(again?.verdict === 'change' ? again.change : undefined).toEqual(first.change)
    }
  })

  it.each([
    ['group-busy', [groupOne, buy], { groups: [{ id: 'asg-1', status: 'updating', size: 2 }] }],
    ['bounds-unknown', [groupOne, buy], { groups: [{ id: 'asg-1', status: 'enabled', size: 2 }] }],
    ['virtual-pool-busy', [virtual, buy], { virtualPools: [{ id: 'np-1', state: 'creating', subnets: [] }] }],
  ] as const)('waits for what passes or has to be decided, and does not buy elsewhere: %s', (code, mechanisms, more) => {
    const { held, grow } = growth({ mechanisms }, more as Partial<PoolView>)
    expect(grow).toBeUndefined()
    expect(held?.reason.code).toBe(code)
  })

  it.each([
    ['group-missing', { groups: [] }],
    ['group-disabled', { groups: [{ id: 'asg-1', status: 'disabled', size: 2 }] }],
    ['group-below-floor', { groups: [{ id: 'asg-1', status: 'enabled', size: 2, bounds: { min: 3, max: 9, source: 'settings' } }] }],
    ['group-full', { groups: [{ id: 'asg-1', status: 'enabled', size: 200, bounds: { min: 1, max: 200, source: 'settings' } }] }],
  ] as const)('goes on to the next mechanism when one has nothing to give: %s', (code, more) => {
    const next = growth({ mechanisms: [groupOne, buy] }, more as Partial<PoolView>)
    expect(next.grow?.lease.mechanism.kind).toBe('new-instances')
    expect(next.steps[0]?.reason.text).toContain(`not by scaling-group asg-1 (${code})`)
    const alone = growth({ mechanisms: [groupOne] }, more as Partial<PoolView>)
    expect(alone.held?.reason.code).toBe(code)
    const both = growth({ mechanisms: [groupOne, spare] }, more as Partial<PoolView>)
    expect(both.held?.reason.code).toBe('no-mechanism-left')
  })

  it('waits longer each time a mechanism gave nothing, and asks the next one at once', () => {
    const failed = (ordinal: number, minutesAgo: number): Lease =>
      lease({
        id: `ls-000000000000000${ordinal}`,
        ordinal,
        mechanism: { name: 'new-instances S5.LARGE8 ap-guangzhou-3', kind: 'new-instances' },
        state: 'closed',
        nodes: [],
        outcome: { kind: 'failed', code: 'sold-out', text: 'S5.LARGE8 is sold out', atMs: noon - minutesAgo * minute },
        askedAtMs: noon - minutesAgo * minute,
      })
    const virtualPools = [{ id: 'np-1', state: 'normal', subnets: [] }]
    const kindAfter = (leases: readonly Lease[], mechanisms: readonly Doc[] = [buy, virtual]) => {
      const pools = [withLeases(leases, { virtualPools }, [node('ins-a'), node('ins-b')])]
      const steps = plan(observed({ pools }), config({ policies: [policyDoc({ mechanisms })] }), noon)
      return { kind: change(steps, 'grow')[0]?.lease.mechanism.kind, text: steps[0]?.reason.text ?? '', code: steps[0]?.reason.code }
    }
    const first = kindAfter([failed(1, 1)])
    expect(first.kind).toBe('virtual-nodes')
    expect(first.text).toContain(
      'it gave nothing at 2026-11-24T11:59:00Z (sold-out: S5.LARGE8 is sold out), and is asked again after 5m, at 2026-11-24T12:04:00Z',
    )
    expect(kindAfter([failed(1, 5)]).kind).toBe('new-instances')
    expect(kindAfter([failed(1, 20), failed(2, 9)]).kind).toBe('virtual-nodes')
    expect(kindAfter([failed(1, 20), failed(2, 10)]).kind).toBe('new-instances')
    expect(kindAfter([1, 2, 3, 4, 5].map((ordinal) => failed(ordinal, 29))).kind).toBe('virtual-nodes')
    expect(kindAfter([1, 2, 3, 4, 5].map((ordinal) => failed(ordinal, 30))).kind).toBe('new-instances')
    expect(kindAfter([failed(1, 1)], [buy]).code).toBe('mechanism-backing-off')
    // What was not asked, because the world had moved, says nothing about stock.
    const moved = {
      ...failed(1, 1),
      outcome: { kind: 'failed', code: 'moved', text: 'ins-a left the group', atMs: noon - minute },
    } as const
    expect(kindAfter([moved]).kind).toBe('new-instances')
  })
})

describe('giving back', () => {
  it('does it in steps: the floor, cordon and drain, the node, the ceiling, the end', () => {
    const tight = config({ policies: [policyDoc({ mechanisms: [{ ...groupOne, bounds: { min: 2, max: 2 } }] })] })
    const pool = new SmallPool(tight)
    pool.bounds = { min: 2, max: 2 }
    const seen = pool.view.bind(pool)
    pool.view = () => ({
      ...seen(),
      groups: [{ id: 'asg-1', status: 'enabled', size: pool.size, bounds: { min: 2, max: 2, source: 'settings' } }],
    })
    pool.hear('firing')
    pool.look()
    expect(pool.bounds).toEqual({ min: 3, max: 3 })
    pool.run(8 * minute)
    pool.habits = { ...pool.habits, loadMilli: 1000 }
    pool.hear('resolved')
    pool.run(30 * minute)
    expect(pool.done.slice(-6).map(({ step }) => step.reason.code)).toEqual([
      'alarm-over',
      'floor-lowered',
      'draining',
      'node-empty',
      'bounds-restored',
      'given-back',
    ])
    expect(pool.bounds).toEqual({ min: 2, max: 2 })
  })

  it('gives back one lease after the other, the newest first, and the group keeps what the other one needs', () => {
    const pool = new SmallPool(config(), { loadMilli: 40_000 })
    pool.hear('firing', { value: 85 })
    pool.look()
    pool.run(8 * minute)
    pool.hear('firing', { value: 91 })
    pool.look()
    pool.run(8 * minute)
    expect(pool.leases.map(({ wanted }) => wanted)).toEqual([1, 2])
    expect(pool.bounds).toEqual({ min: 5, max: 10 })
    pool.habits = { ...pool.habits, loadMilli: 1000 }
    pool.hear('resolved')
    let floorBetween: number | undefined
    for (let minutes = 0; minutes < 60; minutes += 1) {
      pool.run(minute)
      if (floorBetween === undefined && pool.leases[1]?.state === 'closed') floorBetween = pool.bounds.min
    }
    expect(floorBetween).toBe(3)
    expect(pool.removed.toSorted()).toEqual(['ins-1', 'ins-2', 'ins-3'])
    expect(pool.removed.at(-1)).toBe('ins-1')
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
  })

  it('waits after the pool has grown, and after the alarm was over', () => {
    const at = (more: Partial<Lease>, resolvedAtMs: number) =>
      codes(plan(observed({ episodes: [{ ...over, resolvedAtMs }], pools: [withLeases([lease(more)], {}, calmNodes)] }), config(), noon))
    expect(at({}, noon - 10 * minute)).toEqual(['change alarm-over'])
    expect(at({}, noon - 10 * minute + 1)).toEqual(['no-change alarm-over-lately'])
    expect(at({ askedAtMs: noon - 10 * minute }, noon - 10 * minute)).toEqual(['change alarm-over'])
    expect(at({ askedAtMs: noon - 10 * minute + 1 }, noon - 10 * minute)).toEqual(['no-change cooldown-in'])
  })

  it('says why nothing is given back', () => {
    const at = (docs: Parameters<typeof config>[0], more: Partial<PoolView> = {}, episodes = [over]) =>
      codes(plan(observed({ episodes, pools: [withLeases([lease()], more, calmNodes)] }), config(docs), noon))
    expect(at({ policies: [policyDoc({ recovery: { enabled: false } })] })).toEqual(['held recovery-disabled'])
    expect(at({ pool: { min: 3 } })).toEqual(['held pool-min'])
    expect(at({ pool: { min: 2 } })).toEqual(['change alarm-over'])
    expect(at({}, { pendingPods: 1 })).toEqual(['no-change pods-pending'])
    expect(at({}, {}, [over, episode({ lastHeardMs: noon - hour })])).toEqual(['no-change another-alarm-fires', 'skipped stale-episode'])
    expect(at({}, {}, [])).toEqual(['no-change lease-holds'])
  })

  it('leaves bounds that somebody else has set, and does not delete what the group would replace', () => {
    const recovering = lease({ state: 'recovering', recovery: { sinceMs: noon - minute, why: 'resolved' } })
    const at = (min: number, atMs: number) => {
      const groups = [{ id: 'asg-1', status: 'enabled', size: 3, bounds: { min, max: 12, source: 'autoscaler' as const, atMs } }]
      return plan(observed({ episodes: [over], pools: [withLeases([recovering], { groups }, calmNodes)] }), config(), noon)
    }
    const held = at(3, noon)
    expect(codes(held)).toEqual(['held bounds-changed'])
    expect(held[0]?.reason.text).toContain(
      'somebody has set the bounds of scaling group asg-1 to 3 to 12, and we had set 3 to 10: with 3 machines',
    )
    expect(codes(at(2, noon))).toEqual(['change draining'])
    // What the autoscaler said before we set them, or too soon after, is nobody's.
    expect(codes(at(5, noon - 4 * hour + minute))).toEqual(['change floor-lowered'])
  })

  it('lets nodes stay that the group cannot do without, because others of it were taken away meanwhile', () => {
    const pool = new SmallPool(config(), { loadMilli: 20_000 })
    pool.hear('firing', { value: 95 })
    pool.look()
    pool.run(8 * minute)
    pool.habits = { ...pool.habits, loadMilli: 100 }
    pool.hear('resolved')
    pool.run(12 * minute)
    expect(pool.leases[0]?.state).toBe('recovering')
    const going = pool.view().nodes.filter(({ unschedulable }) => unschedulable)
    expect(going).toHaveLength(1)
    // The cluster autoscaler takes all but one machine that are not leased, and the first of ours goes.
    pool.take('ins-a')
    pool.take('ins-b')
    pool.run(20 * minute)
    const codesDone = pool.done.map(({ step }) => step.reason.code)
    expect(codesDone.slice(-3)).toEqual(['node-empty', 'group-at-floor', 'group-at-floor'])
    expect(pool.removed).toHaveLength(1)
    expect(pool.leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'kept' } })
    expect(pool.view().nodes.map(({ unschedulable }) => unschedulable)).toEqual([false])
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
    pool.run(hour)
    expect(pool.bought).toBe(2)
  })

  it('opens only what it has closed itself, and what is still there', () => {
    const drained = (instanceId: string, cordonedByUs: boolean) => ({
      instanceId,
      nodeName: `node-${instanceId}`,
      readyAtMs: 1,
      drain: { sinceMs: noon, cordonedByUs, attempts: 1 },
    })
    const nodes = [drained('ins-1', true), drained('ins-2', false), { instanceId: 'ins-3', nodeName: 'node-ins-3', readyAtMs: 1 }]
    const recovering = lease({ wanted: 3, state: 'recovering', recovery: { sinceMs: noon, why: 'resolved' }, nodes })
    const there = ['ins-1', 'ins-2', 'ins-3'].map((id) => node(id, { leaseId: recovering.id, isKept: true, unschedulable: true }))
    const steps = plan(observed({ pools: [withLeases([recovering], {}, [node('ins-a'), ...there])] }), config(), noon)
    expect(change(steps, 'stop-recovery')[0]).toMatchObject({
      code: 'fired-again',
      nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1' }],
    })
  })

  it('stops a group from trying to buy for a lease that has ended, while another one still waits for its own', () => {
    const waits = lease({
      id: 'ls-0000000000000002',
      ordinal: 2,
      wanted: 2,
      floor: 2,
      state: 'provisioning',
      nodes: [],
      heldSinceMs: undefined,
      askedAtMs: noon - minute,
      provisionUntilMs: noon + 14 * minute,
    })
    const ends = lease({
      wanted: 3,
      floor: 0,
      state: 'recovering',
      recovery: { sinceMs: noon, why: 'compensate' },
      nodes: [],
      heldSinceMs: undefined,
    })
    const group = { id: 'asg-1', status: 'enabled', size: 2, bounds: { min: 1, max: 4, source: 'settings' as const } }
    const at = (own: Lease, set: { readonly min: number; readonly max: number }) => {
      const bases = [{ group: 'asg-1', before: { min: 1, max: 4 }, set: { ...set, atMs: noon } }]
      const value = { version: 1 as const, cluster: 'cls-1', pool: 'workers', ordinal: 2, bases, leases: [own, waits] }
      const pools = [view({ nodes: [node('ins-a'), node('ins-b')], groups: [group], record: { value, resourceVersion: '7' } })]
      return change(plan(observed({ episodes: [], pools }), config(), noon), 'restore-bounds')[0]
    }
    // Two are there and two are waited for; without this the group would go on until it has seven.
    expect(at(ends, { min: 4, max: 7 })).toMatchObject({ phase: 'trim', to: { min: 4, max: 4 } })
    expect(at({ ...ends, isTrimmed: true }, { min: 4, max: 4 })).toBeUndefined()
  })

  it('waits with bounds while the group is busy', () => {
    const recovering = lease({ state: 'recovering', recovery: { sinceMs: noon - minute, why: 'resolved' } })
    const groups = [{ id: 'asg-1', status: 'updating', size: 3, bounds: { min: 3, max: 10, source: 'settings' as const } }]
    const steps = plan(observed({ episodes: [over], pools: [withLeases([recovering], { groups }, calmNodes)] }), config(), noon)
    expect(codes(steps)).toEqual(['no-change group-settles'])
  })

  it('does not empty the last nodes that take pods at the same time', () => {
    const one = { ...leased, ...calm, groupId: undefined }
    const two = node('ins-2', { ...calm, leaseId: one.leaseId, isKept: true, groupId: undefined })
    const going = lease({
      mechanism: { name: 'buy', kind: 'new-instances' },
      wanted: 2,
      state: 'recovering',
      recovery: { sinceMs: noon, why: 'resolved' },
      nodes: [one, two].map(({ instanceId, nodeName = '' }) => ({ instanceId, nodeName, readyAtMs: noon - hour })),
    })
    const settings = config({ policies: [policyDoc({ confirm: [{ pendingPods: { atLeast: 1 } }], recovery: { atATime: 2 } })] })
    const drains = (nodes: readonly PoolNode[]) =>
      change(plan(observed({ episodes: [over], pools: [withLeases([going], {}, nodes)] }), settings, noon), 'drain').length
    expect(drains([one, two])).toBe(1)
    expect(drains([one, two, node('ins-a')])).toBe(2)
    expect(drains([one, two, node('ins-a', { unschedulable: true })])).toBe(1)
    expect(drains([one, two].map((empty) => ({ ...empty, podCount: 0 })))).toBe(2)
  })

  it('gives back at once what somebody releases, and nothing of what somebody keeps', () => {
    const pools = [withLeases([lease()], {}, calmNodes)]
    const firing = observed({ episodes: [episode({ id: 'ep-0', key: 'series-0', lastHeardMs: noon })], pools })
    const [release] = planRelease(firing, config(), { leaseId: 'ls-0000000000000001', keep: false, by: 'on call' }, noon)
    expect(release).toMatchObject({
      verdict: 'change',
      change: { kind: 'release', keep: false, by: 'on call' },
      reason: { code: 'release' },
    })
    const released = lease({ state: 'recovering', recovery: { sinceMs: noon, why: 'released' }, floor: 0 })
    const steps = plan({ ...firing, pools: [lowered(withLeases([released], { pendingPods: 3 }, calmNodes))] }, config(), noon)
    expect(codes(steps)).toContain('change draining')
    expect(change(steps, 'stop-recovery')).toEqual([])
    const [keep] = planRelease(firing, config(), { leaseId: 'ls-0000000000000001', keep: true, by: 'on call' }, noon)
    expect(keep).toMatchObject({
      change: { kind: 'release', keep: true, bounds: true },
      after: 'lease ls-0000000000000001 closed (kept); the bounds of scaling group asg-1 as before, if no other lease holds them up',
    })
    const kept = lease({ state: 'closed', outcome: { kind: 'kept', code: 'kept', text: 'on call keeps its nodes', atMs: noon } })
    expect(codes(plan(observed({ episodes: [over], pools: [withLeases([kept], {}, calmNodes)] }), config(), noon))).toEqual([])
    const codeOf = (leases: readonly Lease[], keepIt: boolean, leaseId = 'ls-0000000000000001') =>
      codes(planRelease(observed({ pools: [withLeases(leases)] }), config(), { leaseId, keep: keepIt, by: 'on call' }, noon))
    expect(codeOf([kept], false)).toEqual(['no-change lease-ended'])
    expect(codeOf([lease({ state: 'asking' })], false)).toEqual(['held being-asked'])
    expect(codeOf([released], true)).toEqual(['held recovery-waits'])
    expect(codeOf([released], false)).toEqual(['no-change recovery-waits'])
    expect(codeOf([lease()], false, 'ls-ffffffffffffffff')).toEqual(['invalid lease-missing'])
  })

  it('takes machines that were there before out of the cluster, and gives bought ones back', () => {
    const own = (mechanism: Lease['mechanism']) => {
      const recovering = lease({
        mechanism,
        state: 'recovering',
        recovery: { sinceMs: noon, why: 'resolved' },
        nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: 1, drain: { sinceMs: noon, cordonedByUs: true, attempts: 1 } }],
      })
      const empty = { ...leased, groupId: undefined, unschedulable: true, podCount: 0 }
      return change(
        plan(observed({ episodes: [over], pools: [withLeases([recovering], {}, [node('ins-a', calm), empty])] }), config(), noon),
        'remove',
      )[0]
    }
    expect(own({ name: 'spare', kind: 'existing-instances', instanceIds: ['ins-1'] })).toMatchObject({ mode: 'retain', force: false })
    expect(own({ name: 'buy', kind: 'new-instances' })).toMatchObject({ mode: 'terminate', force: false })
    expect(own({ name: 'virtual', kind: 'virtual-nodes', nodePool: 'np-1' })).toMatchObject({ nodePool: 'np-1' })
  })

  it('does not give a node back that somebody has opened again meanwhile: it is emptied anew', () => {
    const recovering = lease({
      floor: 0,
      state: 'recovering',
      recovery: { sinceMs: noon, why: 'resolved' },
      nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: 1, drain: { sinceMs: noon, cordonedByUs: true, attempts: 1 } }],
    })
    const open = { ...leased, podCount: 0 }
    const pools = [lowered(withLeases([recovering], {}, [node('ins-a', calm), open]))]
    const steps = plan(observed({ episodes: [over], pools }), config(), noon)
    expect(change(steps, 'remove')).toEqual([])
    expect(change(steps, 'drain')[0]).toMatchObject({ attempt: 2 })
  })

  it('empties nodes first on which nothing runs, and of equals the newest', () => {
    const nodes = ['ins-1', 'ins-2', 'ins-3'].map((instanceId) => ({ instanceId, nodeName: `node-${instanceId}`, readyAtMs: 1 }))
    const recovering = lease({ wanted: 3, floor: 0, state: 'recovering', recovery: { sinceMs: noon, why: 'resolved' }, nodes })
    const at = (pods: readonly number[]) => {
      const there = pods.map((podCount, index) =>
        node(`ins-${index + 1}`, { ...calm, podCount, leaseId: recovering.id, isKept: true, addedAtMs: noon - (5 - index) * hour }),
      )
      const pools = [lowered(withLeases([recovering], {}, [node('ins-a', calm), node('ins-b', calm), ...there]))]
      return change(plan(observed({ episodes: [over], pools }), config(), noon), 'drain').map(({ instanceId }) => instanceId)
    }
    expect(at([2, 1, 3])).toEqual(['ins-3'])
    expect(at([0, 0, 3])).toEqual(['ins-2'])
    expect(at([0, 1, 3])).toEqual(['ins-1'])
  })

  it('empties only as many nodes at a time as the policy says', () => {
    const pool = new SmallPool(config({ policies: [policyDoc({ recovery: { atATime: 2 } })] }), { loadMilli: 20_000 })
    pool.hear('firing', { value: 101 })
    pool.look()
    pool.run(8 * minute)
    pool.habits = { ...pool.habits, loadMilli: 0 }
    pool.hear('resolved')
    let most = 0
    for (let minutes = 0; minutes < 40; minutes += 1) {
      pool.run(minute)
      most = Math.max(most, pool.view().nodes.filter(({ unschedulable }) => unschedulable).length)
    }
    expect(most).toBe(2)
    expect(pool.removed).toHaveLength(4)
  })
})

describe('leases that lost something', () => {
  it('end when somebody has taken their nodes away', () => {
    const pools = [withLeases([lease()], {}, [node('ins-a'), node('ins-b')])]
    const steps = plan(observed({ episodes: [over], pools }), config(), noon)
    expect(change(steps, 'track')[0]).toMatchObject({ from: 'held', to: 'held', nodes: [{ instanceId: 'ins-1', isGone: true }] })
    expect(steps[0]?.reason).toMatchObject({ code: 'nodes-gone' })
    const empty = lease({ nodes: [{ instanceId: 'ins-1', readyAtMs: 1, removedAtMs: noon }] })
    const next = plan(observed({ episodes: [episode()], pools: [withLeases([empty], {}, [node('ins-a'), node('ins-b')])] }), config(), noon)
    expect(codes(next)).toContain('change nodes-gone')
    const recovering = lease({ ...empty, state: 'recovering', recovery: { sinceMs: noon, why: 'expired' } })
    // A new alarm does not keep what is not there.
    const end = plan(
      observed({ episodes: [episode()], pools: [withLeases([recovering], {}, [node('ins-a'), node('ins-b')])] }),
      config(),
      noon,
    )
    expect(codes(end)).toContain('change floor-lowered')
  })

  it('take back nodes that come when the lease has ended', () => {
    const closed = lease({ state: 'closed', nodes: [], outcome: { kind: 'failed', code: 'never-arrived', text: '', atMs: noon - minute } })
    const steps = plan(observed({ episodes: [], pools: [withLeases([closed])] }), config(), noon)
    expect(change(steps, 'reclaim')[0]).toMatchObject({ nodes: [{ instanceId: 'ins-1', nodeName: 'node-ins-1' }] })
    const justRemoved = { ...closed, nodes: [{ instanceId: 'ins-1', removedAtMs: noon - minute }] }
    expect(codes(plan(observed({ episodes: [], pools: [withLeases([justRemoved])] }), config(), noon))).toEqual([])
    const longAgo = { ...closed, nodes: [{ instanceId: 'ins-1', removedAtMs: noon - hour }] }
    expect(codes(plan(observed({ episodes: [], pools: [withLeases([longAgo])] }), config(), noon))).toEqual(['change arrived-late'])
  })

  it('tell of nodes whose lease no record knows, and leave them', () => {
    const steps = plan(observed({ episodes: [], pools: [view({ nodes: [node('ins-a'), leased] })] }), config(), noon)
    expect(codes(steps)).toEqual(['held lease-unknown'])
    expect(steps[0]?.reason.text).toContain('ins-1 carry the label of the lease ls-0000000000000001')
  })

  it('end even when the settings know nothing of their pool any more', () => {
    const settings = config({ policies: [], more: { pools: [] } })
    const pools = [withLeases([lease({ expiresAtMs: noon - 1 })], { quota: undefined, licence: undefined }, [node('ins-a'), leased])]
    const steps = plan(observed({ episodes: [], pools }), settings, noon)
    expect(codes(steps)).toEqual(['change lease-expired', 'held pool-unknown'])
  })

  it('are not asked for again when their alarm is over, and end when nobody can be at it any more', () => {
    const asking = lease({
      state: 'asking',
      nodes: [],
      heldSinceMs: undefined,
      askedAtMs: noon - minute,
      provisionUntilMs: noon + 14 * minute,
    })
    const at = (one: Episode, now: number, nodes = [node('ins-a'), node('ins-b')]) =>
      codes(plan(observed({ pools: [withLeases([asking], {}, nodes)], episodes: [episode(), one] }), config(), now))[0]
    const firing = episode({ id: 'ep-0', key: 'series-0' })
    expect(at(firing, noon)).toBe('change asked-again')
    // It is paid for only now: all that was true when it was written down has to be true still.
    expect(at(firing, noon, [node('ins-a', calm), node('ins-b', calm)])).toBe('no-change being-asked')
    expect(at({ ...firing, lastHeardMs: noon - hour }, noon)).toBe('no-change being-asked')
    expect(at({ ...firing, id: 'ep-9' }, noon)).toBe('no-change being-asked')
    expect(at(over, noon)).toBe('no-change being-asked')
    expect(at(over, noon + 3 * minute)).toBe('change never-ready')
    expect(at(firing, noon + 4 * minute)).toBe('change never-ready')
    const again = codes(
      plan(
        observed({ pools: [withLeases([{ ...asking, triedAtMs: noon }], {}, [node('ins-a')])], episodes: [over] }),
        config(),
        noon + 3 * minute,
      ),
    )
    expect(again[0]).toBe('no-change being-asked')
  })

  it('wait for what was bought and is not to be seen yet, and give it up at the deadline', () => {
    const bought = lease({
      mechanism: { name: 'buy', kind: 'new-instances' },
      state: 'provisioning',
      nodes: [{ instanceId: 'ins-8' }],
      heldSinceMs: undefined,
      askedAtMs: noon - 14 * minute,
      provisionUntilMs: noon + minute,
    })
    const at = (now: number, nodes: Lease['nodes'] = bought.nodes) =>
      plan(observed({ episodes: [], pools: [withLeases([{ ...bought, nodes }], {}, [node('ins-a')])] }), config(), now)
    expect(codes(at(noon))).toEqual(['no-change lease-comes'])
    expect(codes(at(noon + minute))).toEqual(['change nodes-gone'])
    const gone = at(noon + minute, [{ instanceId: 'ins-8', removedAtMs: noon }])
    expect(change(gone, 'close')[0]).toMatchObject({ from: 'provisioning', outcome: 'failed', code: 'never-arrived' })
    // One that was seen and is gone is gone at once.
    expect(codes(at(noon, [{ instanceId: 'ins-8', nodeName: 'node-ins-8' }]))).toEqual(['change nodes-gone'])
    const unready = node('ins-8', { isReady: false, state: 'failed', readySinceMs: undefined, groupId: undefined })
    const late = plan(
      observed({
        episodes: [],
        pools: [withLeases([{ ...bought, nodes: [{ instanceId: 'ins-8', nodeName: 'node-ins-8' }] }], {}, [node('ins-a'), unready])],
      }),
      config(),
      noon + minute,
    )
    expect(change(late, 'recover')[0]).toMatchObject({ from: 'provisioning', why: 'compensate' })
  })

  it('are marked again when their nodes have lost their marks', () => {
    const bare = { ...leased, isKept: false, leaseId: undefined }
    const steps = plan(observed({ episodes: [], pools: [withLeases([lease()], {}, [node('ins-a'), bare])] }), config(), noon)
    expect(change(steps, 'track')[0]).toMatchObject({ mark: ['node-ins-1'] })
  })
})
