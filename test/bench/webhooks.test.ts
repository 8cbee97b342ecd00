import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openRedeployWorld } from '#infra/bench/redeploy-world.ts'
import { measureWebhooks } from '#infra/bench/webhooks.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

it('measures webhooks and floods them, and what it promises about the flood holds', async () => {
  const { rows, goals = [] } = await measureWebhooks({ rounds: 1, steady: 10, flood: 60, pushes: 1 })
  expect(rows.map(({ webhooks, requests, events }) => [webhooks, requests, events])).toEqual([
    ['registry notifications', 10, 10],
    ['signed pushes', 10, 10],
    ['groups of alarms', 10, 10],
    ['forged, replayed and reordered', 60, 20],
  ])
  for (const { p50, p99, most } of rows) expect([p50 > 0, p50 <= p99, p99 <= most]).toEqual([true, true, true])
  expect(goals.map(({ goal }) => goal)).toHaveLength(6)
  for (const { goal, met } of goals.slice(3)) expect(met, goal).toBe('yes')
}, 30_000)

it('counts a workload that did not get what was pushed last as one that was deployed wrongly', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-webhooks-'))
  const store = await openSqliteStore({ path: join(folder, 'store.db') })
  const world = await openRedeployWorld(store, {}, 3)
  try {
    expect(world.wrongDeploys()).toBe(0)
    world.push(1)
    expect(world.wrongDeploys()).toBe(3)
  } finally {
    await world.close()
    await store.close()
    await rm(folder, { recursive: true })
  }
})
