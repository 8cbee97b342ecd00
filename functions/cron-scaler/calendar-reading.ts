import * as z from 'zod/mini'
import { civilOf } from '#shared/pure/civil.ts'
import { clip } from '#shared/pure/clip.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { ObserveAround } from '#shared/runtime/definition.ts'
import { FetchError } from '#shared/runtime/fetch-text.ts'
import { MemoryError, type MemoryWriter } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { lastDayOf, mostCalendarBytes, rangeText, yearOf } from './calendar-days.ts'
import { parseCalendar } from './calendar-source.ts'
import type { ReadCalendars } from './configured-rules.ts'
import { calendarSource, type Settings } from './event.ts'
import type { Calendar, DateRange } from './excludes.ts'

const dayMs = 86_400_000

/** A calendar that was fetched is not fetched again for so long. */
const freshMs = dayMs

/** And so long it is used when no newer one can be had. Holidays are announced months before. */
const usableMs = 7 * dayMs

/** After a failure it is not tried again for so long, as long as there is a usable one. */
const retryMs = 10 * 60_000

/** Clocks of two runners differ by no more. */
const skewMs = 10 * 60_000

/** What repeats is followed from last year on and for so many years ahead. */
const yearsAhead = 3

/** A calendar as it was read, or why it could not be. Plain JSON. */
export type CalendarReading =
  | {
      readonly calendar: Calendar
      /** When it was read at its source. */
      readonly fetchedAt: number
      /** What somebody should know and do about it. */
      readonly warning?: string
      /** What a later run should know; absent when it knows. */
      readonly keep?: KeptCalendar
    }
  | { readonly problem: string }

export type CalendarReadings = Readonly<Record<string, CalendarReading>>

interface KeptCalendar {
  readonly value: z.infer<typeof Remembered>
  /** Of the entry that it replaces. */
  readonly ifVersion: number | 'absent'
}

const Ranges = z.array(z.tuple([z.int(), z.int()]))

/** What is kept of a calendar between runs: the days and not the text, which may be too large for the store. */
const Remembered = z.strictObject({
  format: z.literal(1),
  /** Tells the settings that it was read with; others read it anew. */
  source: z.string(),
  fetchedAt: z.number(),
  holidays: Ranges,
  workdays: Ranges,
  /** The last attempt to get a newer one, where that failed. */
  failedAt: z.optional(z.number()),
  failure: z.optional(z.string()),
})

type ReadAround = Pick<ObserveAround, 'memory' | 'fetchText' | 'signal'>

type Setting = Settings['calendars'][string]

/**
 * Reads the calendars that have an address, as far as they are not at hand from an earlier run: what was fetched counts for a
 * day, and for a week when no newer one can be had, with a warning. A calendar that cannot be read is a problem of its own,
 * never an empty one, and never spoils another. One with a file is a problem here: files are taken into the configuration where
 * it is loaded or packaged, see calendar-files.ts.
 *
 * Writes nothing; `rememberCalendars` keeps what is new for later runs. Makes no call when no calendar has an address.
 */
export async function readCalendars(
  settings: Pick<Settings, 'calendars' | 'timeZone'>,
  around: ReadAround,
  now: number,
): Promise<CalendarReadings> {
  const entries = Object.entries<Setting>(settings.calendars).map(async ([name, setting]) => {
    const source = calendarSource(setting)
    if (source === undefined) return []
    if (source.kind === 'file') {
      const problem = `its file was not read when the configuration was: package again, or write its days into the configuration`
      return [[name, { problem }]] as const
    }
    return [[name, await readAddress(name, { ...source, setting, timeZone: settings.timeZone }, around, now)]] as const
  })
  return Object.fromEntries((await Promise.all(entries)).flat())
}

/** The readings as `ruleContext` takes them. */
export function calendarsOf(readings: CalendarReadings): ReadCalendars {
  return Object.fromEntries(
    Object.entries(readings).map(([name, reading]) => [name, 'problem' in reading ? { problem: reading.problem } : reading.calendar]),
  )
}

/** What somebody should know about calendars that could be read, by their names. */
export function calendarWarnings(readings: CalendarReadings): readonly { readonly calendar: string; readonly text: string }[] {
  return Object.entries(readings).flatMap(([name, reading]) =>
    'problem' in reading || reading.warning === undefined ? [] : [{ calendar: name, text: reading.warning }],
  )
}

/** Keeps what later runs should know of the readings. Of two runs that have both read, the one that is first counts. */
export async function rememberCalendars(readings: CalendarReadings, memory: MemoryWriter): Promise<void> {
  for (const [name, reading] of Object.entries(readings)) {
    if ('problem' in reading || reading.keep === undefined) continue
    const { value, ifVersion } = reading.keep
    try {
      await memory.put(keyOf(name), value, { ifVersion, expiresAt: value.fetchedAt + usableMs + dayMs })
    } catch (error) {
      if (!(error instanceof MemoryError && error.kind === 'memory.conflict')) throw error
    }
  }
}

function keyOf(name: string): string {
  return `calendar/${name}`
}

interface Address {
  readonly url: string
  readonly format: 'ics' | 'yaml'
  readonly setting: Setting
  readonly timeZone: string
}

/** What an earlier run has left. */
interface Copy {
  readonly value: z.infer<typeof Remembered>
  readonly version: number
}

async function readAddress(name: string, address: Address, around: ReadAround, now: number): Promise<CalendarReading> {
  const { url, format, setting, timeZone } = address
  const source = digestOf([url, format, timeZone, setting.workdayPattern ?? null])
  const { copy, ifVersion } = await recall(name, around.memory)
  const own = copy?.value.source === source ? copy.value : undefined
  const ageMs = own === undefined ? Number.POSITIVE_INFINITY : now - own.fetchedAt
  const usable = own !== undefined && ageMs >= -skewMs && ageMs < usableMs ? own : undefined
  if (usable !== undefined && ageMs < freshMs) return readingOf(usable, now)
  const { failedAt, failure } = usable ?? {}
  if (usable !== undefined && failedAt !== undefined && failure !== undefined && now >= failedAt && now - failedAt < retryMs) {
    return { ...readingOf(usable, now), warning: staleText(usable, failure) }
  }
  const years = { fromYear: yearOf(now) - 1, toYear: yearOf(now) + yearsAhead }
  const fetched = await fetchCalendar(address, years, around)
  if ('problem' in fetched) {
    if (usable === undefined) return fetched
    const value = { ...usable, failedAt: now, failure: clip(fetched.problem, 500) }
    return { ...readingOf(usable, now), warning: staleText(usable, fetched.problem), keep: { value, ifVersion } }
  }
  const value = { format: 1 as const, source, fetchedAt: now, holidays: pairsOf(fetched.holidays), workdays: pairsOf(fetched.workdays) }
  return { ...readingOf(value, now), keep: { value, ifVersion } }
}

async function fetchCalendar(
  { url, format, setting, timeZone }: Address,
  years: { readonly fromYear: number; readonly toYear: number },
  { fetchText, signal }: Pick<ReadAround, 'fetchText' | 'signal'>,
): Promise<Calendar | { readonly problem: string }> {
  let text: string
  try {
    text = await fetchText(url, { maxBytes: mostCalendarBytes, signal })
  } catch (error) {
    if (!(error instanceof FetchError)) throw error
    return { problem: error.message }
  }
  const parsed = await parseCalendar(text, format, { ...years, timeZone, workdayPattern: setting.workdayPattern })
  return parsed.ok ? parsed.value : { problem: `${new URL(url).host} answered a calendar that cannot be read: ${parsed.error}` }
}

/** What memory has, and which version a new entry replaces. Without the store, or with what another version of this left, nothing. */
async function recall(
  name: string,
  memory: ObserveAround['memory'],
): Promise<{ readonly copy: Copy | undefined; readonly ifVersion: number | 'absent' }> {
  try {
    const entry = await memory.get(keyOf(name))
    if (entry === undefined) return { copy: undefined, ifVersion: 'absent' }
    const value = z.safeParse(Remembered, entry.value)
    return { copy: value.success ? { value: value.data, version: entry.version } : undefined, ifVersion: entry.version }
  } catch (error) {
    if (error instanceof StoreError || error instanceof MemoryError) return { copy: undefined, ifVersion: 'absent' }
    throw error
  }
}

function readingOf(value: z.infer<typeof Remembered>, now: number): Extract<CalendarReading, { calendar: Calendar }> {
  const calendar = { holidays: rangesOf(value.holidays), workdays: rangesOf(value.workdays) }
  const last = lastDayOf(calendar)
  const today = Math.floor(now / dayMs)
  const reading = { calendar, fetchedAt: value.fetchedAt }
  if (last === undefined || last >= today) return reading
  const warning = `it says nothing about any day after ${rangeText({ first: last, last })}, so it closes none: look for a newer one`
  return { ...reading, warning }
}

function staleText({ fetchedAt }: z.infer<typeof Remembered>, failure: string): string {
  return `no newer one can be had (${failure}); the one of ${timeText(fetchedAt)} is used until ${timeText(fetchedAt + usableMs)}, and then its rules are held`
}

function timeText(ms: number): string {
  const { year, month, day, hour, minute } = civilOf(ms, 'UTC')
  const two = (value: number) => String(value).padStart(2, '0')
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)} UTC`
}

function pairsOf(ranges: readonly DateRange[]): [number, number][] {
  return ranges.map(({ first, last }) => [first, last])
}

function rangesOf(pairs: z.infer<typeof Ranges>): readonly DateRange[] {
  return pairs.map(([first, last]) => ({ first, last }))
}
