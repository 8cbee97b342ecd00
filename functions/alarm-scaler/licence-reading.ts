import { type Forecast, freeCores, type Headroom, headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import { parseCivilDate, startOfDate } from '#shared/pure/civil.ts'
import type { ObserveAround } from '#shared/runtime/definition.ts'
import type { LicenceView } from './view.ts'

/** Older figures than this say nothing about now: the meter measures every hour. */
const mostAgeMs = 3 * 3_600_000
/** The clocks of two machines may be apart by ten minutes each. */
const mostAheadMs = 20 * 60_000

/** What license-meter last found out; undefined where it remembers nothing that can be understood. Throws StoreError. */
export async function recallHeadroom({ memoryOf }: Pick<ObserveAround, 'memoryOf'>): Promise<Headroom | undefined> {
  const entry = await memoryOf?.('license-meter').get(headroomKey)
  return readHeadroom(entry?.value)
}

/**
 * What the licence leaves in a region, by what license-meter has measured: it costs no call. Where that is missing, too old or
 * contradicts itself it is unknown, with the reason; `takenElsewhere` is for the caller to say.
 */
export function licenceOf(
  headroom: Headroom | undefined,
  region: string,
  product: string | undefined,
  { now, timeZone }: { readonly now: number; readonly timeZone: string },
): Omit<LicenceView, 'takenElsewhere'> {
  const unknown = (text: string): Omit<LicenceView, 'takenElsewhere'> => ({ overage: 'unknown', freeCores: 'unknown', text })
  const own = headroom?.regions[region]
  if (headroom === undefined || own === undefined)
    return unknown(`license-meter has measured nothing in ${region}: let it run there, or set licence.guard: false`)
  const atMs = Date.parse(own.at ?? '')
  if (Number.isNaN(atMs)) return unknown(`license-meter has no measurement of ${region} yet`)
  if (now - atMs > mostAgeMs) {
    return { ...unknown(`license-meter last measured ${region} at ${own.at}, more than 3 hours ago: see why it does not run`), atMs }
  }
  if (atMs - now > mostAheadMs) {
    return {
      ...unknown(`license-meter last measured ${region} at ${own.at}, which is still to come: one of the two clocks is wrong, set it`),
      atMs,
    }
  }
  const free = freeCores(headroom, region, product)
  const blockedAtMs = Object.entries(own.products)
    .map(([, { forecast }]) => blockedAt(forecast, timeZone))
    .filter((ms) => ms !== undefined)
    .toSorted((one, other) => one - other)[0]
  return {
    overage: own.overage,
    freeCores: free,
    atMs,
    ...(blockedAtMs === undefined ? {} : { blockedAtMs }),
    ...(free === 'unknown'
      ? { text: `license-meter cannot tell how many cores are free in ${region}: see \`longshore license headroom\`` }
      : {}),
  }
}

function blockedAt(forecast: Forecast, timeZone: string): number | undefined {
  if (forecast.kind !== 'blocked-on') return undefined
  const date = parseCivilDate(forecast.likely)
  return date.ok ? startOfDate(date.value, timeZone) : undefined
}
