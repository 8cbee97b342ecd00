import { formatInstant } from '#shared/pure/civil.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { Settings } from './event.ts'
import type { Frozen, ImageReference } from './references.ts'

/** What was remembered of a cluster when it was last read whole. */
export interface ClusterMemory {
  readonly id: string
  /** When that was, epoch milliseconds. */
  readonly readMs: number
  /** Distinct images of this registry that it used. */
  readonly images: number
  readonly pods: number
  /** Every repository that it was ever seen to use. */
  readonly repositories: readonly string[]
}

/** What was seen of clusters in earlier runs. */
export interface ReferenceMemory {
  readonly clusters: readonly ClusterMemory[]
  readonly references: readonly ImageReference[]
}

/** What a cluster uses now, as far as it could be read. */
export type ClusterUses =
  | { readonly id: string; readonly problem?: undefined; readonly references: readonly ImageReference[]; readonly pods: number }
  | { readonly id: string; readonly problem: string; readonly seen?: readonly ImageReference[] | undefined }

export interface GraphFacts {
  readonly clusters: readonly ClusterUses[]
  readonly memories: readonly ClusterMemory[]
  /** What was seen in earlier runs, of all clusters, those that are no longer configured among them. */
  readonly remembered: readonly ImageReference[]
  readonly settings: Settings
  readonly now: number
}

/** Everything that is known to ask for images, by repository, and where that knowledge ends. */
export interface ReferenceGraph {
  readonly byRepository: ReadonlyMap<string, readonly ImageReference[]>
  /** Why nothing at all is removed, if so. */
  readonly all?: Frozen | undefined
  /** Why nothing of a repository is removed. */
  readonly repositories: ReadonlyMap<string, Frozen>
}

const noReferences: readonly ImageReference[] = []

export function referencesTo(graph: ReferenceGraph, repository: string): readonly ImageReference[] {
  return graph.byRepository.get(repository) ?? noReferences
}

export function frozenIn(graph: ReferenceGraph, repository: string): Frozen | undefined {
  return graph.all ?? graph.repositories.get(repository)
}

/**
 * Puts together what all clusters ask for, what they asked for lately, and what may not be touched because a cluster could not be
 * read: every repository that such a cluster was ever seen to use, now among them, and, where it was never seen whole, everything.
 *
 * It also looks whether the answers are to be believed. A cluster that uses far fewer images than the last time, one that had pods
 * and shows none, pods of which none uses the registry, and a clock that has been set back, or forward by more than uses are
 * remembered, stop all removing: a fault looks just like that. A real change of that size passes once it has been seen twice.
 */
export function referenceGraph(facts: GraphFacts): ReferenceGraph {
  const { clusters, memories, remembered, settings, now } = facts
  const byRepository = new Map<string, ImageReference[]>()
  const add = (reference: ImageReference): void => {
    const own = byRepository.get(reference.repository)
    if (own === undefined) byRepository.set(reference.repository, [reference])
    else own.push(reference)
  }
  for (const cluster of clusters) if (cluster.problem === undefined) for (const reference of cluster.references) add(reference)
  for (const reference of remembered) if (now - reference.seenMs <= settings.referenceMemory) add(reference)

  const repositories = new Map<string, Frozen>()
  let all = whyDoubted(facts)
  const known = new Map(memories.map((memory) => [memory.id, memory]))
  for (const cluster of clusters) {
    if (cluster.problem === undefined) continue
    const { id, problem, seen = [] } = cluster
    const memory = known.get(id)
    const why = `the cluster ${id} cannot be read (${problem})`
    for (const reference of seen) {
      add(reference)
      repositories.set(reference.repository, {
        code: 'cluster-unreadable',
        text: `${why}, and what could be read of it uses this repository`,
      })
    }
    if (memory === undefined) {
      all ??= { code: 'cluster-unreadable', text: `${why} and never was, so it could use any image; nothing is removed` }
    } else {
      const seen = formatInstant(memory.readMs, settings.timeZone)
      const text = `${why}, and it has used this repository before (last read at ${seen})`
      for (const repository of memory.repositories)
        if (!repositories.has(repository)) repositories.set(repository, { code: 'cluster-unreadable', text })
    }
  }
  all ??= whyUnused(facts)
  if (clusters.length === 0) {
    all ??= { code: 'references-incomplete', text: 'no cluster is configured, so nobody knows what is in use: name them under `clusters`' }
  }
  return { byRepository, ...(all === undefined ? {} : { all }), repositories }
}

/** Whoever runs it once a week does so as it should be. */
const seldomMs = 8 * 24 * 3_600_000

function whyDoubted({ clusters, memories, settings, now }: GraphFacts): Frozen | undefined {
  const { shrinkPercent, shrinkAtLeast, clockJump } = settings.breaker
  for (const memory of memories) {
    if (memory.readMs - now > clockJump) {
      const text = `the last run was ${formatDuration(memory.readMs - now)} in the future, so the clock was wrong then or is now; nothing is removed`
      return { code: 'breaker', text }
    }
    const cluster = clusters.find(({ id }) => id === memory.id)
    if (cluster === undefined || cluster.problem !== undefined) continue
    if (now - memory.readMs > Math.max(settings.referenceMemory, seldomMs)) {
      const text = `the cluster ${memory.id} was last read ${formatDuration(now - memory.readMs)} ago, so that nobody knows what was in use lately, or the clock is wrong; nothing is removed until the next run`
      return { code: 'breaker', text }
    }
    if (cluster.pods === 0 && memory.pods > 0) {
      const text = `the cluster ${memory.id} shows no pod at all and had ${memory.pods} the last time; nothing is removed until it is seen like this twice`
      return { code: 'breaker', text }
    }
    const images = countImages(cluster.references)
    if (memory.images < shrinkAtLeast || images >= memory.images * (1 - shrinkPercent / 100)) continue
    const share = Math.round((1 - images / memory.images) * 100)
    const text = `the cluster ${memory.id} uses ${images} images and used ${memory.images} the last time (${share} % fewer, more than ${shrinkPercent} %); nothing is removed until it is seen like this twice`
    return { code: 'breaker', text }
  }
  return undefined
}

/** A registry of which nobody uses anything is seldom that: clusters rather pull from it by another name than the configured ones. */
function whyUnused({ clusters, settings }: GraphFacts): Frozen | undefined {
  const { hosts, breaker } = settings
  if (breaker.allowUnused) return undefined
  let pods = 0
  for (const cluster of clusters) {
    if (cluster.problem !== undefined || cluster.references.length > 0) return undefined
    pods += cluster.pods
  }
  if (pods === 0) return undefined
  const text = `there ${pods === 1 ? 'is 1 pod' : `are ${pods} pods`}, and nothing in any cluster uses an image of ${hosts.join(' or ')}, so nothing is removed: give the names by which clusters pull from this registry under \`hosts\`, or set breaker.allowUnused if nobody does`
  return { code: 'breaker', text }
}

/** Distinct images, however many places use them. */
export function countImages(references: readonly ImageReference[]): number {
  return new Set(references.map(({ repository, tag, digest }) => JSON.stringify([repository, tag, digest]))).size
}

/** What to remember of a cluster after it was read whole. */
export function clusterMemory(cluster: ClusterUses, before: ClusterMemory | undefined, now: number): ClusterMemory | undefined {
  if (cluster.problem !== undefined) return before
  const repositories = new Set([...(before?.repositories ?? []), ...cluster.references.map(({ repository }) => repository)])
  return {
    id: cluster.id,
    readMs: now,
    images: countImages(cluster.references),
    pods: cluster.pods,
    repositories: [...repositories].toSorted(),
  }
}
