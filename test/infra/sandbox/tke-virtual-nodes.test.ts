import { beforeEach, expect, test } from 'vitest'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { type Desk, noon, openDesk } from './tke-desk.ts'

const { clusterId: ClusterId, subnetId: SubnetId } = emptyCluster
let desk: Desk

beforeEach(() => {
  desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
  const vpc = desk.world.tke.vpcs[emptyCluster.vpcId]
  if (vpc !== undefined)
    vpc.subnets['subnet-second01'] = { subnetId: 'subnet-second01', zone: 'ap-guangzhou-4', cidr: '10.0.4.0/24', used: 0 }
})

function kubernetes() {
  const state = desk.world.kubernetes[ClusterId]
  if (state === undefined) throw new Error('no kubernetes')
  return state
}

function createPool(more: object = {}) {
  return desk.call('CreateClusterVirtualNodePool', {
    ClusterId,
    Name: 'burst',
    SubnetIds: [SubnetId],
    SecurityGroupIds: ['sg-1'],
    Labels: [{ Name: 'kind', Value: 'virtual' }],
    Taints: [{ Key: 'burst', Value: 'yes', Effect: 'PreferNoSchedule' }],
    ...more,
  })
}

/** A pod that asks for a virtual node. */
function burstPod(name: string, nodeName: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'burst' } },
    spec: { nodeName, tolerations: [{ operator: 'Exists' }], containers: [{ name: 'main', image: 'nginx:1.25' }] },
  }
}

async function addNode(NodePoolId: string, SubnetIds: string[] = [SubnetId]) {
  return (await desk.call('CreateClusterVirtualNode', { ClusterId, NodePoolId, SubnetIds, SubnetId: '' })).InstanceIds
}

test('a pool is creating, then normal, and answers what it was made with', async () => {
  const { NodePoolId } = await createPool()
  expect(NodePoolId).toMatch(/^np-[a-z0-9]{8}$/)
  const read = async () => (await desk.call('DescribeClusterVirtualNodePools', { ClusterId })).NodePoolSet[0]
  expect(await read()).toEqual({
    NodePoolId,
    SubnetIds: [SubnetId],
    SecurityGroupIds: ['sg-1'],
    Name: 'burst',
    LifeState: 'creating',
    Unschedulable: false,
    Labels: [{ Name: 'kind', Value: 'virtual' }],
    Taints: [{ Key: 'burst', Value: 'yes', Effect: 'PreferNoSchedule' }],
  })
  expect(await desk.code('CreateClusterVirtualNode', { ClusterId, NodePoolId, SubnetIds: [SubnetId], SubnetId: '' })).toBe('InternalError')
  desk.move(15_000)
  expect((await read())?.LifeState).toBe('normal')
  await desk.call('ModifyClusterVirtualNodePool', { ClusterId, NodePoolId, Name: 'renamed', Labels: [] })
  expect(await read()).toMatchObject({ Name: 'renamed', Labels: [], Taints: [{ Key: 'burst' }] })
})

test('nodes are Pending, then Running and Ready in Kubernetes; one for each subnet', async () => {
  const { NodePoolId } = await createPool({ SubnetIds: [SubnetId, 'subnet-second01'] })
  desk.move(15_000)
  const names = await addNode(NodePoolId, [SubnetId, 'subnet-second01', SubnetId])
  expect(names).toHaveLength(2)
  const single = await desk.call('CreateClusterVirtualNode', { ClusterId, NodePoolId, SubnetIds: [], SubnetId })
  expect(single.InstanceIds).toHaveLength(1)
  const read = async (more: object = {}) => (await desk.call('DescribeClusterVirtualNode', { ClusterId, NodePoolId, ...more })).Nodes
  expect((await read()).map((node) => node.Phase)).toEqual(['Pending', 'Pending', 'Pending'])
  expect(getObject(kubernetes(), '', 'nodes', names[0] ?? '')).toBeUndefined()
  desk.move(20_000)
  expect((await read()).map((node) => node.Phase)).toEqual(['Running', 'Running', 'Running'])
  expect(await read({ NodeNames: [names[1] ?? ''] })).toEqual([
    { Name: names[1], NodePoolId, SubnetId: 'subnet-second01', Phase: 'Running', CreatedTime: '2026-03-02T04:00:15Z' },
  ])
  expect(getObject(kubernetes(), '', 'nodes', names[0] ?? '')?.metadata.labels).toMatchObject({ kind: 'virtual' })
  expect(await desk.code('CreateClusterVirtualNode', { ClusterId, NodePoolId, SubnetIds: [], SubnetId: '' })).toBe('InvalidParameter')
  expect(await desk.code('CreateClusterVirtualNode', { ClusterId, NodePoolId: 'np-nowhere0', SubnetIds: [SubnetId], SubnetId })).toBe(
    'ResourceNotFound',
  )
})

test('without Force a node with running pods stays, drained it goes', async () => {
  const { NodePoolId } = await createPool()
  desk.move(15_000)
  const [name = ''] = await addNode(NodePoolId)
  desk.move(20_000)
  for (const pod of ['one', 'two']) putObject(kubernetes(), burstPod(pod, name), desk.now())
  desk.move(30_000)
  expect(await desk.code('DeleteClusterVirtualNode', { ClusterId, NodePoolId, NodeNames: [name], Force: false })).toBe('ResourceInUse')
  expect(await desk.code('DeleteClusterVirtualNodePool', { ClusterId, NodePoolIds: [NodePoolId] })).toBe('ResourceInUse')
  const dry = await desk.call('DrainClusterVirtualNode', { ClusterId, NodeName: name, DryRun: true })
  expect(dry).toMatchObject({ TotalCount: 2, Pods: [{ Name: 'one', Namespace: 'default' }, { Name: 'two' }] })
  const drained = await desk.call('DrainClusterVirtualNode', { ClusterId, NodeName: name })
  expect(drained.TotalCount).toBe(2)
  desk.move(120_000)
  expect((await desk.call('DescribeClusterVirtualNode', { ClusterId, NodePoolId })).Nodes[0]?.Phase).toBe('Drained')
  expect((await desk.call('DrainClusterVirtualNode', { ClusterId, NodeName: name, DryRun: true })).TotalCount).toBe(0)
  await desk.call('DeleteClusterVirtualNode', { ClusterId, NodePoolId, NodeNames: [name] })
  expect(getObject(kubernetes(), '', 'nodes', name)).toBeUndefined()
  expect(await desk.code('DeleteClusterVirtualNode', { ClusterId, NodePoolId, NodeNames: [name] })).toBe('ResourceNotFound')
})

test('Force deletes a pool with nodes and pods', async () => {
  const { NodePoolId } = await createPool()
  desk.move(15_000)
  const [name = ''] = await addNode(NodePoolId)
  desk.move(20_000)
  putObject(kubernetes(), burstPod('one', name), desk.now())
  desk.move(30_000)
  await desk.call('DeleteClusterVirtualNodePool', { ClusterId, NodePoolIds: [NodePoolId], Force: true })
  expect((await desk.call('DescribeClusterVirtualNodePools', { ClusterId })).TotalCount).toBe(0)
  expect(getObject(kubernetes(), '', 'nodes', name)).toBeUndefined()
  expect(getObject(kubernetes(), '', 'pods', 'one', 'default')).toBeUndefined()
})

test('a cordoned pool has cordoned nodes, those that exist and those to come', async () => {
  const { NodePoolId } = await createPool()
  desk.move(15_000)
  const [old = ''] = await addNode(NodePoolId)
  desk.move(20_000)
  const cordoned = (name: string) => JSON.stringify(getObject(kubernetes(), '', 'nodes', name)).includes('"unschedulable":true')
  expect(cordoned(old)).toBe(false)
  await desk.call('ModifyClusterVirtualNodePool', { ClusterId, NodePoolId, Unschedulable: true })
  const [fresh = ''] = await addNode(NodePoolId)
  desk.move(20_000)
  expect([cordoned(old), cordoned(fresh)]).toEqual([true, true])
  await desk.call('ModifyClusterVirtualNodePool', { ClusterId, NodePoolId, Unschedulable: false })
  expect([cordoned(old), cordoned(fresh)]).toEqual([false, false])
})

test('what a pool needs is checked', async () => {
  const pool = { ClusterId, Name: 'burst', SubnetIds: [SubnetId], SecurityGroupIds: [], Labels: [], Taints: [] }
  expect(await desk.code('CreateClusterVirtualNodePool', { ...pool, Name: '' })).toBe('InvalidParameter')
  expect(await desk.code('CreateClusterVirtualNodePool', { ...pool, SubnetIds: [] })).toBe('InvalidParameter')
  expect(await desk.code('CreateClusterVirtualNodePool', { ...pool, SubnetIds: ['subnet-nowhere'] })).toBe('InvalidParameter')
  expect(await desk.code('CreateClusterVirtualNodePool', { ...pool, Taints: [{ Key: 'a', Effect: 'Sometimes' }] })).toBe('InvalidParameter')
  expect(await desk.code('CreateClusterVirtualNodePool', { ...pool, Taints: [{ Value: 'a' }] })).toBe('InvalidParameter')
})

test('a node that fails says so and never reaches Kubernetes', async () => {
  const { NodePoolId } = await createPool()
  desk.move(15_000)
  desk.world.tke.behaviour.nodeFailureShare = 1
  const [name = ''] = await addNode(NodePoolId)
  desk.move(20_000)
  expect((await desk.call('DescribeClusterVirtualNode', { ClusterId, NodePoolId })).Nodes[0]?.Phase).toBe('Failed')
  expect(getObject(kubernetes(), '', 'nodes', name)).toBeUndefined()
  expect(await desk.code('DrainClusterVirtualNode', { ClusterId, NodeName: name })).toBe('InternalError')
})
