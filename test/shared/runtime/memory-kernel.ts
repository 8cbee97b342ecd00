import type { CloudReader } from '#cloud/cloud.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

/** A kernel over a store in memory; pass the same disk to let another process find what this one left. */
export async function memoryKernel(options: {
  readonly config: Pick<Config, 'clusters' | 'guard' | 'journalKey'>
  readonly cloud: CloudReader
  readonly now: () => number
  readonly disk?: MemoryDisk
}): Promise<Kernel> {
  const { config, cloud, now, disk = new MemoryDisk() } = options
  return await createKernel({
    config,
    store: openMemoryStore(disk),
    cloud,
    now,
    redact: (text) => text,
    resolveReference: (reference) => Promise.reject(new Error(`${reference} is not to be asked for here`)),
  })
}
