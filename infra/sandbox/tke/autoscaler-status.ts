import { putObject } from '../kubernetes/objects.ts'
import type { KubernetesState } from '../kubernetes/state.ts'
import type { World } from '../world.ts'
import { isoTime } from './iso-time.ts'
import { groupMachines } from './machines.ts'
import type { AsGroupState, ClusterState } from './state.ts'

/**
 * Leaves the sign of life that the cluster autoscaler leaves at each look: its status as a ConfigMap in kube-system, with
 * the bounds and the wanted size of each group it looks after. Where it has stopped, the last one stays.
 */
export function writeAutoscalerStatus(
  world: World,
  cluster: ClusterState,
  kubernetes: KubernetesState,
  groups: readonly AsGroupState[],
  now: number,
): void {
  const lines = groups.flatMap((group) => {
    const states = groupMachines(world, cluster.clusterId, group.autoScalingGroupId).map((machine) => machine.node?.state)
    const count = (state: string) => states.filter((each) => each === state).length
    const health = `ready=${count('running')} unready=${count('failed')} notStarted=${count('initializing')}`
    return [
      `  Name:      ${group.autoScalingGroupId}`,
      `  Health:    ${count('failed') === 0 ? 'Healthy' : 'Unhealthy'} (${health} cloudProviderTarget=${group.desiredSize} (minSize=${group.minSize}, maxSize=${group.maxSize}))`,
      `  ScaleUp:   ${states.length < group.desiredSize || count('initializing') > 0 ? 'InProgress' : 'NoActivity'}`,
      `  ScaleDown: ${cluster.asOption.isScaleDownEnabled ? 'NoCandidates' : 'Disabled'}`,
    ]
  })
  putObject(
    kubernetes,
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'cluster-autoscaler-status',
        namespace: 'kube-system',
        annotations: { 'cluster-autoscaler.kubernetes.io/last-updated': isoTime(now) },
      },
      data: { status: [`Cluster-autoscaler status at ${isoTime(now)}:`, 'NodeGroups:', ...lines, ''].join('\n') },
    },
    now,
  )
}
