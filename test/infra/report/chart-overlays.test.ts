import { describe, expect, test } from 'vitest'
import { stepChart } from '#infra/report/chart.ts'
import { drawnOverlays, overlayKey } from '#infra/report/chart-overlays.ts'

const fromMs = Date.parse('2026-11-24T00:00:00Z')
const hourMs = 3_600_000

describe('what a chart shows beside its curve', () => {
  test('is named in the caption as far as it is there, with texts escaped', () => {
    const { markup } = overlayKey({
      curve: 'used <b>',
      limit: { title: 'entitled', points: [{ atMs: fromMs, value: 5 }] },
      marks: { title: 'highest', points: [] },
      gaps: { title: 'not measured', stretches: [{ fromMs, untilMs: fromMs + 1 }] },
    })
    expect(markup).toBe(
      '<span class="keys"><span class="key key-curve">used &lt;b&gt;</span><span class="key key-limit">entitled</span><span class="key key-gap">not measured</span></span>',
    )
  })

  test('gaps of which there are too many for a page become fewer, the nearest together, and none is lost', () => {
    // Pairs of gaps an hour apart, the pairs a day apart.
    const stretches = Array.from({ length: 1600 }, (_, index) => {
      const start = fromMs + Math.floor(index / 2) * 24 * hourMs + (index % 2) * 2 * hourMs
      return { fromMs: start, untilMs: start + hourMs }
    })
    const { gaps } = drawnOverlays({ curve: 'used', gaps: { title: 'not measured', stretches } })
    const drawn = gaps?.stretches ?? []
    expect(drawn).toHaveLength(800)
    for (const { fromMs: from, untilMs } of stretches) expect(drawn.some((one) => one.fromMs <= from && one.untilMs >= untilMs)).toBe(true)
    const few = stretches.slice(0, 10)
    expect(drawnOverlays({ curve: 'used', gaps: { title: 'x', stretches: few } }).gaps?.stretches).toEqual(few)
  })

  test('what is expected can be gone through after the end of the curve', () => {
    const point = (hour: number, value: number | null) => ({ atMs: fromMs + hour * hourMs, low: value, high: value })
    const ahead = [2, 3, 4].map((hour) => ({ atMs: fromMs + hour * hourMs, low: 1, likely: 2, high: 3 }))
    const chartOf = (points: ReturnType<typeof point>[]) =>
      stepChart({
        id: 'one',
        title: 'one',
        unit: 'core',
        zone: 'UTC',
        fromMs,
        untilMs: fromMs + 5 * hourMs,
        edges: { low: 'least', high: 'most' },
        points,
        overlays: { curve: 'used', ahead: { title: 'expected', points: ahead } },
      })
    const { data, figure } = chartOf([point(0, 5), point(2, null)])
    expect(data.low).toEqual([5, null, null, null])
    expect(data.steps.slice(1)).toEqual([2 * hourMs, hourMs, hourMs])
    expect(data.overlays?.ahead?.points).toEqual(ahead)
    // The places are no changes of the curve.
    expect(figure.markup).toContain('5 core, 1 change')
    // A curve that goes on has no such places: it would end there.
    expect(chartOf([point(0, 5)]).data.low).toEqual([5])
  })
})
