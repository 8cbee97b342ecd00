import { access } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { systemClock } from '#cloud/clock.ts'
import { recallCores } from '#functions/license-meter/check-memory.ts'
import { definition } from '#functions/license-meter/definition.ts'
import type { Settings } from '#functions/license-meter/event.ts'
import { clustersOf, regionsOf } from '#functions/license-meter/regions.ts'
import { plantLicenceYear } from '#infra/local/licence-year.ts'
import type { ClusterCores } from '#shared/licence/cross-check.ts'
import { numberOf } from '#shared/licence/decimal.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { recordedRegions } from '#shared/licence/record-store.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { type Config, functionConfig, invalidConfig, loadConfig } from '#shared/runtime/config.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createMemory, type MemoryReader, type MemoryWriter } from '#shared/runtime/memory.ts'
import { settingsFaults } from '#shared/runtime/own-faults.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'
import type { CommandIo } from './command.ts'
import { Stopped, UsageError } from './command.ts'
import { createProgress } from './progress.ts'
import { configPathOf } from './words.ts'

/** What a command about the licence looks at: the record of license-meter, and the settings that it is read by. */
export interface LicenceWorld {
  readonly settings: Settings
  readonly memory: MemoryReader
  /** Those that are measured and those that were, as far as they are asked for. */
  readonly regions: readonly string[]
  /** What the nodes of the configured clusters had when they were last read. */
  readonly clusters: readonly ClusterCores[]
  readonly nowMs: number
  /** What has to be said of it, a sentence each: that the record is a made-up one. */
  readonly notes: readonly string[]
  readonly redactor: Redactor
  /** `io.out`, without secrets. */
  readonly print: (line: string) => void
}

/** Words that every command about the licence takes. */
export interface LicenceWords {
  readonly config?: string | undefined
  readonly sandbox?: boolean | undefined
  readonly region?: readonly string[] | undefined
}

/**
 * Opens the record for as long as `work` takes. It is read only, and no platform is called. Without a configuration, and with
 * `--sandbox`, it is the record of a year that never was, and that is said.
 */
export async function withLicence(io: CommandIo, words: LicenceWords, work: (world: LicenceWorld) => Promise<number>): Promise<number> {
  const redactor = createRedactor()
  const isSandbox = words.sandbox === true || (words.config === undefined && (await isWithoutConfig(io)))
  const config = isSandbox
    ? await ownConfig(sandboxEnv, words.config ?? join(import.meta.dirname, '../local/sandbox.yaml'), io.cwd)
    : await ownConfig(io.env, configPathOf(words.config, io.env), io.cwd)
  const own = await functionConfig(config, definition)
  const store = await openStore(isSandbox ? { kind: 'memory' } : config.store, { clock: systemClock, random: Math.random })
  try {
    const nowMs = systemClock.now()
    const memory = createMemory(store, { function: definition.name, now: () => nowMs })
    const notes = isSandbox ? [sandboxNote(words.sandbox === true)] : []
    for (const note of notes) io.err(note)
    if (isSandbox) await plant(io, memory, own, nowMs)
    const regions = chosenRegions([...new Set([...regionsOf(own), ...(await recordedRegions(memory))])], words.region ?? [])
    return await work({
      settings: own.settings,
      memory: { get: memory.get, list: memory.list },
      regions,
      clusters: await clusterCores(memory, own),
      nowMs,
      notes,
      redactor,
      print: (line) => io.out(redactor.text(line)),
    })
  } finally {
    await store.close()
  }
}

const sandboxEnv = { TENCENTCLOUD_REGION: 'ap-guangzhou' }

/** The configuration with this function's own section; what is wrong with those of others is theirs, and keeps nobody from a report. */
async function ownConfig(env: CommandIo['env'], path: string, folder: string): Promise<Config> {
  const config = await loadConfig({ env, path, folder, schemas: { [definition.name]: definition.settings }, others: 'ignore' })
  const faults = await settingsFaults(definition, config)
  if (faults.length > 0) throw invalidConfig(config.path ?? path, faults)
  return config
}

function sandboxNote(isAsked: boolean): string {
  return `${isAsked ? '' : 'There is no longshore.yaml here and none was named. '}This is the sandbox: a year that was made up, to show what a report is like.`
}

async function isWithoutConfig({ env, cwd }: CommandIo): Promise<boolean> {
  const path = configPathOf(undefined, env)
  if (path !== 'longshore.yaml') return false
  try {
    await access(resolve(cwd, path))
    return false
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return true
    throw error
  }
}

async function plant(io: CommandIo, memory: MemoryWriter, config: FunctionConfig<Settings>, nowMs: number): Promise<void> {
  const { timeZone, entitlements } = config.settings
  const progress = createProgress(io, io.out)
  try {
    for (const [index, region] of regionsOf(config).entries()) {
      const limits = entitlements.flatMap(({ cores }) => (cores === 'unlimited' ? [] : [numberOf(cores)]))
      await plantLicenceYear(memory, {
        region,
        rules: { zone: timeZone, sums: sumsOf(entitlements, region) },
        nowMs,
        peakCores: Math.max(16, (limits[0] ?? 128) * (index === 0 ? 0.6 : 0.3)),
        seed: index + 1,
        onHours: (done, total) => {
          if (io.signal.aborted) throw io.signal.reason instanceof Stopped ? io.signal.reason : new Stopped('a signal', 130)
          progress.at(done, total, `hours of ${region}`)
        },
      })
    }
  } finally {
    progress.end()
  }
}

function chosenRegions(known: readonly string[], asked: readonly string[]): readonly string[] {
  for (const region of asked) {
    if (known.includes(region)) continue
    const near = nearest(region, known)
    throw new UsageError(
      `nothing is measured in ${region}; ${near === undefined ? `known: ${known.join(', ')}` : `did you mean "${near}"?`}`,
    )
  }
  return asked.length === 0 ? known : known.filter((region) => asked.includes(region))
}

async function clusterCores(memory: MemoryReader, config: FunctionConfig<Settings>): Promise<readonly ClusterCores[]> {
  const found: ClusterCores[] = []
  for (const { id } of clustersOf(config)) {
    const cores = await recallCores(memory, id)
    if (cores !== undefined) found.push(cores)
  }
  return found
}
