import type { SendOptions } from '#cloud/cloud.ts'
import { type KubeReader, kubePath } from '#cloud/kube.ts'
import type { RedeployConfig } from './event.ts'
import type { WorkloadKind, WorkloadRef } from './workload.ts'

/** A kind as the API serves it. */
interface Served {
  readonly group: string
  readonly version: string
  readonly resource: string
}

const served: Readonly<Record<Exclude<WorkloadKind, 'CronJob'>, Served>> = {
  Deployment: { group: 'apps', version: 'v1', resource: 'deployments' },
  StatefulSet: { group: 'apps', version: 'v1', resource: 'statefulsets' },
  DaemonSet: { group: 'apps', version: 'v1', resource: 'daemonsets' },
  Job: { group: 'batch', version: 'v1', resource: 'jobs' },
}

/** Clusters before 1.21 serve CronJobs as v1beta1 only, those from 1.25 on as v1 only. */
type CronJobVersion = 'v1' | 'v1beta1'

/** What clusters have said, for as long as they are read by the same reader: each is asked once. */
const versions = new WeakMap<KubeReader, Promise<CronJobVersion>>()

/** How a cluster serves CronJobs. Throws KubeError and CloudError. */
async function cronJobVersion(kube: KubeReader): Promise<CronJobVersion> {
  const known = versions.get(kube) ?? askVersion(kube)
  versions.set(kube, known)
  return await known
}

async function askVersion(kube: KubeReader): Promise<CronJobVersion> {
  const batch = await kube.discover('batch')
  const isV1 = batch?.resources.some(({ resource, version }) => resource === 'cronjobs' && version === 'v1') ?? false
  return isV1 ? 'v1' : 'v1beta1'
}

/** Where the API serves a workload. Throws KubeError for names that cannot be names. */
export async function pathOf({ kind, namespace, name }: WorkloadRef, kube: KubeReader): Promise<string> {
  const { group, version, resource } =
    kind === 'CronJob' ? { group: 'batch', version: await cronJobVersion(kube), resource: 'cronjobs' } : served[kind]
  return kubePath({ group, version, resource, namespace, name }, kube.clusterId)
}

/** Where Jobs of a namespace are made. */
export function jobsPath(namespace: string, kube: KubeReader): string {
  return kubePath({ ...served.Job, namespace }, kube.clusterId)
}

/** Where one Job is. */
export function jobPath(namespace: string, name: string, kube: KubeReader): string {
  return kubePath({ ...served.Job, namespace, name }, kube.clusterId)
}

/** Options for calls to a cluster. */
export function regionOf(cluster: string, config: Pick<RedeployConfig, 'clusters'>): SendOptions {
  const region = config.clusters.find(({ id }) => id === cluster)?.region
  return region === undefined ? {} : { region }
}

/** Path of the pod template within an object of the kind, as a JSON Pointer. */
export function templatePointer(kind: WorkloadKind): string {
  return kind === 'CronJob' ? '/spec/jobTemplate/spec/template' : '/spec/template'
}
