import * as z from 'zod/mini'
import type { KubeObject } from '#cloud/kube.ts'
import { hasLabels, LabelRequirement, meets } from './label-match.ts'
import type { ReadPod } from './pod-reading.ts'

/** A disruption budget, and how many of its pods may be moved at this moment. */
export interface Budget {
  readonly namespace: string
  readonly name: string
  readonly allowed: number
  readonly covers: (pod: ReadPod) => boolean
}

const DisruptionBudget = z.object({
  spec: z.object({
    selector: z.optional(
      z.nullable(
        z.object({
          matchLabels: z.optional(z.nullable(z.record(z.string(), z.string()))),
          matchExpressions: z.optional(z.nullable(z.array(LabelRequirement))),
        }),
      ),
    ),
  }),
  status: z.optional(z.nullable(z.object({ disruptionsAllowed: z.optional(z.nullable(z.number())) }))),
})

/** Reads a PodDisruptionBudget; undefined when it does not look like one. An empty selector covers all only since policy/v1. */
export function readBudget(object: KubeObject): Budget | undefined {
  const budget = z.safeParse(DisruptionBudget, object).data
  if (budget === undefined) return undefined
  const { name, namespace = '' } = object.metadata
  const labels = budget.spec.selector?.matchLabels ?? {}
  const expressions = budget.spec.selector?.matchExpressions ?? []
  const isEmpty = Object.keys(labels).length === 0 && expressions.length === 0
  const coversAll = budget.spec.selector !== undefined && budget.spec.selector !== null && object.apiVersion === 'policy/v1'
  return {
    namespace,
    name,
    allowed: budget.status?.disruptionsAllowed ?? 0,
    covers: (pod) =>
      pod.namespace === namespace &&
      (isEmpty ? coversAll : hasLabels(pod.labels, labels) && expressions.every((one) => meets(one, pod.labels))),
  }
}
