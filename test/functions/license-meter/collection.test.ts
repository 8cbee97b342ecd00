import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import { replaced } from '#infra/sim/planted/other-parts.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { freeCores, headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import { verifyChain } from '#shared/licence/record.ts'
import { hourNumber } from '#shared/licence/sample.ts'
import { hasFailed, whollyFailed } from '#shared/runtime/report.ts'
import { StoreError } from '#shared/safety/store.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import {
  abroad,
  answering,
  clusterA,
  clusterB,
  home,
  hourMs,
  minuteMs,
  openStage,
  refusing,
  type SettingsInput,
  type Stage,
  said,
  sentence,
} from './stage.ts'

const hour = '2026-11-24T15:00:00Z'
const quiet: SettingsInput = { crossCheck: { every: 'never' } }
const entitled: SettingsInput = { ...quiet, passMeans: 'over', entitlements: [{ product: 'tke-*', cores: 128 }] }

let stage: Stage
beforeEach(async () => {
  stage = await openStage()
  stage.grow(clusterA, 2)
  stage.grow(clusterB, 1)
})
afterEach(async () => {
  await stage.close()
})

describe('a collection', () => {
  it('makes exactly 2 calls per region, in every mode, and writes nothing on the platform', async () => {
    for (const mode of ['observe', 'plan', 'enforce'] as const) {
      const report = await stage.run(quiet, { mode })
      expect(report.failure).toBeUndefined()
      expect([...stage.calls()].sort()).toEqual([
        `CollectAllCore ${abroad}`,
        `CollectAllCore ${home}`,
        `QueryOverage ${abroad}`,
        `QueryOverage ${home}`,
      ])
      stage.pass(hourMs)
    }
    expect(await stage.usages()).toEqual(['2026-11-24T15:00:00Z 16', '2026-11-24T16:00:00Z 16', '2026-11-24T17:00:00Z 16'])
  })

  it('keeps both answers whole, with their request ids', async () => {
    await stage.run(quiet)
    const [entry] = await stage.entries(abroad)
    expect(entry?.sample).toMatchObject({
      region: abroad,
      hour,
      at: '2026-11-24T15:03:00.000Z',
      raw: {
        collectAllCore: { ProductName: 'TKE', Version: '3.0', RequestId: expect.stringMatching(/./) },
        queryOverage: { Pass: 'false', RequestId: expect.stringMatching(/./) },
      },
    })
    expect(entry?.sample.raw.collectAllCore).toHaveProperty('Data.0', {
      ProductId: 'tke-managed-x86',
      ProductIdDescribe: 'Nodes of managed clusters, x86',
      UsageUnit: 'core',
      UsageValue: '8',
    })
  })

  it('two collections of one hour are one sample', async () => {
    await stage.run(quiet)
    stage.calls()
    for (const minutes of [15, 30, 45]) {
      stage.set(Date.parse(hour) + (minutes + 3) * minuteMs)
      expect(said(await stage.run(quiet))).toContain(`${home} NoChange already-measured`)
    }
    expect(stage.calls()).toEqual([])
    // Somebody who asks gets new figures; the record keeps the first.
    stage.grow(clusterA, 1)
    const report = await stage.run(entitled, { fresh: true })
    expect(sentence(report, `${home}/tke-*`, 'within-entitlement')).toContain('24 of 128 core')
    expect(await stage.usages()).toEqual([`${hour} 16`])
  })

  it('two collections of one hour at the same time are one sample', async () => {
    const reports = await Promise.all([stage.run(quiet), stage.run(quiet), stage.run(quiet)])
    expect(reports.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined])
    for (const region of [home, abroad]) {
      const entries = await stage.entries(region)
      expect(entries.map(({ sample }) => sample.hour)).toEqual([hour])
      expect(await verifyChain(entries, region)).toMatchObject({ entries: 1 })
    }
  })

  it('reads for a minute at most, so that what was read is put on record within the time limit', async () => {
    const deadlines = new Set<number | undefined>()
    const watching: CloudWriter = {
      send: async (action, request, options) => {
        deadlines.add(options?.deadline)
        return await stage.cloud.send(action, request, options)
      },
    }
    await stage.run({}, { cloud: watching })
    expect([...deadlines]).toEqual([stage.now() + minuteMs])
    // Where the platform leaves less time, that counts.
    deadlines.clear()
    stage.pass(hourMs)
    await stage.run(quiet, { cloud: watching, remainingMs: () => 30_000 })
    expect([...deadlines]).toEqual([stage.now() + 28_000])
  })

  it('is of the regions that are named, else of those of the clusters, else of the platform’s, and of none where nobody has asked', async () => {
    const regionsOf = async (settings: SettingsInput, clusters?: { readonly id: string; readonly region?: string }[]) => {
      stage.pass(hourMs)
      await stage.run({ ...quiet, ...settings }, clusters === undefined ? {} : { clusters })
      return [...new Set(stage.calls().map((call) => call.split(' ')[1]))].sort()
    }
    expect(await regionsOf({ regions: ['ap-beijing', 'ap-beijing', 'ap-shanghai'] })).toEqual(['ap-beijing', 'ap-shanghai'])
    expect(await regionsOf({})).toEqual([abroad, home])
    expect(await regionsOf({ entitlements: [{ product: '*', cores: 1 }] }, [])).toEqual([home])
    expect(await regionsOf({}, [])).toEqual([])
  })

  it('of a missed trigger is made up for within its hour, and a late one measures the hour it reads in', async () => {
    stage.set(Date.parse(hour) + 48 * minuteMs)
    await stage.run(quiet)
    stage.set(Date.parse(hour) + 65 * minuteMs)
    await stage.run(quiet)
    expect(await stage.usages()).toEqual(['2026-11-24T15:00:00Z 16', '2026-11-24T16:00:00Z 16'])
  })
})

describe('a region that fails', () => {
  it('does not hide the others', async () => {
    const report = await stage.run(entitled, { cloud: refusing(stage.cloud, home) })
    expect(report.failure).toBeUndefined()
    expect(said(report)).toEqual([
      `${home} Held region-unreadable`,
      `${home}/tke-* Skipped no-figures-now`,
      `${abroad} NoChange measured-now`,
      `${abroad}/tke-* NoChange within-entitlement`,
      `${abroad}/Pass NoChange pass-ok`,
    ])
    expect(sentence(report, home, 'region-unreadable')).toContain('the platform failed inside (InternalError)')
    expect(await stage.usages(home)).toEqual([])
    expect(await stage.usages(abroad)).toEqual([`${hour} 8`])
  })

  it.each(['CollectAllCore', 'QueryOverage'])(
    'at %s has no sample, never half of one, and is read again by the next trigger',
    async (action) => {
      await stage.run(quiet, { cloud: refusing(stage.cloud, home, action) })
      expect(await stage.usages(home)).toEqual([])
      stage.calls()
      stage.pass(15 * minuteMs)
      await stage.run(quiet)
      expect(stage.calls()).toEqual([`CollectAllCore ${home}`, `QueryOverage ${home}`])
      expect(await stage.usages(home)).toEqual([`${hour} 16`])
    },
  )

  it('is a failed run when it is the only one, so that alarms ring, and none when another one was measured', async () => {
    const alone = [{ id: clusterA }]
    const report = await stage.run(quiet, { cloud: refusing(stage.cloud, home), clusters: alone })
    expect(report.failure).toMatchObject({ code: 'run.no-region', text: expect.stringContaining(`${home}: ${hour} has no sample`) })
    expect([whollyFailed(report), hasFailed(report)]).toEqual([true, true])
    const half = await stage.run(quiet, { cloud: refusing(stage.cloud, home) })
    // Somebody who waits for it is told all the same.
    expect([half.failure, whollyFailed(half), hasFailed(half)]).toEqual([undefined, false, true])
    expect((await readGapNotes(stage.memory, home, hourNumber(hour), hourNumber(hour) + 1)).size).toBe(1)
  })

  it('is a gap with its reason when its hour is over: no data is a gap, never zero', async () => {
    await stage.run(quiet)
    stage.pass(hourMs)
    await stage.run(quiet, { cloud: refusing(stage.cloud, home) })
    stage.pass(hourMs)
    await stage.run(quiet)
    expect(await stage.usages(home)).toEqual(['2026-11-24T15:00:00Z 16', '2026-11-24T17:00:00Z 16'])
    const notes = await readGapNotes(stage.memory, home, hourNumber(hour), hourNumber(hour) + 3)
    expect([...notes]).toEqual([['2026-11-24T16:00:00Z', { code: 'cloud.unavailable', text: expect.stringContaining('CollectAllCore') }]])
    const headroom = readHeadroom((await stage.memory.get(headroomKey))?.value)
    // The civil day of the zone, and with it the whole month before the first sample, counts as not measured.
    expect(headroom?.regions[home]?.coverage.measured).toBe(2)
    expect(headroom?.regions[abroad]?.coverage.measured).toBe(3)
  })

  it('answers something that is no report: that is no sample either', async () => {
    const cloud = answering(stage.cloud, { CollectAllCore: ({ Data: _, ...rest }) => rest })
    const report = await stage.run(quiet, { cloud })
    expect(said(report)).toEqual([`${home} Held region-unreadable`, `${abroad} Held region-unreadable`])
    expect(await stage.entries()).toEqual([])
  })
})

describe('a clock that is wrong', () => {
  it('ahead by hours and set right again keeps no hour out of the record, and is the reason of no other one', async () => {
    await stage.run(quiet)
    stage.pass(hourMs)
    stage.skew(5 * hourMs)
    const report = await stage.run(quiet)
    expect(said(report)).toContain(`${home} Held region-unreadable`)
    expect(sentence(report, home, 'region-unreadable')).toContain('300 minutes ahead of the platform')
    expect(hasFailed(report)).toBe(true)
    stage.skew(0)
    stage.pass(15 * minuteMs)
    await stage.run(quiet)
    for (let count = 0; count < 5; count += 1) {
      stage.pass(hourMs)
      await stage.run(quiet)
    }
    expect((await stage.usages()).map((text) => text.slice(0, 13))).toEqual(
      [15, 16, 17, 18, 19, 20, 21].map((number) => `2026-11-24T${number}`),
    )
    const first = hourNumber(hour)
    // Noted under the platform's hour; it means nothing, as that was measured after all.
    expect([...(await readGapNotes(stage.memory, home, first, first + 24)).keys()]).toEqual(['2026-11-24T16:00:00Z'])
  })

  it('tells others nothing of what is free, and throws nothing away', async () => {
    await stage.run(entitled)
    const before = await stage.memory.get(headroomKey)
    stage.skew(3 * 365 * 24 * hourMs)
    await stage.run(entitled)
    expect(await stage.memory.get(headroomKey)).toEqual(before)
    expect(await stage.usages()).toEqual([`${hour} 16`])
  })

  it('behind by hours puts nothing under an hour that is over', async () => {
    stage.skew(-2 * hourMs)
    const report = await stage.run(quiet)
    expect(sentence(report, home, 'region-unreadable')).toContain('120 minutes behind the platform')
    expect(await stage.usages()).toEqual([])
  })

  it('by ten minutes is no matter, and keeps the record back by no more than them', async () => {
    stage.pass(50 * minuteMs)
    stage.skew(10 * minuteMs)
    expect((await stage.run(quiet)).failure).toBeUndefined()
    stage.skew(0)
    stage.pass(hourMs)
    await stage.run(quiet)
    expect((await stage.usages()).map((text) => text.slice(0, 13))).toEqual(['2026-11-24T16'])
    stage.pass(10 * minuteMs)
    await stage.run(quiet)
    expect((await stage.usages()).map((text) => text.slice(0, 13))).toEqual(['2026-11-24T16', '2026-11-24T17'])
  })
})

describe('a value that nobody can read', () => {
  it.each([
    ['12.5', '12.5 of 128 core (9.8 %)'],
    ['1,024', '1024 of 128 core (800.0 %)'],
  ])('%s is one that can be read', async (value, shown) => {
    const report = await stage.run(
      { ...quiet, entitlements: [{ product: 'one', cores: 128 }] },
      { cloud: withValue(value), clusters: [{ id: clusterA }] },
    )
    expect(report.decisions.map(({ reason }) => reason.text).join('\n')).toContain(shown)
  })

  it.each<[unknown]>([['N/A'], [''], [null], ['-5'], [[]]])(
    '%j is a gap, not zero, and no alert; it stays on record as it came',
    async (value) => {
      const settings = { ...quiet, entitlements: [{ product: 'one', cores: 1 }] }
      const report = await stage.run(settings, { cloud: withValue(value), clusters: [{ id: clusterA }] })
      expect(said(report)).toContain(`${home}/one Held usage-unreadable`)
      const [entry] = await stage.entries()
      expect(entry?.sample.raw.collectAllCore).toHaveProperty('Data.0.UsageValue', value)
      const headroom = readHeadroom((await stage.memory.get(headroomKey))?.value)
      expect(headroom?.regions[home]?.products.one?.used).toBeUndefined()
      expect(freeCores(headroom, home)).toBe('unknown')
    },
  )

  const withValue = (value: unknown) =>
    answering(stage.cloud, {
      CollectAllCore: (answer) => ({
        ...answer,
        Data: [{ ProductId: 'one', ProductIdDescribe: '', UsageUnit: 'core', UsageValue: value }],
      }),
    })
})

describe('what is free', () => {
  it('is remembered for others, region by region', async () => {
    await stage.run(entitled)
    const headroom = readHeadroom((await stage.memory.get(headroomKey))?.value)
    expect([freeCores(headroom, home), freeCores(headroom, abroad), freeCores(headroom, 'ap-nowhere')]).toEqual([112, 120, 'unknown'])
    expect(headroom?.regions[home]).toMatchObject({
      hour,
      overage: 'ok',
      products: { 'tke-*': { used: '16', entitled: '128', free: '112' } },
    })
  })

  it('is never older than what a later run has kept', async () => {
    stage.pass(10 * minuteMs)
    await stage.run(entitled)
    stage.pass(-10 * minuteMs)
    stage.grow(clusterA, 1)
    await stage.run(entitled, { fresh: true })
    const headroom = readHeadroom((await stage.memory.get(headroomKey))?.value)
    expect(headroom?.at).toBe('2026-11-24T15:13:00.000Z')
  })
})

describe('a record that cannot be written', () => {
  it('is a failed run that says so, and nothing is lost but the hour', async () => {
    const broken = replaced(openMemoryStore(stage.disk), { put: () => Promise.reject(new StoreError('store.full', 'Store: it is full.')) })
    const report = await stage.run(entitled, { store: broken })
    expect(report.failure).toMatchObject({ code: 'memory-unwritten', text: expect.stringContaining('it is full') })
    expect(said(report)).toContain(`${home} NoChange measured-now`)
    expect((await stage.run(entitled)).failure).toBeUndefined()
    expect(await stage.usages()).toEqual([`${hour} 16`])
  })

  it('is a failed run where there is no store at all', async () => {
    expect((await stage.run(entitled, { store: 'none' })).failure?.code).toBe('memory-unwritten')
  })

  it('costs no call where it cannot be read: nobody could say what is missing', async () => {
    const away = () => Promise.reject(new StoreError('store.unavailable', 'Store: it is away.'))
    const broken = replaced(openMemoryStore(stage.disk), { get: away, put: away })
    const report = await stage.run(quiet, { store: broken })
    expect(stage.calls()).toEqual([])
    expect(said(report)).toEqual([`${home} Held region-unreadable`, `${abroad} Held region-unreadable`])
    expect(report.failure?.code).toBe('memory-unwritten')
  })

  it('of one region keeps no other region from being recorded', async () => {
    await stage.memory.put(`head/${home}`, { format: 99 })
    const report = await stage.run(quiet)
    expect(sentence(report, home, 'region-unreadable')).toContain('a newer version wrote it')
    expect(await stage.usages(abroad)).toEqual([`${hour} 8`])
  })
})
