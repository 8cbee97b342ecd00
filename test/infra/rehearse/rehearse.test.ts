import { Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { asReader } from '#cloud/client.ts'
import { schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { movedInto, type RecordedEvent, recordedEvents } from '#infra/rehearse/recorded-events.ts'
import type { Rehearsal } from '#infra/rehearse/rehearsal.ts'
import { openRehearsal } from '#infra/rehearse/rehearsal-platform.ts'
import { RehearsalTime } from '#infra/rehearse/rehearsal-time.ts'
import { type RehearseOptions, rehearse } from '#infra/rehearse/rehearse.ts'
import type { Snapshot } from '#infra/rehearse/snapshot.ts'
import { takeSnapshot } from '#infra/rehearse/take-snapshot.ts'
import { rehearsalPage } from '#infra/report/rehearsal-page.ts'
import { dayTable, doneDecisions, minuteOf, summaryOf } from '#infra/report/rehearsal-text.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'

/** Half past seven in the evening there, a Tuesday: staging goes to sleep at ten and wakes up at eight. */
const start = Date.parse('2026-11-24T11:30:00Z')
const zone = 'Asia/Shanghai'

let base: Config
let config: Config
let snapshot: Snapshot
let functions: RehearseOptions['functions']

beforeAll(async () => {
  const path = new URL('../../../infra/local/sandbox.yaml', import.meta.url).pathname
  base = await readConfig({ env: { TENCENTCLOUD_REGION: 'ap-guangzhou' }, path, folder: '.' })
  config = {
    ...base,
    mode: 'plan',
    clusters: base.clusters.filter(({ name }) => name !== 'production'),
    functions: {
      ...base.functions,
      'alarm-scaler': {},
      'redeploy-hook': {
        sources: { registry: { kind: 'distribution', secrets: ['env:SANDBOX_REGISTRY_TOKEN'] } },
        rules: [
          {
            name: 'storefront',
            repository: 'shop/storefront',
            tags: { semver: '^2' },
            targets: [{ cluster: 'staging', namespace: 'shop', kind: 'Deployment', name: 'storefront' }],
          },
        ],
      },
    },
  }
  functions = await Promise.all(localFunctions.map(async (fn) => ({ function: fn, schedules: await schedulesOf(fn.name) })))
  const time = new RehearsalTime(start)
  const redactor = createRedactor()
  const platform = await time.run(openRehearsal({ config: base, world: createBaseWorld(start, 1), clock: time.clock, seed: 1, redactor }))
  snapshot = await time.run(takeSnapshot({ cloud: asReader(platform.cloud), config: base, source: 'sandbox', now: start }))
})

afterEach(() => {
  vi.restoreAllMocks()
})

async function run(options: Partial<RehearseOptions> = {}): Promise<Rehearsal> {
  return await rehearse({ snapshot, config, functions, days: 1, zone, redactor: createRedactor(), ...options })
}

/** What was carried out, to the minute: how many calls wait for their turn at the same time changes the seconds. */
function deeds(result: Rehearsal): unknown {
  const { decisions, nodes, removed, images, curves, cores, registryBytes } = result
  const applied = decisions.filter(({ outcome }) => outcome === 'Applied')
  const text = JSON.stringify({ applied, nodes, removed, images, curves, cores, registryBytes }, (key, value: unknown) =>
    typeof value === 'number' && key.endsWith('Ms') ? Math.floor(value / 60_000) : value,
  )
  return JSON.parse(text)
}

describe('a rehearsal', () => {
  it('does what schedules, policies and pushes ask for, at their time, and shows it', async () => {
    const events = await recordedEvents(
      [{ at: '2026-11-24T12:00:30Z', push: { repository: 'shop/storefront', tag: 'v2.9.0', bytes: 1_000_000 } }],
      config,
    )
    const result = await run({ events, days: 0.55 })
    const scaled = doneDecisions(result).filter((one) => one.function === 'cron-scaler')
    expect(scaled.map(({ target, before, after, firstMs }) => [target, `${before} -> ${after}`, minuteOf(firstMs, zone)])).toEqual([
      [`${baseClusters.legacy}/settlement/HorizontalPodAutoscaler/matcher`, 'min 2, max 4 -> min 1, max 2', '2026-11-24 20:00'],
      [`${baseClusters.staging}/shop/Deployment/storefront`, 'replicas 2 -> replicas 0', '2026-11-24 22:00'],
      [`${baseClusters.staging}/shop/Deployment/storefront`, 'replicas 0 -> replicas 2', '2026-11-25 08:00'],
      [`${baseClusters.legacy}/settlement/HorizontalPodAutoscaler/matcher`, 'min 1, max 2 -> min 4, max 8', '2026-11-25 08:30'],
    ])
    expect(result.images.map(({ atMs, workload, to }) => [minuteOf(atMs, zone), workload, to])).toEqual([
      ['2026-11-24 20:01', 'shop/Deployment/storefront', 'ccr.ccs.tencentyun.com/shop/storefront:v2.9.0'],
    ])
    expect(result.removed.length).toBeGreaterThan(5)
    expect(result.failures).toEqual([])
    const replicas = result.curves.find(({ cluster }) => cluster === baseClusters.staging)?.replicas.map(({ value }) => value)
    expect(replicas).toEqual([5, 3, 5])
    expect(dayTable(result).rows.map(([day, sizes]) => [day, sizes])).toEqual([
      ['2026-11-24', '2'],
      ['2026-11-25', '2'],
      ['in all', '4'],
    ])
    expect(summaryOf(result)).toMatch(/^Sizes set 4 times; 0 nodes added and 0 removed; \d+ tags removed/)
    const page = rehearsalPage(result)
    expect(page).toContain('shop/Deployment/storefront')
    expect(page).toContain('default-src &#39;none&#39;')
    expect(page).not.toMatch(/ (?:src|href|action)="(?!#|data:)/)
  })

  it('opens no socket, whatever platform the configuration names', async () => {
    const connect = vi.spyOn(Socket.prototype, 'connect')
    const fetched = vi.spyOn(globalThis, 'fetch')
    const real: Config = {
      ...config,
      mode: 'enforce',
      store: { kind: 'dynamodb', table: 'longshore', region: 'eu-west-1' },
      journalKey: 'ssm:/longshore/journal',
      platform: {
        ...config.platform,
        endpoint: { kind: 'url', url: 'https://tke.cloud.example.com' },
        allowedHosts: ['calendars.example.com'],
        credentials: { kind: 'references', secretId: 'env:NOWHERE', secretKey: 'env:NOWHERE' },
      },
      functions: { ...config.functions, 'cron-scaler': { calendars: { holidays: { url: 'https://calendars.example.com/cn.ics' } } } },
    }
    const result = await run({ config: real, days: 0.05 })
    expect(result.days.flatMap((day) => day.functions).reduce((sum, { runs }) => sum + runs, 0)).toBeGreaterThan(5)
    expect(connect).not.toHaveBeenCalled()
    expect(fetched).not.toHaveBeenCalled()
  })

  it('comes out the same each time, and the same with every trigger run', async () => {
    const events = await recordedEvents([{ at: '2026-11-24T12:00:30Z', push: { repository: 'shop/storefront', tag: 'v2.9.0' } }], config)
    const [first, again, whole] = [
      await run({ events, days: 0.03 }),
      await run({ events, days: 0.03 }),
      await run({ events, days: 0.03, everyTick: true }),
    ]
    expect(again).toEqual(first)
    expect(deeds(whole)).toEqual(deeds(first))
    const sum = (result: Rehearsal, of: 'runs' | 'leftOut'): number =>
      result.days.flatMap((day) => day.functions).reduce((total, one) => total + one[of], 0)
    expect(sum(whole, 'leftOut')).toBe(0)
    expect(sum(whole, 'runs')).toBe(sum(first, 'runs') + sum(first, 'leftOut'))
    expect(sum(first, 'leftOut')).toBeGreaterThan(sum(first, 'runs') / 2)
  })

  it('ends when it is stopped, with what there is up to then', async () => {
    const stop = new AbortController()
    const result = await run({ signal: stop.signal, onProgress: (nowMs) => nowMs > start + 3_600_000 && stop.abort(), days: 3 })
    expect(result.isDone).toBe(false)
    expect(result.untilMs).toBeLessThan(start + 4 * 3_600_000)
  })
})

describe('an alarm in a rehearsal', () => {
  it('buys nodes for pods that find no place', async () => {
    const own: Config = { ...base, functions: { 'alarm-scaler': base.functions['alarm-scaler'] } }
    const alarm = { source: 'alerts', kind: 'alertmanager', key: 'k1', name: 'HighCpu', labels: { cluster: 'production' } }
    const size = (at: string, replicas: number): object => ({
      at,
      scale: { cluster: 'production', namespace: 'shop', kind: 'Deployment', name: 'catalog', replicas },
    })
    const events = await recordedEvents(
      [
        size('2026-11-24T11:32:00Z', 150),
        { at: '2026-11-24T11:33:00Z', alert: { ...alarm, state: 'firing', startedAtMs: start + 170_000, value: 25, threshold: 1 } },
      ],
      own,
    )
    const only = functions.filter(({ function: fn }) => fn.name === 'alarm-scaler')
    const result = await run({ config: own, functions: only, events, days: 0.006 })
    expect(result.events.map(({ trouble }) => trouble)).toEqual([undefined, undefined])
    expect(doneDecisions(result).some(({ text }) => text.includes('alarm HighCpu: 25 over 1'))).toBe(true)
    expect(result.nodes.some(({ kind }) => kind === 'added')).toBe(true)
    expect(result.deadEvents).toBe(0)
  })
})

describe('recorded events', () => {
  const push = (at: string): object => ({ at, push: { repository: 'shop/web', tag: 'v1' } })

  it('of before are moved by whole weeks, alarms with their own times', async () => {
    const alarm = {
      source: 'alerts',
      kind: 'alertmanager',
      key: 'k',
      name: 'HighCpu',
      state: 'firing',
      startedAtMs: Date.parse('2026-11-10T11:59:00Z'),
      labels: {},
    }
    const events = await recordedEvents([push('2026-11-11T10:00:00Z'), { at: '2026-11-10T12:00:00Z', alert: alarm }], base)
    const { events: moved, weeks } = movedInto(events, start)
    expect(weeks).toBe(2)
    expect(moved.map(({ atMs }) => new Date(atMs).toISOString())).toEqual(['2026-11-24T12:00:00.000Z', '2026-11-25T10:00:00.000Z'])
    const told: RecordedEvent['told'] = moved[0]?.told
    expect(told?.payload).toMatchObject({ alerts: [{ startedAtMs: Date.parse('2026-11-24T11:59:00Z') }] })
    expect(movedInto(moved, start)).toEqual({ events: moved, weeks: 0 })
  })

  it.each([
    [{ at: 'tomorrow', push: { repository: 'shop/web', tag: 'v1' } }, 'item 1 of the events: "at" is no time with a zone'],
    [{ at: '2026-11-24T12:00:00Z', push: { repository: 'SHOP', tag: 'v1' } }, 'push.repository'],
    [
      { at: '2026-11-24T12:00:00Z', scale: { cluster: 'nowhere', namespace: 'a', kind: 'Deployment', name: 'b', replicas: 1 } },
      'there is no configured cluster "nowhere"',
    ],
    [{ at: '2026-11-24T12:00:00Z', pull: {} }, 'it is none of'],
    [[push('2026-11-24T12:00:00Z'), 7], 'item 2 of the events'],
  ])('that cannot be read are refused: %j', async (content, why) => {
    await expect(recordedEvents(content, base)).rejects.toThrow(why)
  })
})
