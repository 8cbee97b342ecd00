import type { FunctionConfig } from '#shared/runtime/definition.ts'
import type { Settings } from './event.ts'

/**
 * The regions that are measured, each once: those of the settings, else those of the configured clusters, else the platform's own. None
 * while nothing of all that is configured, and no entitlement either: then nobody has asked for anything yet.
 */
export function regionsOf({ settings, clusters, region }: FunctionConfig<Settings>): readonly string[] {
  const { regions, entitlements } = settings
  const own = clusters.length === 0 && entitlements.length > 0 ? [region] : clusters.map((cluster) => cluster.region ?? region)
  return [...new Set(regions ?? own)]
}

/** A configured cluster, with the region that it is in. */
export interface PlacedCluster {
  readonly id: string
  readonly region: string
}

/** The configured clusters of the regions that are measured. */
export function clustersOf(config: FunctionConfig<Settings>): readonly PlacedCluster[] {
  const regions = new Set(regionsOf(config))
  return config.clusters.map(({ id, region = config.region }) => ({ id, region })).filter(({ region }) => regions.has(region))
}
