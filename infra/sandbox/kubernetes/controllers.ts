import { autoscalerController } from './controllers/autoscaler.ts'
import { budgetController } from './controllers/budget.ts'
import type { Cluster, Controller } from './controllers/cluster.ts'
import { cronJobController } from './controllers/cron-job.ts'
import { daemonSetController } from './controllers/daemon-set.ts'
import { deploymentController } from './controllers/deployment.ts'
import { eventsController } from './controllers/events.ts'
import { garbageController } from './controllers/garbage.ts'
import { jobController } from './controllers/job.ts'
import { kubeletController } from './controllers/kubelet.ts'
import { namespaceController } from './controllers/namespace.ts'
import { nodeController } from './controllers/node.ts'
import { replicaSetController } from './controllers/replica-set.ts'
import { schedulerController } from './controllers/scheduler.ts'
import { statefulSetController } from './controllers/stateful-set.ts'
import { supplyController } from './controllers/supply.ts'
import type { KubernetesState } from './state.ts'

/** What the world outside the cluster answers to its controllers. */
export interface ControllerHooks {
  /** Whether an image can be pulled, by its full reference. */
  readonly imageExists: (reference: string) => boolean
  /** The digest the registry has for a reference, `sha256:…`; what nodes report as the image's id is made of it. */
  readonly imageDigest?: (reference: string) => string | undefined
  /** Uniform in [0, 1). Seeded. */
  readonly random: () => number
}

/** In the order in which they get their turn. */
const controllers: readonly Controller[] = [
  garbageController,
  namespaceController,
  nodeController,
  cronJobController,
  jobController,
  autoscalerController,
  deploymentController,
  statefulSetController,
  daemonSetController,
  replicaSetController,
  supplyController,
  schedulerController,
  kubeletController,
  budgetController,
  eventsController,
]

/** How much of a long sleep is lived through: its first and its last hour. In between nothing happens. */
const livedMs = 60 * 60_000
const mostRounds = 2000

/**
 * Lets the cluster's controllers work until an instant: everything that is due on the way happens at its own time, in the
 * same order on every run with the same seed, and however often this is called on the way. Calling it again with the same
 * `now` changes nothing. Of a gap of more than two hours the first and the last hour are lived through, as if the cluster
 * had slept in between; a clock that was set back only lets happen what is due at once.
 */
export function advanceKubernetes(state: KubernetesState, now: number, hooks: ControllerHooks): void {
  if (now < state.advancedTo) state.advancedTo = now
  const start = state.advancedTo
  settle(state, start, hooks)
  if (now - start > 2 * livedMs) {
    live(state, start + livedMs, hooks)
    state.advancedTo = now - livedMs
    settle(state, state.advancedTo, hooks)
  }
  live(state, now, hooks)
}

function live(state: KubernetesState, until: number, hooks: ControllerHooks): void {
  for (;;) {
    const next = nextWake(state)
    if (next === undefined || next > until) break
    state.advancedTo = Math.max(state.advancedTo, next)
    settle(state, state.advancedTo, hooks)
  }
  state.advancedTo = until
}

function nextWake(state: KubernetesState): number | undefined {
  let result: number | undefined
  for (const { name } of controllers) {
    const wakeAt = state.controllers[name]?.wakeAt ?? undefined
    if (wakeAt !== undefined && (result === undefined || wakeAt < result)) result = wakeAt
  }
  return result
}

/** Runs every controller that has something to do at an instant, until none has. */
function settle(state: KubernetesState, now: number, hooks: ControllerHooks): void {
  const cluster: Cluster = { state, now, hooks }
  for (let round = 0; ; round += 1) {
    const all = controllers.filter((controller) => isDue(state, controller, now))
    if (all.length === 0) return
    const first = all.filter(({ isLast }) => isLast !== true)
    const due = first.length > 0 ? first : all
    if (round === mostRounds) throw new Error(`controllers of ${state.clusterId} do not settle: ${due.map(({ name }) => name).join(', ')}`)
    for (const controller of due) {
      if (!isDue(state, controller, now)) continue
      const seen = state.revision
      const wakeAt = controller.run(cluster)
      // What is due now already is due again only after a change: nobody can be woken twice at the same instant.
      state.controllers[controller.name] = { seen, wakeAt: wakeAt === undefined || wakeAt <= now ? null : wakeAt }
    }
  }
}

function isDue(state: KubernetesState, { name, watches }: Controller, now: number): boolean {
  const memory = state.controllers[name]
  if (memory === undefined) return true
  if (memory.wakeAt !== null && memory.wakeAt <= now) return true
  return watches.some((resource) => (state.changed[resource] ?? 0) > memory.seen)
}
