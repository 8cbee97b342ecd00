import { AddExistedInstances } from '#cloud/generated/tke/add-existed-instances.ts'
import { readMachines } from '../cluster-reading.ts'
import { answered, type Mechanism } from './mechanism.ts'
import { settingsOfNode } from './node-settings.ts'

/** Lets machines of the account join. Asked twice, those that are in already stay in. */
export const existingInstances: Mechanism = {
  ask: async (ask) => {
    const { cloud, cluster, lease, options } = ask
    const instanceIds = lease.mechanism.instanceIds ?? []
    let refused: readonly string[] = []
    const answer = await answered(async () => {
      const request = { ClusterId: cluster, InstanceIds: instanceIds, InstanceAdvancedSettings: settingsOfNode(ask) }
      const { SuccInstanceIds, TimeoutInstanceIds, FailedInstanceIds } = await cloud.send(AddExistedInstances, request, options)
      refused = FailedInstanceIds
      // What timed out may join all the same; when it does not in time, it is given back as one that never came.
      return [...SuccInstanceIds, ...TimeoutInstanceIds]
    })
    if (answer.kind === 'refused' || answer.instanceIds.length > 0) return answer
    return {
      kind: 'refused',
      code: 'refused',
      text: `none of the machines could join: ${refused.join(', ')}; see that they run, in the cluster's network`,
    }
  },
  isAbsolute: true,
  look: async ({ cloud, cluster, lease, options }) => {
    const instanceIds = lease.mechanism.instanceIds ?? []
    const machines = await readMachines({ cloud, options }, cluster)
    return machines.some(({ instanceId }) => instanceIds.includes(instanceId)) ? 'asked' : 'none'
  },
}
