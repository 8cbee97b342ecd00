import { homedir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport.ts'
import { type Sandbox, type SandboxOptions, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { type Config, type Environment, loadConfig } from '#shared/runtime/config.ts'
import { type Connection, connect } from '#shared/runtime/connect.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { settingsSchemas } from './local-functions.ts'

/** What the functions run against here: a configuration with a client for it, and the sandbox where there is one. */
export interface Platform {
  readonly config: Config
  readonly cloud: Connection
  readonly sandbox?: Sandbox
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
}): Promise<Platform> {
  const config = await loadConfig({ env: options.env, path: options.configPath, folder: options.cwd, schemas: settingsSchemas })
  const cloud = await connect(config, {
    env: options.env,
    clock: systemClock,
    random: Math.random,
    createTransport,
    redactor: options.redactor,
    homeDirectory: homedir(),
  })
  return { config, cloud, now: () => systemClock.now(), close: () => cloud.close() }
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
  const loaded = await loadConfig({ env, path, folder: options.cwd, schemas: settingsSchemas })
  const sandbox = await startSandbox(options.sandbox)
  const config: Config = {
    ...loaded,
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: loaded.platform.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'references', secretId: 'env:TENCENTCLOUD_SECRET_ID', secretKey: 'env:TENCENTCLOUD_SECRET_KEY' },
    },
  }
  try {
    const cloud = await connect(config, { env, clock: systemClock, random: Math.random, createTransport, redactor: options.redactor })
    return {
      config,
      cloud,
      sandbox,
      now: sandbox.clock.now,
      close: async () => {
        await cloud.close()
        await sandbox.close()
      },
    }
  } catch (error) {
    await sandbox.close()
    throw error
  }
}
