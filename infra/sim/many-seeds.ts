import { Worker } from 'node:worker_threads'
import * as z from 'zod/mini'
import { type Coverage, noCoverage, sumOf } from './coverage.ts'
import { type SimWorld, simWorlds } from './sim-world.ts'
import { noDays, sumOfDays, type WeekDay } from './week/week-days.ts'

const Job = z.strictObject({ seeds: z.array(z.int()), of: z.enum(simWorlds) })
type Job = z.infer<typeof Job>

/** The share of a thread, as it was handed over. */
export function readJob(data: unknown): Job {
  return z.parse(Job, data)
}

const Told = z.object({
  seed: z.int(),
  texts: z.array(z.string()),
  coverage: z.record(z.string(), z.number()),
  days: z.array(z.record(z.string(), z.number())),
})

export interface ManySeeds {
  /** In the order of the seeds. */
  readonly texts: readonly string[]
  readonly coverage: Coverage
  /** Of weeks: what happened on each day, of all of them together. */
  readonly days: readonly WeekDay[]
}

export interface ManySeedsOptions {
  readonly first: number
  readonly count: number
  readonly of: SimWorld
  /** How many at the same time. */
  readonly threads: number
  /** Told after each seed. */
  readonly onSeed?: ((done: number, violations: number) => void) | undefined
}

/** Lives through many seeds in a row, on several threads. What comes of it does not depend on how many there are. */
export async function runManySeeds({ first, count, of, threads, onSeed }: ManySeedsOptions): Promise<ManySeeds> {
  const texts = new Map<number, readonly string[]>()
  let coverage = noCoverage
  let days: readonly WeekDay[] = []
  let violations = 0
  const shares = Array.from({ length: Math.min(threads, count) }, (_, thread) => ({
    of,
    seeds: Array.from({ length: count }, (_, index) => first + index).filter((seed) => (seed - first) % threads === thread),
  }))
  const work = async (job: Job): Promise<void> => {
    const worker = new Worker(new URL('./seed-worker.ts', import.meta.url), { workerData: job })
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: unknown) => {
        const told = z.parse(Told, message)
        texts.set(told.seed, told.texts)
        coverage = sumOf(coverage, { ...noCoverage, ...told.coverage })
        days = sumOfDays(
          days,
          told.days.map((day) => ({ ...noDays, ...day })),
        )
        violations += told.texts.length
        onSeed?.(texts.size, violations)
      })
      worker.on('error', reject)
      worker.on('exit', () => resolve())
    })
  }
  await Promise.all(shares.map(work))
  if (texts.size !== count) throw new Error(`Only ${texts.size} of ${count} seeds came to an end.`)
  return { texts: [...texts].sort(([left], [right]) => left - right).flatMap(([, own]) => own), coverage, days }
}
