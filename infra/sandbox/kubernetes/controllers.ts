import type { KubernetesState } from './state.ts'

/** What the world outside the cluster answers to its controllers. */
export interface ControllerHooks {
  /** Whether an image can be pulled, by its full reference. */
  readonly imageExists: (reference: string) => boolean
  /** Uniform in [0, 1). Seeded. */
  readonly random: () => number
}

/** Lets the cluster's controllers work until an instant. */
export function advanceKubernetes(state: KubernetesState, now: number, _hooks: ControllerHooks): void {
  if (now > state.advancedTo) state.advancedTo = now
}
