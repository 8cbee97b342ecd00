import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { kubeReader } from '#cloud/kube.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Doubt, Settlement } from '#shared/safety/settle-claim.ts'
import { type AlarmChange, type GrowChange, leaseIdOf, type RemoveChange, type TrackChange } from './change.ts'
import { readMachines, readVirtualNodes } from './cluster-reading.ts'
import { type Lease, type PoolRecord, wasWrittenBy } from './lease.ts'
import { mechanisms } from './mechanisms/all-mechanisms.ts'
import type { AlarmScalerConfig } from './observe.ts'
import { readPool } from './pool-store.ts'

/** Where it is looked. */
interface Place {
  readonly cloud: CloudReader
  readonly options: SendOptions
  readonly cluster: string
}

/**
 * Says by reading whether a step's writes have arrived. Most of them end with the pool's record, which tells: a lease remembers which steps
 * have written it last, and one that is where the step would take it has been taken there. Each step fits only the state before it, so that
 * what is found not to be done may be done again.
 *
 * Of a lease that is asking, nodes, machines or bounds tell whether the mechanism was asked; of one that is to be given back, whether the
 * node is still there. A record that cannot be understood does not tell. Throws KubeError and CloudError when nothing can be read.
 */
export async function settle(
  { change, key }: Step<AlarmChange> & { readonly verdict: 'change' },
  cloud: CloudReader,
  { settings }: AlarmScalerConfig,
  { startedAt }: Doubt,
): Promise<Settlement> {
  const { cluster, region, pool } = change
  const options = region === '' ? {} : { region }
  const place = { cloud, options, cluster }
  if (change.kind === 'remove') return (await isThere(change, place)) ? 'not-applied' : 'applied'
  const stored = await readPool(kubeReader(cloud, cluster, options), settings.leases.namespace, pool)
  if (stored?.problem !== undefined) return 'unknown'
  const record = stored?.record
  const lease = record?.leases.find(({ id }) => id === leaseIdOf(change))
  if (record === undefined || lease === undefined) return 'not-applied'
  if (change.kind === 'grow') return await settleGrow(key, place, { record, lease, sinceMs: startedAt })
  return wasWrittenBy(lease, key) || isOnRecord(change, lease, record) ? 'applied' : 'not-applied'
}

async function settleGrow(
  key: string,
  place: Place,
  { record, lease, sinceMs }: { readonly record: PoolRecord; readonly lease: Lease; readonly sinceMs: number },
): Promise<Settlement> {
  if (lease.key !== key) return 'unknown'
  if (lease.state !== 'asking') return lease.outcome?.kind === 'failed' && lease.nodes.length === 0 ? 'not-applied' : 'applied'
  switch (await mechanisms[lease.mechanism.kind].look({ ...place, lease, record, sinceMs })) {
    case 'asked':
      return 'applied'
    case 'none':
      return 'not-applied'
    case 'unclear':
      return 'unknown'
  }
}

/** Whether a node is still in its cluster. */
async function isThere({ instanceId, nodePool }: RemoveChange, place: Place): Promise<boolean> {
  if (nodePool === undefined) return (await readMachines(place, place.cluster)).some((machine) => machine.instanceId === instanceId)
  return (await readVirtualNodes(place, place.cluster, nodePool)).some(({ name }) => name === instanceId)
}

/**
 * Whether a lease is where tracking would take it, or has gone on from there meanwhile. One that had no node to write down leaves no mark
 * once it has gone on: it may have gone another way.
 */
function isAtOrPast({ state }: Lease, { from, to, nodes }: TrackChange): boolean {
  if (state === to) return true
  // Giving back can be broken off, so that a lease is held again; before that the order is fixed.
  const way: readonly Lease['state'][] = ['asking', 'provisioning', 'held', 'recovering', 'closed']
  const isBack = from === 'recovering' && state === 'held'
  return nodes.length > 0 && (isBack || way.indexOf(state) > way.indexOf(to))
}

/** Whether the record shows what a change would write into it. */
function isOnRecord(change: Exclude<AlarmChange, GrowChange | RemoveChange>, lease: Lease, { bases }: PoolRecord): boolean {
  switch (change.kind) {
    case 'track':
      return (
        isAtOrPast(lease, change) &&
        change.nodes.every((node) => {
          const known = lease.nodes.find(({ instanceId }) => instanceId === node.instanceId)
          return (
            known !== undefined &&
            (node.readyAtMs === undefined || known.readyAtMs !== undefined) &&
            (node.nodeName === undefined || known.nodeName === node.nodeName) &&
            (!node.isGone || known.removedAtMs !== undefined)
          )
        })
      )
    case 'recover':
      return lease.state === 'recovering' && lease.recovery?.why === change.why
    case 'reclaim':
      return (
        lease.state === 'recovering' && change.nodes.every(({ instanceId }) => lease.nodes.some((node) => node.instanceId === instanceId))
      )
    case 'drain':
      return (lease.nodes.find(({ instanceId }) => instanceId === change.instanceId)?.drain?.attempts ?? 0) >= change.attempt
    case 'stop-recovery':
      return lease.state === 'held' && lease.setback?.code === change.code && lease.setback.count === change.count
    case 'restore-bounds': {
      const set = bases.find(({ group }) => group === change.group)?.set
      return set !== undefined && set.min === change.to.min && set.max === change.to.max
    }
    case 'extend':
      return lease.expiresAtMs > change.expiresAtMs
    case 'release':
      return change.keep
        ? lease.outcome?.kind === 'kept'
        : lease.state === 'closed' || (lease.state === 'recovering' && lease.recovery?.why === 'released')
    case 'close':
      return lease.state === 'closed' && lease.outcome?.kind === change.outcome
  }
}
