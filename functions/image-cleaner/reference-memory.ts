import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { type ClusterUses, clusterMemory, type ReferenceMemory } from './reference-graph.ts'
import type { ImageReference } from './references.ts'

const KeptCluster = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  readMs: z.number(),
  images: z.int(),
  pods: z.int(),
})

/** Repository, tag, digest, object, when it was seen last. Rows rather than objects: there are many. */
const KeptReference = z.tuple([z.string(), z.string(), z.string(), z.string(), z.number()])

const KeptShard = z.strictObject({ format: z.literal(1), references: z.array(KeptReference) })
const KeptRepositories = z.strictObject({ format: z.literal(1), repositories: z.array(z.string()) })

/** Entries that one shard holds on average; far below what fits into one entry of the memory. */
const shardSize = 500
const shardCount = 256

/** Memory that is there and cannot be understood. It is not passed over: what it said was in use would be removed. */
export class ReferenceMemoryError extends Error {
  override readonly name = 'ReferenceMemoryError'
  readonly kind = 'image-cleaner.memory-unreadable'
}

/** Reads what earlier runs have seen. Throws ReferenceMemoryError and StoreError; with either nothing may be removed. */
export async function recallReferences(memory: MemoryReader): Promise<ReferenceMemory> {
  const clusters = (await memory.list('cluster/')).map(({ key, value }) => read(KeptCluster, key, value))
  const repositories = new Map<string, string[]>()
  for (const { key, value } of await memory.list('ever/')) {
    const id = key.split('/')[1] ?? ''
    repositories.set(id, [...(repositories.get(id) ?? []), ...read(KeptRepositories, key, value).repositories])
  }
  const references = (await memory.list('used/')).flatMap(({ key, value }) => {
    const cluster = key.split('/')[1] ?? ''
    return read(KeptShard, key, value).references.map(([repository, tag, digest, object, seenMs]): ImageReference => {
      const names = { ...(tag === '' ? {} : { tag }), ...(digest === '' ? {} : { digest }) }
      // What was seen earlier protects what it names; whether it still matters that the name leads nowhere, nobody can say.
      return { repository, ...names, via: 'pod-status', cluster, object, seenMs }
    })
  })
  return {
    clusters: clusters.map(({ id, readMs, images, pods }) => ({ id, readMs, images, pods, repositories: repositories.get(id) ?? [] })),
    references,
  }
}

function read<T>(schema: z.ZodMiniType<T>, key: string, value: unknown): T {
  const parsed = z.safeParse(schema, value)
  if (parsed.success) return parsed.data
  throw new ReferenceMemoryError(
    `What was remembered under ${JSON.stringify(key)} cannot be understood, so nobody knows what was in use lately; nothing is removed. Was it written by a newer version?`,
  )
}

/**
 * Keeps what was seen now, for the clusters that could be read; of the others what was kept before stays. Entries go when they were
 * not seen for longer than `keepMs`.
 */
export async function keepReferences(
  memory: MemoryWriter,
  facts: { readonly clusters: readonly ClusterUses[]; readonly before: ReferenceMemory; readonly keepMs: number; readonly now: number },
): Promise<void> {
  const { clusters, before, keepMs, now } = facts
  for (const cluster of clusters) {
    if (cluster.problem !== undefined) continue
    const known = clusterMemory(
      cluster,
      before.clusters.find(({ id }) => id === cluster.id),
      now,
    )
    if (known === undefined) continue
    // The references first: a crash in between leaves too many of them rather than a cluster that is known to use nothing.
    await keepShards(
      memory,
      cluster.id,
      'used',
      rowsOf(
        cluster.references,
        before.references.filter((one) => one.cluster === cluster.id && now - one.seenMs <= keepMs),
      ),
      ([repository]) => repository,
      (references) => ({ format: 1, references }),
      now + keepMs,
    )
    await keepShards(
      memory,
      cluster.id,
      'ever',
      known.repositories,
      (repository) => repository,
      (repositories) => ({ format: 1, repositories }),
    )
    const { id, readMs, images, pods } = known
    await memory.put(`cluster/${id}`, { format: 1, id, readMs, images, pods })
  }
}

type Row = readonly [repository: string, tag: string, digest: string, object: string, seenMs: number]

/** One row for each image, with the latest time it was seen. */
function rowsOf(references: readonly ImageReference[], before: readonly ImageReference[]): readonly Row[] {
  const rows = new Map<string, Row>()
  for (const { repository, tag = '', digest = '', exceptContents, object, seenMs } of [...before, ...references]) {
    // What is only in the history of where it failed was not in use, and what is known by its content alone has no name to be remembered by.
    if (exceptContents !== undefined || (tag === '' && digest === '')) continue
    const key = JSON.stringify([repository, tag, digest])
    const known = rows.get(key)
    if (known === undefined || known[4] < seenMs) rows.set(key, [repository, tag, digest, object.slice(0, 300), seenMs])
  }
  return [...rows.values()]
}

/** Spreads many values over entries of the memory, always the same value to the same entry, and removes entries that have become empty. */
async function keepShards<T>(
  memory: MemoryWriter,
  cluster: string,
  name: string,
  values: readonly T[],
  textOf: (value: T) => string,
  entryOf: (values: readonly T[]) => object,
  expiresAt?: number,
): Promise<void> {
  const isOne = values.length <= shardSize
  const shards = Map.groupBy(values, (value) =>
    isOne ? 'all' : String(Number.parseInt(digestOf([textOf(value)]).slice(0, 8), 16) % shardCount),
  )
  const prefix = `${name}/${cluster}/`
  for (const [shard, own] of shards) await memory.put(`${prefix}${shard}`, entryOf(own), expiresAt === undefined ? {} : { expiresAt })
  for (const { key } of await memory.list(prefix)) if (!shards.has(key.slice(prefix.length))) await memory.delete(key)
}
