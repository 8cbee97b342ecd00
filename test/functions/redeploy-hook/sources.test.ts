import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { contentOf, type SourceReading } from '#functions/redeploy-hook/source-reading.ts'
import { SourceSettings, Sources } from '#functions/redeploy-hook/source-settings.ts'
import { contentOfRequest, readers, sourcesOf } from '#functions/redeploy-hook/webhook-sources.ts'
import type { WebhookContent, WebhookEvent } from '#shared/runtime/webhook-definition.ts'
import { type HookStage, openHookStage, requestIn } from './hook-stage.ts'

interface Recording {
  readonly steps: readonly {
    readonly step: string
    readonly deliveries: readonly {
      readonly answered: number
      readonly headers: Record<string, string>
      readonly body: { readonly events: readonly Record<string, unknown>[] }
    }[]
  }[]
}

/** What a registry really sent, while somebody pushed, pulled and deleted. */
const recording: Recording = JSON.parse(readFileSync(new URL('../../payloads/registry-notification.json', import.meta.url), 'utf8'))

function deliveriesOf(step: string): Recording['steps'][number]['deliveries'] {
  const found = recording.steps.find((one) => one.step.startsWith(step))
  if (found === undefined) throw new Error(`nothing was recorded of "${step}"`)
  return found.deliveries
}

const bytes = (content: unknown): Buffer => Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))

function reading(kind: keyof typeof readers, content: unknown, headers: Record<string, string> = {}): SourceReading {
  const read = readers[kind](bytes(content), headers)
  if (!read.ok) throw new Error(read.error)
  return read.value
}

const refusal = (kind: keyof typeof readers, content: unknown): string | undefined => {
  const read = readers[kind](bytes(content), {})
  return read.ok ? undefined : read.error
}

const named = ({ pushes }: SourceReading): string[] => pushes.map(({ hint: { repository, tag } }) => `${repository}:${tag}`)
const codes = ({ passedOver }: SourceReading): string[] => passedOver.map(({ code }) => code)

function eventsOf(content: WebhookContent): readonly WebhookEvent[] {
  if (!content.ok) throw new Error(content.why)
  for (const { payload } of content.events) z.parse(HookEvent, payload)
  return content.events
}

describe('a real registry', () => {
  it.each([
    ['push by tag 1.0.0', ['team/web:1.0.0']],
    ['re-push of the same digest under another tag', ['team/web:stable']],
    ['re-push of the identical', ['team/web:1.0.0']],
    ['move tag stable', ['team/web:stable']],
    ['push as docker schema2', ['team/web:docker']],
    ['multi-arch index push', ['team/web:2.0.0']],
    ['push by digest only', []],
    ['pull (GET', []],
    ['head (HEAD', []],
    ['delete manifest by digest', []],
    ['delete via skopeo', []],
    ['re-push after delete', ['team/web:stable']],
    ['cross-repo copy', ['team/web2:1.0.0']],
  ])('%s', (step, pushed) => {
    const deliveries = deliveriesOf(step)
    expect(deliveries.length).toBeGreaterThan(0)
    expect(deliveries.flatMap(({ body }) => named(reading('distribution', body)))).toEqual(pushed)
  })

  it('says digest, time and host of what was pushed', () => {
    const [delivery] = deliveriesOf('push by tag 1.0.0')
    expect(reading('distribution', delivery?.body).pushes).toEqual([
      {
        hint: {
          repository: 'team/web',
          host: '127.0.0.1:15000',
          tag: '1.0.0',
          digest: 'sha256:121fd9c75ca302cc150578c633e0a1e17914605a5c1d4a11564b72ec0f8899b7',
          pushedMs: Date.parse('2026-11-24T00:21:37.920Z'),
        },
        identity: '2026-11-24T00:21:37.920515244Z',
      },
    ])
  })

  it('that tries again is recognised by what it sends', () => {
    const deliveries = deliveriesOf('receiver is down')
    expect(deliveries.map(({ answered }) => answered)).toEqual([500, 500, 200])
    const ids = deliveries.map(({ body }) => eventsOf(contentOf('registry', reading('distribution', body))).map(({ id }) => id))
    expect(new Set(ids.map(String)).size).toBe(1)
  })

  it('gives each push an event of its own, also one of the same tag and digest', () => {
    const all = recording.steps
      .filter(({ step }) => !step.startsWith('receiver is down'))
      .flatMap(({ deliveries }) => deliveries.flatMap(({ body }) => eventsOf(contentOf('registry', reading('distribution', body)))))
    expect(all).toHaveLength(8)
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  })
})

describe('an envelope', () => {
  const push = (): Record<string, unknown> =>
    structuredClone(deliveriesOf('push by tag 1.0.0')[0]?.body.events[0]) as Record<string, unknown>
  const target = (event: Record<string, unknown>): Record<string, unknown> => event.target as Record<string, unknown>
  const changed = (change: (event: Record<string, unknown>) => void): Record<string, unknown> => {
    const event = push()
    change(event)
    return event
  }

  it('with pulls, layers, mounts and deletions in it comes to its pushes of tags, whatever their order', () => {
    const { body } = requestIn('mixed')
    const { events } = JSON.parse(body.toString()) as { events: unknown[] }
    fc.assert(
      fc.property(fc.shuffledSubarray(events, { minLength: events.length }), (shuffled) => {
        const read = reading('distribution', { events: shuffled })
        expect(named(read).toSorted()).toEqual(['team/web2:1.0.0', 'team/web:1.0.0'])
        expect(codes(read).toSorted()).toEqual(['no-manifest', 'no-push', 'no-push', 'no-push'])
      }),
      { seed: 6, numRuns: 50 },
    )
  })

  it('of a push of several platforms comes to its tag alone: child manifests do nothing by themselves', () => {
    const read = reading('distribution', JSON.parse(requestIn('multi-arch').body.toString()))
    expect(named(read)).toEqual(['team/web:2.0.0'])
    expect(codes(read)).toEqual(['child-manifest', 'child-manifest'])
  })

  it('reads all kinds of manifests, and nothing else', () => {
    for (const [mediaType, isRead] of [
      ['application/vnd.oci.image.manifest.v1+json', true],
      ['application/vnd.oci.image.index.v1+json', true],
      ['application/vnd.docker.distribution.manifest.v2+json', true],
      ['application/vnd.docker.distribution.manifest.list.v2+json', true],
      ['application/vnd.docker.distribution.manifest.v1+json', true],
      ['application/vnd.docker.distribution.manifest.v1+prettyjws', true],
      ['application/octet-stream', false],
      ['application/vnd.docker.container.image.rootfs.diff+x-gtar', false],
      ['application/vnd.oci.image.layer.v1.tar+gzip', false],
      [undefined, false],
    ] as const) {
      const read = reading('distribution', { events: [changed((event) => Object.assign(target(event), { mediaType }))] })
      expect(read.pushes, String(mediaType)).toHaveLength(isRead ? 1 : 0)
    }
  })

  it('does not lose a good push beside one that cannot be read', () => {
    const broken = [
      null,
      'push',
      {},
      { action: 'push' },
      changed((event) => delete event.timestamp),
      changed((event) => Object.assign(event, { timestamp: 'yesterday' })),
      changed((event) => Object.assign(event, { timestamp: '0001-01-01T00:00:00Z' })),
      changed((event) => delete target(event).repository),
      changed((event) => Object.assign(target(event), { repository: '../../etc' })),
      changed((event) => Object.assign(target(event), { repository: 'host:5000/team/web' })),
      changed((event) => Object.assign(target(event), { tag: 'a b' })),
      changed((event) => Object.assign(target(event), { tag: 'x'.repeat(129) })),
      changed((event) => Object.assign(target(event), { digest: 'sha256:short' })),
      changed((event) => Object.assign(target(event), { digest: undefined })),
    ]
    const read = reading('distribution', { events: [...broken, push()] })
    expect(named(read)).toEqual(['team/web:1.0.0'])
    expect(codes(read)).toEqual(broken.map(() => 'unreadable-event'))
    expect(read.passedOver.every(({ isFault }) => isFault === true)).toBe(true)
  })

  it('may leave out who asked for it, and a host that is none', () => {
    for (const request of [undefined, {}, { host: '' }, { host: 'a b/c' }, { host: 'registry' }]) {
      const [first] = reading('distribution', { events: [changed((event) => Object.assign(event, { request }))] }).pushes
      expect(first?.hint).not.toHaveProperty('host')
    }
  })
})

describe('Harbor', () => {
  const body = (name: string) => JSON.parse(requestIn(name).body.toString())

  it('says the same in both of its formats', () => {
    const [one] = reading('harbor', body('harbor')).pushes
    const [other] = reading('harbor', body('harbor-cloudevents')).pushes
    expect(one?.hint).toEqual({
      repository: 'team/web',
      tag: '1.0.1',
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      pushedMs: Date.parse('2026-11-24T00:21:38Z'),
      host: 'harbor.example.com',
    })
    expect(other?.hint).toEqual(one?.hint)
  })

  it('that puts the digest where there is no tag has pushed no tag', () => {
    const read = reading('harbor', body('harbor-untagged'))
    expect([named(read), codes(read)]).toEqual([[], ['child-manifest']])
  })

  it('makes one event of 14 identical calls, and of a CloudEvent whose id is another each time', () => {
    const ids = (kind: string): Set<string> =>
      new Set(
        Array.from({ length: 14 }, (_, index) => ({ ...body(kind), id: `other-${index}`, requestid: `other-${index}` })).flatMap(
          (content) => eventsOf(contentOf('harbor', reading('harbor', content))).map(({ id }) => id),
        ),
      )
    expect(ids('harbor').size).toBe(1)
    expect(ids('harbor-cloudevents').size).toBe(1)
  })

  it('passes over what is no push', () => {
    for (const type of [
      'PULL_ARTIFACT',
      'DELETE_ARTIFACT',
      'SCANNING_COMPLETED',
      'QUOTA_EXCEED',
      'harbor.artifact.pulled',
      'TEST',
      'pushImage',
    ]) {
      expect(codes(reading('harbor', { ...body('harbor'), type }))).toEqual(['no-push'])
    }
    expect(named(reading('harbor', { ...body('harbor-cloudevents'), type: 'harbor.tag.created' }))).toEqual(['team/web:1.0.1'])
  })

  it('says what does not fit, and nothing of what stands there', () => {
    expect(refusal('harbor', {})).toBe('the body must be a webhook of Harbor, in its default format or as a CloudEvent; type does not fit')
    expect(refusal('harbor', { ...body('harbor'), occur_at: 'soon' })).toMatch(/; occur_at does not fit$/)
    expect(refusal('harbor', { ...body('harbor-cloudevents'), time: 'soon' })).toMatch(/; time does not fit$/)
    const content = body('harbor')
    content.event_data.repository.repo_full_name = '<script>'
    expect(refusal('harbor', content)).toMatch(/; event_data\.repository\.repo_full_name does not fit$/)
  })

  it('takes a tag without its digest, and passes over what is no tag', () => {
    const content = body('harbor')
    content.event_data.resources = [{ tag: '1.0.2' }, { tag: 'not a tag' }, {}, { tag: '' }]
    const read = reading('harbor', content)
    expect(named(read)).toEqual(['team/web:1.0.2'])
    expect(codes(read)).toEqual(['unreadable-event', 'child-manifest', 'child-manifest'])
  })
})

describe('TCR Enterprise', () => {
  const content = () => JSON.parse(requestIn('tcr-enterprise').body.toString())

  it('says what was pushed', () => {
    const [push] = reading('tcr-enterprise', content()).pushes
    expect(push?.hint).toMatchObject({ repository: 'team/web', tag: '1.0.1', host: 'example-tcr.tencentcloudcr.com' })
  })

  it('passes over charts, pulls and deletions', () => {
    for (const type of ['pullImage', 'deleteImage', 'chartPush', 'chartPull', 'chartDelete']) {
      expect(codes(reading('tcr-enterprise', { ...content(), type }))).toEqual(['no-push'])
    }
  })
})

describe('Docker Hub', () => {
  let stage: HookStage
  beforeEach(async () => {
    stage = await openHookStage()
  })
  afterEach(async () => {
    await stage.close()
  })

  it('calls six times for one push of several platforms, which is one event', async () => {
    const { body, ...rest } = requestIn('docker-hub')
    const answers = new Set<string>()
    for (let call = 0; call < 6; call += 1) {
      const content = { ...JSON.parse(body.toString()), callback_url: `https://registry.hub.docker.com/u/team/web/hook/${call}/` }
      const { status, text } = await stage.send({ ...rest, body: bytes(content) })
      answers.add(`${status} ${text}`)
    }
    expect(answers.size).toBe(1)
    const worked = await stage.worked()
    expect(worked.map(({ payload }) => payload)).toEqual([
      {
        kind: 'push',
        repository: 'team/web',
        hints: [{ source: 'hub', repository: 'team/web', tag: '1.0.1', host: 'docker.io', pushedMs: Date.parse('2026-11-24T00:21:38Z') }],
      },
    ])
  })

  it('writes whole seconds as fractions now and then', () => {
    expect(named(reading('docker-hub', requestIn('docker-hub').body.toString().replace('1795479698', '1.795479698e+09')))).toEqual([
      'team/web:1.0.1',
    ])
  })

  it('says nothing without a tag or a time', () => {
    const content = JSON.parse(requestIn('docker-hub').body.toString())
    expect(refusal('docker-hub', { ...content, push_data: {} })).toMatch(/push_data\.(pushed_at|tag) does not fit/)
    expect(refusal('docker-hub', { ...content, repository: { repo_name: 'http://evil/x' } })).toMatch(/repository\.repo_name does not fit/)
  })
})

describe('a signed push', () => {
  const headers = { 'webhook-id': 'msg_1' }
  const push = { repository: 'team/web', tag: '1.0.1' }

  it('is what its body says, with digest and time where they are given', () => {
    expect(reading('signed', push, headers).pushes).toEqual([{ hint: push, identity: 'msg_1 ' }])
    const digest = `sha256:${'a'.repeat(64)}`
    expect(reading('signed', { ...push, digest, pushedAt: '2026-11-24T08:21:38+08:00' }, headers).pushes[0]?.hint).toEqual({
      ...push,
      digest,
      pushedMs: Date.parse('2026-11-24T00:21:38Z'),
    })
  })

  it('is another event with another id or another content, and the same with both the same', () => {
    const id = (content: object, webhookId: string) =>
      eventsOf(contentOf('ci', reading('signed', content, { 'webhook-id': webhookId }))).map((event) => event.id)
    expect(id(push, 'a')).toEqual(id({ tag: '1.0.1', repository: 'team/web' }, 'a'))
    const all = [id(push, 'a'), id(push, 'b'), id({ ...push, tag: '1.0.2' }, 'a'), id({ ...push, pushedAt: '2026-11-24T00:21:38Z' }, 'a')]
    expect(new Set(all.map(String)).size).toBe(4)
  })

  it('is refused with a key too many, or with something that is no tag', () => {
    for (const content of [
      { ...push, digets: 'x' },
      { ...push, tag: '' },
      { ...push, tag: 'a:b' },
      { ...push, repository: 'Team/Web' },
      { ...push, digest: 'latest' },
      { ...push, pushedAt: '2026-11-24' },
      { repository: 'team/web' },
      [push],
      null,
    ]) {
      expect(refusal('signed', content)).toMatch(/^the body must be \{"repository"/)
    }
  })
})

describe('the events of a request', () => {
  const push = (repository: string, tag: string, pushedMs: number) => ({ hint: { repository, tag, pushedMs }, identity: String(pushedMs) })

  it('are one for each repository, with the newest push of each tag', () => {
    const pushes = [push('b', 'x', 1), push('a', 'x', 3), push('a', 'y', 1), push('a', 'x', 2), push('a', 'x', 3)]
    const events = eventsOf(contentOf('registry', { pushes, passedOver: [] }))
    expect(events.map(({ group }) => group)).toEqual(['b', 'a'])
    expect(events[1]?.payload).toEqual({
      kind: 'push',
      repository: 'a',
      hints: [
        { source: 'registry', repository: 'a', tag: 'x', pushedMs: 3 },
        { source: 'registry', repository: 'a', tag: 'y', pushedMs: 1 },
      ],
    })
  })

  it('have the same ids in whatever order the pushes stand', () => {
    const pushes = [push('a', 'x', 1), push('a', 'y', 2), push('b', 'z', 3)]
    const ids = (order: typeof pushes) =>
      eventsOf(contentOf('registry', { pushes: order, passedOver: [] }))
        .map(({ id }) => id)
        .toSorted()
    fc.assert(
      fc.property(fc.shuffledSubarray(pushes, { minLength: 3 }), (order) => {
        expect(ids(order)).toEqual(ids(pushes))
      }),
      { seed: 2, numRuns: 20 },
    )
  })

  it('do not depend on what only looks alike', () => {
    const ids = [push('a', 'x', 1), push('a', 'x', 2), push('a', 'x1', 1), push('ax', '1', 1)].flatMap((one) =>
      eventsOf(contentOf('registry', { pushes: [one], passedOver: [] })).map(({ id }) => id),
    )
    expect(new Set(ids).size).toBe(4)
    const digests = ['a', 'b'].map((digit) => {
      const { hint, identity } = push('a', 'x', 1)
      return eventsOf(
        contentOf('x', { pushes: [{ hint: { ...hint, digest: `sha256:${digit.repeat(64)}` }, identity }], passedOver: [] }),
      )[0]?.id
    })
    expect(new Set(digests).size).toBe(2)
  })
})

describe('whatever bytes come', () => {
  it('no source throws, and none makes an event that the queue could not read', () => {
    const texts = ['mixed', 'harbor', 'harbor-cloudevents', 'tcr-enterprise', 'docker-hub', 'signed'].map((name) =>
      requestIn(name).body.toString(),
    )
    const kinds = Object.keys(readers) as (keyof typeof readers)[]
    // A body that is right, with a piece of it replaced by something else.
    const mutated = fc
      .record({
        text: fc.constantFrom(...texts),
        at: fc.nat(3000),
        drop: fc.nat(40),
        put: fc.constantFrom('', 'null', '0', '"', '{}', '[]', '\\u0000', '-1e400', 'ÿ'),
      })
      .map(({ text, at, drop, put }) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + drop))
    let refused = 0
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.oneof(mutated, fc.json()), (kind, text) => {
        const read = readers[kind](Buffer.from(text), { 'webhook-id': 'x' })
        if (read.ok) eventsOf(contentOf('x', read.value))
        else refused += 1
      }),
      { seed: 11, numRuns: 3000 },
    )
    expect(refused).toBeGreaterThan(500)
  })
})

describe('a request that is tried out', () => {
  const sources = z.parse(Sources, { registry: { kind: 'distribution' }, hub: { kind: 'docker-hub' } })
  const ask = (name: string, path = requestIn(name).path) => contentOfRequest({ sources }, { ...requestIn(name), path })

  it('comes to what it would come to if it were genuine, without any secret', () => {
    expect(ask('invalid-secret')).toMatchObject({ source: 'registry', content: { ok: true, events: [{ group: 'team/web' }] } })
    expect(ask('docker-hub')).toMatchObject({ source: 'hub', content: { ok: true, events: [{ group: 'team/web' }] } })
    expect(ask('invalid')).toMatchObject({ source: 'registry', content: { ok: false } })
  })

  it('comes to nothing at an address of no source', () => {
    for (const path of [
      '/hooks/redeploy-hook/nobody',
      '/hooks/redeploy-hook/constructor',
      '/hooks/alarm-scaler/registry',
      '/',
      requestIn('approval').path,
    ]) {
      expect(ask('base', path), path).toBeUndefined()
    }
  })
})

describe('the settings of sources', () => {
  it('give each its own address, and refuse what would not be one', () => {
    const sources = Object.fromEntries(
      (['distribution', 'harbor', 'tcr-enterprise', 'docker-hub', 'signed'] as const).map((kind) => [
        kind,
        z.parse(SourceSettings, { kind }),
      ]),
    )
    expect(sourcesOf({ sources }).map(({ path }) => path)).toEqual([
      '/hooks/redeploy-hook/distribution',
      '/hooks/redeploy-hook/harbor',
      '/hooks/redeploy-hook/tcr-enterprise',
      '/hooks/redeploy-hook/docker-hub/{secret}',
      '/hooks/redeploy-hook/signed',
    ])
    expect(sourcesOf({ sources: {}, approval: { secret: 'env:X' } }).map(({ path }) => path)).toEqual([
      '/hooks/redeploy-hook/approve/{token}',
    ])
    expect(z.safeParse(SourceSettings, { kind: 'signed', header: 'x' }).success).toBe(false)
    expect(z.safeParse(SourceSettings, { kind: 'distribution', header: 'no header' }).success).toBe(false)
    expect(z.safeParse(SourceSettings, { kind: 'distribution', secrets: ['the secret itself'] }).success).toBe(false)
  })
})
