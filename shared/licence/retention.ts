import { dateOfDay, startOfDate } from '#shared/pure/civil.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { civilDay } from './civil-day.ts'
import { type CompleteUnits, firstDayKept } from './complete-units.ts'
import { gapPrefix } from './gap-store.ts'
import { readKept, replaceKept } from './kept.ts'
import { type Anchor, anchorOf, type Entry, genesis } from './record.ts'
import { anchorKey, dayPrefix, KeptAnchor, readEntries, readSpan } from './record-store.ts'
import { hoursOfDay, periodName } from './rollup.ts'
import { monthPrefix, type Rolled, readRolled, rolledKey } from './rollup-store.ts'
import { hourMs, hourNumber, hourText } from './sample.ts'

/** How long what is kept, in complete civil months or years beside the running one. */
export interface Retention {
  readonly hours: CompleteUnits
  readonly days: CompleteUnits
}

const hoursOfUtcDay = 24

/**
 * Throws away what is older than is to be kept: samples by whole days of UTC, and never one whose civil day is not rolled up; days by
 * whole months, with the notes on their gaps. What is left of the chain goes on from its anchor, which is written first. At most so many
 * days of samples and months at once; the next call goes on. Safe to repeat and to be cut off anywhere. Answers how many days of samples were thrown
 * away. Throws StoreError and RecordError.
 */
export async function throwAwayOld(
  memory: MemoryWriter,
  region: string,
  zone: string,
  keep: Retention,
  nowMs: number,
  { most = 40 }: { readonly most?: number } = {},
): Promise<number> {
  const [rolled, span] = [await readRolled(memory, region), await readSpan(memory, region)]
  if (rolled === undefined || span === undefined) return 0
  const today = civilDay(nowMs, zone).day
  await throwAwayMonths(memory, region, rolled, span.firstHour, periodName(firstDayKept(keep.days, today), 'month'), most)

  const firstKept = Math.min(firstDayKept(keep.hours, today), rolled.value.until + 1)
  const firstKeptHour = hoursOfDay(firstKept, rolled.value.zone).firstHour
  // Civil days of another zone may begin earlier by hours.
  const firstHourAsked = Math.min(firstKeptHour, Math.floor(startOfDate(dateOfDay(firstKept), zone) / hourMs))
  const cleared = await readKept(memory, anchorKey(region), KeptAnchor)
  const from = utcDay(hourNumber(span.firstHour), cleared?.value.clearedThrough)
  const through = Math.min(Math.floor(firstHourAsked / hoursOfUtcDay) - 1, from + most - 1)
  if (through < from) return 0
  const anchor = await lastPlace(memory, region, from, through)
  const first: KeptAnchor = { format: 1, anchor, clearedThrough: cleared?.value.clearedThrough ?? textOfDay(from - 1) }
  if (!(await replaceKept(memory, anchorKey(region), first, cleared))) return 0
  for (let day = from; day <= through; day += 1) {
    for (const { key } of await memory.list(dayPrefix(region, textOfDay(day)))) await memory.delete(key)
  }
  const written = await readKept(memory, anchorKey(region), KeptAnchor)
  await replaceKept(memory, anchorKey(region), { ...first, clearedThrough: textOfDay(through) } satisfies KeptAnchor, written)
  return through - from + 1
}

/** The first day of UTC (number since 1970) that may have samples. */
function utcDay(firstHour: number, clearedThrough: string | undefined): number {
  return clearedThrough === undefined
    ? Math.floor(firstHour / hoursOfUtcDay)
    : Math.floor(hourNumber(`${clearedThrough}T00:00:00Z`) / hoursOfUtcDay) + 1
}

function textOfDay(day: number): string {
  return hourText(day * hoursOfUtcDay).slice(0, 10)
}

/** The place in the chain after the last sample of these days; the anchor as it is when they have none. */
async function lastPlace(memory: MemoryReader, region: string, from: number, through: number): Promise<Anchor> {
  for (let day = through; day >= from; day -= 1) {
    let last: Entry | undefined
    for await (const entry of readEntries(memory, region, day * hoursOfUtcDay, (day + 1) * hoursOfUtcDay)) last = entry
    if (last !== undefined) return anchorOf(last)
  }
  return (await readSpan(memory, region))?.anchor ?? genesis
}

async function throwAwayMonths(
  memory: MemoryWriter,
  region: string,
  rolled: { readonly value: Rolled; readonly version: number },
  firstHour: string,
  firstMonth: string,
  most: number,
): Promise<void> {
  let month = rolled.value.clearedBefore ?? monthBefore(firstHour.slice(0, 7))
  if (month >= firstMonth) return
  for (let count = 0; month < firstMonth && count < most; count += 1) {
    for (const { key } of await memory.list(monthPrefix(region, month))) await memory.delete(key)
    for (const { key } of await memory.list(gapPrefix(region, month))) await memory.delete(key)
    month = monthAfter(month)
  }
  await replaceKept(memory, rolledKey(region), { ...rolled.value, clearedBefore: month } satisfies Rolled, rolled)
}

function monthAfter(month: string): string {
  const number = numberOfMonth(month) + 1
  return `${String(Math.floor(number / 12)).padStart(4, '0')}-${String((number % 12) + 1).padStart(2, '0')}`
}

/** The civil month of the first hour may be an earlier one than that of UTC. */
function monthBefore(month: string): string {
  const number = numberOfMonth(month) - 1
  return `${String(Math.floor(number / 12)).padStart(4, '0')}-${String((number % 12) + 1).padStart(2, '0')}`
}

function numberOfMonth(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5, 7)) - 1
}
