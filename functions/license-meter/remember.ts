import { noteGap } from '#shared/licence/gap-store.ts'
import { headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { headroomOf, outlookOf } from '#shared/licence/outlook.ts'
import { type Appended, appendSample } from '#shared/licence/record-store.ts'
import { throwAwayOld } from '#shared/licence/retention.ts'
import { rollUpDays } from '#shared/licence/rollup-store.ts'
import { hourOf, type Sample } from '#shared/licence/sample.ts'
import type { FunctionConfig, RunFacts } from '#shared/runtime/definition.ts'
import { MemoryError, type MemoryWriter } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { keepCheck } from './check-memory.ts'
import type { Settings } from './event.ts'
import type { Observed, RegionSeen } from './plan.ts'
import { compareRegion } from './plan-cross-check.ts'
import { rulesOf } from './rules.ts'

/** A clock that is ahead by more than this is wrong, and what it wrote does not stand for long. */
const mostAheadMs = 15 * 60_000

/**
 * Puts what was read on record: the samples of all regions first, then the reasons of gaps, then what is made from them (the free
 * cores, rollups, the cross-check). One region's failing keeps nothing else from being written; the first failure is thrown at the end,
 * which makes the run a failed one. Everything may be repeated.
 */
export async function remember({ observed, config, now }: RunFacts<Settings, Observed, never>, memory: MemoryWriter): Promise<void> {
  const { settings } = config
  const problems: unknown[] = []
  const attempt = async (write: () => Promise<void>): Promise<void> => {
    try {
      await write()
    } catch (error) {
      problems.push(error)
    }
  }
  const regions: RegionSeen[] = []
  for (const seen of observed.regions) {
    let kept = seen
    await attempt(async () => {
      const sample = await recorded(seen, now, memory)
      kept = { ...seen, latest: sample }
    })
    regions.push(kept)
  }
  // What a clock says that is hours off would be made for another day.
  if (!observed.regions.some(({ platformHour }) => platformHour !== undefined))
    await attempt(async () => await keepHeadroom(regions, config, now, memory))
  for (const check of observed.checks) {
    const clusters = observed.clusters.filter(({ region }) => region === check.region)
    const { isDifferent } = compareRegion(check, observed, settings, now)
    await attempt(async () => await keepCheck(memory, check, { clusters, isDifferent, now }))
  }
  for (const { region, isNew } of observed.regions) {
    if (!isNew) continue
    await attempt(async () => {
      await rollUpDays(memory, region, { zone: settings.timeZone, sums: sumsOf(settings.entitlements, region) }, now)
      await throwAwayOld(memory, region, settings.timeZone, settings.keep, now)
    })
  }
  if (problems.length > 0) throw problems[0]
}

/** Puts a region's sample on record, or why there is none. Answers the last sample there is then. */
async function recorded(
  { region, latest, isNew, problem, platformHour }: RegionSeen,
  now: number,
  memory: MemoryWriter,
): Promise<Sample | undefined> {
  const hour = platformHour ?? hourOf(now)
  if (problem !== undefined && latest?.hour !== hour) await noteGap(memory, region, hour, problem)
  if (latest === undefined || !isNew) return latest
  const appended = await append(memory, latest)
  return appended.kind === 'late' ? latest : appended.entry.sample
}

/** Whether a write arrived whose answer was lost says the same call. */
async function append(memory: MemoryWriter, sample: Sample): Promise<Appended> {
  try {
    return await appendSample(memory, sample)
  } catch (error) {
    if (!(error instanceof StoreError && error.kind === 'store.unknown-outcome')) throw error
    return await appendSample(memory, sample)
  }
}

/** Keeps how much is free, for whoever is about to use more; never over what a later run has kept. */
async function keepHeadroom(
  regions: readonly RegionSeen[],
  { settings }: FunctionConfig<Settings>,
  now: number,
  memory: MemoryWriter,
): Promise<void> {
  const rules = rulesOf(settings)
  const headroom = headroomOf(
    regions.map((region) => outlookOf(region, rules, now)),
    now,
  )
  const entry = await memory.get(headroomKey)
  const before = readHeadroom(entry?.value)
  const aheadMs = before === undefined ? 0 : Date.parse(before.at) - now
  if (aheadMs > 0 && aheadMs <= mostAheadMs) return
  try {
    await memory.put(headroomKey, headroom, { ifVersion: entry?.version ?? 'absent' })
  } catch (error) {
    // Another run has just written it, from the same record.
    if (!(error instanceof MemoryError && error.kind === 'memory.conflict')) throw error
  }
}
