import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'

/** Objects the checks use: small, and with every field written where that matters. */
export const template = (labels: { [key: string]: string } = { app: 'web' }): JsonObject => ({
  metadata: { labels },
  spec: { containers: [{ name: 'web', image: 'ccr.ccs.tencentyun.com/shop/web:v1' }] },
})

export function deployment(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  }
}

export function statefulSet(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name },
    spec: { serviceName: name, selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  }
}

export function daemonSet(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name },
    spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  }
}

export function replicaSet(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name },
    spec: { selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  }
}

export function jobSpec(extra: JsonObject = {}): JsonObject {
  return {
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'work', image: 'ccr.ccs.tencentyun.com/shop/job:v1' }] } },
    ...extra,
  }
}

export function job(name: string, spec: JsonObject = {}): JsonObject {
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: jobSpec(spec) }
}

export function cronJob(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'batch/v1beta1',
    kind: 'CronJob',
    metadata: { name },
    spec: { schedule: '*/5 * * * *', jobTemplate: { spec: jobSpec() }, ...spec },
  }
}

export function autoscalerV1(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name },
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, minReplicas: 2, maxReplicas: 6, ...spec },
  }
}

export function autoscalerV2(name: string, spec: JsonObject = {}): JsonObject {
  return { ...autoscalerV1(name, spec), apiVersion: 'autoscaling/v2beta2' }
}

export function pod(name: string, spec: JsonObject = {}, metadata: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' }, ...metadata },
    spec: { containers: [{ name: 'web', image: 'ccr.ccs.tencentyun.com/shop/web:v1' }], ...spec },
  }
}

export function budget(name: string, spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'policy/v1beta1',
    kind: 'PodDisruptionBudget',
    metadata: { name },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } }, ...spec },
  }
}

export function configMap(name: string, data: { [key: string]: string } = { key: 'value' }, metadata: JsonObject = {}): JsonObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data }
}

/** A definition like the one of the scheduled scaler, with a schema strict enough to see what a schema does. */
export function definition(plural: string, kind: string, group: string): JsonObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind, shortNames: [`${plural.slice(0, 3)}x`] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' },
          },
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  required: ['size'],
                  properties: {
                    size: { type: 'integer', minimum: 1, maximum: 10 },
                    mode: { type: 'string', enum: ['fast', 'safe'], default: 'safe' },
                    name: { type: 'string', pattern: '^[a-z]+$', maxLength: 8 },
                    replicas: { type: 'integer' },
                    crons: {
                      type: 'array',
                      items: { type: 'object', properties: { name: { type: 'string' }, schedule: { type: 'string' } } },
                    },
                  },
                },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
        },
      ],
    },
  }
}
