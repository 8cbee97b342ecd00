import { describe, expect, it } from 'vitest'
import { contentsOf } from '#functions/image-cleaner/image.ts'
import { parseImageName } from '#functions/image-cleaner/image-name.ts'
import { compareVersionNames, parseVersion } from '#functions/image-cleaner/version.ts'
import { tagOf } from './fixtures.ts'

const digest = `sha256:${'a'.repeat(64)}`

describe('parseImageName', () => {
  it.for([
    ['nginx', { host: 'docker.io', repository: 'library/nginx', tag: 'latest' }],
    ['team/app:1', { host: 'docker.io', repository: 'team/app', tag: '1' }],
    ['docker.io/nginx', { host: 'docker.io', repository: 'library/nginx', tag: 'latest' }],
    ['ccr.ccs.tencentyun.com/shop/web:v1', { host: 'ccr.ccs.tencentyun.com', repository: 'shop/web', tag: 'v1' }],
    ['CCR.ccs.tencentyun.com/shop/web', { host: 'ccr.ccs.tencentyun.com', repository: 'shop/web', tag: 'latest' }],
    ['registry:5000/a/b/c:x', { host: 'registry:5000', repository: 'a/b/c', tag: 'x' }],
    ['localhost/app', { host: 'localhost', repository: 'app', tag: 'latest' }],
    [`r.io/a/b@${digest}`, { host: 'r.io', repository: 'a/b', digest }],
    [`r.io/a/b:v1@${digest}`, { host: 'r.io', repository: 'a/b', tag: 'v1', digest }],
    [`docker-pullable://r.io/a/b@${digest}`, { host: 'r.io', repository: 'a/b', digest }],
  ] as const)('reads %s', ([text, name]) => {
    expect(parseImageName(text)).toEqual(name)
  })

  it.for(['', digest, 'r.io/A/b', 'r.io/a/b:', `r.io/a/b@sha256:12`, 'r.io/../b', 'r.io/a b', `r.io/a/b:${'x'.repeat(129)}`])(
    'refuses %s',
    (text) => {
      expect(parseImageName(text)).toBeUndefined()
    },
  )
})

describe('versions', () => {
  it('are in the order of semver.org 2.0.0', () => {
    const order = [
      'none',
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      'v1.0.0',
      '1.0.1',
      '1.10.0',
      '2.0.0',
    ]
    for (const [index, left] of order.entries()) {
      for (const [other, right] of order.entries()) expect(Math.sign(compareVersionNames(left, right))).toBe(Math.sign(index - other))
    }
  })

  it.for([
    ['1.2.3', [1, 2, 3]],
    ['v0.0.0', [0, 0, 0]],
    ['v10.0.20', [10, 0, 20]],
    ['123456789012345.0.999999999999999', [123_456_789_012_345, 0, 999_999_999_999_999]],
    ['1.2.3_build.7', [1, 2, 3]],
  ] as const)('%s is a release', ([text, numbers]) => {
    const version = parseVersion(text)
    expect([version?.major, version?.minor, version?.patch]).toEqual(numbers)
    expect(version?.prerelease).toEqual([])
  })

  const none = [
    ...['1.0', 'v1', '01.0.0', '1.0.0-01', '1.0.0-', 'x1.0.0', '1.0.0.0', '99999999999999999999.0.0'],
    ...[
      '',
      'v',
      '1',
      '1..2',
      '1.2.',
      '.1.2',
      'v.1.2',
      '1.00.2',
      '1.2.03',
      '1.2.3.',
      '1234567890123456.0.0',
      '0.0.1234567890123456',
      'vv1.2.3',
    ],
  ]
  it.for(none)('%s is none', (text) => {
    expect(parseVersion(text)).toBeUndefined()
  })
})

describe('contentsOf', () => {
  it('joins tags over several shared ids, and counts bytes once per content', () => {
    const tags = [
      tagOf('a', 1, { contentId: 'sha256:1', imageId: 'sha256:x', sizeBytes: 10 }),
      tagOf('b', 2, { contentId: 'sha256:2', imageId: 'sha256:x', sizeBytes: 20 }),
      tagOf('c', 3, { contentId: 'sha256:2', imageId: 'sha256:y', sizeBytes: 20 }),
      tagOf('d', 4, { contentId: 'sha256:3' }),
    ]
    const contents = contentsOf(tags)
    expect(contents.map((content) => content.tags.map(({ name }) => name))).toEqual([['a', 'b', 'c'], ['d']])
    expect(contents[0]).toMatchObject({ sizeBytes: 30, pushedMs: tags[0]?.pushedMs })
  })

  it('takes an empty id for none', () => {
    expect(contentsOf([tagOf('a', 1, { imageId: '' }), tagOf('b', 1, { imageId: '' })])).toHaveLength(2)
  })
})
