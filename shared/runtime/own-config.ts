import { type Config, type Environment, functionConfig, invalidConfig, loadConfig } from './config.ts'
import type { FunctionConfig } from './definition.ts'
import { type JudgedSettings, settingsFaults } from './own-faults.ts'

/** The configuration as one function's handler uses it. */
export interface OwnConfig<Settings> {
  readonly whole: Config
  readonly own: FunctionConfig<Settings>
}

/**
 * Loads the configuration of a packaged function: its own section checked as `longshore validate` does, those of other functions
 * passed over, since they are not in its bundle. `beside` is the compiled configuration. Throws ConfigError.
 */
export async function loadOwnConfig<Settings>(
  definition: JudgedSettings<Settings>,
  { env, beside }: { readonly env: Environment; readonly beside: string },
): Promise<OwnConfig<Settings>> {
  const whole = await loadConfig({ env, beside, schemas: { [definition.name]: definition.settings }, others: 'ignore' })
  const own = await functionConfig(whole, definition)
  const faults = await settingsFaults(definition, whole)
  if (faults.length > 0) throw invalidConfig(whole.path ?? 'the environment', faults)
  return { whole, own }
}
