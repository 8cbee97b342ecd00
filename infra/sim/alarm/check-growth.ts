import type { Violation } from '../check/facts.ts'
import { short } from '../history.ts'
import { problem } from '../redeploy/hook-facts.ts'
import type { AlarmFacts, AlarmStep, Heard } from './alarm-facts.ts'
import { requestsAbove, type SimPolicy } from './alarm-policies.ts'
import { nodeCores, threshold } from './alarm-scene.ts'
import { figureAt } from './alarm-simulation.ts'

const minuteMs = 60_000

/** Whether each growth was asked for by somebody, was needed, and was within every limit. */
export function checkGrowth(facts: AlarmFacts): Violation[] {
  return [
    ...facts.grown.flatMap((step) => [
      ...unasked(facts, step),
      ...unconfirmed(facts, step),
      ...tooMany(facts, step),
      ...overLimit(facts, step),
      ...notAllowed(facts, step),
      ...unleased(facts, step),
    ]),
    ...overCaps(facts),
    ...boughtTwice(facts),
  ]
}

export function about({ effect, alarm }: AlarmStep): readonly string[] {
  return [short(effect.key), alarm.lease === '' ? effect.target : alarm.lease]
}

export function nameOf({ effect, alarm }: AlarmStep): string {
  return `${alarm.kind} @${effect.wireId} [${short(effect.key)}] of ${effect.owner} on ${effect.target} (${alarm.change} of ${alarm.lease}, ${alarm.nodes} nodes)`
}

/** Nodes come only for an alarm that somebody said fires, that nobody is known to have said is over, and that was heard lately. */
function unasked(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const found = facts.episodeOf(step)
  const policy = facts.policyOf(step)
  const wrong = (text: string, of: string = ''): Violation[] => [
    problem('alarm-unasked', `${nameOf(step)} ${text}`, [...about(step), ...(of === '' ? [] : [of])]),
  ]
  if (found === undefined || policy === undefined) return wrong(`is for an alarm that never was: ${JSON.stringify(step.alarm.episode)}`)
  const { series, index } = found
  const place = step.run?.place ?? step.place
  const own = facts.heard.filter(({ content }) => content.series === series.index)
  const mark = `content ${series.index}/${index}/`
  // What fires after nobody knew for a while is the same alarm still, as far as anybody can tell.
  const isGapped = own.some(({ content, takenPlace }) => content.state === 'no-data' && takenPlace < place)
  const firing = own.filter(
    ({ content, takenPlace }) =>
      (isGapped ? content.episode >= index : content.episode === index) && content.state === 'firing' && takenPlace < place,
  )
  if (firing.length === 0) return wrong('is for an alarm of which nobody had said that it fires', mark)
  const over = own.find(
    ({ content, donePlace }) =>
      !isGapped &&
      donePlace < place &&
      ((content.episode === index && content.state === 'resolved') || (content.episode > index && content.state !== 'no-data')),
  )
  if (over !== undefined)
    return wrong(`is for an alarm that was known to be over (${over.content.state} of episode ${over.content.episode})`, mark)
  // Who says it later than the run began has said it too late for it.
  const lastMs = Math.max(...firing.map(({ lastTakenMs }) => lastTakenMs))
  const ageMs = step.beganMs - lastMs
  const slackMs = facts.simulated.scenario.clocksApartMs + 1_000
  if (ageMs > policy.freshForMs + slackMs)
    return wrong(`is for an alarm that was heard ${ageMs} ms ago, and counts for ${policy.freshForMs}`, mark)
  return []
}

/** What its policy wants to be read again was so at some instant of its run. */
function unconfirmed(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const policy = facts.policyOf(step)
  if (policy === undefined) return []
  const isSo = isConfirmed(facts, step, policy)
  return isSo
    ? []
    : [
        problem('alarm-unconfirmed', `${nameOf(step)} though ${policy.confirm} of ${policy.name} did not confirm it`, [
          ...about(step),
          'LOAD ',
        ]),
      ]
}

function isConfirmed(facts: AlarmFacts, step: AlarmStep, policy: SimPolicy): boolean {
  const { alarm, beganMs, plannedMs } = step
  switch (policy.confirm) {
    case 'prometheus': {
      const index = facts.scene.policies.indexOf(policy)
      const skewMs = facts.simulated.scenario.clocksApartMs
      return [beganMs, plannedMs, beganMs - skewMs].some((ms) => figureAt(facts.scene, index, ms) > threshold)
    }
    case 'pendingPods':
      return facts.world.watch.wasPending(alarm.pool, beganMs, plannedMs)
    case 'requests':
      // Pods that wait on nodes that are there ask for no less than those that run.
      return facts.world.watch.mostRequested(alarm.pool, beganMs, plannedMs) > requestsAbove
  }
}

/** What is on its way never is more than what the worst of the alarms of its pool wants. */
function tooMany(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const { alarm, at, place } = step
  const own = facts.grownBefore(alarm.pool, place - 1)
  const coming = own.reduce((sum, one) => sum + comingOf(facts, one, step), 0)
  const most = Math.max(0, ...facts.heard.map((heard) => levelOf(facts, heard, step)))
  const extra = vanishedSince(facts, step)
  if (coming + alarm.nodes <= most + extra) return []
  const text = `${nameOf(step)} makes ${coming + alarm.nodes} nodes that are on their way or warm up at ${new Date(at).toISOString()}; the worst alarm wants ${most}`
  return [problem('alarm-too-many', text, about(step))]
}

/** Of an earlier growth: nodes that have not come, or are not in service yet. */
function comingOf(facts: AlarmFacts, earlier: AlarmStep, { alarm, at }: AlarmStep): number {
  const policy = facts.policyOf(earlier)
  const lease = facts.leaseAt(earlier.alarm.lease)
  if (policy === undefined || lease.endedMs <= at || lease.goingMs <= at) return 0
  // By then nobody waits for them any more.
  if (at - earlier.at >= policy.provisionMs - facts.simulated.scenario.clocksApartMs - minuteMs) return 0
  const arrived = facts.world.watch.arrivedOf(earlier.alarm.lease, at)
  const warming = alarm.members.filter(
    ({ id, readyMs, isFailed }) =>
      arrived.includes(id) && !isFailed && (readyMs === undefined || readyMs > at - Math.max(0, policy.warmUpMs - 2 * minuteMs)),
  ).length
  return Math.max(0, earlier.alarm.nodes - arrived.length) + warming
}

/** How many nodes beyond those in service the worst of what was ever said of an alarm wants. */
function levelOf(facts: AlarmFacts, { content, takenPlace }: Heard, step: AlarmStep): number {
  const series = facts.scene.series[content.series]
  const policy = facts.scene.policies[series?.policy ?? -1]
  if (policy === undefined || policy.pool !== step.alarm.pool || content.state === 'resolved' || takenPlace > step.place) return 0
  const breach = policy.confirm === 'prometheus' ? Math.max(content.value - threshold, 0) : content.value - threshold
  const reached = policy.steps.findLast(({ from }) => from <= breach) ?? policy.steps[0]
  if (reached === undefined) return 0
  return reached.add ?? Math.max(1, Math.ceil((step.alarm.members.length * (reached.addPercent ?? 0)) / 100))
}

/**
 * Nodes that somebody took away since its run looked are bought again where a floor is set. So are those of an earlier lease of the group
 * that came and went before anybody has seen them: as far as anybody knows it still waits for them.
 */
function vanishedSince(facts: AlarmFacts, { alarm, run, place, at: ms }: AlarmStep): number {
  const name = facts.scene.pools[alarm.pool]?.name
  const waiting = facts.grown.filter(
    (one) => alarm.mechanism === 'scaling-group' && isBefore(one, alarm, place) && facts.leaseAt(one.alarm.lease).endedMs > ms,
  )
  const since = Math.min(run?.place ?? 0, ...waiting.map((one) => one.place))
  return facts.alarmDeeds.filter(
    ([at, deed]) => deed.pool === name && at > since && at < place && ['delete-node', 'group-size', 'bounds'].includes(deed.deed),
  ).length
}

function isBefore({ alarm, place }: AlarmStep, { pool, lease }: AlarmStep['alarm'], until: number): boolean {
  return alarm.mechanism === 'scaling-group' && alarm.pool === pool && alarm.lease !== lease && place < until
}

/** Nodes that were there, or on their way, when its run began. */
function thereAt(step: AlarmStep, which: 'members' | 'workers'): number {
  return step.alarm[which].filter(({ addedMs }) => addedMs <= step.beganMs).length
}

/** The most that the pool may have, the quota with its reserve, and the licence. */
function overLimit(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const { alarm } = step
  const pool = facts.scene.pools[alarm.pool]
  const policy = facts.policyOf(step)
  if (pool === undefined || policy === undefined) return []
  const { maxNodes, entitledCores, isMetered } = facts.scene.platform
  const extra = vanishedSince(facts, step)
  const found: Violation[] = []
  const members = thereAt(step, 'members') + alarm.nodes
  if (members > pool.max + extra) {
    found.push(problem('alarm-max', `${nameOf(step)} makes ${members} nodes of ${pool.name}, which may have ${pool.max}`, about(step)))
  }
  const workers = thereAt(step, 'workers') + alarm.nodes
  if (alarm.mechanism !== 'virtual-nodes' && workers > maxNodes - policy.quotaReserve + extra) {
    const text = `${nameOf(step)} makes ${workers} workers of ${pool.cluster}, which may have ${maxNodes}, ${policy.quotaReserve} of them for others`
    found.push(problem('alarm-quota', text, about(step)))
  }
  const cores = nodeCores * (facts.initialWorkers(pool.cluster) + boughtSoFar(facts, step))
  if (
    policy.guardsLicence &&
    alarm.mechanism !== 'virtual-nodes' &&
    (!isMetered || (entitledCores !== undefined && cores > entitledCores))
  ) {
    const limit = isMetered ? `${entitledCores} are licensed` : 'nobody knows how many are licensed'
    found.push(
      problem(
        'alarm-licence',
        `${nameOf(step)} makes ${cores} cores asked for in the region of ${pool.cluster}, and ${limit}`,
        about(step),
      ),
    )
  }
  return found
}

/** Nodes bought in the same region that are still there, and this growth. */
function boughtSoFar(facts: AlarmFacts, { alarm, place }: AlarmStep): number {
  const cluster = facts.scene.pools[alarm.pool]?.cluster
  return facts.scene.pools
    .flatMap((_, pool) => facts.grownBefore(pool, place))
    .filter(
      (one) =>
        facts.scene.pools[one.alarm.pool]?.cluster === cluster &&
        one.alarm.mechanism !== 'virtual-nodes' &&
        (one.place === place || facts.leaseAt(one.alarm.lease).endedMs === Number.POSITIVE_INFINITY),
    )
    .reduce((sum, one) => sum + one.alarm.nodes, 0)
}

/** Only a policy that acts adds nodes, one that asks only when somebody has agreed, and none to a group that is the autoscaler's. */
function notAllowed(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const { alarm, place } = step
  const policy = facts.policyOf(step)
  const pool = facts.scene.pools[alarm.pool]
  if (policy === undefined || pool === undefined) return []
  const found: Violation[] = []
  const hasAgreed = facts.alarmDeeds.some(([at, deed]) => deed.deed === 'approve' && deed.pool === pool.name && at < place)
  if (policy.mode === 'observe' || (policy.mode === 'suggest' && !hasAgreed)) {
    found.push(problem('alarm-mode', `${nameOf(step)} though ${policy.name} is to ${policy.mode}, and nobody has agreed`, about(step)))
  }
  if (alarm.mechanism === 'scaling-group' && alarm.isAutoscaled && !policy.sharesGroup && facts.autoscalerWasSeen(step)) {
    found.push(problem('alarm-autoscaled', `${nameOf(step)} though the cluster autoscaler looks after ${pool.group}`, about(step)))
  }
  return found
}

/** The lease is on record before anything is asked for. A record that somebody takes away after the run has begun was there when it read it. */
function unleased(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const { alarm, run, place } = step
  if (alarm.recorded !== '') return []
  const name = facts.scene.pools[alarm.pool]?.name
  const isTaken = facts.alarmDeeds.some(
    ([at, deed]) => deed.pool === name && deed.deed === 'forget-record' && at > (run?.place ?? 0) && at < place,
  )
  if (isTaken) return []
  return [problem('alarm-unleased', `${nameOf(step)} while the record of its pool had no such lease`, about(step))]
}

/** Caps for one alarm, within an hour and within a day: what was really added. */
function overCaps(facts: AlarmFacts): Violation[] {
  return facts.grown.flatMap((step) => {
    const policy = facts.policyOf(step)
    if (policy === undefined) return []
    const before = facts.grownBefore(step.alarm.pool, step.place)
    // What a group was asked for and never gave counts for nothing once its lease has ended.
    const given = (one: AlarmStep): number =>
      one.place < step.place && one.alarm.ids.length === 0 && facts.leaseAt(one.alarm.lease).endedMs <= step.at
        ? facts.world.watch.arrivedOf(one.alarm.lease, step.at).length
        : one.alarm.nodes
    const sum = (own: readonly AlarmStep[]): number => own.reduce((total, one) => total + given(one), 0)
    const episode = facts.episodeOf(step)?.episode
    const extra = vanishedSince(facts, step)
    const counts = [
      {
        name: 'event',
        count: sum(before.filter((one) => facts.episodeOf(one)?.episode === episode && one.alarm.policy === policy.name)),
        limit: policy.caps.event,
      },
      {
        name: 'hour',
        count: sum(before.filter((one) => step.at - one.at < 60 * minuteMs - facts.simulated.scenario.clocksApartMs)),
        limit: policy.caps.hour,
      },
      {
        name: 'day',
        count: sum(before.filter((one) => step.at - one.at < 24 * 60 * minuteMs - facts.simulated.scenario.clocksApartMs)),
        limit: policy.caps.day,
      },
    ]
    return counts.flatMap(({ name, count, limit }) => {
      if (count <= limit + extra) return []
      return [
        problem('alarm-cap', `${nameOf(step)} makes ${count} nodes for the cap of ${limit} per ${name} of ${policy.name}`, [
          ...about(step),
          'EFFECT grow',
        ]),
      ]
    })
  })
}

/** Under one lease no more comes than it asks for, however often it is asked. */
function boughtTwice(facts: AlarmFacts): Violation[] {
  const found: Violation[] = []
  for (const [lease, own] of Map.groupBy(facts.grown, ({ alarm }) => alarm.lease)) {
    const sum = own.reduce((total, { alarm }) => total + alarm.nodes, 0)
    const [first] = own
    const wanted = first?.alarm.wanted ?? 0
    if (first === undefined || sum <= wanted + own.reduce((total, step) => total + vanishedSince(facts, step), 0)) continue
    found.push(
      problem(
        'alarm-twice',
        `the lease ${lease} wanted ${wanted} nodes and was given ${sum}, by ${own.map(({ effect }) => `@${effect.wireId}`).join(', ')}`,
        [lease, ...about(first)],
      ),
    )
  }
  return found
}
