import { expect, test } from 'vitest'
import { instantText } from '#functions/cron-scaler/instant-text.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { at } from './fixtures.ts'

test('is what formatInstant says, the first time, again, and after more than are kept', () => {
  const zones = ['UTC', 'Asia/Shanghai', 'Europe/Berlin']
  const start = at('2026-03-28T00:00:00Z')
  for (let round = 0; round < 2; round += 1) {
    for (let hour = 0; hour < 3000; hour += 1) {
      const zone = zones[hour % 3] ?? 'UTC'
      const ms = start + hour * 3_600_000 + round
      expect(instantText(ms, zone)).toBe(formatInstant(ms, zone))
      expect(instantText(ms, zone)).toBe(formatInstant(ms, zone))
    }
  }
})
