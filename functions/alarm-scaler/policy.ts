import { compareTexts } from '#shared/pure/compare-texts.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import type { AlarmConfig, MechanismSettings, Policy, PoolSettings, Settings } from './event.ts'

/** What of an alarm decides which policies are for it. */
export interface NamedAlarm {
  readonly source: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** Whether a policy is for an alarm. `poolCluster` is the platform's id of the cluster of its pool. */
export function isFor(policy: Policy, alarm: NamedAlarm, poolCluster: string | undefined, config: AlarmConfig): boolean {
  const { source, alert, labels = {}, cluster } = policy.match
  if (source !== undefined && !matchesGlob(source, alarm.source)) return false
  if (alert !== undefined && !matchesGlob(alert, alarm.name)) return false
  for (const [name, glob] of Object.entries(labels)) {
    const value = alarm.labels[name]
    if (value === undefined || !matchesGlob(glob, value)) return false
  }
  const named = alarm.labels.cluster
  if (cluster !== undefined) return named !== undefined && matchesGlob(cluster, named)
  // An alarm about one cluster does not grow another, unless a policy says so.
  const known = named === undefined ? undefined : clusterIdOf(named, config.clusters)
  return known === undefined || !known.ok || known.value === poolCluster
}

/** The platform's id of a pool's cluster; undefined when the settings name none that there is. */
export function clusterOf(pool: PoolSettings, config: AlarmConfig): string | undefined {
  const found = clusterIdOf(pool.cluster, config.clusters)
  return found.ok ? found.value : undefined
}

/** The region of a cluster, as calls about it need it. */
export function regionOf(cluster: string, config: AlarmConfig): string {
  return config.clusters.find(({ id }) => id === cluster)?.region ?? config.region ?? ''
}

/** The policies of a pool, in the order of their names. */
export function policiesOf(pool: string, { policies }: Settings): readonly Policy[] {
  return policies.filter((policy) => policy.pool === pool).toSorted((one, other) => compareTexts(one.name, other.name))
}

/** The names of the pools that alarms may have to do with: those that are worth a look. Sorted, each once. */
export function poolsFor(alarms: readonly NamedAlarm[], config: AlarmConfig): readonly string[] {
  const { pools, policies } = config.settings
  const found = policies.filter((policy) => {
    const pool = pools.find(({ name }) => name === policy.pool)
    const cluster = pool === undefined ? undefined : clusterOf(pool, config)
    return alarms.some((alarm) => isFor(policy, alarm, cluster, config))
  })
  return [...new Set(found.map(({ pool }) => pool))].toSorted(compareTexts)
}

/** What a mechanism goes by in records, reasons and back-off: the name that somebody gave it, or else what it is. */
export function mechanismName(mechanism: MechanismSettings): string {
  if (mechanism.name !== undefined) return mechanism.name
  switch (mechanism.kind) {
    case 'scaling-group':
      return `scaling-group ${mechanism.group}`
    case 'new-instances':
      return `new-instances ${mechanism.order.InstanceType} ${mechanism.order.Placement.Zone}`
    case 'virtual-nodes':
      return `virtual-nodes ${mechanism.nodePool}`
    case 'existing-instances':
      return `existing-instances ${mechanism.names.map(({ pattern }) => pattern).join(' ')}`
  }
}

/** Which nodes belong to a pool. */
export interface Members {
  /** Labels that all have; absent when they do not go by labels. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Scaling groups whose machines belong to it. */
  readonly groups: readonly string[]
  /** Pools of virtual nodes that belong to it. */
  readonly virtualPools: readonly string[]
  /** All workers of the cluster. */
  readonly isWholeCluster: boolean
  /** Globs over names of the account's machines that may join. */
  readonly spares: Extract<MechanismSettings, { readonly kind: 'existing-instances' }>['names']
}

/**
 * What belongs to a pool: nodes with its labels, of its group, of its virtual pool, and of groups and virtual pools that mechanisms of its
 * policies grow. Where it names none of them itself: all workers of its cluster. Leased nodes belong to it in any case.
 */
export function membersOf(pool: PoolSettings, settings: Settings): Members {
  const mechanisms = policiesOf(pool.name, settings).flatMap((policy) => policy.mechanisms)
  const groups = mechanisms.flatMap((one) => (one.kind === 'scaling-group' ? [one.group] : []))
  const virtualPools = mechanisms.flatMap((one) => (one.kind === 'virtual-nodes' ? [one.nodePool] : []))
  return {
    ...(pool.labels === undefined ? {} : { labels: pool.labels }),
    groups: unique([...(pool.group === undefined ? [] : [pool.group]), ...groups]),
    virtualPools: unique([...(pool.virtual === undefined ? [] : [pool.virtual]), ...virtualPools]),
    isWholeCluster: pool.labels === undefined && pool.group === undefined && pool.virtual === undefined,
    spares: mechanisms.flatMap((one) => (one.kind === 'existing-instances' ? one.names : [])),
  }
}

function unique(list: readonly string[]): readonly string[] {
  return [...new Set(list)].toSorted(compareTexts)
}

/** A query that a policy wants answered, and the name that its answer has among the readings. */
export interface Query {
  readonly name: string
  readonly url: string
  readonly query: string
}

/** The queries of a pool's policies; the same query of several is asked once. */
export function queriesOf(pool: string, settings: Settings): readonly Query[] {
  const queries = policiesOf(pool, settings).flatMap(({ confirm }) =>
    confirm.flatMap(({ prometheus }) => (prometheus === undefined ? [] : [queryOf(prometheus)])),
  )
  return [...new Map(queries.map((query) => [query.name, query])).values()]
}

/** A query as it is asked; its name is where it is asked and what. */
export function queryOf({ url, query }: { readonly url: string; readonly query: string }): Query {
  return { name: `${url} ${query}`, url, query }
}

/** The group's bounds as the settings give them. */
export function boundsInSettings(group: string, { policies }: Settings): { readonly min: number; readonly max: number } | undefined {
  for (const { mechanisms } of policies) {
    for (const one of mechanisms) if (one.kind === 'scaling-group' && one.group === group && one.bounds !== undefined) return one.bounds
  }
  return undefined
}
