import { PlatformFault } from '../reducer.ts'
import type { World } from '../world.ts'
import { type Cidr, formatCidr, isPrivate, overlap, parseCidr } from './cidr.ts'
import { findRunningCluster, findSubnet, findVpc } from './find-cluster.ts'
import type { VpcState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** With what a block collides, in the API's words. */
export interface CidrConflict {
  readonly type: 'CIDR_CONFLICT_WITH_VPC_CIDR' | 'CIDR_CONFLICT_WITH_OTHER_CLUSTER' | 'CIDR_CONFLICT_WITH_VPC_GLOBAL_ROUTE'
  readonly message: string
}

/** The first collision of a block with what its network already holds: the network itself, a cluster in it, a route. */
export function cidrConflict(world: World, vpc: VpcState, block: Cidr): CidrConflict | null {
  const wanted = formatCidr(block)
  if (collides(vpc.cidr, block)) {
    return { type: 'CIDR_CONFLICT_WITH_VPC_CIDR', message: `${wanted} overlaps ${vpc.cidr} of ${vpc.vpcId}.` }
  }
  for (const cluster of Object.values(world.tke.clusters)) {
    if (cluster.network.vpcId !== vpc.vpcId) continue
    for (const taken of [cluster.network.clusterCidr, cluster.network.serviceCidr]) {
      if (collides(taken, block)) {
        return { type: 'CIDR_CONFLICT_WITH_OTHER_CLUSTER', message: `${wanted} overlaps ${taken} of cluster ${cluster.clusterId}.` }
      }
    }
  }
  const route = vpc.globalRoutes.find((destination) => collides(destination, block))
  if (route === undefined) return null
  return { type: 'CIDR_CONFLICT_WITH_VPC_GLOBAL_ROUTE', message: `${wanted} overlaps the route to ${route} of ${vpc.vpcId}.` }
}

function collides(text: string, block: Cidr): boolean {
  const other = parseCidr(text)
  return other !== undefined && overlap(other, block)
}

/** Codes for a block that no cluster could have. */
export interface CidrCodes {
  readonly invalid: string
  readonly maskSize: string
  readonly notPrivate: string
}

/** Reads a block for pods or services: private, and with a mask from 10 to 24. Throws PlatformFault with one of `codes`. */
export function clusterCidr(text: string, codes: CidrCodes): Cidr {
  const block = parseCidr(text)
  if (block === undefined) throw new PlatformFault(codes.invalid, `${text} is not an IPv4 block such as 172.16.0.0/16.`)
  if (block.prefix < 10 || block.prefix > 24) {
    throw new PlatformFault(codes.maskSize, `${text} has a mask of ${block.prefix}; a cluster takes 10 to 24.`)
  }
  if (!isPrivate(block)) {
    throw new PlatformFault(codes.notPrivate, `${text} is not in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16.`)
  }
  return block
}

/** Whether a block could be the pod network of a new cluster. Nothing is reserved. */
export const checkClusterCidr: TkeReducer<'CheckClusterCIDR'> = (request, context) => {
  const vpc = findVpc(context.world, request.VpcId)
  if (vpc === undefined || (context.region !== '' && vpc.region !== context.region)) {
    throw new PlatformFault('InternalError.VpcRecodrNotFound', `There is no network ${request.VpcId} in region ${context.region}.`)
  }
  if (request.NetworkType !== 'GR' && request.NetworkType !== 'VPC-CNI') {
    throw new PlatformFault('InvalidParameter.Param', `NetworkType is ${request.NetworkType}; it is GR or VPC-CNI.`)
  }
  const block = clusterCidr(request.ClusterCIDR, {
    invalid: 'InvalidParameter.CIDRInvalid',
    maskSize: 'InvalidParameter.CIDRMaskSizeOutOfRange',
    notPrivate: 'InvalidParameter.InvalidPrivateNetworkCIDR',
  })
  const conflict = cidrConflict(context.world, vpc, block)
  return { IsConflict: conflict !== null, ConflictType: conflict?.type ?? '', ConflictMsg: conflict?.message ?? '' }
}

/** Gives a VPC-CNI cluster further subnets for its pods. Subnets it has already are left as they are. */
export const addVpcCniSubnets: TkeReducer<'AddVpcCniSubnets'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'FailedOperation' })
  if (cluster.network.networkType !== 'VPC-CNI') {
    throw new PlatformFault(
      'FailedOperation',
      `Cluster ${cluster.clusterId} has the network mode ${cluster.network.networkType}, not VPC-CNI.`,
    )
  }
  if (request.VpcId !== cluster.network.vpcId) {
    throw new PlatformFault('InvalidParameter', `Cluster ${cluster.clusterId} is in ${cluster.network.vpcId}, not in ${request.VpcId}.`)
  }
  if (request.SubnetIds.length === 0) throw new PlatformFault('InvalidParameter', 'SubnetIds names no subnet.')
  const stranger = request.SubnetIds.find((subnetId) => findSubnet(context.world, request.VpcId, subnetId) === undefined)
  if (stranger !== undefined) throw new PlatformFault('InvalidParameter', `Subnet ${stranger} is not in ${request.VpcId}.`)
  const taken = cluster.network.eniSubnetIds
  taken.push(...new Set(request.SubnetIds.filter((subnetId) => !taken.includes(subnetId))))
  return {}
}
