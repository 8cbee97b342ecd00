import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeApplicationTriggerPersonal } from '#cloud/generated/tcr/describe-application-trigger-personal.ts'
import { DescribeImageLifecycleGlobalPersonal } from '#cloud/generated/tcr/describe-image-lifecycle-global-personal.ts'
import { DescribeImageLifecyclePersonal } from '#cloud/generated/tcr/describe-image-lifecycle-personal.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeRepositoryOwnerPersonal } from '#cloud/generated/tcr/describe-repository-owner-personal.ts'
import type { AutoDelStrategyInfoResp, TagInfo, TriggerResp } from '#cloud/generated/tcr/structures.ts'
import { CollectAllCore } from '#cloud/generated/tke/collect-all-core.ts'
import { DescribeQuota } from '#cloud/generated/tke/describe-quota.ts'
import { QueryOverage } from '#cloud/generated/tke/query-overage.ts'
import { KubeError } from '#cloud/kube.ts'
import { pages } from '#cloud/pages.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import type { Settings as LicenceSettings } from '#functions/license-meter/event.ts'
import { numberOf } from '#shared/licence/decimal.ts'
import { clip } from '#shared/pure/clip.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import { type Note, readCluster } from './read-cluster.ts'
import {
  readable,
  type Snapshot,
  type SnapshotLicence,
  type SnapshotRepository,
  type SnapshotTrigger,
  snapshotFormat,
  snapshotVersion,
} from './snapshot.ts'
import { byName, instantOf, seenTime } from './snapshot-order.ts'

export interface TakeOptions {
  /** Only ever asked to read. */
  readonly cloud: CloudReader
  readonly config: Config
  readonly source: Snapshot['source']
  /** Epoch milliseconds. */
  readonly now: number
  /** Takes what is secret out of a text; what the platform says of a call that it refuses may quote anything. */
  readonly redact?: (text: string) => string
  /** Aborted when nobody wants the picture any more: then it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Told what is read next, for people who wait. */
  readonly onProgress?: (text: string) => void
}

/** So many characters of what the platform said are kept. */
const mostProblem = 2_000

/** What nobody finds in a snapshot, for whoever has to say whether it may leave the house. */
export const whatIsLeftOut: readonly string[] = [
  'Secrets, and the names of those that pull images',
  'ConfigMaps, except the leases of alarm-scaler, the status of the cluster autoscaler and the key of the kill switch',
  'commands, arguments, environment, probes, ports, volumes and security settings of containers',
  'annotations, except those of Longshore and a few that Kubernetes or its autoscalers go by',
  'user scripts and passwords of machines, endpoints, log and audit settings, charts',
  'Events, Services, logs, metrics, the list of managers of fields, and objects that are being deleted',
  'what Longshore itself remembers: journal, ledger, past samples of the licence, what it has seen of the registry',
]

/**
 * Takes a picture of what a configuration names, with calls that only read. What cannot be read becomes a problem in the picture and
 * stops nothing else; a cluster that cannot be read at all is not in it. The order of everything is fixed.
 */
export async function takeSnapshot(options: TakeOptions): Promise<Snapshot> {
  const { cloud, config, source, now, onProgress, signal, redact = (text: string) => text } = options
  const problems: { where: string; text: string }[] = []
  const note: Note = (where, error) => {
    // A call that was broken off says nothing of the platform.
    signal?.throwIfAborted()
    if (!(typeof error === 'string' || error instanceof CloudError || error instanceof KubeError)) throw error
    problems.push({ where: clip(where), text: clip(redact(typeof error === 'string' ? error : error.message), mostProblem) })
  }
  const region = config.platform.region ?? ''
  const clusters: Snapshot['clusters'] = []
  for (const cluster of config.clusters) {
    onProgress?.(`cluster ${cluster.name ?? cluster.id}`)
    const read = await readCluster({ cloud, config, cluster: { ...cluster, region: cluster.region ?? region }, note })
    if (read !== undefined) clusters.push(read)
  }
  const regions = [...new Set([region, ...clusters.map((cluster) => cluster.region)])].filter((one) => one !== '').toSorted()
  const { settings } = await functionConfig(config, licenseMeter)
  const quotas: Snapshot['quotas'] = []
  const licence: SnapshotLicence[] = []
  for (const one of regions) {
    onProgress?.(`quota and licence of ${one}`)
    const send: SendOptions = one === region ? {} : { region: one }
    try {
      const { MaxClustersNum, MaxNodesNum } = await cloud.send(DescribeQuota, {}, send)
      quotas.push({ region: one, clusters: Number(MaxClustersNum), nodesPerCluster: Number(MaxNodesNum) })
    } catch (error) {
      note(`quota of ${one}`, error)
    }
    const found = await readLicence(cloud, one, send, settings, note)
    if (found !== undefined) licence.push(found)
  }
  onProgress?.('registry')
  const registry = await readRegistry(cloud, note)
  return readable({
    format: snapshotFormat,
    version: snapshotVersion,
    source,
    takenAt: instantOf(now),
    region,
    pseudonyms: false,
    leftOut: [...whatIsLeftOut],
    problems: problems.toSorted((one, other) => byName(one.where, other.where)),
    passMeans: settings.passMeans === 'ok' ? 'within' : 'over',
    quotas,
    licence,
    clusters: clusters.toSorted((one, other) => byName(one.id, other.id)),
    registry,
  })
}

async function readLicence(
  cloud: CloudReader,
  region: string,
  send: SendOptions,
  settings: LicenceSettings,
  note: Note,
): Promise<SnapshotLicence | undefined> {
  try {
    const report = await cloud.send(CollectAllCore, {}, send)
    const cores = report.Data.map(({ ProductId, UsageValue }) => ({ product: ProductId, cores: Number(UsageValue) || 0 }))
    const entitledCores = entitledTo(settings, region, cores)
    const { Pass } = await cloud.send(QueryOverage, {}, send)
    const { passMeans } = settings
    return {
      region,
      version: report.Version,
      unit: report.Data[0]?.UsageUnit ?? 'core',
      ...(passMeans === undefined ? {} : { over: (Pass === 'true') === (passMeans === 'over') }),
      cores: cores.toSorted((one, other) => byName(one.product, other.product)),
      ...(entitledCores === undefined ? {} : { entitledCores }),
    }
  } catch (error) {
    note(`licence of ${region}`, error)
    return undefined
  }
}

/** The least that the configuration says is paid for of what the platform counts; undefined where it says nothing, or that all is free. */
function entitledTo(settings: LicenceSettings, region: string, cores: SnapshotLicence['cores']): number | undefined {
  const own = settings.entitlements.filter(
    (one) =>
      (one.region === undefined || matchesGlob(one.region, region)) && cores.some(({ product }) => matchesGlob(one.product, product)),
  )
  const limits = [...Map.groupBy(own, ({ product }) => product).values()].flatMap((entries) => {
    const amounts = entries.flatMap((one) => (one.cores === 'unlimited' ? [] : [numberOf(one.cores)]))
    return amounts.length < entries.length ? [] : [amounts.reduce((sum, amount) => sum + amount, 0)]
  })
  return limits.length === 0 ? undefined : Math.min(...limits)
}

/** Repositories whose tags are read at the same time; the client keeps to the published rate whatever this is. */
const repositoriesAtOnce = 8

async function readRegistry(cloud: CloudReader, note: Note): Promise<Snapshot['registry']> {
  const repositories: SnapshotRepository[] = []
  const triggers: SnapshotTrigger[] = []
  try {
    const rows = await pages(cloud, DescribeRepositoryOwnerPersonal, {})
    const hasTriggers = (await pages(cloud, DescribeApplicationTriggerPersonal, {})).length > 0
    const waiting = rows.values()
    const read = async (): Promise<void> => {
      for (const { RepoName: name, Public, CreationTime } of waiting) {
        try {
          const tags = await pages(cloud, DescribeImagePersonal, { RepoName: name })
          const lifecycle = lifecycleOf((await cloud.send(DescribeImageLifecyclePersonal, { RepoName: name })).Data, name)
          if (hasTriggers) triggers.push(...(await triggersOf(cloud, name)))
          repositories.push({
            name,
            public: Number(Public) === 1,
            createdAt: timeOf(CreationTime),
            ...(lifecycle === undefined ? {} : { lifecycle }),
            tags: tags.map(tagOf).toSorted((one, other) => byName(one.name, other.name)),
          })
        } catch (error) {
          note(`repository ${name}`, error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(repositoriesAtOnce, rows.length) }, read))
    const lifecycle = lifecycleOf((await cloud.send(DescribeImageLifecycleGlobalPersonal, {})).Data, undefined)
    return { ...(lifecycle === undefined ? {} : { lifecycle }), ...sorted(repositories, triggers) }
  } catch (error) {
    note('registry', error)
    return sorted(repositories, triggers)
  }
}

function sorted(
  repositories: readonly SnapshotRepository[],
  triggers: readonly SnapshotTrigger[],
): { repositories: SnapshotRepository[]; triggers: SnapshotTrigger[] } {
  return {
    repositories: repositories.toSorted((one, other) => byName(one.name, other.name)),
    triggers: triggers.toSorted((one, other) => byName(one.name, other.name)),
  }
}

function tagOf(row: TagInfo): SnapshotRepository['tags'][number] {
  return {
    name: row.TagName,
    digest: row.TagId,
    image: row.ImageId,
    bytes: Math.max(0, Math.trunc(Number(row.SizeByte) || 0)),
    pushedAt: timeOf(row.PushTime),
    updatedAt: timeOf(row.UpdateTime),
    builtAt: timeOf(row.CreationTime),
    architecture: row.Architecture ?? '',
    os: row.OS ?? '',
  }
}

/** A time as the registry writes it; the beginning of time where it cannot be read. */
function timeOf(text: string | null): string {
  return instantOf(seenTime(text) ?? 0)
}

function lifecycleOf({ StrategyInfo }: AutoDelStrategyInfoResp, repository: string | undefined): SnapshotRepository['lifecycle'] {
  const found = (StrategyInfo ?? []).find((one) => repository === undefined || one.RepoName === repository)
  const type = found?.Type.replace(/^global_/, '')
  return found !== undefined && (type === 'keep_last_days' || type === 'keep_last_nums') ? { type, value: Number(found.Value) } : undefined
}

async function triggersOf(cloud: CloudReader, repository: string): Promise<readonly SnapshotTrigger[]> {
  return (await pages(cloud, DescribeApplicationTriggerPersonal, { RepoName: repository })).flatMap((row) => triggerOf(row, repository))
}

function triggerOf(row: TriggerResp, repository: string): readonly SnapshotTrigger[] {
  const { InvokeCondition: condition, InvokePara: place } = row
  const method = (['all', 'taglist', 'regex'] as const).find((one) => one === condition?.InvokeMethod)
  if (row.TriggerName === null || method === undefined) return []
  return [
    {
      name: row.TriggerName,
      repository,
      method,
      expression: condition?.InvokeExpr ?? '',
      cluster: place?.ClusterId ?? '',
      namespace: place?.Namespace ?? '',
      workload: place?.ServiceName ?? '',
      container: place?.ContainerName ?? '',
      createdAt: timeOf(row.CreateTime),
      updatedAt: timeOf(row.UpdateTime),
    },
  ]
}
