import type { JSX } from 'preact'
import { formats, polling, route, useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Name } from '../parts/name.tsx'
import { ScrollBox } from '../parts/scroll-box.tsx'
import { type Line, StepChart } from '../parts/step-chart.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import { hashOf, queryText } from '../routes.ts'
import type { ViewShapes } from '../view-shapes.ts'
import {
  byActivity,
  changedPoints,
  columnsOf,
  eventsOf,
  type NodeSeries,
  nodeEventsOf,
  type ReplicaSeries,
  shownFrom,
  type TimelineEvent,
} from './timeline-series.ts'

const ranges = [1, 6, 24, 168]
const usualRange = 24
const eventsShown = 25
/** More than that nobody looks at, and a browser has to draw them all. */
const chartsShown = 24

export function Timeline(): JSX.Element {
  const { value: text } = words
  const hours = ranges.find((one) => String(one) === route.value.query.hours) ?? usualRange
  return (
    <>
      <nav class="tabs" aria-label={text.range}>
        <ul>
          {ranges.map((one) => (
            <li key={one}>
              <a href={hashOf('timeline', { hours: String(one) })} {...(one === hours ? { 'aria-current': 'true' as const } : {})}>
                {text.hours(one)}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Loaded of={useView('timeline', queryText({ hours: String(hours) }))}>{(data) => <Shown timeline={data} />}</Loaded>
    </>
  )
}

function Shown({ timeline }: { readonly timeline: ViewShapes['timeline'] }): JSX.Element {
  const { value: text } = words
  const { to, events } = timeline
  const from = shownFrom(timeline)
  const { moving, steady } = byActivity(timeline.replicas)
  if (timeline.nodes.length === 0 && timeline.replicas.length === 0) return <Empty title={text.noTimeline} help={text.noTimelineHelp} />
  return (
    <>
      <section aria-labelledby="nodes">
        <h2 id="nodes">{text.nodes}</h2>
        <div class="charts">
          {timeline.nodes.map((series) => (
            <NodeChart key={series.cluster} series={series} from={from} to={to} events={events} />
          ))}
        </div>
      </section>
      <section aria-labelledby="replicas">
        <h2 id="replicas">{text.replicas}</h2>
        <div class="charts">
          {moving.slice(0, chartsShown).map((series) => (
            <ReplicaChart key={series.target} series={series} from={from} to={to} events={events} />
          ))}
        </div>
        <Sizes title={text.lessBusy(moving.length - chartsShown)} series={moving.slice(chartsShown)} />
        <Sizes title={text.steady(steady.length)} series={steady} isOpen={moving.length === 0} />
      </section>
      <section aria-labelledby="marked">
        <h2 id="marked">{text.marked}</h2>
        {events.length === 0 ? <p class="faint">{text.noEvents}</p> : <Events events={events} />}
      </section>
    </>
  )
}

function NodeChart(props: ChartProps<NodeSeries>): JSX.Element {
  const { value: text } = words
  const { series, to } = props
  const known = polling.entryOf('platform', '').state.value.data?.clusters.find(({ id }) => id === series.cluster)
  const title = known === undefined || known.name === known.id || known.name === '' ? series.cluster : `${known.name} (${known.id})`
  const lines: Line[] = [
    { key: 'value', name: text.allNodes, colour: '--accent', isFilled: true },
    { key: 'ready', name: text.readyNodes, colour: '--good', isFilled: false },
    { key: 'leased', name: text.leasedNodes, colour: '--second', isFilled: false },
  ]
  return (
    <StepChart
      title={title}
      label={text.nodesOf(title)}
      lines={lines}
      columns={columnsOf(series.points, [({ value }) => value, ({ ready }) => ready, ({ leased }) => leased], to)}
      from={props.from}
      to={to}
      marks={nodeEventsOf(props.events, series.cluster)}
    >
      <PointTable
        title={text.nodesOf(title)}
        points={changedPoints(series.points, ({ value, ready, leased }) => `${value} ${ready} ${leased}`)}
        columns={[
          { key: 'value', head: text.allNodes, kind: 'number', cell: ({ value }) => value },
          { key: 'ready', head: text.readyNodes, kind: 'number', cell: ({ ready }) => ready },
          { key: 'leased', head: text.leasedNodes, kind: 'number', cell: ({ leased }) => leased },
        ]}
      />
    </StepChart>
  )
}

function ReplicaChart(props: ChartProps<ReplicaSeries>): JSX.Element {
  const { value: text } = words
  const { series, to } = props
  const isBounded = series.points.some(({ min, max }) => min !== undefined || max !== undefined)
  const lines: Line[] = [
    { key: 'value', name: text.value, colour: '--accent', isFilled: true },
    ...(isBounded
      ? [
          { key: 'min', name: text.lowest, colour: '--faint', isFilled: false, isDashed: true },
          { key: 'max', name: text.highest, colour: '--second', isFilled: false, isDashed: true },
        ]
      : []),
  ]
  const bounds = [({ min }: ReplicaPoint) => min, ({ max }: ReplicaPoint) => max]
  return (
    <StepChart
      title={series.target}
      label={text.replicasOf(series.target)}
      lines={lines}
      columns={columnsOf(series.points, [({ value }) => value, ...(isBounded ? bounds : [])], to)}
      from={props.from}
      to={to}
      marks={eventsOf(props.events, series.target)}
    >
      <PointTable
        title={text.replicasOf(series.target)}
        points={changedPoints(series.points, ({ value, min, max }) => `${value} ${min} ${max}`)}
        columns={[
          { key: 'value', head: text.value, kind: 'number', cell: ({ value }) => value },
          ...(isBounded
            ? [
                { key: 'min', head: text.lowest, kind: 'number' as const, cell: ({ min }: ReplicaPoint) => min },
                { key: 'max', head: text.highest, kind: 'number' as const, cell: ({ max }: ReplicaPoint) => max },
              ]
            : []),
        ]}
      />
    </StepChart>
  )
}

type ReplicaPoint = ReplicaSeries['points'][number]

interface ChartProps<Series> {
  readonly series: Series
  readonly from: string
  readonly to: string
  readonly events: readonly TimelineEvent[]
}

/** Those that have no chart, with what they are now. */
function Sizes(props: {
  readonly title: string
  readonly series: readonly ReplicaSeries[]
  readonly isOpen?: boolean
}): JSX.Element | null {
  const { value: text } = words
  if (props.series.length === 0) return null
  return (
    <details open={props.isOpen === true}>
      <summary>{props.title}</summary>
      <div class="sheet">
        <Table
          caption={props.title}
          columns={[
            { key: 'target', head: text.target, kind: 'name', cell: ({ target }) => <Name of={target} /> },
            { key: 'value', head: text.replicas, kind: 'number', cell: ({ points }) => <Size of={points.at(-1)} /> },
          ]}
          rows={props.series}
          rowKey={({ target }) => target}
        />
      </div>
    </details>
  )
}

function Size({ of }: { readonly of: ReplicaPoint | undefined }): JSX.Element {
  if (of === undefined) return <span class="faint">{words.value.unknown}</span>
  return (
    <>
      {of.value}
      {of.min === undefined && of.max === undefined ? null : (
        <span class="note">
          {of.min ?? '?'} – {of.max ?? '?'}
        </span>
      )}
    </>
  )
}

/** The same values for whoever does not see a chart, or wants the figures. */
function PointTable<P extends { readonly at: string }>(props: {
  readonly title: string
  readonly points: readonly P[]
  readonly columns: readonly Column<P>[]
}): JSX.Element {
  const { value: text } = words
  return (
    <details>
      <summary>
        {text.asTable}
        <span class="voice"> {props.title}</span>
      </summary>
      <ScrollBox label={text.pointsOf(props.title)}>
        <Table
          caption={text.pointsOf(props.title)}
          columns={[{ key: 'at', head: text.time, kind: 'moment', cell: ({ at }) => <When at={at} /> }, ...props.columns]}
          rows={[...props.points].reverse()}
          rowKey={({ at }) => at}
        />
      </ScrollBox>
    </details>
  )
}

function Events({ events }: { readonly events: readonly TimelineEvent[] }): JSX.Element {
  const { value: text } = words
  const newest = [...events].reverse().slice(0, eventsShown)
  return (
    <>
      <p class="faint">{text.markedHelp}</p>
      <div class="sheet">
        <Table
          caption={text.marked}
          columns={[
            { key: 'at', head: text.time, kind: 'moment', cell: ({ at }) => <When at={at} /> },
            { key: 'function', head: text.function, cell: (event) => <code class="whole">{event.function}</code> },
            { key: 'target', head: text.target, kind: 'name', cell: ({ target }) => <Name of={target} /> },
            { key: 'text', head: text.change, kind: 'prose', cell: (event) => event.text },
          ]}
          rows={newest}
          rowKey={(event) => `${event.at} ${event.target} ${event.text}`}
        />
      </div>
      {events.length > eventsShown ? (
        <p class="faint">
          {text.moreEvents(formats.value.number(events.length - eventsShown))} ·{' '}
          <a href={hashOf('decisions', { outcome: 'Applied' })}>{text.allChanges}</a>
        </p>
      ) : null}
    </>
  )
}
