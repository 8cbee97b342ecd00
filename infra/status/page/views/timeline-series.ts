import type { ViewShapes } from '../view-shapes.ts'

type Timeline = ViewShapes['timeline']
export type ReplicaSeries = Timeline['replicas'][number]
export type NodeSeries = Timeline['nodes'][number]
export type TimelineEvent = Timeline['events'][number]

/** Columns as a chart takes them: instants in epoch seconds first, then one value of each line at each; null is unknown. */
export type ChartColumns = [number[], ...(number | null)[][]]

/**
 * The points of a series as columns, each value held until the next one and the last until the end. Lines that have no value at a
 * point are unknown there. Without points the columns are empty.
 */
export function columnsOf<P extends { readonly at: string }>(
  points: readonly P[],
  lines: readonly ((point: P) => number | undefined)[],
  until: string,
): ChartColumns {
  const last = points.at(-1)
  const held = last === undefined || Date.parse(last.at) >= Date.parse(until) ? points : [...points, { ...last, at: until }]
  return [held.map(({ at }) => Date.parse(at) / 1000), ...lines.map((line) => held.map((point) => line(point) ?? null))]
}

/** No chart is shorter: else a server that has just started would show a second as wide as a day. */
const shortestMs = 10 * 60_000

/** From when on there is something to show: the first point of any series, not before the range and not too close to its end. */
export function shownFrom({ from, to, replicas, nodes }: Timeline): string {
  const firsts = [...replicas, ...nodes].flatMap(({ points: [first] }) => (first === undefined ? [] : [Date.parse(first.at)]))
  const earliest = Math.min(Date.parse(to) - shortestMs, ...firsts)
  return new Date(Math.max(Date.parse(from), earliest)).toISOString()
}

/** How often the size, or a bound of it, was another one than before. */
export function changesIn({ points }: ReplicaSeries): number {
  return points.filter((point, index) => {
    const before = points[index - 1]
    return before !== undefined && (before.value !== point.value || before.min !== point.min || before.max !== point.max)
  }).length
}

/** Those that changed, the busiest first, and those that stood still, by name. */
export function byActivity(all: readonly ReplicaSeries[]): {
  readonly moving: readonly ReplicaSeries[]
  readonly steady: readonly ReplicaSeries[]
} {
  const counted = all.map((series) => ({ series, changes: changesIn(series) }))
  const byName = (a: ReplicaSeries, b: ReplicaSeries): number => (a.target < b.target ? -1 : 1)
  return {
    moving: counted
      .filter(({ changes }) => changes > 0)
      .sort((a, b) => b.changes - a.changes || byName(a.series, b.series))
      .map(({ series }) => series),
    steady: counted
      .filter(({ changes }) => changes === 0)
      .map(({ series }) => series)
      .sort(byName),
  }
}

/** The points at which something is another than at the one before, which is what a table has to tell; the first and the last are there. */
export function changedPoints<P extends { readonly at: string }>(points: readonly P[], key: (point: P) => string): readonly P[] {
  return points.filter((point, index) => {
    const before = points[index - 1]
    return before === undefined || index === points.length - 1 || key(before) !== key(point)
  })
}

/** The events that are about a target or about something in it. */
export function eventsOf(events: readonly TimelineEvent[], target: string): readonly TimelineEvent[] {
  return events.filter((event) => event.target === target || event.target.startsWith(`${target}/`))
}

/** The events of a cluster that are about its nodes, which are those of the one function that changes nodes. */
export function nodeEventsOf(events: readonly TimelineEvent[], cluster: string): readonly TimelineEvent[] {
  return eventsOf(events, cluster).filter((event) => event.function === 'alarm-scaler')
}
