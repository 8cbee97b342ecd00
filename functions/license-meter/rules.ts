import type { LicenceRules } from '#shared/licence/outlook.ts'
import type { Settings } from './event.ts'

/** What the figures are judged by, of the settings. */
export function rulesOf({ timeZone, entitlements, passMeans, alerts, forecast }: Settings): LicenceRules {
  return { timeZone, entitlements, passMeans, tolerancePercent: alerts.tolerancePercent, forecast }
}
