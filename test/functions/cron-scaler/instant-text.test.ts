import { expect, test } from 'vitest'
import { firedText, instantText, nextText } from '#functions/cron-scaler/instant-text.ts'
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

test('what steps say of a firing and of the next one names its own instant, zone and size, also after more than are kept', () => {
  const start = at('2026-03-28T00:00:00Z')
  for (let hour = 0; hour < 3000; hour += 1) {
    for (const zone of ['UTC', 'Asia/Shanghai']) {
      const ms = start + hour * 3_600_000
      expect(firedText(ms, zone)).toBe(` fired at ${formatInstant(ms, zone)}`)
      for (const size of ['replicas 5', 'min 2, max 6', 'replicas 5']) {
        expect(nextText(size, ms, zone)).toBe(`; next: ${size} at ${formatInstant(ms, zone)} by `)
      }
    }
  }
})
