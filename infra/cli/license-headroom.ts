import { figuresText, forecastText } from '#functions/license-meter/judge.ts'
import { rulesOf } from '#functions/license-meter/rules.ts'
import { dayText, hourInZone } from '#infra/report/licence-text.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { excessOf, formatDecimal, numberOf } from '#shared/licence/decimal.ts'
import { freeCores, headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import { sumsOf } from '#shared/licence/metric.ts'
import { firstDayWanted, headroomOf, outlookOf, type RegionOutlook } from '#shared/licence/outlook.ts'
import { readSpan } from '#shared/licence/record-store.ts'
import type { DayRow } from '#shared/licence/rollup.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { hourMs } from '#shared/licence/sample.ts'
import type { LicenceWorld } from './license-world.ts'
import { counted, parseWhole } from './words.ts'

/** A node of this size, when nobody says another one. */
const usualNodeCores = 16

/** Figures that are older than this are not those of now, and said to be old. */
const oldMs = 2 * hourMs

/** `longshore license headroom`. */
export async function showHeadroom(
  { settings, memory, regions, nowMs, print }: LicenceWorld,
  words: { readonly 'node-cores'?: string | undefined; readonly json?: boolean | undefined },
): Promise<number> {
  const nodeCores = words['node-cores'] === undefined ? usualNodeCores : parseWhole(words['node-cores'], '--node-cores', 1, 100_000)
  const rules = rulesOf(settings)
  const outlooks: RegionOutlook[] = []
  const peaks = new Map<string, Peak>()
  for (const region of regions) {
    const roll = { zone: rules.timeZone, sums: sumsOf(rules.entitlements, region) }
    const days: DayRow[] = []
    const [from, until] = [firstDayWanted(rules, nowMs), civilDay(nowMs, rules.timeZone).day]
    for await (const row of readDayRows(memory, region, from, until, roll)) days.push(row)
    const latest = (await readSpan(memory, region))?.last.sample
    const outlook = outlookOf({ region, latest, days }, rules, nowMs)
    outlooks.push(outlook)
    const peak = tightestPeak(
      outlook,
      days.filter(({ day }) => day > until - peakDays),
    )
    if (peak !== undefined) peaks.set(region, peak)
  }
  const headroom = headroomOf(outlooks, nowMs)
  const rooms = outlooks.map((outlook) => {
    const free = freeCores(headroom, outlook.region)
    const nodes = typeof free === 'number' ? Math.floor(free / nodeCores) : free
    return { outlook, free, nodes, peak: peaks.get(outlook.region) }
  })
  const kept = readHeadroom((await memory.get(headroomKey))?.value)
  const isTight = rooms.some(({ outlook, nodes }) => nodes === 0 || nodes === 'unknown' || outlook.overage === 'over')
  if (words.json === true) {
    const nodes = Object.fromEntries(
      rooms.map(({ outlook, free, nodes: fit, peak }) => [outlook.region, { free, nodes: fit, freeAtPeak: peak?.free ?? null }]),
    )
    print(JSON.stringify({ nodeCores, nodes, headroom, keptAt: kept?.at ?? null }, null, 2))
    return isTight ? 2 : 0
  }
  for (const room of rooms) for (const line of roomLines(room, { nodeCores, zone: rules.timeZone, nowMs })) print(line)
  const keptText =
    kept === undefined
      ? 'The meter has not remembered this for other functions yet: its next run does.'
      : `What the alarm scaler's licence gate reads was remembered on ${new Date(kept.at).toISOString()}.`
  print('')
  print(keptText)
  return isTight ? 2 : 0
}

/** What is free now may be in use again tomorrow: the highest of so many days is looked at as well. */
const peakDays = 7

/** What was left of an entitlement when most of it was used. */
interface Peak {
  readonly metric: string
  readonly used: string
  readonly day: number
  readonly free: number
}

/** The least that any entitlement had left on these days; undefined where none has an amount, or nothing was measured. */
function tightestPeak(outlook: RegionOutlook, days: readonly DayRow[]): Peak | undefined {
  let least: Peak | undefined
  for (const { metric, entitled } of outlook.metrics) {
    if (entitled.kind !== 'cores') continue
    for (const { day, marks } of days) {
      const mark = marks.find((one) => one.metric === metric.id)
      if (mark === undefined) continue
      const free = numberOf(excessOf(entitled.cores, mark.max))
      if (least === undefined || free < least.free) least = { metric: metric.id, used: formatDecimal(mark.max), day, free }
    }
  }
  return least
}

interface Room {
  readonly outlook: RegionOutlook
  readonly free: number | 'unlimited' | 'unknown'
  readonly nodes: number | 'unlimited' | 'unknown'
  readonly peak: Peak | undefined
}

interface RoomFacts {
  readonly nodeCores: number
  readonly zone: string
  readonly nowMs: number
}

function* roomLines({ outlook, free, nodes, peak }: Room, { nodeCores, zone, nowMs }: RoomFacts): Generator<string> {
  yield `${outlook.region}: ${fitText(free, nodes, nodeCores)}`
  for (const { metric, usage, entitled, free: left, standing, forecast } of outlook.metrics) {
    const figures = usage.usage === undefined ? `not known: ${usage.why}` : figuresText({ usage, entitled })
    const room = left === undefined ? '' : `, ${formatDecimal(left)} free`
    const over = standing === 'over-use' ? '; over-use now' : ''
    const rate = forecast.kind === 'blocked-on' || forecast.kind === 'not-in-sight' ? 'at this rate ' : ''
    yield `  ${metric.id}: ${figures}${room}; ${rate}${forecastText(forecast)}${over}`
  }
  const fitAlways = peak === undefined ? undefined : Math.floor(peak.free / nodeCores)
  if (peak !== undefined && fitAlways !== undefined && typeof nodes === 'number' && fitAlways < nodes) {
    const most = fitAlways === 0 ? 'none of them would have fitted then' : `only ${counted(fitAlways, 'node')} would have fitted then`
    yield `  At its highest of the last ${peakDays} days (${dayText(peak.day)}) ${peak.metric} used ${peak.used}, and ${peak.free} were free: ${most}.`
  }
  if (outlook.overage === 'over') yield '  The platform says that the licence is over-used now: it may refuse new nodes.'
  if (outlook.agreement === 'contradict')
    yield '  Pass of the platform contradicts these figures: find out which of the two is right before you grow.'
  if (outlook.hour === undefined || outlook.at === undefined) yield '  Nothing was measured here yet.'
  else {
    const isOld = nowMs - Date.parse(outlook.at) > oldMs
    yield `  Measured in the hour of ${hourInZone(outlook.hour, zone)} (${zone})${isOld ? ', which is not now: the meter does not run, or cannot read the region' : ''}.`
  }
}

function fitText(free: Room['free'], nodes: Room['nodes'], nodeCores: number): string {
  if (nodes === 'unlimited') return `any number of nodes of ${counted(nodeCores, 'core')} fits: it is unlimited`
  if (nodes === 'unknown' || free === 'unknown') return `nobody knows whether a node of ${counted(nodeCores, 'core')} fits`
  if (nodes === 0) return `no node of ${counted(nodeCores, 'core')} fits any more`
  return `${counted(nodes, 'node')} of ${counted(nodeCores, 'core')} still ${nodes === 1 ? 'fits' : 'fit'}`
}
