import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { handler } from '#functions/cron-scaler/handler.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { openStage, type Stage, shownSize, web, webPath, webSchedules } from './stage.ts'

const events = new URL('../../../events/cron-scaler/', import.meta.url)

function eventOf(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, events), 'utf8'))
}

let stage: Stage
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cron-scaler-'))
  stage = await openStage('2026-11-24T00:00:05Z')
  stage.put(web(2))
  for (const object of webSchedules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }])) stage.put(object)
})

afterEach(async () => {
  await stage.close()
  rmSync(folder, { recursive: true })
})

/** The handler as Lambda has it, on the stage instead of the platform. */
function handlerOnStage(mode: 'plan' | 'enforce') {
  const config = {
    mode,
    platform: { endpoint: stage.sandbox.url, region: 'ap-guangzhou' },
    clusters: [{ id: 'cls-e0000001' }],
  }
  const compiledConfig = join(folder, 'longshore.json')
  writeFileSync(compiledConfig, JSON.stringify(config))
  return defineSchedule(definition, {
    environment: () => ({ TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey }),
    clock: { ...systemClock, now: () => stage.sandbox.clock.now() },
    writeLine: () => undefined,
    compiledConfig,
  })
}

test('the handler that ships is made of the definition', () => {
  expect(handler.definition).toBe(definition)
})

test('the first line of handler.ts says what it does, its trigger and what it writes', () => {
  const [line = ''] = readFileSync(new URL('../../../functions/cron-scaler/handler.ts', import.meta.url), 'utf8').split('\n')
  expect(line).toMatch(/^\/\*\* .+\. Trigger: .+\. Writes: .+\. \*\/$/)
})

test.each(['base', 'duplicate', 'late', 'default-input', 'local'])('events/%s is a tick', async (name) => {
  const report = await handlerOnStage('plan')(eventOf(name))
  expect(report.counts).toMatchObject({ Planned: 1, Applied: 0 })
  expect(stage.writes()).toEqual([])
})

test('every event file is run by a test', () => {
  expect(readdirSync(events).toSorted()).toEqual([
    'base.json',
    'default-input.json',
    'duplicate.json',
    'invalid.json',
    'late.json',
    'local.json',
  ])
})

test('events/invalid is refused and nothing is called', async () => {
  await expect(handlerOnStage('enforce')(eventOf('invalid'))).rejects.toThrow('must be an instant')
  expect(stage.sandbox.journal).toEqual([])
})

test('in mode enforce the base event is applied once, its duplicate changes nothing', async () => {
  const run = handlerOnStage('enforce')
  expect((await run(eventOf('base'))).counts).toMatchObject({ Applied: 1 })
  expect((await run(eventOf('duplicate'))).counts).toMatchObject({ Applied: 0, NoChange: 1 })
  expect(stage.writes()).toHaveLength(1)
})

describe('the ledger does not stand in the way of', () => {
  const counts = async (run: ReturnType<typeof handlerOnStage>, text: string) => {
    stage.at(text)
    return (await run({ trigger: 'local', scheduledAt: text })).counts
  }

  test('a Deployment that was made anew: the firing is applied to it as well', async () => {
    const run = handlerOnStage('enforce')
    expect(await counts(run, '2026-11-24T00:00:05.000Z')).toMatchObject({ Applied: 1 })
    await stage.person('DELETE', webPath)
    stage.put(web(2))
    expect(await counts(run, '2026-11-24T00:01:05.000Z')).toMatchObject({ Applied: 1 })
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
  })

  test('the end of a hold: the firing that was applied before is applied again', async () => {
    const run = handlerOnStage('enforce')
    expect(await counts(run, '2026-11-24T00:00:05.000Z')).toMatchObject({ Applied: 1 })
    for (const [hold, after] of [
      ['2026-11-24T00:10:00Z', '2026-11-24T00:10:05.000Z'],
      ['2026-11-24T00:20:00Z', '2026-11-24T00:20:05.000Z'],
    ] as const) {
      await stage.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/hold-until': hold } }, spec: { replicas: 9 } })
      expect(await counts(run, after)).toMatchObject({ Applied: 1 })
      expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
    }
  })
})
