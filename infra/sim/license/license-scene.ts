import type { Chance } from '../chance.ts'
import type { SimZone } from '../scenario.ts'

const hourMs = 3_600_000
const minuteMs = 60_000

/** A region with its one cluster. */
export interface SimRegion {
  readonly region: string
  readonly cluster: string
  /** Nodes at the beginning, of eight cores each. */
  readonly nodes: number
  /** Cores that the settings say are paid for; absent where nobody said, and the platform knows no limit either. */
  readonly entitled?: number | undefined
}

/** From an instant on a cluster has so many nodes. */
export interface SimGrowth {
  readonly atMs: number
  readonly region: number
  readonly nodes: number
}

/** While this lasts the platform writes the usage of a region in another way: with a comma, a fraction, or not at all. */
export interface SimOddity {
  readonly fromMs: number
  readonly untilMs: number
  readonly region: number
  readonly value: string
}

/** What the license-meter lives in. */
export interface LicenceScene {
  /** Whose civil days count. */
  readonly zone: SimZone
  readonly regions: readonly SimRegion[]
  readonly growth: readonly SimGrowth[]
  readonly oddities: readonly SimOddity[]
  /** Nothing changes within an hour and every clock is right: then it does not matter which trigger of an hour reads it. */
  readonly isPlain: boolean
  /** What the platform means by "true", and what the settings say it means. */
  readonly platformMeans: 'within' | 'over'
  readonly passMeans?: 'ok' | 'over' | undefined
  readonly hasCrossCheck: boolean
}

/** Triggers are this far apart, the first of an hour at its third minute. */
export const meterTickMs = 15 * minuteMs
const firstMinuteMs = 3 * minuteMs

export const coresOfNode = 8

/** Regions and their clusters, in the order in which worlds have them. */
export const meterRegions = [
  { region: 'ap-guangzhou', cluster: 'cls-e0000001' },
  { region: 'ap-chengdu', cluster: 'cls-e0000002' },
  { region: 'ap-beijing', cluster: 'cls-e0000003' },
] as const

/** Where civil months, years and the clocks of a zone change, and somewhere else. */
const seasons: readonly (readonly [fromMs: number, zone: SimZone])[] = [
  [Date.UTC(2026, 2, 31, 2), 'Asia/Shanghai'],
  [Date.UTC(2026, 4, 31, 10), 'UTC'],
  [Date.UTC(2026, 2, 28, 18), 'Europe/Berlin'],
  [Date.UTC(2026, 9, 24, 18), 'Europe/Berlin'],
  [Date.UTC(2026, 11, 31, 4), 'Asia/Shanghai'],
  [Date.UTC(2026, 5, 10, 0), 'Asia/Shanghai'],
]

export interface DrawnTimes {
  readonly startMs: number
  readonly quietMs: number
  readonly zone: SimZone
  readonly ticks: readonly number[]
  readonly quietTicks: readonly number[]
}

/** When a world begins, becomes quiet and ends: always at full hours. */
export function drawTimes(chance: Chance): DrawnTimes {
  const [fromMs, zone] = chance.one(seasons)
  const startMs = fromMs + chance.whole(0, 6) * hourMs
  const quietMs = startMs + chance.whole(8, 26) * hourMs
  const ticksIn = (from: number, until: number): number[] =>
    Array.from({ length: Math.floor((until - from) / meterTickMs) }, (_, tick) => from + firstMinuteMs + tick * meterTickMs)
  return { startMs, quietMs, zone, ticks: ticksIn(startMs, quietMs), quietTicks: ticksIn(quietMs, quietMs + quietHours * hourMs) }
}

export const quietHours = 3

export function drawLicence(
  chance: Chance,
  { startMs, quietMs, zone, isPlain }: Pick<DrawnTimes, 'startMs' | 'quietMs' | 'zone'> & { readonly isPlain: boolean },
): LicenceScene {
  const count = chance.weighed([
    [2, 1],
    [4, 2],
    [2, 3],
  ])
  const regions = meterRegions.slice(0, count).map((place): SimRegion => {
    const nodes = chance.whole(1, 5)
    return { ...place, nodes, entitled: chance.isTrue(0.8) ? chance.whole(1, 8) * coresOfNode : undefined }
  })
  const instant = (): number => {
    const atMs = chance.whole(startMs + 1, quietMs - 1)
    return isPlain ? Math.ceil(atMs / hourMs) * hourMs : atMs
  }
  const growth = Array.from({ length: chance.whole(2, 12) }, () => ({
    atMs: instant(),
    region: chance.whole(0, count - 1),
    nodes: chance.whole(0, 9),
  }))
  const oddities = Array.from({ length: chance.whole(0, 3) }, () => {
    const fromMs = instant()
    const untilMs = isPlain ? fromMs + chance.whole(1, 4) * hourMs : fromMs + chance.magnitude(20 * minuteMs, 4 * hourMs)
    return {
      fromMs,
      untilMs: Math.min(untilMs, quietMs),
      region: chance.whole(0, count - 1),
      value: chance.one(['N/A', '', '1,024', '12.5', '-8']),
    }
  }).filter(({ fromMs, untilMs }) => fromMs < untilMs)
  const platformMeans = chance.one(['within', 'over'] as const)
  const right = platformMeans === 'over' ? 'over' : 'ok'
  return {
    zone,
    regions,
    growth: growth.toSorted((left, right) => left.atMs - right.atMs),
    oddities,
    isPlain,
    platformMeans,
    passMeans: chance.weighed([
      [4, right],
      [1, right === 'over' ? 'ok' : 'over'],
      [1, undefined],
    ] as const),
    hasCrossCheck: chance.isTrue(0.4),
  }
}

/** `functions.license-meter` of a world. */
export function licenceSection({ zone, regions, passMeans, hasCrossCheck }: LicenceScene): object {
  return {
    timeZone: zone,
    ...(passMeans === undefined ? {} : { passMeans }),
    entitlements: regions.flatMap(({ region, entitled }) =>
      entitled === undefined ? [] : [{ product: 'tke-managed-x86', region, cores: entitled }],
    ),
    crossCheck: { every: hasCrossCheck ? '2h' : 'never' },
  }
}
