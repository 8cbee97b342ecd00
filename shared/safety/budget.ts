import * as z from 'zod/mini'
import { digestOf } from '#shared/pure/digest.ts'
import {
  type Cap,
  type CapWindow,
  capId,
  capText,
  forgottenAt,
  roomAhead,
  stampOf,
  stillCounts,
  type Usage,
  usedUnits,
  withoutTaking,
  withTaking,
} from './cap.ts'
import { putForCertain } from './certain-put.ts'
import { type ItemKey, type Store, StoreError, type StoreItem } from './store.ts'

/** Room that one change needs under one cap. */
export interface Demand {
  readonly cap: Cap
  /** What the cap comes to for this plan. */
  readonly limit: number
  readonly units: number
}

export interface BudgetContext {
  readonly now: number
  /** Names the run for caps per run, the same in every process that works on it. */
  readonly runId: string
}

/** Room that is taken under every cap of a change. Plain data: a later process can give it back too. */
export interface Reservation {
  /** The change must have begun by then: what is never confirmed counts for this instant. */
  readonly beginsBy: number
  readonly takings: readonly {
    readonly item: string
    readonly window: CapWindow
    /** When it was taken. */
    readonly takenAt: number
    /** What it counts for until it is confirmed: the latest instant at which the change was expected to begin. */
    readonly at: number
    readonly units: number
  }[]
}

/** A cap without room, and its figures. The instants are undefined where that never happens. */
export interface FullCap {
  readonly cap: Cap
  readonly limit: number
  readonly used: number
  readonly oldestLeavesAt: number | undefined
  readonly roomAt: number | undefined
}

export type TakeAnswer = { readonly ok: true; readonly reservation: Reservation } | { readonly ok: false; readonly full: FullCap }

export interface BudgetOptions {
  /** Unique to this process: tells what it wrote itself from what others did when an answer of the store was lost. */
  readonly owner: string
  /** How long after its reservation a change may begin. */
  readonly allowanceMs: number
}

/**
 * What is used of caps, kept in the store: one item per cap, for caps per run one per cap and run. Every write is conditional
 * on the version it was decided on, so two runners never both take the last place.
 *
 * Taking and confirming are one round trip per cap each, once this process has seen the item. All methods throw StoreError;
 * what was to be taken may then stay taken, never the other way round.
 */
export interface Budgets {
  /** The first of these caps that has no room, asked of the store where it seems so; undefined when all have. Takes nothing. */
  findFull(demands: readonly Demand[], context: BudgetContext): Promise<FullCap | undefined>
  /** Takes room under all of these caps, or under none. It counts from now on, whatever becomes of this process. */
  take(demands: readonly Demand[], context: BudgetContext): Promise<TakeAnswer>
  /** The change has happened, or may have: it counts for now. A reservation that is not confirmed counts a little longer. */
  confirm(reservation: Reservation, options: { readonly now: number }): Promise<void>
  /**
   * The change has certainly not happened: the room is free again. Does nothing for a reservation that this process has confirmed
   * or released before, also when that failed: another one's room would go.
   */
  release(reservation: Reservation, options: { readonly now: number }): Promise<void>
}

/** Makes the budgets of one process. Sends nothing. */
export function createBudgets(store: Store, options: BudgetOptions): Budgets {
  return new StoreBudgets(store, options)
}

/**
 * What is used of a cap; of one per run there is no answer, as every run has its own. Throws StoreError, of kind `store.corrupt` when
 * the item is damaged.
 */
export async function readUsage(
  store: Store,
  cap: Cap & { readonly window: Exclude<CapWindow, { readonly kind: 'run' }> },
  { now }: { readonly now: number },
): Promise<Usage> {
  return knownOf(await store.get(itemKey(itemOf(cap, { runId: '' })), { now }), store).usage
}

const partition = 'guard/budgets'
/** Each try that fails means that another writer got through. */
const maxTries = 20
const maxRemembered = 200

const BudgetData = z.strictObject({
  format: z.literal(1),
  /** The cap in words, for whoever reads the store. */
  about: z.string(),
  writer: z.string(),
  takings: z.array(z.tuple([z.int().check(z.gte(0)), z.int().check(z.gte(1))])),
})

/** An item as this process knows it. Without a version it is not there. */
interface Known {
  readonly version: number | undefined
  readonly about: string
  readonly usage: Usage
}

class StoreBudgets implements Budgets {
  readonly #store: Store
  readonly #options: BudgetOptions
  readonly #known = new Map<string, Known>()
  /** The last call at work on each item: the calls of one process wait for each other instead of getting in each other's way. */
  readonly #queue = new Map<string, Promise<unknown>>()
  readonly #ended = new WeakSet<Reservation>()
  #writes = 0

  constructor(store: Store, options: BudgetOptions) {
    this.#store = store
    this.#options = options
  }

  async findFull(demands: readonly Demand[], context: BudgetContext): Promise<FullCap | undefined> {
    for (const demand of demands) {
      if (demand.units > demand.limit) return { ...demand, used: 0, oldestLeavesAt: undefined, roomAt: undefined }
      const item = itemOf(demand.cap, context)
      const known = this.#known.get(item)
      if (known !== undefined && hasRoom(known.usage, demand, context.now)) continue
      const { usage } = await this.#read(item, context.now)
      if (!hasRoom(usage, demand, context.now)) return fullCap(usage, demand, context.now)
    }
    return undefined
  }

  async take(demands: readonly Demand[], context: BudgetContext): Promise<TakeAnswer> {
    // Looking first saves taking what would have to be given back.
    const full = await this.findFull(demands, context)
    if (full !== undefined) return { ok: false, full }
    const { now } = context
    const beginsBy = now + this.#options.allowanceMs
    const takings: Reservation['takings'][number][] = []
    const reservation: Reservation = { takings, beginsBy }
    try {
      for (const demand of demands) {
        const { cap, units } = demand
        const item = itemOf(cap, context)
        const at = stampOf(cap.window, beginsBy)
        const refused = await this.#change(item, now, { about: capText(cap, 0), window: cap.window }, (usage) =>
          hasRoom(usage, demand, now) ? withTaking(usage, cap.window, { at, units }, now) : undefined,
        )
        if (refused !== undefined) {
          await this.#giveBack(reservation, now)
          return { ok: false, full: fullCap(refused, demand, now) }
        }
        takings.push({ item, window: cap.window, takenAt: now, at, units })
      }
    } catch (error) {
      await this.#giveBack(reservation, now)
      throw error
    }
    return { ok: true, reservation }
  }

  async confirm(reservation: Reservation, { now }: { readonly now: number }): Promise<void> {
    if (!this.#end(reservation)) return
    for (const { item, window, takenAt, at, units } of reservation.takings) {
      const happenedAt = stampOf(window, Math.max(now, takenAt))
      if (happenedAt === at) continue
      await this.#change(item, now, { window }, (usage) => {
        // What has left the window may be forgotten already, and others' room would go in its place.
        const rest = stillCounts(window, at, now) ? withoutTaking(usage, { at, units }) : usage
        return withTaking(rest, window, { at: happenedAt, units }, now)
      })
    }
  }

  async release(reservation: Reservation, { now }: { readonly now: number }): Promise<void> {
    if (!this.#end(reservation)) return
    for (const { item, window, at, units } of reservation.takings) {
      if (!stillCounts(window, at, now)) continue
      await this.#change(item, now, { window }, (usage) => withoutTaking(usage, { at, units }))
    }
  }

  /** Whether a reservation comes to its end only now. */
  #end(reservation: Reservation): boolean {
    const isNew = !this.#ended.has(reservation)
    this.#ended.add(reservation)
    return isNew
  }

  /** Gives back what was taken for a change that is refused. What cannot be given back stays taken. */
  async #giveBack(reservation: Reservation, now: number): Promise<void> {
    try {
      await this.release(reservation, { now })
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }

  /**
   * Writes what `next` makes of an item's usage. Answers the usage that it makes nothing of; undefined when something was written.
   */
  async #change(
    item: string,
    now: number,
    { about, window }: { readonly about?: string; readonly window: CapWindow },
    next: (usage: Usage) => Usage | undefined,
  ): Promise<Usage | undefined> {
    return await this.#alone(item, async () => {
      let known = this.#known.get(item) ?? (await this.#read(item, now))
      for (let tries = 0; tries < maxTries; tries += 1) {
        const usage = next(known.usage)
        if (usage === undefined) return known.usage
        const refused = await this.#write(item, now, { version: known.version, about: about ?? known.about, usage }, window)
        if (refused === undefined) return undefined
        known = refused
      }
      throw new StoreError(
        'store.unavailable',
        `Others took room under the same cap (item ${item} in ${this.#store.name}) ${maxTries} times meanwhile. Nothing was taken; try again later.`,
      )
    })
  }

  /** Writes an item at the version it is known at. Answers what is there instead when it has changed. */
  async #write(item: string, now: number, known: Known, window: CapWindow): Promise<Known | undefined> {
    this.#writes += 1
    const data = {
      format: 1,
      about: known.about,
      writer: `${this.#options.owner}#${this.#writes}`,
      takings: known.usage.map(({ at, units }) => [at, units]),
    }
    const when = known.version === undefined ? 'absent' : { version: known.version }
    const expiresAt = forgottenAt(known.usage, window, now)
    const result = await putForCertain(this.#store, itemKey(item), data, { when, now, expiresAt })
    if (!result.ok) return this.#remember(item, knownOf(result.current, this.#store))
    this.#remember(item, { ...known, version: result.version })
    return undefined
  }

  async #read(item: string, now: number): Promise<Known> {
    return this.#remember(item, knownOf(await this.#store.get(itemKey(item), { now }), this.#store))
  }

  #remember(item: string, known: Known): Known {
    this.#known.set(item, known)
    const [oldest = item] = this.#known.keys()
    if (this.#known.size > maxRemembered) this.#known.delete(oldest)
    return known
  }

  async #alone<T>(item: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queue.get(item) ?? Promise.resolve()
    const mine = before.then(work)
    const over = mine.then(
      () => undefined,
      () => undefined,
    )
    this.#queue.set(item, over)
    try {
      return await mine
    } finally {
      if (this.#queue.get(item) === over) this.#queue.delete(item)
    }
  }
}

function itemOf(cap: Cap, { runId }: Pick<BudgetContext, 'runId'>): string {
  const id = capId(cap)
  return cap.window.kind === 'run' ? `run/${id}/${digestOf([runId])}` : `cap/${id}`
}

function itemKey(item: string): ItemKey {
  return { partition, sort: item }
}

function hasRoom(usage: Usage, { cap, limit, units }: Demand, now: number): boolean {
  return usedUnits(usage, cap.window, now) + units <= limit
}

function fullCap(usage: Usage, { cap, limit, units }: Demand, now: number): FullCap {
  return { cap, limit, used: usedUnits(usage, cap.window, now), ...roomAhead(usage, cap.window, { now, units, limit }) }
}

/** Throws StoreError of kind `store.corrupt`: what is damaged is not taken for empty. */
function knownOf(item: StoreItem | undefined, store: Store): Known {
  if (item === undefined) return { version: undefined, about: '', usage: [] }
  const parsed = z.safeParse(BudgetData, item.data)
  if (parsed.success) {
    const { about, takings } = parsed.data
    const usage = takings.map(([at, units]) => ({ at, units }))
    if (usage.every(({ at }, index) => at > (usage[index - 1]?.at ?? -1))) return { version: item.version, about, usage }
  }
  throw new StoreError(
    'store.corrupt',
    `The budget ${item.sort} in ${store.name} is damaged, so nobody knows what is used. Restore the store from a backup, or delete the item once you know what was changed.`,
  )
}
