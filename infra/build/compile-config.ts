import { copyFile, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { inlinedSection } from '#infra/local/inline-calendars.ts'
import { type Config, ConfigError, loadConfig, readConfigFile } from '#shared/runtime/config.ts'
import type { SettingsSchemas } from '#shared/runtime/config-schema.ts'

/** The checked configuration that is packaged, with the file's own content, in which calendars take the place of the files that hold them. */
export interface PackagedConfig {
  readonly config: Config
  readonly content: Readonly<Record<string, unknown>>
}

/** The certificate authorities of a private installation travel in the package under this name. */
const caName = 'ca.pem'

/**
 * Finds and checks longshore.yaml (.yml, .json) in the root; undefined when there is none: the functions then take everything from
 * their environment. Throws ConfigError with every problem, and for paths that lead out of a package. What repeats in a calendar's
 * file is followed from `now`.
 */
export async function readPackagedConfig(root: string, schemas: SettingsSchemas, now: number): Promise<PackagedConfig | undefined> {
  const config = await loadConfig({ env: {}, folder: root, schemas, purpose: 'package' })
  if (config.path === undefined) return undefined
  const { value } = await readConfigFile(config.path)
  const content = isRecord(value) ? value : {}
  const { credentials } = isRecord(content.platform) ? content.platform : {}
  if (isRecord(credentials) && typeof credentials.file === 'string' && !isAbsolute(credentials.file)) {
    const fault = {
      path: 'platform.credentials.file',
      text: 'a credentials file is not packaged; refer to `env:` or `ssm:`, or to an absolute path where it is mounted',
    }
    throw new ConfigError('config.invalid', `${config.path}: ${fault.path}: ${fault.text}.`, [fault])
  }
  return { config, content: await withCalendars(content, config.path, now) }
}

/** The calendars of the cron scaler are read now: a package holds none of their files. */
async function withCalendars(
  content: Readonly<Record<string, unknown>>,
  path: string,
  now: number,
): Promise<Readonly<Record<string, unknown>>> {
  const { functions } = content
  const section = isRecord(functions) ? await inlinedSection(functions['cron-scaler'], path, now) : undefined
  return section === undefined ? content : { ...content, functions: { ...Object(functions), 'cron-scaler': section } }
}

/**
 * Writes one function's share of the configuration as longshore.json into its folder: the common part and its own section, so
 * that another function's settings do not change this package. The file of certificate authorities is put beside it.
 */
export async function compileConfig(packaged: PackagedConfig, name: string, folder: string): Promise<void> {
  const { content, config } = packaged
  const functions = isRecord(content.functions) && Object.hasOwn(content.functions, name) ? { [name]: content.functions[name] } : undefined
  const platform = isRecord(content.platform)
    ? { ...content.platform, ...(config.platform.caFile === undefined ? {} : { caFile: caName }) }
    : undefined
  if (config.platform.caFile !== undefined) await copyFile(config.platform.caFile, join(folder, caName))
  await writeFile(join(folder, 'longshore.json'), `${JSON.stringify({ ...content, platform, functions })}\n`)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
