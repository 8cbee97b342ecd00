import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NewLease } from '#functions/alarm-scaler/change.ts'
import { poolObjectName } from '#functions/alarm-scaler/pool-store.ts'
import type { Fault } from '#infra/sandbox/faults.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { interfering } from '../image-cleaner/interfering.ts'
import { saying, sentence } from '../image-cleaner/stage.ts'
import { type ClusterStage, clusterId, groupId, minuteMs, openClusterStage, openLocalClusterStage, virtualPoolId } from './cluster-stage.ts'
import { boughtLease, groupLease, grow, leaseId, leaseOf, newLease, virtualLease } from './lease-steps.ts'

let stage: ClusterStage

beforeEach(() => {
  stage = openLocalClusterStage()
})

afterEach(async () => {
  await stage.close()
})

const isMember = (machine: { readonly node: { readonly asGroupId: string | null } | null }) => machine.node?.asGroupId === groupId
const members = () => stage.machines().filter(isMember)
const leaseNow = () => stage.record().leases.find(({ id }) => id === leaseId)
const configMap = 'configmaps/longshore-pool-general'

/** Every way to get nodes: what its lease looks like, and how many machines or virtual nodes it has brought. */
const ways: readonly { readonly name: string; readonly action: string; readonly lease: () => NewLease; readonly brought: () => number }[] =
  [
    {
      name: 'a scaling group',
      action: 'ModifyClusterAsGroupAttribute',
      lease: () => groupLease(members().map(({ instanceId }) => instanceId)),
      brought: () => members().length - 2,
    },
    { name: 'new machines', action: 'CreateClusterInstances', lease: () => boughtLease(), brought: () => stage.machines().length - 4 },
    {
      name: 'virtual nodes',
      action: 'CreateClusterVirtualNode',
      lease: () => virtualLease(),
      brought: () => Object.keys(stage.cluster.virtualNodePools[virtualPoolId]?.nodes ?? {}).length,
    },
    {
      name: 'machines that are there',
      action: 'AddExistedInstances',
      lease: () => newLease({ name: 'spares', kind: 'existing-instances', instanceIds: spares() }),
      brought: () => stage.machines().length - 4,
    },
  ]

const spares = () =>
  Object.values(stage.world.tke.machines)
    .filter(({ instanceName }) => instanceName === 'spare')
    .map(({ instanceId }) => instanceId)

describe.for(ways)('growing by $name', ({ action, lease: leaseFor, brought }) => {
  let lease: NewLease

  beforeEach(() => {
    lease = leaseFor()
  })

  it('takes four calls: it reads the record, reserves, asks, and writes what was answered; a group is looked at before', async () => {
    const since = stage.calls().length
    expect(saying(await stage.carry([grow(lease)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.calls(since)).toEqual([
      expect.stringMatching(/^GET \/api\/v1\/namespaces\/kube-system\/configmaps\/longshore-pool-general-/),
      'POST /api/v1/namespaces/kube-system/configmaps',
      // What its bounds come to depends on the machines that it has right now.
      ...(action === 'ModifyClusterAsGroupAttribute' ? ['DescribeClusterInstances'] : []),
      action,
      expect.stringMatching(/^PATCH \/api\/v1\/namespaces\/kube-system\/configmaps\/longshore-pool-general-/),
    ])
    expect(leaseNow()).toMatchObject({ state: 'provisioning', ordinal: 1, wanted: lease.wanted, askedAtMs: stage.now() })
    expect(leaseNow()?.mechanism.order).toBeUndefined()
    stage.wait(minuteMs)
    expect(brought()).toBe(lease.wanted)
  })

  it('is done once, however often it is said', async () => {
    await stage.carry([grow(lease)])
    for (let again = 0; again < 4; again += 1) {
      expect(saying(await stage.carry([grow(lease)]), 'Applied', 'Failed')).toEqual([])
      stage.wait(minuteMs)
    }
    expect(brought()).toBe(lease.wanted)
    expect(stage.writes().filter((call) => call === action)).toHaveLength(1)
  })

  it('whose answer is lost is found to be done, and asked for once', async () => {
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { action }, count: 1 })
    const report = await stage.carry([grow(lease)])
    // A group shows nothing before it has bought a machine.
    if (action === 'ModifyClusterAsGroupAttribute') {
      expect(saying(report, 'Held')).toEqual(['Held unknown-outcome'])
      stage.wait(2 * minuteMs)
      expect(saying(await stage.carry([grow(lease)]), 'NoChange')).toEqual(['NoChange already-done'])
    } else {
      expect(saying(report, 'Applied')).toEqual(['Applied settled-applied'])
    }
    expect(leaseNow()?.state).toBe('asking')
    stage.wait(5 * minuteMs)
    await stage.carry([grow(lease)])
    expect(stage.writes().filter((call) => call === action)).toHaveLength(1)
    expect(brought()).toBe(lease.wanted)
  })

  it('that was cut off before it was asked for is asked for again, by the same request', async () => {
    stage.faults.add({ fault: { kind: 'drop-before' }, match: { action }, count: 1 })
    const asked: string[] = []
    const cloud = interfering(stage.cloud, {
      before: (call) => {
        if (call.action === action) asked.push(JSON.stringify(call.request))
      },
    })
    expect(saying(await stage.carry([grow(lease)], { cloud }), 'Held')).toEqual(['Held unknown-outcome'])
    expect(leaseNow()?.state).toBe('asking')
    // It may still be under way.
    expect(saying(await stage.carry([grow(lease)], { cloud }), 'Held')).toEqual(['Held unknown-outcome'])
    stage.wait(5 * minuteMs)
    expect(saying(await stage.carry([grow(lease)], { cloud }), 'Applied')).toEqual(['Applied alarm-confirmed'])
    stage.wait(minuteMs)
    expect(brought()).toBe(lease.wanted)
    expect(asked).toHaveLength(2)
    expect(new Set(asked).size).toBe(1)
    expect(leaseNow()).toMatchObject({ ordinal: 1, state: 'provisioning' })
  })

  it('that the platform throttles is asked for later, by the same lease', async () => {
    const rule = stage.faults.add({ fault: { kind: 'throttle' }, match: { action } })
    expect(saying(await stage.carry([grow(lease)]), 'Failed')).toEqual(['Failed cloud.rate-limited'])
    expect(leaseNow()?.state).toBe('asking')
    stage.faults.remove(rule)
    expect(saying(await stage.carry([grow(lease)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    stage.wait(minuteMs)
    expect(brought()).toBe(lease.wanted)
    expect(stage.record().leases).toHaveLength(1)
  })

  it.for([
    ['the reservation', 0],
    ['the answer', 1],
  ] as const)('of which the writing down of %s is lost comes to the same', async ([, after]) => {
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { effect: 'write', pathIncludes: 'configmaps' }, after, count: 1 })
    await stage.carry([grow(lease)])
    stage.wait(5 * minuteMs)
    await stage.carry([grow(lease)])
    stage.wait(minuteMs)
    expect(stage.writes().filter((call) => call === action)).toHaveLength(1)
    expect(brought()).toBe(lease.wanted)
    expect(stage.record().leases).toHaveLength(1)
  })

  it('does nothing when somebody else has grown the pool since it was decided', async () => {
    stage.putRecord({ version: 1, cluster: clusterId, pool: 'general', ordinal: 3, bases: [], leases: [] })
    const report = await stage.carry([grow(lease)])
    expect(saying(report, 'Skipped')).toEqual(['Skipped world-changed'])
    expect(sentence(report, 'world-changed')).toContain('somebody else has grown it')
    expect(stage.writes()).toEqual([])
    expect(brought()).toBe(0)
  })

  it('does nothing when somebody else reserves at the same moment', async () => {
    const cloud = interfering(stage.cloud, {
      before: ({ request }) => {
        if (request.Method !== 'POST') return
        const other = leaseOf(newLease({ name: 'other', kind: 'virtual-nodes' }, { id: 'ls-ffffffffffffffff' }), { state: 'asking' })
        stage.putRecord({ version: 1, cluster: clusterId, pool: 'general', ordinal: 1, bases: [], leases: [other] })
      },
    })
    expect(saying(await stage.carry([grow(lease)], { cloud }), 'Skipped')).toEqual(['Skipped world-changed'])
    expect(stage.record().leases.map(({ id }) => id)).toEqual(['ls-ffffffffffffffff'])
    expect(brought()).toBe(0)
  })

  it('keeps what somebody else writes into the record while it is asked for', async () => {
    const cloud = interfering(stage.cloud, {
      before: (call) => {
        if (call.action !== action) return
        const record = stage.record()
        const other = leaseOf(newLease({ name: 'other', kind: 'virtual-nodes' }, { id: 'ls-ffffffffffffffff' }), { state: 'held' })
        stage.putRecord({ ...record, leases: [other, ...record.leases] })
      },
    })
    expect(saying(await stage.carry([grow(lease)], { cloud }), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(stage.record().leases.map(({ id, state }) => [id, state])).toEqual([
      ['ls-ffffffffffffffff', 'held'],
      [leaseId, 'provisioning'],
    ])
  })

  it('is asked for where its record is taken away while the platform answers', async () => {
    const cloud = interfering(stage.cloud, {
      before: (call) => {
        if (call.action === action) stage.forget('', 'configmaps', poolObjectName('general'), 'kube-system')
      },
    })
    const report = await stage.carry([grow(lease)], { cloud })
    expect(saying(report, 'Applied', 'Failed')).toEqual(['Applied nodes-coming'])
    expect(sentence(report, 'nodes-coming')).toContain('could not be written down')
    stage.wait(minuteMs)
    expect(brought()).toBe(lease.wanted)
  })

  it('is not asked for where the record cannot be understood', async () => {
    await stage.carry([grow(lease)])
    const { ordinal: _ordinal, ...broken } = stage.record()
    stage.putRecord(broken as never)
    const since = stage.calls().length
    const other = { ...lease, id: 'ls-1111111111111111' }
    expect(saying(await stage.carry([grow(other, { ordinal: 1 })]), 'Held')).toEqual(['Held record-unreadable'])
    expect(stage.writes(since)).toEqual([])
  })
})

describe('a lost answer of CreateClusterInstances does not buy twice', () => {
  const faults: readonly Fault[] = [{ kind: 'drop-after' }, { kind: 'truncated-body' }, { kind: 'internal-error', when: 'after' }]

  it.for(
    [true, false].flatMap((clientTokens) =>
      faults.map((fault) => ({ clientTokens, fault, name: `${fault.kind}, tokens ${clientTokens}` })),
    ),
  )('$name', async ({ clientTokens, fault }) => {
    stage.world.tke.behaviour.clientTokens = clientTokens
    stage.faults.add({ fault, match: { action: 'CreateClusterInstances' }, count: 1 })
    for (let run = 0; run < 6; run += 1) {
      await stage.carry([grow(boughtLease())])
      stage.wait(2 * minuteMs)
    }
    expect(stage.machines()).toHaveLength(6)
    expect(stage.journal.filter(({ action, applied }) => action === 'CreateClusterInstances' && applied)).toHaveLength(1)
  })

  it('even when nobody can look, and where tokens are known a second try buys the same machines', async () => {
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { action: 'CreateClusterInstances' }, count: 1 })
    const looking = stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { action: 'DescribeClusterInstances' } })
    expect(saying(await stage.carry([grow(boughtLease())]), 'Held')).toEqual(['Held unknown-outcome'])
    stage.wait(5 * minuteMs)
    expect(saying(await stage.carry([grow(boughtLease())]), 'Held')).toEqual(['Held unknown-outcome'])
    expect(stage.machines()).toHaveLength(6)
    stage.faults.remove(looking)
    expect(saying(await stage.carry([grow(boughtLease())]), 'NoChange')).toEqual(['NoChange already-done'])
    expect(stage.machines()).toHaveLength(6)
  })
})

describe('new machines', () => {
  it('carry their lease and the labels of the pool from the beginning', async () => {
    await stage.carry([grow(boughtLease())])
    stage.wait(5 * minuteMs)
    const fresh = stage.machines().slice(4)
    for (const { node, chargeType } of fresh) {
      expect(chargeType).toBe('POSTPAID_BY_HOUR')
      expect(node?.settings.labels).toEqual([
        { name: 'longshore.dev/lease', value: leaseId },
        { name: 'pool', value: 'general' },
      ])
    }
    expect(
      leaseNow()
        ?.nodes.map(({ instanceId }) => instanceId)
        .toSorted(),
    ).toEqual(fresh.map(({ instanceId }) => instanceId).toSorted())
  })

  it.for([
    ['sold out', 'sold-out', () => stage.world.tke.behaviour.soldOut.push('S5.LARGE8')],
    ['beyond the quota', 'quota', () => Object.assign(stage.world.tke.quotas, { '*': { maxClusters: 5, maxNodesPerCluster: 5 } })],
    [
      'in a full subnet',
      'subnet-full',
      () => {
        const subnet = stage.world.tke.vpcs[emptyCluster.vpcId]?.subnets[emptyCluster.subnetId]
        if (subnet !== undefined) subnet.used = 1_020
      },
    ],
  ] as const)('%s close their lease as failed, so that the next mechanism may be asked', async ([, code, prepare]) => {
    prepare()
    const report = await stage.carry([grow(boughtLease())])
    expect(saying(report, 'Failed')).toEqual(['Failed mechanism-refused'])
    expect(sentence(report, 'mechanism-refused')).toContain(`buy gives none (${code})`)
    expect(leaseNow()).toMatchObject({ state: 'closed', outcome: { kind: 'failed', code }, nodes: [] })
    expect(stage.machines()).toHaveLength(4)
  })

  it('that were bought although the platform says that it failed are ours', async () => {
    const cloud = interfering(stage.cloud, {
      before: async ({ action, request, nth }) => {
        if (action !== 'CreateClusterInstances' || nth > 1) return
        // The first call buys and is forgotten by the platform, which then has none left.
        const { CreateClusterInstances } = await import('#cloud/generated/tke/create-cluster-instances.ts')
        await stage.cloud.send(CreateClusterInstances, request as never)
        stage.world.tke.behaviour.clientTokens = false
        stage.world.tke.behaviour.soldOut.push('S5.LARGE8')
      },
    })
    expect(saying(await stage.carry([grow(boughtLease())], { cloud }), 'Applied')).toEqual(['Applied alarm-confirmed'])
    expect(leaseNow()).toMatchObject({ state: 'provisioning' })
    expect(leaseNow()?.nodes).toHaveLength(2)
  })
})

describe('a scaling group', () => {
  it('that is busy is asked again, by the same lease, when it is not', async () => {
    const lease = groupLease(members().map(({ instanceId }) => instanceId))
    stage.group.status = 'updating'
    stage.group.settles = { atMs: stage.now() + minuteMs, status: 'enabled' }
    const report = await stage.carry([grow(lease)])
    expect(saying(report, 'Held')).toEqual(['Held group-busy'])
    expect(sentence(report, 'group-busy')).toContain('is updating')
    expect(leaseNow()?.state).toBe('asking')
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([grow(lease)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
    stage.wait(minuteMs)
    expect(members()).toHaveLength(4)
  })

  it('that has lost a machine since the plan buys no more than was decided: the next look decides anew', async () => {
    const lease = groupLease(members().map(({ instanceId }) => instanceId))
    const [first] = members()
    if (first === undefined) throw new Error('the group has no machine')
    stage.group.minSize = 1
    stage.group.desiredSize = 1
    delete stage.world.tke.machines[first.instanceId]
    const report = await stage.carry([grow(lease)])
    expect(saying(report, 'Failed')).toEqual(['Failed mechanism-refused'])
    expect(sentence(report, 'mechanism-refused')).toContain(`${first.instanceId} left scaling group`)
    expect(stage.writes()).not.toContain('ModifyClusterAsGroupAttribute')
    expect(leaseNow()).toMatchObject({ state: 'closed', outcome: { kind: 'failed', code: 'moved' } })
    expect(stage.record().bases).toEqual([])
  })

  it('that has got a machine for somebody else since the plan is not asked: it would be taken for one of the lease', async () => {
    const lease = groupLease(members().map(({ instanceId }) => instanceId))
    Object.assign(stage.group, { desiredSize: 3, nextActivityMs: stage.now() })
    stage.wait(minuteMs)
    expect(members()).toHaveLength(3)
    const report = await stage.carry([grow(lease)])
    expect(saying(report, 'Failed')).toEqual(['Failed mechanism-refused'])
    expect(sentence(report, 'mechanism-refused')).toContain('joined scaling group')
    expect(leaseNow()).toMatchObject({ state: 'closed', outcome: { kind: 'failed', code: 'moved' } })
    expect(stage.group.minSize).toBe(2)
  })

  it('that has got a machine for another lease since the plan is asked', async () => {
    const lease = groupLease(members().map(({ instanceId }) => instanceId))
    const other = leaseOf({ ...lease, id: 'ls-ffffffffffffffff', wanted: 1 }, { state: 'provisioning' })
    stage.putRecord({ version: 1, cluster: clusterId, pool: 'general', ordinal: 0, bases: [], leases: [other] })
    Object.assign(stage.group, { desiredSize: 3, nextActivityMs: stage.now() })
    stage.wait(minuteMs)
    expect(saying(await stage.carry([grow(lease)]), 'Applied')).toEqual(['Applied alarm-confirmed'])
  })

  it('records its bounds from before the first lease, and those that were set', async () => {
    await stage.carry([grow(groupLease(members().map(({ instanceId }) => instanceId)))])
    expect(stage.record().bases).toEqual([{ group: groupId, before: { min: 2, max: 10 }, set: { min: 4, max: 10, atMs: stage.now() } }])
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([4, 10])
  })

  it('of which nobody sees anything but its bounds is found to have been asked', async () => {
    const lease = groupLease(members().map(({ instanceId }) => instanceId))
    // It buys nothing for now.
    stage.world.tke.behaviour.soldOut.push('S5.LARGE8')
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { action: 'ModifyClusterAsGroupAttribute' }, count: 1 })
    await stage.carry([grow(lease)])
    stage.wait(2 * minuteMs)
    expect(saying(await stage.carry([grow(lease)]), 'NoChange')).toEqual(['NoChange already-done'])
    expect(stage.writes().filter((call) => call === 'ModifyClusterAsGroupAttribute')).toHaveLength(1)
  })
})

describe('machines that are there', () => {
  it('of which one cannot join bring the others', async () => {
    const [first = '', second = ''] = spares()
    const machine = stage.world.tke.machines[second]
    if (machine !== undefined) machine.power = 'STOPPED'
    await stage.carry([grow(newLease({ name: 'spares', kind: 'existing-instances', instanceIds: [first, second] }))])
    expect(leaseNow()?.nodes.map(({ instanceId }) => instanceId)).toEqual([first])
  })

  it('of which none can join have given none', async () => {
    for (const id of spares()) Object.assign(stage.world.tke.machines[id] ?? {}, { power: 'STOPPED' })
    const report = await stage.carry([grow(newLease({ name: 'spares', kind: 'existing-instances', instanceIds: spares() }))])
    expect(saying(report, 'Failed')).toEqual(['Failed mechanism-refused'])
    expect(leaseNow()).toMatchObject({ state: 'closed', outcome: { kind: 'failed', code: 'refused' } })
  })

  it('of which the platform says that it took too long count as on their way', async () => {
    stage.world.tke.behaviour.addTimeoutShare = 1
    await stage.carry([grow(newLease({ name: 'spares', kind: 'existing-instances', instanceIds: spares() }))])
    expect(leaseNow()?.nodes).toHaveLength(2)
  })
})

describe('over real sockets', () => {
  it('a purchase whose answer is lost is made once', async () => {
    const local = stage
    stage = await openClusterStage()
    try {
      stage.world.tke.behaviour.clientTokens = false
      stage.faults.add({ fault: { kind: 'drop-after' }, match: { action: 'CreateClusterInstances' }, count: 1 })
      expect(saying(await stage.carry([grow(boughtLease())]), 'Applied')).toEqual(['Applied settled-applied'])
      expect(stage.machines()).toHaveLength(6)
      stage.wait(5 * minuteMs)
      await stage.carry([grow(boughtLease())])
      expect(stage.machines()).toHaveLength(6)
      expect(stage.calls().some((call) => call.includes(configMap))).toBe(true)
    } finally {
      await stage.close()
      stage = local
    }
  })
})
