import type { FieldErrors } from './field-errors.ts'
import type { Json, JsonObject } from './json.ts'
import { listAt, numberAt, objectAt, sameJson, stringAt } from './json.ts'
import { labelKeyProblem, labelValueProblem, subdomainText } from './selectors.ts'
import { epochMsOf } from './time.ts'

export type NameRule = 'subdomain' | 'label' | 'service' | 'path' | 'event'

const subdomain = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const label = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/
const serviceLabel = /^[a-z](?:[-a-z0-9]*[a-z0-9])?$/

const labelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const serviceText =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"

/** What is wrong with a name under a rule. A prefix of a generated name may end in a dash. */
export function nameProblems(rule: NameRule, name: string, prefix = false): string[] {
  const checked = prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name
  switch (rule) {
    case 'subdomain':
      return shapeProblems(checked, 253, subdomain, subdomainText)
    case 'label':
      return shapeProblems(checked, 63, label, labelText)
    case 'service':
      return shapeProblems(checked, 63, serviceLabel, serviceText)
    case 'path':
      return pathProblems(checked)
    case 'event':
      return pathProblems(checked)
  }
}

function shapeProblems(name: string, limit: number, shape: RegExp, text: string): string[] {
  const problems: string[] = []
  if (name.length > limit) problems.push(`must be no more than ${limit} characters`)
  if (name.length > 1024 || !shape.test(name)) problems.push(text)
  return problems
}

function pathProblems(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((character) => name.includes(character)).map((character) => `may not contain '${character}'`)
}

/** Refuses labels that are none. */
export function checkLabels(errors: FieldErrors, field: string, labels: JsonObject | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyProblem = labelKeyProblem(key)
    if (keyProblem !== undefined) errors.invalid(field, key, keyProblem)
    const valueProblem = typeof value === 'string' ? labelValueProblem(value) : undefined
    if (valueProblem !== undefined) errors.invalid(field, value, valueProblem)
  }
}

const annotationLimitBytes = 256 * 1024

function checkAnnotations(errors: FieldErrors, field: string, annotations: JsonObject | undefined): void {
  let sizeBytes = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    const problem = labelKeyProblem(key.toLowerCase())
    if (problem !== undefined) errors.invalid(field, key, problem)
    sizeBytes += Buffer.byteLength(key) + Buffer.byteLength(typeof value === 'string' ? value : '')
  }
  if (sizeBytes > annotationLimitBytes) errors.tooLong(field, annotationLimitBytes)
}

/** Refuses labels and annotations of an object or a template. */
export function checkTags(errors: FieldErrors, field: string, metadata: JsonObject | undefined): void {
  checkLabels(errors, `${field}labels`, objectAt(metadata, 'labels'))
  checkAnnotations(errors, `${field}annotations`, objectAt(metadata, 'annotations'))
}

function checkOwners(errors: FieldErrors, metadata: JsonObject): void {
  const field = 'metadata.ownerReferences'
  let controller: string | undefined
  for (const owner of listAt(metadata, 'ownerReferences')) {
    const apiVersion = stringAt(owner, 'apiVersion') ?? ''
    if (apiVersion === '') errors.invalid(`${field}.apiVersion`, apiVersion, 'version must not be empty')
    for (const key of ['kind', 'name', 'uid']) {
      if ((stringAt(owner, key) ?? '') === '') errors.invalid(`${field}.${key}`, '', `${key} must not be empty`)
    }
    if (objectAt(owner)?.controller !== true) continue
    const name = stringAt(owner, 'name') ?? ''
    if (controller !== undefined) {
      errors.invalid(
        field,
        { verbatim: '[]v1.OwnerReference{…}' },
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
      )
    }
    controller = name
  }
}

const standardFinalizers: readonly Json[] = ['kubernetes', 'orphan', 'foregroundDeletion']

/** Built-in kinds want a domain before a finalizer's name, unless it is one of the server's own. */
function checkFinalizerDomains(errors: FieldErrors, metadata: JsonObject): void {
  for (const [index, finalizer] of listAt(metadata, 'finalizers').entries()) {
    if (typeof finalizer !== 'string' || finalizer.includes('/') || standardFinalizers.includes(finalizer)) continue
    errors.invalid(`metadata.finalizers[${index}]`, finalizer, 'name is neither a standard finalizer name nor is it fully qualified')
  }
}

function checkFinalizers(errors: FieldErrors, metadata: JsonObject): void {
  const finalizers = listAt(metadata, 'finalizers')
  for (const finalizer of finalizers) {
    const problem = typeof finalizer === 'string' ? labelKeyProblem(finalizer) : undefined
    if (problem !== undefined) errors.invalid('metadata.finalizers', finalizer, problem)
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const shown = `[]string{${finalizers.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`
    errors.invalid('metadata.finalizers', { verbatim: shown }, 'finalizer orphan and foregroundDeletion cannot be both set')
  }
}

/** Refuses the metadata of an object that is to be created. */
export function checkNewMetadata(errors: FieldErrors, rule: NameRule, namespaced: boolean, metadata: JsonObject, isBuiltIn = true): void {
  const generateName = stringAt(metadata, 'generateName') ?? ''
  if (generateName !== '') {
    for (const problem of nameProblems(rule, generateName, true)) errors.invalid('metadata.generateName', generateName, problem)
  }
  const name = stringAt(metadata, 'name') ?? ''
  if (name === '') errors.required('metadata.name', 'name or generateName is required')
  else for (const problem of nameProblems(rule, name)) errors.invalid('metadata.name', name, problem)
  if (namespaced) {
    const namespace = stringAt(metadata, 'namespace') ?? ''
    if (namespace === '') errors.required('metadata.namespace')
    else for (const problem of nameProblems('label', namespace)) errors.invalid('metadata.namespace', namespace, problem)
  }
  errors.notNegative('metadata.generation', numberAt(metadata, 'generation'))
  checkTags(errors, 'metadata.', metadata)
  checkOwners(errors, metadata)
  checkFinalizers(errors, metadata)
  if (isBuiltIn) checkFinalizerDomains(errors, metadata)
}

const immutable = 'field is immutable'

/** Refuses what an update may not change in the metadata. */
export function checkChangedMetadata(errors: FieldErrors, metadata: JsonObject, before: JsonObject): void {
  if (stringAt(before, 'deletionTimestamp') !== undefined) {
    const old = new Set(listAt(before, 'finalizers'))
    const added = listAt(metadata, 'finalizers').filter((finalizer) => !old.has(finalizer))
    if (added.length > 0) {
      const shown = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`
      errors.forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`,
      )
    }
  }
  if ((stringAt(metadata, 'resourceVersion') ?? '') === '') {
    errors.invalid('metadata.resourceVersion', '', 'must be specified for an update')
  }
  for (const key of ['name', 'namespace', 'uid']) {
    if (!sameJson(metadata[key], before[key])) errors.invalid(`metadata.${key}`, stringAt(metadata, key) ?? '', immutable)
  }
  for (const key of ['creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds']) {
    if (!sameJson(metadata[key] ?? null, before[key] ?? null)) errors.invalid(`metadata.${key}`, goInstant(metadata[key]), immutable)
  }
  checkTags(errors, 'metadata.', metadata)
  checkOwners(errors, metadata)
}

function goInstant(value: Json | undefined): Json | { verbatim: string } {
  const instant = typeof value === 'string' ? epochMsOf(value) : undefined
  if (instant === undefined) return value ?? null
  return { verbatim: `${new Date(instant).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC` }
}
