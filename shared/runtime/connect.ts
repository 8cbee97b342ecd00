import { allowedHosts } from '#cloud/allowed-hosts.ts'
import { type ClientOptions, createClient } from '#cloud/client.ts'
import type { Clock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { type CredentialSource, type Credentials, environmentCredentials, refreshingCredentials } from '#cloud/credentials.ts'
import { ProxyError, proxyPasswords, proxyRule } from '#cloud/proxy.ts'
import type { RegistryClient } from '#cloud/registry-client.ts'
import type { TransportFactory } from '#cloud/wire.ts'
import { withRegistry } from '#cloud/with-registry.ts'
import { type Config, ConfigError, type Environment } from './config.ts'
import type { FetchText } from './fetch-text.ts'
import type { Fetcher } from './fetcher.ts'
import { readCa } from './read-ca.ts'
import type { Redactor } from './redact.ts'
import { createResolver, type ResolveReference, SecretUnavailableError } from './reference.ts'

export interface ConnectOptions {
  /** Values that references and proxy settings are read from. */
  readonly env: Environment
  readonly clock: Clock
  readonly random: () => number
  readonly createTransport: TransportFactory
  /** Learns every secret before it is used. */
  readonly redactor: Redactor
  /** Resolves references; by environment, file and the Lambda runtime's SDK when absent. */
  readonly resolveReference?: ResolveReference
  /** Where the platform's own tools keep credentials, for a process of a person; not looked at when absent. */
  readonly homeDirectory?: string
  readonly onAttempt?: ClientOptions['onAttempt']
}

/** The client of a configuration, and what else may be asked beside the platform. */
export type Connection = CloudWriter & {
  /** Reads texts from the hosts that the configuration lists. */
  readonly fetchText: FetchText
  close(): Promise<void>
}

/** References that can change while the process runs are read again after this time. */
const rereadMs = 10 * 60_000

/**
 * Makes the client that a configuration asks for: endpoint, hosts that may be called, certificate authority, proxy, region, and
 * credentials, which are fetched once right away, so that a missing secret shows at the start and not at the first write.
 *
 * Throws ConfigError when the certificate file or a proxy setting cannot be used, CloudError of kind `cloud.credentials`
 * when there are no credentials.
 */
export async function connect(config: Config, options: ConnectOptions): Promise<Connection> {
  const { platform } = config
  for (const secret of proxyPasswords(options.env)) options.redactor.add(secret)
  checkProxies(options.env)
  const credentials = learning(await credentialsOf(config, options), options.redactor)
  await credentials()
  const ca = platform.caFile === undefined ? undefined : await readCa(platform.caFile)
  const client = createClient({
    credentials,
    ...(platform.region === undefined ? {} : { region: platform.region }),
    endpoint: platform.endpoint,
    clock: options.clock,
    transport: options.createTransport({
      clock: options.clock,
      allowedHosts: allowedHosts(platform.endpoint, undefined, platform.allowedHosts),
      allowInsecureHttp: platform.allowInsecureHttp,
      environment: options.env,
      ...(ca === undefined ? {} : { ca }),
    }),
    random: options.random,
    ...(platform.rateShares === undefined ? {} : { rateShares: platform.rateShares }),
    ...(options.onAttempt === undefined ? {} : { onAttempt: options.onAttempt }),
  })
  const { clock, createTransport, env: environment } = options
  let fetcher: Promise<Fetcher> | undefined
  // Loaded with the first text: most processes fetch none.
  const openFetcher = async (): Promise<Fetcher> => {
    const { createFetcher } = await import('./fetcher.ts')
    return createFetcher({ settings: platform, clock, createTransport, environment, ca })
  }
  let registries: RegistryClient | undefined
  const cloud = withRegistry(client, async () => {
    // Loaded here only: most installations have no registry beside the platform's.
    const { createRegistryClient } = await import('#cloud/registry-client.ts')
    registries ??= createRegistryClient({
      clock: options.clock,
      random: options.random,
      createTransport: (allowInsecureHttp) =>
        options.createTransport({
          clock: options.clock,
          allowedHosts: platform.allowedHosts,
          allowInsecureHttp: allowInsecureHttp || platform.allowInsecureHttp,
          environment: options.env,
          ...(ca === undefined ? {} : { ca: [ca, ...process.getBuiltinModule('node:tls').rootCertificates] }),
        }),
      resolve: options.resolveReference ?? createResolver({ env: options.env }),
      onSecret: (secret) => options.redactor.add(secret),
      ...(options.onAttempt === undefined ? {} : { onAttempt: options.onAttempt }),
    })
    return registries
  })
  return {
    send: cloud.send,
    fetchText: async (url, fetchOptions) => {
      fetcher ??= openFetcher()
      return await (await fetcher).fetchText(url, fetchOptions)
    },
    close: async () => {
      await Promise.all([client.close(), fetcher?.then((opened) => opened.close()), registries?.close()])
    },
  }
}

/** What reads files is loaded where there are some: functions have none. */
async function credentialsOf(config: Config, options: ConnectOptions): Promise<CredentialSource> {
  const { clock } = options
  const setting = config.platform.credentials
  switch (setting.kind) {
    case 'none': {
      if (options.homeDirectory === undefined) return environmentCredentials({})
      const { homeCredentials } = await import('#cloud/credentials-file.ts')
      return homeCredentials({ homeDirectory: options.homeDirectory, clock })
    }
    case 'file': {
      const { fileCredentials } = await import('#cloud/credentials-file.ts')
      return fileCredentials({ path: setting.path, profile: setting.profile, clock })
    }
    case 'references': {
      const resolve = options.resolveReference ?? createResolver({ env: options.env })
      const { secretId, secretKey, token } = setting
      const fixed = [secretId, secretKey, token].every((reference) => reference === undefined || reference.startsWith('env:'))
      const read = async (field: keyof typeof setting, reference: string): Promise<string> => {
        try {
          return await resolve(reference)
        } catch (error) {
          if (!(error instanceof SecretUnavailableError)) throw error
          throw new SecretUnavailableError(`platform.credentials.${field}: ${error.message}`, { cause: error })
        }
      }
      return refreshingCredentials({
        clock,
        name: 'platform.credentials',
        renewBeforeMs: rereadMs / 2,
        refresh: async (): Promise<Credentials> => ({
          secretId: await read('secretId', secretId),
          secretKey: await read('secretKey', secretKey),
          token: token === undefined ? undefined : await read('token', token),
          expiresAt: fixed ? undefined : clock.now() + rereadMs,
        }),
      })
    }
  }
}

/** The same source; what it gives is made known to the redactor first, once for each set. */
function learning(source: CredentialSource, redactor: Redactor): CredentialSource {
  let known: Credentials | undefined
  return async (refused) => {
    const current = await source(refused)
    if (current !== known) {
      known = current
      for (const secret of [current.secretId, current.secretKey, current.token ?? '']) redactor.add(secret)
    }
    return current
  }
}

/** Finds out before anything is asked for whether the proxy variables can be used. */
function checkProxies(env: Environment): void {
  try {
    proxyRule(env)
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error
    throw new ConfigError('config.invalid', error.message, [{ path: error.variable, text: error.message }], { cause: error })
  }
}
