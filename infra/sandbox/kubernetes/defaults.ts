import type { Json, JsonObject } from './json.ts'
import { isJsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts'

/**
 * Fills in what the API server fills in when a field is left out, in place, on an object that `decode.ts` has just made.
 * Running it twice changes nothing. Kinds without defaults are left alone.
 */
export function fillDefaults(kind: string, object: JsonObject): void {
  const spec = objectAt(object, 'spec')
  switch (kind) {
    case 'Pod':
      if (spec !== undefined) podDefaults(spec)
      addressDefaults(objectAt(object, 'status'))
      return
    case 'Deployment':
      if (spec !== undefined) deploymentDefaults(spec)
      break
    case 'ReplicaSet':
      if (spec !== undefined) fill(spec, 'replicas', 1)
      break
    case 'StatefulSet':
      if (spec !== undefined) statefulSetDefaults(spec)
      break
    case 'DaemonSet':
      if (spec !== undefined) daemonSetDefaults(spec)
      break
    case 'Job':
      if (spec !== undefined) jobDefaults(spec)
      labelsFromTemplate(object)
      break
    case 'CronJob':
      if (spec !== undefined) cronJobDefaults(spec)
      return
    case 'HorizontalPodAutoscaler':
      if (spec !== undefined) autoscalerDefaults(spec)
      return
    case 'Service':
      if (spec !== undefined) serviceDefaults(spec)
      return
    case 'PersistentVolumeClaim':
      claimDefaults(object)
      return
    case 'Namespace':
      namespaceDefaults(object)
      return
    case 'Node':
      nodeDefaults(object)
      return
    case 'Secret':
      fill(object, 'type', 'Opaque')
      return
    case 'CustomResourceDefinition':
      if (spec !== undefined) definitionDefaults(spec)
      return
    default:
      return
  }
  const template = objectAt(spec, 'template', 'spec')
  if (template !== undefined) podSpecDefaults(template)
}

function fill(holder: JsonObject, key: string, value: Json): void {
  if (holder[key] === undefined || holder[key] === null || holder[key] === '') holder[key] = value
}

/** The first of a pod's addresses stands alone as well, and the other way round. */
function addressDefaults(status: JsonObject | undefined): void {
  const alone = stringAt(status, 'podIP')
  const first = stringAt(listAt(status, 'podIPs')[0], 'ip')
  if (status === undefined) return
  if (alone !== undefined && first === undefined) status.podIPs = [{ ip: alone }]
  if (alone === undefined && first !== undefined) status.podIP = first
}

/** A job without labels of its own gets those of its template. */
function labelsFromTemplate(object: JsonObject): void {
  const metadata = objectAt(object, 'metadata')
  const labels = objectAt(object, 'spec', 'template', 'metadata', 'labels')
  if (metadata !== undefined && labels !== undefined && objectAt(metadata, 'labels') === undefined) metadata.labels = { ...labels }
}

function deploymentDefaults(spec: JsonObject): void {
  fill(spec, 'replicas', 1)
  fill(spec, 'revisionHistoryLimit', 10)
  fill(spec, 'progressDeadlineSeconds', 600)
  const strategy = objectAt(spec, 'strategy') ?? {}
  fill(strategy, 'type', 'RollingUpdate')
  if (strategy.type === 'RollingUpdate') {
    const rolling = objectAt(strategy, 'rollingUpdate') ?? {}
    fill(rolling, 'maxUnavailable', '25%')
    fill(rolling, 'maxSurge', '25%')
    strategy.rollingUpdate = rolling
  }
  spec.strategy = strategy
}

function statefulSetDefaults(spec: JsonObject): void {
  fill(spec, 'podManagementPolicy', 'OrderedReady')
  fill(spec, 'replicas', 1)
  fill(spec, 'revisionHistoryLimit', 10)
  const strategy = objectAt(spec, 'updateStrategy') ?? {}
  if (strategy.type === undefined) {
    strategy.type = 'RollingUpdate'
    const rolling = objectAt(strategy, 'rollingUpdate') ?? {}
    fill(rolling, 'partition', 0)
    strategy.rollingUpdate = rolling
  } else if (strategy.type === 'RollingUpdate') {
    const rolling = objectAt(strategy, 'rollingUpdate')
    if (rolling !== undefined) fill(rolling, 'partition', 0)
  }
  spec.updateStrategy = strategy
  for (const claim of listAt(spec, 'volumeClaimTemplates')) {
    if (!isJsonObject(claim)) continue
    fill(claim, 'kind', 'PersistentVolumeClaim')
    fill(claim, 'apiVersion', 'v1')
    claimDefaults(claim)
  }
}

function daemonSetDefaults(spec: JsonObject): void {
  fill(spec, 'revisionHistoryLimit', 10)
  const strategy = objectAt(spec, 'updateStrategy') ?? {}
  fill(strategy, 'type', 'RollingUpdate')
  if (strategy.type === 'RollingUpdate') {
    const rolling = objectAt(strategy, 'rollingUpdate') ?? {}
    fill(rolling, 'maxUnavailable', 1)
    strategy.rollingUpdate = rolling
  }
  spec.updateStrategy = strategy
}

function jobDefaults(spec: JsonObject): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1
  fill(spec, 'parallelism', 1)
  fill(spec, 'backoffLimit', 6)
}

function cronJobDefaults(spec: JsonObject): void {
  fill(spec, 'concurrencyPolicy', 'Allow')
  fill(spec, 'suspend', false)
  fill(spec, 'successfulJobsHistoryLimit', 3)
  fill(spec, 'failedJobsHistoryLimit', 1)
  const template = objectAt(spec, 'jobTemplate', 'spec', 'template', 'spec')
  if (template !== undefined) podSpecDefaults(template)
}

const scaleUpDefaults: JsonObject = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
const scaleDownDefaults: JsonObject = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] }

/** The window first: the order shows in the annotation that carries the rules through version 1. */
function inRuleOrder({ stabilizationWindowSeconds, ...rest }: JsonObject): JsonObject {
  return stabilizationWindowSeconds === undefined ? rest : { stabilizationWindowSeconds, ...rest }
}

function autoscalerDefaults(spec: JsonObject): void {
  fill(spec, 'minReplicas', 1)
  if (listAt(spec, 'metrics').length === 0) {
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }]
  }
  const behavior = objectAt(spec, 'behavior')
  if (behavior === undefined) return
  spec.behavior = {
    scaleUp: { ...structuredClone(scaleUpDefaults), ...objectAt(behavior, 'scaleUp') },
    scaleDown: inRuleOrder({ ...structuredClone(scaleDownDefaults), ...objectAt(behavior, 'scaleDown') }),
  }
}

function serviceDefaults(spec: JsonObject): void {
  fill(spec, 'sessionAffinity', 'None')
  fill(spec, 'type', 'ClusterIP')
  if (spec.sessionAffinity === 'ClientIP') fill(spec, 'sessionAffinityConfig', { clientIP: { timeoutSeconds: 10800 } })
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') fill(spec, 'externalTrafficPolicy', 'Cluster')
  for (const port of listAt(spec, 'ports')) {
    if (!isJsonObject(port)) continue
    fill(port, 'protocol', 'TCP')
    if (port.targetPort === 0 || port.targetPort === '') port.targetPort = numberAt(port, 'port') ?? 0
  }
}

function claimDefaults(claim: JsonObject): void {
  const spec = objectAt(claim, 'spec')
  if (spec !== undefined) fill(spec, 'volumeMode', 'Filesystem')
  const status = objectAt(claim, 'status') ?? {}
  fill(status, 'phase', 'Pending')
  claim.status = status
}

function namespaceDefaults(namespace: JsonObject): void {
  const status = objectAt(namespace, 'status') ?? {}
  fill(status, 'phase', 'Active')
  namespace.status = status
}

function nodeDefaults(node: JsonObject): void {
  const status = objectAt(node, 'status')
  const capacity = objectAt(status, 'capacity')
  if (status !== undefined && capacity !== undefined) fill(status, 'allocatable', { ...capacity })
}

function definitionDefaults(spec: JsonObject): void {
  const names = objectAt(spec, 'names')
  const kind = stringAt(names, 'kind') ?? ''
  if (names !== undefined && kind !== '') {
    fill(names, 'singular', kind.toLowerCase())
    fill(names, 'listKind', `${kind}List`)
  }
  if (objectAt(spec, 'conversion') === undefined) spec.conversion = { strategy: 'None' }
}

function podDefaults(spec: JsonObject): void {
  for (const key of ['containers', 'initContainers']) {
    for (const container of listAt(spec, key)) {
      const resources = objectAt(container, 'resources')
      const limits = objectAt(resources, 'limits')
      if (resources === undefined || limits === undefined) continue
      const requests = objectAt(resources, 'requests') ?? {}
      for (const [name, amount] of Object.entries(limits)) if (requests[name] === undefined) requests[name] = amount
      resources.requests = requests
    }
  }
  fill(spec, 'enableServiceLinks', true)
  podSpecDefaults(spec)
}

/** The defaults that pods and templates of pods share. */
function podSpecDefaults(spec: JsonObject): void {
  fill(spec, 'dnsPolicy', 'ClusterFirst')
  fill(spec, 'restartPolicy', 'Always')
  fill(spec, 'terminationGracePeriodSeconds', 30)
  fill(spec, 'schedulerName', 'default-scheduler')
  if (objectAt(spec, 'securityContext') === undefined) spec.securityContext = {}
  const account = stringAt(spec, 'serviceAccountName') ?? stringAt(spec, 'serviceAccount')
  if (account !== undefined) {
    spec.serviceAccountName = account
    spec.serviceAccount = account
  }
  for (const volume of listAt(spec, 'volumes')) if (isJsonObject(volume)) volumeDefaults(volume)
  for (const key of ['initContainers', 'containers']) {
    for (const container of listAt(spec, key)) if (isJsonObject(container)) containerDefaults(container, spec.hostNetwork === true)
  }
}

function volumeDefaults(volume: JsonObject): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
  for (const key of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    const source = objectAt(volume, key)
    if (source !== undefined) fill(source, 'defaultMode', 420)
  }
  for (const item of listAt(volume, 'downwardAPI', 'items')) {
    const reference = objectAt(item, 'fieldRef')
    if (reference !== undefined) fill(reference, 'apiVersion', 'v1')
  }
  for (const source of listAt(volume, 'projected', 'sources')) {
    const token = objectAt(source, 'serviceAccountToken')
    if (token !== undefined) fill(token, 'expirationSeconds', 3600)
    for (const item of listAt(source, 'downwardAPI', 'items')) {
      const reference = objectAt(item, 'fieldRef')
      if (reference !== undefined) fill(reference, 'apiVersion', 'v1')
    }
  }
  const hostPath = objectAt(volume, 'hostPath')
  if (hostPath !== undefined && hostPath.type === undefined) hostPath.type = ''
}

function containerDefaults(container: JsonObject, hostNetwork: boolean): void {
  fill(container, 'terminationMessagePath', '/dev/termination-log')
  fill(container, 'terminationMessagePolicy', 'File')
  fill(container, 'imagePullPolicy', hasLatestTag(stringAt(container, 'image') ?? '') ? 'Always' : 'IfNotPresent')
  for (const port of listAt(container, 'ports')) {
    if (!isJsonObject(port)) continue
    fill(port, 'protocol', 'TCP')
    const number = numberAt(port, 'containerPort')
    if (hostNetwork && number !== undefined && port.hostPort === undefined) port.hostPort = number
  }
  for (const variable of listAt(container, 'env')) {
    const reference = objectAt(variable, 'valueFrom', 'fieldRef')
    if (reference !== undefined) fill(reference, 'apiVersion', 'v1')
  }
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = objectAt(container, key)
    if (probe === undefined) continue
    fill(probe, 'timeoutSeconds', 1)
    fill(probe, 'periodSeconds', 10)
    fill(probe, 'successThreshold', 1)
    fill(probe, 'failureThreshold', 3)
    httpDefaults(objectAt(probe, 'httpGet'))
  }
  httpDefaults(objectAt(container, 'lifecycle', 'postStart', 'httpGet'))
  httpDefaults(objectAt(container, 'lifecycle', 'preStop', 'httpGet'))
}

function httpDefaults(action: JsonObject | undefined): void {
  if (action === undefined) return
  fill(action, 'path', '/')
  fill(action, 'scheme', 'HTTP')
}

/** No tag and no digest means `latest`; a name that cannot be parsed does not. */
function hasLatestTag(image: string): boolean {
  if (image === '' || image.includes('@')) return false
  const last = image.slice(image.lastIndexOf('/') + 1)
  const colon = last.indexOf(':')
  return colon < 0 || last.slice(colon + 1) === 'latest'
}
