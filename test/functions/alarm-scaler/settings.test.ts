import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { configProblems } from '#functions/alarm-scaler/config-problems.ts'
import { Settings } from '#functions/alarm-scaler/event.ts'
import { isFor, mechanismName, membersOf, poolsFor, queriesOf } from '#functions/alarm-scaler/policy.ts'
import { type ConfigDocs, config, type Doc, episode, policyDoc } from './small-pool.ts'

/** What the schema says of one policy. */
function faults(doc: Doc): readonly string[] {
  const parsed = z.safeParse(Settings, { pools: [{ name: 'workers', cluster: 'cls-1', max: 5 }], policies: [policyDoc(doc)] })
  if (parsed.success) return []
  return parsed.error.issues.map((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? ` ${issue.keys.join(', ')}` : ''
    return `${issue.path.slice(2).join('.')}: ${issue.message}${keys}`
  })
}

const problems = (docs: ConfigDocs): readonly string[] => configProblems(config(docs)).map(({ path, text }) => `${path}: ${text}`)

const order = { Placement: { Zone: 'z-1' }, VirtualPrivateCloud: { VpcId: 'vpc-1', SubnetId: 'subnet-1' }, InstanceType: 'S5.LARGE8' }

describe('settings', () => {
  it('need nothing', () => {
    const settings = z.parse(Settings, {})
    expect(settings).toMatchObject({
      timeZone: 'Asia/Shanghai',
      pools: [],
      policies: [],
      leases: { namespace: 'kube-system' },
      reconcileEvery: 3_600_000,
    })
    expect(configProblems({ clusters: [], settings })).toEqual([])
  })

  it('spend nothing unasked: a policy suggests unless it says otherwise', () => {
    const { mode: _mode, ...doc } = policyDoc()
    const [policy] = z.parse(Settings, { policies: [doc] }).policies
    expect(policy).toMatchObject({
      mode: 'suggest',
      confirmWhen: 'any',
      breach: { as: 'difference' },
      warmUp: 300_000,
      cooldown: { out: 180_000, in: 600_000 },
      caps: { event: 10, hour: 10, day: 30 },
      freshFor: 900_000,
      quotaReserve: 0,
      licence: { guard: true, reserveCores: 0, horizon: 0 },
      clusterAutoscaler: 'refuse',
      provision: 900_000,
      lease: 7_200_000,
      recovery: { enabled: true, after: 600_000, drainDeadline: 600_000, atATime: 1, margin: 10, drain: 'evict' },
    })
  })

  it.each([
    [{ confirm: [] }, /^confirm: /],
    [
      { confirm: [{ pendingPods: { atLeast: 1 }, requests: { cpuPercentAbove: 1 } }] },
      /^confirm\.0: must be exactly one of pendingPods, requests and prometheus/,
    ],
    [{ confirm: [{ requests: {} }] }, /^confirm\.0\.requests: must give `cpuPercentAbove`, `memoryPercentAbove` or both/],
    [{ confirm: [{ prometheus: { url: 'https://p.example.com', query: 'q' } }] }, /must give either `above` or `below`/],
    [{ confirm: [{ prometheus: { url: 'https://u:p@p.example.com', query: 'q', above: 1 } }] }, /without a password/],
    [{ steps: [] }, /^steps: /],
    [
      {
        steps: [
          { from: 5, add: 1 },
          { from: 5, add: 2 },
        ],
      },
      /^steps: must go up/,
    ],
    [{ steps: [{ from: 0, add: 1, addPercent: 10 }] }, /must give either `add` or `addPercent`/],
    [{ steps: [{ from: 0, add: 1, atLeast: 1 }] }, /`atLeast` goes with `addPercent` only/],
    [{ steps: [{ from: 0, add: 0 }] }, /^steps\.0\.add: /],
    [{ mechanisms: [] }, /^mechanisms: /],
    [{ mechanisms: [{ kind: 'scaling-group', group: 'web' }] }, /must be the id of a scaling group/],
    [{ mechanisms: [{ kind: 'scaling-group', group: 'asg-1', bounds: { min: 5, max: 4 } }] }, /`min` must not be greater than `max`/],
    [{ mechanisms: [{ kind: 'new-instances', order }] }, /^mechanisms\.0\.cores: /],
    [{ mechanisms: [{ kind: 'new-instances', cores: 4, order: { ...order, LoginSettings: { Password: 'secret' } } }] }, /Password/],
    [{ mechanisms: [{ kind: 'new-instances', cores: 4, order: { ...order, InstanceCount: 3 } }] }, /InstanceCount/],
    [{ mechanisms: [{ kind: 'new-instances', cores: 4, order: { ...order, UserData: 'IyEvYmlu' } }] }, /UserData/],
    [{ match: { labels: { severity: '{a,b}' } } }, /not supported/],
    [{ caps: { event: -1 } }, /^caps\.event: /],
    [{ warmUp: '5 minutes' }, /^warmUp: /],
    [{ sometimes: true }, /sometimes/],
  ] as const)('refuse %j', (doc, message) => {
    expect(faults(doc).join('\n')).toMatch(message)
  })

  it('take any of the ways to confirm, and every mechanism', () => {
    const confirm = [
      { pendingPods: { atLeast: 2 } },
      { requests: { memoryPercentAbove: 80 } },
      { prometheus: { name: 'load', url: 'https://prometheus.example.com/prom', query: 'load', below: 3 } },
    ]
    const mechanisms = [
      { kind: 'new-instances', cores: 4, order },
      { kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1'] },
      { kind: 'existing-instances', names: ['spare-*'] },
      { kind: 'scaling-group', group: 'asg-1' },
    ]
    expect(faults({ confirm, mechanisms, breach: { as: 'ratio', of: 'load' } })).toEqual([])
  })

  it('name pools and policies once', () => {
    const twice = z.safeParse(Settings, { policies: [policyDoc(), policyDoc()] })
    expect(twice.error?.issues[0]?.message).toBe('two policies have the same name: "busy"; name each once')
  })
})

describe('problems', () => {
  it('are none where all can work', () => {
    expect(problems({})).toEqual([])
  })

  it.each([
    [{ pool: { cluster: 'shup' } }, 'pools[0].cluster: workers: "shup" is none of the configured clusters: did you mean "shop"?'],
    [{ pool: { min: 21 } }, 'pools[0].min: workers: 21 is more than its max, 20'],
    [{ policies: [policyDoc({ pool: 'wokers' })] }, 'policies[0].pool: busy: "wokers" is none of the pools: did you mean "workers"?'],
    [
      { policies: [policyDoc({ match: { source: 'grafana' } })] },
      'policies[0].match.source: busy: no source has a name like "grafana", so no alarm ever fits',
    ],
    [
      { policies: [policyDoc({ mode: 'suggest' })] },
      'policies[0].mode: busy: it suggests, and nobody could agree: give `approval`, or say mode: observe or mode: enforce',
    ],
    [
      { policies: [policyDoc({ breach: { of: 'load' } })] },
      'policies[0].breach.of: busy: "load" is the name of none of its prometheus confirmations',
    ],
    [
      { policies: [policyDoc({ freshFor: '59s' })] },
      'policies[0].freshFor: busy: 59s is too short: an alarm would be forgotten before anybody has looked; give it at least 1m',
    ],
    [
      { policies: [policyDoc({ lease: '15m' })] },
      'policies[0].lease: busy: 15m is too short: it would be over before its nodes are there; give it at least 16m',
    ],
    [
      { policies: [policyDoc(), policyDoc({ name: 'more', mechanisms: [{ kind: 'scaling-group', group: 'asg-1', cores: 8 }] })] },
      'policies[1].mechanisms[0]: more: another mechanism of the pool workers is called "scaling-group asg-1" too, and is not the same; give each a name of its own',
    ],
    [
      {
        policies: [policyDoc(), policyDoc({ name: 'more', pool: 'other' })],
        more: {
          pools: [
            { name: 'workers', cluster: 'cls-1', max: 5 },
            { name: 'other', cluster: 'shop', labels: { pool: 'other' }, max: 5 },
          ],
        },
      },
      'pools[1]: other: asg-1 belongs to the pool workers already: each machine can be of one pool only',
    ],
  ] as const)('are told: %#', (docs, text) => {
    expect(problems(docs as ConfigDocs)).toEqual([text])
  })

  it('are told once where there is no cluster at all', () => {
    expect(configProblems({ ...config(), clusters: [] })).toEqual([
      { path: 'pools', text: 'no cluster is configured, so no pool can be looked at: name them under `clusters`' },
    ])
  })
})

describe('policies and pools', () => {
  it('a pool is what it says, and what its policies grow; without a word all workers', () => {
    const docs = [
      policyDoc(),
      policyDoc({ name: 'virtual', mechanisms: [{ kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1'] }] }),
    ]
    const whole = config({ policies: docs, pool: { group: undefined } }).settings
    const [pool] = whole.pools
    expect(pool === undefined ? undefined : membersOf(pool, whole)).toMatchObject({
      groups: ['asg-1'],
      virtualPools: ['np-1'],
      isWholeCluster: true,
      spares: [],
    })
    const labelled = config({ policies: docs, pool: { labels: { pool: 'a' }, virtual: 'np-2' } }).settings
    const [own] = labelled.pools
    expect(own === undefined ? undefined : membersOf(own, labelled)).toMatchObject({
      labels: { pool: 'a' },
      groups: ['asg-1'],
      virtualPools: ['np-1', 'np-2'],
      isWholeCluster: false,
    })
  })

  it('an alarm is worth a look at the pools that a policy has for it', () => {
    const settings = config({ policies: [policyDoc(), policyDoc({ name: 'disk', match: { alert: 'Disk*' } })] })
    expect(poolsFor([episode()], settings)).toEqual(['workers'])
    expect(poolsFor([episode({ name: 'Other' })], settings)).toEqual([])
    expect(poolsFor([], settings)).toEqual([])
    const [policy] = settings.settings.policies
    expect(policy === undefined ? undefined : isFor(policy, episode({ name: 'HighCpuX' }), 'cls-1', settings)).toBe(false)
  })

  it('a query of several policies is asked once', () => {
    const confirm = [{ prometheus: { url: 'https://prometheus.example.com', query: 'load', above: 5 } }]
    const { settings } = config({ policies: [policyDoc({ confirm }), policyDoc({ name: 'b', confirm })] })
    expect(queriesOf('workers', settings)).toEqual([
      { name: 'https://prometheus.example.com load', url: 'https://prometheus.example.com', query: 'load' },
    ])
    expect(queriesOf('other', settings)).toEqual([])
  })

  it('a mechanism goes by its name, or by what it is', () => {
    const mechanisms = [
      { kind: 'new-instances', cores: 4, order, name: 'dear' },
      { kind: 'new-instances', cores: 4, order },
      { kind: 'existing-instances', names: ['a-*', 'b-*'] },
    ]
    const [policy] = config({ policies: [policyDoc({ mechanisms })] }).settings.policies
    expect(policy?.mechanisms.map(mechanismName)).toEqual(['dear', 'new-instances S5.LARGE8 z-1', 'existing-instances a-* b-*'])
  })
})
