import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { restoreStep } from '#functions/image-cleaner/plan-copies.ts'
import { copyTag } from '#functions/image-cleaner/quarantine.ts'
import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openStage, placeNode, type SettingsInput, type Stage, saying, sentence } from './stage.ts'

const bin = 'quarantine/bin'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
  placeNode(stage)
  for (let index = 1; index <= 4; index += 1) stage.push('shop/web', `v${index}`, 100 - index)
})

afterEach(async () => {
  await stage.close()
})

const settings = (more: SettingsInput = {}): SettingsInput =>
  freely({ tags: ['v4'] }, { quarantine: { repository: bin, days: 7 }, ...more })

const copyOf = (tag: string): string => copyTag('shop/web', tag)

/** Somebody deploys a tag, and a night passes. */
function deploy(tag: string): void {
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', tag) }))
  stage.pass(24 * hourMs)
}

describe('the quarantine', () => {
  it('gets a copy of everything that is removed, of equal content, and keeps it', async () => {
    const digest = stage.repository('shop/web').tags.v2?.content.digest
    await stage.run(settings())
    expect(stage.tags('shop/web')).toEqual(['v4'])
    expect(stage.tags(bin)).toEqual(['v1', 'v2', 'v3'].map(copyOf).toSorted())
    expect(stage.repository(bin).tags[copyOf('v2')]?.content.digest).toBe(digest)
    stage.pass(6 * 24 * hourMs)
    const report = await stage.run(settings())
    expect(stage.tags(bin)).toHaveLength(3)
    expect(sentence(report, 'copies-kept')).toContain('3 removed tags can still be brought back')
  })

  it('a removed tag that a cluster waits for (ImagePullBackOff) comes back by itself, and the canary starts again', async () => {
    const canary = { enabled: true, amount: 3, percent: 1 }
    await stage.run(settings({ canary }))
    expect(stage.tags('shop/web')).toEqual(['v4'])
    deploy('v2')
    for (let index = 1; index <= 40; index += 1) stage.push('shop/api', `v${index}`, 100 - index)
    const report = await stage.run(settings({ canary }))
    expect(saying(report, 'Applied')).toContain('Applied pull-failed')
    expect(sentence(report, 'pull-failed')).toMatch(
      /Pod prod\/web-.*, container web in cls-e0000001 asks for it and cannot get it \((ErrImagePull|ImagePullBackOff)\)/,
    )
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    // Without the restoration it would be twice as many as yesterday.
    stage.pass(hourMs)
    const left = stage.tags('shop/api').length
    stage.pass(23 * hourMs)
    await stage.run(settings({ canary }))
    expect(left - stage.tags('shop/api').length).toBeLessThanOrEqual(6)
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
  })

  it('a removed tag that a cluster waits for comes back with the next trigger, though the run of the day is finished', async () => {
    const removedAt = stage.now()
    await stage.run(settings())
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v2') }))
    stage.pass(hourMs / 4)
    // The cluster finds out that it cannot pull.
    await stage.run(settings())
    stage.pass(hourMs / 4)
    const report = await stage.run(settings())
    expect(stage.now() - removedAt).toBeLessThan(hourMs)
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    expect(saying(report, 'Skipped')).toEqual(['Skipped done-today'])
    const before = stage.journal.length
    stage.pass(hourMs / 4)
    await stage.run(settings())
    expect(stage.journal.slice(before).filter(({ effect }) => effect === 'write')).toEqual([])
  })

  it('hours may reach over midnight', async () => {
    // It is three in the morning.
    expect(saying(await stage.run(settings({ hours: { from: 5, until: 22 } })), 'Skipped')).toEqual(['Skipped outside-hours'])
    await stage.run(settings({ hours: { from: 22, until: 5 } }))
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.push('shop/api', 'v1', 90)
    stage.push('shop/api', 'v4', 80)
    stage.pass(9 * hourMs)
    stage.pass(24 * hourMs)
    expect(saying(await stage.run(settings({ hours: { from: 22, until: 5 } })), 'Skipped')).toEqual(['Skipped outside-hours'])
  })

  it('outside its hours a run removes nothing, and brings back what is missed', async () => {
    const night = { hours: { from: 1, until: 6 } }
    await stage.run(settings(night))
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.push('shop/api', 'v1', 90)
    stage.push('shop/api', 'v4', 80)
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v2') }))
    // Two in the afternoon of the next day, of which no run began in the night.
    stage.pass(35 * hourMs)
    const report = await stage.run(settings(night))
    expect(saying(report, 'Applied', 'Skipped')).toEqual(['Applied pull-failed', 'Skipped outside-hours'])
    expect(sentence(report, 'outside-hours')).toContain('from 1:00 to 6:00')
    expect([stage.tags('shop/web'), stage.tags('shop/api')]).toEqual([
      ['v2', 'v4'],
      ['v1', 'v4'],
    ])
    stage.pass(12 * hourMs)
    await stage.run(settings(night))
    expect(stage.tags('shop/api')).toEqual(['v4'])
  })

  it('what comes back pushes nothing out of the newest: it is not new', async () => {
    const last = freely({ last: 1 }, { quarantine: { repository: bin, days: 7 } })
    await stage.run(last)
    deploy('v2')
    await stage.run(last)
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    stage.pass(9 * 24 * hourMs)
    await stage.run(last)
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    // Somebody pushes the same content again: that is new.
    stage.push('shop/web', 'v2', 0)
    stage.pass(24 * hourMs)
    await stage.run(last)
    expect(stage.tags('shop/web')).toEqual(['v2'])
  })

  it('brings back nothing that somebody has pushed anew, and nothing that nobody asks for', async () => {
    await stage.run(settings())
    deploy('v2')
    stage.push('shop/web', 'v2', 0, { content: 'another build' })
    await stage.run(settings())
    expect(stage.repository('shop/web').tags.v2?.content.digest).not.toBe(stage.repository(bin).tags[copyOf('v2')]?.content.digest)
    expect(stage.tags('shop/web')).not.toContain('v1')
  })

  it('says so when a copy that is asked for is gone', async () => {
    await stage.run(settings())
    deploy('v2')
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action === 'DescribeImagePersonal' && request.Tag === 'v2') dropTags(stage.repository(bin), [copyOf('v2')], stage.now())
      },
    })
    const report = await stage.run(settings(), { cloud })
    expect(saying(report, 'Failed')).toEqual(['Failed copy-gone'])
    expect(sentence(report, 'copy-gone')).toContain('push it again from where it was built')
  })

  it('is emptied after its days, of its own copies only', async () => {
    await stage.run(settings())
    stage.push(bin, 'by-hand', 0)
    stage.pass(7 * 24 * hourMs + hourMs)
    const report = await stage.run(settings())
    expect(stage.tags(bin)).toEqual(['by-hand'])
    expect(sentence(report, 'copy-unknown')).toContain('by-hand')
  })

  it.for([
    ['while a cluster cannot be read, which may be the one that needs them', 'cluster-unreadable', { kind: 'rbac-403' }],
    [
      'while what the clusters answer is not to be believed',
      'breaker',
      { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}' },
    ],
  ] as const)('is not emptied %s', async ([, why, fault]) => {
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v4') }))
    await stage.run(settings())
    stage.pass(8 * 24 * hourMs)
    stage.faults.add({ fault, match: { clusterId: clusterA, pathIncludes: '/pods' } })
    const report = await stage.run(settings())
    expect(saying(report, 'Held')).toEqual(expect.arrayContaining([`Held ${why}`, 'Held copies-frozen']))
    expect(sentence(report, 'copies-frozen')).toContain('3 copies whose time is over are kept')
    expect(stage.tags(bin)).toHaveLength(3)
    stage.faults.clear()
    stage.pass(24 * hourMs)
    await stage.run(settings())
    expect(stage.tags(bin)).toEqual([])
  })

  it('is emptied by the run of the day only, not by a look for what is missed', async () => {
    const night = settings({ hours: { from: 1, until: 6 } })
    await stage.run(night)
    stage.pass(8 * 24 * hourMs + 10 * hourMs)
    await stage.run(night)
    expect(stage.tags(bin)).toHaveLength(3)
    stage.pass(14 * hourMs)
    await stage.run(night)
    expect(stage.tags(bin)).toEqual([])
  })

  it('does not purge what is asked for, however old it is', async () => {
    await stage.run(settings())
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v2') }))
    stage.pass(30 * 24 * hourMs)
    await stage.run(settings())
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    expect(stage.tags(bin)).toEqual([copyOf('v2')])
  })

  it('is cleaned by no policy, though one may be for it', async () => {
    const policies = [{ name: 'all', repositories: ['**'], keep: { last: 1 } }]
    await stage.run(settings({ policies }))
    stage.pass(24 * hourMs)
    await stage.run(settings({ policies }))
    expect(stage.tags(bin)).toHaveLength(3)
  })

  it('a tag that is pushed while its batch is copied survives', async () => {
    const cloud = interfering(stage.cloud, {
      before: ({ action, nth }) => {
        if (action === 'DuplicateImagePersonal' && nth === 3) stage.push('shop/web', 'v1', 0, { content: 'a new build' })
      },
    })
    await stage.run(settings(), { cloud })
    expect(stage.tags('shop/web')).toEqual(['v1', 'v4'])
  })

  it('what a run removed is known to be there although the run was stopped before it could say so', async () => {
    const stop = new AbortController()
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') stop.abort()
        return answer
      },
    })
    await stage.run(settings(), { cloud, signal: stop.signal })
    expect(stage.tags('shop/web')).toEqual(['v4'])
    deploy('v2')
    await stage.run(settings())
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
  })

  it('of a name that went before, with other content, the later one is known although the run was stopped before it could say so', async () => {
    await stage.run(settings())
    stage.push('shop/web', 'v2', 0, { content: 'another build' })
    const digest = stage.repository('shop/web').tags.v2?.content.digest
    stage.pass(24 * hourMs)
    const stop = new AbortController()
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') stop.abort()
        return answer
      },
    })
    await stage.run(settings(), { cloud, signal: stop.signal })
    expect(stage.tags('shop/web')).toEqual(['v4'])
    deploy('v2')
    await stage.run(settings())
    expect(stage.repository('shop/web').tags.v2?.content.digest).toBe(digest)
  })

  it('of what was brought back and goes again the copy is kept for its days from then on, also where the run was stopped', async () => {
    await stage.run(settings())
    const memory = createMemory(openMemoryStore(stage.disk), { function: 'image-cleaner', now: () => stage.now() })
    const copies = async () => (await recallCopies(memory)).filter(({ name }) => name === 'v2')
    await stage.steps(
      settings(),
      (await copies()).map((copy) => restoreStep(copy, 'somebody asked for it')),
    )
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
    stage.pass(6 * 24 * hourMs)
    const stop = new AbortController()
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') stop.abort()
        return answer
      },
    })
    await stage.run(settings(), { cloud, signal: stop.signal })
    expect(stage.tags('shop/web')).toEqual(['v4'])
    stage.pass(2 * 24 * hourMs)
    await stage.run(settings())
    expect(stage.tags(bin)).toEqual([copyOf('v2')])
    deploy('v2')
    await stage.run(settings())
    expect(stage.tags('shop/web')).toEqual(['v2', 'v4'])
  })
})
