import type { CloudReader } from '#cloud/cloud.ts'
import { KubeError, kubeReader } from '#cloud/kube.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import { isOnRecord, readWorkload } from './apply-workload.ts'
import { isWorkloadChange, type RedeployChange, type WorkloadChange } from './change.ts'
import type { RedeployConfig } from './event.ts'
import { isStartedFor } from './job-copy.ts'
import { settleTrigger } from './registry-triggers.ts'
import { jobPath, pathOf, regionOf } from './workload-path.ts'

/**
 * Says by reading whether the write of a step has arrived. Effect and record are one write, and the record names the step, so the
 * record alone tells: nobody else writes this key. A record that cannot be read, or that another step has taken the place of, does
 * not tell. Throws KubeError and CloudError when nothing can be read.
 */
export async function settle(
  { change, key }: Step<RedeployChange> & { readonly verdict: 'change' },
  cloud: CloudReader,
  config: RedeployConfig,
): Promise<Settlement> {
  return isWorkloadChange(change) ? await settleWorkload(change, key, cloud, config) : await settleTrigger(change, cloud)
}

async function settleWorkload(change: WorkloadChange, key: string, cloud: CloudReader, config: RedeployConfig): Promise<Settlement> {
  const kube = kubeReader(cloud, change.ref.cluster, regionOf(change.ref.cluster, config))
  const seen = await readWorkload(kube, await pathOf(change.ref, kube), change)
  // What is gone takes its record with it.
  if (typeof seen === 'string') return 'unknown'
  const { live } = seen
  if (live.uid !== change.uid || live.record.problem !== undefined) return 'unknown'
  if (isOnRecord(live, change, key)) return 'applied'
  if (change.kind === 'clone-job' || change.kind === 'run-cronjob') return await settleJob(kube, change)
  if ('undoes' in change) return 'not-applied'
  return (live.record.text ?? null) === (change.recordText ?? null) ? 'not-applied' : 'unknown'
}

/** Of the two writes of such a step the first one makes a Job; doing it again finds that Job and goes on from there. */
async function settleJob(
  kube: ReturnType<typeof kubeReader>,
  change: Extract<WorkloadChange, { readonly job: string }>,
): Promise<Settlement> {
  try {
    const job = await kube.get(jobPath(change.ref.namespace, change.job, kube))
    return isStartedFor(job, change) ? 'not-applied' : 'unknown'
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return 'not-applied'
    throw error
  }
}
