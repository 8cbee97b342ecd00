import * as z from 'zod/mini'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { Alert } from './alert.ts'
import type { Came } from './episode.ts'

/** What was heard of one series that changed what is known of it, and when. */
export interface HeardAlarm {
  /** By our clock, epoch milliseconds. */
  readonly atMs: number
  readonly alert: Alert
}

const WrittenAlarm = z.strictObject({ format: z.literal(1), atMs: z.number(), alert: Alert })

/** Messages that say something new of a series. What only repeats is not kept: a storm is as long as what it says. */
const told: ReadonlySet<Came> = new Set(['opened', 'reopened', 'raised', 'resolved', 'no-data'])

const dayMs = 86_400_000
/** How long policies can be tried on what was heard. */
const keptForMs = 92 * dayMs

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const prefixOf = (day: string): string => `heard/${day}/`

/** Keeps what was heard, once however often it is worked on, for as long as policies are tried on it. Throws StoreError and MemoryError. */
export async function keepAlarm(memory: MemoryWriter, { atMs, alert }: HeardAlarm, episodeId: string, came: Came): Promise<void> {
  if (!told.has(came)) return
  const value = { format: 1, atMs, alert } satisfies z.infer<typeof WrittenAlarm>
  await memory.put(`${prefixOf(dayOf(atMs))}${atMs}/${episodeId}/${came}`, value, { expiresAt: atMs + keptForMs })
}

/** What was heard in a period, oldest first. What cannot be understood is left out. Throws StoreError. */
export async function recallAlarms(
  memory: MemoryReader,
  period: { readonly fromMs: number; readonly untilMs: number },
): Promise<readonly HeardAlarm[]> {
  const heard: HeardAlarm[] = []
  for (let day = Date.parse(dayOf(period.fromMs)); day < period.untilMs; day += dayMs) {
    for (const { value } of await memory.list(prefixOf(dayOf(day)))) {
      const { data } = z.safeParse(WrittenAlarm, value)
      if (data !== undefined && data.atMs >= period.fromMs && data.atMs < period.untilMs) heard.push({ atMs: data.atMs, alert: data.alert })
    }
  }
  return heard.toSorted((one, other) => one.atMs - other.atMs)
}
