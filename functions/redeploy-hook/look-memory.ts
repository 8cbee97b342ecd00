import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import type { Hold } from './decide-container.ts'
import { mostBad } from './record.ts'
import { holdsOf } from './survey.ts'
import { isRead, refName, type SeenWorkload } from './workload.ts'

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
  /** Repositories that rules are for by a pattern, by what the workloads of these rules ran at the last look at everything. */
  repositories: z.optional(z.array(z.string())),
})

export type LookState = z.infer<typeof LookState>

const Pending = z.strictObject({ format: z.literal(1), repository: z.string(), atMs: Instant })

const WrittenHold = z.strictObject({
  format: z.literal(1),
  repository: z.string(),
  content: z.string(),
  why: z.string(),
  /** Name of the workload where it failed. */
  on: z.string(),
})

const lookKey = 'look'
const pendingPrefix = 'pending/'
const pendingKey = (repository: string): string => `${pendingPrefix}${encodeURIComponent(repository)}`

/** What was remembered when a tick began, and what else may have been written since is told by its version. */
export interface RecalledLook {
  readonly state: LookState
  readonly version: number | 'absent'
}

/** What is remembered and cannot be understood counts as not remembered. Throws StoreError. */
export async function recallLook(memory: MemoryReader): Promise<RecalledLook> {
  const entry = await memory.get(lookKey)
  return { state: z.safeParse(LookState, entry?.value).data ?? { format: 1 }, version: entry?.version ?? 'absent' }
}

/** Keeps when a tick has looked, unless somebody has asked for a look at everything meanwhile. */
export async function keepLook(memory: MemoryWriter, { state, version }: RecalledLook): Promise<void> {
  try {
    await memory.put(lookKey, state, { ifVersion: version })
  } catch (error) {
    if (!(error instanceof MemoryError) || error.kind !== 'memory.conflict') throw error
  }
}

/** Lets the next tick look at everything. */
export async function forgetLook(memory: MemoryWriter): Promise<void> {
  // Not deleted: a tick that began without any would not notice.
  await memory.put(lookKey, { format: 1 })
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

/**
 * Keeps when a repository is to be looked at again; undefined is never. What somebody else has kept meanwhile, who saw something begin
 * there, stays if it is sooner: only a look that was due already is struck off.
 */
export async function keepPending(memory: MemoryWriter, repository: string, atMs: number | undefined, now: number): Promise<void> {
  const entry = await memory.get(pendingKey(repository))
  const thereMs = z.safeParse(Pending, entry?.value).data?.atMs
  if (entry === undefined && atMs === undefined) return
  if (thereMs !== undefined && thereMs > now && thereMs <= (atMs ?? thereMs)) return
  const value = { format: 1, repository, atMs: atMs ?? now } satisfies z.infer<typeof Pending>
  try {
    // Gone at once, but only if it is still the one that was read.
    await memory.put(pendingKey(repository), value, {
      ifVersion: entry?.version ?? 'absent',
      ...(atMs === undefined ? { expiresAt: now } : {}),
    })
  } catch (error) {
    if (!(error instanceof MemoryError) || error.kind !== 'memory.conflict') throw error
    // Whoever was faster has just looked there; one look too many costs nothing, and one too few would.
    await memory.put(pendingKey(repository), { ...value, atMs: atMs ?? now + soonMs })
  }
}

const soonMs = 10_000

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
