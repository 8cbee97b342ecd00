import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTag } from '#functions/image-cleaner/quarantine.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openStage, placeNode, type Stage, saying, sentence } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
})

afterEach(async () => {
  await stage.close()
})

function releases(count: number, repo = 'shop/web'): void {
  for (let index = 1; index <= count; index += 1) stage.push(repo, `v${index}`, 100 + count - index)
}

const web = (tag: string) => deployment({ namespace: 'prod', name: 'web', image: image('shop/web', tag) })
const quarantined = freely({ tags: ['v4'] }, { quarantine: { repository: 'quarantine/bin', days: 7 } })

describe('a repository too large to be listed again before each batch', () => {
  it('one tag deleted must not take the tags that share its content: the registry is asked for its other names', async () => {
    releases(250)
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (isDone || action !== 'DescribeImageFilterPersonal' || request.Tag !== 'v1') return
        isDone = true
        stage.push('shop/web', 'production', 0, { content: 'shop/web:v1' })
      },
    })
    const report = await stage.run(freely({ last: 249 }), { cloud })
    expect([isDone, stage.journal.filter(({ action }) => action === 'BatchDeleteImagePersonal')]).toEqual([true, []])
    expect(stage.tags('shop/web')).toContain('v1')
    expect(sentence(report, 'shares-content')).toContain('v1 has the content of production, which is not to go')
  })

  it('a candidate stays when the tag that was to stay is moved onto its content at the very last', async () => {
    releases(250)
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (isDone || action !== 'DescribeImagePersonal' || request.Tag !== 'v1') return
        isDone = true
        stage.push('shop/web', 'v250', 0, { content: 'shop/web:v1' })
      },
    })
    const report = await stage.run(freely({ last: 249 }), { cloud })
    expect(isDone).toBe(true)
    expect(stage.tags('shop/web')).toContain('v1')
    expect(sentence(report, 'shares-content')).toContain('v1 has the content of v250, which is not to go')
  })

  it('a tag that the registry accepts to remove and does not is a failure', async () => {
    releases(250)
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') stage.push('shop/web', 'v1', 349)
        return answer
      },
    })
    const report = await stage.run(freely({ last: 249 }), { cloud })
    expect(saying(report, 'Failed')).toEqual(['Failed not-removed'])
    expect(sentence(report, 'not-removed')).toContain('1 of 1 tags are still there: v1')
  })
})

describe('a run that takes long', () => {
  it('asks the clusters again before the next repository: what is in use by then stays', async () => {
    releases(3, 'shop/api')
    releases(3)
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action !== 'DescribeImageLifecyclePersonal' || request.RepoName !== 'shop/api') return
        stage.pass(6 * 60_000)
        stage.put(web('v1'))
      },
    })
    await stage.run(freely({ last: 1 }), { cloud })
    expect([stage.tags('shop/api'), stage.tags('shop/web')]).toEqual([['v3'], ['v1', 'v3']])
  })

  it('that began with answers which are not to be believed removes nothing to its end, though the clusters are asked again', async () => {
    releases(3, 'shop/api')
    releases(3)
    placeNode(stage)
    stage.put(web('v1'))
    await stage.run(freely({ last: 3 }))
    // Long enough for what was seen then not to count any more.
    stage.pass(24 * hourMs)
    for (const pathIncludes of ['/pods', '/deployments', '/replicasets'])
      stage.faults.add({
        fault: { kind: 'forward-body', body: '{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}' },
        match: { clusterId: clusterA, pathIncludes },
      })
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action === 'DescribeImageLifecyclePersonal' && request.RepoName === 'shop/api') stage.pass(6 * 60_000)
      },
    })
    const report = await stage.run(freely({ last: 1 }, { referenceMemory: '1h' }), { cloud })
    expect(sentence(report, 'breaker')).toContain('shows no pod at all')
    expect([stage.tags('shop/api').length, stage.tags('shop/web').length]).toEqual([3, 3])
  })
})

describe('a name that belongs to somebody else by now', () => {
  it('is not overwritten by what comes back under it', async () => {
    releases(4)
    placeNode(stage)
    await stage.run(quarantined)
    stage.put(web('v2'))
    stage.pass(24 * hourMs)
    let isDone = false
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (isDone || action !== 'DescribeImagePersonal' || request.Tag !== 'v2') return
        isDone = true
        stage.push('shop/web', 'v2', 0, { content: 'a new build' })
      },
    })
    const report = await stage.run(quarantined, { cloud })
    expect(isDone).toBe(true)
    expect(sentence(report, 'name-taken')).toContain('v2 was pushed anew with other content, and that stays')
    expect(
      stage.journal.filter(({ action, request }) => action === 'DuplicateImagePersonal' && request?.DestImage === 'shop/web:v2'),
    ).toEqual([])
  })

  it('is not purged from the quarantine', async () => {
    releases(4)
    await stage.run(quarantined)
    const names = ['v1', 'v2', 'v3'].map((tag) => copyTag('shop/web', tag))
    dropTags(stage.repository('quarantine/bin'), names, stage.now())
    for (const name of names) stage.push('quarantine/bin', name, 0, { content: `somebody's ${name}` })
    stage.pass(8 * 24 * hourMs)
    const report = await stage.run(quarantined)
    expect(sentence(report, 'world-changed')).toContain('something else has their names now')
    expect(stage.tags('quarantine/bin')).toEqual(names.toSorted())
  })
})

describe('content ids that are no digests', () => {
  it('leave a repository alone of which an image is named by digest, and protect by tag all the same', async () => {
    releases(3)
    releases(3, 'shop/api')
    const digest = stage.repository('shop/web').tags.v1?.content.digest ?? ''
    stage.put(web(digest))
    stage.put(deployment({ namespace: 'prod', name: 'api', image: image('shop/api', 'v1') }))
    const report = await stage.run(freely({ last: 1 }, { contentIds: 'opaque' }))
    expect([stage.tags('shop/web'), stage.tags('shop/api')]).toEqual([
      ['v1', 'v2', 'v3'],
      ['v1', 'v3'],
    ])
    expect(sentence(report, 'digest-unresolved')).toContain('this registry does not say which tag that is')
  })
})

describe('a registry of which no cluster uses anything', () => {
  beforeEach(async () => {
    releases(3)
    placeNode(stage)
    stage.put(web('v1'))
    // The pod starts.
    await stage.run(freely({ last: 3 }), { mode: 'observe' })
    stage.pass(24 * hourMs)
  })

  it('loses nothing: the names under which clusters pull from it are probably wrong', async () => {
    const report = await stage.run(freely({ last: 1 }, { hosts: ['registry.example.com'] }))
    expect(stage.writes()).toEqual([])
    expect(sentence(report, 'breaker')).toMatch(
      /there is 1 pod, and nothing in any cluster uses an image of registry\.example\.com.*under `hosts`/,
    )
  })

  it('loses what no rule keeps when somebody says that this is so', async () => {
    await stage.run(freely({ last: 1 }, { hosts: ['registry.example.com'], breaker: { allowUnused: true }, referenceMemory: '1h' }))
    expect(stage.tags('shop/web')).toEqual(['v3'])
  })
})
