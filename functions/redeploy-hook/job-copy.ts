import type { KubeObject } from '#cloud/kube.ts'
import type { CloneJobChange, RunCronJobChange } from './change.ts'

/** Tells the copies of one Job, by the uid of the Job that was copied. */
export const copyOfLabel = 'longshore.dev/copy-of'

/** Annotation of what was started by this function: the key of the step that did it. */
export const startedByAnnotation = 'longshore.dev/started-by'

/** What the API adds to a Job to find its pods; a copy has to get its own. */
const generatedLabels = new Set(['controller-uid', 'job-name', 'batch.kubernetes.io/controller-uid', 'batch.kubernetes.io/job-name'])

type Json = Readonly<Record<string, unknown>>

/**
 * The copy of a Job with other images. It has a name and labels of its own and runs from the beginning; everything else of its
 * spec is the original's. Undefined when the original has no template.
 */
export function copyOfJob(original: KubeObject, change: CloneJobChange, key: string): object | undefined {
  const spec = objectAt(original, 'spec')
  const template = objectAt(spec, 'template')
  const podSpec = objectAt(template, 'spec')
  if (spec === undefined || template === undefined || podSpec === undefined) return undefined
  const { selector: _selector, manualSelector: _manual, suspend: _suspend, template: _template, ...kept } = spec
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: change.job,
      namespace: change.ref.namespace,
      labels: { ...ownLabels(original.metadata.labels), [copyOfLabel]: change.uid },
      annotations: { [startedByAnnotation]: key },
      ...(change.owner ? { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: change.ref.name, uid: change.uid }] } : {}),
    },
    spec: {
      ...kept,
      template: {
        ...template,
        metadata: metadataOf(template),
        spec: withImages(podSpec, new Map(change.containers.map(({ name, to }) => [name, to]))),
      },
    },
  }
}

/** A run of a CronJob outside its schedule, as its controller would start it. Undefined when it has no template. */
export function runOfCronJob(cronJob: KubeObject, change: RunCronJobChange, key: string): object | undefined {
  const jobTemplate = objectAt(objectAt(cronJob, 'spec'), 'jobTemplate')
  const spec = objectAt(jobTemplate, 'spec')
  if (jobTemplate === undefined || spec === undefined) return undefined
  const metadata = objectAt(jobTemplate, 'metadata')
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: change.job,
      namespace: change.ref.namespace,
      labels: { ...objectAt(metadata, 'labels') },
      annotations: { ...objectAt(metadata, 'annotations'), 'cronjob.kubernetes.io/instantiate': 'manual', [startedByAnnotation]: key },
      ownerReferences: [{ apiVersion: cronJob.apiVersion, kind: 'CronJob', name: change.ref.name, uid: change.uid, controller: true }],
    },
    spec,
  }
}

/**
 * Whether a Job of the name that a step gives was started for it: by this function, and for this very workload. Its name says what for,
 * so another step may have started it, which was not recorded before somebody wrote something else on the record.
 */
export function isStartedFor({ metadata }: KubeObject, { kind, uid }: CloneJobChange | RunCronJobChange): boolean {
  if (metadata.annotations?.[startedByAnnotation] === undefined) return false
  if (kind === 'clone-job') return metadata.labels?.[copyOfLabel] === uid
  const { ownerReferences } = metadata
  return Array.isArray(ownerReferences) && ownerReferences.some((owner: unknown) => objectOf(owner)?.uid === uid)
}

function metadataOf(template: Json): Json {
  const metadata = objectAt(template, 'metadata') ?? {}
  const { creationTimestamp: _created, labels: _labels, ...rest } = metadata
  return { ...rest, labels: ownLabels(objectAt(metadata, 'labels')) }
}

function ownLabels(labels: Json | undefined): Json {
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([name]) => !generatedLabels.has(name)))
}

function withImages(podSpec: Json, images: ReadonlyMap<string, string>): Json {
  const replaced = (list: unknown): unknown =>
    Array.isArray(list)
      ? list.map((one: unknown) => {
          const container = objectOf(one)
          const name = container?.name
          const image = typeof name === 'string' ? images.get(name) : undefined
          return container === undefined || image === undefined ? one : { ...container, image }
        })
      : list
  const { containers, initContainers, ...rest } = podSpec
  return {
    ...rest,
    containers: replaced(containers),
    ...(initContainers === undefined ? {} : { initContainers: replaced(initContainers) }),
  }
}

function objectAt(value: object | undefined, key: string): Json | undefined {
  return value !== undefined && Object.hasOwn(value, key) ? objectOf(Reflect.get(value, key)) : undefined
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
}
