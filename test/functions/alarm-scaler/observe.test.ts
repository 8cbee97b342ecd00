import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { ClusterReadings } from '#functions/alarm-scaler/cluster-reading.ts'
import { definition } from '#functions/alarm-scaler/definition.ts'
import { foldAlerts } from '#functions/alarm-scaler/episode-memory.ts'
import { keepLeased } from '#functions/alarm-scaler/leased-clusters.ts'
import { lastLook, pendingPools } from '#functions/alarm-scaler/look-memory.ts'
import { observe, observePools, type Seen } from '#functions/alarm-scaler/observe.ts'
import { headroomKey } from '#shared/licence/headroom.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import type { ObserveAround } from '#shared/runtime/definition.ts'
import { noFetch } from '#shared/runtime/fetch-text.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { clusterB } from '../image-cleaner/stage.ts'
import {
  type ClusterStage,
  clusterId,
  groupId,
  minuteMs,
  openLocalClusterStage,
  pool,
  region,
  type SettingsInput,
} from './cluster-stage.ts'
import { boughtLease, leaseOf, virtualLease } from './lease-steps.ts'

type PolicyInput = NonNullable<SettingsInput['policies']>[number]

let stage: ClusterStage

beforeEach(async () => {
  stage = openLocalClusterStage()
  // Somebody has looked at everything a moment ago.
  await memoryOf('alarm-scaler').put('look', { format: 1, fullMs: stage.now() })
})

afterEach(async () => {
  await stage.close()
})

const memoryOf = (name: 'alarm-scaler' | 'license-meter') =>
  createMemory(openMemoryStore(stage.disk), { function: name, now: () => stage.now() })

function around(more: Partial<ObserveAround> = {}): ObserveAround {
  return { memory: memoryOf('alarm-scaler'), memoryOf: () => memoryOf('license-meter'), fetchText: noFetch, ...more }
}

function policy(more: Partial<PolicyInput> = {}): PolicyInput {
  return {
    name: 'busy',
    match: { alert: 'Busy' },
    pool,
    confirm: [{ pendingPods: { atLeast: 1 } }],
    steps: [{ from: 0, add: 1 }],
    mechanisms: [{ kind: 'scaling-group', group: groupId }],
    licence: { guard: false },
    ...more,
  }
}

const twoPools: SettingsInput = {
  pools: [
    { name: pool, cluster: clusterId, group: groupId, max: 20 },
    { name: 'far', cluster: clusterB, max: 5 },
  ],
  policies: [policy(), policy({ name: 'far', match: { alert: 'Far' }, pool: 'far' })],
}

async function configOf(settings: SettingsInput) {
  const { config } = await stage.options(settings)
  return await functionConfig({ ...config, clusters: [{ id: clusterId }, { id: clusterB, region: 'ap-chengdu' }] }, definition)
}

async function look(settings: SettingsInput, more: Partial<ObserveAround> = {}): Promise<Seen> {
  return await observe(stage.cloud, await configOf(settings), stage.now(), around(more))
}

async function hear(name: string, state: 'firing' | 'resolved' = 'firing'): Promise<void> {
  const facts = { source: 'prom', kind: 'alertmanager', key: name, name, labels: {}, state, startedAtMs: stage.now() } as const
  await foldAlerts(memoryOf('alarm-scaler'), [facts as Alert], stage.now())
}

const names = ({ pools }: Seen) => pools.map((one) => `${one.cluster}/${one.pool}`)

describe('a tick', () => {
  it('at which nothing is due looks at nothing', async () => {
    await hear('Busy', 'resolved')
    const since = stage.calls().length
    expect(await look(twoPools)).toMatchObject({ pools: [], due: [], episodes: [] })
    expect(stage.calls(since)).toEqual([])
  })

  it('looks at the pools that an alarm is about, and at those that are due', async () => {
    await hear('Busy')
    expect(names(await look(twoPools))).toEqual([`${clusterId}/${pool}`])
    await pendingPools.keep(memoryOf('alarm-scaler'), 'far', stage.now() + minuteMs, stage.now())
    expect(names(await look(twoPools))).toEqual([`${clusterId}/${pool}`])
    stage.pass(minuteMs)
    const seen = await look(twoPools)
    expect(names(seen)).toEqual([`${clusterId}/${pool}`, `${clusterB}/far`])
    expect(seen.due).toEqual(['far'])
    expect(seen.look).toBeUndefined()
  })

  it('looks at everything once an hour, and when somebody asks, and says so', async () => {
    expect(names(await look(twoPools, { fresh: true }))).toEqual([`${clusterId}/${pool}`, `${clusterB}/far`])
    stage.pass(60 * minuteMs)
    const seen = await look(twoPools)
    expect(names(seen)).toEqual([`${clusterId}/${pool}`, `${clusterB}/far`])
    expect(seen.look).toEqual({
      state: { format: 1, fullMs: stage.now() },
      version: (await lastLook.recall(memoryOf('alarm-scaler'))).version,
    })
  })

  it('at which one cluster cannot be read sees the other one', async () => {
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterB } })
    const seen = await look(twoPools, { fresh: true })
    expect(seen.pools.map(({ problem }) => problem?.code)).toEqual([undefined, 'cluster-unreadable'])
    expect(seen.pools[0]?.nodes).toHaveLength(2)
  })

  it('at which the quota cannot be read says that it is not known', async () => {
    stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { action: 'DescribeQuota' } })
    const [view] = (await look(twoPools, { fresh: true })).pools
    expect(view).not.toHaveProperty('quota')
    expect(view?.problem).toBeUndefined()
    stage.faults.clear()
    expect((await look(twoPools, { fresh: true })).pools[0]?.quota).toEqual({ maxNodes: 40 })
  })

  it('sees the episodes of the policies of its pools, and all when it looks at everything', async () => {
    for (const name of ['Busy', 'Far', 'Other']) await hear(name)
    const only = await observePools(stage.cloud, await configOf(twoPools), stage.now(), around(), { pools: [pool] })
    expect(only.episodes.map(({ name }) => name)).toEqual(['Busy'])
    expect((await look(twoPools, { fresh: true })).episodes.map(({ name }) => name).toSorted()).toEqual(['Busy', 'Far', 'Other'])
  })
})

describe('a pool that the settings know no more', () => {
  beforeEach(() => {
    stage.putRecord({ version: 1, cluster: clusterId, pool, ordinal: 1, bases: [], leases: [leaseOf(boughtLease(), { state: 'held' })] })
  })

  it('is found by its record, so that its leases end', async () => {
    const seen = await look({ pools: [], policies: [] }, { fresh: true })
    expect(names(seen)).toEqual([`${clusterId}/${pool}`])
    expect(seen.pools[0]?.record?.value.leases).toHaveLength(1)
    expect(seen.pools[0]).not.toHaveProperty('quota')
  })

  it('or know in another cluster is found in the old one too', async () => {
    const moved: SettingsInput = { ...twoPools, pools: [{ name: pool, cluster: clusterB, max: 5 }] }
    expect(names(await look(moved, { fresh: true }))).toEqual([`${clusterB}/${pool}`, `${clusterId}/${pool}`])
  })

  it('and that is due is found without looking at everything', async () => {
    const seen = await observePools(stage.cloud, await configOf({}), stage.now(), around(), { pools: [pool] })
    expect(names(seen)).toEqual([`${clusterId}/${pool}`])
  })

  it('and whose cluster the configuration does not know any more either is told, and nothing of it is read', async () => {
    const leased = await look(twoPools, { fresh: true })
    await keepLeased(memoryOf('alarm-scaler'), leased.leased ?? [], { views: leased.pools, isWhole: true }, stage.now())
    expect(leased).not.toHaveProperty('forsaken')
    const own = await configOf({ pools: [], policies: [] })
    const since = stage.calls().length
    const rest = { ...own, clusters: own.clusters.filter(({ id }) => id !== clusterId) }
    const seen = await observe(stage.cloud, rest, stage.now(), around({ fresh: true }))
    expect(seen.forsaken).toEqual([{ cluster: clusterId, pools: [pool], seenAtMs: stage.now() }])
    expect(seen.pools).toEqual([])
    expect(stage.calls(since).filter((call) => call.includes(clusterId))).toEqual([])
  })

  it('and has no open lease is nobody any more', async () => {
    stage.putRecord({ version: 1, cluster: clusterId, pool, ordinal: 1, bases: [], leases: [leaseOf(boughtLease(), { state: 'closed' })] })
    expect(names(await look({}, { fresh: true }))).toEqual([])
  })
})

describe('the licence', () => {
  const guarded: SettingsInput = { ...twoPools, policies: [policy({ licence: { guard: true } })] }

  async function measured(): Promise<void> {
    const at = new Date(stage.now() - 10 * minuteMs).toISOString()
    const forecast = { kind: 'not-in-sight', withinDays: 365 }
    const products = { x86: { used: '100', entitled: '128', free: '28', unit: 'core', forecast } }
    const own = { hour: at.slice(0, 13), at, overage: 'ok', products, coverage: { measured: 1, hours: 1 } }
    await memoryOf('license-meter').put(headroomKey, { format: 1, at, regions: { [region]: own } })
  }

  it('is what license-meter remembers, and what other pools of the region have asked for since', async () => {
    await measured()
    const asked = (atMs: number) => leaseOf(boughtLease(), { state: 'provisioning', askedAtMs: atMs, cores: 4, wanted: 2 })
    const elsewhere = { version: 1 as const, cluster: clusterId, pool: 'other', ordinal: 2, bases: [] }
    stage.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'longshore-pool-other-00000000',
        namespace: 'kube-system',
        labels: { 'longshore.dev/leases': 'true' },
        annotations: { 'longshore.dev/pool': 'other' },
      },
      data: { 'pool.json': JSON.stringify({ ...elsewhere, leases: [asked(stage.now() - minuteMs), asked(stage.now() - 30 * minuteMs)] }) },
    })
    const [view] = (await look(guarded, { fresh: true })).pools
    expect(view?.licence).toEqual({ overage: 'ok', freeCores: 28, atMs: stage.now() - 10 * minuteMs, takenElsewhere: 8 })
    expect(view?.comingElsewhere).toBe(4)
  })

  it('counts machines of other pools that their record names and that were not among those that were read', async () => {
    const [there = ''] = stage.machines().map(({ instanceId }) => instanceId)
    const bought = leaseOf(boughtLease(3), {
      state: 'provisioning',
      wanted: 3,
      nodes: [{ instanceId: there }, { instanceId: 'ins-new' }, { instanceId: 'ins-gone', removedAtMs: 1 }],
    })
    const virtual = leaseOf({ ...virtualLease(), id: 'ls-ffffffffffffffff', wanted: 2 }, { state: 'provisioning' })
    stage.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'longshore-pool-other-00000000',
        namespace: 'kube-system',
        labels: { 'longshore.dev/leases': 'true' },
        annotations: { 'longshore.dev/pool': 'other' },
      },
      data: {
        'pool.json': JSON.stringify({ version: 1, cluster: clusterId, pool: 'other', ordinal: 2, bases: [], leases: [bought, virtual] }),
      },
    })
    const [view] = (await look(twoPools, { fresh: true })).pools
    expect(view?.comingElsewhere).toBe(1)
  })

  it('is not known where nobody measures, and costs no call', async () => {
    const since = stage.calls().length
    const [view] = (await look(guarded, { fresh: true })).pools
    expect(view?.licence).toMatchObject({ overage: 'unknown', freeCores: 'unknown' })
    expect(stage.calls(since).filter((call) => /Overage|CollectAllCore/.test(call))).toEqual([])
  })

  it('that nobody guards is not asked about', async () => {
    expect((await look(twoPools, { fresh: true })).pools[0]).not.toHaveProperty('licence')
  })
})

describe('queries', () => {
  const asking = policy({ confirm: [{ prometheus: { url: 'https://prom.example.com', query: 'up', above: 1 } }] })
  const settings: SettingsInput = { ...twoPools, policies: [asking, { ...asking, name: 'twin' }] }

  it('of several policies are asked once, and once within a few seconds', async () => {
    const asked: string[] = []
    const fetchText = (url: string) => {
      asked.push(url)
      return Promise.resolve('{"status":"success","data":{"resultType":"scalar","result":[0,"3"]}}')
    }
    const readings = new ClusterReadings()
    const config = await configOf(settings)
    for (const ms of [0, 4_000]) {
      const seen = await observePools(stage.cloud, config, stage.now() + ms, around({ fetchText }), { pools: [pool], readings })
      expect(seen.pools[0]?.readings).toEqual([{ name: 'https://prom.example.com up', value: 3 }])
    }
    expect(asked).toHaveLength(1)
  })
})
