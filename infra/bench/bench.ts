import { type ColdStartRow, measureColdStart } from './cold-start.ts'
import { type MachineFacts, machineFacts } from './machine.ts'
import { measureSignatures, type SignatureRow } from './signatures.ts'
import { startPlatform } from './start-platform.ts'
import { measureThroughput, type ThroughputRow } from './throughput.ts'

export interface BenchReport {
  readonly machine: MachineFacts
  readonly quick: boolean
  readonly throughput: readonly ThroughputRow[]
  readonly signatures: readonly SignatureRow[]
  readonly coldStart: readonly ColdStartRow[]
}

export interface BenchOptions {
  readonly root: string
  /** A tenth of the work, for a first look. */
  readonly quick: boolean
}

/** Measures everything once, on the loopback interface only: about two minutes, quick about twenty seconds. */
export async function runBench({ root, quick }: BenchOptions): Promise<BenchReport> {
  const machine = machineFacts(root)
  const platform = await startPlatform()
  try {
    const { port } = platform
    return {
      machine,
      quick,
      throughput: await measureThroughput({ port, concurrencies: [1, 20, 100], rounds: quick ? 3 : 9, sliceMs: quick ? 120 : 400 }),
      signatures: measureSignatures({ rounds: quick ? 3 : 7, sliceMs: quick ? 100 : 300 }),
      coldStart: await measureColdStart({ root, port, rounds: quick ? 5 : 21 }),
    }
  } finally {
    platform.stop()
  }
}
