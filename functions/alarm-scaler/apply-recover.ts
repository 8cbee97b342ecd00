import { CloudError } from '#cloud/errors.ts'
import { DeleteClusterInstances } from '#cloud/generated/tke/delete-cluster-instances.ts'
import { DeleteClusterVirtualNode } from '#cloud/generated/tke/delete-cluster-virtual-node.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { RemoveChange, StopRecoveryChange } from './change.ts'
import { readMachines } from './cluster-reading.ts'
import type { PoolRecord } from './lease.ts'
import { liveNode, nodeOfMachine, podsOn, uncordon } from './live-node.ts'
import { failed, held, isResult, type PoolDesk, skipped, unreadable } from './pool-desk.ts'
import { recordAfter } from './record-after.ts'

/**
 * Gives one leased node back. Right before it is looked again whether it is a node of the lease and none that was there before, whether it
 * is closed and empty, and whether its group would not just buy another one. One that is gone already is written down as gone.
 */
export async function applyRemove(change: RemoveChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const stored = await desk.read()
  if (stored?.problem !== undefined) return unreadable(stored.problem)
  const after = recordAfter(change, stored?.record, key, now)
  if ('misfit' in after) return skipped('world-changed', after.misfit.text)
  const record = stored?.record
  const lease = record?.leases.find(({ id }) => id === change.leaseId)
  if (lease?.before.instanceIds.includes(change.instanceId) === true)
    return held('world-changed', `${change.instanceId} was there before the lease ${lease.id}: it is not ours to give back`)
  if (lease?.nodes.find(({ instanceId }) => instanceId === change.instanceId)?.removedAtMs !== undefined)
    return { outcome: 'NoChange', reason: { code: 'already-applied', text: `${change.instanceId} was given back before` } }
  const obstacle = (await whyNotEmpty(change, desk)) ?? (await whyReplaced(change, desk, record))
  if (obstacle !== undefined) return obstacle
  const refused = change.nodePool === undefined ? await deleteMachine(change, desk) : await deleteVirtual(change, change.nodePool, desk)
  if (refused !== undefined) return refused
  const lost = await desk.keep((there) => recordAfter(change, there, key, now), { stored })
  // The node is gone in any case, and the next look sees that.
  return { outcome: 'Applied', ...(lost === undefined ? {} : { reason: { code: lost.code, text: lost.text } }) }
}

/** Why a node is not to go at this moment, by the node itself. */
async function whyNotEmpty({ instanceId, nodeName, force }: RemoveChange, { kube }: PoolDesk): Promise<StepResult | undefined> {
  const live = nodeName === undefined ? await nodeOfMachine(kube, instanceId) : await liveNode(kube, { instanceId, nodeName })
  if (live === undefined) return undefined
  const { name, isReady, unschedulable } = live.node
  if (force) return isReady ? skipped('world-changed', `${name} has become ready after all`) : undefined
  if (!unschedulable) return skipped('world-changed', `${name} was opened again, and new pods may be on their way to it`)
  const pods = (await podsOn(kube, name)).filter(({ isOfNode }) => !isOfNode)
  const [first] = pods
  if (first === undefined) return undefined
  return skipped('node-not-empty', `${pods.length} pods are still on ${name}, such as ${first.namespace}/${first.name}`)
}

/** Why the group would buy another machine for it: its floor is at what it has. */
async function whyReplaced(
  { group, floor: others, force }: RemoveChange,
  desk: PoolDesk,
  record: PoolRecord | undefined,
): Promise<StepResult | undefined> {
  const floor = others ?? record?.bases.find((base) => base.group === group)?.set.min
  // One that never was ready is of no use to anybody: a new one in its place is what the group is for.
  if (group === undefined || floor === undefined || force) return undefined
  const members = await readMachines(desk, desk.cluster, group)
  if (members.length > floor) return undefined
  return held(
    'group-would-replace',
    `scaling group ${group} has ${members.length} machines and wants ${floor} at least: it would buy another one; its floor has to be lowered first`,
  )
}

async function deleteMachine({ instanceId, mode, force }: RemoveChange, desk: PoolDesk): Promise<StepResult | undefined> {
  const { cloud, cluster, options } = desk
  const request = { ClusterId: cluster, InstanceIds: [instanceId], InstanceDeleteMode: mode, ...(force ? { ForceDelete: true } : {}) }
  const { FailedInstanceIds } = await cloud.send(DeleteClusterInstances, request, options)
  if (!FailedInstanceIds.includes(instanceId)) return undefined
  return failed(
    'remove-refused',
    `the platform does not take ${instanceId} out of ${cluster} by ${mode}: see whether it is still being initialised, or how it is paid for`,
  )
}

async function deleteVirtual({ instanceId, force }: RemoveChange, nodePool: string, desk: PoolDesk): Promise<StepResult | undefined> {
  const { cloud, cluster, options } = desk
  const request = { ClusterId: cluster, NodePoolId: nodePool, NodeNames: [instanceId], ...(force ? { Force: true } : {}) }
  try {
    await cloud.send(DeleteClusterVirtualNode, request, options)
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    if (error.kind === 'cloud.conflict') return skipped('node-not-empty', error.message)
    if (error.kind !== 'cloud.not-found') throw error
  }
  return undefined
}

/** Opens the nodes again that were closed for a lease, and holds it as before: first the nodes, for what is not open is of no use. */
export async function applyStopRecovery(change: StopRecoveryChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const stored = await desk.read()
  if (stored?.problem !== undefined) return unreadable(stored.problem)
  const after = recordAfter(change, stored?.record, key, now)
  if ('misfit' in after) return skipped('world-changed', after.misfit.text)
  for (const node of change.nodes) {
    const live = await liveNode(desk.kube, node)
    if (live !== undefined) await uncordon(desk.kube, live, change.leaseId)
  }
  const kept = await desk.change((record) => recordAfter(change, record, key, now), { stored })
  return isResult(kept) ? kept : { outcome: 'Applied' }
}
