import { expect, it } from 'vitest'
import { localTime } from '#infra/local/local-time.ts'

it.each([
  ['2026-11-24T00:00:00.999Z', 'Asia/Shanghai', '2026-11-24 08:00:00 +08:00'],
  ['2026-11-24T00:00:00Z', 'UTC', '2026-11-24 00:00:00 UTC'],
  ['2026-11-24T00:00:00Z', 'America/New_York', '2026-11-23 19:00:00 -05:00'],
  ['2026-07-24T00:00:00Z', 'America/New_York', '2026-07-23 20:00:00 -04:00'],
  ['2026-11-24T00:00:00Z', 'Asia/Kathmandu', '2026-11-24 05:45:00 +05:45'],
])('%s in %s', (instant, zone, shown) => {
  expect(localTime(Date.parse(instant), zone)).toBe(shown)
})
