import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import { approvalSettings } from '#shared/runtime/approval/approval-settings.ts'
import type { ClusterConfig } from '#shared/runtime/definition.ts'
import { DurationText, GlobText } from '#shared/runtime/settings-text.ts'
import { RunOrder } from './run-order.ts'
import { AlarmTimeZone, Sources } from './source-settings.ts'

const Name = z.string().check(z.minLength(1), z.maxLength(100))
const Count = z.int().check(z.minimum(0), z.maximum(10_000))
const Share = z.number().check(z.positive(), z.maximum(100))

const DnsLabel = z
  .string()
  .check(z.regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, { error: 'must be a name of at most 63 lower-case letters, digits and dashes' }))

const GroupId = z.string().check(z.regex(/^asg-[a-z0-9]{1,32}$/, { error: 'must be the id of a scaling group, such as "asg-4f2k8x1q"' }))
const VirtualPoolId = z
  .string()
  .check(z.regex(/^np-[a-z0-9]{1,32}$/, { error: 'must be the id of a pool of virtual nodes, such as "np-4f2k8x1q"' }))
const SubnetId = z.string().check(z.regex(/^subnet-[a-z0-9]{1,32}$/, { error: 'must be the id of a subnet, such as "subnet-4f2k8x1q"' }))

const Bounds = z
  .strictObject({ min: Count, max: Count })
  .check(z.refine(({ min, max }) => min <= max, { error: '`min` must not be greater than `max`' }))

/** The most machines that the platform lets a group have. */
export const largestGroup = 200

const cores = z.optional(z.number().check(z.positive(), z.maximum(1024), z.describe('Cores of one of its nodes, for the licence.')))

const Mechanism = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('scaling-group'),
      name: z.optional(Name),
      group: GroupId,
      bounds: z.optional(
        Bounds.check(
          z.describe(
            'Bounds of the group, where no cluster autoscaler says them: the platform tells them nowhere, and they have to be put back.',
          ),
        ),
      ),
      cores,
    })
    .check(z.describe('Raises the least and the most size of a scaling group, which then buys the nodes.')),
  z
    .strictObject({ kind: z.literal('new-instances'), name: z.optional(Name), order: RunOrder, cores: z.number().check(z.positive()) })
    .check(z.describe('Buys machines, by the hour.')),
  z
    .strictObject({
      kind: z.literal('virtual-nodes'),
      name: z.optional(Name),
      nodePool: VirtualPoolId,
      subnets: z.array(SubnetId).check(z.minLength(1), z.maxLength(20), z.describe('One node for each, as far as they are needed.')),
      cores,
    })
    .check(z.describe('Adds virtual nodes to a pool of them.')),
  z
    .strictObject({
      kind: z.literal('existing-instances'),
      name: z.optional(Name),
      names: z
        .array(GlobText)
        .check(z.minLength(1), z.describe('Globs over names of machines of the account that may join. They leave again, and stay yours.')),
    })
    .check(z.describe('Lets machines join that are there already.')),
])

export type MechanismSettings = z.infer<typeof Mechanism>

const Pool = z
  .strictObject({
    name: Name.check(z.describe('Names the pool in policies, records and reports; unique.')),
    cluster: z.string().check(z.minLength(1), z.describe('Id or name of one of `clusters`.')),
    labels: z.optional(
      z.record(z.string().check(z.minLength(1)), z.string()).check(z.describe('Labels that all of its nodes have; all of them count.')),
    ),
    group: z.optional(GroupId.check(z.describe('Scaling group whose nodes it is made of.'))),
    virtual: z.optional(VirtualPoolId.check(z.describe('Pool of virtual nodes that it is made of.'))),
    max: Count.check(z.describe('The most nodes that it ever has, whatever anybody asks for. 0 lets it have none added.')),
    min: z._default(Count.check(z.describe('The least nodes that giving back leaves.')), 0),
  })
  .check(z.describe('Nodes of one cluster that grow and shrink together. Without labels, group and virtual: all workers of the cluster.'))

export type PoolSettings = z.infer<typeof Pool>

const Confirmation = z
  .strictObject({
    pendingPods: z.optional(
      z
        .strictObject({ atLeast: z.int().check(z.minimum(1)) })
        .check(z.describe('Pods that find no place and that a node of the pool would take.')),
    ),
    requests: z.optional(
      z
        .strictObject({
          cpuPercentAbove: z.optional(Share.check(z.describe('Requested cores of those that nodes in service have.'))),
          memoryPercentAbove: z.optional(Share.check(z.describe('Requested memory, likewise.'))),
        })
        .check(
          z.refine(({ cpuPercentAbove, memoryPercentAbove }) => cpuPercentAbove !== undefined || memoryPercentAbove !== undefined, {
            error: 'must give `cpuPercentAbove`, `memoryPercentAbove` or both; either of them confirms',
          }),
        ),
    ),
    prometheus: z.optional(
      z
        .strictObject({
          name: z.optional(Name.check(z.describe('By which the steps may refer to it.'))),
          url: z.string().check(
            z.regex(/^https?:\/\/[^\s?#@]+$/, {
              error: 'must be the address of a Prometheus, without /api/v1/query and without a password',
            }),
            z.describe('Its host has to be among `platform.allowedHosts`.'),
          ),
          query: z.string().check(z.minLength(1), z.maxLength(4000), z.describe('Has to answer one figure.')),
          above: z.optional(z.number()),
          below: z.optional(z.number()),
        })
        .check(
          z.refine(({ above, below }) => (above === undefined) !== (below === undefined), { error: 'must give either `above` or `below`' }),
        ),
    ),
  })
  .check(
    z.refine((one) => [one.pendingPods, one.requests, one.prometheus].filter((each) => each !== undefined).length === 1, {
      error: 'must be exactly one of pendingPods, requests and prometheus; give each a line of its own',
    }),
  )

export type Confirmation = z.infer<typeof Confirmation>

const GrowthStep = z
  .strictObject({
    from: z.number().check(z.describe('From this breach on, inclusive. Below the first step nothing is added.')),
    add: z.optional(z.int().check(z.minimum(1), z.maximum(1000), z.describe('Nodes beyond those in service.'))),
    addPercent: z.optional(z.number().check(z.positive(), z.maximum(1000), z.describe('Of the nodes in service, rounded up.'))),
    atLeast: z.optional(z.int().check(z.minimum(1), z.maximum(1000), z.describe('The least that `addPercent` comes to; 1 when absent.'))),
  })
  .check(
    z.refine(({ add, addPercent }) => (add === undefined) !== (addPercent === undefined), {
      error: 'must give either `add` or `addPercent`',
    }),
    z.refine(({ add, atLeast }) => add === undefined || atLeast === undefined, { error: '`atLeast` goes with `addPercent` only' }),
  )

export type GrowthStep = z.infer<typeof GrowthStep>

const Match = z.strictObject({
  source: z.optional(GlobText.check(z.describe('Name of the source.'))),
  alert: z.optional(GlobText.check(z.describe('What the alarm is called.'))),
  labels: z.optional(
    z.record(z.string().check(z.minLength(1)), GlobText).check(z.describe('Globs over its labels; all of them have to fit.')),
  ),
  cluster: z.optional(
    GlobText.check(
      z.describe(
        "Glob over the cluster that the alarm names. When absent an alarm that names another of the `clusters` than the pool's does not fit.",
      ),
    ),
  ),
})

const Policy = z
  .strictObject({
    name: Name.check(z.describe('Names the policy in records and reports; unique.')),
    match: Match.check(z.describe('Alarms that it is for. Everything given has to fit; `{}` is for all.')),
    pool: z.string().check(z.minLength(1), z.describe('Name of one of `pools`.')),
    mode: z._default(
      z
        .enum(['observe', 'suggest', 'enforce'])
        .check(z.describe('Only say what would be done, do it when somebody agrees by link, or do it.')),
      'suggest',
    ),
    confirm: z
      .array(Confirmation)
      .check(z.minLength(1), z.maxLength(10), z.describe('What has to be true now, read again, before anything is bought.')),
    confirmWhen: z._default(z.enum(['any', 'all']).check(z.describe('How many of them.')), 'any'),
    breach: z.prefault(
      z
        .strictObject({
          as: z._default(
            z
              .enum(['difference', 'ratio'])
              .check(z.describe('How far the value is beyond the threshold: by how much, or how many times it.')),
            'difference',
          ),
          of: z.optional(Name.check(z.describe('Name of a `prometheus` confirmation whose value counts; the alarm says it when absent.'))),
        })
        .check(z.describe('What the steps go by. An alarm without a value or threshold is at the first step.')),
      {},
    ),
    steps: z.array(GrowthStep).check(
      z.minLength(1),
      z.maxLength(20),
      z.refine((steps) => steps.every(({ from }, index) => index === 0 || from > (steps[index - 1]?.from ?? from)), {
        error: 'must go up: each step has to begin above the one before it',
      }),
    ),
    mechanisms: z
      .array(Mechanism)
      .check(z.minLength(1), z.maxLength(10), z.describe('Ways to get nodes; the next one where the one before it has none.')),
    warmUp: z.prefault(DurationText.check(z.describe('How long a node has to be ready before it counts as in service.')), '5m'),
    cooldown: z.prefault(
      z.strictObject({
        out: z.prefault(
          DurationText.check(
            z.describe('How long the pool does not grow again after it has grown, but for the difference to a higher step.'),
          ),
          '3m',
        ),
        in: z.prefault(DurationText.check(z.describe('How long nothing is given back after the pool has grown.')), '10m'),
      }),
      {},
    ),
    caps: z.prefault(
      z
        .strictObject({
          event: z._default(Count.check(z.describe('Nodes for one alarm, from its beginning to its end.')), 10),
          hour: z._default(Count.check(z.describe('Nodes added to the pool within an hour, whoever asked.')), 10),
          day: z._default(Count.check(z.describe('Nodes added to the pool within 24 hours, whoever asked.')), 30),
        })
        .check(z.describe('0 means none.')),
      {},
    ),
    freshFor: z.prefault(DurationText.check(z.describe('How long an alarm counts after it was heard last.')), '15m'),
    quotaReserve: z._default(Count.check(z.describe("Nodes of the platform's quota that are left for others.")), 0),
    licence: z.prefault(
      z.strictObject({
        guard: z._default(z.boolean().check(z.describe('Adds nothing beyond what is licensed.')), true),
        reserveCores: z._default(z.number().check(z.nonnegative(), z.describe('Licensed cores that are left for others.')), 0),
        product: z.optional(Name.check(z.describe('ProductId that the nodes count under; the sum of all when absent.'))),
        horizon: z.prefault(
          DurationText.check(z.describe('Also adds nothing when the forecast says that use will be blocked within this time.')),
          '0s',
        ),
      }),
      {},
    ),
    clusterAutoscaler: z._default(
      z
        .enum(['refuse', 'share'])
        .check(
          z.describe(
            'Where the cluster autoscaler looks after the group: leave it alone, or raise its floor and keep the autoscaler off the added nodes.',
          ),
        ),
      'refuse',
    ),
    provision: z.prefault(DurationText.check(z.describe('A node that is not ready by then has failed and is given back.')), '15m'),
    lease: z.prefault(
      DurationText.check(z.describe('When it is over the metric is read again, whether or not the alarm was said to be over.')),
      '2h',
    ),
    recovery: z.prefault(
      z.strictObject({
        enabled: z._default(z.boolean().check(z.describe('Gives the added nodes back.')), true),
        after: z.prefault(DurationText.check(z.describe('How long the alarm has to be over.')), '10m'),
        drainDeadline: z.prefault(
          DurationText.check(z.describe('A node that is not empty by then is opened again and stays for now.')),
          '10m',
        ),
        atATime: z._default(
          z.int().check(z.minimum(1), z.maximum(50), z.describe('Nodes of the pool that are emptied at the same time.')),
          1,
        ),
        margin: z._default(
          z
            .number()
            .check(
              z.minimum(0),
              z.maximum(90),
              z.describe('Percent by which the metric has to stay on the good side of its threshold without the node.'),
            ),
          10,
        ),
        drain: z._default(
          z.enum(['evict', 'platform']).check(z.describe("Evict pods one by one, or let the platform's DrainClusterNode do it.")),
          'evict',
        ),
      }),
      {},
    ),
  })
  .check(z.describe('From an alarm to nodes: which alarm, which pool, how many, by what, within which limits, and how they go again.'))

export type Policy = z.infer<typeof Policy>
export type RecoverySettings = Policy['recovery']

/** A list of things that go by their names. */
function named<T extends z.ZodMiniType<{ readonly name: string }>>(what: string, item: T) {
  return z.array(item).check(
    z.maxLength(200),
    z.refine((list) => new Set(list.map(({ name }) => name)).size === list.length, {
      error: (issue) => `two ${what} have the same name: ${twice(issue.input)}; name each once`,
    }),
  )
}

function twice(list: unknown): string {
  const names = Array.isArray(list) ? list.map((one: { readonly name?: unknown }) => String(one.name)) : []
  return quote(names.find((name, index) => names.indexOf(name) !== index) ?? '')
}

/**
 * `functions.alarm-scaler` of the configuration. Without policies nothing is ever added, and without sources nobody can raise an alarm.
 * Lengths of time come out as milliseconds, globs parsed.
 */
export const Settings = z.strictObject({
  timeZone: z._default(
    AlarmTimeZone.check(z.describe('Zone of times that a source writes without one, unless the source has its own.')),
    'Asia/Shanghai',
  ),
  sources: Sources,
  approval: z.optional(approvalSettings('1h')),
  leases: z.prefault(
    z.strictObject({
      namespace: z._default(DnsLabel.check(z.describe('Where the record of each pool is kept, in its own cluster.')), 'kube-system'),
    }),
    {},
  ),
  reconcileEvery: z.prefault(DurationText.check(z.describe('How often all pools are looked at, whatever was heard.')), '1h'),
  pools: z._default(named('pools', Pool), []),
  policies: z._default(named('policies', Policy), []),
})

export type Settings = z.infer<typeof Settings>

/** What the plan gets of the configuration. */
export interface AlarmConfig {
  readonly clusters: readonly ClusterConfig[]
  /** Of clusters that give none. */
  readonly region?: string | undefined
  readonly settings: Settings
}
