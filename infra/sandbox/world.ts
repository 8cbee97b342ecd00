import type { KubernetesState } from './kubernetes/state.ts'
import type { TcrState } from './tcr/state.ts'
import type { TkeState } from './tke/state.ts'

/**
 * The whole state of the sandbox: plain and serialisable (`JSON.parse(JSON.stringify(world))` is the same world), so it
 * can be saved, diffed, seeded and rehearsed. No functions, no Dates (epoch milliseconds instead), no undefined.
 */
export interface World {
  readonly format: 1
  /** Who owns everything here. */
  readonly account: { readonly appId: number; readonly uin: string }
  /** Counts ids given out, so that ids are unique and repeat with the seed. */
  counter: number
  readonly tke: TkeState
  readonly tcr: TcrState
  /** The Kubernetes API of each cluster, by cluster id. */
  readonly kubernetes: { [clusterId: string]: KubernetesState }
}
