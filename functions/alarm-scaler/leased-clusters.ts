import * as z from 'zod/mini'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { isOpen } from './lease.ts'
import type { PoolView } from './view.ts'

/**
 * A cluster that had open leases when it was looked at. Leases lie in the clusters themselves: of one that is taken out of the configuration
 * nobody would know any more that nodes in it are to be given back.
 */
const LeasedCluster = z.strictObject({
  format: z.literal(1),
  cluster: z.string(),
  /** Names of its pools with open leases, sorted. */
  pools: z.array(z.string()),
  /** When that was seen. */
  atMs: z.number(),
})

export type LeasedCluster = z.infer<typeof LeasedCluster>

const prefix = 'leased/'
const dayMs = 24 * 3_600_000
/** After so long nobody is told of it any more. */
const keptMs = 30 * dayMs

/** What is remembered of clusters with open leases. Throws StoreError. */
export async function recallLeased(memory: MemoryReader): Promise<readonly LeasedCluster[]> {
  const entries = await memory.list(prefix)
  return entries.flatMap(({ value }) => z.safeParse(LeasedCluster, value).data ?? [])
}

/** What was looked at. */
interface Look {
  readonly views: readonly PoolView[]
  /** Everything was. */
  readonly isWhole: boolean
}

/** Remembers which pools have open leases, as far as they were looked at; writes only what is news. Throws StoreError. */
export async function keepLeased(
  memory: MemoryWriter,
  known: readonly LeasedCluster[],
  { views, isWhole }: Look,
  now: number,
): Promise<void> {
  const byCluster = Map.groupBy(views, ({ cluster }) => cluster)
  for (const [cluster, own] of byCluster) {
    const before = known.find((one) => one.cluster === cluster)
    const read = own.filter(({ problem }) => problem === undefined)
    if (read.length === 0) continue
    const open = read.flatMap(({ pool, record }) => (record?.value.leases.some(isOpen) === true ? [pool] : []))
    // Of what could not be read, or was not looked at, nothing new is known.
    const isUnseen = (pool: string): boolean => !read.some((one) => one.pool === pool) && (!isWhole || own.length > read.length)
    const pools = [...new Set([...(before?.pools ?? []).filter(isUnseen), ...open])].toSorted()
    const isNews = pools.join('\n') !== (before?.pools ?? []).join('\n') || (pools.length > 0 && now - (before?.atMs ?? 0) >= dayMs)
    if (!isNews) continue
    const key = `${prefix}${encodeURIComponent(cluster)}`
    if (pools.length === 0) await memory.delete(key)
    else await memory.put(key, { format: 1, cluster, pools, atMs: now } satisfies LeasedCluster, { expiresAt: now + keptMs })
  }
}
