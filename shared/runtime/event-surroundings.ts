import type { TransportFactory } from '#cloud/wire.ts'
import type { Nudge } from '#shared/safety/nudge.ts'
import type { Config, Environment } from './config.ts'
import type { OpenPlatformOptions, PlatformTools } from './open-platform.ts'
import { createSqsNudge } from './sqs-nudge.ts'
import { createSqsPostpone, type Postpone } from './sqs-postpone.ts'
import { type ProcessSurroundings, processSurroundings } from './surroundings.ts'

/** What handlers of webhooks and queues take from their surroundings; tests put their own in place. */
export interface EventSurroundings extends ProcessSurroundings {
  /** What wakes the worker; without it the worker and the sweeps find what waits. */
  readonly createNudge: (env: Environment) => Nudge | undefined
  /** What tells the queue when to show a message again; without it that is as long as the queue waits by itself. */
  readonly createPostpone: (env: Environment) => Postpone | undefined
  /** Connects to the platform, for work on events that needs it. */
  readonly openPlatform: (config: Config, options: OpenPlatformOptions) => Promise<PlatformTools>
}

/** This process. The queue is the one that LONGSHORE_QUEUE_URL names, which serverless.yml sets. */
export const realSurroundings: EventSurroundings = {
  ...processSurroundings,
  createNudge: ({ LONGSHORE_QUEUE_URL: queueUrl }) =>
    queueUrl === undefined || queueUrl === '' ? undefined : createSqsNudge({ queueUrl }),
  createPostpone: ({ LONGSHORE_QUEUE_URL: queueUrl }) =>
    queueUrl === undefined || queueUrl === '' ? undefined : createSqsPostpone({ queueUrl }),
  openPlatform: async (config, options) => {
    const { openPlatform } = await import('./open-platform.ts')
    return await openPlatform(config, options)
  },
}

/** What sends over HTTP, for what is seldom sent: loaded when it is needed. */
export async function loadTransport(): Promise<TransportFactory> {
  return (await import('#cloud/transport-https.ts')).createTransport
}

/** A name that no other run of any process has. */
export function uniqueOwner(name: string, now: number, random: () => number): string {
  return `${name}/${now.toString(36)}-${Math.floor(random() * 2 ** 52).toString(36)}`
}
