import * as z from 'zod/mini'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'

const Instant = z.number()

/**
 * When everything was looked at last. Lost, it costs nothing but time: the next look at everything finds all leases, because they lie in
 * the clusters themselves.
 */
const LookState = z.strictObject({ format: z.literal(1), fullMs: z.optional(Instant) })

export type LookState = z.infer<typeof LookState>

const Pending = z.strictObject({ format: z.literal(1), pool: z.string(), atMs: Instant })

const lookKey = 'look'
const pendingPrefix = 'pending/'
const pendingKey = (pool: string): string => `${pendingPrefix}${encodeURIComponent(pool)}`

/** What was remembered when a look began, and by its version whether somebody has written it since. */
export interface RecalledLook {
  readonly state: LookState
  readonly version: number | 'absent'
}

/** What is remembered and cannot be understood counts as not remembered. Throws StoreError. */
export async function recallLook(memory: MemoryReader): Promise<RecalledLook> {
  const entry = await memory.get(lookKey)
  return { state: z.safeParse(LookState, entry?.value).data ?? { format: 1 }, version: entry?.version ?? 'absent' }
}

/** Keeps when everything was looked at, unless somebody has asked for a look at everything meanwhile. */
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

/** Names of pools that are to be looked at again, and when. */
export async function recallPending(memory: MemoryReader): Promise<ReadonlyMap<string, number>> {
  const entries = await memory.list(pendingPrefix)
  return new Map(
    entries.flatMap(({ value }) => {
      const parsed = z.safeParse(Pending, value)
      return parsed.success ? [[parsed.data.pool, parsed.data.atMs] as const] : []
    }),
  )
}

/**
 * Keeps when a pool is to be looked at again; undefined is never. What somebody else has kept meanwhile, who saw something begin there,
 * stays if it is sooner: only a look that was due already is struck off.
 */
export async function keepPending(memory: MemoryWriter, pool: string, atMs: number | undefined, now: number): Promise<void> {
  const entry = await memory.get(pendingKey(pool))
  const thereMs = z.safeParse(Pending, entry?.value).data?.atMs
  if (entry === undefined && atMs === undefined) return
  if (thereMs !== undefined && thereMs > now && thereMs <= (atMs ?? thereMs)) return
  const value = { format: 1, pool, atMs: atMs ?? now } satisfies z.infer<typeof Pending>
  try {
    // Gone at once, but only if it is still the one that was read.
    await memory.put(pendingKey(pool), value, {
      ifVersion: entry?.version ?? 'absent',
      ...(atMs === undefined ? { expiresAt: now } : {}),
    })
  } catch (error) {
    if (!(error instanceof MemoryError) || error.kind !== 'memory.conflict') throw error
    // Whoever was faster has just looked there; one look too many costs nothing, and one too few would.
    await memory.put(pendingKey(pool), { ...value, atMs: atMs ?? now + soonMs })
  }
}

const soonMs = 10_000
