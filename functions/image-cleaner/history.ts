import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { compareTexts } from './compare-texts.ts'
import { contentsOf, type ObservedTag } from './image.ts'
import type { ImageReference } from './references.ts'

/** A tag as it was at one time: pushed again it is another one. Days are those since 1970 in the configured zone. */
export interface SeenTag {
  readonly name: string
  /** Stands for its content: equal within a repository where contents are. */
  readonly content: string
  /**
   * Connects it with what goes or stays with it although its content is another one, such as an index and the tag of one of its
   * platforms: the same for all of them, and the content of one of them. Absent where that is its own.
   */
  readonly group?: string | undefined
  readonly pushedMs: number
  /** When it was seen first. */
  readonly seenDay: number
  /** From which day to which it was in use, in their order; also after it had been removed, when somebody still asked for it. */
  readonly uses: readonly (readonly [fromDay: number, toDay: number])[]
  /** What used it last. */
  readonly by: string
  /** When it was no longer there. */
  readonly goneDay?: number | undefined
  /** When this function removed it. */
  readonly removedDay?: number | undefined
  /** When it was brought back. */
  readonly restoredDay?: number | undefined
}

/** What was seen of one repository, run after run. */
export interface RepositoryHistory {
  readonly repository: string
  readonly firstDay: number
  readonly lastDay: number
  /** By name, then by push time. */
  readonly tags: readonly SeenTag[]
}

/** What is gone is forgotten after so long. */
const keptDays = 365

/** Of what is gone no more is remembered of one repository, the latest. */
const mostGone = 20_000

/** Times in use that are remembered of one tag, the latest. */
const mostUses = 16

const longestBy = 120

/**
 * The history after one more look at a repository: what is there, and what of it is in use. Looking twice on one day changes
 * nothing; a day before the last one is passed over, because then a clock is wrong.
 */
export function historyAfter(
  before: RepositoryHistory | undefined,
  seen: {
    readonly repository: string
    readonly tags: readonly ObservedTag[]
    /** Of them only those that were seen at `now` count. */
    readonly references: readonly ImageReference[]
    readonly now: number
    readonly day: number
  },
): RepositoryHistory {
  const { repository, tags, references, now, day } = seen
  if (before !== undefined && day < before.lastDay) return before
  const rows = new Map((before?.tags ?? []).map((row) => [keyOf(row), row]))
  const live = new Map<string, string>()
  const byDigest = new Map<string, string[]>()
  const groups = new Map(contentsOf(tags).flatMap((content) => content.tags.map((tag) => [tag, contentOf(content.id)] as const)))
  for (const tag of tags) {
    const content = contentOf(tag.contentId)
    const group = groups.get(tag) ?? content
    const fresh: SeenTag = { name: tag.name, content, pushedMs: tag.pushedMs, seenDay: day, uses: [], by: '' }
    const key = keyOf(fresh)
    const known = rows.get(key)
    live.set(tag.name, key)
    for (const digest of new Set([tag.contentId, tag.imageId, ...(tag.parts ?? [])])) {
      if (digest === undefined) continue
      const keys = byDigest.get(digest)
      if (keys === undefined) byDigest.set(digest, [key])
      else keys.push(key)
    }
    rows.set(key, inGroup(known === undefined ? fresh : known.goneDay === undefined ? known : present(known), group))
  }
  const liveKeys = new Set(live.values())
  const lost = new Map<string, SeenTag>()
  for (const [key, row] of rows) {
    if (!liveKeys.has(key) && row.goneDay === undefined) rows.set(key, { ...row, goneDay: day })
    const latest = lost.get(row.name)
    if (row.removedDay !== undefined && (latest === undefined || latest.pushedMs < row.pushedMs)) lost.set(row.name, row)
  }
  for (const { tag, digest, content, exceptContents, object, seenMs } of references) {
    if (seenMs < now) continue
    const excepted = new Set(exceptContents?.map(contentOf))
    const named = tag === undefined ? undefined : live.get(tag)
    const missed = tag === undefined || named !== undefined ? undefined : lost.get(tag)
    const keys = [
      named,
      ...(missed === undefined ? [] : [keyOf(missed)]),
      ...[digest, content].flatMap((id) => (id === undefined ? [] : (byDigest.get(id) ?? []))),
    ]
    for (const key of new Set(keys)) {
      const row = key === undefined ? undefined : rows.get(key)
      if (key !== undefined && row !== undefined && !excepted.has(row.content)) rows.set(key, used(row, object, day, before?.lastDay))
    }
  }
  return { repository, firstDay: before?.firstDay ?? day, lastDay: day, tags: pruned([...rows.values()], day) }
}

/** The history after tags were removed by this function. */
export function historyWithout(history: RepositoryHistory, removed: ReadonlySet<string>, day: number): RepositoryHistory {
  const tags = history.tags.map((row) =>
    row.goneDay === undefined && removed.has(row.name) ? { ...row, goneDay: day, removedDay: day } : row,
  )
  return { ...history, tags }
}

/**
 * The history after removed tags were brought back, which somebody needed, whether it is seen in use or not. What is there again is
 * seen when the repository has its turn.
 */
export function historyRestored(history: RepositoryHistory, restored: ReadonlySet<string>, why: string, day: number): RepositoryHistory {
  const latest = new Map<string, SeenTag>()
  for (const row of history.tags) if (row.removedDay !== undefined && restored.has(row.name)) latest.set(row.name, row)
  const tags = history.tags.map((row) => (latest.get(row.name) === row ? { ...used(row, why, day, undefined), restoredDay: day } : row))
  return { ...history, tags }
}

function keyOf({ name, content, pushedMs }: SeenTag): string {
  return `${name} ${content} ${pushedMs}`
}

function contentOf(contentId: string): string {
  return digestOf([contentId]).slice(0, 12)
}

/** A row of a tag that is there after all. */
function present({ name, content, pushedMs, seenDay, uses, by }: SeenTag): SeenTag {
  return { name, content, pushedMs, seenDay, uses, by }
}

function inGroup({ group: _, ...row }: SeenTag, group: string): SeenTag {
  return group === row.content ? row : { ...row, group }
}

function used(row: SeenTag, object: string, day: number, lastDay: number | undefined): SeenTag {
  const latest = row.uses.at(-1)
  const by = object.slice(0, longestBy).toWellFormed()
  if (latest !== undefined && latest[1] === day) return row
  // In use when it was looked at last, and now: nobody knows of any time in between when it was not.
  if (latest !== undefined && lastDay !== undefined && latest[1] >= lastDay) {
    return { ...row, by, uses: [...row.uses.slice(0, -1), [latest[0], day]] }
  }
  return { ...row, by, uses: [...row.uses, [day, day] as const].slice(-mostUses) }
}

function pruned(rows: readonly SeenTag[], day: number): readonly SeenTag[] {
  const young = rows.filter(({ goneDay, uses }) => day - Math.max(goneDay ?? day, uses.at(-1)?.[1] ?? 0) < keptDays)
  const gone = young.filter(({ goneDay }) => goneDay !== undefined)
  const over = new Set(
    gone.length <= mostGone ? [] : gone.toSorted((left, right) => (left.goneDay ?? 0) - (right.goneDay ?? 0)).slice(0, -mostGone),
  )
  return young
    .filter((row) => !over.has(row))
    .toSorted((left, right) => compareTexts(left.name, right.name) || left.pushedMs - right.pushedMs)
}

/** Name, content, push time, day it was seen first, days of its uses, who, day it was gone, removed, restored; 0 for never. Its group where that is another content. */
const KeptRow = z.tuple([
  z.string(),
  z.string(),
  z.number(),
  z.int(),
  z.array(z.int()),
  z.string(),
  z.int(),
  z.int(),
  z.int(),
  z.optional(z.string()),
])

type KeptRow = z.infer<typeof KeptRow>

const KeptHistory = z.strictObject({ format: z.literal(1), firstDay: z.int(), lastDay: z.int(), tags: z.array(KeptRow) })

const KeptNames = z.strictObject({ format: z.literal(1), repositories: z.array(z.string()) })

/** Bytes of rows in one entry; the memory takes 256 KiB. */
const shardBytes = 200 * 1024
const nameShards = 64
const dayMs = 86_400_000

/** A colon is in no name of a repository, so that no repository's entries are among those of another. */
const prefixOf = (repository: string): string => `history/${repository}:`

const namesKey = (repository: string): string => `histories/${Number.parseInt(digestOf([repository]).slice(0, 8), 16) % nameShards}`

/** What was seen of a repository; undefined when nothing was. What cannot be understood is as if it had not been seen. */
export async function recallHistory(memory: MemoryReader, repository: string): Promise<RepositoryHistory | undefined> {
  return (await readHistory(memory, repository)).history
}

/** The names of all repositories of which something was seen. */
export async function recallHistories(memory: MemoryReader): Promise<readonly string[]> {
  const entries = await memory.list('histories/')
  return entries.flatMap(({ value }) => namesIn(value)).toSorted(compareTexts)
}

function namesIn(value: unknown): readonly string[] {
  const parsed = z.safeParse(KeptNames, value)
  return parsed.success ? parsed.data.repositories : []
}

async function readHistory(
  memory: MemoryReader,
  repository: string,
): Promise<{ readonly history?: RepositoryHistory | undefined; readonly keys: readonly string[] }> {
  const entries = await memory.list(prefixOf(repository))
  const keys = entries.map(({ key }) => key)
  const kept = entries.flatMap(({ value }) => {
    const parsed = z.safeParse(KeptHistory, value)
    return parsed.success ? [parsed.data] : []
  })
  if (kept.length === 0) return { keys }
  // A write that was cut short may have left a row in two entries.
  const rows = new Map(kept.flatMap(({ tags }) => tags.map((row) => [keyOf(rowOf(row)), rowOf(row)] as const)))
  return {
    keys,
    history: {
      repository,
      firstDay: Math.min(...kept.map(({ firstDay }) => firstDay)),
      lastDay: Math.max(...kept.map(({ lastDay }) => lastDay)),
      tags: [...rows.values()].toSorted((left, right) => compareTexts(left.name, right.name) || left.pushedMs - right.pushedMs),
    },
  }
}

/** Changes what is remembered of a repository. Where nothing is, and nothing comes of it, nothing is written. */
export async function changeHistory(
  memory: MemoryWriter,
  repository: string,
  now: number,
  change: (before: RepositoryHistory | undefined) => RepositoryHistory | undefined,
): Promise<void> {
  const { history: before, keys } = await readHistory(memory, repository)
  const after = change(before)
  if (after === undefined || after === before) return
  const shards = shardsOf(after)
  const prefix = prefixOf(repository)
  const expiresAt = now + (keptDays + 1) * dayMs
  const written = new Set<string>()
  // From the last to the first: rows that move do so to a later entry, and are there before they are taken from the earlier one.
  for (const [index, tags] of [...shards.entries()].toReversed()) {
    const key = `${prefix}${index}`
    written.add(key)
    await memory.put(key, { format: 1, firstDay: after.firstDay, lastDay: after.lastDay, tags }, { expiresAt })
  }
  for (const key of keys) if (!written.has(key)) await memory.delete(key)
  const names = namesIn((await memory.get(namesKey(repository)))?.value)
  if (!names.includes(repository)) {
    await memory.put(namesKey(repository), { format: 1, repositories: [...names, repository].toSorted(compareTexts) })
  }
}

function shardsOf({ tags }: RepositoryHistory): readonly (readonly KeptRow[])[] {
  const shards: KeptRow[][] = [[]]
  let room = shardBytes
  for (const tag of tags) {
    const row = keptRow(tag)
    const sizeBytes = Buffer.byteLength(JSON.stringify(row)) + 1
    if (sizeBytes > room) {
      shards.push([])
      room = shardBytes
    }
    shards.at(-1)?.push(row)
    room -= sizeBytes
  }
  return shards
}

function keptRow({ name, content, group, pushedMs, seenDay, uses, by, goneDay = 0, removedDay = 0, restoredDay = 0 }: SeenTag): KeptRow {
  const row = [name, content, pushedMs, seenDay, uses.flat(), by, goneDay, removedDay, restoredDay] as const
  return group === undefined ? [...row] : [...row, group]
}

function rowOf([name, content, pushedMs, seenDay, days, by, goneDay, removedDay, restoredDay, group]: KeptRow): SeenTag {
  const uses: [number, number][] = []
  for (let index = 0; index + 1 < days.length; index += 2) uses.push([days[index] ?? 0, days[index + 1] ?? 0])
  return {
    name,
    content,
    ...(group === undefined ? {} : { group }),
    pushedMs,
    seenDay,
    uses,
    by,
    ...(goneDay === 0 ? {} : { goneDay }),
    ...(removedDay === 0 ? {} : { removedDay }),
    ...(restoredDay === 0 ? {} : { restoredDay }),
  }
}
