/** What all store adapters share, so that they cannot differ: which keys and data are allowed, when a write goes through, what a query covers. */
import { isPlain, JsonError, parseJson, stringifyJson } from '#cloud/json.ts'
import {
  type DeleteOptions,
  type ItemKey,
  type PutOptions,
  type RefusedWrite,
  StoreError,
  type StoreItem,
  type StoreQuery,
  type WriteCondition,
} from './store.ts'

const maxPartitionLength = 2048
const maxSortLength = 1024
/** DynamoDB's limit of one item: keys, names and values together. */
const maxItemBytes = 400 * 1024
/** Kept free for the attributes' names and numbers that a store adds. */
const itemOverheadBytes = 256
/** The last millisecond a JavaScript date can hold; a later one is no time. */
const latestMs = 8_640_000_000_000_000
const defaultLimit = 100
const maxLimit = 1000
/** A page stops after the item that takes it past this many bytes of data. */
export const maxPageBytes = 1024 * 1024

/**
 * How long an expired or deleted item stays behind, unseen, so that its key's versions go on counting: seven days. A process
 * that sleeps longer meets a version drawn from the clock, which has moved on by more writes than it could have missed.
 */
const retainedMs = 7 * 86_400_000

/** What an adapter keeps for a key. A deleted item is a row whose expiry is 0. */
export interface StoredRow {
  readonly version: number
  /** The data as JSON; empty once deleted. */
  readonly text: string
  readonly expiresAt: number | undefined
  /** From when on the row itself may go, epoch milliseconds; undefined for an item that never expires. */
  readonly purgeAt: number | undefined
}

/** A checked delete. */
export interface DeleteOrder {
  readonly key: ItemKey
  readonly when: WriteCondition
  readonly now: number
}

/** A checked put. */
export interface PutOrder extends DeleteOrder {
  readonly text: string
  readonly expiresAt: number | undefined
}

/** Checks a put and turns its data into text. Throws StoreError of kind `store.invalid` or `store.too-large`. */
export function putOrder(key: ItemKey, data: object, options: PutOptions): PutOrder {
  const order = deleteOrder(key, options)
  if (options.expiresAt !== undefined) checkTime(options.expiresAt, 'expiresAt')
  return { ...order, text: textOf(key, data), expiresAt: options.expiresAt }
}

/** Checks a delete. Throws StoreError of kind `store.invalid`. */
export function deleteOrder(key: ItemKey, options: PutOptions | DeleteOptions): DeleteOrder {
  checkKey(key)
  checkTime(options.now, 'now')
  const { when } = options
  if (typeof when === 'object' && !Number.isSafeInteger(when.version)) {
    throw invalid(`the version ${when.version} of a condition is no whole number. Pass the version that a read or a write gave.`)
  }
  return { key: { partition: key.partition, sort: key.sort }, when, now: options.now }
}

/** What becomes of a put: a row to keep, or a refusal. */
export type PutVerdict = { readonly kind: 'write'; readonly row: StoredRow } | { readonly kind: 'refused'; readonly answer: RefusedWrite }
/** What becomes of a delete: as above, or there is nothing to do because it is absent already. */
export type DeleteVerdict = PutVerdict | { readonly kind: 'nothing' }

/** Decides a put against the row that is there now. Pure: the adapter makes reading, deciding and writing one atomic step. */
export function decidePut(order: PutOrder, row: StoredRow | undefined): PutVerdict {
  const live = isLive(row, order.now) ? row : undefined
  if (!conditionHolds(order.when, live)) return refusal(order.key, live)
  const version = (row?.version ?? firstVersionBefore(order.now)) + 1
  const purgeAt = order.expiresAt === undefined ? undefined : purgeTimeOf(order.expiresAt)
  return { kind: 'write', row: { version, text: order.text, expiresAt: order.expiresAt, purgeAt } }
}

/** Decides a delete in the same way. */
export function decideDelete(order: DeleteOrder, row: StoredRow | undefined): DeleteVerdict {
  const live = isLive(row, order.now) ? row : undefined
  if (!conditionHolds(order.when, live)) return refusal(order.key, live)
  if (live === undefined) return { kind: 'nothing' }
  return { kind: 'write', row: { version: live.version + 1, text: '', expiresAt: 0, purgeAt: purgeTimeOf(order.now) } }
}

function refusal(key: ItemKey, live: StoredRow | undefined): PutVerdict {
  return { kind: 'refused', answer: { ok: false, current: live === undefined ? undefined : itemOf(key, live) } }
}

function conditionHolds(when: WriteCondition, live: StoredRow | undefined): boolean {
  if (when === 'any') return true
  if (when === 'absent') return live === undefined
  return live?.version === when.version
}

/** The version that a key without a row counts on from. */
export function firstVersionBefore(now: number): number {
  return now
}

/** When the row of an item that is gone from `goneAt` on may go too. */
export function purgeTimeOf(goneAt: number): number {
  return goneAt + retainedMs
}

/** Whether the row's item is there at `now`. It is gone from the millisecond `expiresAt` on. */
export function isLive(row: StoredRow | undefined, now: number): row is StoredRow {
  return row !== undefined && (row.expiresAt === undefined || row.expiresAt > now)
}

/** The item of a live row. Throws StoreError of kind `store.corrupt` when its text is damaged. */
export function itemOf(key: ItemKey, row: StoredRow): StoreItem {
  let data: unknown
  try {
    data = parseJson(row.text)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new StoreError(
      'store.corrupt',
      `Store: the data of ${describeKey(key)} is damaged: ${error.message}. Restore the store from a backup, or delete this item once you know what it was for.`,
      { cause: error },
    )
  }
  return { partition: key.partition, sort: key.sort, version: row.version, data, expiresAt: row.expiresAt }
}

/** A checked query. `low` and `high` are included, `after` is not; a page holds `limit` items at most. */
export interface StoreRange {
  readonly partition: string
  readonly low: string
  readonly high: string
  readonly after: string | undefined
  readonly limit: number
  readonly reverse: boolean
  readonly now: number
}

/** Sorts before and after every key: keys hold codes 33 to 126 only. */
const lowest = '!'
const highest = '\x7f'

/** Narrows a query to one range; undefined when nothing can be in it. Throws StoreError of kind `store.invalid`. */
export function rangeOf(query: StoreQuery): StoreRange | undefined {
  checkKeyPart(query.partition, 'partition', maxPartitionLength)
  checkTime(query.now, 'now')
  for (const name of ['prefix', 'from', 'to', 'after'] as const) {
    const bound = query[name]
    if (bound !== undefined && bound !== '') checkKeyPart(bound, name, maxSortLength)
  }
  const limit = query.limit ?? defaultLimit
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw invalid(`the limit ${limit} of a query is not a whole number from 1 to ${maxLimit}.`)
  }
  const reverse = query.reverse ?? false
  const prefix = query.prefix ?? ''
  const after = query.after === '' ? undefined : query.after
  const low = later(later(lowest, prefix), query.from ?? '')
  const lastOfPrefix = prefix.length < maxSortLength ? `${prefix}${highest}` : prefix
  const high = earlier(lastOfPrefix, query.to ?? highest)
  if (low > high) return undefined
  // A cursor outside the range either cuts nothing off or leaves nothing.
  const outside = after !== undefined && (after < low || after > high)
  if (outside && reverse === after < low) return undefined
  return { partition: query.partition, low, high, after: outside ? undefined : after, limit, reverse, now: query.now }
}

function later(one: string, other: string): string {
  return one > other ? one : other
}

function earlier(one: string, other: string): string {
  return one < other ? one : other
}

/** Throws StoreError of kind `store.invalid`. */
export function checkKey(key: ItemKey): void {
  checkKeyPart(key.partition, 'partition', maxPartitionLength)
  checkKeyPart(key.sort, 'sort', maxSortLength)
}

function checkKeyPart(text: unknown, name: string, maxLength: number): void {
  if (typeof text !== 'string' || text === '') throw invalid(`the ${name} of a key is missing or empty. Give at least one character.`)
  if (text.length > maxLength) {
    throw invalid(
      `the ${name} of a key is ${text.length} characters long; ${maxLength} are allowed. Shorten it, or use a digest of its variable part.`,
    )
  }
  const strange = /[^!-~]/.exec(text)
  if (strange !== null) {
    const code = text.charCodeAt(strange.index).toString(16).padStart(4, '0')
    throw invalid(
      `the ${name} of a key holds the character U+${code.toUpperCase()} at position ${strange.index + 1}; only printable ASCII without blanks is allowed. Encode it, or use a digest.`,
    )
  }
}

/** Throws StoreError of kind `store.invalid`. */
export function checkTime(ms: number, name: string): void {
  if (Number.isInteger(ms) && ms >= 0 && ms <= latestMs) return
  throw invalid(`${name} is ${ms}, which is no time in whole milliseconds since 1970. Pass the run's own \`now\`.`)
}

function textOf(key: ItemKey, data: object): string {
  if (!isPlain(data)) throw invalid(`the data of ${describeKey(key)} is no plain object. Wrap lists and single values in one.`)
  let text: string
  try {
    text = stringifyJson(data)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw invalid(`the data of ${describeKey(key)} cannot be stored: ${error.message}.`, error)
  }
  const sizeBytes = Buffer.byteLength(text) + key.partition.length + key.sort.length + itemOverheadBytes
  if (sizeBytes > maxItemBytes) {
    throw new StoreError(
      'store.too-large',
      `Store: the item ${describeKey(key)} takes ${sizeBytes} bytes; ${maxItemBytes} are allowed. Nothing was written. Split it over several sort keys, or store a digest and keep the whole elsewhere.`,
    )
  }
  return text
}

/** A key as messages show it, cut where it is long. */
export function describeKey(key: ItemKey): string {
  return `"${shortened(key.partition)} / ${shortened(key.sort)}"`
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}...` : text
}

function invalid(what: string, cause?: unknown): StoreError {
  return new StoreError('store.invalid', `Store: ${what} Nothing was written.`, cause === undefined ? undefined : { cause })
}

/** The error of every call after `close`. */
export function closedError(name: string): StoreError {
  return new StoreError('store.closed', `Store: ${name} is closed. Nothing was read or written. Open it again, or close it later.`)
}
