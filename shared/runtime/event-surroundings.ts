import { fileURLToPath } from 'node:url'
import { type Clock, systemClock } from '#cloud/clock.ts'
import type { Nudge } from '#shared/safety/nudge.ts'
import type { Store } from '#shared/safety/store.ts'
import { type Config, type Environment, environment } from './config.ts'
import { createResolver, type ResolveReference } from './reference.ts'
import { createSqsNudge } from './sqs-nudge.ts'

/** What handlers of webhooks and queues take from their surroundings; tests put their own in place. */
export interface EventSurroundings {
  readonly environment: () => Environment
  readonly clock: Clock
  readonly random: () => number
  readonly writeLine: (line: string) => void
  /** The compiled configuration of a bundle. */
  readonly compiledConfig: string
  readonly openStore: (config: Config) => Promise<Store>
  readonly resolver: (env: Environment) => ResolveReference
  /** What wakes the worker; without it the worker and the sweeps find what waits. */
  readonly createNudge: (env: Environment) => Nudge | undefined
}

/** This process. The queue is the one that LONGSHORE_QUEUE_URL names, which serverless.yml sets. */
export const realSurroundings: EventSurroundings = {
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
  createNudge: ({ LONGSHORE_QUEUE_URL: queueUrl }) =>
    queueUrl === undefined || queueUrl === '' ? undefined : createSqsNudge({ queueUrl }),
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

/** A name that no other run of any process has. */
export function uniqueOwner(name: string, now: number, random: () => number): string {
  return `${name}/${now.toString(36)}-${Math.floor(random() * 2 ** 52).toString(36)}`
}
