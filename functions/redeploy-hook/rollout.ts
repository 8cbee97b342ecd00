import * as z from 'zod/mini'
import type { RolloutStatus, WorkloadKind } from './workload.ts'

const count = z.optional(z.nullable(z.int()))

const Condition = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.optional(z.nullable(z.string())),
  message: z.optional(z.nullable(z.string())),
})

/** What of a workload tells how far its rollout is. All counts are absent while they are 0. */
const Rolling = z.object({
  metadata: z.object({ generation: count }),
  spec: z.object({
    replicas: count,
    paused: z.optional(z.nullable(z.boolean())),
    suspend: z.optional(z.nullable(z.boolean())),
    updateStrategy: z.optional(
      z.nullable(
        z.object({
          type: z.optional(z.nullable(z.string())),
          rollingUpdate: z.optional(z.nullable(z.object({ partition: count }))),
        }),
      ),
    ),
  }),
  status: z.optional(
    z.nullable(
      z.object({
        observedGeneration: count,
        replicas: count,
        updatedReplicas: count,
        availableReplicas: count,
        readyReplicas: count,
        currentRevision: z.optional(z.nullable(z.string())),
        updateRevision: z.optional(z.nullable(z.string())),
        desiredNumberScheduled: count,
        updatedNumberScheduled: count,
        numberAvailable: count,
        active: count,
        succeeded: count,
        conditions: z.optional(z.nullable(z.array(Condition))),
      }),
    ),
  ),
})

type Rolling = z.infer<typeof Rolling>
type Status = NonNullable<Rolling['status']>

/**
 * How far the rollout of a workload is, by its own status alone. A status that belongs to an earlier generation says nothing
 * about this one. Undefined when the object does not look like a workload at all.
 *
 * The rules are those by which the API's own tools judge: the controller has seen this generation, every pod that should be
 * is of the new template, none of the old ones is left, and all are available. A Deployment that has passed its
 * `progressDeadlineSeconds` and a Job with the condition Failed have failed; the other kinds never say so by themselves.
 */
export function rolloutOf(object: unknown, kind: WorkloadKind): RolloutStatus | undefined {
  const parsed = z.safeParse(Rolling, object)
  if (!parsed.success) return undefined
  const { metadata, spec, status } = parsed.data
  if (kind === 'CronJob') return { kind: 'complete', text: 'its next run takes the new image' }
  if (kind !== 'Job' && (status?.observedGeneration ?? 0) < (metadata.generation ?? 0))
    return { kind: 'progressing', text: 'its controller has not seen the change yet' }
  return judges[kind](spec, status ?? {})
}

const judges: Readonly<Record<Exclude<WorkloadKind, 'CronJob'>, (spec: Rolling['spec'], status: Status) => RolloutStatus>> = {
  Deployment: (spec, status) => {
    const wanted = spec.replicas ?? 1
    const progress = status.conditions?.find(({ type }) => type === 'Progressing')
    if (progress?.reason === 'ProgressDeadlineExceeded')
      return { kind: 'failed', code: 'progress-deadline-exceeded', text: progress.message ?? 'it made no progress within its deadline' }
    if (spec.paused === true)
      return { kind: 'not-watched', code: 'paused', text: 'it is paused: no pod is replaced until somebody resumes it' }
    const updated = status.updatedReplicas ?? 0
    if (updated < wanted) return { kind: 'progressing', text: `${updated} of ${wanted} pods are of the new template` }
    const old = (status.replicas ?? 0) - updated
    if (old > 0)
      return {
        kind: 'progressing',
        text: old === 1 ? '1 pod of the old template is still there' : `${old} pods of the old template are still there`,
      }
    return byAvailable(status.availableReplicas ?? 0, wanted)
  },
  StatefulSet: (spec, status) => {
    const wanted = spec.replicas ?? 1
    if (spec.updateStrategy?.type === 'OnDelete') return byDeleted(wanted, status.updatedReplicas ?? 0, status.readyReplicas ?? 0)
    const partition = spec.updateStrategy?.rollingUpdate?.partition ?? 0
    const toUpdate = Math.max(0, wanted - partition)
    const isOneRevision = status.updateRevision != null && status.updateRevision === status.currentRevision
    // Once all are updated the controller makes the new revision the current one, and may count none as updated any more.
    const updated = isOneRevision ? (status.replicas ?? 0) : (status.updatedReplicas ?? 0)
    if (updated < toUpdate) return { kind: 'progressing', text: `${updated} of ${toUpdate} pods are of the new template` }
    if (partition > 0 && !isOneRevision && toUpdate === 0)
      return { kind: 'not-watched', code: 'partition', text: `its partition ${partition} keeps every pod on the old template` }
    return byAvailable(status.readyReplicas ?? 0, wanted)
  },
  DaemonSet: (spec, status) => {
    const wanted = status.desiredNumberScheduled ?? 0
    const updated = status.updatedNumberScheduled ?? 0
    if (spec.updateStrategy?.type === 'OnDelete') return byDeleted(wanted, updated, status.numberAvailable ?? 0)
    if (updated < wanted) return { kind: 'progressing', text: `${updated} of ${wanted} pods are of the new template` }
    return byAvailable(status.numberAvailable ?? 0, wanted)
  },
  Job: (spec, status) => {
    const holds = (type: string) => status.conditions?.find((condition) => condition.type === type && condition.status === 'True')
    const failed = holds('Failed')
    if (failed !== undefined) return { kind: 'failed', code: 'job-failed', text: failed.message ?? failed.reason ?? 'the job has failed' }
    if (holds('Complete') !== undefined) return { kind: 'complete', text: 'the job has completed' }
    if (spec.suspend === true) return { kind: 'not-watched', code: 'suspended', text: 'the job is suspended' }
    return { kind: 'progressing', text: `pods of the job: ${status.active ?? 0} active, ${status.succeeded ?? 0} succeeded` }
  },
}

/**
 * With OnDelete nothing rolls by itself, and nobody knows when somebody will delete a pod: it is complete once all are new and available,
 * and until then it is nobody's failure. Its current revision never becomes the new one, so only the counts tell.
 */
function byDeleted(wanted: number, updated: number, available: number): RolloutStatus {
  if (updated >= wanted && available >= wanted) return byAvailable(available, wanted)
  const text = `its strategy is OnDelete: a pod takes the new image when somebody deletes the old one; ${updated} of ${wanted} pods are of the new template`
  return { kind: 'not-watched', code: 'on-delete', text }
}

function byAvailable(available: number, wanted: number): RolloutStatus {
  if (available < wanted) return { kind: 'progressing', text: `${available} of ${wanted} new pods are available` }
  return { kind: 'complete', text: wanted === 0 ? 'no pod is wanted' : `all ${wanted} pods are new and available` }
}

const ContainerStatus = z.object({
  name: z.optional(z.string()),
  restartCount: count,
  state: z.optional(
    z.nullable(
      z.object({
        waiting: z.optional(
          z.nullable(z.object({ reason: z.optional(z.nullable(z.string())), message: z.optional(z.nullable(z.string())) })),
        ),
      }),
    ),
  ),
})

const statuses = z.optional(z.nullable(z.array(ContainerStatus)))
const containers = z.optional(z.nullable(z.array(z.object({ name: z.string(), image: z.optional(z.nullable(z.string())) }))))

const Pod = z.object({
  metadata: z.object({
    name: z.string(),
    deletionTimestamp: z.optional(z.nullable(z.string())),
    annotations: z.optional(z.nullable(z.record(z.string(), z.string()))),
  }),
  spec: z.object({ containers, initContainers: containers }),
  status: z.optional(z.nullable(z.object({ containerStatuses: statuses, initContainerStatuses: statuses }))),
})

/** What the pods of the new template are made of, to tell them from those of the old one. */
export interface NewTemplate {
  /** Images by name of container, those of init containers as well. */
  readonly images: Readonly<Record<string, string>>
  /** Annotations that the template sets to this. */
  readonly annotations: Readonly<Record<string, string>>
}

/** Waiting reasons of the kubelet after which waiting longer does not help: what is asked for is wrong, not late. */
const hopeless = new Set([
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImagePullBackOff',
  'ImageInspectError',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
])

/** A container that has been started again so often is not starting slowly. */
const mostRestarts = 3

/**
 * Why a pod of the new template can never be ready; undefined when none says so. A single failed pull (`ErrImagePull`) is no
 * reason yet: the kubelet tries again, and says `ImagePullBackOff` when that failed, too. What does not look like a pod says nothing.
 */
export function hopelessPodOf(pods: readonly unknown[], template: NewTemplate): (RolloutStatus & { readonly kind: 'failed' }) | undefined {
  for (const object of pods) {
    const parsed = z.safeParse(Pod, object)
    if (!parsed.success || parsed.data.metadata.deletionTimestamp != null || !isOfTemplate(parsed.data, template)) continue
    const { metadata, status } = parsed.data
    for (const one of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
      const waiting = one.state?.waiting
      const reason = waiting?.reason ?? ''
      const isLooping = reason === 'CrashLoopBackOff' && (one.restartCount ?? 0) >= mostRestarts
      if (!hopeless.has(reason) && !isLooping) continue
      const after = isLooping ? ` after ${one.restartCount} restarts` : ''
      const message = waiting?.message == null || waiting.message === '' ? '' : `: ${waiting.message}`
      return {
        kind: 'failed',
        code: 'pod-waiting',
        text: `container ${one.name ?? '?'} of pod ${metadata.name} waits with ${reason}${after}${message}`,
        ...(one.name === undefined ? {} : { containers: [one.name] }),
      }
    }
  }
  return undefined
}

function isOfTemplate({ metadata, spec }: z.infer<typeof Pod>, { images, annotations }: NewTemplate): boolean {
  const own = new Map([...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ name, image }) => [name, image]))
  return (
    Object.entries(images).every(([name, image]) => own.get(name) === image) &&
    Object.entries(annotations).every(([name, value]) => metadata.annotations?.[name] === value)
  )
}
