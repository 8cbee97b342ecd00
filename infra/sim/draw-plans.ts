import type { Chance } from './chance.ts'
import type { Scenario, SimCalendar, SimDates, SimExclude, SimOverride, SimRule, SimSize, SimTarget, SimZone } from './scenario.ts'
import { civilAt, dateText } from './sim-time.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** What is planned for the targets of the cron-scaler. */
export type PlansOf = Pick<Scenario, 'rules' | 'calendars' | 'overrides' | 'lookBackMs' | 'maxCorrections'>

interface PlanFacts {
  readonly targets: readonly SimTarget[]
  readonly zones: readonly SimZone[]
  readonly startMs: number
  readonly quietMs: number
}

/** Draws rules, the calendars that they name, and overrides. */
export function drawPlans(chance: Chance, facts: PlanFacts): PlansOf {
  const calendars = drawCalendars(chance.of('calendars'), facts)
  return {
    calendars,
    rules: drawRules(chance.of('rules'), facts, calendars),
    overrides: drawOverrides(chance.of('overrides'), facts),
    lookBackMs: chance.of('look back').isTrue(0.85) ? 8 * dayMs : 2 * hourMs,
    maxCorrections: chance.of('corrections').one([3, 3, 3, 3, 20, 1, 0]),
  }
}

function drawRules(chance: Chance, facts: PlanFacts, calendars: readonly SimCalendar[]): SimRule[] {
  const { targets, startMs } = facts
  const hasObjects = chance.isTrue(0.6)
  const onlyObjects = hasObjects && chance.isTrue(0.5)
  const spreads = chance.isTrue(0.3)
  return targets.flatMap((target, index) => {
    const object = drawCommon(chance, facts, spreads)
    return Array.from({ length: chance.whole(1, 3) }, (_, number): SimRule => {
      const source = hasObjects && (onlyObjects || chance.isTrue(0.5)) ? 'hpc' : 'config'
      const common = source === 'hpc' ? object : drawCommon(chance, facts, spreads)
      const everyMinutes = chance.one([10, 12, 15, 20, 30])
      const first = chance.whole(0, everyMinutes - 1)
      const minutes = Array.from({ length: Math.floor((59 - first) / everyMinutes) + 1 }, (_, place) => first + place * everyMinutes)
      const { hour } = civilAt(startMs, common.zone)
      const count = chance.weighed([
        [9, 1],
        [1, 2],
        [1, 3],
      ])
      const isOnTheMinute = chance.isTrue(0.7)
      const seconds = Array.from({ length: count }, (_, place) => (isOnTheMinute && place === 0 ? 0 : chance.whole(1, 59)))
      const excludeCount = chance.isTrue(0.25) ? chance.whole(1, 2) : 0
      return {
        name: `r${number}`,
        source,
        target: index,
        seconds: [...new Set(seconds)].toSorted((left, right) => left - right),
        minutes,
        ...(chance.isTrue(0.3) ? { hours: [hour, (hour + 1) % 24] } : {}),
        size: drawSize(chance, target),
        excludes: Array.from({ length: excludeCount }, () => drawExclude(chance, { startMs, zone: common.zone, calendars })),
        runOnce: chance.isTrue(0.07),
        ...common,
      }
    })
  })
}

/** What the rules of one HPC object have in common. */
function drawCommon(
  chance: Chance,
  { zones, startMs }: PlanFacts,
  spreads: boolean,
): Pick<SimRule, 'zone' | 'enforce' | 'spreadMs' | 'validFrom' | 'validUntil'> {
  const zone = chance.one(zones)
  const nearDay = (): string => dateText(civilAt(startMs + chance.one([-dayMs, 0, 0, dayMs]), zone))
  const valid = chance.weighed<Pick<SimRule, 'validFrom' | 'validUntil'>>([
    [18, {}],
    [1, { validFrom: nearDay() }],
    [1, { validUntil: nearDay() }],
  ])
  return {
    zone,
    enforce: chance.isTrue(0.35),
    spreadMs: spreads && chance.isTrue(0.7) ? chance.one([5, 20, 90, 300, 480]) * 1000 : 0,
    ...valid,
  }
}

function drawSize(chance: Chance, { kind }: SimTarget): SimSize {
  const min = chance.whole(1, 4)
  return kind === 'HorizontalPodAutoscaler' ? { min, max: min + chance.whole(0, 5) } : { replicas: chance.whole(0, 7) }
}

/** A day or some days around the beginning. */
function drawDates(chance: Chance, startMs: number, zone: SimZone): SimDates {
  const firstMs = startMs + chance.whole(-2, 1) * dayMs
  return { first: dateText(civilAt(firstMs, zone)), last: dateText(civilAt(firstMs + chance.one([0, 0, 1, 2]) * dayMs, zone)) }
}

function drawExclude(
  chance: Chance,
  { startMs, zone, calendars }: { readonly startMs: number; readonly zone: SimZone; readonly calendars: readonly SimCalendar[] },
): SimExclude {
  const nearMs = startMs + chance.one([-dayMs, 0, 0, dayMs])
  const { day, month } = civilAt(nearMs, zone)
  const weekday = new Date(Date.parse(dateText(civilAt(nearMs, zone)))).getUTCDay()
  const [calendar] = calendars
  return chance.weighed<SimExclude>([
    [3, { kind: 'dates', ...drawDates(chance, startMs, zone) }],
    [2, { kind: 'weekday', weekday }],
    [1, { kind: 'day', day, month }],
    [calendar === undefined ? 0 : 5, { kind: 'calendar', name: calendar?.name ?? '' }],
  ])
}

function drawCalendars(chance: Chance, { startMs }: PlanFacts): SimCalendar[] {
  if (!chance.isTrue(0.4)) return []
  const days = (most: number): SimDates[] => Array.from({ length: chance.whole(0, most) }, () => drawDates(chance, startMs, 'UTC'))
  // Without a single day it would be refused.
  const holidays = [drawDates(chance, startMs, 'UTC'), ...days(1)]
  return [{ name: 'days-off', isFetched: chance.isTrue(0.4), holidays, workdays: days(2) }]
}

function drawOverrides(chance: Chance, { targets, startMs, quietMs }: PlanFacts): SimOverride[] {
  const count = chance.weighed([
    [7, 0],
    [2, 1],
    [1, 3],
  ])
  return Array.from({ length: count }, (_, index) => {
    const target = chance.whole(0, targets.length - 1)
    const named = targets[target]
    // Instants are written to the second.
    const fromMs = Math.floor(chance.whole(startMs - hourMs, quietMs) / 1000) * 1000
    const untilMs = fromMs + chance.magnitude(5 * 60, 3 * 3600) * 1000
    return {
      name: `o${index}`,
      target,
      size: named === undefined ? { replicas: 1 } : drawSize(chance, named),
      ...(chance.isTrue(0.8) ? { fromMs } : {}),
      untilMs,
    }
  })
}
