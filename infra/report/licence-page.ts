import { forecastText } from '#functions/license-meter/judge.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { type ChartData, chartAssets, chartsDataId, type DrawnChart, stepChart } from './chart.ts'
import { type Html, html } from './html.ts'
import { htmlPage } from './html-page.ts'
import { htmlTable } from './html-table.ts'
import { clusterTables } from './licence-clusters.ts'
import type { LicenceReport, MetricReport, RegionReport } from './licence-report.ts'
import {
  coverageShare,
  coverageText,
  dayText,
  entitledText,
  hourInZone,
  nowText,
  passText,
  periodText,
  recordText,
  usedShare,
} from './licence-text.ts'

/** A page draws so many metrics; all of them are in its tables. */
const mostCharts = 60

/** A page lists so many gaps of a region, the longest of them. */
const mostGaps = 200

/** The whole report as one page that needs nothing else. `notes` are said at its head, a sentence each. */
export function licencePage(report: LicenceReport, notes: readonly string[]): string {
  const { period, nowMs, settings, regions } = report
  const zone = settings.timeZone
  const charts = chartsOf(report)
  const body = html`<header>
<h1>Licence usage</h1>
<p class="faint">Usage of ${periodText(period)}, days of ${zone}. Made at ${formatInstant(nowMs, zone)}.</p>
${notes.map((note) => html`<p class="warn">${note}</p>`)}
</header>
<main>
${factsOf(report)}
<h2 id="overview">How it stands</h2>
${overviewTable(report)}
${regions.map((region, index) => regionSection(region, index, report, charts))}
${clusterTables(report)}
${conditions(report)}
</main>`
  const data: ChartData[] = [...charts.values()].map((chart) => chart.data)
  return htmlPage({ title: `Licence usage, ${period.name}`, body, ...chartAssets(), data: { [chartsDataId]: data } })
}

/** Charts by what they are of; sums and products with an entitlement first. */
function chartsOf({ regions, settings }: LicenceReport): ReadonlyMap<MetricReport, DrawnChart> {
  const all = regions.flatMap((region, regionIndex) =>
    region.metrics.map((metric, index) => ({ region, metric, id: `usage-${regionIndex}-${index}` })),
  )
  const ranked = all.toSorted((one, other) => rankOf(one.metric) - rankOf(other.metric)).slice(0, mostCharts)
  return new Map(ranked.map(({ region, metric, id }) => [metric, chartOf(region, metric, id, settings.timeZone)]))
}

function rankOf({ outlook, partOf }: MetricReport): number {
  if (outlook?.entitled.kind === 'cores') return 0
  return partOf === undefined ? 1 : 2
}

function chartOf({ region, gaps }: RegionReport, metric: MetricReport, id: string, zone: string): DrawnChart {
  const { fromMs, untilMs, step, points, limit, marks, aheadStep, ahead } = metric.curve
  return stepChart({
    id,
    title: `${region}, ${metric.metric.id}`,
    unit: metric.unit === '' ? 'units' : metric.unit,
    zone,
    fromMs,
    untilMs,
    edges: { low: 'at least', high: 'at most' },
    points,
    overlays: {
      curve: step === 'day' ? 'highest of each day' : 'used in each hour',
      marks: { title: step === 'day' ? 'highest of the month' : 'highest of all', points: marks },
      ...(limit.some(({ value }) => value !== null) ? { limit: { title: 'entitled', points: limit } } : {}),
      gaps: { title: 'not measured', stretches: gaps.map(({ from, until }) => ({ fromMs: Date.parse(from), untilMs: Date.parse(until) })) },
      ahead: { title: aheadStep === 'day' ? 'expected' : 'expected highest of each week', points: ahead },
    },
  })
}

function factsOf({ regions }: LicenceReport): Html {
  const sum = (of: (region: RegionReport) => number | undefined): number => regions.reduce((total, region) => total + (of(region) ?? 0), 0)
  const [measured, hours] = [sum(({ total }) => total?.measured), sum(({ total }) => total?.hours)]
  const metrics = regions.flatMap((region) => region.metrics.map((metric) => ({ region: region.region, ...metric })))
  const next = metrics
    .flatMap(({ region, metric, outlook }) => (outlook?.forecast.kind === 'blocked-on' ? [{ region, metric, ...outlook.forecast }] : []))
    .sort((one, other) => (one.likely < other.likely ? -1 : 1))[0]
  const above = metrics.filter(({ outlook }) => outlook?.standing === 'over-use' || outlook?.standing === 'above')
  const daysAbove = metrics.reduce((total, { months }) => total + months.reduce((days, month) => days + month.daysAbove, 0), 0)
  return html`<dl class="facts">
${fact('Measured', hours === 0 ? 'nothing yet' : coverageShare({ measured, hours }))}
${fact('Above an entitlement now', above.length === 0 ? 'none' : String(above.length))}
${fact('Days above an entitlement', String(daysAbove))}
${fact('Over-use expected', next === undefined ? 'not in sight' : next.likely)}
</dl>`
}

function overviewTable({ regions, settings: { timeZone: zone } }: LicenceReport): Html {
  const rows = regions.flatMap((region, index) =>
    region.metrics.map((metric) => {
      const { metric: one, description, high, outlook, partOf } = metric
      return [
        html`<a href="#${`region-${index}`}">${region.region}</a>`,
        one.id,
        description,
        html`<span class="${standingClass(metric)}">${nowText(metric)}</span>`,
        high === undefined ? 'never read' : `${formatDecimal(high.mark.max)}${usedShare(high) === '' ? '' : ` (${usedShare(high)})`}`,
        high === undefined ? '' : hourInZone(high.mark.at, zone),
        partOf === undefined ? (outlook === undefined ? '' : forecastText(outlook.forecast)) : `counts under ${partOf}`,
      ]
    }),
  )
  return htmlTable({
    caption: `Usage now and at its highest, times of ${zone}`,
    columns: [
      { title: 'Region', kind: 'moment' },
      { title: 'What', kind: 'moment' },
      { title: 'Description' },
      { title: 'Now' },
      { title: 'Highest', kind: 'number' },
      { title: 'When', kind: 'moment' },
      { title: 'Expected' },
    ],
    stacks: true,
    rows,
  })
}

function standingClass({ outlook }: MetricReport): string {
  switch (outlook?.standing) {
    case 'over-use':
      return 'bad'
    case 'above':
      return 'warn'
    case 'within':
      return 'good'
    default:
      return 'plain'
  }
}

function regionSection(region: RegionReport, index: number, report: LicenceReport, charts: ReadonlyMap<MetricReport, DrawnChart>): Html {
  const { settings } = report
  const zone = settings.timeZone
  const left = region.metrics.filter((metric) => !charts.has(metric)).length
  return html`<section aria-labelledby="${`region-${index}`}">
<h2 id="${`region-${index}`}">${region.region}</h2>
<p>${region.total === undefined ? 'No hour of the period has begun.' : `${coverageText(region.total)}. Hours that were not measured are gaps, never zero.`}</p>
<p${region.outlook.agreement === 'contradict' ? html` class="bad"` : undefined}>${passText(region.outlook, settings)}</p>
${region.metrics.map((metric) => metricPart(metric, region, charts.get(metric)))}
${left > 0 ? html`<p class="faint">${left} more are in the table above only.</p>` : undefined}
${gapTable(region, zone)}
<p class="faint">${recordText(region, zone)}</p>
</section>
`
}

function metricPart(metric: MetricReport, { region }: RegionReport, chart: DrawnChart | undefined): Html | undefined {
  if (chart === undefined) return undefined
  // What has an entitlement is what people look for.
  const isOpen = rankOf(metric) === 0
  return html`<h3>${metric.metric.id}${metric.description === '' ? '' : `: ${metric.description}`}</h3>
${chart.figure}
<details${isOpen ? html` open` : undefined}><summary>Months as text</summary>
${htmlTable({
  caption: `${region}, ${metric.metric.id}: the highest of each month`,
  columns: [
    { title: 'Month', kind: 'moment' },
    { title: `Highest (${metric.unit === '' ? 'units' : metric.unit})`, kind: 'number' },
    { title: 'First on', kind: 'moment' },
    { title: 'Entitled then', kind: 'number' },
    { title: 'Used', kind: 'number' },
    { title: 'Days above', kind: 'number' },
    { title: 'Measured', kind: 'number' },
  ],
  stacks: true,
  rows: metric.months.map(({ name, high, daysAbove, hours, measured }) => [
    name,
    high === undefined ? 'never read' : formatDecimal(high.mark.max),
    high === undefined ? '' : dayText(high.mark.day),
    high === undefined || metric.partOf !== undefined ? '' : entitledText(high.entitled),
    usedShare(high),
    daysAbove === 0 ? '0' : html`<span class="warn">${daysAbove}</span>`,
    hours === 0 ? '' : `${measured} of ${hours} h (${coverageShare({ measured, hours })})`,
  ]),
})}
</details>
`
}

function gapTable({ region, gaps }: RegionReport, zone: string): Html {
  const longest = gaps.length <= mostGaps ? gaps : gaps.toSorted((one, other) => other.hours - one.hours).slice(0, mostGaps)
  const shown = longest.toSorted((one, other) => (one.from < other.from ? -1 : 1))
  return html`<h3>Gaps</h3>
${htmlTable({
  caption: `${region}: hours that were not measured, times of ${zone}`,
  columns: [
    { title: 'From', kind: 'moment' },
    { title: 'Until', kind: 'moment' },
    { title: 'Hours', kind: 'number' },
    { title: 'Why', kind: 'prose' },
  ],
  stacks: true,
  rows: shown.map(({ from, until, hours, why }) => [
    hourInZone(from, zone),
    hourInZone(until, zone),
    hours,
    why ?? 'nothing was noted: nobody looked',
  ]),
})}
${gaps.length > shown.length ? html`<p class="faint">These are the ${shown.length} longest of ${gaps.length}; <code>--json</code> has all of them.</p>` : undefined}`
}

function conditions({ settings: { alerts, passMeans, forecast, entitlements } }: LicenceReport): Html {
  const day = (number: number | undefined): string => (number === undefined ? '' : dayText(number))
  return html`<h2 id="conditions">What it is measured by</h2>
<p>Over-use is more than the entitlement and ${formatDecimal(alerts.tolerancePercent)} % of it. What "true" of QueryOverage means: ${passMeans ?? 'not configured'}.
Expected is made from the highest of each day of the last ${forecast.weeks} weeks: level, trend and the days of the week; the band holds four days in five.</p>
${htmlTable({
  caption: 'Entitlements',
  columns: [
    { title: 'Product', kind: 'moment' },
    { title: 'Region' },
    { title: 'Cores', kind: 'number' },
    { title: 'From', kind: 'moment' },
    { title: 'Until', kind: 'moment' },
    { title: 'Note', kind: 'prose' },
  ],
  stacks: true,
  rows: entitlements.map(({ product, region, cores, from, until, note }) => [
    product.pattern,
    region?.pattern ?? 'every one',
    cores === 'unlimited' ? cores : formatDecimal(cores),
    day(from),
    day(until),
    note ?? '',
  ]),
})}`
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`
}
