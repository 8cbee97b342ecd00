import { createHash } from 'node:crypto'
import type { ControllerHooks } from '../controllers.ts'
import { sameJson } from '../json.ts'
import type { KindFacts } from '../kinds.ts'
import { knownKind } from '../kinds.ts'
import { deleteObject } from '../registry.ts'
import type { Condition, KubeObject, OwnerReference, Pod } from '../shapes.ts'
import { isPod } from '../shapes.ts'
import type { KubernetesState } from '../state.ts'
import { allObjects, readObject, storeObject } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'

/** What a controller works on: the state at one instant. */
export interface Cluster {
  readonly state: KubernetesState
  readonly now: number
  readonly hooks: ControllerHooks
}

/**
 * A controller: looks at everything of its kinds and brings it one step closer to what was asked for. It runs again when
 * something it watches changed, by itself or by others, and at the instant it answers. Running it on what is settled
 * changes nothing.
 */
export interface Controller {
  readonly name: string
  /** Group and plural: `apps/deployments`, `/pods`. */
  readonly watches: readonly string[]
  /** Whether it waits until all others are done: it looks at everything and need not see every step on the way. */
  readonly isLast?: true
  /** Answers when it must run again although nothing changed, or undefined. */
  readonly run: (cluster: Cluster) => number | undefined
}

export const kinds = {
  pod: knownKind('', 'Pod'),
  node: knownKind('', 'Node'),
  event: knownKind('', 'Event'),
  namespace: knownKind('', 'Namespace'),
  claim: knownKind('', 'PersistentVolumeClaim'),
  service: knownKind('', 'Service'),
  deployment: knownKind('apps', 'Deployment'),
  replicaSet: knownKind('apps', 'ReplicaSet'),
  statefulSet: knownKind('apps', 'StatefulSet'),
  daemonSet: knownKind('apps', 'DaemonSet'),
  revision: knownKind('apps', 'ControllerRevision'),
  job: knownKind('batch', 'Job'),
  cronJob: knownKind('batch', 'CronJob'),
  autoscaler: knownKind('autoscaling', 'HorizontalPodAutoscaler'),
  budget: knownKind('policy', 'PodDisruptionBudget'),
} as const

/** The earlier of two instants; either may be absent. */
export function earlier(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? right : right === undefined ? left : Math.min(left, right)
}

const podLists = new WeakMap<readonly KubeObject[], readonly Pod[]>()

export function podsOf(cluster: Cluster): readonly Pod[] {
  const objects = allObjects(cluster.state, '', 'pods')
  const known = podLists.get(objects)
  if (known !== undefined) return known
  const pods = objects.filter(isPod)
  podLists.set(objects, pods)
  return pods
}

/** Stores a changed object; nothing happens when it is what is there already. */
export function save<T extends KubeObject>(cluster: Cluster, facts: KindFacts, object: T): void {
  const before = readObject(cluster.state, facts, object.metadata.namespace, object.metadata.name)
  if (before === undefined || sameJson(before, object)) return
  storeObject(cluster.state, facts, object)
}

/** Deletes as a client without options would, in the background. */
export function remove(cluster: Cluster, facts: KindFacts, object: KubeObject): void {
  deleteObject(cluster.state, facts, object, 'v1', { propagation: 'Background' }, { now: cluster.now, random: cluster.hooks.random })
}

/** The reference by which a dependent names the object that controls it. */
export function controllerReference(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  }
}

/** The uid of the object that controls another one. */
export function controllerUid(object: KubeObject): string | undefined {
  return (object.metadata.ownerReferences ?? []).find(({ controller }) => controller === true)?.uid
}

/** Objects by the uid of what controls them. */
export function byController<T extends KubeObject>(objects: readonly T[]): ReadonlyMap<string, T[]> {
  const result = new Map<string, T[]>()
  for (const object of objects) {
    const uid = controllerUid(object)
    if (uid === undefined) continue
    const list = result.get(uid)
    if (list === undefined) result.set(uid, [object])
    else list.push(object)
  }
  return result
}

/** Sorts by age, oldest first; by name where that is the same. */
export function byAge(left: KubeObject, right: KubeObject): number {
  const [a, b] = [left.metadata, right.metadata]
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** A pod that counts: it has not ended and is not about to. */
export function isActive(pod: Pod): boolean {
  return pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined
}

/** The condition of a type. */
export function conditionOf(conditions: readonly Condition[] | null | undefined, type: string): Condition | undefined {
  return (conditions ?? []).find((condition) => condition.type === type)
}

/** Since when a pod has been ready; undefined when it is not. */
export function readySinceMs(pod: Pod): number | undefined {
  const condition = conditionOf(pod.status.conditions, 'Ready')
  return condition?.status === 'True' ? (epochMsOf(condition.lastTransitionTime) ?? 0) : undefined
}

/**
 * Conditions with one replaced. When nothing but time would change the old ones are answered; the transition time moves
 * only with the status.
 */
export function withCondition(conditions: readonly Condition[] | null | undefined, next: Condition, now: number): Condition[] {
  const list = [...(conditions ?? [])]
  const index = list.findIndex(({ type }) => type === next.type)
  const before = list[index]
  if (before !== undefined && before.status === next.status && before.reason === next.reason && before.message === next.message) return list
  const lastTransitionTime =
    before !== undefined && before.status === next.status ? (before.lastTransitionTime ?? timeText(now)) : timeText(now)
  const changed = { ...next, lastTransitionTime }
  if (index < 0) list.push(changed)
  else list[index] = changed
  return list
}

/** A short hash of JSON in the letters of generated names, as the labels of templates carry it. */
export function templateHash(value: unknown): string {
  const number = createHash('sha256').update(JSON.stringify(value)).digest().readUInt32BE(0)
  const letters = 'bcdfghjklmnpqrstvwxz2456789'
  return [...String(number)].map((digit) => letters.charAt(digit.charCodeAt(0) % letters.length)).join('')
}

/** A whole number out of a number or a percentage of something. */
export function share(value: number | string | undefined, total: number, round: 'up' | 'down'): number {
  if (value === undefined) return 0
  if (typeof value === 'number') return value
  const percent = Number.parseInt(value, 10)
  if (Number.isNaN(percent)) return 0
  return round === 'up' ? Math.ceil((percent * total) / 100) : Math.floor((percent * total) / 100)
}
