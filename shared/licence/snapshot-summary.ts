import { civilOf } from '#shared/pure/civil.ts'
import { type Glob, parseGlob } from '#shared/pure/glob.ts'
import { compareDecimals, type Decimal, formatDecimal } from './decimal.ts'
import { type Metric, usageOf } from './metric.ts'
import { type Anchor, anchorOf, type Entry } from './record.ts'
import { hourMs, hourNumber, hourText, readSample } from './sample.ts'

/** The highest that something came to in a month, and the first hour in which it did. */
export interface MonthHigh {
  readonly metric: string
  readonly unit: string
  /** Decimal. */
  readonly usage: string
  readonly hour: string
}

/** One civil month of a region, as far as the snapshot's period covers it. */
export interface MonthSummary {
  /** `2026-11`. */
  readonly month: string
  readonly hours: number
  readonly measured: number
  readonly high: readonly MonthHigh[]
}

/** What the entries of a region come to. All of it can be worked out again from the entries. */
export interface RegionSummary {
  readonly region: string
  readonly entries: number
  /** Of the last entry; of the one before the first where there is none. */
  readonly end: Anchor
  readonly hours: number
  readonly measured: number
  /** Stretches without a sample: the first hour, and the first hour with a sample again or the end of the period. */
  readonly gaps: readonly { readonly from: string; readonly until: string }[]
  readonly months: readonly MonthSummary[]
}

interface High {
  readonly unit: string
  readonly usage: Decimal
  readonly hour: string
}

/** Adds up a region's entries one after the other; holds months, not hours. */
export class RegionTotals {
  readonly #region: string
  readonly #zone: string
  readonly #until: number
  readonly #sums: readonly Metric[]
  readonly #months = new Map<string, { hours: number; measured: number; readonly high: Map<string, High> }>()
  readonly #gaps: { from: string; until: string }[] = []
  #next: number
  #end: Anchor
  #entries = 0
  #hours = 0

  /** `from` is the first hour, `until` the first one after; `sums` are globs over products that count together. */
  constructor(options: {
    readonly region: string
    readonly after: Anchor
    readonly sums: readonly string[]
    readonly zone: string
    readonly from: string
    readonly until: string
  }) {
    this.#region = options.region
    this.#zone = options.zone
    this.#next = hourNumber(options.from)
    this.#until = hourNumber(options.until)
    this.#sums = options.sums.map((id) => ({ id, glob: globOf(id) }))
    this.#end = options.after
  }

  add(entry: Entry): void {
    const { hour } = entry.sample
    const month = this.#skipTo(hourNumber(hour), 1)
    month.measured += 1
    this.#entries += 1
    this.#end = anchorOf(entry)
    const reading = readSample(entry.sample)
    const metrics = [...reading.products.map(({ productId }): Metric => ({ id: productId })), ...this.#sums]
    for (const metric of metrics) {
      const { usage, unit } = usageOf(metric, reading)
      if (usage === undefined) continue
      const before = month.high.get(metric.id)
      if (before === undefined || compareDecimals(usage, before.usage) > 0) month.high.set(metric.id, { unit, usage, hour })
    }
  }

  /** Goes on to an hour; what lies between has no sample. Answers the month of that hour. */
  #skipTo(hour: number, length: 0 | 1) {
    if (hour > this.#next) this.#gaps.push({ from: hourText(this.#next), until: hourText(hour) })
    let month = this.#monthOf(this.#next)
    for (let at = this.#next; at < hour + length; at += 1) {
      month = this.#monthOf(at)
      month.hours += 1
      this.#hours += 1
    }
    this.#next = hour + length
    return month
  }

  #monthOf(hour: number) {
    const { year, month } = civilOf(hour * hourMs, this.#zone)
    const name = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`
    let found = this.#months.get(name)
    if (found === undefined) {
      found = { hours: 0, measured: 0, high: new Map() }
      this.#months.set(name, found)
    }
    return found
  }

  /** What it comes to; nothing can be added any more. */
  done(): RegionSummary {
    if (this.#next < this.#until) this.#skipTo(this.#until, 0)
    return {
      region: this.#region,
      entries: this.#entries,
      end: this.#end,
      hours: this.#hours,
      measured: this.#entries,
      gaps: this.#gaps,
      months: [...this.#months]
        .filter(([, { hours }]) => hours > 0)
        .map(([month, { hours, measured, high }]) => ({
          month,
          hours,
          measured,
          high: [...high]
            .map(([metric, { unit, usage, hour }]) => ({ metric, unit, usage: formatDecimal(usage), hour }))
            .sort((one, other) => (one.metric < other.metric ? -1 : 1)),
        })),
    }
  }
}

function globOf(text: string): Glob {
  const glob = parseGlob(text)
  if (!glob.ok) throw new RangeError(`${JSON.stringify(text)} is no glob: ${glob.error}`)
  return glob.value
}
