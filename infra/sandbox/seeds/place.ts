import { createKubernetesState } from '../kubernetes/objects.ts'
import { newAccess, plainAsOption } from '../tke/clusters.ts'
import { findSubnet } from '../tke/find-cluster.ts'
import { freshId } from '../tke/fresh-id.ts'
import { instanceType } from '../tke/instance-types.ts'
import { buyMachines, joinCluster } from '../tke/machines.ts'
import { registerNode } from '../tke/node-objects.ts'
import { plainSettings } from '../tke/node-settings.ts'
import { imageOf } from '../tke/platform.ts'
import type { AsGroupState, ChargeType, ClusterState, LabelState, MachineState, NodeRole } from '../tke/state.ts'
import type { World } from '../world.ts'

/** A private network to place. Subnet id -> zone and block. */
export interface NetworkSpec {
  readonly vpcId: string
  readonly region: string
  readonly cidr: string
  readonly subnets: { readonly [subnetId: string]: readonly [zone: string, cidr: string] }
  readonly globalRoutes?: readonly string[]
}

/** Adds a network to the world. */
export function placeNetwork(world: World, spec: NetworkSpec): void {
  world.tke.vpcs[spec.vpcId] = {
    vpcId: spec.vpcId,
    region: spec.region,
    cidr: spec.cidr,
    subnets: Object.fromEntries(
      Object.entries(spec.subnets).map(([subnetId, [zone, cidr]]) => [subnetId, { subnetId, zone, cidr, used: 0 }]),
    ),
    globalRoutes: [...(spec.globalRoutes ?? [])],
  }
}

/** A cluster to place; what is left out is ordinary. */
export interface ClusterSpec {
  readonly clusterId: string
  readonly region: string
  readonly name: string
  readonly description?: string
  readonly version: string
  readonly os?: string
  readonly type?: ClusterState['type']
  readonly vpcId: string
  readonly clusterCidr: string
  readonly maxNodePodNum?: number
  readonly containerRuntime?: 'docker' | 'containerd'
  readonly tags?: readonly { readonly key: string; readonly value: string }[]
  readonly createdMs: number
}

/** Adds a running cluster without nodes, with its Kubernetes API as of its creation. */
export function placeCluster(world: World, spec: ClusterSpec, random: () => number): ClusterState {
  const os = spec.os ?? 'tlinux2.4x86_64'
  const image = imageOf(os, 'x86')
  if (image === undefined) throw new TypeError(`The seed wants the system ${os}; there is no image of it.`)
  const cluster: ClusterState = {
    clusterId: spec.clusterId,
    region: spec.region,
    clusterName: spec.name,
    description: spec.description ?? '',
    version: spec.version,
    os,
    imageId: image.imageId,
    osCustomizeType: image.osCustomizeType,
    type: spec.type ?? 'MANAGED_CLUSTER',
    arch: 'x86',
    status: 'Running',
    createdMs: spec.createdMs,
    readyAtMs: spec.createdMs,
    network: {
      vpcId: spec.vpcId,
      networkType: 'GR',
      clusterCidr: spec.clusterCidr,
      serviceCidr: '',
      ignoreClusterCidrConflict: false,
      maxNodePodNum: spec.maxNodePodNum ?? 64,
      maxClusterServiceNum: 256,
      ipvs: true,
      dualStack: false,
      eniSubnetIds: [],
      claimExpiredSeconds: 300,
    },
    projectId: 0,
    tags: [...(spec.tags ?? [])],
    containerRuntime: spec.containerRuntime ?? 'docker',
    nodeNameType: 'lan-ip',
    access: newAccess(random),
    endpoints: { intranet: null, extranet: null },
    asOption: plainAsOption(),
    autoscaler: { lastScanMs: 0, lastScaleOutMs: 0, idleSinceMs: {} },
    asGroups: {},
    virtualNodePools: {},
    log: { enabled: false, collectors: {} },
    audit: null,
  }
  world.tke.clusters[cluster.clusterId] = cluster
  world.kubernetes[cluster.clusterId] = createKubernetesState({ version: spec.version, clusterId: spec.clusterId, now: spec.createdMs })
  return cluster
}

/** Machines to place, all alike. */
export interface MachineSpec {
  readonly count: number
  readonly instanceType: string
  readonly subnetId: string
  readonly instanceName?: string
  readonly chargeType?: ChargeType
  readonly createdMs: number
}

/** Adds machines to a network; they are in no cluster. */
export function placeMachines(world: World, vpcId: string, spec: MachineSpec, random: () => number): MachineState[] {
  const type = instanceType(spec.instanceType)
  const subnet = findSubnet(world, vpcId, spec.subnetId)
  const region = world.tke.vpcs[vpcId]?.region
  if (type === undefined || subnet === undefined || region === undefined) {
    throw new TypeError(`The seed wants ${spec.instanceType} in ${spec.subnetId} of ${vpcId}; one of them does not exist.`)
  }
  return buyMachines(
    world,
    region,
    {
      zone: subnet.zone,
      vpcId,
      subnetId: spec.subnetId,
      type,
      chargeType: spec.chargeType ?? 'POSTPAID_BY_HOUR',
      count: spec.count,
      instanceName: spec.instanceName ?? '',
      securityGroupIds: [],
      publicIp: false,
    },
    { osName: 'tlinux2.4x86_64', now: spec.createdMs, newId: () => freshId(world, 'ins', random) },
  )
}

/** Nodes to place: machines, and what they are in their cluster. */
export interface NodeSpec extends MachineSpec {
  readonly role?: NodeRole
  readonly asGroupId?: string
  readonly labels?: readonly LabelState[]
}

/** Adds machines that have been running nodes of the cluster since they were made. */
export function placeNodes(world: World, cluster: ClusterState, spec: NodeSpec, random: () => number): MachineState[] {
  const machines = placeMachines(world, cluster.network.vpcId, { instanceName: `tke_${cluster.clusterId}_worker`, ...spec }, random)
  for (const machine of machines) {
    joinCluster(world, cluster, machine, {
      role: spec.role ?? 'WORKER',
      settings: { ...plainSettings, labels: [...(spec.labels ?? [])] },
      asGroupId: spec.asGroupId ?? null,
      hostName: '',
      now: spec.createdMs,
      random: () => 1,
    })
    const node = machine.node
    const kubernetes = world.kubernetes[cluster.clusterId]
    if (node === null || kubernetes === undefined) throw new TypeError(`Cluster ${cluster.clusterId} has no Kubernetes state.`)
    node.state = 'running'
    node.reason = ''
    registerNode(kubernetes, cluster, machine, node, node.readyAtMs)
  }
  return machines
}

/** A scaling group to place; its machines are placed with `placeNodes` under its id. */
export interface AsGroupSpec {
  readonly autoScalingGroupId: string
  readonly name: string
  readonly enabled: boolean
  readonly minSize: number
  readonly maxSize: number
  readonly desiredSize: number
  readonly instanceType: string
  readonly subnetIds: readonly string[]
  readonly labels?: readonly LabelState[]
  readonly createdMs: number
}

/** Adds a settled scaling group. */
export function placeAsGroup(world: World, cluster: ClusterState, spec: AsGroupSpec, random: () => number): AsGroupState {
  const group: AsGroupState = {
    autoScalingGroupId: spec.autoScalingGroupId,
    launchConfigurationId: freshId(world, 'asc', random),
    name: spec.name,
    status: spec.enabled ? 'enabled' : 'disabled',
    settles: null,
    keepInstances: false,
    minSize: spec.minSize,
    maxSize: spec.maxSize,
    desiredSize: spec.desiredSize,
    launch: {
      launchConfigurationName: spec.name,
      instanceType: spec.instanceType,
      vpcId: cluster.network.vpcId,
      subnetIds: [...spec.subnetIds],
      chargeType: 'POSTPAID_BY_HOUR',
      securityGroupIds: [],
      publicIp: false,
      settings: { ...plainSettings, labels: [...(spec.labels ?? [])] },
    },
    unschedulable: false,
    labels: [...(spec.labels ?? [])],
    createdMs: spec.createdMs,
    nextActivityMs: spec.createdMs,
    failuresInARow: 0,
    activities: [],
  }
  cluster.asGroups[group.autoScalingGroupId] = group
  return group
}
