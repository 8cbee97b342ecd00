import { type Sample, sampleOf } from '#shared/licence/sample.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore, type StoreHooks } from '#shared/safety/store-memory.ts'

export const region = 'ap-guangzhou'

/** A sample that a region answers three minutes past an hour. `usage` is by product; its values are sent as they are. */
export function sampleAt(
  hour: string | number,
  usage: Readonly<Record<string, unknown>>,
  { pass = 'false', unit = 'core', of = region }: { readonly pass?: unknown; readonly unit?: string; readonly of?: string } = {},
): Sample {
  const atMs = (typeof hour === 'number' ? hour * 3_600_000 : Date.parse(hour)) + 180_000
  const sample = sampleOf({ region: of, atMs, ...answers(usage, pass, unit) })
  if (!sample.ok) throw new Error(sample.error)
  return sample.value
}

export function answers(usage: Readonly<Record<string, unknown>>, pass: unknown = 'false', unit = 'core') {
  return {
    collectAllCore: {
      ProductName: 'TKE',
      Version: '3.1',
      Data: Object.entries(usage).map(([ProductId, UsageValue]) => ({
        ProductId,
        ProductIdDescribe: `what ${ProductId} is`,
        UsageUnit: unit,
        UsageValue,
      })),
      RequestId: 'req-collect',
    },
    queryOverage: { Pass: pass, RequestId: 'req-query' },
  }
}

const partition = 'memory/license-meter'

export interface TestMemory {
  readonly memory: MemoryWriter
  readonly disk: MemoryDisk
  /** The memory of another process over the same disk. */
  readonly another: (hooks?: StoreHooks) => MemoryWriter
}

/** A memory on a disk of its own, which begins as a copy of another one's. */
export function testMemory(hooks?: StoreHooks, from?: TestMemory): TestMemory {
  const disk = new MemoryDisk()
  for (const sort of from?.disk.sortKeys(partition) ?? []) {
    const row = from?.disk.row({ partition, sort })
    if (row !== undefined) disk.keep({ partition, sort }, row)
  }
  const another = (own?: StoreHooks) =>
    createMemory(openMemoryStore(disk, own), { function: 'license-meter', now: () => Date.parse('2026-11-24T12:00:00Z') })
  return { memory: another(hooks), disk, another }
}

export async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
