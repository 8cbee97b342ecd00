import type { Clock } from './clock.ts'

/** Why a call got no permit: the wait would have passed its deadline, or its caller ended it. */
export class LimitError extends Error {
  override readonly name = 'LimitError'
  readonly reason: 'deadline' | 'aborted'

  constructor(reason: 'deadline' | 'aborted') {
    super(reason === 'deadline' ? 'the wait for the rate limit would pass the deadline' : 'the caller ended the call')
    this.reason = reason
  }
}

export interface LimiterOptions {
  readonly clock: Clock
  /** Published limit of the action. */
  readonly ratePerSecond: number
  /** Part of it that this client may use, above 0 and at most 1: the account's other programs need theirs. */
  readonly share: number
}

/** A second, and so much as the way to the platform may be shorter for a later request than for an earlier one. */
const publishedWindowMs = 1040

/** By so much all windows become longer when the platform has refused a request for its rate all the same. */
const refusedFactor = 1.05
/** They become at most so many times as long. */
const longestStretch = 4
/** And when nothing was refused for so long, they are again as they were. */
const forgetMs = 10 * 60_000

interface Waiter {
  readonly deadline: number
  readonly grant: () => void
  readonly refuse: (error: LimitError) => void
}

/** In any window of this length, both its ends included, at most so many requests leave. */
interface Rule {
  readonly most: number
  readonly windowMs: number
}

/**
 * Keeps the calls of one action within its rate. In any one-second window, wherever it begins and both its ends included, at
 * most `rate × share` requests leave, and at least one may (then the windows are longer, so that the share holds). And in any 1,040
 * ms at most `rate` leave: the platform counts when requests arrive, and there they may be closer together by 40 ms than they were
 * here. First come, first served.
 *
 * Where the ways differ by more, or others of the account call as well, the platform refuses a request; each time that is told
 * by `refused`, all windows become longer by 5 %, at most once in a window, and stay so for ten minutes after the last time.
 *
 * A permit counts until its request has left and a window after that: a process that is frozen in between does not send a
 * burst when it thaws. Every permit must end with `left()` or `giveBack()`.
 */
export class Limiter {
  readonly #clock: Clock
  /** What the share leaves, and what is published. The share's number is never the larger one. */
  readonly #own: Rule
  readonly #published: Rule
  readonly #longestMs: number
  /** Times of the requests that still count, in the order in which they left, on the monotonic clock. */
  readonly #departures: number[] = []
  /** In the order in which they asked. */
  readonly #waiters = new Set<Waiter>()
  /** Permits whose request has not left yet. */
  #held = 0
  /** How many times as long all windows are. */
  #stretch = 1
  /** When that was changed last, on the monotonic clock. */
  #stretchedAt = Number.NEGATIVE_INFINITY
  #wakeAt = Number.POSITIVE_INFINITY
  #wake: AbortController | undefined

  constructor(options: LimiterOptions) {
    const { clock, ratePerSecond, share } = options
    const allowed = ratePerSecond * share
    this.#clock = clock
    this.#own = { most: Math.max(1, Math.floor(allowed)), windowMs: Math.max(1000, 1000 / allowed) }
    this.#published = { most: Math.max(1, Math.floor(ratePerSecond)), windowMs: publishedWindowMs }
    this.#longestMs = Math.max(this.#own.windowMs, this.#published.windowMs)
  }

  /**
   * Takes a permit: at once (undefined), or by a promise. Throws, or rejects with, LimitError: at once when the wait would
   * certainly pass `deadline` (epoch milliseconds), later when it does, and when the signal is aborted.
   */
  take(deadline: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    const now = this.#clock.monotonic()
    // A timer may be late: whoever waits goes first.
    this.#serve(now)
    if (this.#hasRoom(now)) {
      this.#held += 1
      return undefined
    }
    if (signal?.aborted === true) throw new LimitError('aborted')
    if (deadline < Number.POSITIVE_INFINITY && this.#clock.now() + (this.#earliest(now) - now) > deadline) throw new LimitError('deadline')
    return this.#wait(deadline, signal, now)
  }

  /** The request is about to leave, at `now` on the monotonic clock. */
  left(now: number): void {
    this.#held -= 1
    this.#departures.push(now)
    this.#serve(now)
  }

  /** The platform refused a request for its rate that left at `leftAt` on the monotonic clock: from now on they leave further apart. */
  refused(leftAt: number): void {
    const now = this.#clock.monotonic()
    // What left within a window after the last time met what had left before it.
    if (leftAt < this.#stretchedAt + publishedWindowMs * this.#stretch) return
    this.#stretch = Math.min(longestStretch, this.#stretch * refusedFactor)
    this.#stretchedAt = now
  }

  /** The request will not leave after all. */
  giveBack(): void {
    this.#held -= 1
    this.#serve(this.#clock.monotonic())
  }

  #wait(deadline: number, signal: AbortSignal | undefined, now: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter)
        reject(new LimitError('aborted'))
        this.#serve(this.#clock.monotonic())
      }
      const settle = (): void => signal?.removeEventListener('abort', onAbort)
      const waiter: Waiter = {
        deadline,
        grant: () => {
          settle()
          resolve()
        },
        refuse: (error) => {
          settle()
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiters.add(waiter)
      this.#wakeInTime(now)
    })
  }

  #hasRoom(now: number): boolean {
    if (now - this.#stretchedAt > forgetMs) this.#stretch = 1
    const departures = this.#departures
    const oldest = now - this.#longestMs * this.#stretch
    while ((departures[0] ?? now) < oldest) departures.shift()
    return this.#roomAt() < now
  }

  /** Up to when there is no room for another one, as far as is known now; on the monotonic clock. */
  #roomAt(): number {
    if (this.#held >= this.#own.most) return Number.POSITIVE_INFINITY
    return this.#nextAfter(this.#departures, this.#held)
  }

  /** Up to when nobody may go after these and `more` that have gone since. */
  #nextAfter(departures: readonly number[], more: number): number {
    let at = Number.NEGATIVE_INFINITY
    for (const { most, windowMs } of [this.#own, this.#published]) {
      const ahead = departures[departures.length + more - most]
      if (ahead !== undefined) at = Math.max(at, ahead + windowMs * this.#stretch)
    }
    return at
  }

  /** A time before which a call that comes now, when there is no room, gets no permit; on the monotonic clock. */
  #earliest(now: number): number {
    // As if those that hold a permit left now, and all that wait as soon as they may.
    const line = [...this.#departures]
    for (let held = 0; held < this.#held; held += 1) line.push(now)
    const next = (): number => Math.max(now, this.#nextAfter(line, 0))
    for (let waiting = 0; waiting < this.#waiters.size; waiting += 1) line.push(next())
    return next()
  }

  /** Refuses those whose deadline has passed, gives permits to those in front, and sees to being called again in time. */
  #serve(now: number): void {
    const wallNow = this.#clock.now()
    for (const waiter of this.#waiters) {
      if (waiter.deadline < wallNow) {
        this.#waiters.delete(waiter)
        waiter.refuse(new LimitError('deadline'))
      } else if (this.#hasRoom(now)) {
        this.#waiters.delete(waiter)
        this.#held += 1
        waiter.grant()
      }
    }
    this.#wakeInTime(now)
  }

  /** Wakes up when the next one may get its permit or must be refused, as long as anybody waits. */
  #wakeInTime(now: number): void {
    if (this.#waiters.size === 0) {
      this.#cancelWake()
      return
    }
    let soonestDeadline = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#waiters) soonestDeadline = Math.min(soonestDeadline, deadline)
    // The first millisecond after either: the window's end still belongs to it, and at the deadline a permit is still good.
    const waitMs = Math.floor(Math.min(this.#roomAt() - now, soonestDeadline - this.#clock.now())) + 1
    const at = now + waitMs
    if (this.#wakeAt <= at) return
    this.#cancelWake()
    const wake = new AbortController()
    this.#wake = wake
    this.#wakeAt = at
    this.#clock.sleep(waitMs, wake.signal).then(
      () => {
        this.#wakeAt = Number.POSITIVE_INFINITY
        this.#serve(this.#clock.monotonic())
      },
      () => undefined,
    )
  }

  #cancelWake(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#wake?.abort()
    this.#wake = undefined
  }
}
