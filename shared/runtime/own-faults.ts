import { type Config, type ConfigFault, functionConfig, invalidConfig, readConfigFile } from './config.ts'
import { pathKeys } from './config-path.ts'
import type { DefinitionFacts } from './definition.ts'

/** What is needed of a definition to judge its settings. */
export type JudgedSettings<Settings> = Pick<DefinitionFacts<Settings, unknown, unknown>, 'name' | 'settings' | 'problems'>

/**
 * What is wrong with a function's settings together with the rest of the configuration, by paths of the whole file. Throws ConfigError
 * when they do not fit their schema at all. Where calendars lie in files these have to be read before.
 */
export async function settingsFaults<Settings>(definition: JudgedSettings<Settings>, config: Config): Promise<readonly ConfigFault[]> {
  if (definition.problems === undefined) return []
  // A region is no part of what is judged, and what is packaged may get it from where it runs.
  const platform = { ...config.platform, region: config.platform.region ?? 'unknown' }
  const found = await definition.problems(await functionConfig({ ...config, platform }, definition))
  return found.map(({ path, text }) => ({ path: `functions.${definition.name}${path === '' ? '' : `.${path}`}`, text }))
}

/** Throws ConfigError with all faults, each with its line where the configuration is a file that people write; nothing when there are none. */
export async function refuseFaults(config: Pick<Config, 'path'>, faults: readonly ConfigFault[]): Promise<void> {
  if (faults.length === 0) return
  const { path } = config
  if (path === undefined) throw invalidConfig('the environment', faults)
  // Only now: a sound configuration is read once.
  const { lineOf } = await readConfigFile(path)
  throw invalidConfig(
    path,
    faults.map((fault) => ({ ...fault, line: fault.line ?? lineOf(pathKeys(fault.path)) })),
  )
}
