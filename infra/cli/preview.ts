import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { CronScalerConfig } from '#functions/cron-scaler/event.ts'
import type { Observed } from '#functions/cron-scaler/plan.ts'
import { sizeText } from '#functions/cron-scaler/target.ts'
import { type Period, type TargetTimeline, type TimelineEntry, timelines, unseenWorld } from '#functions/cron-scaler/timeline.ts'
import { conflictsOf, type Outsider, outsidersOf, type TimelineConflict } from '#functions/cron-scaler/timeline-conflicts.ts'
import { type Platform, readConfig, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { momentText, numberText, PreviewPage, rangeText, sizeOrUnknown, summaryOf, whyText } from '#infra/report/preview-page.ts'
import { curveOf, ReplicaCurve } from '#infra/report/replica-curve.ts'
import { civilOf, firstInstantAt, formatInstant, parseCivilDate, startOfDate, wallSeconds } from '#shared/pure/civil.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { columns } from './columns.ts'
import { type Command, UsageError } from './command.ts'
import { functionNamed } from './with-platform.ts'
import { configPathOf, counted, fileTrouble, isZone, parseInstant, parseWhole } from './words.ts'

/** Nobody plans further, and holidays are not known so far ahead. */
const mostDays = 1100

/** From now to the beginning of a preview the world is gone through as well. */
const mostDaysAhead = 3660

const dayMs = 86_400_000

export const preview: Command = {
  summary: 'show what the schedules will do over days or years',
  help: `Usage: longshore preview cron-scaler [--from 2026-11-24] [--days 30] [--json | --html FILE] [--zone Asia/Shanghai] [--show 5]
                                     [--config FILE] [--offline | --sandbox]

Goes through a period with the code that decides: the same rules, excluded dates, time zones, precedence, spreads, overrides
and deadlines, from firing to firing. Prints for every target what its size will be, when, by which rule and why; replica-hours
(of an autoscaler the least and the most that its bounds allow); how many replicas there are at once at most, over all targets;
and conflicts: ties between rules that ask for different sizes, rules that never decide or never fire, targets that are held.

--from is a date (its beginning in the zone) or an instant; now when absent. --days is at most ${mostDays}. --zone is the zone
that times are written in; the function's own when absent. --show says how many changes of each target are printed.
--json prints everything. --html writes one file that needs nothing else, with charts; it may be sent to somebody.

It starts from what is in the clusters now. With --offline nothing is read: the rules of the configuration alone, and sizes are
unknown until a rule first fires. With --sandbox it is the sandbox's clusters. Taken for granted: triggers on time, mode enforce,
nobody else changing a size. Nothing is changed.

Exit code 0: here it is. 1: something went wrong, or a cluster could not be read.

Example: longshore preview cron-scaler --from 2026-11-24 --days 7 --html week.html`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        days: { type: 'string' },
        json: { type: 'boolean' },
        html: { type: 'string' },
        zone: { type: 'string' },
        show: { type: 'string' },
        config: { type: 'string' },
        offline: { type: 'boolean' },
        sandbox: { type: 'boolean' },
      },
    })
    const [name, ...more] = positionals
    const fn = functionNamed(name)
    if (more.length > 0) throw new UsageError('name one function')
    if (fn.name !== definition.name) throw new UsageError(`${fn.name} has no schedules to preview; it is "${definition.name}" that has`)
    if (values.json === true && values.html !== undefined) throw new UsageError('--json and --html are two answers: ask for one of them')
    if (values.offline === true && values.sandbox === true)
      throw new UsageError('--offline reads nothing, so there is no --sandbox with it')
    if (values.html === '') throw new UsageError('--html takes the file to write, such as year.html')
    if (values.zone !== undefined && !isZone(values.zone))
      throw new UsageError(`"${values.zone}" is no IANA time zone, such as Asia/Shanghai or UTC`)
    // A mistake in it is told before anything is read.
    if (values.from !== undefined) fromOf(values.from, 'UTC', 0)
    const asked = {
      from: values.from,
      zone: values.zone,
      days: values.days === undefined ? 30 : parseWhole(values.days, '--days', 1, mostDays),
    }
    const show = values.show === undefined ? 5 : parseWhole(values.show, '--show', 0, 100_000)

    const redactor = createRedactor()
    const print = (line: string): void => io.out(redactor.text(line))
    let world: World
    if (values.offline === true) {
      const config = await readConfig({ env: io.env, path: configPathOf(values.config, io.env), folder: io.cwd })
      world = { observed: undefined, config: await functionConfig(config, definition), now: Date.now() }
    } else {
      const platform: Platform =
        values.sandbox === true
          ? await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {} })
          : await realPlatform({ configPath: configPathOf(values.config, io.env), cwd: io.cwd, env: io.env, redactor })
      try {
        const { config, cloud, store } = platform
        const now = platform.now()
        const { observed } = await makePlan(definition, { config, cloud, store, fetchText: cloud.fetchText, now, signal: io.signal })
        world = { observed, config: await functionConfig(config, definition), now }
      } finally {
        await platform.close()
      }
    }
    const report = previewOf(world, asked)
    if (values.json === true) for (const line of jsonLines(report)) print(line)
    else if (values.html === undefined) for (const line of textLines(report, show)) print(line)
    else {
      const path = resolve(io.cwd, values.html)
      const page = redactor.text(pageOf(report))
      await writeFile(path, page).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error)) throw error
        throw new Error(
          `the page cannot be written to ${path}: ${fileTrouble(error)}. Name a file in a folder that exists and may be written to`,
          { cause: error },
        )
      })
      print(`${path}: ${counted(report.count(), 'target')}, ${Math.ceil(page.length / 1024)} KiB. Open it in a browser.`)
      for (const { code, text } of report.outsiders) if (code !== 'rule-paused') io.err(redactor.text(text))
    }
    return report.outsiders.some(({ code }) => code === 'cluster-unreadable') ? 1 : 0
  },
}

/** What a preview is made from: what was seen and when, or undefined when nobody looked. */
interface World {
  readonly observed: Observed | undefined
  readonly config: CronScalerConfig & { readonly mode: string }
  readonly now: number
}

/** A preview that is still to be gone through; each time it is, it is gone through anew, and one target is in memory. */
export interface Preview {
  readonly zone: string
  readonly days: number
  readonly period: Period
  readonly isSeen: boolean
  readonly notes: readonly string[]
  readonly outsiders: readonly Outsider[]
  /** How many targets have been gone through. */
  readonly count: () => number
  readonly timelines: () => Generator<TargetTimeline>
}

/** Says what is to be gone through. Throws UsageError when the period is none. */
export function previewOf(
  { observed, config, now }: World,
  asked: { readonly from?: string | undefined; readonly zone?: string | undefined; readonly days: number },
): Preview {
  const zone = asked.zone ?? config.settings.timeZone
  const fromMs = fromOf(asked.from, zone, now)
  if (fromMs > now + mostDaysAhead * dayMs)
    throw new UsageError(`--from is more than ${mostDaysAhead} days away, and all until then would have to be gone through`)
  const { year, month, day, hour, minute, second } = civilOf(fromMs, zone)
  const untilMs = firstInstantAt(wallSeconds({ year, month, day, hour, minute, second }) + asked.days * 86_400, zone)
  // Without a look at the world there is nothing to go through before.
  const observedMs = observed === undefined ? fromMs : Math.min(now, fromMs)
  const period = { observedMs, fromMs, untilMs }
  const start = observed ?? unseenWorld(config)
  let targets = 0
  return {
    zone,
    days: asked.days,
    period,
    isSeen: observed !== undefined,
    notes: notesOf({ observed, config, now }, period, zone),
    outsiders: outsidersOf(start, config, observedMs),
    count: () => targets,
    timelines: () => {
      targets = 0
      const all = timelines(start, config, period)
      return (function* () {
        for (const timeline of all) {
          targets += 1
          yield timeline
        }
      })()
    },
  }
}

/** The beginning: a date is its beginning in the zone, where people mean it. */
function fromOf(word: string | undefined, zone: string, now: number): number {
  // Whole seconds, as schedules have them.
  if (word === undefined) return Math.floor(now / 1000) * 1000
  const date = parseCivilDate(word)
  return date.ok ? startOfDate(date.value, zone) : parseInstant(word, '--from')
}

function notesOf({ observed, config, now }: World, { fromMs }: Period, zone: string): string[] {
  const notes: string[] = []
  if (observed === undefined) {
    notes.push('Nothing was read: only the rules of the configuration take part, and sizes are unknown until a rule first fires.')
  } else if (fromMs < now - 1000) {
    notes.push(
      `It starts from what is in the clusters now, ${formatInstant(now, zone)}, as if it had been so at its beginning; what was done since is put aside.`,
    )
  } else {
    notes.push(`It starts from what was in the clusters at ${formatInstant(now, zone)}.`)
  }
  notes.push('Taken for granted: triggers on time, and nobody else changing a size.')
  if (config.mode !== 'enforce')
    notes.push(`The mode is ${config.mode}, in which nothing is changed; this shows what mode enforce would do.`)
  return notes
}

/** So many entries of a timeline are written in one line. */
const entriesAtOnce = 500

/** The whole of it as JSON, piece by piece, so that not all of it is in memory at once. */
export function* jsonLines(report: Preview): Generator<string> {
  const { period, zone, days, isSeen, notes, outsiders } = report
  const all = report.timelines()
  const curve = new ReplicaCurve(period)
  const conflicts: TimelineConflict[] = []
  const head = {
    function: definition.name,
    from: iso(period.fromMs),
    until: iso(period.untilMs),
    days,
    zone,
    startsFrom: isSeen ? 'observed' : 'unknown',
  }
  yield `{${members({ ...head, notes })},`
  yield '"targets": ['
  let isFirst = true
  for (const timeline of all) {
    curve.add(curveOf(timeline, period.fromMs))
    conflicts.push(...conflictsOf(timeline, zone))
    yield `${isFirst ? '' : ','}{${members(jsonTarget(timeline))},"timeline": [`
    for (let at = 0; at < timeline.entries.length; at += entriesAtOnce) {
      const entries = timeline.entries.slice(at, at + entriesAtOnce).map((entry) => JSON.stringify(jsonEntry(entry)))
      yield `${at === 0 ? '' : ','}${entries.join(',\n')}`
    }
    yield ']}'
    isFirst = false
  }
  yield '],'
  const points = curve.points()
  const { low, high } = curve.peaks(points)
  const peak = { low: { replicas: low.count, at: iso(low.atMs) }, high: { replicas: high.count, at: iso(high.atMs) } }
  const months = curve.months(zone, points).map(({ month, peak: most, hours }) => ({ month, mostReplicas: most, replicaHours: hours }))
  yield `${members({ mostReplicas: peak, months, conflicts: conflicts.map(({ atMs, ...rest }) => ({ ...rest, ...(atMs === undefined ? {} : { at: iso(atMs) }) })), outsiders })}}`
}

function members(value: object): string {
  return JSON.stringify(value).slice(1, -1)
}

function jsonTarget({ name, cluster, target, start, end, hours, rules, ties }: TargetTimeline): object {
  return {
    name,
    cluster,
    target,
    start: start ?? null,
    end: end ?? null,
    replicaHours: hours,
    rules,
    ties: ties.map(({ firstMs, ...rest }) => ({ ...rest, first: iso(firstMs) })),
  }
}

function jsonEntry({ atMs, before, after, ...rest }: TimelineEntry): object {
  return { at: iso(atMs), ...rest, before: before ?? null, after: after ?? null }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

/** The preview as people read it: each target with its first changes, then all of them together, then what is wrong. */
export function* textLines(report: Preview, show: number): Generator<string> {
  const { period, zone, days, notes, outsiders } = report
  const all = report.timelines()
  const curve = new ReplicaCurve(period)
  const conflicts: TimelineConflict[] = []
  yield `${counted(days, 'day')} from ${formatInstant(period.fromMs, zone)}. ${notes.join(' ')}`
  for (const timeline of all) {
    curve.add(curveOf(timeline, period.fromMs))
    conflicts.push(...conflictsOf(timeline, zone))
    yield ''
    yield* targetLines(timeline, zone, show)
  }
  yield ''
  const points = curve.points()
  const { low, high } = curve.peaks(points)
  const hours = curve
    .months(zone, points)
    .reduce((sum, month) => ({ low: sum.low + month.hours.low, high: sum.high + month.hours.high }), { low: 0, high: 0 })
  if (report.count() === 0) yield 'There are no rules, so nothing will be changed.'
  else
    yield `Together: ${counted(report.count(), 'target')}, ${rangeText(Math.round(hours.low), Math.round(hours.high))} replica-hours, at most ${rangeText(low.count, high.count)} replicas at once, first at ${formatInstant(high.atMs, zone)}.`
  if (conflicts.length > 0) {
    yield ''
    yield `${counted(conflicts.length, 'conflict')}:`
    yield* columns(
      ['what', 'target', 'why'],
      conflicts.map(({ code, target, text }) => [code, target, text]),
    ).map((line) => `  ${line}`)
  }
  if (outsiders.length > 0) {
    yield ''
    yield 'Without a part in it:'
    for (const { text } of outsiders) yield `  ${text}`
  }
}

function targetLines(timeline: TargetTimeline, zone: string, show: number): string[] {
  const { name, start, entries } = timeline
  const { changes, replicas, hours, unknownHours } = summaryOf(timeline)
  const facts = [
    `${start === undefined ? 'size unknown' : sizeText(start)} at first`,
    changes === 0 ? 'no change' : counted(changes, 'change'),
    `${replicas} replicas`,
    `${hours} replica-hours`,
    ...(unknownHours === '' ? [] : [unknownHours]),
  ]
  const head = `${name}: ${facts.join(', ')}`
  const shown = entries.slice(0, show)
  const left = entries.length - shown.length
  const rows = shown.map((entry) => [momentText(entry.atMs, zone), changeText(entry), entry.rule, whyText(entry)])
  return [
    head,
    ...(rows.length === 0 ? [] : columns([`when (${zone})`, 'change', 'rule', 'why'], rows).map((line) => `  ${line}`)),
    ...(left === 0 ? [] : [`  and ${numberText(left)} more, the last at ${formatInstant(entries.at(-1)?.atMs ?? 0, zone)}`]),
  ]
}

function changeText({ verdict, before, after }: TimelineEntry): string {
  const from = sizeOrUnknown(before)
  return verdict === 'change' ? `${from} -> ${sizeOrUnknown(after)}` : `${from}, ${verdict}`
}

/** The preview as one page. */
export function pageOf(report: Preview): string {
  const { period, zone, days, notes, outsiders } = report
  const page = new PreviewPage({ zone, days, fromMs: period.fromMs, untilMs: period.untilMs, notes })
  const curve = new ReplicaCurve(period)
  const conflicts: TimelineConflict[] = []
  for (const timeline of report.timelines()) {
    page.add(timeline)
    curve.add(curveOf(timeline, period.fromMs))
    conflicts.push(...conflictsOf(timeline, zone))
  }
  return page.render(curve, conflicts, outsiders)
}
