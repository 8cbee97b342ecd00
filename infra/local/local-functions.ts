import { handler as alarmScaler } from '#functions/alarm-scaler/handler.ts'
import { handler as cronScaler } from '#functions/cron-scaler/handler.ts'
import { handler as imageCleaner } from '#functions/image-cleaner/handler.ts'
import { handler as licenseMeter } from '#functions/license-meter/handler.ts'
import { handler as redeployHook } from '#functions/redeploy-hook/handler.ts'
import type { SettingsSchemas } from '#shared/runtime/config-schema.ts'
import { type LocalFunction, localFunction } from './local-function.ts'
import { localHooks } from './local-hooks.ts'

/**
 * Every function that exists, in the order in which a first run goes through them: alarm-scaler after license-meter, by which it knows what
 * the licence leaves. A test compares it with functions/.
 */
export const localFunctions: readonly LocalFunction[] = [
  localFunction(cronScaler.definition),
  localFunction(imageCleaner.definition),
  localFunction(licenseMeter.definition),
  localFunction(
    redeployHook.handlers.schedule.definition,
    localHooks(redeployHook.handlers.webhook.definition, redeployHook.handlers.queue),
  ),
  localFunction(alarmScaler.handlers.schedule.definition, localHooks(alarmScaler.handlers.webhook.definition, alarmScaler.handlers.queue)),
]

/** The settings schemas of functions, for reading a whole configuration. */
export function schemasOf(functions: readonly LocalFunction[]): SettingsSchemas {
  return Object.fromEntries(functions.map(({ name, settings }) => [name, settings]))
}

/** The settings schemas of all functions. */
export const settingsSchemas: SettingsSchemas = schemasOf(localFunctions)
