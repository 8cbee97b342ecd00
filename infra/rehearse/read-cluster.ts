import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { DescribeClusterAsGroupOption } from '#cloud/generated/tke/describe-cluster-as-group-option.ts'
import { DescribeClusterAsGroups } from '#cloud/generated/tke/describe-cluster-as-groups.ts'
import { DescribeClusterInstances } from '#cloud/generated/tke/describe-cluster-instances.ts'
import { DescribeClusterVirtualNode } from '#cloud/generated/tke/describe-cluster-virtual-node.ts'
import { DescribeClusterVirtualNodePools } from '#cloud/generated/tke/describe-cluster-virtual-node-pools.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { DescribeExistedInstances } from '#cloud/generated/tke/describe-existed-instances.ts'
import type { Cluster, Label } from '#cloud/generated/tke/structures.ts'
import { KubeError, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { pages } from '#cloud/pages.ts'
import { parseAutoscalerStatus } from '#functions/alarm-scaler/autoscaler-status.ts'
import { definition as scaler } from '#functions/cron-scaler/definition.ts'
import { findHpcKinds } from '#functions/cron-scaler/hpc-object.ts'
import { imagesNamedIn, parseCustomKind } from '#functions/image-cleaner/custom-resources.ts'
import { definition as cleaner } from '#functions/image-cleaner/definition.ts'
import { isJsonObject, type JsonObject, objectAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import type { ClusterConfig } from '#shared/runtime/definition.ts'
import { type KeepOptions, keptObject, plainJson, Variants } from './kept-object.ts'
import type { SnapshotCluster, SnapshotGroup, SnapshotKind, SnapshotMachine, SnapshotObject, SnapshotVirtualPool } from './snapshot.ts'
import { SnapshotObject as ObjectShape } from './snapshot.ts'
import { byName, instantOf, seenTime } from './snapshot-order.ts'
import { switchIn } from './switch-place.ts'

/** A kind of objects that is read whole. The first version that the cluster serves is taken. */
interface ReadKind {
  readonly group: string
  readonly resource: string
  readonly versions: readonly string[]
}

/** In this order: a workload before what it was made into, so that what is the same in both is named after the workload. */
const readKinds: readonly ReadKind[] = [
  { group: '', resource: 'namespaces', versions: ['v1'] },
  { group: '', resource: 'nodes', versions: ['v1'] },
  { group: '', resource: 'serviceaccounts', versions: ['v1'] },
  { group: 'apps', resource: 'deployments', versions: ['v1'] },
  { group: 'apps', resource: 'statefulsets', versions: ['v1'] },
  { group: 'apps', resource: 'daemonsets', versions: ['v1'] },
  { group: 'apps', resource: 'replicasets', versions: ['v1'] },
  { group: 'apps', resource: 'controllerrevisions', versions: ['v1'] },
  { group: 'batch', resource: 'cronjobs', versions: ['v1', 'v1beta1'] },
  { group: 'batch', resource: 'jobs', versions: ['v1'] },
  { group: 'autoscaling', resource: 'horizontalpodautoscalers', versions: ['v2', 'v2beta2', 'v1'] },
  { group: 'policy', resource: 'poddisruptionbudgets', versions: ['v1', 'v1beta1'] },
  { group: '', resource: 'pods', versions: ['v1'] },
]

/** Where what could not be read is noted: with the error, of which only those of reading are taken, or in words. */
export type Note = (where: string, why: unknown) => void

export interface ReadClusterOptions {
  readonly cloud: CloudReader
  readonly config: Config
  readonly cluster: ClusterConfig & { readonly region: string }
  readonly note: Note
}

/** Reads one cluster. What of it cannot be read is noted; undefined when the platform does not know or tell it. */
export async function readCluster({ cloud, config, cluster, note }: ReadClusterOptions): Promise<SnapshotCluster | undefined> {
  const { id, region } = cluster
  const send: SendOptions = region === '' || region === config.platform.region ? {} : { region }
  const attempt = async <T>(what: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read()
    } catch (error) {
      note(`${what} of ${id}`, error)
      return undefined
    }
  }
  const described = await attempt('description', async () => {
    const [found] = (await cloud.send(DescribeClusters, { ClusterIds: [id] }, send)).Clusters
    if (found === undefined)
      note(`cluster ${id}`, 'the platform knows no such cluster in this region, or does not tell it to these credentials')
    return found
  })
  if (described === undefined) return undefined
  const kube = kubeReader(cloud, id, send)
  const groupRows = (await attempt('scaling groups', () => pages(cloud, DescribeClusterAsGroups, { ClusterId: id }, send))) ?? []
  const memberOf = new Map<string, string>()
  for (const { AutoScalingGroupId: group } of groupRows) {
    const Filters = [{ Name: 'AutoScalingGroupId', Values: [group] }]
    const members = await attempt(`machines of ${group}`, () => pages(cloud, DescribeClusterInstances, { ClusterId: id, Filters }, send))
    for (const { InstanceId } of members ?? []) memberOf.set(InstanceId, group)
  }
  const machines = (await attempt('machines', () => pages(cloud, DescribeClusterInstances, { ClusterId: id }, send))) ?? []
  const spares = (await attempt('machines beside it', () => pages(cloud, DescribeExistedInstances, { ClusterId: id }, send))) ?? []
  const option = await attempt('autoscaler', () => cloud.send(DescribeClusterAsGroupOption, { ClusterId: id }, send))
  const pools = (await attempt('virtual nodes', () => readVirtualPools(cloud, id, send))) ?? []
  const { objects, kinds } = await readObjects(kube, config, note)
  const bounds = boundsOf(objects)
  return {
    ...factsOf(described, region),
    scaleDown: option?.ClusterAsGroupOption.IsScaleDownEnabled === true,
    machines: machines
      .map((row): SnapshotMachine => {
        const group = memberOf.get(row.InstanceId)
        return {
          id: row.InstanceId,
          role: row.InstanceRole === 'WORKER' ? 'WORKER' : 'MASTER_ETCD',
          state: row.InstanceState === 'running' || row.InstanceState === 'failed' ? row.InstanceState : 'initializing',
          reason: row.FailedReason ?? '',
          createdAt: instantOf(seenTime(row.CreatedTime) ?? 0),
          labels: wordsOf(row.InstanceAdvancedSettings?.Labels),
          ...(group === undefined ? {} : { group }),
        }
      })
      .toSorted((one, other) => byName(one.id, other.id)),
    groups: groupRows
      .map((row): SnapshotGroup => {
        const createdMs = seenTime(row.CreatedTime)
        const known = bounds.get(row.AutoScalingGroupId)
        return {
          id: row.AutoScalingGroupId,
          status: row.Status,
          cordoned: row.IsUnschedulable === true,
          labels: wordsOf(row.Labels),
          ...(createdMs === undefined ? {} : { createdAt: instantOf(createdMs) }),
          ...(known === undefined ? {} : { bounds: known }),
        }
      })
      .toSorted((one, other) => byName(one.id, other.id)),
    virtualPools: pools.toSorted((one, other) => byName(one.id, other.id)),
    spares: spares
      .filter((row) => row.Usable === true)
      .map((row) => {
        const createdMs = seenTime(row.CreatedTime)
        const chargeType = (['PREPAID', 'POSTPAID_BY_HOUR', 'CDHPAID'] as const).find((one) => one === row.InstanceChargeType)
        return {
          id: row.InstanceId,
          name: row.InstanceName ?? '',
          cores: Number(row.CPU ?? 0),
          memoryGib: Number(row.Memory ?? 0),
          type: row.InstanceType ?? '',
          chargeType: chargeType ?? 'PREPAID',
          ...(createdMs === undefined ? {} : { createdAt: instantOf(createdMs) }),
        }
      })
      .toSorted((one, other) => byName(one.id, other.id)),
    kinds,
    objects: [...objects],
  }
}

function factsOf(
  row: Cluster,
  region: string,
): Pick<SnapshotCluster, 'id' | 'region' | 'name' | 'version' | 'os' | 'type' | 'arch' | 'runtime' | 'createdAt' | 'network'> {
  const network = row.ClusterNetworkSettings
  const createdMs = seenTime(row.CreateTime)
  return {
    id: row.ClusterId,
    region,
    name: row.ClusterName,
    version: row.ClusterVersion,
    os: row.ClusterOs,
    type: row.ClusterType === 'INDEPENDENT_CLUSTER' ? 'INDEPENDENT_CLUSTER' : 'MANAGED_CLUSTER',
    arch: /arm/i.test(row.ClusterArch ?? '') ? 'arm' : 'x86',
    runtime: row.ContainerRuntime ?? 'docker',
    ...(createdMs === undefined ? {} : { createdAt: instantOf(createdMs) }),
    network: {
      vpc: network.VpcId ?? '',
      podRange: network.ClusterCIDR,
      podsPerNode: Number(network.MaxNodePodNum ?? 64),
      services: Number(network.MaxClusterServiceNum ?? 256),
      subnets: [...network.SubnetIds].toSorted(byName),
    },
  }
}

async function readVirtualPools(cloud: CloudReader, cluster: string, send: SendOptions): Promise<readonly SnapshotVirtualPool[]> {
  const { NodePoolSet } = await cloud.send(DescribeClusterVirtualNodePools, { ClusterId: cluster }, send)
  const pools: SnapshotVirtualPool[] = []
  for (const { NodePoolId: id, Name, LifeState, Unschedulable, SubnetIds, Labels, Taints } of NodePoolSet) {
    if (id === undefined) continue
    const { Nodes } = await cloud.send(DescribeClusterVirtualNode, { ClusterId: cluster, NodePoolId: id }, send)
    pools.push({
      id,
      name: Name ?? '',
      state: LifeState ?? '',
      cordoned: Unschedulable === true,
      subnets: [...(SubnetIds ?? [])].toSorted(byName),
      labels: wordsOf(Labels),
      taints: (Taints ?? []).map(({ Key = '', Value = '', Effect = '' }) => ({ key: Key, value: Value, effect: Effect })),
      nodes: Nodes.flatMap((node) => {
        const createdMs = seenTime(node.CreatedTime)
        if (node.Name === undefined) return []
        const facts = { name: node.Name, subnet: node.SubnetId ?? '', phase: node.Phase ?? '' }
        return [createdMs === undefined ? facts : { ...facts, createdAt: instantOf(createdMs) }]
      }).toSorted((one, other) => byName(one.name, other.name)),
    })
  }
  return pools
}

interface ReadObjects {
  readonly objects: readonly SnapshotObject[]
  readonly kinds: SnapshotKind[]
}

async function readObjects(kube: KubeReader, config: Config, note: Note): Promise<ReadObjects> {
  const { clusterId: id } = kube
  const killSwitch = switchIn(config, id)
  const options: KeepOptions = { variants: new Variants(), ...(killSwitch === undefined ? {} : { killSwitch }) }
  const objects: SnapshotObject[] = []
  const keep = (items: readonly unknown[], own: (object: JsonObject) => JsonObject | undefined): void => {
    const kept = items.flatMap((item) => {
      const plain = plainJson(item)
      const one = isJsonObject(plain) ? own(plain) : undefined
      const shaped = one === undefined ? undefined : ObjectShape.parse(plainJson(one))
      return shaped === undefined ? [] : [shaped]
    })
    objects.push(
      ...kept.toSorted(
        (one, other) =>
          byName(one.metadata.namespace ?? '', other.metadata.namespace ?? '') || byName(one.metadata.name, other.metadata.name),
      ),
    )
  }
  for (const kind of readKinds) {
    try {
      keep(await listKind(kube, kind), (object) => keptObject(object, options))
    } catch (error) {
      note(`${kind.resource} of ${id}`, error)
    }
  }
  try {
    keep(await listMaps(kube, config, killSwitch?.namespace), (object) => keptObject(object, options))
  } catch (error) {
    note(`ConfigMaps of ${id}`, error)
  }
  const custom = await readCustom(kube, config, note)
  for (const { items, isSchedule, hosts } of custom) {
    keep(items, (object) => {
      const { apiVersion, kind, metadata } = object
      const kept = keptObject({ apiVersion: apiVersion ?? '', kind: 'Namespace', metadata: metadata ?? {} }, options)
      if (kept === undefined) return undefined
      return { ...kept, kind: kind ?? '', spec: isSchedule ? (objectAt(object, 'spec') ?? {}) : { images: imagesIn(object, hosts) } }
    })
  }
  return { objects, kinds: custom.map(({ kind }) => kind) }
}

async function listKind(kube: KubeReader, { group, resource, versions }: ReadKind): Promise<readonly unknown[]> {
  for (const [index, version] of versions.entries()) {
    try {
      return (await kube.list(kubePath({ ...(group === '' ? {} : { group }), version, resource }, kube.clusterId))).items
    } catch (error) {
      const isLast = index === versions.length - 1
      if (isLast || !(error instanceof KubeError) || error.kind !== 'kube.not-found') throw error
    }
  }
  return []
}

/** The few ConfigMaps that are looked for, by label or by name, so that no other one is even read. */
async function listMaps(kube: KubeReader, config: Config, switchNamespace: string | undefined): Promise<readonly unknown[]> {
  const path = (namespace?: string, name?: string): string =>
    kubePath(
      { version: 'v1', resource: 'configmaps', ...(namespace === undefined ? {} : { namespace }), ...(name === undefined ? {} : { name }) },
      kube.clusterId,
    )
  const found: unknown[] = [...(await kube.list(path(), { labelSelector: 'longshore.dev/leases=true' })).items]
  const wanted = [
    ['kube-system', 'cluster-autoscaler-status'],
    ...(switchNamespace === undefined ? [] : [[switchNamespace, switchIn(config, kube.clusterId)?.name ?? '']]),
  ]
  for (const [namespace = '', name = ''] of wanted) {
    try {
      found.push(await kube.get(path(namespace, name)))
    } catch (error) {
      if (!(error instanceof KubeError) || error.kind !== 'kube.not-found') throw error
    }
  }
  return found
}

interface ReadCustom {
  readonly kind: SnapshotKind
  readonly items: readonly unknown[]
  /** Whether it is a schedule of cron-scaler, of which the whole spec counts; else only the images that are named in it do. */
  readonly isSchedule: boolean
  readonly hosts: readonly string[]
}

async function readCustom(kube: KubeReader, config: Config, note: Note): Promise<readonly ReadCustom[]> {
  const found: ReadCustom[] = []
  const { hpc } = (await functionConfig(config, scaler)).settings
  const { customResources, hosts } = (await functionConfig(config, cleaner)).settings
  const list = async ({ group, version, resource }: Omit<SnapshotKind, 'kind' | 'namespaced'>): Promise<readonly unknown[]> =>
    (await kube.list(kubePath({ ...(group === '' ? {} : { group }), version, resource }, kube.clusterId))).items
  try {
    for (const { group, version, resource, kind } of hpc.enabled ? await findHpcKinds(kube, hpc.group) : []) {
      const facts = { group, version, resource, kind, namespaced: true }
      found.push({ kind: facts, items: await list(facts), isSchedule: true, hosts: [] })
    }
    for (const text of customResources) {
      const { group, resource } = parseCustomKind(text)
      const served = (await kube.discover(group))?.resources.find((one) => one.resource === resource && one.verbs.includes('list'))
      if (served === undefined) continue
      const facts = { group, version: served.version, resource, kind: served.kind, namespaced: served.namespaced }
      found.push({ kind: facts, items: await list(facts), isSchedule: false, hosts })
    }
  } catch (error) {
    note(`custom kinds of ${kube.clusterId}`, error)
  }
  return found
}

function imagesIn(object: JsonObject, hosts: readonly string[]): string[] {
  return imagesNamedIn(object, hosts)
    .map(
      ({ host, repository, tag, digest }) =>
        `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`,
    )
    .toSorted(byName)
}

/** Bounds of scaling groups as the cluster autoscaler last told them: the platform has no action that does. */
function boundsOf(objects: readonly SnapshotObject[]): ReadonlyMap<string, NonNullable<SnapshotGroup['bounds']>> {
  const map = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'cluster-autoscaler-status')
  const plain = plainJson(map)
  const text = isJsonObject(plain) ? (stringAt(plain, 'data', 'status') ?? '') : ''
  return new Map(
    parseAutoscalerStatus(text, {}).groups.map(({ name, min, max, wanted }) => [
      name,
      { min, max: Math.max(min, max), ...(wanted === undefined ? {} : { wanted }) },
    ]),
  )
}

function wordsOf(labels: readonly Label[] | null | undefined): Record<string, string> {
  return Object.fromEntries(
    (labels ?? []).map(({ Name, Value }): [string, string] => [Name, Value]).toSorted(([one], [other]) => byName(one, other)),
  )
}
