import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { kubePath, kubeWriter } from '#cloud/kube.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import { cronJob, daemonSet, deployment, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { clusterA, clusterB, hint, image, openLocalStage, type RuleInput, type Stage, saying, sentence, webRule } from './stage.ts'

let stage: Stage

beforeEach(() => {
  stage = openLocalStage()
  stage.push('team/web', '1.0.0', 10)
})

afterEach(async () => {
  await stage.close()
})

const spec = (tag = '1.0.0') => ({ namespace: 'prod', name: 'web', image: image('team/web', tag), replicas: 2 })

function rulesFor(kind: string, more: Partial<RuleInput> = {}, cluster: string = clusterA) {
  return { rules: [webRule({ targets: [{ cluster, namespace: 'prod', kind, name: 'web' }], ...more })] }
}

async function pushNew(settings: Parameters<Stage['tick']>[0], tag = '1.0.1') {
  stage.push('team/web', tag, 0)
  return await stage.pushed(settings, [hint(tag)])
}

function jobs(
  cluster: string = clusterA,
): readonly { readonly name: string; readonly image: string; readonly owner: string | undefined }[] {
  const state = stage.world.kubernetes[cluster]
  if (state === undefined) throw new Error('there is no cluster')
  return listObjects(state, 'batch', 'jobs', 'prod')
    .map((job) => ({
      name: job.metadata.name,
      image: /"image":"([^"]+)"/.exec(JSON.stringify(job))?.[1] ?? '',
      owner: /"ownerReferences":\[\{[^}]*"kind":"(\w+)"/.exec(JSON.stringify(job))?.[1],
    }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

describe.each([
  ['StatefulSet', 'statefulsets', statefulSet],
  ['DaemonSet', 'daemonsets', daemonSet],
] as const)('a %s', (kind, resource, make) => {
  it('gets its image and is watched until all its pods run it', async () => {
    stage.put(make(spec()))
    stage.settle(60_000)
    expect(saying(await pushNew(rulesFor(kind)), 'Applied', 'Held', 'Failed')).toEqual(['Applied newer-push'])
    expect(stage.imageOf('web', { resource })).toBe(image('team/web', '1.0.1'))
    expect(saying(await stage.tick(rulesFor(kind)), 'NoChange')).toContain('NoChange rolling')
    stage.settle(120_000)
    expect(saying(await stage.tick(rulesFor(kind)), 'Applied', 'Failed')).toEqual(['Applied rollout-complete'])
  })

  it('with the strategy OnDelete is said not to roll, and never claimed to be done', async () => {
    const object = make(spec()) as { spec: JsonObject }
    stage.put({ ...object, spec: { ...object.spec, updateStrategy: { type: 'OnDelete' } } } as JsonObject)
    stage.settle(60_000)
    await pushNew(rulesFor(kind))
    stage.settle(60_000)
    const report = await stage.tick(rulesFor(kind))
    expect(saying(report, 'Applied', 'Failed')).not.toContain('Applied rollout-complete')
    expect(JSON.stringify(report.decisions)).toContain('OnDelete')
  })

  it('with the strategy OnDelete is done when somebody has deleted the old pods, however long after the deadline', async () => {
    const object = make(spec()) as { spec: JsonObject }
    stage.put({ ...object, spec: { ...object.spec, updateStrategy: { type: 'OnDelete' } } } as JsonObject)
    stage.settle(60_000)
    await pushNew(rulesFor(kind))
    stage.settle(20 * 60_000)
    expect(saying(await stage.tick(rulesFor(kind)), 'Applied', 'Held', 'Failed')).toEqual(['Held on-delete-not-rolled'])
    const kube = kubeWriter(stage.cloud, clusterA)
    const pods = kubePath({ version: 'v1', resource: 'pods', namespace: 'prod' }, clusterA)
    for (const { metadata } of (await kube.list(pods)).items) await kube.delete(`${pods}/${metadata.name}`)
    stage.settle(120_000)
    expect(saying(await stage.tick(rulesFor(kind)), 'Applied', 'Held', 'Failed')).toEqual(['Applied rollout-complete'])
  })
})

describe('a CronJob', () => {
  const schedule = '0 3 1 1 *'

  it.each([
    ['batch/v1beta1', clusterA],
    ['batch/v1beta1', clusterB],
  ])('served as %s in %s takes the image with its next run', async (version, cluster) => {
    stage.put(cronJob(version, { ...spec(), schedule }), cluster)
    const settings = rulesFor('CronJob', {}, cluster)
    expect(saying(await pushNew(settings), 'Applied', 'Failed', 'Held')).toEqual(['Applied newer-push'])
    expect(stage.imageOf('web', { group: 'batch', resource: 'cronjobs', cluster })).toBe(image('team/web', '1.0.1'))
    expect(jobs(cluster)).toEqual([])
    expect(saying(await stage.tick(settings), 'Applied', 'Failed')).toEqual([])
  })

  it('runs at once where the rule says so, once', async () => {
    stage.put(cronJob('batch/v1beta1', { ...spec(), schedule }))
    const settings = rulesFor('CronJob', { cronJob: { runNow: true } })
    await pushNew(settings)
    for (let tick = 0; tick < 4; tick += 1) {
      stage.settle(20_000)
      await stage.tick(settings)
    }
    expect(jobs()).toEqual([{ name: expect.stringContaining('web'), image: image('team/web', '1.0.1'), owner: 'CronJob' }])
    expect(JSON.stringify(stage.object('web', { group: 'batch', resource: 'cronjobs' }))).toContain('done')
  })
})

describe('a Job', () => {
  function job(): void {
    stage.put({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'web', namespace: 'prod', labels: { app: 'web' } },
      spec: {
        backoffLimit: 0,
        template: {
          metadata: { labels: { app: 'web' } },
          spec: { restartPolicy: 'Never', containers: [{ name: 'web', image: image('team/web', '1.0.0') }] },
        },
      },
    })
    stage.settle(30_000)
  }

  it('is left alone unless the rule says to copy it', async () => {
    job()
    expect(saying(await pushNew(rulesFor('Job')), 'Skipped')).toContain('Skipped job-not-replaced')
    expect(jobs()).toHaveLength(1)
  })

  it('is copied under a new name that belongs to it, once, and the copy is watched', async () => {
    job()
    const settings = rulesFor('Job', { job: { replace: 'clone' } })
    expect(saying(await pushNew(settings), 'Applied', 'Failed', 'Held')).toEqual(['Applied newer-push'])
    await stage.pushed(settings, [hint('1.0.1')])
    expect(jobs()).toEqual([
      { name: 'web', image: image('team/web', '1.0.0'), owner: undefined },
      { name: expect.stringMatching(/^web-/), image: image('team/web', '1.0.1'), owner: 'Job' },
    ])
    stage.settle(60_000)
    expect(saying(await stage.tick(settings), 'Applied', 'Failed')).toEqual(['Applied rollout-complete'])
  })

  it('keeps as many earlier copies as the rule says', async () => {
    job()
    const settings = rulesFor('Job', { job: { replace: 'clone', keep: 1 } })
    for (const tag of ['1.0.1', '1.0.2', '1.0.3']) {
      await pushNew(settings, tag)
      stage.settle(60_000)
      await stage.tick(settings)
    }
    expect(jobs().map((one) => one.image)).toEqual(
      expect.arrayContaining([image('team/web', '1.0.0'), image('team/web', '1.0.2'), image('team/web', '1.0.3')]),
    )
    expect(jobs()).toHaveLength(3)
  })
})

describe('what bit others', () => {
  beforeEach(() => {
    stage.put(deployment(spec()))
    stage.settle(30_000)
  })

  it('a concurrent change of replicas and environment by somebody else is not lost', async () => {
    const settings = rulesFor('Deployment')
    await stage.tick(settings)
    const { cloud } = stage
    // Somebody writes right before our patch does.
    const meddling: typeof cloud = {
      send: async (action, request, options) => {
        if ('Method' in request && request.Method === 'PATCH') {
          const state = stage.world.kubernetes[clusterA]
          const object = structuredClone(stage.object('web')) as {
            spec: { replicas: number; template: { spec: { containers: object[] } } }
          }
          object.spec.replicas = 5
          object.spec.template.spec.containers = object.spec.template.spec.containers.map((one) => ({
            ...one,
            env: [{ name: 'LEVEL', value: 'debug' }],
          }))
          if (state !== undefined) stage.put(object as unknown as JsonObject)
        }
        return await cloud.send(action, request, options)
      },
    }
    stage.push('team/web', '1.0.1', 0)
    expect(saying(await stage.pushed(settings, [hint('1.0.1')], { cloud: meddling }), 'Applied')).toEqual(['Applied newer-push'])
    expect(stage.object('web')).toMatchObject({
      spec: {
        replicas: 5,
        template: { spec: { containers: [{ image: image('team/web', '1.0.1'), env: [{ name: 'LEVEL', value: 'debug' }] }] } },
      },
    })
  })

  it('an image that somebody else sets right before the patch is not written over', async () => {
    const settings = rulesFor('Deployment')
    await stage.tick(settings)
    const { cloud } = stage
    const meddling: typeof cloud = {
      send: async (action, request, options) => {
        if ('Method' in request && request.Method === 'PATCH') stage.put(deployment(spec('hotfix')))
        return await cloud.send(action, request, options)
      },
    }
    stage.push('team/web', '1.0.1', 0)
    const report = await stage.pushed(settings, [hint('1.0.1')], { cloud: meddling })
    expect(saying(report, 'Applied')).toEqual([])
    expect(stage.imageOf('web')).toBe(image('team/web', 'hotfix'))
  })

  it('a rollback by a person stays until the next newer push', async () => {
    const settings = rulesFor('Deployment')
    await pushNew(settings)
    stage.settle(60_000)
    await stage.tick(settings)
    stage.put(
      JSON.parse(
        JSON.stringify(stage.object('web')).replace(`"image":"${image('team/web', '1.0.1')}"`, `"image":"${image('team/web', '1.0.0')}"`),
      ),
    )
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.settle(60_000)
    expect(sentence(await stage.pushed(settings, [hint('1.0.1')]), 'person-rolled-back')).toContain(
      'stays until something newer than 1.0.1 is pushed',
    )
    for (let look = 0; look < 3; look += 1) {
      stage.settle(60_000)
      await stage.tick(settings, { fresh: true })
      await stage.pushed(settings, [hint('1.0.1')])
    }
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    await pushNew(settings, '1.0.2')
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.2'))
  })

  it('the image that failed in one cluster is not rolled out in the next', async () => {
    stage.put(deployment(spec()), clusterB)
    const settings = {
      rules: [
        webRule({
          targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }],
          rings: [
            { name: 'first', clusters: [clusterA], soak: '1m' },
            { name: 'second', clusters: [clusterB] },
          ],
        }),
      ],
    }
    await stage.tick(settings)
    expect(sentence(await pushNew(settings), 'waits-for-wave')).toContain('ring first comes first')
    const repository = stage.repository('team/web')
    const { '1.0.1': pushed } = repository.tags
    delete repository.tags['1.0.1']
    stage.settle(60_000)
    if (pushed !== undefined) repository.tags['1.0.1'] = pushed
    await stage.tick(settings)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    for (let look = 0; look < 5; look += 1) {
      stage.settle(60_000)
      await stage.tick(settings, { fresh: true })
      await stage.pushed(settings, [hint('1.0.1')])
    }
    expect(stage.imageOf('web', { cluster: clusterB })).toBe(image('team/web', '1.0.0'))
  })

  it('approval of a tag does not ship other bits that are pushed under it', async () => {
    const settings = rulesFor('Deployment', { approval: true })
    await stage.tick(settings)
    const report = await pushNew(settings)
    expect(saying(report, 'Held')).toContain('Held needs-approval')
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.push('team/web', '1.0.1', 0, { content: 'other bits' })
    expect(saying(await stage.pushed(settings, [hint('1.0.1')]), 'Held')).toContain('Held needs-approval')
  })

  it('a tag pushed again under IfNotPresent is said before anything is changed', async () => {
    stage.push('team/web', 'stable', 9, { content: 'one' })
    stage.put(deployment({ ...spec('stable') }))
    stage.settle(30_000)
    const settings = rulesFor('Deployment', { tags: { list: ['stable'] } })
    await stage.tick(settings)
    const patches = stage.patches().length
    stage.settle(60_000)
    stage.push('team/web', 'stable', 0, { content: 'two' })
    const report = await stage.pushed(settings, [hint('stable')])
    expect(sentence(report, 'pull-policy-if-not-present')).toContain('IfNotPresent')
    expect(stage.patches()).toHaveLength(patches)
  })

  it('a tag pushed again replaces the pods where the rule says so, and once', async () => {
    stage.push('team/web', 'stable', 9, { content: 'one' })
    stage.put(deployment({ ...spec('stable') }))
    stage.settle(30_000)
    const settings = rulesFor('Deployment', { tags: { list: ['stable'] }, ifNotPresent: 'roll' })
    await stage.tick(settings)
    stage.settle(60_000)
    stage.push('team/web', 'stable', 0, { content: 'two' })
    expect(saying(await stage.pushed(settings, [hint('stable')]), 'Applied')).toEqual(['Applied newer-push'])
    const patches = stage.patches().length
    await stage.pushed(settings, [hint('stable')])
    expect(stage.patches()).toHaveLength(patches)
    expect(JSON.stringify(stage.object('web'))).toContain('longshore.dev/content.')
  })

  it('a repository that cannot be read holds its workloads, and a cluster that cannot be read does not stop another one', async () => {
    stage.put(deployment(spec()), clusterB)
    const both = { rules: [webRule({ targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }] })] }
    await stage.tick(both)
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterA } })
    await pushNew(both)
    expect(stage.imageOf('web', { cluster: clusterB })).toBe(image('team/web', '1.0.1'))
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
  })
})
