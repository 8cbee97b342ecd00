import { describe, expect, test } from 'vitest'
import type { KubeObject } from '#cloud/kube.ts'
import { readGroupMaxima, readNode, readPod, readWorkload } from '#functions/cron-scaler/forecast-reading.ts'

const mib = 1024 ** 2

function objectOf(kind: string, spec: object, more: { readonly metadata?: object; readonly status?: object } = {}): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name: 'one', namespace: 'default', ...more.metadata }, spec, status: more.status ?? {} }
}

function container(cpu: string, memory: string, more: object = {}): object {
  return { resources: { requests: { cpu, memory } }, ...more }
}

describe('pods as a scheduler counts them', () => {
  test('containers together, with what the runtime takes', () => {
    const pod = readPod(
      objectOf('Pod', { containers: [container('250m', '64Mi'), container('1', '1Gi')], overhead: { cpu: '100m', memory: '16Mi' } }),
    )
    expect(pod?.shape.requests).toEqual({ cpuMilli: 1350, memoryBytes: (64 + 1024 + 16) * mib })
  })

  test('an init container counts where it asks for more, and one that goes on running beside them', () => {
    const before = [container('2', '32Mi')]
    expect(readPod(objectOf('Pod', { containers: [container('1', '64Mi')], initContainers: before }))?.shape.requests).toEqual({
      cpuMilli: 2000,
      memoryBytes: 64 * mib,
    })
    const sidecar = container('500m', '10Mi', { restartPolicy: 'Always' })
    const beside = readPod(objectOf('Pod', { containers: [container('1', '64Mi')], initContainers: [sidecar, ...before] }))
    // While the second one runs the first one does already.
    expect(beside?.shape.requests).toEqual({ cpuMilli: 2500, memoryBytes: 74 * mib })
  })

  test('what has ended, goes, or does not look like a pod is none', () => {
    const spec = { containers: [container('1', '1Gi')] }
    expect(readPod(objectOf('Pod', spec, { status: { phase: 'Succeeded' } }))).toBeUndefined()
    expect(readPod(objectOf('Pod', spec, { metadata: { deletionTimestamp: '2026-11-24T00:00:00Z' } }))).toBeUndefined()
    expect(readPod(objectOf('Pod', { containers: 'none' }))).toBeUndefined()
  })

  test('pods of DaemonSets and of the kubelet stay with their node', () => {
    const spec = { nodeName: 'n', containers: [container('1', '1Gi')] }
    const ownerReferences = [{ kind: 'DaemonSet', name: 'agent', controller: true }]
    expect(readPod(objectOf('Pod', spec, { metadata: { ownerReferences } }))?.isOfNode).toBe(true)
    expect(readPod(objectOf('Pod', spec, { metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }))?.isOfNode).toBe(true)
    expect(readPod(objectOf('Pod', spec))?.isOfNode).toBe(false)
  })
})

test('a workload: its pods’ requests, selector, affinity, and whether they keep apart', () => {
  const anti = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } }
  const object = objectOf('Deployment', {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [container('1', '1Gi')],
        affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [anti] } },
      },
    },
  })
  expect(readWorkload(object, 'Deployment')).toMatchObject({
    replicas: 3,
    selector: [{ key: 'app', operator: 'In', values: ['web'] }],
    shape: { requests: { cpuMilli: 1000, memoryBytes: 1024 * mib }, isApart: true },
  })
  expect(readWorkload(objectOf('Deployment', { replicas: 3 }), 'Deployment')).toBeUndefined()
})

test('a node: what it has, and whether it takes pods', () => {
  const status = {
    capacity: { cpu: '8', memory: '16Gi', pods: '64' },
    allocatable: { cpu: '7900m', memory: '15Gi', pods: '61' },
    conditions: [{ type: 'Ready', status: 'True' }],
  }
  const labels = { 'cloud.tencent.com/auto-scaling-group-id': 'asg-1' }
  expect(readNode(objectOf('Node', {}, { metadata: { labels }, status }))).toMatchObject({
    isUsable: true,
    isVirtual: false,
    groupId: 'asg-1',
    cores: 8,
    allocatable: { cpuMilli: 7900, memoryBytes: 15 * 1024 * mib, pods: 61 },
  })
  expect(readNode(objectOf('Node', { unschedulable: true }, { status }))?.isUsable).toBe(false)
  expect(readNode(objectOf('Node', {}, { status: { ...status, conditions: [{ type: 'Ready', status: 'Unknown' }] } }))?.isUsable).toBe(
    false,
  )
})

describe('what the cluster autoscaler says of its groups', () => {
  const now = Date.parse('2026-11-24T10:00:00Z')
  const old = [
    'Cluster-autoscaler status at 2026-11-24 09:59:50.1 +0000 UTC:',
    'Cluster-wide:',
    '  Health:      Healthy (ready=3)',
    'NodeGroups:',
    '  Name:        asg-1',
    '  Health:      Healthy (ready=2 cloudProviderTarget=2 (minSize=2, maxSize=10))',
    '  Name:        asg-2',
    '  Health:      Healthy (ready=0 cloudProviderTarget=0 (minSize=0, maxSize=4))',
  ].join('\n')
  const yaml = [
    'time: 2026-11-24 09:59:50 +0000 UTC',
    'nodeGroups:',
    '- name: asg-3',
    '  health:',
    '    minSize: 1',
    '    maxSize: 7',
  ].join('\n')
  const said = (time: string) => ({ 'cluster-autoscaler.kubernetes.io/last-updated': time })

  test('in both of its forms', () => {
    expect([...readGroupMaxima(old, said('2026-11-24 09:59:50.123456789 +0000 UTC'), now)]).toEqual([
      ['asg-1', 10],
      ['asg-2', 4],
    ])
    expect([...readGroupMaxima(yaml, {}, now)]).toEqual([['asg-3', 7]])
  })

  test('nothing when it has stopped', () => {
    expect([...readGroupMaxima(old, said('2026-11-24T09:40:00Z'), now)]).toEqual([])
  })
})
