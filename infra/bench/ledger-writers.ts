import { createLedger } from '#shared/safety/ledger.ts'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'

/**
 * A process that acquires and finishes entries of a ledger for a while, several at a time, and tells its parent how many and with how
 * many calls of the store. Words: kind of store, its place (a file, or the address of a server), the process's number, writers,
 * milliseconds.
 */
const [kind = '', place = '', number = '', writers = '', milliseconds = ''] = process.argv.slice(2)

/** Counts the calls: each is one round trip. */
function counted(store: Store): { readonly store: Store; readonly calls: () => number } {
  let calls = 0
  const count = <T>(work: Promise<T>): Promise<T> => {
    calls += 1
    return work
  }
  return {
    store: {
      name: store.name,
      get: (key, options) => count(store.get(key, options)),
      put: (key, data, options) => count(store.put(key, data, options)),
      delete: (key, options) => count(store.delete(key, options)),
      query: (query) => count(store.query(query)),
      close: () => store.close(),
    },
    calls: () => calls,
  }
}

async function open(): Promise<Store> {
  if (kind === 'sqlite') return await openSqliteStore({ path: place })
  if (kind === 'memory') return openMemoryStore(new MemoryDisk())
  return await openDynamoStore({
    table: 'bench',
    region: 'local',
    endpoint: place,
    credentials: { accessKeyId: 'AKIDBENCH', secretAccessKey: 'bench' },
    random: Math.random,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  })
}

const { store, calls } = counted(await open())
const ledger = createLedger(store, { function: 'cron-scaler' })
const start = Date.parse('2026-11-24T08:00:00Z')
let entries = 0

async function write(writer: number, untilMs: number): Promise<void> {
  for (let index = 0; performance.now() < untilMs; index += 1) {
    const now = start + index
    const key = `cron-scaler:${number}-${writer}-${String(index).padStart(30, '0')}`
    const order = { key, owner: `run-${number}`, now, deadline: now + 10_000, digest: '0123456789012345678901234567890123456789' }
    const acquired = await ledger.acquire(order)
    if (acquired.kind !== 'acquired') throw new Error(`${key} was ${acquired.kind}`)
    const finished = await ledger.finish(acquired.claim, { now: now + 5, state: 'SUCCEEDED', result: { outcome: 'Applied' } })
    if (!finished.ok) throw new Error(`${key} was lost`)
    entries += 1
  }
}

// A first look at everything, which is no part of what is measured.
await write(-1, performance.now() + 100)
const before = { entries, calls: calls() }
const cpuBefore = process.cpuUsage()
const begin = performance.now()
const untilMs = begin + Number(milliseconds)
await Promise.all(Array.from({ length: Number(writers) }, (_, writer) => write(writer, untilMs)))
const seconds = (performance.now() - begin) / 1000
const cpu = process.cpuUsage(cpuBefore)
await store.close()
const counts = { entries: entries - before.entries, calls: calls() - before.calls }
process.send?.({ ...counts, seconds, cpuMs: (cpu.user + cpu.system) / 1000 }, () => process.disconnect())
