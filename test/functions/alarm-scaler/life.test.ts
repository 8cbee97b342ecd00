import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { definition, lookAt } from '#functions/alarm-scaler/definition.ts'
import { foldAlerts } from '#functions/alarm-scaler/episode-memory.ts'
import { disruptionBudget } from '#infra/sandbox/seeds/kube-objects.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import {
  type ClusterStage,
  clusterId,
  groupId,
  minuteMs,
  openClusterStage,
  openLocalClusterStage,
  pool,
  type SettingsInput,
} from './cluster-stage.ts'
import { order } from './lease-steps.ts'

type PolicyInput = NonNullable<SettingsInput['policies']>[number]

const byGroup = { kind: 'scaling-group', group: groupId, bounds: { min: 2, max: 10 } } as const

function settings(policy: Partial<PolicyInput> = {}, more: Partial<NonNullable<SettingsInput['pools']>[number]> = {}): SettingsInput {
  return {
    pools: [{ name: pool, cluster: clusterId, labels: { pool: 'general' }, max: 20, ...more }],
    policies: [
      {
        name: 'busy',
        match: { alert: 'Busy' },
        pool,
        mode: 'enforce',
        confirm: [{ pendingPods: { atLeast: 1 } }, { requests: { cpuPercentAbove: 70 } }],
        steps: [{ from: 0, add: 2 }],
        mechanisms: [byGroup],
        licence: { guard: false },
        ...policy,
      },
    ],
  }
}

let stage: ClusterStage
let applied: string[]

beforeEach(() => {
  stage = openLocalClusterStage()
  applied = []
  // Groups only do what they are told; where the autoscaler looks after them is another test.
  stage.world.tke.behaviour.autoscalerScanMs = 0
  stage.forget('', 'configmaps', 'cluster-autoscaler-status', 'kube-system')
})

afterEach(async () => {
  await stage.close()
})

const memory = () => createMemory(openMemoryStore(stage.disk), { function: 'alarm-scaler', now: () => stage.now() })

async function hear(state: 'firing' | 'resolved', startedAtMs: number, more: Partial<Alert> = {}): Promise<void> {
  const facts = {
    source: 'prom',
    kind: 'alertmanager',
    key: 'web',
    name: 'Busy',
    labels: {},
    value: 90,
    threshold: 80,
    startedAtMs,
  } as const
  await foldAlerts(memory(), [{ ...facts, state, ...more } as Alert], stage.now())
}

async function tick(own: SettingsInput, cloud?: CloudWriter): Promise<RunReport> {
  const report = await runSchedule(definition, await stage.options(own, cloud))
  note(report)
  return report
}

function note(report: RunReport): void {
  for (const { outcome, reason, after } of report.decisions)
    if (outcome === 'Applied' || outcome === 'Failed') applied.push(`${outcome} ${reason.code}: ${after}`)
}

/** Lets time pass, with a tick every half a minute; `every` is called before each. */
async function live(own: SettingsInput, ms: number, every?: () => Promise<void>): Promise<void> {
  for (let passed = 0; passed < ms; passed += 30_000) {
    stage.wait(30_000)
    await every?.()
    await tick(own)
  }
}

const members = () => stage.machines().filter(({ node }) => node?.asGroupId === groupId)
const lease = () => stage.record().leases.at(-1)
const codes = () => applied.map((line) => line.split(':')[0] ?? '')
const scale = (replicas: number) => stage.deploy('web', replicas, { cpu: '3500m', nodeSelector: { pool: 'general' } })

/** An alarm has brought two nodes, which are there. */
async function grown(own: SettingsInput, wanted = 4): Promise<number> {
  scale(4)
  stage.wait(minuteMs)
  const startedAtMs = stage.now()
  await hear('firing', startedAtMs)
  await live(own, 8 * minuteMs)
  expect(members()).toHaveLength(wanted)
  expect(lease()?.state).toBe('held')
  return startedAtMs
}

async function wholeLife(): Promise<void> {
  const own = settings()
  const old = members().map(({ instanceId }) => instanceId)
  const startedAtMs = await grown(own)
  expect(stage.podsOn(undefined)).toEqual([])
  expect([stage.group.minSize, stage.group.maxSize]).toEqual([4, 10])
  const leased = members().filter(({ instanceId }) => !old.includes(instanceId))
  for (const { node } of leased) {
    expect(stage.node(node?.nodeName ?? '').annotations['cluster-autoscaler.kubernetes.io/scale-down-disabled']).toBe('true')
  }
  scale(1)
  await live(own, 2 * minuteMs, async () => await hear('firing', startedAtMs))
  await hear('resolved', startedAtMs)
  await live(own, 30 * minuteMs)
  expect(members().map(({ instanceId }) => instanceId)).toEqual(old)
  expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
  expect(lease()).toMatchObject({ state: 'closed', outcome: { kind: 'removed' } })
  expect(stage.record().bases).toEqual([])
  expect(stage.writes().filter((call) => call === 'ModifyClusterAsGroupAttribute')).toHaveLength(2)
  expect(stage.nodes().map((name) => stage.node(name).unschedulable)).toEqual([false, false, false, false])
  expect(codes().filter((code) => code.startsWith('Failed'))).toEqual([])
  // Nothing is left to do: a tick asks the platform nothing.
  const since = stage.calls().length
  await tick(own)
  expect(stage.calls(since)).toEqual([])
}

describe('from an alarm to nodes and back', () => {
  it('two nodes come, are marked, and go again with the bounds restored, over real sockets', async () => {
    const local = stage
    stage = await openClusterStage()
    stage.world.tke.behaviour.autoscalerScanMs = 0
    stage.forget('', 'configmaps', 'cluster-autoscaler-status', 'kube-system')
    try {
      await wholeLife()
    } finally {
      await stage.close()
      stage = local
    }
    const inOrder = [...new Set(codes())]
    expect(inOrder[0]).toBe('Applied alarm-confirmed')
    expect(inOrder.indexOf('Applied floor-lowered')).toBeLessThan(inOrder.indexOf('Applied draining'))
    expect(inOrder.indexOf('Applied draining')).toBeLessThan(inOrder.indexOf('Applied node-empty'))
    expect(inOrder.at(-1)).toBe('Applied given-back')
  })

  it('and with a storm of lost and failed answers the end is the same, and nothing is bought twice', async () => {
    const own = settings({ mechanisms: [{ kind: 'new-instances', order, cores: 4 }] })
    stage.world.tke.behaviour.clientTokens = false
    scale(4)
    stage.wait(minuteMs)
    const startedAtMs = stage.now()
    await hear('firing', startedAtMs)
    for (const kind of ['drop-after', 'drop-before', 'truncated-body'] as const) {
      stage.faults.add({ fault: { kind }, probability: 0.06, seed: 5 })
    }
    let most = 0
    const watch = async () => {
      most = Math.max(most, stage.machines().length)
      await Promise.resolve()
    }
    await live(own, 12 * minuteMs, watch)
    scale(1)
    await hear('resolved', startedAtMs)
    await live(own, 60 * minuteMs, watch)
    expect(most).toBe(6)
    expect(stage.machines()).toHaveLength(4)
    expect(lease()).toMatchObject({ state: 'closed', outcome: { kind: 'removed' } })
    expect(stage.record().leases.reduce((sum, { wanted }) => sum + wanted, 0)).toBe(2)
  })
})

describe('beside the cluster autoscaler', () => {
  it('a group that is shared keeps its leased nodes for as long as they are leased, and gets its bounds back', async () => {
    const own = settings({ clusterAutoscaler: 'share', confirm: [{ requests: { cpuPercentAbove: 70 } }] })
    const { behaviour } = stage.world.tke
    behaviour.autoscalerScanMs = 10_000
    Object.assign(stage.cluster.asOption, { isScaleDownEnabled: true, scaleDownUnneededMinutes: 1, scaleDownDelayMinutes: 1 })
    scale(2)
    stage.wait(minuteMs)
    const old = members().map(({ instanceId }) => instanceId)
    const startedAtMs = stage.now()
    await hear('firing', startedAtMs)
    await live(own, 20 * minuteMs)
    expect(members()).toHaveLength(4)
    expect(lease()?.state).toBe('held')
    scale(1)
    await hear('resolved', startedAtMs)
    await live(own, 35 * minuteMs)
    // As soon as the floor is lowered it takes an old node that is idle: then a leased one takes its place, for good.
    expect(members()).toHaveLength(2)
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
    expect(lease()).toMatchObject({ state: 'closed', outcome: { kind: 'kept' } })
    expect(members().filter(({ instanceId }) => old.includes(instanceId))).toHaveLength(1)
    for (const { node } of members()) {
      const { unschedulable, annotations } = stage.node(node?.nodeName ?? '')
      expect(unschedulable).toBe(false)
      expect(annotations).not.toHaveProperty('cluster-autoscaler.kubernetes.io/scale-down-disabled')
    }
  })
})

describe('giving back', () => {
  it('a drain that a PDB blocks ends uncordoned at its deadline', async () => {
    const own = settings({ recovery: { drainDeadline: '5m' } })
    const startedAtMs = await grown(own)
    scale(4)
    // The pods stay, each of them protected; the metric is good because others left.
    stage.put(disruptionBudget({ namespace: 'prod', name: 'web', minAvailable: 4 }))
    const light = settings({ recovery: { drainDeadline: '5m' }, confirm: [{ pendingPods: { atLeast: 1 } }] })
    await hear('resolved', startedAtMs)
    await live(light, 13 * minuteMs)
    expect(stage.nodes().some((name) => stage.node(name).unschedulable)).toBe(true)
    const blocked = lease()?.nodes.find(({ drain }) => drain !== undefined)
    expect(blocked?.drain?.blockedBy).toContain('PodDisruptionBudget')
    await live(light, 5 * minuteMs)
    expect(codes()).toContain('Applied drain-deadline')
    expect(stage.nodes().filter((name) => stage.node(name).unschedulable)).toEqual([])
    expect(members()).toHaveLength(4)
    expect(lease()).toMatchObject({ state: 'held', setback: { code: 'drain-deadline', count: 1 } })
    expect(stage.podsOn(undefined)).toEqual([])
  })

  it('pending pods cancel it midway', async () => {
    const own = settings({ recovery: { drainDeadline: '30m' }, confirm: [{ pendingPods: { atLeast: 1 } }] })
    const startedAtMs = await grown(own)
    stage.put(disruptionBudget({ namespace: 'prod', name: 'web', minAvailable: 4 }))
    await hear('resolved', startedAtMs)
    await live(own, 12 * minuteMs)
    expect(lease()?.state).toBe('recovering')
    scale(5)
    await live(own, minuteMs)
    expect(codes()).toContain('Applied pods-pending')
    expect(stage.nodes().filter((name) => stage.node(name).unschedulable)).toEqual([])
    expect(lease()?.state).toBe('held')
    expect(members()).toHaveLength(4)
  })

  it('only leased nodes are removed, also when others are empty and newer', async () => {
    const own = settings()
    const startedAtMs = await grown(own)
    const leased = new Set(lease()?.nodes.map(({ instanceId }) => instanceId))
    // Somebody adds a node of his own to the group.
    stage.group.minSize = 5
    stage.group.desiredSize = 5
    stage.group.nextActivityMs = stage.now()
    await live(own, 5 * minuteMs)
    stage.group.minSize = 4
    const others = stage.machines().flatMap(({ instanceId }) => (leased.has(instanceId) ? [] : [instanceId]))
    expect(others).toHaveLength(5)
    scale(1)
    await hear('resolved', startedAtMs)
    await live(own, 30 * minuteMs)
    expect(stage.machines().map(({ instanceId }) => instanceId)).toEqual(others)
    expect(lease()?.outcome?.kind).toBe('removed')
  })

  it('a lease whose end nobody tells of expires after the metric is read', async () => {
    const own = settings({ lease: '30m', freshFor: '5m' })
    await grown(own)
    await live(own, 30 * minuteMs)
    // The metric is still bad.
    expect(codes()).toContain('Applied lease-extended')
    expect(members()).toHaveLength(4)
    scale(1)
    await live(own, 60 * minuteMs)
    expect(members()).toHaveLength(2)
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
    expect(lease()?.outcome?.kind).toBe('removed')
  })
})

describe('growing', () => {
  it('a node that never becomes Ready is compensated: it goes, and the bounds are restored', async () => {
    stage.world.tke.behaviour.nodeFailureShare = 1
    const own = settings({ provision: '6m' })
    scale(4)
    stage.wait(minuteMs)
    const startedAtMs = stage.now()
    await hear('firing', startedAtMs)
    await live(own, 5 * minuteMs)
    expect(members().map(({ node }) => node?.state)).toEqual(['running', 'running', 'failed', 'failed'])
    await live(own, 4 * minuteMs)
    expect(members()).toHaveLength(2)
    expect([stage.group.minSize, stage.group.maxSize]).toEqual([2, 10])
    expect(stage.record().leases.find(({ ordinal }) => ordinal === 1)).toMatchObject({ state: 'closed', outcome: { kind: 'compensated' } })
  })

  it('goes on with the next mechanism when one is sold out, and comes back to the first after a while', async () => {
    stage.world.tke.behaviour.soldOut.push('S5.LARGE8')
    const own = settings({
      mechanisms: [
        { name: 'buy', kind: 'new-instances', order, cores: 4 },
        { name: 'big', kind: 'new-instances', order: { ...order, InstanceType: 'S5.2XLARGE16' }, cores: 8 },
      ],
    })
    scale(4)
    stage.wait(minuteMs)
    await hear('firing', stage.now())
    await tick(own)
    await tick(own)
    expect(stage.record().leases.map(({ mechanism, state }) => [mechanism.name, state])).toEqual([
      ['buy', 'closed'],
      ['big', 'provisioning'],
    ])
    expect(stage.machines()).toHaveLength(6)
    expect(applied[0]).toContain('Failed mechanism-refused')
  })

  const refusals: readonly (readonly [code: string, policy: Partial<PolicyInput>, prepare: () => void])[] = [
    ['quota', {}, () => Object.assign(stage.world.tke.quotas, { '*': { maxClusters: 5, maxNodesPerCluster: 4 } })],
    ['licence-unreadable', { licence: { guard: true } }, () => undefined],
    [
      'group-busy',
      {},
      () => Object.assign(stage.group, { status: 'updating', settles: { atMs: stage.now() + 60 * minuteMs, status: 'enabled' } }),
    ],
    ['not-confirmed', { confirm: [{ pendingPods: { atLeast: 50 } }] }, () => undefined],
    [
      'cluster-autoscaler-active',
      {},
      () => {
        stage.world.tke.behaviour.autoscalerScanMs = 10_000
      },
    ],
  ]

  it.for(refusals)('is refused by %s alone, with the figure', async ([code, policy, prepare]) => {
    scale(4)
    stage.wait(minuteMs)
    prepare()
    if (code === 'cluster-autoscaler-active') stage.group.maxSize = 2
    stage.wait(20_000)
    await hear('firing', stage.now())
    const report = await tick(settings(policy))
    expect(report.decisions.map(({ reason }) => reason.code)).toContain(code)
    expect(stage.writes()).toEqual([])
  })

  it('by the absolute maximum, and by nothing else', async () => {
    scale(4)
    stage.wait(minuteMs)
    await hear('firing', stage.now())
    const report = await tick(settings({}, { max: 2 }))
    expect(report.decisions.map(({ reason }) => reason.code)).toContain('absolute-max')
    expect(stage.writes()).toEqual([])
  })
})

describe('the number of calls', () => {
  it('of a hundred looks within five seconds is that of one, and of one decision at most that of its writes and one', async () => {
    const own = settings()
    const { ClusterReadings } = await import('#functions/alarm-scaler/cluster-reading.ts')
    const readings = new ClusterReadings()
    scale(4)
    stage.wait(minuteMs)
    const startedAtMs = stage.now()
    await hear('firing', startedAtMs)
    const since = stage.calls().length
    const reports: RunReport[] = []
    for (let look = 0; look < 100; look += 1) {
      await hear('firing', startedAtMs, { value: 90 + look / 100 })
      reports.push(await runSchedule(lookAt([pool], readings), await stage.options(own)))
    }
    expect(reports.flatMap(({ decisions }) => decisions).filter(({ outcome }) => outcome === 'Applied')).toHaveLength(1)
    // Those that came after the first knew of its lease, though they did not read it.
    const others = reports.slice(1).flatMap(({ decisions }) => decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`))
    expect([...new Set(others)].toSorted()).toEqual(['NoChange already-on-its-way', 'NoChange lease-comes'])
    const calls = stage.calls(since)
    // Nodes, pods, machines, members, groups, status, records, quota; then record and members once more, and three writes.
    expect(calls).toHaveLength(13)
    expect(stage.writes(since)).toHaveLength(3)
  })

  it('of a tick at which nothing is due is none', async () => {
    await tick(settings())
    const since = stage.calls().length
    for (let minute = 0; minute < 30; minute += 1) {
      stage.pass(minuteMs)
      await tick(settings())
    }
    expect(stage.calls(since)).toEqual([])
  })
})
