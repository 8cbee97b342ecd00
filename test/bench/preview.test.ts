import { expect, test } from 'vitest'
import { measurePreview, preview } from '#infra/bench/preview.ts'

/** That the bench goes through what it says; how long that takes is no test, the machine decides that. */
test('the bench of previews goes through every rule, whether they share a target or not', async () => {
  const rows = measurePreview({ rounds: 1, days: 3, ruleCount: 200 })
  expect(rows.map(({ targets }) => targets)).toEqual([100, 20, 2])
  for (const row of rows) {
    expect(row.rules).toBe(200)
    // Nearly every rule changes something on nearly every day.
    expect(row.changes).toBeGreaterThan(300)
    expect(row.changes).toBeLessThanOrEqual(600)
  }
  expect(preview.name).toBe('preview')
})
