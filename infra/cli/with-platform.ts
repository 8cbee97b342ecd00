import { systemClock } from '#cloud/clock.ts'
import type { LocalFunction } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, readConfig, realPlatform } from '#infra/local/platform.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { type Kernel, openStore } from '#shared/runtime/kernel.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'
import type { Store } from '#shared/safety/store.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { configPathOf } from './words.ts'

/** What a command about the store works with. */
export interface Opened {
  readonly platform: Platform
  readonly kernel: Kernel
  readonly redactor: Redactor
  /** `io.out`, without secrets. */
  readonly print: (line: string) => void
}

/**
 * Opens the platform and the store of a configuration for as long as `work` takes. `longshore.yaml` when none is named. With
 * `connectsLate` the platform's credentials need not be there until something is asked of it.
 */
export async function withStore(
  io: CommandIo,
  configPath: string | undefined,
  work: (opened: Opened) => Promise<number>,
  { connectsLate = false }: { readonly connectsLate?: boolean } = {},
): Promise<number> {
  const redactor = createRedactor()
  const path = configPathOf(configPath, io.env)
  const platform = await realPlatform({ configPath: path, cwd: io.cwd, env: io.env, redactor, withStore: true, connectsLate })
  try {
    const { kernel } = platform
    if (kernel === undefined) throw new Error('the store was not opened')
    return await work({ platform, kernel, redactor, print: (line) => io.out(redactor.text(line)) })
  } finally {
    await platform.close()
  }
}

/** The function with this name. Throws UsageError with the nearest one. */
export function functionNamed(name: string | undefined): LocalFunction {
  const names = localFunctions.map((fn) => fn.name)
  if (name === undefined) throw new UsageError(`name a function: ${names.join(', ')}`)
  const found = localFunctions.find((fn) => fn.name === name)
  if (found !== undefined) return found
  const near = nearest(name, names)
  throw new UsageError(`there is no function "${name}"; ${near === undefined ? `known: ${names.join(', ')}` : `did you mean "${near}"?`}`)
}

/** Only the store of a configuration, for commands that call no platform. Whoever opens it closes it. */
export async function openConfiguredStore(io: CommandIo, configPath: string | undefined): Promise<Store> {
  const config = await readConfig({ env: io.env, path: configPathOf(configPath, io.env), folder: io.cwd })
  return await openStore(config.store, { clock: systemClock, random: Math.random })
}
