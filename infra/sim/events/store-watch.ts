import type { MemoryDisk, StoreCall } from '#shared/safety/store-memory.ts'
import type { EventLoop } from '../event-loop.ts'
import type { Doer, History } from '../history.ts'

/** Writes down what the store keeps, each version once. */
export class StoreWatch {
  readonly #disk: MemoryDisk
  readonly #loop: EventLoop
  readonly #history: History
  readonly #versions = new Map<string, number>()

  constructor(disk: MemoryDisk, loop: EventLoop, history: History) {
    this.#disk = disk
    this.#loop = loop
    this.#history = history
  }

  /** A call was carried out just now. */
  carriedOut({ operation, partition, sort }: StoreCall, doer: Doer, processNow: number): void {
    if ((operation !== 'put' && operation !== 'delete') || sort === undefined) return
    const row = this.#disk.row({ partition, sort })
    const id = `${partition}\t${sort}`
    if (row === undefined || this.#versions.get(id) === row.version) return
    this.#versions.set(id, row.version)
    this.#history.add({ at: this.#loop.now, kind: 'stored', doer, processNow, partition, sort, version: row.version, data: row.text })
  }

  /** Somebody was answered what the kill switch says. */
  switchRead(doer: Doer, saidAt: number, answer: unknown): void {
    const data: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'data') : undefined
    const state: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, 'state') : 'run'
    this.#history.add({ at: this.#loop.now, kind: 'switch-read', doer, saidAt, says: String(state) })
  }
}

/** The events that an answer says are durable. */
export function idsIn(body: string): readonly string[] {
  return [...body.matchAll(/[0-9a-f]{40}/g)].map(([id]) => id)
}
