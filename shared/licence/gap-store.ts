import * as z from 'zod/mini'
import { clip } from '#shared/pure/clip.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { readKept, replaceKept } from './kept.ts'
import { RecordError } from './record-error.ts'
import { hourNumber, hourText } from './sample.ts'

/** Why hours have no sample, ten days of UTC under one key, so that whatever the reasons are they fit into one value. An hour that was measured later may have one, too; it means nothing then. */
const GapNotes = z.strictObject({
  format: z.literal(1),
  hours: z.record(z.string(), z.strictObject({ code: z.string(), text: z.string() })),
})

type GapNotes = z.infer<typeof GapNotes>

const longestText = 160
const longestCode = 60
const mostTries = 12

/** Of a month of UTC, `2026-11`. */
export const gapPrefix = (region: string, month: string): string => `gap/${region}/${month}/`
const gapKey = (region: string, hour: string): string => `${gapPrefix(region, hour.slice(0, 7))}${hour.slice(8, 9)}`

/** Notes why an hour could not be measured; the first reason of an hour stays. Throws StoreError and RecordError. */
export async function noteGap(memory: MemoryWriter, region: string, hour: string, { code, text }: Reason): Promise<void> {
  const key = gapKey(region, hour)
  for (let tries = 0; tries < mostTries; tries += 1) {
    const kept = await readKept(memory, key, GapNotes)
    if (kept !== undefined && Object.hasOwn(kept.value.hours, hour)) return
    const reason = { code: clip(code, longestCode), text: clip(text, longestText) }
    const next: GapNotes = { format: 1, hours: { ...kept?.value.hours, [hour]: reason } }
    if (await replaceKept(memory, key, next, kept)) return
  }
  throw new RecordError(
    'record.busy',
    `The notes on gaps under ${JSON.stringify(key)} are written by others all the time. The next trigger tries again.`,
  )
}

/** Why hours from `fromHour` up to, without, `untilHour` (numbers since 1970) could not be measured, by their text. Throws StoreError and RecordError. */
export async function readGapNotes(
  memory: MemoryReader,
  region: string,
  fromHour: number,
  untilHour: number,
): Promise<ReadonlyMap<string, Reason>> {
  const notes = new Map<string, Reason>()
  const keys = new Set<string>()
  for (let hour = fromHour; hour < untilHour; hour += 24) keys.add(gapKey(region, hourText(hour)))
  if (untilHour > fromHour) keys.add(gapKey(region, hourText(untilHour - 1)))
  for (const key of keys) {
    for (const [hour, reason] of Object.entries((await readKept(memory, key, GapNotes))?.value.hours ?? {})) {
      if (hourNumber(hour) >= fromHour && hourNumber(hour) < untilHour) notes.set(hour, reason)
    }
  }
  return notes
}
