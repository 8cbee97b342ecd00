import { isOpen, type Lease } from './lease.ts'
import type { Observed, PoolView } from './view.ts'

/** Nodes that are to go are looked at this often: what holds them may have changed, and each waits for the one before it. */
const returningLookMs = 10_000
/** Nodes that are to come take minutes, and an alarm that is over has to be so for minutes. */
const comingLookMs = 15_000

/**
 * When something is to be looked at again sooner than at the next tick, because nodes come or go there or are about to go; undefined when
 * that is nowhere so. Nothing depends on it: ticks look at every pool with a lease. Pure.
 */
export function nextLook(
  { pools, episodes }: Pick<Observed, 'episodes'> & { readonly pools: readonly Pick<PoolView, 'record'>[] },
  now: number,
): number | undefined {
  const isOver = ({ episode: { source, key } }: Lease): boolean =>
    episodes.some((episode) => episode.source === source && episode.key === key && episode.state === 'resolved')
  const leases = pools.flatMap(({ record }) => record?.value.leases ?? []).filter(isOpen)
  const times = leases.flatMap((lease) => lookAt(lease, isOver(lease), now) ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

function lookAt({ state, provisionUntilMs, expiresAtMs }: Lease, isOver: boolean, now: number): number | undefined {
  const atEnd = (everyMs: number, endMs: number): number => (endMs > now ? Math.min(now + everyMs, endMs) : now + everyMs)
  switch (state) {
    case 'asking':
    case 'provisioning':
      return atEnd(comingLookMs, provisionUntilMs)
    case 'recovering':
      return now + returningLookMs
    case 'held':
      if (isOver) return atEnd(comingLookMs, expiresAtMs)
      return expiresAtMs > now ? expiresAtMs : undefined
    case 'closed':
      return undefined
  }
}
