import { isOpen, nodesLeft } from '#functions/alarm-scaler/lease.ts'
import type { LeasesView } from '../api-schemas.ts'
import { leaseOutlook } from '../lease-search.ts'
import type { StatusSources } from '../status-sources.ts'

/** Which nodes were added for which alarm: open leases first, then those that ended within the last two days; newest first. */
export async function leasesView({ leases, platform }: Pick<StatusSources, 'leases' | 'platform'>): Promise<LeasesView> {
  const { found, problems } = await leases.look()
  const now = platform.now()
  const sorted = found.toSorted(
    (one, other) => Number(isOpen(other.lease)) - Number(isOpen(one.lease)) || other.lease.askedAtMs - one.lease.askedAtMs,
  )
  return {
    leases: sorted.map(({ cluster, pool, lease }) => {
      const end = isOpen(lease) ? lease.expiresAtMs : lease.outcome?.atMs
      return {
        id: lease.id,
        cluster,
        pool,
        state: lease.state,
        alarm: lease.episode.name,
        nodes: nodesLeft(lease).map(({ instanceId, nodeName }) => nodeName ?? instanceId),
        asked: lease.wanted,
        since: new Date(lease.askedAtMs).toISOString(),
        ...(end === undefined ? {} : { until: new Date(end).toISOString() }),
        text: leaseOutlook(lease, now),
      }
    }),
    ...(problems.length === 0 ? {} : { problem: problems.join(' ') }),
  }
}
