import { resolve } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
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
  type DeleteOrder,
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
import { createStoreFile, FileBusy, type FileIdentity, openStoreFile, type Sqlite, type StoreFile } from './store-sqlite-file.ts'

export interface SqliteStoreOptions {
  /** The store file; its folder is made when it is missing. Beside it appear `-wal` and `-shm`, which belong to it. Local disks only. */
  readonly path: string
  /** How large the file may grow; unlimited when absent. */
  readonly maxSizeBytes?: number | undefined
  /** How long a call waits while other processes hold the lock; 5,000 when absent. */
  readonly lockTimeoutMs?: number | undefined
}

/** Most writes made durable together, by number and by size. Bounds how long one batch keeps the process busy. */
const maxBatchWrites = 256
const maxBatchBytes = 4 * 1024 * 1024
/** After so many writes, rows whose time is over are removed, at most so many at once. */
const writesBetweenPurges = 1000
const maxPurgedRows = 2000
/** Waits between tries for a lock; the last one repeats. */
const lockWaitsMs = [1, 2, 5, 10, 15, 20, 25, 50]

/**
 * Opens the store in a file, and makes the file the first time. Several processes may have it open.
 *
 * Every acknowledged write is on the disk (SQLite's write-ahead log, `synchronous = FULL`). Writes that are asked for at the
 * same time share one flush, which makes a busy process fast without making a promise weaker.
 *
 * Throws StoreError: `store.corrupt` when the file is damaged, empty or cut off, `store.misconfigured` when no store can be
 * there, `store.full`, or `store.unavailable` when others hold the lock for too long.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const sqlite = await loadSqlite()
  const store = new SqliteStore(sqlite, resolve(options.path), options)
  await store.open()
  return store
}

async function loadSqlite(): Promise<Sqlite> {
  try {
    return await import('node:sqlite')
  } catch (error) {
    throw new StoreError(
      'store.misconfigured',
      `Store: the store in a file needs Node 22.13 or later; this is ${process.version}. Update Node, or use the DynamoDB store.`,
      { cause: error },
    )
  }
}

/** A write that waits for its batch. */
interface PendingWrite {
  readonly now: number
  readonly sizeBytes: number
  /** Reads, decides and keeps within the batch's transaction; may run again when the batch has to be repeated. */
  run(file: StoreFile): void
  /** The batch is durable. */
  settle(): void
  /** It is not, or not certainly. */
  fail(error: unknown): void
}

class SqliteStore implements Store {
  readonly name: string
  readonly #sqlite: Sqlite
  readonly #path: string
  readonly #maxSizeBytes: number | undefined
  readonly #lockTimeoutMs: number
  #file: StoreFile | undefined
  /** The file that was opened first; another one under the same name is refused. */
  #identity: FileIdentity | undefined
  #closed = false
  #queue: PendingWrite[] = []
  #draining: Promise<void> | undefined
  #writesSincePurge = 0

  constructor(sqlite: Sqlite, path: string, options: SqliteStoreOptions) {
    this.#sqlite = sqlite
    this.#path = path
    this.#maxSizeBytes = options.maxSizeBytes
    this.#lockTimeoutMs = options.lockTimeoutMs ?? 5000
    this.name = `the store file ${path}`
  }

  async open(): Promise<void> {
    await this.#whenFree(() => {
      createStoreFile(this.#sqlite, this.#path)
      this.#currentFile()
    })
  }

  async get(key: ItemKey, { now }: ReadOptions): Promise<StoreItem | undefined> {
    checkKey(key)
    checkTime(now, 'now')
    const row = await this.#read((file) => file.row(key))
    return isLive(row, now) ? itemOf(key, row) : undefined
  }

  async put(key: ItemKey, data: object, options: PutOptions): Promise<PutResult> {
    const order = putOrder(key, data, options)
    const verdict = await this.#write(order, order.text.length, (row) => decidePut(order, row))
    return verdict.kind === 'refused' ? verdict.answer : { ok: true, version: verdict.row.version }
  }

  async delete(key: ItemKey, options: DeleteOptions): Promise<DeleteResult> {
    const order = deleteOrder(key, options)
    const verdict = await this.#write(order, 0, (row) => decideDelete(order, row))
    return verdict.kind === 'refused' ? verdict.answer : { ok: true }
  }

  async query(query: StoreQuery): Promise<StorePage> {
    const range = rangeOf(query)
    return this.#read((file) => {
      if (range === undefined) return { items: [], next: undefined }
      const items: StoreItem[] = []
      let pageBytes = 0
      for (const { key, row } of file.rows(range)) {
        if (items.length >= range.limit || pageBytes > maxPageBytes) return { items, next: items.at(-1)?.sort }
        items.push(itemOf(key, row))
        pageBytes += row.text.length
      }
      return { items, next: undefined }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
    this.#file?.close()
    this.#file = undefined
  }

  #read<T>(run: (file: StoreFile) => T): Promise<T> {
    return this.#whenFree(() => {
      if (this.#closed) throw closedError(this.name)
      const file = this.#currentFile()
      return file.read(() => run(file))
    })
  }

  /** Queues a write; resolves with its verdict once it is durable. */
  #write<V extends DeleteVerdict>(order: DeleteOrder, sizeBytes: number, decide: (row: StoredRow | undefined) => V): Promise<V> {
    const { key, now } = order
    if (this.#closed) return Promise.reject(closedError(this.name))
    return new Promise((resolve, reject) => {
      let settle = (): void => reject(new Error(`a write of ${this.name} was settled before it ran`))
      this.#queue.push({
        now,
        sizeBytes,
        run: (file) => {
          try {
            const verdict = decide(file.row(key))
            if (verdict.kind === 'write') file.keep(key, verdict.row)
            settle = () => resolve(verdict)
          } catch (error) {
            // The row of this key is damaged; that is no reason to refuse the others of the batch.
            if (!(error instanceof StoreError)) throw error
            settle = () => reject(error)
          }
        },
        settle: () => settle(),
        fail: reject,
      })
      this.#draining ??= this.#drain()
    })
  }

  async #drain(): Promise<void> {
    do {
      // Everything that is ready to write now gets the chance to join the batch.
      await setImmediate()
      await this.#commit(this.#takeBatch())
    } while (this.#queue.length > 0)
    this.#draining = undefined
  }

  #takeBatch(): readonly PendingWrite[] {
    let count = 0
    let sizeBytes = 0
    for (const write of this.#queue) {
      sizeBytes += write.sizeBytes
      if (count > 0 && (count >= maxBatchWrites || sizeBytes > maxBatchBytes)) break
      count += 1
    }
    return this.#queue.splice(0, count)
  }

  async #commit(batch: readonly PendingWrite[]): Promise<void> {
    try {
      await this.#whenFree(() => {
        const file = this.#currentFile()
        file.transact(() => {
          for (const write of batch) write.run(file)
          this.#purgeNowAndThen(file, batch)
        })
      })
    } catch (error) {
      // A batch that does not fit may hold writes that do.
      if (batch.length > 1 && error instanceof StoreError && error.kind === 'store.full') {
        for (const write of batch) await this.#commit([write])
        return
      }
      for (const write of batch) write.fail(error)
      return
    }
    for (const write of batch) write.settle()
  }

  /** Purges by the earliest `now` of the batch: one wrong clock does not decide. */
  #purgeNowAndThen(file: StoreFile, batch: readonly PendingWrite[]): void {
    this.#writesSincePurge += batch.length
    if (this.#writesSincePurge < writesBetweenPurges) return
    this.#writesSincePurge = 0
    file.purge(Math.min(...batch.map((write) => write.now)), maxPurgedRows)
  }

  /** The open file; opened anew after the disk failed under it. */
  #currentFile(): StoreFile {
    if (this.#file?.broken === true) {
      this.#file.close()
      this.#file = undefined
    }
    this.#file ??= openStoreFile(this.#sqlite, this.#path, { maxSizeBytes: this.#maxSizeBytes, identity: this.#identity })
    this.#identity = this.#file.identity
    return this.#file
  }

  /** Runs `run` as soon as no other process is in the way. Gives up after the lock timeout, with nothing done. */
  async #whenFree<T>(run: () => T): Promise<T> {
    let waitedMs = 0
    for (let attempt = 0; ; attempt += 1) {
      try {
        return run()
      } catch (error) {
        if (!(error instanceof FileBusy)) throw error
        if (waitedMs >= this.#lockTimeoutMs) {
          throw new StoreError(
            'store.unavailable',
            `Store: ${this.#path} has been locked by another process for more than ${this.#lockTimeoutMs} ms. Nothing was written. Find the process that holds it, which may be stopped or stuck.`,
            { cause: error },
          )
        }
        const waitMs = lockWaitsMs[attempt] ?? lockWaitsMs.at(-1) ?? 50
        await setTimeout(waitMs)
        waitedMs += waitMs
      }
    }
  }
}
