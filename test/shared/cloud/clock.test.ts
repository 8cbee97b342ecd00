import { describe, expect, test } from 'vitest'
import { systemClock } from '#cloud/clock.ts'

describe('systemClock', () => {
  test("tells this machine's time in milliseconds, and a monotonic one", () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000)
    const before = systemClock.monotonic()
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(before)
  })

  test('sleeps as long as told, and not at all for nothing', async () => {
    const before = systemClock.monotonic()
    await systemClock.sleep(20)
    expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(19)
    await systemClock.sleep(0)
    await systemClock.sleep(-5)
    expect(systemClock.monotonic() - before).toBeLessThan(1000)
  })

  test('a sleep of months does not end at once', async () => {
    const signal = AbortSignal.timeout(30)
    await expect(systemClock.sleep(5_000_000_000, signal)).rejects.toThrow()
    expect(signal.aborted).toBe(true)
  })

  test('an abort ends the sleep with its reason, also when it came before', async () => {
    const controller = new AbortController()
    const sleep = systemClock.sleep(10_000, controller.signal)
    controller.abort(new Error('enough'))
    await expect(sleep).rejects.toThrow('enough')
    await expect(systemClock.sleep(0, controller.signal)).rejects.toThrow('enough')
  })
})
