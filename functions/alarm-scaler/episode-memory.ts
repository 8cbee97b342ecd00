import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import type { Alert } from './alert.ts'
import { Episode, type Folded, fold } from './episode.ts'

/** A message and what it was for its series. */
export interface HeardAlert extends Folded {
  readonly alert: Alert
  /** What was known before it. */
  readonly before: Episode | undefined
}

const prefix = 'episode/'
/** How often it is tried to write over what somebody else writes at the same time. */
const mostTries = 10
/** Series that are read and written at the same time. */
const concurrency = 8

const dayMs = 86_400_000
/** Something that fires is heard of again and again; of something that is over late messages may come. */
const keptMs: Readonly<Record<Episode['state'], number>> = { firing: 30 * dayMs, 'no-data': 30 * dayMs, resolved: 7 * dayMs }

/**
 * Folds what a sender said at one time into the episodes, each of them by compare and swap, so that any number of workers may do it at
 * once. Said twice, it changes nothing that matters. Answers in the order of the alerts. Throws StoreError, and MemoryError when somebody
 * else was faster again and again: what was folded by then stays, and all of it may be folded again.
 */
export async function foldAlerts(memory: MemoryWriter, alerts: readonly Alert[], heardAtMs: number): Promise<readonly HeardAlert[]> {
  const heard: HeardAlert[] = []
  const series = [...Map.groupBy(alerts.entries(), ([, alert]) => keyOf(alert))]
  const work = async (): Promise<void> => {
    for (let one = series.shift(); one !== undefined; one = series.shift()) {
      // What one message says of one series is put in one after the other.
      const [key, own] = one
      for (const [index, alert] of own) heard[index] = { alert, ...(await foldOne(memory, key, alert, heardAtMs)) }
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: concurrency }, work))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return heard
}

/** All episodes that are known, one of each series. What another version wrote and this one cannot read is left out. Throws StoreError. */
export async function recallEpisodes(memory: MemoryReader): Promise<readonly Episode[]> {
  const entries = await memory.list(prefix)
  return entries.flatMap(({ value }) => z.safeParse(Episode, value).data ?? [])
}

function keyOf({ source, key }: Alert): string {
  return `${prefix}${digestOf([source, key])}`
}

async function foldOne(memory: MemoryWriter, key: string, alert: Alert, heardAtMs: number): Promise<Omit<HeardAlert, 'alert'>> {
  for (let attempt = 1; ; attempt += 1) {
    const entry = await memory.get(key)
    const known = z.safeParse(Episode, entry?.value).data
    const folded = fold(known, alert, heardAtMs)
    const { episode } = folded
    if (episode === undefined || episode === known) return { ...folded, before: known }
    try {
      await memory.put(key, episode, { ifVersion: entry?.version ?? 'absent', expiresAt: heardAtMs + keptMs[episode.state] })
      return { ...folded, before: known }
    } catch (error) {
      if (!(error instanceof MemoryError) || error.kind !== 'memory.conflict' || attempt === mostTries) throw error
    }
  }
}
