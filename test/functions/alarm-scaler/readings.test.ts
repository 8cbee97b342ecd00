import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KubeError, type KubeObject, kubeWriter } from '#cloud/kube.ts'
import { parseAutoscalerStatus } from '#functions/alarm-scaler/autoscaler-status.ts'
import { readBudget } from '#functions/alarm-scaler/budget-reading.ts'
import { licenceOf } from '#functions/alarm-scaler/licence-reading.ts'
import { readNode } from '#functions/alarm-scaler/node-reading.ts'
import { couldTake, readPod } from '#functions/alarm-scaler/pod-reading.ts'
import { poolObjectName, readPool, writePool } from '#functions/alarm-scaler/pool-store.ts'
import { readPrometheus } from '#functions/alarm-scaler/prometheus-reading.ts'
import { FetchError } from '#shared/runtime/fetch-text.ts'
import { type ClusterStage, clusterId, openLocalClusterStage, pool } from './cluster-stage.ts'
import { boughtLease, leaseOf } from './lease-steps.ts'

describe('the status of the cluster autoscaler', () => {
  const old = [
    'Cluster-autoscaler status at 2026-11-24 10:00:07.123456789 +0800 CST:',
    'Cluster-wide:',
    '  Health:      Healthy (ready=4 unready=0 notStarted=0 longNotStarted=0 registered=4 longUnregistered=0)',
    'NodeGroups:',
    '  Name:        asg-one',
    '  Health:      Healthy (ready=2 unready=0 registered=2 cloudProviderTarget=3 (minSize=2, maxSize=10))',
    '               LastProbeTime: 2026-11-24 10:00:06 +0800 CST',
    '  Name:        asg-two',
    '  Health:      Healthy (ready=0 unready=0 registered=0 cloudProviderTarget=0 (minSize=0, maxSize=5))',
  ].join('\n')

  it('tells the bounds of each group in its old form', () => {
    expect(parseAutoscalerStatus(old, {})).toEqual({
      lastSeenMs: Date.parse('2026-11-24T02:00:07.123Z'),
      groups: [
        { name: 'asg-one', min: 2, max: 10, wanted: 3 },
        { name: 'asg-two', min: 0, max: 5, wanted: 0 },
      ],
    })
  })

  it('and in its newer one', () => {
    const text = [
      'time: 2026-11-24 02:00:07.5 +0000 UTC',
      'autoscalerStatus: Running',
      'clusterWide:',
      '  health:',
      '    status: Healthy',
      'nodeGroups:',
      '- name: asg-one',
      '  health:',
      '    status: Healthy',
      '    nodeCounts:',
      '      registered:',
      '        total: 2',
      '    cloudProviderTarget: 3',
      '    minSize: 2',
      '    maxSize: 10',
    ].join('\n')
    expect(parseAutoscalerStatus(text, {})).toEqual({
      lastSeenMs: Date.parse('2026-11-24T02:00:07.500Z'),
      groups: [{ name: 'asg-one', min: 2, max: 10, wanted: 3 }],
    })
  })

  it('is as old as its annotation says, whatever the text says', () => {
    const annotations = { 'cluster-autoscaler.kubernetes.io/last-updated': '2026-11-24 03:00:00.1 +0000 UTC' }
    expect(parseAutoscalerStatus(old, annotations).lastSeenMs).toBe(Date.parse('2026-11-24T03:00:00.100Z'))
  })

  it('of which nothing can be read says nothing', () => {
    expect(parseAutoscalerStatus('', {})).toEqual({ groups: [] })
    expect(parseAutoscalerStatus('NodeGroups:\n  Name: asg-one\n  Health: Healthy', {})).toEqual({ groups: [] })
  })
})

function object(more: object, metadata: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web-1', namespace: 'prod', uid: 'u1', ...metadata }, ...more }
}

function podOf(spec: object = {}, status: object = {}, metadata: object = {}) {
  const pod = readPod(object({ spec: { containers: [], ...spec }, status }, metadata))
  if (pod === undefined) throw new Error('it is no pod')
  return pod
}

const unschedulable = { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] }
const requests = (cpu: string, memory: string) => ({ resources: { requests: { cpu, memory } } })

describe('a pod', () => {
  it('asks for what its containers ask for together, or for what one before them does, and for its overhead', () => {
    const pod = podOf({
      containers: [requests('500m', '1Gi'), requests('250m', '512Mi'), {}],
      initContainers: [requests('1', '100Mi'), requests('100m', '4Gi')],
      overhead: { cpu: '50m', memory: '64Mi' },
    })
    expect(pod.requests).toEqual({ cpuMilli: 1050, memoryBytes: 4096 * 1024 ** 2 + 64 * 1024 ** 2 })
  })

  it.for([
    ['that ended', { phase: 'Succeeded' }],
    ['that failed', { phase: 'Failed' }],
  ] as const)('%s is none any more', ([, status]) => {
    expect(readPod(object({ spec: { containers: [] }, status }))).toBeUndefined()
  })

  it('of a DaemonSet, or of the kubelet itself, stays with its node', () => {
    const owned = (kind: string) => ({ ownerReferences: [{ kind, name: 'x', controller: true }] })
    expect(podOf({}, {}, owned('DaemonSet'))).toMatchObject({ isOfNode: true, isStuck: false })
    expect(podOf({}, {}, { annotations: { 'kubernetes.io/config.mirror': 'x' } })).toMatchObject({ isOfNode: true, isStuck: false })
    expect(podOf({}, {}, owned('ReplicaSet'))).toMatchObject({ isOfNode: false, isStuck: false })
  })

  it('that nobody makes again, or that says so, cannot be moved', () => {
    const owned = { ownerReferences: [{ kind: 'ReplicaSet', name: 'x', controller: true }] }
    expect(podOf().isStuck).toBe(true)
    expect(podOf({}, {}, { ...owned, annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } }).isStuck).toBe(true)
    expect(podOf({}, {}, owned).isStuck).toBe(false)
  })

  it('has no place only when the scheduler has looked for one', () => {
    expect(podOf({}, unschedulable).hasNoPlace).toBe(true)
    expect(podOf({}, { phase: 'Pending' }).hasNoPlace).toBe(false)
    expect(podOf({ nodeName: 'node-1' }, unschedulable).hasNoPlace).toBe(false)
    expect(podOf({}, unschedulable, { deletionTimestamp: '2026-11-24T00:00:00Z' }).hasNoPlace).toBe(false)
    expect(
      podOf({}, { ...unschedulable, conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulerError' }] }).hasNoPlace,
    ).toBe(false)
  })
})

describe('an empty node takes a pod', () => {
  const place = { labels: { pool: 'general', size: '8' }, taints: [], allocatable: { cpuMilli: 4000, memoryBytes: 8e9 } }
  const affinity = (...terms: object[]) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  })
  const term = (key: string, operator: string, ...values: string[]) => ({ matchExpressions: [{ key, operator, values }] })

  it.for([
    ['any', {}, true],
    ['by its labels', { nodeSelector: { pool: 'general' } }, true],
    ['not by other labels', { nodeSelector: { pool: 'gpu' } }, false],
    ['up to its size', { containers: [requests('4', '8G')] }, true],
    ['not beyond its size', { containers: [requests('4001m', '1G')] }, false],
    ['not beyond its memory', { containers: [requests('1', '8000000001')] }, false],
    ['by any term of an affinity', affinity(term('pool', 'In', 'gpu'), term('pool', 'In', 'general')), true],
    ['not without any that fits', affinity(term('pool', 'In', 'gpu'), term('zone', 'Exists')), false],
    ['by labels that it has not', affinity(term('zone', 'DoesNotExist')), true],
    ['by labels that are others', affinity(term('pool', 'NotIn', 'gpu')), true],
    ['by what is greater', affinity(term('size', 'Gt', '4')), true],
    ['not by what is not less', affinity(term('size', 'Lt', '8')), false],
    ['not by what nobody knows', affinity(term('pool', 'Like', 'general')), false],
    ['not by an empty term', affinity({}), false],
  ] as const)('%s', ([, spec, takes]) => {
    expect(couldTake(place, podOf(spec))).toBe(takes)
  })

  it.for([
    ['not with a taint that it does not tolerate', [], false],
    ['with one of the same value', [{ key: 'team', value: 'ml', effect: 'NoSchedule' }], true],
    ['not with one of another value', [{ key: 'team', value: 'web' }], false],
    ['with one that need only be there', [{ key: 'team', operator: 'Exists' }], true],
    ['with everything', [{ operator: 'Exists' }], true],
    ['not with another effect', [{ key: 'team', operator: 'Exists', effect: 'NoExecute' }], false],
  ] as const)('%s', ([, tolerations, takes]) => {
    const tainted = { ...place, taints: [{ key: 'team', value: 'ml', effect: 'NoSchedule' }] }
    expect(couldTake(tainted, podOf({ tolerations }))).toBe(takes)
    expect(couldTake({ ...tainted, taints: [{ key: 'team', value: 'ml', effect: 'PreferNoSchedule' }] }, podOf())).toBe(true)
  })
})

describe('a node', () => {
  const node = (metadata: object, more: object = {}) => readNode({ ...object(more, metadata), kind: 'Node' })

  it('is known by the label of its machine, or by its provider id', () => {
    expect(node({ labels: { 'cloud.tencent.com/node-instance-id': 'ins-1' } })?.instanceId).toBe('ins-1')
    expect(node({}, { spec: { providerID: 'qcloud:///ap-guangzhou-3/ins-2' } })?.instanceId).toBe('ins-2')
    expect(node({}, { spec: { providerID: 'aws:///eu/ins-2' } })?.instanceId).toBeUndefined()
  })

  it('that is virtual is known by its name', () => {
    const virtual = node({ name: 'eklet-1', labels: { 'cloud.tencent.com/virtual-node-pool-id': 'np-1' } })
    expect(virtual).toMatchObject({ instanceId: 'eklet-1', virtualPoolId: 'np-1' })
  })

  it('is ready only when it says so, and since then', () => {
    const ready = (status: string) =>
      node({}, { status: { conditions: [{ type: 'Ready', status, lastTransitionTime: '2026-11-24T00:00:00Z' }] } })
    expect(ready('True')).toMatchObject({ isReady: true, saidSinceMs: Date.parse('2026-11-24T00:00:00Z') })
    expect(ready('Unknown')?.isReady).toBe(false)
    expect(node({})?.isReady).toBe(false)
  })
})

describe('a disruption budget', () => {
  const budget = (apiVersion: string, spec: object) =>
    readBudget({ ...object({ spec, status: { disruptionsAllowed: 1 } }), apiVersion, kind: 'PodDisruptionBudget' })

  it('covers the pods of its namespace that its selector fits', () => {
    const own = budget('policy/v1', {
      selector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'canary', operator: 'DoesNotExist' }] },
    })
    expect(own?.allowed).toBe(1)
    expect(own?.covers(podOf({}, {}, { labels: { app: 'web' } }))).toBe(true)
    expect(own?.covers(podOf({}, {}, { labels: { app: 'web', canary: 'yes' } }))).toBe(false)
    expect(own?.covers(podOf({}, {}, { labels: { app: 'web' }, namespace: 'other' }))).toBe(false)
  })

  it('without a selector covers all since policy/v1, and none before', () => {
    expect(budget('policy/v1', { selector: {} })?.covers(podOf())).toBe(true)
    expect(budget('policy/v1beta1', { selector: {} })?.covers(podOf())).toBe(false)
    expect(budget('policy/v1', {})?.covers(podOf())).toBe(false)
  })
})

describe('a figure of a Prometheus', () => {
  const ask = async (answer: unknown) =>
    await readPrometheus(
      { name: 'q', url: 'https://prom.example.com/', query: 'sum(x) > 1' },
      (url) => {
        expect(url).toBe('https://prom.example.com/api/v1/query?query=sum%28x%29+%3E+1&time=1700000000.000')
        return Promise.resolve(typeof answer === 'string' ? answer : JSON.stringify(answer))
      },
      1_700_000_000_000,
    )
  const vector = (...values: string[]) => ({
    status: 'success',
    data: { resultType: 'vector', result: values.map((value) => ({ metric: {}, value: [1_700_000_000, value] })) },
  })

  it('is that of the only series, or the scalar', async () => {
    expect(await ask(vector('87.5'))).toEqual({ name: 'q', value: 87.5 })
    expect(await ask({ status: 'success', data: { resultType: 'scalar', result: [1_700_000_000, '3'] } })).toEqual({ name: 'q', value: 3 })
  })

  it.for([
    ['no series', vector(), 'finds no series'],
    ['several series', vector('1', '2'), 'finds 2 series'],
    ['no number', vector('NaN'), 'comes to NaN'],
    ['infinity', vector('+Inf'), 'comes to +Inf'],
    ['a range', { status: 'success', data: { resultType: 'matrix', result: [] } }, 'comes to a matrix'],
    ['an error', { status: 'error', error: 'parse error' }, 'refuses the query: parse error'],
    ['a page', '<html>', 'none of a Prometheus'],
    ['half an answer', '{"status":"success","data":{"resultTy', 'none of a Prometheus'],
  ] as const)('is none and no 0 with %s', async ([, answer, text]) => {
    const reading = await ask(answer)
    expect(reading).not.toHaveProperty('value')
    expect(reading.problem).toContain(text)
  })

  it('is none when nobody answers', async () => {
    const fetchText = () => Promise.reject(new FetchError('fetch.failed', 'prom.example.com: no whole answer came in time.'))
    const reading = await readPrometheus({ name: 'q', url: 'https://prom.example.com', query: 'x' }, fetchText, 0)
    expect(reading).toEqual({ name: 'q', problem: 'prom.example.com: no whole answer came in time.' })
  })
})

describe('what the licence leaves', () => {
  const now = Date.parse('2026-11-24T12:00:00Z')
  const around = { now, timeZone: 'Asia/Shanghai' }
  const headroom = (region: object) => ({
    format: 1 as const,
    at: '2026-11-24T11:15:00Z',
    regions: {
      'ap-guangzhou': {
        hour: '2026-11-24T11',
        at: '2026-11-24T11:15:00Z',
        overage: 'ok' as const,
        products: {
          x86: {
            used: '100',
            entitled: '128',
            free: '28',
            unit: 'core',
            forecast: { kind: 'blocked-on' as const, likely: '2027-03-02', earliest: '2027-02-01' },
          },
          arm: { used: '0', entitled: 'unlimited', unit: 'core', forecast: { kind: 'unlimited' as const } },
        },
        coverage: { measured: 10, hours: 10 },
        ...region,
      },
    },
  })

  it('is what license-meter has measured, with the day on which the forecast has it used up', () => {
    expect(licenceOf(headroom({}), 'ap-guangzhou', undefined, around)).toEqual({
      overage: 'ok',
      freeCores: 28,
      atMs: Date.parse('2026-11-24T11:15:00Z'),
      blockedAtMs: Date.parse('2027-03-02T00:00:00+08:00'),
    })
    expect(licenceOf(headroom({}), 'ap-guangzhou', 'arm', around).freeCores).toBe('unlimited')
  })

  it.for([
    ['nobody measures', undefined, 'has measured nothing in ap-guangzhou'],
    ['the region was never measured', headroom({ at: undefined }), 'has no measurement of ap-guangzhou yet'],
    ['it is three hours old', headroom({ at: '2026-11-24T08:59:59Z' }), 'more than 3 hours ago'],
    ['it is of a time that is still to come', headroom({ at: '2026-11-27T12:00:00Z' }), 'one of the two clocks is wrong'],
  ] as const)('is not known when %s', ([, known, text]) => {
    const licence = licenceOf(known, 'ap-guangzhou', undefined, around)
    expect(licence).toMatchObject({ overage: 'unknown', freeCores: 'unknown' })
    expect(licence.text).toContain(text)
  })
})

describe("a pool's record", () => {
  let stage: ClusterStage
  beforeEach(() => {
    stage = openLocalClusterStage()
  })
  afterEach(async () => {
    await stage.close()
  })
  const kube = () => kubeWriter(stage.cloud, clusterId, { region: 'ap-guangzhou' })
  const record = { version: 1 as const, cluster: clusterId, pool, ordinal: 1, bases: [], leases: [leaseOf(boughtLease(), {})] }

  it('is named for its pool, and for no other', () => {
    expect(poolObjectName('Web Workers/1')).toMatch(/^longshore-pool-web-workers-1-[0-9a-f]{8}$/)
    expect(poolObjectName('web-workers-1')).not.toBe(poolObjectName('Web Workers/1'))
    expect(poolObjectName('工作节点')).toMatch(/^longshore-pool-[0-9a-f]{8}$/)
    expect(poolObjectName('x'.repeat(100)).length).toBeLessThan(70)
  })

  it('is there as it was written, with the fields of a newer version', async () => {
    const newer = { ...record, leases: record.leases.map((lease) => ({ ...lease, soon: { to: 'come' } })) }
    await writePool(kube(), 'kube-system', newer, undefined)
    expect((await readPool(kube(), 'kube-system', pool))?.record).toEqual(newer)
  })

  it('is written only over the one that was read, and made only where there is none', async () => {
    const first = await writePool(kube(), 'kube-system', record, undefined)
    await expect(writePool(kube(), 'kube-system', record, undefined)).rejects.toMatchObject({ kind: 'kube.conflict' })
    await writePool(kube(), 'kube-system', { ...record, ordinal: 2 }, first)
    await expect(writePool(kube(), 'kube-system', { ...record, ordinal: 3 }, first)).rejects.toMatchObject({ kind: 'kube.conflict' })
    expect((await readPool(kube(), 'kube-system', pool))?.record?.ordinal).toBe(2)
  })

  it('that would not fit into a ConfigMap is not written', async () => {
    const long = { ...record, leases: Array.from({ length: 190 }, () => leaseOf(boughtLease(), { filler: 'x'.repeat(6000) })) }
    const refused = writePool(kube(), 'kube-system', long, undefined)
    await expect(refused).rejects.toThrow(KubeError)
    await expect(refused).rejects.toThrow('longshore leases release')
    expect(stage.writes()).toEqual([])
  })

  it.for([
    ['no data', {}, 'has no pool.json'],
    ['no JSON', { 'pool.json': '{' }, 'holds no JSON'],
    ['another pool', { 'pool.json': JSON.stringify({ ...record, pool: 'other' }) }, 'holds the leases of other'],
    ['another cluster', { 'pool.json': JSON.stringify({ ...record, cluster: 'cls-other' }) }, 'holds leases of cluster cls-other'],
    [
      'a broken lease',
      { 'pool.json': JSON.stringify({ ...record, leases: [{ id: 'x' }] }) },
      'holds no leases that this version can read (leases.0.id',
    ],
  ] as const)('with %s cannot be understood', async ([, data, text]) => {
    stage.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: poolObjectName(pool), namespace: 'kube-system' }, data })
    const stored = await readPool(kube(), 'kube-system', pool)
    expect(stored?.record).toBeUndefined()
    expect(stored?.problem).toContain(text)
    expect(stored?.problem).toContain('longshore leases list')
  })
})
