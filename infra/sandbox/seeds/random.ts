import { advanceKubernetes } from '../kubernetes/controllers.ts'
import type { JsonObject } from '../kubernetes/json.ts'
import { putObject } from '../kubernetes/objects.ts'
import { createRandom } from '../random.ts'
import { pushImage } from '../tcr/images.ts'
import { registryServer } from '../tcr/state.ts'
import { freshId } from '../tke/fresh-id.ts'
import type { World } from '../world.ts'
import {
  autoscalerV1,
  autoscalerV2,
  type CronSpec,
  cronJob,
  daemonSet,
  deployment,
  disruptionBudget,
  namespace,
  scaler,
  scalerDefinition,
  statefulSet,
} from './kube-objects.ts'
import { hooksOf, newWorld } from './new-world.ts'
import { placeAsGroup, placeCluster, placeNetwork, placeNodes } from './place.ts'

/** How large a random world is. */
export interface RandomWorldOptions {
  /** Workloads over all clusters. */
  readonly workloads: number
  readonly clusters?: number
  readonly repositories?: number
  /** Most tags of one repository. */
  readonly tags?: number
  /** Most nodes of one cluster. */
  readonly nodes?: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const region = 'ap-guangzhou'
const scalerGroup = 'autoscaling.cloud.tencent.com'
const versions = ['1.14.3', '1.16.3', '1.18.4', '1.20.6']

interface Dice {
  readonly random: () => number
  /** A whole number from `least` to `most`. */
  readonly whole: (least: number, most: number) => number
  readonly chance: (probability: number) => boolean
  readonly one: <Value>(values: readonly Value[]) => Value
}

function dice(seed: number): Dice {
  const random = createRandom(seed)
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  return {
    random,
    whole,
    chance: (probability) => random() < probability,
    one: (values) => {
      const value = values[whole(0, values.length - 1)]
      if (value === undefined) throw new TypeError('There is nothing to choose from.')
      return value
    },
  }
}

/**
 * A world drawn from a seed, for property tests: clusters of mixed versions, repositories whose tags share contents, and
 * workloads of every kind that use them, some scaled to zero or suspended, some with autoscaler, budget or schedule. Every
 * image a workload names exists. The same arguments make the same world.
 */
export function createRandomWorld(now: number, seed: number, options: RandomWorldOptions): World {
  const world = newWorld()
  const throws = dice(seed)
  const images = placeRepositories(world, now, throws, options.repositories ?? 4, options.tags ?? 20)
  const clusterIds = placeClusters(world, now, throws, options.clusters ?? 2, options.nodes ?? 4)
  const objects = new Map<string, JsonObject[]>(
    clusterIds.map((clusterId) => [clusterId, [namespace('apps'), namespace('data'), scalerDefinition(scalerGroup)]]),
  )
  for (let index = 0; index < options.workloads; index += 1) {
    const clusterId = throws.one(clusterIds)
    objects.get(clusterId)?.push(...workload(`w${index}`, throws, images))
  }
  const putMs = now - hourMs
  for (const [clusterId, list] of objects) {
    const state = world.kubernetes[clusterId]
    if (state === undefined) continue
    for (const object of list) putObject(state, object, putMs)
    advanceKubernetes(state, now, hooksOf(world, throws.random))
  }
  return world
}

function placeRepositories(world: World, now: number, throws: Dice, count: number, mostTags: number): string[] {
  const images: string[] = []
  for (let index = 0; index < count; index += 1) {
    const repo = `${throws.one(['apps', 'data'])}/r${index}`
    const tags = throws.whole(1, mostTags)
    for (let number = 0; number < tags; number += 1) {
      const pushedMs = now - throws.whole(1, 365 * 24) * hourMs
      const tag = throws.chance(0.7) ? `v${throws.whole(0, 3)}.${throws.whole(0, 9)}.${number}` : `build-${number}`
      // A narrow choice of contents, so that tags share them.
      const content = throws.chance(0.3) ? `${repo} shared ${throws.whole(0, 3)}` : `${repo} ${number}`
      pushImage(world, { repo, tag, content, builtAt: pushedMs - throws.whole(0, 100) * minuteMs }, pushedMs)
      images.push(`${registryServer}/${repo}:${tag}`)
    }
  }
  return images
}

function placeClusters(world: World, now: number, throws: Dice, count: number, mostNodes: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const clusterId = freshId(world, 'cls', throws.random)
    const vpcId = freshId(world, 'vpc', throws.random)
    const subnetId = freshId(world, 'subnet', throws.random)
    placeNetwork(world, { vpcId, region, cidr: `10.${index}.0.0/16`, subnets: { [subnetId]: ['ap-guangzhou-3', `10.${index}.1.0/24`] } })
    const cluster = placeCluster(
      world,
      {
        clusterId,
        region,
        name: `c${index}`,
        version: throws.one(versions),
        vpcId,
        clusterCidr: `172.${16 + index}.0.0/16`,
        createdMs: now - 90 * dayMs,
      },
      throws.random,
    )
    const instanceType = throws.one(['S5.LARGE8', 'S5.2XLARGE16', 'S5.4XLARGE32'])
    placeNodes(world, cluster, { count: throws.whole(1, mostNodes), instanceType, subnetId, createdMs: now - 30 * dayMs }, throws.random)
    if (throws.chance(0.6)) {
      const size = throws.whole(0, 2)
      const autoScalingGroupId = freshId(world, 'asg', throws.random)
      placeAsGroup(
        world,
        cluster,
        {
          autoScalingGroupId,
          name: `g${index}`,
          enabled: throws.chance(0.8),
          minSize: size,
          maxSize: size + throws.whole(0, 6),
          desiredSize: size,
          instanceType,
          subnetIds: [subnetId],
          createdMs: now - 30 * dayMs,
        },
        throws.random,
      )
      if (size > 0)
        placeNodes(
          world,
          cluster,
          { count: size, instanceType, subnetId, asGroupId: autoScalingGroupId, createdMs: now - 9 * dayMs },
          throws.random,
        )
    }
    return clusterId
  })
}

/** One workload with what goes with it: an autoscaler, a budget, a schedule. */
function workload(name: string, throws: Dice, images: readonly string[]): JsonObject[] {
  const spec = {
    namespace: throws.one(['apps', 'data']),
    name,
    image: throws.one(images),
    replicas: throws.chance(0.15) ? 0 : throws.whole(1, 4),
    cpu: throws.one(['50m', '100m', '250m']),
    memory: throws.one(['64Mi', '128Mi']),
    ...(throws.chance(0.2) ? { initImage: throws.one(images) } : {}),
  }
  switch (throws.whole(0, 5)) {
    case 0:
      return [statefulSet(spec), ...(throws.chance(0.4) ? [schedule(spec, 'Statefulset', throws)] : [])]
    case 1:
      return [daemonSet(spec)]
    case 2:
      return [
        cronJob('batch/v1beta1', { ...spec, schedule: `${throws.whole(0, 59)} ${throws.whole(0, 23)} * * *`, suspend: throws.chance(0.3) }),
      ]
    case 3: {
      const bounds = { minReplicas: throws.whole(1, 3), maxReplicas: throws.whole(3, 6), cpuPercent: throws.whole(40, 90) }
      const make = throws.one([autoscalerV1, autoscalerV2])
      return [
        deployment(spec),
        make({ namespace: spec.namespace, name, target: name, ...bounds }),
        ...(throws.chance(0.5) ? [schedule(spec, 'HorizontalPodAutoscaler', throws)] : []),
      ]
    }
    default:
      return [
        deployment(spec),
        ...(throws.chance(0.3) ? [disruptionBudget({ namespace: spec.namespace, name, minAvailable: 1 })] : []),
        ...(throws.chance(0.4) ? [schedule(spec, 'Deployment', throws)] : []),
      ]
  }
}

function schedule(target: { readonly namespace: string; readonly name: string }, kind: string, throws: Dice): JsonObject {
  const onAutoscaler = kind === 'HorizontalPodAutoscaler'
  const crons = Array.from({ length: throws.whole(1, 3) }, (_, index): CronSpec => {
    const minSize = throws.whole(1, 4)
    return {
      name: `cron-${index}`,
      schedule: throws.one([
        `0 ${throws.whole(0, 59)} ${throws.whole(0, 23)} * * *`,
        `${throws.whole(0, 59)} */${throws.whole(2, 30)} * * * *`,
        `0 0 ${throws.whole(0, 23)} * * ${throws.whole(0, 6)}`,
        `0 ${throws.whole(0, 59)} 8 ? * 1-5`,
      ]),
      ...(onAutoscaler ? { minSize, maxSize: minSize + throws.whole(0, 6) } : { targetSize: throws.whole(0, 6) }),
      ...(throws.chance(0.3) ? { excludeDates: [`* * * * * ${throws.whole(0, 6)}`] } : {}),
    }
  })
  return scaler({
    group: scalerGroup,
    namespace: target.namespace,
    name: `${target.name}-hpc`,
    target: { apiVersion: onAutoscaler ? 'autoscaling/v1' : 'apps/v1', kind, name: target.name },
    crons,
  })
}
