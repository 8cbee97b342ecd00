import { resolve } from 'node:path'
import { forecastText } from '#functions/license-meter/judge.ts'
import { licencePage } from '#infra/report/licence-page.ts'
import { type LicenceReport, type MetricReport, type RegionReport, readLicenceReport } from '#infra/report/licence-report.ts'
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
} from '#infra/report/licence-text.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { columns } from './columns.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { csvRow, fileSize, writeWhole } from './license-file.ts'
import { reportJson } from './license-json.ts'
import { lastTwelveMonths, type PeriodWords, periodOf } from './license-period.ts'
import type { LicenceWorld } from './license-world.ts'
import { counted } from './words.ts'

/** `longshore license report`. */
export async function showReport(
  io: CommandIo,
  world: LicenceWorld,
  words: PeriodWords & { readonly html?: string | undefined; readonly csv?: string | undefined; readonly json?: boolean | undefined },
): Promise<number> {
  const { settings, memory, regions, clusters, nowMs, notes, print, redactor } = world
  if (words.json === true && (words.html !== undefined || words.csv !== undefined))
    throw new UsageError('--json prints; --html and --csv write files: ask for one or the other')
  for (const [option, file] of [['--html', words.html] as const, ['--csv', words.csv] as const])
    if (file === '') throw new UsageError(`${option} takes the file to write`)
  const period = periodOf(words, settings.timeZone, nowMs) ?? lastTwelveMonths(settings.timeZone, nowMs)
  const report = await readLicenceReport(memory, { regions, period, settings, nowMs, clusters })
  if (words.json === true) {
    print(JSON.stringify({ ...reportJson(report), notes }, null, 2))
    return 0
  }
  if (words.html !== undefined) {
    const path = resolve(io.cwd, words.html)
    const bytes = await writeWhole(path, [redactor.text(licencePage(report, notes))])
    print(`${path}: ${summaryText(report)}, ${fileSize(bytes)}. Open it in a browser.`)
  }
  if (words.csv !== undefined) {
    const path = resolve(io.cwd, words.csv)
    const bytes = await writeWhole(path, monthRows(report))
    print(`${path}: ${summaryText(report)}, ${fileSize(bytes)}.`)
  }
  if (words.html === undefined && words.csv === undefined) for (const line of reportLines(report)) print(line)
  return 0
}

function summaryText({ regions }: LicenceReport): string {
  const [measured, hours] = regions.reduce(
    ([some, all], { total }) => [some + (total?.measured ?? 0), all + (total?.hours ?? 0)] as const,
    [0, 0] as readonly [number, number],
  )
  return `${counted(regions.length, 'region')}, ${coverageText({ measured, hours })}`
}

/** The report as people read it on a terminal. */
export function* reportLines(report: LicenceReport): Generator<string> {
  const { period, settings, regions } = report
  const zone = settings.timeZone
  yield `Licence usage of ${periodText(period)}, days of ${zone}.`
  for (const region of regions) {
    yield ''
    yield `${region.region}: ${region.total === undefined ? 'no hour of it has begun' : coverageText(region.total)}${gapsText(region, zone)}.`
    yield `  ${passText(region.outlook, settings)}`
    for (const metric of region.metrics) yield* metricLines(metric)
    yield* gapLines(region, zone)
    yield `  ${recordText(region, zone)}`
  }
}

function gapsText({ gaps }: RegionReport, zone: string): string {
  const [longest] = gaps.toSorted((one, other) => other.hours - one.hours)
  return longest === undefined
    ? ''
    : `; ${counted(gaps.length, 'gap')}, the longest ${longest.hours} h from ${hourInZone(longest.from, zone)}`
}

function* metricLines(metric: MetricReport): Generator<string> {
  const { metric: one, description, outlook, partOf, months } = metric
  const ahead = partOf !== undefined ? [`counts under ${partOf}`] : outlook === undefined ? [] : [forecastText(outlook.forecast)]
  yield ''
  yield `  ${one.id}${description === '' ? '' : ` (${description})`}: ${[nowText(metric), ...ahead].join('; ')}`
  const rows = months.map(({ name, high, daysAbove, hours, measured }) => [
    name,
    high === undefined ? 'never read' : formatDecimal(high.mark.max),
    high === undefined ? '' : dayText(high.mark.day),
    high === undefined || partOf !== undefined ? '' : entitledText(high.entitled),
    usedShare(high),
    daysAbove === 0 ? '' : String(daysAbove),
    hours === 0 ? '' : coverageShare({ measured, hours }),
  ])
  yield* columns(['month', 'highest', 'first on', 'entitled', 'used', 'days above', 'measured'], rows).map((line) => `    ${line}`)
}

/** So many gaps are printed; the other forms have all. */
const mostGapLines = 12

function* gapLines({ gaps }: RegionReport, zone: string): Generator<string> {
  if (gaps.length === 0) return
  const longest = gaps.toSorted((one, other) => other.hours - one.hours).slice(0, mostGapLines)
  const shown = longest.toSorted((one, other) => (one.from < other.from ? -1 : 1))
  yield ''
  const rows = shown.map(({ from, until, hours, why }) => [
    hourInZone(from, zone),
    hourInZone(until, zone),
    String(hours),
    why ?? 'nothing was noted: nobody looked',
  ])
  yield* columns(['not measured from', 'until', 'hours', 'why'], rows).map((line) => `    ${line}`)
  if (gaps.length > shown.length) yield `    and ${counted(gaps.length - shown.length, 'shorter gap')}; --json and --html have them`
}

/** The figures of the months for a spreadsheet. */
export function* monthRows({ regions }: LicenceReport): Generator<string> {
  yield csvRow([
    'region',
    'metric',
    'description',
    'unit',
    'month',
    'highest',
    'highest_at',
    'entitled',
    'used',
    'days_above',
    'hours',
    'hours_measured',
  ])
  for (const { region, metrics } of regions) {
    for (const { metric, description, unit, months } of metrics) {
      for (const { name, high, daysAbove, hours, measured } of months) {
        yield csvRow([
          region,
          metric.id,
          description,
          unit,
          name,
          high === undefined ? '' : formatDecimal(high.mark.max),
          high?.mark.at,
          high === undefined ? '' : entitledText(high.entitled),
          usedShare(high),
          daysAbove,
          hours,
          measured,
        ])
      }
    }
  }
}
