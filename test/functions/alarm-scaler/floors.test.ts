import { describe, expect, it } from 'vitest'
import { config, minute, SmallPool } from './small-pool.ts'

/** Two leases of one group, of which the first was about to go and was kept by the second alarm. */
function keptAndGrown(): SmallPool {
  const pool = new SmallPool(config(), { loadMilli: 40_000 })
  pool.hear('firing', { value: 91 })
  pool.look()
  pool.run(8 * minute)
  pool.habits = { ...pool.habits, loadMilli: 1000 }
  pool.hear('resolved')
  for (let minutes = 0; minutes < 40 && pool.leases[0]?.floor !== 0; minutes += 1) pool.run(minute)
  expect(pool.leases[0]).toMatchObject({ state: 'recovering', floor: 0 })
  pool.habits = { ...pool.habits, loadMilli: 40_000 }
  pool.hear('firing', { key: 'series-2', startedAtMs: pool.now, value: 91 })
  pool.look()
  pool.run(8 * minute)
  expect(pool.leases.map(({ state, wanted }) => ({ state, wanted }))).toEqual([
    { state: 'held', wanted: 2 },
    { state: 'held', wanted: 2 },
  ])
  expect(pool.size).toBe(6)
  return pool
}

describe('a lease whose floor was lowered before another alarm kept its nodes', () => {
  it('is given back all the same, and the bounds are what they were', () => {
    const pool = keptAndGrown()
    pool.habits = { ...pool.habits, loadMilli: 1000 }
    pool.hear('resolved', { key: 'series-2', startedAtMs: pool.now })
    pool.run(90 * minute)
    expect(pool.leases.map(({ outcome }) => outcome?.kind)).toEqual(['removed', 'removed'])
    expect(pool.removed.toSorted()).toEqual(['ins-1', 'ins-2', 'ins-3', 'ins-4'])
    expect(pool.bounds).toEqual({ min: 1, max: 10 })
    expect(pool.bought).toBe(4)
  })
})
