import { type Html, html } from './html.ts'

/** What a chart shows beside its own curve; each part is drawn where it is given, and named in the caption. */
export interface ChartOverlays {
  /** What the curve itself is called: `used`. */
  readonly curve: string
  /** A line that keeps still from each point to the next, such as what may be used; null where there is none. */
  readonly limit?: { readonly title: string; readonly points: readonly LimitPoint[] } | undefined
  /** Single values that matter, such as the highest of each month. */
  readonly marks?: { readonly title: string; readonly points: readonly MarkPoint[] } | undefined
  /** Stretches of which nothing is known. */
  readonly gaps?: { readonly title: string; readonly stretches: readonly Stretch[] } | undefined
  /** What is expected: a line with a band around it, from point to point. */
  readonly ahead?: { readonly title: string; readonly points: readonly AheadPoint[] } | undefined
}

export interface LimitPoint {
  readonly atMs: number
  readonly value: number | null
}

export interface MarkPoint {
  readonly atMs: number
  readonly value: number
}

export interface Stretch {
  readonly fromMs: number
  readonly untilMs: number
}

export interface AheadPoint {
  readonly atMs: number
  readonly low: number
  readonly likely: number
  readonly high: number
}

/** A page holds no more stretches of a chart; those that are nearest to each other are drawn as one. */
const mostStretches = 1000

/** The same as the page's script reads it; gaps that no screen can tell apart are one. */
export function drawnOverlays(overlays: ChartOverlays): ChartOverlays {
  const { gaps } = overlays
  return gaps === undefined ? overlays : { ...overlays, gaps: { ...gaps, stretches: joined(gaps.stretches) } }
}

function joined(stretches: readonly Stretch[]): readonly Stretch[] {
  if (stretches.length <= mostStretches) return stretches
  const distances = stretches.slice(1).map(({ fromMs }, index) => fromMs - (stretches[index]?.untilMs ?? fromMs))
  const closest = distances.toSorted((one, other) => one - other)[stretches.length - mostStretches - 1] ?? 0
  const result: Stretch[] = []
  for (const [index, stretch] of stretches.entries()) {
    const last = result.at(-1)
    if (last !== undefined && (distances[index - 1] ?? 0) <= closest) result[result.length - 1] = { ...last, untilMs: stretch.untilMs }
    else result.push(stretch)
  }
  return result
}

/** What is drawn how, for the caption. */
export function overlayKey({ curve, limit, marks, gaps, ahead }: ChartOverlays): Html {
  const items = [
    ['key-curve', curve],
    ['key-limit', limit?.title],
    ['key-mark', marks === undefined || marks.points.length === 0 ? undefined : marks.title],
    ['key-gap', gaps === undefined || gaps.stretches.length === 0 ? undefined : gaps.title],
    ['key-ahead', ahead === undefined || ahead.points.length === 0 ? undefined : ahead.title],
  ].flatMap(([name, title]) => (title === undefined ? [] : [html`<span class="key ${name}">${title}</span>`]))
  return html`<span class="keys">${items}</span>`
}
