import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { sentence } from '../image-cleaner/stage.ts'
import { type ClusterStage, minuteMs, openLocalClusterStage } from './cluster-stage.ts'
import { boughtLease, grow, leaseId, place, step } from './lease-steps.ts'

let stage: ClusterStage

beforeEach(() => {
  stage = openLocalClusterStage()
})

afterEach(async () => {
  await stage.close()
})

/** A bought node on which nothing runs yet, and the step that empties it. */
async function goingNode(): Promise<{ readonly nodeName: string; readonly drain: (more?: object) => ReturnType<typeof step> }> {
  await stage.carry([grow(boughtLease(1))])
  stage.wait(5 * minuteMs)
  const machine = stage.machines().find(({ node }) => node?.settings.labels.some(({ value }) => value === leaseId) === true)
  if (machine?.node == null) throw new Error('there is no node')
  const { instanceId, node } = machine
  const [lease] = stage.record().leases
  if (lease === undefined) throw new Error('there is no lease')
  const nodes = [{ instanceId, nodeName: node.nodeName, readyAtMs: stage.now() }]
  const recovery = { sinceMs: stage.now(), why: 'resolved' as const }
  stage.putRecord({ ...stage.record(), leases: [{ ...lease, state: 'recovering', recovery, nodes }] })
  const drain = (more: object = {}) => {
    const facts = { kind: 'drain', ...place, leaseId, instanceId, nodeName: node.nodeName, attempt: 1, wasOpen: true, by: 'evict' }
    const change = { ...facts, ...more } as Extract<AlarmChange, { kind: 'drain' }>
    return step(change, `drain ${change.attempt}`)
  }
  return { nodeName: node.nodeName, drain }
}

interface PodFacts {
  readonly namespace?: string
  readonly annotations?: Readonly<Record<string, string>>
  readonly owner?: string
}

function place1(name: string, nodeName: string, { namespace = 'prod', annotations = {}, owner }: PodFacts = {}): void {
  const references = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: `uid-of-${owner}`, controller: true }]
  stage.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, annotations: { ...annotations }, ...(owner === undefined ? {} : { ownerReferences: references }) },
    spec: { nodeName, containers: [{ name: 'main', image: 'ccr.ccs.tencentyun.com/team/web:1.0.0' }] },
    status: { phase: 'Running' },
  })
}

describe('a pod that nobody makes again elsewhere', () => {
  it('is never evicted: a bare pod stays, and so does one that says that it must not be moved', async () => {
    const { nodeName, drain } = await goingNode()
    place1('bare', nodeName)
    place1('kept', nodeName, { owner: 'job', annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' } })
    const before = stage.writes().length
    const report = await stage.carry([drain()])
    expect(stage.writes(before).filter((write) => write.includes('/eviction'))).toEqual([])
    expect(stage.podsOn(nodeName)).toEqual(['bare', 'kept'])
    expect(sentence(report, 'draining')).toContain('0 of 2 pods')
    expect(sentence(report, 'draining')).toContain('prod/bare (nobody makes it again elsewhere')
    expect(stage.record().leases[0]?.nodes[0]?.drain?.blockedBy).toContain('prod/bare')
  })

  it('is not moved by the platform either, which would take all of them', async () => {
    const { nodeName, drain } = await goingNode()
    place1('bare', nodeName)
    place1('web-1', nodeName, { owner: 'web' })
    const report = await stage.carry([drain({ by: 'platform' })])
    expect(stage.writes()).not.toContain('DrainClusterNode')
    expect(stage.podsOn(nodeName)).toEqual(['bare', 'web-1'])
    expect(sentence(report, 'draining')).toContain('the platform was not asked to empty')
  })
})

describe('two pods of one owner in kube-system', () => {
  it('do not go at the same time, so that the DNS of the cluster is never gone as a whole', async () => {
    const { nodeName, drain } = await goingNode()
    for (const name of ['dns-1', 'dns-2']) place1(name, nodeName, { namespace: 'kube-system', owner: 'dns' })
    place1('metrics-1', nodeName, { namespace: 'kube-system', owner: 'metrics' })
    for (const name of ['web-1', 'web-2']) place1(name, nodeName, { owner: 'web' })
    const evicted = async (attempt: number): Promise<readonly string[]> => {
      const before = stage.writes().length
      await stage.carry([drain({ attempt })])
      return stage.writes(before).flatMap((write) => /pods\/([^/]+)\/eviction/.exec(write)?.[1] ?? [])
    }
    expect(await evicted(1)).toEqual(['dns-1', 'metrics-1', 'web-1', 'web-2'])
    stage.wait(minuteMs)
    expect(await evicted(2)).toEqual(['dns-2'])
  })
})
