import * as z from 'zod/mini'
import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { DescribeClusterAsGroupOption } from '#cloud/generated/tke/describe-cluster-as-group-option.ts'
import { DescribeClusterAsGroups } from '#cloud/generated/tke/describe-cluster-as-groups.ts'
import { DescribeClusterInstances } from '#cloud/generated/tke/describe-cluster-instances.ts'
import { DescribeClusterVirtualNode } from '#cloud/generated/tke/describe-cluster-virtual-node.ts'
import { DescribeClusterVirtualNodePools } from '#cloud/generated/tke/describe-cluster-virtual-node-pools.ts'
import { DescribeExistedInstances } from '#cloud/generated/tke/describe-existed-instances.ts'
import { DescribeQuota } from '#cloud/generated/tke/describe-quota.ts'
import type { Label } from '#cloud/generated/tke/structures.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { pages } from '#cloud/pages.ts'
import type { FetchText } from '#shared/runtime/fetch-text.ts'
import { type AutoscalerStatus, parseAutoscalerStatus } from './autoscaler-status.ts'
import { type Budget, readBudget } from './budget-reading.ts'
import { Kept } from './kept.ts'
import { type ReadNode, readNode } from './node-reading.ts'
import { type ReadPod, readPod } from './pod-reading.ts'
import type { Query } from './policy.ts'
import { listPools, type StoredPool } from './pool-store.ts'
import { readPrometheus } from './prometheus-reading.ts'
import type { Reading } from './view.ts'

/** A machine of a cluster, as the platform says it. */
export interface ReadMachine {
  readonly instanceId: string
  readonly state: string
  readonly failure: string
  /** Epoch milliseconds. */
  readonly addedMs: number
  readonly labels: Readonly<Record<string, string>>
}

export interface ReadGroup {
  readonly id: string
  readonly status: string
  readonly labels: Readonly<Record<string, string>>
}

export interface ReadVirtualPool {
  readonly id: string
  readonly state: string
  readonly subnets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

export interface ReadVirtualNode {
  readonly name: string
  readonly subnet: string
  readonly phase: string
  readonly createdMs: number
}

/** A machine of the account in the cluster's network. */
export interface ReadSpare {
  readonly instanceId: string
  readonly name: string
  readonly cores: number
  /** Empty when it could join the cluster. */
  readonly obstacle: string
}

/** Who looks, when, and where. */
export interface Look {
  readonly cloud: CloudReader
  readonly now: number
  /** For every call. */
  readonly options: SendOptions
}

/** What one look takes for true without looking again: the looks of a storm come within a second. */
const keptForMs = 5_000
/** The limits of an account change at somebody's request, not by the minute. */
const quotaKeptForMs = 60_000

/** What this process has read of clusters in the last seconds, so that many looks cost as much as one. */
export class ClusterReadings {
  readonly #clusters = new Map<string, ClusterReading>()
  readonly #quotas = new Map<string, Kept<number>>()
  readonly #figures = new Map<string, Kept<Reading>>()

  of(cluster: string): ClusterReading {
    const known = this.#clusters.get(cluster) ?? new ClusterReading(cluster)
    this.#clusters.set(cluster, known)
    return known
  }

  /** Lets a cluster be read anew. */
  forget(cluster: string): void {
    this.#clusters.delete(cluster)
  }

  /** How many nodes a cluster of the look's region may have. */
  async maxNodes(region: string, { cloud, now, options }: Look): Promise<number> {
    const kept = this.#quotas.get(region) ?? new Kept<number>(quotaKeptForMs)
    this.#quotas.set(region, kept)
    return await kept.get(now, async () => Number((await cloud.send(DescribeQuota, {}, options)).MaxNodesNum))
  }

  /** What a query says. */
  async figure(query: Query, fetchText: FetchText, now: number): Promise<Reading> {
    const kept = this.#figures.get(query.name) ?? new Kept<Reading>(keptForMs)
    this.#figures.set(query.name, kept)
    return await kept.get(now, async () => await readPrometheus(query, fetchText, now))
  }
}

/**
 * One cluster, read piece by piece as somebody asks for it, and at most every few seconds. Old readings decide nothing alone: before
 * anything is written its pool's record is read again, and what had to be true for the decision with it. Throws CloudError and
 * KubeError; what failed is asked for again by the next one.
 */
export class ClusterReading {
  readonly #cluster: string
  readonly #nodes = new Kept<readonly ReadNode[]>(keptForMs)
  readonly #pods = new Kept<readonly ReadPod[]>(keptForMs)
  readonly #budgets = new Kept<readonly Budget[]>(keptForMs)
  readonly #machines = new Kept<readonly ReadMachine[]>(keptForMs)
  readonly #groups = new Kept<readonly ReadGroup[]>(keptForMs)
  readonly #isScaleDownEnabled = new Kept<boolean>(keptForMs)
  readonly #status = new Kept<AutoscalerStatus | undefined>(keptForMs)
  readonly #virtualPools = new Kept<readonly ReadVirtualPool[]>(keptForMs)
  readonly #spares = new Kept<readonly ReadSpare[]>(keptForMs)
  readonly #members = new Map<string, Kept<readonly ReadMachine[]>>()
  readonly #virtualNodes = new Map<string, Kept<readonly ReadVirtualNode[]>>()
  readonly #pools = new Map<string, Kept<readonly StoredPool[]>>()
  #budgetVersion: 'v1' | 'v1beta1' = 'v1'

  constructor(cluster: string) {
    this.#cluster = cluster
  }

  async nodes(look: Look): Promise<readonly ReadNode[]> {
    return await this.#nodes.get(look.now, async () =>
      (await this.#list(look, { version: 'v1', resource: 'nodes' })).flatMap(some(readNode)),
    )
  }

  /** Those that have not ended. */
  async pods(look: Look): Promise<readonly ReadPod[]> {
    const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed'
    return await this.#pods.get(look.now, async () =>
      (await this.#list(look, { version: 'v1', resource: 'pods' }, { fieldSelector })).flatMap(some(readPod)),
    )
  }

  async budgets(look: Look): Promise<readonly Budget[]> {
    return await this.#budgets.get(look.now, async () => {
      const list = (version: string) => this.#list(look, { group: 'policy', version, resource: 'poddisruptionbudgets' })
      try {
        return (await list(this.#budgetVersion)).flatMap(some(readBudget))
      } catch (error) {
        // Clusters before 1.21 serve budgets as v1beta1 only, those from 1.25 on as v1 only.
        if (!(error instanceof KubeError) || error.kind !== 'kube.not-found') throw error
        this.#budgetVersion = this.#budgetVersion === 'v1' ? 'v1beta1' : 'v1'
        return (await list(this.#budgetVersion)).flatMap(some(readBudget))
      }
    })
  }

  /** Workers, whatever their state. */
  async machines(look: Look): Promise<readonly ReadMachine[]> {
    return await this.#machines.get(look.now, async () => await readMachines(look, this.#cluster))
  }

  /** Machines of a scaling group: rows of machines do not say whose they are. */
  async members(groupId: string, look: Look): Promise<readonly ReadMachine[]> {
    const kept = this.#members.get(groupId) ?? new Kept(keptForMs)
    this.#members.set(groupId, kept)
    return await kept.get(look.now, async () => await readMachines(look, this.#cluster, groupId))
  }

  async groups({ cloud, now, options }: Look): Promise<readonly ReadGroup[]> {
    return await this.#groups.get(now, async () =>
      (await pages(cloud, DescribeClusterAsGroups, { ClusterId: this.#cluster }, options)).map((row) => ({
        id: row.AutoScalingGroupId,
        status: row.Status,
        labels: labelsOf(row.Labels),
      })),
    )
  }

  /** Whether the cluster autoscaler may take nodes away. */
  async isScaleDownEnabled({ cloud, now, options }: Look): Promise<boolean> {
    return await this.#isScaleDownEnabled.get(now, async () => {
      const answer = await cloud.send(DescribeClusterAsGroupOption, { ClusterId: this.#cluster }, options)
      return answer.ClusterAsGroupOption?.IsScaleDownEnabled === true
    })
  }

  /** What the cluster autoscaler last said of itself; undefined where there never was one. */
  async autoscalerStatus(look: Look): Promise<AutoscalerStatus | undefined> {
    return await this.#status.get(look.now, async () => {
      const target = { version: 'v1', resource: 'configmaps', namespace: 'kube-system', name: 'cluster-autoscaler-status' }
      try {
        const object = await this.#kube(look).get(kubePath(target, this.#cluster))
        const { data } = z.parse(StatusMap, object)
        return parseAutoscalerStatus(data?.status ?? '', object.metadata.annotations ?? {})
      } catch (error) {
        if (error instanceof KubeError && error.kind === 'kube.not-found') return undefined
        throw error
      }
    })
  }

  async virtualPools({ cloud, now, options }: Look): Promise<readonly ReadVirtualPool[]> {
    return await this.#virtualPools.get(now, async () => {
      const { NodePoolSet } = await cloud.send(DescribeClusterVirtualNodePools, { ClusterId: this.#cluster }, options)
      return NodePoolSet.flatMap(({ NodePoolId: id, LifeState, SubnetIds, Labels }) =>
        id === undefined ? [] : [{ id, state: LifeState ?? '', subnets: SubnetIds ?? [], labels: labelsOf(Labels) }],
      )
    })
  }

  async virtualNodes(poolId: string, look: Look): Promise<readonly ReadVirtualNode[]> {
    const kept = this.#virtualNodes.get(poolId) ?? new Kept(keptForMs)
    this.#virtualNodes.set(poolId, kept)
    return await kept.get(look.now, async () => await readVirtualNodes(look, this.#cluster, poolId))
  }

  /** Machines of the account in the cluster's network, whether they could join or not. */
  async spares({ cloud, now, options }: Look): Promise<readonly ReadSpare[]> {
    return await this.#spares.get(now, async () =>
      (await pages(cloud, DescribeExistedInstances, { ClusterId: this.#cluster }, options)).map((row) => ({
        instanceId: row.InstanceId,
        name: row.InstanceName ?? '',
        cores: Number(row.CPU ?? 0),
        obstacle: row.Usable === true ? '' : (row.UnusableReason ?? 'the platform says that it cannot join'),
      })),
    )
  }

  /** The records of all pools of the cluster. */
  async pools(namespace: string, look: Look): Promise<readonly StoredPool[]> {
    const kept = this.#pools.get(namespace) ?? new Kept(keptForMs)
    this.#pools.set(namespace, kept)
    return await kept.get(look.now, async () => await listPools(this.#kube(look), namespace))
  }

  /** A record as it is now, which somebody has just read or written. */
  knowsPool(namespace: string, stored: StoredPool): void {
    this.#pools.get(namespace)?.change((pools) => [...pools.filter(({ pool }) => pool !== stored.pool), stored])
  }

  #kube({ cloud, options }: Look): KubeReader {
    return kubeReader(cloud, this.#cluster, options)
  }

  async #list(
    look: Look,
    target: { readonly group?: string; readonly version: string; readonly resource: string },
    options: { readonly fieldSelector?: string } = {},
  ): Promise<readonly KubeObject[]> {
    return (await this.#kube(look).list(kubePath(target, this.#cluster), options)).items
  }
}

const StatusMap = z.object({ data: z.optional(z.nullable(z.object({ status: z.optional(z.string()) }))) })

/** The workers of a cluster as they are now, or those of one scaling group. */
export async function readMachines(
  { cloud, options }: Pick<Look, 'cloud' | 'options'>,
  cluster: string,
  groupId?: string,
): Promise<readonly ReadMachine[]> {
  const filter = groupId === undefined ? {} : { Filters: [{ Name: 'AutoScalingGroupId', Values: [groupId] }] }
  const rows = await pages(cloud, DescribeClusterInstances, { ClusterId: cluster, InstanceRole: 'WORKER', ...filter }, options)
  return rows.map((row) => ({
    instanceId: row.InstanceId,
    state: row.InstanceState,
    failure: row.FailedReason,
    addedMs: timeOf(row.CreatedTime),
    labels: labelsOf(row.InstanceAdvancedSettings?.Labels),
  }))
}

/** The nodes of a virtual pool as they are now. */
export async function readVirtualNodes(
  { cloud, options }: Pick<Look, 'cloud' | 'options'>,
  cluster: string,
  poolId: string,
): Promise<readonly ReadVirtualNode[]> {
  const { Nodes } = await cloud.send(DescribeClusterVirtualNode, { ClusterId: cluster, NodePoolId: poolId }, options)
  return Nodes.flatMap(({ Name: name, SubnetId, Phase, CreatedTime }) =>
    name === undefined ? [] : [{ name, subnet: SubnetId ?? '', phase: Phase ?? '', createdMs: timeOf(CreatedTime) }],
  )
}

/** Long ago where it cannot be read: a machine of which nobody knows when it came is no new one. */
function timeOf(text: string | undefined): number {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? 0 : ms
}

function labelsOf(labels: readonly Label[] | null | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((labels ?? []).map(({ Name, Value }) => [Name, Value]))
}

/** For objects of which some may not look as they should: those are nobody's. */
function some<T>(read: (object: KubeObject) => T | undefined): (object: KubeObject) => readonly T[] {
  return (object) => {
    const value = read(object)
    return value === undefined ? [] : [value]
  }
}
