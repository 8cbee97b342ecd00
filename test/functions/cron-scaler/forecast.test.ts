import { describe, expect, test } from 'vitest'
import { type Forecast, type ForecastRow, forecastOf, shortRows } from '#functions/cron-scaler/forecast.ts'
import type { PodShape } from '#functions/cron-scaler/forecast-places.ts'
import type { ForecastCluster, ForecastView, SeenNode, SeenPod, SeenWorkload } from '#functions/cron-scaler/forecast-view.ts'
import type { ObservedCluster } from '#functions/cron-scaler/plan.ts'
import { at, bounds, clusterWith, configOf, replicas, ruleOf, targetWith } from './fixtures.ts'

const gib = 1024 ** 3
const now = at('2026-11-24T08:00:00Z')

function shapeOf(cores: number, more: Partial<PodShape> = {}): PodShape {
  return { requests: { cpuMilli: cores * 1000, memoryBytes: gib }, nodeSelector: {}, tolerations: [], isApart: false, ...more }
}

function nodeOf(name: string, more: Partial<SeenNode> = {}): SeenNode {
  const allocatable = { cpuMilli: 8000, memoryBytes: 16 * gib, pods: 60 }
  return { name, labels: {}, taints: [], isUsable: true, isVirtual: false, groupId: 'asg-1', cores: 8, allocatable, ...more }
}

function podOf(name: string, node: string | undefined, shape: PodShape, more: Partial<SeenPod> = {}): SeenPod {
  const placed = node === undefined ? {} : { node }
  return { namespace: 'default', name, labels: { app: 'web' }, ...placed, isOfNode: false, createdMs: now - 3_600_000, shape, ...more }
}

function webOf(count: number, shape: PodShape, more: Partial<SeenWorkload> = {}): SeenWorkload {
  const selector = [{ key: 'app', operator: 'In', values: ['web'] }]
  return { kind: 'Deployment', namespace: 'default', name: 'web', replicas: count, selector, shape, ...more }
}

/** Two nodes of a group that may grow to four, and two pods of `web` on the first. */
function viewOf(more: Partial<ForecastCluster> = {}, headroom?: ForecastView['headroom']): ForecastView {
  const shape = shapeOf(2)
  const cluster: ForecastCluster = {
    id: 'cls-1',
    region: 'ap-guangzhou',
    nodes: [nodeOf('node-1'), nodeOf('node-2')],
    pods: [podOf('web-a', 'node-1', shape), podOf('web-b', 'node-1', shape)],
    workloads: [webOf(2, shape)],
    groups: [{ id: 'asg-1', growsTo: 4 }],
    network: { value: { kind: 'slices', block: '172.16.0.0/20', addresses: 4096, perNode: 64, forServices: 256 } },
    counted: { value: { workers: 2, masters: 0 } },
    maxNodes: { value: 40 },
    ...more,
  }
  return { clusters: [cluster], ...(headroom === undefined ? {} : { headroom }) }
}

interface Case {
  readonly rules?: readonly ReturnType<typeof ruleOf>[]
  readonly view?: ForecastView
  readonly cluster?: ObservedCluster
  readonly hours?: number
}

function forecast({ rules = [ruleOf('up', '0 0 20 * * *', 16)], view = viewOf(), cluster, hours = 24 }: Case = {}): Forecast {
  const config = configOf({ rules: [...rules], timeZone: 'UTC' })
  const observed = { clusters: [cluster ?? clusterWith([targetWith(replicas(2))])] }
  return forecastOf(observed, view, config, { nowMs: now, untilMs: now + hours * 3_600_000, zone: 'UTC' })
}

function rowOf({ clusters }: Forecast, what: ForecastRow['what'], day = '2026-11-24'): ForecastRow | undefined {
  return clusters[0]?.days.find((one) => one.day === day)?.rows.find((row) => row.what === what)
}

function figures(row: ForecastRow | undefined): readonly unknown[] {
  return [row?.need, row?.have, row?.short, row?.level]
}

describe('what schedules will need', () => {
  test('pods, cores, nodes, addresses and quota at the worst instant of each day', () => {
    const made = forecast()
    expect(figures(rowOf(made, 'pods'))).toEqual([16, 16, 0, 'enough'])
    expect(figures(rowOf(made, 'cores'))).toEqual([32, 32, 0, 'enough'])
    expect(figures(rowOf(made, 'memory'))).toEqual([16, 64, 0, 'enough'])
    expect(figures(rowOf(made, 'nodes'))).toEqual([4, 4, 0, 'enough'])
    expect(figures(rowOf(made, 'addresses'))).toEqual([256, 3840, 0, 'enough'])
    expect(figures(rowOf(made, 'quota'))).toEqual([4, 40, 0, 'enough'])
    expect(rowOf(made, 'nodes')?.atMs).toBe(at('2026-11-24T20:00:00Z'))
    // It lasts into the next day, which begins with it.
    expect(rowOf(made, 'nodes', '2026-11-25')?.atMs).toBe(at('2026-11-25T00:00:00Z'))
    expect(shortRows(made)).toEqual([])
  })

  test('one pod more than fits is short, with who asks for it', () => {
    const made = forecast({ rules: [ruleOf('up', '0 0 20 * * *', 17)] })
    expect(figures(rowOf(made, 'pods'))).toEqual([17, 16, 1, 'short'])
    expect(figures(rowOf(made, 'nodes'))).toEqual([5, 4, 1, 'short'])
    expect(rowOf(made, 'nodes')?.causes).toBe('default/Deployment/web (2 pods now) gets replicas 17 by config/up')
    expect(figures(rowOf(made, 'quota'))).toEqual([5, 40, 0, 'enough'])
  })

  test('what shrinks at the same time makes room', () => {
    const job = shapeOf(7)
    const pods = [...(viewOf().clusters[0]?.pods ?? []), podOf('big-0', 'node-2', job, { labels: { app: 'big' } })]
    const workloads = [webOf(2, shapeOf(2)), webOf(1, job, { name: 'big', selector: [{ key: 'app', operator: 'In', values: ['big'] }] })]
    const view = viewOf({ pods, workloads, groups: [] })
    const cluster = clusterWith([targetWith(replicas(2)), targetWith(replicas(1), { name: 'big' })])
    const up = ruleOf('up', '0 0 20 * * *', 8)
    const down = ruleOf('down', '0 0 20 * * *', 0, { target: { kind: 'Deployment', name: 'big' } })
    expect(rowOf(forecast({ view, cluster, rules: [up] }), 'nodes')?.short).toBe(1)
    expect(rowOf(forecast({ view, cluster, rules: [up, down] }), 'nodes')?.short).toBe(0)
  })

  test('an autoscaler counts with the pods it has within its bounds; its maximum is told as tight', () => {
    const cluster = clusterWith([targetWith(bounds(2, 4))], {
      autoscalers: [{ namespace: 'default', name: 'web', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }],
    })
    const made = forecast({ cluster, rules: [ruleOf('up', '0 0 20 * * *', [6, 40])] })
    expect(figures(rowOf(made, 'pods'))).toEqual([6, 6, 0, 'tight'])
    expect(rowOf(made, 'pods')?.most).toMatchObject({ need: 40, short: 24 })
    expect(rowOf(made, 'nodes')?.text).toContain(
      'if autoscalers go up to their maximum: 2 there; 2 will be added by scaling groups: 2 of asg-1; 6 nobody adds',
    )
    expect(shortRows(made)).toEqual([])
    expect(made.clusters[0]?.curve).toEqual([
      { atMs: now, pods: { low: 2, high: 4 }, nodes: { low: 2, high: 2 } },
      { atMs: at('2026-11-24T20:00:00Z'), pods: { low: 6, high: 40 }, nodes: { low: 2, high: 10 } },
    ])
  })

  test('nodes that are not ready or closed take nothing and count all the same', () => {
    const nodes = [nodeOf('node-1'), nodeOf('node-2', { isUsable: false })]
    const made = forecast({ view: viewOf({ nodes, groups: [] }), rules: [ruleOf('up', '0 0 20 * * *', 5)] })
    expect(figures(rowOf(made, 'nodes'))).toEqual([3, 2, 1, 'short'])
    expect(rowOf(made, 'nodes')?.text).toContain('2 there, 1 of them not ready or closed to new pods; 1 nobody adds: 1 like node-1')
  })

  test('pods that wait now are short now', () => {
    const view = viewOf({ pods: [podOf('web-a', undefined, shapeOf(2)), podOf('other', undefined, shapeOf(9), { labels: {} })] })
    const row = rowOf(forecast({ view, rules: [ruleOf('up', '0 0 20 * * *', 2)] }), 'pods')
    expect([row?.short, row?.atMs]).toEqual([1, now])
    expect(row?.text).toContain('1 of default/other fit on no kind of node here, not even an empty one')
  })

  test('slices of addresses, quota and licence are each short alone', () => {
    const narrow = viewOf({ network: { value: { kind: 'slices', block: '172.16.0.0/23', addresses: 512, perNode: 64, forServices: 320 } } })
    expect(shortRows(forecast({ view: narrow })).map(({ row }) => [row.what, row.need, row.have, row.short])).toEqual([
      ['addresses', 256, 192, 64],
      ['addresses', 256, 192, 64],
    ])
    const few = viewOf({ maxNodes: { value: 3 } })
    expect(shortRows(forecast({ view: few, hours: 13 })).map(({ row }) => [row.what, row.short])).toEqual([['quota', 1]])
    const licensed = viewOf({}, headroomOf('8'))
    expect(shortRows(forecast({ view: licensed, hours: 13 })).map(({ of, row }) => [of, row.what, row.need, row.have, row.short])).toEqual([
      ['ap-guangzhou', 'licence', 16, 8, 8],
    ])
  })

  test('a figure that nobody knows is unknown and never short; old figures of the licence are none', () => {
    const view = viewOf({ maxNodes: { unknown: 'forbidden' }, network: { value: { kind: 'subnets' } } })
    const made = forecast({ view })
    expect(figures(rowOf(made, 'quota'))).toEqual([4, undefined, 0, 'unknown'])
    expect(rowOf(made, 'quota')?.text).toContain('forbidden')
    expect(rowOf(made, 'addresses')?.level).toBe('unknown')
    expect(made.regions[0]?.days[0]?.row).toMatchObject({ level: 'unknown', need: 16 })
    const old = forecast({ view: viewOf({}, headroomOf('8', now - 4 * 3_600_000)) })
    expect(old.regions[0]?.days[0]?.row).toMatchObject({ level: 'unknown', short: 0 })
  })

  test('the licence counts for the clusters of a region together, at the same instant', () => {
    const [first] = viewOf().clusters
    if (first === undefined) throw new Error('there is no cluster')
    const view = { clusters: [first, { ...first, id: 'cls-2' }], headroom: headroomOf('24') }
    const config = configOf({
      timeZone: 'UTC',
      rules: [
        ruleOf('one', '0 0 20 * * *', 16),
        ruleOf('one-down', '0 0 21 * * *', 2),
        ruleOf('two', '0 30 20 * * *', 16, { cluster: 'cls-2' }),
      ],
    })
    const observed = { clusters: [clusterWith([targetWith(replicas(2))]), clusterWith([targetWith(replicas(2))], { id: 'cls-2' })] }
    const made = forecastOf(observed, view, config, { nowMs: now, untilMs: now + 86_400_000, zone: 'UTC' })
    const row = made.regions[0]?.days[0]?.row
    expect([row?.need, row?.have, row?.short, row?.atMs]).toEqual([32, 24, 8, at('2026-11-24T20:30:00Z')])
    expect(row?.text).toContain('for 4 further nodes: cls-1 16 (2 nodes), cls-2 16 (2 nodes)')
  })

  test('where the controller of the platform carries the rules out, the pods come all the same', () => {
    const cluster = clusterWith([targetWith(replicas(2))], { controller: 'running' })
    expect(rowOf(forecast({ cluster }), 'pods')?.need).toBe(16)
  })

  test('a group without a node is left out, and that is said', () => {
    const view = viewOf({
      groups: [
        { id: 'asg-1', growsTo: 2 },
        { id: 'asg-2', growsTo: 9 },
      ],
    })
    const made = forecast({ view })
    expect(rowOf(made, 'nodes')?.short).toBe(2)
    expect(made.clusters[0]?.notes).toEqual([
      'The scaling group asg-2 may grow to 9 nodes and has none, so nobody knows what they are like: it does not count.',
    ])
  })

  test('what runs on every node is taken off a new one', () => {
    const daemon = podOf('agent', 'node-1', shapeOf(1), { isOfNode: true, labels: { app: 'agent' } })
    const view = viewOf({ pods: [...(viewOf().clusters[0]?.pods ?? []), daemon, { ...daemon, name: 'agent-2', node: 'node-2' }] })
    // Three of two cores each are what seven cores hold.
    expect(rowOf(forecast({ view, rules: [ruleOf('up', '0 0 20 * * *', 12)] }), 'nodes')?.need).toBe(4)
  })

  test('a cluster without rules has no days, one that cannot be read its problem', () => {
    const none = forecast({ rules: [], cluster: clusterWith([]), view: { clusters: [] } })
    expect(none.clusters).toMatchObject([{ id: 'cls-1', days: [], notes: [] }])
    expect(none.clusters[0]?.problem).toBeUndefined()
    const broken = forecast({ cluster: clusterWith([], { problems: [{ part: 'rules', text: 'forbidden' }] }) })
    expect(broken.clusters[0]?.problem).toBe('forbidden')
  })

  test('of very many different sizes those are looked at that ask for most', () => {
    const rules = Array.from({ length: 450 }, (_, minute) =>
      ruleOf(`m${minute}`, `0 ${minute % 60} ${Math.floor(minute / 60)} * * *`, 3 + ((minute * 7) % 450)),
    )
    const made = forecast({ rules })
    expect(made.clusters[0]?.notes[0]).toMatch(
      /^Of \d+ different sizes of all its workloads together 400 were looked at, those that ask for most\.$/,
    )
    expect(rowOf(made, 'pods', '2026-11-25')?.need).toBe(452)
  })
})

function headroomOf(free: string, measuredMs = now): NonNullable<ForecastView['headroom']> {
  const iso = new Date(measuredMs).toISOString()
  const line = { used: '16', entitled: '24', free, unit: 'core', forecast: { kind: 'no-entitlement' as const } }
  const region = { hour: iso, at: iso, overage: 'ok' as const, products: { 'tke-*': line }, coverage: { measured: 1, hours: 1 } }
  return { format: 1, at: iso, regions: { 'ap-guangzhou': region } }
}
