import { afterEach, describe, expect, test } from 'vitest'
import { noticesOf } from '#functions/cron-scaler/forecast-notices.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { cluster, type ForecastStage, type ForecastWorld, group, morning, openForecastStage } from './forecast-stage.ts'

let stage: ForecastStage | undefined

afterEach(async () => {
  await stage?.close()
  stage = undefined
})

/** 16:00 in Shanghai. */
const afternoon = '2026-11-24T08:00:00Z'

async function forecastOn(world: ForecastWorld, settings = morning): Promise<RunReport> {
  stage = await openForecastStage(afternoon, world)
  await stage.measure()
  return await stage.tick(settings)
}

function told({ decisions }: RunReport): readonly string[] {
  return decisions
    .filter(({ target }) => target.startsWith('forecast/'))
    .map(({ outcome, target, reason, before, after }) => [outcome, target, reason.code, before, after].join(' '))
}

function notices(report: RunReport): readonly string[] {
  return noticesOf({ report }).map(({ severity, title }) => `${severity} ${title}`)
}

describe('a forecast on the sandbox', () => {
  test('enough of everything: nobody is told anything, and the report says so', async () => {
    const report = await forecastOn({})
    expect(told(report)).toEqual([`NoChange forecast/${cluster} forecast-enough  `])
    expect(report.decisions.find(({ target }) => target.startsWith('forecast/'))?.reason.text).toBe(
      'enough for what the schedules will ask for, at most 16 pods, 32 of 32 cores, 4 of 10 nodes until Thu 2026-11-26 00:00:00 Asia/Shanghai',
    )
    expect(notices(report)).toEqual([])
  })

  test('too few nodes', async () => {
    const report = await forecastOn({ groupMax: 3 })
    expect(told(report)).toEqual([
      `Held forecast/${cluster}/cores forecast-short 24 cores 32 cores`,
      `Held forecast/${cluster}/nodes forecast-short 3 nodes 4 nodes`,
      `Held forecast/${cluster}/pods forecast-short 12 pods 16 pods`,
    ])
    expect(report.decisions.find(({ target }) => target.endsWith('/nodes'))?.reason.text).toBe(
      `1 node short at Wed 2026-11-25 08:00:00 Asia/Shanghai: 4 nodes needed, 3 nodes to be had. 2 there; 1 will be added by scaling groups: 1 of ${group}; 1 nobody adds: 1 of ${group}; add them before, or let a scaling group grow further. default/Deployment/web (2 pods now) gets replicas 16 by config/morning`,
    )
    expect(notices(report)).toEqual([
      `warning ${cluster} will be short of cores (32 cores needed, 24 cores to be had), nodes (4 nodes needed, 3 nodes to be had), pods (16 pods needed, 12 pods to be had)`,
    ])
  })

  test('too few addresses for pods', async () => {
    const report = await forecastOn({
      change: ({ tke }) => {
        const state = tke.clusters[cluster]
        // Three slices of 64, beside 320 addresses for services.
        if (state !== undefined)
          Object.assign(state.network, { clusterCidr: '172.16.0.0/23', maxNodePodNum: 64, maxClusterServiceNum: 320 })
      },
    })
    expect(told(report)).toEqual([`Held forecast/${cluster}/addresses forecast-short 192 addresses 256 addresses`])
    expect(notices(report)).toEqual([`warning ${cluster} will be short of addresses (256 addresses needed, 192 addresses to be had)`])
  })

  test('too small a quota', async () => {
    const report = await forecastOn({
      change: ({ tke }) => {
        tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 3 }
      },
    })
    expect(told(report)).toEqual([`Held forecast/${cluster}/quota forecast-short 3 nodes 4 nodes`])
  })

  test('too small a licence', async () => {
    const report = await forecastOn({ licensedCores: 24 })
    expect(told(report)).toEqual([
      'Held forecast/ap-guangzhou/licence forecast-short 8 cores 16 cores',
      `NoChange forecast/${cluster} forecast-enough  `,
    ])
    expect(notices(report)).toEqual(['warning ap-guangzhou will be short of licence (16 cores needed, 8 cores to be had)'])
  })

  test('where nobody has measured the licence, that is said and is no shortage', async () => {
    stage = await openForecastStage(afternoon)
    const report = await stage.tick()
    expect(told(report)).toEqual([`NoChange forecast/${cluster} forecast-enough  `])
  })

  test('it is made once a day, at the time of day or as soon as there is a run after it, and reads only', async () => {
    stage = await openForecastStage('2026-11-24T09:17:00Z', { groupMax: 3 })
    expect(told(await stage.tick())).toHaveLength(3)
    for (const later of ['2026-11-24T09:18:00Z', '2026-11-24T20:00:00Z', '2026-11-25T07:59:00Z']) {
      stage.at(later)
      expect(told(await stage.tick())).toEqual([])
    }
    stage.at('2026-11-25T08:00:00Z')
    expect(told(await stage.tick()).length).toBeGreaterThan(0)
    expect(stage.sandbox.journal.filter(({ effect, request }) => effect === 'write' && request?.Method !== 'GET')).toEqual([])
  })

  test('without the setting nothing is forecast, and nothing more is read', async () => {
    stage = await openForecastStage(afternoon)
    const { forecast: _, ...without } = morning
    expect(told(await stage.tick(without))).toEqual([])
    expect(new Set(stage.sandbox.journal.map(({ action }) => action))).toEqual(new Set(['ForwardRequest']))
  })

  test('what is due now comes first, and the forecast a minute later', async () => {
    stage = await openForecastStage('2026-11-24T08:00:00Z', { groupMax: 3 })
    const settings = {
      ...morning,
      rules: [{ ...morning.rules?.[0], name: 'now', schedule: '0 0 16 * * *', validFrom: undefined }],
    } as typeof morning
    const first = await stage.tick(settings)
    expect(first.decisions.map(({ outcome }) => outcome)).toEqual(['Planned'])
    stage.at('2026-11-24T08:10:00Z')
    expect(told(await stage.tick(settings)).length).toBeGreaterThan(0)
  })

  test('a cluster whose scaling groups cannot be read is said to be unknown, and its schedules run all the same', async () => {
    stage = await openForecastStage(afternoon)
    stage.sandbox.faults.add({ match: { action: 'DescribeClusterAsGroups' }, fault: { kind: '5xx', status: 502, when: 'before' } })
    const report = await stage.tick()
    expect(told(report)).toEqual([`Held forecast/${cluster} forecast-unknown  `])
    expect(report.failure).toBeUndefined()
    expect(notices(report)).toEqual([`warning ${cluster} cannot be forecast`])
  })

  test('rules that fire too often to be gone through ahead run all the same', async () => {
    stage = await openForecastStage(afternoon)
    const rules = Array.from({ length: 40 }, (_, index) => ({
      ...morning.rules?.[0],
      name: `r${index}`,
      schedule: '* * * * * *',
      validFrom: undefined,
    }))
    const report = await stage.tick({ ...morning, forecast: { horizon: '7d' }, rules } as typeof morning)
    expect(report.failure).toBeUndefined()
    expect(report.decisions.some(({ outcome }) => outcome === 'Planned')).toBe(true)
    stage.at('2026-11-24T08:11:00Z')
    expect(told(await stage.tick({ ...morning, forecast: { horizon: '7d' }, rules } as typeof morning))).toEqual([
      'Held forecast/schedules forecast-unknown  ',
    ])
  })
})
