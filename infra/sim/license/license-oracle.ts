import { createHash } from 'node:crypto'
import type { SimZone } from '../scenario.ts'
import { civilAt, dateText } from '../sim-time.ts'

/** Everything here is worked out anew, without the product's decimals, days, chains and rollups. */

export const hourMs = 3_600_000
export const product = 'tke-managed-x86'

/** An entry of a record, read without the product's own code. */
export interface SeenEntry {
  readonly seq: unknown
  readonly prev: unknown
  readonly digest: unknown
  readonly hour: string
  readonly at: string
  readonly region: unknown
  readonly collected: unknown
  readonly overage: unknown
  /** The whole of it. */
  readonly sample: unknown
}

export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((found, key) => (typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined), value)
}

export function seenEntry(entry: unknown): SeenEntry {
  return {
    seq: at(entry, 'seq'),
    prev: at(entry, 'prev'),
    digest: at(entry, 'digest'),
    hour: String(at(entry, 'sample', 'hour')),
    at: String(at(entry, 'sample', 'at')),
    region: at(entry, 'sample', 'region'),
    collected: at(entry, 'sample', 'raw', 'collectAllCore'),
    overage: at(entry, 'sample', 'raw', 'queryOverage'),
    sample: at(entry, 'sample'),
  }
}

export function hourTextOf(ms: number): string {
  return `${new Date(Math.floor(ms / hourMs) * hourMs).toISOString().slice(0, 13)}:00:00Z`
}

/** The same text for the same value, whatever the order of its members. */
export function sorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sorted).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sorted(member)}`).join(',')}}`
}

/** What the digest of an entry has to be. */
export function digestOf({ seq, prev, sample }: SeenEntry): string {
  return createHash('sha256').update(sorted({ prev, sample, seq })).digest('base64url')
}

/** As the platform wrote the usage of the one product that worlds have. */
export function usageText({ collected }: SeenEntry): string {
  const rows = at(collected, 'Data')
  const row = Array.isArray(rows) ? rows.find((one) => at(one, 'ProductId') === product) : undefined
  return String(at(row, 'UsageValue'))
}

/** What a usage comes to; undefined when it is none. */
export function amountOf(text: string): number | undefined {
  return /^\d+(\.\d+)?$|^[1-9]\d{0,2}(,\d{3})+$/.test(text) ? Number(text.replaceAll(',', '')) : undefined
}

/** One civil day as it has to be rolled up. */
export interface OracleDay {
  readonly date: string
  /** Days since 1970. */
  readonly day: number
  readonly hours: number
  readonly measured: number
  readonly max: number | undefined
  /** Hour number of the first that had the maximum. */
  readonly maxAt: number | undefined
  readonly readable: number
}

/** The civil days of a record, from the first entry's to the last one's, hour by hour. */
export function daysOf(entries: readonly SeenEntry[], zone: SimZone, untilMs: number): readonly OracleDay[] {
  const [first] = entries
  if (first === undefined) return []
  const days = new Map<string, { day: number; hours: number; measured: number; max?: number; maxAt?: number; readable: number }>()
  const byHour = new Map(entries.map((entry) => [entry.hour, entry]))
  // A day and a half on each side, so that the first and the last day are whole.
  const fromMs = Date.parse(first.hour) - 36 * hourMs
  for (let ms = fromMs; ms < untilMs + 36 * hourMs; ms += hourMs) {
    const civil = civilAt(ms, zone)
    const date = dateText(civil)
    const own = days.get(date) ?? { day: Date.UTC(civil.year, civil.month - 1, civil.day) / 86_400_000, hours: 0, measured: 0, readable: 0 }
    days.set(date, own)
    own.hours += 1
    const entry = byHour.get(hourTextOf(ms))
    if (entry === undefined) continue
    own.measured += 1
    const amount = amountOf(usageText(entry))
    if (amount === undefined) continue
    own.readable += 1
    if (own.max === undefined || amount > own.max) {
      own.max = amount
      own.maxAt = ms / hourMs
    }
  }
  const [from, to] = [dateText(civilAt(Date.parse(first.hour), zone)), dateText(civilAt(untilMs, zone))]
  return [...days].filter(([date]) => from <= date && date <= to).map(([date, { max, maxAt, ...rest }]) => ({ date, max, maxAt, ...rest }))
}

/** Hours of a civil month that have begun at an instant, and how many of them are on record. */
export function monthCoverage(
  entries: readonly SeenEntry[],
  zone: SimZone,
  nowMs: number,
): { readonly hours: number; readonly measured: number } {
  const { year, month } = civilAt(nowMs, zone)
  const known = new Set(entries.map(({ hour }) => hour))
  let [hours, measured] = [0, 0]
  for (let ms = Math.floor(nowMs / hourMs) * hourMs; ; ms -= hourMs) {
    const civil = civilAt(ms, zone)
    if (civil.year !== year || civil.month !== month) return { hours, measured }
    hours += 1
    if (known.has(hourTextOf(ms))) measured += 1
  }
}
