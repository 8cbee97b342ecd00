import { isPodReady } from '../eviction.ts'
import { byText, numberAt } from '../json.ts'
import { groupOf } from '../kinds.ts'
import { objectOfKind } from '../objects.ts'
import { matcherOf } from '../selectors.ts'
import type { DisruptionBudget, KubeObject, Pod, StringMap } from '../shapes.ts'
import { isDisruptionBudget } from '../shapes.ts'
import { allObjects } from '../store.ts'
import { epochMsOf } from '../time.ts'
import { minorOf } from '../version.ts'
import type { Cluster, Controller } from './cluster.ts'
import { earlier, kinds, podsOf, save, share } from './cluster.ts'

/** How long an eviction counts although its pod is still there. */
const disruptionMs = 2 * 60_000

/** Counts how many pods of each disruption budget are healthy and how many may go. */
export const budgetController: Controller = {
  name: 'budget',
  isLast: true,
  watches: ['policy/poddisruptionbudgets', '/pods', 'apps/deployments', 'apps/replicasets', 'apps/statefulsets'],
  run: (cluster) => {
    const budgets = allObjects(cluster.state, 'policy', 'poddisruptionbudgets').filter(isDisruptionBudget)
    if (budgets.length === 0) return undefined
    const pods = podsOf(cluster)
    let wakeAt: number | undefined
    for (const budget of budgets.sort((left, right) => byText(keyOf(left), keyOf(right))))
      wakeAt = earlier(wakeAt, reconcile(cluster, budget, pods))
    return wakeAt
  },
}

function keyOf(budget: KubeObject): string {
  return `${budget.metadata.namespace}/${budget.metadata.name}`
}

function reconcile(cluster: Cluster, budget: DisruptionBudget, all: readonly Pod[]): number | undefined {
  const { now, state } = cluster
  const { selector, minAvailable, maxUnavailable } = budget.spec
  const isEmpty = Object.keys(selector?.matchLabels ?? {}).length + (selector?.matchExpressions ?? []).length === 0
  const matches = isEmpty && minorOf(state.version) < 21 ? (): boolean => false : matcherOf(selector)
  const pods = all.filter(
    (pod) =>
      pod.metadata.namespace === budget.metadata.namespace &&
      matches(pod.metadata.labels) &&
      pod.status.phase !== 'Succeeded' &&
      pod.status.phase !== 'Failed',
  )
  const isCounted = maxUnavailable !== undefined || typeof minAvailable === 'string'
  const expected = isCounted ? expectedPods(cluster, pods) : pods.length
  const desired =
    maxUnavailable === undefined ? share(minAvailable, expected, 'up') : Math.max(0, expected - share(maxUnavailable, expected, 'up'))
  let wakeAt: number | undefined
  const disrupted: StringMap = {}
  for (const [name, time] of Object.entries(budget.status.disruptedPods ?? {})) {
    const until = (epochMsOf(time) ?? 0) + disruptionMs
    const pod = pods.find((each) => each.metadata.name === name)
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined || until <= now) continue
    disrupted[name] = time
    wakeAt = earlier(wakeAt, until)
  }
  const healthy = pods.filter(
    (pod) => pod.metadata.deletionTimestamp === undefined && !Object.hasOwn(disrupted, pod.metadata.name) && isPodReady(pod),
  ).length
  save(cluster, kinds.budget, {
    ...budget,
    status: {
      observedGeneration: budget.metadata.generation ?? 0,
      ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
      disruptionsAllowed: expected === 0 ? 0 : Math.max(0, healthy - desired),
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      ...(budget.status.conditions === undefined ? {} : { conditions: budget.status.conditions }),
    },
  })
  return wakeAt
}

/** The size of everything the pods belong to: what counts where a budget is a share. */
function expectedPods(cluster: Cluster, pods: readonly Pod[]): number {
  const sizes = new Map<string, number>()
  for (const pod of pods) {
    let owner: KubeObject | undefined = pod
    for (let depth = 0; depth < 3 && owner !== undefined; depth += 1) {
      const reference: { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string } | undefined = (
        owner.metadata.ownerReferences ?? []
      ).find(({ controller }) => controller === true)
      if (reference === undefined) break
      const found: KubeObject | undefined = objectOfKind(
        cluster.state,
        groupOf(reference.apiVersion).group,
        reference.kind,
        reference.name,
        pod.metadata.namespace,
      )?.object
      if (found === undefined || found.metadata.uid !== reference.uid) break
      owner = found
    }
    const size = owner === undefined || owner === pod ? undefined : numberAt(owner, 'spec', 'replicas')
    if (owner !== undefined && size !== undefined) sizes.set(owner.metadata.uid, size)
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}
