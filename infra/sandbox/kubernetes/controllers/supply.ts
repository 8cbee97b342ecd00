import { createHash } from 'node:crypto'
import { byText, listAt, objectAt, stringAt } from '../json.ts'
import { allObjects, dropObject, storeObject } from '../store.ts'
import { epochMsOf } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { earlier, kinds, podsOf } from './cluster.ts'

const bindMs = 1000
const balancerMs = 5000

/** What the platform supplies: disks for claims after a second, addresses for load balancers after five. */
export const supplyController: Controller = {
  name: 'supply',
  watches: ['/persistentvolumeclaims', '/services', '/pods'],
  run: (cluster) => earlier(supplyClaims(cluster), supplyBalancers(cluster)),
}

function supplyClaims(cluster: Cluster): number | undefined {
  const { state, now } = cluster
  const claims = allObjects(state, '', 'persistentvolumeclaims')
  if (claims.length === 0) return undefined
  let used: ReadonlySet<string> | undefined
  let wakeAt: number | undefined
  for (const claim of [...claims].sort((left, right) => byText(left.metadata.name, right.metadata.name))) {
    const { name, namespace, uid, creationTimestamp } = claim.metadata
    if (claim.metadata.deletionTimestamp !== undefined) {
      used ??= claimsInUse(cluster)
      if (!used.has(`${namespace}/${name}`)) dropObject(state, kinds.claim, namespace, name)
      continue
    }
    if (stringAt(claim, 'status', 'phase') !== 'Pending') continue
    const bindAt = (epochMsOf(creationTimestamp) ?? now) + bindMs
    if (bindAt > now) {
      wakeAt = earlier(wakeAt, bindAt)
      continue
    }
    const spec = objectAt(claim, 'spec') ?? {}
    storeObject(state, kinds.claim, {
      ...claim,
      spec: { ...spec, volumeName: `pvc-${uid}` },
      status: {
        phase: 'Bound',
        accessModes: [...listAt(spec, 'accessModes')],
        capacity: { storage: stringAt(spec, 'resources', 'requests', 'storage') ?? '0' },
      },
    })
  }
  return wakeAt
}

function claimsInUse(cluster: Cluster): ReadonlySet<string> {
  return new Set(
    podsOf(cluster).flatMap((pod) =>
      listAt(pod.spec, 'volumes').flatMap((volume) => {
        const claim = stringAt(volume, 'persistentVolumeClaim', 'claimName')
        return claim === undefined ? [] : [`${pod.metadata.namespace}/${claim}`]
      }),
    ),
  )
}

function supplyBalancers(cluster: Cluster): number | undefined {
  const { state, now } = cluster
  let wakeAt: number | undefined
  for (const service of allObjects(state, '', 'services')) {
    if (stringAt(service, 'spec', 'type') !== 'LoadBalancer') continue
    if (listAt(service, 'status', 'loadBalancer', 'ingress').length > 0) continue
    const readyAt = (epochMsOf(service.metadata.creationTimestamp) ?? now) + balancerMs
    if (readyAt > now) {
      wakeAt = earlier(wakeAt, readyAt)
      continue
    }
    // An address out of the block that is kept for examples, so that nobody's machine is meant.
    const last = (createHash('sha256').update(service.metadata.uid).digest()[0] ?? 0) % 254
    storeObject(state, kinds.service, { ...service, status: { loadBalancer: { ingress: [{ ip: `203.0.113.${last + 1}` }] } } })
  }
  return wakeAt
}
