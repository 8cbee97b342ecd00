import type { KubernetesState } from '../kubernetes/state.ts'
import { PlatformFault, type ReducerContext } from '../reducer.ts'
import type { World } from '../world.ts'
import { lookUp } from './look-up.ts'
import type { ClusterState, SubnetState, VpcState } from './state.ts'

type Place = Pick<ReducerContext, 'world' | 'region'>

/** Which codes an action refuses with: the manual gives each action its own list. */
export interface ClusterCodes {
  readonly unknown: string
  readonly notRunning: string
}

/** The cluster of the request's region, in whatever state. Throws PlatformFault with `unknownCode` when there is none. */
export function findCluster(place: Place, clusterId: string, unknownCode: string): ClusterState {
  const cluster = lookUp(place.world.tke.clusters, clusterId)
  if (cluster === undefined || (place.region !== '' && cluster.region !== place.region)) {
    throw new PlatformFault(unknownCode, `Cluster ${clusterId} does not exist in region ${place.region || '(any)'}; see DescribeClusters.`)
  }
  return cluster
}

/** The cluster, when it is Running. Throws PlatformFault with one of `codes`. */
export function findRunningCluster(place: Place, clusterId: string, codes: ClusterCodes): ClusterState {
  const cluster = findCluster(place, clusterId, codes.unknown)
  if (cluster.status !== 'Running') {
    throw new PlatformFault(codes.notRunning, `Cluster ${clusterId} is ${cluster.status}; this needs a Running one.`)
  }
  return cluster
}

/** The Kubernetes state of a cluster; undefined while the cluster is being created. */
export function kubernetesOf(world: World, clusterId: string): KubernetesState | undefined {
  return lookUp(world.kubernetes, clusterId)
}

/** The clusters of a region, oldest first; of all regions when `region` is empty. */
export function clustersIn(world: World, region: string): ClusterState[] {
  return Object.values(world.tke.clusters)
    .filter((cluster) => region === '' || cluster.region === region)
    .sort((one, other) => one.createdMs - other.createdMs || one.clusterId.localeCompare(other.clusterId))
}

/** A private network of the account; undefined when there is none of that id. */
export function findVpc(world: World, vpcId: string): VpcState | undefined {
  return lookUp(world.tke.vpcs, vpcId)
}

/** A subnet of a network; undefined when the network has none of that id. */
export function findSubnet(world: World, vpcId: string, subnetId: string): SubnetState | undefined {
  const vpc = findVpc(world, vpcId)
  return vpc === undefined ? undefined : lookUp(vpc.subnets, subnetId)
}
