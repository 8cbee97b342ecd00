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

interface Waiter {
  readonly deadline: number
  readonly grant: () => void
  readonly refuse: (error: LimitError) => void
}

/**
 * Keeps the calls of one action within its rate: in any one-second window, wherever it begins and both its ends included,
 * at most `rate × share` requests leave, and at least one may (then the windows are longer, so that the share holds).
 * First come, first served.
 *
 * A permit counts until its request has left and a window after that: a process that is frozen in between does not send a
 * burst when it thaws. Every permit must end with `left()` or `giveBack()`.
 */
export class Limiter {
  readonly #clock: Clock
  readonly #most: number
  readonly #windowMs: number
  /** Times of the requests that still count, in the order in which they left, on the monotonic clock. */
  readonly #departures: number[] = []
  /** In the order in which they asked. */
  readonly #waiters = new Set<Waiter>()
  /** Permits whose request has not left yet. */
  #held = 0
  #wakeAt = Number.POSITIVE_INFINITY
  #wake: AbortController | undefined

  constructor(options: LimiterOptions) {
    const allowed = options.ratePerSecond * options.share
    this.#clock = options.clock
    this.#most = Math.max(1, Math.floor(allowed))
    this.#windowMs = Math.max(1000, 1000 / allowed)
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
    if (this.#clock.now() + (this.#earliest(now) - now) > deadline) throw new LimitError('deadline')
    return this.#wait(deadline, signal, now)
  }

  /** The request is about to leave, at `now` on the monotonic clock. */
  left(now: number): void {
    this.#held -= 1
    this.#departures.push(now)
    this.#serve(now)
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
    while ((this.#departures[0] ?? now) < now - this.#windowMs) this.#departures.shift()
    return this.#departures.length + this.#held < this.#most
  }

  /** A time before which a call that comes now, when there is no room, gets no permit; on the monotonic clock. */
  #earliest(now: number): number {
    const taken = this.#departures.length + this.#held
    // The call gets its turn a window after the one that is `most` places ahead of it.
    let place = taken + this.#waiters.size - this.#most
    let windows = 1
    while (place >= taken) {
      place -= this.#most
      windows += 1
    }
    return (this.#departures[place] ?? now) + windows * this.#windowMs
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
    const [oldest = Number.POSITIVE_INFINITY] = this.#departures
    let soonestDeadline = Number.POSITIVE_INFINITY
    for (const { deadline } of this.#waiters) soonestDeadline = Math.min(soonestDeadline, deadline)
    // The first millisecond after either: the window's end still belongs to it, and at the deadline a permit is still good.
    const waitMs = Math.floor(Math.min(oldest + this.#windowMs - now, soonestDeadline - this.#clock.now())) + 1
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
