import * as z from 'zod/mini'
import { ClusterCores, crossCheckKey } from '#shared/licence/cross-check.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import type { ClusterSeen } from './plan.ts'
import type { RegionCheck } from './plan-cross-check.ts'

const regionKey = (region: string): string => `cross-check-region/${region}`

const KeptCheck = z.object({
  format: z.literal(1),
  /** When the clusters of the region were last compared, epoch milliseconds. */
  atMs: z.int(),
  /** Since when the figures differ, and in how many readings in a row. */
  differs: z.optional(z.object({ sinceMs: z.int(), readings: z.int() })),
})

export type KeptCheck = z.infer<typeof KeptCheck>

/** What the last cross-check of a region came to; undefined when there was none that this version understands. */
export async function recallCheck(memory: MemoryReader, region: string): Promise<KeptCheck | undefined> {
  return z.safeParse(KeptCheck, (await memory.get(regionKey(region)))?.value).data
}

/** What the nodes of a cluster had when they were last read. */
export async function recallCores(memory: MemoryReader, cluster: string): Promise<ClusterCores | undefined> {
  return z.safeParse(ClusterCores, (await memory.get(crossCheckKey(cluster)))?.value).data
}

/** Keeps what was read of clusters that could be read, and that the region was compared. */
export async function keepCheck(
  memory: MemoryWriter,
  check: RegionCheck,
  { clusters, isDifferent, now }: { readonly clusters: readonly ClusterSeen[]; readonly isDifferent: boolean; readonly now: number },
): Promise<void> {
  for (const { cores } of clusters) if (cores !== undefined) await memory.put(crossCheckKey(cores.cluster), cores)
  // What could not be read is tried again with the next trigger.
  if (clusters.some(({ problem }) => problem !== undefined)) return
  const before = await recallCheck(memory, check.region)
  const differs = {
    sinceMs: check.differsSince ?? now,
    readings: check.differsSince === undefined ? 1 : (before?.differs?.readings ?? 1) + 1,
  }
  await memory.put(regionKey(check.region), { format: 1, atMs: now, ...(isDifferent ? { differs } : {}) } satisfies KeptCheck)
}

/** Whether a region is to be compared now: after its time, once more right after a difference, and when the clock was set back. */
export function isCheckDue(kept: KeptCheck | undefined, everyMs: number, now: number): boolean {
  return kept === undefined || kept.differs?.readings === 1 || now < kept.atMs || now - kept.atMs >= everyMs
}
