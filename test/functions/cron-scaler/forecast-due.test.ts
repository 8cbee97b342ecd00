import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { Settings } from '#functions/cron-scaler/event.ts'
import { forecastDue, rememberForecast } from '#functions/cron-scaler/forecast-due.ts'
import { createMemory, noMemory } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { at } from './fixtures.ts'

const settings = z.parse(Settings, { forecast: {} })

function memoryAt(now: number) {
  return createMemory(openMemoryStore(new MemoryDisk()), { function: 'cron-scaler', now: () => now })
}

describe('when the forecast of a day is due', () => {
  test('from the time of day in the zone of the settings on, until it was made', async () => {
    const now = at('2026-11-24T08:00:00Z')
    const memory = memoryAt(now)
    expect(await forecastDue(settings, now, { memory })).toEqual({ dueMs: now, mayWait: true })
    await rememberForecast(now, now, memory)
    expect(await forecastDue(settings, now + 60_000, { memory })).toBeUndefined()
    expect(await forecastDue(settings, at('2026-11-25T07:59:59Z'), { memory })).toBeUndefined()
    expect(await forecastDue(settings, at('2026-11-25T08:00:30Z'), { memory })).toMatchObject({ dueMs: at('2026-11-25T08:00:00Z') })
  })

  test('late it is that of the day before, and does not wait any more', async () => {
    const now = at('2026-11-24T03:00:00Z')
    expect(await forecastDue(settings, now, { memory: memoryAt(now) })).toEqual({ dueMs: at('2026-11-23T08:00:00Z'), mayWait: false })
  })

  test('without a store only in its very minute', async () => {
    const now = at('2026-11-24T08:00:59Z')
    expect(await forecastDue(settings, now, { memory: noMemory })).toEqual({ dueMs: at('2026-11-24T08:00:00Z'), mayWait: false })
    expect(await forecastDue(settings, now + 1000, { memory: noMemory })).toBeUndefined()
  })

  test('never when it is off, for somebody who looks at a plan, or when the store cannot be read', async () => {
    const now = at('2026-11-24T08:00:00Z')
    const memory = memoryAt(now)
    expect(await forecastDue(z.parse(Settings, {}), now, { memory })).toBeUndefined()
    expect(await forecastDue(settings, now, { memory, fresh: true })).toBeUndefined()
    const broken = { ...memory, get: () => Promise.reject(new StoreError('store.unavailable', 'no')) }
    expect(await forecastDue(settings, now, { memory: broken })).toBeUndefined()
  })
})

describe('its settings', () => {
  test('have defaults, and reach to the end of the next day', () => {
    expect(z.parse(Settings, { forecast: {} }).forecast).toEqual({ at: 16 * 3600, horizon: 32 * 3_600_000 })
    expect(z.parse(Settings, { forecast: { at: '09:30', horizon: '2d' } }).forecast).toEqual({ at: 34_200, horizon: 2 * 86_400_000 })
    expect(z.parse(Settings, {}).forecast).toBeUndefined()
  })

  test.each([
    [{ at: '24:00' }, '"24:00" is no time of day: write it as in "16:00"'],
    [{ at: '9:30' }, '"9:30" is no time of day: write it as in "16:00"'],
    [{ horizon: '30m' }, '"30m" is no horizon of a forecast: write 1h to 7d'],
    [{ horizon: '8d' }, '"8d" is no horizon of a forecast: write 1h to 7d'],
  ])('%j is refused', (forecast, text) => {
    expect(z.safeParse(Settings, { forecast }).error?.issues.map(({ message }) => message)).toEqual([text])
  })
})
