import { quote } from '#shared/pure/clip.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import { nearest } from '#shared/pure/nearest.ts'
import type { AlarmConfig, Policy } from './event.ts'
import { clusterOf, mechanismName, membersOf } from './policy.ts'

export interface ConfigProblem {
  /** Below `functions.alarm-scaler`. */
  readonly path: string
  readonly text: string
}

/**
 * What the settings get wrong that their schema cannot see: what names nothing that there is, what can never do anything, and what would
 * make two decide about the same machines. Empty when all can work.
 */
export function configProblems(config: AlarmConfig): readonly ConfigProblem[] {
  const { pools, policies } = config.settings
  const found: ConfigProblem[] = []
  if (pools.length > 0 && config.clusters.length === 0) {
    found.push({ path: 'pools', text: 'no cluster is configured, so no pool can be looked at: name them under `clusters`' })
    return found
  }
  for (const [index, pool] of pools.entries()) {
    const cluster = clusterIdOf(pool.cluster, config.clusters)
    if (!cluster.ok) found.push({ path: `pools[${index}].cluster`, text: `${pool.name}: ${cluster.error.text}` })
    if (pool.min > pool.max)
      found.push({ path: `pools[${index}].min`, text: `${pool.name}: ${pool.min} is more than its max, ${pool.max}` })
  }
  for (const [index, policy] of policies.entries()) {
    const path = `policies[${index}]`
    found.push(...policyProblems(policy, config).map((one) => ({ path: `${path}.${one.path}`, text: `${policy.name}: ${one.text}` })))
  }
  return [...found, ...shared(config), ...sameNames(config)]
}

const minuteMs = 60_000

function policyProblems(policy: Policy, { settings }: AlarmConfig): readonly ConfigProblem[] {
  const { pools, sources, approval } = settings
  const found: ConfigProblem[] = []
  if (!pools.some(({ name }) => name === policy.pool)) {
    const names = pools.map(({ name }) => name)
    const near = nearest(policy.pool, names)
    const advice = near === undefined ? 'define it there' : `did you mean ${quote(near)}?`
    found.push({ path: 'pool', text: `${quote(policy.pool)} is none of the pools: ${advice}` })
  }
  const { source } = policy.match
  const names = Object.keys(sources)
  if (source !== undefined && !names.some((name) => matchesGlob(source, name))) {
    found.push({ path: 'match.source', text: `no source has a name like ${quote(source.pattern)}, so no alarm ever fits` })
  }
  if (policy.mode === 'suggest' && approval === undefined) {
    const text = 'it suggests, and nobody could agree: give `approval`, or say mode: observe or mode: enforce'
    found.push({ path: 'mode', text })
  }
  const readings = policy.confirm.flatMap(({ prometheus }) => (prometheus?.name === undefined ? [] : [prometheus.name]))
  const { of } = policy.breach
  if (of !== undefined && !readings.includes(of)) {
    found.push({ path: 'breach.of', text: `${quote(of)} is the name of none of its prometheus confirmations` })
  }
  if (new Set(readings).size < readings.length) found.push({ path: 'confirm', text: 'two prometheus confirmations have the same name' })
  const lengths = [
    { path: 'freshFor', ms: policy.freshFor, leastMs: minuteMs, what: 'an alarm would be forgotten before anybody has looked' },
    { path: 'provision', ms: policy.provision, leastMs: minuteMs, what: 'no machine starts as fast, and all would be given back' },
    { path: 'lease', ms: policy.lease, leastMs: policy.provision + minuteMs, what: 'it would be over before its nodes are there' },
    { path: 'recovery.drainDeadline', ms: policy.recovery.drainDeadline, leastMs: minuteMs, what: 'no node would ever be empty in time' },
  ]
  for (const { path, ms, leastMs, what } of lengths) {
    if (ms >= leastMs) continue
    found.push({ path, text: `${formatDuration(ms)} is too short: ${what}; give it at least ${formatDuration(leastMs)}` })
  }
  return found
}

/** Groups and pools of virtual nodes that two pools would grow: each would take the other's nodes for somebody else's. */
function shared(config: AlarmConfig): readonly ConfigProblem[] {
  const { settings } = config
  const owners = new Map<string, string>()
  return settings.pools.flatMap((pool, index) => {
    const { groups, virtualPools } = membersOf(pool, settings)
    return [...groups, ...virtualPools].flatMap((id) => {
      const place = `${clusterOf(pool, config) ?? pool.cluster}/${id}`
      const owner = owners.get(place)
      owners.set(place, owner ?? pool.name)
      if (owner === undefined) return []
      return [
        { path: `pools[${index}]`, text: `${pool.name}: ${id} belongs to the pool ${owner} already: each machine can be of one pool only` },
      ]
    })
  })
}

/** Mechanisms of one pool that go by the same name and are not the same: one would wait because the other has nothing. */
function sameNames({ settings }: AlarmConfig): readonly ConfigProblem[] {
  const known = new Map<string, string>()
  return settings.policies.flatMap(({ name: policy, pool, mechanisms }, index) =>
    mechanisms.flatMap((mechanism, place) => {
      const name = mechanismName(mechanism)
      const content = JSON.stringify(mechanism)
      const key = `${pool}/${name}`
      const other = known.get(key)
      known.set(key, other ?? content)
      if (other === undefined || other === content) return []
      return [
        {
          path: `policies[${index}].mechanisms[${place}]`,
          text: `${policy}: another mechanism of the pool ${pool} is called ${quote(name)} too, and is not the same; give each a name of its own`,
        },
      ]
    }),
  )
}
