import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { CalendarReadings, calendarWarnings } from './calendar-reading.ts'
import type { ConfiguredFor } from './configured-for.ts'
import type { ReadCalendars } from './configured-rules.ts'
import { longestPeriodMs, type Settings } from './event.ts'
import type { ForecastView } from './forecast-view.ts'
import type { Observed } from './plan.ts'
import type { RuleDraft } from './rules.ts'
import { type Target, targetKinds } from './target.ts'

/** How far apart the triggers of this function are. */
export const everyMs = 60_000

/** Which kinds of HPC objects a cluster serves is looked for again after so long, where it serves none or is read anyway. */
export const kindsAgainMs = 5 * 60_000

/** The same in a cluster that serves some and in which nothing is due: it takes the place of listing the objects for once. */
export const quietKindsAgainMs = 3_600_000

/** Where a cluster serves HPC objects, as somebody found out at an instant. */
export interface ServedKinds {
  readonly at: number
  /** The API group that the settings named then. */
  readonly named?: string | undefined
  /** The groups that looked like HPC's then, whether they serve such objects or not. */
  readonly groups: readonly string[]
  readonly paths: readonly string[]
}

/** What a run left of a cluster in which all was done: the cursor. It stands for looking until something comes up. */
export interface Cursor {
  /** Of everything that the decisions were made from beside the targets: rules, overrides, calendars, settings. */
  readonly digest: string
  /** The same without HPC objects. */
  readonly configDigest: string
  readonly ruleCount: number
  readonly lookedAt: number
  /** Until then it may stand for looking; as long as nothing else changes when absent. */
  readonly untilMs?: number | undefined
  /** When something becomes due. */
  readonly dueMs?: number | undefined
  /** When there is something to be said that nobody needs to look for. */
  readonly newsMs?: number | undefined
  readonly firing?: { readonly rule: string; readonly atMs: number; readonly zone: string } | undefined
}

/** What is remembered of one cluster. */
export interface KnownCluster {
  readonly kinds?: ServedKinds | undefined
  readonly cursor?: Cursor | undefined
  /**
   * Targets to which an override gave their size. They are read until it has been taken back, even when neither the configuration
   * nor an HPC object names them any more.
   */
  readonly overridden?: readonly Target[] | undefined
}

/** A cluster of which the targets were not read, because nothing is due there. */
export interface QuietCluster {
  readonly id: string
  readonly cursor: Cursor
  /** Whether no rule and no override is about it. */
  readonly isEmpty: boolean
  /** Its rules, where they have something to say. */
  readonly drafts?: readonly RuleDraft[]
}

/** What was seen of all clusters, with what is for the next run to know. Plain JSON. */
export interface Seen extends Observed {
  readonly quiet?: readonly QuietCluster[]
  /** What somebody should know about calendars that could be read. */
  readonly warnings?: ReturnType<typeof calendarWarnings>
  /** The calendars as they were read at their addresses. */
  readonly keep?: CalendarReadings
  readonly notes?: readonly ClusterNote[]
  /** What the forecast of the day is made from, in the run that makes it. */
  readonly forecast?: { readonly dueMs: number; readonly view: ForecastView } | undefined
}

/** What one run knows of a cluster for the next one. */
export interface ClusterNote {
  readonly id: string
  readonly digest: string
  readonly configDigest: string
  readonly kinds?: ServedKinds | undefined
  /** What was remembered before, and which version of it; absent when nobody looked. */
  readonly before?: { readonly known: KnownCluster; readonly version: number | 'absent' } | undefined
}

const Remembered = z.strictObject({
  format: z.literal(1),
  kinds: z.optional(
    z.strictObject({ at: z.number(), named: z.optional(z.string()), groups: z.array(z.string()), paths: z.array(z.string()) }),
  ),
  overridden: z.optional(z.array(z.strictObject({ kind: z.enum(targetKinds), namespace: z.string(), name: z.string() }))),
  cursor: z.optional(
    z.strictObject({
      digest: z.string(),
      configDigest: z.string(),
      ruleCount: z.number(),
      lookedAt: z.number(),
      untilMs: z.optional(z.number()),
      dueMs: z.optional(z.number()),
      newsMs: z.optional(z.number()),
      firing: z.optional(z.strictObject({ rule: z.string(), atMs: z.number(), zone: z.string() })),
    }),
  ),
})

const prefix = 'cluster/'

/** What is remembered is needed no longer than this after it was of use. */
const forgottenMs = 86_400_000

/** What nothing ends is forgotten after so long: then somebody looks once more. */
const longForgottenMs = longestPeriodMs

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

function knownOf({ kinds, cursor, overridden }: z.infer<typeof Remembered>): KnownCluster {
  return {
    ...(kinds === undefined ? {} : { kinds }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(overridden === undefined ? {} : { overridden }),
  }
}

/** Digest of what is the same for all clusters. Their own rules and overrides come on top, see `clusterDigest`. */
export function commonDigest(mode: string, { rules: _, overrides: __, ...settings }: Settings, calendars: ReadCalendars): string {
  // Why one could not be read is in other words each time.
  const days = Object.entries(calendars).map(([name, calendar]) => ('problem' in calendar ? [name] : [name, calendar]))
  return digestOf([mode, JSON.stringify(settings), JSON.stringify(days)])
}

/** Digest of what the configuration alone adds to the decisions about a cluster. */
export function configDigestOf(common: string, { drafts, overrides }: ConfiguredFor): string {
  return digestOf([common, JSON.stringify(drafts), JSON.stringify(overrides)])
}

/** Digest of everything that decisions about a cluster are made from, beside its targets. */
export function clusterDigest(configDigest: string, hpc: readonly RuleDraft[]): string {
  return digestOf([configDigest, JSON.stringify(hpc)])
}

/**
 * Whether a cursor stands for looking at a cluster, going by its time. One from the future (a clock was set back) and one that is
 * too old do not: that costs reads and nothing else. That the rules are the same is for the caller to see.
 */
export function isInTime({ lookedAt, untilMs }: Cursor, now: number): boolean {
  return now >= lookedAt && (untilMs === undefined || now < untilMs)
}

/** Keeps what is known of a cluster, unless it is there already or another run has written since. */
export async function keepCluster(
  { id, before }: Pick<ClusterNote, 'id' | 'before'>,
  known: KnownCluster,
  now: number,
  memory: MemoryWriter,
): Promise<void> {
  if (before !== undefined && JSON.stringify(known) === JSON.stringify(before.known)) return
  const expiresAt = Math.max(now + forgottenMs, endOf(known, now))
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

/** How long what is known may be of use. */
function endOf({ cursor, overridden }: KnownCluster, now: number): number {
  if (overridden !== undefined) return now + longForgottenMs
  if (cursor === undefined) return now
  return Math.min(now + longForgottenMs, (cursor.untilMs ?? Number.POSITIVE_INFINITY) + forgottenMs)
}

/** Lets clusters be looked at again that somebody has changed in a way that no plan of now asked for. */
export async function dropCursors(clusters: ReadonlySet<string>, now: number, memory: MemoryWriter): Promise<void> {
  const recalled = await recallClusters(memory)
  for (const id of clusters) {
    const before = recalled?.get(id)
    if (before?.known.cursor === undefined) continue
    const { cursor: _, ...known } = before.known
    await keepCluster({ id, before }, known, now, memory)
  }
}
