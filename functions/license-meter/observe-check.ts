import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { KubeError } from '#cloud/kube.ts'
import { pages } from '#cloud/pages.ts'
import type { Result } from '#shared/pure/result.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import { isCheckDue, recallCheck, recallCores } from './check-memory.ts'
import type { Settings } from './event.ts'
import { readCores, UnreadableNodeError } from './observe-nodes.ts'
import { attempt } from './observe-region.ts'
import type { ClusterSeen, Observed } from './plan.ts'
import type { ListedCluster, RegionCheck } from './plan-cross-check.ts'
import { clustersOf, type PlacedCluster } from './regions.ts'

/** Clusters that are read one after another, in so many rows. */
const rows = 3

export interface CheckLook {
  readonly cloud: CloudReader
  readonly config: FunctionConfig<Settings>
  readonly now: number
  readonly around: Pick<ObserveAround, 'memory' | 'fresh'>
  readonly options: SendOptions
}

/**
 * Reads the nodes of the clusters of each region whose comparison is due; of the others what was last read of them. All of a region is
 * read at one time, since a difference between two times says nothing.
 */
export async function observeChecks(look: CheckLook): Promise<Pick<Observed, 'clusters' | 'checks' | 'isCrossChecked'>> {
  const { config, now, around } = look
  const { every } = config.settings.crossCheck
  if (every === 'never') return { clusters: [], checks: [], isCrossChecked: false }
  const placed = clustersOf(config)
  const checks: RegionCheck[] = []
  for (const region of new Set(placed.map((cluster) => cluster.region))) {
    const kept = await attempt(async () => await recallCheck(around.memory, region))
    // Without a store nothing could be kept; the region says so itself.
    if (!kept.ok || (around.fresh !== true && !isCheckDue(kept.value, every, now))) continue
    checks.push({ region, ...(await listClusters(region, look)), differsSince: kept.value?.differs?.sinceMs })
  }
  const due = new Set(checks.map(({ region }) => region))
  const clusters: ClusterSeen[] = []
  for (const { id, region } of placed.filter((cluster) => !due.has(cluster.region))) {
    const kept = await attempt(async () => await recallCores(around.memory, id))
    if (kept.ok && kept.value !== undefined) clusters.push({ cluster: id, region, cores: kept.value })
  }
  const waiting = placed.filter((cluster) => due.has(cluster.region))
  const readRow = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) clusters.push(await observeCluster(next, look))
  }
  await Promise.all(Array.from({ length: rows }, readRow))
  const order = placed.map(({ id }) => id)
  return {
    clusters: clusters.toSorted((one, other) => order.indexOf(one.cluster) - order.indexOf(other.cluster)),
    checks,
    isCrossChecked: checks.length > 0,
  }
}

async function observeCluster({ id, region }: PlacedCluster, { cloud, now, options }: CheckLook): Promise<ClusterSeen> {
  const read = await attemptKube(async () => await readCores(cloud, { id, region }, now, options))
  return read.ok ? { cluster: id, region, cores: read.value } : { cluster: id, region, problem: read.error }
}

async function listClusters(region: string, { cloud, options }: CheckLook): Promise<Pick<RegionCheck, 'listed' | 'problem'>> {
  const listed = await attempt(async () => await pages(cloud, DescribeClusters, {}, { ...options, region }))
  if (!listed.ok) return { problem: listed.error }
  return {
    listed: listed.value.map(
      ({ ClusterId: id, ClusterName: name, ClusterNodeNum, ClusterMasterNodeNum }): ListedCluster => ({
        id,
        name,
        nodes: Number(ClusterNodeNum) + Number(ClusterMasterNodeNum),
      }),
    ),
  }
}

async function attemptKube<T>(look: () => Promise<T>): Promise<Result<T, Reason>> {
  try {
    return await attempt(look)
  } catch (error) {
    if (!(error instanceof KubeError || error instanceof UnreadableNodeError)) throw error
    return { ok: false, error: { code: error.kind, text: error.message } }
  }
}
