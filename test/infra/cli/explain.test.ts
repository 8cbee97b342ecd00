import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keepReferences } from '#functions/image-cleaner/reference-memory.ts'
import { recallCanaries } from '#functions/image-cleaner/run-memory.ts'
import { readImageQuery } from '#infra/cli/explain.ts'
import { useOf } from '../../functions/image-cleaner/fixtures.ts'
import { dayMs, type ImagePlatform, keeping, openImagePlatform } from './image-platform.ts'

let platform: ImagePlatform
const host = 'ccr.ccs.tencentyun.com'

beforeEach(async () => {
  platform = await openImagePlatform()
  for (const [index, tag] of ['v1', 'v2', 'v3', 'v4'].entries()) platform.push('shop/web', tag, 40 - index)
  platform.push('shop/web', 'stable', 38, { content: 'shop/web:v2' })
  platform.push('pay/ledger', 'v1', 90)
})

afterEach(async () => {
  await platform.close()
})

describe('longshore explain', () => {
  it('says of a tag that it is kept by a rule', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('explain', 'shop/web:v4')
    expect([ran.code, ran.err]).toEqual([0, ''])
    expect(ran.out.split('\n')).toEqual([
      'shop/web:v4 is kept',
      expect.stringMatching(/^ {2}content {3}sha256:[0-9a-f]{64}, 1\.0 KiB$/),
      expect.stringMatching(/^ {2}pushed {4}.* Asia\/Shanghai, number 1 of 4 by push time$/),
      '  policies  services',
      '  kept      services: number 1 of the newest 1 (those in use count, too) [kept-last]',
    ])
    expect(platform.writes()).toBe(0)
  })

  it('says which cluster and object asks for it, also for a tag that shares its content', async () => {
    platform.use('shop', 'shop/web:stable')
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('explain', `${host}/shop/web:v2`)
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(/^shop\/web:stable = v2 is kept, one content under 2 names, which stay or go together\n/)
    expect(ran.out).toContain('  in use    by Deployment prod/shop, container shop in harbour (cls-e0000001) (workload), seen now')
  })

  it('says that something was in use lately, as far as it is remembered', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    await platform.remembering(async (memory) => {
      const past = Date.now() - 5 * dayMs
      const references = [
        useOf('shop/web', { tag: 'v1' }, { cluster: 'cls-e0000001', object: 'Deployment prod/shop, container shop', seenMs: past }),
      ]
      const clusters = [{ id: 'cls-e0000001', references, pods: 0 }]
      await keepReferences(memory, { clusters, before: { clusters: [], references: [] }, keepMs: 30 * dayMs, now: past })
    })
    const ran = await platform.longshore('explain', 'shop/web:v1')
    expect(ran.out).toMatch(
      /^shop\/web:v1 is kept\n[\s\S]* {2}was used {2}by Deployment prod\/shop, container shop in harbour \(cls-e0000001\), last seen at /,
    )
  })

  it('names a place once that asks for an image and reports to run it', async () => {
    const { code, out } = await platform.longshore('explain', 'shop/storefront:latest', '--sandbox')
    const lines = out.split('\n').filter((line) => line.includes('in use'))
    const places = lines.map((line) => line.replace(/ \([a-z, -]+\), seen now$/, ''))
    expect([code, new Set(places).size]).toEqual([0, places.length])
    expect(lines.filter((line) => line.includes('(pod, pod-status)')).length).toBeGreaterThan(0)
  })

  it('says that a tag goes, and that another one waits for a cap or a canary', async () => {
    await platform.configure('plan', keeping({ last: 1 }, { caps: { perRun: 1 } }))
    expect((await platform.longshore('explain', 'shop/web:v1')).out).toMatch(
      /^shop\/web:v1 goes with the next run\n[\s\S]*\n {2}goes {6}pushed 40 days ago, not in use, and no rule of services keeps it \[expired\]$/,
    )
    expect((await platform.longshore('explain', 'shop/web:v3')).out).toMatch(
      /^shop\/web:v3 is kept by nothing, but does not go yet\n[\s\S]*\n {2}waits {5}at most 1 tags go in one run.* \[over-cap\]$/,
    )
    await platform.configure('plan', keeping({ last: 1 }, { canary: { enabled: true, amount: 1 } }))
    expect((await platform.longshore('explain', 'shop/web:v3')).out).toContain(
      'the policy services starts small, as it is new, was edited or had something brought back: 1 tag today, and the double tomorrow',
    )
    expect(await platform.remembering(recallCanaries)).toEqual({})
  })

  it('says that no policy is for it, that it is protected, and that a cluster which cannot be read freezes it', async () => {
    await platform.configure('plan', keeping({ last: 1 }, { protect: ['shop/*:v1'] }))
    expect((await platform.longshore('explain', 'pay/ledger')).out).toContain('no policy is for this repository [no-policy]')
    expect((await platform.longshore('explain', 'shop/web:v1')).out).toContain('v1 is on the list of protected images [protected]')
    platform.sandbox.faults.add({ fault: { kind: 'rbac-403' } })
    const ran = await platform.longshore('explain', 'shop/web:v1')
    expect(ran.code).toBe(0)
    expect(ran.out).toMatch(/never was, so it could use any image; nothing is removed \[cluster-unreadable\]/)
    expect(ran.err).toContain('harbour (cls-e0000001) cannot be read:')
  })

  it('shows all tags of a repository', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('explain', 'shop/web')
    expect(ran.out.split('\n').filter((line) => line.startsWith('shop/'))).toEqual(
      [
        'shop/web:v4 is kept',
        'shop/web:stable = v2 goes with the next run, one content under 2 names, which stay or go together',
        'shop/web:v3 goes with the next run',
        'shop/web:v1 goes with the next run',
      ].toSorted((one, other) => ran.out.indexOf(one) - ran.out.indexOf(other)),
    )
    expect(ran.out.split('\n').filter((line) => line.startsWith('shop/'))).toHaveLength(4)
  })

  it('finds a digest, whole or in part, in whatever repository', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    const digest = platform.sandbox.world.tcr.repositories['pay/ledger']?.tags.v1?.content.digest ?? ''
    for (const text of [digest, digest.slice('sha256:'.length, 'sha256:'.length + 12), `pay/ledger@${digest}`, `pay/ledger:any@${digest}`])
      expect(await platform.longshore('explain', text)).toMatchObject({ code: 0, out: expect.stringMatching(/^pay\/ledger:v1 is kept/) })
    expect(await platform.longshore('explain', `shop/web@${digest}`)).toMatchObject({ code: 1 })
    expect(await platform.longshore('explain', `sha256:${'0'.repeat(64)}`)).toMatchObject({
      code: 1,
      err: expect.stringContaining('No tag of this registry has the content'),
    })
  })

  it('as JSON says the same', async () => {
    platform.use('shop', 'shop/web:stable')
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('explain', 'shop/web:stable', '--json')
    expect(ran.code).toBe(0)
    const { matches, problems } = JSON.parse(ran.out)
    expect(problems).toEqual([])
    expect(matches).toMatchObject([
      {
        repository: 'shop/web',
        tags: [{ name: 'stable' }, { name: 'v2' }],
        verdict: 'kept',
        reasons: [{ code: 'referenced', text: expect.stringContaining('Deployment prod/shop') }],
        uses: expect.arrayContaining([
          expect.objectContaining({
            cluster: 'cls-e0000001',
            clusterName: 'harbour (cls-e0000001)',
            object: 'Deployment prod/shop, container shop',
            tag: 'stable',
            now: true,
          }),
        ]),
      },
    ])
  })

  it.each([
    ['shop/wbe:v1', 'There is no repository shop/wbe. Did you mean shop/web?'],
    ['shop/web:v11', 'shop/web has no tag v11. Did you mean v1'],
    ['registry.example/shop/web:v1', 'registry.example is not this registry, which is known as ccr.ccs.tencentyun.com'],
    ['nowhere/at-all', 'There is no repository nowhere/at-all.'],
  ])('an unknown image ends with 1 and what is like it: %s', async (image, text) => {
    await platform.configure('plan', keeping({ last: 1 }))
    const ran = await platform.longshore('explain', image)
    expect([ran.code, ran.out]).toEqual([1, ''])
    expect(ran.err).toContain(text)
  })

  it('says of a tag that was removed when that was, and how it comes back', async () => {
    await platform.configure('enforce', keeping({ last: 1 }))
    expect((await platform.longshore('start', '--once', '--config', 'longshore.yaml')).code).toBe(0)
    const ran = await platform.longshore('explain', 'shop/web:v1')
    expect(ran.code).toBe(1)
    expect(ran.err).toMatch(
      /The image cleaner removed it on \d{4}-\d\d-\d\d\.\nA copy is kept until .* Asia\/Shanghai: longshore restore shop\/web:v1$/,
    )
    const copy = platform.tags('ops/bin').find((name) => name.endsWith('-v1')) ?? ''
    expect((await platform.longshore('explain', `ops/bin:${copy}`)).err).toContain('is the copy of shop/web:v1, which was removed')
  })

  it('fails where the tags cannot be listed, and says so', async () => {
    await platform.configure('plan', keeping({ last: 1 }))
    platform.sandbox.faults.add({ match: { action: 'DescribeImagePersonal' }, fault: { kind: 'internal-error', when: 'before' } })
    const ran = await platform.longshore('explain', 'shop/web:v1')
    expect(ran.code).toBe(1)
    expect(ran.err).toMatch(/^shop\/web: its tags could not be read whole, so nothing is removed: /m)
    expect(ran.err).not.toContain('has no tag')
  })

  it.each([
    [[], 'name one image'],
    [['shop/web', 'shop/api'], 'name one image'],
    [['shop/web:'], 'is no image'],
    [['shop/web@md5:1'], 'digest such as sha256'],
    [['shop/web', '--jsno'], '--jsno'],
  ])('words that say something else are explained: %j', async (words, text) => {
    await platform.configure('plan', keeping({ last: 1 }))
    expect(await platform.longshore('explain', ...words)).toMatchObject({ code: 1, err: expect.stringContaining(text) })
  })
})

describe('what a person writes for an image', () => {
  it.each([
    ['shop/web', { kind: 'name', repository: 'shop/web' }],
    ['a/b/c:v1', { kind: 'name', repository: 'a/b/c', tag: 'v1' }],
    ['CCR.ccs.tencentyun.com/shop/web', { kind: 'name', repository: 'shop/web' }],
    ['localhost:5000/shop/web:v1', { kind: 'name', repository: 'shop/web', tag: 'v1', foreignHost: 'localhost:5000' }],
    [`docker-pullable://${host}/shop/web@sha256:0123456789ab`, { kind: 'name', repository: 'shop/web', digest: 'sha256:0123456789ab' }],
    ['sha256:0123456789ab', { kind: 'digest', digest: 'sha256:0123456789ab' }],
    ['0123456789ab', { kind: 'digest', digest: 'sha256:0123456789ab' }],
  ])('%s', (text, query) => {
    expect(readImageQuery(text, [host])).toEqual(query)
  })
})
