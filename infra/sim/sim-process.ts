import type { Clock } from '#cloud/clock.ts'
import type { EventLoop } from './event-loop.ts'

/** What a process waits for at a place: whether it is about a change of the platform or the store, or anything else. */
export type PlaceKind = 'change' | 'other'

/** What becomes of a process at one of the places where it waits, counted from the beginning of a run. */
export interface Fate {
  readonly place: number
  /** Only places at which something is about to be changed, or has been, are counted. */
  readonly countsChanges?: boolean | undefined
  /** How long it stands still there; it dies when absent. */
  readonly freezeMs?: number | undefined
}

/**
 * One process as the simulation sees it: a clock that may be wrong, and places at which it waits for something outside: each
 * call, each answer, each sleep. It can be cut at any of them. After that nothing comes back to it, so that nothing behind an
 * `await` ever runs; what it has sent goes its way. Or it stands still for a while, and all that came meanwhile comes at once.
 */
export class SimProcess {
  readonly name: string
  readonly clock: Clock
  /** The run it is at; empty outside of runs. */
  owner = ''
  /** Told when it dies, and of what. */
  onDeath: (what: string) => void = () => undefined
  onFreeze: (ms: number) => void = () => undefined
  readonly #loop: EventLoop
  #isAlive = true
  #frozenUntil = 0
  #places = 0
  #changes = 0
  #fates: readonly Fate[] = []

  constructor(name: string, loop: EventLoop, skewMs: () => number) {
    this.name = name
    this.#loop = loop
    const startMs = loop.now
    this.clock = {
      now: () => loop.now + skewMs(),
      monotonic: () => loop.now - startMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  /** Places passed since the run began. */
  get places(): number {
    return this.#places
  }

  /** A run begins, in which these things befall the process, one after the other. */
  begin(owner: string, fates: readonly Fate[]): void {
    this.owner = owner
    this.#places = 0
    this.#changes = 0
    this.#fates = fates
  }

  end(): void {
    this.owner = ''
    this.#fates = []
  }

  die(what: string): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    this.onDeath(what)
  }

  /** Passes a place. False when the process is dead: whoever asked must then wait for ever. */
  pass(kind: PlaceKind): boolean {
    if (!this.#isAlive) return false
    this.#places += 1
    if (kind === 'change') this.#changes += 1
    const [fate] = this.#fates
    if (fate === undefined || (fate.countsChanges === true ? this.#changes : this.#places) < fate.place) return true
    this.#fates = this.#fates.slice(1)
    const { freezeMs } = fate
    if (freezeMs === undefined) {
      this.die('is cut')
      return false
    }
    this.#frozenUntil = this.#loop.now + freezeMs
    this.onFreeze(freezeMs)
    return true
  }

  /** Lets something come back to the process at an instant: never when it is dead by then, later when it stands still. Answers how to call it off. */
  comeBack(at: number, kind: PlaceKind, run: () => void): () => void {
    let hasPassed = false
    const arrive = (): void => {
      if (!this.#isAlive) return
      if (!this.#isFrozen && !hasPassed) {
        hasPassed = true
        if (!this.pass(kind)) return
      }
      // It may have stopped at this very place: then what came waits with it.
      if (this.#isFrozen) due = this.#loop.at(this.#frozenUntil, arrive)
      else run()
    }
    let due = this.#loop.at(at, arrive)
    return () => {
      due.isCancelled = true
    }
  }

  get #isFrozen(): boolean {
    return this.#frozenUntil > this.#loop.now
  }

  #sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      if (!this.pass('other')) return
      const onAbort = (): void => {
        cancel()
        reject(signal?.reason)
      }
      const cancel = this.comeBack(this.#loop.now + Math.max(0, ms), 'other', () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
