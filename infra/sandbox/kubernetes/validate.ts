import { cronProblem } from './cron.ts'
import { FieldErrors } from './field-errors.ts'
import { goIntOrString, goSelector, goStructure } from './go-text.ts'
import type { Json, JsonObject } from './json.ts'
import { at, isJsonObject, listAt, numberAt, objectAt, sameJson, stringAt, withAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import type { FieldError } from './kube-fault.ts'
import type { IntOrString } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import type { NameRule } from './validate-metadata.ts'
import { checkChangedMetadata, checkNewMetadata, nameProblems } from './validate-metadata.ts'
import { checkPodSpec, checkSelector, checkTemplate, checkTemplateLabels, selectorOf } from './validate-pods.ts'
import { minorOf } from './version.ts'

const nameRules: Readonly<Record<string, NameRule>> = {
  Namespace: 'label',
  Service: 'service',
  PodDisruptionBudget: 'path',
  Event: 'event',
}
const immutable = 'field is immutable'

/** What is wrong with an object that is to be created, in the order the server finds it. */
export function problemsOfNew(state: KubernetesState, facts: KindFacts, object: JsonObject): readonly FieldError[] {
  const metadata = objectAt(object, 'metadata') ?? {}
  const rule = nameRules[facts.kind] ?? 'subdomain'
  const errors = new FieldErrors()
  if (rule !== 'path') checkNewMetadata(errors, rule, facts.namespaced, metadata, facts.structure !== undefined)
  checkSpec(errors, state, facts, object, undefined)
  if (rule === 'path' && errors.found.length === 0) checkNewMetadata(errors, rule, facts.namespaced, metadata)
  return errors.found
}

/** What is wrong with a changed object, compared with what it was. */
export function problemsOfChange(state: KubernetesState, facts: KindFacts, object: JsonObject, before: JsonObject): readonly FieldError[] {
  const errors = new FieldErrors()
  const [metadata, old] = [objectAt(object, 'metadata') ?? {}, objectAt(before, 'metadata') ?? {}]
  // The server looks at the metadata once for every kind and once more in the kind's own rules, and reports both.
  checkChangedMetadata(errors, metadata, old)
  if (facts.kind === 'StatefulSet') checkSpec(errors, state, facts, object, before)
  checkChangedMetadata(errors, metadata, old)
  checkSpecChange(errors, state, facts.kind, object, before)
  return errors.found
}

/** What is wrong with a written status. */
export function problemsOfStatus(facts: KindFacts, object: JsonObject, before: JsonObject): readonly FieldError[] {
  const errors = new FieldErrors()
  const [metadata, old] = [objectAt(object, 'metadata') ?? {}, objectAt(before, 'metadata') ?? {}]
  checkChangedMetadata(errors, metadata, old)
  checkChangedMetadata(errors, metadata, old)
  const status = objectAt(object, 'status')
  const counts = statusCounts[facts.kind] ?? []
  for (const count of counts) errors.notNegative(`status.${count}`, numberAt(status, count))
  if (facts.kind === 'Deployment' || facts.kind === 'ReplicaSet' || facts.kind === 'StatefulSet') {
    const replicas = numberAt(status, 'replicas') ?? 0
    const bounded = counts.filter((count) => !['observedGeneration', 'replicas', 'unavailableReplicas'].includes(count))
    for (const count of bounded) {
      const value = numberAt(status, count) ?? 0
      if (value > replicas) errors.invalid(`status.${count}`, value, 'cannot be greater than status.replicas')
    }
    const available = numberAt(status, 'availableReplicas') ?? 0
    if (available > (numberAt(status, 'readyReplicas') ?? 0) && facts.kind !== 'StatefulSet') {
      errors.invalid('status.availableReplicas', available, 'cannot be greater than readyReplicas')
    }
  }
  return errors.found
}

const statusCounts: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['observedGeneration', 'replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas'],
  ReplicaSet: ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
  StatefulSet: ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'observedGeneration'],
  DaemonSet: [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
  ],
  Job: ['active', 'succeeded', 'failed'],
  HorizontalPodAutoscaler: ['currentReplicas', 'desiredReplicas'],
  PodDisruptionBudget: ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'],
}

function checkSpecChange(errors: FieldErrors, state: KubernetesState, kind: string, object: JsonObject, before: JsonObject): void {
  switch (kind) {
    case 'StatefulSet':
      checkStatefulSetChange(errors, state, object, before)
      return
    case 'Job':
      checkSpec(errors, state, { kind }, object, before)
      if (!sameJson(at(object, 'spec', 'completions') ?? null, at(before, 'spec', 'completions') ?? null)) {
        errors.invalid('spec.completions', at(object, 'spec', 'completions') ?? { verbatim: '(*int32)(nil)' }, immutable)
      }
      if (!sameJson(at(object, 'spec', 'selector'), at(before, 'spec', 'selector'))) {
        errors.invalid('spec.selector', goSelector(selectorOf(objectAt(object, 'spec', 'selector'))), immutable)
      }
      if (!sameJson(at(object, 'spec', 'template'), at(before, 'spec', 'template'))) {
        errors.invalid('spec.template', goStructure('core.PodTemplateSpec'), immutable)
      }
      return
    case 'Pod':
      checkSpec(errors, state, { kind }, object, before)
      checkPodChange(errors, object, before)
      return
    case 'ControllerRevision':
      checkSpec(errors, state, { kind }, object, before)
      if (!sameJson(object.data, before.data)) errors.invalid('data', goStructure('runtime.RawExtension'), immutable)
      return
    case 'Secret':
    case 'ConfigMap':
      if (kind === 'Secret' && object.type !== before.type) errors.invalid('type', object.type ?? '', immutable)
      if (before.immutable === true) {
        const text = 'field is immutable when `immutable` is set'
        if (object.immutable !== true) errors.forbidden('immutable', text)
        if (!sameJson(object.data ?? null, before.data ?? null)) errors.forbidden('data', text)
      }
      checkSpec(errors, state, { kind }, object, before)
      return
    case 'Service':
      checkSpec(errors, state, { kind }, object, before)
      if (stringAt(object, 'spec', 'type') === 'ClusterIP' && stringAt(before, 'spec', 'type') === 'ClusterIP') {
        const address = stringAt(object, 'spec', 'clusterIP') ?? ''
        if (address !== stringAt(before, 'spec', 'clusterIP')) errors.invalid('spec.clusterIP', address, immutable)
      }
      return
    case 'Deployment':
    case 'ReplicaSet':
    case 'DaemonSet':
      checkSpec(errors, state, { kind }, object, before)
      if (!sameJson(at(object, 'spec', 'selector'), at(before, 'spec', 'selector'))) {
        errors.invalid('spec.selector', goSelector(selectorOf(objectAt(object, 'spec', 'selector'))), immutable)
      }
      return
    case 'CustomResourceDefinition':
      checkSpec(errors, state, { kind }, object, before)
      for (const path of [['scope'], ['names', 'kind'], ['names', 'plural'], ['group']]) {
        const changed = at(object, 'spec', ...path)
        if (!sameJson(changed, at(before, 'spec', ...path))) errors.invalid(`spec.${path.join('.')}`, changed, immutable)
      }
      return
    default:
      checkSpec(errors, state, { kind }, object, before)
  }
}

function checkStatefulSetChange(errors: FieldErrors, state: KubernetesState, object: JsonObject, before: JsonObject): void {
  const minor = minorOf(state.version)
  const open = [
    'replicas',
    'template',
    'updateStrategy',
    ...(minor >= 23 ? ['minReadySeconds'] : []),
    ...(minor >= 26 ? ['persistentVolumeClaimRetentionPolicy'] : []),
  ]
  const closed = (set: JsonObject): JsonObject =>
    open.reduce<JsonObject>((rest, key) => withAt(rest, [key], undefined), objectAt(set, 'spec') ?? {})
  if (!sameJson(closed(object), closed(before))) {
    const names = open.map((key) => `'${key}'`)
    const list = `${names.slice(0, -1).join(', ')}${minor >= 22 ? '' : ','} and ${names.at(-1)}`
    errors.forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)
  }
  errors.notNegative('spec.replicas', numberAt(object, 'spec', 'replicas'))
}

const podChangeText =
  'pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to existing tolerations)'

function checkPodChange(errors: FieldErrors, object: JsonObject, before: JsonObject): void {
  for (const key of ['containers', 'initContainers']) {
    if (listAt(object, 'spec', key).length !== listAt(before, 'spec', key).length) {
      errors.forbidden(`spec.${key}`, 'pod updates may not add or remove containers')
      return
    }
  }
  const kept = new Set(listAt(object, 'spec', 'tolerations').map((toleration) => JSON.stringify(toleration)))
  if (listAt(before, 'spec', 'tolerations').some((toleration) => !kept.has(JSON.stringify(toleration)))) {
    errors.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')
  }
  const comparable = (pod: JsonObject): JsonObject => {
    const spec = objectAt(pod, 'spec') ?? {}
    const withoutImages = (key: string): Json[] =>
      listAt(spec, key).map((container) => (isJsonObject(container) ? { ...container, image: '' } : container))
    return {
      ...spec,
      containers: withoutImages('containers'),
      initContainers: withoutImages('initContainers'),
      activeDeadlineSeconds: null,
      tolerations: [],
    }
  }
  if (!sameJson(comparable(object), comparable(before))) errors.forbidden('spec', podChangeText)
}

function checkSpec(
  errors: FieldErrors,
  state: KubernetesState,
  facts: { readonly kind: string },
  object: JsonObject,
  before: JsonObject | undefined,
): void {
  const spec = objectAt(object, 'spec') ?? {}
  switch (facts.kind) {
    case 'Pod':
      checkPodSpec(errors, 'spec', spec)
      return
    case 'Deployment':
      checkReplicas(errors, spec)
      checkSetSelector(errors, spec, 'deployment')
      checkSetTemplate(errors, spec, 'invalid label selector')
      checkDeploymentStrategy(errors, spec)
      errors.notNegative('spec.minReadySeconds', numberAt(spec, 'minReadySeconds'))
      errors.notNegative('spec.revisionHistoryLimit', numberAt(spec, 'revisionHistoryLimit'))
      errors.notNegative('spec.progressDeadlineSeconds', numberAt(spec, 'progressDeadlineSeconds'))
      if ((numberAt(spec, 'progressDeadlineSeconds') ?? 600) <= (numberAt(spec, 'minReadySeconds') ?? 0)) {
        errors.invalid(
          'spec.progressDeadlineSeconds',
          numberAt(spec, 'progressDeadlineSeconds') ?? 0,
          'must be greater than minReadySeconds',
        )
      }
      return
    case 'ReplicaSet':
      checkReplicas(errors, spec)
      errors.notNegative('spec.minReadySeconds', numberAt(spec, 'minReadySeconds'))
      checkSetSelector(errors, spec, 'replicaset')
      checkSetTemplate(errors, spec, 'invalid label selector')
      return
    case 'StatefulSet':
      checkStatefulSet(errors, spec)
      return
    case 'DaemonSet':
      checkDaemonSet(errors, spec)
      return
    case 'Job': {
      checkJobSpec(errors, 'spec', spec)
      const selector = selectorOf(objectAt(spec, 'selector'))
      if (selector === undefined) errors.required('spec.selector')
      else checkSelector(errors, 'spec.selector', selector)
      checkTemplateLabels(errors, 'spec.template', selector, objectAt(spec, 'template'))
      return
    }
    case 'CronJob':
      checkCronJob(errors, object, spec, before === undefined)
      return
    case 'HorizontalPodAutoscaler':
      checkAutoscaler(errors, state, spec, before)
      return
    case 'PodDisruptionBudget':
      checkBudget(errors, spec)
      return
    case 'Service':
      checkService(errors, spec)
      return
    case 'ConfigMap':
    case 'Secret':
      for (const field of facts.kind === 'Secret' ? ['data'] : ['data', 'binaryData']) {
        for (const key of Object.keys(objectAt(object, field) ?? {})) {
          for (const problem of dataKeyProblems(key)) errors.invalid(`${field}[${key}]`, key, problem)
        }
      }
      for (const key of secretKeys[stringAt(object, 'type') ?? ''] ?? []) {
        if (facts.kind === 'Secret' && stringAt(object, 'data', key) === undefined) errors.required(`data[${key}]`)
      }
      return
    case 'ControllerRevision':
      if (object.data === undefined) errors.required('data', 'data is mandatory')
      errors.notNegative('revision', numberAt(object, 'revision'))
      return
    case 'Lease': {
      const duration = numberAt(spec, 'leaseDurationSeconds')
      if (duration !== undefined && duration <= 0) errors.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0')
      errors.notNegative('spec.leaseTransitions', numberAt(spec, 'leaseTransitions'))
      return
    }
    case 'PersistentVolumeClaim':
      if (listAt(spec, 'accessModes').length === 0) errors.required('spec.accessModes', 'at least 1 access mode is required')
      if (stringAt(spec, 'resources', 'requests', 'storage') === undefined) errors.required('spec.resources[storage]')
      return
    case 'CustomResourceDefinition':
      checkDefinition(errors, object, spec)
      return
    default:
      return
  }
}

function checkReplicas(errors: FieldErrors, spec: JsonObject): void {
  errors.notNegative('spec.replicas', numberAt(spec, 'replicas'))
}

function checkSetSelector(errors: FieldErrors, spec: JsonObject, what: string): void {
  const selector = selectorOf(objectAt(spec, 'selector'))
  if (selector === undefined) {
    errors.required('spec.selector')
    return
  }
  checkSelector(errors, 'spec.selector', selector)
  if (Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) {
    errors.invalid('spec.selector', goSelector(selector), `empty selector is invalid for ${what}`)
  }
}

/** The template of a deployment or a replica set, which is looked at only when the selector can be read. */
function checkSetTemplate(errors: FieldErrors, spec: JsonObject, unreadable: string): void {
  const selector = selectorOf(objectAt(spec, 'selector'))
  if (!checkTemplateLabels(errors, 'spec.template', selector, objectAt(spec, 'template'))) {
    errors.invalid('spec.selector', goSelector(selector), unreadable)
    return
  }
  checkTemplate(errors, 'spec.template', objectAt(spec, 'template'))
  checkAlwaysRestarted(errors, spec, 'ReplicaSet')
}

function checkAlwaysRestarted(errors: FieldErrors, spec: JsonObject, what: string): void {
  const policy = stringAt(spec, 'template', 'spec', 'restartPolicy') ?? ''
  if (policy !== 'Always') errors.notSupported('spec.template.spec.restartPolicy', policy, ['Always'])
  if (numberAt(spec, 'template', 'spec', 'activeDeadlineSeconds') !== undefined) {
    errors.forbidden('spec.template.spec.activeDeadlineSeconds', `activeDeadlineSeconds in ${what} is not Supported`)
  }
}

/** A number or a percentage read out of JSON that decode.ts has shaped. */
function intOrStringOf(value: Json | undefined): IntOrString | undefined {
  return typeof value === 'number' || typeof value === 'string' ? value : undefined
}

function percentOf(value: IntOrString): number | undefined {
  if (typeof value === 'number' || !/^[0-9]+%$/.test(value)) return undefined
  return Number.parseInt(value, 10)
}

const percentText =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"

function checkShare(errors: FieldErrors, field: string, value: IntOrString): void {
  if (typeof value === 'number') errors.notNegative(field, value)
  else if (percentOf(value) === undefined) errors.invalid(field, goIntOrString(value), percentText)
}

function checkAtMostAll(errors: FieldErrors, field: string, value: IntOrString): void {
  if ((percentOf(value) ?? 0) > 100) errors.invalid(field, goIntOrString(value), 'must not be greater than 100%')
}

function checkDeploymentStrategy(errors: FieldErrors, spec: JsonObject): void {
  const strategy = objectAt(spec, 'strategy')
  const type = stringAt(strategy, 'type') ?? ''
  const rolling = objectAt(strategy, 'rollingUpdate')
  if (type === 'Recreate') {
    if (rolling !== undefined) errors.forbidden('spec.strategy.rollingUpdate', "may not be specified when strategy `type` is 'Recreate'")
    return
  }
  if (type !== 'RollingUpdate') {
    errors.notSupported('spec.strategy', goStructure('apps.DeploymentStrategy'), ['Recreate', 'RollingUpdate'])
    return
  }
  const unavailable = intOrStringOf(at(rolling, 'maxUnavailable')) ?? '25%'
  const surge = intOrStringOf(at(rolling, 'maxSurge')) ?? '25%'
  const field = 'spec.strategy.rollingUpdate'
  checkShare(errors, `${field}.maxUnavailable`, unavailable)
  checkShare(errors, `${field}.maxSurge`, surge)
  const isZero = (value: IntOrString): boolean =>
    value === 0 || percentOf(value) === 0 || (typeof value === 'string' && percentOf(value) === undefined)
  if (isZero(unavailable) && isZero(surge)) {
    errors.invalid(`${field}.maxUnavailable`, goIntOrString(unavailable), 'may not be 0 when `maxSurge` is 0')
  }
  checkAtMostAll(errors, `${field}.maxUnavailable`, unavailable)
}

function checkStatefulSet(errors: FieldErrors, spec: JsonObject): void {
  const management = stringAt(spec, 'podManagementPolicy') ?? ''
  if (management !== 'OrderedReady' && management !== 'Parallel') {
    errors.invalid('spec.podManagementPolicy', management, "must be 'OrderedReady' or 'Parallel'")
  }
  const strategy = objectAt(spec, 'updateStrategy')
  const type = stringAt(strategy, 'type') ?? ''
  if (type === 'OnDelete') {
    if (objectAt(strategy, 'rollingUpdate') !== undefined) {
      errors.invalid(
        'spec.updateStrategy.rollingUpdate',
        { verbatim: `apps.RollingUpdateStatefulSetStrategy{Partition:${numberAt(strategy, 'rollingUpdate', 'partition') ?? 0}}` },
        "only allowed for updateStrategy 'RollingUpdate'",
      )
    }
  } else if (type === 'RollingUpdate') {
    errors.notNegative('spec.updateStrategy.rollingUpdate.partition', numberAt(strategy, 'rollingUpdate', 'partition'))
  } else {
    errors.invalid('spec.updateStrategy', goStructure('apps.StatefulSetUpdateStrategy'), "must be 'RollingUpdate' or 'OnDelete'")
  }
  checkReplicas(errors, spec)
  checkSetSelector(errors, spec, 'statefulset')
  checkTemplateLabels(errors, 'spec.template', selectorOf(objectAt(spec, 'selector')), objectAt(spec, 'template'))
  const policy = stringAt(spec, 'template', 'spec', 'restartPolicy') ?? ''
  if (policy !== 'Always') errors.notSupported('spec.template.spec.restartPolicy', policy, ['Always'])
}

function checkDaemonSet(errors: FieldErrors, spec: JsonObject): void {
  const selector = selectorOf(objectAt(spec, 'selector'))
  checkSelector(errors, 'spec.selector', selector)
  checkTemplateLabels(errors, 'spec.template', selector, objectAt(spec, 'template'))
  if (selector !== undefined && Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length === 0) {
    errors.invalid('spec.selector', goSelector(selector), 'empty selector is invalid for daemonset')
  }
  checkTemplate(errors, 'spec.template', objectAt(spec, 'template'))
  checkAlwaysRestarted(errors, spec, 'DaemonSet')
  errors.notNegative('spec.minReadySeconds', numberAt(spec, 'minReadySeconds'))
  const type = stringAt(spec, 'updateStrategy', 'type') ?? ''
  if (type === 'RollingUpdate') {
    const field = 'spec.updateStrategy.rollingUpdate.maxUnavailable'
    const unavailable = intOrStringOf(at(spec, 'updateStrategy', 'rollingUpdate', 'maxUnavailable')) ?? 1
    checkShare(errors, field, unavailable)
    if (unavailable === 0 || percentOf(unavailable) === 0) errors.invalid(field, goIntOrString(unavailable), 'cannot be 0')
    checkAtMostAll(errors, field, unavailable)
  } else if (type !== 'OnDelete') {
    errors.notSupported('spec.updateStrategy', goStructure('apps.DaemonSetUpdateStrategy'), ['RollingUpdate', 'OnDelete'])
  }
  errors.notNegative('spec.revisionHistoryLimit', numberAt(spec, 'revisionHistoryLimit'))
}

function checkJobSpec(errors: FieldErrors, field: string, spec: JsonObject): void {
  for (const key of ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished']) {
    errors.notNegative(`${field}.${key}`, numberAt(spec, key))
  }
  checkTemplate(errors, `${field}.template`, objectAt(spec, 'template'))
  const policy = stringAt(spec, 'template', 'spec', 'restartPolicy') ?? ''
  const path = `${field}.template.spec.restartPolicy`
  if (policy === '' || policy === 'Always') errors.required(path, 'valid values: "OnFailure", "Never"')
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.notSupported(path, policy, ['OnFailure', 'Never'])
}

const concurrencyPolicies = ['Allow', 'Forbid', 'Replace']

function checkCronJob(errors: FieldErrors, object: JsonObject, spec: JsonObject, isNew: boolean): void {
  const schedule = stringAt(spec, 'schedule') ?? ''
  const problem = cronProblem(schedule)
  if (schedule === '') errors.required('spec.schedule')
  else if (problem !== undefined) errors.invalid('spec.schedule', schedule, problem)
  errors.notNegative('spec.startingDeadlineSeconds', numberAt(spec, 'startingDeadlineSeconds'))
  const policy = stringAt(spec, 'concurrencyPolicy') ?? ''
  if (!concurrencyPolicies.includes(policy)) errors.notSupported('spec.concurrencyPolicy', policy, concurrencyPolicies)
  const job = objectAt(spec, 'jobTemplate', 'spec') ?? {}
  checkJobSpec(errors, 'spec.jobTemplate.spec', job)
  const selector = selectorOf(objectAt(job, 'selector'))
  if (selector !== undefined) errors.invalid('spec.jobTemplate.spec.selector', goSelector(selector), '`selector` will be auto-generated')
  if (job.manualSelector === true) errors.notSupported('spec.jobTemplate.spec.manualSelector', true, ['nil', 'false'])
  errors.notNegative('spec.successfulJobsHistoryLimit', numberAt(spec, 'successfulJobsHistoryLimit'))
  errors.notNegative('spec.failedJobsHistoryLimit', numberAt(spec, 'failedJobsHistoryLimit'))
  const name = stringAt(object, 'metadata', 'name') ?? ''
  if (isNew && name.length > 52) errors.invalid('metadata.name', name, 'must be no more than 52 characters')
}

const metricSources: Readonly<Record<string, string>> = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource',
}
const metricTypes = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource']

function checkAutoscaler(errors: FieldErrors, state: KubernetesState, spec: JsonObject, before: JsonObject | undefined): void {
  const lowest = state.features.hpaScaleToZero || numberAt(before, 'spec', 'minReplicas') === 0 ? 0 : 1
  const min = numberAt(spec, 'minReplicas') ?? 1
  const max = numberAt(spec, 'maxReplicas') ?? 0
  if (min < lowest) errors.invalid('spec.minReplicas', min, `must be greater than or equal to ${lowest}`)
  if (max < 1) errors.invalid('spec.maxReplicas', max, 'must be greater than 0')
  if (max < min) errors.invalid('spec.maxReplicas', max, 'must be greater than or equal to `minReplicas`')
  checkReference(errors, 'spec.scaleTargetRef', objectAt(spec, 'scaleTargetRef'))
  const metrics = listAt(spec, 'metrics')
  for (const [index, metric] of metrics.entries()) checkMetric(errors, `spec.metrics[${index}]`, metric)
  const outside = metrics.some((metric) => ['Object', 'External'].includes(stringAt(metric, 'type') ?? ''))
  if (min === 0 && !outside) {
    errors.forbidden('spec.metrics', 'must specify at least one Object or External metric to support scaling to zero replicas')
  }
  for (const direction of ['scaleUp', 'scaleDown']) {
    const rules = objectAt(spec, 'behavior', direction)
    if (rules !== undefined) checkScalingRules(errors, `spec.behavior.${direction}`, rules)
  }
}

function checkReference(errors: FieldErrors, field: string, reference: JsonObject | undefined): void {
  for (const key of ['kind', 'name']) {
    const value = stringAt(reference, key) ?? ''
    if (value === '') errors.required(`${field}.${key}`)
    else for (const problem of nameProblems('path', value)) errors.invalid(`${field}.${key}`, value, problem)
  }
}

function checkMetric(errors: FieldErrors, field: string, metric: Json): void {
  const type = stringAt(metric, 'type') ?? ''
  if (type === '') errors.required(`${field}.type`, 'must specify a metric source type')
  if (!metricTypes.includes(type)) errors.notSupported(`${field}.type`, type, metricTypes)
  const present = Object.values(metricSources).filter((key) => objectAt(metric, key) !== undefined)
  const [first] = present
  if (first !== undefined) checkMetricSource(errors, `${field}.${first}`, first, objectAt(metric, first) ?? {})
  const expected = metricSources[type]
  if (expected === undefined) errors.notSupported(`${field}.type`, type, metricTypes)
  else if (objectAt(metric, expected) === undefined) {
    const gate = type === 'ContainerResource' ? ' (only allowed when HPAContainerMetrics feature is enabled)' : ''
    errors.required(`${field}.${expected}`, `must populate information for the given metric source${gate}`)
  }
  if (present.length !== 1) {
    for (const key of present) if (key !== expected) errors.forbidden(`${field}.${key}`, 'must populate the given metric source only')
  }
}

function checkMetricSource(errors: FieldErrors, field: string, source: string, metric: JsonObject): void {
  const target = objectAt(metric, 'target')
  const has = (key: string): boolean => target?.[key] !== undefined
  if (source === 'resource' || source === 'containerResource') {
    if ((stringAt(metric, 'name') ?? '') === '') errors.required(`${field}.name`, 'must specify a resource name')
  } else if ((stringAt(metric, 'metric', 'name') ?? '') === '') {
    errors.required(`${field}.metric.name`, 'must specify a metric name')
  }
  if ((stringAt(target, 'type') ?? '') === '') errors.required(`${field}.target.type`, 'must specify a metric target type')
  const utilization = numberAt(target, 'averageUtilization')
  if (utilization !== undefined && utilization < 1)
    errors.invalid(`${field}.target.averageUtilization`, utilization, 'must be greater than 0')
  switch (source) {
    case 'object':
      if (!has('value') && !has('averageValue'))
        errors.required(`${field}.target.averageValue`, 'must set either a target value or averageValue')
      return
    case 'external':
      if (!has('value') && !has('averageValue')) {
        errors.required(`${field}.target.averageValue`, 'must set either a target value for metric or a per-pod target')
      }
      if (has('value') && has('averageValue')) {
        errors.forbidden(`${field}.target.value`, 'may not set both a target value for metric and a per-pod target')
      }
      return
    case 'pods':
      if (!has('averageValue')) errors.required(`${field}.target.averageValue`, 'must specify a positive target averageValue')
      return
    default:
      if (!has('averageUtilization') && !has('averageValue')) {
        errors.required(`${field}.target.averageUtilization`, 'must set either a target raw value or a target utilization')
      }
      if (has('averageUtilization') && has('averageValue')) {
        errors.forbidden(`${field}.target.averageValue`, 'may not set both a target raw value and a target utilization')
      }
  }
}

function checkScalingRules(errors: FieldErrors, field: string, rules: JsonObject): void {
  const window = numberAt(rules, 'stabilizationWindowSeconds')
  if (window !== undefined && window < 0)
    errors.invalid(`${field}.stabilizationWindowSeconds`, window, 'must be greater than or equal to zero')
  if (window !== undefined && window > 3600)
    errors.invalid(`${field}.stabilizationWindowSeconds`, window, 'must be less than or equal to 3600')
  const select = stringAt(rules, 'selectPolicy')
  const selects = ['Disabled', 'Max', 'Min']
  if (select !== undefined && !selects.includes(select)) errors.notSupported(`${field}.selectPolicy`, select, selects)
  const policies = listAt(rules, 'policies')
  if (policies.length === 0) errors.required(`${field}.policies`, 'must specify at least one Policy')
  for (const [index, policy] of policies.entries()) {
    const path = `${field}.policies[${index}]`
    const type = stringAt(policy, 'type') ?? ''
    if (type !== 'Pods' && type !== 'Percent') errors.notSupported(`${path}.type`, type, ['Percent', 'Pods'])
    const value = numberAt(policy, 'value') ?? 0
    if (value <= 0) errors.invalid(`${path}.value`, value, 'must be greater than zero')
    const period = numberAt(policy, 'periodSeconds') ?? 0
    if (period <= 0) errors.invalid(`${path}.periodSeconds`, period, 'must be greater than zero')
    if (period > 1800) errors.invalid(`${path}.periodSeconds`, period, 'must be less than or equal to 1800')
  }
}

function checkBudget(errors: FieldErrors, spec: JsonObject): void {
  const min = intOrStringOf(spec.minAvailable)
  const max = intOrStringOf(spec.maxUnavailable)
  if (min !== undefined && max !== undefined) {
    errors.invalid('spec', goStructure('policy.PodDisruptionBudgetSpec'), 'minAvailable and maxUnavailable cannot be both set')
  }
  for (const [key, value] of [
    ['minAvailable', min],
    ['maxUnavailable', max],
  ] as const) {
    if (value === undefined) continue
    checkShare(errors, `spec.${key}`, value)
    checkAtMostAll(errors, `spec.${key}`, value)
  }
  checkSelector(errors, 'spec.selector', selectorOf(objectAt(spec, 'selector')))
}

const serviceTypes = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

function checkService(errors: FieldErrors, spec: JsonObject): void {
  const type = stringAt(spec, 'type') ?? ''
  const ports = listAt(spec, 'ports')
  if (ports.length === 0 && type !== 'ExternalName' && stringAt(spec, 'clusterIP') !== 'None') errors.required('spec.ports')
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`
    const name = stringAt(port, 'name') ?? ''
    if (ports.length > 1 && name === '') errors.required(`${path}.name`)
    const number = numberAt(port, 'port') ?? 0
    const range = 'must be between 1 and 65535, inclusive'
    if (number < 1 || number > 65535) errors.invalid(`${path}.port`, number, range)
    const target = numberAt(port, 'targetPort')
    if (target !== undefined && (target < 1 || target > 65535)) errors.invalid(`${path}.targetPort`, target, range)
  }
  if (!serviceTypes.includes(type)) errors.notSupported('spec.type', type, serviceTypes)
}

const dataKeyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

const secretKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
}

function dataKeyProblems(key: string): string[] {
  const problems: string[] = []
  if (key.length > 253) problems.push('must be no more than 253 characters')
  if (!/^[-._a-zA-Z0-9]+$/.test(key)) problems.push(dataKeyText)
  if (key === '.' || key === '..') problems.push(`must not be '${key}'`)
  return problems
}

function checkDefinition(errors: FieldErrors, object: JsonObject, spec: JsonObject): void {
  const group = stringAt(spec, 'group') ?? ''
  const plural = stringAt(spec, 'names', 'plural') ?? ''
  const name = stringAt(object, 'metadata', 'name') ?? ''
  if (name !== `${plural}.${group}`) errors.invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group')
  if (group === '') errors.required('spec.group')
  else if (!group.includes('.')) errors.invalid('spec.group', group, 'should be a domain with at least one dot')
  const scope = stringAt(spec, 'scope') ?? ''
  if (scope === '') errors.required('spec.scope')
  else if (scope !== 'Namespaced' && scope !== 'Cluster') errors.notSupported('spec.scope', scope, ['Cluster', 'Namespaced'])
  const versions = listAt(spec, 'versions')
  if (versions.filter((version) => objectAt(version)?.storage === true).length !== 1) {
    errors.invalid(
      'spec.versions',
      goStructure('[]apiextensions.CustomResourceDefinitionVersion'),
      'must have exactly one version marked as storage version',
    )
    if (listAt(object, 'status', 'storedVersions').length === 0) {
      errors.invalid('status.storedVersions', { verbatim: '[]string(nil)' }, 'must have at least one stored version')
    }
  }
  for (const [index, version] of versions.entries()) {
    if (objectAt(version, 'schema', 'openAPIV3Schema') === undefined) {
      errors.required(`spec.versions[${index}].schema.openAPIV3Schema`, 'schemas are required')
    }
  }
  if (plural === '') errors.required('spec.names.plural')
  if ((stringAt(spec, 'names', 'kind') ?? '') === '') errors.required('spec.names.kind')
}
