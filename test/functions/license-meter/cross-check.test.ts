import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addNode, type NewNode, removeNode } from '#infra/sandbox/kubernetes/nodes.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeCluster, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { crossCheckKey } from '#shared/licence/cross-check.ts'
import type { Config } from '#shared/runtime/config.ts'
import { answering, clusterA, clusterB, home, hourMs, minuteMs, openStage, type Stage, said, sentence } from './stage.ts'

const clusterC = 'cls-c0000003'
const nodes = `${home}/nodes`
const alone = [{ id: clusterA }]

let stage: Stage
beforeEach(async () => {
  stage = await openStage()
  stage.grow(clusterA, 2)
})
afterEach(async () => {
  await stage.close()
})

/** A Node object of a cluster, with or without a machine behind it. */
function node(cluster: string, name: string, more: Partial<NewNode> = {}): void {
  const state = stage.world.kubernetes[cluster]
  if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
  addNode(state, { name, internalIp: '10.0.3.3', cpu: 4, memoryBytes: 2 ** 30, maxPods: 10, ready: true, ...more }, stage.now())
}

function placeThird(count: number): void {
  const third = { clusterId: clusterC, region: home, name: 'third', version: '1.20.6', clusterCidr: '172.18.0.0/16' }
  const createdMs = stage.now() - hourMs
  const cluster = placeCluster(stage.world, { ...third, vpcId: emptyCluster.vpcId, createdMs }, createRandom(9))
  placeNodes(stage.world, cluster, { count, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs }, createRandom(11))
}

async function next(clusters: Config['clusters'] = alone, minutes = 15) {
  stage.calls()
  stage.pass(minutes * minuteMs)
  return await stage.run({}, { clusters })
}

describe('what the nodes have', () => {
  it('is compared with what is reported, region by region, once a day', async () => {
    stage.grow(clusterB, 1)
    const both = [{ id: clusterA }, { id: clusterB, region: 'ap-chengdu' }]
    const report = await stage.run({}, { clusters: both })
    expect(sentence(report, nodes, 'nodes-agree')).toBe(
      `16 core reported, 16 core on 2 nodes of ${clusterA} (${clusterA}/other 16): they agree`,
    )
    expect(sentence(report, 'ap-chengdu/nodes', 'nodes-agree')).toContain('8 core on 1 node of')
    for (const minutes of [60, 11 * 60, 11 * 60 + 59]) {
      expect(said(await next(both, minutes)).filter((line) => line.includes('/nodes'))).toEqual([])
      expect(stage.calls()).toHaveLength(4)
    }
    expect(said(await next(both, 1))).toContain(`${nodes} NoChange nodes-agree`)
  })

  it('is not read where nobody wants it', async () => {
    const report = await stage.run({ crossCheck: { every: 'never' } }, { clusters: alone })
    expect(said(report)).not.toContain(`${nodes} NoChange nodes-agree`)
    expect(stage.calls()).toHaveLength(2)
  })

  it('is attributed to cluster, node pool and namespace', async () => {
    const cluster = stage.world.tke.clusters[clusterA]
    const state = stage.world.kubernetes[clusterA]
    if (cluster === undefined || state === undefined) throw new Error('there is no cluster')
    const pool = { count: 1, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs: stage.now() - hourMs }
    placeNodes(stage.world, cluster, { ...pool, asGroupId: 'asg-11111111' }, createRandom(5))
    node(clusterA, 'eklet-1', { cpu: 1000, virtual: true, labels: { 'cloud.tencent.com/virtual-node-pool-id': 'np-22222222' } })
    putObject(
      state,
      deployment({ namespace: 'shop', name: 'web', image: 'nginx:1', replicas: 3, cpu: '500m', memory: '10Mi' }),
      stage.now(),
    )
    stage.pass(minuteMs)
    const report = await stage.run({}, { clusters: alone })
    expect(sentence(report, nodes, 'nodes-agree')).toContain('24 core on 3 nodes')
    expect((await stage.memory.get(crossCheckKey(clusterA)))?.value).toMatchObject({
      cluster: clusterA,
      region: home,
      cores: '24',
      nodes: 3,
      virtual: { nodes: 1, cores: '1000' },
      pools: { 'asg-11111111': { nodes: 1, cores: '8' }, 'np-22222222': { nodes: 1, cores: '1000' }, other: { nodes: 2, cores: '16' } },
      namespaces: { shop: { pods: 3, cores: '1.5' } },
    })
  })
})

describe('a difference', () => {
  it('is looked at once more at the next trigger, and only then is it one', async () => {
    node(clusterA, 'left-over')
    expect(said(await stage.run({}, { clusters: alone }))).toContain(`${nodes} NoChange nodes-differ`)
    const report = await next()
    expect(said(report)).toContain(`${nodes} Held counted-less`)
    expect(sentence(report, nodes, 'counted-less')).toContain('16 core reported, 20 core on 3 nodes')
    expect(sentence(report, nodes, 'counted-less')).toContain('4 core are on nodes and not reported')
    expect(sentence(report, nodes, 'counted-less')).toContain('first seen at 2026-11-24T15:03:00.000Z')
    // From then on once a day, as before.
    expect(said(await next())).not.toContain(`${nodes} Held counted-less`)
    expect(said(await next(alone, 24 * 60))).toContain(`${nodes} Held counted-less`)
  })

  it('that is gone at the next look was none', async () => {
    node(clusterA, 'joining')
    await stage.run({}, { clusters: alone })
    const state = stage.world.kubernetes[clusterA]
    if (state !== undefined) removeNode(state, 'joining', stage.now())
    expect(said(await next())).toContain(`${nodes} NoChange nodes-agree`)
    expect(said(await next())).not.toContain(`${nodes} NoChange nodes-agree`)
  })

  it('within the tolerance is none; above it is', async () => {
    const reporting = (cores: string) =>
      answering(stage.cloud, {
        CollectAllCore: (answer) => ({
          ...answer,
          Data: [{ ProductId: 'p', ProductIdDescribe: '', UsageUnit: 'core', UsageValue: cores }],
        }),
      })
    const settings = { crossCheck: { tolerancePercent: 2.5 } }
    // 2.5 % of 16 cores are exactly 0.4.
    expect(said(await stage.run(settings, { clusters: alone, cloud: reporting('16.4') }))).toContain(`${nodes} NoChange nodes-agree`)
    expect(said(await stage.run(settings, { clusters: alone, cloud: reporting('16.41'), fresh: true }))).toContain(
      `${nodes} NoChange nodes-differ`,
    )
  })

  it('names the clusters that nobody has configured', async () => {
    placeThird(2)
    await stage.run({}, { clusters: alone })
    const report = await next()
    expect(sentence(report, nodes, 'forgotten-cluster')).toContain(
      `32 core reported, 16 core on 2 nodes of ${clusterA} (${clusterA}/other 16): 16 core more than the nodes have. Not configured: ${clusterC} (third) with 2 nodes`,
    )
    expect(said(await next([{ id: clusterA }, { id: clusterC }], 24 * 60))).toContain(`${nodes} NoChange nodes-agree`)
  })

  it('without a cluster that could explain it says so', async () => {
    const twice = answering(stage.cloud, {
      CollectAllCore: (answer) => ({ ...answer, Data: [{ ProductId: 'p', ProductIdDescribe: '', UsageUnit: 'core', UsageValue: '32' }] }),
    })
    await stage.run({}, { clusters: alone, cloud: twice })
    stage.pass(hourMs)
    const report = await stage.run({}, { clusters: alone, cloud: twice })
    expect(sentence(report, nodes, 'counted-more')).toContain('some are counted twice')
  })
})

describe('what cannot be compared', () => {
  it('is not compared while one cluster cannot be read, and is tried again with the next trigger', async () => {
    placeThird(1)
    const both = [{ id: clusterA }, { id: clusterC }]
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterC }, count: 1 })
    const report = await stage.run({}, { clusters: both })
    expect(report.failure).toBeUndefined()
    expect(said(report)).toContain(`${clusterC} Held nodes-unreadable`)
    expect(said(report).filter((line) => line.startsWith(nodes))).toEqual([])
    // It hides nothing else.
    expect(said(report)).toContain(`${home} NoChange measured-now`)
    expect(said(await next(both))).toContain(`${nodes} NoChange nodes-agree`)
  })

  it('is a node that does not say what it has', async () => {
    const state = stage.world.kubernetes[clusterA]
    if (state !== undefined) putObject(state, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'strange' } }, stage.now())
    expect(sentence(await stage.run({}, { clusters: alone }), clusterA, 'nodes-unreadable')).toContain('The node strange of')
  })

  it('is a region that could not be measured', async () => {
    const cloud = answering(stage.cloud, { CollectAllCore: () => ({}) })
    expect(sentence(await stage.run({}, { clusters: alone, cloud }), nodes, 'not-compared')).toContain('there is no sample of this hour')
  })

  it('is usage in another unit than cores', async () => {
    const cloud = answering(stage.cloud, {
      CollectAllCore: (answer) => ({ ...answer, Data: [{ ProductId: 'p', ProductIdDescribe: '', UsageUnit: 'node', UsageValue: '2' }] }),
    })
    expect(sentence(await stage.run({}, { clusters: alone, cloud }), nodes, 'not-compared')).toContain(
      'p is counted in “node”, not in cores',
    )
  })
})

it('a machine that is a node of two clusters is named', async () => {
  placeThird(1)
  const machine = { 'cloud.tencent.com/node-instance-id': 'ins-aaaaaaaa' }
  node(clusterA, 'here', { labels: machine })
  node(clusterC, 'there', { labels: machine })
  const report = await stage.run({}, { clusters: [{ id: clusterA }, { id: clusterC }] })
  expect(sentence(report, `${home}/ins-aaaaaaaa`, 'counted-twice')).toContain(`is a node of ${clusterA} and of ${clusterC}`)
})
