/** Something that asks for an image, or would. */
export interface ImageReference {
  /** `namespace/name`, without the registry's host. */
  readonly repository: string
  readonly tag?: string | undefined
  /** `sha256:…` where it is named by content. */
  readonly digest?: string | undefined
  /** As the registry names it, where somebody has written that down; unlike a digest it may be gone, and then nothing is to be kept for it. */
  readonly content?: string | undefined
  /** Contents that it does not ask for, whatever its name stands for: they failed to run there. */
  readonly exceptContents?: readonly string[] | undefined
  /** What kind of place it was found in. Only `pod-status` is a report of the past; the rest is what will be pulled. */
  readonly via:
    | 'pod'
    | 'pod-status'
    | 'replica-set'
    | 'controller-revision'
    | 'workload'
    | 'job'
    | 'cron-job'
    | 'pod-template'
    | 'custom-resource'
    | 'trigger'
    | 'rollout-record'
    | 'deployment'
  /** Id of the cluster. */
  readonly cluster: string
  /** For people: `Deployment prod/web, container app`. */
  readonly object: string
  /** When it was seen last, epoch milliseconds. Before the run: from memory. */
  readonly seenMs: number
}

/** Why nothing of a repository may be removed. */
export interface Frozen {
  readonly code: 'cluster-unreadable' | 'breaker' | 'references-incomplete'
  readonly text: string
}
