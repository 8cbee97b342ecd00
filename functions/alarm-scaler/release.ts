import type { ReleaseChange } from './change.ts'
import type { AlarmConfig } from './event.ts'
import { leaseStay, leaseStep, place } from './lease-step.ts'
import { type AlarmStep, stayStep } from './plan-step.ts'
import { poolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import type { Observed } from './view.ts'

/** Which lease, and what somebody wants of it. */
export interface ReleaseWish {
  readonly leaseId: string
  /** Its nodes stay for good, and nobody takes them away any more; else they are emptied and given back now. */
  readonly keep: boolean
  /** Who wants it. */
  readonly by: string
}

/**
 * What becomes of a lease that somebody ends before its time, among the pools that were looked at: one step for it, which says why not where
 * it cannot be. Pure.
 */
export function planRelease(observed: Observed, config: AlarmConfig, { leaseId, keep, by }: ReleaseWish, now: number): AlarmStep[] {
  for (const view of observed.pools) {
    const lease = view.record?.value.leases.find(({ id }) => id === leaseId)
    if (lease === undefined) continue
    const context = poolContext(view, observed, config, now)
    const stay = (verdict: 'no-change' | 'held', code: ReasonCode, text: string): AlarmStep[] => [
      leaseStay(context, lease, verdict, { code, text }),
    ]
    if (lease.state === 'closed') return stay('no-change', 'lease-ended', `it has ended already (${lease.outcome?.kind ?? 'closed'})`)
    if (lease.state === 'asking') {
      return stay('held', 'being-asked', 'nobody knows yet what became of it; wait until its nodes are on their way')
    }
    if (lease.state === 'recovering' && keep) return stay('held', 'recovery-waits', 'its nodes are being given back already')
    if (lease.state === 'recovering' && lease.recovery?.why === 'released') {
      return stay('no-change', 'recovery-waits', 'its nodes are being given back already')
    }
    const { group } = lease.mechanism
    const change: ReleaseChange = {
      kind: 'release',
      ...place(context, lease),
      keep,
      by,
      ...(keep && group !== undefined ? { bounds: true } : {}),
    }
    const text = keep ? `${by} keeps its nodes` : `${by} gives its nodes back before its time`
    const bounds = change.bounds === true ? `; the bounds of scaling group ${group} as before, if no other lease holds them up` : ''
    const after = `lease ${lease.id} ${keep ? `closed (kept)${bounds}` : 'recovering (released)'}`
    // One that was broken off may be asked for again.
    return [leaseStep(context, lease, change, [keep, lease.state, lease.setback?.atMs ?? 0], { code: 'release', text }, { after })]
  }
  const text = `no record of the pools that were looked at has a lease ${leaseId}`
  return [stayStep(`lease ${leaseId}`, 'invalid', 'lease-missing', text)]
}
