import { describe, expect, test } from 'vitest'
import { usageColumns } from '../../../../../infra/status/page/views/licence-series.ts'
import {
  byActivity,
  changedPoints,
  changesIn,
  columnsOf,
  eventsOf,
  nodeEventsOf,
  shownFrom,
} from '../../../../../infra/status/page/views/timeline-series.ts'

const minute = (at: number): string => new Date(at * 60_000).toISOString()

describe('the columns of a chart', () => {
  const points = [
    { at: minute(0), value: 3, min: 1 },
    { at: minute(10), value: 6 },
  ]

  test('hold the last value until the end, and do not know what is not there', () => {
    expect(columnsOf(points, [({ value }) => value, ({ min }) => min], minute(30))).toEqual([
      [0, 600, 1800],
      [3, 6, 6],
      [1, null, null],
    ])
  })

  test('have no point twice where the last one is at the end, and none where there is none', () => {
    expect(columnsOf(points, [({ value }) => value], minute(10))[0]).toEqual([0, 600])
    expect(columnsOf([], [() => 1], minute(10))).toEqual([[], []])
  })
})

describe('series of replicas', () => {
  const series = (target: string, ...values: number[]) => ({ target, points: values.map((value, index) => ({ at: minute(index), value })) })

  test('are shown in the order of how much happened to them, and those that stood still apart', () => {
    const { moving, steady } = byActivity([series('b', 1, 2), series('c', 1, 1), series('d', 1, 2, 1), series('a', 1, 2), series('e')])
    expect([moving.map(({ target }) => target), steady.map(({ target }) => target)]).toEqual([
      ['d', 'a', 'b'],
      ['c', 'e'],
    ])
  })

  test('change with their bounds as well', () => {
    const points = [
      { at: minute(0), value: 3, min: 1, max: 5 },
      { at: minute(1), value: 3, min: 2, max: 5 },
      { at: minute(2), value: 3, min: 2, max: 5 },
    ]
    expect(changesIn({ target: 'a', points })).toBe(1)
  })

  test('as a table have what changed, the first and the last', () => {
    const { points } = series('a', 1, 1, 2, 2, 2)
    expect(changedPoints(points, ({ value }) => String(value)).map(({ at }) => at)).toEqual([minute(0), minute(2), minute(4)])
  })

  test('are marked with what was done to them or to what is in them, and not to what only begins alike', () => {
    const event = (target: string) => ({ at: minute(0), function: 'cron-scaler' as const, target, text: '' })
    const all = ['cls-a', 'cls-a/shop/Deployment/web', 'cls-ab', 'cls-a/shop/Deployment/web-2'].map(event)
    expect(eventsOf(all, 'cls-a').map(({ target }) => target)).toEqual([
      'cls-a',
      'cls-a/shop/Deployment/web',
      'cls-a/shop/Deployment/web-2',
    ])
    expect(eventsOf(all, 'cls-a/shop/Deployment/web')).toHaveLength(1)
  })

  test('of a cluster’s nodes are marked with what the function did that changes nodes', () => {
    const events = (['alarm-scaler', 'cron-scaler', 'redeploy-hook'] as const).map((name) => ({
      at: minute(0),
      function: name,
      target: 'cls-a/x',
      text: name,
    }))
    expect(nodeEventsOf(events, 'cls-a').map(({ text }) => text)).toEqual(['alarm-scaler'])
    expect(nodeEventsOf(events, 'cls-b')).toEqual([])
  })
})

describe('the beginning of the charts', () => {
  const timeline = (...firsts: number[]) => ({
    from: minute(0),
    to: minute(1440),
    nodes: [],
    replicas: firsts.map((first) => ({ target: 'a', points: [{ at: minute(first), value: 1 }] })),
    events: [],
  })

  test('is where the first of them has something, within the range', () => {
    expect(shownFrom(timeline(900, 700))).toBe(minute(700))
    expect(shownFrom(timeline(-5, 700))).toBe(minute(0))
  })

  test('is at least ten minutes before the end, also where there is nothing', () => {
    expect(shownFrom(timeline(1439))).toBe(minute(1430))
    expect(shownFrom(timeline())).toBe(minute(1430))
  })
})

describe('the usage of a licence', () => {
  const hour = (at: number, value: number) => ({ at: minute(at * 60), value })

  test('is unknown in an hour that is not there, and holds until the end of its hour', () => {
    const [times, values] = usageColumns([hour(0, 5), hour(1, 6), hour(4, 7)], undefined)
    expect(times).toEqual([0, 3600, 7199.999, 7200, 14_400, 18_000])
    expect(values).toEqual([5, 6, 6, null, 7, 7])
  })

  test('has the entitlement beside it everywhere, also where nothing is known', () => {
    expect(usageColumns([hour(0, 5), hour(3, 6)], 8)[2]).toEqual([8, 8, 8, 8, 8])
    expect(usageColumns([], 8)).toEqual([[], [], []])
  })
})
