/** Something that is to happen at an instant. */
export interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
  isCancelled: boolean
}

/**
 * Virtual time and all that waits for it. Events run one at a time, by their instants and, at the same instant, in the order in
 * which they were asked for. Between two events everything that promises set off has come to rest, so the same events give the
 * same history, whatever the machine is busy with.
 */
export class EventLoop {
  #now: number
  #orders = 0
  readonly #heap: Due[] = []

  constructor(startMs: number) {
    this.#now = startMs
  }

  /** Epoch milliseconds, whole ones. */
  get now(): number {
    return this.#now
  }

  /** Runs it at this instant; at once, but not before this returns, when the instant is over. */
  at(ms: number, run: () => void): Due {
    this.#orders += 1
    const due = { at: Math.max(this.#now, Math.ceil(ms)), order: this.#orders, run, isCancelled: false }
    this.#push(due)
    return due
  }

  after(ms: number, run: () => void): Due {
    return this.at(this.#now + Math.max(0, ms), run)
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve)
    })
  }

  /** Lets everything happen up to and including this instant, and makes it now. */
  async runUntil(untilMs: number): Promise<void> {
    await atRest()
    for (let next = this.#heap[0]; next !== undefined && next.at <= untilMs; next = this.#heap[0]) {
      this.#pop()
      if (next.isCancelled) continue
      this.#now = next.at
      next.run()
      await atRest()
    }
    this.#now = Math.max(this.#now, untilMs)
  }

  #push(due: Due): void {
    const heap = this.#heap
    let index = heap.push(due) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(heap, index, parent)) break
      swap(heap, index, parent)
      index = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    heap[0] = last
    for (let index = 0; ; ) {
      let least = index
      for (const child of [2 * index + 1, 2 * index + 2]) if (child < heap.length && isBefore(heap, child, least)) least = child
      if (least === index) return
      swap(heap, index, least)
      index = least
    }
  }
}

function isBefore(heap: readonly Due[], left: number, right: number): boolean {
  const [one, other] = [heap[left], heap[right]]
  if (one === undefined || other === undefined) return false
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}

function swap(heap: Due[], left: number, right: number): void {
  const [one, other] = [heap[left], heap[right]]
  if (one === undefined || other === undefined) return
  heap[left] = other
  heap[right] = one
}

/** Resolves when no promise has anything left to do: a turn of Node's own loop begins only then. */
function atRest(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
