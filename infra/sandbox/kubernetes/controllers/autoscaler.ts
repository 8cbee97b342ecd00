import { byText, numberAt, sameJson, withAt } from '../json.ts'
import { groupOf } from '../kinds.ts'
import { KubeFault } from '../kube-fault.ts'
import { objectOfKind } from '../objects.ts'
import { updateObject } from '../registry.ts'
import type { Autoscaler, Condition, KubeObject } from '../shapes.ts'
import { isAutoscaler } from '../shapes.ts'
import { allObjects } from '../store.ts'
import { timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { kinds, save, withCondition } from './cluster.ts'
import { emit } from './events.ts'

/** Says on an autoscaler how many replicas its metrics would ask for; without it they are content with what is there. */
export const demandAnnotation = 'sandbox/wanted-replicas'

/**
 * Keeps the size of what autoscalers point at inside their bounds, at once; a size of zero switches an autoscaler off. Load
 * is not simulated: unless an annotation says how many replicas the metrics want, they want what is there.
 */
export const autoscalerController: Controller = {
  name: 'autoscaler',
  watches: ['autoscaling/horizontalpodautoscalers', 'apps/deployments', 'apps/statefulsets', 'apps/replicasets'],
  run: (cluster) => {
    const scalers = allObjects(cluster.state, 'autoscaling', 'horizontalpodautoscalers').filter(isAutoscaler)
    for (const scaler of scalers.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      if (scaler.metadata.deletionTimestamp === undefined) reconcile(cluster, scaler)
    }
    return undefined
  },
}

function keyOf(scaler: KubeObject): string {
  return `${scaler.metadata.namespace}/${scaler.metadata.name}`
}

function reconcile(cluster: Cluster, scaler: Autoscaler): void {
  const { scaleTargetRef, minReplicas, maxReplicas } = scaler.spec
  const { group } = groupOf(scaleTargetRef.apiVersion ?? '')
  const found = objectOfKind(cluster.state, group, scaleTargetRef.kind, scaleTargetRef.name, scaler.metadata.namespace)
  const replicas = found === undefined ? undefined : (numberAt(found.object, 'spec', 'replicas') ?? (found.facts.scale ? 0 : undefined))
  if (found === undefined || replicas === undefined || !found.facts.scale) {
    const message = `the HPA controller was unable to get the target's current scale: ${scaleTargetRef.kind} ${JSON.stringify(scaleTargetRef.name)} not found`
    finish(cluster, scaler, [{ type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message }], {})
    return
  }
  const able: Condition = {
    type: 'AbleToScale',
    status: 'True',
    reason: 'SucceededGetScale',
    message: "the HPA controller was able to get the target's current scale",
  }
  if (replicas === 0 && minReplicas !== 0) {
    const off = {
      type: 'ScalingActive',
      status: 'False',
      reason: 'ScalingDisabled',
      message: 'scaling is disabled since the replica count of the target is zero',
    }
    finish(cluster, scaler, [able, off], { currentReplicas: 0, desiredReplicas: 0 })
    return
  }
  const demand = Number.parseInt(scaler.metadata.annotations?.[demandAnnotation] ?? '', 10)
  const asked = Number.isNaN(demand) ? replicas : demand
  const desired = Math.min(maxReplicas, Math.max(minReplicas, asked))
  const limited = limitOf(asked, minReplicas, maxReplicas)
  const active = {
    type: 'ScalingActive',
    status: 'True',
    reason: 'ValidMetricFound',
    message: 'the HPA was able to successfully calculate a replica count from the metrics',
  }
  if (desired === replicas) {
    finish(cluster, scaler, [able, active, limited], {
      currentReplicas: numberAt(found.object, 'status', 'replicas') ?? 0,
      desiredReplicas: desired,
    })
    return
  }
  const { state, now, hooks } = cluster
  try {
    const resized = withAt(structuredClone(found.object), ['spec', 'replicas'], desired)
    updateObject(state, found.facts, resized, found.object, 'object', { now, random: hooks.random })
  } catch (error) {
    if (!(error instanceof KubeFault)) throw error
    const message = `the HPA controller was unable to update the target scale: ${error.message}`
    finish(cluster, scaler, [{ type: 'AbleToScale', status: 'False', reason: 'FailedUpdateScale', message }], {})
    return
  }
  const why =
    replicas > maxReplicas
      ? 'Current number of replicas above Spec.MaxReplicas'
      : replicas < minReplicas
        ? 'Current number of replicas below Spec.MinReplicas'
        : 'All metrics below target'
  emit(cluster, scaler, 'Normal', 'SuccessfulRescale', `New size: ${desired}; reason: ${why}`, 'horizontal-pod-autoscaler')
  const rescaled = { ...able, reason: 'SucceededRescale', message: `the HPA controller was able to update the target scale to ${desired}` }
  finish(cluster, scaler, [rescaled, active, limited], {
    currentReplicas: replicas,
    desiredReplicas: desired,
    lastScaleTime: timeText(now),
  })
}

function limitOf(asked: number, min: number, max: number): Condition {
  if (asked > max) {
    return {
      type: 'ScalingLimited',
      status: 'True',
      reason: 'TooManyReplicas',
      message: 'the desired replica count is more than the maximum replica count',
    }
  }
  if (asked < min) {
    return {
      type: 'ScalingLimited',
      status: 'True',
      reason: 'TooFewReplicas',
      message: 'the desired replica count is less than the minimum replica count',
    }
  }
  return {
    type: 'ScalingLimited',
    status: 'False',
    reason: 'DesiredWithinRange',
    message: 'the desired count is within the acceptable range',
  }
}

function finish(cluster: Cluster, scaler: Autoscaler, conditions: readonly Condition[], counts: Partial<Autoscaler['status']>): void {
  const merged = conditions.reduce((list, condition) => withCondition(list, condition, cluster.now), [...(scaler.status.conditions ?? [])])
  const status: Autoscaler['status'] = { ...scaler.status, ...counts, conditions: merged }
  if (!sameJson(status, scaler.status)) save(cluster, kinds.autoscaler, { ...scaler, status })
}
