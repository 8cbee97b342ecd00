import { describe, expect, it } from 'vitest'
import { arrivalsOf } from '#functions/alarm-scaler/arrivals.ts'
import { confirmed, mayLose } from '#functions/alarm-scaler/confirm.ts'
import type { Policy } from '#functions/alarm-scaler/event.ts'
import type { Lease, LeaseNode } from '#functions/alarm-scaler/lease.ts'
import { capacityOf, freshWanted } from '#functions/alarm-scaler/sizing.ts'
import { breachOf, reachedStep } from '#functions/alarm-scaler/steps.ts'
import type { PoolNode, PoolView } from '#functions/alarm-scaler/view.ts'
import { config, type Doc, episode, hour, minute, node, noon, policyDoc, view } from './small-pool.ts'

function policy(doc: Doc = {}): Policy {
  const [one] = config({ policies: [policyDoc(doc)] }).settings.policies
  if (one === undefined) throw new Error('the settings have one policy')
  return one
}

const url = 'https://prometheus.example.com'
const reading = (value: number | undefined) => ({
  readings: [{ name: `${url} load`, ...(value === undefined ? { problem: 'HTTP 503' } : { value }) }],
})

describe('the breach', () => {
  it.each([
    ['difference', { value: 91.3, threshold: 80 }, 11.3],
    ['difference', { value: 5, threshold: 10, isBelow: true }, 5],
    ['difference', { value: 79, threshold: 80 }, -1],
    ['ratio', { value: 120, threshold: 80 }, 1.5],
    ['ratio', { value: 5, threshold: 10, isBelow: true }, 2],
    ['ratio', { value: 5, threshold: 0 }, undefined],
    ['ratio', { value: -5, threshold: 10 }, undefined],
    ['difference', { value: 5, threshold: undefined }, undefined],
  ] as const)('%s of %j', (as, facts, size) => {
    expect(breachOf(policy({ breach: { as } }), episode(facts), view())?.size).toBe(size)
  })

  it('goes by a reading where the policy says so, and is not known without it', () => {
    const prometheus = { name: 'load', url, query: 'load', above: 4 }
    const by = policy({ breach: { of: 'load' }, confirm: [{ prometheus }] })
    expect(breachOf(by, episode(), view(reading(6)))).toMatchObject({ value: 6, threshold: 4, size: 2 })
    expect(breachOf(by, episode(), view(reading(undefined)))).toBeUndefined()
    const below = policy({ breach: { of: 'load', as: 'ratio' }, confirm: [{ prometheus: { name: 'load', url, query: 'load', below: 4 } }] })
    expect(breachOf(below, episode(), view(reading(2)))?.size).toBe(2)
  })

  it('reaches a step at its beginning, and stays at it up to the next', () => {
    const { steps } = policy()
    const levels = [-0.1, 0, 9.9, 10, 19.9, 20, 500].map((size) => reachedStep(steps, { size, text: '' }, 2)?.level)
    expect(levels).toEqual([undefined, 1, 1, 2, 2, 4, 4])
    expect(reachedStep(steps, { text: '' }, 2)).toMatchObject({ index: 0, level: 1 })
  })

  it('rounds a share of the pool up, and not because of how a computer counts', () => {
    const { steps } = policy({ steps: [{ from: 0, addPercent: 7, atLeast: 2 }] })
    expect([0, 10, 28, 29, 100, 101].map((nodes) => reachedStep(steps, { size: 0, text: '' }, nodes)?.level)).toEqual([2, 2, 2, 3, 7, 8])
  })
})

describe('what the cluster autoscaler says that a group wants', () => {
  const group = (atMs: number) => ({
    id: 'asg-1',
    status: 'enabled',
    size: 5,
    wanted: 6,
    bounds: { min: 1, max: 10, source: 'autoscaler' as const, atMs },
  })
  const removed = (removedAtMs: number, of = 'asg-1') =>
    view({
      record: {
        resourceVersion: '1',
        value: {
          version: 1,
          cluster: 'cls-1',
          pool: 'workers',
          ordinal: 1,
          bases: [],
          leases: [
            {
              mechanism: { name: of, kind: 'scaling-group', group: of },
              nodes: [{ instanceId: 'ins-1', removedAtMs }],
            } as unknown as Lease,
          ],
        },
      },
    })

  it('is without machines that were given back since: they would be bought again', () => {
    expect(freshWanted(group(noon - minute), view(), noon)).toBe(6)
    expect(freshWanted(group(noon - minute), removed(noon - minute / 2), noon)).toBe(5)
    expect(freshWanted(group(noon - minute), removed(noon - minute / 2, 'asg-2'), noon)).toBe(6)
    // It may have been said before that was seen.
    expect(freshWanted(group(noon), removed(noon - minute / 2), noon)).toBe(5)
    expect(freshWanted(group(noon), removed(noon - 2 * minute), noon)).toBe(6)
  })
})

describe('what a pool has', () => {
  const count = (nodes: readonly PoolNode[], more: Partial<PoolView> = {}) => {
    const seen = view({ nodes, ...more })
    const { inService, warming, inFlight } = capacityOf(seen, arrivalsOf(seen), policy(), noon)
    return [inService.length, warming, inFlight]
  }

  it('is in service only when it was ready for as long as the warm-up', () => {
    expect(count([node('a', { readySinceMs: noon - 5 * minute })])).toEqual([1, 0, 0])
    expect(count([node('a', { readySinceMs: noon - 5 * minute + 1 })])).toEqual([0, 1, 0])
    expect(count([node('a', { readySinceMs: noon + minute })])).toEqual([0, 1, 0])
  })

  it('warms up while it initialises, for as long as that may take', () => {
    const fresh = { state: 'initializing', isReady: false, readySinceMs: undefined, nodeName: undefined } as const
    expect(count([node('a', { ...fresh, addedAtMs: noon - 15 * minute + 1 })])).toEqual([0, 1, 0])
    expect(count([node('a', { ...fresh, addedAtMs: noon - 15 * minute })])).toEqual([0, 0, 0])
    expect(count([node('a', { ...fresh, state: 'failed', addedAtMs: noon })])).toEqual([0, 0, 0])
  })

  it('counts a node that its record names already and that the list of machines, some seconds older, does not', () => {
    const lease = {
      id: 'ls-0123456789abcdef',
      ordinal: 1,
      key: 'k',
      policy: 'busy',
      episode: { id: 'ep-1', source: 'am', key: 'series-1', name: 'HighCpu', startedAtMs: noon },
      step: 0,
      level: 1,
      wanted: 1,
      mechanism: { name: 'new', kind: 'new-instances' as const },
      before: { instanceIds: [] },
      state: 'provisioning' as const,
      nodes: [{ instanceId: 'ins-new' }],
      askedAtMs: noon,
      provisionUntilMs: noon + minute,
      expiresAtMs: noon + hour,
    }
    const record = (nodes: LeaseNode[]) =>
      ({
        value: { version: 1, cluster: 'cls-1', pool: 'workers', ordinal: 1, bases: [], leases: [{ ...lease, nodes }] },
        resourceVersion: '1',
      }) as PoolView['record']
    expect(count([node('a')], { record: record([{ instanceId: 'ins-new' }]) })).toEqual([1, 0, 1])
    expect(count([node('a')], { record: record([{ instanceId: 'ins-new', removedAtMs: noon }]) })).toEqual([1, 0, 0])
  })

  it('does not count what is cordoned or not ready any more', () => {
    expect(count([node('a', { unschedulable: true }), node('b', { isReady: false, readySinceMs: noon - hour })])).toEqual([0, 0, 0])
  })
})

describe('confirming', () => {
  const two = [node('a'), node('b')]

  it.each([
    [{ pendingPods: { atLeast: 2 } }, { pendingPods: 2 }, 'true'],
    [{ pendingPods: { atLeast: 2 } }, { pendingPods: 1 }, 'false'],
    [{ requests: { cpuPercentAbove: 74.9 } }, {}, 'true'],
    [{ requests: { cpuPercentAbove: 75 } }, {}, 'false'],
    [{ requests: { cpuPercentAbove: 99, memoryPercentAbove: 12 } }, {}, 'true'],
    [{ requests: { memoryPercentAbove: 12.5 } }, {}, 'false'],
    [{ prometheus: { url, query: 'load', above: 5 } }, reading(5.1), 'true'],
    [{ prometheus: { url, query: 'load', above: 5 } }, reading(5), 'false'],
    [{ prometheus: { url, query: 'load', below: 5 } }, reading(4.9), 'true'],
    [{ prometheus: { url, query: 'load', below: 5 } }, reading(5), 'false'],
    [{ prometheus: { url, query: 'load', above: 5 } }, reading(undefined), 'unreadable'],
    [{ prometheus: { url, query: 'other', above: 5 } }, reading(9), 'unreadable'],
  ] as const)('%j with %j is %s', (one, more, is) => {
    expect(confirmed(policy({ confirm: [one] }), view(more), two).is).toBe(is)
  })

  it('needs one of several, or all of them; what cannot be read confirms nothing', () => {
    const yes = { pendingPods: { atLeast: 1 } }
    const no = { pendingPods: { atLeast: 9 } }
    const dark = { prometheus: { url, query: 'load', above: 5 } }
    const is = (confirm: readonly Doc[], confirmWhen: string) =>
      confirmed(policy({ confirm, confirmWhen }), view({ pendingPods: 1, ...reading(undefined) }), two).is
    expect([is([yes, no], 'any'), is([yes, dark], 'any'), is([no, dark], 'any'), is([no, no], 'any')]).toEqual([
      'true',
      'true',
      'unreadable',
      'false',
    ])
    expect([is([yes, yes], 'all'), is([yes, dark], 'all'), is([no, dark], 'all'), is([yes, no], 'all')]).toEqual([
      'true',
      'unreadable',
      'false',
      'false',
    ])
  })

  it('finds nothing requested of no nodes', () => {
    expect(confirmed(policy(), view({ nodes: [] }), []).is).toBe('false')
  })
})

describe('doing without', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((id) => node(id, { requested: { cpuMilli: 1500, memoryBytes: 1e9 } }))
  const [first, second] = nodes
  if (first === undefined || second === undefined) throw new Error('there are four nodes')
  const may = (doc: Doc, leaving: readonly PoolNode[], more: Partial<PoolView> = {}, serving: readonly PoolNode[] = nodes) =>
    mayLose([policy(doc)], view(more), serving, leaving)

  it('counts what all carry on those that stay, with a margin', () => {
    // 6 of 16 cores: of 12 they are 50 %, of 8 they are 75 %.
    const requests = (cpuPercentAbove: number) => ({ confirm: [{ requests: { cpuPercentAbove } }] })
    expect(may({ ...requests(56) }, [first]).may).toBe(true)
    expect(may({ ...requests(55) }, [first])).toMatchObject({ may: false, code: 'would-retrigger' })
    expect(may({ ...requests(83) }, [first, second])).toMatchObject({ may: false })
    expect(may({ ...requests(84) }, [first, second]).may).toBe(true)
    expect(may({ ...requests(51), recovery: { margin: 0 } }, [first]).may).toBe(true)
    expect(may({ ...requests(50), recovery: { margin: 0 } }, [first]).may).toBe(false)
  })

  it('multiplies a reading by as much as there will be fewer nodes', () => {
    const above = { confirm: [{ prometheus: { url, query: 'load', above: 10 } }], recovery: { margin: 0 } }
    expect(may(above, [first], reading(7.49)).may).toBe(true)
    expect(may(above, [first], reading(7.5)).may).toBe(false)
    const below = { confirm: [{ prometheus: { url, query: 'load', below: 10 } }], recovery: { margin: 0 } }
    expect(may(below, [first], reading(13.4)).may).toBe(true)
    expect(may(below, [first], reading(13.3)).may).toBe(false)
    expect(may(above, [first], reading(undefined))).toMatchObject({ may: false, code: 'confirm-unreadable' })
  })

  it('keeps the margin away from a threshold of either sign', () => {
    const at = (above: number, value: number) => may({ confirm: [{ prometheus: { url, query: 'load', above } }] }, [], reading(value)).may
    expect([at(10, 8.9), at(10, 9.1), at(-10, -11.1), at(-10, -10.9)]).toEqual([true, false, true, false])
    const under = (below: number, value: number) =>
      may({ confirm: [{ prometheus: { url, query: 'load', below } }] }, [], reading(value)).may
    expect([under(10, 11.1), under(10, 10.9), under(-10, -8.9), under(-10, -9.1)]).toEqual([true, false, true, false])
  })

  it('lets the last node go only when nothing is on it', () => {
    const empty = node('a', { podCount: 0, requested: { cpuMilli: 100, memoryBytes: 1 } })
    const low = { confirm: [{ requests: { cpuPercentAbove: 50 } }] }
    expect(may(low, [empty], {}, [empty]).may).toBe(true)
    expect(may(low, [first], {}, [first])).toMatchObject({ may: false, code: 'would-retrigger' })
    const query = { confirm: [{ prometheus: { url, query: 'load', above: 10 } }] }
    expect(may(query, [empty], reading(3), [empty]).may).toBe(true)
    expect(may(query, [empty], reading(9.5), [empty]).may).toBe(false)
    expect(may(query, [first], reading(3), [first]).may).toBe(false)
  })

  it('is no question of pods without a place, which are asked about by themselves', () => {
    expect(may({ confirm: [{ pendingPods: { atLeast: 1 } }] }, [first]).may).toBe(true)
  })
})
