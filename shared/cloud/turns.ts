/**
 * Lets a few calls go at a time, those of several lines in rotation: whoever has one call to make waits for one call of each other
 * line, however many those have. Within a line first come, first served.
 */
export class Turns {
  readonly #atOnce: number
  #going = 0
  /** By line, in the order of their next turns. None is empty. */
  readonly #waiting = new Map<string, (() => void)[]>()

  constructor(atOnce: number) {
    if (!(Number.isSafeInteger(atOnce) && atOnce >= 1)) throw new RangeError(`atOnce is ${atOnce}; give a whole number from 1.`)
    this.#atOnce = atOnce
  }

  /** Makes the call when its turn has come, and answers or throws what it does. */
  async run<T>(line: string, call: () => Promise<T>): Promise<T> {
    if (this.#going < this.#atOnce) this.#going += 1
    else await this.#wait(line)
    try {
      return await call()
    } finally {
      this.#next()
    }
  }

  #wait(line: string): Promise<void> {
    return new Promise((resolve) => {
      const own = this.#waiting.get(line)
      if (own === undefined) this.#waiting.set(line, [resolve])
      else own.push(resolve)
    })
  }

  /** A call is over: its place goes to the line whose turn it is. */
  #next(): void {
    const [first] = this.#waiting
    if (first === undefined) {
      this.#going -= 1
      return
    }
    const [line, own] = first
    this.#waiting.delete(line)
    const go = own.shift()
    // To the end of the rotation.
    if (own.length > 0) this.#waiting.set(line, own)
    go?.()
  }
}
