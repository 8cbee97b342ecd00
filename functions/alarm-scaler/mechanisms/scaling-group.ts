import { ModifyClusterAsGroupAttribute } from '#cloud/generated/tke/modify-cluster-as-group-attribute.ts'
import { ClusterReading, readMachines } from '../cluster-reading.ts'
import { type Bounds, isOpen } from '../lease.ts'
import { type Ask, answered, type Mechanism, nodesOfOthers, type Search } from './mechanism.ts'

/**
 * Raises the bounds of a scaling group, which then buys the machines. The bounds are an end state: asked twice, they are the same. They
 * stand for so many more than there were: where machines have left the group since, the same bounds would buy more, and are not set; nor
 * where some have come that nobody here has asked for, which could not be told from those of the lease. Who they were asked by does not
 * show, so the machines and the bounds that the cluster autoscaler reports tell whether the call arrived.
 */
export const scalingGroup: Mechanism = {
  ask: async ({ cloud, cluster, lease, options, record, isFirst = false }) => {
    const { bounds, mechanism } = lease
    const { group } = mechanism
    if (group === undefined || bounds === undefined) {
      return { kind: 'refused', code: 'refused', text: `the lease ${lease.id} names no scaling group or no bounds` }
    }
    const members = new Set((await readMachines({ cloud, options }, cluster, group)).map(({ instanceId }) => instanceId))
    const gone = lease.before.instanceIds.filter((instanceId) => !members.has(instanceId))
    if (gone.length > 0) {
      const text = `${gone.join(', ')} left scaling group ${group} since the plan: at least ${bounds.min} machines would now be ${gone.length} more than was decided; the next look decides anew`
      return { kind: 'refused', code: 'moved', text }
    }
    const strange = isFirst && record !== undefined ? strangers([...members], { record, lease }, group) : []
    if (strange.length > 0) {
      const text = `${strange.join(', ')} joined scaling group ${group} since the plan, for somebody else: they would be taken for those of the lease; the next look decides anew`
      return { kind: 'refused', code: 'moved', text }
    }
    return await answered(async () => {
      await setBounds({ cloud, cluster, options }, group, bounds)
      return []
    })
  },
  isAbsolute: true,
  look: async (search) => {
    const { cloud, cluster, lease, options, sinceMs } = search
    const { group } = lease.mechanism
    if (group === undefined) return 'none'
    const others = nodesOfOthers(search)
    const members = await readMachines({ cloud, options }, cluster, group)
    if (members.some(({ instanceId }) => !lease.before.instanceIds.includes(instanceId) && !others.has(instanceId))) return 'asked'
    const reading = new ClusterReading(cluster)
    const at = { cloud, options, now: sinceMs }
    const status = await reading.autoscalerStatus(at)
    const said = (status?.lastSeenMs ?? 0) > sinceMs ? status?.groups.find(({ name }) => name === group) : undefined
    if (said !== undefined && said.min === lease.bounds?.min && said.max === lease.bounds.max) return 'asked'
    const now = (await reading.groups(at)).find(({ id }) => id === group)?.status
    // Right after the call a group is busy with it, or with what others want: it would refuse to be asked again until that is done.
    return now === undefined || now === 'enabled' || now === 'disabled' ? 'none' : 'unclear'
  },
}

/** Machines of a group that nobody can have bought for a lease of the pool: more have come than other leases still wait for. */
function strangers(members: readonly string[], { record, lease }: Pick<Search, 'record' | 'lease'>, group: string): readonly string[] {
  const others = nodesOfOthers({ record, lease })
  const come = members.filter((instanceId) => !lease.before.instanceIds.includes(instanceId) && !others.has(instanceId))
  const awaited = record.leases
    .filter((one) => one.id !== lease.id && isOpen(one) && one.mechanism.group === group && one.heldSinceMs === undefined)
    .reduce((sum, { wanted, nodes }) => sum + Math.max(0, wanted - nodes.length), 0)
  return come.length > awaited ? come : []
}

/** Sets the bounds of a group. Throws CloudError. */
export async function setBounds(
  { cloud, cluster, options }: Pick<Ask, 'cloud' | 'cluster' | 'options'>,
  group: string,
  { min, max }: Pick<Bounds, 'min' | 'max'>,
): Promise<void> {
  const attribute = { AutoScalingGroupId: group, AutoScalingGroupRange: { MinSize: min, MaxSize: max } }
  await cloud.send(ModifyClusterAsGroupAttribute, { ClusterId: cluster, ClusterAsGroupAttribute: attribute }, options)
}
