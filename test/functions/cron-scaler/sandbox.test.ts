import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import { autoscalerV1, autoscalerV2, deployment, scaler, scalerDefinition, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { at, changesOf, ruleOf } from './fixtures.ts'
import {
  clusterA,
  clusterB,
  hpcGroup,
  openStage,
  outcomes,
  type Stage,
  shownSize,
  stageConfig,
  web,
  webPath,
  webSchedules,
} from './stage.ts'

const morning = '2026-11-24T00:00:05Z'

let stage: Stage

beforeEach(async () => {
  stage = await openStage(morning)
})

afterEach(async () => {
  await stage.close()
})

/** A writer that does something of its own right before some of the calls. */
function interfering(cloud: CloudWriter, before: (method: string, nth: number) => Promise<void>): CloudWriter {
  const seen = new Map<string, number>()
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
      const method = String(Reflect.get(request, 'Method'))
      const nth = (seen.get(method) ?? 0) + 1
      seen.set(method, nth)
      await before(method, nth)
      return await cloud.send(action, request, options)
    },
  }
}

const up = { name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }
const down = { name: 'down', schedule: '0 0 20 * * *', targetSize: 2 }

/** Rules of the configuration for Deployment default/web in the first cluster. */
const webRule = { rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA })] }

describe('a tick', () => {
  test('sizes Deployment, StatefulSet and autoscaler by HPC objects, and a second one writes nothing', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up, down])) stage.put(object)
    stage.put(statefulSet({ namespace: 'data', name: 'db', image: 'registry.example/db:1', replicas: 1 }))
    stage.put(
      scaler({
        group: hpcGroup,
        namespace: 'data',
        name: 'db',
        target: { apiVersion: 'apps/v1', kind: 'Statefulset', name: 'db' },
        crons: [{ ...up, targetSize: 3 }],
      }),
    )
    stage.put(deployment({ namespace: 'shop', name: 'api', image: 'registry.example/api:1', replicas: 3 }))
    stage.put(autoscalerV2({ namespace: 'shop', name: 'api', target: 'api', minReplicas: 2, maxReplicas: 4, cpuPercent: 60 }))
    const hpa = { apiVersion: 'autoscaling/v2beta2', kind: 'HorizontalPodAutoscaler', name: 'api' }
    stage.put(
      scaler({
        group: hpcGroup,
        namespace: 'shop',
        name: 'api',
        target: hpa,
        crons: [{ name: 'up', schedule: '0 0 8 * * *', minSize: 6, maxSize: 12 }],
      }),
    )

    expect(outcomes(await stage.tick())).toEqual(['Applied due', 'Applied due', 'Applied due'])
    expect(stage.writes()).toHaveLength(3)
    const after = await shownSize(stage, webPath)
    expect(after.spec.replicas).toBe(5)
    expect(after.record).toMatchObject({
      owner: 'hpc/default/web/up',
      nominalMs: at('2026-11-24T00:00:00Z'),
      epoch: 1,
      before: { replicas: 2 },
      after: { replicas: 5 },
    })
    expect((await shownSize(stage, '/apis/apps/v1/namespaces/data/statefulsets/db')).spec.replicas).toBe(3)
    const bounds = await shownSize(stage, '/apis/autoscaling/v2beta2/namespaces/shop/horizontalpodautoscalers/api')
    expect(bounds.spec).toMatchObject({ minReplicas: 6, maxReplicas: 12, metrics: [{ resource: { target: { averageUtilization: 60 } } }] })

    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick())).toEqual(['no-change already-applied', 'no-change already-applied', 'no-change already-applied'])
    expect(stage.writes()).toHaveLength(3)
  })

  test("leaves a person's later change alone until the next firing, and that one names what it replaced", async () => {
    stage.put(web(5))
    for (const object of webSchedules([up, down])) stage.put(object)
    expect(outcomes(await stage.tick())).toEqual(['NoChange recorded'])
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick())).toEqual(['no-change already-applied'])
    stage.at('2026-11-24T12:00:05Z')
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
    expect(await shownSize(stage, webPath)).toMatchObject({
      spec: { replicas: 2 },
      record: { epoch: 2, before: { replicas: 9 }, original: { size: { replicas: 9 }, epoch: 2 } },
    })
  })

  test('finds HPC objects of the other edition in an old cluster of another region', async () => {
    const group = 'autoscaling.finance.cloud.tencent.com'
    stage.put(web(2), clusterB)
    for (const object of webSchedules([up], group)) stage.put(object, clusterB)
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
    expect((await shownSize(stage, webPath, clusterB)).spec.replicas).toBe(5)
  })

  test("finds HPC objects under the manual's other plural", async () => {
    const group = 'autoscaling.finance.cloud.tencent.com'
    stage.put(web(2))
    const [crd, object] = webSchedules([up], group)
    const text = JSON.stringify(crd).replaceAll('horizontalpodcronscalers', 'horizontalpodcronscales')
    stage.put(JSON.parse(text))
    stage.put(object!)
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
  })

  test('lists each kind once: per namespace for a few namespaces, the whole cluster for many', async () => {
    const rules = (namespaces: readonly string[]) =>
      namespaces.map((namespace, index) =>
        ruleOf(`rule-${index}`, '0 0 0 * * *', 5, { cluster: clusterA, target: { kind: 'Deployment', namespace, name: 'web' } }),
      )
    const listed = async (namespaces: readonly string[]) => {
      const from = stage.sandbox.journal.length
      await stage.observe({ hpc: { enabled: false }, rules: rules(namespaces) })
      return stage.sandbox.journal.slice(from).map(({ request }) => String(request?.Path).replace(/\?.*/, ''))
    }
    expect((await listed(['a', 'b', 'a'])).toSorted()).toEqual([
      '/apis/apps/v1/namespaces/a/deployments',
      '/apis/apps/v1/namespaces/b/deployments',
      '/apis/autoscaling/v1/namespaces/a/horizontalpodautoscalers',
      '/apis/autoscaling/v1/namespaces/b/horizontalpodautoscalers',
    ])
    expect((await listed(['a', 'b', 'c', 'd'])).toSorted()).toEqual([
      '/apis/apps/v1/deployments',
      '/apis/autoscaling/v1/horizontalpodautoscalers',
    ])
  })

  test('after a hold ends the size that the last firing asked for comes back, once', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
    await stage.person('PATCH', webPath, {
      metadata: { annotations: { 'longshore.dev/hold-until': '2026-11-24T02:00:00Z' } },
      spec: { replicas: 9 },
    })
    stage.at('2026-11-24T01:00:05Z')
    expect(outcomes(await stage.tick())).toEqual(['held override'])
    stage.at('2026-11-24T02:00:05Z')
    expect(outcomes(await stage.tick())).toEqual(['Applied late'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { decidedMs: at('2026-11-24T02:00:05Z') } })
    await stage.person('PATCH', webPath, { spec: { replicas: 8 } })
    stage.at('2026-11-24T02:01:05Z')
    expect(outcomes(await stage.tick())).toEqual(['no-change already-applied'])
    expect(stage.writes()).toHaveLength(2)
  })

  test('with enforce puts drift back, keeping what was there before the firing', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    await stage.tick({ enforce: true })
    await stage.person('PATCH', webPath, { spec: { replicas: 1 } })
    stage.at('2026-11-24T03:00:05Z')
    expect(outcomes(await stage.tick({ enforce: true }))).toEqual(['Applied drift'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { epoch: 1, before: { replicas: 2 } } })
  })

  test('observing and planning write nothing', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    const observed = await stage.observe()
    expect(changesOf(definition.plan(observed, stageConfig(), at(morning)))).toHaveLength(1)
    expect(stage.sandbox.journal.length).toBeGreaterThan(3)
    expect(stage.sandbox.journal.every(({ effect }) => effect === 'read')).toBe(true)
  })
})

describe('holding', () => {
  test('a workload with an autoscaler, an opted-out one, one that does not exist', async () => {
    stage.put(web(2))
    stage.put(autoscalerV1({ namespace: 'default', name: 'web-hpa', target: 'web', minReplicas: 1, maxReplicas: 5, cpuPercent: 60 }))
    stage.put(
      deployment({ namespace: 'default', name: 'out', image: 'registry.example/web:1', annotations: { 'longshore.dev/opt-out': 'true' } }),
    )
    const target = (name: string) => ({ cluster: clusterA, target: { kind: 'deployment', name } })
    const rules = ['web', 'out', 'gone'].map((name) => ruleOf(name, '0 0 0 * * *', 5, target(name)))
    const played = await stage.tick({ rules })
    expect(outcomes(played)).toEqual(['held target-missing', 'held opt-out', 'held hpa-conflict'])
    expect(played.at(-1)?.step.reason.text).toContain('default/web-hpa')
    expect(stage.writes()).toEqual([])
  })

  test('all HPC objects while the platform’s own controller runs, none once it is scaled to zero', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    const controller = { namespace: 'kube-system', name: 'tke-hpc-controller', image: 'registry.example/hpc:1', replicas: 2 }
    stage.put(deployment(controller))
    expect(outcomes(await stage.tick())).toEqual(['held shadow-waiting'])
    expect(stage.writes()).toEqual([])
    await stage.person('PATCH', '/apis/apps/v1/namespaces/kube-system/deployments/tke-hpc-controller', { spec: { replicas: 0 } })
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
  })
})

describe('HPC objects in more than one API group', () => {
  const other = 'autoscaling.tke.cloud.tencent.com'

  test('of both groups are read, so that none is silently ignored', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up], other)) stage.put(object)
    stage.put(scalerDefinition(hpcGroup))
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
    stage.put(deployment({ namespace: 'default', name: 'more', image: 'registry.example/web:1', replicas: 2 }))
    const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'more' }
    stage.put(scaler({ group: hpcGroup, namespace: 'default', name: 'more', target, crons: [up] }))
    expect(outcomes(await stage.tick())).toEqual(['Applied due', 'no-change already-applied'])
  })

  test('are found beside a group that serves something else', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up], other)) stage.put(object)
    const text = JSON.stringify(scalerDefinition(hpcGroup))
      .replaceAll('horizontalpodcronscalers', 'others')
      .replaceAll('horizontalpodcronscaler', 'other')
      .replaceAll('HorizontalPodCronscaler', 'Other')
      .replaceAll('"hpc"', '"oth"')
    stage.put(JSON.parse(text))
    expect(outcomes(await stage.tick())).toEqual(['Applied due'])
  })

  test('a configured group that a cluster does not serve is told, and its other rules go on', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    const played = await stage.tick({ hpc: { group: other }, ...webRule })
    expect(played.map(({ step }) => [step.target, step.verdict, step.reason.code])).toEqual([
      [clusterB, 'invalid', 'hpc-group-missing'],
      [clusterA, 'invalid', 'hpc-group-missing'],
      [`${clusterA}/default/Deployment/web`, 'change', 'due'],
    ])
    expect(played[1]?.step.reason.text).toContain(other)
  })
})

describe('what is written by a person and does not look as it should', () => {
  test.each([
    ['true', 'held opt-out'],
    ['True', 'held opt-out'],
    ['yes', 'held opt-out'],
    ['1', 'held opt-out'],
    ['', 'held opt-out'],
    ['no', 'held opt-out'],
    ['false', 'Applied due'],
    ['False', 'Applied due'],
  ])('an opt-out of %j', async (value, expected) => {
    stage.put(web(2, { 'longshore.dev/opt-out': value }))
    expect(outcomes(await stage.tick(webRule))).toEqual([expected])
  })

  test.each([
    ['2026-02-30T00:00:00Z', 'held override'],
    ['2026-04-31T00:00:00+08:00', 'held override'],
    ['2020-01-01T24:00:00Z', 'held override'],
    ['2020-01-01', 'held override'],
    ['2020-01-01T00:00:00Z', 'Applied due'],
    ['2020-01-01T08:00+08:00', 'Applied due'],
  ])('a hold until %j', async (value, expected) => {
    stage.put(web(2, { 'longshore.dev/hold-until': value }))
    expect(outcomes(await stage.tick(webRule))).toEqual([expected])
  })

  test.each([
    [
      'no spec',
      { metadata: { name: 'tke-hpc-controller', namespace: 'kube-system', uid: 'u', resourceVersion: '1' }, status: { replicas: 1 } },
    ],
    [
      'no number',
      { metadata: { name: 'tke-hpc-controller', namespace: 'kube-system', uid: 'u', resourceVersion: '1' }, spec: { replicas: '0' } },
    ],
  ])('a tke-hpc-controller with %s is not taken for absent', async (_, rest) => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    const body = JSON.stringify({ kind: 'Deployment', apiVersion: 'apps/v1', ...rest })
    stage.sandbox.faults.add({ fault: { kind: 'forward-body', body }, match: { pathIncludes: 'tke-hpc-controller' } })
    const played = await stage.tick()
    expect(outcomes(played)).toEqual(['held controller-unknown'])
    expect(played[0]?.step.reason.text).toContain('does not look like a Deployment')
  })

  const listWith = (kind: string, item: object) => {
    const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1' }
    return JSON.stringify({ kind: `${kind}List`, apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [{ metadata, ...item }] })
  }

  test.each([
    ['no maximum', { spec: { scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' } } }, 'held hpa-conflict'],
    ['no target', { spec: { maxReplicas: 5 } }, 'held target-unreadable'],
    ['no spec', {}, 'held target-unreadable'],
  ])('an autoscaler with %s holds its workload', async (_, item, expected) => {
    stage.put(web(2))
    const body = listWith('HorizontalPodAutoscaler', item)
    stage.sandbox.faults.add({ fault: { kind: 'forward-body', body }, match: { pathIncludes: 'horizontalpodautoscalers' } })
    expect(outcomes(await stage.tick(webRule))).toEqual([expected])
    expect((await stage.observe(webRule)).clusters[0]?.problems).toMatchObject([
      { part: 'HorizontalPodAutoscaler', object: { namespace: 'default', name: 'web' } },
    ])
  })

  test('a target that does not look like its kind is not called missing', async () => {
    stage.put(web(2))
    const body = listWith('Deployment', {})
    stage.sandbox.faults.add({ fault: { kind: 'forward-body', body }, match: { pathIncludes: '/deployments' } })
    expect(outcomes(await stage.tick(webRule))).toEqual(['held target-unreadable'])
  })
})

describe('a cluster that cannot be read', () => {
  test('says so in every step, also where no HPC objects are looked for', async () => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' } })
    for (const hpc of [{ enabled: true }, { enabled: false }]) {
      const played = await stage.tick({ hpc, ...webRule })
      expect(new Set(outcomes(played))).toEqual(new Set(['held cluster-unreadable']))
      expect(played.map(({ step }) => step.target)).toContain(clusterA)
    }
  })

  test.each([
    ['a refusal', { kind: 'rbac-403' }, '403'],
    ['an empty answer', { kind: 'forward-body', body: '' }, 'empty'],
    ['half a list', { kind: 'forward-body', body: '{"kind":"HorizontalPodCronscalerList","apiVersion":"v1","meta' }, ''],
  ] as const)('%s holds it, names it, and the other one goes on', async (_, fault, text) => {
    stage.put(web(2))
    stage.put(web(2), clusterB)
    for (const object of webSchedules([up])) stage.put(object)
    const rules = [ruleOf('a', '0 0 0 * * *', 4, { cluster: clusterA }), ruleOf('b', '0 0 0 * * *', 4, { cluster: clusterB })]
    stage.sandbox.faults.add({ fault, match: { clusterId: clusterA, pathIncludes: 'horizontalpodcron' } })
    const played = await stage.tick({ rules })
    expect(outcomes(played)).toEqual(['Applied due', 'held cluster-unreadable', 'held cluster-unreadable'])
    expect(played[1]?.step.target).toBe(clusterA)
    expect(played[1]?.step.reason.text).toContain(clusterA)
    expect(played[1]?.step.reason.text).toContain(text)
  })

  test('targets or autoscalers that cannot be read hold what needs them', async () => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: 'horizontalpodautoscalers' } })
    expect(outcomes(await stage.tick(webRule))).toEqual(['held target-unreadable'])
    stage.sandbox.faults.clear()
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: '/deployments' } })
    expect(outcomes(await stage.tick(webRule))).toEqual(['held target-unreadable'])
  })

  test('a controller that cannot be seen holds HPC objects', async () => {
    stage.put(web(2))
    for (const object of webSchedules([up])) stage.put(object)
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: 'tke-hpc-controller' } })
    expect(outcomes(await stage.tick())).toEqual(['held controller-unknown'])
  })
})

describe('a write whose answer is lost', () => {
  const patches = { effect: 'write' as const }

  test.each([
    ['the connection dies after it', { kind: 'drop-after' }],
    ['a gateway answers 502 after it', { kind: '5xx', status: 502, when: 'after' }],
    ['the platform answers InternalError after it', { kind: 'internal-error', when: 'after' }],
    ['its answer breaks off', { kind: 'truncated-body' }],
  ] as const)('%s: it is settled by reading, and sent once', async (_, fault) => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault, match: patches, count: 1 })
    expect(outcomes(await stage.tick(webRule))).toEqual(['Applied due'])
    expect(stage.writes()).toEqual([`PATCH ${webPath}`])
    expect((await shownSize(stage, webPath)).record?.epoch).toBe(1)
  })

  test.each([
    ['the connection dies before it', { kind: 'drop-before' }],
    ['a gateway answers 502 before it', { kind: '5xx', status: 502, when: 'before' }],
    ['the platform answers InternalError before it', { kind: 'internal-error', when: 'before' }],
  ] as const)('%s: it is not claimed, not sent again, and the next run does it', async (_, fault) => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault, match: patches, count: 1 })
    expect(outcomes(await stage.tick(webRule))).toEqual(['Failed unknown-outcome'])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(2)
    expect(stage.sandbox.journal.filter(({ effect }) => effect === 'write')).toHaveLength(1)
    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick(webRule))).toEqual(['Applied due'])
  })

  test('and a target that cannot be read afterwards stays unknown, which the next run finds done', async () => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault: { kind: 'drop-after' }, match: patches, count: 1 })
    // The lists of observing end before; the read right before the write is the first of this path.
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { effect: 'read', pathIncludes: '/deployments/web' }, after: 1 })
    expect(outcomes(await stage.tick(webRule))).toEqual(['Failed unknown-outcome'])
    stage.sandbox.faults.clear()
    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick(webRule))).toEqual(['no-change already-applied'])
    expect(stage.writes()).toHaveLength(1)
  })

  test('a throttled write is repeated by the client, and happens once', async () => {
    stage.put(web(2))
    stage.sandbox.faults.add({ fault: { kind: 'throttle' }, match: patches, count: 1 })
    expect(outcomes(await stage.tick(webRule))).toEqual(['Applied due'])
    expect((await shownSize(stage, webPath)).record?.epoch).toBe(1)
  })
})

describe('a world that moves', () => {
  const label = (stage: Stage, value: string) => stage.person('PATCH', webPath, { metadata: { labels: { moved: value } } })

  test('between reading and writing: decided again, three times at most', async () => {
    stage.put(web(2))
    const once = interfering(stage.cloud, async (method, nth) => {
      if (method === 'PATCH' && nth === 1) await label(stage, 'once')
    })
    expect(outcomes(await stage.tick(webRule, once))).toEqual(['Applied due'])
    expect((await shownSize(stage, webPath)).record?.epoch).toBe(1)
  })

  test('all the time: given up with a reason, nothing written', async () => {
    stage.put(web(2))
    const always = interfering(stage.cloud, async (method, nth) => {
      if (method === 'PATCH') await label(stage, `time-${nth}`)
    })
    expect(outcomes(await stage.tick(webRule, always))).toEqual(['Skipped conflict'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 2 }, record: undefined })
  })

  test.each([
    ['another size', (s: Stage) => s.person('PATCH', webPath, { spec: { replicas: 7 } }), 'Skipped world-changed'],
    ['the wanted size', (s: Stage) => s.person('PATCH', webPath, { spec: { replicas: 5 } }), 'NoChange recorded'],
    [
      'opted out',
      (s: Stage) => s.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': 'true' } } }),
      'Held opt-out',
    ],
    [
      'kept by a person',
      (s: Stage) => s.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/hold-until': '2026-11-25T00:00:00Z' } } }),
      'Held override',
    ],
    [
      'opted out in other words',
      (s: Stage) => s.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/opt-out': 'yes' } } }),
      'Held opt-out',
    ],
    [
      'a garbled record',
      (s: Stage) => s.person('PATCH', webPath, { metadata: { annotations: { 'longshore.dev/cron-scaler': '{}' } } }),
      'Held record-unreadable',
    ],
    ['deleted', (s: Stage) => s.person('DELETE', webPath), 'Skipped target-missing'],
  ] as const)('between plan and write: %s', async (_, change, expected) => {
    stage.put(web(2))
    const config = stageConfig(webRule)
    const now = at(morning)
    const steps = changesOf(definition.plan(await definition.observe(stage.cloud, config, now), config, now))
    await change(stage)
    const [step] = steps
    const result = await definition.apply(step!, stage.cloud, config, now)
    expect(`${result.outcome} ${result.reason?.code}`).toBe(expected)
  })

  test('deleted and made anew between plan and write: left to the next run', async () => {
    stage.put(web(2))
    const config = stageConfig(webRule)
    const now = at(morning)
    const [step] = changesOf(definition.plan(await definition.observe(stage.cloud, config, now), config, now))
    await stage.person('DELETE', webPath)
    stage.put(web(2))
    const result = await definition.apply(step!, stage.cloud, config, now)
    expect(result).toMatchObject({ outcome: 'Skipped', reason: { code: 'world-changed' } })
  })
})

describe('several runners', () => {
  test('a stale runner that wakes up late does not undo a newer one', async () => {
    stage.put(web(2))
    const settings = {
      rules: [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA }), ruleOf('down', '0 10 0 * * *', 3, { cluster: clusterA })],
    }
    const config = stageConfig(settings)
    const stale = at(morning)
    const [step] = changesOf(definition.plan(await definition.observe(stage.cloud, config, stale), config, stale))
    stage.at('2026-11-24T00:10:05Z')
    await stage.tick(settings)
    const result = await definition.apply(step! satisfies { readonly change: ScaleChange }, stage.cloud, config, stale)
    expect(result).toMatchObject({ outcome: 'NoChange' })
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(3)
  })

  test('with faults at random, a day ends as a quiet day does, and no firing has two effects', async () => {
    stage.put(web(1))
    const rules = [
      ruleOf('a', '0 0 */3 * * *', 4, { cluster: clusterA }),
      ruleOf('b', '0 30 */2 * * *', 6, { cluster: clusterA }),
      ruleOf('c', '0 0 9 * * *', 2, { cluster: clusterA }),
    ]
    const kinds = [
      { kind: 'drop-after' },
      { kind: 'drop-before' },
      { kind: 'internal-error', when: 'after' },
      { kind: 'truncated-body' },
    ] as const
    for (const [index, fault] of kinds.entries()) {
      stage.sandbox.faults.add({ fault, match: { effect: 'write' }, probability: 0.15, seed: 40 + index })
    }
    const nominal: string[] = []
    let effects = 0
    for (let minute = 0; minute < 24 * 60; minute += 10) {
      const now = stage.at(new Date(at('2026-11-24T00:00:00Z') + minute * 60_000).toISOString())
      for (const text of outcomes(await stage.tick({ rules }))) if (text.startsWith('Applied')) effects += 1
      if (now % 3_600_000 === 0) nominal.push(new Date(now).toISOString())
    }
    const end = await shownSize(stage, webPath)
    // 22:30 is the last firing of the day.
    expect(end.spec.replicas).toBe(6)
    expect(end.record).toMatchObject({ owner: 'config/b', nominalMs: at('2026-11-24T22:30:00Z') })
    expect(stage.sandbox.faults.fired.length).toBeGreaterThan(3)
    // a at 0, 3, … 21 (8), b at 0:30, 2:30, … 22:30 (12), c at 9, which loses to a: 20 transitions, each at most once.
    expect(end.record?.epoch).toBe(20)
    expect(effects).toBeLessThanOrEqual(20)
    expect(nominal).toHaveLength(24)
  }, 30_000)
})
