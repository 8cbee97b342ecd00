import type { CloudReader } from '#cloud/cloud.ts'
import type { ObserveAround, PartOutcome } from '#shared/runtime/definition.ts'
import type { ImageChange } from './image-change.ts'
import { observe } from './observe.ts'
import type { ObserveUsesConfig } from './observe-references.ts'
import type { ObservedPart } from './plan.ts'

/**
 * What a run observes. Where nobody has configured anything that it could do, nothing is asked of the platform: a configuration that
 * is only for other functions may not even be allowed to read the registry. A policy that is paused is enough to look at everything.
 */
export async function* observeRun(
  cloud: CloudReader,
  config: ObserveUsesConfig,
  now: number,
  around: ObserveAround,
): AsyncGenerator<ObservedPart, void, PartOutcome<ImageChange>> {
  const { policies, lifecycle, quarantine } = config.settings
  if (policies.length === 0 && lifecycle === undefined && quarantine === undefined) return
  yield* observe(cloud, config, now, around)
}
