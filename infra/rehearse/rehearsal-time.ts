import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '#cloud/clock.ts'

interface Waiting {
  readonly at: number
  readonly order: number
  readonly wake: () => void
}

/** Something that is being done: how much of it waits for an instant. */
interface Work {
  waits: number
}

/** Work that neither goes on nor waits for an instant for so long waits for something that only time brings. */
const stillMs = 2000

/**
 * Time in which waiting takes none: when work waits for an instant and nothing else goes on, it is the first of these. It does not go on
 * while somebody works, however slow the machine is, so the same world and the same events give the same rehearsal.
 */
export class RehearsalTime {
  #now: number
  readonly #startMs: number
  #orders = 0
  /** By instant, the first one last. */
  readonly #waiting: Waiting[] = []
  readonly #works = new Set<Work>()
  readonly #current = new AsyncLocalStorage<Work>()
  readonly clock: Clock

  constructor(startMs: number) {
    this.#now = startMs
    this.#startMs = startMs
    this.clock = {
      now: () => this.#now,
      monotonic: () => this.#now - this.#startMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  /** Epoch milliseconds. */
  readonly now = (): number => this.#now

  /** Does something during which time stands still, but for what it waits for by the clock itself. */
  async work<T>(run: () => Promise<T>): Promise<T> {
    const work: Work = { waits: 0 }
    this.#works.add(work)
    try {
      return await this.#current.run(work, run)
    } finally {
      this.#works.delete(work)
    }
  }

  /** Lets time pass until all of it is settled. What is still waited for then is forgotten. */
  async run<T>(all: Promise<T>): Promise<T> {
    let isOver = false
    const end = (): void => {
      isOver = true
    }
    all.then(end, end)
    let stillSince: number | undefined
    for (;;) {
      await atRest()
      if (isOver) return await all
      // One that waits may be what the others wait for: the rate of calls is shared.
      if (this.#works.size > 0 && [...this.#works].every(({ waits }) => waits === 0)) {
        stillSince ??= performance.now()
        if (performance.now() - stillSince < stillMs) continue
      }
      stillSince = undefined
      const next = this.#waiting.pop()
      // With nobody waiting it is the machine that does: for a file, or for a module that is loaded.
      if (next === undefined) continue
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
  }

  async #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const work = this.#current.getStore()
    if (work !== undefined) work.waits += 1
    try {
      await this.#wait(ms, signal)
    } finally {
      if (work !== undefined) work.waits -= 1
    }
  }

  #wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const onAbort = (): void => {
        const index = this.#waiting.indexOf(waiting)
        if (index >= 0) this.#waiting.splice(index, 1)
        reject(signal?.reason)
      }
      const waiting: Waiting = {
        at: this.#now + Math.max(0, Math.ceil(ms)),
        order: this.#orders,
        wake: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      this.#orders += 1
      this.#insert(waiting)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #insert(waiting: Waiting): void {
    let index = this.#waiting.length
    while (index > 0 && isBefore(this.#waiting[index - 1], waiting)) index -= 1
    this.#waiting.splice(index, 0, waiting)
  }
}

function isBefore(one: Waiting | undefined, other: Waiting): boolean {
  return one !== undefined && (one.at < other.at || (one.at === other.at && one.order < other.order))
}

/** Resolves when no promise has anything left to do: a turn of Node's own loop begins only then. */
function atRest(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
