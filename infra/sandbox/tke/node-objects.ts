import type { SimplePodInfo } from '#cloud/generated/tke/structures.ts'
import { addNode, drainNode, podsOnNode } from '../kubernetes/nodes.ts'
import { getObject } from '../kubernetes/objects.ts'
import { isNode } from '../kubernetes/shapes.ts'
import type { KubernetesState } from '../kubernetes/state.ts'
import { labelRecord } from './node-settings.ts'
import type { ClusterState, MachineState, NodeState, VirtualNodePoolState, VirtualNodeState } from './state.ts'

const gib = 1024 ** 3

/** Makes a machine that has finished to initialise appear as a Ready Kubernetes Node. */
export function registerNode(
  kubernetes: KubernetesState,
  cluster: ClusterState,
  machine: MachineState,
  node: NodeState,
  nowMs: number,
): void {
  addNode(
    kubernetes,
    {
      name: node.nodeName,
      internalIp: machine.privateIp,
      cpu: machine.cpuCores,
      memoryBytes: machine.memoryGib * gib,
      maxPods: Math.min(cluster.network.maxNodePodNum, 256),
      labels: {
        'node.kubernetes.io/instance-type': machine.instanceType,
        'failure-domain.beta.kubernetes.io/region': machine.region,
        'failure-domain.beta.kubernetes.io/zone': machine.zone,
        'cloud.tencent.com/node-instance-id': machine.instanceId,
        ...(node.asGroupId === null ? {} : { 'cloud.tencent.com/auto-scaling-group-id': node.asGroupId }),
        ...(node.role === 'WORKER' ? {} : { 'node-role.kubernetes.io/master': '' }),
        ...labelRecord(node.settings.labels),
      },
      taints: node.role === 'WORKER' ? [] : [{ key: 'node-role.kubernetes.io/master', effect: 'NoSchedule' }],
      unschedulable: node.settings.unschedulable,
      ready: true,
      providerId: `qcloud:///${machine.zone}/${machine.instanceId}`,
    },
    nowMs,
  )
}

/** Makes a virtual node appear: nearly unlimited, tainted so that only pods that ask for it land there. */
export function registerVirtualNode(kubernetes: KubernetesState, pool: VirtualNodePoolState, node: VirtualNodeState, nowMs: number): void {
  addNode(
    kubernetes,
    {
      name: node.name,
      internalIp: node.privateIp,
      cpu: 1000,
      memoryBytes: 4000 * gib,
      maxPods: 1000,
      labels: {
        'cloud.tencent.com/virtual-node-pool-id': pool.nodePoolId,
        ...labelRecord(pool.labels),
      },
      taints: pool.taints.map((taint) => ({ key: taint.key, value: taint.value, effect: taint.effect })),
      unschedulable: pool.unschedulable,
      ready: true,
      virtual: true,
    },
    nowMs,
  )
}

/** Whether a Kubernetes Node exists and is cordoned. */
export function nodeUnschedulable(kubernetes: KubernetesState | undefined, nodeName: string): boolean {
  const object = kubernetes === undefined ? undefined : getObject(kubernetes, '', 'nodes', nodeName)
  return isNode(object) && object.spec.unschedulable === true
}

/**
 * The pods of a node that a drain moves: all but those of DaemonSets, which stay with their node. Unless it is a dry run,
 * the node is cordoned and they are evicted.
 */
export function drain(kubernetes: KubernetesState, nodeName: string, dryRun: boolean, nowMs: number): SimplePodInfo[] {
  const pods = podsOnNode(kubernetes, nodeName).filter((pod) => !pod.daemon)
  if (!dryRun) drainNode(kubernetes, nodeName, nowMs)
  return pods.map((pod) => ({ Name: pod.name, Namespace: pod.namespace, NodeIp: pod.nodeIp }))
}
