import { Chance } from '../chance.ts'
import type { PersonDeed } from '../history.ts'
import {
  type Delivery,
  drawClocks,
  drawDeliveries,
  drawLostPurchases,
  drawStorms,
  drawTrouble,
  type Scenario,
  type SimDeed,
  type SimGuard,
  type SimRule,
  type SimTarget,
  type Storm,
} from '../scenario.ts'
import { drawWeekAlarms } from './draw-week-alarms.ts'
import { drawWeekImages, nightTickMinutes } from './draw-week-images.ts'
import { drawWeekPushes } from './draw-week-pushes.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** So long everything is quiet at the end: two nights, and time for all that was under way. */
const quietPartMs = 40 * hourMs
/** After the last alarm nodes have to be given back. */
const restlessMs = 3 * hourMs
/** When the image-cleaner begins its night, in UTC: one in the morning of the registry. */
const nightHour = 17

export const weekFunctions = ['cron-scaler', 'redeploy-hook', 'alarm-scaler', 'image-cleaner', 'license-meter'] as const
export type WeekFunction = (typeof weekFunctions)[number]

/** A week of all functions in one world: what each of them lives in, with the same clusters, guard and time. */
export interface WeekScenario {
  readonly seed: number
  readonly startMs: number
  readonly quietMs: number
  readonly endMs: number
  readonly of: Readonly<Record<WeekFunction, Scenario>>
}

/** When it begins and ends, and when things happen on which functions have to work. */
export interface WeekTimes {
  readonly startMs: number
  readonly quietMs: number
  readonly endMs: number
  /** When the image-cleaner begins its work. */
  readonly nights: readonly number[]
  /** When rules of the cron-scaler fire. */
  readonly firings: readonly number[]
  readonly clusters: readonly string[]
  readonly machineCount: number
}

/** Machines begin with these, so that anybody can tell by the name of a process what runs on it. */
export const prefixOf: Readonly<Record<WeekFunction, string>> = {
  'cron-scaler': 'c',
  'redeploy-hook': 'h',
  'alarm-scaler': 'a',
  'image-cleaner': 'k',
  'license-meter': 'm',
}

/** Draws a week. The same seed and length, the same one. */
export function drawWeek(seed: number, days = 7): WeekScenario {
  const chance = new Chance(seed, 'scenario of a week')
  const startMs = Date.UTC(2026, 2, 2) + chance.of('season').whole(0, 20) * dayMs
  const endMs = startMs + days * dayMs
  const quietMs = endMs - quietPartMs
  const clusters = ['cls-e0000001', 'cls-e0000002'].slice(0, chance.of('clusters').isTrue(0.6) ? 2 : 1)
  const machineCount = chance.of('machines').whole(1, 2)
  const nights = Array.from({ length: days }, (_, day) => startMs + day * dayMs + nightHour * hourMs)
  const own = drawTargets(chance.of('targets'), clusters)
  const plain = { startMs, quietMs, endMs, nights, clusters, machineCount }
  const minutes = drawMinutes(chance.of('minutes'))
  const firings = firingsOf(minutes, plain)
  const times: WeekTimes = { ...plain, firings }
  const hook = drawWeekPushes(chance.of('pushes'), times)
  const shared = hook.workloads
    .filter(({ name }, index, all) => all.findIndex((one) => one.name === name) === index)
    .filter(({ kind, replicas }) => (kind === 'Deployment' || kind === 'StatefulSet') && replicas > 0)
    .slice(0, 3)
    .flatMap(({ cluster, kind, name, replicas }): SimTarget[] =>
      kind === 'Deployment' || kind === 'StatefulSet' ? [{ cluster, kind, name, size: { replicas } }] : [],
    )
  const targets = [...shared, ...own]
  const alarm = drawWeekAlarms(chance.of('alarms'), times)
  const busy = {
    pushes: hook.pushes.flatMap(({ atMs }) => (atMs > startMs ? [atMs] : [])),
    episodes: alarm.series.flatMap(({ episodes }) => episodes.map(({ fromMs, untilMs }) => ({ fromMs, untilMs }))),
  }
  const instants = [...firings, ...busy.pushes, ...busy.episodes.map(({ fromMs }) => fromMs), ...nights].filter((ms) => ms < quietMs)
  const storms = drawWeekStorms(chance.of('storms'), { startMs, quietMs, instants })
  const base = {
    seed,
    startMs,
    quietMs,
    mode: 'enforce',
    clusterIds: clusters,
    targets: [],
    rules: [],
    calendars: [],
    overrides: [],
    lookBackMs: 8 * dayMs,
    maxCorrections: 3,
    startingDeadlineMs: 12 * hourMs,
    hasJournalKey: chance.of('key').isTrue(0.4),
    guard: drawWeekGuard(chance.of('guard')),
    people: [],
    rivalChance: 0,
    switchings: [],
    ...drawTrouble(chance.of('trouble')),
    needsApproval: false,
  } as const satisfies Partial<Scenario>
  const view = (
    name: WeekFunction,
    facts: { readonly ticks: readonly number[]; readonly machines: number; readonly lastTickMs?: number },
    more: Partial<Scenario>,
  ): Scenario => {
    const matter = chance.of(`view of ${name}`)
    const clocks = drawClocks(matter.of('clocks'), { of: name, startMs, quietMs, machineCount: facts.machines })
    const lastTickMs = facts.lastTickMs ?? endMs - 10 * minuteMs
    const ticks = [...new Set(facts.ticks)].filter((ms) => ms < quietMs).toSorted((left, right) => left - right)
    const quiet = [...new Set([...facts.ticks.filter((ms) => ms >= quietMs && ms < lastTickMs), lastTickMs])].toSorted((a, b) => a - b)
    return {
      ...base,
      function: name,
      // Minutes that are off make worlds of their own, and not a week of five functions.
      machines: clocks.machines.map(({ skewMs }, index) => ({ name: `${prefixOf[name]}${index + 1}`, skewMs: skewMs % 9_000 })),
      jumps: clocks.jumps.map((jump) => ({ ...jump, skewMs: jump.skewMs % 9_000 })),
      clocksApartMs: 18_000,
      deliveries: inTime(drawDeliveries(matter.of('deliveries'), { ticks, quiet, machineCount: facts.machines }), quietMs),
      lastTickMs,
      storms: name === 'cron-scaler' ? storms : storms.filter(({ on }) => on === 'store'),
      ...more,
    }
  }
  const sweep = chance.of('sweeps')
  const pushTicks = ticksOf(chance.of('push ticks'), times, {
    busy: busy.pushes.map((atMs) => ({ fromMs: atMs - 2 * minuteMs, untilMs: atMs + 16 * minuteMs })),
    idleMinutes: 30,
    quietMinutes: 60,
  })
  const alarmTicks = ticksOf(chance.of('alarm ticks'), times, {
    busy: busy.episodes.map(({ fromMs, untilMs }) => ({ fromMs: fromMs - minuteMs, untilMs: untilMs + 24 * minuteMs })),
    idleMinutes: 30,
    quietMinutes: 120,
  })
  const cronTicks = ticksOf(chance.of('cron ticks'), times, {
    busy: firings.map((atMs) => ({ fromMs: atMs, untilMs: atMs + 8 * minuteMs })),
    idleMinutes: 40,
    quietMinutes: 60,
  })
  const meterTicks = everyMinutes(chance.of('meter ticks').one([25, 40]), times, 3)
  const nightTicks = nights.flatMap((night) =>
    Array.from({ length: chance.of(`night ${night}`).whole(3, 4) }, (_, tick) => night + tick * nightTickMinutes * minuteMs),
  )
  const rules = drawRules(chance.of('rules'), targets, minutes)
  return {
    seed,
    startMs,
    quietMs,
    endMs,
    of: {
      'cron-scaler': view(
        'cron-scaler',
        { ticks: cronTicks, machines: machineCount },
        {
          targets,
          rules,
          lookEveryMs: 5 * minuteMs,
          people: drawPeople(chance.of('people'), { targets, shared: shared.length, instants, times }),
          switchings: drawStops(chance.of('switch'), { startMs, quietMs, instants }),
        },
      ),
      'redeploy-hook': view(
        'redeploy-hook',
        { ticks: pushTicks, machines: machineCount },
        { hook, sweeps: sweepsOf(sweep.of('hook'), pushTicks) },
      ),
      'alarm-scaler': view(
        'alarm-scaler',
        { ticks: alarmTicks, machines: machineCount },
        { alarm, sweeps: sweepsOf(sweep.of('alarm'), alarmTicks) },
      ),
      'image-cleaner': view(
        'image-cleaner',
        { ticks: nightTicks, machines: 1, lastTickMs: nightTicks.at(-1) ?? endMs },
        { images: drawWeekImages(chance.of('images'), { hook, nights, startMs }) },
      ),
      'license-meter': view(
        'license-meter',
        { ticks: meterTicks, machines: machineCount, lastTickMs: meterTicks.at(-1) ?? endMs },
        {
          licence: {
            zone: 'Asia/Shanghai',
            regions: clusters.map((cluster, index) => ({
              region: index === 0 ? 'ap-guangzhou' : 'ap-chengdu',
              cluster,
              nodes: 0,
              entitled: alarm.platform.entitledCores,
            })),
            growth: [],
            oddities: [],
            isPlain: false,
            platformMeans: 'within',
            passMeans: 'ok',
            hasCrossCheck: false,
          },
        },
      ),
    },
  }
}

/** What comes late still comes before it is quiet. */
function inTime(deliveries: readonly Delivery[], quietMs: number): Delivery[] {
  return deliveries.filter(({ atMs, scheduledAt }) => scheduledAt >= quietMs || atMs < quietMs)
}

/** Targets that nobody deploys to. */
function drawTargets(chance: Chance, clusters: readonly string[]): SimTarget[] {
  return Array.from({ length: chance.whole(1, 2) }, (_, index): SimTarget => {
    const kind = chance.one(['Deployment', 'StatefulSet'] as const)
    return { cluster: chance.one(clusters), kind, name: `t${index}`, size: { replicas: chance.whole(0, 3) } }
  })
}

interface Firing {
  readonly hour: number
  readonly minute: number
}

/** At these times of the day something fires; some of them are when the image-cleaner is at work. */
function drawMinutes(chance: Chance): readonly Firing[] {
  const night = { hour: nightHour, minute: chance.whole(0, 25) }
  return [night, ...Array.from({ length: 3 }, () => ({ hour: chance.whole(0, 23), minute: chance.whole(0, 59) }))]
}

function firingsOf(minutes: readonly Firing[], { startMs, endMs }: Pick<WeekTimes, 'startMs' | 'endMs'>): readonly number[] {
  const days = Math.round((endMs - startMs) / dayMs)
  return Array.from({ length: days }, (_, day) => day)
    .flatMap((day) => minutes.map(({ hour, minute }) => startMs + day * dayMs + hour * hourMs + minute * minuteMs))
    .toSorted((left, right) => left - right)
}

/** Each target is set two or three times a day. */
function drawRules(chance: Chance, targets: readonly SimTarget[], minutes: readonly Firing[]): SimRule[] {
  return targets.flatMap((_, target) => {
    const source = chance.isTrue(0.4) ? 'hpc' : 'config'
    const enforce = chance.isTrue(0.35)
    const first = chance.whole(0, minutes.length - 1)
    return Array.from({ length: chance.whole(2, 3) }, (_, number): SimRule => {
      const { hour, minute } = minutes[(first + number) % minutes.length] ?? { hour: 0, minute: 0 }
      return {
        name: `r${number}`,
        source,
        target,
        zone: 'UTC',
        seconds: [chance.isTrue(0.7) ? 0 : chance.whole(1, 59)],
        minutes: [minute],
        hours: [hour],
        size: { replicas: chance.whole(number === 0 ? 1 : 0, 4) },
        enforce,
        excludes: [],
        runOnce: false,
        spreadMs: 0,
      }
    })
  })
}

const ownDeeds: readonly (readonly [number, PersonDeed])[] = [
  [8, 'scale'],
  [2, 'opt-out'],
  [3, 'opt-in'],
  [1, 'hold'],
  [2, 'override'],
  [1, 'override-off'],
  [1, 'forget'],
]

/** What people do with sizes: of what is deployed as well they change nothing else here, so that it stays certain who did what. */
function drawPeople(
  chance: Chance,
  facts: {
    readonly targets: readonly SimTarget[]
    readonly shared: number
    readonly instants: readonly number[]
    readonly times: WeekTimes
  },
): SimDeed[] {
  const { targets, shared, instants, times } = facts
  const count = Math.round(((times.quietMs - times.startMs) / dayMs) * chance.one([0, 1, 3]))
  return Array.from({ length: count }, (): SimDeed => {
    const near = chance.isTrue(0.6) ? chance.one(instants) + chance.whole(-2 * minuteMs, 6 * minuteMs) : times.startMs
    const atMs = near > times.startMs && near < times.quietMs ? near : chance.whole(times.startMs, times.quietMs - 1)
    const target = chance.whole(0, targets.length - 1)
    const deed = target < shared ? 'scale' : chance.weighed(ownDeeds)
    return { atMs, deed, target, size: { replicas: chance.whole(0, 5) }, forMs: chance.magnitude(minuteMs, 40 * minuteMs) }
  }).toSorted((left, right) => left.atMs - right.atMs)
}

/** Somebody stops everything for a while, now and then, mostly when there is something to do. */
function drawStops(
  chance: Chance,
  { startMs, quietMs, instants }: { readonly startMs: number; readonly quietMs: number; readonly instants: readonly number[] },
): Scenario['switchings'] {
  const days = Math.ceil((quietMs - startMs) / dayMs)
  const found: Scenario['switchings'][number][] = []
  let freeMs = startMs
  const count = Array.from({ length: days }, () =>
    chance.weighed([
      [2, 0],
      [4, 1],
      [3, 3],
    ]),
  ).reduce((sum, own) => sum + own, 0)
  const begun = Array.from({ length: count }, () => ({
    to: chance.isTrue(0.85) ? ('stop' as const) : ('gone' as const),
    atMs: chance.isTrue(0.8) ? chance.one(instants) - chance.whole(0, 90_000) : chance.whole(startMs, quietMs - 1),
  })).toSorted((left, right) => left.atMs - right.atMs)
  for (const { atMs, to } of begun) {
    const untilMs = atMs + chance.magnitude(20_000, 1_500_000)
    if (atMs <= freeMs || untilMs >= quietMs) continue
    freeMs = untilMs
    found.push({ atMs, to }, { atMs: untilMs, to: 'run' })
  }
  return found
}

/** Most storms come when there is something to do, or nobody would notice them. */
function drawWeekStorms(
  chance: Chance,
  { startMs, quietMs, instants }: { readonly startMs: number; readonly quietMs: number; readonly instants: readonly number[] },
): Storm[] {
  const days = Math.ceil((quietMs - startMs) / dayMs)
  const daily = Array.from({ length: days }, (_, day) => drawStorms(chance.of(`day ${day}`), { startMs, quietMs })).flat()
  const near = daily.map((storm): Storm => {
    if (!chance.isTrue(0.7)) return storm
    const fromMs = Math.max(startMs, chance.one(instants) - chance.whole(0, 4 * minuteMs))
    const untilMs = Math.min(quietMs, fromMs + Math.min(storm.untilMs - storm.fromMs, 30 * minuteMs))
    return { ...storm, fromMs, untilMs }
  })
  return [...near, ...drawLostPurchases(chance.of('purchases'), { startMs, quietMs })].filter(({ fromMs, untilMs }) => fromMs < untilMs)
}

/** Caps of all functions together, and a window that is over when the last alarm comes. */
function drawWeekGuard(chance: Chance): SimGuard {
  const caps = chance.isTrue(0.25) ? [{ amount: chance.whole(6, 16), window: chance.one([10, 30]) * minuteMs }] : []
  const window = chance.weighed([
    [3, undefined],
    [1, { minuteOfDay: chance.whole(10 * 60, 14 * 60), minutes: chance.whole(20, 120) }],
    [1, { minuteOfDay: nightHour * 60 + chance.whole(0, 15), minutes: chance.whole(5, 30) }],
    [1, { minuteOfDay: chance.whole(0, 5 * 60), minutes: chance.whole(20, 120) }],
  ])
  return {
    caps,
    freeze: window === undefined ? [] : [{ name: 'w1', kind: 'deny', ...window }],
    overrides: [],
    protect: [],
    killSwitch: chance.isTrue(0.8) ? 'store' : 'configMap',
  }
}

interface Span {
  readonly fromMs: number
  readonly untilMs: number
}

/** Minutes apart where there is something to do, and far apart where there is not: a lost tick makes no difference. */
function ticksOf(
  chance: Chance,
  { startMs, quietMs, endMs }: WeekTimes,
  { busy, idleMinutes, quietMinutes }: { readonly busy: readonly Span[]; readonly idleMinutes: number; readonly quietMinutes: number },
): readonly number[] {
  const spans = [...busy, { fromMs: quietMs, untilMs: quietMs + restlessMs }].toSorted((left, right) => left.fromMs - right.fromMs)
  const ticks: number[] = []
  let next = 0
  let busyUntilMs = 0
  for (let atMs = startMs; atMs < endMs - 15 * minuteMs; ) {
    for (let span = spans[next]; span !== undefined && span.fromMs <= atMs; span = spans[next]) {
      busyUntilMs = Math.max(busyUntilMs, span.untilMs)
      next += 1
    }
    ticks.push(atMs)
    const isBusy = atMs < busyUntilMs
    const stepMs = (isBusy ? chance.whole(1, 3) : atMs < quietMs ? idleMinutes + chance.whole(-9, 9) : quietMinutes) * minuteMs
    const following = spans[next]?.fromMs ?? Number.POSITIVE_INFINITY
    atMs = Math.max(atMs + minuteMs, Math.min(atMs + stepMs, Math.ceil(following / minuteMs) * minuteMs))
  }
  return ticks
}

function everyMinutes(minutes: number, { startMs, endMs }: WeekTimes, first: number): readonly number[] {
  const count = Math.floor((endMs - startMs) / (minutes * minuteMs))
  return Array.from({ length: count }, (_, index) => startMs + (first + index * minutes) * minuteMs)
}

/** Somebody looks after an inbox half a minute after every second tick or so. */
function sweepsOf(chance: Chance, ticks: readonly number[]): readonly number[] {
  return ticks.filter(() => chance.isTrue(0.6)).map((ms) => ms + minuteMs / 2)
}
