import { beforeEach, describe, expect, test } from 'vitest'
import { getObject, listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import type { AsGroupState } from '#infra/sandbox/tke/state.ts'
import { type Desk, noon, openDesk } from './tke-desk.ts'

const ClusterId = emptyCluster.clusterId
let desk: Desk

beforeEach(() => {
  desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
})

function groupPara(more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    AutoScalingGroupName: 'general',
    MinSize: 1,
    MaxSize: 5,
    VpcId: emptyCluster.vpcId,
    SubnetIds: [emptyCluster.subnetId],
    ...more,
  })
}

function launchPara(more: Record<string, unknown> = {}): string {
  return JSON.stringify({ LaunchConfigurationName: 'general', InstanceType: 'S5.LARGE8', ...more })
}

async function create(more: Record<string, unknown> = {}) {
  const answer = await desk.call('CreateClusterAsGroup', {
    ClusterId,
    AutoScalingGroupPara: groupPara(more),
    LaunchConfigurePara: launchPara(),
    Labels: [{ Name: 'pool', Value: 'general' }],
  })
  expect(answer.LaunchConfigurationId).toMatch(/^asc-[a-z0-9]{8}$/)
  return answer.AutoScalingGroupId
}

async function status(groupId: string) {
  return (await desk.call('DescribeClusterAsGroups', { ClusterId, AutoScalingGroupIds: [groupId] })).ClusterAsGroupSet[0]?.Status
}

async function nodeCount() {
  return (await desk.call('DescribeClusterInstances', { ClusterId, Limit: 100 })).TotalCount
}

function group(groupId: string): AsGroupState {
  const found = desk.world.tke.clusters[ClusterId]?.asGroups[groupId]
  if (found === undefined) throw new Error(`no group ${groupId}`)
  return found
}

function setRange(AutoScalingGroupId: string, MinSize: number, MaxSize: number) {
  return desk.call('ModifyClusterAsGroupAttribute', {
    ClusterId,
    ClusterAsGroupAttribute: { AutoScalingGroupId, AutoScalingGroupRange: { MinSize, MaxSize } },
  })
}

describe('a scaling group', () => {
  test('is enabled after a moment, then grows to its minimum with nodes that carry its labels', async () => {
    const groupId = await create()
    expect(groupId).toMatch(/^asg-[a-z0-9]{8}$/)
    expect(await status(groupId)).toBe('enabling')
    expect(await nodeCount()).toBe(0)
    desk.move(5_000)
    expect(await status(groupId)).toBe('enabled')
    expect(await nodeCount()).toBe(1)
    desk.move(200_000)
    const [row] = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet
    expect(row).toMatchObject({ InstanceState: 'running', InstanceAdvancedSettings: { Labels: [{ Name: 'pool', Value: 'general' }] } })
    const [answer] = (await desk.call('DescribeClusterAsGroups', { ClusterId })).ClusterAsGroupSet
    expect(answer).toEqual({
      AutoScalingGroupId: groupId,
      Status: 'enabled',
      IsUnschedulable: false,
      Labels: [{ Name: 'pool', Value: 'general' }],
      CreatedTime: '2026-03-02T04:00:00Z',
    })
  })

  test('a higher minimum creates machines over time, in steps, and they run later', async () => {
    const groupId = await create({ MaxSize: 30 })
    desk.move(300_000)
    await setRange(groupId, 13, 30)
    expect(await status(groupId)).toBe('updating')
    expect(await nodeCount()).toBe(1)
    desk.move(5_000)
    expect(await status(groupId)).toBe('enabled')
    expect(await nodeCount()).toBe(11)
    desk.move(30_000)
    expect(await nodeCount()).toBe(13)
    desk.move(300_000)
    const rows = (await desk.call('DescribeClusterInstances', { ClusterId, Limit: 100 })).InstanceSet
    expect(rows.every((row) => row.InstanceState === 'running')).toBe(true)
    // Sent again it changes nothing: it names an end state.
    await setRange(groupId, 13, 30)
    expect(await status(groupId)).toBe('enabled')
    desk.move(300_000)
    expect(await nodeCount()).toBe(13)
  })

  test('the clock in one jump gives the same number of machines as in steps', async () => {
    const sizes: number[] = []
    for (const steps of [1, 60]) {
      desk = openDesk(createEmptyWorld(noon - 3_600_000, 1))
      const groupId = await create({ MinSize: 12, MaxSize: 30 })
      for (let step = 0; step < steps; step += 1) desk.move(600_000 / steps)
      sizes.push(Number(await nodeCount()))
      expect(await status(groupId)).toBe('enabled')
      expect(listObjects(desk.world.kubernetes[ClusterId] ?? neverState(), '', 'nodes')).toHaveLength(12)
    }
    expect(sizes).toEqual([12, 12])
  })

  test('a lower maximum takes the newest machines away', async () => {
    const groupId = await create({ MinSize: 3 })
    desk.move(300_000)
    await setRange(groupId, 0, 3)
    desk.move(300_000)
    await setRange(groupId, 4, 5)
    desk.move(300_000)
    const before = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet.map((row) => row.InstanceId)
    expect(before).toHaveLength(4)
    await setRange(groupId, 0, 2)
    desk.move(300_000)
    const after = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet.map((row) => row.InstanceId)
    expect(after).toHaveLength(2)
    expect(before.slice(0, 3)).toEqual(expect.arrayContaining(after))
  })

  test('disabled it does nothing, and enabled again it makes up for it', async () => {
    const groupId = await create()
    desk.move(300_000)
    await desk.call('ModifyClusterAsGroupAttribute', {
      ClusterId,
      ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupEnabled: false },
    })
    expect(await status(groupId)).toBe('disabling')
    desk.move(5_000)
    expect(await status(groupId)).toBe('disabled')
    await setRange(groupId, 4, 5)
    desk.move(300_000)
    expect(await status(groupId)).toBe('disabled')
    expect(await nodeCount()).toBe(1)
    await desk.call('ModifyClusterAsGroupAttribute', {
      ClusterId,
      ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupEnabled: true },
    })
    expect(await status(groupId)).toBe('enabling')
    desk.move(300_000)
    expect(await nodeCount()).toBe(4)
  })

  test('while it is in a passing status it is busy', async () => {
    const groupId = await create()
    expect(
      await desk.code('ModifyClusterAsGroupAttribute', {
        ClusterId,
        ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupRange: { MinSize: 2 } },
      }),
    ).toBe('ResourceInUse')
    expect(
      await desk.code('ModifyClusterAsGroupOptionAttribute', {
        ClusterId,
        ClusterAsGroupOption: { IsScaleDownEnabled: true, Expander: 'random' },
      }),
    ).toBe('ResourceInUse')
  })

  test('sold out: the activity fails, is tried again ever later, and succeeds when there is stock', async () => {
    desk.world.tke.behaviour.soldOut = ['S5.LARGE8']
    const groupId = await create()
    desk.move(10 * 60_000)
    const failed = group(groupId).activities.filter((activity) => activity.status === 'FAILED')
    expect(failed.length).toBeGreaterThan(2)
    const gaps = failed.slice(1).map((activity, index) => activity.atMs - (failed[index]?.atMs ?? 0))
    for (const [index, gap] of gaps.slice(1).entries()) expect(gap).toBe((gaps[index] ?? 0) * 2)
    expect(failed[0]?.message).toContain('sold out')
    desk.world.tke.behaviour.soldOut = []
    desk.move(60 * 60_000)
    expect(await nodeCount()).toBe(1)
    expect(group(groupId).activities.at(-1)).toMatchObject({ kind: 'scale-out', status: 'SUCCESSFUL' })
  })

  test('the cluster quota caps growth', async () => {
    desk.world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 3 }
    await create({ MinSize: 5 })
    desk.move(3_600_000)
    expect(await nodeCount()).toBe(3)
  })

  test('a machine taken from it lowers what it wants, but not below the minimum: then it is replaced', async () => {
    const groupId = await create({ MinSize: 1, DesiredCapacity: 2 })
    desk.move(300_000)
    const [one] = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet
    await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [one?.InstanceId ?? ''], InstanceDeleteMode: 'terminate' })
    desk.move(300_000)
    expect([await nodeCount(), group(groupId).desiredSize]).toEqual([1, 1])
    const [last] = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet
    await desk.call('DeleteClusterInstances', { ClusterId, InstanceIds: [last?.InstanceId ?? ''], InstanceDeleteMode: 'terminate' })
    desk.move(300_000)
    const [next] = (await desk.call('DescribeClusterInstances', { ClusterId })).InstanceSet
    expect(next?.InstanceId).toBeDefined()
    expect(next?.InstanceId).not.toBe(last?.InstanceId)
  })

  test('deleted it takes its machines with it, unless they are kept', async () => {
    const gone = await create({ MinSize: 2 })
    const kept = await create({ MinSize: 1 })
    desk.move(300_000)
    await desk.call('DeleteClusterAsGroups', { ClusterId, AutoScalingGroupIds: [gone] })
    expect(await status(gone)).toBe('deleting')
    expect(await desk.code('DeleteClusterAsGroups', { ClusterId, AutoScalingGroupIds: [gone] })).toBe('ResourceInUse')
    desk.move(10_000)
    expect(await nodeCount()).toBe(1)
    await desk.call('DeleteClusterAsGroups', { ClusterId, AutoScalingGroupIds: [kept], KeepInstance: true })
    desk.move(10_000)
    expect(await nodeCount()).toBe(1)
    expect((await desk.call('DescribeClusterAsGroups', { ClusterId })).TotalCount).toBe(0)
    expect(await desk.code('DeleteClusterAsGroups', { ClusterId, AutoScalingGroupIds: [kept] })).toBe('ResourceNotFound')
  })

  test.each([
    ['a launch configuration of its own', groupPara({ LaunchConfigurationId: 'asc-1' }), launchPara(), 'InvalidParameter.AsCommonError'],
    ['a minimum above the maximum', groupPara({ MinSize: 6 }), launchPara(), 'InvalidParameter.AsCommonError'],
    ['more than 200 machines', groupPara({ MaxSize: 201 }), launchPara(), 'InvalidParameter.AsCommonError'],
    ['a strange subnet', groupPara({ SubnetIds: ['subnet-nowhere'] }), launchPara(), 'InvalidParameter.AsCommonError'],
    ['an unknown machine type', groupPara(), launchPara({ InstanceType: 'huge' }), 'InvalidParameter.AsCommonError'],
    ['a misspelt key', groupPara({ MinSise: 1 }), launchPara(), 'InvalidParameter.AsCommonError'],
    ['no name', groupPara({ AutoScalingGroupName: undefined }), launchPara(), 'MissingParameter'],
    ['no JSON', 'MinSize=1', launchPara(), 'InvalidParameter.AsCommonError'],
  ])('%s is refused', async (_, AutoScalingGroupPara, LaunchConfigurePara, code) => {
    expect(await desk.code('CreateClusterAsGroup', { ClusterId, AutoScalingGroupPara, LaunchConfigurePara })).toBe(code)
  })

  test('bounds are checked together with those that stay', async () => {
    const groupId = await create()
    desk.move(300_000)
    const range = (AutoScalingGroupRange: { MinSize?: number; MaxSize?: number }) => ({
      ClusterId,
      ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupRange },
    })
    expect(await desk.code('ModifyClusterAsGroupAttribute', range({ MinSize: 6 }))).toBe('InvalidParameter.AsCommonError')
    expect(await desk.code('ModifyClusterAsGroupAttribute', range({ MinSize: -1 }))).toBe('InvalidParameter.AsCommonError')
    expect(await desk.code('ModifyClusterAsGroupAttribute', { ClusterId })).toBe('MissingParameter')
    expect(
      await desk.code('ModifyClusterAsGroupAttribute', { ClusterId, ClusterAsGroupAttribute: { AutoScalingGroupId: 'asg-nowhere0' } }),
    ).toBe('ResourceNotFound')
  })
})

describe('the cluster autoscaler', () => {
  test('its settings are read back as they were set, and what is not sent stays', async () => {
    const groupId = await create()
    desk.move(300_000)
    const before = (await desk.call('DescribeClusterAsGroupOption', { ClusterId })).ClusterAsGroupOption
    expect(before).toMatchObject({
      IsScaleDownEnabled: false,
      Expander: 'random',
      ScaleDownDelay: 10,
      ScaleDownUnneededTime: 10,
      ScaleDownUtilizationThreshold: 50,
    })
    await desk.call('ModifyClusterAsGroupOptionAttribute', {
      ClusterId,
      ClusterAsGroupOption: { IsScaleDownEnabled: true, Expander: 'least-waste', ScaleDownUnneededTime: 5 },
    })
    expect(await status(groupId)).toBe('scaleDownEnabling')
    desk.move(5_000)
    expect(await status(groupId)).toBe('enabled')
    const after = (await desk.call('DescribeClusterAsGroupOption', { ClusterId })).ClusterAsGroupOption
    expect(after).toEqual({ ...before, IsScaleDownEnabled: true, Expander: 'least-waste', ScaleDownUnneededTime: 5 })
    await desk.call('ModifyClusterAsGroupOptionAttribute', {
      ClusterId,
      ClusterAsGroupOption: { IsScaleDownEnabled: false, Expander: 'random' },
    })
    expect(await status(groupId)).toBe('scaleDownDisabling')
    desk.move(5_000)
    for (const option of [
      { IsScaleDownEnabled: true, Expander: 'cheapest' },
      { IsScaleDownEnabled: true, Expander: 'random', ScaleDownUtilizationThreshold: 81 },
      { IsScaleDownEnabled: true, Expander: 'random', ScaleDownDelay: -1 },
    ]) {
      expect(await desk.code('ModifyClusterAsGroupOptionAttribute', { ClusterId, ClusterAsGroupOption: option })).toBe(
        'UnsupportedOperation',
      )
    }
  })

  test('it leaves its status in kube-system at each look, and stops where no group is enabled', async () => {
    const groupId = await create({ MinSize: 1, MaxSize: 4 })
    const kubernetes = desk.world.kubernetes[ClusterId] ?? neverState()
    const read = () => getObject(kubernetes, '', 'configmaps', 'cluster-autoscaler-status', 'kube-system')
    expect(read()).toBeUndefined()
    desk.move(300_000)
    desk.move(10_000)
    expect(read()?.metadata.annotations).toEqual({ 'cluster-autoscaler.kubernetes.io/last-updated': '2026-03-02T04:05:10Z' })
    expect(JSON.stringify(read()?.data)).toContain(`${groupId}`)
    expect(JSON.stringify(read()?.data)).toContain('cloudProviderTarget=1 (minSize=1, maxSize=4)')
    await desk.call('ModifyClusterAsGroupAttribute', {
      ClusterId,
      ClusterAsGroupAttribute: { AutoScalingGroupId: groupId, AutoScalingGroupEnabled: false },
    })
    const last = read()
    desk.move(600_000)
    expect(read()).toEqual(last)
  })

  test('pods without a place enlarge a group, no further than its maximum, and get their place', async () => {
    const groupId = await create({ MinSize: 1, MaxSize: 4 })
    desk.move(300_000)
    const kubernetes = desk.world.kubernetes[ClusterId] ?? neverState()
    putObject(kubernetes, deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 8, cpu: '1' }), desk.now())
    for (let step = 0; step < 40; step += 1) desk.move(15_000)
    expect(group(groupId).desiredSize).toBe(2)
    expect(getObject(kubernetes, 'apps', 'deployments', 'web', 'default')?.status).toMatchObject({ readyReplicas: 8 })
    putObject(kubernetes, deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 100, cpu: '1' }), desk.now())
    for (let step = 0; step < 40; step += 1) desk.move(15_000)
    expect(group(groupId).desiredSize).toBe(4)
  })

  test('idle nodes leave after a while when scale-down is on, and never below the minimum', async () => {
    const groupId = await create({ MinSize: 1, MaxSize: 4, DesiredCapacity: 3 })
    desk.move(300_000)
    for (let step = 0; step < 60; step += 1) desk.move(60_000)
    expect(await nodeCount()).toBe(3)
    await desk.call('ModifyClusterAsGroupOptionAttribute', {
      ClusterId,
      ClusterAsGroupOption: { IsScaleDownEnabled: true, Expander: 'random' },
    })
    for (let step = 0; step < 9; step += 1) desk.move(60_000)
    expect(await nodeCount()).toBe(3)
    for (let step = 0; step < 5; step += 1) desk.move(60_000)
    expect([await nodeCount(), group(groupId).desiredSize]).toEqual([1, 1])
  })

  test('a node with few pods is drained and taken when they fit elsewhere; one that says no is left', async () => {
    await create({ MinSize: 1, MaxSize: 4, DesiredCapacity: 2 })
    desk.move(300_000)
    const kubernetes = desk.world.kubernetes[ClusterId] ?? neverState()
    putObject(kubernetes, deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 2, cpu: '500m' }), desk.now())
    desk.move(60_000)
    const option = { IsScaleDownEnabled: true, Expander: 'random', ScaleDownUnneededTime: 1, ScaleDownDelay: 0 }
    await desk.call('ModifyClusterAsGroupOptionAttribute', { ClusterId, ClusterAsGroupOption: option })
    for (const node of listObjects(kubernetes, '', 'nodes')) {
      const annotations = { 'cluster-autoscaler.kubernetes.io/scale-down-disabled': 'true' }
      putObject(kubernetes, { ...node, metadata: { ...node.metadata, annotations } }, desk.now())
    }
    for (let step = 0; step < 20; step += 1) desk.move(30_000)
    expect(await nodeCount()).toBe(2)
    for (const node of listObjects(kubernetes, '', 'nodes'))
      putObject(kubernetes, { ...node, metadata: { ...node.metadata, annotations: {} } }, desk.now())
    for (let step = 0; step < 20; step += 1) desk.move(30_000)
    expect(await nodeCount()).toBe(1)
    expect(getObject(kubernetes, 'apps', 'deployments', 'web', 'default')?.status).toMatchObject({ readyReplicas: 2 })
  })

  test('a pod that asks for labels no group has enlarges nothing', async () => {
    const groupId = await create({ MinSize: 0, MaxSize: 4 })
    desk.move(300_000)
    const kubernetes = desk.world.kubernetes[ClusterId] ?? neverState()
    const pod = (pool: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: pool, namespace: 'default' },
      spec: { nodeSelector: { pool }, containers: [{ name: 'main', image: 'nginx:1.25' }] },
    })
    putObject(kubernetes, pod('gpu'), desk.now())
    for (let step = 0; step < 10; step += 1) desk.move(15_000)
    expect(group(groupId).desiredSize).toBe(0)
    putObject(kubernetes, pod('general'), desk.now())
    for (let step = 0; step < 10; step += 1) desk.move(15_000)
    expect(group(groupId).desiredSize).toBe(1)
  })

  test('without an enabled group, or switched off, it does nothing', async () => {
    desk.world.tke.behaviour.autoscalerScanMs = 0
    const groupId = await create({ MinSize: 0 })
    desk.move(300_000)
    const kubernetes = desk.world.kubernetes[ClusterId] ?? neverState()
    putObject(kubernetes, deployment({ namespace: 'default', name: 'web', image: 'nginx:1.25', replicas: 8, cpu: '1' }), desk.now())
    for (let step = 0; step < 10; step += 1) desk.move(15_000)
    expect(group(groupId).desiredSize).toBe(0)
  })
})

function neverState(): never {
  throw new Error('the cluster has no Kubernetes state')
}
