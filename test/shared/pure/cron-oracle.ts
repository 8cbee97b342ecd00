/**
 * A second implementation of cron for tests: reads an expression naively, then walks second by second along a zone's wall
 * clock as Intl shows it. A wall second fires when the clock first reaches or passes it. Slow and obvious on purpose; it
 * shares no code with shared/pure.
 */
const bounds = [
  [0, 59],
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 6],
] as const

const names = [
  [],
  [],
  [],
  [],
  ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'],
] as const

function allows(text: string, index: number, value: number): boolean {
  const [min, max] = bounds[index] ?? [0, 0]
  const read = (word: string) => {
    const named = (names[index] as readonly string[]).indexOf(word.toUpperCase())
    return named >= 0 ? named + min : Number(word)
  }
  return text.split(',').some((entry) => {
    const [range = '', step] = entry.split('/')
    const star = range === '*' || range === '?'
    const [low = '', high] = star ? [String(min), String(max)] : range.split('-')
    const first = read(low)
    const last = high !== undefined ? read(high) : step !== undefined ? max : first
    return value >= first && value <= last && (value - first) % Number(step ?? '1') === 0
  })
}

function isOpen(text: string): boolean {
  return text.split(',').some((entry) => /^[*?](\/1)?$/.test(entry))
}

/** Whether an expression fires in a wall second, given as milliseconds of a clock without zone. */
export function matchesWall(spec: string, wallMs: number): boolean {
  const [second = '', minute = '', hour = '', day = '', month = '', weekday = ''] = spec.split(' ')
  const date = new Date(wallMs)
  const byDay = allows(day, 3, date.getUTCDate())
  const byWeekday = allows(weekday, 5, date.getUTCDay())
  return (
    allows(second, 0, date.getUTCSeconds()) &&
    allows(minute, 1, date.getUTCMinutes()) &&
    allows(hour, 2, date.getUTCHours()) &&
    allows(month, 4, date.getUTCMonth() + 1) &&
    (isOpen(day) || isOpen(weekday) ? byDay && byWeekday : byDay || byWeekday)
  )
}

const formatters = new Map<string, Intl.DateTimeFormat>()
const offsets = new Map<string, number>()

/** What the wall clock of a zone shows, as milliseconds of a clock without zone. Intl is asked once a minute. */
export function wallOf(ms: number, zone: string): number {
  const minuteMs = Math.floor(ms / 60_000) * 60_000
  const key = `${zone} ${minuteMs}`
  let offset = offsets.get(key)
  if (offset === undefined) {
    let formatter = formatters.get(zone)
    if (formatter === undefined) {
      formatter = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', dateStyle: 'short', timeStyle: 'medium' })
      formatters.set(zone, formatter)
    }
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, second = 0] = (formatter.format(minuteMs).match(/\d+/g) ?? []).map(Number)
    const century = new Date(minuteMs).getUTCFullYear() < 2000 ? 1900 : 2000
    offset = Date.UTC(century + year, month - 1, day, hour, minute, second) - minuteMs
    offsets.set(key, offset)
  }
  return ms + offset
}

/** Every firing in (fromMs, toMs], by walking there. Both are whole seconds. */
export function walkFirings(spec: string, zone: string, fromMs: number, toMs: number): number[] {
  let reached = wallOf(fromMs, zone)
  const firstMinute = Math.floor(fromMs / 60_000) * 60_000 - 25 * 3_600_000
  for (let at = firstMinute; at + 60_000 <= fromMs; at += 60_000) reached = Math.max(reached, wallOf(at, zone) + 59_000)
  const firings: number[] = []
  for (let at = fromMs + 1000; at <= toMs; at += 1000) {
    const wall = wallOf(at, zone)
    let fires = false
    for (let passed = reached + 1000; passed <= wall && !fires; passed += 1000) fires = matchesWall(spec, passed)
    reached = Math.max(reached, wall)
    if (fires) firings.push(at)
  }
  return firings
}
