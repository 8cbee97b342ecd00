import { CreateClusterVirtualNode } from '#cloud/generated/tke/create-cluster-virtual-node.ts'
import { readVirtualNodes } from '../cluster-reading.ts'
import { answered, type Mechanism, nodesOfOthers } from './mechanism.ts'

/** Adds one virtual node for each subnet. The call takes no token: names that were not there before tell whether it arrived. */
export const virtualNodes: Mechanism = {
  ask: async ({ cloud, cluster, lease, options }) => {
    const { nodePool, subnets } = lease.mechanism
    const [first] = subnets ?? []
    if (nodePool === undefined || subnets === undefined || first === undefined) {
      return { kind: 'refused', code: 'refused', text: `the lease ${lease.id} names no pool of virtual nodes or no subnet` }
    }
    return await answered(async () => {
      const request = { ClusterId: cluster, NodePoolId: nodePool, SubnetIds: subnets, SubnetId: first }
      return (await cloud.send(CreateClusterVirtualNode, request, options)).InstanceIds
    })
  },
  isAbsolute: false,
  look: async (search) => {
    const { cloud, cluster, lease, options } = search
    const { nodePool } = lease.mechanism
    if (nodePool === undefined) return 'none'
    const others = nodesOfOthers(search)
    const nodes = await readVirtualNodes({ cloud, options }, cluster, nodePool)
    return nodes.some(({ name }) => !lease.before.instanceIds.includes(name) && !others.has(name)) ? 'asked' : 'none'
  },
}
