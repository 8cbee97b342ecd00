import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { CollectAllCore } from '#cloud/generated/tke/collect-all-core.ts'
import { QueryOverage } from '#cloud/generated/tke/query-overage.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { firstDayWanted } from '#shared/licence/outlook.ts'
import { RecordError } from '#shared/licence/record-error.ts'
import { readHead } from '#shared/licence/record-store.ts'
import type { DayRow } from '#shared/licence/rollup.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber, hourOf, type Sample, sampleOf } from '#shared/licence/sample.ts'
import type { Result } from '#shared/pure/result.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import { MemoryError } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { Settings } from './event.ts'
import type { RegionSeen } from './plan.ts'

export interface RegionLook {
  readonly cloud: CloudReader
  readonly config: FunctionConfig<Settings>
  readonly now: number
  readonly around: Pick<ObserveAround, 'memory' | 'fresh'>
  /** For every call. */
  readonly options: SendOptions
}

/**
 * Looks at one region: with two calls when the hour has no sample yet (or somebody asks for everything anew), else in the record alone.
 * What goes wrong is the region's problem and nobody else's. A record that cannot be read is not measured for: nobody could say what is
 * missing in it.
 */
export async function observeRegion(region: string, look: RegionLook): Promise<RegionSeen> {
  const { now, around } = look
  const head = await attempt(async () => ({ last: (await readHead(around.memory, region))?.sample, days: await recentDays(region, look) }))
  if (!head.ok) return { region, isNew: false, days: [], problem: head.error }
  const { last, days } = head.value
  const isMeasured = last !== undefined && hourNumber(last.hour) >= Math.floor(now / hourMs)
  if (isMeasured && around.fresh !== true) return { region, latest: last, isNew: false, days }
  const read = await attempt(async () => await collect(region, look))
  if (!read.ok) return { region, latest: last, isNew: false, days, problem: read.error }
  const { offsetMs, sample } = read.value
  if (Math.abs(offsetMs) > mostOffsetMs) {
    return {
      region,
      latest: last,
      isNew: false,
      days,
      problem: { code: 'clock-wrong', text: clockText(offsetMs, now) },
      platformHour: hourOf(now + offsetMs),
    }
  }
  if (!sample.ok) return { region, latest: last, isNew: false, days, problem: sample.error }
  return { region, latest: sample.value, isNew: true, days }
}

/**
 * A clock that is further off puts nothing on record: an hour that is still to come would keep all before it out of the record, until
 * that hour is there.
 */
const mostOffsetMs = 10 * 60_000

function clockText(offsetMs: number, now: number): string {
  const minutes = Math.round(Math.abs(offsetMs) / 60_000)
  const side = offsetMs < 0 ? 'ahead of' : 'behind'
  return `the clock of this machine says ${new Date(now).toISOString()}, which is ${minutes} minutes ${side} the platform's; nothing is put on record under a wrong hour: set the clock`
}

/** What came of the two calls. */
interface Collected {
  readonly sample: Result<Sample, Reason>
  /** How far the platform's clock is ahead of this machine's; 0 where no answer says it. */
  readonly offsetMs: number
}

/** The two calls. The answers are kept as they came. */
async function collect(region: string, { cloud, now, options }: RegionLook): Promise<Collected> {
  let offsetMs = 0
  const onClockOffset = (ms: number): void => {
    offsetMs = ms
  }
  const own = { ...options, region, onClockOffset }
  const collectAllCore = await cloud.send(CollectAllCore, {}, own)
  const queryOverage = await cloud.send(QueryOverage, {}, own)
  const sample = sampleOf({ region, atMs: now, collectAllCore, queryOverage })
  return { offsetMs, sample: sample.ok ? sample : { ok: false, error: { code: 'no-report', text: sample.error } } }
}

/** The days that forecast and coverage are made from. */
async function recentDays(region: string, { config, now, around }: RegionLook): Promise<readonly DayRow[]> {
  const { timeZone, entitlements } = config.settings
  const rows: DayRow[] = []
  const rules = { zone: timeZone, sums: sumsOf(entitlements, region) }
  const [from, until] = [firstDayWanted(config.settings, now), civilDay(now, timeZone).day]
  for await (const row of readDayRows(around.memory, region, from, until, rules)) rows.push(row)
  return rows
}

/** What came of it, or why nothing did. What is neither the platform's nor the store's doing is thrown on. */
export async function attempt<T>(look: () => Promise<T>): Promise<Result<T, Reason>> {
  try {
    return { ok: true, value: await look() }
  } catch (error) {
    if (error instanceof CloudError) return { ok: false, error: { code: error.kind, text: error.message } }
    if (error instanceof StoreError || error instanceof RecordError || error instanceof MemoryError) {
      return { ok: false, error: { code: error.kind, text: error.message } }
    }
    throw error
  }
}
