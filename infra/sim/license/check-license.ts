import { blindCode } from '#functions/license-meter/blindness.ts'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { headroomKey } from '#shared/licence/headroom.ts'
import { readEntries } from '#shared/licence/record-store.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import type { CheckName } from '../check/checks.ts'
import type { Violation } from '../check/facts.ts'
import type { MeterRun, SimulatedMeter } from './license-facts.ts'
import {
  amountOf,
  at,
  daysOf,
  digestOf,
  hourMs,
  hourTextOf,
  monthCoverage,
  product,
  type SeenEntry,
  seenEntry,
  sorted,
  usageText,
} from './license-oracle.ts'
import { coresOfNode, type SimRegion } from './license-scene.ts'

/** How long a run may read after it began: what it stamps with its beginning may have been said so much later. */
const readingMs = 60_000

const collecting: ReadonlySet<string> = new Set(['CollectAllCore', 'QueryOverage'])

/** Checks everything that befell a world of the license-meter. */
export async function checkMeter(simulated: SimulatedMeter): Promise<Violation[]> {
  const records = await readRecords(simulated)
  return [
    ...checkRuns(simulated),
    ...checkCalls(simulated),
    ...(await checkReasons(simulated)),
    ...[...records].flatMap(([region, record]) => checkRecord(region, record, simulated)),
    ...(await checkRollups(records, simulated)),
    ...(await checkHeadroom(records, simulated)),
  ]
}

function problem(check: CheckName, text: string, about: readonly string[]): Violation {
  return { check, text, about }
}

function memoryOf({ disk, endMs }: SimulatedMeter) {
  return createMemory(openMemoryStore(disk), { function: 'license-meter', now: () => endMs })
}

/** The records as whoever makes a report reads them. */
export async function readRecords(simulated: SimulatedMeter): Promise<ReadonlyMap<SimRegion, readonly SeenEntry[]>> {
  const records = new Map<SimRegion, readonly SeenEntry[]>()
  for (const region of simulated.scene.regions) {
    const entries: SeenEntry[] = []
    for await (const entry of readEntries(memoryOf(simulated), region.region, 0, Number.MAX_SAFE_INTEGER)) entries.push(seenEntry(entry))
    records.set(region, entries)
  }
  return records
}

/** When an hour of a region came on record, or the record went past it. */
function recordedMs({ heads }: SimulatedMeter, region: string, hour: string): number {
  return heads.find((head) => head.region === region && head.hour >= hour)?.atMs ?? Number.POSITIVE_INFINITY
}

function checkRuns(simulated: SimulatedMeter): Violation[] {
  const { runs, scene, scenario, history, world } = simulated
  const found: Violation[] = history
    .of('run-threw')
    .map(({ doer, text }) => problem('run-threw', `${doer.owner} throws ${text}`, [doer.owner]))
  if (world.written > 0) found.push(problem('license-write', `${world.written} calls could write`, ['sends']))
  for (const run of runs) {
    if (run.report === undefined) {
      if (run.beganMs >= scenario.quietMs) found.push(problem('run-stuck', `${run.owner} does not end`, [run.owner]))
      continue
    }
    if (run.failure !== undefined && (run.failure !== blindCode || run.beganMs >= scenario.quietMs)) {
      if (run.beganMs >= scenario.quietMs) found.push(problem('run-failed', `${run.owner} fails when all is quiet`, [run.owner]))
      continue
    }
    const hour = hourTextOf(run.processNow)
    for (const { region } of scene.regions) {
      if (recordedMs(simulated, region, hour) <= run.endedMs) continue
      if (hasBoth(run, region)) {
        found.push(
          problem('license-lost', `${run.owner} has read ${region} for ${hour} and ends well, and it is not on record`, [run.owner]),
        )
      } else if (!saysUnreadable(run, region)) {
        found.push(problem('license-gap', `${run.owner} ends well, and ${hour} of ${region} is not on record for no reason`, [run.owner]))
      }
    }
  }
  return found
}

function hasBoth({ calls }: MeterRun, region: string): boolean {
  const answered = calls.filter((call) => call.region === region && call.requestId !== undefined).map(({ action }) => action)
  return [...collecting].every((action) => answered.includes(action))
}

function saysUnreadable({ report }: MeterRun, region: string): boolean {
  return report?.decisions.some(({ target, reason }) => target === region && reason.code === 'region-unreadable') === true
}

/** Two calls for an hour of a region, and none any more once it is on record. */
function checkCalls(simulated: SimulatedMeter): Violation[] {
  return simulated.runs.flatMap((run) =>
    simulated.scene.regions.flatMap(({ region }) => {
      const own = run.calls.filter((call) => call.region === region && collecting.has(call.action))
      const hour = hourTextOf(run.processNow)
      const twice = own.length > new Set(own.map(({ action }) => action)).size
      const late = own.length > 0 && recordedMs(simulated, region, hour) < run.beganMs
      if (!twice && !late) return []
      const why = twice ? 'asks twice' : 'asks for an hour that is on record'
      return [problem('license-calls', `${run.owner} ${why}: ${region} ${hour}`, [run.owner])]
    }),
  )
}

/** Hours that somebody found out to be unreadable have their reason. */
async function checkReasons(simulated: SimulatedMeter): Promise<Violation[]> {
  const found: Violation[] = []
  for (const run of simulated.runs) {
    if (run.report === undefined || (run.failure !== undefined && run.failure !== blindCode)) continue
    const hour = hourTextOf(run.processNow)
    const number = Date.parse(hour) / hourMs
    for (const { region } of simulated.scene.regions) {
      const isOnRecord = simulated.heads.some((head) => head.region === region && head.hour === hour)
      if (!saysUnreadable(run, region) || isOnRecord) continue
      const notes = await readGapNotes(memoryOf(simulated), region, number, number + 1)
      if (!notes.has(hour))
        found.push(problem('license-reason', `${hour} of ${region} is a gap for no reason, and ${run.owner} knew one`, [run.owner]))
    }
  }
  return found
}

function checkRecord(place: SimRegion, entries: readonly SeenEntry[], simulated: SimulatedMeter): Violation[] {
  const { region } = place
  const { heads, runs, world, scene, scenario, endMs } = simulated
  const found: Violation[] = []
  let prev: unknown = 'genesis'
  for (const [index, entry] of entries.entries()) {
    const name = `${region} ${entry.hour}`
    if (entry.seq !== index + 1 || entry.prev !== prev || entry.digest !== digestOf(entry)) {
      found.push(problem('license-chain', `the entry of ${name} does not follow the one before it`, [region]))
    }
    prev = entry.digest
    const run = runs.find(({ processNow, calls }) => isOf(entry, calls, region) && new Date(processNow).toISOString() === entry.at)
    if (run === undefined || hourTextOf(run.processNow) !== entry.hour || entry.region !== region || !isSaid(entry, region, world.said)) {
      found.push(problem('license-sample', `the sample of ${name} is not what the platform said to a run of that hour`, [region]))
    }
    if (scene.isPlain && !truths(place, entry, simulated).includes(usageText(entry))) {
      found.push(
        problem('license-truth', `${name} has ${usageText(entry)}, and ${truths(place, entry, simulated).join(' or ')} was used then`, [
          region,
        ]),
      )
    }
  }
  const ever = new Map<string, string>()
  for (const head of heads.filter((one) => one.region === region)) {
    const digest = String(at(head.entry, 'digest'))
    const before = ever.get(head.hour)
    if (before !== undefined && before !== digest)
      found.push(problem('license-twice', `${region} ${head.hour} was replaced by another sample`, [region]))
    ever.set(head.hour, digest)
  }
  const hours = entries.map(({ hour }) => hour)
  if (new Set(hours).size < hours.length) found.push(problem('license-twice', `an hour of ${region} has two samples`, [region]))
  const lost = [...ever.keys()].find((hour) => !hours.includes(hour))
  if (lost !== undefined) found.push(problem('license-chain', `${region} ${lost} was on record and is not any more`, [region]))
  for (let ms = scenario.quietMs; ms + hourMs <= endMs; ms += hourMs) {
    if (!hours.includes(hourTextOf(ms)))
      found.push(problem('license-gap', `${region} ${hourTextOf(ms)} has no sample, and all was quiet`, [region]))
  }
  return found
}

/** Whether both answers are those to the calls of one run. */
function isOf({ collected, overage }: SeenEntry, calls: MeterRun['calls'], region: string): boolean {
  const ids = new Set(calls.filter((call) => call.region === region).map(({ requestId }) => requestId))
  return [collected, overage].every((answer) => ids.has(String(at(answer, 'RequestId'))))
}

function isSaid({ collected, overage }: SeenEntry, region: string, said: SimulatedMeter['world']['said']): boolean {
  return ([['CollectAllCore', collected] as const, ['QueryOverage', overage] as const] as const).every(([action, answer]) => {
    const own = said.get(String(at(answer, 'RequestId')))
    return own?.action === action && own.region === region && sorted(own.response) === sorted(answer)
  })
}

/** What was used in the hour of an entry: of a run that began right before its end perhaps what was used in the next one. */
function truths({ nodes, region }: SimRegion, entry: SeenEntry, { scene }: SimulatedMeter): readonly string[] {
  const beginsMs = Date.parse(entry.hour)
  const isAtEnd = Date.parse(entry.at) > beginsMs + hourMs - readingMs
  return [beginsMs, ...(isAtEnd ? [beginsMs + hourMs] : [])].map((ms) => {
    const index = scene.regions.findIndex((one) => one.region === region)
    const odd = scene.oddities.find((one) => one.region === index && one.fromMs <= ms && ms < one.untilMs)
    const grown = scene.growth.findLast((one) => one.region === index && one.atMs <= ms)
    return odd?.value ?? String((grown?.nodes ?? nodes) * coresOfNode)
  })
}

/** High-water marks, hour by hour. */
async function checkRollups(records: ReadonlyMap<SimRegion, readonly SeenEntry[]>, simulated: SimulatedMeter): Promise<Violation[]> {
  const { scene, endMs } = simulated
  const found: Violation[] = []
  for (const [{ region }, entries] of records) {
    const days = daysOf(entries, scene.zone, endMs)
    const [first, last] = [days[0], days.at(-1)]
    if (first === undefined || last === undefined) continue
    const rows = new Map<number, string>()
    for await (const row of readDayRows(memoryOf(simulated), region, first.day, last.day, { zone: scene.zone, sums: [] })) {
      const mark = row.marks.find(({ metric }) => metric === product)
      const facts = [
        row.hours,
        bitsOf(row.measured),
        mark === undefined ? '-' : Number(formatDecimal(mark.max)),
        mark?.at ?? '-',
        bitsOf(mark?.measured ?? 0),
      ]
      rows.set(row.day, facts.join(' '))
    }
    for (const { date, day, hours, measured, max, maxAt, readable } of days) {
      const wanted = [hours, measured, max ?? '-', maxAt ?? '-', readable].join(' ')
      if (rows.get(day) !== wanted) {
        found.push(
          problem('license-rollup', `${date} of ${region} is rolled up to ${rows.get(day) ?? 'nothing'}, not to ${wanted}`, [
            `day/${region}`,
            region,
          ]),
        )
      }
    }
  }
  return found
}

function bitsOf(measured: number): number {
  return measured.toString(2).replaceAll('0', '').length
}

/** What others are told to be free, in the end. */
async function checkHeadroom(records: ReadonlyMap<SimRegion, readonly SeenEntry[]>, simulated: SimulatedMeter): Promise<Violation[]> {
  const { scene, runs } = simulated
  const last = runs.findLast(({ report }) => report !== undefined)
  const headroom = (await memoryOf(simulated).get(headroomKey))?.value
  const found: Violation[] = []
  if (last === undefined || at(headroom, 'at') !== new Date(last.processNow).toISOString()) {
    return [problem('license-headroom', `what is free is of ${String(at(headroom, 'at'))}, and the last run was another one`, ['headroom'])]
  }
  for (const [place, entries] of records) {
    const { region, entitled } = place
    const entry = entries.at(-1)
    const own = at(headroom, 'regions', region)
    const line = at(own, 'products', product)
    const used = entry === undefined ? undefined : amountOf(usageText(entry))
    const free = entitled === undefined || used === undefined ? undefined : Math.max(0, entitled - used)
    const wanted = {
      hour: entry?.hour,
      used,
      entitled: entitled === undefined ? 'unknown' : String(entitled),
      free,
      overage: overageOf(entry, entitled, used, scene.passMeans),
      ...monthCoverage(entries, scene.zone, last.processNow),
    }
    const told = {
      hour: at(own, 'hour'),
      used: numberIn(at(line, 'used')),
      entitled: at(line, 'entitled'),
      free: numberIn(at(line, 'free')),
      overage: at(own, 'overage'),
      hours: at(own, 'coverage', 'hours'),
      measured: at(own, 'coverage', 'measured'),
    }
    if (sorted(told) !== sorted(wanted)) {
      found.push(
        problem('license-headroom', `of ${region} is told ${JSON.stringify(told)}, not ${JSON.stringify(wanted)}`, ['headroom', region]),
      )
    }
  }
  return found
}

function numberIn(text: unknown): number | undefined {
  return typeof text === 'string' ? Number(text) : undefined
}

function overageOf(
  entry: SeenEntry | undefined,
  entitled: number | undefined,
  used: number | undefined,
  passMeans: 'ok' | 'over' | undefined,
): string {
  const pass = at(entry?.overage, 'Pass')
  if (passMeans === undefined || (pass !== 'true' && pass !== 'false')) return 'unknown'
  const isOver = (pass === 'true') === (passMeans === 'over')
  // Other products have no entitlement, so nobody can say that all is within.
  const figuresOver = entitled !== undefined && used !== undefined && used * 100 > entitled * 105
  return isOver ? 'over' : figuresOver ? 'unknown' : 'ok'
}
