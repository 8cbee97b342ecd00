import {
  type DeleteOptions,
  type DeleteResult,
  type ItemKey,
  type PutOptions,
  type PutResult,
  type ReadOptions,
  type Store,
  StoreError,
  type StoreItem,
  type StorePage,
  type StoreQuery,
} from './store.ts'
import {
  checkKey,
  checkTime,
  closedError,
  type DeleteVerdict,
  decideDelete,
  decidePut,
  deleteOrder,
  isLive,
  itemOf,
  maxPageBytes,
  putOrder,
  rangeOf,
  type StoredRow,
} from './store-rules.ts'

/** One call of a store, as hooks see it. */
export interface StoreCall {
  readonly operation: 'get' | 'put' | 'delete' | 'query'
  readonly partition: string
  /** Absent for a query. */
  readonly sort: string | undefined
  /** Counts the calls of this store from 1. */
  readonly index: number
}

/**
 * Lets a simulation decide what happens around a call. A hook that waits holds the call up; a hook that throws ends it with
 * that error. Thrown by `before`, nothing has happened; thrown by `after`, it has happened and the answer is lost.
 */
export interface StoreHooks {
  readonly before?: ((call: StoreCall) => void | Promise<void>) | undefined
  readonly after?: ((call: StoreCall) => void | Promise<void>) | undefined
}

export interface MemoryDiskOptions {
  /** Bytes of data and keys it holds; unlimited when absent. A write that does not fit is `store.full`. */
  readonly capacityBytes?: number | undefined
}

/** What outlives a simulated process: give the same disk to several stores and they share it, as processes share a table. */
export class MemoryDisk {
  readonly #partitions = new Map<string, Map<string, StoredRow>>()
  /** The sort keys of a partition in order; dropped when one is added. */
  readonly #orders = new Map<string, readonly string[]>()
  readonly #capacityBytes: number
  #usedBytes = 0

  constructor(options: MemoryDiskOptions = {}) {
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  row(key: ItemKey): StoredRow | undefined {
    return this.#partitions.get(key.partition)?.get(key.sort)
  }

  /** Keeps the row; false when it does not fit. */
  keep(key: ItemKey, row: StoredRow): boolean {
    const rows = this.#partitions.get(key.partition) ?? new Map<string, StoredRow>()
    const old = rows.get(key.sort)
    const usedBytes = this.#usedBytes - bytesOf(key, old) + bytesOf(key, row)
    if (usedBytes > this.#capacityBytes && usedBytes > this.#usedBytes) return false
    this.#usedBytes = usedBytes
    this.#partitions.set(key.partition, rows)
    rows.set(key.sort, row)
    if (old === undefined) this.#orders.delete(key.partition)
    return true
  }

  sortKeys(partition: string): readonly string[] {
    const known = this.#orders.get(partition)
    if (known !== undefined) return known
    const order = [...(this.#partitions.get(partition)?.keys() ?? [])].sort()
    this.#orders.set(partition, order)
    return order
  }

  /** Every row in order, expired and deleted ones too, as text: the same history gives the same text, byte for byte. */
  contents(): string {
    const lines: string[] = []
    for (const partition of [...this.#partitions.keys()].sort()) {
      for (const sort of this.sortKeys(partition)) {
        const row = this.row({ partition, sort })
        if (row !== undefined) lines.push(`${partition}\t${sort}\t${row.version}\t${row.expiresAt ?? '-'}\t${row.text}\n`)
      }
    }
    return lines.join('')
  }
}

function bytesOf(key: ItemKey, row: StoredRow | undefined): number {
  return row === undefined ? 0 : key.partition.length + key.sort.length + Buffer.byteLength(row.text)
}

/**
 * A store in memory, for simulations: deterministic, without timers, and each call is one atomic step between its hooks.
 * Nothing survives the real process, so never use it for real effects.
 */
export function openMemoryStore(disk: MemoryDisk, hooks: StoreHooks = {}): Store {
  return new MemoryStore(disk, hooks)
}

class MemoryStore implements Store {
  readonly name = 'the store in memory'
  readonly #disk: MemoryDisk
  readonly #hooks: StoreHooks
  #calls = 0
  #closed = false

  constructor(disk: MemoryDisk, hooks: StoreHooks) {
    this.#disk = disk
    this.#hooks = hooks
  }

  async get(key: ItemKey, { now }: ReadOptions): Promise<StoreItem | undefined> {
    checkKey(key)
    checkTime(now, 'now')
    return this.#call('get', key, () => {
      const row = this.#disk.row(key)
      return isLive(row, now) ? itemOf(key, row) : undefined
    })
  }

  async put(key: ItemKey, data: object, options: PutOptions): Promise<PutResult> {
    const order = putOrder(key, data, options)
    const verdict = await this.#call('put', order.key, () => this.#carryOut(order.key, decidePut(order, this.#disk.row(order.key))))
    return verdict.kind === 'refused' ? verdict.answer : { ok: true, version: verdict.row.version }
  }

  async delete(key: ItemKey, options: DeleteOptions): Promise<DeleteResult> {
    const order = deleteOrder(key, options)
    const verdict = await this.#call('delete', order.key, () => this.#carryOut(order.key, decideDelete(order, this.#disk.row(order.key))))
    return verdict.kind === 'refused' ? verdict.answer : { ok: true }
  }

  async query(query: StoreQuery): Promise<StorePage> {
    const range = rangeOf(query)
    return this.#call('query', { partition: query.partition, sort: undefined }, () => {
      if (range === undefined) return { items: [], next: undefined }
      const { partition, low, high, after, limit, reverse, now } = range
      const keys = this.#disk.sortKeys(partition)
      const items: StoreItem[] = []
      let pageBytes = 0
      for (const sort of reverse ? keys.toReversed() : keys) {
        if (sort < low || sort > high) continue
        if (after !== undefined && (reverse ? sort >= after : sort <= after)) continue
        const row = this.#disk.row({ partition, sort })
        if (!isLive(row, now)) continue
        if (items.length >= limit || pageBytes > maxPageBytes) return { items, next: items.at(-1)?.sort }
        items.push(itemOf({ partition, sort }, row))
        pageBytes += row.text.length
      }
      return { items, next: undefined }
    })
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }

  #carryOut<V extends DeleteVerdict>(key: ItemKey, verdict: V): V {
    if (verdict.kind === 'write' && !this.#disk.keep(key, verdict.row)) {
      throw new StoreError('store.full', `Store: ${this.name} is full. Nothing was written, nothing is lost. Give it more capacity.`)
    }
    return verdict
  }

  async #call<T>(
    operation: StoreCall['operation'],
    key: { readonly partition: string; readonly sort: string | undefined },
    run: () => T,
  ): Promise<T> {
    if (this.#closed) throw closedError(this.name)
    this.#calls += 1
    const call = { operation, partition: key.partition, sort: key.sort, index: this.#calls }
    await this.#hooks.before?.(call)
    const answer = run()
    await this.#hooks.after?.(call)
    return answer
  }
}
