import { quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'

export const targetKinds = ['Deployment', 'StatefulSet', 'HorizontalPodAutoscaler'] as const

export type TargetKind = (typeof targetKinds)[number]

/** What a rule changes, in the one spelling that everything here uses. */
export interface Target {
  readonly kind: TargetKind
  readonly namespace: string
  readonly name: string
}

/** A target as somebody wrote it. */
export interface TargetDraft {
  readonly apiVersion?: string | null | undefined
  readonly kind?: string | null | undefined
  readonly namespace?: string | null | undefined
  readonly name?: string | null | undefined
}

/** What is wrong with a target, and in which of its fields. */
export interface TargetProblem {
  readonly field: 'kind' | 'apiVersion' | 'name' | 'namespace'
  readonly text: string
}

/** A size to be reached: the replicas of a workload, or the bounds of an autoscaler. */
export type Size =
  | { readonly kind: 'replicas'; readonly replicas: number }
  | { readonly kind: 'bounds'; readonly min: number; readonly max: number }

/** The largest number that Kubernetes holds in these fields. */
export const largestSize = 2_147_483_647

/** The versions that have served each kind. All of one kind are views of the same object, so any may be written. */
const versions: Readonly<Record<TargetKind, readonly string[]>> = {
  Deployment: ['apps/v1', 'apps/v1beta2', 'apps/v1beta1', 'extensions/v1beta1'],
  StatefulSet: ['apps/v1', 'apps/v1beta2', 'apps/v1beta1'],
  HorizontalPodAutoscaler: ['autoscaling/v1', 'autoscaling/v2', 'autoscaling/v2beta2', 'autoscaling/v2beta1'],
}

const resources: Readonly<Record<TargetKind, { readonly group: string; readonly version: string; readonly resource: string }>> = {
  Deployment: { group: 'apps', version: 'v1', resource: 'deployments' },
  StatefulSet: { group: 'apps', version: 'v1', resource: 'statefulsets' },
  HorizontalPodAutoscaler: { group: 'autoscaling', version: 'v1', resource: 'horizontalpodautoscalers' },
}

/**
 * Where the API serves a kind. Every cluster from Kubernetes 1.9 on serves these versions, and `autoscaling/v1` holds both
 * bounds, so nothing has to be discovered.
 */
export function resourceOf(kind: TargetKind): { readonly group: string; readonly version: string; readonly resource: string } {
  return resources[kind]
}

/**
 * Reads a target. The kind is compared without case (the manual itself writes `Statefulset`), the apiVersion exactly: a
 * `StatefulSet` of another group is another thing and is refused, never taken for the built-in one. Without apiVersion the
 * built-in kind is meant, without namespace the one given. The error is a sentence that says what to write.
 */
export function readTarget(draft: TargetDraft, defaultNamespace: string): Result<Target, TargetProblem> {
  const wanted = draft.kind ?? ''
  if (wanted === '') return failure({ field: 'kind', text: `the target has no kind: write one of ${targetKinds.join(', ')}` })
  const kind = kindOf(wanted)
  if (kind === undefined) {
    const text = `the target's kind ${quote(wanted)} cannot be scaled by schedule: write one of ${targetKinds.join(', ')}`
    return failure({ field: 'kind', text })
  }
  const apiVersion = draft.apiVersion ?? ''
  if (apiVersion !== '' && !versions[kind].includes(apiVersion)) {
    const text = `the target's apiVersion ${quote(apiVersion)} is none of ${kind}: write ${versions[kind][0]}`
    return failure({ field: 'apiVersion', text })
  }
  const name = draft.name ?? ''
  // Anything else could not name an object; and it becomes part of a path.
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) {
    return failure({ field: 'name', text: `the target's name ${quote(name)} is no name of a Kubernetes object` })
  }
  const namespace = draft.namespace ?? ''
  const chosen = namespace === '' ? defaultNamespace : namespace
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(chosen)) {
    return failure({ field: 'namespace', text: `the target's namespace ${quote(chosen)} is no name of a namespace` })
  }
  return success({ kind, namespace: chosen, name })
}

function kindOf(text: string): TargetKind | undefined {
  for (const kind of targetKinds) if (kind === text) return kind
  const inLowerCase = text.toLowerCase()
  return targetKinds.find((kind) => kind.toLowerCase() === inLowerCase)
}

/** `default/Deployment/web`: names a target within its cluster. */
export function targetName({ namespace, kind, name }: Target): string {
  // Joined it is one text, as a key of a map should be: of one that `+` put together every comparison goes through its parts.
  return [namespace, kind, name].join('/')
}

/** The size of a workload; of the usual ones there is one object each, however many steps keep it. */
export function replicasOf(replicas: number): Size {
  return usualSizes[replicas] ?? { kind: 'replicas', replicas }
}

export function sizesEqual(left: Size, right: Size): boolean {
  if (left.kind === 'replicas') return right.kind === 'replicas' && left.replicas === right.replicas
  return right.kind === 'bounds' && left.min === right.min && left.max === right.max
}

/** Positive when the left size is the higher one; bounds are compared by their lower end first. */
export function compareSizes(left: Size, right: Size): number {
  const [leftLow, leftHigh] = left.kind === 'replicas' ? [left.replicas, left.replicas] : [left.min, left.max]
  const [rightLow, rightHigh] = right.kind === 'replicas' ? [right.replicas, right.replicas] : [right.min, right.max]
  return leftLow - rightLow || leftHigh - rightHigh
}

/** `replicas 5`, `min 2, max 6`. */
export function sizeText(size: Size): string {
  if (size.kind === 'replicas') return usualTexts[size.replicas] ?? `replicas ${size.replicas}`
  return `min ${size.min}, max ${size.max}`
}

/** Nearly all sizes are these, and a plan names them over and over. */
const usualSizes = Array.from({ length: 100 }, (_, replicas): Size => ({ kind: 'replicas', replicas }))
const usualTexts = usualSizes.map((_, replicas) => `replicas ${replicas}`)
