import { hash } from 'node:crypto'
import * as z from 'zod/mini'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { type MemoryEntry, MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import { SeenTag, SeenTags } from './registry-reading.ts'

/** Where the tags of a repository are whose tags do not fit into one entry. */
const Parted = z.strictObject({
  format: z.literal(2),
  firstMs: z.number(),
  /** Names these parts: they are never changed, so whoever reads them while others are written reads one state. */
  stamp: z.string(),
  parts: z.int().check(z.minimum(1), z.maximum(1000)),
})

const Part = z.array(SeenTag)

/** Well below what the memory takes in one entry, whatever else is beside the tags. */
const mostPartBytes = 200 * 1024
/** How often it is tried to write over what somebody else writes at the same time. */
const mostTries = 3

const seenKey = (repository: string): string => `seen/${encodeURIComponent(repository)}`
const partKey = (repository: string, stamp: string, index: number): string =>
  `seen-part/${encodeURIComponent(repository)}/${stamp}/${index}`

/** Tags as an earlier look has seen them; undefined when nobody has, or when it cannot be understood. Throws StoreError. */
export async function recallSeen(memory: MemoryReader, repository: string): Promise<SeenTags | undefined> {
  return (await read(memory, repository)).seen
}

/**
 * Keeps the tags that a look has seen. `before` is what it began with: where somebody else has kept something since, both are put
 * together, because the times in there are known from nowhere else. Nothing is written when nothing has changed.
 */
export async function keepSeen(memory: MemoryWriter, repository: string, before: SeenTags | undefined, seen: SeenTags): Promise<void> {
  for (let attempt = 1; attempt <= mostTries; attempt += 1) {
    const there = await read(memory, repository)
    const wanted = there.seen === undefined || isSame(there.seen, before) ? seen : together(before, there.seen, seen)
    if (isSame(there.seen, wanted)) return
    try {
      await write(memory, repository, wanted, there)
      return
    } catch (error) {
      // Somebody else was faster: theirs is read and put together with ours.
      if (!(error instanceof MemoryError) || error.kind !== 'memory.conflict') throw error
    }
  }
}

interface There {
  readonly seen: SeenTags | undefined
  readonly entry: MemoryEntry | undefined
}

async function read(memory: MemoryReader, repository: string): Promise<There> {
  const entry = await memory.get(seenKey(repository))
  const parted = z.safeParse(Parted, entry?.value).data
  if (parted === undefined) return { seen: z.safeParse(SeenTags, entry?.value).data, entry }
  const { firstMs, stamp, parts } = parted
  const tags: SeenTags['tags'] = []
  for (let index = 0; index < parts; index += 1) {
    const part = z.safeParse(Part, (await memory.get(partKey(repository, stamp, index)))?.value).data
    // With a part that is gone nobody knows which of the others still hold.
    if (part === undefined) return { seen: undefined, entry }
    tags.push(...part)
  }
  return { seen: { format: 1, firstMs, tags }, entry }
}

async function write(memory: MemoryWriter, repository: string, seen: SeenTags, { entry }: There): Promise<void> {
  const old = z.safeParse(Parted, entry?.value).data
  const ifVersion = entry?.version ?? 'absent'
  const parts = partsOf(seen.tags)
  const stamp = hash('sha256', JSON.stringify(seen), 'hex').slice(0, 24)
  if (parts.length <= 1) await memory.put(seenKey(repository), seen, { ifVersion })
  else {
    for (const [index, part] of parts.entries()) await memory.put(partKey(repository, stamp, index), part)
    await memory.put(seenKey(repository), { format: 2, firstMs: seen.firstMs, stamp, parts: parts.length }, { ifVersion })
  }
  if (old === undefined || (old.stamp === stamp && parts.length > 1)) return
  for (let index = 0; index < old.parts; index += 1) await memory.delete(partKey(repository, old.stamp, index))
}

function partsOf(tags: SeenTags['tags']): readonly SeenTags['tags'][] {
  const parts: SeenTags['tags'][] = []
  let sizeBytes = mostPartBytes
  for (const tag of tags) {
    const own = Buffer.byteLength(JSON.stringify(tag)) + 1
    if (sizeBytes + own > mostPartBytes) {
      parts.push([])
      sizeBytes = 0
    }
    parts.at(-1)?.push(tag)
    sizeBytes += own
  }
  return parts
}

function isSame(left: SeenTags | undefined, right: SeenTags | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

/** What two looks have seen that began with the same: nobody knows which of them came later, so of each tag the newer one counts. */
function together(before: SeenTags | undefined, theirs: SeenTags, ours: SeenTags): SeenTags {
  const byName = ({ tags }: SeenTags) => new Map(tags.map((tag) => [tag[0], tag]))
  const other = byName(theirs)
  const own = byName(ours)
  const all = new Map(other)
  for (const [name, tag] of own) if ((tag[2] ?? 0) >= (other.get(name)?.[2] ?? 0)) all.set(name, tag)
  // One of them has seen that it is gone.
  for (const [name] of before?.tags ?? []) if (!own.has(name) || !other.has(name)) all.delete(name)
  return {
    format: 1,
    firstMs: Math.min(theirs.firstMs, ours.firstMs),
    tags: [...all.values()].toSorted(([left], [right]) => compareTexts(left, right)),
  }
}
