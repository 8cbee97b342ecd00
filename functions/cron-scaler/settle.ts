import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, kubeReader } from '#cloud/kube.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import type { CronScalerConfig } from './event.ts'
import { type LiveTarget, readLive, regionOf } from './live-target.ts'
import type { ScaleChange } from './scale-change.ts'
import { sizesEqual } from './target.ts'

type ChangeStep = Step<ScaleChange> & { readonly verdict: 'change' }

/**
 * Says by reading whether the write of a step has arrived: size and record are written together, so the record tells. Its own
 * key on record, or as the one that the record has replaced, is `applied`. The very record that the step was to replace, one of an
 * earlier firing, or one that has replaced the same as the step was to, is `not-applied`: a write is bound to the state that was
 * read. Whatever else may have come after it is `unknown`: a record that came later still, another object, no object, one that
 * cannot be read. No record is `not-applied`, unless the size may be the step's: somebody may have taken the record away since.
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
  const { record, size } = seen
  if (record === undefined) {
    const mayBeOurs = sizesEqual(size, change.to) && (change.replaces !== undefined || !sizesEqual(change.from, change.to))
    return mayBeOurs ? 'unknown' : 'not-applied'
  }
  if (record.key === key || record.replaced === key) return 'applied'
  if (record.key === change.replaces || record.nominalMs < change.nominalMs) return 'not-applied'
  // Of a record of old nobody knows what it has replaced, except that the first one has replaced none.
  const isKnown = record.replaced !== undefined || record.epoch === 1
  return isKnown && record.replaced === change.replaces ? 'not-applied' : 'unknown'
}
