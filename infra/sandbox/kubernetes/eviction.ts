import { knownKind } from './kinds.ts'
import { forbidden, KubeFault, tooManyRequests } from './kube-fault.ts'
import type { DeleteOptions, WriteContext } from './registry.ts'
import { deleteObject } from './registry.ts'
import { matcherOf } from './selectors.ts'
import type { DisruptionBudget, Pod } from './shapes.ts'
import { isDisruptionBudget } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { allObjects, storeObject } from './store.ts'
import { timeText } from './time.ts'
import { minorOf } from './version.ts'

const refusal = "Cannot evict pod as it would violate the pod's disruption budget."

/** Whether a pod is up and says it is ready. */
export function isPodReady(pod: Pod): boolean {
  return (pod.status.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')
}

/** The budgets that count a pod. An empty selector counts none in the old version of the API and all since policy/v1. */
function budgetsOf(state: KubernetesState, pod: Pod): DisruptionBudget[] {
  const emptyMatchesAll = minorOf(state.version) >= 21
  return allObjects(state, 'policy', 'poddisruptionbudgets')
    .filter(isDisruptionBudget)
    .filter((budget) => {
      if (budget.metadata.namespace !== pod.metadata.namespace) return false
      const { selector } = budget.spec
      const isEmpty = Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions ?? []).length === 0
      return (emptyMatchesAll || !isEmpty) && matcherOf(selector)(pod.metadata.labels)
    })
}

/**
 * Evicts a pod: deletes it unless a disruption budget says no. Answers the refusal instead of throwing it, so that
 * draining can go on with the next pod. Pods that have ended or never started are not protected.
 */
export function evictPod(state: KubernetesState, pod: Pod, options: DeleteOptions, context: WriteContext): KubeFault | undefined {
  const phase = pod.status.phase
  const isUnprotected = phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending' || pod.metadata.deletionTimestamp !== undefined
  if (!isUnprotected) {
    const budgets = budgetsOf(state, pod)
    if (budgets.length > 1) {
      return new KubeFault(500, '', 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.')
    }
    const [budget] = budgets
    if (budget !== undefined) {
      const refused = spendDisruption(state, budget, pod, context)
      if (refused !== undefined) return refused
    }
  }
  deleteObject(state, knownKind('', 'Pod'), pod, 'v1', options, context)
  return undefined
}

/** Takes one disruption out of a budget; the refusal when it has none. */
function spendDisruption(state: KubernetesState, budget: DisruptionBudget, pod: Pod, context: WriteContext): KubeFault | undefined {
  const { status, metadata } = budget
  if (!isPodReady(pod) && status.currentHealthy >= status.desiredHealthy && status.desiredHealthy > 0) return undefined
  const because = (message: string): KubeFault => tooManyRequests(refusal, { causes: [{ reason: 'DisruptionBudget', message }] })
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    return because(`The disruption budget ${metadata.name} is still being processed by the server.`)
  }
  if (status.disruptionsAllowed < 0) {
    return forbidden({ group: 'policy', plural: 'poddisruptionbudget' }, metadata.name, 'pdb disruptions allowed is negative')
  }
  if (status.disruptionsAllowed === 0) {
    return because(
      `The disruption budget ${metadata.name} needs ${status.desiredHealthy} healthy pods and has ${status.currentHealthy} currently`,
    )
  }
  if (context.dryRun === true) return undefined
  storeObject(state, knownKind('policy', 'PodDisruptionBudget'), {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: status.disruptionsAllowed - 1,
      disruptedPods: { ...status.disruptedPods, [pod.metadata.name]: timeText(context.now) },
    },
  })
  return undefined
}
