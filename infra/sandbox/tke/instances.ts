import { PlatformFault, type ReducerContext } from '../reducer.ts'
import { findCluster, findRunningCluster, kubernetesOf } from './find-cluster.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { leaveCluster, nodesOf, terminate } from './machines.ts'
import { addNewNodes, checkNewNodes, type RefusalCodes } from './new-nodes.ts'
import { nodeUnschedulable } from './node-objects.ts'
import { settingsAnswer, settingsOf } from './node-settings.ts'
import { pageOf } from './page-of.ts'
import { canonicalJson, parseRunOrder } from './run-order.ts'
import type { MachineState, NodeState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

const createCodes: RefusalCodes = {
  'sold-out': 'InternalError.CvmCommon',
  'node-quota': 'InternalError.QuotaMaxNodLimit',
  'route-quota': 'InternalError.QuotaMaxRtLimit',
  'no-address': 'InternalError.VpcCommon',
  'wrong-network': 'InvalidParameter',
  'wrong-arch': 'InvalidParameter',
  'host-name': 'MissingParameter',
}

/**
 * Buys machines and makes them nodes; they run after a while, or fail. A ClientToken inside RunInstancePara makes the call
 * repeatable: the same request again answers the machines of the first, another request under the same token is refused.
 * Where the platform has no token support (`behaviour.clientTokens`), every call buys.
 */
export const createClusterInstances: TkeReducer<'CreateClusterInstances'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const order = parseRunOrder(request.RunInstancePara, {
    invalid: 'InvalidParameter',
    unknownKey: 'UnknownParameter',
    missing: 'MissingParameter',
  })
  const token = order.clientToken === undefined ? undefined : `${cluster.region}/${order.clientToken}`
  const fingerprint = canonicalJson([request.ClusterId, order.canonical, request.InstanceAdvancedSettings ?? null])
  const tokens = context.world.tke.runTokens
  if (token !== undefined && context.world.tke.behaviour.clientTokens) {
    const seen = lookUp(tokens, token)
    if (seen !== undefined) {
      if (seen.request === fingerprint) return { InstanceIdSet: [...seen.instanceIds] }
      throw new PlatformFault('InvalidParameter', `ClientToken ${order.clientToken} was used for another request at ${isoTime(seen.atMs)}.`)
    }
  }
  checkNewNodes(context, cluster, order, createCodes)
  const instanceIds = addNewNodes(context, cluster, order, { role: 'WORKER', settings: settingsOf(request.InstanceAdvancedSettings) })
  if (token !== undefined && context.world.tke.behaviour.clientTokens) {
    tokens[token] = { request: fingerprint, instanceIds: [...instanceIds], atMs: context.now }
  }
  return { InstanceIdSet: instanceIds }
}

const addCodes: RefusalCodes = {
  'sold-out': 'ResourceInsufficient',
  'node-quota': 'LimitExceeded',
  'route-quota': 'LimitExceeded',
  'no-address': 'ResourceInsufficient',
  'wrong-network': 'InvalidParameter',
  'wrong-arch': 'InvalidParameter',
  'host-name': 'MissingParameter',
}

/** Buys machines like CreateClusterInstances, in the older form and without token: each call buys. */
export const addClusterInstances: TkeReducer<'AddClusterInstances'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const order = parseRunOrder(request.CvmRunInstances, {
    invalid: 'InvalidParameter',
    unknownKey: 'UnknownParameter',
    missing: 'MissingParameter',
  })
  if (request.OsName !== undefined && request.OsName !== cluster.os) {
    throw new PlatformFault('InvalidParameter', `Cluster ${cluster.clusterId} runs ${cluster.os}; OsName ${request.OsName} cannot join it.`)
  }
  checkNewNodes(context, cluster, order, addCodes)
  const settings = settingsOf({
    MountTarget: request.MountTarget?.[0] ?? null,
    DockerGraphPath: request.DockerGraphPath?.[0] ?? null,
    UserScript: request.UserScript?.[0] ?? null,
    Unschedulable: request.Unschedulable ?? null,
  })
  return { InstanceIdSet: addNewNodes(context, cluster, order, { role: 'WORKER', settings }) }
}

/**
 * Removes nodes. `terminate` (also when no mode is sent: the costlier reading) gives the machine back, which only works
 * for one that is paid by the hour; `retain` keeps it outside the cluster. A node that initialises needs ForceDelete, a
 * master is never removed. Each id ends in exactly one of the three lists, in the order of the request.
 */
export const deleteClusterInstances: TkeReducer<'DeleteClusterInstances'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError.Param')
  const mode = request.InstanceDeleteMode ?? 'terminate'
  if (mode !== 'terminate' && mode !== 'retain') {
    throw new PlatformFault('InvalidParameter', `InstanceDeleteMode is ${mode}; it is terminate or retain.`)
  }
  if (request.InstanceIds.length === 0) throw new PlatformFault('InvalidParameter', 'InstanceIds names no instance.')
  if (request.InstanceIds.length > 100) {
    throw new PlatformFault('LimitExceeded', `InstanceIds names ${request.InstanceIds.length} instances; at most 100 go at once.`)
  }
  const done: string[] = []
  const failed: string[] = []
  const notFound: string[] = []
  for (const instanceId of new Set(request.InstanceIds)) {
    const machine = lookUp(context.world.tke.machines, instanceId)
    const node = machine?.node
    if (machine === undefined || node?.clusterId !== cluster.clusterId) {
      notFound.push(instanceId)
    } else if (
      node.role !== 'WORKER' ||
      (node.state === 'initializing' && request.ForceDelete !== true) ||
      (mode === 'terminate' && machine.chargeType !== 'POSTPAID_BY_HOUR')
    ) {
      failed.push(instanceId)
    } else {
      shrinkGroup(context, node, cluster.clusterId)
      if (mode === 'terminate') terminate(context.world, machine, context.now)
      else leaveCluster(context.world, machine, context.now)
      done.push(instanceId)
    }
  }
  return { SuccInstanceIds: done, FailedInstanceIds: failed, NotFoundInstanceIds: notFound }
}

/** A node taken out of a scaling group lowers what the group wants, not below its minimum: then the group replaces it. */
function shrinkGroup(context: ReducerContext, node: NodeState, clusterId: string): void {
  const group = node.asGroupId === null ? undefined : context.world.tke.clusters[clusterId]?.asGroups[node.asGroupId]
  if (group === undefined) return
  group.desiredSize = Math.max(group.minSize, group.desiredSize - 1)
  group.nextActivityMs = Math.max(group.nextActivityMs, context.now)
}

const filters: Readonly<Record<string, (machine: MachineState, node: NodeState) => string>> = {
  InstanceState: (_, node) => node.state,
  InstanceRole: (_, node) => node.role,
  InstanceName: (machine) => machine.instanceName,
  LanIp: (machine) => machine.privateIp,
  AutoScalingGroupId: (_, node) => node.asGroupId ?? '',
}

/** The nodes of a cluster, oldest first. Filters of different names all have to match, values of one name any. */
export const describeClusterInstances: TkeReducer<'DescribeClusterInstances'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InvalidParameter.ClusterNotFound')
  const wanted = request.InstanceIds ?? []
  if (wanted.length > 100) throw new PlatformFault('InternalError.Param', `InstanceIds names ${wanted.length} instances; at most 100.`)
  const role = request.InstanceRole ?? ''
  const conditions = (request.Filters ?? []).map((filter) => {
    const read = lookUp(filters, filter.Name)
    if (read === undefined) {
      throw new PlatformFault('InternalError.Param', `There is no filter ${filter.Name}; there are ${Object.keys(filters).join(', ')}.`)
    }
    return (machine: MachineState, node: NodeState) => filter.Values.includes(read(machine, node))
  })
  const rows = nodesOf(context.world, cluster.clusterId).flatMap((machine) => {
    const node = machine.node
    if (node === null || !hasRole(node, role)) return []
    if (wanted.length > 0 && !wanted.includes(machine.instanceId)) return []
    if (!conditions.every((holds) => holds(machine, node))) return []
    return [{ machine, node }]
  })
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  return {
    TotalCount: rows.length,
    InstanceSet: pageOf(rows, request, 'InternalError.Param').map(({ machine, node }) => ({
      InstanceId: machine.instanceId,
      InstanceRole: node.role,
      FailedReason: node.reason,
      InstanceState: node.state,
      DrainStatus: nodeUnschedulable(kubernetes, node.nodeName) ? 'drained' : '',
      InstanceAdvancedSettings: settingsAnswer(node.settings),
      CreatedTime: isoTime(node.addedMs),
    })),
  }
}

const roles = ['', 'ALL', 'MASTER', 'WORKER', 'ETCD', 'MASTER_ETCD']

/** Whether a node has a role as the API asks for it: a MASTER_ETCD node is both master and etcd. */
function hasRole(node: NodeState, role: string): boolean {
  if (!roles.includes(role)) {
    throw new PlatformFault('InvalidParameter', `InstanceRole is ${role}; it is one of ${roles.filter((name) => name !== '').join(', ')}.`)
  }
  if (role === '' || role === 'ALL') return true
  return node.role === role || (node.role === 'MASTER_ETCD' && role !== 'WORKER')
}

/** The ids of a cluster's nodes: workers unless another role is asked for. Name and addresses match by part. */
export const describeClusterInstanceIds: TkeReducer<'DescribeClusterInstanceIds'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalServerError.Param')
  const role = request.InstanceRole ?? 'WORKER'
  const labels = labelPairs(request.Labels ?? '')
  const address = request.VagueIpAddress ?? ''
  const name = request.VagueInstanceName ?? ''
  const states = request.InstanceStates ?? []
  const rows = nodesOf(context.world, cluster.clusterId).filter((machine) => {
    const node = machine.node
    return (
      node !== null &&
      hasRole(node, role) &&
      (machine.privateIp.includes(address) || (machine.publicIp ?? '').includes(address)) &&
      machine.instanceName.includes(name) &&
      (states.length === 0 || states.includes(node.state)) &&
      labels.every(([key, value]) => node.settings.labels.some((label) => label.name === key && label.value === value))
    )
  })
  return {
    InstanceIdSet: pageOf(rows, request, 'InternalServerError.Param').map((machine) => machine.instanceId),
    TotalCount: rows.length,
  }
}

/** `a=1,b=2` as pairs. */
function labelPairs(text: string): [string, string][] {
  return text
    .split(',')
    .filter((pair) => pair.trim() !== '')
    .map((pair) => {
      const [key = '', value = ''] = pair.split('=', 2)
      return [key.trim(), value.trim()]
    })
}
