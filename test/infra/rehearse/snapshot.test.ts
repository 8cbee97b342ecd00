import { describe, expect, it } from 'vitest'
import { asReader } from '#cloud/client.ts'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { readConfig } from '#infra/local/platform.ts'
import { keptObject, Variants } from '#infra/rehearse/kept-object.ts'
import { withPseudonyms } from '#infra/rehearse/pseudonyms.ts'
import { openRehearsal, type RehearsalPlatform } from '#infra/rehearse/rehearsal-platform.ts'
import { RehearsalTime } from '#infra/rehearse/rehearsal-time.ts'
import { linesOfSnapshot, parseSnapshot, type Snapshot, SnapshotError } from '#infra/rehearse/snapshot.ts'
import { seenTime } from '#infra/rehearse/snapshot-order.ts'
import { takeSnapshot } from '#infra/rehearse/take-snapshot.ts'
import { worldOf } from '#infra/rehearse/world-of.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { createRandomWorld } from '#infra/sandbox/seeds/random.ts'
import { usedCores } from '#infra/sandbox/tke/licence.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { PlanDocument } from '#shared/safety/plan-document.ts'

const start = Date.parse('2026-11-24T00:01:30Z')
const sandboxConfig = (): Promise<Config> =>
  readConfig({
    env: { TENCENTCLOUD_REGION: 'ap-guangzhou' },
    path: new URL('../../../infra/local/sandbox.yaml', import.meta.url).pathname,
    folder: '.',
  })

interface Stage {
  readonly time: RehearsalTime
  readonly platform: RehearsalPlatform
}

async function stageOf(world: World, config: Config): Promise<Stage> {
  const time = new RehearsalTime(start)
  const redactor = createRedactor()
  const platform = await time.run(openRehearsal({ config, world, clock: time.clock, seed: 1, redactor }))
  return { time, platform }
}

async function pictureOf({ time, platform }: Stage): Promise<Snapshot> {
  const { cloud, config } = platform
  return await time.run(takeSnapshot({ cloud: asReader(cloud), config, source: 'sandbox', now: start }))
}

const textOf = (snapshot: Snapshot): string => [...linesOfSnapshot(snapshot)].join('\n')

/** What every function would do. Versions of objects are a server's own count, the same in no other cluster. */
async function plansOf({ time, platform }: Stage): Promise<Record<string, unknown>> {
  const plans: Record<string, unknown> = {}
  for (const fn of localFunctions) {
    const { config, cloud, store } = platform
    const plan: PlanDocument = await time.run(
      fn.plan({ config, cloud, store, fetchText: cloud.fetchText, now: start, key: undefined, redact: (text) => text }),
    )
    const plain = JSON.stringify(plan.steps, (key, value: unknown) => (key === 'resourceVersion' ? undefined : value))
    plans[fn.name] = JSON.parse(plain)
  }
  return plans
}

describe('a snapshot of the sandbox', () => {
  it('becomes a world in which every function plans the same', async () => {
    const config = await sandboxConfig()
    const original = await stageOf(createBaseWorld(start, 1), config)
    const picture = await pictureOf(original)
    const text = textOf(picture)
    const { world, notes } = worldOf(parseSnapshot(text))
    const rebuilt = await stageOf(world, config)

    expect(notes).toEqual(['The bounds of the scaling group asg-c80wdn3t could not be seen: it may have 0 to 10 machines here.'])
    const plans = await plansOf(original)
    expect(Object.values(plans).flat().length).toBeGreaterThan(20)
    expect(await plansOf(rebuilt)).toEqual(plans)
  })

  it('is of worlds of chance, too, and nothing rolls in them by itself', async () => {
    for (const seed of [1, 2, 3]) {
      const world = createRandomWorld(start, seed, { workloads: 12 })
      const base = await sandboxConfig()
      const config = { ...base, clusters: Object.keys(world.kubernetes).map((id) => ({ id })), functions: { 'license-meter': {} } }
      const original = await stageOf(world, config)
      const picture = await pictureOf(original)
      const rebuilt = await stageOf(worldOf(picture).world, config)
      expect(await plansOf(rebuilt)).toEqual(await plansOf(original))
      rebuilt.platform.core.advance()
      expect(await pictureOf(rebuilt).then(({ clusters }) => clusters.map(podNames))).toEqual(picture.clusters.map(podNames))
    }
  })

  it('is the same text each time, in lines that can be compared', async () => {
    const config = await sandboxConfig()
    const [one, other] = [await stageOf(createBaseWorld(start, 1), config), await stageOf(createBaseWorld(start, 1), config)]
    const text = textOf(await pictureOf(one))
    expect(textOf(await pictureOf(other))).toBe(text)
    expect(text.split('\n').length).toBeGreaterThan(250)
  })

  it('holds no secret, no environment, no argument and no annotation of others', async () => {
    const world = createBaseWorld(start, 1)
    const state = world.kubernetes[baseClusters.production]
    if (state === undefined) throw new Error('the base world has no production')
    const planted = 'planted-9c41f0'
    putObject(
      state,
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'db', namespace: 'shop' },
        data: { password: 'cGxhbnRlZC05YzQxZjA=' },
      },
      start,
    )
    putObject(state, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app', namespace: 'shop' }, data: { text: planted } }, start)
    putObject(
      state,
      {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: 'robot', namespace: 'shop' },
        imagePullSecrets: [{ name: planted }],
        secrets: [{ name: planted }],
      },
      start,
    )
    const container = {
      name: 'app',
      image: 'ccr.ccs.tencentyun.com/shop/catalog:latest',
      command: ['sh', planted],
      args: [planted],
      env: [{ name: 'TOKEN', value: planted }],
      livenessProbe: { exec: { command: [planted] } },
    }
    const metadata = {
      name: 'leaky',
      namespace: 'shop',
      annotations: {
        'example.com/note': planted,
        'kubectl.kubernetes.io/last-applied-configuration': planted,
        'longshore.dev/opt-out': 'true',
      },
    }
    const template = {
      metadata: { labels: { app: 'leaky' }, annotations: { 'example.com/token': planted } },
      spec: { imagePullSecrets: [{ name: planted }], containers: [container] },
    }
    putObject(
      state,
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 1, selector: { matchLabels: { app: 'leaky' } }, template } },
      start,
    )
    const stage = await stageOf(world, await sandboxConfig())
    const text = textOf(await pictureOf(stage))
    expect(text).not.toContain(planted)
    expect(text).not.toContain('cGxhbnRlZC05YzQxZjA')
    expect(text).toContain('"longshore.dev/opt-out":"true"')
    expect(text).toContain('"name":"leaky"')
  })

  it('holds no message of a condition, which quotes whatever went wrong', () => {
    const planted = 'planted-9c41f0'
    const conditions = [{ type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message: planted }]
    for (const [apiVersion, kind] of [
      ['autoscaling/v2', 'HorizontalPodAutoscaler'],
      ['policy/v1', 'PodDisruptionBudget'],
      ['apps/v1', 'Deployment'],
      ['batch/v1', 'Job'],
    ] as const) {
      const object = { apiVersion, kind, metadata: { name: 'web', namespace: 'shop' }, status: { currentReplicas: 2, conditions } }
      const text = JSON.stringify(keptObject(object, { variants: new Variants() }))
      expect(text).not.toContain(planted)
      expect(text).toContain('"reason":"FailedGetScale"')
      expect(text).toContain('"currentReplicas":2')
    }
  })

  it('keeps templates apart that differ only in what is left out', async () => {
    const world = createBaseWorld(start, 1)
    const state = world.kubernetes[baseClusters.production]
    const old = state === undefined ? undefined : getObject(state, 'apps', 'deployments', 'catalog', 'shop')
    if (state === undefined || old === undefined) throw new Error('the base world has no catalog')
    const changed = JSON.parse(JSON.stringify(old))
    changed.spec.template.spec.containers[0].env = [{ name: 'LEVEL', value: 'debug' }]
    putObject(state, changed, start)
    const stage = await stageOf(world, await sandboxConfig())
    stage.platform.core.advance()
    const picture = await pictureOf(stage)
    const { world: rebuilt } = worldOf(picture)
    const sets = Object.values(rebuilt.kubernetes[baseClusters.production]?.objects['apps/replicasets'] ?? {}).filter(({ metadata }) =>
      metadata.name.startsWith('catalog-'),
    )
    const marks = sets.map((set) => JSON.stringify(set).includes('longshore.dev/snapshot-variant'))
    expect(marks.toSorted()).toEqual([false, true])
  })

  it('counts for the licence what clusters use that are not in it', async () => {
    const config = await sandboxConfig()
    const world = createBaseWorld(start, 1)
    const stage = await stageOf(world, { ...config, clusters: config.clusters.filter(({ name }) => name === 'staging') })
    const picture = await pictureOf(stage)
    expect(picture.clusters.map(({ id }) => id)).toEqual([baseClusters.staging])
    const { world: rebuilt } = worldOf(picture)
    expect(usedCores(rebuilt, 'ap-guangzhou')).toEqual(usedCores(world, 'ap-guangzhou'))
    expect(rebuilt.tke.licence.entitledCores).toEqual({ 'ap-guangzhou': 128 })
  })

  it('says of a part that cannot be read that it could not be, and goes on', async () => {
    const world = createBaseWorld(start, 1)
    world.kubernetes[baseClusters.staging]?.rbac.deny.push({ resource: 'pods' })
    const config = await sandboxConfig()
    const stage = await stageOf(world, { ...config, clusters: [...config.clusters, { id: 'cls-00000000' }] })
    const picture = await pictureOf(stage)
    expect(picture.problems.map(({ where }) => where)).toEqual(['cluster cls-00000000', `pods of ${baseClusters.staging}`])
    expect(picture.clusters).toHaveLength(3)
  })

  it('calls machines, nodes and addresses by other names where that is asked for, and plans stay the same but for them', async () => {
    const config = await sandboxConfig()
    const stage = await stageOf(createBaseWorld(start, 1), config)
    const picture = await pictureOf(stage)
    const other = withPseudonyms(picture)
    const ids = picture.clusters.flatMap(({ machines, spares, objects }) => [
      ...[...machines, ...spares].map(({ id }) => id),
      ...objects.flatMap(({ kind, metadata }) => (kind === 'Node' ? [metadata.name] : [])),
    ])
    expect(ids.length).toBeGreaterThan(20)
    const text = textOf(other)
    expect(ids.filter((id) => text.includes(`"${id}"`) || text.includes(`/${id}"`))).toEqual([])
    expect(text).not.toContain('prod-core')
    const rebuilt = await stageOf(worldOf(parseSnapshot(text)).world, config)
    expect((await plansOf(rebuilt))['cron-scaler']).toEqual((await plansOf(stage))['cron-scaler'])
  })
})

describe('a world that was made of a snapshot of a sandbox', () => {
  it('gives no new object the uid of one that was in the snapshot', async () => {
    const picture = await pictureOf(await stageOf(createBaseWorld(start, 1), await sandboxConfig()))
    const { world } = worldOf(picture)
    const state = world.kubernetes[baseClusters.production]
    if (state === undefined) throw new Error('the world has no production')
    const uidsOf = (): unknown[] =>
      Object.values(state.objects).flatMap((objects) => Object.values(objects).map(({ metadata }) => metadata.uid))
    const before = uidsOf()
    for (let number = 0; number < 300; number += 1)
      putObject(state, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `new-${number}`, namespace: 'shop' } }, start)
    const uids = uidsOf()
    expect(uids.length).toBe(before.length + 300)
    expect(new Set(uids).size).toBe(uids.length)
  })

  it('leaves out, and notes, what the sandbox does not take by its name, and what size was guessed', async () => {
    const picture = await pictureOf(await stageOf(createBaseWorld(start, 1), await sandboxConfig()))
    const [first] = picture.registry.repositories
    const [cluster] = picture.clusters
    if (first === undefined || cluster === undefined) throw new Error('the picture is empty')
    const repositories = [{ ...first, name: '../../etc' }, { ...first, name: 'constructor/x' }, ...picture.registry.repositories]
    const kind = { group: '', version: 'v1', resource: 'odds', kind: 'Odd', namespaced: true }
    const objects = cluster.objects.filter((object) => object.kind !== 'Node')
    const clusters = [{ ...cluster, kinds: [...cluster.kinds, kind], objects }]
    const { world, notes } = worldOf({ ...picture, clusters, registry: { ...picture.registry, repositories } })
    const text = notes.join('\n')
    expect(text).toContain('The repository ../../etc is left out')
    expect(text).toContain('CustomResourceDefinition odds. is left out')
    expect(text).toContain('could not be seen, for there is no node of it: 4 cores and 8 GiB each')
    expect(Object.hasOwn(world.tcr.repositories, 'constructor/x')).toBe(true)
  })
})

describe('other names', () => {
  it('leave the tag 1.2.3.4 of an image alone, and reach into the record of a pool', async () => {
    const world = createBaseWorld(start, 1)
    const state = world.kubernetes[baseClusters.production]
    const node = Object.values(state?.objects['/nodes'] ?? {})[0]
    if (state === undefined || node === undefined) throw new Error('the base world has no nodes')
    putObject(state, JSON.parse(JSON.stringify(node).replaceAll(node.metadata.name, 'worker-a.example')), start)
    const image = 'ccr.ccs.tencentyun.com/shop/catalog:1.2.3.4'
    const template = { metadata: { labels: { app: 'dots' } }, spec: { containers: [{ name: 'app', image }] } }
    const spec = { replicas: 1, selector: { matchLabels: { app: 'dots' } }, template }
    putObject(state, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'dots', namespace: 'shop' }, spec }, start)
    const metadata = { name: 'longshore-leases', namespace: 'kube-system', labels: { 'longshore.dev/leases': 'true' } }
    const data = { 'pool.json': '{"nodes":[{"name":"worker-a.example"}]}' }
    putObject(state, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }, start)
    const text = textOf(withPseudonyms(await pictureOf(await stageOf(world, await sandboxConfig()))))
    expect(text).toContain(image)
    expect(text).toContain('pool.json')
    expect(text).not.toContain('worker-a.example')
  })
})

describe('what could not be read', () => {
  it('is in the picture without secrets, and no longer than can be read back', async () => {
    const { platform, time } = await stageOf(createBaseWorld(start, 1), await sandboxConfig())
    const refused: CloudReader = {
      send: async (action, request, options) => {
        if (action.name === 'DescribeQuota')
          throw new CloudError(`planted-9c41f0 ${'x'.repeat(9000)}`, {
            kind: 'cloud.bad-answer',
            code: 'FailedOperation',
            action: action.name,
            retryable: false,
          })
        return await asReader(platform.cloud).send(action, request, options)
      },
    }
    const { config } = platform
    const redact = (text: string): string => text.replaceAll('planted-9c41f0', '[secret]')
    const picture = await time.run(takeSnapshot({ cloud: refused, config, source: 'sandbox', now: start, redact }))
    const text = textOf(picture)
    expect(text).not.toContain('planted-9c41f0')
    expect(text).toContain('[secret]')
    expect(parseSnapshot(text).problems).toEqual(picture.problems)
  })

  it('is nothing when somebody wants it to end: no picture of half a platform', async () => {
    const { platform, time } = await stageOf(createBaseWorld(start, 1), await sandboxConfig())
    const stop = new AbortController()
    stop.abort(new Error('stopped'))
    const reader = asReader(platform.cloud)
    const cloud: CloudReader = {
      send: async (action, request, options) => await reader.send(action, request, { ...options, signal: stop.signal }),
    }
    const { config } = platform
    await expect(time.run(takeSnapshot({ cloud, config, source: 'sandbox', now: start, signal: stop.signal }))).rejects.toThrow('stopped')
  })
})

describe('a time of the platform', () => {
  it('is the same on a machine of any zone, also without a zone of its own', () => {
    expect(seenTime('2026-11-24 08:00:00')).toBe(Date.parse('2026-11-24T00:00:00Z'))
    expect(seenTime('2026-11-24T08:00:00+08:00')).toBe(Date.parse('2026-11-24T00:00:00Z'))
    expect(seenTime('2026-11-24T08:00:00')).toBeUndefined()
    expect(seenTime(null)).toBeUndefined()
  })
})

describe('a file that is no snapshot', () => {
  it('is refused when it is nested beyond all measure, has a name that nothing has, or a cluster twice', async () => {
    const picture = await pictureOf(await stageOf(createBaseWorld(start, 1), await sandboxConfig()))
    const text = textOf(picture)
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(() => parseSnapshot(text.replace('"objects": [', `"objects": [{"spec":${deep}},`))).toThrow('nested more than 100 deep')
    const clusters = picture.clusters.map((one, index) => (index === 0 ? { ...one, id: '__proto__' } : one))
    expect(() => parseSnapshot(textOf({ ...picture, clusters }))).toThrow('clusters.0.id')
    const quotas = picture.quotas.map((one) => ({ ...one, region: '__proto__' }))
    expect(() => parseSnapshot(textOf({ ...picture, quotas }))).toThrow('quotas.0.region: is a name that nothing has')
    expect(() => parseSnapshot(textOf({ ...picture, clusters: [...picture.clusters, ...picture.clusters] }))).toThrow('more than once')
  })

  it.each([
    ['nonsense', 'it is no JSON'],
    ['{}', 'it does not say that it is a snapshot'],
    ['{"format": "longshore-snapshot", "version": 99}', 'it is of version 99 of the format'],
    ['{"format": "longshore-snapshot", "version": 1}', 'source'],
  ])('is refused: %s', (text, why) => {
    expect(() => parseSnapshot(text)).toThrow(SnapshotError)
    expect(() => parseSnapshot(text)).toThrow(why)
  })
})

function podNames({ objects }: Snapshot['clusters'][number]): string[] {
  return objects.flatMap(({ kind, metadata }) => (kind === 'Pod' ? [metadata.name] : []))
}
