import * as z from 'zod/mini'
import type { CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { CreateClusterInstances } from '#cloud/generated/tke/create-cluster-instances.ts'
import { CreateClusterVirtualNode } from '#cloud/generated/tke/create-cluster-virtual-node.ts'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import type { Policy, PoolSettings } from '#functions/alarm-scaler/event.ts'
import type { Seen } from '#functions/alarm-scaler/observe.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import type { AlarmDefinition, Sabotage } from '../sabotage.ts'
import { forwardedIn, rewritten, withCalls } from './other-parts.ts'
import type { PlantedBug } from './planted-bug.ts'

type Config = Parameters<AlarmDefinition['plan']>[1]

/** Mistakes in the alarm-scaler itself, or in how it is started. */
export const alarmBugs: readonly PlantedBug[] = [
  {
    name: 'an end of an alarm that nobody minds',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unasked'],
    sabotage: () =>
      seeing((seen, now) => ({ ...seen, episodes: seen.episodes.map((one) => ({ ...one, state: 'firing', lastHeardMs: now })) })),
  },
  {
    name: 'an alarm that counts for ever once it was heard',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unasked'],
    sabotage: () => withPolicies((policy) => ({ ...policy, freshFor: 24 * 3_600_000 })),
  },
  {
    name: 'nodes that are bought because an alarm says so, without another look',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unconfirmed'],
    sabotage: () =>
      growingBy((seen) => ({
        ...seen,
        pools: seen.pools.map((pool) => ({
          ...pool,
          pendingPods: 9,
          nodes: pool.nodes.map((node) => ({ ...node, requested: node.allocatable })),
          readings: pool.readings.map(({ name }) => ({ name, value: 99 })),
        })),
      })),
  },
  {
    name: 'nodes on their way that nobody counts',
    function: 'alarm-scaler',
    noticedBy: ['alarm-too-many'],
    sabotage: () =>
      growingBy((seen, now) => ({
        ...seen,
        pools: seen.pools.map((pool) => ({
          ...pool,
          nodes: pool.nodes.filter(({ isReady, readySinceMs = 0 }) => isReady && now - readySinceMs > 3_600_000),
          ...(pool.record === undefined ? {} : { record: { ...pool.record, value: { ...pool.record.value, leases: [] } } }),
        })),
      })),
  },
  {
    name: 'a purchase that is made again when its answer is lost',
    function: 'alarm-scaler',
    noticedBy: ['alarm-twice'],
    sabotage: () => ({
      cloud: (cloud) =>
        withCalls(cloud, {
          write: async (own, action, request, options) => {
            try {
              return await own.send(action, request, options)
            } catch (error) {
              if (!(error instanceof CloudError) || error.kind !== 'cloud.unknown-outcome' || !buying.has(action.name)) throw error
              return await own.send(action, request, options)
            }
          },
        }),
    }),
  },
  {
    name: 'caps on nodes that nobody keeps to',
    function: 'alarm-scaler',
    noticedBy: ['alarm-cap'],
    sabotage: () => withPolicies((policy) => ({ ...policy, caps: { event: 99, hour: 99, day: 99 } })),
  },
  {
    name: 'a pool that grows beyond what it may ever have',
    function: 'alarm-scaler',
    noticedBy: ['alarm-max'],
    sabotage: () => withPools((pool) => ({ ...pool, max: 99 })),
  },
  {
    name: 'a reserve of the quota that is not left to others',
    function: 'alarm-scaler',
    noticedBy: ['alarm-quota'],
    sabotage: () => withPolicies((policy) => ({ ...policy, quotaReserve: 0 })),
  },
  {
    name: 'a licence that nobody asks about',
    function: 'alarm-scaler',
    noticedBy: ['alarm-licence'],
    sabotage: () => withPolicies((policy) => ({ ...policy, licence: { ...policy.licence, guard: false } })),
  },
  {
    name: 'a policy that acts whatever it is told to',
    function: 'alarm-scaler',
    noticedBy: ['alarm-mode'],
    sabotage: () => withPolicies((policy) => ({ ...policy, mode: 'enforce' })),
  },
  {
    name: 'a group that is taken from the cluster autoscaler without a word',
    function: 'alarm-scaler',
    noticedBy: ['alarm-autoscaled'],
    sabotage: () => withPolicies((policy) => ({ ...policy, clusterAutoscaler: 'share' })),
  },
  {
    name: 'nodes that are bought before their lease is on record',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unleased'],
    sabotage: () => ({
      alarm: (definition) => ({
        ...definition,
        apply: async (step, cloud, config, now) => {
          await buyAtOnce(step.change, cloud)
          return await definition.apply(step, cloud, config, now)
        },
      }),
    }),
  },
  {
    name: 'a record that is taken from the list of all, and not read again',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unread'],
    sabotage: () => ({ cloud: withKeptRecords }),
  },
  {
    name: 'a node that was there before and is written to a lease',
    function: 'alarm-scaler',
    noticedBy: ['alarm-foreign'],
    sabotage: () => {
      const others = new Set<string>()
      return {
        ...seeing((seen) => {
          for (const { instanceId, leaseId, groupId } of seen.pools.flatMap(({ nodes }) => nodes)) {
            if (leaseId === undefined && groupId === undefined) others.add(instanceId)
          }
          return seen
        }),
        cloud: (cloud) => withRecords(cloud, (lease) => withNode(lease, [...others][0])),
      }
    },
  },
  {
    name: 'a node of which nobody looks what is on it',
    function: 'alarm-scaler',
    noticedBy: ['alarm-full'],
    sabotage: () => ({
      cloud: (cloud) =>
        withCalls(cloud, {
          read: async (own, action, request, options) => {
            const answer = await own.send(action, request, options)
            const path = forwardedIn(request)?.path ?? ''
            return path.startsWith('/api/v1/pods') ? rewritten(answer, 'ResponseBody', withoutItems) : answer
          },
        }),
    }),
  },
  {
    name: 'nodes that go whatever alarms and pods say',
    function: 'alarm-scaler',
    noticedBy: ['alarm-early'],
    sabotage: () => ({
      alarm: (definition) => ({
        ...definition,
        plan: (seen, config, now) => {
          const own = definition.plan(seen, config, now)
          const other = definition.plan(allOver(seen, now), config, now)
          const leases = new Set(
            own.flatMap((step) => (step.verdict === 'change' && step.change.kind !== 'grow' ? [step.change.leaseId] : [])),
          )
          const going = other.filter(
            (step) => step.verdict === 'change' && step.change.kind === 'recover' && !leases.has(step.change.leaseId),
          )
          return [...own, ...going]
        },
      }),
    }),
  },
  {
    name: 'an alarm that is finished before anybody has read it',
    function: 'alarm-scaler',
    noticedBy: ['alarm-event'],
    sabotage: () => ({ alarmProcess: () => () => Promise.resolve({ kind: 'done' }) }),
  },
  {
    name: 'nodes that are never given back',
    function: 'alarm-scaler',
    noticedBy: ['alarm-left'],
    sabotage: () => withoutSteps((change) => change.kind === 'recover'),
  },
  {
    name: 'a node that stays closed when it is needed again',
    function: 'alarm-scaler',
    noticedBy: ['alarm-closed'],
    sabotage: () => ({
      cloud: (cloud) =>
        withCalls(cloud, {
          write: async (own, action, request, options) =>
            await own.send(
              action,
              /^\/api\/v1\/nodes\//.test(forwardedIn(request)?.path ?? '') ? rewritten(request, 'RequestBody', stillClosed) : request,
              options,
            ),
        }),
    }),
  },
  {
    name: 'bounds of a group that nobody puts back',
    function: 'alarm-scaler',
    noticedBy: ['alarm-bounds'],
    sabotage: () => withoutSteps((change) => change.kind === 'restore-bounds' && change.phase === 'ceiling'),
  },
  {
    name: 'an alarm-scaler that does nothing at all',
    function: 'alarm-scaler',
    noticedBy: ['alarm-unanswered'],
    sabotage: () => ({ alarm: (definition) => ({ ...definition, plan: () => [] }) }),
  },
]

const buying: ReadonlySet<string> = new Set([CreateClusterInstances.name, CreateClusterVirtualNode.name])

function seeing(change: (seen: Seen, now: number) => Seen): Sabotage {
  return { alarm: (definition) => ({ ...definition, plan: (seen, config, now) => definition.plan(change(seen, now), config, now) }) }
}

/** Only what grows is decided by what is seen otherwise. */
function growingBy(change: (seen: Seen, now: number) => Seen): Sabotage {
  return {
    alarm: (definition) => ({
      ...definition,
      plan: (seen, config, now) => {
        const isGrowth = (step: ReturnType<typeof definition.plan>[number]): boolean =>
          step.verdict === 'change' && step.change.kind === 'grow'
        const own = definition.plan(seen, config, now).filter((step) => !isGrowth(step))
        return [...own, ...definition.plan(change(seen, now), config, now).filter(isGrowth)]
      },
    }),
  }
}

function withConfig(change: (config: Config) => Config): Sabotage {
  return { alarm: (definition) => ({ ...definition, plan: (seen, config, now) => definition.plan(seen, change(config), now) }) }
}

function withPolicies(change: (policy: Policy) => Policy): Sabotage {
  return withConfig((config) => ({ ...config, settings: { ...config.settings, policies: config.settings.policies.map(change) } }))
}

function withPools(change: (pool: PoolSettings) => PoolSettings): Sabotage {
  return withConfig((config) => ({ ...config, settings: { ...config.settings, pools: config.settings.pools.map(change) } }))
}

function withoutSteps(isLeftOut: (change: AlarmChange) => boolean): Sabotage {
  return {
    alarm: (definition) => ({
      ...definition,
      plan: (seen, config, now) =>
        definition.plan(seen, config, now).filter((step) => step.verdict !== 'change' || !isLeftOut(step.change)),
    }),
  }
}

/** As if every alarm had been over for long, and no pod waited. */
function allOver(seen: Seen, now: number): Seen {
  return {
    ...seen,
    episodes: seen.episodes.map((one) => ({ ...one, state: 'resolved', resolvedAtMs: now - 3_600_000, lastHeardMs: now - 7_200_000 })),
    pools: seen.pools.map((pool) => ({ ...pool, pendingPods: 0 })),
  }
}

async function buyAtOnce(change: AlarmChange, cloud: CloudWriter): Promise<void> {
  if (change.kind !== 'grow') return
  const { order, nodePool, subnets = [] } = change.lease.mechanism
  const options = change.region === '' ? {} : { region: change.region }
  if (order !== undefined) await cloud.send(CreateClusterInstances, { ClusterId: change.cluster, RunInstancePara: order }, options)
  if (nodePool !== undefined) {
    const request = { ClusterId: change.cluster, NodePoolId: nodePool, SubnetIds: subnets, SubnetId: subnets[0] ?? '' }
    await cloud.send(CreateClusterVirtualNode, request, options)
  }
}

const Items = z.looseObject({ items: z.array(z.unknown()) })

function withoutItems(text: string): string {
  const { data } = z.safeParse(Items, JSON.parse(text))
  return data === undefined ? text : JSON.stringify({ ...data, items: [] })
}

function stillClosed(text: string): string {
  return text.replace(/"unschedulable":(?:false|null)/, '"unschedulable":true')
}

const Named = z.looseObject({ metadata: z.looseObject({ name: z.string() }) })

/** Records are answered from what was listed, or written, last. */
function withKeptRecords(cloud: CloudWriter): CloudWriter {
  const known = new Map<string, string>()
  const keep = (text: string): string => {
    if (!text.startsWith('{')) return text
    const value: unknown = JSON.parse(text)
    const items = z.safeParse(Items, value).data?.items ?? [value]
    for (const item of items) {
      const { data } = z.safeParse(Named, item)
      if (data !== undefined) known.set(data.metadata.name, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', ...data }))
    }
    return text
  }
  return withCalls(cloud, {
    read: async (own, action, request, options) => {
      const path = forwardedIn(request)?.path ?? ''
      const kept = known.get(/\/configmaps\/(longshore-pool-[^/?]+)/.exec(path)?.[1] ?? '')
      const answer = await own.send(action, kept === undefined ? request : otherPath(request), options)
      if (kept !== undefined) return rewritten(answer, 'ResponseBody', () => kept)
      if (path.includes('/configmaps')) rewritten(answer, 'ResponseBody', keep)
      return answer
    },
    write: async (own, action, request, options) => {
      const answer = await own.send(action, request, options)
      if (forwardedIn(request)?.path.includes('/configmaps') === true) {
        rewritten(answer, 'ResponseBody', keep)
      }
      return answer
    },
  })
}

/** Reads something else in its place, so that there is an answer to write over. */
function otherPath<Request>(request: Request): Request {
  return rewritten(request, 'Path', () => '/api/v1/nodes')
}

const Record = z.looseObject({ leases: z.array(z.looseObject({ state: z.string(), nodes: z.array(z.unknown()) })) })

type WrittenLease = z.infer<typeof Record>['leases'][number]

function withNode(lease: WrittenLease, instanceId: string | undefined): WrittenLease {
  return lease.state === 'held' && instanceId !== undefined && !JSON.stringify(lease.nodes).includes(instanceId)
    ? { ...lease, nodes: [...lease.nodes, { instanceId }] }
    : lease
}

/** Every record that is written has other leases in it. */
function withRecords(cloud: CloudWriter, change: (lease: WrittenLease) => WrittenLease): CloudWriter {
  return withCalls(cloud, {
    write: async (own, action, request, options) => {
      const isRecord = forwardedIn(request)?.path.includes('/configmaps') === true
      return await own.send(action, isRecord ? rewritten(request, 'RequestBody', (text) => changedRecord(text, change)) : request, options)
    },
  })
}

function changedRecord(text: string, change: (lease: WrittenLease) => WrittenLease): string {
  const body = parseJson(text)
  const { data: record } = z.safeParse(Record, JSON.parse(stringAt(body, 'data', 'pool.json') ?? '{}'))
  if (record === undefined || typeof body !== 'object' || body === null || Array.isArray(body)) return text
  return JSON.stringify({ ...body, data: { 'pool.json': JSON.stringify({ ...record, leases: record.leases.map(change) }) } })
}
