import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { bundleFunction } from '#infra/build/bundle.ts'
import { compareColdStart, measureColdStart } from './cold-start.ts'
import { kernelSize } from './kernel-size.ts'
import { licence } from './licence.ts'
import { type MachineFacts, machineFacts } from './machine.ts'
import { preview } from './preview.ts'
import { quietTick } from './quiet-tick.ts'
import { registryCalls } from './registry-calls.ts'
import { registryMemory } from './registry-memory.ts'
import { registryPlan } from './registry-plan.ts'
import { registryFairness, registryRate } from './registry-rate.ts'
import { rules } from './rules.ts'
import type { Comparison, Goal, Section, SectionOptions } from './section.ts'
import { compareSignatures, measureSignatures } from './signatures.ts'
import { startPlatform } from './start-platform.ts'
import { store } from './store.ts'
import { compareThroughput, measureThroughput } from './throughput.ts'
import { webhooks } from './webhooks.ts'

export interface BenchReport {
  readonly machine: MachineFacts
  readonly quick: boolean
  /** What was promised of what was measured here. */
  readonly goals: readonly (Goal & { readonly section: string })[]
  /** Ours against peers, of what was measured here. */
  readonly compared: readonly (Comparison & { readonly section: string })[]
  /** Rows by section. */
  readonly sections: Readonly<Record<string, readonly object[]>>
}

const throughput: Section = {
  name: 'throughput',
  title: 'Calls per second, signed (except where it says unsigned), medians of interleaved rounds on the loopback interface:',
  measure: async ({ quick }) =>
    await onPlatform(async (port) => {
      const rows = await measureThroughput({ port, concurrencies: [1, 20, 100], rounds: quick ? 3 : 9, sliceMs: quick ? 120 : 400 })
      return { rows, compared: compareThroughput(rows) }
    }),
}

const signatures: Section = {
  name: 'signatures',
  title: 'Signatures per second:',
  measure: ({ quick }) => {
    const rows = measureSignatures({ rounds: quick ? 3 : 7, sliceMs: quick ? 100 : 300 })
    return Promise.resolve({ rows, compared: compareSignatures(rows) })
  },
}

const coldStart: Section = {
  name: 'coldStart',
  title: 'Cold start, milliseconds from the start of the process:',
  measure: async ({ root, quick }) => {
    for (const name of await readdir(join(root, 'functions'))) {
      if (!existsSync(join(root, 'dist', name, 'handler.mjs'))) await bundleFunction(root, name)
    }
    return await onPlatform(async (port) => {
      const rows = await measureColdStart({ root, port, rounds: quick ? 5 : 21 })
      return { rows, compared: compareColdStart(rows) }
    })
  },
}

/** Everything that is measured, in this order. */
export const sections: readonly Section[] = [
  throughput,
  signatures,
  coldStart,
  kernelSize,
  rules,
  quietTick,
  store,
  preview,
  registryRate,
  registryFairness,
  registryCalls,
  registryPlan,
  registryMemory,
  webhooks,
  licence,
]

/** Measures these sections once, on this machine only: all of them take about ten minutes, quick about two. */
export async function runBench(chosen: readonly Section[], options: SectionOptions): Promise<BenchReport> {
  const machine = machineFacts(options.root)
  const measured: Record<string, readonly object[]> = {}
  const goals: (Goal & { readonly section: string })[] = []
  const compared: (Comparison & { readonly section: string })[] = []
  for (const section of chosen) {
    const { rows, goals: own = [], compared: peers = [] } = await section.measure(options)
    measured[section.name] = rows
    goals.push(...own.map((one) => ({ section: section.name, ...one })))
    compared.push(...peers.map((one) => ({ section: section.name, ...one })))
  }
  return { machine, quick: options.quick, goals, compared, sections: measured }
}

async function onPlatform<T>(work: (port: number) => Promise<T>): Promise<T> {
  const platform = await startPlatform()
  try {
    return await work(platform.port)
  } finally {
    platform.stop()
  }
}
