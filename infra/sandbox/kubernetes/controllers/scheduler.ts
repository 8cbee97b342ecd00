import type { Json } from '../json.ts'
import { byText, listAt, objectAt, stringAt } from '../json.ts'
import { isNodeReady } from '../nodes.ts'
import { milliOf } from '../quantity.ts'
import { matcherOf } from '../selectors.ts'
import type { Node, Pod, PodSpec, Taint, Toleration } from '../shapes.ts'
import { isNode } from '../shapes.ts'
import { allObjects, storeObject } from '../store.ts'
import { timeText } from '../time.ts'
import { selectorOf } from '../validate-pods.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byAge, conditionOf, kinds, podsOf, save, withCondition } from './cluster.ts'
import { emit } from './events.ts'

/** What pods on a node take, and what it has. Thousandths of a core and of a byte. */
interface Room {
  readonly node: Node
  readonly cpu: number
  readonly memory: number
  readonly pods: number
  usedCpu: number
  usedMemory: number
  usedPods: number
  readonly residents: Pod[]
}

/** Puts pods on nodes: by what they ask for, by taints, selectors and affinity; the emptiest node first. */
export const schedulerController: Controller = {
  name: 'scheduler',
  watches: ['/pods', '/nodes'],
  run: (cluster) => {
    const pods = podsOf(cluster)
    const waiting = pods.filter(
      (pod) => (pod.spec.nodeName ?? '') === '' && pod.metadata.deletionTimestamp === undefined && pod.status.phase === 'Pending',
    )
    if (waiting.length === 0) return undefined
    const rooms = roomsOf(cluster, pods)
    for (const pod of waiting.sort(byUrgency)) place(cluster, pod, rooms)
    return undefined
  },
}

function byUrgency(left: Pod, right: Pod): number {
  const priority = (pod: Pod): number => (typeof pod.spec.priority === 'number' ? pod.spec.priority : 0)
  return priority(right) - priority(left) || byAge(left, right)
}

function roomsOf(cluster: Cluster, pods: readonly Pod[]): Room[] {
  const rooms = allObjects(cluster.state, '', 'nodes')
    .filter(isNode)
    .sort((left, right) => byText(left.metadata.name, right.metadata.name))
    .map(
      (node): Room => ({
        node,
        cpu: milliOf(node.status.allocatable?.cpu),
        memory: milliOf(node.status.allocatable?.memory),
        pods: milliOf(node.status.allocatable?.pods) / 1000,
        usedCpu: 0,
        usedMemory: 0,
        usedPods: 0,
        residents: [],
      }),
    )
  const byName = new Map(rooms.map((room) => [room.node.metadata.name, room]))
  for (const pod of pods) {
    const room = byName.get(pod.spec.nodeName ?? '')
    if (room !== undefined && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed') occupy(room, pod)
  }
  return rooms
}

function occupy(room: Room, pod: Pod): void {
  const { cpu, memory } = requestOf(pod.spec)
  room.usedCpu += cpu
  room.usedMemory += memory
  room.usedPods += 1
  room.residents.push(pod)
}

const requests = new WeakMap<object, { readonly cpu: number; readonly memory: number }>()

/** What a pod asks for: its containers together, or an init container that asks for more. */
function requestOf(spec: PodSpec): { readonly cpu: number; readonly memory: number } {
  const known = requests.get(spec.containers)
  if (known !== undefined) return known
  const sum = (resource: string): number => {
    const running = spec.containers.reduce((total, container) => total + milliOf(container.resources.requests?.[resource]), 0)
    return Math.max(running, ...(spec.initContainers ?? []).map((container) => milliOf(container.resources.requests?.[resource])))
  }
  const request = { cpu: sum('cpu'), memory: sum('memory') }
  requests.set(spec.containers, request)
  return request
}

function place(cluster: Cluster, pod: Pod, rooms: readonly Room[]): void {
  const refusals = new Map<string, number>()
  let best: Room | undefined
  for (const room of rooms) {
    const refusal = refusalOf(pod, room)
    if (refusal !== undefined) refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1)
    else if (best === undefined || load(room) < load(best)) best = room
  }
  if (best === undefined) {
    const reasons = [...refusals].map(([reason, count]) => `${count} ${reason}`).sort(byText)
    const message =
      rooms.length === 0 ? 'no nodes available to schedule pods' : `0/${rooms.length} nodes are available: ${reasons.join(', ')}.`
    const before = conditionOf(pod.status.conditions, 'PodScheduled')
    const next = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }
    save(cluster, kinds.pod, { ...pod, status: { ...pod.status, conditions: withCondition(pod.status.conditions, next, cluster.now) } })
    if (before?.message !== message) emit(cluster, pod, 'Warning', 'FailedScheduling', message, 'default-scheduler')
    return
  }
  const scheduled: Pod = {
    ...pod,
    spec: { ...pod.spec, nodeName: best.node.metadata.name },
    status: {
      ...pod.status,
      conditions: [
        ...(pod.status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled'),
        { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: timeText(cluster.now) },
      ],
    },
  }
  storeObject(cluster.state, kinds.pod, scheduled)
  occupy(best, scheduled)
}

function load(room: Room): number {
  const part = (used: number, all: number): number => (all === 0 ? 1 : used / all)
  return part(room.usedCpu, room.cpu) + part(room.usedMemory, room.memory) + part(room.usedPods, room.pods) / 10
}

/** Why a node does not take a pod, in the scheduler's words; undefined when it does. */
function refusalOf(pod: Pod, room: Room): string | undefined {
  const { node } = room
  if (node.spec.unschedulable === true && !tolerates(pod.spec.tolerations, unschedulableTaint)) return 'node(s) were unschedulable'
  const taint = (node.spec.taints ?? []).find((each) => each.effect !== 'PreferNoSchedule' && !tolerates(pod.spec.tolerations, each))
  if (taint !== undefined) return `node(s) had taint {${taint.key}: ${taint.value ?? ''}}, that the pod didn't tolerate`
  if (!isNodeReady(node) && !tolerates(pod.spec.tolerations, notReadyTaint)) return 'node(s) were not ready'
  if (!fitsNode(pod.spec, node)) return "node(s) didn't match node selector"
  if (room.usedPods + 1 > room.pods) return 'Too many pods'
  const { cpu, memory } = requestOf(pod.spec)
  if (cpu > 0 && room.usedCpu + cpu > room.cpu) return 'Insufficient cpu'
  if (memory > 0 && room.usedMemory + memory > room.memory) return 'Insufficient memory'
  if (!keepsDistance(pod, room)) return "node(s) didn't match pod affinity/anti-affinity"
  return undefined
}

const unschedulableTaint: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }
const notReadyTaint: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }

/** Whether tolerations cover a taint. */
export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return (tolerations ?? []).some(
    ({ key, operator, value, effect }) =>
      ((effect ?? '') === '' || effect === taint.effect) &&
      ((key ?? '') === '' ? operator === 'Exists' : key === taint.key && (operator === 'Exists' || (value ?? '') === (taint.value ?? ''))),
  )
}

/** Whether a pod's node selector and its required node affinity let it onto a node. */
export function fitsNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {}
  if (Object.entries(spec.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value)) return false
  const required = objectAt(spec, 'affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution')
  if (required === undefined) return true
  return listAt(required, 'nodeSelectorTerms').some(
    (term) =>
      listAt(term, 'matchExpressions').every((each) => expressionFits(each, labels[stringAt(each, 'key') ?? ''])) &&
      listAt(term, 'matchFields').every((each) =>
        expressionFits(each, stringAt(each, 'key') === 'metadata.name' ? node.metadata.name : undefined),
      ) &&
      listAt(term, 'matchExpressions').length + listAt(term, 'matchFields').length > 0,
  )
}

function expressionFits(expression: Json, value: string | undefined): boolean {
  const values = listAt(expression, 'values')
  switch (stringAt(expression, 'operator')) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0])
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0])
    default:
      return false
  }
}

/** Whether required anti-affinity lets a pod onto a node beside those that are there. Only the node itself counts as a place. */
function keepsDistance(pod: Pod, room: Room): boolean {
  const terms = listAt(pod.spec, 'affinity', 'podAntiAffinity', 'requiredDuringSchedulingIgnoredDuringExecution')
  return terms.every((term) => {
    if (stringAt(term, 'topologyKey') !== 'kubernetes.io/hostname') return true
    const matches = matcherOf(selectorOf(objectAt(term, 'labelSelector')))
    const namespaces = listAt(term, 'namespaces')
    return !room.residents.some((other) => {
      const namespace = other.metadata.namespace ?? ''
      const isMeant = namespaces.length === 0 ? namespace === pod.metadata.namespace : namespaces.includes(namespace)
      return isMeant && matches(other.metadata.labels)
    })
  })
}
