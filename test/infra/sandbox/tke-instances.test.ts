import { beforeEach, describe, expect, test } from 'vitest'
import { getObject, listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { isPod } from '#infra/sandbox/kubernetes/shapes.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, disruptionBudget } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeMachines } from '#infra/sandbox/seeds/place.ts'
import { type Desk, noon, openDesk, runPara } from './tke-desk.ts'

const ClusterId = emptyCluster.clusterId
let desk: Desk

beforeEach(() => {
  desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
})

function kubernetes() {
  const state = desk.world.kubernetes[ClusterId]
  if (state === undefined) throw new Error('no kubernetes')
  return state
}

async function instances() {
  return (await desk.call('DescribeClusterInstances', { ClusterId, Limit: 100 })).InstanceSet
}

async function buy(more: Record<string, unknown> = {}) {
  const answer = await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara(more) })
  return [...answer.InstanceIdSet]
}

describe('CreateClusterInstances', () => {
  test('machines initialise, then run and appear in Kubernetes as Ready nodes', async () => {
    const ids = await buy({ InstanceCount: 3, InstanceName: 'worker' })
    expect(ids).toHaveLength(3)
    for (const id of ids) expect(id).toMatch(/^ins-[a-z0-9]{8}$/)
    expect((await instances()).map((row) => row.InstanceState)).toEqual(['initializing', 'initializing', 'initializing'])
    expect((await instances())[0]?.FailedReason).not.toBe('')
    expect(listObjects(kubernetes(), '', 'nodes')).toHaveLength(0)
    desk.move(180_000)
    expect((await instances()).map((row) => [row.InstanceState, row.FailedReason])).toEqual(Array(3).fill(['running', '']))
    const nodes = listObjects(kubernetes(), '', 'nodes')
    expect(nodes.map((node) => node.metadata.name).sort()).toEqual(ids.map((id) => desk.world.tke.machines[id]?.privateIp).sort())
  })

  test('nodes do not all become ready at the same moment, and each at its own time however the clock jumps', async () => {
    await buy({ InstanceCount: 5 })
    desk.move(3_600_000)
    const times = listObjects(kubernetes(), '', 'nodes').map((node) => Date.parse(node.metadata.creationTimestamp))
    expect(new Set(times).size).toBeGreaterThan(1)
    for (const time of times) {
      expect(time).toBeGreaterThanOrEqual(noon + 90_000 - 1_000)
      expect(time).toBeLessThanOrEqual(noon + 180_000)
    }
  })

  test('advanced settings arrive on the node: labels, and cordoned when unschedulable', async () => {
    const answer = await desk.call('CreateClusterInstances', {
      ClusterId,
      RunInstancePara: runPara(),
      InstanceAdvancedSettings: { Unschedulable: 1, Labels: [{ Name: 'pool', Value: 'batch' }] },
    })
    desk.move(200_000)
    const node = listObjects(kubernetes(), '', 'nodes')[0]
    expect(node?.metadata.labels).toMatchObject({ pool: 'batch', 'node.kubernetes.io/instance-type': 'S5.LARGE8' })
    const [row] = await instances()
    expect(row).toMatchObject({ InstanceId: answer.InstanceIdSet[0], DrainStatus: 'drained' })
    expect(row?.InstanceAdvancedSettings).toMatchObject({ Unschedulable: 1, Labels: [{ Name: 'pool', Value: 'batch' }] })
  })

  test('the same ClientToken with the same request answers the same machines, and buys nothing more', async () => {
    const first = await buy({ InstanceCount: 2, ClientToken: 'episode-1' })
    desk.move(60_000)
    expect(await buy({ ClientToken: 'episode-1', InstanceCount: 2 })).toEqual(first)
    expect(await instances()).toHaveLength(2)
    expect(
      await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 3, ClientToken: 'episode-1' }) }),
    ).toBe('InvalidParameter')
    expect(await buy({ InstanceCount: 2, ClientToken: 'episode-2' })).not.toEqual(first)
    expect(await instances()).toHaveLength(4)
  })

  test('without token support every call buys', async () => {
    desk.world.tke.behaviour.clientTokens = false
    const first = await buy({ ClientToken: 'episode-1' })
    expect(await buy({ ClientToken: 'episode-1' })).not.toEqual(first)
    expect(await instances()).toHaveLength(2)
  })

  test.each([
    ['not JSON', '{', 'InvalidParameter'],
    ['a misspelt key', runPara({ InstanceCnt: 2 }), 'UnknownParameter'],
    ['a count of zero', runPara({ InstanceCount: 0 }), 'InvalidParameter'],
    ['a count that is a text', runPara({ InstanceCount: '2' }), 'InvalidParameter'],
    ['no placement', runPara({ Placement: undefined }), 'MissingParameter'],
    ['a type that is not on offer', runPara({ InstanceType: 'S5.HUGE1' }), 'InvalidParameter'],
    ['a type of another architecture', runPara({ InstanceType: 'SR1.LARGE8' }), 'InvalidParameter'],
    ['a token longer than 64', runPara({ ClientToken: 'x'.repeat(65) }), 'InvalidParameter'],
    ['another network', runPara({ VirtualPrivateCloud: { VpcId: 'vpc-other000', SubnetId: 'subnet-e0000001' } }), 'InvalidParameter'],
    ['another zone than the subnet', runPara({ Placement: { Zone: 'ap-guangzhou-4' } }), 'InvalidParameter'],
  ])('%s is refused', async (_, RunInstancePara, code) => {
    expect(await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara })).toBe(code)
  })

  test('quota, stock and addresses are limits of their own', async () => {
    desk.world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 3 }
    expect(await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceCount: 4 }) })).toBe(
      'InternalError.QuotaMaxNodLimit',
    )
    await buy({ InstanceCount: 3 })
    expect(await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })).toBe('InternalError.QuotaMaxNodLimit')
    desk.world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 5_000 }
    desk.world.tke.behaviour.soldOut = ['ap-guangzhou-3/S5.LARGE8']
    expect(await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })).toBe('InternalError.CvmCommon')
    expect(await buy({ InstanceType: 'S5.MEDIUM4' })).toHaveLength(1)
    const subnet = desk.world.tke.vpcs[emptyCluster.vpcId]?.subnets[emptyCluster.subnetId]
    if (subnet !== undefined) subnet.used = 1024 - 3 - 1
    expect(
      await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ InstanceType: 'S5.MEDIUM4', InstanceCount: 2 }) }),
    ).toBe('InternalError.VpcCommon')
    expect(await buy({ InstanceType: 'S5.MEDIUM4' })).toHaveLength(1)
  })

  test('the pod network has slices for so many nodes', async () => {
    desk.world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 5_000 }
    // 172.16.0.0/16 less 256 for services, in slices of 64.
    const rooms = (65_536 - 256) / 64
    const subnet = desk.world.tke.vpcs[emptyCluster.vpcId]?.subnets[emptyCluster.subnetId]
    expect(subnet).toBeDefined()
    const cluster = desk.world.tke.clusters[ClusterId]
    if (cluster === undefined) throw new Error('no cluster')
    desk.world.tke.clusters[ClusterId] = { ...cluster, network: { ...cluster.network, clusterCidr: '172.16.0.0/24' } }
    expect(rooms).toBe(1020)
    expect(await desk.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })).toBe('InternalError.QuotaMaxRtLimit')
  })

  test('a share of new nodes fails, with a reason, and never reaches Kubernetes', async () => {
    desk.world.tke.behaviour.nodeFailureShare = 1
    await buy({ InstanceCount: 2 })
    desk.move(200_000)
    for (const row of await instances()) {
      expect(row.InstanceState).toBe('failed')
      expect(row.FailedReason).toBe(desk.world.tke.behaviour.nodeFailureReason)
    }
    expect(listObjects(kubernetes(), '', 'nodes')).toHaveLength(0)
  })

  test('an unknown cluster, and one of another region, is not found', async () => {
    expect(await desk.code('CreateClusterInstances', { ClusterId: 'cls-nowhere0', RunInstancePara: runPara() })).toBe('ResourceNotFound')
    const elsewhere = openDesk(desk.world, { region: 'ap-shanghai' })
    expect(await elsewhere.code('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })).toBe('ResourceNotFound')
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(await desk.code('CreateClusterInstances', { ClusterId: name, RunInstancePara: runPara() })).toBe('ResourceNotFound')
    }
  })
})

describe('AddClusterInstances', () => {
  test('buys like CreateClusterInstances; a token means nothing here', async () => {
    const request = {
      ClusterId,
      CvmRunInstances: runPara({ InstanceCount: 2, ClientToken: 'x' }),
      MountTarget: ['/data'],
      Unschedulable: 1,
    }
    const first = await desk.call('AddClusterInstances', request)
    const second = await desk.call('AddClusterInstances', request)
    expect(new Set([...first.InstanceIdSet, ...second.InstanceIdSet]).size).toBe(4)
    expect((await instances())[0]?.InstanceAdvancedSettings).toMatchObject({ MountTarget: '/data', Unschedulable: 1 })
    expect(await desk.code('AddClusterInstances', { ...request, OsName: 'centos7.2x86_64' })).toBe('InvalidParameter')
  })
})

describe('DeleteClusterInstances', () => {
  test('each id ends in one list: removed, failed, or not found', async () => {
    const [running = '', second = ''] = await buy({ InstanceCount: 2 })
    desk.move(200_000)
    const [initializing = ''] = await buy()
    const answer = await desk.call('DeleteClusterInstances', {
      ClusterId,
      InstanceIds: [running, initializing, 'ins-nowhere0', running],
      InstanceDeleteMode: 'terminate',
    })
    expect(answer).toEqual({ SuccInstanceIds: [running], FailedInstanceIds: [initializing], NotFoundInstanceIds: ['ins-nowhere0'] })
    expect(listObjects(kubernetes(), '', 'nodes').map((node) => node.metadata.name)).toEqual([desk.world.tke.machines[second]?.privateIp])
    expect(desk.world.tke.machines[running]).toBeUndefined()
    const forced = await desk.call('DeleteClusterInstances', {
      ClusterId,
      InstanceIds: [initializing],
      InstanceDeleteMode: 'terminate',
      ForceDelete: true,
    })
    expect(forced.SuccInstanceIds).toEqual([initializing])
    // Once more: what is gone is not found, and nothing happens.
    const again = await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [running], InstanceDeleteMode: 'terminate' })
    expect(again).toEqual({ SuccInstanceIds: [], FailedInstanceIds: [], NotFoundInstanceIds: [running] })
  })

  test('retain keeps the machine outside; terminate refuses one that is prepaid', async () => {
    const [hourly = ''] = await buy()
    const [prepaid = ''] = await buy({ InstanceChargeType: 'PREPAID' })
    desk.move(200_000)
    const refused = await desk.call('DeleteClusterInstances', {
      ClusterId,
      InstanceIds: [hourly, prepaid],
      InstanceDeleteMode: 'terminate',
    })
    expect(refused).toEqual({ SuccInstanceIds: [hourly], FailedInstanceIds: [prepaid], NotFoundInstanceIds: [] })
    await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [prepaid], InstanceDeleteMode: 'retain' })
    expect(await instances()).toEqual([])
    const existed = await desk.call('DescribeExistedInstances', { InstanceIds: [prepaid] })
    expect(existed.ExistedInstanceSet[0]).toMatchObject({ InstanceId: prepaid, Usable: true, AlreadyInCluster: '' })
  })

  test('an unknown mode and an empty list are refused', async () => {
    expect(await desk.code('DeleteClusterInstances', { ClusterId, InstanceIds: ['ins-1'], InstanceDeleteMode: 'keep' })).toBe(
      'InvalidParameter',
    )
    expect(await desk.code('DeleteClusterInstances', { ClusterId, InstanceIds: [] })).toBe('InvalidParameter')
  })
})

describe('DescribeClusterInstances and …Ids', () => {
  beforeEach(async () => {
    await buy({ InstanceCount: 25, InstanceType: 'S5.MEDIUM4', InstanceName: 'web' })
    desk.move(200_000)
    await desk.call('CreateClusterInstances', {
      ClusterId,
      RunInstancePara: runPara({ InstanceCount: 2, InstanceName: 'batch' }),
      InstanceAdvancedSettings: { Labels: [{ Name: 'pool', Value: 'batch' }] },
    })
  })

  test('pages of 20 by default, 100 at most, and nothing past the end', async () => {
    const first = await desk.call('DescribeClusterInstances', { ClusterId })
    const second = await desk.call('DescribeClusterInstances', { ClusterId, Offset: 20 })
    expect([first.TotalCount, first.InstanceSet.length, second.InstanceSet.length]).toEqual([27, 20, 7])
    const ids = [...first.InstanceSet, ...second.InstanceSet].map((row) => row.InstanceId)
    expect(new Set(ids).size).toBe(27)
    expect((await desk.call('DescribeClusterInstances', { ClusterId, Offset: 30 })).InstanceSet).toEqual([])
    expect(await desk.code('DescribeClusterInstances', { ClusterId, Limit: 101 })).toBe('InternalError.Param')
    expect(await desk.code('DescribeClusterInstances', { ClusterId, Limit: 0 })).toBe('InternalError.Param')
    expect(await desk.code('DescribeClusterInstances', { ClusterId: 'cls-nowhere0' })).toBe('InvalidParameter.ClusterNotFound')
  })

  test('filters narrow together, values of one filter widen', async () => {
    const count = async (Filters: { Name: string; Values: string[] }[]) =>
      (await desk.call('DescribeClusterInstances', { ClusterId, Filters })).TotalCount
    expect(await count([{ Name: 'InstanceState', Values: ['running'] }])).toBe(25)
    expect(await count([{ Name: 'InstanceState', Values: ['running', 'initializing'] }])).toBe(27)
    expect(
      await count([
        { Name: 'InstanceState', Values: ['running'] },
        { Name: 'InstanceName', Values: ['batch'] },
      ]),
    ).toBe(0)
    expect(await desk.code('DescribeClusterInstances', { ClusterId, Filters: [{ Name: 'Colour', Values: ['red'] }] })).toBe(
      'InternalError.Param',
    )
    const one = await desk.call('DescribeClusterInstances', { ClusterId, InstanceIds: [(await instances())[3]?.InstanceId ?? ''] })
    expect(one.TotalCount).toBe(1)
  })

  test('ids by state, name, label, address and role', async () => {
    const ids = async (more: object) =>
      (await desk.call('DescribeClusterInstanceIds', { ClusterId, Limit: 100, ...more })).InstanceIdSet.length
    expect(await ids({})).toBe(27)
    expect(await ids({ InstanceStates: ['initializing'] })).toBe(2)
    expect(await ids({ VagueInstanceName: 'we' })).toBe(25)
    expect(await ids({ Labels: 'pool=batch' })).toBe(2)
    expect(await ids({ VagueIpAddress: '10.0.0.2' })).toBe(10)
    expect(await ids({ InstanceRole: 'MASTER_ETCD' })).toBe(0)
    expect(await ids({ InstanceRole: 'ALL' })).toBe(27)
    expect(await desk.code('DescribeClusterInstanceIds', { ClusterId, InstanceRole: 'BOSS' })).toBe('InvalidParameter')
  })
})

describe('existing machines', () => {
  test('each is answered once, and what could not join says why', async () => {
    placeMachines(
      desk.world,
      emptyCluster.vpcId,
      { count: 3, instanceType: 'S5.LARGE8', subnetId: emptyCluster.subnetId, createdMs: noon },
      () => 0.5,
    )
    const [one, two, three] = Object.values(desk.world.tke.machines)
    if (one === undefined || two === undefined || three === undefined) throw new Error('no machines')
    three.power = 'STOPPED'
    const listed = await desk.call('DescribeExistedInstances', { ClusterId })
    expect(listed.ExistedInstanceSet.map((row) => row.Usable).sort()).toEqual([false, true, true])
    const answer = await desk.call('AddExistedInstances', { ClusterId, InstanceIds: [one.instanceId, three.instanceId, 'ins-nowhere0'] })
    expect(answer).toEqual({
      SuccInstanceIds: [one.instanceId],
      FailedInstanceIds: [three.instanceId, 'ins-nowhere0'],
      TimeoutInstanceIds: [],
    })
    const again = await desk.call('AddExistedInstances', { ClusterId, InstanceIds: [one.instanceId] })
    expect(again.FailedInstanceIds).toEqual([one.instanceId])
    desk.world.tke.behaviour.addTimeoutShare = 1
    const late = await desk.call('AddExistedInstances', { ClusterId, InstanceIds: [two.instanceId] })
    expect(late).toEqual({ SuccInstanceIds: [], FailedInstanceIds: [], TimeoutInstanceIds: [two.instanceId] })
    desk.move(200_000)
    expect((await instances()).map((row) => row.InstanceState)).toEqual(['running', 'running'])
    const rows = (await desk.call('DescribeExistedInstances', { ClusterId })).ExistedInstanceSet
    expect(rows.find((row) => row.InstanceId === one.instanceId)).toMatchObject({ Usable: false, AlreadyInCluster: ClusterId })
    expect(rows.find((row) => row.InstanceId === three.instanceId)?.UnusableReason).toContain('not running')
  })

  test('parameters that exclude each other, and filters', async () => {
    placeMachines(
      desk.world,
      emptyCluster.vpcId,
      { count: 2, instanceType: 'S5.LARGE8', subnetId: emptyCluster.subnetId, instanceName: 'spare', createdMs: noon },
      () => 0.5,
    )
    expect(await desk.code('DescribeExistedInstances', { ClusterId, InstanceIds: ['ins-1'] })).toBe('InvalidParameter')
    expect(await desk.code('DescribeExistedInstances', { InstanceIds: ['ins-1'], Filters: [{ Name: 'zone', Values: ['z'] }] })).toBe(
      'InvalidParameter',
    )
    expect(await desk.code('DescribeExistedInstances', { ClusterId, Filters: [{ Name: 'vpc-id', Values: ['vpc-other000'] }] })).toBe(
      'InvalidParameter',
    )
    const byZone = (zone: string) => desk.call('DescribeExistedInstances', { Filters: [{ Name: 'zone', Values: [zone] }] })
    expect([(await byZone('ap-guangzhou-3')).TotalCount, (await byZone('ap-guangzhou-4')).TotalCount]).toEqual([2, 0])
    expect((await desk.call('DescribeExistedInstances', { VagueInstanceName: 'par' })).TotalCount).toBe(2)
    expect(
      await desk.code('AddExistedInstances', { ClusterId, InstanceIds: ['ins-1'], LoginSettings: { Password: 'x', KeyIds: ['y'] } }),
    ).toBe('InvalidParameter')
    desk.world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 1 }
    expect(await desk.code('AddExistedInstances', { ClusterId, InstanceIds: Object.keys(desk.world.tke.machines) })).toBe('LimitExceeded')
  })
})

describe('DrainClusterNode', () => {
  test('a dry run lists, a drain cordons and evicts, and the node stays', async () => {
    const [one = ''] = await buy()
    desk.move(200_000)
    putObject(kubernetes(), deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 3 }), desk.now())
    desk.move(60_000)
    const dry = await desk.call('DrainClusterNode', { ClusterId, InstanceId: one, DryRun: true })
    expect(dry.Pods).toHaveLength(3)
    expect(dry.Pods[0]).toMatchObject({ Namespace: 'default', NodeIp: desk.world.tke.machines[one]?.privateIp })
    expect((await instances())[0]?.DrainStatus).toBe('')
    const drained = await desk.call('DrainClusterNode', { ClusterId, InstanceId: one })
    expect(drained.Pods.map((pod) => pod.Name).sort()).toEqual(dry.Pods.map((pod) => pod.Name).sort())
    desk.move(120_000)
    expect((await instances())[0]).toMatchObject({ InstanceState: 'running', DrainStatus: 'drained' })
    expect((await desk.call('DrainClusterNode', { ClusterId, InstanceId: one, DryRun: true })).Pods).toEqual([])
    expect(
      listObjects(kubernetes(), '', 'pods')
        .filter(isPod)
        .map((pod) => pod.spec.nodeName),
    ).toEqual([undefined, undefined, undefined])
  })

  test('a disruption budget holds pods back', async () => {
    const [one = ''] = await buy()
    desk.move(200_000)
    putObject(kubernetes(), deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 2 }), desk.now())
    putObject(kubernetes(), disruptionBudget({ namespace: 'default', name: 'web', minAvailable: 2 }), desk.now())
    desk.move(60_000)
    await desk.call('DrainClusterNode', { ClusterId, InstanceId: one })
    desk.move(120_000)
    expect((await desk.call('DrainClusterNode', { ClusterId, InstanceId: one, DryRun: true })).Pods).toHaveLength(2)
  })

  test('only a running node of the cluster can be drained', async () => {
    const [one = ''] = await buy()
    expect(await desk.code('DrainClusterNode', { ClusterId, InstanceId: one })).toBe('ResourceUnavailable')
    expect(await desk.code('DrainClusterNode', { ClusterId, InstanceId: 'ins-nowhere0' })).toBe('ResourceNotFound')
  })
})

test('a removed node takes its pods with it, and the Deployment places them anew', async () => {
  const [one = '', two = ''] = await buy({ InstanceCount: 2 })
  desk.move(200_000)
  putObject(kubernetes(), deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 4 }), desk.now())
  desk.move(60_000)
  await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [one], InstanceDeleteMode: 'terminate' })
  desk.move(120_000)
  const left = await desk.call('DrainClusterNode', { ClusterId, InstanceId: two, DryRun: true })
  expect(left.Pods).toHaveLength(4)
  expect(getObject(kubernetes(), 'apps', 'deployments', 'web', 'default')?.status).toMatchObject({ readyReplicas: 4 })
})
