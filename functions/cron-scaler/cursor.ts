import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { CalendarReadings, calendarWarnings } from './calendar-reading.ts'
import type { ConfiguredFor } from './configured-for.ts'
import type { ReadCalendars } from './configured-rules.ts'
import type { Settings } from './event.ts'
import type { Observed } from './plan.ts'
import type { RuleDraft } from './rules.ts'

/** How far apart the triggers of this function are. */
export const everyMs = 60_000

/**
 * A cluster in which all is done is looked at again at least so often, so that what people do there is seen. The same goes for
 * which kinds of HPC objects it serves.
 */
export const lookAgainMs = 5 * 60_000

/** Where a cluster serves HPC objects, as somebody found out at an instant. */
export interface ServedKinds {
  readonly at: number
  /** The API group that the settings named then. */
  readonly named?: string | undefined
  readonly paths: readonly string[]
}

/** What a run left of a cluster in which all was done: the cursor. It stands for looking until something comes up. */
export interface Cursor {
  /** Of everything that the decisions were made from beside the targets: rules, overrides, calendars, settings. */
  readonly digest: string
  readonly lookedAt: number
  /** Until then it may stand for looking. */
  readonly untilMs: number
  /** When something becomes due. */
  readonly dueMs?: number | undefined
  readonly firing?: { readonly rule: string; readonly atMs: number; readonly zone: string } | undefined
}

/** What is remembered of one cluster. */
export interface KnownCluster {
  readonly kinds?: ServedKinds | undefined
  readonly cursor?: Cursor | undefined
}

/** A cluster of which the targets were not read, because nothing is due there. */
export interface QuietCluster {
  readonly id: string
  readonly ruleCount: number
  readonly cursor: Cursor
}

/** What was seen of all clusters, with what is for the next run to know. Plain JSON. */
export interface Seen extends Observed {
  readonly quiet?: readonly QuietCluster[]
  /** What somebody should know about calendars that could be read. */
  readonly warnings?: ReturnType<typeof calendarWarnings>
  /** The calendars as they were read at their addresses. */
  readonly keep?: CalendarReadings
  readonly notes?: readonly ClusterNote[]
}

/** What one run knows of a cluster for the next one. */
export interface ClusterNote {
  readonly id: string
  readonly digest: string
  readonly kinds?: ServedKinds | undefined
  /** What was remembered before, and which version of it; absent when nobody looked. */
  readonly before?: { readonly known: KnownCluster; readonly version: number | 'absent' } | undefined
}

const Remembered = z.strictObject({
  format: z.literal(1),
  kinds: z.optional(z.strictObject({ at: z.number(), named: z.optional(z.string()), paths: z.array(z.string()) })),
  cursor: z.optional(
    z.strictObject({
      digest: z.string(),
      lookedAt: z.number(),
      untilMs: z.number(),
      dueMs: z.optional(z.number()),
      firing: z.optional(z.strictObject({ rule: z.string(), atMs: z.number(), zone: z.string() })),
    }),
  ),
})

const prefix = 'cluster/'

/** Nobody comes back to a cluster after so long. */
const forgottenMs = 86_400_000

/** What earlier runs left of the clusters, by their ids; undefined when the store cannot be read: then everything is looked at. */
export async function recallClusters(memory: MemoryReader): Promise<ReadonlyMap<string, ClusterNote['before']> | undefined> {
  try {
    const entries = await memory.list(prefix)
    return new Map(
      entries.map(({ key, value, version }) => {
        const read = z.safeParse(Remembered, value)
        return [key.slice(prefix.length), { known: read.success ? knownOf(read.data) : {}, version }] as const
      }),
    )
  } catch (error) {
    if (error instanceof StoreError || error instanceof MemoryError) return undefined
    throw error
  }
}

function knownOf({ kinds, cursor }: z.infer<typeof Remembered>): KnownCluster {
  return { ...(kinds === undefined ? {} : { kinds }), ...(cursor === undefined ? {} : { cursor }) }
}

/** Digest of what is the same for all clusters. Their own rules and overrides come on top, see `clusterDigest`. */
export function commonDigest(mode: string, { rules: _, overrides: __, ...settings }: Settings, calendars: ReadCalendars): string {
  // Why one could not be read is in other words each time.
  const days = Object.entries(calendars).map(([name, calendar]) => ('problem' in calendar ? [name] : [name, calendar]))
  return digestOf([mode, JSON.stringify(settings), JSON.stringify(days)])
}

/** Digest of everything that decisions about a cluster are made from, beside its targets. */
export function clusterDigest(common: string, hpc: readonly RuleDraft[], { drafts, overrides }: ConfiguredFor): string {
  return digestOf([common, JSON.stringify(hpc), JSON.stringify(drafts), JSON.stringify(overrides)])
}

/**
 * Whether a cursor stands for looking at a cluster. One of other rules or settings, one from the future (a clock was set back) and
 * one that is too old do not: that costs reads and nothing else.
 */
export function standsFor(cursor: Cursor | undefined, digest: string, now: number): cursor is Cursor {
  return cursor !== undefined && cursor.digest === digest && now >= cursor.lookedAt && now < cursor.untilMs
}

/** Keeps what is known of a cluster, unless it is there already or another run has written since. */
export async function keepCluster({ id, before }: ClusterNote, known: KnownCluster, now: number, memory: MemoryWriter): Promise<void> {
  if (before !== undefined && JSON.stringify(known) === JSON.stringify(before.known)) return
  const expiresAt = now + forgottenMs
  try {
    await memory.put(
      `${prefix}${id}`,
      { format: 1, ...known },
      { expiresAt, ...(before === undefined ? {} : { ifVersion: before.version }) },
    )
  } catch (error) {
    if (!(error instanceof MemoryError && error.kind === 'memory.conflict')) throw error
  }
}
