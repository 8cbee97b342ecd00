import { type JsonObject, numberAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { placeAsGroup, placeCluster, placeMachines, placeNetwork, placeNodes } from '#infra/sandbox/seeds/place.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Scenario } from '../scenario.ts'
import { clusterOf, setSwitchMap } from '../stage-world.ts'
import { machineType, networkOf, spareName } from './alarm-network.ts'
import type { AlarmScene, SimPool } from './alarm-scene.ts'

const dayMs = 24 * 3_600_000

/** Builds clusters with pools, each with a scaling group, a pool of virtual nodes and machines of the account that may join. */
export function stageAlarm(scenario: Scenario, scene: AlarmScene): World {
  const { startMs, seed, clusterIds } = scenario
  const world = newWorld()
  const createdMs = startMs - dayMs
  for (const [index, clusterId] of clusterIds.entries()) {
    const { vpcId, region, zone, subnetId, cidr } = networkOf(clusterId)
    const own = scene.pools.filter(({ cluster }) => cluster === clusterId)
    const block = cidr.split('.').slice(0, 2).join('.')
    const virtual = own.flatMap(({ subnets }) => subnets).map((id, place) => [id, [zone, `${block}.${100 + place}.0/28`]] as const)
    placeNetwork(world, { vpcId, region, cidr, subnets: { [subnetId]: [zone, `${block}.0.0/22`], ...Object.fromEntries(virtual) } })
    const spec = {
      clusterId,
      region,
      name: `cluster-${index}`,
      version: '1.20.6',
      vpcId,
      clusterCidr: `172.${16 + index}.0.0/16`,
      createdMs,
    }
    const cluster = placeCluster(world, spec, createRandom(seed + index))
    cluster.asOption.isScaleDownEnabled = scene.platform.scalesDown
    cluster.asOption.scaleDownUnneededMinutes = 2
    cluster.asOption.scaleDownDelayMinutes = 2
    for (const [place, pool] of own.entries()) stagePool(world, scenario, pool, seed * 7 + place + index * 11)
  }
  const { behaviour } = world.tke
  const { clientTokens, addTimeoutShare, maxNodes, entitledCores, hasAutoscaler, bootMs } = scene.platform
  behaviour.clientTokens = clientTokens
  behaviour.addTimeoutShare = addTimeoutShare
  behaviour.autoscalerScanMs = hasAutoscaler ? 10_000 : 0
  behaviour.nodeBootMinMs = bootMs[0]
  behaviour.nodeBootMaxMs = bootMs[1]
  world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: maxNodes }
  for (const clusterId of clusterIds)
    if (entitledCores !== undefined) world.tke.licence.entitledCores[networkOf(clusterId).region] = entitledCores
  if (scenario.guard.killSwitch === 'configMap') setSwitchMap(world, scenario, 'run', createdMs)
  return world
}

function stagePool(world: World, { startMs }: Scenario, pool: SimPool, seed: number): void {
  const cluster = world.tke.clusters[pool.cluster]
  if (cluster === undefined) return
  const { vpcId, subnetId } = networkOf(pool.cluster)
  const labels = [{ name: 'pool', value: pool.name }]
  const createdMs = startMs - dayMs
  const machine = { instanceType: machineType, subnetId, createdMs }
  const group = placeAsGroup(
    world,
    cluster,
    {
      autoScalingGroupId: pool.group,
      name: pool.group,
      enabled: true,
      minSize: pool.bounds.min,
      maxSize: pool.bounds.max,
      desiredSize: pool.inGroup,
      instanceType: machineType,
      subnetIds: [subnetId],
      labels,
      createdMs,
    },
    createRandom(seed),
  )
  group.nextActivityMs = startMs
  placeNodes(world, cluster, { ...machine, count: pool.inGroup, asGroupId: pool.group, labels }, createRandom(seed + 1))
  placeNodes(world, cluster, { ...machine, count: pool.others, labels }, createRandom(seed + 2))
  for (let place = 0; place < pool.spares; place += 1) {
    const spare = { ...machine, count: 1, instanceName: spareName(pool.name, place), chargeType: 'PREPAID' as const }
    placeMachines(world, vpcId, spare, createRandom(seed + 3 + place))
  }
  cluster.virtualNodePools[pool.nodePool] = {
    nodePoolId: pool.nodePool,
    name: pool.nodePool,
    lifeState: 'normal',
    readyAtMs: createdMs,
    subnetIds: [...pool.subnets],
    securityGroupIds: [],
    labels,
    taints: [],
    unschedulable: false,
    createdMs,
    nodes: {},
  }
  putObject(clusterOf(world, pool.cluster), loadOf(pool, 1), createdMs)
}

/** The workload that fills a pool: one of its pods takes a third of a node, and finds a place on its nodes only. */
function loadOf(pool: SimPool, replicas: number): JsonObject {
  const plain = deployment({
    namespace: 'default',
    name: loadName(pool),
    image: 'registry.example/app:1',
    replicas,
    cpu: '1200m',
    memory: '64Mi',
  })
  const spec = {
    nodeSelector: { pool: pool.name },
    tolerations: [{ key: 'eks.tke.cloud.tencent.com/eklet', operator: 'Exists', effect: 'NoSchedule' }],
  }
  const text = JSON.stringify(plain).replace('"restartPolicy":"Always"', `"restartPolicy":"Always",${JSON.stringify(spec).slice(1, -1)}`)
  const parsed: JsonObject = JSON.parse(text)
  return parsed
}

export function loadName({ name }: SimPool): string {
  return `load-${name}`
}

/** Lets a pool have so many pods. */
export function setLoad(world: World, pool: SimPool, pods: number, now: number): void {
  putObject(clusterOf(world, pool.cluster), loadOf(pool, Math.max(0, pods)), now)
}

export function podsWanted(world: World, pool: SimPool): number {
  return numberAt(getObject(clusterOf(world, pool.cluster), 'apps', 'deployments', loadName(pool), 'default'), 'spec', 'replicas') ?? 0
}

/** Forbids that any pod of a pool is evicted, or allows it again. */
export function setBudget(world: World, pool: SimPool, isForbidden: boolean, now: number): void {
  const state = clusterOf(world, pool.cluster)
  const name = loadName(pool)
  if (!isForbidden) {
    removeObject(state, 'policy', 'poddisruptionbudgets', name, 'default')
    return
  }
  const spec = { maxUnavailable: 0, selector: { matchLabels: { app: name } } }
  putObject(state, { apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name, namespace: 'default' }, spec }, now)
}
