import type { AlarmChange, NewLease } from './change.ts'
import {
  type Bounds,
  type GroupBase,
  isOpen,
  keptClosedMs,
  type Lease,
  type LeaseNode,
  nodesLeft,
  type PoolRecord,
  writtenBy,
} from './lease.ts'

/** Why a change does not fit the record as it is right before the write: somebody was faster. */
export interface Misfit {
  readonly text: string
}

export type RecordReading = { readonly record: PoolRecord } | { readonly misfit: Misfit }

/**
 * The record after a change, or why the change does not fit it. Every change of a record goes through here, on the record as it was read
 * right before the write. `key` is the step's, `now` the run's. Pure.
 *
 * `grow` writes the lease as `asking`; one that is asking already stays so, and says when it was tried again. What the mechanism then answered
 * is `recordAnswered`. Leases that were closed 48 hours ago or longer are left out.
 */
export function recordAfter(change: AlarmChange, before: PoolRecord | undefined, key: string, now: number): RecordReading {
  if (change.kind === 'grow') {
    const { lease: asked, ordinal, provisionMs, leaseMs } = change
    const record = before ?? { version: 1, cluster: change.cluster, pool: change.pool, ordinal: 0, bases: [], leases: [] }
    const there = record.leases.find(({ id }) => id === asked.id)
    if (there?.state === 'asking' && there.key === key) {
      return { record: { ...record, leases: record.leases.map((one) => (one === there ? { ...one, triedAtMs: now } : one)) } }
    }
    if (there !== undefined) return misfit(`the lease ${asked.id} is there already and ${there.state}`)
    if (record.ordinal !== ordinal) {
      return misfit(`the pool has had ${record.ordinal} leases by now, and ${ordinal} when this was decided: somebody else has grown it`)
    }
    const { others, floors } = raisedWith(record, asked)
    const lease = newLease(asked, floors, { ordinal: ordinal + 1, key, now, provisionMs, leaseMs })
    return {
      record: tidied({ ...record, ordinal: ordinal + 1, bases: basesWith(record, asked, now), leases: [...others, lease] }, now),
    }
  }
  if (before === undefined) return misfit('the pool has no record any more')
  const lease = before.leases.find(({ id }) => id === change.leaseId)
  if (lease === undefined) return misfit(`the record has no lease ${change.leaseId} any more`)
  const after = leaseAfter(change, lease, now)
  if ('misfit' in after) return after
  const leases = before.leases.map((one) => (one.id === lease.id ? writtenBy(after.lease, key) : one))
  const bases =
    change.kind === 'restore-bounds'
      ? basesAfter(before, change.group, ({ aimed: _aimed, ...base }) => ({ ...base, set: { ...change.to, atMs: now } }))
      : before.bases
  return { record: tidied({ ...before, leases, bases }, now) }
}

function misfit(text: string): { readonly misfit: Misfit } {
  return { misfit: { text } }
}

/** What a mechanism said to a call. */
export type MechanismAnswer =
  /** It was accepted. `instanceIds`: the machines that it named, none for a scaling group. */
  | { readonly kind: 'accepted'; readonly instanceIds: readonly string[] }
  /** It was refused, and nothing has happened. */
  | { readonly kind: 'refused'; readonly code: string; readonly text: string }

/** The record after the mechanism's answer to the call of a lease that was asking. Pure. */
export function recordAnswered(before: PoolRecord, leaseId: string, answer: MechanismAnswer, now: number): RecordReading {
  const lease = before.leases.find(({ id }) => id === leaseId)
  if (lease === undefined) return misfit(`the record has no lease ${leaseId} any more`)
  if (lease.state !== 'asking') return misfit(`the lease ${leaseId} is ${lease.state} by now`)
  const { order: _order, ...mechanism } = lease.mechanism
  const after: Lease =
    answer.kind === 'accepted'
      ? { ...lease, mechanism, state: 'provisioning', nodes: withNodes(lease.nodes, answer.instanceIds) }
      : {
          ...lease,
          mechanism,
          state: 'closed',
          outcome: { kind: 'failed', code: answer.code, text: answer.text.slice(0, 2000), atMs: now },
        }
  const { group } = lease.mechanism
  // A call that was refused has changed no bounds.
  const isUnchanged = answer.kind === 'refused' && group !== undefined
  const leases = before.leases.map((one) => (one.id === leaseId ? after : isUnchanged ? loweredWithout(one, lease) : one))
  const bases = isUnchanged ? basesWithout(before, lease, group) : before.bases
  return { record: tidied({ ...before, leases, bases }, now) }
}

function withNodes(known: readonly LeaseNode[], instanceIds: readonly string[]): LeaseNode[] {
  const fresh = instanceIds.filter((id) => !known.some(({ instanceId }) => instanceId === id))
  return [...known, ...fresh.map((instanceId) => ({ instanceId }))]
}

/**
 * The other leases of a group when a new one raises its floor: above all machines that are there and asked for, so also above those of a
 * lease whose own floor was lowered before, because it was about to give them back. `floors` is what they held up until then.
 */
function raisedWith(
  { leases }: PoolRecord,
  { mechanism: { group } }: NewLease,
): { readonly others: readonly Lease[]; readonly floors: Readonly<Record<string, number>> } {
  const ofGroup = leases.filter((lease) => group !== undefined && isOpen(lease) && lease.mechanism.group === group)
  const floors = Object.fromEntries(ofGroup.map(({ id, floor = 0 }) => [id, floor]))
  const others = leases.map((lease) => {
    if (!ofGroup.includes(lease)) return lease
    // What has not come yet is asked for once more with everything else.
    const isToCome = lease.heldSinceMs === undefined && lease.isTrimmed !== true
    return { ...lease, floor: isToCome ? lease.wanted : nodesLeft(lease).length }
  })
  return { others, floors }
}

function loweredWithout(lease: Lease, { before: { floors = {} } }: Lease): Lease {
  const floor = floors[lease.id]
  return floor === undefined ? lease : { ...lease, floor }
}

function newLease(
  asked: NewLease,
  floors: Readonly<Record<string, number>>,
  moment: { readonly ordinal: number; readonly key: string; readonly now: number; readonly provisionMs: number; readonly leaseMs: number },
): Lease {
  const { ordinal, key, now, provisionMs, leaseMs } = moment
  return {
    ...asked,
    before: { ...asked.before, ...(Object.keys(floors).length === 0 ? {} : { floors: { ...floors } }) },
    ordinal,
    key,
    state: 'asking',
    nodes: [],
    ...(asked.mechanism.group === undefined ? {} : { floor: asked.wanted }),
    askedAtMs: now,
    provisionUntilMs: now + provisionMs,
    expiresAtMs: now + leaseMs,
  }
}

/** The bounds that are put back in the end are those from before the first open lease of a group. */
function basesWith(record: PoolRecord, { mechanism: { group }, before, bounds }: NewLease, now: number): GroupBase[] {
  if (group === undefined || before.bounds === undefined || bounds === undefined) return record.bases
  const known = record.bases.find((base) => base.group === group)
  const base: GroupBase = { group, before: known?.before ?? before.bounds, set: { ...bounds, atMs: now } }
  return [...record.bases.filter((one) => one.group !== group), base]
}

function basesAfter({ bases }: PoolRecord, group: string, change: (base: GroupBase) => GroupBase): GroupBase[] {
  return bases.map((base) => (base.group === group ? change(base) : base))
}

/** The record before the bounds of a group are set: whoever reads them elsewhere then knows by whom. Pure. */
export function recordAimed(record: PoolRecord, group: string, { min, max }: Pick<Bounds, 'min' | 'max'>): PoolRecord {
  return { ...record, bases: basesAfter(record, group, (base) => ({ ...base, aimed: { min, max } })) }
}

/** Without what a lease had set that came to nothing. */
function basesWithout(record: PoolRecord, lease: Lease, group: string): GroupBase[] {
  const bounds = lease.before.bounds
  return record.bases.map((base) =>
    base.group === group && bounds !== undefined ? { ...base, set: { ...bounds, atMs: base.set.atMs } } : base,
  )
}

/** Without leases that nobody asks about any more, and without groups that no open lease is about. */
function tidied(record: PoolRecord, now: number): PoolRecord {
  const leases = record.leases.filter((lease) => isOpen(lease) || (lease.outcome?.atMs ?? now) > now - keptClosedMs)
  const bases = record.bases.filter(({ group }) => leases.some((lease) => isOpen(lease) && lease.mechanism.group === group))
  return { ...record, leases, bases }
}

type LeaseReading = { readonly lease: Lease } | { readonly misfit: Misfit }

function leaseAfter(change: Exclude<AlarmChange, { readonly kind: 'grow' }>, lease: Lease, now: number): LeaseReading {
  const other = (wanted: string): LeaseReading => misfit(`the lease ${lease.id} is ${lease.state} by now, no longer ${wanted}`)
  switch (change.kind) {
    case 'track':
      return lease.state === change.from ? { lease: tracked(lease, change, now) } : other(change.from)
    case 'recover':
      if (lease.state !== change.from) return other(change.from)
      return { lease: { ...lease, state: 'recovering', recovery: { sinceMs: now, why: change.why } } }
    case 'reclaim': {
      if (lease.state !== 'closed') return other('closed')
      const { outcome: _outcome, ...rest } = lease
      const known = new Map(lease.nodes.map((node) => [node.instanceId, node]))
      const nodes: LeaseNode[] = lease.nodes.filter(({ instanceId }) => !change.nodes.some((one) => one.instanceId === instanceId))
      for (const { instanceId, nodeName } of change.nodes) {
        const { removedAtMs: _removed, drain: _drain, ...node } = known.get(instanceId) ?? { instanceId }
        nodes.push({ ...node, ...(nodeName === undefined ? {} : { nodeName }) })
      }
      return { lease: { ...rest, nodes, state: 'recovering', recovery: { sinceMs: now, why: 'compensate' } } }
    }
    case 'drain': {
      if (lease.state !== 'recovering') return other('recovering')
      const node = lease.nodes.find(({ instanceId }) => instanceId === change.instanceId)
      if (node === undefined || node.removedAtMs !== undefined)
        return misfit(`${change.instanceId} is no node of the lease ${lease.id} any more`)
      const attempts = node.drain?.attempts ?? 0
      if (attempts !== change.attempt - 1) {
        return misfit(
          `${change.instanceId} has been drained ${attempts} times by now, and ${change.attempt - 1} times when this was decided`,
        )
      }
      const drain = { ...(node.drain ?? { sinceMs: now, cordonedByUs: change.wasOpen }), attempts: change.attempt }
      return { lease: withNode(lease, { ...node, nodeName: change.nodeName, drain }) }
    }
    case 'remove': {
      if (lease.state !== 'recovering' && !(change.force && lease.state === 'provisioning')) return other('recovering')
      const node = lease.nodes.find(({ instanceId }) => instanceId === change.instanceId)
      if (node === undefined) return misfit(`${change.instanceId} is no node of the lease ${lease.id}`)
      return { lease: withNode(lease, { ...node, removedAtMs: node.removedAtMs ?? now }) }
    }
    case 'stop-recovery': {
      if (lease.state !== 'recovering') return other('recovering')
      const { recovery: _recovery, ...rest } = lease
      const nodes = lease.nodes.map(({ drain: _drain, ...node }) => node)
      const { code, text, count, retryMs } = change
      return { lease: { ...rest, nodes, state: 'held', setback: { atMs: now, code, text, count, notBeforeMs: now + retryMs } } }
    }
    case 'restore-bounds': {
      if (lease.state === 'closed' || lease.state === 'asking') return other('open')
      return { lease: { ...lease, floor: change.floor, ...(change.phase === 'trim' ? { isTrimmed: true } : {}) } }
    }
    case 'extend':
      if (lease.state !== 'held' || lease.expiresAtMs !== change.expiresAtMs) return other('at its end')
      return { lease: { ...lease, expiresAtMs: now + change.leaseMs } }
    case 'release':
      return released(lease, change.keep, change.by, now)
    case 'close':
      if (lease.state !== change.from) return other(change.from)
      return { lease: closed(lease, { kind: change.outcome, code: change.code, text: change.text, atMs: now }) }
  }
}

function tracked(lease: Lease, change: Extract<AlarmChange, { readonly kind: 'track' }>, now: number): Lease {
  const { order: _order, ...mechanism } = lease.mechanism
  const known = new Map(lease.nodes.map((node) => [node.instanceId, node]))
  const seen = change.nodes.map(({ instanceId, nodeName, readyAtMs, isGone }): LeaseNode => {
    const before = known.get(instanceId)
    known.delete(instanceId)
    const firstReadyMs = before?.readyAtMs ?? readyAtMs
    return {
      ...(before ?? { instanceId }),
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(firstReadyMs === undefined ? {} : { readyAtMs: firstReadyMs }),
      ...(isGone ? { removedAtMs: before?.removedAtMs ?? now } : {}),
    }
  })
  const nodes = [...seen, ...known.values()]
  return {
    ...lease,
    mechanism: lease.state === 'asking' ? mechanism : lease.mechanism,
    nodes,
    state: change.to,
    ...(change.to === 'held' && lease.heldSinceMs === undefined ? { heldSinceMs: now } : {}),
  }
}

function withNode(lease: Lease, node: LeaseNode): Lease {
  return { ...lease, nodes: lease.nodes.map((one) => (one.instanceId === node.instanceId ? node : one)) }
}

function released(lease: Lease, keep: boolean, by: string, now: number): LeaseReading {
  if (lease.state === 'closed') return misfit(`the lease ${lease.id} has ended already`)
  if (lease.state === 'asking')
    return misfit(`nobody knows yet what became of the lease ${lease.id}; wait until its nodes are on their way`)
  if (!keep) return { lease: { ...lease, state: 'recovering', recovery: { sinceMs: lease.recovery?.sinceMs ?? now, why: 'released' } } }
  if (lease.state === 'recovering') return misfit(`the nodes of the lease ${lease.id} are being given back already`)
  return { lease: closed(lease, { kind: 'kept', code: 'kept', text: `${by} keeps its nodes`, atMs: now }) }
}

function closed(lease: Lease, outcome: NonNullable<Lease['outcome']>): Lease {
  const { recovery: _recovery, ...rest } = lease
  return { ...rest, state: 'closed', outcome }
}
