import { PlatformFault } from '../reducer.ts'
import { findRunningCluster, kubernetesOf } from './find-cluster.ts'
import { lookUp } from './look-up.ts'
import { drain } from './node-objects.ts'
import type { TkeReducer } from './tke-reducer.ts'

/**
 * Empties a node: it is cordoned and its pods are evicted, those of DaemonSets excepted. Answers the pods that were there.
 * DryRun only answers them. The node stays cordoned, and in the cluster; a second call finds what is left.
 */
export const drainClusterNode: TkeReducer<'DrainClusterNode'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const machine = lookUp(context.world.tke.machines, request.InstanceId)
  const node = machine?.node
  if (machine === undefined || node?.clusterId !== cluster.clusterId) {
    throw new PlatformFault('ResourceNotFound', `${request.InstanceId} is not a node of cluster ${cluster.clusterId}.`)
  }
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (node.state !== 'running' || kubernetes === undefined) {
    throw new PlatformFault('ResourceUnavailable', `${request.InstanceId} is ${node.state}; only a running node can be drained.`)
  }
  return { Pods: drain(kubernetes, node.nodeName, request.DryRun === true, context.now) }
}
