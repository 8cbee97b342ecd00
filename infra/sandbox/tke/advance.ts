import { createKubernetesState } from '../kubernetes/objects.ts'
import type { World } from '../world.ts'
import { autoscale } from './autoscaler.ts'
import { findSubnet } from './find-cluster.ts'
import { freshId } from './fresh-id.ts'
import { instanceType } from './instance-types.ts'
import { buyMachines, groupMachines, joinCluster, leaveCluster, orderRefusal, roomRefusal, terminate } from './machines.ts'
import { registerNode, registerVirtualNode } from './node-objects.ts'
import type { AsActivityState, AsGroupState, ClusterState, MachineState } from './state.ts'

/** Something that is due: when it happens, and what it does to the world then. */
interface Due {
  readonly atMs: number
  readonly happen: (atMs: number) => void
}

/**
 * Lets everything of TKE happen that is due by `now`, in the order of its time and at its own time: clusters and nodes
 * become ready, groups settle, grow and shrink, endpoints open. So a clock that jumps an hour leaves the same world as one
 * that ticks, except for the cluster autoscaler, which looks once per call. Nothing due, nothing changes.
 */
export function advanceTke(world: World, now: number, random: () => number): void {
  settle(world, now, random)
  for (const cluster of Object.values(world.tke.clusters)) autoscale(world, cluster, now, random)
  settle(world, now, random)
}

function settle(world: World, now: number, random: () => number): void {
  for (let due = earliest(world, now, random); due !== undefined; due = earliest(world, now, random)) due.happen(due.atMs)
}

/** The first thing that is due by `now`; of two at the same time, the one that is found first. */
function earliest(world: World, now: number, random: () => number): Due | undefined {
  let first: Due | undefined
  for (const due of pending(world, random)) {
    if (due.atMs <= now && (first === undefined || due.atMs < first.atMs)) first = due
  }
  return first
}

function* pending(world: World, random: () => number): Generator<Due> {
  for (const cluster of Object.values(world.tke.clusters)) {
    if (cluster.status === 'Creating') yield { atMs: cluster.readyAtMs, happen: (atMs) => startCluster(world, cluster, atMs) }
    for (const side of ['intranet', 'extranet'] as const) {
      const endpoint = cluster.endpoints[side]
      if (endpoint?.status === 'Creating') {
        yield {
          atMs: endpoint.readyAtMs,
          happen: () => {
            endpoint.status = 'Created'
          },
        }
      }
    }
    for (const group of Object.values(cluster.asGroups)) yield* pendingOfGroup(world, cluster, group, random)
    yield* pendingVirtual(world, cluster)
  }
  for (const machine of Object.values(world.tke.machines)) {
    const node = machine.node
    if (node?.state === 'initializing') yield { atMs: node.readyAtMs, happen: (atMs) => finishNode(world, machine, atMs) }
  }
}

function startCluster(world: World, cluster: ClusterState, atMs: number): void {
  cluster.status = 'Running'
  world.kubernetes[cluster.clusterId] = createKubernetesState({ version: cluster.version, clusterId: cluster.clusterId, now: atMs })
}

function finishNode(world: World, machine: MachineState, atMs: number): void {
  const node = machine.node
  const cluster = node === null ? undefined : world.tke.clusters[node.clusterId]
  if (node === null || cluster === undefined) return
  const kubernetes = world.kubernetes[cluster.clusterId]
  if (node.failure !== null || kubernetes === undefined) {
    node.state = 'failed'
    node.reason = node.failure ?? 'The cluster has no API server.'
    return
  }
  node.state = 'running'
  node.reason = ''
  registerNode(kubernetes, cluster, machine, node, atMs)
}

function* pendingVirtual(world: World, cluster: ClusterState): Generator<Due> {
  for (const pool of Object.values(cluster.virtualNodePools)) {
    if (pool.lifeState === 'creating') {
      yield {
        atMs: pool.readyAtMs,
        happen: () => {
          pool.lifeState = 'normal'
        },
      }
    }
    for (const node of Object.values(pool.nodes)) {
      if (node.phase !== 'Pending') continue
      yield {
        atMs: node.readyAtMs,
        happen: (atMs) => {
          const kubernetes = world.kubernetes[cluster.clusterId]
          if (node.failure !== null || kubernetes === undefined) {
            node.phase = 'Failed'
            return
          }
          node.phase = 'Running'
          registerVirtualNode(kubernetes, pool, node, atMs)
        },
      }
    }
  }
}

function* pendingOfGroup(world: World, cluster: ClusterState, group: AsGroupState, random: () => number): Generator<Due> {
  const settles = group.settles
  if (settles !== null) {
    yield { atMs: settles.atMs, happen: (atMs) => settleGroup(world, cluster, group, atMs) }
  } else if (group.status === 'enabled' && cluster.status === 'Running') {
    const present = groupMachines(world, cluster.clusterId, group.autoScalingGroupId).length
    if (present < group.desiredSize) {
      yield { atMs: group.nextActivityMs, happen: (atMs) => scaleOut(world, cluster, group, group.desiredSize - present, atMs, random) }
    } else if (present > group.desiredSize) {
      yield { atMs: group.nextActivityMs, happen: (atMs) => scaleIn(world, cluster, group, present - group.desiredSize, atMs, random) }
    }
  }
}

function settleGroup(world: World, cluster: ClusterState, group: AsGroupState, atMs: number): void {
  const settles = group.settles
  if (settles === null) return
  group.settles = null
  if (settles.status !== 'gone') {
    group.status = settles.status
    group.nextActivityMs = Math.max(group.nextActivityMs, atMs)
    return
  }
  for (const machine of groupMachines(world, cluster.clusterId, group.autoScalingGroupId)) {
    if (!group.keepInstances) terminate(world, machine, atMs)
    else if (machine.node !== null) machine.node.asGroupId = null
  }
  delete cluster.asGroups[group.autoScalingGroupId]
}

/** One activity of growth: as many machines as one step, the quota and the subnet allow. None is a failed activity. */
function scaleOut(world: World, cluster: ClusterState, group: AsGroupState, wanted: number, atMs: number, random: () => number): void {
  const type = instanceType(group.launch.instanceType)
  if (type === undefined)
    throw new TypeError(`Scaling group ${group.autoScalingGroupId} launches ${group.launch.instanceType}, which is no machine type.`)
  const present = groupMachines(world, cluster.clusterId, group.autoScalingGroupId).length
  let message = 'The group has no subnet.'
  for (let turn = 0; turn < group.launch.subnetIds.length; turn += 1) {
    const subnetId = group.launch.subnetIds[(present + turn) % group.launch.subnetIds.length] ?? ''
    const zone = findSubnet(world, group.launch.vpcId, subnetId)?.zone ?? ''
    for (let count = Math.min(wanted, Math.max(1, world.tke.behaviour.asGroupBatch)); count > 0; count -= 1) {
      const order = {
        zone,
        vpcId: group.launch.vpcId,
        subnetId,
        type,
        chargeType: group.launch.chargeType,
        count,
        instanceName: `tke_${cluster.clusterId}_worker`,
        securityGroupIds: group.launch.securityGroupIds,
        publicIp: group.launch.publicIp,
      }
      const refusal = roomRefusal(world, cluster, count) ?? orderRefusal(world, cluster, order)
      if (refusal !== null) {
        message = refusal.message
        continue
      }
      const machines = buyMachines(world, cluster.region, order, {
        osName: cluster.os,
        now: atMs,
        newId: () => freshId(world, 'ins', random),
      })
      for (const machine of machines) {
        joinCluster(world, cluster, machine, {
          role: 'WORKER',
          settings: group.launch.settings,
          asGroupId: group.autoScalingGroupId,
          hostName: cluster.nodeNameType === 'hostname' ? machine.instanceId : '',
          now: atMs,
          random,
        })
      }
      const instanceIds = machines.map((machine) => machine.instanceId)
      record(world, group, random, { kind: 'scale-out', atMs, status: 'SUCCESSFUL', message: `Added ${count} of ${wanted}.`, instanceIds })
      group.failuresInARow = 0
      group.nextActivityMs = atMs + pauseMs(world, group)
      return
    }
  }
  record(world, group, random, { kind: 'scale-out', atMs, status: 'FAILED', message, instanceIds: [] })
  group.failuresInARow += 1
  group.nextActivityMs = atMs + pauseMs(world, group)
}

/** The pause before the next activity, at least a second, doubled for each failure in a row up to a day. */
function pauseMs(world: World, group: AsGroupState): number {
  return Math.min(86_400_000, Math.max(1_000, world.tke.behaviour.asGroupIntervalMs) * 2 ** Math.min(group.failuresInARow, 12))
}

/** One activity of shrinkage: failed machines first, then those that initialise, then the newest. */
function scaleIn(world: World, cluster: ClusterState, group: AsGroupState, surplus: number, atMs: number, random: () => number): void {
  const rank = { failed: 0, initializing: 1, running: 2 }
  const leaving = groupMachines(world, cluster.clusterId, group.autoScalingGroupId)
    .map((machine, age) => ({ machine, age, rank: rank[machine.node?.state ?? 'failed'] }))
    .sort((one, other) => one.rank - other.rank || other.age - one.age)
    .slice(0, Math.min(surplus, Math.max(1, world.tke.behaviour.asGroupBatch)))
    .map(({ machine }) => machine)
  for (const machine of leaving) {
    if (machine.chargeType === 'POSTPAID_BY_HOUR') terminate(world, machine, atMs)
    else leaveCluster(world, machine, atMs)
  }
  const instanceIds = leaving.map((machine) => machine.instanceId)
  record(world, group, random, {
    kind: 'scale-in',
    atMs,
    status: 'SUCCESSFUL',
    message: `Removed ${leaving.length} of ${surplus}.`,
    instanceIds,
  })
  group.nextActivityMs = atMs + pauseMs(world, group)
}

const activitiesKept = 50

function record(world: World, group: AsGroupState, random: () => number, activity: Omit<AsActivityState, 'activityId'>): void {
  group.activities.push({ activityId: freshId(world, 'asa', random), ...activity })
  if (group.activities.length > activitiesKept) group.activities.splice(0, group.activities.length - activitiesKept)
}
