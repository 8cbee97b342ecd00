import type { FieldErrors } from './field-errors.ts'
import { goStrings } from './go-text.ts'
import type { Json, JsonObject } from './json.ts'
import { isJsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts'
import { milliOf, parseQuantity } from './quantity.ts'
import { labelKeyProblem, matcherOf, SelectorFault } from './selectors.ts'
import type { LabelSelector, StringMap } from './shapes.ts'
import { checkLabels, checkTags, nameProblems } from './validate-metadata.ts'

/** Reads labels out of JSON that decode.ts has shaped. */
function stringMapOf(value: JsonObject | undefined): StringMap | undefined {
  if (value === undefined) return undefined
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, entry]): [string, string][] => (typeof entry === 'string' ? [[key, entry]] : [])),
  )
}

/** Reads a selector out of JSON that decode.ts has shaped. */
export function selectorOf(value: JsonObject | undefined): LabelSelector | undefined {
  if (value === undefined) return undefined
  const matchLabels = stringMapOf(objectAt(value, 'matchLabels'))
  const expressions = listAt(value, 'matchExpressions').map((each) => ({
    key: stringAt(each, 'key') ?? '',
    operator: stringAt(each, 'operator') ?? '',
    ...(listAt(each, 'values').length === 0
      ? {}
      : { values: listAt(each, 'values').filter((entry): entry is string => typeof entry === 'string') }),
  }))
  return {
    ...(matchLabels === undefined ? {} : { matchLabels }),
    ...(expressions.length === 0 ? {} : { matchExpressions: expressions }),
  }
}

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist']

/** Refuses a selector whose labels or operators are none. */
export function checkSelector(errors: FieldErrors, field: string, selector: LabelSelector | undefined): void {
  checkLabels(errors, `${field}.matchLabels`, selector?.matchLabels)
  for (const [index, { key, operator, values = [] }] of (selector?.matchExpressions ?? []).entries()) {
    const path = `${field}.matchExpressions[${index}]`
    if (!operators.includes(operator)) errors.invalid(`${path}.operator`, operator, 'not a valid selector operator')
    else if (operator.endsWith('In') && values.length === 0) {
      errors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")
    } else if (!operator.endsWith('In') && values.length > 0) {
      errors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    }
    const problem = labelKeyProblem(key)
    if (problem !== undefined) errors.invalid(`${path}.key`, key, problem)
  }
}

/**
 * Refuses a template whose labels the selector would not find; no selector finds none, and an empty one is refused
 * elsewhere. Answers whether the selector could be read at all.
 */
export function checkTemplateLabels(
  errors: FieldErrors,
  field: string,
  selector: LabelSelector | undefined,
  template: JsonObject | undefined,
): boolean {
  const labels = stringMapOf(objectAt(template, 'metadata', 'labels'))
  try {
    if (matcherOf(selector)(labels)) return true
  } catch (error) {
    if (error instanceof SelectorFault) return false
    throw error
  }
  errors.invalid(`${field}.metadata.labels`, goStrings(labels), '`selector` does not match template `labels`')
  return true
}

/** Refuses a template: its labels and its pod. */
export function checkTemplate(errors: FieldErrors, field: string, template: JsonObject | undefined): void {
  checkTags(errors, `${field}.`, objectAt(template, 'metadata'))
  checkPodSpec(errors, `${field}.spec`, objectAt(template, 'spec') ?? {})
}

const restartPolicies = ['Always', 'OnFailure', 'Never']
const dnsPolicies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const protocols = ['SCTP', 'TCP', 'UDP']

/** Refuses the spec of a pod: containers, volumes, policies. */
export function checkPodSpec(errors: FieldErrors, field: string, spec: JsonObject): void {
  const volumes = checkVolumes(errors, `${field}.volumes`, listAt(spec, 'volumes'))
  const containers = listAt(spec, 'containers')
  if (containers.length === 0) errors.required(`${field}.containers`)
  else checkContainers(errors, `${field}.containers`, containers, volumes)
  const initContainers = listAt(spec, 'initContainers')
  if (initContainers.length > 0) checkContainers(errors, `${field}.initContainers`, initContainers, volumes)
  const restartPolicy = stringAt(spec, 'restartPolicy') ?? ''
  if (!restartPolicies.includes(restartPolicy)) errors.notSupported(`${field}.restartPolicy`, restartPolicy, restartPolicies)
  const dnsPolicy = stringAt(spec, 'dnsPolicy') ?? ''
  if (!dnsPolicies.includes(dnsPolicy)) errors.notSupported(`${field}.dnsPolicy`, dnsPolicy, dnsPolicies)
  checkLabels(errors, `${field}.nodeSelector`, objectAt(spec, 'nodeSelector'))
  const account = stringAt(spec, 'serviceAccountName')
  if (account !== undefined)
    for (const problem of nameProblems('subdomain', account)) errors.invalid(`${field}.serviceAccountName`, account, problem)
  const node = stringAt(spec, 'nodeName')
  if (node !== undefined) for (const problem of nameProblems('subdomain', node)) errors.invalid(`${field}.nodeName`, node, problem)
  const deadline = numberAt(spec, 'activeDeadlineSeconds')
  if (deadline !== undefined && (deadline < 1 || deadline > 2147483647)) {
    errors.invalid(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive')
  }
  for (const key of ['hostname', 'subdomain']) {
    const value = stringAt(spec, key)
    if (value !== undefined) for (const problem of nameProblems('label', value)) errors.invalid(`${field}.${key}`, value, problem)
  }
}

function checkVolumes(errors: FieldErrors, field: string, volumes: readonly Json[]): ReadonlySet<string> {
  const names = new Set<string>()
  for (const [index, volume] of volumes.entries()) {
    const path = `${field}[${index}].name`
    const name = stringAt(volume, 'name') ?? ''
    const sources = isJsonObject(volume) ? Object.keys(volume).filter((key) => key !== 'name') : []
    for (const extra of sources.slice(1)) errors.forbidden(`${field}[${index}].${extra}`, 'may not specify more than 1 volume type')
    if (name === '') errors.required(path)
    else {
      const problems = nameProblems('label', name)
      for (const problem of problems) errors.invalid(path, name, problem)
      if (problems.length === 0 && names.has(name)) errors.duplicate(path, name)
    }
    names.add(name)
  }
  return names
}

function checkContainers(errors: FieldErrors, field: string, containers: readonly Json[], volumes: ReadonlySet<string>): void {
  const names = new Set<string>()
  for (const [index, container] of containers.entries()) {
    const path = `${field}[${index}]`
    const name = stringAt(container, 'name') ?? ''
    if (name === '') errors.required(`${path}.name`)
    else for (const problem of nameProblems('label', name)) errors.invalid(`${path}.name`, name, problem)
    if (names.has(name)) errors.duplicate(`${path}.name`, name)
    names.add(name)
    if ((stringAt(container, 'image') ?? '') === '') errors.required(`${path}.image`)
    checkProbe(errors, `${path}.livenessProbe`, objectAt(container, 'livenessProbe'))
    checkProbe(errors, `${path}.startupProbe`, objectAt(container, 'startupProbe'))
    checkProbe(errors, `${path}.readinessProbe`, objectAt(container, 'readinessProbe'))
    checkPorts(errors, `${path}.ports`, listAt(container, 'ports'))
    checkEnvironment(errors, `${path}.env`, listAt(container, 'env'))
    checkMounts(errors, `${path}.volumeMounts`, listAt(container, 'volumeMounts'), volumes)
    const pull = stringAt(container, 'imagePullPolicy') ?? ''
    if (!pullPolicies.includes(pull)) errors.notSupported(`${path}.imagePullPolicy`, pull, pullPolicies)
    checkResources(errors, `${path}.resources`, objectAt(container, 'resources'))
  }
}

function checkProbe(errors: FieldErrors, field: string, probe: JsonObject | undefined): void {
  if (probe === undefined) return
  const handlers = ['exec', 'httpGet', 'tcpSocket'].filter((key) => objectAt(probe, key) !== undefined)
  if (handlers.length === 0) errors.required(field, 'must specify a handler type')
  for (const extra of handlers.slice(1)) errors.forbidden(`${field}.${extra}`, 'may not specify more than 1 handler type')
  for (const key of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold']) {
    errors.notNegative(`${field}.${key}`, numberAt(probe, key))
  }
}

const portRange = 'must be between 1 and 65535, inclusive'

function checkPorts(errors: FieldErrors, field: string, ports: readonly Json[]): void {
  const names = new Set<string>()
  for (const [index, port] of ports.entries()) {
    const path = `${field}[${index}]`
    const name = stringAt(port, 'name') ?? ''
    if (name !== '') {
      const problems = portNameProblems(name)
      for (const problem of problems) errors.invalid(`${path}.name`, name, problem)
      if (problems.length === 0 && names.has(name)) errors.duplicate(`${path}.name`, name)
      names.add(name)
    }
    const number = numberAt(port, 'containerPort') ?? 0
    if (number === 0) errors.required(`${path}.containerPort`)
    else if (number < 1 || number > 65535) errors.invalid(`${path}.containerPort`, number, portRange)
    const host = numberAt(port, 'hostPort') ?? 0
    if (host !== 0 && (host < 1 || host > 65535)) errors.invalid(`${path}.hostPort`, host, portRange)
    const protocol = stringAt(port, 'protocol') ?? ''
    if (protocol === '') errors.required(`${path}.protocol`)
    else if (!protocols.includes(protocol)) errors.notSupported(`${path}.protocol`, protocol, protocols)
  }
}

function portNameProblems(name: string): string[] {
  const problems: string[] = []
  if (name.length > 15) problems.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]+$/.test(name)) problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) problems.push('must contain at least one letter or number (a-z, 0-9)')
  if (name.includes('--')) problems.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) problems.push('must not begin or end with a hyphen')
  return problems
}

const envNameText =
  "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')"

function checkEnvironment(errors: FieldErrors, field: string, variables: readonly Json[]): void {
  for (const [index, variable] of variables.entries()) {
    const path = `${field}[${index}]`
    const name = stringAt(variable, 'name') ?? ''
    if (name === '') errors.required(`${path}.name`)
    else if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(name)) errors.invalid(`${path}.name`, name, envNameText)
    const from = objectAt(variable, 'valueFrom')
    if (from === undefined) continue
    if (Object.keys(from).length === 0)
      errors.invalid(`${path}.valueFrom`, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`')
    else if ((stringAt(variable, 'value') ?? '') !== '')
      errors.invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty')
    else if (Object.keys(from).length > 1) errors.invalid(`${path}.valueFrom`, '', 'may not have more than one field specified at a time')
  }
}

function checkMounts(errors: FieldErrors, field: string, mounts: readonly Json[], volumes: ReadonlySet<string>): void {
  const paths = new Set<string>()
  for (const [index, mount] of mounts.entries()) {
    const path = `${field}[${index}]`
    const name = stringAt(mount, 'name') ?? ''
    if (name === '') errors.required(`${path}.name`)
    if (!volumes.has(name)) errors.notFound(`${path}.name`, name)
    const mountPath = stringAt(mount, 'mountPath') ?? ''
    if (mountPath === '') errors.required(`${path}.mountPath`)
    if (paths.has(mountPath)) errors.invalid(`${path}.mountPath`, mountPath, 'must be unique')
    paths.add(mountPath)
  }
}

/** Resources of which a node may promise more than it has. */
function overcommitted(resource: string): boolean {
  return (!resource.includes('/') || resource.includes('kubernetes.io/')) && !resource.startsWith('hugepages-')
}

function checkResources(errors: FieldErrors, field: string, resources: JsonObject | undefined): void {
  const limits = stringMapOf(objectAt(resources, 'limits')) ?? {}
  const requests = stringMapOf(objectAt(resources, 'requests')) ?? {}
  for (const [name, amount] of Object.entries(limits)) checkAmount(errors, `${field}.limits[${name}]`, amount)
  for (const [name, amount] of Object.entries(requests)) {
    checkAmount(errors, `${field}.requests[${name}]`, amount)
    const limit = limits[name]
    if (limit === undefined) {
      if (!overcommitted(name)) errors.required(`${field}.limits`, 'Limit must be set for non overcommitable resources')
    } else if (!overcommitted(name) && milliOf(amount) !== milliOf(limit)) {
      errors.invalid(`${field}.requests`, amount, `must be equal to ${name} limit`)
    } else if (milliOf(amount) > milliOf(limit)) {
      errors.invalid(`${field}.requests`, amount, `must be less than or equal to ${name} limit`)
    }
  }
}

function checkAmount(errors: FieldErrors, field: string, amount: string): void {
  const quantity = parseQuantity(amount)
  if (quantity !== undefined && quantity.nanos < 0n) errors.invalid(field, amount, 'must be greater than or equal to 0')
}
