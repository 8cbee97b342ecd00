import { drawMessages } from '../alarm/alarm-messages.ts'
import { drawPolicy, type SimPolicy } from '../alarm/alarm-policies.ts'
import {
  type AlarmDeed,
  type AlarmScene,
  nodeCores,
  podsOnNode,
  type SimAlarmDeed,
  type SimEpisode,
  type SimLoad,
  type SimPool,
  type SimSeries,
  type SimSpan,
  threshold,
} from '../alarm/alarm-scene.ts'
import type { Chance } from '../chance.ts'
import type { WeekTimes } from './draw-week.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** So long it is quiet before the last alarm, and so long that lasts. */
const lastAlarmAfterMs = 27 * minuteMs
const lastAlarmMs = 6 * minuteMs

/** Draws alarms of a week: for each pool one or two a day, whose nodes are mostly back when the next one comes. */
export function drawWeekAlarms(chance: Chance, times: WeekTimes): AlarmScene {
  const { clusters, startMs, quietMs, machineCount } = times
  const pools = clusters.map((cluster, index) => drawPool(chance.of(`pool ${index}`), cluster, index))
  const policies = pools.flatMap((_, pool) =>
    Array.from({ length: chance.of(`count ${pool}`).isTrue(0.3) ? 2 : 1 }, (_, index) =>
      drawPolicy(chance.of(`policy ${pool} ${index}`), { pool, index, hasAutoscaler: false }),
    ),
  )
  const series = policies.map((policy, index) => drawSeries(chance.of(`series ${index}`), { policy, index, policies }, times))
  const facts = { clusters, machineCount, startMs, quietMs }
  const workers = Math.max(...pools.map(({ inGroup, others }) => inGroup + others))
  const platform = chance.of('platform')
  const bootMs = platform.magnitude(10_000, 90_000)
  const spans = (matter: string): SimSpan[] =>
    Array.from({ length: chance.of(matter).whole(0, 2) }, (_, index) => {
      const own = chance.of(`${matter} ${index}`)
      const fromMs = own.one(series.flatMap(({ episodes }) => episodes).filter(({ isLast }) => !isLast)).fromMs
      return { fromMs, untilMs: Math.min(quietMs, fromMs + own.magnitude(30_000, 15 * minuteMs)) }
    })
  return {
    pools,
    policies,
    series,
    messages: drawMessages(chance.of('messages'), { series, policies, ...facts }),
    loads: drawLoads(chance.of('loads'), { pools, policies, series, times }),
    soldOut: spans('sold out'),
    failing: chance.of('failing').isTrue(0.4) ? spans('failing') : [],
    budgets: [],
    deeds: drawDeeds(chance.of('deeds'), { pools: pools.length, series, times }),
    platform: {
      clientTokens: platform.isTrue(0.6),
      addTimeoutShare: platform.one([0, 0, 0.3]),
      maxNodes: 40,
      entitledCores: platform.isTrue(0.6) ? (workers + platform.whole(0, 2)) * nodeCores : undefined,
      isMetered: true,
      hasAutoscaler: false,
      scalesDown: false,
      bootMs: [bootMs, bootMs + platform.whole(0, 60_000)],
    },
    lostNudges: chance.of('nudges').one([0, 0.1, 0.5]),
  }
}

function drawPool(chance: Chance, cluster: string, index: number): SimPool {
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
    max: chance.isTrue(0.2) ? inGroup + 4 : inGroup + 8,
  }
}

function drawSeries(
  chance: Chance,
  { policy, index, policies }: { readonly policy: SimPolicy; readonly index: number; readonly policies: readonly SimPolicy[] },
  { startMs, quietMs }: WeekTimes,
): SimSeries {
  const episodes: SimEpisode[] = []
  let fromMs = startMs + chance.whole(10, 400) * minuteMs
  while (fromMs < quietMs - minuteMs) {
    const untilMs = Math.min(quietMs, fromMs + chance.magnitude(3 * minuteMs, 10 * minuteMs))
    const values = [{ atMs: fromMs, value: chance.whole(threshold + 1, threshold + 12) }]
    if (chance.isTrue(0.5) && untilMs - fromMs > 4 * minuteMs)
      values.push({ atMs: fromMs + 2 * minuteMs, value: chance.whole(threshold + 1, threshold + 19) })
    episodes.push({ fromMs, untilMs, values, isLast: false })
    fromMs = untilMs + (chance.isTrue(0.15) ? chance.whole(3, 15) : chance.whole(500, 2_000)) * minuteMs
  }
  if (policies.findIndex(({ pool }) => pool === policy.pool) === index) {
    const lastMs = quietMs + lastAlarmAfterMs
    episodes.push({ fromMs: lastMs, untilMs: lastMs + lastAlarmMs, values: [{ atMs: lastMs, value: 95 }], isLast: true })
  }
  return { index, policy: index, name: policy.alert, episodes }
}

/** Pods come when something is wrong and go when it is over. */
function drawLoads(
  chance: Chance,
  facts: {
    readonly pools: readonly SimPool[]
    readonly policies: readonly SimPolicy[]
    readonly series: readonly SimSeries[]
    readonly times: WeekTimes
  },
): SimLoad[] {
  const { pools, policies, series, times } = facts
  const loads: SimLoad[] = []
  for (const [pool, { inGroup, others }] of pools.entries()) {
    const full = (inGroup + others) * podsOnNode
    const calm = (): number => Math.max(0, full - chance.whole(podsOnNode, 2 * podsOnNode))
    loads.push({ atMs: times.startMs, pool, pods: calm() }, { atMs: times.quietMs, pool, pods: 1 })
    for (const { policy, episodes } of series) {
      if (policies[policy]?.pool !== pool) continue
      for (const { fromMs, untilMs, isLast } of episodes) {
        if (!isLast && chance.isTrue(0.15)) continue
        const pods = full + (isLast ? podsOnNode : chance.whole(1, 4 * podsOnNode))
        loads.push({ atMs: fromMs - chance.whole(0, isLast ? 0 : 30_000), pool, pods })
        loads.push({ atMs: untilMs + chance.whole(0, isLast ? 0 : 60_000), pool, pods: isLast ? 1 : calm() })
      }
    }
  }
  const isInTime = ({ atMs }: SimLoad): boolean => atMs <= times.quietMs || atMs >= times.quietMs + lastAlarmAfterMs
  return loads.filter(isInTime).toSorted((left, right) => left.atMs - right.atMs)
}

function drawDeeds(
  chance: Chance,
  { pools, series, times }: { readonly pools: number; readonly series: readonly SimSeries[]; readonly times: WeekTimes },
): SimAlarmDeed[] {
  const { startMs, quietMs } = times
  const episodes = series.flatMap((one) => one.episodes).filter(({ isLast }) => !isLast)
  const count = Math.round(((quietMs - startMs) / dayMs) * chance.one([0, 0.5, 1]))
  const atMs = (): number => Math.min(quietMs - 1, chance.one(episodes).fromMs + chance.whole(-2 * minuteMs, 25 * minuteMs))
  const one = (deed: AlarmDeed): SimAlarmDeed => ({
    atMs: Math.max(startMs, atMs()),
    deed,
    pool: chance.whole(0, pools - 1),
    pick: chance.whole(0, 9_999),
  })
  const deeds = Array.from({ length: count }, () =>
    one(
      chance.weighed<AlarmDeed>([
        [4, 'cordon'],
        [3, 'uncordon'],
        [2, 'touch-record'],
        [3, 'deploy'],
      ]),
    ),
  )
  const agreed = Array.from({ length: chance.whole(0, 6) }, () => one('approve'))
  return [...deeds, ...agreed].toSorted((left, right) => left.atMs - right.atMs)
}
