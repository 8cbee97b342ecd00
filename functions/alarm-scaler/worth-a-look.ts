import type { Episode } from './episode.ts'
import type { HeardAlert } from './episode-memory.ts'
import type { AlarmConfig, Policy } from './event.ts'
import { clusterOf, isFor, poolsFor } from './policy.ts'
import { breachOf, reachedStep } from './steps.ts'

/**
 * The pools that are to be looked at because of what was just heard: those of policies for alarms that have begun, or that have reached a
 * higher step. Everything else can wait for the next tick, which looks at every pool with an alarm or a lease anyway: an alarm that only
 * says again that it fires, so that a storm of messages costs no more looks than it has alarms and steps; and one that is over, for nodes
 * are not given back at once. Pure. Sorted, each once.
 */
export function poolsWorthALook(heard: readonly HeardAlert[], config: AlarmConfig): readonly string[] {
  const begun: Episode[] = []
  const pools = new Set<string>()
  for (const { came, episode, before } of heard) {
    if (episode === undefined) continue
    if (came === 'opened' || came === 'reopened') begun.push(episode)
    if (came === 'raised') for (const policy of risenFor(before, episode, config)) pools.add(policy.pool)
  }
  for (const pool of poolsFor(begun, config)) pools.add(pool)
  return [...pools].toSorted()
}

/** The policies by which an alarm has reached a higher step. One that goes by a reading of its own sees that at the next tick. */
function risenFor(before: Episode | undefined, episode: Episode, config: AlarmConfig): readonly Policy[] {
  const { pools, policies } = config.settings
  return policies.filter((policy) => {
    const pool = pools.find(({ name }) => name === policy.pool)
    const cluster = pool === undefined ? undefined : clusterOf(pool, config)
    if (policy.breach.of !== undefined || !isFor(policy, episode, cluster, config)) return false
    return stepOf(policy, episode) > (before === undefined ? -1 : stepOf(policy, before))
  })
}

/** Index of the step that an alarm has reached by the worst that it ever said; -1 below the first. */
function stepOf(policy: Policy, episode: Episode): number {
  const { peakValue = episode.value } = episode
  const worst = peakValue === undefined ? episode : { ...episode, value: peakValue }
  const breach = breachOf(policy, worst, { readings: [] })
  return breach === undefined ? -1 : (reachedStep(policy.steps, breach, 0)?.index ?? -1)
}
