import { afterEach, beforeEach, expect, it } from 'vitest'
import { canaryAfter, canaryAllowance } from '#functions/image-cleaner/canary.ts'
import { observe } from '#functions/image-cleaner/observe.ts'
import { changeDay, recallDay } from '#functions/image-cleaner/run-memory.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { noFetch } from '#shared/runtime/fetch-text.ts'
import { createMemory, MemoryError, noMemory } from '#shared/runtime/memory.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { dayMs, now, settingsOf } from './fixtures.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openInProcessStage, type Stage, saying } from './stage.ts'

let stage: Stage

beforeEach(() => {
  stage = openInProcessStage()
  for (let index = 1; index <= 6; index += 1) stage.push('shop/web', `v${index}`, 100 - index)
})

afterEach(async () => {
  await stage.close()
})

const capped = freely({ last: 1 }, { caps: { perRepository: { amount: 2, percent: 100 }, perRun: 1000, perDay: 2 } })

it('7: removes nothing that could not be written down first: a run that is cut off would not be counted, and the next one begin anew', async () => {
  const store = openMemoryStore(stage.disk)
  let isDown = true
  const failing: Store = {
    name: store.name,
    get: (key, options) => store.get(key, options),
    query: (query) => store.query(query),
    delete: (key, options) => store.delete(key, options),
    close: () => store.close(),
    put: async (key, data, options) => {
      if (isDown && key.partition === 'memory/image-cleaner' && key.sort === 'day') {
        throw new StoreError('store.unavailable', 'Store: it is not there.')
      }
      return await store.put(key, data, options)
    },
  }
  const first = await stage.run(capped, { store: failing })
  expect(saying(first, 'Applied', 'Held')).toContain('Held not-counted')
  expect(stage.tags('shop/web')).toHaveLength(6)
  isDown = false
  await stage.run(capped, { store: failing })
  expect(stage.tags('shop/web')).toHaveLength(4)
  await stage.run(capped, { store: failing })
  expect(stage.tags('shop/web')).toHaveLength(4)
})

it('7: a write of the count that comes late takes back nothing that was counted since', async () => {
  const memory = createMemory(openMemoryStore(new MemoryDisk()), { function: 'image-cleaner', now: () => now })
  const late = changeDay(
    {
      ...memory,
      get: async (key) => {
        const stale = await memory.get(key)
        await changeDay(memory, 1, 'enforce', (before) => ({ ...before, removed: 5 }))
        return stale
      },
    },
    1,
    'enforce',
    (before) => ({ ...before, removed: before.removed + 1 }),
  )
  await expect(late).rejects.toThrow(MemoryError)
  expect((await recallDay(memory, 1, 'enforce')).removed).toBe(5)
})

it('7: a first day on which nobody knows what went does not count as the first one for the second', () => {
  const settings = settingsOf({
    canary: { enabled: true, amount: 2, percent: 1 },
    policies: [{ name: 'all', repositories: ['**'], keep: { last: 1 } }],
  })
  const [policy] = settings.policies
  if (policy === undefined) throw new Error('there is a policy')
  const doubtful = canaryAfter(policy, undefined, settings, { now, removed: 2, isCertain: false })
  expect(canaryAllowance(policy, doubtful, settings, now)).toBe(0)
  expect(canaryAllowance(policy, doubtful, settings, now + dayMs)).toBe(2)
})

it('8: what was read of a cluster before one of its lists failed keeps its images, though the cluster was never seen to use them', async () => {
  stage.put(deployment({ namespace: 'prod', name: 'other', image: image('shop/api', 'v1') }))
  await stage.run(freely({ tags: ['v*'] }))
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v1') }))
  stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterA, pathIncludes: '/cronjobs' } })
  stage.pass(24 * hourMs)
  const report = await stage.run(freely({ last: 1 }))
  expect(saying(report, 'Held')).toContain('Held cluster-unreadable')
  expect(stage.tags('shop/web')).toHaveLength(6)
})

it('8: asks clusters again before the first repository when looking at them took long', async () => {
  const settings = settingsOf({ policies: [{ name: 'all', repositories: ['**'], keep: { last: 1 } }], canary: { enabled: false } })
  const config = { clusters: [{ id: clusterA }], settings, mode: 'plan' } as const
  const podLists = (): number => stage.journal.filter(({ request }) => String(request?.Path).startsWith('/api/v1/pods')).length
  const asked = async (tookMs: number): Promise<number> => {
    const before = podLists()
    const parts = observe(stage.cloud, config, stage.now(), { memory: noMemory, fetchText: noFetch })
    const first = await parts.next()
    expect(first.value?.kind).toBe('clusters')
    const second = await parts.next({ steps: [], decisions: [], now: stage.now() + tookMs })
    expect(second.value?.kind).toBe('repository')
    await parts.return()
    return podLists() - before
  }
  expect(await asked(60_000)).toBe(1)
  expect(await asked(6 * 60_000)).toBe(2)
})

it('18: settles in the next night what was left open in the last one, though that is more than a day ago', async () => {
  const stop = new AbortController()
  const cloud = interfering(stage.cloud, {
    answer: ({ action }, answer) => {
      if (action === 'BatchDeleteImagePersonal') stop.abort()
      return answer
    },
  })
  await stage.run(freely({ last: 1 }), { cloud, signal: stop.signal })
  stage.pass(25 * hourMs)
  expect(saying(await stage.run(freely({ last: 1 })), 'NoChange')).toContain('NoChange settled-applied')
})
