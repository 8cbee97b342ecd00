import * as z from 'zod/mini'
import { MemoryError, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import { RecordError } from './record-error.ts'

/** Something that is kept under a key, and the version to write it back with. */
export interface Kept<T> {
  readonly value: T
  readonly version: number
}

/** Reads and understands what is kept under a key. Throws RecordError when it is something else: it must not be written over. */
export async function readKept<T>(memory: MemoryReader, key: string, schema: z.ZodMiniType<T>): Promise<Kept<T> | undefined> {
  const entry = await memory.get(key)
  return entry === undefined ? undefined : { value: understand(schema, entry.key, entry.value), version: entry.version }
}

/** The same of all keys that begin alike, in the order of the keys. */
export async function listKept<T>(
  memory: MemoryReader,
  prefix: string,
  schema: z.ZodMiniType<T>,
): Promise<readonly (Kept<T> & { readonly key: string })[]> {
  const entries = await memory.list(prefix)
  return entries.map(({ key, value, version }) => ({ key, value: understand(schema, key, value), version }))
}

function understand<T>(schema: z.ZodMiniType<T>, key: string, value: unknown): T {
  const parsed = z.safeParse(schema, value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`
  throw new RecordError(
    'record.unreadable',
    `The usage record has something else under ${JSON.stringify(key)} than it should${where}: a newer version wrote it, or it was changed by hand. It is left as it is; use the version that wrote it, or restore it from a backup.`,
    { cause: parsed.error },
  )
}

/** Writes what is kept over the version that was read. Answers false when somebody else wrote it meanwhile. */
export async function replaceKept(
  memory: MemoryWriter,
  key: string,
  value: unknown,
  read: { readonly version: number } | undefined,
): Promise<boolean> {
  try {
    await memory.put(key, value, { ifVersion: read?.version ?? 'absent' })
    return true
  } catch (error) {
    if (error instanceof MemoryError && error.kind === 'memory.conflict') return false
    throw error
  }
}
