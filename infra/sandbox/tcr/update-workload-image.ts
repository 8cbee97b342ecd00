import { handleKubernetes } from '../kubernetes/api.ts'
import { createRandom } from '../random.ts'
import type { World } from '../world.ts'
import { lookUp, type TcrTrigger, type TcrWorkloadType } from './state.ts'

export interface TriggerResult {
  /** 0 when the workload was updated, else the HTTP status that the cluster answered. */
  readonly returnCode: number
  readonly returnMsg: string
}

/** Where workloads of a type are served, the newest version first: clusters differ. */
const groupVersions: Readonly<Record<TcrWorkloadType, { readonly versions: readonly string[]; readonly resource: string }>> = {
  Deployment: { versions: ['apps/v1'], resource: 'deployments' },
  StatefulSet: { versions: ['apps/v1'], resource: 'statefulsets' },
  DaemonSet: { versions: ['apps/v1'], resource: 'daemonsets' },
  CronJob: { versions: ['batch/v1', 'batch/v1beta1'], resource: 'cronjobs' },
  Job: { versions: ['batch/v1'], resource: 'jobs' },
}

/**
 * What a trigger does when it fires: sets the image of its container by a strategic merge patch, through the cluster's
 * API and so under its rules (a Job's template is immutable, and refused). Nothing is thrown; a target that is gone or
 * refuses is in the result, as it is in the platform's trigger log.
 */
export function updateWorkloadImage(world: World, trigger: TcrTrigger, image: string, now: number): TriggerResult {
  const cluster = lookUp(world.kubernetes, trigger.clusterId)
  if (cluster === undefined) {
    return { returnCode: 404, returnMsg: `cluster ${trigger.clusterId} not found` }
  }
  const { versions, resource } = groupVersions[trigger.workloadType]
  const random = createRandom(world.counter)
  const call = (method: string, path: string, body?: object) =>
    handleKubernetes(
      cluster,
      {
        method,
        path,
        accept: 'application/json',
        ...(body === undefined ? {} : { contentType: 'application/strategic-merge-patch+json', body: JSON.stringify(body) }),
      },
      { now, random, user: 'tcr-trigger' },
    )
  let result: TriggerResult = { returnCode: 404, returnMsg: 'not found' }
  for (const version of versions) {
    const path = `/apis/${version}/namespaces/${trigger.namespace}/${resource}/${trigger.workloadName}`
    const found = call('GET', path)
    if (found.status !== 200) {
      result = { returnCode: found.status, returnMsg: messageOf(found.body) }
      continue
    }
    if (!containerNames(found.body, trigger.workloadType).includes(trigger.containerName)) {
      return {
        returnCode: 404,
        returnMsg: `container ${trigger.containerName} not found in ${trigger.workloadType} ${trigger.workloadName}`,
      }
    }
    const containers = { containers: [{ name: trigger.containerName, image }] }
    const template = { template: { spec: containers } }
    const patched = call('PATCH', path, { spec: trigger.workloadType === 'CronJob' ? { jobTemplate: { spec: template } } : template })
    return patched.status === 200
      ? { returnCode: 0, returnMsg: 'success' }
      : { returnCode: patched.status, returnMsg: messageOf(patched.body) }
  }
  return result
}

function messageOf(body: string): string {
  const status: unknown = JSON.parse(body)
  const message = memberOf(status, 'message')
  return typeof message === 'string' ? message : body.slice(0, 200)
}

function containerNames(body: string, workloadType: TcrWorkloadType): unknown[] {
  const path = ['spec', ...(workloadType === 'CronJob' ? ['jobTemplate', 'spec'] : []), 'template', 'spec', 'containers']
  const containers = path.reduce<unknown>(memberOf, JSON.parse(body))
  return Array.isArray(containers) ? containers.map((container) => memberOf(container, 'name')) : []
}

function memberOf(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Object.entries(holder).find(([key]) => key === name)?.[1] : undefined
}
