import { putForCertain } from './certain-put.ts'
import {
  entryOf,
  type FinalState,
  type JournalMark,
  type LedgerData,
  type LedgerEntry,
  LedgerError,
  type LedgerState,
  sortOf,
} from './ledger-entry.ts'
import { allItems, type ItemKey, type Store } from './store.ts'

export interface LedgerOptions {
  /** Whose ledger it is; functions never share one. */
  readonly function: string
  /**
   * How long after a deadline its owner is still believed to be at it: covers requests that the platform has received but not
   * carried out yet, and clocks that disagree. 60 s when absent.
   */
  readonly graceMs?: number | undefined
  /**
   * How long finished entries are kept; 90 days when absent. A key that comes back later is done again, so this must be longer
   * than any event can be delayed. Entries that are started or unknown never expire.
   */
  readonly keepMs?: number | undefined
}

/** What is to be done, by whom and until when. */
export interface AcquireOrder {
  /** Names the action: the same action has the same key, another action never has it. At most 256 characters. */
  readonly key: string
  /**
   * Unique to this run of this process. A request id that the platform gives again to a retry (Lambda does) is not enough by
   * itself: add something random.
   */
  readonly owner: string
  readonly now: number
  /** Until then the owner is done, or has given up: no write starts that could last longer. */
  readonly deadline: number
  /** Digest of the end state. Not compared when it is absent here or in the entry. */
  readonly digest?: string | undefined
  /** Where the journal ends now; kept in the entry. */
  readonly journalBefore?: number | undefined
}

/**
 * The right to work on a key. It is lost as soon as anybody else writes the entry; `renew` gives a new one.
 */
export interface Claim {
  readonly id: string
  readonly deadline: number
  /** The entry as this claim wrote it. */
  readonly entry: LedgerEntry
}

/**
 * - `acquired` go on: nobody else is at it, and it has certainly not happened
 * - `done` it has happened before
 * - `busy` somebody else is at it
 * - `settle` it may have happened: find out by reading, then `finish`. Never do it under this claim.
 */
export type Acquired =
  | { readonly kind: 'acquired'; readonly claim: Claim }
  | { readonly kind: 'settle'; readonly claim: Claim; readonly entry: LedgerEntry }
  | { readonly kind: 'done'; readonly entry: LedgerEntry }
  | { readonly kind: 'busy'; readonly entry: LedgerEntry }

/** The claim was lost: somebody else has written the entry since. Nothing was written. */
export interface LostClaim {
  readonly ok: false
  readonly current: LedgerEntry | undefined
}

export interface FinishOrder {
  readonly now: number
  readonly state: FinalState
  /** What is worth knowing about it: a small plain object. */
  readonly result?: object | undefined
  readonly journal?: JournalMark | undefined
  /** With `UNKNOWN`: until then the write may still be under way. */
  readonly inFlightUntil?: number | undefined
}

export interface LedgerQuery {
  readonly now: number
  readonly state?: LedgerState | undefined
  /** Only keys that begin with it. */
  readonly prefix?: string | undefined
  /** 100 when absent. */
  readonly limit?: number | undefined
}

/**
 * Makes sure that one action key has at most one effect:
 * `PENDING -> STARTED -> SUCCEEDED | FAILED_SAFE | UNKNOWN -> (settled by reading) SUCCEEDED | FAILED_SAFE`.
 *
 * Every write is conditional on the version that the writer knows (its fence), so an owner that was overtaken can neither
 * finish nor renew nor remove what its successor wrote. Acquire and finish take one round trip each when nothing is in the
 * way. When a store's answer is lost, what happened is found out by reading. All methods throw StoreError and LedgerError.
 */
export interface Ledger {
  readonly function: string
  readonly graceMs: number
  /**
   * Takes a key, or says why not. A key that is started and past its deadline plus the grace, and one that is unknown, is
   * taken over to be settled. An error leaves at worst an entry behind that nobody works on, to be settled later.
   */
  acquire(order: AcquireOrder): Promise<Acquired>
  /** Moves the deadline of a claim; the old claim is worth nothing afterwards. */
  renew(
    claim: Claim,
    order: { readonly now: number; readonly deadline: number },
  ): Promise<{ readonly ok: true; readonly claim: Claim } | LostClaim>
  /** Writes down how it ended and gives the key back. */
  finish(claim: Claim, order: FinishOrder): Promise<{ readonly ok: true; readonly entry: LedgerEntry } | LostClaim>
  get(key: string, options: { readonly now: number }): Promise<LedgerEntry | undefined>
  /** The entries in the order of their keys. */
  list(query: LedgerQuery): Promise<readonly LedgerEntry[]>
  /** What is to be settled: unknown with nobody at it, or started and given up. Reads the whole ledger. */
  unsettled(now: number): Promise<readonly LedgerEntry[]>
  /** Every entry's last place in the journal, for `journal.verify`. Reads the whole ledger. */
  journalMarks(now: number): AsyncGenerator<JournalMark & { readonly key: string }, void, undefined>
}

const defaultGraceMs = 60_000
const defaultKeepMs = 90 * 86_400_000
const maxWrites = 6
const latestMs = 8_640_000_000_000_000

/** Makes the ledger of one function. Sends nothing. */
export function createLedger(store: Store, options: LedgerOptions): Ledger {
  return new StoreLedger(store, options)
}

class StoreLedger implements Ledger {
  readonly function: string
  readonly graceMs: number
  readonly #store: Store
  readonly #keepMs: number
  #claims = 0

  constructor(store: Store, options: LedgerOptions) {
    this.#store = store
    this.function = options.function
    this.graceMs = checkedTime(options.graceMs ?? defaultGraceMs, 'graceMs')
    this.#keepMs = checkedTime(options.keepMs ?? defaultKeepMs, 'keepMs')
  }

  async acquire(given: AcquireOrder): Promise<Acquired> {
    const itemKey = this.#itemKey(given.key)
    const order = { ...given, now: checkedTime(given.now, 'now') }
    if (typeof order.owner !== 'string' || order.owner === '') {
      throw new LedgerError(
        'ledger.no-owner',
        `Ledger: ${describe(order.key)} was to be acquired by nobody. Give an owner that no other run has.`,
      )
    }
    this.#claims += 1
    // The number tells two claims of one run on one key apart.
    const holder = { id: `${order.owner}#${this.#claims}`, deadline: checkedTime(order.deadline, 'deadline') }
    // Most keys are new, so it begins with the write that only a new one takes.
    let current: LedgerEntry | undefined
    for (let writes = 0; writes < maxWrites; writes += 1) {
      const move = decide(current, order, holder, this.graceMs)
      if (move.kind === 'answer') return move.answer
      const when = current === undefined ? 'absent' : { version: current.fence }
      const result = await putForCertain(this.#store, itemKey, move.data, { when, now: order.now })
      if (result.ok) {
        const claim = { ...holder, entry: this.#entry(move.data, result.version) }
        return move.kind === 'start' ? { kind: 'acquired', claim } : { kind: 'settle', claim, entry: claim.entry }
      }
      current = result.current === undefined ? undefined : entryOf(this.function, result.current)
    }
    throw new LedgerError(
      'ledger.contended',
      `Ledger: others changed ${describe(order.key)} of ${this.function} ${maxWrites} times while it was to be acquired. Nothing was done under it; try again later.`,
    )
  }

  async renew(
    claim: Claim,
    order: { readonly now: number; readonly deadline: number },
  ): Promise<{ readonly ok: true; readonly claim: Claim } | LostClaim> {
    const now = checkedTime(order.now, 'now')
    const holder = { id: claim.id, deadline: checkedTime(order.deadline, 'deadline') }
    const written = await this.#write(claim, { ...dataOf(claim.entry), holder, changedAt: now }, now, undefined)
    return written.ok ? { ok: true, claim: { ...holder, entry: written.entry } } : written
  }

  async finish(claim: Claim, order: FinishOrder): Promise<{ readonly ok: true; readonly entry: LedgerEntry } | LostClaim> {
    const { state, result, journal } = order
    const now = checkedTime(order.now, 'now')
    const { holder: _, inFlightUntil: before, ...data } = dataOf(claim.entry)
    const isOpen = state === 'UNKNOWN'
    return await this.#write(
      claim,
      {
        ...data,
        state,
        changedAt: now,
        inFlightUntil: isOpen ? checkedTime(order.inFlightUntil ?? before ?? now + this.graceMs, 'inFlightUntil') : undefined,
        result,
        journal: journal ?? data.journal,
      },
      now,
      isOpen ? undefined : now + this.#keepMs,
    )
  }

  async get(key: string, { now }: { readonly now: number }): Promise<LedgerEntry | undefined> {
    const item = await this.#store.get(this.#itemKey(key), { now })
    return item === undefined ? undefined : entryOf(this.function, item)
  }

  async list({ now, state, prefix = '', limit = 100 }: LedgerQuery): Promise<readonly LedgerEntry[]> {
    const entries: LedgerEntry[] = []
    for await (const entry of this.#all(now)) {
      if (entries.length >= limit) break
      if ((state === undefined || entry.state === state) && entry.key.startsWith(prefix)) entries.push(entry)
    }
    return entries
  }

  async unsettled(now: number): Promise<readonly LedgerEntry[]> {
    const entries: LedgerEntry[] = []
    for await (const entry of this.#all(now)) {
      const isOpen = entry.state === 'STARTED' || entry.state === 'UNKNOWN'
      if (isOpen && !isHeld(entry, now, this.graceMs)) entries.push(entry)
    }
    return entries
  }

  async *journalMarks(now: number): AsyncGenerator<JournalMark & { readonly key: string }, void, undefined> {
    for await (const { key, journal } of this.#all(now)) if (journal !== undefined) yield { key, ...journal }
  }

  async *#all(now: number): AsyncGenerator<LedgerEntry, void, undefined> {
    for await (const item of allItems(this.#store, { partition: this.#partition, now, limit: 1000 })) yield entryOf(this.function, item)
  }

  /** Writes an entry under a claim: only if it is exactly as the claim left it. */
  async #write(
    claim: Claim,
    data: LedgerData,
    now: number,
    expiresAt: number | undefined,
  ): Promise<{ readonly ok: true; readonly entry: LedgerEntry } | LostClaim> {
    const { key, fence } = claim.entry
    const result = await putForCertain(this.#store, this.#itemKey(key), data, { when: { version: fence }, now, expiresAt })
    if (result.ok) return { ok: true, entry: this.#entry(data, result.version) }
    return { ok: false, current: result.current === undefined ? undefined : entryOf(this.function, result.current) }
  }

  get #partition(): string {
    return `ledger/${this.function}`
  }

  #itemKey(key: string): ItemKey {
    return { partition: this.#partition, sort: sortOf(key) }
  }

  #entry(data: LedgerData, version: number): LedgerEntry {
    const { format: _, ...facts } = data
    return { ...facts, function: this.function, fence: version }
  }
}

type Move = { readonly kind: 'answer'; readonly answer: Acquired } | { readonly kind: 'start' | 'take-over'; readonly data: LedgerData }

/** What an acquire does about the entry that is there. Throws LedgerError. */
function decide(entry: LedgerEntry | undefined, order: AcquireOrder, holder: { id: string; deadline: number }, graceMs: number): Move {
  const { key, now, digest, journalBefore } = order
  const start: LedgerData = {
    format: 1,
    key,
    state: 'STARTED',
    attempt: (entry?.attempt ?? 0) + 1,
    owner: holder.id,
    startedAt: now,
    changedAt: now,
    holder,
    digest,
    journal: entry?.journal,
    journalBefore,
  }
  if (entry === undefined || entry.state === 'FAILED_SAFE') return { kind: 'start', data: start }
  if (digest !== undefined && entry.digest !== undefined && digest !== entry.digest) {
    throw new LedgerError(
      'ledger.other-content',
      `Ledger: ${describe(key)} of ${entry.function} was used for something else before (it is ${entry.state}). Nothing was done. Make the key say what is to be done, or settle the old entry first.`,
    )
  }
  if (entry.state === 'SUCCEEDED') return { kind: 'answer', answer: { kind: 'done', entry } }
  if (isHeld(entry, now, graceMs)) return { kind: 'answer', answer: { kind: 'busy', entry } }
  const inFlightUntil = entry.inFlightUntil ?? (entry.holder?.deadline ?? entry.changedAt) + graceMs
  return { kind: 'take-over', data: { ...dataOf(entry), state: 'UNKNOWN', changedAt: now, holder, inFlightUntil } }
}

/** Whether somebody is believed to be at it: up to the deadline plus the grace, both included. */
function isHeld({ holder }: LedgerEntry, now: number, graceMs: number): boolean {
  return holder !== undefined && now <= holder.deadline + graceMs
}

function dataOf({ function: _, fence: __, ...facts }: LedgerEntry): LedgerData {
  return { format: 1, ...facts }
}

function checkedTime(ms: number, name: string): number {
  const whole = Math.ceil(ms)
  if (typeof ms === 'number' && whole >= 0 && whole <= latestMs) return whole
  throw new LedgerError(
    'ledger.no-deadline',
    `Ledger: ${name} is ${ms}, which is no time. Give whole milliseconds; a deadline must end some day.`,
  )
}

function describe(key: string): string {
  return `the action key "${key.length > 80 ? `${key.slice(0, 77)}...` : key}"`
}
