import { DrainClusterNode } from '#cloud/generated/tke/drain-cluster-node.ts'
import { DrainClusterVirtualNode } from '#cloud/generated/tke/drain-cluster-virtual-node.ts'
import { KubeError } from '#cloud/kube.ts'
import { clip } from '#shared/pure/clip.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { DrainChange } from './change.ts'
import type { PoolRecord } from './lease.ts'
import { cordon, liveNode, podsOn } from './live-node.ts'
import { type ReadPod, whyStuck } from './pod-reading.ts'
import { isResult, type PoolDesk, skipped } from './pool-desk.ts'
import type { StoredPool } from './pool-store.ts'
import { recordAfter } from './record-after.ts'

/**
 * Closes a leased node and asks its pods to go, each as far as its disruption budget lets it. The attempt is in the record before anything
 * happens to the node, so that whatever is cut off, somebody knows that it is ours to open again. What budgets hold back stays for the next
 * attempt. Throws KubeError and CloudError.
 */
export async function applyDrain(change: DrainChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const { kube, cloud, cluster, options } = desk
  const live = await liveNode(kube, change)
  if (live === undefined) return skipped('world-changed', `${change.nodeName} is not a node of ${change.instanceId} any more`)
  const isOpened = change.attempt > 1 && !live.node.unschedulable && (live.node.drainedFor === change.leaseId || !change.wasOpen)
  if (isOpened && change.isOrdered !== true)
    return skipped('world-changed', `somebody has opened ${change.nodeName} since it was closed; the next look sees to that`)
  const noted = await desk.change((record) => recordAfter(change, record, key, now))
  if (isResult(noted)) return noted
  if (!live.node.unschedulable) await cordon(kube, live, change.leaseId)
  const before = (await podsOn(kube, change.nodeName)).filter(({ isOfNode }) => !isOfNode)
  const staying = before.filter(({ isLeaving }) => !isLeaving)
  if (staying.length === 0) return done(`${change.nodeName} is closed; ${before.length} of its pods are on their way out`)
  const stuck = staying.filter(({ isStuck }) => isStuck).map(({ namespace, name }) => `${namespace}/${name} (${whyStuck})`)
  if (change.by === 'platform' && stuck.length > 0) {
    // It would take all of them.
    await noteBlocked(change, desk, noted, stuck)
    return done(`the platform was not asked to empty ${change.nodeName}: ${stuck.join('; ')}`)
  }
  if (change.by === 'platform') {
    const pods =
      change.nodePool === undefined
        ? (await cloud.send(DrainClusterNode, { ClusterId: cluster, InstanceId: change.instanceId }, options)).Pods
        : (await cloud.send(DrainClusterVirtualNode, { ClusterId: cluster, NodeName: change.nodeName }, options)).Pods
    return done(`the platform was asked to move ${pods.length} pods from ${change.nodeName}`)
  }
  const going = staying.filter(({ isStuck }) => !isStuck)
  const turn = oneOfEach(going)
  const blocked = [...stuck, ...(await evictAll(desk, turn))]
  await noteBlocked(change, desk, noted, blocked)
  const asked = turn.length - (blocked.length - stuck.length)
  const more = blocked.length === 0 ? '' : `; ${blocked.length} are held back: ${blocked.join('; ')}`
  return done(`${asked} of ${staying.length} pods on ${change.nodeName} were asked to go${more}`)
}

function done(text: string): StepResult {
  return { outcome: 'Applied', reason: { code: 'draining', text: clip(text, 1500) } }
}

/**
 * Pods whose turn it is. What the cluster itself lives by, such as its DNS, often has no budget, and both of its pods may be here: of each
 * such owner one goes at a time.
 */
function oneOfEach(pods: readonly ReadPod[]): readonly ReadPod[] {
  const owners = new Set<string>()
  return pods.filter(({ namespace, owner }) => {
    if (namespace !== 'kube-system') return true
    const isFirst = !owners.has(owner)
    owners.add(owner)
    return isFirst
  })
}

/** Asks each pod to go. Answers those that do not, with the reason; one that is gone already has gone. */
async function evictAll({ kube }: PoolDesk, pods: readonly ReadPod[]): Promise<readonly string[]> {
  const blocked: string[] = []
  for (const { namespace, name, uid } of pods) {
    try {
      await kube.evict(namespace, name, { uid })
    } catch (error) {
      if (!(error instanceof KubeError)) throw error
      // Gone, or another one of that name has come, which is on another node.
      if (error.kind === 'kube.not-found' || error.kind === 'kube.conflict') continue
      blocked.push(`${namespace}/${name} (${whyBlocked(error)})`)
    }
  }
  return blocked
}

function whyBlocked({ kind, reason, message }: KubeError): string {
  if (kind === 'kube.too-many-requests') return 'its PodDisruptionBudget allows none to go now'
  return `${reason}: ${clip(message, 200)}`
}

/** Keeps what held pods back, for people. It is no matter of the drain: where somebody else writes at the same time it is left. */
async function noteBlocked(
  { leaseId, instanceId }: DrainChange,
  desk: PoolDesk,
  noted: StoredPool,
  blocked: readonly string[],
): Promise<void> {
  const { record } = noted
  if (record === undefined) return
  const after = withBlocked(record, leaseId, instanceId, blocked.length === 0 ? undefined : clip(blocked.join('; '), 900))
  if (after === record) return
  try {
    await desk.write(after, noted)
  } catch (error) {
    if (!(error instanceof KubeError) || error.kind !== 'kube.conflict') throw error
  }
}

function withBlocked(record: PoolRecord, leaseId: string, instanceId: string, text: string | undefined): PoolRecord {
  let isChanged = false
  const leases = record.leases.map((lease) => {
    if (lease.id !== leaseId) return lease
    const nodes = lease.nodes.map((node) => {
      if (node.instanceId !== instanceId || node.drain === undefined || node.drain.blockedBy === text) return node
      isChanged = true
      const { blockedBy: _before, ...drain } = node.drain
      return { ...node, drain: { ...drain, ...(text === undefined ? {} : { blockedBy: text }) } }
    })
    return { ...lease, nodes }
  })
  return isChanged ? { ...record, leases } : record
}
