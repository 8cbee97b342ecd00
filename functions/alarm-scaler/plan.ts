import { compareTexts } from '#shared/pure/compare-texts.ts'
import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import { confirmed } from './confirm.ts'
import type { AlarmConfig } from './event.ts'
import type { Taken } from './gates.ts'
import { giveBack, reclaim } from './giving-back.ts'
import { askAgain, decideGrowth, type Growth } from './growth.ts'
import { isOpen, type Lease } from './lease.ts'
import { leaseStay } from './lease-step.ts'
import { type AlarmStep, stayStep } from './plan-step.ts'
import { isFor } from './policy.ts'
import { isFresh, type PoolContext, poolContext } from './pool-context.ts'
import { decideRecovery } from './recovery.ts'
import type { Suggestion } from './suggestion.ts'
import { follow, giveUp } from './tracking.ts'
import type { Observed } from './view.ts'
import { count, instant } from './words.ts'

/**
 * Decides what becomes of every pool that was looked at: how its leases go on, and whether it grows. What is there is the truth, and an
 * alarm only a reason to look: how often, how late and in what order alarms were heard makes no difference.
 *
 * A pool of which something could not be read stays as it is. With no pools there are no steps but of alarms that no policy is for, and of
 * settings that cannot work. Steps come sorted by target; within one pool in the order in which they are carried out.
 */
export function plan(observed: Observed, config: AlarmConfig, now: number): AlarmStep[] {
  return [
    ...poolSteps(observed, config, now).flatMap(({ steps }) => steps),
    ...strangers(observed, config),
    ...forsaken(observed),
    ...faults(config),
  ]
}

/** What somebody is asked to agree to, by the same decisions: for notices with links. */
export function suggestions(observed: Observed, config: AlarmConfig, now: number): readonly Suggestion[] {
  return poolSteps(observed, config, now).flatMap((growth) => growth.suggestions)
}

function poolSteps(observed: Observed, config: AlarmConfig, now: number): readonly Growth[] {
  const taken: Taken = { nodes: new Map(), cores: new Map(), spares: new Set() }
  const inOrder = observed.pools.toSorted((one, other) => compareTexts(one.cluster, other.cluster) || compareTexts(one.pool, other.pool))
  return inOrder.map((view) => planPool(poolContext(view, observed, config, now), taken))
}

function planPool(context: PoolContext, taken: Taken): Growth {
  const { view, settings, leases, target } = context
  if (view.problem !== undefined) {
    const text = `${view.problem.text}; nothing is bought and nothing is given back`
    return { steps: [stayStep(target, 'held', 'pool-unreadable', text, { before: view.problem.code })], suggestions: [] }
  }
  const open = leases.filter(isOpen)
  // The newest go first.
  const inOrder = leases.toSorted((one, other) => other.ordinal - one.ordinal)
  const steps = recoverOne(inOrder.flatMap((lease) => leaseSteps(lease, context)))
  steps.push(...orphans(context))
  if (settings === undefined && open.length > 0) {
    const text = `the settings know no pool ${view.pool} in ${view.cluster}, and it has ${count(open.length, 'open lease')}: they end, and it does not grow`
    steps.push(stayStep(target, 'held', 'pool-unknown', text))
  }
  const growth = settings === undefined ? { steps: [], suggestions: [] } : decideGrowth(context, taken)
  return { steps: [...steps, ...growth.steps], suggestions: growth.suggestions }
}

/** Of several leases that could begin to go in the same look only the newest does. */
function recoverOne(steps: readonly AlarmStep[]): AlarmStep[] {
  const begins = (step: AlarmStep): boolean =>
    step.verdict === 'change' && step.change.kind === 'recover' && step.change.why !== 'compensate'
  const first = steps.find(begins)
  return steps.filter((step) => !begins(step) || step === first)
}

function leaseSteps(lease: Lease, context: PoolContext): readonly AlarmStep[] {
  if (!isOpen(lease)) {
    const step = reclaim(lease, context)
    return step === undefined ? [] : [step]
  }
  const followed = follow(lease, context)
  if (lease.state === 'asking' && followed?.every(({ verdict }) => verdict !== 'change') === true) return goOnAsking(lease, context)
  if (followed !== undefined) return followed
  return lease.state === 'recovering' ? giveBack(lease, context) : [decideRecovery(lease, context)]
}

/** For so long the same is asked for again when nobody knows whether it was. */
const askingMs = 5 * 60_000
/** So long after a call nobody is at it any more: a claim lasts for two minutes, and its owner is waited for for another one. */
const underWayMs = 4 * 60_000

/**
 * What was written down and perhaps never asked for is asked for, as long as its policy would still ask: what has become of the alarm since
 * counts, for it is paid for only now. Else it is given up as soon as nobody can be at it any more, so that other alarms have their turn.
 */
function goOnAsking(lease: Lease, context: PoolContext): readonly AlarmStep[] {
  const { claims, now, view } = context
  const isWanted =
    now - lease.askedAtMs < askingMs &&
    claims.some(
      (claim) =>
        claim.policy.name === lease.policy &&
        claim.policy.mode !== 'observe' &&
        claim.episode.id === lease.episode.id &&
        isFresh(claim, now) &&
        confirmed(claim.policy, view, context.capacity(claim.policy).inService).is === 'true',
    )
  if (isWanted) return [askAgain(context, lease)]
  const untilMs = (lease.triedAtMs ?? lease.askedAtMs) + underWayMs
  if (now >= untilMs) return giveUp(lease, context)
  const text = `whether ${count(lease.wanted, 'node')} were asked for is not known, and they are not asked for again: it ends at ${instant(untilMs)}, when nobody can be at it any more`
  return [leaseStay(context, lease, 'no-change', { code: 'being-asked', text })]
}

function orphans({ arrivals, target }: PoolContext): readonly AlarmStep[] {
  const byLease = Map.groupBy(arrivals.orphans, ({ leaseId = '' }) => leaseId)
  return [...byLease].map(([leaseId, nodes]) => {
    const names = nodes.map(({ instanceId }) => instanceId).join(', ')
    const text = `${names} carry the label of the lease ${leaseId}, of which no record knows, or which cannot have asked for them: nobody takes them away; see to it, or take the label off`
    return stayStep(`${target}/${leaseId}`, 'held', 'lease-unknown', text)
  })
}

/** Alarms that fire and that no policy is for. */
function strangers({ episodes }: Observed, config: AlarmConfig): readonly AlarmStep[] {
  const { policies, pools } = config.settings
  return episodes.flatMap((episode) => {
    if (episode.state !== 'firing') return []
    const isKnown = policies.some((policy) => {
      const pool = pools.find(({ name }) => name === policy.pool)
      const cluster = pool === undefined ? undefined : clusterIdOf(pool.cluster, config.clusters)
      return isFor(policy, episode, cluster?.ok === true ? cluster.value : undefined, config)
    })
    if (isKnown) return []
    const text = `no policy is for the alarm ${episode.name} of ${episode.source}`
    return [stayStep(`alarm ${episode.source}/${episode.name}`, 'skipped', 'no-policy', text, { before: episode.name, about: episode.id })]
  })
}

/** Clusters with open leases that are not looked at: told at every look at everything, for their nodes cost money until somebody sees to it. */
function forsaken({ forsaken: clusters = [] }: Observed): readonly AlarmStep[] {
  return clusters.map(({ cluster, pools, seenAtMs }) => {
    const text = `${cluster} is not among the clusters of the configuration any more, and had open leases of ${pools.join(', ')} at ${instant(seenAtMs)}: nobody gives their nodes back. Put it back until they have ended, or release them there with \`longshore leases release\` before you take it out`
    return stayStep(cluster, 'held', 'cluster-gone', text)
  })
}

/** Settings that cannot work: told at every look, for nothing else says why nothing happens. */
function faults(config: AlarmConfig): readonly AlarmStep[] {
  const { pools, policies } = config.settings
  const homeless = pools.flatMap((pool) => {
    const found = clusterIdOf(pool.cluster, config.clusters)
    return found.ok ? [] : [stayStep(`pool ${pool.name}`, 'invalid', found.error.code, `its cluster ${found.error.text}`)]
  })
  const poolless = policies.flatMap((policy) =>
    pools.some(({ name }) => name === policy.pool)
      ? []
      : [stayStep(`policy ${policy.name}`, 'invalid', 'pool-unknown', `there is no pool ${policy.pool} among the settings`)],
  )
  return [...homeless, ...poolless]
}
