import * as z from 'zod/mini'
import { median } from './median.ts'
import { type RulesShape, rulesShapes } from './rules-shapes.ts'
import { prepareWorker } from './run-worker.ts'
import { goal, type Measured, type Section, type SectionOptions } from './section.ts'

export interface RulesRow {
  readonly rules: string
  readonly count: number
  readonly targets: number
  readonly changes: number
  /** Processor time on one core, in a process that has decided nothing before; what a clock shows when nobody else has that core. */
  readonly cpuMs: number
  /** The most memory that its process ever had, the rules and what was observed included. */
  readonly peakMib: number
  /** How many times as long as a tenth of the rules, in a process that has decided before. */
  readonly timesTenth: number
}

const Told = z.object({
  measured: z.array(z.object({ targets: z.number(), ms: z.number(), cpuMs: z.number(), changes: z.number() })),
  peakMib: z.number(),
})

/**
 * One thread does everything, the collector's work included: that is what one core can do. And the heap is limited as in a function
 * of 400 MB, where the young generation is small: with the many gigabytes of a large machine nothing would be collected for long.
 */
const oneCore = ['--single-threaded', '--expose-gc', '--max-semi-space-size=20', '--max-old-space-size=360']

/** Deciding many rules at one instant: time and memory of a whole decision, and how the time grows with the number of rules. */
export const rules: Section = {
  name: 'rules',
  title: 'Deciding rules at one instant, on one core:',
  measure: (options) => measureRules(options),
}

export async function measureRules(
  { root, quick }: SectionOptions,
  { chosen = rulesShapes, count = 100_000 }: { readonly chosen?: readonly RulesShape[]; readonly count?: number } = {},
): Promise<Measured<RulesRow>> {
  const rounds = quick ? 1 : 5
  const worker = await prepareWorker(root, 'decide-rules.ts')
  try {
    const rows: RulesRow[] = []
    for (const { name } of chosen) {
      const cold = []
      const ratios = []
      for (let round = 0; round < rounds; round += 1) {
        cold.push(z.parse(Told, await worker.run([name, 'cold', String(count)], oneCore)))
        const tenth = String(count / 10)
        const { measured } = z.parse(Told, await worker.run([name, 'warm', tenth, tenth, tenth, String(count)], oneCore))
        const times = measured.map(({ cpuMs }) => cpuMs)
        ratios.push((times[3] ?? Number.NaN) / median(times.slice(0, 3)))
      }
      const [first] = cold
      rows.push({
        rules: name,
        count,
        targets: first?.measured[0]?.targets ?? 0,
        changes: first?.measured[0]?.changes ?? 0,
        cpuMs: Math.round(median(cold.map(({ measured }) => measured[0]?.cpuMs ?? Number.NaN))),
        peakMib: Math.round(median(cold.map(({ peakMib }) => peakMib))),
        timesTenth: Math.round(median(ratios) * 10) / 10,
      })
    }
    const most = (of: (row: RulesRow) => number): number => Math.max(...rows.map(of))
    return {
      rows,
      goals: [
        goal(
          'the slowest',
          most(({ cpuMs }) => cpuMs),
          { most: 1000 },
          'ms',
        ),
        goal(
          'the largest',
          most(({ peakMib }) => peakMib),
          { most: 400 },
          'MiB',
        ),
        goal(
          'ten times the rules',
          most(({ timesTenth }) => timesTenth),
          { most: 11 },
          'times the time',
        ),
      ],
    }
  } finally {
    await worker.close()
  }
}
