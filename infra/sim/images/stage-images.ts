import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { cronJob, daemonSet, deployment, statefulSet, type WorkloadSpec } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeNodes } from '#infra/sandbox/seeds/place.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { addNamespace } from '#infra/sandbox/tcr/namespaces.ts'
import { registryServer, type TcrRepository } from '#infra/sandbox/tcr/state.ts'
import { registerUser } from '#infra/sandbox/tcr/users.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Scenario } from '../scenario.ts'
import { clusterOf, stageWorld } from '../stage-world.ts'
import { type ImageScene, quarantineRepository, type SimImage, type SimWorkload } from './image-scene.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Builds the world of a scenario of the image-cleaner: a registry with its past, and clusters that use some of it. */
export function stageImages(scenario: Scenario, scene: ImageScene): World {
  const world = stageWorld(scenario)
  const { startMs } = scenario
  registerUser(world, startMs - 400 * dayMs)
  addNamespace(world, quarantineRepository.split('/')[0] ?? '', startMs - 400 * dayMs)
  const pushes = scene.repositories.flatMap(({ name, tags }) => tags.map((tag) => ({ repo: name, tag })))
  for (const { repo, tag } of pushes.toSorted((left, right) => left.tag.pushedMs - right.tag.pushedMs)) {
    const { name, content, pushedMs, builtMs } = tag
    pushImage(world, { repo, tag: name, content: contentName(repo, content), builtAt: builtMs, sizeBytes: 1000 }, pushedMs)
  }
  for (const [index, id] of scenario.clusterIds.entries()) {
    const cluster = world.tke.clusters[id]
    if (cluster === undefined) continue
    const spec = { count: 1, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs: startMs - 2 * dayMs }
    placeNodes(world, cluster, spec, createRandom(scenario.seed + index))
  }
  for (const workload of scene.workloads) putWorkload(world, workload, startMs - hourMs)
  for (const [index, { repository, tag }] of scene.triggers.entries()) placeTrigger(world, scenario, { repository, tag, index })
  return world
}

function contentName(repository: string, content: number): string {
  return `${repository}#${content}`
}

function placeTrigger(
  world: World,
  { clusterIds, startMs }: Scenario,
  { repository, tag, index }: { readonly repository: string; readonly tag: string; readonly index: number },
): void {
  world.tcr.triggers[`trigger-${index}`] = {
    owner: world.account.uin,
    repoName: repository,
    invokeMethod: 'taglist',
    invokeExpr: tag,
    clusterId: clusterIds[0] ?? '',
    namespace: 'default',
    workloadType: 'Deployment',
    workloadName: 'nobody',
    containerName: 'nobody',
    clusterRegion: 1,
    createdAt: startMs - dayMs,
    updatedAt: startMs - dayMs,
  }
}

export function repositoryOf(world: World, name: string): TcrRepository | undefined {
  return Object.hasOwn(world.tcr.repositories, name) ? world.tcr.repositories[name] : undefined
}

/** How an object names an image: by its tag, or by what the tag points at now. */
export function imageText(world: World, { repository, tag, isPinned }: SimImage): string {
  const tags = repositoryOf(world, repository)?.tags ?? {}
  const digest = isPinned && Object.hasOwn(tags, tag) ? tags[tag]?.content.digest : undefined
  return digest === undefined ? `${registryServer}/${repository}:${tag}` : `${registryServer}/${repository}@${digest}`
}

/** Where objects of a kind are. */
export const placeOfKind = {
  Deployment: { group: 'apps', resource: 'deployments' },
  StatefulSet: { group: 'apps', resource: 'statefulsets' },
  DaemonSet: { group: 'apps', resource: 'daemonsets' },
  CronJob: { group: 'batch', resource: 'cronjobs' },
  Job: { group: 'batch', resource: 'jobs' },
  Pod: { group: '', resource: 'pods' },
} as const satisfies Record<SimWorkload['kind'], { readonly group: string; readonly resource: string }>

/** Creates a workload or gives it what it says now, as somebody does who applies a file. */
export function putWorkload(world: World, workload: SimWorkload, now: number): void {
  const { cluster, kind, name } = workload
  const state = clusterOf(world, cluster)
  // What cannot be changed is made anew.
  if (kind === 'Job' || kind === 'Pod') removeWorkload(world, workload)
  const spec: WorkloadSpec = {
    namespace: 'default',
    name,
    image: imageText(world, workload.image),
    replicas: workload.replicas,
    cpu: '10m',
    memory: '10Mi',
    ...(workload.initImage === undefined ? {} : { initImage: imageText(world, workload.initImage) }),
  }
  putObject(state, objectOf(kind, spec, workload.replicas), now)
}

export function removeWorkload(world: World, { cluster, kind, name }: SimWorkload): void {
  const { group, resource } = placeOfKind[kind]
  removeObject(clusterOf(world, cluster), group, resource, name, 'default')
}

function objectOf(kind: SimWorkload['kind'], spec: WorkloadSpec, replicas: number): JsonObject {
  switch (kind) {
    case 'Deployment':
      return deployment(spec)
    case 'StatefulSet':
      return statefulSet(spec)
    case 'DaemonSet':
      return daemonSet(spec)
    case 'CronJob':
      return cronJob('batch/v1beta1', { ...spec, schedule: '30 17 * * *', suspend: replicas === 0 })
    case 'Job':
    case 'Pod':
      return {
        apiVersion: kind === 'Job' ? 'batch/v1' : 'v1',
        kind,
        metadata: { name: spec.name, namespace: 'default' },
        spec: bareSpec(kind, spec),
      }
  }
}

function bareSpec(kind: 'Job' | 'Pod', { name, image, initImage }: WorkloadSpec): JsonObject {
  const pod: JsonObject = {
    restartPolicy: kind === 'Job' ? 'Never' : 'Always',
    ...(initImage === undefined ? {} : { initContainers: [{ name: 'prepare', image: initImage }] }),
    containers: [{ name, image }],
  }
  return kind === 'Job' ? { template: { spec: pod } } : pod
}
