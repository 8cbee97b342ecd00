import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AlarmChange } from '#functions/alarm-scaler/change.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { image, sentence } from '../image-cleaner/stage.ts'
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

/** Pods that run on the leased node and nowhere else. */
function deploy(name: string, replicas: number, inNamespace = 'prod', annotations: Readonly<Record<string, string>> = {}): void {
  const spec = { namespace: inNamespace, name, image: image('team/web', '1.0.0'), replicas, cpu: '10m', memory: '16Mi' }
  const object = structuredClone(deployment(spec)) as { spec: { template: { metadata: object; spec: object } } }
  Object.assign(object.spec.template.metadata, { annotations })
  Object.assign(object.spec.template.spec, { nodeSelector: { 'longshore.dev/lease': leaseId } })
  stage.put(object as unknown as JsonObject)
}

function putBare(nodeName: string): void {
  stage.put({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'prod', name: 'bare' },
    spec: { nodeName, containers: [{ name: 'main', image: image('team/web', '1.0.0') }] },
    status: { phase: 'Running' },
  })
}

const evictions = (since: number): readonly string[] => stage.writes(since).filter((write) => write.includes('/eviction'))

describe('a pod that nobody makes again elsewhere', () => {
  it('is never evicted: a bare pod stays, and so does one that says that it must not be moved', async () => {
    const { nodeName, drain } = await goingNode()
    deploy('kept', 1, 'prod', { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' })
    deploy('kept-too', 1, 'prod', { 'karpenter.sh/do-not-disrupt': 'true' })
    deploy('web', 2)
    stage.wait(minuteMs)
    putBare(nodeName)
    expect(stage.podsOn(nodeName)).toHaveLength(5)
    const before = stage.calls().length
    const report = await stage.carry([drain()])
    expect(evictions(before)).toHaveLength(2)
    expect(stage.podsOn(nodeName).filter((name) => !name.startsWith('web'))).toHaveLength(3)
    expect(sentence(report, 'draining')).toContain('2 of 5 pods')
    expect(sentence(report, 'draining')).toContain('prod/bare (nobody makes it again elsewhere')
    expect(stage.record().leases[0]?.nodes[0]?.drain?.blockedBy).toContain('prod/bare')
  })

  it('is not moved by the platform either, which would take all of them', async () => {
    const { nodeName, drain } = await goingNode()
    deploy('web', 2)
    stage.wait(minuteMs)
    putBare(nodeName)
    const report = await stage.carry([drain({ by: 'platform' })])
    expect(stage.writes()).not.toContain('DrainClusterNode')
    expect(stage.podsOn(nodeName)).toHaveLength(3)
    expect(sentence(report, 'draining')).toContain('the platform was not asked to empty')
    expect(stage.record().leases[0]?.nodes[0]?.drain?.blockedBy).toContain('prod/bare')
  })
})

describe('two pods of one owner in kube-system', () => {
  it('do not go at the same time, so that the DNS of the cluster is never gone as a whole', async () => {
    const { nodeName, drain } = await goingNode()
    deploy('dns', 2, 'kube-system')
    deploy('metrics', 1, 'kube-system')
    deploy('web', 2)
    stage.wait(minuteMs)
    expect(stage.podsOn(nodeName)).toHaveLength(5)
    const evicted = async (attempt: number): Promise<readonly string[]> => {
      const before = stage.calls().length
      await stage.carry([drain({ attempt })])
      return evictions(before)
        .map((write) => /pods\/([a-z]+)-/.exec(write)?.[1] ?? '')
        .toSorted()
    }
    expect(await evicted(1)).toEqual(['dns', 'metrics', 'web', 'web'])
    stage.wait(minuteMs)
    expect(await evicted(2)).toEqual(['dns'])
  })
})
