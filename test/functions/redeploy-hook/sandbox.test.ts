import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { hint, image, openStage, type Stage, saying, sentence, webRule } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
})

afterEach(async () => {
  await stage.close()
})

const rules = { rules: [webRule()] }

function web(tag = '1.0.0', more: object = {}): void {
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', tag), replicas: 2, ...more }))
}

describe('a push', () => {
  beforeEach(() => {
    stage.push('team/web', '1.0.0', 10)
    web()
    stage.settle(30_000)
  })

  it('becomes the image of the workload, and the rollout is on record when it is done', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    const report = await stage.pushed(rules, [hint('1.0.1')])
    expect(saying(report, 'Applied', 'Failed', 'Held')).toEqual(['Applied newer-push'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    stage.settle(30_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied rollout-complete'])
    const patches = stage.patches().length
    stage.settle(120_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual([])
    expect(stage.patches()).toHaveLength(patches)
  })

  it('takes five calls: registry, workload, workload again, the tag again, patch', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    const before = stage.journal.length
    await stage.pushed(rules, [hint('1.0.1')])
    const calls = stage.journal
      .slice(before)
      .map(({ action, request }) => [action, request?.Method, request?.Path].filter((part) => part !== undefined).join(' '))
    const path = '/apis/apps/v1/namespaces/prod/deployments/web'
    expect(calls).toEqual([
      'DescribeImagePersonal',
      `ForwardRequest GET ${path}`,
      `ForwardRequest GET ${path}`,
      'DescribeImagePersonal',
      `ForwardRequest PATCH ${path}`,
    ])
  })

  it('that is told again, or late, changes nothing', async () => {
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(rules, [hint('1.0.1')])
    const patches = stage.patches().length
    for (const tag of ['1.0.1', '1.0.0', '1.0.1']) await stage.pushed(rules, [hint(tag)])
    expect(stage.patches()).toHaveLength(patches)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
  })

  it('that fails to roll out is put back, and its image is held', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(rules, [hint('1.0.1')])
    const repository = stage.repository('team/web')
    // It is in the list of tags, and nobody can pull it.
    const { '1.0.1': gone } = repository.tags
    if (gone === undefined) throw new Error('the tag is not there')
    delete repository.tags['1.0.1']
    stage.settle(60_000)
    repository.tags['1.0.1'] = gone
    const report = await stage.tick(rules)
    expect(saying(report, 'Applied')).toEqual(['Applied rollout-failed'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.settle(60_000)
    const again = await stage.pushed(rules, [hint('1.0.1')])
    expect(saying(again, 'Applied')).toEqual([])
    expect(sentence(again, 'held-bad-image')).toContain('ImagePullBackOff')
    stage.push('team/web', '1.0.2', 0)
    expect(saying(await stage.pushed(rules, [hint('1.0.2')]), 'Applied')).toEqual(['Applied newer-push'])
  })

  it('in mode plan is only planned', async () => {
    stage.push('team/web', '1.0.1', 0)
    expect(saying(await stage.pushed(rules, [hint('1.0.1')], { mode: 'plan' }), 'Planned')).toEqual(['Planned newer-push'])
    expect(stage.patches()).toEqual([])
  })

  it('is found by the poll where nobody tells of it', async () => {
    await stage.tick(rules)
    stage.settle(60_000)
    stage.push('team/web', '1.0.1', 0)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied newer-push'])
  })
})
