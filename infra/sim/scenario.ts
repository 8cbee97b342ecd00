import type { FaultMatch } from '#infra/sandbox/faults.ts'
import type { AlarmScene } from './alarm/alarm-scene.ts'
import { drawAlarms } from './alarm/draw-alarms.ts'
import { Chance } from './chance.ts'
import { drawPlans, type PlansOf } from './draw-plans.ts'
import type { PersonDeed } from './history.ts'
import { drawImages, drawNights, type ImageScene, nightTickMs } from './images/image-scene.ts'
import { drawLicence, drawTimes, type LicenceScene } from './license/license-scene.ts'
import { drawHook, type HookScene } from './redeploy/hook-scene.ts'

/** What the simulation runs. `relative-probe` adds one object per step, so that nothing but the kernel keeps it from adding two. */
export const simFunctions = ['cron-scaler', 'relative-probe', 'image-cleaner', 'redeploy-hook', 'alarm-scaler', 'license-meter'] as const
export type SimFunction = (typeof simFunctions)[number]

/** A world, its rules and everything that is going to befall it, drawn from a seed: plain JSON. */
export interface Scenario {
  readonly seed: number
  readonly function: SimFunction
  readonly startMs: number
  /** When it becomes quiet: from then on no fault, no person, no wrong clock. */
  readonly quietMs: number
  readonly mode: 'observe' | 'plan' | 'enforce'
  readonly clusterIds: readonly string[]
  readonly targets: readonly SimTarget[]
  readonly rules: readonly SimRule[]
  readonly calendars: readonly SimCalendar[]
  /** Of the configuration. */
  readonly overrides: readonly SimOverride[]
  readonly startingDeadlineMs: number
  /** How far back a firing can decide. */
  readonly lookBackMs: number
  /** How often within an hour one firing is enforced. */
  readonly maxCorrections: number
  /**
   * How often targets are read while nothing is due; absent where they are not: then somebody asks for a look when it becomes quiet, as
   * people do who have written something on a target.
   */
  readonly lookEveryMs?: number
  readonly hasJournalKey: boolean
  readonly guard: SimGuard
  readonly machines: readonly { readonly name: string; readonly skewMs: number }[]
  /** The most that two clocks ever differ. */
  readonly clocksApartMs: number
  readonly deliveries: readonly Delivery[]
  /** When functions that webhooks start look what was left in their inbox; each minute when absent. */
  readonly sweeps?: readonly number[] | undefined
  /** When the last run begins, if it is on time. */
  readonly lastTickMs: number
  readonly jumps: readonly { readonly atMs: number; readonly machine: number; readonly skewMs: number }[]
  readonly storms: readonly Storm[]
  readonly people: readonly SimDeed[]
  /** Chance that somebody does something to a target right after a process has read it. */
  readonly rivalChance: number
  readonly switchings: readonly { readonly atMs: number; readonly to: 'run' | 'stop' | 'gone' }[]
  readonly latency: Latency
  readonly cutChance: number
  readonly freezeChance: number
  /** Chance that a run gets less time than is usual. */
  readonly hurryChance: number
  readonly hasTimeLimit: boolean
  /** Until it becomes quiet every run is only for the plan that the run before it printed. */
  readonly needsApproval: boolean
  /** What the image-cleaner lives in. Its worlds have no targets and no rules. */
  readonly images?: ImageScene | undefined
  /** What the redeploy-hook lives in. Its worlds have no targets and no rules, either. */
  readonly hook?: HookScene | undefined
  /** What the alarm-scaler lives in; no targets and no rules, either. */
  readonly alarm?: AlarmScene | undefined
  /** What the license-meter lives in; no targets and no rules. */
  readonly licence?: LicenceScene | undefined
}

export type SimSize = { readonly replicas: number } | { readonly min: number; readonly max: number }

export interface SimTarget {
  readonly cluster: string
  readonly kind: 'Deployment' | 'StatefulSet' | 'HorizontalPodAutoscaler' | 'Ledger'
  readonly name: string
  readonly size: SimSize
}

/** What somebody does to a target. */
export interface SimDeed {
  readonly atMs: number
  readonly deed: PersonDeed
  readonly target: number
  readonly size: SimSize
  /** How long an override or a hold lasts. */
  readonly forMs: number
}

export type SimZone = 'UTC' | 'Asia/Shanghai' | 'Europe/Berlin'

/** A rule, in a form from which anybody can work out when it fires. */
export interface SimRule {
  readonly name: string
  readonly source: 'config' | 'hpc'
  readonly target: number
  readonly zone: SimZone
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  /** Civil hours of its zone; every one when absent. */
  readonly hours?: readonly number[]
  readonly size: SimSize
  readonly enforce: boolean
  readonly excludes: readonly SimExclude[]
  /** First and last civil date on which it fires: `2026-03-02`. */
  readonly validFrom?: string
  readonly validUntil?: string
  readonly runOnce: boolean
  /** Targets take turns within this time after a firing; 0 when nobody waits. */
  readonly spreadMs: number
}

/** Civil dates on which a rule does not fire. Sunday is weekday 0. */
export type SimExclude =
  | ({ readonly kind: 'dates' } & SimDates)
  | { readonly kind: 'weekday'; readonly weekday: number }
  | { readonly kind: 'day'; readonly day: number; readonly month: number }
  | { readonly kind: 'calendar'; readonly name: string }

/** Both ends included: `2026-03-02`. */
export interface SimDates {
  readonly first: string
  readonly last: string
}

export interface SimCalendar {
  readonly name: string
  /** Whether its days stand in the configuration, or have to be fetched. */
  readonly isFetched: boolean
  readonly holidays: readonly SimDates[]
  readonly workdays: readonly SimDates[]
}

export interface SimOverride {
  readonly name: string
  readonly target: number
  readonly size: SimSize
  /** At once when absent. */
  readonly fromMs?: number
  readonly untilMs: number
}

export interface SimGuard {
  readonly caps: readonly SimCap[]
  readonly freeze: readonly SimWindow[]
  readonly overrides: readonly { readonly window: string; readonly untilMs: number }[]
  readonly protect: readonly number[]
  readonly killSwitch: 'store' | 'configMap'
}

export interface SimCap {
  readonly amount?: number
  readonly percent?: number
  readonly window: 'run' | 'day' | number
  /** Only about this kind of targets. */
  readonly kind?: SimTarget['kind']
}

/** Comes every day at a minute of UTC. */
export interface SimWindow {
  readonly name: string
  readonly kind: 'allow' | 'deny'
  readonly minuteOfDay: number
  readonly minutes: number
}

/** One delivery of a tick. */
export interface Delivery {
  readonly atMs: number
  readonly scheduledAt: number
  readonly machine: number
}

export interface Storm {
  readonly fromMs: number
  readonly untilMs: number
  readonly on: 'cloud' | 'store'
  readonly probability: number
  readonly flavour: StormFlavour
  readonly match?: FaultMatch
}

/**
 * `outage`: nothing works; `slow`: everything takes long; `lossy`: answers get lost; `mixed`: anything; `lying`: lists lack rows, have
 * them twice or count wrongly; `blind`: clusters answer that nobody may look, or garbage.
 */
export type StormFlavour = 'outage' | 'slow' | 'lossy' | 'mixed' | 'lying' | 'blind'

export interface Latency {
  readonly cloudMs: number
  readonly storeMs: number
  /** Chance that a call takes a hundred times as long. */
  readonly tail: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** The last ticks come at these minutes after it has become quiet: time for what was left open to run out and be settled. */
export const quietMinutes = [1, 4, 9, 15, 21] as const

export const clusterIds = ['cls-e0000001', 'cls-e0000002'] as const

/** Clusters of the redeploy-hook's worlds, which may have three rings. */
const hookClusters = [...clusterIds, 'cls-e0000003'] as const

/**
 * Draws a scenario. The same seed and function, the same scenario. Of the redeploy-hook another variant is the same world in which events
 * come in another order, and other ones of them twice or never.
 */
export function drawScenario(seed: number, of: SimFunction, variant = ''): Scenario {
  const chance = new Chance(seed, `scenario of ${of}`)
  switch (of) {
    case 'image-cleaner':
      return drawNightScenario(seed, chance)
    case 'redeploy-hook':
      return drawPushScenario(seed, chance, variant)
    case 'alarm-scaler':
      return drawAlarmScenario(seed, chance)
    case 'license-meter':
      return drawMeterScenario(seed, chance)
    case 'cron-scaler':
    case 'relative-probe':
      return drawTickScenario(seed, of, chance)
  }
}

function drawTickScenario(seed: number, of: 'cron-scaler' | 'relative-probe', chance: Chance): Scenario {
  const timing = chance.of('timing')
  const { startMs, zones } = drawSeason(chance.of('season'), timing)
  const tickMs =
    timing.weighed([
      [3, 1],
      [3, 2],
      [4, 5],
    ]) * minuteMs
  const ticks = timing.whole(10, 30)
  const quietMs = startMs + ticks * tickMs
  const targets = drawTargets(chance.of('targets'), of)
  const clusters = clusterIds.filter((id) => targets.some(({ cluster }) => cluster === id))
  const machineCount = chance.of('machines').weighed([
    [1, 1],
    [3, 2],
    [3, 3],
  ])
  const clocks = drawClocks(chance.of('clocks'), { of, startMs, quietMs, machineCount })
  return {
    seed,
    function: of,
    startMs,
    quietMs,
    mode: drawMode(chance),
    clusterIds: clusters,
    targets,
    ...(of === 'cron-scaler' ? drawPlans(chance, { targets, zones, startMs, quietMs }) : noPlans),
    ...(of === 'cron-scaler' && chance.of('looking').isTrue(0.5) ? { lookEveryMs: 5 * minuteMs } : {}),
    startingDeadlineMs: chance.of('deadline').isTrue(0.7) ? 12 * hourMs : 30 * minuteMs,
    hasJournalKey: chance.of('key').isTrue(0.4),
    guard: drawGuard(chance.of('guard'), { targets, startMs, quietMs }),
    ...clocks,
    deliveries: drawDeliveries(chance.of('deliveries'), {
      ticks: Array.from({ length: ticks }, (_, tick) => startMs + tick * tickMs),
      quiet: quietMinutes.map((minutes) => quietMs + minutes * minuteMs),
      machineCount,
    }),
    lastTickMs: quietMs + (quietMinutes.at(-1) ?? 0) * minuteMs,
    storms: drawStorms(chance.of('storms'), { startMs, quietMs }),
    people: of === 'cron-scaler' ? drawPeople(chance.of('people'), { targets, startMs, quietMs }) : [],
    rivalChance: of === 'cron-scaler' ? chance.of('rivals').one([0, 0, 0, 0.1, 0.4]) : 0,
    switchings: drawSwitchings(chance.of('switch'), { startMs, quietMs }),
    ...drawTrouble(chance.of('trouble')),
  }
}

function drawMode(chance: Chance): Scenario['mode'] {
  return chance.of('mode').isTrue(0.95) ? 'enforce' : chance.of('mode').of('harmless').one(['observe', 'plan'])
}

/** Several nights of the image-cleaner. What goes wrong goes wrong in the hour of its triggers, or nobody would notice. */
function drawNightScenario(seed: number, chance: Chance): Scenario {
  const timing = chance.of('timing')
  // One in the morning in the registry's zone.
  const firstMs = Date.UTC(2026, 2, 2, 17) + timing.whole(0, 20) * 24 * hourMs
  const { troubled, quiet } = drawNights(timing, firstMs)
  const startMs = firstMs - hourMs
  const quietMs = (troubled.at(-1) ?? firstMs) + 12 * hourMs
  const ticksOf = (night: number, count: number): readonly number[] =>
    Array.from({ length: count }, (_, tick) => night + tick * nightTickMs)
  const ticks = troubled.flatMap((night) => ticksOf(night, timing.whole(3, 7)))
  const quietTicks = quiet.flatMap((night) => ticksOf(night, 3))
  const clusters = clusterIds.slice(0, chance.of('clusters').isTrue(0.4) ? 2 : 1)
  // Its platform never lets two of its runs begin side by side; what an ended one has sent may still be under way.
  const machineCount = 1
  return {
    seed,
    function: 'image-cleaner',
    startMs,
    quietMs,
    mode: drawMode(chance),
    clusterIds: clusters,
    targets: [],
    ...noPlans,
    startingDeadlineMs: 0,
    hasJournalKey: chance.of('key').isTrue(0.4),
    guard: drawNightGuard(chance.of('guard'), firstMs),
    ...drawClocks(chance.of('clocks'), { of: 'image-cleaner', startMs, quietMs, machineCount }),
    deliveries: drawDeliveries(chance.of('deliveries'), { ticks, quiet: quietTicks, machineCount }),
    lastTickMs: quietTicks.at(-1) ?? quietMs,
    storms: troubled.flatMap((night, index) => drawNightStorms(chance.of(`storms ${index}`), night)),
    people: [],
    rivalChance: chance.of('rivals').one([0, 0.03, 0.1, 0.3]),
    switchings: drawSwitchings(chance.of('switch'), { startMs: firstMs - 5 * minuteMs, quietMs: firstMs + 20 * minuteMs }),
    ...drawTrouble(chance.of('trouble')),
    latency: {
      cloudMs: chance.of('latency').magnitude(5, 3_000),
      storeMs: chance.of('latency').of('store').magnitude(1, 150),
      tail: chance.of('latency').of('tail').one([0, 0.005, 0.03]),
    },
    images: drawImages(chance.of('images'), { clusters, nights: [...troubled, ...quiet], troubled, startMs, quietMs }),
  }
}

/** Half an hour in which things are pushed, and as long again for what is under way then. */
function drawPushScenario(seed: number, chance: Chance, variant: string): Scenario {
  const timing = chance.of('timing')
  const startMs = Date.UTC(2026, 2, 2, 6) + timing.whole(0, 600) * minuteMs
  const quietMs = startMs + timing.whole(10, 18) * minuteMs
  const clusters = hookClusters.slice(
    0,
    chance.of('clusters').weighed([
      [3, 1],
      [4, 2],
      [2, 3],
    ]),
  )
  const machineCount = chance.of('machines').weighed([
    [1, 1],
    [3, 2],
    [2, 3],
  ])
  const ticksIn = (fromMs: number, untilMs: number): number[] =>
    Array.from({ length: Math.floor((untilMs - fromMs) / minuteMs) }, (_, tick) => fromMs + tick * minuteMs)
  const lastTickMs = quietMs + hookQuietMinutes * minuteMs
  const facts = { clusters, machineCount, startMs, quietMs, variant }
  return {
    seed,
    function: 'redeploy-hook',
    startMs,
    quietMs,
    mode: drawMode(chance),
    clusterIds: clusters,
    targets: [],
    ...noPlans,
    startingDeadlineMs: 0,
    hasJournalKey: chance.of('key').isTrue(0.4),
    guard: drawPushGuard(chance.of('guard'), startMs, quietMs),
    ...drawClocks(chance.of('clocks'), { of: 'redeploy-hook', startMs, quietMs, machineCount }),
    deliveries: drawDeliveries(chance.of('deliveries'), {
      ticks: ticksIn(startMs, quietMs),
      quiet: ticksIn(quietMs + minuteMs, lastTickMs + minuteMs),
      machineCount,
    }),
    lastTickMs,
    storms: chance.of('stormy').isTrue(0.6) ? drawStorms(chance.of('storms'), { startMs, quietMs }) : [],
    people: [],
    rivalChance: chance.of('rivals').one([0, 0, 0, 0.1, 0.4]),
    switchings: drawSwitchings(chance.of('switch'), { startMs, quietMs }),
    ...drawTrouble(chance.of('trouble')),
    needsApproval: false,
    hook: drawHook(chance.of('hook'), facts),
  }
}

/** A day or so of the license-meter, with storms as long as an hour or several, and three hours in which all is well. */
function drawMeterScenario(seed: number, chance: Chance): Scenario {
  const { startMs, quietMs, zone, ticks, quietTicks } = drawTimes(chance.of('timing'))
  const isPlain = chance.of('plain').isTrue(0.4)
  const machineCount = chance.of('machines').weighed([
    [2, 1],
    [3, 2],
    [2, 3],
  ])
  const clocks = drawClocks(chance.of('clocks'), { of: 'cron-scaler', startMs, quietMs, machineCount })
  const right = { machines: clocks.machines.map(({ name }) => ({ name, skewMs: 0 })), jumps: [], clocksApartMs: 0 }
  const licence = drawLicence(chance.of('licence'), { startMs, quietMs, zone, isPlain })
  const storms = ['first', 'second'].flatMap((name) => drawStorms(chance.of(`storms ${name}`), { startMs, quietMs }))
  return {
    seed,
    function: 'license-meter',
    startMs,
    quietMs,
    mode: chance.of('mode').one(['observe', 'plan', 'enforce']),
    clusterIds: licence.regions.map(({ cluster }) => cluster),
    targets: [],
    ...noPlans,
    startingDeadlineMs: 0,
    hasJournalKey: false,
    guard: { caps: [], freeze: [], overrides: [], protect: [], killSwitch: 'store' },
    ...(isPlain ? right : clocks),
    deliveries: drawDeliveries(chance.of('deliveries'), { ticks, quiet: quietTicks, machineCount }),
    lastTickMs: quietTicks.at(-1) ?? quietMs,
    // It only reads: what strikes nothing but writes strikes everything here.
    storms: storms.map(({ match: _match, ...storm }, index) => {
      const own = chance.of(`storm ${index}`)
      const untilMs = Math.min(quietMs, storm.fromMs + (storm.untilMs - storm.fromMs) * own.one([1, 2, 6]))
      const probability = storm.on === 'cloud' && storm.flavour !== 'outage' ? own.one([0.1, 0.3, 0.8]) : storm.probability
      return { ...storm, untilMs, probability }
    }),
    people: [],
    rivalChance: 0,
    switchings: [],
    ...drawTrouble(chance.of('trouble')),
    needsApproval: false,
    licence,
  }
}

/** A quarter of an hour in which alarms come and go, and an hour for what is under way then: leases end, and one last alarm comes. */
function drawAlarmScenario(seed: number, chance: Chance): Scenario {
  const timing = chance.of('timing')
  const startMs = Date.UTC(2026, 2, 2, 6) + timing.whole(0, 600) * minuteMs + timing.whole(0, 59_999)
  const quietMs = startMs + timing.whole(12, 20) * minuteMs
  const clusters = clusterIds.slice(0, chance.of('clusters').isTrue(0.25) ? 2 : 1)
  const machineCount = chance.of('machines').weighed([
    [1, 1],
    [3, 2],
    [2, 3],
  ])
  const ticksIn = (fromMs: number, untilMs: number): number[] =>
    Array.from({ length: Math.floor((untilMs - fromMs) / minuteMs) }, (_, tick) => fromMs + tick * minuteMs)
  const lastTickMs = quietMs + alarmQuietMinutes * minuteMs
  return {
    seed,
    function: 'alarm-scaler',
    startMs,
    quietMs,
    mode: drawMode(chance),
    clusterIds: clusters,
    targets: [],
    ...noPlans,
    startingDeadlineMs: 0,
    hasJournalKey: chance.of('key').isTrue(0.4),
    guard: drawPushGuard(chance.of('guard'), startMs, quietMs),
    ...drawClocks(chance.of('clocks'), { of: 'alarm-scaler', startMs, quietMs, machineCount }),
    deliveries: drawDeliveries(chance.of('deliveries'), {
      ticks: ticksIn(startMs, quietMs),
      quiet: ticksIn(quietMs + minuteMs, lastTickMs + minuteMs),
      machineCount,
    }),
    lastTickMs,
    storms: [
      ...(chance.of('stormy').isTrue(0.6) ? drawStorms(chance.of('storms'), { startMs, quietMs }) : []),
      ...drawLostPurchases(chance.of('purchases'), { startMs, quietMs }),
    ],
    people: [],
    rivalChance: chance.of('rivals').one([0, 0, 0, 0.1, 0.3]),
    switchings: drawSwitchings(chance.of('switch'), { startMs, quietMs }),
    ...drawTrouble(chance.of('trouble')),
    needsApproval: false,
    alarm: drawAlarms(chance.of('alarms'), { clusters, machineCount, startMs, quietMs }),
  }
}

/** Answers to one kind of call get lost again and again: whether it was carried out has to be found out by reading. */
export function drawLostPurchases(chance: Chance, { startMs, quietMs }: { readonly startMs: number; readonly quietMs: number }): Storm[] {
  if (!chance.isTrue(0.35)) return []
  const action = chance.one([
    'CreateClusterInstances',
    'CreateClusterInstances',
    'CreateClusterVirtualNode',
    'AddExistedInstances',
    'ModifyClusterAsGroupAttribute',
    'DeleteClusterInstances',
  ])
  return [{ fromMs: startMs, untilMs: quietMs, on: 'cloud', flavour: 'lossy', probability: chance.one([0.4, 0.8]), match: { action } }]
}

/** For so long what was added has to be given back, a last alarm has to be answered, and that has to be given back as well. */
const alarmQuietMinutes = 60

/** For so long all that may be rolled out has to be, and every clock, store and cluster is well. */
const hookQuietMinutes = 32

/** Caps that there is time enough for when it is quiet, and windows that are over by then. */
function drawPushGuard(chance: Chance, startMs: number, quietMs: number): SimGuard {
  const caps = chance.isTrue(0.25) ? [{ amount: chance.whole(3, 8), window: chance.one([2, 4]) * minuteMs }] : []
  const minutes = Math.floor((quietMs - startMs) / minuteMs)
  const begins = chance.whole(-5, minutes - 5)
  const minuteOfDay = (Math.floor((startMs % (24 * hourMs)) / minuteMs) + begins + 24 * 60) % (24 * 60)
  const freeze = chance.isTrue(0.2) ? [{ name: 'w1', kind: 'deny' as const, minuteOfDay, minutes: chance.whole(3, minutes - begins) }] : []
  return { caps, freeze, overrides: [], protect: [], killSwitch: chance.isTrue(0.8) ? 'store' : 'configMap' }
}

/** Caps and windows of the kernel itself, in few worlds: the function has its own caps. */
function drawNightGuard(chance: Chance, firstMs: number): SimGuard {
  const caps = chance.isTrue(0.2)
    ? [
        {
          amount: chance.whole(0, 6),
          window: chance.weighed<SimCap['window']>([
            [1, 30 * minuteMs],
            [1, 'run'],
            [1, 'day'],
          ]),
        },
      ]
    : []
  const minuteOfDay = Math.floor((firstMs % (24 * hourMs)) / minuteMs) + chance.whole(0, 40)
  const freeze = chance.isTrue(0.12) ? [{ name: 'w1', kind: 'deny' as const, minuteOfDay, minutes: chance.whole(3, 25) }] : []
  return { caps, freeze, overrides: [], protect: [], killSwitch: chance.isTrue(0.8) ? 'store' : 'configMap' }
}

/** What goes wrong in one night, about when its first run begins: a run takes minutes, and the others of the night only go on with it. */
function drawNightStorms(chance: Chance, night: number): Storm[] {
  const near = { startMs: night - 4 * minuteMs, quietMs: night + 4 * minuteMs }
  const storms = chance.isTrue(0.6) ? drawStorms(chance, near) : []
  for (const flavour of ['lying', 'blind'] as const) {
    if (!chance.isTrue(0.3)) continue
    const fromMs = chance.whole(near.startMs, night)
    // Where the list of repositories lies as well, nothing goes anyhow.
    const match = flavour === 'lying' && chance.of('lies').isTrue(0.8) ? { match: { action: 'DescribeImagePersonal' } } : {}
    storms.push({ fromMs, untilMs: fromMs, on: 'cloud', flavour, probability: chance.one([0.1, 0.4, 1]), ...match })
  }
  // The tags of one repository after the other cannot be read, and everything else can.
  if (chance.isTrue(0.2)) {
    const match = { action: 'DescribeImagePersonal' }
    storms.push({ fromMs: night - minuteMs, untilMs: night, on: 'cloud', flavour: 'lossy', probability: chance.one([0.8, 1]), match })
  }
  return storms.map((storm) => ({ ...storm, untilMs: storm.fromMs + chance.magnitude(minuteMs, 60 * minuteMs) }))
}

const noPlans: PlansOf = { rules: [], calendars: [], overrides: [], lookBackMs: 8 * 24 * hourMs, maxCorrections: 3 }

/** Most worlds are anywhere in a Monday of March; some are where the clocks of a zone change, with rules of that zone. */
function drawSeason(chance: Chance, timing: Chance): { readonly startMs: number; readonly zones: readonly SimZone[] } {
  const anywhere = Date.UTC(2026, 2, 2) + timing.whole(0, 23 * 60) * minuteMs
  const change = chance.weighed([
    [8, undefined],
    [1, Date.UTC(2026, 2, 29, 1)],
    [1, Date.UTC(2026, 9, 25, 1)],
  ])
  if (change === undefined) return { startMs: anywhere, zones: ['UTC', 'Asia/Shanghai'] }
  return { startMs: change - chance.whole(0, 120) * minuteMs, zones: ['Europe/Berlin', 'Europe/Berlin', 'UTC'] }
}

function drawTargets(chance: Chance, of: SimFunction): SimTarget[] {
  const hasTwoClusters = chance.isTrue(0.2)
  return Array.from({ length: chance.whole(2, 5) }, (_, index): SimTarget => {
    const cluster = hasTwoClusters ? chance.one(clusterIds) : clusterIds[0]
    if (of === 'relative-probe') return { cluster, kind: 'Ledger', name: `probe-${index}`, size: { replicas: 0 } }
    const kind = chance.one(['Deployment', 'Deployment', 'StatefulSet', 'HorizontalPodAutoscaler'] as const)
    const min = chance.whole(1, 3)
    const size = kind === 'HorizontalPodAutoscaler' ? { min, max: min + chance.whole(0, 4) } : { replicas: chance.whole(0, 5) }
    return { cluster, kind, name: `t${index}`, size }
  })
}

function drawGuard(
  chance: Chance,
  facts: { readonly targets: readonly SimTarget[]; readonly startMs: number; readonly quietMs: number },
): SimGuard {
  const { targets, startMs, quietMs } = facts
  const caps = new Map<string, SimCap>()
  if (chance.isTrue(0.5)) {
    for (let count = chance.whole(1, 3); count > 0; count -= 1) {
      const window = chance.weighed<SimCap['window']>([
        [6, chance.one([5, 10, 20, 45]) * minuteMs],
        [2, 'run'],
        [1, 'day'],
      ])
      const most = window === 'day' ? 12 : 4
      const limit = chance.weighed([
        [5, { amount: chance.isTrue(0.08) ? 0 : chance.whole(1, most) }],
        [2, { percent: chance.one([34, 50, 67, 100]) }],
      ])
      const kind = chance.isTrue(0.25) ? { kind: chance.one(targets).kind } : {}
      // Two caps that count the same are a mistake of the configuration.
      caps.set(JSON.stringify([window, kind, 'percent' in limit]), { ...limit, window, ...kind })
    }
  }
  const freeze: SimWindow[] = []
  if (chance.isTrue(0.25)) {
    const minutes = (quietMs - startMs) / minuteMs
    for (let count = chance.whole(1, 2); count > 0; count -= 1) {
      const kind = chance.isTrue(0.75) ? 'deny' : 'allow'
      const fromStart = chance.whole(-10, Math.floor(minutes))
      freeze.push({
        name: `w${count}`,
        kind,
        minuteOfDay: (Math.floor((startMs % (24 * hourMs)) / minuteMs) + fromStart + 24 * 60) % (24 * 60),
        minutes: kind === 'deny' ? chance.whole(3, 25) : chance.whole(20, 24 * 60),
      })
    }
  }
  const [window] = freeze
  return {
    caps: [...caps.values()],
    freeze,
    overrides:
      window !== undefined && chance.isTrue(0.3) ? [{ window: window.name, untilMs: startMs + chance.whole(0, quietMs - startMs) }] : [],
    protect: chance.isTrue(0.1) ? [chance.whole(0, targets.length - 1)] : [],
    killSwitch: chance.isTrue(0.8) ? 'store' : 'configMap',
  }
}

/** The clocks of half the worlds are right; others are off by seconds, or by up to ten minutes, and jump. */
export function drawClocks(
  chance: Chance,
  facts: { readonly of: SimFunction; readonly startMs: number; readonly quietMs: number; readonly machineCount: number },
): Pick<Scenario, 'machines' | 'jumps' | 'clocksApartMs'> {
  const wrong = chance.weighed([
    [5, 0],
    [3, 9_000],
    [facts.of === 'cron-scaler' ? 3 : 0, 10 * minuteMs],
  ])
  const machines = Array.from({ length: facts.machineCount }, (_, index) => ({
    name: `p${index + 1}`,
    skewMs: chance.whole(-wrong, wrong),
  }))
  const jumps = Array.from({ length: wrong === 0 ? 0 : chance.whole(0, 3) }, () => ({
    atMs: chance.whole(facts.startMs, facts.quietMs - 1),
    machine: chance.whole(0, facts.machineCount - 1),
    skewMs: chance.whole(-wrong, wrong),
  }))
  const skews = [0, ...machines.map(({ skewMs }) => skewMs), ...jumps.map(({ skewMs }) => skewMs)]
  return { machines, jumps, clocksApartMs: Math.max(...skews) - Math.min(...skews) }
}

export function drawDeliveries(
  chance: Chance,
  facts: { readonly ticks: readonly number[]; readonly quiet: readonly number[]; readonly machineCount: number },
): Delivery[] {
  const { ticks, quiet, machineCount } = facts
  const [lost, twice, late, atOnce] = [
    chance.one([0, 0.05, 0.25]),
    chance.one([0, 0.2, 0.6]),
    chance.one([0, 0.2, 0.5]),
    chance.one([0.2, 0.8]),
  ]
  const deliveries: Delivery[] = []
  for (const scheduledAt of ticks) {
    const count = chance.isTrue(lost) ? 0 : chance.isTrue(twice) ? chance.whole(2, 3) : 1
    const delayMs = drawDelay(chance, late)
    const together = chance.isTrue(atOnce)
    const first = chance.whole(0, machineCount - 1)
    for (let copy = 0; copy < count; copy += 1) {
      // Copies that come together go to machines of their own.
      const atMs = scheduledAt + (together ? delayMs + chance.magnitude(1, 400) : drawDelay(chance, late))
      deliveries.push({ atMs, scheduledAt, machine: together ? (first + copy) % machineCount : chance.whole(0, machineCount - 1) })
    }
  }
  for (const at of quiet) deliveries.push({ atMs: at, scheduledAt: at, machine: chance.whole(0, machineCount - 1) })
  return deliveries
}

function drawDelay(chance: Chance, late: number): number {
  if (!chance.isTrue(late)) return chance.whole(0, 1_500)
  return chance.isTrue(0.8) ? chance.magnitude(2_000, 240_000) : chance.magnitude(60_000, 1_500_000)
}

export function drawStorms(chance: Chance, { startMs, quietMs }: { readonly startMs: number; readonly quietMs: number }): Storm[] {
  const storms: Storm[] = []
  for (
    let count = chance.weighed([
      [1, 0],
      [2, 1],
      [3, 2],
      [3, 4],
      [1, 7],
    ]);
    count > 0;
    count -= 1
  ) {
    const on = chance.one(['cloud', 'store'] as const)
    const flavour = chance.weighed<StormFlavour>([
      [1, 'outage'],
      [2, 'slow'],
      [3, 'lossy'],
      [4, 'mixed'],
    ])
    const fromMs = chance.whole(startMs, quietMs - 1)
    const lengthMs = flavour === 'outage' ? chance.whole(1, 12) * minuteMs : chance.whole(1, 60) * minuteMs
    const onlyWrites = on === 'cloud' && chance.isTrue(0.5)
    storms.push({
      fromMs,
      untilMs: Math.min(quietMs, fromMs + lengthMs),
      on,
      flavour,
      probability: flavour === 'outage' ? 1 : onlyWrites ? chance.one([0.3, 0.6, 1]) : chance.one([0.03, 0.1, 0.3]),
      ...(onlyWrites ? { match: { effect: 'write' } as const } : {}),
    })
  }
  return storms
}

function drawPeople(
  chance: Chance,
  { targets, startMs, quietMs }: { readonly targets: readonly SimTarget[]; readonly startMs: number; readonly quietMs: number },
): Scenario['people'] {
  const deeds = Array.from(
    {
      length: chance.weighed([
        [3, 0],
        [3, chance.whole(1, 3)],
        [3, chance.whole(3, 8)],
      ]),
    },
    () => {
      const target = chance.whole(0, targets.length - 1)
      const min = chance.whole(1, 4)
      const isBounds = targets[target]?.kind === 'HorizontalPodAutoscaler'
      return {
        atMs: chance.whole(startMs, quietMs - 1),
        deed: chance.weighed<PersonDeed>([
          [6, 'scale'],
          [2, 'opt-out'],
          [2, 'opt-in'],
          [1, 'hold'],
          [2, 'override'],
          [1, 'override-off'],
          [1, 'doom'],
          [1, 'delete'],
          [1, 'recreate'],
          [1, 'forget'],
        ]),
        target,
        size: isBounds ? { min, max: min + chance.whole(0, 4) } : { replicas: chance.whole(0, 8) },
        forMs: chance.magnitude(minuteMs, 40 * minuteMs),
      }
    },
  )
  const more = deeds.flatMap((deed) => (deed.deed === 'scale' && chance.isTrue(0.25) ? stubborn(chance, deed, quietMs) : []))
  return [...deeds, ...more].toSorted((left, right) => left.atMs - right.atMs)
}

/** The same again and again: something else sets the size as well. */
function stubborn(chance: Chance, deed: SimDeed, quietMs: number): SimDeed[] {
  const everyMs = chance.whole(1, 6) * minuteMs
  return Array.from({ length: chance.whole(3, 10) }, (_, index) => ({ ...deed, atMs: deed.atMs + (index + 1) * everyMs })).filter(
    ({ atMs }) => atMs < quietMs,
  )
}

/** What somebody does who comes in between. */
export function drawRival(chance: Chance, target: SimTarget): Pick<SimDeed, 'deed' | 'size' | 'forMs'> {
  const min = chance.whole(1, 4)
  const size = target.kind === 'HorizontalPodAutoscaler' ? { min, max: min + chance.whole(0, 4) } : { replicas: chance.whole(0, 8) }
  const deed = chance.weighed<PersonDeed>([
    [8, 'scale'],
    [2, 'opt-out'],
    [2, 'opt-in'],
    [2, 'override'],
    [1, 'override-off'],
    [1, 'doom'],
    [1, 'recreate'],
    [1, 'forget'],
  ])
  return { deed, size, forMs: chance.magnitude(minuteMs, 40 * minuteMs) }
}

function drawSwitchings(
  chance: Chance,
  { startMs, quietMs }: { readonly startMs: number; readonly quietMs: number },
): Scenario['switchings'] {
  const switchings: { atMs: number; to: 'run' | 'stop' | 'gone' }[] = []
  for (
    let count = chance.weighed([
      [5, 0],
      [4, 1],
      [1, 3],
    ]);
    count > 0;
    count -= 1
  ) {
    const atMs = chance.whole(startMs, quietMs - 1)
    switchings.push({ atMs, to: chance.isTrue(0.85) ? 'stop' : 'gone' })
    switchings.push({ atMs: Math.min(quietMs, atMs + chance.magnitude(2_000, 1_500_000)), to: 'run' })
  }
  return switchings.toSorted((left, right) => left.atMs - right.atMs)
}

export function drawTrouble(
  chance: Chance,
): Pick<Scenario, 'latency' | 'cutChance' | 'freezeChance' | 'hurryChance' | 'hasTimeLimit' | 'needsApproval'> {
  return {
    latency: {
      cloudMs: chance.magnitude(4, 120),
      storeMs: chance.magnitude(1, 40),
      tail: chance.one([0, 0.005, 0.03]),
    },
    cutChance: chance.one([0, 0.1, 0.3, 0.5]),
    freezeChance: chance.one([0, 0, 0.1, 0.3]),
    hurryChance: chance.one([0, 0, 0.2]),
    hasTimeLimit: chance.isTrue(0.7),
    needsApproval: chance.isTrue(0.08),
  }
}
