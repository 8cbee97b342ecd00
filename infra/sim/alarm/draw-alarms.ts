import type { Chance } from '../chance.ts'
import { drawMessages } from './alarm-messages.ts'
import { drawPolicy, type SimPolicy } from './alarm-policies.ts'
import {
  type AlarmDeed,
  type AlarmScene,
  nodeCores,
  podsOnNode,
  type SceneFacts,
  type SimAlarmDeed,
  type SimAlarmPlatform,
  type SimEpisode,
  type SimLoad,
  type SimPool,
  type SimSeries,
  type SimSpan,
  threshold,
} from './alarm-scene.ts'

const minuteMs = 60_000

/** Draws what the alarm-scaler lives in. */
export function drawAlarms(chance: Chance, facts: SceneFacts): AlarmScene {
  const { clusters, startMs, quietMs } = facts
  const pools = drawPools(chance.of('pools'), clusters)
  const workers = Math.max(...clusters.map((cluster) => workersOf(pools, cluster)))
  const platform = drawPlatform(chance.of('platform'), workers)
  const policies = pools.flatMap((_, pool) =>
    Array.from(
      {
        length: chance.of(`count ${pool}`).weighed([
          [3, 1],
          [2, 2],
        ]),
      },
      (_, index) => drawPolicy(chance.of(`policy ${pool} ${index}`), { pool, index, hasAutoscaler: platform.hasAutoscaler }),
    ),
  )
  const series = drawSeries(chance.of('series'), policies, facts)
  const spanOf = (own: Chance, most: number): SimSpan => {
    const fromMs = own.whole(startMs, quietMs - 1)
    return { fromMs, untilMs: Math.min(quietMs, fromMs + own.magnitude(30_000, most)) }
  }
  const spans = (matter: string, counts: readonly (readonly [number, number])[]): SimSpan[] =>
    Array.from({ length: chance.of(matter).weighed(counts) }, (_, index) => spanOf(chance.of(`${matter} ${index}`), 15 * minuteMs))
  return {
    pools,
    policies,
    series,
    messages: drawMessages(chance.of('messages'), { series, policies, ...facts }),
    loads: drawLoads(chance.of('loads'), { pools, policies, series, ...facts }),
    soldOut: spans('sold out', [
      [5, 0],
      [3, 1],
      [1, 2],
    ]),
    failing: spans('failing', [
      [6, 0],
      [2, 1],
      [1, 2],
    ]),
    budgets: pools.flatMap((_, pool) =>
      spans(`budgets ${pool}`, [
        [3, 0],
        [2, 1],
      ]).map((span) => ({ ...span, pool })),
    ),
    deeds: drawDeeds(chance.of('deeds'), pools.length, facts),
    platform,
    lostNudges: chance.of('nudges').one([0, 0.1, 0.5]),
  }
}

function workersOf(pools: readonly SimPool[], of: string): number {
  return pools.reduce((sum, { cluster, inGroup, others }) => sum + (cluster === of ? inGroup + others : 0), 0)
}

function drawPlatform(chance: Chance, workers: number): SimAlarmPlatform {
  const hasAutoscaler = chance.isTrue(0.35)
  const bootMs = chance.magnitude(10_000, 90_000)
  return {
    clientTokens: chance.isTrue(0.6),
    addTimeoutShare: chance.one([0, 0, 0.4]),
    maxNodes: chance.isTrue(0.3) ? workers + chance.whole(2, 5) : 40,
    entitledCores: chance.isTrue(0.25) ? (workers + chance.whole(1, 6)) * nodeCores : undefined,
    isMetered: chance.isTrue(0.9),
    hasAutoscaler,
    scalesDown: hasAutoscaler && chance.isTrue(0.3),
    bootMs: [bootMs, bootMs + chance.whole(0, 60_000)],
  }
}

function drawPools(chance: Chance, clusters: readonly string[]): SimPool[] {
  const places = clusters.length > 1 ? clusters : chance.isTrue(0.25) ? [...clusters, ...clusters] : clusters
  return places.map((cluster, index): SimPool => {
    const inGroup = chance.whole(0, 2)
    const min = chance.whole(0, inGroup)
    return {
      name: `p${index}`,
      cluster,
      group: `asg-sim${index}`,
      nodePool: `np-sim${index}`,
      subnets: [`subnet-v${index}a`, `subnet-v${index}b`, `subnet-v${index}c`],
      spares: chance.whole(0, 3),
      inGroup,
      others: chance.whole(1, 2),
      bounds: { min, max: Math.max(inGroup, min) + chance.whole(0, 3) },
      max: chance.isTrue(0.2) ? inGroup + 3 : inGroup + 8,
    }
  })
}

/** How long it is quiet before the last alarm, so that all that went before is over, and how long that lasts. */
const lastAlarmAfterMs = 27 * minuteMs
const lastAlarmMs = 6 * minuteMs

function drawSeries(chance: Chance, policies: readonly SimPolicy[], { startMs, quietMs }: SceneFacts): SimSeries[] {
  const series: SimSeries[] = []
  for (const [policy, { pool, alert }] of policies.entries()) {
    const count = chance.weighed([
      [3, 1],
      [2, 2],
    ])
    for (let place = 0; place < count; place += 1) {
      const own = chance.of(`series ${policy} ${place}`)
      const episodes: SimEpisode[] = []
      let fromMs = startMs + own.whole(20_000, 6 * minuteMs)
      while (fromMs < quietMs - minuteMs) {
        const untilMs = Math.min(quietMs, fromMs + own.magnitude(minuteMs, 14 * minuteMs))
        episodes.push({ fromMs, untilMs, values: drawValues(own, fromMs, untilMs), isLast: false })
        fromMs = untilMs + own.magnitude(90_000, 8 * minuteMs)
      }
      const isFirst = place === 0 && policies.findIndex((one) => one.pool === pool) === policy
      if (isFirst) {
        const lastMs = quietMs + lastAlarmAfterMs
        episodes.push({ fromMs: lastMs, untilMs: lastMs + lastAlarmMs, values: [{ atMs: lastMs, value: 95 }], isLast: true })
      }
      series.push({ index: series.length, policy, name: alert, episodes })
    }
  }
  return series
}

function drawValues(chance: Chance, fromMs: number, untilMs: number): SimEpisode['values'] {
  const values = [{ atMs: fromMs, value: chance.whole(threshold + 1, threshold + 12) }]
  for (let atMs = fromMs + chance.magnitude(30_000, 300_000); atMs < untilMs; atMs += chance.magnitude(60_000, 400_000)) {
    values.push({ atMs, value: chance.whole(threshold + 1, threshold + 19) })
  }
  return values
}

/** How many pods fill a pool as it is at the beginning. */
function fullPods({ inGroup, others }: SimPool): number {
  return (inGroup + others) * podsOnNode
}

/** Mostly pods come when something is wrong, and go when it is over; sometimes nothing is behind an alarm. */
function drawLoads(
  chance: Chance,
  {
    pools,
    policies,
    series,
    quietMs,
    startMs,
  }: SceneFacts & { readonly pools: readonly SimPool[]; readonly policies: readonly SimPolicy[]; readonly series: readonly SimSeries[] },
): SimLoad[] {
  const loads: SimLoad[] = []
  for (const [pool, facts] of pools.entries()) {
    const full = fullPods(facts)
    const calm = (): number => Math.max(0, full - chance.whole(podsOnNode, 2 * podsOnNode))
    loads.push({ atMs: startMs, pool, pods: calm() })
    for (const { policy, episodes } of series) {
      if (policies[policy]?.pool !== pool) continue
      for (const { fromMs, untilMs, isLast } of episodes) {
        if (!isLast && chance.isTrue(0.15)) continue
        const pods = full + (isLast ? podsOnNode : chance.whole(1, 4 * podsOnNode))
        loads.push({ atMs: fromMs - chance.whole(0, isLast ? 0 : 30_000), pool, pods })
        loads.push({ atMs: untilMs + chance.whole(0, isLast ? 0 : 60_000), pool, pods: isLast ? 1 : calm() })
      }
    }
    // Pods also come when nobody says that anything is wrong.
    if (chance.isTrue(0.5)) {
      const atMs = chance.whole(startMs, quietMs - 1)
      loads.push(
        { atMs, pool, pods: full + chance.whole(1, podsOnNode) },
        { atMs: atMs + chance.magnitude(30_000, 400_000), pool, pods: calm() },
      )
    }
    loads.push({ atMs: quietMs, pool, pods: 1 })
  }
  const isInTime = ({ atMs }: SimLoad): boolean => atMs <= quietMs || atMs >= quietMs + lastAlarmAfterMs
  return loads.filter(isInTime).toSorted((left, right) => left.atMs - right.atMs)
}

function drawDeeds(chance: Chance, pools: number, { startMs, quietMs }: SceneFacts): SimAlarmDeed[] {
  const count = chance.weighed([
    [3, 0],
    [4, chance.whole(1, 3)],
    [2, chance.whole(3, 7)],
  ])
  const deeds = Array.from({ length: count }, (): SimAlarmDeed => {
    const deed = drawAlarmDeed(chance)
    return { atMs: chance.whole(startMs, quietMs - 1), deed, pool: chance.whole(0, pools - 1), pick: chance.whole(0, 9_999) }
  })
  // Who is asked agrees, now and then.
  const agreed = Array.from(
    { length: chance.whole(0, 6) },
    (): SimAlarmDeed => ({
      atMs: chance.whole(startMs, quietMs - 1),
      deed: 'approve',
      pool: chance.whole(0, pools - 1),
      pick: chance.whole(0, 9_999),
    }),
  )
  return [...deeds, ...agreed].toSorted((left, right) => left.atMs - right.atMs)
}

/** What somebody does at any time, and right between a reading and its write. */
export function drawAlarmDeed(chance: Chance): AlarmDeed {
  return chance.weighed<AlarmDeed>([
    [4, 'cordon'],
    [3, 'uncordon'],
    [4, 'delete-node'],
    [3, 'bounds'],
    [2, 'group-size'],
    [1, 'garble-record'],
    [1, 'forget-record'],
    [3, 'touch-record'],
    [3, 'deploy'],
  ])
}
