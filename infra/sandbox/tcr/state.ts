/** The host under which clusters pull images of the personal registry. */
export const registryServer = 'ccr.ccs.tencentyun.com'

/** The state of the image registry: plain JSON, times in epoch milliseconds, nothing undefined. Look-ups go through `lookUp`. */
export interface TcrState {
  /** Who has a login of the personal registry, by account (uin). */
  readonly users: { [uin: string]: TcrUser }
  /** Namespaces of all accounts: a name exists once on the platform. */
  readonly namespaces: { [name: string]: TcrNamespace }
  /** By full name, `namespace/name`. */
  readonly repositories: { [repoName: string]: TcrRepository }
  /** Full names of the repositories an account has starred, oldest first. */
  readonly favourites: { [uin: string]: string[] }
  /** The clean-up policy over all repositories of an account. */
  readonly globalLifecycles: { [uin: string]: TcrLifecycle }
  readonly triggers: { [triggerName: string]: TcrTrigger }
  /** What triggers did, oldest first; the oldest are dropped beyond `triggerLogLimit`. */
  readonly triggerLog: TcrTriggerLogEntry[]
  readonly limits: TcrLimits
  /** Enterprise instances, by registry id. */
  readonly instances: { [registryId: string]: TcrInstance }
  /** The row number the next pushed tag gets. */
  nextTagRow: number
  /** When the daily clean-up last ran; 0 before the first advance, which only starts the count. */
  lifecycleRanAt: number
}

export interface TcrUser {
  readonly createdAt: number
  /** SHA-256 of the password, hex: the state may be dumped, a password may not. */
  passwordHash: string
}

export interface TcrNamespace {
  /** Account (uin) it belongs to. */
  readonly owner: string
  readonly createdAt: number
}

export interface TcrRepository {
  readonly createdAt: number
  updatedAt: number
  public: boolean
  description: string
  pullCount: number
  /** Stars of other accounts; the account's own is in `favourites`. */
  foreignFavourites: number
  lifecycle: TcrLifecycle | null
  readonly tags: { [tag: string]: TcrTag }
}

/** What a tag points at. Equal contents have equal ids, whichever repository they are in. */
export interface TcrContent {
  /** Digest of the manifest, `sha256:…`: what the API calls TagId and what pods report in their imageID. */
  readonly digest: string
  /** Digest of the image's configuration, `sha256:…`: what `docker images` shows. */
  readonly imageId: string
  readonly sizeBytes: number
  /** When the image was built, which may be long before it was pushed. */
  readonly builtAt: number
  readonly author: string
  readonly architecture: string
  readonly os: string
  readonly dockerVersion: string
  /** The registry has it, and no node can pull it. */
  readonly broken?: true
}

export interface TcrTag {
  readonly row: number
  readonly content: TcrContent
  readonly pushedAt: number
  readonly updatedAt: number
}

export type TcrLifecycleType = 'keep_last_days' | 'keep_last_nums'

export interface TcrLifecycle {
  readonly type: TcrLifecycleType
  readonly value: number
  readonly createdAt: number
}

export type TcrInvokeMethod = 'all' | 'taglist' | 'regex'

export type TcrWorkloadType = 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'CronJob' | 'Job'

export interface TcrTrigger {
  readonly owner: string
  readonly repoName: string
  readonly invokeMethod: TcrInvokeMethod
  readonly invokeExpr: string
  readonly clusterId: string
  readonly namespace: string
  readonly workloadType: TcrWorkloadType
  readonly workloadName: string
  readonly containerName: string
  readonly clusterRegion: number
  readonly createdAt: number
  readonly updatedAt: number
}

export interface TcrTriggerLogEntry {
  readonly triggerName: string
  readonly tag: string
  readonly invokedAt: number
  /** 0 when the workload was updated, else the HTTP status the cluster answered. */
  readonly returnCode: number
  readonly returnMsg: string
  /** The trigger as it was then. */
  readonly trigger: TcrTrigger
}

/** Quotas of one account. Writable: a test that needs more raises them. */
export interface TcrLimits {
  namespace: number
  repo: number
  /** Tags in one repository. */
  tag: number
  triggers: number
  /** Enterprise instances. */
  instances: number
}

export interface TcrInstance {
  readonly owner: string
  readonly name: string
  readonly type: string
  readonly createdAt: number
  /** When it turns from Pending to Running. */
  readonly runningAt: number
  status: 'Pending' | 'Running'
}

/** Log entries kept. */
export const triggerLogLimit = 10_000

/** An empty registry in which nobody is registered. Quotas are those the platform starts an account with. */
export function createTcrState(): TcrState {
  return {
    users: {},
    namespaces: {},
    repositories: {},
    favourites: {},
    globalLifecycles: {},
    triggers: {},
    triggerLog: [],
    limits: { namespace: 10, repo: 500, tag: 500, triggers: 10, instances: 10 },
    instances: {},
    nextTagRow: 1,
    lifecycleRanAt: 0,
  }
}

/** The entry of a map under a name that a stranger chose: `constructor` and `__proto__` are not found in an empty one. */
export function lookUp<V>(map: { readonly [key: string]: V }, key: string): V | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined
}
