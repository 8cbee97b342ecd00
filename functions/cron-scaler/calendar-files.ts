import * as z from 'zod/mini'
import { isTimeZone } from '#shared/pure/zone.ts'
import { rangeText, yearOf } from './calendar-days.ts'
import { workdayPatternProblem } from './calendar-ics.ts'
import { parseCalendar } from './calendar-source.ts'
import { calendarFormats, calendarSource, Settings } from './event.ts'

/** What repeats in a file is followed so far: a package may be old before somebody makes a new one. */
const yearsBack = 5
const yearsAhead = 10

export interface InlinedSection {
  /** The function's section of the configuration, as it stands in the file, without files. */
  readonly section: unknown
  /** What is wrong, by paths below the section. */
  readonly problems: readonly { readonly path: string; readonly text: string }[]
}

export interface InlineOptions {
  /** Reads a file that the section names. Throws CalendarFileError. */
  readonly readText: (path: string) => Promise<string>
  readonly now: number
}

/** A calendar's file that cannot be read. The message says why. */
export class CalendarFileError extends Error {
  override readonly name = 'CalendarFileError'
}

/**
 * Takes what the files of calendars say into the section of the configuration that names them, as `holidays` and `workdays`
 * beside those that stand there already. So a packaged function has them, and every run decides by what was checked. Also tells
 * of patterns for workdays that are none. The rest of the section stays as it is; a section that does not fit the schema is
 * left for the schema to refuse.
 */
export async function inlineCalendarFiles(section: unknown, options: InlineOptions): Promise<InlinedSection> {
  const calendars = memberOf(section, 'calendars')
  if (!isRecord(section) || !isRecord(calendars)) return { section, problems: [] }
  const problems: { path: string; text: string }[] = []
  const inlined: Record<string, unknown> = {}
  for (const [name, calendar] of Object.entries(calendars)) {
    const complain = (key: string, text: string): void => {
      problems.push({ path: `calendars.${name}.${key}`, text })
    }
    inlined[name] = isRecord(calendar) ? await inlineCalendar(calendar, memberOf(section, 'timeZone'), options, complain) : calendar
  }
  return { section: { ...section, calendars: inlined }, problems }
}

async function inlineCalendar(
  calendar: Readonly<Record<string, unknown>>,
  timeZone: unknown,
  { readText, now }: InlineOptions,
  complain: (key: string, text: string) => void,
): Promise<unknown> {
  const { file, workdayPattern: pattern } = calendar
  const workdayPattern = typeof pattern === 'string' ? pattern : undefined
  const patternProblem = workdayPattern === undefined ? undefined : await workdayPatternProblem(workdayPattern)
  if (patternProblem !== undefined) complain('workdayPattern', patternProblem)
  const format = calendarFormats.find((one) => one === calendar.format)
  const source = typeof file === 'string' ? calendarSource({ file, format }) : undefined
  if (source?.kind !== 'file' || patternProblem !== undefined) return calendar
  let text: string
  try {
    text = await readText(source.path)
  } catch (error) {
    if (!(error instanceof CalendarFileError)) throw error
    complain('file', error.message)
    return calendar
  }
  const parsed = await parseCalendar(text, source.format, {
    fromYear: yearOf(now) - yearsBack,
    toYear: yearOf(now) + yearsAhead,
    timeZone: typeof timeZone === 'string' && isTimeZone(timeZone) ? timeZone : z.parse(Settings, {}).timeZone,
    workdayPattern,
  })
  if (!parsed.ok) {
    complain('file', `${source.path}: ${parsed.error}`)
    return calendar
  }
  const { file: _file, format: _format, workdayPattern: _pattern, ...rest } = calendar
  return {
    ...rest,
    holidays: [...listOf(rest.holidays), ...parsed.value.holidays.map(rangeText)],
    workdays: [...listOf(rest.workdays), ...parsed.value.workdays.map(rangeText)],
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function memberOf(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined
}
