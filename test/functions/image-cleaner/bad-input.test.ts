import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { definition } from '#functions/image-cleaner/definition.ts'
import { Settings } from '#functions/image-cleaner/event.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { interfering } from './interfering.ts'
import { clusterA, freely, hourMs, image, openStage, type SettingsInput, type Stage, saying, sentence } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
  for (let index = 1; index <= 3; index += 1) stage.push('shop/web', `v${index}`, 100 - index)
})

afterEach(async () => {
  expect(stage.writes()).toEqual([])
  expect(stage.tags('shop/web').filter((tag) => /^v[123]$/.test(tag))).toEqual(['v1', 'v2', 'v3'])
  await stage.close()
})

const policy = (keep: object, more: object = {}): SettingsInput =>
  freely({}, { policies: [{ name: 'web', repositories: ['shop/*'], keep, ...more }] })

describe('a configuration that cannot be meant is refused before anything is called', () => {
  it.for([
    ['an empty pattern', policy({ pattern: '' }), /pattern/],
    ['keeping the last none', policy({ last: 0 }), /last/],
    ['keeping no days', policy({ days: 0 }), /days/],
    ['a misspelt rule', policy({ lasts: 3 }), /lasts.*last/s],
    ['a misspelt setting', { ...freely({ last: 1 }), quarantin: {} } as SettingsInput, /quarantin/],
    ['a protected tag that is none', policy({ protected: ['no tag'] }), /must be the name of a tag/],
    [
      'two policies of one name',
      freely({}, { policies: [policy({ last: 1 }), policy({ last: 2 })].flatMap(({ policies = [] }) => policies) }),
      /two policies have the same name/,
    ],
  ] as const)('%s', async ([, settings, text]) => {
    await expect(stage.run(settings)).rejects.toThrow(text)
    expect(stage.journal).toEqual([])
  })

  const patterns = [
    ['an invalid regular expression', 'v(\\d+', /is no regular expression that can be used here/],
    ['look-ahead', '(?=v).*', /looks around, which RE2 does not do/],
    ['look-behind', '(?<!rc-)v.*', /looks around, which RE2 does not do/],
    ['a back-reference', '(v)\\1', /refers back to a group/],
  ] as const

  it.for(patterns)('%s, by a run that fails and calls nothing', async ([, pattern, text]) => {
    const report = await stage.run(policy({ pattern }))
    expect(report).toMatchObject({ decisions: [], failure: { code: 'image-cleaner.pattern-invalid' } })
    expect(report.failure?.text).toMatch(text)
    expect(stage.journal).toEqual([])
  })

  it.for([
    ...patterns.map(([name, pattern, text]) => [name, policy({ pattern }), 'policies[0].keep.pattern', text] as const),
    [
      'a pattern that matches every production tag and all others',
      policy({ last: 1, pattern: '.*' }),
      'policies[0].keep.pattern',
      /keeps every tag/,
    ],
    ['a glob that matches every tag', policy({ tags: ['release-*', '**'] }), 'policies[0].keep.tags[1]', /keeps every tag/],
    ['a policy without rules', policy({}), 'policies[0].keep', /web has no rule, so it keeps everything/],
    [
      'a list of protected images that holds everything',
      freely({ last: 1 }, { protect: ['x/*:y', '**'] }),
      'protect[1]',
      /protects every image/,
    ],
    [
      'a quarantine that a policy cleans',
      freely({ last: 1 }, { quarantine: { repository: 'shop/bin' } }),
      'quarantine.repository',
      /the policy all is for the quarantine itself/,
    ],
    [
      'a clean-up of all repositories that would clean the quarantine',
      freely(
        { last: 1 },
        {
          quarantine: { repository: 'quarantine/bin' },
          lifecycle: { global: { type: 'keep_last_nums', value: 9 }, repositories: [{ name: 'quarantine/bin', policy: 'none' }] },
        },
      ),
      'lifecycle.global',
      /would also clean the quarantine/,
    ],
  ] as const)('%s, by `longshore validate`', async ([, settings, path, text]) => {
    const problems = await definition.problems?.({
      mode: 'plan',
      region: '',
      clusters: [{ id: clusterA }],
      settings: Settings.parse(settings),
    })
    expect(problems).toMatchObject([{ path, text: expect.stringMatching(text) }])
  })

  it('policies without any cluster: nobody knows what is in use', async () => {
    const problems = await definition.problems?.({ mode: 'plan', region: '', clusters: [], settings: Settings.parse(freely({ last: 1 })) })
    expect(problems).toMatchObject([{ path: 'policies', text: expect.stringMatching(/no cluster is configured/) }])
    expect(sentence(await stage.run(freely({ last: 1 }), { clusters: [] }), 'references-incomplete')).toContain('no cluster is configured')
  })
})

describe('a rule that is for nothing here removes nothing, and that is said', () => {
  it('a pattern that matches every tag keeps every tag', async () => {
    const report = await stage.run(policy({ pattern: '.*' }))
    expect(sentence(report, 'kept')).toContain('3 of 3 tags are kept')
  })

  it('a pattern that matches none', async () => {
    expect(sentence(await stage.run(policy({ pattern: 'release-.*' })), 'policy-matches-nothing')).toContain(
      'no rule of web matches any tag',
    )
  })

  it('a policy without rules', async () => {
    expect(saying(await stage.run(policy({})), 'Invalid')).toEqual(['Invalid policy-empty'])
  })

  it.for(['shop/wbe', 'nowhere/**'])('the unknown repository or namespace %s', async (glob) => {
    const report = await stage.run(freely({}, { policies: [{ name: 'web', repositories: [glob], keep: { last: 1 } }] }))
    expect(saying(report, 'Invalid')).toEqual(['Invalid policy-for-nothing'])
    expect(sentence(report, 'policy-for-nothing')).toContain(`web: none of the registry's 1 repositories is one of ${glob}`)
  })

  it('an unknown repository among those whose clean-up the registry is to do', async () => {
    const lifecycle = { repositories: [{ name: 'shop/wbe', policy: { type: 'keep_last_nums', value: 10 } as const }] }
    const report = await stage.run(freely({ last: 3 }, { lifecycle }))
    expect(saying(report, 'Invalid')).toEqual(['Invalid repository-unknown'])
    expect(sentence(report, 'repository-unknown')).toContain('shop/wbe')
  })
})

describe('what answers wrongly', () => {
  it('a cluster without permission for one kind', async () => {
    stage.world.kubernetes[clusterA]?.rbac.deny.push({ verb: 'list', group: 'apps', resource: 'statefulsets' })
    const report = await stage.run(freely({ last: 1 }))
    expect(sentence(report, 'cluster-unreadable')).toContain('statefulsets')
  })

  it('a cluster that does not exist', async () => {
    const report = await stage.run(freely({ last: 1 }), { clusters: [{ id: clusterA }, { id: 'cls-zzzzzzzz' }] })
    expect(saying(report, 'Held')).toContain('Held cluster-unreadable')
  })

  it('all clusters without permission end the run as a failed one', async () => {
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { service: 'tke' } })
    expect((await stage.run(freely({ last: 1 }))).failure).toBeDefined()
  })

  const garbage = [
    ['a row without its name', (row: object) => ({ ...row, TagName: undefined })],
    ['a row without a content', (row: object) => ({ ...row, TagId: '' })],
    ['a push time that is none', (row: object) => ({ ...row, PushTime: '0001-13-01 00:00:00' })],
    ['a push time with another form', (row: object) => ({ ...row, PushTime: '2026-11-01T00:00:00Z' })],
  ] as const

  describe('a registry that answers garbage in page 7 of 20', () => {
    beforeEach(() => {
      for (let index = 0; index < 1950; index += 1) stage.push('shop/web', `build-${index}`, 50, { content: `build ${index}` })
    })

    it.for(garbage)('%s', async ([, change]) => {
      const cloud = interfering(stage.cloud, {
        answer: ({ action, nth }, answer) => {
          if (action !== 'DescribeImagePersonal' || nth !== 7) return answer
          const { Data } = answer as { readonly Data: { readonly TagInfo: readonly object[] } }
          return { ...answer, Data: { ...Data, TagInfo: Data.TagInfo.map((row, index) => (index === 50 ? change(row) : row)) } }
        },
      })
      const report = await stage.run(freely({ last: 1 }), { cloud })
      expect(sentence(report, 'repository-incomplete')).toContain('shop/web')
      expect(stage.tags('shop/web')).toHaveLength(1953)
    })

    it.for([
      ['a gateway page', { kind: '5xx', status: 502, when: 'before' }],
      ['half an answer', { kind: 'truncated-body' }],
      ['an error of the platform', { kind: 'internal-error', when: 'before' }],
    ] as const)('%s', async ([, fault]) => {
      stage.faults.add({ fault, match: { action: 'DescribeImagePersonal' }, after: 6 })
      const report = await stage.run(freely({ last: 1 }))
      expect(sentence(report, 'repository-incomplete')).toContain('DescribeImagePersonal')
      expect(stage.tags('shop/web')).toHaveLength(1953)
    })
  })

  it('a memory that cannot be understood', async () => {
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('shop/web', 'v1') }))
    await stage.run(freely({ last: 3 }))
    stage.pass(24 * hourMs)
    const { openMemoryStore } = await import('#shared/safety/store-memory.ts')
    const store = openMemoryStore(stage.disk)
    const at = { now: stage.now(), when: 'any' } as const
    await store.put({ partition: 'memory/image-cleaner', sort: encodeURIComponent(`used/${clusterA}/all`) }, { value: { format: 2 } }, at)
    const report = await stage.run(freely({ last: 1 }))
    expect(report.failure?.text).toContain('cannot be understood')
  })
})
