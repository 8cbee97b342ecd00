import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, service } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeMachines } from '#infra/sandbox/seeds/place.ts'
import { formatAddress, formatCidr, overlap, parseCidr } from '#infra/sandbox/tke/cidr.ts'
import { type Desk, noon, openDesk, runPara } from './tke-desk.ts'

const { clusterId: ClusterId, vpcId: VpcId, subnetId: SubnetId } = emptyCluster
let desk: Desk

beforeEach(() => {
  desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
})

function managed(more: object = {}) {
  return {
    ClusterType: 'MANAGED_CLUSTER',
    ClusterCIDRSettings: { ClusterCIDR: '172.20.0.0/16' },
    ClusterBasicSettings: { VpcId, ClusterName: 'new', ClusterVersion: '1.20.6', ClusterOs: 'tlinux2.4x86_64' },
    ...more,
  }
}

describe('CreateCluster', () => {
  test('is Creating, then Running with a Kubernetes API of its version, and its nodes join', async () => {
    const { ClusterId: fresh } = await desk.call(
      'CreateCluster',
      managed({
        ClusterCIDRSettings: { ClusterCIDR: '172.20.0.0/16', MaxNodePodNum: 60, MaxClusterServiceNum: 100 },
        RunInstancesForNode: [{ NodeRole: 'WORKER', RunInstancesPara: [runPara({ InstanceCount: 2 })] }],
      }),
    )
    expect(fresh).toMatch(/^cls-[a-z0-9]{8}$/)
    const read = async () => (await desk.call('DescribeClusters', { ClusterIds: [fresh] })).Clusters[0]
    expect(await read()).toMatchObject({
      ClusterStatus: 'Creating',
      ClusterNodeNum: 2,
      ClusterMasterNodeNum: 0,
      ClusterVersion: '1.20.6',
      ClusterNetworkSettings: { ClusterCIDR: '172.20.0.0/16', MaxNodePodNum: 64, MaxClusterServiceNum: 128, VpcId },
    })
    expect(desk.world.kubernetes[fresh]).toBeUndefined()
    expect(await desk.code('ForwardRequest', { ClusterId: fresh, Method: 'GET', Path: '/api/v1/nodes' })).toBe('ResourceUnavailable')
    expect(await desk.code('DeleteCluster', { ClusterId: fresh, InstanceDeleteMode: 'retain' })).toBe('ResourceUnavailable')
    desk.move(300_000)
    expect((await read())?.ClusterStatus).toBe('Running')
    const version = await desk.call('ForwardRequest', { ClusterId: fresh, Method: 'GET', Path: '/version' })
    expect(JSON.parse(version.ResponseBody)).toMatchObject({ major: '1', minor: expect.stringMatching(/^20/) })
    desk.move(300_000)
    const state = desk.world.kubernetes[fresh]
    expect(state === undefined ? [] : listObjects(state, '', 'nodes')).toHaveLength(2)
  })

  test('an independent cluster brings its masters, which are listed by role and tainted', async () => {
    const master = runPara({ InstanceCount: 3, InstanceType: 'S5.LARGE8' })
    const request = managed({
      ClusterType: 'INDEPENDENT_CLUSTER',
      RunInstancesForNode: [
        { NodeRole: 'MASTER_ETCD', RunInstancesPara: [master] },
        { NodeRole: 'WORKER', RunInstancesPara: [runPara({ InstanceCount: 2 }), runPara({ InstanceType: 'S5.MEDIUM4' })] },
      ],
    })
    const { ClusterId: fresh } = await desk.call('CreateCluster', request)
    desk.move(600_000)
    const [row] = (await desk.call('DescribeClusters', { ClusterIds: [fresh] })).Clusters
    expect(row).toMatchObject({ ClusterNodeNum: 3, ClusterMasterNodeNum: 3 })
    const count = async (InstanceRole: string) =>
      (await desk.call('DescribeClusterInstances', { ClusterId: fresh, InstanceRole })).TotalCount
    expect([await count('MASTER_ETCD'), await count('WORKER'), await count('')]).toEqual([3, 3, 6])
    const state = desk.world.kubernetes[fresh]
    const tainted = (state === undefined ? [] : listObjects(state, '', 'nodes')).filter((node) =>
      JSON.stringify(node).includes('node-role.kubernetes.io/master'),
    )
    expect(tainted).toHaveLength(3)
    const masters = (await desk.call('DescribeClusterInstanceIds', { ClusterId: fresh, InstanceRole: 'MASTER_ETCD' })).InstanceIdSet
    const deleted = await desk.call('DeleteClusterInstances', {
      ClusterId: fresh,
      InstanceIds: [...masters],
      InstanceDeleteMode: 'terminate',
      ForceDelete: true,
    })
    expect(deleted.FailedInstanceIds).toHaveLength(3)
  })

  test('machines that exist can be taken', async () => {
    placeMachines(desk.world, VpcId, { count: 2, instanceType: 'S5.LARGE8', subnetId: SubnetId, createdMs: noon }, () => 0.5)
    const ids = Object.keys(desk.world.tke.machines)
    const existed = { ExistedInstancesForNode: [{ NodeRole: 'WORKER', ExistedInstancesPara: { InstanceIds: ids } }] }
    const { ClusterId: fresh } = await desk.call('CreateCluster', managed(existed))
    expect((await desk.call('DescribeClusterInstances', { ClusterId: fresh })).InstanceSet.map((row) => row.InstanceId).sort()).toEqual(
      ids.sort(),
    )
    expect(await desk.code('CreateCluster', managed({ ...existed, ClusterCIDRSettings: { ClusterCIDR: '172.24.0.0/16' } }))).toBe(
      'InvalidParameter',
    )
  })

  test('VPC-CNI takes subnets for pods, and more of them later', async () => {
    desk.world.tke.vpcs[VpcId]?.subnets
    const vpc = desk.world.tke.vpcs[VpcId]
    if (vpc !== undefined)
      vpc.subnets['subnet-pods0001'] = { subnetId: 'subnet-pods0001', zone: 'ap-guangzhou-3', cidr: '10.0.8.0/22', used: 0 }
    const { ClusterId: fresh } = await desk.call(
      'CreateCluster',
      managed({
        ClusterAdvancedSettings: { NetworkType: 'VPC-CNI' },
        ClusterCIDRSettings: { ServiceCIDR: '172.30.0.0/20', EniSubnetIds: [SubnetId] },
      }),
    )
    expect(await desk.code('AddVpcCniSubnets', { ClusterId: fresh, VpcId, SubnetIds: ['subnet-pods0001'] })).toBe('FailedOperation')
    desk.move(300_000)
    await desk.call('AddVpcCniSubnets', { ClusterId: fresh, VpcId, SubnetIds: ['subnet-pods0001', SubnetId] })
    await desk.call('AddVpcCniSubnets', { ClusterId: fresh, VpcId, SubnetIds: ['subnet-pods0001'] })
    const [row] = (await desk.call('DescribeClusters', { ClusterIds: [fresh] })).Clusters
    expect(row?.ClusterNetworkSettings.SubnetIds).toEqual([SubnetId, 'subnet-pods0001'])
    expect(await desk.code('AddVpcCniSubnets', { ClusterId: fresh, VpcId, SubnetIds: ['subnet-nowhere'] })).toBe('InvalidParameter')
    expect(await desk.code('AddVpcCniSubnets', { ClusterId, VpcId, SubnetIds: ['subnet-pods0001'] })).toBe('FailedOperation')
  })

  test.each([
    ['no type', managed({ ClusterType: 'HUGE' }), 'InvalidParameter'],
    ['a version that is not on offer', managed({ ClusterBasicSettings: { VpcId, ClusterVersion: '9.9.9' } }), 'InvalidParameter'],
    ['a system that is not on offer', managed({ ClusterBasicSettings: { VpcId, ClusterOs: 'beos' } }), 'InvalidParameter'],
    ['no network', managed({ ClusterBasicSettings: {} }), 'InvalidParameter'],
    ['an unknown network', managed({ ClusterBasicSettings: { VpcId: 'vpc-nowhere0' } }), 'InternalError.VpcRecodrNotFound'],
    ['no block', managed({ ClusterCIDRSettings: {} }), 'InvalidParameter'],
    ['a block that is none', managed({ ClusterCIDRSettings: { ClusterCIDR: '172.20.0.0' } }), 'InternalError.CidrInvalid'],
    ['a mask out of range', managed({ ClusterCIDRSettings: { ClusterCIDR: '172.20.0.0/25' } }), 'InternalError.CidrMaskSizeOutOfRange'],
    ['a public block', managed({ ClusterCIDRSettings: { ClusterCIDR: '8.8.0.0/16' } }), 'InternalError.InvalidPrivateNetworkCidr'],
    ['the network itself', managed({ ClusterCIDRSettings: { ClusterCIDR: '10.0.0.0/14' } }), 'InternalError.CidrConflictWithVpcCidr'],
    [
      'the block of another cluster',
      managed({ ClusterCIDRSettings: { ClusterCIDR: '172.16.0.0/12' } }),
      'InternalError.CidrConflictWithOtherCluster',
    ],
    ['too few masters', managed({ ClusterType: 'INDEPENDENT_CLUSTER' }), 'InvalidParameter'],
    [
      'masters that are too small',
      managed({
        ClusterType: 'INDEPENDENT_CLUSTER',
        RunInstancesForNode: [{ NodeRole: 'MASTER_ETCD', RunInstancesPara: [runPara({ InstanceCount: 3, InstanceType: 'S5.MEDIUM4' })] }],
      }),
      'InvalidParameter',
    ],
    [
      'masters of a managed cluster',
      managed({ RunInstancesForNode: [{ NodeRole: 'MASTER_ETCD', RunInstancesPara: [runPara({ InstanceCount: 3 })] }] }),
      'InvalidParameter',
    ],
    [
      'more machines than the quota',
      managed({ RunInstancesForNode: [{ NodeRole: 'WORKER', RunInstancesPara: [runPara({ InstanceCount: 41 })] }] }),
      'InternalError.QuotaMaxNodLimit',
    ],
  ])('%s is refused', async (_, request, code) => {
    expect(await desk.code('CreateCluster', request)).toBe(code)
  })

  test('a conflict can be ignored; the quota of clusters cannot', async () => {
    await desk.call('CreateCluster', managed({ ClusterCIDRSettings: { ClusterCIDR: '172.16.0.0/16', IgnoreClusterCIDRConflict: true } }))
    desk.world.tke.quotas['*'] = { maxClusters: 2, maxNodesPerCluster: 40 }
    expect(await desk.code('CreateCluster', managed())).toBe('InternalError.QuotaMaxClsLimit')
    expect(await desk.call('DescribeQuota', {})).toEqual({ MaxClustersNum: 2, MaxNodesNum: 40 })
  })
})

describe('clusters that exist', () => {
  test('are found by region, id and name, and attributes change', async () => {
    expect((await desk.call('DescribeClusters', {})).TotalCount).toBe(1)
    expect((await openDesk(desk.world, { region: 'ap-shanghai' }).call('DescribeClusters', {})).TotalCount).toBe(0)
    expect((await desk.call('DescribeClusters', { ClusterIds: ['cls-nowhere0'] })).TotalCount).toBe(0)
    const changed = await desk.call('ModifyClusterAttribute', { ClusterId, ClusterName: 'renamed', ClusterDesc: 'why' })
    expect(changed).toEqual({ ProjectId: 0, ClusterName: 'renamed', ClusterDesc: 'why' })
    const byName = async (name: string) =>
      (await desk.call('DescribeClusters', { Filters: [{ Name: 'ClusterName', Values: [name] }] })).TotalCount
    expect([await byName('renamed'), await byName('empty')]).toEqual([1, 0])
    expect(await desk.code('DescribeClusters', { Filters: [{ Name: 'Colour', Values: ['red'] }] })).toBe('InvalidParameter.Param')
    expect(await desk.code('DescribeClusters', { Limit: 1000 })).toBe('InvalidParameter.Param')
    expect(await desk.code('ModifyClusterAttribute', { ClusterId, ClusterRunTime: 'rkt' })).toBe('InvalidParameter.Param')
    expect(await desk.code('ModifyClusterAttribute', { ClusterId: 'cls-nowhere0' })).toBe('ResourceNotFound')
  })

  test('deleted they are gone with their Kubernetes, and prepaid machines stay outside', async () => {
    const buy = async (more: object) =>
      (await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara({ ...more }) })).InstanceIdSet[0] ?? ''
    const hourly = await buy({})
    const prepaid = await buy({ InstanceChargeType: 'PREPAID' })
    desk.move(300_000)
    expect(await desk.code('DeleteCluster', { ClusterId, InstanceDeleteMode: 'burn' })).toBe('InvalidParameter')
    await desk.call('DeleteCluster', { ClusterId, InstanceDeleteMode: 'terminate' })
    expect((await desk.call('DescribeClusters', {})).TotalCount).toBe(0)
    expect(desk.world.kubernetes).toEqual({})
    expect(desk.world.tke.machines[hourly]).toBeUndefined()
    expect(desk.world.tke.machines[prepaid]?.node).toBeNull()
    expect(await desk.code('DeleteCluster', { ClusterId, InstanceDeleteMode: 'retain' })).toBe('ResourceNotFound')
  })
})

describe('address blocks', () => {
  test.each([
    ['172.24.0.0/16', false, ''],
    ['10.0.128.0/18', true, 'CIDR_CONFLICT_WITH_VPC_CIDR'],
    ['10.0.0.0/10', true, 'CIDR_CONFLICT_WITH_VPC_CIDR'],
    ['172.16.255.0/24', true, 'CIDR_CONFLICT_WITH_OTHER_CLUSTER'],
    ['192.168.64.0/18', true, 'CIDR_CONFLICT_WITH_VPC_GLOBAL_ROUTE'],
    ['192.168.192.0/18', false, ''],
    // Bits behind the mask do not matter.
    ['192.168.127.255/18', true, 'CIDR_CONFLICT_WITH_VPC_GLOBAL_ROUTE'],
  ])('%s', async (ClusterCIDR, IsConflict, ConflictType) => {
    desk.world.tke.vpcs[VpcId]?.globalRoutes.push('192.168.64.0/19')
    const answer = await desk.call('CheckClusterCIDR', { VpcId, ClusterCIDR, NetworkType: 'GR' })
    expect(answer).toMatchObject({ IsConflict, ConflictType })
    expect(answer.ConflictMsg === '').toBe(!IsConflict)
  })

  test.each([
    ['10.1.0.0', 'InvalidParameter.CIDRInvalid'],
    ['10.256.0.0/16', 'InvalidParameter.CIDRInvalid'],
    ['10.1.0.0/33', 'InvalidParameter.CIDRInvalid'],
    ['10.1.0.0/9', 'InvalidParameter.CIDRMaskSizeOutOfRange'],
    ['10.1.0.0/25', 'InvalidParameter.CIDRMaskSizeOutOfRange'],
    ['172.32.0.0/16', 'InvalidParameter.InvalidPrivateNetworkCIDR'],
  ])('%s is refused', async (ClusterCIDR, code) => {
    expect(await desk.code('CheckClusterCIDR', { VpcId, ClusterCIDR, NetworkType: 'GR' })).toBe(code)
  })

  test('an unknown network and an unknown mode are refused', async () => {
    expect(await desk.code('CheckClusterCIDR', { VpcId: 'vpc-nowhere0', ClusterCIDR: '172.24.0.0/16', NetworkType: 'GR' })).toBe(
      'InternalError.VpcRecodrNotFound',
    )
    expect(await desk.code('CheckClusterCIDR', { VpcId, ClusterCIDR: '172.24.0.0/16', NetworkType: 'flannel' })).toBe(
      'InvalidParameter.Param',
    )
  })

  test('property: two blocks overlap exactly when they share one of their ends', () => {
    const block = fc
      .tuple(fc.nat(0xff_ff_ff_ff), fc.integer({ min: 0, max: 32 }))
      .map(([address, prefix]) => `${formatAddress(address)}/${prefix}`)
    fc.assert(
      fc.property(block, block, (left, right) => {
        const one = parseCidr(left)
        const other = parseCidr(right)
        if (one === undefined || other === undefined) throw new Error('not a block')
        const holds = (address: number, inside: typeof one) => address >= inside.address && address <= inside.address + inside.size - 1
        const shared = holds(one.address, other) || holds(other.address, one)
        return overlap(one, other) === shared && overlap(other, one) === shared && parseCidr(formatCidr(one))?.size === one.size
      }),
      { seed: 7, numRuns: 2_000 },
    )
  })
})

describe('entrances', () => {
  test('open over time, once, with an address of the subnet', async () => {
    const status = async (IsExtranet = false) => (await desk.call('DescribeClusterEndpointStatus', { ClusterId, IsExtranet })).Status
    expect(await status()).toBe('NotFound')
    expect((await desk.call('DescribeClusterEndpoint', { ClusterId })).ClusterIntranetEndpoint).toBe('')
    await desk.call('CreateClusterEndpoint', { ClusterId, SubnetId })
    expect(await status()).toBe('Creating')
    expect(await desk.code('DescribeClusterKubeconfig', { ClusterId, Type: 'INNERLB' })).toBe('ResourceUnavailable')
    expect(await desk.code('CreateClusterEndpoint', { ClusterId, SubnetId })).toBe('ResourceInUse')
    desk.move(20_000)
    expect([await status(), await status(true)]).toEqual(['Created', 'NotFound'])
    const endpoint = await desk.call('DescribeClusterEndpoint', { ClusterId })
    expect(endpoint.ClusterIntranetEndpoint).toMatch(/^https:\/\/10\.0\.\d+\.\d+:443$/)
    expect(endpoint.ClusterExternalEndpoint).toBe('')
    const { Kubeconfig } = await desk.call('DescribeClusterKubeconfig', { ClusterId, Type: 'INNERLB' })
    const config = parse(Kubeconfig)
    expect(config.clusters[0].cluster.server).toBe(endpoint.ClusterIntranetEndpoint)
    expect(config.users[0].user.token).toBe(desk.world.tke.clusters[ClusterId]?.access.token)
    expect(config['current-context']).toBe(config.contexts[0].name)
    const security = await desk.call('DescribeClusterSecurity', { ClusterId, JnsGwEndpointEnable: true })
    expect(security).toMatchObject({ UserName: 'admin', JnsGwEndpoint: endpoint.ClusterIntranetEndpoint })
    expect(security.Password).toHaveLength(32)
  })

  test('a managed cluster is not opened outwards, and an intranet entrance needs a subnet of the network', async () => {
    expect(await desk.code('CreateClusterEndpoint', { ClusterId, IsExtranet: true })).toBe('UnsupportedOperation')
    expect(await desk.code('CreateClusterEndpoint', { ClusterId })).toBe('InvalidParameter')
    expect(await desk.code('CreateClusterEndpoint', { ClusterId, SubnetId: 'subnet-nowhere' })).toBe('InvalidParameter')
    expect(await desk.code('DescribeClusterKubeconfig', { ClusterId, Type: 'FRONTDOOR' })).toBe('InvalidParameter')
    expect(await desk.code('DescribeClusterEndpoint', { ClusterId: 'cls-nowhere0' })).toBe('InternalError')
  })
})

test('services come from Kubernetes, with the replicas behind them', async () => {
  const state = desk.world.kubernetes[ClusterId]
  if (state === undefined) throw new Error('no kubernetes')
  await desk.call('CreateClusterInstances', { ClusterId, RunInstancePara: runPara() })
  desk.move(300_000)
  putObject(state, deployment({ namespace: 'shop', name: 'web', image: 'nginx:1.25', replicas: 2 }), desk.now())
  putObject(state, service({ namespace: 'shop', name: 'web', clusterIp: '172.16.255.1' }), desk.now())
  putObject(state, service({ namespace: 'default', name: 'lonely', type: 'LoadBalancer', clusterIp: '172.16.255.2' }), desk.now())
  desk.move(60_000)
  const shop = await desk.call('DescribeClusterServices', { ClusterId, Namespace: 'shop' })
  expect(shop.Services).toEqual([
    expect.objectContaining({
      Name: 'web',
      Namespace: 'shop',
      AccessType: 'ClusterIP',
      ServiceIp: '172.16.255.1',
      DesiredReplicas: 2,
      CurrentReplicas: 2,
    }),
  ])
  expect(JSON.parse(shop.Services[0]?.Labels ?? '')).toEqual({ app: 'web' })
  const names = async (more: object) => (await desk.call('DescribeClusterServices', { ClusterId, ...more })).Services.map((row) => row.Name)
  expect(await names({})).toContain('lonely')
  expect(await names({})).not.toContain('web')
  expect(await names({ AllNamespace: 1 })).toEqual(expect.arrayContaining(['lonely', 'web']))
  expect(await desk.code('DescribeClusterServices', { ClusterId: 'cls-nowhere0' })).toBe('InvalidParameter.ClusterNotFound')
})

describe('ForwardRequest', () => {
  const forward = (request: object) => desk.call('ForwardRequest', { Method: 'GET', Path: '/api/v1/namespaces/default', ...request })

  test('the cluster is ClusterName or ClusterId, and they have to agree', async () => {
    for (const request of [{ ClusterId }, { ClusterName: ClusterId }, { ClusterId, ClusterName: ClusterId }]) {
      expect(JSON.parse((await forward(request)).ResponseBody)).toMatchObject({ kind: 'Namespace', metadata: { name: 'default' } })
    }
    const bad = (request: object) => desk.code('ForwardRequest', { Method: 'GET', Path: '/api', ...request })
    expect(await bad({ ClusterId, ClusterName: 'cls-nowhere0' })).toBe('InvalidParameter')
    expect(await bad({})).toBe('MissingParameter')
    expect(await bad({ ClusterId: 'cls-nowhere0' })).toBe('ResourceNotFound')
    expect(await bad({ ClusterId, Method: 'BREW' })).toBe('InvalidParameter')
    expect(await bad({ ClusterId, Path: 'api' })).toBe('InvalidParameter')
  })

  test('what the cluster refuses is a successful call with a Status', async () => {
    const answer = await forward({ ClusterId, Path: '/apis/apps/v1/namespaces/default/deployments/ghost' })
    expect(JSON.parse(answer.ResponseBody)).toMatchObject({ kind: 'Status', status: 'Failure', code: 404, reason: 'NotFound' })
  })

  test('bodies are plain, or base64 when EncodedBody says so', async () => {
    const body = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'one', namespace: 'default' },
      data: { text: 'Grüße' },
    })
    const Path = '/api/v1/namespaces/default/configmaps'
    const plain = await forward({ ClusterId, Method: 'POST', Path, ContentType: 'application/json', RequestBody: body })
    expect(JSON.parse(plain.ResponseBody)).toMatchObject({ kind: 'ConfigMap', data: { text: 'Grüße' } })
    const encoded = Buffer.from(body.replace('"one"', '"two"')).toString('base64')
    const second = await forward({
      ClusterId,
      Method: 'POST',
      Path,
      ContentType: 'application/json',
      RequestBody: encoded,
      EncodedBody: true,
    })
    expect(JSON.parse(second.ResponseBody)).toMatchObject({ metadata: { name: 'two' }, data: { text: 'Grüße' } })
    expect(await desk.code('ForwardRequest', { ClusterId, Method: 'POST', Path, RequestBody: body, EncodedBody: true })).toBe(
      'InvalidParameter',
    )
  })
})
