import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chartAssets, mostPoints, type StepPoint, stepChart } from '#infra/report/chart.ts'

const fromMs = Date.parse('2026-11-24T00:00:00Z')
const hourMs = 3_600_000

function chartOf(points: readonly StepPoint[], hours = 24) {
  return stepChart({
    id: 'one',
    title: 'cls-1/<default>/web',
    unit: 'replicas',
    zone: 'Asia/Shanghai',
    fromMs,
    untilMs: fromMs + hours * hourMs,
    edges: { low: 'at least', high: 'at most' },
    points,
  })
}

function point(hour: number, low: number | null, high: number | null = low): StepPoint {
  return { atMs: fromMs + hour * hourMs, low, high }
}

/** The points of a chart's data, as the page reads them. */
function pointsOf({ data }: ReturnType<typeof stepChart>): StepPoint[] {
  let atMs = 0
  return data.steps.map((step, index) => {
    atMs += step
    const low = data.low[index] ?? null
    return { atMs, low, high: data.high === undefined ? low : (data.high[index] ?? null) }
  })
}

describe('a chart', () => {
  test('hands the page what it was given, one edge where both are the same', () => {
    const points = [point(0, null), point(8, 5), point(20, 2)]
    const chart = chartOf(points)
    expect(pointsOf(chart)).toEqual(points)
    expect(chart.data.high).toBeUndefined()
    expect(chart.data.isThinned).toBe(false)
    const band = chartOf([point(0, 1, 3), point(8, 2)])
    expect(pointsOf(band)).toEqual([point(0, 1, 3), point(8, 2)])
  })

  test('tells its extent to those who do not see it, and escapes its title', () => {
    const { markup } = chartOf([point(0, 2), point(8, 5), point(20, 3)]).figure
    expect(markup).toContain(
      'aria-label="cls-1/&lt;default&gt;/web, from Tue 2026-11-24 08:00:00 Asia/Shanghai to Wed 2026-11-25 08:00:00 Asia/Shanghai: between 2 and 5 replicas, 2 changes"',
    )
    expect(markup).toContain('tabindex="0"')
    expect(markup).toContain('aria-live="polite"')
    expect(chartOf([point(0, null)]).figure.markup).toContain('nothing is known')
    expect(chartOf([point(0, 4)]).figure.markup).toContain('4 replicas, 0 changes')
  })

  test('names its edges where they differ', () => {
    expect(chartOf([point(0, 1, 3)]).figure.markup).toContain('<span class="low">at least</span> and <span class="high">at most</span>')
    expect(chartOf([point(0, 1)]).figure.markup).not.toContain('at least')
  })

  test('of too many changes keeps the lowest and the highest of each stretch, and says so', () => {
    fc.assert(
      fc.property(fc.integer({ min: mostPoints + 1, max: 3 * mostPoints }), fc.integer({ min: 1, max: 97 }), (count, factor) => {
        const hours = 24 * 365
        const points = Array.from({ length: count }, (_, index) => point((index * hours) / count, (index * factor) % 11))
        const chart = chartOf(points, hours)
        expect(chart.figure.markup).toContain('more changes than a page holds')
        const kept = pointsOf(chart)
        expect(kept).toHaveLength(mostPoints)
        for (const [index, { atMs, low, high }] of kept.entries()) {
          const endMs = kept[index + 1]?.atMs ?? fromMs + hours * hourMs
          const before = points.findLast((one) => one.atMs <= atMs)
          const values = [before, ...points.filter((one) => one.atMs > atMs && one.atMs < endMs)].map((one) => one?.low ?? 0)
          expect([low, high]).toEqual([Math.min(...values), Math.max(...values)])
        }
      }),
      { seed: 5, numRuns: 3 },
    )
  })

  test('refuses an id that would not be one', () => {
    expect(() => stepChart({ ...chartOf([]).data, points: [], id: 'a b' })).toThrow('no id of a chart')
  })
})

describe('what charts are drawn with', () => {
  test('is uPlot with its licence, and our own script; nothing of it asks for anything from elsewhere', () => {
    const { styles, scripts } = chartAssets()
    expect(scripts[0]).toContain('Permission is hereby granted, free of charge')
    expect(scripts[0]).toContain('Copyright (c) 2022 Leon Sorokin')
    expect(scripts[0]).toContain('var uPlot=')
    for (const text of [...styles, ...scripts]) {
      // The comment that names uPlot's home is all.
      const rest = text.replace('/*! https://github.com/leeoniya/uPlot (v1.6.32) */', '')
      expect(rest).not.toMatch(/https?:|url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|import\(|sendBeacon|eval\(|new Function/)
    }
  })
})
