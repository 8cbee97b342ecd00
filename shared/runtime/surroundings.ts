import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '#cloud/clock.ts'
import type { Store } from '#shared/safety/store.ts'
import { type Config, type Environment, environment } from './config.ts'
import { createResolver, type ResolveReference } from './reference.ts'

/** What every handler takes from its surroundings; tests put their own in place. */
export interface ProcessSurroundings {
  readonly environment: () => Environment
  readonly clock: Clock
  readonly random: () => number
  readonly writeLine: (line: string) => void
  /** The compiled configuration of a bundle. */
  readonly compiledConfig: string
  readonly openStore: (config: Config) => Promise<Store>
  readonly resolver: (env: Environment) => ResolveReference
}

/** This process. */
export const processSurroundings: ProcessSurroundings = {
  environment,
  clock: systemClock,
  random: Math.random,
  writeLine: (line) => {
    process.stdout.write(`${line}\n`)
  },
  // Beside the bundle; beside this source file there is none.
  compiledConfig: fileURLToPath(new URL('longshore.json', import.meta.url)),
  openStore: async (config) => {
    const { openStore } = await import('./kernel.ts')
    return await openStore(config.store, { clock: systemClock, random: Math.random })
  },
  resolver: (env) => createResolver({ env }),
}

/** Does the work at the first call and keeps what came of it; a failure is told and forgotten. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined
      throw error
    })
    return done
  }
}
