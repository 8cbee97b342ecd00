import * as z from 'zod/mini'
import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import type { Doubt, Settlement } from '#shared/safety/settle-claim.ts'
import type { CronScalerConfig } from './event.ts'
import { HpcChange } from './hpc-change.ts'
import { ScaleChange } from './scale-change.ts'

/**
 * Every change that the journal of this function may hold: a target's size, which a plan asks for, or an HPC object, which a
 * person asks for with `longshore hpc`. Both are settled and undone in the same way, whoever comes upon them.
 */
export const AnyChange = z.union([ScaleChange, HpcChange])

export type AnyChange = z.infer<typeof AnyChange>

type AnyStep = Step<AnyChange> & { readonly verdict: 'change' }

/** Carries out a step of either kind. What does so is loaded when there is one: most runs change nothing. */
export async function applyAny(step: AnyStep, cloud: CloudWriter, config: CronScalerConfig, now: number): Promise<StepResult> {
  const { change, undo, ...facts } = step
  if ('hpc' in change) {
    const { applyHpc } = await import('./hpc-object.ts')
    return await applyHpc({ ...facts, change }, cloud, config)
  }
  const { apply } = await import('./apply.ts')
  return await apply({ ...facts, change }, cloud, config, now)
}

/** Says by reading whether a write of a step of either kind has arrived. */
export async function settleAny(step: AnyStep, cloud: CloudReader, config: CronScalerConfig, _doubt: Doubt): Promise<Settlement> {
  const { change, undo, ...facts } = step
  if ('hpc' in change) {
    const { settleHpc } = await import('./hpc-object.ts')
    return await settleHpc({ ...facts, change }, cloud, config)
  }
  const { settle } = await import('./settle.ts')
  return await settle({ ...facts, change }, cloud, config)
}
