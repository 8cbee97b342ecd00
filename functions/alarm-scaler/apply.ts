import type { CloudWriter } from '#cloud/cloud.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import { applyRestoreBounds } from './apply-bounds.ts'
import { applyGrow } from './apply-grow.ts'
import { applyRemove, applyStopRecovery } from './apply-recover.ts'
import { applyRelease, applyTrack } from './apply-track.ts'
import type { AlarmChange } from './change.ts'
import type { ClusterReadings } from './cluster-reading.ts'
import { applyDrain } from './drain.ts'
import type { AlarmScalerConfig } from './observe.ts'
import { isResult, PoolDesk } from './pool-desk.ts'
import { recordAfter } from './record-after.ts'

export type Apply = (
  step: Step<AlarmChange> & { readonly verdict: 'change' },
  cloud: CloudWriter,
  config: AlarmScalerConfig,
  now: number,
) => Promise<StepResult>

/** Carries out one step. The pool's record is read again before anything else. Throws KubeError and CloudError. */
export const apply: Apply = async (step, cloud, config, now) => await carry(step, cloud, config, now, undefined)

/** The same, telling those who look at the same time what the records are now: they would find out only after some seconds. */
export function applyFor(readings: ClusterReadings): Apply {
  return async (step, cloud, config, now) => await carry(step, cloud, config, now, readings)
}

async function carry(
  { change, key }: Parameters<Apply>[0],
  cloud: CloudWriter,
  { settings }: AlarmScalerConfig,
  now: number,
  readings: ClusterReadings | undefined,
): Promise<StepResult> {
  const desk = new PoolDesk(cloud, change, { namespace: settings.leases.namespace, readings })
  const result = await carryAt(desk, { change, key }, settings, now)
  const { requestId } = desk.cloud
  return result.outcome === 'Applied' && requestId !== undefined ? { ...result, requestId } : result
}

async function carryAt(
  desk: PoolDesk,
  { change, key }: Pick<Parameters<Apply>[0], 'change' | 'key'>,
  settings: AlarmScalerConfig['settings'],
  now: number,
): Promise<StepResult> {
  switch (change.kind) {
    case 'grow':
      return await applyGrow(change, key, desk, settings, now)
    case 'track':
      return await applyTrack(change, key, desk, now)
    case 'drain':
      return await applyDrain(change, key, desk, now)
    case 'remove':
      return await applyRemove(change, key, desk, now)
    case 'stop-recovery':
      return await applyStopRecovery(change, key, desk, now)
    case 'restore-bounds':
      return await applyRestoreBounds(change, key, desk, now)
    case 'release':
      return await applyRelease(change, key, desk, now)
    case 'recover':
    case 'reclaim':
    case 'extend':
    case 'close': {
      const kept = await desk.change((record) => recordAfter(change, record, key, now))
      return isResult(kept) ? kept : { outcome: 'Applied' }
    }
  }
}
