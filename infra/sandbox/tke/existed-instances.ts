import type { ExistedInstance } from '#cloud/generated/tke/structures.ts'
import { PlatformFault } from '../reducer.ts'
import type { World } from '../world.ts'
import { findCluster, findRunningCluster } from './find-cluster.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { joinCluster, roomRefusal } from './machines.ts'
import { hostNameOf } from './new-nodes.ts'
import { settingsOf } from './node-settings.ts'
import { pageOf } from './page-of.ts'
import type { ClusterState, MachineState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/**
 * Makes machines of the account nodes of a cluster. Each id is answered once: as failed (unknown, stopped, of another
 * network, already in a cluster), as succeeded, or as timed out, which says nothing about its fate.
 */
export const addExistedInstances: TkeReducer<'AddExistedInstances'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, {
    unknown: 'InternalServerError.Param',
    notRunning: 'ResourceUnavailable',
  })
  const instanceIds = [...new Set(request.InstanceIds)]
  if (instanceIds.length === 0) throw new PlatformFault('InvalidParameter', 'InstanceIds names no instance.')
  if (instanceIds.length > 100) {
    throw new PlatformFault('LimitExceeded', `InstanceIds names ${instanceIds.length} instances; at most 100 go at once.`)
  }
  const login = request.LoginSettings
  if (login?.Password !== undefined && login.KeyIds !== undefined) {
    throw new PlatformFault('InvalidParameter', 'LoginSettings takes Password or KeyIds, not both.')
  }
  if ((login?.KeyIds?.length ?? 0) > 1) throw new PlatformFault('InvalidParameter', 'LoginSettings.KeyIds takes one key.')
  if ((request.SecurityGroupIds?.length ?? 0) > 1) throw new PlatformFault('InvalidParameter', 'SecurityGroupIds takes one group.')
  if (request.NodePool?.AddToNodePool === true) {
    throw new PlatformFault('InvalidParameter', 'NodePool names a pool of real nodes; this edition has none.')
  }
  if (cluster.nodeNameType === 'hostname' && (request.HostName ?? '') === '') {
    throw new PlatformFault('InvalidParameter', `Cluster ${cluster.clusterId} names its nodes by host name; HostName is missing.`)
  }
  const failed: string[] = []
  const usable: MachineState[] = []
  for (const instanceId of instanceIds) {
    const machine = lookUp(context.world.tke.machines, instanceId)
    if (machine === undefined || unusableReason(machine, cluster) !== '') failed.push(instanceId)
    else usable.push(machine)
  }
  const refusal = roomRefusal(context.world, cluster, usable.length)
  if (refusal !== null) throw new PlatformFault('LimitExceeded', refusal.message)
  const done: string[] = []
  const timedOut: string[] = []
  for (const [index, machine] of usable.entries()) {
    if (request.SecurityGroupIds !== undefined) machine.securityGroupIds = [...request.SecurityGroupIds]
    joinCluster(context.world, cluster, machine, {
      role: 'WORKER',
      settings: settingsOf(request.InstanceAdvancedSettings),
      asGroupId: null,
      hostName: hostNameOf(request.HostName ?? '', index, usable.length),
      now: context.now,
      random: context.random,
    })
    const late = context.random() < context.world.tke.behaviour.addTimeoutShare
    ;(late ? timedOut : done).push(machine.instanceId)
  }
  return { FailedInstanceIds: failed, SuccInstanceIds: done, TimeoutInstanceIds: timedOut }
}

const filters: Readonly<Record<string, (machine: MachineState) => string>> = {
  zone: (machine) => machine.zone,
  'vpc-id': (machine) => machine.vpcId,
  'subnet-id': (machine) => machine.subnetId,
  'instance-id': (machine) => machine.instanceId,
  'instance-name': (machine) => machine.instanceName,
  'instance-type': (machine) => machine.instanceType,
  'instance-charge-type': (machine) => machine.chargeType,
  'instance-state': (machine) => machine.power,
  'private-ip-address': (machine) => machine.privateIp,
  'public-ip-address': (machine) => machine.publicIp ?? '',
}

/**
 * The account's machines of a region and whether each could join a cluster. With ClusterId only those of the cluster's
 * network; InstanceIds excludes ClusterId and Filters.
 */
export const describeExistedInstances: TkeReducer<'DescribeExistedInstances'> = (request, context) => {
  const ids = request.InstanceIds ?? []
  const conditions = request.Filters ?? []
  if (ids.length > 0 && (request.ClusterId ?? '') !== '') {
    throw new PlatformFault('InvalidParameter', 'InstanceIds and ClusterId exclude each other.')
  }
  if (ids.length > 0 && conditions.length > 0) throw new PlatformFault('InvalidParameter', 'InstanceIds and Filters exclude each other.')
  if (ids.length > 100) throw new PlatformFault('InvalidParameter', `InstanceIds names ${ids.length} instances; at most 100.`)
  const cluster = (request.ClusterId ?? '') === '' ? undefined : findCluster(context, request.ClusterId ?? '', 'ResourceNotFound')
  const holds = conditions.map((filter) => {
    const read = lookUp(filters, filter.Name)
    if (read === undefined) {
      throw new PlatformFault('InvalidParameter', `There is no filter ${filter.Name}; there are ${Object.keys(filters).join(', ')}.`)
    }
    if (filter.Name === 'vpc-id' && cluster !== undefined && filter.Values.some((vpcId) => vpcId !== cluster.network.vpcId)) {
      throw new PlatformFault(
        'InvalidParameter',
        `The filter vpc-id has to name ${cluster.network.vpcId}, the network of ${cluster.clusterId}.`,
      )
    }
    return (machine: MachineState) => filter.Values.includes(read(machine))
  })
  const address = request.VagueIpAddress ?? ''
  const name = request.VagueInstanceName ?? ''
  const rows = regionMachines(context.world, context.region).filter(
    (machine) =>
      (ids.length === 0 || ids.includes(machine.instanceId)) &&
      (cluster === undefined || machine.vpcId === cluster.network.vpcId) &&
      holds.every((condition) => condition(machine)) &&
      (machine.privateIp.includes(address) || (machine.publicIp ?? '').includes(address)) &&
      machine.instanceName.includes(name),
  )
  return {
    ExistedInstanceSet: pageOf(rows, request, 'InvalidParameter').map((machine) => existedAnswer(machine, cluster)),
    TotalCount: rows.length,
  }
}

function regionMachines(world: World, region: string): MachineState[] {
  return Object.values(world.tke.machines)
    .filter((machine) => region === '' || machine.region === region)
    .sort((one, other) => one.createdMs - other.createdMs || (one.instanceId < other.instanceId ? -1 : 1))
}

function existedAnswer(machine: MachineState, cluster: ClusterState | undefined): ExistedInstance {
  const reason = unusableReason(machine, cluster)
  return {
    Usable: reason === '',
    UnusableReason: reason,
    AlreadyInCluster: machine.node?.clusterId ?? '',
    InstanceId: machine.instanceId,
    InstanceName: machine.instanceName,
    PrivateIpAddresses: [machine.privateIp],
    PublicIpAddresses: machine.publicIp === null ? null : [machine.publicIp],
    CreatedTime: isoTime(machine.createdMs),
    InstanceChargeType: machine.chargeType,
    CPU: machine.cpuCores,
    Memory: machine.memoryGib,
    OsName: machine.osName,
    InstanceType: machine.instanceType,
    IPv6Addresses: [],
  }
}

/** Why a machine cannot join (the given) cluster; empty when it can. */
export function unusableReason(machine: MachineState, cluster: ClusterState | undefined): string {
  if (machine.node !== null) return `The instance is already in cluster ${machine.node.clusterId}.`
  if (machine.power !== 'RUNNING') return 'The instance is not running.'
  if (cluster === undefined) return ''
  if (machine.region !== cluster.region || machine.vpcId !== cluster.network.vpcId) {
    return `The instance is in ${machine.vpcId}, the cluster in ${cluster.network.vpcId}.`
  }
  if (machine.arch !== cluster.arch) return `The instance is ${machine.arch}, the cluster ${cluster.arch}.`
  return ''
}
