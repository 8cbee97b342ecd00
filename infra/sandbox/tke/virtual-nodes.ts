import type { Node, NodePoolSet } from '#cloud/generated/tke/structures.ts'
import { podsOnNode, removeNode, setNodeUnschedulable } from '../kubernetes/nodes.ts'
import { randomLetters } from '../random.ts'
import { PlatformFault, type ReducerContext } from '../reducer.ts'
import { findCluster, findRunningCluster, findSubnet, kubernetesOf } from './find-cluster.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { addressesLeft, takeAddress } from './machines.ts'
import { drain } from './node-objects.ts'
import { labelsAnswer, labelsOf, taintsAnswer, taintsOf } from './node-settings.ts'
import type { ClusterState, SubnetState, VirtualNodePoolState, VirtualNodeState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

const clusterCodes = { unknown: 'InvalidParameter', notRunning: 'InternalError' }

function findPool(cluster: ClusterState, nodePoolId: string): VirtualNodePoolState {
  const pool = lookUp(cluster.virtualNodePools, nodePoolId)
  if (pool === undefined)
    throw new PlatformFault('ResourceNotFound', `Cluster ${cluster.clusterId} has no virtual node pool ${nodePoolId}.`)
  return pool
}

/** Creates a pool, which is creating for a moment and then normal. It has no nodes yet. */
export const createClusterVirtualNodePool: TkeReducer<'CreateClusterVirtualNodePool'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, clusterCodes)
  if (request.Name === '') throw new PlatformFault('InvalidParameter', 'Name is empty.')
  if (request.SubnetIds.length === 0) throw new PlatformFault('InvalidParameter', 'SubnetIds names no subnet.')
  for (const subnetId of request.SubnetIds) subnetOf(context, cluster, subnetId)
  const taints = taintsOf(request.Taints, 'InvalidParameter')
  const nodePoolId = context.id('np')
  cluster.virtualNodePools[nodePoolId] = {
    nodePoolId,
    name: request.Name,
    lifeState: 'creating',
    readyAtMs: context.now + context.world.tke.behaviour.virtualNodePoolCreateMs,
    subnetIds: [...new Set(request.SubnetIds)],
    securityGroupIds: [...request.SecurityGroupIds],
    labels: labelsOf(request.Labels),
    taints,
    unschedulable: request.Unschedulable ?? false,
    createdMs: context.now,
    nodes: {},
  }
  return { NodePoolId: nodePoolId }
}

function subnetOf(context: ReducerContext, cluster: ClusterState, subnetId: string): SubnetState {
  const subnet = findSubnet(context.world, cluster.network.vpcId, subnetId)
  if (subnet === undefined) throw new PlatformFault('InvalidParameter', `Subnet ${subnetId} is not in ${cluster.network.vpcId}.`)
  return subnet
}

export const describeClusterVirtualNodePools: TkeReducer<'DescribeClusterVirtualNodePools'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const pools = Object.values(cluster.virtualNodePools)
  return {
    TotalCount: pools.length,
    NodePoolSet: pools.map(
      (pool): NodePoolSet => ({
        NodePoolId: pool.nodePoolId,
        SubnetIds: [...pool.subnetIds],
        SecurityGroupIds: [...pool.securityGroupIds],
        Name: pool.name,
        LifeState: pool.lifeState,
        Unschedulable: pool.unschedulable,
        Labels: labelsAnswer(pool.labels),
        Taints: taintsAnswer(pool.taints),
      }),
    ),
  }
}

/** Changes what was sent. Cordoning reaches the nodes that exist; labels and taints only those that come after. */
export const modifyClusterVirtualNodePool: TkeReducer<'ModifyClusterVirtualNodePool'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, clusterCodes)
  const pool = findPool(cluster, request.NodePoolId)
  if (request.Name === '') throw new PlatformFault('InvalidParameter', 'Name is empty.')
  const taints = request.Taints === undefined ? pool.taints : taintsOf(request.Taints, 'InvalidParameter')
  pool.name = request.Name ?? pool.name
  pool.labels = request.Labels === undefined ? pool.labels : labelsOf(request.Labels)
  pool.taints = taints
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (request.Unschedulable !== undefined && request.Unschedulable !== pool.unschedulable) {
    pool.unschedulable = request.Unschedulable
    for (const node of Object.values(pool.nodes)) {
      if (node.phase === 'Running' && kubernetes !== undefined) setNodeUnschedulable(kubernetes, node.name, request.Unschedulable)
    }
  }
  return {}
}

/**
 * Adds one virtual node for each subnet named: those of SubnetIds, else SubnetId. They are Pending for a moment. Answers
 * their names, under which Kubernetes knows them too.
 */
export const createClusterVirtualNode: TkeReducer<'CreateClusterVirtualNode'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, clusterCodes)
  const pool = findPool(cluster, request.NodePoolId)
  if (pool.lifeState !== 'normal')
    throw new PlatformFault('InternalError', `Virtual node pool ${pool.nodePoolId} is ${pool.lifeState}; wait until it is normal.`)
  const listed = request.SubnetIds.length > 0 ? request.SubnetIds : [request.SubnetId]
  const subnetIds = [...new Set(listed)].filter((subnetId) => subnetId !== '')
  if (subnetIds.length === 0)
    throw new PlatformFault('InvalidParameter', 'SubnetIds and SubnetId are empty; one of them names where the node lives.')
  const subnets = subnetIds.map((subnetId) => subnetOf(context, cluster, subnetId))
  const full = subnets.find((subnet) => addressesLeft(subnet) < 1)
  if (full !== undefined) throw new PlatformFault('InternalError', `Subnet ${full.subnetId} has no address left.`)
  const behaviour = context.world.tke.behaviour
  const names = subnets.map((subnet) => {
    const name = `eklet-${subnet.subnetId}-${randomLetters(context.random, 8)}`
    pool.nodes[name] = {
      name,
      subnetId: subnet.subnetId,
      phase: 'Pending',
      privateIp: takeAddress(subnet),
      createdMs: context.now,
      readyAtMs: context.now + behaviour.virtualNodeCreateMs,
      failure: context.random() < behaviour.nodeFailureShare ? behaviour.nodeFailureReason : null,
    }
    return name
  })
  return { InstanceIds: names }
}

/** The nodes of a pool; with NodeNames only those. */
export const describeClusterVirtualNode: TkeReducer<'DescribeClusterVirtualNode'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const pool = findPool(cluster, request.NodePoolId)
  const names = request.NodeNames ?? []
  const rows = Object.values(pool.nodes).filter((node) => names.length === 0 || names.includes(node.name))
  return {
    TotalCount: rows.length,
    Nodes: rows.map(
      (node): Node => ({
        Name: node.name,
        NodePoolId: pool.nodePoolId,
        SubnetId: node.subnetId,
        Phase: node.phase,
        CreatedTime: isoTime(node.createdMs),
      }),
    ),
  }
}

/** Removes nodes of a pool, all of them when none is named. Without Force a node with running pods refuses the call. */
export const deleteClusterVirtualNode: TkeReducer<'DeleteClusterVirtualNode'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const pool = findPool(cluster, request.NodePoolId)
  const names = request.NodeNames === undefined || request.NodeNames.length === 0 ? Object.keys(pool.nodes) : request.NodeNames
  const nodes = [...new Set(names)].map((name) => {
    const node = lookUp(pool.nodes, name)
    if (node === undefined) throw new PlatformFault('ResourceNotFound', `Virtual node pool ${pool.nodePoolId} has no node ${name}.`)
    return node
  })
  removeNodes(context, cluster, pool, nodes, request.Force === true)
  return {}
}

/** Deletes pools with their nodes. Without Force a node with running pods refuses the call; nothing is deleted then. */
export const deleteClusterVirtualNodePool: TkeReducer<'DeleteClusterVirtualNodePool'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const pools = [...new Set(request.NodePoolIds)].map((nodePoolId) => findPool(cluster, nodePoolId))
  if (pools.length === 0) throw new PlatformFault('InvalidParameter', 'NodePoolIds names no pool.')
  const force = request.Force === true
  for (const pool of pools) checkEmpty(context, cluster, Object.values(pool.nodes), force)
  for (const pool of pools) {
    removeNodes(context, cluster, pool, Object.values(pool.nodes), true)
    delete cluster.virtualNodePools[pool.nodePoolId]
  }
  return {}
}

function checkEmpty(context: ReducerContext, cluster: ClusterState, nodes: readonly VirtualNodeState[], force: boolean): void {
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (force || kubernetes === undefined) return
  for (const node of nodes) {
    const pods = podsOnNode(kubernetes, node.name).filter((pod) => !pod.daemon)
    if (pods.length > 0) {
      throw new PlatformFault('ResourceInUse', `Virtual node ${node.name} runs ${pods.length} pods; drain it first, or send Force.`)
    }
  }
}

function removeNodes(
  context: ReducerContext,
  cluster: ClusterState,
  pool: VirtualNodePoolState,
  nodes: readonly VirtualNodeState[],
  force: boolean,
): void {
  checkEmpty(context, cluster, nodes, force)
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  for (const node of nodes) {
    if (kubernetes !== undefined && (node.phase === 'Running' || node.phase === 'Drained')) removeNode(kubernetes, node.name, context.now)
    delete pool.nodes[node.name]
  }
}

/** Empties a virtual node like DrainClusterNode does a real one; DryRun only counts and lists. */
export const drainClusterVirtualNode: TkeReducer<'DrainClusterVirtualNode'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, clusterCodes)
  const node = Object.values(cluster.virtualNodePools)
    .map((pool) => lookUp(pool.nodes, request.NodeName))
    .find((found) => found !== undefined)
  if (node === undefined)
    throw new PlatformFault('ResourceNotFound', `Cluster ${cluster.clusterId} has no virtual node ${request.NodeName}.`)
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (kubernetes === undefined || node.phase === 'Pending' || node.phase === 'Failed') {
    throw new PlatformFault('InternalError', `Virtual node ${node.name} is ${node.phase}; only a running one can be drained.`)
  }
  const pods = drain(kubernetes, node.name, request.DryRun === true, context.now)
  if (request.DryRun !== true) node.phase = 'Drained'
  return { TotalCount: pods.length, Pods: pods }
}
