import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { asReader } from '#cloud/client.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { type ClusterForecast, type Forecast, type ForecastRow, forecastOf, shortRows } from '#functions/cron-scaler/forecast.ts'
import { observeForecast } from '#functions/cron-scaler/forecast-observe.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { forecastPage } from '#infra/report/forecast-page.ts'
import { causeTexts, clusterTitle, notModelled, rowCells, rowHeadings, verdictText } from '#infra/report/forecast-text.ts'
import { formatInstant, parseCivilDate, startOfDate } from '#shared/pure/civil.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory, noMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { columns } from './columns.ts'
import { type Command, type CommandIo, UsageError } from './command.ts'
import { fileSize, writeWhole } from './license-file.ts'
import { checkOutput, pageOutput } from './output-file.ts'
import { configPathOf, isZone, parseInstant, parseWhole } from './words.ts'

/** What runs now says little about a day that is further away. */
const mostDays = 31

const dayMs = 86_400_000

export const forecast: Command = {
  summary: 'say whether there will be nodes, addresses, quota and licence for what the schedules will ask for',
  help: `Usage: longshore forecast [--days 1 | --until 2026-11-26] [--zone Asia/Shanghai] [--json | --html FILE]
                          [--config FILE | --sandbox]

Translates the schedules of the next hours into what they will need, and compares it with what there is. For each cluster and civil
day, each at its worst instant: pods and how many find a place, cores and memory that they request, nodes (those that are there and
ready, and those that scaling groups add by themselves as far as they may grow), addresses of pods, the quota of nodes; for each
region the licence, by what license-meter last measured. "tight" is what would be short if autoscalers went up to their maximum.

Sizes come from the code that decides. Pods are put as a scheduler would: by requests (init containers and overhead included), node
selectors, required node affinity, taints, the number of pods of a node, and that no two of a kind share a node where they ask for
that. What it takes for granted and does not reckon with stands at the end of what it prints.

--days is at most ${mostDays}; --until is a date (its beginning in the zone) or an instant. --zone is the zone in which days are
counted; the function's own when absent. --json prints everything. --html writes one file that needs nothing else. Nothing is changed.
With --sandbox it is the sandbox's clusters, where license-meter measures once first.

cron-scaler makes the same forecast once a day when its settings have \`forecast: { at: "16:00" }\`, and tells what will be short.

Exit code 0: nothing will be short, as far as anybody can tell. 1: something will be, or something went wrong. 2: nothing is
known to be short, but a cluster could not be read.

Example: longshore forecast --sandbox --days 2`,
  run: async (words, io) => {
    const { values } = parseArgs({
      args: [...words],
      options: {
        days: { type: 'string' },
        until: { type: 'string' },
        zone: { type: 'string' },
        json: { type: 'boolean' },
        html: { type: 'string' },
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
      },
    })
    if (values.json === true && values.html !== undefined) throw new UsageError('--json and --html are two answers: ask for one of them')
    if (values.html === '') throw new UsageError('--html takes the file to write, such as forecast.html')
    if (values.days !== undefined && values.until !== undefined)
      throw new UsageError('--days and --until both say when it ends: give one of them')
    if (values.zone !== undefined && !isZone(values.zone))
      throw new UsageError(`"${values.zone}" is no IANA time zone, such as Asia/Shanghai or UTC`)
    // A mistake in them is told before anything is read.
    const days = values.days === undefined ? 1 : parseWhole(values.days, '--days', 1, mostDays)
    if (values.until !== undefined) untilOf(values.until, 'UTC')

    const page = values.html === undefined ? undefined : resolve(io.cwd, values.html)
    if (page !== undefined) await checkOutput(page, pageOutput)

    const redactor = createRedactor()
    const print = (line: string): void => io.out(redactor.text(line))
    const platform: Platform =
      values.sandbox === true
        ? await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {} })
        : await realPlatform({ configPath: configPathOf(values.config, io.env), cwd: io.cwd, env: io.env, redactor })
    try {
      const nameOf = namesOf(platform)
      const made = await forecastNow(platform, io, {
        isSandbox: values.sandbox === true,
        zone: values.zone,
        untilOf: (nowMs, zone) => {
          const untilMs = values.until === undefined ? nowMs + days * dayMs : untilOf(values.until, zone)
          if (untilMs <= nowMs) throw new UsageError(`--until is not after now, ${formatInstant(nowMs, zone)}`)
          if (untilMs > nowMs + mostDays * dayMs) throw new UsageError(`--until is more than ${mostDays} days away`)
          return untilMs
        },
      })
      if (values.json === true) print(JSON.stringify(jsonOf(made), null, 2))
      else if (page === undefined) for (const line of textLines(made, nameOf)) print(line)
      else {
        const bytes = await writeWhole(page, [redactor.text(forecastPage(made.forecast, made.notes, nameOf))])
        print(`${page}: ${fileSize(bytes)}. Open it in a browser. ${verdictText(made.forecast, nameOf)}`)
      }
      return exitCode(made.forecast)
    } finally {
      await platform.close()
    }
  },
}

/** A forecast, and what has to be said of how it was made. */
interface Made {
  readonly forecast: Forecast
  readonly notes: readonly string[]
}

interface Asked {
  readonly isSandbox: boolean
  readonly zone: string | undefined
  readonly untilOf: (nowMs: number, zone: string) => number
}

async function forecastNow(platform: Platform, io: CommandIo, { isSandbox, zone: askedZone, untilOf: until }: Asked): Promise<Made> {
  const { config, cloud, store } = platform
  const own = await functionConfig(config, definition)
  const zone = askedZone ?? own.settings.timeZone
  const nowMs = platform.now()
  const untilMs = until(nowMs, zone)
  if (isSandbox) await measureOnce(platform, io)
  const { observed } = await makePlan(definition, { config, cloud, store, fetchText: cloud.fetchText, now: nowMs, signal: io.signal })
  const reader = asReader(cloud)
  const view = await observeForecast(
    { send: async (action, request, options) => await reader.send(action, request, { signal: io.signal, ...options }) },
    own,
    observed,
    nowMs,
    { memoryOf: (name) => (store === undefined ? noMemory : createMemory(store, { function: name, now: () => nowMs })) },
  )
  const notes = [`As the clusters were at ${formatInstant(nowMs, zone)}.`]
  if (own.mode !== 'enforce') notes.push(`The mode is ${own.mode}, in which nothing is changed; this is what mode enforce would need.`)
  if (platform.storeProblem !== undefined) notes.push(`What license-meter has measured cannot be read: ${platform.storeProblem}`)
  return { forecast: forecastOf(observed, view, own, { nowMs, untilMs, zone }), notes }
}

/** On a sandbox that has just begun nobody has measured anything. */
async function measureOnce({ config, cloud, kernel, store, now }: Platform, io: CommandIo): Promise<void> {
  const meter = localFunctions.find(({ name }) => name === licenseMeter.name)
  const nowMs = now()
  await meter?.run({
    config,
    cloud,
    kernel,
    store,
    fetchText: cloud.fetchText,
    owner: randomUUID(),
    now: nowMs,
    scheduledAt: nowMs - (nowMs % 60_000),
    trigger: { kind: 'local' },
    log: silentLog,
    signal: io.signal,
  })
}

/** The end: a date is its beginning in the zone, where people mean it. */
function untilOf(word: string, zone: string): number {
  const date = parseCivilDate(word)
  return date.ok ? startOfDate(date.value, zone) : parseInstant(word, '--until')
}

function namesOf({ config }: Platform): (id: string) => string {
  const names = new Map(config.clusters.map(({ id, name }) => [id, name ?? id]))
  return (id) => names.get(id) ?? id
}

/** 1 when something will be short, 2 when that is not known of every cluster. */
function exitCode(made: Forecast): number {
  if (shortRows(made).length > 0) return 1
  return made.clusters.some(({ problem }) => problem !== undefined) ? 2 : 0
}

function* textLines({ forecast: made, notes }: Made, nameOf: (id: string) => string): Generator<string> {
  const { fromMs, untilMs, zone, clusters, regions } = made
  yield `From ${formatInstant(fromMs, zone)} to ${formatInstant(untilMs, zone)}. ${notes.join(' ')}`
  for (const cluster of clusters) {
    yield ''
    yield* clusterLines(cluster, made, nameOf)
  }
  for (const { region, days } of regions) {
    yield ''
    yield `Licence in ${region}`
    yield* tableLines(days, made)
  }
  yield ''
  for (const note of notModelled) yield note
  yield ''
  yield verdictText(made, nameOf)
}

function* clusterLines(cluster: ClusterForecast, made: Forecast, nameOf: (id: string) => string): Generator<string> {
  const { problem, days, notes } = cluster
  yield clusterTitle(cluster, nameOf)
  if (problem !== undefined) {
    yield `  Nothing is forecast: ${problem}`
    return
  }
  if (days.length === 0) yield '  No rule is about anything here.'
  else
    yield* tableLines(
      days.flatMap(({ day, rows }) => rows.map((row) => ({ day, row }))),
      made,
    )
  for (const note of notes) yield `  ${note}`
}

function tableLines(rows: readonly { readonly day: string; readonly row: ForecastRow }[], made: Forecast): string[] {
  const table = columns(
    ['day', ...rowHeadings],
    rows.map(({ day, row }, index) => [rows[index - 1]?.day === day ? '' : day, ...rowCells(made, row)]),
  )
  return [
    ...table,
    ...causeTexts(
      made,
      rows.map(({ row }) => row),
    ),
  ].map((line) => `  ${line}`)
}

function jsonOf({ forecast: { fromMs, untilMs, zone, clusters, regions }, notes }: Made): object {
  const rowOf = ({ atMs, have, ...row }: ForecastRow) => ({ ...row, have: have ?? null, at: iso(atMs) })
  return {
    function: definition.name,
    from: iso(fromMs),
    until: iso(untilMs),
    zone,
    notes: [...notes, ...notModelled],
    clusters: clusters.map(({ days, curve, problem, ...cluster }) => ({
      ...cluster,
      problem: problem ?? null,
      days: days.map(({ day, rows }) => ({ day, rows: rows.map(rowOf) })),
      curve: curve.map(({ atMs, ...point }) => ({ at: iso(atMs), ...point })),
    })),
    regions: regions.map(({ region, days }) => ({ region, days: days.map(({ day, row }) => ({ day, row: rowOf(row) })) })),
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
