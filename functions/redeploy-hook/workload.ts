import type { RecordReading } from './record.ts'

/** Kinds of workload, as the API spells them. */
export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job'] as const

export type WorkloadKind = (typeof workloadKinds)[number]

/** Which workload. `cluster` is the platform's id, never a name that people gave it. */
export interface WorkloadRef {
  readonly cluster: string
  readonly namespace: string
  readonly kind: WorkloadKind
  readonly name: string
}

/** `cls-1/default/Deployment/web`. */
export function refName({ cluster, namespace, kind, name }: WorkloadRef): string {
  return `${cluster}/${namespace}/${kind}/${name}`
}

/**
 * How far the rollout of the present template is. Of a Job that was cloned it is the status of the newest clone; of a CronJob that
 * was run at once, that of that run.
 */
export type RolloutStatus =
  | { readonly kind: 'complete'; readonly text: string }
  | { readonly kind: 'progressing'; readonly text: string }
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly text: string
      /** The containers that fail, where that is known. */
      readonly containers?: readonly string[] | undefined
    }
  /** Nothing is replaced by itself (OnDelete, paused, suspended), so nobody can say that it has worked or failed. */
  | { readonly kind: 'not-watched'; readonly code: string; readonly text: string }

export interface ReadContainer {
  readonly name: string
  /** As the pod template writes it. */
  readonly image: string
  readonly isInit: boolean
  readonly pullPolicy?: string | undefined
  /** Its place among the containers, or among the init containers; for a JSON Patch. */
  readonly index: number
  /** The template's annotation that `contentAnnotation` names, where it is set. */
  readonly contentMark?: string | undefined
  /**
   * Contents that its pods report to run (`sha256:…`); absent when nobody has looked. Only worth the call where nothing else tells:
   * see `unknownContents`.
   */
  readonly running?: readonly string[] | undefined
}

/** A workload as it is. */
export interface ReadWorkload {
  readonly ref: WorkloadRef
  readonly uid: string
  /** Containers first, then init containers, each in their order. */
  readonly containers: readonly ReadContainer[]
  /** What was done to it; a record that cannot be read is a problem of its own. */
  readonly record: RecordReading
  readonly rollout: RolloutStatus
  readonly updateStrategy?: 'RollingUpdate' | 'OnDelete' | 'Recreate' | undefined
  /** Whether the template or its service account names a pull secret; absent when nobody has looked. */
  readonly hasPullSecrets?: boolean | undefined
  /** Architectures of the nodes where its pods may run (`amd64`, `arm64`); absent when nobody has looked. */
  readonly nodeArchitectures?: readonly string[] | undefined
  readonly optOut: boolean
  /** Being deleted. */
  readonly deleting: boolean
  /** A Deployment with `spec.paused`. */
  readonly paused: boolean
  /**
   * No pod of it is older than this (epoch ms): what a tag pointed at since then is what they pulled. The creation of the workload, or
   * the restart that somebody asked for later (`kubectl.kubernetes.io/restartedAt`).
   */
  readonly podsSinceMs: number
}

/** A workload that could not be read, and why. */
export interface UnreadWorkload {
  readonly ref: WorkloadRef
  readonly problem: {
    readonly code: 'workload-missing' | 'workload-unreadable' | 'cluster-unreadable'
    readonly text: string
  }
}

export type SeenWorkload = ReadWorkload | UnreadWorkload

export function isRead(workload: SeenWorkload): workload is ReadWorkload {
  return !('problem' in workload)
}
