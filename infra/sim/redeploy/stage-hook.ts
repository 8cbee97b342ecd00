import { recordAnnotation } from '#functions/redeploy-hook/record.ts'
import { type JsonObject, objectAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { cronJob, daemonSet, deployment, statefulSet, type WorkloadSpec } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeCluster, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Scenario } from '../scenario.ts'
import { clusterOf, stageWorld } from '../stage-world.ts'
import type { HookKind, HookScene, SimHookWorkload } from './hook-scene.ts'

const hourMs = 3_600_000

/** The secret of the one source, and the one that links for approvals are signed with. */
export const hookSecrets = {
  SIM_HOOK_TOKEN: 'token of the registry in the simulation',
  SIM_APPROVAL_SECRET: 'secret of approvals in the simulation',
} as const

/** A third cluster, for worlds with three rings. */
export const thirdCluster = 'cls-e0000003'

/** Builds clusters with workloads. What has been pushed by the beginning is up to whoever keeps the registry. */
export function stageHook(scenario: Scenario, scene: HookScene): World {
  const { startMs, seed } = scenario
  const world = stageWorld({ ...scenario, clusterIds: scenario.clusterIds.filter((id) => id !== thirdCluster) })
  if (scenario.clusterIds.includes(thirdCluster)) {
    const created = { name: 'third', version: '1.20.6', clusterCidr: '172.18.0.0/16', createdMs: startMs - 24 * hourMs }
    placeCluster(world, { clusterId: thirdCluster, region: emptyCluster.region, vpcId: emptyCluster.vpcId, ...created }, createRandom(seed))
  }
  for (const [index, id] of scenario.clusterIds.entries()) {
    const cluster = world.tke.clusters[id]
    if (cluster === undefined) continue
    const spec = { count: 1, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs: startMs - 2 * 24 * hourMs }
    placeNodes(world, cluster, spec, createRandom(seed + index))
  }
  for (const workload of scene.workloads) createWorkload(world, scene, workload, startMs - hourMs)
  return world
}

/** Makes a workload as somebody does who applies a file; one that is there goes first. */
export function createWorkload(world: World, { rules }: HookScene, workload: SimHookWorkload, now: number): void {
  const { cluster, kind, name, replicas, tag, rule } = workload
  removeWorkload(world, workload)
  const image = `${registryServer}/${rules[rule]?.repository ?? ''}:${tag}`
  const spec: WorkloadSpec = { namespace: 'default', name, image, replicas, cpu: '10m', memory: '10Mi' }
  putObject(clusterOf(world, cluster), withPolicy(objectOf(kind, spec)), now)
}

export function removeWorkload(world: World, { cluster, kind, name }: Pick<SimHookWorkload, 'cluster' | 'kind' | 'name'>): void {
  const { group, resource } = placeOfKind[kind]
  removeObject(clusterOf(world, cluster), group, resource, name, 'default')
}

export const placeOfKind = {
  Deployment: { group: 'apps', resource: 'deployments' },
  StatefulSet: { group: 'apps', resource: 'statefulsets' },
  DaemonSet: { group: 'apps', resource: 'daemonsets' },
  CronJob: { group: 'batch', resource: 'cronjobs' },
  Job: { group: 'batch', resource: 'jobs' },
} as const satisfies Record<HookKind, { readonly group: string; readonly resource: string }>

export function objectOfWorkload(world: World, { cluster, kind, name }: SimHookWorkload): KubeObject | undefined {
  const { group, resource } = placeOfKind[kind]
  return getObject(clusterOf(world, cluster), group, resource, name, 'default')
}

/** `cls-1/default/Deployment/web` */
export function nameOfWorkload({ cluster, kind, name }: Pick<SimHookWorkload, 'cluster' | 'kind' | 'name'>): string {
  return `${cluster}/default/${kind}/${name}`
}

/** The pod template of an object of a kind. */
export function templateOf(object: JsonObject | KubeObject, kind: HookKind): JsonObject | undefined {
  return kind === 'CronJob' ? objectAt(object, 'spec', 'jobTemplate', 'spec', 'template') : objectAt(object, 'spec', 'template')
}

function objectOf(kind: HookKind, spec: WorkloadSpec): JsonObject {
  switch (kind) {
    case 'Deployment':
      return deployment(spec)
    case 'StatefulSet':
      return statefulSet(spec)
    case 'DaemonSet':
      return daemonSet(spec)
    case 'CronJob':
      return cronJob('batch/v1beta1', { ...spec, schedule: '30 4 1 1 *' })
    case 'Job':
      return {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: spec.name, namespace: 'default' },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: spec.name, image: spec.image }] } } },
      }
  }
}

/** A tag that was pushed again reaches every node. */
function withPolicy(object: JsonObject): JsonObject {
  const text = JSON.stringify(object).replaceAll('"image":', '"imagePullPolicy":"Always","image":')
  const parsed: JsonObject = JSON.parse(text)
  return parsed
}

/** What the product has written about the one container of a workload, read without the product's own code. */
export interface SeenRecord {
  readonly text: string | undefined
  readonly set: JsonObject | undefined
  readonly mark: JsonObject | undefined
  readonly bad: readonly string[]
  readonly approved: string | undefined
}

export function recordOn(object: KubeObject | undefined, container: string): SeenRecord {
  const text = object?.metadata.annotations?.[recordAnnotation]
  const nothing = { text, set: undefined, mark: undefined, bad: [], approved: undefined }
  if (text === undefined || !text.startsWith('{"')) return nothing
  const value: JsonObject = JSON.parse(text)
  const own = objectAt(value, container)
  if (own === undefined) return nothing
  const bad = Array.isArray(own.bad) ? own.bad.flatMap((one) => textIn(one, 'content') ?? []) : []
  return { text, set: objectAt(own, 'set'), mark: objectAt(own, 'mark'), bad, approved: textIn(own.approved, 'content') }
}

export function textIn(value: unknown, key: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Reflect.get(value, key)
  return typeof found === 'string' ? found : undefined
}
