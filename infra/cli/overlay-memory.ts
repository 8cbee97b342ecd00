import { type MemoryEntry, MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'

/**
 * A memory that may be written to and keeps nothing: what is written is to be read again here, and what lies below stays as it is. For
 * trying out what a function would do.
 */
export function overlayMemory(below: MemoryReader): MemoryWriter {
  /** Undefined is one that was deleted. */
  const own = new Map<string, MemoryEntry | undefined>()
  let writes = 0
  const get = async (key: string): Promise<MemoryEntry | undefined> => (own.has(key) ? own.get(key) : await below.get(key))
  return {
    get,
    list: async (prefix) => {
      const found = new Map((await below.list(prefix)).map((entry) => [entry.key, entry]))
      for (const [key, entry] of own) {
        if (!key.startsWith(prefix)) continue
        if (entry === undefined) found.delete(key)
        else found.set(key, entry)
      }
      return [...found.values()].toSorted((one, other) => (one.key < other.key ? -1 : 1))
    },
    put: async (key, value, { ifVersion } = {}) => {
      const there = await get(key)
      if (ifVersion !== undefined && ifVersion !== (there?.version ?? 'absent')) {
        throw new MemoryError('memory.conflict', `somebody else has written ${key} meanwhile; nothing was written`)
      }
      writes += 1
      // No version that the memory below could have: those are positive.
      own.set(key, { key, value, version: -writes })
    },
    delete: async (key) => {
      own.set(key, undefined)
      await Promise.resolve()
    },
  }
}
