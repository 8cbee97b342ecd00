import { definition } from '#functions/license-meter/definition.ts'
import { regionsOf } from '#functions/license-meter/regions.ts'
import type { Platform } from '#infra/local/platform.ts'
import { type LicenceReport, readLicenceReport } from '#infra/report/licence-report.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { recordedRegions } from '#shared/licence/record-store.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { problemText } from './problem-text.ts'

/** What the record of license-meter says of the last weeks, or why nobody knows. */
export interface LicenceReading {
  readonly report?: LicenceReport
  readonly problem?: string
}

/** So many days are shown hour by hour, the running one among them. */
const shownDays = 31

/** Reads the record as it is now. */
export async function readLicence({ config, store, now }: Pick<Platform, 'config' | 'store' | 'now'>): Promise<LicenceReading> {
  if (store === undefined) return { problem: 'There is no store, so nothing is on record.' }
  const nowMs = now()
  try {
    const own = await functionConfig(config, definition)
    const { get, list } = createMemory(store, { function: definition.name, now: () => nowMs })
    const memory = { get, list }
    const regions = [...new Set([...regionsOf(own), ...(await recordedRegions(memory))])]
    const { day } = civilDay(nowMs, own.settings.timeZone)
    const period = { name: `the last ${shownDays} days`, fromDay: day - shownDays + 1, untilDay: day }
    return { report: await readLicenceReport(memory, { regions, period, settings: own.settings, nowMs }) }
  } catch (error) {
    return { problem: problemText(error) }
  }
}
