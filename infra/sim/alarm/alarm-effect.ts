/** A node of a pool, as it really is. */
export interface SimNode {
  readonly id: string
  readonly nodeName: string | undefined
  readonly addedMs: number
  /** Since when it is ready; undefined when it is not, or never will be. */
  readonly readyMs: number | undefined
  readonly isFailed: boolean
  readonly isVirtual: boolean
  readonly group: string | undefined
  /** The lease that it was bought under; undefined of one that was there, or that somebody else has added. */
  readonly lease: string | undefined
}

/** What a write of the alarm-scaler did, and how things were right before it. */
export interface AlarmEffect {
  /** `record`: nothing but the record of a pool. */
  readonly kind: 'grow' | 'remove' | 'bounds' | 'record'
  /** What the plan calls it. */
  readonly change: string
  /** Of giving back: why it begins. */
  readonly why: string
  readonly pool: number
  readonly lease: string
  /** Nodes that will come by it, or that went. */
  readonly nodes: number
  readonly ids: readonly string[]
  /** Of a growth: by what. */
  readonly mechanism: string
  readonly policy: string
  readonly wanted: number
  readonly episode: { readonly name: string; readonly source: string; readonly startedAtMs: number } | undefined
  /** Of the pool, right before. */
  readonly members: readonly SimNode[]
  /** Nodes that growths have asked groups for and that had not come yet, of the pool and of the whole cluster. */
  readonly owed: number
  readonly owedInCluster: number
  /** Real workers of the whole cluster. */
  readonly workers: readonly SimNode[]
  /** What the record said of the lease: its state; empty when it had none. */
  readonly recorded: string
  /** Whether the cluster autoscaler looks after the group. */
  readonly isAutoscaled: boolean
  /** Of nodes that went: pods on them that had to go elsewhere. */
  readonly pods: number
  /** Of nodes that went: which of them nobody had added under a lease. */
  readonly foreign: readonly string[]
  /** Since when pods of the pool wait for a place; undefined when none do. */
  readonly pendingSinceMs: number | undefined
}

/** A write that goes with an effect, or that changes nodes only. */
export interface AlarmWrite {
  readonly what: 'record' | 'cordon' | 'uncordon' | 'mark' | 'evict' | 'platform-drain' | 'other'
  readonly change: string
  readonly pool: number
  readonly lease: string
  readonly node: string
  /** Of a node that nobody added under a lease. */
  readonly isForeign: boolean
}
