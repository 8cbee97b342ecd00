import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TargetTimeline } from '#functions/cron-scaler/timeline.ts'
import { curveOf, ReplicaCurve } from '#infra/report/replica-curve.ts'

const fromMs = Date.parse('2026-11-24T00:00:00Z')
const hourMs = 3_600_000
const period = { fromMs, untilMs: fromMs + 100 * hourMs }

function timelineOf(start: number | undefined, changes: readonly (readonly [hour: number, replicas: number])[]): TargetTimeline {
  return {
    cluster: 'cls-1',
    target: { kind: 'Deployment', namespace: 'default', name: 'web' },
    name: 'cls-1/default/Deployment/web',
    start: start === undefined ? undefined : { kind: 'replicas', replicas: start },
    end: undefined,
    entries: changes.map(([hour, replicas]) => ({
      atMs: fromMs + hour * hourMs,
      verdict: 'change',
      code: 'due',
      text: '',
      rule: 'r',
      before: undefined,
      after: { kind: 'replicas', replicas },
    })),
    rules: [],
    ties: [],
    hours: { min: 0, max: 0, unknown: 0 },
  }
}

describe('the curve of a target', () => {
  test('begins with what is there, unless that changes at once', () => {
    expect(curveOf(timelineOf(2, [[8, 5]]), fromMs).map(({ atMs, low }) => [(atMs - fromMs) / hourMs, low])).toEqual([
      [0, 2],
      [8, 5],
    ])
    expect(curveOf(timelineOf(2, [[0, 5]]), fromMs)).toHaveLength(1)
    expect(curveOf(timelineOf(undefined, []), fromMs)).toEqual([{ atMs: fromMs, low: null, high: null }])
  })

  test('leaves out what changes nothing', () => {
    const held = timelineOf(2, [[8, 5]])
    const entries = held.entries.map((entry) => ({ ...entry, verdict: 'held' as const }))
    expect(curveOf({ ...held, entries }, fromMs)).toHaveLength(1)
  })
})

describe('the sum of curves', () => {
  const changes = fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: 99 }), fc.integer({ min: 0, max: 9 })), {
    selector: ([hour]) => hour,
    maxLength: 8,
  })
  const drawn = fc.tuple(
    fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
    changes.map((all) => all.toSorted(([left], [right]) => left - right)),
  )

  test('is at every hour what adding up says, and so are its months and its peaks', () => {
    fc.assert(
      fc.property(fc.array(drawn, { maxLength: 5 }), (targets) => {
        const curve = new ReplicaCurve(period)
        for (const [start, all] of targets) curve.add(curveOf(timelineOf(start, all), fromMs))
        const points = curve.points()
        const hours = Array.from({ length: 100 }, (_, hour) =>
          targets.reduce((sum, [start, all]) => sum + (all.findLast(([at]) => at <= hour)?.[1] ?? start ?? 0), 0),
        )
        const found = hours.map((_, hour) => points.findLast(({ atMs }) => atMs <= fromMs + hour * hourMs)?.low ?? 0)
        expect(found).toEqual(hours)
        const months = curve.months('Europe/Berlin', points)
        expect(months.map(({ month }) => month)).toEqual(['2026-11'])
        expect(months[0]?.hours.low).toBeCloseTo(
          hours.reduce((sum, value) => sum + value, 0),
          6,
        )
        const most = Math.max(...hours)
        expect(curve.peaks(points).high).toEqual({ count: most, atMs: most === 0 ? fromMs : fromMs + hours.indexOf(most) * hourMs })
      }),
      { seed: 3, numRuns: 200 },
    )
  })

  test('is cut into months where the zone says they begin', () => {
    const long = { fromMs: Date.parse('2026-11-30T12:00:00Z'), untilMs: Date.parse('2027-01-31T20:00:00Z') }
    const curve = new ReplicaCurve(long)
    curve.add([{ atMs: long.fromMs, low: 2, high: 3 }])
    expect(curve.months('Asia/Shanghai').map(({ month, hours, peak }) => [month, hours.low, hours.high, peak.high])).toEqual([
      ['2026-11', 8, 12, 3],
      ['2026-12', 31 * 48, 31 * 72, 3],
      ['2027-01', 31 * 48, 31 * 72, 3],
      ['2027-02', 8, 12, 3],
    ])
  })

  test('of nothing is nothing', () => {
    expect(new ReplicaCurve(period).points()).toEqual([{ atMs: fromMs, low: 0, high: 0 }])
  })
})
