import { describe, expect, it } from 'vitest'
import type { KubeObject } from '#cloud/kube.ts'
import type { MechanismSettings } from '#functions/alarm-scaler/event.ts'
import { type ReadNode, readNode } from '#functions/alarm-scaler/node-reading.ts'
import { type ReadPod, readPod } from '#functions/alarm-scaler/pod-reading.ts'
import { waitingPods } from '#functions/alarm-scaler/waiting-pods.ts'

const now = Date.parse('2026-11-24T10:00:00Z')
const minuteMs = 60_000
const group = 'asg-1'

const ago = (minutes: number): string => new Date(now - minutes * minuteMs).toISOString()

function node(name: string, own: { labels?: object; allocatable?: object; spec?: object; isReady?: boolean } = {}): ReadNode {
  const { labels = { 'cloud.tencent.com/auto-scaling-group-id': group }, allocatable = {}, spec = {}, isReady = true } = own
  const found = readNode({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'cloud.tencent.com/node-instance-id': `ins-${name}`, 'kubernetes.io/hostname': name, ...labels } },
    spec,
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '10', ...allocatable },
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
    },
  } as unknown as KubeObject)
  if (found === undefined) throw new Error('this is no node')
  return found
}

function pod(requests: object, { spec = {}, on, of = 'ReplicaSet', sinceMinutes = 30 }: PodFacts = {}): ReadPod {
  const found = readPod({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a-pod', namespace: 'default', ownerReferences: [{ kind: of, name: 'x', controller: true }] },
    spec: { containers: [{ resources: { requests } }], ...(on === undefined ? {} : { nodeName: on }), ...spec },
    status:
      on === undefined
        ? {
            phase: 'Pending',
            conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: ago(sinceMinutes) }],
          }
        : { phase: 'Running' },
  } as unknown as KubeObject)
  if (found === undefined) throw new Error('this is no pod')
  return found
}

interface PodFacts {
  readonly spec?: object
  readonly on?: string
  readonly of?: string
  readonly sinceMinutes?: number
}

const byGroup: readonly MechanismSettings[] = [{ kind: 'scaling-group', group }]

function count(pods: readonly ReadPod[], nodes: readonly ReadNode[], mechanisms = byGroup): number {
  return waitingPods(pods, { of: undefined, mechanisms, nodes, groups: [] }, now)
}

/** Fills a node to the last core. */
const full = (name: string, of = 'ReplicaSet'): ReadPod => pod({ cpu: '4' }, { on: name, of })

describe('a pod that no node of the pool can ever take is no reason to grow, and none to keep nodes', () => {
  it('because it wants a GPU, and no node has one', () => {
    const wants = pod({ cpu: '1', 'nvidia.com/gpu': '1' })
    expect(count([wants, full('one')], [node('one')])).toBe(0)
    expect(count([wants, full('one')], [node('one', { allocatable: { 'nvidia.com/gpu': '1' } })])).toBe(1)
  })

  it('but what nodes do not say may be there: room on a disk, and anything of a virtual node', () => {
    const disk = pod({ cpu: '1', 'ephemeral-storage': '1Gi' })
    expect(count([disk, full('one')], [node('one')])).toBe(1)
    const virtual = node('virtual', { labels: { 'cloud.tencent.com/virtual-node-pool-id': 'np-1' } })
    const byVirtual: readonly MechanismSettings[] = [{ kind: 'virtual-nodes', nodePool: 'np-1', subnets: ['subnet-1'] }]
    const gpu = pod({ cpu: '1', 'nvidia.com/gpu': '1' })
    expect(count([gpu, full('virtual')], [virtual], byVirtual)).toBe(1)
  })

  it('because what is on every node leaves too little', () => {
    const wants = pod({ cpu: '3800m' })
    const daemon = pod({ cpu: '300m' }, { on: 'one', of: 'DaemonSet' })
    expect(count([wants, pod({ cpu: '1' }, { on: 'one' })], [node('one')])).toBe(1)
    expect(count([wants, pod({ cpu: '1' }, { on: 'one' }), daemon], [node('one')])).toBe(0)
  })

  it('because only nodes are large enough that nobody adds', () => {
    const large = node('large', { labels: {}, allocatable: { cpu: '32' } })
    const wants = pod({ cpu: '16' })
    const others = pod({ cpu: '32' }, { on: 'large' })
    expect(count([wants, others, full('one')], [large, node('one')])).toBe(0)
    const anything: MechanismSettings = { kind: 'existing-instances', names: [] }
    expect(count([wants, others, full('one')], [large, node('one')], [...byGroup, anything])).toBe(1)
    expect(count([wants, others], [large])).toBe(1)
  })

  it('but a pod that a leased node would take is one, whatever has brought that node', () => {
    const leased = node('leased', { labels: { 'longshore.dev/lease': 'ls-0000000000000000' }, allocatable: { cpu: '32' } })
    expect(count([pod({ cpu: '16' }), pod({ cpu: '32' }, { on: 'leased' })], [leased, node('one')])).toBe(1)
  })
})

describe('a pod that waits although there is room for it', () => {
  const small = { cpu: '1' }

  it('waits for something else than a node', () => {
    expect(count([pod(small)], [node('one')])).toBe(0)
  })

  it('counts for as long as the scheduler may still be about it', () => {
    expect(count([pod(small, { sinceMinutes: 9 })], [node('one')])).toBe(1)
    expect(count([pod(small, { sinceMinutes: 10 })], [node('one')])).toBe(0)
  })

  it.for([
    ['that is full', [full('one')], {}],
    ['that has a place for no more pods', Array.from({ length: 10 }, () => pod({}, { on: 'one' })), {}],
    ['that is closed', [], { spec: { unschedulable: true } }],
    ['that is not ready', [], { isReady: false }],
    [
      'that says of itself that it is in need',
      [],
      { spec: { taints: [{ key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' }] } },
    ],
  ] as const)('counts when the room is on a node %s', ([, others, own]) => {
    expect(count([pod(small), ...others], [node('one', own)])).toBe(1)
  })

  it.for([
    ['other pods', { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } } }],
    ['being spread', { topologySpreadConstraints: [{ maxSkew: 1 }] }],
    ['a port of the node', { containers: [{ resources: { requests: small }, ports: [{ hostPort: 80 }] }] }],
  ] as const)('counts when it minds %s, for a new node may be another matter', ([, spec]) => {
    expect(count([pod(small, { spec })], [node('one')])).toBe(1)
  })
})
