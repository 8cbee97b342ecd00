import type { JsonObject } from '../kubernetes/json.ts'

/** A workload of the sandbox: one container, pods found by the label `app`. */
export interface WorkloadSpec {
  readonly namespace: string
  readonly name: string
  readonly image: string
  readonly replicas?: number
  readonly cpu?: string
  readonly memory?: string
  readonly initImage?: string
  readonly annotations?: Readonly<Record<string, string>>
}

function metadata(spec: {
  readonly namespace: string
  readonly name: string
  readonly annotations?: Readonly<Record<string, string>>
}): JsonObject {
  return {
    name: spec.name,
    namespace: spec.namespace,
    labels: { app: spec.name },
    ...(spec.annotations === undefined ? {} : { annotations: { ...spec.annotations } }),
  }
}

function podTemplate(spec: WorkloadSpec, restartPolicy: 'Always' | 'OnFailure' = 'Always'): JsonObject {
  return {
    metadata: { labels: { app: spec.name } },
    spec: {
      restartPolicy,
      ...(spec.initImage === undefined ? {} : { initContainers: [{ name: 'prepare', image: spec.initImage }] }),
      containers: [
        {
          name: spec.name,
          image: spec.image,
          resources: { requests: { cpu: spec.cpu ?? '250m', memory: spec.memory ?? '256Mi' } },
        },
      ],
    },
  }
}

export function namespace(name: string): JsonObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

export function deployment(spec: WorkloadSpec): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(spec),
    spec: {
      replicas: spec.replicas ?? 1,
      revisionHistoryLimit: 10,
      selector: { matchLabels: { app: spec.name } },
      template: podTemplate(spec),
    },
  }
}

export function statefulSet(spec: WorkloadSpec): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(spec),
    spec: {
      replicas: spec.replicas ?? 1,
      serviceName: spec.name,
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: { app: spec.name } },
      template: podTemplate(spec),
    },
  }
}

/** A DaemonSet that runs on every node, masters too. */
export function daemonSet(spec: WorkloadSpec): JsonObject {
  const template = podTemplate(spec)
  const podSpec = template.spec
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: metadata(spec),
    spec: {
      selector: { matchLabels: { app: spec.name } },
      template: {
        ...template,
        spec: {
          ...(typeof podSpec === 'object' && podSpec !== null && !Array.isArray(podSpec) ? podSpec : {}),
          tolerations: [{ key: 'node-role.kubernetes.io/master', operator: 'Exists', effect: 'NoSchedule' }],
        },
      },
    },
  }
}

/** A CronJob in five fields, as Kubernetes has them. `apiVersion` depends on the cluster's version. */
export function cronJob(apiVersion: string, spec: WorkloadSpec & { readonly schedule: string; readonly suspend?: boolean }): JsonObject {
  return {
    apiVersion,
    kind: 'CronJob',
    metadata: metadata(spec),
    spec: {
      schedule: spec.schedule,
      suspend: spec.suspend ?? false,
      concurrencyPolicy: 'Forbid',
      jobTemplate: { spec: { template: podTemplate(spec, 'OnFailure') } },
    },
  }
}

export interface AutoscalerSpec {
  readonly namespace: string
  readonly name: string
  readonly target: string
  readonly minReplicas: number
  readonly maxReplicas: number
  readonly cpuPercent: number
}

function scaleTargetRef(target: string): JsonObject {
  return { apiVersion: 'apps/v1', kind: 'Deployment', name: target }
}

/** A HorizontalPodAutoscaler in the old form, with its one percentage. */
export function autoscalerV1(spec: AutoscalerSpec): JsonObject {
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: spec.name, namespace: spec.namespace },
    spec: {
      scaleTargetRef: scaleTargetRef(spec.target),
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: spec.cpuPercent,
    },
  }
}

/** A HorizontalPodAutoscaler in the form with a list of metrics. */
export function autoscalerV2(spec: AutoscalerSpec): JsonObject {
  return {
    apiVersion: 'autoscaling/v2beta2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: spec.name, namespace: spec.namespace },
    spec: {
      scaleTargetRef: scaleTargetRef(spec.target),
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: spec.cpuPercent } } }],
    },
  }
}

export function service(spec: {
  readonly namespace: string
  readonly name: string
  readonly type?: 'ClusterIP' | 'LoadBalancer'
  readonly clusterIp: string
}): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: spec.name, namespace: spec.namespace, labels: { app: spec.name } },
    spec: {
      type: spec.type ?? 'ClusterIP',
      clusterIP: spec.clusterIp,
      selector: { app: spec.name },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
  }
}

/** Keeps at least `minAvailable` pods of a workload through evictions. `apiVersion` depends on the cluster's version. */
export function disruptionBudget(spec: { readonly namespace: string; readonly name: string; readonly minAvailable: number }): JsonObject {
  return {
    apiVersion: 'policy/v1beta1',
    kind: 'PodDisruptionBudget',
    metadata: { name: spec.name, namespace: spec.namespace },
    spec: { minAvailable: spec.minAvailable, selector: { matchLabels: { app: spec.name } } },
  }
}

export interface EventSpec {
  readonly namespace: string
  readonly kind: string
  readonly name: string
  readonly reason: string
  readonly message: string
  readonly type?: 'Normal' | 'Warning'
  readonly component: string
  readonly at: string
}

/** An Event about an object, as a controller leaves it. */
export function kubeEvent(spec: EventSpec): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${spec.name}.${spec.reason.toLowerCase()}`, namespace: spec.namespace },
    involvedObject: { kind: spec.kind, namespace: spec.namespace, name: spec.name },
    reason: spec.reason,
    message: spec.message,
    source: { component: spec.component },
    firstTimestamp: spec.at,
    lastTimestamp: spec.at,
    count: 1,
    type: spec.type ?? 'Normal',
  }
}

/** The definition of the platform's scheduled scaling add-on under one of its two groups. */
export function scalerDefinition(group: string): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `horizontalpodcronscalers.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        plural: 'horizontalpodcronscalers',
        singular: 'horizontalpodcronscaler',
        kind: 'HorizontalPodCronscaler',
        listKind: 'HorizontalPodCronscalerList',
        shortNames: ['hpc'],
      },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  }
}

/** One rule of a scheduled scaler: a size, or bounds for an autoscaler. */
export interface CronSpec {
  readonly name: string
  readonly schedule: string
  readonly targetSize?: number
  readonly minSize?: number
  readonly maxSize?: number
  readonly excludeDates?: readonly string[]
}

export interface ScalerSpec {
  readonly group: string
  readonly namespace: string
  readonly name: string
  readonly target: { readonly apiVersion: string; readonly kind: string; readonly name: string }
  readonly crons: readonly CronSpec[]
}

/** A HorizontalPodCronscaler object. */
export function scaler(spec: ScalerSpec): JsonObject {
  return {
    apiVersion: `${spec.group}/v1`,
    kind: 'HorizontalPodCronscaler',
    metadata: { name: spec.name, namespace: spec.namespace },
    spec: {
      scaleTarget: { ...spec.target, namespace: spec.namespace },
      crons: spec.crons.map(({ excludeDates, ...cron }) => ({
        ...cron,
        ...(excludeDates === undefined ? {} : { excludeDates: [...excludeDates] }),
      })),
    },
  }
}
