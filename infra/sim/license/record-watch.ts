import type { MemoryDisk, StoreCall } from '#shared/safety/store-memory.ts'
import type { EventLoop } from '../event-loop.ts'
import type { Doer, History } from '../history.ts'
import type { HeadWrite } from './license-facts.ts'
import { at } from './license-oracle.ts'

const memoryPartition = 'memory/license-meter'

/** Writes down what the store keeps, each version once, and every sample that becomes part of a record. */
export class RecordWatch {
  /** In the order in which they reached the disk. */
  readonly heads: HeadWrite[] = []
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
    const key = decodeURIComponent(sort)
    // A day of samples is long, and what is in it is checked elsewhere.
    const facts = { partition, sort: key, version: row.version, data: `${row.text.length} characters` }
    this.#history.add({ at: this.#loop.now, kind: 'stored', doer, processNow, ...facts })
    if (partition !== memoryPartition || !key.startsWith('head/')) return
    const entry = at(JSON.parse(row.text), 'value', 'entry')
    this.heads.push({ atMs: this.#loop.now, region: key.slice('head/'.length), hour: String(at(entry, 'sample', 'hour')), entry })
  }
}
