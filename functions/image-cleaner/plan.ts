import { digestOf } from '#shared/pure/digest.ts'
import { dayOf } from './canary.ts'
import type { ImageCleanerConfig } from './event.ts'
import type { RemoveChange } from './image-change.ts'
import { type ObservedServerPolicy, planServerPolicy } from './lifecycle.ts'
import { type ObservedCopies, planCopies } from './plan-copies.ts'
import { type ImageStep, type ObservedImages, planRepository } from './plan-repository.ts'
import type { ClusterUses, ReferenceMemory } from './reference-graph.ts'
import type { Frozen } from './references.ts'

/** What a run sees of the clusters before it looks at any repository. */
export interface ObservedClusters {
  readonly kind: 'clusters'
  readonly clusters: readonly {
    readonly id: string
    readonly images: number
    readonly pods: number
    readonly problem?: string | undefined
    /** `host/namespace/name` of images that come from elsewhere. */
    readonly elsewhere?: readonly string[] | undefined
  }[]
  /** Why nothing at all is removed, if so. */
  readonly all?: Frozen | undefined
  /** What was read, and what was remembered before, for remembering it. */
  readonly uses: readonly ClusterUses[]
  readonly before: ReferenceMemory
}

/** No repository has its turn now: the run of the day is finished, or it is not the hour. */
export interface ObservedIdle {
  readonly kind: 'idle'
  readonly code: 'done-today' | 'outside-hours'
  readonly text: string
}

export interface ObservedServerPolicies {
  readonly kind: 'server-policies'
  readonly policies: readonly ObservedServerPolicy[]
}

/** What is about to be removed from the next repository: kept before it happens, so that a run which is cut off in between is counted. */
export interface ObservedAnnouncement {
  readonly kind: 'announcement'
  /** When it was planned, epoch milliseconds. */
  readonly atMs: number
  readonly repository: string
  readonly changes: readonly RemoveChange[]
}

/** Something that stops the run, or that the configuration gets wrong, in words. */
export interface ObservedProblem {
  readonly kind: 'problem'
  readonly target: string
  readonly code: 'registry-unreadable' | 'quarantine-unreadable' | 'not-counted' | 'policy-for-nothing' | 'repository-unknown'
  readonly text: string
}

/** One part of what is observed. A run goes from part to part, so that never more than one repository is in memory. */
export type ObservedPart =
  | ObservedClusters
  | ObservedCopies
  | ObservedAnnouncement
  | ObservedImages
  | ObservedServerPolicies
  | ObservedIdle
  | ObservedProblem

/**
 * Decides about one part: per cluster whether it can be relied on, per copy whether it comes back or goes, per repository what
 * goes, per policy of the registry whether it is set. Pure; with nothing to say there are no steps.
 */
export function plan(observed: ObservedPart, config: ImageCleanerConfig, now: number): readonly ImageStep[] {
  switch (observed.kind) {
    case 'clusters':
      return planClusters(observed)
    case 'copies':
      return planCopies(observed, config, now)
    case 'repository':
      return planRepository(observed, config, now)
    case 'server-policies':
      return observed.policies
        .map((policy) => planServerPolicy(policy, dayOf(now, config.settings.timeZone)))
        .filter((step) => step !== undefined)
    case 'idle':
      return [{ ...facts('run'), reason: { code: observed.code, text: observed.text }, verdict: 'skipped' }]
    case 'announcement':
      return []
    case 'problem':
      return [{ ...facts(observed.target), reason: { code: observed.code, text: observed.text }, verdict: verdictOf[observed.code] }]
  }
}

const verdictOf = {
  'registry-unreadable': 'held',
  'quarantine-unreadable': 'held',
  'not-counted': 'held',
  'policy-for-nothing': 'invalid',
  'repository-unknown': 'invalid',
} as const satisfies Record<ObservedProblem['code'], 'held' | 'invalid'>

function planClusters({ clusters, all }: ObservedClusters): readonly ImageStep[] {
  const steps = clusters.map(({ id, images, pods, problem }): ImageStep => {
    if (problem !== undefined) {
      const text = `this cluster cannot be read, so nothing that it was ever seen to use is removed: ${problem}`
      return { ...facts(id), reason: { code: 'cluster-unreadable', text }, verdict: 'held' }
    }
    const text = `${images} images of this registry are in use, in ${pods} pods and what stands behind them`
    return { ...facts(id), reason: { code: 'references-read', text }, verdict: 'no-change' }
  })
  if (all !== undefined) steps.push({ ...facts('all repositories'), reason: all, verdict: 'held' })
  return steps
}

function facts(target: string) {
  return { key: `about:${digestOf([target])}`, target, before: '', after: '' }
}
