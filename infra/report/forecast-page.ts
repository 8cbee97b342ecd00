import { type ClusterForecast, type Forecast, type ForecastRow, shortRows } from '#functions/cron-scaler/forecast.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { type ChartData, chartAssets, chartsDataId, type DrawnChart, stepChart } from './chart.ts'
import { causeTexts, clusterTitle, notModelled, rowCells, verdictText } from './forecast-text.ts'
import { type Html, type HtmlValue, html } from './html.ts'
import { htmlPage } from './html-page.ts'
import { htmlTable } from './html-table.ts'

/** The forecast as one page that needs nothing else: what it comes to, and of each cluster a table and the nodes over time. */
export function forecastPage(forecast: Forecast, notes: readonly string[], nameOf: (id: string) => string): string {
  const { fromMs, untilMs, zone, clusters, regions } = forecast
  const charts = clusters.map((cluster, index) => nodesChart(cluster, forecast, nameOf, index))
  const isShort = shortRows(forecast).length > 0
  const body = html`<header>
<h1>What the schedules will need</h1>
<p class="faint">cron-scaler, from ${formatInstant(fromMs, zone)} to ${formatInstant(untilMs, zone)}</p>
<p><strong class="${isShort ? 'bad' : 'good'}">${verdictText(forecast, nameOf)}</strong></p>
${notes.map((note) => html`<p>${note}</p>`)}
</header>
<main>
${clusters.map((cluster, index) => clusterSection(cluster, charts[index], forecast, nameOf, index))}
${regions.map(
  ({ region, days }) => html`<section aria-labelledby="${`licence-${region}`}">
<h2 id="${`licence-${region}`}">Licence in ${region}</h2>
${days.map(({ day, row }) => dayTable(day, [row], forecast))}
</section>
`,
)}
<h2 id="limits">What it does not reckon with</h2>
<ul>${notModelled.map((note) => html`<li>${note}</li>`)}</ul>
</main>`
  const data: ChartData[] = charts.flatMap((chart) => chart?.data ?? [])
  return htmlPage({ title: 'What the schedules will need', body, ...chartAssets(), data: { [chartsDataId]: data } })
}

function clusterSection(
  cluster: ClusterForecast,
  chart: DrawnChart | undefined,
  forecast: Forecast,
  nameOf: (id: string) => string,
  index: number,
): Html {
  const { problem, days, notes } = cluster
  const title = clusterTitle(cluster, nameOf)
  const id = `cluster-${index}`
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${problem === undefined ? undefined : html`<p><span class="bad">Nothing is forecast:</span> ${problem}</p>`}
${problem === undefined && days.length === 0 ? html`<p class="faint">No rule is about anything here.</p>` : undefined}
${days.map(({ day, rows }) => dayTable(day, rows, forecast))}
${chart?.figure}
${notes.map((note) => html`<p class="faint">${note}</p>`)}
</section>
`
}

function dayTable(day: string, rows: readonly ForecastRow[], forecast: Forecast): Html {
  const causes = causeTexts(forecast, rows)
  return html`${htmlTable({
    caption: `${day}: each at its worst instant of the day, times of ${forecast.zone}`,
    columns: [
      { title: 'What', kind: 'moment' },
      { title: 'Need', kind: 'number' },
      { title: 'Have', kind: 'number' },
      { title: 'Short', kind: 'number' },
      { title: 'Worst at', kind: 'moment' },
      { title: 'Why', kind: 'prose' },
    ],
    rows: rows.map((row): readonly HtmlValue[] => {
      const [what = '', need = '', have = '', short = '', moment = '', why = ''] = rowCells(forecast, row)
      const mark = row.level === 'short' ? 'bad' : row.level === 'enough' ? 'good' : 'warn'
      return [what, need, have, html`<span class="${mark}">${short === '' ? 'enough' : short}</span>`, moment, why]
    }),
    stacks: true,
  })}${causes.map((text) => html`<p>${text}</p>`)}`
}

/** Nodes over time, with what is to be had; undefined where nothing is forecast. */
function nodesChart(
  cluster: ClusterForecast,
  { fromMs, untilMs, zone }: Forecast,
  nameOf: (id: string) => string,
  index: number,
): DrawnChart | undefined {
  const { curve, nodesToBeHad } = cluster
  if (curve.length === 0) return undefined
  const limit = {
    title: 'there, or added by scaling groups',
    points: [
      { atMs: fromMs, value: nodesToBeHad },
      { atMs: untilMs, value: nodesToBeHad },
    ],
  }
  return stepChart({
    id: `nodes-${index}`,
    title: `Nodes of ${nameOf(cluster.id)}`,
    unit: 'nodes',
    zone,
    fromMs,
    untilMs,
    edges: { low: 'as autoscalers are', high: 'with autoscalers at their maximum' },
    points: curve.map(({ atMs, nodes }) => ({ atMs, low: nodes?.low ?? null, high: nodes?.high ?? null })),
    overlays: { curve: 'needed', limit },
  })
}
