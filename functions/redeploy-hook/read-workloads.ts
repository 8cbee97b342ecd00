import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import type { RedeployConfig } from './event.ts'
import { contentAnnotation, recordFor, type SetImage } from './record.ts'
import { hopelessPodOf, rolloutOf } from './rollout.ts'
import { isRead, type ReadWorkload, type RolloutStatus, refName, type SeenWorkload, type WorkloadRef } from './workload.ts'
import { jobPath, pathOf, regionOf } from './workload-path.ts'
import { type LiveWorkload, workloadOf } from './workload-reading.ts'

/** What a cluster's nodes and service accounts were when somebody looked; for looks that should cost few calls. */
export const ClusterFacts = z.strictObject({
  format: z.literal(2),
  /** Epoch milliseconds. */
  atMs: z.number(),
  /** By node selector, as `selectorKey` writes it: of the nodes that it leaves; null where nobody could tell. */
  architectures: z.record(z.string(), z.nullable(z.array(z.string()))),
  /** By `namespace/name`: whether it brings a pull secret; null where nobody could tell. */
  accounts: z.record(z.string(), z.nullable(z.boolean())),
})

export type ClusterFacts = z.infer<typeof ClusterFacts>

/** Key of a cluster's facts in the memory. */
export function factsKey(cluster: string): string {
  return `cluster/${cluster}`
}

/** Facts older than this are looked at again. */
const factsForMs = 60 * 60_000

/** Pods of what was put there so long ago are not looked at any more, however its workload is. No soak time is longer. */
const freshForMs = 7 * 24 * 60 * 60_000

/** Workloads of one cluster that are read at the same time. */
const readAtOnce = 8

export interface WorkloadsReading {
  readonly workloads: readonly SeenWorkload[]
  /** By cluster, where something new is to be remembered. */
  readonly facts: ReadonlyMap<string, ClusterFacts>
}

/**
 * Reads workloads, each with how far its rollout is. One that is rolling costs a look at its pods as well: they tell earlier than
 * the workload that a rollout is hopeless. A cluster or workload that cannot be read becomes a problem of its own; the others go on.
 */
export async function readWorkloads(
  cloud: CloudReader,
  refs: readonly WorkloadRef[],
  config: RedeployConfig,
  around: { readonly memory: MemoryReader; readonly now: number },
): Promise<WorkloadsReading> {
  const workloads = new Map<string, SeenWorkload>()
  const facts = new Map<string, ClusterFacts>()
  const perCluster = [...Map.groupBy(refs, ({ cluster }) => cluster)]
  await Promise.all(
    perCluster.map(async ([cluster, own]) => {
      const reader = new ClusterReading(kubeReader(cloud, cluster, regionOf(cluster, config)), around.now)
      const remembered = await around.memory.get(factsKey(cluster))
      reader.remembered(z.safeParse(ClusterFacts, remembered?.value).data)
      const waiting = own.values()
      const read = async (): Promise<void> => {
        for (const ref of waiting) workloads.set(refName(ref), await reader.workload(ref))
      }
      await Promise.all(Array.from({ length: Math.min(readAtOnce, own.length) }, read))
      const found = reader.news()
      if (found !== undefined) facts.set(cluster, found)
    }),
  )
  return { workloads: refs.flatMap((ref) => workloads.get(refName(ref)) ?? []), facts }
}

/** Workloads of which only the pods can tell what they run, asked for that. The others stay as they are. */
export async function withRunning(
  cloud: CloudReader,
  workloads: readonly SeenWorkload[],
  refs: readonly WorkloadRef[],
  config: RedeployConfig,
  now: number,
): Promise<readonly SeenWorkload[]> {
  const wanted = new Set(refs.map(refName))
  const readers = new Map<string, ClusterReading>()
  const found = new Map<string, SeenWorkload>()
  // A CronJob has no pods of its own.
  const waiting = workloads.filter(isRead).filter(({ ref }) => wanted.has(refName(ref)) && ref.kind !== 'CronJob')
  const next = waiting.values()
  const read = async (): Promise<void> => {
    for (const workload of next) {
      const { cluster } = workload.ref
      const reader = readers.get(cluster) ?? new ClusterReading(kubeReader(cloud, cluster, regionOf(cluster, config)), now)
      readers.set(cluster, reader)
      found.set(refName(workload.ref), await reader.withRunning(workload))
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAtOnce, waiting.length) }, read))
  return workloads.map((workload) => found.get(refName(workload.ref)) ?? workload)
}

const PodContents = z.object({
  status: z.optional(
    z.nullable(
      z.object({
        containerStatuses: z.optional(z.nullable(z.array(z.object({ name: z.string(), imageID: z.optional(z.nullable(z.string())) })))),
        initContainerStatuses: z.optional(z.nullable(z.array(z.object({ name: z.string(), imageID: z.optional(z.nullable(z.string())) })))),
      }),
    ),
  ),
})

const Node = z.object({
  metadata: z.object({ labels: z.optional(z.nullable(z.record(z.string(), z.string()))) }),
  status: z.optional(z.nullable(z.object({ nodeInfo: z.optional(z.nullable(z.object({ architecture: z.optional(z.string()) }))) }))),
})

const ServiceAccount = z.object({ imagePullSecrets: z.optional(z.nullable(z.array(z.unknown()))) })

interface ReadNode {
  readonly architecture: string
  readonly labels: Readonly<Record<string, string>>
}

/** Reads what is in one cluster. */
class ClusterReading {
  readonly #kube: KubeReader
  readonly #now: number
  #facts: ClusterFacts | undefined
  #isNews = false
  #nodes: Promise<readonly ReadNode[] | undefined> | undefined
  readonly #accounts = new Map<string, Promise<boolean | undefined>>()

  constructor(kube: KubeReader, now: number) {
    this.#kube = kube
    this.#now = now
  }

  remembered(facts: ClusterFacts | undefined): void {
    const isFresh = facts !== undefined && facts.atMs <= this.#now && this.#now - facts.atMs < factsForMs
    this.#facts = isFresh ? facts : undefined
  }

  news(): ClusterFacts | undefined {
    return this.#isNews ? this.#facts : undefined
  }

  async workload(ref: WorkloadRef): Promise<SeenWorkload> {
    try {
      const path = await pathOf(ref, this.#kube)
      const live = workloadOf(await this.#kube.get(path), ref)
      if (live === undefined) {
        return { ref, problem: { code: 'workload-unreadable', text: `${refName(ref)} does not look like a ${ref.kind}` } }
      }
      return await this.#looked(live)
    } catch (error) {
      if (error instanceof KubeError && error.kind === 'kube.not-found') {
        const text = `there is no ${ref.kind} ${ref.name} in namespace ${ref.namespace} of ${ref.cluster}`
        return { ref, problem: { code: 'workload-missing', text } }
      }
      if (!(error instanceof KubeError || error instanceof CloudError)) throw error
      return { ref, problem: { code: 'cluster-unreadable', text: error.message } }
    }
  }

  /** What takes more than the object itself. */
  async #looked(live: LiveWorkload): Promise<ReadWorkload> {
    const { annotations: _annotations, template, matchLabels, ...workload } = live
    const rollout = await this.#rolloutOf(live)
    const architectures = await this.#architecturesFor(template.nodeSelector)
    const hasPullSecrets = template.namesPullSecrets || (await this.#accountHasSecret(live.ref.namespace, template.serviceAccount))
    return {
      ...workload,
      rollout,
      ...(architectures === undefined ? {} : { nodeArchitectures: architectures }),
      ...(hasPullSecrets === undefined ? {} : { hasPullSecrets }),
    }
  }

  async #rolloutOf({ ref, rollout, record, containers, matchLabels }: LiveWorkload): Promise<RolloutStatus> {
    const jobs = containers.flatMap(({ name }) => recordFor(record, name).set?.job ?? [])
    const job = jobs.at(-1)
    if (job !== undefined && (ref.kind === 'Job' || ref.kind === 'CronJob')) return await this.#jobRollout(ref.namespace, job)
    const isOurs = containers.some(({ name }) => this.#isFresh(recordFor(record, name).set))
    if (rollout.kind !== 'progressing' || !isOurs || Object.keys(matchLabels).length === 0) return rollout
    const marks = containers.flatMap(({ name, contentMark }) => (contentMark === undefined ? [] : [[contentAnnotation(name), contentMark]]))
    const images = Object.fromEntries(containers.map(({ name, image }) => [name, image]))
    const pods = await this.#pods(ref.namespace, matchLabels)
    return hopelessPodOf(pods, { images, annotations: Object.fromEntries(marks) }) ?? rollout
  }

  /** On its way, or well only for a while: it may still turn out to be bad. */
  #isFresh(set: SetImage | undefined): boolean {
    return set?.state === 'rolling' || (set?.state === 'done' && this.#now - (set.doneMs ?? 0) < freshForMs)
  }

  /** Of the copy of a Job, or of the run of a CronJob that was started for an image. */
  async #jobRollout(namespace: string, name: string): Promise<RolloutStatus> {
    try {
      const job = await this.#kube.get(jobPath(namespace, name, this.#kube))
      return rolloutOf(job, 'Job') ?? { kind: 'failed', code: 'job-unreadable', text: `Job ${name} does not look like one` }
    } catch (error) {
      if (!(error instanceof KubeError) || error.kind !== 'kube.not-found') throw error
      return { kind: 'failed', code: 'job-missing', text: `Job ${name}, which was started for the image, is not there any more` }
    }
  }

  /** The same workload with the contents that its pods report. */
  async withRunning(workload: ReadWorkload): Promise<SeenWorkload> {
    const { ref } = workload
    try {
      const live = workloadOf(await this.#kube.get(await pathOf(ref, this.#kube)), ref)
      if (live === undefined || Object.keys(live.matchLabels).length === 0) return workload
      const running = runningIn(await this.#pods(ref.namespace, live.matchLabels))
      return { ...workload, containers: workload.containers.map((one) => ({ ...one, running: running.get(one.name) ?? [] })) }
    } catch (error) {
      if (!(error instanceof KubeError || error instanceof CloudError)) throw error
      return { ref, problem: { code: 'cluster-unreadable', text: error.message } }
    }
  }

  async #pods(namespace: string, matchLabels: Readonly<Record<string, string>>): Promise<readonly KubeObject[]> {
    const labelSelector = Object.entries(matchLabels)
      .map(([name, value]) => `${name}=${value}`)
      .join(',')
    const path = kubePath({ version: 'v1', resource: 'pods', namespace }, this.#kube.clusterId)
    return (await this.#kube.list(path, { labelSelector })).items
  }

  /** Architectures of the nodes that a selector leaves; undefined where nobody may list nodes. */
  async #architecturesFor(selector: Readonly<Record<string, string>>): Promise<readonly string[] | undefined> {
    const key = selectorKey(selector)
    const known = this.#facts?.architectures[key]
    if (known !== undefined) return known ?? undefined
    this.#nodes ??= this.#readNodes()
    const nodes = await this.#nodes
    const own = (nodes ?? []).filter(({ labels }) => Object.entries(selector).every(([name, value]) => labels[name] === value))
    const found =
      nodes === undefined || nodes.length === 0 ? undefined : [...new Set(own.map(({ architecture }) => architecture))].toSorted()
    this.#learn({ architectures: [key, found ?? null] })
    return found
  }

  async #readNodes(): Promise<readonly ReadNode[] | undefined> {
    const items = await this.#unlessForbidden(async () => {
      const path = kubePath({ version: 'v1', resource: 'nodes' }, this.#kube.clusterId)
      return (await this.#kube.list(path)).items
    })
    return items?.flatMap((item) => {
      const node = z.safeParse(Node, item).data
      const architecture = node?.status?.nodeInfo?.architecture
      return architecture === undefined || architecture === '' ? [] : [{ architecture, labels: node?.metadata.labels ?? {} }]
    })
  }

  async #accountHasSecret(namespace: string, name: string): Promise<boolean | undefined> {
    const key = `${namespace}/${name}`
    const known = this.#facts?.accounts[key]
    if (known !== undefined) return known ?? undefined
    const reading = this.#accounts.get(key) ?? this.#readAccount(namespace, name)
    this.#accounts.set(key, reading)
    const found = await reading
    this.#learn({ account: [key, found ?? null] })
    return found
  }

  async #readAccount(namespace: string, name: string): Promise<boolean | undefined> {
    return await this.#unlessForbidden(async () => {
      const path = kubePath({ version: 'v1', resource: 'serviceaccounts', namespace, name }, this.#kube.clusterId)
      const account = z.safeParse(ServiceAccount, await this.#kube.get(path)).data
      return (account?.imagePullSecrets ?? []).length > 0
    })
  }

  #learn({
    architectures,
    account,
  }: {
    readonly architectures?: readonly [string, string[] | null]
    readonly account?: readonly [string, boolean | null]
  }): void {
    const before = this.#facts ?? { format: 2, atMs: this.#now, architectures: {}, accounts: {} }
    this.#facts = {
      ...before,
      architectures: { ...before.architectures, ...(architectures === undefined ? {} : Object.fromEntries([architectures])) },
      accounts: { ...before.accounts, ...(account === undefined ? {} : Object.fromEntries([account])) },
    }
    this.#isNews = true
  }

  /** What only helps to warn is done without where it may not be read. */
  async #unlessForbidden<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (error instanceof KubeError && (error.kind === 'kube.forbidden' || error.kind === 'kube.not-found')) return undefined
      throw error
    }
  }
}

/** Contents by container, as its pods report them. Some runtimes report no digest; then the pod says nothing. */
function runningIn(pods: readonly KubeObject[]): ReadonlyMap<string, readonly string[]> {
  const running = new Map<string, Set<string>>()
  for (const pod of pods) {
    const { status } = z.safeParse(PodContents, pod).data ?? {}
    for (const { name, imageID } of [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])]) {
      // Without a repository before it, it is the id of the image on the node, which no registry knows.
      const content = /@(sha256:[0-9a-f]{64})$/.exec(imageID ?? '')?.[1]
      if (content !== undefined) running.set(name, (running.get(name) ?? new Set()).add(content))
    }
  }
  return new Map([...running].map(([name, contents]) => [name, [...contents].toSorted()]))
}

function selectorKey(selector: Readonly<Record<string, string>>): string {
  return Object.entries(selector)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join(',')
}
