import { advanceKubernetes } from '../kubernetes/controllers.ts'
import type { JsonObject } from '../kubernetes/json.ts'
import { putObject } from '../kubernetes/objects.ts'
import { createRandom } from '../random.ts'
import { isoTime } from '../tke/iso-time.ts'
import type { World } from '../world.ts'
import {
  autoscalerV1,
  autoscalerV2,
  cronJob,
  daemonSet,
  deployment,
  disruptionBudget,
  kubeEvent,
  namespace,
  scaler,
  scalerDefinition,
  service,
  statefulSet,
} from './kube-objects.ts'
import { hooksOf, newWorld } from './new-world.ts'
import { placeAsGroup, placeCluster, placeMachines, placeNetwork, placeNodes } from './place.ts'
import { type PlacedHistory, placeHistory } from './registry.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** The clusters of the base world by what they are for. */
export const baseClusters = { production: 'cls-9f3kq2vd', staging: 'cls-m4t8x0be', legacy: 'cls-2h7cz5wl' } as const

/** Scaling groups of production: one that is in use, one that is switched off. */
export const baseAsGroups = { general: 'asg-7kq4m2xv', nightly: 'asg-c80wdn3t' } as const

export const baseRegion = 'ap-guangzhou'

const scalerGroups = { public: 'autoscaling.cloud.tencent.com', finance: 'autoscaling.finance.cloud.tencent.com' } as const

interface Images {
  readonly storefront: PlacedHistory
  readonly catalog: PlacedHistory
  readonly gateway: PlacedHistory
  readonly ledger: PlacedHistory
  readonly risk: PlacedHistory
  readonly report: PlacedHistory
  readonly backup: PlacedHistory
  readonly java: PlacedHistory
}

/**
 * The world that `npm start` shows: a production cluster, a staging one and an old one of Kubernetes 1.14, with nodes,
 * scaling groups and workloads that run, and the registry their images come from. At any time a first run of each
 * function has something to do in it: production has schedules that alternate every two minutes between two sizes, both
 * other than the present one, for a Deployment, a StatefulSet and an autoscaler; and further ones that must not act.
 * The same `now` and `seed` make the same world.
 */
export function createBaseWorld(now: number, seed: number): World {
  const world = newWorld()
  const random = createRandom(seed)
  placeNetworks(world)
  const images = placeImages(world, now)
  placeProduction(world, images, now, random)
  placeStaging(world, images, now, random)
  placeLegacy(world, images, now, random)
  placeMachines(
    world,
    'vpc-3kd9s1qa',
    {
      count: 2,
      instanceType: 'S5.2XLARGE16',
      subnetId: 'subnet-p7w2ck4e',
      instanceName: 'spare',
      chargeType: 'PREPAID',
      createdMs: now - 40 * dayMs,
    },
    random,
  )
  placeMachines(
    world,
    'vpc-3kd9s1qa',
    { count: 1, instanceType: 'S5.LARGE8', subnetId: 'subnet-p7w2ck4e', instanceName: 'spare-hourly', createdMs: now - 3 * dayMs },
    random,
  )
  world.tke.licence.entitledCores[baseRegion] = 128
  world.tke.quotas['*'] = { maxClusters: 5, maxNodesPerCluster: 40 }
  return world
}

function placeNetworks(world: World): void {
  placeNetwork(world, {
    vpcId: 'vpc-3kd9s1qa',
    region: baseRegion,
    cidr: '10.0.0.0/16',
    subnets: {
      'subnet-p7w2ck4e': ['ap-guangzhou-3', '10.0.1.0/24'],
      'subnet-b5y8rt0m': ['ap-guangzhou-4', '10.0.2.0/24'],
      'subnet-v1n6zh3x': ['ap-guangzhou-6', '10.0.3.0/24'],
    },
    globalRoutes: ['192.168.128.0/18'],
  })
  placeNetwork(world, {
    vpcId: 'vpc-h8c2wm5t',
    region: baseRegion,
    cidr: '10.8.0.0/16',
    subnets: { 'subnet-k4d7fe9s': ['ap-guangzhou-3', '10.8.1.0/24'], 'subnet-x2q5mb8j': ['ap-guangzhou-4', '10.8.2.0/24'] },
  })
}

function placeImages(world: World, now: number): Images {
  return {
    java: placeHistory(
      world,
      { repo: 'base/java', releases: 7, major: 11, everyHours: 24 * 45, newestAgeHours: 24 * 9, followers: ['latest'] },
      now,
    ),
    storefront: placeHistory(
      world,
      {
        repo: 'shop/storefront',
        releases: 48,
        major: 2,
        everyHours: 60,
        newestAgeHours: 5,
        mainBuildEvery: 5,
        followers: ['latest', 'stable'],
      },
      now,
    ),
    catalog: placeHistory(
      world,
      { repo: 'shop/catalog', releases: 22, major: 1, everyHours: 140, newestAgeHours: 30, followers: ['latest'] },
      now,
    ),
    gateway: placeHistory(
      world,
      { repo: 'pay/gateway', releases: 30, major: 3, everyHours: 96, newestAgeHours: 20, mainBuildEvery: 6, followers: ['latest'] },
      now,
    ),
    ledger: placeHistory(world, { repo: 'pay/ledger', releases: 18, major: 1, everyHours: 240, newestAgeHours: 50 }, now),
    risk: placeHistory(
      world,
      { repo: 'pay/risk', releases: 12, major: 0, everyHours: 300, newestAgeHours: 200, followers: ['latest'] },
      now,
    ),
    report: placeHistory(
      world,
      { repo: 'ops/report', releases: 9, major: 1, everyHours: 500, newestAgeHours: 90, followers: ['latest'] },
      now,
    ),
    backup: placeHistory(world, { repo: 'ops/backup', releases: 5, major: 4, everyHours: 900, newestAgeHours: 400 }, now),
  }
}

/** Puts objects into a cluster as of an instant and lets its controllers work up to the next one. */
function kubernetesOf(world: World, clusterId: string, random: () => number) {
  const state = world.kubernetes[clusterId]
  if (state === undefined) throw new TypeError(`Cluster ${clusterId} was not placed.`)
  return {
    put: (objects: readonly JsonObject[], atMs: number) => {
      for (const object of objects) putObject(state, object, atMs)
    },
    run: (untilMs: number) => advanceKubernetes(state, untilMs, hooksOf(world, random)),
  }
}

/** Schedules that take turns every two minutes, so that one of them has always just been due. */
const upSchedule = '0 0-59/4 * * * *'
const downSchedule = '0 2-59/4 * * * *'

function placeProduction(world: World, images: Images, now: number, random: () => number): void {
  const cluster = placeCluster(
    world,
    {
      clusterId: baseClusters.production,
      region: baseRegion,
      name: 'prod-core',
      description: 'Customer-facing services and payment',
      version: '1.20.6',
      vpcId: 'vpc-3kd9s1qa',
      clusterCidr: '172.16.0.0/18',
      containerRuntime: 'containerd',
      tags: [{ key: 'environment', value: 'production' }],
      createdMs: now - 400 * dayMs,
    },
    random,
  )
  const addedMs = now - 40 * dayMs
  placeNodes(
    world,
    cluster,
    { count: 2, instanceType: 'S5.2XLARGE16', subnetId: 'subnet-p7w2ck4e', chargeType: 'PREPAID', createdMs: addedMs },
    random,
  )
  placeNodes(
    world,
    cluster,
    { count: 2, instanceType: 'S5.2XLARGE16', subnetId: 'subnet-b5y8rt0m', chargeType: 'PREPAID', createdMs: addedMs },
    random,
  )
  const labels = [{ name: 'pool', value: 'general' }]
  placeAsGroup(
    world,
    cluster,
    {
      autoScalingGroupId: baseAsGroups.general,
      name: 'prod-general',
      enabled: true,
      minSize: 2,
      maxSize: 10,
      desiredSize: 2,
      instanceType: 'S5.2XLARGE16',
      subnetIds: ['subnet-p7w2ck4e', 'subnet-v1n6zh3x'],
      labels,
      createdMs: addedMs,
    },
    random,
  )
  placeAsGroup(
    world,
    cluster,
    {
      autoScalingGroupId: baseAsGroups.nightly,
      name: 'prod-nightly',
      enabled: false,
      minSize: 0,
      maxSize: 6,
      desiredSize: 0,
      instanceType: 'S5.4XLARGE32',
      subnetIds: ['subnet-b5y8rt0m'],
      labels: [{ name: 'pool', value: 'nightly' }],
      createdMs: addedMs,
    },
    random,
  )
  placeNodes(
    world,
    cluster,
    {
      count: 2,
      instanceType: 'S5.2XLARGE16',
      subnetId: 'subnet-v1n6zh3x',
      asGroupId: baseAsGroups.general,
      labels,
      createdMs: now - 6 * dayMs,
    },
    random,
  )
  cluster.endpoints.intranet = {
    status: 'Created',
    readyAtMs: now - 390 * dayMs,
    address: '10.0.1.250',
    port: 443,
    subnetId: 'subnet-p7w2ck4e',
    domain: '',
    securityGroup: '',
  }
  const { put, run } = kubernetesOf(world, cluster.clusterId, random)
  // Yesterday: what has been replaced since, so that older images are still held by old ReplicaSets.
  const dayAgoMs = now - dayMs
  put([namespace('shop'), namespace('pay'), namespace('ops'), scalerDefinition(scalerGroups.public)], dayAgoMs)
  put(
    [
      deployment({ namespace: 'shop', name: 'storefront', image: images.storefront.image(9), replicas: 3 }),
      deployment({ namespace: 'pay', name: 'gateway', image: images.gateway.image(4), replicas: 3 }),
    ],
    dayAgoMs,
  )
  run(dayAgoMs + 10 * minuteMs)
  const putMs = now - 2 * hourMs
  put(
    [
      deployment({ namespace: 'shop', name: 'storefront', image: images.storefront.image(2), replicas: 3, cpu: '500m', memory: '512Mi' }),
      deployment({ namespace: 'shop', name: 'catalog', image: images.catalog.image(0), replicas: 2 }),
      deployment({ namespace: 'shop', name: 'checkout-v1', image: images.storefront.image(40), replicas: 0 }),
      deployment({ namespace: 'pay', name: 'gateway', image: images.gateway.image(0), replicas: 3, cpu: '500m', memory: '512Mi' }),
      deployment({ namespace: 'pay', name: 'risk', image: images.risk.image(1), replicas: 2, initImage: images.java.image(3) }),
      statefulSet({ namespace: 'pay', name: 'ledger', image: images.ledger.image(1), replicas: 3, cpu: '500m', memory: '1Gi' }),
      daemonSet({
        namespace: 'kube-system',
        name: 'node-exporter',
        image: 'quay.io/prometheus/node-exporter:v1.3.1',
        cpu: '50m',
        memory: '64Mi',
      }),
      cronJob('batch/v1beta1', { namespace: 'ops', name: 'daily-report', image: images.report.image(0), schedule: '30 1 * * *' }),
      cronJob('batch/v1beta1', {
        namespace: 'ops',
        name: 'year-end',
        image: images.report.image(6),
        schedule: '0 3 31 12 *',
        suspend: true,
      }),
      cronJob('batch/v1beta1', { namespace: 'ops', name: 'backup', image: images.backup.image(0), schedule: '0 2 * * 0' }),
      autoscalerV2({ namespace: 'shop', name: 'storefront', target: 'storefront', minReplicas: 3, maxReplicas: 8, cpuPercent: 60 }),
      autoscalerV1({ namespace: 'pay', name: 'risk', target: 'risk', minReplicas: 2, maxReplicas: 4, cpuPercent: 70 }),
      disruptionBudget({ namespace: 'pay', name: 'gateway', minAvailable: 2 }),
      disruptionBudget({ namespace: 'pay', name: 'ledger', minAvailable: 2 }),
      service({ namespace: 'shop', name: 'storefront', type: 'LoadBalancer', clusterIp: '172.16.60.11' }),
      service({ namespace: 'shop', name: 'catalog', clusterIp: '172.16.60.12' }),
      service({ namespace: 'pay', name: 'gateway', clusterIp: '172.16.60.13' }),
      service({ namespace: 'pay', name: 'ledger', clusterIp: '172.16.60.14' }),
      ...productionScalers(now),
    ],
    putMs,
  )
  run(now)
  put(
    [
      kubeEvent({
        namespace: 'shop',
        kind: 'Pod',
        name: 'storefront',
        reason: 'Unhealthy',
        message: 'Readiness probe failed once during the roll-out.',
        type: 'Warning',
        component: 'kubelet',
        at: isoTime(putMs + minuteMs),
      }),
      kubeEvent({
        namespace: 'kube-system',
        kind: 'ConfigMap',
        name: 'cluster-autoscaler-status',
        reason: 'ScaledUpGroup',
        message: `Scale-up: ${baseAsGroups.general} size set to 2`,
        component: 'cluster-autoscaler',
        at: isoTime(now - 6 * dayMs),
      }),
    ],
    now,
  )
}

/** Schedules of production: three that act at once, and one for each way not to. */
function productionScalers(now: number): JsonObject[] {
  const group = scalerGroups.public
  const apps = (kind: string, name: string) => ({ apiVersion: 'apps/v1', kind, name })
  return [
    scaler({
      group,
      namespace: 'pay',
      name: 'gateway-peak',
      target: apps('Deployment', 'gateway'),
      crons: [
        { name: 'up', schedule: upSchedule, targetSize: 6 },
        { name: 'down', schedule: downSchedule, targetSize: 4 },
      ],
    }),
    scaler({
      group,
      namespace: 'pay',
      name: 'ledger-peak',
      target: apps('Statefulset', 'ledger'),
      crons: [
        { name: 'up', schedule: upSchedule, targetSize: 5 },
        { name: 'down', schedule: downSchedule, targetSize: 4 },
      ],
    }),
    scaler({
      group,
      namespace: 'shop',
      name: 'storefront-hours',
      target: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', name: 'storefront' },
      crons: [
        { name: 'open', schedule: upSchedule, minSize: 4, maxSize: 12 },
        { name: 'close', schedule: downSchedule, minSize: 2, maxSize: 6 },
      ],
    }),
    // Excluded on the days around the seed's: skipped now, and back at work when the clock moves on.
    scaler({
      group,
      namespace: 'shop',
      name: 'catalog-freeze',
      target: apps('Deployment', 'catalog'),
      crons: [{ name: 'grow', schedule: upSchedule, targetSize: 5, excludeDates: [-1, 0, 1].map((days) => wholeDay(now + days * dayMs)) }],
    }),
    // Five fields: read as six it would mean second 2 of each minute past eight from January to May.
    scaler({
      group,
      namespace: 'pay',
      name: 'risk-morning',
      target: apps('Deployment', 'risk'),
      crons: [{ name: 'up', schedule: '2 8 * * 1-5', targetSize: 6 }],
    }),
    // The size it asks for is there already.
    scaler({
      group,
      namespace: 'shop',
      name: 'checkout-off',
      target: apps('Deployment', 'checkout-v1'),
      crons: [
        { name: 'off', schedule: upSchedule, targetSize: 0 },
        { name: 'still-off', schedule: downSchedule, targetSize: 0 },
      ],
    }),
    // Nothing of that name.
    scaler({
      group,
      namespace: 'shop',
      name: 'recommender-hours',
      target: apps('Deployment', 'recommender'),
      crons: [{ name: 'up', schedule: upSchedule, targetSize: 3 }],
    }),
    // A workload that an autoscaler owns: the schedule belongs on the autoscaler.
    scaler({
      group,
      namespace: 'shop',
      name: 'storefront-direct',
      target: apps('Deployment', 'storefront'),
      crons: [{ name: 'up', schedule: upSchedule, targetSize: 9 }],
    }),
  ]
}

/** A date exclusion for the civil date of an instant in China's time, as the add-on's nodes read it. */
function wholeDay(atMs: number): string {
  const civil = new Date(atMs + 8 * hourMs)
  return `* * * ${civil.getUTCDate()} ${civil.getUTCMonth() + 1} *`
}

function placeStaging(world: World, images: Images, now: number, random: () => number): void {
  const cluster = placeCluster(
    world,
    {
      clusterId: baseClusters.staging,
      region: baseRegion,
      name: 'staging',
      description: 'What is released next',
      version: '1.18.4',
      vpcId: 'vpc-h8c2wm5t',
      clusterCidr: '172.17.0.0/20',
      tags: [{ key: 'environment', value: 'staging' }],
      createdMs: now - 200 * dayMs,
    },
    random,
  )
  placeNodes(world, cluster, { count: 2, instanceType: 'S5.LARGE8', subnetId: 'subnet-k4d7fe9s', createdMs: now - 60 * dayMs }, random)
  placeNodes(world, cluster, { count: 1, instanceType: 'S5.LARGE8', subnetId: 'subnet-x2q5mb8j', createdMs: now - 20 * dayMs }, random)
  const { put, run } = kubernetesOf(world, cluster.clusterId, random)
  const putMs = now - 3 * hourMs
  put([namespace('shop'), namespace('pay'), scalerDefinition(scalerGroups.public)], putMs)
  put(
    [
      deployment({ namespace: 'shop', name: 'storefront', image: images.storefront.image(0), replicas: 2 }),
      deployment({ namespace: 'shop', name: 'catalog', image: images.catalog.image(0), replicas: 1 }),
      deployment({ namespace: 'pay', name: 'gateway', image: images.gateway.image(0), replicas: 1 }),
      statefulSet({ namespace: 'pay', name: 'ledger', image: images.ledger.image(0), replicas: 1 }),
      service({ namespace: 'shop', name: 'storefront', clusterIp: '172.17.15.11' }),
      // Nights off. It runs at fixed hours, so most of the day nothing is due.
      scaler({
        group: scalerGroups.public,
        namespace: 'shop',
        name: 'storefront-nights',
        target: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'storefront' },
        crons: [
          { name: 'evening', schedule: '0 0 22 * * *', targetSize: 0 },
          { name: 'morning', schedule: '0 0 8 * * 1-5', targetSize: 2 },
        ],
      }),
    ],
    putMs,
  )
  run(now)
}

function placeLegacy(world: World, images: Images, now: number, random: () => number): void {
  const cluster = placeCluster(
    world,
    {
      clusterId: baseClusters.legacy,
      region: baseRegion,
      name: 'settlement-legacy',
      description: 'Settlement, to be moved',
      version: '1.14.3',
      os: 'centos7.2x86_64',
      type: 'INDEPENDENT_CLUSTER',
      vpcId: 'vpc-h8c2wm5t',
      clusterCidr: '172.18.0.0/20',
      createdMs: now - 1500 * dayMs,
    },
    random,
  )
  placeNodes(
    world,
    cluster,
    {
      count: 3,
      instanceType: 'S5.LARGE8',
      subnetId: 'subnet-k4d7fe9s',
      role: 'MASTER_ETCD',
      instanceName: 'tke_master',
      createdMs: now - 1500 * dayMs,
    },
    random,
  )
  placeNodes(
    world,
    cluster,
    { count: 3, instanceType: 'S5.LARGE16', subnetId: 'subnet-x2q5mb8j', chargeType: 'PREPAID', createdMs: now - 900 * dayMs },
    random,
  )
  const { put, run } = kubernetesOf(world, cluster.clusterId, random)
  const putMs = now - 4 * hourMs
  put([namespace('settlement'), scalerDefinition(scalerGroups.finance)], putMs)
  put(
    [
      deployment({ namespace: 'settlement', name: 'matcher', image: images.gateway.image(26), replicas: 2 }),
      statefulSet({ namespace: 'settlement', name: 'book', image: images.ledger.image(14), replicas: 2 }),
      cronJob('batch/v1beta1', { namespace: 'settlement', name: 'close-of-day', image: images.report.image(4), schedule: '0 19 * * 1-5' }),
      autoscalerV1({ namespace: 'settlement', name: 'matcher', target: 'matcher', minReplicas: 2, maxReplicas: 4, cpuPercent: 75 }),
      service({ namespace: 'settlement', name: 'matcher', clusterIp: '172.18.15.11' }),
      scaler({
        group: scalerGroups.finance,
        namespace: 'settlement',
        name: 'matcher-day',
        target: { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler', name: 'matcher' },
        crons: [
          { name: 'day', schedule: '0 30 8 * * 1-5', minSize: 4, maxSize: 8 },
          { name: 'night', schedule: '0 0 20 * * *', minSize: 1, maxSize: 2 },
        ],
      }),
    ],
    putMs,
  )
  run(now)
}
