import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { systemClock } from '#cloud/clock.ts'
import { definition } from '#functions/license-meter/definition.ts'
import { handler } from '#functions/license-meter/handler.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { readEntries } from '#shared/licence/record-store.ts'
import { checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { settingsFaults } from '#shared/runtime/own-faults.ts'
import { clusterA, clusterB, home, openStage, type Stage, said } from './stage.ts'

const events = new URL('../../../events/license-meter/', import.meta.url)

function eventOf(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}.json`, events), 'utf8'))
}

let stage: Stage
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'license-meter-'))
  stage = await openStage('2026-11-24T00:03:02Z')
  stage.grow(clusterA, 2)
})
afterEach(async () => {
  await stage.close()
  rmSync(folder, { recursive: true })
})

/** The handler as Lambda has it, on the stage instead of the platform, with a store in a file. */
function handlerOnStage(mode: 'observe' | 'plan' | 'enforce' = 'plan', more: object = {}) {
  const compiledConfig = join(folder, 'longshore.json')
  const config = {
    mode,
    platform: { endpoint: stage.url, region: home },
    clusters: [{ id: clusterA }],
    store: { kind: 'sqlite', path: join(folder, 'store.db') },
    functions: { 'license-meter': { entitlements: [{ product: 'tke-*', cores: 128 }] } },
    ...more,
  }
  writeFileSync(compiledConfig, JSON.stringify(config))
  return defineSchedule(definition, {
    environment: () => ({ TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey }),
    clock: { ...systemClock, now: stage.now },
    writeLine: () => undefined,
    compiledConfig,
  })
}

/** Hours on record, as the next process finds them. */
async function hours(): Promise<readonly string[]> {
  const store = await openStore({ kind: 'sqlite', path: join(folder, 'store.db') }, { clock: systemClock, random: Math.random })
  const memory = createMemory(store, { function: 'license-meter', now: stage.now })
  const found: string[] = []
  for await (const { sample } of readEntries(memory, home, 0, Number.MAX_SAFE_INTEGER)) found.push(sample.hour)
  await store.close()
  return found
}

it('the handler that ships is made of the definition', () => {
  expect(handler.definition).toBe(definition)
})

it('the first line of handler.ts says what it does, its trigger and what it writes', () => {
  const [line = ''] = readFileSync(new URL('../../../functions/license-meter/handler.ts', import.meta.url), 'utf8').split('\n')
  expect(line).toMatch(/^\/\*\* .+\. Trigger: .+\. Writes: .+\. \*\/$/)
})

it.each(['base', 'duplicate', 'late', 'default-input', 'local'])('events/%s measures the hour in which it comes', async (name) => {
  expect(said(await handlerOnStage()(eventOf(name)))).toContain(`${home} NoChange measured-now`)
  expect(await hours()).toEqual(['2026-11-24T00:00:00Z'])
})

it('every event file is run by a test', () => {
  const names = ['base.json', 'default-input.json', 'duplicate.json', 'invalid.json', 'late.json', 'local.json']
  expect(readdirSync(events).toSorted()).toEqual(names)
})

it('events/invalid is refused and nothing is called', async () => {
  await expect(handlerOnStage()(eventOf('invalid'))).rejects.toThrow('must be an instant')
  expect(stage.journal).toEqual([])
})

it.each(['observe', 'plan', 'enforce'] as const)('measures in mode %s, and a duplicate in another process costs no call', async (mode) => {
  await handlerOnStage(mode)(eventOf('base'))
  const calls = stage.journal.filter(({ action }) => action === 'CollectAllCore' || action === 'QueryOverage').length
  expect(calls).toBe(2)
  await handlerOnStage(mode)(eventOf('duplicate'))
  expect(stage.journal.filter(({ action }) => action === 'CollectAllCore' || action === 'QueryOverage').length).toBe(calls)
  expect(stage.journal.filter(({ effect }) => effect !== 'read')).toEqual([])
  expect(await hours()).toEqual(['2026-11-24T00:00:00Z'])
})

it('fails, so that alarms ring, when the record cannot be opened', async () => {
  const store = { kind: 'sqlite', path: join(folder, 'longshore.json', 'store.db') }
  await expect(handlerOnStage('plan', { store })(eventOf('base'))).rejects.toThrow(/store/i)
  expect(stage.journal).toEqual([])
})

it('has nothing that could be carried out', async () => {
  const apply = definition.apply as (...words: unknown[]) => Promise<unknown>
  await expect(apply({}, stage.cloud, {}, 0)).rejects.toThrow('plans no changes')
})

describe('settings', () => {
  const faultsOf = async (
    settings: object,
    clusters: object[] = [
      { id: clusterA, region: home },
      { id: clusterB, region: 'ap-chengdu' },
    ],
  ) => {
    const text = JSON.stringify({ platform: { endpoint: stage.url, region: home }, clusters, functions: { 'license-meter': settings } })
    const config = await checkConfig({ text: readJson(text), source: 'here', env: {}, schemas: { 'license-meter': definition.settings } })
    return await settingsFaults(definition, config)
  }
  const entitlements = [{ product: '*', region: 'ap-chengd', cores: 1 }]

  it('with an entitlement for a region that nobody measures are refused', async () => {
    const text = 'matches none of the regions that are measured: ap-guangzhou, ap-chengdu'
    expect(await faultsOf({ entitlements })).toEqual([{ path: 'functions.license-meter.entitlements[0].region', text }])
    expect(await faultsOf({ entitlements, regions: ['ap-beijing'] })).toMatchObject([{ text: expect.stringContaining('ap-beijing') }])
    expect(await faultsOf({ entitlements: [{ product: '*', region: 'ap-*', cores: 1 }] })).toEqual([])
  })

  it('where the region is known only where it runs are not judged by it', async () => {
    expect(await faultsOf({ entitlements }, [{ id: clusterA }])).toEqual([])
    expect(await faultsOf({ entitlements }, [])).toEqual([])
  })

  it('of the README are valid', async () => {
    const readme = readFileSync(new URL('../../../functions/license-meter/README.md', import.meta.url), 'utf8')
    const [, example = ''] = /```yaml\n(functions:[\s\S]*?)```/.exec(readme) ?? []
    const { functions } = parse(example)
    expect(await faultsOf(functions['license-meter'], [])).toEqual([])
    expect(example).toContain('license-meter')
  })
})
