import { putForCertain } from './certain-put.ts'
import {
  beginningOf,
  isSound,
  type JournalData,
  type JournalEnd,
  type JournalEntry,
  JournalError,
  journalDataOf,
  journalEntryOf,
  type NewJournalEntry,
  preparedEntry,
  sealedEntry,
  sortOfSeq,
} from './journal-entry.ts'
import { type JournalCheck, type VerifyOptions, verifyChain } from './journal-verify.ts'
import { allItems, type Store, type StoreItem } from './store.ts'

export interface JournalOptions {
  /** Name of the chain, usually the function's. */
  readonly chain: string
  /** Secret of the seals. Without one, whoever may write to the store can rewrite the chain and seal it anew. */
  readonly key?: string | undefined
  /** Takes secrets out of texts. Leaves them as they are when absent. */
  readonly redact?: ((text: string) => string) | undefined
}

export interface JournalQuery {
  readonly now: number
  /** Only entries written at or after this instant; epoch milliseconds. */
  readonly from?: number | undefined
  /** Only entries written before this instant. */
  readonly to?: number | undefined
  /** Only about this target. */
  readonly target?: string | undefined
  readonly stepKey?: string | undefined
  /** The latest so many; 100 when absent. */
  readonly limit?: number | undefined
}

/**
 * What was done and why, as a chain: every entry carries the hash of the one before, so that nothing can be changed, taken
 * out, put in or reordered unseen. Entries never expire. All methods throw StoreError and JournalError.
 */
export interface Journal {
  readonly chain: string
  /**
   * Adds an entry at the end; it is durable when this returns. One round trip, as long as nobody else writes to the chain;
   * another writer's entry costs one more each. The first one of a process also reads where the chain ends.
   *
   * After a StoreError of kind `store.unknown-outcome` the entry may be there, after every other error it is not.
   */
  append(entry: NewJournalEntry): Promise<JournalEntry>
  /** Where the chain ends, as far as this process has seen; `seq` 0 when there is nothing. Reads only the first time. */
  end(options: { readonly now: number }): Promise<JournalEnd>
  /** Checks the whole chain, and against the places that others remember of it. */
  verify(options: VerifyOptions): Promise<JournalCheck>
  /** Entries in their order, the latest ones when there are more than `limit`. Does not check the chain. */
  list(query: JournalQuery): Promise<readonly JournalEntry[]>
  /** One entry; undefined when there is none. */
  show(seq: number, options: { readonly now: number }): Promise<JournalEntry | undefined>
  /**
   * Every entry about one try of a step, in order, looking only after the given place. Checks the links on the way and
   * throws JournalError of kind `journal.corrupt` when they do not hold, for decisions are taken on what is not found.
   */
  trace(order: {
    readonly stepKey: string
    readonly attempt: number
    readonly after: number
    readonly now: number
  }): Promise<readonly JournalEntry[]>
}

/** So many entries of others in a row, and the end is looked up anew. */
const stepsBeforeLookUp = 3
const maxConflicts = 50
/** Entries whose times are out of order by less than this are still found by their time: processes' clocks disagree. */
const clockSlackMs = 3_600_000

/** Makes a journal on a chain, which others may write to as well. Sends nothing. */
export function createJournal(store: Store, options: JournalOptions): Journal {
  return new StoreJournal(store, options)
}

class StoreJournal implements Journal {
  readonly chain: string
  readonly #store: Store
  readonly #secret: string | undefined
  readonly #redact: (text: string) => string
  #end: JournalEnd | undefined
  /** The append under way: one at a time, or they would take each other's places. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(store: Store, options: JournalOptions) {
    this.#store = store
    this.chain = options.chain
    this.#secret = options.key
    this.#redact = options.redact ?? ((text) => text)
    if (options.key === '')
      throw new JournalError('journal.invalid', `Journal: the key of ${options.chain} is empty. Give it a secret, or leave it out.`)
  }

  async append(entry: NewJournalEntry): Promise<JournalEntry> {
    const content = preparedEntry(entry, this.#redact)
    const appended = this.#last.then(
      () => this.#append(content),
      () => this.#append(content),
    )
    this.#last = appended
    return journalEntryOf(await appended)
  }

  async #append(content: ReturnType<typeof preparedEntry>): Promise<JournalData> {
    let end = this.#end ?? (await this.#lookUp(content.at))
    for (let conflicts = 1; conflicts <= maxConflicts; conflicts += 1) {
      const entry = sealedEntry(content, end, this.#secret)
      const result = await putForCertain(this.#store, this.#key(entry.seq), entry, { when: 'absent', now: content.at })
      if (result.ok) {
        this.#end = entry
        return entry
      }
      end = this.#follow(end, result.current)
      // Far behind: it is quicker to look than to walk.
      if (conflicts % stepsBeforeLookUp === 0) end = await this.#lookUp(content.at)
      this.#end = end
    }
    throw new JournalError(
      'journal.contended',
      `Journal: others wrote to the chain ${this.chain} ${maxConflicts} times before an entry could be added. Nothing was written; try again later.`,
    )
  }

  /** Another writer's entry took the place: it must be the one that follows. */
  #follow(end: JournalEnd, item: StoreItem | undefined): JournalEnd {
    const data = item === undefined ? undefined : journalDataOf(item)
    if (data === undefined || data.seq !== end.seq + 1 || data.prev !== end.hash || !isSound(data, this.#secret)) {
      throw this.#corrupt(end.seq + 1)
    }
    return data
  }

  async #lookUp(now: number): Promise<JournalEnd> {
    const { items } = await this.#store.query({ partition: this.#partition, now, limit: 1, reverse: true })
    const [item] = items
    if (item === undefined) return beginningOf(this.chain)
    const data = journalDataOf(item)
    if (data === undefined || item.sort !== sortOfSeq(data.seq) || !isSound(data, this.#secret)) throw this.#corrupt(data?.seq)
    return data
  }

  #corrupt(seq: number | undefined): JournalError {
    return new JournalError(
      'journal.corrupt',
      `Journal: the chain ${this.chain} is not sound${seq === undefined ? ' at its end' : ` at entry ${seq}`}. Nothing was added to it. Run \`longshore journal verify\` to see what was changed; a journal that was sealed with a key can only be continued with the same key.`,
    )
  }

  async end({ now }: { readonly now: number }): Promise<JournalEnd> {
    this.#end ??= await this.#lookUp(now)
    const { seq, hash } = this.#end
    return { seq, hash }
  }

  async verify(options: VerifyOptions): Promise<JournalCheck> {
    return await verifyChain(this.#store, { chain: this.chain, partition: this.#partition, secret: this.#secret }, options)
  }

  async list({ now, from, to, target, stepKey, limit = 100 }: JournalQuery): Promise<readonly JournalEntry[]> {
    const found: JournalEntry[] = []
    const key = stepKey === undefined ? undefined : this.#redact(stepKey)
    for await (const item of allItems(this.#store, { partition: this.#partition, now, limit: 1000, reverse: true })) {
      const data = journalDataOf(item)
      if (data === undefined) throw this.#corrupt(undefined)
      if (found.length >= limit || (from !== undefined && data.at < from - clockSlackMs)) break
      const isWanted =
        (from === undefined || data.at >= from) &&
        (to === undefined || data.at < to) &&
        (target === undefined || data.target === target) &&
        (key === undefined || data.stepKey === key)
      if (isWanted) found.push(journalEntryOf(data))
    }
    return found.reverse()
  }

  async show(seq: number, { now }: { readonly now: number }): Promise<JournalEntry | undefined> {
    const item = await this.#store.get(this.#key(seq), { now })
    if (item === undefined) return undefined
    const data = journalDataOf(item)
    if (data === undefined) throw this.#corrupt(seq)
    return journalEntryOf(data)
  }

  async trace(order: {
    readonly stepKey: string
    readonly attempt: number
    readonly after: number
    readonly now: number
  }): Promise<readonly JournalEntry[]> {
    const found: JournalEntry[] = []
    const key = this.#redact(order.stepKey)
    const { after, now } = order
    let end = after <= 0 ? beginningOf(this.chain) : undefined
    // Begins with the last entry before, so that a chain cut off further ahead is noticed.
    const from = sortOfSeq(Math.max(1, after))
    for await (const item of allItems(this.#store, { partition: this.#partition, now, limit: 1000, from })) {
      const data = journalDataOf(item)
      const follows = data !== undefined && (end === undefined ? data.seq === after : data.seq === end.seq + 1 && data.prev === end.hash)
      if (!follows || !isSound(data, this.#secret)) {
        throw this.#corrupt(data?.seq)
      }
      if (data.seq > after && data.stepKey === key && data.attempt === order.attempt) found.push(journalEntryOf(data))
      end = data
    }
    if (end === undefined) throw this.#corrupt(after)
    return found
  }

  get #partition(): string {
    return `journal/${this.chain}`
  }

  #key(seq: number): { readonly partition: string; readonly sort: string } {
    return { partition: this.#partition, sort: sortOfSeq(seq) }
  }
}
