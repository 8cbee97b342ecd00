import type { Platform } from '#infra/local/platform.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { TimelineView } from '../api-schemas.ts'
import type { StatusSources } from '../status-sources.ts'

const hourMs = 3_600_000

/** So many points of a series are shown, more than a chart has room for. */
const mostPoints = 500
/** So many changes are shown, the last ones. */
const mostEvents = 1000

/** Sizes over the last hours, and what was changed meanwhile; thinned out where there is more of it than anybody can see. */
export function timelineView(
  { platform, feed, sampler }: Pick<StatusSources, 'feed' | 'sampler'> & { readonly platform: Pick<Platform, 'now'> },
  { hours }: { readonly hours: number },
): TimelineView {
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
    events: feed
      .changes(fromMs)
      .slice(-mostEvents)
      .map(({ atMs, function: name, decision: { target, before, after, reason } }) => ({
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
      return [name, thinned(shown)] as const
    })
    .filter(([, points]) => points.length > 0)
    .sort(([one], [other]) => compareTexts(one, other))
}

/** The last point of each of so many equal parts of the time, and the first one of all. */
function thinned<Point extends { readonly atMs: number }>(points: readonly Point[]): readonly Point[] {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined || points.length <= mostPoints) return points
  const partMs = (last.atMs - first.atMs) / (mostPoints - 1)
  const parts = new Map(points.slice(1).map((point) => [Math.min(mostPoints - 1, Math.ceil((point.atMs - first.atMs) / partMs)), point]))
  return [first, ...parts.values()]
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}
