import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { replaced } from '#infra/sim/planted/other-parts.ts'
import { StoreError } from '#shared/safety/store.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { type NotifyStage, notifyStage, settingOf } from '../../shared/runtime/notify/notify-stage.ts'
import {
  answering,
  clusterA,
  home,
  hourMs,
  minuteMs,
  openStage,
  refusing,
  type SettingsInput,
  type Stage,
  type StageRun,
  said,
} from './stage.ts'

const clusters = [{ id: clusterA }]
const settings: SettingsInput = {
  crossCheck: { every: 'never' },
  passMeans: 'over',
  entitlements: [{ product: 'tke-*', cores: 40 }],
}

let stage: Stage
let bots: NotifyStage
beforeEach(async () => {
  stage = await openStage('2026-11-24T08:03:00Z')
  bots = await notifyStage([settingOf('dingtalk')])
  stage.grow(clusterA, 2)
})
afterEach(async () => {
  await stage.close()
})

/** Time passes for the meter and for whoever tells people. */
function pass(ms: number): void {
  stage.pass(ms)
  bots.move(ms)
}

/** What people are told of a run, as `Longshore critical · …`: titles only. */
async function told(own: SettingsInput = settings, options: StageRun = {}): Promise<readonly string[]> {
  const before = bots.bot.messages.length
  await stage.run(own, { clusters, notify: bots.port, ...options })
  return bots.bot.messages.slice(before).map(({ title }) => title)
}

describe('what people hear of the licence', () => {
  it('is nothing while all is well', async () => {
    expect(await told()).toEqual([])
  })

  it('is over-use, once in a month, and again in the next one', async () => {
    stage.world.tke.licence.entitledCores[home] = 40
    stage.grow(clusterA, 4)
    const title = expect.stringContaining('ap-guangzhou: more of tke-∗ is used than the licence allows')
    expect(await told()).toEqual([title])
    for (let hour = 0; hour < 3; hour += 1) {
      pass(hourMs)
      expect(await told()).toEqual([])
    }
    // 30 November in Shanghai until 16:00 UTC.
    pass(Date.parse('2026-11-30T15:03:00Z') - stage.now())
    expect(await told()).toEqual([])
    pass(hourMs)
    expect(await told()).toEqual([title])
  })

  it('is over-use again when the entitlement is raised and not enough, or lowered, or the tolerance changes', async () => {
    stage.world.tke.licence.entitledCores[home] = 40
    stage.grow(clusterA, 4)
    expect(await told()).toHaveLength(1)
    const with_ = (cores: number, alerts: SettingsInput['alerts'] = {}): SettingsInput => ({
      ...settings,
      entitlements: [{ product: 'tke-*', cores }],
      alerts,
    })
    for (const changed of [with_(41), with_(39), with_(39, { tolerancePercent: 2 })]) {
      pass(hourMs)
      expect(await told(changed)).toHaveLength(1)
      pass(hourMs)
      expect(await told(changed)).toEqual([])
    }
  })

  it('is an early warning, and a Pass that contradicts the figures stops every other alert', async () => {
    stage.grow(clusterA, 3)
    // 40 of 42 cores; the platform has no limit and says that all is well.
    const near = { ...settings, entitlements: [{ product: 'tke-*', cores: 42 }] }
    expect(await told(near)).toEqual([expect.stringContaining('tke-∗ comes near to what the licence allows')])
    pass(hourMs)
    expect(await told({ ...settings, entitlements: [{ product: 'tke-*', cores: 20 }] })).toEqual([
      expect.stringContaining('contradicts its own figures'),
    ])
  })

  it('is nothing of a value that nobody can read, but that nobody can read it', async () => {
    const cloud = answering(stage.cloud, {
      CollectAllCore: (answer) => ({
        ...answer,
        Data: [{ ProductId: 'tke-x', ProductIdDescribe: '', UsageUnit: 'core', UsageValue: 'N/A' }],
      }),
    })
    const titles = await told(settings, { cloud })
    expect(titles).toEqual([expect.stringContaining('nobody can read how much of ap-guangzhou/tke-∗ is used')])
  })
})

describe('what people hear of the meter itself', () => {
  it('is a region that fails when its hour is about to be lost, and not before', async () => {
    const cloud = refusing(stage.cloud, home)
    expect(await told(settings, { cloud })).toEqual([])
    pass(15 * minuteMs)
    expect(await told(settings, { cloud })).toEqual([])
    pass(15 * minuteMs)
    expect(await told(settings, { cloud })).toEqual([expect.stringContaining('ap-guangzhou is not measured')])
    pass(15 * minuteMs)
    expect(await told(settings, { cloud })).toEqual([])
  })

  it('is a difference to the nodes, when it was seen twice', async () => {
    const cloud = answering(stage.cloud, {
      CollectAllCore: (answer) => ({
        ...answer,
        Data: [{ ProductId: 'tke-x', ProductIdDescribe: '', UsageUnit: 'core', UsageValue: '24' }],
      }),
    })
    const checked = { ...settings, crossCheck: {} }
    expect(await told(checked, { cloud })).toEqual([])
    pass(hourMs)
    expect(await told(checked, { cloud })).toEqual([expect.stringContaining('more cores are counted than the nodes have')])
  })

  it('is a record that could not be written', async () => {
    const broken = replaced(openMemoryStore(stage.disk), { put: () => Promise.reject(new StoreError('store.full', 'Store: it is full.')) })
    expect(await told(settings, { store: broken })).toEqual([expect.stringContaining('the licence usage could not be put on record')])
  })
})

it('24: a failing notifier never changes an outcome, and what could not be sent is sent later', async () => {
  stage.grow(clusterA, 4)
  stage.world.tke.licence.entitledCores[home] = 40
  bots.bot.fail({ kind: 'body', body: '{"errcode":310000,"errmsg":"no"}' })
  const report = await stage.run(settings, { clusters, notify: bots.port })
  expect(report.failure).toBeUndefined()
  expect(said(report)).toContain(`${home}/tke-* Held over-use`)
  expect(await stage.usages()).toHaveLength(1)
  expect(report.notified?.failed).toBeGreaterThan(0)
  bots.bot.fail(undefined)
  pass(hourMs)
  expect(await told()).toContainEqual(expect.stringContaining('more of tke-∗ is used than the licence allows'))
})
