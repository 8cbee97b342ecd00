import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { systemClock } from '#cloud/clock.ts'
import type { SendOptions } from '#cloud/cloud.ts'
import { createTransport } from '#cloud/transport.ts'
import { type BotMessage, sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential, sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import { type Config, type Environment, loadConfig } from '#shared/runtime/config.ts'
import { type Connection, type ConnectOptions, connect } from '#shared/runtime/connect.ts'
import { createKernel, type Kernel, openStore } from '#shared/runtime/kernel.ts'
import { refuseFaults } from '#shared/runtime/own-faults.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { once } from '#shared/runtime/surroundings.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { inlineCalendars } from './inline-calendars.ts'
import type { LocalFunction } from './local-function.ts'
import { localFunctions, schemasOf } from './local-functions.ts'

/** What the functions run against here: a configuration with a client for it, and the sandbox where there is one. */
export interface Platform {
  readonly config: Config
  readonly cloud: Connection
  readonly sandbox?: Sandbox
  /** What writes go through; absent when the mode writes nothing and no function has webhooks. */
  readonly kernel: Kernel | undefined
  /** Where functions remember things, whatever the mode; absent when it cannot be opened and nothing else needs it. */
  readonly store: Store | undefined
  /** Why it is absent. */
  readonly storeProblem?: string | undefined
  /** What references to secrets lead to: this process's environment, or the sandbox's test credentials on top of it. */
  readonly env: Environment
  /** Epoch milliseconds: the sandbox's time, or the machine's. */
  readonly now: () => number
  close(): Promise<void>
}

/** The platform that a configuration names. Throws ConfigError or CloudError before anything is called. */
export async function realPlatform(options: {
  readonly configPath: string
  readonly cwd: string
  readonly env: Environment
  readonly redactor: Redactor
  /** Opens the store whatever the mode; for those who look into it. */
  readonly withStore?: boolean
  /** Connects when the platform is first asked for something: for those who look into the store, and need no credentials for that. */
  readonly connectsLate?: boolean
  /** Told of each try of a call to the platform. */
  readonly onAttempt?: ConnectOptions['onAttempt']
  /** All that exist when absent. */
  readonly functions?: readonly LocalFunction[]
}): Promise<Platform> {
  const { functions = localFunctions } = options
  const config = await readConfig({ env: options.env, path: options.configPath, folder: options.cwd, functions })
  const connection = async (): Promise<Connection> =>
    await connect(config, {
      env: options.env,
      clock: systemClock,
      random: Math.random,
      createTransport,
      redactor: options.redactor,
      homeDirectory: homedir(),
      ...(options.onAttempt === undefined ? {} : { onAttempt: options.onAttempt }),
    })
  const cloud = options.connectsLate === true ? lateConnection(connection) : await connection()
  return await withKernel(config, cloud, {
    env: options.env,
    redactor: options.redactor,
    now: () => systemClock.now(),
    withStore: options.withStore === true || functions.some(({ hooks }) => hooks !== undefined),
  })
}

/** A connection that is made at its first use; what that fails with is what the call fails with. */
function lateConnection(open: () => Promise<Connection>): Connection {
  let isOpen = false
  const connection = once(async () => {
    const opened = await open()
    isOpen = true
    return opened
  })
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> =>
      await (await connection()).send(action, request, options),
    fetchText: async (url, options) => await (await connection()).fetchText(url, options),
    close: async () => {
      if (isOpen) await (await connection()).close()
    },
  }
}

/** A whole configuration, with the calendars of its files and every function's own checks. Throws ConfigError with all that is wrong. */
export async function readConfig(options: {
  readonly env: Environment
  readonly path: string
  readonly folder: string
  /** All that exist when absent. */
  readonly functions?: readonly LocalFunction[]
}): Promise<Config> {
  const { env, path, folder, functions = localFunctions } = options
  const config = await inlineCalendars(await loadConfig({ env, path, folder, schemas: schemasOf(functions) }), systemClock.now())
  await refuseFaults(config, (await Promise.all(functions.map((fn) => fn.problems(config)))).flat())
  return config
}

/**
 * Opens the store and puts everything together; what was opened is closed when that fails. In a mode that writes nothing it goes
 * without a store that cannot be opened: then nothing is remembered.
 */
async function withKernel(
  config: Config,
  cloud: Connection,
  options: { readonly env: Environment; readonly redactor: Redactor; readonly now: () => number; readonly withStore?: boolean },
): Promise<Platform> {
  const { env, redactor, now } = options
  const needsKernel = config.mode === 'enforce' || options.withStore === true
  try {
    let store: Store
    try {
      store = await openStore(config.store, { clock: systemClock, random: Math.random })
    } catch (error) {
      if (needsKernel || !(error instanceof StoreError)) throw error
      return { config, cloud, kernel: undefined, store: undefined, storeProblem: error.message, env, now, close: () => cloud.close() }
    }
    const close = async (): Promise<void> => {
      await cloud.close()
      await store.close()
    }
    if (!needsKernel) return { config, cloud, kernel: undefined, store, env, now, close }
    const kernel = await createKernel({
      config,
      store,
      cloud,
      now,
      redact: (text) => redactor.text(text),
      resolveReference: createResolver({ env }),
    })
    return { config, cloud, kernel, store, env, now, close }
  } catch (error) {
    await cloud.close()
    throw error
  }
}

/**
 * A sandbox of its own, with the given configuration or the built-in one that names all of the sandbox's clusters. Whatever
 * the configuration says about the platform is put aside: calls go to the sandbox, signed with its test credentials.
 */
export async function sandboxPlatform(options: {
  readonly configPath?: string | undefined
  readonly cwd: string
  readonly redactor: Redactor
  readonly sandbox: SandboxOptions
  /** Where secrets of webhooks are looked up; nowhere when absent. No credential of it is used. */
  readonly env?: Environment
  /** By what the client keeps to the rates; the machine's when absent. Where the sandbox's clock goes faster, this has to, too. */
  readonly monotonic?: (() => number) | undefined
  /** Told of each try of a call to the sandbox. */
  readonly onAttempt?: ConnectOptions['onAttempt']
  /** All that exist when absent. */
  readonly functions?: readonly LocalFunction[]
  /** Told of each message that a notifier of the configuration sends: it goes to a stand-in on this machine, never to the real one. */
  readonly onMessage?: ((message: BotMessage) => void) | undefined
}): Promise<Platform> {
  const { functions = localFunctions } = options
  const env = {
    TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
    TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
    TENCENTCLOUD_REGION: 'ap-guangzhou',
  }
  const path = options.configPath ?? join(import.meta.dirname, 'sandbox.yaml')
  const loaded = await readConfig({ env, path, folder: options.cwd, functions })
  const sandbox = await startSandbox(options.sandbox)
  const bots = loaded.notifiers === undefined ? undefined : await startBots({ now: sandbox.clock.now, onMessage: options.onMessage })
  const local = bots === undefined ? undefined : sandboxNotifiers(loaded.notifiers ?? [], bots)
  const config: Config = {
    ...loaded,
    notifiers: local?.notifiers,
    // As long-lived as the sandbox: what was done in one world says nothing about the next.
    store: { kind: 'memory' },
    journalKey: undefined,
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: loaded.platform.region,
      allowInsecureHttp: false,
      // Nothing of the platform is called there, but calendars are where they are.
      allowedHosts: loaded.platform.allowedHosts,
      credentials: { kind: 'references', secretId: 'env:TENCENTCLOUD_SECRET_ID', secretKey: 'env:TENCENTCLOUD_SECRET_KEY' },
    },
  }
  try {
    // Everything here lives by the sandbox's time: deadlines and signatures as well as schedules.
    const { monotonic = systemClock.monotonic } = options
    const clock = { ...systemClock, now: sandbox.clock.now, monotonic }
    const onAttempt = options.onAttempt === undefined ? {} : { onAttempt: options.onAttempt }
    const cloud = await connect(config, { env, clock, random: Math.random, createTransport, redactor: options.redactor, ...onAttempt })
    const platform = await withKernel(config, cloud, {
      env,
      redactor: options.redactor,
      now: sandbox.clock.now,
      withStore: functions.some(({ hooks }) => hooks !== undefined),
    })
    return {
      ...platform,
      env: { ...sandboxHookSecrets, ...options.env, ...env, ...local?.env },
      sandbox,
      close: async () => {
        await platform.close()
        await bots?.close()
        await sandbox.close()
      },
    }
  } catch (error) {
    await bots?.close()
    await sandbox.close()
    throw error
  }
}
