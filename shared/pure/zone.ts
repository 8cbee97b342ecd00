/**
 * A stretch of time in which a zone's clocks keep one offset. `end` is exclusive. Two neighbours may have the same offset:
 * stretches are cut where the table's chunks meet.
 */
export interface Stretch {
  readonly startMs: number
  readonly endMs: number
  /** Local time minus UTC. */
  readonly offsetMs: number
}

const dayMs = 86_400_000
const chunkMs = 400 * dayMs

/** No zone was ever further from UTC than this (Manila before 1844: -15:56). */
export const farthestOffsetMs = 16 * 3_600_000

/** No zone ever set its clocks back by more than this (Kwajalein in 1969: 23 hours). */
export const longestSetBackMs = 25 * 3_600_000

/**
 * The offsets of one time zone, read from the ICU data that comes with Node, found by looking once a day and halving, and
 * kept: asking Intl costs microseconds, asking this table nanoseconds. Two changes within one day that cancel out would be
 * overlooked; the tz database has none since 1900.
 */
class ZoneTable {
  readonly #formatter: Intl.DateTimeFormat
  readonly #chunks = new Map<number, readonly Stretch[]>()

  constructor(formatter: Intl.DateTimeFormat) {
    this.#formatter = formatter
  }

  stretchAt(ms: number): Stretch {
    const index = Math.floor(ms / chunkMs)
    let stretches = this.#chunks.get(index)
    if (stretches === undefined) {
      stretches = this.#look(index * chunkMs)
      this.#chunks.set(index, stretches)
    }
    for (const stretch of stretches) if (ms < stretch.endMs) return stretch
    throw new RangeError(`${ms} is no instant that a time zone can be asked about`)
  }

  #look(fromMs: number): Stretch[] {
    const stretches: Stretch[] = []
    let startMs = fromMs
    let offsetMs = this.#ask(fromMs)
    for (let at = fromMs + dayMs; at <= fromMs + chunkMs; at += dayMs) {
      // The chunk's last look is just inside it, so that a change at the edge belongs to the next chunk.
      const until = at === fromMs + chunkMs ? at - 1 : at
      const next = this.#ask(until)
      if (next === offsetMs) continue
      let before = at - dayMs
      let after = until
      while (after - before > 1) {
        const middle = Math.floor((before + after) / 2)
        if (this.#ask(middle) === offsetMs) before = middle
        else after = middle
      }
      stretches.push({ startMs, endMs: after, offsetMs })
      startMs = after
      offsetMs = next
    }
    stretches.push({ startMs, endMs: fromMs + chunkMs, offsetMs })
    return stretches
  }

  /** The offset as Intl has it at one instant. */
  #ask(ms: number): number {
    let year = 0
    let month = 0
    let day = 0
    let hour = 0
    let minute = 0
    let second = 0
    let era = ''
    for (const { type, value } of this.#formatter.formatToParts(ms)) {
      if (type === 'year') year = Number(value)
      else if (type === 'month') month = Number(value)
      else if (type === 'day') day = Number(value)
      else if (type === 'hour') hour = Number(value)
      else if (type === 'minute') minute = Number(value)
      else if (type === 'second') second = Number(value)
      else if (type === 'era') era = value
    }
    const local = new Date(0)
    local.setUTCFullYear(era.startsWith('B') ? 1 - year : year, month - 1, day)
    local.setUTCHours(hour, minute, second)
    return local.getTime() - Math.floor(ms / 1000) * 1000
  }
}

const tables = new Map<string, ZoneTable>()

/** There are some 600 names. More can only be spellings of strangers (`aSIA/sHANGHAI`, `+08:01`): then all are forgotten. */
const mostTables = 2000

/** Whether this is a time zone the machine knows: an IANA name (`Asia/Shanghai`, `UTC`, case ignored) or an offset (`+08:00`). */
export function isTimeZone(name: string): boolean {
  return tableOf(name) !== undefined
}

/** The stretch that holds an instant. Throws RangeError for an unknown zone: check strangers' names with `isTimeZone` first. */
export function stretchAt(ms: number, zone: string): Stretch {
  const table = tableOf(zone)
  if (table === undefined) throw new RangeError(`${JSON.stringify(zone)} is no time zone; use an IANA name such as Asia/Shanghai`)
  return table.stretchAt(ms)
}

/** Kept for each name: making a formatter takes 70 microseconds, and 7 KiB that no heap statistic shows. */
function tableOf(zone: string): ZoneTable | undefined {
  let table = tables.get(zone)
  if (table === undefined) {
    const formatter = formatterOf(zone)
    if (formatter === undefined) return undefined
    if (tables.size >= mostTables) tables.clear()
    table = new ZoneTable(formatter)
    tables.set(zone, table)
  }
  return table
}

function formatterOf(zone: string): Intl.DateTimeFormat | undefined {
  try {
    return new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}
