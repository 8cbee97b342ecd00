import { removeNode } from '../kubernetes/nodes.ts'
import type { World } from '../world.ts'
import { formatAddress, parseCidr } from './cidr.ts'
import { findSubnet } from './find-cluster.ts'
import type { InstanceType } from './instance-types.ts'
import { lookUp } from './look-up.ts'
import type { ChargeType, ClusterState, MachineState, NodeRole, NodeSettingsState, SubnetState } from './state.ts'

/** Machines to buy for a cluster: all alike, in one subnet. */
export interface MachineOrder {
  readonly zone: string
  readonly vpcId: string
  readonly subnetId: string
  readonly type: InstanceType
  readonly chargeType: ChargeType
  readonly count: number
  readonly instanceName: string
  readonly securityGroupIds: readonly string[]
  readonly publicIp: boolean
}

export type RefusalKind = 'sold-out' | 'node-quota' | 'route-quota' | 'no-address' | 'wrong-network' | 'wrong-arch'

/** Why an order or an addition cannot be met. Each action has its own code for each kind. */
export interface Refusal {
  readonly kind: RefusalKind
  readonly message: string
}

/** How many worker nodes a cluster has, whatever their state. */
export function workersOf(world: World, clusterId: string): MachineState[] {
  return nodesOf(world, clusterId).filter((machine) => machine.node?.role === 'WORKER')
}

/** The machines of a cluster, in the order in which they were added. */
export function nodesOf(world: World, clusterId: string): MachineState[] {
  return Object.values(world.tke.machines)
    .filter((machine) => machine.node?.clusterId === clusterId)
    .sort((one, other) => (one.node?.addedMs ?? 0) - (other.node?.addedMs ?? 0) || byId(one, other))
}

/** The machines of a scaling group, in the order in which they were added. */
export function groupMachines(world: World, clusterId: string, groupId: string): MachineState[] {
  return nodesOf(world, clusterId).filter((machine) => machine.node?.asGroupId === groupId)
}

function byId(one: MachineState, other: MachineState): number {
  return one.instanceId < other.instanceId ? -1 : 1
}

/**
 * Why a cluster cannot take `count` more workers: the quota of its region, or the address block of its pods, each node of
 * which takes a slice. Null when it can.
 */
export function roomRefusal(world: World, cluster: ClusterState, count: number): Refusal | null {
  const present = workersOf(world, cluster.clusterId).length
  const quota = quotaOf(world, cluster.region).maxNodesPerCluster
  if (present + count > quota) {
    return {
      kind: 'node-quota',
      message: `Cluster ${cluster.clusterId} has ${present} nodes and may have ${quota}; ${count} more do not fit.`,
    }
  }
  const slices = podSlices(cluster)
  const masters = nodesOf(world, cluster.clusterId).length - present
  if (present + masters + count > slices) {
    return {
      kind: 'route-quota',
      message: `The pod network ${cluster.network.clusterCidr} of ${cluster.clusterId} has slices for ${slices} nodes; ${count} more do not fit.`,
    }
  }
  return null
}

/** How many nodes the pod network can serve: the block less the services' part, in slices of MaxNodePodNum. */
export function podSlices(cluster: ClusterState): number {
  const block = parseCidr(cluster.network.clusterCidr)
  if (cluster.network.networkType === 'VPC-CNI' || block === undefined) return Number.MAX_SAFE_INTEGER
  const forServices = cluster.network.serviceCidr === '' ? cluster.network.maxClusterServiceNum : 0
  return Math.max(0, Math.floor((block.size - forServices) / cluster.network.maxNodePodNum))
}

export function quotaOf(world: World, region: string): { maxClusters: number; maxNodesPerCluster: number } {
  return lookUp(world.tke.quotas, region) ?? world.tke.quotas['*'] ?? { maxClusters: 0, maxNodesPerCluster: 0 }
}

/** Why an order cannot be met by stock, network or the cluster's processor architecture. Null when it can. */
export function orderRefusal(world: World, cluster: ClusterState, order: MachineOrder): Refusal | null {
  if (order.vpcId !== cluster.network.vpcId) {
    return {
      kind: 'wrong-network',
      message: `The order names ${order.vpcId}; cluster ${cluster.clusterId} is in ${cluster.network.vpcId}.`,
    }
  }
  const subnet = findSubnet(world, order.vpcId, order.subnetId)
  if (subnet === undefined) return { kind: 'wrong-network', message: `Subnet ${order.subnetId} is not in ${order.vpcId}.` }
  if (subnet.zone !== order.zone) {
    return { kind: 'wrong-network', message: `Subnet ${order.subnetId} is in ${subnet.zone}, the order in ${order.zone}.` }
  }
  if (order.type.arch !== cluster.arch) {
    return { kind: 'wrong-arch', message: `${order.type.name} is ${order.type.arch}; cluster ${cluster.clusterId} is ${cluster.arch}.` }
  }
  const soldOut = world.tke.behaviour.soldOut
  const stock = [order.type.name, order.zone, `${order.zone}/${order.type.name}`].find((key) => soldOut.includes(key))
  if (stock !== undefined) {
    return { kind: 'sold-out', message: `${order.type.name} is sold out in ${order.zone}.` }
  }
  const left = addressesLeft(subnet)
  if (left < order.count) {
    return { kind: 'no-address', message: `Subnet ${subnet.subnetId} has ${left} addresses left; ${order.count} are needed.` }
  }
  return null
}

/** Addresses of a subnet still to be given out; its first two and its last are the network's own. */
export function addressesLeft(subnet: SubnetState): number {
  const block = parseCidr(subnet.cidr)
  return block === undefined ? 0 : Math.max(0, block.size - 3 - subnet.used)
}

/** Takes the next address of a subnet. The caller has checked that there is one. */
export function takeAddress(subnet: SubnetState): string {
  const block = parseCidr(subnet.cidr)
  const address = formatAddress((block?.address ?? 0) + 2 + subnet.used)
  subnet.used += 1
  return address
}

/** Buys machines; they are not yet in a cluster. The order has been checked. `newId` gives `ins-…` ids. */
export function buyMachines(
  world: World,
  region: string,
  order: MachineOrder,
  options: { readonly osName: string; readonly now: number; readonly newId: () => string },
): MachineState[] {
  const subnet = findSubnet(world, order.vpcId, order.subnetId)
  if (subnet === undefined) throw new TypeError(`Subnet ${order.subnetId} of ${order.vpcId} is not in the world; check the order first.`)
  const machines: MachineState[] = []
  for (let index = 0; index < order.count; index += 1) {
    const instanceId = options.newId()
    const privateIp = takeAddress(subnet)
    const machine: MachineState = {
      instanceId,
      instanceName: order.instanceName === '' ? `tke_node_${instanceId}` : order.instanceName,
      region,
      zone: order.zone,
      vpcId: order.vpcId,
      subnetId: order.subnetId,
      instanceType: order.type.name,
      arch: order.type.arch,
      cpuCores: order.type.cpuCores,
      memoryGib: order.type.memoryGib,
      privateIp,
      publicIp: order.publicIp ? `203.0.113.${1 + (subnet.used % 254)}` : null,
      chargeType: order.chargeType,
      osName: options.osName,
      power: 'RUNNING',
      securityGroupIds: [...order.securityGroupIds],
      createdMs: options.now,
      node: null,
    }
    world.tke.machines[instanceId] = machine
    machines.push(machine)
  }
  return machines
}

export interface JoinOptions {
  readonly role: NodeRole
  readonly settings: NodeSettingsState
  readonly asGroupId: string | null
  /** The host name where the cluster names its nodes by it; empty otherwise. */
  readonly hostName: string
  readonly now: number
  readonly random: () => number
}

/**
 * Starts to make a machine a node of a cluster. When it is done, and how it ends, is drawn here; `advanceTke` lets it
 * happen. A cluster that is still being created is waited for.
 */
export function joinCluster(world: World, cluster: ClusterState, machine: MachineState, options: JoinOptions): void {
  const behaviour = world.tke.behaviour
  const spread = Math.max(0, behaviour.nodeBootMaxMs - behaviour.nodeBootMinMs)
  const bootMs = behaviour.nodeBootMinMs + Math.floor(options.random() * (spread + 1))
  const fails = options.random() < behaviour.nodeFailureShare
  machine.osName = cluster.os
  machine.node = {
    clusterId: cluster.clusterId,
    role: options.role,
    state: 'initializing',
    reason: 'The node is being initialised.',
    addedMs: options.now,
    readyAtMs: Math.max(options.now, cluster.readyAtMs) + bootMs,
    failure: fails ? behaviour.nodeFailureReason : null,
    nodeName: cluster.nodeNameType === 'hostname' && options.hostName !== '' ? options.hostName : machine.privateIp,
    asGroupId: options.asGroupId,
    settings: options.settings,
  }
}

/** Takes a machine out of its cluster: its Kubernetes Node vanishes. The machine itself stays. */
export function leaveCluster(world: World, machine: MachineState, now: number): void {
  if (machine.node === null) return
  const { clusterId, nodeName } = machine.node
  const kubernetes = world.kubernetes[clusterId]
  if (kubernetes !== undefined && machine.node.state === 'running') removeNode(kubernetes, nodeName, now)
  delete world.tke.clusters[clusterId]?.autoscaler.idleSinceMs[machine.instanceId]
  machine.node = null
}

/** Takes a machine out of its cluster and gives it back. Only a machine that is paid by the hour can be given back. */
export function terminate(world: World, machine: MachineState, now: number): void {
  leaveCluster(world, machine, now)
  delete world.tke.machines[machine.instanceId]
}
