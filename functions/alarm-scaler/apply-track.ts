import type { StepResult } from '#shared/pure/step.ts'
import { restoreForKept } from './apply-bounds.ts'
import type { ReleaseChange, TrackChange } from './change.ts'
import { nodesLeft } from './lease.ts'
import { type LiveNode, liveNode, patchNode } from './live-node.ts'
import { leaseLabel, scaleDownDisabledAnnotation } from './node-marks.ts'
import { isResult, type PoolDesk, skipped, unreadable } from './pool-desk.ts'
import { recordAfter } from './record-after.ts'

/**
 * Writes down which nodes of a lease have come, are ready or are gone. First it marks the new ones: with their lease, and so that the cluster
 * autoscaler leaves them alone for as long as they are leased. A node that is gone meanwhile is not marked.
 */
export async function applyTrack(change: TrackChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const stored = await desk.read()
  if (stored?.problem !== undefined) return unreadable(stored.problem)
  const after = recordAfter(change, stored?.record, key, now)
  if ('misfit' in after) return skipped('world-changed', after.misfit.text)
  for (const id of change.mark) {
    const node = change.nodes.find(({ instanceId, nodeName }) => instanceId === id || nodeName === id)
    if (node?.nodeName === undefined) continue
    const live = await liveNode(desk.kube, { instanceId: node.instanceId, nodeName: node.nodeName })
    if (live !== undefined) await mark(desk, live, change.leaseId)
  }
  const kept = await desk.change((record) => recordAfter(change, record, key, now), { stored })
  return isResult(kept) ? kept : { outcome: 'Applied' }
}

async function mark({ kube }: PoolDesk, live: LiveNode, leaseId: string): Promise<void> {
  if (live.node.isKept && live.node.leaseId === leaseId) return
  await patchNode(kube, live, { metadata: { labels: { [leaseLabel]: leaseId }, annotations: { [scaleDownDisabledAnnotation]: 'true' } } })
}

/**
 * Lets the nodes of a lease go their way, or lets them be given back. Those that somebody keeps lose our marks, so that the cluster
 * autoscaler may look after them again and nobody takes them for leased ones; and the floor that was raised for them goes down again.
 */
export async function applyRelease(change: ReleaseChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const stored = await desk.read()
  if (stored?.problem !== undefined) return unreadable(stored.problem)
  const after = recordAfter(change, stored?.record, key, now)
  if ('misfit' in after) return skipped('world-changed', after.misfit.text)
  const lease = stored?.record?.leases.find(({ id }) => id === change.leaseId)
  for (const { instanceId, nodeName } of change.keep && lease !== undefined ? nodesLeft(lease) : []) {
    const live = nodeName === undefined ? undefined : await liveNode(desk.kube, { instanceId, nodeName })
    if (live?.node.leaseId !== change.leaseId) continue
    await patchNode(desk.kube, live, { metadata: { labels: { [leaseLabel]: null }, annotations: { [scaleDownDisabledAnnotation]: null } } })
  }
  const restored =
    change.bounds === true && lease !== undefined && stored !== undefined ? await restoreForKept(lease, stored, desk, now) : stored
  if (restored !== undefined && isResult(restored)) return restored
  const kept = await desk.change((record) => recordAfter(change, record, key, now), { stored: restored })
  return isResult(kept) ? kept : { outcome: 'Applied' }
}
