import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { turnOf, waveLengthOf } from '#functions/cron-scaler/waves.ts'
import { at } from './fixtures.ts'

const nominal = at('2026-11-24T08:00:00Z')
const names = Array.from({ length: 500 }, (_, index) => `cls-1/default/Deployment/web-${index}`)

describe('the turn of a target', () => {
  test('is within the window, in whole seconds, and the same whoever asks and whenever', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        fc.integer({ min: 0, max: 4_000_000_000 }),
        fc.integer({ min: 0, max: 3 * 3_600_000 }),
        (name, nominalSeconds, spreadMs) => {
          const nominalMs = nominalSeconds * 1000
          const turn = turnOf(name, nominalMs, spreadMs)
          expect(turn).toBeGreaterThanOrEqual(nominalMs)
          expect(turn).toBeLessThan(nominalMs + Math.max(1, spreadMs))
          expect((turn - nominalMs) % 1000).toBe(0)
          expect(turnOf(name, nominalMs, spreadMs)).toBe(turn)
          expect(turnOf(name, 0, spreadMs)).toBe(turn - nominalMs)
        },
      ),
      { seed: 41, numRuns: 500 },
    )
  })

  test.each([0, 1, 500, 1000])('with a spread of %i ms is the instant itself', (spreadMs) => {
    expect(new Set(names.map((name) => turnOf(name, nominal, spreadMs)))).toEqual(new Set([nominal]))
  })

  test.each([
    [2000, 1000, 2],
    [30_000, 1000, 30],
    [31_000, 2000, 16],
    [60_000, 2000, 30],
    [600_000, 20_000, 30],
    [3_600_000, 120_000, 30],
  ])('with a spread of %i ms there is a wave every %i ms, and no wave stays empty or takes the lot', (spreadMs, waveMs, waves) => {
    expect(waveLengthOf(spreadMs)).toBe(waveMs)
    const counts = new Map<number, number>()
    for (const name of names) {
      const wave = (turnOf(name, nominal, spreadMs) - nominal) / waveMs
      counts.set(wave, (counts.get(wave) ?? 0) + 1)
    }
    expect([...counts.keys()].toSorted((left, right) => left - right)).toEqual(Array.from({ length: waves }, (_, wave) => wave))
    // 500 thrown at random: six standard deviations on either side of the mean.
    const mean = names.length / waves
    const leeway = 6 * Math.sqrt(mean)
    for (const count of counts.values()) expect(Math.abs(count - mean)).toBeLessThan(leeway)
  })

  test('depends on every part of the name', () => {
    const spreadMs = 3_600_000
    const moved = [
      'cls-2/default/Deployment/web',
      'cls-1/shop/Deployment/web',
      'cls-1/default/StatefulSet/web',
      'cls-1/default/Deployment/wea',
    ]
    const turns = [...moved, 'cls-1/default/Deployment/web'].map((name) => turnOf(name, nominal, spreadMs))
    expect(new Set(turns).size).toBeGreaterThan(3)
  })
})
