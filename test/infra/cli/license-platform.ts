import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { Settings } from '#functions/license-meter/event.ts'
import type { CommandIo } from '#infra/cli/command.ts'
import type { LicenceWorld } from '#infra/cli/license-world.ts'
import { plantLicenceYear } from '#infra/local/licence-year.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { appendSample } from '#shared/licence/record-store.ts'
import { sampleOf } from '#shared/licence/sample.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { Store } from '#shared/safety/store.ts'

export async function emptyMemory(now: () => number = Date.now): Promise<MemoryWriter> {
  const store = await openStore({ kind: 'memory' }, { clock: systemClock, random: Math.random })
  return createMemory(store, { function: 'license-meter', now })
}

export interface Printed {
  readonly io: CommandIo
  readonly world: LicenceWorld
  readonly out: () => string
  readonly err: () => string
}

/** A world as `withLicence` makes it, at a time of the test's own. */
export function worldOf(
  memory: MemoryWriter,
  options: {
    readonly now: string
    readonly settings?: object
    readonly regions?: readonly string[]
    readonly cwd?: string
    readonly env?: CommandIo['env']
  },
): Printed {
  const [out, err]: [string[], string[]] = [[], []]
  const redactor = createRedactor()
  const io: CommandIo = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: options.env ?? {},
    cwd: options.cwd ?? '/nowhere',
    signal: new AbortController().signal,
  }
  return {
    io,
    world: {
      settings: z.parse(Settings, options.settings ?? {}),
      memory,
      regions: options.regions ?? ['ap-guangzhou'],
      clusters: [],
      nowMs: Date.parse(options.now),
      notes: [],
      redactor,
      print: (line) => io.out(redactor.text(line)),
    },
    out: () => out.join('\n'),
    err: () => err.join('\n'),
  }
}

/** Puts hours on record: for each the usage by product, as the platform writes it. */
export async function measure(
  memory: MemoryWriter,
  hours: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  { region = 'ap-guangzhou', pass = 'false' as unknown } = {},
): Promise<void> {
  for (const [hour, usage] of Object.entries(hours)) {
    const sample = sampleOf({
      region,
      atMs: Date.parse(`${hour}:03:05Z`),
      collectAllCore: {
        Data: Object.entries(usage).map(([ProductId, UsageValue]) => ({
          ProductId,
          ProductIdDescribe: `=of ${ProductId}`,
          UsageUnit: 'core',
          UsageValue,
        })),
        RequestId: `c-${hour}`,
      },
      queryOverage: { Pass: pass, RequestId: `q-${hour}` },
    })
    if (!sample.ok) throw new Error(sample.error)
    await appendSample(memory, sample.value)
  }
}

/** A folder with a configuration whose store has the record of some weeks up to now. Closing it is the caller's. */
export async function licenceFolder(
  days: number,
): Promise<{ readonly folder: string; readonly store: Store; readonly memory: MemoryWriter }> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-licence-'))
  const entitlements = [{ product: 'tke-*', cores: 128 }]
  await writeFile(
    join(folder, 'longshore.yaml'),
    JSON.stringify({
      platform: { region: 'ap-guangzhou' },
      store: { kind: 'sqlite', path: 'state.db' },
      functions: { 'license-meter': { passMeans: 'over', entitlements } },
    }),
  )
  const planted = await emptyMemory()
  const settings = z.parse(Settings, { entitlements })
  const nowMs = Date.now()
  const sums = sumsOf(settings.entitlements, 'ap-guangzhou')
  await plantLicenceYear(planted, { region: 'ap-guangzhou', rules: { zone: settings.timeZone, sums }, nowMs, days, peakCores: 72 })
  const store = await openStore({ kind: 'sqlite', path: join(folder, 'state.db') }, { clock: systemClock, random: Math.random })
  const memory = createMemory(store, { function: 'license-meter', now: () => nowMs })
  for (const { key, value } of await planted.list('')) await memory.put(key, value)
  return { folder, store, memory }
}

/** The cells of a CSV file (RFC 4180), row by row. */
export function cellsOf(text: string): string[][] {
  return text
    .trimEnd()
    .split('\r\n')
    .map((row) =>
      [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? ''),
    )
}
