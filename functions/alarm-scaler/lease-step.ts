import type { AlarmChange } from './change.ts'
import type { Lease } from './lease.ts'
import { type AlarmStep, keyOf, stayStep } from './plan-step.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'

interface Why {
  readonly code: ReasonCode
  readonly text: string
}

/** What every change of a lease says. */
export function place({ view }: PoolContext, lease: Lease) {
  return { cluster: view.cluster, region: view.region, pool: view.pool, leaseId: lease.id }
}

/**
 * A step about a lease. `facts` tell it from every other one about the same lease: steps of one lease that bring about the same have the
 * same key. Its target is the pool, so that what is written to one record follows one another, or a node of it.
 */
export function leaseStep(
  context: PoolContext,
  lease: Lease,
  change: AlarmChange,
  facts: readonly (string | number | boolean | null)[],
  { code, text }: Why,
  { after, node }: { readonly after: string; readonly node?: string | undefined },
): AlarmStep {
  return {
    verdict: 'change',
    key: keyOf([change.kind, context.view.cluster, context.view.pool, lease.id, ...facts]),
    target: node === undefined ? context.target : `${context.target}/${node}`,
    before: `lease ${lease.id} ${lease.state}`,
    after,
    reason: { code, text: `${leaseText(lease)}: ${text}` },
    change,
  }
}

/** Nothing is done about a lease, and why. */
export function leaseStay({ target }: PoolContext, lease: Lease, verdict: 'no-change' | 'held', { code, text }: Why): AlarmStep {
  return stayStep(`${target}/${lease.id}`, verdict, code, `${leaseText(lease)}: ${text}`, { before: lease.state })
}

function leaseText({ id, policy, episode }: Lease): string {
  return `lease ${id} (${policy}, alarm ${episode.name})`
}
