import { expect, it } from 'vitest'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { keepLeased, recallLeased } from '#functions/alarm-scaler/leased-clusters.ts'
import { plan } from '#functions/alarm-scaler/plan.ts'
import type { PoolView } from '#functions/alarm-scaler/view.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { config, hour, minute, noon, observed, view } from './small-pool.ts'

const day = 24 * hour
const disk = new MemoryDisk()
const memoryAt = (now: number): MemoryWriter => createMemory(openMemoryStore(disk), { function: 'alarm-scaler', now: () => now })

const pool = (name: string, states: readonly Lease['state'][], more: Partial<PoolView> = {}): PoolView =>
  view({
    pool: name,
    record: {
      resourceVersion: '1',
      value: { version: 1, cluster: 'cls-1', pool: name, ordinal: 1, bases: [], leases: states.map((state) => ({ state }) as Lease) },
    },
    ...more,
  })

async function kept(views: readonly PoolView[], now: number, isWhole = false) {
  const memory = memoryAt(now)
  await keepLeased(memory, await recallLeased(memory), { views, isWhole }, now)
  return (await recallLeased(memoryAt(now))).map(({ cluster, pools, atMs }) => [cluster, pools.join(), atMs])
}

it('which clusters have open leases is remembered, as far as they were looked at, and for a month after it was seen', async () => {
  expect(await kept([pool('web', ['closed'])], noon)).toEqual([])
  expect(await kept([pool('web', ['held', 'closed'])], noon)).toEqual([['cls-1', 'web', noon]])
  // What says the same again is written once a day.
  expect(await kept([pool('web', ['held'])], noon + minute)).toEqual([['cls-1', 'web', noon]])
  expect(await kept([pool('jobs', ['asking'])], noon + minute)).toEqual([['cls-1', 'jobs,web', noon + minute]])
  const unread = { problem: { code: 'cluster-unreadable' as const, text: 'nobody answers' } }
  expect(await kept([pool('web', ['closed'], unread)], noon + 2 * minute)).toEqual([['cls-1', 'jobs,web', noon + minute]])
  expect(await kept([pool('web', ['held'])], noon + minute + day, true)).toEqual([['cls-1', 'web', noon + minute + day]])
  expect(await recallLeased(memoryAt(noon + minute + 32 * day))).toEqual([])
  expect(await kept([pool('web', ['closed'])], noon + 2 * day)).toEqual([])
})

it('a cluster that is taken out of the configuration while nodes are leased in it is told at every look at everything', () => {
  const forsaken = [{ cluster: 'cls-9', pools: ['web', 'jobs'], seenAtMs: noon - hour }]
  const steps = plan(observed({ episodes: [], pools: [], forsaken }), config(), noon)
  expect(steps).toMatchObject([{ target: 'cls-9', verdict: 'held', reason: { code: 'cluster-gone' } }])
  expect(steps[0]?.reason.text).toContain('had open leases of web, jobs')
})
