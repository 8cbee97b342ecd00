import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { schedulesOf } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { movedInto, type RecordedEvent, recordedEvents } from '#infra/rehearse/recorded-events.ts'
import type { Rehearsal } from '#infra/rehearse/rehearsal.ts'
import { rehearse as goThrough, type RehearseOptions } from '#infra/rehearse/rehearse.ts'
import { sandboxSnapshot } from '#infra/rehearse/sandbox-snapshot.ts'
import { parseSnapshot, type Snapshot, SnapshotError } from '#infra/rehearse/snapshot.ts'
import { rehearsalPage } from '#infra/report/rehearsal-page.ts'
import {
  dayTable,
  decisionHeading,
  decisionRow,
  doneDecisions,
  functionTable,
  leftOutText,
  minuteOf,
  refusedDecisions,
  summaryOf,
  type TextTable,
} from '#infra/report/rehearsal-text.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { columns } from './columns.ts'
import { type Command, type CommandIo, stoppedCode, UsageError } from './command.ts'
import { fileSize, writeWhole } from './license-file.ts'
import { checkOutput, pageOutput } from './output-file.ts'
import { createProgress } from './progress.ts'
import { readEvent } from './read-event.ts'
import { configPathOf, counted, fileTrouble, isZone, parseWhole } from './words.ts'

const mostDays = 92
/** Whoever made the file chose the names in it: none of them moves a terminal's cursor. */
const controls = /[\p{Cc}\u2028\u2029]+/gu
/** A text of V8 cannot be longer. */
const mostBytes = 500 * 1024 * 1024
/** What Node says of a file that is longer, and of one of more than 2 GiB. */
const tooLarge: ReadonlySet<string> = new Set(['ERR_STRING_TOO_LONG', 'ERR_FS_FILE_TOO_LARGE'])

export const rehearse: Command = {
  summary: 'go through days to come on a snapshot, and show what would be scaled, bought, deleted and deployed',
  help: `Usage: longshore rehearse world.json [--days 7 | --hours N] [--speed max] [--events FILE] [--config FILE] [--html FILE] [--json]
                          [--show 40] [--zone Asia/Shanghai] [--seed 1] [--every-tick]
       longshore rehearse --sandbox [the same options]

Makes a world of a snapshot (\`longshore snapshot\`) in this process, and lets the real functions run in it for some days from the
moment it was taken, with the configuration that is in force or one that is proposed. Nothing real is reached: there is no connection to
anything, whatever the configuration says. Time costs nothing, so --speed is always max. The same files give the same result.

In it the mode is enforce, whatever the configuration says, and no call is lost, every machine starts, and every image that is in the
registry runs. Approvals are not given; calendars with an address and figures of Prometheus cannot be read. What the
functions remember on the platform (samples of the licence, what was seen of the registry) is not there at the beginning.

--events is a file (JSON) with what comes from outside, one or a list: requests to the webhooks as API Gateway hands them over, such as
events/alarm-scaler/base.json, or {"at": "2026-11-24T08:00:00Z", …} with
  "alert": {…}                                                   an alarm, as in \`longshore replay\`
  "push": {"repository": "shop/web", "tag": "v1.2.3"}            an image; "digest" and "bytes" if they matter
  "scale": {"cluster": …, "namespace": …, "kind": "Deployment", "name": …, "replicas": 9}     somebody sets a size by hand
Events of before are moved by whole weeks, so that each is on its day of the week. An alarm is confirmed by reading: without pods that
find no place, or whatever its policy wants to see, nothing is bought.

--config is the configuration; without it, longshore.yaml, or the sandbox's own for a snapshot of the sandbox. --zone is whose days
count. --every-tick runs every trigger, also those of which nothing can come. --html writes a page with charts.

Exit code 0: here it is. 1: something went wrong. 130: Ctrl-C came first; what there is up to then is shown.

Example: longshore rehearse --sandbox --hours 1`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        days: { type: 'string' },
        hours: { type: 'string' },
        speed: { type: 'string' },
        events: { type: 'string' },
        config: { type: 'string' },
        html: { type: 'string' },
        json: { type: 'boolean' },
        show: { type: 'string' },
        zone: { type: 'string' },
        seed: { type: 'string' },
        'every-tick': { type: 'boolean' },
        sandbox: { type: 'boolean' },
      },
    })
    const [file, ...more] = positionals
    if (more.length > 0) throw new UsageError('name one snapshot')
    if (values.sandbox !== true && file === undefined)
      throw new UsageError('name a snapshot (`longshore snapshot` makes one), or say --sandbox')
    if (values.sandbox === true && file !== undefined) throw new UsageError('--sandbox makes a snapshot of its own: leave the file out')
    if (values.speed !== undefined && values.speed !== 'max')
      throw new UsageError(`--speed takes "max" and nothing else, not "${values.speed}": nobody waits in a rehearsal`)
    if (values.html === '') throw new UsageError('--html takes the file to write, such as week.html')
    const hours = hoursOf(values.days, values.hours)
    const show = values.show === undefined ? 40 : parseWhole(values.show, '--show', 0, 1_000_000)
    const seed = values.seed === undefined ? 1 : parseWhole(values.seed, '--seed', 0, 2 ** 31 - 1)
    const zone = values.zone ?? 'Asia/Shanghai'
    if (!isZone(zone)) throw new UsageError(`--zone: this machine knows no time zone "${zone}"; write its IANA name, such as Asia/Shanghai`)

    // What can be wrong with a file is found before anything takes its time.
    if (values.html !== undefined) await checkOutput(resolve(io.cwd, values.html), pageOutput)
    const content = values.events === undefined ? undefined : { events: await readEvent(resolve(io.cwd, values.events)) }
    const snapshot = file === undefined ? await sandboxSnapshot({ seed, folder: io.cwd }) : await readSnapshot(resolve(io.cwd, file))
    const config = await configFor(snapshot, values.config, io)
    const { events, weeks } = await eventsOf(content, snapshot, config)
    const redactor = createRedactor()
    const progress = createProgress(io, io.err)
    const fromMs = Date.parse(snapshot.takenAt)
    const result = await goThrough({
      snapshot,
      config,
      functions: await functionsToRun(),
      days: hours / 24,
      events,
      zone,
      seed,
      everyTick: values['every-tick'] === true,
      redactor,
      signal: io.signal,
      onProgress: (nowMs) => progress.at(Math.floor((nowMs - fromMs) / 3_600_000), hours, minuteOf(nowMs, zone)),
    }).finally(() => progress.end())
    const print = (line: string): void => io.out(redactor.text(line))
    if (values.json === true) print(JSON.stringify(jsonOf(result, weeks), null, 2))
    else for (const line of linesOf(result, { show, weeks, name: file ?? 'a sandbox' })) print(line.replace(controls, ' '))
    if (values.html !== undefined) {
      const bytes = await writeWhole(resolve(io.cwd, values.html), [rehearsalPage(result)])
      io.err(`${values.html} is written: ${fileSize(bytes)}.`)
    }
    return result.isDone ? 0 : stoppedCode(io.signal)
  },
}

function hoursOf(days: string | undefined, hours: string | undefined): number {
  if (days !== undefined && hours !== undefined) throw new UsageError('--days and --hours say the same: give one of them')
  if (hours !== undefined) return parseWhole(hours, '--hours', 1, mostDays * 24)
  return 24 * (days === undefined ? 7 : parseWhole(days, '--days', 1, mostDays))
}

async function functionsToRun(): Promise<RehearseOptions['functions']> {
  return await Promise.all(localFunctions.map(async (fn) => ({ function: fn, schedules: await schedulesOf(fn.name) })))
}

async function readSnapshot(path: string): Promise<Snapshot> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const why = tooLarge.has(String(error.code)) ? `it is larger than ${fileSize(mostBytes)}` : fileTrouble(error)
    throw new Error(`the snapshot ${path} cannot be read: ${why}`, { cause: error })
  }
  try {
    return parseSnapshot(text)
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error
    throw new SnapshotError(`the snapshot ${path} cannot be used: ${error.message}`, { cause: error })
  }
}

async function configFor(snapshot: Snapshot, given: string | undefined, io: CommandIo): Promise<Config> {
  const isOwn = given === undefined && snapshot.source === 'sandbox'
  const path = isOwn ? join(import.meta.dirname, '../local/sandbox.yaml') : configPathOf(given, io.env)
  const env = snapshot.region === '' ? io.env : { TENCENTCLOUD_REGION: snapshot.region, ...io.env }
  return await readConfig({ env, path, folder: io.cwd })
}

async function eventsOf(
  content: { readonly events: unknown } | undefined,
  snapshot: Snapshot,
  config: Config,
): Promise<{ readonly events: readonly RecordedEvent[]; readonly weeks: number }> {
  if (content === undefined) return { events: [], weeks: 0 }
  return movedInto(await recordedEvents(content.events, config), Date.parse(snapshot.takenAt))
}

interface Said {
  readonly show: number
  readonly weeks: number
  readonly name: string
}

function* linesOf(result: Rehearsal, { show, weeks, name }: Said): Generator<string> {
  const { zone, fromMs, untilMs } = result
  yield `Rehearsal of ${name}, as of ${result.takenAt}: ${minuteOf(fromMs, zone)} to ${minuteOf(untilMs, zone)} (${zone}). Nothing real was touched.`
  if (!result.isDone) yield 'It was stopped before its end; what follows is what there was up to then.'
  yield summaryOf(result)
  const leftOut = leftOutText(result)
  if (leftOut !== '') yield leftOut
  for (const { id, name: called } of result.clusters.filter(({ isKnown }) => !isKnown))
    yield `The cluster ${called} (${id}) is configured and not in the snapshot.`
  for (const note of result.notes) yield `Note: ${note}`
  yield ''
  yield* tableOf(dayTable(result))
  yield ''
  yield* tableOf(functionTable(result))
  for (const { function: fn, text, times } of result.failures) yield `${fn} failed ${counted(times, 'time')}, the last time because ${text}`
  yield* decisionsOf('Done', doneDecisions(result), zone, show)
  yield* decisionsOf('Wanted, and not done', refusedDecisions(result), zone, show)
  if (result.removed.length > 0) {
    yield ''
    yield `Removed from the registry: ${counted(result.removed.length, 'tag')}`
    yield* columns(
      ['when', 'image', 'MiB freed'],
      result.removed
        .slice(0, show)
        .map(({ atMs, repository, tag, freedBytes }) => [minuteOf(atMs, zone), `${repository}:${tag}`, mib(freedBytes)]),
    )
    yield* restOf(result.removed.length, show)
  }
  if (result.nodes.length > 0) {
    yield ''
    yield `Nodes that came and went: ${result.nodes.length}`
    yield* columns(
      ['when', 'cluster', 'machine', 'cores', ''],
      result.nodes
        .slice(0, show)
        .map(({ atMs, cluster, machine, cores, kind }) => [minuteOf(atMs, zone), cluster, machine, String(cores), kind]),
    )
    yield* restOf(result.nodes.length, show)
  }
  if (result.images.length > 0) {
    yield ''
    yield `Images that were set: ${result.images.length}`
    yield* columns(
      ['when', 'cluster', 'workload', 'container', 'image'],
      result.images
        .slice(0, show)
        .map(({ atMs, cluster, workload, container, from, to }) => [
          minuteOf(atMs, zone),
          cluster,
          workload,
          container,
          `${from} -> ${to}`,
        ]),
    )
    yield* restOf(result.images.length, show)
  }
  if (result.events.length + result.eventsAfter > 0) {
    yield ''
    yield `Events: ${result.events.length}${weeks === 0 ? '' : `, moved by ${counted(weeks, 'week')}`}${result.eventsAfter === 0 ? '' : `; ${result.eventsAfter} of after the end did not happen`}${result.deadEvents === 0 ? '' : `; ${result.deadEvents} ended as dead letters`}`
    if (result.events.length === 0) return
    yield* columns(
      ['when', 'event', 'trouble'],
      result.events.slice(0, show).map(({ atMs, text, trouble = '' }) => [minuteOf(atMs, zone), text, trouble]),
    )
    yield* restOf(result.events.length, show)
  }
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}

function* tableOf({ heading, rows }: TextTable): Generator<string> {
  yield* columns(heading, rows)
}

function* decisionsOf(title: string, decisions: ReturnType<typeof doneDecisions>, zone: string, show: number): Generator<string> {
  yield ''
  yield `${title}: ${decisions.length === 0 ? 'nothing' : counted(decisions.length, 'line')}`
  if (decisions.length === 0) return
  yield* columns(
    decisionHeading,
    decisions.slice(0, show).map((decision) => decisionRow(decision, zone)),
  )
  yield* restOf(decisions.length, show)
}

function* restOf(count: number, show: number): Generator<string> {
  if (count > show) yield `… and ${count - show} more (--show ${count}, --json or --html)`
}

function jsonOf(result: Rehearsal, weeks: number): object {
  const iso = (key: string, value: unknown): unknown =>
    typeof value === 'number' && (key === 'atMs' || key.endsWith('Ms')) ? new Date(value).toISOString() : value
  const named = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(named)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key.replace(/Ms$/, ''), named(iso(key, item))]))
  }
  return { eventsMovedByWeeks: weeks, ...Object(named(result)) }
}
