import { PlatformFault, type ReducerContext } from '../reducer.ts'
import { buyMachines, joinCluster, type MachineOrder, orderRefusal, type Refusal, type RefusalKind, roomRefusal } from './machines.ts'
import type { RunOrder } from './run-order.ts'
import type { ClusterState, NodeRole, NodeSettingsState } from './state.ts'

/** The code of an action for each reason why machines cannot be had. */
export type RefusalCodes = Readonly<Record<RefusalKind | 'host-name', string>>

/** What RunInstances was asked for, as an order for the cluster. */
export function machineOrder(order: RunOrder): MachineOrder {
  return {
    zone: order.zone,
    vpcId: order.vpcId,
    subnetId: order.subnetId,
    type: order.type,
    chargeType: order.chargeType,
    count: order.count,
    instanceName: order.instanceName,
    securityGroupIds: order.securityGroupIds,
    publicIp: order.publicIp,
  }
}

/** Throws PlatformFault when the cluster cannot have the machines of an order. */
export function checkNewNodes(context: ReducerContext, cluster: ClusterState, order: RunOrder, codes: RefusalCodes): void {
  refuse(roomRefusal(context.world, cluster, order.count) ?? orderRefusal(context.world, cluster, machineOrder(order)), codes)
  if (cluster.nodeNameType === 'hostname' && order.hostName === '') {
    throw new PlatformFault(codes['host-name'], `Cluster ${cluster.clusterId} names its nodes by host name; HostName is missing.`)
  }
}

export function refuse(refusal: Refusal | null, codes: RefusalCodes): void {
  if (refusal !== null) throw new PlatformFault(codes[refusal.kind], refusal.message)
}

/** Buys the machines of a checked order and makes them nodes. Answers their ids. */
export function addNewNodes(
  context: ReducerContext,
  cluster: ClusterState,
  order: RunOrder,
  node: { readonly role: NodeRole; readonly settings: NodeSettingsState },
): string[] {
  const machines = buyMachines(context.world, cluster.region, machineOrder(order), {
    osName: cluster.os,
    now: context.now,
    newId: () => context.id('ins'),
  })
  for (const [index, machine] of machines.entries()) {
    joinCluster(context.world, cluster, machine, {
      role: node.role,
      settings: node.settings,
      asGroupId: null,
      hostName: hostNameOf(order.hostName, index, machines.length),
      now: context.now,
      random: context.random,
    })
  }
  return machines.map((machine) => machine.instanceId)
}

/** Several machines under one HostName are numbered from 1, as RunInstances does. */
export function hostNameOf(hostName: string, index: number, count: number): string {
  return count === 1 || hostName === '' ? hostName : `${hostName}-${index + 1}`
}
