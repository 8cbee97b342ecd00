import { customKinds } from '../custom-kinds.ts'
import { builtInKinds } from '../kinds.ts'
import type { KubeObject } from '../shapes.ts'
import { allObjects, dropObject } from '../store.ts'
import type { Controller } from './cluster.ts'
import { kinds, remove } from './cluster.ts'

/** Empties namespaces that are being deleted, and lets them go when nothing is left in them. */
export const namespaceController: Controller = {
  name: 'namespace',
  isLast: true,
  watches: ['/namespaces', '/pods', '/persistentvolumeclaims'],
  run: (cluster) => {
    const ending = allObjects(cluster.state, '', 'namespaces').filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
    if (ending.length === 0) return undefined
    const all = [...builtInKinds, ...customKinds(cluster.state)].filter(({ namespaced }) => namespaced)
    for (const namespace of ending) {
      const inside = (object: KubeObject): boolean => object.metadata.namespace === namespace.metadata.name
      for (const facts of all) {
        for (const object of allObjects(cluster.state, facts.group, facts.plural).filter(inside)) {
          if (object.metadata.deletionTimestamp === undefined) remove(cluster, facts, object)
        }
      }
      const isEmpty = all.every((facts) => !allObjects(cluster.state, facts.group, facts.plural).some(inside))
      if (isEmpty) dropObject(cluster.state, kinds.namespace, undefined, namespace.metadata.name)
    }
    return undefined
  },
}
