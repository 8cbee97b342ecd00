import { sizeText } from '#functions/image-cleaner/size-text.ts'
import type { FoldedDecision, Rehearsal } from '#infra/rehearse/rehearsal.ts'
import type { Change } from '#infra/rehearse/world-watch.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { type ChartData, chartAssets, chartsDataId, type DrawnChart, type StepPoint, stepChart } from './chart.ts'
import { type Html, html } from './html.ts'
import { htmlPage } from './html-page.ts'
import { type HtmlTable, htmlTable } from './html-table.ts'
import {
  dayTable,
  doneDecisions,
  functionTable,
  leftOutText,
  minuteOf,
  refusedDecisions,
  summaryOf,
  type TextTable,
} from './rehearsal-text.ts'

/** A table of the page holds no more rows; --json has them all. */
const mostRows = 500

const bytesOfMib = 1024 * 1024

/** What came of a rehearsal as one page that needs nothing else: charts, and tables with the same figures. */
export function rehearsalPage(rehearsal: Rehearsal): string {
  const { zone, fromMs, untilMs, takenAt, source } = rehearsal
  const charts = chartsOf(rehearsal)
  const body = html`<header>
<h1>Rehearsal</h1>
<p class="faint">${formatInstant(fromMs, zone)} to ${formatInstant(untilMs, zone)}, on a snapshot of the ${source} of ${takenAt}. Nothing real was touched.</p>
${rehearsal.isDone ? undefined : html`<p class="warn">It was stopped before its end.</p>`}
${missing(rehearsal).map((text) => html`<p class="warn">${text}</p>`)}
</header>
<main>
${factsOf(rehearsal)}
<p>${summaryOf(rehearsal)}</p>
<h2 id="days">Day by day</h2>
${plainTable('What became of the platform, by day', dayTable(rehearsal), 1)}
<h2 id="curves">Over time</h2>
${charts.map(({ figure }) => figure)}
${curveTable(rehearsal)}
<h2 id="done">What was done</h2>
${decisionTable('Decisions that were carried out', doneDecisions(rehearsal), zone)}
<h2 id="refused">Wanted, and not done</h2>
${decisionTable('Decisions that were held, missed, invalid, or failed', refusedDecisions(rehearsal), zone)}
${failures(rehearsal)}
<h2 id="removed">Removed from the registry</h2>
${removedTable(rehearsal)}
<h2 id="deployed">Images that were set</h2>
${imageTable(rehearsal)}
<h2 id="nodes">Nodes that came and went</h2>
${nodeTable(rehearsal)}
${eventSection(rehearsal)}
<h2 id="functions">Functions</h2>
${plainTable('What each function did, by day', functionTable(rehearsal), 2)}
<h2 id="notes">What is not as on the platform</h2>
${notesOf(rehearsal)}
</main>`
  const data: ChartData[] = charts.map((chart) => chart.data)
  return htmlPage({ title: `Rehearsal of ${takenAt.slice(0, 10)}`, body, ...chartAssets(), data: { [chartsDataId]: data } })
}

function missing({ clusters }: Rehearsal): string[] {
  return clusters.flatMap(({ id, name, isKnown }) =>
    isKnown ? [] : [`The cluster ${name} (${id}) is configured and not in the snapshot.`],
  )
}

function factsOf({ nodes, removed, images, days, failures: failed }: Rehearsal): Html {
  const added = nodes.filter(({ kind }) => kind === 'added').length
  const freed = removed.reduce((sum, { freedBytes }) => sum + freedBytes, 0)
  const scaled = days.reduce((sum, day) => sum + day.scaled, 0)
  return html`<dl class="facts">
${fact('Sizes set', String(scaled))}
${fact('Nodes added, removed', `${added}, ${nodes.length - added}`)}
${fact('Tags removed', freed === 0 ? String(removed.length) : `${removed.length} (${sizeText(freed)})`)}
${fact('Images set', String(images.length))}
${fact('Runs that failed', String(failed.reduce((sum, { times }) => sum + times, 0)))}
</dl>`
}

function fact(title: string, value: string): Html {
  return html`<div><dt>${title}</dt><dd>${value}</dd></div>`
}

interface Curve {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly changes: readonly Change[]
  readonly limit?: number | undefined
}

/** Everything that is drawn; what never changes is left to the table. */
function curvesOf({ clusters, curves, cores, registryBytes, entitledCores }: Rehearsal): readonly Curve[] {
  const nameOf = (cluster: string): string => clusters.find(({ id }) => id === cluster)?.name ?? cluster
  return [
    ...curves.map(({ cluster, replicas }, index) => ({
      id: `replicas-${index}`,
      title: `Replicas, ${nameOf(cluster)}`,
      unit: 'replicas of all workloads',
      changes: replicas,
    })),
    ...curves.map(({ cluster, nodes }, index) => ({
      id: `nodes-${index}`,
      title: `Nodes, ${nameOf(cluster)}`,
      unit: 'nodes, those that are coming included',
      changes: nodes,
    })),
    ...cores.map(({ region, changes }, index) => ({
      id: `licence-${index}`,
      title: `Licence, ${region}`,
      unit: 'cores',
      changes,
      limit: entitledCores[region],
    })),
    {
      id: 'registry',
      title: 'Registry',
      unit: 'MiB of contents',
      changes: registryBytes.map(({ atMs, value }) => ({ atMs, value: Math.round(value / bytesOfMib) })),
    },
  ]
}

function chartsOf(rehearsal: Rehearsal): readonly DrawnChart[] {
  const { fromMs, untilMs, zone } = rehearsal
  return curvesOf(rehearsal)
    .filter(({ changes, limit }) => changes.length > 1 || limit !== undefined)
    .map(({ id, title, unit, changes, limit }) =>
      stepChart({
        id,
        title,
        unit,
        zone,
        fromMs,
        untilMs,
        edges: { low: 'lowest', high: 'highest' },
        points: [
          ...changes.map(({ atMs, value }): StepPoint => ({ atMs, low: value, high: value })),
          { atMs: untilMs, low: null, high: null },
        ],
        ...(limit === undefined
          ? {}
          : {
              overlays: {
                curve: 'used',
                limit: {
                  title: 'entitled',
                  points: [
                    { atMs: fromMs, value: limit },
                    { atMs: untilMs, value: limit },
                  ],
                },
              },
            }),
      }),
    )
}

function curveTable(rehearsal: Rehearsal): Html {
  const { zone } = rehearsal
  return htmlTable({
    caption: `The same in figures, times of ${zone}`,
    columns: [
      { title: 'what', kind: 'name' },
      { title: 'at the beginning', kind: 'number' },
      { title: 'lowest', kind: 'number' },
      { title: 'highest', kind: 'number' },
      { title: 'first at its highest', kind: 'moment' },
      { title: 'at the end', kind: 'number' },
      { title: 'may be', kind: 'number' },
    ],
    rows: curvesOf(rehearsal).map(({ title, unit, changes, limit }) => {
      const values = changes.map(({ value }) => value)
      const highest = values.reduce((most, value) => Math.max(most, value), 0)
      const lowest = values.reduce((least, value) => Math.min(least, value), values[0] ?? 0)
      const peak = changes.find(({ value }) => value === highest)
      return [
        `${title} (${unit})`,
        values[0] ?? 0,
        lowest,
        highest,
        peak === undefined ? '' : minuteOf(peak.atMs, zone),
        values.at(-1) ?? 0,
        limit === undefined ? '' : limit,
      ]
    }),
  })
}

/** A table of words of which those after the first columns are figures. */
function plainTable(caption: string, { heading, rows }: TextTable, words: number): Html {
  return htmlTable({
    caption,
    columns: heading.map((title, index) => ({ title, kind: index < words ? ('moment' as const) : ('number' as const) })),
    rows,
  })
}

function decisionTable(caption: string, decisions: readonly FoldedDecision[], zone: string): Html {
  return limited(decisions, {
    caption: `${caption}; what repeats is one line. Times of ${zone}`,
    columns: [
      { title: 'when', kind: 'moment' },
      { title: 'times', kind: 'number' },
      { title: 'who', kind: 'moment' },
      { title: 'what', kind: 'name' },
      { title: 'reason of the last', kind: 'prose' },
    ],
    rowOf: ({ firstMs, lastMs, times, function: name, outcome, target, before, after, text }) => [
      times === 1 ? minuteOf(firstMs, zone) : html`${minuteOf(firstMs, zone)}<br>to ${minuteOf(lastMs, zone)}`,
      times,
      html`${name}<br><span class="faint">${outcome}</span>`,
      html`${target}<br>${changeText(before, after)}`,
      text,
    ],
  })
}

function changeText(before: string, after: string): string {
  if (before === after) return after
  return `${before === '' ? '(nothing)' : before} → ${after === '' ? '(nothing)' : after}`
}

interface Limited<T> extends Omit<HtmlTable, 'rows' | 'stacks' | 'rowClasses'> {
  readonly rowOf: (item: T) => HtmlTable['rows'][number]
}

/** A table of the first of many, which says how many there are. */
function limited<T>(items: readonly T[], { caption, columns, rowOf }: Limited<T>): Html {
  const shown = items.slice(0, mostRows)
  return html`${htmlTable({ caption, columns, rows: shown.map(rowOf), stacks: true })}
${items.length > shown.length ? html`<p class="faint">The first ${mostRows} of ${items.length}; --json has them all.</p>` : undefined}`
}

function removedTable({ removed, zone }: Rehearsal): Html {
  return limited(removed, {
    caption: `Tags that are not there any more, times of ${zone}`,
    columns: [{ title: 'when', kind: 'moment' }, { title: 'image', kind: 'name' }, { title: 'size', kind: 'number' }, { title: 'freed' }],
    rowOf: ({ atMs, repository, tag, bytes, freedBytes }) => [
      minuteOf(atMs, zone),
      `${repository}:${tag}`,
      sizeText(bytes),
      freedBytes === 0 ? 'nothing yet: another tag has the same content, in the quarantine or beside it' : sizeText(freedBytes),
    ],
  })
}

function imageTable({ images, zone }: Rehearsal): Html {
  return limited(images, {
    caption: `Containers of workloads that got another image, times of ${zone}`,
    columns: [
      { title: 'when', kind: 'moment' },
      { title: 'cluster' },
      { title: 'workload', kind: 'name' },
      { title: 'container' },
      { title: 'from', kind: 'name' },
      { title: 'to', kind: 'name' },
    ],
    rowOf: ({ atMs, cluster, workload, container, from, to }) => [minuteOf(atMs, zone), cluster, workload, container, from, to],
  })
}

function nodeTable({ nodes, zone }: Rehearsal): Html {
  return limited(nodes, {
    caption: `Machines that joined or left a cluster, times of ${zone}`,
    columns: [
      { title: 'when', kind: 'moment' },
      { title: 'cluster' },
      { title: 'machine' },
      { title: 'cores', kind: 'number' },
      { title: 'what' },
    ],
    rowOf: ({ atMs, cluster, machine, cores, kind }) => [minuteOf(atMs, zone), cluster, machine, cores, kind],
  })
}

function eventSection({ events, eventsAfter, deadEvents, zone }: Rehearsal): Html | undefined {
  if (events.length + eventsAfter === 0) return undefined
  return html`<h2 id="events">What came from outside</h2>
${limited(events, {
  caption: `Events, times of ${zone}`,
  columns: [
    { title: 'when', kind: 'moment' },
    { title: 'event', kind: 'prose' },
    { title: 'what stood in its way', kind: 'prose' },
  ],
  rowOf: ({ atMs, text, trouble = '' }) => [minuteOf(atMs, zone), text, trouble],
})}
${eventsAfter === 0 ? undefined : html`<p class="faint">${eventsAfter} of after the end did not happen.</p>`}
${deadEvents === 0 ? undefined : html`<p class="warn">${deadEvents} ended as dead letters.</p>`}`
}

function failures({ failures: failed, zone }: Rehearsal): Html {
  return html`${failed.map(
    ({ function: name, text, times, lastMs }) =>
      html`<p class="warn">${name} failed ${times} ${times === 1 ? 'time' : 'times'}, the last time at ${minuteOf(lastMs, zone)}: ${text}</p>`,
  )}`
}

function notesOf(rehearsal: Rehearsal): Html {
  const leftOut = leftOutText(rehearsal)
  const always = [
    'The mode is enforce, whatever the configuration says. No call is lost, every machine starts, and every image that is in the registry runs.',
    'Approvals are not given. Calendars with an address and figures of Prometheus cannot be read.',
    'What the functions remember on the platform (samples of the licence, what was seen of the registry) is not there at the beginning.',
  ]
  return html`<ul>${[...(leftOut === '' ? [] : [leftOut]), ...always, ...rehearsal.notes].map((text) => html`<li>${text}</li>`)}</ul>`
}
