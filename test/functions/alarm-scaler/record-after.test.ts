import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { AlarmChange, GrowChange } from '#functions/alarm-scaler/change.ts'
import { type Lease, PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import { recordAfter, recordAnswered } from '#functions/alarm-scaler/record-after.ts'
import { change, config, episode, hour, minute, noon, observed } from './small-pool.ts'

const key = 'alarm-scaler:key'

function grow(value = 85): GrowChange {
  const [one] = change(plan(observed({ episodes: [episode({ value })] }), config(), noon), 'grow')
  if (one === undefined) throw new Error('the small pool grows')
  return one
}

function written(what: AlarmChange, before: PoolRecord | undefined, now = noon, by = key): PoolRecord {
  const after = recordAfter(what, before, by, now)
  if ('misfit' in after) throw new Error(after.misfit.text)
  return z.parse(PoolRecord, JSON.parse(JSON.stringify(after.record)))
}

function misfit(what: AlarmChange, before: PoolRecord | undefined, by = key): string {
  const after = recordAfter(what, before, by, noon)
  return 'misfit' in after ? after.misfit.text : ''
}

const place = (record: PoolRecord) => ({ cluster: 'cls-1', region: 'ap-guangzhou', pool: 'workers', leaseId: record.leases[0]?.id ?? '' })
const lease = (record: PoolRecord, index = 0): Lease => {
  const one = record.leases[index]
  if (one === undefined) throw new Error('the record has a lease')
  return one
}

/** A lease whose nodes are there. */
function held(): PoolRecord {
  const asking = written(grow(), undefined)
  const nodes = [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon + minute, isGone: false }]
  return written({ kind: 'track', ...place(asking), from: 'asking', to: 'held', nodes, mark: [] }, asking, noon + 2 * minute)
}

describe('a lease', () => {
  it('is written as asking before anything is asked for, with all its times', () => {
    const record = written(grow(), undefined)
    expect(record).toMatchObject({ version: 1, cluster: 'cls-1', pool: 'workers', ordinal: 1 })
    expect(record.bases).toEqual([{ group: 'asg-1', before: { min: 1, max: 10 }, set: { min: 3, max: 10, atMs: noon } }])
    expect(lease(record)).toMatchObject({
      ordinal: 1,
      key,
      state: 'asking',
      nodes: [],
      floor: 1,
      askedAtMs: noon,
      provisionUntilMs: noon + 15 * minute,
      expiresAtMs: noon + 2 * hour,
    })
  })

  it('goes on where it is asking already, and fits nothing else', () => {
    const record = written(grow(), undefined)
    expect(written(grow(), record)).toEqual({ ...record, leases: [{ ...lease(record), triedAtMs: noon }] })
    expect(misfit(grow(), record, 'another key')).toContain('is there already and asking')
    expect(misfit(grow(101), record)).toContain('the pool has had 1 leases by now, and 0 when this was decided')
    const accepted = recordAnswered(record, lease(record).id, { kind: 'accepted', instanceIds: [] }, noon)
    expect('record' in accepted ? misfit(grow(), accepted.record) : '').toContain('is there already and provisioning')
  })

  it('keeps the bounds from before the first lease of a group, and forgets them with the last', () => {
    const first = written(grow(), undefined)
    const next = { ...grow(101), ordinal: 1 }
    const bounds = { min: 7, max: 12 }
    const second = written(
      { ...next, lease: { ...next.lease, before: { instanceIds: [], bounds: { min: 3, max: 10 } }, bounds } },
      first,
      noon + minute,
    )
    expect(second.bases).toEqual([{ group: 'asg-1', before: { min: 1, max: 10 }, set: { ...bounds, atMs: noon + minute } }])
    expect(second.ordinal).toBe(2)
    const close = (record: PoolRecord, index: number): PoolRecord =>
      written(
        { kind: 'close', ...place(record), leaseId: lease(record, index).id, from: 'asking', outcome: 'failed', code: 'x', text: '' },
        record,
      )
    expect(close(second, 0).bases).toHaveLength(1)
    expect(close(close(second, 0), 1).bases).toEqual([])
  })

  it('remembers what the mechanism answered', () => {
    const record = written(grow(), undefined)
    const { id } = lease(record)
    const accepted = recordAnswered(record, id, { kind: 'accepted', instanceIds: ['ins-1', 'ins-2'] }, noon)
    expect('record' in accepted ? lease(accepted.record) : undefined).toMatchObject({
      state: 'provisioning',
      nodes: [{ instanceId: 'ins-1' }, { instanceId: 'ins-2' }],
    })
    const refused = recordAnswered(record, id, { kind: 'refused', code: 'sold-out', text: 'no more' }, noon + minute)
    expect('record' in refused ? lease(refused.record) : undefined).toMatchObject({
      state: 'closed',
      outcome: { kind: 'failed', code: 'sold-out', text: 'no more', atMs: noon + minute },
    })
    expect('record' in refused ? refused.record.bases : undefined).toEqual([])
    // What it had set is forgotten where another lease of the group goes on, and nothing of another group.
    const next = { ...grow(101), ordinal: 1 }
    const bounds = { min: 7, max: 12 }
    const two = written(
      { ...next, lease: { ...next.lease, before: { instanceIds: [], bounds: { min: 3, max: 10 } }, bounds } },
      record,
      noon + minute,
    )
    const other = { ...lease(two), id: 'ls-00000000000000aa', mechanism: { name: 'b', kind: 'scaling-group' as const, group: 'asg-2' } }
    const foreign = { group: 'asg-2', before: { min: 0, max: 1 }, set: { min: 1, max: 1, atMs: noon } }
    const three = { ...two, leases: [...two.leases, other], bases: [...two.bases, foreign] }
    const again = recordAnswered(three, lease(two, 1).id, { kind: 'refused', code: 'sold-out', text: '' }, noon + hour)
    expect('record' in again ? again.record.bases : undefined).toEqual([
      { group: 'asg-1', before: { min: 1, max: 10 }, set: { min: 3, max: 10, atMs: noon + minute } },
      foreign,
    ])
    expect(recordAnswered(record, 'ls-ffffffffffffffff', { kind: 'accepted', instanceIds: [] }, noon)).toHaveProperty('misfit')
    expect('record' in accepted ? recordAnswered(accepted.record, id, { kind: 'accepted', instanceIds: [] }, noon) : {}).toHaveProperty(
      'misfit',
    )
  })

  it('forgets an order when it is known what became of it', () => {
    const base = grow()
    const record = written({ ...base, lease: { ...base.lease, mechanism: { name: 'buy', kind: 'new-instances', order: '{}' } } }, undefined)
    const accepted = recordAnswered(record, lease(record).id, { kind: 'accepted', instanceIds: ['ins-1'] }, noon)
    expect('record' in accepted ? lease(accepted.record).mechanism : undefined).toEqual({ name: 'buy', kind: 'new-instances' })
  })

  it('knows when a node was first ready, whatever it is later, and keeps those that were given back', () => {
    const record = held()
    const nodes = [{ instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon + hour, isGone: true }]
    const gone = written({ kind: 'track', ...place(record), from: 'held', to: 'held', nodes, mark: [] }, record, noon + 2 * hour)
    expect(lease(gone).nodes).toEqual([
      { instanceId: 'ins-1', nodeName: 'node-ins-1', readyAtMs: noon + minute, removedAtMs: noon + 2 * hour },
    ])
    expect(lease(gone).heldSinceMs).toBe(noon + 2 * minute)
    const more = written(
      { kind: 'track', ...place(gone), from: 'held', to: 'held', nodes: [{ instanceId: 'ins-2', isGone: false }], mark: [] },
      gone,
    )
    expect(
      lease(more)
        .nodes.map(({ instanceId }) => instanceId)
        .toSorted(),
    ).toEqual(['ins-1', 'ins-2'])
  })

  it('counts the attempts to empty a node, and refuses one that was made already', () => {
    const recovering = written({ kind: 'recover', ...place(held()), from: 'held', why: 'resolved' }, held(), noon + hour)
    const drain = {
      kind: 'drain',
      ...place(recovering),
      instanceId: 'ins-1',
      nodeName: 'node-ins-1',
      attempt: 1,
      wasOpen: true,
      by: 'evict',
    } as const
    const once = written(drain, recovering, noon + hour)
    expect(lease(once).nodes[0]?.drain).toEqual({ sinceMs: noon + hour, cordonedByUs: true, attempts: 1 })
    expect(misfit(drain, once)).toBe('ins-1 has been drained 1 times by now, and 0 times when this was decided')
    const twice = written({ ...drain, attempt: 2, wasOpen: false }, once, noon + 2 * hour)
    expect(lease(twice).nodes[0]?.drain).toEqual({ sinceMs: noon + hour, cordonedByUs: true, attempts: 2 })
    const stop: AlarmChange = {
      kind: 'stop-recovery',
      ...place(twice),
      nodes: [],
      code: 'drain-deadline',
      text: 'late',
      count: 1,
      retryMs: minute,
    }
    const stopped = written(stop, twice, noon + 2 * hour)
    expect(lease(stopped)).toMatchObject({
      state: 'held',
      setback: { code: 'drain-deadline', count: 1, atMs: noon + 2 * hour, notBeforeMs: noon + 2 * hour + minute },
    })
    expect(lease(stopped).nodes[0]?.drain).toBeUndefined()
    expect(lease(stopped).recovery).toBeUndefined()
  })

  it('fits no change that was decided by another state of it', () => {
    const record = held()
    const at = place(record)
    const recovering = written({ kind: 'recover', ...at, from: 'held', why: 'resolved' }, record)
    expect(misfit({ kind: 'recover', ...at, from: 'held', why: 'resolved' }, recovering)).toContain('is recovering by now, no longer held')
    expect(misfit({ kind: 'remove', ...at, instanceId: 'ins-1', mode: 'terminate', force: false }, record)).toContain(
      'no longer recovering',
    )
    expect(misfit({ kind: 'remove', ...at, instanceId: 'ins-a', mode: 'terminate', force: false }, recovering)).toContain(
      'ins-a is no node of the lease',
    )
    expect(misfit({ kind: 'remove', ...at, instanceId: 'ins-1', mode: 'terminate', force: true }, record)).toContain('no longer recovering')
    expect(misfit({ kind: 'extend', ...at, expiresAtMs: 1, leaseMs: 1 }, record)).toContain('no longer at its end')
    expect(misfit({ kind: 'track', ...at, from: 'asking', to: 'held', nodes: [], mark: [] }, record)).toContain('no longer asking')
    expect(misfit({ kind: 'reclaim', ...at, nodes: [{ instanceId: 'ins-1' }] }, record)).toContain('no longer closed')
    expect(misfit({ kind: 'release', ...at, keep: true, by: 'on call' }, recovering)).toContain('are being given back already')
    expect(misfit({ kind: 'extend', ...at, leaseId: 'ls-ffffffffffffffff', expiresAtMs: 1, leaseMs: 1 }, record)).toContain(
      'has no lease ls-ffffffffffffffff any more',
    )
    expect(misfit({ kind: 'extend', ...at, expiresAtMs: 1, leaseMs: 1 }, undefined)).toBe('the pool has no record any more')
    const asking = written(grow(), undefined)
    expect(misfit({ kind: 'release', ...place(asking), keep: false, by: 'on call' }, asking)).toContain(
      'nobody knows yet what became of the lease',
    )
  })

  it('is kept for 48 hours after its end', () => {
    const record = held()
    const at = place(record)
    const closed = written({ kind: 'release', ...at, keep: true, by: 'on call' }, record, noon)
    expect(lease(closed)).toMatchObject({ state: 'closed', outcome: { kind: 'kept', text: 'on call keeps its nodes' } })
    const next = { ...grow(101), ordinal: 1 }
    expect(written(next, closed, noon + 48 * hour - 1).leases).toHaveLength(2)
    const later = written(next, closed, noon + 48 * hour)
    expect(later.leases).toHaveLength(1)
    expect(later.ordinal).toBe(2)
  })

  it('keeps what a newer version has written into it', () => {
    const record = held()
    const newer = z.parse(PoolRecord, { ...record, colour: 'blue', leases: record.leases.map((one) => ({ ...one, price: 3 })) })
    const after = written(
      { kind: 'extend', ...place(record), expiresAtMs: lease(record).expiresAtMs, leaseMs: hour },
      newer,
      noon + 2 * hour,
    )
    expect(after).toMatchObject({ colour: 'blue', leases: [{ price: 3, expiresAtMs: noon + 3 * hour }] })
  })

  it('comes back to be given back when its nodes come late', () => {
    const record = held()
    const removed = written({ kind: 'recover', ...place(record), from: 'held', why: 'compensate' }, record)
    const gone = written({ kind: 'remove', ...place(record), instanceId: 'ins-1', mode: 'terminate', force: true }, removed)
    const closed = written(
      { kind: 'close', ...place(record), from: 'recovering', outcome: 'compensated', code: 'never-ready', text: '' },
      gone,
    )
    const back = written(
      { kind: 'reclaim', ...place(record), nodes: [{ instanceId: 'ins-1', nodeName: 'n' }, { instanceId: 'ins-2' }] },
      closed,
      noon + hour,
    )
    expect(lease(back)).toMatchObject({ state: 'recovering', recovery: { why: 'compensate', sinceMs: noon + hour } })
    expect(lease(back).outcome).toBeUndefined()
    expect(lease(back).nodes.map(({ instanceId, removedAtMs }) => [instanceId, removedAtMs])).toEqual([
      ['ins-1', undefined],
      ['ins-2', undefined],
    ])
  })

  it('has the bounds on record that were set last, and how far it still holds the floor', () => {
    const record = held()
    const recovering = written({ kind: 'recover', ...place(record), from: 'held', why: 'resolved' }, record)
    const restore = {
      kind: 'restore-bounds',
      ...place(record),
      group: 'asg-1',
      from: { min: 3, max: 10 },
      to: { min: 1, max: 10 },
      phase: 'floor',
      floor: 0,
    } as const
    const after = written(restore, recovering, noon + hour)
    expect(after.bases[0]).toMatchObject({ before: { min: 1, max: 10 }, set: { min: 1, max: 10, atMs: noon + hour } })
    expect(lease(after).floor).toBe(0)
    expect(lease(written({ ...restore, phase: 'trim' }, recovering)).isTrimmed).toBe(true)
    const asking = written(grow(), undefined)
    expect(misfit({ ...restore, ...place(asking) }, asking)).toContain('no longer open')
  })
})
