import { createHash } from 'node:crypto'
import type { KubeObject } from '../shapes.ts'
import { allObjects, dropObject, nextUid, readObject, storeObject } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { kinds } from './cluster.ts'

const keptMs = 60 * 60_000

/** Says that something happened to an object. The same thing again is counted, not repeated. */
export function emit(
  cluster: Cluster,
  object: KubeObject,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
  component: string,
): void {
  const { state, now } = cluster
  const namespace = object.metadata.namespace ?? 'default'
  const digest = createHash('sha256').update(`${object.metadata.uid}/${reason}/${message}`).digest('hex').slice(0, 16)
  const name = `${object.metadata.name}.${digest}`
  const at = timeText(now)
  const before = readObject(state, kinds.event, namespace, name)
  if (before !== undefined) {
    const count = typeof before.count === 'number' ? before.count : 1
    storeObject(state, kinds.event, { ...before, count: count + 1, lastTimestamp: at })
    return
  }
  storeObject(state, kinds.event, {
    kind: 'Event',
    apiVersion: 'v1',
    metadata: { name, namespace, uid: nextUid(state), resourceVersion: '', creationTimestamp: at },
    involvedObject: {
      kind: object.kind,
      ...(object.metadata.namespace === undefined ? {} : { namespace }),
      name: object.metadata.name,
      uid: object.metadata.uid,
      apiVersion: object.apiVersion,
      resourceVersion: object.metadata.resourceVersion,
    },
    reason,
    message,
    source: { component },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: '',
    reportingInstance: '',
  })
}

/** Forgets events after an hour. */
export const eventsController: Controller = {
  name: 'events',
  isLast: true,
  watches: ['/events'],
  run: ({ state, now }) => {
    const events = allObjects(state, '', 'events')
    for (const event of events) {
      const last = epochMsOf(typeof event.lastTimestamp === 'string' ? event.lastTimestamp : event.metadata.creationTimestamp) ?? now
      if (now - last >= keptMs) dropObject(state, kinds.event, event.metadata.namespace, event.metadata.name)
    }
    return events.length === 0 ? undefined : now + 5 * 60_000
  },
}
