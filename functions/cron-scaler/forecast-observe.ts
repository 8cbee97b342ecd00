import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeClusterAsGroups } from '#cloud/generated/tke/describe-cluster-as-groups.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { DescribeQuota } from '#cloud/generated/tke/describe-quota.ts'
import type { Cluster } from '#cloud/generated/tke/structures.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { pages } from '#cloud/pages.ts'
import { type Headroom, headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import type { ClusterConfig, ObserveAround } from '#shared/runtime/definition.ts'
import { StoreError } from '#shared/safety/store.ts'
import { readGroupMaxima, readNode, readPod, readWorkload } from './forecast-reading.ts'
import type { ForecastCluster, ForecastView, Known, Network, SeenGroup, SeenWorkload } from './forecast-view.ts'
import type { Observed, ObservedCluster } from './plan.ts'
import { resourceOf } from './target.ts'

/** Of the configuration, what reading needs. */
export interface ForecastScope {
  readonly region: string
  readonly clusters: readonly ClusterConfig[]
}

/** Clusters that are read at the same time; each lists all of its pods. */
const clustersAtOnce = 4

/** Up to this many namespaces of workloads are listed one by one; beyond, the whole cluster at once. */
const namespacesApart = 3

/**
 * Reads what a forecast is made from, of the clusters in which rules or overrides are about something: nodes, pods, the workloads that
 * `observed` has as targets or below them, scaling groups with the autoscaler's bounds, the pods' network, the quota, and what
 * license-meter has left. Reads only. What a cluster refuses becomes a problem of that cluster, what the platform refuses an unknown
 * figure.
 */
export async function observeForecast(
  cloud: CloudReader,
  { region: defaultRegion, clusters }: ForecastScope,
  observed: Observed,
  now: number,
  { memoryOf }: Pick<ObserveAround, 'memoryOf'>,
): Promise<ForecastView> {
  const seen = new Map(observed.clusters.map((one) => [one.id, one]))
  const wanted = clusters.flatMap(({ id, region = defaultRegion }) => {
    const cluster = seen.get(id)
    return cluster === undefined || cluster.targets.length === 0 ? [] : [{ cluster, region }]
  })
  const quotas = new Map<string, Promise<Known<number>>>()
  const found: ForecastCluster[] = []
  const waiting = [...wanted.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { cluster, region }] = next
      const maxNodes = quotas.get(region) ?? readQuota(cloud, region)
      quotas.set(region, maxNodes)
      found[index] = await readCluster(cloud, cluster, { region, maxNodes: await maxNodes, now })
    }
  }
  const [headroom] = await Promise.all([
    recallHeadroom(memoryOf),
    ...Array.from({ length: Math.min(clustersAtOnce, waiting.length) }, work),
  ])
  return { clusters: found, ...(headroom === undefined ? {} : { headroom }) }
}

async function recallHeadroom(memoryOf: ObserveAround['memoryOf']): Promise<Headroom | undefined> {
  try {
    return readHeadroom((await memoryOf?.('license-meter').get(headroomKey))?.value)
  } catch (error) {
    // A store that cannot be read knows nothing, and a forecast says so.
    if (error instanceof StoreError) return undefined
    throw error
  }
}

async function readQuota(cloud: CloudReader, region: string): Promise<Known<number>> {
  return await knownOf(async () => Number((await cloud.send(DescribeQuota, {}, { region })).MaxNodesNum))
}

/** What the platform answers, or why it does not. */
async function knownOf<T>(read: () => Promise<T>): Promise<Known<T>> {
  try {
    return { value: await read() }
  } catch (error) {
    if (error instanceof CloudError || error instanceof KubeError) return { unknown: error.message }
    throw error
  }
}

async function readCluster(
  cloud: CloudReader,
  cluster: ObservedCluster,
  { region, maxNodes, now }: { readonly region: string; readonly maxNodes: Known<number>; readonly now: number },
): Promise<ForecastCluster> {
  const { id } = cluster
  const reader = kubeReader(cloud, id, { region })
  const [row, groups, kubernetes] = await Promise.all([
    readRow(cloud, id, region),
    knownOf(async () => await readGroups(cloud, reader, region, now)),
    knownOf(async () => await readKubernetes(reader, cluster)),
  ])
  const platform = {
    id,
    region,
    groups: 'value' in groups ? groups.value : [],
    network: mapKnown(row, networkOf),
    counted: mapKnown(row, ({ ClusterNodeNum, ClusterMasterNodeNum }) => ({
      value: { workers: Number(ClusterNodeNum), masters: Number(ClusterMasterNodeNum) },
    })),
    maxNodes,
  }
  if ('unknown' in kubernetes) return { ...platform, nodes: [], pods: [], workloads: [], problem: kubernetes.unknown }
  // Nodes that nobody knows to come by themselves would all be missing.
  const problem = 'unknown' in groups ? `its scaling groups cannot be read: ${groups.unknown}` : undefined
  return { ...platform, ...kubernetes.value, ...(problem === undefined ? {} : { problem }) }
}

function mapKnown<T, U>(known: Known<T>, map: (value: T) => Known<U>): Known<U> {
  return 'value' in known ? map(known.value) : known
}

async function readRow(cloud: CloudReader, id: string, region: string): Promise<Known<Cluster>> {
  const answer = await knownOf(async () => await cloud.send(DescribeClusters, { ClusterIds: [id] }, { region }))
  return mapKnown(answer, ({ Clusters }) => {
    const row = Clusters.find(({ ClusterId }) => ClusterId === id)
    return row === undefined ? { unknown: `the platform knows no cluster ${id} in ${region}` } : { value: row }
  })
}

async function readKubernetes(
  reader: KubeReader,
  cluster: ObservedCluster,
): Promise<Pick<ForecastCluster, 'nodes' | 'pods' | 'workloads'>> {
  const wanted = workloadsOf(cluster)
  const [nodes, pods, deployments, statefulSets] = await Promise.all([
    reader.list(kubePath({ version: 'v1', resource: 'nodes' })),
    reader.list(kubePath({ version: 'v1', resource: 'pods' }), { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' }),
    listWorkloads(reader, wanted, 'Deployment'),
    listWorkloads(reader, wanted, 'StatefulSet'),
  ])
  return {
    nodes: nodes.items.flatMap((one) => readNode(one) ?? []),
    pods: pods.items.flatMap((one) => readPod(one) ?? []),
    workloads: [...deployments, ...statefulSets],
  }
}

type Wanted = Pick<SeenWorkload, 'kind' | 'namespace' | 'name'>

/** The workloads that rules size, by themselves or through their autoscalers. */
function workloadsOf({ targets, autoscalers }: ObservedCluster): readonly Wanted[] {
  return targets.flatMap(({ kind, namespace, name }): Wanted[] => {
    if (kind !== 'HorizontalPodAutoscaler') return [{ kind, namespace, name }]
    const sized = autoscalers.find((one) => one.namespace === namespace && one.name === name)?.workload
    return sized?.kind === 'Deployment' || sized?.kind === 'StatefulSet' ? [{ kind: sized.kind, namespace, name: sized.name }] : []
  })
}

async function listWorkloads(reader: KubeReader, wanted: readonly Wanted[], kind: Wanted['kind']): Promise<readonly SeenWorkload[]> {
  const own = wanted.filter((one) => one.kind === kind)
  const names = new Set(own.map(({ namespace, name }) => `${namespace}/${name}`))
  const namespaces = [...new Set(own.map(({ namespace }) => namespace))].toSorted()
  const paths: readonly (string | undefined)[] = namespaces.length > namespacesApart ? [undefined] : namespaces
  const lists = await Promise.all(paths.map((namespace) => reader.list(kubePath({ ...resourceOf(kind), namespace }))))
  return lists.flatMap(({ items }) =>
    items.flatMap((one: KubeObject) =>
      names.has(`${one.metadata.namespace ?? ''}/${one.metadata.name}`) ? (readWorkload(one, kind) ?? []) : [],
    ),
  )
}

async function readGroups(cloud: CloudReader, reader: KubeReader, region: string, now: number): Promise<readonly SeenGroup[]> {
  const [rows, maxima] = await Promise.all([
    pages(cloud, DescribeClusterAsGroups, { ClusterId: reader.clusterId }, { region }),
    readMaxima(reader, now),
  ])
  return rows.map(({ AutoScalingGroupId: id, Status }): SeenGroup => {
    const growsTo = /^(?:disabl|delet)/.test(Status) ? undefined : maxima.get(id)
    return { id, ...(growsTo === undefined ? {} : { growsTo }) }
  })
}

const StatusMap = z.object({ data: z.nullish(z.object({ status: z.nullish(z.string()) })) })

/** What the cluster autoscaler last said of its groups; nothing where there never was one, or where it says nothing any more. */
async function readMaxima(reader: KubeReader, now: number): Promise<ReadonlyMap<string, number>> {
  try {
    const path = kubePath({ version: 'v1', resource: 'configmaps', namespace: 'kube-system', name: 'cluster-autoscaler-status' })
    const object = await reader.get(path)
    return readGroupMaxima(z.safeParse(StatusMap, object).data?.data?.status ?? '', object.metadata.annotations ?? {}, now)
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return new Map()
    throw error
  }
}

const Property = z.object({ NetworkType: z.nullish(z.string()) })

/** From where the cluster's pods get their addresses. */
function networkOf({ ClusterNetworkSettings: settings, Property: property }: Cluster): Known<Network> {
  if (networkType(property) === 'VPC-CNI') return { value: { kind: 'subnets' } }
  const block = settings.ClusterCIDR
  const prefix = /^\d{1,3}(?:\.\d{1,3}){3}\/(\d{1,2})$/.exec(block)?.[1]
  const perNode = Number(settings.MaxNodePodNum ?? 0)
  if (prefix === undefined || Number(prefix) > 32 || !(perNode > 0)) {
    return { unknown: `the platform says "${block}" with ${perNode} pods a node` }
  }
  const addresses = 2 ** (32 - Number(prefix))
  return { value: { kind: 'slices', block, addresses, perNode, forServices: Number(settings.MaxClusterServiceNum ?? 0) } }
}

function networkType(property: string | null): string | undefined {
  try {
    return z.safeParse(Property, JSON.parse(property ?? '{}')).data?.NetworkType ?? undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
