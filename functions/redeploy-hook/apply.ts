import type { CloudWriter } from '#cloud/cloud.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import { applyToWorkload } from './apply-workload.ts'
import { isWorkloadChange, type RedeployChange } from './change.ts'
import type { RedeployConfig } from './event.ts'
import { applyTrigger } from './registry-triggers.ts'

/** Carries out one step: see `applyToWorkload` and `applyTrigger`. Throws KubeError and CloudError. */
export async function apply(
  { change, key }: Step<RedeployChange> & { readonly verdict: 'change' },
  cloud: CloudWriter,
  config: RedeployConfig,
  now: number,
): Promise<StepResult> {
  return isWorkloadChange(change) ? await applyToWorkload(change, key, cloud, config, now) : await applyTrigger(change, cloud)
}
