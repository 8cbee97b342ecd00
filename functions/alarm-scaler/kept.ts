interface Reading<T> {
  readonly atMs: number
  readonly value: Promise<T>
}

/** One thing that was read, and stands for reading it again for a while. What failed does not. */
export class Kept<T> {
  readonly #forMs: number
  #reading: Reading<T> | undefined

  constructor(forMs: number) {
    this.#forMs = forMs
  }

  /** What is known at `now`, read if need be. Who asks while it is being read gets the same answer. */
  async get(now: number, read: () => Promise<T>): Promise<T> {
    const known = this.#reading
    // A clock that was set back makes everything older than it seems.
    if (known !== undefined && known.atMs <= now && now - known.atMs < this.#forMs) return await known.value
    const reading = { atMs: now, value: read() }
    this.#reading = reading
    try {
      return await reading.value
    } catch (error) {
      if (this.#reading === reading) this.#reading = undefined
      throw error
    }
  }

  /** Somebody knows better. What nobody has read stays unread. */
  change(change: (value: T) => T): void {
    const known = this.#reading
    if (known === undefined) return
    const value = known.value.then(change)
    this.#reading = { atMs: known.atMs, value }
    // Whoever asked for it is told why it failed; nobody else gets it.
    value.catch(() => {
      if (this.#reading?.value === value) this.#reading = undefined
    })
  }

  forget(): void {
    this.#reading = undefined
  }
}
