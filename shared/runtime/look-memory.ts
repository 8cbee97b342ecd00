import * as z from 'zod/mini'
import { MemoryError, type MemoryReader, type MemoryWriter } from './memory.ts'

/** What was remembered when a look began, and by its version whether somebody has written it since. */
export interface RecalledLook<State> {
  readonly state: State
  readonly version: number | 'absent'
}

/** When a look at everything was made last, and what else the next one is to know. Lost, it costs nothing but time. */
export interface LookMemory<State> {
  /** What is remembered and cannot be understood counts as not remembered. Throws StoreError. */
  recall(memory: MemoryReader): Promise<RecalledLook<State>>
  /** Keeps what a look has come to, unless somebody has asked for a look at everything meanwhile. */
  keep(memory: MemoryWriter, look: RecalledLook<State>): Promise<void>
  /** Lets the next tick look at everything. */
  forget(memory: MemoryWriter): Promise<void>
}

const lookKey = 'look'

/** A function's memory of its looks, by the schema of what it keeps; `nothing` is what is known when nothing is. */
export function lookMemory<State>(schema: z.ZodMiniType<State>, nothing: State): LookMemory<State> {
  return {
    recall: async (memory) => {
      const entry = await memory.get(lookKey)
      return { state: z.safeParse(schema, entry?.value).data ?? nothing, version: entry?.version ?? 'absent' }
    },
    keep: async (memory, { state, version }) => {
      try {
        await memory.put(lookKey, state, { ifVersion: version })
      } catch (error) {
        if (!isConflict(error)) throw error
      }
    },
    forget: async (memory) => {
      // Not deleted: a tick that began without any would not notice.
      await memory.put(lookKey, nothing)
    },
  }
}

/** Things that are to be looked at again, by name, and when: epoch milliseconds. */
export interface PendingLooks {
  recall(memory: MemoryReader): Promise<ReadonlyMap<string, number>>
  /**
   * Keeps when something is to be looked at again; undefined is never. What somebody else has kept meanwhile, who saw something begin
   * there, stays if it is sooner: only a look that was due already is struck off.
   */
  keep(memory: MemoryWriter, name: string, atMs: number | undefined, now: number): Promise<void>
}

const pendingPrefix = 'pending/'
const soonMs = 10_000

/** `field` is what the name is called in the entries. */
export function pendingLooks(field: string): PendingLooks {
  const Pending = z.strictObject({ format: z.literal(1), [field]: z.string(), atMs: z.number() })
  const Named = z.object({ [field]: z.string() })
  const Timed = z.object({ atMs: z.number() })
  const keyOf = (name: string): string => `${pendingPrefix}${encodeURIComponent(name)}`
  const read = (value: unknown): { readonly name: string; readonly atMs: number } | undefined => {
    if (!z.safeParse(Pending, value).success) return undefined
    const name = z.parse(Named, value)[field]
    return name === undefined ? undefined : { name, ...z.parse(Timed, value) }
  }
  return {
    recall: async (memory) => {
      const entries = await memory.list(pendingPrefix)
      return new Map(
        entries.flatMap(({ value }) => {
          const found = read(value)
          return found === undefined ? [] : [[found.name, found.atMs] as const]
        }),
      )
    },
    keep: async (memory, name, atMs, now) => {
      const entry = await memory.get(keyOf(name))
      const thereMs = read(entry?.value)?.atMs
      if (entry === undefined && atMs === undefined) return
      if (thereMs !== undefined && thereMs > now && thereMs <= (atMs ?? thereMs)) return
      const value = { format: 1, [field]: name, atMs: atMs ?? now }
      try {
        // Gone at once, but only if it is still the one that was read.
        await memory.put(keyOf(name), value, {
          ifVersion: entry?.version ?? 'absent',
          ...(atMs === undefined ? { expiresAt: now } : {}),
        })
      } catch (error) {
        if (!isConflict(error)) throw error
        // Whoever was faster has just looked there; one look too many costs nothing, and one too few would.
        await memory.put(keyOf(name), { ...value, atMs: atMs ?? now + soonMs })
      }
    },
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof MemoryError && error.kind === 'memory.conflict'
}
