import { byText } from '../json.ts'
import { matcherOf } from '../selectors.ts'
import type { Pod, ReplicaSet } from '../shapes.ts'
import { isReplicaSet } from '../shapes.ts'
import { allObjects } from '../store.ts'
import type { Cluster, Controller } from './cluster.ts'
import {
  byController,
  controllerReference,
  controllerUid,
  earlier,
  isActive,
  kinds,
  podsOf,
  readySinceMs,
  remove,
  save,
} from './cluster.ts'
import { createPod } from './pod-template.ts'

/** Keeps as many pods as each replica set asks for: adopts, makes and deletes them, and counts those that are ready. */
export const replicaSetController: Controller = {
  name: 'replica-set',
  watches: ['apps/replicasets', '/pods'],
  run: (cluster) => {
    const sets = allObjects(cluster.state, 'apps', 'replicasets').filter(isReplicaSet)
    if (sets.length === 0) return undefined
    const pods = podsOf(cluster)
    claimPods(cluster, sets, pods)
    const owned = byController(podsOf(cluster))
    let wakeAt: number | undefined
    for (const set of sets.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      wakeAt = earlier(wakeAt, reconcile(cluster, set, (owned.get(set.metadata.uid) ?? []).filter(isActive)))
    }
    return wakeAt
  },
}

function keyOf(set: ReplicaSet): string {
  return `${set.metadata.namespace}/${set.metadata.name}`
}

/** Pods of which it is known that their owner's selector finds them, or that they are no replica set's. Neither can change. */
const fitting = new WeakSet<Pod>()

/** Adopts pods without an owner that a set's selector finds, and lets go of owned ones that it does not find any more. */
function claimPods(cluster: Cluster, sets: readonly ReplicaSet[], pods: readonly Pod[]): void {
  const byUid = new Map(sets.map((set) => [set.metadata.uid, set]))
  const orphansBySpace = new Map<string, Pod[]>()
  for (const pod of pods) {
    if (!isActive(pod)) continue
    const uid = controllerUid(pod)
    if (uid === undefined) {
      const namespace = pod.metadata.namespace ?? ''
      orphansBySpace.set(namespace, [...(orphansBySpace.get(namespace) ?? []), pod])
      continue
    }
    if (fitting.has(pod)) continue
    const set = byUid.get(uid)
    if (set === undefined || matcherOf(set.spec.selector)(pod.metadata.labels)) {
      fitting.add(pod)
      continue
    }
    const ownerReferences = (pod.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
    const { ownerReferences: _, ...metadata } = pod.metadata
    save(cluster, kinds.pod, { ...pod, metadata: ownerReferences.length === 0 ? metadata : { ...metadata, ownerReferences } })
  }
  for (const set of sets) {
    if (set.metadata.deletionTimestamp !== undefined) continue
    const orphans = orphansBySpace.get(set.metadata.namespace ?? '') ?? []
    for (const pod of orphans) {
      if (!matcherOf(set.spec.selector)(pod.metadata.labels)) continue
      save(cluster, kinds.pod, {
        ...pod,
        metadata: { ...pod.metadata, ownerReferences: [...(pod.metadata.ownerReferences ?? []), controllerReference(set)] },
      })
    }
  }
}

function reconcile(cluster: Cluster, set: ReplicaSet, pods: Pod[]): number | undefined {
  const { now } = cluster
  const missing = set.spec.replicas - pods.length
  if (set.metadata.deletionTimestamp === undefined) {
    for (let count = 0; count < missing; count += 1) {
      createPod(cluster, {
        namespace: set.metadata.namespace ?? '',
        generateName: `${set.metadata.name}-`,
        template: set.spec.template,
        owner: controllerReference(set),
      })
    }
    if (missing < 0) for (const pod of [...pods].sort(byWorth).slice(0, -missing)) remove(cluster, kinds.pod, pod)
  }
  const minReadyMs = (set.spec.minReadySeconds ?? 0) * 1000
  let ready = 0
  let available = 0
  let labelled = 0
  let wakeAt: number | undefined
  const templateLabels = Object.entries(set.spec.template.metadata.labels ?? {})
  for (const pod of pods) {
    if (templateLabels.every(([key, value]) => pod.metadata.labels?.[key] === value)) labelled += 1
    const since = readySinceMs(pod)
    if (since === undefined) continue
    ready += 1
    if (now - since >= minReadyMs) available += 1
    else wakeAt = earlier(wakeAt, since + minReadyMs)
  }
  save(cluster, kinds.replicaSet, {
    ...set,
    status: {
      replicas: pods.length,
      ...(labelled === 0 ? {} : { fullyLabeledReplicas: labelled }),
      ...(ready === 0 ? {} : { readyReplicas: ready }),
      ...(available === 0 ? {} : { availableReplicas: available }),
      observedGeneration: set.metadata.generation ?? 0,
      ...(set.status.conditions === undefined ? {} : { conditions: set.status.conditions }),
    },
  })
  return wakeAt
}

/** Which pods go first: those without a node, those not running, those not ready, the youngest. */
function byWorth(left: Pod, right: Pod): number {
  const worth = (pod: Pod): number =>
    (pod.spec.nodeName === undefined ? 0 : 4) + (pod.status.phase === 'Running' ? 2 : 0) + (readySinceMs(pod) === undefined ? 0 : 1)
  const difference = worth(left) - worth(right)
  if (difference !== 0) return difference
  const age = byText(right.metadata.creationTimestamp, left.metadata.creationTimestamp)
  return age === 0 ? byText(left.metadata.name, right.metadata.name) : age
}
