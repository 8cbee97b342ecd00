import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { getObject, listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import { isAutoscaler, isDeployment, isNode, isPod, isStatefulSet, type KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { createRandomWorld } from '#infra/sandbox/seeds/random.ts'
import { imageExists, resolveImage } from '#infra/sandbox/tcr/images.ts'
import type { World } from '#infra/sandbox/world.ts'
import { parseCron, previousFiring } from '#shared/pure/cron.ts'
import { noon, openDesk } from './tke-desk.ts'

function kubernetesOf(world: World, clusterId: string): KubernetesState {
  const state = world.kubernetes[clusterId]
  if (state === undefined) throw new Error(`no Kubernetes state of ${clusterId}`)
  return state
}

/** Every image that a template or a pod of a world names. */
function imagesIn(world: World): string[] {
  const found = new Set<string>()
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item)
    else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) {
        if (key === 'image' && typeof item === 'string') found.add(item)
        else walk(item)
      }
    }
  }
  for (const state of Object.values(world.kubernetes)) walk(state.objects)
  return [...found]
}

interface Scaler extends KubeObject {
  spec: {
    scaleTarget: { kind: string; name: string; namespace: string }
    crons: { schedule: string; targetSize?: number; minSize?: number; maxSize?: number; excludeDates?: string[] }[]
  }
}

function scalers(state: KubernetesState, group = 'autoscaling.cloud.tencent.com'): Scaler[] {
  return listObjects(state, group, 'horizontalpodcronscalers') as unknown as Scaler[]
}

/** The size that a schedule's latest firing of the last half hour asks for; undefined when none is due or it is skipped. */
function dueSize(scaler: Scaler, now: number): unknown {
  let latest: { at: number; size: unknown } | undefined
  for (const cron of scaler.spec.crons) {
    const parsed = parseCron(cron.schedule)
    if (!parsed.ok || cron.excludeDates !== undefined) continue
    const at = previousFiring(parsed.value, 'Asia/Shanghai', now, now - 1_800_000)
    if (at === undefined || (latest !== undefined && latest.at >= at)) continue
    latest = { at, size: cron.targetSize ?? [cron.minSize, cron.maxSize] }
  }
  return latest?.size
}

/** The present size of a schedule's target; undefined when there is no such target. */
function sizeOf(state: KubernetesState, { spec: { scaleTarget } }: Scaler): unknown {
  const resources = { deployment: 'deployments', statefulset: 'statefulsets', horizontalpodautoscaler: 'horizontalpodautoscalers' } as const
  const kind = scaleTarget.kind.toLowerCase() as keyof typeof resources
  const group = kind === 'horizontalpodautoscaler' ? 'autoscaling' : 'apps'
  const target = getObject(state, group, resources[kind], scaleTarget.name, scaleTarget.namespace)
  if (isAutoscaler(target)) return [target.spec.minReplicas, target.spec.maxReplicas]
  return isDeployment(target) || isStatefulSet(target) ? target.spec.replicas : undefined
}

describe('the base world', () => {
  const world = createBaseWorld(noon, 1)
  const production = kubernetesOf(world, baseClusters.production)

  test('is plain data, the same for the same arguments and another for another seed', () => {
    expect(JSON.parse(JSON.stringify(world))).toEqual(world)
    expect(JSON.stringify(createBaseWorld(noon, 1))).toBe(JSON.stringify(world))
    expect(JSON.stringify(createBaseWorld(noon, 2))).not.toBe(JSON.stringify(world))
  })

  test('has three running clusters with Ready nodes, one of them old and with masters', async () => {
    const desk = openDesk(world)
    const rows = (await desk.call('DescribeClusters', {})).Clusters
    expect(rows.map((row) => [row.ClusterStatus, row.ClusterVersion, row.ClusterNodeNum, row.ClusterMasterNodeNum])).toEqual([
      ['Running', '1.14.3', 3, 3],
      ['Running', '1.20.6', 6, 0],
      ['Running', '1.18.4', 3, 0],
    ])
    for (const row of rows) {
      const nodes = listObjects(kubernetesOf(world, row.ClusterId), '', 'nodes').filter(isNode)
      expect(nodes).toHaveLength(Number(row.ClusterNodeNum) + Number(row.ClusterMasterNodeNum))
      for (const node of nodes) expect(node.status.conditions?.find((condition) => condition.type === 'Ready')?.status).toBe('True')
    }
  })

  test('its workloads run: every replica is ready, no pod waits for an image', () => {
    for (const clusterId of Object.values(baseClusters)) {
      const state = kubernetesOf(world, clusterId)
      for (const object of [...listObjects(state, 'apps', 'deployments'), ...listObjects(state, 'apps', 'statefulsets')]) {
        if (!isDeployment(object) && !isStatefulSet(object)) continue
        expect(object.status.readyReplicas ?? 0, `${clusterId} ${object.metadata.name}`).toBe(object.spec.replicas)
      }
      for (const pod of listObjects(state, '', 'pods').filter(isPod)) {
        for (const container of pod.status.containerStatuses ?? []) {
          const digest = resolveImage(world, container.image)?.digest
          if (digest !== undefined) expect(container.imageID, container.image).toContain(digest)
        }
        expect(['Running', 'Succeeded'], `${clusterId} ${pod.metadata.name}`).toContain(pod.status.phase)
      }
    }
  })

  test('every image of the registry that is used exists in it, and some are used that are not the newest', () => {
    const images = imagesIn(world).filter((image) => image.startsWith('ccr.ccs.tencentyun.com/'))
    expect(images.length).toBeGreaterThan(12)
    for (const image of images) expect(imageExists(world, image), image).toBe(true)
    expect(images).toContain('ccr.ccs.tencentyun.com/pay/gateway:v3.0.3')
  })

  test('its registry has eight repositories of 5 to 60 tags, with contents that several tags share', () => {
    const repositories = Object.entries(world.tcr.repositories)
    expect(repositories).toHaveLength(8)
    for (const [name, repository] of repositories) {
      const tags = Object.values(repository.tags)
      expect(tags.length, name).toBeGreaterThanOrEqual(5)
      expect(tags.length, name).toBeLessThanOrEqual(60)
      for (const tag of tags) expect(tag.pushedAt, name).toBeLessThanOrEqual(noon)
    }
    const storefront = Object.values(world.tcr.repositories['shop/storefront']?.tags ?? {})
    expect(new Set(storefront.map((tag) => tag.content.digest)).size).toBeLessThan(storefront.length - 5)
  })

  test('at any time a first run of the schedules changes a Deployment, a StatefulSet and an autoscaler', () => {
    const times = [
      noon,
      Date.UTC(2026, 11, 31, 15, 59, 59),
      Date.UTC(2027, 1, 28, 16, 0, 0),
      Date.UTC(2026, 5, 7, 18, 1, 59, 999),
      Date.UTC(2030, 9, 27, 0, 2),
    ]
    for (const now of times) {
      const state = kubernetesOf(createBaseWorld(now, 1), baseClusters.production)
      const named = ['gateway-peak', 'ledger-peak', 'storefront-hours']
      const changed = scalers(state).flatMap((scaler) => {
        const [wished, present] = [dueSize(scaler, now), sizeOf(state, scaler)]
        const differs = wished !== undefined && present !== undefined && JSON.stringify(wished) !== JSON.stringify(present)
        return differs && named.includes(scaler.metadata.name) ? [scaler.spec.scaleTarget.kind] : []
      })
      expect([...new Set(changed)].sort(), new Date(now).toISOString()).toEqual(['Deployment', 'HorizontalPodAutoscaler', 'Statefulset'])
    }
  })

  test('property: of the two alternating schedules one has always fired within two minutes, in any time zone', () => {
    const schedules = ['0 0-59/4 * * * *', '0 2-59/4 * * * *'].map((text) => {
      const parsed = parseCron(text)
      if (!parsed.ok) throw new Error(text)
      return parsed.value
    })
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2034, 0, 1) }),
        fc.constantFrom('Asia/Shanghai', 'UTC', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'),
        (now, zone) => schedules.some((schedule) => previousFiring(schedule, zone, now, now - 120_000) !== undefined),
      ),
      { seed: 3, numRuns: 500 },
    )
  })

  test('the other schedules show each way not to act', () => {
    const byName = new Map(scalers(production).map((scaler) => [scaler.metadata.name, scaler.spec]))
    expect(byName.get('catalog-freeze')?.crons[0]?.excludeDates).toEqual(['* * * 1 3 *', '* * * 2 3 *', '* * * 3 3 *'])
    expect(byName.get('risk-morning')?.crons[0]?.schedule.split(' ')).toHaveLength(5)
    const off = byName.get('checkout-off')
    const target = getObject(production, 'apps', 'deployments', off?.scaleTarget.name ?? '', 'shop')
    expect(isDeployment(target) ? target.spec.replicas : undefined).toBe(off?.crons[0]?.targetSize)
    const ghost = byName.get('recommender-hours')?.scaleTarget
    expect(getObject(production, 'apps', 'deployments', ghost?.name ?? '', ghost?.namespace)).toBeUndefined()
  })

  test('the add-on is found under its two groups through the Kubernetes API', () => {
    const read = (clusterId: string, path: string) =>
      JSON.parse(handleKubernetes(kubernetesOf(world, clusterId), { method: 'GET', path }, { now: noon, random: () => 0 }).body)
    const groups = (clusterId: string) => read(clusterId, '/apis').groups.map((group: { name: string }) => group.name)
    expect(groups(baseClusters.production)).toContain('autoscaling.cloud.tencent.com')
    expect(groups(baseClusters.legacy)).toContain('autoscaling.finance.cloud.tencent.com')
    expect(groups(baseClusters.legacy)).not.toContain('autoscaling.cloud.tencent.com')
    const list = read(baseClusters.legacy, '/apis/autoscaling.finance.cloud.tencent.com/v1/horizontalpodcronscalers')
    expect(list).toMatchObject({
      kind: 'HorizontalPodCronscalerList',
      items: [{ kind: 'HorizontalPodCronscaler', metadata: { name: 'matcher-day' } }],
    })
    // The kind is compared as it is spelt by the manual's own sample.
    expect(scalers(production).some((scaler) => scaler.spec.scaleTarget.kind === 'Statefulset')).toBe(true)
  })

  test('autoscalers were written in both versions and are read in the one asked for', () => {
    const path = (version: string) => `/apis/autoscaling/${version}/namespaces/shop/horizontalpodautoscalers/storefront`
    const read = (version: string) =>
      JSON.parse(handleKubernetes(production, { method: 'GET', path: path(version) }, { now: noon, random: () => 0 }).body)
    expect(read('v1').spec).toMatchObject({ minReplicas: 3, maxReplicas: 8, targetCPUUtilizationPercentage: 60 })
    expect(read('v2beta2').spec).toMatchObject({ minReplicas: 3, maxReplicas: 8, metrics: [{ type: 'Resource' }] })
  })

  test('old ReplicaSets still hold the image that was replaced', () => {
    const sets = listObjects(production, 'apps', 'replicasets', 'shop').filter((set) => set.metadata.name.startsWith('storefront-'))
    expect(sets.length).toBeGreaterThanOrEqual(2)
    expect(new Set(sets.map((set) => /"image":"([^"]+)"/.exec(JSON.stringify(set))?.[1])).size).toBeGreaterThanOrEqual(2)
  })

  test('licence and spare machines', async () => {
    const desk = openDesk(createBaseWorld(noon, 1))
    const data = (await desk.call('CollectAllCore', {})).Data
    const cores = Object.fromEntries(data.map((row) => [row.ProductId, Number(row.UsageValue)]))
    // production 6 x 8, staging 3 x 4; legacy 3 masters x 4 and 3 x 4.
    expect(cores).toEqual({ 'tke-managed-x86': 60, 'tke-managed-arm': 0, 'tke-independent': 24 })
    expect((await desk.call('QueryOverage', {})).Pass).toBe('false')
    const usable = (await desk.call('DescribeExistedInstances', { ClusterId: baseClusters.production })).ExistedInstanceSet.filter(
      (row) => row.Usable,
    )
    expect(usable).toHaveLength(3)
  })
})

describe('the other worlds', () => {
  test('the empty world has one running cluster and nothing else', async () => {
    const world = createEmptyWorld(noon, 1)
    const desk = openDesk(world)
    expect((await desk.call('DescribeClusters', {})).Clusters.map((row) => [row.ClusterId, row.ClusterStatus, row.ClusterNodeNum])).toEqual(
      [[emptyCluster.clusterId, 'Running', 0]],
    )
    expect(world.tcr.repositories).toEqual({})
    expect(listObjects(kubernetesOf(world, emptyCluster.clusterId), 'apps', 'deployments')).toEqual([])
  })

  test.each([1, 2, 3, 4, 5])('random world %i is plain, repeats, and names only images that exist', (seed) => {
    const options = { workloads: 12, clusters: 2 }
    const world = createRandomWorld(noon, seed, options)
    expect(JSON.stringify(createRandomWorld(noon, seed, options))).toBe(JSON.stringify(world))
    expect(JSON.parse(JSON.stringify(world))).toEqual(world)
    const images = imagesIn(world)
    expect(images.length).toBeGreaterThan(0)
    for (const image of images) expect(imageExists(world, image), image).toBe(true)
    const workloads = Object.values(world.kubernetes).flatMap((state) => [
      ...listObjects(state, 'apps', 'deployments'),
      ...listObjects(state, 'apps', 'statefulsets'),
      ...listObjects(state, 'apps', 'daemonsets'),
      ...listObjects(state, 'batch', 'cronjobs'),
    ])
    expect(workloads).toHaveLength(12)
  })

  test('random worlds of different seeds differ', () => {
    const worlds = [1, 2, 3].map((seed) => JSON.stringify(createRandomWorld(noon, seed, { workloads: 5 })))
    expect(new Set(worlds).size).toBe(3)
  })
})
