import { isJsonObject, type Json, type JsonObject, listAt, objectAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { createKubernetesState, getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { PlatformFault } from '#infra/sandbox/reducer.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { addNamespace } from '#infra/sandbox/tcr/namespaces.ts'
import { addRepository } from '#infra/sandbox/tcr/repositories.ts'
import { registryServer, type TcrTag, type TcrWorkloadType } from '#infra/sandbox/tcr/state.ts'
import { registerUser } from '#infra/sandbox/tcr/users.ts'
import { newAccess, plainAsOption } from '#infra/sandbox/tke/clusters.ts'
import { instanceType } from '#infra/sandbox/tke/instance-types.ts'
import { plainSettings } from '#infra/sandbox/tke/node-settings.ts'
import { imageOf } from '#infra/sandbox/tke/platform.ts'
import type { AsGroupState, AsGroupStatus, ClusterState, LabelState, MachineState, VirtualNodeState } from '#infra/sandbox/tke/state.ts'
import type { World } from '#infra/sandbox/world.ts'
import { parseQuantity } from '#shared/pure/quantity.ts'
import { plainJson } from './kept-object.ts'
import type { Snapshot, SnapshotCluster, SnapshotGroup, SnapshotKind, SnapshotMachine, SnapshotObject } from './snapshot.ts'

/** A world of the sandbox that stands for what was seen. */
export interface RebuiltWorld {
  readonly world: World
  /** What is another one than there, or had to be guessed, in sentences for people. */
  readonly notes: readonly string[]
}

/** A size of machine, where neither label nor node tells one. */
const plainSize = { cores: 4, memoryGib: 8 }
const gib = 1024 ** 3
/** A group of which nobody knows the bounds may grow by so many. */
const unknownGrowth = 10
/** Room that nobody has to count: what a subnet really holds the platform's API for containers does not say. */
const subnetBits = 16

/**
 * Makes a world of the sandbox from a snapshot: its clusters with their machines, groups and objects as they were, and its registry. Chance
 * (ids of what is bought later) comes from the seed. What the sandbox does not take is left out and noted.
 */
export function worldOf(snapshot: Snapshot, seed = 1): RebuiltWorld {
  const notes = new Set<string>()
  const world = licensedWorld(snapshot)
  const random = createRandom(seed)
  const takenMs = Date.parse(snapshot.takenAt)
  world.tke.quotas['*'] = { maxClusters: 20, maxNodesPerCluster: 5000 }
  for (const { region, clusters, nodesPerCluster } of snapshot.quotas) {
    world.tke.quotas[region] = { maxClusters: clusters, maxNodesPerCluster: nodesPerCluster }
  }
  placeRegistry(world, snapshot, takenMs, notes)
  for (const cluster of snapshot.clusters) placeCluster(world, cluster, { takenMs, random, notes })
  placeLicence(world, snapshot, { takenMs, random, notes })
  placeTriggers(world, snapshot)
  return { world, notes: [...notes] }
}

/** An empty world whose platform reports its licence as the one that was seen does. */
function licensedWorld({ licence: [first], passMeans }: Snapshot): World {
  const world = newWorld()
  const { licence } = world.tke
  const { version = licence.version, unit = licence.unit } = first ?? {}
  return { ...world, tke: { ...world.tke, licence: { ...licence, version, unit, passMeans } } }
}

interface Around {
  readonly takenMs: number
  readonly random: () => number
  readonly notes: Set<string>
}

function placeRegistry(world: World, { registry }: Snapshot, takenMs: number, notes: Set<string>): void {
  const { limits } = world.tcr
  registerUser(world, takenMs)
  limits.repo = Math.max(limits.repo, registry.repositories.length + 100)
  limits.namespace = Math.max(limits.namespace, registry.repositories.length + 10)
  limits.tag = Math.max(limits.tag, 500, ...registry.repositories.map(({ tags }) => tags.length + 500))
  limits.triggers = Math.max(limits.triggers, registry.triggers.length + 10)
  const rows: { readonly tag: TcrTag; readonly put: (row: number) => void }[] = []
  for (const { name, public: isPublic, createdAt, lifecycle, tags } of registry.repositories) {
    const namespace = name.split('/')[0] ?? ''
    const repository = placedRepository(world, namespace, name, { createdMs: Date.parse(createdAt), isPublic, notes })
    if (repository === undefined) continue
    if (lifecycle !== undefined) repository.lifecycle = { ...lifecycle, createdAt: takenMs }
    for (const tag of tags) {
      const placed: TcrTag = {
        row: 0,
        content: {
          digest: tag.digest,
          imageId: tag.image,
          sizeBytes: tag.bytes,
          builtAt: Date.parse(tag.builtAt),
          author: '',
          architecture: tag.architecture,
          os: tag.os,
          dockerVersion: '',
        },
        pushedAt: Date.parse(tag.pushedAt),
        updatedAt: Date.parse(tag.updatedAt),
      }
      rows.push({
        tag: placed,
        put: (row) => {
          repository.tags[tag.name] = { ...placed, row }
        },
      })
    }
    repository.updatedAt = Math.max(repository.createdAt, ...tags.map(({ updatedAt }) => Date.parse(updatedAt)))
  }
  // Rows are numbered in the order of pushes.
  for (const [index, { put }] of rows.toSorted((one, other) => one.tag.pushedAt - other.tag.pushedAt).entries()) put(index + 1)
  world.tcr.nextTagRow = rows.length + 1
  if (registry.lifecycle !== undefined) world.tcr.globalLifecycles[world.account.uin] = { ...registry.lifecycle, createdAt: takenMs }
}

/** Undefined, and noted, for one of a name that the sandbox's registry does not take. */
function placedRepository(
  world: World,
  namespace: string,
  name: string,
  { createdMs, isPublic, notes }: { readonly createdMs: number; readonly isPublic: boolean; readonly notes: Set<string> },
): ReturnType<typeof addRepository> | undefined {
  try {
    if (!Object.hasOwn(world.tcr.namespaces, namespace)) addNamespace(world, namespace, createdMs)
    return addRepository(world, name, createdMs, { public: isPublic })
  } catch (error) {
    if (!(error instanceof PlatformFault)) throw error
    notes.add(`The repository ${name} is left out: ${error.message}`)
    return undefined
  }
}

const triggerKinds: readonly (readonly [TcrWorkloadType, string])[] = [
  ['Deployment', 'apps/deployments'],
  ['StatefulSet', 'apps/statefulsets'],
  ['DaemonSet', 'apps/daemonsets'],
  ['CronJob', 'batch/cronjobs'],
]

/** The platform does not say which kind of workload a trigger is for: it is the first of that name. */
function placeTriggers(world: World, { registry }: Snapshot): void {
  for (const one of registry.triggers) {
    const state = world.kubernetes[one.cluster]
    const kind = triggerKinds.find(([, resource]) => state?.objects[resource]?.[`${one.namespace}/${one.workload}`] !== undefined)
    world.tcr.triggers[one.name] = {
      owner: world.account.uin,
      repoName: one.repository,
      invokeMethod: one.method,
      invokeExpr: one.expression,
      clusterId: one.cluster,
      namespace: one.namespace,
      workloadType: kind?.[0] ?? 'Deployment',
      workloadName: one.workload,
      containerName: one.container,
      clusterRegion: 1,
      createdAt: Date.parse(one.createdAt),
      updatedAt: Date.parse(one.updatedAt),
    }
  }
}

function placeCluster(world: World, seen: SnapshotCluster, around: Around): void {
  const { takenMs, random, notes } = around
  const image = imageOf(seen.os, seen.arch)
  const createdMs = Date.parse(seen.createdAt ?? '') || 0
  const cluster: ClusterState = {
    clusterId: seen.id,
    region: seen.region,
    clusterName: seen.name,
    description: '',
    version: seen.version,
    os: seen.os,
    imageId: image?.imageId ?? '',
    osCustomizeType: image?.osCustomizeType ?? 'GENERAL',
    type: seen.type,
    arch: seen.arch,
    status: 'Running',
    createdMs,
    readyAtMs: createdMs,
    network: {
      vpcId: seen.network.vpc,
      networkType: seen.network.podRange === '' ? 'VPC-CNI' : 'GR',
      clusterCidr: seen.network.podRange,
      serviceCidr: '',
      ignoreClusterCidrConflict: false,
      maxNodePodNum: seen.network.podsPerNode,
      maxClusterServiceNum: seen.network.services,
      ipvs: true,
      dualStack: false,
      eniSubnetIds: [...seen.network.subnets],
      claimExpiredSeconds: 300,
    },
    projectId: 0,
    tags: [],
    containerRuntime: seen.runtime,
    nodeNameType: 'lan-ip',
    access: newAccess(random),
    endpoints: { intranet: null, extranet: null },
    asOption: { ...plainAsOption(), isScaleDownEnabled: seen.scaleDown },
    // As if it had just looked, so that it does not tell other bounds than those that were seen before anything has happened.
    autoscaler: { lastScanMs: takenMs, lastScaleOutMs: 0, idleSinceMs: {} },
    asGroups: {},
    virtualNodePools: {},
    log: { enabled: false, collectors: {} },
    audit: null,
  }
  world.tke.clusters[seen.id] = cluster
  const nodes = new Map(
    seen.objects.flatMap((object) => {
      if (object.kind !== 'Node') return []
      const plain = plainObject(object)
      const id =
        stringAt(plain, 'metadata', 'labels', instanceLabel) ?? /\/(ins-[^/]+)$/.exec(stringAt(plain, 'spec', 'providerID') ?? '')?.[1]
      return id === undefined ? [] : [[id, plain] as const]
    }),
  )
  const subnets = new Set([
    'subnet-rehearsal',
    ...seen.network.subnets,
    ...seen.virtualPools.flatMap((pool) => [...pool.subnets, ...pool.nodes.map(({ subnet }) => subnet)]),
  ])
  placeSubnets(world, seen, [...subnets].filter((id) => id !== '').toSorted(), [...nodes.values()].flatMap(zoneOf))
  for (const machine of seen.machines) placeMachine(world, cluster, machine, nodes.get(machine.id), takenMs)
  const guessed = seen.machines.filter(({ id }) => stringAt(nodes.get(id), 'status', 'capacity', 'cpu') === undefined).length
  if (guessed > 0)
    notes.add(
      `${seen.id}: the size of ${guessed === 1 ? 'one machine' : `${guessed} machines`} could not be seen, for there is no node of it: ${plainSize.cores} cores and ${plainSize.memoryGib} GiB each are taken here.`,
    )
  for (const spare of seen.spares) {
    if (world.tke.machines[spare.id] !== undefined) continue
    const size = { cores: spare.cores || plainSize.cores, memoryGib: spare.memoryGib || plainSize.memoryGib }
    world.tke.machines[spare.id] = machineOf(cluster, spare.id, {
      ...size,
      name: spare.name,
      type: spare.type,
      zone: '',
      address: '',
      chargeType: spare.chargeType,
      createdMs: Date.parse(spare.createdAt ?? '') || 0,
    })
  }
  for (const group of seen.groups) placeGroup(world, cluster, group, around)
  for (const pool of seen.virtualPools) {
    cluster.virtualNodePools[pool.id] = {
      nodePoolId: pool.id,
      name: pool.name,
      lifeState: 'normal',
      readyAtMs: takenMs,
      subnetIds: [...pool.subnets],
      securityGroupIds: [],
      labels: labelsOf(pool.labels),
      taints: pool.taints.map((taint) => ({ ...taint })),
      unschedulable: pool.cordoned,
      createdMs,
      nodes: Object.fromEntries(
        pool.nodes.map((node): [string, VirtualNodeState] => [
          node.name,
          {
            name: node.name,
            subnetId: node.subnet,
            phase: (['Pending', 'Running', 'Drained', 'Failed'] as const).find((one) => one === node.phase) ?? 'Running',
            privateIp: '',
            createdMs: Date.parse(node.createdAt ?? '') || 0,
            readyAtMs: takenMs,
            failure: null,
          },
        ]),
      ),
    }
  }
  const state = createKubernetesState({ version: seen.version, clusterId: seen.id, now: takenMs })
  // The sandbox makes uids of its count of changes: those of a snapshot of a sandbox would be given again, and two sets would own a pod.
  state.revision = firstRevision
  world.kubernetes[seen.id] = state
  placeObjects(state, seen, takenMs, notes)
  const foreign = [...new Set(seen.objects.flatMap((object) => hostsIn(plainObject(object))))].filter(
    (host) => host.startsWith('ccr.') && host !== registryServer,
  )
  for (const host of foreign) notes.add(`Images of ${host} can always be pulled here: the sandbox knows only those of ${registryServer}.`)
}

/** More changes than any sandbox has seen when a snapshot is taken of it. */
const firstRevision = 1_000_000_000

const instanceLabel = 'cloud.tencent.com/node-instance-id'
const typeLabels = ['node.kubernetes.io/instance-type', 'beta.kubernetes.io/instance-type']
const zoneLabels = ['failure-domain.beta.kubernetes.io/zone', 'topology.kubernetes.io/zone']

function labelIn(node: JsonObject | undefined, names: readonly string[]): string {
  for (const name of names) {
    const value = stringAt(node, 'metadata', 'labels', name)
    if (value !== undefined) return value
  }
  return ''
}

function zoneOf(node: JsonObject): readonly string[] {
  const zone = labelIn(node, zoneLabels)
  return zone === '' ? [] : [zone]
}

/** Subnets with room for whatever is bought, at addresses that no node has. */
function placeSubnets(world: World, seen: SnapshotCluster, subnetIds: readonly string[], zones: readonly string[]): void {
  const { vpc } = seen.network
  const zone = zones.toSorted()[0] ?? `${seen.region}-1`
  const network = world.tke.vpcs[vpc] ?? { vpcId: vpc, region: seen.region, cidr: '100.64.0.0/10', subnets: {}, globalRoutes: [] }
  world.tke.vpcs[vpc] = network
  const taken = new Set(seen.objects.flatMap((object) => (object.kind === 'Node' ? [object.metadata.name] : [])))
  let block = Object.keys(network.subnets).length + Object.keys(world.tke.vpcs).length * 8
  for (const subnetId of subnetIds) {
    while ([...taken].some((name) => name.startsWith(`100.${64 + (block % 64)}.`)) && block < 4096) block += 1
    network.subnets[subnetId] ??= { subnetId, zone, cidr: `100.${64 + (block % 64)}.0.0/${subnetBits}`, used: 0 }
    block += 1
  }
}

interface MachineFacts {
  readonly name: string
  readonly cores: number
  readonly memoryGib: number
  readonly type: string
  readonly zone: string
  readonly address: string
  readonly chargeType: MachineState['chargeType']
  readonly createdMs: number
}

function machineOf(cluster: ClusterState, instanceId: string, facts: MachineFacts): MachineState {
  return {
    instanceId,
    instanceName: facts.name,
    region: cluster.region,
    zone: facts.zone === '' ? `${cluster.region}-1` : facts.zone,
    vpcId: cluster.network.vpcId,
    subnetId: 'subnet-rehearsal',
    instanceType: facts.type === '' ? launchTypeFor(facts.cores, facts.memoryGib) : facts.type,
    arch: cluster.arch,
    cpuCores: facts.cores,
    memoryGib: facts.memoryGib,
    privateIp: facts.address,
    publicIp: null,
    chargeType: facts.chargeType,
    osName: cluster.os,
    power: 'RUNNING',
    securityGroupIds: [],
    createdMs: facts.createdMs,
    node: null,
  }
}

function placeMachine(world: World, cluster: ClusterState, seen: SnapshotMachine, node: JsonObject | undefined, takenMs: number): void {
  const createdMs = Date.parse(seen.createdAt)
  const capacity = objectAt(node, 'status', 'capacity')
  const addresses = listAt(node, 'status', 'addresses').filter(isJsonObject)
  const address =
    stringAt(
      addresses.find((one) => one.type === 'InternalIP'),
      'address',
    ) ?? ''
  const name = stringAt(node, 'metadata', 'name') ?? address
  const machine = machineOf(cluster, seen.id, {
    name: '',
    cores: Math.round(parseQuantity(stringAt(capacity, 'cpu') ?? '') ?? plainSize.cores),
    memoryGib: Math.max(1, Math.round((parseQuantity(stringAt(capacity, 'memory') ?? '') ?? plainSize.memoryGib * gib) / gib)),
    type: labelIn(node, typeLabels),
    zone: labelIn(node, zoneLabels),
    address,
    // How it is paid the platform does not say here. By the hour in a group, and by the month elsewhere, is what most are.
    chargeType: seen.group === undefined ? 'PREPAID' : 'POSTPAID_BY_HOUR',
    createdMs,
  })
  world.tke.machines[seen.id] = machine
  machine.node = {
    clusterId: cluster.clusterId,
    role: seen.role,
    state: seen.state,
    reason: seen.reason,
    addedMs: createdMs,
    readyAtMs: seen.state === 'initializing' ? takenMs + world.tke.behaviour.nodeBootMinMs : createdMs,
    failure: null,
    nodeName: name === '' ? seen.id : name,
    asGroupId: seen.group ?? null,
    settings: { ...plainSettings, labels: labelsOf(seen.labels) },
  }
}

const groupStatuses: readonly AsGroupStatus[] = ['enabled', 'disabled']

function placeGroup(world: World, cluster: ClusterState, seen: SnapshotGroup, { takenMs, notes }: Around): void {
  const members = Object.values(world.tke.machines).filter(({ node }) => node?.asGroupId === seen.id)
  const like =
    members.find((machine) => machine.node?.state === 'running') ??
    Object.values(world.tke.machines).find(({ node }) => node?.clusterId === cluster.clusterId && node.role === 'WORKER')
  const size = members.length
  const bounds = seen.bounds ?? { min: 0, max: size + unknownGrowth }
  if (seen.bounds === undefined)
    notes.add(`The bounds of the scaling group ${seen.id} could not be seen: it may have 0 to ${bounds.max} machines here.`)
  const zoned = Object.keys(world.tke.vpcs[cluster.network.vpcId]?.subnets ?? {})
  const group: AsGroupState = {
    autoScalingGroupId: seen.id,
    launchConfigurationId: `asc-${seen.id.replace(/^asg-/, '')}`,
    name: seen.id,
    status: groupStatuses.find((one) => one === seen.status) ?? 'enabled',
    settles: null,
    keepInstances: false,
    minSize: bounds.min,
    maxSize: Math.max(bounds.max, size),
    desiredSize: size,
    launch: {
      launchConfigurationName: seen.id,
      instanceType: launchTypeFor(like?.cpuCores ?? plainSize.cores, like?.memoryGib ?? plainSize.memoryGib, like?.instanceType),
      vpcId: cluster.network.vpcId,
      subnetIds: zoned.length === 0 ? [] : ['subnet-rehearsal'],
      chargeType: 'POSTPAID_BY_HOUR',
      securityGroupIds: [],
      publicIp: false,
      settings: { ...plainSettings, unschedulable: seen.cordoned, labels: labelsOf(seen.labels) },
    },
    unschedulable: seen.cordoned,
    labels: labelsOf(seen.labels),
    createdMs: Date.parse(seen.createdAt ?? '') || 0,
    nextActivityMs: takenMs,
    failuresInARow: 0,
    activities: [],
  }
  cluster.asGroups[seen.id] = group
}

const sizes: readonly (readonly [cores: number, name: string])[] = [
  [1, 'SMALL'],
  [2, 'MEDIUM'],
  [4, 'LARGE'],
  [8, '2XLARGE'],
  [12, '3XLARGE'],
  [16, '4XLARGE'],
  [24, '6XLARGE'],
  [32, '8XLARGE'],
  [48, '12XLARGE'],
  [64, '16XLARGE'],
  [96, '24XLARGE'],
]

/** A type on offer in the sandbox: the same one, else the smallest of as many cores. */
function launchTypeFor(cores: number, memoryGib: number, wanted = ''): string {
  if (instanceType(wanted) !== undefined) return wanted
  const [, size = '24XLARGE'] = sizes.find(([most]) => cores <= most) ?? []
  return `S5.${size}${Math.min(9999, Math.max(1, Math.round(memoryGib)))}`
}

function labelsOf(labels: Readonly<Record<string, string>>): LabelState[] {
  return Object.entries(labels).map(([name, value]) => ({ name, value }))
}

/** What the licence counts beside the clusters of the snapshot, as one cluster of which nothing but its cores is known. */
function placeLicence(world: World, snapshot: Snapshot, { takenMs, random }: Around): void {
  for (const { region, entitledCores, cores, over } of snapshot.licence) {
    const known = Object.values(world.tke.machines).filter(
      ({ node, region: own }) => own === region && node !== null && node.state !== 'failed',
    )
    const seen = known.reduce((sum, { cpuCores }) => sum + cpuCores, 0)
    const counted = cores.reduce((sum, one) => sum + one.cores, 0)
    for (const { product, cores: amount } of cores) {
      const rest = Math.round(
        amount - known.filter((machine) => productOf(world, machine) === product).reduce((sum, { cpuCores }) => sum + cpuCores, 0),
      )
      if (rest > 0) placeRest(world, { region, product, cores: rest, takenMs, random })
    }
    // Where nobody says what is paid for, the platform at least says whether that is exceeded.
    const entitled = entitledCores ?? (over === true ? Math.max(0, Math.max(seen, counted) - 1) : undefined)
    if (entitled !== undefined) world.tke.licence.entitledCores[region] = entitled
  }
}

function productOf(world: World, { node }: MachineState): string {
  const cluster = world.tke.clusters[node?.clusterId ?? '']
  if (cluster?.type === 'INDEPENDENT_CLUSTER') return 'tke-independent'
  return cluster?.arch === 'arm' ? 'tke-managed-arm' : 'tke-managed-x86'
}

function placeRest(
  world: World,
  rest: {
    readonly region: string
    readonly product: string
    readonly cores: number
    readonly takenMs: number
    readonly random: () => number
  },
): void {
  const { region, product, cores, takenMs, random } = rest
  const clusterId = `cls-rest-${Object.keys(world.tke.clusters).length + 1}`
  const vpcId = `vpc-rest-${region}`
  world.tke.vpcs[vpcId] ??= { vpcId, region, cidr: '100.64.0.0/10', subnets: {}, globalRoutes: [] }
  const cluster: ClusterState = {
    clusterId,
    region,
    clusterName: 'the rest of the region',
    description: 'Stands for the cores of clusters that are not configured',
    version: '1.20.6',
    os: 'tlinux2.4x86_64',
    imageId: '',
    osCustomizeType: 'GENERAL',
    type: product === 'tke-independent' ? 'INDEPENDENT_CLUSTER' : 'MANAGED_CLUSTER',
    arch: product === 'tke-managed-arm' ? 'arm' : 'x86',
    status: 'Running',
    createdMs: takenMs,
    readyAtMs: takenMs,
    network: {
      vpcId,
      networkType: 'GR',
      clusterCidr: '172.31.0.0/20',
      serviceCidr: '',
      ignoreClusterCidrConflict: true,
      maxNodePodNum: 64,
      maxClusterServiceNum: 256,
      ipvs: true,
      dualStack: false,
      eniSubnetIds: [],
      claimExpiredSeconds: 300,
    },
    projectId: 0,
    tags: [],
    containerRuntime: 'docker',
    nodeNameType: 'lan-ip',
    access: newAccess(random),
    endpoints: { intranet: null, extranet: null },
    asOption: plainAsOption(),
    autoscaler: { lastScanMs: 0, lastScaleOutMs: 0, idleSinceMs: {} },
    asGroups: {},
    virtualNodePools: {},
    log: { enabled: false, collectors: {} },
    audit: null,
  }
  world.tke.clusters[clusterId] = cluster
  world.kubernetes[clusterId] = createKubernetesState({ version: cluster.version, clusterId, now: takenMs })
  const facts = {
    name: 'rest',
    cores,
    memoryGib: cores,
    type: '',
    zone: '',
    address: '',
    chargeType: 'PREPAID',
    createdMs: takenMs,
  } as const
  const machine = machineOf(cluster, `ins-${clusterId.slice(4)}`, facts)
  machine.node = {
    clusterId,
    role: 'WORKER',
    state: 'running',
    reason: '',
    addedMs: takenMs,
    readyAtMs: takenMs,
    failure: null,
    nodeName: machine.instanceId,
    asGroupId: null,
    settings: { ...plainSettings },
  }
  world.tke.machines[machine.instanceId] = machine
}

function plainObject(object: SnapshotObject): JsonObject {
  const plain = plainJson(object)
  return isJsonObject(plain) ? plain : {}
}

function placeObjects(state: KubernetesState, seen: SnapshotCluster, takenMs: number, notes: Set<string>): void {
  for (const plain of [...definitionsOf(seen.kinds), ...seen.objects.map(plainObject)]) {
    try {
      putObject(state, revisionFor(state, plain), takenMs)
    } catch (error) {
      // The sandbox checks objects as a server does, and throws a plain Error which says what it has against this one.
      if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error
      const [kind = '', namespace = '', name = ''] = [
        stringAt(plain, 'kind'),
        stringAt(plain, 'metadata', 'namespace'),
        stringAt(plain, 'metadata', 'name'),
      ]
      notes.add(`${seen.id}: ${kind} ${namespace === '' ? '' : `${namespace}/`}${name} is left out: ${error.message}`)
    }
  }
}

/**
 * A revision of a set as the sandbox's own controllers would have kept it. The one that is the set's present template is written with the
 * defaults that the set has got here, else it would be taken for another one and all pods would be replaced.
 */
function revisionFor(state: KubernetesState, object: JsonObject): JsonObject {
  if (object.kind !== 'ControllerRevision') return object
  const owner = listAt(object, 'metadata', 'ownerReferences')
    .filter(isJsonObject)
    .find((one) => one.controller === true)
  const resource = owner?.kind === 'StatefulSet' ? 'statefulsets' : owner?.kind === 'DaemonSet' ? 'daemonsets' : undefined
  if (resource === undefined) return object
  const set = getObject(state, 'apps', resource, stringAt(owner, 'name') ?? '', stringAt(object, 'metadata', 'namespace') ?? '')
  const name = stringAt(object, 'metadata', 'name') ?? ''
  const hash = name.slice((stringAt(owner, 'name') ?? '').length + 1)
  const metadata = { ...objectAt(object, 'metadata') }
  metadata.labels = { ...objectAt(metadata, 'labels'), 'controller.kubernetes.io/hash': hash }
  const template = objectAt(set, 'spec', 'template')
  const own = objectAt(object, 'data', 'spec', 'template')
  if (template === undefined || own === undefined || !isCovered(withoutWord(own), template)) return { ...object, metadata }
  return { ...object, metadata, data: { spec: { template: { ...structuredClone(template), $patch: 'replace' } } } }
}

function withoutWord({ $patch: _patch, ...template }: JsonObject): JsonObject {
  return template
}

/** Whether everything in one is in the other, which may have more: defaults that were filled in. */
function isCovered(part: Json, whole: Json | undefined): boolean {
  if (Array.isArray(part))
    return Array.isArray(whole) && part.length === whole.length && part.every((one, index) => isCovered(one, whole[index]))
  if (!isJsonObject(part)) return part === whole
  return Object.entries(part).every(([key, one]) => isJsonObject(whole) && Object.hasOwn(whole, key) && isCovered(one, whole[key]))
}

function definitionsOf(kinds: readonly SnapshotKind[]): JsonObject[] {
  return kinds.map(({ group, version, resource, kind, namespaced }) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource}.${group}` },
    spec: {
      group,
      scope: namespaced ? 'Namespaced' : 'Cluster',
      names: { plural: resource, singular: resource.replace(/s$/, ''), kind, listKind: `${kind}List` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
          subresources: { status: {} },
        },
      ],
    },
  }))
}

function hostsIn(object: JsonObject): readonly string[] {
  const spec = objectAt(object, 'spec', 'template', 'spec') ?? objectAt(object, 'spec')
  return listAt(spec, 'containers').flatMap((one) => {
    const image = isJsonObject(one) ? stringAt(one, 'image') : undefined
    const host = image?.split('/')[0] ?? ''
    return host.includes('.') ? [host] : []
  })
}
