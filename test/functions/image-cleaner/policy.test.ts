import { describe, expect, it } from 'vitest'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import type { JudgeFacts } from '#functions/image-cleaner/policy.ts'
import { expiredTexts, judgeRepository, type RepositoryVerdict } from '#functions/image-cleaner/policy.ts'
import { keeping, now, settingsOf, tagOf, useOf } from './fixtures.ts'

const name = 'shop/web'

function judge(tags: readonly ObservedTag[], facts: Partial<JudgeFacts>): RepositoryVerdict {
  return judgeRepository({ repository: { name, tags }, references: [], settings: keeping({ last: 1 }), now, ...facts })
}

function removed(verdict: RepositoryVerdict): string[] {
  return verdict.contents
    .filter(({ keeps }) => keeps.length === 0)
    .flatMap(({ content }) => content.tags.map((tag) => tag.name))
    .toSorted()
}

function codesOf(verdict: RepositoryVerdict, tag: string): string[] {
  const found = verdict.contents.find(({ content }) => content.tags.some((one) => one.name === tag))
  return (found?.keeps ?? []).map(({ code }) => code)
}

const releases = [tagOf('v3', 1), tagOf('v2', 10), tagOf('v1', 100)]

describe('keep wins', () => {
  it('removes what no rule keeps and says when it was pushed', () => {
    const settings = keeping({ last: 1 })
    const verdict = judge(releases, { settings })
    expect(removed(verdict)).toEqual(['v1', 'v2'])
    const [text] = verdict.contents.slice(-1).map(({ content }) => expiredTexts(settings.policies, now)(content))
    expect(text).toContain('100 days ago')
  })

  it('keeps what any policy for the repository keeps', () => {
    const settings = settingsOf({
      policies: [
        { name: 'few', repositories: ['shop/*'], keep: { last: 1 } },
        { name: 'old', repositories: ['**'], keep: { tags: ['v1'] } },
      ],
    })
    expect(removed(judge(releases, { settings }))).toEqual(['v2'])
  })

  it('a policy that is paused removes nothing by itself, and what its rules keep stays kept', () => {
    const policies = (paused: boolean) =>
      settingsOf({
        policies: [
          { name: 'few', repositories: ['shop/*'], keep: { last: 1 } },
          { name: 'old', repositories: ['**'], keep: { tags: ['v1'] }, paused },
        ],
      })
    expect(removed(judge(releases, { settings: policies(true) }))).toEqual(removed(judge(releases, { settings: policies(false) })))
    const only = settingsOf({ policies: [{ name: 'few', repositories: ['shop/*'], keep: { last: 1 }, paused: true }] })
    expect([removed(judge(releases, { settings: only })), judge(releases, { settings: only }).whole?.code]).toEqual([[], 'policy-paused'])
    // Its matches do not make the others to be meant for the repository.
    const other = settingsOf({
      policies: [
        { name: 'few', repositories: ['shop/*'], keep: { tags: ['release-*'] } },
        { name: 'old', repositories: ['**'], keep: { tags: ['v1'] }, paused: true },
      ],
    })
    expect(judge(releases, { settings: other }).whole).toMatchObject({
      code: 'policy-matches-nothing',
      text: 'no rule of few matches any tag of it, so they were not written for it and nothing is removed',
    })
  })

  it('counts contents in use among the last N, and says so', () => {
    const verdict = judge(releases, { settings: keeping({ last: 2 }), references: [useOf(name, { tag: 'v3' })] })
    expect(removed(verdict)).toEqual(['v1'])
    expect(verdict.contents[1]?.keeps[0]?.text).toContain('those in use count, too')
  })

  it('keeps by days from the push, to the very millisecond', () => {
    const at = (extra: number) => tagOf('edge', 0, { pushedMs: now - 7 * 86_400_000 - extra })
    expect(removed(judge([at(0), tagOf('new', 1)], { settings: keeping({ days: 7 }) }))).toEqual([])
    expect(removed(judge([at(1), tagOf('new', 1)], { settings: keeping({ days: 7 }) }))).toEqual(['edge'])
  })

  it('keeps by glob, by pattern and by name', () => {
    const tags = [tagOf('release-1', 50), tagOf('x-1', 60, { patterns: ['^x-\\d$'] }), tagOf('stable', 70), tagOf('junk', 80)]
    const verdict = judge(tags, { settings: keeping({ tags: ['release-*'], pattern: '^x-\\d$', protected: ['stable'] }) })
    expect(removed(verdict)).toEqual(['junk'])
    expect(codesOf(verdict, 'release-1')).toEqual(['kept-tag'])
    expect(codesOf(verdict, 'x-1')).toEqual(['kept-pattern'])
    expect(codesOf(verdict, 'stable')).toEqual(['kept-protected'])
  })

  it('keeps the newest versions of each line, by version and not by push time', () => {
    const tags = [tagOf('v1.0.9', 1), tagOf('v1.0.10', 90), tagOf('v1.1.0', 80), tagOf('v1.1.1-rc.1', 2), tagOf('v2.0.0', 70)]
    expect(removed(judge(tags, { settings: keeping({ semver: { newest: 1, per: 'minor' } }) }))).toEqual(['v1.0.9', 'v1.1.1-rc.1'])
    expect(removed(judge(tags, { settings: keeping({ semver: { newest: 1, per: 'major' } }) }))).toEqual([
      'v1.0.10',
      'v1.0.9',
      'v1.1.1-rc.1',
    ])
    expect(removed(judge(tags, { settings: keeping({ semver: { newest: 1, per: 'all' } }) }))).toEqual([
      'v1.0.10',
      'v1.0.9',
      'v1.1.0',
      'v1.1.1-rc.1',
    ])
  })

  it('gives one place of a line to a version that has two tags', () => {
    const old = tagOf('1.0.0', 9)
    const tags = [tagOf('v1.0.1', 5), tagOf('1.0.1', 5), old]
    const [first] = tags
    const same = [first, { ...tags[1], contentId: first?.contentId } as ObservedTag, old].filter((tag) => tag !== undefined)
    expect(removed(judge(same, { settings: keeping({ semver: { newest: 2, per: 'minor' } }) }))).toEqual([])
  })
})

describe('what is never removed', () => {
  it('a policy that matches nothing removes nothing', () => {
    const verdict = judge(releases, { settings: keeping({ tags: ['production-*'] }) })
    expect(removed(verdict)).toEqual([])
    expect(verdict.whole?.code).toBe('policy-matches-nothing')
  })

  it('a policy without rules keeps everything', () => {
    const verdict = judge(releases, { settings: keeping({}) })
    expect(removed(verdict)).toEqual([])
    expect(verdict.whole?.code).toBe('policy-empty')
  })

  it('without a policy for the repository nothing goes', () => {
    expect(judge(releases, { settings: settingsOf({}) }).whole?.code).toBe('no-policy')
    const except = settingsOf({ policies: [{ name: 'all', repositories: ['**'], except: [name], keep: { last: 1 } }] })
    expect(judge(releases, { settings: except }).whole?.code).toBe('no-policy')
  })

  it('one tag deleted must not take the tags that share its content, production included', () => {
    const shared = 'sha256:abc'
    const tags = [
      tagOf('new', 1),
      tagOf('build-17', 90, { contentId: shared }),
      tagOf('production', 200, { contentId: shared }),
      tagOf('junk', 300),
    ]
    const verdict = judge(tags, { settings: keeping({ last: 1 }), references: [useOf(name, { tag: 'production' })] })
    expect(removed(verdict)).toEqual(['junk'])
    expect(codesOf(verdict, 'build-17')).toEqual(['referenced'])
  })

  it('tags that share only the configuration go or stay together', () => {
    const tags = [tagOf('new', 1), tagOf('a', 90, { imageId: 'sha256:c' }), tagOf('b', 91, { imageId: 'sha256:c' })]
    expect(removed(judge(tags, { references: [useOf(name, { tag: 'b' })] }))).toEqual([])
  })

  it('multi-arch children stay with their index', () => {
    const tags = [
      tagOf('new', 1),
      tagOf('v1', 90, { parts: ['sha256:amd', 'sha256:arm'] }),
      tagOf('v1-arm', 91, { contentId: 'sha256:arm' }),
    ]
    expect(removed(judge(tags, { references: [useOf(name, { tag: 'v1' })] }))).toEqual([])
  })

  it.for(['pod', 'replica-set', 'controller-revision', 'cron-job', 'job', 'pod-template', 'trigger'] as const)('what a %s names', (via) => {
    expect(removed(judge(releases, { references: [useOf(name, { tag: 'v1' }, { via })] }))).toEqual(['v2'])
  })

  it('what is named by digest', () => {
    const digest = releases[2]?.contentId ?? ''
    expect(removed(judge(releases, { references: [useOf(name, { digest })] }))).toEqual(['v2'])
  })

  it('anything, while somebody names a digest that no tag has', () => {
    const verdict = judge(releases, { references: [useOf(name, { digest: 'sha256:unknown' })] })
    expect(removed(verdict)).toEqual([])
    expect(verdict.whole?.code).toBe('digest-unresolved')
    expect(verdict.whole?.text).toContain('Deployment prod/web')
  })

  it('but what a pod reports to have run under a tag that has moved on holds nothing up', () => {
    expect(removed(judge(releases, { references: [useOf(name, { digest: 'sha256:unknown' }, { via: 'pod-status' })] }))).toEqual([
      'v1',
      'v2',
    ])
  })

  it('what was in use lately, until that is long enough ago', () => {
    const seen = (daysAgo: number) => [useOf(name, { tag: 'v1' }, { seenMs: now - daysAgo * 86_400_000 })]
    expect(codesOf(judge(releases, { references: seen(29) }), 'v1')).toEqual(['referenced-lately'])
    expect(removed(judge(releases, { references: seen(31) }))).toEqual(['v1', 'v2'])
  })

  it('what is on the list of protected images', () => {
    expect(removed(judge(releases, { settings: keeping({ last: 1 }, { protect: ['shop/*:v1'] }) }))).toEqual(['v2'])
  })

  it('anything of a list that is not complete, or of a frozen repository', () => {
    const incomplete = judgeRepository({
      repository: { name, tags: releases, problem: 'page 7 is garbage' },
      references: [],
      settings: keeping({ last: 1 }),
      now,
    })
    expect(removed(incomplete)).toEqual([])
    expect(incomplete.whole?.code).toBe('repository-incomplete')
    const frozen = judge(releases, { frozen: { code: 'cluster-unreadable', text: 'no' } })
    expect(removed(frozen)).toEqual([])
  })

  it('the last tag of a repository', () => {
    expect(removed(judge([tagOf('only', 900)], { settings: keeping({ tags: ['only'] }) }))).toEqual([])
    expect(removed(judge([tagOf('only', 900)], { settings: keeping({ days: 1 }) }))).toEqual([])
  })
})

describe('order', () => {
  it('equal push times are decided by version, then by name, whatever the order of the list', () => {
    const tags = ['b', 'v1.10.0', 'v1.9.0', 'a'].map((tag) => tagOf(tag, 5))
    const first = judge(tags, { settings: keeping({ last: 1 }) })
    const second = judge(tags.toReversed(), { settings: keeping({ last: 1 }) })
    expect(removed(first)).toEqual(['a', 'b', 'v1.9.0'])
    expect(removed(second)).toEqual(removed(first))
  })
})
