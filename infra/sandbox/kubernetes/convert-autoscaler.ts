import type { Json, JsonObject } from './json.ts'
import { isJsonObject, listAt, numberAt, objectAt, parseJson, stringAt } from './json.ts'

/**
 * Version 1 of an autoscaler knows one metric, the share of CPU; everything newer travels in annotations. These are their
 * names, and the functions below turn an autoscaler of version 1 into the newer shape and back as the server does.
 */
const annotation = {
  metrics: 'autoscaling.alpha.kubernetes.io/metrics',
  currentMetrics: 'autoscaling.alpha.kubernetes.io/current-metrics',
  conditions: 'autoscaling.alpha.kubernetes.io/conditions',
  behavior: 'autoscaling.alpha.kubernetes.io/behavior',
} as const

/** Leaves out what is undefined. */
function compact(entries: { readonly [key: string]: Json | undefined }): JsonObject {
  const result: JsonObject = {}
  for (const [key, value] of Object.entries(entries)) if (value !== undefined) result[key] = value
  return result
}

function isCpuShare(metric: Json): boolean {
  return (
    stringAt(metric, 'type') === 'Resource' &&
    stringAt(metric, 'resource', 'name') === 'cpu' &&
    numberAt(metric, 'resource', 'target', 'averageUtilization') !== undefined
  )
}

/** The order in which metrics come back: the server keeps version 1, which puts the share of CPU after all others. */
export function inKeptOrder(metrics: readonly Json[]): Json[] {
  const shares = metrics.filter(isCpuShare)
  return [...metrics.filter((metric) => !isCpuShare(metric)), ...shares.slice(0, 1)]
}

/** From version 1, decoded, to the shape the state keeps. Annotations that cannot be read are ignored. */
export function autoscalerFromV1(object: JsonObject): JsonObject {
  const metadata = objectAt(object, 'metadata') ?? {}
  const annotations = { ...objectAt(metadata, 'annotations') }
  const read = (name: keyof typeof annotation): Json | undefined => {
    const text = annotations[annotation[name]]
    delete annotations[annotation[name]]
    return typeof text === 'string' ? parseJson(text) : undefined
  }
  const spec = objectAt(object, 'spec') ?? {}
  const share = numberAt(spec, 'targetCPUUtilizationPercentage')
  const others = read('metrics')
  const metrics = [
    ...(Array.isArray(others) ? others.map(metricFromV1) : []),
    ...(share === undefined
      ? []
      : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: share } } }]),
  ]
  const behavior = read('behavior')
  const status = objectAt(object, 'status') ?? {}
  const currentMetrics = read('currentMetrics')
  const conditions = read('conditions')
  const cpuNow = numberAt(status, 'currentCPUUtilizationPercentage')
  const withoutRoundTrip = compact({ ...metadata, annotations: Object.keys(annotations).length === 0 ? undefined : annotations })
  return {
    ...object,
    metadata: withoutRoundTrip,
    spec: compact({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: metrics.length === 0 ? undefined : metrics,
      behavior: isJsonObject(behavior) ? lowerCased(behavior) : undefined,
    }),
    status: compact({
      observedGeneration: status.observedGeneration,
      lastScaleTime: status.lastScaleTime,
      currentReplicas: status.currentReplicas,
      desiredReplicas: status.desiredReplicas,
      currentMetrics: Array.isArray(currentMetrics)
        ? currentMetrics.map(metricStatusFromV1)
        : cpuNow === undefined
          ? undefined
          : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: cpuNow } } }],
      conditions: Array.isArray(conditions) ? conditions : undefined,
    }),
  }
}

/** From the shape the state keeps to version 1. */
export function autoscalerToV1(object: JsonObject): JsonObject {
  const metadata = objectAt(object, 'metadata') ?? {}
  const spec = objectAt(object, 'spec') ?? {}
  const status = objectAt(object, 'status') ?? {}
  const metrics = listAt(spec, 'metrics')
  const others = metrics.filter((metric) => !isCpuShare(metric)).map(metricToV1)
  const currentMetrics = listAt(status, 'currentMetrics')
  const conditions = listAt(status, 'conditions')
  const behavior = objectAt(spec, 'behavior')
  const roundTrip: JsonObject = {}
  if (behavior !== undefined) roundTrip[annotation.behavior] = behaviorText(behavior)
  if (conditions.length > 0) roundTrip[annotation.conditions] = JSON.stringify(conditions)
  if (currentMetrics.length > 0) roundTrip[annotation.currentMetrics] = JSON.stringify(currentMetrics.map(metricStatusToV1))
  if (others.length > 0) roundTrip[annotation.metrics] = JSON.stringify(others)
  const annotations = { ...objectAt(metadata, 'annotations'), ...roundTrip }
  const share = metrics.find(isCpuShare)
  const cpuNow = currentMetrics.find((metric) => stringAt(metric, 'resource', 'name') === 'cpu')
  return {
    ...object,
    metadata: compact({ ...metadata, annotations: Object.keys(annotations).length === 0 ? undefined : annotations }),
    spec: compact({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: numberAt(share, 'resource', 'target', 'averageUtilization'),
    }),
    status: compact({
      observedGeneration: status.observedGeneration,
      lastScaleTime: status.lastScaleTime,
      currentReplicas: status.currentReplicas,
      desiredReplicas: status.desiredReplicas,
      currentCPUUtilizationPercentage: numberAt(cpuNow, 'resource', 'current', 'averageUtilization'),
    }),
  }
}

function metricToV1(metric: Json): Json {
  const object = objectAt(metric, 'object')
  const pods = objectAt(metric, 'pods')
  const resource = objectAt(metric, 'resource')
  const container = objectAt(metric, 'containerResource')
  const external = objectAt(metric, 'external')
  return compact({
    type: stringAt(metric, 'type'),
    object:
      object &&
      compact({
        target: objectAt(object, 'describedObject') ?? {},
        metricName: stringAt(object, 'metric', 'name') ?? '',
        targetValue: stringAt(object, 'target', 'value') ?? '0',
        selector: objectAt(object, 'metric', 'selector'),
        averageValue: stringAt(object, 'target', 'averageValue'),
      }),
    pods:
      pods &&
      compact({
        metricName: stringAt(pods, 'metric', 'name') ?? '',
        targetAverageValue: stringAt(pods, 'target', 'averageValue') ?? '0',
        selector: objectAt(pods, 'metric', 'selector'),
      }),
    resource: resource && resourceToV1(resource),
    containerResource: container && { ...resourceToV1(container), container: stringAt(container, 'container') ?? '' },
    external:
      external &&
      compact({
        metricName: stringAt(external, 'metric', 'name') ?? '',
        metricSelector: objectAt(external, 'metric', 'selector'),
        targetValue: stringAt(external, 'target', 'value'),
        targetAverageValue: stringAt(external, 'target', 'averageValue'),
      }),
  })
}

function resourceToV1(resource: JsonObject): JsonObject {
  return compact({
    name: stringAt(resource, 'name') ?? '',
    targetAverageUtilization: numberAt(resource, 'target', 'averageUtilization'),
    targetAverageValue: stringAt(resource, 'target', 'averageValue'),
  })
}

function metricFromV1(metric: Json): Json {
  const object = objectAt(metric, 'object')
  const pods = objectAt(metric, 'pods')
  const resource = objectAt(metric, 'resource')
  const container = objectAt(metric, 'containerResource')
  const external = objectAt(metric, 'external')
  return compact({
    type: stringAt(metric, 'type'),
    object:
      object &&
      compact({
        describedObject: objectAt(object, 'target') ?? {},
        target: compact({
          type: stringAt(object, 'averageValue') === undefined ? 'Value' : 'AverageValue',
          value: object.targetValue,
          averageValue: object.averageValue,
        }),
        metric: compact({ name: stringAt(object, 'metricName') ?? '', selector: objectAt(object, 'selector') }),
      }),
    pods:
      pods &&
      compact({
        metric: compact({ name: stringAt(pods, 'metricName') ?? '', selector: objectAt(pods, 'selector') }),
        target: compact({ type: 'AverageValue', averageValue: pods.targetAverageValue }),
      }),
    resource: resource && resourceFromV1(resource),
    containerResource: container && { ...resourceFromV1(container), container: stringAt(container, 'container') ?? '' },
    external:
      external &&
      compact({
        metric: compact({ name: stringAt(external, 'metricName') ?? '', selector: objectAt(external, 'metricSelector') }),
        target: compact({
          type: external.targetValue === undefined ? 'AverageValue' : 'Value',
          value: external.targetValue,
          averageValue: external.targetAverageValue,
        }),
      }),
  })
}

function resourceFromV1(resource: JsonObject): JsonObject {
  const share = numberAt(resource, 'targetAverageUtilization')
  return {
    name: stringAt(resource, 'name') ?? '',
    target: compact({
      type: share === undefined ? 'AverageValue' : 'Utilization',
      averageValue: resource.targetAverageValue,
      averageUtilization: share,
    }),
  }
}

function metricStatusToV1(metric: Json): Json {
  const type = stringAt(metric, 'type') ?? ''
  const resource = objectAt(metric, 'resource')
  if (resource !== undefined) {
    return {
      type,
      resource: compact({
        name: stringAt(resource, 'name') ?? '',
        currentAverageUtilization: numberAt(resource, 'current', 'averageUtilization'),
        currentAverageValue: stringAt(resource, 'current', 'averageValue') ?? '0',
      }),
    }
  }
  const source = objectAt(metric, type.toLowerCase()) ?? {}
  return {
    type,
    [type.toLowerCase()]: compact({
      metricName: stringAt(source, 'metric', 'name') ?? '',
      currentValue: stringAt(source, 'current', 'value'),
      currentAverageValue: stringAt(source, 'current', 'averageValue'),
    }),
  }
}

function metricStatusFromV1(metric: Json): Json {
  const type = stringAt(metric, 'type') ?? ''
  const source = objectAt(metric, type.toLowerCase()) ?? {}
  const name = stringAt(source, 'name')
  return compact({
    type,
    [type.toLowerCase()]: compact({
      name,
      metric: name === undefined ? { name: stringAt(source, 'metricName') ?? '' } : undefined,
      current: compact({
        value: source.currentValue,
        averageValue: source.currentAverageValue,
        averageUtilization: source.currentAverageUtilization,
      }),
    }),
  })
}

/** The annotation of the behaviour is the server's own memory: names begin with a capital, and what is absent is null. */
function behaviorText(behavior: JsonObject): string {
  const rules = (key: string): Json => {
    const found = objectAt(behavior, key)
    if (found === undefined) return null
    return {
      StabilizationWindowSeconds: numberAt(found, 'stabilizationWindowSeconds') ?? null,
      SelectPolicy: stringAt(found, 'selectPolicy') ?? null,
      Policies: listAt(found, 'policies').map((policy) => ({
        Type: stringAt(policy, 'type') ?? '',
        Value: numberAt(policy, 'value') ?? 0,
        PeriodSeconds: numberAt(policy, 'periodSeconds') ?? 0,
      })),
    }
  }
  return JSON.stringify({ ScaleUp: rules('scaleUp'), ScaleDown: rules('scaleDown') })
}

function lowerCased(value: Json): Json {
  if (Array.isArray(value)) return value.map(lowerCased)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key.charAt(0).toLowerCase() + key.slice(1), lowerCased(entry)]))
}
