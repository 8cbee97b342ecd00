import * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { apply } from '#functions/alarm-scaler/apply.ts'
import { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { Settings } from '#functions/alarm-scaler/event.ts'
import { PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { observe, type Seen } from '#functions/alarm-scaler/observe.ts'
import type { AlarmStep } from '#functions/alarm-scaler/plan-step.ts'
import { poolObjectName } from '#functions/alarm-scaler/pool-store.ts'
import { settle } from '#functions/alarm-scaler/settle.ts'
import { advanceWorld } from '#infra/sandbox/advance.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { setNodeUnschedulable } from '#infra/sandbox/kubernetes/nodes.ts'
import { getObject, listObjects, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { isNode, isPod } from '#infra/sandbox/kubernetes/shapes.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, namespace } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeAsGroup, placeMachines, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { nodesOf, terminate } from '#infra/sandbox/tke/machines.ts'
import type { AsGroupState, ClusterState, MachineState } from '#infra/sandbox/tke/state.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSteps } from '#shared/runtime/run.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { image, openInProcessStage, openStage, type Stage as PlatformStage } from '../image-cleaner/stage.ts'

export const clusterId = emptyCluster.clusterId
export const groupId = 'asg-general01'
export const virtualPoolId = 'np-virtual01'
export const minuteMs = 60_000

export const region = 'ap-guangzhou'
export const pool = 'general'

export type SettingsInput = z.input<typeof Settings>

/** One pool of the whole cluster, and nothing else. */
export const onePool: SettingsInput = { pools: [{ name: pool, cluster: clusterId, labels: { pool: 'general' }, max: 20 }] }

const definition: ScheduleDefinition<Settings, Seen, AlarmChange> = {
  name: 'alarm-scaler',
  settings: Settings,
  observe,
  plan: () => [],
  change: AlarmChange,
  settle,
  apply,
}

/** One cluster with a scaling group of two nodes, two nodes of no group, a pool of virtual nodes and spare machines. */
export interface ClusterStage extends Omit<PlatformStage, 'run' | 'steps' | 'push' | 'tags' | 'repository' | 'writes'> {
  readonly cluster: ClusterState
  readonly group: AsGroupState
  /** Lets so much time pass, and everything happen that is due meanwhile. */
  wait(ms: number): void
  machines(): readonly MachineState[]
  /** Names of the Kubernetes nodes. */
  nodes(): readonly string[]
  node(name: string): { readonly unschedulable: boolean; readonly annotations: Readonly<Record<string, string>> }
  /** Gives a node labels, as a person would. */
  relabel(name: string, labels: Readonly<Record<string, string>>): void
  annotate(name: string, annotations: Readonly<Record<string, string>>): void
  labelsOf(name: string): Readonly<Record<string, string>>
  /** Closes a node, as a person would. */
  closeNode(name: string): void
  /** Opens it again, and nothing else. */
  openNode(name: string): void
  /** Takes a machine away, as a person would. */
  loseMachine(instanceId: string): void
  /** Names of the pods on a node, or of those without one. */
  podsOn(node: string | undefined): readonly string[]
  forget(group: string, resource: string, name: string, namespace: string): void
  object(group: string, resource: string, name: string, namespace?: string): object | undefined
  /** Calls since the n-th one, as `DescribeQuota` or `GET /api/v1/nodes`. */
  calls(since?: number): readonly string[]
  /** Writing calls that were carried out, as `CreateClusterInstances` or `PATCH /api/…`. */
  writes(since?: number): readonly string[]
  /** Carries steps out through the kernel, as a run of its own. */
  carry(steps: readonly AlarmStep[], options?: { readonly settings?: SettingsInput; readonly cloud?: CloudWriter }): Promise<RunReport>
  /** What a run needs beside its definition. */
  options(settings?: SettingsInput, cloud?: CloudWriter): Promise<RunOptions>
  /** The pool's record as it lies in the cluster; an error when there is none. */
  record(): PoolRecord
  hasRecord(): boolean
  /** Writes a record as somebody else would. */
  putRecord(record: PoolRecord): void
  /** A Deployment whose pods want so much each. */
  deploy(name: string, replicas: number, more?: { readonly cpu?: string; readonly nodeSelector?: Readonly<Record<string, string>> }): void
}

export async function openClusterStage(): Promise<ClusterStage> {
  return stageOn(await openStage())
}

export function openLocalClusterStage(): ClusterStage {
  return stageOn(openInProcessStage())
}

function stageOn(platform: PlatformStage): ClusterStage {
  const { world, journal } = platform
  const random = createRandom(11)
  const cluster = world.tke.clusters[clusterId]
  if (cluster === undefined) throw new Error('there is no cluster')
  const createdMs = platform.now() - 10 * 24 * 60 * minuteMs
  const labels = [{ name: 'pool', value: 'general' }]
  const { subnetId } = emptyCluster
  const group = placeAsGroup(
    world,
    cluster,
    {
      autoScalingGroupId: groupId,
      name: 'general',
      enabled: true,
      minSize: 2,
      maxSize: 10,
      desiredSize: 2,
      instanceType: 'S5.LARGE8',
      subnetIds: [subnetId],
      labels,
      createdMs,
    },
    random,
  )
  placeNodes(world, cluster, { count: 2, instanceType: 'S5.LARGE8', subnetId, asGroupId: groupId, labels, createdMs }, random)
  placeNodes(world, cluster, { count: 2, instanceType: 'S5.LARGE8', subnetId, chargeType: 'PREPAID', createdMs }, random)
  placeMachines(world, emptyCluster.vpcId, { count: 2, instanceType: 'S5.LARGE8', subnetId, instanceName: 'spare', createdMs }, random)
  cluster.virtualNodePools[virtualPoolId] = {
    nodePoolId: virtualPoolId,
    name: 'burst',
    lifeState: 'normal',
    readyAtMs: createdMs,
    subnetIds: [subnetId],
    securityGroupIds: [],
    labels: [],
    taints: [],
    unschedulable: false,
    createdMs,
    nodes: {},
  }
  platform.put(namespace('prod'))
  const kubernetes = () => {
    const state = world.kubernetes[clusterId]
    if (state === undefined) throw new Error('there is no cluster')
    return state
  }
  const named = (since: number, only: (record: (typeof journal)[number]) => boolean): readonly string[] =>
    journal
      .slice(since)
      .filter(only)
      .map(({ action, request }) => (action === 'ForwardRequest' ? `${String(request?.Method)} ${String(request?.Path)}` : action))
  const mark = (name: string, where: 'labels' | 'annotations', more: Readonly<Record<string, string>>): void => {
    const node = getObject(kubernetes(), '', 'nodes', name)
    if (node === undefined) throw new Error(`there is no node ${name}`)
    const metadata = { ...node.metadata, [where]: { ...node.metadata[where], ...more } }
    putObject(kubernetes(), { ...node, metadata }, platform.now())
  }
  let runs = 0
  const stored = (): object | undefined => getObject(kubernetes(), '', 'configmaps', poolObjectName(pool), 'kube-system')
  const stage: ClusterStage = {
    ...platform,
    cluster,
    group,
    wait: (ms) => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        platform.pass(Math.min(10_000, ms - passed))
        advanceWorld(world, platform.now(), random)
      }
    },
    machines: () => nodesOf(world, clusterId),
    nodes: () =>
      listObjects(kubernetes(), '', 'nodes')
        .map(({ metadata }) => metadata.name)
        .toSorted(),
    node: (name) => {
      const found = getObject(kubernetes(), '', 'nodes', name)
      if (!isNode(found)) throw new Error(`there is no node ${name}`)
      return { unschedulable: found.spec.unschedulable === true, annotations: found.metadata.annotations ?? {} }
    },
    relabel: (name, labels) => mark(name, 'labels', labels),
    annotate: (name, annotations) => mark(name, 'annotations', annotations),
    labelsOf: (name) => getObject(kubernetes(), '', 'nodes', name)?.metadata.labels ?? {},
    closeNode: (name) => setNodeUnschedulable(kubernetes(), name, true, platform.now()),
    openNode: (name) => setNodeUnschedulable(kubernetes(), name, false, platform.now()),
    loseMachine: (instanceId) => {
      const machine = world.tke.machines[instanceId]
      if (machine === undefined) throw new Error(`there is no machine ${instanceId}`)
      terminate(world, machine, platform.now())
    },
    podsOn: (node) =>
      listObjects(kubernetes(), '', 'pods')
        .filter(isPod)
        .filter(({ spec, metadata }) => spec.nodeName === node && metadata.deletionTimestamp === undefined)
        .map(({ metadata }) => metadata.name)
        .toSorted(),
    forget: (apiGroup, resource, name, inNamespace) => removeObject(kubernetes(), apiGroup, resource, name, inNamespace),
    object: (apiGroup, resource, name, inNamespace) => getObject(kubernetes(), apiGroup, resource, name, inNamespace),
    calls: (since = 0) => named(since, () => true),
    writes: (since = 0) =>
      named(
        since,
        ({ effect, applied, action, request }) =>
          effect === 'write' && applied && !(action === 'ForwardRequest' && request?.Method === 'GET'),
      ),
    options: async (settings = onePool, cloud = platform.cloud) => {
      runs += 1
      const config: Config = {
        mode: 'enforce',
        platform: {
          endpoint: { kind: 'url', url: platform.url },
          region,
          allowInsecureHttp: false,
          allowedHosts: [],
          credentials: { kind: 'none' },
        },
        clusters: [{ id: clusterId }],
        store: { kind: 'memory' },
        functions: { 'alarm-scaler': settings },
      }
      const now = platform.now()
      return {
        config,
        cloud,
        kernel: await memoryKernel({ config, cloud: platform.cloud, now: () => platform.now(), disk: platform.disk }),
        owner: `run-${runs}`,
        now,
        scheduledAt: now,
        trigger: { kind: 'local' },
        log: silentLog,
      }
    },
    carry: async (steps, { settings, cloud } = {}) => {
      const report = await runSteps(definition, steps, await stage.options(settings, cloud))
      // A run also tells of what earlier ones have left open.
      return { ...report, decisions: report.decisions.slice(0, steps.length) }
    },
    record: () => {
      const { data } = z.parse(z.object({ data: z.object({ 'pool.json': z.string() }) }), stored())
      return z.parse(PoolRecord, JSON.parse(data['pool.json']))
    },
    hasRecord: () => stored() !== undefined,
    putRecord: (record) => {
      platform.put({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: poolObjectName(pool),
          namespace: 'kube-system',
          labels: { 'longshore.dev/leases': 'true' },
          annotations: { 'longshore.dev/pool': pool },
        },
        data: { 'pool.json': JSON.stringify(record) },
      })
    },
    deploy: (name, replicas, { cpu = '1', nodeSelector } = {}) => {
      const object = deployment({ namespace: 'prod', name, image: image('team/web', '1.0.0'), replicas, cpu, memory: '512Mi' })
      platform.put(nodeSelector === undefined ? object : withNodeSelector(object, nodeSelector))
    },
  }
  platform.push('team/web', '1.0.0', 10)
  stage.wait(30_000)
  return stage
}

function withNodeSelector(object: JsonObject, nodeSelector: Readonly<Record<string, string>>): JsonObject {
  const copy = structuredClone(object) as { spec: { template: { spec: Record<string, unknown> } } }
  copy.spec.template.spec.nodeSelector = { ...nodeSelector }
  return copy as unknown as JsonObject
}
