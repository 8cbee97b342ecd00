import * as z from 'zod/mini'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import type { Hold } from './decide-container.ts'
import { SeenTags } from './registry-reading.ts'

const Instant = z.number()

/**
 * What is to be looked at again, though nothing is said to be pushed. Lost, it costs nothing but time: the next look at everything
 * finds the same.
 */
export const LookState = z.strictObject({
  format: z.literal(1),
  /** When everything was looked at last. */
  fullMs: z.optional(Instant),
  /** When repositories were looked through for pushes last. */
  polledMs: z.optional(Instant),
  /** Repositories of the registry, for rules that name them by a pattern. */
  repositories: z.optional(z.array(z.string())),
})

export type LookState = z.infer<typeof LookState>

const Pending = z.strictObject({ format: z.literal(1), repository: z.string(), atMs: Instant })

const WrittenHold = z.strictObject({ format: z.literal(1), repository: z.string(), content: z.string(), why: z.string() })

export const lookKey = 'look'
export const seenKey = (repository: string): string => `seen/${encodeURIComponent(repository)}`
const pendingPrefix = 'pending/'
export const pendingKey = (repository: string): string => `${pendingPrefix}${encodeURIComponent(repository)}`

/** What is remembered and cannot be understood counts as not remembered. Throws StoreError. */
export async function recallLook(memory: MemoryReader): Promise<LookState> {
  return z.safeParse(LookState, (await memory.get(lookKey))?.value).data ?? { format: 1 }
}

export async function recallSeen(memory: MemoryReader, repository: string): Promise<SeenTags | undefined> {
  return z.safeParse(SeenTags, (await memory.get(seenKey(repository)))?.value).data
}

/** Repositories that are to be looked at again, and when. */
export async function recallPending(memory: MemoryReader): Promise<ReadonlyMap<string, number>> {
  const entries = await memory.list(pendingPrefix)
  return new Map(
    entries.flatMap(({ value }) => {
      const parsed = z.safeParse(Pending, value)
      return parsed.success ? [[parsed.data.repository, parsed.data.atMs] as const] : []
    }),
  )
}

const holdPrefix = 'hold/'
export const holdKey = ({ repository, content }: Pick<Hold, 'repository' | 'content'>): string =>
  `${holdPrefix}${encodeURIComponent(repository)}/${encodeURIComponent(content)}`

/** Contents that failed somewhere, also where the workload that says so is gone. */
export async function recallHolds(memory: MemoryReader): Promise<readonly Hold[]> {
  const entries = await memory.list(holdPrefix)
  return entries.flatMap(({ value }) => {
    const parsed = z.safeParse(WrittenHold, value)
    return parsed.success ? [{ repository: parsed.data.repository, content: parsed.data.content, why: parsed.data.why }] : []
  })
}
