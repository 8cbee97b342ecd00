import type { SummaryService } from '#cloud/generated/tke/structures.ts'
import { at, listAt, numberAt, objectAt, stringAt } from '../kubernetes/json.ts'
import { listObjects } from '../kubernetes/objects.ts'
import { isDeployment, isStatefulSet, type KubeObject } from '../kubernetes/shapes.ts'
import type { KubernetesState } from '../kubernetes/state.ts'
import { PlatformFault } from '../reducer.ts'
import { findCluster, kubernetesOf } from './find-cluster.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The Services of a namespace (`default` when none is named), or of all, with the replicas behind each selector. */
export const describeClusterServices: TkeReducer<'DescribeClusterServices'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InvalidParameter.ClusterNotFound')
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (kubernetes === undefined) {
    throw new PlatformFault(
      'InternalError.UnexceptedInternal',
      `Cluster ${cluster.clusterId} is ${cluster.status}; it has no Kubernetes API yet.`,
    )
  }
  const namespace = Number(request.AllNamespace ?? 0) === 0 ? (request.Namespace ?? 'default') : undefined
  const services = listObjects(kubernetes, '', 'services', namespace)
  return { TotalCount: services.length, Services: services.map((service) => serviceAnswer(kubernetes, service)) }
}

function serviceAnswer(kubernetes: KubernetesState, service: KubeObject): SummaryService {
  const selector = textMap(objectAt(service, 'spec', 'selector'))
  const { desired, ready } = replicasBehind(kubernetes, service.metadata.namespace ?? '', selector)
  const ingress = listAt(service, 'status', 'loadBalancer', 'ingress')[0]
  const type = stringAt(service, 'spec', 'type') ?? 'ClusterIP'
  const labels = service.metadata.labels ?? {}
  return {
    Name: service.metadata.name,
    Status: ready >= desired ? 'Normal' : 'Updating',
    ServiceIp: stringAt(service, 'spec', 'clusterIP') ?? '',
    ExternalIp: stringAt(ingress, 'ip') ?? '',
    LbId: service.metadata.annotations?.['service.kubernetes.io/loadbalance-id'] ?? '',
    LbStatus: type !== 'LoadBalancer' ? '' : at(ingress, 'ip') === undefined ? 'Creating' : 'Normal',
    AccessType: type,
    DesiredReplicas: desired,
    CurrentReplicas: ready,
    CreatedAt: service.metadata.creationTimestamp,
    Namespace: service.metadata.namespace ?? '',
    ReasonMap: '{}',
    SourceReasonMap: '{}',
    Labels: JSON.stringify(labels),
    SysLables: '{}',
    UserLables: JSON.stringify(labels),
    ScaleType: 'manual',
    HpaPolicy: '',
  }
}

function textMap(value: ReturnType<typeof objectAt>): Map<string, string> {
  return new Map(Object.entries(value ?? {}).flatMap(([key, item]) => (typeof item === 'string' ? [[key, item] as const] : [])))
}

/** Wanted and ready replicas of the workloads whose pods a selector takes. An empty selector takes none. */
function replicasBehind(
  kubernetes: KubernetesState,
  namespace: string,
  selector: ReadonlyMap<string, string>,
): { desired: number; ready: number } {
  let desired = 0
  let ready = 0
  if (selector.size === 0) return { desired, ready }
  for (const resource of ['deployments', 'statefulsets']) {
    for (const workload of listObjects(kubernetes, 'apps', resource, namespace)) {
      if (!isDeployment(workload) && !isStatefulSet(workload)) continue
      const labels = workload.spec.template.metadata.labels ?? {}
      if (![...selector].every(([key, value]) => labels[key] === value)) continue
      desired += workload.spec.replicas
      ready += numberAt(workload, 'status', 'readyReplicas') ?? 0
    }
  }
  return { desired, ready }
}
