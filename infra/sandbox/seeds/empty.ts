import { createRandom } from '../random.ts'
import type { World } from '../world.ts'
import { newWorld } from './new-world.ts'
import { placeCluster, placeNetwork } from './place.ts'

/** The one cluster of the empty world, its network and its subnet. */
export const emptyCluster = {
  clusterId: 'cls-e0000001',
  vpcId: 'vpc-e0000001',
  subnetId: 'subnet-e0000001',
  region: 'ap-guangzhou',
} as const

/** A world with one running cluster without nodes, and nothing else: no image, no workload. */
export function createEmptyWorld(now: number, seed: number): World {
  const world = newWorld()
  placeNetwork(world, {
    vpcId: emptyCluster.vpcId,
    region: emptyCluster.region,
    cidr: '10.0.0.0/16',
    subnets: { [emptyCluster.subnetId]: ['ap-guangzhou-3', '10.0.0.0/22'] },
  })
  placeCluster(
    world,
    {
      clusterId: emptyCluster.clusterId,
      region: emptyCluster.region,
      name: 'empty',
      version: '1.20.6',
      vpcId: emptyCluster.vpcId,
      clusterCidr: '172.16.0.0/16',
      createdMs: now,
    },
    createRandom(seed),
  )
  return world
}
