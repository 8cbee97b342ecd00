import { createHash } from 'node:crypto'
import * as z from 'zod/mini'
import type { StoreItem } from './store.ts'
import { wrongFields } from './wrong-fields.ts'

/**
 * How far the effect of one action key has come. A key that is not in the ledger is pending.
 *
 * - `STARTED` an owner is at it, until its deadline; its effect may be there at any moment
 * - `SUCCEEDED` the end state was brought about, or was there; it is never done again
 * - `FAILED_SAFE` it is certain that nothing happened; the key may be acquired again
 * - `UNKNOWN` nobody knows whether it happened; only reading the target settles it, never doing it again
 */
export type LedgerState = 'STARTED' | 'SUCCEEDED' | 'FAILED_SAFE' | 'UNKNOWN'

/** The states that an owner, or whoever settles, leaves a key in. */
export type FinalState = Exclude<LedgerState, 'STARTED'>

/** A place in a journal, with what it holds: a chain that was cut off or rewritten does not match it any more. */
export interface JournalMark {
  readonly seq: number
  readonly hash: string
}

/** What the ledger knows about one action key. Times are epoch milliseconds. */
export interface LedgerEntry {
  readonly function: string
  readonly key: string
  readonly state: LedgerState
  /** The store's version of the entry. Every write of it carries the one it knows, so whoever was overtaken changes nothing. */
  readonly fence: number
  /** Counts the tries from 1; a new one begins only after a `FAILED_SAFE`. */
  readonly attempt: number
  /** Claim that began this attempt. */
  readonly owner: string
  readonly startedAt: number
  /** When the entry was last written. */
  readonly changedAt: number
  /** Claim that works on it now, and until when: the owner, or while `UNKNOWN` whoever settles it. */
  readonly holder?: Holder | undefined
  /** While `UNKNOWN`: until then the write may still be under way, so that not seeing it proves nothing. */
  readonly inFlightUntil?: number | undefined
  /** Digest of what is to be done. The same key with another content is a mistake in the key. */
  readonly digest?: string | undefined
  /** What the owner wrote down at the end: plain JSON. */
  readonly result?: unknown
  /** Last entry of the journal that belongs to this key. */
  readonly journal?: JournalMark | undefined
  /** Where the journal ended when this attempt began: what it wrote stands after it. */
  readonly journalBefore?: number | undefined
}

export interface Holder {
  readonly id: string
  readonly deadline: number
}

export type LedgerErrorKind =
  | 'ledger.no-key'
  | 'ledger.no-owner'
  | 'ledger.no-deadline'
  | 'ledger.other-content'
  | 'ledger.contended'
  | 'ledger.corrupt'

/**
 * The ledger refuses. Nothing was written.
 *
 * - `ledger.no-key` the key is missing, empty, too long or no text
 * - `ledger.no-owner` the owner is missing or empty
 * - `ledger.no-deadline` a time is missing or is no time
 * - `ledger.other-content` the key was used for another content
 * - `ledger.contended` others changed the entry every time it was about to be written
 * - `ledger.corrupt` the entry in the store is no entry of this key
 */
export class LedgerError extends Error {
  override readonly name = 'LedgerError'
  readonly kind: LedgerErrorKind

  constructor(kind: LedgerErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

const maxKeyLength = 256
const maxPlainLength = 900

/**
 * Sort key of an action key: itself, with everything that a store does not take encoded as in a URL. Different keys have
 * different sort keys. Throws LedgerError.
 */
export function sortOf(key: string): string {
  if (typeof key !== 'string' || key === '') {
    throw new LedgerError(
      'ledger.no-key',
      'Ledger: the action key is missing or empty. Without one nothing protects the action: give each its own.',
    )
  }
  if (key.length > maxKeyLength || !key.isWellFormed()) {
    const what = key.length > maxKeyLength ? `${key.length} characters long; ${maxKeyLength} are allowed` : 'no well-formed text'
    throw new LedgerError('ledger.no-key', `Ledger: the action key "${key.slice(0, 60)}…" is ${what}. Use a digest of its variable part.`)
  }
  const sort = key.replace(/[^!-$&-}]/gu, (character) => encodeURIComponent(character).replace('~', '%7E'))
  return sort.length <= maxPlainLength ? sort : `${sort.slice(0, maxPlainLength)}~${createHash('sha256').update(sort).digest('hex')}`
}

export const JournalMarkData = z.strictObject({ seq: z.int(), hash: z.string() })

/** The entry as the store keeps it. */
export const LedgerData = z.strictObject({
  format: z.literal(1),
  key: z.string(),
  state: z.enum(['STARTED', 'SUCCEEDED', 'FAILED_SAFE', 'UNKNOWN']),
  attempt: z.int().check(z.gte(1)),
  owner: z.string(),
  startedAt: z.number(),
  changedAt: z.number(),
  holder: z.optional(z.strictObject({ id: z.string(), deadline: z.number() })),
  inFlightUntil: z.optional(z.number()),
  digest: z.optional(z.string()),
  result: z.optional(z.unknown()),
  journal: z.optional(JournalMarkData),
  journalBefore: z.optional(z.int()),
})
export type LedgerData = z.infer<typeof LedgerData>

/** The entry that an item holds. Throws LedgerError of kind `ledger.corrupt` when it is none, or lies under another key. */
export function entryOf(functionName: string, item: StoreItem): LedgerEntry {
  const parsed = z.safeParse(LedgerData, item.data)
  const problem = parsed.success ? problemOf(parsed.data, item) : wrongFields(parsed.error)
  if (!parsed.success || problem !== undefined) {
    throw new LedgerError(
      'ledger.corrupt',
      `Ledger: the entry "${item.sort.slice(0, 100)}" of ${functionName} is damaged (${problem}). Nothing is done under this key until a person has looked at it.`,
    )
  }
  const { format: _, ...data } = parsed.data
  return { ...data, function: functionName, fence: item.version }
}

function problemOf(data: LedgerData, item: StoreItem): string | undefined {
  if (data.key === '' || data.key.length > maxKeyLength || sortOf(data.key) !== item.sort) return 'it is about another key'
  if (data.state === 'STARTED' && data.holder === undefined) return 'it is started by nobody'
  return undefined
}
