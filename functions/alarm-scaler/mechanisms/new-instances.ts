import { CreateClusterInstances } from '#cloud/generated/tke/create-cluster-instances.ts'
import { readMachines } from '../cluster-reading.ts'
import { leaseLabel } from '../node-marks.ts'
import { type Ask, answered, type Mechanism, type RefusalCode, type Search } from './mechanism.ts'
import { settingsOfNode } from './node-settings.ts'

/**
 * Buys machines. The order is in the record, with its token: asked twice it is the same request, which a platform that knows tokens answers
 * with the machines of the first one. On one that does not, the machines' label tells whether there was a first one.
 */
export const newInstances: Mechanism = {
  ask: async (ask: Ask) => {
    const { cloud, cluster, lease, options } = ask
    const { order } = lease.mechanism
    if (order === undefined) return { kind: 'refused', code: 'refused', text: `the lease ${lease.id} has no order of machines` }
    const answer = await answered(async () => {
      const request = { ClusterId: cluster, RunInstancePara: order, InstanceAdvancedSettings: settingsOfNode(ask) }
      return (await cloud.send(CreateClusterInstances, request, options)).InstanceIdSet
    })
    if (answer.kind === 'accepted' || answer.code === ('busy' satisfies RefusalCode)) return answer
    // Machines are bought before they become nodes: what failed in between is ours all the same.
    const bought = await leased({ cloud, cluster, lease, options })
    return bought.length === 0 ? answer : { kind: 'accepted', instanceIds: bought }
  },
  // Whether a platform knows tokens does not show.
  isAbsolute: false,
  look: async (search) => ((await leased(search)).length > 0 ? 'asked' : 'none'),
}

/** Machines of the cluster that carry the lease's label. */
async function leased({
  cloud,
  cluster,
  lease,
  options,
}: Pick<Search, 'cloud' | 'cluster' | 'lease' | 'options'>): Promise<readonly string[]> {
  const machines = await readMachines({ cloud, options }, cluster)
  return machines.filter(({ labels }) => labels[leaseLabel] === lease.id).map(({ instanceId }) => instanceId)
}
