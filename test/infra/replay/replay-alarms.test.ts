import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import type { HeardAlarm } from '#functions/alarm-scaler/alarm-history.ts'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { Settings } from '#functions/alarm-scaler/event.ts'
import { alarmsOf } from '#infra/replay/alarms-of-file.ts'
import { type Replay, type ReplayedPool, replayAlarms } from '#infra/replay/replay-alarms.ts'

const minute = 60_000
const hour = 60 * minute
const fromMs = Date.parse('2026-11-24T00:00:00Z')

const byGroup = { kind: 'scaling-group', group: 'asg-1' }
const order = {
  Placement: { Zone: 'ap-guangzhou-3' },
  VirtualPrivateCloud: { VpcId: 'vpc-1', SubnetId: 'subnet-1' },
  InstanceType: 'S5.LARGE8',
}

function settingsOf(policy: object = {}, pool: object = {}) {
  return z.parse(Settings, {
    sources: { am: { kind: 'alertmanager' } },
    pools: [{ name: 'web', cluster: 'cls-1', max: 20, ...pool }],
    policies: [
      {
        name: 'busy',
        match: { alert: 'Busy' },
        pool: 'web',
        mode: 'suggest',
        confirm: [{ pendingPods: { atLeast: 3 } }],
        steps: [
          { from: 0, add: 1 },
          { from: 10, add: 3 },
        ],
        mechanisms: [byGroup],
        ...policy,
      },
    ],
  })
}

const heard = (atMs: number, more: Partial<Alert> = {}): HeardAlarm => ({
  atMs: fromMs + atMs,
  alert: {
    source: 'am',
    kind: 'alertmanager',
    key: 'series-1',
    name: 'Busy',
    labels: {},
    value: 85,
    threshold: 80,
    state: 'firing',
    startedAtMs: fromMs + minute,
    ...more,
  } as Alert,
})

const over = (atMs: number): HeardAlarm => heard(atMs, { state: 'resolved', endedAtMs: fromMs + atMs } as Partial<Alert>)

function run(
  alarms: readonly HeardAlarm[],
  settings = settingsOf(),
  more: { readonly hours?: number; readonly repeatMs?: number } = {},
): Replay {
  return replayAlarms({
    config: { mode: 'plan', region: 'ap-guangzhou', clusters: [{ id: 'cls-1' }], settings },
    alarms,
    fromMs,
    untilMs: fromMs + (more.hours ?? 6) * hour,
    assumptions: { nodes: 3, cores: 4, readyMs: 3 * minute },
    repeatMs: more.repeatMs ?? 5 * minute,
  })
}

function poolOf(replay: Replay): ReplayedPool {
  const [pool] = replay.pools
  if (pool === undefined) throw new Error('there is no pool')
  return pool
}

const grown = (pool: ReplayedPool): readonly number[] => pool.entries.filter(({ kind }) => kind === 'grow').map(({ nodes }) => nodes)

describe('alarms that are run through policies', () => {
  it('without any the pool stays as it is', () => {
    const replay = run([])
    expect(poolOf(replay)).toMatchObject({ peak: 3, added: 0, removed: 0, addedHours: 0, entries: [] })
    expect(replay).toMatchObject({ episodes: { heard: 0, matched: 0 }, refusals: [] })
  })

  it('one that nobody repeats is answered once, and its nodes go when it is over', () => {
    const pool = poolOf(run([heard(minute), over(hour)], settingsOf(), { repeatMs: 24 * hour }))
    expect(grown(pool)).toEqual([1])
    expect(pool).toMatchObject({ peak: 4, added: 1, removed: 1 })
    expect(pool.points.map(({ nodes }) => nodes)).toEqual([3, 4, 3])
    // From the purchase until it is given back, which takes ten minutes to begin and some ticks to do.
    expect(pool.addedHours).toBeGreaterThan(59 / 60 + 10 / 60)
    expect(pool.addedHours).toBeLessThan(1.5)
  })

  it('a higher step brings the difference, and repeats within a step nothing before the nodes are in service', () => {
    const alarms = [heard(minute), heard(2 * minute, { value: 86 }), heard(3 * minute, { value: 95 }), over(6 * minute)]
    expect(grown(poolOf(run(alarms)))).toEqual([1, 2])
  })

  it('all that is added goes again when its end was never told of, but not before the metric is good', () => {
    const pool = poolOf(run([heard(minute)], settingsOf({ caps: { event: 1 } }), { hours: 12 }))
    expect(grown(pool)).toEqual([1])
    expect(pool.removed).toBe(0)
    expect(pool.entries.some(({ code }) => code === 'lease-extended')).toBe(true)
  })

  it.each([
    ['bought machines', { mechanisms: [{ kind: 'new-instances', order, cores: 4 }] }],
    ['virtual nodes', { mechanisms: [{ kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1', 'subnet-2'] }] }],
    ['machines that are there already', { mechanisms: [{ kind: 'existing-instances', names: ['spare-*'] }] }],
    ['a query', { confirm: [{ prometheus: { name: 'load', url: 'http://p.example', query: 'load', above: 5 } }], breach: { of: 'load' } }],
    ['requests', { confirm: [{ requests: { memoryPercentAbove: 50 } }] }],
  ])('with %s as well', (_, policy) => {
    const pool = poolOf(run([heard(minute), over(20 * minute)], settingsOf({ ...policy, caps: { event: 2 } })))
    expect(pool.added).toBeGreaterThan(0)
    expect(pool.removed).toBe(pool.added)
    expect(pool.points.at(-1)?.nodes).toBe(3)
  })

  it('says what kept nodes from being added, and counts each case once', () => {
    const replay = run([heard(minute, { value: 95 }), over(30 * minute)], settingsOf({}, { max: 4 }))
    expect(poolOf(replay).peak).toBe(4)
    expect(replay.refusals.map(({ code }) => code)).toEqual(['absolute-max'])
    expect(replay.refusals[0]?.count).toBeLessThan(5)
    expect(replay.refusals[0]?.text).toContain('never more than 4')
  })

  it('counts alarms that no policy is for, and what was before the period only sets the scene', () => {
    const other = { ...heard(2 * minute, { key: 'series-2', name: 'Other' }) }
    expect(run([heard(minute), other]).episodes).toEqual({ heard: 2, matched: 1 })
    const early = heard(-hour)
    const [first] = poolOf(run([early])).points.slice(1)
    expect(first?.atMs).toBeGreaterThanOrEqual(fromMs)
  })

  it('the same comes to the same', () => {
    const alarms = [heard(minute), heard(3 * minute, { value: 99 }), over(hour)]
    expect(run(alarms)).toEqual(run(alarms))
  })
})

describe('alarms of a file', () => {
  const settings = settingsOf()

  it('are read as they were written down, oldest first', () => {
    const { alert } = heard(0)
    const content = [
      { at: '2026-11-24T08:00:00Z', alert },
      { at: '2026-11-24T07:00:00+08:00', alert },
    ]
    expect(alarmsOf(content, settings).map(({ atMs }) => new Date(atMs).toISOString())).toEqual([
      '2026-11-23T23:00:00.000Z',
      '2026-11-24T08:00:00.000Z',
    ])
    expect(alarmsOf(content[0], settings)).toHaveLength(1)
  })

  it('that cannot be read are named', () => {
    const { alert } = heard(0)
    expect(() => alarmsOf([{ at: '2026-11-24T08:00:00Z', alert }, { alert }], settings)).toThrow(/^item 2 of the file: it is neither/)
    expect(() => alarmsOf([{ at: '2026-11-24 08:00', alert }], settings)).toThrow(/no time with a zone/)
    const request = {
      rawPath: '/hooks/alarm-scaler/nobody',
      requestContext: { timeEpoch: 1, http: { method: 'POST' } },
      headers: {},
      body: '{}',
    }
    expect(() => alarmsOf([{ version: '2.0', ...request, isBase64Encoded: false }], settings)).toThrow(/no configured source/)
  })
})
