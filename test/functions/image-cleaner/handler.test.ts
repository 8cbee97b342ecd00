import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { handler } from '#functions/image-cleaner/handler.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { clusterA, freely, openStage, type Stage } from './stage.ts'

const events = new URL('../../../events/image-cleaner/', import.meta.url)

function eventOf(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, events), 'utf8'))
}

/** The instant that the event files name; none of them is older than what a run still takes up. */
const scheduledAt = /"(\d{4}-\d{2}-\d{2}T[\d:.]+Z)"/.exec(JSON.stringify(eventOf('base')))?.[1] ?? ''

let stage: Stage
let folder: string

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'image-cleaner-'))
  stage = await openStage(scheduledAt)
  for (let index = 1; index <= 3; index += 1) stage.push('shop/web', `v${index}`, 100 - index)
})

afterEach(async () => {
  await stage.close()
  rmSync(folder, { recursive: true })
})

/** The handler as Lambda has it, on the stage instead of the platform. */
function handlerOnStage(mode: 'plan' | 'enforce') {
  const compiledConfig = join(folder, 'longshore.json')
  const config = {
    mode,
    platform: { endpoint: stage.url, region: 'ap-guangzhou' },
    clusters: [{ id: clusterA }],
    functions: { 'image-cleaner': freely({ last: 1 }) },
  }
  writeFileSync(compiledConfig, JSON.stringify(config))
  return defineSchedule(definition, {
    environment: () => ({ TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey }),
    clock: { ...systemClock, now: stage.now },
    writeLine: () => undefined,
    compiledConfig,
  })
}

test('the handler that ships is made of the definition', () => {
  expect(handler.definition).toBe(definition)
})

test('the first line of handler.ts says what it does, its trigger and what it writes', () => {
  const [line = ''] = readFileSync(new URL('../../../functions/image-cleaner/handler.ts', import.meta.url), 'utf8').split('\n')
  expect(line).toMatch(/^\/\*\* .+\. Trigger: .+\. Writes: .+\. \*\/$/)
})

test.each(['base', 'duplicate', 'late', 'default-input', 'local'])('events/%s is a night', async (name) => {
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
  expect(stage.journal).toEqual([])
})

test('in mode enforce the base event is applied once, its duplicate changes nothing', async () => {
  const run = handlerOnStage('enforce')
  expect((await run(eventOf('base'))).counts).toMatchObject({ Applied: 1 })
  expect((await run(eventOf('duplicate'))).counts).toMatchObject({ Applied: 0, Skipped: 1 })
  expect(stage.tags('shop/web')).toEqual(['v3'])
  expect(stage.writes()).toEqual(['BatchDeleteImagePersonal shop/web'])
})
