import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { compareTexts } from './compare-texts.ts'
import type { ListedTag } from './registry.ts'

/** A tag with a time by which it is judged. */
export type TimedTag = Omit<ListedTag, 'pushedMs'> & { readonly pushedMs: number }

/** Tag, short name of its content, when the two were first seen together. Rows rather than objects: there are many. */
const Row = z.tuple([z.string(), z.string(), z.number()])

const Shard = z.strictObject({ format: z.literal(1), tags: z.array(Row) })

type Row = z.infer<typeof Row>

/** Rows that one entry of the memory holds on average. */
const shardSize = 500

// A repository's name may begin like another one's; what is encoded holds no slash.
const prefixOf = (repository: string): string => `seen/${encodeURIComponent(repository)}/`

const shortOf = (contentId: string): string => digestOf([contentId]).slice(0, 20)

/**
 * Gives each tag the time it was pushed. Where the registry does not tell, that is when this content was first seen under this tag;
 * what was never seen counts as pushed now, so that not knowing keeps longer and never shorter. What is remembered and cannot
 * be understood counts as not seen. The memory is asked only when a time is missing. Throws StoreError.
 */
export async function timedTags(
  repository: string,
  tags: readonly ListedTag[],
  memory: MemoryReader,
  now: number,
): Promise<readonly TimedTag[]> {
  const seen = tags.every(({ pushedMs }) => pushedMs !== undefined) ? new Map<string, Row>() : await recall(repository, memory)
  return tags.map((tag) => {
    const [, content, firstMs] = seen.get(tag.name) ?? []
    const known = content === shortOf(tag.contentId) && firstMs !== undefined ? Math.min(firstMs, now) : now
    return { ...tag, pushedMs: tag.pushedMs ?? known }
  })
}

async function recall(repository: string, memory: MemoryReader): Promise<ReadonlyMap<string, Row>> {
  const rows = new Map<string, Row>()
  for (const { value } of await memory.list(prefixOf(repository))) {
    const parsed = z.safeParse(Shard, value)
    for (const row of parsed.data?.tags ?? []) {
      // Two shards may have one tag when writing was cut off between them: the later time keeps longer.
      const known = rows.get(row[0])
      if (known === undefined || known[2] < row[2]) rows.set(row[0], row)
    }
  }
  return rows
}

/**
 * Remembers when the tags of a repository were first seen. `tags` are all that are there now: what is not among them is forgotten,
 * and seen anew when it comes back. Entries that stay the same are not written.
 */
export async function keepFirstSeen(
  repository: string,
  tags: readonly Pick<TimedTag, 'name' | 'contentId' | 'pushedMs'>[],
  memory: MemoryWriter,
): Promise<void> {
  const prefix = prefixOf(repository)
  const count = 2 ** Math.ceil(Math.log2(Math.max(1, tags.length / shardSize)))
  const shards = Map.groupBy(tags, ({ name }) => `${prefix}${count}-${Number.parseInt(digestOf([name]).slice(0, 8), 16) % count}`)
  const before = new Map((await memory.list(prefix)).map(({ key, value }) => [key, JSON.stringify(value)]))
  for (const [key, own] of shards) {
    const rows = own.map(({ name, contentId, pushedMs }): Row => [name, shortOf(contentId), pushedMs])
    const value = { format: 1, tags: rows.toSorted(([left], [right]) => compareTexts(left, right)) }
    if (before.get(key) !== JSON.stringify(value)) await memory.put(key, value)
  }
  for (const key of before.keys()) if (!shards.has(key)) await memory.delete(key)
}
