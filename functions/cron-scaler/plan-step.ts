import { digestOf } from '#shared/pure/digest.ts'
import type { Reason, Step } from '#shared/pure/step.ts'
import type { CronScalerConfig } from './event.ts'
import type { Override } from './override.ts'
import type { ObservedCluster, ObservedTarget, ReasonCode } from './plan.ts'
import { isOnRecord } from './record.ts'
import type { Rule } from './rules.ts'
import { type ScaleChange, undoOf } from './scale-change.ts'
import { type Size, sizeText, type Target, targetName } from './target.ts'

export type ScaleStep = Step<ScaleChange>

export type ChangeStep = ScaleStep & { readonly verdict: 'change' }

/** One target, what is said about it, and what is known of it. */
export interface TargetCase {
  readonly cluster: ObservedCluster
  readonly named: Target
  /** Its name within the cluster, where somebody has put it together already. */
  readonly name?: string
  /** Those that can run and are not paused. */
  readonly rules: readonly Rule[]
  /**
   * Whether any HPC object names it, be its rules paused or invalid: the platform's controller knows of neither. By `rules` alone
   * when absent.
   */
  readonly isOfHpc?: boolean
  /** Of the configuration. */
  readonly overrides: readonly Override[]
  readonly target: ObservedTarget | undefined
  readonly config: CronScalerConfig
  readonly now: number
}

/** What a step is about: a rule with its firing, or an override. */
export interface Subject {
  readonly id: string
  readonly size: Size
  /** The firing; for an override when it ends, which tells it from an edited one. */
  readonly atMs: number | undefined
}

export function subjectOf({ id, size }: Rule, atMs: number | undefined): Subject {
  return { id, size, atMs }
}

export function stepOf(
  facts: TargetCase,
  subject: Subject,
  verdict: Exclude<ScaleStep['verdict'], 'change'>,
  code: ReasonCode,
  text: string,
): ScaleStep {
  const { key, target, before, after } = stepFacts(facts, subject)
  return { key, target, before, after, verdict, reason: reasonOf(code, text) }
}

/** Everything of a step but what is decided. */
export function stepFacts(facts: TargetCase, subject: Subject) {
  return {
    key: keyOf(keyParts(facts, subject)),
    target: fullNameOf(facts),
    before: facts.target === undefined ? '' : sizeText(facts.target.size),
    after: sizeText(subject.size),
  }
}

/** `cls-1/default/Deployment/web`. */
export function fullNameOf({ cluster, named, name = targetName(named) }: Pick<TargetCase, 'cluster' | 'named' | 'name'>): string {
  return [cluster.id, name].join('/')
}

/**
 * What makes a decision this one and no other: cluster, target, rule, firing, end state; and what it begins with, which is the
 * object, the record on it, and a hold whose end makes the firing count again. So each correction is a step of its own, and
 * what was done to an object that is gone does not stand for the one after it.
 */
function keyParts(
  { cluster, named, name = targetName(named), target, now }: TargetCase,
  { id, size, atMs }: Subject,
): (string | number | null)[] {
  const record = target?.record
  const isHoldOver = record !== undefined && record.nominalMs === atMs && !isOnRecord(record, atMs, target?.hold, now)
  return [
    cluster.id,
    name,
    id,
    atMs ?? null,
    sizeText(size),
    target?.uid ?? null,
    record?.key ?? null,
    isHoldOver ? (target?.hold ?? null) : null,
  ]
}

export function keyOf(values: readonly (string | number | null)[]): string {
  // Joined, the key is one text; put together by `+` it would hold on to its parts as long as the step lives.
  return ['cron-scaler:', digestOf(values)].join('')
}

/**
 * A step with its `undo`, which is worked out when somebody asks for it: it says nothing that change and key do not say, and would
 * be a fifth of what a plan of many changes takes up. A property of the step's own, so it is compared, copied and written as JSON
 * like the others.
 */
export function withUndo(step: ChangeStep): ChangeStep {
  return Object.defineProperty(step, 'undo', undoProperty)
}

const undoProperty: PropertyDescriptor & ThisType<ChangeStep> = {
  enumerable: true,
  get() {
    return undoOf(this.change, this.key)
  },
}

export function reasonOf(code: ReasonCode, text: string): Reason {
  return { code, text }
}

export function compareTexts(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
