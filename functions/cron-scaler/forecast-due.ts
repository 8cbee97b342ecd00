import * as z from 'zod/mini'
import { civilOf, dayNumber, firstInstantAt } from '#shared/pure/civil.ts'
import type { ObserveAround } from '#shared/runtime/definition.ts'
import { MemoryError, type MemoryReader, type MemoryWriter, noMemory } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { everyMs } from './cursor.ts'
import type { Settings } from './event.ts'

/** The forecast of a day that is to be made now. */
export interface DueForecast {
  /** When it became due: the time of day of the settings. */
  readonly dueMs: number
  /** Whether what is due in a cluster may come before it, so that no firing waits for it. */
  readonly mayWait: boolean
}

/** So long a forecast waits for a run in which nothing else is to be done. */
const mostWaitMs = 10 * 60_000

const key = 'forecast'

const dayMs = 86_400_000

const Made = z.strictObject({ format: z.literal(1), dueMs: z.number() })

/**
 * The forecast that is due and has not been made: that of the latest time of day that has come, so a run that is late makes it late, and
 * makes it once. Undefined when there is none, when somebody only wants to see a plan, and when the store cannot be read. Without a
 * store it is made by the run at its very minute, or not at all.
 */
export async function forecastDue(
  { forecast, timeZone }: Settings,
  now: number,
  { memory, fresh }: Pick<ObserveAround, 'memory' | 'fresh'>,
): Promise<DueForecast | undefined> {
  if (forecast === undefined || fresh === true) return undefined
  const dueMs = latestAt(forecast.at, timeZone, now)
  if (memory === noMemory) return now - dueMs < everyMs ? { dueMs, mayWait: false } : undefined
  const made = await recall(memory)
  if (made === undefined || (made !== 'never' && made >= dueMs)) return undefined
  return { dueMs, mayWait: now - dueMs < mostWaitMs }
}

/** The latest instant up to now at which clocks show a time of day, given in seconds. */
function latestAt(seconds: number, zone: string, now: number): number {
  const { year, month, day } = civilOf(now, zone)
  const today = dayNumber(year, month, day)
  const at = (number: number): number => firstInstantAt(number * 86_400 + seconds, zone)
  const todayMs = at(today)
  return todayMs <= now ? todayMs : at(today - 1)
}

/** For when the last one was made; undefined when nobody can tell. */
async function recall(memory: MemoryReader): Promise<number | 'never' | undefined> {
  try {
    const entry = await memory.get(key)
    if (entry === undefined) return 'never'
    const made = z.safeParse(Made, entry.value)
    return made.success ? made.data.dueMs : 'never'
  } catch (error) {
    if (error instanceof StoreError || error instanceof MemoryError) return undefined
    throw error
  }
}

/** Keeps that it was made. */
export async function rememberForecast(dueMs: number, now: number, memory: MemoryWriter): Promise<void> {
  await memory.put(key, { format: 1, dueMs }, { expiresAt: now + 3 * dayMs })
}
