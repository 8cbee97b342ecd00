import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import type { Observed } from '#functions/alarm-scaler/view.ts'
import { change, config, hour, minute, noon, policyDoc, SmallPool } from '../functions/alarm-scaler/small-pool.ts'

const seed = 20261124
const base = ['ins-a', 'ins-b'] as const

type Action =
  | { readonly kind: 'fire'; readonly series: number; readonly start: number; readonly value: number; readonly times: number }
  | { readonly kind: 'over' | 'silent'; readonly series: number; readonly start: number }
  | { readonly kind: 'pass'; readonly minutes: number; readonly looks: number }
  | { readonly kind: 'look'; readonly times: number }
  | { readonly kind: 'load'; readonly milli: number }
  | { readonly kind: 'pending'; readonly pods: number }
  | { readonly kind: 'fault'; readonly fault: 'none' | 'lost-before' | 'lost-after' }

const series = fc.nat({ max: 2 })
/** Beginnings lie ten minutes apart, so that some are heard of long after they were over. */
const start = fc.nat({ max: 4 })
const actions = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('fire' as const),
        series,
        start,
        value: fc.integer({ min: 78, max: 120 }),
        times: fc.integer({ min: 1, max: 5 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('over' as const, 'silent' as const), series, start }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), minutes: fc.integer({ min: 1, max: 40 }), looks: fc.nat({ max: 4 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('look' as const), times: fc.integer({ min: 1, max: 3 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('load' as const), milli: fc.constantFrom(0, 2000, 5000, 9000, 20_000, 40_000) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pending' as const), pods: fc.constantFrom(0, 0, 1) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('fault' as const),
        fault: fc.constantFrom('none' as const, 'none' as const, 'lost-before' as const, 'lost-after' as const),
      }),
    },
  ),
  { minLength: 8, maxLength: 40, size: 'max' },
)

/** 0 is a cap like any other, and ends every history: it comes now and then only. */
const cap = (max: number) => fc.oneof({ weight: 1, arbitrary: fc.constant(0) }, { weight: 15, arbitrary: fc.integer({ min: 1, max }) })

const world = fc.record({
  max: fc.integer({ min: 3, max: 9 }),
  caps: fc.record({ event: cap(5), hour: cap(7), day: cap(12) }),
  cooldownOut: fc.constantFrom('0s', '3m', '20m'),
  atATime: fc.integer({ min: 1, max: 3 }),
  broken: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
  blocked: fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 3 }),
  stock: fc.constantFrom(1, 4, 1000, 1000, 1000, 1000),
})

type World = typeof world extends fc.Arbitrary<infer T> ? T : never

function poolOf({ max, caps, cooldownOut, atATime, broken, blocked, stock }: World): SmallPool {
  const policy = policyDoc({ caps, cooldown: { out: cooldownOut }, recovery: { atATime } })
  const other = policyDoc({
    name: 'other',
    caps,
    steps: [{ from: 5, addPercent: 50 }],
    match: { alert: 'High*' },
    confirm: [{ pendingPods: { atLeast: 1 } }],
  })
  return new SmallPool(config({ policies: [policy, other], pool: { max } }), {
    broken: new Set(broken),
    blocked: new Set(blocked.map((number) => `ins-${number}`)),
    stock,
    loadMilli: 20_000,
  })
}

const startMs = (index: number): number => noon + index * 10 * minute

/** Does one thing, and gives every look to `seen`. */
function act(pool: SmallPool, action: Action, seen: (steps: readonly AlarmStep[]) => void): void {
  switch (action.kind) {
    case 'fire': {
      if (startMs(action.start) > pool.now) return
      for (let delivery = 0; delivery < action.times; delivery += 1) {
        pool.hear('firing', { key: `series-${action.series}`, startedAtMs: startMs(action.start), value: action.value })
        seen(pool.look())
      }
      return
    }
    case 'over':
    case 'silent':
      if (startMs(action.start) <= pool.now) {
        pool.hear(action.kind === 'over' ? 'resolved' : 'no-data', { key: `series-${action.series}`, startedAtMs: startMs(action.start) })
      }
      return
    case 'pass':
      for (let minutes = 0; minutes < action.minutes; minutes += 1) {
        pool.advance(minute)
        if (action.looks > 0) seen(pool.look())
      }
      return
    case 'look':
      for (let times = 0; times < action.times; times += 1) seen(pool.look())
      return
    case 'load':
      pool.habits = { ...pool.habits, loadMilli: action.milli }
      return
    case 'pending':
      pool.pendingPods = action.pods
      return
    case 'fault':
      pool.fault = action.fault
      return
  }
}

/** What was asked for, each lease once: one whose answer was lost is asked for again as the same. */
function askings(
  pool: SmallPool,
): readonly { readonly id: string; readonly atMs: number; readonly wanted: number; readonly episode: string }[] {
  const first = new Map<string, { readonly id: string; readonly atMs: number; readonly wanted: number; readonly episode: string }>()
  for (const { atMs, step } of pool.done) {
    if (step.change.kind !== 'grow' || first.has(step.change.lease.id)) continue
    const { id, wanted, episode } = step.change.lease
    first.set(id, { id, atMs, wanted, episode: episode.id })
  }
  return [...first.values()]
}

/** Leases that gave nothing at all count for no cap. */
function counted(pool: SmallPool) {
  const failed = new Set(pool.leases.filter(({ outcome, nodes }) => outcome?.kind === 'failed' && nodes.length === 0).map(({ id }) => id))
  return askings(pool).filter(({ id }) => !failed.has(id))
}

const sum = (list: readonly { readonly wanted: number }[]): number => list.reduce((total, { wanted }) => total + wanted, 0)

function checkAlways(pool: SmallPool, { max, caps }: World): void {
  expect(pool.size).toBeLessThanOrEqual(max)
  expect(pool.bounds.min).toBeLessThanOrEqual(max)
  expect(pool.bounds.max).toBeGreaterThanOrEqual(pool.size)
  const nodes = pool.view().nodes.map(({ instanceId }) => instanceId)
  for (const id of base) expect(nodes).toContain(id)
  for (const id of base) expect(pool.removed).not.toContain(id)
  expect(pool.bought).toBeLessThanOrEqual(sum(askings(pool)))
  const all = counted(pool)
  for (const one of all) {
    expect(sum(all.filter(({ episode }) => episode === one.episode))).toBeLessThanOrEqual(caps.event)
    expect(sum(all.filter(({ atMs }) => atMs <= one.atMs && atMs > one.atMs - hour))).toBeLessThanOrEqual(caps.hour)
    expect(sum(all.filter(({ atMs }) => atMs <= one.atMs && atMs > one.atMs - 24 * hour))).toBeLessThanOrEqual(caps.day)
  }
  if (pool.record !== undefined) expect(z.safeParse(PoolRecord, JSON.parse(JSON.stringify(pool.record))).success).toBe(true)
}

describe('whatever is heard, lost, repeated and reordered', () => {
  it('the pool stays within its maximum and its caps, and nothing but leased nodes is ever given back', () => {
    fc.assert(
      fc.property(world, actions, (how, history) => {
        const pool = poolOf(how)
        for (const action of history) act(pool, action, () => checkAlways(pool, how))
        checkAlways(pool, how)
      }),
      { seed, numRuns: 150 },
    )
  })

  it('all of it is given back in the end, and the bounds are what they were', () => {
    fc.assert(
      fc.property(world, actions, (how, history) => {
        const pool = poolOf(how)
        for (const action of history) act(pool, action, () => undefined)
        pool.fault = 'none'
        pool.pendingPods = 0
        pool.habits = { ...pool.habits, loadMilli: 0, blocked: new Set() }
        // Nobody says of any alarm that it is over: every lease ends by its time.
        pool.run(14 * hour, 2 * minute)
        expect(pool.leases.filter(({ state }) => state !== 'closed').map(({ id, state }) => `${id} ${state}`)).toEqual([])
        expect(pool.bounds).toEqual({ min: 1, max: 10 })
        expect(pool.view().nodes.map(({ instanceId, unschedulable }) => [instanceId, unschedulable])).toEqual(base.map((id) => [id, false]))
      }),
      { seed, numRuns: 50 },
    )
  })

  it('nothing grows but for an alarm that fires, was heard lately, and is confirmed', () => {
    fc.assert(
      fc.property(world, actions, (how, history) => {
        const pool = poolOf(how)
        const begun = new Set<string>()
        const before: { observed: Observed } = { observed: pool.observed() }
        for (const action of history) {
          before.observed = pool.observed()
          act(pool, action, (steps) => {
            for (const { lease } of change(steps, 'grow')) {
              if (begun.has(lease.id)) continue
              begun.add(lease.id)
              const own = pool.episodes.find(({ id }) => id === lease.episode.id)
              expect(own?.state).toBe('firing')
              expect(pool.now - (own?.lastHeardMs ?? 0)).toBeLessThanOrEqual(15 * minute)
              expect(pool.habits.loadMilli > 0 || pool.pendingPods > 0).toBe(true)
            }
          })
        }
      }),
      { seed: seed + 1, numRuns: 150 },
    )
  })

  it('the largest counts, not the sum: with what is on its way never more than one alarm alone may have', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ series, value: fc.integer({ min: 80, max: 130 }) }), { minLength: 1, maxLength: 12 }), (heard) => {
        const pool = new SmallPool(config(), { loadMilli: 30_000 })
        let highest = 0
        for (const { series: index, value } of heard) {
          pool.hear('firing', { key: `series-${index}`, value })
          highest = Math.max(highest, value >= 100 ? 4 : value >= 90 ? 2 : 1)
          pool.look()
          expect(sum(askings(pool))).toBe(highest)
        }
        // Whoever looks again during the warm-up finds all that is on its way.
        pool.run(5 * minute)
        expect(sum(askings(pool))).toBe(highest)
      }),
      { seed, numRuns: 200 },
    )
  })

  it('a look repeated during warm-up grows nothing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 80, max: 130 }), fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }), (value, waits) => {
        const pool = new SmallPool(config(), { loadMilli: 30_000 })
        pool.hear('firing', { value })
        pool.look()
        const asked = sum(askings(pool))
        for (const seconds of waits) {
          // Bought after a minute, ready after another, in service five minutes later.
          if (pool.now + seconds * 1000 >= noon + 7 * minute) break
          pool.advance(seconds * 1000)
          pool.hear('firing', { value })
          expect(change(pool.look(), 'grow')).toEqual([])
        }
        expect(sum(askings(pool))).toBe(asked)
      }),
      { seed, numRuns: 150 },
    )
  })

  it('the same world gives the same plan, and every change of it can be read back', () => {
    fc.assert(
      fc.property(world, actions, (how, history) => {
        const pool = poolOf(how)
        for (const action of history) act(pool, action, () => undefined)
        const seen = pool.observed()
        const steps = plan(seen, pool.config, pool.now)
        const copy = JSON.parse(JSON.stringify(seen)) as Observed
        const shuffled = {
          ...copy,
          episodes: copy.episodes.toReversed(),
          pools: copy.pools.map((one) => ({ ...one, nodes: one.nodes.toReversed() })),
        }
        const again = plan(shuffled, pool.config, pool.now)
        const facts = (list: readonly AlarmStep[]) =>
          list
            .map(({ key, verdict, target, after }) => ({ key, verdict, target, after }))
            .toSorted((one, other) => (one.key < other.key ? -1 : 1))
        expect(facts(again)).toEqual(facts(steps))
        for (const step of steps) {
          expect(step.key).toMatch(/^[\x21-\x7e]{1,256}$/)
          expect(step.reason.text).not.toMatch(/undefined|NaN|\[object|Infinity/)
          if (step.verdict === 'change')
            expect(z.parse(AlarmChange, JSON.parse(JSON.stringify(step.change)))).toEqual(JSON.parse(JSON.stringify(step.change)))
        }
      }),
      { seed: seed + 2, numRuns: 150 },
    )
  })

  it('whoever decides by an older look than the record is refused', () => {
    fc.assert(
      fc.property(fc.integer({ min: 80, max: 130 }), fc.integer({ min: 80, max: 130 }), (one, other) => {
        const pool = new SmallPool(config(), { loadMilli: 30_000 })
        pool.hear('firing', { value: one })
        const first = pool.plan()
        pool.hear('firing', { value: other })
        const second = pool.plan()
        for (const step of [...first, ...second, ...first]) pool.carry(step)
        expect(askings(pool)).toHaveLength(1)
      }),
      { seed, numRuns: 60 },
    )
  })
})
