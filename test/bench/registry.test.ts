import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { measureRegistryCalls } from '#infra/bench/registry-calls.ts'
import { measureRegistryMemory } from '#infra/bench/registry-memory.ts'
import { measureRegistryPlan } from '#infra/bench/registry-plan.ts'
import { fairEnds, measureFairness, measureRegistryRate } from '#infra/bench/registry-rate.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The same as in the bench with a tenth of the registry and less: what it counts in virtual time is the same on every machine. */
describe('the bench of a registry', () => {
  it('reads tags at the published rate, never above it, one repository as well as many', async () => {
    const { rows, goals } = await measureRegistryRate({ scale: 20 })
    const [even, usual, rough, ten, many, careful] = rows
    for (const row of [even, usual]) {
      // 51 calls: each page but the first brings 99 new rows.
      expect(row).toMatchObject({ tags: 5000, calls: 51, boundSeconds: 2.5, refused: 0, busiest: 20 })
      expect(row?.timesBound).toBeLessThan(1.1)
    }
    expect(rough?.refused).toBeLessThanOrEqual(3)
    expect(rough?.timesBound).toBeLessThan(1.4)
    for (const row of [ten, many]) {
      expect(row).toMatchObject({ refused: 0 })
      expect(row?.busiest).toBeLessThanOrEqual(20)
      expect(row?.timesBound).toBeLessThan(1.3)
    }
    // 16 leave in a second; on ways that differ some more can arrive in one.
    expect(careful).toMatchObject({ refused: 0 })
    expect(careful?.busiest).toBeGreaterThanOrEqual(16)
    expect(careful?.busiest).toBeLessThan(20)
    expect(goals).toHaveLength(6)
  })

  it('lets a small repository be done in its time beside a huge one', async () => {
    const { rows, goals = [] } = await measureFairness({ scale: 20 })
    const [huge] = rows
    const small = rows.at(-1)
    expect(small?.seconds).toBeLessThan((huge?.seconds ?? 0) / 3)
    expect(goals.map(({ met }) => met)).toEqual(['yes', 'yes'])
  })

  it('says when each would be done by equal parts of 20 a second', () => {
    expect(fairEnds([20])).toEqual([1])
    expect(fairEnds([40, 10, 10])).toEqual([3, 1.5, 1.5])
  })

  it('counts what a batch of twenty tags costs: by the list where it is short, else tag by tag, before and after', async () => {
    const { rows, goals = [] } = await measureRegistryCalls()
    const [short, , long] = rows
    // Sixteen contents under twenty tags.
    for (const row of rows) expect(row).toMatchObject({ removed: 20, sameContent: 16, removals: 1 })
    // Four pages before, three after.
    expect(short?.reads).toBe(7)
    // Twenty and the one that stays, twice.
    expect(long?.reads).toBe(42)
    expect(goals.map(({ met }) => met)).toEqual(['yes', 'yes'])
  })

  it('plans a registry in a process of its own', async () => {
    const { rows, goals } = await measureRegistryPlan({ root, quick: true }, { parts: 200 })
    const [capped, all] = rows
    for (const row of rows) {
      expect(row).toMatchObject({ repositories: 442 })
      for (const figure of [row.tags, row.references, row.going, row.peakMb]) expect(figure).toBeGreaterThan(0)
    }
    expect(all?.going).toBeGreaterThanOrEqual(capped?.going ?? Number.NaN)
    expect(goals).toHaveLength(2)
  }, 30_000)

  it('runs over repositories in processes of their own', async () => {
    const { rows, goals } = await measureRegistryMemory({ root, quick: true }, { counts: [1, 2], size: 250, days: ['once'] })
    expect(rows.map(({ repositories, tags, run }) => [repositories, tags, run])).toEqual([
      [1, 250, 'once'],
      [2, 500, 'once'],
    ])
    for (const row of rows) {
      expect(row.planned).toBeGreaterThan(0)
      // One about the cluster, one about each repository.
      expect(row.decisions).toBe(1 + row.repositories + row.planned)
    }
    expect(goals).toHaveLength(2)
  }, 30_000)
})
