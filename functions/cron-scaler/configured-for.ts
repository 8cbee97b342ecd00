import { configuredRules } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import { configuredOverrides, type Override } from './override.ts'
import type { RuleDraft } from './rules.ts'
import type { Target } from './target.ts'

/** What the configuration says of one cluster. */
export interface ConfiguredFor {
  readonly drafts: readonly RuleDraft[]
  readonly overrides: readonly { readonly target: Target; readonly override: Override }[]
}

/** The configuration's rules and overrides that are certainly for a cluster, by its id. */
export function configuredByCluster(config: CronScalerConfig): (cluster: string) => ConfiguredFor {
  const sound = configuredRules(config).filter(({ problem }) => problem === undefined)
  const drafts = Map.groupBy(sound, ({ cluster }) => cluster)
  const overrides = Map.groupBy(
    configuredOverrides(config).flatMap(({ cluster, read }) => (read.ok ? [{ cluster, ...read.value }] : [])),
    ({ cluster }) => cluster,
  )
  return (cluster) => ({ drafts: drafts.get(cluster) ?? [], overrides: overrides.get(cluster) ?? [] })
}
