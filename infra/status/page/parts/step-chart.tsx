import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { colours, formats } from '../page-state.ts'
import type { ChartColumns } from '../views/timeline-series.ts'
import { Name } from './name.tsx'

export interface Line {
  readonly key: string
  readonly name: string
  /** The property of the style sheet that holds it. */
  readonly colour: string
  readonly isFilled: boolean
  readonly isDashed?: boolean
}

export interface StepChartProps {
  readonly title: string
  /** What a screen reader calls it. */
  readonly label: string
  readonly lines: readonly Line[]
  readonly columns: ChartColumns
  readonly from: string
  readonly to: string
  readonly marks: readonly { readonly at: string; readonly text: string }[]
  readonly isTall?: boolean
  /** The table that has the same figures. */
  readonly children: ComponentChildren
}

const heightPixels = { short: 130, tall: 220 } as const
const wholeSteps = [1, 2, 5].concat(...[1, 2, 3, 4, 5, 6, 7].map((zeros) => [1, 2, 5].map((one) => one * 10 ** zeros)))

/**
 * Values over time, each held until the next, in the colours of the page. Below it stands what the values are where the pointer is,
 * and at the end of the chart where it is nowhere. All charts of a page point at the same instant.
 */
export function StepChart(props: StepChartProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(props)
  latest.current = props
  const [at, setAt] = useState<number | undefined>(undefined)
  const { value: format } = formats
  const { value: worn } = colours
  const shape = JSON.stringify(props.lines)
  useEffect(() => {
    const { current } = box
    if (current === null) return
    const made = new uPlot(optionsOf(current, latest, setAt), latest.current.columns, current)
    plot.current = made
    const observer = new ResizeObserver(() => {
      const width = current.clientWidth
      if (width > 0) made.setSize({ width, height: made.height })
    })
    observer.observe(current)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [shape])
  useEffect(() => {
    plot.current?.setData(props.columns)
  }, [props.columns])
  useEffect(() => {
    plot.current?.redraw(false)
  }, [worn])
  const [times = []] = props.columns
  const index = at === undefined || at >= times.length ? times.length - 1 : at
  const seconds = times[index]
  return (
    <figure class="chart">
      {props.title === '' ? null : (
        <figcaption>
          <Name of={props.title} />
        </figcaption>
      )}
      <div ref={box} class={props.isTall === true ? 'plot tall' : 'plot'} role="img" aria-label={props.label} />
      <p class="reading">
        {props.lines.map(({ key, name, colour, isDashed }, line) => (
          <span key={key} class={isDashed === true ? 'key dashed' : 'key'} style={{ '--line': `var(${colour})` }}>
            {name} <b>{valueText(props.columns[line + 1]?.[index], format.number)}</b>
          </span>
        ))}
        {seconds === undefined ? null : (
          <span class="at">{format.instant(new Date(seconds * 1000).toISOString(), Date.parse(props.to))}</span>
        )}
      </p>
      {props.children}
    </figure>
  )
}

function valueText(value: number | null | undefined, number: (value: number) => string): string {
  return value === null || value === undefined ? '–' : number(value)
}

function optionsOf(
  box: HTMLElement,
  latest: { readonly current: StepChartProps },
  setAt: (index: number | undefined) => void,
): uPlot.Options {
  const colour = colourOf(box)
  const { stepped } = uPlot.paths
  const axis = {
    stroke: () => colour('--faint'),
    grid: { stroke: () => colour('--grid'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  }
  return {
    width: Math.max(200, box.clientWidth),
    height: latest.current.isTall === true ? heightPixels.tall : heightPixels.short,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    scales: {
      x: {
        time: true,
        range: () => [
          Date.parse(latest.current.from) / 1000,
          Math.max(Date.parse(latest.current.to), Date.parse(latest.current.from) + 1000) / 1000,
        ],
      },
      y: { range: (_, __, most) => [0, Math.max(1, Math.ceil((most ?? 1) * 1.15))] },
    },
    axes: [
      { ...axis, space: 60, size: 22, values: (_, splits) => timeLabels(splits) },
      { ...axis, incrs: wholeSteps, size: 40, space: 28 },
    ],
    series: [
      {},
      ...latest.current.lines.map((line) => ({
        stroke: () => colour(line.colour),
        width: 1.6,
        ...(line.isFilled ? { fill: () => colour('--accent-fill') } : {}),
        ...(line.isDashed === true ? { dash: [4, 4] } : {}),
        ...(stepped === undefined ? {} : { paths: stepped({ align: 1, alignGaps: 1 }) }),
        points: { show: false },
      })),
    ],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: 'longshore', setSeries: false } },
    hooks: {
      setCursor: [({ cursor }) => setAt(cursor.idx ?? undefined)],
      draw: [(plot) => drawMarks(plot, latest.current.marks, colour('--mark'))],
    },
  }
}

/** Instants as an axis names them: the day where it begins or where days are far apart, else the time. */
function timeLabels(splits: readonly number[]): string[] {
  const { value: format } = formats
  const step = (splits[1] ?? 0) - (splits[0] ?? 0)
  return splits.map((seconds) => format.tick(seconds * 1000, step * 1000))
}

/** A dashed line where something was done. */
function drawMarks(plot: uPlot, marks: StepChartProps['marks'], colour: string): void {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.strokeStyle = colour
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio])
  for (const { at } of marks) {
    const left = Math.round(plot.valToPos(Date.parse(at) / 1000, 'x', true)) + 0.5
    if (left < bbox.left || left > bbox.left + bbox.width) continue
    ctx.beginPath()
    ctx.moveTo(left, bbox.top)
    ctx.lineTo(left, bbox.top + bbox.height)
    ctx.stroke()
  }
  ctx.restore()
}

/** Reads colours of the style sheet as a canvas takes them: what a property comes to in the scheme that is worn. */
function colourOf(box: HTMLElement): (name: string) => string {
  return (name) => {
    const probe = document.createElement('span')
    probe.style.color = `var(${name})`
    box.append(probe)
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
}
