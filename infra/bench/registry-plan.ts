import * as z from 'zod/mini'
import { median } from './median.ts'
import { prepareWorker } from './run-worker.ts'
import { goal, type Measured, type Section, type SectionOptions } from './section.ts'

export interface RegistryPlanRow {
  readonly caps: string
  readonly tags: number
  readonly repositories: number
  readonly references: number
  /** Tags that go now. */
  readonly going: number
  /** Processor time on one core, in a process that has planned nothing before; the collector's work is in it. */
  readonly cpuMs: number
  /** The most memory that its process ever had, in millions of bytes: the references, the largest repository, and Node. */
  readonly peakMb: number
}

const Told = z.object({
  tags: z.number(),
  repositories: z.number(),
  references: z.number(),
  going: z.number(),
  cpuMs: z.number(),
  peakMib: z.number(),
})

/** One thread does everything, the collector's work included, with the young generation that Node has by default. */
const oneCore = ['--single-threaded', '--expose-gc', '--max-semi-space-size=16', '--max-old-space-size=500']

/** Planning a whole registry of a million tags against a hundred thousand that ask for images. */
export const registryPlan: Section = {
  name: 'registryPlan',
  title: 'Planning a registry, repository by repository, on one core:',
  measure: (options) => measureRegistryPlan(options),
}

/** @param parts so many parts of a million tags, and of a hundred thousand references */
export async function measureRegistryPlan(
  { root, quick }: SectionOptions,
  { parts = 1 }: { readonly parts?: number } = {},
): Promise<Measured<RegistryPlanRow>> {
  const worker = await prepareWorker(root, 'plan-images.ts')
  try {
    const rows: RegistryPlanRow[] = []
    for (const [word, caps] of [
      ['capped', 'as they are by default'],
      ['all', 'none: all that nothing keeps goes'],
    ] as const) {
      const told: z.infer<typeof Told>[] = []
      for (let round = 0; round < (quick ? 1 : 5); round += 1) told.push(z.parse(Told, await worker.run([String(parts), word], oneCore)))
      const of = (field: keyof z.infer<typeof Told>): number => Math.round(median(told.map((one) => one[field])))
      rows.push({
        caps,
        tags: of('tags'),
        repositories: of('repositories'),
        references: of('references'),
        going: of('going'),
        cpuMs: of('cpuMs'),
        peakMb: Math.round(median(told.map(({ peakMib }) => peakMib * 1.048576))),
      })
    }
    const [capped] = rows
    return {
      rows,
      goals: [
        goal('planning with the default caps', capped?.cpuMs ?? Number.NaN, { most: 3000 }, 'ms'),
        goal('the most memory of either', Math.max(...rows.map(({ peakMb }) => peakMb)), { most: 600 }, 'MB'),
      ],
    }
  } finally {
    await worker.close()
  }
}
