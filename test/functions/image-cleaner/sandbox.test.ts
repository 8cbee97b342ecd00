import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { cronJob, daemonSet, deployment, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { interfering } from './interfering.ts'
import { clusterA, clusterB, freely, hourMs, image, night, openStage, placeNode, type Stage, saying, sentence } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
})

afterEach(async () => {
  await stage.close()
})

/** `v1` … of shop/web, a day apart, the last of them the newest. */
function releases(count: number, repo = 'shop/web'): void {
  for (let index = 1; index <= count; index += 1) stage.push(repo, `v${index}`, 100 + count - index)
}

const web = (tag: string, more: object = {}): JsonObject =>
  deployment({ namespace: 'prod', name: 'web', image: image('shop/web', tag), ...more })

/** A pod by itself with a spec of its own. */
function pod(spec: JsonObject): JsonObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'one', namespace: 'prod' },
    spec: { containers: [{ name: 'app', image: 'registry.example/app:1' }], ...spec },
  }
}

/** Something with the template of a pod in it that asks for shop/web:v1. */
function templated(apiVersion: string, kind: string, spec: JsonObject): JsonObject {
  const template = {
    metadata: { labels: { app: 'one' } },
    spec: { restartPolicy: kind === 'Job' ? 'Never' : 'Always', containers: [{ name: 'app', image: image('shop/web', 'v1') }] },
  }
  return { apiVersion, kind, metadata: { name: 'one', namespace: 'prod' }, spec: { ...spec, template } }
}

describe('a run', () => {
  it('removes what no policy keeps and nothing uses, and the next night has nothing to do', async () => {
    releases(5)
    releases(4, 'shop/api')
    stage.put(web('v2'))
    stage.put(deployment({ namespace: 'prod', name: 'old', image: image('shop/api', 'v1') }), clusterB)
    const report = await stage.run(freely({ last: 2 }))
    expect(report.failure).toBeUndefined()
    expect(saying(report, 'Applied')).toEqual(['Applied expired', 'Applied expired'])
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4', 'v5'])
    expect(stage.tags('shop/api')).toEqual(['v1', 'v3', 'v4'])
    expect(stage.writes()).toEqual(['BatchDeleteImagePersonal shop/api', 'BatchDeleteImagePersonal shop/web'])

    stage.pass(24 * hourMs)
    const next = await stage.run(freely({ last: 2 }))
    expect(saying(next, 'Applied', 'Failed', 'Held')).toEqual([])
    expect(stage.writes()).toHaveLength(2)
  })

  it('is one a day: a later trigger of the same night says so and reads nothing', async () => {
    releases(3)
    await stage.run(freely({ last: 1 }))
    const calls = stage.journal.length
    expect(saying(await stage.run(freely({ last: 1 })), 'Skipped')).toEqual(['Skipped done-today'])
    expect(stage.journal).toHaveLength(calls)
  })

  it('over an empty registry, and over an empty repository, does nothing', async () => {
    stage.push('shop/empty', 'only', 3)
    dropTags(stage.repository('shop/empty'), ['only'], stage.now())
    expect(saying(await stage.run(freely({ last: 1 })), 'Applied', 'Failed', 'Held')).toEqual([])
    expect(stage.writes()).toEqual([])
  })

  it.for(['observe', 'plan'] as const)('in mode %s plans the same and writes nothing', async (mode) => {
    releases(4)
    stage.push('shop/bin', 'x', 1)
    stage.world.tcr.globalLifecycles[stage.world.account.uin] = { type: 'keep_last_nums', value: 1, createdAt: stage.now() }
    const settings = freely({ last: 1 }, { quarantine: { repository: 'shop/bin' }, lifecycle: { global: 'none' } })
    const report = await stage.run(settings, { mode })
    expect(saying(report, 'Planned')).toEqual(['Planned expired', 'Planned lifecycle-set'])
    expect(stage.journal.filter(({ effect }) => effect !== 'read')).toEqual([])
  })

  it('in mode plan does not stand for the run of the night when somebody then says enforce', async () => {
    releases(3)
    await stage.run(freely({ last: 1 }), { mode: 'plan' })
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toEqual(['v3'])
  })
})

describe('what bit others', () => {
  const images: readonly (readonly [string, (digest: string) => JsonObject])[] = [
    ['a pod pinned by digest', (digest) => pod({ containers: [{ name: 'app', image: image('shop/web', digest) }] })],
    ['a Deployment pinned by digest', (digest) => web(digest)],
    ['an init container', () => pod({ initContainers: [{ name: 'init', image: image('shop/web', 'v1') }] })],
    ['an ephemeral container', () => pod({ ephemeralContainers: [{ name: 'debug', image: image('shop/web', 'v1') }] })],
    [
      'a suspended CronJob',
      () =>
        cronJob('batch/v1beta1', {
          namespace: 'prod',
          name: 'nightly',
          image: image('shop/web', 'v1'),
          schedule: '0 3 * * *',
          suspend: true,
        }),
    ],
    ['a Deployment at 0 replicas', () => web('v1', { replicas: 0 })],
    ['a StatefulSet at 0 replicas', () => statefulSet({ namespace: 'prod', name: 'db', image: image('shop/web', 'v1'), replicas: 0 })],
    ['a DaemonSet without a node', () => daemonSet({ namespace: 'prod', name: 'agent', image: image('shop/web', 'v1') })],
    ['a finished Job', () => templated('batch/v1', 'Job', { parallelism: 0 })],
    [
      'a ControllerRevision, to which a StatefulSet could be rolled back',
      () => ({
        apiVersion: 'apps/v1',
        kind: 'ControllerRevision',
        metadata: { name: 'db-1', namespace: 'prod' },
        data: { spec: { template: { $patch: 'replace', spec: { containers: [{ name: 'app', image: image('shop/web', 'v1') }] } } } },
        revision: 1,
      }),
    ],
  ]

  it.for(images)('%s protects its image', async ([, objectOf]) => {
    releases(3)
    stage.put(objectOf(stage.repository('shop/web').tags.v1?.content.digest ?? ''))
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toEqual(['v1', 'v3'])
  })

  it('what a pod reports to run protects it under every name, also when the tag it asked for has moved on', async () => {
    releases(3)
    placeNode(stage)
    stage.put(web('live'))
    stage.push('shop/web', 'live', 90, { content: 'shop/web:v1' })
    // The pod starts, and then its tag is pushed anew.
    await stage.run(freely({ last: 4 }), { fresh: true })
    stage.push('shop/web', 'live', 0)
    stage.pass(24 * hourMs)
    await stage.run(freely({ tags: ['live', 'v3'] }, { referenceMemory: '1h' }), { fresh: true })
    expect(stage.tags('shop/web')).toEqual(['live', 'v1', 'v3'])
  })

  it('what was in use lately stays for as long as it is remembered, over many runs that do not see it', async () => {
    releases(3)
    const using = (tag: string): void => stage.put(pod({ containers: [{ name: 'app', image: image('shop/web', tag) }] }))
    using('v1')
    await stage.run(freely({ last: 1 }, { referenceMemory: '5d' }))
    using('v3')
    for (let day = 1; day <= 5; day += 1) {
      stage.pass(24 * hourMs)
      await stage.run(freely({ last: 1 }, { referenceMemory: '5d' }))
      expect(stage.tags('shop/web'), `day ${day}`).toEqual(['v1', 'v3'])
    }
    stage.pass(24 * hourMs)
    await stage.run(freely({ last: 1 }, { referenceMemory: '5d' }))
    expect(stage.tags('shop/web')).toEqual(['v3'])
  })

  it('ReplicaSets of the rollback history protect their images', async () => {
    releases(4)
    for (const tag of ['v1', 'v2']) {
      stage.put(web(tag))
      stage.pass(hourMs)
      // Any call lets the cluster's controllers work.
      await stage.run(freely({ last: 4 }), { fresh: true })
    }
    stage.put(web('v4'))
    stage.pass(24 * hourMs)
    await stage.run(freely({ last: 1 }, { referenceMemory: '1h' }))
    expect(stage.tags('shop/web')).toEqual(['v1', 'v2', 'v4'])
  })

  it('a tag that a trigger of the registry deploys is protected', async () => {
    releases(3)
    stage.world.tcr.triggers.deploy = {
      owner: stage.world.account.uin,
      repoName: 'shop/web',
      invokeMethod: 'taglist',
      invokeExpr: 'stable,v1',
      clusterId: clusterA,
      namespace: 'prod',
      workloadType: 'Deployment',
      workloadName: 'gone',
      containerName: 'app',
      clusterRegion: 1,
      createdAt: stage.now(),
      updatedAt: stage.now(),
    }
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toEqual(['v1', 'v3'])
  })

  it('an image built in 1980 or 1970 is judged by its push time', async () => {
    for (const [tag, builtAt] of [
      ['dos', '1980-01-01'],
      ['epoch', '1970-01-01'],
    ] as const) {
      stage.push('shop/web', tag, 2, { builtAt: Date.parse(`${tag === 'dos' ? builtAt : builtAt}T00:00:00Z`) })
    }
    stage.push('shop/web', 'old', 90, { builtAt: stage.now() - hourMs })
    await stage.run(freely({ days: 7 }))
    expect(stage.tags('shop/web')).toEqual(['dos', 'epoch'])
  })

  it('equal push times never decide: the same tags stay whichever was pushed first', async () => {
    for (const tag of ['b', 'a', 'v1.2.0', 'v1.10.0']) stage.push('shop/one', tag, 50)
    for (const tag of ['v1.10.0', 'v1.2.0', 'a', 'b']) stage.push('shop/two', tag, 50)
    await stage.run(freely({ last: 2 }))
    expect(stage.tags('shop/one')).toEqual(['v1.10.0', 'v1.2.0'])
    expect(stage.tags('shop/two')).toEqual(['v1.10.0', 'v1.2.0'])
  })

  it('keep N counts the ones in use, too, and says so', async () => {
    releases(5)
    stage.put(web('v4'))
    const report = await stage.run(freely({ last: 2 }))
    expect(stage.tags('shop/web')).toEqual(['v4', 'v5'])
    expect(sentence(report, 'kept')).toContain('2 of 5 tags are kept')
  })

  it('a tag re-pushed inside the run survives', async () => {
    releases(4)
    const cloud = interfering(stage.cloud, {
      before: ({ action }) => {
        if (action === 'DescribeImageFilterPersonal') stage.push('shop/web', 'v2', 0, { content: 'a new build' })
      },
    })
    // Once before its batch is read again, once right before it is removed.
    stage.push('shop/web', 'v1', 0, { content: 'shop/web:v1' })
    await stage.run(freely({ last: 1 }), { cloud })
    expect(stage.tags('shop/web')).toContain('v2')
    expect(stage.repository('shop/web').tags.v2?.content.digest).not.toBe(stage.repository('shop/web').tags.v1?.content.digest)
  })

  it('a tag re-pushed between plan and removal survives, with every tag of its content, and the others go', async () => {
    releases(4)
    stage.push('shop/web', 'same', 120, { content: 'shop/web:v2' })
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        // The list has been read; what comes now is the second look.
        if (isDone || action !== 'DescribeImagePersonal' || request.RepoName !== 'shop/web' || stage.journal.length === 0) return
        if (!stage.journal.some((call) => call.action === 'DescribeImagePersonal')) return
        isDone = true
        stage.push('shop/web', 'v2', 0, { content: 'shop/web:v2' })
      },
    })
    const report = await stage.run(freely({ last: 1 }), { cloud })
    expect(isDone).toBe(true)
    expect(stage.tags('shop/web')).toEqual(['same', 'v2', 'v4'])
    expect(sentence(report, 'partly-removed')).toContain('v2 was pushed again since it was planned')
  })

  it('one tag deleted must not take the tags that share its content, production included', async () => {
    releases(3)
    stage.push('shop/web', 'production', 150, { content: 'shop/web:v1' })
    stage.put(web('production'))
    // A registry that removes the content, and with it every tag of it.
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action !== 'BatchDeleteImagePersonal') return
        const { tags } = stage.repository('shop/web')
        const gone = new Set((request.Tags as string[]).map((tag) => tags[tag]?.content.digest))
        const siblings = Object.entries(tags).filter(([, { content }]) => gone.has(content.digest))
        dropTags(
          stage.repository('shop/web'),
          siblings.map(([name]) => name),
          stage.now(),
        )
      },
    })
    await stage.run(freely({ last: 1 }), { cloud })
    expect(stage.tags('shop/web')).toEqual(['production', 'v1', 'v3'])
  })

  it('a tag that gets the content of a candidate after the plan keeps it there', async () => {
    releases(3)
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (isDone || action !== 'DescribeImageFilterPersonal' || request.Tag !== 'v1') return
        isDone = true
        stage.push('shop/web', 'production', 0, { content: 'shop/web:v1' })
      },
    })
    const report = await stage.run(freely({ last: 1 }), { cloud })
    expect(stage.tags('shop/web')).toEqual(['production', 'v1', 'v3'])
    expect(sentence(report, 'partly-removed')).toContain('v1 has the content of production')
  })

  it('a candidate that is pushed onto the content of another one of its batch keeps that, too', async () => {
    releases(4)
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (isDone || action !== 'DescribeImageFilterPersonal' || request.Tag !== 'v1') return
        isDone = true
        stage.push('shop/web', 'v2', 0, { content: 'shop/web:v1' })
      },
    })
    await stage.run(freely({ last: 1 }), { cloud })
    expect(stage.tags('shop/web')).toEqual(['v1', 'v2', 'v4'])
  })

  it('a registry that takes more than it was told is noticed', async () => {
    releases(4)
    const cloud = interfering(stage.cloud, {
      before: ({ action }) => {
        if (action === 'BatchDeleteImagePersonal') dropTags(stage.repository('shop/web'), ['v4'], stage.now())
      },
    })
    const report = await stage.run(freely({ last: 2 }), { cloud })
    expect(saying(report, 'Failed')).toEqual(['Failed collateral'])
    expect(sentence(report, 'collateral')).toContain('v4')
  })

  it('the last tag of a repository stays, also when the one that was to stay goes meanwhile', async () => {
    stage.push('shop/one', 'only', 900)
    releases(2)
    let reads = 0
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action !== 'DescribeImagePersonal' || request.RepoName !== 'shop/web') return
        reads += 1
        if (reads === 2) dropTags(stage.repository('shop/web'), ['v2'], stage.now())
      },
    })
    const report = await stage.run(freely({ days: 1, tags: ['v2'] }), { cloud })
    expect(stage.tags('shop/one')).toEqual(['only'])
    expect(stage.tags('shop/web')).toEqual(['v1'])
    expect(sentence(report, 'world-changed')).toContain('v2, which was to stay, is gone')
  })

  it('404 on delete is success', async () => {
    releases(3)
    const cloud = interfering(stage.cloud, {
      before: ({ action }) => {
        if (action === 'BatchDeleteImagePersonal') dropTags(stage.repository('shop/web'), ['v1', 'v2'], stage.now())
      },
    })
    expect(saying(await stage.run(freely({ last: 1 }), { cloud }), 'Applied', 'Failed')).toEqual(['Applied expired'])
    expect(stage.tags('shop/web')).toEqual(['v3'])
  })

  it.for([
    ['right before it is read again', 'DescribeImagePersonal', 2],
    ['right before the removal', 'BatchDeleteImagePersonal', 1],
  ] as const)('404 on delete is success: a whole repository that goes %s', async ([, name, nth]) => {
    releases(3)
    const cloud = interfering(stage.cloud, {
      before: (call) => {
        if (call.action === name && call.nth === nth) delete stage.world.tcr.repositories['shop/web']
      },
    })
    const report = await stage.run(freely({ last: 1 }), { cloud })
    expect(saying(report, 'Failed')).toEqual([])
    expect(saying(report, 'NoChange')).toContain('NoChange already-gone')
  })

  it('tags that are gone already when they are read again are no failure', async () => {
    releases(3)
    const cloud = interfering(stage.cloud, {
      before: ({ action, nth }) => {
        if (action === 'DescribeImagePersonal' && nth === 2) dropTags(stage.repository('shop/web'), ['v1', 'v2'], stage.now())
      },
    })
    expect(saying(await stage.run(freely({ last: 1 }), { cloud }), 'NoChange')).toContain('NoChange already-gone')
  })

  it('a failing repository does not stop the others', async () => {
    for (const repo of ['shop/api', 'shop/bad', 'shop/web']) releases(3, repo)
    const cloud = interfering(stage.cloud, {
      answer: ({ action, request }, answer) => {
        if (action !== 'DescribeImagePersonal' || request.RepoName !== 'shop/bad') return answer
        const { Data } = answer as { readonly Data: { readonly TagInfo: readonly object[] } }
        return { ...answer, Data: { ...Data, TagInfo: Data.TagInfo.map((row) => ({ ...row, PushTime: '' })) } }
      },
    })
    const report = await stage.run(freely({ last: 1 }), { cloud })
    expect(report.failure).toBeUndefined()
    expect([stage.tags('shop/api'), stage.tags('shop/bad'), stage.tags('shop/web')]).toEqual([['v3'], ['v1', 'v2', 'v3'], ['v3']])
    expect(sentence(report, 'repository-incomplete')).toContain('was pushed at ""')
  })

  it('a removal that fails in one repository does not stop the others', async () => {
    for (const repo of ['shop/api', 'shop/web']) releases(3, repo)
    stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { action: 'BatchDeleteImagePersonal' }, count: 1 })
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/api')).toHaveLength(3)
    expect(stage.tags('shop/web')).toEqual(['v3'])
  })

  describe('a page that is not true', () => {
    const lies = [
      ['repeats a row', { kind: 'lying-page', lie: 'repeat-row' }],
      ['skips a row', { kind: 'lying-page', lie: 'skip-row' }],
      ['claims one row more', { kind: 'lying-page', lie: 'wrong-total', by: 1 }],
      ['claims one row less', { kind: 'lying-page', lie: 'wrong-total', by: -1 }],
    ] as const

    it.for(lies)('that %s is noticed and read again', async ([, fault]) => {
      releases(230)
      stage.faults.add({ fault, match: { action: 'DescribeImagePersonal' }, count: 1, after: 1 })
      await stage.run(freely({ last: 228 }))
      expect(stage.faults.fired).toHaveLength(1)
      expect(stage.tags('shop/web')).toHaveLength(228)
      expect(stage.tags('shop/web')).not.toContain('v2')
    })

    it.for(lies)('that %s each time leaves the repository alone', async ([, fault]) => {
      releases(230)
      stage.faults.add({ fault, match: { action: 'DescribeImagePersonal' } })
      const report = await stage.run(freely({ last: 1 }))
      expect(stage.tags('shop/web')).toHaveLength(230)
      expect(sentence(report, 'repository-incomplete')).toContain('DescribeImagePersonal')
    })

    it.for(lies)('of repositories that %s each time ends the run', async ([, fault]) => {
      releases(3)
      releases(3, 'shop/api')
      stage.faults.add({ fault, match: { action: 'DescribeRepositoryOwnerPersonal' } })
      const report = await stage.run(freely({ last: 1 }))
      expect(stage.writes()).toEqual([])
      expect(sentence(report, 'registry-unreadable')).toContain('its repositories cannot be listed')
    })
  })
})

describe('what is in use cannot be read', () => {
  const unreadable = [
    ['a 403 `Status` body', { kind: 'rbac-403' }],
    ['an empty body', { kind: 'forward-body', body: '' }],
    ['a gateway page', { kind: 'forward-body', body: '<html><body>502 Bad Gateway</body></html>' }],
    ['half a list', { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","items":[{"metadata":' }],
    ['a list without items', { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","metadata":{}}' }],
    ['a list of something else', { kind: 'forward-body', body: '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}' }],
    ['an internal error', { kind: 'internal-error', when: 'before' }],
    ['no answer', { kind: 'drop-before' }],
    ['a broken answer', { kind: 'truncated-body' }],
  ] as const

  it.for(unreadable)('%s is not an empty list: nothing that the cluster was ever seen to use goes', async ([, fault]) => {
    releases(3)
    releases(3, 'shop/api')
    stage.put(web('v1'))
    await stage.run(freely({ last: 3 }))
    stage.pass(24 * hourMs)
    stage.faults.add({ fault, match: { service: 'tke', clusterId: clusterA, pathIncludes: '/pods' } })
    const report = await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toEqual(['v1', 'v2', 'v3'])
    expect(stage.tags('shop/api')).toEqual(['v3'])
    expect(saying(report, 'Held')).toContain('Held cluster-unreadable')
  })

  it.for(unreadable)('%s of a cluster that never was read stops everything', async ([, fault]) => {
    releases(3)
    stage.faults.add({ fault, match: { service: 'tke', clusterId: clusterB, pathIncludes: '/replicasets' } })
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toHaveLength(3)
    expect(stage.writes()).toEqual([])
  })

  it('discovery that hides a kind is not a cluster without that kind', async () => {
    releases(3)
    const body = '{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"apps/v1","resources":[]}'
    stage.faults.add({ fault: { kind: 'forward-body', body }, match: { clusterId: clusterA, pathIncludes: '/apis/apps/v1' } })
    const report = await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toHaveLength(3)
    expect(sentence(report, 'cluster-unreadable')).toContain('does not offer Deployment')
  })

  it('an empty list of pods in a cluster that had some is not believed at first', async () => {
    releases(3)
    stage.put(web('v1'))
    await stage.run(freely({ last: 3 }))
    stage.pass(24 * hourMs)
    stage.faults.add({
      fault: { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}' },
      match: { clusterId: clusterA, pathIncludes: '/pods' },
    })
    const report = await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toHaveLength(3)
    expect(sentence(report, 'breaker')).toContain('shows no pod at all')
  })

  it('what triggers deploy cannot be read: nothing goes', async () => {
    releases(3)
    stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { action: 'DescribeApplicationTriggerPersonal' } })
    const report = await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toHaveLength(3)
    expect(sentence(report, 'registry-unreadable')).toContain('triggers')
  })

  it('the first run of all starts with what it sees', async () => {
    expect(Date.parse(night)).toBe(stage.now())
    releases(3)
    stage.put(web('v1'), clusterB)
    await stage.run(freely({ last: 1 }))
    expect(stage.tags('shop/web')).toEqual(['v1', 'v3'])
  })
})
