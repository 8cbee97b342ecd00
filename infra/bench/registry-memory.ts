import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { prepareWorker } from './run-worker.ts'
import { goal, type Measured, type Section, type SectionOptions } from './section.ts'

export interface RegistryMemoryRow {
  readonly repositories: number
  readonly tags: number
  readonly run: string
  readonly decisions: number
  /** Batches of tags that would go. */
  readonly planned: number
  readonly seconds: number
  /** The most memory that its process ever had. */
  readonly peakMib: number
  /** What the heap holds when the run is over and its report still there. */
  readonly leftMib: number
}

const Told = z.object({ peakMib: z.number(), leftMib: z.number(), decisions: z.number(), planned: z.number() })
const Address = z.object({ url: z.string() })

/** A heap as it is in a function of 512 MB: with more nothing would be collected for long, and the peak would say nothing. */
const smallHeap = ['--expose-gc', '--max-semi-space-size=8', '--max-old-space-size=320']

const startMs = Date.parse('2026-11-24T01:00:00Z')
const times = 200

/** That a run over ten times as many repositories takes no more memory: what is in it is one repository after another. */
export const registryMemory: Section = {
  name: 'registryMemory',
  title: 'Memory of whole runs of the image cleaner over repositories of equal size, over sockets, with a store in a file:',
  measure: (options) => measureRegistryMemory(options),
}

export async function measureRegistryMemory(
  { root, quick }: SectionOptions,
  {
    counts = [10, 100],
    size = quick ? 1000 : 10_000,
    days = ['the first', 'the next day'],
  }: { readonly counts?: readonly number[]; readonly size?: number; readonly days?: readonly string[] } = {},
): Promise<Measured<RegistryMemoryRow>> {
  const worker = await prepareWorker(root, 'run-registry.ts')
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-'))
  const rows: RegistryMemoryRow[] = []
  try {
    for (const repositories of counts) {
      const since = Date.now()
      const sandbox = await startRegistry({ repositories, size, since })
      try {
        const path = join(folder, `${repositories}.db`)
        // The second one reads back what the first has seen.
        for (const [run, day] of days.entries()) {
          const began = performance.now()
          const words = [sandbox.url, path, startMs + run * 86_400_000, times, since - (run * 86_400_000) / times]
          const told = z.parse(Told, await worker.run(words.map(String), smallHeap))
          rows.push({
            repositories,
            tags: repositories * size,
            run: day,
            decisions: told.decisions,
            planned: told.planned,
            seconds: Math.round((performance.now() - began) / 100) / 10,
            peakMib: Math.round(told.peakMib),
            leftMib: Math.round(told.leftMib * 10) / 10,
          })
        }
      } finally {
        sandbox.stop()
      }
    }
  } finally {
    await worker.close()
    await rm(folder, { recursive: true, force: true })
  }
  const [few = 0, many = 0] = [counts[0], counts.at(-1)]
  const most = (count: number, of: (row: RegistryMemoryRow) => number): number =>
    Math.max(...rows.filter(({ repositories }) => repositories === count).map(of))
  const ratio = most(many, ({ peakMib }) => peakMib) / most(few, ({ peakMib }) => peakMib)
  const left = (most(many, ({ leftMib }) => leftMib) - most(few, ({ leftMib }) => leftMib)) / (many - few)
  return {
    rows,
    goals: [
      goal(
        `${many} repositories of ${size.toLocaleString('en-US')} tags`,
        Math.round(ratio * 100) / 100,
        { most: 1.15 },
        `times the memory of ${few}`,
      ),
      goal('what a run keeps of each repository, its line in the report among it', Math.round(left * 1024 * 10) / 10, { most: 8 }, 'KiB'),
    ],
  }
}

async function startRegistry(facts: {
  readonly repositories: number
  readonly size: number
  readonly since: number
}): Promise<{ readonly url: string; readonly stop: () => void }> {
  const { repositories, size, since } = facts
  const words = [repositories, size, 200, startMs, times, since].map(String)
  const path = fileURLToPath(new URL('registry-sandbox.ts', import.meta.url))
  const child = fork(path, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve(z.parse(Address, message).url))
    child.once('exit', (code) => reject(new Error(`The bench's sandbox ended with code ${code} before it listened.`)))
  })
  return {
    url,
    stop: () => {
      child.removeAllListeners('exit')
      child.disconnect()
    },
  }
}
