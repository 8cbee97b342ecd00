import type { AlarmChange, NewLease } from '#functions/alarm-scaler/change.ts'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import { runInstancePara } from '#functions/alarm-scaler/run-order.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { clusterId, groupId, minuteMs, pool, region, virtualPoolId } from './cluster-stage.ts'

export const place = { cluster: clusterId, region, pool }

export type ChangeStep = AlarmStep & { readonly verdict: 'change' }

/** A change as a plan would put it; the key is that of its content. */
export function step(
  change: AlarmChange,
  key = `alarm-scaler:${change.kind}-${'leaseId' in change ? change.leaseId : change.lease.id}`,
): ChangeStep {
  return {
    verdict: 'change',
    key,
    target: `${clusterId}/${pool}`,
    before: '',
    after: change.kind,
    reason: { code: 'alarm-confirmed', text: 'a test' },
    change,
  }
}

export const leaseId = 'ls-0123456789abcdef'

const episode = { id: 'e1', source: 'prom', key: 'web', name: 'Busy', startedAtMs: 1_000 }

export function newLease(mechanism: NewLease['mechanism'], more: Partial<NewLease> = {}): NewLease {
  return { id: leaseId, policy: 'busy', episode, step: 0, level: 2, wanted: 2, mechanism, before: { instanceIds: [] }, ...more }
}

export function grow(lease: NewLease, more: { readonly ordinal?: number } = {}): ChangeStep {
  return step({ kind: 'grow', ...place, ordinal: 0, lease, provisionMs: 15 * minuteMs, leaseMs: 120 * minuteMs, ...more })
}

/** By the group, from 2 to `to` machines. */
export function groupLease(before: readonly string[], to = 4): NewLease {
  return newLease(
    { name: 'group', kind: 'scaling-group', group: groupId },
    { wanted: to - 2, before: { instanceIds: [...before], bounds: { min: 2, max: 10 } }, bounds: { min: to, max: 10 } },
  )
}

export const order = {
  Placement: { Zone: 'ap-guangzhou-3' },
  VirtualPrivateCloud: { VpcId: emptyCluster.vpcId, SubnetId: emptyCluster.subnetId },
  InstanceType: 'S5.LARGE8',
}

export function boughtLease(count = 2): NewLease {
  const token = `longshore-${leaseId}`
  return newLease({ name: 'buy', kind: 'new-instances', order: runInstancePara(order, count, token) }, { wanted: count, token })
}

export function virtualLease(before: readonly string[] = []): NewLease {
  return newLease(
    { name: 'virtual', kind: 'virtual-nodes', nodePool: virtualPoolId, subnets: [emptyCluster.subnetId] },
    { wanted: 1, before: { instanceIds: [...before] } },
  )
}

/** A lease as a record has it, given back at this moment. */
export function leaseOf(lease: NewLease, more: Partial<Lease>): Lease {
  const times = { askedAtMs: 0, provisionUntilMs: 15 * minuteMs, expiresAtMs: 120 * minuteMs }
  return { ...lease, ordinal: 1, key: 'k', state: 'held', nodes: [], ...times, ...more }
}
