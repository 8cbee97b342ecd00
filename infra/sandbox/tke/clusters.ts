import type { Cluster, ClusterCIDRSettings, InstanceAdvancedSettings } from '#cloud/generated/tke/structures.ts'
import { randomLetters } from '../random.ts'
import { PlatformFault, type ReducerContext } from '../reducer.ts'
import type { World } from '../world.ts'
import { formatCidr } from './cidr.ts'
import { type CidrConflict, cidrConflict, clusterCidr } from './cluster-cidr.ts'
import { unusableReason } from './existed-instances.ts'
import { clustersIn, findCluster, findVpc } from './find-cluster.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { joinCluster, leaveCluster, nodesOf, orderRefusal, podSlices, quotaOf, terminate } from './machines.ts'
import { addNewNodes, hostNameOf, machineOrder, type RefusalCodes, refuse } from './new-nodes.ts'
import { settingsOf } from './node-settings.ts'
import { pageOf } from './page-of.ts'
import { imageOf, versionExists } from './platform.ts'
import { parseRunOrder, type RunOrder } from './run-order.ts'
import type { AsOptionState, ClusterNetworkState, ClusterState, MachineState, NodeRole, NodeSettingsState, VpcState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The clusters of the region. Ids that do not exist are simply not among the rows. */
export const describeClusters: TkeReducer<'DescribeClusters'> = (request, context) => {
  const ids = request.ClusterIds ?? []
  if (ids.length > 100) throw new PlatformFault('InvalidParameter.Param', `ClusterIds names ${ids.length} clusters; at most 100.`)
  const names = (request.Filters ?? []).map((filter) => {
    if (filter.Name !== 'ClusterName') {
      throw new PlatformFault('InvalidParameter.Param', `There is no filter ${filter.Name}; clusters are filtered by ClusterName only.`)
    }
    return filter.Values
  })
  const rows = clustersIn(context.world, context.region).filter(
    (cluster) => (ids.length === 0 || ids.includes(cluster.clusterId)) && names.every((values) => values.includes(cluster.clusterName)),
  )
  return {
    TotalCount: rows.length,
    Clusters: pageOf(rows, request, 'InvalidParameter.Param').map((cluster) => clusterAnswer(context.world, cluster)),
  }
}

function clusterAnswer(world: World, cluster: ClusterState): Cluster {
  const nodes = nodesOf(world, cluster.clusterId)
  const workers = nodes.filter((machine) => machine.node?.role === 'WORKER').length
  return {
    ClusterId: cluster.clusterId,
    ClusterName: cluster.clusterName,
    ClusterDescription: cluster.description,
    ClusterVersion: cluster.version,
    ClusterOs: cluster.os,
    ClusterType: cluster.type,
    ClusterNetworkSettings: {
      ClusterCIDR: cluster.network.clusterCidr,
      IgnoreClusterCIDRConflict: cluster.network.ignoreClusterCidrConflict,
      MaxNodePodNum: cluster.network.maxNodePodNum,
      MaxClusterServiceNum: cluster.network.maxClusterServiceNum,
      Ipsvs: cluster.network.ipvs,
      VpcId: cluster.network.vpcId,
      Cni: true,
      SubnetIds: [...cluster.network.eniSubnetIds],
    },
    ClusterNodeNum: workers,
    ProjectId: cluster.projectId,
    TagSpecification: [{ ResourceType: 'cluster', Tags: cluster.tags.map((tag) => ({ Key: tag.key, Value: tag.value })) }],
    ClusterStatus: cluster.status,
    Property: JSON.stringify({ NodeNameType: cluster.nodeNameType, NetworkType: cluster.network.networkType }),
    ClusterMasterNodeNum: nodes.length - workers,
    ImageId: cluster.imageId,
    OsCustomizeType: cluster.osCustomizeType,
    ContainerRuntime: cluster.containerRuntime,
    CreateTime: isoTime(cluster.createdMs),
    ClusterArch: cluster.arch,
    DirectAccess: '',
    ClusterOsAlias: imageOf(cluster.os, cluster.arch)?.alias ?? cluster.os,
    IsDualStack: String(cluster.network.dualStack),
    Ipv6ServiceCidr: '',
  }
}

/** The autoscaler's settings of a new cluster: the defaults that the API gives. */
export function plainAsOption(): AsOptionState {
  return {
    isScaleDownEnabled: false,
    expander: 'random',
    maxEmptyBulkDelete: 10,
    scaleDownDelayMinutes: 10,
    scaleDownUnneededMinutes: 10,
    scaleDownUtilizationPercent: 50,
    skipNodesWithLocalStorage: false,
    skipNodesWithSystemPods: false,
    ignoreDaemonSetsUtilization: false,
    maxTotalUnreadyPercentage: 45,
    okTotalUnreadyCount: 3,
    scaleDownUnreadyMinutes: 20,
    unregisteredNodeRemovalMinutes: 15,
  }
}

const nodeCodes: RefusalCodes = {
  'sold-out': 'InternalError.CvmCommon',
  'node-quota': 'InternalError.QuotaMaxNodLimit',
  'route-quota': 'InternalError.CidrMaskSizeOutOfRange',
  'no-address': 'InternalError.VpcCommon',
  'wrong-network': 'InvalidParameter',
  'wrong-arch': 'InvalidParameter',
  'host-name': 'InvalidParameter',
}

interface NewMachines {
  readonly role: NodeRole
  readonly order: RunOrder
  readonly settings: NodeSettingsState
}

interface OldMachines {
  readonly role: NodeRole
  readonly machines: MachineState[]
  readonly settings: NodeSettingsState
  readonly hostName: string
}

/**
 * Creates a cluster, which is Creating for a while and then Running with an API of its own. All that can be refused is
 * refused before anything exists: quota, version, system, address blocks, and every machine that is to be bought or taken.
 */
export const createCluster: TkeReducer<'CreateCluster'> = (request, context) => {
  const basic = request.ClusterBasicSettings ?? {}
  const advanced = request.ClusterAdvancedSettings ?? {}
  const type = oneOf(request.ClusterType, ['MANAGED_CLUSTER', 'INDEPENDENT_CLUSTER'], 'ClusterType')
  const arch = oneOf(request.ClusterArch ?? 'x86', ['x86', 'arm'], 'ClusterArch')
  const version = basic.ClusterVersion ?? '1.10.5'
  if (!versionExists(version))
    throw new PlatformFault('InvalidParameter', `ClusterVersion ${version} is not on offer; see DescribeVersions.`)
  const os = basic.ClusterOs ?? 'ubuntu16.04.1 LTSx86_64'
  const image = imageOf(os, arch)
  if (image === undefined) throw new PlatformFault('InvalidParameter', `ClusterOs ${os} is not on offer for ${arch}; see DescribeImages.`)
  const quota = quotaOf(context.world, context.region)
  const present = clustersIn(context.world, context.region).length
  if (present >= quota.maxClusters) {
    throw new PlatformFault(
      'InternalError.QuotaMaxClsLimit',
      `Region ${context.region} has ${present} clusters and may have ${quota.maxClusters}.`,
    )
  }
  const runs = request.RunInstancesForNode ?? []
  if (runs.flatMap((run) => run.RunInstancesPara).length > 10) {
    throw new PlatformFault('InvalidParameter', 'RunInstancesForNode names more than ten kinds of machines.')
  }
  const bought = runs.flatMap((run) =>
    run.RunInstancesPara.map((text, index): NewMachines => {
      const override: InstanceAdvancedSettings | undefined = run.InstanceAdvancedSettingsOverrides?.[index]
      return {
        role: oneOf(run.NodeRole, ['MASTER_ETCD', 'WORKER'], 'NodeRole'),
        order: parseRunOrder(text, { invalid: 'InvalidParameter', unknownKey: 'InvalidParameter', missing: 'InvalidParameter' }),
        settings: settingsOf(override ?? request.InstanceAdvancedSettings),
      }
    }),
  )
  const taken = existingMachines(request.ExistedInstancesForNode ?? [], request.InstanceAdvancedSettings, context)
  const vpc = vpcOf(basic.VpcId, bought, taken, context)
  const network = networkOf(request.ClusterCIDRSettings, advanced.NetworkType ?? 'GR', vpc, context, {
    ipvs: advanced.IPVS ?? false,
    dualStack: advanced.IsDualStack === 'true',
  })
  const draft: ClusterState = {
    clusterId: '(new)',
    region: context.region,
    clusterName: basic.ClusterName ?? '',
    description: basic.ClusterDescription ?? '',
    version,
    os,
    imageId: image.imageId,
    osCustomizeType: basic.OsCustomizeType ?? 'GENERAL',
    type,
    arch,
    status: 'Creating',
    createdMs: context.now,
    readyAtMs: context.now + context.world.tke.behaviour.clusterCreateMs,
    network,
    projectId: Number(basic.ProjectId ?? 0),
    tags: (basic.TagSpecification ?? []).flatMap((specification) =>
      (specification.Tags ?? []).map((tag) => ({ key: tag.Key ?? '', value: tag.Value ?? '' })),
    ),
    containerRuntime: oneOf(advanced.ContainerRuntime ?? 'docker', ['docker', 'containerd'], 'ContainerRuntime'),
    nodeNameType: oneOf(advanced.NodeNameType ?? 'lan-ip', ['lan-ip', 'hostname'], 'NodeNameType'),
    access: { userName: '', password: '', certificationAuthority: '', token: '' },
    endpoints: { intranet: null, extranet: null },
    asOption: plainAsOption(),
    autoscaler: { lastScanMs: 0, lastScaleOutMs: 0, idleSinceMs: {} },
    asGroups: {},
    virtualNodePools: {},
    log: { enabled: false, collectors: {} },
    audit: null,
  }
  checkMasters(type, bought, taken)
  checkMachines(context, draft, bought, taken)
  const cluster: ClusterState = { ...draft, clusterId: context.id('cls'), access: newAccess(context.random) }
  context.world.tke.clusters[cluster.clusterId] = cluster
  for (const machines of bought) addNewNodes(context, cluster, machines.order, { role: machines.role, settings: machines.settings })
  for (const old of taken) {
    for (const [index, machine] of old.machines.entries()) {
      joinCluster(context.world, cluster, machine, {
        role: old.role,
        settings: old.settings,
        asGroupId: null,
        hostName: hostNameOf(old.hostName, index, old.machines.length),
        now: context.now,
        random: context.random,
      })
    }
  }
  return { ClusterId: cluster.clusterId }
}

function oneOf<Value extends string>(text: string, values: readonly Value[], field: string): Value {
  const found = values.find((value) => value === text)
  if (found === undefined) throw new PlatformFault('InvalidParameter', `${field} is ${text}; it is one of ${values.join(', ')}.`)
  return found
}

/** What a new cluster's API server is entered with. */
export function newAccess(random: () => number): ClusterState['access'] {
  return {
    userName: 'admin',
    password: randomLetters(random, 32),
    certificationAuthority: `-----BEGIN CERTIFICATE-----\n${randomLetters(random, 64)}\n${randomLetters(random, 64)}\n-----END CERTIFICATE-----\n`,
    token: randomLetters(random, 32),
  }
}

function existingMachines(
  groups: NonNullable<Parameters<typeof createCluster>[0]['ExistedInstancesForNode']>,
  common: InstanceAdvancedSettings | undefined,
  context: ReducerContext,
): OldMachines[] {
  const ids = groups.flatMap((group) => group.ExistedInstancesPara.InstanceIds)
  if (ids.length > 100) throw new PlatformFault('InvalidParameter', `ExistedInstancesForNode names ${ids.length} instances; at most 100.`)
  if (new Set(ids).size !== ids.length) throw new PlatformFault('InvalidParameter', 'ExistedInstancesForNode names an instance twice.')
  return groups.map((group) => ({
    role: oneOf(group.NodeRole, ['MASTER_ETCD', 'WORKER'], 'NodeRole'),
    settings: settingsOf(group.InstanceAdvancedSettingsOverride ?? group.ExistedInstancesPara.InstanceAdvancedSettings ?? common),
    hostName: group.ExistedInstancesPara.HostName ?? '',
    machines: group.ExistedInstancesPara.InstanceIds.map((instanceId) => {
      const machine = lookUp(context.world.tke.machines, instanceId)
      if (machine === undefined) throw new PlatformFault('InvalidParameter', `There is no instance ${instanceId}.`)
      return machine
    }),
  }))
}

/** The network of the new cluster: named, or that of its machines. A managed cluster without machines has to name it. */
function vpcOf(
  named: string | undefined,
  bought: readonly NewMachines[],
  taken: readonly OldMachines[],
  context: ReducerContext,
): VpcState {
  const vpcId = named ?? bought[0]?.order.vpcId ?? taken[0]?.machines[0]?.vpcId
  if (vpcId === undefined)
    throw new PlatformFault('InvalidParameter', 'ClusterBasicSettings.VpcId is missing; a cluster without machines needs it.')
  const vpc = findVpc(context.world, vpcId)
  if (vpc === undefined || vpc.region !== context.region) {
    throw new PlatformFault('InternalError.VpcRecodrNotFound', `There is no network ${vpcId} in region ${context.region}.`)
  }
  return vpc
}

const conflictCodes: Readonly<Record<CidrConflict['type'], string>> = {
  CIDR_CONFLICT_WITH_VPC_CIDR: 'InternalError.CidrConflictWithVpcCidr',
  CIDR_CONFLICT_WITH_OTHER_CLUSTER: 'InternalError.CidrConflictWithOtherCluster',
  CIDR_CONFLICT_WITH_VPC_GLOBAL_ROUTE: 'InternalError.CidrConflictWithVpcGlobalRoute',
}

const cidrCodes = {
  invalid: 'InternalError.CidrInvalid',
  maskSize: 'InternalError.CidrMaskSizeOutOfRange',
  notPrivate: 'InternalError.InvalidPrivateNetworkCidr',
}

function networkOf(
  sent: ClusterCIDRSettings,
  networkType: string,
  vpc: VpcState,
  context: ReducerContext,
  flags: { readonly ipvs: boolean; readonly dualStack: boolean },
): ClusterNetworkState {
  const mode = oneOf(networkType, ['GR', 'VPC-CNI'], 'NetworkType')
  const ignore = sent.IgnoreClusterCIDRConflict ?? false
  const block = (text: string): string => {
    const cidr = clusterCidr(text, cidrCodes)
    const conflict = ignore ? null : cidrConflict(context.world, vpc, cidr)
    if (conflict !== null) throw new PlatformFault(conflictCodes[conflict.type], conflict.message)
    return formatCidr(cidr)
  }
  if (mode === 'GR' && sent.ClusterCIDR === undefined)
    throw new PlatformFault('InvalidParameter', 'ClusterCIDRSettings.ClusterCIDR is missing; the network mode GR needs it.')
  const subnets = sent.EniSubnetIds ?? []
  if (mode === 'VPC-CNI') {
    if (subnets.length === 0 || sent.ServiceCIDR === undefined) {
      throw new PlatformFault('InvalidParameter', 'The network mode VPC-CNI needs EniSubnetIds and ServiceCIDR.')
    }
    const stranger = subnets.find((subnetId) => !Object.hasOwn(vpc.subnets, subnetId))
    if (stranger !== undefined) throw new PlatformFault('InvalidParameter', `EniSubnetIds names ${stranger}, which is not in ${vpc.vpcId}.`)
  }
  return {
    vpcId: vpc.vpcId,
    networkType: mode,
    clusterCidr: mode === 'GR' && sent.ClusterCIDR !== undefined ? block(sent.ClusterCIDR) : '',
    serviceCidr: sent.ServiceCIDR === undefined ? '' : block(sent.ServiceCIDR),
    ignoreClusterCidrConflict: ignore,
    maxNodePodNum: powerOfTwo(Number(sent.MaxNodePodNum ?? 256), 4, 256, 'MaxNodePodNum'),
    maxClusterServiceNum: powerOfTwo(Number(sent.MaxClusterServiceNum ?? 256), 32, 32_768, 'MaxClusterServiceNum'),
    ipvs: flags.ipvs,
    dualStack: flags.dualStack,
    eniSubnetIds: [...subnets],
    claimExpiredSeconds: claimExpired(sent),
  }
}

function claimExpired(sent: ClusterCIDRSettings): number {
  const seconds = Number(sent.ClaimExpiredSeconds ?? 300)
  if (seconds < 300 || seconds >= 15_768_000) {
    throw new PlatformFault('InvalidParameter', `ClaimExpiredSeconds is ${seconds}; it goes from 300 to 15767999.`)
  }
  return seconds
}

/** A size as the platform stores it: the next power of two. */
function powerOfTwo(value: number, least: number, most: number, field: string): number {
  if (value < least || value > most) throw new PlatformFault('InvalidParameter', `${field} is ${value}; it goes from ${least} to ${most}.`)
  return 2 ** Math.ceil(Math.log2(value))
}

/** An independent cluster brings its masters, three to seven of at least 4 cores and 8 GiB; a managed one brings none. */
function checkMasters(type: ClusterState['type'], bought: readonly NewMachines[], taken: readonly OldMachines[]): void {
  const sizes = [
    ...bought
      .filter((group) => group.role === 'MASTER_ETCD')
      .flatMap(({ order }) => Array<{ cpuCores: number; memoryGib: number }>(order.count).fill(order.type)),
    ...taken.filter((group) => group.role === 'MASTER_ETCD').flatMap((group) => group.machines),
  ]
  if (type === 'MANAGED_CLUSTER') {
    if (sizes.length > 0)
      throw new PlatformFault('InvalidParameter', 'A managed cluster has no masters of its own; MASTER_ETCD is for INDEPENDENT_CLUSTER.')
    return
  }
  if (sizes.length < 3 || sizes.length > 7) {
    throw new PlatformFault('InvalidParameter', `An independent cluster has three to seven MASTER_ETCD nodes; there are ${sizes.length}.`)
  }
  if (sizes.some((size) => size.cpuCores < 4 || size.memoryGib < 8)) {
    throw new PlatformFault('InvalidParameter', 'A MASTER_ETCD node has at least 4 cores and 8 GiB.')
  }
}

/** Refuses machines that cannot be had, all of them together: a subnet has to hold the sum of what is bought in it. */
function checkMachines(
  context: ReducerContext,
  cluster: ClusterState,
  bought: readonly NewMachines[],
  taken: readonly OldMachines[],
): void {
  const perSubnet = new Map<string, number>()
  for (const { order } of bought) {
    const sum = (perSubnet.get(order.subnetId) ?? 0) + order.count
    perSubnet.set(order.subnetId, sum)
    refuse(orderRefusal(context.world, cluster, { ...machineOrder(order), count: sum }), nodeCodes)
    if (cluster.nodeNameType === 'hostname' && order.hostName === '') {
      throw new PlatformFault('InvalidParameter', 'The cluster names its nodes by host name; HostName is missing in RunInstancesPara.')
    }
  }
  const counts = [
    ...bought.map(({ role, order }) => ({ role, count: order.count })),
    ...taken.map(({ role, machines }) => ({ role, count: machines.length })),
  ]
  const workers = counts.filter(({ role }) => role === 'WORKER').reduce((sum, { count }) => sum + count, 0)
  const quota = quotaOf(context.world, cluster.region).maxNodesPerCluster
  if (workers > quota) {
    throw new PlatformFault(
      'InternalError.QuotaMaxNodLimit',
      `A cluster in ${cluster.region} may have ${quota} nodes; ${workers} are asked for.`,
    )
  }
  const all = counts.reduce((sum, { count }) => sum + count, 0)
  if (all > podSlices(cluster) || podSlices(cluster) < 1) {
    throw new PlatformFault(
      'InternalError.CidrMaskSizeOutOfRange',
      `The pod network ${cluster.network.clusterCidr} has slices for ${podSlices(cluster)} nodes of ${cluster.network.maxNodePodNum} pods; ${all} are asked for.`,
    )
  }
  for (const machine of taken.flatMap((group) => group.machines)) {
    const reason = unusableReason(machine, cluster)
    if (reason !== '') throw new PlatformFault('InvalidParameter', `${machine.instanceId} cannot join: ${reason}`)
  }
}

/** Changes what was sent, and answers what holds then. */
export const modifyClusterAttribute: TkeReducer<'ModifyClusterAttribute'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'ResourceNotFound')
  const name = request.ClusterName ?? cluster.clusterName
  if (name.length > 60) throw new PlatformFault('InvalidParameter.Param', `ClusterName has ${name.length} characters; at most 60.`)
  const runtime = request.ClusterRunTime ?? cluster.containerRuntime
  if (runtime !== 'docker' && runtime !== 'containerd') {
    throw new PlatformFault('InvalidParameter.Param', `ClusterRunTime is ${runtime}; it is docker or containerd.`)
  }
  cluster.clusterName = name
  cluster.description = request.ClusterDesc ?? cluster.description
  cluster.containerRuntime = runtime
  return { ProjectId: cluster.projectId, ClusterName: cluster.clusterName, ClusterDesc: cluster.description }
}

/**
 * Deletes a cluster with its groups, virtual nodes and Kubernetes objects. `terminate` gives back the machines that are
 * paid by the hour; the others, and all of them with `retain`, stay outside. A cluster that is being created is refused.
 */
export const deleteCluster: TkeReducer<'DeleteCluster'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'ResourceNotFound')
  const mode = request.InstanceDeleteMode
  if (mode !== 'terminate' && mode !== 'retain') {
    throw new PlatformFault('InvalidParameter', `InstanceDeleteMode is ${mode}; it is terminate or retain.`)
  }
  if (cluster.status === 'Creating')
    throw new PlatformFault('ResourceUnavailable', `Cluster ${cluster.clusterId} is being created; wait until it runs.`)
  for (const machine of nodesOf(context.world, cluster.clusterId)) {
    if (mode === 'terminate' && machine.chargeType === 'POSTPAID_BY_HOUR') terminate(context.world, machine, context.now)
    else leaveCluster(context.world, machine, context.now)
  }
  delete context.world.kubernetes[cluster.clusterId]
  delete context.world.tke.clusters[cluster.clusterId]
  return {}
}
