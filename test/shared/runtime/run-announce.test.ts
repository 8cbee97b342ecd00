import { describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { runSchedule, runSteps } from '#shared/runtime/run.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from './memory-kernel.ts'
import { type TinyChange, type TinySettings, tiny } from './tiny-definition.ts'

type Tiny = ScheduleDefinition<TinySettings, readonly string[], TinyChange>

const now = Date.UTC(2026, 0, 31, 8)

async function optionsOf(mode: Config['mode']) {
  const config: Config = {
    mode,
    platform: {
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: 'cls-1' }],
    store: { kind: 'memory' },
    functions: { 'cron-scaler': { rules: [{ target: 'web' }, { target: 'api' }] } },
  }
  const cloud = { send: async () => ({ Clusters: [{ ClusterId: 'cls-1' }], TotalCount: 1, ResponseBody: '{}', RequestId: 'r' }) }
  const disk = new MemoryDisk()
  const kernel = await memoryKernel({ config, cloud: cloud as unknown as CloudWriter, now: () => now + 500, disk })
  const memory = createMemory(openMemoryStore(disk), { function: tiny.name, now: () => now })
  const options = {
    config,
    cloud: cloud as unknown as CloudWriter,
    now,
    scheduledAt: now,
    trigger: { kind: 'local' },
    log: silentLog,
  } as const
  return { memory, options: { ...options, owner: 'this-run', kernel } }
}

describe('what a function announces', () => {
  const announcing = (announce: NonNullable<Tiny['announce']>): Tiny => ({ ...tiny, announce })

  it('is said before anything is carried out, and what has to wait is held', async () => {
    const { options, memory } = await optionsOf('enforce')
    const applied: string[] = []
    const definition: Tiny = {
      ...announcing(async ({ steps, now: atMs, memoryOf }, own) => {
        await own.put('about', { steps: steps.length, atMs })
        expect(await memoryOf('image-cleaner').list('')).toEqual([])
        const [first] = steps
        return new Map(first === undefined ? [] : [[first.key, { code: 'waits', text: 'somebody else comes first' }]])
      }),
      apply: async (step) => {
        expect((await memory.get('about'))?.value).toEqual({ steps: 2, atMs: now + 500 })
        applied.push(step.target)
        return { outcome: 'Applied' }
      },
    }
    const { decisions } = await runSchedule(definition, options)
    expect(decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`).filter((text) => !text.includes('No'))).toEqual([
      'Held waits',
      expect.stringMatching(/^Applied /),
    ])
    expect(applied).toHaveLength(1)
  })

  it('holds everything when it cannot be said', async () => {
    const { options } = await optionsOf('enforce')
    const definition = announcing(() => Promise.reject(new StoreError('store.unavailable', 'the store is away')))
    const { decisions, failure } = await runSchedule(definition, options)
    expect(failure).toBeUndefined()
    expect(decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`)).toEqual(['Held announce-failed', 'Held announce-failed'])
    expect(decisions[0]?.reason.text).toContain('the store is away (store.unavailable)')
  })

  it('is not said by whoever only plans, nor where there is nothing to do', async () => {
    const { options } = await optionsOf('plan')
    const never = announcing(() => Promise.reject(new Error('nothing is about to be done')))
    expect((await runSchedule(never, options)).decisions.map(({ outcome }) => outcome)).toEqual(['Planned', 'Planned'])
    const enforced = await optionsOf('enforce')
    expect((await runSteps(never, [], enforced.options)).decisions).toEqual([])
  })
})
