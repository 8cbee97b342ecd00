import { copyFile, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { inlineCalendars } from '#infra/local/inline-calendars.ts'
import type { LocalFunction } from '#infra/local/local-function.ts'
import { type Config, ConfigError, loadConfig, readConfigFile } from '#shared/runtime/config.ts'
import { refuseFaults } from '#shared/runtime/own-faults.ts'

/** The checked configuration that is packaged, with the file's own content, in which calendars take the place of the files that hold them. */
export interface PackagedConfig {
  readonly config: Config
  readonly content: Readonly<Record<string, unknown>>
}

/** The certificate authorities of a private installation travel in the package under this name. */
const caName = 'ca.pem'

/** What is needed of a function to check its settings. */
export type PackagedFunctionSettings = Pick<LocalFunction, 'name' | 'settings' | 'problems'>

/**
 * Finds longshore.yaml (.yml, .json) in the root and checks it as `longshore validate` does; undefined when there is none: the
 * functions then take everything from their environment. Throws ConfigError with every problem, and for paths that lead out of a
 * package. What repeats in a calendar's file is followed from `now`.
 */
export async function readPackagedConfig(
  root: string,
  functions: readonly PackagedFunctionSettings[],
  now: number,
): Promise<PackagedConfig | undefined> {
  const schemas = Object.fromEntries(functions.map(({ name, settings }) => [name, settings]))
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
  // The calendars of files are read now: a package holds none of them.
  const inlined = await inlineCalendars(config, now)
  await refuseFaults(config, (await Promise.all(functions.map((fn) => fn.problems(inlined)))).flat())
  return { config, content: content.functions === undefined ? content : { ...content, functions: inlined.functions } }
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
