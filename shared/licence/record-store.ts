import * as z from 'zod/mini'
import { stringifyJson } from '#cloud/json.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { type Kept, listKept, readKept, replaceKept } from './kept.ts'
import { Anchor, anchorOf, Entry, entryAfter, genesis } from './record.ts'
import { RecordError } from './record-error.ts'
import { hourNumber, hourText, type Sample } from './sample.ts'

/**
 * How a region's record is kept in the memory of license-meter:
 * - `head/<region>` the last entry, whole. Writing it over the one before is the one step by which a sample becomes part of the record:
 *   of two writers one wins, and the other one finds the winner's sample.
 * - `record/<region>/<day of UTC>/<part>` the entries, a day in as many parts as its size asks for. The last entry may be missing there
 *   when a writer died: whoever adds the next one puts it there first, and readers take it from the head.
 * - `anchor/<region>` the place in the chain before the first entry that is still kept (retention.ts).
 */
const Head = z.strictObject({
  format: z.literal(1),
  entry: Entry,
  /** Number of the part of its day that the entry belongs into. */
  part: z.int(),
  /** Hour of the very first entry, also when that is not kept any more. */
  first: z.string(),
})

type Head = z.infer<typeof Head>

const Part = z.strictObject({ format: z.literal(1), entries: z.array(Entry) })

type Part = z.infer<typeof Part>

export const KeptAnchor = z.strictObject({
  format: z.literal(1),
  anchor: Anchor,
  /** Days of UTC up to this one have nothing left. */
  clearedThrough: z.string(),
})

export type KeptAnchor = z.infer<typeof KeptAnchor>

const hoursOfDay = 24

/** Well below the 256 KiB that one value may have, so that one more entry never makes a part unreadable. */
const mostPartBytes = 200_000
const mostTries = 12

export const anchorKey = (region: string): string => `anchor/${region}`
const headKey = (region: string): string => `head/${region}`
export const dayPrefix = (region: string, day: string): string => `record/${region}/${day}/`
const partKey = (region: string, day: string, part: number): string => `${dayPrefix(region, day)}${String(part).padStart(3, '0')}`

/** What became of a sample. `already`: the hour had one, and that one counts. `late`: the record is past its hour, which stays a gap. */
export type Appended = { readonly kind: 'appended' | 'already'; readonly entry: Entry } | { readonly kind: 'late'; readonly head: Anchor }

/**
 * Puts a sample at the end of its region's record. An hour has one sample: the first that arrives. Throws StoreError, MemoryError (for a
 * sample larger than a value may be) and RecordError; after `store.unknown-outcome` it may have become part of the record, and the same
 * call finds out.
 */
export async function appendSample(memory: MemoryWriter, sample: Sample): Promise<Appended> {
  const { region } = sample
  for (let tries = 0; tries < mostTries; tries += 1) {
    const head = await readKept(memory, headKey(region), Head)
    if (head !== undefined && hourNumber(head.value.entry.sample.hour) >= hourNumber(sample.hour))
      return await whatThereIs(memory, head.value, sample)
    const entry = entryAfter(head === undefined ? genesis : anchorOf(head.value.entry), sample)
    const before = head === undefined ? undefined : await settled(memory, head.value)
    if (head !== undefined && before?.value.entries.some(({ seq }) => seq > head.value.entry.seq)) {
      // Somebody was faster, and the head is a newer one by now; or it was put back to an older one.
      if ((await readKept(memory, headKey(region), Head))?.version === head.version) throw damaged(head.value)
      continue
    }
    const place: Place = head === undefined || before === undefined ? firstPart : placeAfter(head.value, before, entry)
    const next: Head = { format: 1, entry, part: place.part, first: head?.value.first ?? sample.hour }
    if (!(await replaceKept(memory, headKey(region), next, head))) continue
    const entries = [...place.entries, entry]
    const key = partKey(region, dayOf(entry), place.part)
    if (!(await replaceKept(memory, key, { format: 1, entries } satisfies Part, place.version))) await settled(memory, next)
    return { kind: 'appended', entry }
  }
  throw new RecordError(
    'record.busy',
    `The usage record of ${region} was written by others ${mostTries} times while the sample of ${sample.hour} was to be added. It was not added; the next trigger tries again.`,
  )
}

async function whatThereIs(memory: MemoryWriter, head: Head, { region, hour }: Sample): Promise<Appended> {
  await settled(memory, head)
  if (head.entry.sample.hour === hour) return { kind: 'already', entry: head.entry }
  const number = hourNumber(hour)
  for await (const entry of readEntries(memory, region, number, number + 1)) return { kind: 'already', entry }
  return { kind: 'late', head: anchorOf(head.entry) }
}

/** The part that the head's entry is in; the entry is put there when it is missing. */
async function settled(memory: MemoryWriter, { entry, part }: Head): Promise<Kept<Part>> {
  const key = partKey(entry.sample.region, dayOf(entry), part)
  for (let tries = 0; tries < mostTries; tries += 1) {
    const kept = await readKept(memory, key, Part)
    const entries = kept?.value.entries ?? []
    const same = entries.find(({ seq }) => seq === entry.seq)
    if (kept !== undefined && same?.digest === entry.digest) return kept
    if (same !== undefined || entries.some(({ seq }) => seq > entry.seq)) {
      throw damaged({ entry, part })
    }
    await replaceKept(memory, key, { format: 1, entries: [...entries, entry] } satisfies Part, kept)
  }
  throw new RecordError(
    'record.busy',
    `The usage record under ${JSON.stringify(key)} is written by others all the time. The next trigger tries again.`,
  )
}

/** Somebody has changed or put back one of the two. */
function damaged({ entry, part }: Pick<Head, 'entry' | 'part'>): RecordError {
  const { region } = entry.sample
  return new RecordError(
    'record.damaged',
    `The usage record of ${region} does not end as its head says: entry ${entry.seq} is another one, or not the last one, under ${JSON.stringify(partKey(region, dayOf(entry), part))}. Nothing is added to it; restore both from one backup.`,
  )
}

interface Place {
  readonly part: number
  /** What is in the part already. */
  readonly entries: readonly Entry[]
  readonly version: { readonly version: number } | undefined
}

/** A part that nothing is in yet, the first of its day. */
const firstPart: Place = { part: 0, entries: [], version: undefined }

/** Where the next entry goes: the part of the last one, unless it is full or of another day. */
function placeAfter(head: Head, before: Kept<Part>, entry: Entry): Place {
  if (dayOf(head.entry) !== dayOf(entry)) return firstPart
  const { entries } = before.value
  if (bytesOf(entries) + bytesOf([entry]) > mostPartBytes) return { ...firstPart, part: head.part + 1 }
  return { part: head.part, entries, version: before }
}

function bytesOf(entries: readonly Entry[]): number {
  return Buffer.byteLength(stringifyJson(entries))
}

function dayOf({ sample }: Entry): string {
  return sample.hour.slice(0, 10)
}

/** How far a region's record reaches. */
export interface RecordSpan {
  /** The last entry. */
  readonly last: Entry
  /** Hour of the very first entry, kept or not. */
  readonly firstHour: string
  /** The place before the first entry that is still kept. */
  readonly anchor: Anchor
}

/** How far a region's record reaches; undefined when it has nothing. Throws StoreError and RecordError. */
export async function readSpan(memory: MemoryReader, region: string): Promise<RecordSpan | undefined> {
  const head = await readKept(memory, headKey(region), Head)
  if (head === undefined) return undefined
  const anchor = await readKept(memory, anchorKey(region), KeptAnchor)
  return { last: head.value.entry, firstHour: head.value.first, anchor: anchor?.value.anchor ?? genesis }
}

/** The last entry of a region's record. Throws StoreError and RecordError. */
export async function readHead(memory: MemoryReader, region: string): Promise<Entry | undefined> {
  return (await readKept(memory, headKey(region), Head))?.value.entry
}

/** The regions that have a record, in the order of their names. */
export async function recordedRegions(memory: MemoryReader): Promise<readonly string[]> {
  const heads = await memory.list(headKey(''))
  return heads.map(({ key }) => key.slice(headKey('').length))
}

/**
 * The entries of the hours from `fromHour` up to, without, `untilHour` (numbers since 1970), oldest first, one day of UTC in memory at a
 * time: the record as it was when reading began. Throws StoreError and RecordError.
 */
export async function* readEntries(
  memory: MemoryReader,
  region: string,
  fromHour: number,
  untilHour: number,
): AsyncGenerator<Entry, void, undefined> {
  const span = await readSpan(memory, region)
  if (span === undefined) return
  const { last, anchor, firstHour } = span
  const firstKept = hourNumber(anchor.hour === '' ? firstHour : anchor.hour)
  const from = Math.max(fromHour, firstKept)
  const until = Math.min(untilHour, hourNumber(last.sample.hour) + 1)
  let end = anchor.seq
  for (let day = Math.floor(from / hoursOfDay); day * hoursOfDay < until; day += 1) {
    const prefix = dayPrefix(region, hourText(day * hoursOfDay).slice(0, 10))
    for (const { value } of await listKept(memory, prefix, Part)) {
      for (const entry of value.entries) {
        // What is being thrown away. (What was added since is of later hours.)
        if (entry.seq <= end) continue
        end = entry.seq
        const hour = hourNumber(entry.sample.hour)
        if (hour >= from && hour < until) yield entry
      }
    }
  }
  const hour = hourNumber(last.sample.hour)
  if (end < last.seq && hour >= from && hour < until) yield last
}
