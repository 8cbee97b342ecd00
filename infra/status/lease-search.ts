import { CloudError } from '#cloud/errors.ts'
import { KubeError, kubeReader } from '#cloud/kube.ts'
import { definition } from '#functions/alarm-scaler/definition.ts'
import type { Lease, PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { regionOf } from '#functions/alarm-scaler/policy.ts'
import { listPools } from '#functions/alarm-scaler/pool-store.ts'
import type { Platform } from '#infra/local/platform.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { functionConfig } from '#shared/runtime/config.ts'

/** A lease and where it is. */
export interface FoundLease {
  readonly cluster: string
  readonly region: string
  readonly pool: string
  readonly lease: Lease
}

export interface LeaseSearch {
  readonly found: readonly FoundLease[]
  readonly records: readonly PoolRecord[]
  /** What could not be read, a sentence each. */
  readonly problems: readonly string[]
}

/** All leases of all configured clusters, open or ended, by the records that lie in the clusters. */
export async function searchLeases({ cloud, config }: Pick<Platform, 'cloud' | 'config'>): Promise<LeaseSearch> {
  const own = await functionConfig(config, definition)
  const found: FoundLease[] = []
  const records: PoolRecord[] = []
  const problems: string[] = []
  for (const { id: cluster } of own.clusters) {
    const region = regionOf(cluster, own)
    try {
      const stored = await listPools(kubeReader(cloud, cluster, region === '' ? {} : { region }), own.settings.leases.namespace)
      for (const { pool, record, problem } of stored) {
        if (problem !== undefined) problems.push(`${cluster}/${pool}: ${problem}`)
        if (record === undefined) continue
        records.push(record)
        found.push(...record.leases.map((lease) => ({ cluster, region, pool, lease })))
      }
    } catch (error) {
      if (!(error instanceof CloudError || error instanceof KubeError)) throw error
      problems.push(`${cluster} could not be read: ${error.message}`)
    }
  }
  return { found, records, problems }
}

/** What will become of a lease, as far as its record tells. */
export function leaseOutlook({ state, outcome, recovery, provisionUntilMs, expiresAtMs, setback }: Lease, now: number): string {
  const inTime = (ms: number): string => (ms > now ? `in ${formatDuration(ms - now)}` : 'now')
  switch (state) {
    case 'asking':
    case 'provisioning':
      return `its nodes have to be ready ${inTime(provisionUntilMs)}`
    case 'held': {
      const again =
        setback !== undefined && setback.notBeforeMs > now
          ? `; giving back is tried again ${inTime(setback.notBeforeMs)} (${setback.text})`
          : ''
      return `the metric is read again ${inTime(expiresAtMs)}, or when its alarm is over${again}`
    }
    case 'recovering':
      return `its nodes are given back (${recovery?.why ?? 'nobody knows why'})`
    case 'closed':
      return outcome === undefined ? 'it has ended' : `${outcome.kind} at ${new Date(outcome.atMs).toISOString()}: ${outcome.text}`
  }
}
