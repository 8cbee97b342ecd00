import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { lookMemory, pendingLooks } from '#shared/runtime/look-memory.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import type { Hold } from './decide-container.ts'
import { mostBad } from './record.ts'
import { holdsOf } from './survey.ts'
import { isRead, refName, type SeenWorkload } from './workload.ts'

const Instant = z.number()

/**
 * What is to be looked at again, though nothing is said to be pushed. Lost, it costs nothing but time: the next look at everything
 * finds the same.
 */
const LookState = z.strictObject({
  format: z.literal(1),
  /** When everything was looked at last. */
  fullMs: z.optional(Instant),
  /** When repositories were looked through for pushes last. */
  polledMs: z.optional(Instant),
  /** Repositories that rules are for by a pattern, by what the workloads of these rules ran at the last look at everything. */
  repositories: z.optional(z.array(z.string())),
})

export type LookState = z.infer<typeof LookState>

/** What was looked at last, and when. */
export const lastLook = lookMemory<LookState>(LookState, { format: 1 })

/** Repositories that are to be looked at again, and when. */
export const pendingRepositories = pendingLooks('repository')

const WrittenHold = z.strictObject({
  format: z.literal(1),
  repository: z.string(),
  content: z.string(),
  why: z.string(),
  /** Name of the workload where it failed. */
  on: z.string(),
})

const holdPrefix = 'hold/'
const holdKey = ({ repository, content }: Pick<Hold, 'repository' | 'content'>): string => `${holdPrefix}${digestOf([repository, content])}`

/**
 * Contents that failed somewhere, also where the workload that says so is gone. Of one that was read its own record counts, which
 * somebody may have changed since; one that has forgotten its oldest contents says nothing about them.
 */
export async function recallHolds(memory: MemoryReader, workloads: readonly SeenWorkload[]): Promise<readonly Hold[]> {
  const entries = await memory.list(holdPrefix)
  const read = new Map(workloads.filter(isRead).map((workload) => [refName(workload.ref), workload]))
  return entries.flatMap(({ value }) => {
    const { data } = z.safeParse(WrittenHold, value)
    if (data === undefined) return []
    const { repository, content, why, on } = data
    const workload = read.get(on)
    const lists = workload?.record.problem === undefined ? Object.values(workload?.record.containers ?? {}).map(({ bad = [] }) => bad) : []
    const isReleased =
      workload?.record.problem === undefined &&
      workload !== undefined &&
      lists.every((bad) => bad.length < mostBad && bad.every((one) => one.content !== content))
    return isReleased ? [] : [{ repository, content, why }]
  })
}

/** Keeps what failed on a workload, by its record. */
export async function keepHolds(memory: MemoryWriter, workloads: readonly SeenWorkload[], expiresAt: number): Promise<void> {
  for (const workload of workloads) {
    for (const { repository, content, why } of holdsOf([workload])) {
      const value = { format: 1, repository, content, why, on: refName(workload.ref) } satisfies z.infer<typeof WrittenHold>
      await memory.put(holdKey(value), value, { expiresAt })
    }
  }
}

/** A content that somebody lets be tried again is not held by what is remembered of it, either. */
export async function forgetHolds(memory: MemoryWriter, content: string): Promise<void> {
  for (const { key, value } of await memory.list(holdPrefix)) {
    if (z.safeParse(WrittenHold, value).data?.content === content) await memory.delete(key)
  }
}
