/** The schedule of a CronJob, as sets of allowed values. */
interface CronFields {
  readonly minute: ReadonlySet<number>
  readonly hour: ReadonlySet<number>
  readonly day: ReadonlySet<number>
  readonly month: ReadonlySet<number>
  readonly weekday: ReadonlySet<number>
  /** Whether the day of the month and the day of the week are both restricted: then one of them is enough. */
  readonly eitherDay: boolean
}

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const bounds: readonly Bounds[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: weekdays },
]

const shorthands: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
}

class CronFault extends Error {
  override readonly name = 'CronFault'
}

const cache = new Map<string, CronFields | string>()

function parse(schedule: string): CronFields | string {
  const known = cache.get(schedule)
  if (known !== undefined) return known
  let parsed: CronFields | string
  try {
    parsed = parseFields(schedule)
  } catch (error) {
    if (!(error instanceof CronFault)) throw error
    parsed = error.message
  }
  if (cache.size < 1000) cache.set(schedule, parsed)
  return parsed
}

function parseFields(schedule: string): CronFields {
  const spec = shorthands[schedule] ?? schedule
  if (spec.startsWith('@')) throw new CronFault(`Unrecognized descriptor: ${spec}`)
  const fields = spec.trim().split(/\s+/)
  if (fields.length !== 5) throw new CronFault(`Expected exactly 5 fields, found ${fields.length}: ${schedule}`)
  const sets = fields.map((field, index) => parseField(field, bounds[index] ?? { min: 0, max: 0, names: [] }))
  const [minute, hour, day, month, weekday] = sets
  if (minute === undefined || hour === undefined || day === undefined || month === undefined || weekday === undefined) {
    throw new CronFault(`Expected exactly 5 fields, found ${fields.length}`)
  }
  return {
    minute: minute.values,
    hour: hour.values,
    day: day.values,
    month: month.values,
    weekday: weekday.values,
    eitherDay: !day.open && !weekday.open,
  }
}

function parseField(field: string, range: Bounds): { readonly values: ReadonlySet<number>; readonly open: boolean } {
  const values = new Set<number>()
  let open = false
  for (const part of field.split(',')) {
    const [span = '', step, ...more] = part.split('/')
    if (more.length > 0) throw new CronFault(`Too many slashes: ${part}`)
    const [from = '', to, ...extra] = span.split('-')
    if (extra.length > 0) throw new CronFault(`Too many hyphens: ${part}`)
    const isAll = from === '*' || from === '?'
    const start = isAll ? range.min : numberOf(from, range)
    const interval = step === undefined ? 1 : wholeNumber(step)
    const end = isAll || (to === undefined && step !== undefined) ? range.max : to === undefined ? start : numberOf(to, range)
    if (isAll) open = true
    if (start < range.min) throw new CronFault(`Beginning of range (${start}) below minimum (${range.min}): ${part}`)
    if (end > range.max) throw new CronFault(`End of range (${end}) above maximum (${range.max}): ${part}`)
    if (start > end) throw new CronFault(`Beginning of range (${start}) beyond end of range (${end}): ${part}`)
    if (interval === 0) throw new CronFault(`Step of range should be a positive number: ${part}`)
    for (let value = start; value <= end; value += interval) values.add(value)
  }
  return { values, open }
}

function numberOf(text: string, range: Bounds): number {
  const named = range.names.indexOf(text.toLowerCase())
  return named >= 0 ? named + range.min : wholeNumber(text)
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text))
    throw new CronFault(`Failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number.parseInt(text, 10)
}

/** What is wrong with a CronJob's schedule; undefined when nothing is. */
export function cronProblem(schedule: string): string | undefined {
  const parsed = parse(schedule)
  return typeof parsed === 'string' ? parsed : undefined
}

const minuteMs = 60_000
const horizonMs = 366 * 24 * 60 * minuteMs

/** The first minute after an instant at which a schedule is due (UTC); undefined when there is none within a year. */
export function nextCronMs(schedule: string, afterMs: number): number | undefined {
  const fields = parse(schedule)
  if (typeof fields === 'string') return undefined
  let candidate = (Math.floor(afterMs / minuteMs) + 1) * minuteMs
  const end = afterMs + horizonMs
  while (candidate <= end) {
    const date = new Date(candidate)
    if (!fields.month.has(date.getUTCMonth() + 1) || !dayFits(fields, date)) {
      candidate = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + 1)
    } else if (!fields.hour.has(date.getUTCHours())) {
      candidate = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours() + 1)
    } else if (!fields.minute.has(date.getUTCMinutes())) {
      candidate += minuteMs
    } else {
      return candidate
    }
  }
  return undefined
}

function dayFits(fields: CronFields, date: Date): boolean {
  const day = fields.day.has(date.getUTCDate())
  const weekday = fields.weekday.has(date.getUTCDay())
  return fields.eitherDay ? day || weekday : day && weekday
}
