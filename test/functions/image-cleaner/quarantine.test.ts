import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTag } from '#functions/image-cleaner/quarantine.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { interfering } from './interfering.ts'
import { freely, hourMs, image, openStage, placeNode, type SettingsInput, type Stage, saying, sentence } from './stage.ts'

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
})
