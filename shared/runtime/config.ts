import { readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import * as z from 'zod/mini'
import { type Endpoint, publicEndpoint } from '#cloud/endpoint.ts'
import { isLoopback } from '#cloud/proxy.ts'
import { defaultGuardSettings, type GuardSettings } from '#shared/safety/guard-settings.ts'
import { pathText } from './config-path.ts'
import { configSchema, type SettingsSchemas } from './config-schema.ts'
import { type ConfigText, readJson, readYaml } from './config-text.ts'
import type { ClusterConfig, FunctionConfig, FunctionName, Mode } from './definition.ts'
import type { NotifierSetting } from './notify/notifier-settings.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Where the credentials come from. Names and references only: no secret is in a configuration. */
export type CredentialsSetting =
  | { readonly kind: 'references'; readonly secretId: string; readonly secretKey: string; readonly token?: string | undefined }
  | { readonly kind: 'file'; readonly path: string; readonly profile?: string | undefined }
  | { readonly kind: 'none' }

/** Where what was done is kept. */
export type StoreSetting =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'dynamodb'; readonly table: string; readonly region?: string | undefined }
  /** Lasts as long as the process: for a sandbox that does not last longer. */
  | { readonly kind: 'memory' }

/** The configuration after all checks: file and environment in one, paths absolute. Holds no secret. */
export interface Config {
  readonly mode: Mode
  readonly platform: {
    readonly endpoint: Endpoint
    /** Absent only in a configuration that was read for packaging: the environment of the running function may bring it. */
    readonly region?: string | undefined
    readonly caFile?: string | undefined
    /** Plain HTTP to other machines than this one. */
    readonly allowInsecureHttp: boolean
    /** Hosts that may be called beside the platform's own. */
    readonly allowedHosts: readonly string[]
    /** Part of the published rates that is used, by service, where it is not the client's own. */
    readonly rateShares?: { readonly tke?: number | undefined; readonly tcr?: number | undefined } | undefined
    readonly credentials: CredentialsSetting
  }
  readonly clusters: readonly ClusterConfig[]
  /** What holds changes back. Always there when the configuration was loaded; the default settings where the file has no such section. */
  readonly guard?: GuardSettings | undefined
  readonly store: StoreSetting
  /** Reference to the secret of the journal's seals. */
  readonly journalKey?: string | undefined
  /** Who hears of what needs somebody; absent where nobody does. */
  readonly notifiers?: readonly NotifierSetting[] | undefined
  /** The functions' sections as they stand in the file, checked; `functionConfig` reads one. */
  readonly functions: Readonly<Record<string, unknown>>
  /** The file it came from; absent when there was none. */
  readonly path?: string | undefined
}

/** One thing that is wrong, for people: `line 3, platform.regoin: unknown key; did you mean "region"?` */
export interface ConfigFault {
  /** Keys as a person writes them (`clusters[0].id`), or the name of an environment variable. */
  readonly path: string
  readonly line?: number | undefined
  readonly text: string
}

export type ConfigErrorKind = 'config.invalid' | 'config.unreadable'

/** The configuration cannot be used. The message lists every fault, on lines of their own, and shows no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly kind: ConfigErrorKind
  readonly faults: readonly ConfigFault[]

  constructor(kind: ConfigErrorKind, message: string, faults: readonly ConfigFault[], options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
    this.faults = faults
  }
}

export interface LoadConfigOptions {
  readonly env: Environment
  /** The file; else LONGSHORE_CONFIG, else `beside`, else longshore.yaml, .yml or .json in `folder`, else an empty configuration. */
  readonly path?: string | undefined
  /** A file that is used where it exists: the compiled configuration in a bundle. */
  readonly beside?: string | undefined
  /** Folder that relative paths are taken from; the working directory when absent. */
  readonly folder?: string | undefined
  readonly schemas: SettingsSchemas
  /** What becomes of sections of functions that `schemas` does not hold; `refuse` when absent. */
  readonly others?: 'refuse' | 'ignore'
  /** `package` leaves out what only the running function's environment can know. `run` when absent. */
  readonly purpose?: 'run' | 'package'
}

/** A copy of the process's environment. The one place in shared and functions that reads it. */
export function environment(): Environment {
  return { ...process.env }
}

/**
 * Finds, reads and checks the configuration. The file wins over the environment, as in the platform's Terraform provider.
 * Without a file all comes from the environment, and the mode is `plan`.
 *
 * Throws ConfigError with every fault at once: a file that is named but not there, two files to choose from, faulty text,
 * unknown keys, wrong values, contradictions, plain HTTP without leave, `enforce` without a cluster.
 */
export async function loadConfig(options: LoadConfigOptions): Promise<Config> {
  const path = await findFile(options)
  if (path === undefined) return await checkConfig({ ...options, source: 'the environment', text: readJson('{}') })
  return await checkConfig({ ...options, source: path, path, text: await readConfigFile(path) })
}

/** Reads a configuration file by its ending: JSON for `.json`, else YAML 1.2. Throws ConfigError when it cannot be read. */
export async function readConfigFile(path: string): Promise<ConfigText> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw unreadable(path, `the configuration cannot be read (${codeOf(error)}); check the path`, error)
  }
  if (path.endsWith('.json')) return readJson(text)
  try {
    return await readYaml(text)
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    throw unreadable(path, 'a bundle reads JSON only; package it again, which compiles longshore.yaml to JSON', error)
  }
}

/** Checks a text that was read and completes it from the environment. Throws ConfigError with every fault at once. */
export async function checkConfig(
  options: Pick<LoadConfigOptions, 'env' | 'folder' | 'schemas' | 'others' | 'purpose'> & {
    readonly text: ConfigText
    /** How messages call it. */
    readonly source: string
    /** The file, where there is one: its folder is what the paths in it are relative to. */
    readonly path?: string | undefined
  },
): Promise<Config> {
  const { text, env } = options
  const faults: ConfigFault[] = []
  for (const { path, line, text: what } of text.problems) faults.push({ path: pathText(path), line, text: what })
  const raw = text.value ?? {}
  const notify = hasNotifiers(raw) ? await import('./notify/notifier-settings.ts') : undefined
  const schema = configSchema(options.schemas, options.others ?? 'refuse', notify?.Notifiers)
  const parsed = faults.length > 0 ? undefined : z.safeParse(schema, raw)
  if (parsed !== undefined && !parsed.success) {
    // Loaded here only: a sound configuration needs no explanation.
    const { problemsOf } = await import('./config-problems.ts')
    for (const { path, text: what } of problemsOf(schema, raw)) faults.push({ path: pathText(path), line: text.lineOf(path), text: what })
  }
  if (parsed === undefined || !parsed.success) throw invalidConfig(options.source, faults)

  const file = parsed.data
  const add = (path: readonly PropertyKey[], what: string): void => {
    faults.push({ path: pathText(path), line: text.lineOf(path), text: what })
  }
  const addVariable = (name: string, what: string): void => {
    faults.push({ path: name, text: what })
  }
  const running = options.purpose !== 'package'
  const base = options.path === undefined ? (options.folder ?? '.') : dirname(options.path)
  const platform = file.platform ?? {}
  const clusters = file.clusters ?? []
  const mode = file.mode ?? 'plan'

  if (mode === 'enforce' && clusters.length === 0) {
    add(['mode'], 'enforce needs at least one entry under `clusters`: name what may be changed')
  }
  for (const field of ['id', 'name'] as const) {
    const first = new Map<string, number>()
    for (const [index, cluster] of clusters.entries()) {
      const value = cluster[field]
      if (value === undefined) continue
      const earlier = first.get(value)
      if (earlier === undefined) first.set(value, index)
      else add(['clusters', index, field], `the same as clusters[${earlier}].${field}; name each cluster once`)
    }
  }

  for (const [index, { name }] of clusters.entries()) {
    const other = clusters.findIndex(({ id }, at) => at !== index && id === name)
    if (other >= 0) add(['clusters', index, 'name'], `is the id of clusters[${other}]; a rule that names it would mean two clusters`)
  }

  const guard = file.guard ?? defaultGuardSettings
  for (const { path, text: what } of await guardFaults(guard, clusters)) add(path, what)

  for (const { path, text: what } of notify?.notifierFaults(file.notifiers ?? []) ?? []) add(['notifiers', ...path], what)

  const endpoint = endpointOf(platform, env, add, addVariable)
  const region = platform.region ?? emptyAsAbsent(env.TENCENTCLOUD_REGION)
  if (region === undefined && running) add(['platform', 'region'], 'missing; set it, or TENCENTCLOUD_REGION')
  if (platform.region === undefined && region !== undefined && !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(region)) {
    addVariable('TENCENTCLOUD_REGION', 'must be a region as the platform writes it, such as "ap-guangzhou"')
  }
  const credentials = credentialsOf(platform, env, base, addVariable)
  if (faults.length > 0) throw invalidConfig(options.source, faults)

  return {
    mode,
    platform: {
      endpoint,
      region,
      caFile: platform.caFile === undefined ? undefined : resolve(base, platform.caFile),
      allowInsecureHttp: platform.allowInsecureHttp ?? false,
      allowedHosts: platform.allowedHosts ?? [],
      ...(platform.rateShares === undefined ? {} : { rateShares: platform.rateShares }),
      credentials,
    },
    clusters,
    guard,
    store: storeOf(file.store, env, base),
    journalKey: file.journal?.key,
    ...(file.notifiers === undefined || file.notifiers.length === 0 ? {} : { notifiers: file.notifiers }),
    functions: functionsOf(raw),
    path: options.path,
  }
}

/** Where the guard's settings speak of a cluster that is not configured: what they should hold back would not be held back. */
async function guardFaults(
  { caps, protect, killSwitch }: GuardSettings,
  clusters: readonly ClusterConfig[],
): Promise<readonly { readonly path: readonly PropertyKey[]; readonly text: string }[]> {
  const ids = clusters.map(({ id }) => id)
  const names = clusters.flatMap(({ id, name }) => (name === undefined ? [id] : [id, name]))
  const faults: { path: readonly PropertyKey[]; text: string }[] = []
  const meant = async (word: string, known: readonly string[]): Promise<string> => {
    // Loaded here only: a sound configuration needs no suggestion.
    const { nearest } = await import('#shared/pure/nearest.ts')
    const near = nearest(word, known)
    return near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`
  }
  if (killSwitch.kind === 'configMap' && !names.includes(killSwitch.cluster)) {
    const text = `names none of \`clusters\`${(await meant(killSwitch.cluster, names)) || '; give the id or the name of one'}`
    faults.push({ path: ['guard', 'killSwitch', 'cluster'], text })
  }
  const globs = [
    ...caps.map(({ target }, index) => ({ path: ['guard', 'caps', index, 'target'], pattern: target?.pattern ?? '' })),
    ...protect.map(({ pattern }, index) => ({ path: ['guard', 'protect', index], pattern })),
  ]
  for (const { path, pattern } of globs) {
    // A target in a cluster begins with the cluster's id.
    const id = /^(cls-[a-z0-9]+)(?:\/|$)/.exec(pattern)?.[1]
    if (id === undefined) continue
    if (ids.includes(id)) {
      const parts = pattern.split('/').length
      // Targets are a cluster, or something in it; * stops at a slash, and protecting less than was meant would go unnoticed.
      if (pattern.includes('**') || parts === 1 || parts === targetParts) continue
      const text = `${JSON.stringify(pattern)} fits nothing, because * stops at a slash and targets are cluster/namespace/kind/name: write ${id}/** for all of the cluster`
      faults.push({ path, text })
      continue
    }
    faults.push({ path, text: `the cluster ${id} is none of \`clusters\`, so nothing would fit${await meant(id, ids)}` })
  }
  return faults
}

/** Of what is in a cluster: its id, namespace, kind and name. */
const targetParts = 4

/**
 * What one function gets: the common part and its own section, read by its schema. A missing section is `{}`. Throws
 * ConfigError when the section does not fit, or when no region is known.
 */
export async function functionConfig<Settings>(
  config: Config,
  definition: { readonly name: FunctionName; readonly settings: z.ZodMiniType<Settings> },
): Promise<FunctionConfig<Settings>> {
  const source = config.path ?? 'the environment'
  const raw = config.functions[definition.name] ?? {}
  const parsed = z.safeParse(definition.settings, raw)
  if (!parsed.success) {
    const { problemsOf } = await import('./config-problems.ts')
    throw invalidConfig(
      source,
      problemsOf(definition.settings, raw).map(({ path, text }) => ({ path: pathText(['functions', definition.name, ...path]), text })),
    )
  }
  const { region } = config.platform
  if (region === undefined) throw invalidConfig(source, [{ path: 'platform.region', text: 'missing; set it, or TENCENTCLOUD_REGION' }])
  return { mode: config.mode, region, clusters: config.clusters, settings: parsed.data }
}

/** The table of the stack is in LONGSHORE_TABLE, which serverless.yml sets. */
function storeOf(store: z.infer<ReturnType<typeof configSchema>>['store'], env: Environment, base: string): StoreSetting {
  if (store !== undefined) return store.kind === 'sqlite' ? { kind: 'sqlite', path: resolve(base, store.path) } : store
  const table = emptyAsAbsent(env.LONGSHORE_TABLE)
  return table === undefined ? { kind: 'sqlite', path: resolve(base, '.longshore/store.db') } : { kind: 'dynamodb', table }
}

type PlatformFile = NonNullable<z.infer<ReturnType<typeof configSchema>>['platform']>
type AddFault = (path: readonly PropertyKey[], what: string) => void

function endpointOf(platform: PlatformFile, env: Environment, add: AddFault, addVariable: (name: string, what: string) => void): Endpoint {
  const insecure = '`allowInsecureHttp: true` is needed for plain HTTP: anybody on the way can read and change the answers'
  const mayInsecure = platform.allowInsecureHttp === true
  if (platform.endpoint !== undefined) {
    if (platform.domain !== undefined) add(['platform', 'domain'], 'give either `domain` or `endpoint`, not both')
    if (platform.protocol !== undefined) add(['platform', 'protocol'], 'goes with `domain`; an `endpoint` says its protocol itself')
    const url = URL.parse(platform.endpoint)
    if (url === null) add(['platform', 'endpoint'], 'is no URL; its port may be out of range')
    else if (url.protocol === 'http:' && !mayInsecure && !isLoopback(url.hostname)) add(['platform', 'endpoint'], insecure)
    return { kind: 'url', url: platform.endpoint }
  }
  const domainVariable = emptyAsAbsent(env.TENCENTCLOUD_DOMAIN)
  const protocolVariable = emptyAsAbsent(env.TENCENTCLOUD_PROTOCOL)?.toLowerCase()
  const domain = platform.domain ?? domainVariable ?? domainOf(publicEndpoint)
  if (
    platform.domain === undefined &&
    domainVariable !== undefined &&
    !/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?$/.test(domain)
  ) {
    addVariable('TENCENTCLOUD_DOMAIN', 'must be a root domain without protocol and path, such as "cloud.example.com"')
  }
  if (platform.protocol === undefined && protocolVariable !== undefined && protocolVariable !== 'http' && protocolVariable !== 'https') {
    addVariable('TENCENTCLOUD_PROTOCOL', 'must be "https" or "http"')
  }
  const protocol = platform.protocol ?? (protocolVariable === 'http' ? 'http' : 'https')
  if (protocol === 'http' && !mayInsecure && !isLoopback(domain.replace(/:[0-9]+$/, ''))) {
    if (platform.protocol === undefined) addVariable('TENCENTCLOUD_PROTOCOL', `platform.allowInsecureHttp is not set; ${insecure}`)
    else add(['platform', 'protocol'], insecure)
  }
  return { kind: 'domain', domain, protocol }
}

function credentialsOf(
  platform: PlatformFile,
  env: Environment,
  base: string,
  addVariable: (name: string, what: string) => void,
): CredentialsSetting {
  const { credentials } = platform
  if (credentials !== undefined) {
    if ('file' in credentials) return { kind: 'file', path: resolve(base, credentials.file), profile: credentials.profile }
    return { kind: 'references', ...credentials }
  }
  const secretId = emptyAsAbsent(env.TENCENTCLOUD_SECRET_ID)
  const secretKey = emptyAsAbsent(env.TENCENTCLOUD_SECRET_KEY)
  if (secretId === undefined && secretKey === undefined) return { kind: 'none' }
  if (secretId === undefined) addVariable('TENCENTCLOUD_SECRET_ID', 'missing, but TENCENTCLOUD_SECRET_KEY is set; set both')
  if (secretKey === undefined) addVariable('TENCENTCLOUD_SECRET_KEY', 'missing, but TENCENTCLOUD_SECRET_ID is set; set both')
  return {
    kind: 'references',
    secretId: 'env:TENCENTCLOUD_SECRET_ID',
    secretKey: 'env:TENCENTCLOUD_SECRET_KEY',
    token: emptyAsAbsent(env.TENCENTCLOUD_TOKEN) === undefined ? undefined : 'env:TENCENTCLOUD_TOKEN',
  }
}

async function findFile(options: LoadConfigOptions): Promise<string | undefined> {
  const folder = options.folder ?? '.'
  const named = options.path ?? emptyAsAbsent(options.env.LONGSHORE_CONFIG)
  if (named !== undefined) return isAbsolute(named) ? named : join(folder, named)
  if (options.beside !== undefined && (await exists(options.beside))) return options.beside
  const found: string[] = []
  for (const name of ['longshore.yaml', 'longshore.yml', 'longshore.json']) {
    if (await exists(join(folder, name))) found.push(join(folder, name))
  }
  if (found.length > 1) throw unreadable(folder, `there are ${found.join(' and ')}; keep one, or name one with LONGSHORE_CONFIG`)
  return found[0]
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false
    throw unreadable(path, `it cannot be looked at (${codeOf(error)}); check the permissions of its folder`, error)
  }
}

function hasNotifiers(raw: unknown): boolean {
  return typeof raw === 'object' && raw !== null && 'notifiers' in raw && raw.notifiers !== undefined
}

function functionsOf(raw: unknown): Readonly<Record<string, unknown>> {
  const functions = typeof raw === 'object' && raw !== null && 'functions' in raw ? raw.functions : undefined
  return typeof functions === 'object' && functions !== null ? { ...functions } : {}
}

function domainOf(endpoint: Endpoint): string {
  return endpoint.kind === 'domain' ? endpoint.domain : new URL(endpoint.url).host
}

function emptyAsAbsent(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

/** A configuration that cannot be used, with everything that is wrong with it in the order of its lines. */
export function invalidConfig(source: string, unordered: readonly ConfigFault[]): ConfigError {
  const faults = unordered.toSorted((left, right) => (left.line ?? Number.MAX_SAFE_INTEGER) - (right.line ?? Number.MAX_SAFE_INTEGER))
  const lines = faults.map(({ path, line, text }) => `  ${line === undefined ? '' : `line ${line}, `}${path}: ${text}`)
  const count = faults.length === 1 ? '1 problem' : `${faults.length} problems`
  return new ConfigError('config.invalid', `${source} has ${count}:\n${lines.join('\n')}`, faults)
}

function unreadable(path: string, what: string, cause?: unknown): ConfigError {
  return new ConfigError('config.unreadable', `${path}: ${what}.`, [{ path, text: what }], cause === undefined ? undefined : { cause })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
}
