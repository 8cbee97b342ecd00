import * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { kubeWriter } from '#cloud/kube.ts'
import { pathOf } from '#functions/cron-scaler/live-target.ts'
import { formatRecord, nextRecord, recordAnnotation } from '#functions/cron-scaler/record.ts'
import { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'

/** Writes what a plan of the cron-scaler says without looking at the target first: a mistake, for the checks to notice. */
export async function blindApply(step: Step<unknown> & { readonly verdict: 'change' }, cloud: CloudWriter): Promise<StepResult> {
  const change = z.parse(ScaleChange, step.change)
  const { to: size, rule, nominalMs } = change
  const record = nextRecord(undefined, change.from, { key: step.key, rule, nominalMs, decidedMs: nominalMs, size })
  await kubeWriter(cloud, change.cluster).patch(pathOf(change), 'merge', {
    metadata: { annotations: { [recordAnnotation]: formatRecord(record) } },
    spec: size.kind === 'replicas' ? { replicas: size.replicas } : { minReplicas: size.min, maxReplicas: size.max },
  })
  return { outcome: 'Applied' }
}
