import type { Json, JsonObject } from './json.ts'
import { at, isJsonObject, listAt, numberAt, objectAt, sameJson, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { internalError } from './kube-fault.ts'
import { milliOf } from './quantity.ts'
import type { KubernetesState } from './state.ts'
import { allObjects } from './store.ts'
import { minorOf } from './version.ts'

const emptyStatus: Readonly<Record<string, JsonObject>> = {
  Deployment: {},
  ReplicaSet: { replicas: 0 },
  StatefulSet: { replicas: 0 },
  DaemonSet: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
  Job: {},
  CronJob: {},
  HorizontalPodAutoscaler: { currentReplicas: 0, desiredReplicas: 0, currentMetrics: null, conditions: null },
  PodDisruptionBudget: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
  PersistentVolumeClaim: { phase: 'Pending' },
  Service: { loadBalancer: {} },
  Namespace: { phase: 'Active' },
}

const templateGeneration = 'deprecated.daemonset.template.generation'

/**
 * What the server decides about a new object before it looks at it: the status is its own, the generation starts, kinds
 * with something to allocate get it. In place, after the defaults.
 */
export function prepareNew(state: KubernetesState, facts: KindFacts, object: JsonObject): void {
  const metadata = objectAt(object, 'metadata') ?? {}
  const spec = objectAt(object, 'spec') ?? {}
  const status = emptyStatus[facts.kind]
  if (status !== undefined) object.status = { ...status }
  if (facts.structure === undefined && facts.status) delete object.status
  if (facts.generation) metadata.generation = 1
  switch (facts.kind) {
    case 'Pod':
      object.status = { phase: 'Pending', qosClass: qualityOf(spec) }
      admitPod(spec)
      return
    case 'DaemonSet':
      metadata.annotations = { [templateGeneration]: '1', ...withoutKey(objectAt(metadata, 'annotations'), templateGeneration) }
      return
    case 'Job':
      // Before 1.21 the field is behind a gate that is off.
      if (minorOf(state.version) < 21) delete spec.ttlSecondsAfterFinished
      selectByUid(object, metadata, spec)
      return
    case 'Service':
      allocateService(state, metadata, spec)
      return
    case 'Namespace':
      spec.finalizers = ['kubernetes']
      object.spec = spec
      if (minorOf(state.version) >= 21) {
        metadata.labels = { ...objectAt(metadata, 'labels'), 'kubernetes.io/metadata.name': stringAt(metadata, 'name') ?? '' }
      }
      return
    case 'Node':
      taintUnready(spec)
      object.spec = spec
      return
    case 'PersistentVolumeClaim':
      metadata.finalizers = [...new Set([...listAt(metadata, 'finalizers'), 'kubernetes.io/pvc-protection'])]
      return
    case 'CustomResourceDefinition': {
      const storage = listAt(spec, 'versions').find((version) => objectAt(version)?.storage === true)
      object.status = {
        conditions: null,
        acceptedNames: { plural: '', kind: '' },
        storedVersions: storage === undefined ? null : [stringAt(storage, 'name') ?? ''],
      }
      return
    }
    case 'Secret':
      mergeStringData(object)
      return
    default:
      return
  }
}

/** What the server decides about a changed object: the status stays, the generation counts. In place, after the defaults. */
export function prepareChange(facts: KindFacts, object: JsonObject, before: JsonObject): void {
  const metadata = objectAt(object, 'metadata') ?? {}
  const old = objectAt(before, 'metadata') ?? {}
  if (facts.status && (facts.structure !== undefined || before.status !== undefined)) object.status = before.status ?? {}
  else if (facts.status) delete object.status
  if (facts.kind === 'Secret') mergeStringData(object)
  if (facts.kind === 'DaemonSet') keepTemplateGeneration(object, before)
  if (facts.kind === 'Service') keepAddress(object, before)
  if (facts.kind === 'Namespace') object.spec = before.spec ?? {}
  if (old.generation === undefined) delete metadata.generation
  else metadata.generation = old.generation
  if (!facts.generation) return
  const changed =
    facts.structure === undefined
      ? !sameJson(withoutKey(object, 'metadata'), withoutKey(before, 'metadata'))
      : !sameJson(object.spec, before.spec) || (facts.kind === 'Deployment' && !sameJson(metadata.annotations ?? {}, old.annotations ?? {}))
  if (changed) metadata.generation = (numberAt(old, 'generation') ?? 0) + 1
}

/** What a write of the status alone may change: everything else is taken from before. In place. */
export function prepareStatus(facts: KindFacts, object: JsonObject, before: JsonObject): void {
  const metadata = objectAt(object, 'metadata') ?? {}
  const old = objectAt(before, 'metadata') ?? {}
  if (facts.structure === undefined) {
    const status = object.status
    const { resourceVersion } = metadata
    for (const key of Object.keys(object)) delete object[key]
    Object.assign(object, structuredClone(before))
    if (status === undefined) delete object.status
    else object.status = status
    if (resourceVersion !== undefined) object.metadata = { ...old, resourceVersion }
    return
  }
  if (before.spec !== undefined) object.spec = before.spec
  if (old.generation !== undefined) metadata.generation = old.generation
  if (facts.kind === 'Deployment') copyKey(metadata, old, 'labels')
  if (facts.kind === 'Pod') copyKey(metadata, old, 'ownerReferences')
  if (facts.kind === 'DaemonSet') keepTemplateGeneration(object, before)
  if (facts.kind === 'CustomResourceDefinition') {
    copyKey(metadata, old, 'labels')
    copyKey(metadata, old, 'annotations')
    copyKey(metadata, old, 'finalizers')
  }
}

function copyKey(target: JsonObject, source: JsonObject, key: string): void {
  const value = source[key]
  if (value === undefined) delete target[key]
  else target[key] = value
}

function withoutKey(object: JsonObject | undefined, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => name !== key))
}

function mergeStringData(secret: JsonObject): void {
  const plain = objectAt(secret, 'stringData')
  if (plain === undefined) return
  delete secret.stringData
  const data = objectAt(secret, 'data') ?? {}
  for (const [key, value] of Object.entries(plain)) if (typeof value === 'string') data[key] = Buffer.from(value, 'utf8').toString('base64')
  secret.data = data
}

function keepTemplateGeneration(object: JsonObject, before: JsonObject): void {
  const metadata = objectAt(object, 'metadata') ?? {}
  const old = stringAt(before, 'metadata', 'annotations', templateGeneration) ?? '1'
  const changed = !sameJson(at(object, 'spec', 'template'), at(before, 'spec', 'template'))
  const next = changed ? String(Number.parseInt(old, 10) + 1) : old
  metadata.annotations = { ...objectAt(metadata, 'annotations'), [templateGeneration]: next }
}

function keepAddress(object: JsonObject, before: JsonObject): void {
  const spec = objectAt(object, 'spec')
  const old = objectAt(before, 'spec')
  if (spec === undefined || old === undefined) return
  if ((stringAt(spec, 'clusterIP') ?? '') === '' && stringAt(spec, 'type') !== 'ExternalName') copyKey(spec, old, 'clusterIP')
  if (spec.clusterIP === old.clusterIP) copyKey(spec, old, 'clusterIPs')
  for (const [index, port] of listAt(spec, 'ports').entries()) {
    const oldPort = listAt(old, 'ports')[index]
    const number = numberAt(oldPort, 'nodePort')
    if (isJsonObject(port) && number !== undefined && port.nodePort === undefined && spec.type !== 'ClusterIP') port.nodePort = number
  }
}

function selectByUid(object: JsonObject, metadata: JsonObject, spec: JsonObject): void {
  const uid = stringAt(metadata, 'uid') ?? ''
  const template = objectAt(spec, 'template')
  if (spec.manualSelector === true || template === undefined) return
  const templateMeta = objectAt(template, 'metadata') ?? {}
  templateMeta.labels = {
    ...objectAt(templateMeta, 'labels'),
    'controller-uid': uid,
    'job-name': stringAt(metadata, 'name') ?? '',
  }
  template.metadata = templateMeta
  const selector = objectAt(spec, 'selector') ?? {}
  selector.matchLabels = { ...objectAt(selector, 'matchLabels'), 'controller-uid': uid }
  spec.selector = selector
  if (objectAt(metadata, 'labels') === undefined) metadata.labels = { ...objectAt(templateMeta, 'labels') }
  object.metadata = metadata
}

const tolerationDefaults: readonly JsonObject[] = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map((key) => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 300,
}))

/** What the server's admission adds to every pod: the default tolerations and the default priority. In place. */
export function admitPod(spec: JsonObject): void {
  const present = listAt(spec, 'tolerations')
  const covers = (toleration: Json, key: Json | undefined): boolean => {
    const effect = stringAt(toleration, 'effect') ?? ''
    if (effect !== '' && effect !== 'NoExecute') return false
    const own = stringAt(toleration, 'key') ?? ''
    return own === key || own === ''
  }
  const added = tolerationDefaults.filter((fallback) => !present.some((toleration) => covers(toleration, fallback.key)))
  if (present.length + added.length > 0) spec.tolerations = [...present, ...added.map((toleration) => ({ ...toleration }))]
  if (spec.priority === undefined) spec.priority = 0
  if (spec.preemptionPolicy === undefined) spec.preemptionPolicy = 'PreemptLowerPriority'
}

/** How well a pod's resources are guaranteed, as the status says it. */
export function qualityOf(spec: JsonObject): string {
  const containers = [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')]
  let any = false
  let guaranteed = containers.length > 0
  for (const container of containers) {
    const requests = objectAt(container, 'resources', 'requests') ?? {}
    const limits = objectAt(container, 'resources', 'limits') ?? {}
    for (const resource of ['cpu', 'memory']) {
      const request = stringAt(requests, resource)
      const limit = stringAt(limits, resource)
      if (milliOf(request) > 0 || milliOf(limit) > 0) any = true
      if (limit === undefined || milliOf(request ?? limit) !== milliOf(limit)) guaranteed = false
    }
  }
  return !any ? 'BestEffort' : guaranteed ? 'Guaranteed' : 'Burstable'
}

const unready = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const

function taintUnready(spec: JsonObject): void {
  const taints = listAt(spec, 'taints')
  if (!taints.some((taint) => stringAt(taint, 'key') === unready.key && stringAt(taint, 'effect') === unready.effect)) {
    spec.taints = [...taints, { ...unready }]
  }
}

function allocateService(state: KubernetesState, metadata: JsonObject, spec: JsonObject): void {
  const type = stringAt(spec, 'type')
  const services = allObjects(state, '', 'services')
  if (type !== 'ExternalName' && (stringAt(spec, 'clusterIP') ?? '') === '') {
    const used = new Set(services.map((service) => stringAt(service, 'spec', 'clusterIP')))
    used.add('172.16.252.0')
    let index = 1
    while (index < 1023 && used.has(addressOf(index))) index += 1
    if (index === 1023) throw internalError('failed to allocate a serviceIP: range is full')
    spec.clusterIP = addressOf(index)
  }
  const address = stringAt(spec, 'clusterIP')
  if (address !== undefined && minorOf(state.version) >= 20) spec.clusterIPs = [address]
  if (type === 'NodePort' || type === 'LoadBalancer') {
    const used = new Set(services.flatMap((service) => listAt(service, 'spec', 'ports').map((port) => numberAt(port, 'nodePort'))))
    let next = 30000 + (((stringAt(metadata, 'name') ?? '').length * 97) % 2000)
    for (const port of listAt(spec, 'ports')) {
      if (!isJsonObject(port) || port.nodePort !== undefined) continue
      while (used.has(next)) next += 1
      port.nodePort = next
      used.add(next)
    }
  }
}

/** Addresses of services, out of a range as the platform gives a cluster: 172.16.252.0/22. */
function addressOf(index: number): string {
  return `172.16.${252 + (Math.floor(index / 256) % 4)}.${index % 256}`
}
