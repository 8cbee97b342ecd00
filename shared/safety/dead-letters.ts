import { contended, dataOf } from './inbox.ts'
import { type EntryData, entryOf, type InboxEntry, InboxError } from './inbox-entry.ts'
import { InboxItems } from './inbox-items.ts'
import type { Store } from './store.ts'

/** An event that nobody tries any more. */
export interface DeadLetter {
  readonly id: string
  /** Epoch milliseconds; undefined when it is not known, as it was found damaged. */
  readonly diedAt: number | undefined
  /** The entry with its payload and what last went wrong; undefined when it is damaged. */
  readonly entry: InboxEntry | undefined
  /** What is damaged, for a person. */
  readonly damage?: string | undefined
}

export interface DeadLetterPage {
  /** In the order in which they died. */
  readonly letters: readonly DeadLetter[]
  /** Pass it as `after` to read on; undefined on the last page. */
  readonly next: string | undefined
}

/** What a person can do about the events of one function that are dead. They stay until then. All methods throw StoreError. */
export interface DeadLetters {
  readonly function: string
  list(options: {
    readonly now: number
    /** 100 when absent; fewer come back where some are not dead any more. */
    readonly limit?: number | undefined
    readonly after?: string | undefined
  }): Promise<DeadLetterPage>
  /** Those whose ids begin so. Reads all of them. */
  find(idPrefix: string, options: { readonly now: number }): Promise<readonly DeadLetter[]>
  /**
   * Puts a dead event back in line, behind all others, with all its tries ahead. One that is back already is put in line again,
   * which changes nothing. Throws InboxError of kind `inbox.unknown`, `inbox.not-dead` or `inbox.corrupt`.
   */
  retry(id: string, options: { readonly now: number }): Promise<InboxEntry>
  /**
   * Gives a dead event up: it counts as done, and a replay of it is answered as before. One that is damaged is removed.
   * Throws InboxError of kind `inbox.unknown` or `inbox.not-dead`.
   */
  discard(id: string, options: { readonly now: number }): Promise<void>
}

export interface DeadLettersOptions {
  readonly function: string
  /** How long a discarded event is remembered, so that a replay is recognised; 7 days when absent. */
  readonly keepMs?: number | undefined
}

const defaultKeepMs = 7 * 86_400_000
const maxWrites = 6

/** Opens the dead letters of one function's inbox. Sends nothing. */
export function createDeadLetters(store: Store, options: DeadLettersOptions): DeadLetters {
  return new StoreDeadLetters(store, options)
}

class StoreDeadLetters implements DeadLetters {
  readonly function: string
  readonly #items: InboxItems
  readonly #keepMs: number

  constructor(store: Store, options: DeadLettersOptions) {
    this.function = options.function
    this.#items = new InboxItems(store, options.function)
    this.#keepMs = options.keepMs ?? defaultKeepMs
  }

  async list(options: {
    readonly now: number
    readonly limit?: number | undefined
    readonly after?: string | undefined
  }): Promise<DeadLetterPage> {
    const { now, limit = 100, after } = options
    const page = await this.#items.deadPage({ limit, after }, now)
    const letters: DeadLetter[] = []
    for (const { id, diedAt } of page.letters) {
      const letter = await this.#letterOf(id, diedAt, now)
      if (letter !== undefined) letters.push(letter)
    }
    return { letters, next: page.next }
  }

  async find(idPrefix: string, { now }: { readonly now: number }): Promise<readonly DeadLetter[]> {
    const found: DeadLetter[] = []
    let after: string | undefined
    do {
      const page = await this.#items.deadPage({ limit: 1000, after }, now)
      for (const { id, diedAt } of page.letters) {
        const letter = id.startsWith(idPrefix) ? await this.#letterOf(id, diedAt, now) : undefined
        if (letter !== undefined && !found.some((other) => other.id === id)) found.push(letter)
      }
      after = page.next
    } while (after !== undefined)
    return found
  }

  async retry(id: string, { now }: { readonly now: number }): Promise<InboxEntry> {
    for (let writes = 0; writes < maxWrites; writes += 1) {
      const entry = await this.#items.read(id, now)
      if (entry === undefined) throw this.#unknown(id)
      if (entry.state === 'RECEIVED') {
        await this.#putInLine(entry, now)
        return entry
      }
      if (entry.state !== 'DEAD') throw this.#notDead(entry)
      const place = this.#items.placeAt(now, id)
      const data: EntryData = { ...dataOf(entry), state: 'RECEIVED', attempt: 0, changedAt: now, place }
      const written = await this.#items.write(id, data, { fence: entry.fence, now })
      if (!written.ok) continue
      await this.#items.markOpen(written.entry, 0, now)
      await this.#items.unmarkDead(id, entry.changedAt, now)
      return written.entry
    }
    throw contended(this.function, id)
  }

  async discard(id: string, { now }: { readonly now: number }): Promise<void> {
    for (let writes = 0; writes < maxWrites; writes += 1) {
      const item = await this.#items.readItem(id, now)
      if (item === undefined) throw this.#unknown(id)
      const entry = intact(() => entryOf(this.function, item))
      if (entry === undefined) {
        // Its markers go when somebody next looks at the list.
        await this.#items.removeItem(item, now)
        return
      }
      if (entry.state !== 'DEAD') throw this.#notDead(entry)
      const { payload: _, ...rest } = dataOf(entry)
      const data: EntryData = { ...rest, state: 'DONE', changedAt: now }
      const written = await this.#items.write(id, data, { fence: entry.fence, now, expiresAt: now + this.#keepMs })
      if (!written.ok) continue
      await this.#items.unmarkDead(id, entry.changedAt, now)
      return
    }
    throw contended(this.function, id)
  }

  /** The dead letter behind a marker; undefined when it is none any more, and the marker goes when it never will be again. */
  async #letterOf(id: string, diedAt: number, now: number): Promise<DeadLetter | undefined> {
    let entry: InboxEntry | undefined
    try {
      entry = await this.#items.read(id, now)
    } catch (error) {
      if (!(error instanceof InboxError)) throw error
      return { id, diedAt: diedAt === 0 ? undefined : diedAt, entry: undefined, damage: error.message }
    }
    if (entry?.state === 'RECEIVED') await this.#putInLine(entry, now)
    if (entry?.state !== 'DEAD' || entry.changedAt !== diedAt) await this.#items.unmarkDead(id, diedAt, now)
    // One that was revived and died again has a marker of its own.
    return entry?.state === 'DEAD' && entry.changedAt === diedAt ? { id, diedAt, entry } : undefined
  }

  /** A retry may have got no further than the entry. */
  async #putInLine({ id, group, place }: InboxEntry, now: number): Promise<void> {
    if (await this.#items.isOpen(place, now)) return
    await this.#items.markOpen({ group, place: this.#items.placeAt(now, id) }, 0, now)
  }

  #unknown(id: string): InboxError {
    return new InboxError(
      'inbox.unknown',
      `Inbox: ${this.function} has no event ${id} (any more). List the dead letters to see what there is.`,
    )
  }

  #notDead({ id, state }: InboxEntry): InboxError {
    return new InboxError(
      'inbox.not-dead',
      `Inbox: the event ${id} of ${this.function} is ${state}, not dead. Nothing was changed; leave it alone.`,
    )
  }
}

/** The entry; undefined when it is damaged. */
function intact(read: () => InboxEntry): InboxEntry | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof InboxError) return undefined
    throw error
  }
}
