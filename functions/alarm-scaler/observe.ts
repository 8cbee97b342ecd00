import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError } from '#cloud/kube.ts'
import type { Headroom } from '#shared/licence/headroom.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import type { RecalledLook } from '#shared/runtime/look-memory.ts'
import { recallApprovals } from './approval-memory.ts'
import { ClusterReadings, type Look } from './cluster-reading.ts'
import type { Episode } from './episode.ts'
import { recallEpisodes } from './episode-memory.ts'
import type { Policy, Settings } from './event.ts'
import { isOpen } from './lease.ts'
import { type LeasedCluster, recallLeased } from './leased-clusters.ts'
import { licenceOf, recallHeadroom } from './licence-reading.ts'
import { type LookState, lastLook, pendingPools } from './look-memory.ts'
import { observePool, type PoolInterest } from './observe-cluster.ts'
import { clusterOf, isFor, membersOf, policiesOf, poolsFor, queriesOf, regionOf } from './policy.ts'
import type { LicenceView, Observed, PoolView, Reading } from './view.ts'

export type AlarmScalerConfig = FunctionConfig<Settings>

/** What was seen, and what of it is to be remembered. */
export interface Seen extends Observed {
  /** Names of pools whose turn to be looked at again this was. */
  readonly due: readonly string[]
  /** Present when everything was looked at: what is remembered of that. */
  readonly look?: RecalledLook<LookState> | undefined
  /** What was known of clusters with open leases; present at ticks. */
  readonly leased?: readonly LeasedCluster[] | undefined
}

/**
 * Looks at what is due at a tick: at everything from time to time and when somebody asks; else at pools that an alarm is about at this
 * moment, and at those where something goes on (a lease, a suggestion, something that was put off). Nothing of that costs no call.
 */
export async function observe(cloud: CloudReader, config: AlarmScalerConfig, now: number, around: ObserveAround): Promise<Seen> {
  const { settings } = config
  const [look, pending, episodes, leased] = await Promise.all([
    lastLook.recall(around.memory),
    pendingPools.recall(around.memory),
    recallEpisodes(around.memory),
    recallLeased(around.memory),
  ])
  const due = [...pending].filter(([, atMs]) => atMs <= now).map(([pool]) => pool)
  const firing = episodes.filter(({ state }) => state === 'firing')
  const readings = new ClusterReadings()
  if (around.fresh === true || isDue(look.state.fullMs, settings.reconcileEvery, now)) {
    const seen = await see(cloud, config, now, around, { readings, episodes, pools: 'all' })
    const forsaken = leased
      .filter(({ cluster, pools }) => pools.length > 0 && !config.clusters.some(({ id }) => id === cluster))
      .map(({ cluster, pools, atMs }) => ({ cluster, pools, seenAtMs: atMs }))
    return { ...seen, due, leased, ...(forsaken.length === 0 ? {} : { forsaken }), look: { ...look, state: { format: 1, fullMs: now } } }
  }
  const pools = [...new Set([...due, ...poolsFor(firing, config)])]
  return { ...(await see(cloud, config, now, around, { readings, episodes, pools })), due, leased }
}

/** Looks at some pools and at nothing else: what an event makes. Looks within a few seconds may share what they read. */
export async function observePools(
  cloud: CloudReader,
  config: AlarmScalerConfig,
  now: number,
  around: ObserveAround,
  { pools, readings = new ClusterReadings() }: { readonly pools: readonly string[]; readonly readings?: ClusterReadings },
): Promise<Seen> {
  const episodes = await recallEpisodes(around.memory)
  return { ...(await see(cloud, config, now, around, { readings, episodes, pools })), due: pools }
}

function isDue(lastMs: number | undefined, everyMs: number, now: number): boolean {
  // A clock that was set back must not keep anybody from looking.
  return lastMs === undefined || lastMs > now || now - lastMs >= everyMs
}

interface Sight {
  readonly readings: ClusterReadings
  readonly episodes: readonly Episode[]
  readonly pools: readonly string[] | 'all'
}

async function see(
  cloud: CloudReader,
  config: AlarmScalerConfig,
  now: number,
  around: ObserveAround,
  { readings, episodes, pools }: Sight,
): Promise<Observed> {
  const lookIn = (region: string): Look => ({ cloud, now, options: region === '' ? {} : { region } })
  const wanted = [
    ...config.settings.pools.filter(({ name }) => pools === 'all' || pools.includes(name)).flatMap((pool) => interestIn(pool.name, config)),
    ...(await forgotten(readings, config, lookIn, pools)),
  ]
  const [headroom, approvals] =
    wanted.length === 0 ? [undefined, []] : await Promise.all([recallHeadroom(around), recallApprovals(around.memory, now)])
  const views = await Promise.all(
    wanted.map(async (interest): Promise<PoolView> => {
      const look = lookIn(interest.region)
      const { policies } = interest
      const [seen, quota, licence, figures] = await Promise.all([
        observePool(readings.of(interest.cluster), interest, look),
        policies.length === 0 ? undefined : quotaOf(readings, interest.region, look),
        licenceFor(readings, interest, config, lookIn, headroom),
        figuresFor(readings, interest, config, now, around),
      ])
      return {
        ...seen,
        ...(quota === undefined ? {} : { quota }),
        ...(licence === undefined ? {} : { licence }),
        readings: figures,
      }
    }),
  )
  // Alarms that no policy is for are told when everything is looked at, not at every look.
  const known = pools === 'all' ? episodes : episodes.filter((episode) => wanted.some((one) => concerns(one, episode, config)))
  return { episodes: known, pools: views, approvals }
}

/** A pool that is looked at, and the policies for it. */
interface Wanted extends PoolInterest {
  readonly policies: readonly Policy[]
}

/** Nothing for a pool whose cluster the configuration does not know: `problems` says so. */
function interestIn(name: string, config: AlarmScalerConfig): readonly Wanted[] {
  const { settings } = config
  const pool = settings.pools.find((one) => one.name === name)
  const cluster = pool === undefined ? undefined : clusterOf(pool, config)
  if (pool === undefined || cluster === undefined) return []
  const policies = policiesOf(name, settings)
  return [
    {
      cluster,
      region: regionOf(cluster, config),
      name,
      of: membersOf(pool, settings),
      mechanisms: policies.flatMap(({ mechanisms }) => mechanisms),
      namespace: settings.leases.namespace,
      policies,
    },
  ]
}

/**
 * Pools that the settings do not know any more, or not in this cluster, and that still have leases: those nodes have to go one day. They
 * are looked for whenever everything is looked at, or when something of such a name is due.
 */
async function forgotten(
  readings: ClusterReadings,
  config: AlarmScalerConfig,
  lookIn: (region: string) => Look,
  pools: readonly string[] | 'all',
): Promise<readonly Wanted[]> {
  const { settings } = config
  const known = new Set(settings.pools.map((pool) => `${clusterOf(pool, config)}/${pool.name}`))
  const strange = pools === 'all' || pools.some((name) => !settings.pools.some((pool) => pool.name === name))
  if (!strange) return []
  const found = await Promise.all(
    config.clusters.map(async ({ id }): Promise<readonly Wanted[]> => {
      const region = regionOf(id, config)
      const stored = await orNothing(() => readings.of(id).pools(settings.leases.namespace, lookIn(region)))
      return (stored ?? [])
        .filter(
          ({ pool, record, problem }) => !known.has(`${id}/${pool}`) && (problem !== undefined || record?.leases.some(isOpen) === true),
        )
        .filter(({ pool }) => pools === 'all' || pools.includes(pool))
        .map(({ pool: name }) => ({
          cluster: id,
          region,
          name,
          of: undefined,
          mechanisms: [],
          namespace: settings.leases.namespace,
          policies: [],
        }))
    }),
  )
  return found.flat()
}

/** Absent where the platform does not say. */
async function quotaOf(readings: ClusterReadings, region: string, look: Look): Promise<PoolView['quota']> {
  const maxNodes = await orNothing(() => readings.maxNodes(region, look))
  return maxNodes === undefined ? undefined : { maxNodes }
}

/** Absent where no policy of the pool asks about the licence. */
async function licenceFor(
  readings: ClusterReadings,
  { cluster, region, name, policies }: Wanted,
  config: AlarmScalerConfig,
  lookIn: (region: string) => Look,
  headroom: Headroom | undefined,
): Promise<LicenceView | undefined> {
  const guarded = policies.filter(({ licence }) => licence.guard)
  if (guarded.length === 0) return undefined
  const products = [...new Set(guarded.map(({ licence }) => licence.product))]
  const { settings } = config
  const look = lookIn(region)
  // Where policies of one pool count under several products, the one that leaves least counts.
  const licence = licenceOf(headroom, region, products.length === 1 ? products[0] : undefined, {
    now: look.now,
    timeZone: settings.timeZone,
  })
  if (typeof licence.freeCores !== 'number') return { ...licence, takenElsewhere: 0 }
  const clusters = config.clusters.filter(({ id }) => regionOf(id, config) === region)
  const records = await Promise.all(
    clusters.map(async ({ id }) => {
      const stored = await orNothing(() => readings.of(id).pools(settings.leases.namespace, look))
      return stored?.filter(({ pool }) => id !== cluster || pool !== name)
    }),
  )
  if (records.some((one) => one === undefined)) {
    const text = `the leases of another cluster in ${region} cannot be read, so nobody knows what was added there since`
    return { ...licence, freeCores: 'unknown', text, takenElsewhere: 0 }
  }
  const leases = records.flatMap((one) => one ?? []).flatMap(({ record }) => record?.leases.filter(isOpen) ?? [])
  const since = leases.filter(({ askedAtMs }) => askedAtMs > (licence.atMs ?? 0))
  return { ...licence, takenElsewhere: since.reduce((sum, { wanted, cores = 0 }) => sum + wanted * cores, 0) }
}

async function figuresFor(
  readings: ClusterReadings,
  { name }: Wanted,
  { settings }: AlarmScalerConfig,
  now: number,
  { fetchText }: ObserveAround,
): Promise<readonly Reading[]> {
  return await Promise.all(queriesOf(name, settings).map(async (query) => await readings.figure(query, fetchText, now)))
}

function concerns({ cluster, policies }: Wanted, episode: Episode, config: AlarmScalerConfig): boolean {
  return policies.some((policy) => isFor(policy, episode, cluster, config))
}

/** What is done without where the platform does not answer; what is decided by it then says that it is not known. */
async function orNothing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof CloudError || error instanceof KubeError) return undefined
    throw error
  }
}
