import * as z from 'zod/mini'
import { putForCertain } from './certain-put.ts'
import { type EntryData, entryOf, type InboxEntry, InboxError, placeOf, readPlace } from './inbox-entry.ts'
import { type ItemKey, type Store, StoreError, type StoreItem } from './store.ts'

/**
 * How an inbox lies in the store. Three partitions per function:
 *
 * - `inbox/<function>/entries`: one item per event, under its id. This is the truth.
 * - `inbox/<function>/open`: one small marker per event that is not finished, in the order of arrival. Found by time, without
 *   ever touching what is finished.
 * - `inbox/<function>/dead`: one marker per dead letter, in the order in which they died.
 *
 * Two items cannot be written in one step, so their order keeps anything from being lost: an entry is written before its open
 * marker, and no event counts as accepted before both are. A marker is removed only once its entry was seen to be finished, or
 * dead and marked as dead; an entry that comes back to life gets a marker at a new place, so that a removal which comes
 * late hurts nobody. What a crash leaves over is a marker too many, which the next look at it takes away.
 */
export class InboxItems {
  readonly function: string
  readonly #store: Store
  #lastMs = -1
  #seq = 0

  constructor(store: Store, functionName: string) {
    this.#store = store
    this.function = functionName
  }

  /** A new place in line at a time, behind every other that this process has given at the same one. */
  placeAt(timeMs: number, id: string): string {
    this.#seq = timeMs === this.#lastMs ? this.#seq + 1 : 0
    this.#lastMs = timeMs
    return placeOf(timeMs, this.#seq, id)
  }

  async read(id: string, now: number): Promise<InboxEntry | undefined> {
    const item = await this.readItem(id, now)
    return item === undefined ? undefined : entryOf(this.function, item)
  }

  /** The entry's item as it is, damaged or not. */
  async readItem(id: string, now: number): Promise<StoreItem | undefined> {
    return await this.#store.get(this.#entryKey(id), { now })
  }

  /**
   * Writes an entry if it is (still) as `fence` says, `absent` when there is none. Answers what is there instead when it is not.
   */
  async write(id: string, data: EntryData, options: WriteOptions): Promise<Written> {
    const { fence, now, expiresAt } = options
    const when = fence === 'absent' ? fence : { version: fence }
    const result = await putForCertain(this.#store, this.#entryKey(id), data, { when, now, expiresAt })
    if (!result.ok) return { ok: false, current: result.current === undefined ? undefined : entryOf(this.function, result.current) }
    const { format: _, writer: __, ...facts } = data
    return { ok: true, entry: { ...facts, id, function: this.function, fence: result.version } }
  }

  /** Removes a damaged item, if it is still the one that was read. */
  async removeItem({ sort, version }: StoreItem, now: number): Promise<void> {
    await this.#store.delete(this.#entryKey(sort), { when: { version }, now })
  }

  /** Puts an entry in line. Repeating it changes nothing; so it is repeated when the store's answer is lost. */
  async markOpen({ place, group }: Pick<InboxEntry, 'place' | 'group'>, notBefore: number, now: number): Promise<void> {
    await this.#putAnyhow(this.#openKey(place), { format: 1, group, notBefore }, now)
  }

  async isOpen(place: string, now: number): Promise<boolean> {
    return (await this.#store.get(this.#openKey(place), { now })) !== undefined
  }

  async unmarkOpen(place: string, now: number): Promise<void> {
    await this.#store.delete(this.#openKey(place), { when: 'any', now })
  }

  /** A page of the line, oldest first. A marker that is damaged is made anew from its entry. */
  async openPage(range: OpenRange, now: number): Promise<OpenPage> {
    const page = await this.#store.query({ partition: `inbox/${this.function}/open`, ...range, now })
    const markers: Marker[] = []
    for (const item of page.items) {
      const marker = markerOf(item) ?? (await this.#repairMarker(item, now))
      if (marker !== undefined) markers.push(marker)
    }
    return { markers, next: page.next }
  }

  async #repairMarker({ sort }: StoreItem, now: number): Promise<Marker | undefined> {
    const place = readPlace(sort)
    // What is not even called as a marker is somebody else's.
    if (place === undefined) return undefined
    const group = await this.#groupOf(place.id, now)
    await this.markOpen({ place: sort, group }, 0, now)
    return { ...place, place: sort, group, notBefore: 0 }
  }

  /** The group of an event; one of its own when its entry is gone or damaged too. */
  async #groupOf(id: string, now: number): Promise<string> {
    try {
      return (await this.read(id, now))?.group ?? id
    } catch (error) {
      if (error instanceof InboxError) return id
      throw error
    }
  }

  /** Puts an entry where the dead are seen; `diedAt` is 0 for what is damaged, so that it is there once. */
  async markDead(id: string, diedAt: number, now: number): Promise<void> {
    await this.#putAnyhow(this.#deadKey(placeOf(diedAt, 0, id)), { format: 1 }, now)
  }

  async unmarkDead(id: string, diedAt: number, now: number): Promise<void> {
    await this.#store.delete(this.#deadKey(placeOf(diedAt, 0, id)), { when: 'any', now })
  }

  async deadPage(range: OpenRange, now: number): Promise<DeadPage> {
    const page = await this.#store.query({ partition: `inbox/${this.function}/dead`, ...range, now })
    const letters = page.items.flatMap(({ sort }) => {
      const place = readPlace(sort)
      return place === undefined ? [] : [{ id: place.id, diedAt: place.timeMs, place: sort }]
    })
    return { letters, next: page.next }
  }

  /** A put under no condition, which may be repeated as often as one likes. */
  async #putAnyhow(key: ItemKey, data: object, now: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#store.put(key, data, { when: 'any', now })
        return
      } catch (error) {
        if (!(error instanceof StoreError) || error.kind !== 'store.unknown-outcome' || attempt === 3) throw error
      }
    }
  }

  #entryKey(id: string): ItemKey {
    return { partition: `inbox/${this.function}/entries`, sort: id }
  }

  #openKey(place: string): ItemKey {
    return { partition: `inbox/${this.function}/open`, sort: place }
  }

  #deadKey(place: string): ItemKey {
    return { partition: `inbox/${this.function}/dead`, sort: place }
  }
}

export interface WriteOptions {
  readonly fence: number | 'absent'
  readonly now: number
  readonly expiresAt?: number | undefined
}

export type Written = { readonly ok: true; readonly entry: InboxEntry } | { readonly ok: false; readonly current: InboxEntry | undefined }

/** A range of a line; bounds as in StoreQuery. */
export interface OpenRange {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

/** Says that an event is not finished. */
export interface Marker {
  readonly id: string
  readonly group: string
  readonly place: string
  readonly timeMs: number
  /** The entry is not due before; it may be later than this says, never earlier. */
  readonly notBefore: number
}

export interface OpenPage {
  readonly markers: readonly Marker[]
  readonly next: string | undefined
}

export interface DeadPage {
  readonly letters: readonly { readonly id: string; readonly diedAt: number; readonly place: string }[]
  readonly next: string | undefined
}

const MarkerData = z.strictObject({ format: z.literal(1), group: z.string(), notBefore: z.number() })

function markerOf({ sort, data }: StoreItem): Marker | undefined {
  const place = readPlace(sort)
  const parsed = z.safeParse(MarkerData, data)
  if (place === undefined || !parsed.success) return undefined
  return { ...place, place: sort, group: parsed.data.group, notBefore: parsed.data.notBefore }
}
