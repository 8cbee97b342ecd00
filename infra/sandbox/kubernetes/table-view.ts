import { isCustomKind } from './custom-kinds.ts'
import type { Json, JsonObject } from './json.ts'
import { at, isJsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { resourceKey } from './kinds.ts'
import { epochMsOf } from './time.ts'

/** One column of a table. Those of priority 1 show in the wide form only. */
interface Column {
  readonly name: string
  readonly type?: 'integer' | 'boolean'
  readonly format?: string
  readonly wide?: true
  readonly cell: (object: JsonObject, now: number) => Json
}

/** Whether a client would rather have a table to print, as kubectl does. */
export function wantsTable(accept: string | undefined): boolean {
  return accept !== undefined && /application\/json\s*;[^,]*as=Table/i.test(accept)
}

/** Brings an object or a list into a table of the columns that kubectl shows for its kind. */
export function tableOf(facts: KindFacts, object: JsonObject, now: number): JsonObject {
  const columns = [name, ...(byKind[resourceKey(facts.group, facts.plural)] ?? [age])]
  const items = isJsonObject(object.metadata) && Array.isArray(object.items) ? listAt(object, 'items') : [object]
  const metadata = Array.isArray(object.items)
    ? (objectAt(object, 'metadata') ?? {})
    : { resourceVersion: stringAt(object, 'metadata', 'resourceVersion') ?? '' }
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: isCustomKind(facts) && metadata.continue === '' ? { resourceVersion: metadata.resourceVersion ?? '' } : metadata,
    columnDefinitions: columns.map((column) => ({
      name: column.name,
      type: column.type ?? (column.name === 'Created At' ? 'date' : 'string'),
      format: column.format ?? '',
      description: '',
      priority: column.wide === true ? 1 : 0,
    })),
    rows: items.map((item) => {
      const row = objectAt(item) ?? {}
      return {
        cells: columns.map((column) => column.cell(row, now)),
        object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: objectAt(row, 'metadata') ?? {} },
      }
    }),
  }
}

/** How long ago, in one or two units, as kubectl writes it. */
function ageText(sinceMs: number | undefined, now: number): string {
  if (sinceMs === undefined) return '<unknown>'
  const seconds = Math.floor((now - sinceMs) / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds <= 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`
  if (days < 730) return `${days}d`
  return days % 365 === 0 || days >= 2920 ? `${Math.floor(days / 365)}y` : `${Math.floor(days / 365)}y${days % 365}d`
}

const text = (object: Json, ...path: string[]): string => stringAt(object, ...path) ?? ''
const count = (object: Json, ...path: string[]): number => numberAt(object, ...path) ?? 0
const since = (object: Json, now: number, ...path: string[]): string => ageText(epochMsOf(stringAt(object, ...path)), now)

const name: Column = { name: 'Name', format: 'name', cell: (object) => text(object, 'metadata', 'name') }
const age: Column = { name: 'Age', cell: (object, now) => since(object, now, 'metadata', 'creationTimestamp') }

function number(column: string, ...path: string[]): Column {
  return { name: column, type: 'integer', cell: (object) => count(object, ...path) }
}

/** The columns about containers and the selector that sets have in the wide form. */
const wideSet: readonly Column[] = [
  { name: 'Containers', wide: true, cell: (object) => containers(object, 'name') },
  { name: 'Images', wide: true, cell: (object) => containers(object, 'image') },
]
const selector: Column = { name: 'Selector', wide: true, cell: (object) => selectorText(object) }

function containers(object: JsonObject, key: string): string {
  return listAt(object, 'spec', 'template', 'spec', 'containers')
    .map((container) => text(container, key))
    .join(',')
}

function selectorText(object: JsonObject): string {
  const labels = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels') ?? {}).map(([key, value]) => `${key}=${String(value)}`)
  return labels.length === 0 ? '<none>' : labels.join(',')
}

/** One word for how a pod is, as people know it: the phase, or what keeps it from running. */
function podWord(pod: JsonObject): string {
  let word = text(pod, 'status', 'reason') || text(pod, 'status', 'phase')
  for (const status of listAt(pod, 'status', 'containerStatuses')) {
    const waiting = stringAt(status, 'state', 'waiting', 'reason')
    const ended = objectAt(status, 'state', 'terminated')
    if (waiting !== undefined) word = waiting
    else if (ended !== undefined) word = text(ended, 'reason') || `ExitCode:${count(ended, 'exitCode')}`
  }
  return stringAt(pod, 'metadata', 'deletionTimestamp') === undefined ? word : 'Terminating'
}

function nodeWord(node: JsonObject): string {
  const ready = listAt(node, 'status', 'conditions').find((condition) => stringAt(condition, 'type') === 'Ready')
  const word = ready === undefined ? 'Unknown' : text(ready, 'status') === 'True' ? 'Ready' : 'NotReady'
  return at(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word
}

function roles(node: JsonObject): string {
  const found = Object.keys(objectAt(node, 'metadata', 'labels') ?? {})
    .filter((label) => label.startsWith('node-role.kubernetes.io/'))
    .map((label) => label.slice('node-role.kubernetes.io/'.length))
  return found.length === 0 ? '<none>' : found.sort().join(',')
}

function address(node: JsonObject, type: string): string {
  return text(listAt(node, 'status', 'addresses').find((each) => stringAt(each, 'type') === type) ?? null, 'address') || '<none>'
}

/** What an autoscaler aims at, measured over wanted. */
function targets(scaler: JsonObject): string {
  const wanted = at(scaler, 'spec', 'targetCPUUtilizationPercentage')
  if (wanted !== undefined) {
    const current = at(scaler, 'status', 'currentCPUUtilizationPercentage')
    return `${current === undefined ? '<unknown>' : `${String(current)}%`}/${String(wanted)}%`
  }
  const metrics = listAt(scaler, 'spec', 'metrics').map((metric) => {
    const share = numberAt(metric, 'resource', 'target', 'averageUtilization')
    return share === undefined ? '<unknown>' : `<unknown>/${share}%`
  })
  return metrics.length === 0 ? '<none>' : metrics.join(', ')
}

const accessShort: Readonly<Record<string, string>> = { ReadWriteOnce: 'RWO', ReadOnlyMany: 'ROX', ReadWriteMany: 'RWX' }

function limit(object: JsonObject, key: string): Json {
  const value = at(object, 'spec', key)
  return value === undefined ? 'N/A' : String(value)
}

const byKind: Readonly<Record<string, readonly Column[]>> = {
  '/pods': [
    {
      name: 'Ready',
      cell: (pod) =>
        `${listAt(pod, 'status', 'containerStatuses').filter((status) => at(status, 'ready') === true).length}/${listAt(pod, 'spec', 'containers').length}`,
    },
    { name: 'Status', cell: podWord },
    {
      name: 'Restarts',
      type: 'integer',
      cell: (pod) => listAt(pod, 'status', 'containerStatuses').reduce((sum: number, status) => sum + count(status, 'restartCount'), 0),
    },
    age,
    { name: 'IP', wide: true, cell: (pod) => text(pod, 'status', 'podIP') || '<none>' },
    { name: 'Node', wide: true, cell: (pod) => text(pod, 'spec', 'nodeName') || '<none>' },
    { name: 'Nominated Node', wide: true, cell: (pod) => text(pod, 'status', 'nominatedNodeName') || '<none>' },
    { name: 'Readiness Gates', wide: true, cell: () => '<none>' },
  ],
  '/nodes': [
    { name: 'Status', cell: nodeWord },
    { name: 'Roles', cell: roles },
    age,
    { name: 'Version', cell: (node) => text(node, 'status', 'nodeInfo', 'kubeletVersion') },
    { name: 'Internal-IP', wide: true, cell: (node) => address(node, 'InternalIP') },
    { name: 'External-IP', wide: true, cell: (node) => address(node, 'ExternalIP') },
    { name: 'OS-Image', wide: true, cell: (node) => text(node, 'status', 'nodeInfo', 'osImage') || '<unknown>' },
    { name: 'Kernel-Version', wide: true, cell: (node) => text(node, 'status', 'nodeInfo', 'kernelVersion') || '<unknown>' },
    { name: 'Container-Runtime', wide: true, cell: (node) => text(node, 'status', 'nodeInfo', 'containerRuntimeVersion') || '<unknown>' },
  ],
  '/namespaces': [{ name: 'Status', cell: (object) => text(object, 'status', 'phase') }, age],
  '/configmaps': [
    {
      name: 'Data',
      cell: (object) => Object.keys(objectAt(object, 'data') ?? {}).length + Object.keys(objectAt(object, 'binaryData') ?? {}).length,
    },
    age,
  ],
  '/secrets': [
    { name: 'Type', cell: (object) => text(object, 'type') },
    { name: 'Data', cell: (object) => Object.keys(objectAt(object, 'data') ?? {}).length },
    age,
  ],
  '/serviceaccounts': [{ name: 'Secrets', cell: (object) => listAt(object, 'secrets').length }, age],
  '/services': [
    { name: 'Type', cell: (object) => text(object, 'spec', 'type') },
    { name: 'Cluster-IP', cell: (object) => text(object, 'spec', 'clusterIP') || '<none>' },
    {
      name: 'External-IP',
      cell: (object) => {
        const ingress = listAt(object, 'status', 'loadBalancer', 'ingress').map((each) => text(each, 'ip') || text(each, 'hostname'))
        if (ingress.length > 0) return ingress.join(',')
        return text(object, 'spec', 'type') === 'LoadBalancer' ? '<pending>' : text(object, 'spec', 'externalName') || '<none>'
      },
    },
    {
      name: 'Port(s)',
      cell: (object) =>
        listAt(object, 'spec', 'ports')
          .map((port) => {
            const node = numberAt(port, 'nodePort')
            return `${count(port, 'port')}${node === undefined ? '' : `:${node}`}/${text(port, 'protocol')}`
          })
          .join(',') || '<none>',
    },
    age,
    {
      name: 'Selector',
      wide: true,
      cell: (object) =>
        Object.entries(objectAt(object, 'spec', 'selector') ?? {})
          .map(([key, value]) => `${key}=${String(value)}`)
          .join(',') || '<none>',
    },
  ],
  '/persistentvolumeclaims': [
    {
      name: 'Status',
      cell: (object) => (stringAt(object, 'metadata', 'deletionTimestamp') === undefined ? text(object, 'status', 'phase') : 'Terminating'),
    },
    { name: 'Volume', cell: (object) => text(object, 'spec', 'volumeName') },
    { name: 'Capacity', cell: (object) => text(object, 'status', 'capacity', 'storage') },
    {
      name: 'Access Modes',
      cell: (object) =>
        listAt(object, 'status', 'accessModes')
          .map((mode) => accessShort[String(mode)] ?? '')
          .join(','),
    },
    { name: 'StorageClass', cell: (object) => text(object, 'spec', 'storageClassName') },
    age,
    { name: 'VolumeMode', wide: true, cell: (object) => text(object, 'spec', 'volumeMode') || '<unset>' },
  ],
  '/events': [
    { name: 'Last Seen', cell: (object, now) => since(object, now, 'lastTimestamp') },
    { name: 'Type', cell: (object) => text(object, 'type') },
    { name: 'Reason', cell: (object) => text(object, 'reason') },
    {
      name: 'Object',
      cell: (object) => `${text(object, 'involvedObject', 'kind').toLowerCase()}/${text(object, 'involvedObject', 'name')}`,
    },
    { name: 'Subobject', wide: true, cell: (object) => text(object, 'involvedObject', 'fieldPath') },
    { name: 'Source', wide: true, cell: (object) => text(object, 'source', 'component') },
    { name: 'Message', cell: (object) => text(object, 'message').trim() },
    { name: 'First Seen', wide: true, cell: (object, now) => since(object, now, 'firstTimestamp') },
    { name: 'Count', wide: true, cell: (object) => count(object, 'count') },
    { name: 'Name', wide: true, cell: (object) => text(object, 'metadata', 'name') },
  ],
  'apps/deployments': [
    { name: 'Ready', cell: (object) => `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}` },
    { name: 'Up-to-date', cell: (object) => count(object, 'status', 'updatedReplicas') },
    { name: 'Available', cell: (object) => count(object, 'status', 'availableReplicas') },
    age,
    ...wideSet,
    selector,
  ],
  'apps/replicasets': [
    number('Desired', 'spec', 'replicas'),
    number('Current', 'status', 'replicas'),
    number('Ready', 'status', 'readyReplicas'),
    age,
    ...wideSet,
    selector,
  ],
  'apps/statefulsets': [
    { name: 'Ready', cell: (object) => `${count(object, 'status', 'readyReplicas')}/${count(object, 'spec', 'replicas')}` },
    age,
    ...wideSet,
  ],
  'apps/daemonsets': [
    number('Desired', 'status', 'desiredNumberScheduled'),
    number('Current', 'status', 'currentNumberScheduled'),
    number('Ready', 'status', 'numberReady'),
    number('Up-to-date', 'status', 'updatedNumberScheduled'),
    number('Available', 'status', 'numberAvailable'),
    {
      name: 'Node Selector',
      cell: (object) =>
        Object.entries(objectAt(object, 'spec', 'template', 'spec', 'nodeSelector') ?? {})
          .map(([key, value]) => `${key}=${String(value)}`)
          .join(',') || '<none>',
    },
    age,
    ...wideSet,
    selector,
  ],
  'apps/controllerrevisions': [
    {
      name: 'Controller',
      cell: (object) => {
        const owner = listAt(object, 'metadata', 'ownerReferences').find((each) => at(each, 'controller') === true)
        return owner === undefined ? '<none>' : `${text(owner, 'kind').toLowerCase()}.apps/${text(owner, 'name')}`
      },
    },
    { name: 'Revision', cell: (object) => count(object, 'revision') },
    age,
  ],
  'batch/jobs': [
    {
      name: 'Completions',
      cell: (object) => {
        const wanted = numberAt(object, 'spec', 'completions')
        const parallelism = count(object, 'spec', 'parallelism')
        const done = count(object, 'status', 'succeeded')
        return wanted === undefined ? (parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`) : `${done}/${wanted}`
      },
    },
    {
      name: 'Duration',
      cell: (object, now) => {
        const start = epochMsOf(stringAt(object, 'status', 'startTime'))
        return start === undefined ? '' : ageText(start, epochMsOf(stringAt(object, 'status', 'completionTime')) ?? now)
      },
    },
    age,
    ...wideSet,
    selector,
  ],
  'batch/cronjobs': [
    { name: 'Schedule', cell: (object) => text(object, 'spec', 'schedule') },
    { name: 'Suspend', type: 'boolean', cell: (object) => (at(object, 'spec', 'suspend') === true ? 'True' : 'False') },
    { name: 'Active', type: 'integer', cell: (object) => listAt(object, 'status', 'active').length },
    {
      name: 'Last Schedule',
      cell: (object, now) =>
        stringAt(object, 'status', 'lastScheduleTime') === undefined ? '<none>' : since(object, now, 'status', 'lastScheduleTime'),
    },
    age,
    {
      name: 'Containers',
      wide: true,
      cell: (object) =>
        listAt(object, 'spec', 'jobTemplate', 'spec', 'template', 'spec', 'containers')
          .map((container) => text(container, 'name'))
          .join(','),
    },
    {
      name: 'Images',
      wide: true,
      cell: (object) =>
        listAt(object, 'spec', 'jobTemplate', 'spec', 'template', 'spec', 'containers')
          .map((container) => text(container, 'image'))
          .join(','),
    },
    {
      name: 'Selector',
      wide: true,
      cell: (object) => Object.keys(objectAt(object, 'spec', 'jobTemplate', 'spec', 'selector') ?? {}).join(',') || '<none>',
    },
  ],
  'autoscaling/horizontalpodautoscalers': [
    {
      name: 'Reference',
      cell: (object) => `${text(object, 'spec', 'scaleTargetRef', 'kind')}/${text(object, 'spec', 'scaleTargetRef', 'name')}`,
    },
    { name: 'Targets', cell: targets },
    { name: 'MinPods', cell: (object) => String(at(object, 'spec', 'minReplicas') ?? '<unset>') },
    { name: 'MaxPods', cell: (object) => count(object, 'spec', 'maxReplicas') },
    { name: 'Replicas', cell: (object) => count(object, 'status', 'currentReplicas') },
    age,
  ],
  'policy/poddisruptionbudgets': [
    { name: 'Min Available', cell: (object) => limit(object, 'minAvailable') },
    { name: 'Max Unavailable', cell: (object) => limit(object, 'maxUnavailable') },
    { name: 'Allowed Disruptions', type: 'integer', cell: (object) => count(object, 'status', 'disruptionsAllowed') },
    age,
  ],
  'coordination.k8s.io/leases': [{ name: 'Holder', cell: (object) => text(object, 'spec', 'holderIdentity') }, age],
  'apiextensions.k8s.io/customresourcedefinitions': [
    { name: 'Created At', cell: (object) => text(object, 'metadata', 'creationTimestamp') },
  ],
}
