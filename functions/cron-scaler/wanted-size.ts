import { failure, type Result, success } from '#shared/pure/result.ts'
import type { InvalidRule, RuleDraft } from './rules.ts'
import { largestSize, readTarget, replicasOf, type Size, type Target } from './target.ts'

/** The target that a rule names. */
export function readRuleTarget(draft: Pick<RuleDraft, 'target' | 'namespace'>): Result<Target, InvalidRule> {
  const target = readTarget(draft.target, draft.namespace)
  return target.ok ? target : failure({ code: 'target-invalid', text: target.error.text, field: `target.${target.error.field}` })
}

function countProblem(field: 'targetSize' | 'minSize' | 'maxSize', value: number | undefined): InvalidRule | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= 0 && value <= largestSize)) return undefined
  return { code: 'size-invalid', text: `${field} ${value} is no number of replicas: write a whole number from 0`, field }
}

/** The size that a rule or an override gives to a target of this kind. */
export function readSize(
  draft: Pick<RuleDraft, 'targetSize' | 'minSize' | 'maxSize'>,
  target: Target,
  allowZeroMin: boolean,
): Result<Size, InvalidRule> {
  const { targetSize, minSize, maxSize } = draft
  const noCount = countProblem('targetSize', targetSize) ?? countProblem('minSize', minSize) ?? countProblem('maxSize', maxSize)
  if (noCount !== undefined) return failure(noCount)
  if (target.kind !== 'HorizontalPodAutoscaler') {
    if (minSize !== undefined || maxSize !== undefined) {
      return failure({
        code: 'bounds-on-workload',
        text: `minSize and maxSize are for a HorizontalPodAutoscaler: write targetSize, or name the autoscaler of ${target.kind} ${target.name} as the target`,
      })
    }
    if (targetSize === undefined) return failure({ code: 'size-missing', text: `there is no size: write targetSize for a ${target.kind}` })
    return success(replicasOf(targetSize))
  }
  if (targetSize !== undefined) {
    return failure({
      code: 'size-on-hpa',
      text: `targetSize does not fit a HorizontalPodAutoscaler, which decides the replicas itself: write minSize and maxSize (both ${targetSize} to hold it at ${targetSize})`,
      field: 'targetSize',
    })
  }
  if (minSize === undefined || maxSize === undefined) {
    return failure({ code: 'size-missing', text: 'write minSize and maxSize, both: one of them alone can cross the other' })
  }
  if (minSize > maxSize) return failure({ code: 'min-above-max', text: `minSize ${minSize} is above maxSize ${maxSize}`, field: 'minSize' })
  if (maxSize === 0)
    return failure({
      code: 'size-invalid',
      text: 'maxSize 0 is not allowed for a HorizontalPodAutoscaler: write 1 or more',
      field: 'maxSize',
    })
  if (minSize === 0 && !allowZeroMin) {
    return failure({
      code: 'min-zero',
      text: 'minSize 0 needs a cluster with HPAScaleToZero: write 1 or more, or set allowZeroMin where the clusters have it',
      field: 'minSize',
    })
  }
  return success({ kind: 'bounds', min: minSize, max: maxSize })
}
