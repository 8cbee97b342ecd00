import { matchesGlob } from '#shared/pure/glob.ts'
import type { ConfigProblems, FunctionConfig } from '#shared/runtime/definition.ts'
import type { Settings } from './event.ts'
import { regionsOf } from './regions.ts'

/** Entitlements for regions that nobody measures: a misspelt region would otherwise be one without an entitlement. */
export function configProblems(config: FunctionConfig<Settings>): ConfigProblems {
  const { clusters, settings } = config
  // Where the platform's own region counts, it may be known only where this runs.
  if (settings.regions === undefined && (clusters.length === 0 || clusters.some(({ region }) => region === undefined))) return []
  const regions = regionsOf(config)
  return settings.entitlements.flatMap(({ region }, index) =>
    region === undefined || regions.some((one) => matchesGlob(region, one))
      ? []
      : [{ path: `entitlements[${index}].region`, text: `matches none of the regions that are measured: ${regions.join(', ')}` }],
  )
}
