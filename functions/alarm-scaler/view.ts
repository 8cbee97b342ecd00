import type { Episode } from './episode.ts'
import type { Bounds, PoolRecord } from './lease.ts'

/** What a plan sees. It holds no clock: the same world seen twice is the same. */
export interface Observed {
  /**
   * Every episode that memory keeps of the policies of the pools below: firing, without data, and those that were resolved within the last
   * days. Not only the one that somebody was woken for, for others decide too whether a pool may shrink.
   */
  readonly episodes: readonly Episode[]
  /** The pools that were looked at. */
  readonly pools: readonly PoolView[]
  /** Suggestions that somebody has agreed to. */
  readonly approvals: readonly Approval[]
  /** Clusters that had open leases and that the configuration does not know any more; present when everything was looked at. */
  readonly forsaken?: readonly Forsaken[] | undefined
}

/** A cluster with open leases that nobody looks at any more. */
export interface Forsaken {
  readonly cluster: string
  readonly pools: readonly string[]
  /** When its leases were seen last. */
  readonly seenAtMs: number
}

/** Somebody agreed to a suggestion. */
export interface Approval {
  /** Key of the suggestion, see suggestion.ts. */
  readonly key: string
  /** It is worth nothing from then on; epoch milliseconds. */
  readonly untilMs: number
  readonly by?: string | undefined
}

/** A pool of a cluster as it was seen. Without `problem` everything in it was read, as far as the settings need it. */
export interface PoolView {
  /** The platform's id. */
  readonly cluster: string
  readonly region: string
  /** Its name in the settings, or in a record that they know nothing of any more. */
  readonly pool: string
  /** What could not be read: nothing is bought and nothing is given back. */
  readonly problem?: { readonly code: PoolProblemCode; readonly text: string } | undefined
  /** The ConfigMap with its leases; absent when there is none. */
  readonly record?: { readonly value: PoolRecord; readonly resourceVersion: string } | undefined
  /** Members of the pool, see `membersOf`; leased nodes among them in any case. */
  readonly nodes: readonly PoolNode[]
  /** Pods that found no place anywhere and that an empty node of the pool would take. */
  readonly pendingPods: number
  /** The scaling groups that the pool, its policies or its open leases name, as far as they exist. */
  readonly groups: readonly GroupView[]
  /** The pools of virtual nodes that the pool, its policies or its open leases name, as far as they exist. */
  readonly virtualPools: readonly VirtualPoolView[]
  /** Machines of the account that its mechanisms `existing-instances` name, usable or not. */
  readonly spares: readonly Spare[]
  /** The cluster autoscaler; absent where none has ever left a sign of life. */
  readonly autoscaler?: AutoscalerView | undefined
  /** Workers of the whole cluster. */
  readonly clusterNodes: number
  /** Nodes that open leases of the cluster's other pools still wait for. */
  readonly comingElsewhere: number
  /** How many workers the platform lets the cluster have. */
  readonly quota?: { readonly maxNodes: number } | undefined
  /** Addresses left in subnets, as far as anybody can tell. */
  readonly subnets: readonly { readonly id: string; readonly free?: number | undefined }[]
  readonly licence?: LicenceView | undefined
  /** What the policies' queries say now, one for each that was asked. */
  readonly readings: readonly Reading[]
}

/**
 * Why a pool could not be looked at.
 *
 * - `cluster-unreadable` the platform or the cluster did not answer
 * - `record-unreadable` there is a record that nobody can understand: leases may be in it
 */
export type PoolProblemCode = 'cluster-unreadable' | 'record-unreadable'

/** A node of a pool, or a machine that is to become one. */
export interface PoolNode {
  /** Of a virtual node its name. */
  readonly instanceId: string
  /** As the cluster calls it; absent as long as it has not joined. */
  readonly nodeName?: string | undefined
  readonly state: 'initializing' | 'running' | 'failed'
  readonly addedAtMs: number
  readonly isReady: boolean
  /** Since when it says what it says of being ready. */
  readonly readySinceMs?: number | undefined
  readonly unschedulable: boolean
  /** Whether the cluster autoscaler is kept off it. */
  readonly isKept: boolean
  readonly groupId?: string | undefined
  readonly virtualPoolId?: string | undefined
  /** The lease that its label names. */
  readonly leaseId?: string | undefined
  /** The lease that it was closed for; stays there when somebody else opens it. */
  readonly drainedFor?: string | undefined
  readonly cores: number
  readonly allocatable: Resources
  /** By the pods on it. */
  readonly requested: Resources
  /** Pods that would have to go elsewhere: those of DaemonSets are not counted. */
  readonly podCount: number
  /** Pods that a drain cannot move at this moment, and why. */
  readonly blockers: readonly Blocker[]
}

export interface Blocker {
  readonly pod: string
  readonly why: string
  /** It is never asked to go: nobody would make it again elsewhere, or it says that it must not be moved. */
  readonly isStuck?: boolean | undefined
}

export interface Resources {
  readonly cpuMilli: number
  readonly memoryBytes: number
}

export interface GroupView {
  readonly id: string
  /** As the platform says it: `enabled` and `disabled` stay, all others pass. */
  readonly status: string
  /** Machines that it has. */
  readonly size: number
  /** Machines that it wants, as the cluster autoscaler says; absent where it says nothing. */
  readonly wanted?: number | undefined
  /**
   * Its bounds: as the cluster autoscaler last said them, or as the settings say. The platform tells them nowhere. Absent where nobody
   * knows, and nothing can be asked of it then.
   */
  readonly bounds?: (Bounds & { readonly source: 'autoscaler' | 'settings'; readonly atMs?: number | undefined }) | undefined
  /** Of one of its machines. */
  readonly cores?: number | undefined
}

export interface VirtualPoolView {
  readonly id: string
  readonly state: string
  readonly subnets: readonly string[]
}

export interface Spare {
  readonly instanceId: string
  readonly name: string
  readonly cores: number
  /** Why it cannot join; empty when it can. */
  readonly obstacle: string
}

export interface AutoscalerView {
  /** Groups that it looks after. */
  readonly groups: readonly string[]
  readonly lastSeenMs?: number | undefined
  readonly isScaleDownEnabled: boolean
}

/** What the platform's licence leaves. */
export interface LicenceView {
  readonly overage: 'ok' | 'over' | 'unknown'
  /** Cores that are not used yet. */
  readonly freeCores: number | 'unlimited' | 'unknown'
  /** When `freeCores` was measured. */
  readonly atMs?: number | undefined
  /** Cores that other pools of the region have asked for since. */
  readonly takenElsewhere: number
  /** When use is likely to be blocked, by the forecast; absent when that is not in sight, or nobody knows. */
  readonly blockedAtMs?: number | undefined
  /** Why something of it is unknown. */
  readonly text?: string | undefined
}

/** What a query says. */
export interface Reading {
  /** As `readingName` makes it of policy and query. */
  readonly name: string
  readonly value?: number | undefined
  /** Why there is no value. */
  readonly problem?: string | undefined
}
