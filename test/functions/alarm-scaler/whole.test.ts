import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Notice } from '#shared/runtime/notify/notice.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { secrets } from './alarm-hook-stage.ts'
import { clusterId, groupId, minuteMs, pool, type SettingsInput } from './cluster-stage.ts'
import { alertmanagerBody, openWholeStage, type Said, type WholeStage } from './whole-stage.ts'

function settings(policy: object = {}, more: object = {}): SettingsInput {
  return {
    pools: [{ name: pool, cluster: clusterId, labels: { pool: 'general' }, max: 20 }],
    policies: [
      {
        name: 'busy',
        match: { alert: 'Busy' },
        pool,
        mode: 'enforce',
        confirm: [{ pendingPods: { atLeast: 1 } }, { requests: { cpuPercentAbove: 70 } }],
        steps: [
          { from: 0, add: 2 },
          { from: 20, add: 4 },
        ],
        mechanisms: [{ name: 'general', kind: 'scaling-group', group: groupId }],
        clusterAutoscaler: 'share',
        licence: { guard: false },
        warmUp: '1m',
        cooldown: { out: '2m', in: '1m' },
        recovery: { after: '2m' },
        ...policy,
      },
    ],
    ...more,
  } as unknown as SettingsInput
}

let stage: WholeStage
let told: Notice[]
const notify: NotifyPort = {
  notify: async (notices) => {
    told.push(...notices)
    return { sent: notices.length, digested: 0, failed: 0, waiting: 0 }
  },
  secret: async (reference) => (reference === 'env:APPROVAL_SECRET' ? secrets.APPROVAL_SECRET : ''),
  close: async () => undefined,
}

beforeEach(() => {
  told = []
})
afterEach(async () => {
  await stage.close()
})

let began: string
const busy = (more: Partial<Said> = {}): Said => ({ fingerprint: 'f1', startsAt: began, value: 90, ...more })

async function open(
  policy: object = {},
  more: object = {},
  options: { readonly sockets?: boolean; readonly mode?: 'plan' } = {},
): Promise<void> {
  stage = await openWholeStage(settings(policy, more), { ...options, notify })
  // A node takes a minute and a half, a group moves every few seconds.
  Object.assign(stage.world.tke.behaviour, { asGroupIntervalMs: 2000 })
  began = new Date(stage.now()).toISOString()
  stage.deploy('web', 6, { nodeSelector: { pool: 'general' } })
  stage.wait(30_000)
}

async function say(...said: readonly Said[]): Promise<void> {
  expect(await stage.deliver(alertmanagerBody(said))).toBe(202)
  expect((await stage.runner.workOff()).failed).toBe(0)
}

const groupSize = (): number => stage.machines().filter(({ node }) => node?.asGroupId === groupId).length
const bounds = () => ({ min: stage.group.minSize, max: stage.group.maxSize })
const changed = (calls: readonly string[], action: string): number => calls.filter((call) => call === action).length

describe('the whole function', () => {
  it('an alarm becomes nodes once, they become ready, and when it is over they are drained, removed and the bounds restored', async () => {
    await open({}, {}, { sockets: true })
    const before = new Set(stage.machines().map(({ instanceId }) => instanceId))
    const since = stage.calls().length
    expect(bounds()).toEqual({ min: 2, max: 10 })

    // Five deliveries, of which some are the very same message.
    for (const value of [90, 90, 91, 90, 92]) await say(busy({ value }))
    expect(bounds()).toEqual({ min: 4, max: 10 })
    expect(stage.record().leases).toHaveLength(1)
    await stage.live(8 * minuteMs)
    expect(groupSize()).toBe(4)
    expect(stage.record().leases[0]).toMatchObject({ state: 'held', wanted: 2 })
    const leased = stage.record().leases[0]?.nodes.map(({ instanceId }) => instanceId) ?? []
    expect(leased.filter((id) => before.has(id))).toEqual([])
    for (const { nodeName = '' } of stage.record().leases[0]?.nodes ?? []) {
      expect(stage.node(nodeName).annotations['cluster-autoscaler.kubernetes.io/scale-down-disabled']).toBe('true')
    }
    expect(changed(stage.calls(since), 'ModifyClusterAsGroupAttribute')).toBe(1)
    expect(stage.podsOn(undefined)).toEqual([])

    // It is over, and what is left to run is on the new nodes: it has to move.
    stage.deploy('late', 3, { nodeSelector: { pool: 'general' } })
    stage.wait(30_000)
    expect(leased.length).toBe(2)
    stage.deploy('web', 0, { nodeSelector: { pool: 'general' } })
    stage.wait(30_000)
    await say(busy({ state: 'resolved', endsAt: new Date(stage.now()).toISOString() }))
    await stage.live(20 * minuteMs)
    expect(groupSize()).toBe(2)
    expect(bounds()).toEqual({ min: 2, max: 10 })
    expect(new Set(stage.machines().map(({ instanceId }) => instanceId))).toEqual(before)
    expect(stage.record().leases[0]).toMatchObject({ state: 'closed', outcome: { kind: 'removed' } })
    expect(stage.record().bases).toEqual([])
    expect(stage.podsOn(undefined)).toEqual([])

    // The journal explains each step: an intent before each write, what came of it, and a sentence with figures.
    const entries = await stage.entries()
    const intents = entries.filter(({ kind }) => kind === 'intent')
    const steps = intents.map(({ reason }) => reason.code)
    expect(steps[0]).toBe('alarm-confirmed')
    for (const code of ['nodes-coming', 'nodes-ready', 'alarm-over', 'draining', 'node-empty', 'floor-lowered', 'given-back']) {
      expect(steps).toContain(code)
    }
    for (const { stepKey, attempt, reason } of intents) {
      expect(reason.text).toMatch(/alarm Busy/)
      const outcomes = entries.filter((one) => one.kind === 'outcome' && one.stepKey === stepKey && one.attempt === attempt)
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['Applied'])
    }
    expect(intents[0]?.reason.text).toContain('90 over 80, step 1 of 2 wants 2 more: 2 in service')

    // Nothing of it is looked at any more.
    const quiet = stage.calls().length
    await stage.live(5 * minuteMs)
    expect(stage.calls(quiet)).toEqual([])
    expect(told.map(({ facts }) => facts?.code)).toEqual(expect.arrayContaining(['alarm-confirmed', 'given-back']))
  }, 30_000)

  it('repeats while nodes warm up add none, and a higher step adds only the difference', async () => {
    await open()
    await say(busy())
    expect(bounds().min).toBe(4)
    for (let minute = 0; minute < 3; minute += 1) {
      await stage.live(minuteMs)
      await say(busy({ value: 90 + minute / 10 }))
    }
    expect(stage.record().leases).toHaveLength(1)
    // With the nodes that have come, and what came with it.
    stage.deploy('web', 13, { nodeSelector: { pool: 'general' } })
    stage.wait(20_000)
    await say(busy({ value: 101 }))
    expect(stage.record().leases.map(({ wanted }) => wanted)).toEqual([2, 2])
    expect(bounds().min).toBe(6)
  })

  it('an alarm that fires again brings back what was about to go', async () => {
    await open()
    await say(busy())
    await stage.live(6 * minuteMs)
    stage.deploy('web', 3, { nodeSelector: { pool: 'general' } })
    await say(busy({ state: 'resolved', endsAt: new Date(stage.now()).toISOString() }))
    for (let minute = 0; minute < 10 && stage.record().leases[0]?.state !== 'recovering'; minute += 1) await stage.live(minuteMs)
    expect(stage.record().leases[0]?.state).toBe('recovering')
    await say(busy({ fingerprint: 'f2', startsAt: new Date(stage.now()).toISOString() }))
    await stage.live(2 * minuteMs)
    expect(stage.record().leases[0]?.state).toBe('held')
    expect(groupSize()).toBe(4)
    expect(stage.nodes().filter((name) => stage.node(name).unschedulable)).toEqual([])
  })

  it('a policy that suggests buys nothing before somebody agrees by link, and then as much as was suggested', async () => {
    const approval = { secret: 'env:APPROVAL_SECRET', baseUrl: 'https://hooks.example.com' }
    await open({ mode: 'suggest' }, { approval })
    await say(busy())
    await stage.tick()
    expect(stage.hasRecord()).toBe(false)
    const suggested = told.filter(({ facts }) => facts?.code === 'suggested')
    expect(suggested.length).toBeGreaterThan(0)
    expect(new Set(suggested.map(({ key }) => key)).size).toBe(1)
    const url = suggested[0]?.links?.[0]?.url ?? ''
    expect(url).toMatch(/^https:\/\/hooks\.example\.com\/hooks\/alarm-scaler\/approve\//)
    expect(await stage.open('GET', new URL(url).pathname)).toBe(200)
    await stage.runner.workOff()
    expect(stage.hasRecord()).toBe(false)
    expect(await stage.open('POST', new URL(url).pathname)).toBe(202)
    await stage.runner.workOff()
    expect(stage.record().leases).toMatchObject([{ wanted: 2, state: 'provisioning' }])
    // It was good for this one, and is used up.
    expect(await stage.open('POST', new URL(url).pathname)).toBe(202)
    await stage.live(2 * minuteMs)
    expect(stage.record().leases).toHaveLength(1)
  })

  it('a mechanism that gives none is followed by the next one of the chain within the same event', async () => {
    const order = {
      Placement: { Zone: 'ap-guangzhou-3' },
      VirtualPrivateCloud: { VpcId: 'vpc-e0000001', SubnetId: 'subnet-e0000001' },
      InstanceType: 'S5.LARGE8',
    }
    const mechanisms = [
      { name: 'bought', kind: 'new-instances', order: { ...order, InstanceType: 'S5.2XLARGE16' }, cores: 8 },
      { name: 'general', kind: 'scaling-group', group: groupId },
    ]
    await open({ mechanisms })
    stage.world.tke.behaviour.soldOut.push('ap-guangzhou-3/S5.2XLARGE16')
    await say(busy())
    expect(stage.record().leases).toMatchObject([
      { mechanism: { name: 'bought' }, state: 'closed', outcome: { kind: 'failed' } },
      { mechanism: { name: 'general' }, state: 'provisioning', wanted: 2 },
    ])
  })

  it('in mode plan it says what it would do, and writes nothing', async () => {
    await open({}, {}, { mode: 'plan' })
    const since = stage.calls().length
    await say(busy())
    const report = await stage.tick()
    expect(report.decisions).toMatchObject([{ outcome: 'Planned', reason: { code: 'alarm-confirmed' } }])
    expect(stage.calls(since).length).toBeGreaterThan(0)
    expect(stage.writes(since)).toEqual([])
  })
})
