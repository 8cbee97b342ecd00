import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatInstant } from '#shared/pure/civil.ts'
import { type ChartOverlays, drawnOverlays, overlayKey } from './chart-overlays.ts'
import { type Html, html } from './html.ts'

/** From this instant on, until the next point, what is drawn is between these two, which may be one and the same; null is unknown. */
export interface StepPoint {
  readonly atMs: number
  readonly low: number | null
  readonly high: number | null
}

export interface StepChart {
  /** Unique in its page: lower-case letters, digits and hyphens. */
  readonly id: string
  readonly title: string
  /** What is counted: `replicas`. */
  readonly unit: string
  /** IANA name; in it the axis and the readings are written. */
  readonly zone: string
  readonly fromMs: number
  readonly untilMs: number
  /** What the two edges are called where they differ. */
  readonly edges: { readonly low: string; readonly high: string }
  /** In order of time. */
  readonly points: readonly StepPoint[]
  /** What is drawn beside the curve. */
  readonly overlays?: ChartOverlays | undefined
}

/** What the page's script draws of a chart: instants as the first in epoch milliseconds and then steps from each to the next. */
export interface ChartData extends Omit<StepChart, 'points'> {
  readonly steps: readonly number[]
  readonly low: readonly (number | null)[]
  /** Absent where both edges are the same all along. */
  readonly high?: readonly (number | null)[]
  readonly isThinned: boolean
}

export interface DrawnChart {
  readonly figure: Html
  readonly data: ChartData
}

/** The id of the data element that the script reads; its value is a list of ChartData. */
export const chartsDataId = 'charts'

/** A chart holds no more points: no screen has more columns, and a page of many charts has to be read by somebody. */
export const mostPoints = 3000

/** From so many changes on they may be too close to be told apart, on a narrow screen. */
const closePoints = 100

/**
 * A chart of a value that changes at instants and keeps still in between. Drawn by the script of `chartAssets` when it comes into
 * view; a screen reader is told its extent, and by keyboard the changes can be gone through one after the other. The caller puts
 * the same figures into a table beside it. Too many points become stretches of equal length with the lowest and the highest value
 * of each, and the caption says so.
 */
export function stepChart(chart: StepChart): DrawnChart {
  if (!/^[a-z0-9-]+$/.test(chart.id)) throw new Error(`"${chart.id}" is no id of a chart`)
  const isThinned = chart.points.length > mostPoints
  const points = isThinned ? thinned(chart) : chart.points
  const isBand = points.some(({ low, high }) => low !== high)
  const { points: _, ...facts } = chart
  const places = [...points, ...placesAhead(points, chart.overlays)]
  const data: ChartData = {
    ...facts,
    steps: places.map(({ atMs }, index) => atMs - (places[index - 1]?.atMs ?? 0)),
    low: places.map(({ low }) => low),
    ...(isBand ? { high: places.map(({ high }) => high) } : {}),
    isThinned,
    ...(chart.overlays === undefined ? {} : { overlays: drawnOverlays(chart.overlays) }),
  }
  return { figure: figureOf(chart, isBand, isThinned), data }
}

/** Places after the curve's end at which something is expected, so that mouse and keyboard find it there. */
function placesAhead(points: readonly StepPoint[], overlays: ChartOverlays | undefined): StepPoint[] {
  const last = points.at(-1)
  if (last === undefined || last.low !== null) return []
  return (overlays?.ahead?.points ?? []).filter(({ atMs }) => atMs > last.atMs).map(({ atMs }) => ({ atMs, low: null, high: null }))
}

function figureOf(chart: StepChart, isBand: boolean, isThinned: boolean): Html {
  const { id, title, unit, zone, fromMs, untilMs, edges } = chart
  const label = `${title}, from ${formatInstant(fromMs, zone)} to ${formatInstant(untilMs, zone)}: ${extentText(chart)}`
  const thinning = isThinned
    ? ' There are more changes than a page holds: the band is the lowest and the highest of each stretch.'
    : chart.points.length > closePoints
      ? ' Where changes are too close to be drawn, the band is the lowest and the highest of them.'
      : ''
  const key = isBand ? html` <span class="low">${edges.low}</span> and <span class="high">${edges.high}</span>` : undefined
  const overlays = chart.overlays === undefined ? undefined : html` ${overlayKey(chart.overlays)}`
  return html`<figure class="chart">
<figcaption>${title}: ${unit}${key}, times of ${zone}.${thinning}${overlays}</figcaption>
<div class="plot" id="chart-${id}" data-chart="${id}" role="group" aria-roledescription="chart" aria-label="${label}" tabindex="0"></div>
<p class="reading" aria-hidden="true">Drag to zoom in, double-click or Escape to go back; arrow keys go from change to change.</p>
<output class="voice" for="chart-${id}" aria-live="polite"></output>
</figure>
`
}

/** `between 2 and 9 replicas, 14 changes`. */
function extentText({ points, unit }: StepChart): string {
  let lowest = Number.POSITIVE_INFINITY
  let highest = Number.NEGATIVE_INFINITY
  for (const { low, high } of points) {
    if (low !== null) lowest = Math.min(lowest, low)
    if (high !== null) highest = Math.max(highest, high)
  }
  if (lowest > highest) return 'nothing is known'
  const changes = Math.max(0, points.length - 1)
  const extent = lowest === highest ? `${lowest} ${unit}` : `between ${lowest} and ${highest} ${unit}`
  return `${extent}, ${changes === 1 ? '1 change' : `${changes} changes`}`
}

/** Stretches of equal length with the lowest and highest value in each. A stretch of which part is unknown shows the rest. */
function thinned({ points, fromMs, untilMs }: StepChart): StepPoint[] {
  const buckets: StepPoint[] = []
  let next = 0
  let current: StepPoint = { atMs: fromMs, low: null, high: null }
  for (let index = 0; index < mostPoints; index += 1) {
    const atMs = fromMs + Math.floor(((untilMs - fromMs) * index) / mostPoints)
    const endMs = fromMs + Math.floor(((untilMs - fromMs) * (index + 1)) / mostPoints)
    // What holds when the stretch begins, unless it changes at that very instant.
    const first = points[next]
    let { low, high } = first !== undefined && first.atMs <= atMs ? { low: null, high: null } : current
    for (let point = points[next]; point !== undefined && point.atMs < endMs; point = points[next]) {
      current = point
      next += 1
      if (point.low !== null) low = low === null ? point.low : Math.min(low, point.low)
      if (point.high !== null) high = high === null ? point.high : Math.max(high, point.high)
    }
    buckets.push({ atMs, low, high })
  }
  return buckets
}

export interface ChartAssets {
  readonly styles: readonly string[]
  readonly scripts: readonly string[]
}

/**
 * uPlot, which draws, with its licence, and the script that hands it the charts: to be put into a page as they are. Reads files
 * of this project and of node_modules.
 */
export function chartAssets(): ChartAssets {
  const main = fileURLToPath(import.meta.resolve('uplot'))
  const dist = dirname(main)
  const licence = readFileSync(join(dist, '../LICENSE'), 'utf8').trim()
  const drawing = ['draw-overlays.js', 'draw-charts.js'].map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  return {
    styles: [readFileSync(join(dist, 'uPlot.min.css'), 'utf8')],
    scripts: [`/*! uPlot\n${licence}\n*/\n${readFileSync(join(dist, 'uPlot.iife.min.js'), 'utf8').trim()}`, ...drawing],
  }
}
