import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, kubeReader } from '#cloud/kube.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import type { CronScalerConfig } from './event.ts'
import { type LiveTarget, readLive, regionOf } from './live-target.ts'
import type { ScaleChange } from './scale-change.ts'

type ChangeStep = Step<ScaleChange> & { readonly verdict: 'change' }

/**
 * Says by reading whether the write of a step has arrived: size and record are written together, so the record tells. Its own
 * key on record is `applied`. No record, one of an earlier firing, or the very one that the step was to replace is
 * `not-applied`. Whatever may have come after it is `unknown`: another record of the same firing or a later one, another
 * object, no object, one that cannot be read.
 */
export async function settle({ key, change }: ChangeStep, cloud: CloudReader, config: CronScalerConfig): Promise<Settlement> {
  let seen: LiveTarget
  try {
    seen = await readLive(kubeReader(cloud, change.cluster, regionOf(change, config)), change)
  } catch (error) {
    if (error instanceof KubeError || error instanceof CloudError) return 'unknown'
    throw error
  }
  if (seen === 'gone' || seen === 'strange' || seen.uid !== change.uid || seen.recordProblem !== undefined) return 'unknown'
  const { record } = seen
  if (record === undefined) return 'not-applied'
  if (record.key === key) return 'applied'
  return record.key === change.replaces || record.nominalMs < change.nominalMs ? 'not-applied' : 'unknown'
}
