import type { Chance } from '../chance.ts'
import {
  drawDeed,
  drawRule,
  drawSends,
  drawWorkloads,
  firstTag,
  type HookDeed,
  type HookScene,
  type SimHookDeed,
  type SimHookRule,
  type SimHookWorkload,
  type SimPush,
  TagNames,
} from '../redeploy/hook-scene.ts'
import type { WeekTimes } from './draw-week.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const repositories = ['team/api', 'team/web'] as const

/** Draws what is pushed in a week, and where it is to run. Many pushes come when the image-cleaner is at work, or right before a firing. */
export function drawWeekPushes(chance: Chance, times: WeekTimes): HookScene {
  const { clusters, startMs, quietMs, machineCount } = times
  const rules = repositories.map((repository, index) =>
    drawRule(chance.of(`rule ${index}`), { repository, index, clusters, isPlain: false }),
  )
  const pushes = drawPushes(chance.of('pushes'), rules, times)
  const workloads = rules.flatMap((rule, index) =>
    drawWorkloads(chance.of(`workloads ${index}`), { rule, index, pushes, startMs, clusters }).map(plainer),
  )
  const facts = { clusters, startMs, quietMs, machineCount, variant: '' }
  return {
    repositories,
    pushes,
    removals: [],
    rules,
    workloads,
    sends: drawSends(chance.of('sends'), pushes, facts),
    deeds: drawDeeds(chance.of('deeds'), { workloads, rules, pushes, times }),
    pollMs: chance.of('poll').isTrue(0.7) ? chance.of('poll').of('every').one([1, 2, 5]) * minuteMs : undefined,
    reconcileMs: chance.of('reconcile').one([6, 10, 12]) * minuteMs,
    lostNudges: chance.of('nudges').one([0, 0.1, 0.5]),
    isPlain: false,
  }
}

/** Nodes come and go here: what has to be on each of them, and what nobody makes again, are worlds of their own. */
function plainer(workload: SimHookWorkload): SimHookWorkload {
  return workload.kind === 'DaemonSet' || workload.kind === 'Job' ? { ...workload, kind: 'Deployment' } : workload
}

function drawPushes(chance: Chance, rules: readonly SimHookRule[], { startMs, quietMs, nights, firings }: WeekTimes): SimPush[] {
  const seconds = new Set<number>()
  const free = (ms: number): number => {
    let second = Math.floor(ms / 1000)
    while (seconds.has(second)) second += 1
    seconds.add(second)
    return second * 1000 + chance.whole(0, 999)
  }
  const pushes: SimPush[] = []
  for (const [index, { repository, tags }] of rules.entries()) {
    const own = chance.of(`repository ${index}`)
    const names = new TagNames()
    const past = Array.from({ length: own.whole(3, 7) }, (_, place) => startMs - (8 - place) * dayMs + own.whole(0, hourMs))
    const count = Math.max(2, Math.round(((quietMs - startMs) / dayMs) * own.one([1, 1.5, 2])))
    const coming = Array.from({ length: count }, () => drawInstant(own, { startMs, quietMs, nights, firings })).toSorted(
      (left, right) => left - right,
    )
    for (const [place, atMs] of [...past, ...coming].entries()) {
      const known = pushes.filter((push) => push.repository === repository)
      const pushed = known.map((push) => push.tag)
      const tag = place === 0 ? firstTag(tags) : names.next(own, tags, pushed)
      const again = place > 0 && own.isTrue(0.1) ? own.one(known) : undefined
      const isBad = again === undefined ? place >= past.length && own.isTrue(0.22) : again.isBad
      pushes.push({ atMs: free(atMs), repository, tag, content: again?.content ?? `${repository}#${place + 1}`, isBad })
    }
  }
  return pushes.toSorted((left, right) => left.atMs - right.atMs)
}

function drawInstant(
  chance: Chance,
  { startMs, quietMs, nights, firings }: Omit<WeekTimes, 'clusters' | 'machineCount' | 'endMs'>,
): number {
  const most = quietMs - 5_000
  const near = chance.weighed<readonly number[]>([
    [4, nights.map((night) => night + chance.whole(-6 * minuteMs, 22 * minuteMs))],
    [3, firings.map((firing) => firing - chance.whole(-30_000, 3 * minuteMs))],
    [4, []],
  ])
  const possible = near.filter((ms) => ms > startMs + 30_000 && ms < most)
  return possible.length === 0 ? chance.whole(startMs + 30_000, most) : chance.one(possible)
}

/** What people do to a workload that the cron-scaler may resize as well: its size is for those who look after that. */
const harmless: ReadonlySet<HookDeed> = new Set(['set-image', 'env', 'restart'])

function drawDeeds(
  chance: Chance,
  facts: {
    readonly workloads: readonly SimHookWorkload[]
    readonly rules: readonly SimHookRule[]
    readonly pushes: readonly SimPush[]
    readonly times: WeekTimes
  },
): SimHookDeed[] {
  const { workloads, rules, pushes, times } = facts
  const { startMs, quietMs } = times
  const coming = pushes.filter(({ atMs }) => atMs > startMs)
  const count = Math.round(((quietMs - startMs) / dayMs) * chance.one([0, 0.6, 1.5]))
  const deeds = Array.from({ length: count }, (): SimHookDeed[] => {
    const deed = drawDeed(chance)
    const near = chance.isTrue(0.6) ? chance.one(coming).atMs + chance.whole(-minuteMs, 8 * minuteMs) : chance.whole(startMs, quietMs - 1)
    return harmless.has(deed)
      ? [{ atMs: Math.min(quietMs - 1, near), deed, workload: chance.whole(0, workloads.length - 1), pick: chance.whole(0, 9_999) }]
      : []
  }).flat()
  const agreed = workloads.flatMap(({ rule, cluster: _ }, workload): SimHookDeed[] => {
    const own = rules[rule]
    if (own?.approval !== true) return []
    const each = coming
      .filter(({ repository }) => repository === own.repository && chance.isTrue(0.7))
      .map(({ atMs }): SimHookDeed => {
        const deed = chance.isTrue(0.85) ? 'approve' : 'approve-old'
        const when = Math.min(quietMs - 1, atMs + chance.magnitude(20_000, 6 * hourMs))
        return { atMs: when, deed, workload, pick: chance.whole(0, 9_999) }
      })
    const last: SimHookDeed = { atMs: quietMs + chance.whole(20_000, 120_000), deed: 'approve', workload, pick: 0 }
    return chance.isTrue(0.7) ? [...each, last] : each
  })
  return [...deeds, ...agreed].toSorted((left, right) => left.atMs - right.atMs)
}
