import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { CloudError } from '#cloud/errors.ts'
import { ClusterReadings, type Look } from '#functions/alarm-scaler/cluster-reading.ts'
import { Settings } from '#functions/alarm-scaler/event.ts'
import { observePool, type PoolInterest } from '#functions/alarm-scaler/observe-cluster.ts'
import { membersOf } from '#functions/alarm-scaler/policy.ts'
import { disruptionBudget } from '#infra/sandbox/seeds/kube-objects.ts'
import { type ClusterStage, clusterId, groupId, minuteMs, openClusterStage, openLocalClusterStage, virtualPoolId } from './cluster-stage.ts'
import { boughtLease, leaseId, leaseOf } from './lease-steps.ts'

let stage: ClusterStage

beforeEach(() => {
  stage = openLocalClusterStage()
})

afterEach(async () => {
  await stage.close()
})

const region = 'ap-guangzhou'

function look(more: Partial<Look> = {}): Look {
  return { cloud: stage.cloud, now: stage.now(), options: { region }, ...more }
}

type PoolInput = Extract<z.input<typeof Settings>['pools'], unknown[]>[number]
type MechanismInput = Extract<z.input<typeof Settings>['policies'], unknown[]>[number]['mechanisms'][number]

function interest(pool: Partial<PoolInput> = {}, mechanisms: MechanismInput[] = []): PoolInterest {
  const own = { name: 'general', cluster: clusterId, max: 20, ...pool }
  const policy = { name: 'busy', match: {}, pool: own.name, confirm: [{ pendingPods: { atLeast: 1 } }], steps: [{ from: 0, add: 1 }] }
  const settings = z.parse(Settings, { pools: [own], policies: mechanisms.length === 0 ? [] : [{ ...policy, mechanisms }] })
  const [parsed] = settings.pools
  return {
    cluster: clusterId,
    region,
    name: own.name,
    of: parsed === undefined ? undefined : membersOf(parsed, settings),
    mechanisms: settings.policies.flatMap((one) => one.mechanisms),
    namespace: 'kube-system',
  }
}

const byGroup: MechanismInput[] = [{ kind: 'scaling-group', group: groupId }]
const read = () => new ClusterReadings().of(clusterId)

describe('a pool', () => {
  it('is read by one call for each thing that it needs', async () => {
    stage.deploy('web', 3)
    stage.wait(30_000)
    const since = stage.calls().length
    const view = await observePool(read(), interest(), look())
    expect(view.problem).toBeUndefined()
    expect(stage.calls(since).toSorted()).toEqual([
      'DescribeClusterInstances',
      'GET /api/v1/namespaces/kube-system/configmaps?limit=500&labelSelector=longshore.dev%2Fleases%3Dtrue',
      'GET /api/v1/nodes?limit=500',
      'GET /api/v1/pods?limit=500&fieldSelector=status.phase!%3DSucceeded%2Cstatus.phase!%3DFailed',
    ])
    expect(view.nodes).toHaveLength(4)
    expect(view.clusterNodes).toBe(4)
    const ready = view.nodes.map((node) => [node.state, node.isReady, node.cores, node.readySinceMs !== undefined])
    expect(ready).toEqual([0, 1, 2, 3].map(() => ['running', true, 4, true]))
    expect(view.nodes.reduce((sum, { podCount }) => sum + podCount, 0)).toBe(3)
    expect(view.nodes.reduce((sum, { requested }) => sum + requested.cpuMilli, 0)).toBe(3000)
  })

  it('is not read again within five seconds, and is after them', async () => {
    const readings = read()
    await observePool(readings, interest({ group: groupId }, byGroup), look())
    const since = stage.calls().length
    await observePool(readings, interest({ group: groupId }, byGroup), look({ now: stage.now() + 4_999 }))
    expect(stage.calls(since)).toEqual([])
    await observePool(readings, interest({ group: groupId }, byGroup), look({ now: stage.now() + 5_000 }))
    expect(stage.calls(since).length).toBeGreaterThan(4)
  })

  it('is read again when its clock was set back', async () => {
    const readings = read()
    await observePool(readings, interest(), look())
    const since = stage.calls().length
    await observePool(readings, interest(), look({ now: stage.now() - 60 * minuteMs }))
    expect(stage.calls(since)).not.toEqual([])
  })

  it('of a scaling group has its machines from the moment on at which they are bought', async () => {
    stage.group.minSize = 3
    stage.group.desiredSize = 3
    stage.group.nextActivityMs = stage.now()
    stage.wait(15_000)
    const view = await observePool(read(), interest({ group: groupId }, byGroup), look())
    expect(view.nodes.map(({ state, groupId: of, nodeName }) => [state, of, nodeName === undefined])).toEqual([
      ['running', groupId, false],
      ['running', groupId, false],
      ['initializing', groupId, true],
    ])
    expect(view.groups).toEqual([
      {
        id: groupId,
        status: 'enabled',
        size: 3,
        wanted: 3,
        bounds: { min: 3, max: 10, source: 'autoscaler', atMs: expect.any(Number) as number },
        cores: 4,
      },
    ])
    expect(view.autoscaler).toEqual({ groups: [groupId], lastSeenMs: expect.any(Number) as number, isScaleDownEnabled: false })
  })

  it('without a cluster autoscaler takes the bounds of its group from the settings, or does not know them', async () => {
    stage.world.tke.behaviour.autoscalerScanMs = 0
    stage.forget('', 'configmaps', 'cluster-autoscaler-status', 'kube-system')
    const bounds = { min: 2, max: 10 }
    const told = await observePool(read(), interest({}, [{ kind: 'scaling-group', group: groupId, bounds }]), look())
    expect(told.groups[0]?.bounds).toEqual({ ...bounds, source: 'settings' })
    expect(told.autoscaler).toBeUndefined()
    const untold = await observePool(read(), interest({}, byGroup), look())
    expect(untold.groups[0]?.bounds).toBeUndefined()
  })

  it('of labels has the machines that will have them', async () => {
    const view = await observePool(read(), interest({ labels: { pool: 'general' } }), look())
    expect(view.nodes).toHaveLength(2)
    expect(view.clusterNodes).toBe(4)
  })

  it('of virtual nodes has those that are still to come', async () => {
    const pool = stage.cluster.virtualNodePools[virtualPoolId]
    if (pool === undefined) throw new Error('there is no pool')
    pool.nodes['eklet-1'] = {
      name: 'eklet-1',
      subnetId: 'subnet-1',
      phase: 'Pending',
      privateIp: '10.0.0.9',
      createdMs: stage.now(),
      readyAtMs: stage.now() + minuteMs,
      failure: null,
    }
    const of = interest({ virtual: virtualPoolId }, [{ kind: 'virtual-nodes', nodePool: virtualPoolId, subnets: ['subnet-1'] }])
    const pending = await observePool(read(), of, look())
    expect(pending.nodes.map(({ instanceId, state }) => [instanceId, state])).toEqual([['eklet-1', 'initializing']])
    stage.wait(minuteMs)
    const there = await observePool(read(), of, look())
    expect(there.nodes.map(({ nodeName, state, isReady, virtualPoolId: id }) => [nodeName, state, isReady, id])).toEqual([
      ['eklet-1', 'running', true, virtualPoolId],
    ])
    expect(there.virtualPools).toEqual([
      { id: virtualPoolId, state: 'normal', subnets: stage.cluster.virtualNodePools[virtualPoolId]?.subnetIds },
    ])
  })

  it('counts pods without a place only if one of its nodes would take them', async () => {
    stage.deploy('big', 2, { cpu: '3500m', nodeSelector: { pool: 'general' } })
    stage.deploy('more', 3, { cpu: '3500m', nodeSelector: { pool: 'general' } })
    stage.deploy('elsewhere', 2, { cpu: '1', nodeSelector: { pool: 'gpu' } })
    stage.deploy('huge', 1, { cpu: '64' })
    stage.wait(30_000)
    const view = await observePool(read(), interest({ labels: { pool: 'general' } }), look())
    expect(view.pendingPods).toBe(3)
  })

  it('without nodes counts pods that the nodes of its group would take', async () => {
    for (const machine of stage.machines()) if (machine.node?.asGroupId === groupId) machine.node.asGroupId = null
    stage.deploy('web', 1, { cpu: '3500m', nodeSelector: { pool: 'gpu' } })
    stage.wait(10_000)
    const of = (gpu: string) => observePool(read(), interest({ labels: { pool: gpu } }), look())
    expect((await of('gpu')).pendingPods).toBe(1)
    expect((await of('other')).pendingPods).toBe(0)
  })

  it('has the machines that carry the label of one of its leases, also of one that has ended', async () => {
    stage.putRecord({
      version: 1,
      cluster: clusterId,
      pool: 'general',
      ordinal: 1,
      bases: [],
      leases: [leaseOf(boughtLease(), { state: 'closed' })],
    })
    const [, , stranger] = stage.machines()
    if (stranger?.node == null) throw new Error('there is no machine')
    stage.relabel(stranger.node.nodeName, { 'longshore.dev/lease': leaseId })
    const view = await observePool(read(), interest({ group: groupId }, byGroup), look())
    expect(view.nodes.filter(({ leaseId: of }) => of === leaseId).map(({ instanceId }) => instanceId)).toEqual([stranger.instanceId])
    expect(view.nodes).toHaveLength(3)
  })

  it('that cannot be read is a problem, and tells nothing else', async () => {
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: '/pods' } })
    const view = await observePool(read(), interest(), look())
    expect(view.problem?.code).toBe('cluster-unreadable')
    expect(view.problem?.text).toContain('403')
    expect(view.nodes).toEqual([])
    stage.faults.clear()
    expect((await observePool(read(), interest(), look())).problem).toBeUndefined()
  })

  it('that failed once is read again by the next look, however soon that comes', async () => {
    const readings = read()
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: '/nodes' }, count: 1 })
    expect((await observePool(readings, interest(), look())).problem).toBeDefined()
    expect((await observePool(readings, interest(), look())).problem).toBeUndefined()
  })

  it('whose record cannot be understood is not touched', async () => {
    stage.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'longshore-pool-general',
        namespace: 'kube-system',
        labels: { 'longshore.dev/leases': 'true' },
        annotations: { 'longshore.dev/pool': 'general' },
      },
      data: { 'pool.json': '{"version":2}' },
    })
    const view = await observePool(read(), interest(), look())
    expect(view.problem?.code).toBe('record-unreadable')
    expect(view.problem?.text).toContain('ConfigMap kube-system/longshore-pool-general holds no leases that this version can read')
  })
})

describe('the number of nodes that a cluster may have', () => {
  it('is asked for once a minute in each region', async () => {
    const readings = new ClusterReadings()
    const since = stage.calls().length
    for (const ms of [0, 30_000, 59_999]) expect(await readings.maxNodes(region, look({ now: stage.now() + ms }))).toBe(40)
    expect(stage.calls(since)).toEqual(['DescribeQuota'])
    await readings.maxNodes(region, look({ now: stage.now() + minuteMs }))
    expect(stage.calls(since)).toEqual(['DescribeQuota', 'DescribeQuota'])
  })

  it('is no 0 when nobody answers', async () => {
    stage.faults.add({ fault: { kind: 'internal-error', when: 'before' } })
    await expect(new ClusterReadings().maxNodes(region, look())).rejects.toThrow(CloudError)
  })
})

describe('over real sockets', () => {
  it('disruption budgets are read from a cluster that serves them only in the old version', async () => {
    const real = await openClusterStage()
    try {
      real.deploy('web', 2)
      real.put(disruptionBudget({ namespace: 'prod', name: 'web', minAvailable: 2 }))
      real.wait(30_000)
      const reading = read()
      const at: Look = { cloud: real.cloud, now: real.now(), options: { region } }
      const budgets = await reading.budgets(at)
      expect(budgets.map(({ namespace, name, allowed }) => [namespace, name, allowed])).toEqual([['prod', 'web', 0]])
      const pods = await reading.pods(at)
      expect(pods.filter((pod) => budgets[0]?.covers(pod))).toHaveLength(2)
      // The version that it serves is known from now on.
      const since = real.calls().length
      await reading.budgets({ ...at, now: at.now + 5_000 })
      expect(real.calls(since)).toHaveLength(1)
    } finally {
      await real.close()
    }
  })
})
