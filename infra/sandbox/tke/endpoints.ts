import { PlatformFault } from '../reducer.ts'
import { findCluster, findRunningCluster, findSubnet } from './find-cluster.ts'
import { addressesLeft, takeAddress } from './machines.ts'
import type { ClusterState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The name under which a cluster's API server is known inside the platform. */
export function clusterDomain(cluster: ClusterState): string {
  return `${cluster.clusterId}.ccs.tencent-cloud.com`
}

/**
 * Opens an entrance to the API server; it is Creating for a while. One per cluster and side: a second is refused. A
 * managed cluster can only be opened towards its own network.
 */
export const createClusterEndpoint: TkeReducer<'CreateClusterEndpoint'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'FailedOperation' })
  const side = request.IsExtranet === true ? 'extranet' : 'intranet'
  if (side === 'extranet' && cluster.type === 'MANAGED_CLUSTER') {
    throw new PlatformFault(
      'UnsupportedOperation',
      `${cluster.clusterId} is a managed cluster; it can only be opened towards its own network.`,
    )
  }
  if (cluster.endpoints[side] !== null) {
    throw new PlatformFault(
      'ResourceInUse',
      `${cluster.clusterId} already has an ${side} endpoint; it is ${cluster.endpoints[side].status}.`,
    )
  }
  const subnetId = request.SubnetId ?? ''
  const subnet = findSubnet(context.world, cluster.network.vpcId, subnetId)
  if (side === 'intranet' && subnet === undefined) {
    throw new PlatformFault(
      'InvalidParameter',
      `SubnetId ${subnetId || '(missing)'} is not in ${cluster.network.vpcId}; an intranet endpoint needs one.`,
    )
  }
  if (side === 'intranet' && subnet !== undefined && addressesLeft(subnet) < 1) {
    throw new PlatformFault('LimitExceeded', `Subnet ${subnetId} has no address left.`)
  }
  if (request.ExtensiveParameters !== undefined && side === 'intranet') {
    throw new PlatformFault('InvalidParameter', 'ExtensiveParameters describe a public line; they go with IsExtranet.')
  }
  cluster.endpoints[side] = {
    status: 'Creating',
    readyAtMs: context.now + context.world.tke.behaviour.endpointCreateMs,
    address: side === 'intranet' && subnet !== undefined ? takeAddress(subnet) : `198.51.100.${1 + Math.floor(context.random() * 254)}`,
    port: 443,
    subnetId,
    domain: request.Domain ?? '',
    securityGroup: request.SecurityGroup ?? '',
  }
  return {}
}

export const describeClusterEndpointStatus: TkeReducer<'DescribeClusterEndpointStatus'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'ResourceNotFound')
  const endpoint = cluster.endpoints[request.IsExtranet === true ? 'extranet' : 'intranet']
  return { Status: endpoint?.status ?? 'NotFound' }
}

/** Where the API server is reached; empty texts for an entrance that does not exist or is not open yet. */
export const describeClusterEndpoint: TkeReducer<'DescribeClusterEndpoint'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  return {
    CertificationAuthority: cluster.access.certificationAuthority,
    ClusterExternalEndpoint: openAddress(cluster, 'extranet'),
    ClusterIntranetEndpoint: openAddress(cluster, 'intranet'),
    ClusterDomain: clusterDomain(cluster),
    ClusterExternalDomain: cluster.endpoints.extranet?.domain ?? '',
    ClusterIntranetDomain: cluster.endpoints.intranet?.domain ?? '',
    SecurityGroup: cluster.endpoints.extranet?.securityGroup ?? '',
  }
}

/** `https://address:port` of an open entrance; empty otherwise. */
export function openAddress(cluster: ClusterState, side: 'intranet' | 'extranet'): string {
  const endpoint = cluster.endpoints[side]
  return endpoint?.status === 'Created' ? `https://${endpoint.address}:${endpoint.port}` : ''
}
