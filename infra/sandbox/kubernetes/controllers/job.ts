import { byText } from '../json.ts'
import type { Condition, Job, KubeObject, Pod } from '../shapes.ts'
import { isJob } from '../shapes.ts'
import { allObjects } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byController, conditionOf, controllerReference, earlier, isActive, kinds, podsOf, remove, save } from './cluster.ts'
import { emit } from './events.ts'
import { createPod } from './pod-template.ts'

const backOffMs = 10_000
const mostBackOffMs = 360_000

/** Runs jobs to their number of completions, retries failed pods ever later, and gives up at the limit or the deadline. */
export const jobController: Controller = {
  name: 'job',
  watches: ['batch/jobs', '/pods'],
  run: (cluster) => {
    const jobs = allObjects(cluster.state, 'batch', 'jobs').filter(isJob)
    if (jobs.length === 0) return undefined
    const owned = byController(podsOf(cluster))
    let wakeAt: number | undefined
    for (const job of jobs.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      if (job.metadata.deletionTimestamp !== undefined) continue
      wakeAt = earlier(wakeAt, reconcile(cluster, job, owned.get(job.metadata.uid) ?? []))
    }
    return wakeAt
  },
}

function keyOf(job: KubeObject): string {
  return `${job.metadata.namespace}/${job.metadata.name}`
}

/** Whether a job has ended, one way or the other. */
export function jobEnd(job: Job): 'Complete' | 'Failed' | undefined {
  if (conditionOf(job.status.conditions, 'Complete')?.status === 'True') return 'Complete'
  return conditionOf(job.status.conditions, 'Failed')?.status === 'True' ? 'Failed' : undefined
}

function reconcile(cluster: Cluster, job: Job, pods: readonly Pod[]): number | undefined {
  const { now } = cluster
  if (jobEnd(job) !== undefined) return expire(cluster, job)
  const active = pods.filter(isActive)
  const succeeded = pods.filter((pod) => pod.status.phase === 'Succeeded').length
  const failed = pods.filter((pod) => pod.status.phase === 'Failed')
  const restarts = active.reduce((sum, pod) => sum + (pod.status.containerStatuses?.[0]?.restartCount ?? 0), 0)
  const startTime = job.status.startTime ?? timeText(now)
  const startedMs = epochMsOf(startTime) ?? now
  const deadlineMs = job.spec.activeDeadlineSeconds === undefined ? undefined : startedMs + job.spec.activeDeadlineSeconds * 1000
  const giveUp = failure(job, failed.length, restarts, deadlineMs, now)
  if (giveUp !== undefined) {
    for (const pod of active) remove(cluster, kinds.pod, pod)
    emit(cluster, job, 'Warning', giveUp.reason, giveUp.message, 'job-controller')
    saveStatus(cluster, job, { active: 0, succeeded, failed: failed.length + active.length, startTime }, 'Failed', giveUp)
    return undefined
  }
  const { completions, parallelism } = job.spec
  const isDone = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions
  if (isDone) {
    for (const pod of active) remove(cluster, kinds.pod, pod)
    emit(cluster, job, 'Normal', 'Completed', 'Job completed', 'job-controller')
    saveStatus(cluster, job, { active: 0, succeeded, failed: failed.length, startTime }, 'Complete')
    return undefined
  }
  const wanted = completions === undefined ? (succeeded > 0 ? active.length : parallelism) : Math.min(parallelism, completions - succeeded)
  for (const pod of active.slice(wanted)) remove(cluster, kinds.pod, pod)
  const retryAt = nextRetryMs(failed)
  let running = Math.min(active.length, wanted)
  if (retryAt === undefined || retryAt <= now) {
    for (; running < wanted; running += 1) {
      createPod(cluster, {
        namespace: job.metadata.namespace ?? '',
        generateName: `${job.metadata.name}-`,
        template: job.spec.template,
        owner: controllerReference(job),
      })
    }
  }
  saveStatus(cluster, job, { active: running, succeeded, failed: failed.length, startTime })
  return earlier(deadlineMs, running < wanted ? retryAt : undefined)
}

function failure(
  job: Job,
  failed: number,
  restarts: number,
  deadlineMs: number | undefined,
  now: number,
): { reason: string; message: string } | undefined {
  if (failed > job.spec.backoffLimit || (restarts > 0 && restarts >= Math.max(1, job.spec.backoffLimit))) {
    return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' }
  }
  if (deadlineMs !== undefined && now >= deadlineMs) {
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' }
  }
  return undefined
}

/** When the next try may start: ten seconds after the first failure, twice as long after each further one. */
function nextRetryMs(failed: readonly Pod[]): number | undefined {
  const ends = failed.map(
    (pod) => epochMsOf(pod.status.containerStatuses?.[0]?.state.terminated?.finishedAt) ?? epochMsOf(pod.metadata.creationTimestamp) ?? 0,
  )
  if (ends.length === 0) return undefined
  return Math.max(...ends) + Math.min(backOffMs * 2 ** (ends.length - 1), mostBackOffMs)
}

function saveStatus(
  cluster: Cluster,
  job: Job,
  counts: { readonly active: number; readonly succeeded: number; readonly failed: number; readonly startTime: string },
  end?: 'Complete' | 'Failed',
  why?: { readonly reason: string; readonly message: string },
): void {
  const at = timeText(cluster.now)
  const condition: Condition | undefined = end && { type: end, status: 'True', lastProbeTime: at, lastTransitionTime: at, ...why }
  save(cluster, kinds.job, {
    ...job,
    status: {
      ...(condition === undefined ? {} : { conditions: [condition] }),
      startTime: counts.startTime,
      ...(end === 'Complete' ? { completionTime: at } : {}),
      ...(counts.active === 0 ? {} : { active: counts.active }),
      ...(counts.succeeded === 0 ? {} : { succeeded: counts.succeeded }),
      ...(counts.failed === 0 ? {} : { failed: counts.failed }),
    },
  })
}

/** Deletes a job that ended, when it says after how long. */
function expire(cluster: Cluster, job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec
  if (ttlSecondsAfterFinished === undefined) return undefined
  const endedAt = epochMsOf(job.status.completionTime) ?? epochMsOf(job.status.conditions?.[0]?.lastTransitionTime) ?? cluster.now
  const at = endedAt + ttlSecondsAfterFinished * 1000
  if (at > cluster.now) return at
  remove(cluster, kinds.job, job)
  return undefined
}
