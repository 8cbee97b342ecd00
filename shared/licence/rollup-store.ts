import * as z from 'zod/mini'
import { stringifyJson } from '#cloud/json.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { civilDay } from './civil-day.ts'
import { type Decimal, formatDecimal, parseDecimal } from './decimal.ts'
import { type Kept, listKept, readKept, replaceKept } from './kept.ts'
import type { Metric } from './metric.ts'
import { type RecordSpan, readEntries, readSpan } from './record-store.ts'
import { type DayMark, type DayRow, hoursOfDay, periodName, rollDay } from './rollup.ts'
import { hourMs, hourNumber, type Sample } from './sample.ts'

/**
 * How high-water marks are kept, so that they outlive the samples and a report reads kilobytes instead of gigabytes:
 * - `day/<region>/<month>/<part>` the days of a civil month: what each metric's maximum was, when, and which hours were measured
 * - `rolled/<region>` how far the record is rolled up, in which zone and with which sums. When the settings ask for another zone or sum,
 *   all days whose samples are still kept are rolled up again.
 */
const Row = z.strictObject({
  day: z.int(),
  zone: z.string(),
  firstHour: z.int(),
  hours: z.int(),
  measured: z.int(),
  /** By the number of the metric in the part's list: the maximum, or null where nothing could be read. */
  max: z.array(z.nullable(z.string())),
  /** In which hour of the day. */
  at: z.array(z.int()),
  /** Hours in which the metric could be read, by its number, where they are not all that were measured. */
  read: z.optional(z.record(z.string(), z.int())),
})

type Row = z.infer<typeof Row>

const DaysPart = z.strictObject({
  format: z.literal(1),
  metrics: z.array(z.strictObject({ id: z.string(), unit: z.string() })),
  rows: z.array(Row),
})

type DaysPart = z.infer<typeof DaysPart>

export const Rolled = z.strictObject({
  format: z.literal(1),
  zone: z.string(),
  sums: z.array(z.string()),
  /** Last civil day that is rolled up. */
  until: z.int(),
  /** Month before which all days were thrown away; absent when none were. */
  clearedBefore: z.optional(z.string()),
})

export type Rolled = z.infer<typeof Rolled>

const mostPartBytes = 200_000

export const rolledKey = (region: string): string => `rolled/${region}`
export const monthPrefix = (region: string, month: string): string => `day/${region}/${month}/`

/** What is rolled up: whose days, and which sums beside the products. */
export interface RollRules {
  readonly zone: string
  readonly sums: readonly Metric[]
}

/** How far a region was rolled up. Throws StoreError and RecordError. */
export async function readRolled(memory: MemoryReader, region: string): Promise<Kept<Rolled> | undefined> {
  return await readKept(memory, rolledKey(region), Rolled)
}

/** Samples arrive within their hour; this long after a day's end none can be under way any more. */
const settledAfterMs = hourMs

/** The last civil day that is over for good. */
export function lastCompleteDay(zone: string, nowMs: number): number {
  return civilDay(nowMs - settledAfterMs, zone).day - 1
}

/**
 * Rolls up the days that are over and not rolled up yet, at most so many at once, oldest first. Two at the same time do the same, and the
 * one that comes second stops. Answers how many days were rolled up. Throws StoreError and RecordError.
 */
export async function rollUpDays(
  memory: MemoryWriter,
  region: string,
  rules: RollRules,
  nowMs: number,
  { mostDays = 40 }: { readonly mostDays?: number } = {},
): Promise<number> {
  const [rolled, span] = [await readRolled(memory, region), await readSpan(memory, region)]
  if (span === undefined) return 0
  const firstKept = firstKeptDay(span, rules.zone)
  const from = fits(rolled?.value, rules) && rolled !== undefined ? Math.max(rolled.value.until + 1, firstKept) : firstKept
  const until = Math.min(lastCompleteDay(rules.zone, nowMs), from + mostDays - 1)
  if (until < from) return 0
  const rows: DayRow[] = []
  for await (const row of rowsOfEntries(memory, region, from, until, rules)) rows.push(row)
  for (const month of new Set(rows.map(({ day }) => periodName(day, 'month')))) {
    const own = rows.filter(({ day }) => periodName(day, 'month') === month)
    if (!(await replaceRows(memory, region, month, own))) return 0
  }
  const next: Rolled = {
    ...(rolled?.value.clearedBefore === undefined ? {} : { clearedBefore: rolled.value.clearedBefore }),
    format: 1,
    zone: rules.zone,
    sums: rules.sums.map(({ id }) => id).sort(),
    until,
  }
  return (await replaceKept(memory, rolledKey(region), next, rolled)) ? rows.length : 0
}

function fits(rolled: Rolled | undefined, { zone, sums }: RollRules): boolean {
  return rolled !== undefined && rolled.zone === zone && sums.every(({ id }) => rolled.sums.includes(id))
}

function dayOfHour(hour: number, zone: string): number {
  return civilDay(hour * hourMs, zone).day
}

/** The first civil day all of whose samples are kept: the very first one, though it may have begun in the middle of it. */
function firstKeptDay({ anchor, firstHour }: RecordSpan, zone: string): number {
  if (anchor.hour === '') return dayOfHour(hourNumber(firstHour), zone)
  const hour = hourNumber(anchor.hour) + 1
  const day = dayOfHour(hour, zone)
  return hoursOfDay(day, zone).firstHour >= hour ? day : day + 1
}

/** Puts rows among those of their month. Answers false when somebody else changed the month meanwhile. */
async function replaceRows(memory: MemoryWriter, region: string, month: string, rows: readonly DayRow[]): Promise<boolean> {
  const kept = await listKept(memory, monthPrefix(region, month), DaysPart)
  const byDay = new Map(kept.flatMap(({ value }) => rowsOfPart(value)).map((row) => [row.day, row]))
  for (const row of rows) byDay.set(row.day, row)
  const parts = partsOf([...byDay.values()].sort((one, other) => one.day - other.day))
  const keys = parts.map((_, index) => partKey(region, month, index))
  // From the last part to the first: a day that moves to a later part is in both for a moment, and never in none.
  for (const [index, part] of [...parts.entries()].reverse()) {
    const key = keys[index] ?? ''
    const before = kept.find((one) => one.key === key)
    if (before !== undefined && stringifyJson(before.value) === stringifyJson(part)) continue
    if (!(await replaceKept(memory, key, part, before))) return false
  }
  for (const { key } of kept) if (!keys.includes(key)) await memory.delete(key)
  return true
}

function partKey(region: string, month: string, part: number): string {
  return `${monthPrefix(region, month)}${String(part).padStart(3, '0')}`
}

/** The rows as they are kept, in as many parts as their size asks for. */
function partsOf(rows: readonly DayRow[]): readonly DaysPart[] {
  const whole = partOf(rows)
  if (rows.length <= 1 || Buffer.byteLength(stringifyJson(whole)) <= mostPartBytes) return [whole]
  const middle = Math.ceil(rows.length / 2)
  return [...partsOf(rows.slice(0, middle)), ...partsOf(rows.slice(middle))]
}

function partOf(rows: readonly DayRow[]): DaysPart {
  const numbers = new Map<string, number>()
  const metrics: { id: string; unit: string }[] = []
  for (const { metric, unit } of rows.flatMap(({ marks }) => marks)) {
    const name = JSON.stringify([metric, unit])
    if (numbers.has(name)) continue
    numbers.set(name, metrics.length)
    metrics.push({ id: metric, unit })
  }
  return {
    format: 1,
    metrics,
    rows: rows.map(({ day, zone, firstHour, hours, measured, marks }): Row => {
      const max = metrics.map((): string | null => null)
      const at = metrics.map(() => 0)
      const read: [string, number][] = []
      for (const mark of marks) {
        const number = numbers.get(JSON.stringify([mark.metric, mark.unit])) ?? 0
        max[number] = formatDecimal(mark.max)
        at[number] = mark.at - firstHour
        if (mark.measured !== measured) read.push([String(number), mark.measured])
      }
      return { day, zone, firstHour, hours, measured, max, at, ...(read.length === 0 ? {} : { read: Object.fromEntries(read) }) }
    }),
  }
}

/** Amounts repeat from day to day: each is read once. */
function amountReader(): (text: string) => Decimal | undefined {
  const known = new Map<string, Decimal | undefined>()
  return (text) => {
    if (!known.has(text)) {
      const parsed = parseDecimal(text)
      known.set(text, parsed.ok ? parsed.value : undefined)
    }
    return known.get(text)
  }
}

function rowsOfPart({ metrics, rows }: DaysPart): readonly DayRow[] {
  const read = amountReader()
  return rows.map((row): DayRow => {
    const marks: DayMark[] = []
    for (const [number, { id, unit }] of metrics.entries()) {
      const text = row.max[number]
      const max = typeof text === 'string' ? read(text) : undefined
      if (max === undefined) continue
      marks.push({ metric: id, unit, max, at: row.firstHour + (row.at[number] ?? 0), measured: row.read?.[number] ?? row.measured })
    }
    return { day: row.day, zone: row.zone, firstHour: row.firstHour, hours: row.hours, measured: row.measured, marks }
  })
}

/** Rows of civil days, made from the samples; a day without samples has a row, too. */
async function* rowsOfEntries(
  memory: MemoryReader,
  region: string,
  fromDay: number,
  untilDay: number,
  { zone, sums }: RollRules,
): AsyncGenerator<DayRow, void, undefined> {
  const untilHour = hoursOfDay(untilDay + 1, zone).firstHour
  let day = fromDay
  let end = hoursOfDay(day + 1, zone).firstHour
  let samples: Sample[] = []
  for await (const { sample } of readEntries(memory, region, hoursOfDay(fromDay, zone).firstHour, untilHour)) {
    for (const hour = hourNumber(sample.hour); hour >= end; end = hoursOfDay(day + 1, zone).firstHour) {
      yield rollDay(day, zone, samples, sums)
      samples = []
      day += 1
    }
    samples.push(sample)
  }
  for (; day <= untilDay; day += 1) {
    yield rollDay(day, zone, samples, sums)
    samples = []
  }
}

/**
 * The rows of civil days from one to another, oldest first, one for each day, with or without samples: from the rollups where they have
 * what is asked for, else from the samples, as long as those are kept; else from the rollups as they are (of another zone, or without a
 * sum that nobody asked for then). A month is in memory at a time. Throws StoreError and RecordError.
 */
export async function* readDayRows(
  memory: MemoryReader,
  region: string,
  fromDay: number,
  untilDay: number,
  rules: RollRules,
): AsyncGenerator<DayRow, void, undefined> {
  const [rolled, span] = [await readRolled(memory, region), await readSpan(memory, region)]
  const isAsAsked = fits(rolled?.value, rules)
  const firstKept = span === undefined ? Number.POSITIVE_INFINITY : firstKeptDay(span, rules.zone)
  /** From here on days are made from samples: what the rollups have is of other settings, or not there yet. */
  const fromSamples = Math.max(firstKept, isAsAsked ? (rolled?.value.until ?? 0) + 1 : 0)
  let kept = new Map<number, DayRow>()
  let month = ''
  let day = fromDay
  for (; day <= untilDay && day < fromSamples; day += 1) {
    const own = periodName(day, 'month')
    if (own !== month) {
      month = own
      const parts = rolled === undefined ? [] : await listKept(memory, monthPrefix(region, month), DaysPart)
      kept = new Map(parts.flatMap(({ value }) => rowsOfPart(value)).map((row) => [row.day, row]))
    }
    yield kept.get(day) ?? rollDay(day, rules.zone, [], [])
  }
  if (day <= untilDay) yield* rowsOfEntries(memory, region, day, untilDay, rules)
}
