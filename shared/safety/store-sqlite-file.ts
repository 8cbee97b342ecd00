import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { type ItemKey, StoreError, type StoreErrorKind } from './store.ts'
import { describeKey, type StoredRow, type StoreRange } from './store-rules.ts'

/** Marks the file as ours in its SQLite header: "Long" in ASCII. */
const applicationId = 0x4c_6f_6e_67
/** Version of the tables below. A later one adds its steps to `openStoreFile`. */
const schemaVersion = 1
/**
 * Milliseconds SQLite itself waits for another process's lock, during which nothing else runs here. Short: the store waits
 * for longer locks without holding up the process.
 */
const blockingWaitMs = 5
/** The write-ahead log is cut back to this size after a burst. */
const logSizeLimitBytes = 16 * 1024 * 1024

/**
 * One row per key. `data` is the JSON text, empty once deleted. `check_sum` is the CRC-32 of everything else in the row,
 * because SQLite notices damage to its own structure but not to what it stores.
 */
const schema = `
  CREATE TABLE item (
    partition TEXT NOT NULL,
    sort TEXT NOT NULL,
    version INTEGER NOT NULL,
    data TEXT NOT NULL,
    expires_at INTEGER,
    purge_at INTEGER,
    check_sum INTEGER NOT NULL,
    PRIMARY KEY (partition, sort)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX item_to_purge ON item (purge_at) WHERE purge_at IS NOT NULL;
`

/** Node's SQLite, loaded when it is first needed: bundles for Lambda, and older Nodes that only use DynamoDB, never touch it. */
export type Sqlite = typeof import('node:sqlite')

/** Another process holds the lock; nothing happened, and trying again soon is right. Never leaves the adapter. */
export class FileBusy extends Error {
  override readonly name = 'FileBusy'
}

/** Tells whether it is still the same file: by device and number, not by name. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
}

/**
 * Makes the store file if there is none, with its tables and readable by its owner only. It appears under its name complete
 * or not at all, so any number of processes may do this at once, and a crash or a full disk leaves nothing half made.
 */
export function createStoreFile(sqlite: Sqlite, path: string): void {
  if (existsSync(path)) return
  if (existsSync(`${path}-wal`)) {
    throw new StoreError(
      'store.corrupt',
      `Store: ${path} is missing, but ${path}-wal with its latest writes is there. Put the store file back; or, to start afresh and forget what was done, remove ${path}-wal too.`,
    )
  }
  const draft = `${path}.${randomUUID()}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch (error) {
    throw translated(error, path, 'read')
  }
  try {
    closeSync(openSync(draft, 'wx', 0o600))
    const database = new sqlite.DatabaseSync(draft)
    try {
      database.exec(
        `PRAGMA journal_mode = WAL; PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; ${schema}`,
      )
    } finally {
      database.close()
    }
    publish(draft, path)
  } catch (error) {
    throw translated(error, path, 'read')
  } finally {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${draft}${suffix}`, { force: true })
  }
}

/** Gives the draft its name unless another process was quicker, and makes the name durable. */
function publish(draft: string, path: string): void {
  try {
    linkSync(draft, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    // Some file systems have no links. Renaming would replace a file made meanwhile, so look once more right before.
    if (existsSync(path)) return
    renameSync(draft, path)
  }
  if (process.platform === 'win32') return
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

export interface OpenOptions {
  /** How large the file may grow; unlimited when absent. Beyond it writes are `store.full`. */
  readonly maxSizeBytes: number | undefined
  /** Present when this process had it open before: it must be the same file. */
  readonly identity: FileIdentity | undefined
}

/**
 * Opens a store file, and the first time reads all of its structure (about 1 s per GB) so that damage shows before anything
 * is written. Throws StoreError: `store.corrupt` for a damaged, empty or foreign file, `store.misconfigured` for a place where
 * no store can be, or FileBusy.
 */
export function openStoreFile(sqlite: Sqlite, path: string, options: OpenOptions): StoreFile {
  let database: DatabaseSync | undefined
  try {
    const identity = identityOf(path, options.identity)
    database = new sqlite.DatabaseSync(path, { timeout: blockingWaitMs })
    checkHeader(database, path)
    database.exec(`
      PRAGMA synchronous = FULL;
      PRAGMA fullfsync = ON;
      PRAGMA checkpoint_fullfsync = ON;
      PRAGMA journal_size_limit = ${logSizeLimitBytes};
    `)
    const journal = pragma(database, 'journal_mode = WAL')
    if (journal !== 'wal') {
      throw new StoreError(
        'store.misconfigured',
        `Store: the file system of ${path} cannot share memory between processes, which the store needs. Nothing was written. Put the store on a local disk.`,
      )
    }
    if (options.identity === undefined) checkStructure(database, path)
    if (options.maxSizeBytes !== undefined) {
      const pageBytes = Number(pragma(database, 'page_size'))
      pragma(database, `max_page_count = ${Math.max(1, Math.floor(options.maxSizeBytes / pageBytes))}`)
    }
    return new StoreFile(database, path, identity)
  } catch (error) {
    database?.close()
    throw translated(error, path, 'read')
  }
}

function identityOf(path: string, expected: FileIdentity | undefined): FileIdentity {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  if (expected !== undefined && (stats?.dev !== expected.device || stats.ino !== expected.inode)) {
    throw new StoreError(
      'store.corrupt',
      `Store: ${path} was removed or replaced while it was open. Nothing was written. Stop this process, put the right file in place, and start again.`,
    )
  }
  if (stats === undefined) throw new StoreError('store.unavailable', `Store: ${path} has just been removed. Open it again.`)
  if (!stats.isFile()) throw new StoreError('store.misconfigured', `Store: ${path} is no file. Name a file that may be made there.`)
  if (stats.size === 0n) {
    throw new StoreError(
      'store.corrupt',
      `Store: ${path} is empty; it was cut off, or never was a store. Nothing was written. ${howToMend(path)}`,
    )
  }
  return { device: stats.dev, inode: stats.ino }
}

function checkHeader(database: DatabaseSync, path: string): void {
  if (pragma(database, 'application_id') !== applicationId) {
    throw new StoreError(
      'store.misconfigured',
      `Store: ${path} is another program's SQLite database. Nothing was written. Name another file, or one that does not exist yet.`,
    )
  }
  const version = pragma(database, 'user_version')
  if (version !== schemaVersion) {
    throw new StoreError(
      'store.misconfigured',
      `Store: ${path} has format ${String(version)}; this version of Longshore knows format ${schemaVersion}. Nothing was written. Use the version that made it, or a later one.`,
    )
  }
}

function checkStructure(database: DatabaseSync, path: string): void {
  const found = pragma(database, 'quick_check(1)')
  if (found !== 'ok') throw corrupt(path, String(found).split('\n').at(-1) ?? '')
}

function pragma(database: DatabaseSync, text: string): SQLOutputValue | undefined {
  return Object.values(database.prepare(`PRAGMA ${text}`).get() ?? {})[0]
}

/** An open store file: rows in, rows out, and transactions. All of it is synchronous, so nothing comes in between. */
export class StoreFile {
  readonly identity: FileIdentity
  readonly #path: string
  readonly #database: DatabaseSync
  readonly #select: StatementSync
  readonly #upsert: StatementSync
  readonly #forwards: StatementSync
  readonly #backwards: StatementSync
  readonly #purge: StatementSync
  #broken = false

  constructor(database: DatabaseSync, path: string, identity: FileIdentity) {
    this.#database = database
    this.#path = path
    this.identity = identity
    const columns = 'partition, sort, version, data, expires_at, purge_at, check_sum'
    const range = `SELECT ${columns} FROM item WHERE partition = ? AND sort >= ? AND sort <= ? AND (expires_at IS NULL OR expires_at > ?)`
    this.#select = database.prepare(`SELECT ${columns} FROM item WHERE partition = ? AND sort = ?`)
    this.#upsert = database.prepare(`INSERT INTO item (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (partition, sort) DO UPDATE SET version = excluded.version, data = excluded.data,
        expires_at = excluded.expires_at, purge_at = excluded.purge_at, check_sum = excluded.check_sum`)
    this.#forwards = database.prepare(`${range} AND sort > ? ORDER BY sort`)
    this.#backwards = database.prepare(`${range} AND sort < ? ORDER BY sort DESC`)
    this.#purge = database.prepare(`DELETE FROM item WHERE (partition, sort) IN
      (SELECT partition, sort FROM item WHERE purge_at IS NOT NULL AND purge_at <= ? ORDER BY purge_at LIMIT ?)`)
  }

  /** Whether the disk failed under it, so that what this connection remembers may not be what the disk holds. */
  get broken(): boolean {
    return this.#broken
  }

  row(key: ItemKey): StoredRow | undefined {
    const found = this.#select.get(key.partition, key.sort)
    return found === undefined ? undefined : this.#checked(found).row
  }

  keep(key: ItemKey, row: StoredRow): void {
    const { version, text, expiresAt = null, purgeAt = null } = row
    this.#upsert.run(key.partition, key.sort, version, text, expiresAt, purgeAt, checkSumOf(key, row))
  }

  /** The live rows of a range in order, read as they are asked for. */
  *rows(range: StoreRange): Generator<{ readonly key: ItemKey; readonly row: StoredRow }, void, undefined> {
    const { partition, low, high, now, after, reverse } = range
    const statement = reverse ? this.#backwards : this.#forwards
    // Keys hold codes 33 to 126: every key is after '' and before code 127.
    for (const found of statement.iterate(partition, low, high, now, after ?? (reverse ? '\x7f' : ''))) yield this.#checked(found)
  }

  /** Removes up to `limit` rows whose time to go has come. */
  purge(now: number, limit: number): void {
    this.#purge.run(now, limit)
  }

  /** Reads. Throws StoreError, or FileBusy. */
  read<T>(run: () => T): T {
    identityOf(this.#path, this.identity)
    try {
      return run()
    } catch (error) {
      throw this.#translated(error, 'read')
    }
  }

  /**
   * Runs `run` and makes everything it kept durable, or nothing of it. Throws StoreError, or FileBusy, when nothing was kept;
   * StoreError of kind `store.unknown-outcome` when the disk failed while it was being made durable.
   */
  transact(run: () => void): void {
    identityOf(this.#path, this.identity)
    let phase: Phase = 'read'
    try {
      this.#database.exec('BEGIN IMMEDIATE')
      phase = 'write'
      run()
      phase = 'commit'
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#rollBack()
      throw this.#translated(error, phase)
    }
  }

  /** Lets go of the file; the last to do so moves the write-ahead log into it. */
  close(): void {
    this.#database.close()
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    } catch {
      // Closing the connection undoes the transaction as well, and the error that led here is the one to tell.
      this.#broken = true
    }
  }

  #translated(error: unknown, phase: Phase): unknown {
    if (primaryCodeOf(error) === sqliteCode.ioError) this.#broken = true
    return translated(error, this.#path, phase)
  }

  #checked(found: Record<string, SQLOutputValue>): { readonly key: ItemKey; readonly row: StoredRow } {
    const { partition, sort, version, data, expires_at: expiresAt, purge_at: purgeAt, check_sum: checkSum } = found
    if (
      typeof partition === 'string' &&
      typeof sort === 'string' &&
      typeof version === 'number' &&
      typeof data === 'string' &&
      (typeof expiresAt === 'number' || expiresAt === null) &&
      (typeof purgeAt === 'number' || purgeAt === null)
    ) {
      const key = { partition, sort }
      const row = { version, text: data, expiresAt: expiresAt ?? undefined, purgeAt: purgeAt ?? undefined }
      if (checkSum === checkSumOf(key, row)) return { key, row }
      throw corrupt(this.#path, `the item ${describeKey(key)} does not match its check sum`)
    }
    throw corrupt(this.#path, 'an item has values of another type')
  }
}

/** Keys and numbers hold no line break, so no two rows share a text. */
function checkSumOf(key: ItemKey, row: StoredRow): number {
  return crc32(`${key.partition}\n${key.sort}\n${row.version}\n${row.expiresAt ?? ''}\n${row.purgeAt ?? ''}\n${row.text}`)
}

type Phase = 'read' | 'write' | 'commit'

/** SQLite's primary result codes (https://www.sqlite.org/rescode.html) that mean something to a store. */
const sqliteCode = {
  busy: 5,
  locked: 6,
  protocol: 15,
  noMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
}

function primaryCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  return error.errcode & 0xff
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Says in the store's words what SQLite or the file system refused; errors that are neither come back as they are. */
function translated(error: unknown, path: string, phase: Phase): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error
  const say = (kind: StoreErrorKind, text: string): StoreError => new StoreError(kind, `Store: ${path} ${text}`, { cause: error })
  switch (primaryCodeOf(error) ?? codeOf(error)) {
    case sqliteCode.busy:
    case sqliteCode.locked:
    case sqliteCode.protocol:
      return new FileBusy(error.message, { cause: error })
    case sqliteCode.full:
    case 'ENOSPC':
    case 'EDQUOT':
      return say(
        'store.full',
        `has no room left (${error.message}). Nothing was written, and nothing that was acknowledged is lost. Make room on its disk, or raise its size limit.`,
      )
    case sqliteCode.ioError:
      if (phase === 'commit') {
        return say(
          'store.unknown-outcome',
          `could not be made durable: the disk failed (${error.message}). The write may have happened: read it before writing again, and check the disk.`,
        )
      }
      return say('store.unavailable', `cannot be used: the disk failed (${error.message}). Nothing was written. Check the disk.`)
    case sqliteCode.noMemory:
      return say('store.unavailable', 'cannot be used: memory is short. Nothing was written.')
    case sqliteCode.corrupt:
    case sqliteCode.notADatabase:
    case 'ERR_OUT_OF_RANGE':
      return corrupt(path, error.message, error)
    case sqliteCode.readOnly:
    case sqliteCode.cannotOpen:
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'EEXIST':
    case 'ENAMETOOLONG':
      return say(
        'store.misconfigured',
        `cannot be opened for writing (${error.message}). Nothing was written. Check the path and who may write there.`,
      )
    default:
      return error
  }
}

function corrupt(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError(
    'store.corrupt',
    `Store: ${path} is damaged (${what}). Nothing was written. ${howToMend(path)}`,
    cause === undefined ? undefined : { cause },
  )
}

function howToMend(path: string): string {
  return `Stop what uses it and keep a copy of ${path}* first. Then restore a backup, or save what is readable with \`sqlite3 ${path} .recover\`; or move it away to start afresh, which forgets what was done already.`
}
