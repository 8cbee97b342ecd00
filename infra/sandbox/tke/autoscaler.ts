import { drainNode } from '../kubernetes/nodes.ts'
import { listObjects } from '../kubernetes/objects.ts'
import { milliOf } from '../kubernetes/quantity.ts'
import { isDaemonSet, isNode, isPod, type Node, type Pod, type PodSpec } from '../kubernetes/shapes.ts'
import type { KubernetesState } from '../kubernetes/state.ts'
import type { World } from '../world.ts'
import { kubernetesOf } from './find-cluster.ts'
import { instanceType } from './instance-types.ts'
import { groupMachines, nodesOf, terminate } from './machines.ts'
import type { AsGroupState, ClusterState, MachineState } from './state.ts'

/** Thousandths of a core and of a byte. */
interface Room {
  cpu: number
  memory: number
}

const minuteMs = 60_000
const gibMilli = 1024 ** 3 * 1000

/**
 * One look of the cluster autoscaler, which every cluster with an enabled scaling group has: groups grow for pods that
 * find no place, and, if the cluster allows it, shrink by nodes that were idle long enough. It only knows pods and
 * groups; bounds are kept. Changes what groups want, and takes idle nodes away itself.
 */
export function autoscale(world: World, cluster: ClusterState, now: number, random: () => number): void {
  const kubernetes = kubernetesOf(world, cluster.clusterId)
  const scanMs = world.tke.behaviour.autoscalerScanMs
  if (kubernetes === undefined || cluster.status !== 'Running' || scanMs <= 0 || now < cluster.autoscaler.lastScanMs + scanMs) return
  const groups = Object.values(cluster.asGroups).filter((group) => group.status === 'enabled' && group.settles === null)
  if (groups.length === 0) return
  cluster.autoscaler.lastScanMs = now
  const pods = listObjects(kubernetes, '', 'pods').filter(isPod)
  const homeless = pods.filter(hasNoPlace)
  if (homeless.length > 0) grow(world, cluster, kubernetes, groups, homeless, now, random)
  if (cluster.asOption.isScaleDownEnabled) shrink(world, cluster, kubernetes, groups, pods, now)
  else for (const instanceId of Object.keys(cluster.autoscaler.idleSinceMs)) delete cluster.autoscaler.idleSinceMs[instanceId]
}

/** Whether the scheduler has tried a pod and found no node for it. */
function hasNoPlace(pod: Pod): boolean {
  return (
    pod.spec.nodeName === undefined &&
    pod.status.phase === 'Pending' &&
    pod.metadata.deletionTimestamp === undefined &&
    (pod.status.conditions ?? []).some((condition) => condition.type === 'PodScheduled' && condition.status === 'False')
  )
}

function requests(pod: Pod): Room {
  return requestsOf(pod.spec)
}

function requestsOf(spec: PodSpec): Room {
  const sum: Room = { cpu: 0, memory: 0 }
  for (const container of spec.containers) {
    sum.cpu += milliOf(container.resources.requests?.cpu)
    sum.memory += milliOf(container.resources.requests?.memory)
  }
  return sum
}

function total(rooms: readonly Room[]): Room {
  return rooms.reduce((sum, room) => ({ cpu: sum.cpu + room.cpu, memory: sum.memory + room.memory }), { cpu: 0, memory: 0 })
}

/** Puts a pod into the first room that holds it. */
function place(pod: Room, rooms: readonly Room[]): boolean {
  const room = rooms.find((each) => each.cpu >= pod.cpu && each.memory >= pod.memory)
  if (room === undefined) return false
  room.cpu -= pod.cpu
  room.memory -= pod.memory
  return true
}

/** The room of a machine for the pods of workloads: what the pods of DaemonSets leave. */
function roomOf(cpuCores: number, memoryGib: number, daemons: Room): Room {
  return { cpu: cpuCores * 1000 - daemons.cpu, memory: memoryGib * gibMilli - daemons.memory }
}

/** Whether a pod would accept a node of the group by its labels. */
function accepts(pod: Pod, group: AsGroupState): boolean {
  return Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) =>
    group.launch.settings.labels.some((label) => label.name === key && label.value === value),
  )
}

interface Option {
  readonly group: AsGroupState
  readonly nodes: number
  readonly pods: number
  readonly waste: number
}

/** Enlarges one group, chosen by the cluster's expander, by the nodes that the pods without a place need. */
function grow(
  world: World,
  cluster: ClusterState,
  kubernetes: KubernetesState,
  groups: readonly AsGroupState[],
  homeless: readonly Pod[],
  now: number,
  random: () => number,
): void {
  const daemons = total(
    listObjects(kubernetes, 'apps', 'daemonsets')
      .filter(isDaemonSet)
      .map((set) => requestsOf(set.spec.template.spec)),
  )
  const coming = nodesOf(world, cluster.clusterId)
    .filter((machine) => machine.node?.state === 'initializing')
    .map((machine) => roomOf(machine.cpuCores, machine.memoryGib, daemons))
  for (const group of groups) {
    const type = instanceType(group.launch.instanceType)
    const missing = group.desiredSize - groupMachines(world, cluster.clusterId, group.autoScalingGroupId).length
    for (let index = 0; type !== undefined && index < missing; index += 1) coming.push(roomOf(type.cpuCores, type.memoryGib, daemons))
  }
  const waiting = homeless.filter((pod) => !place(requests(pod), coming))
  const options = groups.map((group) => optionFor(group, waiting, daemons)).filter((option) => option.nodes > 0)
  const chosen = choose(options, cluster.asOption.expander, random)
  if (chosen === undefined) return
  chosen.group.desiredSize += chosen.nodes
  chosen.group.nextActivityMs = Math.max(chosen.group.nextActivityMs, now)
  cluster.autoscaler.lastScaleOutMs = now
}

/** How many nodes a group would add for the pods that it can help, within its maximum. */
function optionFor(group: AsGroupState, pods: readonly Pod[], daemons: Room): Option {
  const type = instanceType(group.launch.instanceType)
  const rooms: Room[] = []
  let helped = 0
  for (const pod of type === undefined ? [] : pods.filter((each) => accepts(each, group))) {
    const wanted = requests(pod)
    if (place(wanted, rooms)) {
      helped += 1
    } else if (type !== undefined && group.desiredSize + rooms.length < group.maxSize) {
      const room = roomOf(type.cpuCores, type.memoryGib, daemons)
      if (place(wanted, [room])) {
        rooms.push(room)
        helped += 1
      }
    }
  }
  const left = rooms.reduce((sum, room) => sum + room.cpu, 0)
  return { group, nodes: rooms.length, pods: helped, waste: rooms.length === 0 ? 0 : left / rooms.length }
}

function choose(options: readonly Option[], expander: ClusterState['asOption']['expander'], random: () => number): Option | undefined {
  switch (expander) {
    case 'random':
      return options[Math.floor(random() * options.length)]
    case 'most-pods':
      return [...options].sort((one, other) => other.pods - one.pods)[0]
    case 'least-waste':
      return [...options].sort((one, other) => one.waste - other.waste)[0]
  }
}

/** Takes away nodes that were idle long enough: empty ones several at once, one with pods by draining it first. */
function shrink(
  world: World,
  cluster: ClusterState,
  kubernetes: KubernetesState,
  groups: readonly AsGroupState[],
  pods: readonly Pod[],
  now: number,
): void {
  const option = cluster.asOption
  const nodes = new Map(
    listObjects(kubernetes, '', 'nodes')
      .filter(isNode)
      .map((node) => [node.metadata.name, node]),
  )
  const idleSince = cluster.autoscaler.idleSinceMs
  const due: { readonly machine: MachineState; readonly group: AsGroupState; readonly movable: readonly Pod[] }[] = []
  for (const group of groups) {
    for (const machine of groupMachines(world, cluster.clusterId, group.autoScalingGroupId)) {
      const node = nodes.get(machine.node?.nodeName ?? '')
      const onNode = pods.filter((pod) => pod.spec.nodeName === machine.node?.nodeName && pod.metadata.deletionTimestamp === undefined)
      if (node === undefined || !isIdle(cluster, node, onNode)) {
        delete idleSince[machine.instanceId]
        continue
      }
      const since = idleSince[machine.instanceId] ?? now
      idleSince[machine.instanceId] = since
      if (now - since < option.scaleDownUnneededMinutes * minuteMs) continue
      due.push({ machine, group, movable: onNode.filter((pod) => !ofDaemonSet(pod)) })
    }
  }
  if (now - cluster.autoscaler.lastScaleOutMs < option.scaleDownDelayMinutes * minuteMs) return
  const empty = due.filter(({ movable }) => movable.length === 0).slice(0, option.maxEmptyBulkDelete)
  for (const { machine, group } of empty) {
    if (group.desiredSize <= group.minSize) continue
    group.desiredSize -= 1
    terminate(world, machine, now)
  }
  const full = empty.length > 0 ? undefined : due.find(({ group, movable }) => movable.length > 0 && group.desiredSize > group.minSize)
  if (full !== undefined && fitElsewhere(full.machine, full.movable, nodes, pods))
    drainNode(kubernetes, full.machine.node?.nodeName ?? '', now)
}

function ofDaemonSet(pod: Pod): boolean {
  return (pod.metadata.ownerReferences ?? []).some((owner) => owner.kind === 'DaemonSet')
}

/** Whether a node counts as idle under the cluster's settings: little asked of it, and nothing on it that has to stay. */
function isIdle(cluster: ClusterState, node: Node, pods: readonly Pod[]): boolean {
  const option = cluster.asOption
  if (node.metadata.annotations?.['cluster-autoscaler.kubernetes.io/scale-down-disabled'] === 'true') return false
  const movable = pods.filter((pod) => !ofDaemonSet(pod))
  const stays = movable.some(
    (pod) =>
      (pod.metadata.ownerReferences ?? []).length === 0 ||
      (option.skipNodesWithSystemPods && pod.metadata.namespace === 'kube-system') ||
      (option.skipNodesWithLocalStorage && hasLocalStorage(pod)),
  )
  if (stays) return false
  const counted = option.ignoreDaemonSetsUtilization ? movable : pods
  const sum = total(counted.map(requests))
  const room = allocatable(node)
  return Math.max(sum.cpu / room.cpu, sum.memory / room.memory) * 100 < option.scaleDownUtilizationPercent
}

function hasLocalStorage(pod: Pod): boolean {
  const volumes = pod.spec.volumes
  return (
    Array.isArray(volumes) &&
    volumes.some((volume) => typeof volume === 'object' && volume !== null && ('emptyDir' in volume || 'hostPath' in volume))
  )
}

function allocatable(node: Node): Room {
  return { cpu: milliOf(node.status.allocatable?.cpu), memory: milliOf(node.status.allocatable?.memory) }
}

/** Whether the pods of a node would find room on the other nodes that take pods. */
function fitElsewhere(machine: MachineState, movable: readonly Pod[], nodes: ReadonlyMap<string, Node>, pods: readonly Pod[]): boolean {
  const rooms = [...nodes.values()]
    .filter(
      (node) => node.metadata.name !== machine.node?.nodeName && node.spec.unschedulable !== true && (node.spec.taints ?? []).length === 0,
    )
    .map((node) => {
      const room = allocatable(node)
      for (const pod of pods.filter((each) => each.spec.nodeName === node.metadata.name)) {
        const taken = requests(pod)
        room.cpu -= taken.cpu
        room.memory -= taken.memory
      }
      return room
    })
  return movable.every((pod) => place(requests(pod), rooms))
}
