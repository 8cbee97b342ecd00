import { dayText } from '#infra/report/licence-text.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import type { Entry } from '#shared/licence/record.ts'
import { type DayRow, hoursOfDay, rollDay } from '#shared/licence/rollup.ts'
import { type RollRules, readDayRows } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber, type Sample } from '#shared/licence/sample.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'

/** More of them say nothing more. */
const mostDifferences = 20

/** Compares the days that were rolled up with the samples that they were made from, while those go by; one day is in memory. */
export class RolledDays {
  readonly differences: string[] = []
  readonly #region: string
  readonly #memory: MemoryReader
  readonly #rules: RollRules
  readonly #today: number
  /** One row for each day, in order. */
  #rows: AsyncGenerator<DayRow, void, undefined> | undefined
  #samples: Sample[] = []

  constructor(region: string, memory: MemoryReader, { rules, nowMs }: { readonly rules: RollRules; readonly nowMs: number }) {
    this.#region = region
    this.#memory = memory
    this.#rules = rules
    this.#today = civilDay(nowMs, rules.zone).day
  }

  /** The same entries, looked at on their way. A day of which only a part is kept is not compared, nor is one that is not over. */
  async *watch(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
    let day: number | undefined
    let isWhole = false
    for await (const entry of entries) {
      const hour = hourNumber(entry.sample.hour)
      const own = civilDay(hour * hourMs, this.#rules.zone).day
      if (own !== day) {
        if (day !== undefined && isWhole) await this.#compare(day)
        // The first day may have lost its first hours.
        isWhole = day !== undefined || hoursOfDay(own, this.#rules.zone).firstHour === hour
        day = own
        this.#samples = []
      }
      this.#samples.push(entry.sample)
      yield entry
    }
  }

  async #compare(day: number): Promise<void> {
    const made = rollDay(day, this.#rules.zone, this.#samples, this.#rules.sums)
    this.#rows ??= readDayRows(this.#memory, this.#region, day, this.#today, this.#rules)
    for (let next = await this.#rows.next(); next.done !== true; next = await this.#rows.next()) {
      if (next.value.day < day) continue
      const difference = differenceOf(next.value, made)
      if (difference !== undefined && this.differences.length < mostDifferences)
        this.differences.push(`the high-water marks of ${dayText(day)} are not those of its samples: ${difference}`)
      return
    }
  }
}

function differenceOf(kept: DayRow, made: DayRow): string | undefined {
  if (kept.measured !== made.measured) return 'other hours are called measured'
  const own = new Map(kept.marks.map((mark) => [mark.metric, mark]))
  for (const { metric, max, at } of made.marks) {
    const mark = own.get(metric)
    if (mark === undefined) return `${metric} is missing, and was ${formatDecimal(max)}`
    if (formatDecimal(mark.max) !== formatDecimal(max)) return `${metric} says ${formatDecimal(mark.max)}, and was ${formatDecimal(max)}`
    if (mark.at !== at) return `${metric} says another hour`
  }
  return undefined
}
