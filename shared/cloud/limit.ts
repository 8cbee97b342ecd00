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
  readonly #departures = new Departures()
  readonly #waiters: Waiter[] = []
  /** Permits whose request has not left yet. */
  #held = 0
  #wakeAt = Number.POSITIVE_INFINITY
  #wake: AbortController | undefined

  constructor(options: LimiterOptions) {
    const allowed = options.ratePerSecond * options.share
    this.#clock = options.clock
    this.#most = Math.max(1, Math.floor(allowed))
    this.#windowMs = Math.max(1000, (1000 * this.#most) / allowed)
  }

  /**
   * Takes a permit: at once (undefined), or by a promise. Throws, or rejects with, LimitError: at once when the wait would
   * certainly pass `deadline` (epoch milliseconds), later when it does, and when the signal is aborted.
   */
  take(deadline: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    const now = this.#clock.monotonic()
    if (this.#waiters.length === 0 && this.#hasRoom(now)) {
      this.#held += 1
      return undefined
    }
    if (signal?.aborted === true) throw new LimitError('aborted')
    if (this.#clock.now() + (this.#earliest(now) - now) > deadline) throw new LimitError('deadline')
    return this.#wait(deadline, signal)
  }

  /** The request is about to leave, at `now` on the monotonic clock. */
  left(now: number): void {
    this.#held -= 1
    this.#departures.push(now)
    if (this.#waiters.length > 0) this.#serve()
  }

  /** The request will not leave after all. */
  giveBack(): void {
    this.#held -= 1
    if (this.#waiters.length > 0) this.#serve()
  }

  #wait(deadline: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(new LimitError('aborted'))
        this.#serve()
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
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
      this.#serve()
    })
  }

  #hasRoom(now: number): boolean {
    this.#departures.forgetUntil(now - this.#windowMs)
    return this.#departures.count + this.#held < this.#most
  }

  /** A time before which a call that comes now gets no permit, on the monotonic clock. */
  #earliest(now: number): number {
    const { count } = this.#departures
    const ahead = count + this.#held + this.#waiters.length
    // The call gets its turn a window after the one that is `most` places ahead of it.
    let place = ahead - this.#most
    let windows = 1
    while (place >= count + this.#held) {
      place -= this.#most
      windows += 1
    }
    return (this.#departures.at(place) ?? now) + windows * this.#windowMs
  }

  /** Gives permits to those in front, refuses those whose deadline has passed, and sees to being called again in time. */
  #serve(): void {
    const now = this.#clock.monotonic()
    const wallNow = this.#clock.now()
    let soonest = Number.POSITIVE_INFINITY
    for (let index = 0; index < this.#waiters.length; ) {
      const waiter = this.#waiters[index]
      if (waiter === undefined) break
      if (waiter.deadline < wallNow) {
        this.#waiters.splice(index, 1)
        waiter.refuse(new LimitError('deadline'))
      } else if (index === 0 && this.#hasRoom(now)) {
        this.#waiters.shift()
        this.#held += 1
        waiter.grant()
      } else {
        // A millisecond more: at the deadline itself a permit would still be good.
        soonest = Math.min(soonest, now + waiter.deadline - wallNow + 1)
        index += 1
      }
    }
    if (this.#waiters.length === 0) {
      this.#cancelWake()
      return
    }
    const oldest = this.#departures.at(0)
    // A millisecond more: the window's end still belongs to it.
    this.#wakeBy(oldest === undefined ? soonest : Math.min(soonest, oldest + this.#windowMs + 1), now)
  }

  #wakeBy(at: number, now: number): void {
    if (at === Number.POSITIVE_INFINITY || this.#wakeAt <= at) return
    this.#cancelWake()
    const wake = new AbortController()
    this.#wake = wake
    this.#wakeAt = at
    this.#clock.sleep(Math.ceil(at - now), wake.signal).then(
      () => {
        this.#wakeAt = Number.POSITIVE_INFINITY
        this.#serve()
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

/** Times in the order they came, as a ring that grows. */
class Departures {
  #ring = new Float64Array(16)
  #first = 0
  count = 0

  push(time: number): void {
    if (this.count === this.#ring.length) this.#grow()
    this.#ring[(this.#first + this.count) % this.#ring.length] = time
    this.count += 1
  }

  /** Undefined outside of the range. */
  at(index: number): number | undefined {
    return index < 0 || index >= this.count ? undefined : this.#ring[(this.#first + index) % this.#ring.length]
  }

  /** Forgets times before `time`. */
  forgetUntil(time: number): void {
    while (this.count > 0 && (this.#ring[this.#first] ?? 0) < time) {
      this.#first = (this.#first + 1) % this.#ring.length
      this.count -= 1
    }
  }

  #grow(): void {
    const larger = new Float64Array(this.#ring.length * 2)
    for (let index = 0; index < this.count; index += 1) larger[index] = this.at(index) ?? 0
    this.#ring = larger
    this.#first = 0
  }
}
