/**
 * The store port: items that survive the process, written under conditions. Ledger, guard, journal and queues stand on it.
 *
 * What every adapter keeps (test/contract/store-suite.ts checks each of them):
 * - A write that was acknowledged is durable: a killed process or a power cut does not lose it.
 * - One item's condition and write are one atomic step, whoever else writes. Nothing spans two items.
 * - Reads are consistent: they see every write that was acknowledged before.
 * - The version of a key only goes up, by one with each write, also across expiry and deletion. A version that was seen once
 *   never comes back, so a write under `{ version }` from a process that slept for a week finds its condition broken.
 *   A key's first version is drawn from `now`: use versions as fences, never as counters that start at 1.
 * - Time is an argument. Expiry is judged against the `now` of the call, to the millisecond, and an expired item is absent:
 *   for reads, for queries and for conditions.
 */
export interface Store {
  /** What the store is, for people: `the store file /var/lib/longshore/store.db`. */
  readonly name: string

  /** The item, or undefined when there is none or it has expired. */
  get(key: ItemKey, options: ReadOptions): Promise<StoreItem | undefined>

  /**
   * Writes a whole item, its old data and expiry gone, if the condition holds; one round trip. A condition that does not hold
   * is no error: the answer says what is there instead.
   *
   * `data` is an object that JSON can carry (bigints included, members that are undefined left out); it is copied.
   * An item written with an `expiresAt` that is over already is absent at once.
   */
  put(key: ItemKey, data: object, options: PutOptions): Promise<PutResult>

  /** Removes an item if the condition holds. With `any`, one that is absent already is removed. One round trip. */
  delete(key: ItemKey, options: DeleteOptions): Promise<DeleteResult>

  /**
   * The items of a partition in the order of their sort keys (by character code), a page at a time. A page holds at most
   * `limit` items and about 1 MiB, so a short page is not the last one: the last one has no `next`. Each page shows the store
   * as it is when the page is read. `allItems` follows the pages.
   */
  query(query: StoreQuery): Promise<StorePage>

  /** Waits for writes under way and lets go of the store. Safe to repeat; every other call afterwards throws `store.closed`. */
  close(): Promise<void>
}

/**
 * Names an item. Both parts are printable ASCII without blanks (codes 33 to 126), at least 1 long; the partition at most
 * 2,048, the sort key at most 1,024 characters. Encode or hash anything that strangers can choose.
 */
export interface ItemKey {
  /** What is queried together: a function's ledger, one journal. */
  readonly partition: string
  /** Orders the items within their partition. */
  readonly sort: string
}

export interface StoreItem extends ItemKey {
  readonly version: number
  /** A fresh copy as JSON gives it back, integers beyond 2^53 as bigints. Whoever reads it parses it: the store does not know its shape. */
  readonly data: unknown
  /** Epoch milliseconds; undefined when it never expires. It is absent from this very millisecond on. */
  readonly expiresAt: number | undefined
}

export interface ReadOptions {
  /** Epoch milliseconds, against which expiry is judged. */
  readonly now: number
}

/**
 * - `absent` nothing is there, or what was there has expired or was deleted
 * - `{ version }` the item is there, unexpired, and exactly at this version
 * - `any` always holds
 */
export type WriteCondition = 'absent' | 'any' | { readonly version: number }

export interface PutOptions extends ReadOptions {
  /** Without a default: who writes says what must be true. */
  readonly when: WriteCondition
  /** Epoch milliseconds; never when absent. */
  readonly expiresAt?: number | undefined
}

export interface DeleteOptions extends ReadOptions {
  readonly when: Exclude<WriteCondition, 'absent'>
}

/** Written, with the version the item has now; or not, with what was there when it was refused (or a moment later). */
export type PutResult = { readonly ok: true; readonly version: number } | RefusedWrite
export type DeleteResult = { readonly ok: true } | RefusedWrite

/** The condition did not hold and nothing was written. */
export interface RefusedWrite {
  readonly ok: false
  /** What is there instead; undefined when nothing is (any more). */
  readonly current: StoreItem | undefined
}

/** A range of one partition. Bounds narrow each other; those that leave nothing give an empty page. */
export interface StoreQuery extends ReadOptions {
  readonly partition: string
  /** Only sort keys that begin with it. */
  readonly prefix?: string | undefined
  /** Only sort keys from this one on, itself included. */
  readonly from?: string | undefined
  /** Only sort keys up to this one, itself included. */
  readonly to?: string | undefined
  /** Only what comes after this sort key in the query's direction: the `next` of the page before. */
  readonly after?: string | undefined
  /** 1 to 1,000 items; 100 when absent. */
  readonly limit?: number | undefined
  /** From the last to the first. */
  readonly reverse?: boolean | undefined
}

export interface StorePage {
  readonly items: readonly StoreItem[]
  /** Pass it as `after` to read on; undefined on the last page. There may turn out to be nothing after it. */
  readonly next: string | undefined
}

/** Every item of a query, page after page; `limit` is the size of a page. An item written meanwhile may be missed or seen. */
export async function* allItems(store: Pick<Store, 'query'>, query: StoreQuery): AsyncGenerator<StoreItem, void, undefined> {
  let after = query.after
  do {
    const page = await store.query({ ...query, after })
    yield* page.items
    after = page.next
  } while (after !== undefined)
}

/**
 * What went wrong with a store. A closed union: a `switch` over it is checked. Only `store.unknown-outcome` leaves open
 * whether the write happened; after every other kind it certainly did not.
 *
 * - `store.invalid` a key, a number or the data is not allowed; a mistake of the caller
 * - `store.too-large` the item is larger than 400 KB with its keys (DynamoDB's limit, kept by every adapter)
 * - `store.closed` the store was closed before
 * - `store.unavailable` the store cannot be reached, is throttled or locked; the same call may succeed later
 * - `store.full` no room is left; what was acknowledged is still there
 * - `store.corrupt` the store is damaged, or is no store; nothing it says can be relied on
 * - `store.misconfigured` it cannot be used as configured: no such table, no permission, another program's file
 * - `store.unknown-outcome` the write was sent and its answer was lost: it may have happened. Read before writing again.
 */
export type StoreErrorKind =
  | 'store.invalid'
  | 'store.too-large'
  | 'store.closed'
  | 'store.unavailable'
  | 'store.full'
  | 'store.corrupt'
  | 'store.misconfigured'
  | 'store.unknown-outcome'

/** The one error a store throws. The message names the store, what happened and what to do; it never holds an item's data. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly kind: StoreErrorKind

  constructor(kind: StoreErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}
