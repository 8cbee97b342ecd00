import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { type RolloutRecord, readRolloutRecord, rolloutRecordAnnotation } from '#shared/runtime/rollout-record.ts'
import { imagesNamedIn, listCustom, parseCustomKind } from './custom-resources.ts'
import type { ImageCleanerConfig, Settings } from './event.ts'
import { type ImageName, parseImageName } from './image-name.ts'
import type { MissingImage } from './plan-copies.ts'
import { type AskedImage, imagesOfSpec, imagesOfStatus, PodSpec, PodStatus } from './pod-images.ts'
import type { ImageReference } from './references.ts'

/** What one cluster asks for, or why nobody knows. */
export type ObservedUses =
  | {
      readonly id: string
      readonly problem?: undefined
      readonly references: readonly ImageReference[]
      /** Images that a container waits for and cannot get. */
      readonly missing: readonly MissingImage[]
      readonly pods: number
      /** Objects of all kinds that were read. */
      readonly objects: number
      /** `host/namespace/name` of images that come from elsewhere, some of them where there are very many. */
      readonly elsewhere: readonly string[]
    }
  /** `seen` is what could be read of it all the same. */
  | { readonly id: string; readonly problem: string; readonly seen?: readonly ImageReference[] | undefined }

const clustersAtOnce = 8

/** Enough to see by which other names a registry is called. */
const mostElsewhere = 2000

/**
 * Reads from every configured cluster everything that asks for an image, or would if it were scaled up, resumed or rolled back.
 * A cluster of which one list cannot be read has a problem, and what was read of it is only `seen`: half of the truth would look
 * like the whole of it.
 */
export async function observeUses(cloud: CloudReader, config: ObserveUsesConfig, now: number): Promise<readonly ObservedUses[]> {
  const uses: ObservedUses[] = []
  /** The configured kinds that some cluster has. */
  const custom = new Set<string>()
  const waiting = [...config.clusters.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { id, region }] = next
      uses[index] = await observeCluster(kubeReader(cloud, id, region === undefined ? {} : { region }), config.settings, now, custom)
    }
  }
  await Promise.all(Array.from({ length: Math.min(clustersAtOnce, waiting.length) }, work))
  const unknown = config.settings.customResources.find((name) => !custom.has(name))
  if (unknown === undefined || uses.some((one) => one.problem !== undefined)) return uses
  // A misspelt name would protect nothing, for ever.
  const problem = `no cluster has a kind ${unknown}, which is named under \`customResources\`: correct it, or take it away`
  return uses.map((one) => (one.problem === undefined ? { id: one.id, problem, seen: one.references } : one))
}

export interface ObserveUsesConfig extends ImageCleanerConfig {
  readonly clusters: readonly { readonly id: string; readonly region?: string | undefined }[]
  readonly mode?: Mode | undefined
}

interface Kind {
  readonly group: string
  readonly resource: string
  readonly kind: string
  readonly via: ImageReference['via']
  /** Where the pod's spec is. */
  readonly specOf: (object: KubeObject) => unknown
}

function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined
    found = Reflect.get(found, key)
  }
  return found
}

const ofTemplate = (object: KubeObject): unknown => at(object, 'spec', 'template', 'spec')

/** Everything built in that holds the spec of a pod. ReplicaSets and ControllerRevisions are what a rollback goes back to. */
const kinds: readonly Kind[] = [
  { group: '', resource: 'pods', kind: 'Pod', via: 'pod', specOf: (object) => at(object, 'spec') },
  { group: '', resource: 'replicationcontrollers', kind: 'ReplicationController', via: 'workload', specOf: ofTemplate },
  { group: '', resource: 'podtemplates', kind: 'PodTemplate', via: 'pod-template', specOf: (object) => at(object, 'template', 'spec') },
  { group: 'apps', resource: 'deployments', kind: 'Deployment', via: 'workload', specOf: ofTemplate },
  { group: 'apps', resource: 'statefulsets', kind: 'StatefulSet', via: 'workload', specOf: ofTemplate },
  { group: 'apps', resource: 'daemonsets', kind: 'DaemonSet', via: 'workload', specOf: ofTemplate },
  { group: 'apps', resource: 'replicasets', kind: 'ReplicaSet', via: 'replica-set', specOf: ofTemplate },
  {
    group: 'apps',
    resource: 'controllerrevisions',
    kind: 'ControllerRevision',
    via: 'controller-revision',
    specOf: (object) => at(object, 'data', 'spec', 'template', 'spec'),
  },
  { group: 'batch', resource: 'jobs', kind: 'Job', via: 'job', specOf: ofTemplate },
  {
    group: 'batch',
    resource: 'cronjobs',
    kind: 'CronJob',
    via: 'cron-job',
    specOf: (object) => at(object, 'spec', 'jobTemplate', 'spec', 'template', 'spec'),
  },
]

/** What every cluster has; where one of these is not to be listed, something is hidden. */
const required = ['Pod', 'Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job']

async function observeCluster(
  reader: KubeReader,
  { hosts, customResources }: Pick<Settings, 'hosts' | 'customResources'>,
  now: number,
  foundKinds: Set<string>,
): Promise<ObservedUses> {
  const { clusterId: id } = reader
  const own = new Set(hosts.map((host) => host.toLowerCase()))
  const references = new Map<string, ImageReference>()
  const missing: MissingImage[] = []
  const elsewhere = new Set<string>()
  let pods = 0
  let objects = 0
  /** By uid of a workload the images that failed to run in it. */
  const failed = new Map<string, RolloutRecord['failed']>()
  const add = (name: ImageName | undefined, facts: Pick<ImageReference, 'via' | 'object' | 'content' | 'exceptContents'>): void => {
    if (name === undefined) return
    const { repository, tag, digest } = name
    if (!own.has(name.host)) {
      if (elsewhere.size < mostElsewhere) elsewhere.add(`${name.host}/${repository}`)
      return
    }
    const reference: ImageReference = {
      repository,
      ...(tag === undefined ? {} : { tag }),
      ...(digest === undefined ? {} : { digest }),
      ...facts,
      cluster: id,
      seenMs: now,
    }
    // Of a hundred pods of one Deployment one will do. What names a place of its own stays.
    const { via, object, content } = facts
    const key = JSON.stringify([repository, tag, digest, via === 'pod' || via === 'pod-status' ? via : object, content])
    if (!references.has(key)) references.set(key, reference)
  }
  try {
    const served = await servedKinds(reader)
    const lacking = required.filter((name) => !served.some(([{ kind }]) => kind === name))
    if (lacking.length > 0)
      return { id, problem: `${id} does not offer ${lacking.join(', ')} to these credentials, so nobody knows what it uses` }
    for (const [kind, path] of served) {
      const { items } = await reader.list(path)
      objects += items.length
      for (const object of items) {
        if (kind.kind === 'Pod') pods += 1
        const where = `${kind.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`
        const spec = z.safeParse(PodSpec, kind.specOf(object))
        if (!spec.success) {
          // A revision of something that is no workload of pods holds none; anything else without a spec is not understood.
          if (kind.via === 'controller-revision') continue
          return { id, problem: `${where} does not look like one, so nobody knows what it uses`, seen: [...references.values()] }
        }
        const lost = failedIn(object, kind)
        for (const { image, place } of imagesOfSpec(spec.data)) {
          const name = parseImageName(image)
          const exceptContents = lost.flatMap((one) => (one.image === image ? [one.content] : []))
          // What failed here, nobody goes back to.
          if (name?.digest !== undefined && exceptContents.includes(name.digest)) continue
          add(name, { via: kind.via, object: `${where}, ${place}`, ...(exceptContents.length === 0 ? {} : { exceptContents }) })
        }
        addRecord(object, kind, where)
        if (kind.kind === 'Pod') addStatus(object, where, imagesOfSpec(spec.data))
      }
    }
    for (const name of customResources) {
      const listed = await listCustom(reader, parseCustomKind(name))
      if (listed === undefined) continue
      foundKinds.add(name)
      objects += listed.length
      for (const { kind, object } of listed) {
        const where = `${kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`
        for (const image of imagesNamedIn(object, hosts)) add(image, { via: 'custom-resource', object: where })
      }
    }
  } catch (error) {
    if (error instanceof KubeError || error instanceof CloudError) return { id, problem: error.message, seen: [...references.values()] }
    throw error
  }
  return { id, references: [...references.values()], missing, pods, objects, elsewhere: [...elsewhere] }

  /** What of a workload's history failed to run in it; nothing of what still has pods, or is to have some. */
  function failedIn(object: KubeObject, { via }: Kind): RolloutRecord['failed'] {
    if (via !== 'replica-set' && via !== 'controller-revision') return []
    if (via === 'replica-set' && at(object, 'spec', 'replicas') !== 0) return []
    const owners = at(object, 'metadata', 'ownerReferences')
    const owner = Array.isArray(owners) ? owners.find((one) => at(one, 'controller') === true) : undefined
    const uid = at(owner, 'uid')
    return typeof uid === 'string' ? (failed.get(uid) ?? []) : []
  }

  /** What redeploy-hook has written down on a workload: where a way back leads, and what failed. Its history is listed after it. */
  function addRecord({ metadata }: KubeObject, { via }: Kind, where: string): void {
    // A ReplicaSet has a copy of what its Deployment said when it was made.
    if (via !== 'workload' && via !== 'cron-job' && via !== 'job') return
    const text = metadata.annotations?.[rolloutRecordAnnotation]
    if (text === undefined) return
    const record = readRolloutRecord(text)
    const object = `${where}, the way back of its rollout`
    if (record === undefined) {
      for (const image of imagesNamedIn({ text }, hosts)) add(image, { via: 'rollout-record', object })
      return
    }
    for (const { image, content } of record.ways)
      add(parseImageName(image), { via: 'rollout-record', object, ...(content === undefined ? {} : { content }) })
    if (metadata.uid !== undefined && record.failed.length > 0) failed.set(metadata.uid, record.failed)
  }

  function addStatus(pod: KubeObject, where: string, asked: readonly AskedImage[]): void {
    const status = z.safeParse(PodStatus, at(pod, 'status') ?? {})
    if (!status.success) return
    for (const { image, imageId, place, waiting } of imagesOfStatus(status.data)) {
      const wish = asked.find((one) => one.place === place)?.image
      add(parseImageName(completed(imageId, image, wish)), { via: 'pod-status', object: `${where}, ${place}` })
      if (waiting !== 'ErrImagePull' && waiting !== 'ImagePullBackOff') continue
      const wanted = parseImageName(wish ?? image)
      if (wanted === undefined || !own.has(wanted.host)) continue
      const { repository, tag, digest } = wanted
      missing.push({
        repository,
        ...(tag === undefined ? {} : { tag }),
        ...(digest === undefined ? {} : { digest }),
        object: `${where}, ${place}`,
        cluster: id,
        why: waiting,
      })
    }
  }
}

/** An imageID as a name with a digest: some runtimes leave the name out, and say `docker://` in front. */
function completed(imageId: string, image: string, asked: string | undefined): string {
  const digest = /^(?:[a-z][a-z0-9+.-]*:\/\/)?(sha256:[0-9a-f]{64})$/.exec(imageId)?.[1]
  if (digest === undefined) return imageId
  const name = parseImageName(image) ?? (asked === undefined ? undefined : parseImageName(asked))
  return name === undefined ? '' : `${name.host}/${name.repository}@${digest}`
}

/** The paths of all kinds that a cluster serves, each in the version that the cluster prefers. */
async function servedKinds(reader: KubeReader): Promise<readonly (readonly [Kind, string])[]> {
  const groups = [...new Set(kinds.map(({ group }) => group))]
  const found = new Map(await Promise.all(groups.map(async (group) => [group, await reader.discover(group)] as const)))
  return kinds.flatMap((kind) => {
    const versions = found.get(kind.group)?.resources ?? []
    const served = versions.find(({ resource, verbs }) => resource === kind.resource && verbs.includes('list'))
    if (served === undefined) return []
    const { group, resource } = kind
    return [[kind, kubePath({ ...(group === '' ? {} : { group }), version: served.version, resource })] as const]
  })
}
