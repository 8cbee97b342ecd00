import { drainNode } from '../kubernetes/nodes.ts'
import { listObjects } from '../kubernetes/objects.ts'
import { milliOf } from '../kubernetes/quantity.ts'
import { isDaemonSet, isNode, isPod, type Node, type Pod, type PodSpec } from '../kubernetes/shapes.ts'
import type { KubernetesState } from '../kubernetes/state.ts'
import type { World } from '../world.ts'
import { writeAutoscalerStatus } from './autoscaler-status.ts'
import { kubernetesOf } from './find-cluster.ts'
import { instanceType } from './instance-types.ts'
import { groupMachines, nodesOf, terminate } from './machines.ts'
import { labelRecord } from './node-settings.ts'
import type { AsGroupState, ClusterState, MachineState, NodeSettingsState } from './state.ts'

/** What pods ask for: thousandths of a core, thousandths of a byte, places. */
interface Load {
  readonly cpu: number
  readonly memory: number
  readonly pods: number
}

/** What a node, or one to come, has left. */
interface Room {
  cpu: number
  memory: number
  pods: number
  readonly labels: Readonly<Record<string, string>>
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
  const pods = listObjects(kubernetes, '', 'pods')
    .filter(isPod)
    .filter((pod) => pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed')
  if (pods.some(hasNoPlace)) grow(world, cluster, kubernetes, groups, pods, now, random)
  if (cluster.asOption.isScaleDownEnabled) shrink(world, cluster, kubernetes, groups, pods, now)
  else for (const instanceId of Object.keys(cluster.autoscaler.idleSinceMs)) delete cluster.autoscaler.idleSinceMs[instanceId]
  writeAutoscalerStatus(world, cluster, kubernetes, groups, now)
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

function loadOf(spec: PodSpec): Load {
  return total(
    spec.containers.map(({ resources }) => ({
      cpu: milliOf(resources.requests?.cpu),
      memory: milliOf(resources.requests?.memory),
      pods: 0,
    })),
    1,
  )
}

function total(loads: readonly Load[], pods = 0): Load {
  return loads.reduce((sum, load) => ({ cpu: sum.cpu + load.cpu, memory: sum.memory + load.memory, pods: sum.pods + load.pods }), {
    cpu: 0,
    memory: 0,
    pods,
  })
}

/** Puts a pod into the first room that it accepts by its node selector and that holds it. */
function place(pod: Pod, rooms: readonly Room[]): boolean {
  const load = loadOf(pod.spec)
  const room = rooms.find(
    (each) => each.cpu >= load.cpu && each.memory >= load.memory && each.pods >= load.pods && accepts(pod, each.labels),
  )
  if (room === undefined) return false
  room.cpu -= load.cpu
  room.memory -= load.memory
  room.pods -= load.pods
  return true
}

function accepts(pod: Pod, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)
}

/** The nodes that take pods, each with what its pods leave; `except` is left out. */
function roomsOfNodes(nodes: readonly Node[], pods: readonly Pod[], except = ''): Room[] {
  return nodes
    .filter((node) => node.metadata.name !== except && node.spec.unschedulable !== true && (node.spec.taints ?? []).length === 0)
    .map((node) => {
      const taken = total(pods.filter((pod) => pod.spec.nodeName === node.metadata.name).map((pod) => loadOf(pod.spec)))
      const whole = allocatable(node)
      return {
        cpu: whole.cpu - taken.cpu,
        memory: whole.memory - taken.memory,
        pods: whole.pods - taken.pods,
        labels: node.metadata.labels ?? {},
      }
    })
}

function allocatable(node: Node): Load {
  const resources = node.status.allocatable
  return { cpu: milliOf(resources?.cpu), memory: milliOf(resources?.memory), pods: milliOf(resources?.pods) / 1000 }
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
  pods: readonly Pod[],
  now: number,
  random: () => number,
): void {
  const daemons = total(
    listObjects(kubernetes, 'apps', 'daemonsets')
      .filter(isDaemonSet)
      .map((set) => loadOf(set.spec.template.spec)),
  )
  const newRoom = (cpuCores: number, memoryGib: number, settings: NodeSettingsState): Room => ({
    cpu: cpuCores * 1000 - daemons.cpu,
    memory: memoryGib * gibMilli - daemons.memory,
    pods: cluster.network.maxNodePodNum - daemons.pods,
    labels: labelRecord(settings.labels),
  })
  const launched = (group: AsGroupState): Room | undefined => {
    const type = instanceType(group.launch.instanceType)
    return type === undefined ? undefined : newRoom(type.cpuCores, type.memoryGib, group.launch.settings)
  }
  // A node that is ready may not have got its pods yet, one that initialises or is still to be bought gets them later.
  const rooms = roomsOfNodes(listObjects(kubernetes, '', 'nodes').filter(isNode), pods)
  for (const machine of nodesOf(world, cluster.clusterId)) {
    if (machine.node?.state === 'initializing') rooms.push(newRoom(machine.cpuCores, machine.memoryGib, machine.node.settings))
  }
  for (const group of groups) {
    const missing = group.desiredSize - groupMachines(world, cluster.clusterId, group.autoScalingGroupId).length
    for (let index = 0; index < missing; index += 1) rooms.push(...[launched(group)].filter((room) => room !== undefined))
  }
  const waiting = pods.filter(hasNoPlace).filter((pod) => !place(pod, rooms))
  const options = groups.map((group) => optionFor(group, waiting, launched)).filter((option) => option.nodes > 0)
  const chosen = choose(options, cluster.asOption.expander, random)
  if (chosen === undefined) return
  chosen.group.desiredSize += chosen.nodes
  chosen.group.nextActivityMs = Math.max(chosen.group.nextActivityMs, now)
  cluster.autoscaler.lastScaleOutMs = now
}

/** How many nodes a group would add for the pods that it can help, within its maximum. */
function optionFor(group: AsGroupState, pods: readonly Pod[], launched: (group: AsGroupState) => Room | undefined): Option {
  const rooms: Room[] = []
  let helped = 0
  for (const pod of pods) {
    if (place(pod, rooms)) {
      helped += 1
      continue
    }
    const room = group.desiredSize + rooms.length < group.maxSize ? launched(group) : undefined
    if (room !== undefined && place(pod, [room])) {
      rooms.push(room)
      helped += 1
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
  let removed = 0
  for (const { machine, group, movable } of due) {
    if (movable.length > 0 || group.desiredSize <= group.minSize || removed >= option.maxEmptyBulkDelete) continue
    group.desiredSize -= 1
    terminate(world, machine, now)
    removed += 1
  }
  const full = removed > 0 ? undefined : due.find(({ group, movable }) => movable.length > 0 && group.desiredSize > group.minSize)
  const fullName = full?.machine.node?.nodeName ?? ''
  if (full === undefined) return
  const elsewhere = roomsOfNodes([...nodes.values()], pods, fullName)
  if (full.movable.every((pod) => place(pod, elsewhere))) drainNode(kubernetes, fullName, now)
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
  const sum = total(counted.map((pod) => loadOf(pod.spec)))
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
