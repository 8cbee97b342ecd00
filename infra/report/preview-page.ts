import { type Size, sizeText } from '#functions/cron-scaler/target.ts'
import { extentOf, type TargetTimeline, type TimelineEntry } from '#functions/cron-scaler/timeline.ts'
import type { Outsider, TimelineConflict } from '#functions/cron-scaler/timeline-conflicts.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { type ChartData, chartAssets, chartsDataId, type DrawnChart, stepChart } from './chart.ts'
import { type Html, html } from './html.ts'
import { htmlPage } from './html-page.ts'
import { htmlTable } from './html-table.ts'
import { curveOf, type ReplicaCurve } from './replica-curve.ts'

/** What a preview is of; said at its head. */
export interface PreviewFacts {
  readonly zone: string
  readonly fromMs: number
  readonly untilMs: number
  readonly days: number
  /** What it starts from and takes for granted, a sentence each. */
  readonly notes: readonly string[]
}

/** Changes that a page lists of one target; all are in its chart. */
const mostRows = 100

/** Targets that a page draws and lists by themselves; all are in the tables above. */
const mostTargets = 200

/** What a page keeps of a target: not the whole timeline, of which there may be very many. */
interface PageTarget {
  readonly name: string
  readonly summary: TimelineSummary
  readonly chart: DrawnChart | undefined
  readonly rows: readonly TimelineEntry[]
  readonly left: number
}

/** Collects what a page shows, one target after the other, so that only what is shown is in memory. */
export class PreviewPage {
  readonly #facts: PreviewFacts
  readonly #targets: PageTarget[] = []
  #changes = 0

  constructor(facts: PreviewFacts) {
    this.#facts = facts
  }

  add(timeline: TargetTimeline): void {
    const { zone, fromMs, untilMs } = this.#facts
    const isShown = this.#targets.length < mostTargets
    const summary = summaryOf(timeline)
    this.#changes += summary.changes
    const chart = isShown
      ? stepChart({
          id: `target-${this.#targets.length}`,
          title: timeline.name,
          unit: 'replicas',
          zone,
          fromMs,
          untilMs,
          edges: { low: 'at least', high: 'at most' },
          points: curveOf(timeline, fromMs),
        })
      : undefined
    this.#targets.push({
      name: timeline.name,
      summary,
      chart,
      rows: isShown ? timeline.entries.slice(0, mostRows) : [],
      left: timeline.entries.length - mostRows,
    })
  }

  /** The whole page; `curve` is the sum of all targets that were added. */
  render(curve: ReplicaCurve, conflicts: readonly TimelineConflict[], outsiders: readonly Outsider[]): string {
    const { zone, fromMs, untilMs, days, notes } = this.#facts
    const points = curve.points()
    const peaks = curve.peaks(points)
    const months = curve.months(zone, points)
    const overall = stepChart({
      id: 'all-targets',
      title: 'All targets together',
      unit: 'replicas',
      zone,
      fromMs,
      untilMs,
      edges: { low: 'at least', high: 'at most' },
      points,
    })
    const total = months.reduce((sum, { hours }) => ({ low: sum.low + hours.low, high: sum.high + hours.high }), { low: 0, high: 0 })
    const body = html`<header>
<h1>What the schedules will do</h1>
<p class="faint">cron-scaler, ${days} days from ${formatInstant(fromMs, zone)} to ${formatInstant(untilMs, zone)}</p>
${notes.map((note) => html`<p>${note}</p>`)}
</header>
<main>
<dl class="facts">
${fact('Targets', numberText(this.#targets.length))}
${fact('Changes', numberText(this.#changes))}
${fact('Most replicas at once', rangeText(peaks.low.count, peaks.high.count))}
${fact('Replica-hours', rangeText(Math.round(total.low), Math.round(total.high)))}
${fact('Conflicts', numberText(conflicts.length))}
</dl>
<h2 id="all">All targets together</h2>
${overall.figure}
${htmlTable({
  caption: 'Replicas by month',
  columns: [
    { title: 'Month', kind: 'moment' },
    { title: 'Most at once', kind: 'number' },
    { title: 'Replica-hours', kind: 'number' },
  ],
  rows: months.map(({ month, peak, hours }) => [
    month,
    rangeText(peak.low, peak.high),
    rangeText(Math.round(hours.low), Math.round(hours.high)),
  ]),
})}
<h2 id="conflicts">Conflicts</h2>
${htmlTable({
  caption: 'What somebody will not have meant',
  columns: [
    { title: 'What', kind: 'moment' },
    { title: 'Target', kind: 'name' },
    { title: `First (${zone})`, kind: 'moment' },
    { title: 'Why' },
  ],
  rows: conflicts.map(({ code, target, atMs, text }) => [
    html`<span class="${code === 'does-not-fire' ? 'faint' : 'warn'}">${code}</span>`,
    target,
    atMs === undefined ? '' : momentText(atMs, zone),
    text,
  ]),
})}
${outsiders.length === 0 ? undefined : outsidersTable(outsiders)}
<h2 id="targets">Targets</h2>
${htmlTable({
  caption: 'Totals by target',
  columns: [
    { title: 'Target' },
    { title: 'Changes', kind: 'number' },
    { title: 'Replicas', kind: 'number' },
    { title: 'Replica-hours', kind: 'number' },
  ],
  rows: this.#targets.map(({ name, summary, chart }, index) => [
    chart === undefined ? name : html`<a href="#${`section-${index}`}">${name}</a>`,
    numberText(summary.changes),
    summary.replicas,
    [summary.hours, summary.unknownHours].filter((text) => text !== '').join(', and '),
  ]),
})}
${this.#targets.map((target, index) => (target.chart === undefined ? undefined : this.#section(target, target.chart, index)))}
${this.#targets.length > mostTargets ? html`<p class="faint">${numberText(this.#targets.length - mostTargets)} more targets are in the table above only.</p>` : undefined}
</main>`
    const data: ChartData[] = [overall.data, ...this.#targets.flatMap(({ chart }) => chart?.data ?? [])]
    return htmlPage({ title: 'What the schedules will do', body, ...chartAssets(), data: { [chartsDataId]: data } })
  }

  #section({ name, rows, left }: PageTarget, { figure }: DrawnChart, index: number): Html {
    const { zone } = this.#facts
    return html`<section aria-labelledby="${`section-${index}`}">
<h2 id="${`section-${index}`}">${name}</h2>
${figure}
<details><summary>Changes as text</summary>
${htmlTable({
  caption: `${name}: changes, and what keeps it from them`,
  columns: [{ title: `When (${zone})`, kind: 'moment' }, { title: 'Before' }, { title: 'After' }, { title: 'Rule' }, { title: 'Why' }],
  rows: rows.map((entry) => [
    momentText(entry.atMs, zone),
    sizeOrUnknown(entry.before),
    entry.verdict === 'change' ? sizeOrUnknown(entry.after) : html`<span class="warn">${entry.verdict}</span>`,
    entry.rule,
    whyText(entry),
  ]),
})}
${left > 0 ? html`<p class="faint">${numberText(left)} more are in the chart, and in what <code>--json</code> prints.</p>` : undefined}
</details>
</section>
`
  }
}

function outsidersTable(outsiders: readonly Outsider[]): Html {
  return htmlTable({
    caption: 'What has no part in this preview',
    columns: [{ title: 'What', kind: 'moment' }, { title: 'Cluster', kind: 'moment' }, { title: 'Why' }],
    rows: outsiders.map(({ code, cluster, text }) => [
      html`<span class="${code === 'rule-paused' ? 'faint' : 'bad'}">${code}</span>`,
      cluster,
      text,
    ]),
  })
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}

/** What a timeline comes to, as people read it. */
export interface TimelineSummary {
  readonly changes: number
  /** `2 to 6`, or `unknown`. */
  readonly replicas: string
  /** `23,360`, and for how long nobody knows, if so. */
  readonly hours: string
  readonly unknownHours: string
}

export function summaryOf({ start, entries, hours }: TargetTimeline): TimelineSummary {
  let changes = 0
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  const see = (size: Size | undefined): void => {
    if (size === undefined) return
    const extent = extentOf(size)
    low = Math.min(low, extent.low)
    high = Math.max(high, extent.high)
  }
  see(start)
  for (const { verdict, after } of entries) {
    if (verdict !== 'change') continue
    changes += 1
    see(after)
  }
  return {
    changes,
    replicas: low > high ? 'unknown' : rangeText(low, high),
    hours: rangeText(Math.round(hours.min), Math.round(hours.max)),
    unknownHours: hours.unknown === 0 ? '' : `${numberText(Math.round(hours.unknown))} h of unknown size`,
  }
}

/** `5`, or `2 to 6`. */
export function rangeText(low: number, high: number): string {
  return low === high ? numberText(low) : `${numberText(low)} to ${numberText(high)}`
}

/** `Fri 2026-10-02 08:00:00`, where the zone is said elsewhere. */
export function momentText(ms: number, zone: string): string {
  return formatInstant(ms, zone).slice(0, -zone.length - 1)
}

/** The reason as a table shows it: what fired when stands in the other columns. */
export function whyText({ verdict, code, text }: TimelineEntry): string {
  return verdict === 'change' && code === 'due' ? 'due' : text
}

export function sizeOrUnknown(size: Size | undefined): string {
  return size === undefined ? 'unknown' : sizeText(size)
}

export function numberText(value: number): string {
  return value.toLocaleString('en-US')
}
