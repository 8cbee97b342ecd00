import type { Clock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { createTransport } from '#cloud/transport-https.ts'
import type { Store } from '#shared/safety/store.ts'
import type { Config, Environment } from './config.ts'
import { type ConnectOptions, connect } from './connect.ts'
import type { FetchText } from './fetch-text.ts'
import { createKernel, type Kernel } from './kernel.ts'
import type { Log } from './log.ts'
import { logAttempt } from './log-attempt.ts'
import type { Redactor } from './redact.ts'
import type { ResolveReference } from './reference.ts'

/** What reaches the platform: a client, and what every write goes through. */
export interface PlatformTools {
  readonly cloud: CloudWriter
  readonly kernel: Kernel
  /** Reads texts from the hosts of the configuration; nothing can be read when absent. */
  readonly fetchText?: FetchText | undefined
}

export interface OpenPlatformOptions {
  readonly env: Environment
  readonly store: Store
  readonly redactor: Redactor
  readonly clock: Clock
  readonly random: () => number
  readonly resolve: ResolveReference
  readonly log: Log
  /** Told of each try of a call, beside the log. */
  readonly onAttempt?: ConnectOptions['onAttempt']
}

/**
 * Connects to the platform that the configuration names, and makes the kernel on a store that is open already. Throws
 * ConfigError, CloudError of kind `cloud.credentials` and SecretUnavailableError.
 */
export async function openPlatform(config: Config, options: OpenPlatformOptions): Promise<PlatformTools> {
  const { env, store, redactor, clock, random, resolve, log, onAttempt } = options
  const cloud = await connect(config, {
    env,
    redactor,
    clock,
    random,
    createTransport,
    resolveReference: resolve,
    onAttempt: (attempt) => {
      onAttempt?.(attempt)
      logAttempt(log, attempt)
    },
  })
  const redact = (text: string): string => redactor.text(text)
  const kernel = await createKernel({ config, store, cloud, now: () => clock.now(), redact, resolveReference: resolve })
  return { cloud, kernel, fetchText: cloud.fetchText }
}
