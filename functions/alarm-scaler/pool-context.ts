import { type Arrivals, arrivalsOf } from './arrivals.ts'
import type { Episode } from './episode.ts'
import type { AlarmConfig, Policy, PoolSettings } from './event.ts'
import type { Lease } from './lease.ts'
import { clusterOf, isFor, policiesOf } from './policy.ts'
import { type Capacity, capacityOf } from './sizing.ts'
import type { Approval, Observed, PoolView } from './view.ts'

/** An alarm, and a policy of the pool that is for it. */
export interface Claim {
  readonly episode: Episode
  readonly policy: Policy
}

/** A pool with all that is decided by. */
export interface PoolContext {
  readonly view: PoolView
  /** Absent where the settings know nothing of the pool any more: its leases can only end. */
  readonly settings: PoolSettings | undefined
  readonly policies: readonly Policy[]
  readonly leases: readonly Lease[]
  readonly arrivals: Arrivals
  readonly claims: readonly Claim[]
  /** All that were seen, whoever is for them. */
  readonly episodes: readonly Episode[]
  readonly approvals: readonly Approval[]
  /** As one policy counts it. */
  readonly capacity: (policy: Policy) => Capacity
  readonly now: number
  /** Names the pool in targets: `cls-1/workers`. */
  readonly target: string
}

export function poolContext(view: PoolView, { episodes, approvals }: Observed, config: AlarmConfig, now: number): PoolContext {
  const settings = config.settings.pools.find((pool) => pool.name === view.pool && clusterOf(pool, config) === view.cluster)
  const policies = settings === undefined ? [] : policiesOf(view.pool, config.settings)
  const arrivals = arrivalsOf(view)
  const known = new Map<string, Capacity>()
  return {
    view,
    settings,
    policies,
    leases: view.record?.value.leases ?? [],
    arrivals,
    claims: policies.flatMap((policy) =>
      episodes.flatMap((episode) => (isFor(policy, episode, view.cluster, config) ? [{ episode, policy }] : [])),
    ),
    episodes,
    approvals,
    capacity: (policy) => {
      const capacity = known.get(policy.name) ?? capacityOf(view, arrivals, policy, now)
      known.set(policy.name, capacity)
      return capacity
    },
    now,
    target: `${view.cluster}/${view.pool}`,
  }
}

/** Whether an alarm fires, as far as it was heard lately enough to count. */
export function isFresh({ episode, policy }: Claim, now: number): boolean {
  return episode.state === 'firing' && now - episode.lastHeardMs <= policy.freshFor
}
