import { type Anchor, anchorOf, type Entry, entryAfter, genesis } from '#shared/licence/record.ts'
import { dayPrefix, readHead } from '#shared/licence/record-store.ts'
import { type RollRules, rollUpDays } from '#shared/licence/rollup-store.ts'
import { hourMs, hourText, type Sample } from '#shared/licence/sample.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'

export interface RecordSize {
  readonly region: string
  readonly days: number
  readonly products: number
  /** The record ends with the hour of this instant. */
  readonly nowMs: number
  readonly rules: RollRules
}

/** One hour of so many is not measured. */
const missedOneOf = 997

/**
 * Writes a record of many years at once, as `appendSample` would have left it behind, which would take many minutes for so many; and rolls
 * it up. Whether it is one is checked by whoever reads it: by the chain's own verification. Answers how many samples it has.
 */
export async function writeRecord(memory: MemoryWriter, { region, days, products, nowMs, rules }: RecordSize): Promise<number> {
  const last = Math.floor(nowMs / hourMs)
  const firstDay = Math.floor(last / 24) - days
  let end: Anchor = genesis
  let head: Entry | undefined
  for (let day = firstDay; day * 24 <= last; day += 1) {
    const entries: Entry[] = []
    for (let hour = day * 24; hour < (day + 1) * 24 && hour <= last; hour += 1) {
      if (hour !== last && hour % missedOneOf === 0) continue
      head = entryAfter(end, sampleAt(region, hour, products))
      end = anchorOf(head)
      entries.push(head)
    }
    const prefix = dayPrefix(region, hourText(day * 24).slice(0, 10))
    // Half a day of fifty products takes some 75 KB.
    for (const [index, part] of [entries.slice(0, 12), entries.slice(12)].entries())
      if (part.length > 0) await memory.put(`${prefix}${String(index).padStart(3, '0')}`, { format: 1, entries: part })
  }
  if (head === undefined) return 0
  await memory.put(`head/${region}`, {
    format: 1,
    entry: head,
    part: new Date(nowMs).getUTCHours() < 12 ? 0 : 1,
    first: hourText(firstDay * 24),
  })
  if ((await readHead(memory, region))?.digest !== end.digest) throw new Error('the record that was written cannot be read')
  while ((await rollUpDays(memory, region, rules, nowMs, { mostDays: 200 })) > 0);
  return end.seq
}

function sampleAt(region: string, hour: number, products: number): Sample {
  const weekday = Math.floor(hour / 24) % 7
  const level = 40 + (hour % 24 >= 8 && hour % 24 < 20 ? 12 : 0) - (weekday > 4 ? 8 : 0) + Math.floor(hour / 2000)
  return {
    region,
    hour: hourText(hour),
    at: new Date(hour * hourMs + 185_000).toISOString(),
    raw: {
      collectAllCore: {
        ProductName: 'TKE',
        Version: '1.0',
        Data: Array.from({ length: products }, (_, index) => ({
          ProductId: `product-${String(index).padStart(2, '0')}`,
          ProductIdDescribe: `Nodes of kind ${index}`,
          UsageUnit: 'core',
          UsageValue: String(level + ((hour * 31 + index * 17) % 13)),
        })),
        RequestId: `c0ffee00-${hour}`,
      },
      queryOverage: { Pass: 'false', RequestId: `c0ffee01-${hour}` },
    },
  }
}
