import { type Config, type Environment, functionConfig, loadConfig } from './config.ts'
import type { DefinitionFacts, FunctionConfig } from './definition.ts'

/** The configuration as one function's handler uses it. */
export interface OwnConfig<Settings> {
  readonly whole: Config
  readonly own: FunctionConfig<Settings>
}

/**
 * Loads the configuration of a packaged function: its own section checked, those of other functions passed over, since they are not
 * in its bundle. `beside` is the compiled configuration. Throws ConfigError.
 */
export async function loadOwnConfig<Settings>(
  definition: Pick<DefinitionFacts<Settings, unknown, unknown>, 'name' | 'settings'>,
  { env, beside }: { readonly env: Environment; readonly beside: string },
): Promise<OwnConfig<Settings>> {
  const whole = await loadConfig({ env, beside, schemas: { [definition.name]: definition.settings }, others: 'ignore' })
  return { whole, own: await functionConfig(whole, definition) }
}
