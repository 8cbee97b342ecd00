import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import { putForCertain } from './certain-put.ts'
import { type ItemKey, type Store, StoreError, type StoreItem } from './store.ts'

export interface CheckpointOptions {
  readonly function: string
  /** Names what goes on from one trigger to the next: the same in each of them. */
  readonly run: string
  /** Unique to this run of this process, as in `AcquireOrder`. */
  readonly owner: string
  /** How long an unfinished run can be taken up; 7 days when absent. Later it begins anew. */
  readonly keepMs?: number | undefined
}

/** Where a run stopped. */
export interface SavedCheckpoint {
  /** What was saved: JSON. Whoever reads it parses it. */
  readonly cursor: unknown
  /** Epoch milliseconds. */
  readonly savedAt: number
  /** How often it was saved since the run began. */
  readonly saves: number
}

/** Another process has taken the run on, or ended it. Nothing was written; stop working on it. */
export interface LostCheckpoint {
  readonly ok: false
  /** What it saved; undefined when it has ended the run. */
  readonly current: SavedCheckpoint | undefined
}

/**
 * Where a long run has got to, so that the next trigger goes on there. Every write is conditional on what this process last
 * read or wrote, so of two processes that work on one run only the one that saves first goes on.
 *
 * Save after what the cursor says is done: a crash in between does the last piece again. All methods throw StoreError.
 */
export interface Checkpoint {
  /** Where the run stopped; undefined when it begins anew. To be called first. */
  load(options: { readonly now: number }): Promise<SavedCheckpoint | undefined>
  /** Keeps how far it has come. */
  save(cursor: unknown, options: { readonly now: number }): Promise<{ readonly ok: true } | LostCheckpoint>
  /** The run is finished: the next one begins anew. */
  clear(options: { readonly now: number }): Promise<{ readonly ok: true } | LostCheckpoint>
}

const defaultKeepMs = 7 * 86_400_000

const CheckpointData = z.strictObject({
  format: z.literal(1),
  run: z.string(),
  cursor: z.unknown(),
  savedAt: z.number(),
  saves: z.int().check(z.gte(1)),
  writer: z.string(),
})

/** Makes the checkpoint of one run. Sends nothing. */
export function createCheckpoint(store: Store, options: CheckpointOptions): Checkpoint {
  return new StoreCheckpoint(store, options)
}

class StoreCheckpoint implements Checkpoint {
  readonly #store: Store
  readonly #run: string
  readonly #owner: string
  readonly #keepMs: number
  readonly #key: ItemKey
  /** What this process knows to be there; undefined when nothing is. */
  #known: { readonly version: number; readonly saves: number } | undefined

  constructor(store: Store, { function: name, run, owner, keepMs = defaultKeepMs }: CheckpointOptions) {
    for (const [what, text] of Object.entries({ function: name, run, owner })) {
      if (text === '') throw new StoreError('store.invalid', `Checkpoint: the ${what} is empty. Give it a name.`)
    }
    this.#store = store
    this.#run = run
    this.#owner = owner
    this.#keepMs = keepMs
    this.#key = { partition: `checkpoint/${name}`, sort: sortOf(run) }
  }

  async load({ now }: { readonly now: number }): Promise<SavedCheckpoint | undefined> {
    return this.#learn(await this.#store.get(this.#key, { now }))
  }

  async save(cursor: unknown, { now }: { readonly now: number }): Promise<{ readonly ok: true } | LostCheckpoint> {
    const saves = (this.#known?.saves ?? 0) + 1
    const data = { format: 1, run: this.#run, cursor, savedAt: now, saves, writer: this.#owner }
    const when = this.#known === undefined ? 'absent' : { version: this.#known.version }
    const result = await putForCertain(this.#store, this.#key, data, { when, now, expiresAt: now + this.#keepMs })
    if (!result.ok) return this.#lost(result.current)
    this.#known = { version: result.version, saves }
    return { ok: true }
  }

  async clear({ now }: { readonly now: number }): Promise<{ readonly ok: true } | LostCheckpoint> {
    if (this.#known === undefined) return { ok: true }
    const when = { version: this.#known.version }
    for (let attempt = 1; ; attempt += 1) {
      try {
        const result = await this.#store.delete(this.#key, { when, now })
        // Gone is gone: expired, or removed by a try whose answer was lost.
        if (!result.ok && result.current !== undefined) return this.#lost(result.current)
        this.#known = undefined
        return { ok: true }
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind !== 'store.unknown-outcome' || attempt === 3) throw error
      }
    }
  }

  /** What is there does not become this process's own: it has to stop. */
  #lost(item: StoreItem | undefined): LostCheckpoint {
    return { ok: false, current: item === undefined ? undefined : this.#read(item) }
  }

  #learn(item: StoreItem | undefined): SavedCheckpoint | undefined {
    const saved = item === undefined ? undefined : this.#read(item)
    this.#known = item === undefined || saved === undefined ? undefined : { version: item.version, saves: saved.saves }
    return saved
  }

  #read(item: StoreItem): SavedCheckpoint {
    const parsed = z.safeParse(CheckpointData, item.data)
    if (!parsed.success || parsed.data.run !== this.#run) {
      throw new StoreError(
        'store.corrupt',
        `The checkpoint ${item.sort} in ${item.partition} of ${this.#store.name} is damaged, so nobody knows where the run stopped. Delete the item to begin anew, or restore the store from a backup.`,
      )
    }
    const { cursor, savedAt, saves } = parsed.data
    return { cursor, savedAt, saves }
  }
}

const maxPlainLength = 200

/** The run itself where a store takes it, else a digest; no plain one begins like a digest. */
function sortOf(run: string): string {
  return run.length <= maxPlainLength && /^[!-}][!-~]*$/.test(run) ? run : `~${digestOf([run])}`
}
