import {
  checkEvent,
  checkedTime,
  type EntryData,
  entryIdOf,
  type InboxEntry,
  InboxError,
  invalid,
  type NewEvent,
  problemOf,
  readPlace,
} from './inbox-entry.ts'
import { InboxItems, type Marker } from './inbox-items.ts'
import type { InboxNudge } from './nudge.ts'
import { type Store, StoreError } from './store.ts'

export interface InboxOptions {
  /** Whose inbox it is; functions never share one. */
  readonly function: string
  /** Tries after which an event is dead; 10 when absent. */
  readonly maxAttempts?: number | undefined
  /** Wait after a try that failed, by the number of the try from 1; 10 s doubled each time, at most 15 min, when absent. */
  readonly retryDelayMs?: ((attempt: number) => number) | undefined
  /** How long after its deadline whoever took an event is still believed to work on it; 10 s when absent. */
  readonly graceMs?: number | undefined
  /** How long a finished event is remembered, so that a replay is recognised; 7 days when absent. */
  readonly keepMs?: number | undefined
  /** Markers that are read at once, at most; 1,000 when absent. */
  readonly pageSize?: number | undefined
}

/**
 * - `accepted` it is durable now
 * - `duplicate` it was before. Durable as well, and the entry says what the first answer was made of.
 */
export interface Accepted {
  readonly kind: 'accepted' | 'duplicate'
  readonly entry: InboxEntry
  /** False when this delivery says something else under the id of an earlier one; the earlier one counts. */
  readonly sameContent: boolean
  /** Whom to wake; undefined when somebody has been at it already. */
  readonly nudge: InboxNudge | undefined
}

/** The right to work on an event. It is lost as soon as anybody else writes the entry; `renew` gives a new one. */
export interface InboxClaim {
  readonly id: string
  readonly deadline: number
  /** The entry as this claim wrote it, with its payload. */
  readonly entry: InboxEntry
}

export interface TakeOrder {
  /** Unique to this run of this process, as in `AcquireOrder`. */
  readonly owner: string
  readonly now: number
  /** Until then the owner has finished, or has given up. */
  readonly deadline: number
}

export interface TakenEvents {
  /** At most one of each group, oldest first. */
  readonly claims: readonly InboxClaim[]
  /** Ids of what turned out to be dead on the way: tried too often without ever an answer, or damaged. */
  readonly died: readonly string[]
}

/**
 * - `taken` an event to work on: the one that was asked for, or an earlier one of its group, after which to ask again
 * - `finished` it is done, or not there any more
 * - `dead` nobody tries it any more
 * - `busy` somebody works on its group until about then
 * - `waiting` its group goes on then: an event of it failed before, or is put off
 */
export type TakenFor =
  | { readonly kind: 'taken'; readonly claim: InboxClaim }
  | { readonly kind: 'finished' }
  | { readonly kind: 'dead' }
  | { readonly kind: 'busy' | 'waiting'; readonly until: number }

/**
 * - `done` it is finished
 * - `failed` this try came to nothing; there is another one later, or it is dead when that was the last
 * - `later` it goes on at a given time, and that is no failure
 * - `dead` no further try would help
 */
export type InboxOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' | 'dead'; readonly code: string; readonly text: string }
  | { readonly kind: 'later'; readonly at: number; readonly code: string; readonly text: string }

/** The claim was lost: somebody else has written the entry since. Nothing was written. */
export interface LostInboxClaim {
  readonly ok: false
  readonly current: InboxEntry | undefined
}

/** The first event of a group that may be due. */
export interface DueEvent {
  readonly nudge: InboxNudge
  /** The last one of the group that is due behind it, as far as was seen: whoever is woken for that works on the others first. */
  readonly last: InboxNudge
  /** Since when it waits, at least. */
  readonly since: number
  /** Nobody has given it back so far: its first nudge may still be under way. */
  readonly isFresh: boolean
}

/**
 * Events that outlive the process, from the answer "taken" until they are worked on:
 * `RECEIVED -> TAKEN -> DONE | RETRY -> TAKEN -> … -> DEAD`.
 *
 * Every accepted event is worked on at least once and finished exactly once: every write is conditional on the version that
 * the writer knows, so whoever was overtaken finishes nothing. Events of one group are worked on one after the other, in the
 * order in which they were accepted; a dead one lets the next one go ahead. All methods throw StoreError and InboxError.
 */
export interface Inbox {
  readonly function: string
  /** Makes an event durable. It has been accepted once this answers; after an error the sender must send it again. Two round trips. */
  accept(event: NewEvent): Promise<Accepted>
  /** The oldest events that are due, at most `limit` (10 when absent) and one of each group. */
  take(order: TakeOrder & { readonly limit?: number | undefined }): Promise<TakenEvents>
  /** Takes what must be worked on next so that this event gets done: itself, or an earlier one of its group. */
  takeFor(id: string, order: TakeOrder): Promise<TakenFor>
  /** Moves the deadline of a claim; the old claim is worth nothing afterwards. */
  renew(
    claim: InboxClaim,
    order: { readonly now: number; readonly deadline: number },
  ): Promise<{ readonly ok: true; readonly claim: InboxClaim } | LostInboxClaim>
  /** Writes down how a try ended and gives the event back. */
  finish(
    claim: InboxClaim,
    order: { readonly now: number; readonly outcome: InboxOutcome },
  ): Promise<{ readonly ok: true; readonly entry: InboxEntry } | LostInboxClaim>
  /** First events of their groups that may be due, oldest first, at most `limit` (100 when absent). Reads markers only. */
  due(options: { readonly now: number; readonly limit?: number | undefined }): Promise<readonly DueEvent[]>
  get(id: string, options: { readonly now: number }): Promise<InboxEntry | undefined>
}

const defaultMaxAttempts = 10
const defaultGraceMs = 10_000
const defaultKeepMs = 7 * 86_400_000
const defaultPageSize = 1000
const firstPageSize = 50
const maxWrites = 6
/** Finished events of one group that are stepped over in one go. */
const maxLooks = 100

/**
 * Places are never given further back than this, so everything that is open and older was seen by an earlier look, or was
 * written by a process that hung for longer; the whole line is looked through every hour and finds that too.
 */
const farthestBackMs = 5 * 60_000
const wholeLookEveryMs = 60 * 60_000

/** What goes on later goes on after this at the earliest, so that it cannot keep everybody busy. */
const leastDelayMs = 1000
const firstRetryMs = 10_000
const longestRetryMs = 15 * 60_000

/** Makes the inbox of one function. Sends nothing. */
export function createInbox(store: Store, options: InboxOptions): Inbox {
  return new StoreInbox(store, options)
}

/** The nudge about an entry. */
export function nudgeOf({ function: name, id, group, place, dueAt }: InboxEntry): InboxNudge {
  return nudgeAt(name, { id, group, place, notBefore: dueAt ?? 0 })
}

function nudgeAt(name: string, { id, group, place, notBefore }: Pick<Marker, 'id' | 'group' | 'place' | 'notBefore'>): InboxNudge {
  return { function: name, id, group, once: `${place}.${notBefore}` }
}

class StoreInbox implements Inbox {
  readonly function: string
  readonly #items: InboxItems
  readonly #maxAttempts: number
  readonly #retryDelayMs: (attempt: number) => number
  readonly #graceMs: number
  readonly #keepMs: number
  readonly #pageSize: number
  readonly #line: LineStart
  #claims = 0

  constructor(store: Store, options: InboxOptions) {
    this.function = options.function
    this.#items = new InboxItems(store, options.function)
    this.#maxAttempts = options.maxAttempts ?? defaultMaxAttempts
    this.#retryDelayMs = options.retryDelayMs ?? ((attempt) => Math.min(longestRetryMs, firstRetryMs * 2 ** (attempt - 1)))
    this.#graceMs = checkedTime(options.graceMs ?? defaultGraceMs, 'graceMs')
    this.#keepMs = checkedTime(options.keepMs ?? defaultKeepMs, 'keepMs')
    this.#pageSize = options.pageSize ?? defaultPageSize
    this.#line = new LineStart()
  }

  async accept(event: NewEvent): Promise<Accepted> {
    const payloadDigest = checkEvent(event)
    const { source, id: key, group, payload } = event
    const now = checkedTime(event.now, 'now')
    const receivedAt = checkedTime(event.receivedAt, 'receivedAt')
    const id = entryIdOf(this.function, source, key)
    const place = this.#items.placeAt(Math.min(now, Math.max(receivedAt, now - farthestBackMs, 0)), id)
    const data: EntryData = {
      format: 1,
      state: 'RECEIVED',
      source,
      key,
      group,
      payload,
      payloadDigest,
      receivedAt,
      changedAt: now,
      attempt: 0,
      place,
    }
    for (let writes = 0; writes < maxWrites; writes += 1) {
      const written = await this.#items.write(id, data, { fence: 'absent', now })
      if (written.ok) {
        // The entry first: a marker is only ever taken away when its entry is finished.
        await this.#items.markOpen(written.entry, 0, now)
        return { kind: 'accepted', entry: written.entry, sameContent: true, nudge: nudgeOf(written.entry) }
      }
      const { current } = written
      // It has expired this very moment.
      if (current === undefined) continue
      const duplicate = { kind: 'duplicate', entry: current, sameContent: current.payloadDigest === payloadDigest } as const
      if (current.state !== 'RECEIVED') return { ...duplicate, nudge: undefined }
      // Whoever accepted it first may have got no further than the entry, or hung until looks had moved on. A second place in
      // line, behind the first, makes sure.
      if (isFarBack(current.place, now) || !(await this.#items.isOpen(current.place, now))) {
        await this.#items.markOpen({ place, group: current.group }, 0, now)
      }
      return { ...duplicate, nudge: nudgeOf(current) }
    }
    throw contended(this.function, id)
  }

  async take(given: TakeOrder & { readonly limit?: number | undefined }): Promise<TakenEvents> {
    const order = checkedOrder(given)
    const limit = given.limit ?? 10
    const claims: InboxClaim[] = []
    const died: string[] = []
    const held = new Set<string>()
    let failure: unknown
    for await (const page of this.#walk(order.now, limit)) {
      const groups = byGroup(page, held)
      while (groups.length > 0 && claims.length < limit && failure === undefined) {
        const some = groups.splice(0, limit - claims.length)
        const ends = await Promise.allSettled(some.map((markers) => this.#takeFirst(markers, order, died)))
        for (const [index, end] of ends.entries()) {
          if (end.status === 'rejected') failure ??= end.reason
          else if (end.value !== 'nothing') held.add(some[index]?.[0]?.group ?? '')
          if (end.status === 'fulfilled' && typeof end.value === 'object') claims.push(end.value)
        }
      }
      // Further on there are only younger ones.
      if (claims.length > 0 || failure !== undefined) break
    }
    // What was taken so far is worked on now, instead of coming back after its deadline.
    const isPassing = failure instanceof StoreError || failure instanceof InboxError
    if (failure !== undefined && (claims.length === 0 || !isPassing)) throw failure
    return { claims, died }
  }

  async takeFor(id: string, given: TakeOrder): Promise<TakenFor> {
    const order = checkedOrder(given)
    const { now } = order
    for (let looks = 0; looks < maxLooks; looks += 1) {
      const entry = await this.#intact(id, now)
      if (entry === 'damaged') return { kind: 'dead' }
      if (entry === undefined || entry.state === 'DONE' || entry.state === 'DEAD') {
        await this.#clear(id, entry, now)
        return { kind: entry?.state === 'DEAD' ? 'dead' : 'finished' }
      }
      const marker = await this.#firstOf(entry, now)
      const look = await this.#lookAt(marker, order, marker.id === id ? entry : undefined)
      if (look.kind === 'taken' || look.kind === 'busy' || look.kind === 'waiting') return look
      // It was finished or is dead: the next one of the group, if it was not this one.
    }
    return { kind: 'busy', until: now }
  }

  async renew(
    claim: InboxClaim,
    order: { readonly now: number; readonly deadline: number },
  ): Promise<{ readonly ok: true; readonly claim: InboxClaim } | LostInboxClaim> {
    const now = checkedTime(order.now, 'now')
    const holder = { id: claim.id, deadline: checkedTime(order.deadline, 'deadline') }
    const data = { ...dataOf(claim.entry), changedAt: now, holder, writer: claim.id }
    const written = await this.#items.write(claim.entry.id, data, { fence: claim.entry.fence, now })
    return written.ok ? { ok: true, claim: { ...holder, entry: written.entry } } : written
  }

  async finish(
    claim: InboxClaim,
    order: { readonly now: number; readonly outcome: InboxOutcome },
  ): Promise<{ readonly ok: true; readonly entry: InboxEntry } | LostInboxClaim> {
    const now = checkedTime(order.now, 'now')
    const { entry } = claim
    const data = { ...this.#after(entry, order.outcome, now), writer: claim.id }
    const expiresAt = data.state === 'DONE' ? now + this.#keepMs : undefined
    const written = await this.#items.write(entry.id, data, { fence: entry.fence, now, expiresAt })
    if (written.ok) await this.#tidy(written.entry, now)
    return written
  }

  async due({ now: given, limit = 100 }: { readonly now: number; readonly limit?: number | undefined }): Promise<readonly DueEvent[]> {
    const now = checkedTime(given, 'now')
    const due: DueEvent[] = []
    const seen = new Set<string>()
    for await (const page of this.#walk(now, limit)) {
      for (const markers of byGroup(page, seen)) {
        const [marker] = markers
        if (marker === undefined || due.length >= limit) break
        seen.add(marker.group)
        if (marker.notBefore > now) continue
        const since = Math.max(marker.notBefore, marker.timeMs)
        const end = markers.findIndex(({ notBefore }) => notBefore > now)
        const last = nudgeAt(this.function, markers.at(end === -1 ? -1 : end - 1) ?? marker)
        due.push({ nudge: nudgeAt(this.function, marker), last, since, isFresh: marker.notBefore === 0 })
      }
      if (due.length >= limit) break
    }
    return due
  }

  async get(id: string, { now }: { readonly now: number }): Promise<InboxEntry | undefined> {
    return await this.#items.read(id, now)
  }

  /** The entry after a try. */
  #after(entry: InboxEntry, outcome: InboxOutcome, now: number): EntryData {
    const { holder: _, dueAt: __, error: ___, ...data } = { ...dataOf(entry), changedAt: now }
    switch (outcome.kind) {
      case 'done': {
        const { payload: ____, ...rest } = data
        return { ...rest, state: 'DONE' }
      }
      case 'later':
        return {
          ...data,
          state: 'RETRY',
          attempt: 0,
          dueAt: Math.max(checkedTime(outcome.at, 'at'), now + leastDelayMs),
          error: problemOf({ ...outcome, at: now }),
        }
      case 'dead':
        return { ...data, state: 'DEAD', error: problemOf({ ...outcome, at: now }) }
      case 'failed': {
        const error = problemOf({ ...outcome, at: now })
        if (entry.attempt >= this.#maxAttempts) return { ...data, state: 'DEAD', error }
        return { ...data, state: 'RETRY', dueAt: checkedTime(now + this.#retryDelayMs(entry.attempt), 'retryDelayMs'), error }
      }
    }
  }

  /** Brings the markers in line with what was just written. What fails here is made up for by the next look at the marker. */
  async #tidy(entry: InboxEntry, now: number): Promise<void> {
    try {
      if (entry.state === 'DONE') await this.#items.unmarkOpen(entry.place, now)
      else if (entry.state === 'DEAD') await this.#bury(entry, now)
      else await this.#items.markOpen(entry, entry.dueAt ?? 0, now)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
    }
  }

  /**
   * Takes a finished entry out of the line: whoever finished it may have died first, or the store was away. Nobody else would, for
   * whoever is woken for it is told that it is finished, and its group would stand behind it for ever.
   */
  async #clear(id: string, entry: InboxEntry | undefined, now: number): Promise<void> {
    if (entry !== undefined && (await this.#items.isOpen(entry.place, now))) await this.#tidy(entry, now)
    // An event that was accepted twice may have a second place. One that keeps others waiting is near the start.
    for await (const page of this.#walk(now, firstPageSize)) {
      for (const marker of page) if (marker.id === id) await this.#items.unmarkOpen(marker.place, now)
      break
    }
  }

  /** Puts a dead entry where it is seen, and only then takes it out of the line. */
  async #bury({ id, changedAt, place }: InboxEntry, now: number): Promise<void> {
    await this.#items.markDead(id, changedAt, now)
    await this.#items.unmarkOpen(place, now)
  }

  /** Takes the first event of a group that is not finished, if it may be taken. */
  async #takeFirst(markers: readonly SeenMarker[], order: CheckedOrder, died: string[]): Promise<InboxClaim | 'held' | 'nothing'> {
    for (const marker of markers) {
      // Without a look at the entry.
      if (marker.notBefore > order.now || !(await this.#isFirst(marker, order.now))) return 'held'
      const look = await this.#lookAt(marker, order)
      if (look.kind === 'taken') return look.claim
      if (look.kind === 'died') died.push(marker.id)
      if (look.kind === 'busy' || look.kind === 'waiting') return 'held'
    }
    return 'nothing'
  }

  /** What is to be done about a marker: takes its entry if it may be taken, clears it away if it is finished. */
  async #lookAt(marker: Marker, order: CheckedOrder, known?: InboxEntry): Promise<Look> {
    const { now } = order
    const entry = known ?? (await this.#intact(marker.id, now))
    if (entry === 'damaged') return { kind: 'died' }
    if (entry === undefined || entry.state === 'DONE') {
      await this.#items.unmarkOpen(marker.place, now)
      return { kind: 'gone' }
    }
    if (entry.state === 'DEAD') {
      await this.#bury(entry, now)
      if (marker.place !== entry.place) await this.#items.unmarkOpen(marker.place, now)
      return { kind: 'gone' }
    }
    if (entry.state === 'TAKEN' && entry.holder !== undefined && now <= entry.holder.deadline + this.#graceMs) {
      return { kind: 'busy', until: entry.holder.deadline + this.#graceMs }
    }
    if (entry.dueAt !== undefined && now < entry.dueAt) return { kind: 'waiting', until: entry.dueAt }
    if (entry.attempt >= this.#maxAttempts) return await this.#giveUp(entry, now)
    return await this.#claim(entry, order)
  }

  /** The entry. One that is damaged is put with the dead, so that it is seen and holds up nobody. */
  async #intact(id: string, now: number): Promise<InboxEntry | 'damaged' | undefined> {
    try {
      return await this.#items.read(id, now)
    } catch (error) {
      if (!(error instanceof InboxError)) throw error
      await this.#items.markDead(id, 0, now)
      for await (const page of this.#pages({}, now)) {
        for (const marker of page) if (marker.id === id) await this.#items.unmarkOpen(marker.place, now)
      }
      return 'damaged'
    }
  }

  async #claim(entry: InboxEntry, { owner, now, deadline }: CheckedOrder): Promise<Look> {
    this.#claims += 1
    // The number tells two claims of one run apart.
    const holder = { id: `${owner}#${this.#claims}`, deadline }
    const { dueAt: _, ...rest } = dataOf(entry)
    const data: EntryData = { ...rest, state: 'TAKEN', changedAt: now, attempt: entry.attempt + 1, holder, writer: holder.id }
    const written = await this.#items.write(entry.id, data, { fence: entry.fence, now })
    // Somebody was faster; until when they are at it does not matter so much as that they are.
    return written.ok ? { kind: 'taken', claim: { ...holder, entry: written.entry } } : { kind: 'busy', until: now }
  }

  /** Every try ended without a word, most likely with the process: another one would end the same way. */
  async #giveUp(entry: InboxEntry, now: number): Promise<Look> {
    const text = `${entry.attempt} tries ended without an answer: the process was killed, hung or lost the store each time`
    const { holder: _, dueAt: __, ...rest } = dataOf(entry)
    const error = problemOf({
      at: now,
      code: 'inbox.no-answer',
      text: entry.error === undefined ? text : `${text}; before: ${entry.error.text}`,
    })
    const written = await this.#items.write(entry.id, { ...rest, state: 'DEAD', changedAt: now, error }, { fence: entry.fence, now })
    if (!written.ok) return { kind: 'busy', until: now }
    await this.#bury(written.entry, now)
    return { kind: 'died' }
  }

  /** The first marker of an entry's group. An entry that is in no line, as it was never quite accepted, is put in. */
  async #firstOf({ id, group, place }: InboxEntry, now: number): Promise<Marker> {
    for await (const page of this.#walk(now, firstPageSize, place)) {
      const first = page.find((marker) => marker.group === group)
      if (first !== undefined && (await this.#isFirst(first, now))) return first
    }
    const fresh = { group, place: this.#items.placeAt(now, id) }
    await this.#items.markOpen(fresh, 0, now)
    return { ...fresh, id, timeMs: now, notBefore: 0 }
  }

  /**
   * Whether no earlier marker of its group is there. A page shows the line as it is when the page is read, so a marker on a
   * later page may follow one that was written to an earlier page meanwhile.
   */
  async #isFirst({ group, place, isOnFirstPage }: SeenMarker, now: number): Promise<boolean> {
    if (isOnFirstPage) return true
    for await (const page of this.#pages({ from: this.#line.from(now), to: place }, now)) {
      if (page.some((earlier) => earlier.place < place && earlier.group === group)) return false
    }
    return true
  }

  /** The line from its start, or from an earlier place that is asked for; learns where the start is. */
  async *#walk(now: number, limit: number, place?: string): AsyncGenerator<readonly SeenMarker[], void, undefined> {
    const start = this.#line.begin(now)
    const from = start === undefined || (place !== undefined && place < start) ? undefined : start
    let first: SeenMarker | undefined
    for await (const page of this.#pages({ from, limit: Math.max(firstPageSize, limit * 4) }, now)) {
      if (first === undefined) this.#line.learn(page[0]?.timeMs ?? now, now)
      first ??= page[0]
      yield page
    }
  }

  async *#pages(
    range: { readonly from?: string | undefined; readonly to?: string | undefined; readonly limit?: number },
    now: number,
  ): AsyncGenerator<readonly SeenMarker[], void, undefined> {
    let after: string | undefined
    let isOnFirstPage = true
    let limit = Math.min(range.limit ?? this.#pageSize, this.#pageSize)
    do {
      const page = await this.#items.openPage({ ...range, after, limit }, now)
      yield page.markers.map((marker) => ({ ...marker, isOnFirstPage }))
      after = page.next
      isOnFirstPage = false
      limit = this.#pageSize
    } while (after !== undefined)
  }
}

/** The markers of each group that nobody holds, groups in the order of their first one. */
function byGroup(markers: readonly SeenMarker[], held: ReadonlySet<string>): (readonly SeenMarker[])[] {
  const groups = new Map<string, SeenMarker[]>()
  for (const marker of markers) {
    if (held.has(marker.group)) continue
    const group = groups.get(marker.group)
    if (group === undefined) groups.set(marker.group, [marker])
    else group.push(marker)
  }
  return [...groups.values()]
}

/** A marker as it was read; what is on the first page of a look was read at one moment with all that comes before it. */
type SeenMarker = Marker & { readonly isOnFirstPage: boolean }

/**
 * Remembers where the line begins. What is taken out of it stays behind in the store for a while, unseen but in the way, so a
 * look that began at the very first marker ever would have to step over all of that.
 */
class LineStart {
  #fromMs: number | undefined
  #wholeLookAt = 0
  #latest = 0

  /** Where to begin; now and then, and when time went back, at the very start. */
  begin(now: number): string | undefined {
    if (now < this.#latest || now - this.#wholeLookAt >= wholeLookEveryMs) {
      this.#fromMs = undefined
      this.#wholeLookAt = now
    }
    this.#latest = now
    return this.from(now)
  }

  from(now: number): string | undefined {
    return this.#fromMs === undefined || now < this.#latest ? undefined : String(this.#fromMs).padStart(16, '0')
  }

  /** The first marker of a look was at this time. */
  learn(timeMs: number, now: number): void {
    this.#fromMs = Math.max(0, Math.min(timeMs, now) - 2 * farthestBackMs)
  }
}

type Look =
  | { readonly kind: 'taken'; readonly claim: InboxClaim }
  | { readonly kind: 'gone' | 'died' }
  | { readonly kind: 'busy' | 'waiting'; readonly until: number }

interface CheckedOrder {
  readonly owner: string
  readonly now: number
  readonly deadline: number
}

function checkedOrder({ owner, now, deadline }: TakeOrder): CheckedOrder {
  if (typeof owner !== 'string' || owner === '') throw invalid('events were to be taken by nobody. Give an owner that no other run has.')
  const order = { owner, now: checkedTime(now, 'now'), deadline: checkedTime(deadline, 'deadline') }
  if (order.deadline <= order.now) throw invalid('the deadline of whoever takes an event is over already. Give one that is ahead.')
  return order
}

function isFarBack(place: string, now: number): boolean {
  return (readPlace(place)?.timeMs ?? 0) < now - farthestBackMs
}

/** An entry as data again, to be written with changes. */
export function dataOf({ id: _, function: __, fence: ___, ...facts }: InboxEntry): EntryData {
  return { format: 1, ...facts }
}

export function contended(functionName: string, id: string): InboxError {
  return new InboxError(
    'inbox.contended',
    `Inbox: others changed the entry ${id} of ${functionName} ${maxWrites} times while it was to be written. Nothing was written; try again later.`,
  )
}
