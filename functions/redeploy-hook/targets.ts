import { quote } from '#shared/pure/clip.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import type { RedeployConfig, Rule } from './event.ts'
import { refName, type WorkloadRef } from './workload.ts'

/** A target of a rule in one cluster. */
export interface PlacedTarget {
  readonly rule: Rule
  readonly ref: WorkloadRef
  /** Every container that runs an image of the repository when absent. */
  readonly container?: string | undefined
  /** Which wave it belongs to; 0 where the rule has no rings. */
  readonly ring: number
}

/** Why a target of a rule is in no cluster. */
export interface TargetProblem {
  readonly rule: Rule
  /** Below the rule: `targets[0].cluster`. */
  readonly path: string
  readonly code: 'cluster-unknown' | 'cluster-ambiguous' | 'ring-missing' | 'ring-twice'
  readonly text: string
}

export interface Targets {
  readonly placed: readonly PlacedTarget[]
  readonly problems: readonly TargetProblem[]
}

/** Whether a rule is about a repository. */
export function isForRepository({ repository, repositories }: Rule, name: string): boolean {
  return repository === undefined ? (repositories ?? []).some((glob) => matchesGlob(glob, name)) : repository === name
}

/**
 * Where the rules of a configuration deploy to, cluster by cluster. A target without a cluster is in every one of the rings, or in
 * every one there is. A rule that names a cluster which is none has problems, and keeps its other targets.
 */
export function targetsOf({ clusters, settings }: RedeployConfig): Targets {
  const placed: PlacedTarget[] = []
  const problems: TargetProblem[] = []
  for (const rule of settings.rules) {
    const rings = ringsOf(rule, clusters, problems)
    for (const [index, { cluster, namespace, kind, name, container }] of rule.targets.entries()) {
      const own = cluster === undefined ? [...(rule.rings.length === 0 ? clusters.map(({ id }) => id) : rings.keys())] : []
      if (cluster !== undefined) {
        const found = clusterIdOf(cluster, clusters)
        if (found.ok) own.push(found.value)
        else problems.push({ rule, path: `targets[${index}].cluster`, ...found.error })
      }
      for (const id of own) {
        const ring = rule.rings.length === 0 ? 0 : rings.get(id)
        if (ring === undefined) {
          const text = `${quote(cluster ?? id)} is in none of the rule's rings, so its turn would never come: add it to one`
          problems.push({ rule, path: `targets[${index}].cluster`, code: 'ring-missing', text })
        } else placed.push({ rule, ref: { cluster: id, namespace, kind, name }, container, ring })
      }
    }
  }
  return { placed, problems }
}

/** Which ring each cluster of a rule belongs to. */
function ringsOf(rule: Rule, clusters: RedeployConfig['clusters'], problems: TargetProblem[]): ReadonlyMap<string, number> {
  const rings = new Map<string, number>()
  for (const [index, ring] of rule.rings.entries()) {
    for (const [place, wanted] of ring.clusters.entries()) {
      const path = `rings[${index}].clusters[${place}]`
      const found = clusterIdOf(wanted, clusters)
      if (!found.ok) problems.push({ rule, path, ...found.error })
      else if (rings.has(found.value))
        problems.push({ rule, path, code: 'ring-twice', text: `${quote(wanted)} is in two rings; it can have only one turn` })
      else rings.set(found.value, index)
    }
  }
  return rings
}

/**
 * The workloads that have to be read to decide about some repositories, or about all: each once, in the order of their names. A
 * workload of a rule for a repository brings all workloads of that rule with it, because waves and holds go by all of them.
 */
export function refsOf(config: RedeployConfig, repositories: 'all' | readonly string[]): readonly WorkloadRef[] {
  const refs = new Map<string, WorkloadRef>()
  for (const { rule, ref } of targetsOf(config).placed) {
    if (repositories === 'all' || repositories.some((name) => isForRepository(rule, name))) refs.set(refName(ref), ref)
  }
  return [...refs].toSorted(([left], [right]) => compareTexts(left, right)).map(([, ref]) => ref)
}
