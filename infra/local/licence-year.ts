import { noteGap } from '#shared/licence/gap-store.ts'
import { appendSample } from '#shared/licence/record-store.ts'
import { type RollRules, rollUpDays } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber, hourOf, hourText, sampleOf } from '#shared/licence/sample.ts'
import { civilOf } from '#shared/pure/civil.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'

/** What is planted, and where. */
export interface YearOptions {
  readonly region: string
  /** Whose working days and nights the usage follows, and whose days are rolled up. */
  readonly rules: RollRules
  /** The last hour is that of this instant. */
  readonly nowMs: number
  /** How many days it goes back; a year and a month when absent. */
  readonly days?: number
  /** Cores that the largest product has in the last week's working hours. */
  readonly peakCores: number
  readonly seed?: number
  /** Told how many hours are done, now and then. */
  readonly onHours?: ((done: number, total: number) => void) | undefined
}

const yearDays = 395

/** How long nothing was measured, and how many days before the end that began: an outage, a weekend's maintenance, a lost night. */
const outages = [
  { daysBefore: 290, hours: 9 },
  { daysBefore: 171, hours: 31 },
  { daysBefore: 64, hours: 4 },
] as const

/** One hour of so many is missed besides. */
const missedOneOf = 900

/**
 * Plants the record of a year that never was, for trying reports: made by the same code as a real one, sample after sample, the same every
 * time for the same options. Usage grows by about three quarters, follows the working hours and the months' ends, and comes in whole nodes; some
 * hours are not measured. Answers how many samples it has.
 */
export async function plantLicenceYear(memory: MemoryWriter, options: YearOptions): Promise<number> {
  const { region, rules, nowMs, days = yearDays, seed = 1, onHours } = options
  const last = hourNumber(hourOf(nowMs))
  const first = last - days * 24
  let count = 0
  for (let hour = first; hour <= last; hour += 1) {
    if ((hour - first) % 240 === 0) {
      onHours?.(hour - first, last - first)
      await rollUpDays(memory, region, rules, hour * hourMs)
    }
    if (isMissed(hour, last, seed)) {
      if (isOutage(hour, last)) await noteGap(memory, region, hourText(hour), outageReason)
      continue
    }
    const cores = coresAt(hour, (hour - first) / (last - first), options)
    const atMs = hour * hourMs + 185_000 + Math.floor(draw(seed, hour, 9) * 20_000)
    const sample = sampleOf({ region, atMs: Math.min(atMs, Math.max(nowMs, hour * hourMs)), ...answersAt(region, hour, cores) })
    if (!sample.ok) throw new Error(`the planted answers of ${hourText(hour)} are no report: ${sample.error}`)
    await appendSample(memory, sample.value)
    count += 1
  }
  await rollUpDays(memory, region, rules, nowMs)
  return count
}

function isMissed(hour: number, last: number, seed: number): boolean {
  // The last day is whole: it is what a first look shows.
  if (last - hour < 24) return false
  if (draw(seed, hour, 1) < 1 / missedOneOf) return true
  return isOutage(hour, last)
}

const outageReason = { code: 'cloud.server-error', text: 'CollectAllCore was answered with InternalError after 3 tries' }

function isOutage(hour: number, last: number): boolean {
  return outages.some(({ daysBefore, hours }) => {
    const from = last - daysBefore * 24 - 5
    return hour >= from && hour < from + hours
  })
}

interface Cores {
  readonly x86: number
  readonly arm: number
  readonly independent: number
}

/** `part` of the whole time is over. */
function coresAt(hour: number, part: number, { peakCores, rules, seed = 1 }: YearOptions): Cores {
  const { hour: clock, weekday, day } = civilOf(hour * hourMs, rules.zone)
  const isWorkday = weekday >= 1 && weekday <= 5
  const isOpen = isWorkday && clock >= 8 && clock < 20
  // A new team came in the last quarter.
  const level = peakCores * (part < 0.75 ? 0.56 + 0.3 * part : 0.785 + 0.86 * (part - 0.75))
  const daily = isOpen ? 1 : isWorkday ? 0.86 : 0.8
  // Accounts are closed in the first days of a month.
  const monthEnd = day <= 2 ? 1.05 : 1
  const noise = 1 + (draw(seed, Math.floor(hour / 24), 3) - 0.5) * 0.07 + (draw(seed, Math.floor(hour / 6), 2) - 0.5) * 0.03
  // A node has two cores at least.
  const inNodes = (cores: number): number => Math.max(2, Math.round(cores / 2) * 2)
  return {
    x86: inNodes(level * daily * monthEnd * noise),
    arm: inNodes(peakCores * (part < 0.45 ? 0.06 : part < 0.8 ? 0.12 : 0.15)),
    independent: inNodes(peakCores * 0.2),
  }
}

function answersAt(
  region: string,
  hour: number,
  { x86, arm, independent }: Cores,
): { readonly collectAllCore: object; readonly queryOverage: object } {
  const row = (ProductId: string, ProductIdDescribe: string, cores: number) => ({
    ProductId,
    ProductIdDescribe,
    UsageUnit: 'core',
    UsageValue: String(cores),
  })
  const id = (call: string): string => `planted-${call}-${region}-${hour}`
  return {
    collectAllCore: {
      ProductName: 'TKE',
      Version: '1.0',
      Data: [
        row('tke-managed-x86', 'Nodes of managed clusters, x86', x86),
        row('tke-managed-arm', 'Nodes of managed clusters, ARM', arm),
        row('tke-independent', 'Nodes of independent clusters, masters too', independent),
      ],
      RequestId: id('collect'),
    },
    queryOverage: { Pass: 'false', RequestId: id('query') },
  }
}

/** A number from 0 up to 1 for each seed, hour and purpose, always the same. */
function draw(seed: number, hour: number, purpose: number): number {
  let mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(hour + purpose * 7919, 0xc2b2ae35)
  for (let round = 0; round < 3; round += 1) {
    mixed ^= mixed >>> 16
    mixed = Math.imul(mixed, 0x45d9f3b)
  }
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
}
