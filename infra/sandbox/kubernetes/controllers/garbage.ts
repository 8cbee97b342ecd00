import { customKinds } from '../custom-kinds.ts'
import type { KindFacts } from '../kinds.ts'
import { builtInKinds, groupOf, resourceKey } from '../kinds.ts'
import type { KubeObject } from '../shapes.ts'
import { allObjects, dropObject, storeObject } from '../store.ts'
import type { Cluster, Controller } from './cluster.ts'
import { remove } from './cluster.ts'

/** Kinds whose objects never own anything and are owned rarely: events come in numbers and are left out. */
const notCollected: ReadonlySet<string> = new Set(['/events'])
const collected = builtInKinds.filter(({ group, plural }) => !notCollected.has(resourceKey(group, plural)))

/** Deletes what belongs to something that is gone, and finishes deletions that wait for dependents or set them free. */
export const garbageController: Controller = {
  name: 'garbage',
  isLast: true,
  watches: [...collected.map(({ group, plural }) => resourceKey(group, plural))],
  run: (cluster) => {
    const { state } = cluster
    const kinds = [...collected, ...customKinds(state)]
    const present = new Set<string>()
    const dependents: { readonly facts: KindFacts; readonly object: KubeObject }[] = []
    const ending: { readonly facts: KindFacts; readonly object: KubeObject }[] = []
    const known = new Set(kinds.map(({ group, kind }) => `${group}/${kind}`))
    for (const facts of kinds) {
      for (const object of allObjects(state, facts.group, facts.plural)) {
        present.add(object.metadata.uid)
        if (object.metadata.ownerReferences !== undefined) dependents.push({ facts, object })
        if (object.metadata.deletionTimestamp !== undefined && object.metadata.finalizers !== undefined) ending.push({ facts, object })
      }
    }
    for (const { facts, object } of ending) endOwner(cluster, facts, object, dependents)
    for (const { facts, object } of dependents) {
      const owners = object.metadata.ownerReferences ?? []
      const isOrphaned = owners.every(({ uid, apiVersion, kind }) => !present.has(uid) && known.has(`${groupOf(apiVersion).group}/${kind}`))
      if (owners.length > 0 && isOrphaned && object.metadata.deletionTimestamp === undefined) {
        if (allObjects(state, facts.group, facts.plural).includes(object)) remove(cluster, facts, object)
      }
    }
    return undefined
  },
}

function endOwner(
  cluster: Cluster,
  facts: KindFacts,
  owner: KubeObject,
  dependents: readonly { readonly facts: KindFacts; readonly object: KubeObject }[],
): void {
  const finalizers = owner.metadata.finalizers ?? []
  const own = dependents.filter(({ object }) => (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid))
  if (finalizers.includes('orphan')) {
    for (const each of own) setFree(cluster, each.facts, each.object, owner.metadata.uid)
    finish(cluster, facts, owner, 'orphan')
  } else if (finalizers.includes('foregroundDeletion')) {
    const blocking = own.filter(({ object }) =>
      (object.metadata.ownerReferences ?? []).some(
        ({ uid, blockOwnerDeletion }) => uid === owner.metadata.uid && blockOwnerDeletion === true,
      ),
    )
    for (const each of own) if (each.object.metadata.deletionTimestamp === undefined) remove(cluster, each.facts, each.object)
    if (blocking.length === 0) finish(cluster, facts, owner, 'foregroundDeletion')
  }
}

function setFree(cluster: Cluster, facts: KindFacts, object: KubeObject, ownerUid: string): void {
  const { ownerReferences = [], ...metadata } = object.metadata
  const kept = ownerReferences.filter(({ uid }) => uid !== ownerUid)
  storeObject(cluster.state, facts, { ...object, metadata: kept.length === 0 ? metadata : { ...metadata, ownerReferences: kept } })
}

function finish(cluster: Cluster, facts: KindFacts, object: KubeObject, finalizer: string): void {
  const { finalizers = [], ...metadata } = object.metadata
  const kept = finalizers.filter((each) => each !== finalizer)
  if (kept.length === 0) dropObject(cluster.state, facts, object.metadata.namespace, object.metadata.name)
  else storeObject(cluster.state, facts, { ...object, metadata: { ...metadata, finalizers: kept } })
}
