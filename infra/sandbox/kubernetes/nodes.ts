import { evictPod } from './eviction.ts'
import type { JsonObject } from './json.ts'
import { byText } from './json.ts'
import { knownKind } from './kinds.ts'
import { getObject, putObject, removeObject } from './objects.ts'
import type { Condition, KubeObject, Node, Pod, StringMap, Taint } from './shapes.ts'
import { isNode, isPod } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { allObjects, storeObject } from './store.ts'
import { timeText } from './time.ts'

/** A machine that joins a cluster. */
export interface NewNode {
  readonly name: string
  readonly internalIp: string
  /** Cores, as in 4 or 0.5. */
  readonly cpu: number
  readonly memoryBytes: number
  readonly maxPods: number
  readonly labels?: { readonly [key: string]: string }
  readonly taints?: readonly { readonly key: string; readonly value?: string; readonly effect: string }[]
  readonly unschedulable?: boolean
  readonly ready: boolean
  readonly providerId?: string
  /** A virtual node: room for pods without a machine. */
  readonly virtual?: boolean
}

/** A pod on a node, as far as the platform's own answers need it. */
export interface PodOnNode {
  readonly name: string
  readonly namespace: string
  readonly nodeIp: string
  /** Whether a DaemonSet keeps it there: draining leaves it. */
  readonly daemon: boolean
}

/** Taints that follow from what a node is or does, and are put on and taken off with it. */
export const nodeTaints = {
  notReady: 'node.kubernetes.io/not-ready',
  unschedulable: 'node.kubernetes.io/unschedulable',
  virtual: 'eks.tke.cloud.tencent.com/eklet',
} as const

/** Adds a node, or replaces the node of that name. It takes pods from the next pass of the controllers on. */
export function addNode(state: KubernetesState, node: NewNode, now: number): Node {
  const resources = {
    cpu: `${Math.round(node.cpu * 1000)}m`,
    memory: String(node.memoryBytes),
    pods: String(node.maxPods),
    'ephemeral-storage': '50Gi',
  }
  const labels: StringMap = {
    'kubernetes.io/hostname': node.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': 'amd64',
    ...(node.virtual === true ? { 'node.kubernetes.io/instance-type': 'eklet' } : {}),
    ...node.labels,
  }
  const taints: Taint[] = [
    ...(node.taints ?? []).map((taint) => ({ ...taint })),
    ...(node.virtual === true ? [{ key: nodeTaints.virtual, effect: 'NoSchedule' }] : []),
  ]
  const object: JsonObject = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels },
    spec: {
      ...(node.providerId === undefined ? {} : { providerID: node.providerId }),
      ...(node.unschedulable === true ? { unschedulable: true } : {}),
      ...(taints.length === 0 ? {} : { taints }),
    },
    status: {
      capacity: resources,
      allocatable: { ...resources },
      addresses: [
        { type: 'InternalIP', address: node.internalIp },
        { type: 'Hostname', address: node.name },
      ],
      conditions: nodeConditions(node.ready, now),
      nodeInfo: {
        machineID: '',
        systemUUID: '',
        bootID: '',
        kernelVersion: '5.4.119-19-0009',
        osImage: 'TencentOS Server 3.1',
        containerRuntimeVersion: 'docker://19.3.9',
        kubeletVersion: `v${state.version}`,
        kubeProxyVersion: `v${state.version}`,
        operatingSystem: 'linux',
        architecture: 'amd64',
      },
    },
  }
  putObject(state, object, now)
  applyTaints(state, node.name, now)
  return nodeOf(state, node.name)
}

function nodeConditions(ready: boolean, now: number): Condition[] {
  const at = timeText(now)
  const pressure = (type: string, reason: string, message: string): Condition => ({
    type,
    status: 'False',
    lastHeartbeatTime: at,
    lastTransitionTime: at,
    reason,
    message,
  })
  return [
    pressure('MemoryPressure', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
    pressure('DiskPressure', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
    pressure('PIDPressure', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
    {
      type: 'Ready',
      status: ready ? 'True' : 'Unknown',
      lastHeartbeatTime: at,
      lastTransitionTime: at,
      reason: ready ? 'KubeletReady' : 'NodeStatusUnknown',
      message: ready ? 'kubelet is posting ready status' : 'Kubelet stopped posting node status.',
    },
  ]
}

/** Takes a node away, as when its machine is returned: its pods end at once and their controllers replace them elsewhere. */
export function removeNode(state: KubernetesState, name: string, _now: number): void {
  for (const pod of podsOf(state, name)) removeObject(state, '', 'pods', pod.metadata.name, pod.metadata.namespace)
  removeObject(state, '', 'nodes', name)
}

/** Says whether a node's kubelet reports. A node that does not lets its pods go after five minutes. Throws when there is none. */
export function setNodeReady(state: KubernetesState, name: string, ready: boolean, now: number): void {
  const node = nodeOf(state, name)
  if (isNodeReady(node) === ready) return
  const before = node.status.conditions ?? []
  const [changed] = nodeConditions(ready, now).filter(({ type }) => type === 'Ready')
  if (changed === undefined) return
  store(state, { ...node, status: { ...node.status, conditions: [...before.filter(({ type }) => type !== 'Ready'), changed] } })
  applyTaints(state, name, now)
}

/** Cordons a node or lifts that. Pods that run stay. Throws when there is none. */
export function setNodeUnschedulable(state: KubernetesState, name: string, unschedulable: boolean, now: number = state.advancedTo): void {
  const node = nodeOf(state, name)
  if ((node.spec.unschedulable === true) === unschedulable) return
  const spec = { ...node.spec }
  if (unschedulable) spec.unschedulable = true
  else delete spec.unschedulable
  store(state, { ...node, spec })
  applyTaints(state, name, now)
}

/** The pods on a node that have not ended, ordered by namespace and name. */
export function podsOnNode(state: KubernetesState, name: string): PodOnNode[] {
  const node = getObject(state, '', 'nodes', name)
  const nodeIp = isNode(node) ? internalIpOf(node) : ''
  return podsOf(state, name).map((pod) => ({
    name: pod.metadata.name,
    namespace: pod.metadata.namespace ?? '',
    nodeIp,
    daemon: isDaemonPod(pod),
  }))
}

/**
 * Cordons a node and evicts its pods, as far as disruption budgets allow it; those of DaemonSets stay. Answers the pods
 * that were asked to leave: what a budget holds back is not among them, and draining again tries it again.
 */
export function drainNode(state: KubernetesState, name: string, now: number): PodOnNode[] {
  setNodeUnschedulable(state, name, true, now)
  return podsOnNode(state, name).filter((pod) => {
    if (pod.daemon) return false
    const object = getObject(state, '', 'pods', pod.name, pod.namespace)
    return isPod(object) && evictPod(state, object, {}, { now, random: () => 0 }) === undefined
  })
}

/** Whether a node's kubelet reports that it is ready. */
export function isNodeReady(node: Node): boolean {
  return (node.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
}

export function internalIpOf(node: Node): string {
  return (node.status.addresses ?? []).find(({ type }) => type === 'InternalIP')?.address ?? ''
}

function isDaemonPod(pod: Pod): boolean {
  return (pod.metadata.ownerReferences ?? []).some(({ kind, controller }) => kind === 'DaemonSet' && controller === true)
}

function podsOf(state: KubernetesState, node: string): Pod[] {
  return allObjects(state, '', 'pods')
    .filter(isPod)
    .filter((pod) => pod.spec.nodeName === node && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed')
    .sort((left, right) => byText(`${left.metadata.namespace}/${left.metadata.name}`, `${right.metadata.namespace}/${right.metadata.name}`))
}

function nodeOf(state: KubernetesState, name: string): Node {
  const node = getObject(state, '', 'nodes', name)
  if (!isNode(node)) throw new Error(`cluster ${state.clusterId} has no node ${name}`)
  return node
}

/** Puts on the taints that follow from a node's state and takes off those that no longer do. */
export function applyTaints(state: KubernetesState, name: string, now: number): void {
  const node = nodeOf(state, name)
  const wanted: Taint[] = [
    ...(node.spec.unschedulable === true ? [{ key: nodeTaints.unschedulable, effect: 'NoSchedule' }] : []),
    ...(isNodeReady(node)
      ? []
      : [
          { key: nodeTaints.notReady, effect: 'NoSchedule' },
          { key: nodeTaints.notReady, effect: 'NoExecute' },
        ]),
  ]
  const before = node.spec.taints ?? []
  const managed = new Set<string>([nodeTaints.unschedulable, nodeTaints.notReady])
  const own = before.filter(({ key }) => !managed.has(key))
  const next = [
    ...own,
    ...wanted.map(
      (taint) => before.find(({ key, effect }) => key === taint.key && effect === taint.effect) ?? { ...taint, timeAdded: timeText(now) },
    ),
  ]
  if (next.length === before.length && next.every((taint, index) => taint === before[index])) return
  const spec = { ...node.spec }
  if (next.length === 0) delete spec.taints
  else spec.taints = next
  store(state, { ...node, spec })
}

function store(state: KubernetesState, node: KubeObject): void {
  storeObject(state, knownKind('', 'Node'), node)
}
