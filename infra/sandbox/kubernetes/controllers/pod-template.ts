import type { OwnerReference, Pod, PodSpec, PodTemplate, StringMap } from '../shapes.ts'
import { nameSuffix, nextUid, readObject, storeObject } from '../store.ts'
import { admitPod, qualityOf } from '../strategy.ts'
import { timeText } from '../time.ts'
import type { Cluster } from './cluster.ts'
import { kinds } from './cluster.ts'

/** A pod that a controller makes. */
export interface NewPod {
  readonly namespace: string
  /** The exact name, or else the start of a generated one. */
  readonly name?: string
  readonly generateName?: string
  readonly template: PodTemplate
  readonly owner: OwnerReference
  readonly labels?: StringMap
  /** What this pod's spec has beyond the template's. */
  readonly spec?: (spec: PodSpec) => PodSpec
}

const finished = new WeakMap<PodSpec, PodSpec>()

/** The spec of a pod made of a template: the template's with what admission adds. Shared by all pods of the template. */
function specOf(template: PodTemplate): PodSpec {
  const known = finished.get(template.spec)
  if (known !== undefined) return known
  const spec: PodSpec = { ...structuredClone(template.spec), enableServiceLinks: template.spec.enableServiceLinks ?? true }
  for (const container of spec.containers) {
    const { limits, requests } = container.resources
    if (limits !== undefined) container.resources.requests = { ...limits, ...requests }
  }
  admitPod(spec)
  finished.set(template.spec, spec)
  return spec
}

/** Makes a pod out of a template. A name that is taken is answered with undefined and nothing is made. */
export function createPod(cluster: Cluster, pod: NewPod): Pod | undefined {
  const { state, now, hooks } = cluster
  const base = pod.generateName ?? ''
  const name = pod.name ?? `${base.slice(0, 58)}${nameSuffix(hooks.random)}`
  if (readObject(state, kinds.pod, pod.namespace, name) !== undefined) return undefined
  const spec = specOf(pod.template)
  const { annotations, labels } = pod.template.metadata
  const created: Pod = {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      name,
      ...(pod.generateName === undefined ? {} : { generateName: pod.generateName }),
      namespace: pod.namespace,
      uid: nextUid(state),
      resourceVersion: '',
      creationTimestamp: timeText(now),
      labels: { ...labels, ...pod.labels },
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ownerReferences: [pod.owner],
    },
    spec: pod.spec === undefined ? spec : pod.spec(spec),
    status: { phase: 'Pending', qosClass: qualityOf(spec) },
  }
  storeObject(state, kinds.pod, created)
  return created
}
