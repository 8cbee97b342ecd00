import { JsonError, stringifyJson } from '#cloud/json.ts'
import { allItems, type Store, type StoreItem } from '#shared/safety/store.ts'
import type { FunctionName } from './definition.ts'

/** One thing that a function remembers. */
export interface MemoryEntry {
  readonly key: string
  /** Plain JSON as it was put. Whoever reads it parses it: another version of the function may have written it. */
  readonly value: unknown
  /** Never the same for two writes of a key; for `ifVersion`. */
  readonly version: number
}

/**
 * What a function remembers from its earlier runs. What is not there any more, or never was, costs reads or a later warning,
 * never a decision: so nothing is kept here that something done depends on (that is what the ledger and the objects are for).
 * Only a function with `memoryIsRecord` keeps here what nobody else has; its runs fail when they cannot. And what functions say to each
 * other before they do it (`announce`) protects as long as it lasts.
 *
 * All methods throw StoreError when the store cannot be used, and MemoryError.
 */
export interface MemoryReader {
  get(key: string): Promise<MemoryEntry | undefined>
  /** All entries whose key begins with `prefix`, in the same order each time. */
  list(prefix: string): Promise<readonly MemoryEntry[]>
}

export interface MemoryPutOptions {
  /** Epoch milliseconds, from which on the entry is gone; never when absent. */
  readonly expiresAt?: number | undefined
  /** Only when the entry is still this version, or still not there. Whatever is there when absent. */
  readonly ifVersion?: number | 'absent' | undefined
}

export interface MemoryWriter extends MemoryReader {
  /** Writes a whole entry; its old value and expiry are gone. Throws MemoryError `memory.conflict` when `ifVersion` does not hold. */
  put(key: string, value: unknown, options?: MemoryPutOptions): Promise<void>
  /** Removes an entry; nothing when there is none. */
  delete(key: string): Promise<void>
}

/**
 * - `memory.invalid` the key or the value is not allowed; a mistake of the caller
 * - `memory.too-large` the value is larger than 256 KiB as JSON
 * - `memory.conflict` the condition does not hold: somebody else wrote the entry meanwhile
 */
export type MemoryErrorKind = 'memory.invalid' | 'memory.too-large' | 'memory.conflict'

/** Nothing was written. The message says which key and why; it never shows a value. */
export class MemoryError extends Error {
  override readonly name = 'MemoryError'
  readonly kind: MemoryErrorKind

  constructor(kind: MemoryErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

export interface MemoryOptions {
  /** Whose memory it is; functions never share one. */
  readonly function: FunctionName
  /** The time at this moment, epoch milliseconds, against which expiry is judged. */
  readonly now: () => number
}

/** The memory of somebody who remembers nothing. */
export const noMemory: MemoryReader = {
  get: () => Promise.resolve(undefined),
  list: () => Promise.resolve([]),
}

const maxValueBytes = 256 * 1024
const maxSortLength = 1024

/** The memory of one function. It sends nothing by itself. */
export function createMemory(store: Store, options: MemoryOptions): MemoryWriter {
  const { function: name, now } = options
  const partition = `memory/${name}`
  const itemKey = (key: string) => ({ partition, sort: sortOf(key, name) })
  return {
    get: async (key) => {
      const item = await store.get(itemKey(key), { now: now() })
      return item === undefined ? undefined : entryOf(item)
    },
    list: async (prefix) => {
      const entries: MemoryEntry[] = []
      const query = { partition, prefix: prefix === '' ? undefined : sortOf(prefix, name), now: now() }
      for await (const item of allItems(store, query)) entries.push(entryOf(item))
      return entries
    },
    put: async (key, value, { expiresAt, ifVersion } = {}) => {
      const when = ifVersion === undefined ? 'any' : ifVersion === 'absent' ? 'absent' : { version: ifVersion }
      const result = await store.put(itemKey(key), dataOf(key, value, name), { now: now(), when, expiresAt })
      if (result.ok) return
      const found = result.current === undefined ? 'nothing is there' : `version ${result.current.version} is there`
      throw new MemoryError(
        'memory.conflict',
        `Memory of ${name}: ${shown(key)} was to be written only ${ifVersion === 'absent' ? 'where nothing is' : `over version ${ifVersion}`}, but ${found}. Nothing was written; read it again.`,
      )
    },
    delete: async (key) => {
      await store.delete(itemKey(key), { now: now(), when: 'any' })
    },
  }
}

function entryOf({ sort, data, version }: StoreItem): MemoryEntry {
  const value: unknown = typeof data === 'object' && data !== null && 'value' in data ? data.value : undefined
  return { key: decodeURIComponent(sort), value, version }
}

/** A key as the store takes it: keys may hold any text, and what begins alike still begins alike. */
function sortOf(key: string, name: string): string {
  const refuse = (why: string): MemoryError =>
    new MemoryError('memory.invalid', `Memory of ${name}: the key ${shown(key)} ${why}. Nothing was read or written.`)
  if (key === '') throw refuse('is empty: give at least one character')
  if (!key.isWellFormed()) throw refuse('holds half a character: cut texts between characters')
  const sort = encodeURIComponent(key)
  if (sort.length > maxSortLength)
    throw refuse(`is ${sort.length} bytes long; ${maxSortLength} are allowed: use a digest of its variable part`)
  return sort
}

function dataOf(key: string, value: unknown, name: string): object {
  const refuse = (kind: MemoryErrorKind, why: string, cause?: unknown): MemoryError =>
    new MemoryError(
      kind,
      `Memory of ${name}: the value of ${shown(key)} ${why}. Nothing was written.`,
      cause === undefined ? undefined : { cause },
    )
  let text: string
  try {
    text = stringifyJson(value)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw refuse('memory.invalid', `cannot be kept, because ${error.message}`, error)
  }
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > maxValueBytes) {
    throw refuse('memory.too-large', `takes ${sizeBytes} bytes; ${maxValueBytes} are allowed: keep a digest, or split it over several keys`)
  }
  return { value }
}

function shown(key: string): string {
  return JSON.stringify(key.length > 100 ? `${key.slice(0, 97)}...` : key)
}
