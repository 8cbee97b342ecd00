import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { TimelineView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

const hourMs = 3_600_000

/** Sizes over the last hours, and what was changed meanwhile. */
export function timelineView({ platform, feed, sampler }: StatusSources, { hours }: { readonly hours: number }): TimelineView {
  const toMs = platform.now()
  const fromMs = toMs - hours * hourMs
  return {
    from: isoOf(fromMs),
    to: isoOf(toMs),
    replicas: since(sampler.replicas(), fromMs).map(([target, points]) => ({
      target,
      points: points.map(({ atMs, value, min, max }) => ({
        at: isoOf(atMs),
        value,
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
      })),
    })),
    nodes: since(sampler.nodes(), fromMs).map(([cluster, points]) => ({
      cluster,
      points: points.map(({ atMs, value, ready, leased }) => ({ at: isoOf(atMs), value, ready, leased })),
    })),
    events: feed.changes(fromMs).map(({ atMs, function: name, decision: { target, before, after, reason } }) => ({
      at: isoOf(atMs),
      function: name,
      target,
      text: after === '' ? reason.text : `${before === '' ? '(nothing)' : before} -> ${after}`,
    })),
  }
}

/** Series with what holds from the beginning on, in the order of their names; those without a point are left out. */
function since<Point extends { readonly atMs: number }>(
  series: ReadonlyMap<string, readonly Point[]>,
  fromMs: number,
): readonly (readonly [string, readonly Point[]])[] {
  return [...series]
    .map(([name, points]) => {
      const first = points.findLastIndex(({ atMs }) => atMs <= fromMs)
      const shown = points.slice(Math.max(0, first)).map((point) => (point.atMs < fromMs ? { ...point, atMs: fromMs } : point))
      return [name, shown] as const
    })
    .filter(([, points]) => points.length > 0)
    .sort(([one], [other]) => compareTexts(one, other))
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
