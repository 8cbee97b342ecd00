import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CloudError } from '#cloud/errors.ts'
import type { PushHint } from '#functions/redeploy-hook/push-hint.ts'
import { parseRecord, recordAnnotation } from '#functions/redeploy-hook/record.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { type DockerFake, docker, dockerFake } from './docker-fake.ts'
import { hint, image, openLocalStage, type RuleInput, type SettingsInput, type Stage, saying, sentence, webRule } from './stage.ts'

let stage: Stage
let registry: DockerFake

beforeEach(() => {
  stage = openLocalStage()
  registry = dockerFake(stage.cloud)
  registry.push('team/web', '1.0.0', 'one')
  put('1.0.0')
})

afterEach(async () => {
  await stage.close()
})

function put(tag: string): void {
  // What nodes can pull.
  stage.push('team/web', tag, 10)
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', tag), replicas: 2 }))
  stage.settle(30_000)
}

function settingsWith(more: Partial<RuleInput> = {}): SettingsInput {
  return { registry: docker, poll: false, rules: [webRule({ tags: { all: true }, ...more })] } as SettingsInput
}

const settings = settingsWith()

async function tick(own: SettingsInput = settings, options = {}) {
  return await stage.tick(own, { cloud: registry.cloud, ...options })
}

async function told(...hints: readonly PushHint[]) {
  return await stage.pushed(settings, hints, { cloud: registry.cloud })
}

/** Pushes, and answers what an event about it says. */
function push(tag: string, content: string, more: Partial<PushHint> = {}): PushHint {
  stage.push('team/web', tag, 0, { content })
  return hint(tag, { digest: registry.push('team/web', tag, content), pushedMs: stage.now(), ...more })
}

/** The same, two seconds later. */
function later(tag: string, content: string): PushHint {
  stage.settle(2_000)
  return push(tag, content)
}

const tagNow = () => stage.imageOf('web').split(':').at(-1)

describe('a registry that tells no times', () => {
  it('has tags of unknown age at the first look, and nothing is deployed by a guess', async () => {
    registry.push('team/web', '0.9.0', 'older or newer')
    expect(saying(await tick(), 'Applied')).toEqual([])
    stage.settle(60_000)
    expect(saying(await tick(settings, { fresh: true }), 'Applied')).toEqual([])
    expect(tagNow()).toBe('1.0.0')
  })

  it('gives what is new the time that its push was announced with', async () => {
    await tick()
    stage.settle(60_000)
    const event = push('build-7', 'two')
    expect(saying(await told(event), 'Applied')).toEqual(['Applied newer-push'])
    expect(tagNow()).toBe('build-7')
    expect(JSON.stringify(stage.object('web'))).toContain(new Date(event.pushedMs ?? 0).toISOString())
  })

  it('and without an announcement the time when it was first seen', async () => {
    await tick()
    stage.settle(60_000)
    push('build-7', 'two')
    await tick(settings, { fresh: true })
    expect(tagNow()).toBe('build-7')
  })

  it('deploys the newer one of two pushes whatever the order of their events, and however often they are told', async () => {
    await tick()
    const first = push('z', 'two')
    const second = later('a', 'three')
    for (const event of [second, first, first, second, first]) await told(event)
    expect(tagNow()).toBe('a')
  })

  it('has a content that is pushed again after another one as the newest, in whatever order its events come', async () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      await tick(settings, { fresh: true })
      const events = [push('a', 'aa'), later('b', 'bb'), later('a', 'aa')]
      for (const index of order) await told(...events.slice(index, index + 1))
      expect(tagNow()).toBe('a')
      stage.settle(60_000)
      await told(push('1.0.0', `again ${order}`))
      registry.remove('team/web', 'a')
      registry.remove('team/web', 'b')
      stage.settle(60_000)
    }
  })

  it('an old event that is sent again never makes an old content the newest', async () => {
    const old = push('0.8.0', 'old', { pushedMs: stage.now() - 30 * 86_400_000 })
    await tick()
    const next = push('1.1.0', 'two')
    await told(next)
    stage.settle(60_000)
    await tick()
    for (const replayed of [old, hint('0.8.0'), { ...old, pushedMs: stage.now() - 86_400_000 }]) await told(replayed)
    await tick(settings, { fresh: true })
    expect(tagNow()).toBe('1.1.0')
  })

  it('a tag that is put back to what it was is deployed, though the first event about that content is sent again', async () => {
    await tick()
    const first = push('live', 'one bit')
    await told(first)
    stage.settle(60_000)
    await told(push('live', 'other bits'))
    stage.settle(60_000)
    const put = push('live', 'one bit')
    await told(first)
    await told(put)
    const { metadata } = stage.object('web') as { metadata: { annotations: Record<string, string> } }
    expect(parseRecord(metadata.annotations[recordAnnotation]).containers.web?.set?.content).toBe(first.digest)
  })

  it('the clock of a sender that is ahead does not keep later pushes back', async () => {
    await tick()
    await told(push('a', 'two', { pushedMs: stage.now() + 3_600_000 }))
    stage.settle(60_000)
    await told(push('b', 'three'))
    expect(tagNow()).toBe('b')
  })

  it('a clock of our own that is set back does not, either', async () => {
    await tick()
    await told(push('a', 'two'))
    stage.settle(60_000)
    stage.pass(-3_600_000)
    await told(push('b', 'three'))
    expect(tagNow()).toBe('b')
  })

  it('is asked for a tag that runs but that no rule counts, because that tells what runs', async () => {
    registry.push('team/web', 'nightly', 'night')
    put('nightly')
    const semver = settingsWith({ tags: { semver: '>=1' }, adopt: true })
    registry.push('team/web', '1.2.0', 'night')
    expect(saying(await tick(semver), 'NoChange')).toEqual(['NoChange same-content'])
    expect(registry.asked.filter((path) => path.endsWith('/nightly'))).toHaveLength(1)
  })

  it('of a thousand versions is asked for the highest, for what runs, and for what it is told of', async () => {
    for (let number = 0; number < 1000; number += 1) registry.push('team/web', `0.${number}.0`, `version ${number}`)
    const semver = settingsWith({ tags: { semver: '*' } })
    await tick(semver)
    stage.settle(60_000)
    const event = push('1.1.0', 'two')
    registry.asked.length = 0
    expect(saying(await stage.pushed(semver, [event], { cloud: registry.cloud }), 'Applied')).toEqual(['Applied newer-push'])
    expect(registry.asked.map((path) => path.replace(/\?.*/, ''))).toEqual([
      '/v2/team/web/tags/list',
      '/v2/team/web/manifests/1.1.0',
      '/v2/team/web/manifests/1.0.0',
      // Once more, right before it is set.
      '/v2/team/web/manifests/1.1.0',
    ])
    const old = await stage.pushed(semver, [hint('0.7.0')], { cloud: registry.cloud })
    expect(saying(old, 'Skipped')).toEqual(['Skipped not-newest'])
    // The way back is the tag that ran before, as it was written.
    stage.settle(60_000)
    await tick(semver)
    await stage.undoLast(semver)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
  })

  it('puts a version back as it was written when the new one fails', async () => {
    const semver = settingsWith({ tags: { semver: '*' } })
    await tick(semver)
    // Nodes cannot pull it.
    const digest = registry.push('team/web', '1.1.0', 'two')
    await stage.pushed(semver, [hint('1.1.0', { digest, pushedMs: stage.now() })], { cloud: registry.cloud })
    stage.settle(60_000)
    expect(saying(await tick(semver), 'Applied')).toEqual(['Applied rollout-failed'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
  })

  it('keeps what two runs saw at the same time of both', async () => {
    await tick()
    const first = push('z', 'two')
    const second = later('a', 'three')
    // Two runs that began with the same memory: each knows the time of one push only.
    let isNested = false
    const cloud: DockerFake['cloud'] = {
      send: async (action, request, options) => {
        const answer = await registry.cloud.send(action, request, options)
        if ('Method' in request && !isNested) {
          isNested = true
          await told(second)
        }
        return answer
      },
    }
    await stage.pushed(settings, [first], { cloud })
    expect(isNested).toBe(true)
    stage.settle(60_000)
    await tick(settings, { fresh: true })
    expect(tagNow()).toBe('a')
  })
})

describe('one push that is told in pieces', () => {
  it('of several platforms is deployed once, by its index; its children do nothing by themselves', async () => {
    await tick()
    stage.push('team/web', '2.0.0', 0)
    const { digest, children } = registry.pushIndex('team/web', '2.0.0', ['amd64', 'arm64'])
    const events = [
      ...children.map((child): PushHint => ({ source: 'test', repository: 'team/web', digest: child, pushedMs: stage.now() })),
      ...children.map((child): PushHint => ({ source: 'test', repository: 'team/web', digest: child, childOf: digest })),
    ]
    for (const event of events) expect(saying(await told(event), 'Skipped')).toContain('Skipped child-manifest')
    await told(hint('2.0.0', { digest, pushedMs: stage.now() }))
    expect(tagNow()).toBe('2.0.0')
    expect(stage.patches()).toHaveLength(1)
  })

  it('by six calls makes one rollout', async () => {
    await tick()
    const event = push('1.1.0', 'two')
    const { digest: _, ...call } = { ...event, source: 'hub' }
    for (let number = 0; number < 6; number += 1) await told({ ...call, pushedMs: (call.pushedMs ?? 0) + number })
    stage.settle(60_000)
    await tick()
    expect(stage.patches()).toHaveLength(2)
    expect(tagNow()).toBe('1.1.0')
  })
})

it('an image that is not built for nodes that its pods may run on is said before anything is changed', async () => {
  await tick()
  stage.push('team/web', '2.0.0', 0)
  const { digest } = registry.pushIndex('team/web', '2.0.0', ['arm64', 'unknown'])
  const report = await told(hint('2.0.0', { digest, pushedMs: stage.now() }))
  expect(sentence(report, 'architecture-missing')).toContain('is not built for amd64')
  expect(sentence(report, 'architecture-missing')).toContain('it is for arm64')
  expect(stage.patches()).toEqual([])
})

describe('of a registry that', () => {
  it.each<[string, (fake: DockerFake) => unknown, string]>([
    [
      'answers a list that is none',
      (fake) => (fake.instead = (path) => (path.includes('/tags/') ? { body: Buffer.from('<html>') } : undefined)),
      'no such list',
    ],
    [
      'lists a tag that cannot be one',
      (fake) => (fake.instead = (path) => (path.includes('/tags/') ? { body: Buffer.from('{"tags":["../x"]}') } : undefined)),
      'cannot be one',
    ],
    [
      'gives a manifest that is not what its digest says',
      (fake) => (fake.instead = (path) => (path.includes('/manifests/') ? { body: Buffer.from('{}') } : undefined)),
      'digest',
    ],
    [
      'gives a manifest of a kind that nobody knows',
      (fake) => (fake.instead = (path) => (path.includes('/manifests/') ? { headers: { 'content-type': 'text/html' } } : undefined)),
      'not known here',
    ],
    [
      'refuses',
      (fake) =>
        (fake.instead = () => {
          const facts = { kind: 'cloud.forbidden', code: 'DENIED', action: 'registry.Read', httpStatus: 403, retryable: false } as const
          throw new CloudError('Docker registry registry.test: the account is denied.', facts)
        }),
      'denied',
    ],
  ])('%s nothing is deployed, and that is said', async (_, break_, says) => {
    await tick()
    const event = push('1.1.0', 'two')
    break_(registry)
    const report = await told(event)
    expect(sentence(report, 'registry-unreadable')).toContain(says)
    expect(stage.patches()).toEqual([])
    registry.instead = undefined
    stage.settle(60_000)
    expect(saying(await tick(), 'Applied')).toEqual(['Applied newer-push'])
  })

  it('does not have the repository nothing is wanted', async () => {
    const other = settingsWith({ repository: 'team/none', adopt: true })
    expect(saying(await tick(other), 'Skipped')).toEqual(['Skipped no-tag'])
  })
})
