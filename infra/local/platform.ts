import { homedir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Config, ConfigError, type Environment, loadConfig } from '#shared/runtime/config.ts'
import { type Connection, connect } from '#shared/runtime/connect.ts'
import { createKernel, type Kernel, openStore } from '#shared/runtime/kernel.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { localFunctions, settingsSchemas } from './local-functions.ts'

/** What the functions run against here: a configuration with a client for it, and the sandbox where there is one. */
export interface Platform {
  readonly config: Config
  readonly cloud: Connection
  readonly sandbox?: Sandbox
  /** What writes go through; absent when the mode writes nothing. */
  readonly kernel: Kernel | undefined
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
}): Promise<Platform> {
  const config = await readConfig({ env: options.env, path: options.configPath, folder: options.cwd })
  const cloud = await connect(config, {
    env: options.env,
    clock: systemClock,
    random: Math.random,
    createTransport,
    redactor: options.redactor,
    homeDirectory: homedir(),
  })
  return await withKernel(config, cloud, {
    env: options.env,
    redactor: options.redactor,
    now: () => systemClock.now(),
    withStore: options.withStore === true,
  })
}

/** A whole configuration, with every function's own checks. Throws ConfigError with all that is wrong. */
export async function readConfig(options: { readonly env: Environment; readonly path: string; readonly folder: string }): Promise<Config> {
  const config = await loadConfig({ ...options, schemas: settingsSchemas })
  const faults = (await Promise.all(localFunctions.map((fn) => fn.problems(config)))).flat()
  if (faults.length === 0) return config
  const count = faults.length === 1 ? '1 problem' : `${faults.length} problems`
  const lines = faults.map(({ path, text }) => `  ${path}: ${text}`)
  throw new ConfigError('config.invalid', `${config.path} has ${count}:\n${lines.join('\n')}`, faults)
}

/** Opens the store, where the mode needs one, and puts everything together; what was opened is closed when that fails. */
async function withKernel(
  config: Config,
  cloud: Connection,
  options: { readonly env: Environment; readonly redactor: Redactor; readonly now: () => number; readonly withStore?: boolean },
): Promise<Platform> {
  const { env, redactor, now } = options
  if (config.mode !== 'enforce' && options.withStore !== true) return { config, cloud, kernel: undefined, now, close: () => cloud.close() }
  try {
    const store = await openStore(config.store, { clock: systemClock, random: Math.random })
    const kernel = await createKernel({
      config,
      store,
      cloud,
      now,
      redact: (text) => redactor.text(text),
      resolveReference: createResolver({ env }),
    })
    const close = async (): Promise<void> => {
      await cloud.close()
      await store.close()
    }
    return { config, cloud, kernel, now, close }
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
}): Promise<Platform> {
  const env = {
    TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
    TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
    TENCENTCLOUD_REGION: 'ap-guangzhou',
  }
  const path = options.configPath ?? join(import.meta.dirname, 'sandbox.yaml')
  const loaded = await readConfig({ env, path, folder: options.cwd })
  const sandbox = await startSandbox(options.sandbox)
  const config: Config = {
    ...loaded,
    // As long-lived as the sandbox: what was done in one world says nothing about the next.
    store: { kind: 'memory' },
    journalKey: undefined,
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: loaded.platform.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'references', secretId: 'env:TENCENTCLOUD_SECRET_ID', secretKey: 'env:TENCENTCLOUD_SECRET_KEY' },
    },
  }
  try {
    // Everything here lives by the sandbox's time: deadlines and signatures as well as schedules.
    const clock = { ...systemClock, now: sandbox.clock.now }
    const cloud = await connect(config, { env, clock, random: Math.random, createTransport, redactor: options.redactor })
    const platform = await withKernel(config, cloud, { env, redactor: options.redactor, now: sandbox.clock.now })
    return {
      ...platform,
      sandbox,
      close: async () => {
        await platform.close()
        await sandbox.close()
      },
    }
  } catch (error) {
    await sandbox.close()
    throw error
  }
}
