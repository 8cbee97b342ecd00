import type { CloudReader } from '#cloud/cloud.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import type { Settings } from './event.ts'
import { observeChecks } from './observe-check.ts'
import { observeRegion } from './observe-region.ts'
import type { Observed, RegionSeen } from './plan.ts'
import { regionsOf } from './regions.ts'

/** Regions that are measured at the same time. */
const rows = 6

/** How long a run may read: well within its time limit, so that what was read is written down whatever hangs. */
const readingMs = 60_000

/**
 * Looks at every region and, from time to time, at the nodes of the clusters. Each region and each cluster stands for itself: what cannot
 * be read hides nothing else.
 */
export async function observe(cloud: CloudReader, config: FunctionConfig<Settings>, now: number, around: ObserveAround): Promise<Observed> {
  const { signal } = around
  const look = { cloud, config, now, around, options: { deadline: now + readingMs, ...(signal === undefined ? {} : { signal }) } }
  const regions = regionsOf(config)
  const seen = new Map<string, RegionSeen>()
  const waiting = [...regions]
  const readRow = async (): Promise<void> => {
    for (let region = waiting.shift(); region !== undefined; region = waiting.shift()) {
      seen.set(region, await observeRegion(region, look))
    }
  }
  const [checks] = await Promise.all([observeChecks(look), ...Array.from({ length: rows }, readRow)])
  return { regions: regions.flatMap((region) => seen.get(region) ?? []), ...checks }
}
