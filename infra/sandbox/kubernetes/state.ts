import type { KubeObject } from './shapes.ts'

/** Refuses what matches: the sandbox's stand-in for RBAC. An absent field matches everything. */
export interface DenyRule {
  /** The user of the request; the cluster's administrator is `kubernetes-admin`. */
  readonly user?: string
  /** `get`, `list`, `create`, `update`, `patch`, `delete`, `deletecollection`. */
  readonly verb?: string
  /** The group of the resource; the empty string is the core group. */
  readonly group?: string
  /** Plural name, with a subresource after a slash: `deployments`, `deployments/scale`. */
  readonly resource?: string
  readonly namespace?: string
}

/** What the first page of a long list leaves for the following ones: the list as it was then. Kept for five minutes. */
export interface ListSnapshot {
  readonly resource: string
  readonly revision: number
  readonly takenAt: number
  /** Key in the store and object, in the order of keys. */
  readonly entries: readonly (readonly [string, KubeObject])[]
}

/** What a controller remembers between two passes. */
export interface ControllerMemory {
  /** The state's revision when it last ran. */
  seen: number
  /** When it must run again although nothing changed; null when there is no such time. */
  wakeAt: number | null
}

/**
 * One cluster's Kubernetes API: plain JSON, no functions, no Dates, no undefined. Objects are never changed in place; a
 * write puts a new one in their place, so whoever holds one keeps what it read.
 */
export interface KubernetesState {
  readonly clusterId: string
  /** As the platform writes it, without `v`: `1.20.6`. Decides which API versions are served. */
  version: string
  readonly createdAt: number
  /** Counts changes; the `resourceVersion` of whatever changed last. */
  revision: number
  /** Group and plural (`apps/deployments`, `/pods`) -> namespace and name (`default/web`, `node-1`) -> object. */
  readonly objects: { [resource: string]: { [key: string]: KubeObject } }
  /** Group and plural -> the revision at which anything of that kind changed last. */
  readonly changed: { [resource: string]: number }
  snapshots: ListSnapshot[]
  readonly rbac: { deny: DenyRule[] }
  readonly features: {
    /** Whether an autoscaler may have `minReplicas: 0` (an alpha gate of the real server, off there). */
    hpaScaleToZero: boolean
  }
  readonly controllers: { [name: string]: ControllerMemory }
  /** The instant up to which the controllers have run. */
  advancedTo: number
}

/** What creating a cluster's API needs to know. `version` is the platform's, as in `1.20.6`. */
export interface NewKubernetes {
  readonly version: string
  readonly clusterId: string
  readonly now: number
}
