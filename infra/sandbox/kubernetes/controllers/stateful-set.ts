import type { JsonObject } from '../json.ts'
import { byText, objectAt, sameJson, stringAt } from '../json.ts'
import type { ControllerRevision, KubeObject, Pod, PodTemplate, StatefulSet } from '../shapes.ts'
import { isControllerRevision, isPod, isStatefulSet } from '../shapes.ts'
import { allObjects, nextUid, readObject, storeObject } from '../store.ts'
import { timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byController, controllerReference, isActive, kinds, podsOf, readySinceMs, remove, save } from './cluster.ts'
import { createPod } from './pod-template.ts'
import { currentRevision, forgetRevisions, templateOfRevision } from './revisions.ts'

const podNameLabel = 'statefulset.kubernetes.io/pod-name'
const revisionLabel = 'controller-revision-hash'

/** Keeps stateful sets: pods with fixed names and claims, one after the other, updated from the last to the partition. */
export const statefulSetController: Controller = {
  name: 'stateful-set',
  watches: ['apps/statefulsets', '/pods', 'apps/controllerrevisions'],
  run: (cluster) => {
    const sets = allObjects(cluster.state, 'apps', 'statefulsets').filter(isStatefulSet)
    if (sets.length === 0) return undefined
    const owned = byController(podsOf(cluster))
    const revisions = byController(allObjects(cluster.state, 'apps', 'controllerrevisions').filter(isControllerRevision))
    for (const set of sets.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      if (set.metadata.deletionTimestamp !== undefined) continue
      reconcile(cluster, set, owned.get(set.metadata.uid) ?? [], revisions.get(set.metadata.uid) ?? [])
    }
    return undefined
  },
}

function keyOf(set: KubeObject): string {
  return `${set.metadata.namespace}/${set.metadata.name}`
}

/** The number at the end of a pod's name; undefined for a pod that is none of the set's. */
function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`
  const { name } = pod.metadata
  const rest = name.slice(prefix.length)
  return name.startsWith(prefix) && /^\d+$/.test(rest) ? Number.parseInt(rest, 10) : undefined
}

function isRunningReady(pod: Pod | undefined): boolean {
  return (
    pod !== undefined && pod.status.phase === 'Running' && pod.metadata.deletionTimestamp === undefined && readySinceMs(pod) !== undefined
  )
}

function reconcile(cluster: Cluster, set: StatefulSet, pods: readonly Pod[], revisions: readonly ControllerRevision[]): void {
  const update = currentRevision(cluster, set, set.spec.template, revisions)
  const present = readObject(cluster.state, kinds.revision, set.metadata.namespace, set.status.currentRevision ?? '')
  const current = present?.metadata.name ?? update.metadata.name
  const isInitial = (set.status.currentRevision ?? '') === ''
  const byOrdinal = new Map<number, Pod>()
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod)
    if (ordinal !== undefined) byOrdinal.set(ordinal, pod)
  }
  const changed = steer(cluster, set, byOrdinal, current, update.metadata.name, isControllerRevision(present) ? present : undefined)
  saveStatus(cluster, set, current, update.metadata.name, isInitial)
  if (!changed) {
    const inUse = new Set([current, update.metadata.name, ...pods.map((pod) => pod.metadata.labels?.[revisionLabel] ?? '')])
    forgetRevisions(cluster, revisions, inUse, set.spec.revisionHistoryLimit)
  }
}

/** Makes, deletes and updates pods as far as order allows; answers whether it did anything. */
function steer(
  cluster: Cluster,
  set: StatefulSet,
  pods: ReadonlyMap<number, Pod>,
  current: string,
  update: string,
  currentObject: ControllerRevision | undefined,
): boolean {
  const { replicas, podManagementPolicy, updateStrategy } = set.spec
  const isOrdered = podManagementPolicy !== 'Parallel'
  const partition = updateStrategy.type === 'RollingUpdate' ? (updateStrategy.rollingUpdate?.partition ?? 0) : 0
  let isChanged = false
  for (let ordinal = 0; ordinal < replicas; ordinal += 1) {
    const pod = pods.get(ordinal)
    if (pod !== undefined && (pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded')) {
      remove(cluster, kinds.pod, pod)
      return true
    }
    if (pod === undefined) {
      const isUpdated = updateStrategy.type === 'OnDelete' || currentObject === undefined || current === update || ordinal >= partition
      makePod(
        cluster,
        set,
        ordinal,
        isUpdated ? set.spec.template : templateOfRevision(currentObject, set.spec.template),
        isUpdated ? update : current,
      )
      isChanged = true
      if (isOrdered) return true
      continue
    }
    if (isOrdered && !isRunningReady(pod)) return isChanged
  }
  const condemned = [...pods].filter(([ordinal]) => ordinal >= replicas).sort(([left], [right]) => right - left)
  for (const [, pod] of condemned) {
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (isOrdered) return isChanged
      continue
    }
    remove(cluster, kinds.pod, pod)
    isChanged = true
    if (isOrdered) return true
  }
  if (updateStrategy.type === 'OnDelete') return isChanged
  for (let ordinal = replicas - 1; ordinal >= partition; ordinal -= 1) {
    const pod = pods.get(ordinal)
    if (pod === undefined) return isChanged
    if (pod.metadata.labels?.[revisionLabel] !== update) {
      if (pod.metadata.deletionTimestamp === undefined) remove(cluster, kinds.pod, pod)
      return true
    }
    if (!isRunningReady(pod)) return isChanged
  }
  return isChanged
}

function makePod(cluster: Cluster, set: StatefulSet, ordinal: number, template: PodTemplate, revision: string): void {
  const namespace = set.metadata.namespace ?? ''
  const name = `${set.metadata.name}-${ordinal}`
  const claims = set.spec.volumeClaimTemplates ?? []
  for (const claim of claims) makeClaim(cluster, namespace, name, set, claim)
  createPod(cluster, {
    namespace,
    name,
    generateName: `${set.metadata.name}-`,
    template,
    owner: controllerReference(set),
    labels: { [revisionLabel]: revision, [podNameLabel]: name },
    spec: (spec) => {
      const names = claims.map((claim) => stringAt(claim, 'metadata', 'name') ?? '')
      const others = (Array.isArray(spec.volumes) ? spec.volumes : []).filter((volume) => !names.includes(stringAt(volume, 'name') ?? ''))
      const volumes = [...names.map((each) => ({ name: each, persistentVolumeClaim: { claimName: `${each}-${name}` } })), ...others]
      return {
        ...spec,
        hostname: name,
        ...(set.spec.serviceName === '' ? {} : { subdomain: set.spec.serviceName }),
        ...(volumes.length === 0 ? {} : { volumes }),
      }
    },
  })
}

function makeClaim(cluster: Cluster, namespace: string, podName: string, set: StatefulSet, claim: JsonObject): void {
  const name = `${stringAt(claim, 'metadata', 'name') ?? ''}-${podName}`
  if (readObject(cluster.state, kinds.claim, namespace, name) !== undefined) return
  storeObject(cluster.state, kinds.claim, {
    kind: 'PersistentVolumeClaim',
    apiVersion: 'v1',
    metadata: {
      name,
      namespace,
      uid: nextUid(cluster.state),
      resourceVersion: '',
      creationTimestamp: timeText(cluster.now),
      labels: { ...set.spec.selector.matchLabels },
      finalizers: ['kubernetes.io/pvc-protection'],
    },
    spec: structuredClone(objectAt(claim, 'spec') ?? {}),
    status: { phase: 'Pending' },
  })
}

function saveStatus(cluster: Cluster, set: StatefulSet, current: string, update: string, isInitial: boolean): void {
  const pods = (byController(podsOf(cluster)).get(set.metadata.uid) ?? []).filter(isPod)
  const counts = { replicas: 0, readyReplicas: 0, currentReplicas: 0, updatedReplicas: 0 }
  for (const pod of pods) {
    if ((ordinalOf(set, pod) ?? -1) < 0) continue
    counts.replicas += 1
    if (isRunningReady(pod)) counts.readyReplicas += 1
    if (!isActive(pod)) continue
    const revision = pod.metadata.labels?.[revisionLabel]
    if (revision === current) counts.currentReplicas += 1
    if (revision === update) counts.updatedReplicas += 1
  }
  let currentRevisionName = current
  const isRolling = set.spec.updateStrategy.type === 'RollingUpdate'
  if (isRolling && !isInitial && counts.updatedReplicas === counts.replicas && counts.readyReplicas === counts.replicas) {
    counts.currentReplicas = counts.updatedReplicas
    currentRevisionName = update
  }
  const status: StatefulSet['status'] = {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: counts.replicas,
    ...(counts.readyReplicas === 0 ? {} : { readyReplicas: counts.readyReplicas }),
    ...(counts.currentReplicas === 0 ? {} : { currentReplicas: counts.currentReplicas }),
    ...(counts.updatedReplicas === 0 ? {} : { updatedReplicas: counts.updatedReplicas }),
    currentRevision: currentRevisionName,
    updateRevision: update,
    collisionCount: set.status.collisionCount ?? 0,
  }
  if (!sameJson(status, set.status)) save(cluster, kinds.statefulSet, { ...set, status })
}
