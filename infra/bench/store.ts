import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { flushesPerSecond } from './flushes.ts'
import { median } from './median.ts'
import { prepareWorker, type Worker } from './run-worker.ts'
import { goal, type Measured, type Section, type SectionOptions } from './section.ts'

export interface StoreRow {
  readonly store: string
  readonly processes: number
  /** Entries that are worked on at the same time, of all processes together. */
  readonly writers: number
  /** Acquired and finished. */
  readonly entriesPerSecond: number
  readonly roundTrips: number
  /** Processor time of the writing processes for one entry, microseconds. */
  readonly cpuMicros: number
  /** Entries for each time that this disk can flush one small write after the other; 0 where nothing is flushed. */
  readonly timesFlush: number
}

const Told = z.object({ entries: z.number(), calls: z.number(), seconds: z.number(), cpuMs: z.number() })
const Address = z.object({ endpoint: z.string() })

interface Case {
  readonly store: 'memory' | 'SQLite' | 'DynamoDB (dynalite)'
  readonly processes: number
  readonly writers: number
}

const cases: readonly Case[] = [
  { store: 'memory', processes: 1, writers: 1 },
  { store: 'memory', processes: 1, writers: 16 },
  { store: 'SQLite', processes: 1, writers: 1 },
  { store: 'SQLite', processes: 1, writers: 4 },
  { store: 'SQLite', processes: 1, writers: 16 },
  { store: 'SQLite', processes: 1, writers: 64 },
  { store: 'SQLite', processes: 2, writers: 16 },
  { store: 'DynamoDB (dynalite)', processes: 1, writers: 1 },
  { store: 'DynamoDB (dynalite)', processes: 1, writers: 4 },
  { store: 'DynamoDB (dynalite)', processes: 1, writers: 16 },
]

/** The ledger on each store: what an entry costs, from acquiring a key to writing down how it ended. */
export const store: Section = {
  name: 'store',
  title: 'Ledger entries (acquire and finish) per second:',
  measure: ({ root, quick }) => measureStore({ root, quick }),
}

export async function measureStore(
  { root, quick }: SectionOptions,
  { chosen = cases, sliceMs = quick ? 300 : 2000 }: { readonly chosen?: readonly Case[]; readonly sliceMs?: number } = {},
): Promise<Measured<StoreRow>> {
  const rounds = quick ? 1 : 3
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-store-'))
  const worker = await prepareWorker(root, 'ledger-writers.ts')
  const server = chosen.some((one) => one.store.startsWith('DynamoDB')) ? await startDynalite() : undefined
  try {
    const measured = new Map<Case, Slice[]>(chosen.map((one) => [one, []]))
    const flushes: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      flushes.push(flushesPerSecond(join(folder, 'flush'), sliceMs / 4))
      for (const one of chosen) {
        const place = one.store === 'SQLite' ? join(folder, `store-${round}-${chosen.indexOf(one)}.db`) : (server?.endpoint ?? '')
        measured.get(one)?.push(await slice(worker, one, place, sliceMs, round))
      }
    }
    const flush = median(flushes)
    const rows = [...measured].map(([one, slices]): StoreRow => {
      const of = (field: keyof Slice): number => median(slices.map((each) => each[field]))
      return {
        ...one,
        entriesPerSecond: Math.round(of('entriesPerSecond')),
        roundTrips: Math.round(of('roundTrips') * 100) / 100,
        cpuMicros: Math.round(of('cpuMicros')),
        timesFlush: one.store === 'SQLite' ? Math.round((of('entriesPerSecond') / flush) * 100) / 100 : 0,
      }
    })
    const embedded = rows.filter((row) => row.store === 'SQLite').map(({ entriesPerSecond }) => entriesPerSecond)
    return {
      rows,
      goals: [
        goal('acquire and finish', Math.max(...rows.map(({ roundTrips }) => roundTrips)), { most: 2 }, 'round trips'),
        ...(embedded.length === 0 ? [] : [goal('the embedded store', Math.max(...embedded), { least: 2000 }, 'entries a second')]),
      ],
    }
  } finally {
    server?.stop()
    await worker.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Slice {
  readonly entriesPerSecond: number
  readonly roundTrips: number
  readonly cpuMicros: number
}

async function slice(worker: Worker, one: Case, place: string, sliceMs: number, round: number): Promise<Slice> {
  const kind = one.store === 'SQLite' ? 'sqlite' : one.store === 'memory' ? 'memory' : 'dynamodb'
  const each = String(one.writers / one.processes)
  const told = await Promise.all(
    Array.from({ length: one.processes }, async (_, index) =>
      z.parse(Told, await worker.run([kind, place, `${round}-${one.writers}-${index}`, each, String(sliceMs)])),
    ),
  )
  const sum = (of: (each: z.infer<typeof Told>) => number): number => told.reduce((total, one) => total + of(one), 0)
  const entries = sum((one) => one.entries)
  return {
    entriesPerSecond: sum((one) => one.entries / one.seconds),
    roundTrips: sum((one) => one.calls) / entries,
    cpuMicros: (sum((one) => one.cpuMs) * 1000) / entries,
  }
}

async function startDynalite(): Promise<{ readonly endpoint: string; readonly stop: () => void }> {
  const child = fork(fileURLToPath(new URL('dynalite-process.ts', import.meta.url)), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const message = await new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`The embedded DynamoDB server ended with code ${code} before it listened.`)))
  })
  return {
    endpoint: z.parse(Address, message).endpoint,
    stop: () => {
      child.removeAllListeners('exit')
      child.disconnect()
    },
  }
}
