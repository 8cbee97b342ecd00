import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { type ConfigText, readJson, readYaml } from '#shared/runtime/config-text.ts'
import { type CalendarReadOptions, mergeRanges, mostCalendarBytes, mostOccurrences } from './calendar-days.ts'
import { type Calendar, type DateRange, parseDateRange } from './excludes.ts'

export type CalendarKind = 'ics' | 'yaml'

/**
 * Reads a calendar of days off, and of days worked to make up for them: iCalendar (`ics`), or `holidays` and `workdays` as the
 * configuration has them (`yaml`, which JSON is too). Days come out sorted, in stretches that do not touch.
 *
 * A calendar is read whole or not at all, since a day that got lost would be one on which rules run: whatever cannot be
 * understood, a calendar without a single day, one of more than 1 MiB or 20,000 occurrences is an error that says in which line.
 */
export async function parseCalendar(text: string, kind: CalendarKind, options: CalendarReadOptions): Promise<Result<Calendar, string>> {
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > mostCalendarBytes) return failure(`it has ${sizeBytes} bytes; a calendar has at most ${mostCalendarBytes}`)
  const plain = text.replace(/^\uFEFF/, '')
  if (/^\s*<(?:!doctype|html|\?xml)/i.test(plain))
    return failure('line 1: it is a web page and no calendar: look at what the address answers')
  const isIcs = /^\s*BEGIN:VCALENDAR/i.test(plain)
  if (kind === 'yaml') {
    return isIcs ? failure('line 1: it is an iCalendar and no YAML: write format: ics') : await parseListed(plain)
  }
  if (!isIcs)
    return failure('line 1: an iCalendar begins with BEGIN:VCALENDAR: write format: yaml if it is a list of holidays and workdays')
  const { parseIcs } = await import('./calendar-ics.ts')
  return await parseIcs(plain, options)
}

const listKeys = ['holidays', 'workdays'] as const

const Listed = z.record(z.string(), z.unknown())

async function parseListed(text: string): Promise<Result<Calendar, string>> {
  const read = await readListed(text)
  if (!read.ok) return read
  const { value, lineOf, problems } = read.value
  const [problem] = problems
  if (problem !== undefined) return failure(`${lineText(problem.line)}it ${problem.text}`)
  const at = (path: readonly PropertyKey[]): string => lineText(lineOf(path))
  const listed = z.safeParse(Listed, value)
  if (!listed.success || Array.isArray(value)) return failure(`${at([])}it is no list of days: write holidays: [2026-10-01..2026-10-07]`)
  for (const key of Object.keys(listed.data)) {
    if (listKeys.some((known) => known === key)) continue
    const near = nearest(key, listKeys)
    return failure(
      `${at([key])}the key ${quote(key)} is unknown: ${near === undefined ? 'known are holidays and workdays' : `did you mean "${near}"?`}`,
    )
  }
  const days: Record<(typeof listKeys)[number], DateRange[]> = { holidays: [], workdays: [] }
  let found = 0
  for (const key of listKeys) {
    const entries: unknown = listed.data[key] ?? []
    if (!Array.isArray(entries)) return failure(`${at([key])}${key} is no list: write ${key}: [2026-10-01..2026-10-07]`)
    for (const [index, entry] of entries.entries()) {
      found += 1
      if (found > mostOccurrences) return failure(`${at([key, index])}it has more than ${mostOccurrences} entries`)
      const range = typeof entry === 'string' ? parseDateRange(entry) : failure('it is no text: write dates as 2026-10-01')
      if (!range.ok) return failure(`${at([key, index])}${key}[${index}]: ${range.error}`)
      days[key].push(range.value)
    }
  }
  if (found === 0) return failure('it has no days at all')
  return success({ holidays: mergeRanges(days.holidays), workdays: mergeRanges(days.workdays) })
}

async function readListed(text: string): Promise<Result<ConfigText, string>> {
  if (/^\s*[{[]/.test(text)) {
    const json = readJson(text)
    if (json.problems.length === 0) return success(json)
  }
  try {
    return success(await readYaml(text))
  } catch (error) {
    // Brackets in brackets in brackets, until the parser's stack is full.
    if (error instanceof RangeError) return failure('it is nested too deeply for a list of days')
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    if (!isMissing) throw error
    return failure(
      'a packaged function reads no YAML: offer the calendar as JSON or iCalendar, or take it as a file, which is read when packaging',
    )
  }
}

function lineText(line: number | undefined): string {
  return line === undefined ? '' : `line ${line}: `
}
