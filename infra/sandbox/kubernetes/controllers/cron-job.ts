import { nextCronMs } from '../cron.ts'
import type { JsonObject } from '../json.ts'
import { byText, objectAt } from '../json.ts'
import { createObject, decodeObject } from '../registry.ts'
import type { CronJob, Job, KubeObject } from '../shapes.ts'
import { isCronJob, isJob } from '../shapes.ts'
import { allObjects, readObject } from '../store.ts'
import { epochMsOf, timeText } from '../time.ts'
import { minorOf } from '../version.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byAge, byController, controllerReference, earlier, kinds, remove, save } from './cluster.ts'
import { emit } from './events.ts'
import { jobEnd } from './job.ts'

/** How many missed runs are still counted; beyond that the server looks for the last one only. */
const mostMissed = 100

/** Starts jobs on schedule (UTC), one for the latest time that was missed, and keeps the history short. */
export const cronJobController: Controller = {
  name: 'cron-job',
  watches: ['batch/cronjobs', 'batch/jobs'],
  run: (cluster) => {
    const crons = allObjects(cluster.state, 'batch', 'cronjobs').filter(isCronJob)
    if (crons.length === 0) return undefined
    const owned = byController(allObjects(cluster.state, 'batch', 'jobs').filter(isJob))
    let wakeAt: number | undefined
    for (const cron of crons.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      if (cron.metadata.deletionTimestamp !== undefined) continue
      wakeAt = earlier(wakeAt, reconcile(cluster, cron, owned.get(cron.metadata.uid) ?? []))
    }
    return wakeAt
  },
}

function keyOf(cron: KubeObject): string {
  return `${cron.metadata.namespace}/${cron.metadata.name}`
}

function reconcile(cluster: Cluster, cron: CronJob, jobs: readonly Job[]): number | undefined {
  const { now } = cluster
  trimHistory(cluster, cron, jobs)
  const running = jobs.filter((job) => jobEnd(job) === undefined)
  const next = withActive(cron, running)
  if (cron.spec.suspend) {
    save(cluster, kinds.cronJob, next)
    return undefined
  }
  const due = dueMs(cron, now)
  const upcoming = nextCronMs(cron.spec.schedule, now)
  const isLate =
    due !== undefined && cron.spec.startingDeadlineSeconds !== undefined && now > due + cron.spec.startingDeadlineSeconds * 1000
  if (due === undefined || isLate || (cron.spec.concurrencyPolicy === 'Forbid' && running.length > 0)) {
    save(cluster, kinds.cronJob, next)
    return upcoming
  }
  if (cron.spec.concurrencyPolicy === 'Replace') for (const job of running) remove(cluster, kinds.job, job)
  const kept = cron.spec.concurrencyPolicy === 'Replace' ? [] : running
  const created = startJob(cluster, cron, due)
  save(
    cluster,
    kinds.cronJob,
    withActive({ ...cron, status: { ...cron.status, lastScheduleTime: timeText(due) } }, created === undefined ? kept : [...kept, created]),
  )
  return upcoming
}

/** The latest time at or before now for which no job was started yet; undefined when there is none. */
function dueMs(cron: CronJob, now: number): number | undefined {
  const since = epochMsOf(cron.status.lastScheduleTime) ?? epochMsOf(cron.metadata.creationTimestamp) ?? now
  const deadline = cron.spec.startingDeadlineSeconds
  const earliest = deadline === undefined ? since : Math.max(since, now - deadline * 1000)
  let due: number | undefined
  let missed = 0
  for (let at = nextCronMs(cron.spec.schedule, earliest); at !== undefined && at <= now; at = nextCronMs(cron.spec.schedule, at)) {
    due = at
    missed += 1
    // Too many to walk through: go on from a day before now.
    if (missed === mostMissed && at < now - 86_400_000) at = now - 86_400_000
  }
  return due
}

function withActive(cron: CronJob, jobs: readonly Job[]): CronJob {
  const { active: _, ...rest } = cron.status
  if (jobs.length === 0) return { ...cron, status: rest }
  return {
    ...cron,
    status: {
      active: [...jobs].sort(byAge).map((job) => ({
        kind: 'Job',
        namespace: job.metadata.namespace ?? '',
        name: job.metadata.name,
        uid: job.metadata.uid,
        apiVersion: 'batch/v1',
      })),
      ...rest,
    },
  }
}

function startJob(cluster: Cluster, cron: CronJob, dueAt: number): Job | undefined {
  const { state, now, hooks } = cluster
  const namespace = cron.metadata.namespace ?? ''
  const seconds = Math.floor(dueAt / 1000)
  const name = `${cron.metadata.name}-${minorOf(state.version) >= 21 ? Math.floor(seconds / 60) : seconds}`
  if (readObject(state, kinds.job, namespace, name) !== undefined) return undefined
  const { labels, annotations } = cron.spec.jobTemplate.metadata
  const owner: JsonObject = { ...controllerReference({ ...cron, apiVersion: minorOf(state.version) >= 21 ? 'batch/v1' : 'batch/v1beta1' }) }
  const body: JsonObject = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name,
      ...(labels === undefined ? {} : { labels: { ...labels } }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      ownerReferences: [owner],
    },
    spec: objectAt(cron, 'spec', 'jobTemplate', 'spec') ?? {},
  }
  const created = createObject(state, kinds.job, decodeObject(kinds.job, 'v1', body), namespace, { now, random: hooks.random })
  emit(cluster, cron, 'Normal', 'SuccessfulCreate', `Created job ${name}`, 'cronjob-controller')
  return isJob(created) ? created : undefined
}

function trimHistory(cluster: Cluster, cron: CronJob, jobs: readonly Job[]): void {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cron.spec
  const trim = (end: 'Complete' | 'Failed', limit: number | undefined): void => {
    if (limit === undefined) return
    const ended = jobs.filter((job) => jobEnd(job) === end && job.metadata.deletionTimestamp === undefined).sort(byAge)
    for (const job of ended.slice(0, Math.max(0, ended.length - limit))) remove(cluster, kinds.job, job)
  }
  trim('Complete', successfulJobsHistoryLimit)
  trim('Failed', failedJobsHistoryLimit)
}
